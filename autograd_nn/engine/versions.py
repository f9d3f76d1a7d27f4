"""The clock of in-place changes: a value that a gradient needs must not change between forward and backward.

Memory, not tensors, carries the versions. Each write through the door advances one clock and stamps the owner of the
memory with it, so that views and detached aliases are covered, and a recorded call pays for one integer.
"""

from __future__ import annotations

import math
import weakref
from collections.abc import Iterable
from typing import Any, TypeAlias

import numpy as np
from numpy.lib.array_utils import byte_bounds

clock = 0
_KEPT = 32  # writes into parts of one memory that are told apart; of older ones only the latest time is known
Write: TypeAlias = tuple[int, str, float, float]  # when, by which operation, into which addresses: low and high
_stamps: dict[int, tuple[weakref.ref[np.ndarray], list[Write]]] = {}
_limit = 1024
_EVER = math.inf
_ref = weakref.ref


def _owner(array: np.ndarray) -> np.ndarray:
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array


def mark_changed(array: np.ndarray, operation: str = "") -> None:
    """Note that `operation` wrote to the memory of `array`.

    Examples
    --------
    >>> from autograd_nn import engine
    >>> import numpy as np
    >>> x = np.zeros(2)
    >>> engine.mark_changed(x, "fill")
    >>> engine.last_change(x)[1]
    'fill'
    """
    global clock, _stamps, _limit
    clock += 1
    if array.base is None:
        _stamps[id(array)] = _ref(array), [(clock, operation, -_EVER, _EVER)]
    else:
        owner = _owner(array)
        known = _stamps.get(id(owner))
        writes = known[1][-_KEPT:] if known is not None and known[0]() is owner else []
        if len(writes) == _KEPT:
            writes[0] = (*writes[0][:2], -_EVER, _EVER)
        writes.append((clock, operation, *byte_bounds(array)))
        _stamps[id(owner)] = _ref(owner), writes
    if len(_stamps) > _limit:
        _stamps = {key: stamp for key, stamp in _stamps.items() if stamp[0]() is not None}
        _limit = max(1024, 2 * len(_stamps))


def mark_all_changed(arrays: list[np.ndarray], operation: str = "") -> None:
    """Note that `operation` wrote to the memory of all of them, at one time."""
    global clock
    clock += 1
    writes: list[Write] = [(clock, operation, -_EVER, _EVER)]  # one list for all: what is appended to is a copy
    stamps = _stamps
    for array in arrays:
        if array.base is None:
            stamps[id(array)] = _ref(array), writes
    for array in arrays:
        if array.base is not None or len(_stamps) > _limit:
            mark_changed(array, operation)


class Together:
    """Arrays that are written to together, again and again: one stamp for all of them.

    Parameters
    ----------
    arrays : list of ndarray
    operation : str
        What writes to them.

    Examples
    --------
    >>> from autograd_nn import engine
    >>> import numpy as np
    >>> a, b = np.zeros(2), np.zeros(3)
    >>> both = engine.Together([a, b], "reset")
    >>> both.mark()
    >>> engine.last_change(a)[1], engine.last_change(b)[1]
    ('reset', 'reset')
    """

    def __init__(self, arrays: list[np.ndarray], operation: str):
        self.time, self.operation = -1, operation
        self.writes: list[Write] = []  # one list for all
        self.owners = list({id(owner): owner for owner in map(_owner, arrays)}.values())

    def mark(self) -> None:
        """Note that all of them were written to."""
        global clock
        if clock != self.time:  # others wrote since, perhaps to these
            for owner in self.owners:
                _stamps[id(owner)] = _ref(owner), self.writes
        clock += 1
        self.time = clock
        self.writes[:] = [(clock, self.operation, -_EVER, _EVER)]


def last_change(array: np.ndarray) -> tuple[int, str]:
    """Return when the memory of `array` was last written to, and by which operation; (0, "") for never.

    Examples
    --------
    >>> from autograd_nn import engine
    >>> import autograd_nn as ag
    >>> x = ag.zeros(2)
    >>> engine.last_change(x.array)
    (0, '')
    >>> y = x.add_(1)
    >>> engine.last_change(x.array)[1]
    'copy_into'
    """
    owner = _owner(array)
    reference, writes = _stamps.get(id(owner), (None, []))
    if reference is None or reference() is not owner:
        return 0, ""
    low, high = byte_bounds(array)
    for time, operation, start, end in reversed(writes):
        if start < high and low < end:
            return time, operation
    return 0, ""


def check_unchanged(call: Any, arrays: Iterable[Any]) -> None:
    """Raise where one of the arrays that the rules of `call` read was changed after the call was made."""
    for array in arrays:
        if not isinstance(array, np.ndarray):
            array = getattr(array, "memory", None)  # of a tensor inside `vmap`
            if array is None:
                continue
        time, operation = last_change(array)
        if time > call.time:
            by = f"{operation}()" if operation else "an in-place method, item assignment or an optimizer step"
            raise RuntimeError(
                f"backward(): a value of shape {array.shape} that the gradient of {call.primitive.name}() needs was "
                f"changed in place after it was used, by {by}; work on a .clone() or compute the forward pass again"
            )
