"""Mix the images of a batch, and their labels with them: mixup and CutMix."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...tensor import Tensor, from_numpy
from ..checks import whole_number
from ..randomness import check_generator, current_generator, numpy_generator

__all__ = ["CutMix", "MixUp"]


class _Mix:
    """The base class: draws the share, mixes labels; a subclass mixes images."""

    def __init__(self, alpha: float = 1.0, num_classes: int | None = None, *, generator: Any = None):
        name = type(self).__name__
        if isinstance(alpha, bool) or not isinstance(alpha, int | float | np.number) or not 0 < alpha < np.inf:
            raise ValueError(f"{name}(): alpha must be a number above 0 (alpha={alpha!r})")
        self.alpha = float(alpha)
        self.num_classes = None if num_classes is None else whole_number(num_classes, f"{name}(): num_classes", 1)
        self._own = check_generator(generator, f"{name}(): generator")

    def __call__(self, *batch: Any) -> tuple[Any, Any]:
        name = type(self).__name__
        parts = batch[0] if len(batch) == 1 and isinstance(batch[0], (tuple, list)) else batch
        if len(parts) != 2:
            raise TypeError(f"{name}(): takes a batch (images, labels), got {len(parts)} parts")
        images, labels = (part.array if isinstance(part, Tensor) else np.asarray(part) for part in parts)
        if images.ndim < 3 or images.dtype.kind != "f":
            raise TypeError(f"{name}(): images must be a batch (N, ..., H, W) of floating-point numbers, got "
                            f"{images.dtype} {images.shape}; put ToTensor() into the dataset's transform")
        targets = self._targets(labels, len(images))
        generator = current_generator() if self._own is None else numpy_generator(self._own)
        mixed, share = self._mix(images, float(generator.beta(self.alpha, self.alpha)), generator)
        targets = targets * np.float32(share) + np.roll(targets, 1, 0) * np.float32(1 - share)
        return from_numpy(mixed), from_numpy(targets)

    def _targets(self, labels: np.ndarray, count: int) -> np.ndarray:
        """Return the labels as float32 probabilities (N, C)."""
        name = type(self).__name__
        if len(labels) != count:
            raise ValueError(f"{name}(): needs as many labels as images ({len(labels)} labels, {count} images)")
        if labels.ndim == 2 and labels.dtype.kind == "f":
            return labels.astype(np.float32)
        if labels.ndim != 1 or labels.dtype.kind not in "iu":
            raise TypeError(f"{name}(): labels must be integers (N,) or probabilities (N, C), got {labels.dtype} "
                            f"{labels.shape}")
        if self.num_classes is None:
            raise ValueError(f"{name}(): num_classes is needed to turn integer labels into probabilities")
        if labels.size and not 0 <= labels.min() <= labels.max() < self.num_classes:
            raise ValueError(f"{name}(): labels must be in [0, {self.num_classes}), got {labels.min()} to "
                             f"{labels.max()}")
        return np.asarray(np.eye(self.num_classes, dtype=np.float32)[labels])

    def _mix(self, images: np.ndarray, share: float, generator: np.random.Generator) -> tuple[np.ndarray, float]:
        """Mix each image with the one before it; return how much of itself it keeps too."""
        raise NotImplementedError

    def __repr__(self) -> str:
        return f"{type(self).__name__}(alpha={self.alpha:g}, num_classes={self.num_classes})"


class MixUp(_Mix):
    """Mix each image of a batch, and its label, with the one before it (H. Zhang et al., arXiv:1710.09412).

    ``mixed = share * image + (1 - share) * other``, with one share per batch drawn from Beta(alpha, alpha).

    Parameters
    ----------
    alpha : float
    num_classes : int, optional
        Needed where labels are integers.
    generator : Generator, numpy.random.Generator or int, optional

    Examples
    --------
    >>> import numpy as np
    >>> from autograd_nn.data import default_collate
    >>> from autograd_nn.data.transforms import MixUp
    >>> mix = MixUp(num_classes=3, generator=0)
    >>> images, labels = mix(np.zeros((4, 1, 8, 8), np.float32), np.array([0, 1, 2, 0]))
    >>> tuple(labels.shape)
    (4, 3)

    In a DataLoader: ``DataLoader(dataset, 32, collate_fn=lambda samples: mix(*default_collate(samples)))``.
    """

    def _mix(self, images: np.ndarray, share: float, generator: np.random.Generator) -> tuple[np.ndarray, float]:
        mixed = images * images.dtype.type(share) + np.roll(images, 1, 0) * images.dtype.type(1 - share)
        return np.asarray(mixed), share


class CutMix(_Mix):
    """Paste a rectangle of the image before into each image of a batch (S. Yun et al., arXiv:1905.04899).

    Labels are mixed by area; one rectangle per batch, its area 1 - share with a share drawn from Beta(alpha, alpha).

    Parameters
    ----------
    alpha : float
    num_classes : int, optional
        Needed where labels are integers.
    generator : Generator, numpy.random.Generator or int, optional

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn.data import transforms as T
    >>> mix = T.CutMix(num_classes=3)
    >>> x, y = mix(ag.rand(4, 1, 8, 8), ag.tensor([0, 1, 2, 0]))
    >>> x.shape, y.shape
    ((4, 1, 8, 8), (4, 3))
    """

    def _mix(self, images: np.ndarray, share: float, generator: np.random.Generator) -> tuple[np.ndarray, float]:
        height, width = images.shape[-2:]
        x, y = int(generator.integers(0, width)), int(generator.integers(0, height))
        half = 0.5 * np.sqrt(1 - share)
        half_width, half_height = int(half * width), int(half * height)
        left, right = max(x - half_width, 0), min(x + half_width, width)
        top, bottom = max(y - half_height, 0), min(y + half_height, height)
        mixed = images.copy()
        mixed[..., top:bottom, left:right] = np.roll(images, 1, 0)[..., top:bottom, left:right]
        return mixed, 1 - (right - left) * (bottom - top) / (width * height)
