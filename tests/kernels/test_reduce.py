"""Folds over axes, and running sums and products, against NumPy in float64."""

import itertools
import math

import numpy as np
import pytest

from autograd_nn.kernels import reduce

FOLDS = {"sum": (reduce.SUM, np.sum), "product": (reduce.PRODUCT, np.prod), "maximum": (reduce.MAXIMUM, np.max),
         "minimum": (reduce.MINIMUM, np.min)}  # fmt: skip
SHAPES = [(7,), (5, 33), (33, 5), (2, 3, 4, 5), (3, 1, 40, 2), (1, 70, 3), (5000,), (300, 300), (40, 2, 700)]


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture(autouse=True, params=["kernels", "small by NumPy"])
def small(request, monkeypatch):
    """Run small arrays by the kernels too."""
    if request.param == "kernels":
        monkeypatch.setattr(reduce, "SMALL", 0)


def axes_of(ndim):
    return [axes for count in range(ndim + 1) for axes in itertools.combinations(range(ndim), count)]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", FOLDS)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_folds_over_all_choices_of_axes(rng, name, shape, dtype):
    fold, by_numpy = FOLDS[name]
    x = rng.standard_normal(shape).astype(dtype)
    x = x / abs(x) ** dtype(0.99) if name == "product" else x
    for axes, keepdims in itertools.product(axes_of(len(shape)), (False, True)):
        found = fold(x, axes, keepdims=keepdims)
        expected = by_numpy(x.astype(np.float64), axis=axes, keepdims=keepdims)
        tolerance = 4 * np.finfo(dtype).eps * (1 if name != "sum" else max(1, math.sqrt(x.size)))
        np.testing.assert_allclose(found, expected, rtol=tolerance if name != "sum" else 1e-7, atol=tolerance)
        assert found.dtype == dtype and found.shape == np.shape(expected)


@pytest.mark.parametrize("name", FOLDS)
def test_strided_transposed_repeated_and_read_only(rng, name):
    fold, by_numpy = FOLDS[name]
    x = 1 + rng.standard_normal((4, 6, 8)).astype(np.float32) / 10
    for view in (x.transpose(2, 0, 1), x[::-1, ::2], x[:, :, ::-3], np.broadcast_to(x[:1], (3, 6, 8)),
                 np.broadcast_to(np.float32(1.5), (4, 5, 3))):  # fmt: skip
        view.flags.writeable = False
        for axes in axes_of(3):
            np.testing.assert_allclose(fold(view, axes), by_numpy(view.astype(np.float64), axis=axes), rtol=1e-5)


@pytest.mark.parametrize("shape", [(5,), (3000,), (50, 70), (70, 50, 3)], ids=str)
@pytest.mark.parametrize("name", ["maximum", "minimum"])
def test_extremes_at_nan_and_infinity(rng, name, shape):
    fold, by_numpy = FOLDS[name]
    x = rng.standard_normal(shape).astype(np.float32)
    flat = x.reshape(-1)
    flat[::7], flat[3], flat[4] = -np.nan, np.inf, -np.inf
    for axes in axes_of(len(shape)):
        np.testing.assert_array_equal(fold(x, axes), by_numpy(x, axis=axes))
    np.testing.assert_array_equal(fold(np.full((9, 9), -np.inf, np.float32), (0,)), np.full(9, -np.inf))


def test_no_elements():
    for shape, axes in itertools.product([(0,), (0, 3), (3, 0)], [(0,), (0, 1)]):
        if max(axes) < len(shape):
            x = np.empty(shape, np.float32)
            np.testing.assert_array_equal(reduce.SUM(x, axes), x.sum(axis=axes), strict=True)
            np.testing.assert_array_equal(reduce.PRODUCT(x, axes), x.prod(axis=axes), strict=True)


@pytest.mark.parametrize("axis", [0, 1])
def test_sums_of_many_are_right_to_the_last_place(axis):
    x = np.full((2, 2**20) if axis else (2**20, 2), 0.1, np.float32)
    np.testing.assert_array_equal(reduce.SUM(x, (axis,)), np.float32([float(np.float32(0.1)) * 2**20] * 2))
    assert reduce.SUM(np.full(3000, 60.0, np.float16), (0,)) == np.inf  # float16 ends at 65504
    assert reduce.SUM(np.full(3000, 20.0, np.float16), (0,)) == 60000


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(100_000,), (1000, 100), (100, 33, 31)], ids=str)
def test_same_bits_with_any_number_of_threads(rng, threads, shape, dtype):
    x = rng.standard_normal(shape).astype(dtype)
    results = []
    for count in (1, 2, 5):
        threads(count)
        results.append([reduce.SUM(x, axes).tobytes() for axes in axes_of(len(shape))]
                       + [reduce.running_sum(x, axis).tobytes() for axis in range(len(shape))]
                       + [reduce.recurrence(x, x, axis).tobytes() for axis in range(len(shape))])  # fmt: skip
    assert results[0] == results[1] == results[2]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(1,), (300,), (9, 70), (4, 0, 2), (5, 70, 3), (3, 2, 130)], ids=str)
