"""Sparse matrices: values and gradients are those of the dense product, and PyTorch's."""

import numpy as np
import pytest

import autograd_nn as ag
from autograd_nn import sparse
from autograd_nn.testing import gradcheck

INDICES = np.array([[0, 2, 2, 0, 3], [1, 0, 4, 1, 2]])  # (0, 1) is there twice
VALUES = np.array([1.0, -2.0, 3.0, 0.5, 4.0])
SHAPE = (4, 5)
DENSE = np.zeros(SHAPE)
np.add.at(DENSE, tuple(INDICES), VALUES)
OTHER = np.random.default_rng(0).standard_normal((5, 3))


def matrix(library=ag, **settings):
    return library.sparse_coo_tensor(library.tensor(INDICES), library.tensor(VALUES), SHAPE, **settings)


def test_forms():
    a = matrix()
    assert a.is_sparse and tuple(a.shape) == SHAPE and a.size(1) == 5 and a._nnz() == 5 and a.numel() == 20
    np.testing.assert_array_equal(a.to_dense().numpy(), DENSE)
    b = a.coalesce()
    assert b.is_coalesced() and not a.is_coalesced() and b._nnz() == 4
    assert b.indices().tolist() == [[0, 2, 2, 3], [1, 0, 4, 2]] and b.values().tolist() == [1.5, -2.0, 3.0, 4.0]
    np.testing.assert_array_equal(ag.tensor(DENSE).to_sparse().to_dense().numpy(), DENSE)
    np.testing.assert_array_equal(a.t().to_dense().numpy(), DENSE.T)
    np.testing.assert_array_equal((a * 2 + a).to_dense().numpy(), 3 * DENSE)
    assert a.float().dtype == ag.float32 and (-a).to_dense().sum().item() == -DENSE.sum() == -a.sum().item()
    assert sparse.sparse_coo_tensor([[0, 1]], [1.0, 2.0]).to_dense().tolist() == [1.0, 2.0]
    assert ag.sparse.FloatTensor(ag.tensor(INDICES), ag.tensor(VALUES), ag.Size(SHAPE)).shape == SHAPE
    assert sparse.sparse_coo_tensor(np.zeros((2, 0), int), [], (2, 3)).coalesce().to_dense().equal(ag.zeros(2, 3))


def test_products():
    a, x = matrix(), ag.tensor(OTHER)
    expected = DENSE @ OTHER
    for out in (sparse.mm(a, x), ag.spmm(a, x), a @ x, a.mm(x), a.coalesce() @ x, sparse.addmm(0 * x[:4], a, x)):
        np.testing.assert_allclose(out.numpy(), expected)
    np.testing.assert_allclose((a @ x[:, 0]).numpy(), expected[:, 0])
    np.testing.assert_allclose((ag.tensor(OTHER[:4].T) @ a).numpy(), OTHER[:4].T @ DENSE)
    np.testing.assert_allclose((ag.tensor(OTHER[:4, 0]) @ a).numpy(), OTHER[:4, 0] @ DENSE)
    np.testing.assert_allclose((a @ a.t()).to_dense().numpy(), DENSE @ DENSE.T)


def test_gradients_of_first_and_second_order():
    values = ag.tensor(VALUES, requires_grad=True)
    x = ag.tensor(OTHER, requires_grad=True)
    gradcheck(lambda v, d: (sparse.sparse_coo_tensor(INDICES, v, SHAPE) @ d) ** 2, (values, x))
    gradcheck(lambda v: sparse.sparse_coo_tensor(INDICES, v, SHAPE).coalesce().values() ** 2, (values,))
    gradcheck(lambda v: sparse.sparse_coo_tensor(INDICES, v, SHAPE).to_dense() ** 2, (values,))
    gradcheck(lambda v: sparse.softmax(sparse.sparse_coo_tensor(INDICES, v, SHAPE), 1).to_dense(), (values,))
    gradcheck(lambda d: d.to_sparse().to_dense() ** 2, (ag.tensor(DENSE + 1, requires_grad=True),))


def test_it_is_pytorchs():
    torch = pytest.importorskip("torch")
    for call in (
        lambda library, a, x: library.sparse.mm(a, x), lambda library, a, x: library.spmm(a, x),
        lambda library, a, x: library.sparse.addmm(x[:4], a, x), lambda library, a, x: (a + a).to_dense(),
        lambda library, a, x: library.sparse.softmax(a.coalesce(), dim=1).to_dense(),
        lambda library, a, x: library.sparse.sum(a), lambda library, a, x: a.coalesce().values(),
    ):  # fmt: skip
        results, gradients = [], []
        for library in (ag, torch):
            x = library.tensor(OTHER, requires_grad=True)
            values = library.tensor(VALUES, requires_grad=True)
            a = library.sparse_coo_tensor(library.tensor(INDICES), values, SHAPE)
            out = call(library, a, x)
            (out**2).sum().backward()
            results.append(out.detach().numpy())
            gradients.append([g.grad.numpy() for g in (x, values) if g.grad is not None])
        np.testing.assert_allclose(*results, rtol=1e-10)
        for mine, other in zip(*gradients, strict=True):
            np.testing.assert_allclose(mine, other, rtol=1e-9, atol=1e-12)


def test_a_larger_one():
    rng = np.random.default_rng(0)
    indices, values = rng.integers(0, 200, (2, 2000)), rng.standard_normal(2000).astype(np.float32)
    dense = np.zeros((200, 200))
    np.add.at(dense, tuple(indices), values)
    x = rng.standard_normal((200, 8)).astype(np.float32)
    out = ag.sparse_coo_tensor(indices, values, (200, 200)) @ ag.tensor(x)
    assert out.dtype == ag.float32
    np.testing.assert_allclose(out.numpy(), dense @ x, rtol=1e-3, atol=1e-4)


def test_a_leaf_of_its_own():
    a = matrix(requires_grad=True)
    (a @ ag.tensor(OTHER)).sum().backward()
    np.testing.assert_allclose(a._values().grad.numpy(), OTHER.sum(1)[INDICES[1]])
    assert a.requires_grad and not a.detach().requires_grad


def test_mistakes():
    a, x = matrix(), ag.tensor(OTHER)
    for call, text in (
        (lambda: sparse.mm(a, x[:3]), "shapes"), (lambda: sparse.mm(a, x.float()), "float32"),
        (lambda: a.values(), "coalesce"), (lambda: a.relu(), "to_dense"), (lambda: a.nonsense(), "neither|either"),
        (lambda: ag.sparse_coo_tensor([[0, 9], [0, 0]], [1.0, 2.0], (2, 2)), "within size"),
        (lambda: ag.sparse_coo_tensor([[0, 1]], [1.0]), "one for each"), (lambda: a * a, "to_dense"),
        (lambda: ag.sparse_coo_tensor([[0.5]], [1.0]), "integers"), (lambda: a.cuda(), "CPU only"),
        (lambda: a + a.t(), "same shape"), (lambda: sparse.mm(x, x), "must be sparse"),
        (lambda: ag.mm(a, x), "SparseTensor"),
    ):  # fmt: skip
        with pytest.raises((RuntimeError, TypeError, AttributeError), match=text):
            call()
