"""Elementwise operations: NumPy broadcasting forward, undone by the engine backward.

Subgradients at kinks are PyTorch's: where a function is convex or concave, the one of least norm.
"""

from __future__ import annotations

import math
from typing import Any, TypeAlias

import numpy as np

from ..engine import Variable, common_dtype, elementwise, primitive
from ..kernels import elementwise as kernels
from ..typing import Array, Number, Operand, Tensor, TensorLike

__all__ = [
    "abs",
    "acos",
    "acosh",
    "asin",
    "asinh",
    "atan",
    "atan2",
    "atanh",
    "bitwise_and",
    "bitwise_not",
    "bitwise_or",
    "bitwise_xor",
    "ceil",
    "clamp",
    "clip",
    "cos",
    "cosh",
    "eq",
    "erf",
    "exp",
    "expm1",
    "floor",
    "floor_divide",
    "fmax",
    "fmin",
    "fmod",
    "frac",
    "ge",
    "gt",
    "isclose",
    "isfinite",
    "isinf",
    "isnan",
    "le",
    "lerp",
    "log",
    "log1p",
    "log2",
    "log10",
    "logical_and",
    "logical_not",
    "logical_or",
    "logical_xor",
    "lt",
    "masked_fill",
    "maximum",
    "minimum",
    "mul",
    "nan_to_num",
    "ne",
    "neg",
    "pow",
    "reciprocal",
    "relu",
    "remainder",
    "round",
    "rsqrt",
    "sigmoid",
    "sign",
    "sin",
    "sinh",
    "sqrt",
    "square",
    "tan",
    "tanh",
    "trunc",
    "where",
]  # fmt: skip

Bound: TypeAlias = Any  # a number, or None where there is none

# ------------------------------------------------------------------------------------ comparisons


@elementwise
def eq(x: Operand, y: Operand) -> Array:
    """Return ``x == y``, elementwise, as booleans."""
    return np.equal(x, y)


@elementwise
def ne(x: Operand, y: Operand) -> Array:
    """Return ``x != y``, elementwise, as booleans."""
    return np.not_equal(x, y)


@elementwise
def lt(x: Operand, y: Operand) -> Array:
    """Return ``x < y``, elementwise, as booleans."""
    return np.less(x, y)


@elementwise
def le(x: Operand, y: Operand) -> Array:
    """Return ``x <= y``, elementwise, as booleans."""
    return np.less_equal(x, y)


@elementwise
def gt(x: Operand, y: Operand) -> Array:
    """Return ``x > y``, elementwise, as booleans."""
    return np.greater(x, y)


@elementwise
def ge(x: Operand, y: Operand) -> Array:
    """Return ``x >= y``, elementwise, as booleans."""
    return np.greater_equal(x, y)


# ------------------------------------------------------------------------------------ logic


@elementwise
def logical_not(x: Array) -> Array:
    """Return ``not x``, elementwise, as booleans."""
    return np.logical_not(x)


@elementwise
def bitwise_not(x: Array) -> Array:
    """Return the bits of integers inverted."""
    return np.invert(x)


@elementwise
def bitwise_and(x: Operand, y: Operand) -> Array:
    """Return the bits that both have, of integers or booleans."""
    return np.bitwise_and(x, y)


@elementwise
def bitwise_or(x: Operand, y: Operand) -> Array:
    """Return the bits that either has, of integers or booleans."""
    return np.bitwise_or(x, y)


@elementwise
def bitwise_xor(x: Operand, y: Operand) -> Array:
    """Return the bits that exactly one has, of integers or booleans."""
    return np.bitwise_xor(x, y)


# ------------------------------------------------------------------------------------ arithmetic


@elementwise
def add(x: Operand, y: Operand) -> Array:
    """Return ``x + y``, elementwise."""
    return np.add(x, y)


add.defvjp(x=lambda g: g, y=lambda g: g)


@elementwise
def sub(x: Operand, y: Operand) -> Array:
    """Return ``x - y``, elementwise."""
    return np.subtract(x, y)


sub.defvjp(x=lambda g: g, y=lambda g: neg(g))


@elementwise
def mul(x: Operand, y: Operand) -> Array:
    """Return ``x * y``, elementwise."""
    return np.multiply(x, y)


