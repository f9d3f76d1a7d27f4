"""What the namespace can do, as the array API standard asks it."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..devices import device as Device
from ..engine import get_default_dtype
from . import dtypes

__all__ = ["Info", "array_namespace_info"]

_NAMES = ("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float32", "float64")


class Info:
    """Answers what the namespace can do; the CPU is the only device."""

    def capabilities(self) -> dict[str, Any]:
        """Return what optional parts are there."""
        return {"boolean indexing": True, "data-dependent shapes": True, "max dimensions": 64}

    def default_device(self) -> Any:
        """Return the CPU."""
        return Device("cpu")

    def devices(self) -> list[Any]:
        """Return the CPU, alone in a list."""
        return [Device("cpu")]

    def default_dtypes(self, *, device: Any = None) -> dict[str, Any]:
        """Return the dtypes of results where none is asked for."""
        return {"real floating": get_default_dtype(), "complex floating": dtypes.complex64, "integral": dtypes.int64,
                "indexing": dtypes.int64}

    def dtypes(self, *, device: Any = None, kind: Any = None) -> dict[str, Any]:
        """Return the dtypes by name, those of a kind if one is given."""
        known = {name: getattr(dtypes, name) for name in _NAMES}
        return known if kind is None else {name: dtype for name, dtype in known.items() if np.isdtype(dtype, kind)}


def array_namespace_info() -> Info:
    """Return the object that answers what the namespace can do.

    Examples
    --------
    >>> from autograd_nn import array_api as xp
    >>> info = xp.__array_namespace_info__()
    >>> info.capabilities()["boolean indexing"], sorted(info.dtypes(kind="real floating"))
    (True, ['float32', 'float64'])
    """
    return Info()
