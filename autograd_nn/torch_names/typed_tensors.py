"""PyTorch's old names of tensors by their dtype: ``FloatTensor([1, 2])``, ``LongTensor(2, 3)``."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..engine import get_default_dtype
from ..ops.creation import empty
from ..tensor import TYPE_NAMES, Tensor
from ..tensor.size import Size

__all__ = [
    "BoolTensor", "ByteTensor", "CharTensor", "DoubleTensor", "FloatTensor", "HalfTensor", "IntTensor", "LongTensor",
    "ShortTensor",
]  # fmt: skip


class _OfDtype(type):
    """The type of a dtype's name: calling it makes a `Tensor`, and tensors of the dtype are its instances."""

    dtype: np.dtype[Any]

    def __call__(cls, *data: Any) -> Tensor:
        if len(data) == 1 and isinstance(data[0], Size):
            data = tuple(data[0])
        if all(isinstance(n, int) for n in data):
            return empty(*data or (0,), dtype=cls.dtype)
        if len(data) > 1:
            raise TypeError(f"{cls.__name__}(): expects sizes or one sequence, got {len(data)} arguments")
        return Tensor(data[0], dtype=cls.dtype)

    def __instancecheck__(cls, x: object) -> bool:
        return isinstance(x, Tensor) and x.dtype == cls.dtype


class _OfDefaultDtype(_OfDtype):
    """The type of `AnyTensor`: all tensors are its instances, and its attributes are those of `Tensor`."""

    @property
    def dtype(cls) -> np.dtype[Any]:  # type: ignore[override]
        return get_default_dtype()

    def __instancecheck__(cls, x: object) -> bool:
        return isinstance(x, Tensor)

    def __subclasscheck__(cls, kind: type) -> bool:
        return issubclass(kind, Tensor)

    def __eq__(cls, other: object) -> bool:
        return other is cls or other is Tensor

    def __hash__(cls) -> int:
        return hash(Tensor)

    def __getattr__(cls, name: str) -> Any:
        return getattr(Tensor, name)


class AnyTensor(metaclass=_OfDefaultDtype):
    """What scripts written for PyTorch know as ``torch.Tensor``: any tensor, and a constructor of floats.

    A sequence or an array becomes a tensor of the default dtype, where `Tensor` keeps integers; integers are sizes.
    `as_torch` puts it in the place of `Tensor`.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn.torch_names.typed_tensors import AnyTensor
    >>> AnyTensor([0, 1])
    tensor([0., 1.])
    >>> AnyTensor(2, 3).shape, isinstance(ag.arange(3), AnyTensor)
    ((2, 3), True)
    """


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
