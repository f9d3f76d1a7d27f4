"""Bags of rows of a table, reduced to one row each: `embedding_bag`."""

from __future__ import annotations

import itertools

import numpy as np

from ..engine import note_read, primitive, wrap
from ..kernels import scatter as kernels
from ..typing import Array, Tensor
from .elementwise import div, ge, where
from .index import ARRAY, _check_range, _getitem, _integers, _take_along
from .shape import reshape, to_dtype, unsqueeze

__all__ = ["embedding_bag"]


def _bag_of(starts: Array) -> Array:
    """Return the bag of each element."""
    return np.repeat(np.arange(starts.size - 1), np.diff(starts))


@primitive
def _bag_sum(weight: Array, share: Array, index: Array, starts: Array) -> Array:
    return kernels.bag_sums(weight, share, index, starts)


@primitive
def _bag_put(g: Array, share: Array, index: Array, starts: Array, *, rows: int) -> Array:
    """Return zeros (rows, D) with ``share[i]`` times the gradient of the bag of i added at ``index[i]``."""
    parts = g[_bag_of(starts)] * share[:, None]
    return kernels.add_rows(np.zeros((rows, g.shape[1]), g.dtype), index, parts)


@primitive
def _bag_products(g: Array, weight: Array, index: Array, starts: Array) -> Array:
    """Return for each element the product of its row and the gradient of its bag."""
    out: Array = np.einsum("ij,ij->i", g[_bag_of(starts)], weight[index])
    return out


_bag_sum.defvjp(
    weight=lambda g, weight_like, share, index, starts: _bag_put(g, share, index, starts, rows=weight_like.shape[0]),
    share=lambda g, weight, index, starts: _bag_products(g, weight, index, starts),
)
_bag_put.defvjp(
    g=lambda h, share, index, starts: _bag_sum(h, share, index, starts),
    share=lambda h, g, index, starts: _bag_products(g, h, index, starts),
)
_bag_products.defvjp(
    g=lambda h, weight, index, starts: _bag_sum(weight, h, index, starts),
    weight=lambda h, g, weight_like, index, starts: _bag_put(g, h, index, starts, rows=weight_like.shape[0]),
)


@primitive(results="index starts kept")
def _bags(input: Array, offsets: Array, *, padding_idx: int | None) -> tuple[Array, Array, Array]:
    """Return the rows that count, where each bag starts (and the last one ends), and which of the input they are."""
    input = input.astype(np.int64)
    starts = np.append(offsets, input.size).astype(np.int64)
    if padding_idx is None:
        return input, starts, np.arange(input.size)
    counts = input != padding_idx
    return input[counts], np.append(0, np.cumsum(counts))[starts], np.flatnonzero(counts)


@primitive
def _sizes(starts: Array, *, dtype: np.dtype[np.floating]) -> Array:
    return np.maximum(np.diff(starts), 1).astype(dtype)


@primitive
def _places_of_largest(weight: Array, index: Array, starts: Array) -> Array:
    """Return per bag and column the row with the largest element, the first among equals; -1 for an empty bag."""
    out = np.full((starts.size - 1, weight.shape[1]), -1, np.int64)
    for bag, (first, last) in enumerate(itertools.pairwise(starts)):
        if first < last:
            rows = index[first:last]
            out[bag] = rows[weight[rows].argmax(0)]
    return out


@primitive
def _not_below(x: Array) -> Array:
    return np.maximum(x, 0)