mul.defvjp(x=lambda g, y: mul(g, y), y=lambda g, x: mul(g, x))


@elementwise(floating=True)
def div(x: Operand, y: Operand) -> Array:
    """Return ``x / y``, elementwise; integers are divided as float32."""
    return np.true_divide(x, y)


div.defvjp(x=lambda g, y: div(g, y), y=lambda g, out, y: neg(mul(g, div(out, y))))


@elementwise
def floor_divide(x: Operand, y: Operand) -> Array:
    """Return ``floor(x / y)``, elementwise; its gradient is not defined here."""
    return np.floor_divide(x, y)


@elementwise
def remainder(x: Operand, y: Operand) -> Array:
    """Return ``x - y * floor(x / y)``, elementwise, with the sign of `y`."""
    return np.remainder(x, y)


remainder.defvjp(x=lambda g: g, y=lambda g, x, y: neg(mul(g, floor(div(x, y)))))


@elementwise
def fmod(x: Operand, y: Operand) -> Array:
    """Return ``x - y * trunc(x / y)``, elementwise, with the sign of `x`."""
    return np.fmod(x, y)


fmod.defvjp(x=lambda g: g, y=lambda g, x, y: neg(mul(g, trunc(div(x, y)))))


@elementwise
def neg(x: Array) -> Array:
    """Return ``-x``."""
    return np.negative(x)


neg.defvjp(x=lambda g: neg(g))


@elementwise
def pow(x: Operand, y: Operand) -> Array:
    """Return ``x ** y``, elementwise.

    The gradients are ``y * x**(y - 1)``, which is 0 where ``y == 0``, and ``x**y * log(x)``, which is 0 where
    ``x == 0`` and ``y >= 0``.
    """
    return x**y


def _pow_base(g: Tensor, x: Tensor, y: Tensor | Number) -> Tensor:
    if isinstance(y, int | float):
        return mul(g, mul(pow(x, y - 1), y)) if y != 0 else mul(g, zeros_like(x))
    return mul(g, where(eq(y, 0), 0.0, mul(pow(x, sub(y, 1)), y)))


def _pow_exponent(g: Tensor, out: Tensor, x: Tensor | Number, y: Tensor) -> Tensor:
    if isinstance(x, int | float) and x > 0:
        return mul(g, mul(out, math.log(x)))
    at_zero = _pow_flat(x, y)
    return mul(g, where(at_zero, 0.0, mul(out, log(where(at_zero, 1.0, x)))))


@elementwise
def _pow_flat(x: Operand, y: Operand) -> Array:
    out: Array = (np.asarray(x) == 0) & (np.asarray(y) >= 0)
    return out


pow.defvjp(x=_pow_base, y=_pow_exponent)


@elementwise
def zeros_like(x: Array) -> Array:
    """Return zeros of the shape and dtype of `x`."""
    return np.zeros_like(x)


@elementwise
def square(x: Array) -> Array:
    """Return ``x * x``."""
    return np.square(x)


square.defvjp(x=lambda g, x: mul(g, mul(x, 2)))


@elementwise(floating=True)
def reciprocal(x: Array) -> Array:
    """Return ``1 / x``."""
    return np.reciprocal(x)


reciprocal.defvjp(x=lambda g, out: neg(mul(g, square(out))))


# ------------------------------------------------------------------------------------ exponentials, roots


@elementwise(floating=True)
def exp(x: Array) -> Array:
    """Return the exponential of `x`."""
    return np.exp(x)


exp.defvjp(x=lambda g, out: mul(g, out))


@elementwise(floating=True)
def log(x: Array) -> Array:
    """Return the natural logarithm of `x`; -inf at 0, NaN below."""
    return np.log(x)


log.defvjp(x=lambda g, x: div(g, x))


@elementwise(floating=True)
def sqrt(x: Array) -> Array:
    """Return the square root of `x`; its derivative at 0 is infinite."""
    return np.sqrt(x)


sqrt.defvjp(x=lambda g, out: div(g, mul(out, 2)))


@elementwise(floating=True)
def expm1(x: Array) -> Array:
    """Return ``exp(x) - 1``, exact near 0."""
    return np.expm1(x)


