"""Sums and quotients with PyTorch's settings (`alpha`, `rounding_mode`, `value`), and bounds of one side."""

from __future__ import annotations

from typing import Any, cast

from ..engine import Variable, common_dtype
from ..typing import Number, Tensor, TensorLike
from . import elementwise
from .shape import to_dtype

__all__ = ["add", "addcdiv", "addcmul", "clamp_max", "clamp_min", "div", "sub"]


def alike(*operands: Any) -> list[Any]:
    """Return tensors in the dtype that they have together: so that a product of integers is added to floats exactly."""
    if len({x.array.dtype for x in operands if isinstance(x, Variable)}) < 2:
        return list(operands)
    dtype = common_dtype(operands)
    return [to_dtype(cast(Tensor, x), dtype) if isinstance(x, Variable) and x.array.dtype != dtype else x
            for x in operands]


def scaled(other: TensorLike, alpha: Number, input: TensorLike) -> TensorLike:
    """Return ``alpha * other`` in the dtype of a sum with `input`; booleans stay what they are."""
    if alpha == 1:
        return other
    other = alike(input, other)[1]
    truth = isinstance(other, Variable) and other.array.dtype.kind == "b" and not isinstance(alpha, float)
    return elementwise.mul(other, bool(alpha) if truth else alpha)


def add(input: TensorLike, other: TensorLike, *, alpha: Number = 1) -> Tensor:
    """Return ``input + alpha * other``.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.add(ag.tensor([1.0, 2.0]), ag.tensor([10.0, 20.0]), alpha=2)
    tensor([21., 42.])
    """
    return elementwise.add(input, scaled(other, alpha, input))


def sub(input: TensorLike, other: TensorLike, *, alpha: Number = 1) -> Tensor:
    """Return ``input - alpha * other``.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.sub(ag.tensor([1.0, 2.0]), 1)
    tensor([0., 1.])
    """
    return elementwise.sub(input, scaled(other, alpha, input))


def div(input: TensorLike, other: TensorLike, *, rounding_mode: str | None = None) -> Tensor:
    """Return ``input / other``, rounded down for 'floor' and towards 0 for 'trunc'.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.div(ag.tensor([7.0, -7.0]), 2), ag.div(ag.tensor([7.0, -7.0]), 2, rounding_mode="floor")
    (tensor([ 3.5, -3.5]), tensor([ 3., -4.]))
    """
    if rounding_mode == "floor":
        return elementwise.floor_divide(input, other)
    if rounding_mode == "trunc":
        return elementwise.trunc_divide(input, other)
    if rounding_mode is not None:
        raise RuntimeError(f"div(): rounding_mode must be None, 'trunc' or 'floor' (rounding_mode={rounding_mode!r})")
    return elementwise.div(input, other)


def addcmul(input: TensorLike, tensor1: TensorLike, tensor2: TensorLike, *, value: Number = 1) -> Tensor:
    """Return ``input + value * tensor1 * tensor2``.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.addcmul(ag.ones(2), ag.tensor([1.0, 2.0]), ag.tensor([3.0, 4.0]), value=0.5)
    tensor([2.5, 5. ])
    """
    input, tensor1, tensor2 = alike(input, tensor1, tensor2)
    return add(input, elementwise.mul(tensor1, tensor2), alpha=value)


def addcdiv(input: TensorLike, tensor1: TensorLike, tensor2: TensorLike, *, value: Number = 1) -> Tensor:
    """Return ``input + value * tensor1 / tensor2``.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.addcdiv(ag.ones(2), ag.tensor([1.0, 2.0]), ag.tensor([2.0, 4.0]))
    tensor([1.5, 1.5])
    """
    return add(input, elementwise.div(tensor1, tensor2), alpha=value)


def clamp_min(input: Tensor, min: TensorLike) -> Tensor:
    """Return the elements, but `min` where they are smaller.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.clamp_min(ag.tensor([-2.0, 0.5]), 0)
    tensor([0. , 0.5])
    """
    return elementwise.clamp(input, min)


def clamp_max(input: Tensor, max: TensorLike) -> Tensor:
    """Return the elements, but `max` where they are larger.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.clamp_max(ag.tensor([0.5, 3.0]), 1)
    tensor([0.5, 1. ])
    """
    return elementwise.clamp(input, None, max)
