"""Sums and quotients with PyTorch's settings (`alpha`, `rounding_mode`, `value`), and bounds of one side."""

from __future__ import annotations

from ..typing import Number, Tensor, TensorLike
from . import elementwise

__all__ = ["add", "addcdiv", "addcmul", "clamp_max", "clamp_min", "div", "sub"]


def add(input: TensorLike, other: TensorLike, *, alpha: Number = 1) -> Tensor:
    """Return ``input + alpha * other``."""
    return elementwise.add(input, other if alpha == 1 else elementwise.mul(other, alpha))


def sub(input: TensorLike, other: TensorLike, *, alpha: Number = 1) -> Tensor:
    """Return ``input - alpha * other``."""
    return elementwise.sub(input, other if alpha == 1 else elementwise.mul(other, alpha))


def div(input: TensorLike, other: TensorLike, *, rounding_mode: str | None = None) -> Tensor:
    """Return ``input / other``, rounded down for 'floor' and towards 0 for 'trunc'."""
    if rounding_mode == "floor":
        return elementwise.floor_divide(input, other)
    if rounding_mode == "trunc":
        return elementwise.trunc_divide(input, other)
    if rounding_mode is not None:
        raise RuntimeError(f"div(): rounding_mode must be None, 'trunc' or 'floor' (rounding_mode={rounding_mode!r})")
    return elementwise.div(input, other)


def addcmul(input: TensorLike, tensor1: TensorLike, tensor2: TensorLike, *, value: Number = 1) -> Tensor:
    """Return ``input + value * tensor1 * tensor2``."""
    return add(input, elementwise.mul(tensor1, tensor2), alpha=value)


def addcdiv(input: TensorLike, tensor1: TensorLike, tensor2: TensorLike, *, value: Number = 1) -> Tensor:
    """Return ``input + value * tensor1 / tensor2``."""
    return add(input, elementwise.div(tensor1, tensor2), alpha=value)


def clamp_min(input: Tensor, min: TensorLike) -> Tensor:
    """Return the elements, but `min` where they are smaller."""
    return elementwise.clamp(input, min)


def clamp_max(input: Tensor, max: TensorLike) -> Tensor:
    """Return the elements, but `max` where they are larger."""
    return elementwise.clamp(input, None, max)
