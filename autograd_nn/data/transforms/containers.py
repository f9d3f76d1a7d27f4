"""Transforms made of others, and those of the user's own functions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ...tensor import Tensor
from .base import Layout, Transform

__all__ = ["Compose", "Lambda", "RandomApply", "RandomChoice", "RandomOrder"]


def _transforms(name: str, transforms: Any) -> list[Callable[[Any], Any]]:
    """Return a sequence of callables as a list, or raise."""
    if isinstance(transforms, Transform) or not isinstance(transforms, Sequence):
        try:
            transforms = None if isinstance(transforms, Transform) else list(transforms)
        except TypeError:
            transforms = None
        if transforms is None:
            raise TypeError(f"{name}(): transforms must be a sequence of callables, write {name}([...])")
    for position, transform in enumerate(transforms):
        if not callable(transform):
            raise TypeError(f"{name}(): transform {position} is not callable ({transform!r})")
    return list(transforms)


class _Several(Transform):
    """The base class of transforms that hold others."""

    transforms: list[Callable[[Any], Any]]

    def __repr__(self) -> str:
        lines = "".join(f"\n    {line}" for transform in self.transforms for line in repr(transform).split("\n"))
        return f"{type(self).__name__}({lines}\n)"


class Compose(_Several):
    """One transform after the other.

    Parameters
    ----------
    transforms : sequence of callable
        If all of them take batches, so does the composition; a plain function among them gets single
        samples.

    Examples
    --------
    >>> import numpy as np
    >>> from autograd_nn.data import transforms as T
    >>> to_input = T.Compose([T.ToTensor(), T.Normalize((0.5,), (0.5,))])
    >>> to_input(np.full((4, 4, 1), 255, np.uint8)).max().item()
    1.0
    """

    def __init__(self, transforms: Sequence[Callable[[Any], Any]]):
        super().__init__()
        self.transforms = _transforms("Compose", transforms)

    @property
    def batched(self) -> bool:  # type: ignore[override]
        """Whether all transforms take batches."""
        return all(getattr(transform, "batched", False) for transform in self.transforms)

    def apply(self, batch: Any) -> Any:
        """Transform a batch."""
        return self.run(batch, None)[0]

    def run(self, batch: Any, layout: Layout | None) -> tuple[Any, Layout | None]:
        """Transform a batch; each transform learns the layout from the one before."""
        for transform in self.transforms:
            if isinstance(transform, Transform):
                batch, layout = transform.run(batch, layout)
            else:
                batch, layout = transform.apply(batch), None  # type: ignore[attr-defined]
        return batch, layout

    def __call__(self, sample: Any) -> Any:
        for transform in self.transforms:
            sample = transform(sample)
        return sample


class Lambda(Transform):
    """Apply a function of the user.

    Parameters
    ----------
    function : callable
        From a sample to a sample.
    batched : bool
        Whether `function` takes arrays with one sample a row instead; then the whole batch goes through it at
        once.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn.data import transforms as T
    >>> T.Lambda(lambda x: 1 - x)(ag.tensor([0.25]))
    tensor([0.75])
    """

    def __init__(self, function: Callable[[Any], Any], batched: bool = False):
        super().__init__()
        if not callable(function):
            raise TypeError(f"Lambda(): function is not callable ({function!r})")
        self.function = function
        self.batched = batched

    def apply(self, batch: Any) -> Any:
        """Transform a batch."""
        result = self.function(batch)
        return result.array if isinstance(result, Tensor) else np.asarray(result)

    def run(self, batch: Any, layout: Layout | None) -> tuple[Any, Layout | None]:
        """Transform a batch; a function that keeps the shape is taken to keep the layout."""
        result = self.apply(batch)
        return result, layout if np.shape(result) == np.shape(batch) else None

    def __call__(self, sample: Any) -> Any:
        return super().__call__(sample) if self.batched else self.function(sample)


class RandomApply(_Several):
    """Apply transforms, one after the other, with probability `p`; else none of them.

    Parameters
    ----------
    transforms : sequence of callable
    p : float
    generator : Generator, numpy.random.Generator or int, optional

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn.data import transforms as T
    >>> T.RandomApply([T.Lambda(lambda x: -x)], p=1.0)(ag.tensor([1.0]))
    tensor([-1.])
    """

    batched = False

    def __init__(self, transforms: Sequence[Callable[[Any], Any]], p: float = 0.5, *, generator: Any = None):
        super().__init__(generator)
        self.transforms = _transforms("RandomApply", transforms)
        self.p = probability("RandomApply", p)

    def __call__(self, sample: Any) -> Any:
        if self.generator.random() < self.p:
            for transform in self.transforms:
                sample = transform(sample)
        return sample


class RandomChoice(_Several):
    """Apply one transform, drawn anew for each sample.

    Parameters
    ----------
    transforms : sequence of callable
    p : sequence of float, optional
        Weights, one per transform; by default all alike.
    generator : Generator, numpy.random.Generator or int, optional

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn.data import transforms as T
    >>> T.RandomChoice([T.Lambda(lambda x: -x)])(ag.tensor([1.0]))
    tensor([-1.])
    """

    batched = False

    def __init__(self, transforms: Sequence[Callable[[Any], Any]], p: Sequence[float] | None = None, *,
                 generator: Any = None):
        super().__init__(generator)
        self.transforms = _transforms("RandomChoice", transforms)
        weights = np.ones(len(self.transforms)) if p is None else np.asarray(p, dtype=np.float64)
        if weights.shape != (len(self.transforms),) or not np.isfinite(weights).all() or (weights < 0).any() or (
                weights.sum() == 0):
            raise ValueError("RandomChoice(): p must be one weight from 0 per transform, not all 0 "
                             f"(p={p}, {len(self.transforms)} transforms)")
        self.p = weights / weights.sum()

    def __call__(self, sample: Any) -> Any:
        return self.transforms[int(self.generator.choice(len(self.p), p=self.p))](sample)


class RandomOrder(_Several):
    """Apply all transforms in an order drawn anew for each sample.

    Parameters
    ----------
    transforms : sequence of callable
    generator : Generator, numpy.random.Generator or int, optional

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn.data import transforms as T
    >>> T.RandomOrder([T.Lambda(lambda x: x + 1), T.Lambda(lambda x: x + 2)])(ag.tensor([1.0]))
    tensor([4.])
    """

    batched = False

    def __init__(self, transforms: Sequence[Callable[[Any], Any]], *, generator: Any = None):
        super().__init__(generator)
        self.transforms = _transforms("RandomOrder", transforms)

    def __call__(self, sample: Any) -> Any:
        for position in self.generator.permutation(len(self.transforms)).tolist():
            sample = self.transforms[position](sample)
        return sample


def probability(name: str, p: Any) -> float:
    """Return `p` as a float, or raise ValueError unless it lies in [0, 1]."""
    if isinstance(p, str | bool) or not isinstance(p, int | float | np.number) or not 0 <= p <= 1:
        raise ValueError(f"{name}(): p must be in [0, 1] (p={p!r})")
    return float(p)
