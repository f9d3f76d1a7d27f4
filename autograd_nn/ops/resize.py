"""Interpolation, sliding windows as columns, rearrangements between channels and pixels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from ..engine import get_default_dtype, primitive
from ..kernels import resize as kernels
from ..typing import Array, Pair, Shape, ShapeLike, Size2d, Tensor
from .conv import pair
from .elementwise import round
from .index import _index_select
from .pool import adaptive_avg_pool1d, adaptive_avg_pool2d
from .sampling import cubic, resampled
from .shape import permute, reshape, to_dtype
from .volumes import adaptive_avg_pool3d

__all__ = ["channel_shuffle", "fold", "interpolate", "pixel_shuffle", "pixel_unshuffle", "unfold", "upsample",
           "upsample_bilinear", "upsample_nearest"]  # fmt: skip

# ------------------------------------------------------------------------------------ interpolation


def _scales(
    input: Tensor, size: ShapeLike | None, scale_factor: float | Sequence[float] | None, operation: str
) -> tuple[Shape, tuple[float | None, ...]]:
    """Return the new sizes of the last dims, and the scales that the user gave (None where sizes were given)."""
    count = input.ndim - 2
    if (size is None) == (scale_factor is None):
        raise ValueError(
            f"{operation}(): exactly one of size and scale_factor must be given (size={size}, "
            f"scale_factor={scale_factor})"
        )
    given = size if scale_factor is None else scale_factor
    values: tuple[Any, ...] = tuple(given) if isinstance(given, tuple | list) else (given,) * count
    if len(values) != count:
        raise ValueError(
            f"{operation}(): needs one or {count} values "
            f"(input.shape={input.shape}, size={size}, scale_factor={scale_factor})"
        )
    scales: tuple[float | None, ...] = (None,) * count
    if scale_factor is None:
        sizes = tuple(int(n) for n in values)
    else:
        factors = tuple(map(float, values))
        sizes, scales = tuple(math.floor(n * s) for n, s in zip(input.array.shape[2:], factors)), factors
    if min(sizes) < 1 or 0 in input.array.shape[2:]:
        raise RuntimeError(f"{operation}(): sizes must be positive (input.shape={input.shape}, sizes={sizes})")
    return sizes, scales


def _nearest(size: int, new_size: int, scale: float | None, exact: bool) -> Array:
    """Return which element of an axis each place of the resized axis repeats."""
    step = size / new_size if scale is None else 1 / scale
    places = np.floor((np.arange(new_size) + (0.5 if exact else 0.0)) * np.float32(step)).astype(np.int64)
    clipped: Array = np.minimum(places, size - 1)
    return clipped


def linear_positions(size: int, new_size: int, scale: float | None, align_corners: bool) -> tuple[Array, Array, Array]:
    """Return for each place of the resized axis its two neighbours and the share of the second."""
    if align_corners:
        positions = np.arange(new_size) * ((size - 1) / (new_size - 1) if new_size > 1 else 0.0)
    else:
        step = size / new_size if scale is None else 1 / scale
        positions = np.maximum((np.arange(new_size) + 0.5) * step - 0.5, 0)
    first = np.minimum(positions.astype(np.int64), size - 1)
    return first, np.minimum(first + 1, size - 1), positions - first


def _cubic_taps(size: int, new_size: int, scale: float | None, align_corners: bool) -> tuple[Array, Array]:
    """Return the weights and places, (new_size, 4), of the neighbours of each place of the resized axis."""
    if align_corners:
        positions = np.arange(new_size) * ((size - 1) / (new_size - 1) if new_size > 1 else 0.0)
    else:
        positions = (np.arange(new_size) + 0.5) * (size / new_size if scale is None else 1 / scale) - 0.5
    first = np.floor(positions)
    places = (first[:, None] + np.arange(-1, 3)).clip(0, size - 1).astype(np.int64)
    return np.stack(cubic(positions - first, -0.75), 1), places


def _antialiased_taps(
    size: int, new_size: int, scale: float | None, align_corners: bool, mode: str
) -> tuple[Array, Array]:
    """Return weights and places of all elements under a triangle or cubic that is widened by the scale, as PIL's."""
    if align_corners:
        step = (size - 1) / (new_size - 1) if new_size > 1 else 0.0
    else:
        step = size / new_size if scale is None else 1 / scale
    width = max(step, 1.0)
    support = (2 if mode == "bicubic" else 1) * width
    centres = step * (np.arange(new_size) + 0.5)
    first = np.maximum((centres - support + 0.5).astype(np.int64), 0)
    last = np.minimum((centres + support + 0.5).astype(np.int64), size)
    places = first[:, None] + np.arange((last - first).max())
    distance = np.abs(places - centres[:, None] + 0.5) / width
    if mode == "bicubic":
        _, near, _, _ = cubic(distance, -0.5)
        far = cubic(distance - 1, -0.5)[0]
        weights = np.where(distance < 1, near, np.where(distance < 2, far, 0.0))
    else:
        weights = np.maximum(1 - distance, 0)
    weights = np.where(places < last[:, None], weights, 0)
    normalized: Array = weights / weights.sum(1, keepdims=True)
    heaviest = np.take_along_axis(places, normalized.argmax(1)[:, None], 1)
    return normalized, np.where(normalized == 0, heaviest, places)  # no weight of 0 meets an element that is infinite


