"""Elementwise functions that are composed of others."""

from __future__ import annotations

import math

import numpy as np

from ..engine import elementwise as elementwise_primitive
from ..typing import Array, Operand, Tensor
from . import elementwise

__all__ = ["deg2rad", "exp2", "logaddexp", "logit", "positive", "rad2deg"]


def logaddexp(input: Tensor, other: Tensor) -> Tensor:
    """Return ``log(exp(input) + exp(other))`` without overflow.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.logaddexp(ag.tensor([1000.0]), ag.tensor([1000.0]))  # exp(1000) would be infinite
    tensor([1000.6932])
    """
    return _logaddexp(input, other)


@elementwise_primitive(floating=True)
def _logaddexp(x: Operand, y: Operand) -> Array:
    out: Array = np.logaddexp(x, y)
    return out


_logaddexp.defvjp(
    x=lambda g, x, y: elementwise.mul(g, elementwise.sigmoid(elementwise.sub(x, y))),
    y=lambda g, x, y: elementwise.mul(g, elementwise.sigmoid(elementwise.sub(y, x))),
)


def exp2(input: Tensor) -> Tensor:
    """Return 2 to the power of each element.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.exp2(ag.tensor([3.0, -1.0]))
    tensor([8. , 0.5])
    """
    return elementwise.pow(2.0, input)


def logit(input: Tensor, eps: float | None = None) -> Tensor:
    """Return ``log(x / (1 - x))``, the inverse of the sigmoid, of elements limited to [eps, 1 - eps].

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.logit(ag.tensor([0.5, 0.9]))
    tensor([0.    , 2.1972])
    """
    return _logit(input if eps is None else elementwise.clamp(input, eps, 1 - eps))


@elementwise_primitive(floating=True)
def _logit(x: Array) -> Array:
    with np.errstate(divide="ignore", invalid="ignore"):
        out: Array = np.log(x / (1 - x))
    return out


def _logit_rule(g: Tensor, x: Tensor) -> Tensor:
    """Return g / (x (1 - x)): infinite at 0 and 1, NaN outside, where the value is NaN."""
    outside = elementwise.logical_or(elementwise.lt(x, 0), elementwise.gt(x, 1))
    slope = elementwise.div(1, elementwise.mul(x, elementwise.sub(1, x)))
    return elementwise.mul(g, elementwise.where(outside, math.nan, slope))


_logit.defvjp(x=_logit_rule)


def deg2rad(input: Tensor) -> Tensor:
    """Return degrees as radians.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.deg2rad(ag.tensor([180.0]))
    tensor([3.1416])
    """
    return input * (math.pi / 180)


def rad2deg(input: Tensor) -> Tensor:
    """Return radians as degrees.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.rad2deg(ag.tensor([ag.pi]))
    tensor([180.])
    """
    return input * (180 / math.pi)


def positive(input: Tensor) -> Tensor:
    """Return the tensor itself.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.positive(ag.tensor([-1.0, 2.0]))
    tensor([-1.,  2.])
    """
    return input
