"""The part of a dataset that a rank reads, in PyTorch's way."""

from __future__ import annotations

from collections.abc import Sized

import numpy as np

from ..data.checks import whole_number
from ..data.sampler import Sampler
from . import group

__all__ = ["DistributedSampler"]


class DistributedSampler(Sampler):
    """One rank's part of the samples, in an order that all ranks share: a run of it, without repeated samples.

    PyTorch pads so that all ranks have as many samples; here the parts differ by one at most. With `drop_last` they are
    equal, so that all ranks have as many batches. `training.fit` divides batches by itself, and refuses such a sampler.

    Parameters
    ----------
    dataset : Dataset
    num_replicas, rank : int, optional
        By default those of the job.
    shuffle : bool
        Whether the order is a random one, another in each epoch (see `set_epoch`).
    seed : int
        The same on all ranks.
    drop_last : bool
        Whether to leave out the samples at the end that would make the parts unequal.

    Examples
    --------
    >>> [list(DistributedSampler(range(7), num_replicas=2, rank=r, shuffle=False)) for r in range(2)]
    [[0, 1, 2], [3, 4, 5, 6]]
    """

    def __init__(self, dataset: Sized, num_replicas: int | None = None, rank: int | None = None, shuffle: bool = True,
                 seed: int = 0, drop_last: bool = False):
        super().__init__()
        ranks = group.size() if num_replicas is None else whole_number(
            num_replicas, "DistributedSampler(): num_replicas", 1)
        own = group.rank() if rank is None else whole_number(rank, "DistributedSampler(): rank", 0)
        if own >= ranks:
            raise ValueError("DistributedSampler(): rank must be below num_replicas "
                             f"(rank={own}, num_replicas={ranks})")
        self.dataset, self.num_replicas, self.rank = dataset, ranks, own
        self.shuffle, self.seed, self.drop_last, self.epoch = bool(shuffle), int(seed), bool(drop_last), 0

    def _part(self) -> slice:
        total = len(self.dataset)
        total -= total % self.num_replicas if self.drop_last else 0
        return slice(total * self.rank // self.num_replicas, total * (self.rank + 1) // self.num_replicas)

    def __len__(self) -> int:
        part = self._part()
        return int(part.stop - part.start)

    def indices(self, generator: np.random.Generator | None = None) -> np.ndarray:
        """Return this rank's part of the order of the epoch; `generator` has no say in it."""
        count = len(self.dataset)
        order = np.random.default_rng((self.seed, self.epoch)).permutation(count) if self.shuffle else np.arange(count)
        return order[self._part()].astype(np.int64)

    def set_epoch(self, epoch: int) -> None:
        """Say which epoch comes next: its order depends on it."""
        self.epoch = int(epoch)
