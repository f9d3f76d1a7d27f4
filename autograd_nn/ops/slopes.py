"""Integrals and derivatives of samples, and statistics that pass over NaN or count equal elements."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..engine import Variable, get_default_dtype, note_read, primitive, wrap
from ..typing import Array, Number, Tensor
from . import distance, scan
from .arithmetic import alike
from .elementwise import add, div, gt, isnan, lerp, mul, sub, where
from .index import take_along_dim
from .reduce import sum
from .scan import Ordered
from .shape import cat, movedim, narrow, normalized_dim, reshape, squeeze, to_dtype, unsqueeze

__all__ = ["cumulative_trapezoid", "gradient", "mode", "nanmedian", "nanquantile", "renorm", "trapezoid"]

# ------------------------------------------------------------------------------------ samples of functions


def _strips(operation: str, y: Tensor, x: Tensor | None, dx: Number, dim: int) -> tuple[Tensor, int]:
    """Return the areas between neighbouring samples along a dim, moved to the end."""
    if not y.ndim:
        raise RuntimeError(f"{operation}(): y must have at least one dim (y.shape=())")
    dim = normalized_dim(dim, y.ndim, operation)
    y, x = alike(y, x)
    y = movedim(y if y.dtype.kind in "fc" else to_dtype(y, get_default_dtype()), dim, -1)
    n = y.array.shape[-1]
    if n == 0:
        return y, dim
    means = div(add(narrow(y, -1, 1, n - 1), narrow(y, -1, 0, n - 1)), 2.0)
    if x is None:
        return mul(means, dx), dim
    x = movedim(x, dim, -1) if x.ndim == y.ndim else x
    if x.shape[-1] != n:
        raise RuntimeError(f"{operation}(): x needs as many elements as y along dim {dim} (x.shape={x.shape}, "
                           f"y.shape={y.shape})")
    return mul(means, sub(narrow(x, -1, 1, n - 1), narrow(x, -1, 0, n - 1))), dim


def trapezoid(y: Tensor, x: Tensor | None = None, *, dx: Number = 1, dim: int = -1) -> Tensor:
    """Return the integral of samples by the trapezoidal rule, differentiable in `y` and `x`.

    Parameters
    ----------
    y : Tensor
    x : Tensor of shape (n,) or of the shape of `y`, optional
        Where the samples were taken.
    dx : float
        Their distance, without `x`.
    dim : int

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.trapezoid(ag.tensor([1.0, 2.0, 3.0])).item()
    4.0
    """
    return sum(_strips("trapezoid", y, x, dx, dim)[0], -1)


def cumulative_trapezoid(y: Tensor, x: Tensor | None = None, *, dx: Number = 1, dim: int = -1) -> Tensor:
    """Return the integral up to each sample but the first, by the trapezoidal rule; parameters as for `trapezoid`.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.cumulative_trapezoid(ag.tensor([1.0, 2.0, 3.0])).tolist()
    [1.5, 4.0]
    """
    areas, dim = _strips("cumulative_trapezoid", y, x, dx, dim)
    return movedim(scan.cumsum(areas, -1), -1, dim)


def _slope(y: Tensor, spacing: Any, edge_order: int) -> Tensor:
    """Return the derivative along the last dim, given the distance of samples or where they were taken."""
    n = y.array.shape[-1]
    if isinstance(spacing, Variable):
        places: Any = spacing
        places = places if places.dtype.kind in "fc" else to_dtype(places, y.dtype)
        steps = sub(narrow(places, 0, 1, n - 1), narrow(places, 0, 0, n - 1))
    else:
        steps = wrap(np.full(n - 1, spacing, y.dtype))
    slopes = div(sub(narrow(y, -1, 1, n - 1), narrow(y, -1, 0, n - 1)), steps)  # between neighbours
    if n == 2:
        return cat([slopes, slopes], -1)
    before, after = narrow(steps, 0, 0, n - 2), narrow(steps, 0, 1, n - 2)
    left, right = narrow(slopes, -1, 0, n - 2), narrow(slopes, -1, 1, n - 2)
    bends = div(sub(right, left), add(before, after))
    if isinstance(spacing, Variable):
        inner = add(left, mul(bends, before))
    else:  # of equal distances the element in the middle has no share, not even one that is infinite
        inner = div(sub(narrow(y, -1, 2, n - 2), narrow(y, -1, 0, n - 2)), 2 * float(spacing))
    first, last = narrow(slopes, -1, 0, 1), narrow(slopes, -1, n - 2, 1)
    if edge_order == 2:
        first = sub(first, mul(narrow(bends, -1, 0, 1), narrow(steps, 0, 0, 1)))
        last = add(last, mul(narrow(bends, -1, n - 3, 1), narrow(steps, 0, n - 2, 1)))
    return cat([first, inner, last], -1)


def gradient(
    input: Tensor, *, spacing: Any = 1, dim: int | Sequence[int] | None = None, edge_order: int = 1
) -> tuple[Tensor, ...]:
    """Return the derivatives of samples along each dim: second-order differences inside, one-sided ones at the edges.

    Parameters
    ----------
    input : Tensor
    spacing : float, sequence of float, or sequence of Tensor (n,)
        The distance of samples, one for all dims or each; or where they were taken.
    dim : int or sequence of int, optional
        All dims by default.
    edge_order : {1, 2}

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.gradient(ag.tensor([1.0, 4.0, 9.0, 16.0]))[0].tolist()
    [3.0, 4.0, 6.0, 7.0]
    """
    dims = range(input.ndim) if dim is None else [dim] if isinstance(dim, int) else dim
    places = [normalized_dim(d, input.ndim, "gradient") for d in dims]
    spacing = 1 if spacing is None else spacing
    spacings = list(spacing) if isinstance(spacing, list | tuple) else [spacing] * len(places)
    if len(spacings) != len(places) or edge_order not in (1, 2):
        raise RuntimeError(f"gradient(): spacing needs one entry per dim, and edge_order is 1 or 2 (spacing={spacing}, "
                           f"dim={dim}, edge_order={edge_order})")
    for d in places:
        if input.array.shape[d] < edge_order + 1:
            raise RuntimeError(f"gradient(): needs at least {edge_order + 1} samples along each dim "
                               f"(input.shape={input.shape}, edge_order={edge_order})")
    if input.dtype.kind not in "fc":
        kinds = [h.array.dtype for h in spacings if isinstance(h, Variable)]
        input = to_dtype(input, next((dtype for dtype in kinds if dtype.kind == "f"), get_default_dtype()))
    return tuple(movedim(_slope(movedim(input, d, -1), h, edge_order), -1, d) for d, h in zip(places, spacings))


# ------------------------------------------------------------------------------------ statistics


@primitive
def _middle_of(absent: Array) -> Array:
    """Return the place of the lower middle element in order, NaN left out."""
    counts = (~absent).sum(-1, keepdims=True)
    middle: Array = np.maximum(counts - 1, 0) // 2
    return middle


def _ordered_to_the_end(operation: str, input: Tensor, dim: int | None) -> tuple[Tensor, Tensor, int]:
    """Return elements in order along the last dim, their places before, and where the dim stood."""
    if dim is None or not input.ndim:
        input, dim = reshape(input, (-1,)), 0
    dim = normalized_dim(dim, input.ndim, operation)
    return (*scan.sort(movedim(input, dim, -1), -1), dim)


def nanmedian(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Any:
    """Return the median, the lower of two middle elements, NaN left out; along a dim with its index.

    The chosen element has the gradient. NaN if there is nothing else.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.nanmedian(ag.tensor([1.0, float("nan"), 3.0, 2.0])).item()
    2.0
    """
    values, indices, at = _ordered_to_the_end("nanmedian", input, dim)
    if not values.shape[-1]:
        return scan.median(input, dim, keepdim)  # which answers for nothing
    middle = _middle_of(isnan(values))
    found = [take_along_dim(x, middle, -1) for x in (values, indices)]
    if dim is None or not input.ndim:
        out = [reshape(x, ()) for x in found]
    else:
        out = [movedim(x, -1, at) if keepdim else squeeze(x, -1) for x in found]
    return out[0] if dim is None else Ordered(*out)


@primitive(results="low high share")
def _quantile_places(absent: Array, q: Array, *, interpolation: str, dtype: np.dtype[Any]) -> tuple[Array, ...]:
    """Return which two elements in order a quantile lies between, and the share of the second."""
    position = q * np.maximum((~absent).sum(-1, keepdims=True) - 1, 0)
    position = {"lower": np.floor, "higher": np.ceil, "nearest": np.rint}.get(interpolation, np.positive)(position)
    low = np.floor(position)
    share = position - low
    if interpolation == "midpoint":
        share = np.where(share > 0, 0.5, 0.0)
    return low.astype(np.int64), np.ceil(position).astype(np.int64), share.astype(dtype)


def nanquantile(
    input: Tensor, q: Any, dim: int | None = None, keepdim: bool = False, *, interpolation: str = "linear"
) -> Tensor:
    """Return quantiles of the elements that are not NaN; parameters and gradients as for `quantile`.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.nanquantile(ag.tensor([1.0, float("nan"), 3.0]), 0.5).item()
    2.0
    """
    note_read(q, "nanquantile()")
    if isinstance(q, Variable) and q.requires_grad:
        raise RuntimeError("nanquantile(): q has no gradient here; use q.detach()")
    wanted = np.asarray(q.array if isinstance(q, Variable) else q, np.float64)
    if wanted.ndim > 1 or not ((wanted >= 0) & (wanted <= 1)).all():
        raise RuntimeError(f"nanquantile(): q must be numbers from 0 to 1 in at most one dim (q={wanted.tolist()})")
    if interpolation not in ("linear", "lower", "higher", "nearest", "midpoint"):
        raise RuntimeError("nanquantile(): interpolation must be 'linear', 'lower', 'higher', 'midpoint' or 'nearest' "
                           f"(interpolation={interpolation!r})")
    values, _, at = _ordered_to_the_end("nanquantile", input, dim)
    low, high, share = _quantile_places(isnan(values), wanted.reshape(-1), interpolation=interpolation,
                                        dtype=input.dtype)  # fmt: skip
    out = movedim(lerp(take_along_dim(values, low, -1), take_along_dim(values, high, -1), share), -1, 0)
    if keepdim and input.ndim:
        out = reshape(out, (out.array.shape[0], *[1] * input.ndim)) if dim is None else unsqueeze(out, at + 1)
    return out if wanted.ndim else squeeze(out, 0)


@primitive
def _most_frequent(ordered: Array) -> Array:
    """Return the place of the last of the elements that occur most often, the smallest among equals, in order."""
    n = ordered.shape[-1]
    fresh = np.ones(ordered.shape, bool)
    fresh[..., 1:] = ordered[..., 1:] != ordered[..., :-1]
    start = np.maximum.accumulate(np.where(fresh, np.arange(n), 0), -1)
    run = np.arange(n) - start
    place: Array = run.argmax(-1, keepdims=True)
    return place


def mode(input: Tensor, dim: int = -1, keepdim: bool = False) -> Ordered:
    """Return the most frequent element along a dim, the smallest among equals, and the index of its last place.

    That place has the gradient.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> values, indices = ag.mode(ag.tensor([1, 3, 3, 2]))
    >>> values.item(), indices.item()
    (3, 2)
    """
    values, indices, at = _ordered_to_the_end("mode", input, dim if input.ndim else None)
    if not values.array.shape[-1]:
        raise IndexError(f"mode(): expects elements along dim {dim} (input.shape={input.shape})")
    place = _most_frequent(values)
    found = [take_along_dim(x, place, -1) for x in (values, indices)]
    if not input.ndim:
        return Ordered(*[reshape(x, ()) for x in found])
    return Ordered(*[movedim(x, -1, at) if keepdim else squeeze(x, -1) for x in found])


def renorm(input: Tensor, p: float, dim: int, maxnorm: float) -> Tensor:
    """Return `input` with each slice along `dim` scaled down to a p-norm of at most `maxnorm`.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.renorm(ag.tensor([[3.0, 4.0], [0.3, 0.4]]), 2, 0, 1.0).round(decimals=4)
    tensor([[0.6, 0.8],
            [0.3, 0.4]])
    """
    dim = normalized_dim(dim, input.ndim, "renorm")
    if input.ndim < 2 or maxnorm < 0 or p <= 0:
        raise RuntimeError(f"renorm(): expects at least two dims, a positive p and maxnorm from 0 "
                           f"(input.shape={input.shape}, p={p}, maxnorm={maxnorm})")
    dims = tuple(d for d in range(input.ndim) if d != dim)
    above = gt(distance.norm(input.detach(), p, dims, True), maxnorm)
    sizes = distance.norm(where(above, input, 0.0), p, dims, True)  # the others have no gradient, not even NaN
    return mul(input, where(above, div(maxnorm, add(sizes, 1e-7)), 1.0))
