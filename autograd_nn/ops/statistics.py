"""Statistics composed of reductions and sorting: extremes, sums without NaN, quantiles, differences."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..engine import Variable, get_default_dtype, note_read, wrap
from ..typing import Tensor, TensorLike
from . import elementwise, linalg, reduce, scan, shape

__all__ = ["aminmax", "corrcoef", "cov", "diff", "nanmean", "nansum", "quantile"]


def aminmax(input: Tensor, *, dim: int | None = None, keepdim: bool = False) -> tuple[Tensor, Tensor]:
    """Return the smallest and the largest elements, of all or along a dim; ties share the gradient.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.aminmax(ag.tensor([3.0, 1.0, 2.0]))
    (tensor(1.), tensor(3.))
    """
    return reduce.amin(input, dim, keepdim), reduce.amax(input, dim, keepdim)


def nansum(input: Tensor, dim: Any = None, keepdim: bool = False) -> Tensor:
    """Return the sum of the elements that are not NaN.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.nansum(ag.tensor([1.0, float("nan"), 2.0]))
    tensor(3.)
    """
    return reduce.sum(elementwise.masked_fill(input, elementwise.isnan(input), 0), dim, keepdim)


def nanmean(input: Tensor, dim: Any = None, keepdim: bool = False) -> Tensor:
    """Return the mean of the elements that are not NaN.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.nanmean(ag.tensor([1.0, float("nan"), 3.0]))
    tensor(2.)
    """
    if input.dtype == np.float16:  # neither the sum nor the count need fit
        return shape.to_dtype(nanmean(shape.to_dtype(input, np.float32), dim, keepdim), np.float16)
    count = reduce.sum(elementwise.logical_not(elementwise.isnan(input)), dim, keepdim)
    return nansum(input, dim, keepdim) / count


def quantile(
    input: Tensor, q: TensorLike, dim: int | None = None, keepdim: bool = False, *, interpolation: str = "linear"
) -> Tensor:
    """Return quantiles, interpolated between the two neighbours in order, which share the gradient.

    NaN where one is among the elements.

    Parameters
    ----------
    input : Tensor
    q : float or Tensor of shape (Q,)
        From 0 to 1; the quantiles of a tensor `q` are the first dim of the result.
    dim : int, optional
        All elements where it is not given.
    keepdim : bool
    interpolation : {'linear', 'lower', 'higher', 'nearest', 'midpoint'}
        What is taken of the two neighbours; 'nearest' takes the even one of two that are equally near.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.quantile(ag.tensor([1.0, 2.0, 3.0, 4.0]), 0.5)
    tensor(2.5)
    """
    if interpolation not in ("linear", "lower", "higher", "nearest", "midpoint"):
        raise RuntimeError("quantile(): interpolation must be 'linear', 'lower', 'higher', 'nearest' or 'midpoint' "
                           f"(interpolation={interpolation!r})")
    if input.dtype.kind != "f":
        raise RuntimeError(f"quantile(): expects a floating-point tensor (dtype={input.dtype}); convert with .float()")
    note_read(q, "quantile()")
    wanted = np.asarray(q.array if isinstance(q, Variable) else q, np.float64)
    if wanted.ndim > 1 or not ((wanted >= 0) & (wanted <= 1)).all():
        raise RuntimeError(f"quantile(): q must be numbers from 0 to 1 in at most one dim (q={wanted.tolist()})")
    ordered = scan.sort(shape.reshape(input, (-1,)) if dim is None else input, -1 if dim is None else dim)[0]
    ordered = shape.movedim(ordered, -1 if dim is None else dim, 0) if ordered.ndim else shape.reshape(ordered, (1,))
    if not len(ordered):
        raise RuntimeError(f"quantile(): expects at least one element (input.shape={input.shape})")
    position = np.atleast_1d(wanted) * (len(ordered) - 1)
    chosen = {"lower": np.floor, "higher": np.ceil, "nearest": np.rint}.get(interpolation)
    position = position if chosen is None else chosen(position)
    low = np.floor(position).astype(np.int64)
    if interpolation == "midpoint":
        position = np.where(position > low, low + 0.5, position)
    if interpolation == "linear" and isinstance(q, Variable) and q.requires_grad:
        places = elementwise.sub(elementwise.mul(shape.reshape(q, (-1,)), float(len(ordered) - 1)), low.astype(q.dtype))
        share = shape.reshape(shape.to_dtype(places, input.dtype), (-1, *[1] * (ordered.ndim - 1)))
    else:
        share = wrap((position - low).astype(input.dtype).reshape(-1, *[1] * (ordered.ndim - 1)))
    out = elementwise.lerp(ordered[low], ordered[np.ceil(position).astype(np.int64)], share)
    out = elementwise.where(elementwise.isnan(ordered[-1]), math.nan, out)  # NaN is sorted last
    if keepdim and input.ndim:
        out = shape.reshape(out, (len(out), *[1] * input.ndim)) if dim is None else shape.unsqueeze(
            out, dim + 1 if dim >= 0 else dim)
    return out if wanted.ndim else out[0]


def diff(
    input: Tensor, n: int = 1, dim: int = -1, prepend: Tensor | None = None, append: Tensor | None = None
) -> Tensor:
    """Return the differences of neighbours along a dim, taken `n` times.

    Parameters
    ----------
    input : Tensor
    n, dim : int
    prepend, append : Tensor, optional
        Put before and after `input` along `dim` first.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.diff(ag.tensor([1.0, 4.0, 9.0]))
    tensor([3., 5.])
    """
    if n < 0:
        raise RuntimeError(f"diff(): n must not be negative (n={n})")
    if not input.ndim:
        raise RuntimeError("diff(): expects at least one dim (input.shape=())")
    if n and (prepend is not None or append is not None):
        input = shape.cat([x for x in (prepend, input, append) if x is not None], dim)
    for _ in range(n):
        length = input.array.shape[shape.normalized_dim(dim, input.ndim, "diff")]
        if length == 0:
            return input
        later, earlier = shape.narrow(input, dim, 1, length - 1), shape.narrow(input, dim, 0, length - 1)
        input = elementwise.logical_xor(later, earlier) if input.dtype == bool else later - earlier
    return input


def cov(
    input: Tensor, *, correction: int = 1, fweights: Tensor | None = None, aweights: Tensor | None = None
) -> Tensor:
    """Return the covariances of variables in rows, (D, N) to (D, D), divided by ``N - correction``.

    Parameters
    ----------
    input : Tensor of shape (D, N), (N,) or ()
    correction : int
    fweights : Tensor of int of shape (N,), optional
        How often each observation counts.
    aweights : Tensor of shape (N,), optional
        How much each observation weighs.

    Returns
    -------
    Tensor of shape (D, D), or () for one variable

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.cov(ag.tensor([[1.0, 2.0, 3.0], [2.0, 4.0, 6.0]]))
    tensor([[1., 2.],
            [2., 4.]])
    """
    if input.ndim > 2:
        raise RuntimeError(f"cov(): expects at most two dims (input.shape={input.shape})")
    rows = shape.reshape(input, (1, -1)) if input.ndim < 2 else input
    rows = rows if rows.dtype.kind == "f" else shape.to_dtype(rows, get_default_dtype())
    for name, weights in (("fweights", fweights), ("aweights", aweights)):
        note_read(weights, "cov()")
        if weights is not None and (weights.array.shape != rows.shape[1:] or (weights.array < 0).any()):
            raise RuntimeError(f"cov(): {name} must hold one number >= 0 for each observation ({name}.shape="
                               f"{weights.shape}, input.shape={input.shape})")
    if fweights is not None and fweights.dtype.kind not in "iu":
        raise RuntimeError(f"cov(): fweights must hold integers (dtype={fweights.dtype})")
    if fweights is None and aweights is None:
        centred = weighed = elementwise.sub(rows, reduce.mean(rows, 1, keepdim=True))
        freedom: Any = float(max(rows.array.shape[1] - correction, 0))
    else:
        weights = elementwise.mul(1 if fweights is None else fweights, 1 if aweights is None else aweights)
        weights = shape.to_dtype(weights, rows.dtype)
        total = reduce.sum(weights)
        centre = elementwise.div(reduce.sum(elementwise.mul(rows, weights), 1, keepdim=True), total)
        centred = elementwise.sub(rows, centre)
        weighed = elementwise.mul(centred, weights)
        lost: Any = correction if aweights is None else elementwise.mul(
            elementwise.div(reduce.sum(elementwise.mul(weights, aweights)), total), correction)
        freedom = shape.to_dtype(elementwise.clamp(elementwise.sub(total, lost), 0), rows.dtype)
    out = elementwise.div(linalg.matmul(weighed, shape.transpose(centred, 0, 1)), freedom)
    return out if out.array.shape != (1, 1) else shape.reshape(out, ())


def corrcoef(input: Tensor) -> Tensor:
    """Return Pearson's correlations of variables in rows, (D, N) to (D, D).

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.corrcoef(ag.tensor([[1.0, 2.0, 3.0], [3.0, 2.0, 1.0]]))
    tensor([[ 1., -1.],
            [-1.,  1.]])
    """
    covariances = cov(input)
    if not covariances.ndim:
        return elementwise.div(covariances, covariances)
    deviations = elementwise.sqrt(shape.diagonal(covariances))
    return elementwise.div(elementwise.div(covariances, shape.unsqueeze(deviations, 1)), shape.unsqueeze(deviations, 0))
