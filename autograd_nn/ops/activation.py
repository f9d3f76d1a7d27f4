"""Activation functions beyond those in `elementwise` (relu, sigmoid, tanh).

Each is a compiled pass with its gradient (`kernels.operations`); second derivatives are composed. At kinks the
derivatives are PyTorch's.
"""

from __future__ import annotations

import math

import numpy as np

from ..engine import elementwise, get_default_dtype, primitive
from ..kernels import operations as passes
from ..typing import Array, Number, Operand, Tensor
from .elementwise import (
    _clamp,
    _where,
    _within,
    abs,
    add,
    clamp,
    div,
    exp,
    gradient_of,
    gt,
    mul,
    neg,
    pow,
    sigmoid,
    sign,
    square,
    sub,
    tanh,
)
from .reduce import softmax
from .shape import narrow, normalized_dim, reshape, to_dtype

__all__ = [
    "celu", "elu", "gelu", "glu", "hardshrink", "hardsigmoid", "hardswish", "hardtanh", "leaky_relu", "logsigmoid",
    "mish", "prelu", "relu6", "selu", "silu", "softmin", "softplus", "softshrink", "softsign", "tanhshrink",
    "threshold",
]  # fmt: skip

# ------------------------------------------------------------------------------------ piecewise linear


@primitive
def _leaky_relu(x: Array, *, slope: float) -> Array:
    return passes.LEAKY_RELU(x, numbers=(slope,))


_leaky_relu_input = gradient_of(_leaky_relu, "LEAKY_RELU", None)


def leaky_relu(x: Tensor, negative_slope: float = 0.01) -> Tensor:
    """Return `x` where it is positive and ``negative_slope * x`` elsewhere; the derivative at 0 is `negative_slope`."""
    return _leaky_relu(_floating(x, "leaky_relu"), slope=float(negative_slope))


def _floating(x: Tensor, operation: str) -> Tensor:
    if hasattr(x, "dtype") and x.dtype.kind != "f":  # the primitive says no to what is neither tensor nor number
        raise RuntimeError(f"{operation}(): expects a floating-point tensor (dtype={x.dtype}); convert with .float()")
    return x


def _widened(x: Tensor) -> Tensor:
    """Return integers as floats, as operations do that PyTorch composes of arithmetic."""
    return to_dtype(x, get_default_dtype()) if hasattr(x, "dtype") and x.dtype.kind not in "fc" else x


@primitive
def _bounded(x: Array, *, low: float, high: float) -> Array:
    if not isinstance(x, np.ndarray) or x.dtype.kind != "f":
        return np.clip(x, low, high)
    return passes.BOUNDED(x, numbers=(low, high))


_bounded_input = gradient_of(_bounded, "BOUNDED", None)


def hardtanh(x: Tensor, min_val: float = -1.0, max_val: float = 1.0) -> Tensor:
    """Return `x` clipped to ``[min_val, max_val]``; unlike `clamp`, the derivative at the bounds is 0."""
    if min_val > max_val:
        raise ValueError(f"hardtanh(): min_val must not exceed max_val (min_val={min_val}, max_val={max_val})")
    if getattr(x, "dtype", np.dtype(np.float32)).kind in "iu":
        min_val, max_val = int(min_val), int(max_val)
    elif getattr(x, "dtype", np.dtype(np.float32)).kind == "b":
        x = add(x, 0.0)  # the default dtype, as of `clamp`
    return _bounded(x, low=min_val, high=max_val)


def relu6(x: Tensor) -> Tensor:
    """Return ``min(max(x, 0), 6)``; the derivatives at 0 and 6 are 0."""
    return _bounded(x, low=0, high=6)


@primitive
def _hardsigmoid(x: Array) -> Array:
    return passes.HARDSIGMOID(x)


_hardsigmoid_input = gradient_of(_hardsigmoid, "HARDSIGMOID", None)


def hardsigmoid(x: Tensor) -> Tensor:
    """Return ``min(max(x / 6 + 1/2, 0), 1)``; the derivatives at -3 and 3 are 0."""
    return _hardsigmoid(_floating(x, "hardsigmoid"))


@primitive
def _hardswish(x: Array) -> Array:
    return passes.HARDSWISH(x)


def _hardswish_curvature(x: Tensor) -> Tensor:
    return div(to_dtype(_within(x, low=-3, high=3, inclusive=False), x.dtype), 3.0)


