"""Parts of tensors replaced: slices, diagonals, places of the flattened tensor; blocks and combinations of elements."""

from __future__ import annotations

import itertools

import numpy as np

from ..engine import wrap
from ..typing import Tensor, TensorLike
from . import joining, scan
from .elementwise import where
from .index import ARRAY, _check_range, _getitem, _integers, index_put
from .shape import _put_diagonal, cat, diag_embed, diagonal, normalized_dim, reshape, to_dtype

__all__ = ["block_diag", "combinations", "diagflat", "diagonal_scatter", "dsplit", "msort", "put", "select_scatter",
           "slice_scatter"]  # fmt: skip


def _check_fits(operation: str, part: tuple[int, ...], src: Tensor) -> None:
    if src.array.shape != part:
        raise RuntimeError(f"{operation}(): src must have the shape of what it replaces (src.shape={src.shape}, "
                           f"expected {part})")


def select_scatter(input: Tensor, src: Tensor, dim: int, index: int) -> Tensor:
    """Return `input` with the slice at `index` along `dim` replaced; `input` has no gradient there.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.select_scatter(ag.zeros(2, 2), ag.ones(2), 0, 1).tolist()
    [[0.0, 0.0], [1.0, 1.0]]
    """
    dim = normalized_dim(dim, input.ndim, "select_scatter")
    if not -input.array.shape[dim] <= index < input.array.shape[dim]:
        raise IndexError(f"select_scatter(): index {index} is out of range for a dim of size {input.shape[dim]}")
    _check_fits("select_scatter", input.array.shape[:dim] + input.array.shape[dim + 1 :], src)
    return index_put(input, (*[slice(None)] * dim, index), src)


def slice_scatter(
    input: Tensor, src: Tensor, dim: int = 0, start: int | None = None, end: int | None = None, step: int = 1
) -> Tensor:
    """Return `input` with ``start:end:step`` along `dim` replaced; `input` has no gradient there.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.slice_scatter(ag.zeros(4), ag.ones(2), start=1, step=2).tolist()
    [0.0, 1.0, 0.0, 1.0]
    """
    dim = normalized_dim(dim, input.ndim, "slice_scatter")
    if step < 1:
        raise RuntimeError(f"slice_scatter(): step must be positive (step={step})")
    chosen = slice(start, end, step)
    count = len(range(*chosen.indices(input.array.shape[dim])))
    _check_fits("slice_scatter", (*input.array.shape[:dim], count, *input.array.shape[dim + 1 :]), src)
    return index_put(input, (*[slice(None)] * dim, chosen), src)


def diagonal_scatter(input: Tensor, src: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Tensor:
    """Return `input` with a diagonal in two of its dims replaced; `input` has no gradient there.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.diagonal_scatter(ag.zeros(2, 2), ag.ones(2)).tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    """
    _check_fits("diagonal_scatter", diagonal(input.detach(), offset, dim1, dim2).array.shape, src)
    dim1, dim2 = dim1 % input.ndim, dim2 % input.ndim
    ones = np.ones(src.array.shape, bool)
    where_ones = _put_diagonal(ones, shape=input.array.shape, offset=offset, dim1=dim1, dim2=dim2)
    src = to_dtype(src, input.dtype)
    return where(where_ones, _put_diagonal(src, shape=input.array.shape, offset=offset, dim1=dim1, dim2=dim2), input)


def put(input: Tensor, index: TensorLike, source: Tensor, accumulate: bool = False) -> Tensor:
    """Return `input` with elements of the flattened tensor replaced, or added to.

    Of repeated indices the last one counts, in the gradient too.

    Parameters
    ----------
    input : Tensor
    index : Tensor of integers
    source : Tensor
        Of as many elements as `index`.
    accumulate : bool

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.put(ag.zeros(2, 2), ag.tensor([3]), ag.ones(1)).tolist()
    [[0.0, 0.0], [0.0, 1.0]]
    """
    places = _integers(index, "put", "index")
    if places.numel() != source.numel():
        raise RuntimeError(f"put(): index and source need the same number of elements (index.shape={places.shape}, "
                           f"source.shape={source.shape})")
    _check_range(where(places < 0, places + input.numel(), places), input.numel(), "put")
    flat = index_put(reshape(input, (-1,)), (reshape(places, (-1,)),), reshape(source, (-1,)), accumulate)
    return reshape(flat, input.array.shape)


def diagflat(input: Tensor, offset: int = 0) -> Tensor:
    """Return the matrix with all elements of `input` on a diagonal.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.diagflat(ag.tensor([[1, 2]])).tolist()
    [[1, 0], [0, 2]]
    """
    return diag_embed(reshape(input, (-1,)), offset)


def block_diag(*tensors: Tensor) -> Tensor:
    """Return the matrix with matrices along its diagonal; tensors of one dim are rows.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.block_diag(ag.tensor([[1, 2]]), ag.tensor([[3]])).tolist()
    [[1, 2, 0], [0, 0, 3]]
    """
    blocks = [joining.atleast_2d(x) for x in tensors]
    if not blocks or any(x.ndim != 2 for x in blocks):
        raise RuntimeError(f"block_diag(): expects tensors of at most two dims (shapes={[x.shape for x in tensors]})")
    width = sum(x.shape[1] for x in blocks)
    rows, before = [], 0
    for x in blocks:
        gap = [np.zeros((x.shape[0], n), x.dtype) for n in (before, width - before - x.array.shape[1])]
        rows.append(cat([wrap(gap[0]), x, wrap(gap[1])], 1))
        before += x.shape[1]
    return cat(rows, 0)


def combinations(input: Tensor, r: int = 2, with_replacement: bool = False) -> Tensor:
    """Return all combinations of `r` elements of a tensor (N,), in order, one a row.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.combinations(ag.tensor([1, 2, 3])).tolist()
    [[1, 2], [1, 3], [2, 3]]
    """
    if input.ndim != 1 or r < 0:
        raise RuntimeError(f"combinations(): expects one dim and r from 0 (input.shape={input.shape}, r={r})")
    choose = itertools.combinations_with_replacement if with_replacement else itertools.combinations
    places = np.array(list(choose(range(input.array.shape[0]), r)), np.int64).reshape(-1, r)
    if r == 0:
        places = places[:0]
    return _getitem(input, places, key=(ARRAY,))


def dsplit(input: Tensor, indices_or_sections: int | list[int]) -> tuple[Tensor, ...]:
    """Return parts along the third dim (see `tensor_split`).

    Examples
    --------
    >>> import autograd_nn as ag
    >>> [part.shape for part in ag.dsplit(ag.zeros(1, 1, 4), 2)]
    [(1, 1, 2), (1, 1, 2)]
    """
    if input.ndim < 3:
        raise RuntimeError(f"dsplit(): expects at least 3 dims (input.shape={input.shape})")
    return joining.tensor_split(input, indices_or_sections, 2)


def msort(input: Tensor) -> Tensor:
    """Return the elements in order along the first dim; each keeps its gradient.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.msort(ag.tensor([3, 1, 2])).tolist()
    [1, 2, 3]
    """
    return scan.sort(input, 0)[0]
