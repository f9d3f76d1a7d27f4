"""Weighted sums of elements at given places: the naive twins, and the same bits for any number of threads."""

import numpy as np
import pytest

from autograd_nn.kernels import sample
from tests import reference


def arrays(dtype, N=2, C=3, S=7, P=5, K=4):
    rng = np.random.default_rng(0)
    x, g = rng.standard_normal((N, C, S)).astype(dtype), rng.standard_normal((N, C, P)).astype(dtype)
    return x, g, rng.standard_normal((N, P, K)).astype(dtype), rng.integers(-1, S, (N, P, K))


SIZES = [{}, {"N": 1, "C": 1, "S": 1, "P": 1, "K": 1}, {"P": 33, "C": 5}, {"P": 0}, {"N": 0}, {"C": 0}, {"K": 0}]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_kernels_agree_with_their_twins(sizes, dtype, threads):
    x, g, weight, index = arrays(dtype, **sizes)
    size = x.shape[2]
    for kernel, twin, given in (
        (sample.weighted_take, reference.weighted_take, (x, weight, index)),
        (sample.weighted_put, reference.weighted_put, (g, weight, index, size)),
        (sample.weighted_products, reference.weighted_products, (g, x, index)),
    ):
        found = []
        for count in (1, 2, 5):
            threads(count)
            found.append(kernel(*given))
        assert len({out.tobytes() for out in found}) == 1 and found[0].dtype == dtype
        if len(x):
            np.testing.assert_allclose(found[0], twin(*given), 1e-5, 1e-5)


def test_each_is_the_adjoint_of_the_others():
    x, g, weight, index = arrays(np.float64)
    total = (sample.weighted_take(x, weight, index) * g).sum()
    assert total == pytest.approx((sample.weighted_put(g, weight, index, 7) * x).sum(), rel=1e-12)
    assert total == pytest.approx((sample.weighted_products(g, x, index) * weight).sum(), rel=1e-12)


def test_views_and_read_only_inputs():
    x, _, weight, index = arrays(np.float32)
    expected = sample.weighted_take(x, weight, index)
    given = [np.ascontiguousarray(a.T).T for a in (x, weight, index)]
    for a in given:
        a.flags.writeable = False
    assert np.array_equal(sample.weighted_take(*given), expected)
