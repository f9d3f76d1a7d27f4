import numpy as np
import pytest

from autograd_nn.kernels import loss
from tests import reference

SHAPES = [(1, 1), (3, 10), (7, 33), (65, 100), (4, 1001)]
TOLERANCES = [(np.float32, 3e-6), (np.float64, 1e-14)]


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.mark.parametrize(("dtype", "tolerance"), TOLERANCES)
@pytest.mark.parametrize("shape", SHAPES)
def test_softmax_and_cross_entropy_equal_their_naive_twins(rng, shape, dtype, tolerance):
    x = (4 * rng.standard_normal(shape)).astype(dtype)
    target = rng.integers(0, shape[1], shape[0])
    expected = reference.log_softmax(x)
    rows = np.arange(shape[0])
    close = {"rtol": tolerance, "atol": 10 * tolerance}
    np.testing.assert_allclose(loss.log_softmax(x), expected, **close)
    np.testing.assert_allclose(loss.softmax(x), np.exp(expected), **close)
    losses, logsumexp = loss.cross_entropy(x, target)
    assert losses.dtype == logsumexp.dtype == dtype
    np.testing.assert_allclose(losses, -expected[rows, target], **close)
    np.testing.assert_allclose(logsumexp, x[rows, target] - expected[rows, target], **close)
    g = rng.standard_normal(shape[0]).astype(dtype)
    gradient = np.exp(expected)
    gradient[rows, target] -= 1
    gx = loss.cross_entropy_input(g, x, target, logsumexp)
    assert gx.dtype == dtype
    np.testing.assert_allclose(gx, gradient * g[:, None], **close)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_large_and_infinite_logits(dtype):
    inf = np.inf
    x = np.array([[1e4, -1e4, 0], [0, -inf, 0], [0, -inf, 0], [inf, 0, 0], [-inf, -inf, -inf], [np.nan, 0, 1]], dtype)
    losses, logsumexp = loss.cross_entropy(x, np.array([1, 0, 1, 1, 0, 1]))
    assert losses[0] == 20000 and losses[2] == inf
    np.testing.assert_allclose(losses[1], np.log(2), rtol=1e-6)
    assert np.isnan(losses[3:]).all()
    gx = loss.cross_entropy_input(np.ones(6, dtype), x, np.array([1, 0, 1, 1, 0, 1]), logsumexp)
    np.testing.assert_allclose(gx[:3], [[1, -1, 0], [-0.5, 0, 0.5], [0.5, -1, 0.5]], rtol=1e-6)
    assert np.isnan(gx[3:]).any(axis=1).all()
    assert np.isnan(loss.softmax(x)[3:]).any(axis=1).all()
    np.testing.assert_array_equal(loss.softmax(x)[0], [1, 0, 0])
    np.testing.assert_array_equal(loss.log_softmax(x)[0], [0, -20000, -10000])


def test_rows_with_a_target_that_is_no_class_are_ignored():
    x = np.float32([[1, 2], [np.nan, 2], [3, np.inf], [1, 2]])
    target = np.array([0, -1, 2, -100])
    losses, logsumexp = loss.cross_entropy(x, target)
    gx = loss.cross_entropy_input(np.ones(4, np.float32), x, target, logsumexp)
    assert losses[0] > 0 and (losses[1:] == 0).all() and (gx[1:] == 0).all()


def every_kernel(x, target, g):
    losses, logsumexp = loss.cross_entropy(x, target)
    return loss.softmax(x), loss.log_softmax(x), losses, logsumexp, loss.cross_entropy_input(g, x, target, logsumexp)


def test_same_bits_with_any_number_of_threads(rng, threads):
    x = rng.standard_normal((103, 57)).astype(np.float32)
    target, g = rng.integers(0, 57, 103), rng.standard_normal(103).astype(np.float32)
    results = []
    for count in (1, 2, 5):
        threads(count)
        results.append(every_kernel(x, target, g))
    for one, two, five in zip(*results, strict=True):
        np.testing.assert_array_equal(one, two)
        np.testing.assert_array_equal(one, five)


def test_strided_read_only_and_empty_inputs(rng):
    x = rng.standard_normal((12, 9)).astype(np.float32).T
    x.flags.writeable = False
    target = rng.integers(0, 12, 9).astype(np.uint8)
    g = np.broadcast_to(np.float32(0.5), (9,))
    plain = every_kernel(x.copy(), target.astype(np.int64), g.copy())
    for ours, expected in zip(every_kernel(x, target, g), plain, strict=True):
        np.testing.assert_array_equal(ours, expected)
    empty = every_kernel(np.empty((0, 5), np.float32), np.empty(0, np.int64), np.empty(0, np.float32))
    assert [result.shape for result in empty] == [(0, 5), (0, 5), (0,), (0,), (0, 5)]
