"""Parameter: a tensor that a Module counts among what it learns."""

from __future__ import annotations

import numpy as np

from ..engine import Variable, get_default_dtype
from ..tensor import Tensor
from ..typing import ArrayLike, DeviceLike, DTypeLike, Shape

__all__ = ["Parameter"]


class Parameter(Tensor):
    """A leaf tensor that belongs to the parameters of every module that has it as an attribute.

    Parameters
    ----------
    data : Tensor, array, number or nested sequence
        The memory of a tensor is shared; anything else is copied.
    requires_grad : bool
        Whether it is trained.
    """

    __slots__ = ()

    def __init__(self, data: Tensor | ArrayLike, requires_grad: bool = True):
        super().__init__((), dtype=get_default_dtype()) if isinstance(data, Variable) else super().__init__(data)
        if isinstance(data, Variable):
            self.array = data.array
        self.requires_grad = requires_grad

    def __repr__(self) -> str:
        return f"Parameter containing:\n{super().__repr__()}"


def empty_parameter(shape: Shape, dtype: DTypeLike | None = None, device: DeviceLike = None) -> Parameter:
    """Return a parameter of `shape` (float32 unless `dtype` says otherwise) whose elements are still to be set."""
    if min(shape) < 0:
        raise ValueError(f"Parameter: sizes must not be negative (shape={shape})")
    data = np.zeros(shape, get_default_dtype() if dtype is None else dtype)
    return Parameter(Tensor(data).to(device=device))
