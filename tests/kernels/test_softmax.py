import itertools

import numpy as np
import pytest

from autograd_nn.kernels import softmax as kernels

SHAPES = [(5,), (3, 10), (10, 3), (4, 7, 33), (2, 3, 1), (2, 300, 40), (3, 700), (2, 5, 64), (9, 23), (17, 25),
          (2, 3, 1500)]


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def softmax(x, axis):
    e = np.exp(x.astype(np.float64) - x.max(axis, keepdims=True))
    return e / e.sum(axis, keepdims=True)


def cases(rng, dtype):
    for shape in SHAPES:
        for axis in range(len(shape)):
            yield (*(rng.standard_normal((2, *shape)) * 3).astype(dtype), axis)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_values_and_gradients_along_all_axes(rng, dtype):
    tolerance = {"rtol": 0, "atol": 4e-6 if dtype == np.float32 else 1e-14}
    for x, g, axis in cases(rng, dtype):
        exact = softmax(x, axis)
        out, logarithm = kernels.softmax(x, axis), kernels.log_softmax(x, axis)
        np.testing.assert_allclose(out, exact, **tolerance)
        np.testing.assert_allclose(logarithm, np.log(exact), **tolerance)
        total = kernels.logsumexp(x, axis)
        np.testing.assert_allclose(total, np.log(np.exp(x.astype(np.float64)).sum(axis)), **tolerance)
        np.testing.assert_allclose(kernels.softmax_input(g, out, axis),
                                   exact * (g - (g * exact).sum(axis, keepdims=True)), **tolerance)  # fmt: skip
        expected = g - exact * g.sum(axis, keepdims=True, dtype=np.float64)
        np.testing.assert_allclose(kernels.log_softmax_input(g, logarithm, axis), expected, rtol=0,
                                   atol=100 * tolerance["atol"])  # fmt: skip
        some = np.expand_dims(g.sum(axis), axis)
        np.testing.assert_allclose(kernels.weighted_softmax(some, x, np.expand_dims(total, axis)), some * exact,
                                   rtol=1e-5, atol=1e-6)  # fmt: skip
        assert {a.dtype for a in (out, logarithm, total)} == {np.dtype(dtype)}


@pytest.mark.parametrize("axis", [0, 1])
def test_elements_of_any_size(axis):
    inf = np.inf
    rows = np.float32([[1e4, -1e4, 9999, 0], [-inf, 0, 0, -inf], [-inf] * 4, [1, inf, 0, 0], [np.nan, 0, 0, 0]])
    x = rows if axis else rows.T.copy()
    found = kernels.softmax(x, axis)
    found = found if axis else found.T
    np.testing.assert_allclose(found[:2], [[0.7310586, 0, 0.2689414, 0], [0, 0.5, 0.5, 0]], rtol=1e-6)
    assert np.isnan(found[[2, 4]]).all() and np.isnan(found[3, 1])
    logs = kernels.log_softmax(x, axis)
    logs = logs if axis else logs.T
    np.testing.assert_allclose(logs[0], [-0.3132617, -20000.312, -1.3132617, -10000.313], rtol=1e-6)
    np.testing.assert_array_equal(logs[1, [0, 3]], -inf)
    np.testing.assert_allclose(kernels.logsumexp(x, axis), [10000.313, np.log(2), -inf, inf, np.nan], rtol=1e-6)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_same_bits_with_any_number_of_threads(rng, threads, dtype):
    results = []
    for count in (1, 2, 5):
        threads(count)
        rng = np.random.default_rng(1)
        results.append([
            array.tobytes() for x, g, axis in cases(rng, dtype)
            for array in (kernels.softmax(x, axis), kernels.log_softmax_input(g, x, axis), kernels.logsumexp(x, axis))
        ])  # fmt: skip
    assert results[0] == results[1] == results[2]


def test_strided_read_only_half_and_empty(rng):
    x = rng.standard_normal((6, 5, 8)).astype(np.float32).transpose(2, 0, 1)[::-1]
    x.flags.writeable = False
    for axis in range(3):
        np.testing.assert_array_equal(kernels.softmax(x, axis), kernels.softmax(x.copy(), axis))
        half = x.astype(np.float16)
        expected = kernels.softmax(half.astype(np.float32), axis).astype(np.float16)
        np.testing.assert_array_equal(kernels.softmax(half, axis), expected, strict=True)
    for shape, axis in itertools.product([(0, 3), (3, 0)], [0, 1]):
        empty = np.empty(shape, np.float32)
        assert kernels.softmax(empty, axis).shape == kernels.softmax_input(empty, empty, axis).shape == shape
        if shape[axis] == 0:
            np.testing.assert_array_equal(kernels.logsumexp(empty, axis), np.full(3, -np.inf))
