import math

import numpy as np
import pytest

from autograd_nn.kernels import elementwise

SIZES = [0, 1, 17, 1000]


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture(params=["numpy", "kernel"])
def small(request, monkeypatch):
    """Run small arrays by NumPy, as is usual, and by the kernels."""
    if request.param == "kernel":
        monkeypatch.setattr(elementwise, "SMALL", 0)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("size", SIZES)
def test_relu_and_its_gradient(rng, small, size, dtype):
    x, y, g = rng.standard_normal((3, size)).astype(dtype)
    out = elementwise.relu(x)
    np.testing.assert_array_equal(out, x * (x > 0), strict=True)
    np.testing.assert_array_equal(elementwise.relu_input(g, out), g * (x > 0), strict=True)
    np.testing.assert_array_equal(elementwise.add_relu(x, y), np.maximum(x + y, 0), strict=True)


def test_relu_at_its_edges(small):
    x = np.float32([np.nan, np.inf, -np.inf, 0, -0.0, 2])
    out = elementwise.relu(x)
    np.testing.assert_array_equal(out, np.float32([np.nan, np.inf, 0, 0, 0, 2]))
    # An incoming NaN or infinity does not pass where relu is flat; where x is NaN the gradient does pass.
    g = np.float32([1, np.nan, np.nan, np.inf, np.nan, np.inf])
    np.testing.assert_array_equal(elementwise.relu_input(g, out), np.float32([1, np.nan, 0, 0, 0, np.inf]))
    with np.errstate(invalid="ignore"):
        out = elementwise.add_relu(x, -x)
    np.testing.assert_array_equal(out, np.float32([np.nan, np.nan, np.nan, 0, 0, 0]))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_sigmoid_is_stable(dtype):
    x = np.linspace(-100, 100, 10_001).astype(dtype)
    expected = 1 / (1 + np.exp(-x.astype(np.longdouble)))
    np.testing.assert_allclose(elementwise.sigmoid(x), expected, rtol=4 * np.finfo(dtype).eps, atol=2e-38)
    edges = elementwise.sigmoid(np.array([-1000, 1000, -np.inf, np.inf, np.nan], dtype))
    np.testing.assert_array_equal(edges, [0, 1, 0, 1, np.nan])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_erf(dtype):
    x = np.linspace(-6, 6, 10_001).astype(dtype)
    expected = np.array([math.erf(value) for value in x.tolist()])
    np.testing.assert_allclose(elementwise.erf(x), expected, rtol=2 * np.finfo(dtype).eps, atol=0)
    edges = elementwise.erf(np.array([-np.inf, np.inf, np.nan, -0.0], dtype))
    np.testing.assert_array_equal(edges, [-1, 1, np.nan, 0])
    assert np.signbit(edges[3])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("p", [0, 0.1, 0.5, 1])
def test_dropout(dtype, p):
    x = np.arange(1, 100_001, dtype=dtype).reshape(100, 1000)
    out, mask = elementwise.dropout(x, p=p, seed=2**40 + 7)
    assert mask.dtype == np.bool_ and abs(mask.mean() - (1 - p)) < 5e-3
    scale = dtype(1 / (1 - p)) if p < 1 else 0
    np.testing.assert_array_equal(out, x * mask * scale)
    np.testing.assert_array_equal(elementwise.dropout_apply(x, mask, p=p), out)


def test_dropout_masks_look_independent():
    x = np.ones(1 << 16, np.float32)
    seeds = [0, 1, 2, 3, 2**16, 2**32, 2**32 + 1, 12345678901234567890]
    masks = np.array([elementwise.dropout(x, p=0.5, seed=seed)[1] for seed in seeds])
    np.testing.assert_array_equal(masks[3], elementwise.dropout(x, p=0.5, seed=3)[1])
    signs = 2.0 * masks - 1
    deviation = 1 / math.sqrt(x.size)
    correlation = signs @ signs.T / x.size - np.eye(len(seeds))
    assert abs(correlation).max() < 4.5 * deviation
    for lag in (1, 2, 3, 4, 8, 16, 64, 256, 1024):
        assert abs((signs[:, lag:] * signs[:, :-lag]).mean(axis=1)).max() < 4.5 * deviation
    # Different seeds must not give the same elements in another order.
    assert len(set(masks.sum(axis=1).tolist())) > 5


def every_kernel(x, y):
    out, mask = elementwise.dropout(x, p=0.3, seed=5)
    yield from (out, mask)
    yield elementwise.dropout_apply(y, mask, p=0.3)
    yield elementwise.relu(x)
    yield elementwise.relu_input(y, x)
    yield elementwise.add_relu(x, y)
    yield elementwise.sigmoid(x)
    yield elementwise.erf(x)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_same_bits_with_any_number_of_threads(rng, threads, monkeypatch, dtype):
    monkeypatch.setattr(elementwise, "SMALL", 0)
    x, y = rng.standard_normal((2, 10_007)).astype(dtype)
    results = []
    for count in (1, 2, 5):
        threads(count)
        results.append(list(every_kernel(x, y)))
    for one, two, five in zip(*results, strict=True):
        np.testing.assert_array_equal(one, two)
        np.testing.assert_array_equal(one, five)


def test_strided_read_only_and_empty_inputs(rng, small):
    x, y = rng.standard_normal((2, 6, 5, 4)).astype(np.float32).transpose(0, 3, 1, 2)
    x.flags.writeable = y.flags.writeable = False
    for ours, expected in zip(every_kernel(x, y), every_kernel(x.copy(), y.copy()), strict=True):
        np.testing.assert_array_equal(ours, expected)
    empty = np.empty((3, 0, 2), np.float32)
    for result in every_kernel(empty, empty):
        assert result.shape == (3, 0, 2)
