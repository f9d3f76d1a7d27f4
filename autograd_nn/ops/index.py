"""Indexing, gathering and their adjoints; repeated indices add up."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal, overload

import numpy as np

from ..engine import Variable, primitive, wrap
from ..kernels import scatter as kernels
from ..typing import Array, Index, Number, Shape, Tensor, TensorLike
from .elementwise import add
from .shape import _crop, broadcast_to, clone, normalized_dim, reshape, sum_to_size, to_array


@primitive
def _getitem(x: Array, *, index: Index) -> Array:
    return x[index]


_getitem.defvjp(lambda g, out, x, index: _put(g, shape=x.shape, index=index))


@primitive
def _put(g: Array, *, shape: Shape, index: Index) -> Array:
    """Return zeros of `shape` with `g` added at `index`."""
    out = np.zeros(shape, g.dtype)
    if not _repeats(index):
        out[index] = g
        return out
    places = _leading_places(index, shape)
    if places is None:
        np.add.at(out, index, g)
        return out
    width = math.prod(shape[len(index) if isinstance(index, tuple) else 1 :])
    kernels.add_rows(out.reshape(-1, width) if width else out.reshape(0, 0), places, g.reshape(places.size, width))
    return out


_put.defvjp(lambda h, out, g, shape, index: _getitem(h, index=index))


def _repeats(index: Index) -> bool:
    """Return whether an index may name an element more than once."""
    return any(
        isinstance(i, np.ndarray) and i.dtype != bool and i.ndim > 0
        for i in (index if isinstance(index, tuple) else (index,))
    )


def _leading_places(index: Index, shape: Shape) -> Array | None:
    """Return which rows an index of integer arrays on the leading dims names (flat, from 0).

    None for any other index.
    """
    index = index if isinstance(index, tuple) else (index,)
    if not all(isinstance(i, np.ndarray) and i.dtype.kind in "iu" for i in index):
        return None
    places: Any = np.int64(0)
    for i, n in zip(index, shape):
        i = i.astype(np.int64, copy=False)
        places = places * n + (np.where(i < 0, i + n, i) if i.size and i.min() < 0 else i)
    flat: Array = places.reshape(-1)
    return flat


def _array_index(index: Index, operation: str) -> Index:
    """Return an index with tensors and lists made arrays."""
    if isinstance(index, tuple):
        return tuple(_array_index(i, operation) for i in index)
    if isinstance(index, Variable):
        index = index.data
    elif isinstance(index, list):
        index = np.asarray(index, dtype=np.int64 if not index else None)
    if isinstance(index, np.ndarray) and index.dtype.kind not in "iub":
        raise IndexError(f"{operation}(): index arrays must hold integers or booleans (dtype={index.dtype})")
    return index


def getitem(input: Tensor, index: Index) -> Tensor:
    """Return ``input[index]`` with all of NumPy's indexing; slices are views, repeated indices add their gradients."""
    return _getitem(input, index=_array_index(index, "getitem"))


@primitive
def _setitem(x: Array, value: Array, *, index: Index) -> Array:
    x[index] = value
    return x


_setitem.defvjp(
    lambda g, out, x, value, index: _erase(g, index=index),
    lambda g, out, x, value, index: sum_to_size(_leading(_getitem(g, index=index), value), value.shape),
)


def _leading(g: Tensor, value: Tensor) -> Tensor:
    """Return `g` with enough leading dims for a value that has more of them (all of size 1)."""
    return g if g.ndim >= value.ndim else g.reshape((1,) * (value.ndim - g.ndim) + g.shape)


@primitive
def _erase(g: Array, *, index: Index) -> Array:
    g = g.copy()
    g[index] = 0
    return g


_erase.defvjp(lambda h, out, g, index: _erase(h, index=index))


def setitem(input: Tensor, value: Tensor, index: Index) -> Tensor:
    """Write `value` into ``input[index]`` in place and return the recorded result, which shares its memory."""
    return _setitem(input, value, index=_array_index(index, "setitem"))


def index_put(input: Tensor, indices: Sequence[Index], values: Tensor, accumulate: bool = False) -> Tensor:
    """Return a copy of `input` with `values` written to ``input[indices]``, or added there to `accumulate`.

    Parameters
    ----------
    input : Tensor
    indices : tuple of integer or boolean tensors
    values : Tensor that can be broadcast to the shape of ``input[indices]``
    accumulate : bool
    """
    index = _array_index(tuple(indices), "index_put")
    values = values if isinstance(values, Variable) else wrap(to_array(values, input.dtype, "index_put"))
    if not accumulate:
        return _setitem(clone(input), values, index=index)
    return add(input, _put(broadcast_to(values, input.data[index].shape), shape=input.shape, index=index))


# ------------------------------------------------------------------------------------ along a dim


