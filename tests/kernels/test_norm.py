import numpy as np
import pytest

from autograd_nn.kernels import norm
from autograd_nn.kernels.compile import get_num_threads, set_num_threads
from tests import reference

SHAPES = [(2, 3, 4, 5), (1, 2, 3), (5, 1, 7, 1), (33, 4), (3, 5, 17, 19), (2, 6, 40), (7, 130)]
TOLERANCES = [(np.float32, 1e-5), (np.float64, 1e-12)]


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def channels(parameter, x):
    return parameter.reshape(-1, *[1] * (x.ndim - 2))


@pytest.mark.parametrize(("dtype", "tolerance"), TOLERANCES)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("affine", [True, False])
def test_batch_norm_equals_its_naive_twin(rng, shape, affine, dtype, tolerance):
    x, g = (rng.standard_normal((2, *shape)) + 3).astype(dtype)
    w, b = rng.standard_normal((2, shape[1])).astype(dtype) if affine else (np.ones(shape[1]), np.zeros(shape[1]))
    weight, bias = (w, b) if affine else (None, None)
    axes = (0, *range(2, len(shape)))
    out, mean, rstd = norm.batch_norm(x, weight, bias, eps=1e-3)
    expected, expected_mean, expected_rstd = reference.normalize(x, channels(w, x), channels(b, x), 1e-3, axes)
    assert out.dtype == mean.dtype == rstd.dtype == dtype
    close = {"rtol": 10 * tolerance, "atol": 10 * tolerance}
    np.testing.assert_allclose(out, expected, **close)
    np.testing.assert_allclose(mean, np.atleast_1d(expected_mean), **close)
    np.testing.assert_allclose(rstd, np.atleast_1d(expected_rstd), **close)
    np.testing.assert_allclose(norm.normalize(x, weight, bias, mean, rstd), expected, **close)

    gx, gweight, gbias = norm.batch_norm_input(g, x, weight, mean, rstd)
    expected = reference.normalize_input(g, x, channels(w, x), 1e-3, axes)
    close = {"rtol": 100 * tolerance, "atol": 100 * tolerance}
    np.testing.assert_allclose(gx, expected[0], **close)
    np.testing.assert_allclose(gweight, expected[1].sum(axis=axes), **close)
    np.testing.assert_allclose(gbias, expected[2].sum(axis=axes), **close)


@pytest.mark.parametrize(("dtype", "tolerance"), TOLERANCES)
@pytest.mark.parametrize("shape", [(1, 5), (3, 1), (70, 33), (4, 512), (200, 3)])
@pytest.mark.parametrize("affine", [True, False])
def test_layer_norm_equals_its_naive_twin(rng, shape, affine, dtype, tolerance):
    x, g = (rng.standard_normal((2, *shape)) + 3).astype(dtype)
    w, b = rng.standard_normal((2, shape[1])).astype(dtype) if affine else (np.ones(shape[1]), np.zeros(shape[1]))
    weight, bias = (w, b) if affine else (None, None)
    out, mean, rstd = norm.layer_norm(x, weight, bias, eps=1e-3)
    expected, expected_mean, expected_rstd = reference.normalize(x, w, b, 1e-3, 1)
    close = {"rtol": 10 * tolerance, "atol": 10 * tolerance}
    np.testing.assert_allclose(out, expected, **close)
    np.testing.assert_allclose(mean, np.atleast_1d(expected_mean), **close)
    np.testing.assert_allclose(rstd, np.atleast_1d(expected_rstd), **close)
    gx, gweight, gbias = norm.layer_norm_input(g, x, weight, mean, rstd)
    expected = reference.normalize_input(g, x, w, 1e-3, 1)
    close = {"rtol": 100 * tolerance, "atol": 100 * tolerance}
    np.testing.assert_allclose(gx, expected[0], **close)
    np.testing.assert_allclose(gweight, expected[1].sum(axis=0), **close)
    np.testing.assert_allclose(gbias, expected[2].sum(axis=0), **close)


@pytest.mark.parametrize(("dtype", "tolerance"), TOLERANCES)
@pytest.mark.parametrize("shape", [(1, 1, 1, 5), (3, 4, 2, 1), (2, 3, 5, 17), (70, 1, 3, 4), (2, 8, 1, 9)])
@pytest.mark.parametrize("affine", [True, False])
def test_group_norm_equals_its_naive_twin(rng, shape, affine, dtype, tolerance):
    x, g = (rng.standard_normal((2, *shape)) + 3).astype(dtype)
    w, b = rng.standard_normal((2, *shape[1:3])).astype(dtype)
    w, b = (w, b) if affine else (np.ones_like(w), np.zeros_like(b))
    weight, bias = (w.reshape(-1), b.reshape(-1)) if affine else (None, None)
    out, mean, rstd = norm.group_norm(x, weight, bias, eps=1e-3)
    w, b = w[:, :, None], b[:, :, None]
    expected, expected_mean, expected_rstd = reference.normalize(x, w, b, 1e-3, (2, 3))
    assert out.dtype == mean.dtype == rstd.dtype == dtype
    close = {"rtol": 10 * tolerance, "atol": 10 * tolerance}
    np.testing.assert_allclose(out, expected, **close)
    np.testing.assert_allclose(mean, expected_mean.reshape(mean.shape), **close)
    np.testing.assert_allclose(rstd, expected_rstd.reshape(rstd.shape), **close)
    gx, gweight, gbias = norm.group_norm_input(g, x, weight, mean, rstd)
    expected = reference.normalize_input(g, x, w, 1e-3, (2, 3))
    close = {"rtol": 100 * tolerance, "atol": 100 * tolerance}
    np.testing.assert_allclose(gx, expected[0], **close)
    np.testing.assert_allclose(gweight, expected[1].sum(axis=(0, 3)).reshape(-1), **close)
    np.testing.assert_allclose(gbias, expected[2].sum(axis=(0, 3)).reshape(-1), **close)


