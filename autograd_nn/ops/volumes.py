"""Convolution and pooling of volumes (N, C, D, H, W), made of those of images.

A window over the depth meets some slices. Convolution takes them as channels of an image, ``C kD`` of them, so that the
kernels of images do the work; what lays the slices out so (`_slices`) and its adjoint are linear. Pooling is done one
axis after the other: first in the slices, then over the depth, for which a volume is an image of D rows.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..engine import primitive
from ..typing import Array, OutputSize, SameOrValid, Shape, ShapeLike, Tensor, TensorOrTuple
from .conv import _conv2d, _conv2d_input, _convolved, _plan, _transposed_plan
from .elementwise import add, mul
from .pool import (
    _adaptive_avg_pool2d,
    _adaptive_max_pool2d,
    _avg_pool2d,
    _check_floats,
    _max_pool2d,
    _on_images,
    _places,
    _plane_take,
    _planned,
    _target_size,
    _window_take,
)
from .shape import contiguous, permute, reshape

__all__ = [
    "adaptive_avg_pool3d",
    "adaptive_max_pool3d",
    "avg_pool3d",
    "conv3d",
    "conv_transpose3d",
    "max_pool3d",
]

# ------------------------------------------------------------------------------------ slices


def _meetings(count: int, depth: int, kernel: int, stride: int, before: int, dilation: int) -> Any:
    """Yield for each tap k (k, windows, slices): which windows meet a slice that exists, and which slices."""
    for k in range(kernel):
        shift = k * dilation - before  # window o meets the slice o stride + shift
        first, last = max(0, -(shift // stride)), min(count, (depth - 1 - shift) // stride + 1)
        if first < last:
            start = first * stride + shift
            yield k, slice(first, last), slice(start, start + (last - first - 1) * stride + 1, stride)


@primitive
def _slices(x: Array, *, count: int, kernel: int, stride: int, before: int, dilation: int) -> Array:
    """Lay (N, C, D, H, W) out as (N, count, C, kernel, H, W): the slices of each window of the depth, zeros beyond."""
    N, C, D, H, W = x.shape
    out = np.zeros((N, count, C, kernel, H, W), x.dtype)
    for k, windows, slices in _meetings(count, D, kernel, stride, before, dilation):
        out[:, windows, :, k] = x[:, :, slices].transpose(0, 2, 1, 3, 4)
    return out


@primitive
def _slices_put(g: Array, *, depth: int, stride: int, before: int, dilation: int) -> Array:
    """Add (N, count, C, kernel, H, W) up to (N, C, depth, H, W): the adjoint of `_slices`."""
    N, count, C, kernel, H, W = g.shape
    x = np.zeros((N, C, depth, H, W), g.dtype)
    for k, windows, slices in _meetings(count, depth, kernel, stride, before, dilation):
        x[:, :, slices] += g[:, windows, :, k].transpose(0, 2, 1, 3, 4)
    return x


_slices.defvjp(
    x=lambda g, x_like, stride, before, dilation: _slices_put(
        g, depth=x_like.shape[2], stride=stride, before=before, dilation=dilation
    )
)
_slices_put.defvjp(
    g=lambda h, g_like, stride, before, dilation: _slices(
        h, count=g_like.shape[1], kernel=g_like.shape[3], stride=stride, before=before, dilation=dilation
    )
)


# ------------------------------------------------------------------------------------ convolution


def _conv3d(
    x: Tensor, w: Tensor, b: Tensor | None, *, stride: Shape, padding: Any, dilation: Shape, groups: int
) -> Tensor:
    N, O = x.array.shape[0], w.array.shape[0]
    (before, after), *margins = padding
    count = (x.array.shape[2] + before + after - dilation[0] * (w.array.shape[2] - 1) - 1) // stride[0] + 1
    images = _slices(x, count=count, kernel=w.array.shape[2], stride=stride[0], before=before, dilation=dilation[0])
    out = _conv2d(
        reshape(images, (N * count, x.array.shape[1] * w.array.shape[2], *x.array.shape[3:])),
        reshape(w, (O, w.array.shape[1] * w.array.shape[2], *w.array.shape[3:])), b,
        stride=stride[1:], padding=tuple(margins), dilation=dilation[1:], groups=groups,
    )  # fmt: skip
    return contiguous(permute(reshape(out, (N, count, O, *out.array.shape[2:])), (0, 2, 1, 3, 4)))


def _conv3d_input(
    g: Tensor, w: Tensor, b: Tensor | None, *, size: Shape, stride: Shape, padding: Any, dilation: Shape, groups: int
) -> Tensor:
    N, O, count = g.array.shape[:3]
    (before, _), *margins = padding
    channels, kernel = w.array.shape[1], w.array.shape[2]
    images = _conv2d_input(
        reshape(permute(g, (0, 2, 1, 3, 4)), (N * count, O, *g.array.shape[3:])),
        reshape(w, (O, channels * kernel, *w.array.shape[3:])),
        size=size[1:], stride=stride[1:], padding=tuple(margins), dilation=dilation[1:], groups=groups,
    )  # fmt: skip
    images = reshape(images, (N, count, channels * groups, kernel, *size[1:]))
    out = _slices_put(images, depth=size[0], stride=stride[0], before=before, dilation=dilation[0])
    return out if b is None else add(out, reshape(b, (-1, 1, 1, 1)))


def conv3d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: ShapeLike = 1,
    padding: ShapeLike | SameOrValid = 0,
    dilation: ShapeLike = 1,
    groups: int = 1,
) -> Tensor:
    """Convolve volumes with a bank of filters; see `conv2d`.

    Parameters
    ----------
    input : Tensor of shape (N, C_in, D, H, W) or (C_in, D, H, W)
    weight : Tensor of shape (C_out, C_in / groups, kD, kH, kW)
    bias : Tensor of shape (C_out,), optional
    stride, dilation : int or (int, int, int)
    padding : int, (int, int, int), 'valid' or 'same'
    groups : int

    Returns
    -------
    Tensor of shape (N, C_out, OD, OH, OW)
        ``OD = floor((D + 2 p - d (kD - 1) - 1) / s) + 1``, and OH and OW likewise.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.conv3d(ag.ones(1, 1, 4, 4, 4), ag.ones(2, 1, 2, 2, 2)).shape
    (1, 2, 3, 3, 3)
    """
    return _convolved(_conv3d, _plan, "conv3d", 3, input, weight, bias, stride, padding, dilation, groups)


def conv_transpose3d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: ShapeLike = 1,
    padding: ShapeLike = 0,
    output_padding: ShapeLike = 0,
    groups: int = 1,
    dilation: ShapeLike = 1,
) -> Tensor:
    """Transposed convolution of volumes: the adjoint of `conv3d`; see `conv_transpose2d`.

    Parameters
    ----------
    input : Tensor of shape (N, C_in, D, H, W) or (C_in, D, H, W)
    weight : Tensor of shape (C_in, C_out / groups, kD, kH, kW)
    bias : Tensor of shape (C_out,), optional
    stride, padding, output_padding, dilation : int or (int, int, int)
    groups : int

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.conv_transpose3d(ag.ones(1, 1, 2, 2, 2), ag.ones(1, 1, 2, 2, 2), stride=2).shape
    (1, 1, 4, 4, 4)
    """
    settings = stride, padding, dilation, groups, output_padding
    return _convolved(_conv3d_input, _transposed_plan, "conv_transpose3d", 3, input, weight, bias, *settings)


# ------------------------------------------------------------------------------------ pooling


def _as_slices(x: Tensor) -> Tensor:
    """Return (N, C, D, H, W) as images (N, C D, H, W)."""
    return reshape(x, (x.array.shape[0], x.array.shape[1] * x.array.shape[2], *x.array.shape[3:]))


def _as_rows(x: Tensor, shape: Shape) -> Tensor:
    """Return pooled slices of volumes (N, C, D, H, W) as images (N, C, D, OH OW)."""
    return reshape(x, (*shape[:3], x.array.shape[2] * x.array.shape[3]))


def _split(settings: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the settings in slices, and those over the depth."""
    alone = {"kernel": (1,), "stride": (1,), "padding": (0,), "dilation": (1,)}
    common = {name: value for name, value in settings.items() if name not in alone}
    windows = {name: value for name, value in settings.items() if name in alone}
    return (
        {name: value[1:] for name, value in windows.items()} | common,
        {name: value[:1] + alone[name] for name, value in windows.items()} | common,
    )


