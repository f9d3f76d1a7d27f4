"""The table of translations, from the name of a primitive to what writes its ONNX nodes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias, TypeVar

import numpy as np

from ....engine.dtypes import common_dtype
from .graph import Graph
from .trace import Call, Constant, Value, Varying, described

__all__ = ["TABLE", "Translation", "arguments", "name_like", "operand", "operands", "simple", "translates"]

Translation: TypeAlias = Callable[..., Any]  # of the graph, the call and its settings; returns the names of its results

_Function = TypeVar("_Function", bound=Translation)

TABLE: dict[str, Translation] = {}


def translates(*primitives: str) -> Callable[[_Function], _Function]:
    """Put a function into the table: ``function(graph, call, **settings)`` returns the names of the results."""

    def put(function: _Function) -> _Function:
        TABLE.update(dict.fromkeys(primitives, function))
        return function

    return put


def simple(operator: str, **attributes: Any) -> Translation:
    """Return the translation of an operation that is one node, without its settings."""
    return lambda g, call, **settings: g.node(operator, *operands(g, call), **attributes)


def dtype_of(call: Call) -> np.dtype[Any]:
    """Return the dtype in which an elementwise operation computes."""
    count = call.primitive.operands or len(call.inputs)
    if any(isinstance(x, Constant) and isinstance(x.number, Varying) for x in call.inputs[:count]):
        raise NotImplementedError(f"onnx.export(): {described(call)} computes with a number that depends on the batch "
                                  "size; export for one size, with batch_dims=None")
    stand_ins = [np.empty((1,) * x.ndim, x.dtype) if isinstance(x, Value) else x.number for x in call.inputs[:count]]
    return common_dtype(stand_ins, call.primitive.floating)


def name_like(g: Graph, x: Value | Constant, dtype: Any) -> str:
    """Return the name of an input in a dtype; a number becomes a constant."""
    if isinstance(x, Constant):
        return g.number(x.number, np.dtype(dtype))
    return g.cast(g.name_of(x), x.dtype, np.dtype(dtype))


def operands(g: Graph, call: Call) -> list[str]:
    """Return the names of the inputs, those of an elementwise operation in their common dtype."""
    if not call.primitive.elementwise:
        return arguments(g, call)
    dtype = dtype_of(call)
    count = call.primitive.operands or len(call.inputs)
    return [name_like(g, x, dtype) if i < count else g.name_of(x) for i, x in enumerate(call.inputs)]


def operand(g: Graph, call: Call) -> tuple[str, np.dtype[Any]]:
    """Return the name of the only input, and the dtype in which the operation computes."""
    (name,) = operands(g, call)
    return name, dtype_of(call) if call.primitive.elementwise else call.inputs[0].dtype


def arguments(g: Graph, call: Call) -> list[Any]:
    """Return the names of the inputs as they are; None for an absent one."""
    dtype = call.results[0].dtype
    return [None if x is None else g.scalar(x.number, dtype) if isinstance(x, Constant) else g.name_of(x)
            for x in call.inputs]
