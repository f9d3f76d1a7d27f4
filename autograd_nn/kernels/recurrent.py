"""Gated recurrences over whole sequences: weights packed once, each thread runs all steps of its own rows.

The rows of a batch do not meet, so one call runs a sequence: at each step the tile adds the product of the state with
the packed weights to what the inputs give, and one pass over the gates makes the next state of it.
"""

from __future__ import annotations

import math

import numpy as np
from numpy import uintp

from autograd_nn.kernels.annotations import Array, Triple
from autograd_nn.kernels.by_numpy import zeros
from autograd_nn.kernels.compile import chunked, get_num_threads, jit, threads_for
from autograd_nn.kernels.functions import logistic, tanh
from autograd_nn.kernels.gemm import (
    COLUMN_BLOCK_BYTES,
    ROWS,
    THREAD_WORK,
    VECTORS,
    WIDE,
    flattened,
    multiply_block,
    pack_columns,
    pack_rows,
    transpose_part,
)
from autograd_nn.kernels.lanes import Number
from autograd_nn.kernels.memory import contiguous
from autograd_nn.kernels.rows import along_rows
from autograd_nn.kernels.tile import (
    ADD,
    BIAS_OF_COLUMN,
    VECTOR_BYTES,
    ZERO,
    Columns,
    Place,
    Rows,
    Target,
    lanes,
    multiply_tile,
)

__all__ = ["gru", "gru_gates", "gru_input", "lstm", "lstm_input"]

FEW_ROWS = 3  # that are multiplied without being packed
GATES = 5  # that are kept of each unit: i, f, n, o and the hyperbolic tangent of the new cell


def lstm(gx: Array, w: Array, h0: Array, c0: Array, keep: bool) -> tuple[Array, Array]:
    """Run the recurrence ``c = sigmoid(f) c + sigmoid(i) tanh(n)``, ``h = sigmoid(o) tanh(c)``.

    Parameters
    ----------
    gx : ndarray (T, N, 4 size), float32 or float64
        What the inputs add to the four gates i, f, n, o of each step.
    w : ndarray (4 size, size)
        ``h @ w.T`` is what the state before adds to them.
    h0, c0 : ndarray (N, size)
    keep : bool
        Keep the gates of all steps, for `lstm_input`; else of the last one.

    Returns
    -------
    out : ndarray (T, N, 2 size)
        h and c after each step.
    gates : ndarray (T or 1, N, 5 size)
    """
    T, (N, size) = len(gx), h0.shape
    gx, h0, c0 = contiguous(gx), contiguous(h0), contiguous(c0)
    out = np.empty((T, N, 2 * size), gx.dtype)
    gates = np.empty((T if keep else 1, N, GATES * size), gx.dtype)
    if out.size:
        packed, wide, space, threads = _prepared(w.T, T, N)
        _lstm(threads, gx.reshape(-1), packed, wide, h0.reshape(-1), c0.reshape(-1), out.reshape(-1),
              gates.reshape(-1), (T, N, size), len(gates), space)  # fmt: skip
    return out, gates


def lstm_input(g: Array, out: Array, gates: Array, w: Array, c0: Array) -> tuple[Array, Array, Array]:
    """Return the gradients of `lstm` in gx, h0 and c0, given that of `out`."""
    T, (N, size) = len(g), c0.shape
    g, c0 = contiguous(g), contiguous(c0)
    ga = np.empty((T, N, 4 * size), g.dtype)
    gh, gc = zeros(c0.shape, g.dtype), zeros(c0.shape, g.dtype)
    if ga.size:
        packed, wide, space, threads = _prepared(w, T, N)
        _lstm_input(threads, g.reshape(-1), contiguous(out).reshape(-1), contiguous(gates).reshape(-1),
                    c0.reshape(-1), packed, wide, gh.reshape(-1), gc.reshape(-1), ga.reshape(-1), (T, N, size),
                    space)  # fmt: skip
    return ga, gh, gc


