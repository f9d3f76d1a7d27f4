"""Linear algebra under PyTorch's names: ``linalg.solve``, ``linalg.svd``, ``linalg.norm`` ..."""

from __future__ import annotations

from ..engine import LinAlgError
from ..ops.decompositions import (
    cholesky,
    cholesky_ex,
    eigh,
    eigvalsh,
    lu,
    lu_factor,
    lu_factor_ex,
    lu_solve,
    qr,
    svd,
    svdvals,
)
from ..ops.linalg import matmul
from ..ops.matrices import (
    cond,
    det,
    matrix_exp,
    matrix_norm,
    matrix_power,
    matrix_rank,
    multi_dot,
    norm,
    slogdet,
    vander,
    vecdot,
    vector_norm,
)
from ..ops.products import cross
from ..ops.shape import diagonal as _diagonal
from ..ops.solving import inv, inv_ex, lstsq, pinv, solve, solve_ex, solve_triangular, tensorinv, tensorsolve
from ..typing import Tensor

__all__ = ["LinAlgError", "cholesky", "cholesky_ex", "cond", "cross", "det", "diagonal", "eigh", "eigvalsh", "inv",
           "inv_ex", "lstsq", "lu", "lu_factor", "lu_factor_ex", "lu_solve", "matmul", "matrix_exp", "matrix_norm",
           "matrix_power", "matrix_rank", "multi_dot", "norm", "pinv", "qr", "slogdet", "solve", "solve_ex",
           "solve_triangular", "svd", "svdvals", "tensorinv", "tensorsolve", "vander", "vecdot",
           "vector_norm"]  # fmt: skip


def diagonal(A: Tensor, *, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
    """Return a diagonal of matrices, as the last dim of a view; `ops.shape.diagonal` of the last two dims.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.linalg.diagonal(ag.eye(2)).tolist()
    [1.0, 1.0]
    """
    return _diagonal(A, offset, dim1, dim2)
