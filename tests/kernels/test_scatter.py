"""Rows added at places that repeat: NumPy's sums, and the same bits for any number of threads."""

import numpy as np
import pytest

from autograd_nn.kernels import scatter
from tests import reference


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("places", "rows", "columns"), [(5, 20, 3), (7, 30, 70), (3, 0, 4), (4, 6, 0)])
def test_rows_are_added_where_they_belong(places, rows, columns, dtype, threads):
    rng = np.random.default_rng(0)
    index, added = rng.integers(0, places, rows), rng.standard_normal((rows, columns)).astype(dtype)
    start = rng.standard_normal((places, columns)).astype(dtype)
    expected = start.astype(np.float64)
    np.add.at(expected, index, added)
    found = []
    for count in (1, 2, 5):
        threads(count)
        out = start.copy()
        assert scatter.add_rows(out, index, added) is out
        np.testing.assert_allclose(out, expected, 1e-5, 1e-5)
        found.append(out.tobytes())
    assert len(set(found)) == 1


def test_views_and_read_only_rows(threads):
    threads(2)
    rows = np.arange(24, dtype=np.float32).reshape(4, 6).T
    rows.flags.writeable = False
    out = scatter.add_rows(np.zeros((2, 4), np.float32), np.array([1, 0, 1, 1, 0, 1])[::-1], rows)
    assert out.tolist() == [[rows[[1, 4], j].sum() for j in range(4)], [rows[[0, 2, 3, 5], j].sum() for j in range(4)]]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("starts", [[0, 2, 2, 7], [0, 0], [0, 7], [0] + [1] * 5 + [7]])
def test_bags_are_summed(starts, dtype, threads):
    rng = np.random.default_rng(0)
    rows, share = rng.standard_normal((4, 5)).astype(dtype), rng.standard_normal(7).astype(dtype)
    given = rows, share, rng.integers(0, 4, 7), np.array(starts)
    found = []
    for count in (1, 2, 5):
        threads(count)
        found.append(scatter.bag_sums(*given))
    assert len({out.tobytes() for out in found}) == 1 and found[0].dtype == dtype
    np.testing.assert_allclose(found[0], reference.bag_sums(*given), 1e-5, 1e-5)
    np.testing.assert_allclose(scatter.bag_sums(np.asfortranarray(rows), *given[1:]), found[0])
