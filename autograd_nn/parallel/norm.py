"""Batch norm over a batch in shards: statistics, and the sums of its gradient, along the tree."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..nn.module import Module
from ..nn.normalization import _BatchNorm
from ..ops.joined_norm import STATISTICS, SUMS, joining
from ..tensor import Tensor
from ..typing import Array
from .group import Group, current
from .tree import Merge, add, push
from .turns import Turns

__all__ = ["Folds", "Meeting", "SyncBatchNorm", "batch_norms", "chan"]


def chan(left: Array, right: Array) -> Array:
    """Merge (count, \\*means, \\*sums of squared deviations) of two sets, in double precision.

    References
    ----------
    T. Chan, G. Golub and R. LeVeque, "Updating formulae and a pairwise algorithm for computing sample variances", 1979.

    Examples
    --------
    >>> import numpy as np
    >>> chan(np.array([2, 1.0, 2.0]), np.array([1, 4.0, 0.0]))  # of 0, 2 and of 4
    array([3., 2., 8.])
    """
    m, n = left[0], right[0]
    if not (m and n):
        return left if m else right
    (mean, squares), (other_mean, other_squares) = left[1:].reshape(2, -1), right[1:].reshape(2, -1)
    total, distance = m + n, other_mean - mean
    return np.concatenate([[total], mean + distance * (n / total),
                           squares + other_squares + distance * distance * (m * n / total)])


def batch_norms(modules: list[Module]) -> list[Any]:
    """Return all batch norms."""
    return [m for module in modules for m in module.modules() if isinstance(m, _BatchNorm)]


class Folds:
    """The sums of small arrays over the ranks in one step; if it begins anew, they are known and not sent again.

    Parameters
    ----------
    group : Group
    """

    def __init__(self, group: Group):
        self.group = group
        self.results: list[Any] = []
        self.next = 0
        self.failed = False

    def __call__(self, nodes: dict[tuple[int, int], Any], merge: Merge, what: str) -> Any:
        """Return the root of the tree over small arrays, of which each rank has its subtrees."""
        if self.next == len(self.results):
            self.failed = True
            self.results.append(self.group.fold(nodes, merge, what))
            self.failed = False
        self.next += 1
        return self.results[self.next - 1]


class Meeting:
    """Where the shards of a rank, and then the ranks, join what each has of a sum.

    Parameters
    ----------
    group : Group
    present, absent : list of int
        This rank's shards that have samples, in order, and those that have none.
    ghosts : set of int
        Those of them that only come along, and count for nothing.
    folds : Folds, optional
    """

    def __init__(self, group: Group, present: list[int], absent: list[int], ghosts: set[int],
                 folds: Folds | None = None):
        self.fold = folds or group.fold
        self.present, self.absent, self.ghosts = present, absent, ghosts
        self.turns: Turns | None = None
        self.deposits: dict[tuple[int, int], Array] = {}
        self.result: Any = None

    def join(self, i: int, what: str, merge: Merge) -> Callable[[Array], Array]:
        """Return what joins the value of the shard at the place `i` with those of all others."""

        def joined(value: Array) -> Array:
            counts = self.present[i] not in self.ghosts
            value = value.copy() if counts else np.zeros_like(value)  # a copy, as merging writes into it
            push(self.deposits, (0, self.present[i]), value, merge)
            if i == len(self.present) - 1:
                self._fold(value, what, merge)
            if self.turns is not None and len(self.present) > 1:
                self.turns.next(i)
            return np.array(self.result)

        return joined

    def _fold(self, value: Array, what: str, merge: Merge) -> None:
        for shard in self.absent:
            push(self.deposits, (0, shard), np.zeros_like(value), merge)
        self.result, self.deposits = self.fold(self.deposits, merge, what), {}

    def join_all(self, values: list[Array], what: str, merge: Merge) -> Array:
        """Join the values of all shards that have samples, at once, with those of all others."""
        for shard, value in zip(self.present, values, strict=True):
            push(self.deposits, (0, shard), value.copy(), merge)
        self._fold(values[0], what, merge)
        return np.array(self.result)

    def enter(self, i: int) -> None:
        """Let the batch norms of this thread join, as the shard at the place `i`."""
        joining.statistics = self.join(i, STATISTICS, chan)
        joining.sums = self.join(i, SUMS, add)
        joining.moves = i == 0

    def leave(self) -> None:
        """Let the batch norms of this thread be by themselves again."""
        joining.statistics = joining.sums = None
        joining.moves = True


class SyncBatchNorm(_BatchNorm):
    """Batch norm over the batches of all ranks, for a loop with `nn.parallel.DistributedDataParallel`.

    In one process it is `BatchNorm1d`, `2d` and `3d` in one. With `Sharded` and `fit` every batch norm is synchronised,
    and this one is as any other. Statistics, and the sums of the gradient, follow a tree over the ranks.

    Parameters
    ----------
    num_features, eps, momentum, affine, track_running_stats, device, dtype, bias
        As for `BatchNorm1d`.
    process_group : optional
        Only all ranks.
    """

    _dims = (2, 3, 4, 5)

    def __init__(self, num_features: int, eps: float = 1e-5, momentum: float | None = 0.1, affine: bool = True,
                 track_running_stats: bool = True, process_group: Any = None, device: Any = None, dtype: Any = None,
                 *, bias: bool = True):
        if process_group is not None:
            raise ValueError("SyncBatchNorm(): process_group must be None; there is one group, of all ranks")
        super().__init__(num_features, eps, momentum, affine, track_running_stats, device, dtype, bias=bias)

    def forward(self, input: Tensor) -> Tensor:
        """Normalize each channel (dim 1) over all other dims of the batches of all ranks."""
        group = current()
        alone = group is None or group.size == 1 or joining.statistics is not None
        if alone or group is None or not (self.training or self.running_mean is None):
            return super().forward(input)
        meeting = Meeting(group.by_rank(), [group.rank], [], set())
        meeting.enter(0)
        joining.later = joining.sums
        try:
            return super().forward(input)
        finally:
            meeting.leave()

    @classmethod
    def convert_sync_batchnorm(cls, module: Module, process_group: Any = None) -> Module:
        """Return a model with each batch norm replaced by a SyncBatchNorm of the same parameters and statistics."""
        if isinstance(module, _BatchNorm) and not isinstance(module, cls):
            made = cls(module.num_features, module.eps, module.momentum, module.affine, module.track_running_stats,
                       process_group, bias=module.bias is not None)
            for name in ("weight", "bias"):
                if getattr(module, name) is not None:
                    setattr(made, name, getattr(module, name))
            for name in ("running_mean", "running_var", "num_batches_tracked"):
                made.register_buffer(name, getattr(module, name))
            made.training = module.training
            return made
        for name, child in module.named_children():
            converted = cls.convert_sync_batchnorm(child, process_group)
            if converted is not child:
                setattr(module, name, converted)
        return module
