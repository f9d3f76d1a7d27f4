"""Linear algebra outside of ``linalg``: PyTorch's older names, in their order of results and with their settings."""

from __future__ import annotations

from typing import NamedTuple

from ..ops import decompositions, solving
from ..ops.matrices import multi_dot
from ..typing import Tensor

__all__ = ["chain_matmul", "cholesky", "inverse", "lu", "lu_solve", "pinverse", "qr", "svd", "triangular_solve"]


def cholesky(input: Tensor, upper: bool = False) -> Tensor:
    """Return the Cholesky factor of positive definite matrices (see `linalg.cholesky`).

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.cholesky(ag.tensor([[4.0, 2.0], [2.0, 2.0]]))
    tensor([[2., 0.],
            [1., 1.]])
    """
    return decompositions.cholesky(input, upper=upper)


def inverse(input: Tensor) -> Tensor:
    """Return the inverse of square matrices (see `linalg.inv`).

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.inverse(ag.tensor([[2.0, 0.0], [0.0, 4.0]]))
    tensor([[0.5 , 0.  ],
            [0.  , 0.25]])
    """
    return solving.inv(input)


def lu(A: Tensor, pivot: bool = True, get_infos: bool = False) -> tuple[Tensor, ...]:
    """Return L and U in one matrix, and the rows that were exchanged (see `linalg.lu_factor`).

    With `get_infos` also, as int32, the place of the first pivot that is 0, counted from 1, or 0.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> packed, pivots = ag.lu(ag.tensor([[1.0, 2.0], [2.0, 2.0]]))
    >>> packed.tolist(), pivots.tolist()
    ([[2.0, 2.0], [0.5, 1.0]], [2, 2])
    """
    found = decompositions.lu_factor_ex(A, pivot=pivot)
    return (found.LU, found.pivots, found.info) if get_infos else (found.LU, found.pivots)


def pinverse(input: Tensor, rcond: float = 1e-15) -> Tensor:
    """Return the pseudo-inverse (see `linalg.pinv`).

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.pinverse(ag.ones(2, 3)).shape
    (3, 2)
    """
    return solving.pinv(input, rcond)


def qr(input: Tensor, some: bool = True) -> decompositions.QR:
    """Return the QR decomposition, reduced if `some`, else complete (see `linalg.qr`).

    Examples
    --------
    >>> import autograd_nn as ag
    >>> q, r = ag.qr(ag.tensor([[3.0, 1.0], [4.0, 2.0]]))
    >>> ag.allclose(q @ r, ag.tensor([[3.0, 1.0], [4.0, 2.0]]), atol=1e-5)
    True
    """
    return decompositions.qr(input, "reduced" if some else "complete")


class SVD(NamedTuple):
    """What `svd` returns."""

    U: Tensor
    S: Tensor
    V: Tensor


def svd(input: Tensor, some: bool = True, compute_uv: bool = True) -> SVD:
    """Return the singular value decomposition ``input = U @ diag(S) @ V.mT`` (`linalg.svd` returns ``V.mT``).

    Parameters
    ----------
    input : Tensor of shape (..., m, n)
    some : bool
        Whether `U` and `V` have ``min(m, n)`` columns only.
    compute_uv : bool
        False gives zeros for `U` and `V`.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> u, s, v = ag.svd(ag.tensor([[3.0, 0.0], [0.0, 2.0]]))
    >>> s
    tensor([3., 2.])
    """
    U, S, Vh = decompositions.svd(input, not some)
    if not compute_uv:
        m, n = input.shape[-2:]
        return SVD(input.new_zeros(*input.shape[:-2], m, m), decompositions.svdvals(input),
                   input.new_zeros(*input.shape[:-2], n, n))
    return SVD(U, S, Vh.mT)


def lu_solve(b: Tensor, LU_data: Tensor, LU_pivots: Tensor) -> Tensor:
    """Return the X with ``A @ X = b`` given what `linalg.lu_factor` returns of `A` (see `linalg.lu_solve`).

    Examples
    --------
    >>> import autograd_nn as ag
    >>> A = ag.tensor([[2.0, 1.0], [1.0, 3.0]])
    >>> LU, pivots = ag.linalg.lu_factor(A)
    >>> ag.lu_solve(ag.tensor([[3.0], [4.0]]), LU, pivots)
    tensor([[1.],
            [1.]])
    """
    return decompositions.lu_solve(LU_data, LU_pivots, b)


class TriangularSolution(NamedTuple):
    """What `triangular_solve` returns."""

    solution: Tensor
    cloned_coefficient: Tensor


def triangular_solve(
    b: Tensor, A: Tensor, upper: bool = True, transpose: bool = False, unitriangular: bool = False
) -> TriangularSolution:
    """Return the X with ``A @ X = b``, and a copy of `A` (see `linalg.solve_triangular`).

    Examples
    --------
    >>> import autograd_nn as ag
    >>> A = ag.tensor([[2.0, 1.0], [0.0, 4.0]])
    >>> ag.triangular_solve(ag.tensor([[4.0], [8.0]]), A)[0]
    tensor([[1.],
            [2.]])
    """
    matrix, upper = (A.mT, not upper) if transpose else (A, upper)
    return TriangularSolution(solving.solve_triangular(matrix, b, upper=upper, unitriangular=unitriangular), A.clone())


def chain_matmul(*matrices: Tensor) -> Tensor:
    """Return the product of a chain of matrices (see `linalg.multi_dot`).

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.chain_matmul(ag.ones(2, 3), ag.ones(3, 4), ag.ones(4, 1)).shape
    (2, 1)
    """
    return multi_dot(matrices) if len(matrices) > 1 else matrices[0]