def _along(indices: Array, dim: int) -> tuple[Array, ...]:
    """Return the NumPy index that picks ``indices`` along `dim` and the same place in the other dims."""
    return tuple(
        indices if i == dim else np.arange(n).reshape((-1,) + (1,) * (indices.ndim - i - 1))
        for i, n in enumerate(indices.shape)
    )


def take_along_dim(input: Tensor, indices: TensorLike, dim: int | None = None) -> Tensor:
    """Return, along `dim`, the elements of `input` at `indices`; the other dims are broadcast.

    Without `dim` the indices are into the flattened tensor. Repeated indices add their gradients.
    """
    indices = _integers(indices, "take_along_dim", "indices")
    if dim is None:
        return _getitem(reshape(input, (-1,)), index=indices.reshape(-1))
    dim = normalized_dim(dim, input.ndim, "take_along_dim")
    if input.ndim == 0:
        return input
    if indices.ndim != input.ndim:
        raise RuntimeError(f"take_along_dim(): indices need as many dims as input (indices.shape={indices.shape}, "
                           f"input.shape={input.shape})")
    shape = [max(n, m) if 1 in (n, m) else n for n, m in zip(input.shape, indices.shape)]
    shape[dim] = indices.shape[dim]
    if shape != list(indices.shape):
        indices = np.broadcast_to(indices, shape)
    shape[dim] = input.shape[dim]
    if shape != list(input.shape):
        input = broadcast_to(input, shape)
    return _getitem(input, index=_along(indices, dim))


def _integers(index: TensorLike, operation: str, name: str) -> Array:
    """Return the array of an index, having checked that it holds integers."""
    array = index.data if isinstance(index, Variable) else np.asarray(index)
    if array.dtype.kind not in "iu":
        if array.size:
            raise RuntimeError(f"{operation}(): {name} must hold integers (dtype={array.dtype}); convert with .long()")
        return array.astype(np.int64)
    return array


def _check_along(
    input: Tensor, index: TensorLike, dim: int, source: Tensor | Array | None, operation: str
) -> tuple[int, Array]:
    """Return `dim` from the front and the index array, having checked both for `gather` and the scatter family."""
    dim = normalized_dim(dim, input.ndim, operation)
    index = _integers(index, operation, "index")
    if index.ndim != input.ndim:
        raise RuntimeError(f"{operation}(): index needs as many dims as input (index.shape={index.shape}, "
                           f"input.shape={input.shape})")
    if any(n > m for i, (n, m) in enumerate(zip(index.shape, input.shape)) if i != dim):
        raise RuntimeError(f"{operation}(): index must not be larger than input except along dim {dim} "
                           f"(index.shape={index.shape}, input.shape={input.shape})")
    if source is not None and (source.ndim != input.ndim or any(n > m for n, m in zip(index.shape, source.shape))):
        raise RuntimeError(f"{operation}(): src must have at least the size of index (src.shape={source.shape}, "
                           f"index.shape={index.shape})")
    _check_range(index, input.shape[dim] if input.ndim else 1, operation)
    return dim, index


def _check_range(index: Array, size: int, operation: str) -> None:
    if index.size and not (index.min() >= 0 and index.max() < size):
        wrong = index[(index < 0) | (index >= size)].flat[0]
        raise IndexError(f"{operation}(): index {int(wrong)} is out of range for a dim of size {size}")


def gather(input: Tensor, dim: int, index: TensorLike) -> Tensor:
    """Return the elements of `input` at `index` along `dim`: ``out[i, j] = input[i, index[i, j]]`` for dim 1 of 2.

    Repeated indices add their gradients.

    Parameters
    ----------
    input : Tensor
    dim : int
    index : Tensor of integers, with as many dims as `input` and not larger except along `dim`

    Returns
    -------
    Tensor of the shape of `index`
    """
    dim, index = _check_along(input, index, dim, None, "gather")
    return _getitem(input, index=_along(index, dim)) if input.ndim else reshape(input, ())


def _cropped(source: Tensor | Array, shape: Shape) -> Tensor | Array:
    """Return the leading corner of `source`, of the given shape."""
    if source.shape == shape:
        return source
    return _crop(source, widths=tuple((0, n - m) for n, m in zip(source.shape, shape)))


def scatter(input: Tensor, dim: int, index: TensorLike, src: TensorLike) -> Tensor:
    """Return a copy of `input` with ``out[i, index[i, j]] = src[i, j]`` (for dim 1 of 2).

    Of repeated indices the last one wins. The gradient of `input` is 0 at the indices; that of `src` is gathered there,
    which is right only where no index is repeated.

    Parameters
    ----------
    input : Tensor
    dim : int
    index : Tensor of integers
    src : Tensor of at least the size of `index`, or a number
    """
    source = src if isinstance(src, Variable | np.ndarray) else None
    dim, index = _check_along(input, index, dim, source, "scatter")
    places = _along(index, dim) if input.ndim else ()
    value = wrap(to_array(src, input.dtype, "scatter")) if source is None else _cropped(source, index.shape)
    return _setitem(clone(input), value, index=places)


