"""Indexing, gathering and their adjoints; repeated indices add up, and of repeated writes the last one counts.

Index arrays are inputs of the primitives, what stands between them is a key: a tuple of integers, None, Ellipsis,
`Slice` and `ARRAY`, where each `ARRAY` stands for the next index array.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Literal, NamedTuple, TypeAlias, cast, overload

import numpy as np

from ..engine import Node, Variable, effect, note_read, primitive, update, wrap
from ..engine.views import follow
from ..kernels import by_numpy
from ..kernels import scatter as kernels
from ..typing import Array, Index, Number, Shape, Tensor, TensorLike
from .arithmetic import alike, scaled
from .elementwise import add, zeros_like
from .shape import _crop, broadcast_to, clone, normalized_dim, reshape, sum_to_size, to_array, to_dtype

__all__ = [
    "gather", "index_add", "index_copy", "index_fill", "index_put", "index_select", "masked_select", "nonzero",
    "scatter_add", "take", "take_along_dim",
]  # fmt: skip


class Slice(NamedTuple):
    """A slice that can be hashed."""

    start: int | None
    stop: int | None
    step: int | None


class _Array:
    def __repr__(self) -> str:
        return "ARRAY"


ARRAY = _Array()
LARGE = 2048  # indices from which on a kernel picks; below, NumPy adds in the same order
Key: TypeAlias = tuple[Any, ...]


def split_index(index: Index, operation: str) -> tuple[Key, list[Any]]:
    """Return the key of an index and its index arrays (tensors stay tensors)."""
    key: list[Any] = []
    arrays: list[Any] = []
    for entry in index if isinstance(index, tuple) else (index,):
        if isinstance(entry, slice):
            bounds: Any = entry.start, entry.stop, entry.step
            for n in bounds:
                if n is not None and type(n) is not int:
                    bounds = tuple([None if n is None else _as_int(n, operation) for n in bounds])
                    break
            key.append(Slice(*bounds))
        elif entry is None or entry is Ellipsis or type(entry) is int:
            key.append(entry)
        elif isinstance(entry, Variable | np.ndarray | list | bool | np.bool_ | tuple):
            key.append(ARRAY)
            arrays.append(_index_array(entry, operation))
        else:
            key.append(_as_int(entry, operation))
    return tuple(key), arrays


def _as_int(n: Any, operation: str) -> int:
    try:
        return operator.index(n)
    except TypeError:
        raise IndexError(f"{operation}(): an index must be an integer, a slice, None, ..., or a tensor of integers or "
                         f"booleans (got {n!r:.60})") from None


def _index_array(value: Any, operation: str) -> Any:
    """Return an index array, having checked what it holds."""
    if isinstance(value, list | tuple):
        value = [x.array if isinstance(x, Variable) else x for x in value]
        value = np.asarray(value, dtype=np.int64 if not value else None)
    array = value.array if isinstance(value, Variable) else np.asarray(value)
    if array.dtype.kind not in "iub":
        raise IndexError(f"{operation}(): index arrays must hold integers or booleans (dtype={array.dtype})")
    return value if isinstance(value, Variable) else array


def numpy_index(key: Key, arrays: Sequence[Array]) -> tuple[Any, ...]:
    """Return the index that NumPy takes."""
    following = iter(arrays)
    return tuple(next(following) if entry is ARRAY else slice(*entry) if type(entry) is Slice else entry
                 for entry in key)


# ------------------------------------------------------------------------------------ reading


@primitive(view=True)
def _slice(x: Array, *, key: Key) -> Array:
    sliced: Array = x[_view_index(key)]
    return sliced


@lru_cache(maxsize=4096)
def _view_index(key: Key) -> tuple[Any, ...]:
    index = numpy_index(key, ())
    return index if Ellipsis in key else (*index, Ellipsis)  # with ... one element is a view too


_slice.defvjp(x=lambda g, x_like, key: _put(g, shape=x_like.shape, key=key))


@primitive
def _getitem(x: Array, *arrays: Array, key: Key) -> Array:
    out = np.asarray(x[numpy_index(key, arrays)])
    return out if out.base is None else out.copy()


_getitem.defvjp(x=lambda g, x_like, arrays, key: _put(g, *arrays, shape=x_like.shape, key=key))


@primitive
def _put(g: Array, *arrays: Array, shape: Shape, key: Key) -> Array:
    """Return zeros of `shape` with `g` added at an index."""
    out = np.zeros(shape, g.dtype)
    index = numpy_index(key, arrays)
    if not _repeats(index):
        out[index] = g
        return out
    places = _leading_places(index, shape)
    if places is None:
        np.add.at(out, index, g)
        return out
    width = math.prod(shape[len(index) :])
    kernels.add_rows(out.reshape(-1, width) if width else out.reshape(0, 0), places, g.reshape(places.size, width))
    return out


def _taken(x: Tensor, arrays: Sequence[Any], key: Key) -> Tensor:
    return _getitem(x, *arrays, key=key) if arrays else _slice(x, key=key)


_put.defvjp(g=lambda h, arrays, key: _taken(h, arrays, key))


def _repeats(index: tuple[Any, ...]) -> bool:
    """Return whether an index may name an element more than once."""
    return any(isinstance(i, np.ndarray) and i.dtype != bool and i.ndim > 0 for i in index)


def _leading_places(index: tuple[Any, ...], shape: Shape) -> Array | None:
    """Return which rows an index of integer arrays on the leading dims names (flat, from 0).

    None for any other index.
    """
    if not all(isinstance(i, np.ndarray) and i.dtype.kind in "iu" for i in index):
        return None
    places: Any = np.int64(0)
    for i, n in zip(index, shape):
        i = i.astype(np.int64, copy=False)
        places = places * n + (np.where(i < 0, i + n, i) if i.size and i.min() < 0 else i)
    flat: Array = places.reshape(-1)
    return flat


def getitem(input: Tensor, index: Index) -> Tensor:
    """Return ``input[index]`` with all of NumPy's indexing; slices are views, repeated indices add their gradients."""
    key, arrays = split_index(index, "getitem")
    return _taken(input, arrays, key)


