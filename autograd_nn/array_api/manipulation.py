"""Moving elements, as the array API standard names it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..ops import joining, shape
from ..tensor import Tensor

__all__ = [
    "broadcast_arrays", "broadcast_shapes", "broadcast_to", "concat", "expand_dims", "flip", "moveaxis", "permute_dims",
    "repeat", "reshape", "roll", "squeeze", "stack", "tile", "unstack",
]  # fmt: skip

broadcast_shapes = joining.broadcast_shapes


def broadcast_arrays(*arrays: Tensor) -> list[Tensor]:
    """Return tensors repeated to the shape that all of them broadcast to."""
    return list(joining.broadcast_tensors(*arrays))


def broadcast_to(x: Tensor, /, shape: Any) -> Tensor:
    """Return `x` repeated to a shape."""
    return _shape.broadcast_to(x, tuple(shape))


_shape = shape


def concat(arrays: Sequence[Tensor], /, *, axis: int | None = 0) -> Tensor:
    """Join tensors along an axis; for None all are flattened first."""
    return shape.cat([shape.reshape(x, (-1,)) for x in arrays], 0) if axis is None else shape.cat(arrays, axis)


def expand_dims(x: Tensor, /, axis: Any = 0) -> Tensor:
    """Return `x` with axes of size 1 put in."""
    axes = axis if isinstance(axis, tuple) else (axis,)
    ndim = x.ndim + len(axes)
    for each in axes:
        if not -ndim <= each < ndim:
            raise IndexError(f"expand_dims(): axis must be from {-ndim} to {ndim - 1} (axis={axis}, x.shape={x.shape})")
    for place in sorted(each % ndim for each in axes):
        x = shape.unsqueeze(x, place)
    return x


def flip(x: Tensor, /, *, axis: Any = None) -> Tensor:
    """Return `x` with the order along an axis, several, or all axes reversed."""
    return shape.flip(x, tuple(range(x.ndim)) if axis is None else axis)


def moveaxis(x: Tensor, source: Any, destination: Any, /) -> Tensor:
    """Return `x` with axes moved to other places."""
    return shape.movedim(x, source, destination)


def permute_dims(x: Tensor, /, axes: Any) -> Tensor:
    """Return `x` with its axes in another order."""
    return shape.permute(x, axes)


def repeat(x: Tensor, repeats: Any, /, *, axis: int | None = None) -> Tensor:
    """Return `x` with each element along an axis repeated in a row; for None `x` is flattened first."""
    return shape.repeat_interleave(x, repeats, axis)


def reshape(x: Tensor, /, shape: Any, *, copy: bool | None = None) -> Tensor:
    """Return `x` in another shape; in memory of its own if `copy` is true."""
    out = _shape.reshape(x, tuple(shape) if isinstance(shape, tuple | list) else (shape,))
    if copy is False and out.array.size and out.array.base is None:
        raise ValueError(f"reshape(): shape {tuple(shape)} needs a copy (x.shape={x.shape})")
    return out.clone() if copy else out


def roll(x: Tensor, /, shift: Any, *, axis: Any = None) -> Tensor:
    """Return `x` with its elements moved along axes, cyclically; for None `x` is flattened for that."""
    if isinstance(shift, int) and isinstance(axis, tuple):
        shift = (shift,) * len(axis)
    return shape.roll(x, shift, axis)


def squeeze(x: Tensor, /, axis: Any) -> Tensor:
    """Return `x` without axes of size 1; raise ValueError where one has another size."""
    axes = axis if isinstance(axis, tuple) else (axis,)
    if any(x.shape[each] != 1 for each in axes):
        raise ValueError(f"squeeze(): axes must have size 1 (axis={axis}, x.shape={x.shape})")
    return shape.squeeze(x, axes)


def stack(arrays: Sequence[Tensor], /, *, axis: int = 0) -> Tensor:
    """Join tensors of one shape along a new axis."""
    return shape.stack(arrays, axis)


def tile(x: Tensor, repetitions: Any, /) -> Tensor:
    """Return `x` repeated as a whole along its last axes, or along new ones in front."""
    return shape.tile(x, tuple(repetitions))


def unstack(x: Tensor, /, *, axis: int = 0) -> tuple[Tensor, ...]:
    """Return the slices of `x` along an axis."""
    return shape.unbind(x, axis)


