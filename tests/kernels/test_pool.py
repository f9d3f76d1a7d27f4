import itertools

import numpy as np
import pytest

from autograd_nn.kernels import compile as compiling
from autograd_nn.kernels import pool
from tests import reference

# kernel, stride, padding, dilation, size
GEOMETRIES = [
    ((2, 2), (2, 2), (0, 0), (1, 1), (6, 8)),
    ((2, 2), (2, 2), (0, 0), (1, 1), (7, 5)),
    ((2, 2), (2, 2), (1, 1), (1, 1), (6, 7)),
    ((3, 3), (2, 2), (1, 1), (1, 1), (32, 37)),
    ((3, 3), (2, 2), (0, 1), (1, 1), (9, 6)),
    ((3, 3), (1, 1), (1, 1), (1, 1), (5, 19)),
    ((3, 2), (2, 3), (1, 0), (1, 1), (8, 9)),
    ((2, 3), (1, 2), (1, 1), (2, 3), (9, 11)),
    ((2, 2), (3, 3), (0, 0), (1, 1), (5, 5)),
    ((1, 1), (2, 2), (0, 0), (1, 1), (6, 7)),
    ((3, 3), (2, 2), (1, 1), (2, 1), (6, 6)),
    ((5, 4), (4, 5), (2, 2), (1, 1), (11, 13)),
]
KEYS = "kernel", "stride", "padding", "dilation"


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def settings(geometry, *keys):
    return {key: value for key, value in zip(KEYS, geometry, strict=False) if key in keys}


