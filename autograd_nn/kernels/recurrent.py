"""Gated recurrences over whole sequences: weights packed once, each thread runs all steps of its own rows.

The rows of a batch do not meet, so one call runs a sequence: at each step the tile adds the product of the state with
the packed weights to what the inputs give, and one pass over the gates makes the next state of it.
"""

from __future__ import annotations

import math

import numpy as np
from numpy import uintp

from autograd_nn.kernels.annotations import Array
from autograd_nn.kernels.by_numpy import zeros
from autograd_nn.kernels.compile import chunked, get_num_threads, jit
from autograd_nn.kernels.gemm import (
    COLUMN_BLOCK_BYTES,
    ROWS,
    THREAD_WORK,
    VECTORS,
    flattened,
    multiply_block,
    pack_columns,
    pack_rows,
)
from autograd_nn.kernels.memory import contiguous
from autograd_nn.kernels.numeric import exponential, hyperbolic_tangent
from autograd_nn.kernels.tile import ADD, VECTOR_BYTES, ZERO, Place, lanes

__all__ = ["gru", "gru_input", "lstm", "lstm_input"]

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
        packed, space, threads = _prepared(w.T, T, N)
        _lstm(threads, gx, packed, h0, h0.reshape(-1), c0, out, out.reshape(-1), gates, gates.reshape(-1), space)
    return out, gates


def lstm_input(g: Array, out: Array, gates: Array, w: Array, c0: Array) -> tuple[Array, Array, Array]:
    """Return the gradients of `lstm` in gx, h0 and c0, given that of `out`."""
    T, (N, size) = len(g), c0.shape
    g, c0 = contiguous(g), contiguous(c0)
    ga = np.empty((T, N, 4 * size), g.dtype)
    gh, gc = zeros(c0.shape, g.dtype), zeros(c0.shape, g.dtype)
    if ga.size:
        packed, space, threads = _prepared(w, T, N)
        _lstm_input(threads, g, contiguous(out), contiguous(gates), c0, packed, gh, gh.reshape(-1), gc, ga,
                    ga.reshape(-1), space)  # fmt: skip
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
        packed, space, threads = _prepared(w.T, T, N)
        a, b = np.empty((N, 3 * size), gx.dtype), np.zeros(3 * size, gx.dtype) if b is None else contiguous(b)
        _gru(threads, gx, packed, b, h0, h0.reshape(-1), out, out.reshape(-1), a, a.reshape(-1), space)
    return out


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
        packed, space, threads = _prepared(w, T, N)
        a = np.empty((N, 3 * size), g.dtype)
        _gru_input(threads, g, z, slope, packed, dh, carried, carried.reshape(-1), a, a.reshape(-1), space)
    return dh, carried