# ------------------------------------------------------------------------------------ writing


@primitive
def _replaced(x: Array, value: Array, *arrays: Array, key: Key) -> Array:
    """Return a copy of `x` with `value` written at an index."""
    out = x.copy()
    out[numpy_index(key, arrays)] = value
    return out


_replaced.defvjp(
    x=lambda g, arrays, key: _erase(g, *arrays, key=key, path=()),
    value=lambda g, value_like, arrays, key: _fitted(_getlast(g, *arrays, key=key), value_like),
)


@update(writes="base")
def setitem(base: Array, value: Array, *arrays: Array, key: Key, path: Any) -> None:
    """Write `value` at an index of the view of `base` that `path` leads to."""
    follow(base, path)[numpy_index(key, arrays)] = value


setitem.region = lambda base, value, *arrays, key, path: (
    follow(base, path) if arrays else _slice.forward(follow(base, path), key=key)
)
setitem.defvjp(
    base=lambda g, arrays, key, path: _erase(g, *arrays, key=key, path=path),
    value=lambda g, value_like, arrays, key, path: _fitted(_getlast(_led(g, path), *arrays, key=key), value_like),
)


@update(writes="base")
def write_view(base: Array, value: Array, *, path: Any) -> None:
    """Write `value` into the view of `base` that `path` leads to."""
    np.copyto(follow(base, path), value, casting="same_kind")


write_view.region = lambda base, value, *, path: follow(base, path)
write_view.defvjp(
    base=lambda g, path: _erase(g, key=(Ellipsis,), path=path),
    value=lambda g, path: _led(g, path),
)


