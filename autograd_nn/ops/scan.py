"""Running sums and products, and orders: what goes along a dim element by element.

The derivative of a running product is a first-order linear recurrence, and so is the derivative of such a
recurrence: with ``y[i] = b[i] + a[i] y[i-1]`` and the adjoint recurrence ``l[i] = h[i] + a[i+1] l[i+1]`` that runs
backward, the gradients are ``l`` in b and ``l[i] y[i-1]`` in a. No division occurs, so zeros are no special case.
"""

from __future__ import annotations

import math
from typing import NamedTuple, overload

import numpy as np

from ..engine import get_default_dtype, note_read, primitive, wrap
from ..kernels import reduce as kernels
from ..typing import Array, Dims, DTypeLike, Tensor, TensorOrTuple
from .elementwise import add, exp, gt, log, mul, neg, sub, where
from .index import _integers, _put_along, take_along_dim
from .reduce import _spread, _sum
from .shape import _narrow, _pad_constant, flip, normalized_dim, normalized_dims, permute, reshape, squeeze, to_dtype

__all__ = [
    "argsort",
    "bincount",
    "cummax",
    "cummin",
    "cumprod",
    "cumsum",
    "histc",
    "kthvalue",
    "logcumsumexp",
    "median",
    "prod",
    "sort",
    "topk",
    "unique",
    "unique_consecutive",
]  # fmt: skip

# ------------------------------------------------------------------------------------ sums and products


@primitive
def _cumsum(x: Array, *, dim: int, reverse: bool) -> Array:
    if x.dtype.kind == "f":
        return kernels.running_sum(x, dim, reverse=reverse)
    return np.flip(np.flip(x, dim).cumsum(dim, np.int64), dim) if reverse else x.cumsum(dim, np.int64)


_cumsum.defvjp(x=lambda g, dim, reverse: _cumsum(g, dim=dim, reverse=not reverse))


def cumsum(x: Tensor, dim: int, dtype: DTypeLike | None = None) -> Tensor:
    """Return the running sum along `dim`; integers and booleans are summed as int64.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.cumsum(ag.tensor([1.0, 2.0, 3.0]), dim=0)
    tensor([1., 3., 6.])
    """
    x = x if dtype is None else to_dtype(x, dtype)
    dim = normalized_dim(dim, x.ndim, "cumsum")
    out = _cumsum(x, dim=dim, reverse=False) if x.ndim else x
    return out if dtype is None else to_dtype(out, dtype)


@primitive
def _recurrence(a: Array, b: Array, *, dim: int, reverse: bool) -> Array:
    """Return y with ``y[i] = b[i] + a[i] y[i-1]`` along `dim`, or ``b[i] + a[i+1] y[i+1]``; beyond its ends y is 0."""
    return kernels.recurrence(a, b, dim, reverse=reverse)


def _moved(x: Tensor, dim: int, step: int) -> Tensor:
    """Return `x` moved by one place along `dim`, forward or backward, with a 0 coming in."""
    size = x.array.shape[dim]
    if size == 0:
        return x
    widths = [(0, 0)] * x.ndim
    widths[dim] = (1, 0) if step > 0 else (0, 1)
    part = _narrow(x, dim=dim, start=0, stop=size - 1) if step > 0 else _narrow(x, dim=dim, start=1, stop=size)
    return _pad_constant(part, widths=tuple(widths), value=0)


def _coefficient_rule(g: Tensor, out: Tensor, a: Tensor, dim: int, reverse: bool) -> Tensor:
    adjoint = _recurrence(a, g, dim=dim, reverse=not reverse)
    return mul(_moved(adjoint, dim, 1), out) if reverse else mul(adjoint, _moved(out, dim, 1))


_recurrence.defvjp(
    a=_coefficient_rule,
    b=lambda g, a, dim, reverse: _recurrence(a, g, dim=dim, reverse=not reverse),
)


@primitive
def _cumprod(x: Array, *, dim: int) -> Array:
    return kernels.running_product(x, dim) if x.dtype.kind == "f" else x.cumprod(dim, np.int64)


@primitive
def _product_before(x: Array, *, dim: int, reverse: bool) -> Array:
    """Return the product of the elements before each one along `dim` (behind it if `reverse`); 1 of none."""
    return kernels.running_product(x, dim, reverse=reverse, exclusive=True)


