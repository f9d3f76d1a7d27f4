"""Datasets: things with a length and samples; those over arrays cut a whole batch by one index."""

from __future__ import annotations

import bisect
import itertools
import math
import operator
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from ..tensor import Tensor, from_numpy
from .collate import default_collate, rebuilt
from .randomness import check_generator, numpy_generator

__all__ = ["ArrayDataset", "ChainDataset", "ConcatDataset", "Dataset", "IterableDataset", "StackDataset", "Subset",
           "TensorDataset", "cut_batch", "random_split", "sample_at", "samples_at"]


class Dataset:
    """The base class of datasets: a subclass defines ``__len__`` and ``__getitem__``.

    A subclass that can cut many samples at once also defines ``batch(indices)``: it takes an int64 array of
    indices and returns arrays (or Tensors), one sample a row, built like one sample. The DataLoader then
    calls it once per batch instead of ``__getitem__`` once per sample.

    Examples
    --------
    >>> import numpy as np
    >>> from autograd_nn.data import DataLoader, Dataset
    >>> class Squares(Dataset):
    ...     def __len__(self):
    ...         return 4
    ...     def __getitem__(self, index):
    ...         return np.float32(index), np.float32(index**2)
    >>> [y.tolist() for x, y in DataLoader(Squares(), batch_size=2)]
    [[0.0, 1.0], [4.0, 9.0]]
    """

    def __getitem__(self, index: int) -> Any:
        raise NotImplementedError(f"{type(self).__name__} must define __getitem__")

    def __add__(self, other: Any) -> ConcatDataset:
        return ConcatDataset([self, other])


class IterableDataset(Dataset):
    """The base class of datasets that are read from beginning to end: a subclass defines ``__iter__``.

    In a DataLoader with workers each worker reads a shallow copy of the dataset from its beginning: divide the work
    by `get_worker_info`, or every sample comes once per worker, as in PyTorch.

    Examples
    --------
    >>> from autograd_nn.data import DataLoader, IterableDataset
    >>> class Countdown(IterableDataset):
    ...     def __iter__(self):
    ...         return iter([3, 2, 1])
    >>> [batch.tolist() for batch in DataLoader(Countdown(), batch_size=2)]
    [[3, 2], [1]]
    """

    def __getitem__(self, index: int) -> Any:
        raise TypeError(f"{type(self).__name__} is an IterableDataset: it has no samples by index, only an order")

    def __iter__(self) -> Iterator[Any]:
        raise NotImplementedError(f"{type(self).__name__} must define __iter__")

    def __add__(self, other: Any) -> ChainDataset:  # type: ignore[override]
        return ChainDataset([self, other])


class ChainDataset(IterableDataset):
    """Several IterableDatasets one after the other.

    Parameters
    ----------
    datasets : iterable of IterableDataset
        Read when their turn comes.

    Examples
    --------
    >>> from autograd_nn.data import ChainDataset, IterableDataset
    >>> class Count(IterableDataset):
    ...     def __init__(self, n):
    ...         self.n = n
    ...     def __iter__(self):
    ...         return iter(range(self.n))
    >>> list(ChainDataset([Count(2), Count(3)]))
    [0, 1, 0, 1, 2]
    """

    def __init__(self, datasets: Iterable[Any]):
        self.datasets = datasets

    def __iter__(self) -> Iterator[Any]:
        for position, dataset in enumerate(self.datasets):
            if not isinstance(dataset, IterableDataset):
                raise TypeError(f"ChainDataset(): dataset {position} must be an IterableDataset, got "
                                f"{type(dataset).__name__} (ConcatDataset joins datasets with an index)")
            yield from dataset

    def __len__(self) -> int:
        return sum(len(dataset) for dataset in self.datasets)


def sample_at(dataset: Any, index: int) -> Any:
    """Return one sample; an error says which."""
    try:
        return dataset[index]
    except Exception as error:
        error.add_note(f"at sample {index} of a {type(dataset).__name__}")
        raise


def samples_at(dataset: Any, indices: list[int]) -> list[Any]:
    """Return several samples as a list, by ``dataset.__getitems__`` or else one by one."""
    if hasattr(dataset, "__getitems__"):
        return list(dataset.__getitems__(indices))
    return [sample_at(dataset, index) for index in indices]


def cut_batch(dataset: Any, indices: np.ndarray) -> Any:
    """Return the samples at `indices` as a batch, by ``dataset.batch`` or else sample by sample."""
    if hasattr(dataset, "batch") and (isinstance(dataset, Dataset) or not hasattr(dataset, "__getitems__")):
        return dataset.batch(indices)  # other libraries' `batch` means something else
    return default_collate(samples_at(dataset, indices.tolist()))


