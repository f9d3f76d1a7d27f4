"""Elementwise kernels that beat NumPy on large arrays: fused, and run by several threads.

Below `SMALL` elements, where a call costs more than its work, NumPy computes the same.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy import uintp

from autograd_nn.kernels.annotations import Array
from autograd_nn.kernels.compile import chunked, jit, threads_for
from autograd_nn.kernels.memory import contiguous
from autograd_nn.kernels.numeric import error_function, exponential

__all__ = ["add_relu", "dropout", "dropout_apply", "erf", "relu", "relu_input", "sigmoid"]

SMALL = 32_000
TINY = 512  # the same where NumPy needs several passes


def _mapped(kernel: Callable[..., None], x: Array, *others: Array, work: int = 1) -> Array:
    """Return ``kernel(threads, x, *others, out)`` over flat arrays, in the shape of `x`."""
    out = np.empty(x.shape, x.dtype)
    arrays = [contiguous(array).reshape(-1) for array in (x, *others)]
    kernel(threads_for(work * x.size), *arrays, out.reshape(-1))
    return out


def relu(x: Array) -> Array:
    """Return max(x, 0); NaN stays NaN.

    Parameters
    ----------
    x : ndarray, float32 or float64
    """
    if x.size < SMALL or x.dtype.kind != "f":
        return np.maximum(x, 0)
    return _mapped(_relu, x)


def relu_input(g: Array, out: Array) -> Array:
    """Return the gradient of `relu`: `g` where ``out > 0`` or NaN, 0 elsewhere (whatever `g` is there).

    Parameters
    ----------
    g, out : ndarray, same shape and dtype
    """
    if g.size < TINY:
        return np.where(out <= 0, g.dtype.type(0), g)
    return _mapped(_relu_input, g, out)


def add_relu(a: Array, b: Array) -> Array:
    """Return max(a + b, 0), in one pass.

    Parameters
    ----------
    a, b : ndarray, same shape and dtype
    """
    if a.size < SMALL:
        out: Array = np.maximum(a + b, 0)
        return out
    return _mapped(_add_relu, a, b)


def sigmoid(x: Array) -> Array:
    """Return ``1 / (1 + exp(-x))``, to within 3 ulp.

    Parameters
    ----------
    x : ndarray, float32 or float64
    """
    return _mapped(_sigmoid, x, work=8)


def erf(x: Array) -> Array:
    """Return the error function, ``2 / sqrt(pi)`` times the integral of ``exp(-t**2)`` from 0 to `x`.

    Parameters
    ----------
    x : ndarray, float32 or float64
    """
    return _mapped(_erf, x, work=16)


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
def _relu(t: int, threads: int, x: Array, out: Array) -> None:
    for i in range(uintp(t * x.size // threads), uintp((t + 1) * x.size // threads)):
        out[i] = 0 if x[i] < 0 else x[i]


@chunked
def _relu_input(t: int, threads: int, g: Array, out: Array, result: Array) -> None:
    for i in range(uintp(t * g.size // threads), uintp((t + 1) * g.size // threads)):
        result[i] = 0 if out[i] <= 0 else g[i]


@chunked
def _add_relu(t: int, threads: int, a: Array, b: Array, out: Array) -> None:
    for i in range(uintp(t * a.size // threads), uintp((t + 1) * a.size // threads)):
        total = a[i] + b[i]
        out[i] = 0 if total < 0 else total


@chunked(contract=False)
def _sigmoid(t: int, threads: int, x: Array, out: Array) -> None:
    one = x.dtype.type(1)
    for i in range(uintp(t * x.size // threads), uintp((t + 1) * x.size // threads)):
        out[i] = one / (one + exponential(-x[i]))


@chunked
def _erf(t: int, threads: int, x: Array, out: Array) -> None:
    for i in range(uintp(t * x.size // threads), uintp((t + 1) * x.size // threads)):
        out[i] = error_function(x[i])


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