_hardswish_input = gradient_of(_hardswish, "HARDSWISH", _hardswish_curvature)


def hardswish(x: Tensor) -> Tensor:
    """Return ``x * min(max(x + 3, 0), 6) / 6``; the derivative is 0 at -3 and 1 at 3 (Howard et al.

    2019, arXiv:1905.02244).
    """
    return _hardswish(_floating(x, "hardswish"))


@elementwise(floating=True)
def _prelu(x: Operand, w: Operand) -> Array:
    return passes.PRELU(x, w)


@elementwise
def _prelu_input(g: Array, x: Array, w: Array) -> Array:
    return passes.PRELU.gradient(g, x, w)


@primitive
def _prelu_weight(g: Array, x: Array) -> Array:
    """Return ``g x`` where x is negative, 0 elsewhere: the gradient in the weight before it is summed."""
    return passes.PRELU(g, x, function=2)


_prelu.defvjp(x=lambda g, x, w: _prelu_input(g, x, w), w=lambda g, x: _prelu_weight(g, x))
_prelu_input.defvjp(
    g=lambda h, x, w: _prelu_input(h, x, w),
    w=lambda h, g, x: _where(0.0, mul(h, g), gt(x, 0)),
)
_prelu_weight.defvjp(g=lambda h, x: _prelu_weight(h, x), x=lambda h, g, x: _where(0.0, mul(h, g), gt(x, 0)))


def prelu(input: Tensor, weight: Tensor) -> Tensor:
    """Return `input` where it is positive and ``weight * input`` elsewhere, with one learnable weight or one per
    channel (dim 1).

    The derivative at 0 is `weight` (He et al. 2015, arXiv:1502.01852).

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.prelu(ag.tensor([-1.0, 2.0]), ag.tensor([0.25]))
    tensor([-0.25,  2.  ])
    """
    channels = input.array.shape[1] if input.ndim > 1 else 1
    if weight.ndim > 1 or math.prod(weight.array.shape) not in (1, channels):
        raise RuntimeError(
            f"prelu(): weight needs one entry or one per channel (weight.shape={weight.shape}, "
            f"input.shape={input.shape})"
        )
    shape = (-1, *(1,) * (input.ndim - 2)) if input.ndim > 1 else (1,) * input.ndim
    return _prelu(input, reshape(weight, shape))


@primitive
def _threshold(x: Array, *, threshold: float, value: Number) -> Array:
    if x.dtype.kind != "f":
        return np.where(x > threshold, x, x.dtype.type(value))
    return passes.THRESHOLD(x, numbers=(threshold, value))


_threshold_input = gradient_of(_threshold, "THRESHOLD", None)


def threshold(x: Tensor, threshold: float, value: float) -> Tensor:
    """Return `x` where it is larger than `threshold` and `value` elsewhere, with a derivative of 0.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.threshold(ag.tensor([0.5, 2.0]), 1.0, 0.0)
    tensor([0., 2.])
    """
    return _threshold(x, threshold=threshold, value=value)


@primitive
def _hardshrink(x: Array, *, lambd: float) -> Array:
    return passes.HARDSHRINK(x, numbers=(lambd,))


@primitive
def _softshrink(x: Array, *, lambd: float) -> Array:
    return passes.SOFTSHRINK(x, numbers=(lambd,))


_hardshrink_input = gradient_of(_hardshrink, "HARDSHRINK", None)
_softshrink_input = gradient_of(_softshrink, "SOFTSHRINK", None)


def hardshrink(input: Tensor, lambd: float = 0.5) -> Tensor:
    """Return `input` where ``abs(input) > lambd`` and 0 elsewhere, with a derivative of 0.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> import autograd_nn.nn.functional as F
    >>> F.hardshrink(ag.tensor([-1.0, 0.2, 0.6]))
    tensor([-1. ,  0. ,  0.6])
    """
    return _hardshrink(_floating(input, "hardshrink"), lambd=lambd)


def softshrink(input: Tensor, lambd: float = 0.5) -> Tensor:
    """Return `input` moved by `lambd` towards 0, and 0 where ``abs(input) <= lambd``, with a derivative of 0.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> import autograd_nn.nn.functional as F
    >>> F.softshrink(ag.tensor([-1.0, 0.2, 0.6]))
    tensor([-0.5,  0. ,  0.1])
    """
    if lambd < 0:
        raise RuntimeError(f"softshrink(): lambd must not be negative (lambd={lambd})")
    return _softshrink(_floating(input, "softshrink"), lambd=lambd)


