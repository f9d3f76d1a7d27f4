"""Operations of one's own in PyTorch's form: a class with `forward` and `backward`.

The package's own form is a decorated array function (`autograd_nn.primitive`); this one is for code from PyTorch.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..engine import Node, is_grad_enabled, no_grad, primitive, wrap
from ..engine.backward import outside
from ..tensor import Tensor
from ..typing import Array

__all__ = ["Context", "Function"]


class Context:
    """What `forward` hands to `backward`: saved tensors and any attributes."""

    def __init__(self) -> None:
        self.needs_input_grad: tuple[bool, ...] = ()
        self._saved: tuple[Any, ...] = ()
        self._constant: tuple[Tensor, ...] = ()
        self._restored: tuple[Any, ...] | None = None
        self._materialize = True

    def save_for_backward(self, *tensors: Any) -> None:
        """Keep tensors for `saved_tensors`: inputs, outputs and intermediate results alike."""
        self._saved = tensors

    save_for_forward = save_for_backward

    @property
    def saved_tensors(self) -> tuple[Any, ...]:
        """The tensors that `save_for_backward` was given."""
        return self._saved if self._restored is None else self._restored

    def mark_non_differentiable(self, *outputs: Tensor) -> None:
        """Say of outputs that they have no gradient."""
        self._constant = outputs

    def mark_dirty(self, *inputs: Tensor) -> None:
        """Accepted for compatibility: the memory of an input knows of its own changes."""

    def set_materialize_grads(self, value: bool) -> None:
        """Whether `backward` gets zeros (the default) or None for outputs that took no part."""
        self._materialize = bool(value)


@primitive(results="*results", complex=True)
def _custom(
    *arrays: Array, count: int, outputs: int, function: type[Function], context: Context,
    arguments: tuple[int | None, ...], places: tuple[int | None, ...],
) -> tuple[Array, ...]:  # fmt: skip
    """Return what `forward` computed from the first `count` arrays: its outputs, then what it saved."""
    return arrays[count:]


@_custom.defvjps
def _custom_rule(
    g_results: Sequence[Tensor | None], results: Sequence[Tensor | None], arrays_like: Sequence[Node],
    needs: Sequence[bool], outputs: int, function: type[Function], context: Context,
    arguments: tuple[int | None, ...], places: tuple[int | None, ...],
) -> list[Tensor | None]:  # fmt: skip
    """Run `backward` on the gradients of the outputs; a saved input gets the place in the graph that it had."""
    kept = iter(results[outputs:])
    restored: list[Any] = []
    for saved, place in zip(context._saved, places):
        if not isinstance(saved, Tensor):
            restored.append(saved)
        elif place is not None and place < 0:  # an output
            restored.append(results[-1 - place])
        else:
            x: Any = next(kept)
            node = None if place is None else arrays_like[place]
            restored.append(wrap(x.array, None if type(node) is Node else node))
    gradients: list[Any] = [outside(g) for g in g_results[:outputs]]
    if context._materialize:
        shapes = arrays_like[len(needs) - len(results) :]
        gradients = [
            Tensor(np.zeros(node.shape, node.dtype if node.dtype.kind in "fc" else np.float32)) if g is None else g
            for g, node in zip(gradients, shapes)
        ]
    context._restored = tuple(restored)
    try:
        found = function.backward(context, *gradients)
    finally:
        context._restored = None
    found = found if isinstance(found, tuple) else (found,)
    if len(found) != len(arguments):
        raise RuntimeError(f"{function.__name__}.backward(): must return one gradient per argument of forward "
                           f"({len(arguments)}), got {len(found)}")
    per_input = {place: g for place, g in zip(arguments, found) if place is not None}
    return [outside(per_input.get(i)) if need else None for i, need in enumerate(needs)]


class Function:
    """Base of operations with a `forward` and a `backward`; use them by ``apply``.

    Subclasses define two static methods: ``forward(ctx, *arguments)`` returns a tensor or a tuple of tensors and runs
    unrecorded; ``backward(ctx, *gradients)`` gets a gradient per output and returns one per argument, None where there
    is none. Written with operations on tensors it can be differentiated again.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> class Cube(ag.autograd.Function):
    ...     @staticmethod
    ...     def forward(ctx, x):
    ...         ctx.save_for_backward(x)
    ...         return x * x * x
    ...     @staticmethod
    ...     def backward(ctx, g):
    ...         (x,) = ctx.saved_tensors
    ...         return g * 3 * x * x
    >>> x = ag.tensor(2.0, requires_grad=True)
    >>> Cube.apply(x).backward()
    >>> x.grad.item()
    12.0
    """

    @staticmethod
    def forward(ctx: Context, *arguments: Any) -> Any:
        raise NotImplementedError("Function: define the static method forward(ctx, ...)")

    @staticmethod
    def backward(ctx: Context, *gradients: Any) -> Any:
        raise NotImplementedError("Function: define the static method backward(ctx, ...)")

    @classmethod
    def apply(cls, *arguments: Any) -> Any:
        """Run `forward` and record it."""
        inputs = [a for a in arguments if isinstance(a, Tensor)]
        context = Context()
        context.needs_input_grad = tuple(isinstance(a, Tensor) and a.requires_grad for a in arguments)
        with no_grad():
            if hasattr(cls, "setup_context"):
                results = cls.forward(*arguments)
                cls.setup_context(context, arguments, results)
            else:
                results = cls.forward(context, *arguments)
        outputs = list(results) if isinstance(results, tuple) else [results]
        for i, out in enumerate(outputs):
            if not isinstance(out, Tensor):
                raise TypeError(f"{cls.__name__}.forward(): output {i} must be a tensor, got {type(out).__name__}")
        found: list[Any] = [wrap(out.array) for out in outputs]
        if is_grad_enabled() and any(context.needs_input_grad):
            found = cls._recorded(context, arguments, inputs, outputs)
        return tuple(found) if isinstance(results, tuple) else found[0]

    @classmethod
    def _recorded(cls, context: Context, arguments: Any, inputs: list[Tensor], outputs: list[Tensor]) -> list[Tensor]:
        """Return the outputs as results of one call, which keeps what was saved and nothing else."""
        if any(not isinstance(x.array, np.ndarray) for x in (*inputs, *outputs)):
            raise RuntimeError(f"{cls.__name__}.apply(): a Function cannot be differentiated inside vmap; make the "
                               "operation a primitive, whose array function runs sample by sample there")
        as_input = {id(x): i for i, x in enumerate(inputs)}
        as_output = {id(x): -1 - i for i, x in enumerate(outputs)}
        places = tuple(as_input.get(id(x), as_output.get(id(x))) for x in context._saved)
        kept = [x.detach() for x, place in zip(context._saved, places)
                if isinstance(x, Tensor) and (place is None or place >= 0)]
        context._saved = tuple(wrap(x.array[:0]) if isinstance(x, Tensor) and x.ndim else
                               Tensor(0.0) if isinstance(x, Tensor) else x for x in context._saved)
        positions = iter(range(len(inputs)))
        results = _custom(
            *inputs, *(x.detach() for x in outputs), *kept, count=len(inputs), outputs=len(outputs), function=cls,
            context=context, arguments=tuple(next(positions) if isinstance(a, Tensor) else None for a in arguments),
            places=places,
        )
        call = next((x.origin for x in results if x.origin is not None), None)
        if call is not None:
            call.outputs = tuple(
                x.array if i >= len(outputs) or -1 - i in places else None for i, x in enumerate(results)
            )
        constant = {id(x) for x in context._constant}
        context._constant = ()
        for x, out in zip(outputs, results):
            if id(x) in constant:
                out.node = None
        return list(results[: len(outputs)])
