"""Reference results in float64 and plain NumPy: what every kernel is compared with before it is timed."""

from __future__ import annotations

import numpy as np


def taps(size, out, kernel, stride, pad):
    """Yield each position (i, j) of the kernel with the pixels of the padded image that it meets."""
    for i in range(kernel):
        for j in range(kernel):
            yield (
                i,
                j,
                (..., slice(i, i + stride * (out - 1) + 1, stride), slice(j, j + stride * (out - 1) + 1, stride)),
            )


def padded(x, pad):
    return np.pad(x.astype(np.float64), ((0, 0), (0, 0), (pad, pad), (pad, pad)))


def grouped(x, groups):
    """Return (N, C, H, W) as (groups, C / groups, N, H, W)."""
    N, C, H, W = x.shape
    return x.reshape(N, groups, C // groups, H, W).transpose(1, 2, 0, 3, 4)


def convolution(x, w, b, stride, pad, groups):
    """Return the convolution of square images with square kernels."""
    O, width, kernel, _ = w.shape
    x = padded(x, pad)
    out = (x.shape[2] - kernel) // stride + 1
    total = np.zeros((groups, O // groups, x.shape[0], out, out))
    weights = w.astype(np.float64).reshape(groups, O // groups, width, kernel, kernel)
    for i, j, window in taps(x.shape[2], out, kernel, stride, pad):
        part = grouped(x[window], groups)
        flat = part.reshape(groups, width, -1)
        total += (weights[:, :, :, i, j] @ flat).reshape(total.shape)
    return total.transpose(2, 0, 1, 3, 4).reshape(x.shape[0], O, out, out) + b.astype(np.float64)[:, None, None]


def convolution_input(g, w, size, stride, pad, groups):
    """Return the gradient of `convolution` in the image."""
    N, O, out, _ = g.shape
    width, kernel = w.shape[1], w.shape[2]
    total = np.zeros((N, width * groups, size + 2 * pad, size + 2 * pad))
    weights = w.astype(np.float64).reshape(groups, O // groups, width, kernel, kernel)
    flat = grouped(g.astype(np.float64), groups).reshape(groups, O // groups, -1)
    for i, j, window in taps(size, out, kernel, stride, pad):
        part = weights[:, :, :, i, j].transpose(0, 2, 1) @ flat
        part = part.reshape(groups, width, N, out, out).transpose(2, 0, 1, 3, 4)
        total[window] += part.reshape(N, width * groups, out, out)
    return total[:, :, pad : pad + size, pad : pad + size]


def convolution_weight(g, x, kernel, stride, pad, groups):
    """Return the gradient of `convolution` in the weight."""
    O, out = g.shape[1], g.shape[2]
    x = padded(x, pad)
    width = x.shape[1] // groups
    total = np.zeros((groups, O // groups, width, kernel, kernel))
    flat = grouped(g.astype(np.float64), groups).reshape(groups, O // groups, -1)
    for i, j, window in taps(x.shape[2], out, kernel, stride, pad):
        part = grouped(x[window], groups).reshape(groups, width, -1)
        total[:, :, :, i, j] = flat @ part.transpose(0, 2, 1)
    return total.reshape(O, width, kernel, kernel)


def max_pool(x, kernel, stride, pad):
    """Return the maximum of each window; padding never wins."""
    x = np.pad(x.astype(np.float64), ((0, 0), (0, 0), (pad, pad), (pad, pad)), constant_values=-np.inf)
    out = (x.shape[2] - kernel) // stride + 1
    return np.maximum.reduce([x[window] for _, _, window in taps(x.shape[2], out, kernel, stride, pad)])


def max_pool_input(g, x, kernel, stride, pad):
    """Return the gradient of `max_pool`: all of it to the first of the largest."""
    maximum = max_pool(x, kernel, stride, pad)
    x = np.pad(x.astype(np.float64), ((0, 0), (0, 0), (pad, pad), (pad, pad)), constant_values=-np.inf)
    total, free = np.zeros_like(x), np.ones(g.shape, bool)
    for _, _, window in taps(x.shape[2], g.shape[2], kernel, stride, pad):
        hit = free & (x[window] == maximum)
        total[window] += hit * g
        free &= ~hit
    size = x.shape[2] - 2 * pad
    return total[:, :, pad : pad + size, pad : pad + size]


def batch_norm(x, w, b, eps):
    """Return the normalised batch; statistics over all dims but the channels."""
    x = x.astype(np.float64)
    mean, variance = x.mean((0, 2, 3), keepdims=True), x.var((0, 2, 3), keepdims=True)
    return (x - mean) / np.sqrt(variance + eps) * w[:, None, None] + b[:, None, None]


def batch_norm_input(g, x, w, eps):
    """Return the gradient of `batch_norm` in `x`."""
    x, g = x.astype(np.float64), g.astype(np.float64)
    axes = {"axis": (0, 2, 3), "keepdims": True}
    rstd = 1 / np.sqrt(x.var(**axes) + eps)
    normal = (x - x.mean(**axes)) * rstd
    return w[:, None, None] * rstd * (g - g.mean(**axes) - normal * (g * normal).mean(**axes))


def softmax(x):
    """Return the softmax over the last dim."""
    x = np.exp(x.astype(np.float64) - x.max(-1, keepdims=True))
    return x / x.sum(-1, keepdims=True)


def cross_entropy(logits, target):
    """Return the mean negative log-likelihood of the targets."""
    return -np.log(softmax(logits)[np.arange(len(target)), target]).mean()


def cross_entropy_input(logits, target):
    """Return the gradient of `cross_entropy`."""
    gradient = softmax(logits)
    gradient[np.arange(len(target)), target] -= 1
    return gradient / len(target)


def adam(p, g, m, v, lr, beta1, beta2, eps, step):
    """Return a parameter after a step of Adam."""
    p, g, m, v = (array.astype(np.float64) for array in (p, g, m, v))
    m = beta1 * m + (1 - beta1) * g
    v = beta2 * v + (1 - beta2) * g * g
    return p - lr * (m / (1 - beta1**step)) / (np.sqrt(v / (1 - beta2**step)) + eps)
