"""Results that depend on a weight alone, kept while the weight stays the same.

Evaluation transforms the same weights again and again. `Kept` holds what was computed from an array, and a copy of the
array to tell by: each later call compares all of it with the copy, a fraction of the work, so that nothing stale is
returned, however the array was changed.

Training changes a weight between any two calls. It should pay nothing, so at first only a few elements are noted; the
result is kept when the array comes back with the same ones.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Generic, TypeVar

import numpy as np
from numpy import uintp

from ..annotations import Array
from ..compile import chunked, threads_for

__all__ = ["Kept"]

NOTED = 61  # elements that tell training from evaluation
BLOCK = 4096  # elements that are compared before a difference is looked for

Result = TypeVar("Result")


class _Entry(Generic[Result]):
    """What is known of an array: its noted elements; once it came back with them, its copy and the result."""

    def __init__(self, array: Array, noted: bytes, forget: Callable[[weakref.ref[Array]], None]):
        self.array = weakref.ref(array, forget)
        self.noted = noted
        self.result: Result | None = None
        self.copy: Array | None = None
        self.bytes = 0


class Kept(Generic[Result]):
    """A function of a C-contiguous array whose results are kept while the array lives and has the same elements.

    There is no lock, which a forgotten array could wait for at any moment: each access of the dictionary is whole, and
    two threads that meet compute the same twice.

    Parameters
    ----------
    function : callable
        Takes the array and returns the result and its size in bytes.
    most_bytes : int
        Of copies and results; beyond it, those that were used longest ago are dropped.
    """

    def __init__(self, function: Callable[[Array], tuple[Result, int]], most_bytes: int):
        self.function = function
        self.most_bytes = most_bytes
        self._entries: dict[int, _Entry[Result]] = {}  # by id, the one used last at the end

    def __call__(self, array: Array) -> Result | None:
        """Return the result for the array; None where it is seen for the first time since it changed."""
        key = id(array)
        flat = array.reshape(-1)
        noted = flat[:: max(1, flat.size // NOTED)].tobytes()
        entry = self._entries.get(key)
        if entry is None or entry.array() is not array or entry.noted != noted:
            entry = _Entry(array, noted, lambda dead: self._forget(key, dead))
        elif entry.copy is None:
            copy = array.copy()
            entry.result, size = self.function(copy)
            entry.bytes = copy.nbytes + size
            entry.copy = copy.reshape(-1)
        elif not same_bits(flat, entry.copy):
            entry = _Entry(array, noted, lambda dead: self._forget(key, dead))
        self._entries.pop(key, None)
        self._entries[key] = entry
        self._drop_beyond()
        return entry.result

    @property
    def bytes(self) -> int:
        """How many bytes are kept."""
        return sum(entry.bytes for entry in list(self._entries.values()))

    def clear(self) -> None:
        """Keep nothing of what was seen so far."""
        self._entries.clear()

    def _forget(self, key: int, dead: weakref.ref[Array]) -> None:
        entry = self._entries.get(key)
        if entry is not None and entry.array is dead:
            self._entries.pop(key, None)

    def _drop_beyond(self) -> None:
        excess = self.bytes - self.most_bytes
        for key, entry in list(self._entries.items()):
            if excess <= 0:
                break
            excess -= entry.bytes
            self._entries.pop(key, None)


def same_bits(a: Array, b: Array) -> bool:
    """Return whether two flat arrays of one size and dtype hold the same bits."""
    a, b = a.view(np.uint32), b.view(np.uint32)
    threads = threads_for(a.size // 4)
    found = np.zeros(threads, np.bool_)
    _differ(threads, a, b, found)
    return not found.any()


@chunked
def _differ(t: int, threads: int, a: Array, b: Array, found: Array) -> None:
    first, last = a.size * t // threads, a.size * (t + 1) // threads
    for start in range(first, last, BLOCK):
        difference = np.uint32(0)
        for i in range(uintp(start), uintp(min(start + BLOCK, last))):
            difference |= a[i] ^ b[i]
        if difference:
            found[t] = True
            return
