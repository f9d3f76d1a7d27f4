"""Planes resized linearly: the naive twins, the adjoint identity, the same bits for any number of threads."""

import numpy as np
import pytest

from autograd_nn.kernels import resize
from autograd_nn.kernels.resize import Mixture
from tests import reference

SIZES = [((2, 3, 4), 5, 9), ((3, 1, 1), 4, 2), ((1, 7, 20), 3, 33), ((2, 5, 6), 7, None), ((0, 2, 2), 3, 3)]


def mixture(rng, size, count, dtype):
    places = rng.integers(0, size, (2, count))
    return Mixture(*places, rng.random(count).astype(dtype))


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16])
@pytest.mark.parametrize(("shape", "height", "width"), SIZES, ids=str)
def test_kernels_agree_with_their_twins(shape, height, width, dtype, threads):
    rng = np.random.default_rng(0)
    x, rows = rng.standard_normal(shape).astype(dtype), mixture(rng, shape[1], height, dtype)
    columns = None if width is None else mixture(rng, shape[2], width, dtype)
    expected = reference.mix_planes(x, rows, columns)
    g = rng.standard_normal(expected.shape).astype(dtype)
    backward = reference.mix_planes_input(g, rows, columns, *shape[1:])
    tolerance = {2: 4e-3, 4: 2e-6, 8: 1e-14}[np.dtype(dtype).itemsize]
    results = []
    for count in (1, 2, 5):
        threads(count)
        for source, gradient in ((x, g), (np.asfortranarray(x), np.asfortranarray(g))):
            source.flags.writeable = gradient.flags.writeable = False
            found = resize.mix_planes(source, rows, columns)
            back = resize.mix_planes_input(gradient, rows, columns, *shape[1:])
            np.testing.assert_allclose(found, expected, tolerance, tolerance)
            np.testing.assert_allclose(back, backward, 4 * tolerance, 4 * tolerance)
            assert found.dtype == back.dtype == dtype
            results.append(found.tobytes() + back.tobytes())
    assert len(set(results)) == 1


def test_each_is_the_adjoint_of_the_other():
    rng = np.random.default_rng(1)
    rows, columns = mixture(rng, 5, 8, np.float64), mixture(rng, 6, 3, np.float64)
    x, g = rng.standard_normal((2, 5, 6)), rng.standard_normal((2, 8, 3))
    forward = (resize.mix_planes(x, rows, columns) * g).sum()
    np.testing.assert_allclose((resize.mix_planes_input(g, rows, columns, 5, 6) * x).sum(), forward)


def test_mixtures_of_equals_are_exact_and_nan_stays_where_it_is_read():
    rng = np.random.default_rng(2)
    rows, columns = mixture(rng, 4, 9, np.float32), mixture(rng, 5, 11, np.float32)
    x = np.full((1, 4, 5), 0.1, np.float32)
    np.testing.assert_array_equal(resize.mix_planes(x, rows, columns), np.float32(0.1))
    x[0, 2, 3] = np.nan
    reads = np.isin(2, [rows.first, rows.second], assume_unique=False)
    expected = np.isnan(reference.mix_planes(x, rows, columns))
    np.testing.assert_array_equal(np.isnan(resize.mix_planes(x, rows, columns)), expected)
    assert reads and expected.any() and not expected.all()
