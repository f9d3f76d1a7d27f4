"""What objects hold, compared by one native call instead of a read in Python for each: in slots, dicts and lists.

An object keeps what its slots hold as addresses, at places of its memory that are the same for all of its class. So
"does ``x.array`` still hold this array" is: is the word at that place still the address of this array? Dicts and lists
are asked in the same call, by Python's own functions (`kernels.looks`). Machine code looks at a few dozen objects in
the time that Python needs for one. What is compared is kept alive here, so its address can belong to nothing else.

Where slots are is found by trying (`place_of`), not by knowing how an interpreter is built. Where that does not
succeed, `Words` is not used.
"""

from __future__ import annotations

import ctypes
import sys
import types
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from ..engine import Variable, dtypes
from ..kernels import looks
from ..kernels.compile import count
from ..kernels.machine import is_available

__all__ = ["SLOTS", "Arguments", "Look", "Words", "elements_of", "has_places", "place_of"]

_WORD = ctypes.sizeof(ctypes.c_void_p)
_SETTINGS = (dtypes, "_chosen"), (count, "_count")  # the default dtype, the number of threads
_COPIED = 1 << 16  # bytes of an argument up to which it is copied by the call that looks at it


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


class Look(NamedTuple):
    """A place that holds something, to be compared.

    Attributes
    ----------
    holder : object
    key : object
        The name of a slot; a key of a dict; the number of an element of a list, or None for how many there are.
    kind : type or None
        For a slot: the key of `SLOTS` for the holder's class.
    twin : dict or None
        Another dict, which should hold the same object by the same key.
    """

    holder: Any
    key: Any = None
    kind: type | None = None
    twin: Any = None

    def content(self) -> Any:
        """Return what is held now; None for nothing."""
        try:
            if self.kind is not None:
                return getattr(self.holder, self.key)
            if isinstance(self.holder, dict):
                return dict.get(self.holder, self.key)
            return len(self.holder) if self.key is None else self.holder[self.key]
        except (AttributeError, ValueError):  # ValueError: an empty cell
            return None

    def words(self, content: Any) -> tuple[int, int, int, int]:
        """Return the look for the native call, which is to find `content`."""
        holder = id(self.holder)
        if self.kind is not None:
            place = holder + (place_of(self.kind, self.key) or 0)
            return looks.SLOT, place, 0, ctypes.c_int64.from_address(place).value
        if self.twin is not None:
            return looks.ALIKE, holder, id(self.key), id(self.twin)
        if isinstance(self.holder, dict):
            return looks.ITEM, holder, id(self.key), id(content) if self.key in self.holder else 0
        if self.key is None:
            return looks.LENGTH, holder, 0, content
        return looks.ELEMENT, holder, self.key, id(content)


def elements_of(holder: list[Any]) -> list[Look]:
    """Return looks at a list: how many elements it has, and each."""
    return [Look(holder), *(Look(holder, i) for i in range(len(holder)))]


class Words:
    """Places of objects, and what they held when they were last looked at.

    Parameters
    ----------
    places : sequence of Look
        Elements of a list after its length.
    """

    def __init__(self, places: Sequence[Look]):
        self.places = places
        self.renew()

    def renew(self) -> None:
        """Take over what is held now."""
        self.held = [place.content() for place in self.places]
        words = [place.words(content) for place, content in zip(self.places, self.held)]
        self.words = np.array(words, np.int64).reshape(-1, 4)
        self._look = looks.looking(self.words)

    def same(self) -> bool:
        """Return whether each place holds the object that it held."""
        return self._look(())


class Arguments:
    """What the arguments of a call are like, tensors without a graph, and the settings that all threads share.

    Parameters
    ----------
    tensors : sequence of tensor
        Examples.
    buffers : sequence of ndarray
        Where their elements are copied to.
    """

    def __init__(self, tensors: Sequence[Any], buffers: Sequence[np.ndarray]):
        self.count = len(tensors)
        self._buffers = buffers
        self._kinds = [(type(x), x.array.dtype) for x in tensors]  # kept alive
        self._forms = [self._form(x.array, buffer) for x, buffer in zip(tensors, buffers)]
        settings = [Look(vars(module), name) for module, name in _SETTINGS]
        self._held = [look.content() for look in settings]
        words = [look.words(content) for look, content in zip(settings, self._held)]
        words += [(looks.ARGUMENT, i, form.ctypes.data, id(kind))
                  for i, (form, (kind, _)) in enumerate(zip(self._forms, self._kinds))]
        self._look = looks.looking(np.array(words, np.int64).reshape(-1, 4))
        self.rest = [(i, buffer) for i, (buffer, form) in enumerate(zip(buffers, self._forms)) if not form[7]]

    @staticmethod
    def are_told(tensors: Sequence[Any]) -> bool:
        """Return whether such arguments can be told natively."""
        return has_places() and looks.has_places_of_arrays() and all(
            type(x.array) is np.ndarray and x.node is None for x in tensors)

    @staticmethod
    def _form(array: np.ndarray, buffer: np.ndarray) -> np.ndarray:
        is_copied = array.flags.c_contiguous and buffer.flags.c_contiguous and array.nbytes <= _COPIED
        return np.array([place_of(Variable, "node"), place_of(Variable, "array"), id(None), id(np.ndarray),
                         id(array.dtype), array.ndim, buffer.ctypes.data, array.nbytes if is_copied else 0,
                         *array.shape, *array.strides], np.int64)

    def take(self, args: tuple[Any, ...]) -> bool:
        """Return whether arguments are of this form, and copy their elements then."""
        if len(args) != self.count or not self._look(args):
            return False
        for i, buffer in self.rest:
            np.copyto(buffer, args[i].array)
        return True
