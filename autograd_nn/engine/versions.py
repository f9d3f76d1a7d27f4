"""The clock of in-place changes: a value that a gradient needs must not change between forward and backward.

Memory, not tensors, carries the versions. Each write through the door advances one clock and stamps the owner of the
memory with it, so that views and detached aliases are covered, and a recorded call pays for one integer.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterable
from typing import Any

import numpy as np

clock = 0
_stamps: dict[int, tuple[int, weakref.ref[np.ndarray], str]] = {}
_limit = 1024


def _owner(array: np.ndarray) -> np.ndarray:
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array


def mark_changed(array: np.ndarray, operation: str = "") -> None:
    """Note that `operation` wrote to the memory of `array`."""
    global clock, _stamps, _limit
    clock += 1
    owner = array if array.base is None else _owner(array)
    _stamps[id(owner)] = clock, weakref.ref(owner), operation
    if len(_stamps) > _limit:
        _stamps = {key: stamp for key, stamp in _stamps.items() if stamp[1]() is not None}
        _limit = max(1024, 2 * len(_stamps))


def last_change(array: np.ndarray) -> tuple[int, str]:
    """Return when the memory of `array` was last written to, and by which operation; (0, "") for never."""
    owner = _owner(array)
    time, reference, operation = _stamps.get(id(owner), (0, None, ""))
    return (time, operation) if reference is not None and reference() is owner else (0, "")


def check_unchanged(call: Any, arrays: Iterable[Any]) -> None:
    """Raise where one of the arrays that the rules of `call` read was changed after the call was made."""
    for array in arrays:
        if not isinstance(array, np.ndarray):
            continue
        time, operation = last_change(array)
        if time > call.time:
            by = f"{operation}()" if operation else "an in-place method, item assignment or an optimizer step"
            raise RuntimeError(
                f"backward(): a value of shape {array.shape} that the gradient of {call.primitive.name}() needs was "
                f"changed in place after it was used, by {by}; work on a .clone() or compute the forward pass again"
            )
