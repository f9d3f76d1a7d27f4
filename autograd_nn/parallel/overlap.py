"""Gradients that leave for the other ranks as soon as they are final, while the backward pass goes on."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..engine import Leaf, Observer, observe, wrap
from ..typing import Array, Tensor
from .group import Group, Running
from .one_pass import Later, OnePass
from .tree import add, push, reduced, root

__all__ = ["Buckets"]

BUCKET = 2**20  # bytes


class _Watch(Observer):
    """Hands gradients that are final to the buckets of the step under way."""

    def __init__(self) -> None:
        self.buckets: Buckets | None = None

    def hears(self) -> bool:
        return self.buckets is not None

    def gradient_final(self, leaf: Any, before: Any, total: Any) -> None:
        if self.buckets is not None:
            self.buckets.final(leaf)


_watch = _Watch()
observe(_watch)


class Buckets:
    """The gradients of one step: sums of each leaf over the shards of this rank, and buckets of leaves on their way.

    Parameters
    ----------
    group : Group
    leaves : list of Leaf
        In the order in which their gradients leave, about that in which they become final.
    size : int
        Bytes of a bucket.
    sent : list of Running, optional
        The first buckets, if they left before the step began anew.
    silent : bool
        Whether nothing leaves.
    """

    def __init__(self, group: Group, leaves: list[Leaf], size: int = BUCKET, sent: list[Running] | None = None,
                 silent: bool = False):
        self.silent = silent
        self.one: OnePass | None = None  # where all shards run together
        self.present: list[int] = []  # the shards that do
        self.group, self.leaves = group, leaves
        self.number = {leaf: i for i, leaf in enumerate(leaves)}
        self.sums: list[dict[tuple[int, int], Array]] = [{} for _ in leaves]
        self.used = np.zeros(len(leaves), bool)
        self.left = [len(group.mine)] * len(leaves)  # shards whose gradients are still to come
        self.taken: dict[int, set[int]] = {shard: set() for shard in group.mine}
        self.held: dict[tuple[int, int], Array] = {}  # of earlier batches, by leaf and shard
        self.ending: set[int] = set()  # the shards that are at their last batch
        self.shard: int | None = None  # the shard that runs
        self.ghosts: set[int] = set()  # shards that run with samples of others, and count for nothing
        self.weightless: set[int] = set()  # shards of which no target counts, in this batch
        self.sent: list[Running] = list(sent or ())
        self.keeps = False  # whether what has left is kept in `own`
        self.own: dict[int, dict[tuple[int, int], Array]] = {}
        self.buckets: list[list[int]] = []
        room, dtype = 0, None
        for i, leaf in enumerate(leaves):
            bytes_ = math.prod(leaf.shape) * leaf.dtype.itemsize
            if room < bytes_ or leaf.dtype != dtype:
                self.buckets.append([])
                room, dtype = size, leaf.dtype
            self.buckets[-1].append(i)
            room -= bytes_

    def open(self) -> None:
        """Take gradients as they become final."""
        _watch.buckets = self

    def close(self) -> None:
        """Take no more of them."""
        _watch.buckets = None

    def final(self, leaf: Any) -> None:
        """Take a gradient that is final: keep it for the shard, or add it to the tree after the shard's last batch."""
        i = self.number.get(leaf)
        if i is None or (self.shard is None and self.one is None):
            return
        gradient, leaf.grad = leaf.grad, None
        if self.one is not None:
            self._take_all(i, self.one.of_each(gradient.array))
        elif self.shard is not None:
            ghost = self.shard in self.ghosts
            self._take(i, self.shard, None if ghost else np.ascontiguousarray(gradient.array).reshape(-1))
        self.send()

    def _take(self, i: int, shard: int, flat: Array | None) -> None:
        """Take a gradient of one shard, to be written into."""
        total = self.held.pop((i, shard), None)
        if flat is not None:
            self.used[i] |= shard not in self.weightless
            total = flat if total is None else add(total, flat)
        if shard in self.ending:
            self._add(i, shard, total)
        elif total is not None:
            self.held[i, shard] = total

    def _take_all(self, i: int, stack: Array | Later) -> None:
        """Take the gradients of all shards that run together."""
        mine = self.group.mine
        if len(self.present) < len(mine) or len(self.ending) < len(mine) or self.held:
            for place, shard in enumerate(self.present):
                gradient = stack.compute(place) if isinstance(stack, Later) else np.array(stack[place])
                self._take(i, shard, gradient.reshape(-1))
            return
        self.used[i] |= len(self.weightless) < len(mine)
        self.left[i] = 0
        for shard in mine:
            self.taken[shard].add(i)
        for level, index in self.group.tree.owned[self.group.rank]:
            begin = (index << level) - mine.start
            self.sums[i][level, index] = _summed_later(stack, begin, level) if isinstance(stack, Later) else _summed(
                stack.reshape(len(mine), -1)[begin : begin + (1 << level)])

    def _add(self, i: int, shard: int, flat: Array | None) -> None:
        if flat is None:
            flat = np.zeros(math.prod(self.leaves[i].shape), self.leaves[i].dtype)
        push(self.sums[i], (0, shard), flat, add)
        self.taken[shard].add(i)
        self.left[i] -= 1

    def finish(self, shard: int) -> None:
        """End a shard: leaves that its last batch did not use have the gradients of those before, or zeros."""
        taken = self.taken[shard]
        if len(taken) < len(self.leaves):
            for i in range(len(self.leaves)):
                if i not in taken:
                    total, gradient = self.held.pop((i, shard), None), self.leaves[i].grad
                    if gradient is not None:  # nobody said that it is final, as of a plan that was replayed
                        self.leaves[i].grad = None
                        flat = np.array(gradient.array).reshape(-1)
                        self.used[i] |= shard not in self.weightless
                        total = flat if total is None else add(total, flat)
                    self._add(i, shard, total)
        self.send()

    def send(self) -> None:
        """Begin to reduce the buckets that are complete, in their order."""
        if self.group.size == 1 or self.silent:
            return
        for running in self.sent:  # take on what is on its way
            running.poke()
        while len(self.sent) < len(self.buckets) and not any(self.left[i] for i in self.buckets[len(self.sent)]):
            bucket = self.buckets[len(self.sent)]
            places = self.group.tree.owned[self.group.rank]
            nodes = {place: np.concatenate([self.sums[i][place] for i in bucket]) for place in places}
            what = f"gradients (bucket {len(self.sent)} of {len(self.buckets)})"
            for i in bucket:
                if self.keeps:
                    self.own[i] = self.sums[i]
                self.sums[i] = {}
            if self.group.exact:
                self.sent.append(self.group.start(reduced(self.group.tree, self.group.rank, nodes), what))
            else:
                self.sent.append(self.group.start_plain_sum(next(iter(nodes.values())), what))

    def alike(self, other: Buckets) -> bool:
        """Return whether this rank has the same bits of all gradients as in another pass."""
        if (self.used != other.used).any():
            return False
        for i in range(len(self.leaves)):
            mine, theirs = self.own.get(i, self.sums[i]), other.own.get(i, other.sums[i])
            if mine.keys() != theirs.keys() or any(a.tobytes() != theirs[place].tobytes() for place, a in mine.items()):
                return False
        return True

    def results(self, factor: float | None) -> list[Tensor]:
        """Return the gradients of all leaves, summed over all shards and multiplied by a factor."""
        totals: list[Any] = [None] * len(self.leaves)
        if self.group.size == 1:
            for i, sums in enumerate(self.sums):
                totals[i] = root(sums, add)
                _scale(totals[i], factor)
        else:
            for bucket, running in zip(self.buckets, self.sent, strict=True):
                _scale(running.result, factor)
                begin = 0
                for i in bucket:
                    length = math.prod(self.leaves[i].shape)
                    totals[i] = running.result[begin : begin + length]
                    begin += length
        return [wrap(total.reshape(leaf.shape)) for total, leaf in zip(totals, self.leaves)]


def _summed(rows: Array) -> Array:
    """Return the sum along the tree of 2, 4, 8, ... rows; these stay as they are."""
    if len(rows) == 1:
        out: Array = rows[0].copy()
        return out
    while len(rows) > 1:
        rows = rows[0::2] + rows[1::2]
    total: Array = rows[0]
    return total


def _summed_later(values: Later, begin: int, level: int) -> Array:
    """Return the sum along the tree of 2^level values, each computed when it is needed."""
    if level == 0:
        flat: Array = values.compute(begin).reshape(-1)
        return flat
    half = 1 << level - 1
    left: Array = _summed_later(values, begin, level - 1)
    left += _summed_later(values, begin + half, level - 1)
    return left


def _scale(total: Array, factor: float | None) -> None:
    if factor is not None:
        np.multiply(total, total.dtype.type(factor), out=total)
