"""Activation functions beyond those in `elementwise` (relu, sigmoid, tanh).

Each keeps its input and differentiates by a composed formula. At kinks the derivatives are PyTorch's.
"""

from __future__ import annotations

import math

import numpy as np

from ..engine import elementwise, primitive
from ..kernels import gated as kernels
from ..typing import Array, Number, Operand, Tensor
from .elementwise import (
    _clamp,
    _keep,
    _where,
    _within,
    abs,
    add,
    clamp,
    div,
    exp,
    gt,
    mul,
    neg,
    sigmoid,
    square,
    sub,
    tanh,
)
from .reduce import softmax
from .shape import narrow, normalized_dim, reshape

__all__ = [
    "celu", "elu", "gelu", "glu", "hardshrink", "hardsigmoid", "hardswish", "hardtanh", "leaky_relu", "logsigmoid",
    "mish", "prelu", "relu6", "selu", "silu", "softmin", "softplus", "softshrink", "softsign", "tanhshrink",
    "threshold",
]  # fmt: skip

# ------------------------------------------------------------------------------------ piecewise linear


@primitive
def _leaky_relu(x: Array, *, slope: float) -> Array:
    return np.where(x > 0, x, x * x.dtype.type(slope))


@primitive
def _leaky_relu_input(g: Array, x: Array, *, slope: float) -> Array:
    return np.where(x > 0, g, g * g.dtype.type(slope))


_leaky_relu.defvjp(x=lambda g, x, slope: _leaky_relu_input(g, x, slope=slope))
_leaky_relu_input.defvjp(g=lambda h, x, slope: _leaky_relu_input(h, x, slope=slope))


def leaky_relu(x: Tensor, negative_slope: float = 0.01) -> Tensor:
    """Return `x` where it is positive and ``negative_slope * x`` elsewhere; the derivative at 0 is `negative_slope`."""
    return _leaky_relu(_floating(x, "leaky_relu"), slope=float(negative_slope))


def _floating(x: Tensor, operation: str) -> Tensor:
    if x.dtype.kind != "f":
        raise RuntimeError(f"{operation}(): expects a floating-point tensor (dtype={x.dtype}); convert with .float()")
    return x


@primitive
def _bounded(x: Array, *, low: float, high: float) -> Array:
    return np.clip(x, low, high)


_bounded.defvjp(x=lambda g, x, low, high: _keep(g, _within(x, low=low, high=high, inclusive=False)))


def hardtanh(x: Tensor, min_val: float = -1.0, max_val: float = 1.0) -> Tensor:
    """Return `x` clipped to ``[min_val, max_val]``; unlike `clamp`, the derivative at the bounds is 0."""
    if min_val > max_val:
        raise ValueError(f"hardtanh(): min_val must not exceed max_val (min_val={min_val}, max_val={max_val})")
    return _bounded(x, low=min_val, high=max_val)


def relu6(x: Tensor) -> Tensor:
    """Return ``min(max(x, 0), 6)``; the derivatives at 0 and 6 are 0."""
    return _bounded(x, low=0, high=6)


@primitive
def _hardsigmoid(x: Array) -> Array:
    out: Array = np.clip(x / 6 + x.dtype.type(0.5), 0, 1)
    return out


_hardsigmoid.defvjp(x=lambda g, x: _keep(div(g, 6.0), _within(x, low=-3, high=3, inclusive=False)))


def hardsigmoid(x: Tensor) -> Tensor:
    """Return ``min(max(x / 6 + 1/2, 0), 1)``; the derivatives at -3 and 3 are 0."""
    return _hardsigmoid(_floating(x, "hardsigmoid"))


@primitive
def _hardswish(x: Array) -> Array:
    out: Array = x * np.clip(x + 3, 0, 6) / 6
    return out


@primitive
def _hardswish_slope(x: Array) -> Array:
    """Return 0 up to -3, ``x / 3 + 1/2`` between -3 and 3, 1 from 3 on."""
    out: Array = np.where(x <= -3, x.dtype.type(0), np.where(x < 3, x / 3 + x.dtype.type(0.5), x.dtype.type(1)))
    return out