def _led(g: Tensor, path: Any) -> Tensor:
    """Return the part of a gradient that belongs to a view; which part that is, is said of it as users see it."""
    if g.dtype.kind == "f" and not any(primitive.name == "view_as_complex" for primitive, _ in path):
        part: Tensor = follow(g, path)
        return part
    part = follow(g.conj(), path)
    return part.conj()



@update(writes="target")
def copy_into(target: Array, value: Array) -> None:
    """Write `value` into all of `target`."""
    np.copyto(target, value, casting="same_kind")


copy_into.defvjp(target=lambda g: zeros_like(g), value=lambda g: g)


@primitive
def _erase(g: Array, *arrays: Array, key: Key, path: Any) -> Array:
    """Return a copy of `g` with 0 at an index of the view that `path` leads to."""
    out = g.copy()
    follow(out, path)[numpy_index(key, arrays)] = 0
    return out


_erase.defvjp(g=lambda h, arrays, key, path: _erase(h, *arrays, key=key, path=path))


@primitive
def _getlast(g: Array, *arrays: Array, key: Key) -> Array:
    """Return the elements at an index, with 0 for all but the last of those that name the same one."""
    index = numpy_index(key, arrays)
    out = np.asarray(g[index])
    if not _repeats(index):
        return out if out.base is None else out.copy()
    order = np.arange(out.size).reshape(out.shape)
    last = np.empty(g.shape, np.int64)
    last[index] = order
    return np.where(last[index] == order, out, out.dtype.type(0))


_getlast.defvjp(g=lambda h, g_like, arrays, key: _putlast(h, *arrays, shape=g_like.shape, key=key))


@primitive
def _putlast(g: Array, *arrays: Array, shape: Shape, key: Key) -> Array:
    """Return zeros of `shape` with `g` written at an index, where the last one counts."""
    out = np.zeros(shape, g.dtype)
    out[numpy_index(key, arrays)] = g
    return out


_putlast.defvjp(g=lambda h, arrays, key: _getlast(h, *arrays, key=key))


def _fitted(g: Tensor, value: Node) -> Tensor:
    """Return the gradient of a value that was broadcast; it may have more leading dims than `g`, all of size 1."""
    g = g if g.ndim >= value.ndim else reshape(g, (1,) * (value.ndim - g.ndim) + g.array.shape)
    return g if g.array.shape == value.shape else sum_to_size(g, value.shape)


def index_put(input: Tensor, indices: Sequence[Index], values: Tensor, accumulate: bool = False) -> Tensor:
    """Return a copy of `input` with `values` written to ``input[indices]``, or added there to `accumulate`.

    Of repeated indices the last one counts, in the gradient too.

    Parameters
    ----------
    input : Tensor
    indices : tuple of integer or boolean tensors
    values : Tensor that can be broadcast to the shape of ``input[indices]``
    accumulate : bool

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.index_put(ag.zeros(3), (ag.tensor([0, 2]),), ag.tensor([5.0, 6.0]))
    tensor([5., 0., 6.])
    """
    try:
        key, arrays = split_index(tuple(indices), "index_put")
    except IndexError as error:  # an index of another kind; as an argument, that is a wrong type
        raise TypeError(str(error)) from None
    values = values if isinstance(values, Variable) else wrap(to_array(values, input.dtype, "index_put"))
    if not accumulate:
        return _replaced(input, values, *arrays, key=key)
    shape = _taken(input.detach(), arrays, key).array.shape
    input, values = alike(input, values)
    return add(input, _put(broadcast_to(values, shape), *arrays, shape=input.array.shape, key=key))


# ------------------------------------------------------------------------------------ along a dim


def _along(indices: Array, dim: int) -> tuple[Array, ...]:
    """Return the NumPy index that picks ``indices`` along `dim` and the same place in the other dims."""
    return tuple(
        indices if i == dim else np.arange(n).reshape((-1,) + (1,) * (indices.ndim - i - 1))
        for i, n in enumerate(indices.shape)
    )


