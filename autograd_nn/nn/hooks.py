"""Hooks on the gradients that enter and leave a module.

A hook must see the gradients of all tensors of a group (all outputs, or all inputs) at once. So the group passes
through one call with as many results as inputs, whose joint rule gets the gradients of all results together.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from ..engine import primitive
from ..engine.backward import outside
from ..tensor import Tensor
from ..typing import Array

__all__ = ["GradientTuple", "watch_gradients"]

GradientTuple: TypeAlias = tuple[Tensor | None, ...]
OnGradients: TypeAlias = Callable[[GradientTuple], GradientTuple]


@primitive(results="*outputs", complex=True)
def _watched(*tensors: Array, on_gradients: OnGradients) -> tuple[Array, ...]:
    return tensors


_watched.defvjps(
    lambda g_outputs, on_gradients: tuple(map(outside, on_gradients(tuple(map(outside, g_outputs)))))
)


def watch_gradients(tensors: Sequence[Tensor], on_gradients: OnGradients) -> list[Tensor]:
    """Return stand-ins for `tensors` such that a backward pass goes through ``on_gradients``.

    Parameters
    ----------
    tensors : sequence of Tensor
    on_gradients : callable
        Called once in a backward pass with a tuple of one gradient per tensor, None where there is none; returns
        the gradients to go on with.

    Returns
    -------
    list of Tensor
        They share memory with `tensors`; those that need no gradient are returned as they are.
    """
    if not any(x.requires_grad for x in tensors):
        return list(tensors)
    return [out if x.requires_grad else x
            for x, out in zip(tensors, _watched(*tensors, on_gradients=on_gradients))]
