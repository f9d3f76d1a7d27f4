"""Where elements are: membership, intervals between sorted boundaries, positions."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..engine import Variable, get_default_dtype, wrap
from ..typing import Array, Tensor
from . import index

__all__ = ["argwhere", "bucketize", "isin", "searchsorted"]


def _array(value: Any) -> Array:
    """Return the elements of a tensor, an array or numbers; Python floats have the default dtype."""
    if isinstance(value, Variable):
        return value.array
    array = np.asarray(value)
    given = isinstance(value, np.ndarray | np.generic)
    return array.astype(get_default_dtype()) if array.dtype.kind == "f" and not given else array


def argwhere(input: Tensor) -> Tensor:
    """Return the indices of the elements that are not 0, one a row."""
    return index.nonzero(input)


def isin(elements: Any, test_elements: Any, *, invert: bool = False) -> Tensor:
    """Return of each element whether it is one of `test_elements` (or, to `invert`, whether it is not)."""
    return wrap(np.asarray(np.isin(_array(elements), _array(test_elements), invert=invert)))


def searchsorted(sorted_sequence: Tensor, input: Any, *, right: bool = False) -> Tensor:
    """Return where in a sorted sequence (N,) each element belongs, int64: before equal ones, with `right` after."""
    if sorted_sequence.ndim != 1:
        raise RuntimeError(f"searchsorted(): the sorted sequence must have one dim (shape={sorted_sequence.shape})")
    side: Any = "right" if right else "left"
    found = np.searchsorted(sorted_sequence.array, _array(input), side)
    return wrap(np.asarray(found, np.int64))


def bucketize(input: Any, boundaries: Tensor, *, right: bool = False) -> Tensor:
    """Return the number of the interval between sorted boundaries (N,) that each element lies in, int64."""
    return searchsorted(boundaries, input, right=right)
