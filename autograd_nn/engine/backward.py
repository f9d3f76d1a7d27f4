"""The backward pass: reverse accumulation over a topological order."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from . import graph
from .graph import Call, Leaf, Node, Variable, check_unchanged, wrap
from .primitive import _state

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


def _parts(call: Call, g: Any, create_graph: bool, useful: set[Node] | None) -> list[tuple[int, Any]]:
    """Apply the vjps of a call to the gradient of its result; return pairs of input position and gradient."""
    inputs, parents, plan, primitive = call.inputs, call.parents, call.plan, call.primitive
    if inputs is None:
        raise RuntimeError(
            f"backward(): what the gradient of {primitive.name}() needs was freed by an earlier backward() through the "
            "same graph. Either a tensor computed before the training loop is used inside it, or losses of several "
            "steps are added up (add loss.item() instead); to differentiate twice, call backward(retain_graph=True)"
        )
    if call.time != graph.clock:
        check_unchanged(call, [call.output, *inputs])
    # an input comes as a tensor, as a number, or (where only its shape is read) as its node
    arguments: list[Any] = parents.copy()
    for i in plan.kept:
        array = inputs[i]
        if type(array) is _ndarray:
            arguments[i] = x = _new(graph.result_type)  # `wrap`, without the call
            x._data = array
            x.node = parents[i] if create_graph else None
        else:
            arguments[i] = array
    out = None if call.output is None else wrap(call.output, call if create_graph else None)
    params = {**call.params, "residuals": call.residuals} if primitive.residuals else call.params
    if primitive.joint is not None:
        needs = tuple(parent is not None and (useful is None or parent in useful) for parent in parents)
        parts = enumerate(primitive.joint(g, out, *arguments, needs=needs, **params))
        return [(i, part) for i, part in parts if needs[i]]
    rules = plan.rules
    if useful is not None:
        rules = [(i, rule) for i, rule in rules if parents[i] in useful]
    found = []
    for i, rule in rules:
        found.append((i, rule(g, out, *arguments, **params) if params else rule(g, out, *arguments)))
    return found


def _fitted(g: Any, parent: Node, call: Call) -> Any:
    """Return a gradient with the shape and dtype of the input it belongs to."""
    if g._data.shape != parent.shape:
        if not call.primitive.elementwise:
            raise RuntimeError(f"{call.primitive.name}(): its vjp gave a gradient of shape {g._data.shape} for an "
                               f"input of shape {parent.shape}")
        g = g.sum_to_size(parent.shape)
    return g if g._data.dtype == parent.dtype else g.to(parent.dtype)


def _propagate(
    seeds: list[tuple[Node, Any]], targets: set[Node] | None, retain_graph: bool, create_graph: bool
) -> dict[Node, Any]:
    """Run the chain rule from `seeds` backward.

    Without targets, gradients are added to ``grad`` of the leaves (and of calls that retain it). With targets, only the
    paths to them are followed, and their gradients are returned.
    """
    order = _order(node for node, _ in seeds)
    useful: set[Node] | None = None
    if targets is not None:
        useful = set()
        for node in reversed(order):
            if node in targets or any(parent in useful for parent in node.parents if parent is not None):
                useful.add(node)
    gradients: dict[Node, Any] = {}
    owned: set[Node] = set()  # whose gradient is an array that nothing else holds
    for node, g in seeds:
        gradients[node] = g if node not in gradients else gradients[node] + g
    found: dict[Node, Any] = {}
    heard = _state.listener is not None

    for node in order:
        g = gradients.pop(node, None)
        if g is None:
            continue
        if node.hooks:
            g = _hooked(g, node, owned)
        if targets is None:
            if type(node) is Leaf or node.retains:  # type: ignore[attr-defined]
                _accumulate(node, g, node in owned, create_graph)
        elif node in targets:
            found[node] = g if create_graph or node in owned else wrap(g._data.copy())
        if not isinstance(node, Call) or (useful is not None and not any(p in useful for p in node.parents)):
            continue
        if heard:
            _state.differentiating = node
        for i, part in _parts(node, g, create_graph, useful):
            if part is None:
                continue
            parent: Any = node.parents[i]
            array = part._data
            if array.shape != parent.shape or array.dtype is not parent.dtype:
                part = _fitted(part, parent, node)
                array = part._data
            if parent not in gradients:
                gradients[parent] = part
                if type(parent) is Leaf and array.base is None and not _lent(array, g, node, gradients, parent):
                    owned.add(parent)
            elif parent in owned and not create_graph:
                held = gradients[parent]._data
                np.add(held, array, out=held)
            else:
                gradients[parent] = gradients[parent] + part
                owned.add(parent)
        if not retain_graph and node.plan.keeps:
            node.inputs = node.output = None
            node.residuals = ()
    return found


def _lent(array: np.ndarray, g: Any, call: Call, gradients: dict[Node, Any], parent: Node) -> bool:
    """Return whether something else than `parent` holds the array that a vjp of `call` returned."""
    for other in (g._data, call.output, *(call.inputs or ()), *call.residuals):
        if other is array:
            return True
    for sibling in call.parents:
        if sibling is not None and sibling is not parent:
            held = gradients.get(sibling)
            if held is not None and held._data is array:
                return True
    return False


def _hooked(g: Any, node: Node, owned: set[Node]) -> Any:
    """Return the gradient that the hooks of a node make of `g`."""
    for hook in tuple(node.hooks.values()):  # type: ignore[union-attr]
        replaced = hook(g)
        if replaced is not None:
            g = _checked_hook_result(replaced, node)
            owned.discard(node)
    return g


def _checked_hook_result(g: Any, node: Node) -> Any:
    if not isinstance(g, Variable) or g._data.shape != node.shape:
        shape = getattr(g, "shape", type(g).__name__)
        raise RuntimeError(f"hook: must return None or a gradient of shape {node.shape}, got {shape}")
    return g


def _accumulate(node: Node, g: Any, owned: bool, create_graph: bool) -> None:
    if node.grad is not None:
        before, node.grad = node.grad, node.grad + g
        if graph.accumulating is not None:
            graph.accumulating(before, node.grad)
    elif create_graph:
        node.grad = g
    else:
        node.grad = wrap(g._data if owned else g._data.copy())


def _seeds(outputs: Sequence[Variable], gradients: Sequence[Any], operation: str) -> list[tuple[Node, Any]]:
    seeds = []
    for out, g in zip(outputs, gradients):
        if out.node is None:
            raise RuntimeError(f"{operation}(): the tensor does not require grad and has no graph "
                               "(was it computed under no_grad(), or from tensors without requires_grad=True?)")
        shape = out._data.shape
        if g is None:
            if out._data.size != 1:
                raise RuntimeError(f"{operation}(): grad can be implicitly created only for scalar outputs "
                                   f"(shape={shape}); reduce it with .sum() or .mean(), or pass a gradient")
            g = wrap(np.ones(shape, out._data.dtype))
        else:
            if not isinstance(g, Variable):
                g = wrap(np.array(g, out._data.dtype))
            if g._data.shape != shape:
                raise RuntimeError(f"{operation}(): the gradient has shape {g._data.shape} but the output {shape}")
            g = g if g._data.dtype == out._data.dtype else g.to(out._data.dtype)
        seeds.append((out.node, g))
    return seeds


def _listed(values: Any) -> list[Any]:
    return list(values) if isinstance(values, list | tuple) else [values]


def backward(
    outputs: Variable | Sequence[Variable],
    gradients: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
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

    Raises
    ------
    RuntimeError
        An output without graph, a missing gradient for more than one element, a graph that was freed, a value changed
        in place.
    """
    outputs = _listed(outputs)
    gradients = [None] * len(outputs) if gradients is None else _listed(gradients)
    before = _state.recording, _state.differentiating
    try:  # a context manager could be interrupted as its end begins, and would put nothing back
        _state.recording = create_graph
        seeds = _seeds(outputs, gradients, "backward")
        if graph.differentiated is not None:
            for node, _ in seeds:
                graph.differentiated(node)
        _propagate(seeds, None, create_graph if retain_graph is None else retain_graph, create_graph)
    finally:
        _state.recording, _state.differentiating = before


