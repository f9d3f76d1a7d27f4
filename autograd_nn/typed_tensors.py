"""PyTorch's old names of tensors by their dtype: ``FloatTensor([1, 2])``, ``LongTensor(2, 3)``."""

from __future__ import annotations

from typing import Any

import numpy as np

from .ops.creation import empty
from .tensor import Tensor

__all__ = [
    "BoolTensor", "ByteTensor", "CharTensor", "DoubleTensor", "FloatTensor", "HalfTensor", "IntTensor", "LongTensor",
    "ShortTensor",
]  # fmt: skip


class _OfDtype(type):
    """The type of a dtype's name: calling it makes a `Tensor`, and tensors of the dtype are its instances."""

    dtype: np.dtype[Any]

    def __call__(cls, *data: Any) -> Tensor:
        if all(isinstance(n, int) for n in data):
            return empty(*data or (0,), dtype=cls.dtype)
        if len(data) > 1:
            raise TypeError(f"{cls.__name__}(): expects sizes or one sequence, got {len(data)} arguments")
        return Tensor(data[0], dtype=cls.dtype)

    def __instancecheck__(cls, x: object) -> bool:
        return isinstance(x, Tensor) and x.dtype == cls.dtype


class FloatTensor(metaclass=_OfDtype):
    """A float32 tensor of a sequence, or of sizes (then not initialized)."""

    dtype = np.dtype(np.float32)


class DoubleTensor(metaclass=_OfDtype):
    """A float64 tensor of a sequence, or of sizes (then not initialized)."""

    dtype = np.dtype(np.float64)


class HalfTensor(metaclass=_OfDtype):
    """A float16 tensor of a sequence, or of sizes (then not initialized)."""

    dtype = np.dtype(np.float16)


class ByteTensor(metaclass=_OfDtype):
    """A uint8 tensor of a sequence, or of sizes (then not initialized)."""

    dtype = np.dtype(np.uint8)


class CharTensor(metaclass=_OfDtype):
    """An int8 tensor of a sequence, or of sizes (then not initialized)."""

    dtype = np.dtype(np.int8)


class ShortTensor(metaclass=_OfDtype):
    """An int16 tensor of a sequence, or of sizes (then not initialized)."""

    dtype = np.dtype(np.int16)


class IntTensor(metaclass=_OfDtype):
    """An int32 tensor of a sequence, or of sizes (then not initialized)."""

    dtype = np.dtype(np.int32)


class LongTensor(metaclass=_OfDtype):
    """An int64 tensor of a sequence, or of sizes (then not initialized)."""

    dtype = np.dtype(np.int64)


class BoolTensor(metaclass=_OfDtype):
    """A tensor of booleans of a sequence, or of sizes (then not initialized)."""

    dtype = np.dtype(np.bool_)
