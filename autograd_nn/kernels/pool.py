"""Pooling over two spatial axes: maximum, average and their adaptive forms.

Every kernel sees its arrays as planes, ``(N * C, H, W)``; a thread owns whole planes, so results have
the same bits for any number of threads.

Maximum pooling keeps, for each output, the position of its maximum *inside the window* (row-major, one
byte where the window has at most 255 cells). The position is a constant of the backward pass, which
makes the pair `max_pool2d_put` / `max_pool2d_take` linear, mutually adjoint and cheap: one byte per
output instead of PyTorch's eight.

Speed comes from the order of the loops: a plane that needs padding is copied into a padded one (it stays in
the cache), so that the loop over a row of outputs has no edges and LLVM vectorizes it. The two common windows
(2x2 and 3x3, stride 2) reach that loop as constants and are unrolled inside it; for other windows each cell of
the window visits the whole row. Indices are unsigned (`uintp`) there: Numba's handling of negative indices
would keep LLVM from vectorizing.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy import uintp

from autograd_nn.kernels.annotations import Array, Pair
from autograd_nn.kernels.compile import chunked, jit, threads_for
from autograd_nn.kernels.memory import contiguous
from autograd_nn.kernels.records import record, table_of

__all__ = [
    "adaptive_avg_pool2d",
    "adaptive_avg_pool2d_input",
    "adaptive_max_pool2d",
    "adaptive_max_pool2d_put",
    "adaptive_max_pool2d_take",
    "avg_pool2d",
    "avg_pool2d_input",
    "max_pool2d",
    "max_pool2d_put",
    "max_pool2d_take",
    "pooled_length",
]


def pooled_length(
    length: int, kernel: int, stride: int, padding: int, dilation: int = 1, ceil_mode: bool = False
) -> int:
    """Return the number of windows along one axis.

    ``floor((length + 2 padding - dilation (kernel - 1) - 1) / stride) + 1``; with `ceil_mode` the quotient
    is rounded up and a last window that would start in the right-hand padding is dropped.
    """
    span = length + 2 * padding - dilation * (kernel - 1) - 1
    if not ceil_mode:
        return span // stride + 1
    count = -(-span // stride) + 1
    return count - 1 if (count - 1) * stride >= length + padding else count


RUN = 16  # windows side by side, a vector or more


class Window(NamedTuple):
    """Sizes of a window; kernels are given it as a table (see `records`)."""

    kernel_y: int
    kernel_x: int
    stride_y: int
    stride_x: int
    top: int  # padding
    left: int
    dilation_y: int
    dilation_x: int
    relu: int


@lru_cache(maxsize=1024)
def _window(kernel: Pair, stride: Pair, padding: Pair, dilation: Pair = (1, 1), relu: bool = False) -> Array:
    return table_of(Window(*kernel, *stride, *padding, *dilation, relu))


def _planes(x: Array) -> Array:
    """View (N, C, H, W) as (N * C, H, W)."""
    return x.reshape(x.shape[0] * x.shape[1], *x.shape[2:])


def _padded_planes(
    threads: int, x: Array, out: Array, kernel: Pair, stride: Pair, padding: Pair, dilation: Pair, value: float
) -> Array:
    """Return one plane of `value` per chunk in which no window of `x` overhangs; empty ones if none does in `x`."""
    shape = [
        max(p + L, (O - 1) * s + (k - 1) * d + 1)
        for L, O, k, s, p, d in zip(x.shape[2:], out.shape[2:], kernel, stride, padding, dilation, strict=True)
    ]
    return np.empty((0, 0, 0), x.dtype) if tuple(shape) == x.shape[2:] else np.full((threads, *shape), value, x.dtype)


def _flat(x: Array) -> Array:
    """View (N, C, H, W) as (N * C, H * W)."""
    return x.reshape(x.shape[0] * x.shape[1], x.shape[2] * x.shape[3])


def _corners(size: Pair, out_size: Pair, stride: Pair, padding: Pair) -> Array:
    """Return the flat position of each window's first cell in its plane (a virtual one, where it is padding)."""
    rows, columns = (np.arange(O) * s - p for O, s, p in zip(out_size, stride, padding, strict=True))
    return (rows[:, None] * size[1] + columns).ravel()


