"""Size: a shape that can count its elements."""

from __future__ import annotations

import math

__all__ = ["Size"]


class Size(tuple[int, ...]):
    """What `Tensor.size` returns: a tuple of ints that prints and counts as in PyTorch (``Tensor.shape`` is a tuple).

    Examples
    --------
    >>> from autograd_nn import Size, zeros
    >>> zeros(2, 3).size()
    Size([2, 3])
    >>> Size([2, 3]).numel(), Size([2, 3]) == (2, 3)
    (6, True)
    """

    __slots__ = ()

    def numel(self) -> int:
        """Return the number of elements of a tensor of this shape."""
        return math.prod(self)

    def __repr__(self) -> str:
        return f"Size({list(self)})"
