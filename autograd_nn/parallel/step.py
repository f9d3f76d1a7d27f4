"""The gradients of a batch that is divided among ranks: `Sharded.backward`, what a training step is made of."""

from __future__ import annotations

import contextlib
import hashlib
import math
import warnings
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from ..engine import Leaf, last_change, mark_changed, structure, wrap
from ..nn.module import Module
from ..ops.random import default_generator
from ..ops.terms import counted_terms
from ..tensor import Tensor
from .group import Group, Running, current
from .norm import Folds, Meeting, batch_norms
from .one_pass import EACH, Apart, OnePass
from .overlap import Buckets
from .parts import Parts, arrays_of, cut, length_of, read_in_parts
from .tree import add, push, root
from .turns import Turns

__all__ = ["Buffers", "Sharded", "Stream", "digest"]

COMPARED_EVERY = 100  # steps between comparisons of the weights of all ranks
MOST_TRIED = 8  # kinds of batches of which one pass is held against several
SHARD = 2  # the streams of shards, beside those of orders and batches (`data.randomness`)


class Stream:
    """A NumPy generator that is made when it is first drawn from.

    Parameters
    ----------
    *key : int
        What it depends on.
    """

    def __init__(self, *key: int):
        self._key = key

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        generator = self.__dict__.get("_generator")
        if generator is None:
            generator = self._generator = np.random.Generator(np.random.PCG64(np.random.SeedSequence(self._key)))
        return getattr(generator, name)


def digest(model: Iterable[Module], optimizers: Iterable[Any] = ()) -> str:
    """Return a hash of all weights, buffers and states of optimizers."""
    found = hashlib.blake2b(digest_size=6)
    for module in model:
        for name, value in module.state_dict().items():
            found.update(name.encode())
            found.update(np.ascontiguousarray(value.array).view(np.uint8).reshape(-1).data if value.array.ndim else
                         value.array.tobytes())
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            for parameter in group["params"]:
                for name, value in sorted(optimizer.state.get(parameter, {}).items()):
                    array = np.asarray(value.array if isinstance(value, Tensor) else value)
                    found.update(name.encode() + (array.tobytes() if array.dtype != object else repr(value).encode()))
    return found.hexdigest()


class Buffers:
    """Buffers that a forward pass may change: each shard starts from what was there, and their mean is what stays.

    Parameters
    ----------
    arrays : list of ndarray
    """

    def __init__(self, arrays: list[np.ndarray]):
        self.arrays = [array for array in arrays if array.dtype.kind in "fiub"]
        self.start = [(last_change(array)[0], array.copy()) for array in self.arrays]
        self.changed = np.zeros(len(self.arrays), bool)
        self.sums: dict[tuple[int, int], Any] = {}
        self.own: dict[int, dict[int, np.ndarray]] = {}
        self.apart: set[int] = set()  # those of which each shard has a value of its own, while shards run together

    def before(self, one: OnePass) -> None:
        """Say which buffers have values of their own in each shard, as shards begin to run together."""
        for i in self.apart:
            first = self.start[i][1]
            one.note(self.arrays[i], EACH, np.stack([self.own.get(s, {}).get(i, first) for s in one.shards]))

    def after(self, one: OnePass) -> None:
        """Keep the values that shards which ran together have of buffers."""
        for i, array in enumerate(self.arrays):
            if one.kind(array) == EACH:
                self.apart.add(i)
                self.changed[i] = True
                for shard, value in zip(one.shards, one.stack(array)):
                    self.own.setdefault(shard, {})[i] = value.copy()

    def enter(self, shard: int) -> None:
        """Give the buffers the values that they have in a shard."""
        own = self.own.get(shard, {})
        for i, (array, (_, first)) in enumerate(zip(self.arrays, self.start)):
            if self.changed[i]:
                np.copyto(array, own.get(i, first))

    def leave(self, shard: int) -> None:
        """Keep the values that they have in a shard."""
        own = self.own.setdefault(shard, {})
        for i, (array, (time, _)) in enumerate(zip(self.arrays, self.start)):
            if i not in self.apart and last_change(array)[0] != time:
                self.changed[i] = True
                own[i] = array.copy()

    def alike(self, other: Buffers) -> bool:
        """Return whether shards have the same bits of all buffers as in another pass."""
        def bits(buffers: Buffers) -> Any:
            return sorted((s, i, value.tobytes()) for s, own in buffers.own.items() for i, value in own.items())

        return bool(bits(self) == bits(other))

    def finish(self, group: Group, changed: np.ndarray, present: list[int], counts: int) -> None:
        """Give those that changed on any rank the mean over all shards that have samples."""
        which = [int(i) for i in np.flatnonzero(changed)]
        if not which:
            return
        size = sum(self.arrays[i].size for i in which)
        nodes: dict[tuple[int, int], Any] = {}
        for shard in group.mine:
            values = np.zeros(size)
            if shard in present:
                own = self.own.get(shard, {})
                values = np.concatenate([np.asarray(own.get(i, self.start[i][1]), np.float64).reshape(-1)
                                         for i in which])
            push(nodes, (0, shard), values, add)
        mean = group.fold(nodes, add, "buffers") / counts
        begin = 0
        for i in which:
            array = self.arrays[i]
            value = mean[begin : begin + array.size].reshape(array.shape)
            begin += array.size
            array[...] = np.rint(value) if array.dtype.kind in "iub" else value
            mark_changed(array)


