"""What the doors of kernels leave to NumPy: small or rare work, said to whoever writes down what a door does.

`machine.recorded` hears kernels by itself. That it hears the rest, too, a door copies, fills, adds up and multiplies
small matrices by these functions; each says its name and its arrays, before it overwrites what it reads.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .annotations import Array, Shape

__all__ = ["above_zero", "add", "at_least_zero", "copied", "hearing", "product", "put", "times", "total", "zeros"]


class _Hearing:
    """Who hears: a function of a name and arrays, or None."""

    say: Callable[..., None] | None = None


hearing = _Hearing()


def _say(name: str, *arguments: Any) -> None:
    if hearing.say is not None:
        hearing.say(name, *arguments)


def copied(x: Array) -> Array:
    """Return a copy in C order."""
    out = np.array(x, order="C")
    _say("put", x, out)
    return out


def put(x: Array, out: Array) -> None:
    """Copy to an array of the same shape."""
    _say("put", x, out)
    out[...] = x


def zeros(shape: Shape, dtype: Any) -> Array:
    """Return an array of zeros that a kernel adds to."""
    out = np.zeros(shape, dtype)
    _say("zeros", out)
    return out


def add(x: Array, y: Array, out: Array) -> None:
    """Compute ``out = x + y``."""
    _say("add", x, y, out)
    np.add(x, y, out=out)


def at_least_zero(out: Array) -> None:
    """Replace negative elements by 0."""
    _say("at_least_zero", out)
    np.maximum(out, 0, out=out)


def times(x: Array, y: Array, out: Array | None = None) -> Array:
    """Return ``x * y``."""
    out = np.multiply(x, y, out=out)
    _say("times", x, y, out)
    return out


def product(x: Array, y: Array, out: Array | None = None) -> Array:
    """Return ``x @ y``."""
    out = np.matmul(x, y, out=out)
    _say("product", x, y, out)
    return out


def total(x: Array, axis: int, out: Array | None = None, dtype: Any = None) -> Array:
    """Return the sum over an axis, computed in float64 and rounded to `dtype` if that is given."""
    if dtype is not None:
        wide: Array = np.add.reduce(x, axis=axis, dtype=np.float64)
        out = wide.astype(dtype)
        _say("total", x, axis, wide)
        _say("rounded", wide, out)
        return out
    out = np.add.reduce(x, axis=axis, out=out)
    _say("total", x, axis, out)
    return out


def above_zero(x: Array) -> bool:
    """Return whether all elements are above 0; what is recorded holds for arrays of which they are."""
    _say("above_zero", x)
    return bool((x > 0).all())