class ArrayDataset(Dataset):
    """A dataset over arrays that have their samples along the first axis.

    Parameters
    ----------
    *arrays : array_like or Tensor
        Of the same length; kept, not copied.
    transform : callable, optional
        Applied to the first array's part of each sample. One of `autograd_nn.data.transforms` is applied to a
        whole batch at once; any other callable gets one sample.
    target_transform : callable, optional
        The same for the second array.

    Raises
    ------
    ValueError
        If there is no array, one has no axis, or their lengths differ.
    TypeError
        If an array holds Python objects.

    Examples
    --------
    >>> import numpy as np
    >>> from autograd_nn.data import ArrayDataset
    >>> dataset = ArrayDataset(np.zeros((10, 3), np.float32), np.arange(10))
    >>> len(dataset), dataset[4][1]
    (10, np.int64(4))
    """

    def __init__(self, *arrays: Any, transform: Callable[[Any], Any] | None = None,
                 target_transform: Callable[[Any], Any] | None = None):
        name = type(self).__name__
        if not arrays:
            raise ValueError(f"{name}(): needs at least one array, got none")
        self.arrays = tuple(map(_native, arrays))
        for position, array in enumerate(self.arrays):
            if array.dtype.kind not in "fiubSU":
                raise TypeError(f"{name}(): array {position} has dtype {array.dtype}; numbers are needed")
            if array.ndim == 0:
                raise ValueError(f"{name}(): array {position} is 0-dimensional; samples lie along the first "
                                 "axis")
            if len(array) != len(self.arrays[0]):
                raise ValueError(f"{name}(): all arrays need the same length: array 0 has "
                                 f"{len(self.arrays[0])} samples, array {position} has {len(array)}")
        if target_transform is not None and len(self.arrays) < 2:
            raise ValueError(f"{name}(): target_transform needs a second array, got 1 array")
        self.transform = transform
        self.target_transform = target_transform

    def __len__(self) -> int:
        return len(self.arrays[0])

    def __repr__(self) -> str:
        arrays = ", ".join(f"{array.dtype} {array.shape}" for array in self.arrays)
        return f"{type(self).__name__}({len(self)} samples: {arrays})"

    def _sources(self) -> tuple[np.ndarray, ...]:
        """Return the arrays that samples are cut from."""
        return self.arrays

    def __getitem__(self, index: Any) -> tuple[Any, ...]:
        sample: list[Any] = [array[index] for array in self._sources()]
        for position, transform in enumerate((self.transform, self.target_transform)):
            if transform is not None:
                sample[position] = transform(sample[position])
        return tuple(sample)

    def batch(self, indices: np.ndarray) -> tuple[Any, ...]:
        """Return the samples at `indices`, cut by one index per array, transformed whole if possible."""
        try:
            parts: list[Any] = [_rows(array, indices) for array in self._sources()]
        except IndexError:
            raise IndexError(f"{type(self).__name__}.batch(): indices must be in [{-len(self)}, "
                             f"{len(self)}), got {int(np.min(indices))} to {int(np.max(indices))}") from None
        for position, transform in enumerate((self.transform, self.target_transform)):
            if transform is not None:
                parts[position] = _transform(transform, parts[position])
        return tuple(parts)


def _rows(array: np.ndarray, indices: np.ndarray) -> np.ndarray:
    """Return the rows at `indices`. NumPy's take, the faster, would first copy a whole array that is not aligned."""
    return np.take(array, indices, axis=0) if array.flags.aligned else np.asarray(array[indices])


def _native(data: Any) -> np.ndarray:
    """Return an array or Tensor as an array in native byte order, copied only if it must be."""
    array = data.array if isinstance(data, Tensor) else np.asarray(data)
    return array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))


def _transform(transform: Any, batch: np.ndarray) -> Any:
    """Apply a transform to a batch: at once if it can, else sample by sample."""
    if getattr(transform, "batched", False):
        return transform.apply(batch)
    if len(batch) == 0:
        return batch
    return default_collate([transform(sample) for sample in batch])


class TensorDataset(ArrayDataset):
    """A dataset over Tensors that have their samples along the first axis; a sample is a tuple of Tensors.

    Parameters
    ----------
    *tensors : Tensor or array_like
        Of the same length.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn.data import TensorDataset
    >>> dataset = TensorDataset(ag.zeros(10, 3), ag.arange(10))
    >>> x, y = dataset[4]
    >>> len(dataset), x.shape, int(y)
    (10, (3,), 4)
    """

    def __init__(self, *tensors: Any):
        super().__init__(*tensors)

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        """The Tensors, sharing memory with the dataset."""
        return tuple(map(from_numpy, self.arrays))

    def __getitem__(self, index: Any) -> tuple[Tensor, ...]:
        return tuple(from_numpy(np.asarray(array[index])) for array in self.arrays)


