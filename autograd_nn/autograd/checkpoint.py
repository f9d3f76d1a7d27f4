"""Trading time for memory: recompute a part of the forward pass in the backward pass."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..engine import enable_grad, grad, is_grad_enabled, no_grad, primitive
from ..ops.random import default_generator
from ..tensor import Tensor
from ..typing import Array

__all__ = ["checkpoint"]


@primitive
def _checkpointed(*arrays: Array, run: Callable[[], Tensor], **_: Any) -> Array:
    """Return what `run` computes, having recorded nothing of it."""
    return run().data


def _recompute(
    g: Tensor, out: Tensor, *inputs: Any, needs: Sequence[bool], run: Callable[[], Tensor],
    function: Callable[..., Tensor], arguments: Sequence[Any], places: Sequence[int | None], state: dict[str, Any],
) -> list[Tensor | None]:
    """Run the function again, recorded and from the generator's state of the first time, and differentiate it."""
    later = default_generator.get_state()
    default_generator.set_state(state)
    recorded = is_grad_enabled()
    try:
        with enable_grad():
            values = list(arguments)
            leaves: list[Any] = []
            for place, x in zip(places, inputs):
                leaf = x if recorded else x.detach().requires_grad_(needs[len(leaves)])
                leaves.append(leaf)
                if place is not None:
                    values[place] = leaf
            again = function(*values)
    finally:
        default_generator.set_state(later)
    wanted = [x for x, need in zip(leaves, needs) if need]
    found = iter(grad(again, wanted, g, create_graph=recorded, allow_unused=True))
    return [next(found) if need else None for need in needs]


_checkpointed.defvjps(_recompute)


def checkpoint(function: Callable[..., Tensor], *arguments: Any) -> Tensor:
    """Return ``function(*arguments)``, keeping only the arguments for the backward pass.

    What the function computes on the way is computed again when its gradient is needed; random numbers from the
    default generator (dropout) come out the same.

    Parameters
    ----------
    function : callable
        Returns one tensor. Parameters that it uses without taking them as arguments get their gradients where it has
        ``parameters()``, as modules do.
    *arguments
        Tensors and other values.

    References
    ----------
    T. Chen et al., "Training deep nets with sublinear memory cost", 2016, arXiv:1604.06174.
    """
    places: list[int | None] = [i for i, value in enumerate(arguments) if isinstance(value, Tensor)]
    inputs = [arguments[i] for i in places if i is not None]
    parameters = [p for p in getattr(function, "parameters", tuple)() if p.requires_grad]
    places += [None] * len(parameters)
    state = default_generator.get_state()

    def run() -> Tensor:
        with no_grad():
            return function(*arguments)

    if not is_grad_enabled():
        return run()
    return _checkpointed(
        *inputs, *parameters, run=run, function=function, arguments=arguments, places=places, state=state
    )
