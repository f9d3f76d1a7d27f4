"""Elementwise operations: NumPy broadcasting forward, undone by the engine backward.

Subgradients at kinks are PyTorch's: where a function is convex or concave, the one of least norm.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

from ..engine import Primitive, Variable, check_holds, common_dtype, elementwise, primitive
from ..kernels import elementwise as kernels
from ..kernels import operations as passes
from ..typing import Array, Number, Operand, Rule, Tensor, TensorLike

_ndarray = np.ndarray

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


def gradient_of(
    operation: Primitive[Tensor], name: str, slope: Callable[..., Tensor] | None, *, of_value: bool = False
) -> Primitive[Tensor]:
    """Give an operation of one input the gradient that is compiled into its pass, as a primitive, and return that.

    Parameters
    ----------
    operation : Primitive
    name : str
        The name of the pass in `kernels.operations`, which is loaded by the first call: its function 1 is the gradient;
        the settings of the operation are named as its numbers.
    slope : callable, optional
        Of `x` (or the value) and the settings: the derivative of what the gradient multiplies `g` by, written with
        operations on tensors. None where it is 0.
    of_value : bool
        The gradient is computed from the value of the operation, not from `x`.
    """
    settled = bool(operation.signature.settings)
    kernel: Any = None

    def gradient(g: Array, at: Array, **settings: float) -> Array:
        nonlocal kernel
        if kernel is None:
            kernel = getattr(passes, name)
        return kernel.gradient(g, at, numbers=tuple([settings[number] for number in kernel.keywords[1]]))  # type: ignore[no-any-return]

    gradient.__name__ = f"{operation.name}_input"
    gradient.__module__ = operation.__module__
    gradient.__doc__ = f"Return the gradient of `{operation.name}` in its input."
    result = primitive(gradient)
    if of_value and not settled:
        operation.defvjp(x=lambda g, out: result(g, out))
    elif of_value:
        operation.defvjp(x=lambda g, out, **settings: result(g, out, **settings))
    else:
        operation.defvjp(x=lambda g, x, **settings: result(g, x, **settings))
    rules: dict[str, Rule] = {"g": lambda h, at, **settings: result(h, at, **settings)}
    if slope is not None:
        rules["at"] = lambda h, g, at, **settings: mul(mul(h, g), slope(at, **settings))
    result.defvjp(**rules)
    return result


def _of_floats(x: Any, kernel: Callable[..., Any], by_numpy: Callable[..., Any]) -> Any:
    """Return an operation that integers have too."""
    return kernel(x) if isinstance(x, np.ndarray) and x.dtype.kind == "f" else by_numpy(x)

# ------------------------------------------------------------------------------------ comparisons


@elementwise
def eq(x: Operand, y: Operand) -> Array:
    """Return ``x == y``, elementwise, as booleans.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.eq(ag.tensor([1, 2]), ag.tensor([1, 3]))
    tensor([ True, False])
    """
    return np.equal(x, y)


@elementwise
def ne(x: Operand, y: Operand) -> Array:
    """Return ``x != y``, elementwise, as booleans.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.ne(ag.tensor([1, 2]), ag.tensor([1, 3]))
    tensor([False,  True])
    """
    return np.not_equal(x, y)


@elementwise
def lt(x: Operand, y: Operand) -> Array:
    """Return ``x < y``, elementwise, as booleans.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.lt(ag.tensor([1, 2]), 2)
    tensor([ True, False])
    """
    return np.less(x, y)


@elementwise
def le(x: Operand, y: Operand) -> Array:
    """Return ``x <= y``, elementwise, as booleans.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.le(ag.tensor([1, 2]), 1)
    tensor([ True, False])
    """
    return np.less_equal(x, y)


@elementwise
def gt(x: Operand, y: Operand) -> Array:
    """Return ``x > y``, elementwise, as booleans.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.gt(ag.tensor([1, 2]), 1)
    tensor([False,  True])
    """
    return np.greater(x, y)


@elementwise
def ge(x: Operand, y: Operand) -> Array:
    """Return ``x >= y``, elementwise, as booleans.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.ge(ag.tensor([1, 2]), 2)
    tensor([False,  True])
    """
    return np.greater_equal(x, y)


# ------------------------------------------------------------------------------------ logic


@elementwise
def logical_not(x: Array) -> Array:
    """Return ``not x``, elementwise, as booleans.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.logical_not(ag.tensor([0, 3]))
    tensor([ True, False])
    """
    return np.logical_not(x)


@elementwise
def bitwise_not(x: Array) -> Array:
    """Return the bits of integers inverted.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.bitwise_not(ag.tensor([0, 5]))
    tensor([-1, -6])
    """
    return np.invert(x)


@elementwise
def bitwise_and(x: Operand, y: Operand) -> Array:
    """Return the bits that both have, of integers or booleans.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.bitwise_and(ag.tensor([6]), ag.tensor([3]))
    tensor([2])
    """
    return np.bitwise_and(x, y)


@elementwise
def bitwise_or(x: Operand, y: Operand) -> Array:
    """Return the bits that either has, of integers or booleans.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.bitwise_or(ag.tensor([6]), ag.tensor([3]))
    tensor([7])
    """
    return np.bitwise_or(x, y)


@elementwise
def bitwise_xor(x: Operand, y: Operand) -> Array:
    """Return the bits that exactly one has, of integers or booleans.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.bitwise_xor(ag.tensor([6]), ag.tensor([3]))
    tensor([5])
    """
    return np.bitwise_xor(x, y)


# ------------------------------------------------------------------------------------ arithmetic


@elementwise
def add(x: Operand, y: Operand) -> Array:
    """Return ``x + y``, elementwise.

    Examples
    --------
    >>> from autograd_nn import array_api as xp
    >>> xp.add(xp.asarray([1, 2]), 1)
    tensor([2, 3])
    """
    if type(x) is not _ndarray or x.size < kernels.SHARED:
        return np.add(x, y)
    return kernels.arithmetic(passes.ADD, np.add, x, y)  # type: ignore[no-any-return]


add.defvjp(x=lambda g: g, y=lambda g: g)


@elementwise
def sub(x: Operand, y: Operand) -> Array:
    """Return ``x - y``, elementwise.

    Examples
    --------
    >>> from autograd_nn import array_api as xp
    >>> xp.subtract(xp.asarray([1, 2]), 3)
    tensor([-2, -1])
    """
    if type(x) is not _ndarray or x.size < kernels.SHARED:
        return np.subtract(x, y)
    return kernels.arithmetic(passes.SUB, np.subtract, x, y)  # type: ignore[no-any-return]


sub.defvjp(x=lambda g: g, y=lambda g: neg(g))


@elementwise
def mul(x: Operand, y: Operand) -> Array:
    """Return ``x * y``, elementwise.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.mul(ag.tensor([1.0, 2.0]), ag.tensor([[10.0], [100.0]]))
    tensor([[ 10.,  20.],
            [100., 200.]])
    """
    if type(x) is not _ndarray or x.size < kernels.SHARED:
        return np.multiply(x, y)
    return kernels.arithmetic(passes.MUL, np.multiply, x, y)  # type: ignore[no-any-return]


mul.defvjp(x=lambda g, y: mul(g, y), y=lambda g, x: mul(g, x))


@elementwise(floating=True)
def div(x: Operand, y: Operand) -> Array:
    """Return ``x / y``, elementwise; integers are divided as float32.

    Examples
    --------
    >>> from autograd_nn import array_api as xp
    >>> xp.divide(xp.asarray([1.0, 6.0]), 4.0)
    tensor([0.25, 1.5 ])
    """
    if type(x) is not _ndarray or x.size < kernels.SHARED:
        return np.true_divide(x, y)
    return kernels.arithmetic(passes.DIV, np.true_divide, x, y)  # type: ignore[no-any-return]


div.defvjp(x=lambda g, y: div(g, y), y=lambda g, out, y: neg(mul(g, div(out, y))))


@elementwise
def floor_divide(x: Operand, y: Operand) -> Array:
    """Return ``floor(x / y)``, elementwise; its gradient is 0.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.floor_divide(ag.tensor([7, -7]), 2)
    tensor([ 3, -4])
    """
    _check_divisor("floor_divide", x, y)
    return np.floor_divide(x, y)


def _check_divisor(operation: str, x: Operand, y: Operand) -> None:
    """Raise where integers are divided by 0, which NumPy makes 0."""
    if np.asarray(y).dtype.kind not in "fc" and np.asarray(x).dtype.kind not in "fc" and not np.all(y):
        raise RuntimeError(f"{operation}(): integers cannot be divided by 0; convert with .float()")


floor_divide.defvjp(x=lambda g: zeros_like(g), y=lambda g: zeros_like(g))


@elementwise
def trunc_divide(x: Operand, y: Operand) -> Array:
    """Return ``trunc(x / y)``, elementwise, exact for integers; its gradient is 0."""
    _check_divisor("div", x, y)
    out = np.asarray(np.floor_divide(x, y))
    if out.dtype.kind == "f":
        return np.trunc(np.true_divide(x, y))
    above = (np.remainder(x, y) != 0) & (np.less(x, 0) != np.less(y, 0))
    whole: Array = np.add(out, above, dtype=out.dtype)
    return whole


trunc_divide.defvjp(x=lambda g: zeros_like(g), y=lambda g: zeros_like(g))


@elementwise
def remainder(x: Operand, y: Operand) -> Array:
    """Return ``x - y * floor(x / y)``, elementwise, with the sign of `y`.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.remainder(ag.tensor([7.0, -7.0]), 3)  # the sign of the divisor
    tensor([1., 2.])
    """
    _check_divisor("remainder", x, y)
    return np.remainder(x, y)


remainder.defvjp(x=lambda g: g, y=lambda g, x, y: neg(mul(g, floor_divide(x, y))))


@elementwise
def fmod(x: Operand, y: Operand) -> Array:
    """Return ``x - y * trunc(x / y)``, elementwise, with the sign of `x`.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.fmod(ag.tensor([7.0, -7.0]), 3)  # the sign of the dividend
    tensor([ 1., -1.])
    """
    _check_divisor("fmod", x, y)
    return np.fmod(x, y)


fmod.defvjp(x=lambda g: g, y=lambda g, x, y: neg(mul(g, trunc(div(x, y)))))


@elementwise
def neg(x: Array) -> Array:
    """Return ``-x``.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.neg(ag.tensor([-2.0, 3.0]))
    tensor([ 2., -3.])
    """
    return np.negative(x)


neg.defvjp(x=lambda g: neg(g))


@elementwise
def pow(x: Operand, y: Operand) -> Array:
    """Return ``x ** y``, elementwise.

    The gradients are ``y * x**(y - 1)``, which is 0 where ``y == 0``, and ``x**y * log(x)``, which is 0 where
    ``x == 0`` and ``y >= 0``. As in PyTorch, 0.5 and -0.5 are `sqrt` and `rsqrt`: NaN for minus infinity.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> x = ag.tensor([1.0, 2.0, 3.0], requires_grad=True)
    >>> ag.pow(x, 2).sum().backward()
    >>> x.grad
    tensor([2., 4., 6.])
    """
    if type(y) in (int, float) and isinstance(x, np.ndarray) and x.dtype.kind == "f":
        if _is_small_whole(y):
            return passes.POWER(x, numbers=(math.fabs(y), float(y < 0)))
        if y == 0.5 or y == -0.5:
            return passes.SQRT(x) if y > 0 else passes.RSQRT(x)
    return x**y


def _is_small_whole(y: Operand) -> bool:
    """Return whether `y` is a number from -8 to 8 without a fraction, and not 0."""
    return type(y) in (int, float) and y != 0 and math.fabs(y) <= passes.MOST and y == int(y)


@primitive
def _power_input(g: Array, x: Array, *, n: float) -> Array:
    """Return ``g n x**(n - 1)`` for a small whole n."""
    return passes.POWER.gradient(g, x, numbers=(math.fabs(n - 1), n < 1, n))


_power_input.defvjp(
    g=lambda h, x, n: _power_input(h, x, n=n),
    x=lambda h, g, x, n: mul(mul(h, g), mul(pow(x, n - 2), n * (n - 1))),
)


def _pow_base(g: Tensor, x: Tensor, y: Tensor | Number) -> Tensor:
    if isinstance(y, int | float):
        if _is_small_whole(y) and y > -passes.MOST:
            return _power_input(g, x, n=y)
        return mul(g, mul(pow(x, y - 1), y)) if y != 0 else mul(g, zeros_like(x))
    return mul(g, where(eq(y, 0), 0.0, mul(pow(x, sub(y, 1)), y)))


def _pow_exponent(g: Tensor, out: Tensor, x: Tensor | Number, y: Tensor) -> Tensor:
    if isinstance(x, int | float) and x > 0:
        return mul(g, mul(out, math.log(x)))
    if isinstance(x, int | float) and out.dtype.kind == "c":
        x = mul(zeros_like(out.detach()), 0) + x
    at_zero = _pow_flat(x, y)
    return mul(g, where(at_zero, 0.0, mul(out, log(where(at_zero, 1.0, x)))))


@elementwise
def _pow_flat(x: Operand, y: Operand) -> Array:
    out: Array = (np.asarray(x) == 0) & (np.asarray(y) >= 0)
    return out


pow.defvjp(x=_pow_base, y=_pow_exponent)


@elementwise
def ones_like(x: Array) -> Array:
    """Return ones of the shape and dtype of `x`."""
    return np.ones_like(x)


@elementwise
def zeros_like(x: Array) -> Array:
    """Return zeros of the shape and dtype of `x`."""
    return np.zeros_like(x)


@elementwise
def square(x: Array) -> Array:
    """Return ``x * x``.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.square(ag.tensor([-2.0, 3.0]))
    tensor([4., 9.])
    """
    x = x.astype(np.int64) if x.dtype == bool else x
    return _of_floats(x, passes.SQUARE, np.square)  # type: ignore[no-any-return]


_square_input = gradient_of(square, "SQUARE", lambda x: mul(ones_like(x), 2.0))


@elementwise(floating=True)
def reciprocal(x: Array) -> Array:
    """Return ``1 / x``.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.reciprocal(ag.tensor([2.0, 4.0]))
    tensor([0.5 , 0.25])
    """
    return passes.RECIPROCAL(x)


_reciprocal_input = gradient_of(reciprocal, "RECIPROCAL", lambda out: mul(out, -2.0), of_value=True)


# ------------------------------------------------------------------------------------ exponentials, roots


@elementwise(floating=True)
def exp(x: Array) -> Array:
    """Return the exponential of `x`.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> x = ag.tensor([0.0, 1.0], requires_grad=True)
    >>> ag.exp(x).sum().backward()
    >>> x.grad
    tensor([1.    , 2.7183])
    """
    return passes.EXP(x)


exp.defvjp(x=lambda g, out: mul(g, out))


@elementwise(floating=True)
def log(x: Array) -> Array:
    """Return the natural logarithm of `x`; -inf at 0, NaN below.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.log(ag.tensor([1.0, 10.0]))
    tensor([0.    , 2.3026])
    """
    return passes.LOG(x)


log.defvjp(x=lambda g, x: div(g, x))


@elementwise(floating=True)
def sqrt(x: Array) -> Array:
    """Return the square root of `x`; its derivative at 0 is infinite.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.sqrt(ag.tensor([4.0, 9.0]))
    tensor([2., 3.])
    """
    return passes.SQRT(x)


_sqrt_input = gradient_of(sqrt, "SQRT", lambda out: div(-0.5, square(out)), of_value=True)


@elementwise(floating=True)
def expm1(x: Array) -> Array:
    """Return ``exp(x) - 1``, exact near 0.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.expm1(ag.tensor([1e-8], dtype="float64")).item()
    1.0000000050000001e-08
    """
    return passes.EXPM1(x)


_expm1_input = gradient_of(expm1, "EXPM1", lambda out: ones_like(out), of_value=True)


@elementwise(floating=True)
def log1p(x: Array) -> Array:
    """Return ``log(1 + x)``, exact near 0; -inf at -1, NaN below.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.log1p(ag.tensor([1e-8], dtype="float64")).item()
    9.999999950000001e-09
    """
    return passes.LOG1P(x)


_log1p_input = gradient_of(log1p, "LOG1P", lambda x: neg(square(reciprocal(add(x, 1)))))


@elementwise(floating=True)
def log2(x: Array) -> Array:
    """Return the logarithm of `x` to base 2; -inf at 0, NaN below.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.log2(ag.tensor([8.0]))
    tensor([3.])
    """
    return passes.LOG2(x)


_log2_input = gradient_of(log2, "LOG2", lambda x: mul(square(reciprocal(x)), -1 / math.log(2)))


@elementwise(floating=True)
def log10(x: Array) -> Array:
    """Return the logarithm of `x` to base 10; -inf at 0, NaN below.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.log10(ag.tensor([100.0]))
    tensor([2.])
    """
    return passes.LOG10(x)


_log10_input = gradient_of(log10, "LOG10", lambda x: mul(square(reciprocal(x)), -1 / math.log(10)))


@elementwise(floating=True)
def rsqrt(x: Array) -> Array:
    """Return ``1 / sqrt(x)``; its derivative is ``-1/2 x**(-3/2)``.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.rsqrt(ag.tensor([4.0, 16.0]))
    tensor([0.5 , 0.25])
    """
    return passes.RSQRT(x)


_rsqrt_input = gradient_of(rsqrt, "RSQRT", lambda out: mul(square(out), -1.5), of_value=True)


@elementwise(floating=True)
def erf(x: Array) -> Array:
    """Return the error function, ``2 / sqrt(pi) * integral of exp(-t**2) from 0 to x``.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.erf(ag.tensor([0.0, 1.0]))
    tensor([0.    , 0.8427])
    """
    return passes.ERF(x)


_erf_input = gradient_of(erf, "ERF", lambda x: mul(mul(x, exp(neg(square(x)))), -4 / math.sqrt(math.pi)))


# ------------------------------------------------------------------------------------ circle and hyperbola


@elementwise(floating=True)
def sin(x: Array) -> Array:
    """Return the sine of `x` radians.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.sin(ag.tensor([0.0, ag.pi / 2]))
    tensor([0., 1.])
    """
    return passes.SIN(x)


_sin_input = gradient_of(sin, "SIN", lambda x: neg(sin(x)))


@elementwise(floating=True)
def cos(x: Array) -> Array:
    """Return the cosine of `x` radians.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.cos(ag.tensor([0.0, ag.pi]))
    tensor([ 1., -1.])
    """
    return passes.COS(x)


_cos_input = gradient_of(cos, "COS", lambda x: neg(cos(x)))


@elementwise(floating=True)
def tan(x: Array) -> Array:
    """Return the tangent of `x` radians.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.tan(ag.tensor([0.0, ag.pi / 4]))
    tensor([0., 1.])
    """
    return np.tan(x)


tan.defvjp(x=lambda g, out: mul(g, add(square(out), 1)))


@elementwise(floating=True)
def asin(x: Array) -> Array:
    """Return the angle from -pi/2 to pi/2 whose sine is `x`; its derivative at 1 and -1 is infinite.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.asin(ag.tensor([0.0, 1.0]))
    tensor([0.    , 1.5708])
    """
    return np.arcsin(x)


asin.defvjp(x=lambda g, x: mul(g, rsqrt(sub(1, square(x)))))


@elementwise(floating=True)
def acos(x: Array) -> Array:
    """Return the angle from 0 to pi whose cosine is `x`; its derivative at 1 and -1 is infinite.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.acos(ag.tensor([1.0, 0.0]))
    tensor([0.    , 1.5708])
    """
    return np.arccos(x)


acos.defvjp(x=lambda g, x: neg(mul(g, rsqrt(sub(1, square(x))))))


@elementwise(floating=True)
def atan(x: Array) -> Array:
    """Return the angle from -pi/2 to pi/2 whose tangent is `x`.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.atan(ag.tensor([0.0, 1.0]))
    tensor([0.    , 0.7854])
    """
    return np.arctan(x)


atan.defvjp(x=lambda g, x: div(g, add(square(x), 1)))


@elementwise(floating=True)
def sinh(x: Array) -> Array:
    """Return the hyperbolic sine of `x`.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.sinh(ag.tensor([0.0, 1.0]))
    tensor([0.    , 1.1752])
    """
    return np.sinh(x)


sinh.defvjp(x=lambda g, x: mul(g, cosh(x)))


@elementwise(floating=True)
def cosh(x: Array) -> Array:
    """Return the hyperbolic cosine of `x`.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.cosh(ag.tensor([0.0, 1.0]))
    tensor([1.    , 1.5431])
    """
    return np.cosh(x)


cosh.defvjp(x=lambda g, x: mul(g, sinh(x)))


@elementwise(floating=True)
def asinh(x: Array) -> Array:
    """Return the inverse of `sinh`.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.asinh(ag.tensor([0.0, 1.0]))
    tensor([0.    , 0.8814])
    """
    return np.arcsinh(x)


def _asinh_rule(g: Tensor, x: Tensor) -> Tensor:
    """Return ``g / sqrt(x**2 + 1)``; beyond 1 it is computed from 1 / x, whose square does not overflow."""
    if x.dtype.kind == "c":
        return mul(g, rsqrt(add(square(x), 1)))
    large = gt(abs(x), 1)
    small, inverse = where(large, 0.0, x), reciprocal(where(large, x, 1.0))
    return mul(g, where(large, mul(abs(inverse), rsqrt(add(square(inverse), 1))), rsqrt(add(square(small), 1))))


asinh.defvjp(x=_asinh_rule)


@elementwise(floating=True)
def acosh(x: Array) -> Array:
    """Return the inverse of `cosh` from 0 upwards; NaN below 1, with an infinite derivative at 1.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.acosh(ag.tensor([1.0, 2.0]))
    tensor([0.   , 1.317])
    """
    return np.arccosh(x)


# x**2 may overflow, and the root of the product has another sign for complex x on the left
acosh.defvjp(x=lambda g, x: mul(g, mul(rsqrt(sub(x, 1)), rsqrt(add(x, 1)))))


@elementwise(floating=True)
def atanh(x: Array) -> Array:
    """Return the inverse of `tanh`; infinite at 1 and -1.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.atanh(ag.tensor([0.0, 0.5]))
    tensor([0.    , 0.5493])
    """
    return np.arctanh(x)


atanh.defvjp(x=lambda g, x: div(g, sub(1, square(x))))


@elementwise(floating=True)
def atan2(y: Operand, x: Operand) -> Array:
    """Return the angle from -pi to pi of the point (x, y); both derivatives at (0, 0) are 0.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.arctan2(ag.tensor([1.0, -1.0]), ag.tensor([-1.0, -1.0]))
    tensor([ 2.3562, -2.3562])
    """
    return np.arctan2(y, x)


def _over_squared_radius(g: Tensor, y: Tensor, x: Tensor) -> Tensor:
    """Return ``g / (x**2 + y**2)``, and 0 at (0, 0)."""
    x, y = (mul(each, 1.0) if each.dtype.kind in "biu" else each for each in (x, y))  # squares of bytes overflow
    radius = add(square(x), square(y))
    at_zero = eq(radius, 0)
    return _where(0.0, div(g, _where(1.0, radius, at_zero)), at_zero)


atan2.defvjp(
    y=lambda g, y, x: mul(_over_squared_radius(g, y, x), x),
    x=lambda g, y, x: neg(mul(_over_squared_radius(g, y, x), y)),
)


@elementwise(floating=True)
def tanh(x: Array) -> Array:
    """Return the hyperbolic tangent of `x`.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.tanh(ag.tensor([0.0, 1.0]))
    tensor([0.    , 0.7616])
    """
    return passes.TANH(x)


_tanh_input = gradient_of(tanh, "TANH", lambda out: mul(out, -2.0), of_value=True)


@elementwise(floating=True)
def sigmoid(x: Array) -> Array:
    """Return ``1 / (1 + exp(-x))``, computed from ``exp(-abs(x))`` so that it never overflows.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.sigmoid(ag.tensor([0.0, 2.0]))
    tensor([0.5   , 0.8808])
    """
    return passes.SIGMOID(x)


_sigmoid_input = gradient_of(sigmoid, "SIGMOID", lambda out: sub(1, mul(out, 2.0)), of_value=True)


# ------------------------------------------------------------------------------------ kinks


@elementwise
def abs(x: Array) -> Array:
    """Return the absolute value; its derivative at 0 is 0.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.abs(ag.tensor([-2.0, 3.0]))
    tensor([2., 3.])
    """
    return _of_floats(x, passes.ABS, np.abs)  # type: ignore[no-any-return]


_abs_input = gradient_of(abs, "ABS", None)


def _abs_rule(g: Tensor, x: Tensor) -> Tensor:
    if x.dtype.kind != "c":
        return _abs_input(g, x)
    radius = abs(x)
    return mul(g, div(x.conj(), where(eq(radius, 0), 1.0, radius)))


abs.defvjp(x=_abs_rule)


@elementwise
def sign(x: Array) -> Array:
    """Return -1, 0 or 1; its derivative is 0 everywhere.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.sign(ag.tensor([-3.0, 0.0, 5.0]))
    tensor([-1.,  0.,  1.])
    """
    return passes.ABS(x, function=2) if x.dtype.kind == "f" else x.copy() if x.dtype == bool else np.sign(x)


sign.defvjp(x=lambda g: zeros_like(g))


@elementwise
def floor(x: Array) -> Array:
    """Return the largest integer that is not above `x`; its derivative is 0.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.floor(ag.tensor([1.5, -1.5]))
    tensor([ 1., -2.])
    """
    return np.floor(x)


floor.defvjp(x=lambda g: zeros_like(g))


@elementwise
def ceil(x: Array) -> Array:
    """Return the smallest integer that is not below `x`; its derivative is 0.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.ceil(ag.tensor([1.5, -1.5]))
    tensor([ 2., -1.])
    """
    return np.ceil(x)


ceil.defvjp(x=lambda g: zeros_like(g))


@elementwise
def trunc(x: Array) -> Array:
    """Return `x` without its fraction; its derivative is 0.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.trunc(ag.tensor([1.5, -1.5]))
    tensor([ 1., -1.])
    """
    return np.trunc(x)


trunc.defvjp(x=lambda g: zeros_like(g))


@elementwise
def _round(x: Array, *, decimals: int) -> Array:
    return np.round(x, decimals)


_round.defvjp(x=lambda g: zeros_like(g))


def round(x: TensorLike, *, decimals: int = 0) -> Tensor:
    """Return `x` rounded to `decimals` places, halves to the even neighbour; its derivative is 0.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.round(ag.tensor([0.5, 1.5, 2.6])), ag.round(ag.tensor([2.344]), decimals=2)
    (tensor([0., 2., 3.]), tensor([2.34]))
    """
    return _round(x, decimals=decimals)


def frac(x: TensorLike) -> Tensor:
    """Return the fraction of `x`, ``x - trunc(x)``, with the sign of `x`; its derivative is 1.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.frac(ag.tensor([1.5, -1.25]))
    tensor([ 0.5 , -0.25])
    """
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

    Examples
    --------
    >>> import autograd_nn as ag
    >>> x = ag.tensor([-1.0, 0.0, 2.0], requires_grad=True)
    >>> ag.relu(x).sum().backward()
    >>> x.grad
    tensor([0., 0., 1.])
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
    """Return the larger of `x` and `y`, elementwise, NaN where either is; a tie gives each half of the gradient.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.maximum(ag.tensor([1.0, 5.0]), ag.tensor([3.0, 2.0]))
    tensor([3., 5.])
    """
    return np.maximum(x, y)


@elementwise
def minimum(x: Operand, y: Operand) -> Array:
    """Return the smaller of `x` and `y`, elementwise, NaN where either is; a tie gives each half of the gradient.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.minimum(ag.tensor([1.0, 5.0]), ag.tensor([3.0, 2.0]))
    tensor([1., 2.])
    """
    return np.minimum(x, y)


@primitive
def _larger_share(g: Array, x: Operand, y: Operand) -> Array:
    """Return `g` where ``x > y``, half of it where they are equal, 0 where ``x < y``."""
    return passes.MAXIMUM.gradient(g, x, y)


_larger_share.defvjp(g=lambda h, x, y: _larger_share(h, x, y))

maximum.defvjp(x=lambda g, x, y: _larger_share(g, x, y), y=lambda g, x, y: _larger_share(g, y, x))
minimum.defvjp(x=lambda g, x, y: _larger_share(g, y, x), y=lambda g, x, y: _larger_share(g, x, y))


@elementwise
def fmax(x: Operand, y: Operand) -> Array:
    """Return the larger of `x` and `y`, elementwise, ignoring NaN; a tie gives `x` all of the gradient.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.fmax(ag.tensor([1.0, float("nan")]), ag.tensor([3.0, 2.0]))  # passes NaN by
    tensor([3., 2.])
    """
    return np.fmax(x, y)


@elementwise
def fmin(x: Operand, y: Operand) -> Array:
    """Return the smaller of `x` and `y`, elementwise, ignoring NaN; a tie gives `x` all of the gradient.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.fmin(ag.tensor([1.0, float("nan")]), ag.tensor([3.0, 2.0]))
    tensor([1., 2.])
    """
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
    return passes.WHERE(mask, g, function=1)


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
    if x.dtype.kind != "f":
        return x.clip(low, high)
    return passes.CLAMP(x, numbers=_bounds(low, high))


@primitive
def _clamp_input(g: Array, x: Array, *, low: Bound, high: Bound) -> Array:
    return passes.CLAMP.gradient(g, x, numbers=_bounds(low, high))


def _bounds(low: Bound, high: Bound) -> tuple[float, float]:
    return -math.inf if low is None else low, math.inf if high is None else high


_clamp.defvjp(x=lambda g, x, low, high: _clamp_input(g, x, low=low, high=high))
_clamp_input.defvjp(g=lambda h, x, low, high: _clamp_input(h, x, low=low, high=high))


_NUMBER_OR_NONE = (int, float, np.generic, type(None))


def clamp(x: Tensor, min: TensorLike | None = None, max: TensorLike | None = None) -> Tensor:
    """Return `x`, but `min` where it is smaller and `max` where it is larger.

    The derivative in `x` is 1 between the bounds and at them, 0 outside (of NaN it is 0 between numbers); a bound that
    is a tensor gets the gradient where it is taken. Where `min` is larger than `max`, the result is `max`.

    Parameters
    ----------
    x : Tensor
    min, max : number or Tensor, optional
        At least one; tensors are broadcast against `x`.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.clamp(ag.tensor([-2.0, 0.5, 3.0]), 0, 1)
    tensor([0. , 0.5, 1. ])
    """
    if min is None and max is None:
        raise RuntimeError(f"clamp(): at least one of min and max must be given (x.shape={x.shape}, min=None, "
                           "max=None)")
    if isinstance(min, _NUMBER_OR_NONE) and isinstance(max, _NUMBER_OR_NONE):
        min, max = (bound.item() if isinstance(bound, np.generic) else bound for bound in (min, max))
        if min != min or max != max:  # a bound that is NaN is taken
            return add(zeros_like(x), math.nan)
        if x.dtype.kind != "f" and (isinstance(min, float) or isinstance(max, float)):
            x = add(x, 0.0)
        return _clamp(x, low=min, high=max)
    if min is not None:
        x = where(logical_or(lt(x, min), ne(min, min)), min, x)  # a bound that is NaN is taken
    return x if max is None else where(logical_or(gt(x, max), ne(max, max)), max, x)


clip = clamp


LARGE = 4096  # elements below which NumPy chooses


@elementwise(operands=2)
def _where(x: Operand, y: Operand, condition: Array) -> Array:
    if not isinstance(x, np.ndarray) or not isinstance(y, np.ndarray):  # np.where takes no weak numbers
        dtype = common_dtype([x, y])
        x, y = np.asarray(x, dtype), np.asarray(y, dtype)
    if x.dtype.char in "fd" and condition.size >= LARGE:
        return passes.WHERE(condition, x, y)
    return np.where(condition, x, y)


@elementwise(operands=1)
def _taken(g: Array, condition: Array) -> Array:
    """Return `g` where the condition holds and 0 elsewhere."""
    return passes.WHERE(condition, g, function=1)


@elementwise(operands=1)
def _not_taken(g: Array, condition: Array) -> Array:
    """Return 0 where the condition holds and `g` elsewhere."""
    return passes.WHERE(condition, g, function=2)


_where.defvjp(x=lambda g, condition: _taken(g, condition), y=lambda g, condition: _not_taken(g, condition))
_taken.defvjp(g=lambda h, condition: _taken(h, condition))
_not_taken.defvjp(g=lambda h, condition: _not_taken(h, condition))


def where(condition: TensorLike, x: TensorLike, y: TensorLike) -> Tensor:
    """Return `x` where `condition` holds and `y` elsewhere, all broadcast together.

    The branch that is not taken gets a gradient of 0; but if its own derivative is infinite or NaN there, 0 times it
    is NaN. Make the argument safe first: ``where(x > 0, log(where(x > 0, x, 1)), 0)``.

    Parameters
    ----------
    condition : Tensor or array of bool
    x, y : Tensor, array or number

    Examples
    --------
    >>> import autograd_nn as ag
    >>> x = ag.tensor([-1.0, 2.0])
    >>> ag.where(x > 0, x, 0.0)
    tensor([0., 2.])
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

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.masked_fill(ag.tensor([1.0, 2.0]), ag.tensor([True, False]), -9.0)
    tensor([-9.,  2.])
    """
    if isinstance(value, Variable | np.ndarray) and value.ndim:
        raise RuntimeError(f"masked_fill(): value must be a number or a 0-d tensor (value.shape={value.shape})")
    dtype = x.dtype if isinstance(x, Variable | np.ndarray) else None
    if dtype is not None and dtype.kind not in "fc":  # the dtype of x stays
        number = np.asarray(value).item()
        if dtype.kind == "b":
            number = bool(number)
        check_holds(dtype, number, "masked_fill")
        if dtype.kind != "b" and number != int(number):
            raise RuntimeError(f"masked_fill(): value {number} cannot be held by the tensor (dtype={dtype}); "
                               "convert it with .float()")
        value = np.asarray(number).astype(dtype)
    return _where(value, x, _boolean(mask, "masked_fill", "mask"))


def nan_to_num(x: Tensor, nan: float = 0.0, posinf: float | None = None, neginf: float | None = None) -> Tensor:
    """Return `x` with NaN and infinities replaced by numbers (the largest finite ones by default).

    The gradient is 0 there.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.nan_to_num(ag.tensor([float("nan"), 1.0]), nan=0.0)
    tensor([0., 1.])
    """
    if x.dtype.kind == "c":
        parts = [nan_to_num(part, nan, posinf, neginf) for part in (x.real, x.imag)]
        return add(parts[0], mul(parts[1], 1j))
    if x.dtype.kind != "f":
        return masked_fill(x, ne(x, x), 0)
    limits = np.finfo(x.dtype)
    out = masked_fill(x, isnan(x), nan)
    out = masked_fill(out, eq(x, np.inf), float(limits.max) if posinf is None else posinf)
    return masked_fill(out, eq(x, -np.inf), float(limits.min) if neginf is None else neginf)


@elementwise
def lerp(x: Operand, end: Operand, weight: Operand) -> Array:
    """Return ``x + weight * (end - x)``, elementwise; `weight` is a number or a tensor.

    For weights from 0.5 it is ``end - (1 - weight) * (end - x)``, so that 1 gives `end` itself.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.lerp(ag.tensor([0.0, 10.0]), ag.tensor([10.0, 20.0]), 0.25)
    tensor([ 2.5, 12.5])
    """
    if any(isinstance(a, np.ndarray) and a.dtype.kind == "f" for a in (x, end, weight)):
        return passes.LERP(x, end, weight)
    return np.where(np.abs(weight) < 0.5, x + weight * (end - x), end - (1 - weight) * (end - x))


lerp.defvjp(
    x=lambda g, weight: sub(g, mul(g, weight)),
    end=lambda g, weight: mul(g, weight),
    weight=lambda g, x, end: mul(g, sub(end, x)),
)


@elementwise
def isnan(x: Array) -> Array:
    """Return where `x` is NaN.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.isnan(ag.tensor([1.0, float("nan")]))
    tensor([False,  True])
    """
    return np.isnan(x)


@elementwise
def isinf(x: Array) -> Array:
    """Return where `x` is infinite.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.isinf(ag.tensor([1.0, float("inf")]))
    tensor([False,  True])
    """
    return np.isinf(x)


@elementwise
def isfinite(x: Array) -> Array:
    """Return where `x` is neither infinite nor NaN.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.isfinite(ag.tensor([1.0, float("inf")]))
    tensor([ True, False])
    """
    return np.isfinite(x)


@elementwise
def logical_and(x: Operand, y: Operand) -> Array:
    """Return where both are true (not 0).

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.logical_and(ag.tensor([True, True]), ag.tensor([True, False]))
    tensor([ True, False])
    """
    return np.logical_and(x, y)


@elementwise
def logical_or(x: Operand, y: Operand) -> Array:
    """Return where either is true (not 0).

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.logical_or(ag.tensor([True, False]), ag.tensor([False, False]))
    tensor([ True, False])
    """
    return np.logical_or(x, y)


@elementwise
def logical_xor(x: Operand, y: Operand) -> Array:
    """Return where exactly one is true (not 0).

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.logical_xor(ag.tensor([True, True]), ag.tensor([True, False]))
    tensor([False,  True])
    """
    return np.logical_xor(x, y)


@elementwise
def _isclose(x: Operand, y: Operand, *, rtol: float, atol: float, equal_nan: bool) -> Array:
    return np.isclose(x, y, rtol=rtol, atol=atol, equal_nan=equal_nan)


def isclose(x: TensorLike, y: TensorLike, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> Tensor:
    """Return where ``abs(x - y) <= atol + rtol * abs(y)``.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.isclose(ag.tensor([1.0, 1.0]), ag.tensor([1.0, 1.1]))
    tensor([ True, False])
    """
    return _isclose(x, y, rtol=rtol, atol=atol, equal_nan=equal_nan)


def _boolean(condition: TensorLike, operation: str, name: str) -> Tensor | Array:
    """Return a condition as a tensor or an array of booleans."""
    condition = condition if isinstance(condition, Variable | np.ndarray) else np.asarray(condition)
    if condition.dtype != bool:
        raise TypeError(f"{operation}(): {name} must be boolean (dtype={condition.dtype})")
    return condition
