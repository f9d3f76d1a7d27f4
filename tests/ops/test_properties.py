"""Broadcasting and indexing over random shapes and indices, beside NumPy."""

import numpy as np
import pytest

from autograd_nn import Tensor
from autograd_nn.testing import gradcheck

hypothesis = pytest.importorskip("hypothesis")
arrays = pytest.importorskip("hypothesis.extra.numpy")
st = hypothesis.strategies
quickly = hypothesis.settings(max_examples=60, deadline=None, derandomize=True)


def values(shape, dtype=np.float64):
    return np.cos(np.arange(int(np.prod(shape)), dtype=np.float64) * 1.7).reshape(shape).astype(dtype)


@quickly
@hypothesis.given(arrays.mutually_broadcastable_shapes(num_shapes=2, max_dims=4, max_side=3, min_side=0))
def test_broadcasting(shapes):
    left, right = values(shapes.input_shapes[0]), values(shapes.input_shapes[1]) + 2
    x, y = Tensor(left, requires_grad=True), Tensor(right, requires_grad=True)
    out = x * y + x / y
    assert out.shape == shapes.result_shape
    out.sum().backward()
    ones = np.ones(out.shape)
    expected = ones * (right + 1 / right), ones * (left - left / right**2)
    for leaf, full in zip((x, y), expected):
        lead = tuple(range(full.ndim - leaf.ndim))
        repeated = tuple(i for i in range(len(lead), full.ndim) if leaf.shape[i - len(lead)] == 1)
        assert np.allclose(leaf.grad.array, full.sum(lead + repeated).reshape(leaf.shape))


@st.composite
def shapes_and_indices(draw):
    shape = draw(arrays.array_shapes(min_dims=1, max_dims=4, min_side=1, max_side=4))
    basic = arrays.basic_indices(shape, allow_newaxis=True, max_dims=6)
    integer = arrays.integer_array_indices(shape, result_shape=arrays.array_shapes(max_dims=2, max_side=3))
    boolean = arrays.arrays(bool, shape)
    return shape, draw(st.one_of(basic, integer, boolean))


@quickly
@hypothesis.given(shapes_and_indices())
def test_getitem(drawn):
    shape, index = drawn
    array = values(shape)
    x = Tensor(array, requires_grad=True)
    out = x[index]
    assert np.array_equal(out.array, array[index])
    g = values(out.shape)
    expected = np.zeros(shape)
    np.add.at(expected, index, g)
    out.backward(g)
    assert np.allclose(x.grad.array, expected)


@quickly
@hypothesis.given(shapes_and_indices())
def test_setitem(drawn):
    shape, index = drawn
    array = values(shape)
    expected = array.copy()
    expected[index] = 3.0
    x, v = Tensor(array, requires_grad=True), Tensor(3.0, requires_grad=True, dtype=np.float64)
    y = x * 1
    y[index] = v
    assert np.array_equal(y.array, expected)
    y.sum().backward()
    changed = np.zeros(shape)
    changed[index] = 1
    assert np.array_equal(x.grad.array, 1 - changed)
    assert v.grad.item() == changed.sum()  # of writes to one place, the last one counts


@quickly
@hypothesis.given(arrays.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3), st.data())
def test_reductions_over_any_dims(shape, data):
    dims = data.draw(st.one_of(st.none(), st.sets(st.integers(0, len(shape) - 1)).map(tuple) if shape else st.none()))
    keepdim = data.draw(st.booleans())
    array = values(shape)
    axis = dims if dims is None or dims else ()
    assert np.allclose(Tensor(array).sum(axis, keepdim).array, array.sum(axis=axis, keepdims=keepdim))
    assert gradcheck(lambda x: x.sum(axis, keepdim) * 2, Tensor(array, requires_grad=True))
