"""Windows of time series."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..tensor import Tensor, from_numpy
from .checks import whole_number
from .dataset import Dataset

__all__ = ["WindowDataset"]


class WindowDataset(Dataset):
    """Windows of a time series, each with the values that follow it: (input, target).

    Windows are cut from the series when a batch is made; the series itself, a memory-mapped one too, is not copied.

    Parameters
    ----------
    series : array_like or Tensor, (T,) or (T, features)
        Time runs along the first axis. Floats keep their dtype; integers stay integers (tokens, for example).
    window : int
        How many steps an input has.
    horizon : int
        How many steps the target has.
    stride : int
        How many steps lie between the beginnings of two windows.
    gap : int
        How many steps lie between a window and its target. ``gap=1 - window`` with ``horizon=window`` gives the input
        shifted by one step, as language models learn it.
    targets : int or sequence of int, optional
        The features to predict; by default all.

    Examples
    --------
    >>> import numpy as np
    >>> from autograd_nn.data import WindowDataset
    >>> x, y = WindowDataset(np.arange(10), window=4, horizon=2)[1]
    >>> x.tolist(), y.tolist()
    ([1, 2, 3, 4], [5, 6])
    """

    def __init__(self, series: Any, window: int, horizon: int = 1, stride: int = 1, gap: int = 0,
                 targets: int | Sequence[int] | None = None):
        values = series.array if isinstance(series, Tensor) else np.asarray(series)
        if values.dtype.kind not in "fiub":
            raise TypeError(f"WindowDataset(): series must hold numbers, got {values.dtype}")
        if values.ndim not in (1, 2):
            raise ValueError(f"WindowDataset(): series must be (T,) or (T, features), got shape {values.shape}")
        self.series = values if values.dtype.isnative else values.astype(values.dtype.newbyteorder("="))
        self.window = whole_number(window, "WindowDataset(): window", 1)
        self.horizon = whole_number(horizon, "WindowDataset(): horizon", 1)
        self.stride = whole_number(stride, "WindowDataset(): stride", 1)
        self.gap = whole_number(gap, "WindowDataset(): gap", 1 - self.window)
        self._target_at = self.window + self.gap
        span = max(self.window, self._target_at + self.horizon)
        if len(values) < span:
            raise ValueError(f"WindowDataset(): the series has {len(values)} steps, and one window with its target "
                             "takes "
                             f"{span} (window={window}, gap={gap}, horizon={horizon})")
        self._length = (len(values) - span) // self.stride + 1
        self.targets = targets
        if targets is not None:
            if values.ndim == 1:
                raise ValueError("WindowDataset(): targets needs a series (T, features), got shape "
                                 f"{values.shape}")
            wanted = np.asarray(targets)
            if wanted.dtype.kind not in "iu" or (wanted.size and not (
                    -values.shape[1] <= wanted.min() <= wanted.max() < values.shape[1])):
                raise ValueError(f"WindowDataset(): targets must be features from 0 to {values.shape[1] - 1} "
                                 f"(targets={targets!r})")

    def __len__(self) -> int:
        return self._length

    def __repr__(self) -> str:
        return (f"WindowDataset({len(self)} windows of {self.window} steps, {self.horizon} to predict, of a series "
                f"{self.series.shape})")

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        position = range(self._length)[index]
        x, y = self.batch(np.array([position]))
        return from_numpy(x[0]), from_numpy(y[0])

    def batch(self, indices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the windows at `indices` and their targets."""
        starts = indices * self.stride
        if len(starts) and not (starts.min() >= 0 and indices.max() < self._length):
            raise IndexError(f"WindowDataset.batch(): indices must be in [0, {self._length}), got {indices.min()} to "
                             f"{indices.max()}")
        x = np.asarray(self.series[starts[:, None] + np.arange(self.window)])
        places = starts[:, None] + self._target_at + np.arange(self.horizon)
        y = np.asarray(self.series[places] if self.targets is None else self.series[places][..., self.targets])
        return x, y
