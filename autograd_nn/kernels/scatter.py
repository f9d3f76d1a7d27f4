"""Picking at given places, and adding there, which is the adjoint: gather, embeddings, bags of rows.

Where elements are added, a thread owns a range of columns and visits all rows in order, so that repeated places are
added in one order for any number of threads.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy import uintp

from autograd_nn.kernels.annotations import Array
from autograd_nn.kernels.compile import chunked, jit, threads_for
from autograd_nn.kernels.memory import contiguous

__all__ = ["add_along", "add_rows", "add_slices", "bag_sums", "take_along", "take_slices"]

COLUMNS = 16  # the least that is worth a thread


def add_rows(out: Array, index: Array, rows: Array) -> Array:
    """Add each row to a row of `out`, in place: ``out[index[i]] += rows[i]`` for every i.

    Parameters
    ----------
    out : ndarray (K, D), C-contiguous
    index : ndarray (M,), int64
        From 0 to K - 1; not checked.
    rows : ndarray (M, D), of the dtype of `out`

    Returns
    -------
    ndarray
        `out`.
    """
    threads = min(threads_for(2 * rows.size), max(1, rows.shape[1] // COLUMNS))
    _add_rows(threads, out, contiguous(index), contiguous(rows))
    return out


@chunked
def _add_rows(t: int, threads: int, out: Array, index: Array, rows: Array) -> None:
    first, last = uintp(t * rows.shape[1] // threads), uintp((t + 1) * rows.shape[1] // threads)
    for i in range(index.size):
        k = uintp(index[i])
        for j in range(first, last):
            out[k, j] += rows[i, j]


def bag_sums(rows: Array, share: Array, index: Array, starts: Array) -> Array:
    """Return weighted sums of rows: ``out[b] = sum of share[i] * rows[index[i]] for starts[b] <= i < starts[b + 1]``.

    Parameters
    ----------
    rows : ndarray (K, D)
    share : ndarray (M,), of the dtype of `rows`
    index : ndarray (M,), int64
        From 0 to K - 1; not checked.
    starts : ndarray (B + 1,), int64
        Ascending, from 0 to M; not checked.

    Returns
    -------
    ndarray (B, D)
    """
    out = np.zeros((starts.size - 1, rows.shape[1]), rows.dtype)
    threads = min(threads_for(2 * index.size * rows.shape[1]), max(1, len(out)))
    _bag_sums(threads, out, contiguous(rows), contiguous(share), contiguous(index), contiguous(starts))
    return out


@chunked
def _bag_sums(t: int, threads: int, out: Array, rows: Array, share: Array, index: Array, starts: Array) -> None:
    count = out.shape[0]
    for b in range(t * count // threads, (t + 1) * count // threads):
        for i in range(starts[b], starts[b + 1]):
            k = uintp(index[i])
            for j in range(out.shape[1]):
                out[b, j] += share[i] * rows[k, j]


@jit
def _block(t: int, threads: int, count: int, width: int, outer: bool) -> tuple[int, int, int, int]:
    """Return the first and last row, and the first and last column, of a thread's block: a share of either."""
    if outer:
        return t * count // threads, (t + 1) * count // threads, 0, width
    return 0, count, t * width // threads, (t + 1) * width // threads


def take_along(x: Array, index: Array) -> tuple[Array, bool]:
    """Return ``out[o, m, i] = x[o, index[o, m, i], i]``, and whether all places are in range.

    Parameters
    ----------
    x : ndarray (O, K, I)
    index : ndarray (O, M, I), int64
        From -K to K - 1; negative places count from the end.

    Returns
    -------
    out : ndarray (O, M, I), of the dtype of `x`
    in_range : bool
        If not, some elements of `out` mean nothing.
    """
    out = np.empty(index.shape, x.dtype)
    wrong = np.zeros(1, np.int64)
    x, index, threads = contiguous(x), contiguous(index), threads_for(4 * out.size)
    if index.shape[2] == 1 and out.size:
        _take_from_rows(threads, x.reshape(len(x), -1), index.reshape(len(x), -1), out.reshape(len(x), -1), wrong)
    else:
        _take_along(threads, x, index, out, wrong)
    return out, not wrong[0]


