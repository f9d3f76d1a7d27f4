"""Products of vectors and matrices composed of other operations, and the distance of two tensors."""

from __future__ import annotations

from ..typing import Tensor
from . import distance, linalg, shape
from .joining import broadcast_tensors

__all__ = ["cross", "dist", "inner", "kron"]


def inner(input: Tensor, other: Tensor) -> Tensor:
    """Return the sums of products over the last dims.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.inner(ag.tensor([1.0, 2.0]), ag.tensor([[3.0, 4.0], [5.0, 6.0]]))
    tensor([11., 17.])
    """
    if input.ndim == 0 or other.ndim == 0:
        return input * other
    return linalg.tensordot(input, other, ([-1], [-1]))


def kron(input: Tensor, other: Tensor) -> Tensor:
    """Return the Kronecker product: each element of `input` times the whole of `other`.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.kron(ag.eye(2), ag.ones(1, 2))
    tensor([[1., 1., 0., 0.],
            [0., 0., 1., 1.]])
    """
    ndim = max(input.ndim, other.ndim)
    outer, block = ((1,) * (ndim - x.ndim) + x.array.shape for x in (input, other))
    left = shape.reshape(input, [n for size in outer for n in (size, 1)])
    right = shape.reshape(other, [n for size in block for n in (1, size)])
    return shape.reshape(left * right, [m * n for m, n in zip(outer, block)])


def cross(input: Tensor, other: Tensor, dim: int = -1) -> Tensor:
    """Return the vector product of vectors of 3 elements along a dim.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.cross(ag.tensor([1.0, 0.0, 0.0]), ag.tensor([0.0, 1.0, 0.0]), dim=0)
    tensor([0., 0., 1.])
    """
    a, b = (shape.movedim(x, dim, 0) for x in broadcast_tensors(input, other))
    if len(a) != 3:
        raise RuntimeError(f"cross(): expects 3 elements along dim {dim} (input.shape={input.shape}, "
                           f"other.shape={other.shape})")
    parts = [a[i] * b[j] - a[j] * b[i] for i, j in ((1, 2), (2, 0), (0, 1))]
    return shape.movedim(shape.stack(parts, 0), 0, dim)


def dist(input: Tensor, other: Tensor, p: float = 2) -> Tensor:
    """Return the p-norm of ``input - other``.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.dist(ag.tensor([0.0, 0.0]), ag.tensor([3.0, 4.0]))
    tensor(5.)
    """
    return distance.norm(input - other, p)
