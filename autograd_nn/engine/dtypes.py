"""Dtypes of results: PyTorch's promotion rules."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

DEFAULT_DTYPE = np.dtype(np.float32)
_chosen: np.dtype[Any] = DEFAULT_DTYPE
NUMBERS = frozenset((float, int, bool))  # Python's own: they have no say in precision
_RANK = {"b": 0, "u": 1, "i": 1, "f": 2, "c": 3}
ELEMENTS = frozenset(_RANK)  # the kinds of elements that tensors hold


def get_default_dtype() -> np.dtype[Any]:
    """Return the dtype of new tensors of floating-point numbers: float32 unless `set_default_dtype` changed it.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.get_default_dtype()
    dtype('float32')
    """
    return _chosen


def set_default_dtype(d: DTypeLike) -> None:
    """Choose the dtype of new tensors of floating-point numbers, of layers and of ``int / int``.

    Parameters
    ----------
    d : NumPy dtype
        float32 or float64.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.set_default_dtype(ag.float64)
    >>> ag.tensor(0.5).dtype
    dtype('float64')
    >>> ag.set_default_dtype(ag.float32)
    """
    global _chosen
    dtype = np.dtype(d)
    if d is None or dtype not in (np.float32, np.float64):
        raise TypeError(f"set_default_dtype(): d must be float32 or float64 (d={d})")
    _chosen = dtype


def dtypes_apart(operation: str, wanted: str = "", **given: Any) -> RuntimeError:
    """Return the error for tensors that need one dtype and have several.

    Parameters
    ----------
    operation : str
    wanted : str
        The name of the tensor whose dtype the others are to have, as a layer's weight; without it the hint is general.
    **given : NumPy dtype
        The dtype of each tensor by name; None for one that is absent.

    Examples
    --------
    >>> from autograd_nn import engine
    >>> import autograd_nn as ag
    >>> error = engine.dtypes_apart("matmul", x=ag.ones(2).dtype, y=ag.ones(2).double().dtype)
    >>> type(error).__name__
    'RuntimeError'
    """
    named = ", ".join(f"{name}: {dtype}" for name, dtype in given.items())
    target = given.get(wanted)
    method = "to()" if target is None else _METHODS.get(str(target), f"to({target})")
    others = [name for name, dtype in given.items() if wanted and dtype is not None and dtype != target]
    what = f"{' and '.join(others)} " if others else ""
    return RuntimeError(f"{operation}(): all tensors must have one dtype ({named}); convert {what}with .{method}")


_METHODS = {"float32": "float()", "float64": "double()", "float16": "half()", "int64": "long()"}


def promoted(arrays: list[Any], floating: bool) -> list[Any]:
    """Convert inputs to their common dtype, by PyTorch's rules.

    Python numbers and 0-d arrays decide the dtype only when they are of a higher category (bool < integer <
    floating point < complex) than all arrays with dimensions; a Python float makes integers float32 (the default
    dtype), and a complex number makes floats complex numbers of their precision.
    """
    dtype = common_dtype(arrays, floating)
    keeps = dtype.kind in "fc" and any(isinstance(a, np.ndarray) for a in arrays)  # numbers beside arrays
    try:
        return [a if keeps and (type(a) in NUMBERS or type(a) is complex) else np.asarray(a, dtype) for a in arrays]
    except OverflowError:  # a Python integer that the dtype cannot hold
        return [np.asarray(a, np.int64) for a in arrays]


def common_dtype(arrays: Iterable[Any], floating: bool = False) -> np.dtype[Any]:
    """Return the dtype that an elementwise operation of these arrays and Python numbers has.

    Examples
    --------
    >>> from autograd_nn import engine
    >>> import numpy as np
    >>> engine.common_dtype([np.ones(2, np.float32), 2])
    dtype('float32')
    >>> engine.common_dtype([np.zeros(2, int)], floating=True)
    dtype('float32')
    """
    tiers: list[list[np.dtype[Any]]] = [[], [], []]  # with dimensions, 0-d, Python numbers
    for a in arrays:
        if isinstance(a, np.ndarray) or not isinstance(a, np.generic | float | int | complex):
            tiers[0 if a.ndim else 1].append(a.dtype)
        else:
            tiers[2].append(_chosen if isinstance(a, float) else complex_of(_chosen) if isinstance(a, complex)
                            else np.asarray(a).dtype)
    best: np.dtype[Any] | None = None
    for tier in tiers:
        if tier:
            dtype = _strongest(tier)
            if best is None or _RANK[dtype.kind] > _RANK[best.kind]:
                best = complex_of(best) if best is not None and best.kind == "f" else dtype
    assert best is not None
    return _chosen if floating and best.kind not in "fc" else best


def complex_of(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Return the dtype of complex numbers whose parts are of a floating-point dtype, or complex64 for another one.

    Examples
    --------
    >>> from autograd_nn import engine
    >>> import numpy as np
    >>> engine.complex_of(np.dtype("float32"))
    dtype('complex64')
    """
    return np.dtype(np.complex128 if dtype in (np.float64, np.complex128) else np.complex64)


def real_of(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Return the dtype of the parts of complex numbers; a dtype of real numbers stays.

    Examples
    --------
    >>> from autograd_nn import engine
    >>> import numpy as np
    >>> engine.real_of(np.dtype("complex64")), engine.real_of(np.dtype("float32"))
    (dtype('float32'), dtype('float32'))
    """
    return dtype if dtype.kind != "c" else np.dtype(np.float64 if dtype == np.complex128 else np.float32)


def check_holds(dtype: Any, number: Any, operation: str) -> None:
    """Raise RuntimeError if a dtype of integers has no place for a number: NaN, infinity, or beyond its range.

    Examples
    --------
    >>> from autograd_nn import engine
    >>> engine.check_holds("uint8", 255, "full")
    """
    dtype = np.dtype(dtype)
    if dtype.kind in "iu" and not isinstance(number, complex):
        limits = np.iinfo(dtype)
        if not limits.min - 1 < number < limits.max + 1:
            raise RuntimeError(f"{operation}(): {number} cannot be held by {dtype}, from {limits.min} to {limits.max}; "
                               "convert the tensor")


def _strongest(dtypes: list[np.dtype[Any]]) -> np.dtype[Any]:
    for dtype in dtypes:
        if dtype.kind not in _RANK:
            raise TypeError(f"tensors hold floating-point, complex, integer or boolean numbers, not {dtype}")
    rank = max(_RANK[dtype.kind] for dtype in dtypes)
    return functools.reduce(np.promote_types, (dtype for dtype in dtypes if _RANK[dtype.kind] >= min(rank, 2)))
