"""Elementwise operations: NumPy broadcasting forward, undone by the engine backward.

Subgradients at kinks are PyTorch's: where a function is convex or concave, the one of least norm.
"""

import math

import numpy as np

from ..engine import elementwise, primitive
from ..kernels import elementwise as kernels

# ruff: noqa: A001


# ------------------------------------------------------------------------------------ comparisons


@elementwise
def eq(x, y):
    """Return ``x == y``, elementwise, as booleans."""
    return np.equal(x, y)


@elementwise
def ne(x, y):
    """Return ``x != y``, elementwise, as booleans."""
    return np.not_equal(x, y)


@elementwise
def lt(x, y):
    """Return ``x < y``, elementwise, as booleans."""
    return np.less(x, y)


@elementwise
def le(x, y):
    """Return ``x <= y``, elementwise, as booleans."""
    return np.less_equal(x, y)


@elementwise
def gt(x, y):
    """Return ``x > y``, elementwise, as booleans."""
    return np.greater(x, y)


@elementwise
def ge(x, y):
    """Return ``x >= y``, elementwise, as booleans."""
    return np.greater_equal(x, y)


# ------------------------------------------------------------------------------------ logic


@elementwise
def logical_not(x):
    """Return ``not x``, elementwise, as booleans."""
    return np.logical_not(x)


@elementwise
def bitwise_not(x):
    """Return the bits of integers inverted."""
    return np.invert(x)


@elementwise
def bitwise_and(x, y):
    """Return the bits that both have, of integers or booleans."""
    return np.bitwise_and(x, y)


@elementwise
def bitwise_or(x, y):
    """Return the bits that either has, of integers or booleans."""
    return np.bitwise_or(x, y)


@elementwise
def bitwise_xor(x, y):
    """Return the bits that exactly one has, of integers or booleans."""
    return np.bitwise_xor(x, y)


# ------------------------------------------------------------------------------------ arithmetic


@elementwise
def add(x, y):
    """Return ``x + y``, elementwise."""
    return np.add(x, y)


add.defvjp(lambda g, out, x, y: g, lambda g, out, x, y: g)


@elementwise
def sub(x, y):
    """Return ``x - y``, elementwise."""
    return np.subtract(x, y)


sub.defvjp(lambda g, out, x, y: g, lambda g, out, x, y: neg(g))


@elementwise
def mul(x, y):
    """Return ``x * y``, elementwise."""
    return np.multiply(x, y)


mul.defvjp(lambda g, out, x, y: mul(g, y), lambda g, out, x, y: mul(g, x))


@elementwise(floating=True)
def div(x, y):
    """Return ``x / y``, elementwise; integers are divided as float32."""
    return np.true_divide(x, y)


div.defvjp(lambda g, out, x, y: div(g, y), lambda g, out, x, y: neg(mul(g, div(out, y))))


@elementwise
def floor_divide(x, y):
    """Return ``floor(x / y)``, elementwise; its gradient is not defined here."""
    return np.floor_divide(x, y)


@elementwise
def remainder(x, y):
    """Return ``x - y * floor(x / y)``, elementwise, with the sign of `y`."""
    return np.remainder(x, y)


remainder.defvjp(lambda g, out, x, y: g, lambda g, out, x, y: neg(mul(g, floor(div(x, y)))))


@elementwise
def neg(x):
    """Return ``-x``."""
    return np.negative(x)


neg.defvjp(lambda g, out, x: neg(g))


@elementwise
def pow(x, y):
    """Return ``x ** y``, elementwise.

    The gradients are ``y * x**(y - 1)``, which is 0 where ``y == 0``, and ``x**y * log(x)``, which is 0 where ``x == 0`` and
    ``y >= 0``.
    """
    return x**y


def _pow_base(g, out, x, y):
    if isinstance(y, int | float):
        return mul(g, mul(pow(x, y - 1), y)) if y != 0 else mul(g, zeros_like(x))
    return mul(g, where(eq(y, 0), 0.0, mul(pow(x, sub(y, 1)), y)))


def _pow_exponent(g, out, x, y):
    if isinstance(x, int | float) and x > 0:
        return mul(g, mul(out, math.log(x)))
    at_zero = _pow_flat(x, y)
    return mul(g, where(at_zero, 0.0, mul(out, log(where(at_zero, 1.0, x)))))


@elementwise
def _pow_flat(x, y):
    return (np.asarray(x) == 0) & (np.asarray(y) >= 0)


pow.defvjp(_pow_base, _pow_exponent)


