"""Pooling over sliding windows. Max-pooling gathers at an index that is itself not differentiated."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from ..engine import primitive
from ..kernels import pool as kernels
from ..typing import Array, OutputSize, Pair, Shape, Size1d, Size2d, Tensor, TensorOrTuple
from .conv import sizes, told
from .shape import reshape

__all__ = [
    "adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_max_pool1d", "adaptive_max_pool2d", "avg_pool1d",
    "avg_pool2d", "max_pool1d", "max_pool2d",
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


@primitive(results="out index")
def _max_pool2d_relu(
    x: Array, *, kernel: Pair, stride: Pair, padding: Pair, dilation: Pair, ceil_mode: bool
) -> tuple[Array, Array]:
    """Return ReLU of the largest element of each window, and its position, that of no element where it is negative."""
    return kernels.max_pool2d(
        x, kernel=kernel, stride=stride, padding=padding, dilation=dilation, ceil_mode=ceil_mode, relu=True
    )


@primitive
def _window_put(
    g: Array, index: Array, *, size: Pair, kernel: Pair, stride: Pair, padding: Pair, dilation: Pair
) -> Array:
    return kernels.max_pool2d_put(g, index, size=size, kernel=kernel, stride=stride, padding=padding, dilation=dilation)


@primitive
def _window_take(x: Array, index: Array, *, kernel: Pair, stride: Pair, padding: Pair, dilation: Pair) -> Array:
    return kernels.max_pool2d_take(x, index, kernel=kernel, stride=stride, padding=padding, dilation=dilation)


for _pool in (_max_pool2d, _max_pool2d_relu):
    _pool.defvjp(x=lambda g, x_like, index, ceil_mode, **p: _window_put(g, index, size=x_like.shape[2:], **p))
_window_put.defvjp(g=lambda h, index, size, **p: _window_take(h, index, **p))
_window_take.defvjp(x=lambda g, x_like, index, **p: _window_put(g, index, size=x_like.shape[2:], **p))


@primitive
def _places(index: Array, *, width: int, kernel: Pair, stride: Pair, padding: Pair, dilation: Pair) -> Array:
    """Return positions within windows as places in the flattened image of this width."""
    row, column = np.divmod(index.astype(np.int64), kernel[1])
    top = np.arange(index.shape[2])[:, None] * stride[0] - padding[0]
    left = np.arange(index.shape[3]) * stride[1] - padding[1]
    places: Array = (top + row * dilation[0]) * width + left + column * dilation[1]
    return places


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


@primitive(results="out places")
def _adaptive_max_pool2d(x: Array, *, size: Pair) -> tuple[Array, Array]:
    """Return the largest element of each window, and its place in the flattened image."""
    return kernels.adaptive_max_pool2d(x, size=size)


@primitive
def _plane_take(x: Array, index: Array) -> Array:
    return kernels.adaptive_max_pool2d_take(x, index)


@primitive
def _plane_put(g: Array, index: Array, *, size: Pair) -> Array:
    return kernels.adaptive_max_pool2d_put(g, index, size=size)


_adaptive_max_pool2d.defvjp(x=lambda g, x_like, places: _plane_put(g, places, size=x_like.shape[2:]))
_plane_take.defvjp(x=lambda g, x_like, index: _plane_put(g, index, size=x_like.shape[2:]))
_plane_put.defvjp(g=lambda h, index: _plane_take(h, index))


# ------------------------------------------------------------------------------------ settings and checks
# They depend on the shape and the settings alone, so each combination is worked out once.


def _absent(stride: Any) -> bool:
    """Return whether a stride was not given: None, or an empty sequence, as PyTorch's own tests write it."""
    return stride is None or (isinstance(stride, tuple | list) and not stride)


class _Plan(NamedTuple):
    """What pooling is called with, and whether its input is a batch of images as it comes."""

    settings: dict[str, Any]
    is_plain: bool


