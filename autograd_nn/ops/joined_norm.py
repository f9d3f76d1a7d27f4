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


def _over(x: Array) -> tuple[int, ...]:
    return (0, *range(2, x.ndim))


def _column(values: Array, x: Array) -> Array:
    return values.reshape(1, -1, *(1,) * (x.ndim - 2))


@primitive(results="out mean rstd count")
def _joined_norm(
    x: Array, weight: Array | None, bias: Array | None, *, eps: float
) -> tuple[Array, Array, Array, Array]:
    """Return `x` normalized by joined statistics, mean and reciprocal standard deviation, and the number of values."""
    assert joining.statistics is not None
    wide = x.astype(np.float64)
    n = x.size // x.shape[1] if x.shape[1] else 0
    mean = wide.sum(_over(x)) / max(n, 1)
    wide -= _column(mean, x)
    np.square(wide, out=wide)
    joined = joining.statistics(np.concatenate([[n], mean, wide.sum(_over(x))]))
    count = joined[:1]
    mean, squares = joined[1:].reshape(2, -1)
    rstd = 1 / np.sqrt(squares / max(count[0], 1) + eps)
    mean, rstd = mean.astype(x.dtype), rstd.astype(x.dtype)
    return kernels.normalize(x, weight, bias, mean, rstd), mean, rstd, count


@primitive(results="gx gweight gbias")
def _joined_norm_input(
    g: Array, x: Array, weight: Array | None, mean: Array, rstd: Array, count: Array
) -> tuple[Array, Array, Array]:
    """Return the gradients of `_joined_norm`: of x by joined sums; of weight and bias the part of this place."""
    sums = joining.sums or joining.later
    assert sums is not None
    h = (x - _column(mean, x)) * _column(rstd, x)
    own = np.stack([g.sum(_over(x), dtype=np.float64), (g * h).sum(_over(x), dtype=np.float64)])
    mean_g, mean_gh = (sums(own) / max(count[0], 1)).astype(x.dtype)
    gx = g - _column(mean_g, x)
    h *= _column(mean_gh, x)
    gx -= h
    gx *= _column(rstd if weight is None else rstd * weight, x)
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
