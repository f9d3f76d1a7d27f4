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
    """Return tensors repeated to the shape that all of them broadcast to.

    Examples
    --------
    >>> from autograd_nn import array_api as xp
    >>> [x.shape for x in xp.broadcast_arrays(xp.zeros((3, 1)), xp.zeros(2))]
    [(3, 2), (3, 2)]
    """
    return list(joining.broadcast_tensors(*arrays))


def broadcast_to(x: Tensor, /, shape: Any) -> Tensor:
    """Return `x` repeated to a shape.

    Examples
    --------
    >>> from autograd_nn import array_api as xp
    >>> xp.broadcast_to(xp.asarray([1, 2]), (2, 2))
    tensor([[1, 2],
            [1, 2]])
    """
    return _shape.broadcast_to(x, tuple(shape))


_shape = shape


def concat(arrays: Sequence[Tensor], /, *, axis: int | None = 0) -> Tensor:
    """Join tensors along an axis; for None all are flattened first.

    Examples
    --------
    >>> from autograd_nn import array_api as xp
    >>> xp.concat([xp.asarray([1, 2]), xp.asarray([3])])
    tensor([1, 2, 3])
    """
    return shape.cat([shape.reshape(x, (-1,)) for x in arrays], 0) if axis is None else shape.cat(arrays, axis)


def expand_dims(x: Tensor, /, axis: Any = 0) -> Tensor:
    """Return `x` with axes of size 1 put in.

    Examples
    --------
    >>> from autograd_nn import array_api as xp
    >>> xp.expand_dims(xp.zeros((2, 3)), axis=1).shape
    (2, 1, 3)
    """
    axes = axis if isinstance(axis, tuple) else (axis,)
    ndim = x.ndim + len(axes)
    for each in axes:
        if not -ndim <= each < ndim:
            raise IndexError(f"expand_dims(): axis must be from {-ndim} to {ndim - 1} (axis={axis}, x.shape={x.shape})")
    for place in sorted(each % ndim for each in axes):
        x = shape.unsqueeze(x, place)
    return x


def flip(x: Tensor, /, *, axis: Any = None) -> Tensor:
    """Return `x` with the order along an axis, several, or all axes reversed.

    Examples
    --------
    >>> from autograd_nn import array_api as xp
    >>> xp.flip(xp.asarray([[1, 2], [3, 4]]), axis=1)
    tensor([[2, 1],
            [4, 3]])
    """
    return shape.flip(x, tuple(range(x.ndim)) if axis is None else axis)


def moveaxis(x: Tensor, source: Any, destination: Any, /) -> Tensor:
    """Return `x` with axes moved to other places.

    Examples
    --------
    >>> from autograd_nn import array_api as xp
    >>> xp.moveaxis(xp.zeros((2, 3, 4)), 0, -1).shape
    (3, 4, 2)
    """
    return shape.movedim(x, source, destination)


def permute_dims(x: Tensor, /, axes: Any) -> Tensor:
    """Return `x` with its axes in another order.

    Examples
    --------
    >>> from autograd_nn import array_api as xp
    >>> xp.permute_dims(xp.zeros((2, 3, 4)), (2, 0, 1)).shape
    (4, 2, 3)
    """
    return shape.permute(x, axes)


def repeat(x: Tensor, repeats: Any, /, *, axis: int | None = None) -> Tensor:
    """Return `x` with each element along an axis repeated in a row; for None `x` is flattened first.

    Examples
    --------
    >>> from autograd_nn import array_api as xp
    >>> xp.repeat(xp.asarray([1, 2]), 2)
    tensor([1, 1, 2, 2])
    """
    return shape.repeat_interleave(x, repeats, axis)


def reshape(x: Tensor, /, shape: Any, *, copy: bool | None = None) -> Tensor:
    """Return `x` in another shape; in memory of its own if `copy` is true.

    Examples
    --------
    >>> from autograd_nn import array_api as xp
    >>> xp.reshape(xp.arange(6), (2, 3))
    tensor([[0, 1, 2],
            [3, 4, 5]])
    """
    out = _shape.reshape(x, tuple(shape) if isinstance(shape, tuple | list) else (shape,))
    if copy is False and out.array.size and out.array.base is None:
        raise ValueError(f"reshape(): shape {tuple(shape)} needs a copy (x.shape={x.shape})")
    return out.clone() if copy else out


def roll(x: Tensor, /, shift: Any, *, axis: Any = None) -> Tensor:
    """Return `x` with its elements moved along axes, cyclically; for None `x` is flattened for that.

    Examples
    --------
    >>> from autograd_nn import array_api as xp
    >>> xp.roll(xp.arange(4), 1)
    tensor([3, 0, 1, 2])
    """
    if isinstance(shift, int) and isinstance(axis, tuple):
        shift = (shift,) * len(axis)
    return shape.roll(x, shift, axis)


def squeeze(x: Tensor, /, axis: Any) -> Tensor:
    """Return `x` without axes of size 1; raise ValueError where one has another size.

    Examples
    --------
    >>> from autograd_nn import array_api as xp
    >>> xp.squeeze(xp.zeros((1, 3, 1)), axis=0).shape
    (3, 1)
    """
    axes = axis if isinstance(axis, tuple) else (axis,)
    if any(x.shape[each] != 1 for each in axes):
        raise ValueError(f"squeeze(): axes must have size 1 (axis={axis}, x.shape={x.shape})")
    return shape.squeeze(x, axes)


def stack(arrays: Sequence[Tensor], /, *, axis: int = 0) -> Tensor:
    """Join tensors of one shape along a new axis.

    Examples
    --------
    >>> from autograd_nn import array_api as xp
    >>> xp.stack([xp.asarray([1, 2]), xp.asarray([3, 4])], axis=1)
    tensor([[1, 3],
            [2, 4]])
    """
    return shape.stack(arrays, axis)


def tile(x: Tensor, repetitions: Any, /) -> Tensor:
    """Return `x` repeated as a whole along its last axes, or along new ones in front.

    Examples
    --------
    >>> from autograd_nn import array_api as xp
    >>> xp.tile(xp.asarray([1, 2]), (2, 2))
    tensor([[1, 2, 1, 2],
            [1, 2, 1, 2]])
    """
    return shape.tile(x, tuple(repetitions))


def unstack(x: Tensor, /, *, axis: int = 0) -> tuple[Tensor, ...]:
    """Return the slices of `x` along an axis.

    Examples
    --------
    >>> from autograd_nn import array_api as xp
    >>> xp.unstack(xp.asarray([[1, 2], [3, 4]]))
    (tensor([1, 2]), tensor([3, 4]))
    """
    return shape.unbind(x, axis)


