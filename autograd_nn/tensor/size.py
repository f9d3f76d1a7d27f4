"""Size: a shape that can count its elements."""

from __future__ import annotations

import math
from typing import Any, SupportsIndex, overload

__all__ = ["Size"]


class Size(tuple[int, ...]):
    """What ``x.shape`` and ``x.size()`` are: a tuple of ints that counts elements; its slices and sums do too.

    It prints as any tuple.

    Examples
    --------
    >>> from autograd_nn import Size, zeros
    >>> zeros(2, 3).shape == zeros(2, 3).size() == Size([2, 3]) == (2, 3)
    True
    >>> zeros(2, 3, 4).shape[1:].numel()
    12
    >>> (zeros(2, 3).shape + (4,)).numel()
    24
    """

    __slots__ = ()

    def numel(self) -> int:
        """Return the number of elements of a tensor of this shape."""
        return math.prod(self)

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