class Subset(Dataset):
    """The samples of `dataset` at `indices`.

    Parameters
    ----------
    dataset : Dataset
    indices : sequence of int
        Positions in `dataset`, in the order wanted; negative ones count from the end.

    Raises
    ------
    IndexError
        If an index lies outside the dataset.

    Examples
    --------
    >>> from autograd_nn.data import Subset
    >>> part = Subset(["a", "b", "c"], [2, 0])
    >>> len(part), part[0]
    (2, 'c')
    """

    def __init__(self, dataset: Any, indices: Sequence[int] | np.ndarray):
        self.dataset = dataset
        self.indices = _as_indices("Subset", indices, len(dataset))

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: int) -> Any:
        return self.dataset[int(self.indices[index])]

    def __getitems__(self, indices: Sequence[int]) -> list[Any]:
        """Return several samples as a list."""
        places = self.indices[np.asarray(indices, dtype=np.int64)].tolist()
        return samples_at(self.dataset, places)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({len(self)} samples of {self.dataset!r})"

    def batch(self, indices: np.ndarray) -> Any:
        """Return the samples at `indices` of this subset."""
        return cut_batch(self.dataset, self.indices[indices])


def _as_indices(name: str, indices: Any, length: int) -> np.ndarray:
    """Return `indices` as an int64 array of positions in [0, length)."""
    array = indices.array if isinstance(indices, Tensor) else np.asarray(
        indices if isinstance(indices, np.ndarray) else list(indices))
    if array.size == 0:
        return np.zeros(0, dtype=np.int64)
    if array.ndim != 1 or array.dtype.kind not in "iu":
        raise TypeError(f"{name}(): indices must be a sequence of integers, got {array.ndim} axes of "
                        f"{array.dtype}")
    array = array.astype(np.int64)
    if array.min() < -length or array.max() >= length:
        raise IndexError(f"{name}(): indices must be in [{-length}, {length}) for a dataset of {length} "
                         f"samples, got {array.min()} to {array.max()}")
    return np.where(array < 0, array + length, array)


class StackDataset(Dataset):
    """Several datasets side by side: a sample is a tuple of their samples, or a dict where they are given by name.

    Parameters
    ----------
    *args : Dataset
    **kwargs : Dataset
        Instead of `args`; all of the same length.

    Examples
    --------
    >>> from autograd_nn.data import StackDataset
    >>> StackDataset(image=["cat.png", "dog.png"], label=[0, 1])[1]
    {'image': 'dog.png', 'label': 1}
    """

    def __init__(self, *args: Any, **kwargs: Any):
        if bool(args) == bool(kwargs):
            raise ValueError(f"StackDataset(): takes datasets either by position or by name, got {len(args)} and "
                             f"{len(kwargs)}")
        self.datasets: tuple[Any, ...] | dict[str, Any] = args or kwargs
        lengths = [len(dataset) for dataset in self._parts()]
        if len(set(lengths)) != 1:
            raise ValueError(f"StackDataset(): all datasets need the same length, got {lengths}")
        self._length = lengths[0]

    def _parts(self) -> list[Any]:
        return list(self.datasets.values() if isinstance(self.datasets, dict) else self.datasets)

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, index: int) -> Any:
        parts = [dataset[index] for dataset in self._parts()]
        return dict(zip(self.datasets, parts)) if isinstance(self.datasets, dict) else tuple(parts)

    def batch(self, indices: np.ndarray) -> Any:
        """Return the samples at `indices`, each dataset's cut at once."""
        parts = [cut_batch(dataset, indices) for dataset in self._parts()]
        return dict(zip(self.datasets, parts)) if isinstance(self.datasets, dict) else tuple(parts)


