"""Normalization of activations: batch, layer, group, instance and RMS norm.

Batch and layer norm are fused kernels forward and backward. What the kernels leave besides their result (the mean
and the reciprocal standard deviation, the sums that are the gradients of weight and bias) they write into an array
given as a setting. Where the backward pass is itself recorded, the same gradient is composed of operations.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from ..engine import is_grad_enabled, mark_changed, primitive, wrap
from ..kernels import norm as kernels
from ..typing import Array, Gradients, Shape, ShapeLike, Tensor
from .elementwise import add, div, mul, pow, rsqrt, square, sub
from .pad import pad
from .reduce import mean, sum
from .shape import reshape

# ------------------------------------------------------------------------------------ gradients, composed


def _composed_gradients(
    g: Tensor, x: Tensor, weight: Tensor | None, dims: tuple[int, ...], affine_shape: Shape, eps: float
) -> tuple[Tensor, Tensor, Tensor]:
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


def _wanted(gradients: Sequence[Tensor], needs: Sequence[bool]) -> Gradients:
    return [g if need else None for g, need in zip(gradients, needs)]


# ------------------------------------------------------------------------------------ batch norm


@primitive
def _batch_norm(x: Array, weight: Array | None, bias: Array | None, *, eps: float, statistics: Array) -> Array:
    out, statistics[0], statistics[1] = kernels.batch_norm(x, weight, bias, eps=eps)
    return out


@primitive
def _batch_norm_input(g: Array, x: Array, weight: Array | None, *, statistics: Array, sums: Array) -> Array:
    if not x.size:
        sums[...] = 0
        return np.zeros_like(x)
    gx, sums[0], sums[1] = kernels.batch_norm_input(g, x, weight, statistics[0], statistics[1])
    return gx


def _batch_norm_rule(
    g: Tensor,
    out: Tensor,
    x: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    needs: Sequence[bool],
    eps: float,
    statistics: Array,
) -> Gradients:
    if is_grad_enabled():
        dims = (0, *range(2, x.ndim))
        shape = tuple(x.shape[1] if i == 1 else 1 for i in range(x.ndim))
        return _wanted(_composed_gradients(g, x, weight, dims, shape, eps), needs)
    sums = np.empty_like(statistics)
    gx = _batch_norm_input(g, x, weight, statistics=statistics, sums=sums)
    return _wanted((gx, wrap(sums[0]), wrap(sums[1])), needs)


_batch_norm.defvjps(_batch_norm_rule)


@primitive
def _normalize(x: Array, weight: Array | None, bias: Array | None, *, mean: Array, rstd: Array) -> Array:
    return kernels.normalize(x, weight, bias, mean, rstd)


def _normalize_rule(
    g: Tensor,
    out: Tensor,
    x: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    needs: Sequence[bool],
    mean: Array,
    rstd: Array,
) -> Gradients:
    shape = (-1, *(1,) * (x.ndim - 2))
    rstd = rstd.reshape(shape)
    others = (0, *range(2, x.ndim))
    return [
        mul(g, rstd if weight is None else mul(reshape(weight, shape), rstd)) if needs[0] else None,
        sum(mul(g, mul(sub(x, mean.reshape(shape)), rstd)), others) if needs[1] else None,
        sum(g, others) if needs[2] else None,
    ]


_normalize.defvjps(_normalize_rule)


def _check_affine(input: Tensor, weight: Tensor | None, bias: Tensor | None, shape: Shape, operation: str) -> None:
    for name, parameter in (("weight", weight), ("bias", bias)):
        if parameter is None:
            continue
        if parameter.shape != shape:
            raise RuntimeError(
                f"{operation}(): {name} must have shape {shape} "
                f"({name}.shape={parameter.shape}, input.shape={input.shape})"
            )
        if parameter.dtype != input.dtype:
            raise RuntimeError(
                f"{operation}(): all tensors must have one dtype (input: {input.dtype}, {name}: {parameter.dtype})"
            )
    if input.dtype.kind != "f":
        raise RuntimeError(f"{operation}(): expects a floating-point tensor (dtype={input.dtype})")


def batch_norm(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Normalize each channel over the batch, ``(input - mean) / sqrt(var + eps) * weight + bias``.

    In training, mean and (biased) variance are those of the batch, and the running statistics move towards them in
    place, ``running = (1 - momentum) * running + momentum * new``, where the variance is taken unbiased. Otherwise
    the running statistics are used.

    Parameters
    ----------
    input : Tensor of shape (N, C) or (N, C, d1, ...)
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
    if input.ndim < 2:
        raise RuntimeError(f"batch_norm(): expects at least two dims (input.shape={input.shape})")
    channels = input.shape[1]
    _check_affine(input, weight, bias, (channels,), "batch_norm")
    for name, running in (("running_mean", running_mean), ("running_var", running_var)):
        if running is not None and running.shape != (channels,):
            raise RuntimeError(
                f"batch_norm(): {name} must have shape ({channels},) "
                f"({name}.shape={running.shape}, input.shape={input.shape})"
            )
    if not training:
        if running_mean is None or running_var is None:
            raise RuntimeError(
                "batch_norm(): running_mean and running_var are needed where training is False "
                f"(running_mean={running_mean}, running_var={running_var})"
            )
        rstd = 1 / np.sqrt(running_var.data + running_var.dtype.type(eps))
        return _normalize(
            input, weight, bias, mean=running_mean.data.astype(input.dtype), rstd=rstd.astype(input.dtype, copy=False)
        )
    count = math.prod(input.shape) // channels if channels else 0
    if count == 1:
        raise ValueError(f"batch_norm(): expects more than 1 value per channel in training (input.shape={input.shape})")
    statistics = np.empty((2, channels), input.dtype)
    out = _batch_norm(input, weight, bias, eps=eps, statistics=statistics)
    if count:
        variance = np.maximum(1 / np.square(statistics[1], dtype=np.float64) - eps, 0) * (count / (count - 1))
        for running, new in ((running_mean, statistics[0]), (running_var, variance)):
            if running is not None:
                running.data[...] = running.data * (1 - momentum) + momentum * new
                mark_changed(running.data)
    return out


# ------------------------------------------------------------------------------------ layer norm and its kin


@primitive
def _layer_norm(x: Array, weight: Array | None, bias: Array | None, *, eps: float, statistics: Array) -> Array:
    out, statistics[0], statistics[1] = kernels.layer_norm(x, weight, bias, eps=eps)
    return out


@primitive
def _layer_norm_input(g: Array, x: Array, weight: Array | None, *, statistics: Array, sums: Array) -> Array:
    gx, sums[0], sums[1] = kernels.layer_norm_input(g, x, weight, statistics[0], statistics[1])
    return gx


def _layer_norm_rule(
    g: Tensor,
    out: Tensor,
    x: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    needs: Sequence[bool],
    eps: float,
    statistics: Array,
) -> Gradients:
    if is_grad_enabled():
        return _wanted(_composed_gradients(g, x, weight, (1,), (1, x.shape[1]), eps), needs)
    sums = np.empty((2, x.shape[1]), g.dtype)
    gx = _layer_norm_input(g, x, weight, statistics=statistics, sums=sums)
    return _wanted((gx, wrap(sums[0]), wrap(sums[1])), needs)


_layer_norm.defvjps(_layer_norm_rule)


def _normalized_shape(input: Tensor, normalized_shape: ShapeLike, operation: str) -> Shape:
    shape = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
    if not shape or input.shape[input.ndim - len(shape) :] != shape or len(shape) > input.ndim:
        raise RuntimeError(
            f"{operation}(): the last dims of input must be normalized_shape "
            f"(input.shape={input.shape}, normalized_shape={shape})"
        )
    return shape


def layer_norm(
    input: Tensor,
    normalized_shape: ShapeLike,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """Normalize over the last dims, ``(input - mean) / sqrt(var + eps) * weight + bias`` with the biased variance.

    Parameters
    ----------
    input : Tensor of shape (..., *normalized_shape)
    normalized_shape : int or sequence of int
    weight, bias : Tensor of shape `normalized_shape`, optional
    eps : float

    References
    ----------
    J. Ba, J. Kiros and G. Hinton, 2016, arXiv:1607.06450.
    """
    shape = _normalized_shape(input, normalized_shape, "layer_norm")
    _check_affine(input, weight, bias, shape, "layer_norm")
    width = math.prod(shape)
    rows = math.prod(input.shape[: input.ndim - len(shape)])
    if len(shape) > 1:
        weight, bias = (p if p is None else reshape(p, (width,)) for p in (weight, bias))
    flat = input if input.ndim == 2 and len(shape) == 1 else reshape(input, (rows, width))
    out = _layer_norm(flat, weight, bias, eps=eps, statistics=np.empty((2, rows), input.dtype))
    return out if flat is input else reshape(out, input.shape)


def _channel_affine(input: Tensor, weight: Tensor | None, bias: Tensor | None) -> Tensor:
    shape = (-1, *(1,) * (input.ndim - 2))
    input = input if weight is None else mul(input, reshape(weight, shape))
    return input if bias is None else add(input, reshape(bias, shape))


def group_norm(
    input: Tensor, num_groups: int, weight: Tensor | None = None, bias: Tensor | None = None, eps: float = 1e-5
) -> Tensor:
    """Normalize over groups of channels of each example, then scale and shift each channel.

    Parameters
    ----------
    input : Tensor of shape (N, C, d1, ...)
    num_groups : int
        Divides C.
    weight, bias : Tensor of shape (C,), optional
    eps : float

    References
    ----------
    Y. Wu and K. He, 2018, arXiv:1803.08494.
    """
    if input.ndim < 2 or num_groups < 1 or input.shape[1] % num_groups:
        raise RuntimeError(
            f"group_norm(): num_groups must divide the channels (num_groups={num_groups}, input.shape={input.shape})"
        )
    _check_affine(input, weight, bias, (input.shape[1],), "group_norm")
    rows = input.shape[0] * num_groups
    width = math.prod(input.shape[1:]) // num_groups
    out = _layer_norm(reshape(input, (rows, width)), None, None, eps=eps, statistics=np.empty((2, rows), input.dtype))
    return _channel_affine(reshape(out, input.shape), weight, bias)


def instance_norm(
    input: Tensor,
    running_mean: Tensor | None = None,
    running_var: Tensor | None = None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Normalize each channel of each example over its positions (Ulyanov et al. 2016, arXiv:1607.08022).

    Parameters
    ----------
    input : Tensor of shape (N, C, d1, ...)
    running_mean, running_var : Tensor of shape (C,), optional
        Moved towards the mean over the batch of each example's statistics; used instead of those without
        `use_input_stats`.
    weight, bias, momentum, eps
        As for `batch_norm`.
    """
    if not use_input_stats:
        return batch_norm(input, running_mean, running_var, weight, bias, False, momentum, eps)
    if input.ndim < 3:
        raise RuntimeError(f"instance_norm(): expects at least three dims (input.shape={input.shape})")
    count = math.prod(input.shape[2:])
    if count == 1:
        raise ValueError(f"instance_norm(): expects more than 1 value per channel in training "
                         f"(input.shape={input.shape})")
    if running_mean is not None and running_var is not None:
        flat = input.data.reshape(*input.shape[:2], count)
        for running, new in ((running_mean, flat.mean(2)), (running_var, flat.var(2, ddof=1))):
            running.data[...] = running.data * (1 - momentum) + momentum * new.mean(0)
            mark_changed(running.data)
    return group_norm(input, input.shape[1], weight, bias, eps)


