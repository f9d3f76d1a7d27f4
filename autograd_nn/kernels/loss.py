"""Softmax and cross-entropy, row by row: one pass over memory, the row staying in the nearest cache.

The largest logit is subtracted before the exponential, so that logits of any size are safe. -inf is the logit
of a class that cannot be; a row of nothing else, like a row that holds NaN or +inf, gives NaN.
"""

from __future__ import annotations

import numpy as np
from numpy import uintp

from autograd_nn.kernels.annotations import Array
from autograd_nn.kernels.compile import chunked, jit, threads_for
from autograd_nn.kernels.memory import contiguous
from autograd_nn.kernels.numeric import exponential, from_ordered, to_ordered

__all__ = ["cross_entropy", "cross_entropy_input", "log_softmax", "softmax"]

WORK = 4  # a logit costs about as much as this many elements of a lighter kernel


def softmax(x: Array) -> Array:
    """Return ``exp(x - max) / sum(exp(x - max))`` over the last axis.

    Parameters
    ----------
    x : ndarray (M, C), float32 or float64

    Returns
    -------
    ndarray (M, C)
    """
    x = contiguous(x)
    out = np.empty_like(x)
    _softmax(threads_for(WORK * x.size), x, out)
    return out


def log_softmax(x: Array) -> Array:
    """Return ``x - max - log(sum(exp(x - max)))`` over the last axis.

    Parameters
    ----------
    x : ndarray (M, C), float32 or float64

    Returns
    -------
    ndarray (M, C)
    """
    x = contiguous(x)
    out = np.empty_like(x)
    _log_softmax(threads_for(WORK * x.size), x, out)
    return out


def cross_entropy(logits: Array, target: Array) -> tuple[Array, Array]:
    """Return the negative log-likelihood of each row's target class under ``softmax(logits)``.

    Parameters
    ----------
    logits : ndarray (M, C), float32 or float64
    target : ndarray (M,), integer
        Classes. A row whose target lies outside of 0 ... C - 1 is ignored: its loss and gradient are 0.

    Returns
    -------
    loss : ndarray (M,)
        ``logsumexp(logits[m]) - logits[m, target[m]]``.
    logsumexp : ndarray (M,)
        For `cross_entropy_input`.
    """
    logits = contiguous(logits)
    loss = np.empty(len(logits), logits.dtype)
    logsumexp = np.empty_like(loss)
    _cross_entropy(threads_for(WORK * logits.size), logits, _classes(target), loss, logsumexp)
    return loss, logsumexp


def cross_entropy_input(g: Array, logits: Array, target: Array, logsumexp: Array) -> Array:
    """Return the gradient of `cross_entropy` in the logits, ``g (softmax(logits) - one_hot(target))``.

    Parameters
    ----------
    g : ndarray (M,)
        Gradient in the losses; may be a broadcast view.
    logits : ndarray (M, C)
    target : ndarray (M,), integer
    logsumexp : ndarray (M,)
        As returned by `cross_entropy`.

    Returns
    -------
    ndarray (M, C)
    """
    logits = contiguous(logits)
    out = np.empty_like(logits)
    _cross_entropy_input(
        *(threads_for(WORK * logits.size), contiguous(g), logits, _classes(target), contiguous(logsumexp), out)
    )
    return out


def _classes(target: Array) -> Array:
    return contiguous(target if target.dtype == np.int64 else target.astype(np.int64))


@jit
def _row_maximum(x: Array, m: int) -> float:
    highest = to_ordered(x.dtype.type(-np.inf))
    for j in range(x.shape[1]):
        key = to_ordered(x[m, j])
        highest = key if key > highest else highest
    return from_ordered(highest)


@jit(reassociate=True)
def _row_sum_of_exponentials(x: Array, m: int, shift: float) -> float:
    total: float = x.dtype.type(0)
    for j in range(x.shape[1]):
        total += exponential(x[m, j] - shift)
    return total


@jit(reassociate=True)
def _row_sum(x: Array, m: int) -> float:
    total: float = x.dtype.type(0)
    for j in range(x.shape[1]):
        total += x[m, j]
    return total


@chunked
def _softmax(t: int, threads: int, x: Array, out: Array) -> None:
    M, C = x.shape
    for m in range(uintp(t * M // threads), uintp((t + 1) * M // threads)):
        shift = _row_maximum(x, m)
        for j in range(C):
            out[m, j] = exponential(x[m, j] - shift)
        scale = x.dtype.type(1) / _row_sum(out, m)
        for j in range(C):
            out[m, j] *= scale


@chunked
def _log_softmax(t: int, threads: int, x: Array, out: Array) -> None:
    M, C = x.shape
    for m in range(uintp(t * M // threads), uintp((t + 1) * M // threads)):
        shift = _row_maximum(x, m)
        logarithm = np.log(_row_sum_of_exponentials(x, m, shift))
        for j in range(C):
            out[m, j] = x[m, j] - shift - logarithm


@chunked
def _cross_entropy(t: int, threads: int, logits: Array, target: Array, loss: Array, logsumexp: Array) -> None:
    M, C = logits.shape
    for m in range(uintp(t * M // threads), uintp((t + 1) * M // threads)):
        shift = _row_maximum(logits, m)
        logarithm = np.log(_row_sum_of_exponentials(logits, m, shift))
        logsumexp[m] = logarithm + shift
        loss[m] = 0
        if 0 <= target[m] < C:
            loss[m] = logarithm - (logits[m, target[m]] - shift)


@chunked
def _cross_entropy_input(
    t: int, threads: int, g: Array, logits: Array, target: Array, logsumexp: Array, out: Array
) -> None:
    M, C = logits.shape
    for m in range(uintp(t * M // threads), uintp((t + 1) * M // threads)):
        if 0 <= target[m] < C:
            for j in range(C):
                out[m, j] = g[m] * exponential(logits[m, j] - logsumexp[m])
            out[m, target[m]] -= g[m]
        else:
            for j in range(C):
                out[m, j] = 0
