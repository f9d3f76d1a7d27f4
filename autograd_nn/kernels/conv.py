"""Two-dimensional convolution: three mutually adjoint kernels and the choice of their method.

    out[n, o, y, q] = bias[o] + sum_{c, i, j} w[o, c, i, j] x[n, c, y sH + i dH - top, q sW + j dW - left]

`conv2d` computes it, `conv2d_input` its adjoint in x, `conv2d_weight` its adjoint in w. It is the field's
cross-correlation: the kernel is not flipped.
"""

import numpy as np

from . import direct, direct_weight, plain
from .compile import threads_for

__all__ = ["conv2d", "conv2d_input", "conv2d_weight"]

Pair = tuple[int, int]
Padding = tuple[Pair, Pair]
ONE = (1, 1)
NONE = ((0, 0), (0, 0))


def dense(array: np.ndarray) -> np.ndarray:
    """Return the array itself when it is C-contiguous and writeable, else such a copy.

    Read-only arrays are another type to Numba: the copy spares a second build of every kernel.
    """
    return array if array.flags.carray else np.array(array, order="C")


def output_size(size: Pair, kernel: Pair, stride: Pair, padding: Padding, dilation: Pair) -> Pair:
    """Return the output's (OH, OW), floor((size + before + after - dilation (kernel - 1) - 1) / stride) + 1."""
    return (
        (size[0] + padding[0][0] + padding[0][1] - dilation[0] * (kernel[0] - 1) - 1) // stride[0] + 1,
        (size[1] + padding[1][0] + padding[1][1] - dilation[1] * (kernel[1] - 1) - 1) // stride[1] + 1,
    )


def check(operation: str, x: tuple, w: tuple, out: tuple, stride, padding, dilation, groups) -> None:
    """Raise unless the three shapes belong to one convolution: kernels trust them to stay within bounds."""
    expected = (x[0], w[0], *output_size(x[2:], w[2:], stride, padding, dilation))
    if out != expected or x[1] != w[1] * groups or w[0] % groups or min(expected) < 0:
        raise ValueError(
            f"{operation}(): shapes do not belong to one convolution (input {x}, weight {w}, output {out}, "
            f"stride={stride}, padding={padding}, dilation={dilation}, groups={groups})"
        )


def conv2d(
    x: np.ndarray,
    w: np.ndarray,
    bias: np.ndarray | None = None,
    *,
    stride: Pair = ONE,
    padding: Padding = NONE,
    dilation: Pair = ONE,
    groups: int = 1,
    relu: bool = False,
    out: np.ndarray | None = None,
) -> np.ndarray:
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
    """
    N, O = x.shape[0], w.shape[0]
    size = output_size(x.shape[2:], w.shape[2:], stride, padding, dilation)
    if out is None:
        out = np.empty((N, O, *size), x.dtype)
    check("conv2d", x.shape, w.shape, out.shape, stride, padding, dilation, groups)
    if bias is None:
        bias = np.zeros(O, x.dtype)
    threads = threads_for(out.size * w[:1].size)
    corner = (padding[0][0], padding[1][0])
    if stride == ONE or dilation == ONE:
        tables = direct.forward_plan(x.shape[2:], size, x.shape[1], O, w.shape[2:], stride, corner, dilation, groups, x.itemsize)
        direct.convolve(threads, dense(x), dense(w), dense(bias), out, tables, relu)
        return out
    plain.forward(threads, dense(x), dense(w), dense(bias), out, stride, corner, dilation, groups, relu)
    return out


def conv2d_input(
    g: np.ndarray,
    w: np.ndarray,
    *,
    size: Pair,
    stride: Pair = ONE,
    padding: Padding = NONE,
    dilation: Pair = ONE,
    groups: int = 1,
    out: np.ndarray | None = None,
) -> np.ndarray:
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
    """
    shape = (g.shape[0], w.shape[1] * groups, *size)
    check("conv2d_input", shape, w.shape, g.shape, stride, padding, dilation, groups)
    if out is None:
        out = np.empty(shape, g.dtype)
    threads = threads_for(g.size * w[:1].size)
    corner = (padding[0][0], padding[1][0])
    if stride == ONE or dilation == ONE:
        tables = direct.input_plan(size, g.shape[2:], shape[1], g.shape[1], w.shape[2:], stride, corner, dilation, groups, g.itemsize)
        direct.convolve(threads, dense(g), dense(w), None, out, tables)
        return out
    plain.input_gradient(threads, dense(g), dense(w), out, stride, corner, dilation, groups)
    return out


def conv2d_weight(
    g: np.ndarray,
    x: np.ndarray,
    *,
    size: Pair,
    stride: Pair = ONE,
    padding: Padding = NONE,
    dilation: Pair = ONE,
    groups: int = 1,
    out: np.ndarray | None = None,
) -> np.ndarray:
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
    """
    shape = (g.shape[1], x.shape[1] // groups, *size)
    check("conv2d_weight", x.shape, shape, g.shape, stride, padding, dilation, groups)
    if out is None:
        out = np.empty(shape, g.dtype)
    threads = threads_for(g.size * shape[1] * size[0] * size[1])
    tables = direct_weight.weight_plan(
        x.shape[0], x.shape[2:], g.shape[2:], x.shape[1], g.shape[1], size, stride, padding, dilation, groups, x.itemsize
    )
    direct_weight.weight_gradient(threads, dense(g), dense(x), out, tables)
    return out
    corner = (padding[0][0], padding[1][0])
    plain.weight_gradient(threads, dense(g), dense(x), out, stride, corner, dilation, groups)
    return out