def gru(gx: Array, w: Array, b: Array | None, h0: Array) -> Array:
    """Run the recurrence ``h = (1 - z) tanh(u_n + r a_n) + z h`` with ``r, z = sigmoid(u + a)``.

    Parameters
    ----------
    gx : ndarray (T, N, 3 size), float32 or float64
        What the inputs give for r, z and n of each step: u.
    w : ndarray (3 size, size)
    b : ndarray (3 size,) or None
        ``a = h @ w.T + b``.
    h0 : ndarray (N, size)

    Returns
    -------
    ndarray (T, N, size)
        h after each step.
    """
    T, (N, size) = len(gx), h0.shape
    gx, h0, out = contiguous(gx), contiguous(h0), np.empty((T, N, size), gx.dtype)
    if out.size:
        packed, wide, space, threads = _prepared(w.T, T, N)
        a, b = np.empty((N, 3 * size), gx.dtype), np.zeros(3 * size, gx.dtype) if b is None else contiguous(b)
        _gru(threads, gx.reshape(-1), packed, wide, b, h0.reshape(-1), out.reshape(-1), a.reshape(-1), (T, N, size),
             space)  # fmt: skip
    return out


def gru_gates(gx: Array, a: Array, h: Array) -> tuple[Array, Array, Array]:
    """Return what the gradient of `gru` needs, of all steps at once.

    Parameters
    ----------
    gx, a : ndarray (T, N, 3 size)
        What the inputs and the states give: u and a of `gru`.
    h : ndarray (T, N, size)
        The state before each step.

    Returns
    -------
    z : ndarray (T, N, size)
    slope, slope_a : ndarray (T, N, 3 size)
        The derivatives of the new state in u and in a.
    """
    T, N, size = h.shape
    gx, a, h = contiguous(gx), contiguous(a), contiguous(h)
    z, slope, slope_a = np.empty(h.shape, h.dtype), np.empty(gx.shape, h.dtype), np.empty(gx.shape, h.dtype)
    _gates(min(threads_for(20 * h.size), T * N), gx.reshape(-1), a.reshape(-1), h.reshape(-1), z.reshape(-1),
           slope.reshape(-1), slope_a.reshape(-1), T * N, size)  # fmt: skip
    return z, slope, slope_a


def gru_input(g: Array, z: Array, slope: Array, w: Array) -> tuple[Array, Array]:
    """Run the gradient of `gru` back: ``dh[t] = g[t] + c`` with ``c = dh z + (dh dh dh slope) @ w`` of the step behind.

    Parameters
    ----------
    g, z : ndarray (T, N, size)
        The gradient in the states, and the gate z.
    slope : ndarray (T, N, 3 size)
        The derivatives of the new state in a.
    w : ndarray (3 size, size)

    Returns
    -------
    dh : ndarray (T, N, size)
    dh0 : ndarray (N, size)
    """
    T, N, size = g.shape
    g, z, slope, dh = contiguous(g), contiguous(z), contiguous(slope), np.empty(g.shape, g.dtype)
    carried = zeros((N, size), g.dtype)
    if dh.size:
        packed, wide, space, threads = _prepared(w, T, N)
        a = np.empty((N, 3 * size), g.dtype)
        _gru_input(threads, g.reshape(-1), z.reshape(-1), slope.reshape(-1), packed, wide, dh.reshape(-1),
                   carried.reshape(-1), a.reshape(-1), (T, N, size), space)  # fmt: skip
    return dh, carried