@lru_cache(maxsize=4096, typed=True)
def _plan(
    operation: str, dims: int, shape: Shape, kernel_size: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: Any
) -> _Plan:
    """Check that there is at least one window, and return the settings of the primitives."""
    kernel = sizes(kernel_size, dims, "kernel_size", operation, 1)
    stride = kernel if _absent(stride) else sizes(stride, dims, "stride", operation, 1)
    padding, dilation = sizes(padding, dims, "padding", operation), sizes(dilation, dims, "dilation", operation, 1)
    if any(2 * p > k for p, k in zip(padding, kernel)):
        raise RuntimeError(f"{operation}(): padding may be at most half of kernel_size (padding={told(padding)}, "
                           f"kernel_size={told(kernel)})")
    _check_dims(operation, dims, shape)
    if shape[-dims - 1] == 0:
        raise RuntimeError(f"{operation}(): expects at least one channel (input.shape={shape})")
    for n, k, s, p, d in zip(shape[-dims:], kernel, stride, padding, dilation):
        if kernels.pooled_length(n, k, s, p, d, bool(ceil_mode)) < 1 or n < 1:
            raise RuntimeError(f"{operation}(): the window is larger than the padded image (input.shape={shape}, "
                               f"kernel_size={told(kernel)}, padding={told(padding)}, dilation={told(dilation)})")
    if dims == 1:  # sequences are images of height 1
        kernel, stride, padding, dilation = (1, *kernel), (1, *stride), (0, *padding), (1, *dilation)
    settings = {"kernel": kernel, "stride": stride, "padding": padding, "dilation": dilation}
    return _Plan(settings | {"ceil_mode": bool(ceil_mode)}, dims == 2 and len(shape) == 4)


def _check_dims(operation: str, dims: int, shape: Shape) -> None:
    if len(shape) not in (dims + 1, dims + 2):
        raise RuntimeError(f"{operation}(): expects a tensor of {dims + 1} or {dims + 2} dims (input.shape={shape})")


def _planned(operation: str, dims: int, input: Tensor, *settings: Any) -> _Plan:
    try:
        return _plan(operation, dims, input.array.shape, *settings)
    except TypeError:  # lists cannot be looked up
        lists = (tuple(each) if isinstance(each, list) else each for each in settings)
        return _plan(operation, dims, input.array.shape, *lists)


def _check_floats(operation: str, input: Tensor) -> None:
    if input.dtype.kind != "f":
        raise RuntimeError(f"{operation}(): expects a floating-point tensor (dtype={input.dtype})")


def _on_images(pool: Callable[..., Any], dims: int, input: Tensor, *arguments: Any, **settings: Any) -> Any:
    """Apply pooling of batches of images to one image, to sequences or to one sequence."""
    shape, is_batch = input.array.shape, input.ndim == dims + 2
    out = pool(reshape(input, (*(shape[:1] if is_batch else (1,)), shape[-dims - 1], *(1,) * (2 - dims),
                               *shape[-dims:])), *arguments, **settings)  # fmt: skip
    parts = tuple(reshape(each, (*each.array.shape[0 if is_batch else 1 : 2], *each.array.shape[-dims:]))
                  for each in (out if isinstance(out, tuple) else (out,)))  # fmt: skip
    return parts if isinstance(out, tuple) else parts[0]


# ------------------------------------------------------------------------------------ sliding windows


def _max_pool(
    operation: str, dims: int, input: Tensor, kernel_size: Any, stride: Any, padding: Any, dilation: Any,
    ceil_mode: Any, return_indices: bool,
) -> TensorOrTuple:  # fmt: skip
    plan = _planned(operation, dims, input, kernel_size, stride, padding, dilation, ceil_mode)
    pool = _maxima_and_places if return_indices else _maxima
    return pool(input, **plan.settings) if plan.is_plain else _on_images(pool, dims, input, **plan.settings)