def _before_rule(g: Tensor, x: Tensor, out: Tensor, dim: int, reverse: bool) -> Tensor:
    if reverse:
        return flip(_before_rule(flip(g, dim), flip(x, dim), flip(out, dim), dim, False), dim)
    return mul(out, _recurrence(x, _moved(g, dim, -1), dim=dim, reverse=True))


_product_before.defvjp(x=_before_rule)
_cumprod.defvjp(
    x=lambda g, x, dim: mul(
        _product_before(x, dim=dim, reverse=False), _recurrence(x, g, dim=dim, reverse=True)
    ),
)


def cumprod(x: Tensor, dim: int, dtype: DTypeLike | None = None) -> Tensor:
    """Return the running product along `dim`; the gradient is exact where elements are 0.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.cumprod(ag.tensor([1.0, 2.0, 3.0]), dim=0)
    tensor([1., 2., 6.])
    """
    x = x if dtype is None else to_dtype(x, dtype)
    dim = normalized_dim(dim, x.ndim, "cumprod")
    out = _cumprod(x, dim=dim) if x.ndim else x
    return out if dtype is None else to_dtype(out, dtype)


@primitive(results="values indices")
def _running(x: Array, *, dim: int, largest: bool) -> tuple[Array, Array]:
    """Return the largest or smallest element up to each place, and where it is (of equals the last one)."""
    extreme = np.maximum if largest else np.minimum
    values = extreme.accumulate(x, dim)
    with np.errstate(invalid="ignore"):
        new = (x >= values) if largest else (x <= values)
    if x.dtype.kind == "f":
        new |= np.isnan(x)
    places = np.arange(x.shape[dim]).reshape([-1 if i == dim else 1 for i in range(x.ndim)])
    return values, np.maximum.accumulate(np.where(new, places, 0), dim)


_running.defvjp(x=lambda g, x_like, indices, dim: _put_along(g, indices, dim=dim, shape=x_like.shape))


def cummax(x: Tensor, dim: int) -> Ordered:
    """Return the largest element up to each place along `dim`, and its index (of equals the last one).

    The gradient goes to that element.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.cummax(ag.tensor([1.0, 3.0, 2.0]), dim=0)
    Ordered(values=tensor([1., 3., 3.]), indices=tensor([0, 1, 1]))
    """
    dim = normalized_dim(dim, x.ndim, "cummax")
    return Ordered(*_running(x, dim=dim, largest=True)) if x.ndim else Ordered(x, to_dtype(mul(x, 0), np.int64))


def cummin(x: Tensor, dim: int) -> Ordered:
    """Return the smallest element up to each place along `dim`, and its index (of equals the last one).

    The gradient goes to that element.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.cummin(ag.tensor([3.0, 1.0, 2.0]), dim=0)
    Ordered(values=tensor([3., 1., 1.]), indices=tensor([0, 1, 1]))
    """
    dim = normalized_dim(dim, x.ndim, "cummin")
    return Ordered(*_running(x, dim=dim, largest=False)) if x.ndim else Ordered(x, to_dtype(mul(x, 0), np.int64))


@primitive
def _prod(x: Array, *, dim: int) -> Array:
    """Return the product over a dim."""
    if x.dtype.kind == "f":
        return kernels.PRODUCT(x, (dim,))
    out: Array = x.prod(axis=dim, dtype=np.int64)
    return out


@primitive
def _prod_input(g: Array, x: Array, *, dim: int) -> Array:
    """Return `g` times the product of the other elements along a dim, for each element."""
    return kernels.products_of_others(g, x, dim)


def _before_and_behind(x: Tensor, dim: int) -> tuple[Tensor, Tensor]:
    return _product_before(x, dim=dim, reverse=False), _product_before(x, dim=dim, reverse=True)


def _prod_input_g(h: Tensor, x: Tensor, dim: int) -> Tensor:
    before, behind = _before_and_behind(x, dim)
    return _sum(mul(h, mul(before, behind)), dims=(dim,), keepdim=False)


def _prod_input_x(h: Tensor, g: Tensor, x: Tensor, dim: int) -> Tensor:
    before, behind = _before_and_behind(x, dim)
    h = mul(h, _spread(g, x, (dim,)))
    through_before = _before_rule(mul(h, behind), x, before, dim, False)
    return add(through_before, _before_rule(mul(h, before), x, behind, dim, True))


