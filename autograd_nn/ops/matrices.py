"""Functions of matrices: determinants, powers, exponentials, norms, ranks, chains of products."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ..engine import primitive, wrap
from ..typing import Array, Dims, DTypeLike, Gradients, Shape, Tensor
from . import distance
from .decompositions import eigvalsh, svdvals
from .elementwise import abs, add, div, gt, lt, mul, sub, where
from .linalg import _matmul, matmul
from .reduce import amax, amin, sum
from .scan import cumprod
from .shape import (
    broadcast_to,
    cat,
    movedim,
    narrow,
    normalized_dim,
    normalized_dims,
    reshape,
    squeeze,
    to_dtype,
    unsqueeze,
)
from .solving import _inv, _inv_info, check_matrices, inv, tolerances, transposed

__all__ = ["cond", "det", "logdet", "matrix_exp", "matrix_norm", "matrix_power", "matrix_rank", "multi_dot", "norm",
           "slogdet", "vander", "vecdot", "vector_norm"]  # fmt: skip

# ------------------------------------------------------------------------------------ determinants


@primitive(complex=True)
def _det(x: Array) -> Array:
    return np.asarray(np.linalg.det(x))


@primitive(complex=True)
def _cofactors(x: Array) -> Array:
    """Return ``det(x) inv(x).mT``, which singular matrices have too, from singular values."""
    if x.shape[-1] == 0:
        return np.zeros_like(x)
    if not np.isfinite(x).all():
        return np.full_like(x, np.nan)
    U, S, Vh = np.linalg.svd(x)
    sign = (np.linalg.det(U) * np.linalg.det(Vh))[..., None]
    if x.dtype.kind == "c":
        U, Vh = U.conj(), Vh.conj()
    else:
        sign = np.rint(sign)
    others = np.ones_like(S)
    for i in range(S.shape[-1]):
        others[..., i] = np.delete(S, i, -1).prod(-1)
    out: Array = (U * (sign * others).astype(x.dtype)[..., None, :]) @ Vh
    return out


def _scaled(g: Tensor, matrices: Tensor) -> Tensor:
    return mul(unsqueeze(unsqueeze(g, -1), -1), matrices)


def _cofactors_input(g: Tensor, x: Tensor, out: Tensor) -> Tensor:
    flipped = transposed(_inv(x))
    along = sum(mul(g, out), (-2, -1))
    return sub(_scaled(along, flipped), _matmul(_matmul(out, transposed(g)), flipped))


_det.defvjp(x=lambda g, x: _scaled(g, _cofactors(x)))
_cofactors.defvjp(x=_cofactors_input)


def det(A: Tensor) -> Tensor:
    """Return the determinant of a square matrix, or of each matrix of a batch.

    The gradient is ``g`` times the cofactors, ``det(A) * inv(A).mT``, computed from singular values so that it is right
    for singular matrices too; its own gradient needs an inverse.

    Parameters
    ----------
    A : Tensor of shape (..., n, n)

    Returns
    -------
    Tensor of shape (...)

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.det(ag.tensor([[2.0, 1.0], [0.0, 3.0]])).item()
    6.0
    """
    check_matrices("det", "A", A, square=True)
    return _det(A)


@primitive(results="logarithm sign", complex=True)
def _slogdet(x: Array) -> tuple[Array, Array]:
    sign, logarithm = np.linalg.slogdet(x)
    return np.asarray(logarithm), np.asarray(sign)


@_slogdet.defvjps
def _slogdet_rule(g: Tensor | None, g_sign: Tensor | None, sign: Tensor, x: Tensor) -> Gradients:
    if g_sign is not None and x.dtype.kind == "c":  # the sign turns by the imaginary part of d log det
        turned = mul(mul(g_sign, sign).imag, 1j)
        g = turned if g is None else add(g, turned)
    if g is None:  # the sign of a real matrix is constant nearby
        return (mul(x, 0.0),)
    return (_scaled(g, transposed(_inv_info(x)[0])),)


class Slogdet(NamedTuple):
    """What `slogdet` returns."""

    sign: Tensor
    logabsdet: Tensor


def slogdet(A: Tensor) -> Slogdet:
    """Return the sign of the determinant (-1, 0 or 1) and the logarithm of its size, which does not overflow.

    The gradient of the logarithm is ``g * inv(A).mT``, NaN for a singular matrix (logarithm -inf); that of the sign is
    0.

    Parameters
    ----------
    A : Tensor of shape (..., n, n)

    Examples
    --------
    >>> import autograd_nn as ag
    >>> sign, logabsdet = ag.slogdet(ag.tensor([[-1.0, 0.0], [0.0, 1.0]]))
    >>> sign.item(), logabsdet.item()
    (-1.0, 0.0)
    """
    check_matrices("slogdet", "A", A, square=True)
    logarithm, sign = _slogdet(A)
    return Slogdet(sign, logarithm)


def logdet(A: Tensor) -> Tensor:
    """Return the logarithm of the determinant: -inf for 0, NaN for negative ones; the gradient is ``g * inv(A).mT``.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.logdet(ag.eye(3)).item()
    0.0
    """
    check_matrices("logdet", "A", A, square=True)
    logarithm, sign = _slogdet(A)
    if A.dtype.kind == "c":
        return add(logarithm, mul(sign.angle(), 1j))
    return where(lt(sign, 0), math.nan, logarithm)


# ------------------------------------------------------------------------------------ powers, exponentials, chains


def matrix_power(A: Tensor, n: int) -> Tensor:
    """Return square matrices to the power of an integer, by repeated squaring; a negative power inverts first.

    Parameters
    ----------
    A : Tensor of shape (..., m, m)
    n : int

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.matrix_power(ag.tensor([[1.0, 1.0], [0.0, 1.0]]), 5).tolist()
    [[1.0, 5.0], [0.0, 1.0]]
    """
    check_matrices("matrix_power", "A", A, square=True)
    if n == 0:
        return broadcast_to(wrap(np.eye(A.array.shape[-1], dtype=A.dtype)), A.array.shape).clone()
    square = inv(A) if n < 0 else A
    out, n = None, int(math.fabs(n))
    while n:
        if n & 1:
            out = square if out is None else _matmul(out, square)
        n >>= 1
        if n:
            square = _matmul(square, square)
    assert out is not None
    return out


# Padé approximants of exp by degree: the largest 1-norm for double precision, and the coefficients (N. Higham, "The
# scaling and squaring method for the matrix exponential revisited", SIAM J. Matrix Anal. Appl. 26, 2005).
LARGEST_NORM = {3: 1.495585217958292e-2, 5: 2.539398330063230e-1, 7: 9.504178996162932e-1, 9: 2.097847961257068,
                13: 5.371920351148152}  # fmt: skip


def _coefficients(degree: int) -> list[float]:
    f = math.factorial
    return [f(2 * degree - j) * f(degree) / (f(2 * degree) * f(j) * f(degree - j)) for j in range(degree + 1)]


def _exponential(x: Array) -> Array:
    """Return exp of one matrix of float64 or complex128."""
    size = np.abs(x).sum(0).max(initial=0.0)
    if not np.isfinite(size):
        return np.full_like(x, np.nan)
    degree = next((d for d, most in LARGEST_NORM.items() if size <= most), 13)
    halvings = max(0, math.ceil(math.log2(size / LARGEST_NORM[13]))) if degree == 13 else 0
    x = x / 2.0**halvings
    b = _coefficients(degree)
    square, power = x @ x, np.eye(len(x))
    even, odd = b[0] * power, b[1] * power
    for j in range(2, degree, 2):
        power = power @ square
        even, odd = even + b[j] * power, odd + b[j + 1] * power
    odd = x @ odd
    out = np.linalg.solve(even - odd, even + odd)
    for _ in range(halvings):
        out = out @ out
    return out


@primitive(complex=True)
def _matrix_exp(x: Array) -> Array:
    out = np.empty_like(x)
    for place in np.ndindex(*x.shape[:-2]):
        out[place] = _exponential(x[place].astype(np.complex128 if x.dtype.kind == "c" else np.float64))
    return out


def _matrix_exp_input(g: Tensor, x: Tensor) -> Tensor:
    """Return the upper right block of exp of ``[[x.mT, g], [0, x.mT]]``: the derivative of exp along `g`."""
    n, flipped = x.array.shape[-1], transposed(x)
    blocks = cat([cat([flipped, g], -1), cat([mul(g, 0.0), flipped], -1)], -2)
    return narrow(narrow(_matrix_exp(blocks), -2, 0, n), -1, n, n)


_matrix_exp.defvjp(x=_matrix_exp_input)


def matrix_exp(A: Tensor) -> Tensor:
    """Return the exponential of square matrices, ``I + A + A @ A / 2 + ...``, by scaling and squaring (Higham 2005).

    The gradient is the upper right block of the exponential of ``[[A.mT, g], [0, A.mT]]``.

    Parameters
    ----------
    A : Tensor of shape (..., n, n)

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.matrix_exp(ag.tensor([[0.0, 1.0], [0.0, 0.0]])).tolist()
    [[1.0, 1.0], [0.0, 1.0]]
    """
    check_matrices("matrix_exp", "A", A, square=True)
    return _matrix_exp(A)


def _best_order(sizes: Sequence[int]) -> dict[tuple[int, int], int]:
    """Return where to cut each chain i..j of matrices (sizes[i], sizes[i + 1]) for the fewest multiplications."""
    count = len(sizes) - 1
    cost = {(i, i): 0 for i in range(count)}
    cuts = {}
    for length in range(1, count):
        for i in range(count - length):
            j = i + length
            cost[i, j], cuts[i, j] = min(
                (cost[i, k] + cost[k + 1, j] + sizes[i] * sizes[k + 1] * sizes[j + 1], k) for k in range(i, j)
            )
    return cuts


def multi_dot(tensors: Sequence[Tensor]) -> Tensor:
    """Return the product of a chain of matrices, in the order that needs the fewest multiplications.

    Parameters
    ----------
    tensors : sequence of Tensor
        At least two matrices; the first and the last may be vectors.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.linalg.multi_dot([ag.ones(2, 3), ag.ones(3, 4), ag.ones(4)]).tolist()
    [12.0, 12.0]
    """
    chain = list(tensors)
    if len(chain) < 2:
        raise RuntimeError(f"multi_dot(): expects at least two tensors, got {len(chain)}")
    row, column = chain[0].ndim == 1, chain[-1].ndim == 1
    if row:
        chain[0] = unsqueeze(chain[0], 0)
    if column:
        chain[-1] = unsqueeze(chain[-1], 1)
    shapes = [x.array.shape for x in chain]
    if any(len(shape) != 2 for shape in shapes) or any(a[1] != b[0] for a, b in itertools.pairwise(shapes)):
        raise RuntimeError(f"multi_dot(): expects matrices that fit, and vectors at the ends only (shapes={shapes})")
    cuts = _best_order([shapes[0][0], *(shape[1] for shape in shapes)])

    def product(i: int, j: int) -> Tensor:
        return chain[i] if i == j else matmul(product(i, cuts[i, j]), product(cuts[i, j] + 1, j))

    out = product(0, len(chain) - 1)
    return squeeze(squeeze(out, 1) if column else out, 0) if row else squeeze(out, 1) if column else out


# ------------------------------------------------------------------------------------ norms


def _as_float(operation: str, x: Tensor, dtype: DTypeLike | None) -> Tensor:
    x = x if dtype is None else to_dtype(x, dtype)
    if x.dtype.kind not in "fc":
        raise RuntimeError(f"{operation}(): expects a floating-point tensor (dtype={x.dtype})")
    return x


def vector_norm(
    x: Tensor, ord: float = 2, dim: Dims = None, keepdim: bool = False, *, dtype: DTypeLike | None = None
) -> Tensor:
    """Return ``sum(abs(x)**ord) ** (1 / ord)`` over some dims, all of them for None.

    The gradient at 0 is 0; ties of the largest (``ord=inf``) or smallest (``-inf``) element share it evenly.

    Parameters
    ----------
    x : Tensor
    ord : float, inf or -inf
        0 counts the elements that are not 0.
    dim : int or tuple of int, optional
    keepdim : bool
    dtype : NumPy dtype, optional
        What `x` is converted to first.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.linalg.vector_norm(ag.tensor([3.0, 4.0])).item()
    5.0
    """
    x = _as_float("vector_norm", x, dtype)
    if isinstance(ord, str):
        raise RuntimeError(f"vector_norm(): ord must be a number (ord={ord!r})")
    return distance.norm(x, ord, dim, keepdim)


def _to_the_end(operation: str, A: Tensor, dim: Any) -> tuple[Tensor, Shape]:
    """Return `A` with two dims moved to its end, and their numbers."""
    dims = normalized_dims(tuple(dim), A.ndim, operation) if isinstance(dim, tuple | list) else ()
    if len(dims) != 2:
        raise RuntimeError(f"{operation}(): dim must be two dims (dim={dim})")
    return movedim(A, dims, (-2, -1)), dims


def matrix_norm(
    A: Tensor, ord: float | str = "fro", dim: Any = (-2, -1), keepdim: bool = False, *, dtype: DTypeLike | None = None
) -> Tensor:
    """Return a norm of matrices.

    Gradients are those of what a norm is made of: `svdvals` for 2, -2 and 'nuc', and for 1 and infinity sums of sizes,
    the largest of which share it if they are equal.

    Parameters
    ----------
    A : Tensor of shape (..., m, n)
    ord : {'fro', 'nuc', inf, -inf, 1, -1, 2, -2}
        Root of the sum of squares; sum of the singular values; largest and smallest sum of sizes along a row, along a
        column; largest and smallest singular value.
    dim : (int, int)
    keepdim : bool
    dtype : NumPy dtype, optional

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.linalg.matrix_norm(ag.tensor([[3.0, 0.0], [0.0, 4.0]]), "nuc").item()
    7.0
    """
    A = _as_float("matrix_norm", A, dtype)
    if A.ndim < 2:
        raise RuntimeError(f"matrix_norm(): A must be a matrix or a batch of them (A.shape={A.shape})")
    moved, dims = _to_the_end("matrix_norm", A, dim)
    if ord == "fro":
        return distance.norm(A, 2, dims, keepdim)
    if ord == "nuc":
        return distance.norm(A, "nuc", dims, keepdim)
    if ord in (2, -2):
        out = (amax if ord == 2 else amin)(svdvals(moved), -1)
    elif ord in (1, -1, math.inf, -math.inf):
        sums = sum(abs(moved), -2 if math.fabs(ord) == 1 else -1)
        out = (amax if ord > 0 else amin)(sums, -1)
    else:
        raise RuntimeError(f"matrix_norm(): ord must be 'fro', 'nuc', inf, -inf, 1, -1, 2 or -2 (ord={ord!r})")
    return reshape(out, [1 if i in dims else n for i, n in enumerate(A.array.shape)]) if keepdim else out


def norm(
    A: Tensor,
    ord: float | str | None = None,
    dim: Dims = None,
    keepdim: bool = False,
    *,
    dtype: DTypeLike | None = None,
) -> Tensor:
    """Return the norm of vectors or matrices.

    Parameters
    ----------
    A : Tensor
    ord : number, 'fro' or 'nuc', optional
        As in `vector_norm` or `matrix_norm`; by default the root of the sum of squares over `dim`.
    dim : int or (int, int), optional
        One dim: `vector_norm`; two: `matrix_norm`. None with an `ord`: the dims of `A`, of which there is one or two.
    keepdim : bool
    dtype : NumPy dtype, optional

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.linalg.norm(ag.tensor([[3.0, 0.0], [0.0, 4.0]])).item()
    5.0
    """
    if ord is None:
        return vector_norm(A, 2, dim, keepdim, dtype=dtype)
    if dim is None:
        if A.ndim not in (1, 2):
            raise RuntimeError(f"norm(): dim must be given for more than 2 dims and an ord (A.shape={A.shape}, "
                               f"ord={ord!r})")
        dim = tuple(range(A.ndim))
    if isinstance(dim, int) or len(dim) == 1:
        return vector_norm(A, ord, dim, keepdim, dtype=dtype)  # type: ignore[arg-type]
    return matrix_norm(A, ord, dim, keepdim, dtype=dtype)


def cond(A: Tensor, p: float | str | None = None) -> Tensor:
    """Return the condition number ``norm(A) * norm(inv(A))``; the gradient follows from `matrix_norm` and `inv`.

    Parameters
    ----------
    A : Tensor of shape (..., m, n)
        Square unless `p` is None, 2 or -2.
    p : as `ord` of `matrix_norm`, optional
        For None or 2 the largest singular value over the smallest, for -2 the smallest over the largest.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.linalg.cond(ag.tensor([[4.0, 0.0], [0.0, 2.0]])).item()
    2.0
    """
    check_matrices("cond", "A", A, square=p not in (None, 2, -2))
    if p in (None, 2, -2):
        values = svdvals(A)
        largest, smallest = (squeeze(narrow(values, -1, i, 1), -1) for i in (0, values.array.shape[-1] - 1))
        return div(smallest, largest) if p == -2 else div(largest, smallest)
    inverse, info = _inv_info(A)
    out = mul(matrix_norm(A, p), matrix_norm(inverse, p))
    return where(gt(info, 0), math.inf, out)


@primitive
def _rank(values: Array, *, atol: float, rtol: float) -> Array:
    largest = values.max(-1, keepdims=True, initial=0)
    return np.asarray(np.count_nonzero(values > np.maximum(atol, rtol * largest), -1))


def matrix_rank(
    A: Tensor,
    tol: float | None = None,
    hermitian: bool = False,
    *,
    atol: float | None = None,
    rtol: float | None = None,
) -> Tensor:
    """Return how many singular values are larger than ``max(atol, rtol * largest)``, as int64; without a gradient.

    Parameters
    ----------
    A : Tensor of shape (..., m, n)
    tol, atol : float, optional
    hermitian : bool
        Whether `A` is symmetric; then only its lower triangle is read.
    rtol : float, optional
        By default ``max(m, n)`` times the dtype's eps, or 0 if `atol` is given.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.linalg.matrix_rank(ag.ones(3, 3)).item()
    1
    """
    check_matrices("matrix_rank", "A", A, square=hermitian)
    values = abs(eigvalsh(A)) if hermitian else svdvals(A)
    return _rank(values, **tolerances("matrix_rank", A, tol if atol is None else atol, rtol))


# ------------------------------------------------------------------------------------ vectors


def vecdot(x: Tensor, y: Tensor, *, dim: int = -1) -> Tensor:
    """Return the inner products of vectors along a dim, of `x` the conjugates; the two are broadcast together.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.linalg.vecdot(ag.tensor([1.0, 2.0]), ag.tensor([[3.0, 4.0]])).tolist()
    [11.0]
    """
    product = mul(x.conj(), y)
    return sum(product, normalized_dim(dim, product.ndim, "vecdot"))


def vander(x: Tensor, N: int | None = None) -> Tensor:
    """Return the matrices whose column j is ``x**j``.

    Parameters
    ----------
    x : Tensor of shape (..., n)
    N : int, optional
        How many columns; by default n.

    Returns
    -------
    Tensor of shape (..., n, N)

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.linalg.vander(ag.tensor([2.0, 3.0]), 3).tolist()
    [[1.0, 2.0, 4.0], [1.0, 3.0, 9.0]]
    """
    if x.ndim == 0:
        raise RuntimeError(f"vander(): x must have at least one dim (x.shape={x.shape})")
    count = x.array.shape[-1] if N is None else N
    if count < 1:
        raise RuntimeError(f"vander(): N must be positive (N={N})")
    ones = wrap(np.ones((*x.array.shape, 1), x.dtype))
    if count == 1:
        return ones
    powers = broadcast_to(unsqueeze(x, -1), (*x.array.shape, count - 1))
    return cat([ones, cumprod(powers, -1)], -1)