def max_pool2d_relu(
    input: Tensor,
    kernel_size: Size2d,
    stride: Size2d | None = None,
    padding: Size2d = 0,
    dilation: Size2d = 1,
    ceil_mode: bool = False,
) -> Tensor:
    """Return ``relu(max_pool2d(...))``, which is ``max_pool2d(relu(input), ...)``, in one pass."""
    plan = _planned("max_pool2d", 2, input, kernel_size, stride, padding, dilation, ceil_mode)
    out: Tensor
    out = _maxima_relu(input, **plan.settings) if plan.is_plain else _on_images(_maxima_relu, 2, input, **plan.settings)
    return out


def _maxima_relu(input: Tensor, **settings: Any) -> Tensor:
    out: Tensor = _max_pool2d_relu(input, **settings)[0]
    return out


def _maxima(input: Tensor, **settings: Any) -> Tensor:
    out: Tensor = _max_pool2d(input, **settings)[0]
    return out


def _maxima_and_places(input: Tensor, ceil_mode: bool, **settings: Any) -> tuple[Tensor, Tensor]:
    out, index = _max_pool2d(input, ceil_mode=ceil_mode, **settings)
    return out, _places(index, width=input.array.shape[3], **settings)


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

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.max_pool2d(ag.arange(16.0).reshape(1, 1, 4, 4), 2)
    tensor([[[[ 5.,  7.],
              [13., 15.]]]])
    """
    settings = kernel_size, stride, padding, dilation, ceil_mode, return_indices
    return _max_pool("max_pool2d", 2, input, *settings)


def _avg_pool(
    operation: str, dims: int, input: Tensor, kernel_size: Any, stride: Any, padding: Any, ceil_mode: Any,
    count_include_pad: bool, divisor_override: int | None,
) -> Tensor:  # fmt: skip
    _check_floats(operation, input)
    if divisor_override is not None and divisor_override == 0:
        raise RuntimeError(f"{operation}(): divisor_override must not be 0 (divisor_override={divisor_override})")
    plan = _planned(operation, dims, input, kernel_size, stride, padding, 1, ceil_mode)
    settings = plan.settings | {"count_include_pad": bool(count_include_pad), "divisor_override": divisor_override}
    del settings["dilation"]
    out: Tensor = _avg_pool2d(input, **settings) if plan.is_plain else _on_images(_avg_pool2d, dims, input, **settings)
    return out


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

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.avg_pool2d(ag.arange(16.0).reshape(1, 1, 4, 4), 2)
    tensor([[[[ 2.5,  4.5],
              [10.5, 12.5]]]])
    """
    settings = kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
    return _avg_pool("avg_pool2d", 2, input, *settings)


# ------------------------------------------------------------------------------------ windows that tile the image


def _target_size(operation: str, dims: int, input: Tensor, output_size: Any) -> Shape:
    """Return the size of the result; None keeps that of `input`."""
    sizes: tuple[Any, ...] = tuple(output_size) if isinstance(output_size, tuple | list) else (output_size,) * dims
    if len(sizes) != dims or input.ndim not in (dims + 1, dims + 2):
        numbers = "one size" if dims == 1 else "one or two sizes"
        raise RuntimeError(f"{operation}(): expects {dims + 1} or {dims + 2} dims and {numbers} "
                           f"(input.shape={input.shape}, output_size={output_size})")
    sizes = tuple(n if size is None else int(size) for size, n in zip(sizes, input.array.shape[-dims:]))
    if min(sizes) < 1 or 0 in input.array.shape[-dims - 1 :]:
        raise RuntimeError(f"{operation}(): sizes must be positive "
                           f"(input.shape={input.shape}, output_size={output_size})")
    return (1, *sizes) if dims == 1 else sizes


def _adaptive_avg_pool(operation: str, dims: int, input: Tensor, output_size: Any) -> Tensor:
    size = _target_size(operation, dims, input, output_size)
    _check_floats(operation, input)
    is_plain = input.ndim == 4 and dims == 2
    out: Tensor = (
        _adaptive_avg_pool2d(input, size=size) if is_plain else _on_images(_adaptive_avg_pool2d, dims, input, size=size)
    )
    return out