expm1.defvjp(x=lambda g, out: mul(g, add(out, 1)))


@elementwise(floating=True)
def log1p(x: Array) -> Array:
    """Return ``log(1 + x)``, exact near 0; -inf at -1, NaN below."""
    return np.log1p(x)


log1p.defvjp(x=lambda g, x: div(g, add(x, 1)))


@elementwise(floating=True)
def log2(x: Array) -> Array:
    """Return the logarithm of `x` to base 2; -inf at 0, NaN below."""
    return np.log2(x)


log2.defvjp(x=lambda g, x: div(g, mul(x, math.log(2))))


@elementwise(floating=True)
def log10(x: Array) -> Array:
    """Return the logarithm of `x` to base 10; -inf at 0, NaN below."""
    return np.log10(x)


log10.defvjp(x=lambda g, x: div(g, mul(x, math.log(10))))


@elementwise(floating=True)
def rsqrt(x: Array) -> Array:
    """Return ``1 / sqrt(x)``; its derivative is ``-1/2 x**(-3/2)``."""
    return np.reciprocal(np.sqrt(x))


rsqrt.defvjp(x=lambda g, out: mul(g, mul(mul(square(out), out), -0.5)))


@elementwise(floating=True)
def erf(x: Array) -> Array:
    """Return the error function, ``2 / sqrt(pi) * integral of exp(-t**2) from 0 to x``."""
    return kernels.erf(x)


erf.defvjp(x=lambda g, x: mul(g, mul(exp(neg(square(x))), 2 / math.sqrt(math.pi))))


# ------------------------------------------------------------------------------------ circle and hyperbola


@elementwise(floating=True)
def sin(x: Array) -> Array:
    """Return the sine of `x` radians."""
    return np.sin(x)


sin.defvjp(x=lambda g, x: mul(g, cos(x)))


@elementwise(floating=True)
def cos(x: Array) -> Array:
    """Return the cosine of `x` radians."""
    return np.cos(x)


cos.defvjp(x=lambda g, x: neg(mul(g, sin(x))))


@elementwise(floating=True)
def tan(x: Array) -> Array:
    """Return the tangent of `x` radians."""
    return np.tan(x)


tan.defvjp(x=lambda g, out: mul(g, add(square(out), 1)))


@elementwise(floating=True)
def asin(x: Array) -> Array:
    """Return the angle from -pi/2 to pi/2 whose sine is `x`; its derivative at 1 and -1 is infinite."""
    return np.arcsin(x)


asin.defvjp(x=lambda g, x: mul(g, rsqrt(sub(1, square(x)))))


@elementwise(floating=True)
def acos(x: Array) -> Array:
    """Return the angle from 0 to pi whose cosine is `x`; its derivative at 1 and -1 is infinite."""
    return np.arccos(x)


acos.defvjp(x=lambda g, x: neg(mul(g, rsqrt(sub(1, square(x))))))


@elementwise(floating=True)
def atan(x: Array) -> Array:
    """Return the angle from -pi/2 to pi/2 whose tangent is `x`."""
    return np.arctan(x)


atan.defvjp(x=lambda g, x: div(g, add(square(x), 1)))


@elementwise(floating=True)
def sinh(x: Array) -> Array:
    """Return the hyperbolic sine of `x`."""
    return np.sinh(x)


sinh.defvjp(x=lambda g, x: mul(g, cosh(x)))


@elementwise(floating=True)
def cosh(x: Array) -> Array:
    """Return the hyperbolic cosine of `x`."""
    return np.cosh(x)


cosh.defvjp(x=lambda g, x: mul(g, sinh(x)))


@elementwise(floating=True)
def asinh(x: Array) -> Array:
    """Return the inverse of `sinh`."""
    return np.arcsinh(x)


asinh.defvjp(x=lambda g, x: mul(g, rsqrt(add(square(x), 1))))


@elementwise(floating=True)
def acosh(x: Array) -> Array:
    """Return the inverse of `cosh` from 0 upwards; NaN below 1, with an infinite derivative at 1."""
    return np.arccosh(x)


