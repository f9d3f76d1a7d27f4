"""Batches cut into shards: each rank holds, and where it can reads, only the parts that are its own."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ..data.collate import map_nested
from ..tensor import Tensor
from .group import Group
from .tree import Tree

__all__ = ["Division", "Parts", "cut", "read_in_parts"]


class Parts:
    """What a rank has of a batch.

    Attributes
    ----------
    size : int
        How many samples the whole batch has.
    shards : dict of int to batch
        This rank's parts; a shard without samples is not there.
    sample : batch
        The first sample of the batch, if some shard of this rank has none: it shows what a batch looks like.
    """

    def __init__(self, size: int, shards: dict[int, Any], sample: Any = None):
        self.size, self.shards, self.sample = size, shards, sample

    def __repr__(self) -> str:
        return f"Parts(shards {', '.join(map(str, self.shards)) or 'none'} of a batch of {self.size})"


class Division:
    """Divides the indices of a batch among shards, and makes the parts of one rank.

    Parameters
    ----------
    tree : Tree
    rank : int
    """

    def __init__(self, tree: Tree, rank: int):
        self.tree, self.rank = tree, rank

    def __call__(self, make: Callable[..., Any], indices: np.ndarray) -> Parts:
        size = len(indices)
        shards = {}
        for shard in self.tree.held(self.rank):
            own = indices[self.tree.part(shard, size)]
            if len(own):
                shards[shard] = make(own, shard)
        whole = len(shards) == len(self.tree.held(self.rank))
        return Parts(size, shards, None if whole or not size else make(indices[:1], self.tree.shards))


def length_of(batch: Any) -> int:
    """Return the number of samples of a batch: the length of its first array with axes."""
    found: list[int] = []

    def look(leaf: Any) -> Any:
        if isinstance(leaf, Tensor | np.ndarray) and leaf.ndim and not found:
            found.append(len(leaf))
        return leaf

    map_nested(look, batch)
    if not found:
        raise TypeError("a batch must hold at least one tensor or array, to be cut along its first axis; got "
                        f"{type(batch).__name__}")
    return found[0]


def cut(batch: Any, tree: Tree, rank: int) -> Parts:
    """Return a rank's parts of a batch that it has as a whole: arrays are cut along their first axis."""
    if isinstance(batch, Parts):
        return batch
    size = length_of(batch)

    def part(where: slice) -> Any:
        def leaf(value: Any) -> Any:
            whole = isinstance(value, Tensor | np.ndarray) and value.ndim and len(value) == size
            return value[where] if whole else value

        return _lists(batch, size, where) if isinstance(batch, list) and not _holds_arrays(batch) else _mapped(
            leaf, batch, size, where)

    shards = {}
    for shard in tree.held(rank):
        where = tree.part(shard, size)
        if where.stop > where.start:
            shards[shard] = part(where)
    whole = len(shards) == len(tree.held(rank))
    return Parts(size, shards, None if whole or not size else part(slice(0, 1)))


def _holds_arrays(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return any(map(_holds_arrays, value))
    return isinstance(value, Tensor | np.ndarray)


def _lists(value: list[Any], size: int, where: slice) -> list[Any]:
    return value[where] if len(value) == size else value


def _mapped(leaf: Callable[[Any], Any], batch: Any, size: int, where: slice) -> Any:
    """Apply a function to the arrays of a batch; lists of other things, such as strings, are cut themselves."""
    if isinstance(batch, list) and not _holds_arrays(batch):
        return _lists(batch, size, where)
    if isinstance(batch, dict):
        return {key: _mapped(leaf, value, size, where) for key, value in batch.items()}
    if isinstance(batch, list | tuple):
        parts = [_mapped(leaf, value, size, where) for value in batch]
        return type(batch)(*parts) if hasattr(batch, "_fields") else type(batch)(parts)
    return map_nested(leaf, batch)


@contextlib.contextmanager
def read_in_parts(loader: Any, group: Group | None) -> Iterator[None]:
    """Let a DataLoader make, for a while, only this rank's parts of each batch; other loaders are left as they are."""
    able = group is not None and hasattr(loader, "division") and getattr(loader, "batch_sampler", None) is not None
    if not able or group is None:
        yield
        return
    before = loader.division
    loader.division = Division(group.tree, group.rank)
    try:
        yield
    finally:
        loader.division = before
