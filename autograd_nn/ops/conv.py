"""Convolution: three mutually adjoint primitives, closed under differentiation.

With the settings fixed, ``conv(x, w)`` is linear in each argument. Its adjoints in `x` and in `w` are again
bilinear, and the adjoints of those are among the three:

    <conv(x, w), g> = <x, conv_input(g, w)> = <w, conv_weight(g, x)>

so gradients of every order need no further kernel, and transposed convolution is ``conv_input`` itself.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..engine import Primitive, primitive
from ..kernels import conv as kernels
from ..kernels.norm import channel_sum
from ..typing import Array, Gradients, Pair, SameOrValid, Shape, Size1d, Size2d, Tensor
from .elementwise import add, relu_input
from .shape import reshape, to_dtype

__all__ = ["conv1d", "conv2d", "conv_transpose1d", "conv_transpose2d"]

# ------------------------------------------------------------------------------------ primitives


@primitive
def _conv2d(
    x: Array, w: Array, b: Array | None, *, stride: Pair, padding: tuple[Pair, Pair], dilation: Pair, groups: int
) -> Array:
    return kernels.conv2d(x, w, b, stride=stride, padding=padding, dilation=dilation, groups=groups)


@primitive
def _conv2d_relu(
    x: Array, w: Array, b: Array | None, *, stride: Pair, padding: tuple[Pair, Pair], dilation: Pair, groups: int
) -> Array:
    return kernels.conv2d(x, w, b, stride=stride, padding=padding, dilation=dilation, groups=groups, relu=True)


@primitive
def _conv2d_input(
    g: Array, w: Array, *, size: Pair, stride: Pair, padding: tuple[Pair, Pair], dilation: Pair, groups: int
) -> Array:
    return kernels.conv2d_input(g, w, size=size, stride=stride, padding=padding, dilation=dilation, groups=groups)


@primitive
def _conv2d_weight(
    g: Array, x: Array, *, size: Pair, stride: Pair, padding: tuple[Pair, Pair], dilation: Pair, groups: int
) -> Array:
    return kernels.conv2d_weight(g, x, size=size, stride=stride, padding=padding, dilation=dilation, groups=groups)


@primitive
def _channel_sum(g: Array) -> Array:
    return channel_sum(g)


@primitive
def _channel_spread(b: Array, *, shape: Shape) -> Array:
    return np.broadcast_to(b.reshape(-1, 1, 1), shape)


_conv2d.defvjp(
    x=lambda g, x_like, w, **p: _conv2d_input(g, w, size=x_like.shape[2:], **p),
    w=lambda g, x, w_like, **p: _conv2d_weight(g, x, size=w_like.shape[2:], **p),
    b=lambda g: _channel_sum(g),
)


def _conv2d_relu_rule(
    g: Tensor, out: Tensor, x: Tensor, w: Tensor, needs: Sequence[bool], **p: Any
) -> Gradients:
    g = relu_input(g, out)
    return (
        _conv2d_input(g, w, size=x.shape[2:], **p) if needs[0] else None,
        _conv2d_weight(g, x, size=w.shape[2:], **p) if needs[1] else None,
        _channel_sum(g) if needs[2] else None,
    )


_conv2d_relu.defvjps(_conv2d_relu_rule)
_conv2d_input.defvjp(
    g=lambda h, w, size, **p: _conv2d(h, w, None, **p),
    w=lambda h, g, w_like, size, **p: _conv2d_weight(g, h, size=w_like.shape[2:], **p),
)
_conv2d_weight.defvjp(
    g=lambda h, x, size, **p: _conv2d(x, h, None, **p),
    x=lambda h, g, x_like, size, **p: _conv2d_input(g, h, size=x_like.shape[2:], **p),
)
_channel_sum.defvjp(g=lambda h, g_like: _channel_spread(h, shape=g_like.shape))
_channel_spread.defvjp(b=lambda g: _channel_sum(g))


# ------------------------------------------------------------------------------------ settings and checks


def pair(value: Size2d, name: str, operation: str, least: int = 0) -> Pair:
    """Return a setting given as one int or as two as (vertical, horizontal)."""
    if type(value) is int and value >= least:
        return value, value
    values: tuple[Any, ...] = tuple(value) if isinstance(value, tuple | list) else (value, value)
    if len(values) == 1:
        values *= 2
    if len(values) != 2 or not all(isinstance(v, int | np.integer) and v >= least for v in values):
        raise ValueError(f"{operation}(): {name} must be one or two integers >= {least} ({name}={value!r})")
    return int(values[0]), int(values[1])


def _margins(padding: Size2d | SameOrValid, kernel: Shape, stride: Pair, dilation: Pair) -> tuple[Pair, ...]:
    """Return padding as ((top, bottom), (left, right)); of an odd total for 'same', the larger part comes last."""
    if isinstance(padding, str):
        if padding == "valid":
            return (0, 0), (0, 0)
        if padding != "same":
            raise ValueError(f"conv2d(): padding must be 'same', 'valid', an int or a pair (padding={padding!r})")
        if stride != (1, 1):
            raise RuntimeError(f"conv2d(): padding='same' is defined for stride 1 only (stride={stride})")
        totals = [d * (k - 1) for k, d in zip(kernel, dilation)]
        return tuple((total // 2, total - total // 2) for total in totals)
    top, left = pair(padding, "padding", "conv2d")
    return (top, top), (left, left)


def _check_channels(input: Tensor, weight: Tensor, groups: int, operation: str = "conv2d") -> None:
    if groups < 1 or weight.shape[0] % groups:
        raise RuntimeError(f"{operation}(): groups must divide the output channels (groups={groups}, "
                           f"weight.shape={weight.shape})")
    if input.shape[1] != weight.shape[1] * groups:
        raise RuntimeError(
            f"{operation}(): Given groups={groups}, weight of size {weight.shape}, expected input {input.shape} to "
            f"have "
            f"{weight.shape[1] * groups} channels, but got {input.shape[1]} channels instead"
        )


def _check_dtypes(operation: str, input: Tensor, weight: Tensor, bias: Tensor | None) -> None:
    if input.dtype != weight.dtype or (bias is not None and bias.dtype != input.dtype):
        raise RuntimeError(f"{operation}(): all tensors must have one dtype "
                           f"(input: {input.dtype}, weight: {weight.dtype}, "
                           f"bias: {None if bias is None else bias.dtype}); convert with .to()")
    if input.dtype.kind != "f":
        raise RuntimeError(f"{operation}(): expects floating-point tensors (dtype={input.dtype})")


def conv2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Size2d = 1,
    padding: Size2d | SameOrValid = 0,
    dilation: Size2d = 1,
    groups: int = 1,
) -> Tensor:
    """Convolve images with a bank of filters (cross-correlation: the filters are not flipped).

    ``out[n, o, i, j] = bias[o] + sum_{c, a, b} weight[o, c, a, b] input[n, c, i s + a d - p, j s + b d - p]``

    Parameters
    ----------
    input : Tensor of shape (N, C_in, H, W) or (C_in, H, W)
    weight : Tensor of shape (C_out, C_in / groups, kH, kW)
    bias : Tensor of shape (C_out,), optional
    stride, dilation : int or (int, int)
    padding : int, (int, int), 'valid' or 'same'
        Zeros added on each side. 'same' keeps H and W (stride 1 only); of an odd total the larger part goes right
        and below.
    groups : int
        Output channels in group i see the input channels of group i only.

    Returns
    -------
    Tensor of shape (N, C_out, OH, OW)
        ``OH = floor((H + 2 p - d (kH - 1) - 1) / s) + 1``, and OW likewise.

    Raises
    ------
    RuntimeError
        Channels that do not fit, a kernel larger than the padded image, dtypes that differ.
    ValueError
        Settings out of range.

    Notes
    -----
    Integers are computed in float64, exactly as long as sums stay below 2**53.

    3x3 convolutions of stride 1 may be computed by Winograd's method (Lavin and Gray 2015, arXiv:1509.09308), whose
    rounding error is about ten times that of the direct sum.
    """
    return _convolved(_conv2d, input, weight, bias, stride, padding, dilation, groups)


def conv2d_relu(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Size2d = 1,
    padding: Size2d | SameOrValid = 0,
    dilation: Size2d = 1,
    groups: int = 1,
) -> Tensor:
    """Return ``relu(conv2d(...))`` in one pass over the result; parameters as for `conv2d`."""
    return _convolved(_conv2d_relu, input, weight, bias, stride, padding, dilation, groups)


def _convolved(
    convolution: Primitive[Tensor],
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Size2d,
    padding: Size2d | SameOrValid,
    dilation: Size2d,
    groups: int,
) -> Tensor:
    if input.ndim not in (3, 4) or weight.ndim != 4:
        raise RuntimeError(f"conv2d(): expects input of 3 or 4 dims and weight of 4 (input.shape={input.shape}, "
                           f"weight.shape={weight.shape})")
    if input.ndim == 3:
        out = _convolved(convolution, input.reshape(1, *input.shape), weight, bias, stride, padding, dilation, groups)
        return out.reshape(out.shape[1:])
    stride = pair(stride, "stride", "conv2d", 1)
    dilation = pair(dilation, "dilation", "conv2d", 1)
    kernel = weight.shape[2:]
    margins = _margins(padding, kernel, stride, dilation)
    _check_channels(input, weight, groups)
    if input.dtype.kind in "iu" and input.dtype == weight.dtype and (bias is None or bias.dtype == input.dtype):
        input64, weight64 = to_dtype(input, np.float64), to_dtype(weight, np.float64)
        bias64 = None if bias is None else to_dtype(bias, np.float64)
        out = _convolved(convolution, input64, weight64, bias64, stride, padding, dilation, groups)
        return to_dtype(out, input.dtype)
    _check_dtypes("conv2d", input, weight, bias)
    if bias is not None and bias.shape != (weight.shape[0],):
        raise RuntimeError(f"conv2d(): bias needs one entry per output channel (bias.shape={bias.shape}, "
                           f"weight.shape={weight.shape})")
    for n, (before, after), k, d in zip(input.shape[2:], margins, kernel, dilation):
        if d * (k - 1) + 1 > n + before + after or k < 1:
            raise RuntimeError(f"conv2d(): the kernel is larger than the padded image (input.shape={input.shape}, "
                               f"kernel={kernel}, "
                               f"padding={padding}, dilation={dilation})")
    return convolution(input, weight, bias, stride=stride, padding=margins, dilation=dilation, groups=groups)


def _row(value: Size1d, name: str, operation: str, least: int = 0) -> Pair:
    """Return a 1-D setting as the pair that it is for images of height 1."""
    values: tuple[Any, ...] = tuple(value) if isinstance(value, tuple | list) else (value,)
    if len(values) != 1 or not isinstance(values[0], int | np.integer) or values[0] < least:
        raise ValueError(f"{operation}(): {name} must be one integer >= {least} ({name}={value!r})")
    return (0 if least == 0 else 1), int(values[0])


def _check_sequences(input: Tensor, weight: Tensor, operation: str) -> None:
    if input.ndim not in (2, 3) or weight.ndim != 3:
        raise RuntimeError(f"{operation}(): expects input of 2 or 3 dims and weight of 3 (input.shape={input.shape}, "
                           f"weight.shape={weight.shape})")


def _as_images(x: Tensor) -> Tensor:
    return reshape(x, (*x.shape[:-1], 1, x.shape[-1]))


def _as_sequences(x: Tensor) -> Tensor:
    return reshape(x, (*x.shape[:-2], x.shape[-1]))


def in_one_row(operation: str, on_images: Callable[..., Any], *arguments: Any) -> Any:
    """Call an operation on images of height 1; its errors tell the sequences and settings that the user knows."""
    try:
        return on_images(*arguments)
    except (RuntimeError, ValueError) as error:
        text = re.sub(r"^\w+\(\)", f"{operation}()", str(error))
        text = re.sub(r"\((\d+(?:, \d+)*), 1, (\d+)\)", r"(\1, \2)", text)
        raise type(error)(re.sub(r"\([01], (\d+)\)", r"\1", text)) from None


def conv1d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Size1d = 1,
    padding: Size1d | SameOrValid = 0,
    dilation: Size1d = 1,
    groups: int = 1,
) -> Tensor:
    """Convolve sequences with a bank of filters: `conv2d` of images of height 1.

    Parameters
    ----------
    input : Tensor of shape (N, C_in, L) or (C_in, L)
    weight : Tensor of shape (C_out, C_in / groups, k)
    bias : Tensor of shape (C_out,), optional
    stride, dilation, groups : int
    padding : int, 'valid' or 'same'

    Returns
    -------
    Tensor of shape (N, C_out, OL)
        ``OL = floor((L + 2 p - d (k - 1) - 1) / s) + 1``
    """
    _check_sequences(input, weight, "conv1d")
    if input.ndim == 3:
        _check_channels(input, weight, groups, "conv1d")
    padding = padding if isinstance(padding, str) else _row(padding, "padding", "conv1d")
    stride, dilation = _row(stride, "stride", "conv1d", 1), _row(dilation, "dilation", "conv1d", 1)
    images = _as_images(input), _as_images(weight), bias
    return _as_sequences(in_one_row("conv1d", conv2d, *images, stride, padding, dilation, groups))


def conv_transpose2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Size2d = 1,
    padding: Size2d = 0,
    output_padding: Size2d = 0,
    groups: int = 1,
    dilation: Size2d = 1,
) -> Tensor:
    """Transposed convolution: the adjoint of `conv2d` with the same weight and settings, which enlarges images.

    Parameters
    ----------
    input : Tensor of shape (N, C_in, H, W) or (C_in, H, W)
    weight : Tensor of shape (C_in, C_out / groups, kH, kW)
    bias : Tensor of shape (C_out,), optional
    stride, padding, dilation : int or (int, int)
    output_padding : int or (int, int)
        Rows and columns added below and to the right; smaller than `stride` or `dilation`.
    groups : int

    Returns
    -------
    Tensor of shape (N, C_out, OH, OW)
        ``OH = (H - 1) s - 2 p + d (kH - 1) + output_padding + 1``, and OW likewise.
    """
    operation = "conv_transpose2d"
    if input.ndim not in (3, 4) or weight.ndim != 4:
        raise RuntimeError(f"{operation}(): expects input of 3 or 4 dims and weight of 4 (input.shape={input.shape}, "
                           f"weight.shape={weight.shape})")
    if input.ndim == 3:
        batch = reshape(input, (1, *input.shape))
        out = conv_transpose2d(batch, weight, bias, stride, padding, output_padding, groups, dilation)
        return reshape(out, out.shape[1:])
    stride, dilation = pair(stride, "stride", operation, 1), pair(dilation, "dilation", operation, 1)
    padding, extra = pair(padding, "padding", operation), pair(output_padding, "output_padding", operation)
    if groups < 1 or input.shape[1] != weight.shape[0] or weight.shape[0] % groups:
        raise RuntimeError(f"{operation}(): Given groups={groups}, weight of size {weight.shape}, expected input "
                           f"{input.shape} to have "
                           f"{weight.shape[0]} channels, divisible by groups, but got {input.shape[1]} channels "
                           f"instead")
    _check_dtypes(operation, input, weight, bias)
    if bias is not None and bias.shape != (weight.shape[1] * groups,):
        raise RuntimeError(f"{operation}(): bias needs one entry per output channel (bias.shape={bias.shape}, "
                           f"weight.shape={weight.shape})")
    if any(e >= max(s, d) for e, s, d in zip(extra, stride, dilation)):
        raise RuntimeError(f"{operation}(): output_padding must be smaller than stride or dilation "
                           f"(output_padding={extra}, "
                           f"stride={stride}, dilation={dilation})")
    size = tuple(
        (n - 1) * s - 2 * p + d * (k - 1) + e + 1
        for n, s, p, d, k, e in zip(input.shape[2:], stride, padding, dilation, weight.shape[2:], extra)
    )
    if min(size) < 1:
        raise RuntimeError(f"{operation}(): the result would be empty (input.shape={input.shape}, "
                           f"weight.shape={weight.shape}, size={size})")
    margins = tuple((p, p) for p in padding)
    out = _conv2d_input(input, weight, size=size, stride=stride, padding=margins, dilation=dilation, groups=groups)
    return out if bias is None else add(out, reshape(bias, (-1, 1, 1)))


def conv_transpose1d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Size1d = 1,
    padding: Size1d = 0,
    output_padding: Size1d = 0,
    groups: int = 1,
    dilation: Size1d = 1,
) -> Tensor:
    """Transposed convolution of sequences: `conv_transpose2d` of images of height 1.

    Parameters
    ----------
    input : Tensor of shape (N, C_in, L) or (C_in, L)
    weight : Tensor of shape (C_in, C_out / groups, k)
    bias : Tensor of shape (C_out,), optional
    stride, padding, output_padding, groups, dilation : int
    """
    operation = "conv_transpose1d"
    _check_sequences(input, weight, operation)
    out = in_one_row(
        operation, conv_transpose2d, _as_images(input), _as_images(weight), bias,
        _row(stride, "stride", operation, 1), _row(padding, "padding", operation),
        _row(output_padding, "output_padding", operation), groups, _row(dilation, "dilation", operation, 1),
    )  # fmt: skip
    return _as_sequences(out)
