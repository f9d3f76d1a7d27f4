"""Training and evaluating on several ranks: steps on batches in shards, and measures over all of them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from .. import parallel
from ..data.collate import map_nested
from ..engine import no_grad
from ..ops.random import default_generator
from ..ops.terms import counted_terms
from ..parallel.parts import cut, read_in_parts
from ..tensor import Tensor
from .batches import split_batch
from .measures import Measures, weight_of

__all__ = ["Shards", "group_for", "in_parts", "is_first", "measured_in_shards"]

Found = tuple[int, int, float, float, Any, Any]  # number of the batch, shard, loss, its weight, output, target


def group_for(shards: int | None, function: str) -> parallel.Group | None:
    """Return the group of the job, or one of this process alone if shards are asked for; None for plain training."""
    group = parallel.current()
    if shards is None:
        return group
    if isinstance(shards, bool) or not isinstance(shards, int | np.integer):
        raise TypeError(f"{function}(): shards must be a whole number (shards={shards!r})")
    if shards < 1 or shards & (shards - 1):
        raise ValueError(f"{function}(): shards must be a power of two (shards={shards})")
    if group is not None and group.shards != shards:
        raise ValueError(f"{function}(): shards={shards}, but the job has {group.shards}; say it in parallel.init("
                         f"shards={shards}), at the start of the program")
    return group or parallel.Group(int(shards))


def is_first() -> bool:
    """Return whether this process is the one that prints, draws and saves."""
    return parallel.rank() == 0


@contextlib.contextmanager
def in_parts(group: parallel.Group | None, *loaders: Any) -> Iterator[None]:
    """Let loaders read only what this rank needs of each batch."""
    with contextlib.ExitStack() as stack:
        for loader in loaders:
            stack.enter_context(read_in_parts(loader, group))
        yield


class Shards:
    """The gradients of a run's batches, in shards.

    Parameters
    ----------
    run : Run
    group : Group
    call : callable
        Calls the model with the inputs of a batch.
    loss : callable
        Returns the loss of an output and a target, checked.
    target : str, optional
        The target's key in batches that are dicts.
    """

    def __init__(self, run: Any, group: parallel.Group, call: Callable[[tuple[Any, ...]], Any],
                 loss: Callable[[Any, Any], Tensor], target: str | None):
        self.run, self.group, self.call, self.loss, self.target = run, group, call, loss, target
        self.sharded = parallel.Sharded(run.model, run.optimizer, group)

    @property
    def interrupted(self) -> bool:
        """Whether a rank was interrupted before this step: then all stop after it."""
        return self.sharded.stop

    def __call__(self, batches: Sequence[Any], measure: bool) -> Tensor | None:
        """Compute the gradients of some batches as if they were one; return the loss, None if no target counts."""
        run, sharded = self.run, self.sharded
        sharded.steps, sharded.seed = run.history.steps, default_generator.initial_seed() % 2**64
        outputs: dict[int, Any] = {}
        found: list[Found] = []

        def loss(*part: Any) -> Tensor:
            batch = part if len(part) > 1 else part[0]
            inputs, target = run.inputs, run.target = split_batch(batch, "fit", self.target)
            output = self.call(inputs)  # shards may take turns in it
            value = self.loss(output, target)
            outputs[id(value)] = output, target
            return value

        def note(number: int, shard: int, value: Tensor, weight: float) -> None:
            if sharded.one is None:
                output, target = outputs.pop(id(value))
            else:  # of all shards
                output, target = outputs[id(sharded.whole)]
                if run.measures.metrics:
                    output, target = sharded.one.share(output, shard), sharded.one.share(target, shard)
            if measure and weight:
                found.append((number, shard, value.item(), weight, output, target))

        value = sharded.backward(loss, *batches, observe=note)
        if not sharded.weight:
            return None
        run.loss = sharded.loss
        if measure:
            run.measures.update_all(_of_all_ranks(self.group, found, run.measures, "the metrics of a step"))
        return value


@no_grad()
def _of_all_ranks(group: parallel.Group, found: list[Found], measures: Measures, what: str) -> list[Found]:
    """Return what all ranks found, in the order of batches and shards; outputs only if there are metrics."""

    def plain(nest: Any) -> Any:
        return map_nested(lambda value: value.array if isinstance(value, Tensor) else value, nest)

    def tensors(nest: Any) -> Any:
        return map_nested(lambda value: Tensor(value) if isinstance(value, np.ndarray) else value, nest)

    if not measures.metrics:
        found = [(*each[:4], None, None) for each in found]
    if group.size > 1:
        own = [(*each[:4], plain(each[4]), plain(each[5])) for each in found]
        everyone = group.gather_objects(own, what)
        found = [(*each[:4], tensors(each[4]), tensors(each[5])) for rank in everyone for each in rank]
    return sorted(found, key=lambda each: each[:2])


def measured_in_shards(group: parallel.Group, loader: Iterable[Any], call: Callable[[tuple[Any, ...]], Any],
                       loss: Callable[[Any, Any], Tensor], measures: Measures, target: str | None,
                       function: str) -> None:
    """Take all batches of a loader into measures, each rank its shards."""
    group.place = "an evaluation"
    pending: list[Found] = []
    number = 0
    for number, batch in enumerate(loader, 1):
        for shard, part in cut(batch, group.tree, group.rank).shards.items():
            inputs, wanted = split_batch(part, function, target)
            output = call(inputs)
            with counted_terms() as terms:
                value = loss(output, wanted)
            pending.append((number, shard, value.item(), weight_of(terms, wanted), output, wanted))
        if measures.metrics:
            measures.update_all(_of_all_ranks(group, pending, measures, f"the outputs of batch {number}"))
            pending = []
        else:
            pending = [(*each[:4], None, None) for each in pending]
    measures.update_all(_of_all_ranks(group, pending, measures, f"the losses of {number} batches"))