@jit
def _is_outside(index: Array, length: int) -> bool:
    """Return whether some place lies outside of -length ... length - 1: a loop of its own, so by vectors."""
    bad: Any = 0
    for m in range(index.size):
        bad |= uintp(index[m] + length) >= uintp(2 * length)
    return bool(bad)


@chunked
def _take_from_rows(t: int, threads: int, x: Array, index: Array, out: Array, wrong: Array) -> None:
    count, M = index.shape
    K = x.shape[1]
    first, last, left, right = _block(t, threads, count, M, count >= threads)
    for o in range(uintp(first), uintp(last)):
        places, source, target = index[o, left:right], x[o], out[o, left:right]
        if _is_outside(places, K):
            wrong[0] = 1
        else:
            for m in range(places.size):
                k = places[m]
                target[m] = source[uintp(k + (K & (k >> 63)))]  # K more if k is negative


@chunked
def _take_along(t: int, threads: int, x: Array, index: Array, out: Array, wrong: Array) -> None:
    count, M, width = index.shape
    K = x.shape[1]
    first, last, left, right = _block(t, threads, count, M, count >= threads)
    bad: Any = False
    for o in range(uintp(first), uintp(last)):
        for m in range(uintp(left), uintp(right)):
            for i in range(uintp(width)):
                k = index[o, m, i]
                place = uintp(k + K if k < 0 else k)
                outside = place >= uintp(K)
                bad |= outside
                out[o, m, i] = x[o, uintp(0) if outside else place, i]
    if bad:
        wrong[0] = 1


