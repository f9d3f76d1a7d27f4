"""Linear systems: inverse, solve, triangular systems, pseudo-inverse, least squares.

LAPACK does the work, through NumPy. Rules are written with the operations themselves, so that they can be
differentiated again. Formulas: M. Giles, "An extended collection of matrix derivative results for forward and reverse
mode algorithmic differentiation", Oxford 2008.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..engine import Node, dtypes_apart, note_read, primitive, wrap
from ..typing import Array, Gradients, Shape, Tensor
from .elementwise import neg, sub
from .linalg import _matmul
from .reduce import sum
from .shape import reshape, sum_to_size, transpose, tril, triu, unsqueeze

__all__ = ["cholesky_inverse", "cholesky_solve", "inv", "inv_ex", "lstsq", "pinv", "solve", "solve_ex",
           "solve_triangular", "tensorinv", "tensorsolve"]  # fmt: skip


def check_matrices(operation: str, name: str, x: Tensor, *, square: bool = False) -> None:
    """Raise unless `x` is a matrix, or a batch of them, of floating-point or complex numbers."""
    if x.ndim < 2:
        raise RuntimeError(f"{operation}(): {name} must be a matrix or a batch of them ({name}.shape={x.shape})")
    if x.dtype.kind not in "fc":
        raise RuntimeError(f"{operation}(): expects a floating-point tensor ({name}.dtype={x.dtype})")
    if square and x.array.shape[-1] != x.array.shape[-2]:
        raise RuntimeError(f"{operation}(): {name} must be a square matrix or a batch of them ({name}.shape={x.shape})")


def check_same_dtype(operation: str, **given: Tensor) -> None:
    """Raise unless all tensors have one dtype."""
    if len({x.dtype for x in given.values()}) > 1:
        raise dtypes_apart(operation, "", **{name: x.dtype for name, x in given.items()})


def transposed(x: Tensor) -> Tensor:
    """Return matrices with rows and columns exchanged."""
    return transpose(x, -1, -2)


def _batch(operation: str, first: Shape, second: Shape) -> Shape:
    """Return the common batch shape of two shapes of matrices."""
    try:
        return np.broadcast_shapes(first[:-2], second[:-2])
    except ValueError:
        raise RuntimeError(f"{operation}(): batch dims do not broadcast (A.shape={first}, B.shape={second})") from None


# ------------------------------------------------------------------------------------ inverse


@primitive(results="inverse info", complex=True)
def _inv_info(x: Array) -> tuple[Array, Array]:
    """Return inverses, NaN if a matrix is singular, and per matrix whether it is."""
    try:
        return np.linalg.inv(x), np.zeros(x.shape[:-2], np.int32)
    except np.linalg.LinAlgError:
        out, info = np.full_like(x, np.nan), np.ones(x.shape[:-2], np.int32)
    for place in np.ndindex(info.shape):
        try:
            out[place] = np.linalg.inv(x[place])
            info[place] = 0
        except np.linalg.LinAlgError:
            pass
    return out, info


@_inv_info.defvjps
def _inv_info_rule(g: Tensor, inverse: Tensor) -> Gradients:
    return (_inv_input(g, inverse),)


def _inv_input(g: Tensor, out: Tensor) -> Tensor:
    flipped = transposed(out)
    return neg(_matmul(_matmul(flipped, g), flipped))


@primitive(complex=True)
def _inv(x: Array) -> Array:
    return np.linalg.inv(x)


_inv.defvjp(x=_inv_input)


def inv(A: Tensor) -> Tensor:
    """Return the inverse of a matrix, or of each matrix of a batch.

    The gradient is ``-out.mT @ g @ out.mT``. To multiply by an inverse, `solve` is faster and more exact.

    Parameters
    ----------
    A : Tensor of shape (..., n, n)

    Raises
    ------
    LinAlgError
        A singular matrix.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.linalg.inv(ag.tensor([[2.0, 0.0], [0.0, 4.0]])).tolist()
    [[0.5, 0.0], [0.0, 0.25]]
    """
    check_matrices("inv", "A", A, square=True)
    return _inv(A)


class InvEx(NamedTuple):
    """What `inv_ex` returns."""

    inverse: Tensor
    info: Tensor


def inv_ex(A: Tensor, *, check_errors: bool = False) -> InvEx:
    """Return inverses and, as int32, 0 where a matrix has one; a singular matrix gives NaN and 1.

    Parameters
    ----------
    A : Tensor of shape (..., n, n)
    check_errors : bool
        Raise LinAlgError for a singular matrix, as `inv` does.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.linalg.inv_ex(ag.zeros(2, 2)).info.item()
    1
    """
    check_matrices("inv_ex", "A", A, square=True)
    if check_errors:
        return InvEx(_inv(A), wrap(np.zeros(A.array.shape[:-2], np.int32)))
    return InvEx(*_inv_info(A))


# ------------------------------------------------------------------------------------ solve


@primitive(complex=True)
def _solve(a: Array, b: Array) -> Array:
    """Return X with ``a @ X = b``; batches are broadcast."""
    return np.linalg.solve(a, b)


@_solve.defvjps
def _solve_rule(g: Tensor, out: Tensor, a: Tensor, b_like: Node, needs: tuple[bool, ...]) -> Gradients:
    g_b = _solve(transposed(a), g)
    g_a = sum_to_size(neg(_matmul(g_b, transposed(out))), a.array.shape) if needs[0] else None
    return g_a, sum_to_size(g_b, b_like.shape) if needs[1] else None


def _holds_vectors(A: Tensor, B: Tensor) -> bool:
    """Return whether `B` is one vector, or one per matrix of `A`."""
    return B.ndim == 1 or (B.ndim == A.ndim - 1 and B.array.shape == A.array.shape[:-1])


def _solved(operation: str, A: Tensor, B: Tensor, left: bool) -> Tensor:
    check_matrices(operation, "A", A, square=True)
    check_same_dtype(operation, A=A, B=B)
    if B.ndim == 0:
        raise RuntimeError(f"{operation}(): B must have at least one dim (B.shape={B.shape})")
    if _holds_vectors(A, B):
        if not left:
            raise RuntimeError(f"{operation}(): left=False needs matrices B (A.shape={A.shape}, B.shape={B.shape})")
        if B.array.shape[-1] != A.array.shape[-1]:
            raise RuntimeError(f"{operation}(): A and B do not fit (A.shape={A.shape}, B.shape={B.shape})")
        out = _solve(A, unsqueeze(B, -1))
        return reshape(out, out.array.shape[:-1])
    if B.array.shape[-2 if left else -1] != A.array.shape[-1]:
        raise RuntimeError(f"{operation}(): A and B do not fit (A.shape={A.shape}, B.shape={B.shape}, left={left})")
    _batch(operation, A.array.shape, B.array.shape)
    return _solve(A, B) if left else transposed(_solve(transposed(A), transposed(B)))


def solve(A: Tensor, B: Tensor, *, left: bool = True) -> Tensor:
    """Return the X with ``A @ X = B``, or ``X @ A = B`` with ``left=False``.

    The gradients are ``G = solve(A.mT, g)`` of `B` and ``-G @ X.mT`` of `A`.

    Parameters
    ----------
    A : Tensor of shape (..., n, n)
    B : Tensor of shape (..., n, k), (n,), or (..., n) with the batch dims of `A`
        Batch dims of matrices are broadcast.
    left : bool

    Raises
    ------
    LinAlgError
        A singular matrix.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.linalg.solve(ag.tensor([[2.0, 0.0], [0.0, 4.0]]), ag.tensor([2.0, 2.0])).tolist()
    [1.0, 0.5]
    """
    return _solved("solve", A, B, left)


class SolveEx(NamedTuple):
    """What `solve_ex` returns."""

    result: Tensor
    info: Tensor


def solve_ex(A: Tensor, B: Tensor, *, left: bool = True, check_errors: bool = False) -> SolveEx:
    """Return what `solve` does, and zeros of shape ``A.shape[:-2]``; a singular matrix raises LinAlgError.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.linalg.solve_ex(ag.eye(2), ag.ones(2)).result.tolist()
    [1.0, 1.0]
    """
    return SolveEx(_solved("solve_ex", A, B, left), wrap(np.zeros(A.array.shape[:-2], np.int32)))


def tensorinv(A: Tensor, ind: int = 2) -> Tensor:
    """Return the inverse of `A` as the matrix from its last dims to its first `ind` dims.

    Parameters
    ----------
    A : Tensor
        The sizes of its first `ind` dims and of the others have one product.
    ind : int

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.linalg.tensorinv(ag.eye(6).reshape(6, 2, 3), ind=1).shape
    (2, 3, 6)
    """
    if ind <= 0:
        raise RuntimeError(f"tensorinv(): ind must be positive (ind={ind})")
    first, last = A.array.shape[:ind], A.array.shape[ind:]
    n, m = int(np.prod(first)), int(np.prod(last))
    if n != m:
        raise RuntimeError(f"tensorinv(): the first {ind} dims need as many elements as the others (A.shape={A.shape})")
    return reshape(inv(reshape(A, (n, m))), (*last, *first))


def tensorsolve(A: Tensor, B: Tensor, dims: tuple[int, ...] | None = None) -> Tensor:
    """Return the X with ``tensordot(A, X, X.ndim) = B``.

    Parameters
    ----------
    A : Tensor
        Its first dims are those of `B`, its others those of the result.
    B : Tensor
    dims : tuple of int, optional
        Dims of `A` that are moved to its end first.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.linalg.tensorsolve(ag.eye(6).reshape(2, 3, 6), ag.ones(2, 3)).tolist()
    [1.0, 1.0, 1.0, 1.0, 1.0, 1.0]
    """
    if dims is not None:
        moved = [d % A.ndim for d in dims]
        A = A.permute(*[d for d in range(A.ndim) if d not in moved], *moved)
    shape = A.array.shape[B.ndim :]
    size = int(np.prod(shape))
    if size != B.numel() or A.numel() != size * size:
        raise RuntimeError("tensorsolve(): the dims of A beyond those of B need as many elements as B "
                           f"(A.shape={A.shape}, B.shape={B.shape})")
    return reshape(solve(reshape(A, (size, size)), reshape(B, (size,))), shape)


# ------------------------------------------------------------------------------------ triangular systems

BLOCK = 48  # rows that are solved one by one; the others are updated by a matrix product


@primitive(complex=True)
def _solve_triangular(a: Array, b: Array, *, upper: bool, unit: bool) -> Array:
    """Return X with ``a @ X = b``, reading one triangle of `a`; division by 0 gives infinities and NaN."""
    n = a.shape[-1]
    out = np.array(np.broadcast_to(b, (*np.broadcast_shapes(a.shape[:-2], b.shape[:-2]), *b.shape[-2:])), order="C")
    starts = range(0, n, BLOCK)
    with np.errstate(divide="ignore", invalid="ignore"):
        for start in reversed(starts) if upper else starts:
            stop = min(start + BLOCK, n)
            known = slice(stop, n) if upper else slice(0, start)
            out[..., start:stop, :] -= a[..., start:stop, known] @ out[..., known, :]
            for i in range(stop - 1, start - 1, -1) if upper else range(start, stop):
                near = slice(i + 1, stop) if upper else slice(start, i)
                out[..., i : i + 1, :] -= a[..., i : i + 1, near] @ out[..., near, :]
                if not unit:
                    out[..., i, :] /= a[..., i, i, None]
    return out


@_solve_triangular.defvjps
def _solve_triangular_rule(
    g: Tensor, out: Tensor, a: Tensor, b_like: Node, upper: bool, unit: bool, needs: tuple[bool, ...]
) -> Gradients:
    g_b = _solve_triangular(transposed(a), g, upper=not upper, unit=unit)
    g_a = None
    if needs[0]:
        whole = sum_to_size(neg(_matmul(g_b, transposed(out))), a.array.shape)
        g_a = triu(whole, int(unit)) if upper else tril(whole, -int(unit))
    return g_a, sum_to_size(g_b, b_like.shape) if needs[1] else None


def solve_triangular(
    A: Tensor, B: Tensor, *, upper: bool, left: bool = True, unitriangular: bool = False
) -> Tensor:
    """Return the X with ``A @ X = B`` (``X @ A = B`` with ``left=False``) for triangular `A`, by substitution.

    The other triangle of `A` is not read and has no gradient. The gradients are those of `solve`, of `A` its triangle.

    Parameters
    ----------
    A : Tensor of shape (..., n, n)
    B : Tensor of shape (..., n, k)
        Batch dims are broadcast.
    upper : bool
        Which triangle `A` is.
    left : bool
    unitriangular : bool
        Whether the diagonal counts as ones and is not read. Otherwise a 0 on it gives infinities or NaN.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.linalg.solve_triangular(ag.tensor([[2.0, 0.0], [1.0, 1.0]]), ag.tensor([[2.0], [3.0]]), upper=False).tolist()
    [[1.0], [2.0]]
    """
    check_matrices("solve_triangular", "A", A, square=True)
    check_matrices("solve_triangular", "B", B)
    check_same_dtype("solve_triangular", A=A, B=B)
    if B.array.shape[-2 if left else -1] != A.array.shape[-1]:
        raise RuntimeError(f"solve_triangular(): A and B do not fit (A.shape={A.shape}, B.shape={B.shape}, "
                           f"left={left})")
    _batch("solve_triangular", A.array.shape, B.array.shape)
    if left:
        return _solve_triangular(A, B, upper=bool(upper), unit=bool(unitriangular))
    return transposed(_solve_triangular(transposed(A), transposed(B), upper=not upper, unit=bool(unitriangular)))


def cholesky_solve(B: Tensor, L: Tensor, upper: bool = False) -> Tensor:
    """Return the X with ``A @ X = B`` given the Cholesky factor of `A`: ``A = L @ L.mT``, or ``L.mT @ L``.

    Parameters
    ----------
    B : Tensor of shape (..., n, k)
    L : Tensor of shape (..., n, n)
    upper : bool
        Whether the factor is upper triangular.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.cholesky_solve(ag.tensor([[4.0]]), ag.tensor([[2.0]])).tolist()
    [[1.0]]
    """
    check_matrices("cholesky_solve", "L", L, square=True)
    check_matrices("cholesky_solve", "B", B)
    first, second = (L.mH, L) if upper else (L, L.mH)
    return solve_triangular(second, solve_triangular(first, B, upper=False), upper=True)


def cholesky_inverse(L: Tensor, upper: bool = False) -> Tensor:
    """Return the inverse of the matrix with this Cholesky factor.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.cholesky_inverse(ag.tensor([[2.0]])).tolist()
    [[0.25]]
    """
    check_matrices("cholesky_inverse", "L", L, square=True)
    return cholesky_solve(wrap(np.eye(L.array.shape[-1], dtype=L.dtype)), L, upper)


# ------------------------------------------------------------------------------------ pseudo-inverse, least squares


def finite(x: Array) -> Array:
    """Return `x`; raise if it holds NaN or infinity, on which LAPACK's iterations may never end."""
    if not np.isfinite(x).all():
        raise np.linalg.LinAlgError("the iteration cannot converge: a matrix contains NaN or infinity")
    return x


