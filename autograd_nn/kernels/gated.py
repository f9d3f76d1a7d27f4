"""The self-gated activations GELU and SiLU and their gradients, each in one pass over memory."""

from __future__ import annotations

from autograd_nn.kernels.annotations import Array
from autograd_nn.kernels.operations import GELU, SILU

__all__ = ["gelu", "gelu_input", "silu", "silu_input"]


def gelu(x: Array) -> Array:
    """Return ``x Phi(x)`` with the distribution function Phi of the normal distribution.

    Parameters
    ----------
    x : ndarray, float32 or float64
    """
    return GELU(x)


def gelu_input(g: Array, x: Array) -> Array:
    """Return the gradient of `gelu`, ``g (Phi(x) + x phi(x))`` with the density phi.

    Parameters
    ----------
    g, x : ndarray, same shape and dtype
    """
    return GELU.gradient(g, x)


def silu(x: Array) -> Array:
    """Return ``x s(x)`` with the logistic function s.

    Parameters
    ----------
    x : ndarray, float32 or float64
    """
    return SILU(x)


def silu_input(g: Array, x: Array) -> Array:
    """Return the gradient of `silu`, ``g s(x) (1 + x (1 - s(x)))``.

    Parameters
    ----------
    g, x : ndarray, same shape and dtype
    """
    return SILU.gradient(g, x)
