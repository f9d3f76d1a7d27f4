"""Structures of tensors: what a call is given and what it returns, taken apart and put together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..engine import Leaf, Variable

__all__ = ["Layout", "taken_apart"]

_PLAIN = (int, float, bool, str, bytes, type(None), np.dtype)


class Layout:
    """Where tensors stand in a structure of tuples, lists and dicts, and all else that is in it.

    Attributes
    ----------
    key : object
        Equal for structures that differ in the elements of tensors only.
    build : callable
        Makes a structure of the same form of other tensors.
    others : list of (str, object)
        Objects that are neither tensors, containers nor plain values.
    """

    def __init__(self, key: Any, build: Callable[[Sequence[Any]], Any], others: list[tuple[str, Any]]):
        self.key, self.build, self.others = key, build, others


def taken_apart(value: Any, path: str, tensors: list[Any], whole: bool = False) -> Layout:
    """Append the tensors of a structure to a list and return its layout.

    Parameters
    ----------
    value : object
    path : str
        What it is called.
    tensors : list
    whole : bool
        Leaves of the graph count as tensors too, not as objects.
    """
    if isinstance(value, Variable) and (whole or type(value.node) is not Leaf):
        place = len(tensors)
        tensors.append(value)
        array = value.array
        key = type(value), array.shape, array.dtype, array.strides, value.node is None
        return Layout(key, lambda found: found[place], [])
    if isinstance(value, dict):
        items = {name: taken_apart(item, f"{path}[{name!r}]", tensors, whole) for name, item in value.items()}
        return Layout((dict, tuple((name, item.key) for name, item in items.items())),
                      lambda found: type(value)((name, item.build(found)) for name, item in items.items()),
                      [other for item in items.values() for other in item.others])
    if isinstance(value, tuple | list):
        parts = [taken_apart(item, f"{path}[{i}]", tensors, whole) for i, item in enumerate(value)]
        made = (lambda things: type(value)(*things)) if hasattr(value, "_fields") else type(value)
        return Layout((type(value), tuple(part.key for part in parts)),
                      lambda found: made([part.build(found) for part in parts]),
                      [other for part in parts for other in part.others])
    if isinstance(value, _PLAIN):
        return Layout((type(value), value), lambda found: value, [])
    return Layout(("object", id(value)), lambda found: value, [(path, value)])