_hardswish.defvjp(x=lambda g, x: mul(g, _hardswish_slope(x)))
_hardswish_slope.defvjp(x=lambda g, x: _keep(div(g, 3.0), _within(x, low=-3, high=3, inclusive=False)))


def hardswish(x: Tensor) -> Tensor:
    """Return ``x * min(max(x + 3, 0), 6) / 6``; the derivative is 0 at -3 and 1 at 3 (Howard et al.

    2019, arXiv:1905.02244).
    """
    return _hardswish(_floating(x, "hardswish"))


@elementwise
def _prelu(x: Operand, w: Operand) -> Array:
    return np.where(np.asarray(x) > 0, x, x * w)


_prelu.defvjp(
    x=lambda g, x, w: _where(g, mul(g, w), gt(x, 0)),
    w=lambda g, x: mul(g, _clamp(x, low=None, high=0)),
)


def prelu(input: Tensor, weight: Tensor) -> Tensor:
    """Return `input` where it is positive and ``weight * input`` elsewhere, with one learnable weight or one per
    channel (dim 1).

    The derivative at 0 is `weight` (He et al. 2015, arXiv:1502.01852).
    """
    channels = input.shape[1] if input.ndim > 1 else 1
    if weight.ndim > 1 or math.prod(weight.shape) not in (1, channels):
        raise RuntimeError(
            f"prelu(): weight needs one entry or one per channel (weight.shape={weight.shape}, "
            f"input.shape={input.shape})"
        )
    shape = (-1, *(1,) * (input.ndim - 2)) if input.ndim > 1 else (1,) * input.ndim
    return _prelu(input, reshape(weight, shape))


@primitive
def _threshold(x: Array, *, threshold: float, value: Number) -> Array:
    return np.where(x > threshold, x, x.dtype.type(value))


_threshold.defvjp(x=lambda g, x, threshold: _keep(g, _within(x, low=threshold, high=None, inclusive=False)))


def threshold(x: Tensor, threshold: float, value: float) -> Tensor:
    """Return `x` where it is larger than `threshold` and `value` elsewhere, with a derivative of 0."""
    return _threshold(x, threshold=threshold, value=value)


@primitive
def _beyond(x: Array, *, lambd: float) -> Array:
    return (x > lambd) | (x < -lambd)


def hardshrink(input: Tensor, lambd: float = 0.5) -> Tensor:
    """Return `input` where ``abs(input) > lambd`` and 0 elsewhere, with a derivative of 0."""
    return _keep(input, _beyond(input, lambd=lambd))


def softshrink(input: Tensor, lambd: float = 0.5) -> Tensor:
    """Return `input` moved by `lambd` towards 0, and 0 where ``abs(input) <= lambd``, with a derivative of 0."""
    if lambd < 0:
        raise RuntimeError(f"softshrink(): lambd must not be negative (lambd={lambd})")
    return _keep(sub(input, clamp(input, -lambd, lambd)), _beyond(input, lambd=lambd))


# ------------------------------------------------------------------------------------ exponential


@primitive
def _elu(x: Array, *, alpha: float, scale: float, rate: float) -> Array:
    negative = np.expm1(np.minimum(x, 0) * x.dtype.type(rate)) * x.dtype.type(alpha * scale)
    return np.where(x > 0, x * x.dtype.type(scale) if scale != 1 else x, negative)


def _elu_rule(g: Tensor, x: Tensor, alpha: float, scale: float, rate: float) -> Tensor:
    slope = mul(exp(mul(_clamp(x, low=None, high=0), rate)), alpha * scale * rate)
    return mul(g, _where(scale, slope, gt(x, 0)))


_elu.defvjp(x=_elu_rule)


