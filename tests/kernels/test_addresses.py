"""NumPy's array objects lie in memory as kernels read them by their addresses."""

import numpy as np
import pytest

from autograd_nn.kernels.addresses import length_of, objects_of, row_of, size_of
from autograd_nn.kernels.compile import chunked

FLOAT32 = np.dtype(np.float32)


@chunked
def look(t, threads, objects, width, dtype, like, sizes, firsts):
    sizes[0] = length_of(objects, width, dtype)
    for i in range(len(objects)):
        sizes[i + 1] = size_of(objects[i])
        if sizes[0] > 0 and sizes[i + 1]:
            row = row_of(objects[i], like)
            firsts[i] = row[0] + row[sizes[i + 1] - 1]


def looked(*arrays, width=2, dtype=FLOAT32):
    sizes, firsts = np.zeros(len(arrays) + 1, np.int64), np.zeros(len(arrays))
    look(1, objects_of(arrays), width, id(dtype), np.empty(0, dtype), sizes, firsts)
    return sizes.tolist(), firsts.tolist()


def fixed(array):
    array.flags.writeable = False
    return array


def test_sizes_and_elements_of_arrays_of_all_dims():
    wide = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    arrays = wide, wide.copy(), np.array(3, np.float32), wide[1, 2, 3:], wide[0:0], wide[:, :0], wide[1], wide[0].copy()
    sizes, firsts = looked(*arrays)
    assert sizes == [24 + 1 + 0 + 12, *(x.size for x in arrays)]
    assert firsts == [23, 23, 6, 46, 0, 0, 12 + 23, 0 + 11]
    assert looked(np.ones((3, 2)), np.ones(6), dtype=np.dtype(np.float64)) == ([6, 6, 6], [2, 2])
    renamed = np.dtype(np.float32).newbyteorder("<").newbyteorder("=")
    assert looked(np.ones(3, renamed), np.ones(3, np.float32))[0] == [3, 3, 3]  # another object, the same dtype
    assert looked(fixed(np.ones(4, np.float32)), wide[0, 1])[0] == [4, 4, 4]  # the first of a row is only read


@pytest.mark.parametrize(("name", "arrays"), [
    ("strided", [np.ones((4, 6), np.float32)[:, 1:], np.ones((4, 5), np.float32)]),
    ("strided, written", [np.ones((4, 5), np.float32), np.ones((4, 6), np.float32)[:, 1:]]),
    ("turned", [np.ones((4, 6), np.float32).T] * 2),
    ("read-only", [np.ones(3, np.float32), fixed(np.ones(3, np.float32))]),
    ("another dtype", [np.ones(3, np.float32), np.ones(3)]),
    ("another order of bytes", [np.ones(3, ">f4"), np.ones(3, np.float32)]),
    ("another size", [np.ones(3, np.float32), np.ones(4, np.float32)]),
    ("not aligned", [np.ndarray((3,), np.float32, np.zeros(16, np.uint8), 1), np.ones(3, np.float32)]),
    ("a later row", [*np.ones((2, 3), np.float32), np.ones(3, np.float32), np.ones(2, np.float32)]),
], ids=lambda value: value if isinstance(value, str) else "")  # fmt: skip
def test_arrays_that_do_not_fit_are_found(name, arrays):
    assert looked(*arrays)[0][0] == -1


def test_only_arrays_have_addresses():
    array = np.ones(3, np.float32)
    assert objects_of([array, np.float32(1)]) is None
    assert objects_of([array, [1.0]]) is None
    assert objects_of([array, array]).tolist() == [id(array)] * 2