acosh.defvjp(x=lambda g, x: mul(g, rsqrt(sub(square(x), 1))))


@elementwise(floating=True)
def atanh(x: Array) -> Array:
    """Return the inverse of `tanh`; infinite at 1 and -1."""
    return np.arctanh(x)


atanh.defvjp(x=lambda g, x: div(g, sub(1, square(x))))


@elementwise(floating=True)
def atan2(y: Operand, x: Operand) -> Array:
    """Return the angle from -pi to pi of the point (x, y); both derivatives at (0, 0) are 0."""
    return np.arctan2(y, x)


def _over_squared_radius(g: Tensor, y: Tensor, x: Tensor) -> Tensor:
    """Return ``g / (x**2 + y**2)``, and 0 at (0, 0)."""
    radius = add(square(x), square(y))
    at_zero = eq(radius, 0)
    return _where(0.0, div(g, _where(1.0, radius, at_zero)), at_zero)


atan2.defvjp(
    y=lambda g, y, x: mul(_over_squared_radius(g, y, x), x),
    x=lambda g, y, x: neg(mul(_over_squared_radius(g, y, x), y)),
)


@elementwise(floating=True)
def tanh(x: Array) -> Array:
    """Return the hyperbolic tangent of `x`."""
    return np.tanh(x)


tanh.defvjp(x=lambda g, out: mul(g, sub(1, square(out))))


@elementwise(floating=True)
def sigmoid(x: Array) -> Array:
    """Return ``1 / (1 + exp(-x))``, computed from ``exp(-abs(x))`` so that it never overflows."""
    e = np.exp(-np.abs(x))
    out: Array = np.where(x >= 0, 1, e) / (1 + e)
    return out


sigmoid.defvjp(x=lambda g, out: mul(g, mul(out, sub(1, out))))


# ------------------------------------------------------------------------------------ kinks


@elementwise
def abs(x: Array) -> Array:
    """Return the absolute value; its derivative at 0 is 0."""
    return np.abs(x)


abs.defvjp(x=lambda g, x: mul(g, sign(x)))


@elementwise
def sign(x: Array) -> Array:
    """Return -1, 0 or 1; its derivative is 0 everywhere."""
    return np.sign(x)


sign.defvjp(x=lambda g: zeros_like(g))


@elementwise
def floor(x: Array) -> Array:
    """Return the largest integer that is not above `x`; its derivative is 0."""
    return np.floor(x)


floor.defvjp(x=lambda g: zeros_like(g))


@elementwise
def ceil(x: Array) -> Array:
    """Return the smallest integer that is not below `x`; its derivative is 0."""
    return np.ceil(x)


ceil.defvjp(x=lambda g: zeros_like(g))


@elementwise
def trunc(x: Array) -> Array:
    """Return `x` without its fraction; its derivative is 0."""
    return np.trunc(x)


trunc.defvjp(x=lambda g: zeros_like(g))


@elementwise
def _round(x: Array, *, decimals: int) -> Array:
    return np.round(x, decimals)


_round.defvjp(x=lambda g: zeros_like(g))


def round(x: TensorLike, *, decimals: int = 0) -> Tensor:
    """Return `x` rounded to `decimals` places, halves to the even neighbour; its derivative is 0."""
    return _round(x, decimals=decimals)


def frac(x: TensorLike) -> Tensor:
    """Return the fraction of `x`, ``x - trunc(x)``, with the sign of `x`; its derivative is 1."""
    return sub(x, trunc(x))


@primitive
def relu(x: Array) -> Array:
    """Rectified linear unit, ``max(x, 0)``; the derivative at 0 is 0.

    Parameters
    ----------
    x : Tensor
        Of any shape.

    Returns
    -------
    Tensor
        Of the shape and dtype of `x`; NaN stays NaN.
    """
    return kernels.relu(x)


@primitive
def relu_input(g: Array, out: Array) -> Array:
    """Return the gradient `g` of a result `out` of ReLU where ``out > 0`` or NaN, 0 elsewhere."""
    return kernels.relu_input(g, out)


relu.defvjp(x=lambda g, out: relu_input(g, out))
relu_input.defvjp(g=lambda h, out: relu_input(h, out))


