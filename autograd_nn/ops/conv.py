"""Convolution: three mutually adjoint primitives, closed under differentiation.

With the settings fixed, ``conv(x, w)`` is linear in each argument. Its adjoints in `x` and in `w` are again
bilinear, and the adjoints of those are among the three:

    <conv(x, w), g> = <x, conv_input(g, w)> = <w, conv_weight(g, x)>

so gradients of every order need no further kernel, and transposed convolution is ``conv_input`` itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from ..engine import dtypes_apart, primitive
from ..kernels import conv as kernels
from ..kernels import norm
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
    return norm.channel_sum(g)


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
        _conv2d_input(g, w, size=x.array.shape[2:], **p) if needs[0] else None,
        _conv2d_weight(g, x, size=w.array.shape[2:], **p) if needs[1] else None,
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
# They depend on shapes, dtypes and settings alone, so each combination is worked out once.


class _Plan(NamedTuple):
    """What a convolution is called with, and whether its inputs are batches of images of floats as they come."""

    settings: dict[str, Any]
    is_plain: bool


def sizes(value: Any, count: int, name: str, operation: str, least: int = 0) -> Shape:
    """Return a setting given as one integer or as one per spatial dim as a tuple."""
    if type(value) is int and value >= least:
        return (value,) * count
    values: tuple[Any, ...] = tuple(value) if isinstance(value, tuple | list) else (value,)
    if len(values) == 1:
        values *= count
    if len(values) != count or not all(isinstance(v, int | np.integer) and v >= least for v in values):
        expected = ("one integer", "one or two integers", "one or three integers")[count - 1]
        raise ValueError(f"{operation}(): {name} must be {expected} >= {least} ({name}={value!r})")
    return tuple(map(int, values))


def pair(value: Any, name: str, operation: str, least: int = 0) -> Pair:
    """Return a setting given as one integer or as two as (vertical, horizontal)."""
    vertical, horizontal = sizes(value, 2, name, operation, least)
    return vertical, horizontal


def told(values: Any) -> Any:
    """Return a setting as the user knows it: of sequences, a number."""
    return values[0] if isinstance(values, tuple) and len(values) == 1 else values


def _margins(operation: str, padding: Any, kernel: Shape, stride: Shape, dilation: Shape) -> tuple[Pair, ...]:
    """Return the padding before and after, of each dim; of an odd total for 'same', the larger part comes last."""
    if padding == "valid":
        return ((0, 0),) * len(kernel)
    if padding == "same":
        if any(s != 1 for s in stride):
            raise RuntimeError(f"{operation}(): padding='same' is defined for stride 1 only (stride={told(stride)})")
        totals = [d * (k - 1) for k, d in zip(kernel, dilation)]
        return tuple((total // 2, total - total // 2) for total in totals)
    if isinstance(padding, str):
        raise ValueError(f"{operation}(): padding must be 'same', 'valid' or numbers (padding={padding!r})")
    return tuple((p, p) for p in sizes(padding, len(kernel), "padding", operation))


def _check_inputs(operation: str, dims: int, x: Shape, w: Shape, b: Shape | None, channels: int, dtypes: Any) -> bool:
    """Check numbers of dims, bias and dtypes; return whether kernels know the dtype: float32 and float64."""
    if len(x) not in (dims + 1, dims + 2) or len(w) != dims + 2:
        raise RuntimeError(f"{operation}(): expects input of {dims + 1} or {dims + 2} dims and weight of {dims + 2} "
                           f"(input.shape={x}, weight.shape={w})"
                           + ("; use input.unsqueeze(0)" if len(x) == dims and w[1:2] == (1,) else ""))
    if b is not None and b != (channels,):
        raise RuntimeError(f"{operation}(): bias needs one entry per output channel (bias.shape={b}, weight.shape={w})")
    if any(dtype != dtypes[0] for dtype in dtypes[1:] if dtype is not None):
        raise dtypes_apart(operation, "weight", **dict(zip(("input", "weight", "bias"), dtypes)))
    if dtypes[0].kind not in "fiu":
        raise RuntimeError(f"{operation}(): expects tensors of numbers (dtype={dtypes[0]})")
    return str(dtypes[0].char) in "fd"


def channels_hint(shape: Shape, dims: int, channels: int) -> str:
    """Return what to do about an input whose channels come last, or are missing; of `dims` spatial dims."""
    if len(shape) > 2 and shape[-1] == channels:
        order = (*range(len(shape) - dims - 1), len(shape) - 1, *range(len(shape) - dims - 1, len(shape) - 1))
        return f"; channels come before the {'lengths' if dims == 1 else 'pixels'}: use input.permute{order}"
    return "; use input.unsqueeze(1)" if channels == 1 and len(shape) == dims + 1 else ""


def _as_images(margins: tuple[Pair, ...], **settings: Any) -> dict[str, Any]:
    """Return the settings of the primitives: sequences are images of height 1."""
    if len(margins) == 1:
        margins = (0, 0), *margins
        settings = {name: (1, *value) for name, value in settings.items()}
    return {"padding": margins, **settings}


@lru_cache(maxsize=4096, typed=True)
def _plan(
    operation: str, dims: int, x: Shape, w: Shape, b: Shape | None, dtypes: Any, stride: Any, padding: Any,
    dilation: Any, groups: Any,
) -> _Plan:  # fmt: skip
    """Check a convolution and return its plan."""
    is_known = _check_inputs(operation, dims, x, w, b, w[0], dtypes)
    stride, dilation = sizes(stride, dims, "stride", operation, 1), sizes(dilation, dims, "dilation", operation, 1)
    kernel, channels = w[2:], x[-dims - 1]
    margins = _margins(operation, padding, kernel, stride, dilation)
    if groups < 1 or w[0] % groups:
        raise RuntimeError(f"{operation}(): groups must divide the output channels "
                           f"(groups={groups}, weight.shape={w})")
    if channels != w[1] * groups:
        raise RuntimeError(f"{operation}(): Given groups={groups}, weight of size {w}, expected input {x} to have "
                           f"{w[1] * groups} channels, but got {channels} channels instead"
                           f"{channels_hint(x, dims, w[1] * groups)}")
    for n, (before, after), k, d in zip(x[-dims:], margins, kernel, dilation):
        if d * (k - 1) + 1 > n + before + after or k < 1:
            raise RuntimeError(f"{operation}(): the kernel is larger than the padded image (input.shape={x}, "
                               f"kernel={told(kernel)}, padding={told(padding)}, dilation={told(dilation)})")
    settings = _as_images(margins, stride=stride, dilation=dilation) | {"groups": int(groups)}
    return _Plan(settings, dims == 2 and len(x) == 4 and is_known)


@lru_cache(maxsize=4096, typed=True)
def _transposed_plan(
    operation: str, dims: int, x: Shape, w: Shape, b: Shape | None, dtypes: Any, stride: Any, padding: Any,
    dilation: Any, groups: Any, output_padding: Any,
) -> _Plan:  # fmt: skip
    """Check a transposed convolution and return its plan."""
    is_known = _check_inputs(operation, dims, x, w, b, w[1] * groups if len(w) > 1 else 0, dtypes)
    stride, dilation = sizes(stride, dims, "stride", operation, 1), sizes(dilation, dims, "dilation", operation, 1)
    padding = sizes(padding, dims, "padding", operation)
    extra = sizes(output_padding, dims, "output_padding", operation)
    channels = x[-dims - 1]
    if groups < 1 or channels != w[0] or w[0] % groups:
        raise RuntimeError(f"{operation}(): Given groups={groups}, weight of size {w}, expected input {x} to have "
                           f"{w[0]} channels, divisible by groups, but got {channels} channels instead"
                           f"{channels_hint(x, dims, w[0])}")
    if any(e >= max(s, d) for e, s, d in zip(extra, stride, dilation)):
        raise RuntimeError(f"{operation}(): output_padding must be smaller than stride or dilation (output_padding="
                           f"{told(extra)}, stride={told(stride)}, dilation={told(dilation)})")
    size = tuple(
        (n - 1) * s - 2 * p + d * (k - 1) + e + 1
        for n, s, p, d, k, e in zip(x[-dims:], stride, padding, dilation, w[2:], extra)
    )
    if min(size) < 0:
        raise RuntimeError(f"{operation}(): the padding is larger than the result (input.shape={x}, weight.shape={w}, "
                           f"padding={told(padding)})")
    # Seen from the convolution whose adjoint this is: what is added at the end of the result lay in its padding.
    margins = tuple((p, p - e) for p, e in zip(padding, extra))
    settings = _as_images(margins, stride=stride, dilation=dilation, size=size) | {"groups": int(groups)}
    return _Plan(settings, dims == 2 and len(x) == 4 and is_known)


def _convolved(
    primitive: Callable[..., Tensor], plan_of: Callable[..., _Plan], operation: str, dims: int, input: Tensor,
    weight: Tensor, bias: Tensor | None, *settings: Any,
) -> Tensor:  # fmt: skip
    """Apply a primitive of images to images or sequences, in batches or alone, of any dtype."""
    x, w, b = input.array.shape, weight.array.shape, None if bias is None else bias.array.shape
    dtypes = input.dtype, weight.dtype, None if bias is None else bias.dtype
    try:
        plan = plan_of(operation, dims, x, w, b, dtypes, *settings)
    except TypeError:  # lists cannot be looked up
        lists = (tuple(each) if isinstance(each, list) else each for each in settings)
        plan = plan_of(operation, dims, x, w, b, dtypes, *lists)
    out: Tensor
    if plan.is_plain:
        out = primitive(input, weight, bias, **plan.settings)
        return out
    if input.dtype.char not in "fd":
        wide = np.float64 if input.dtype.kind != "f" else np.float32
        input, weight = to_dtype(input, wide), to_dtype(weight, wide)
        bias = None if bias is None else to_dtype(bias, wide)
    height = (1,) * (2 - dims)
    input = reshape(input, (*((1,) if len(x) == dims + 1 else ()), *x[:-dims], *height, *x[-dims:]))
    out = primitive(input, reshape(weight, (*w[:2], *height, *w[2:])), bias, **plan.settings)
    batch = 1 if len(x) == dims + 1 else 0
    out = reshape(out, (*out.array.shape[batch:2], *out.array.shape[-dims:]))
    return to_dtype(out, dtypes[0])


# ------------------------------------------------------------------------------------ operations


def _conv2d_transposed(g: Tensor, w: Tensor, b: Tensor | None, **settings: Any) -> Tensor:
    out = _conv2d_input(g, w, **settings)
    return out if b is None else add(out, reshape(b, (-1, 1, 1)))


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

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.conv2d(ag.ones(1, 1, 3, 3), ag.ones(1, 1, 2, 2), padding=1).shape
    (1, 1, 4, 4)
    """
    return _convolved(_conv2d, _plan, "conv2d", 2, input, weight, bias, stride, padding, dilation, groups)


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
    return _convolved(_conv2d_relu, _plan, "conv2d", 2, input, weight, bias, stride, padding, dilation, groups)


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

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.conv1d(ag.tensor([[[1.0, 2.0, 4.0, 7.0]]]), ag.tensor([[[-1.0, 1.0]]]))
    tensor([[[1., 2., 3.]]])
    """
    return _convolved(_conv2d, _plan, "conv1d", 1, input, weight, bias, stride, padding, dilation, groups)


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

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.conv_transpose2d(ag.ones(1, 1, 2, 2), ag.ones(1, 1, 2, 2), stride=2).shape
    (1, 1, 4, 4)
    """
    settings = stride, padding, dilation, groups, output_padding
    return _convolved(_conv2d_transposed, _transposed_plan, "conv_transpose2d", 2, input, weight, bias, *settings)


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

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.conv_transpose1d(ag.ones(1, 1, 3), ag.ones(1, 1, 2), stride=2)
    tensor([[[1., 1., 1., 1., 1., 1.]]])
    """
    settings = stride, padding, dilation, groups, output_padding
    return _convolved(_conv2d_transposed, _transposed_plan, "conv_transpose1d", 1, input, weight, bias, *settings)
