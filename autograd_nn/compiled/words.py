"""Which objects the slots of others hold, compared by one native call instead of an attribute read for each.

An object keeps what its slots hold as addresses, at places of its memory that are the same for all of its class. So
"does ``x.array`` still hold this array" is: is the word at that place still the address of this array? A loop of
machine code asks that of a few dozen slots in the time that Python needs for one. What is compared is kept alive
here, so its address can belong to nothing else.

Where the places are is found by trying (`place_of`), not by knowing how an interpreter is built. Where that does not
succeed, `Words` is not used.
"""

from __future__ import annotations

import ctypes
import sys
import types
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from ..engine import Variable
from ..kernels.machine import is_available, same_words

__all__ = ["SLOTS", "Words", "has_places", "place_of"]

_WORD = ctypes.sizeof(ctypes.c_void_p)


def _made_of(kind: type) -> tuple[Any, dict[str, Any]]:
    """Return an object of a class, and what its slots hold: objects that nothing else holds."""
    if kind is types.CellType:
        mark: Any = object()
        return types.CellType(mark), {"cell_contents": mark}
    if kind is types.FunctionType:
        marks: dict[str, Any] = {"__code__": compile("0", "a code of its own", "eval"),
                                 "__defaults__": (object(),), "__kwdefaults__": {"a": object()}}
        function = types.FunctionType(marks["__code__"], {})
        function.__defaults__, function.__kwdefaults__ = marks["__defaults__"], marks["__kwdefaults__"]
        return function, marks
    variable: Any = object.__new__(kind)
    marks = {"array": object(), "node": object()}
    for name, mark in marks.items():
        setattr(variable, name, mark)
    return variable, marks


SLOTS = {Variable: ("array", "node"), types.CellType: ("cell_contents",),
         types.FunctionType: ("__code__", "__defaults__", "__kwdefaults__")}  # fmt: skip


@lru_cache(maxsize=32)
def place_of(kind: type, name: str) -> int | None:
    """Return at which byte of an object of `kind` the address of what a slot holds lies; None where that is unknown.

    Parameters
    ----------
    kind : type
        A key of `SLOTS`.
    name : str
        One of its slots.
    """
    if sys.implementation.name != "cpython" or not is_available():
        return None
    made, marks = _made_of(kind)
    words = (ctypes.c_void_p * (kind.__basicsize__ // _WORD)).from_address(id(made))
    found = [i * _WORD for i, word in enumerate(words) if word == id(marks[name])]
    return found[0] if len(found) == 1 else None


@lru_cache(maxsize=1)
def has_places() -> bool:
    """Return whether the places of all slots are known."""
    return all(place_of(kind, name) is not None for kind, names in SLOTS.items() for name in names)


def _content(holder: Any, name: str) -> Any:
    """Return what a slot holds; None for nothing."""
    try:
        return getattr(holder, name)
    except (AttributeError, ValueError):  # ValueError: a cell
        return None


class Words:
    """Slots of objects, and what they held when they were last looked at.

    Parameters
    ----------
    slots : sequence of (object, type, str)
        An object, the key of `SLOTS` for its class, and the name of a slot.
    """

    def __init__(self, slots: Sequence[tuple[Any, type, str]]):
        self.slots = slots
        places = [id(holder) + (place_of(kind, name) or 0) for holder, kind, name in slots]
        self._words = np.array([len(slots), *places, *[0] * len(slots)], np.int64)
        self._address = self._words.ctypes.data
        self._same = same_words()
        self.renew()

    def renew(self) -> None:
        """Take over what the slots hold now."""
        self.held = [_content(holder, name) for holder, _, name in self.slots]
        n = len(self.slots)
        for i, place in enumerate(self._words[1 : n + 1]):
            self._words[n + 1 + i] = ctypes.c_int64.from_address(int(place)).value

    def same(self) -> bool:
        """Return whether each slot holds the object that it held."""
        return bool(self._same(self._address))
