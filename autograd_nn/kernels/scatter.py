"""Adding rows at given places, the adjoint of gathering rows: embeddings, repeated indices, bags of rows.

A thread owns a range of columns and visits all rows in order, so that repeated places are added in one order for
any number of threads.
"""

from __future__ import annotations

import numpy as np
from numpy import uintp

from autograd_nn.kernels.annotations import Array
from autograd_nn.kernels.compile import chunked, threads_for
from autograd_nn.kernels.memory import contiguous

__all__ = ["add_rows", "bag_sums"]

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
