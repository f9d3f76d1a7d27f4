"""Functions along rows inside a kernel: each element, and nothing beside."""

import numpy as np
import pytest

from autograd_nn.kernels.compile import chunked
from autograd_nn.kernels.functions import tanh
from autograd_nn.kernels.lanes import select
from autograd_nn.kernels.rows import along_rows


def both(a, b):
    return a * b + 1.0, select(a > b, tanh(a), b)


_along = along_rows(both)


@chunked
def run(t, threads, x, y, rows, count, starts, steps):
    _along(rows, count, (x, x, y, x), starts, steps)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("count", [0, 1, 3, 4, 7, 8, 16, 17, 33])
@pytest.mark.parametrize("rows", [0, 1, 3])
def test_each_element_of_each_row_and_no_other(dtype, count, rows):
    rng = np.random.default_rng(count)
    x, y = rng.standard_normal(400).astype(dtype), np.full(300, 7, dtype)
    x[5] = np.nan
    a, b = (np.stack([x[start + 40 * r :][:count] for r in range(rows)] or [x[:0]]) for start in (3, 130))
    expected = [np.asarray(each) for each in (a * b + dtype(1), np.where(a > b, np.tanh(a), b))]
    before = x.copy()
    run(1, x, y, rows, count, (3, 130, 11, 130), (40, 40, 50, 40))  # the second result is written where b is read
    for array, start, step, values in ((y, 11, 50, expected[0]), (x, 130, 40, expected[1])):
        kept = np.ones(array.size, bool)
        for r in range(rows):
            row = slice(start + step * r, start + step * r + count)
            np.testing.assert_allclose(array[row], values[r], rtol=4e-7 if dtype == np.float32 else 1e-15,
                                       atol=1e-7 if dtype == np.float32 else 1e-16)  # fmt: skip
            kept[row] = False
        np.testing.assert_array_equal(array[kept], np.full(300, 7, dtype)[kept] if array is y else before[kept])


def test_the_same_bits_wherever_an_element_lies():
    values = np.random.default_rng(0).standard_normal(65).astype(np.float32)
    whole = None
    for start, count in [(0, 65), (0, 13), (1, 40), (59, 6), (64, 1)]:
        x, y = np.concatenate([values[start:], values[start:]]), np.zeros(80, np.float32)
        run(1, x, y, 1, count, (0, len(values) - start, 0, 0), (0, 0, 0, 0))
        if whole is None:
            whole = x[:count].copy(), y[:count].copy()
        np.testing.assert_array_equal(x[:count], whole[0][start : start + count])
        np.testing.assert_array_equal(y[:count], whole[1][start : start + count])
