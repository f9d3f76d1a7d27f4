"""Recurrent layers over whole sequences: one primitive per kind of cell.

Forward, each step needs the one before. Of the backward pass only the gradient of the state runs through time: all
gates are computed again for all steps at once from the states that were returned, and so are the gradients of the
weights. The rules are written with operations, so that they can be differentiated again; the loop over time in them
runs on bare arrays where nothing is recorded. Of the LSTM, kernels keep the gates, and use them where nothing is
recorded.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np

from ..engine import is_grad_enabled, primitive, wrap
from ..kernels import gemm
from ..kernels import recurrent as kernels
from ..kernels.elementwise import sigmoid as sigmoid_of_array
from ..typing import Array, Gradients, Tensor
from .elementwise import add, gt, mul, sigmoid, square, sub, tanh
from .linalg import linear, matmul
from .reduce import sum
from .shape import cat, narrow, reshape, stack, to_dtype, transpose, unsqueeze

Values = TypeVar("Values", Tensor, Array)  # what a loop over time runs on


def _part(x: Tensor, i: int, size: int) -> Tensor:
    """Return the i-th block of `size` features."""
    return narrow(x, x.ndim - 1, i * size, size)


def _previous(start: Tensor, states: Tensor) -> Tensor:
    """Return the state before each step, given the first and the state after each."""
    return cat([unsqueeze(start, 0), narrow(states, 0, 0, states.shape[0] - 1)], 0)


def _rows(x: Tensor) -> Tensor:
    return reshape(x, (x.shape[0] * x.shape[1], x.shape[2]))


def _projected(h: Tensor, w: Tensor) -> Tensor:
    """Return ``h[t] @ w.T`` for all steps by one product."""
    return reshape(matmul(_rows(h), transpose(w, 0, 1)), (*h.shape[:2], w.shape[0]))


def _weight_gradient(g: Tensor, h: Tensor) -> Tensor:
    """Return the gradient of `w` in `_projected`."""
    return matmul(transpose(_rows(g), 0, 1), _rows(h))


def _through_time(
    loop: Callable[..., tuple[list[Any], list[Any]]], w: Tensor, *sequences: Tensor
) -> tuple[Tensor, list[Tensor]]:
    """Run a backward loop over time on tensors, or where nothing is recorded on their arrays.

    ``loop(product, joined, w, *sequences)`` uses operators and these two functions only; it returns the parts of each
    step, last step first, and what is carried to the first states. Returned are the parts in order, as one tensor, and
    the carried gradients.
    """
    if is_grad_enabled():
        parts, carried = loop(matmul, cat, w, *sequences)
        return stack(parts[::-1]), carried
    parts, carried = loop(gemm.matmul, np.concatenate, w.data, *(x.data for x in sequences))
    return wrap(np.stack(parts[::-1])), [wrap(x) for x in carried]


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


def _rnn_rule(
    g: Tensor, out: Tensor, gx: Tensor, w: Tensor, h0: Tensor, needs: Sequence[bool], nonlinearity: str
) -> Gradients:
    slope = sub(1, square(out)) if nonlinearity == "tanh" else to_dtype(gt(out, 0), out.dtype)
    da, (dh0,) = _through_time(_rnn_loop, w, g, slope)
    return da, _weight_gradient(da, _previous(h0, out)) if needs[1] else None, dh0


def _rnn_loop(
    product: Callable[[Values, Values], Values],
    joined: Callable[[list[Values], int], Values],
    w: Values,
    g: Values,
    slope: Values,
) -> tuple[list[Values], list[Values]]:
    parts: list[Values] = []
    carried: Any = 0
    for t in reversed(range(len(g))):
        parts.append((g[t] + carried) * slope[t])
        carried = product(parts[-1], w)
    return parts, [carried]


_rnn.defvjps(_rnn_rule)


# ------------------------------------------------------------------------------------ LSTM


@primitive(residuals=True)
def _lstm(gx: Array, w: Array, h0: Array, c0: Array) -> tuple[Array, tuple[Array]]:
    """Return the states (h, c) after each step, joined in the last dim."""
    out, gates = kernels.lstm(gx, w, h0, c0, is_grad_enabled())
    return out, (gates,)


def _lstm_rule(
    g: Tensor, out: Tensor, gx: Tensor, w: Tensor, h0: Tensor, c0: Tensor, needs: Sequence[bool],
    residuals: tuple[Array],
) -> Gradients:  # fmt: skip
    h_before = _previous(h0, _part(out, 0, h0.shape[1]))
    if is_grad_enabled():
        da, dh0, dc0 = _lstm_recorded(g, out, gx, w, h_before, c0)
    else:
        da, dh0, dc0 = map(wrap, kernels.lstm_input(g.data, out.data, residuals[0], w.data, c0.data))
    return da, _weight_gradient(da, h_before) if needs[1] else None, dh0, dc0


def _lstm_recorded(
    g: Tensor, out: Tensor, gx: Tensor, w: Tensor, h_before: Tensor, c0: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the gradients in `gx`, `h0` and `c0` by operations, from which the next order derives."""
    size = c0.shape[1]
    c = _part(out, 1, size)
    c_before = _previous(c0, c)
    a = add(gx, _projected(h_before, w))
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
    da, (dh0, dc0) = _through_time(_lstm_loop, w, _part(g, 0, size), _part(g, 1, size), through_c, slope, f)
    return da, dh0, dc0