@pytest.mark.parametrize("shape", [(8, 3, 9, 9), (512, 3)])
def test_variance_survives_a_large_mean(rng, shape):
    x = (1000 + 0.1 * rng.standard_normal(shape)).astype(np.float32)
    axes = (0, *range(2, len(shape)))
    _, _, rstd = norm.batch_norm(x, None, None, eps=0)
    np.testing.assert_allclose(rstd, 1 / x.astype(np.float64).std(axis=axes), rtol=1e-4)
    rows = np.ascontiguousarray(x.reshape(3, -1))
    _, _, rstd = norm.layer_norm(rows, None, None, eps=0)
    np.testing.assert_allclose(rstd, 1 / rows.astype(np.float64).std(axis=1), rtol=1e-4)


def every_kernel(x, g, w, b):
    results = []
    for rank in (x.ndim, 2):
        x, g = (x, g) if rank == x.ndim else (x[:, :, 0, 0], g[:, :, 0, 0])
        out, mean, rstd = norm.batch_norm(x, w, b, eps=1e-5)
        results += [out, mean, rstd, *norm.batch_norm_input(g, x, w, mean, rstd), norm.normalize(x, w, b, mean, rstd)]
    groups = [np.ascontiguousarray(each[:, None, :, None] * np.ones((1, 1, 1, 7), x.dtype)) for each in (x, g)]
    out, mean, rstd = norm.group_norm(groups[0], w, b, eps=1e-5)
    results += [out, mean, rstd, *norm.group_norm_input(groups[1], groups[0], w, mean, rstd)]
    out, mean, rstd = norm.layer_norm(x, w, b, eps=1e-5)
    return [*results, out, mean, rstd, *norm.layer_norm_input(g, x, w, mean, rstd)]


def test_same_bits_with_any_number_of_threads(rng, threads):
    x, g = rng.standard_normal((2, 150, 11, 5, 6)).astype(np.float32)
    w, b = rng.standard_normal((2, 11)).astype(np.float32)
    results = []
    for count in (1, 2, 5):
        threads(count)
        results.append(every_kernel(x, g, w, b))
    for one, two, five in zip(*results, strict=True):
        np.testing.assert_array_equal(one, two)
        np.testing.assert_array_equal(one, five)


def test_strided_read_only_and_empty_inputs(rng):
    x, g = rng.standard_normal((2, 5, 6, 4, 3)).astype(np.float32).transpose(0, 3, 4, 1, 2)
    x.flags.writeable = g.flags.writeable = False
    w, b = rng.standard_normal((2, 3)).astype(np.float32)
    plain = every_kernel(x.copy(), g.copy(), w.copy(), b.copy())
    for ours, expected in zip(every_kernel(x, g, w, b), plain, strict=True):
        np.testing.assert_array_equal(ours, expected)
    empty = np.empty((0, 3, 4, 2), np.float32)
    for result in every_kernel(empty, empty, w, b):
        assert result.dtype == np.float32
    gx, gweight, gbias = norm.batch_norm_input(empty, empty, w, b, b)
    assert gx.shape == empty.shape and (gweight == 0).all() and (gbias == 0).all()


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_nan_and_infinity_reach_their_channel_only(rng, bad):
    x = rng.standard_normal((4, 3, 5, 5)).astype(np.float32)
    x[1, 2, 3, 4] = bad
    out, _, rstd = norm.batch_norm(x, None, None, eps=1e-5)
    assert np.isnan(out[:, 2]).all() and not np.isnan(out[:, :2]).any()
    assert np.isnan(rstd).tolist() == [False, False, True]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(1, 3, 5, 7), (4, 17, 26, 26), (0, 2, 3, 3), (64, 5, 40, 9)])
def test_channel_sum(shape, dtype):
    x = np.random.default_rng(0).standard_normal(shape).astype(dtype) + 10
    exact = x.astype(np.float64).sum(axis=(0, 2, 3))
    found = norm.channel_sum(x)
    assert found.dtype == dtype and np.allclose(found, exact, rtol=1e-6 if dtype == np.float32 else 1e-13)
    assert np.allclose(norm.channel_sum(x.transpose(0, 1, 3, 2)), exact, rtol=1e-6)


def test_channel_sum_has_the_same_bits_for_any_number_of_threads():
    x = np.random.default_rng(1).standard_normal((32, 6, 30, 30)).astype(np.float32)
    before = get_num_threads()
    try:
        results = []
        for threads in (1, 2, 5):
            set_num_threads(threads)
            results.append(norm.channel_sum(x).tobytes())
    finally:
        set_num_threads(before)
    assert len(set(results)) == 1