def _in_three(x: Array, dim: int) -> Array:
    """Return an array with the dims before `dim` as one and those after it as one."""
    return x.reshape(math.prod(x.shape[:dim]), x.shape[dim], math.prod(x.shape[dim + 1 :]))


def _by_kernel(shape: Shape, dtype: np.dtype[Any], index: Array, dim: int) -> bool:
    """Return whether a kernel picks along `dim`: many elements of float32 or float64, the other dims the same."""
    if index.size < LARGE or dtype.char not in "fd":
        return False
    return bool(index.shape[:dim] == shape[:dim] and index.shape[dim + 1 :] == shape[dim + 1 :])


def _check_places(in_range: bool, index: Array, size: int) -> None:
    if not in_range:
        wrong = index[(index < -size) | (index >= size)].flat[0]
        raise IndexError(f"index {int(wrong)} is out of range for a dim of size {size}")


@primitive
def _take_along(x: Array, index: Array, *, dim: int) -> Array:
    if not _by_kernel(x.shape, x.dtype, index, dim):
        return x[_along(index, dim)]
    out, in_range = kernels.take_along(_in_three(x, dim), _in_three(index.astype(np.int64, copy=False), dim))
    _check_places(in_range, index, x.shape[dim])
    return out.reshape(index.shape)


@primitive
def _put_along(g: Array, index: Array, *, dim: int, shape: Shape) -> Array:
    """Return zeros of `shape` with `g` added at `index` along `dim`."""
    out = np.zeros(shape, g.dtype)
    if not _by_kernel(shape, g.dtype, index, dim):
        np.add.at(out, _along(index, dim), g)
        return out
    places = index.astype(np.int64, copy=False)
    _check_places(kernels.add_along(_in_three(out, dim), _in_three(places, dim), _in_three(g, dim)), index, shape[dim])
    return out


_take_along.defvjp(x=lambda g, x_like, index, dim: _put_along(g, index, dim=dim, shape=x_like.shape))
_put_along.defvjp(g=lambda h, index, dim: _take_along(h, index, dim=dim))


@primitive
def _replaced_along(x: Array, value: Array, index: Array, *, dim: int) -> Array:
    """Return a copy of `x` with `value` written at `index` along `dim`."""
    out = x.copy()
    out[_along(index, dim)] = value
    return out


_replaced_along.defvjp(
    x=lambda g, index, dim: _replaced_along(g, 0, index, dim=dim),
    value=lambda g, value_like, index, dim: _fitted(_take_last_along(g, index, dim=dim), value_like),
)


@primitive
def _take_last_along(g: Array, index: Array, *, dim: int) -> Array:
    """Return the elements at `index`, with 0 for all but the last of those that name the same one."""
    places = _along(index, dim)
    order = np.arange(index.size).reshape(index.shape)
    last = np.empty(g.shape, np.int64)
    last[places] = order
    return np.where(last[places] == order, g[places], g.dtype.type(0))


_take_last_along.defvjp(g=lambda h, g_like, index, dim: _put_last_along(h, index, dim=dim, shape=g_like.shape))


@primitive
def _put_last_along(g: Array, index: Array, *, dim: int, shape: Shape) -> Array:
    out = np.zeros(shape, g.dtype)
    out[_along(index, dim)] = g
    return out


_put_last_along.defvjp(g=lambda h, index, dim: _take_last_along(h, index, dim=dim))


