"""Elements reduced at given places: `scatter_reduce`, `index_reduce`; and elements placed by masks and strides."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..engine import Variable, note_read, primitive, wrap
from ..typing import Array, Gradients, Number, Tensor, TensorLike
from . import index as indexing
from .elementwise import add, bitwise_and, div, eq, floor_divide, mul, where
from .index import (
    ARRAY,
    _along,
    _at_least_1d,
    _check_along,
    _check_source,
    _cropped,
    _flat_index,
    _getitem,
    _integers,
    _put_along,
    _replaced_along,
    _take_along,
    index_put,
)
from .shape import broadcast_to, reshape, to_array, to_dtype

__all__ = ["as_strided", "index_reduce", "masked_scatter", "scatter", "scatter_reduce"]

REDUCTIONS = ("sum", "prod", "mean", "amax", "amin")


def _start(dtype: np.dtype[Any], reduce: str) -> Number:
    """Return what a reduction of nothing is."""
    if reduce == "prod":
        return 1
    if dtype.kind == "f":
        return -np.inf if reduce == "amax" else np.inf
    limits = np.iinfo(dtype)
    return limits.min if reduce == "amax" else limits.max


@primitive
def _reduced_along(x: Array, src: Array, index: Array, *, dim: int, reduce: str, include_self: bool) -> Array:
    """Return `x` with elements of `src` multiplied into it, or the largest or smallest of all at each place."""
    out = x.copy()
    places = _along(index, dim)
    if not include_self:
        out[places] = _start(x.dtype, reduce)
    {"prod": np.multiply, "amax": np.maximum, "amin": np.minimum}[reduce].at(out, places, src)
    return out


def _kept(x: Tensor, index: Tensor, dim: int, include_self: bool) -> Tensor:
    """Return gradients or marks of `x`, 0 at the places of the index unless `x` counts there."""
    return x if include_self else _replaced_along(x, 0, index, dim=dim)


@_reduced_along.defvjps
def _reduced_along_rule(
    g: Tensor, out: Tensor, x: Tensor, src: Tensor, index: Tensor, dim: int, reduce: str, include_self: bool,
    needs: tuple[bool, ...],
) -> Gradients:
    if reduce == "prod":
        return _product_rule(g, out, x, src, index, dim, include_self, needs)
    own = _kept(to_dtype(eq(x, out), g.dtype), index, dim, include_self)
    given = to_dtype(eq(src, _take_along(out, index, dim=dim)), g.dtype)
    share = div(g, add(own, _put_along(given, index, dim=dim, shape=x.array.shape)))
    return (
        mul(share, own) if needs[0] else None,
        mul(_take_along(share, index, dim=dim), given) if needs[1] else None,
    )


def _product_rule(
    g: Tensor, out: Tensor, x: Tensor, src: Tensor, index: Tensor, dim: int, include_self: bool, needs: tuple[bool, ...]
) -> Gradients:
    """Return the gradients of a product: the product divided by the factor, or the product of the others if it is 0."""
    settings = {"dim": dim, "reduce": "prod", "include_self": include_self}
    g_x = g_src = None
    if needs[0]:
        at_zero = eq(x, 0)
        others = _reduced_along(where(at_zero, 1.0, x), src, index, **settings)
        g_x = _kept(mul(g, where(at_zero, others, div(out, where(at_zero, 1.0, x)))), index, dim, include_self)
    if needs[1]:
        at_zero = eq(src, 0)
        count = _put_along(to_dtype(at_zero, g.dtype), index, dim=dim, shape=x.array.shape)
        alone = bitwise_and(at_zero, eq(_take_along(count, index, dim=dim), 1))
        others = _take_along(_reduced_along(x, where(alone, 1.0, src), index, **settings), index, dim=dim)
        quotient = div(_take_along(out, index, dim=dim), where(at_zero, 1.0, src))
        g_src = mul(_take_along(g, index, dim=dim), where(alone, others, quotient))
    return g_x, g_src


def _checked_reduction(operation: str, reduce: str, known: tuple[str, ...]) -> None:
    if reduce not in known:
        raise RuntimeError(f"{operation}(): reduce must be one of {', '.join(known)} (reduce={reduce!r})")


def scatter_reduce(
    input: Tensor, dim: int, index: TensorLike, src: Tensor, reduce: str, *, include_self: bool = True
) -> Tensor:
    """Return a copy of `input` reduced with elements of `src`: ``out[i, index[i, j]]`` with ``src[i, j]`` (dim 1 of 2).

    Ties of 'amax' and 'amin' share the gradient evenly; that of 'prod' is the product of the other factors.

    Parameters
    ----------
    input : Tensor
    dim : int
    index : Tensor of integers
        Of as many dims as `input`, not larger except along `dim`.
    src : Tensor
        At least of the size of `index`.
    reduce : {'sum', 'prod', 'mean', 'amax', 'amin'}
    include_self : bool
        Whether the elements of `input` at these places take part; elsewhere they stay.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> groups = ag.tensor([0, 0, 1])
    >>> ag.zeros(2).scatter_reduce(0, groups, ag.tensor([1.0, 3.0, 5.0]), "mean", include_self=False).tolist()
    [2.0, 5.0]
    """
    _checked_reduction("scatter_reduce", reduce, REDUCTIONS)
    dim, index = _check_along(input, index, dim, src, "scatter_reduce")
    if input.dtype != src.dtype:
        raise RuntimeError(f"scatter_reduce(): input and src must have one dtype (input: {input.dtype}, "
                           f"src: {src.dtype})")
    if not input.ndim:
        index, src = reshape(index, (1,)), reshape(src, (1,))
        return reshape(_scatter_reduced(reshape(input, (1,)), 0, index, src, reduce, include_self), ())
    return _scatter_reduced(input, dim, index, _cropped(src, index.array.shape), reduce, include_self)


def _scatter_reduced(
    x: Tensor, dim: int, index: Tensor, src: Tensor | Array, reduce: str, include_self: bool
) -> Tensor:
    if reduce in ("prod", "amax", "amin"):
        return _reduced_along(x, src, index, dim=dim, reduce=reduce, include_self=bool(include_self))
    if reduce == "mean" and x.dtype.itemsize < 4:  # neither sums nor counts need fit
        wide = np.int64 if x.dtype.kind in "iu" else np.float32
        src = to_dtype(src if isinstance(src, Variable) else wrap(src), wide)
        return to_dtype(_scatter_reduced(to_dtype(x, wide), dim, index, src, reduce, include_self), x.dtype)
    total = add(_kept(x, index, dim, include_self), _put_along(src, index, dim=dim, shape=x.array.shape))
    if reduce == "sum":
        return total
    return (div if x.dtype.kind == "f" else floor_divide)(
        total, _counts(index, x_shape=x.array.shape, dim=dim, include_self=bool(include_self), dtype=x.dtype))


@primitive
def _counts(index: Array, *, x_shape: tuple[int, ...], dim: int, include_self: bool, dtype: np.dtype[Any]
            ) -> Array:
    """Return of how many elements the mean is taken at each place."""
    out = np.full(x_shape, int(include_self), dtype)
    np.add.at(out, _along(index, dim), 1)
    return np.maximum(out, 1)


def scatter(input: Tensor, dim: int, index: TensorLike, src: TensorLike, *, reduce: str | None = None) -> Tensor:
    """Return a copy of `input` with ``out[i, index[i, j]] = src[i, j]`` (for dim 1 of 2).

    Of repeated indices the last one counts. The gradient of `input` is 0 at the indices; that of `src` is gathered
    there, and 0 for what was overwritten.

    Parameters
    ----------
    input : Tensor
    dim : int
    index : Tensor of integers
    src : Tensor of at least the size of `index`, or a number
    reduce : {'add', 'multiply'}, optional
        Add to `input` or multiply it, where it would be overwritten; as `scatter_reduce` with 'sum' or 'prod'.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.scatter(ag.zeros(3), 0, ag.tensor([2, 0]), ag.tensor([1.0, 5.0])).tolist()
    [5.0, 0.0, 1.0]
    """
    if reduce is None:
        return indexing._scattered(input, dim, index, src)
    _checked_reduction("scatter", reduce, ("add", "multiply"))
    index = _integers(index, "scatter", "index")
    if not isinstance(src, Variable):
        value = to_array(src, input.dtype, "scatter")
        src = wrap(value if value.ndim else np.full(index.array.shape, value))
    if reduce == "add":
        return indexing.scatter_add(input, dim, index, src)
    out = scatter_reduce(_at_least_1d(input), dim, _at_least_1d(index), _at_least_1d(src), "prod")
    return reshape(out, input.array.shape)


def index_reduce(
    input: Tensor, dim: int, index: TensorLike, source: Tensor, reduce: str, *, include_self: bool = True
) -> Tensor:
    """Return a copy of `input` reduced with slices of `source`: slice ``index[i]`` along `dim` with slice i.

    Gradients and ties are those of `scatter_reduce`.

    Parameters
    ----------
    input : Tensor
    dim : int
    index : Tensor of integers, of shape (M,)
    source : Tensor
        Of M elements along `dim`, of the shape of `input` otherwise.
    reduce : {'prod', 'mean', 'amax', 'amin'}
    include_self : bool

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.ones(2).index_reduce(0, ag.tensor([0, 0]), ag.tensor([2.0, 3.0]), "prod").tolist()
    [6.0, 1.0]
    """
    _checked_reduction("index_reduce", reduce, REDUCTIONS[1:])
    dim, places = _flat_index(input, dim, index, "index_reduce")
    _check_source(input, dim, places, source, "index_reduce")
    if not input.ndim:
        return scatter_reduce(input, 0, reshape(places, ()), source, reduce, include_self=include_self)
    sizes = [-1 if i == dim else 1 for i in range(input.ndim)]
    whole = broadcast_to(reshape(places, sizes), source.array.shape)
    return scatter_reduce(input, dim, whole, source, reduce, include_self=include_self)


def masked_scatter(input: Tensor, mask: TensorLike, source: Tensor) -> Tensor:
    """Return `input` with the elements of `source`, in order, where `mask` holds.

    The gradient of `input` is 0 there; that of an element of `source` is found at its place, 0 for those left over.

    Parameters
    ----------
    input : Tensor
    mask : Tensor or array of bool
        Broadcast with `input`.
    source : Tensor
        Of at least as many elements as the mask selects.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.masked_scatter(ag.zeros(3), ag.tensor([True, False, True]), ag.tensor([1.0, 2.0])).tolist()
    [1.0, 0.0, 2.0]
    """
    return _masked_scattered(input, mask, source, "masked_scatter")


def _masked_scattered(input: Tensor, mask: TensorLike, source: TensorLike, operation: str) -> Tensor:
    mask, source = (x if isinstance(x, Variable) else wrap(np.asarray(x)) for x in (mask, source))
    if mask.dtype != bool:
        raise RuntimeError(f"{operation}(): mask must be boolean (dtype={mask.dtype})")
    try:
        shape = np.broadcast_shapes(input.array.shape, mask.array.shape)
    except ValueError:
        raise RuntimeError(f"{operation}(): shapes cannot be broadcast together (input.shape={input.shape}, "
                           f"mask.shape={mask.shape})") from None
    if input.dtype != source.dtype:
        raise RuntimeError(f"{operation}(): input and source must have one dtype (input: {input.dtype}, "
                           f"source: {source.dtype})")
    input, mask = (x if x.array.shape == shape else broadcast_to(x, shape) for x in (input, mask))
    note_read(mask, f"{operation}()")
    count = int(np.count_nonzero(mask.array))
    if source.numel() < count:
        raise RuntimeError(f"{operation}(): source has {source.numel()} elements but mask selects {count}")
    return index_put(input, (mask,), reshape(source, (-1,))[:count])


def as_strided(input: Tensor, size: Sequence[int], stride: Sequence[int], storage_offset: int = 0) -> Tensor:
    """Return the elements that lie `stride` apart in the flattened `input`; unlike PyTorch's, a copy.

    `input` counts as contiguous, in row-major order, whatever its strides. Elements taken several times add their
    gradients.

    Parameters
    ----------
    input : Tensor
    size, stride : sequence of int
        Of one length; strides are counted in elements, and not negative.
    storage_offset : int
        The first element.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.as_strided(ag.arange(5), (3, 3), (1, 1)).tolist()
    [[0, 1, 2], [1, 2, 3], [2, 3, 4]]
    """
    if len(size) != len(stride) or min((*size, *stride, storage_offset)) < 0:
        raise RuntimeError("as_strided(): size and stride need one length, and no negative numbers "
                           f"(size={tuple(size)}, stride={tuple(stride)}, storage_offset={storage_offset})")
    places = np.full(tuple(size), storage_offset, np.int64)
    for axis, (n, step) in enumerate(zip(size, stride)):
        places += (np.arange(n) * step).reshape([-1 if i == axis else 1 for i in range(len(size))])
    if places.size and places.max() >= input.numel():
        raise RuntimeError(f"as_strided(): reaches element {places.max()} of {input.numel()} (input.shape="
                           f"{input.shape}, size={tuple(size)}, stride={tuple(stride)}, "
                           f"storage_offset={storage_offset})")
    return _getitem(reshape(input, (-1,)), places, key=(ARRAY,))
