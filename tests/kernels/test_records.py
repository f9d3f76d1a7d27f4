"""Named tuples of integers that travel as one array."""

from typing import NamedTuple

import numpy as np
import pytest

from autograd_nn.kernels import records
from autograd_nn.kernels.compile import JIT_DISABLED, jit
from autograd_nn.kernels.records import flat, record, table_of


class Box(NamedTuple):
    height: int
    width: int


class Sum(NamedTuple):
    first: int
    second: int
    third: int


@jit
def areas(table, out):
    for i in range(len(out)):
        box = record(Box, table, 2 * i)
        out[i] = box.height * box.width
    total = record(Sum, table, 1)
    return total.first + total.second * 10 + total.third * 100


@jit
def last_of(array):
    return flat(array)[array.size - 1]


def test_a_record_is_read_from_where_it_begins():
    table = table_of(Box(2, 3), [[4], [5]], np.array([6, 7]))
    assert table.dtype == np.int64 and table.tolist() == [2, 3, 4, 5, 6, 7]
    out = np.zeros(3)
    assert areas(table, out) == 3 + 40 + 500 and out.tolist() == [6, 20, 42]
    assert records.record_reference(Sum, table, 1) == Sum(3, 4, 5)


def test_flat_shares_memory_with_the_array():
    array = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    assert last_of(array) == last_of(array.reshape(-1)) == 23
    assert np.shares_memory(records.flat_reference(array), array)


@pytest.mark.skipif(JIT_DISABLED, reason="of compiled kernels only")
def test_what_is_no_row_or_no_table_is_refused():
    with pytest.raises(Exception, match="C-contiguous"):
        last_of(np.zeros((4, 4))[:, ::2])
    with pytest.raises(Exception, match="int64"):
        areas(np.zeros(4), np.zeros(1))
