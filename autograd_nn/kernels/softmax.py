"""Softmax, log-softmax and log-sum-exp along any axis, and their gradients, each in one kernel.

The largest element is subtracted before the exponential, so that elements of any size are safe. The softmax of
slices of nothing but -inf, like that of slices that hold NaN or +inf, is NaN.
"""

from __future__ import annotations

import math

from autograd_nn.kernels.annotations import Array
from autograd_nn.kernels.functions import exp, log
from autograd_nn.kernels.lanes import Number, select
from autograd_nn.kernels.passes import Pass
from autograd_nn.kernels.slices import ADDED, LARGER, Program, Step

__all__ = ["log_softmax", "log_softmax_input", "logsumexp", "parts_of_logsumexp", "softmax", "softmax_input",
           "weighted_softmax"]  # fmt: skip


def _identity(x: Number) -> Number:
    return x


def _finite(m: Number) -> Number:
    """Return what to subtract before the exponential: nothing where the largest element is infinite."""
    return select(abs(m) == math.inf, 0.0, m)


_SOFTMAX = Program(
    "softmax", 1,
    Step(_identity, LARGER),
    Step(lambda x, m: exp(x - m), ADDED, stores=True, then=lambda s: 1.0 / s),
    Step(lambda out, x, m, r: out * r, stores=True),
)  # fmt: skip
_LOG_SOFTMAX = Program(
    "log_softmax", 1,
    Step(_identity, LARGER),
    Step(lambda x, m: exp(x - m), ADDED, then=log),
    Step(lambda x, m, s: x - m - s, stores=True),
)  # fmt: skip
_SOFTMAX_INPUT = Program(
    "softmax_input", 2,
    Step(lambda g, y: g * y, ADDED),
    Step(lambda g, y, s: y * (g - s), stores=True),
)  # fmt: skip
_LOG_SOFTMAX_INPUT = Program(
    "log_softmax_input", 2,
    Step(lambda g, y: g, ADDED),
    Step(lambda g, y, s: g - exp(y) * s, stores=True),
)  # fmt: skip
_LOGSUMEXP = Program(
    "logsumexp", 1,
    Step(_identity, LARGER, then=_finite),
    Step(lambda x, m: exp(x - m), ADDED, then=log),
    keeps=(0, 1),
)  # fmt: skip
_WEIGHTED = Pass("weighted_softmax", lambda g, x, total: g * exp(x - total), work=8)


def softmax(x: Array, axis: int) -> Array:
    """Return ``exp(x) / sum(exp(x))`` along an axis.

    Parameters
    ----------
    x : ndarray of floats
    axis : int, from 0
    """
    return _SOFTMAX(x, axis=axis)[0]


def softmax_input(g: Array, out: Array, axis: int) -> Array:
    """Return the gradient of `softmax`, ``out (g - sum(g out))``.

    Parameters
    ----------
    g, out : ndarray of one shape and dtype
    axis : int, from 0
    """
    return _SOFTMAX_INPUT(g, out, axis=axis)[0]


def log_softmax(x: Array, axis: int) -> Array:
    """Return ``x - log(sum(exp(x)))`` along an axis. Parameters as for `softmax`."""
    return _LOG_SOFTMAX(x, axis=axis)[0]


def log_softmax_input(g: Array, out: Array, axis: int) -> Array:
    """Return the gradient of `log_softmax`, ``g - exp(out) sum(g)``. Parameters as for `softmax_input`."""
    return _LOG_SOFTMAX_INPUT(g, out, axis=axis)[0]


def parts_of_logsumexp(x: Array, axis: int) -> tuple[Array, Array]:
    """Return m and s with ``log(sum(exp(x))) = m + s`` along an axis: the largest element (0 if infinite), the rest."""
    m, s = _LOGSUMEXP(x, axis=axis)
    return m, s


def logsumexp(x: Array, axis: int) -> Array:
    """Return ``log(sum(exp(x)))`` along an axis, which is taken away; -inf of nothing but -inf."""
    m, s = parts_of_logsumexp(x, axis)
    total: Array = m + s
    return total


def weighted_softmax(g: Array, x: Array, logsumexp: Array) -> Array:
    """Return ``g exp(x - logsumexp)``, broadcast: the gradient of `logsumexp`, with size 1 at the axis."""
    return _WEIGHTED(g, x, logsumexp)
