"""Joining, splitting and turning tensors, composed of the operations of `shape`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..engine import Variable
from ..typing import Tensor, TensorOrTuple
from . import shape

__all__ = [
    "atleast_1d", "atleast_2d", "atleast_3d", "broadcast_shapes", "broadcast_tensors", "cartesian_prod",
    "column_stack", "detach", "dstack", "fliplr", "flipud", "hsplit", "hstack", "ravel", "rot90", "t",
    "tensor_split", "vsplit", "vstack",
]  # fmt: skip


def t(input: Tensor) -> Tensor:
    """Return the transpose of a matrix.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.t(ag.tensor([[1, 2], [3, 4]]))
    tensor([[1, 3],
            [2, 4]])
    """
    if input.ndim > 2:
        raise RuntimeError(f"t(): expects at most 2 dims (shape={input.shape})")
    return shape.transpose(input, 0, 1) if input.ndim == 2 else input


def ravel(input: Tensor) -> Tensor:
    """Return the elements in one dim.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.ravel(ag.tensor([[1, 2], [3, 4]]))
    tensor([1, 2, 3, 4])
    """
    return shape.reshape(input, (input.numel(),))


def detach(input: Tensor) -> Tensor:
    """Return a tensor outside the graph that shares memory.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> x = ag.tensor([1.0], requires_grad=True)
    >>> ag.detach(x * 2).requires_grad
    False
    """
    return input.detach()


def _of_one_dim(input: Tensor) -> Tensor:
    return shape.reshape(input, (1,)) if input.ndim == 0 else input


def _of_two_dims(input: Tensor) -> Tensor:
    return shape.unsqueeze(_of_one_dim(input), 0) if input.ndim < 2 else input


def _of_three_dims(input: Tensor) -> Tensor:
    return shape.unsqueeze(_of_two_dims(input), -1) if input.ndim < 3 else input


def _each(tensors: tuple[Any, ...], of_dims: Callable[[Tensor], Tensor]) -> Any:
    """Return one tensor for one, and a tuple of them for several or a sequence."""
    if len(tensors) == 1 and not isinstance(tensors[0], tuple | list):
        return of_dims(tensors[0])
    return tuple(map(of_dims, tensors[0] if len(tensors) == 1 else tensors))


def atleast_1d(*tensors: TensorOrTuple) -> TensorOrTuple:
    """Return the tensor, a 0-d one with a dim; of several tensors, or a sequence of them, a tuple.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.atleast_1d(ag.tensor(3.0))
    tensor([3.])
    """
    return _each(tensors, _of_one_dim)


def atleast_2d(*tensors: TensorOrTuple) -> TensorOrTuple:
    """Return the tensor with dims of size 1 put before it up to 2 dims; of several tensors a tuple.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.atleast_2d(ag.tensor([1.0, 2.0]))
    tensor([[1., 2.]])
    """
    return _each(tensors, _of_two_dims)


def atleast_3d(*tensors: TensorOrTuple) -> TensorOrTuple:
    """Return the tensor with dims of size 1 put around it up to 3 dims; a matrix gets one at its end.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.atleast_3d(ag.tensor([1.0, 2.0])).shape
    (1, 2, 1)
    """
    return _each(tensors, _of_three_dims)


def hstack(tensors: Sequence[Tensor]) -> Tensor:
    """Return tensors joined along the second dim, those of one dim along it.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.hstack([ag.tensor([1, 2]), ag.tensor([3])])
    tensor([1, 2, 3])
    """
    parts = [_of_one_dim(x) for x in tensors]
    return shape.cat(parts, 0 if parts and parts[0].ndim == 1 else 1)


def vstack(tensors: Sequence[Tensor]) -> Tensor:
    """Return tensors joined along the first dim; those of one dim are rows.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.vstack([ag.tensor([1, 2]), ag.tensor([3, 4])])
    tensor([[1, 2],
            [3, 4]])
    """
    return shape.cat([_of_two_dims(x) for x in tensors], 0)


def dstack(tensors: Sequence[Tensor]) -> Tensor:
    """Return tensors joined along the third dim.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.dstack([ag.tensor([1, 2]), ag.tensor([3, 4])]).shape
    (1, 2, 2)
    """
    return shape.cat([_of_three_dims(x) for x in tensors], 2)


def column_stack(tensors: Sequence[Tensor]) -> Tensor:
    """Return tensors joined along the second dim; those of one dim are columns.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.column_stack([ag.tensor([1, 2]), ag.tensor([3, 4])])
    tensor([[1, 3],
            [2, 4]])
    """
    return shape.cat([shape.reshape(x, (-1, 1)) if x.ndim < 2 else x for x in tensors], 1)


def broadcast_shapes(*shapes: Any) -> tuple[int, ...]:
    """Return the shape that tensors of these shapes are broadcast to.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.broadcast_shapes((3, 1), (2,))
    (3, 2)
    """
    try:
        return np.broadcast_shapes(*shapes)
    except ValueError:
        raise RuntimeError(f"broadcast_shapes(): shapes cannot be broadcast together (shapes={shapes})") from None


def broadcast_tensors(*tensors: Tensor) -> tuple[Tensor, ...]:
    """Return views of the tensors in their common shape.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> a, b = ag.broadcast_tensors(ag.zeros(3, 1), ag.zeros(2))
    >>> a.shape, b.shape
    ((3, 2), (3, 2))
    """
    common = broadcast_shapes(*[x.array.shape for x in tensors])
    return tuple(shape.broadcast_to(x, common) for x in tensors)


def fliplr(input: Tensor) -> Tensor:
    """Return a view with the order along the second dim reversed.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.fliplr(ag.tensor([[1, 2], [3, 4]]))
    tensor([[2, 1],
            [4, 3]])
    """
    return shape.flip(input, (1,))


def flipud(input: Tensor) -> Tensor:
    """Return a view with the order along the first dim reversed.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.flipud(ag.tensor([[1, 2], [3, 4]]))
    tensor([[3, 4],
            [1, 2]])
    """
    return shape.flip(input, (0,))


def rot90(input: Tensor, k: int = 1, dims: Sequence[int] = (0, 1)) -> Tensor:
    """Return the tensor turned by `k` right angles in the plane of two dims, from the first towards the second.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.rot90(ag.tensor([[1, 2], [3, 4]]))
    tensor([[2, 4],
            [1, 3]])
    """
    first, second = (shape.normalized_dim(d, input.ndim, "rot90") for d in dims)
    if first == second:
        raise RuntimeError(f"rot90(): dims must be two different dims (dims={tuple(dims)}, input.shape={input.shape})")
    if k % 4 == 2:
        return shape.flip(input, (first, second))
    if k % 4 == 1:
        return shape.transpose(shape.flip(input, (second,)), first, second)
    return input if k % 4 == 0 else shape.flip(shape.transpose(input, first, second), (second,))


def tensor_split(
    input: Tensor, indices_or_sections: int | Sequence[int] | Tensor, dim: int = 0
) -> tuple[Tensor, ...]:
    """Return views of parts of a tensor along a dim.

    Parameters
    ----------
    input : Tensor
    indices_or_sections : int, sequence of int, or Tensor of int
        The number of parts, the first of them longer by one where they cannot be equal; or where parts begin.
    dim : int

    Examples
    --------
    >>> import autograd_nn as ag
    >>> [part.tolist() for part in ag.tensor_split(ag.arange(5), 2)]
    [[0, 1, 2], [3, 4]]
    """
    dim = shape.normalized_dim(dim, input.ndim, "tensor_split")
    if not input.ndim:
        raise RuntimeError("tensor_split(): expects at least one dim (input.shape=())")
    length = input.array.shape[dim]
    if isinstance(indices_or_sections, Variable):
        if indices_or_sections.dtype.kind not in "iu" or indices_or_sections.ndim > 1:
            raise RuntimeError("tensor_split(): a tensor of indices must hold integers in at most one dim "
                               f"(dtype={indices_or_sections.dtype}, shape={indices_or_sections.shape})")
        indices_or_sections = indices_or_sections.array.tolist()
    if isinstance(indices_or_sections, int):
        count = indices_or_sections
        if count <= 0:
            raise RuntimeError(f"tensor_split(): the number of parts must be positive (indices_or_sections={count})")
        begins = [i * (length // count) + min(i, length % count) for i in range(1, count)]
    else:
        begins = [slice(i, None).indices(length)[0] for i in indices_or_sections]
    starts, ends = [0, *begins], [*begins, length]
    return tuple(shape.narrow(input, dim, a, max(b - a, 0)) for a, b in zip(starts, ends))


def hsplit(input: Tensor, indices_or_sections: int | Sequence[int]) -> tuple[Tensor, ...]:
    """Return parts along the second dim, of a tensor of one dim along it (see `tensor_split`).

    Examples
    --------
    >>> import autograd_nn as ag
    >>> [part.tolist() for part in ag.hsplit(ag.arange(4), 2)]
    [[0, 1], [2, 3]]
    """
    return tensor_split(input, indices_or_sections, 0 if input.ndim == 1 else 1)


def vsplit(input: Tensor, indices_or_sections: int | Sequence[int]) -> tuple[Tensor, ...]:
    """Return parts along the first dim (see `tensor_split`).

    Examples
    --------
    >>> import autograd_nn as ag
    >>> [part.tolist() for part in ag.vsplit(ag.tensor([[1, 2], [3, 4]]), 2)]
    [[[1, 2]], [[3, 4]]]
    """
    return tensor_split(input, indices_or_sections, 0)


def cartesian_prod(*tensors: Tensor) -> Tensor:
    """Return all combinations of one element of each tensor (N,), one a row.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.cartesian_prod(ag.tensor([1, 2]), ag.tensor([3, 4]))
    tensor([[1, 3],
            [1, 4],
            [2, 3],
            [2, 4]])
    """
    if len(tensors) == 1:
        return tensors[0]
    return shape.stack([shape.reshape(x, (-1,)) for x in shape.meshgrid(*tensors, indexing="ij")], 1)