@pytest.mark.parametrize("ceil_mode", [False, True])
@pytest.mark.parametrize("geometry", GEOMETRIES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64])
def test_max_pool2d_equals_its_naive_twin(rng, dtype, geometry, ceil_mode):
    p, size = settings(geometry, *KEYS), geometry[-1]
    # Few distinct values: most windows hold ties.
    x = rng.integers(-4, 4, (2, 3, *size)).astype(dtype)
    out, index = pool.max_pool2d(x, **p, ceil_mode=ceil_mode)
    expected, expected_index = reference.max_pool2d(x, **p, ceil_mode=ceil_mode)
    assert out.dtype == dtype and index.dtype == np.uint8
    np.testing.assert_array_equal(out, expected)
    np.testing.assert_array_equal(index, expected_index)

    g = rng.standard_normal(out.shape).astype(np.float32)
    y = rng.standard_normal(x.shape).astype(np.float32)
    put = pool.max_pool2d_put(g, index, size=size, **p)
    take = pool.max_pool2d_take(y, index, **p)
    reference_put = reference.max_pool2d_put(g, index, size=size, **p, ceil_mode=ceil_mode)
    np.testing.assert_allclose(put, reference_put, rtol=1e-6, atol=1e-6)
    np.testing.assert_array_equal(take, reference.max_pool2d_take(y, index, **p, ceil_mode=ceil_mode))
    np.testing.assert_allclose(np.vdot(put, y), np.vdot(g, take), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_max_pool2d_with_nan_and_infinity(rng, geometry):
    p, size = settings(geometry, *KEYS), geometry[-1]
    x = rng.choice(np.float32([np.nan, -np.inf, -np.inf, -np.inf, 1]), (2, 2, *size))
    out, index = pool.max_pool2d(x, **p)
    expected, expected_index = reference.max_pool2d(x, **p, ceil_mode=False)
    np.testing.assert_array_equal(out, expected)
    np.testing.assert_array_equal(index, expected_index)


def test_max_pool2d_edge_rules():
    p = {"kernel": (2, 2), "stride": (2, 2)}

    def index_of(values):
        return pool.max_pool2d(np.array(values, np.float32).reshape(1, 1, 2, 2), **p)[1].item()

    nan, inf = np.nan, np.inf
    assert index_of([1, 1, 1, 1]) == 0
    assert index_of([nan, nan, 1, 2]) == 1
    assert index_of([-inf, -inf, -inf, -inf]) == 0
    x = np.full((1, 1, 4, 4), -1, np.float32)
    assert pool.max_pool2d(x, kernel=(2, 2), stride=(2, 2), padding=(1, 1))[0].max() == -1
    lowest = np.full((1, 1, 3, 3), np.iinfo(np.int8).min, np.int8)
    out, index = pool.max_pool2d(lowest, kernel=(3, 3), stride=(2, 2), padding=(1, 1))
    assert (out == -128).all() and index.ravel().tolist() == [4, 3, 1, 0]


def test_a_window_that_steps_over_the_image_has_no_cell():
    p = {"kernel": (2, 2), "stride": (1, 1), "padding": (1, 1), "dilation": (3, 3)}
    x = np.ones((1, 1, 2, 2), np.float32)
    out, index = pool.max_pool2d(x, **p)
    assert out.ravel().tolist() == [-np.inf] and index.ravel().tolist() == [4]
    assert pool.max_pool2d_take(x, index, **p).item() == 0
    assert (pool.max_pool2d_put(out, index, size=(2, 2), **p) == 0).all()


@pytest.mark.parametrize(
    ("length", "kernel", "stride", "padding", "expected"),
    [(6, 3, 2, 0, 3), (6, 1, 2, 0, 3), (7, 1, 2, 0, 4), (3, 2, 2, 1, 2), (5, 2, 3, 1, 2)],
)
def test_pooled_length_in_ceil_mode(length, kernel, stride, padding, expected):
    assert pool.pooled_length(length, kernel, stride, padding, ceil_mode=True) == expected


def test_max_pool2d_of_a_large_window_counts_in_int32(rng):
    x = rng.standard_normal((1, 2, 20, 20)).astype(np.float32)
    p = {"kernel": (17, 16), "stride": (2, 3), "padding": (0, 0), "dilation": (1, 1)}
    out, index = pool.max_pool2d(x, **p)
    expected, expected_index = reference.max_pool2d(x, **p, ceil_mode=False)
    assert index.dtype == np.int32
    np.testing.assert_array_equal(out, expected)
    np.testing.assert_array_equal(index, expected_index)
    np.testing.assert_array_equal(pool.max_pool2d_take(x, index, **p), expected)


@pytest.mark.parametrize("ceil_mode", [False, True])
@pytest.mark.parametrize(("count_include_pad", "divisor_override"), [(True, None), (False, None), (True, 5)])
@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_avg_pool2d_equals_its_matrix(rng, geometry, count_include_pad, divisor_override, ceil_mode):
    p, size = settings(geometry, "kernel", "stride", "padding"), geometry[-1]
    p |= {"ceil_mode": ceil_mode, "count_include_pad": count_include_pad, "divisor_override": divisor_override}
    matrix = reference.avg_pool2d_matrix(size, **p)
    for dtype, tolerance in ((np.float32, 1e-5), (np.float64, 1e-13)):
        x = rng.standard_normal((2, 3, *size)).astype(dtype)
        out = pool.avg_pool2d(x, **p)
        assert out.dtype == dtype
        expected = x.reshape(2, 3, -1) @ matrix.T
        np.testing.assert_allclose(out.reshape(2, 3, -1), expected, rtol=tolerance, atol=tolerance)
        g = rng.standard_normal(out.shape).astype(dtype)
        gx = pool.avg_pool2d_input(g, size=size, **p)
        assert gx.dtype == dtype
        expected = g.reshape(2, 3, -1) @ matrix
        np.testing.assert_allclose(gx.reshape(2, 3, -1), expected, rtol=tolerance, atol=tolerance)


def test_avg_pool2d_divides_by_padding_but_not_by_overhang():
    x = np.ones((1, 1, 3, 3), np.float32)
    out = pool.avg_pool2d(x, kernel=(2, 2), stride=(2, 2), padding=(1, 1), ceil_mode=True)
    np.testing.assert_array_equal(out[0, 0], [[0.25, 0.5], [0.5, 1]])
    out = pool.avg_pool2d(x, kernel=(2, 2), stride=(2, 2), ceil_mode=True)
    np.testing.assert_array_equal(out[0, 0], [[1, 1], [1, 1]])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("size", "out_size"), [((7, 7), (3, 3)), ((8, 6), (1, 1)), ((5, 9), (4, 2)), ((3, 2), (5, 4))])