# ------------------------------------------------------------------------------------ exponential


@primitive
def _elu(x: Array, *, alpha: float, scale: float, rate: float) -> Array:
    return passes.ELU(x, numbers=(alpha, scale, rate))


def _elu_curvature(x: Tensor, alpha: float, scale: float, rate: float) -> Tensor:
    return _where(0.0, mul(exp(mul(_clamp(x, low=None, high=0), rate)), alpha * scale * rate**2), gt(x, 0))


_elu_input = gradient_of(_elu, "ELU", _elu_curvature)


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

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.celu(ag.tensor([-1.0, 2.0]))
    tensor([-0.6321,  2.    ])
    """
    if alpha == 0:
        raise RuntimeError("celu(): alpha must not be 0 (alpha=0)")
    return _elu(_floating(x, "celu"), alpha=float(alpha), scale=1.0, rate=1.0 / alpha)


def selu(x: Tensor) -> Tensor:
    """Return ``1.0507 * elu(x, 1.6733)``, which keeps mean 0 and variance 1; the derivative at 0 is 1.7581.

    References
    ----------
    G. Klambauer et al., "Self-normalizing neural networks", 2017, arXiv:1706.02515.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.selu(ag.tensor([-1.0, 2.0]))
    tensor([-1.1113,  2.1014])
    """
    return _elu(_floating(x, "selu"), alpha=1.6732632423543772, scale=1.0507009873554805, rate=1.0)


@primitive
def _softplus(x: Array, *, beta: float, threshold: float) -> Array:
    return passes.SOFTPLUS(x, numbers=(beta, threshold))


def _softplus_curvature(x: Tensor, beta: float, threshold: float) -> Tensor:
    scaled = mul(x, beta)
    s = sigmoid(scaled)
    return _where(0.0, mul(mul(s, sub(1, s)), beta), gt(scaled, threshold))


_softplus_input = gradient_of(_softplus, "SOFTPLUS", _softplus_curvature)


def softplus(input: Tensor, beta: float = 1.0, threshold: float = 20.0) -> Tensor:
    """Return ``log(1 + exp(beta * input)) / beta``; `input` itself where ``beta * input > threshold``.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn.nn import functional as F
    >>> F.softplus(ag.tensor([0.0]))
    tensor([0.6931])
    """
    return _softplus(_floating(input, "softplus"), beta=float(beta), threshold=float(threshold))


@primitive
def _logsigmoid(x: Array) -> Array:
    return passes.LOGSIGMOID(x)


_logsigmoid_input = gradient_of(_logsigmoid, "LOGSIGMOID", lambda x: neg(mul(sigmoid(x), sigmoid(neg(x)))))


def logsigmoid(input: Tensor) -> Tensor:
    """Return ``log(sigmoid(input))``, which never overflows.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.tensor([0.0]).logsigmoid()
    tensor([-0.6931])
    """
    return _logsigmoid(_floating(input, "logsigmoid"))


@primitive
def _softsign(x: Array) -> Array:
    return passes.SOFTSIGN(x)


def _softsign_curvature(x: Tensor) -> Tensor:
    return mul(sign(x), mul(pow(add(abs(x), 1), -3), -2.0))


_softsign_input = gradient_of(_softsign, "SOFTSIGN", _softsign_curvature)


def softsign(input: Tensor) -> Tensor:
    """Return ``input / (1 + abs(input))``; the derivative at 0 is 1.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn.nn import functional as F
    >>> F.softsign(ag.tensor([-1.0, 3.0]))
    tensor([-0.5 ,  0.75])
    """
    return _softsign(_widened(input))


@primitive
def _tanhshrink(x: Array) -> Array:
    return passes.TANHSHRINK(x)


def _tanhshrink_curvature(x: Tensor) -> Tensor:
    t = tanh(x)
    return mul(mul(t, sub(1, square(t))), 2.0)


_tanhshrink_input = gradient_of(_tanhshrink, "TANHSHRINK", _tanhshrink_curvature)


def tanhshrink(input: Tensor) -> Tensor:
    """Return ``input - tanh(input)``.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> import autograd_nn.nn.functional as F
    >>> F.tanhshrink(ag.tensor([0.0, 1.0]))
    tensor([0.    , 0.2384])
    """
    return _tanhshrink(_widened(input))


# ------------------------------------------------------------------------------------ self-gated


@primitive
def _silu(x: Array) -> Array:
    return passes.SILU(x)


def _silu_curvature(x: Tensor) -> Tensor:
    s = sigmoid(x)
    return mul(mul(s, sub(1, s)), add(mul(x, sub(1, mul(s, 2))), 2))


_silu_input = gradient_of(_silu, "SILU", _silu_curvature)


def silu(x: Tensor) -> Tensor:
    """Return ``x * sigmoid(x)``, also known as swish.

    References
    ----------
    S. Elfwing, E. Uchibe and K. Doya, 2017, arXiv:1702.03118.
    """
    return _silu(_floating(x, "silu"))


@primitive
def _mish(x: Array) -> Array:
    return passes.MISH(x)


def _mish_curvature(x: Tensor) -> Tensor:
    """Return ``q (2 + x (1 - s - 2 s t))`` with s = sigmoid(x), t = tanh(softplus(x)) and its derivative q."""
    s, t = sigmoid(x), tanh(softplus(x))
    q = mul(s, sub(1, square(t)))
    return mul(q, add(mul(x, sub(sub(1, s), mul(mul(s, t), 2.0))), 2.0))


_mish_input = gradient_of(_mish, "MISH", _mish_curvature)


def mish(x: Tensor) -> Tensor:
    """Return ``x * tanh(softplus(x))`` (Misra 2019, arXiv:1908.08681)."""
    return _mish(_floating(x, "mish"))


@primitive
def _gelu(x: Array) -> Array:
    return passes.GELU(x)


def _gelu_curvature(x: Tensor) -> Tensor:
    """Return ``phi(x) (2 - x**2)`` with the density phi of the normal distribution."""
    squares = square(x)
    return mul(mul(exp(mul(squares, -0.5)), 1 / math.sqrt(2 * math.pi)), sub(2, squares))


_gelu_input = gradient_of(_gelu, "GELU", _gelu_curvature)

RATE, CUBE = math.sqrt(2 / math.pi), 0.044715


@primitive
def _gelu_tanh(x: Array) -> Array:
    return passes.GELU_TANH(x)


def _gelu_tanh_curvature(x: Tensor) -> Tensor:
    """Differentiate ``s + x s'`` with s = sigmoid(2 u), u = RATE (x + CUBE x**3) and v, the derivative of 2 u."""
    x = clamp(x, -64.0, 64.0)  # farther out it is 0, and squares leave the range
    squares = square(x)
    s = sigmoid(mul(mul(x, add(mul(squares, CUBE), 1)), 2 * RATE))
    v = add(mul(squares, 6 * RATE * CUBE), 2 * RATE)
    spread = mul(s, sub(1, s))
    first = mul(spread, v)
    second = add(mul(mul(first, sub(1, mul(s, 2))), v), mul(mul(spread, x), 12 * RATE * CUBE))
    return add(mul(first, 2.0), mul(x, second))