_prod.defvjp(x=lambda g, x, dim: _prod_input(g, x, dim=dim))
_prod_input.defvjp(g=_prod_input_g, x=_prod_input_x)


def prod(x: Tensor, dim: Dims = None, keepdim: bool = False, dtype: DTypeLike | None = None) -> Tensor:
    """Return the product over `dim` (all dims for None).

    The gradient of an element is the product of the others: ``[6, 0, 0]``-like results come out where there is a 0,
    not NaN.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.prod(ag.tensor([2.0, 3.0, 4.0]))
    tensor(24.)
    """
    x = x if dtype is None else to_dtype(x, dtype)
    dims = normalized_dims(dim, x.ndim, "prod")
    kept = [i for i in range(x.ndim) if i not in dims]
    shape = [n for i, n in enumerate(x.array.shape) if i not in dims]
    count = math.prod(x.array.shape[i] for i in dims)
    if len(dims) == 1:
        out = _prod(x, dim=dims[0])
    else:
        joined = x if dims == tuple(range(x.ndim)) else permute(x, (*kept, *dims))
        out = _prod(reshape(joined, (*shape, count)), dim=len(shape))
    out = out if dtype is None else to_dtype(out, dtype)
    return reshape(out, [1 if i in dims else n for i, n in enumerate(x.array.shape)]) if keepdim else out


def logcumsumexp(x: Tensor, dim: int) -> Tensor:
    """Return the logarithm of the running sum of exponentials along `dim`.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.logcumsumexp(ag.tensor([0.0, 0.0, 0.0]), dim=0)
    tensor([0.    , 0.6931, 1.0986])
    """
    dim = normalized_dim(dim, x.ndim, "logcumsumexp")
    x = x if x.dtype.kind in "fc" else to_dtype(x, get_default_dtype())
    return _logcumsumexp(x, dim=dim, reverse=False) if x.ndim else x


@primitive
def _logcumsumexp(x: Array, *, dim: int, reverse: bool) -> Array:
    with np.errstate(invalid="ignore"):
        if reverse:
            return np.flip(np.logaddexp.accumulate(np.flip(x, dim), dim), dim)
        out: Array = np.logaddexp.accumulate(x, dim)
    return out


def _logcumsumexp_rule(g: Tensor, x: Tensor, out: Tensor, dim: int, reverse: bool) -> Tensor:
    """Return ``sum over later j of g[j] exp(x[i] - out[j])``, the positive and the negative g apart, as logarithms."""

    def part(g: Tensor) -> Tensor:
        positive = gt(g, 0)
        nothing = -1e4 if x.dtype == np.float16 else -1e30  # for the logarithm of 0; finite, so that no NaN comes of it
        logarithm = sub(where(positive, log(where(positive, g, 1.0)), nothing), out)
        return exp(add(x, _logcumsumexp(logarithm, dim=dim, reverse=not reverse)))

    return sub(part(g), part(neg(g)))


_logcumsumexp.defvjp(x=_logcumsumexp_rule)


# ------------------------------------------------------------------------------------ order


class Ordered(NamedTuple):
    """Values and where they came from along the dim."""

    values: Tensor
    indices: Tensor


@primitive
def _argsort(x: Array, *, dim: int, descending: bool) -> Array:
    if descending:
        out: Array = x.shape[dim] - 1 - np.flip(np.argsort(np.flip(x, dim), dim, kind="stable"), dim)
        return out
    return np.argsort(x, dim, kind="stable")


def argsort(x: Tensor, dim: int = -1, descending: bool = False, stable: bool = True) -> Tensor:
    """Return the indices (int64) that sort `x` along `dim`, equal elements in their order; NaN counts as largest.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.argsort(ag.tensor([3.0, 1.0, 2.0]))
    tensor([1, 2, 0])
    """
    dim = normalized_dim(dim, x.ndim, "argsort")
    return _argsort(x if x.ndim else reshape(x, (1,)), dim=dim, descending=descending).reshape(x.array.shape)


def sort(x: Tensor, dim: int = -1, descending: bool = False, stable: bool = True) -> Ordered:
    """Return ``(values, indices)`` of `x` sorted along `dim`.

    Equal elements keep their order, NaN counts as largest.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> values, places = ag.sort(ag.tensor([3.0, 1.0, 2.0]), descending=True)
    >>> values, places
    (tensor([3., 2., 1.]), tensor([0, 2, 1]))
    """
    indices = argsort(x, dim, descending)
    return Ordered(take_along_dim(x, indices, dim), indices)