def take_along_dim(input: Tensor, indices: TensorLike, dim: int | None = None) -> Tensor:
    """Return, along `dim`, the elements of `input` at `indices`; the other dims are broadcast.

    Without `dim` the indices are into the flattened tensor. Repeated indices add their gradients.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> x = ag.tensor([[3, 1], [2, 4]])
    >>> ag.take_along_dim(x, ag.argsort(x, dim=1), dim=1)
    tensor([[1, 3],
            [2, 4]])
    """
    indices = _integers(indices, "take_along_dim", "indices")
    if dim is None:
        return _getitem(reshape(input, (-1,)), reshape(indices, (-1,)), key=(ARRAY,))
    dim = normalized_dim(dim, input.ndim, "take_along_dim")
    if input.ndim == 0:
        return input
    if indices.ndim != input.ndim:
        raise RuntimeError(f"take_along_dim(): indices need as many dims as input (indices.shape={indices.shape}, "
                           f"input.shape={input.shape})")
    shape = [max(n, m) if 1 in (n, m) else n for n, m in zip(input.array.shape, indices.array.shape)]
    shape[dim] = indices.array.shape[dim]
    if shape != list(indices.array.shape):
        indices = broadcast_to(indices, shape)
    shape[dim] = input.array.shape[dim]
    if shape != list(input.array.shape):
        input = broadcast_to(input, shape)
    return _take_along(input, indices, dim=dim)


def _integers(index: TensorLike, operation: str, name: str) -> Tensor:
    """Return an index as a tensor, having checked that it holds integers."""
    index = index if isinstance(index, Variable) else wrap(np.asarray(index))
    if index.dtype.kind not in "iu":
        if index.array.size:
            raise RuntimeError(f"{operation}(): {name} must hold integers (dtype={index.dtype}); convert with .long()")
        return wrap(index.array.astype(np.int64))
    return index


def _check_along(
    input: Tensor, index: TensorLike, dim: int, source: Tensor | Array | None, operation: str
) -> tuple[int, Tensor]:
    """Return `dim` from the front and the index, having checked both for `gather` and the scatter family."""
    dim = normalized_dim(dim, input.ndim, operation)
    index = _integers(index, operation, "index")
    if (index.ndim or 1) != (input.ndim or 1) and index.array.size:
        raise RuntimeError(f"{operation}(): index needs as many dims as input (index.shape={index.shape}, "
                           f"input.shape={input.shape})")
    sizes = zip(index.array.shape, input.array.shape)
    if index.array.size and any(n > m for i, (n, m) in enumerate(sizes) if i != dim):
        raise RuntimeError(f"{operation}(): index must not be larger than input except along dim {dim} "
                           f"(index.shape={index.shape}, input.shape={input.shape})")
    if source is not None and index.array.size and (
        (source.ndim or 1) != (input.ndim or 1) or any(n > m for n, m in zip(index.array.shape, source.shape or (1,)))
    ):
        raise RuntimeError(f"{operation}(): src must have at least the size of index (src.shape={source.shape}, "
                           f"index.shape={index.shape})")
    _check_range(index, input.array.shape[dim] if input.ndim else 1, operation)
    return dim, index


def _largest_unsigned(array: Array) -> int:
    """Return the largest of some integers, negative ones counted as larger than all others: one pass instead of two."""
    return int(array.view(f"u{array.itemsize}").max())