def scatter_add(input: Tensor, dim: int, index: TensorLike, src: Tensor | Array) -> Tensor:
    """Return a copy of `input` with ``out[i, index[i, j]] += src[i, j]`` (for dim 1 of 2); repeated indices add up."""
    dim, index = _check_along(input, index, dim, src, "scatter_add")
    places = _along(index, dim) if input.ndim else ()
    return add(input, _put(_cropped(src, index.shape), shape=input.shape, index=places))


# ------------------------------------------------------------------------------------ whole slices


@primitive
def _index_select(x: Array, index: Array, *, dim: int) -> Array:
    return x.take(index, dim)


@primitive
def _index_put(g: Array, index: Array, *, dim: int, size: int) -> Array:
    """Return zeros with `size` entries along `dim`, and the slices of `g` added at `index`."""
    moved = np.moveaxis(g, dim, 0)
    out = np.zeros((*g.shape[:dim], size, *g.shape[dim + 1 :]), g.dtype)
    if dim == 0:
        width = math.prod(g.shape[1:])
        kernels.add_rows(out.reshape(size, width), index.astype(np.int64, copy=False), g.reshape(len(index), width))
        return out
    target = np.moveaxis(out, dim, 0)
    if len(index) <= 256:
        for i, k in enumerate(index):
            target[k] += moved[i]
        return out
    width = math.prod(moved.shape[1:])
    dense = np.zeros((size, width), g.dtype)
    kernels.add_rows(dense, index.astype(np.int64, copy=False), moved.reshape(len(index), width))
    target[...] = dense.reshape(target.shape)
    return out


_index_select.defvjp(lambda g, out, x, index, dim: _index_put(g, index, dim=dim, size=x.shape[dim]), None)
_index_put.defvjp(lambda h, out, g, index, dim, size: _index_select(h, index, dim=dim), None)


def _flat_index(input: Tensor, dim: int, index: TensorLike, operation: str) -> tuple[int, Array]:
    dim = normalized_dim(dim, input.ndim, operation)
    index = _integers(index, operation, "index")
    if index.ndim > 1:
        raise IndexError(f"{operation}(): index must have at most one dim (index.shape={index.shape})")
    _check_range(index, input.shape[dim] if input.ndim else 1, operation)
    return dim, index.reshape(-1)


def index_select(input: Tensor, dim: int, index: TensorLike) -> Tensor:
    """Return the slices of `input` along `dim` that a 1-D integer tensor names; repeated ones add their gradients."""
    dim, index = _flat_index(input, dim, index, "index_select")
    return _index_select(input, index, dim=dim) if input.ndim else input


def _check_source(input: Tensor, dim: int, index: Array, source: Tensor, operation: str) -> None:
    expected = (*input.shape[:dim], len(index), *input.shape[dim + 1 :])
    if input.ndim and source.shape != expected:
        raise RuntimeError(f"{operation}(): source must have shape {expected} (source.shape={source.shape}, "
                           f"input.shape={input.shape})")


def index_add(input: Tensor, dim: int, index: TensorLike, source: Tensor, *, alpha: Number = 1) -> Tensor:
    """Return a copy of `input` with ``alpha * source`` added to the slices along `dim` that `index` names."""
    dim, index = _flat_index(input, dim, index, "index_add")
    _check_source(input, dim, index, source, "index_add")
    source = source if alpha == 1 else source * alpha
    return add(input, _index_put(source, index, dim=dim, size=input.shape[dim]))


def index_copy(input: Tensor, dim: int, index: TensorLike, source: Tensor) -> Tensor:
    """Return a copy of `input` with the slices along `dim` that `index` names taken from `source`."""
    dim, index = _flat_index(input, dim, index, "index_copy")
    _check_source(input, dim, index, source, "index_copy")
    return _setitem(clone(input), source, index=(slice(None),) * dim + (index,))


def index_fill(input: Tensor, dim: int, index: TensorLike, value: TensorLike) -> Tensor:
    """Return a copy of `input` with the slices along `dim` that `index` names set to a number, with a gradient of 0."""
    dim, index = _flat_index(input, dim, index, "index_fill")
    value = wrap(to_array(value, input.dtype, "index_fill"))
    return _setitem(clone(input), value, index=(slice(None),) * dim + (index,))


def take(input: Tensor, index: TensorLike) -> Tensor:
    """Return the elements of the flattened `input` at `index`, in the shape of `index`."""
    index = _integers(index, "take", "index")
    return _getitem(reshape(input, (math.prod(input.shape),)), index=index)


