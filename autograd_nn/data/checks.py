"""The check of whole-number arguments that the data classes share."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["whole_number"]


def whole_number(value: Any, what: str, least: int, most: int | None = None) -> int:
    """Return `value` as an int, or raise ValueError unless it is an integer in [least, most].

    `what` names operation and argument, as in ``"Pad(): padding"``.
    """
    integer = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    if not integer or value < least or (most is not None and value > most):
        bounds = f"from {least}" if most is None else f"from {least} to {most}"
        raise ValueError(f"{what} must be an integer {bounds} (got {value!r})")
    return int(value)
