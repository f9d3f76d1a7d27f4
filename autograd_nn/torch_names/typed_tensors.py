"""PyTorch's old names of tensors by their dtype: ``FloatTensor([1, 2])``, ``LongTensor(2, 3)``."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..ops.creation import empty
from ..tensor import TYPE_NAMES, Tensor

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


_EXAMPLE = """A tensor of {dtype}, of a sequence, or of sizes (then not initialized).

Examples
--------
>>> import autograd_nn as ag
>>> ag.{name}([1, 0]).dtype
dtype('{dtype}')
>>> ag.{name}(2, 3).shape
(2, 3)
"""


def _named_after(dtype: str) -> _OfDtype:
    name = f"{TYPE_NAMES[dtype]}Tensor"
    return _OfDtype(name, (), {
        "__doc__": _EXAMPLE.format(dtype=dtype, name=name),
        "dtype": np.dtype(dtype),
    })  # fmt: skip


HalfTensor, FloatTensor, DoubleTensor = map(_named_after, ("float16", "float32", "float64"))
ByteTensor, BoolTensor = map(_named_after, ("uint8", "bool"))
CharTensor, ShortTensor, IntTensor, LongTensor = map(_named_after, ("int8", "int16", "int32", "int64"))