class ConcatDataset(Dataset):
    """Several datasets one after the other.

    Parameters
    ----------
    datasets : sequence of Dataset
        Their samples must be built alike for batches that cross a border.

    Examples
    --------
    >>> from autograd_nn.data import ConcatDataset
    >>> both = ConcatDataset([["a", "b"], ["c"]])
    >>> len(both), both[2]
    (3, 'c')
    """

    def __init__(self, datasets: Sequence[Any]):
        self.datasets = list(datasets)
        if not self.datasets:
            raise ValueError("ConcatDataset(): needs at least one dataset, got none")
        for position, dataset in enumerate(self.datasets):
            if isinstance(dataset, IterableDataset):
                raise TypeError(f"ConcatDataset(): dataset {position} is an IterableDataset, which has no samples by "
                                "index; use ChainDataset")
        self.cumulative_sizes = np.cumsum([len(dataset) for dataset in self.datasets]).tolist()

    def __len__(self) -> int:
        return int(self.cumulative_sizes[-1])

    def __getitem__(self, index: int) -> Any:
        position = operator.index(index)
        if not -len(self) <= position < len(self):
            raise IndexError(f"ConcatDataset: index {position} is outside [{-len(self)}, {len(self)})")
        position %= len(self)
        which = bisect.bisect_right(self.cumulative_sizes, position)
        return self.datasets[which][position - (self.cumulative_sizes[which - 1] if which else 0)]

    def batch(self, indices: np.ndarray) -> Any:
        """Return the samples at `indices`, each dataset's share cut at once."""
        indices = _as_indices("ConcatDataset.batch", indices, len(self))
        which = np.searchsorted(self.cumulative_sizes, indices, side="right")
        starts = np.concatenate([[0], self.cumulative_sizes[:-1]])
        pieces, places = [], []
        for part in np.unique(which).tolist():
            place = np.flatnonzero(which == part)
            pieces.append(cut_batch(self.datasets[part], indices[place] - starts[part]))
            places.append(place)
        if not pieces:
            return cut_batch(self.datasets[0], indices)
        if len(pieces) == 1:
            return pieces[0]
        return _merge(pieces, places)


def _merge(pieces: list[Any], places: list[np.ndarray]) -> Any:
    """Put the rows of several batches, built alike, to their places in one."""
    first = pieces[0]
    if isinstance(first, Mapping):
        return rebuilt(first, {key: _merge([piece[key] for piece in pieces], places) for key in first})
    if isinstance(first, (tuple, list)) and not (first and isinstance(first[0], (str, bytes))):
        return rebuilt(first, [_merge(list(column), places) for column in zip(*pieces, strict=True)])
    order = np.argsort(np.concatenate(places))
    if isinstance(first, list):
        rows = [row for piece in pieces for row in piece]
        return [rows[position] for position in order]
    arrays = [piece.array if isinstance(piece, Tensor) else piece for piece in pieces]
    for position, array in enumerate(arrays):
        if array.shape[1:] != arrays[0].shape[1:]:
            raise ValueError(f"ConcatDataset.batch(): all datasets need samples of one shape, got "
                             f"{arrays[0].shape[1:]} and {array.shape[1:]} (piece {position} of the batch)")
    return np.concatenate(arrays)[order]


def random_split(dataset: Any, lengths: Sequence[float], generator: Any = None) -> list[Subset]:
    """Split a dataset at random into subsets that do not overlap.

    Parameters
    ----------
    dataset : Dataset
    lengths : sequence of int or of float
        How many samples each subset gets; or fractions that sum to 1, of which each is rounded down and the
        rest is dealt out one by one from the first subset on.
    generator : Generator, numpy.random.Generator or int, optional
        A generator or a seed; by default the generator of `autograd_nn.manual_seed`.

    Raises
    ------
    ValueError
        If the lengths do not sum to the length of the dataset, or one is negative or not a number.

    Examples
    --------
    >>> from autograd_nn.data import random_split
    >>> train, test = random_split(range(10), [0.8, 0.2], generator=0)
    >>> len(train), len(test), sorted([*train, *test]) == list(range(10))
    (8, 2, True)
    """
    total = len(dataset)
    if any(not length >= 0 for length in lengths):
        raise ValueError(f"random_split(): lengths must not be negative (lengths={list(lengths)})")
    if lengths and (list(lengths) == [1.0] or not all(float(length).is_integer() for length in lengths)):
        if not math.isclose(sum(lengths), 1.0, rel_tol=0, abs_tol=1e-9):
            raise ValueError(f"random_split(): fractions must sum to 1, got {sum(lengths)} "
                             f"(lengths={list(lengths)})")
        counts = [math.floor(total * length) for length in lengths]
        for position in range(total - sum(counts)):
            counts[position % len(counts)] += 1
    else:
        counts = [int(length) for length in lengths]
    if sum(counts) != total:
        raise ValueError(f"random_split(): lengths must sum to the {total} samples of the dataset, got "
                         f"{sum(counts)} (lengths={list(lengths)})")
    order = numpy_generator(check_generator(generator, "random_split(): generator")).permutation(total)
    borders = np.cumsum([0, *counts]).tolist()
    return [Subset(dataset, order[start:stop]) for start, stop in itertools.pairwise(borders)]