@primitive
def _pinv(x: Array, *, atol: float, rtol: float, hermitian: bool) -> Array:
    if x.size == 0:
        return np.zeros((*x.shape[:-2], x.shape[-1], x.shape[-2]), x.dtype)
    if hermitian:
        values, right = np.linalg.eigh(finite(x))
        left, sizes = right, np.abs(values)
    else:
        left, values, rows = np.linalg.svd(finite(x), full_matrices=False)
        right, sizes = rows.swapaxes(-1, -2), values
    kept = sizes > np.maximum(atol, rtol * sizes.max(-1, keepdims=True))
    inverse = np.where(kept, 1 / np.where(kept, values, 1), 0).astype(x.dtype)
    out: Array = (right * inverse[..., None, :]) @ left.swapaxes(-1, -2)
    return out


def _pinv_input(g: Tensor, x: Tensor, out: Tensor) -> Tensor:
    """Return the gradient of a pseudo-inverse, if the rank is the same nearby (Golub and Pereyra 1973)."""
    p, h = transposed(out), transposed(g)
    whole = neg(_matmul(_matmul(p, g), p))
    left = _matmul(_matmul(h, out), p)
    right = _matmul(_matmul(p, out), h)
    # (I - x out) left and right (I - out x)
    return whole + sub(left, _matmul(x, _matmul(out, left))) + sub(right, _matmul(_matmul(right, out), x))


