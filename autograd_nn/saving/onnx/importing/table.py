"""The table from an ONNX operator to a function of tensors, and what the functions share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias, TypeVar

import numpy as np

from ....engine import wrap
from ....tensor import Tensor
from ....typing import Array
from .reading import Node

__all__ = ["OPERATORS", "Run", "axes_of", "constant", "ints", "operator", "parameter", "unary"]

Run: TypeAlias = Callable[..., Any]  # of the node and its inputs, None for those left out; returns the outputs
_Function = TypeVar("_Function", bound=Run)

OPERATORS: dict[str, Run] = {}
IN_SCOPE: set[str] = set()  # operators whose function takes the values around them too, for their subgraphs


def operator(*names: str, in_scope: bool = False) -> Callable[[_Function], _Function]:
    """Put a function into the table: ``function(node, *inputs)`` returns a tensor or a tuple of tensors."""

    def put(function: _Function) -> _Function:
        OPERATORS.update(dict.fromkeys(names, function))
        IN_SCOPE.update(names if in_scope else ())
        return function

    return put


def unary(function: Callable[..., Tensor]) -> Run:
    """Return an operator that is a function of its inputs, without attributes."""
    return lambda node, *inputs: function(*inputs)


def constant(array: Any, dtype: Any = None) -> Tensor:
    """Return an array as a tensor."""
    found: Tensor = wrap(np.asarray(array, dtype))
    return found


def ints(x: Tensor | Sequence[int] | None) -> list[int]:
    """Return the integers in a tensor or list."""
    if x is None:
        return []
    values = x.array if isinstance(x, Tensor) else np.asarray(x)
    return [int(n) for n in values.reshape(-1)]


def number(x: Tensor | Array | float | None, default: Any = None) -> Any:
    """Return the only element of a tensor."""
    return default if x is None else x.array.reshape(-1)[0].item() if isinstance(x, Tensor) else x


def parameter(node: Node, name: str, given: Tensor | None, default: Any = None) -> Any:
    """Return integers that are an attribute in older versions of an operator and an input in newer ones."""
    return ints(given) if given is not None else node.get(name, default)


def axes_of(axes: Sequence[int] | None, ndim: int) -> list[int]:
    """Return axes counted from the front; all for None."""
    if axes is None:
        return list(range(ndim))
    if any(not -ndim <= axis < ndim for axis in axes):
        raise ValueError(f"axes {list(axes)} do not fit {ndim} dims")
    return [axis % ndim for axis in axes]
