"""Join samples into a batch of Tensors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..tensor import Tensor, as_tensor

__all__ = ["as_tensors", "default_collate"]


def as_tensors(batch: Any) -> Any:
    """Return `batch` with every array in it, nested ones too, as a Tensor that shares its memory."""
    if isinstance(batch, np.ndarray):
        return batch if batch.dtype.kind in "SU" else as_tensor(batch)
    if isinstance(batch, np.number | np.bool_):
        return Tensor(batch)
    if isinstance(batch, tuple):
        return tuple(map(as_tensors, batch))
    if isinstance(batch, list):
        return [as_tensors(part) for part in batch]
    if isinstance(batch, dict):
        return {key: as_tensors(part) for key, part in batch.items()}
    return batch


def default_collate(samples: Sequence[Any]) -> Any:
    """Stack samples along a new first axis.

    Parameters
    ----------
    samples : sequence
        Arrays, Tensors or numbers of one shape; or tuples, lists, named tuples or dicts of such. Strings stay
        as they are. Integers become int64; Python floats become float32 (PyTorch makes them float64).

    Returns
    -------
    Tensor, or a tuple, list or dict of Tensors
        Built as one sample is, each leaf of shape ``(len(samples), *shape of the leaf)``.

    Raises
    ------
    ValueError
        If shapes, lengths or keys differ between samples, or there are none.
    TypeError
        If a sample holds something that does not stack.
    """
    if len(samples) == 0:
        raise ValueError("default_collate(): a batch needs at least one sample, got none")
    first = samples[0]
    if isinstance(first, Tensor):
        first = first.array
        samples = [sample.array if isinstance(sample, Tensor) else sample for sample in samples]
    if isinstance(first, np.ndarray | np.generic):
        return as_tensors(_stack([np.asarray(sample) for sample in samples]))
    if isinstance(first, (bool, int)):
        return as_tensors(np.asarray(samples))
    if isinstance(first, float):
        return as_tensors(np.asarray(samples, dtype=np.float32))
    if isinstance(first, (str, bytes)):
        return list(samples)
    if isinstance(first, Mapping):
        for position, sample in enumerate(samples):
            if set(sample) != set(first):
                raise ValueError("default_collate(): all samples of a batch need the same keys: sample 0 "
                                 f"has {sorted(map(str, first))}, sample {position} has "
                                 f"{sorted(map(str, sample))}")
        return {key: default_collate([sample[key] for sample in samples]) for key in first}
    if isinstance(first, (tuple, list)):
        for position, sample in enumerate(samples):
            if len(sample) != len(first):
                raise ValueError("default_collate(): all samples of a batch need the same length: sample 0 "
                                 f"has {len(first)} parts, sample {position} has {len(sample)} (give "
                                 "collate_fn)")
        parts = [default_collate(column) for column in zip(*samples, strict=True)]
        if hasattr(first, "_fields"):
            return type(first)(*parts)
        return tuple(parts) if isinstance(first, tuple) else parts
    raise TypeError("default_collate(): a sample must be made of arrays, Tensors, numbers, strings, "
                    f"tuples, lists or dicts, got {type(first).__name__} (give collate_fn)")


def _stack(arrays: list[np.ndarray]) -> np.ndarray:
    """Stack arrays of one shape."""
    for position, array in enumerate(arrays):
        if array.shape != arrays[0].shape:
            raise ValueError(f"default_collate(): all samples of a batch need the same shape: sample 0 has "
                             f"{arrays[0].shape}, sample {position} has {array.shape} (give collate_fn)")
    return np.stack(arrays)
