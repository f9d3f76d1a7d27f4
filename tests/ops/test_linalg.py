"""Linear algebra beyond the table: sizes of several blocks, batches, and matrices without an inverse."""

import math

import numpy as np
import pytest

import autograd_nn as ag
from autograd_nn import Tensor, linalg

rng = np.random.default_rng(5)


def normal(*shape, dtype=np.float64):
    return Tensor(rng.standard_normal(shape).astype(dtype))


@pytest.mark.parametrize("shape", [(100, 100), (2, 70, 130), (130, 70), (0, 3), (3, 0), (1, 1)])
def test_lu_of_several_blocks_multiplies_to_the_matrix(shape):
    A = normal(*shape)
    P, L, U = linalg.lu(A)
    np.testing.assert_allclose((P @ L @ U).array, A.array, atol=1e-12)
    assert np.abs(L.array).max(initial=0) <= 1  # the largest element is the pivot
    assert not np.tril(U.array, -1).any()


@pytest.mark.parametrize("upper", [False, True])
def test_triangular_systems_of_several_blocks(upper):
    A, B = normal(2, 120, 120) + 12 * ag.eye(120, dtype=ag.float64), normal(120, 3)
    X = linalg.solve_triangular(A, B, upper=upper)
    triangle = A.triu() if upper else A.tril()
    np.testing.assert_allclose((triangle @ X).array, np.broadcast_to(B.array, (2, 120, 3)), atol=1e-9)


def test_a_zero_on_the_diagonal_gives_infinity():
    assert linalg.solve_triangular(ag.zeros(1, 1), ag.ones(1, 1), upper=True).item() == math.inf


def test_one_singular_matrix_of_a_batch():
    A = Tensor(np.stack([np.eye(2), np.ones((2, 2)), 2 * np.eye(2)]), requires_grad=True)
    inverse, info = linalg.inv_ex(A)
    assert info.tolist() == [0, 1, 0] and info.dtype == np.int32
    assert np.isnan(inverse.array[1]).all() and np.array_equal(inverse.array[2], np.eye(2) / 2)
    sign, logarithm = ag.slogdet(A)
    assert sign.tolist() == [1, 0, 1] and logarithm.tolist() == [0, -math.inf, pytest.approx(math.log(4))]
    logarithm.sum().backward()
    assert np.isnan(A.grad.array[1]).all() and np.array_equal(A.grad.array[2], np.eye(2) / 2)
    assert linalg.cond(A.detach(), 1).tolist() == [1, math.inf, 1]
    with pytest.raises(linalg.LinAlgError, match=r"inv\(\): singular matrix"):
        linalg.inv(A)


def test_the_gradient_of_a_singular_determinant_is_the_matrix_of_cofactors():
    A = Tensor(np.ones((2, 2)), requires_grad=True)
    ag.det(A).backward()
    np.testing.assert_allclose(A.grad.array, [[1, -1], [-1, 1]], atol=1e-12)


def test_logdet_of_a_negative_determinant_is_nan():
    assert math.isnan(ag.logdet(Tensor([[-1.0]])).item())


def test_a_batch_of_cholesky_says_which_minor_fails():
    A = np.stack([np.eye(3), np.diag([1.0, -1, 1]), np.diag([-1.0, 1, 1])])
    L, info = linalg.cholesky_ex(Tensor(A))
    assert info.tolist() == [0, 2, 1]
    assert np.isnan(L.array[1:]).all() and np.array_equal(L.array[0], np.eye(3))
    with pytest.raises(linalg.LinAlgError, match=r"cholesky_ex\(\): matrix is not positive definite"):
        linalg.cholesky_ex(Tensor(A), check_errors=True)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_singular_values_that_repeat_have_a_gradient():
    A = ag.eye(3, requires_grad=True)
    linalg.svdvals(A).sum().backward()
    np.testing.assert_allclose(A.grad.array, np.eye(3), atol=1e-6)
    U = linalg.svd(A).U
    U.sum().backward()
    assert not np.isfinite(A.grad.array).all()  # vectors have none


def test_the_complete_decomposition_of_a_tall_matrix_has_no_gradient():
    Q, R = linalg.qr(Tensor(np.ones((3, 2)), requires_grad=True), "complete")
    assert Q.shape == (3, 3) and R.shape == (3, 2)
    with pytest.raises(RuntimeError, match="use mode 'reduced'"):
        R.sum().backward()


@pytest.mark.parametrize("scale", [1e-3, 0.1, 0.5, 1.5, 4, 40])
def test_exponential_of_a_rotation(scale):
    """Of each degree of approximation, and with halvings."""
    out = ag.matrix_exp(Tensor(np.array([[0, -scale], [scale, 0.0]]))).array
    c, s = math.cos(scale), math.sin(scale)
    np.testing.assert_allclose(out, [[c, -s], [s, c]], atol=1e-13 * max(1, scale))


def test_exponential_of_what_is_not_finite():
    assert np.isnan(ag.matrix_exp(Tensor([[[math.inf, 0], [0, 1.0]], [[0, 0], [0, 0.0]]])).array[0]).all()


@pytest.mark.parametrize("shape", [(0, 0), (2, 0, 0), (0, 3, 3)])
def test_no_elements(shape):
    A = ag.zeros(*shape, requires_grad=True)
    assert linalg.inv(A).shape == linalg.cholesky(A).shape == ag.matrix_exp(A).shape == A.shape
    assert ag.det(A).shape == shape[:-2] and (ag.det(A).array == 1).all()
    assert linalg.svdvals(A).shape == shape[:-1]
    assert linalg.pinv(ag.zeros(*shape[:-1], 2)).shape == (*shape[:-2], 2, shape[-2])


def test_ranks():
    A = Tensor(np.stack([np.ones((3, 3)), np.eye(3), np.zeros((3, 3))]))
    assert linalg.matrix_rank(A).tolist() == linalg.matrix_rank(A, hermitian=True).tolist() == [1, 3, 0]
    assert linalg.matrix_rank(A, atol=2).tolist() == [1, 0, 0]


def test_the_cheapest_order_of_products_is_taken():
    """10 x 1000 x 2 x 1000: from the left 2 x 20000 multiplications, from the right 12 million."""
    made = []

    def note(proceed, primitive, inputs, settings):
        made.append(primitive.name)
        out = proceed(*inputs, **settings)
        assert primitive.name != "matmul" or out.array.shape != (1000, 1000)
        return out

    with ag.engine.listen(note):
        linalg.multi_dot([ag.ones(10, 1000), ag.ones(1000, 2), ag.ones(2, 1000)])
    assert made.count("matmul") == 2


def test_older_names_keep_their_results():
    A = normal(4, 2)
    U, S, V = ag.svd(A)
    np.testing.assert_allclose((U * S @ V.mT).array, A.array, atol=1e-12)
    assert ag.svd(A, compute_uv=False).U.shape == (4, 4) and not ag.svd(A, compute_uv=False).U.any()
    np.testing.assert_allclose(ag.cholesky(A.mT @ A, upper=True).array, ag.linalg.cholesky(A.mT @ A).mT.array)
    assert ag.chain_matmul(A) is A
