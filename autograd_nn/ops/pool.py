"""Pooling over sliding windows. Max-pooling gathers at an index that is itself not differentiated."""

from ..engine import primitive
from ..kernels import pool as kernels
from .conv import pair

# ------------------------------------------------------------------------------------ primitives


@primitive(residuals=True)
def _max_pool2d(x, *, kernel, stride, padding, dilation, ceil_mode):
    out, index = kernels.max_pool2d(
        x, kernel=kernel, stride=stride, padding=padding, dilation=dilation, ceil_mode=ceil_mode
    )
    return out, (index,)


@primitive
def _window_put(g, index, *, size, kernel, stride, padding, dilation):
    return kernels.max_pool2d_put(g, index, size=size, kernel=kernel, stride=stride, padding=padding, dilation=dilation)


@primitive
def _window_take(x, index, *, kernel, stride, padding, dilation):
    return kernels.max_pool2d_take(x, index, kernel=kernel, stride=stride, padding=padding, dilation=dilation)


def _max_pool2d_rule(g, out, x, residuals, ceil_mode, **p):
    return _window_put(g, residuals[0], size=x.shape[2:], **p)


_max_pool2d.defvjp(_max_pool2d_rule)
_window_put.defvjp(lambda h, out, g, index, size, **p: _window_take(h, index, **p), None)
_window_take.defvjp(lambda h, out, x, index, **p: _window_put(h, index, size=x.shape[2:], **p), None)


@primitive
def _avg_pool2d(x, **p):
    return kernels.avg_pool2d(x, **p)


@primitive
def _avg_pool2d_input(g, *, size, **p):
    return kernels.avg_pool2d_input(g, size=size, **p)


_avg_pool2d.defvjp(lambda g, out, x, **p: _avg_pool2d_input(g, size=x.shape[2:], **p))
_avg_pool2d_input.defvjp(lambda h, out, g, size, **p: _avg_pool2d(h, **p))


# ------------------------------------------------------------------------------------ settings and checks


def _window(x, kernel_size, stride, padding, dilation, ceil_mode, operation):
    """Return the settings as pairs, having checked that there is at least one window."""
    kernel = pair(kernel_size, "kernel_size", operation, 1)
    stride = kernel if stride is None else pair(stride, "stride", operation, 1)
    padding = pair(padding, "padding", operation)
    dilation = pair(dilation, "dilation", operation, 1)
    if any(2 * p > k for p, k in zip(padding, kernel)):
        raise RuntimeError(f"{operation}(): padding may be at most half of kernel_size (padding={padding}, kernel_size={kernel})")
    if x.ndim != 4:
        raise RuntimeError(f"{operation}(): expects a tensor of 3 or 4 dims (x.shape={x.shape})")
    if x.shape[1] == 0:
        raise RuntimeError(f"{operation}(): expects at least one channel (x.shape={x.shape})")
    for n, k, s, p, d in zip(x.shape[2:], kernel, stride, padding, dilation):
        if kernels.pooled_length(n, k, s, p, d, ceil_mode) < 1 or n < 1:
            raise RuntimeError(f"{operation}(): the window is larger than the padded image (x.shape={x.shape}, kernel_size={kernel}, "
                               f"padding={padding}, dilation={dilation})")
    return kernel, stride, padding, dilation


def _batched(pool, x, *arguments):
    out = pool(x.reshape(1, *x.shape), *arguments)
    return out.reshape(out.shape[1:])


def max_pool2d(x, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False):
    """Return the largest element of each window.

    Ties give the gradient to the first element in row-major order; NaN counts as largest; padding never wins.

    Parameters
    ----------
    x : Tensor of shape (N, C, H, W) or (C, H, W)
    kernel_size, stride, padding, dilation : int or (int, int)
        `stride` is `kernel_size` by default; `padding` is at most half of `kernel_size`.
    ceil_mode : bool
        Keep a last window that only partly lies on the image, unless it starts in the padding.

    Returns
    -------
    Tensor of shape (N, C, OH, OW)
        ``OH = floor((H + 2 p - d (kH - 1) - 1) / s) + 1`` (rounded up with `ceil_mode`).
    """
    if x.ndim == 3:
        return _batched(max_pool2d, x, kernel_size, stride, padding, dilation, ceil_mode)
    kernel, stride, padding, dilation = _window(x, kernel_size, stride, padding, dilation, ceil_mode, "max_pool2d")
    return _max_pool2d(x, kernel=kernel, stride=stride, padding=padding, dilation=dilation, ceil_mode=bool(ceil_mode))


def avg_pool2d(x, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True, divisor_override=None):
    """Return the mean of each window.

    Parameters
    ----------
    x : Tensor of shape (N, C, H, W) or (C, H, W)
    kernel_size, stride, padding : int or (int, int)
    ceil_mode : bool
        As for `max_pool2d`.
    count_include_pad : bool
        Divide by the cells of the window that lie on the padded image; otherwise by those on the image.
    divisor_override : int, optional
        Divide by this instead.
    """
    if x.ndim == 3:
        return _batched(avg_pool2d, x, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)
    if x.dtype.kind != "f":
        raise RuntimeError(f"avg_pool2d(): expects a floating-point tensor (dtype={x.dtype})")
    if divisor_override is not None and divisor_override == 0:
        raise RuntimeError("avg_pool2d(): divisor_override must not be 0")
    kernel, stride, padding, _ = _window(x, kernel_size, stride, padding, 1, ceil_mode, "avg_pool2d")
    return _avg_pool2d(x, kernel=kernel, stride=stride, padding=padding, ceil_mode=bool(ceil_mode),
                       count_include_pad=bool(count_include_pad), divisor_override=divisor_override)
