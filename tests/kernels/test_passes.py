"""Passes: how operands lie, ends of rows, threads, sums."""

import itertools

import numpy as np
import pytest

from autograd_nn.kernels import functions, passes
from autograd_nn.kernels.lanes import select, sqrt
from autograd_nn.kernels.passes import Pass

COMBINE = Pass("test_combine", lambda x, y, z: x * y - z, lambda x, y, *, p, q, r: x * p + y * q - r, summed=True)
CURVE = Pass("test_curve", lambda x: functions.tanh(x) * functions.exp(x), lambda x: sqrt(abs(x)), summed=True)
CHOICE = Pass("test_choice", lambda mask, x, y: select(mask, x, y))


@pytest.fixture
def rng():
    return np.random.default_rng(0)


FORMS = [
    ((7,), (7,), (7,)),
    ((1000,), (), (1,)),
    ((3, 5), (5,), (3, 1)),
    ((3, 1), (1, 9), ()),
    ((2, 3, 4, 5), (3, 1, 1), (2, 1, 1, 5)),
    ((4, 3, 17), (3, 1), (4, 1, 1)),
    ((2, 3, 4, 5, 2), (2, 1, 4, 1, 2), (1, 3, 1, 5, 1)),  # does not fit into three axes
    ((1, 1, 1), (1,), ()),
    ((6, 0, 2), (2,), (6, 1, 1)),
    ((3, 5000), (5000,), (3, 1)),
]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shapes", FORMS, ids=str)
def test_broadcasting(rng, shapes, dtype):
    x, y, z = (np.asarray(rng.standard_normal(shape), dtype) for shape in shapes)
    np.testing.assert_array_equal(COMBINE(x, y, z), x * y - z, strict=True)
    np.testing.assert_allclose(COMBINE.sum(x, y, z), (x * y - z).sum(dtype=np.float64), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_strided_reversed_read_only_and_repeated_operands(rng, order):
    x = rng.standard_normal((6, 10, 8)).astype(np.float32).transpose(order)[::-1, ::2]
    x.flags.writeable = False
    y, z = np.broadcast_to(np.float32(3), x.shape), np.broadcast_to(x[:1], x.shape)
    before = x.copy()
    np.testing.assert_array_equal(COMBINE(x, y, z), x * y - z, strict=True)
    np.testing.assert_array_equal(x, before)


def test_numbers_and_float16(rng):
    x, y = rng.standard_normal((2, 50)).astype(np.float32)
    found = COMBINE(x, y, numbers=(2, 0.5, 1), function=1)
    np.testing.assert_array_equal(found, x * np.float32(2) + y * np.float32(0.5) - np.float32(1), strict=True)
    half = x.astype(np.float16)
    np.testing.assert_array_equal(CURVE(half), CURVE(half.astype(np.float32)).astype(np.float16), strict=True)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_masks_choose_without_looking_at_the_other(rng, dtype):
    x = rng.standard_normal((5, 3, 9)).astype(dtype)
    for mask in (x > 0, x[:, :1] > 0, np.bool_(True) & (x[0, 0] > 0)):
        expected = np.where(mask, x, dtype(np.nan))
        np.testing.assert_array_equal(CHOICE(mask, x, np.array([np.nan], dtype)), expected, strict=True)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_bits_do_not_depend_on_the_place(rng, dtype):
    x = rng.standard_normal(200).astype(dtype) * 5
    whole = CURVE(x)
    for start, stop in ((0, 1), (3, 10), (17, 50), (1, 200), (150, 181)):
        np.testing.assert_array_equal(CURVE(x[start:stop]), whole[start:stop])
    rows = CURVE(x.reshape(20, 10)[:, ::3])
    np.testing.assert_array_equal(rows, whole.reshape(20, 10)[:, ::3])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(30_001,), (7, 3, 1000), (3000, 9)])
def test_same_bits_with_any_number_of_threads(rng, threads, shape, dtype):
    x, z = rng.standard_normal(shape).astype(dtype), rng.standard_normal(shape[-1]).astype(dtype)
    results = []
    for count in (1, 2, 5):
        threads(count)
        results.append((CURVE(x).tobytes(), COMBINE(x, x, z).tobytes(), CURVE.sum(x), COMBINE.sum(x, x, z)))
    assert results[0] == results[1] == results[2]


def test_sums_of_many_are_exact_to_double_precision():
    x = np.full(2**21 + 3, 0.1, np.float32)
    total = COMBINE.sum(x, np.ones(1, np.float32), np.zeros(1, np.float32))
    assert abs(total - float(np.float32(0.1)) * x.size) < 1e-7


def test_small_arrays_of_exact_operations_compile_nothing(rng):
    exact = Pass("test_exact", lambda x, *, p: select(x < p, p, x), exact=True)
    x = rng.standard_normal((3, 4)).astype(np.float32)
    np.testing.assert_array_equal(exact(x, numbers=(0.5,)), np.maximum(x, np.float32(0.5)), strict=True)
    np.testing.assert_array_equal(exact(x[0, 0, ...], numbers=(5,)), np.asarray(5, np.float32), strict=True)
    assert exact._kernel is None
    x = rng.standard_normal(passes.SMALL).astype(np.float32)
    np.testing.assert_array_equal(exact(x, numbers=(0.5,)), np.maximum(x, np.float32(0.5)), strict=True)
    assert exact._kernel is not None
