"""What the engine and the operations ask of a tensor, whose class is defined above them.

A type checker reads `tensor.pyi` instead, so that what an operation returns is the class itself to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

__all__ = ["Tensor"]


class Tensor(Protocol):
    """An array in a graph: its description, arithmetic, and the few methods that gradients need.

    Of a gradient the engine asks no more than ``a + b``, `to` and `sum_to_size`.
    """

    @property
    def shape(self) -> tuple[int, ...]:
        """The size of each dim."""
        ...

    @property
    def ndim(self) -> int:
        """The number of dims."""
        ...

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of the elements."""
        ...

    @property
    def requires_grad(self) -> bool:
        """Whether a gradient flows to it."""
        ...

    def __add__(self, other: Any) -> Tensor: ...

    def __sub__(self, other: Any) -> Tensor: ...

    def __mul__(self, other: Any) -> Tensor: ...

    def __truediv__(self, other: Any) -> Tensor: ...

    def __neg__(self) -> Tensor: ...

    def __getitem__(self, index: Any) -> Tensor: ...

    def __len__(self) -> int: ...

    def detach(self) -> Tensor:
        """Return the array outside the graph."""
        ...

    def to(self, *args: Any, **kwargs: Any) -> Tensor:
        """Return the array in another dtype."""
        ...

    def reshape(self, *sizes: Any) -> Tensor:
        """Return the elements in another shape."""
        ...

    def sum_to_size(self, *sizes: Sequence[int] | int) -> Tensor:
        """Return the sum over the dims that broadcasting added or stretched."""
        ...
