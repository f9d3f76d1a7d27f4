"""The kernels of gated recurrences against their formulas, step by step in NumPy."""

import numpy as np
import pytest

from autograd_nn.kernels import recurrent
from autograd_nn.kernels.compile import get_num_threads, set_num_threads


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def states(gx, w, h, c):
    """Return h and c after each step."""
    found = []
    for a in gx:
        i, f, n, o = np.split(a + h @ w.T, 4, axis=1)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(n)
        h = sigmoid(o) * np.tanh(c)
        found.append(np.concatenate([h, c], axis=1))
    return np.stack(found)


def drawn(T, N, size, dtype):
    rng = np.random.default_rng(T * N * size)
    shapes = (T, N, 4 * size), (4 * size, size), (N, size), (N, size)
    return [rng.standard_normal(shape).astype(dtype) for shape in shapes]


SIZES = [(1, 1, 1), (3, 2, 5), (4, 7, 33), (2, 0, 3)]


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float32, 2e-6), (np.float64, 1e-14)])
@pytest.mark.parametrize("size", SIZES)
def test_lstm_is_its_formula(size, dtype, tolerance):
    gx, w, h0, c0 = drawn(*size, dtype)
    out, gates = recurrent.lstm(gx, w, h0, c0, True)
    expected = states(*(a.astype(np.float64) for a in (gx, w, h0, c0)))
    np.testing.assert_allclose(out, expected, rtol=0, atol=tolerance * 10)
    assert gates.shape == (*gx.shape[:2], 5 * h0.shape[1])
    again, last = recurrent.lstm(gx, w, h0, c0, False)
    np.testing.assert_array_equal(again, out)
    np.testing.assert_array_equal(last[0], gates[-1])


@pytest.mark.parametrize("size", SIZES[:3])
def test_lstm_input_is_the_derivative(size):
    gx, w, h0, c0 = drawn(*size, np.float64)
    out, gates = recurrent.lstm(gx, w, h0, c0, True)
    rng = np.random.default_rng(1)
    g = rng.standard_normal(out.shape)
    gradients = recurrent.lstm_input(g, out, gates, w, c0)
    for place, gradient in zip((0, 2, 3), gradients):
        arguments = [gx, w, h0, c0]
        direction = rng.standard_normal(arguments[place].shape)
        ends = []
        for sign in (1, -1):
            moved = arguments.copy()
            moved[place] = arguments[place] + sign * 1e-6 * direction
            ends.append((states(*moved) * g).sum())
        np.testing.assert_allclose((gradient * direction).sum(), (ends[0] - ends[1]) / 2e-6, rtol=1e-6, atol=1e-8)


def gru_states(gx, w, b, h):
    """Return h after each step."""
    found = []
    for u in gx:
        a = h @ w.T + b
        (ur, uz, un), (ar, az, an) = np.split(u, 3, axis=1), np.split(a, 3, axis=1)
        z = sigmoid(uz + az)
        h = (1 - z) * np.tanh(un + sigmoid(ur + ar) * an) + z * h
        found.append(h)
    return np.stack(found)


def drawn_gru(T, N, size, dtype):
    rng = np.random.default_rng(T * N * size)
    shapes = (T, N, 3 * size), (3 * size, size), (3 * size,), (N, size)
    return [rng.standard_normal(shape).astype(dtype) for shape in shapes]


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float32, 2e-5), (np.float64, 1e-13)])
@pytest.mark.parametrize("size", SIZES)
def test_gru_is_its_formula(size, dtype, tolerance):
    gx, w, b, h0 = drawn_gru(*size, dtype)
    for bias in (b, None):
        expected = gru_states(*(a.astype(np.float64) for a in (gx, w, b if bias is not None else 0 * b, h0)))
        np.testing.assert_allclose(recurrent.gru(gx, w, bias, h0), expected, rtol=0, atol=tolerance)


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float32, 2e-5), (np.float64, 1e-13)])
@pytest.mark.parametrize("size", SIZES)
def test_gru_input_is_its_formula(size, dtype, tolerance):
    T, N, units = size
    rng = np.random.default_rng(0)
    g, z = rng.standard_normal((2, T, N, units)).astype(dtype)
    slope, w = rng.standard_normal((T, N, 3 * units)).astype(dtype), rng.standard_normal((3 * units, units)) / units
    dh, dh0 = recurrent.gru_input(g, z, slope, w.astype(dtype))
    carried, expected = np.zeros((N, units)), np.empty((T, N, units))
    for t in reversed(range(T)):
        expected[t] = g[t] + carried
        carried = expected[t] * z[t] + (np.tile(expected[t], 3) * slope[t]) @ w
    np.testing.assert_allclose(dh, expected, rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(dh0, carried, rtol=tolerance, atol=tolerance)


def test_the_same_bits_with_any_number_of_threads_and_rows():
    gx, w, h0, c0 = drawn(3, 9, 400, np.float32)
    u, v, bias, s0 = drawn_gru(3, 9, 200, np.float32)
    before, found = get_num_threads(), []
    try:
        for threads in (1, 2, 5):
            set_num_threads(threads)
            out, gates = recurrent.lstm(gx, w, h0, c0, True)
            states = recurrent.gru(u, v, bias, s0)
            found.append((out, gates, *recurrent.lstm_input(out, out, gates, w, c0), states,
                          *recurrent.gru_input(states, states, u, v), *recurrent.gru_gates(u, u, states)))
    finally:
        set_num_threads(before)
    for other in found[1:]:
        for a, b in zip(found[0], other):
            np.testing.assert_array_equal(a, b)
    one, _ = recurrent.lstm(gx[:, 4:5], w, h0[4:5], c0[4:5], True)
    np.testing.assert_array_equal(one, found[0][0][:, 4:5])
    np.testing.assert_array_equal(recurrent.gru(u[:, 4:6], v, bias, s0[4:6]), found[0][5][:, 4:6])


def test_nan_stays_in_its_row():
    gx, w, h0, c0 = drawn(2, 3, 17, np.float32)
    gx[0, 1, 3] = np.nan
    out, _ = recurrent.lstm(gx, w, h0, c0, False)
    assert np.isnan(out[:, 1]).any() and np.isfinite(out[:, [0, 2]]).all()


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float32, 1e-6), (np.float64, 1e-14)])
@pytest.mark.parametrize("size", SIZES)
def test_gru_gates_are_the_derivatives_of_a_step(size, dtype, tolerance):
    T, N, units = size
    rng = np.random.default_rng(0)
    u, a = rng.standard_normal((2, T, N, 3 * units)).astype(dtype)
    h = rng.standard_normal((T, N, units)).astype(dtype)
    z, slope, slope_a = recurrent.gru_gates(u, a, h)
    (ur, uz, un), (ar, az, q) = (np.split(x.astype(np.float64), 3, axis=2) for x in (u, a))
    r, gate = sigmoid(ur + ar), sigmoid(uz + az)
    n = np.tanh(un + r * q)
    through_n = (1 - gate) * (1 - n * n)
    first, second = through_n * q * r * (1 - r), (h - n) * gate * (1 - gate)
    np.testing.assert_allclose(z, gate, rtol=0, atol=tolerance)
    np.testing.assert_allclose(slope, np.concatenate([first, second, through_n], 2), rtol=0, atol=4 * tolerance)
    np.testing.assert_allclose(slope_a, np.concatenate([first, second, through_n * r], 2), rtol=0, atol=4 * tolerance)
