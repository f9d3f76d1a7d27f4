"""The types that the signatures of kernels are written with.

Numba ignores annotations: it compiles a kernel for the types that it is called with. An array is of float32 or float64
where nothing else is said, and a `float` among the arguments of compiled code a number of that dtype.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np
from llvmlite import ir
from numba.core.cpu import CPUContext
from numba.core.typing.templates import Signature

__all__ = ["Array", "Builder", "Context", "Flags", "Generator", "Padding", "Pair", "Shape", "Signature", "Steps",
           "Triple", "Type", "Typed", "Value", "Values"]  # fmt: skip

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]
Shape: TypeAlias = tuple[int, ...]
Pair: TypeAlias = tuple[int, int]  # of the two spatial axes
Flags: TypeAlias = tuple[bool, bool]
Padding: TypeAlias = tuple[Pair, Pair]  # ((top, bottom), (left, right))
Triple: TypeAlias = tuple[int, int, int]
Steps: TypeAlias = tuple[int, int, int, int]

# Of functions that generate machine code: an intrinsic is given the types of its arguments and returns its signature
# with the function that emits its instructions, which is given the arguments' values.
Type: TypeAlias = Any  # numba.types.Type, whose attributes differ from one to the next
Context: TypeAlias = CPUContext
Builder: TypeAlias = ir.IRBuilder
Value: TypeAlias = ir.Value
Values: TypeAlias = Sequence[Value]
Generator: TypeAlias = Callable[[Context, Builder, Signature, Values], Value]
Typed: TypeAlias = tuple[Signature, Generator]
