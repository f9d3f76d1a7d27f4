"""The types that signatures are written with.

`Tensor` is defined above the operations that return it. A type checker sees the class itself; a running program has no
need of it here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import DTypeLike

if TYPE_CHECKING:
    from ..tensor import Tensor
else:
    Tensor = Any

__all__ = ["Array", "DTypeLike", "DeviceLike", "Dim", "Dims", "Number", "Rule", "Shape", "ShapeLike", "Tensor",
           "TensorLike"]

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]
Number: TypeAlias = float  # int and bool too, which type checkers count among floats
TensorLike: TypeAlias = "Tensor | Array | np.generic | Number"  # what operations take
Shape: TypeAlias = tuple[int, ...]
ShapeLike: TypeAlias = int | Sequence[int]
Dim: TypeAlias = int
Dims: TypeAlias = int | Sequence[int] | None  # None means all of them
DeviceLike: TypeAlias = Any  # "cpu", device("cpu") or None
Rule: TypeAlias = Callable[..., Any]  # a forward function over arrays, or a vector-Jacobian product over tensors