_gelu_tanh_input = gradient_of(_gelu_tanh, "GELU_TANH", _gelu_tanh_curvature)


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

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn.nn import functional as F
    >>> F.gelu(ag.tensor([-1.0, 0.0, 1.0]))
    tensor([-0.1587,  0.    ,  0.8413])
    """
    if approximate == "none":
        return _gelu(_floating(input, "gelu"))
    if approximate == "tanh":
        return _gelu_tanh(_floating(input, "gelu"))
    raise RuntimeError(f"gelu(): approximate must be 'none' or 'tanh' (approximate={approximate!r})")


def glu(input: Tensor, dim: int = -1) -> Tensor:
    """Gated linear unit: halve `input` along `dim` and return ``first * sigmoid(second)`` (Dauphin et al.

    2016, arXiv:1612.08083).

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn.nn import functional as F
    >>> F.glu(ag.tensor([[1.0, 2.0, 0.0, 0.0]]))
    tensor([[0.5, 1. ]])
    """
    dim = normalized_dim(dim, input.ndim, "glu")
    if input.ndim == 0 or input.array.shape[dim] % 2:
        raise RuntimeError(f"glu(): the size of dim {dim} must be even (input.shape={input.shape})")
    half = input.array.shape[dim] // 2
    return mul(narrow(input, dim, 0, half), sigmoid(narrow(input, dim, half, half)))


def softmin(x: Tensor, dim: int) -> Tensor:
    """Return ``softmax(-x)`` along `dim`."""
    return softmax(neg(x), dim)