def masked_select(input: Tensor, mask: TensorLike) -> Tensor:
    """Return the elements of `input` where `mask` holds, as a 1-D tensor; the two are broadcast together."""
    mask = mask.data if isinstance(mask, Variable) else np.asarray(mask)
    if mask.dtype != bool:
        raise RuntimeError(f"masked_select(): mask must be boolean (dtype={mask.dtype})")
    try:
        shape = np.broadcast_shapes(input.shape, mask.shape)
    except ValueError:
        raise RuntimeError(f"masked_select(): shapes cannot be broadcast together (input.shape={input.shape}, "
                           f"mask.shape={mask.shape})") from None
    input = input if input.shape == shape else broadcast_to(input, shape)
    return _getitem(input, index=np.broadcast_to(mask, shape))


@primitive
def _nonzero(x: Array) -> Array:
    return np.argwhere(x)


@overload
def nonzero(input: Tensor, *, as_tuple: Literal[False] = ...) -> Tensor: ...


@overload
def nonzero(input: Tensor, *, as_tuple: Literal[True]) -> tuple[Tensor, ...]: ...


def nonzero(input: Tensor, *, as_tuple: bool = False) -> Tensor | tuple[Tensor, ...]:
    """Return the indices of the elements that are not 0.

    Returns
    -------
    Tensor of shape (count, ndim), int64; with `as_tuple` one 1-D tensor per dim, as indexing takes them
    """
    indices = _nonzero(input)
    return tuple(wrap(column.copy()) for column in indices.data.T) if as_tuple else indices


@primitive
def _one_hot(index: Array, *, classes: int) -> Array:
    out: Array = (index[..., None] == np.arange(classes)).astype(np.int64)
    return out


def one_hot(tensor: TensorLike, num_classes: int = -1) -> Tensor:
    """Return int64 zeros with a 1 at each index, along a new last dim (of the largest index + 1 for -1)."""
    array = _integers(tensor, "one_hot", "tensor")
    if num_classes == -1:
        if not array.size:
            raise RuntimeError("one_hot(): num_classes must be given for an empty tensor (num_classes=-1, "
                               f"tensor.shape={array.shape})")
        num_classes = int(array.max()) + 1
    if array.size and not 0 <= array.min() <= array.max() < num_classes:
        raise RuntimeError(f"one_hot(): class values must be from 0 to num_classes - 1 (smallest {array.min()}, "
                           f"largest {array.max()}, num_classes={num_classes})")
    return _one_hot(array, classes=num_classes)


@primitive
def _embedding(weight: Array, index: Array, *, padding_idx: int | None) -> Array:
    return weight.take(index, 0)


@primitive
def _embedding_weight(g: Array, index: Array, *, rows: int, padding_idx: int | None) -> Array:
    width = g.shape[-1]
    out = kernels.add_rows(np.zeros((rows, width), g.dtype), index.reshape(-1), g.reshape(index.size, width))
    if padding_idx is not None:
        out[padding_idx] = 0
    return out


def _embedding_weight_rule(
    h: Tensor, out: Tensor, g: Tensor, index: Tensor, rows: int, padding_idx: int | None
) -> Tensor:
    if padding_idx is not None:
        h = _erase(h, index=padding_idx)
    return _embedding(h, index, padding_idx=padding_idx)


def _embedding_rule(g: Tensor, out: Tensor, weight: Tensor, index: Tensor, padding_idx: int | None) -> Tensor:
    return _embedding_weight(g, index, rows=weight.shape[0], padding_idx=padding_idx)


_embedding.defvjp(_embedding_rule, None)
_embedding_weight.defvjp(_embedding_weight_rule, None)


def embedding(input: TensorLike, weight: Tensor, padding_idx: int | None = None) -> Tensor:
    """Return the rows of a table that an integer tensor names.

    Parameters
    ----------
    input : Tensor of integers, any shape
        From 0 to V - 1.
    weight : Tensor of shape (V, D)
    padding_idx : int, optional
        A row whose gradient is always 0.

    Returns
    -------
    Tensor of shape (*input.shape, D)
    """
    index = _integers(input, "embedding", "input")
    if weight.ndim != 2:
        raise RuntimeError(f"embedding(): weight must be a matrix (weight.shape={weight.shape})")
    _check_range(index, weight.shape[0], "embedding")
    if padding_idx is not None:
        if not -weight.shape[0] <= padding_idx < weight.shape[0]:
            raise RuntimeError("embedding(): padding_idx must be within the rows of weight "
                               f"(padding_idx={padding_idx}, "
                               f"weight.shape={weight.shape})")
        padding_idx %= weight.shape[0]
    return _embedding(weight, index.astype(np.int64, copy=False), padding_idx=padding_idx)
