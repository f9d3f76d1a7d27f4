"""Batches cut into shards: each rank holds, and where it can reads, only the parts that are its own."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from functools import cached_property
from itertools import accumulate
from typing import Any

import numpy as np

from ..data.collate import map_nested
from ..tensor import Tensor
from .group import Group
from .sampler import DistributedSampler
from .tree import Tree

__all__ = ["Division", "Parts", "cut", "read_in_parts"]


class Parts:
    """What a rank has of a batch.

    Attributes
    ----------
    size : int
        How many samples the whole batch has.
    sizes : dict of int to int
        How many of them this rank's shards have; a shard without samples is not there.
    shards : dict of int to batch
        This rank's parts.
    sample : batch
        The first sample of the batch, if some shard of this rank has none: it shows what a batch looks like.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn.parallel import Parts
    >>> parts = Parts(5, {0: 3, 1: 2}, {0: ag.ones(3, 2), 1: ag.zeros(2, 2)})
    >>> parts.joined().shape
    (5, 2)
    """

    def __init__(self, size: int, sizes: dict[int, int], shards: dict[int, Any] | None = None, sample: Any = None,
                 part: Callable[[slice], Any] | None = None, begin: int = 0):
        self.size, self.sizes, self.sample, self.part, self.begin = size, sizes, sample, part, begin
        if shards is not None:
            self.shards = shards

    @cached_property
    def shards(self) -> dict[int, Any]:
        """This rank's parts, cut out of a batch that it has as a whole."""
        assert self.part is not None
        ends = accumulate(self.sizes.values(), initial=self.begin)
        return {shard: self.part(slice(end, end + n)) for (shard, n), end in zip(self.sizes.items(), ends)}

    def joined(self) -> Any:
        """Return the samples of all shards as one batch, with arrays one after the other."""
        if self.part is not None:
            return self.part(slice(self.begin, self.begin + sum(self.sizes.values())))
        parts = list(self.shards.values())
        return parts[0] if len(parts) == 1 else _joined([*self.sizes.values()], *parts)

    def __repr__(self) -> str:
        return f"Parts(shards {', '.join(map(str, self.sizes)) or 'none'} of a batch of {self.size})"


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
        shards, sizes = {}, {}
        for shard in self.tree.held(self.rank):
            own = indices[self.tree.part(shard, size)]
            if len(own):
                shards[shard], sizes[shard] = make(own, shard), len(own)
        whole = len(shards) == len(self.tree.held(self.rank))
        return Parts(size, sizes, shards, None if whole or not size else make(indices[:1], self.tree.shards))


def arrays_of(batch: Any) -> list[Any]:
    """Return the arrays and tensors of a batch that have axes."""
    found: list[Any] = []

    def look(leaf: Any) -> Any:
        if isinstance(leaf, Tensor | np.ndarray) and leaf.ndim:
            found.append(leaf)
        return leaf

    map_nested(look, batch)
    return found


def _joined(lengths: list[int], first: Any, *others: Any) -> Any:
    """Join the parts of a batch: arrays with a part's number of samples, and lists of other things than arrays."""
    if isinstance(first, list) and not _holds_arrays(first):
        return [each for part in (first, *others) for each in part] if len(first) == lengths[0] else first
    if isinstance(first, dict):
        return {key: _joined(lengths, first[key], *(other[key] for other in others)) for key in first}
    if isinstance(first, list | tuple):
        parts = [_joined(lengths, *each) for each in zip(first, *others, strict=True)]
        return type(first)(*parts) if hasattr(first, "_fields") else type(first)(parts)

    def leaf(*values: Any) -> Any:
        if isinstance(first, Tensor | np.ndarray) and first.ndim and all(
            len(value) == length for value, length in zip(values, lengths, strict=True)
        ):
            array = np.concatenate([value.array if isinstance(value, Tensor) else value for value in values])
            return Tensor(array) if isinstance(first, Tensor) else array
        return first

    return map_nested(leaf, first, *others)


def length_of(batch: Any) -> int:
    """Return the number of samples of a batch: the length of its first array with axes."""
    found = arrays_of(batch)
    if not found:
        raise TypeError("a batch must hold at least one tensor or array, to be cut along its first axis; got "
                        f"{type(batch).__name__}")
    return len(found[0])


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

    held = tree.held(rank)
    places = {shard: tree.part(shard, size) for shard in held}
    sizes = {shard: where.stop - where.start for shard, where in places.items() if where.stop > where.start}
    sample = None if len(sizes) == len(held) or not size else part(slice(0, 1))
    return Parts(size, sizes, None, sample, part, places[held.start].start)


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
    """Let a DataLoader make, for a while, only this rank's parts of each batch; other loaders are left as they are.

    Raises
    ------
    ValueError
        A loader with a DistributedSampler: its batches are a rank's own already, and would be divided twice.
    """
    sampler = getattr(loader, "sampler", None)
    if group is not None and isinstance(sampler, DistributedSampler) and sampler.num_replicas > 1:
        raise ValueError("batches would be divided twice: the loader's DistributedSampler gives each rank samples of "
                         "its own, and fit(), evaluate() and Sharded divide each batch among the ranks themselves; "
                         "leave the sampler out (shuffle=True takes its place; batch_size is that of all ranks "
                         f"together, {sampler.num_replicas} times that of one)")
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
