"""Reductions and normalizations that leave elements out: PyTorch's ``masked``.

`mask` is True for the elements that count, and is broadcast against the input; without one all of them do. What is left
out has no gradient. Composed of operations on whole tensors, whose ties, dtypes and second derivatives these have.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..engine.arguments import explain as _explain
from ..ops import maths as _maths
from ..ops import matrices as _matrices
from ..ops import reduce as _reduce
from ..ops import scan as _scan
from ..ops import slopes as _slopes
from ..ops.creation import ones_like as _ones_like
from ..ops.elementwise import div as _div
from ..ops.elementwise import maximum as _maximum
from ..ops.elementwise import neg as _neg
from ..ops.elementwise import sqrt as _sqrt
from ..ops.elementwise import square as _square
from ..ops.elementwise import sub as _sub
from ..ops.elementwise import where as _where
from ..ops.shape import to_dtype as _to_dtype
from ..typing import Dims, DTypeLike, Tensor

__all__ = [
    "amax", "amin", "argmax", "argmin", "cumprod", "cumsum", "log_softmax", "logaddexp", "logsumexp", "mean", "median",
    "norm", "normalize", "prod", "softmax", "softmin", "std", "sum", "var",
]  # fmt: skip


def _filled(input: Tensor, mask: Tensor | None, value: float, dtype: DTypeLike | None = None) -> Tensor:
    """Return `input` with a value in the place of what is left out; the largest or smallest integer for infinity."""
    input = input if dtype is None else _to_dtype(input, dtype)
    if mask is None:
        return input
    if mask.dtype != bool:
        raise TypeError(f"masked: a mask must be of booleans (mask.dtype={mask.dtype})")
    given: Any = value
    if math.isinf(value) and input.dtype.kind in "iu":
        given = int(np.iinfo(input.dtype).max if value > 0 else np.iinfo(input.dtype).min)
    return _where(mask, input, given)


def _all_dims(dim: Dims) -> Dims:
    return None if isinstance(dim, tuple | list) and not dim else dim


def _count(input: Tensor, mask: Tensor | None, dim: Dims, keepdim: bool) -> Tensor:
    """Return how many elements count, in the dtype of the input."""
    return _reduce.sum(_filled(_ones_like(input.detach()), mask, 0.0), dim, keepdim)


def sum(
    input: Tensor, dim: Dims = None, *, keepdim: bool = False, dtype: DTypeLike | None = None,
    mask: Tensor | None = None,
) -> Tensor:
    """Return the sum over `dim` of what counts; 0 if nothing does.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> x, mask = ag.tensor([1.0, 2.0, 4.0]), ag.tensor([True, True, False])
    >>> ag.masked.sum(x, mask=mask)
    tensor(3.)
    """
    return _reduce.sum(_filled(input, mask, 0.0, dtype), _all_dims(dim), keepdim)


def prod(
    input: Tensor, dim: Dims = None, *, keepdim: bool = False, dtype: DTypeLike | None = None,
    mask: Tensor | None = None,
) -> Tensor:
    """Return the product over `dim` of what counts; 1 if nothing does.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> x, mask = ag.tensor([1.0, 2.0, 4.0]), ag.tensor([True, True, False])
    >>> ag.masked.prod(x, mask=mask)
    tensor(2.)
    """
    out, dim = _filled(input, mask, 1.0, dtype), _all_dims(dim)
    return _scan.prod(out, dim, keepdim)


def amax(
    input: Tensor, dim: Dims = None, *, keepdim: bool = False, dtype: DTypeLike | None = None,
    mask: Tensor | None = None,
) -> Tensor:
    """Return the largest element over `dim` of what counts; -inf if nothing does.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> x, mask = ag.tensor([1.0, 2.0, 4.0]), ag.tensor([True, True, False])
    >>> ag.masked.amax(x, mask=mask)
    tensor(2.)
    """
    return _reduce.amax(_filled(input, mask, -math.inf, dtype), _all_dims(dim), keepdim)


def amin(
    input: Tensor, dim: Dims = None, *, keepdim: bool = False, dtype: DTypeLike | None = None,
    mask: Tensor | None = None,
) -> Tensor:
    """Return the smallest element over `dim` of what counts; inf if nothing does.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> x, mask = ag.tensor([1.0, 2.0, 4.0]), ag.tensor([True, True, False])
    >>> ag.masked.amin(x, mask=~mask)
    tensor(4.)
    """
    return _reduce.amin(_filled(input, mask, math.inf, dtype), _all_dims(dim), keepdim)


def argmax(
    input: Tensor, dim: int | None = None, *, keepdim: bool = False, dtype: DTypeLike | None = None,
    mask: Tensor | None = None,
) -> Tensor:
    """Return the index of the largest element of what counts, the first among equals.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> x, mask = ag.tensor([1.0, 2.0, 4.0]), ag.tensor([True, True, False])
    >>> ag.masked.argmax(x, mask=mask)
    tensor(1)
    """
    return _reduce.argmax(_filled(input, mask, -math.inf, dtype), dim, keepdim)


def argmin(
    input: Tensor, dim: int | None = None, *, keepdim: bool = False, dtype: DTypeLike | None = None,
    mask: Tensor | None = None,
) -> Tensor:
    """Return the index of the smallest element of what counts, the first among equals.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> x, mask = ag.tensor([1.0, 2.0, 4.0]), ag.tensor([True, True, False])
    >>> ag.masked.argmin(x, mask=~mask)
    tensor(2)
    """
    return _reduce.argmin(_filled(input, mask, math.inf, dtype), dim, keepdim)


def mean(
    input: Tensor, dim: Dims = None, *, keepdim: bool = False, dtype: DTypeLike | None = None,
    mask: Tensor | None = None,
) -> Tensor:
    """Return the mean over `dim` of what counts; NaN if nothing does.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> x, mask = ag.tensor([1.0, 2.0, 4.0]), ag.tensor([True, True, False])
    >>> ag.masked.mean(x, mask=mask)
    tensor(1.5)
    """
    dim, input = _all_dims(dim), input if dtype is None else _to_dtype(input, dtype)
    if mask is None:
        return _reduce.mean(input, dim, keepdim)
    return _div(_reduce.sum(_filled(input, mask, 0.0), dim, keepdim), _count(input, mask, dim, keepdim))


def var(
    input: Tensor, dim: Dims = None, unbiased: bool | None = None, *, correction: int | None = None,
    keepdim: bool = False, dtype: DTypeLike | None = None, mask: Tensor | None = None,
) -> Tensor:
    """Return the variance over `dim` of what counts, NaN if that is no more than `correction`, which is 1 by default.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> x, mask = ag.tensor([1.0, 2.0, 4.0]), ag.tensor([True, True, False])
    >>> ag.masked.var(x, mask=mask)
    tensor(0.5)
    """
    dim, input = _all_dims(dim), input if dtype is None else _to_dtype(input, dtype)
    center = mean(input, dim, keepdim=True, mask=mask)
    squares = _square(_filled(_sub(input, center), mask, 0.0))
    less = correction if correction is not None else 0 if unbiased is False else 1
    freedom = _maximum(_sub(_count(input, mask, dim, keepdim), less), 0)
    return _div(_reduce.sum(squares, dim, keepdim), freedom)


def std(
    input: Tensor, dim: Dims = None, unbiased: bool | None = None, *, correction: int | None = None,
    keepdim: bool = False, dtype: DTypeLike | None = None, mask: Tensor | None = None,
) -> Tensor:
    """Return the square root of `var`.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> x, mask = ag.tensor([1.0, 2.0, 4.0]), ag.tensor([True, True, False])
    >>> ag.masked.std(x, correction=0, mask=mask)
    tensor(0.5)
    """
    return _sqrt(var(input, dim, unbiased, correction=correction, keepdim=keepdim, dtype=dtype, mask=mask))


def norm(
    input: Tensor, ord: float | None = 2.0, dim: Dims = None, *, keepdim: bool = False,
    dtype: DTypeLike | None = None, mask: Tensor | None = None,
) -> Tensor:
    """Return the vector norm of order `ord` over `dim` of what counts.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> x, mask = ag.tensor([3.0, 4.0, 9.0]), ag.tensor([True, True, False])
    >>> ag.masked.norm(x, 2, mask=mask)
    tensor(5.)
    """
    order = 2.0 if ord is None else float(ord)
    filled = _filled(input, mask, math.inf if order < 0 else 0.0, dtype)
    return _matrices.vector_norm(filled, order, _all_dims(dim), keepdim)


def normalize(
    input: Tensor, ord: float, dim: int, *, eps: float = 1e-12, dtype: DTypeLike | None = None,
    mask: Tensor | None = None,
) -> Tensor:
    """Return `input` divided by its norm along `dim`, at least `eps`; 0 for what is left out.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> x, mask = ag.tensor([3.0, 4.0, 9.0]), ag.tensor([True, True, False])
    >>> ag.masked.normalize(x, 2, 0, mask=mask)
    tensor([0.6, 0.8, 0. ])
    """
    size = norm(input, ord, dim, keepdim=True, dtype=dtype, mask=mask)
    return _div(_filled(input, mask, 0.0, dtype), _maximum(size, eps))


def logsumexp(
    input: Tensor, dim: Dims = None, *, keepdim: bool = False, dtype: DTypeLike | None = None,
    mask: Tensor | None = None,
) -> Tensor:
    """Return ``log(sum(exp(x)))`` over `dim` of what counts; -inf if nothing does.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> x, mask = ag.tensor([1.0, 2.0, 4.0]), ag.tensor([True, True, False])
    >>> ag.masked.logsumexp(x * 0, 0, mask=mask)
    tensor(0.6931)
    """
    return _reduce.logsumexp(_filled(input, mask, -math.inf, dtype), _all_dims(dim), keepdim)


def logaddexp(
    input: Tensor, other: Tensor, *, dtype: DTypeLike | None = None, input_mask: Tensor | None = None,
    other_mask: Tensor | None = None,
) -> Tensor:
    """Return ``log(exp(input) + exp(other))``, elementwise, of those that count; -inf if neither does.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> x, mask = ag.zeros(2), ag.tensor([True, False])
    >>> ag.masked.logaddexp(x, x, input_mask=mask)
    tensor([0.6931, 0.    ])
    """
    return _maths.logaddexp(_filled(input, input_mask, -math.inf, dtype), _filled(other, other_mask, -math.inf, dtype))


def softmax(
    input: Tensor, dim: int, *, dtype: DTypeLike | None = None, mask: Tensor | None = None
) -> Tensor:
    """Return the softmax along `dim` of what counts, 0 elsewhere; NaN if nothing counts.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> x, mask = ag.tensor([1.0, 2.0, 4.0]), ag.tensor([True, True, False])
    >>> ag.masked.softmax(x * 0, 0, mask=mask)
    tensor([0.5, 0.5, 0. ])
    """
    return _reduce.softmax(_filled(input, mask, -math.inf, dtype), dim)


def log_softmax(
    input: Tensor, dim: int, *, dtype: DTypeLike | None = None, mask: Tensor | None = None
) -> Tensor:
    """Return the logarithm of the softmax along `dim` of what counts, -inf elsewhere.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> x, mask = ag.tensor([1.0, 2.0, 4.0]), ag.tensor([True, True, False])
    >>> ag.masked.log_softmax(x * 0, 0, mask=mask)
    tensor([-0.6931, -0.6931,    -inf])
    """
    return _reduce.log_softmax(_filled(input, mask, -math.inf, dtype), dim)


def softmin(
    input: Tensor, dim: int, *, dtype: DTypeLike | None = None, mask: Tensor | None = None
) -> Tensor:
    """Return the softmax of ``-input`` along `dim` of what counts, 0 elsewhere.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> x, mask = ag.tensor([1.0, 2.0, 4.0]), ag.tensor([True, True, False])
    >>> ag.masked.softmin(x * 0, 0, mask=mask)
    tensor([0.5, 0.5, 0. ])
    """
    return _reduce.softmax(_neg(_filled(input, mask, math.inf, dtype)), dim)


def cumsum(
    input: Tensor, dim: int, *, dtype: DTypeLike | None = None, mask: Tensor | None = None
) -> Tensor:
    """Return the running sum along `dim` of what counts.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> x, mask = ag.tensor([1.0, 2.0, 4.0]), ag.tensor([True, True, False])
    >>> ag.masked.cumsum(x, 0, mask=mask)
    tensor([1., 3., 3.])
    """
    return _scan.cumsum(_filled(input, mask, 0.0, dtype), dim)


def cumprod(
    input: Tensor, dim: int, *, dtype: DTypeLike | None = None, mask: Tensor | None = None
) -> Tensor:
    """Return the running product along `dim` of what counts.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> x, mask = ag.tensor([1.0, 2.0, 4.0]), ag.tensor([True, True, False])
    >>> ag.masked.cumprod(x, 0, mask=mask)
    tensor([1., 2., 2.])
    """
    return _scan.cumprod(_filled(input, mask, 1.0, dtype), dim)


def median(
    input: Tensor, dim: int = -1, *, keepdim: bool = False, dtype: DTypeLike | None = None,
    mask: Tensor | None = None,
) -> Tensor:
    """Return the median along `dim` of what counts, the lower of two; NaN if nothing counts.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> x, mask = ag.tensor([1.0, 2.0, 4.0]), ag.tensor([True, True, False])
    >>> ag.masked.median(x, 0, mask=mask)
    tensor(1.)
    """
    out: Tensor = _slopes.nanmedian(_filled(input, mask, math.nan, dtype), dim, keepdim)[0]
    return out


_explain(globals(), __all__)
