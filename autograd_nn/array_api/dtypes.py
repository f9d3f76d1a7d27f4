"""Dtypes of the array API standard, and what is asked of them."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..ops.shape import to_dtype
from ..tensor import Tensor

__all__ = [
    "astype", "bool", "can_cast", "complex64", "complex128", "finfo", "float32", "float64", "iinfo", "int8", "int16",
    "int32", "int64", "isdtype", "result_type", "uint8", "uint16", "uint32", "uint64",
]  # fmt: skip

bool = np.dtype(np.bool_)
int8, int16, int32, int64 = (np.dtype(f"i{n}") for n in (1, 2, 4, 8))
uint8, uint16, uint32, uint64 = (np.dtype(f"u{n}") for n in (1, 2, 4, 8))
float32, float64 = np.dtype(np.float32), np.dtype(np.float64)
complex64, complex128 = np.dtype(np.complex64), np.dtype(np.complex128)


def dtype_of(x: Any) -> Any:
    """Return the dtype of a tensor, or `x` itself."""
    return x.dtype if isinstance(x, Tensor) else x


def astype(x: Tensor, dtype: Any, /, *, copy: Any = True, device: Any = None) -> Tensor:
    """Return `x` in another dtype; with `copy` always in memory of its own.

    Examples
    --------
    >>> from autograd_nn import array_api as xp
    >>> xp.astype(xp.asarray([1.9, -1.9]), xp.int64)
    tensor([ 1, -1])
    """
    out = to_dtype(x, dtype)
    return out.clone() if copy and out is x else out


def can_cast(from_: Any, to: Any, /) -> Any:
    """Return whether a dtype, or that of a tensor, goes into another one by the rules of promotion.

    Examples
    --------
    >>> from autograd_nn import array_api as xp
    >>> xp.can_cast(xp.int32, xp.int64), xp.can_cast(xp.float64, xp.float32)
    (True, False)
    """
    return np.can_cast(dtype_of(from_), to)


def finfo(type: Any, /) -> Any:
    """Return the limits of a floating-point dtype, or of that of a tensor.

    Examples
    --------
    >>> from autograd_nn import array_api as xp
    >>> xp.finfo(xp.float32).bits, xp.finfo(xp.float32).eps
    (32, np.float32(1.1920929e-07))
    """
    return np.finfo(dtype_of(type))


def iinfo(type: Any, /) -> Any:
    """Return the limits of an integer dtype, or of that of a tensor.

    Examples
    --------
    >>> from autograd_nn import array_api as xp
    >>> xp.iinfo(xp.int8).min, xp.iinfo(xp.int8).max
    (-128, 127)
    """
    return np.iinfo(dtype_of(type))


def isdtype(dtype: Any, kind: Any) -> Any:
    """Return whether a dtype is of a kind: a dtype, a name such as 'real floating', or a tuple of them.

    Examples
    --------
    >>> from autograd_nn import array_api as xp
    >>> xp.isdtype(xp.float32, "real floating"), xp.isdtype(xp.int8, ("bool", "unsigned integer"))
    (True, False)
    """
    return np.isdtype(np.dtype(dtype), kind)


def result_type(*arrays_and_dtypes: Any) -> Any:
    """Return the dtype that an operation on tensors, dtypes and Python numbers has.

    Examples
    --------
    >>> from autograd_nn import array_api as xp
    >>> xp.result_type(xp.asarray([1, 2]), xp.float32), xp.result_type(xp.int8, xp.int32)
    (dtype('float64'), dtype('int32'))
    """
    return np.result_type(*(dtype_of(x) for x in arrays_and_dtypes))