def grad(
    outputs: Variable | Sequence[Variable],
    inputs: Variable | Sequence[Variable],
    grad_outputs: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    allow_unused: bool = False,
) -> tuple[Any, ...]:
    """Return the gradients of `outputs` with respect to `inputs`, leaving ``.grad`` alone.

    Parameters
    ----------
    outputs, inputs : tensor or sequence of tensors
        `inputs` may be leaves or results inside the graph.
    grad_outputs, retain_graph, create_graph
        As `gradients`, `retain_graph` and `create_graph` of `backward`.
    allow_unused : bool
        Return None for an input that the outputs do not depend on, where otherwise an error is raised.

    Returns
    -------
    tuple of tensors
        One gradient per input, of its shape and dtype.
    """
    outputs, inputs = _listed(outputs), _listed(inputs)
    gradients = [None] * len(outputs) if grad_outputs is None else _listed(grad_outputs)
    for i, x in enumerate(inputs):
        if x.node is None:
            raise RuntimeError(f"grad(): input {i} does not require grad")
    before = _state.recording, _state.differentiating
    try:
        _state.recording = create_graph
        seeds = _seeds(outputs, gradients, "grad")
        retain = create_graph if retain_graph is None else retain_graph
        found = _propagate(seeds, {x.node for x in inputs}, retain, create_graph)
    finally:
        _state.recording, _state.differentiating = before
    if not allow_unused:
        for i, x in enumerate(inputs):
            if x.node not in found:
                raise RuntimeError(f"grad(): the outputs do not depend on input {i} (shape={x._data.shape}); "
                                   "allow_unused=True returns None for it")
    return tuple(found.get(x.node) for x in inputs)
