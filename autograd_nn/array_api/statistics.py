"""Reductions and running sums of the array API standard, and its matrix products."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..engine import common_dtype, wrap
from ..ops import elementwise, linalg, reduce, scan, shape
from ..ops import statistics as differences
from ..tensor import Tensor

__all__ = [
    "all", "any", "cumulative_prod", "cumulative_sum", "diff", "matmul", "matrix_transpose", "max", "mean", "min",
    "prod", "std", "sum", "tensordot", "var", "vecdot",
]  # fmt: skip


def _wide(x: Tensor, dtype: Any) -> Tensor:
    """Return `x` in the dtype that it is summed in: of small integers, the default one of their kind."""
    if dtype is None:
        dtype = {"i": np.int64, "u": np.uint64, "b": np.int64}.get(x.dtype.kind, x.dtype)
    return x if x.dtype == dtype else x.to(dtype)


def _kept_dtype(x: Tensor, reduced: Callable[[Tensor], Tensor]) -> Tensor:
    """Return a reduction in the dtype of `x`; integers wrap around, whatever they were added in."""
    out = reduced(x)
    return out if out.dtype == x.dtype else out.to(x.dtype)


def sum(x: Tensor, /, *, axis: Any = None, dtype: Any = None, keepdims: bool = False) -> Tensor:
    """Return the sum over an axis, several, or all; small integers are summed in 64 bits.

    Examples
    --------
    >>> from autograd_nn import array_api as xp
    >>> xp.sum(xp.asarray([[1, 2], [3, 4]]), axis=0)
    tensor([4, 6])
    """
    return _kept_dtype(_wide(x, dtype), lambda x: reduce.sum(x, axis, keepdims))


def prod(x: Tensor, /, *, axis: Any = None, dtype: Any = None, keepdims: bool = False) -> Tensor:
    """Return the product over an axis, several, or all; small integers are multiplied in 64 bits.

    Examples
    --------
    >>> from autograd_nn import array_api as xp
    >>> xp.prod(xp.asarray([2, 3, 4]))
    tensor(24)
    """
    return _kept_dtype(_wide(x, dtype), lambda x: scan.prod(x, axis, keepdims))


def cumulative_sum(
    x: Tensor, /, *, axis: int | None = None, dtype: Any = None, include_initial: bool = False
) -> Tensor:
    """Return the running sum along an axis; with `include_initial` a 0 comes first.

    Examples
    --------
    >>> from autograd_nn import array_api as xp
    >>> xp.cumulative_sum(xp.asarray([1, 2, 3]), include_initial=True)
    tensor([0, 1, 3, 6])
    """
    return _running(scan.cumsum, x, axis, dtype, 0 if include_initial else None)


def cumulative_prod(
    x: Tensor, /, *, axis: int | None = None, dtype: Any = None, include_initial: bool = False
) -> Tensor:
    """Return the running product along an axis; with `include_initial` a 1 comes first.

    Examples
    --------
    >>> from autograd_nn import array_api as xp
    >>> xp.cumulative_prod(xp.asarray([1, 2, 3, 4]))
    tensor([ 1,  2,  6, 24])
    """
    return _running(scan.cumprod, x, axis, dtype, 1 if include_initial else None)


def _running(operation: Any, x: Tensor, axis: int | None, dtype: Any, first: int | None) -> Tensor:
    if axis is None:
        if x.ndim != 1:
            raise ValueError(f"{operation.__name__}(): axis may be left out for one axis only (x.shape={x.shape})")
        axis = 0
    axis = shape.normalized_dim(axis, x.ndim, operation.__name__)
    out = _kept_dtype(_wide(x, dtype), lambda x: operation(x, axis))
    if first is None:
        return out
    sizes = [1 if i == axis else n for i, n in enumerate(out.shape)]
    return shape.cat([wrap(np.full(sizes, first, out.dtype)), out], axis)


def mean(x: Tensor, /, *, axis: Any = None, keepdims: bool = False) -> Tensor:
    """Return the mean over an axis, several, or all.

    Examples
    --------
    >>> from autograd_nn import array_api as xp
    >>> xp.mean(xp.asarray([[1.0, 3.0], [5.0, 7.0]]), axis=1)
    tensor([2., 6.])
    """
    return reduce.mean(x, axis, keepdims)


def var(x: Tensor, /, *, axis: Any = None, correction: float = 0.0, keepdims: bool = False) -> Tensor:
    """Return the variance over an axis, several, or all, divided by the count less `correction`.

    Examples
    --------
    >>> from autograd_nn import array_api as xp
    >>> xp.var(xp.asarray([1.0, 3.0]), correction=1.0)
    tensor(2.)
    """
    return reduce.var(x, axis, keepdim=keepdims, correction=correction)


def std(x: Tensor, /, *, axis: Any = None, correction: float = 0.0, keepdims: bool = False) -> Tensor:
    """Return the square root of `var`.

    Examples
    --------
    >>> from autograd_nn import array_api as xp
    >>> xp.std(xp.asarray([1.0, 3.0]))
    tensor(1.)
    """
    return reduce.std(x, axis, keepdim=keepdims, correction=correction)


def max(x: Tensor, /, *, axis: Any = None, keepdims: bool = False) -> Tensor:
    """Return the largest element over an axis, several, or all; ties share the gradient.

    Examples
    --------
    >>> from autograd_nn import array_api as xp
    >>> xp.max(xp.asarray([[1, 5], [4, 2]]), axis=0)
    tensor([4, 5])
    """
    return reduce.amax(x, axis, keepdims)


def min(x: Tensor, /, *, axis: Any = None, keepdims: bool = False) -> Tensor:
    """Return the smallest element over an axis, several, or all; ties share the gradient.

    Examples
    --------
    >>> from autograd_nn import array_api as xp
    >>> xp.min(xp.asarray([[1, 5], [4, 2]]), axis=0)
    tensor([1, 2])
    """
    return reduce.amin(x, axis, keepdims)


def all(x: Tensor, /, *, axis: Any = None, keepdims: bool = False) -> Tensor:
    """Return whether all elements over an axis, several, or all axes are true.

    Examples
    --------
    >>> from autograd_nn import array_api as xp
    >>> xp.all(xp.asarray([[True, False], [True, True]]), axis=1)
    tensor([False,  True])
    """
    return reduce.all(x, axis, keepdims)


def any(x: Tensor, /, *, axis: Any = None, keepdims: bool = False) -> Tensor:
    """Return whether any element over an axis, several, or all axes is true.

    Examples
    --------
    >>> from autograd_nn import array_api as xp
    >>> xp.any(xp.asarray([[True, False], [False, False]]), axis=1)
    tensor([ True, False])
    """
    return reduce.any(x, axis, keepdims)


def diff(
    x: Tensor, /, *, axis: int = -1, n: int = 1, prepend: Tensor | None = None, append: Tensor | None = None
) -> Tensor:
    """Return the differences of neighbours along an axis, `n` times over.

    Examples
    --------
    >>> from autograd_nn import array_api as xp
    >>> xp.diff(xp.asarray([1, 4, 9, 16]))
    tensor([3, 5, 7])
    """
    parts = [part for part in (prepend, x, append) if part is not None]
    return differences.diff(shape.cat(parts, axis) if len(parts) > 1 else x, n, axis)


# ------------------------------------------------------------------------------------ products


def _of_one_dtype(x1: Tensor, x2: Tensor) -> tuple[Tensor, Tensor]:
    dtype = common_dtype([np.empty((0,), x1.dtype), np.empty((0,), x2.dtype)])
    return x1 if x1.dtype == dtype else x1.to(dtype), x2 if x2.dtype == dtype else x2.to(dtype)


def matmul(x1: Tensor, x2: Tensor, /) -> Tensor:
    """Return the matrix product of the last two axes.

    Examples
    --------
    >>> from autograd_nn import array_api as xp
    >>> xp.matmul(xp.asarray([[1.0, 2.0]]), xp.asarray([[3.0], [4.0]]))
    tensor([[11.]])
    """
    x1, x2 = _of_one_dtype(x1, x2)
    return _kept_dtype(x1, lambda x1: linalg.matmul(x1, x2))


def matrix_transpose(x: Tensor, /) -> Tensor:
    """Return `x` with its last two axes exchanged.

    Examples
    --------
    >>> from autograd_nn import array_api as xp
    >>> xp.matrix_transpose(xp.zeros((5, 2, 3))).shape
    (5, 3, 2)
    """
    if x.ndim < 2:
        raise ValueError(f"matrix_transpose(): expects at least two axes (x.shape={x.shape})")
    return shape.transpose(x, -1, -2)


def tensordot(x1: Tensor, x2: Tensor, /, *, axes: Any = 2) -> Tensor:
    """Return products summed over the last axes of `x1` and the first of `x2`, or over pairs of axes.

    Examples
    --------
    >>> from autograd_nn import array_api as xp
    >>> xp.tensordot(xp.ones((2, 3, 4)), xp.ones((3, 4, 5))).shape
    (2, 5)
    """
    x1, x2 = _of_one_dtype(x1, x2)
    return _kept_dtype(x1, lambda x1: linalg.tensordot(x1, x2, axes))


def vecdot(x1: Tensor, x2: Tensor, /, *, axis: int = -1) -> Tensor:
    """Return the sums of products along an axis.

    Examples
    --------
    >>> from autograd_nn import array_api as xp
    >>> xp.vecdot(xp.asarray([[1.0, 2.0], [3.0, 4.0]]), xp.asarray([1.0, 1.0]))
    tensor([3., 7.])
    """
    if x1.shape[axis] != x2.shape[axis]:
        raise ValueError(f"vecdot(): axis {axis} must have one size (x1.shape={x1.shape}, x2.shape={x2.shape})")
    product = elementwise.mul(x1, x2)
    return _kept_dtype(product, lambda x: reduce.sum(x, axis))