def elu(x: Tensor, alpha: float = 1.0) -> Tensor:
    """Return `x` where it is positive and ``alpha * (exp(x) - 1)`` elsewhere; the derivative at 0 is `alpha`.

    References
    ----------
    D.-A. Clevert, T. Unterthiner and S. Hochreiter, 2015, arXiv:1511.07289.
    """
    return _elu(_floating(x, "elu"), alpha=float(alpha), scale=1.0, rate=1.0)


def celu(x: Tensor, alpha: float = 1.0) -> Tensor:
    """Return ``max(x, 0) + min(alpha * (exp(x / alpha) - 1), 0)``.

    The derivative at 0 is 1 (Barron 2017, arXiv:1704.07483).
    """
    if alpha == 0:
        raise RuntimeError("celu(): alpha must not be 0 (alpha=0)")
    return _elu(_floating(x, "celu"), alpha=float(alpha), scale=1.0, rate=1.0 / alpha)


def selu(x: Tensor) -> Tensor:
    """Return ``1.0507 * elu(x, 1.6733)``, which keeps mean 0 and variance 1; the derivative at 0 is 1.7581.

    References
    ----------
    G. Klambauer et al., "Self-normalizing neural networks", 2017, arXiv:1706.02515.
    """
    return _elu(_floating(x, "selu"), alpha=1.6732632423543772, scale=1.0507009873554805, rate=1.0)


@primitive
def _softplus(x: Array, *, beta: float, threshold: float) -> Array:
    scaled = x if beta == 1 else x * x.dtype.type(beta)
    out = np.log1p(np.exp(-np.abs(scaled))) + np.maximum(scaled, 0)
    return np.where(scaled > threshold, x, out if beta == 1 else out / x.dtype.type(beta))


_softplus.defvjp(
    x=lambda g, x, beta, threshold: _where(
        g, mul(g, sigmoid(mul(x, beta))), gt(mul(x, beta), threshold)
    )
)


def softplus(input: Tensor, beta: float = 1.0, threshold: float = 20.0) -> Tensor:
    """Return ``log(1 + exp(beta * input)) / beta``; `input` itself where ``beta * input > threshold``."""
    return _softplus(_floating(input, "softplus"), beta=beta, threshold=threshold)


@primitive
def _logsigmoid(x: Array) -> Array:
    return np.minimum(x, 0) - np.log1p(np.exp(-np.abs(x)))


_logsigmoid.defvjp(x=lambda g, x: mul(g, sigmoid(neg(x))))


def logsigmoid(input: Tensor) -> Tensor:
    """Return ``log(sigmoid(input))``, which never overflows."""
    return _logsigmoid(_floating(input, "logsigmoid"))


def softsign(input: Tensor) -> Tensor:
    """Return ``input / (1 + abs(input))``; the derivative at 0 is 1."""
    return div(input, add(abs(input), 1))


def tanhshrink(input: Tensor) -> Tensor:
    """Return ``input - tanh(input)``."""
    return sub(input, tanh(input))


# ------------------------------------------------------------------------------------ self-gated


@primitive
def _silu(x: Array) -> Array:
    return kernels.silu(x)


@primitive
def _silu_input(g: Array, x: Array) -> Array:
    return kernels.silu_input(g, x)


def _silu_curvature(x: Tensor) -> Tensor:
    s = sigmoid(x)
    return mul(mul(s, sub(1, s)), add(mul(x, sub(1, mul(s, 2))), 2))


_silu.defvjp(x=lambda g, x: _silu_input(g, x))
_silu_input.defvjp(
    g=lambda h, x: _silu_input(h, x),
    x=lambda h, g, x: mul(h, mul(g, _silu_curvature(x))),
)


def silu(x: Tensor) -> Tensor:
    """Return ``x * sigmoid(x)``, also known as swish.

    References
    ----------
    S. Elfwing, E. Uchibe and K. Doya, 2017, arXiv:1702.03118.
    """
    return _silu(_floating(x, "silu"))


