"""The kernels of the long short-term memory against its formula, step by step in NumPy."""

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


def test_the_same_bits_with_any_number_of_threads():
    gx, w, h0, c0 = drawn(3, 9, 400, np.float32)
    before, found = get_num_threads(), []
    try:
        for threads in (1, 2, 5):
            set_num_threads(threads)
            out, gates = recurrent.lstm(gx, w, h0, c0, True)
            found.append((out, gates, *recurrent.lstm_input(out, out, gates, w, c0)))
    finally:
        set_num_threads(before)
    for other in found[1:]:
        for a, b in zip(found[0], other):
            np.testing.assert_array_equal(a, b)


def test_nan_stays_in_its_row():
    gx, w, h0, c0 = drawn(2, 3, 17, np.float32)
    gx[0, 1, 3] = np.nan
    out, _ = recurrent.lstm(gx, w, h0, c0, False)
    assert np.isnan(out[:, 1]).any() and np.isfinite(out[:, [0, 2]]).all()