@lru_cache(maxsize=256)
def _mixture(
    size: int, new_size: int, scale: float | None, align_corners: bool, dtype: np.dtype[Any]
) -> kernels.Mixture:
    first, second, share = linear_positions(size, new_size, scale, align_corners)
    return kernels.Mixture(first, second, share.astype(dtype))


def _mixtures(
    shape: Shape, sizes: Shape, scales: tuple[float | None, ...], align_corners: bool, dtype: np.dtype[Any]
) -> list[tuple[Shape, kernels.Mixture, kernels.Mixture | None]]:
    """Return the passes that resize the last dims: planes (height, width) and what their rows and columns become.

    The last two dims take one pass. Before them, or alone, a dim takes one in which columns stay as they are.
    """
    rank = len(sizes)
    settings = zip(shape[-rank:], sizes, scales)
    tables = [_mixture(size, new_size, scale, align_corners, dtype) for size, new_size, scale in settings]
    if rank == 1:
        return [((shape[-1], 1), tables[0], None)]
    last = (shape[-2:], tables[-2], tables[-1])
    return [last] if rank == 2 else [((shape[-3], shape[-2] * shape[-1]), tables[0], None), last]


@primitive
def _linear_resize(x: Array, *, sizes: Shape, scales: tuple[float | None, ...], align_corners: bool) -> Array:
    """Return `x` with its last dims interpolated linearly, from the first of them on."""
    out = x
    for plane, rows, columns in _mixtures(x.shape, sizes, scales, align_corners, x.dtype):
        out = kernels.mix_planes(out.reshape(math.prod(out.shape) // math.prod(plane), *plane), rows, columns)
        if columns is None and len(sizes) == 3:
            out = out.reshape(-1, *plane[1:])
    return out.reshape(*x.shape[: -len(sizes)], *sizes)


@primitive
def _linear_resize_input(
    g: Array, *, size: Shape, sizes: Shape, scales: tuple[float | None, ...], align_corners: bool
) -> Array:
    """Return the adjoint of `_linear_resize`: the gradient of last dims that were of `size`."""
    outer = g.shape[: -len(sizes)]
    out = g
    for (height, width), rows, columns in _mixtures(size, sizes, scales, align_corners, g.dtype)[::-1]:
        planes = (len(rows.first), width if columns is None else len(columns.first))
        out = kernels.mix_planes_input(out.reshape(-1, *planes), rows, columns, height, width)
    return out.reshape(*outer, *size)


_linear_resize.defvjp(x=lambda g, x_like, **p: _linear_resize_input(g, size=x_like.shape[-len(p["sizes"]) :], **p))
_linear_resize_input.defvjp(g=lambda h, size, **p: _linear_resize(h, **p))


@primitive
def _resampled_bytes(x: Array, weights: Array, places: Array, *, dim: int) -> Array:
    """Return what `resampled` does of uint8: with weights of 16 bits, rounded to uint8, as Pillow and PyTorch do."""
    weights, places = weights.T, places.T
    same = places[:, None] == places  # at the edges a place comes several times
    weights = np.where(same.argmax(1) == np.arange(len(places))[:, None], (same * weights).sum(1), 0.0)
    bits = 0
    while bits < 22 and int(0.5 + weights.max() * 2 ** (bits + 1)) < 2**15:
        bits += 1
    whole = np.trunc(weights * 2**bits + np.copysign(0.5, weights)).astype(np.int64)
    aligned = whole.reshape(whole.shape + (1,) * (x.ndim - dim - 1))
    total = np.full((*x.shape[:dim], places.shape[1], *x.shape[dim + 1 :]), 1 << (bits - 1), np.int64)
    for place, weight in zip(places, aligned):
        total += x.take(place, dim).astype(np.int64) * weight
    out: Array = np.clip(total >> bits, 0, 255).astype(np.uint8)
    return out


def _interpolated_bytes(
    x: Tensor, sizes: Shape, scales: Sequence[float | None], mode: str, align_corners: bool, antialias: bool
) -> Tensor:
    """Interpolate images of uint8, from the last dim on, each rounded."""
    for dim, new_size, scale in [*zip((2, 3), sizes, scales)][::-1]:
        along = x.array.shape[dim], new_size, scale, align_corners
        if new_size == x.array.shape[dim] and (scale is None or scale == 1):
            continue
        if antialias:
            weights, places = _antialiased_taps(*along, mode)
        elif mode == "bicubic":
            weights, places = _cubic_taps(*along)
        else:
            first, second, share = linear_positions(*along)
            weights, places = np.stack([1 - share, share], 1), np.stack([first, second], 1)
        x = _resampled_bytes(x, weights, places, dim=dim)
    return x


LINEAR = {3: "linear", 4: "bilinear", 5: "trilinear"}
AREA = {3: adaptive_avg_pool1d, 4: adaptive_avg_pool2d, 5: adaptive_avg_pool3d}


def interpolate(
    input: Tensor,
    size: ShapeLike | None = None,
    scale_factor: float | Sequence[float] | None = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> Tensor:
    """Resize sequences (N, C, L), images (N, C, H, W) or volumes (N, C, D, H, W).

    Parameters
    ----------
    input : Tensor of 3, 4 or 5 dims
        Integers are rounded; uint8 after each dim, from the last one, as in PIL.
    size : int or sequence of int, optional
        The new L, or H and W, or D, H and W.
    scale_factor : float or sequence of float, optional
        Given instead of `size`: the new size is ``floor(n * scale_factor)``.
    mode : {'nearest', 'nearest-exact', 'linear', 'bilinear', 'bicubic', 'trilinear', 'area'}
        'nearest' takes the element at ``floor(i / scale)``, 'nearest-exact' at ``floor((i + 1/2) / scale)``;
        'linear' (3 dims), 'bilinear' (4 dims) and 'trilinear' (5 dims) mix the neighbours of ``(i + 1/2) / scale -
        1/2``; 'bicubic' (4 dims) mixes four of them along each dim (Keys, a = -0.75); 'area' averages as
        `adaptive_avg_pool2d`.
    align_corners : bool, optional
        For the linear and cubic modes: let the outermost elements of both lie on each other, ``i * (n - 1) / (new -
        1)``.
    recompute_scale_factor : bool, optional
        Take the scale from the new size, not from `scale_factor`.
    antialias : bool
        For 'bilinear' and 'bicubic' to a smaller size: widen the neighbourhood by the scale, so that all elements count
        (as PIL does; a = -0.5).

    Returns
    -------
    Tensor
        The gradient of an element is the sum over the places that it contributes to.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.nn.functional.interpolate(ag.tensor([[[1.0, 3.0]]]), 4, mode="linear").tolist()
    [[[1.0, 1.5, 2.5, 3.0]]]
    """
    if input.ndim not in LINEAR:
        raise NotImplementedError(f"interpolate(): expects 3, 4 or 5 dims (input.shape={input.shape})")
    sizes, scales = _scales(input, size, scale_factor, "interpolate")
    scales = (None,) * len(scales) if recompute_scale_factor else scales
    linear = LINEAR[input.ndim]
    smooth = (linear, "bicubic") if input.ndim == 4 else (linear,)
    if align_corners is not None and mode not in smooth:
        raise ValueError(
            f"interpolate(): align_corners is for the linear and cubic modes only (mode={mode!r}, "
            f"align_corners={align_corners})"
        )
    if antialias and (input.ndim != 4 or mode not in smooth):
        raise ValueError("interpolate(): antialias is for images and the modes 'bilinear' and 'bicubic' "
                         f"(mode={mode!r}, input.shape={input.shape})")
    if input.dtype == np.uint8 and input.ndim == 4 and mode in smooth:
        return _interpolated_bytes(input, sizes, scales, mode, bool(align_corners), antialias)
    if input.dtype.kind != "f" and mode in ("area", *smooth):
        wide = interpolate(to_dtype(input, get_default_dtype()), sizes, None, mode, align_corners)
        return to_dtype(round(wide), input.dtype)
    if mode == "area":
        return AREA[input.ndim](input, sizes)
    if mode not in ("nearest", "nearest-exact", *smooth):
        raise NotImplementedError(
            f"interpolate(): mode must be 'nearest', 'nearest-exact', 'area' or {' or '.join(map(repr, smooth))} for "
            f"{input.ndim} dims (mode={mode!r})"
        )
    if mode == linear and not antialias:
        return _linear_resize(input, sizes=sizes, scales=scales, align_corners=bool(align_corners))
    for dim, new_size, scale in zip(range(2, input.ndim), sizes, scales):
        along = input.array.shape[dim], new_size, scale
        if mode in ("nearest", "nearest-exact"):
            input = _index_select(input, _nearest(*along, mode == "nearest-exact"), dim=dim)
        elif antialias:
            input = resampled(input, dim, *_antialiased_taps(*along, bool(align_corners), mode))
        else:
            input = resampled(input, dim, *_cubic_taps(*along, bool(align_corners)))
    return input


def upsample(
    input: Tensor,
    size: ShapeLike | None = None,
    scale_factor: float | Sequence[float] | None = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
) -> Tensor:
    """Return what `interpolate` does: PyTorch's older name.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.nn.functional.upsample(ag.ones(1, 1, 2, 3), scale_factor=2).shape
    (1, 1, 4, 6)
    """
    return interpolate(input, size, scale_factor, mode, align_corners)


def upsample_nearest(
    input: Tensor, size: ShapeLike | None = None, scale_factor: float | Sequence[float] | None = None
) -> Tensor:
    """Return what `interpolate` does with ``mode="nearest"``: PyTorch's older name.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.nn.functional.upsample_nearest(ag.tensor([[[1.0, 2.0]]]), size=4).tolist()
    [[[1.0, 1.0, 2.0, 2.0]]]
    """
    return interpolate(input, size, scale_factor, "nearest")


def upsample_bilinear(
    input: Tensor, size: ShapeLike | None = None, scale_factor: float | Sequence[float] | None = None
) -> Tensor:
    """Return what `interpolate` does with ``mode="bilinear"`` and ``align_corners=True``: PyTorch's older name.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.nn.functional.upsample_bilinear(ag.tensor([[[[0.0, 2.0]]]]), size=(1, 3)).tolist()
    [[[[0.0, 1.0, 2.0]]]]
    """
    return interpolate(input, size, scale_factor, "bilinear", True)


# ------------------------------------------------------------------------------------ windows as columns


@primitive
def _unfold(x: Array, *, kernel: Pair, stride: Pair, padding: Pair, dilation: Pair) -> Array:
    (kH, kW), (sH, sW), (pH, pW), (dH, dW) = kernel, stride, padding, dilation
    N, C, H, W = x.shape
    OH, OW = (
        (n + 2 * p - d * (k - 1) - 1) // s + 1 for n, p, d, k, s in zip((H, W), padding, dilation, kernel, stride)
    )
    padded = np.pad(x, ((0, 0), (0, 0), (pH, pH), (pW, pW))) if pH or pW else x
    out = np.empty((N, C, kH, kW, OH, OW), x.dtype)
    for a in range(kH):
        for b in range(kW):
            rows, columns = slice(a * dH, a * dH + (OH - 1) * sH + 1, sH), slice(b * dW, b * dW + (OW - 1) * sW + 1, sW)
            out[:, :, a, b] = padded[:, :, rows, columns]
    return out.reshape(N, C * kH * kW, OH * OW)


@primitive
def _fold(x: Array, *, size: Pair, kernel: Pair, stride: Pair, padding: Pair, dilation: Pair) -> Array:
    (kH, kW), (sH, sW), (pH, pW), (dH, dW), (H, W) = kernel, stride, padding, dilation, size
    OH, OW = ((n + 2 * p - d * (k - 1) - 1) // s + 1 for n, p, d, k, s in zip(size, padding, dilation, kernel, stride))
    N, C = x.shape[0], x.shape[1] // (kH * kW)
    cells = x.reshape(N, C, kH, kW, OH, OW)
    out = np.zeros((N, C, H + 2 * pH, W + 2 * pW), x.dtype)
    for a in range(kH):
        for b in range(kW):
            rows, columns = slice(a * dH, a * dH + (OH - 1) * sH + 1, sH), slice(b * dW, b * dW + (OW - 1) * sW + 1, sW)
            out[:, :, rows, columns] += cells[:, :, a, b]
    return np.ascontiguousarray(out[:, :, pH : pH + H, pW : pW + W])


_unfold.defvjp(x=lambda g, x_like, **p: _fold(g, size=x_like.shape[2:], **p))
_fold.defvjp(x=lambda g, size, **p: _unfold(g, **p))


def _window_settings(
    kernel_size: Size2d, dilation: Size2d, padding: Size2d, stride: Size2d, operation: str
) -> dict[str, Pair]:
    return {
        "kernel": pair(kernel_size, "kernel_size", operation, 1),
        "stride": pair(stride, "stride", operation, 1),
        "padding": pair(padding, "padding", operation),
        "dilation": pair(dilation, "dilation", operation, 1),
    }


def _window_count(size: Shape, kernel: Pair, stride: Pair, padding: Pair, dilation: Pair) -> list[int]:
    return [(n + 2 * p - d * (k - 1) - 1) // s + 1 for n, p, d, k, s in zip(size, padding, dilation, kernel, stride)]


def unfold(input: Tensor, kernel_size: Size2d, dilation: Size2d = 1, padding: Size2d = 0, stride: Size2d = 1) -> Tensor:
    """Return the sliding windows of images as columns.

    Parameters
    ----------
    input : Tensor of shape (N, C, H, W) or (C, H, W)
    kernel_size, dilation, padding, stride : int or (int, int)

    Returns
    -------
    Tensor of shape (N, C * kH * kW, OH * OW)
        With OH and OW as in `conv2d`. The gradient is `fold`.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn.nn import functional as F
    >>> F.unfold(ag.arange(9.0).reshape(1, 1, 3, 3), 2).shape
    (1, 4, 4)
    """
    if input.ndim == 3:
        out = unfold(reshape(input, (1, *input.array.shape)), kernel_size, dilation, padding, stride)
        return reshape(out, out.array.shape[1:])
    settings = _window_settings(kernel_size, dilation, padding, stride, "unfold")
    if input.ndim != 4 or min(_window_count(input.array.shape[2:], **settings)) < 1:
        raise RuntimeError(f"unfold(): expects 3 or 4 dims and at least one window "
                           f"(input.shape={input.shape}, {settings})")
    return _unfold(input, **settings)


def fold(
    input: Tensor,
    output_size: Size2d,
    kernel_size: Size2d,
    dilation: Size2d = 1,
    padding: Size2d = 0,
    stride: Size2d = 1,
) -> Tensor:
    """Return the sums of columns put back as sliding windows: the adjoint of `unfold`.

    Parameters
    ----------
    input : Tensor of shape (N, C * kH * kW, L) or without N
    output_size : int or (int, int)
        H and W of the result.
    kernel_size, dilation, padding, stride : int or (int, int)

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn.nn import functional as F
    >>> F.fold(ag.ones(1, 4, 4), (3, 3), 2).shape
    (1, 1, 3, 3)
    """
    if input.ndim == 2:
        out = fold(reshape(input, (1, *input.array.shape)), output_size, kernel_size, dilation, padding, stride)
        return reshape(out, out.array.shape[1:])
    settings = _window_settings(kernel_size, dilation, padding, stride, "fold")
    size = pair(output_size, "output_size", "fold", 1)
    count = _window_count(size, **settings)
    cells = math.prod(settings["kernel"])
    if input.ndim != 3 or input.array.shape[1] % cells or input.array.shape[2] != math.prod(count) or min(count) < 1:
        raise RuntimeError(
            f"fold(): expects (N, C * kH * kW, {math.prod(count)}) for this size (input.shape={input.shape}, "
            f"output_size={size}, {settings})"
        )
    return _fold(input, size=size, **settings)


# ------------------------------------------------------------------------------------ channels and pixels


def pixel_shuffle(input: Tensor, upscale_factor: int) -> Tensor:
    """Return (..., C, H r, W r) of (..., C r**2, H, W): channels become pixels (Shi et al. 2016, arXiv:1609.05158).

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn.nn import functional as F
    >>> F.pixel_shuffle(ag.zeros(1, 4, 2, 2), 2).shape
    (1, 1, 4, 4)
    """
    r = upscale_factor
    if input.ndim < 3 or input.array.shape[-3] % r**2:
        raise RuntimeError(
            f"pixel_shuffle(): the channels must be divisible by upscale_factor**2 (input.shape={input.shape}, "
            f"upscale_factor={r})"
        )
    lead, (C, H, W) = input.array.shape[:-3], input.array.shape[-3:]
    n = len(lead)
    cells = reshape(input, (*lead, C // r**2, r, r, H, W))
    return reshape(permute(cells, (*range(n), n, n + 3, n + 1, n + 4, n + 2)), (*lead, C // r**2, H * r, W * r))


def pixel_unshuffle(input: Tensor, downscale_factor: int) -> Tensor:
    """Return (..., C r**2, H / r, W / r) of (..., C, H, W): the inverse of `pixel_shuffle`.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn.nn import functional as F
    >>> F.pixel_unshuffle(ag.zeros(1, 1, 4, 4), 2).shape
    (1, 4, 2, 2)
    """
    r = downscale_factor
    if input.ndim < 3 or input.array.shape[-1] % r or input.array.shape[-2] % r:
        raise RuntimeError(
            f"pixel_unshuffle(): H and W must be divisible by downscale_factor (input.shape={input.shape}, "
            f"downscale_factor={r})"
        )
    lead, (C, H, W) = input.array.shape[:-3], input.array.shape[-3:]
    n = len(lead)
    cells = reshape(input, (*lead, C, H // r, r, W // r, r))
    return reshape(permute(cells, (*range(n), n, n + 2, n + 4, n + 1, n + 3)), (*lead, C * r**2, H // r, W // r))


def channel_shuffle(input: Tensor, groups: int) -> Tensor:
    """Return (N, C, ...) with the channels of equal place in each of some groups put beside each other.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.nn.functional.channel_shuffle(ag.arange(4).reshape(1, 4, 1), 2).flatten().tolist()
    [0, 2, 1, 3]
    """
    if input.ndim < 3 or groups < 1 or input.array.shape[1] % groups:
        raise RuntimeError(f"channel_shuffle(): expects at least 3 dims and channels that groups divide "
                           f"(input.shape={input.shape}, groups={groups})")
    N, C, *rest = input.array.shape
    inner = reshape(input, (N, groups, C // groups, *rest))
    return reshape(permute(inner, (0, 2, 1, *range(3, inner.ndim))), input.array.shape)
