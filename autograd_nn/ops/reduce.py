"""Reductions over dims: sum, mean, extremes, logsumexp, softmax."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import NamedTuple, overload

import numpy as np

from ..engine import Node, Variable, primitive
from ..kernels import operations as passes
from ..kernels import reduce as folds
from ..kernels import softmax as kernels
from ..typing import Array, Dims, DTypeLike, Number, Shape, Tensor
from .elementwise import add, div, eq, exp, maximum, minimum, mul, neg, sqrt, sub, where
from .index import take_along_dim
from .shape import normalized_dim, normalized_dims, reshape, squeeze, to_dtype

__all__ = [
    "all", "amax", "amin", "any", "argmax", "argmin", "count_nonzero", "log_softmax", "logsumexp", "max", "mean",
    "min", "softmax", "std", "std_mean", "sum", "var", "var_mean",
]  # fmt: skip

_reduced: Callable[..., Array] = np.add.reduce  # without NumPy's types, which want `keepdims` literally


def added(x: Array, dims: tuple[int, ...], dtype: DTypeLike | None = None, keepdims: bool = False) -> Array:
    """Return the sum over some dims; floats are summed in double precision."""
    return folds.SUM(x, dims, keepdims=keepdims) if x.dtype.kind == "f" else _reduced(x, dims, dtype, keepdims=keepdims)


def _kept_shape(shape: Shape, dims: tuple[int, ...]) -> Shape:
    """Return `shape` with size 1 at `dims`."""
    return tuple(1 if i in dims else n for i, n in enumerate(shape))


@primitive
def _spread_to(g: Array, *, shape: Shape, dims: tuple[int, ...], share: float = 1.0) -> Array:
    g = g.reshape(_kept_shape(shape, dims))
    if share != 1:
        g = g * g.dtype.type(share)
    if math.prod(shape) > 4096:
        return np.broadcast_to(g, shape)
    out = np.empty(shape, g.dtype)
    out[...] = g
    return out


_spread_to.defvjp(
    g=lambda h, g_like, dims, share: reshape(mul(_sum(h, dims=dims, keepdim=True), share), g_like.shape)
)


def _spread(g: Tensor, x: Tensor | Node, dims: tuple[int, ...], share: float = 1.0) -> Tensor:
    """Return a share of a gradient of reduced shape, repeated to that of `x`: a view if large, a copy if small."""
    return _spread_to(g, shape=x.shape, dims=dims, share=share)


@primitive
def _sum(x: Array, *, dims: tuple[int, ...], keepdim: bool) -> Array:
    return added(x, dims, np.int64, keepdims=keepdim)


_sum.defvjp(x=lambda g, x_like, dims: _spread(g, x_like, dims))


def sum(x: Tensor, dim: Dims = None, keepdim: bool = False, dtype: DTypeLike | None = None) -> Tensor:
    """Return the sum over `dim` (an int or a tuple; all dims for None); integers and booleans are summed as int64.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.sum(ag.tensor([[1.0, 2.0], [3.0, 4.0]]), dim=0)
    tensor([4., 6.])
    """
    x = x if dtype is None else to_dtype(x, dtype)
    out = _sum(x, dims=normalized_dims(dim, x.ndim, "sum"), keepdim=keepdim)
    return out if dtype is None else to_dtype(out, dtype)


@primitive
def _mean(x: Array, *, dims: tuple[int, ...], keepdim: bool, share: float) -> Array:
    return (folds.SUM.exact(x, dims, keepdims=keepdim) * share).astype(x.dtype)


_mean.defvjp(x=lambda g, x_like, dims, share: _spread(g, x_like, dims, share))


def mean(x: Tensor, dim: Dims = None, keepdim: bool = False, dtype: DTypeLike | None = None) -> Tensor:
    """Return the arithmetic mean over `dim` (all dims for None); NaN over no elements.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.mean(ag.tensor([[1.0, 2.0], [3.0, 4.0]]), dim=1, keepdim=True)
    tensor([[1.5],
            [3.5]])
    """
    x = x if dtype is None else to_dtype(x, dtype)
    if x.dtype.kind not in "fc":
        raise RuntimeError(f"mean(): expects a floating-point or complex tensor (dtype={x.dtype}); convert with "
                           ".float()")
    dims = normalized_dims(dim, x.ndim, "mean")
    count = math.prod(x.array.shape[i] for i in dims)
    return _mean(x, dims=dims, keepdim=keepdim, share=1 / count if count else math.nan)


# ------------------------------------------------------------------------------------ variance


@primitive
def _var(x: Array, *, dims: tuple[int, ...], keepdim: bool, correction: Number) -> Array:
    if x.dtype.char == "e":
        wide: Array = _var.forward(x.astype(np.float32), dims=dims, keepdim=keepdim, correction=correction)
        return wide.astype(np.float16)
    count = math.prod([x.shape[i] for i in dims])
    if not count:
        return np.full(added(x, dims, keepdims=keepdim).shape, np.nan, x.dtype)
    average = added(x, dims, keepdims=True) * x.dtype.type(1 / count)
    deviations = x - average
    np.square(deviations, out=deviations)
    total = np.asarray(added(deviations, dims, keepdims=True))
    if (total <= count * np.square(4 * np.finfo(x.dtype).eps * average)).any():  # equal elements, as it seems
        first = x[tuple(slice(0, 1 if i in dims else None) for i in range(x.ndim))]
        total[np.all(x == first, dims, keepdims=True)] = 0
    if not keepdim:
        total = total.reshape([n for i, n in enumerate(total.shape) if i not in dims])
    with np.errstate(invalid="ignore"):  # 0 times infinity
        out: Array = total * x.dtype.type(1 / (count - correction) if count > correction else math.inf)
    return out


@primitive
def _std(x: Array, *, dims: tuple[int, ...], keepdim: bool, correction: Number) -> Array:
    with np.errstate(over="ignore"):
        out: Array = np.sqrt(_var.forward(x, dims=dims, keepdim=keepdim, correction=correction))
    if x.dtype == np.float32 and (np.isinf(out) | (out < 1e-18)).any():  # the squares left the range of float32
        out = _std.forward(x.astype(np.float64), dims=dims, keepdim=keepdim, correction=correction).astype(x.dtype)
    return out


def _deviations(x: Tensor, dims: tuple[int, ...], correction: Number) -> Tensor:
    """Return ``(x - mean(x)) / (n - correction)``; NaN where n does not exceed the correction."""
    freedom = math.prod(x.array.shape[i] for i in dims) - correction
    return mul(sub(x, mean(x, dims, keepdim=True)), 1 / freedom if freedom > 0 else math.nan)


def _var_rule(g: Tensor, x: Tensor, dims: tuple[int, ...], correction: Number) -> Tensor:
    return mul(_spread(g, x, dims), mul(_deviations(x, dims, correction), 2))


def _std_rule(g: Tensor, out: Tensor, x: Tensor, dims: tuple[int, ...], correction: Number) -> Tensor:
    at_zero = eq(out, 0)
    scale = where(at_zero, 0.0, div(g, where(at_zero, 1.0, out)))
    return mul(_spread(scale, x, dims), _deviations(x, dims, correction))


_var.defvjp(x=_var_rule)
_std.defvjp(x=_std_rule)


def _variance_settings(
    x: Tensor, dim: Dims, unbiased: bool | None, correction: Number | None, operation: str
) -> tuple[tuple[int, ...], Number]:
    if isinstance(dim, bool):
        dim, unbiased = None, dim
    if unbiased is not None:
        correction = int(unbiased)
    correction = 1 if correction is None else correction
    if x.dtype.kind not in "fc":
        raise RuntimeError(f"{operation}(): expects a floating-point tensor (dtype={x.dtype}); convert with .float()")
    return normalized_dims(dim, x.ndim, operation), correction


def var(
    x: Tensor, dim: Dims = None, unbiased: bool | None = None, keepdim: bool = False, *, correction: Number | None = 1
) -> Tensor:
    """Return the variance over `dim`, ``sum((x - mean)**2) / (n - correction)``.

    Parameters
    ----------
    x : Tensor
    dim : int or tuple of int, optional
        All dims for None.
    unbiased : bool, optional
        The older way to say ``correction=1`` or ``correction=0``.
    keepdim : bool
    correction : number
        Where n does not exceed it, the result is NaN.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.var(ag.tensor([1.0, 2.0, 3.0])), ag.var(ag.tensor([1.0, 3.0]), correction=0)
    (tensor(1.), tensor(1.))
    """
    dims, correction = _variance_settings(x, dim, unbiased, correction, "var")
    if x.dtype.kind == "c":
        return add(*(_var(part, dims=dims, keepdim=keepdim, correction=correction) for part in (x.real, x.imag)))
    return _var(x, dims=dims, keepdim=keepdim, correction=correction)


def std(
    x: Tensor, dim: Dims = None, unbiased: bool | None = None, keepdim: bool = False, *, correction: Number | None = 1
) -> Tensor:
    """Return the square root of `var`; its gradient where all elements are equal is 0.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.std(ag.tensor([1.0, 2.0, 3.0]))
    tensor(1.)
    """
    dims, correction = _variance_settings(x, dim, unbiased, correction, "std")
    if x.dtype.kind == "c":
        return sqrt(var(x, dims, keepdim=keepdim, correction=correction))
    return _std(x, dims=dims, keepdim=keepdim, correction=correction)


def var_mean(
    x: Tensor, dim: Dims = None, unbiased: bool | None = None, keepdim: bool = False, *, correction: Number | None = 1
) -> tuple[Tensor, Tensor]:
    """Return `var` and `mean` over the same dims.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.var_mean(ag.tensor([1.0, 2.0, 3.0]))
    (tensor(1.), tensor(2.))
    """
    spread = var(x, dim, unbiased, keepdim, correction=correction)
    return spread, mean(x, None if isinstance(dim, bool) else dim, keepdim)


def std_mean(
    x: Tensor, dim: Dims = None, unbiased: bool | None = None, keepdim: bool = False, *, correction: Number | None = 1
) -> tuple[Tensor, Tensor]:
    """Return `std` and `mean` over the same dims.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.std_mean(ag.tensor([1.0, 2.0, 3.0]))
    (tensor(1.), tensor(2.))
    """
    spread = std(x, dim, unbiased, keepdim, correction=correction)
    return spread, mean(x, None if isinstance(dim, bool) else dim, keepdim)


# ------------------------------------------------------------------------------------ truth, counts


@primitive
def _all(x: Array, *, dims: tuple[int, ...], keepdim: bool) -> Array | np.bool:
    return x.all(axis=dims, keepdims=keepdim)


@primitive
def _any(x: Array, *, dims: tuple[int, ...], keepdim: bool) -> Array | np.bool:
    return x.any(axis=dims, keepdims=keepdim)


@primitive
def _count_nonzero(x: Array, *, dims: tuple[int, ...], keepdim: bool) -> Array:
    return np.asarray(np.count_nonzero(x, axis=dims, keepdims=keepdim), np.int64)


def all(x: Tensor, dim: Dims = None, keepdim: bool = False) -> Tensor:
    """Return whether all elements over `dim` are true (not 0).

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.all(ag.tensor([[True, False], [True, True]]), dim=1)
    tensor([False,  True])
    """
    return _all(x, dims=normalized_dims(dim, x.ndim, "all"), keepdim=keepdim)


def any(x: Tensor, dim: Dims = None, keepdim: bool = False) -> Tensor:
    """Return whether any element over `dim` is true (not 0).

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.any(ag.tensor([[False, False], [True, False]]), dim=1)
    tensor([False,  True])
    """
    return _any(x, dims=normalized_dims(dim, x.ndim, "any"), keepdim=keepdim)


def count_nonzero(x: Tensor, dim: Dims = None, keepdim: bool = False) -> Tensor:
    """Return the number of elements over `dim` that are not 0 (int64).

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.count_nonzero(ag.tensor([0, 3, 0, 4]))
    tensor(2)
    """
    return _count_nonzero(x, dims=normalized_dims(dim, x.ndim, "count_nonzero"), keepdim=keepdim)


# ------------------------------------------------------------------------------------ extremes


def _check_not_empty(x: Tensor, dims: Iterable[int], operation: str) -> None:
    if 0 in [x.array.shape[i] for i in dims]:
        raise RuntimeError(f"{operation}(): cannot reduce over no elements (x.shape={x.shape}, dim={dims})")


@primitive
def _amax(x: Array, *, dims: tuple[int, ...], keepdim: bool) -> Array:
    out: Array = folds.MAXIMUM(x, dims, keepdims=keepdim) if x.dtype.kind == "f" else x.max(dims, keepdims=keepdim)
    return out


@primitive
def _amin(x: Array, *, dims: tuple[int, ...], keepdim: bool) -> Array:
    out: Array = folds.MINIMUM(x, dims, keepdims=keepdim) if x.dtype.kind == "f" else x.min(dims, keepdims=keepdim)
    return out


@primitive
def _shares(x: Array, out: Array, *, dims: tuple[int, ...]) -> Array:
    """Return 1 where an element is the extreme, divided by how many are."""
    extremes = out.reshape(_kept_shape(x.shape, dims))
    shares = passes.TIES(x, extremes)
    if (absent := np.isnan(extremes)).any():  # the extreme is the elements that are NaN
        shares = np.where(absent & np.isnan(x), x.dtype.type(1), shares)
    np.divide(shares, folds.SUM(shares, dims, keepdims=True), out=shares)
    return shares


def _even_share(g: Tensor, out: Tensor, x: Tensor, dims: tuple[int, ...]) -> Tensor:
    return mul(_spread(g, x, dims), _shares(x, out, dims=dims))


_amax.defvjp(x=lambda g, out, x, dims: _even_share(g, out, x, dims))
_amin.defvjp(x=lambda g, out, x, dims: _even_share(g, out, x, dims))


def amax(x: Tensor, dim: Dims = None, keepdim: bool = False) -> Tensor:
    """Return the largest element over `dim`; NaN where there is one; ties share the gradient evenly.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> x = ag.tensor([1.0, 5.0, 5.0], requires_grad=True)
    >>> ag.amax(x).backward()
    >>> x.grad  # ties share
    tensor([0. , 0.5, 0.5])
    """
    dims = normalized_dims(dim, x.ndim, "amax")
    _check_not_empty(x, dims, "amax")
    return _amax(x, dims=dims, keepdim=keepdim)


def amin(x: Tensor, dim: Dims = None, keepdim: bool = False) -> Tensor:
    """Return the smallest element over `dim`; NaN where there is one; ties share the gradient evenly.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.amin(ag.tensor([[1.0, 5.0], [7.0, 2.0]]), dim=1)
    tensor([1., 2.])
    """
    dims = normalized_dims(dim, x.ndim, "amin")
    _check_not_empty(x, dims, "amin")
    return _amin(x, dims=dims, keepdim=keepdim)


@primitive
def _argmax(x: Array, *, dim: int | None, keepdim: bool) -> Array:
    out: Array = np.argmax(x, axis=dim, keepdims=keepdim)
    return out


@primitive
def _argmin(x: Array, *, dim: int | None, keepdim: bool) -> Array:
    out: Array = np.argmin(x, axis=dim, keepdims=keepdim)
    return out


def argmax(x: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """Return the index of the largest element (int64), the first among equals; NaN counts as largest.

    Without `dim` the index is into the flattened tensor.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.argmax(ag.tensor([[1.0, 5.0], [7.0, 2.0]]), dim=1)
    tensor([1, 0])
    """
    dim = dim if dim is None else normalized_dim(dim, x.ndim, "argmax")
    _check_not_empty(x, range(x.ndim) if dim is None else (dim,) if x.ndim else (), "argmax")
    return _argmax(x, dim=dim, keepdim=keepdim)


def argmin(x: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """Return the index of the smallest element (int64), the first among equals; NaN counts as smallest.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.argmin(ag.tensor([[1.0, 5.0], [7.0, 2.0]]), dim=1)
    tensor([0, 1])
    """
    dim = dim if dim is None else normalized_dim(dim, x.ndim, "argmin")
    _check_not_empty(x, range(x.ndim) if dim is None else (dim,) if x.ndim else (), "argmin")
    return _argmin(x, dim=dim, keepdim=keepdim)


def _values_and_indices(x: Tensor, dim: int, keepdim: bool, argument: Callable[..., Tensor]) -> tuple[Tensor, Tensor]:
    indices = argument(x, dim, keepdim=True)
    values = take_along_dim(x, indices, dim)
    return (values, indices) if keepdim or not x.ndim else (squeeze(values, dim), squeeze(indices, dim))


class Extremes(NamedTuple):
    """What `max` and `min` return along a dim."""

    values: Tensor
    indices: Tensor


@overload
def max(x: Tensor, dim: None = ..., keepdim: bool = ...) -> Tensor: ...


@overload
def max(x: Tensor, dim: int, keepdim: bool = ...) -> Extremes: ...


@overload
def max(x: Tensor, dim: Tensor) -> Tensor: ...


def max(x: Tensor, dim: int | Tensor | None = None, keepdim: bool = False) -> Tensor | Extremes:
    """Return the largest element; along a dim ``(values, indices)``; with a tensor as `dim`, the elementwise maximum.

    NaN counts as largest. Over all elements ties share the gradient evenly; along a dim only the first gets it.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> values, places = ag.max(ag.tensor([[1.0, 5.0], [7.0, 2.0]]), dim=1)
    >>> values, places
    (tensor([5., 7.]), tensor([1, 0]))
    """
    if dim is None:
        return amax(x)
    if isinstance(dim, Variable):
        return maximum(x, dim)
    return Extremes(*_values_and_indices(x, dim, keepdim, argmax))


@overload
def min(x: Tensor, dim: None = ..., keepdim: bool = ...) -> Tensor: ...


@overload
def min(x: Tensor, dim: int, keepdim: bool = ...) -> Extremes: ...


@overload
def min(x: Tensor, dim: Tensor) -> Tensor: ...


def min(x: Tensor, dim: int | Tensor | None = None, keepdim: bool = False) -> Tensor | Extremes:
    """Return the smallest element; along a dim ``(values, indices)``; with a tensor as `dim`, the elementwise minimum.

    NaN counts as smallest. Over all elements ties share the gradient evenly; along a dim only the first gets it.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.min(ag.tensor([[1.0, 5.0], [7.0, 2.0]]))
    tensor(1.)
    """
    if dim is None:
        return amin(x)
    if isinstance(dim, Variable):
        return minimum(x, dim)
    return Extremes(*_values_and_indices(x, dim, keepdim, argmin))


# ------------------------------------------------------------------------------------ exponential sums


@primitive
def _logsumexp(x: Array, *, dims: tuple[int, ...], keepdim: bool) -> Array:
    if dims and dims != tuple(range(dims[0], dims[0] + len(dims))):  # neighbours in memory become one axis
        kept = [i for i in range(x.ndim) if i not in dims]
        flat = x.transpose(*kept, *dims).reshape(*[x.shape[i] for i in kept], -1)
    elif dims:
        flat = x.reshape(*x.shape[: dims[0]], math.prod(x.shape[i] for i in dims), *x.shape[dims[-1] + 1 :])
    else:
        flat = x.reshape(*x.shape, 1)
    axis = dims[0] if dims and dims == tuple(range(dims[0], dims[0] + len(dims))) else flat.ndim - 1
    out = kernels.logsumexp(flat, axis)
    return out.reshape(_kept_shape(x.shape, dims)) if keepdim else out


@primitive
def _logsumexp_input(g: Array, x: Array, out: Array, *, dims: tuple[int, ...]) -> Array:
    """Return ``g exp(x - out)``, with g and out repeated over the dims that were reduced."""
    shape = _kept_shape(x.shape, dims)
    return kernels.weighted_softmax(g.reshape(shape), x, out.reshape(shape))


def _shares_of_sum(x: Tensor, out: Tensor, dims: tuple[int, ...]) -> Tensor:
    return exp(sub(x, _spread(out, x, dims)))


_logsumexp.defvjp(x=lambda g, out, x, dims: _logsumexp_input(g, x, out, dims=dims))
_logsumexp_input.defvjp(
    g=lambda h, g_like, x, out, dims: reshape(_sum(mul(h, _shares_of_sum(x, out, dims)), dims=dims, keepdim=True),
                                              g_like.shape),
    x=lambda h, g, x, out, dims: mul(h, _logsumexp_input(g, x, out, dims=dims)),
    out=lambda h, g, x, out, dims: reshape(
        _sum(mul(neg(h), _logsumexp_input(g, x, out, dims=dims)), dims=dims, keepdim=True), out.array.shape),
)  # fmt: skip


def logsumexp(x: Tensor, dim: Dims, keepdim: bool = False) -> Tensor:
    """Return ``log(sum(exp(x)))`` over `dim`, computed from the largest element so that it does not overflow.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.logsumexp(ag.tensor([1000.0, 1000.0]), dim=0)
    tensor(1000.6932)
    """
    if x.dtype.kind == "c":
        raise RuntimeError(f"logsumexp(): expects real numbers (dtype={x.dtype})")
    if x.dtype.kind != "f":
        x = add(x, 0.0)
    return _logsumexp(x, dims=normalized_dims(dim, x.ndim, "logsumexp"), keepdim=keepdim)


@primitive
def _softmax(x: Array, *, dim: int) -> Array:
    return kernels.softmax(x, dim)


@primitive
def _softmax_input(g: Array, out: Array, *, dim: int) -> Array:
    """Return ``out (g - sum(g out))``."""
    return kernels.softmax_input(g, out, dim)


def _softmax_second(h: Tensor, g: Tensor, out: Tensor, dim: int) -> Tensor:
    along_g, along_h = (_sum(mul(each, out), dims=(dim,), keepdim=True) for each in (g, h))
    return sub(mul(h, sub(g, along_g)), mul(g, along_h))


_softmax.defvjp(x=lambda g, out, dim: _softmax_input(g, out, dim=dim))
_softmax_input.defvjp(
    g=lambda h, out, dim: _softmax_input(h, out, dim=dim),
    out=lambda h, g, out, dim: _softmax_second(h, g, out, dim),
)


@primitive
def _log_softmax(x: Array, *, dim: int) -> Array:
    return kernels.log_softmax(x, dim)


@primitive
def _log_softmax_input(g: Array, out: Array, *, dim: int) -> Array:
    """Return ``g - exp(out) sum(g)``."""
    return kernels.log_softmax_input(g, out, dim)


_log_softmax.defvjp(x=lambda g, out, dim: _log_softmax_input(g, out, dim=dim))
_log_softmax_input.defvjp(
    g=lambda h, out, dim: sub(h, _sum(mul(h, exp(out)), dims=(dim,), keepdim=True)),
    out=lambda h, g, out, dim: neg(mul(mul(h, exp(out)), _sum(g, dims=(dim,), keepdim=True))),
)


def _check_softmax(x: Tensor, dim: int, operation: str) -> int:
    if x.dtype.kind != "f":
        raise RuntimeError(f"{operation}(): expects a floating-point tensor (dtype={x.dtype})")
    return normalized_dim(dim, x.ndim, operation)


def softmax(x: Tensor, dim: int, dtype: DTypeLike | None = None) -> Tensor:
    """Return ``exp(x) / sum(exp(x))`` along `dim`, of `x` as `dtype`; NaN along slices that are all -inf.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.softmax(ag.tensor([0.0, 2.0]), dim=0)
    tensor([0.1192, 0.8808])
    """
    x = x if dtype is None else to_dtype(x, dtype)
    dim = _check_softmax(x, dim, "softmax")
    return _softmax(x, dim=dim) if x.ndim else reshape(_softmax(reshape(x, (1,)), dim=0), ())


def log_softmax(x: Tensor, dim: int, dtype: DTypeLike | None = None) -> Tensor:
    """Return ``x - log(sum(exp(x)))`` along `dim`, of `x` as `dtype`, computed from the largest element.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.log_softmax(ag.tensor([0.0, 0.0]), dim=0)
    tensor([-0.6931, -0.6931])
    """
    x = x if dtype is None else to_dtype(x, dtype)
    dim = _check_softmax(x, dim, "log_softmax")
    return _log_softmax(x, dim=dim) if x.ndim else reshape(_log_softmax(reshape(x, (1,)), dim=0), ())
