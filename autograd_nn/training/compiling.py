"""Steps of `fit`, `evaluate` and `predict` that compile themselves where many of one kind are to come."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..compiled.step import Compiled, Signature, is_available
from ..data.collate import map_nested
from ..engine import effect, no_grad, wrap
from ..ops.terms import noted
from ..optim.clip import clip_grad_norm_
from ..tensor import Tensor
from .batches import leaves
from .callbacks import Callback, TerminateOnNaN
from .measures import weight_of

__all__ = ["Steps", "is_worth", "joined_loss", "measuring_step", "parts_of", "training_step", "ways_of"]

AT_FIRST = 2  # steps of a kind that are made eagerly in any case
WORTH = 150  # steps to come, for which it is worth to compile one

Found = tuple[Any, Any, int, Any]  # of a batch: its loss, the output, its number, and its weight among several


class Steps(Compiled):
    """A step that is compiled if enough steps of its kind are to come.

    Parameters
    ----------
    function : callable
    name : str
        Of the function that makes the steps, for messages.
    left : callable
        Returns how many steps are to come; None if that is not known: then as many as there were.
    quiet : callable
        Returns whether nothing is to be said of steps that stay eager.
    lends_gradients : bool
        Whether nobody keeps the gradients of a step.
    """

    def __init__(self, function: Callable[..., Any], name: str, left: Callable[[], int | None],
                 quiet: Callable[[], bool], lends_gradients: bool = True):
        super().__init__(function, disable=not is_available())
        self.name, self.left, self.quiet, self.lends_gradients = name, left, quiet, lends_gradients
        self.calls = 0

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        self.calls += 1
        if self.calls == 1 and any(isinstance(x, np.ndarray) for x in leaves(args)):
            self._say("batches hold arrays of NumPy's, not tensors")
        return super().__call__(*args, **kwargs)

    def _say(self, reason: str) -> None:
        if not self.quiet() and not self.disabled:
            print(f"{self.name}(): steps are not compiled: {reason}", file=sys.stderr)

    def _is_wanted(self, known: Signature) -> bool:
        left = self.left()
        expected = known.calls if left is None else left * known.calls / self.calls
        return known.calls > AT_FIRST and is_worth(expected)


def is_worth(left: float | None) -> bool:
    """Return whether it is worth to compile a step for so many that are to come."""
    return left is None or left >= WORTH


def ways_of(callbacks: Sequence[Any]) -> tuple[bool, bool, bool]:
    """Return what callbacks need of a step.

    Returns
    -------
    updates : bool
        Whether the optimizer's step can be part of it: no callback of the user's looks at the gradients before.
    stops : bool
        Whether a loss that is not finite stops the run before the optimizer's step.
    lends : bool
        Whether gradients may be overwritten by the next step: no callback of the user's could keep them.
    """
    package = __name__.partition(".")[0] + "."
    own = [type(callback).__module__.startswith(package) for callback in callbacks]
    updates, stops = True, False
    for callback, is_own in zip(callbacks, own):
        method = getattr(callback, "on_gradients", None)
        if method is None or getattr(method, "__func__", None) is Callback.on_gradients:
            continue
        if is_own and isinstance(callback, TerminateOnNaN) and "on_gradients" not in vars(callback):
            stops = True
        else:
            updates = False
    return updates, stops, all(own)


def parts_of(output: Any) -> Any:
    """Return outputs without their place in the graph."""
    return map_nested(lambda x: x.detach() if isinstance(x, Tensor) else x, output)


# What of a step Python decides, by numbers of the batch: a replay asks again, and is undone if the answer is another.


@effect
def _counts(value: Tensor, target: Any) -> bool:
    """Return whether any target counts."""
    return weight_of(noted(), target) != 0


@effect
def _is_finite(value: Tensor) -> bool:
    return math.isfinite(value.array.item())


@effect
def _is_sum(weight: Tensor) -> bool:
    return math.isinf(weight.array)


@effect
def _weight(value: Tensor, target: Any) -> np.ndarray:
    """Return the weight of a batch among several."""
    terms = noted()
    weight = weight_of(terms, target)
    terms.clear()
    return np.array(weight)


@effect
def _weights(weights: list[Tensor]) -> np.ndarray:
    """Return the weight of several batches together."""
    return np.array(joined_weight([weight.array.item() for weight in weights]))


@effect
def _mean_is_finite(values: list[Tensor], weights: list[Tensor]) -> bool:
    return math.isfinite(joined_loss([value.array.item() for value in values],
                                     [weight.array.item() for weight in weights]))


def joined_weight(weights: Sequence[float]) -> float:
    """Return the weight of several batches; that of a sum is 1."""
    total = 0.0
    for weight in weights:
        total = 1.0 if math.isinf(weight) else total + weight
    return total


def joined_loss(losses: Sequence[float], weights: Sequence[float]) -> float:
    """Return the loss of several batches as if they were one."""
    total = 0.0
    for number, weight in zip(losses, weights):
        total = total + number if math.isinf(weight) else total + weight * number
    return total / joined_weight(weights)


def training_step(call: Callable[[tuple[Any, ...]], Any], loss: Callable[[Any, Any], Tensor], optimizer: Any,
                  clip: float | None, *, updates: bool, stops: bool, keeps: bool) -> Callable[..., Any]:
    """Return a function that makes a training step.

    Parameters
    ----------
    call : callable
        Calls the model with the inputs of a batch.
    loss : callable
        Returns the loss of an output and a target, checked.
    optimizer : Optimizer
    clip : float, optional
    updates : bool
        Make the optimizer's step too, not the gradients alone.
    stops : bool
        Leave it out if the loss is not finite.
    keeps : bool
        Return the outputs of the model.

    Returns
    -------
    callable
        ``step(target, *inputs)`` for one batch, ``step(batches)`` for several, pairs of inputs and target. Returns a
        `Found` for each batch whose targets count, and whether the optimizer made its step or could.
    """

    def step_of_one(target: Any, *inputs: Any) -> tuple[list[Found], bool]:
        optimizer.zero_grad()
        output = call(inputs)
        value = loss(output, target)
        if not _counts(value, target):
            return [], False
        value.backward()
        goes_on = not stops or _is_finite(value)
        if goes_on and updates:
            update()
        return [(value.detach(), parts_of(output) if keeps else None, 0, None)], goes_on

    def step(*batches: Any) -> tuple[list[Found], bool]:
        if len(batches) != 1 or not isinstance(batches[0], list):
            return step_of_one(*batches)
        optimizer.zero_grad()
        found: list[Found] = []
        for number, (inputs, target) in enumerate(batches[0]):
            output = call(inputs)
            value = loss(output, target)
            counts = _counts(value, target)
            weight = wrap(_weight(value, target))
            if not counts:
                continue
            if _is_sum(weight):
                value.backward()
            else:
                value.backward(weight.to(value.dtype))
            found.append((value.detach(), parts_of(output) if keeps else None, number, weight))
        if not found:
            return [], False
        weights = [weight for *_, weight in found]
        share = 1 / wrap(_weights(weights))
        with no_grad():
            for p in parameters():
                if p.grad is not None:
                    p.grad.mul_(share.to(p.grad.dtype))
        goes_on = not stops or _mean_is_finite([value for value, *_ in found], weights)
        if goes_on and updates:
            update()
        return found, goes_on

    def parameters() -> list[Any]:
        return [p for group in optimizer.param_groups for p in group["params"]]

    def update() -> None:
        if clip is not None:
            clip_grad_norm_(parameters(), clip)
        optimizer.step()

    return step


def measuring_step(call: Callable[[tuple[Any, ...]], Any], loss: Callable[[Any, Any], Tensor], keeps: bool
                   ) -> Callable[..., Any]:
    """Return a function ``step(target, *inputs)`` that returns the loss of a batch, and the output if that is kept."""

    def step(target: Any, *inputs: Any) -> tuple[Tensor, Any]:
        output = call(inputs)
        value = loss(output, target)
        return value, output if keeps else None

    return step