def _cells(size: Pair, kernel: Pair, dilation: Pair) -> Array:
    """Return the flat distance of each cell of a window from its first; last, a distance that leaves any plane."""
    rows, columns = (np.arange(k) * d for k, d in zip(kernel, dilation, strict=True))
    return np.append(rows[:, None] * size[1] + columns, -(2**62))


# ---------------------------------------------------------------------------------------------- maximum


def max_pool2d(
    x: Array, *, kernel: Pair, stride: Pair, padding: Pair = (0, 0), dilation: Pair = (1, 1), ceil_mode: bool = False,
    relu: bool = False,
) -> tuple[Array, Array]:  # fmt: skip
    """Maximum over sliding windows.

    Ties go to the first cell in row-major order. NaN wins over every number, and of several NaNs the
    last one is reported. A window of -inf only reports its first cell. Padding never wins.

    Parameters
    ----------
    x : ndarray (N, C, H, W), floating or integer
    kernel, stride, padding, dilation : (int, int)
    ceil_mode : bool
        Keep a last, partly overhanging window (see `pooled_length`).
    relu : bool
        Replace maxima of at most 0 by 0, and their positions by the window's number of cells: no cell has a part in
        them. So the gradient is that of ReLU before or after the pooling, in one pass over memory.

    Returns
    -------
    out : ndarray (N, C, OH, OW), dtype of `x`
    index : ndarray (N, C, OH, OW), uint8 (int32 for windows of more than 255 cells)
        Position of the maximum within its window, ``row * kernel[1] + column``; or the window's number of cells,
        where all of them lie in the padding (a dilated window can step over a small image).
    """
    x = contiguous(x)
    OH, OW = map(pooled_length, x.shape[2:], kernel, stride, padding, dilation, (ceil_mode, ceil_mode))
    out = np.empty((*x.shape[:2], OH, OW), x.dtype)
    index = np.empty(out.shape, np.uint8 if kernel[0] * kernel[1] <= 255 else np.int32)
    lowest = x.dtype.type(-np.inf if x.dtype.kind == "f" else np.iinfo(x.dtype).min)
    threads = threads_for(x.size)
    padded = _padded_planes(threads, x, out, kernel, stride, padding, dilation, lowest)
    if kernel == stride == (2, 2) and dilation == (1, 1) and not padded.size:
        _max_quarters(threads, _planes(x), _planes(out), _planes(index), relu)
        return out, index
    _max_pool(
        threads, _planes(x), _planes(out), _planes(index), padded, lowest,
        _window(kernel, stride, padding, dilation, relu),
    )  # fmt: skip
    return out, index


def max_pool2d_take(
    x: Array, index: Array, *, kernel: Pair, stride: Pair, padding: Pair = (0, 0), dilation: Pair = (1, 1)
) -> Array:
    """Gather from each window of `x` the cell at `index`: the linear map behind `max_pool2d`.

    Parameters
    ----------
    x : ndarray (N, C, H, W)
    index : ndarray (N, C, OH, OW)
        As returned by `max_pool2d` with the same settings.

    Returns
    -------
    ndarray (N, C, OH, OW), dtype of `x`
    """
    x, index = contiguous(x), contiguous(index)
    out = np.empty(index.shape, x.dtype)
    corners = _corners(x.shape[2:], index.shape[2:], stride, padding)
    cells = _cells(x.shape[2:], kernel, dilation)
    _take(threads_for(4 * index.size), _flat(x), _flat(index), _flat(out), corners, cells)
    return out