@effect
def _check_range(index: Tensor, size: int, operation: str) -> None:
    array = index.array
    if array.size and not _largest_unsigned(array) < size:
        wrong = array[(array < 0) | (array >= size)].flat[0]
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

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.gather(ag.tensor([[1, 2], [3, 4]]), 1, ag.tensor([[1], [0]]))
    tensor([[2],
            [3]])
    """
    dim, index = _check_along(input, index, dim, None, "gather")
    if not index.array.size:
        return _getitem(reshape(input, (math.prod(input.array.shape),)), index, key=(ARRAY,))
    if not (input.ndim and index.ndim):
        return reshape(_take_along(_at_least_1d(input), _at_least_1d(index), dim=0), index.array.shape)
    return _take_along(input, index, dim=dim)


def _at_least_1d(input: Tensor) -> Tensor:
    return input if input.ndim else reshape(input, (1,))


def _cropped(source: Tensor | Array, shape: Shape) -> Tensor | Array:
    """Return the leading corner of `source`, of the given shape."""
    if source.shape == shape:
        return source
    return _crop(source, widths=tuple((0, n - m) for n, m in zip(source.shape, shape)))


def _scattered(input: Tensor, dim: int, index: TensorLike, src: TensorLike) -> Tensor:
    """Return what `scatter` without a reduction returns."""
    source = src if isinstance(src, Variable | np.ndarray) else None
    dim, index = _check_along(input, index, dim, source, "scatter")
    if not index.array.size:
        return clone(input)
    if not (input.ndim and index.ndim):
        src = src if source is None else reshape(wrap(source) if isinstance(source, np.ndarray) else source, (-1,))
        return reshape(_scattered(_at_least_1d(input), 0, _at_least_1d(index), src), input.array.shape)
    value = wrap(to_array(src, input.dtype, "scatter")) if source is None else _cropped(source, index.array.shape)
    return _replaced_along(input, value, index, dim=dim)


def scatter_add(input: Tensor, dim: int, index: TensorLike, src: Tensor | Array) -> Tensor:
    """Return a copy of `input` with ``out[i, index[i, j]] += src[i, j]`` (for dim 1 of 2); repeated indices add up.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.scatter_add(ag.zeros(3), 0, ag.tensor([0, 0, 2]), ag.ones(3))
    tensor([2., 0., 1.])
    """
    dim, index = _check_along(input, index, dim, src, "scatter_add")
    if not index.array.size:
        return clone(input)
    if not (input.ndim and index.ndim):
        src = reshape(src if isinstance(src, Variable) else wrap(src), (-1,))
        return reshape(scatter_add(_at_least_1d(input), 0, _at_least_1d(index), src), input.array.shape)
    source = _cropped(src, index.array.shape)
    input, source = alike(input, source)
    return add(input, _put_along(source, index, dim=dim, shape=input.array.shape))


# ------------------------------------------------------------------------------------ whole slices


@primitive
def _index_select(x: Array, index: Array, *, dim: int) -> Array:
    shape = (*x.shape[:dim], index.size, *x.shape[dim + 1 :])
    if index.ndim != 1 or dim < 0 or math.prod(shape) < LARGE or x.dtype.char not in "fd":
        return x.take(index, dim)
    places, size = index.astype(np.int64, copy=False), x.shape[dim]
    if _largest_unsigned(places) >= size:  # some count from the end
        _check_places(-size <= int(places.min()) and int(places.max()) < size, places, size)
        places = np.where(places < 0, places + size, places)
    return kernels.take_slices(_in_three(x, dim), places).reshape(shape)


@primitive
def _index_put(g: Array, index: Array, *, dim: int, size: int) -> Array:
    """Return zeros with `size` entries along `dim`, and the slices of `g` added at `index`."""
    out = np.zeros((*g.shape[:dim], size, *g.shape[dim + 1 :]), g.dtype)
    if dim == 0:
        width = math.prod(g.shape[1:])
        kernels.add_rows(out.reshape(size, width), index.astype(np.int64, copy=False), g.reshape(len(index), width))
    elif g.size < LARGE or g.dtype.char not in "fd":
        moved, target = np.moveaxis(g, dim, 0), np.moveaxis(out, dim, 0)
        for i, k in enumerate(index):
            target[k] += moved[i]
    else:
        places = index.astype(np.int64, copy=False)
        _check_places(kernels.add_slices(_in_three(out, dim), places, _in_three(g, dim)), index, size)
    return out


_index_select.defvjp(x=lambda g, x_like, index, dim: _index_put(g, index, dim=dim, size=x_like.shape[dim]))
_index_put.defvjp(g=lambda h, index, dim: _index_select(h, index, dim=dim))


def _flat_index(input: Tensor, dim: int, index: TensorLike, operation: str) -> tuple[int, Tensor]:
    dim = normalized_dim(dim, input.ndim, operation)
    index = _integers(index, operation, "index")
    if index.ndim > 1:
        raise IndexError(f"{operation}(): index must have at most one dim (index.shape={index.shape})")
    _check_range(index, input.array.shape[dim] if input.ndim else 1, operation)
    return dim, index if index.ndim == 1 else reshape(index, (-1,))


def index_select(input: Tensor, dim: int, index: TensorLike) -> Tensor:
    """Return the slices of `input` along `dim` that a 1-D integer tensor names; repeated ones add their gradients.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.index_select(ag.tensor([[1, 2], [3, 4]]), 1, ag.tensor([1, 1]))
    tensor([[2, 2],
            [4, 4]])
    """
    dim, index = _flat_index(input, dim, index, "index_select")
    return _index_select(input, index, dim=dim) if input.ndim else input


def _check_source(input: Tensor, dim: int, index: Tensor, source: Tensor, operation: str) -> None:
    expected = (*input.array.shape[:dim], index.array.shape[0], *input.array.shape[dim + 1 :])
    if input.ndim and source.array.shape != expected:
        raise RuntimeError(f"{operation}(): source must have shape {expected} (source.shape={source.shape}, "
                           f"input.shape={input.shape})")


def index_add(input: Tensor, dim: int, index: TensorLike, source: Tensor, *, alpha: Number = 1) -> Tensor:
    """Return a copy of `input` with ``alpha * source`` added to the slices along `dim` that `index` names.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.index_add(ag.zeros(3), 0, ag.tensor([0, 0, 2]), ag.ones(3))
    tensor([2., 0., 1.])
    """
    dim, index = _flat_index(input, dim, index, "index_add")
    if not input.ndim:
        return reshape(index_add(reshape(input, (1,)), 0, index, _at_least_1d(source), alpha=alpha), ())
    _check_source(input, dim, index, source, "index_add")
    input, source = alike(input, source)
    source = cast("Tensor", scaled(source, alpha, input))
    return add(input, _index_put(source, index, dim=dim, size=input.array.shape[dim]))


def index_copy(input: Tensor, dim: int, index: TensorLike, source: Tensor) -> Tensor:
    """Return a copy of `input` with the slices along `dim` that `index` names taken from `source`.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.index_copy(ag.zeros(3), 0, ag.tensor([0, 2]), ag.tensor([5.0, 6.0]))
    tensor([5., 0., 6.])
    """
    dim, index = _flat_index(input, dim, index, "index_copy")
    if not input.ndim:
        return reshape(index_copy(reshape(input, (1,)), 0, index, _at_least_1d(source)), ())
    _check_source(input, dim, index, source, "index_copy")
    return _replaced(input, source, index, key=(Slice(None, None, None),) * dim + (ARRAY,))


def index_fill(input: Tensor, dim: int, index: TensorLike, value: TensorLike) -> Tensor:
    """Return a copy of `input` with the slices along `dim` that `index` names set to a number, with a gradient of 0.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.index_fill(ag.zeros(3), 0, ag.tensor([0, 2]), 7.0)
    tensor([7., 0., 7.])
    """
    dim, index = _flat_index(input, dim, index, "index_fill")
    if not input.ndim:
        return reshape(index_fill(reshape(input, (1,)), 0, index, value), ())
    if isinstance(value, Variable) and value.ndim:
        raise RuntimeError(f"index_fill(): value must be a number or a 0-d tensor (value.shape={value.shape})")
    value = to_dtype(value, input.dtype) if isinstance(value, Variable) else wrap(
        to_array(value, input.dtype, "index_fill"))
    return _replaced(input, value, index, key=(Slice(None, None, None),) * dim + (ARRAY,))


def take(input: Tensor, index: TensorLike) -> Tensor:
    """Return the elements of the flattened `input` at `index`, in the shape of `index`.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.take(ag.tensor([[1, 2], [3, 4]]), ag.tensor([0, 3]))
    tensor([1, 4])
    """
    index = _integers(index, "take", "index")
    return _getitem(reshape(input, (math.prod(input.array.shape),)), index, key=(ARRAY,))


def masked_select(input: Tensor, mask: TensorLike) -> Tensor:
    """Return the elements of `input` where `mask` holds, as a 1-D tensor; the two are broadcast together.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> x = ag.tensor([1, 5, 3])
    >>> ag.masked_select(x, x > 2)
    tensor([5, 3])
    """
    mask = mask if isinstance(mask, Variable) else wrap(np.asarray(mask))
    if mask.dtype != bool:
        raise RuntimeError(f"masked_select(): mask must be boolean (dtype={mask.dtype})")
    try:
        shape = np.broadcast_shapes(input.array.shape, mask.array.shape)
    except ValueError:
        raise RuntimeError(f"masked_select(): shapes cannot be broadcast together (input.shape={input.shape}, "
                           f"mask.shape={mask.shape})") from None
    input = input if input.array.shape == shape else broadcast_to(input, shape)
    return _getitem(input, mask if mask.array.shape == shape else broadcast_to(mask, shape), key=(ARRAY,))


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

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.nonzero(ag.tensor([[0, 5], [6, 0]]))
    tensor([[0, 1],
            [1, 0]])
    """
    if as_tuple:
        return tuple(wrap(column.copy()) for column in _nonzero(_at_least_1d(input)).array.T)
    return _nonzero(input)


