"""Pooling over sliding windows. Max-pooling gathers at an index that is itself not differentiated."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..engine import primitive, wrap
from ..kernels import pool as kernels
from ..typing import Array, OutputSize, Pair, Shape, Size1d, Size2d, Tensor, TensorOrTuple
from .conv import _as_images, _as_sequences, _row, in_one_row, pair
from .elementwise import abs, mul, pow, relu, sign
from .index import scatter
from .shape import reshape

__all__ = [
    "adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_max_pool1d", "adaptive_max_pool2d", "avg_pool1d",
    "avg_pool2d", "lp_pool2d", "max_pool1d", "max_pool2d", "max_unpool2d",
]  # fmt: skip

# ------------------------------------------------------------------------------------ primitives


@primitive(results="out index")
def _max_pool2d(
    x: Array, *, kernel: Pair, stride: Pair, padding: Pair, dilation: Pair, ceil_mode: bool
) -> tuple[Array, Array]:
    """Return the largest element of each window, and its position in the window."""
    return kernels.max_pool2d(
        x, kernel=kernel, stride=stride, padding=padding, dilation=dilation, ceil_mode=ceil_mode
    )


@primitive
def _window_put(
    g: Array, index: Array, *, size: Pair, kernel: Pair, stride: Pair, padding: Pair, dilation: Pair
) -> Array:
    return kernels.max_pool2d_put(g, index, size=size, kernel=kernel, stride=stride, padding=padding, dilation=dilation)


@primitive
def _window_take(x: Array, index: Array, *, kernel: Pair, stride: Pair, padding: Pair, dilation: Pair) -> Array:
    return kernels.max_pool2d_take(x, index, kernel=kernel, stride=stride, padding=padding, dilation=dilation)


_max_pool2d.defvjp(
    x=lambda g, x_like, index, ceil_mode, **p: _window_put(g, index, size=x_like.shape[2:], **p)
)
_window_put.defvjp(g=lambda h, index, size, **p: _window_take(h, index, **p))
_window_take.defvjp(x=lambda g, x_like, index, **p: _window_put(g, index, size=x_like.shape[2:], **p))


@primitive
def _avg_pool2d(x: Array, **p: Any) -> Array:
    return kernels.avg_pool2d(x, **p)


@primitive
def _avg_pool2d_input(g: Array, *, size: Pair, **p: Any) -> Array:
    return kernels.avg_pool2d_input(g, size=size, **p)


_avg_pool2d.defvjp(x=lambda g, x_like, **p: _avg_pool2d_input(g, size=x_like.shape[2:], **p))
_avg_pool2d_input.defvjp(g=lambda h, size, **p: _avg_pool2d(h, **p))


@primitive
def _adaptive_avg_pool2d(x: Array, *, size: Pair) -> Array:
    return kernels.adaptive_avg_pool2d(x, size=size)


@primitive
def _adaptive_avg_pool2d_input(g: Array, *, size: Pair) -> Array:
    return kernels.adaptive_avg_pool2d_input(g, size=size)


_adaptive_avg_pool2d.defvjp(x=lambda g, x_like: _adaptive_avg_pool2d_input(g, size=x_like.shape[2:]))
_adaptive_avg_pool2d_input.defvjp(g=lambda h, g_like: _adaptive_avg_pool2d(h, size=g_like.shape[2:]))


@primitive
def _adaptive_max_index(x: Array, *, size: Pair) -> Array:
    """Return the place of the largest element of each window in its flattened plane."""
    return kernels.adaptive_max_pool2d(x, size=size)[1]


@primitive
def _plane_take(x: Array, index: Array) -> Array:
    return kernels.adaptive_max_pool2d_take(x, index)


@primitive
def _plane_put(g: Array, index: Array, *, size: Pair) -> Array:
    return kernels.adaptive_max_pool2d_put(g, index, size=size)


_plane_take.defvjp(x=lambda g, x_like, index: _plane_put(g, index, size=x_like.shape[2:]))
_plane_put.defvjp(g=lambda h, index: _plane_take(h, index))


# ------------------------------------------------------------------------------------ settings and checks


def _window(
    input: Tensor,
    kernel_size: Size2d,
    stride: Size2d | None,
    padding: Size2d,
    dilation: Size2d,
    ceil_mode: bool,
    operation: str,
) -> tuple[Pair, Pair, Pair, Pair]:
    """Return the settings as pairs, having checked that there is at least one window."""
    kernel = pair(kernel_size, "kernel_size", operation, 1)
    stride = kernel if stride is None else pair(stride, "stride", operation, 1)
    padding = pair(padding, "padding", operation)
    dilation = pair(dilation, "dilation", operation, 1)
    if any(2 * p > k for p, k in zip(padding, kernel)):
        raise RuntimeError(f"{operation}(): padding may be at most half of kernel_size (padding={padding}, "
                           f"kernel_size={kernel})")
    if input.ndim != 4:
        raise RuntimeError(f"{operation}(): expects a tensor of 3 or 4 dims (input.shape={input.shape})")
    if input.shape[1] == 0:
        raise RuntimeError(f"{operation}(): expects at least one channel (input.shape={input.shape})")
    for n, k, s, p, d in zip(input.shape[2:], kernel, stride, padding, dilation):
        if kernels.pooled_length(n, k, s, p, d, ceil_mode) < 1 or n < 1:
            raise RuntimeError(f"{operation}(): the window is larger than the padded image (input.shape={input.shape}, "
                               f"kernel_size={kernel}, "
                               f"padding={padding}, dilation={dilation})")
    return kernel, stride, padding, dilation


def _batched(pool: Callable[..., Tensor], input: Tensor, *arguments: Any) -> Tensor:
    out = pool(input.reshape(1, *input.shape), *arguments)
    return out.reshape(out.shape[1:])


def max_pool2d(
    input: Tensor,
    kernel_size: Size2d,
    stride: Size2d | None = None,
    padding: Size2d = 0,
    dilation: Size2d = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> TensorOrTuple:
    """Return the largest element of each window.

    Ties give the gradient to the first element in row-major order; NaN counts as largest; padding never wins.

    Parameters
    ----------
    input : Tensor of shape (N, C, H, W) or (C, H, W)
    kernel_size, stride, padding, dilation : int or (int, int)
        `stride` is `kernel_size` by default; `padding` is at most half of `kernel_size`.
    ceil_mode : bool
        Keep a last window that only partly lies on the image, unless it starts in the padding.
    return_indices : bool
        Return also the place of each maximum in its flattened image (int64), for `max_unpool2d`.

    Returns
    -------
    Tensor of shape (N, C, OH, OW)
        ``OH = floor((H + 2 p - d (kH - 1) - 1) / s) + 1`` (rounded up with `ceil_mode`).
    """
    if input.ndim == 3:
        batch = reshape(input, (1, *input.shape))
        out = max_pool2d(batch, kernel_size, stride, padding, dilation, ceil_mode, return_indices)
        return tuple(reshape(part, part.shape[1:]) for part in out) if return_indices else reshape(out, out.shape[1:])
    kernel, stride, padding, dilation = _window(input, kernel_size, stride, padding, dilation, ceil_mode, "max_pool2d")
    settings = {"kernel": kernel, "stride": stride, "padding": padding, "dilation": dilation}
    out, index = _max_pool2d(input, **settings, ceil_mode=bool(ceil_mode))
    return (out, _flat_places(index, width=input.shape[3], **settings)) if return_indices else out


@primitive
def _flat_places(index: Array, *, width: int, kernel: Pair, stride: Pair, padding: Pair, dilation: Pair) -> Array:
    """Return positions within windows as places in the flattened image."""
    row, column = np.divmod(index.astype(np.int64), kernel[1])
    top = np.arange(index.shape[2])[:, None] * stride[0] - padding[0]
    left = np.arange(index.shape[3]) * stride[1] - padding[1]
    places: Array = (top + row * dilation[0]) * width + left + column * dilation[1]
    return places


def max_unpool2d(
    input: Tensor,
    indices: Tensor,
    kernel_size: Size2d,
    stride: Size2d | None = None,
    padding: Size2d = 0,
    output_size: Sequence[int] | None = None,
) -> Tensor:
    """Return zeros with each maximum put back where `max_pool2d` found it.

    Parameters
    ----------
    input, indices : Tensor of shape (N, C, OH, OW)
        As `max_pool2d` returns them with ``return_indices=True``.
    kernel_size, stride, padding
        As for `max_pool2d`.
    output_size : sequence of int, optional
        Its last two are H and W; by default the least that was pooled: ``(OH - 1) s - 2 p + k``.
    """
    kernel = pair(kernel_size, "kernel_size", "max_unpool2d", 1)
    stride = kernel if stride is None else pair(stride, "stride", "max_unpool2d", 1)
    padding = pair(padding, "padding", "max_unpool2d")
    if output_size is None:
        size = [(n - 1) * s - 2 * p + k for n, s, p, k in zip(input.shape[-2:], stride, padding, kernel)]
    else:
        size = list(output_size)[-2:]
    if input.ndim not in (3, 4) or input.shape != indices.shape:
        raise RuntimeError(f"max_unpool2d(): input and indices must have one shape of 3 or 4 dims "
                           f"(input.shape={input.shape}, "
                           f"indices.shape={indices.shape})")
    planes = (math.prod(input.shape[:-2]), math.prod(input.shape[-2:]))
    zeros = wrap(np.zeros((planes[0], math.prod(size)), input.dtype))
    return reshape(scatter(zeros, 1, reshape(indices, planes), reshape(input, planes)), (*input.shape[:-2], *size))


def avg_pool2d(
    input: Tensor,
    kernel_size: Size2d,
    stride: Size2d | None = None,
    padding: Size2d = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """Return the mean of each window.

    Parameters
    ----------
    input : Tensor of shape (N, C, H, W) or (C, H, W)
    kernel_size, stride, padding : int or (int, int)
    ceil_mode : bool
        As for `max_pool2d`.
    count_include_pad : bool
        Divide by the cells of the window that lie on the padded image; otherwise by those on the image.
    divisor_override : int, optional
        Divide by this instead.
    """
    if input.ndim == 3:
        return _batched(avg_pool2d, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)
    if input.dtype.kind != "f":
        raise RuntimeError(f"avg_pool2d(): expects a floating-point tensor (dtype={input.dtype})")
    if divisor_override is not None and divisor_override == 0:
        raise RuntimeError(f"avg_pool2d(): divisor_override must not be 0 (divisor_override={divisor_override})")
    kernel, stride, padding, _ = _window(input, kernel_size, stride, padding, 1, ceil_mode, "avg_pool2d")
    return _avg_pool2d(input, kernel=kernel, stride=stride, padding=padding, ceil_mode=bool(ceil_mode),
                       count_include_pad=bool(count_include_pad), divisor_override=divisor_override)


def lp_pool2d(
    input: Tensor, norm_type: float, kernel_size: Size2d, stride: Size2d | None = None, ceil_mode: bool = False
) -> Tensor:
    """Return ``sum(input**p) ** (1 / p)`` of each window, ``p=norm_type``; the gradient where the sum is 0 is 0."""
    kernel = pair(kernel_size, "kernel_size", "lp_pool2d", 1)
    powers = avg_pool2d(pow(input, norm_type), kernel, stride, 0, ceil_mode)
    return pow(mul(mul(sign(powers), relu(abs(powers))), float(kernel[0] * kernel[1])), 1 / norm_type)


# ------------------------------------------------------------------------------------ windows that tile the image


def _target_size(input: Tensor, output_size: OutputSize, operation: str) -> Shape:
    """Return the size of the result; None keeps that of `input`."""
    sizes: tuple[Any, ...] = tuple(output_size) if isinstance(output_size, tuple | list) else (output_size, output_size)
    if len(sizes) != 2 or input.ndim not in (3, 4):
        raise RuntimeError(f"{operation}(): expects 3 or 4 dims and one or two sizes (input.shape={input.shape}, "
                           f"output_size={output_size})")
    sizes = tuple(n if size is None else int(size) for size, n in zip(sizes, input.shape[-2:]))
    if min(sizes) < 1 or 0 in input.shape[-3:]:
        raise RuntimeError(f"{operation}(): sizes must be positive "
                           f"(input.shape={input.shape}, output_size={output_size})")
    return sizes


def adaptive_avg_pool2d(input: Tensor, output_size: OutputSize) -> Tensor:
    """Return the means of windows that tile the image: ``floor(i H / OH)`` to ``ceil((i + 1) H / OH)``.

    Parameters
    ----------
    input : Tensor of shape (N, C, H, W) or (C, H, W)
    output_size : int or (int or None, int or None)
        OH and OW; None keeps H or W.
    """
    size = _target_size(input, output_size, "adaptive_avg_pool2d")
    if input.dtype.kind != "f":
        raise RuntimeError(f"adaptive_avg_pool2d(): expects a floating-point tensor (dtype={input.dtype})")
    if input.ndim == 3:
        return _batched(adaptive_avg_pool2d, input, size)
    return _adaptive_avg_pool2d(input, size=size)


def adaptive_max_pool2d(input: Tensor, output_size: OutputSize, return_indices: bool = False) -> TensorOrTuple:
    """Return the largest elements of windows that tile the image as in `adaptive_avg_pool2d`.

    The first of a tie gets the gradient.
    """
    size = _target_size(input, output_size, "adaptive_max_pool2d")
    if input.ndim == 3:
        out = adaptive_max_pool2d(reshape(input, (1, *input.shape)), size, True)
        out = tuple(reshape(part, part.shape[1:]) for part in out)
        return out if return_indices else out[0]
    index = _adaptive_max_index(input, size=size)
    out = _plane_take(input, index)
    return (out, index) if return_indices else out


# ------------------------------------------------------------------------------------ sequences


def _check_sequence(input: Tensor, operation: str) -> None:
    if input.ndim not in (2, 3):
        raise RuntimeError(f"{operation}(): expects a tensor of 2 or 3 dims (input.shape={input.shape})")


def max_pool1d(
    input: Tensor,
    kernel_size: Size1d,
    stride: Size1d | None = None,
    padding: Size1d = 0,
    dilation: Size1d = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> TensorOrTuple:
    """Return the largest element of each window of sequences (N, C, L); see `max_pool2d`."""
    _check_sequence(input, "max_pool1d")
    kernel, padding, dilation = (
        _row(value, name, "max_pool1d", least)
        for value, name, least in ((kernel_size, "kernel_size", 1), (padding, "padding", 0), (dilation, "dilation", 1))
    )
    stride = kernel if stride is None else _row(stride, "stride", "max_pool1d", 1)
    settings = kernel, stride, padding, dilation, ceil_mode, return_indices
    out = in_one_row("max_pool1d", max_pool2d, _as_images(input), *settings)
    return tuple(map(_as_sequences, out)) if return_indices else _as_sequences(out)


def avg_pool1d(
    input: Tensor,
    kernel_size: Size1d,
    stride: Size1d | None = None,
    padding: Size1d = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Tensor:
    """Return the mean of each window of sequences (N, C, L); see `avg_pool2d`."""
    _check_sequence(input, "avg_pool1d")
    kernel, padding = _row(kernel_size, "kernel_size", "avg_pool1d", 1), _row(padding, "padding", "avg_pool1d")
    stride = kernel if stride is None else _row(stride, "stride", "avg_pool1d", 1)
    settings = kernel, stride, padding, ceil_mode, count_include_pad
    return _as_sequences(in_one_row("avg_pool1d", avg_pool2d, _as_images(input), *settings))


def adaptive_avg_pool1d(input: Tensor, output_size: OutputSize) -> Tensor:
    """Return the means of windows that tile sequences (N, C, L); see `adaptive_avg_pool2d`."""
    _check_sequence(input, "adaptive_avg_pool1d")
    size: Any = output_size[0] if isinstance(output_size, tuple | list) else output_size
    return _as_sequences(in_one_row("adaptive_avg_pool1d", adaptive_avg_pool2d, _as_images(input), (1, size)))


def adaptive_max_pool1d(input: Tensor, output_size: OutputSize, return_indices: bool = False) -> TensorOrTuple:
    """Return the largest elements of windows that tile sequences (N, C, L); see `adaptive_max_pool2d`."""
    _check_sequence(input, "adaptive_max_pool1d")
    size: Any = output_size[0] if isinstance(output_size, tuple | list) else output_size
    out = in_one_row("adaptive_max_pool1d", adaptive_max_pool2d, _as_images(input), (1, size), return_indices)
    return tuple(map(_as_sequences, out)) if return_indices else _as_sequences(out)
