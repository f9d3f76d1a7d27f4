"""Statistics composed of reductions and sorting: extremes, sums without NaN, quantiles, differences."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..engine import Variable, wrap
from ..typing import Tensor
from . import elementwise, linalg, reduce, scan, shape

__all__ = ["aminmax", "corrcoef", "cov", "diff", "nanmean", "nansum", "quantile"]


def aminmax(input: Tensor, *, dim: int | None = None, keepdim: bool = False) -> tuple[Tensor, Tensor]:
    """Return the smallest and the largest elements, of all or along a dim; ties share the gradient."""
    return reduce.amin(input, dim, keepdim), reduce.amax(input, dim, keepdim)


def nansum(input: Tensor, dim: Any = None, keepdim: bool = False) -> Tensor:
    """Return the sum of the elements that are not NaN."""
    return reduce.sum(elementwise.masked_fill(input, elementwise.isnan(input), 0), dim, keepdim)


def nanmean(input: Tensor, dim: Any = None, keepdim: bool = False) -> Tensor:
    """Return the mean of the elements that are not NaN."""
    count = reduce.sum(elementwise.logical_not(elementwise.isnan(input)), dim, keepdim)
    return nansum(input, dim, keepdim) / count


def quantile(input: Tensor, q: Any, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """Return quantiles, interpolated linearly between the two neighbours in order, which share the gradient.

    Parameters
    ----------
    input : Tensor
    q : float or Tensor of shape (Q,)
        From 0 to 1; the quantiles of a tensor `q` are the first dim of the result.
    dim : int, optional
        All elements where it is not given.
    keepdim : bool
    """
    wanted = np.asarray(q.array if isinstance(q, Variable) else q, np.float64)
    if wanted.ndim > 1 or not ((wanted >= 0) & (wanted <= 1)).all():
        raise RuntimeError(f"quantile(): q must be numbers from 0 to 1 in at most one dim (q={wanted.tolist()})")
    ordered = scan.sort(shape.reshape(input, (-1,)) if dim is None else input, -1 if dim is None else dim)[0]
    ordered = shape.movedim(ordered, -1 if dim is None else dim, 0)
    position = np.atleast_1d(wanted) * (len(ordered) - 1)
    low = np.floor(position).astype(np.int64)
    if getattr(q, "requires_grad", False):
        places = elementwise.sub(elementwise.mul(shape.reshape(q, (-1,)), float(len(ordered) - 1)), low.astype(q.dtype))
        share = shape.reshape(shape.to_dtype(places, input.dtype), (-1, *[1] * (ordered.ndim - 1)))
    else:
        share = wrap((position - low).astype(input.dtype).reshape(-1, *[1] * (ordered.ndim - 1)))
    out = elementwise.lerp(ordered[low], ordered[np.ceil(position).astype(np.int64)], share)
    if keepdim:
        out = shape.reshape(out, (len(out), *[1] * input.ndim)) if dim is None else shape.unsqueeze(
            out, dim + 1 if dim >= 0 else dim)
    return out if wanted.ndim else out[0]


def diff(input: Tensor, n: int = 1, dim: int = -1) -> Tensor:
    """Return the differences of neighbours along a dim, taken `n` times."""
    if n < 0:
        raise RuntimeError(f"diff(): n must not be negative (n={n})")
    for _ in range(n):
        length = input.shape[shape.normalized_dim(dim, input.ndim, "diff")]
        if length == 0:
            return input
        input = shape.narrow(input, dim, 1, length - 1) - shape.narrow(input, dim, 0, length - 1)
    return input


def cov(input: Tensor, *, correction: int = 1) -> Tensor:
    """Return the covariances of variables in rows, (D, N) to (D, D), divided by ``N - correction``."""
    if input.ndim > 2:
        raise RuntimeError(f"cov(): expects at most two dims (input.shape={input.shape})")
    rows = shape.reshape(input, (1, -1)) if input.ndim < 2 else input
    centred = elementwise.sub(rows, reduce.mean(rows, 1, keepdim=True))
    out = elementwise.div(linalg.matmul(centred, shape.transpose(centred, 0, 1)), float(rows.shape[1] - correction))
    return out if input.ndim == 2 else shape.reshape(out, ())


def corrcoef(input: Tensor) -> Tensor:
    """Return Pearson's correlations of variables in rows, (D, N) to (D, D)."""
    covariances = cov(input)
    if not covariances.ndim:
        return elementwise.div(covariances, covariances)
    deviations = elementwise.sqrt(shape.diagonal(covariances))
    return elementwise.div(elementwise.div(covariances, shape.unsqueeze(deviations, 1)), shape.unsqueeze(deviations, 0))
