"""Gradients that leave for the other ranks as soon as they are final, while the backward pass goes on."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..engine import Leaf, Observer, observe, wrap
from ..typing import Array, Tensor
from .group import Group, Running
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
    """

    def __init__(self, group: Group, leaves: list[Leaf], size: int = BUCKET):
        self.group, self.leaves = group, leaves
        self.number = {leaf: i for i, leaf in enumerate(leaves)}
        self.sums: list[dict[tuple[int, int], Array]] = [{} for _ in leaves]
        self.used = np.zeros(len(leaves), bool)
        self.left = [len(group.mine)] * len(leaves)  # shards whose gradients are still to come
        self.taken: dict[int, set[int]] = {shard: set() for shard in group.mine}
        self.held: dict[tuple[int, int], Array] = {}  # of earlier batches, by leaf and shard
        self.ending: set[int] = set()  # the shards that are at their last batch
        self.shard: int | None = None  # the shard that runs
        self.ghosts: set[int] = set()  # shards that run, but count for nothing
        self.sent: list[Running] = []
        self.buckets: list[list[int]] = []
        room, dtype = 0, None
        for i, leaf in enumerate(leaves):
            bytes_ = int(np.prod(leaf.shape)) * leaf.dtype.itemsize
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
        if i is None or self.shard is None:
            return
        gradient, leaf.grad = leaf.grad, None
        total = self.held.pop((i, self.shard), None)
        if self.shard not in self.ghosts:
            flat = np.ascontiguousarray(gradient.array).reshape(-1)
            total = flat if total is None else add(total, flat)
        if self.shard in self.ending:
            self._add(i, self.shard, total)
            self.send()
        elif total is not None:
            self.held[i, self.shard] = total

    def _add(self, i: int, shard: int, flat: Array | None) -> None:
        if flat is None:
            flat = np.zeros(int(np.prod(self.leaves[i].shape)), self.leaves[i].dtype)
        else:
            self.used[i] = True
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
                        total = flat if total is None else add(total, flat)
                    self._add(i, shard, total)
        self.send()

    def send(self) -> None:
        """Begin to reduce the buckets that are complete, in their order."""
        if self.group.size == 1:
            return
        for running in self.sent:  # take on what is on its way
            running.poke()
        while len(self.sent) < len(self.buckets) and not any(self.left[i] for i in self.buckets[len(self.sent)]):
            bucket = self.buckets[len(self.sent)]
            places = self.group.tree.owned[self.group.rank]
            nodes = {place: np.concatenate([self.sums[i][place] for i in bucket]) for place in places}
            what = f"gradients (bucket {len(self.sent)} of {len(self.buckets)})"
            for i in bucket:
                self.sums[i] = {}
            if self.group.exact:
                self.sent.append(self.group.start(reduced(self.group.tree, self.group.rank, nodes), what))
            else:
                self.sent.append(self.group.start_plain_sum(next(iter(nodes.values())), what))

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
                    length = int(np.prod(self.leaves[i].shape))
                    totals[i] = running.result[begin : begin + length]
                    begin += length
        return [wrap(total.reshape(leaf.shape)) for total, leaf in zip(totals, self.leaves)]


def _scale(total: Array, factor: float | None) -> None:
    if factor is not None:
        np.multiply(total, total.dtype.type(factor), out=total)
