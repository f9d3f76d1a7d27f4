"""Arithmetic, ReLU and dropout: elementwise kernels that beat NumPy on large arrays, by threads and by fusion.

Small arrays, where a call costs more than its work, are NumPy's: it rounds alike.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy import uintp

from autograd_nn.kernels.annotations import Array
from autograd_nn.kernels.compile import chunked, get_num_threads, jit, threads_for
from autograd_nn.kernels.memory import contiguous
from autograd_nn.kernels.operations import ARITHMETIC, ERF, RELU, SIGMOID

__all__ = ["add_relu", "arithmetic", "dropout", "dropout_apply", "erf", "relu", "relu_input", "sigmoid"]

SMALL = 32_000
TINY = 512  # the same where NumPy needs several passes
SHARED = 128_000  # elements from which on arithmetic is worth a second thread


def arithmetic(function: int, by_numpy: Callable[..., Any], x: Any, y: Any) -> Any:
    """Return a sum, difference, product or quotient of arrays that are `SHARED` or larger, by threads if that pays.

    Parameters
    ----------
    function : int
        Which function of `operations.ARITHMETIC`.
    by_numpy : ufunc
        The same.
    x : ndarray
    y : ndarray or number
    """
    if x.dtype.char not in "fd" or get_num_threads() == 1:
        return by_numpy(x, y)
    if type(y) in (int, float) or (type(y) is np.ndarray and y.dtype == x.dtype):
        return ARITHMETIC(x, y, function=function)
    return by_numpy(x, y)


def relu(x: Array) -> Array:
    """Return max(x, 0); NaN stays NaN.

    Parameters
    ----------
    x : ndarray
    """
    if x.size < SMALL or x.dtype.kind != "f":
        return np.maximum(x, 0)
    return RELU(x)


def relu_input(g: Array, out: Array) -> Array:
    """Return the gradient of `relu`: `g` where ``out > 0`` or NaN, 0 elsewhere (whatever `g` is there).

    Parameters
    ----------
    g, out : ndarray, same shape and dtype
    """
    if g.size < TINY:
        return np.where(out <= 0, g.dtype.type(0), g)
    return RELU.gradient(g, out)


def add_relu(a: Array, b: Array) -> Array:
    """Return max(a + b, 0), in one pass.

    Parameters
    ----------
    a, b : ndarray, same shape and dtype
    """
    if a.size < SMALL:
        out: Array = np.maximum(a + b, 0)
        return out
    out = np.empty(a.shape, a.dtype)
    _add_relu(threads_for(a.size), contiguous(a).reshape(-1), contiguous(b).reshape(-1), out.reshape(-1))
    return out


def sigmoid(x: Array) -> Array:
    """Return ``1 / (1 + exp(-x))``, to within 3 ulp.

    Parameters
    ----------
    x : ndarray, float32 or float64
    """
    return SIGMOID(x)


def erf(x: Array) -> Array:
    """Return the error function, ``2 / sqrt(pi)`` times the integral of ``exp(-t**2)`` from 0 to `x`.

    Parameters
    ----------
    x : ndarray, float32 or float64
    """
    return ERF(x)


def dropout(x: Array, *, p: float, seed: int) -> tuple[Array, Array]:
    """Set elements to zero with probability `p` and divide the others by ``1 - p``.

    Element i is kept if a hash of (seed, i) says so: the mask is a function of the seed alone, whatever the
    number of threads. The hash is two rounds of the integer mixer "lowbias32" (Wellons, 2018).

    Parameters
    ----------
    x : ndarray, float32 or float64
    p : float in [0, 1]
    seed : int
        Of which 64 bits are used; draw one for each call.

    Returns
    -------
    out : ndarray, shape and dtype of `x`
    mask : ndarray of bool, shape of `x`
        True where the element was kept.
    """
    x = contiguous(x)
    out, mask = np.empty_like(x), np.empty(x.shape, np.bool_)
    scale = x.dtype.type(1 / (1 - p) if p < 1 else 0)
    seed = int(seed)
    _dropout(
        *(threads_for(4 * x.size), x.reshape(-1), out.reshape(-1), mask.reshape(-1)),
        *(scale, round(p * 2**32), seed & 0xFFFFFFFF, seed >> 32 & 0xFFFFFFFF),
    )
    return out, mask


def dropout_apply(x: Array, mask: Array, *, p: float) -> Array:
    """Return ``x * mask / (1 - p)``: `dropout` with a known mask, and its own adjoint.

    Parameters
    ----------
    x : ndarray, float32 or float64
    mask : ndarray of bool, shape of `x`
    p : float in [0, 1]
    """
    scale = x.dtype.type(1 / (1 - p) if p < 1 else 0)
    out = np.empty(x.shape, x.dtype)
    _dropout_apply(
        threads_for(x.size), contiguous(x).reshape(-1), contiguous(mask).reshape(-1), out.reshape(-1), scale
    )
    return out


@chunked
def _add_relu(t: int, threads: int, a: Array, b: Array, out: Array) -> None:
    for i in range(uintp(t * a.size // threads), uintp((t + 1) * a.size // threads)):
        total = a[i] + b[i]
        out[i] = 0 if total < 0 else total


@jit(inline=True)
def _mix(h: np.uint32) -> np.uint32:
    word = np.uint32
    h = word(h ^ (h >> word(16)))
    h = word(h * word(0x7FEB352D))
    h = word(h ^ (h >> word(15)))
    h = word(h * word(0x846CA68B))
    return word(h ^ (h >> word(16)))


@chunked
def _dropout(
    t: int, threads: int, x: Array, out: Array, mask: Array, scale: float, dropped: int, low: int, high: int
) -> None:
    zero = x.dtype.type(0)
    for i in range(uintp(t * x.size // threads), uintp((t + 1) * x.size // threads)):
        mixed = _mix(np.uint32(i + uintp(low)))
        mixed = _mix(np.uint32(mixed ^ np.uint32(high)))
        keep = mixed >= np.uint64(dropped)
        mask[i] = keep
        out[i] = x[i] * (scale if keep else zero)


@chunked
def _dropout_apply(t: int, threads: int, x: Array, mask: Array, out: Array, scale: float) -> None:
    zero = x.dtype.type(0)
    for i in range(uintp(t * x.size // threads), uintp((t + 1) * x.size // threads)):
        out[i] = x[i] * (scale if mask[i] else zero)
