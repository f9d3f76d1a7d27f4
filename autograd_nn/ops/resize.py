"""Interpolation, sliding windows as columns, rearrangements between channels and pixels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..engine import primitive
from ..typing import Array, Pair, Shape, ShapeLike, Size2d, Tensor
from .conv import pair
from .elementwise import add, mul, sub
from .index import _index_select
from .pool import adaptive_avg_pool1d, adaptive_avg_pool2d
from .shape import permute, reshape

__all__ = ["fold", "interpolate", "pixel_shuffle", "pixel_unshuffle", "unfold"]

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
    if scale_factor is None:
        sizes, scales = tuple(int(n) for n in values), (None,) * count
    else:
        sizes, scales = tuple(math.floor(n * float(s)) for n, s in zip(input.shape[2:], values)), values
    if min(sizes) < 1 or 0 in input.shape[2:]:
        raise RuntimeError(f"{operation}(): sizes must be positive (input.shape={input.shape}, sizes={sizes})")
    return sizes, scales


def _nearest(size: int, new_size: int, scale: float | None, exact: bool) -> Array:
    """Return which element of an axis each place of the resized axis repeats."""
    step = size / new_size if scale is None else 1 / scale
    places = np.floor((np.arange(new_size) + (0.5 if exact else 0.0)) * np.float32(step)).astype(np.int64)
    clipped: Array = np.minimum(places, size - 1)
    return clipped


def _linear_positions(size: int, new_size: int, scale: float | None, align_corners: bool) -> tuple[Array, Array, Array]:
    """Return for each place of the resized axis its two neighbours and the share of the second."""
    if align_corners:
        positions = np.arange(new_size) * ((size - 1) / (new_size - 1) if new_size > 1 else 0.0)
    else:
        step = size / new_size if scale is None else 1 / scale
        positions = np.maximum((np.arange(new_size) + 0.5) * step - 0.5, 0)
    first = np.minimum(positions.astype(np.int64), size - 1)
    return first, np.minimum(first + 1, size - 1), positions - first


def interpolate(
    input: Tensor,
    size: ShapeLike | None = None,
    scale_factor: float | Sequence[float] | None = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
) -> Tensor:
    """Resize sequences (N, C, L) or images (N, C, H, W).

    Parameters
    ----------
    input : Tensor of 3 or 4 dims
    size : int or sequence of int, optional
        The new L, or H and W.
    scale_factor : float or sequence of float, optional
        Given instead of `size`: the new size is ``floor(n * scale_factor)``.
    mode : {'nearest', 'nearest-exact', 'linear', 'bilinear', 'area'}
        'nearest' takes the element at ``floor(i / scale)``, 'nearest-exact' at ``floor((i + 1/2) / scale)``;
        'linear' (3 dims) and 'bilinear' (4 dims) mix the neighbours of ``(i + 1/2) / scale - 1/2``; 'area' averages
        as `adaptive_avg_pool2d`.
    align_corners : bool, optional
        For the linear modes: let the outermost elements of both lie on each other, ``i * (n - 1) / (new - 1)``.
    recompute_scale_factor : bool, optional
        Take the scale from the new size, not from `scale_factor`.

    Returns
    -------
    Tensor
        The gradient of an element is the sum over the places that it contributes to.
    """
    if input.ndim not in (3, 4):
        raise NotImplementedError(f"interpolate(): expects 3 or 4 dims (input.shape={input.shape})")
    sizes, scales = _scales(input, size, scale_factor, "interpolate")
    scales = (None,) * len(scales) if recompute_scale_factor else scales
    linear = {3: "linear", 4: "bilinear"}[input.ndim]
    if align_corners is not None and mode != linear:
        raise ValueError(
            f"interpolate(): align_corners is for the linear modes only (mode={mode!r}, align_corners={align_corners})"
        )
    if mode == "area":
        return adaptive_avg_pool1d(input, sizes) if input.ndim == 3 else adaptive_avg_pool2d(input, sizes)
    if mode not in ("nearest", "nearest-exact", linear):
        raise NotImplementedError(
            f"interpolate(): mode must be 'nearest', 'nearest-exact', 'area' or {linear!r} for "
            f"{input.ndim} dims "
            f"(mode={mode!r})"
        )
    for dim, new_size, scale in zip(range(2, input.ndim), sizes, scales):
        if mode != linear:
            input = _index_select(input, _nearest(input.shape[dim], new_size, scale, mode == "nearest-exact"), dim=dim)
            continue
        first, second, share = _linear_positions(input.shape[dim], new_size, scale, bool(align_corners))
        share = share.astype(input.dtype).reshape((-1,) + (1,) * (input.ndim - dim - 1))
        left, right = _index_select(input, first, dim=dim), _index_select(input, second, dim=dim)
        input = add(left, mul(sub(right, left), share))
    return input


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
    """
    if input.ndim == 3:
        out = unfold(reshape(input, (1, *input.shape)), kernel_size, dilation, padding, stride)
        return reshape(out, out.shape[1:])
    settings = _window_settings(kernel_size, dilation, padding, stride, "unfold")
    if input.ndim != 4 or min(_window_count(input.shape[2:], **settings)) < 1:
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
    """
    if input.ndim == 2:
        out = fold(reshape(input, (1, *input.shape)), output_size, kernel_size, dilation, padding, stride)
        return reshape(out, out.shape[1:])
    settings = _window_settings(kernel_size, dilation, padding, stride, "fold")
    size = pair(output_size, "output_size", "fold", 1)
    count = _window_count(size, **settings)
    cells = math.prod(settings["kernel"])
    if input.ndim != 3 or input.shape[1] % cells or input.shape[2] != math.prod(count) or min(count) < 1:
        raise RuntimeError(
            f"fold(): expects (N, C * kH * kW, {math.prod(count)}) for this size (input.shape={input.shape}, "
            f"output_size={size}, {settings})"
        )
    return _fold(input, size=size, **settings)


# ------------------------------------------------------------------------------------ channels and pixels


def pixel_shuffle(input: Tensor, upscale_factor: int) -> Tensor:
    """Return (..., C, H r, W r) of (..., C r**2, H, W): channels become pixels (Shi et al. 2016, arXiv:1609.05158)."""
    r = upscale_factor
    if input.ndim < 3 or input.shape[-3] % r**2:
        raise RuntimeError(
            f"pixel_shuffle(): the channels must be divisible by upscale_factor**2 (input.shape={input.shape}, "
            f"upscale_factor={r})"
        )
    lead, (C, H, W) = input.shape[:-3], input.shape[-3:]
    n = len(lead)
    cells = reshape(input, (*lead, C // r**2, r, r, H, W))
    return reshape(permute(cells, (*range(n), n, n + 3, n + 1, n + 4, n + 2)), (*lead, C // r**2, H * r, W * r))


def pixel_unshuffle(input: Tensor, downscale_factor: int) -> Tensor:
    """Return (..., C r**2, H / r, W / r) of (..., C, H, W): the inverse of `pixel_shuffle`."""
    r = downscale_factor
    if input.ndim < 3 or input.shape[-1] % r or input.shape[-2] % r:
        raise RuntimeError(
            f"pixel_unshuffle(): H and W must be divisible by downscale_factor (input.shape={input.shape}, "
            f"downscale_factor={r})"
        )
    lead, (C, H, W) = input.shape[:-3], input.shape[-3:]
    n = len(lead)
    cells = reshape(input, (*lead, C, H // r, r, W // r, r))
    return reshape(permute(cells, (*range(n), n, n + 2, n + 4, n + 1, n + 3)), (*lead, C * r**2, H // r, W // r))
