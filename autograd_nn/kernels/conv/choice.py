"""Two-dimensional convolution: three mutually adjoint kernels and the choice of their method.

    out[n, o, y, q] = bias[o] + sum_{c, i, j} w[o, c, i, j] x[n, c, y sH + i dH - top, q sW + j dW - left]

`conv2d` computes it, `conv2d_input` its adjoint in x, `conv2d_weight` its adjoint in w. It is the field's
cross-correlation: the kernel is not flipped.

Which method computes what is said in one place, `choose`; ask `method` for the choice, and overrule it with
`force_method("direct")` or, for all calls, `set_winograd(False)`.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from ..annotations import Array, Padding, Pair, Shape
from ..compile import threads_for
from ..memory import contiguous
from . import depthwise, direct, direct_weight
from .winograd import passes as winograd
from .winograd.passes import ceil_div

__all__ = ["conv2d", "conv2d_input", "conv2d_weight", "force_method", "forget_weights", "method", "set_winograd"]

ONE, TWO = (1, 1), (2, 2)
NONE = ((0, 0), (0, 0))

METHODS = ("depthwise", "winograd", "direct")
FORWARD, INPUT, WEIGHT = "conv2d", "conv2d_input", "conv2d_weight"

_forced: str | None = None
_winograd = True


def choose(
    operation: str, x: Shape, w: Shape, out: Shape, stride: Pair, padding: Padding, dilation: Pair, groups: int,
    allow_winograd: bool,
) -> str:  # fmt: skip
    """Return the fastest method for the three shapes of a convolution.

    ===========  ================================================================================================
    depthwise    a group has one input channel: depthwise, gradients of first layers on grey images
    winograd     3x3, stride 1 or 2, enough channels and pixels to pay for the transforms; rounds less exactly
    direct       everything else: on the register tile, 1x1 as a matrix product
    ===========  ================================================================================================
    """
    if depthwise.can_use(w, stride) and (groups > 1 or operation == INPUT or (operation == WEIGHT and w[0] < 16)):
        return "depthwise"
    if allow_winograd and can_use("winograd", w, stride, dilation, groups) and winograd_pays(operation, w, out, stride):
        return "winograd"
    return "direct"


def winograd_pays(operation: str, w: Shape, out: Shape, stride: Pair) -> bool:
    """Return whether Winograd's method is faster than the direct one, by the number of channels and pixels."""
    channels, (OH, OW) = w[0] * w[1], out[2:]
    if min(w[:2]) < 16:
        return False
    if stride == ONE:
        return min(OH, OW) >= 3
    if operation == WEIGHT:  # where most outputs of the 4x4 tiles exist
        return min(w[:2]) >= 32 and channels >= 64 * 64 and 12 * ceil_div(OH, 4) * ceil_div(OW, 4) <= OH * OW
    return channels >= 16 * 32 and min(OH, OW) >= 2


@contextlib.contextmanager
def force_method(name: str) -> Iterator[None]:
    """Use one of the methods "depthwise", "winograd", "direct" wherever it can be used.

    Raises
    ------
    ValueError
        For any other name.
    """
    global _forced
    if name not in METHODS:
        raise ValueError(f"force_method(): name must be one of {METHODS} (name={name!r})")
    before, _forced = _forced, name
    try:
        yield
    finally:
        _forced = before


def set_winograd(allowed: bool) -> None:
    """Allow Winograd's method, or leave it out everywhere for the direct method's rounding."""
    global _winograd
    _winograd = bool(allowed)


def forget_weights() -> None:
    """Free what is kept of weights that stay the same between calls, at most 256 MB."""
    winograd.kept_transforms.clear()


def method(
    x: Shape,
    w: Shape,
    *,
    stride: Pair = ONE,
    padding: Padding = NONE,
    dilation: Pair = ONE,
    groups: int = 1,
) -> dict[str, str]:
    """Return the methods that the three operations use for inputs and weights of these shapes.

    Returns
    -------
    dict from "conv2d", "conv2d_input" and "conv2d_weight" to the method's name
    """
    out = (x[0], w[0], *output_size(x[2:], w[2:], stride, padding, dilation))
    return {
        operation: prepare(operation, x, w, out, stride, padding, dilation, groups, 4, _forced, _winograd).method
        for operation in (FORWARD, INPUT, WEIGHT)
    }