def add_along(out: Array, index: Array, values: Array) -> bool:
    """Add each value to an element of `out`, in place: ``out[o, index[o, m, i], i] += values[o, m, i]``.

    Parameters
    ----------
    out : ndarray (O, K, I), C-contiguous
    index : ndarray (O, M, I), int64
        From -K to K - 1; negative places count from the end.
    values : ndarray (O, M, I), of the dtype of `out`

    Returns
    -------
    bool
        Whether all places are in range; values for others are not added.
    """
    wrong = np.zeros(1, np.int64)
    parts = max(index.shape[0], index.shape[2] // COLUMNS)
    threads = max(1, min(threads_for(4 * index.size), parts))
    index, values, outer = contiguous(index), contiguous(values), index.shape[0] >= threads
    if index.shape[2] == 1 and index.size and out.size:
        count = len(index)
        _add_to_rows(threads, out.reshape(count, -1), index.reshape(count, -1), values.reshape(count, -1), wrong)
    else:
        _add_along(threads, out, index, values, outer, wrong)
    return not wrong[0]


@jit
def _add_inside(target: Array, places: Array, added: Array) -> None:
    """Add what has a place; for rows of which some have none."""
    for m in range(places.size):
        k = places[m]
        place = uintp(k + target.size if k < 0 else k)
        if place < uintp(target.size):
            target[place] += added[m]


@chunked
def _add_to_rows(t: int, threads: int, out: Array, index: Array, values: Array, wrong: Array) -> None:
    count = len(index)
    K = out.shape[1]
    for o in range(uintp(t * count // threads), uintp((t + 1) * count // threads)):
        places, added, target = index[o], values[o], out[o]
        if _is_outside(places, K):
            wrong[0] = 1
            _add_inside(target, places, added)
        else:
            for m in range(places.size):
                k = places[m]
                target[uintp(k + (K & (k >> 63)))] += added[m]


@chunked
def _add_along(t: int, threads: int, out: Array, index: Array, values: Array, outer: bool, wrong: Array) -> None:
    count, M, width = index.shape
    K = out.shape[1]
    first, last, left, right = _block(t, threads, count, width, outer)
    bad = False
    for o in range(uintp(first), uintp(last)):
        for m in range(uintp(M)):
            for i in range(uintp(left), uintp(right)):
                k = index[o, m, i]
                place = uintp(k + K if k < 0 else k)
                if place >= uintp(K):
                    bad = True
                else:
                    out[o, place, i] += values[o, m, i]
    if bad:
        wrong[0] = 1


def take_slices(x: Array, index: Array) -> Array:
    """Return ``out[o, m] = x[o, index[m]]``: slices of each matrix, by place.

    Parameters
    ----------
    x : ndarray (O, K, I)
    index : ndarray (M,), int64
        From 0 to K - 1; not checked.

    Returns
    -------
    ndarray (O, M, I)
    """
    O, K, width = x.shape
    out = np.empty((O, index.size, width), x.dtype)
    if out.size:
        x, index, threads = contiguous(x), contiguous(index), min(threads_for(out.size), O * index.size)
        if width == 1:
            _take_columns(threads, x.reshape(O, K), index, out.reshape(O, index.size))
        else:
            _take_slices(threads, x, index, out)
    return out


@chunked
def _take_columns(t: int, threads: int, x: Array, index: Array, out: Array) -> None:
    count = len(out)
    for o in range(uintp(t * count // threads), uintp((t + 1) * count // threads)):
        for m in range(uintp(index.size)):
            out[o, m] = x[o, uintp(index[m])]


@chunked
def _take_slices(t: int, threads: int, x: Array, index: Array, out: Array) -> None:
    count, M, width = out.shape
    for unit in range(uintp(t * count * M // threads), uintp((t + 1) * count * M // threads)):
        o, m = unit // uintp(M), unit % uintp(M)
        source, target = x[o, uintp(index[m])], out[o, m]
        for i in range(uintp(width)):
            target[i] = source[i]


def add_slices(out: Array, index: Array, values: Array) -> bool:
    """Add each slice to a slice of `out`, in place: ``out[o, index[m]] += values[o, m]``.

    Parameters
    ----------
    out : ndarray (O, K, I), C-contiguous
    index : ndarray (M,), int64
        From -K to K - 1; negative places count from the end.
    values : ndarray (O, M, I), of the dtype of `out`

    Returns
    -------
    bool
        Whether all places are in range; slices for others are not added.
    """
    wrong = np.zeros(1, np.int64)
    parts = max(out.shape[0], out.shape[2] // COLUMNS)
    threads = max(1, min(threads_for(2 * values.size), parts))
    index, values, count = contiguous(index), contiguous(values), len(out)
    if out.shape[2] == 1 and out.size and index.size:
        _add_columns(threads, out.reshape(count, -1), index, values.reshape(count, -1), wrong)
    else:
        _add_slices(threads, out, index, values, count >= threads, wrong)
    return not wrong[0]


@chunked
def _add_columns(t: int, threads: int, out: Array, index: Array, values: Array, wrong: Array) -> None:
    count, K = out.shape
    begin, end = uintp(t * count // threads), uintp((t + 1) * count // threads)
    if _is_outside(index, K):
        wrong[0] = 1
        for o in range(begin, end):
            _add_inside(out[o], index, values[o])
        return
    whole_groups = begin + (end - begin) // uintp(4) * uintp(4)
    for o in range(begin, whole_groups, uintp(4)):  # four rows: additions to one place that do not wait for each other
        a0, a1, a2, a3 = out[o], out[o + uintp(1)], out[o + uintp(2)], out[o + uintp(3)]
        b0, b1, b2, b3 = values[o], values[o + uintp(1)], values[o + uintp(2)], values[o + uintp(3)]
        for m in range(index.size):
            k = index[m]
            place = uintp(k + (K & (k >> 63)))
            a0[place] += b0[m]
            a1[place] += b1[m]
            a2[place] += b2[m]
            a3[place] += b3[m]
    for o in range(whole_groups, end):
        target, added = out[o], values[o]
        for m in range(index.size):
            k = index[m]
            target[uintp(k + (K & (k >> 63)))] += added[m]


@chunked
def _add_slices(t: int, threads: int, out: Array, index: Array, values: Array, outer: bool, wrong: Array) -> None:
    count, K, width = out.shape
    first, last, left, right = _block(t, threads, count, width, outer)
    for o in range(uintp(first), uintp(last)):
        for m in range(uintp(index.size)):
            k = index[m]
            if k < 0:
                k += K
            if k < 0 or k >= K:
                wrong[0] = 1
            else:
                for i in range(uintp(left), uintp(right)):
                    out[o, uintp(k), i] += values[o, m, i]
