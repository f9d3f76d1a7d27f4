"""Errors of the array functions, rewritten to name the operation that was called and its inputs."""

from __future__ import annotations

import inspect
import re
import sys
import warnings
from typing import Any

import numpy as np

_names_an_operation = re.compile(r"[\w.]+\(\)").match
_ENGINE = __package__ + "."
_PACKAGE = __package__.rpartition(".")[0] + "."
_ARGUMENTS = f"{__package__}.arguments"
_OPERATIONS = f"{__package__.rpartition('.')[0]}.ops."


class LinAlgError(RuntimeError):
    """A matrix does not allow what is asked for: it is singular, not positive definite, or an iteration did not end.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.linalg.inv(ag.zeros(2, 2))
    Traceback (most recent call last):
        ...
    autograd_nn.engine.errors.LinAlgError: inv(): singular matrix (x: float32 (2, 2))
    """


def warn(message: str, category: type[Warning] = UserWarning) -> None:
    """Warn at the line of the program that called into this package, however many frames lie between."""
    level, frame = 1, sys._getframe(1)
    while frame.f_back is not None and str(frame.f_globals.get("__name__", "")).startswith(_PACKAGE):
        level, frame = level + 1, frame.f_back
    warnings.warn(message, category, stacklevel=level + 1)


def named(error: Exception, primitive: Any, arrays: list[Any]) -> Exception:
    """Rewrite a NumPy error to name the operation and its inputs; shapes that do not broadcast raise RuntimeError."""
    text = str(error)
    if _names_an_operation(text):
        return error
    kind: type[Exception] = next((k for k in (TypeError, IndexError) if isinstance(error, k)), ValueError)
    if isinstance(error, np.linalg.LinAlgError):
        kind, text = LinAlgError, text[:1].lower() + text[1:]
    elif "broadcast" in text:
        kind, text = RuntimeError, "shapes cannot be broadcast together" if "operands" in text else text.strip()
    elif "ufunc" in text:
        text = "is not defined for these dtypes"
    names = inspect.signature(primitive.forward).parameters
    inputs = ", ".join(f"{name}: {a.dtype} {a.shape}" if isinstance(a, np.ndarray) else f"{name}: {a!r}"
                       for name, a in zip(names, arrays) if a is not None)
    better = kind(f"{asked_for(primitive)}(): {text} ({inputs})")
    better.of_door = kind is not RuntimeError  # type: ignore[attr-defined]  # the function called may know more
    return better


def asked_for(primitive: Any) -> str:
    """Return the name of the operation that was called: the outermost function of `ops` that leads to the primitive."""
    name: str = primitive.name
    frame = sys._getframe(1)
    while frame.f_back and frame.f_globals["__name__"].startswith(_ENGINE):
        frame = frame.f_back
    while frame.f_back and frame.f_globals["__name__"].startswith((_OPERATIONS, _ARGUMENTS)):
        function = frame.f_code.co_name
        if function.isidentifier() and not function.startswith("_") and frame.f_globals["__name__"] != _ARGUMENTS:
            name = function
        frame = frame.f_back
    return name