@elementwise
def maximum(x: Operand, y: Operand) -> Array:
    """Return the larger of `x` and `y`, elementwise, NaN where either is; a tie gives each half of the gradient."""
    return np.maximum(x, y)


@elementwise
def minimum(x: Operand, y: Operand) -> Array:
    """Return the smaller of `x` and `y`, elementwise, NaN where either is; a tie gives each half of the gradient."""
    return np.minimum(x, y)


@elementwise(floating=True)
def _share(x: Operand, y: Operand) -> Array:
    """Return 1 where x > y, 1/2 where they are equal, 0 elsewhere."""
    x, y = np.asarray(x), np.asarray(y)
    dtype = np.result_type(*(a.dtype for a in (x, y) if a.dtype.kind == "f"))
    out: Array = (x > y).astype(dtype) + (x == y) * dtype.type(0.5)
    return out


maximum.defvjp(x=lambda g, x, y: mul(g, _share(x, y)), y=lambda g, x, y: mul(g, _share(y, x)))
minimum.defvjp(x=lambda g, x, y: mul(g, _share(y, x)), y=lambda g, x, y: mul(g, _share(x, y)))


@elementwise
def fmax(x: Operand, y: Operand) -> Array:
    """Return the larger of `x` and `y`, elementwise, ignoring NaN; a tie gives `x` all of the gradient."""
    return np.fmax(x, y)


@elementwise
def fmin(x: Operand, y: Operand) -> Array:
    """Return the smaller of `x` and `y`, elementwise, ignoring NaN; a tie gives `x` all of the gradient."""
    return np.fmin(x, y)


fmax.defvjp(
    x=lambda g, x, y: _keep(g, bitwise_or(ge(x, y), isnan(y))),
    y=lambda g, x, y: _keep(g, bitwise_not(bitwise_or(ge(x, y), isnan(y)))),
)
fmin.defvjp(
    x=lambda g, x, y: _keep(g, bitwise_or(le(x, y), isnan(y))),
    y=lambda g, x, y: _keep(g, bitwise_not(bitwise_or(le(x, y), isnan(y)))),
)


@primitive
def _keep(g: Array, mask: Array) -> Array:
    """Return `g` where `mask` holds and 0 elsewhere, whatever `g` is there (both of one shape)."""
    return np.where(mask, g, g.dtype.type(0))


_keep.defvjp(g=lambda h, mask: _keep(h, mask))


@primitive
def _within(x: Array, *, low: Bound, high: Bound, inclusive: bool) -> Array:
    """Return where `x` lies between two numbers (None: no bound); never for NaN."""
    above, below = (np.greater_equal, np.less_equal) if inclusive else (np.greater, np.less)
    if low is None:
        return below(x, high)
    if high is None:
        return above(x, low)
    return above(x, low) & below(x, high)


@primitive
def _clamp(x: Array, *, low: Bound, high: Bound) -> Array:
    return x.clip(low, high)


_clamp.defvjp(x=lambda g, x, low, high: _keep(g, _within(x, low=low, high=high, inclusive=True)))


_NUMBER_OR_NONE = (int, float, np.generic, type(None))


def clamp(x: Tensor, min: TensorLike | None = None, max: TensorLike | None = None) -> Tensor:
    """Return `x`, but `min` where it is smaller and `max` where it is larger.

    The derivative in `x` is 1 between the bounds and at them, 0 outside and for NaN; a bound that is a tensor gets
    the gradient where it is taken. Where `min` is larger than `max`, the result is `max`.

    Parameters
    ----------
    x : Tensor
    min, max : number or Tensor, optional
        At least one; tensors are broadcast against `x`.
    """
    if min is None and max is None:
        raise RuntimeError(f"clamp(): at least one of min and max must be given (x.shape={x.shape}, min=None, "
                           "max=None)")
    if isinstance(min, _NUMBER_OR_NONE) and isinstance(max, _NUMBER_OR_NONE):
        if x.dtype.kind != "f" and (isinstance(min, float) or isinstance(max, float)):
            x = add(x, 0.0)
        return _clamp(x, low=min, high=max)
    if min is not None:
        x = where(lt(x, min), min, x)
    return x if max is None else where(gt(x, max), max, x)


