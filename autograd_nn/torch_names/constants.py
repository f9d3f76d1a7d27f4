"""PyTorch's names of dtypes, which are NumPy's objects, and of numbers."""

from math import e, inf, nan, pi

import numpy as np
from numpy import finfo, iinfo

__all__ = [
    "bool", "double", "e", "finfo", "float", "float16", "float32", "float64", "half", "iinfo", "inf", "int", "int8",
    "int16", "int32", "int64", "long", "nan", "pi", "short", "uint8",
]  # fmt: skip

bool, uint8, int8, int16, int32, int64, float16, float32, float64 = map(
    np.dtype, ("bool", "uint8", "int8", "int16", "int32", "int64", "float16", "float32", "float64")
)
short, int, long, half, float, double = int16, int32, int64, float16, float32, float64
