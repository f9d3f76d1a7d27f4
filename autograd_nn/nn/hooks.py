"""Hooks on the gradients that enter and leave a module.

A hook must see the gradients of all tensors of a group (all outputs, or all inputs) at once, yet an operation has one
result. So a group is passed through a knot: one call that has all tensors of the group as parents, and one strand for
each of them that carries its data on and has the knot as parent. Backward, every strand leaves its gradient with the
knot, which the engine reaches when all strands are done; there the hook sees them together.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np

from ..engine import primitive
from ..tensor import Tensor
from ..typing import Array

__all__ = ["GradientTuple", "watch_gradients"]

GradientTuple: TypeAlias = tuple[Tensor | None, ...]
OnGradients: TypeAlias = Callable[[GradientTuple], GradientTuple]


@primitive
def _knot(*tensors: Array, gradients: list[Tensor | None], on_gradients: OnGradients) -> Array:
    return np.zeros((), np.float32)


def _knot_rule(
    g: Tensor,
    out: Tensor,
    *tensors: Tensor,
    needs: tuple[bool, ...],
    gradients: list[Tensor | None],
    on_gradients: OnGradients,
) -> GradientTuple:
    arrived = tuple(gradients)
    gradients[:] = [None] * len(gradients)
    return on_gradients(arrived)


_knot.defvjps(_knot_rule, shapes_only=True)


@primitive
def _strand(knot: Array, *, data: Array, position: int, gradients: list[Tensor | None]) -> Array:
    return data


def _strand_rule(
    g: Tensor, out: Tensor, knot: Tensor, data: Array, position: int, gradients: list[Tensor | None]
) -> Tensor:
    gradients[position] = g
    return Tensor(np.zeros((), np.float32))


_strand.defvjp(_strand_rule)


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
    gradients: list[Tensor | None] = [None] * len(tensors)
    knot = _knot(*tensors, gradients=gradients, on_gradients=on_gradients)
    if not knot.requires_grad:
        return list(tensors)
    return [
        _strand(knot, data=x.data, position=i, gradients=gradients) if x.requires_grad else x
        for i, x in enumerate(tensors)
    ]