clip = clamp


@elementwise(operands=2)
def _where(x: Operand, y: Operand, condition: Array) -> Array:
    if not isinstance(x, np.ndarray) or not isinstance(y, np.ndarray):  # np.where takes no weak numbers
        dtype = common_dtype([x, y])
        x, y = np.asarray(x, dtype), np.asarray(y, dtype)
    return np.where(condition, x, y)


_where.defvjp(x=lambda g, condition: _where(g, 0, condition), y=lambda g, condition: _where(0, g, condition))


def where(condition: TensorLike, x: TensorLike, y: TensorLike) -> Tensor:
    """Return `x` where `condition` holds and `y` elsewhere, all broadcast together.

    The branch that is not taken gets a gradient of 0; but if its own derivative is infinite or NaN there, 0 times it
    is NaN. Make the argument safe first: ``where(x > 0, log(where(x > 0, x, 1)), 0)``.

    Parameters
    ----------
    condition : Tensor or array of bool
    x, y : Tensor, array or number
    """
    return _where(x, y, _boolean(condition, "where", "condition"))


def masked_fill(x: TensorLike, mask: TensorLike, value: TensorLike) -> Tensor:
    """Return `x` with `value` where `mask` holds; the gradient of `x` is 0 there, that of `value` is the sum over it.

    Parameters
    ----------
    x : Tensor
    mask : Tensor or array of bool
        Broadcast against `x`.
    value : number or 0-d Tensor
    """
    if isinstance(value, Variable | np.ndarray) and value.ndim:
        raise RuntimeError(f"masked_fill(): value must be a number or a 0-d tensor (value.shape={value.shape})")
    return _where(value, x, _boolean(mask, "masked_fill", "mask"))


def nan_to_num(x: Tensor, nan: float = 0.0, posinf: float | None = None, neginf: float | None = None) -> Tensor:
    """Return `x` with NaN and infinities replaced by numbers (the largest finite ones by default).

    The gradient is 0 there.
    """
    array = x.array
    limits = np.finfo(array.dtype)
    x = masked_fill(x, np.isnan(array), nan)
    x = masked_fill(x, np.isposinf(array), float(limits.max) if posinf is None else posinf)
    return masked_fill(x, np.isneginf(array), float(limits.min) if neginf is None else neginf)


def lerp(x: TensorLike, end: TensorLike, weight: TensorLike) -> Tensor:
    """Return ``x + weight * (end - x)``, elementwise; `weight` is a number or a tensor."""
    return add(x, mul(weight, sub(end, x)))


@elementwise
def isnan(x: Array) -> Array:
    """Return where `x` is NaN."""
    return np.isnan(x)


@elementwise
def isinf(x: Array) -> Array:
    """Return where `x` is infinite."""
    return np.isinf(x)


@elementwise
def isfinite(x: Array) -> Array:
    """Return where `x` is neither infinite nor NaN."""
    return np.isfinite(x)


@elementwise
def logical_and(x: Operand, y: Operand) -> Array:
    """Return where both are true (not 0)."""
    return np.logical_and(x, y)


@elementwise
def logical_or(x: Operand, y: Operand) -> Array:
    """Return where either is true (not 0)."""
    return np.logical_or(x, y)


@elementwise
def logical_xor(x: Operand, y: Operand) -> Array:
    """Return where exactly one is true (not 0)."""
    return np.logical_xor(x, y)


@elementwise
def _isclose(x: Operand, y: Operand, *, rtol: float, atol: float, equal_nan: bool) -> Array:
    return np.isclose(x, y, rtol=rtol, atol=atol, equal_nan=equal_nan)


def isclose(x: TensorLike, y: TensorLike, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> Tensor:
    """Return where ``abs(x - y) <= atol + rtol * abs(y)``."""
    return _isclose(x, y, rtol=rtol, atol=atol, equal_nan=equal_nan)


def _boolean(condition: TensorLike, operation: str, name: str) -> Tensor | Array:
    condition = condition if isinstance(condition, Variable) else np.asarray(condition)
    if condition.dtype != bool:
        raise TypeError(f"{operation}(): {name} must be boolean (dtype={condition.dtype})")
    return condition
