"""Splits that keep the share of each class, folds, and weights that make up for rare classes."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..tensor import Tensor, from_numpy
from .checks import whole_number
from .dataset import ArrayDataset, ConcatDataset, Subset
from .randomness import check_generator, numpy_generator
from .sampler import Sampler, WeightedRandomSampler

__all__ = ["StratifiedSampler", "balanced_sampler", "class_weights", "k_fold", "labels_of", "stratified_split"]


def labels_of(dataset: Any) -> np.ndarray:
    """Return the label of each sample of a dataset, without reading its samples where it has them at hand.

    Parameters
    ----------
    dataset : Dataset
        One with ``targets`` or ``labels``, a dataset over arrays (its second array), a part or a chain of such; of any
        other every sample is read, and the last part of it taken.

    Raises
    ------
    TypeError
        If the labels are no integers or strings (N,).

    Examples
    --------
    >>> import numpy as np
    >>> from autograd_nn.data import TensorDataset, labels_of
    >>> labels_of(TensorDataset(np.zeros((3, 1), np.float32), np.array([2, 0, 1]))).tolist()
    [2, 0, 1]
    """
    labels = _labels(dataset)
    if labels.ndim != 1 or labels.dtype.kind not in "iubSU":
        raise TypeError(f"labels_of(): labels must be integers or strings (N,), got {labels.dtype} {labels.shape}; "
                        "give "
                        "the labels themselves")
    return labels


def _labels(dataset: Any) -> np.ndarray:
    if isinstance(dataset, Subset):
        return np.asarray(_labels(dataset.dataset)[dataset.indices])
    if isinstance(dataset, ConcatDataset):
        return np.concatenate([_labels(part) for part in dataset.datasets])
    for name in ("targets", "labels"):
        if hasattr(dataset, name):
            values = getattr(dataset, name)
            return np.asarray(values.array if isinstance(values, Tensor) else values)
    if isinstance(dataset, ArrayDataset) and len(dataset.arrays) > 1:
        return dataset.arrays[-1]
    if isinstance(dataset, Tensor | np.ndarray):
        return np.asarray(dataset.array if isinstance(dataset, Tensor) else dataset)
    if hasattr(dataset, "__getitem__") and hasattr(dataset, "__len__") and not isinstance(dataset, str):
        last = [dataset[index] for index in range(len(dataset))]
        last = [sample[-1] if isinstance(sample, (tuple, list)) else sample for sample in last]
        return np.asarray([one.item() if isinstance(one, Tensor) else one for one in last])
    raise TypeError(f"labels_of(): takes a dataset or the labels, got {type(dataset).__name__}")


def _given(labels: Any, dataset: Any, name: str) -> np.ndarray:
    """Return the labels given, or those of the dataset."""
    found = labels_of(dataset if labels is None else labels)
    if len(found) != len(dataset):
        raise ValueError(f"{name}(): needs one label per sample ({len(found)} labels, {len(dataset)} samples)")
    return found


def class_weights(labels: Any, num_classes: int | None = None) -> Tensor:
    """Return a weight per class for ``CrossEntropyLoss(weight=)``: the rarer, the heavier.

    ``weight = samples / (classes * samples of the class)``, as scikit-learn's "balanced"; their mean over the samples
    is 1. A class without samples has weight 0.

    Parameters
    ----------
    labels : Tensor, array_like of int, or Dataset
        Class numbers from 0.
    num_classes : int, optional
        By default the largest label + 1.

    Returns
    -------
    Tensor, (num_classes,), float32

    Examples
    --------
    >>> from autograd_nn.data import class_weights
    >>> class_weights([0, 0, 0, 1]).tolist()
    [0.6666666865348816, 2.0]
    """
    values = labels_of(labels)
    if values.dtype.kind not in "iub" or len(values) == 0:
        raise ValueError(f"class_weights(): labels must be class numbers from 0, at least one (got {len(values)} of "
                         f"{values.dtype})")
    if values.min() < 0:
        raise ValueError(f"class_weights(): labels must be class numbers from 0 (smallest {values.min()})")
    count = int(values.max()) + 1
    if num_classes is not None:
        count = whole_number(num_classes, "class_weights(): num_classes", 1)
    if values.max() >= count:
        raise ValueError(f"class_weights(): labels must be below num_classes={count}, got {values.max()}")
    counts = np.bincount(values.astype(np.int64), minlength=count)
    present = np.count_nonzero(counts)
    return from_numpy(np.where(counts > 0, len(values) / (present * np.maximum(counts, 1)), 0).astype(np.float32))


def balanced_sampler(labels: Any, num_samples: int | None = None, generator: Any = None) -> WeightedRandomSampler:
    """Return a sampler that draws all classes equally often, with replacement.

    Parameters
    ----------
    labels : Tensor, array_like or Dataset
        One label per sample.
    num_samples : int, optional
        By default as many as there are labels.
    generator : Generator, numpy.random.Generator or int, optional

    Examples
    --------
    >>> from autograd_nn.data import balanced_sampler
    >>> sampler = balanced_sampler([0, 0, 0, 1])
    >>> len(list(sampler))
    4
    """
    values = labels_of(labels)
    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    return WeightedRandomSampler(1.0 / counts[places], len(values) if num_samples is None else num_samples,
                                 generator=generator)


class StratifiedSampler(Sampler):
    """All samples in random order, each class spread evenly: every batch has the shares of the whole set.

    Parameters
    ----------
    labels : Tensor, array_like or Dataset
        One label per sample.
    generator : Generator, numpy.random.Generator or int, optional

    Examples
    --------
    >>> from autograd_nn.data import StratifiedSampler
    >>> labels = [0, 0, 0, 0, 1, 1]
    >>> order = list(StratifiedSampler(labels, generator=0))
    >>> [sum(labels[i] for i in order[start : start + 3]) for start in (0, 3)]
    [1, 1]
    """

    def __init__(self, labels: Any, generator: Any = None):
        super().__init__(generator)
        self.labels = labels_of(labels)

    def __len__(self) -> int:
        return len(self.labels)

    def indices(self, generator: np.random.Generator) -> np.ndarray:
        """Return the samples sorted by a place in [0, 1) that is even within each class."""
        place = np.empty(len(self.labels))
        for label in np.unique(self.labels):
            members = generator.permutation(np.flatnonzero(self.labels == label))
            place[members] = (np.arange(len(members)) + generator.random()) / len(members)
        return np.argsort(place, kind="stable").astype(np.int64)


def stratified_split(dataset: Any, lengths: Sequence[float], labels: Any = None, generator: Any = None) -> list[Subset]:
    """Split a dataset at random into subsets that have the same share of each class.

    Parameters
    ----------
    dataset : Dataset
    lengths : sequence of float
        Fractions that sum to 1, or numbers of samples that sum to the length of the dataset.
    labels : array_like, optional
        One label per sample; by default the dataset's own, see `labels_of`.
    generator : Generator, numpy.random.Generator or int, optional
        A generator or a seed; by default the generator of `autograd_nn.manual_seed`.

    Raises
    ------
    ValueError
        If the lengths do not fit, or a class has fewer samples than there are subsets.

    Examples
    --------
    >>> import numpy as np
    >>> from autograd_nn.data import TensorDataset, stratified_split
    >>> dataset = TensorDataset(np.zeros((20, 1), np.float32), np.array([0] * 15 + [1] * 5))
    >>> train, test = stratified_split(dataset, [0.8, 0.2], generator=0)
    >>> len(train), sum(int(y) for _, y in test)
    (16, 1)
    """
    values = _given(labels, dataset, "stratified_split")
    total = len(values)
    sizes = np.asarray(list(lengths), dtype=np.float64)
    if sizes.ndim != 1 or len(sizes) == 0 or not (sizes > 0).all():
        raise ValueError(f"stratified_split(): lengths must be numbers above 0 (lengths={list(lengths)})")
    if not math.isclose(sizes.sum(), 1.0, abs_tol=1e-9):
        if sizes.sum() != total:
            raise ValueError(f"stratified_split(): lengths must sum to 1 or to the {total} samples of the dataset, got "
                             f"{sizes.sum():g} (lengths={list(lengths)})")
        sizes = sizes / total
    source = numpy_generator(check_generator(generator, "stratified_split(): generator"))
    classes, counts = np.unique(values, return_counts=True)
    if len(classes) and counts.min() < len(sizes):
        raise ValueError(f"stratified_split(): class {classes[counts.argmin()]!r} has {counts.min()} samples, fewer "
                         "than "
                         f"the {len(sizes)} subsets")
    # Each class is dealt out in order, so that the borders of the whole set are met and each class's to one sample.
    place = np.empty(total)
    for label in classes:
        members = source.permutation(np.flatnonzero(values == label))
        place[members] = (np.arange(len(members)) + 0.5) / len(members)
    order = np.argsort(place + source.random(total) * 1e-9, kind="stable")
    borders = np.rint(np.cumsum([0, *sizes]) * total).astype(int).tolist()
    return [Subset(dataset, source.permutation(order[start:stop])) for start, stop in itertools.pairwise(borders)]


def k_fold(dataset: Any, k: int = 5, *, labels: Any = None, stratify: bool = False, groups: Any = None,
           shuffle: bool = True, generator: Any = None) -> list[tuple[Subset, Subset]]:
    """Divide a dataset into k parts; return k pairs of the samples outside a part and those in it.

    Parameters
    ----------
    dataset : Dataset
    k : int
        At least 2.
    labels : array_like, optional
        One label per sample, for `stratify`; by default the dataset's own, see `labels_of`.
    stratify : bool
        Whether each part has the same share of each class.
    groups : array_like, optional
        One group per sample (a patient, a speaker): the samples of a group stay together.
    shuffle : bool
        Whether the parts are drawn at random; else they follow the order of the samples.
    generator : Generator, numpy.random.Generator or int, optional
        A generator or a seed; by default the generator of `autograd_nn.manual_seed`.

    Returns
    -------
    list of (Subset, Subset)
        To train on, and to validate with.

    Examples
    --------
    >>> import numpy as np
    >>> from autograd_nn.data import TensorDataset, k_fold
    >>> dataset = TensorDataset(np.zeros((10, 3), np.float32), np.arange(10) % 2)
    >>> [(len(train), len(valid)) for train, valid in k_fold(dataset, 5, stratify=True, generator=0)]
    [(8, 2), (8, 2), (8, 2), (8, 2), (8, 2)]
    """
    total = len(dataset)
    k = whole_number(k, "k_fold(): k", 2)
    if k > total:
        raise ValueError(f"k_fold(): k={k} is more than the {total} samples of the dataset")
    source = numpy_generator(check_generator(generator, "k_fold(): generator"))
    fold = np.empty(total, np.int64)
    if groups is not None:
        if stratify:
            raise ValueError("k_fold(): groups and stratify=True exclude each other")
        names, places, counts = np.unique(np.asarray(groups), return_inverse=True, return_counts=True)
        if len(places) != total or len(names) < k:
            raise ValueError(f"k_fold(): groups must be one per sample and at least k (got {len(places)} for {total} "
                             f"samples, {len(names)} groups, k={k})")
        sizes = np.zeros(k)
        group_fold = np.empty(len(names), np.int64)
        order = source.permutation(len(names)) if shuffle else np.arange(len(names))
        for group in order[np.argsort(-counts[order], kind="stable")]:  # the largest first, to the smallest part
            group_fold[group] = sizes.argmin()
            sizes[group_fold[group]] += counts[group]
        fold = group_fold[places]
    else:
        values = _given(labels, dataset, "k_fold") if stratify else np.zeros(total, np.int64)
        start = 0
        for label, count in zip(*np.unique(values, return_counts=True), strict=True):
            if stratify and count < k:
                raise ValueError(f"k_fold(): class {label!r} has {count} samples, fewer than k={k} parts")
            members = np.flatnonzero(values == label)
            if shuffle:
                fold[source.permutation(members)] = (np.arange(count) + start) % k
            elif stratify:
                fold[members] = (np.arange(count) + start) % k
            else:
                fold[members] = np.arange(count) * k // count
            start += count
    return [(Subset(dataset, np.flatnonzero(fold != part)), Subset(dataset, np.flatnonzero(fold == part)))
            for part in range(k)]