def max_pool2d_put(
    g: Array, index: Array, *, size: Pair, kernel: Pair, stride: Pair, padding: Pair = (0, 0), dilation: Pair = (1, 1)
) -> Array:
    """Add each element of `g` to the cell that `index` names in its window: the adjoint of `max_pool2d_take`.

    Parameters
    ----------
    g, index : ndarray (N, C, OH, OW)
    size : (int, int)
        H and W of the result.

    Returns
    -------
    ndarray (N, C, H, W), dtype of `g`
        Overlapping windows accumulate.
    """
    g, index = contiguous(g), contiguous(index)
    x = np.empty((*g.shape[:2], *size), g.dtype)
    threads = threads_for(x.size)
    if (*kernel, *stride) == (2, 2, 2, 2) and dilation == (1, 1) and tuple(size) == (2 * g.shape[2], 2 * g.shape[3]):
        _put_quarters(threads, _planes(g), _planes(index), _planes(x))
    else:
        corners = _corners(size, g.shape[2:], stride, padding)
        _put(threads, _flat(g), _flat(index), _flat(x), corners, _cells(size, kernel, dilation))
    return x


@jit(inline=True)
def _max_of_row(
    plane: Array, q: int, top: int, best: Array, where: Array, p: int, i: int, kH: int, kW: int, stride: int
) -> None:
    """Find the maxima of a row of windows; constant arguments let LLVM unroll the window."""
    for j in range(best.shape[2]):
        left = j * stride
        highest = plane[q, top, uintp(left)]
        cell = np.uint8(0)
        for a in range(kH):
            for b in range(kW):
                value = plane[q, uintp(top + a), uintp(left + b)]
                if (value > highest) | (value != value):
                    highest = value
                    cell = np.uint8(a * kW + b)
        best[p, i, j] = highest
        where[p, i, j] = cell


@jit
def _max_of_row_by_cells(
    plane: Array, q: int, top: int, best: Array, where: Array, p: int, i: int, kH: int, kW: int, stride: int, dH: int,
    dW: int,
) -> None:  # fmt: skip
    """Find the maxima of a row of windows: each cell of the window visits the whole row."""
    for j in range(best.shape[2]):
        best[p, i, j] = plane[q, top, uintp(j * stride)]
        where[p, i, j] = 0
    for a in range(kH):
        for b in range(kW):
            cell = where.dtype.type(a * kW + b)
            for j in range(best.shape[2]):
                value = plane[q, uintp(top + a * dH), uintp(b * dW + j * stride)]
                highest = best[p, i, j]
                known = where[p, i, j]
                better = (value > highest) | (value != value)
                best[p, i, j] = value if better else highest
                where[p, i, j] = cell if better else known


@jit(inline=True)
def _max_of_pairs(x: Array, top: Any, low: Any, out: Array, index: Array, at: Any, count: int, relu: bool) -> None:
    zero = x.dtype.type(0)
    for j in range(uintp(count)):
        a, b = x[top + uintp(2) * j], x[top + uintp(2) * j + uintp(1)]
        c, d = x[low + uintp(2) * j], x[low + uintp(2) * j + uintp(1)]
        right, right_below = (b > a) | (b != b), (d > c) | (d != d)
        above, below = b if right else a, d if right_below else c
        cell = np.int32(1) if right else np.int32(0)
        cell_below = np.int32(3) if right_below else np.int32(2)
        deeper = (below > above) | (below != below)
        highest, cell = below if deeper else above, cell_below if deeper else cell
        clipped = (highest <= zero) & relu
        index[at + j] = np.uint8(np.int32(4) if clipped else cell)
        out[at + j] = zero if clipped else highest