@primitive
def _top_indices(x: Array, *, k: int, dim: int, largest: bool) -> Array:
    if k == 0:
        return np.zeros([0 if i == dim else n for i, n in enumerate(x.shape)], np.int64)
    order = _argsort.forward(x, dim=dim, descending=largest)
    return np.ascontiguousarray(order[(slice(None),) * dim + (slice(k),)])


def topk(x: Tensor, k: int, dim: int = -1, largest: bool = True, sorted: bool = True) -> Ordered:
    """Return ``(values, indices)`` of the `k` largest (or smallest) elements along `dim`, the largest first.

    Among equals the first one is taken, and gets the gradient.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.topk(ag.tensor([3.0, 1.0, 2.0]), 2)
    Ordered(values=tensor([3., 2.]), indices=tensor([0, 2]))
    """
    dim = normalized_dim(dim, x.ndim, "topk")
    size = x.array.shape[dim] if x.ndim else 1
    if not 0 <= k <= size:
        raise RuntimeError(f"topk(): k must be from 0 to the size {size} of dim {dim} (k={k}, x.shape={x.shape})")
    if not x.ndim:
        return Ordered(reshape(x, ()), wrap(np.zeros((), np.int64)))
    indices = _top_indices(x, k=k, dim=dim, largest=largest)
    return Ordered(take_along_dim(x, indices, dim), indices)


def kthvalue(x: Tensor, k: int, dim: int = -1, keepdim: bool = False) -> Ordered:
    """Return ``(values, indices)`` of the `k`-th smallest element along `dim` (from 1).

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.kthvalue(ag.tensor([3.0, 1.0, 2.0]), 2)
    Ordered(values=tensor(2.), indices=tensor(2))
    """
    dim = normalized_dim(dim, x.ndim, "kthvalue")
    size = x.array.shape[dim] if x.ndim else 1
    if not 1 <= k <= size:
        raise RuntimeError(f"kthvalue(): k must be from 1 to the size {size} of dim {dim} (k={k}, x.shape={x.shape})")
    indices = argsort(x, dim)
    if not x.ndim:
        return Ordered(x, indices)
    indices = _narrow(indices, dim=dim, start=k - 1, stop=k)
    values = take_along_dim(x, indices, dim)
    return Ordered(values, indices) if keepdim else Ordered(squeeze(values, dim), squeeze(indices, dim))


