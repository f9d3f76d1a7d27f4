"""The backward pass: reverse accumulation over a topological order.

Complex numbers: outside, the gradient of a real loss L in z = a + ib is dL/da + i dL/db, as in PyTorch. Inside, the
pass carries the conjugate of that. Then the rule of a holomorphic function f is ``g * f'(z)``, as for real numbers, and
the conjugate is taken in one place: where a gradient enters the pass (`_seeds`) and where it leaves it (`outside`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from ..typing import Array
from . import graph, versions
from .arguments import explained
from .graph import Call, Leaf, Node, Result, Variable, wrap
from .primitive import primitive, update
from .recording import observers, state
from .rules import GRADIENT, INPUT, INPUTS, LIKE, LIKES, NEEDS, RESULT, RESULTS, SETTING

_ndarray = np.ndarray
_new = object.__new__


def _order(roots: Iterable[Node]) -> list[Node]:
    """Return all nodes behind `roots` such that each comes before its parents (Kahn's algorithm)."""
    waiting = dict.fromkeys(roots, 0)
    stack = list(waiting)
    while stack:
        for parent in stack.pop().parents:
            if parent is not None:
                if parent in waiting:
                    waiting[parent] += 1
                else:
                    waiting[parent] = 1
                    stack.append(parent)
    ready = [node for node, count in waiting.items() if count == 0]
    order = []
    while ready:
        node = ready.pop()
        order.append(node)
        for parent in node.parents:
            if parent is not None:
                waiting[parent] -= 1
                if waiting[parent] == 0:
                    ready.append(parent)
    return order


def _values(call: Call, gradients: Any, create_graph: bool, needs: tuple[bool, ...]) -> list[Any]:
    """Return what the rules of a call read, in the order of its plan."""
    inputs: Any = call.inputs
    parents = call.parents
    kind: Any = graph.result_type
    values: list[Any] = []
    for source, at in call.plan.values:
        if source == INPUT:  # comes as a tensor, or as the number that it is
            value = inputs[at] if at < len(inputs) else None
            if type(value) is _ndarray:
                x = _new(kind)  # `wrap`, without the call
                x.array = value
                x.node = parents[at] if create_graph else None
                x._view = None
                value = x
            elif isinstance(value, Variable):  # of many samples, inside `vmap`
                value = value.placed(parents[at] if create_graph else None)
        elif source == GRADIENT:
            value = gradients if at is None else gradients[at]
        elif source == LIKE:  # comes as a node
            value = None
            if at < len(inputs):
                value = parents[at] if parents[at] is not None else inputs[at]
        elif source == RESULT:
            value = _as_variable(call.outputs[at], _place(call, at) if create_graph else None)
        elif source == SETTING:
            value = call.params[at] if at in call.params else call.primitive.signature.settings[at]
        elif source == INPUTS:
            value = tuple(_as_variable(a, parents[i] if create_graph else None)
                          for i, a in enumerate(inputs[at:], at))
        elif source == LIKES:
            value = tuple(parent if parent is not None else inputs[i] for i, parent in enumerate(parents[at:], at))
        elif source == RESULTS:
            value = tuple(None if a is None else _as_variable(a, _place(call, i) if create_graph else None)
                          for i, a in enumerate(call.outputs))
        elif source == NEEDS:
            value = needs
        else:
            value = call.params
        values.append(value)
    return values


def _as_variable(value: Any, node: Node | None) -> Any:
    """Return what a call kept as a variable with a place in the graph; numbers stay."""
    if type(value) is _ndarray:
        return wrap(value, node)
    return value.placed(node) if isinstance(value, Variable) else value


def _place(call: Call, index: int) -> Node:
    return Result(call, index, call.outputs[index].shape, call.outputs[index].dtype) if index else call


def _parts(call: Call, gradients: Any, create_graph: bool, useful: set[Node] | None) -> Any:
    """Apply the rules of a call to the gradients of its results; return pairs of input position and gradient."""
    inputs, parents, plan, primitive = call.inputs, call.parents, call.plan, call.primitive
    if inputs is None:
        raise RuntimeError(
            f"backward(): what the gradient of {primitive.name}() needs was freed by an earlier backward() through the "
            "same graph. Either a tensor computed before the training loop is used inside it, or losses of several "
            "steps are added up (add loss.item() instead); to differentiate twice, call backward(retain_graph=True)"
        )
    if call.time != versions.clock:
        versions.check_unchanged(call, [*(call.outputs or ()), *inputs])
    if primitive.joint is None:
        if gradients[0] is None:
            return ()  # no rule but a joint one reads the gradients of other results
        if plan.plain:  # what `_values` does, for most operations
            values = [gradients[0]]
            kind: Any = graph.result_type
            for i in plan.kept:
                value = inputs[i]
                if type(value) is _ndarray:
                    x = _new(kind)
                    x.array = value
                    x.node = parents[i] if create_graph else None
                    x._view = None
                    value = x
                elif isinstance(value, Variable):
                    value = value.placed(parents[i] if create_graph else None)
                values.append(value)
        else:
            values = _values(call, gradients, create_graph, ())
        if useful is None:
            return [(i, rule(*pick(values))) for i, rule, pick in plan.rules]
        return [(i, rule(*pick(values))) for i, rule, pick in plan.rules if parents[i] in useful]
    needs = tuple(parent is not None and (useful is None or parent in useful) for parent in parents)
    _, rule, pick = plan.rules[0]
    parts = rule(*pick(_values(call, gradients, create_graph, needs)))
    return [(i, part) for i, part in enumerate(parts) if i < len(needs) and needs[i]]


def _fitted(g: Any, parent: Node, call: Call) -> Any:
    """Return a gradient with the shape and dtype of the input it belongs to."""
    if g.array.shape != parent.shape:
        if not call.primitive.elementwise:
            raise RuntimeError(f"{call.primitive.name}(): its vjp gave a gradient of shape {g.array.shape} for an "
                               f"input of shape {parent.shape}")
        g = g.sum_to_size(parent.shape)
    if g.array.dtype.kind == "c" and parent.dtype.kind != "c":
        g = g.real  # the imaginary part moves nothing
    return g if g.array.dtype == parent.dtype else g.to(parent.dtype)


def _propagate(
    seeds: list[tuple[Node, Any]], targets: set[Node] | None, retain_graph: bool, create_graph: bool
) -> dict[Node, Any]:
    """Run the chain rule from `seeds` backward.

    Without targets, gradients are added to ``grad`` of the leaves (and of calls that retain it). With targets, only the
    paths to them are followed, and their gradients are returned.
    """
    node: Any  # a Call where its type was looked at
    order: list[Any] = _order(node for node, _ in seeds)
    useful: set[Node] | None = None
    if targets is not None:
        useful = set()
        for node in reversed(order):
            if node in targets or any(parent in useful for parent in node.parents if parent is not None):
                useful.add(node)
    gradients: dict[Node, Any] = {}
    owned: set[Node] = set()  # whose gradient is an array that nothing else holds
    several: dict[Node, list[Any]] = {}  # the gradients of the results of calls with several of them
    for node, g in seeds:
        gradients[node] = g if node not in gradients else gradients[node] + g
    found: dict[Node, Any] = {}
    heard = state.listener is not None

    for node in order:
        g = gradients.pop(node, None)
        if g is None and node not in several:
            continue
        kind = type(node)
        if g is not None:
            if node.hooks:
                g = _hooked(g, node, owned)
            if targets is None:
                if kind is Leaf or node.retains:
                    _accumulate(node, outside(g), node in owned, create_graph)
            elif node in targets:
                found[node] = outside(g) if create_graph or node in owned else kept(outside(g))
        if kind is not Call:
            if kind is Result:
                call: Any = node.parents[0]
                held = several.setdefault(call, [None] * call.primitive.count(call))
                held[node.index] = g if held[node.index] is None else held[node.index] + g
            continue
        if useful is not None and not any(p in useful for p in node.parents):
            continue
        if heard:
            state.differentiating = node
        if node.primitive.single:
            arrived = [g]
        else:
            arrived = several.pop(node) if node in several else [None] * node.primitive.count(node)
            arrived[0] = g
        for i, part in _parts(node, arrived, create_graph, useful):
            if part is None:
                continue
            parent: Any = node.parents[i]
            array = part.array
            if array.shape != parent.shape or array.dtype is not parent.dtype:
                part = _fitted(part, parent, node)
                array = part.array
            if parent not in gradients:
                gradients[parent] = part
                if type(parent) is Leaf and array.base is None and not _lent(array, arrived, node, gradients, parent):
                    owned.add(parent)
            elif parent in owned and not create_graph and (not heard or type(part) is type(gradients[parent])):
                if heard:
                    accumulate(gradients[parent], part)
                else:  # the same write; nobody else holds the array, so nothing is to be marked
                    np.add(gradients[parent].array, array, out=gradients[parent].array)
            else:
                gradients[parent] = gradients[parent] + part
                owned.add(parent)
        if not retain_graph and node.plan.keeps:
            node.inputs = node.outputs = None
    return found


@update(writes="total", complex=True)
def accumulate(total: Array, part: Array) -> None:
    """Add a part to a gradient that nothing else holds, in place."""
    np.add(total, part, out=total)


@primitive(complex=True)
def kept(g: Array) -> Array:
    """Return a copy of a gradient that something else may hold."""
    return g.copy()


kept.defvjp(g=lambda h: h)


def copy_by(function: Callable[[Array], Array]) -> None:
    """Have gradients copied by a function of arrays: that of the kernels, which the engine does not know.

    Examples
    --------
    >>> from autograd_nn.engine.backward import copy_by, kept
    >>> copy_by(kept.forward)
    """
    kept.forward = kept.of_complex = function


@primitive
def seed(*, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """Return the gradient of an output of one element with respect to itself."""
    return np.ones(shape, dtype)


def _lent(array: np.ndarray, arrived: list[Any], call: Call, gradients: dict[Node, Any], parent: Node) -> bool:
    """Return whether something else than `parent` holds the array that a rule of `call` returned."""
    for g in arrived:
        if g is not None and g.array is array:
            return True
    for other in (*(call.outputs or ()), *(call.inputs or ())):
        if other is array:
            return True
    for sibling in call.parents:
        if sibling is not None and sibling is not parent:
            held = gradients.get(sibling)
            if held is not None and held.array is array:
                return True
    return False


def _hooked(g: Any, node: Node, owned: set[Node]) -> Any:
    """Return the gradient that the hooks of a node make of `g`."""
    for hook in tuple(node.hooks.values()):  # type: ignore[union-attr]
        replaced = hook(outside(g))
        if replaced is not None:
            g = outside(_checked_hook_result(replaced, node))
            owned.discard(node)
    return g


def outside(g: Any) -> Any:
    """Return a gradient as users see it, from what the pass carries, or the other way round; None stays."""
    return g.conj() if g is not None and g.array.dtype.kind == "c" else g


def _checked_hook_result(g: Any, node: Node) -> Any:
    if not isinstance(g, Variable) or g.array.shape != node.shape:
        shape = getattr(g, "shape", type(g).__name__)
        raise RuntimeError(f"hook: must return None or a gradient of shape {node.shape}, got {shape}")
    return g


def _accumulate(node: Node, g: Any, owned: bool, create_graph: bool) -> None:
    before = node.grad
    if before is not None:
        node.grad = before + g
    else:
        node.grad = g if create_graph else wrap(g.array) if owned else kept(g)
    if observers and type(node) is Leaf:
        for observer in observers:
            observer.gradient_final(node, before, node.grad)


def _seeds(outputs: Sequence[Variable], gradients: Sequence[Any], operation: str) -> list[tuple[Node, Any]]:
    seeds = []
    for out, g in zip(outputs, gradients):
        if not out.requires_grad or out.node is None:
            raise RuntimeError(f"{operation}(): the tensor does not require grad and has no graph "
                               "(was it computed under no_grad(), or from tensors without requires_grad=True?)")
        shape = out.array.shape
        if g is None:
            if out.array.size != 1:
                raise RuntimeError(f"{operation}(): grad can be implicitly created only for scalar outputs "
                                   f"(shape={shape}); reduce it with .sum() or .mean(), or pass a gradient")
            if out.array.dtype.kind == "c":
                raise RuntimeError(f"{operation}(): grad can be implicitly created only for real outputs "
                                   f"(dtype={out.array.dtype}); take .abs(), .real or .imag, or pass a gradient")
            g = seed(shape=shape, dtype=out.array.dtype)
        else:
            if not isinstance(g, Variable):
                g = wrap(np.array(g, out.array.dtype))
            if g.array.shape != shape:
                raise RuntimeError(f"{operation}(): the gradient has shape {g.array.shape} but the output {shape}")
            if g.array.dtype.kind == "c" and out.array.dtype.kind != "c":
                raise RuntimeError(f"{operation}(): the gradient is {g.array.dtype} but the output {out.array.dtype}; "
                                   "take .real of it")
            g = g if g.array.dtype == out.array.dtype else g.to(out.array.dtype)
        seeds.append((out.node, outside(g)))
    return seeds


def _listed(values: Any) -> list[Any]:
    return list(values) if isinstance(values, list | tuple) else [values]


def _target(x: Variable, position: int) -> Node:
    """Return the node of one of the inputs that gradients are wanted of."""
    if not x.requires_grad or x.node is None:
        raise RuntimeError(f"backward(): input {position} does not require grad")
    return x.node


@explained
def backward(
    outputs: Variable | Sequence[Variable],
    gradients: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    inputs: Variable | Sequence[Variable] | None = None,
) -> None:
    """Add the gradients of `outputs` to ``.grad`` of every leaf that they were computed from.

    Parameters
    ----------
    outputs : tensor or sequence of tensors
    gradients : tensor, array or sequence of them, optional
        The vector of the vector-Jacobian product, of the outputs' shapes; may be left out for outputs of one element.
    retain_graph : bool, optional
        Keep the graph for another backward pass (default: `create_graph`).
    create_graph : bool
        Record the backward pass, so that the gradients can be differentiated.
    inputs : tensor or sequence of tensors, optional
        Add the gradients of these only, leaves or results.

    Raises
    ------
    RuntimeError
        An output without graph, a missing gradient for more than one element, a graph that was freed, a value changed
        in place.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> x = ag.tensor([1.0, 2.0], requires_grad=True)
    >>> ag.backward((x**2).sum())
    >>> x.grad
    tensor([2., 4.])
    """
    outputs = _listed(outputs)
    gradients = [None] * len(outputs) if gradients is None else _listed(gradients)
    targets = None if inputs is None else {_target(x, i): None for i, x in enumerate(_listed(inputs))}
    if targets is not None and not targets:
        raise RuntimeError("backward(): inputs must not be empty; leave it out to reach all leaves")
    before = state.recording, state.differentiating
    try:  # a context manager could be interrupted as its end begins, and would put nothing back
        state.recording = create_graph
        seeds = _seeds(outputs, gradients, "backward")
        for observer in observers:
            observer.backward_begins([node for node, _ in seeds])
        retain = create_graph if retain_graph is None else retain_graph
        found = _propagate(seeds, targets if targets is None else set(targets), retain, create_graph)
        for node in targets or ():
            if node in found:
                _accumulate(node, found[node], True, create_graph)
    finally:
        state.recording, state.differentiating = before


@explained
def grad(
    outputs: Variable | Sequence[Variable],
    inputs: Variable | Sequence[Variable],
    grad_outputs: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    only_inputs: bool = True,
    allow_unused: bool | None = None,
    materialize_grads: bool = False,
) -> tuple[Any, ...]:
    """Return the gradients of `outputs` with respect to `inputs`, leaving ``.grad`` alone.

    Parameters
    ----------
    outputs, inputs : tensor or sequence of tensors
        `inputs` may be leaves or results inside the graph.
    grad_outputs, retain_graph, create_graph
        As `gradients`, `retain_graph` and `create_graph` of `backward`.
    only_inputs : bool
        PyTorch's setting, always True: ``.grad`` of leaves is left alone.
    allow_unused : bool, optional
        Return None for an input that the outputs do not depend on, where otherwise an error is raised.
    materialize_grads : bool
        Return zeros instead of None; it implies `allow_unused`.

    Returns
    -------
    tuple of tensors
        One gradient per input, of its shape and dtype.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> x = ag.tensor([1.0, 2.0], requires_grad=True)
    >>> (g,) = ag.grad((x**3).sum(), x, create_graph=True)
    >>> ag.grad(g.sum(), x)[0]
    tensor([ 6., 12.])
    """
    if not only_inputs:
        raise ValueError("grad(): only_inputs must be True (only_inputs=False); backward() reaches the leaves too")
    outputs, inputs = _listed(outputs), _listed(inputs)
    gradients = [None] * len(outputs) if grad_outputs is None else _listed(grad_outputs)
    for i, x in enumerate(inputs):
        if not x.requires_grad:
            raise RuntimeError(f"grad(): input {i} does not require grad")
    before = state.recording, state.differentiating
    try:
        state.recording = create_graph
        seeds = _seeds(outputs, gradients, "grad")
        retain = create_graph if retain_graph is None else retain_graph
        found = _propagate(seeds, {x.node for x in inputs}, retain, create_graph)
    finally:
        state.recording, state.differentiating = before
    if not (allow_unused or materialize_grads):
        for i, x in enumerate(inputs):
            if x.node not in found:
                raise RuntimeError(f"grad(): the outputs do not depend on input {i} (shape={x.array.shape}); "
                                   "allow_unused=True returns None for it")
    if materialize_grads:
        return tuple(found[x.node] if x.node in found else wrap(np.zeros_like(x.array)) for x in inputs)
    return tuple(found.get(x.node) for x in inputs)
