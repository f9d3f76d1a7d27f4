"""Normalization of activations: batch, layer, group, instance and RMS norm.

Batch, layer and group norm are fused kernels forward and backward. The forward kernels return the mean and the
reciprocal standard deviation too, the backward kernels the gradients of x, weight and bias together; the gradients of
those are composed of operations.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence

import numpy as np

from ..engine import dtypes_apart, effect, primitive, update
from ..kernels import by_numpy
from ..kernels import norm as kernels
from ..typing import Array, Gradients, Shape, ShapeLike, Tensor
from .elementwise import add, div, mul, neg, pow, rsqrt, square, sub
from .joined_norm import joined_batch_norm, joining
from .pad import pad
from .reduce import mean, sum
from .shape import broadcast_to, clone, reshape, to_dtype

__all__ = ["batch_norm", "group_norm", "instance_norm", "layer_norm", "local_response_norm", "rms_norm"]

# ------------------------------------------------------------------------------------ second order


def _second_order(
    h: Tensor | None, h_weight: Tensor | None, h_bias: Tensor | None, g: Tensor, x: Tensor, weight: Tensor | None,
    dims: tuple[int, ...], affine_shape: Shape, eps: float, needs: Sequence[bool],
) -> Gradients:  # fmt: skip
    """Return the gradients in g, x and weight of the gradients of a normalization over `dims`.

    With ``n = (x - mean) rstd`` and ``k = g weight``: ``gx = rstd (k - mean(k) - n mean(k n))``,
    ``gweight = sum(g n)``, ``gbias = sum(g)``. With P the projection that takes the mean and the part along n away,
    ``gx = rstd P(k)``; P is its own adjoint, and the derivative of n in x is ``rstd P`` too.
    """
    others = tuple(i for i, n in enumerate(affine_shape) if n == 1)

    def average(value: Tensor) -> Tensor:
        return mean(value, dims, keepdim=True)

    centred = sub(x, average(x))
    rstd = rsqrt(add(average(square(centred)), eps))
    n = mul(centred, rstd)
    spread = None if weight is None else reshape(weight, affine_shape)
    k = g if spread is None else mul(g, spread)

    def projected(value: Tensor) -> Tensor:
        return sub(sub(value, average(value)), mul(n, average(mul(value, n))))

    to_g: list[Tensor] = []
    to_x: list[Tensor] = []
    to_weight = None
    if h is not None:
        ph = mul(rstd, projected(h))
        to_g.append(ph if spread is None else mul(ph, spread))
        if spread is not None:
            to_weight = sum(mul(g, ph), others)
        pk = projected(k)
        # d gx: through rstd, -rstd**2 mean(n dx) P(k); through n in P, as P is symmetric, in both of its places
        inner = average(mul(h, pk))
        a = mul(average(mul(k, n)), projected(h))
        b = mul(average(mul(h, n)), pk)
        to_x.append(neg(mul(square(rstd), add(add(mul(n, inner), a), b))))
    if h_weight is not None:
        w = reshape(h_weight, affine_shape)
        to_g.append(mul(n, w))
        to_x.append(mul(rstd, projected(mul(g, w))))
    if h_bias is not None:
        to_g.append(broadcast_to(reshape(h_bias, affine_shape), x.array.shape))
    total = [functools.reduce(add, parts) if parts else None for parts in (to_g, to_x)]
    return [*total, None if to_weight is None else reshape(to_weight, (math.prod(affine_shape),)), None, None]


# ------------------------------------------------------------------------------------ batch norm


@primitive(results="out mean rstd")
def _batch_norm(x: Array, weight: Array | None, bias: Array | None, *, eps: float) -> tuple[Array, Array, Array]:
    """Return `x` normalized, scaled and shifted, and the mean and reciprocal standard deviation of each channel."""
    return _in_range(kernels.batch_norm, x, weight, bias, eps)


def _in_range(
    kernel: Callable[..., tuple[Array, Array, Array]], x: Array, weight: Array | None, bias: Array | None, eps: float
) -> tuple[Array, Array, Array]:
    """Run a kernel, and once more in float64 where a variance left the range of float32."""
    out, mean, rstd = kernel(x, weight, bias, eps=eps)
    if x.dtype == np.float32 and not by_numpy.above_zero(rstd):  # NaN somewhere else does not matter
        wide = [a if a is None else a.astype(np.float64) for a in (x, weight, bias)]
        out, mean, rstd = (a.astype(np.float32) for a in kernel(*wide, eps=eps))
    return out, mean, rstd


@primitive(results="gx gweight gbias")
def _batch_norm_input(
    g: Array, x: Array, weight: Array | None, mean: Array, rstd: Array, *, eps: float
) -> tuple[Array, Array, Array]:
    """Return the gradients of `_batch_norm` in x, weight and bias; mean and rstd are functions of x."""
    if not x.size:
        return np.zeros_like(x), np.zeros_like(mean), np.zeros_like(mean)
    return kernels.batch_norm_input(g, x, weight, mean, rstd)


_batch_norm.defvjps(
    lambda g, x, weight, mean, rstd, eps: _batch_norm_input(g, x, weight, mean, rstd, eps=eps)
)


def _channel_axes(ndim: int) -> tuple[int, ...]:
    return (0, *range(2, ndim))


@_batch_norm_input.defvjps
def _batch_norm_input_rule(
    h: Tensor | None, h_gweight: Tensor | None, h_gbias: Tensor | None, g: Tensor, x: Tensor, weight: Tensor | None,
    eps: float, needs: Sequence[bool],
) -> Gradients:  # fmt: skip
    shape = tuple(x.array.shape[1] if i == 1 else 1 for i in range(x.ndim))
    return _second_order(h, h_gweight, h_gbias, g, x, weight, _channel_axes(x.ndim), shape, eps, needs)


@primitive
def _normalize(x: Array, weight: Array | None, bias: Array | None, mean: Array, var: Array, *, eps: float) -> Array:
    """Normalize by given statistics."""
    rstd = 1 / np.sqrt(var + var.dtype.type(eps))
    return kernels.normalize(x, weight, bias, mean.astype(x.dtype, copy=False), rstd.astype(x.dtype, copy=False))


@_normalize.defvjps
def _normalize_rule(
    g: Tensor, x: Tensor, weight: Tensor | None, mean: Tensor, var: Tensor, eps: float, needs: Sequence[bool]
) -> Gradients:
    shape = (-1, *(1,) * (x.ndim - 2))
    rstd = reshape(rsqrt(add(var, eps)), shape)
    others = _channel_axes(x.ndim)
    centred = sub(x, reshape(mean, shape)) if any(needs[i] for i in (1, 4)) else None
    scale = rstd if weight is None else mul(reshape(weight, shape), rstd)
    gx = mul(g, scale) if needs[0] or needs[3] or needs[4] else None
    return [
        gx,
        sum(mul(g, mul(centred, rstd)), others) if needs[1] else None,
        sum(g, others) if needs[2] else None,
        neg(sum(gx, others)) if gx is not None and needs[3] else None,
        mul(sum(mul(gx, mul(centred, square(rstd))), others), -0.5) if needs[4] else None,
    ]


def _check_affine(input: Tensor, weight: Tensor | None, bias: Tensor | None, shape: Shape, operation: str) -> None:
    for name, parameter in (("weight", weight), ("bias", bias)):
        if parameter is None:
            continue
        if parameter.array.shape != shape:
            raise RuntimeError(
                f"{operation}(): {name} must have shape {shape} "
                f"({name}.shape={parameter.shape}, input.shape={input.shape})"
            )
        if parameter.dtype != input.dtype:
            raise dtypes_apart(operation, name, input=input.dtype, **{name: parameter.dtype})
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

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn.nn import functional as F
    >>> F.batch_norm(ag.rand(4, 3), None, None, training=True).shape
    (4, 3)
    """
    if input.array.shape == (0,):
        return clone(input)
    if input.ndim < 2:
        raise RuntimeError(f"batch_norm(): expects at least two dims (input.shape={input.shape})")
    channels = input.array.shape[1]
    _check_affine(input, weight, bias, (channels,), "batch_norm")
    for name, running in (("running_mean", running_mean), ("running_var", running_var)):
        if running is not None and running.array.shape != (channels,):
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
        return _normalize(input, weight, bias, running_mean, running_var, eps=eps)
    joined = joining.statistics is not None
    if joined:
        out, batch_mean, rstd, count = joined_batch_norm(input, weight, bias, eps)
    else:
        count = math.prod(input.array.shape) // channels if channels else 0
    if count == 1:
        raise ValueError("batch_norm(): expects more than 1 value per channel in training, or in evaluation where "
                         f"track_running_stats=False keeps no statistics (input.shape={input.shape})")
    if not joined:
        out, batch_mean, rstd = _batch_norm(input, weight, bias, eps=eps)
    if count and (joining.moves or not joined) and (running_mean is not None or running_var is not None):
        _move_statistics(running_mean, running_var, batch_mean, rstd, momentum, eps=eps, count=count)
    return out