def _adaptive_max_pool(operation: str, dims: int, input: Tensor, output_size: Any, with_places: bool) -> TensorOrTuple:
    size = _target_size(operation, dims, input, output_size)
    out, places = _on_images(_adaptive_max_pool2d, dims, input, size=size)
    return (out, places) if with_places else out


def adaptive_avg_pool2d(input: Tensor, output_size: OutputSize) -> Tensor:
    """Return the means of windows that tile the image: ``floor(i H / OH)`` to ``ceil((i + 1) H / OH)``.

    Parameters
    ----------
    input : Tensor of shape (N, C, H, W) or (C, H, W)
    output_size : int or (int or None, int or None)
        OH and OW; None keeps H or W.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn.nn import functional as F
    >>> F.adaptive_avg_pool2d(ag.ones(1, 2, 6, 6), 1).shape
    (1, 2, 1, 1)
    """
    return _adaptive_avg_pool("adaptive_avg_pool2d", 2, input, output_size)


def adaptive_max_pool2d(input: Tensor, output_size: OutputSize, return_indices: bool = False) -> TensorOrTuple:
    """Return the largest elements of windows that tile the image as in `adaptive_avg_pool2d`.

    The first of a tie gets the gradient.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn.nn import functional as F
    >>> F.adaptive_max_pool2d(ag.ones(1, 2, 6, 6), 1).shape
    (1, 2, 1, 1)
    """
    return _adaptive_max_pool("adaptive_max_pool2d", 2, input, output_size, return_indices)


# ------------------------------------------------------------------------------------ sequences


def max_pool1d(
    input: Tensor,
    kernel_size: Size1d,
    stride: Size1d | None = None,
    padding: Size1d = 0,
    dilation: Size1d = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> TensorOrTuple:
    """Return the largest element of each window of sequences (N, C, L); see `max_pool2d`.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.max_pool1d(ag.tensor([[[1.0, 3.0, 2.0, 0.0]]]), 2)
    tensor([[[3., 2.]]])
    """
    settings = kernel_size, stride, padding, dilation, ceil_mode, return_indices
    return _max_pool("max_pool1d", 1, input, *settings)


def avg_pool1d(
    input: Tensor,
    kernel_size: Size1d,
    stride: Size1d | None = None,
    padding: Size1d = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Tensor:
    """Return the mean of each window of sequences (N, C, L); see `avg_pool2d`.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.avg_pool1d(ag.tensor([[[1.0, 3.0, 2.0, 0.0]]]), 2)
    tensor([[[2., 1.]]])
    """
    return _avg_pool("avg_pool1d", 1, input, kernel_size, stride, padding, ceil_mode, count_include_pad, None)


def adaptive_avg_pool1d(input: Tensor, output_size: OutputSize) -> Tensor:
    """Return the means of windows that tile sequences (N, C, L); see `adaptive_avg_pool2d`.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn.nn import functional as F
    >>> F.adaptive_avg_pool1d(ag.tensor([[[1.0, 3.0, 5.0, 7.0]]]), 2)
    tensor([[[2., 6.]]])
    """
    return _adaptive_avg_pool("adaptive_avg_pool1d", 1, input, output_size)


def adaptive_max_pool1d(input: Tensor, output_size: OutputSize, return_indices: bool = False) -> TensorOrTuple:
    """Return the largest elements of windows that tile sequences (N, C, L); see `adaptive_max_pool2d`.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> import autograd_nn.nn.functional as F
    >>> F.adaptive_max_pool1d(ag.tensor([[[1.0, 5.0, 2.0, 4.0]]]), 2)
    tensor([[[5., 4.]]])
    """
    return _adaptive_max_pool("adaptive_max_pool1d", 1, input, output_size, return_indices)
