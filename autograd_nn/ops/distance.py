"""Vector norms, and the similarities and distances of vectors."""

from __future__ import annotations

import math

import numpy as np

from ..engine import primitive
from ..typing import Array, Dims, DTypeLike, Tensor
from .decompositions import svdvals
from .elementwise import abs, add, clamp, div, eq, mul, pow, sign, sub, where, zeros_like
from .index import _index_select
from .reduce import _spread, added, amax, amin, sum
from .shape import broadcast_to, movedim, normalized_dim, normalized_dims, reshape, unsqueeze

__all__ = ["cdist", "cosine_similarity", "norm", "normalize", "pairwise_distance", "pdist"]


@primitive
def _euclidean(x: Array, *, dims: tuple[int, ...], keepdim: bool) -> Array:
    with np.errstate(over="ignore"):
        out: Array = np.sqrt(added(np.square(x), dims, keepdims=keepdim))
    if x.dtype.char in "ef" and not (np.isfinite(out) & (out > _LEAST[x.dtype.char])).all():  # squares left the range
        out = np.sqrt(added(np.square(x, dtype=np.float64), dims, keepdims=keepdim)).astype(x.dtype)
    return out


_LEAST = {"e": 0.1, "f": 1e-15}  # norms below which squares may have lost digits


_euclidean.defvjp(  # first the quotient, which is at most 1; where the norm is 0, x is 0
    x=lambda g, out, x, dims: mul(div(x, _spread(where(eq(out, 0), 1.0, out), x, dims)), _spread(g, x, dims))
)


@primitive
def _p_norm(x: Array, *, p: float, dims: tuple[int, ...], keepdim: bool) -> Array:
    with np.errstate(over="ignore", divide="ignore"):
        powers = (np.abs(x) ** x.dtype.type(p)).sum(axis=dims, keepdims=keepdim)
        if x.dtype.char in "ef" and not (np.isfinite(powers) & (powers > _LEAST[x.dtype.char] ** 2)).all():
            powers = (np.abs(x, dtype=np.float64) ** p).sum(axis=dims, keepdims=keepdim)
        out: Array = np.asarray(powers ** (1 / p), x.dtype)
    return out


def _p_norm_rule(g: Tensor, out: Tensor, x: Tensor, p: float, dims: tuple[int, ...]) -> Tensor:
    at_zero = eq(out, 0)
    size = abs(x) if p >= 1 else where(eq(x, 0), 1.0, abs(x))  # below 1 the power is infinite at 0, the gradient 0
    share = div(size, _spread(where(at_zero, 1.0, out), x, dims))  # powers of x and of out may leave the range
    return mul(mul(sign(x), pow(share, p - 1)), _spread(where(at_zero, 0.0, g), x, dims))


_p_norm.defvjp(x=_p_norm_rule)


@primitive
def _zero_norm(x: Array, *, dims: tuple[int, ...], keepdim: bool) -> Array:
    """Return how many elements are not 0, as numbers of the same dtype."""
    return np.asarray(np.count_nonzero(x, axis=dims, keepdims=keepdim), x.dtype)


_zero_norm.defvjp(x=lambda g, x: zeros_like(x))


def norm(
    input: Tensor,
    p: float | str | None = "fro",
    dim: Dims = None,
    keepdim: bool = False,
    dtype: DTypeLike | None = None,
) -> Tensor:
    """Return the vector norm ``sum(abs(input)**p) ** (1 / p)`` over `dim` (all dims for None).

    The gradient at 0 is 0; ties of the largest element (p=inf) share it evenly.

    Parameters
    ----------
    input : Tensor
    p : float, inf, -inf, 'fro' or 'nuc'
        'fro' is 2; 0 counts the elements that are not 0; 'nuc' is the sum of the singular values of matrices in two
        dims.
    dim : int or tuple of int, optional
    keepdim : bool

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.norm(ag.tensor([3.0, 4.0])), ag.norm(ag.tensor([3.0, -4.0]), 1)
    (tensor(5.), tensor(7.))
    """
    input = input if dtype is None else input.to(dtype)
    if input.dtype.kind == "c" and p != "nuc":
        input = abs(input)
    if input.dtype.kind not in "fc":
        raise RuntimeError(f"norm(): expects a floating-point tensor (dtype={input.dtype})")
    dims = normalized_dims(dim, input.ndim, "norm")
    if p in ("fro", 2, None):
        return _euclidean(input, dims=dims, keepdim=keepdim)
    if p == "nuc":
        return _nuclear(input, dims, keepdim)
    p = p.item() if isinstance(p, np.generic) else p
    if not isinstance(p, int | float):
        raise ValueError(f"norm(): p must be a number, 'fro' or 'nuc' (p={p!r})")
    if p == 1:
        return sum(abs(input), dims, keepdim) if input.ndim else abs(input)
    if math.isinf(p):
        return (amax if p > 0 else amin)(abs(input), dims, keepdim)
    if p == 0:
        return _zero_norm(input, dims=dims, keepdim=keepdim)
    return _p_norm(input, p=float(p), dims=dims, keepdim=keepdim)