@update(writes="running_mean running_var")
def _move_statistics(
    running_mean: Array | None, running_var: Array | None, mean: Array, rstd: Array, momentum: float, *, eps: float,
    count: int,
) -> None:  # fmt: skip
    """Move running statistics towards those of a batch of `count` values per channel; the variance is unbiased."""
    variance = np.maximum(1 / np.square(rstd, dtype=np.float64) - eps, 0) * (count / (count - 1))
    for running, new in ((running_mean, mean), (running_var, variance)):
        if running is not None:
            running[...] = running * (1 - momentum) + momentum * new


# ------------------------------------------------------------------------------------ layer norm and its kin


@primitive(results="out mean rstd")
def _layer_norm(x: Array, weight: Array | None, bias: Array | None, *, eps: float) -> tuple[Array, Array, Array]:
    """Return each row of `x` normalized, scaled and shifted, and its mean and reciprocal standard deviation."""
    return _in_range(kernels.layer_norm, x, weight, bias, eps)


@primitive(results="gx gweight gbias")
def _layer_norm_input(
    g: Array, x: Array, weight: Array | None, mean: Array, rstd: Array, *, eps: float
) -> tuple[Array, Array, Array]:
    """Return the gradients of `_layer_norm` in x, weight and bias; mean and rstd are functions of x."""
    return kernels.layer_norm_input(g, x, weight, mean, rstd)