@elementwise
def zeros_like(x):
    """Return zeros of the shape and dtype of `x`."""
    return np.zeros_like(x)


@elementwise
def square(x):
    """Return ``x * x``."""
    return np.square(x)


square.defvjp(lambda g, out, x: mul(g, mul(x, 2)))


@elementwise(floating=True)
def reciprocal(x):
    """Return ``1 / x``."""
    return np.reciprocal(x)


reciprocal.defvjp(lambda g, out, x: neg(mul(g, square(out))))


# ------------------------------------------------------------------------------------ exponentials, roots


@elementwise(floating=True)
def exp(x):
    """Return the exponential of `x`."""
    return np.exp(x)


exp.defvjp(lambda g, out, x: mul(g, out))


@elementwise(floating=True)
def log(x):
    """Return the natural logarithm of `x`; -inf at 0, NaN below."""
    return np.log(x)


log.defvjp(lambda g, out, x: div(g, x))


@elementwise(floating=True)
def sqrt(x):
    """Return the square root of `x`; its derivative at 0 is infinite."""
    return np.sqrt(x)


sqrt.defvjp(lambda g, out, x: div(g, mul(out, 2)))


@elementwise(floating=True)
def tanh(x):
    """Return the hyperbolic tangent of `x`."""
    return np.tanh(x)


tanh.defvjp(lambda g, out, x: mul(g, sub(1, square(out))))


@elementwise(floating=True)
def sigmoid(x):
    """Return ``1 / (1 + exp(-x))``, computed from ``exp(-abs(x))`` so that it never overflows."""
    e = np.exp(-np.abs(x))
    return np.where(x >= 0, 1, e) / (1 + e)


sigmoid.defvjp(lambda g, out, x: mul(g, mul(out, sub(1, out))))


# ------------------------------------------------------------------------------------ kinks


@elementwise
def abs(x):
    """Return the absolute value; its derivative at 0 is 0."""
    return np.abs(x)


abs.defvjp(lambda g, out, x: mul(g, sign(x)))


@elementwise
def sign(x):
    """Return -1, 0 or 1; its derivative is 0 everywhere."""
    return np.sign(x)


sign.defvjp(lambda g, out, x: zeros_like(g))


@elementwise
def floor(x):
    """Return the largest integer that is not above `x`; its derivative is 0."""
    return np.floor(x)


floor.defvjp(lambda g, out, x: zeros_like(g))


@primitive
def relu(x):
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
def _relu_input(g, out):
    return kernels.relu_input(g, out)


relu.defvjp(lambda g, out, x: _relu_input(g, out))
_relu_input.defvjp(lambda h, _, g, out: _relu_input(h, out), None)


@elementwise
def maximum(x, y):
    """Return the larger of `x` and `y`, elementwise, NaN where either is; a tie gives each half of the gradient."""
    return np.maximum(x, y)


@elementwise
def minimum(x, y):
    """Return the smaller of `x` and `y`, elementwise, NaN where either is; a tie gives each half of the gradient."""
    return np.minimum(x, y)


@elementwise(floating=True)
def _share(x, y):
    """Return 1 where x > y, 1/2 where they are equal, 0 elsewhere."""
    x, y = np.asarray(x), np.asarray(y)
    dtype = np.result_type(*(a.dtype for a in (x, y) if a.dtype.kind == "f"))
    return (x > y).astype(dtype) + (x == y) * dtype.type(0.5)


maximum.defvjp(lambda g, out, x, y: mul(g, _share(x, y)), lambda g, out, x, y: mul(g, _share(y, x)))
minimum.defvjp(lambda g, out, x, y: mul(g, _share(y, x)), lambda g, out, x, y: mul(g, _share(x, y)))


@elementwise
def _where(x, y, *, condition):
    return np.where(condition, x, y)


_where.defvjp(
    lambda g, out, x, y, condition: _where(g, 0, condition=condition),
    lambda g, out, x, y, condition: _where(0, g, condition=condition),
)


def where(condition, x, y):
    """Return `x` where `condition` holds and `y` elsewhere, all broadcast together.

    The branch that is not taken gets a gradient of 0; but if its own derivative is infinite or NaN there, 0 times it is NaN. Make the
    argument safe first: ``where(x > 0, log(where(x > 0, x, 1)), 0)``.

    Parameters
    ----------
    condition : Tensor or array of bool
    x, y : Tensor, array or number
    """
    condition = np.asarray(getattr(condition, "data", condition))
    if condition.dtype != bool:
        raise TypeError(f"where(): condition must be boolean (dtype={condition.dtype})")
    return _where(x, y, condition=condition)
