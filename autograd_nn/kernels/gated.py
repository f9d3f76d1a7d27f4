"""The self-gated activations GELU and SiLU and their gradients, each in one pass over memory."""

from __future__ import annotations

import math

from numpy import uintp

from autograd_nn.kernels.annotations import Array
from autograd_nn.kernels.compile import chunked
from autograd_nn.kernels.elementwise import _mapped
from autograd_nn.kernels.numeric import error_function, exponential

__all__ = ["gelu", "gelu_input", "silu", "silu_input"]

ROOT_HALF = math.sqrt(0.5)
DENSITY_AT_0 = 1 / math.sqrt(2 * math.pi)


def gelu(x: Array) -> Array:
    """Return ``x Phi(x)`` with the distribution function Phi of the normal distribution.

    Parameters
    ----------
    x : ndarray, float32 or float64
    """
    return _mapped(_gelu, x, work=16)


def gelu_input(g: Array, x: Array) -> Array:
    """Return the gradient of `gelu`, ``g (Phi(x) + x phi(x))`` with the density phi.

    Parameters
    ----------
    g, x : ndarray, same shape and dtype
    """
    return _mapped(_gelu_input, g, x, work=24)


def silu(x: Array) -> Array:
    """Return ``x s(x)`` with the logistic function s.

    Parameters
    ----------
    x : ndarray, float32 or float64
    """
    return _mapped(_silu, x, work=8)


def silu_input(g: Array, x: Array) -> Array:
    """Return the gradient of `silu`, ``g s(x) (1 + x (1 - s(x)))``.

    Parameters
    ----------
    g, x : ndarray, same shape and dtype
    """
    return _mapped(_silu_input, g, x, work=8)


@chunked
def _gelu(t: int, threads: int, x: Array, out: Array) -> None:
    T = x.dtype.type
    half, one, root = T(0.5), T(1), T(ROOT_HALF)
    for i in range(uintp(t * x.size // threads), uintp((t + 1) * x.size // threads)):
        out[i] = half * x[i] * (one + error_function(x[i] * root))


@chunked(contract=False)
def _gelu_input(t: int, threads: int, g: Array, x: Array, out: Array) -> None:
    T = x.dtype.type
    half, one, root, top = T(0.5), T(1), T(ROOT_HALF), T(DENSITY_AT_0)
    for i in range(uintp(t * x.size // threads), uintp((t + 1) * x.size // threads)):
        share = half * (one + error_function(x[i] * root))
        out[i] = g[i] * (share + x[i] * top * exponential(-half * x[i] * x[i]))


@chunked
def _silu(t: int, threads: int, x: Array, out: Array) -> None:
    one = x.dtype.type(1)
    for i in range(uintp(t * x.size // threads), uintp((t + 1) * x.size // threads)):
        out[i] = x[i] / (one + exponential(-x[i]))


@chunked(contract=False)
def _silu_input(t: int, threads: int, g: Array, x: Array, out: Array) -> None:
    one = x.dtype.type(1)
    for i in range(uintp(t * x.size // threads), uintp((t + 1) * x.size // threads)):
        gate = one / (one + exponential(-x[i]))
        out[i] = g[i] * gate * (one + x[i] * (one - gate))
