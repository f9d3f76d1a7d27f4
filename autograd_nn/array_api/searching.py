"""Searching, sorting, sets and indexing, as the array API standard names them."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..engine import note_read, wrap
from ..ops import elementwise, index, reduce, scan, search, shape
from ..tensor import Tensor

__all__ = [
    "argmax", "argmin", "argsort", "count_nonzero", "isin", "nonzero", "searchsorted", "sort", "take",
    "take_along_axis", "unique_all", "unique_counts", "unique_inverse", "unique_values", "where",
]  # fmt: skip


def argmax(x: Tensor, /, *, axis: int | None = None, keepdims: bool = False) -> Tensor:
    """Return the index of the largest element along an axis, or in the flattened tensor.

    Examples
    --------
    >>> from autograd_nn import array_api as xp
    >>> xp.argmax(xp.asarray([[1, 5], [4, 2]]), axis=1)
    tensor([1, 0])
    """
    return reduce.argmax(x, axis, keepdims)


def argmin(x: Tensor, /, *, axis: int | None = None, keepdims: bool = False) -> Tensor:
    """Return the index of the smallest element along an axis, or in the flattened tensor.

    Examples
    --------
    >>> from autograd_nn import array_api as xp
    >>> xp.argmin(xp.asarray([[1, 5], [4, 2]]), axis=1)
    tensor([0, 1])
    """
    return reduce.argmin(x, axis, keepdims)


def count_nonzero(x: Tensor, /, *, axis: Any = None, keepdims: bool = False) -> Tensor:
    """Return the number of elements that are not 0.

    Examples
    --------
    >>> from autograd_nn import array_api as xp
    >>> xp.count_nonzero(xp.asarray([[0, 1], [2, 3]]), axis=0)
    tensor([1, 2])
    """
    return reduce.count_nonzero(x, axis, keepdims)


def nonzero(x: Tensor, /) -> tuple[Tensor, ...]:
    """Return the indices of the elements that are not 0, one tensor for each axis.

    Examples
    --------
    >>> from autograd_nn import array_api as xp
    >>> xp.nonzero(xp.asarray([[0, 1], [2, 0]]))
    (tensor([0, 1]), tensor([1, 0]))
    """
    if not x.ndim:
        raise ValueError("nonzero(): expects at least one axis (x.shape=())")
    return index.nonzero(x, as_tuple=True)


def searchsorted(x1: Tensor, x2: Any, /, *, side: str = "left", sorter: Tensor | None = None) -> Tensor:
    """Return where in the sorted `x1` the elements of `x2` would have to be put in.

    Examples
    --------
    >>> from autograd_nn import array_api as xp
    >>> xp.searchsorted(xp.asarray([1.0, 3.0, 5.0]), xp.asarray([2.0, 5.0]))
    tensor([1, 2])
    """
    if side not in ("left", "right"):
        raise ValueError(f"searchsorted(): side must be 'left' or 'right' (side={side!r})")
    return search.searchsorted(x1 if sorter is None else x1[sorter], x2, right=side == "right")


def isin(x1: Any, x2: Any, /, *, invert: bool = False) -> Tensor:
    """Return whether each element of `x1` is in `x2`.

    Examples
    --------
    >>> from autograd_nn import array_api as xp
    >>> xp.isin(xp.asarray([1, 2, 3]), xp.asarray([3, 1]))
    tensor([ True, False,  True])
    """
    return search.isin(x1, x2, invert=invert)


def where(condition: Tensor, x1: Any, x2: Any, /) -> Tensor:
    """Return the elements of `x1` where a condition holds, and those of `x2` elsewhere.

    Examples
    --------
    >>> from autograd_nn import array_api as xp
    >>> xp.where(xp.asarray([True, False]), xp.asarray([1, 2]), 0)
    tensor([1, 0])
    """
    return elementwise.where(condition, x1, x2)


def argsort(x: Tensor, /, *, axis: int = -1, descending: bool = False, stable: bool = True) -> Tensor:
    """Return the indices that sort `x` along an axis, equal elements in their order.

    Examples
    --------
    >>> from autograd_nn import array_api as xp
    >>> xp.argsort(xp.asarray([3, 1, 2]), descending=True)
    tensor([0, 2, 1])
    """
    return scan.argsort(x, axis, descending)


def sort(x: Tensor, /, *, axis: int = -1, descending: bool = False, stable: bool = True) -> Tensor:
    """Return `x` sorted along an axis.

    Examples
    --------
    >>> from autograd_nn import array_api as xp
    >>> xp.sort(xp.asarray([3, 1, 2]))
    tensor([1, 2, 3])
    """
    return scan.sort(x, axis, descending).values


def take(x: Tensor, indices: Tensor, /, *, axis: int | None = None) -> Tensor:
    """Return the slices of `x` along an axis that a 1-D tensor of integers names; negative ones count from the end.

    Examples
    --------
    >>> from autograd_nn import array_api as xp
    >>> xp.take(xp.asarray([10, 20, 30]), xp.asarray([2, 0]))
    tensor([30, 10])
    """
    if axis is None:
        if x.ndim != 1:
            raise ValueError(f"take(): axis may be left out for one axis only (x.shape={x.shape})")
        axis = 0
    axis = shape.normalized_dim(axis, x.ndim, "take")
    return x[(slice(None),) * axis + (indices,)]


def take_along_axis(x: Tensor, indices: Tensor, /, *, axis: int = -1) -> Tensor:
    """Return, along an axis, the elements of `x` at `indices`; negative ones count from the end.

    Examples
    --------
    >>> from autograd_nn import array_api as xp
    >>> xp.take_along_axis(xp.asarray([[3, 1], [2, 5]]), xp.asarray([[1], [0]]), axis=1)
    tensor([[1],
            [2]])
    """
    size = x.shape[axis]
    return index.take_along_dim(x, elementwise.where(elementwise.lt(indices, 0), indices + size, indices), axis)


class UniqueAll(NamedTuple):
    """What `unique_all` returns."""

    values: Tensor
    indices: Tensor
    inverse_indices: Tensor
    counts: Tensor


class UniqueCounts(NamedTuple):
    """What `unique_counts` returns."""

    values: Tensor
    counts: Tensor


class UniqueInverse(NamedTuple):
    """What `unique_inverse` returns."""

    values: Tensor
    inverse_indices: Tensor


def _elements(x: Tensor, operation: str) -> np.ndarray:
    """Return the elements of a tensor, of which there may come another number of results each time."""
    note_read(x, f"{operation}()")
    return x.array


def unique_all(x: Tensor, /) -> UniqueAll:
    """Return the values that occur, where each occurs first, which of them each element is, and how often each occurs.

    Each NaN is a value of its own.

    Examples
    --------
    >>> from autograd_nn import array_api as xp
    >>> xp.unique_all(xp.asarray([3, 1, 3])).indices
    tensor([1, 0])
    """
    return UniqueAll(*map(wrap, np.unique_all(_elements(x, "unique_all"))))


def unique_counts(x: Tensor, /) -> UniqueCounts:
    """Return the values that occur and how often; each NaN is a value of its own.

    Examples
    --------
    >>> from autograd_nn import array_api as xp
    >>> values, counts = xp.unique_counts(xp.asarray([3, 1, 3]))
    >>> values, counts
    (tensor([1, 3]), tensor([1, 2]))
    """
    return UniqueCounts(*map(wrap, np.unique_counts(_elements(x, "unique_counts"))))


def unique_inverse(x: Tensor, /) -> UniqueInverse:
    """Return the values that occur, and which of them each element is; each NaN is a value of its own.

    Examples
    --------
    >>> from autograd_nn import array_api as xp
    >>> values, inverse = xp.unique_inverse(xp.asarray([3, 1, 3]))
    >>> values[inverse]
    tensor([3, 1, 3])
    """
    return UniqueInverse(*map(wrap, np.unique_inverse(_elements(x, "unique_inverse"))))


def unique_values(x: Tensor, /) -> Tensor:
    """Return the values that occur; each NaN is a value of its own.

    Examples
    --------
    >>> from autograd_nn import array_api as xp
    >>> xp.unique_values(xp.asarray([3, 1, 3]))
    tensor([1, 3])
    """
    return wrap(np.unique_values(_elements(x, "unique_values")))