def rms_norm(
    input: Tensor, normalized_shape: ShapeLike, weight: Tensor | None = None, eps: float | None = None
) -> Tensor:
    """Divide by the root mean square over the last dims, ``input / sqrt(mean(input**2) + eps) * weight``.

    Parameters
    ----------
    input : Tensor of shape (..., *normalized_shape)
    normalized_shape : int or sequence of int
    weight : Tensor of shape `normalized_shape`, optional
    eps : float, optional
        The machine epsilon of the dtype where it is not given.

    References
    ----------
    B. Zhang and R. Sennrich, 2019, arXiv:1910.07467.
    """
    shape = _normalized_shape(input, normalized_shape, "rms_norm")
    _check_affine(input, weight, None, shape, "rms_norm")
    dims = tuple(range(input.ndim - len(shape), input.ndim))
    eps = float(np.finfo(input.dtype).eps) if eps is None else eps
    out = mul(input, rsqrt(add(mean(square(input), dims, keepdim=True), eps)))
    return out if weight is None else mul(out, weight)


def local_response_norm(input: Tensor, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> Tensor:
    """Divide each channel by ``(k + alpha * mean of squares over `size` neighbouring channels) ** beta``.

    References
    ----------
    A. Krizhevsky, I. Sutskever and G. Hinton, NIPS 2012, section 3.3.
    """
    if input.ndim < 3:
        raise RuntimeError(f"local_response_norm(): expects at least three dims (input.shape={input.shape})")
    channels = input.shape[1]
    squares = pad(square(input), (0, 0) * (input.ndim - 2) + (size // 2, (size - 1) // 2))
    total = squares[:, :channels]
    for i in range(1, size):
        total = add(total, squares[:, i : i + channels])
    return div(input, pow(add(mul(total, alpha / size), k), beta))