def _prepared(b: Array, T: int, N: int) -> tuple[Array, int, Array, int]:
    """Return a matrix (K, M) packed for the product, how, space for the packed rows of each thread, how many threads.

    Few rows are multiplied with a matrix that lies row by row, each padded to whole panels of `WIDE` vectors: that
    length is "how". Else it is 0, and the matrix is packed by columns for the tile.
    """
    K, M = b.shape
    threads = max(1, min(get_num_threads(), N, T * N * K * M // THREAD_WORK))
    is_few = N <= FEW_ROWS
    panel = (WIDE if is_few else VECTORS) * VECTOR_BYTES // b.itemsize
    length = -(-M // panel) * panel
    source, row, column = flattened(b)
    packed = np.empty(length * K, b.dtype)
    _pack(min(threads, length // panel), source, row, column, K, M, packed, length if is_few else 0)
    rows = 0 if is_few else math.ceil(math.ceil(N / threads) / ROWS) * ROWS
    return packed, length if is_few else 0, np.empty((threads, rows * K + VECTOR_BYTES), b.dtype), threads


@chunked
def _pack(t: int, threads: int, b: Array, row: int, column: int, K: int, M: int, packed: Array, wide: int) -> None:
    if wide and row == 1:
        panel = lanes(packed)
        panels = -(-M // panel)
        first, last = panels * t // threads * panel, panels * (t + 1) // threads * panel
        transpose_part(b, column, first, min(M, last), 0, K, packed, wide)
        return
    if wide:
        for k in range(K * t // threads, K * (t + 1) // threads):
            for j in range(uintp(M)):
                packed[uintp(k * wide) + j] = b[uintp(k * row) + j]
        return
    panel = VECTORS * lanes(packed)
    panels = -(-M // panel)
    first, last = panels * t // threads * panel, panels * (t + 1) // threads * panel
    pack_columns(b, first * column, row, column, min(M, last) - first, K, packed, first * K)


@jit(borrows=True)
def _add_product(
    a: Array, start: int, row: int, rows: int, K: int, packed: Array, wide: int, M: int, c: Array, c_start: int,
    c_row: int, begin: int, bias: Array, space: Array,
) -> None:  # fmt: skip
    """Multiply rows of ``a`` with a packed matrix (K, M), by blocks of columns that fit into the L2 cache.

    `begin` is that of the tile, and `bias` what begins then for each column.
    """
    if wide:
        for r in range(rows):
            for m in range(0, M, WIDE * lanes(c)):
                multiply_tile(
                    1, WIDE, (K, 1, 1), Rows(a, start + r * row, (1, 0, 0), 0),
                    Columns(packed, m, (wide, 0, 0), lanes(c)), Target(c, c_start + r * c_row + m, 0, lanes(c)),
                    (1, M - m), begin, Place(bias, m), False,
                )  # fmt: skip
        return
    panel = VECTORS * lanes(c)
    pack_rows(a, start, row, 1, rows, K, space, 0)
    block = max(1, COLUMN_BLOCK_BYTES // (K * panel * c.itemsize)) * panel
    for m in range(0, M, block):
        multiply_block(
            Place(space, 0), Place(packed, m * K), panel, panel * K, Place(c, c_start + m), c_row,
            rows, min(block, M - m), K, begin, Place(bias, m), False,
        )  # fmt: skip


def lstm_cell(
    u_i: Number, u_f: Number, u_n: Number, u_o: Number, i: Number, f: Number, n: Number, o: Number, before: Number
) -> tuple[Number, Number, Number, Number, Number, Number, Number]:
    """Return the gates, the tangent of the new cell, the cell and the state.

    They follow from what the input and the state give for the gates, and from the cell before.
    """
    i, f, n, o = logistic(u_i + i), logistic(u_f + f), tanh(u_n + n), logistic(u_o + o)
    cell = f * before + i * n
    tangent = tanh(cell)
    return i, f, n, o, tangent, cell, o * tangent


def lstm_cell_input(
    i: Number, f: Number, n: Number, o: Number, tangent: Number, before: Number, into_h: Number, into_c: Number,
    dh: Number, dc: Number,
) -> tuple[Number, Number, Number, Number, Number]:  # fmt: skip
    """Return the gradients in the four sums, and in the cell before."""
    dh = dh + into_h
    dc = dc + into_c + dh * o * (1.0 - tangent * tangent)
    return (dc * n * i * (1.0 - i), dc * before * f * (1.0 - f), dc * i * (1.0 - n * n), dh * tangent * o * (1.0 - o),
            dc * f)


def gru_cell(
    u_r: Number, u_z: Number, u_n: Number, a_r: Number, a_z: Number, a_n: Number, before: Number
) -> tuple[Number]:
    """Return the new state, of what the input and the state give for the two gates and the candidate."""
    n = tanh(u_n + logistic(u_r + a_r) * a_n)
    return (n + logistic(u_z + a_z) * (before - n),)


def gru_slopes(
    u_r: Number, u_z: Number, u_n: Number, a_r: Number, a_z: Number, a_n: Number, before: Number
) -> tuple[Number, Number, Number, Number, Number, Number, Number]:
    """Return z, and the derivatives of the new state in the three parts of u and of a."""
    r, z = logistic(u_r + a_r), logistic(u_z + a_z)
    n = tanh(u_n + r * a_n)
    s_n = (1.0 - z) * (1.0 - n * n)
    s_z = (before - n) * (z * (1.0 - z))
    s_r = s_n * a_n * (r * (1.0 - r))
    return z, s_r, s_z, s_n, s_r, s_z, s_n * r


def gru_cell_input(
    g: Number, carried: Number, s_r: Number, s_z: Number, s_n: Number, z: Number
) -> tuple[Number, Number, Number, Number, Number]:
    """Return the gradient in the state, in the three parts of ``a``, and what is carried on beside ``a``."""
    d = g + carried
    return d, d * s_r, d * s_z, d * s_n, d * z


_along_lstm, _along_lstm_input = along_rows(lstm_cell), along_rows(lstm_cell_input)
_along_gru, _along_gru_input = along_rows(gru_cell), along_rows(gru_cell_input)
_along_slopes = along_rows(gru_slopes)


@chunked(contract=False)
def _lstm(
    t: int, threads: int, gx: Array, packed: Array, wide: int, h0: Array, c0: Array, out: Array, gates: Array,
    sizes: Triple, kept: int, space: Array,
) -> None:  # fmt: skip
    """Run all steps on flat arrays; the cache holds what the product and the gates pass on."""
    T, N, size = sizes
    first, rows = t * N // threads, (t + 1) * N // threads - t * N // threads
    for step in range(T):
        at, x = (step % kept * N + first) * GATES * size, (step * N + first) * 4 * size
        h, last = (step * N + first) * 2 * size, ((step - 1) * N + first) * 2 * size
        state, state_at, state_row = (out, last, 2 * size) if step else (h0, first * size, size)
        _add_product(state, state_at, state_row, rows, size, packed, wide, 4 * size, gates, at, GATES * size, ZERO,
                     gates, space[t])  # fmt: skip
        cell, cell_at, cell_row = (out, last + size, 2 * size) if step else (c0, first * size, size)
        _along_lstm(
            rows, size, (gx, gx, gx, gx, gates, gates, gates, gates, cell, gates, gates, gates, gates, gates, out, out),
            (x, x + size, x + 2 * size, x + 3 * size, at, at + size, at + 2 * size, at + 3 * size, cell_at,
             at, at + size, at + 2 * size, at + 3 * size, at + 4 * size, h + size, h),
            (4 * size, 4 * size, 4 * size, 4 * size, GATES * size, GATES * size, GATES * size, GATES * size, cell_row,
             GATES * size, GATES * size, GATES * size, GATES * size, GATES * size, 2 * size, 2 * size),
        )  # fmt: skip


@chunked(contract=False)
def _lstm_input(
    t: int, threads: int, g: Array, out: Array, gates: Array, c0: Array, packed: Array, wide: int, gh: Array,
    gc: Array, ga: Array, sizes: Triple, space: Array,
) -> None:  # fmt: skip
    T, N, size = sizes
    first, rows = t * N // threads, (t + 1) * N // threads - t * N // threads
    for step in range(T - 1, -1, -1):
        place = step * N + first
        at, h, a, own = place * GATES * size, place * 2 * size, place * 4 * size, first * size
        cell, cell_at, cell_row = (out, h - N * 2 * size + size, 2 * size) if step else (c0, own, size)
        _along_lstm_input(
            rows, size, (gates, gates, gates, gates, gates, cell, g, g, gh, gc, ga, ga, ga, ga, gc),
            (at, at + size, at + 2 * size, at + 3 * size, at + 4 * size, cell_at, h, h + size, own, own,
             a, a + size, a + 2 * size, a + 3 * size, own),
            (GATES * size, GATES * size, GATES * size, GATES * size, GATES * size, cell_row, 2 * size, 2 * size, size,
             size, 4 * size, 4 * size, 4 * size, 4 * size, size),
        )  # fmt: skip
        _add_product(ga, a, 4 * size, rows, 4 * size, packed, wide, size, gh, own, size, ZERO, gh, space[t])


@chunked(contract=False)
def _gru(
    t: int, threads: int, gx: Array, packed: Array, wide: int, b: Array, h0: Array, out: Array, a: Array,
    sizes: Triple, space: Array,
) -> None:  # fmt: skip
    T, N, size = sizes
    first, rows = t * N // threads, (t + 1) * N // threads - t * N // threads
    own = first * 3 * size
    for step in range(T):
        h, x = (step * N + first) * size, (step * N + first) * 3 * size
        state, at = (out, h - N * size) if step else (h0, first * size)
        _add_product(state, at, size, rows, size, packed, wide, 3 * size, a, own, 3 * size, BIAS_OF_COLUMN, b,
                     space[t])  # fmt: skip
        _along_gru(
            rows, size, (gx, gx, gx, a, a, a, state, out),
            (x, x + size, x + 2 * size, own, own + size, own + 2 * size, at, h),
            (3 * size, 3 * size, 3 * size, 3 * size, 3 * size, 3 * size, size, size),
        )  # fmt: skip


@chunked(contract=False)
def _gru_input(
    t: int, threads: int, g: Array, z: Array, slope: Array, packed: Array, wide: int, dh: Array, carried: Array,
    a: Array, sizes: Triple, space: Array,
) -> None:  # fmt: skip
    T, N, size = sizes
    first, rows = t * N // threads, (t + 1) * N // threads - t * N // threads
    own, row = first * size, first * 3 * size
    for step in range(T - 1, -1, -1):
        h, s = (step * N + first) * size, (step * N + first) * 3 * size
        _along_gru_input(
            rows, size, (g, carried, slope, slope, slope, z, dh, a, a, a, carried),
            (h, own, s, s + size, s + 2 * size, h, h, row, row + size, row + 2 * size, own),
            (size, size, 3 * size, 3 * size, 3 * size, size, size, 3 * size, 3 * size, 3 * size, size),
        )  # fmt: skip
        _add_product(a, row, 3 * size, rows, 3 * size, packed, wide, size, carried, own, size, ADD, carried,
                     space[t])  # fmt: skip


@chunked(contract=False)
def _gates(
    t: int, threads: int, gx: Array, a: Array, h: Array, z: Array, slope: Array, slope_a: Array, count: int, size: int
) -> None:
    first = count * t // threads
    x, y = first * 3 * size, first * size
    _along_slopes(
        count * (t + 1) // threads - first, size,
        (gx, gx, gx, a, a, a, h, z, slope, slope, slope, slope_a, slope_a, slope_a),
        (x, x + size, x + 2 * size, x, x + size, x + 2 * size, y, y, x, x + size, x + 2 * size, x, x + size,
         x + 2 * size),
        (3 * size, 3 * size, 3 * size, 3 * size, 3 * size, 3 * size, size, size, 3 * size, 3 * size, 3 * size, 3 * size,
         3 * size, 3 * size),
    )  # fmt: skip