_layer_norm.defvjps(
    lambda g, x, weight, mean, rstd, eps: _layer_norm_input(g, x, weight, mean, rstd, eps=eps)
)


@_layer_norm_input.defvjps
def _layer_norm_input_rule(
    h: Tensor | None, h_gweight: Tensor | None, h_gbias: Tensor | None, g: Tensor, x: Tensor, weight: Tensor | None,
    eps: float, needs: Sequence[bool],
) -> Gradients:  # fmt: skip
    return _second_order(h, h_gweight, h_gbias, g, x, weight, (1,), (1, x.array.shape[1]), eps, needs)


def _normalized_shape(input: Tensor, normalized_shape: ShapeLike, operation: str) -> Shape:
    shape = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
    if not shape or input.array.shape[input.ndim - len(shape) :] != shape or len(shape) > input.ndim:
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

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn.nn import functional as F
    >>> F.layer_norm(ag.tensor([[1.0, 2.0, 3.0]]), (3,)).round(decimals=3)
    tensor([[-1.225,  0.   ,  1.225]])
    """
    shape = _normalized_shape(input, normalized_shape, "layer_norm")
    _check_affine(input, weight, bias, shape, "layer_norm")
    width = math.prod(shape)
    rows = math.prod(input.array.shape[: input.ndim - len(shape)])
    if len(shape) > 1:
        weight, bias = (p if p is None else reshape(p, (width,)) for p in (weight, bias))
    flat = input if input.ndim == 2 and len(shape) == 1 else reshape(input, (rows, width))
    out, _, _ = _layer_norm(flat, weight, bias, eps=eps)
    return out if flat is input else reshape(out, input.array.shape)


@primitive(results="out mean rstd")
def _group_norm(x: Array, weight: Array | None, bias: Array | None, *, eps: float) -> tuple[Array, Array, Array]:
    """Return (N, G, D, S) normalized over D and S, scaled and shifted by channel, mean and reciprocal deviation."""
    return _in_range(kernels.group_norm, x, weight, bias, eps)


@primitive(results="gx gweight gbias")
def _group_norm_input(
    g: Array, x: Array, weight: Array | None, mean: Array, rstd: Array, *, eps: float
) -> tuple[Array, Array, Array]:
    """Return the gradients of `_group_norm` in x, weight and bias; mean and rstd are functions of x."""
    return kernels.group_norm_input(g, x, weight, mean, rstd)


_group_norm.defvjps(
    lambda g, x, weight, mean, rstd, eps: _group_norm_input(g, x, weight, mean, rstd, eps=eps)
)


@_group_norm_input.defvjps
def _group_norm_input_rule(
    h: Tensor | None, h_gweight: Tensor | None, h_gbias: Tensor | None, g: Tensor, x: Tensor, weight: Tensor | None,
    eps: float, needs: Sequence[bool],
) -> Gradients:  # fmt: skip
    shape = (1, *x.array.shape[1:3], 1)
    return _second_order(h, h_gweight, h_gbias, g, x, weight, (2, 3), shape, eps, needs)


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

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn.nn import functional as F
    >>> F.group_norm(ag.rand(2, 6, 4, 4), num_groups=3).shape
    (2, 6, 4, 4)
    """
    if input.ndim < 2 or num_groups < 1 or input.array.shape[1] % num_groups:
        raise RuntimeError(
            f"group_norm(): num_groups must divide the channels (num_groups={num_groups}, input.shape={input.shape})"
        )
    _check_affine(input, weight, bias, (input.array.shape[1],), "group_norm")
    N, C = input.array.shape[:2]
    groups = reshape(input, (N, num_groups, C // num_groups, math.prod(input.array.shape[2:])))
    out, _, _ = _group_norm(groups, weight, bias, eps=eps)
    return reshape(out, input.array.shape)


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

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn.nn import functional as F
    >>> F.instance_norm(ag.rand(2, 3, 4, 4)).shape
    (2, 3, 4, 4)
    """
    if not use_input_stats:
        return batch_norm(input, running_mean, running_var, weight, bias, False, momentum, eps)
    if input.ndim < 3:
        raise RuntimeError(f"instance_norm(): expects at least three dims (input.shape={input.shape})")
    count = math.prod(input.array.shape[2:])
    if count == 1:
        raise ValueError(f"instance_norm(): expects more than 1 value per channel in training "
                         f"(input.shape={input.shape})")
    if running_mean is not None and running_var is not None:
        _move_instance_statistics(running_mean, running_var, input, momentum)
    return group_norm(input, input.array.shape[1], weight, bias, eps)


@update(writes="running_mean running_var")
def _move_instance_statistics(running_mean: Array, running_var: Array, x: Array, momentum: float) -> None:
    """Move running statistics towards the mean over the batch of the statistics of each example."""
    flat = x.reshape(*x.shape[:2], -1)
    for running, new in ((running_mean, flat.mean(2)), (running_var, flat.var(2, ddof=1))):
        running[...] = running * (1 - momentum) + momentum * new.mean(0)


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

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn.nn import functional as F
    >>> F.rms_norm(ag.tensor([[3.0, 4.0]]), (2,)).round(decimals=3)
    tensor([[0.849, 1.131]])
    """
    shape = _normalized_shape(input, normalized_shape, "rms_norm")
    _check_affine(input, weight, None, shape, "rms_norm")
    dims = tuple(range(input.ndim - len(shape), input.ndim))
    eps = float(np.finfo(input.dtype).eps) if eps is None else eps
    with np.errstate(over="ignore", divide="ignore"):
        scale = rsqrt(add(mean(square(input), dims, keepdim=True), eps))
    if _left_range(input, scale):
        wide = rms_norm(to_dtype(input, np.float64), shape, None, eps)
        out = to_dtype(wide, input.dtype)
    else:
        out = mul(input, scale)
    return out if weight is None else mul(out, weight)


def local_response_norm(input: Tensor, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> Tensor:
    """Divide each channel by ``(k + alpha * mean of squares over `size` neighbouring channels) ** beta``.

    References
    ----------
    A. Krizhevsky, I. Sutskever and G. Hinton, NIPS 2012, section 3.3.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> import autograd_nn.nn.functional as F
    >>> F.local_response_norm(ag.ones(1, 4, 2, 2), size=2, alpha=1.0)[0, :, 0, 0]
    tensor([0.7378, 0.5946, 0.5946, 0.5946])
    """
    if input.ndim < 3:
        raise RuntimeError(f"local_response_norm(): expects at least three dims (input.shape={input.shape})")
    channels = input.array.shape[1]
    squares = pad(square(input), (0, 0) * (input.ndim - 2) + (size // 2, (size - 1) // 2))
    total = squares[:, :channels]
    for i in range(1, size):
        total = add(total, squares[:, i : i + channels])
    share = alpha.item() if isinstance(alpha, np.generic) else alpha  # a float32 would be divided in float32
    divisor = pow(add(mul(total, share / size), k), beta)
    if _left_range(input, divisor):
        return to_dtype(local_response_norm(to_dtype(input, np.float64), size, alpha, beta, k), input.dtype)
    return div(input, divisor)


@effect
def _left_range(input: Tensor, scale: Tensor) -> bool:
    """Return whether squares of finite numbers of float32, or of float16, left its range."""
    if input.dtype.char not in "ef":
        return False
    if (np.isfinite(scale.array) & (scale.array > 0)).all():
        return False
    return bool(np.isfinite(input.array).all())
