"""Datasets of Hugging Face's `datasets` library, and whatever else hands out rows as dicts of columns."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from .columns import nearest
from .dataset import Dataset

__all__ = ["ColumnDataset"]


class ColumnDataset(Dataset):
    """Chosen columns of a dataset whose samples are dicts: a sample is (input, target), or a tuple or dict of inputs.

    Parameters
    ----------
    source : object
        A ``datasets.Dataset``, or a sequence of dicts.
    inputs : str or sequence of str
        The column that is the input; several make a tuple.
    target : str, optional
        The column to predict.
    transform : callable, optional
        Applied to the first input of each sample: a picture to a Tensor, a text to its tokens.
    target_transform : callable, optional
        Applied to the target of each sample.

    Examples
    --------
    >>> from autograd_nn.data import ColumnDataset
    >>> rows = [{"text": "good", "label": 1, "id": "a"}, {"text": "bad", "label": 0, "id": "b"}]
    >>> ColumnDataset(rows, "text", "label", transform=len)[1]
    (3, 0)
    """

    def __init__(self, source: Any, inputs: str | Sequence[str], target: str | None = None,
                 transform: Callable[[Any], Any] | None = None,
                 target_transform: Callable[[Any], Any] | None = None):
        if isinstance(source, Mapping):
            raise TypeError(f"ColumnDataset(): source must be one dataset, got {type(source).__name__} with the "
                            "entries "
                            f"{', '.join(map(repr, list(source)[:8]))}; pass source['train'], for example")
        if not hasattr(source, "__getitem__") or not hasattr(source, "__len__") or isinstance(source, str):
            raise TypeError(f"ColumnDataset(): source must have rows by index, got {type(source).__name__}")
        self.source = source
        self.inputs = (inputs,) if isinstance(inputs, str) else tuple(inputs)
        self.target = target
        self.transform = transform
        self.target_transform = target_transform
        names = getattr(source, "column_names", None)
        if names is None and len(source):
            if not isinstance(source[0], Mapping):
                raise TypeError(f"ColumnDataset(): a row of source must be a mapping, got {type(source[0]).__name__}")
            names = list(source[0])
        wanted = [*self.inputs, *([] if target is None else [target])]
        if not self.inputs or not all(isinstance(name, str) for name in wanted):
            raise TypeError(f"ColumnDataset(): inputs and target must be names of columns (inputs={inputs!r}, "
                            f"target={target!r})")
        for name in wanted:
            if names is not None and name not in names:
                raise ValueError(f"ColumnDataset(): there is no column {name!r}; {nearest(name, names)}")

    def __len__(self) -> int:
        return len(self.source)

    def __repr__(self) -> str:
        return f"ColumnDataset({len(self)} rows, inputs={self.inputs}, target={self.target!r})"

    @property
    def targets(self) -> np.ndarray:
        """The target of every sample."""
        if self.target is None:
            raise AttributeError("ColumnDataset has no target")
        whole = getattr(self.source, "column_names", None) is not None
        values = list(self.source[self.target]) if whole else [row[self.target] for row in self.source]
        return np.asarray(values if self.target_transform is None else list(map(self.target_transform, values)))

    def _sample(self, row: Mapping[str, Any]) -> Any:
        parts = [_array(row[name]) for name in self.inputs]
        if self.transform is not None:
            parts[0] = self.transform(row[self.inputs[0]])
        x = parts[0] if len(parts) == 1 else tuple(parts)
        if self.target is None:
            return x
        y = row[self.target]
        return x, _array(y) if self.target_transform is None else self.target_transform(y)

    def __getitem__(self, index: int) -> Any:
        return self._sample(self.source[index])

    def __getitems__(self, indices: Sequence[int]) -> list[Any]:
        """Return several samples, read at once where the source can."""
        if getattr(self.source, "column_names", None) is None:
            return [self[index] for index in indices]
        columns = self.source[list(indices)]
        return [self._sample({name: columns[name][place] for name in (*self.inputs, *filter(None, [self.target]))})
                for place in range(len(indices))]


def _array(value: Any) -> Any:
    """Return a list of numbers as an array, float32 or int64; all else as it is."""
    if not isinstance(value, list):
        return value
    try:
        array = np.asarray(value)
    except ValueError:
        return value
    if array.dtype.kind not in "fiub":
        return value
    return array.astype(np.float32) if array.dtype == np.float64 else array