def test_adaptive_pooling_equals_its_naive_twin(rng, size, out_size, dtype):
    x = rng.standard_normal((2, 3, *size)).astype(dtype)
    out = pool.adaptive_avg_pool2d(x, size=out_size)
    assert out.dtype == dtype
    np.testing.assert_allclose(out, reference.adaptive_avg_pool2d(x, size=out_size), rtol=1e-5, atol=1e-6)
    g = rng.standard_normal(out.shape).astype(dtype)
    gx = pool.adaptive_avg_pool2d_input(g, size=size)
    np.testing.assert_allclose(np.vdot(gx, x), np.vdot(g, out), rtol=1e-4)

    x[rng.random(x.shape) < 0.1] = np.nan
    out, index = pool.adaptive_max_pool2d(x, size=out_size)
    expected, expected_index = reference.adaptive_max_pool2d(x, size=out_size)
    np.testing.assert_array_equal(out, expected)
    np.testing.assert_array_equal(index, expected_index)
    np.testing.assert_array_equal(pool.adaptive_max_pool2d_take(x, index), out)
    y = rng.standard_normal(x.shape).astype(dtype)
    put = pool.adaptive_max_pool2d_put(g, index, size=size)
    np.testing.assert_allclose(np.vdot(put, y), np.vdot(g, pool.adaptive_max_pool2d_take(y, index)), rtol=1e-4)


def every_kernel(x, g):
    p = {"kernel": (3, 3), "stride": (2, 2), "padding": (1, 1)}
    out, index = pool.max_pool2d(x, **p)
    yield from (out, index)
    g = g[:, :, : out.shape[2], : out.shape[3]]
    yield pool.max_pool2d_put(g, index, size=x.shape[2:], **p)
    yield pool.max_pool2d_take(x, index, **p)
    yield pool.avg_pool2d(x, **p)
    yield pool.avg_pool2d_input(g, size=x.shape[2:], **p)
    yield pool.adaptive_avg_pool2d(x, size=(3, 2))
    yield pool.adaptive_avg_pool2d_input(g, size=x.shape[2:])
    out, index = pool.adaptive_max_pool2d(x, size=(5, 5))
    yield from (out, index)
    yield pool.adaptive_max_pool2d_put(out, index, size=x.shape[2:])
    quarters = {"kernel": (2, 2), "stride": (2, 2)}
    yield pool.max_pool2d_put(out[..., :4, :4], index[..., :4, :4].astype(np.uint8) % 4, size=(8, 8), **quarters)


def test_same_bits_with_any_number_of_threads(rng, threads):
    x = rng.standard_normal((3, 7, 43, 41)).astype(np.float32)
    results = []
    for count in (1, 2, 5):
        threads(count)
        results.append(list(every_kernel(x, x)))
    assert compiling.threads_for(x.size) == 5
    for one, two, five in zip(*results, strict=True):
        np.testing.assert_array_equal(one, two, strict=True)
        np.testing.assert_array_equal(one, five, strict=True)


def test_strided_read_only_and_empty_inputs(rng):
    base = rng.standard_normal((9, 10, 4, 6)).astype(np.float32)
    strided = base.transpose(2, 3, 0, 1)
    strided.flags.writeable = False
    kept = strided.copy()
    for a, b in zip(every_kernel(strided, strided), every_kernel(kept, kept), strict=True):
        np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(strided, kept)
    for shape in ((0, 3, 9, 10), (2, 0, 9, 10)):
        empty = np.empty(shape, np.float32)
        for result in every_kernel(empty, empty):
            assert result.shape[:2] == shape[:2] and result.size == 0


def test_against_torch(rng):
    torch = pytest.importorskip("torch")
    functional = torch.nn.functional
    for geometry, ceil_mode in itertools.product(GEOMETRIES, (False, True)):
        p, size = settings(geometry, *KEYS), geometry[-1]
        if any(2 * pad > k for pad, k in zip(p["padding"], p["kernel"], strict=True)):
            continue
        x = rng.integers(-4, 4, (2, 3, *size)).astype(np.float32)
        arguments = p["kernel"], p["stride"], p["padding"]
        expected, _ = functional.max_pool2d(
            torch.tensor(x), *arguments, p["dilation"], ceil_mode=ceil_mode, return_indices=True
        )
        np.testing.assert_array_equal(pool.max_pool2d(x, **p, ceil_mode=ceil_mode)[0], expected.numpy())
        del p["dilation"]
        for include in (False, True):
            expected = functional.avg_pool2d(torch.tensor(x), *arguments, ceil_mode, include)
            out = pool.avg_pool2d(x, **p, ceil_mode=ceil_mode, count_include_pad=include)
            np.testing.assert_allclose(out, expected.numpy(), rtol=1e-5, atol=1e-6)