@pytest.mark.parametrize("reverse", [False, True])
def test_running_sums_and_products(rng, shape, dtype, reverse):
    x = (1 + rng.standard_normal(shape) / 10).astype(dtype)
    for axis in range(len(shape)):
        source = np.flip(x, axis).astype(np.float64) if reverse else x.astype(np.float64)
        for function, by_numpy in ((reduce.running_sum, np.cumsum), (reduce.running_product, np.cumprod)):
            expected = by_numpy(source, axis)
            expected = np.flip(expected, axis) if reverse else expected
            found = function(x, axis, reverse=reverse)
            np.testing.assert_allclose(found, expected, rtol=1e-6 if dtype == np.float32 else 1e-13)
            assert found.dtype == dtype and found.shape == shape


def test_running_results_of_a_million_float32():
    tenths = np.full(2**20, 0.1, np.float32)
    assert abs(reduce.running_sum(tenths, 0)[-1] - 104857.6) < 0.1
    assert abs(reduce.running_sum(tenths, 0, reverse=True)[0] - 104857.6) < 0.1
    near_1 = np.full(2**20, 1 + 2**-20, np.float32)
    assert abs(reduce.running_product(near_1, 0)[-1] - math.e) < 1e-5


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(1,), (300,), (9, 70), (4, 0, 2), (5, 70, 3), (3, 2, 130)], ids=str)
def test_exclusive_products_and_recurrences(rng, shape, dtype):
    a, b = (1 + rng.standard_normal((2, *shape)) / 10).astype(dtype)
    for axis in range(len(shape)):
        moved, added = np.moveaxis(a, axis, 0).astype(np.float64), np.moveaxis(b, axis, 0).astype(np.float64)
        before, run = np.ones_like(moved), np.zeros_like(moved)
        for i in range(len(moved)):
            before[i] = moved[:i].prod(axis=0)
            run[i] = added[i] + (moved[i] * run[i - 1] if i else 0)
        tolerance = 2e-6 if dtype == np.float32 else 1e-13
        found = reduce.running_product(a, axis, exclusive=True)
        np.testing.assert_allclose(np.moveaxis(found, axis, 0), before, rtol=tolerance)
        found = reduce.running_product(np.flip(a, axis), axis, exclusive=True, reverse=True)
        np.testing.assert_allclose(np.moveaxis(np.flip(found, axis), axis, 0), before, rtol=tolerance)
        np.testing.assert_allclose(np.moveaxis(reduce.recurrence(a, b, axis), axis, 0), run, rtol=tolerance)
        back = np.zeros_like(run)
        for i in reversed(range(len(moved))):
            back[i] = added[i] + (moved[i + 1] * back[i + 1] if i + 1 < len(moved) else 0)
        found = reduce.recurrence(a, b, axis, reverse=True)
        np.testing.assert_allclose(np.moveaxis(found, axis, 0), back, rtol=tolerance)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(1,), (30,), (4, 0, 2), (11, 6), (5, 7, 3), (3, 4, 130)], ids=str)
def test_products_of_others(rng, shape, dtype):
    x = (1 + rng.standard_normal(shape) / 10).astype(dtype)
    if x.ndim > 1 and x.size:
        x[0, 0], x[1, :2], x[2] = 0, 0, np.nan  # one zero, two of them, NaN
    for axis in range(x.ndim):
        g = rng.standard_normal(np.delete(shape, axis)).astype(dtype)
        expected = np.empty(shape)
        for i in range(shape[axis]):
            others = np.delete(x.astype(np.float64), i, axis).prod(axis=axis)
            expected[(slice(None),) * axis + (i,)] = g * others
        before = g.copy(), x.copy()
        for source in (x, np.asfortranarray(x)):
            found = reduce.products_of_others(g, source, axis)
            np.testing.assert_allclose(found, expected, rtol=2e-6 if dtype == np.float32 else 1e-13)
            assert found.dtype == dtype
        np.testing.assert_array_equal(g, before[0])
        np.testing.assert_array_equal(x, before[1])


def test_products_of_others_have_the_same_bits_for_any_number_of_threads(rng, threads):
    x = (1 + rng.standard_normal((150, 201)) / 10).astype(np.float32)
    results = []
    for count in (1, 2, 3):
        threads(count)
        results.append([reduce.products_of_others(g, x, axis).tobytes() for axis, g in enumerate((x[0], x[:, 0]))])
    assert results[0] == results[1] == results[2]
