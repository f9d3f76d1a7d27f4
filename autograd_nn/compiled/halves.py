"""A function whose results are differentiated later: its forward pass is half of a plan, its backward pass the rest.

What the first half returns stands in the graph as one call, whose rule runs the second half. Between the two the plan's
memory holds what the second one reads.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..engine import grad as gradients_of
from ..engine import is_grad_enabled, last_change, primitive, wrap
from ..engine.backward import outside
from ..typing import Array, Tensor
from .plan import Plan
from .trace import OUTSIDE

__all__ = ["Halves", "Run", "forward_and_backward"]


class Run:
    """One run of the first half, until the second.

    Attributes
    ----------
    is_pending : bool
        Whether the second half may still come.
    time : int
        When the first half ended, on the clock of in-place changes.
    """

    __slots__ = ("__weakref__", "halves", "is_pending", "time")

    def __init__(self, halves: Halves, time: int):
        self.halves = halves
        self.is_pending = True
        self.time = time


class Halves:
    """What is known of a plan with two halves.

    Parameters
    ----------
    seeds : list of ndarray
        The buffers of the gradients that the second half begins with, one for each result that has one.
    differentiable : list of int
        Which results they are.
    leaves : list
        The nodes, or numbers of arguments, whose gradients the second half ends with.
    found : list of int or None
        For each of them its place among the plan's results after those of the function, None without a gradient.
    read : list of ndarray
        What the second half reads from outside.
    """

    def __init__(self, seeds: list[np.ndarray], differentiable: list[int], leaves: list[Any], found: list[int | None],
                 read: list[np.ndarray]):
        self.seeds, self.differentiable, self.leaves, self.found, self.read = seeds, differentiable, leaves, found, read
        self.plan: Plan = None  # type: ignore[assignment]

    def take(self, plan: Plan, trace: Any) -> None:
        """Take the plan, and note what its second half reads from outside."""
        self.plan = plan
        arrays = [x for record in trace.records[trace.split :] for x in getattr(record, "inputs", ())
                  if isinstance(x, np.ndarray) and trace.kind(x) == OUTSIDE]
        self.read = list({id(x): x for x in arrays}.values())

    def random_seeds(self) -> list[np.ndarray]:
        """Return seeds of random numbers."""
        source = np.random.default_rng(1)
        return [source.standard_normal(seed.shape).astype(seed.dtype) for seed in self.seeds]

    def outputs(self, run: Run, results: list[Any], leaves: list[Any]) -> list[Any]:
        """Return the results of the first half with their place in the graph.

        Parameters
        ----------
        run : Run
        results : list of tensor
        leaves : list of tensor
            What they are differentiated in.
        """
        chosen = [results[i] for i in self.differentiable]
        recorded = _replayed(*leaves, *chosen, run=run, count=len(leaves))
        for i, x in zip(self.differentiable, recorded):
            results[i] = x
        return results

    def backward(self, g_outputs: Sequence[Any]) -> list[Any]:
        """Run the second half; return a gradient for each leaf, or None."""
        for seed, g in zip(self.seeds, g_outputs):
            if g is None:
                seed.fill(0)
            else:
                np.copyto(seed, g.array)
        found = self.plan.second_half()
        return [None if place is None else found[place] for place in self.found]


@primitive(results="*outputs", complex=True)
def _replayed(*arrays: Array, run: Run, count: int) -> tuple[Array, ...]:
    """Return what the first half computed."""
    return arrays[count:]


@_replayed.defvjps
def _second_half(g_outputs: Sequence[Tensor | None], run: Run, needs: Sequence[bool]) -> list[Any]:
    if is_grad_enabled():
        raise RuntimeError("backward(): the graph of a compiled function cannot be differentiated twice "
                           "(create_graph=True); compile the whole step, or call compiled.function")
    if not run.is_pending:
        raise RuntimeError("backward(): a compiled function is differentiated once per call; to go through "
                           "its graph again, compile the whole step or call compiled.function")
    run.is_pending = False
    for array in run.halves.read:
        time, operation = last_change(array)
        if time > run.time:
            raise RuntimeError(f"backward(): a value of shape {array.shape} that the gradient of a compiled function "
                               f"needs was changed in place after it was used, by {operation or 'an update'}()")
    found = run.halves.backward([outside(g) for g in g_outputs])
    return [outside(g) if need else None for g, need in zip(found, needs)]


def forward_and_backward(call: Any, trace: Any, flat: Any, arguments: Sequence[Any]) -> tuple[Any, Halves, list[Any]]:
    """Run a function and its backward pass while they are traced.

    Parameters
    ----------
    call : callable
        Runs the function.
    trace : Trace
    flat : callable
        Returns the tensors of a result.
    arguments : list of tensor
        Those that are given to it.

    Returns
    -------
    result : object
    halves : Halves
    gradients : list of tensor
    """
    result = call()
    trace.split = len(trace.records)
    results = flat(result)
    differentiable = [i for i, x in enumerate(results) if x.node is not None]
    outside = [known.tensor for known in trace.reach.leaves()]
    inside = [i for i, x in enumerate(arguments) if x.node is not None]
    source = np.random.default_rng(0)
    seeds = [source.standard_normal(results[i].array.shape).astype(results[i].array.dtype) for i in differentiable]
    for seed in seeds:
        trace.given_too(seed)
    leaves = [*outside, *(arguments[i] for i in inside)]
    found = gradients_of([results[i] for i in differentiable], leaves, [wrap(seed) for seed in seeds],
                         retain_graph=True, allow_unused=True)
    places: list[int | None] = []
    gradients: list[Any] = []
    for g in found:
        places.append(None if g is None else len(gradients))
        if g is not None:
            gradients.append(g)
    return result, Halves(seeds, differentiable, [*outside, *inside], places, []), gradients
