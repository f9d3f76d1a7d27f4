"""Convolution by plain loops: every setting (stride, dilation, groups, asymmetric padding), no packing.

The inner loop runs along a row, where the compiler vectorises it. These loops serve the settings that the
blocked kernels of `direct` leave out, and they are the shortest statement of what the three kernels compute:

    out[n, o, y, q]  = b[o] + sum_{c, i, j} w[o, c, i, j] x[n, c, y sh + i dh - top, q sw + j dw - left]
    gx = adjoint in x,  gw = adjoint in w.
"""

import numpy as np

from .compile import chunked, jit

__all__ = ["forward", "input_gradient", "weight_gradient"]


@jit(borrows=True)
def columns(size, out_size, start, step):
    """Return the range of q in [0, out_size) for which 0 <= start + q * step < size."""
    first = 0 if start >= 0 else (-start + step - 1) // step
    last = (size - 1 - start) // step + 1 if size > start else 0
    return first, max(first, min(out_size, last))


@jit(borrows=True)
def add_scaled(target, source, weight, count, target_step, source_step):
    """Add weight * source to target, both from their first element on (indices stay provably non-negative)."""
    if target_step == 1 and source_step == 1:
        for q in range(count):
            target[q] += weight * source[q]
    else:
        for q in range(count):
            target[q * target_step] += weight * source[q * source_step]


@chunked
def forward(t, threads, x, w, bias, out, stride, padding, dilation, groups, relu):
    """Write the convolution of x (N, C, H, W) with w (O, C / groups, kH, kW) to out (N, O, OH, OW)."""
    N, _, H, W = x.shape
    O, C, kH, kW = w.shape
    OH, OW = out.shape[2:]
    for task in range(N * O * t // threads, N * O * (t + 1) // threads):
        n, o = task // O, task % O
        base = o // (O // groups) * C
        for y in range(OH):
            row = out[n, o, y]
            row[:] = bias[o]
            for c in range(C):
                for i in range(kH):
                    r = y * stride[0] + i * dilation[0] - padding[0]
                    if r < 0 or r >= H:
                        continue
                    source = x[n, base + c, r]
                    for j in range(kW):
                        start = j * dilation[1] - padding[1]
                        first, last = columns(W, OW, start, stride[1])
                        weight = w[o, c, i, j]
                        tail = source[start + first * stride[1] :]
                        add_scaled(row[first:], tail, weight, last - first, 1, stride[1])
            if relu:
                for q in range(OW):
                    row[q] = row[q] if row[q] > 0 or row[q] != row[q] else 0


@chunked
def input_gradient(t, threads, g, w, out, stride, padding, dilation, groups):
    """Write the gradient in x to out (N, C, H, W), given g (N, O, OH, OW) and w."""
    N, channels, H, W = out.shape
    O, C, kH, kW = w.shape
    OH, OW = g.shape[2:]
    per_group = O // groups
    for task in range(N * channels * t // threads, N * channels * (t + 1) // threads):
        n, channel = task // channels, task % channels
        group, c = channel // C, channel % C
        out[n, channel] = 0
        for y in range(OH):
            for i in range(kH):
                r = y * stride[0] + i * dilation[0] - padding[0]
                if r < 0 or r >= H:
                    continue
                row = out[n, channel, r]
                for o in range(group * per_group, (group + 1) * per_group):
                    source = g[n, o, y]
                    for j in range(kW):
                        start = j * dilation[1] - padding[1]
                        first, last = columns(W, OW, start, stride[1])
                        weight = w[o, c, i, j]
                        tail = row[start + first * stride[1] :]
                        add_scaled(tail, source[first:], weight, last - first, stride[1], 1)


@jit(borrows=True)
def add_products(target, left, right, count, step):
    """Add left * right to target, reading every `step`-th element of right."""
    if step == 1:
        for q in range(count):
            target[q] += left[q] * right[q]
    else:
        for q in range(count):
            target[q] += left[q] * right[q * step]


@jit(borrows=True)
def add_row(totals, left, right, taps, stride, padding, dilation):
    """Add the products of one row of g with one row of x, for all taps of one row of the kernel."""
    count = left.size
    for j in range(taps):
        start = j * dilation - padding
        first, last = columns(right.size, count, start, stride)
        add_products(totals[j * count + first :], left[first:], right[start + first * stride :], last - first, stride)


@chunked
def weight_gradient(t, threads, g, x, out, stride, padding, dilation, groups):
    """Write the gradient in w to out (O, C / groups, kH, kW), given g (N, O, OH, OW) and x."""
    N, O, OH, OW = g.shape
    H, W = x.shape[2:]
    C, kH, kW = out.shape[1:]
    totals = np.empty(kH * kW * OW, x.dtype)  # sums over images and rows, for each tap and column
    for task in range(O * C * t // threads, O * C * (t + 1) // threads):
        o, c = task // C, task % C
        channel = o // (O // groups) * C + c
        totals[:] = 0
        for n in range(N):
            for y in range(OH):
                for i in range(kH):
                    r = y * stride[0] + i * dilation[0] - padding[0]
                    if 0 <= r < H:
                        add_row(totals[i * kW * OW :], g[n, o, y], x[n, channel, r], kW, stride[1], padding[1], dilation[1])
        for i in range(kH):
            for j in range(kW):
                total = totals[0] * 0
                for q in range(OW):
                    total += totals[(i * kW + j) * OW + q]
                out[o, c, i, j] = total
