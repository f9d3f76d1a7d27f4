"""Batch norm over a batch that is in several places: what each place has of a sum is joined with what others have.

While `joining` names a join in a thread, `batch_norm` in training takes its statistics through it, and so does the
gradient. `parallel` is who does that.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

import numpy as np

from ..engine.primitive import primitive
from ..kernels import norm as kernels
from ..typing import Array, Gradients, Tensor

__all__ = ["joined_batch_norm", "joining"]


class _Joining(threading.local):
    """Of each thread: what joins its statistics and sums with those of the other places, or None."""

    statistics: Callable[[Array], Array] | None = None  # of (count, *means, *sums of squared deviations)
    sums: Callable[[Array], Array] | None = None
    moves: bool = True  # whether this place moves the running statistics
    later: Callable[[Array], Array] | None = None  # as `sums`, for gradients that are computed after the join has ended


joining = _Joining()
STATISTICS, SUMS = "statistics of a batch norm", "sums of a batch norm"  # what is joined, for messages


def _column(values: Array, x: Array) -> Array:
    return values.reshape(1, -1, *(1,) * (x.ndim - 2))


def own_statistics(x: Array, places: int = 1) -> Array:
    """Return what each place has of the statistics: (places, 1 + 2 C), of count, means, sums of squared deviations.

    The samples of all places lie one after the other, as many in each.
    """
    wide = _apart(x, places).astype(np.float64)
    over = (1, *range(3, wide.ndim))
    n = x.size // (x.shape[1] * places) if x.shape[1] else 0
    mean = wide.sum(over) / max(n, 1)
    wide -= mean.reshape(places, 1, -1, *(1,) * (x.ndim - 2))
    np.square(wide, out=wide)
    return np.concatenate([np.full((places, 1), n), mean, wide.sum(over)], axis=1)


def _apart(x: Array, places: int) -> Array:
    return x.reshape(places, len(x) // places, *x.shape[1:])


def normalized(
    x: Array, weight: Array | None, bias: Array | None, joined: Array, *, eps: float
) -> tuple[Array, Array, Array, Array]:
    """Return `x` normalized by joined statistics, mean and reciprocal standard deviation, and the number of values."""
    count = joined[:1]
    mean, squares = joined[1:].reshape(2, -1)
    rstd = 1 / np.sqrt(squares / max(count[0], 1) + eps)
    mean, rstd = mean.astype(x.dtype), rstd.astype(x.dtype)
    return kernels.normalize(x, weight, bias, mean, rstd), mean, rstd, count


def own_sums(g: Array, h: Array, places: int = 1) -> Array:
    """Return what each place has of the sums of a gradient, and of its products with `h`: (places, 2, C)."""
    wide, products = _apart(g, places), _apart(g * h, places)
    over = (1, *range(3, wide.ndim))
    return np.stack([wide.sum(over, dtype=np.float64), products.sum(over, dtype=np.float64)], axis=1)


def unscaled(x: Array, mean: Array, rstd: Array) -> Array:
    """Return `x` normalized, without weight and bias."""
    h = x - _column(mean, x)
    h *= _column(rstd, x)
    return h


def input_gradient(g: Array, h: Array, weight: Array | None, rstd: Array, count: Array, sums: Array) -> Array:
    """Return the gradient in `x` by joined sums; `h` is `x` normalized, and is written into."""
    mean_g, mean_gh = (sums / max(count[0], 1)).astype(h.dtype)
    gx: Array = g - _column(mean_g, h)
    h *= _column(mean_gh, h)
    gx -= h
    gx *= _column(rstd if weight is None else rstd * weight, h)
    return gx


@primitive(results="out mean rstd count")
def _joined_norm(
    x: Array, weight: Array | None, bias: Array | None, *, eps: float
) -> tuple[Array, Array, Array, Array]:
    """Return `x` normalized by joined statistics, mean and reciprocal standard deviation, and the number of values."""
    assert joining.statistics is not None
    return normalized(x, weight, bias, joining.statistics(own_statistics(x)[0]), eps=eps)


@primitive(results="gx gweight gbias")
def _joined_norm_input(
    g: Array, x: Array, weight: Array | None, mean: Array, rstd: Array, count: Array
) -> tuple[Array, Array, Array]:
    """Return the gradients of `_joined_norm`: of x by joined sums; of weight and bias the part of this place."""
    sums = joining.sums or joining.later
    assert sums is not None
    h = unscaled(x, mean, rstd)
    own = own_sums(g, h)[0]
    gx = input_gradient(g, h, weight, rstd, count, sums(own))
    return gx, own[1].astype(x.dtype), own[0].astype(x.dtype)


@_joined_norm.defvjps
def _joined_norm_rule(
    g: Tensor, x: Tensor, weight: Tensor | None, mean: Tensor, rstd: Tensor, count: Tensor, needs: Sequence[bool]
) -> Gradients:
    return list(_joined_norm_input(g, x, weight, mean, rstd, count))


def joined_batch_norm(
    x: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float
) -> tuple[Tensor, Tensor, Tensor, int]:
    """Return `x` normalized by joined statistics, these (mean and rstd), and over how many values they are."""
    out, mean, rstd, count = _joined_norm(x, weight, bias, eps=eps)
    return out, mean, rstd, int(count.array[0])
