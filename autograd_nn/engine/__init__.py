"""Reverse-mode automatic differentiation.

A `Variable` is an array plus the `node` that stands for it: a `Leaf` (the user asked for its gradient) or a `Call`,
plain data that says which primitive was applied to which parent nodes. Nodes point to their parents and to nothing
else, so a graph has no reference cycles and dies with the last variable that needs it (`graph`).

A `Primitive` is one array function plus one vector-Jacobian product (vjp) per input. Every application of every
primitive passes `Primitive.__call__`, the one door, where a `listen`er may watch or replace it (`primitive`).

`backward` and `grad` run the chain rule over a topological order, iteratively, so that the depth of a graph is
bounded by memory alone (`backward`). The algorithm is reverse accumulation: A. Griewank and A. Walther, "Evaluating
Derivatives", 2nd ed., SIAM 2008, section 3.2.

The engine knows no operation. Of a gradient it asks three things: ``a + b``, ``a.to(dtype)`` and
``a.sum_to_size(shape)``.
"""

from .backward import backward, grad
from .dtypes import DEFAULT_DTYPE, common_dtype, get_default_dtype, set_default_dtype
from .graph import Call, HookHandle, Leaf, Node, Variable, mark_changed, set_result_type, wrap
from .primitive import (
    Primitive,
    differentiating,
    elementwise,
    enable_grad,
    is_grad_enabled,
    listen,
    no_grad,
    primitive,
    set_grad_enabled,
)

__all__ = [
    "DEFAULT_DTYPE",
    "Call",
    "HookHandle",
    "Leaf",
    "Node",
    "Primitive",
    "Variable",
    "backward",
    "common_dtype",
    "differentiating",
    "elementwise",
    "enable_grad",
    "get_default_dtype",
    "grad",
    "is_grad_enabled",
    "listen",
    "mark_changed",
    "no_grad",
    "primitive",
    "set_default_dtype",
    "set_grad_enabled",
    "set_result_type",
    "wrap",
]
