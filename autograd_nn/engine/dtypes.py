"""Dtypes of results: PyTorch's promotion rules."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import Any

import numpy as np

DEFAULT_DTYPE = np.dtype(np.float32)
NUMBERS = frozenset((float, int, bool))  # Python's own: they have no say in precision
_RANK = {"b": 0, "u": 1, "i": 1, "f": 2}


def promoted(arrays: list[Any], floating: bool) -> list[Any]:
    """Convert inputs to their common dtype, by PyTorch's rules.

    Python numbers and 0-d arrays decide the dtype only when they are of a higher category (bool < integer <
    floating point) than all arrays with dimensions; a Python float makes integers float32, never float64.
    """
    dtype = common_dtype(arrays, floating)
    return [a if type(a) in NUMBERS and dtype.kind == "f" else np.asarray(a, dtype) for a in arrays]


def common_dtype(arrays: Iterable[Any], floating: bool = False) -> np.dtype[Any]:
    """Return the dtype that an elementwise operation of these arrays and Python numbers has."""
    tiers: list[list[np.dtype[Any]]] = [[], [], []]  # with dimensions, 0-d, Python numbers
    for a in arrays:
        if isinstance(a, np.ndarray):
            tiers[0 if a.ndim else 1].append(a.dtype)
        else:
            tiers[2].append(DEFAULT_DTYPE if isinstance(a, float) else np.asarray(a).dtype)
    best: np.dtype[Any] | None = None
    for tier in tiers:
        if tier:
            dtype = _strongest(tier)
            if best is None or _RANK[dtype.kind] > _RANK[best.kind]:
                best = dtype
    assert best is not None
    return DEFAULT_DTYPE if floating and best.kind != "f" else best


def _strongest(dtypes: list[np.dtype[Any]]) -> np.dtype[Any]:
    for dtype in dtypes:
        if dtype.kind not in _RANK:
            raise TypeError(f"tensors hold floating-point, integer or boolean numbers, not {dtype}")
    rank = max(_RANK[dtype.kind] for dtype in dtypes)
    return functools.reduce(np.promote_types, (dtype for dtype in dtypes if _RANK[dtype.kind] == rank))
