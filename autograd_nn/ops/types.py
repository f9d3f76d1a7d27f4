"""Questions about dtypes: which one a result has, and what casts allow."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..engine import Variable, common_dtype
from ..typing import DTypeLike, Tensor

__all__ = ["can_cast", "is_complex", "is_floating_point", "is_nonzero", "promote_types", "result_type"]


def is_floating_point(input: Tensor) -> bool:
    """Return whether the elements are floating-point numbers.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.is_floating_point(ag.zeros(2)), ag.is_floating_point(ag.arange(2))
    (True, False)
    """
    return input.is_floating_point()


def is_complex(input: Tensor) -> bool:
    """Return whether the elements are complex numbers.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.is_complex(ag.tensor([1j])), ag.is_complex(ag.tensor([1.0]))
    (True, False)
    """
    return input.is_complex()


def is_nonzero(input: Tensor) -> bool:
    """Return whether the only element is not 0.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.is_nonzero(ag.tensor([0.0])), ag.is_nonzero(ag.tensor([3]))
    (False, True)
    """
    return input.is_nonzero()


def result_type(tensor1: Any, tensor2: Any) -> np.dtype[Any]:
    """Return the dtype that an operation of two tensors or numbers has.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.result_type(ag.zeros(2), 1.5)
    dtype('float32')
    """
    return common_dtype([x.array if isinstance(x, Variable) else x for x in (tensor1, tensor2)])


def promote_types(type1: DTypeLike, type2: DTypeLike) -> np.dtype[Any]:
    """Return the dtype that an operation of two tensors of these dtypes has.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.promote_types("int64", "float32")
    dtype('float32')
    """
    return common_dtype([np.empty(1, type1), np.empty(1, type2)])


def can_cast(from_: DTypeLike, to: DTypeLike) -> bool:
    """Return whether elements of one dtype can be written into the other: never from floating point to integers or
    from numbers to booleans.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.can_cast("float64", "int64")
    False
    """
    source, target = np.dtype(from_).kind, np.dtype(to).kind
    return (target == "c" or (target == "f" and source != "c") or (target in "iu" and source not in "fc")
            or source == target == "b")
