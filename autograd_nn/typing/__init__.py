"""The types that signatures are written with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from .tensor import Tensor

__all__ = ["Array", "ArrayLike", "DTypeLike", "DeviceLike", "Dim", "Dims", "Gradients", "Index", "Ints", "Margins",
           "Number", "Operand", "OutputSize", "PaddingMode", "Pair", "Rule", "SameOrValid", "Shape", "ShapeLike",
           "Size1d", "Size2d", "Tensor", "TensorLike", "TensorOrTuple"]

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]
Number: TypeAlias = float  # int and bool too, which type checkers count among floats
TensorLike: TypeAlias = "Tensor | Array | np.generic | Number"  # what operations take
Operand: TypeAlias = Array | Number  # what forward functions that broadcast take
TensorOrTuple: TypeAlias = "Tensor | Any"  # a tensor, or a tuple of them where a setting asks for more than one
Shape: TypeAlias = tuple[int, ...]
ShapeLike: TypeAlias = int | Sequence[int]
Size1d: TypeAlias = int | Sequence[int]  # of a window, its stride, its margin ...
Size2d: TypeAlias = int | Sequence[int]  # the same for both dims, or vertical and horizontal
OutputSize: TypeAlias = int | Sequence[int | None] | None  # None keeps the size of the input
SameOrValid: TypeAlias = Literal["same", "valid"]  # margins of a convolution by name
PaddingMode: TypeAlias = Literal["zeros", "reflect", "replicate", "circular"]  # what is put into margins
Dim: TypeAlias = int
Ints: TypeAlias = int | tuple[int, ...] | list[int]
Dims: TypeAlias = Ints | None  # None means all of them
Pair: TypeAlias = tuple[int, int]  # (vertical, horizontal), or (before, after)
Margins: TypeAlias = tuple[Pair, ...]  # how much lies before and after each dim
Index: TypeAlias = Any  # what NumPy indexes with: integers, slices, None, ..., arrays, and tuples of these
DeviceLike: TypeAlias = Any  # "cpu", device("cpu") or None
Rule: TypeAlias = Callable[..., Any]  # a forward function over arrays, or a vector-Jacobian product over tensors
Gradients: TypeAlias = "Sequence[Tensor | None]"  # what a joint vector-Jacobian product returns, one per input
