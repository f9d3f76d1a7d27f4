"""Normalization, and distances that build on it.

Batch and layer norm are fused kernels forward and backward. What the kernels leave besides their result (the mean
and the reciprocal standard deviation, the sums that are the gradients of weight and bias) they write into an array
given as a setting. Where the backward pass is itself recorded, the same gradient is composed of operations.
"""

import math

import numpy as np

from ..engine import is_grad_enabled, mark_changed, primitive, wrap
from ..kernels import norm as kernels
from .elementwise import abs, add, clamp, div, eq, mul, pow, rsqrt, sign, square, sub, where
from .pad import pad
from .reduce import _spread, amax, amin, count_nonzero, mean, sum
from .shape import normalized_dim, normalized_dims, reshape, unsqueeze

# ------------------------------------------------------------------------------------ gradients, composed


def _composed_gradients(g, x, weight, dims, affine_shape, eps):
    """Return the gradients in x, weight and bias of ``(x - mean) rstd weight + bias``, means over `dims`.

    With ``h = (x - mean) rstd`` and ``k = g weight``: ``gx = rstd (k - mean(k) - h mean(k h))``.
    """
    centred = sub(x, mean(x, dims, keepdim=True))
    rstd = rsqrt(add(mean(square(centred), dims, keepdim=True), eps))
    h = mul(centred, rstd)
    k = g if weight is None else mul(g, reshape(weight, affine_shape))
    gx = mul(rstd, sub(sub(k, mean(k, dims, keepdim=True)), mul(h, mean(mul(k, h), dims, keepdim=True))))
    others = tuple(i for i, n in enumerate(affine_shape) if n == 1)
    size = (math.prod(affine_shape),)
    return gx, reshape(sum(mul(g, h), others), size), reshape(sum(g, others), size)


def _wanted(gradients, needs):
    return [g if need else None for g, need in zip(gradients, needs)]


# ------------------------------------------------------------------------------------ batch norm


@primitive
def _batch_norm(x, weight, bias, *, eps, statistics):
    out, statistics[0], statistics[1] = kernels.batch_norm(x, weight, bias, eps=eps)
    return out


@primitive
def _batch_norm_input(g, x, weight, *, statistics, sums):
    if not x.size:
        sums[...] = 0
        return np.zeros_like(x)
    gx, sums[0], sums[1] = kernels.batch_norm_input(g, x, weight, statistics[0], statistics[1])
    return gx


def _batch_norm_rule(g, out, x, weight, bias, needs, eps, statistics):
    if is_grad_enabled():
        dims = (0, *range(2, x.ndim))
        shape = tuple(x.shape[1] if i == 1 else 1 for i in range(x.ndim))
        return _wanted(_composed_gradients(g, x, weight, dims, shape, eps), needs)
    sums = np.empty_like(statistics)
    gx = _batch_norm_input(g, x, weight, statistics=statistics, sums=sums)
    return _wanted((gx, wrap(sums[0]), wrap(sums[1])), needs)


_batch_norm.defvjps(_batch_norm_rule)


@primitive
def _normalize(x, weight, bias, *, mean, rstd):
    return kernels.normalize(x, weight, bias, mean, rstd)


def _normalize_rule(g, out, x, weight, bias, needs, mean, rstd):
    shape = (-1, *(1,) * (x.ndim - 2))
    rstd = rstd.reshape(shape)
    others = (0, *range(2, x.ndim))
    return [
        mul(g, rstd if weight is None else mul(reshape(weight, shape), rstd)) if needs[0] else None,
        sum(mul(g, mul(sub(x, mean.reshape(shape)), rstd)), others) if needs[1] else None,
        sum(g, others) if needs[2] else None,
    ]


_normalize.defvjps(_normalize_rule)


def _check_affine(x, weight, bias, shape, operation):
    for name, parameter in (("weight", weight), ("bias", bias)):
        if parameter is None:
            continue
        if parameter.shape != shape:
            raise RuntimeError(
                f"{operation}(): {name} must have shape {shape} ({name}.shape={parameter.shape}, x.shape={x.shape})"
            )
        if parameter.dtype != x.dtype:
            raise RuntimeError(
                f"{operation}(): all tensors must have one dtype (x: {x.dtype}, {name}: {parameter.dtype})"
            )
    if x.dtype.kind != "f":
        raise RuntimeError(f"{operation}(): expects a floating-point tensor (dtype={x.dtype})")