def _nuclear(x: Tensor, dims: tuple[int, ...], keepdim: bool) -> Tensor:
    if len(dims) != 2:
        raise RuntimeError(f"norm(): p='nuc' needs two dims (input.shape={x.shape}, dim={dims})")
    out = sum(svdvals(movedim(x, dims, (-2, -1))), -1)
    return reshape(out, [1 if i in dims else n for i, n in enumerate(x.array.shape)]) if keepdim else out


def normalize(input: Tensor, p: float | str = 2.0, dim: Dims = 1, eps: float = 1e-12) -> Tensor:
    """Return ``input / max(norm(input), eps)`` along `dim`.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn.nn import functional as F
    >>> F.normalize(ag.tensor([[3.0, 4.0]]), dim=1)
    tensor([[0.6, 0.8]])
    """
    return div(input, clamp(norm(input, p, dim, True), min=eps))


def cosine_similarity(x1: Tensor, x2: Tensor, dim: int = 1, eps: float = 1e-8) -> Tensor:
    """Return ``<x1, x2> / (max(|x1|, eps) max(|x2|, eps))`` along `dim`; the two are broadcast together.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.cosine_similarity(ag.tensor([[1.0, 0.0]]), ag.tensor([[1.0, 1.0]]))
    tensor([0.7071])
    """
    try:
        shape = np.broadcast_shapes(x1.array.shape, x2.array.shape)
    except ValueError:
        raise RuntimeError("cosine_similarity(): shapes cannot be broadcast together "
                           f"(x1.shape={x1.shape}, x2.shape={x2.shape})") from None
    x1, x2 = (x if x.array.shape == shape else broadcast_to(x, shape) for x in (x1, x2))
    dim = normalized_dim(dim, len(shape), "cosine_similarity")
    units = [div(x, clamp(norm(x, 2, dim, keepdim=True), min=eps)) for x in (x1, x2)]  # no product of large numbers
    return sum(mul(*units), dim)


def pairwise_distance(x1: Tensor, x2: Tensor, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> Tensor:
    """Return ``norm(x1 - x2 + eps, p)`` along the last dim.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn.nn import functional as F
    >>> F.pairwise_distance(ag.tensor([[0.0, 0.0]]), ag.tensor([[3.0, 4.0]]))
    tensor([5.])
    """
    return norm(add(sub(x1, x2), eps), p, -1, keepdim)


def cdist(
    x1: Tensor, x2: Tensor, p: float = 2.0, compute_mode: str | None = "use_mm_for_euclid_dist_if_necessary"
) -> Tensor:
    """Return the distances between all rows of `x1` (..., P, M) and of `x2` (..., R, M), of shape (..., P, R).

    The gradient at distance 0 is 0. `compute_mode` is PyTorch's and changes nothing: differences are always taken
    before they are squared, so that close rows keep their distance.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.cdist(ag.tensor([[0.0, 0.0]]), ag.tensor([[3.0, 4.0], [0.0, 1.0]]))
    tensor([[5., 1.]])
    """
    if compute_mode not in (None, "use_mm_for_euclid_dist_if_necessary", "use_mm_for_euclid_dist",
                            "donot_use_mm_for_euclid_dist"):
        raise ValueError("cdist(): compute_mode must be 'use_mm_for_euclid_dist_if_necessary', "
                         f"'use_mm_for_euclid_dist' or 'donot_use_mm_for_euclid_dist' (compute_mode={compute_mode!r})")
    if x1.ndim < 2 or x2.ndim < 2 or x1.array.shape[-1] != x2.array.shape[-1]:
        raise RuntimeError(f"cdist(): both need rows of one length (x1.shape={x1.shape}, x2.shape={x2.shape})")
    return norm(sub(unsqueeze(x1, -2), unsqueeze(x2, -3)), p, -1)


def pdist(input: Tensor, p: float = 2.0) -> Tensor:
    """Return the distances between all pairs of rows i < j of a matrix (N, M), of shape (N (N - 1) / 2,).

    The gradient at distance 0 is 0.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.nn.functional.pdist(ag.tensor([[0.0], [3.0], [5.0]])).tolist()
    [3.0, 5.0, 2.0]
    """
    if input.ndim != 2:
        raise RuntimeError(f"pdist(): expects a matrix (input.shape={input.shape})")
    first, second = np.triu_indices(input.array.shape[0], 1)
    return norm(sub(_index_select(input, first, dim=0), _index_select(input, second, dim=0)), p, -1)