def _lstm_loop(
    product: Callable[[Values, Values], Values],
    joined: Callable[[list[Values], int], Values],
    w: Values,
    gh: Values,
    gc: Values,
    through_c: Values,
    slope: Values,
    f: Values,
) -> tuple[list[Values], list[Values]]:
    parts: list[Values] = []
    dh_carried: Any = 0
    dc_carried: Any = 0
    for t in reversed(range(len(gh))):
        dh = gh[t] + dh_carried
        dc = gc[t] + dc_carried + dh * through_c[t]
        parts.append(joined([dc, dc, dc, dh], 1) * slope[t])
        dh_carried, dc_carried = product(parts[-1], w), dc * f[t]
    return parts, [dh_carried, dc_carried]


_lstm.defvjps(_lstm_rule)


# ------------------------------------------------------------------------------------ GRU


@primitive
def _gru(gx: Array, w: Array, b: Array | None, h0: Array) -> Array:
    size = h0.shape[1]
    out = np.empty((len(gx), *h0.shape), gx.dtype)
    h, wt = h0, w.T
    for t in range(len(gx)):
        a = gemm.matmul(h, wt)
        if b is not None:
            a += b
        gates = sigmoid_of_array(gx[t, :, : 2 * size] + a[:, : 2 * size])
        n = np.tanh(gx[t, :, 2 * size :] + gates[:, :size] * a[:, 2 * size :])
        h = np.add(n, gates[:, size:] * (h - n), out=out[t])
    return out


def _gru_rule(
    g: Tensor, out: Tensor, gx: Tensor, w: Tensor, b: Tensor | None, h0: Tensor, needs: Sequence[bool]
) -> Gradients:
    size = h0.shape[1]
    h_before = _previous(h0, out)
    a = _projected(h_before, w)
    a = a if b is None else add(a, b)
    r, z = (sigmoid(add(_part(gx, k, size), _part(a, k, size))) for k in (0, 1))
    q = _part(a, 2, size)
    n = tanh(add(_part(gx, 2, size), mul(r, q)))
    slope_n = mul(sub(1, z), sub(1, square(n)))
    slope_z = mul(sub(h_before, n), mul(z, sub(1, z)))
    slope_r = mul(mul(slope_n, q), mul(r, sub(1, r)))
    slope_a = cat([slope_r, slope_z, mul(slope_n, r)], 2)
    dh, (dh0,) = _through_time(_gru_loop, w, g, z, slope_a)
    dh = cat([dh, dh, dh], 2)
    da = mul(dh, slope_a)
    return (
        mul(dh, cat([slope_r, slope_z, slope_n], 2)),
        _weight_gradient(da, h_before) if needs[1] else None,
        sum(da, (0, 1)) if needs[2] else None,
        dh0,
    )


def _gru_loop(
    product: Callable[[Values, Values], Values],
    joined: Callable[[list[Values], int], Values],
    w: Values,
    g: Values,
    z: Values,
    slope_a: Values,
) -> tuple[list[Values], list[Values]]:
    parts: list[Values] = []
    carried: Any = 0
    for t in reversed(range(len(g))):
        dh = g[t] + carried
        parts.append(dh)
        carried = dh * z[t] + product(joined([dh, dh, dh], 1) * slope_a[t], w)
    return parts, [carried]


_gru.defvjps(_gru_rule)


# ------------------------------------------------------------------------------------ checks, public operations


def _check(operation: str, gates: int, x: Tensor, w_ih: Tensor, w_hh: Tensor, states: dict[str, Tensor]) -> None:
    """Raise where a sequence, the weights of `gates` gates and the first states do not fit each other."""
    size = w_hh.shape[1]
    if x.ndim != 3 or x.shape[2] != w_ih.shape[1]:
        raise RuntimeError(f"{operation}(): expects x of shape (T, N, {w_ih.shape[1]}) (x.shape={x.shape}, "
                           f"w_ih.shape={w_ih.shape})")
    if x.shape[0] == 0:
        raise RuntimeError(f"{operation}(): expects at least one step (x.shape={x.shape})")
    if w_ih.shape[0] != gates * size or w_hh.shape[0] != gates * size:
        raise RuntimeError(f"{operation}(): the weights need {gates} rows per unit (w_ih.shape={w_ih.shape}, "
                           f"w_hh.shape={w_hh.shape})")
    for name, state in states.items():
        if state.shape != (x.shape[1], size):
            raise RuntimeError(f"{operation}(): {name} must have shape {(x.shape[1], size)} "
                               f"({name}.shape={state.shape})")
        if state.dtype != x.dtype:
            raise RuntimeError(f"{operation}(): all tensors must have one dtype (x: {x.dtype}, {name}: {state.dtype})")


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
    states = _lstm(linear(x, w_ih, bias), w_hh, h0, c0)
    return _part(states, 0, h0.shape[1]), _part(states, 1, h0.shape[1])


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
