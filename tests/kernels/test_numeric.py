"""The scalar functions inside kernels, called as they are: their errors in units in the last place, and their edges."""

import math

import numpy as np
import pytest

from autograd_nn.kernels import numeric

SPECIAL = [0.0, -0.0, np.inf, -np.inf]


def units(found, expected):
    """Return the largest error in units in the last place of float32."""
    return max(abs(float(f) - e) / np.spacing(np.float32(abs(e))) for f, e in zip(found, expected))


@pytest.fixture(autouse=True)
def quiet():
    with np.errstate(all="ignore"):
        yield


def test_the_exponential_in_float32():
    points = np.linspace(-86.9, 88.7, 1501, dtype=np.float32)
    assert units(map(numeric._exponential_float32, points), [math.exp(x) for x in points.tolist()]) < 2
    edges = [numeric._exponential_float32(np.float32(x)) for x in (*SPECIAL, 89, -88, np.nan)]
    np.testing.assert_array_equal(edges, [1, 1, np.inf, 0, np.inf, 0, np.nan])
    assert numeric.exponential(1.0) == math.e


@pytest.mark.parametrize(("dtype", "flip"), [
    (np.float32, numeric._flip_float32), (np.float64, numeric._flip_float64)
])  # fmt: skip
def test_floats_order_as_their_integers(dtype, flip):
    x = np.sort(np.concatenate([np.random.default_rng(0).standard_normal(100), [-np.inf, -1e-30, 1e-30, np.inf]]))
    x = x.astype(dtype)
    keys = numeric.to_ordered(x)
    assert (np.diff(keys) > 0).all() and numeric.to_ordered(np.full(1, np.nan, dtype))[0] > keys[-1]
    np.testing.assert_array_equal(numeric.from_ordered(keys), x)
    integer = np.dtype(f"i{dtype().itemsize}").type
    assert [flip(integer(bits)) for bits in x.view(integer)] == keys.tolist()
