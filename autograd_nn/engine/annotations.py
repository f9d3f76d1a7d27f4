"""The types that signatures are written with.

`Tensor` is defined above the operations that return it. A type checker sees the class itself; a running program has no
need of it here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

if TYPE_CHECKING:
    from ..tensor import Tensor
else:
    Tensor = Any

__all__ = ["Array", "ArrayLike", "DTypeLike", "DeviceLike", "Dim", "Dims", "Number", "PaddingMode", "Rule",
           "SameOrValid", "Shape", "ShapeLike", "Size1d", "Size2d", "Tensor", "TensorLike"]

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]
Number: TypeAlias = float  # int and bool too, which type checkers count among floats
TensorLike: TypeAlias = "Tensor | Array | np.generic | Number"  # what operations take
Shape: TypeAlias = tuple[int, ...]
ShapeLike: TypeAlias = int | Sequence[int]
Size1d: TypeAlias = int | tuple[int]  # of a window, its stride, its margin ...
Size2d: TypeAlias = int | tuple[int, int]  # the same for both dims, or vertical and horizontal
SameOrValid: TypeAlias = Literal["same", "valid"]  # margins of a convolution by name
PaddingMode: TypeAlias = Literal["zeros", "reflect", "replicate", "circular"]  # what is put into margins
Dim: TypeAlias = int
Dims: TypeAlias = int | Sequence[int] | None  # None means all of them
DeviceLike: TypeAlias = Any  # "cpu", device("cpu") or None
Rule: TypeAlias = Callable[..., Any]  # a forward function over arrays, or a vector-Jacobian product over tensors