def batch_norm(x, running_mean, running_var, weight=None, bias=None, training=False, momentum=0.1, eps=1e-5):
    """Normalize each channel over the batch, ``(x - mean) / sqrt(var + eps) * weight + bias``.

    In training, mean and (biased) variance are those of the batch, and the running statistics move towards them in
    place, ``running = (1 - momentum) * running + momentum * new``, where the variance is taken unbiased. Otherwise
    the running statistics are used.

    Parameters
    ----------
    x : Tensor of shape (N, C) or (N, C, d1, ...)
    running_mean, running_var : Tensor of shape (C,), or None
    weight, bias : Tensor of shape (C,), optional
    training : bool
    momentum : float
        The weight of the new statistics.
    eps : float

    Raises
    ------
    ValueError
        One value per channel in training: its variance says nothing.

    References
    ----------
    S. Ioffe and C. Szegedy, 2015, arXiv:1502.03167.
    """
    if x.ndim < 2:
        raise RuntimeError(f"batch_norm(): expects at least two dims (x.shape={x.shape})")
    channels = x.shape[1]
    _check_affine(x, weight, bias, (channels,), "batch_norm")
    for name, running in (("running_mean", running_mean), ("running_var", running_var)):
        if running is not None and running.shape != (channels,):
            raise RuntimeError(
                f"batch_norm(): {name} must have shape ({channels},) ({name}.shape={running.shape}, x.shape={x.shape})"
            )
    if not training:
        if running_mean is None or running_var is None:
            raise RuntimeError(
                "batch_norm(): running_mean and running_var are needed where training is False "
                f"(running_mean={running_mean}, running_var={running_var})"
            )
        rstd = 1 / np.sqrt(running_var.data + running_var.dtype.type(eps))
        return _normalize(
            x, weight, bias, mean=running_mean.data.astype(x.dtype), rstd=rstd.astype(x.dtype, copy=False)
        )
    count = math.prod(x.shape) // channels if channels else 0
    if count == 1:
        raise ValueError(f"batch_norm(): expects more than 1 value per channel in training (x.shape={x.shape})")
    statistics = np.empty((2, channels), x.dtype)
    out = _batch_norm(x, weight, bias, eps=eps, statistics=statistics)
    if count:
        variance = np.maximum(1 / np.square(statistics[1], dtype=np.float64) - eps, 0) * (count / (count - 1))
        for running, new in ((running_mean, statistics[0]), (running_var, variance)):
            if running is not None:
                running.data[...] = running.data * (1 - momentum) + momentum * new
                mark_changed(running.data)
    return out


# ------------------------------------------------------------------------------------ layer norm and its kin


@primitive
def _layer_norm(x, weight, bias, *, eps, statistics):
    out, statistics[0], statistics[1] = kernels.layer_norm(x, weight, bias, eps=eps)
    return out


@primitive
def _layer_norm_input(g, x, weight, *, statistics, sums):
    gx, sums[0], sums[1] = kernels.layer_norm_input(g, x, weight, statistics[0], statistics[1])
    return gx


def _layer_norm_rule(g, out, x, weight, bias, needs, eps, statistics):
    if is_grad_enabled():
        return _wanted(_composed_gradients(g, x, weight, (1,), (1, x.shape[1]), eps), needs)
    sums = np.empty((2, x.shape[1]), g.dtype)
    gx = _layer_norm_input(g, x, weight, statistics=statistics, sums=sums)
    return _wanted((gx, wrap(sums[0]), wrap(sums[1])), needs)


_layer_norm.defvjps(_layer_norm_rule)


def _normalized_shape(x, normalized_shape, operation):
    shape = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
    if not shape or x.shape[x.ndim - len(shape) :] != shape or len(shape) > x.ndim:
        raise RuntimeError(
            f"{operation}(): the last dims of x must be normalized_shape (x.shape={x.shape}, normalized_shape={shape})"
        )
    return shape


def layer_norm(x, normalized_shape, weight=None, bias=None, eps=1e-5):
    """Normalize over the last dims, ``(x - mean) / sqrt(var + eps) * weight + bias`` with the biased variance.

    Parameters
    ----------
    x : Tensor of shape (..., *normalized_shape)
    normalized_shape : int or sequence of int
    weight, bias : Tensor of shape `normalized_shape`, optional
    eps : float

    References
    ----------
    J. Ba, J. Kiros and G. Hinton, 2016, arXiv:1607.06450.
    """
    shape = _normalized_shape(x, normalized_shape, "layer_norm")
    _check_affine(x, weight, bias, shape, "layer_norm")
    width = math.prod(shape)
    rows = math.prod(x.shape[: x.ndim - len(shape)])
    if len(shape) > 1:
        weight, bias = (p if p is None else reshape(p, (width,)) for p in (weight, bias))
    flat = x if x.ndim == 2 and len(shape) == 1 else reshape(x, (rows, width))
    out = _layer_norm(flat, weight, bias, eps=eps, statistics=np.empty((2, rows), x.dtype))
    return out if flat is x else reshape(out, x.shape)


