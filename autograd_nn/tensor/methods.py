"""Operations as methods of a tensor."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..engine import Variable, note_read, wrap
from ..ops import (
    activation,
    arithmetic,
    complexes,
    discrete,
    distance,
    elementwise,
    fourier,
    joining,
    linalg,
    maths,
    matrices,
    placing,
    products,
    reduce,
    scan,
    scattering,
    slopes,
    solving,
    special,
    statistics,
)
from ..ops import index as indexing
from ..ops import shape as shapes
from ..ops.keywords import with_other_names
from ..typing import Tensor

__all__ = ["Methods"]


def _listed(values: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return ``f(2, 3)`` and ``f((2, 3))`` alike as (2, 3)."""
    return tuple(values[0]) if len(values) == 1 and isinstance(values[0], tuple | list) else values


class Methods(Variable):
    """The operations that have a method, by the names that PyTorch gives them."""

    __slots__ = ()

    # -------------------------------------------------------------------------------- elementwise

    add, sub, div, addcmul, addcdiv = (
        arithmetic.add, arithmetic.sub, arithmetic.div, arithmetic.addcmul, arithmetic.addcdiv
    )  # fmt: skip
    clamp_min, clamp_max = arithmetic.clamp_min, arithmetic.clamp_max

    def equal(self: Any, other: Tensor) -> bool:
        """Return whether the other tensor has the same shape and elements.

        Examples
        --------
        >>> import autograd_nn as ag
        >>> ag.equal(ag.tensor([1, 2]), ag.tensor([1, 2]))
        True
        """
        note_read(self, "equal()")
        note_read(other, "equal()")
        return bool(np.array_equal(self.array, other.array))

    def allclose(self: Any, other: Tensor, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> bool:
        """Return whether ``abs(self - other) <= atol + rtol * abs(other)`` everywhere.

        Examples
        --------
        >>> import autograd_nn as ag
        >>> ag.allclose(ag.tensor([1.0]), ag.tensor([1.0 + 1e-7]))
        True
        """
        note_read(self, "allclose()")
        note_read(other, "allclose()")
        try:
            return bool(np.allclose(self.array, other.array, rtol, atol, equal_nan))
        except ValueError:
            raise RuntimeError(f"allclose(): shapes cannot be broadcast together (x.shape={self.shape}, "
                               f"other.shape={other.shape})") from None

    mul, neg, pow, square, reciprocal = (
        elementwise.mul, elementwise.neg, elementwise.pow, elementwise.square, elementwise.reciprocal
    )  # fmt: skip
    remainder, fmod, floor_divide, lerp = (
        elementwise.remainder, elementwise.fmod, elementwise.floor_divide, elementwise.lerp
    )  # fmt: skip
    multiply, subtract, divide, negative, true_divide = mul, sub, div, neg, div
    arcsin, arccos, arctan, arctan2, arcsinh, arccosh, arctanh = (
        elementwise.asin, elementwise.acos, elementwise.atan, elementwise.atan2, elementwise.asinh, elementwise.acosh,
        elementwise.atanh,
    )  # fmt: skip
    not_equal, less, less_equal, greater, greater_equal = (
        elementwise.ne, elementwise.lt, elementwise.le, elementwise.gt, elementwise.ge
    )  # fmt: skip
    eq, ne, lt, le, gt, ge = (
        elementwise.eq, elementwise.ne, elementwise.lt, elementwise.le, elementwise.gt, elementwise.ge
    )  # fmt: skip
    isnan, isinf, isfinite, isclose = elementwise.isnan, elementwise.isinf, elementwise.isfinite, elementwise.isclose
    isneginf, isposinf, isreal, signbit = discrete.isneginf, discrete.isposinf, discrete.isreal, discrete.signbit
    gcd, lcm, heaviside, nextafter = discrete.gcd, discrete.lcm, discrete.heaviside, discrete.nextafter
    unique_consecutive = scan.unique_consecutive
    logical_and, logical_or, logical_xor, logical_not = (
        elementwise.logical_and, elementwise.logical_or, elementwise.logical_xor, elementwise.logical_not
    )  # fmt: skip
    bitwise_and, bitwise_or, bitwise_xor, bitwise_not = (
        elementwise.bitwise_and, elementwise.bitwise_or, elementwise.bitwise_xor, elementwise.bitwise_not
    )  # fmt: skip
    exp, expm1, log, log1p, log2, log10 = (
        elementwise.exp, elementwise.expm1, elementwise.log, elementwise.log1p, elementwise.log2, elementwise.log10
    )  # fmt: skip
    sqrt, rsqrt, erf, tanh, sigmoid, relu = (
        elementwise.sqrt, elementwise.rsqrt, elementwise.erf, elementwise.tanh, elementwise.sigmoid, elementwise.relu
    )  # fmt: skip
    sin, cos, tan, asin, acos, atan, atan2 = (
        elementwise.sin, elementwise.cos, elementwise.tan, elementwise.asin, elementwise.acos, elementwise.atan,
        elementwise.atan2,
    )  # fmt: skip
    sinh, cosh, asinh, acosh, atanh = (
        elementwise.sinh, elementwise.cosh, elementwise.asinh, elementwise.acosh, elementwise.atanh
    )  # fmt: skip
    abs, sign, floor, ceil, round, trunc, frac = (
        elementwise.abs, elementwise.sign, elementwise.floor, elementwise.ceil, elementwise.round, elementwise.trunc,
        elementwise.frac,
    )  # fmt: skip
    clamp = clip = elementwise.clamp
    absolute, fix, nan_to_num = abs, trunc, elementwise.nan_to_num
    maximum, minimum, fmax, fmin = elementwise.maximum, elementwise.minimum, elementwise.fmax, elementwise.fmin
    masked_fill, prelu, logsigmoid = elementwise.masked_fill, activation.prelu, activation.logsigmoid

    lgamma, digamma, erfc, erfinv, sinc, i0 = (
        special.lgamma, special.digamma, special.erfc, special.erfinv, special.sinc, special.i0
    )  # fmt: skip
    xlogy, hypot, copysign, float_power = special.xlogy, special.hypot, special.copysign, special.float_power
    frexp, ldexp, logaddexp2, mvlgamma = special.frexp, special.ldexp, special.logaddexp2, special.multigammaln
    igamma, igammac = special.gammainc, special.gammaincc

    def polygamma(self: Any, n: Any) -> Tensor:
        """Return derivative number `n` of `digamma`.

        Examples
        --------
        >>> import autograd_nn as ag
        >>> ag.tensor([1.0]).polygamma(1)
        tensor([1.6449])
        """
        return special.polygamma(n, self)

    angle, conj, conj_physical, sgn = complexes.angle, complexes.conj, complexes.conj_physical, complexes.sgn
    stft, istft = fourier.stft, fourier.istft
    resolve_conj, resolve_neg, is_conj, is_neg, adjoint = (
        complexes.resolve_conj, complexes.resolve_neg, complexes.is_conj, complexes.is_neg, complexes.adjoint
    )  # fmt: skip

    exp2, logit, logaddexp = maths.exp2, maths.logit, maths.logaddexp
    deg2rad, rad2deg, positive = maths.deg2rad, maths.rad2deg, maths.positive

    def where(self: Any, condition: Any, other: Any) -> Tensor:
        """Return the elements where the condition holds and those of `other` elsewhere.

        Examples
        --------
        >>> import autograd_nn as ag
        >>> x = ag.tensor([-1.0, 2.0])
        >>> x.where(x > 0, 0.0)
        tensor([0., 2.])
        """
        return elementwise.where(condition, self, other)

    # -------------------------------------------------------------------------------- reductions, along a dim

    sum, mean, var, std, prod = reduce.sum, reduce.mean, reduce.var, reduce.std, scan.prod
    amax, amin, max, min, argmax, argmin = (
        reduce.amax, reduce.amin, reduce.max, reduce.min, reduce.argmax, reduce.argmin
    )  # fmt: skip
    any, all, count_nonzero, norm = reduce.any, reduce.all, reduce.count_nonzero, distance.norm
    logsumexp, softmax, log_softmax = reduce.logsumexp, reduce.softmax, reduce.log_softmax
    cumsum, cumprod, logcumsumexp = scan.cumsum, scan.cumprod, scan.logcumsumexp
    cummax, cummin = scan.cummax, scan.cummin
    sort, argsort, topk, kthvalue, median = scan.sort, scan.argsort, scan.topk, scan.kthvalue, scan.median
    unique, bincount, histc = scan.unique, scan.bincount, scan.histc

    aminmax, nansum, nanmean = statistics.aminmax, statistics.nansum, statistics.nanmean
    quantile, diff, cov, corrcoef = statistics.quantile, statistics.diff, statistics.cov, statistics.corrcoef

    # -------------------------------------------------------------------------------- products

    matmul, mm, bmm, mv, dot, outer = linalg.matmul, linalg.mm, linalg.bmm, linalg.mv, linalg.dot, linalg.outer
    addmm, addmv, baddbmm, trace = linalg.addmm, linalg.addmv, linalg.baddbmm, linalg.trace
    ger = outer
    addbmm, addr, vdot = linalg.addbmm, linalg.addr, linalg.vdot
    det, logdet, slogdet = matrices.det, matrices.logdet, matrices.slogdet
    matrix_power, matrix_exp = matrices.matrix_power, matrices.matrix_exp
    inverse, cholesky_solve, cholesky_inverse = solving.inv, solving.cholesky_solve, solving.cholesky_inverse
    inner, kron, cross, dist = products.inner, products.kron, products.cross, products.dist

    # -------------------------------------------------------------------------------- indexing

    gather, scatter, scatter_add = indexing.gather, scattering.scatter, indexing.scatter_add
    scatter_reduce, index_reduce = scattering.scatter_reduce, scattering.index_reduce
    put, select_scatter, slice_scatter = placing.put, placing.select_scatter, placing.slice_scatter
    diagonal_scatter, diagflat, dsplit = placing.diagonal_scatter, placing.diagflat, placing.dsplit
    msort, mode, renorm = placing.msort, slopes.mode, slopes.renorm
    nanmedian, nanquantile = slopes.nanmedian, slopes.nanquantile
    masked_scatter, as_strided = scattering.masked_scatter, scattering.as_strided
    index_select, index_add, index_copy, index_fill = (
        indexing.index_select, indexing.index_add, indexing.index_copy, indexing.index_fill
    )  # fmt: skip
    take, take_along_dim, masked_select = indexing.take, indexing.take_along_dim, indexing.masked_select
    index_put = indexing.index_put
    nonzero = argwhere = indexing.nonzero

    # -------------------------------------------------------------------------------- shape

    flatten, squeeze, unsqueeze, narrow = shapes.flatten, shapes.squeeze, shapes.unsqueeze, shapes.narrow
    transpose, contiguous, clone = shapes.transpose, shapes.contiguous, shapes.clone
    swapaxes = swapdims = shapes.transpose
    movedim = moveaxis = shapes.movedim
    broadcast_to = shapes.broadcast_to
    split, chunk, unbind, select, unflatten = shapes.split, shapes.chunk, shapes.unbind, shapes.select, shapes.unflatten
    roll, repeat_interleave, tril, triu = shapes.roll, shapes.repeat_interleave, shapes.tril, shapes.triu
    t, ravel = joining.t, joining.ravel
    fliplr, flipud, rot90 = joining.fliplr, joining.flipud, joining.rot90
    tensor_split, hsplit, vsplit = joining.tensor_split, joining.hsplit, joining.vsplit
    diagonal, diag, diag_embed = shapes.diagonal, shapes.diag, shapes.diag_embed

    @with_other_names
    def flip(self: Any, *dims: Any) -> Tensor:
        """Return a view with the order along some dims reversed.

        Examples
        --------
        >>> import autograd_nn as ag
        >>> ag.tensor([[1, 2], [3, 4]]).flip(0)
        tensor([[3, 4],
                [1, 2]])
        """
        return shapes.flip(self, _listed(dims))

    def repeat(self: Any, *sizes: Any) -> Tensor:
        """Return the elements repeated along each dim.

        Examples
        --------
        >>> import autograd_nn as ag
        >>> ag.tensor([1, 2]).repeat(2, 2)
        tensor([[1, 2, 1, 2],
                [1, 2, 1, 2]])
        """
        return shapes.repeat(self, _listed(sizes))

    @with_other_names
    def tile(self: Any, *dims: Any) -> Tensor:
        """Return the elements repeated along the last dims.

        Examples
        --------
        >>> import autograd_nn as ag
        >>> ag.tensor([1, 2]).tile(2)
        tensor([1, 2, 1, 2])
        """
        return shapes.tile(self, _listed(dims))

    def reshape(self: Any, *sizes: Any) -> Tensor:
        """Return the elements in another shape (see `ops.shape.reshape`).

        Examples
        --------
        >>> import autograd_nn as ag
        >>> ag.arange(6).reshape(2, -1)
        tensor([[0, 1, 2],
                [3, 4, 5]])
        """
        return shapes.reshape(self, _listed(sizes))

    def view(self: Any, *sizes: Any) -> Tensor:
        """Return the elements in another shape, always sharing memory.

        Raises
        ------
        RuntimeError
            Where the strides do not allow it; `reshape` copies then.

        Examples
        --------
        >>> import autograd_nn as ag
        >>> ag.arange(6).view(2, 3)
        tensor([[0, 1, 2],
                [3, 4, 5]])
        >>> ag.arange(6).view(3, -1).shape
        (3, 2)
        """
        if len(sizes) == 1 and isinstance(sizes[0], np.dtype):
            raise RuntimeError(f"view(): a view as another dtype is not supported (dtype={sizes[0]}); convert with "
                               ".to()")
        out = shapes.reshape(self, _listed(sizes))
        if not self.array.flags.c_contiguous and out.array.size and not np.shares_memory(out.array, self.array):
            raise RuntimeError(f"view(): the strides of shape {self.shape} do not allow a view of shape "
                               f"{_listed(sizes)}; "
                               "use .reshape() or .contiguous()")
        return out

    def view_as(self: Any, other: Tensor) -> Tensor:
        """Return a view in the shape of `other`.

        Examples
        --------
        >>> import autograd_nn as ag
        >>> ag.arange(6).view_as(ag.zeros(3, 2)).shape
        (3, 2)
        """
        out: Tensor = self.view(other.shape)
        return out

    def reshape_as(self: Any, other: Tensor) -> Tensor:
        """Return the elements in the shape of `other`.

        Examples
        --------
        >>> import autograd_nn as ag
        >>> ag.arange(6).reshape_as(ag.zeros(3, 2)).shape
        (3, 2)
        """
        return shapes.reshape(self, other.shape)

    @with_other_names
    def permute(self: Any, *dims: Any) -> Tensor:
        """Return a view with the dims in another order.

        Examples
        --------
        >>> import autograd_nn as ag
        >>> ag.zeros(2, 3, 4).permute(2, 0, 1).shape
        (4, 2, 3)
        """
        return shapes.permute(self, _listed(dims))

    @property
    def T(self: Any) -> Tensor:
        """The tensor with its dims in reverse order.

        Examples
        --------
        >>> import autograd_nn as ag
        >>> ag.zeros(2, 3).T.shape
        (3, 2)
        """
        return shapes.permute(self, range(self.ndim)[::-1])

    @property
    def mT(self: Any) -> Tensor:
        """The tensor with its last two dims exchanged.

        Examples
        --------
        >>> import autograd_nn as ag
        >>> ag.zeros(5, 2, 3).mT.shape
        (5, 3, 2)
        """
        return shapes.transpose(self, -1, -2)

    def expand(self: Any, *sizes: Any) -> Tensor:
        """Return a view with dims of size 1 repeated; -1 keeps a size.

        Examples
        --------
        >>> import autograd_nn as ag
        >>> ag.tensor([[1], [2]]).expand(2, 3)
        tensor([[1, 1, 1],
                [2, 2, 2]])
        >>> ag.tensor([1, 2, 3]).expand(2, -1).shape
        (2, 3)
        """
        return shapes.expand(self, _listed(sizes))

    def unfold(self: Any, dimension: int, size: int, step: int) -> Tensor:
        """Return all windows of `size` elements along a dim, `step` apart, in a new last dim (a copy).

        Parameters
        ----------
        dimension, size, step : int

        Returns
        -------
        Tensor of shape (..., (n - size) // step + 1, ..., size)

        Examples
        --------
        >>> import autograd_nn as ag
        >>> ag.arange(5).unfold(0, 3, 1)
        tensor([[0, 1, 2],
                [1, 2, 3],
                [2, 3, 4]])
        """
        dimension = shapes.normalized_dim(dimension, self.ndim, "unfold")
        if not self.ndim:
            return shapes.narrow(shapes.reshape(self, (1,)), 0, 0, size)
        length = self.shape[dimension]
        if not 0 <= size <= length or step <= 0:
            raise RuntimeError(f"unfold(): size must be from 0 to the dim's {length} and step positive (size={size}, "
                               f"step={step})")
        windows = np.arange(0, length - size + 1, step)[:, None] + np.arange(size)
        elements = indexing.index_select(self, dimension, wrap(windows.reshape(-1)))
        return shapes.movedim(shapes.unflatten(elements, dimension, windows.shape), dimension + 1, -1)

    def expand_as(self: Any, other: Tensor) -> Tensor:
        """Return a view in the shape of `other`.

        Examples
        --------
        >>> import autograd_nn as ag
        >>> ag.tensor([1, 2, 3]).expand_as(ag.zeros(2, 3))
        tensor([[1, 2, 3],
                [1, 2, 3]])
        """
        return shapes.broadcast_to(self, other.shape)

    def sum_to_size(self: Any, *sizes: Any) -> Tensor:
        """Return the sum over the dims that broadcasting to this shape added or repeated.

        Examples
        --------
        >>> import autograd_nn as ag
        >>> ag.ones(2, 3).sum_to_size(1, 3)
        tensor([[2., 2., 2.]])
        """
        return shapes.sum_to_size(self, _listed(sizes))
