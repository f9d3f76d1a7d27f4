"""Decompositions of matrices: Cholesky, QR, eigenvalues, singular values, LU.

LAPACK does the work, through NumPy (LU is our own). Where eigenvalues or singular values repeat, vectors are not
unique and their gradients are infinite or NaN, as in PyTorch; first gradients of the values alone are always finite.
Formulas: M. Giles (see `solving`); M. Seeger et al., "Auto-differentiating linear algebra", arXiv:1710.08717; J.
Townsend, "Differentiating the singular value decomposition", 2016; S. Walter and L. Lehmann, "Algorithmic
differentiation of linear algebra functions", arXiv:1001.1654.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from ..engine import note_read, primitive, wrap
from ..typing import Array, Gradients, Number, Tensor
from .elementwise import add, div, masked_fill, mul, sub
from .linalg import _matmul
from .shape import cat, diag_embed, narrow, tril, triu, unsqueeze
from .solving import (
    _solve_triangular,
    check_matrices,
    check_same_dtype,
    finite,
    solve_triangular,
    transposed,
)

__all__ = ["cholesky", "cholesky_ex", "eigh", "eigvalsh", "lu", "lu_factor", "lu_factor_ex", "lu_solve", "qr", "svd",
           "svdvals"]  # fmt: skip


def _eye(size: int) -> Array:
    return np.eye(size, dtype=bool)


def _diagonal_set(x: Tensor, value: Number) -> Tensor:
    """Return square matrices with a number on the diagonal."""
    return masked_fill(x, _eye(x.array.shape[-1]), value)


def _columns_divided(x: Tensor, triangle: Tensor) -> Tensor:
    """Return ``x @ inv(triangle).mT`` of an upper triangle."""
    return transposed(_solve_triangular(triangle, transposed(x), upper=True, unit=False))


# ------------------------------------------------------------------------------------ Cholesky


@primitive
def _cholesky(x: Array) -> Array:
    return np.linalg.cholesky(x)


def _cholesky_input(g: Tensor, out: Tensor) -> Tensor:
    flipped = transposed(out)
    half = tril(_matmul(flipped, g))
    half = sub(half, mul(masked_fill(half, ~_eye(half.array.shape[-1]), 0.0), 0.5))
    inner = _solve_triangular(flipped, half, upper=True, unit=False)
    whole = _solve_triangular(flipped, transposed(inner), upper=True, unit=False)
    return mul(add(whole, transposed(whole)), 0.5)


_cholesky.defvjp(x=_cholesky_input)


@primitive(results="L info")
def _cholesky_info(x: Array) -> tuple[Array, Array]:
    """Return factors, NaN if a matrix has none, and the order of the first leading minor that is not positive."""
    info = np.zeros(x.shape[:-2], np.int32)
    try:
        return np.linalg.cholesky(x), info
    except np.linalg.LinAlgError:
        out = np.full_like(x, np.nan)
    for place in np.ndindex(info.shape):
        low, high = 0, x.shape[-1] + 1  # orders that have a factor, and that have none
        while high - low > 1:
            order = (low + high) // 2
            try:
                np.linalg.cholesky(x[place][:order, :order])
                low = order
            except np.linalg.LinAlgError:
                high = order
        if low == x.shape[-1]:
            out[place] = np.linalg.cholesky(x[place])
        else:
            info[place] = high
    return out, info


@_cholesky_info.defvjps
def _cholesky_info_rule(g: Tensor, L: Tensor) -> Gradients:
    return (_cholesky_input(g, L),)


def cholesky(A: Tensor, *, upper: bool = False) -> Tensor:
    """Return the Cholesky factor L of a positive definite matrix, ``A = L @ L.mT``, or ``L.mT`` if `upper`.

    Only the lower triangle of `A` is read. The gradient is symmetric: with ``P`` the lower triangle of ``L.mT @ g``,
    its diagonal halved, and ``S = inv(L).mT @ P @ inv(L)`` it is ``(S + S.mT) / 2``.

    Parameters
    ----------
    A : Tensor of shape (..., n, n)
    upper : bool

    Raises
    ------
    LinAlgError
        A matrix that is not positive definite.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.linalg.cholesky(ag.tensor([[4.0, 2.0], [2.0, 2.0]])).tolist()
    [[2.0, 0.0], [1.0, 1.0]]
    """
    check_matrices("cholesky", "A", A, square=True)
    out = _cholesky(A)
    return transposed(out) if upper else out


class CholeskyEx(NamedTuple):
    """What `cholesky_ex` returns."""

    L: Tensor
    info: Tensor


def cholesky_ex(A: Tensor, *, upper: bool = False, check_errors: bool = False) -> CholeskyEx:
    """Return Cholesky factors and, as int32, 0 where there is one; else NaN and the order of the minor that is not.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.linalg.cholesky_ex(ag.tensor([[1.0, 0.0], [0.0, -1.0]])).info.item()
    2
    """
    check_matrices("cholesky_ex", "A", A, square=True)
    if check_errors:
        out, info = _cholesky(A), wrap(np.zeros(A.array.shape[:-2], np.int32))
    else:
        out, info = _cholesky_info(A)
    return CholeskyEx(transposed(out) if upper else out, info)


# ------------------------------------------------------------------------------------ QR


@primitive(results="Q R")
def _qr(x: Array, *, complete: bool) -> tuple[Array, Array]:
    q, r = np.linalg.qr(x, mode="complete" if complete else "reduced")
    return q, r


def _square_qr_input(g_Q: Tensor | None, g_R: Tensor | None, Q: Tensor, R: Tensor) -> Tensor:
    """Return the gradient of the QR decomposition of matrices that are square or tall."""
    M = None if g_R is None else _matmul(R, transposed(g_R))
    if g_Q is not None:
        from_Q = _matmul(transposed(g_Q), Q)
        M = sub(0, from_Q) if M is None else sub(M, from_Q)
    assert M is not None
    whole = _matmul(Q, add(tril(M), transposed(tril(M, -1))))
    return _columns_divided(whole if g_Q is None else add(g_Q, whole), R)


@_qr.defvjps
def _qr_rule(g: Tensor | None, g_R: Tensor | None, Q: Tensor, R: Tensor, complete: bool) -> Gradients:
    m, n = Q.array.shape[-2], R.array.shape[-1]
    if complete and m > n:
        raise RuntimeError(f"qr(): mode 'complete' has no gradient for more rows than columns (A has {m} rows and {n} "
                           "columns); use mode 'reduced'")
    if m >= n:
        return (_square_qr_input(g, g_R, Q, R),)
    first, rest = narrow(R, -1, 0, m), narrow(R, -1, m, n - m)  # A = Q [first, rest]
    g_first = g_rest = None
    if g_R is not None:
        g_first, g_rest = narrow(g_R, -1, 0, m), narrow(g_R, -1, m, n - m)
        through = _matmul(_matmul(Q, rest), transposed(g_rest))
        g = through if g is None else add(g, through)
    left = _square_qr_input(g, g_first, Q, first)
    right = mul(_matmul(Q, rest), 0.0) if g_rest is None else _matmul(Q, g_rest)
    return (cat([left, right], -1),)


class QR(NamedTuple):
    """What `qr` returns."""

    Q: Tensor
    R: Tensor


def qr(A: Tensor, mode: str = "reduced") -> QR:
    """Return Q with orthonormal columns and R upper triangular, ``A = Q @ R``.

    With ``M = R @ g_R.mT - g_Q.mT @ Q`` the gradient is ``(g_Q + Q @ (tril(M) + tril(M, -1).mT)) @ inv(R).mT``. It is
    defined if the first ``min(m, n)`` columns are independent.

    Parameters
    ----------
    A : Tensor of shape (..., m, n)
    mode : {'reduced', 'complete', 'r'}
        'reduced': Q of shape (..., m, k) and R of shape (..., k, n), ``k = min(m, n)``; 'complete': (..., m, m) and
        (..., m, n), without a gradient if ``m > n``; 'r': R of 'reduced', and an empty Q.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> Q, R = ag.linalg.qr(ag.tensor([[3.0, 1.0], [4.0, 2.0]]))
    >>> (Q @ R).round(decimals=4).tolist()
    [[3.0, 1.0], [4.0, 2.0]]
    """
    if mode not in ("reduced", "complete", "r"):
        raise RuntimeError(f"qr(): mode must be 'reduced', 'complete' or 'r' (mode={mode!r})")
    check_matrices("qr", "A", A)
    Q, R = _qr(A, complete=mode == "complete")
    return QR(wrap(np.zeros(0, A.dtype)) if mode == "r" else Q, R)


# ------------------------------------------------------------------------------------ eigenvalues


@primitive(results="values vectors")
def _eigh(x: Array, *, upper: bool) -> tuple[Array, Array]:
    values, vectors = np.linalg.eigh(finite(x), "U" if upper else "L")
    return values, vectors


@_eigh.defvjps
def _eigh_rule(g: Tensor | None, g_vectors: Tensor | None, values: Tensor, vectors: Tensor) -> Gradients:
    inner = None if g is None else diag_embed(g)
    if g_vectors is not None:
        gaps = _diagonal_set(sub(unsqueeze(values, -2), unsqueeze(values, -1)), 1.0)
        turns = _diagonal_set(div(_matmul(transposed(vectors), g_vectors), gaps), 0.0)
        inner = turns if inner is None else add(inner, turns)
    assert inner is not None
    return (_matmul(_matmul(vectors, inner), transposed(vectors)),)


@primitive
def _eigvalsh(x: Array, *, upper: bool) -> Array:
    return np.linalg.eigvalsh(finite(x), "U" if upper else "L")


def _eigvalsh_input(g: Tensor, x: Tensor, upper: bool) -> Tensor:
    vectors = _eigh(x, upper=upper)[1]
    return _matmul(mul(vectors, unsqueeze(g, -2)), transposed(vectors))


_eigvalsh.defvjp(x=_eigvalsh_input)


def _is_upper(operation: str, UPLO: str) -> bool:
    if UPLO.upper() not in ("L", "U"):
        raise RuntimeError(f"{operation}(): UPLO must be 'L' or 'U' (UPLO={UPLO!r})")
    return UPLO.upper() == "U"


class Eigh(NamedTuple):
    """What `eigh` returns."""

    eigenvalues: Tensor
    eigenvectors: Tensor


def eigh(A: Tensor, UPLO: str = "L") -> Eigh:
    """Return eigenvalues, ascending, and eigenvectors (columns) of symmetric matrices, ``A = V @ diag(w) @ V.mT``.

    The gradient is ``V @ (diag(g_w) + (V.mT @ g_V) / E) @ V.mT`` with ``E[i, j] = w[j] - w[i]``; the quotient is 0 on
    the diagonal. Eigenvectors have a sign that is not determined, and the loss should not depend on it.

    Parameters
    ----------
    A : Tensor of shape (..., n, n)
    UPLO : {'L', 'U'}
        Which triangle of `A` is read.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.linalg.eigh(ag.tensor([[2.0, 0.0], [0.0, 1.0]])).eigenvalues.tolist()
    [1.0, 2.0]
    """
    check_matrices("eigh", "A", A, square=True)
    return Eigh(*_eigh(A, upper=_is_upper("eigh", UPLO)))


def eigvalsh(A: Tensor, UPLO: str = "L") -> Tensor:
    """Return the eigenvalues of symmetric matrices, ascending; the gradient is ``V @ diag(g) @ V.mT`` (see `eigh`).

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.linalg.eigvalsh(ag.tensor([[2.0, 0.0], [0.0, 1.0]])).tolist()
    [1.0, 2.0]
    """
    check_matrices("eigvalsh", "A", A, square=True)
    return _eigvalsh(A, upper=_is_upper("eigvalsh", UPLO))


# ------------------------------------------------------------------------------------ singular values


@primitive(results="U S Vh")
def _svd(x: Array, *, full: bool) -> tuple[Array, Array, Array]:
    U, S, Vh = np.linalg.svd(finite(x), full_matrices=full)
    return U, S, Vh


def _skew(x: Tensor) -> Tensor:
    return sub(x, transposed(x))


@_svd.defvjps
def _svd_rule(
    g: Tensor | None, g_S: Tensor | None, g_Vh: Tensor | None, U: Tensor, S: Tensor, Vh: Tensor
) -> Gradients:
    m, n, k = U.array.shape[-2], Vh.array.shape[-1], S.array.shape[-1]
    U, Vh = narrow(U, -1, 0, k), narrow(Vh, -2, 0, k)  # what 'full' adds has no gradient
    inner = None if g_S is None else diag_embed(g_S)
    outer = None
    if g is not None or g_Vh is not None:
        squares = mul(S, S)
        gaps = _diagonal_set(sub(unsqueeze(squares, -2), unsqueeze(squares, -1)), 1.0)
        inverse = div(1.0, S)
    if g is not None:
        g_U = narrow(g, -1, 0, k)
        along = _matmul(transposed(U), g_U)
        turns = mul(div(_skew(along), gaps), unsqueeze(S, -2))
        inner = turns if inner is None else add(inner, turns)
        if m > k:
            across = mul(sub(g_U, _matmul(U, along)), unsqueeze(inverse, -2))
            outer = _matmul(across, Vh)
    if g_Vh is not None:
        g_V = transposed(narrow(g_Vh, -2, 0, k))
        along = _matmul(Vh, g_V)
        turns = mul(div(_skew(along), gaps), unsqueeze(S, -1))
        inner = turns if inner is None else add(inner, turns)
        if n > k:
            across = mul(sub(g_V, _matmul(transposed(Vh), along)), unsqueeze(inverse, -2))
            part = _matmul(U, transposed(across))
            outer = part if outer is None else add(outer, part)
    assert inner is not None
    whole = _matmul(_matmul(U, inner), Vh)
    return (whole if outer is None else add(whole, outer),)


@primitive
def _svdvals(x: Array) -> Array:
    return np.linalg.svd(finite(x), compute_uv=False)


def _svdvals_input(g: Tensor, x: Tensor) -> Tensor:
    U, _, Vh = _svd(x, full=False)
    return _matmul(mul(U, unsqueeze(g, -2)), Vh)


_svdvals.defvjp(x=_svdvals_input)


class SVD(NamedTuple):
    """What `svd` returns."""

    U: Tensor
    S: Tensor
    Vh: Tensor


def svd(A: Tensor, full_matrices: bool = True, *, driver: str | None = None) -> SVD:
    """Return singular values, descending, and singular vectors, ``A = U @ diag(S) @ Vh``.

    With ``E[i, j] = S[j]**2 - S[i]**2`` and ``skew(X) = X - X.mT`` the gradient is ``U @ (skew(U.mT @ g_U) / E @
    diag(S) + diag(S) @ skew(Vh @ g_V) / E + diag(g_S)) @ Vh``, and for more rows or columns than singular values the
    parts of ``g_U`` and ``g_V`` outside the spans of `U` and `Vh`, divided by `S`. Vectors have signs that are not
    determined, and the loss should not depend on them. Those that `full_matrices` adds have no gradient.

    Parameters
    ----------
    A : Tensor of shape (..., m, n)
    full_matrices : bool
        Whether `U` is (..., m, m) and `Vh` (..., n, n), or (..., m, k) and (..., k, n) with ``k = min(m, n)``.
    driver : optional
        PyTorch's choice for CUDA; must be None.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.linalg.svd(ag.tensor([[3.0, 0.0], [0.0, 4.0]])).S.tolist()
    [4.0, 3.0]
    """
    if driver is not None:
        raise RuntimeError(f"svd(): driver is for CUDA and must be None (driver={driver!r})")
    check_matrices("svd", "A", A)
    return SVD(*_svd(A, full=bool(full_matrices)))


def svdvals(A: Tensor, *, driver: str | None = None) -> Tensor:
    """Return the singular values of matrices, descending; the gradient is ``U @ diag(g) @ Vh`` (see `svd`).

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.linalg.svdvals(ag.tensor([[3.0, 0.0], [0.0, 4.0]])).tolist()
    [4.0, 3.0]
    """
    if driver is not None:
        raise RuntimeError(f"svdvals(): driver is for CUDA and must be None (driver={driver!r})")
    check_matrices("svdvals", "A", A)
    return _svdvals(A)


# ------------------------------------------------------------------------------------ LU

BLOCK = 32  # columns that are eliminated one by one before the others follow in a matrix product


@primitive(results="packed pivots info")
def _lu(x: Array) -> tuple[Array, Array, Array]:
    """Return L and U in one matrix, rows exchanged (from 1), and the place of the first pivot that is 0 (or 0)."""
    m, n = x.shape[-2:]
    k = min(m, n)
    batch = x.shape[:-2]
    a = np.array(x, order="C").reshape(math.prod(batch), m, n)
    every = np.arange(len(a))
    pivots, info = np.zeros((len(a), k), np.int32), np.zeros(len(a), np.int32)
    for start in range(0, k, BLOCK):
        stop = min(start + BLOCK, k)
        for j in range(start, stop):
            row = j + np.abs(a[:, j:, j]).argmax(1)
            pivots[:, j] = row + 1
            taken = a[every, row]
            a[every, row] = a[:, j]
            a[:, j] = taken
            at_zero = a[:, j, j] == 0
            info[at_zero & (info == 0)] = j + 1
            a[:, j + 1 :, j] /= np.where(at_zero, 1, a[:, j, j])[:, None]
            a[:, j + 1 :, j + 1 : stop] -= a[:, j + 1 :, j, None] * a[:, j, None, j + 1 : stop]
        if stop < n:
            for i in range(start + 1, stop):
                a[:, i : i + 1, stop:] -= a[:, i : i + 1, start:i] @ a[:, start:i, stop:]
            a[:, stop:, stop:] -= a[:, stop:, start:stop] @ a[:, start:stop, stop:]
    return a.reshape(x.shape), pivots.reshape(*batch, k), info.reshape(batch)


@primitive(complex=True)
def _permutation(pivots: Array, *, size: int, dtype: np.dtype[np.floating]) -> Array:
    """Return the matrices P with ``A = P @ L @ U`` for rows exchanged one after the other."""
    count = math.prod(pivots.shape[:-1])
    rows = np.tile(np.arange(size), (count, 1))
    every = np.arange(count)
    for j, other in enumerate(pivots.reshape(count, pivots.shape[-1]).T - 1):
        taken = rows[every, other]
        rows[every, other] = rows[:, j]
        rows[:, j] = taken
    out = np.zeros((count, size, size), dtype)
    np.put_along_axis(out, rows[:, None, :], 1, 1)
    return out.reshape(*pivots.shape[:-1], size, size)


def _unpacked(packed: Tensor) -> tuple[Tensor, Tensor]:
    """Return L and U."""
    m, n = packed.array.shape[-2:]
    k = min(m, n)
    lower = add(tril(narrow(packed, -1, 0, k), -1), np.eye(m, k, dtype=packed.dtype))
    return lower, triu(narrow(packed, -2, 0, k))


@_lu.defvjps
def _lu_rule(g: Tensor | None, packed: Tensor, pivots: Tensor) -> Gradients:
    if g is None:
        return (None,)
    m, n = packed.array.shape[-2:]
    k = min(m, n)
    L, U = _unpacked(packed)
    g_L, g_U = tril(narrow(g, -1, 0, k), -1), triu(narrow(g, -2, 0, k))
    L1, U1 = narrow(L, -2, 0, k), narrow(U, -1, 0, k)
    g_L1, g_U1 = narrow(g_L, -2, 0, k), narrow(g_U, -1, 0, k)
    flipped = transposed(L1)
    edge = None
    if m > k:  # A2 = L2 @ U
        edge = _columns_divided(narrow(g_L, -2, k, m - k), U1)
        g_U1 = sub(g_U1, _matmul(transposed(narrow(L, -2, k, m - k)), edge))
    if n > k:  # A2 = L @ U2
        edge = _solve_triangular(flipped, narrow(g_U, -1, k, n - k), upper=True, unit=True)
        g_L1 = sub(g_L1, _matmul(edge, transposed(narrow(U, -1, k, n - k))))
    inner = add(tril(_matmul(flipped, g_L1), -1), triu(_matmul(g_U1, transposed(U1))))
    out = _columns_divided(_solve_triangular(flipped, inner, upper=True, unit=True), U1)
    if edge is not None:
        out = cat([out, edge], -2 if m > k else -1)
    return (_matmul(_permutation(pivots, size=m, dtype=packed.dtype), out),)


class LU(NamedTuple):
    """What `lu` returns."""

    P: Tensor
    L: Tensor
    U: Tensor


def _check_pivot(operation: str, pivot: bool) -> None:
    if not pivot:
        raise RuntimeError(f"{operation}(): pivot must be True on the CPU (pivot={pivot})")


def lu(A: Tensor, *, pivot: bool = True) -> LU:
    """Return a permutation P, L lower triangular with ones on its diagonal, and U upper triangular, ``A = P @ L @ U``.

    For square `A` the gradient is ``P @ inv(L).mT @ (tril(L.mT @ g_L, -1) + triu(g_U @ U.mT)) @ inv(U).mT``. The
    largest element of a column is its pivot, the first among equals.

    Parameters
    ----------
    A : Tensor of shape (..., m, n)
    pivot : bool
        Must be True, as in PyTorch on the CPU.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> P, L, U = ag.linalg.lu(ag.tensor([[1.0, 2.0], [2.0, 2.0]]))
    >>> L.tolist(), U.tolist()
    ([[1.0, 0.0], [0.5, 1.0]], [[2.0, 2.0], [0.0, 1.0]])
    """
    check_matrices("lu", "A", A)
    _check_pivot("lu", pivot)
    packed, pivots, _ = _lu(A)
    return LU(_permutation(pivots, size=A.array.shape[-2], dtype=A.dtype), *_unpacked(packed))


class LUFactor(NamedTuple):
    """What `lu_factor` returns."""

    LU: Tensor
    pivots: Tensor


class LUFactorEx(NamedTuple):
    """What `lu_factor_ex` returns."""

    LU: Tensor
    pivots: Tensor
    info: Tensor


def lu_factor_ex(A: Tensor, *, pivot: bool = True, check_errors: bool = False) -> LUFactorEx:
    """Return what `lu_factor` does, and as int32 the place of the first pivot that is 0, counted from 1, or 0.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.linalg.lu_factor_ex(ag.ones(2, 2)).info.item()
    2
    """
    check_matrices("lu_factor_ex", "A", A)
    _check_pivot("lu_factor_ex", pivot)
    packed, pivots, info = _lu(A)
    if check_errors:
        note_read(info, "lu_factor_ex()")
    if check_errors and info.array.any():
        raise RuntimeError(f"lu_factor_ex(): pivot {info.array.max()} of a matrix is 0")
    return LUFactorEx(packed, pivots, info)


def lu_factor(A: Tensor, *, pivot: bool = True) -> LUFactor:
    """Return L, without its diagonal of ones, and U in one matrix, and the rows that were exchanged, for `lu_solve`.

    The gradient is that of `lu`.

    Parameters
    ----------
    A : Tensor of shape (..., m, n)
    pivot : bool

    Returns
    -------
    LU : Tensor of shape (..., m, n)
    pivots : Tensor of int32, of shape (..., min(m, n))
        Row i was exchanged with row ``pivots[i] - 1``.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.linalg.lu_factor(ag.tensor([[1.0, 2.0], [2.0, 2.0]])).LU.tolist()
    [[2.0, 2.0], [0.5, 1.0]]
    """
    check_matrices("lu_factor", "A", A)
    _check_pivot("lu_factor", pivot)
    packed, pivots, _ = _lu(A)
    return LUFactor(packed, pivots)


def lu_solve(LU: Tensor, pivots: Tensor, B: Tensor, *, left: bool = True, adjoint: bool = False) -> Tensor:
    """Return the X with ``A @ X = B`` given what `lu_factor` returns of `A`; gradients are those of its triangles.

    Parameters
    ----------
    LU : Tensor of shape (..., n, n)
    pivots : Tensor of shape (..., n)
    B : Tensor of shape (..., n, k)
    left : bool
        Whether `A` stands on the left of X.
    adjoint : bool
        Whether `A` is transposed, and conjugated.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> factors = ag.linalg.lu_factor(ag.tensor([[1.0, 2.0], [2.0, 2.0]]))
    >>> ag.linalg.lu_solve(*factors, ag.tensor([[3.0], [4.0]])).tolist()
    [[1.0], [1.0]]
    """
    check_matrices("lu_solve", "LU", LU, square=True)
    check_matrices("lu_solve", "B", B)
    check_same_dtype("lu_solve", LU=LU, B=B)
    if adjoint and LU.dtype.kind == "c":  # the transposed system, of conjugates
        return _lu_solved(LU, pivots, B.conj(), left, True).conj()
    return _lu_solved(LU, pivots, B, left, adjoint)


def _lu_solved(LU: Tensor, pivots: Tensor, B: Tensor, left: bool, flipped: bool) -> Tensor:
    L, U = _unpacked(LU)
    P = _permutation(pivots, size=LU.array.shape[-1], dtype=LU.dtype)
    if not left:
        return transposed(_lu_solved(LU, pivots, transposed(B), True, not flipped))
    if flipped:
        inner = solve_triangular(transposed(U), B, upper=False)
        return _matmul(P, solve_triangular(transposed(L), inner, upper=True, unitriangular=True))
    inner = solve_triangular(L, _matmul(transposed(P), B), upper=False, unitriangular=True)
    return solve_triangular(U, inner, upper=True)