def output_size(size: Shape, kernel: Shape, stride: Pair, padding: Padding, dilation: Pair) -> Pair:
    """Return the output's (OH, OW), floor((size + before + after - dilation (kernel - 1) - 1) / stride) + 1."""
    return (
        (size[0] + padding[0][0] + padding[0][1] - dilation[0] * (kernel[0] - 1) - 1) // stride[0] + 1,
        (size[1] + padding[1][0] + padding[1][1] - dilation[1] * (kernel[1] - 1) - 1) // stride[1] + 1,
    )


def corner_of(padding: Padding) -> Pair:
    """Return what is padded before the first pixel, (top, left)."""
    return padding[0][0], padding[1][0]


def can_use(name: str, w: Shape, stride: Pair, dilation: Pair, groups: int) -> bool:
    """Return whether a method can compute a convolution at all."""
    if name == "depthwise":
        return depthwise.can_use(w, stride)
    if name == "winograd":
        return w[2:] == (3, 3) and stride in (ONE, TWO) and dilation == ONE and groups == 1
    return True


class Prepared(NamedTuple):
    """What three shapes and the settings of a convolution determine."""

    method: str  # "nothing" where no products are to be summed
    tables: Any  # what the method's plan function returned, () for methods without
    work: int  # as `threads_for` counts it
    shape: Shape  # of the result


@lru_cache(maxsize=4096)
def prepare(
    operation: str, x: Shape, w: Shape, out: Shape | None, stride: Pair, padding: Padding, dilation: Pair, groups: int,
    itemsize: int, forced: str | None, allow_winograd: bool,
) -> Prepared:  # fmt: skip
    """Check that the shapes belong to one convolution, choose its method and plan it.

    Raises
    ------
    ValueError
        Where the shapes do not fit: the kernels trust them to stay within bounds.
    """
    expected = (x[0], w[0], *output_size(x[2:], w[2:], stride, padding, dilation))
    out = expected if out is None else out
    if out != expected or x[1] != w[1] * groups or w[0] % groups or min(expected) < 0 or min(stride + dilation) < 1:
        raise ValueError(
            f"{operation}(): shapes do not belong to one convolution (input {x}, weight {w}, output {out}, "
            f"stride={stride}, padding={padding}, dilation={dilation}, groups={groups})"
        )
    shape = {FORWARD: out, INPUT: x, WEIGHT: w}[operation]
    work = math.prod(out) * math.prod(w[1:]) // 4  # multiplications, which come in vectors
    if math.prod(x) * math.prod(w) * math.prod(out) == 0:
        return Prepared("nothing", (), 0, shape)
    name = choose(operation, x, w, out, stride, padding, dilation, groups, allow_winograd)
    if forced is not None and can_use(forced, w, stride, dilation, groups):
        name = forced
    tables: Any = ()
    if name == "direct" and operation == WEIGHT:
        tables = direct_weight.weight_plan(x, w, out, stride, padding, dilation, groups, itemsize)
    elif name == "direct":
        plan = direct.forward_plan if operation == FORWARD else direct.input_plan
        tables = plan(x, w, out, stride, corner_of(padding), dilation, groups, itemsize)
    return Prepared(name, tables, work, shape)


def writable(out: Array | None, shape: Shape, dtype: np.dtype[Any]) -> Array:
    """Return an array of the shape that a kernel can write: `out` itself where it will do."""
    return out if out is not None and out.flags.carray else np.empty(shape, dtype)


def conv2d(
    x: Array,
    w: Array,
    bias: Array | None = None,
    *,
    stride: Pair = ONE,
    padding: Padding = NONE,
    dilation: Pair = ONE,
    groups: int = 1,
    relu: bool = False,
    out: Array | None = None,
) -> Array:
    """Convolve images with kernels.

    Parameters
    ----------
    x : ndarray (N, Cin, H, W), float32 or float64
    w : ndarray (Cout, Cin / groups, kH, kW), dtype of x
    bias : ndarray (Cout,), optional
    stride, dilation : (vertical, horizontal)
    padding : ((top, bottom), (left, right)), zeros
    groups : int, blocks of channels that do not see each other
    relu : bool, replace negative results by 0
    out : ndarray (N, Cout, OH, OW), optional, written and returned

    Returns
    -------
    ndarray (N, Cout, OH, OW), OH = floor((H + top + bottom - dilation (kH - 1) - 1) / stride) + 1

    Raises
    ------
    ValueError
        Where the shapes do not fit.
    """
    name, tables, work, shape = prepare(
        FORWARD, x.shape, w.shape, None if out is None else out.shape,
        stride, padding, dilation, groups, x.itemsize, _forced, _winograd,
    )  # fmt: skip
    result = writable(out, shape, x.dtype)
    x, w, threads = contiguous(x), contiguous(w), threads_for(work)
    if bias is not None:
        bias = contiguous(bias)
    if name == "nothing":
        result[...] = 0 if bias is None else bias.reshape(-1, 1, 1)
        if relu:
            np.maximum(result, 0, out=result)
    elif name == "winograd":
        winograd.conv2d(x, w, bias, stride=stride[0], padding=padding, relu=relu, out=result)
    elif name == "depthwise":
        depthwise.convolve(threads, x, w, bias, result, stride, corner_of(padding), dilation, relu)
    else:
        direct.convolve(threads, x, w, bias, result, tables, relu)
    return finished(result, out)


