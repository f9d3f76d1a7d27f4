"""Operations of one's own in PyTorch's form: a class with `forward` and `backward`.

The package's own form is a decorated array function (`autograd_nn.primitive`); this one is for code from PyTorch.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ..engine import no_grad, primitive, wrap
from ..tensor import Tensor
from ..typing import Array

__all__ = ["Context", "Function"]


class Context:
    """What `forward` hands to `backward`: saved tensors and any attributes."""

    def __init__(self) -> None:
        self.saved: tuple[Any, ...] = ()
        self.needs_input_grad: tuple[bool, ...] = ()
        self._restored: tuple[Any, ...] | None = None

    def save_for_backward(self, *tensors: Any) -> None:
        """Keep tensors for `saved_tensors`: inputs, outputs and intermediate results alike."""
        self.saved = tensors

    @property
    def saved_tensors(self) -> tuple[Any, ...]:
        """The tensors that `save_for_backward` was given."""
        return self.saved if self._restored is None else self._restored

    def mark_non_differentiable(self, *outputs: Tensor) -> None:
        """Accepted for compatibility: integer and boolean outputs have no gradient anyway."""


class _Place:
    """Stands for the i-th input, or for the k-th output, among saved tensors and arguments."""

    def __init__(self, kind: str, position: int):
        self.kind, self.position = kind, position


@primitive(residuals=True)
def _apply(
    *arrays: Array, function: type[Function], context: Context, arguments: list[Any], layout: dict[str, Any]
) -> tuple[Array, tuple[Array, ...]]:
    """Run `forward`; return its outputs as one vector, so that one gradient comes back for all of them."""
    inputs = [wrap(array) for array in arrays]
    values = [inputs[a.position] if isinstance(a, _Place) else a for a in arguments]
    with no_grad():
        results = function.forward(context, *values)
    outputs = list(results) if isinstance(results, tuple) else [results]
    for i, out in enumerate(outputs):
        if not isinstance(out, Tensor):
            raise TypeError(f"{function.__name__}.forward(): output {i} must be a tensor, got {type(out).__name__}")
    layout["single"] = not isinstance(results, tuple)
    layout["outputs"] = [(out.shape, out.dtype, out.data if out.dtype.kind != "f" else None) for out in outputs]
    known = {id(x): _Place("input", i) for i, x in enumerate(inputs)}
    known |= {id(x): _Place("output", i) for i, x in enumerate(outputs)}
    context.saved = tuple(known.get(id(x), x) for x in context.saved)
    floating = [out.data.reshape(-1) for out in outputs if out.dtype.kind == "f"]
    return (np.concatenate(floating) if floating else np.zeros(0, np.float32)), ()


def _slices(layout: dict[str, Any]) -> Iterator[tuple[Any, Any, Any, Any]]:
    start = 0
    for shape, dtype, fixed in layout["outputs"]:
        if fixed is None:
            stop = start + int(np.prod(shape))
            yield shape, dtype, slice(start, stop), None
            start = stop
        else:
            yield shape, dtype, None, fixed


def _unpacked(vector: Tensor, layout: dict[str, Any]) -> list[Tensor]:
    return [wrap(fixed) if part is None else vector[part].reshape(shape).to(dtype)
            for shape, dtype, part, fixed in _slices(layout)]


def _rule(
    g: Tensor, out: Tensor, *inputs: Tensor, needs: Sequence[bool], residuals: tuple[Array, ...],
    function: type[Function], context: Context, arguments: list[Any], layout: dict[str, Any],
) -> list[Tensor | None]:
    outputs = _unpacked(out, layout)
    sources: dict[str, Sequence[Tensor]] = {"input": inputs, "output": outputs}
    context._restored = tuple(sources[x.kind][x.position] if isinstance(x, _Place) else x for x in context.saved)
    gradients = [wrap(np.zeros(fixed.shape, np.float32)) if part is None else g[part].reshape(shape)
                 for shape, dtype, part, fixed in _slices(layout)]
    try:
        found = function.backward(context, *gradients)
    finally:
        context._restored = None
    found = found if isinstance(found, tuple) else (found,)
    if len(found) != len(arguments):
        raise RuntimeError(f"{function.__name__}.backward(): must return one gradient per argument of forward "
                           f"({len(arguments)}), got {len(found)}")
    per_input = {a.position: value for a, value in zip(arguments, found) if isinstance(a, _Place)}
    return [per_input[i] if need else None for i, need in enumerate(needs)]


_apply.defvjps(_rule)


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
        positions = iter(range(len(inputs)))
        places = [_Place("input", next(positions)) if isinstance(a, Tensor) else a for a in arguments]
        context = Context()
        context.needs_input_grad = tuple(isinstance(a, Tensor) and a.requires_grad for a in arguments)
        layout: dict[str, Any] = {}
        vector = _apply(*inputs, function=cls, context=context, arguments=places, layout=layout)
        outputs = _unpacked(vector, layout)
        return outputs[0] if layout["single"] else tuple(outputs)