def _channel_affine(x, weight, bias):
    shape = (-1, *(1,) * (x.ndim - 2))
    x = x if weight is None else mul(x, reshape(weight, shape))
    return x if bias is None else add(x, reshape(bias, shape))


def group_norm(x, num_groups, weight=None, bias=None, eps=1e-5):
    """Normalize over groups of channels of each example, then scale and shift each channel.

    Parameters
    ----------
    x : Tensor of shape (N, C, d1, ...)
    num_groups : int
        Divides C.
    weight, bias : Tensor of shape (C,), optional
    eps : float

    References
    ----------
    Y. Wu and K. He, 2018, arXiv:1803.08494.
    """
    if x.ndim < 2 or num_groups < 1 or x.shape[1] % num_groups:
        raise RuntimeError(
            f"group_norm(): num_groups must divide the channels (num_groups={num_groups}, x.shape={x.shape})"
        )
    _check_affine(x, weight, bias, (x.shape[1],), "group_norm")
    rows = x.shape[0] * num_groups
    width = math.prod(x.shape[1:]) // num_groups
    out = _layer_norm(reshape(x, (rows, width)), None, None, eps=eps, statistics=np.empty((2, rows), x.dtype))
    return _channel_affine(reshape(out, x.shape), weight, bias)


def instance_norm(
    x, running_mean=None, running_var=None, weight=None, bias=None, use_input_stats=True, momentum=0.1, eps=1e-5
):
    """Normalize each channel of each example over its positions (Ulyanov et al. 2016, arXiv:1607.08022).

    Parameters
    ----------
    x : Tensor of shape (N, C, d1, ...)
    running_mean, running_var : Tensor of shape (C,), optional
        Moved towards the mean over the batch of each example's statistics; used instead of those without
        `use_input_stats`.
    weight, bias, momentum, eps
        As for `batch_norm`.
    """
    if not use_input_stats:
        return batch_norm(x, running_mean, running_var, weight, bias, False, momentum, eps)
    if x.ndim < 3:
        raise RuntimeError(f"instance_norm(): expects at least three dims (x.shape={x.shape})")
    count = math.prod(x.shape[2:])
    if count == 1:
        raise ValueError(f"instance_norm(): expects more than 1 value per channel in training (x.shape={x.shape})")
    if running_mean is not None and running_var is not None:
        flat = x.data.reshape(*x.shape[:2], count)
        for running, new in ((running_mean, flat.mean(2)), (running_var, flat.var(2, ddof=1))):
            running.data[...] = running.data * (1 - momentum) + momentum * new.mean(0)
            mark_changed(running.data)
    return group_norm(x, x.shape[1], weight, bias, eps)


def rms_norm(x, normalized_shape, weight=None, eps=None):
    """Divide by the root mean square over the last dims, ``x / sqrt(mean(x**2) + eps) * weight``.

    Parameters
    ----------
    x : Tensor of shape (..., *normalized_shape)
    normalized_shape : int or sequence of int
    weight : Tensor of shape `normalized_shape`, optional
    eps : float, optional
        The machine epsilon of the dtype where it is not given.

    References
    ----------
    B. Zhang and R. Sennrich, 2019, arXiv:1910.07467.
    """
    shape = _normalized_shape(x, normalized_shape, "rms_norm")
    _check_affine(x, weight, None, shape, "rms_norm")
    dims = tuple(range(x.ndim - len(shape), x.ndim))
    eps = float(np.finfo(x.dtype).eps) if eps is None else eps
    out = mul(x, rsqrt(add(mean(square(x), dims, keepdim=True), eps)))
    return out if weight is None else mul(out, weight)


