"""The DataLoader: seeded batches of a dataset, cut by one index where the dataset allows it."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from operator import length_hint
from typing import Any

import numpy as np

from .checks import whole_number
from .collate import as_tensors
from .dataset import cut_batch
from .prefetch import prefetched
from .randomness import LARGEST_SEED, BatchRandomness, check_generator, draw_seed, epoch_generator
from .sampler import BatchSampler, RandomSampler, SequentialSampler, as_indices

__all__ = ["DataLoader"]


class DataLoader:
    """Iterate over a dataset in batches of Tensors.

    Every ``for`` loop over the loader is one epoch. The order of epoch e is drawn from a generator made of
    ``(seed, e)`` and the random transforms of a batch from one made of ``(seed, e, position)``: epochs
    differ, runs with the same seed repeat, and a loader restored by `load_state_dict` goes on exactly where
    the saved one stood.

    Parameters
    ----------
    dataset : Dataset
        Anything with ``__len__`` and ``__getitem__``; one with ``batch(indices)`` (all datasets over arrays
        here) is cut by one vectorised index per batch.
    batch_size : int or None
        Samples per batch; None hands out single samples without a batch axis.
    shuffle : bool
        Whether each epoch visits the samples in a new random order.
    sampler : iterable of int, optional
        The order of the samples, instead of `shuffle`.
    batch_sampler : iterable of sequences of int, optional
        The batches, instead of `batch_size`, `shuffle`, `sampler` and `drop_last`.
    num_workers : int
        There are no worker processes. A value above 0 warns and turns on `prefetch`.
    collate_fn : callable, optional
        Makes a batch from a list of samples, ``dataset[i]`` each. By default `default_collate` does.
    pin_memory : bool
        Has no meaning without a GPU; True warns.
    drop_last : bool
        Whether a last batch that is not full is left out.
    generator : Generator, numpy.random.Generator or int, optional
        Where the loader's seed is drawn from, once, at the first epoch; by default the generator of
        `autograd_nn.manual_seed`.
    seed : int, optional
        The loader's seed itself.
    prefetch : int
        How many batches a thread makes ahead; 0 makes them when they are asked for. It pays where making a
        batch (transforms, files) takes long, and changes nothing in what is handed out.

    Raises
    ------
    ValueError
        If arguments exclude each other or have no meaning.

    Examples
    --------
    >>> import numpy as np
    >>> from autograd_nn.data import ArrayDataset, DataLoader
    >>> dataset = ArrayDataset(np.zeros((10, 3), np.float32), np.arange(10))
    >>> [(x.shape, y.shape) for x, y in DataLoader(dataset, batch_size=4, shuffle=True)]
    [((4, 3), (4,)), ((4, 3), (4,)), ((2, 3), (2,))]
    """

    def __init__(self, dataset: Any, batch_size: int | None = 1, shuffle: bool | None = False,
                 sampler: Iterable[int] | None = None, batch_sampler: Iterable[Any] | None = None,
                 num_workers: int = 0, collate_fn: Callable[[list[Any]], Any] | None = None,
                 pin_memory: bool = False, drop_last: bool = False, *, generator: Any = None,
                 seed: int | None = None, prefetch: int = 0):
        if not hasattr(dataset, "__getitem__"):
            raise TypeError("DataLoader(): dataset must have __getitem__ and __len__, got "
                            f"{type(dataset).__name__}")
        if sampler is not None and shuffle:
            raise ValueError("DataLoader(): sampler and shuffle=True exclude each other")
        if generator is not None and seed is not None:
            raise ValueError("DataLoader(): generator and seed exclude each other")
        prefetch = whole_number(prefetch, "DataLoader(): prefetch", 0)
        if whole_number(num_workers, "DataLoader(): num_workers", 0) > 0:
            prefetch = max(prefetch, 2)
            warnings.warn(f"DataLoader(): num_workers={num_workers}: there are no worker processes; a thread "
                          f"prefetches instead (prefetch={prefetch})", stacklevel=2)
        if pin_memory:
            warnings.warn("DataLoader(): pin_memory=True has no effect: there is no memory but the CPU's",
                          stacklevel=2)
        if batch_sampler is not None:
            if batch_size != 1 or shuffle or sampler is not None or drop_last:
                raise ValueError("DataLoader(): batch_sampler excludes batch_size, shuffle, sampler and "
                                 f"drop_last (batch_size={batch_size}, shuffle={shuffle}, "
                                 f"drop_last={drop_last})")
            batch_size = getattr(batch_sampler, "batch_size", None)
            sampler = getattr(batch_sampler, "sampler", None)
        else:
            if sampler is None:
                sampler = RandomSampler(dataset) if shuffle else SequentialSampler(dataset)
            if batch_size is not None:
                batch_size = whole_number(batch_size, "DataLoader(): batch_size", 1)
                batch_sampler = BatchSampler(sampler, batch_size, bool(drop_last))
            elif drop_last:
                raise ValueError("DataLoader(): drop_last has no meaning without a batch_size")
        self.dataset = dataset
        self.batch_size = batch_size
        self.sampler = sampler
        self.batch_sampler = batch_sampler
        self.num_workers = 0
        self.collate_fn = collate_fn
        self.drop_last = drop_last
        self.generator = check_generator(generator, "DataLoader(): generator")
        self.prefetch = prefetch
        self.seed = None if seed is None else whole_number(seed, "DataLoader(): seed", 0, LARGEST_SEED)
        self.epoch = 0
        self.position = 0
        self._order_state: dict[str, Any] = {}
        self._resumed = False
        self._started = False

    @property
    def _order(self) -> Any:
        """What sets the order of the samples: the batch sampler, or the sampler where there are no batches."""
        return self.sampler if self.batch_sampler is None else self.batch_sampler

    def __len__(self) -> int:
        return len(self._order)

    def __iter__(self) -> Iterator[Any]:
        if self.seed is None:
            self.seed = draw_seed(self.generator)
        if self._started and not self._resumed:
            self.epoch += 1
            self.position = 0
        self._started, self._resumed = True, False
        self._order_state = self._sampler_state()
        batches = self._batches(self.seed, self.epoch, self.position)
        if self.prefetch:
            batches = prefetched(batches, self.prefetch)
        return self._hand_out(batches, self.epoch)

    def _hand_out(self, batches: Iterator[Any], epoch: int) -> Iterator[Any]:
        """Yield the batches and keep count of them, unless a later epoch has begun meanwhile."""
        for batch in batches:
            if self.epoch == epoch:
                self.position += 1
            yield batch
        if self.epoch == epoch:
            self.epoch += 1
            self.position = 0
            self._started = False

    def _batches(self, seed: int, epoch: int, start: int) -> Iterator[Any]:
        """Make the batches of one epoch from the position `start` on."""
        for position, indices in enumerate(self._index_batches(epoch_generator(seed, epoch), start), start):
            with BatchRandomness(seed, epoch, position):
                batch = self._make(indices)
            yield batch

    def _index_batches(self, generator: np.random.Generator, start: int) -> Iterator[Any]:
        """Return an iterator over the indices of each batch of an epoch, from the position `start` on."""
        if self.batch_sampler is None:
            singles = BatchSampler(self.sampler, 1)  # type: ignore[arg-type]
            return (int(indices[0]) for indices in singles.batches(generator, start))
        if isinstance(self.batch_sampler, BatchSampler) and self.batch_sampler.cuts_slices:
            return self.batch_sampler.batches(generator, start)
        return (as_indices(list(batch)) for batch in islice(self.batch_sampler, start, None))

    def _make(self, indices: Any) -> Any:
        """Make one batch (or one sample, where there is no batch axis)."""
        if self.batch_sampler is None:
            sample = self.dataset[indices]
            return as_tensors(sample) if self.collate_fn is None else self.collate_fn(sample)
        if self.collate_fn is None:
            return as_tensors(cut_batch(self.dataset, indices))
        return self.collate_fn([self.dataset[index] for index in indices.tolist()])

    def _sampler_state(self) -> dict[str, Any]:
        return self._order.state_dict() if hasattr(self._order, "state_dict") else {}

    def state_dict(self) -> dict[str, Any]:
        """Return where the loader stands: plain numbers, in nested dicts, that JSON can hold.

        Returns
        -------
        dict
            ``seed`` (None before the first epoch), ``epoch`` (from 0), ``position`` (batches handed out in
            this epoch), ``samples`` and ``batch_size`` (to recognise another dataset or setting), ``sampler``
            (the state of a sampler's own generator at the start of the epoch), ``started`` (whether the epoch
            has begun). Saved inside the loop body, it stands after the batch at hand; saved after the loop,
            before the next epoch.
        """
        return {"seed": self.seed, "epoch": self.epoch, "position": self.position,
                "started": self._started, "samples": len(self.dataset), "batch_size": self.batch_size,
                "sampler": self._order_state if self._started else self._sampler_state()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take up a state that `state_dict` returned; the next ``for`` loop does the rest of that epoch.

        An order from a sampler with a generator of its own is restored too; one from any other iterable is
        only skipped over, and must repeat by itself.

        Raises
        ------
        ValueError
            If a key is missing or the state belongs to another dataset length or batch size.
        """
        expected = {"seed", "epoch", "position", "samples", "batch_size", "started", "sampler"}
        if set(state) != expected:
            raise ValueError(f"DataLoader.load_state_dict(): missing {sorted(expected - set(state))}, "
                             f"unexpected {sorted(set(state) - expected)}")
        for name, value in (("samples", len(self.dataset)), ("batch_size", self.batch_size)):
            if state[name] != value:
                raise ValueError("DataLoader.load_state_dict(): the state was saved with "
                                 f"{name}={state[name]}, this loader has {name}={value}")
        name = "DataLoader.load_state_dict(): "
        seed = state["seed"]
        seed = None if seed is None else whole_number(seed, name + "seed", 0, LARGEST_SEED)
        epoch = whole_number(state["epoch"], name + "epoch", 0)
        position = whole_number(state["position"], name + "position", 0)
        most = length_hint(self._order, position)
        if position > most:
            raise ValueError(f"{name}position must be at most {most} (position={position})")
        if hasattr(self._order, "load_state_dict"):
            self._order.load_state_dict(state["sampler"])
        self.seed, self.epoch, self.position = seed, epoch, position
        self._order_state = state["sampler"]
        self._started = self._resumed = bool(state["started"])
