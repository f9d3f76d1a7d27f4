"""Sums along one binary tree over shards, whatever rank holds which: what is sent to whom, and what is added to what.

The leaves of the tree are the shards of a batch. A rank holds a run of leaves and merges what is complete in it; ranks
then exchange these subtrees, and merge them in the order of the tree. So each sum has the same bits for any number of
ranks. The exchanges are generators: they yield an `Exchange`, are sent what came, and return the sum. MPI carries the
arrays and never adds; the tests carry them by hand.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from ..typing import Array

__all__ = ["Exchange", "Protocol", "Tree", "add", "gathered", "push", "reduced", "root"]

Place: TypeAlias = tuple[int, int]  # (level, index): a subtree, over the leaves from index 2^level to the next's
Merge: TypeAlias = Callable[[Any, Any], Any]


class Exchange(NamedTuple):
    """Arrays to send, and arrays to receive into, by rank."""

    sends: dict[int, Array]
    receives: dict[int, Array]


Protocol: TypeAlias = Generator[Exchange, None, Any]


def add(left: Array, right: Array) -> Array:
    """Add `right` to `left`, in place."""
    return np.add(left, right, out=left)


def push(nodes: dict[Place, Any], place: Place, value: Any, merge: Merge) -> None:
    """Put the value of a subtree among those that are known, and merge siblings, the left one first."""
    level, index = place
    while (level, index ^ 1) in nodes:
        other = nodes.pop((level, index ^ 1))
        value = merge(other, value) if index & 1 else merge(value, other)
        level, index = level + 1, index >> 1
    nodes[level, index] = value


def root(nodes: dict[Place, Any], merge: Merge) -> Any:
    """Return the value of the whole tree; if its leaves are no power of two, what is left is merged in their order."""
    parts = [nodes[place] for place in sorted(nodes, key=lambda place: place[1] << place[0])]
    total = parts[0]
    for part in parts[1:]:
        total = merge(total, part)
    return total


class Tree:
    """A binary tree over shards, and which rank holds which of them.

    Rank r holds the shards ``S r // N ... S (r + 1) // N - 1``.

    Attributes
    ----------
    shards, ranks : int
    owned : list of list of (level, index)
        The complete subtrees over each rank's shards: one if the number of ranks is a power of two.

    Examples
    --------
    >>> Tree(8, 2).owned, Tree(8, 3).owned[1]
    ([[(2, 0)], [(2, 1)]], [(0, 4), (1, 1)])
    """

    def __init__(self, shards: int, ranks: int):
        self.shards, self.ranks = shards, ranks
        self.owned: list[list[Place]] = []
        for rank in range(ranks):
            nodes: dict[Place, None] = {}
            for leaf in self.held(rank):
                push(nodes, (0, leaf), None, lambda left, right: None)
            self.owned.append(sorted(nodes))

    def held(self, rank: int) -> range:
        """Return the shards that a rank holds."""
        return range(self.shards * rank // self.ranks, self.shards * (rank + 1) // self.ranks)

    def part(self, shard: int, samples: int) -> slice:
        """Return which samples of a batch are in a shard."""
        return slice(samples * shard // self.shards, samples * (shard + 1) // self.shards)


def gathered(mine: Array, rank: int, ranks: int) -> Protocol:
    """Send one array to all ranks, and return all of theirs: (ranks, \\*shape of `mine`).

    In ``log2(ranks)`` rounds, each with twice as many arrays as the one before (Bruck et al., 1997).
    """
    blocks, distance = mine[None], 1
    while distance < ranks:
        count = min(distance, ranks - distance)
        received = np.zeros((count, *mine.shape), mine.dtype)
        yield Exchange({(rank - distance) % ranks: blocks[:count]}, {(rank + distance) % ranks: received})
        blocks, distance = np.concatenate([blocks, received]), 2 * distance
    return np.roll(blocks, rank, axis=0)


def reduced(tree: Tree, rank: int, nodes: dict[Place, Array], merge: Merge = add) -> Protocol:
    """Return the sum along the tree of long vectors, of which each rank has its subtrees.

    Each rank is sent its N-th of every subtree and merges that; then all ranks are sent the results. These are as many
    bytes as in a ring, in two rounds.
    """
    if tree.ranks == 1:
        return root(nodes, merge)
    own, others = tree.owned[rank], [r for r in range(tree.ranks) if r != rank]
    first = next(iter(nodes.values()))
    cut = [len(first) * r // tree.ranks for r in range(tree.ranks + 1)]
    part = slice(cut[rank], cut[rank + 1])
    length = part.stop - part.start
    received = {r: np.empty((len(tree.owned[r]), length), first.dtype) for r in others}
    sends = {r: np.stack([nodes[place][cut[r] : cut[r + 1]] for place in own]) for r in others}
    yield Exchange(sends, received)
    total = np.empty_like(first)
    merged: dict[Place, Array] = {}
    for r in range(tree.ranks):
        for i, place in enumerate(tree.owned[r]):
            value = nodes[place][part].copy() if r == rank else received[r][i]
            push(merged, place, value, merge)
    total[part] = root(merged, merge)
    yield Exchange(dict.fromkeys(others, total[part]), {r: total[cut[r] : cut[r + 1]] for r in others})
    return total