@primitive
def _one_hot(index: Array, *, classes: int) -> Array:
    out: Array = (index[..., None] == np.arange(classes)).astype(np.int64)
    return out


def one_hot(tensor: TensorLike, num_classes: int = -1) -> Tensor:
    """Return int64 zeros with a 1 at each index, along a new last dim (of the largest index + 1 for -1).

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn.nn import functional as F
    >>> F.one_hot(ag.tensor([0, 2]), 3)
    tensor([[1, 0, 0],
            [0, 0, 1]])
    """
    index = _integers(tensor, "one_hot", "tensor")
    array = index.array
    if num_classes == -1:
        note_read(index, "one_hot()")
        if not array.size:
            raise RuntimeError("one_hot(): num_classes must be given for an empty tensor (num_classes=-1, "
                               f"tensor.shape={array.shape})")
        num_classes = int(array.max()) + 1
    _check_classes(index, num_classes)
    return _one_hot(index, classes=num_classes)


@effect
def _check_classes(index: Tensor, classes: int) -> None:
    array = index.array
    if array.size and not 0 <= array.min() <= array.max() < classes:
        raise RuntimeError(f"one_hot(): class values must be from 0 to num_classes - 1 (smallest {array.min()}, "
                           f"largest {array.max()}, num_classes={classes})")