@chunked
def _max_quarters(t: int, threads: int, x: Array, out: Array, index: Array, relu: bool) -> None:
    """Find the maxima of 2x2 windows, stride 2, in some planes: as `_max_pool`, which is compiled for far longer.

    Rows are often shorter than LLVM's loops over vectors. So whole runs of vectors reach beyond a row, into what the
    next row then overwrites.
    """
    first, last = t * x.shape[0] // threads, (t + 1) * x.shape[0] // threads
    H, W = x.shape[1:]
    OH, OW = out.shape[1:]
    x, out, index = x.reshape(-1), out.reshape(-1), index.reshape(-1)
    whole = -(-OW // RUN) * RUN
    for p in range(first, last):
        for i in range(OH):
            top, at = (p * H + 2 * i) * W, (p * OH + i) * OW
            low = top + W
            if at + whole <= last * OH * OW and low + 2 * whole <= x.size:
                for j in range(0, whole, RUN):
                    _max_of_pairs(x, uintp(top + 2 * j), uintp(low + 2 * j), out, index, uintp(at + j), RUN, relu)
            else:
                _max_of_pairs(x, uintp(top), uintp(low), out, index, uintp(at), OW, relu)


@chunked
def _max_pool(
    t: int, threads: int, x: Array, out: Array, index: Array, padded: Array, lowest: float, window: Array
) -> None:
    kH, kW, sH, sW, pH, pW, dH, dW, relu = record(Window, window, 0)
    zero, nothing = x.dtype.type(0), index.dtype.type(kH * kW)
    P, H, W = x.shape
    OH, OW = out.shape[1:]
    is_padded = padded.size > 0
    plane = padded if is_padded else x
    common = sW == 2 and kH == kW and dH == 1 and dW == 1
    for p in range(t * P // threads, (t + 1) * P // threads):
        q = p
        if is_padded:
            q = t
            for i in range(H):
                for j in range(W):
                    padded[t, pH + i, uintp(pW + j)] = x[p, i, j]
        for i in range(OH):
            if common and kW == 2:
                _max_of_row(plane, q, i * sH, out, index, p, i, 2, 2, 2)
            elif common and kW == 3:
                _max_of_row(plane, q, i * sH, out, index, p, i, 3, 3, 2)
            else:
                _max_of_row_by_cells(plane, q, i * sH, out, index, p, i, kH, kW, sW, dH, dW)
            if is_padded:
                for j in range(OW):
                    if out[p, i, j] == lowest:
                        index[p, i, j] = _first_cell_inside(
                            *(i * sH - pH, j * sW - pW, H, W, kH, kW, dH, dW)
                        )
            if relu:
                for j in range(OW):
                    clipped = out[p, i, j] <= zero
                    out[p, i, j] = zero if clipped else out[p, i, j]
                    index[p, i, j] = nothing if clipped else index[p, i, j]


@jit
def _first_cell_inside(top: int, left: int, H: int, W: int, kH: int, kW: int, dH: int, dW: int) -> int:
    """Return the first cell of a window that does not lie in the padding, kH * kW where all do."""
    a, b = 0, 0
    while top + a * dH < 0:
        a += 1
    while left + b * dW < 0:
        b += 1
    inside = a < kH and b < kW and top + a * dH < H and left + b * dW < W
    return a * kW + b if inside else kH * kW


@chunked
def _take(t: int, threads: int, x: Array, index: Array, out: Array, corners: Array, cells: Array) -> None:
    P, length = x.shape
    for p in range(uintp(t * P // threads), uintp((t + 1) * P // threads)):
        for j in range(uintp(corners.size)):
            at = uintp(corners[j] + cells[uintp(index[p, j])])
            out[p, j] = x[p, at] if at < uintp(length) else 0


@chunked
def _put(t: int, threads: int, g: Array, index: Array, x: Array, corners: Array, cells: Array) -> None:
    P, length = x.shape
    for p in range(uintp(t * P // threads), uintp((t + 1) * P // threads)):
        for i in range(uintp(length)):
            x[p, i] = 0
        for j in range(uintp(corners.size)):
            at = uintp(corners[j] + cells[uintp(index[p, j])])
            if at < uintp(length):
                x[p, at] += g[p, j]


@chunked
def _put_quarters(t: int, threads: int, g: Array, index: Array, x: Array) -> None:
    """Put as `_put` does for 2x2 windows that tile the plane: each cell is written once."""
    P, OH, OW = g.shape
    zero = x.dtype.type(0)
    for p in range(t * P // threads, (t + 1) * P // threads):
        for i in range(OH):
            for a in range(2):
                for j in range(OW):
                    value = g[p, i, j]
                    cell = index[p, i, j] - 2 * a
                    x[p, 2 * i + a, uintp(2 * j)] = value if cell == 0 else zero
                    x[p, 2 * i + a, uintp(2 * j + 1)] = value if cell == 1 else zero


# ---------------------------------------------------------------------------------------------- average


def avg_pool2d(
    x: Array, *, kernel: Pair, stride: Pair, padding: Pair = (0, 0), ceil_mode: bool = False,
    count_include_pad: bool = True, divisor_override: int | None = None,
) -> Array:  # fmt: skip
    """Average over sliding windows.

    Parameters
    ----------
    x : ndarray (N, C, H, W), float32 or float64
    kernel, stride, padding : (int, int)
    ceil_mode : bool
        Keep a last, partly overhanging window (see `pooled_length`).
    count_include_pad : bool
        Count padding cells (but never those that overhang the padding) in the divisor.
    divisor_override : int, optional
        Divide every sum by this number instead.

    Returns
    -------
    ndarray (N, C, OH, OW), dtype of `x`
    """
    x = contiguous(x)
    OH, OW = map(pooled_length, x.shape[2:], kernel, stride, padding, (1, 1), (ceil_mode, ceil_mode))
    out = np.empty((*x.shape[:2], OH, OW), x.dtype)
    rows, columns = _counts(x.shape[2:], (OH, OW), kernel, stride, padding, count_include_pad, divisor_override)
    threads = threads_for(x.size)
    _avg_pool(
        threads, _planes(x), _planes(out), _padded_planes(threads, x, out, kernel, stride, padding, (1, 1), 0),
        rows.astype(x.dtype), columns.astype(x.dtype), _window(kernel, stride, padding),
    )  # fmt: skip
    return out


def avg_pool2d_input(
    g: Array, *, size: Pair, kernel: Pair, stride: Pair, padding: Pair = (0, 0), ceil_mode: bool = False,
    count_include_pad: bool = True, divisor_override: int | None = None,
) -> Array:  # fmt: skip
    """Adjoint of `avg_pool2d`: spread each element of `g`, divided by its window's divisor, over the window.

    Parameters
    ----------
    g : ndarray (N, C, OH, OW)
    size : (int, int)
        H and W of the result.

    Returns
    -------
    ndarray (N, C, H, W), dtype of `g`
    """
    g = contiguous(g)
    x = np.empty((*g.shape[:2], *size), g.dtype)
    rows, columns = _counts(size, g.shape[2:], kernel, stride, padding, count_include_pad, divisor_override)
    threads = threads_for(x.size)
    _avg_pool_input(
        threads, _planes(g), _planes(x), _padded_planes(threads, x, g, kernel, stride, padding, (1, 1), 0),
        np.empty((threads, g.shape[3]), g.dtype), rows.astype(g.dtype), columns.astype(g.dtype),
        _window(kernel, stride, padding),
    )  # fmt: skip
    return x


def _counts(
    size: Pair, out_size: Pair, kernel: Pair, stride: Pair, padding: Pair, count_include_pad: bool,
    divisor_override: int | None,
) -> tuple[Array, Array]:  # fmt: skip
    """Return per row and per column of outputs the factors of the divisor."""
    if divisor_override is not None:
        return np.full(out_size[0], divisor_override), np.ones(out_size[1])
    counts = []
    for L, O, k, s, p in zip(size, out_size, kernel, stride, padding, strict=True):
        start = np.arange(O) * s - p
        if count_include_pad:
            counts.append(np.minimum(start + k, L + p) - start)
        else:
            counts.append(np.minimum(start + k, L) - np.maximum(start, 0))
    rows, columns = counts
    return rows, columns


@jit
def _sum_of_row_by_cells(
    plane: Array, q: int, top: int, out: Array, p: int, i: int, kH: int, kW: int, stride: int
) -> None:
    """Sum a row of windows: each cell of the window visits the whole row."""
    for j in range(out.shape[2]):
        out[p, i, j] = 0
    for a in range(kH):
        for b in range(kW):
            for j in range(out.shape[2]):
                out[p, i, j] += plane[q, uintp(top + a), uintp(b + j * stride)]


@chunked
def _avg_pool(
    t: int, threads: int, x: Array, out: Array, padded: Array, row_counts: Array, column_counts: Array, window: Array
) -> None:
    kH, kW, sH, sW, pH, pW, _, _, _ = record(Window, window, 0)
    P, H, W = x.shape
    OH, OW = out.shape[1:]
    is_padded = padded.size > 0
    plane = padded if is_padded else x
    halving = sH == 2 and sW == 2 and kH == 2 and kW == 2
    for p in range(t * P // threads, (t + 1) * P // threads):
        q = p
        if is_padded:
            q = t
            for i in range(H):
                for j in range(W):
                    padded[t, pH + i, uintp(pW + j)] = x[p, i, j]
        for i in range(OH):
            if halving:
                for j in range(OW):
                    upper = plane[q, 2 * i, uintp(2 * j)] + plane[q, 2 * i, uintp(2 * j + 1)]
                    lower = plane[q, 2 * i + 1, uintp(2 * j)] + plane[q, 2 * i + 1, uintp(2 * j + 1)]
                    out[p, i, j] = upper + lower
            else:
                _sum_of_row_by_cells(plane, q, i * sH, out, p, i, kH, kW, sW)
            rows = row_counts[i]
            for j in range(OW):
                out[p, i, j] /= rows * column_counts[j]


@chunked
def _avg_pool_input(
    t: int, threads: int, g: Array, x: Array, padded: Array, shares: Array, row_counts: Array, column_counts: Array,
    window: Array,
) -> None:  # fmt: skip
    kH, kW, sH, sW, pH, pW, _, _, _ = record(Window, window, 0)
    P, H, W = x.shape
    OH, OW = g.shape[1:]
    is_padded = padded.size > 0
    plane = padded if is_padded else x
    for p in range(t * P // threads, (t + 1) * P // threads):
        q = t if is_padded else p
        for i in range(plane.shape[1]):
            for j in range(plane.shape[2]):
                plane[q, i, j] = 0
        for i in range(OH):
            rows = row_counts[i]
            for j in range(OW):
                shares[t, j] = g[p, i, j] / (rows * column_counts[j])
            if kW == 2 and sW == 2:
                for a in range(kH):
                    for j in range(OW):
                        plane[q, i * sH + a, uintp(2 * j)] += shares[t, j]
                        plane[q, i * sH + a, uintp(2 * j + 1)] += shares[t, j]
                continue
            for a in range(kH):
                for b in range(kW):
                    for j in range(OW):
                        plane[q, i * sH + a, uintp(b + j * sW)] += shares[t, j]
        if is_padded:
            for i in range(H):
                for j in range(W):
                    x[p, i, j] = padded[t, pH + i, uintp(pW + j)]


# --------------------------------------------------------------------------------------------- adaptive
# Output i of O over an axis of length L covers [floor(i L / O), ceil((i + 1) L / O)).


def adaptive_avg_pool2d(x: Array, *, size: Pair) -> Array:
    """Average over windows ``[floor(i L / O), ceil((i + 1) L / O))`` that tile each axis.

    Parameters
    ----------
    x : ndarray (N, C, H, W), float32 or float64
    size : (int, int)
        Height and width of the result.

    Returns
    -------
    ndarray (N, C, *size), dtype of `x`
    """
    x = contiguous(x)
    out = np.empty((*x.shape[:2], *size), x.dtype)
    _adaptive_avg(threads_for(x.size), *_as_rows(x, out))
    return out


def adaptive_avg_pool2d_input(g: Array, *, size: Pair) -> Array:
    """Adjoint of `adaptive_avg_pool2d`: from (N, C, OH, OW) to (N, C, *size)."""
    g = contiguous(g)
    x = np.empty((*g.shape[:2], *size), g.dtype)
    x_planes, g_planes = _as_rows(x, g)
    _adaptive_avg_input(threads_for(x.size), g_planes, x_planes)
    return x


def adaptive_max_pool2d(x: Array, *, size: Pair) -> tuple[Array, Array]:
    """Maximum over the windows of `adaptive_avg_pool2d`; ties and NaN as in `max_pool2d`.

    Returns
    -------
    out : ndarray (N, C, *size), dtype of `x`
    index : ndarray (N, C, *size), int64
        Position of the maximum within its plane, ``row * W + column``.
    """
    x = contiguous(x)
    out = np.empty((*x.shape[:2], *size), x.dtype)
    index = np.empty(out.shape, np.int64)
    _adaptive_max(threads_for(x.size), _planes(x), _planes(out), _planes(index))
    return out, index


def adaptive_max_pool2d_take(x: Array, index: Array) -> Array:
    """Gather from each plane of `x` (N, C, H, W) the cells at `index` (N, C, OH, OW)."""
    flat = x.reshape(*x.shape[:2], -1)
    return np.take_along_axis(flat, index.reshape(*index.shape[:2], -1), axis=2).reshape(index.shape)


def adaptive_max_pool2d_put(g: Array, index: Array, *, size: Pair) -> Array:
    """Adjoint of `adaptive_max_pool2d_take`: add `g` to the cells at `index` of (N, C, *size)."""
    g, index = contiguous(g), contiguous(index)
    x = np.empty((*g.shape[:2], *size), g.dtype)
    _plane_put(threads_for(x.size), _planes(g), _planes(index), _planes(x))
    return x


def _as_rows(x: Array, out: Array) -> tuple[Array, Array]:
    """View both as planes, those of `x` as a single row where one window covers them whole."""
    planes = _planes(x)
    if out.shape[2:] == (1, 1):
        planes = planes.reshape(len(planes), 1, x.shape[2] * x.shape[3])
    return planes, _planes(out)


@chunked
def _adaptive_avg(t: int, threads: int, x: Array, out: Array) -> None:
    P, H, W = x.shape
    OH, OW = out.shape[1:]
    for p in range(t * P // threads, (t + 1) * P // threads):
        for i in range(OH):
            top, bottom = i * H // OH, -(-(i + 1) * H // OH)
            for j in range(OW):
                left, right = j * W // OW, -(-(j + 1) * W // OW)
                total = x.dtype.type(0)
                for a in range(top, bottom):
                    total += _sum_of_run(x, p, a, left, right - left)
                out[p, i, j] = total / x.dtype.type((bottom - top) * (right - left))


@jit(reassociate=True)
def _sum_of_run(x: Array, p: int, a: int, left: int, length: int) -> float:
    total: float = x.dtype.type(0)
    for b in range(length):
        total += x[p, a, uintp(left + b)]
    return total


@chunked
def _adaptive_avg_input(t: int, threads: int, g: Array, x: Array) -> None:
    P, H, W = x.shape
    OH, OW = g.shape[1:]
    for p in range(t * P // threads, (t + 1) * P // threads):
        for i in range(H):
            for j in range(W):
                x[p, i, j] = 0
        for i in range(OH):
            top, bottom = i * H // OH, -(-(i + 1) * H // OH)
            for j in range(OW):
                left, right = j * W // OW, -(-(j + 1) * W // OW)
                share = g[p, i, j] / g.dtype.type((bottom - top) * (right - left))
                for a in range(top, bottom):
                    for b in range(uintp(left), uintp(right)):
                        x[p, a, b] += share


@chunked
def _adaptive_max(t: int, threads: int, x: Array, out: Array, index: Array) -> None:
    P, H, W = x.shape
    OH, OW = out.shape[1:]
    for p in range(t * P // threads, (t + 1) * P // threads):
        for i in range(OH):
            top, bottom = i * H // OH, -(-(i + 1) * H // OH)
            for j in range(OW):
                left, right = j * W // OW, -(-(j + 1) * W // OW)
                where = top * W + left
                best = x[p, top, left]
                for a in range(top, bottom):
                    for b in range(left, right):
                        value = x[p, a, b]
                        if value > best or value != value:
                            best = value
                            where = a * W + b
                out[p, i, j] = best
                index[p, i, j] = where


@chunked
def _plane_put(t: int, threads: int, g: Array, index: Array, x: Array) -> None:
    P, H, W = x.shape
    OH, OW = g.shape[1:]
    for p in range(t * P // threads, (t + 1) * P // threads):
        for i in range(H):
            for j in range(W):
                x[p, i, j] = 0
        for i in range(OH):
            for j in range(OW):
                cell = index[p, i, j]
                x[p, cell // W, cell % W] += g[p, i, j]