@primitive
def _middle(x: Array, *, dim: int) -> Array:
    """Return where along `dim` the median is, or the first NaN; of an even number of elements the lower middle one."""
    middle = np.take(np.argsort(x, dim, kind="stable"), [(x.shape[dim] - 1) // 2], dim)
    if x.dtype.kind != "f":
        return middle
    isnan = np.isnan(x)
    return np.where(isnan.any(dim, keepdims=True), np.argmax(isnan, dim, keepdims=True), middle)


@overload
def median(x: Tensor, dim: None = ..., keepdim: bool = ...) -> Tensor: ...


@overload
def median(x: Tensor, dim: int, keepdim: bool = ...) -> Ordered: ...


def median(x: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor | Ordered:
    """Return the median, of an even number of elements the lower one of the middle; along a dim ``(values, indices)``.

    The gradient goes to one element. NaN is returned where there is one.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.median(ag.tensor([3.0, 1.0, 2.0, 4.0]))  # the lower of the two in the middle
    tensor(2.)
    """
    if dim is None:
        flat = reshape(x, (math.prod(x.array.shape),))
        return median(flat, 0)[0] if flat.array.shape[0] else wrap(np.asarray(math.nan, flat.dtype))
    dim = normalized_dim(dim, x.ndim, "median")
    size = x.array.shape[dim] if x.ndim else 1
    if size == 0:
        raise RuntimeError(f"median(): cannot reduce over no elements (x.shape={x.shape}, dim={dim})")
    if not x.ndim:
        return Ordered(x, argsort(x, dim))
    middle = _middle(x, dim=dim)
    values = take_along_dim(x, middle, dim)
    return Ordered(values, middle) if keepdim else Ordered(squeeze(values, dim), squeeze(middle, dim))


# ------------------------------------------------------------------------------------ sets and bins


def unique(
    x: Tensor, sorted: bool = True, return_inverse: bool = False, return_counts: bool = False, dim: int | None = None
) -> TensorOrTuple:
    """Return the different elements of `x`, sorted; not differentiable.

    Returns
    -------
    Tensor, or a tuple
        With `return_inverse` the index of each element among them, with `return_counts` how often each occurs.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.unique(ag.tensor([3, 1, 3, 2]))
    tensor([1, 2, 3])
    """
    dim = None if dim is None else normalized_dim(dim, x.ndim, "unique")
    if x.dtype.kind not in "fiub":
        raise TypeError(f"unique(): expects numbers or booleans (dtype={x.dtype})")
    note_read(x, "unique()")
    array = np.asarray(x.array, x.dtype.newbyteorder("="))
    values, inverse, counts = np.unique(array, return_inverse=True, return_counts=True, axis=dim)
    shape = x.array.shape if dim is None else (x.shape[dim],)
    results = [wrap(values)]
    results += [wrap(inverse.reshape(shape).astype(np.int64))] if return_inverse else []
    results += [wrap(counts.astype(np.int64))] if return_counts else []
    return tuple(results) if len(results) > 1 else results[0]


def unique_consecutive(
    x: Tensor, return_inverse: bool = False, return_counts: bool = False, dim: int | None = None
) -> TensorOrTuple:
    """Return the first of each run of equal elements, or of equal slices along `dim`; not differentiable.

    Returns
    -------
    Tensor, or a tuple
        With `return_inverse` the number of the run of each element, with `return_counts` how long each run is.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.unique_consecutive(ag.tensor([1, 1, 2, 1]), return_counts=True)
    (tensor([1, 2, 1]), tensor([2, 1, 1]))
    """
    dim = None if dim is None else normalized_dim(dim, x.ndim, "unique_consecutive")
    note_read(x, "unique_consecutive()")
    array = x.array.reshape(-1) if dim is None else x.array
    along = np.moveaxis(array, dim or 0, 0)
    differs = (along[1:] != along[:-1]).any(axis=tuple(range(1, along.ndim)))
    begins = np.concatenate([np.ones(min(len(along), 1), bool), differs])
    results = [wrap(np.compress(begins, array, axis=dim or 0))]
    inverse = begins.cumsum() - 1
    results += [wrap(inverse.reshape(x.array.shape) if dim is None else inverse)] if return_inverse else []
    results += [wrap(np.diff(np.append(np.flatnonzero(begins), len(along))))] if return_counts else []
    return tuple(results) if len(results) > 1 else results[0]


def bincount(x: Tensor, weights: Tensor | None = None, minlength: int = 0) -> Tensor:
    """Return how often (or with what total weight) each integer from 0 occurs in a 1-D tensor; not differentiable.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.bincount(ag.tensor([0, 2, 2]))
    tensor([1, 0, 2])
    """
    array = _integers(x, "bincount", "x").array
    if array.ndim != 1 or (array.size and array.min() < 0):
        raise RuntimeError(f"bincount(): expects one dim of integers >= 0 (x.shape={array.shape})")
    note_read(x, "bincount()")
    note_read(weights, "bincount()")
    counts = np.bincount(array, None if weights is None else weights.array, minlength)
    return wrap(counts.astype(weights.dtype) if weights is not None and weights.dtype == np.float32 else counts)


def histc(x: Tensor, bins: int = 100, min: float = 0, max: float = 0) -> Tensor:
    """Return how many elements fall in each of `bins` equal intervals of [min, max] (of the data where both are 0).

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.histc(ag.tensor([1.0, 2.0, 2.0, 4.0]), bins=4, min=0, max=4)
    tensor([0., 1., 2., 1.])
    """
    if bins < 1 or min > max:
        raise RuntimeError(f"histc(): bins must be positive and min at most max (bins={bins}, min={min}, max={max})")
    note_read(x, "histc()")
    array = x.array
    low, high = (array.min(), array.max()) if min == max == 0 and array.size else (min, max)
    low, high = (low - 1, high + 1) if low == high else (low, high)
    return wrap(np.histogram(array, bins, (low, high))[0].astype(x.dtype.newbyteorder("=")))
