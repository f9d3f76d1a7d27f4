"""Naive twins of the kernels: NumPy in float64, written to be read, not to be fast."""

import numpy as np

ONE = (1, 1)
NONE = ((0, 0), (0, 0))


# --- Convolution ---------------------------------------------------------------------------------------


def taps(padded, kernel, size, stride, dilation):
    """Yield (i, j, view): the pixels of padded images that meet tap (i, j) of the kernel, one for each output."""
    for i in range(kernel[0]):
        for j in range(kernel[1]):
            rows = slice(i * dilation[0], i * dilation[0] + (size[0] - 1) * stride[0] + 1, stride[0])
            columns = slice(j * dilation[1], j * dilation[1] + (size[1] - 1) * stride[1] + 1, stride[1])
            yield i, j, padded[:, :, rows, columns]


def conv2d(x, w, bias=None, *, stride=ONE, padding=NONE, dilation=ONE, groups=1, relu=False):
    """Convolution, one tap of the kernel at a time."""
    x, w = x.astype(np.float64), w.astype(np.float64)
    N, _, *shape = x.shape
    O, C, *kernel = w.shape
    size = [
        (shape[a] + sum(padding[a]) - dilation[a] * (kernel[a] - 1) - 1) // stride[a] + 1 for a in (0, 1)
    ]
    out = np.zeros((N, groups, O // groups, *size))
    padded = np.pad(x, ((0, 0), (0, 0), *padding))
    for i, j, view in taps(padded, kernel, size, stride, dilation):
        view = view.reshape(N, groups, C, *size)
        out += np.einsum("ngchw,goc->ngohw", view, w[:, :, i, j].reshape(groups, O // groups, C))
    out = out.reshape(N, O, *size)
    if bias is not None:
        out += bias.astype(np.float64)[:, None, None]
    return np.maximum(out, 0) if relu else out


def conv2d_input(g, w, *, size, stride=ONE, padding=NONE, dilation=ONE, groups=1):
    """Gradient of `conv2d` in x: each gradient goes back to the pixels that its output has read."""
    g, w = g.astype(np.float64), w.astype(np.float64)
    N, O, *out_size = g.shape
    C, *kernel = w.shape[1:]
    (top, bottom), (left, right) = padding
    padded = np.zeros((N, C * groups, size[0] + top + bottom, size[1] + left + right))
    g = g.reshape(N, groups, O // groups, *out_size)
    for i, j, view in taps(padded, kernel, out_size, stride, dilation):
        tap = w[:, :, i, j].reshape(groups, O // groups, C)
        view += np.einsum("ngohw,goc->ngchw", g, tap).reshape(view.shape)
    return padded[:, :, top : top + size[0], left : left + size[1]]


def conv2d_weight(g, x, *, size, stride=ONE, padding=NONE, dilation=ONE, groups=1):
    """Gradient of `conv2d` in w: each tap sums the products of gradients and the pixels that it met."""
    g, x = g.astype(np.float64), x.astype(np.float64)
    N, O, *out_size = g.shape
    C = x.shape[1] // groups
    out = np.zeros((O, C, *size))
    g = g.reshape(N, groups, O // groups, *out_size)
    padded = np.pad(x, ((0, 0), (0, 0), *padding))
    for i, j, view in taps(padded, size, out_size, stride, dilation):
        view = view.reshape(N, groups, C, *out_size)
        out[:, :, i, j] = np.einsum("ngohw,ngchw->goc", g, view).reshape(O, C)
    return out
