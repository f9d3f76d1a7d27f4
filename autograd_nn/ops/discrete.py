"""What has no gradient, or nearly none: predicates of numbers, steps, and the arithmetic of integers."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..engine import elementwise
from ..typing import Array
from .elementwise import ne, where, zeros_like

__all__ = ["gcd", "heaviside", "isneginf", "isposinf", "isreal", "lcm", "nextafter", "signbit"]

Operand = Any  # an array or a number


def _integers(operation: str, x: Operand, y: Operand) -> None:
    kinds = np.result_type(x, y).kind
    if kinds not in "iu":
        raise TypeError(f"{operation}(): expects integers (got {np.asarray(x).dtype} and {np.asarray(y).dtype})")


@elementwise
def gcd(x: Operand, y: Operand) -> Array:
    """Return the greatest common divisor of integers, at least 0; of 0 and 0 it is 0.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.gcd(ag.tensor([12, -8, 0]), ag.tensor([18, 12, 0]))
    tensor([6, 4, 0])
    """
    _integers("gcd", x, y)
    return np.asarray(np.gcd(x, y))


@elementwise
def lcm(x: Operand, y: Operand) -> Array:
    """Return the least common multiple of integers, at least 0; with 0 it is 0.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.lcm(ag.tensor([4, -6, 0]), ag.tensor([6, 4, 5]))
    tensor([12, 12,  0])
    """
    _integers("lcm", x, y)
    return np.asarray(np.abs(np.lcm(x, y)))  # beyond the range too


@elementwise
def heaviside(x: Operand, values: Operand) -> Array:
    """Return 0 where `x` is negative, 1 where it is positive, and `values` where it is 0; NaN stays.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.heaviside(ag.tensor([-1.5, 0.0, 2.0]), ag.tensor(0.5))
    tensor([0. , 0.5, 1. ])
    """
    out: Array = np.where(x == 0, values, np.where(np.isnan(x), x, x > 0))
    return out.astype(np.result_type(x, values), copy=False)


@elementwise
def isneginf(x: Array) -> Array:
    """Return where `x` is negative infinity.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.isneginf(ag.tensor([1.0, float("-inf"), float("inf")]))
    tensor([False,  True, False])
    """
    return np.isneginf(x)


@elementwise
def isposinf(x: Array) -> Array:
    """Return where `x` is positive infinity.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.isposinf(ag.tensor([1.0, float("-inf"), float("inf")]))
    tensor([False, False,  True])
    """
    return np.isposinf(x)


@elementwise(complex=True)
def isreal(x: Array) -> Array:
    """Return where `x` has no imaginary part, or one of 0.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.isreal(ag.tensor([1 + 1j, 2 + 0j]))
    tensor([False,  True])
    """
    return np.isreal(x)


@elementwise(floating=True)
def nextafter(x: Operand, y: Operand) -> Array:
    """Return the next number after `x` towards `y` that the dtype can hold; its derivative in `x` is 1.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> (ag.nextafter(ag.tensor(1.0), ag.tensor(2.0)) - 1 == 2**-23).item()
    True
    """
    return np.asarray(np.nextafter(x, y))


nextafter.defvjp(x=lambda g, x, y: where(ne(x, y), g, 0.0), y=lambda g: zeros_like(g))


@elementwise
def signbit(x: Array) -> Array:
    """Return where the sign bit of `x` is set: where it is negative, or -0.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.signbit(ag.tensor([-1.0, 0.0, -0.0]))
    tensor([ True, False,  True])
    """
    return x < 0 if x.dtype.kind in "iub" else np.signbit(x)
