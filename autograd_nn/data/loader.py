"""The DataLoader: seeded batches of a dataset, cut by one index where the dataset allows it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from itertools import islice
from operator import length_hint
from typing import Any

import numpy as np

from ..tensor import Tensor
from .checks import whole_number
from .collate import as_tensors, default_collate
from .dataset import Dataset, cut_batch, sample_at, samples_at
from .prefetch import prefetched
from .randomness import LARGEST_SEED, BatchRandomness, check_generator, draw_seed, epoch_generator
from .sampler import BatchSampler, RandomSampler, SequentialSampler, as_indices
from .workers import Pool, WorkerInfo, in_order, own_dataset, round_robin

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
        How many threads make batches; they are handed out in order, with the same values as without threads. 0 makes
        them when they are asked for.
    collate_fn : callable, optional
        Makes a batch from a list of samples, ``dataset[i]`` each. By default `default_collate` does.
    pin_memory : bool
        Accepted; there is no memory but the CPU's.
    drop_last : bool
        Whether a last batch that is not full is left out.
    timeout : float
        How many seconds to wait for a batch from the workers before RuntimeError; 0 waits for ever.
    worker_init_fn : callable, optional
        Called in each worker as it starts, with its id from 0; see `get_worker_info`.
    multiprocessing_context : optional
        Accepted; workers are threads.
    generator : Generator, numpy.random.Generator or int, optional
        Where the loader's seed is drawn from, once, at the first epoch; by default the generator of
        `autograd_nn.manual_seed`.
    seed : int, optional
        The loader's seed itself.
    prefetch : int
        How many batches one thread makes ahead where there are no workers. It pays where making a batch (transforms,
        files) takes long, and changes nothing in what is handed out.
    prefetch_factor : int, optional
        How many batches each worker makes ahead; 2 by default.
    persistent_workers : bool
        Whether the workers are kept from one epoch to the next.
    pin_memory_device, in_order
        Accepted; batches always come in order.

    Raises
    ------
    ValueError
        If arguments exclude each other or have no meaning.
    TypeError
        If `dataset` is none; the message says what to pass.

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
                 pin_memory: bool = False, drop_last: bool = False, timeout: float = 0,
                 worker_init_fn: Callable[[int], Any] | None = None, multiprocessing_context: Any = None,
                 generator: Any = None, *, seed: int | None = None, prefetch: int = 0,
                 prefetch_factor: int | None = None, persistent_workers: bool = False, pin_memory_device: str = "",
                 in_order: bool = True):
        _need_dataset(dataset)
        self._iterable = _is_stream(dataset)
        if self._iterable and (shuffle or sampler is not None or batch_sampler is not None):
            raise ValueError("DataLoader(): an IterableDataset has its own order: shuffle, sampler and batch_sampler "
                             f"have no meaning (shuffle={shuffle})")
        if sampler is not None and shuffle:
            raise ValueError("DataLoader(): sampler and shuffle=True exclude each other")
        if generator is not None and seed is not None:
            raise ValueError("DataLoader(): generator and seed exclude each other")
        self.num_workers = whole_number(num_workers, "DataLoader(): num_workers", 0)
        if isinstance(timeout, bool) or not isinstance(timeout, int | float | np.number) or not timeout >= 0:
            raise ValueError(f"DataLoader(): timeout must be a number of seconds from 0 (got {timeout!r})")
        for name, value in (("timeout", timeout), ("prefetch_factor", prefetch_factor),
                            ("persistent_workers", persistent_workers)):
            if value and self.num_workers == 0:
                raise ValueError(f"DataLoader(): {name} needs num_workers above 0 ({name}={value}, num_workers=0)")
        for name, function in (("collate_fn", collate_fn), ("worker_init_fn", worker_init_fn)):
            if function is not None and not callable(function):
                raise TypeError(f"DataLoader(): {name} must be a function or None, got {type(function).__name__}")
        self.timeout = float(timeout)
        self.prefetch_factor = (None if self.num_workers == 0 else 2 if prefetch_factor is None else
                                whole_number(prefetch_factor, "DataLoader(): prefetch_factor", 1))
        self.persistent_workers = bool(persistent_workers)
        self.worker_init_fn = worker_init_fn
        self.multiprocessing_context = multiprocessing_context
        self.pin_memory = bool(pin_memory)
        self.pin_memory_device = pin_memory_device
        self.in_order = bool(in_order)
        self._pool: Pool | None = None
        if batch_sampler is not None:
            if batch_size != 1 or shuffle or sampler is not None or drop_last:
                raise ValueError("DataLoader(): batch_sampler excludes batch_size, shuffle, sampler and "
                                 f"drop_last (batch_size={batch_size}, shuffle={shuffle}, "
                                 f"drop_last={drop_last})")
            batch_size = getattr(batch_sampler, "batch_size", None)
            sampler = getattr(batch_sampler, "sampler", None)
        else:
            if sampler is None and not self._iterable:
                sampler = RandomSampler(dataset) if shuffle else SequentialSampler(dataset)
            if self._iterable:
                if batch_size is not None:
                    batch_size = whole_number(batch_size, "DataLoader(): batch_size", 1)
                elif drop_last:
                    raise ValueError("DataLoader(): drop_last has no meaning without a batch_size")
            elif batch_size is not None:
                batch_size = whole_number(batch_size, "DataLoader(): batch_size", 1)
                batch_sampler = BatchSampler(sampler, batch_size, bool(drop_last))  # type: ignore[arg-type]
            elif drop_last:
                raise ValueError("DataLoader(): drop_last has no meaning without a batch_size")
        self.dataset = dataset
        self.batch_size = batch_size
        self.sampler = sampler
        self.batch_sampler = batch_sampler
        self.collate_fn = collate_fn
        self.drop_last = drop_last
        self.generator = check_generator(generator, "DataLoader(): generator")
        self.prefetch = whole_number(prefetch, "DataLoader(): prefetch", 0)
        self.seed = None if seed is None else whole_number(seed, "DataLoader(): seed", 0, LARGEST_SEED)
        self.division: Callable[[Callable[..., Any], Any], Any] | None = None  # for whoever reads batches in parts
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
        if not self._iterable:
            return len(self._order)
        count = len(self.dataset)
        if self.batch_size is None:
            return count
        return count // self.batch_size if self.drop_last else -(-count // self.batch_size)

    def __repr__(self) -> str:
        shuffled = isinstance(self.sampler, RandomSampler)
        workers = f", num_workers={self.num_workers}" if self.num_workers else ""
        return (f"{type(self).__name__}({self.dataset!r}, batch_size={self.batch_size}"
                f"{', shuffle=True' if shuffled else ''}{workers})")

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_pool": None}

    def __iter__(self) -> Iterator[Any]:
        if self.seed is None:
            self.seed = draw_seed(self.generator)
        if self._started and not self._resumed:
            self.epoch += 1
            self.position = 0
        self._started, self._resumed = True, False
        self._order_state = self._sampler_state()
        if self.num_workers:
            batches = self._by_workers(self.seed, self.epoch, self.position)
        else:
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
        """Make the batches of one epoch from the position `start` on, in this thread."""
        if self._iterable:
            step = _Stream(self, self.dataset, seed, epoch)
            for more, batch in islice(iter(step, (False, None)), start, None):
                assert more
                yield batch
            return
        for position, indices in enumerate(self._index_batches(epoch_generator(seed, epoch), start), start):
            yield self._batch(self.dataset, seed, epoch, position, indices)

    def _by_workers(self, seed: int, epoch: int, start: int) -> Iterator[Any]:
        """Make the batches of one epoch from the position `start` on, in the workers."""
        pool = self._workers(seed)
        each = self.prefetch_factor or 1
        try:
            if self._iterable:
                streams: list[Any] = [_Stream(self, info.dataset, seed, epoch, info.id) for info in pool.infos]
                yield from islice(round_robin(pool, streams, each, self.timeout), start, None)
                return
            order = self._index_batches(epoch_generator(seed, epoch), start)
            jobs = ((seed, epoch, position, indices) for position, indices in enumerate(order, start))
            yield from in_order(pool, jobs, self._made_by, max(each * self.num_workers, self.prefetch), self.timeout)
        finally:
            if pool is not self._pool:
                pool.close()

    def _workers(self, seed: int) -> Pool:
        """Return running workers: those that persist, or new ones."""
        if self._pool is not None:
            return self._pool
        own = self._iterable or self.worker_init_fn is not None
        infos = [WorkerInfo(worker, self.num_workers, seed + worker, own_dataset(self.dataset) if own else self.dataset)
                 for worker in range(self.num_workers)]
        pool = Pool(infos, self.worker_init_fn, shared=not self._iterable)
        if self.persistent_workers:
            self._pool = pool
        return pool

    def _made_by(self, info: WorkerInfo, seed: int, epoch: int, position: int, indices: Any) -> Any:
        """Make one batch in a worker."""
        return self._batch(info.dataset, seed, epoch, position, indices)

    def _batch(self, dataset: Any, seed: int, epoch: int, position: int, indices: Any) -> Any:
        """Make one batch, or those of its parts that `division` asks for, each with random numbers of its own."""

        def make(indices: Any, shard: int | None = None) -> Any:
            with BatchRandomness(seed, epoch, position, shard):
                return self._make(dataset, indices)

        return make(indices) if self.division is None else self.division(make, indices)

    def _index_batches(self, generator: np.random.Generator, start: int) -> Iterator[Any]:
        """Return an iterator over the indices of each batch of an epoch, from the position `start` on."""
        if self.batch_sampler is None:
            singles = BatchSampler(self.sampler, 1)  # type: ignore[arg-type]
            return (int(indices[0]) for indices in singles.batches(generator, start))
        if isinstance(self.batch_sampler, BatchSampler) and self.batch_sampler.cuts_slices:
            return self.batch_sampler.batches(generator, start)
        return (as_indices(list(batch)) for batch in islice(self.batch_sampler, start, None))

    def _make(self, dataset: Any, indices: Any) -> Any:
        """Make one batch (or one sample, where there is no batch axis)."""
        if self.batch_sampler is None:
            sample = sample_at(dataset, indices)
            return as_tensors(sample) if self.collate_fn is None else self.collate_fn(sample)
        if self.collate_fn is None:
            return as_tensors(cut_batch(dataset, indices))
        return self.collate_fn(samples_at(dataset, indices.tolist()))

    def _sampler_state(self) -> dict[str, Any]:
        return self._order.state_dict() if hasattr(self._order, "state_dict") else {}

    def _samples(self) -> int | None:
        """Return how many samples the dataset has, or None where it does not say."""
        return len(self.dataset) if hasattr(self.dataset, "__len__") else None

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
                "started": self._started, "samples": self._samples(), "batch_size": self.batch_size,
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
        for name, value in (("samples", self._samples()), ("batch_size", self.batch_size)):
            if state[name] != value:
                raise ValueError("DataLoader.load_state_dict(): the state was saved with "
                                 f"{name}={state[name]}, this loader has {name}={value}")
        name = "DataLoader.load_state_dict(): "
        seed = state["seed"]
        seed = None if seed is None else whole_number(seed, name + "seed", 0, LARGEST_SEED)
        epoch = whole_number(state["epoch"], name + "epoch", 0)
        position = whole_number(state["position"], name + "position", 0)
        most = position if self._iterable else length_hint(self._order, position)
        if position > most:
            raise ValueError(f"{name}position must be at most {most} (position={position})")
        if hasattr(self._order, "load_state_dict"):
            self._order.load_state_dict(state["sampler"])
        self.seed, self.epoch, self.position = seed, epoch, position
        self._order_state = state["sampler"]
        self._started = self._resumed = bool(state["started"])


class _Stream:
    """The batches of an IterableDataset, one by one: (True, batch), or (False, None) at its end.

    The dataset is first asked for its iterator by the first call, so that it runs where the batches are made.
    """

    def __init__(self, loader: DataLoader, dataset: Any, seed: int, epoch: int, worker: int = 0):
        self.loader = loader
        self.dataset = dataset
        self.seed = seed
        self.epoch = epoch
        self.position = worker
        self.samples: Iterator[Any] | None = None
        self.ended = False

    def __call__(self, _: Any = None) -> tuple[bool, Any]:
        if self.ended:
            return False, None
        loader = self.loader
        with BatchRandomness(self.seed, self.epoch, self.position):
            self.position += max(loader.num_workers, 1)
            if self.samples is None:
                self.samples = iter(self.dataset)
            samples = list(islice(self.samples, loader.batch_size or 1))
            if not samples or (loader.drop_last and len(samples) < (loader.batch_size or 1)):
                self.ended = True
                return False, None
            if loader.batch_size is None:
                return True, (loader.collate_fn or as_tensors)(samples[0])
            return True, (loader.collate_fn or default_collate)(samples)


def _is_stream(dataset: Any) -> bool:
    """Return whether a dataset is read from its beginning: an IterableDataset, or what can only be iterated, anew."""
    named = any(base.__name__ == "IterableDataset" for base in type(dataset).__mro__)  # other libraries' too
    only = hasattr(dataset, "__iter__") and not hasattr(dataset, "__getitem__") and not hasattr(dataset, "__next__")
    return named or (only and not isinstance(dataset, type | Set | DataLoader))


def _need_dataset(dataset: Any) -> None:
    """Raise TypeError that says what to pass, unless a value is a dataset."""
    kind = type(dataset).__name__
    what = f"DataLoader(): dataset must be a Dataset (with __getitem__ and __len__) or an IterableDataset, got {kind}"
    if isinstance(dataset, type):
        raise TypeError(f"DataLoader(): dataset must be a Dataset, got the class {dataset.__name__}; make one: "
                        f"{dataset.__name__}(...)")
    if kind in ("DataFrame", "LazyFrame", "Series") and not isinstance(dataset, Dataset):
        raise TypeError(f"{what}; use TableDataset(table, target='the column to predict'), or "
                        "TensorDataset(tensor(table[inputs]), tensor(table[target]))")
    if isinstance(dataset, DataLoader):
        raise TypeError(f"{what}; pass its dataset: DataLoader(loader.dataset)")
    if isinstance(dataset, Mapping) and not all(isinstance(key, int) for key in dataset):
        split = ", which has one dataset per split; pass dataset['train']"
        one = "; StackDataset(**data) makes samples of one entry of each"
        raise TypeError(what + (split if kind == "DatasetDict" else one))
    if isinstance(dataset, (str, bytes)):
        raise TypeError(f"{what}; use ImageFolder(path) for a folder of images, TableDataset.from_csv(path, ...) for a "
                        "table")
    if isinstance(dataset, tuple) and len(dataset) > 1 and all(isinstance(p, np.ndarray | Tensor) for p in dataset):
        shapes = [tuple(part.shape) for part in dataset]
        if len(set(shapes)) > 1 and len({shape[:1] for shape in shapes}) == 1:
            raise TypeError(f"{what} of arrays {', '.join(map(str, shapes))}; use TensorDataset(*arrays)")
    if _is_stream(dataset):
        return
    if not hasattr(dataset, "__getitem__"):
        hint = "; make it a list, or an IterableDataset" if isinstance(dataset, Iterable) else ""
        raise TypeError(f"{what}{hint}")
    if not hasattr(dataset, "__len__"):
        raise TypeError(f"{what}, which has no __len__")
    if isinstance(dataset, np.ndarray | Tensor) and dataset.ndim == 0:
        raise TypeError(f"{what} without axes; samples lie along the first")
