"""Elementwise functions that are composed of others."""

from __future__ import annotations

import math

from ..typing import Tensor
from . import elementwise, reduce, shape
from .joining import broadcast_tensors

__all__ = ["deg2rad", "exp2", "logaddexp", "logit", "positive", "rad2deg"]


def logaddexp(input: Tensor, other: Tensor) -> Tensor:
    """Return ``log(exp(input) + exp(other))`` without overflow."""
    return reduce.logsumexp(shape.stack(broadcast_tensors(input, other)), 0)


def exp2(input: Tensor) -> Tensor:
    """Return 2 to the power of each element."""
    return elementwise.pow(2.0, input)


def logit(input: Tensor, eps: float | None = None) -> Tensor:
    """Return ``log(x / (1 - x))``, the inverse of the sigmoid, of elements limited to [eps, 1 - eps]."""
    x = input if eps is None else elementwise.clamp(input, eps, 1 - eps)
    return elementwise.log(x / (1 - x))


def deg2rad(input: Tensor) -> Tensor:
    """Return degrees as radians."""
    return input * (math.pi / 180)


def rad2deg(input: Tensor) -> Tensor:
    """Return radians as degrees."""
    return input * (180 / math.pi)


def positive(input: Tensor) -> Tensor:
    """Return the tensor itself."""
    return input
