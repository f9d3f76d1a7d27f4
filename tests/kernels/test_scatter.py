"""Rows added at places that repeat: NumPy's sums, and the same bits for any number of threads."""

import numpy as np
import pytest

from autograd_nn.engine import wrap
from autograd_nn.kernels import scatter
from autograd_nn.ops import index as index_ops
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


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(1, 5, 70), (9, 4, 1), (3, 7, 2), (0, 3, 2), (2, 1, 0)])
def test_elements_are_picked_and_added_along_a_dim(shape, dtype, threads):
    rng = np.random.default_rng(0)
    outer, size, inner = shape
    x, index = rng.standard_normal(shape).astype(dtype), rng.integers(-size, size, (outer, 11, inner))
    values = np.asfortranarray(rng.standard_normal(index.shape).astype(dtype))
    values.flags.writeable = False
    expected = x.astype(np.float64)
    np.add.at(expected, (np.arange(outer)[:, None, None], index, np.arange(inner)), values)
    found = []
    for count in (1, 2, 5):
        threads(count)
        taken, in_range = scatter.take_along(x[::-1, ::-1][::-1, ::-1], index)
        np.testing.assert_array_equal(taken, np.take_along_axis(x, index, 1))
        out = x.copy()
        assert in_range and scatter.add_along(out, index, values)
        np.testing.assert_allclose(out, expected, 1e-5, 1e-5)
        found.append(out.tobytes())
    assert len(set(found)) == 1


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(1, 5, 70), (9, 4, 1), (3, 7, 2), (0, 3, 2), (2, 1, 0)])
def test_slices_are_added(shape, dtype, threads):
    rng = np.random.default_rng(0)
    x, index = rng.standard_normal(shape).astype(dtype), rng.integers(-shape[1], shape[1], 11)
    values = np.asfortranarray(rng.standard_normal((shape[0], 11, shape[2])).astype(dtype))
    values.flags.writeable = False
    expected = x.astype(np.float64)
    np.add.at(expected, (slice(None), index), values)
    found = []
    for count in (1, 2, 5):
        threads(count)
        out = x.copy()
        assert scatter.add_slices(out, index, values)
        np.testing.assert_allclose(out, expected, 1e-5, 1e-5)
        places = np.where(index < 0, index + x.shape[1], index)
        taken = scatter.take_slices(np.asfortranarray(x), places)
        np.testing.assert_array_equal(taken, x.take(places, 1))
        found.append(out.tobytes() + taken.tobytes())
    assert len(set(found)) == 1


@pytest.mark.parametrize("place", [3, -4, 2**40])
def test_places_out_of_range_are_told_and_nothing_is_written_there(place):
    x, index = np.ones((2, 3, 4), np.float32), np.zeros((2, 5, 4), np.int64)
    index[1, 2, 3] = place
    assert not scatter.take_along(x, index)[1]
    out = x.copy()
    assert not scatter.add_along(out, index, np.ones(index.shape, np.float32))
    assert out.sum() == x.sum() + index.size - 1
    with pytest.raises(IndexError, match=r"out of range for a dim of size"):
        index_ops._index_select(wrap(np.ones((2, 3, 3000), np.float32)), wrap(np.array([0, place])), dim=1)
    columns = np.ones((2, 3, 1), np.float32)
    assert not scatter.take_along(columns, index[:, :, 3:])[1]
    out = columns.copy()
    assert not scatter.add_along(out, index[:, :, 3:], np.ones((2, 5, 1), np.float32))
    assert not scatter.add_slices(out, np.array([0, place]), np.ones((2, 2, 1), np.float32))
    assert out.sum() == 6 + 9 + 2
    places = np.array([0, place])
    out = x.copy()
    assert not scatter.add_slices(out, places, np.ones((2, 2, 4), np.float32))
    assert out.sum() == x.sum() + 8