def local_response_norm(x, size, alpha=1e-4, beta=0.75, k=1.0):
    """Divide each channel by ``(k + alpha * mean of squares over `size` neighbouring channels) ** beta``.

    References
    ----------
    A. Krizhevsky, I. Sutskever and G. Hinton, NIPS 2012, section 3.3.
    """
    if x.ndim < 3:
        raise RuntimeError(f"local_response_norm(): expects at least three dims (x.shape={x.shape})")
    channels = x.shape[1]
    squares = pad(square(x), (0, 0) * (x.ndim - 2) + (size // 2, (size - 1) // 2))
    total = squares[:, :channels]
    for i in range(1, size):
        total = add(total, squares[:, i : i + channels])
    return div(x, pow(add(mul(total, alpha / size), k), beta))


# ------------------------------------------------------------------------------------ vector norms


@primitive
def _euclidean(x, *, dims, keepdim):
    return np.sqrt(np.square(x).sum(axis=dims, keepdims=keepdim))


def _reciprocal_or_zero(x):
    """Return 1 / x, and 0 where x is 0."""
    at_zero = eq(x, 0)
    return where(at_zero, 0.0, div(1.0, where(at_zero, 1.0, x)))


_euclidean.defvjp(lambda g, out, x, dims, keepdim: mul(x, _spread(mul(g, _reciprocal_or_zero(out)), x, dims)))


@primitive
def _p_norm(x, *, p, dims, keepdim):
    return (np.abs(x) ** x.dtype.type(p)).sum(axis=dims, keepdims=keepdim) ** x.dtype.type(1 / p)


def _p_norm_rule(g, out, x, p, dims, keepdim):
    at_zero = eq(out, 0)
    scale = where(at_zero, 0.0, mul(g, pow(where(at_zero, 1.0, out), 1 - p)))
    return mul(mul(sign(x), pow(abs(x), p - 1)), _spread(scale, x, dims))


_p_norm.defvjp(_p_norm_rule)


def norm(x, p="fro", dim=None, keepdim=False, dtype=None):
    """Return the vector norm ``sum(abs(x)**p) ** (1 / p)`` over `dim` (all dims for None).

    The gradient at 0 is 0; ties of the largest element (p=inf) share it evenly.

    Parameters
    ----------
    x : Tensor
    p : float, inf, -inf or 'fro'
        'fro' is 2; 0 counts the elements that are not 0.
    dim : int or tuple of int, optional
    keepdim : bool
    """
    x = x if dtype is None else x.to(dtype)
    if x.dtype.kind != "f":
        raise RuntimeError(f"norm(): expects a floating-point tensor (dtype={x.dtype})")
    dims = normalized_dims(dim, x.ndim, "norm")
    if p in ("fro", 2, None):
        return _euclidean(x, dims=dims, keepdim=keepdim)
    if not isinstance(p, int | float):
        raise ValueError(f"norm(): p must be a number or 'fro' (p={p!r})")
    if p == 1:
        return sum(abs(x), dims, keepdim) if x.ndim else abs(x)
    if math.isinf(p):
        return (amax if p > 0 else amin)(abs(x), dims, keepdim)
    if p == 0:
        return count_nonzero(x, dims, keepdim).to(x.dtype)
    return _p_norm(x, p=float(p), dims=dims, keepdim=keepdim)


def normalize(x, p=2.0, dim=1, eps=1e-12):
    """Return ``x / max(norm(x), eps)`` along `dim`."""
    return div(x, clamp(norm(x, p, dim, True), min=eps))


def cosine_similarity(x1, x2, dim=1, eps=1e-8):
    """Return ``<x1, x2> / (max(|x1|, eps) max(|x2|, eps))`` along `dim`; the two are broadcast together."""
    dots = sum(mul(x1, x2), dim)
    norms = [
        clamp(
            norm(x, 2, normalized_dim(dim, max(x1.ndim, x2.ndim), "cosine_similarity") - max(x1.ndim, x2.ndim)), min=eps
        )
        for x in (x1, x2)
    ]
    return div(dots, mul(*norms))


def pairwise_distance(x1, x2, p=2.0, eps=1e-6, keepdim=False):
    """Return ``norm(x1 - x2 + eps, p)`` along the last dim."""
    return norm(add(sub(x1, x2), eps), p, -1, keepdim)


def cdist(x1, x2, p=2.0):
    """Return the distances between all rows of `x1` (..., P, M) and of `x2` (..., R, M), of shape (..., P, R).

    The gradient at distance 0 is 0.
    """
    if x1.ndim < 2 or x2.ndim < 2 or x1.shape[-1] != x2.shape[-1]:
        raise RuntimeError(f"cdist(): both need rows of one length (x1.shape={x1.shape}, x2.shape={x2.shape})")
    return norm(sub(unsqueeze(x1, -2), unsqueeze(x2, -3)), p, -1)