class Sharded:
    """Computes the gradients of batches that are divided into shards, and those among the ranks of the job.

    `backward` takes the place of ``loss.backward()``: afterwards every rank has the gradients of the whole batch, with
    the same bits for any number of ranks. Clipping, optimizers and schedules are then as in a single process.

    What a shard draws from the default generator (dropout, noise) depends on the seed, the step and the shard. Batch
    norms in training take the statistics of the whole batch. Buffers that a forward pass changes become the mean over
    the shards.

    The shards of a rank run in one forward and backward pass where the model allows it: what treats each sample by
    itself is computed once, sums over samples shard by shard. The first step of each size of batch runs both ways. If
    the bits differ, or an operation has no form for several shards, they run one by one, and a warning says why. Steps
    run operation by operation, also where a compiled step could be replayed: a plan has no place
    between the shards where gradients can leave.

    Parameters
    ----------
    model : Module, or sequence of Modules
    optimizer : Optimizer, or sequence of them, optional
        Parameters of theirs that no module has get gradients too; their state is compared among the ranks.
    group : Group, optional
        By default that of `init`, or of mpiexec, or else a group of this process alone with 8 shards.
    seed : int, optional
        By default that of `manual_seed`.
    one_pass : bool
        Whether the shards of a rank may run in one pass; the bits are the same.

    Attributes
    ----------
    group : Group
    steps : int
        How many calls of `backward` there were.
    stop : bool
        Whether a rank was interrupted (Ctrl-C) before the last step; it is the same on all ranks.
    loss, weight : float
        The last loss in double precision, and by what it was divided; infinity for a sum, 0 if no target counted.

    Examples
    --------
    >>> import numpy as np
    >>> import autograd_nn as ag
    >>> from autograd_nn import nn, optim, parallel
    >>> _ = ag.manual_seed(0)
    >>> model = nn.Linear(3, 2)
    >>> optimizer = optim.SGD(model.parameters(), lr=0.1)
    >>> step = parallel.Sharded(model, optimizer)
    >>> x, y = ag.randn(10, 3), ag.randint(2, (10,))
    >>> for _ in range(2):
    ...     optimizer.zero_grad()
    ...     loss = step.backward(lambda x, y: nn.functional.cross_entropy(model(x), y), (x, y))
    ...     optimizer.step()
    >>> model.weight.grad.shape, step.steps
    ((2, 3), 2)
    """

    def __init__(self, model: Module | Iterable[Module], optimizer: Any = None, group: Group | None = None,
                 seed: int | None = None, one_pass: bool = True):
        self.modules = [model] if isinstance(model, Module) else list(model)
        if not self.modules or not all(isinstance(module, Module) for module in self.modules):
            raise TypeError(f"Sharded(): model must be a Module or several, got {type(model).__name__}")
        self.optimizers = [] if optimizer is None else list(optimizer) if isinstance(optimizer, list | tuple) else [
            optimizer]
        self.group = group or current() or Group()
        self.seed = (default_generator.initial_seed() if seed is None else int(seed)) % 2**64
        self.steps = 0
        self.stop = False
        self.loss, self.weight = math.nan, 0.0
        self._checked = False
        self._leaves: list[Leaf] = []
        self._known: _Members | None = None
        self._one_pass = bool(one_pass)
        self._tried: set[Any] = set()  # batches of which one pass has the bits of several
        self.one: OnePass | None = None  # while `observe` is called: the pass in which all shards ran
        self.whole: Any = None  # and the loss that came of it

    # ------------------------------------------------------------------------------------ data

    @contextlib.contextmanager
    def reading(self, loader: Any) -> Iterator[Any]:
        """Let a loader read, in a ``with`` block, only what this rank needs of each batch."""
        with read_in_parts(loader, self.group):
            yield loader

    # ------------------------------------------------------------------------------------ gradients

    def backward(self, loss: Callable[..., Tensor], *batches: Any,
                 observe: Callable[[int, int, Tensor, float], None] | None = None) -> Tensor:
        """Add the gradients of the loss of a batch to ``.grad`` of all parameters, and return the loss.

        Parameters
        ----------
        loss : callable
            ``loss(*part)`` computes the loss of a part of a batch. Of the losses of `nn` the mean is that over the
            whole batch, also with weights of classes and ignored targets; a mean of your own is weighted by samples,
            which is exact if it divides by their number; sums are added.
        *batches : tuple
            One whole batch, the same on all ranks, or what a loader yields that was read in parts. Of several batches
            the gradients are accumulated, as if they were one.
        observe : callable, optional
            Called with each number of batch, shard, loss and weight.

        Returns
        -------
        Tensor
            The mean over all samples (or the sum), the same on all ranks.

        Raises
        ------
        RuntimeError
            A rank is at another step, has another model, or is gone.
        """
        group = self.group
        group.place = f"step {self.steps + 1}"
        divided = [cut(batch, group.tree, group.rank) for batch in batches]
        arrival = self._arrive(divided)
        leaves = self._current_leaves()
        before = [leaf.grad for leaf in leaves]
        for leaf in leaves:
            leaf.grad = None
        record = _Record(group.shards, len(divided))
        try:
            buckets, buffers = self._run(loss, divided, leaves, record, observe)
        finally:
            self._failed(leaves, before)
        total = self._collect(buckets, buffers, record, divided, arrival)
        gradients = buckets.results(record.factor)
        for leaf, gradient, earlier, used in zip(leaves, gradients, before, record.used):
            leaf.grad = earlier if not used else gradient if earlier is None else earlier + gradient
        self.steps += 1
        return total

    def _failed(self, leaves: list[Leaf], before: list[Any]) -> None:
        """Leave the gradients as they were, until all are known."""
        for leaf, gradient in zip(leaves, before):
            leaf.grad = gradient

    def _run(self, loss: Callable[..., Tensor], divided: list[Parts], leaves: list[Leaf], record: _Record,
             observe: Any) -> tuple[Buckets, Buffers]:
        """Run this rank's shards forward and backward, together if that has the same bits; all goes to the tree."""
        group = self.group
        norms = [m for m in self._members().norms if m.training] if group.batch_norm == "tree" else []
        folds = Folds(group)
        buckets, trial = Buckets(group, leaves), None
        if self._one_pass and len(group.mine) > 1 and any(len(parts.sizes) > 1 for parts in divided):
            batches = [parts.joined() if parts.sizes else None for parts in divided]
            kind = tuple((*parts.sizes.items(), *((x.shape, x.dtype) for x in arrays_of(batch)))
                         for parts, batch in zip(divided, batches))
            trying = kind not in self._tried and len(self._tried) < MOST_TRIED
            buckets.silent = trying
            moved = [(array, array.copy()) for norm in norms for array in (b.array for b in norm.buffers())]
            buffers = Buffers(self._buffers(norms))
            done = self._run_together(loss, divided, batches, buckets, record, None if trying else observe, buffers,
                                      norms, folds)
            if done and not trying:
                return buckets, buffers
            if done:
                trial = buckets, record.losses.copy(), buffers
            for array, start in (*moved, *zip(buffers.arrays, (first for _, first in buffers.start))):
                if array.tobytes() != start.tobytes():
                    np.copyto(array, start)
                    mark_changed(array)
            for leaf in leaves:
                leaf.grad = None
            record.losses[:] = 0
            buckets = Buckets(group, leaves, sent=buckets.sent)
            buckets.keeps = trial is not None
            folds.next = 0
        buffers = self._run_shards(loss, divided, buckets, record, observe, norms, folds)
        if trial is not None:
            same = buckets.alike(trial[0]) and record.losses.tobytes() == trial[1].tobytes()
            if same and buffers.alike(trial[2]):
                self._tried.add(kind)
            else:
                self._apart(f"the {'buffers' if same else 'gradients'} have other bits; does the model use the size of "
                            "the batch, or values that it reads from arrays?")
        return buckets, buffers

    def _apart(self, why: str) -> None:
        """Run shards one by one from now on, and say why."""
        self._one_pass = False
        if self.group.rank:
            return
        warnings.warn(f"Sharded.backward(): this rank's {len(self.group.mine)} shards run one by one, with the same "
                      f"bits but slower, as {why}", stacklevel=4)

    def _run_together(self, loss: Callable[..., Tensor], divided: list[Parts], batches: list[Any], buckets: Buckets,
                      record: _Record, observe: Any, buffers: Buffers, norms: list[Any], folds: Folds) -> bool:
        """Run this rank's shards in one pass; return whether that was possible."""
        group = self.group
        present = [s for s in group.mine if any(s in parts.sizes for parts in divided)]
        absent = [s for s in group.mine if s not in present]
        if (norms or buffers.arrays) and any([*parts.sizes] != present for parts in divided):
            return False  # some only come along, or leave buffers alone
        ghosts = buckets.ghosts
        meeting = Meeting(group, present, absent, ghosts, folds)
        streams = {shard: Stream(self.seed, SHARD, self.steps, shard) for shard in present}
        try:
            for shard in absent:
                buckets.finish(shard)
            buckets.open()
            if norms:
                meeting.enter(0)
            for number, parts in enumerate(divided):
                if number == len(divided) - 1:
                    buckets.ending.update(present)
                if not parts.sizes:
                    continue
                shards = buckets.present = [*parts.sizes]
                batch = batches[number]
                with OnePass(parts.sizes, [streams[s] for s in shards], meeting.join_all if norms else None) as one:
                    buckets.one = one
                    buffers.before(one)
                    weights, value = self._forward_together(loss, one, batch)
                    losses = one.stack(value.array)
                    for shard, weight, own in zip(shards, weights, losses):
                        record.losses[shard, number] = own.item(), weight
                    buckets.weightless = {shard for shard, weight in zip(shards, weights) if not weight}
                    if value.requires_grad and (norms or any(weights)):
                        value.backward(wrap(one.each(np.array([*map(_seed, weights)], losses.dtype))))
                    buffers.after(one)
                if observe is not None:
                    self.one, self.whole = one, value
                    for i, (shard, weight) in enumerate(zip(shards, weights)):
                        observe(number, shard, Tensor(losses[i, ...]), weight)
            for shard in present:
                buffers.leave(shard)
                buckets.finish(shard)
        except Apart as reason:
            self._apart(str(reason))
            return False
        except Exception as error:  # one of the model's own comes again, shard by shard
            if not buckets.silent or folds.failed:
                raise
            self._apart(f"together they raise {type(error).__name__}: {error}")
            return False
        finally:
            self.one = self.whole = buckets.one = None
            buckets.close()
            if norms:
                meeting.leave()
        record.present = present
        return True

    def _forward_together(self, loss: Callable[..., Tensor], one: OnePass, batch: Any) -> tuple[list[float], Tensor]:
        """Return the weight of each shard's loss, and the tensor that stands for their losses."""
        part = tuple(batch) if isinstance(batch, tuple | list) else (batch,)
        for x in arrays_of(part):
            array = x.array if isinstance(x, Tensor) else x
            if len(array) == one.total:
                one.rows(array)
        with counted_terms(of_part=True):
            value = loss(*part)
        if not isinstance(value, Tensor) or value.array.size != 1 or one.kind(value.array) != EACH:
            raise Apart("the loss is not one number for each shard")
        weights = []
        for i, size in enumerate(one.sizes):
            terms = [each[i] for each in one.terms]
            alike = bool(terms) and all(number == terms[0] for number in terms)
            weights.append(terms[0] if alike else float(size))
        return weights, value

    def _run_shards(self, loss: Callable[..., Tensor], divided: list[Parts], buckets: Buckets, record: _Record,
                    observe: Any, norms: list[Any], folds: Folds) -> Buffers:
        """Run this rank's shards forward and backward, one by one; what they have goes to the tree."""
        group = self.group
        present = [s for s in group.mine if any(s in parts.sizes for parts in divided)]
        absent = [s for s in group.mine if s not in present]
        if not present and norms:
            present, absent = absent[:1], absent[1:]
        buffers = Buffers(self._buffers(norms))
        ghosts = buckets.ghosts
        meeting = Meeting(group, present, absent, ghosts, folds)
        counters = [norm.num_batches_tracked.array for norm in norms if norm.num_batches_tracked is not None]
        counts = [[counter.copy() for counter in counters] for _ in present]  # each shard counts for itself
        streams = [Stream(self.seed, SHARD, self.steps, shard) for shard in present]
        outer: list[Any] = []

        def enter(i: int) -> None:
            outer.append(default_generator.swap_source(streams[i]))
            buffers.enter(present[i])
            buckets.shard = present[i]
            if norms:
                meeting.enter(i)
                for counter, count in zip(counters, counts[i]):
                    np.copyto(counter, count)

        def leave(i: int) -> None:
            default_generator.swap_source(outer.pop())
            buffers.leave(present[i])
            buckets.shard = None
            if norms:
                meeting.leave()
                counts[i] = [counter.copy() for counter in counters]

        def run(i: int) -> None:
            shard = present[i]
            for number, parts in enumerate(divided):
                if number == len(divided) - 1:
                    buckets.ending.add(shard)
                if shard in parts.sizes:
                    weight, backward = self._forward(loss, parts.shards[shard])
                    record.losses[shard, number] = backward.value.item(), weight
                    if observe is not None:
                        observe(number, shard, backward.value, weight)
                elif norms:  # come along with a sample of others, so that all shards meet
                    ghosts.add(shard)
                    weight, backward = self._forward(loss, parts.sample)
                else:
                    continue
                if weight:
                    buckets.weightless.discard(shard)
                else:
                    buckets.weightless.add(shard)
                if weight or norms:
                    backward()
                if shard in ghosts:
                    for leaf in buckets.leaves:
                        leaf.grad = None
                    ghosts.discard(shard)
            buckets.finish(shard)

        for shard in absent:
            buckets.finish(shard)
        buckets.open()
        try:
            if norms and len(present) > 1:
                meeting.turns = Turns(run, len(present), enter, leave)
                meeting.turns()
            else:
                for i in range(len(present)):
                    enter(i)
                    try:
                        run(i)
                    finally:
                        leave(i)
        finally:
            buckets.close()
        record.present = [s for s in present if any(s in parts.sizes for parts in divided)]
        return buffers

    def _forward(self, loss: Callable[..., Tensor], part: Any) -> tuple[float, _Backward]:
        """Return the weight of the loss of one part of a batch, and its backward pass."""
        part = tuple(part) if isinstance(part, tuple | list) else (part,)
        with counted_terms(of_part=True) as terms:
            value = loss(*part)
        if not isinstance(value, Tensor) or value.array.size != 1:
            shape = getattr(value, "shape", type(value).__name__)
            raise RuntimeError(f"Sharded.backward(): loss must return one number, got {shape}")
        alike = bool(terms) and all(number == terms[0] for number in terms)
        weight = terms[0] if alike else float(length_of(part))
        return weight, _Backward(value, weight)

    def _collect(self, buckets: Buckets, buffers: Buffers, record: _Record, divided: list[Parts],
                 arrival: Running | None) -> Tensor:
        """Wait for all gradients, and find the loss, its weight, and which parameters and buffers were used."""
        group = self.group
        flags = np.concatenate([buckets.used, buffers.changed]).astype(np.float64)
        if group.size > 1:
            own = np.concatenate([record.losses.reshape(-1), flags])
            last = group.share(own, "losses")
            group.finish(*([] if arrival is None else [arrival]), *buckets.sent, last)
            losses = last.result[:, : record.losses.size].reshape(group.size, *record.losses.shape)
            for r in range(group.size):
                held = group.tree.held(r)
                record.losses[held.start : held.stop] = losses[r, held.start : held.stop]
            flags = last.result[:, record.losses.size :].max(axis=0)
            if arrival is not None:
                self._compare(arrival.result)
        record.used = flags[: len(buckets.used)] > 0
        record.sum()
        self.loss, self.weight = record.total, record.weight
        present = record.present
        buffers.finish(group, flags[len(buckets.used) :] > 0, present, max(record.shards_present(divided), 1))
        return Tensor(np.asarray(record.total, self._dtype()))

    def _dtype(self) -> Any:
        return next((leaf.dtype for leaf in self._leaves), np.dtype(np.float32))

    def _members(self) -> _Members:
        """Return what the modules hold; it is looked up again after an attribute of some module was set."""
        if self._known is None or self._known.changes != structure.changes:
            self._known = _Members(self.modules)
        return self._known

    def _current_leaves(self) -> list[Leaf]:
        """Return the leaves of all parameters that require a gradient, about in the order in which those are final."""
        parameters = [*self._members().parameters]
        parameters += [p for optimizer in self.optimizers for group in optimizer.param_groups for p in group["params"]]
        nodes = dict.fromkeys(p.node for p in parameters if isinstance(p.node, Leaf))
        self._leaves = list(nodes)[::-1]
        return self._leaves

    def _buffers(self, norms: list[Any]) -> list[np.ndarray]:
        """Return the arrays of all buffers, but for those of batch norms whose statistics are joined."""
        joined = {id(b.array) for norm in norms for b in norm.buffers()}
        found = {id(b.array): b.array for b in self._members().buffers if id(b.array) not in joined}
        return list(found.values())

    # ------------------------------------------------------------------------------------ are all the same?

    def _arrive(self, divided: list[Parts]) -> Running | None:
        """Say to the other ranks that this one begins a step, and on what."""
        group = self.group
        if group.size == 1:
            self.stop = group.interrupted
            return None
        if not self._checked:
            self._check_first()
        sizes = [parts.size for parts in divided]
        state = int(digest(self.modules, self.optimizers), 16) if self.steps % COMPARED_EVERY == 0 else 0
        return group.share(np.array([group.interrupted, state, *sizes], np.float64), "the step's begin")

    def _compare(self, arrived: np.ndarray) -> None:
        """Raise if the ranks have other batches or other weights; note whether one was interrupted."""
        group = self.group
        self.stop = bool(arrived[:, 0].any())
        for column, what in ((1, "weights or states of optimizers"), (2, "numbers of samples in the batch")):
            if len(set(arrived[:, column])) > 1:
                odd = [r for r in range(group.size) if arrived[r, column] != arrived[0, column]]
                raise RuntimeError(f"Sharded.backward(): at {group.place} the ranks have different {what}: "
                                   f"{', '.join(f'rank {r}' for r in odd)} and rank 0; do all do the same with them?")

    def _check_first(self) -> None:
        group = self.group
        own = {"shards": group.shards, "seed": self.seed, "steps": self.steps,
               "parameters": [(name, tuple(p.shape), str(p.dtype), p.requires_grad) for module in self.modules
                              for name, p in module.named_parameters()],
               "weights": digest(self.modules), "states of optimizers": digest([], self.optimizers)}
        everyone = group.gather_objects(own, "the first step's check")
        for name, value in own.items():
            if any(other[name] != value for other in everyone):
                values = "" if name == "parameters" else ": " + ", ".join(
                    f"rank {r} {other[name]}" for r, other in enumerate(everyone))
                raise RuntimeError(f"Sharded.backward(): the ranks have different {name}{values}; make the model after "
                                   "init(), with the same seed and settings on all ranks")
        self._checked = True

    def state_dict(self) -> dict[str, Any]:
        """Return what belongs to a run beside model and optimizer: steps, shards and seed."""
        return {"steps": self.steps, "shards": self.group.shards, "seed": self.seed}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take up what `state_dict` returned; with any number of ranks, but the same number of shards."""
        if state["shards"] != self.group.shards:
            raise ValueError(f"Sharded.load_state_dict(): the run was begun with {state['shards']} shards, this job "
                             f"has {self.group.shards}; continue with init(shards={state['shards']})")
        self.steps, self.seed = state["steps"], state["seed"]


class _Members:
    """The parameters, buffers and batch norms of modules, and when it was looked for them."""

    def __init__(self, modules: list[Module]):
        self.changes = structure.changes
        self.parameters = [p for module in modules for p in module.parameters()]
        self.buffers = [b for module in modules for b in module.buffers()]
        self.norms = batch_norms(modules)


def _seed(weight: float) -> float:
    """Return the gradient that a shard's loss begins with: its weight; that of a sum is 1.

    A shard without a target that counts has a gradient too: by the statistics of a batch norm its samples take part in
    the losses of others.
    """
    return weight if math.isfinite(weight) else 1.0


class _Backward:
    """The backward pass of a loss, weighted."""

    def __init__(self, value: Tensor, weight: float):
        self.value, self.weight = value, weight

    def __call__(self) -> None:
        if not self.value.requires_grad:
            return
        self.value.backward(wrap(np.full(self.value.array.shape, _seed(self.weight), self.value.array.dtype)))


def _pairs(left: tuple[float, float], right: tuple[float, float]) -> tuple[float, float]:
    return left[0] + right[0], left[1] + right[1]


class _Record:
    """The losses of all shards, (shards, batches, 2): values and weights; and what follows from them."""

    def __init__(self, shards: int, batches: int):
        self.losses = np.zeros((shards, batches, 2))
        self.present: list[int] = []
        self.used = np.zeros(0, bool)
        self.total, self.weight = 0.0, 0.0
        self.factor: float | None = None

    def sum(self) -> None:
        """Sum along the tree: to the mean, if all losses are means."""
        values, weights = self.losses[..., 0].tolist(), self.losses[..., 1].tolist()
        plain = any(math.isinf(w) for each in weights for w in each)
        nodes: dict[tuple[int, int], Any] = {}
        for shard, own in enumerate(zip(values, weights)):
            value = weight = 0.0
            for v, w in zip(*own):
                if w:
                    value, weight = value + (v if math.isinf(w) else v * w), weight + (0.0 if math.isinf(w) else w)
            push(nodes, (0, shard), (value, weight), _pairs)
        total, weight = root(nodes, _pairs)
        if plain:
            self.total, self.weight = float(total), math.inf
        elif weight:
            self.total, self.weight, self.factor = float(total / weight), float(weight), 1 / float(weight)
        else:
            self.total = math.nan

    def shards_present(self, divided: list[Parts]) -> int:
        """Return how many shards of the whole batch have samples."""
        sizes = max(parts.size for parts in divided)
        return min(sizes, len(self.losses))
