"""Reverse-mode automatic differentiation.

A `Variable` is an array plus the `node` that stands for it: a `Leaf` (the user asked for its gradient) or a `Call`,
plain data that says which primitive was applied to which parent nodes with which settings (`graph`). Nodes point to
their parents and to nothing else, so a graph has no reference cycles and dies with the last variable that needs it.

A `Primitive` is one array function plus one vector-Jacobian product per input; the parameters of a rule name what it
reads (`rules`). A primitive may have several results. An `Update` is a primitive that writes into some of its inputs,
and the only way in which the library writes. Every application of every primitive passes one door,
`Primitive.__call__`, and every array that enters a call is an input with a source, so that a `listen`er at the door
sees all that is computed and all that is written (`primitive`, `recording`). A view knows its base (`views`), and
memory carries the count of its changes (`versions`).

`backward` and `grad` run the chain rule over a topological order, iteratively, so that the depth of a graph is
bounded by memory alone (`backward`). The algorithm is reverse accumulation: A. Griewank and A. Walther, "Evaluating
Derivatives", 2nd ed., SIAM 2008, section 3.2.

The engine knows no operation. Of a gradient it asks three things, ``a + b``, ``a.to(dtype)`` and
``a.sum_to_size(shape)``, and of a complex one two more: ``a.conj()`` and ``a.real``.
"""

from .backward import backward, grad
from .dtypes import (
    DEFAULT_DTYPE,
    ELEMENTS,
    check_holds,
    common_dtype,
    complex_of,
    dtypes_apart,
    get_default_dtype,
    real_of,
    set_default_dtype,
)
from .errors import LinAlgError
from .graph import Call, HookHandle, Leaf, Node, Result, Variable, set_result_type, wrap
from .primitive import Primitive, Update, check_recordable, check_writable, elementwise, primitive, update
from .recording import (
    Observer,
    differentiating,
    effect,
    enable_grad,
    is_grad_enabled,
    listen,
    no_grad,
    note_made,
    note_read,
    observe,
    observers,
    results_of,
    set_grad_enabled,
    state,
    structure,
)
from .versions import Together, last_change, mark_changed

__all__ = [
    "DEFAULT_DTYPE",
    "ELEMENTS",
    "Call",
    "HookHandle",
    "Leaf",
    "LinAlgError",
    "Node",
    "Observer",
    "Primitive",
    "Result",
    "Together",
    "Update",
    "Variable",
    "backward",
    "check_holds",
    "check_recordable",
    "check_writable",
    "common_dtype",
    "complex_of",
    "differentiating",
    "dtypes_apart",
    "effect",
    "elementwise",
    "enable_grad",
    "get_default_dtype",
    "grad",
    "is_grad_enabled",
    "last_change",
    "listen",
    "mark_changed",
    "no_grad",
    "note_made",
    "note_read",
    "observe",
    "observers",
    "primitive",
    "real_of",
    "results_of",
    "set_default_dtype",
    "set_grad_enabled",
    "set_result_type",
    "state",
    "structure",
    "update",
    "wrap",
]