@primitive
def _embedding(weight: Array, index: Array, *, padding_idx: int | None) -> Array:
    return weight.take(index, 0)


@primitive
def _embedding_weight(g: Array, index: Array, *, rows: int, padding_idx: int | None) -> Array:
    width = g.shape[-1]
    places = index.reshape(-1).astype(np.int64, copy=False)
    out = kernels.add_rows(by_numpy.zeros((rows, width), g.dtype), places, g.reshape(index.size, width))
    if padding_idx is not None:
        out[padding_idx] = 0
    return out


def _embedding_weight_rule(h: Tensor, index: Tensor, padding_idx: int | None) -> Tensor:
    if padding_idx is not None:
        h = _erase(h, key=(padding_idx,), path=())
    return _embedding(h, index, padding_idx=padding_idx)


def _embedding_rule(g: Tensor, weight_like: Node, index: Tensor, padding_idx: int | None) -> Tensor:
    return _embedding_weight(g, index, rows=weight_like.shape[0], padding_idx=padding_idx)


_embedding.defvjp(weight=_embedding_rule)
_embedding_weight.defvjp(g=_embedding_weight_rule)


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
    _check_range(index, weight.array.shape[0], "embedding")
    if padding_idx is not None:
        if not -weight.array.shape[0] <= padding_idx < weight.array.shape[0]:
            raise RuntimeError("embedding(): padding_idx must be within the rows of weight "
                               f"(padding_idx={padding_idx}, "
                               f"weight.shape={weight.shape})")
        padding_idx %= weight.array.shape[0]
    return _embedding(weight, index, padding_idx=padding_idx)