_pinv.defvjp(x=_pinv_input)


def tolerances(
    operation: str, A: Tensor, atol: float | None, rtol: float | None, rcond: float | None = None
) -> dict[str, float]:
    """Return below which size singular values count as 0; by default relative, as many eps as `A` has rows."""
    rtol = rcond if rtol is None else rtol
    if rtol is None:
        rtol = 0.0 if atol else float(max(A.array.shape[-2:]) * np.finfo(A.dtype).eps)
    given = {"atol": float(atol or 0.0), "rtol": float(rtol)}
    if min(given.values()) < 0:
        raise ValueError(f"{operation}(): tolerances must not be negative (atol={atol}, rtol={rtol})")
    return given


def pinv(
    A: Tensor,
    rcond: float | None = None,
    hermitian: bool = False,
    *,
    atol: float | None = None,
    rtol: float | None = None,
) -> Tensor:
    """Return the Moore-Penrose pseudo-inverse.

    The gradient is that of Golub and Pereyra; it holds if matrices nearby have the same rank.

    Parameters
    ----------
    A : Tensor of shape (..., m, n)
    rcond, rtol : float, optional
        Singular values up to `rtol` times the largest count as 0; by default ``max(m, n)`` times the dtype's eps, or 0
        if `atol` is given.
    hermitian : bool
        Whether `A` is symmetric; then only its lower triangle is read.
    atol : float, optional
        Singular values up to it count as 0.

    Returns
    -------
    Tensor of shape (..., n, m)

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.linalg.pinv(ag.tensor([[2.0], [0.0]])).tolist()
    [[0.5, 0.0]]
    """
    check_matrices("pinv", "A", A, square=hermitian)
    return _pinv(A, hermitian=bool(hermitian), **tolerances("pinv", A, atol, rtol, rcond))


