"""Copies of large arrays in threads: whole, of parts of rows, of rows or elements that are repeated.

One thread copies no faster than NumPy, which also copies what is small or lies otherwise.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy import uintp

from autograd_nn.kernels import by_numpy
from autograd_nn.kernels.annotations import Array, Shape
from autograd_nn.kernels.compile import chunked, get_num_threads, threads_for

__all__ = ["copy", "put"]

LARGE = 131_072  # elements from which on threads are faster than NumPy
SEGMENT = 8192  # elements of a row that a thread copies at a time
_AS_INTEGERS = {"f": np.int32, "i": np.int32, "d": np.int64, "l": np.int64}  # dtypes that are copied so


def copy(x: Array) -> Array:
    """Return a copy in row-major order.

    Parameters
    ----------
    x : ndarray
        Of any dtype and layout.
    """
    if x.size < LARGE:
        return by_numpy.copied(x)
    out = np.empty(x.shape, x.dtype)
    put(x, out)
    return out


def put(x: Array, out: Array) -> None:
    """Write an array into another of its shape and dtype.

    Parameters
    ----------
    x : ndarray
    out : ndarray
        Shares no memory with `x`.
    """
    done = False
    if x.size >= LARGE and get_num_threads() > 1 and x.dtype is out.dtype and x.dtype.char in _AS_INTEGERS:
        once = x[tuple([slice(0, 1) if step == 0 else slice(None) for step in x.strides])]
        if not once.flags.writeable and 16 * once.size < x.size:  # kernels take what can be written
            once = by_numpy.copied(once)
        if once.flags.writeable and once.flags.aligned:
            steps = tuple([step and of_once for step, of_once in zip(x.strides, once.strides)])
            layout = _layout(x.shape, steps, out.strides, x.dtype.itemsize)
            if layout is not None:
                _put(threads_for(x.size), _flat(once), _flat(out), layout)
                done = True
    if not done:
        by_numpy.put(x, out)


def _flat(x: Array) -> Array:
    """Return the memory from an array's first element to its last one, as integers of its size."""
    if not x.flags.c_contiguous:
        extent = 1 + sum([(n - 1) * step for n, step in zip(x.shape, x.strides)]) // x.dtype.itemsize
        x = np.lib.stride_tricks.as_strided(x, (extent,), (x.dtype.itemsize,))
    flat: Array = x.reshape(-1).view(_AS_INTEGERS[x.dtype.char])
    return flat


@lru_cache(maxsize=1024)
def _layout(shape: Shape, steps: Shape, out_steps: Shape, itemsize: int) -> Array | None:
    """Return three sizes, the steps of the source and those of the result.

    None if the axes cannot be merged into three, or if rows of the source or the result do not lie side by side.
    """
    groups: list[list[int]] = []
    for n, step, out_step in zip(shape, steps, out_steps):
        if step < 0 or out_step <= 0 or step % itemsize or out_step % itemsize:
            return None
        if n == 1:
            continue
        step, out_step = step // itemsize, out_step // itemsize
        if groups and groups[-1][1] == step * n and groups[-1][2] == out_step * n:
            groups[-1] = [groups[-1][0] * n, step, out_step]
        else:
            groups.append([n, step, out_step])
    if not groups or len(groups) > 3 or groups[-1][1] > 1 or groups[-1][2] != 1:
        return None
    groups = [[1, 0, 0]] * (3 - len(groups)) + groups
    return np.array([group[k] for k in range(3) for group in groups])


@chunked
def _put(t: int, threads: int, source: Array, out: Array, layout: Array) -> None:
    outer, rows, length, step_o, step_r, step, out_o, out_r, _ = layout
    segments = (length + SEGMENT - 1) // SEGMENT
    units = outer * rows * segments
    for unit in range(t * units // threads, (t + 1) * units // threads):
        o, r, begin = unit // segments // rows, unit // segments % rows, unit % segments * SEGMENT
        count = min(length - begin, SEGMENT)
        at, to = uintp(o * step_o + r * step_r + begin * step), uintp(o * out_o + r * out_r + begin)
        if step == 1:
            for i in range(uintp(count)):
                out[to + i] = source[at + i]
        else:
            value = source[at]
            for i in range(uintp(count)):
                out[to + i] = value