def _maxima(x: Tensor, **settings: Any) -> tuple[Tensor, Tensor]:
    """Return the largest elements of windows of volumes, and their places in the flattened volume."""
    H, W = x.array.shape[3:]
    in_slices, over_depth = _split(settings)
    maxima, index = _max_pool2d(_as_slices(x), **in_slices)
    size = maxima.array.shape[2:]
    out, row = _max_pool2d(_as_rows(maxima, x.array.shape), **over_depth)
    del in_slices["ceil_mode"], over_depth["ceil_mode"]
    places = _as_rows(_places(index, width=W, **in_slices), x.array.shape)
    width = places.array.shape[3]
    depths = _depths(_places(row, width=width, **over_depth), row_size=width, plane=H * W)
    places = add(_window_take(places, row, **over_depth), depths)
    shape = (*out.array.shape[:3], *size)
    return reshape(out, shape), reshape(places, shape)


@primitive
def _depths(places: Array, *, row_size: int, plane: int) -> Array:
    """Return where the slices begin in which places lie, rows of ``row_size`` standing for them."""
    return places // row_size * plane


def max_pool3d(
    input: Tensor,
    kernel_size: ShapeLike,
    stride: ShapeLike | None = None,
    padding: ShapeLike = 0,
    dilation: ShapeLike = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> TensorOrTuple:
    """Return the largest element of each window of volumes (N, C, D, H, W); see `max_pool2d`.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.max_pool3d(ag.zeros(1, 1, 4, 4, 4), 2).shape
    (1, 1, 2, 2, 2)
    """
    plan = _planned("max_pool3d", 3, input, kernel_size, stride, padding, dilation, ceil_mode)
    out, places = _on_images(_maxima, 3, input, **plan.settings)
    return (out, places) if return_indices else out


def avg_pool3d(
    input: Tensor,
    kernel_size: ShapeLike,
    stride: ShapeLike | None = None,
    padding: ShapeLike = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """Return the mean of each window of volumes (N, C, D, H, W); see `avg_pool2d`.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> import autograd_nn.nn.functional as F
    >>> F.avg_pool3d(ag.ones(1, 2, 4, 6, 8), 2).shape
    (1, 2, 2, 3, 4)
    """
    _check_floats("avg_pool3d", input)
    if divisor_override is not None and divisor_override == 0:
        raise RuntimeError(f"avg_pool3d(): divisor_override must not be 0 (divisor_override={divisor_override})")
    plan = _planned("avg_pool3d", 3, input, kernel_size, stride, padding, 1, ceil_mode)
    divisor = None if divisor_override is None else 1
    settings = plan.settings | {"count_include_pad": bool(count_include_pad), "divisor_override": divisor}
    del settings["dilation"]
    out: Tensor = _on_images(_means, 3, input, **settings)
    return out if divisor_override is None else mul(out, 1 / divisor_override)


def _means(x: Tensor, **settings: Any) -> Tensor:
    in_slices, over_depth = _split(settings)
    means = _avg_pool2d(_as_slices(x), **in_slices)
    out = _avg_pool2d(_as_rows(means, x.array.shape), **over_depth)
    return reshape(out, (*out.array.shape[:3], *means.array.shape[2:]))


def adaptive_avg_pool3d(input: Tensor, output_size: OutputSize) -> Tensor:
    """Return the means of windows that tile volumes (N, C, D, H, W); see `adaptive_avg_pool2d`.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> import autograd_nn.nn.functional as F
    >>> F.adaptive_avg_pool3d(ag.ones(1, 2, 4, 6, 8), (2, 3, 1)).shape
    (1, 2, 2, 3, 1)
    """
    size = _target_size("adaptive_avg_pool3d", 3, input, output_size)
    _check_floats("adaptive_avg_pool3d", input)
    out: Tensor = _on_images(_adaptive_means, 3, input, size=size)
    return out


def _adaptive_means(x: Tensor, size: Shape) -> Tensor:
    means = _as_rows(_adaptive_avg_pool2d(_as_slices(x), size=size[1:]), x.array.shape)
    return reshape(_adaptive_avg_pool2d(means, size=(size[0], means.array.shape[3])), (*x.array.shape[:2], *size))


def adaptive_max_pool3d(input: Tensor, output_size: OutputSize, return_indices: bool = False) -> TensorOrTuple:
    """Return the largest elements of windows that tile volumes (N, C, D, H, W); see `adaptive_max_pool2d`.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> import autograd_nn.nn.functional as F
    >>> F.adaptive_max_pool3d(ag.ones(1, 2, 4, 6, 8), 2).shape
    (1, 2, 2, 2, 2)
    """
    size = _target_size("adaptive_max_pool3d", 3, input, output_size)
    out, places = _on_images(_adaptive_maxima, 3, input, size=size)
    return (out, places) if return_indices else out


def _adaptive_maxima(x: Tensor, size: Shape) -> tuple[Tensor, Tensor]:
    maxima, places = _adaptive_max_pool2d(_as_slices(x), size=size[1:])
    maxima, places = _as_rows(maxima, x.array.shape), _as_rows(places, x.array.shape)
    out, cells = _adaptive_max_pool2d(maxima, size=(size[0], maxima.array.shape[3]))
    depths = _depths(cells, row_size=maxima.array.shape[3], plane=x.array.shape[3] * x.array.shape[4])
    shape = (*x.array.shape[:2], *size)
    return reshape(out, shape), reshape(add(_plane_take(places, cells), depths), shape)