@primitive(results="solution rank values")
def _lstsq(a: Array, b: Array, *, rcond: float) -> tuple[Array, Array, Array]:
    """Return solutions of least norm, ranks and singular values, of batches of one shape."""
    m, n = a.shape[-2:]
    batch = a.shape[:-2]
    out = np.zeros((*batch, n, b.shape[-1]), a.dtype)
    rank, values = np.zeros(batch, np.int64), np.zeros((*batch, min(m, n)), a.dtype)
    for place in np.ndindex(*batch):
        out[place], _, rank[place], values[place] = np.linalg.lstsq(finite(a[place]), finite(b[place]), rcond)
    return out, rank, values


@primitive
def _binary_size(x: Array) -> Array:
    """Return the power of two next to the largest magnitude of each matrix, of shape (..., 1, 1); 1 for zeros."""
    largest = np.abs(x).max((-2, -1), keepdims=True, initial=0)
    out: Array = np.ldexp(np.ones_like(largest), np.frexp(largest)[1])
    return out


@_lstsq.defvjps
def _lstsq_rule(
    g: Tensor | None, a: Tensor, b: Tensor, rcond: float, needs: tuple[bool, ...]
) -> Gradients:
    if g is None:
        return None, None
    size = _binary_size(a)  # of a matrix of small elements the squares of the inverse leave the range
    a, g = a / size, g / size
    inverse = _pinv(a, atol=0.0, rtol=rcond, hermitian=False)
    g_a = _pinv_input(_matmul(g, transposed(b)), a, inverse) / size if needs[0] else None
    return g_a, _matmul(transposed(inverse), g) if needs[1] else None