def mish(x: Tensor) -> Tensor:
    """Return ``x * tanh(softplus(x))`` (Misra 2019, arXiv:1908.08681)."""
    return mul(x, tanh(softplus(x)))


@primitive
def _gelu(x: Array) -> Array:
    return kernels.gelu(x)


@primitive
def _gelu_input(g: Array, x: Array) -> Array:
    return kernels.gelu_input(g, x)


def _gelu_curvature(x: Tensor) -> Tensor:
    """Return ``phi(x) (2 - x**2)`` with the density phi of the normal distribution."""
    squares = square(x)
    return mul(mul(exp(mul(squares, -0.5)), 1 / math.sqrt(2 * math.pi)), sub(2, squares))


_gelu.defvjp(x=lambda g, x: _gelu_input(g, x))
_gelu_input.defvjp(
    g=lambda h, x: _gelu_input(h, x),
    x=lambda h, g, x: mul(h, mul(g, _gelu_curvature(x))),
)


@primitive
def _gelu_tanh(x: Array) -> Array:
    out: Array = x * _gelu_gate.forward(x)
    return out


@primitive
def _gelu_gate(x: Array) -> Array:
    T = x.dtype.type
    out = np.square(x)
    out *= T(0.044715)
    out += 1
    out *= x
    out *= T(math.sqrt(2 / math.pi))
    np.tanh(out, out=out)
    out += 1
    out *= T(0.5)
    return out


def _gelu_gate_rule(g: Tensor, out: Tensor, x: Tensor) -> Tensor:
    """Differentiate (1 + tanh u) / 2 with u = sqrt(2 / pi) (x + 0.044715 x**3): 2 out (1 - out) du/dx."""
    slope = add(mul(square(x), 3 * 0.044715 * math.sqrt(2 / math.pi)), math.sqrt(2 / math.pi))
    return mul(g, mul(mul(mul(out, sub(1, out)), 2.0), slope))


def _gelu_tanh_rule(g: Tensor, x: Tensor) -> Tensor:
    gate = _gelu_gate(x)
    slope = add(mul(square(x), 3 * 0.044715 * math.sqrt(2 / math.pi)), math.sqrt(2 / math.pi))
    return mul(g, mul(gate, add(mul(mul(mul(x, sub(1, gate)), 2.0), slope), 1.0)))


_gelu_gate.defvjp(x=_gelu_gate_rule)
_gelu_tanh.defvjp(x=_gelu_tanh_rule)


def gelu(input: Tensor, approximate: str = "none") -> Tensor:
    """Gaussian error linear unit, ``input * Phi(input)`` with the distribution function Phi of the normal distribution.

    Parameters
    ----------
    input : Tensor
    approximate : {'none', 'tanh'}
        'tanh' takes ``(1 + tanh(sqrt(2 / pi) * (input + 0.044715 * input**3))) / 2`` for Phi.

    References
    ----------
    D. Hendrycks and K. Gimpel, 2016, arXiv:1606.08415.
    """
    if approximate == "none":
        return _gelu(_floating(input, "gelu"))
    if approximate == "tanh":
        return _gelu_tanh(_floating(input, "gelu"))
    raise RuntimeError(f"gelu(): approximate must be 'none' or 'tanh' (approximate={approximate!r})")


def glu(input: Tensor, dim: int = -1) -> Tensor:
    """Gated linear unit: halve `input` along `dim` and return ``first * sigmoid(second)`` (Dauphin et al.

    2016, arXiv:1612.08083).
    """
    dim = normalized_dim(dim, input.ndim, "glu")
    if input.ndim == 0 or input.shape[dim] % 2:
        raise RuntimeError(f"glu(): the size of dim {dim} must be even (input.shape={input.shape})")
    half = input.shape[dim] // 2
    return mul(narrow(input, dim, 0, half), sigmoid(narrow(input, dim, half, half)))


def softmin(x: Tensor, dim: int) -> Tensor:
    """Return ``softmax(-x)`` along `dim`."""
    return softmax(neg(x), dim)