def embedding_bag(
    input: Tensor,
    weight: Tensor,
    offsets: Tensor | None = None,
    max_norm: float | None = None,
    norm_type: float = 2,
    scale_grad_by_freq: bool = False,
    mode: str = "mean",
    sparse: bool = False,
    per_sample_weights: Tensor | None = None,
    include_last_offset: bool = False,
    padding_idx: int | None = None,
) -> Tensor:
    """Return sums, means or maxima of rows of a table, one for each bag of integers.

    Of equal elements of a column the first in a bag is the maximum and has the gradient. An empty bag gives zeros.

    Parameters
    ----------
    input : Tensor of integers, of shape (B, M), or (M,) with `offsets`
    weight : Tensor of shape (V, D)
    offsets : Tensor of integers, of shape (B,), optional
        Where each bag starts in a 1-D input; the first is 0.
    max_norm, norm_type, scale_grad_by_freq, sparse
        Not available; must keep their defaults.
    mode : {'mean', 'sum', 'max'}
    per_sample_weights : Tensor of the shape of `input`, optional
        Factors of the rows; for mode 'sum'.
    include_last_offset : bool
        Whether the last offset is the end of the last bag, so that there are B + 1 of them.
    padding_idx : int, optional
        A row that does not count, and has no gradient.

    Returns
    -------
    Tensor of shape (B, D)

    Examples
    --------
    >>> import autograd_nn as ag
    >>> weight = ag.tensor([[1.0, 2.0], [3.0, 4.0]])
    >>> ag.nn.functional.embedding_bag(ag.tensor([0, 1, 1]), weight, ag.tensor([0, 2]), mode="sum").tolist()
    [[4.0, 6.0], [3.0, 4.0]]
    """
    if max_norm is not None or scale_grad_by_freq or sparse:
        raise NotImplementedError("embedding_bag(): max_norm, scale_grad_by_freq and sparse are not available")
    if mode not in ("mean", "sum", "max"):
        raise ValueError(f"embedding_bag(): mode must be 'mean', 'sum' or 'max' (mode={mode!r})")
    index = _integers(input, "embedding_bag", "input")
    if weight.ndim != 2:
        raise RuntimeError(f"embedding_bag(): weight must be a matrix (weight.shape={weight.shape})")
    if per_sample_weights is not None and (mode != "sum" or per_sample_weights.array.shape != index.array.shape):
        raise RuntimeError("embedding_bag(): per_sample_weights are for mode 'sum' and need the shape of input "
                           f"(mode={mode!r}, per_sample_weights.shape={per_sample_weights.shape}, "
                           f"input.shape={index.shape})")
    if mode == "mean" and weight.dtype == np.float16:  # neither the sum nor the count need fit
        wide = embedding_bag(input, to_dtype(weight, np.float32), offsets, mode=mode,
                             include_last_offset=include_last_offset, padding_idx=padding_idx)
        return to_dtype(wide, np.float16)
    _check_range(index, weight.array.shape[0], "embedding_bag")
    if padding_idx is not None and not -weight.array.shape[0] <= padding_idx < weight.array.shape[0]:
        raise RuntimeError(f"embedding_bag(): padding_idx must be a row of weight (padding_idx={padding_idx}, "
                           f"weight.shape={weight.shape})")
    if index.ndim == 2:
        if offsets is not None:
            raise ValueError(f"embedding_bag(): offsets are for an input of one dim (input.shape={index.shape})")
        starts = np.arange(index.array.shape[0]) * index.array.shape[1]
        first = wrap(starts)
    elif index.ndim == 1 and offsets is not None:
        first = _integers(offsets, "embedding_bag", "offsets")
        starts = first.array
        if starts.ndim != 1 or (starts.size and (starts[0] != 0 or (np.diff(starts) < 0).any()
                                                 or starts[-1] > index.array.shape[0])):
            raise ValueError("embedding_bag(): offsets must ascend from 0 to the size of input "
                             f"(offsets={starts.tolist()}, input.shape={index.shape})")
        if include_last_offset:
            if not starts.size or starts[-1] != index.array.shape[0]:
                raise ValueError("embedding_bag(): with include_last_offset the last offset must be the size of input "
                                 f"(offsets={starts.tolist()}, input.shape={index.shape})")
            first = first[:-1]
    else:
        raise ValueError("embedding_bag(): expects an input of two dims, or of one dim with offsets "
                         f"(input.shape={index.shape}, offsets={offsets})")
    padding = None if padding_idx is None else padding_idx % weight.array.shape[0]
    if padding is not None:
        note_read(index, "embedding_bag(padding_idx=)")  # how many rows count
    rows, begins, kept = _bags(reshape(index, (-1,)), first, padding_idx=padding)
    if mode == "max":
        place = _places_of_largest(weight, rows, begins)
        return where(ge(place, 0), _take_along(weight, _not_below(place), dim=0), 0.0)
    if per_sample_weights is None:
        share = wrap(np.ones(rows.array.shape, weight.dtype))
    else:
        share = _getitem(reshape(per_sample_weights, (-1,)), kept, key=(ARRAY,))
    out = _bag_sum(weight, share, rows, begins)
    return div(out, unsqueeze(_sizes(begins, dtype=weight.dtype), 1)) if mode == "mean" else out
