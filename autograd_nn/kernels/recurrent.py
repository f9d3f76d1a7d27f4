"""The long short-term memory over whole sequences: at each step one matrix product and one pass over the gates."""

from __future__ import annotations

import numpy as np
from numpy import uintp

from autograd_nn.kernels.annotations import Array
from autograd_nn.kernels.compile import chunked, jit, threads_for
from autograd_nn.kernels.gemm import matmul
from autograd_nn.kernels.memory import contiguous
from autograd_nn.kernels.numeric import exponential, hyperbolic_tangent

__all__ = ["lstm", "lstm_input"]

GATES = 5  # that are kept of each unit: i, f, n, o and the hyperbolic tangent of the new cell
WORK = 16  # of a unit in a step, as `threads_for` counts it


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
    gx, c0, wt = contiguous(gx), contiguous(c0), w.T
    out = np.empty((T, N, 2 * size), gx.dtype)
    gates = np.empty((T if keep else 1, N, GATES * size), gx.dtype)
    h, threads = h0, threads_for(WORK * h0.size)
    for t in range(T):
        _lstm_step(min(threads, N), t, contiguous(matmul(h, wt)), gx, c0, out, gates)
        h = out[t, :, :size]
    return out, gates


def lstm_input(g: Array, out: Array, gates: Array, w: Array, c0: Array) -> tuple[Array, Array, Array]:
    """Return the gradients of `lstm` in gx, h0 and c0, given that of `out`."""
    T, (N, size) = len(g), c0.shape
    g, c0 = contiguous(g), contiguous(c0)
    ga = np.empty((T, N, 4 * size), g.dtype)
    gh, gc, threads = np.zeros(c0.shape, g.dtype), np.zeros(c0.shape, g.dtype), threads_for(WORK * c0.size)
    for t in reversed(range(T)):
        _lstm_step_input(min(threads, N), t, g, out, gates, c0, gh, gc, ga)
        gh = contiguous(matmul(ga[t], w))
    return ga, gh, gc


@jit(inline=True)
def _sigmoid_of_sum(a: Array, b: Array, out: Array) -> None:
    one = a.dtype.type(1)
    for j in range(uintp(a.size)):
        out[j] = one / (one + exponential(-(a[j] + b[j])))


@jit(inline=True)
def _tanh_of_sum(a: Array, b: Array, out: Array) -> None:
    for j in range(uintp(a.size)):
        out[j] = hyperbolic_tangent(a[j] + b[j])


@chunked(contract=False)
def _lstm_step(t: int, threads: int, step: int, a: Array, gx: Array, c0: Array, out: Array, gates: Array) -> None:
    """Compute a step by short loops over few arrays each, which LLVM vectorizes; the cache holds what they pass on."""
    N, size = c0.shape
    for r in range(t * N // threads, (t + 1) * N // threads):
        before = out[step - 1, r, size:] if step else c0[r]
        h, c, gate = out[step, r, :size], out[step, r, size:], gates[step % len(gates), r]
        _sigmoid_of_sum(a[r, : 2 * size], gx[step, r, : 2 * size], gate[: 2 * size])
        _tanh_of_sum(a[r, 2 * size : 3 * size], gx[step, r, 2 * size : 3 * size], gate[2 * size : 3 * size])
        _sigmoid_of_sum(a[r, 3 * size :], gx[step, r, 3 * size :], gate[3 * size : 4 * size])
        i, f, n = gate[:size], gate[size : 2 * size], gate[2 * size : 3 * size]
        o, tangent = gate[3 * size : 4 * size], gate[4 * size :]
        for j in range(uintp(size)):
            c[j] = f[j] * before[j] + i[j] * n[j]
        for j in range(uintp(size)):
            tangent[j] = hyperbolic_tangent(c[j])
        for j in range(uintp(size)):
            h[j] = o[j] * tangent[j]


@chunked(contract=False)
def _lstm_step_input(
    t: int, threads: int, step: int, g: Array, out: Array, gates: Array, c0: Array, gh: Array, gc: Array, ga: Array
) -> None:
    N, size = c0.shape
    one = c0.dtype.type(1)
    for r in range(t * N // threads, (t + 1) * N // threads):
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
