"""Structures of tensors: what a call is given and what it returns, taken apart and put together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Any

import numpy as np

from ..engine import Leaf, Variable

__all__ = ["Layout", "copied", "flat", "getter", "has_graph", "taken_apart", "tensor_like"]

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


def getter(names: Sequence[str]) -> Callable[[Any], tuple[Any, ...]]:
    """Return what gets the items of a mapping by some names, the first once more: so it is a tuple for one name too."""
    return itemgetter(*names, names[0])


def flat(result: Any) -> list[Any]:
    """Return the tensors of a structure."""
    found: list[Any] = []
    taken_apart(result, "", found, whole=True)
    return found


def has_graph(result: Any) -> bool:
    """Return whether some tensor of a result is to be differentiated."""
    return any(x.node is not None and type(x.node) is not Leaf and not _was_differentiated(x.node)
               for x in flat(result))


def copied(array: np.ndarray) -> np.ndarray:
    """Return a copy in memory of its own, with the same strides."""
    if array.flags.c_contiguous or not array.size:
        return array.copy()
    low = sum(min(0, (n - 1) * step) for n, step in zip(array.shape, array.strides))
    high = sum(max(0, (n - 1) * step) for n, step in zip(array.shape, array.strides)) + array.itemsize
    out = np.ndarray(array.shape, array.dtype, np.zeros(high - low, np.uint8), -low, array.strides)
    np.copyto(out, array)
    return out


def tensor_like(x: Any, buffer: np.ndarray) -> Any:
    """Return a tensor of the class of another, on an array, without a graph."""
    out = object.__new__(type(x))
    out.array = buffer
    out.node = out._view = None
    return out


def _was_differentiated(node: Any) -> bool:
    """Return whether a backward pass went through the graph behind a node."""
    waiting, seen = [node], set()
    while waiting:
        node = waiting.pop()
        if node is None or id(node) in seen:
            continue
        seen.add(id(node))
        if getattr(node, "plan", None) is not None and node.plan.keeps and node.inputs is None:
            return True
        waiting.extend(node.parents)
    return False
