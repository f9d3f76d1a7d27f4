"""Where elements are: membership, intervals between sorted boundaries, positions."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from ..engine import Variable, get_default_dtype, primitive, wrap
from ..typing import Array, Tensor, TensorLike
from . import index

__all__ = ["argwhere", "bucketize", "isin", "searchsorted"]


def _tensor(value: Any) -> Tensor:
    """Return a tensor, an array or numbers as a tensor; Python floats have the default dtype."""
    if isinstance(value, Variable):
        return wrap(value.array)
    array = np.asarray(value)
    given = isinstance(value, np.ndarray | np.generic)
    return wrap(array.astype(get_default_dtype()) if array.dtype.kind == "f" and not given else array)


@primitive
def _isin(elements: Array, tests: Array, *, invert: bool) -> Array:
    return np.asarray(np.isin(elements, tests, invert=invert))


@primitive
def _searchsorted(sequences: Array, values: Array, *, right: bool, dtype: Any) -> Array:
    side: Literal["left", "right"] = "right" if right else "left"
    if sequences.ndim == 1:
        return np.asarray(np.searchsorted(sequences, values, side), dtype)
    found = np.empty(values.shape, dtype)
    for place in np.ndindex(values.shape[:-1]):
        found[place] = np.searchsorted(sequences[place], values[place], side)
    return found


def argwhere(input: Tensor) -> Tensor:
    """Return the indices of the elements that are not 0, one a row.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.argwhere(ag.tensor([0, 5, 6]))
    tensor([[1],
            [2]])
    """
    return index.nonzero(input)


def isin(elements: Any, test_elements: Any, *, invert: bool = False) -> Tensor:
    """Return of each element whether it is one of `test_elements` (or, to `invert`, whether it is not).

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.isin(ag.tensor([1, 2, 3]), ag.tensor([2, 3]))
    tensor([False,  True,  True])
    """
    return _isin(_tensor(elements), _tensor(test_elements), invert=bool(invert))


def searchsorted(
    sorted_sequence: Tensor,
    input: TensorLike,
    *,
    out_int32: bool = False,
    right: bool = False,
    side: Literal["left", "right"] | None = None,
    sorter: Tensor | None = None,
) -> Tensor:
    """Return where in a sorted sequence each element belongs: before equal elements, with `right` after them.

    Parameters
    ----------
    sorted_sequence : Tensor of shape (N,) or (..., N)
    input : Tensor or number
        Of any shape for one sequence; of shape (..., M) where there are several.
    out_int32 : bool
        Whether the result is int32 and not int64.
    right : bool
    side : {'left', 'right'}, optional
        The same as `right`, by name.
    sorter : Tensor of int, optional
        The order that sorts a sequence that is not sorted, as `argsort` gives it.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.searchsorted(ag.tensor([1.0, 3.0, 5.0]), ag.tensor([2.0, 5.0]))
    tensor([1, 2])
    """
    if side not in (None, "left", "right"):
        raise ValueError(f"searchsorted(): side must be 'left' or 'right' (side={side!r})")
    if side == "left" and right:
        raise RuntimeError("searchsorted(): side and right contradict each other (side='left', right=True)")
    sequences, values = _tensor(sorted_sequence), _tensor(input)
    if sorter is not None:
        if sorter.array.shape != sequences.shape or sorter.dtype.kind not in "iu":
            raise RuntimeError("searchsorted(): sorter must hold integers in the shape of the sequence "
                               f"(sorter.shape={sorter.shape}, shape={sequences.shape}, dtype={sorter.dtype})")
        sequences = index.gather(sequences, -1, sorter)
    batch = sequences.array.shape[:-1]
    if sequences.ndim != 1 and (not sequences.ndim or values.array.shape[:-1] != batch or not values.ndim):
        raise RuntimeError("searchsorted(): the sorted sequence must have one dim, or the dims of input up to the last "
                           f"(sorted_sequence.shape={sequences.shape}, input.shape={values.shape})")
    return _searchsorted(sequences, values, right=right or side == "right", dtype=np.dtype("i4" if out_int32 else "i8"))


def bucketize(input: TensorLike, boundaries: Tensor, *, out_int32: bool = False, right: bool = False) -> Tensor:
    """Return the number of the interval between sorted boundaries (N,) that each element lies in, int64.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.bucketize(ag.tensor([0.5, 2.0, 9.0]), ag.tensor([1.0, 2.0, 3.0]))
    tensor([0, 1, 3])
    """
    if boundaries.ndim != 1:
        raise RuntimeError(f"bucketize(): boundaries must have one dim (boundaries.shape={boundaries.shape})")
    return searchsorted(boundaries, input, out_int32=out_int32, right=right)
