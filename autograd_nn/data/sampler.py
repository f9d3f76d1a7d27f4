"""Samplers: the order in which the samples of an epoch are visited."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence, Sized
from itertools import islice
from typing import Any

import numpy as np

from .checks import whole_number
from .randomness import check_generator, get_state, numpy_generator, set_state

__all__ = ["BatchSampler", "RandomSampler", "Sampler", "SequentialSampler", "SubsetRandomSampler",
           "WeightedRandomSampler"]


class Sampler:
    """The base class of samplers: a subclass defines ``__len__`` and ``indices``.

    Parameters
    ----------
    generator : Generator, numpy.random.Generator or int, optional
        A generator or a seed of the sampler's own. Without one, a DataLoader hands in the generator of its
        epoch.

    Examples
    --------
    >>> import numpy as np
    >>> from autograd_nn.data import DataLoader, Sampler
    >>> class Every(Sampler):
    ...     def __len__(self):
    ...         return 3
    ...     def indices(self, generator):
    ...         return np.arange(0, 6, 2)
    >>> list(Every())
    [0, 2, 4]
    """

    generator: Any = None  # also of a subclass that does not call __init__, as PyTorch's need not

    def __init__(self, generator: Any = None):
        self.generator = check_generator(generator, f"{type(self).__name__}(): generator")

    def __len__(self) -> int:
        raise NotImplementedError(f"{type(self).__name__} must define __len__")

    def indices(self, generator: np.random.Generator) -> np.ndarray:
        """Return the indices of one epoch, int64, drawn from `generator`."""
        raise NotImplementedError(f"{type(self).__name__} must define indices or __iter__")

    def __iter__(self) -> Iterator[int]:
        yield from self.indices(numpy_generator(self.generator)).tolist()

    def state_dict(self) -> dict[str, Any]:
        """Return the state of the sampler's own generator, where it has one."""
        return {} if self.generator is None else {"generator": get_state(self.generator)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take up a state that `state_dict` returned."""
        if ("generator" in state) != (self.generator is not None):
            raise ValueError(f"{type(self).__name__}.load_state_dict(): the state has "
                             f"{'a' if 'generator' in state else 'no'} generator, the sampler has "
                             f"{'no' if self.generator is None else 'a'} generator")
        if self.generator is not None:
            set_state(self.generator, state["generator"])


class SequentialSampler(Sampler):
    """All samples in order.

    Parameters
    ----------
    data_source : Dataset

    Examples
    --------
    >>> from autograd_nn.data import SequentialSampler
    >>> list(SequentialSampler(range(4)))
    [0, 1, 2, 3]
    """

    def __init__(self, data_source: Sized):
        super().__init__()
        self.data_source = data_source

    def __len__(self) -> int:
        return len(self.data_source)

    def indices(self, generator: np.random.Generator | None = None) -> np.ndarray:
        """Return 0, 1, 2, ..."""
        return np.arange(len(self), dtype=np.int64)


class RandomSampler(Sampler):
    """Samples in random order.

    Parameters
    ----------
    data_source : Dataset
    replacement : bool
        Whether each index is drawn from all samples; else one permutation follows another.
    num_samples : int, optional
        How many to draw; by default as many as there are.
    generator : Generator, numpy.random.Generator or int, optional

    Examples
    --------
    >>> from autograd_nn.data import RandomSampler
    >>> sorted(RandomSampler(range(4)))
    [0, 1, 2, 3]
    """

    def __init__(self, data_source: Sized, replacement: bool = False, num_samples: int | None = None,
                 generator: Any = None):
        super().__init__(generator)
        if num_samples is not None:
            num_samples = whole_number(num_samples, "RandomSampler(): num_samples", 1)
        self.data_source = data_source
        self.replacement = replacement
        self._num_samples = num_samples

    @property
    def num_samples(self) -> int:
        """How many indices one epoch has."""
        return len(self.data_source) if self._num_samples is None else self._num_samples

    def __len__(self) -> int:
        return self.num_samples

    def indices(self, generator: np.random.Generator) -> np.ndarray:
        """Return a permutation (or several, or a draw with replacement)."""
        size, count = len(self.data_source), self.num_samples
        if size == 0 and count > 0:
            raise ValueError(f"RandomSampler(): cannot draw {count} samples from an empty dataset")
        if self.replacement:
            return generator.integers(0, size, count, dtype=np.int64) if count else np.zeros(0, np.int64)
        rounds = [generator.permutation(size) for _ in range(-(-count // size) if size else 0)]
        return np.concatenate(rounds)[:count] if rounds else np.zeros(0, np.int64)


class SubsetRandomSampler(Sampler):
    """The given indices in random order.

    Parameters
    ----------
    indices : sequence of int
    generator : Generator, numpy.random.Generator or int, optional

    Examples
    --------
    >>> from autograd_nn.data import SubsetRandomSampler
    >>> sorted(SubsetRandomSampler([2, 5, 7]))
    [2, 5, 7]
    """

    def __init__(self, indices: Sequence[int] | np.ndarray, generator: Any = None):
        super().__init__(generator)
        self.subset = np.asarray(indices, dtype=np.int64)

    def __len__(self) -> int:
        return len(self.subset)

    def indices(self, generator: np.random.Generator) -> np.ndarray:
        """Return a permutation of the given indices."""
        return self.subset[generator.permutation(len(self.subset))]


class WeightedRandomSampler(Sampler):
    """Indices drawn with probabilities proportional to `weights`.

    Parameters
    ----------
    weights : sequence of float
        One per sample, not negative, finite, at least one above 0.
    num_samples : int
    replacement : bool
        Without replacement at most as many can be drawn as have a weight above 0.
    generator : Generator, numpy.random.Generator or int, optional

    Examples
    --------
    >>> from autograd_nn.data import WeightedRandomSampler
    >>> list(WeightedRandomSampler([0.0, 1.0, 0.0], num_samples=3))
    [1, 1, 1]
    """

    def __init__(self, weights: Sequence[float] | np.ndarray, num_samples: int, replacement: bool = True,
                 generator: Any = None):
        super().__init__(generator)
        num_samples = whole_number(num_samples, "WeightedRandomSampler(): num_samples", 1)
        self.weights = np.asarray(weights, dtype=np.float64)
        if self.weights.ndim != 1:
            raise ValueError(f"WeightedRandomSampler(): weights must have one axis (weights.shape="
                             f"{self.weights.shape})")
        if not np.all(np.isfinite(self.weights)) or np.any(self.weights < 0) or not np.any(self.weights > 0):
            raise ValueError("WeightedRandomSampler(): weights must be finite and not negative, and not "
                             "all 0")
        possible = int(np.count_nonzero(self.weights))
        if not replacement and num_samples > possible:
            raise ValueError(f"WeightedRandomSampler(): cannot draw {num_samples} samples without "
                             f"replacement from {possible} that have a weight above 0")
        self.num_samples = num_samples
        self.replacement = replacement

    def __len__(self) -> int:
        return self.num_samples

    def indices(self, generator: np.random.Generator) -> np.ndarray:
        """Return a weighted draw."""
        return generator.choice(len(self.weights), self.num_samples, replace=self.replacement,
                                p=self.weights / self.weights.sum())


class BatchSampler(Sampler):
    """Batches of the indices that another sampler yields.

    Parameters
    ----------
    sampler : iterable of int
    batch_size : int
    drop_last : bool
        Whether a last batch that is not full is left out.

    Examples
    --------
    >>> from autograd_nn.data import BatchSampler
    >>> list(BatchSampler(range(5), batch_size=2, drop_last=False))
    [[0, 1], [2, 3], [4]]
    """

    def __init__(self, sampler: Iterable[int], batch_size: int, drop_last: bool = False):
        super().__init__()
        self.sampler = sampler
        self.batch_size = whole_number(batch_size, "BatchSampler(): batch_size", 1)
        self.drop_last = drop_last

    def __len__(self) -> int:
        count = len(self.sampler)  # type: ignore[arg-type]
        return count // self.batch_size if self.drop_last else -(-count // self.batch_size)

    @property
    def cuts_slices(self) -> bool:
        """Whether `batches` yields what iterating does: a subclass may have its own ``__iter__``."""
        return type(self).__iter__ is BatchSampler.__iter__

    def batches(self, generator: np.random.Generator, start: int = 0) -> Iterator[np.ndarray]:
        """Yield the batches of one epoch from the batch `start` on, as int64 arrays of indices.

        An order that is drawn at once is cut into slices; any other iterable is read batch by batch, as it
        may be endless.
        """
        if type(self.sampler).__iter__ is Sampler.__iter__:
            own = self.sampler.generator  # type: ignore[attr-defined]
            generator = generator if own is None else numpy_generator(own)
            order = self.sampler.indices(generator)  # type: ignore[attr-defined]
            size = self.batch_size
            batches = (order[begin:begin + size] for begin in range(0, len(order), size))
        else:
            stream = iter(self.sampler)
            batches = (as_indices(batch) for batch in iter(lambda: list(islice(stream, self.batch_size)), []))
        for batch in islice(batches, start, None):
            if len(batch) == self.batch_size or not self.drop_last:
                yield batch

    def __iter__(self) -> Iterator[list[int]]:  # type: ignore[override]
        for batch in self.batches(numpy_generator(None)):
            yield batch.tolist()

    def state_dict(self) -> dict[str, Any]:
        """Return the state of the inner sampler."""
        return self.sampler.state_dict() if hasattr(self.sampler, "state_dict") else {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take up a state that `state_dict` returned."""
        if hasattr(self.sampler, "load_state_dict"):
            self.sampler.load_state_dict(state)


def as_indices(values: Any) -> np.ndarray:
    """Return what a sampler yielded as an int64 array, or raise."""
    indices = np.asarray(values)
    if indices.size == 0:
        return np.zeros(0, dtype=np.int64)
    if indices.ndim != 1 or indices.dtype.kind not in "iu":
        raise TypeError(f"DataLoader(): a sampler must yield integers, got {indices.ndim} axes of "
                        f"{indices.dtype}")
    return indices.astype(np.int64)
