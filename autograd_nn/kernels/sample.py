"""Weighted sums of elements at given places: what sampling images at points, and resizing them, are made of.

``T(x, w, g) = sum(g[n, c, p] * w[n, p, k] * x[n, c, index[n, p, k]])`` is linear in each of three arrays. The three
kernels are its derivatives in `g`, `x` and `w`, so each is the adjoint of the others.
"""

from __future__ import annotations

import numpy as np

from autograd_nn.kernels.annotations import Array
from autograd_nn.kernels.compile import chunked, threads_for
from autograd_nn.kernels.memory import contiguous

__all__ = ["weighted_products", "weighted_put", "weighted_take"]


def weighted_take(x: Array, weight: Array, index: Array) -> Array:
    """Return ``out[n, c, p] = sum over k of weight[n, p, k] * x[n, c, index[n, p, k]]``.

    Parameters
    ----------
    x : ndarray (N, C, S)
    weight : ndarray (N, P, K), of the dtype of `x`
    index : ndarray (N, P, K), int64
        From -1 to S - 1, not checked; -1 stands for an element that is 0.

    Returns
    -------
    ndarray (N, C, P)
    """
    out = np.empty((*x.shape[:2], weight.shape[1]), x.dtype)
    threads = min(threads_for(4 * x.shape[1] * weight.size), max(1, weight.shape[1]))
    _take(threads, out, contiguous(x), contiguous(weight), contiguous(index))
    return out


@chunked
def _take(t: int, threads: int, out: Array, x: Array, weight: Array, index: Array) -> None:
    count = out.shape[2]
    for n in range(out.shape[0]):
        for c in range(out.shape[1]):
            for p in range(t * count // threads, (t + 1) * count // threads):
                total = 0.0
                for k in range(weight.shape[2]):
                    s = index[n, p, k]
                    if s >= 0:
                        total += weight[n, p, k] * x[n, c, s]
                out[n, c, p] = total


def weighted_put(g: Array, weight: Array, index: Array, size: int) -> Array:
    """Return the adjoint of `weighted_take` in `x`: ``out[n, c, index[n, p, k]] += weight[n, p, k] * g[n, c, p]``.

    A thread owns channels and visits all points in order.

    Parameters
    ----------
    g : ndarray (N, C, P)
    weight, index : as for `weighted_take`
    size : int
        S.

    Returns
    -------
    ndarray (N, C, S)
    """
    out = np.zeros((*g.shape[:2], size), g.dtype)
    threads = min(threads_for(4 * g.shape[1] * weight.size), max(1, g.shape[0] * g.shape[1]))
    _put(threads, out, contiguous(g), contiguous(weight), contiguous(index))
    return out


@chunked
def _put(t: int, threads: int, out: Array, g: Array, weight: Array, index: Array) -> None:
    planes = out.shape[0] * out.shape[1]
    for plane in range(t * planes // threads, (t + 1) * planes // threads):
        n, c = plane // out.shape[1], plane % out.shape[1]
        for p in range(g.shape[2]):
            for k in range(weight.shape[2]):
                s = index[n, p, k]
                if s >= 0:
                    out[n, c, s] += weight[n, p, k] * g[n, c, p]


def weighted_products(g: Array, x: Array, index: Array) -> Array:
    """Return the adjoint in the weights: ``out[n, p, k] = sum over c of g[n, c, p] * x[n, c, index[n, p, k]]``.

    Parameters
    ----------
    g : ndarray (N, C, P)
    x : ndarray (N, C, S)
    index : ndarray (N, P, K), int64

    Returns
    -------
    ndarray (N, P, K)
    """
    out = np.empty(index.shape, g.dtype)
    threads = min(threads_for(4 * g.shape[1] * index.size), max(1, index.shape[1]))
    _products(threads, out, contiguous(g), contiguous(x), contiguous(index))
    return out


@chunked
def _products(t: int, threads: int, out: Array, g: Array, x: Array, index: Array) -> None:
    count = out.shape[1]
    for n in range(out.shape[0]):
        for p in range(t * count // threads, (t + 1) * count // threads):
            for k in range(out.shape[2]):
                s = index[n, p, k]
                total = 0.0
                if s >= 0:
                    for c in range(g.shape[1]):
                        total += g[n, c, p] * x[n, c, s]
                out[n, p, k] = total
