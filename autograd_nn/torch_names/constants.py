"""PyTorch's names of dtypes, which are NumPy's objects, of memory formats, and of numbers."""

from __future__ import annotations

from math import e, inf, nan, pi
from typing import Any, NoReturn

import numpy as np
from numpy import dtype, finfo, iinfo

__all__ = [
    "bfloat16", "bool", "cdouble", "cfloat", "channels_last", "channels_last_3d", "complex64", "complex128",
    "contiguous_format", "double", "dtype", "e", "finfo", "float", "float16", "float32", "float64", "half", "iinfo",
    "inf", "int", "int8", "int16", "int32", "int64", "long", "nan", "pi", "preserve_format", "short", "strided",
    "uint8",
]  # fmt: skip

bool, uint8, int8, int16, int32, int64, float16, float32, float64 = map(
    np.dtype, ("bool", "uint8", "int8", "int16", "int32", "int64", "float16", "float32", "float64")
)
complex64, complex128 = np.dtype("complex64"), np.dtype("complex128")
cfloat, cdouble = complex64, complex128
short, int, long, half, float, double = int16, int32, int64, float16, float32, float64


class Name:
    """A constant of PyTorch's that has a name and nothing else.

    Parameters
    ----------
    name : str
    """

    def __init__(self, name: str):
        self.name = name

    def __repr__(self) -> str:
        return f"torch.{self.name}"

    def __reduce__(self) -> str:
        return self.name


class AbsentDtype(Name):
    """A dtype of PyTorch's that NumPy does not have: it can be named and compared; a tensor of it is an error."""

    is_floating_point = True
    itemsize = 2

    @property
    def dtype(self) -> NoReturn:
        """Raise: NumPy, asked for the dtype, asks for this attribute."""
        raise TypeError(f"{self.name}: there is no such dtype in NumPy; use float32")


bfloat16: Any = AbsentDtype("bfloat16")
strided, contiguous_format, preserve_format, channels_last, channels_last_3d = map(
    Name, ("strided", "contiguous_format", "preserve_format", "channels_last", "channels_last_3d")
)
