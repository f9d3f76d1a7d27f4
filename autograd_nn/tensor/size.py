"""Size: a shape that can count its elements."""

from __future__ import annotations

import math
from typing import Any, SupportsIndex, overload

__all__ = ["Size"]


class Size(tuple[int, ...]):
    """What `Tensor.size` returns: a tuple of ints that prints and counts as in PyTorch; parts and sums of it do too.

    ``Tensor.shape`` is NumPy's tuple: a `Size` would make each index into it twice as slow (a matrix product of small
    tensors by a fifth).

    Examples
    --------
    >>> from autograd_nn import Size, zeros
    >>> zeros(2, 3).size()
    Size([2, 3])
    >>> Size([2, 3]).numel(), Size([2, 3]) == (2, 3)
    (6, True)
    >>> zeros(2, 3).size()[1:] + (4,)
    Size([3, 4])
    """

    __slots__ = ()

    def numel(self) -> int:
        """Return the number of elements of a tensor of this shape."""
        return math.prod(self)

    def __repr__(self) -> str:
        return f"Size({list(self)})"

    @overload
    def __getitem__(self, index: SupportsIndex) -> int: ...

    @overload
    def __getitem__(self, index: slice) -> Size: ...

    def __getitem__(self, index: Any) -> Any:
        part = tuple.__getitem__(self, index)
        return Size(part) if type(index) is slice else part

    def __add__(self, other: Any) -> Any:
        joined = tuple.__add__(self, other)
        return joined if joined is NotImplemented else Size(joined)

    def __radd__(self, other: Any) -> Any:
        return Size((*other, *self)) if isinstance(other, tuple) else NotImplemented

    def __mul__(self, times: SupportsIndex) -> Size:
        return Size(tuple.__mul__(self, times))

    __rmul__ = __mul__

    def __reduce__(self) -> tuple[Any, ...]:
        return Size, (tuple(self),)
