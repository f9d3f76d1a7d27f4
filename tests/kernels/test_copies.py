"""Copies in threads against NumPy's, over layouts and dtypes."""

import numpy as np
import pytest

import autograd_nn as ag
from autograd_nn.kernels import copies

ROWS = np.arange(400 * 500).reshape(400, 500)
LAYOUTS = {
    "whole": lambda x: x,
    "columns of rows": lambda x: np.tile(x, 2)[:, 130:630],
    "every other row": lambda x: np.repeat(x, 2, 0)[::2],
    "exchanged": lambda x: np.ascontiguousarray(x.T).T,
    "backwards": lambda x: x[::-1],
    "a row repeated": lambda x: np.broadcast_to(x[7], x.shape),
    "elements of a column repeated": lambda x: np.broadcast_to(x[:, 7:8], x.shape),
    "a number": lambda x: np.broadcast_to(x[3, 4], x.shape),
    "channels": lambda x: np.broadcast_to(x[0].reshape(1, 500, 1), (20, 500, 20)),
    "small": lambda x: x[:3, ::2],
    "four axes": lambda x: np.tile(x.reshape(20, 20, 20, 25), 2)[::2, 1:, ::2, 3:28],
}


@pytest.mark.parametrize("dtype", ["f4", "f8", "i4", "i8", "f2", "?", "c8", "u1"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_copies_equal_numpys(threads, layout, dtype):
    x = LAYOUTS[layout]((ROWS % 1000).astype(dtype))
    for count in (1, 3):
        threads(count)
        found = copies.copy(x)
        np.testing.assert_array_equal(found, x, strict=True)
        assert found.flags.c_contiguous and not np.shares_memory(found, x)


def test_what_is_read_only_is_copied(threads):
    threads(2)
    x = ROWS.astype(np.float32)
    x.flags.writeable = False
    np.testing.assert_array_equal(copies.copy(x), x)


@pytest.mark.parametrize("place", [np.s_[:400], np.s_[200:600], np.s_[::2]])
def test_parts_of_arrays_are_written_and_nothing_else(threads, place):
    threads(2)
    x, out = ROWS.astype(np.float32), np.full((800, 500), -1, np.float32)
    copies.put(x, out[place])
    expected = np.full((800, 500), -1, np.float32)
    expected[place] = x
    np.testing.assert_array_equal(out, expected)


@pytest.mark.parametrize("dim", [0, 1])
def test_large_tensors_are_joined_rolled_and_padded_as_numpys(threads, dim):
    threads(2)
    x, y = ROWS.astype(np.float32), -ROWS.astype(np.float32)
    tensors = [ag.tensor(a, requires_grad=True) for a in (x, y)]
    joined = ag.cat(tensors, dim)
    np.testing.assert_array_equal(joined.detach().numpy(), np.concatenate([x, y], dim))
    for shift in (3, -3, 0, 1203):
        np.testing.assert_array_equal(ag.roll(tensors[0], shift, dim).detach().numpy(), np.roll(x, shift, dim))
    padded = ag.nn.functional.pad(tensors[0], (1, 2))
    np.testing.assert_array_equal(padded.detach().numpy(), np.pad(x, ((0, 0), (1, 2))))
    g = ag.arange(joined.numel()).reshape(joined.shape).float()
    joined.backward(g)
    expected = np.split(g.numpy(), 2, dim)
    for tensor, part in zip(tensors, expected):
        np.testing.assert_array_equal(tensor.grad.numpy(), part)
        assert not np.shares_memory(tensor.grad.numpy(), g.numpy())