def finished(result: Array, out: Array | None) -> Array:
    """Return the caller's `out`, filled where the result had to be written elsewhere."""
    if out is None or out is result:
        return result
    out[...] = result
    return out


def conv2d_input(
    g: Array,
    w: Array,
    *,
    size: Pair,
    stride: Pair = ONE,
    padding: Padding = NONE,
    dilation: Pair = ONE,
    groups: int = 1,
    out: Array | None = None,
) -> Array:
    """Compute the gradient of `conv2d` in x; also the transposed convolution.

    Parameters
    ----------
    g : ndarray (N, Cout, OH, OW), gradient of the output
    w : ndarray (Cout, Cin / groups, kH, kW)
    size : (H, W) of the result, any that `conv2d` takes to (OH, OW)
    stride, padding, dilation, groups : as in `conv2d`
    out : ndarray (N, Cin, H, W), optional, written and returned

    Returns
    -------
    ndarray (N, Cin, H, W)

    Raises
    ------
    ValueError
        Where the shapes do not fit.
    """
    name, tables, work, shape = prepare(
        INPUT, (g.shape[0], w.shape[1] * groups, *size) if out is None else out.shape, w.shape, g.shape,
        stride, padding, dilation, groups, g.itemsize, _forced, _winograd,
    )  # fmt: skip
    result = writable(out, shape, g.dtype)
    g, w, threads = contiguous(g), contiguous(w), threads_for(work)
    if name == "nothing":
        result.fill(0)
    elif name == "winograd":
        winograd.conv2d_input(g, w, size=size, stride=stride[0], padding=padding, out=result)
    elif name == "depthwise":
        depthwise.convolve_input(threads, g, w, result, stride, corner_of(padding), dilation)
    else:
        direct.convolve(threads, g, w, None, result, tables)
    return finished(result, out)


def conv2d_weight(
    g: Array,
    x: Array,
    *,
    size: Pair,
    stride: Pair = ONE,
    padding: Padding = NONE,
    dilation: Pair = ONE,
    groups: int = 1,
    out: Array | None = None,
) -> Array:
    """Compute the gradient of `conv2d` in w.

    Parameters
    ----------
    g : ndarray (N, Cout, OH, OW), gradient of the output
    x : ndarray (N, Cin, H, W), the input
    size : (kH, kW)
    stride, padding, dilation, groups : as in `conv2d`
    out : ndarray (Cout, Cin / groups, kH, kW), optional, written and returned

    Returns
    -------
    ndarray (Cout, Cin / groups, kH, kW)

    Raises
    ------
    ValueError
        Where the shapes do not fit.
    """
    name, tables, work, shape = prepare(
        WEIGHT, x.shape, (g.shape[1], x.shape[1] // groups, *size) if out is None else out.shape, g.shape,
        stride, padding, dilation, groups, x.itemsize, _forced, _winograd,
    )  # fmt: skip
    result = writable(out, shape, g.dtype)
    g, x, threads = contiguous(g), contiguous(x), threads_for(work)
    if name == "nothing":
        result.fill(0)
    elif name == "winograd":
        winograd.conv2d_weight(g, x, stride=stride[0], padding=padding, out=result)
    elif name == "depthwise":
        depthwise.convolve_weight(threads, g, x, result, stride, corner_of(padding), dilation)
    else:
        direct_weight.weight_gradient(threads, g, x, result, tables)
    return finished(result, out)
