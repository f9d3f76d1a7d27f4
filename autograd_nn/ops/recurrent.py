"""Recurrent layers over whole sequences: one primitive per kind of cell.

Forward, each step needs the one before. Of the backward pass only the gradient of the state runs through time, and that
loop is a primitive (`_rnn_input`, `_lstm_input`, `_gru_input`); the gradients of the weights are products over all
steps at once. The loop's own gradient is that of the same loop composed of operations.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..engine import Leaf, dtypes_apart, enable_grad, grad, is_grad_enabled, primitive
from ..kernels import gemm
from ..kernels import recurrent as kernels
from ..typing import Array, Gradients, Tensor
from .elementwise import add, gt, mul, sigmoid, square, sub, tanh
from .linalg import _matmul_transposed, linear, matmul
from .reduce import sum
from .shape import cat, contiguous, narrow, reshape, stack, to_dtype, transpose, unsqueeze

__all__ = ["gru", "lstm", "rnn"]


def _part(x: Tensor, i: int, size: int) -> Tensor:
    """Return the i-th block of `size` features."""
    return narrow(x, x.ndim - 1, i * size, size)


def _previous(start: Tensor, states: Tensor) -> Tensor:
    """Return the state before each step, given the first and the state after each."""
    return cat([unsqueeze(start, 0), narrow(states, 0, 0, states.array.shape[0] - 1)], 0)


def _rows(x: Tensor) -> Tensor:
    return reshape(x, (x.array.shape[0] * x.array.shape[1], x.array.shape[2]))


def _projected(h: Tensor, w: Tensor) -> Tensor:
    """Return ``h[t] @ w.T`` for all steps by one product."""
    return reshape(matmul(_rows(h), transpose(w, 0, 1)), (*h.array.shape[:2], w.array.shape[0]))


def _weight_gradient(g: Tensor, h: Tensor) -> Tensor:
    """Return the gradient of `w` in `_projected`."""
    return _matmul_transposed(_rows(g), _rows(h))


def composed_gradients(
    composed: Callable[..., Sequence[Tensor]], inputs: Sequence[Tensor], gradients: Sequence[Tensor | None],
    needs: Sequence[bool],
) -> Gradients:  # fmt: skip
    """Return the gradients of a backward pass through time: ``composed(*inputs)`` computes the same by operations."""
    recorded = any(x is not None and x.requires_grad for x in (*inputs, *gradients))
    with enable_grad():
        leaves = [x.placed(Leaf(x.array.shape, x.dtype)) if need and x.node is None else x
                  for x, need in zip(inputs, needs)]
        results = composed(*leaves)
    pairs = [(result, g) for result, g in zip(results, gradients) if g is not None and result.node is not None]
    wanted = [leaf for leaf, need in zip(leaves, needs) if need]
    found = iter(grad([result for result, _ in pairs], wanted, [g for _, g in pairs], create_graph=recorded,
                      allow_unused=True))
    return [next(found) if need else None for need in needs[: len(leaves)]]


# ------------------------------------------------------------------------------------ Elman


@primitive
def _rnn(gx: Array, w: Array, h0: Array, *, nonlinearity: str) -> Array:
    out = np.empty((len(gx), *h0.shape), gx.dtype)
    h, wt = h0, w.T
    for t in range(len(gx)):
        a = gemm.matmul(h, wt)
        a += gx[t]
        h = np.tanh(a, out=out[t]) if nonlinearity == "tanh" else np.maximum(a, 0, out=out[t])
    return out


@_rnn.defvjps
def _rnn_rule(g: Tensor, out: Tensor, w: Tensor, h0: Tensor, needs: Sequence[bool], nonlinearity: str) -> Gradients:
    slope = sub(1, square(out)) if nonlinearity == "tanh" else to_dtype(gt(out, 0), out.dtype)
    da, dh0 = _rnn_input(g, slope, w)
    return da, _weight_gradient(da, _previous(h0, out)) if needs[1] else None, dh0


@primitive(results="da dh0")
def _rnn_input(g: Array, slope: Array, w: Array) -> tuple[Array, Array]:
    """Run the gradient back through time: the gradients in the sums of all steps and in the first state."""
    da = np.empty(g.shape, g.dtype)
    carried: Any = np.zeros(g.shape[1:], g.dtype)
    for t in reversed(range(len(g))):
        np.multiply(g[t] + carried, slope[t], out=da[t])
        carried = gemm.matmul(da[t], w)
    return da, carried


def _rnn_composed(g: Tensor, slope: Tensor, w: Tensor) -> tuple[Tensor, Tensor]:
    parts: list[Tensor] = []
    carried: Any = 0
    for t in reversed(range(g.array.shape[0])):
        parts.append((g[t] + carried) * slope[t])
        carried = matmul(parts[-1], w)
    return stack(parts[::-1]), carried


@_rnn_input.defvjps
def _rnn_input_rule(
    h: Tensor | None, h_dh0: Tensor | None, g: Tensor, slope: Tensor, w: Tensor, needs: Sequence[bool]
) -> Gradients:
    return composed_gradients(_rnn_composed, (g, slope, w), (h, h_dh0), needs)


# ------------------------------------------------------------------------------------ LSTM


@primitive(results="states gates")
def _lstm(gx: Array, w: Array, h0: Array, c0: Array, *, keep: bool) -> tuple[Array, Array]:
    """Return the states (h, c) after each step, joined in the last dim, and the gates (of the last without `keep`)."""
    return kernels.lstm(gx, w, h0, c0, keep)


@_lstm.defvjps
def _lstm_rule(
    g: Tensor, states: Tensor, gates: Tensor, gx: Tensor, w: Tensor, h0: Tensor, c0: Tensor, needs: Sequence[bool]
) -> Gradients:
    da, dh0, dc0 = _lstm_input(g, gx, w, h0, c0, states, gates)
    h_before = _previous(h0, _part(states, 0, h0.array.shape[1]))
    return da, _weight_gradient(da, h_before) if needs[1] else None, dh0, dc0


@primitive(results="da dh0 dc0")
def _lstm_input(
    g: Array, gx: Array, w: Array, h0: Array, c0: Array, states: Array, gates: Array
) -> tuple[Array, Array, Array]:
    """Return the gradients in gx, h0 and c0; states and gates are functions of the other inputs."""
    return kernels.lstm_input(g, states, gates, w, c0)


def _lstm_composed(g: Tensor, gx: Tensor, w: Tensor, h0: Tensor, c0: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    size = c0.array.shape[1]
    states, _ = _lstm(gx, w, h0, c0, keep=True)
    c = _part(states, 1, size)
    c_before = _previous(c0, c)
    a = add(gx, _projected(_previous(h0, _part(states, 0, size)), w))
    i, f, o = (sigmoid(_part(a, k, size)) for k in (0, 1, 3))
    n, tc = tanh(_part(a, 2, size)), tanh(c)
    through_c = mul(o, sub(1, square(tc)))
    slope = cat(
        [
            mul(n, mul(i, sub(1, i))),
            mul(c_before, mul(f, sub(1, f))),
            mul(i, sub(1, square(n))),
            mul(tc, mul(o, sub(1, o))),
        ],
        2,
    )
    gh, gc = _part(g, 0, size), _part(g, 1, size)
    parts: list[Tensor] = []
    dh_carried: Any = 0
    dc_carried: Any = 0
    for t in reversed(range(g.array.shape[0])):
        dh = gh[t] + dh_carried
        dc = gc[t] + dc_carried + dh * through_c[t]
        parts.append(cat([dc, dc, dc, dh], 1) * slope[t])
        dh_carried, dc_carried = matmul(parts[-1], w), dc * f[t]
    return stack(parts[::-1]), dh_carried, dc_carried


@_lstm_input.defvjps
def _lstm_input_rule(
    h: Tensor | None, h_dh0: Tensor | None, h_dc0: Tensor | None, g: Tensor, gx: Tensor, w: Tensor, h0: Tensor,
    c0: Tensor, needs: Sequence[bool],
) -> Gradients:  # fmt: skip
    return composed_gradients(_lstm_composed, (g, gx, w, h0, c0), (h, h_dh0, h_dc0), needs)


# ------------------------------------------------------------------------------------ GRU


@primitive
def _gru(gx: Array, w: Array, b: Array | None, h0: Array) -> Array:
    """Return the states after each step."""
    return kernels.gru(gx, w, b, h0)


@_gru.defvjps
def _gru_rule(
    g: Tensor, out: Tensor, gx: Tensor, w: Tensor, b: Tensor | None, h0: Tensor, needs: Sequence[bool]
) -> Gradients:
    h_before = _previous(h0, out)
    a = _projected(h_before, w)
    a = a if b is None else add(a, b)
    z, slope, slope_a = _gru_gates(gx, a, h_before)
    dh, dh0 = _gru_input(g, z, slope_a, w)
    da = _thrice(dh, slope_a)
    return (
        _thrice(dh, slope),
        _weight_gradient(da, h_before) if needs[1] else None,
        sum(da, (0, 1)) if needs[2] else None,
        dh0,
    )


def _thrice(dh: Tensor, slope: Tensor) -> Tensor:
    """Return each of the three blocks of features times `dh`."""
    T, N, size = dh.array.shape
    product = mul(reshape(dh, (T, N, 1, size)), reshape(slope, (T, N, 3, size)))
    return reshape(product, (T, N, 3 * size))


@primitive(results="z slope slope_a")
def _gru_gates(gx: Array, a: Array, h: Array) -> tuple[Array, Array, Array]:
    """Return the gate z of all steps, and the derivatives of the new states in gx and in `a`; `h` are the old ones."""
    return kernels.gru_gates(gx, a, h)


def _gru_gates_composed(gx: Tensor, a: Tensor, h: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    size = h.array.shape[2]
    r, z = (sigmoid(add(_part(gx, k, size), _part(a, k, size))) for k in (0, 1))
    q = _part(a, 2, size)
    n = tanh(add(_part(gx, 2, size), mul(r, q)))
    slope_n = mul(sub(1, z), sub(1, square(n)))
    slope_z = mul(sub(h, n), mul(z, sub(1, z)))
    slope_r = mul(mul(slope_n, q), mul(r, sub(1, r)))
    return z, cat([slope_r, slope_z, slope_n], 2), cat([slope_r, slope_z, mul(slope_n, r)], 2)


@_gru_gates.defvjps
def _gru_gates_rule(
    g: Tensor | None, g_slope: Tensor | None, g_slope_a: Tensor | None, gx: Tensor, a: Tensor, h: Tensor,
    needs: Sequence[bool],
) -> Gradients:  # fmt: skip
    return composed_gradients(_gru_gates_composed, (gx, a, h), (g, g_slope, g_slope_a), needs)


@primitive(results="dh dh0")
def _gru_input(g: Array, z: Array, slope_a: Array, w: Array) -> tuple[Array, Array]:
    """Run the gradient back through time: the gradients in the states of all steps and in the first one."""
    return kernels.gru_input(g, z, slope_a, w)


def _gru_composed(g: Tensor, z: Tensor, slope_a: Tensor, w: Tensor) -> tuple[Tensor, Tensor]:
    parts: list[Tensor] = []
    carried: Any = 0
    for t in reversed(range(g.array.shape[0])):
        dh = g[t] + carried
        parts.append(dh)
        carried = dh * z[t] + matmul(cat([dh, dh, dh], 1) * slope_a[t], w)
    return stack(parts[::-1]), carried


@_gru_input.defvjps
def _gru_input_rule(
    h: Tensor | None, h_dh0: Tensor | None, g: Tensor, z: Tensor, slope_a: Tensor, w: Tensor, needs: Sequence[bool]
) -> Gradients:
    return composed_gradients(_gru_composed, (g, z, slope_a, w), (h, h_dh0), needs)


# ------------------------------------------------------------------------------------ checks, public operations


def _check(operation: str, gates: int, x: Tensor, w_ih: Tensor, w_hh: Tensor, states: dict[str, Tensor]) -> None:
    """Raise where a sequence, the weights of `gates` gates and the first states do not fit each other."""
    size = w_hh.array.shape[1]
    if x.ndim != 3 or x.array.shape[2] != w_ih.array.shape[1]:
        raise RuntimeError(f"{operation}(): expects x of shape (T, N, {w_ih.shape[1]}) (x.shape={x.shape}, "
                           f"w_ih.shape={w_ih.shape})")
    if x.array.shape[0] == 0:
        raise RuntimeError(f"{operation}(): expects at least one step (x.shape={x.shape})")
    if w_ih.array.shape[0] != gates * size or w_hh.array.shape[0] != gates * size:
        raise RuntimeError(f"{operation}(): the weights need {gates} rows per unit (w_ih.shape={w_ih.shape}, "
                           f"w_hh.shape={w_hh.shape})")
    for name, state in states.items():
        if state.array.shape != (x.array.shape[1], size):
            raise RuntimeError(f"{operation}(): {name} must have shape {(x.shape[1], size)} "
                               f"({name}.shape={state.shape})")
        if state.dtype != x.dtype:
            raise dtypes_apart(operation, "", x=x.dtype, **{name: state.dtype})


def rnn(
    x: Tensor,
    h0: Tensor,
    w_ih: Tensor,
    w_hh: Tensor,
    b_ih: Tensor | None = None,
    b_hh: Tensor | None = None,
    nonlinearity: str = "tanh",
) -> Tensor:
    """Elman's recurrence, ``h[t] = tanh(w_ih x[t] + b_ih + w_hh h[t-1] + b_hh)``.

    Parameters
    ----------
    x : Tensor of shape (T, N, features)
    h0 : Tensor of shape (N, size)
    w_ih : Tensor of shape (size, features)
    w_hh : Tensor of shape (size, size)
    b_ih, b_hh : Tensor of shape (size,), both or none
    nonlinearity : {'tanh', 'relu'}

    Returns
    -------
    Tensor of shape (T, N, size)

    References
    ----------
    J. L. Elman, "Finding structure in time", Cognitive Science 14 (1990) 179-211.
    """
    if nonlinearity not in ("tanh", "relu"):
        raise ValueError(f"rnn(): nonlinearity must be 'tanh' or 'relu' (nonlinearity={nonlinearity!r})")
    _check("rnn", 1, x, w_ih, w_hh, {"h0": h0})
    bias = None if b_ih is None else add(b_ih, b_hh)
    return _rnn(linear(x, w_ih, bias), w_hh, h0, nonlinearity=nonlinearity)


def lstm(
    x: Tensor,
    h0: Tensor,
    c0: Tensor,
    w_ih: Tensor,
    w_hh: Tensor,
    b_ih: Tensor | None = None,
    b_hh: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Long short-term memory: with ``a = w_ih x[t] + b_ih + w_hh h[t-1] + b_hh`` in four blocks (i, f, n, o)

    ``c[t] = sigmoid(f) c[t-1] + sigmoid(i) tanh(n)`` and ``h[t] = sigmoid(o) tanh(c[t])``.

    Parameters
    ----------
    x : Tensor of shape (T, N, features)
    h0, c0 : Tensor of shape (N, size)
    w_ih : Tensor of shape (4 size, features)
    w_hh : Tensor of shape (4 size, size)
    b_ih, b_hh : Tensor of shape (4 size,), both or none

    Returns
    -------
    h, c : Tensor of shape (T, N, size)

    References
    ----------
    S. Hochreiter and J. Schmidhuber, Neural Computation 9 (1997) 1735-1780; with forget gates, F. Gers et al., 2000.
    """
    _check("lstm", 4, x, w_ih, w_hh, {"h0": h0, "c0": c0})
    bias = None if b_ih is None else add(b_ih, b_hh)
    gx = linear(x, w_ih, bias)
    keep = is_grad_enabled() and any(t.requires_grad for t in (gx, w_hh, h0, c0))
    states, _ = _lstm(gx, w_hh, h0, c0, keep=keep)
    return contiguous(_part(states, 0, h0.array.shape[1])), _part(states, 1, h0.array.shape[1])


def gru(
    x: Tensor, h0: Tensor, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor | None = None, b_hh: Tensor | None = None
) -> Tensor:
    """Gated recurrent unit: with ``u = w_ih x[t] + b_ih`` and ``a = w_hh h[t-1] + b_hh`` in three blocks (r, z, n)

    ``n = tanh(u_n + sigmoid(u_r + a_r) a_n)`` and ``h[t] = (1 - z) n + z h[t-1]``, ``z = sigmoid(u_z + a_z)``.

    Parameters
    ----------
    x : Tensor of shape (T, N, features)
    h0 : Tensor of shape (N, size)
    w_ih : Tensor of shape (3 size, features)
    w_hh : Tensor of shape (3 size, size)
    b_ih, b_hh : Tensor of shape (3 size,), both or none

    Returns
    -------
    Tensor of shape (T, N, size)

    References
    ----------
    K. Cho et al., 2014, arXiv:1406.1078, with the reset gate applied after the product, as cuDNN and PyTorch have it.
    """
    _check("gru", 3, x, w_ih, w_hh, {"h0": h0})
    return _gru(linear(x, w_ih, b_ih), w_hh, b_hh, h0)