class LeastSquares(NamedTuple):
    """What `lstsq` returns."""

    solution: Tensor
    residuals: Tensor
    rank: Tensor
    singular_values: Tensor


def lstsq(A: Tensor, B: Tensor, rcond: float | None = None, *, driver: str | None = None) -> LeastSquares:
    """Return the X of least norm that minimizes ``norm(A @ X - B)``, by singular value decomposition.

    The gradients of solution and residuals are those of ``pinv(A) @ B``.

    Parameters
    ----------
    A : Tensor of shape (..., m, n)
    B : Tensor of shape (..., m, k), or (..., m) with the batch dims of `A`
    rcond : float, optional
        Singular values up to `rcond` times the largest count as 0; by default ``max(m, n)`` times the dtype's eps.
    driver : {'gels', 'gelsy', 'gelsd', 'gelss'}, optional
        All give the same solution here; 'gelsy' (the default), 'gels' and 'gelsd' differ in what else is returned.

    Returns
    -------
    solution : Tensor of shape (..., n, k)
    residuals : Tensor of shape (..., k)
        Squared; empty for 'gelsy', and unless ``m > n`` and all ranks are n.
    rank : Tensor of int64
        Empty for 'gels'.
    singular_values : Tensor of shape (..., min(m, n))
        Without a gradient; empty but for 'gelsd' and 'gelss'.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> A = ag.tensor([[1.0, 0.0], [1.0, 1.0], [1.0, 2.0]])
    >>> ag.linalg.lstsq(A, ag.tensor([[1.0], [3.0], [5.0]])).solution.round(decimals=4).tolist()
    [[1.0], [2.0]]
    """
    if driver not in (None, "gels", "gelsy", "gelsd", "gelss"):
        raise RuntimeError(f"lstsq(): driver must be 'gels', 'gelsy', 'gelsd' or 'gelss' (driver={driver!r})")
    check_matrices("lstsq", "A", A)
    check_same_dtype("lstsq", A=A, B=B)
    vectors = B.ndim == A.ndim - 1
    columns = unsqueeze(B, -1) if vectors else B
    if columns.ndim < 2 or columns.array.shape[-2] != A.array.shape[-2]:
        raise RuntimeError(f"lstsq(): A and B need the same number of rows (A.shape={A.shape}, B.shape={B.shape})")
    m, n = A.array.shape[-2:]
    batch = _batch("lstsq", A.array.shape, columns.array.shape)
    A, columns = (x if x.array.shape[:-2] == batch else x.broadcast_to((*batch, *x.shape[-2:])) for x in (A, columns))
    tolerance = float(max(m, n) * np.finfo(A.dtype).eps) if rcond is None else float(rcond)
    out, rank, values = _lstsq(A, columns, rcond=tolerance)
    none: Any = wrap(np.zeros(0, A.dtype))
    residuals = none
    note_read(rank, "lstsq()")
    if m > n and driver not in (None, "gelsy") and (rank.array == n).all():
        residuals = sum((_matmul(A, out) - columns).square(), -2)
    return LeastSquares(
        reshape(out, out.array.shape[:-1]) if vectors else out,
        reshape(residuals, residuals.array.shape[:-1]) if vectors and residuals is not none else residuals,
        wrap(np.zeros(0, np.int64)) if driver == "gels" else rank,
        values.detach() if driver in ("gelsd", "gelss") else none,
    )