def _prepared(b: Array, T: int, N: int) -> tuple[Array, Array, int]:
    """Return a matrix (K, M) packed by columns, space for the packed rows of each thread, and how many threads."""
    K, M = b.shape
    panel = VECTORS * VECTOR_BYTES // b.itemsize
    threads = max(1, min(get_num_threads(), N, T * N * K * M // THREAD_WORK))
    flat, row, column = flattened(b)
    packed = np.empty(-(-M // panel) * panel * K, b.dtype)
    _pack(min(threads, -(-M // panel)), flat, row, column, K, M, packed)
    rows = math.ceil(math.ceil(N / threads) / ROWS) * ROWS
    return packed, np.empty((threads, rows * K + VECTOR_BYTES), b.dtype), threads


@chunked
def _pack(t: int, threads: int, b: Array, row: int, column: int, K: int, M: int, packed: Array) -> None:
    panel = VECTORS * lanes(packed)
    panels = -(-M // panel)
    first, last = panels * t // threads * panel, panels * (t + 1) // threads * panel
    pack_columns(b, first * column, row, column, min(M, last) - first, K, packed, first * K)


@jit(borrows=True)
def _add_product(
    a: Array, start: int, row: int, rows: int, K: int, packed: Array, M: int, c: Array, c_start: int, c_row: int,
    begin: int, space: Array,
) -> None:  # fmt: skip
    """Multiply rows of ``a`` with a packed matrix (K, M), by blocks of columns that fit into the L2 cache."""
    panel = VECTORS * lanes(c)
    pack_rows(a, start, row, 1, rows, K, space, 0)
    block = max(1, COLUMN_BLOCK_BYTES // (K * panel * c.itemsize)) * panel
    for m in range(0, M, block):
        multiply_block(
            Place(space, 0), Place(packed, m * K), panel, panel * K, Place(c, c_start + m), c_row,
            rows, min(block, M - m), K, begin, Place(c, 0), False,
        )  # fmt: skip


@jit(inline=True)
def _sigmoid(x: Array) -> None:
    one = x.dtype.type(1)
    for j in range(uintp(x.size)):
        x[j] = one / (one + exponential(-x[j]))


@jit(inline=True)
def _tanh(x: Array) -> None:
    for j in range(uintp(x.size)):
        x[j] = hyperbolic_tangent(x[j])


@chunked(contract=False)
def _lstm(
    t: int, threads: int, gx: Array, packed: Array, h0: Array, h0_flat: Array, c0: Array, out: Array, out_flat: Array,
    gates: Array, gates_flat: Array, space: Array,
) -> None:  # fmt: skip
    """Run all steps by short loops over few arrays each, which LLVM vectorizes; the cache holds what they pass on."""
    N, size = c0.shape
    first, last = t * N // threads, (t + 1) * N // threads
    for step in range(len(gx)):
        kept = step % len(gates)
        for r in range(first, last):
            gates[kept, r, : 4 * size] = gx[step, r]
        at = (kept * N + first) * GATES * size
        if step:
            _add_product(out_flat, ((step - 1) * N + first) * 2 * size, 2 * size, last - first, size, packed, 4 * size,
                         gates_flat, at, GATES * size, ADD, space[t])
        else:
            _add_product(h0_flat, first * size, size, last - first, size, packed, 4 * size,
                         gates_flat, at, GATES * size, ADD, space[t])
        for r in range(first, last):
            before = out[step - 1, r, size:] if step else c0[r]
            h, c, gate = out[step, r, :size], out[step, r, size:], gates[kept, r]
            i, f, n = gate[:size], gate[size : 2 * size], gate[2 * size : 3 * size]
            o, tangent = gate[3 * size : 4 * size], gate[4 * size :]
            _sigmoid(gate[: 2 * size])
            _tanh(n)
            _sigmoid(o)
            for j in range(uintp(size)):
                c[j] = f[j] * before[j] + i[j] * n[j]
            for j in range(uintp(size)):
                tangent[j] = hyperbolic_tangent(c[j])
            for j in range(uintp(size)):
                h[j] = o[j] * tangent[j]


@chunked(contract=False)
def _lstm_input(
    t: int, threads: int, g: Array, out: Array, gates: Array, c0: Array, packed: Array, gh: Array, gh_flat: Array,
    gc: Array, ga: Array, ga_flat: Array, space: Array,
) -> None:  # fmt: skip
    N, size = c0.shape
    one = c0.dtype.type(1)
    first, last = t * N // threads, (t + 1) * N // threads
    for step in range(len(g) - 1, -1, -1):
        for r in range(first, last):
            before = out[step - 1, r, size:] if step else c0[r]
            gate, dh, dc = gates[step, r], gh[r], gc[r]
            i, f, n = gate[:size], gate[size : 2 * size], gate[2 * size : 3 * size]
            o, tangent = gate[3 * size : 4 * size], gate[4 * size :]
            gi, gf = ga[step, r, :size], ga[step, r, size : 2 * size]
            gn, go = ga[step, r, 2 * size : 3 * size], ga[step, r, 3 * size :]
            into_h, into_c = g[step, r, :size], g[step, r, size:]
            for j in range(uintp(size)):
                dh[j] += into_h[j]
            for j in range(uintp(size)):
                dc[j] += into_c[j] + dh[j] * o[j] * (one - tangent[j] * tangent[j])
            for j in range(uintp(size)):
                go[j] = dh[j] * tangent[j] * o[j] * (one - o[j])
            for j in range(uintp(size)):
                gi[j] = dc[j] * n[j] * i[j] * (one - i[j])
            for j in range(uintp(size)):
                gf[j] = dc[j] * before[j] * f[j] * (one - f[j])
            for j in range(uintp(size)):
                gn[j] = dc[j] * i[j] * (one - n[j] * n[j])
            for j in range(uintp(size)):
                dc[j] *= f[j]
        _add_product(ga_flat, (step * N + first) * 4 * size, 4 * size, last - first, 4 * size, packed, size,
                     gh_flat, first * size, size, ZERO, space[t])


@chunked(contract=False)
def _gru(
    t: int, threads: int, gx: Array, packed: Array, b: Array, h0: Array, h0_flat: Array, out: Array, out_flat: Array,
    a: Array, a_flat: Array, space: Array,
) -> None:  # fmt: skip
    N, size = h0.shape
    first, last = t * N // threads, (t + 1) * N // threads
    for step in range(len(gx)):
        for r in range(first, last):
            a[r] = b
        if step:
            _add_product(out_flat, ((step - 1) * N + first) * size, size, last - first, size, packed, 3 * size,
                         a_flat, first * 3 * size, 3 * size, ADD, space[t])
        else:
            _add_product(h0_flat, first * size, size, last - first, size, packed, 3 * size,
                         a_flat, first * 3 * size, 3 * size, ADD, space[t])
        for r in range(first, last):
            before = out[step - 1, r] if step else h0[r]
            h, u, gate = out[step, r], gx[step, r], a[r]
            reset, z, n = gate[:size], gate[size : 2 * size], gate[2 * size :]
            for j in range(uintp(2 * size)):
                gate[j] += u[j]
            _sigmoid(gate[: 2 * size])
            for j in range(uintp(size)):
                n[j] = u[uintp(2 * size) + j] + reset[j] * n[j]
            _tanh(n)
            for j in range(uintp(size)):
                h[j] = n[j] + z[j] * (before[j] - n[j])


@chunked(contract=False)
def _gru_input(
    t: int, threads: int, g: Array, z: Array, slope: Array, packed: Array, dh: Array, carried: Array,
    carried_flat: Array, a: Array, a_flat: Array, space: Array,
) -> None:  # fmt: skip
    N, size = carried.shape
    first, last = t * N // threads, (t + 1) * N // threads
    for step in range(len(g) - 1, -1, -1):
        for r in range(first, last):
            d, c, s, row = dh[step, r], carried[r], slope[step, r], a[r]
            for j in range(uintp(size)):
                d[j] = g[step, r, j] + c[j]
            for k in range(uintp(3)):
                for j in range(uintp(size)):
                    row[k * uintp(size) + j] = d[j] * s[k * uintp(size) + j]
            for j in range(uintp(size)):
                c[j] = d[j] * z[step, r, j]
        _add_product(a_flat, first * 3 * size, 3 * size, last - first, 3 * size, packed, size,
                     carried_flat, first * size, size, ADD, space[t])
