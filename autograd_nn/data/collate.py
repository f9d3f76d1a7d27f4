"""Join samples into a batch of Tensors, and take nested batches apart."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from typing import Any

import numpy as np

from ..engine import wrap
from ..tensor import Tensor, as_tensor
from .transforms.base import is_picture

__all__ = ["as_tensors", "default_collate", "default_convert", "map_nested", "rebuilt"]

_PLAIN = frozenset(map(np.dtype, (np.float32, np.float64, np.int64, np.int32, np.uint8, np.bool_)))


def rebuilt(like: Any, parts: Any) -> Any:
    """Return a container of the kind of `like` with other parts.

    Parameters
    ----------
    like : mapping, tuple or list
        Named tuples, ordered dicts and subclasses are kept; a mapping that cannot be made again becomes a dict.
    parts : dict or list
        A dict with the keys of `like`, or a list.
    """
    if isinstance(like, Mapping):
        try:
            if isinstance(like, MutableMapping):
                clone = copy.copy(like)  # keeps what a subclass holds besides, a default_factory for example
                clone.update(parts)
                return clone
            return type(like)(parts)  # type: ignore[call-arg]
        except TypeError:
            return dict(parts)
    if hasattr(like, "_fields"):
        return type(like)(*parts)
    try:
        return type(like)(parts)
    except TypeError:
        return tuple(parts) if isinstance(like, tuple) else list(parts)


def map_nested(function: Callable[..., Any], batch: Any, *others: Any) -> Any:
    """Return `batch` with `function` applied to each leaf: all that is no mapping, tuple or list.

    Others that are built like it give the function further arguments, the leaves in the same place.
    """
    if isinstance(batch, (tuple, list)):
        return rebuilt(batch, [map_nested(function, *parts) for parts in zip(batch, *others, strict=True)])
    if not isinstance(batch, np.ndarray | Tensor) and isinstance(batch, Mapping):  # the common leaves are asked first
        return rebuilt(batch, {key: map_nested(function, part, *(other[key] for other in others))
                               for key, part in batch.items()})
    return function(batch, *others)


def _leaf_as_tensor(leaf: Any) -> Any:
    if isinstance(leaf, np.ndarray):
        return as_tensor(leaf) if leaf.dtype.kind in "fiub" else leaf
    return Tensor(leaf) if isinstance(leaf, np.number | np.bool_) else leaf


def as_tensors(batch: Any) -> Any:
    """Return `batch` with every array in it, nested ones too, as a Tensor that shares its memory."""
    if type(batch) is tuple and all(map(_is_plain, batch)):  # most batches
        return tuple(map(wrap, batch))
    return map_nested(_leaf_as_tensor, batch)


def _is_plain(leaf: Any) -> bool:
    """Return whether a leaf is an array that any tensor could have."""
    return type(leaf) is np.ndarray and leaf.dtype in _PLAIN and leaf.flags.c_contiguous


def default_convert(data: Any) -> Any:
    """Return one sample with its arrays, nested ones too, as Tensors; the rest stays (PyTorch's name).

    Examples
    --------
    >>> import numpy as np
    >>> from autograd_nn.data import default_convert
    >>> default_convert({"x": np.ones(2, np.float32), "name": "a"})
    {'x': tensor([1., 1.]), 'name': 'a'}
    """
    return as_tensors(data)


def default_collate(samples: Sequence[Any]) -> Any:
    """Stack samples along a new first axis.

    Parameters
    ----------
    samples : sequence
        Arrays, Tensors or numbers of one shape; or tuples, lists, named tuples or mappings of such, nested as they
        may be. Strings stay as they are. Integers become int64; Python floats become float32 (PyTorch makes them
        float64).

    Returns
    -------
    Tensor, or a container of Tensors
        Built as one sample is (a named tuple of Tensors for named tuples, an OrderedDict for OrderedDicts), each
        leaf of shape ``(len(samples), *shape of the leaf)``.

    Raises
    ------
    ValueError
        If shapes, lengths or keys differ between samples, or there are none.
    TypeError
        If a sample holds something that does not stack.

    Examples
    --------
    >>> from autograd_nn.data import default_collate
    >>> batch = default_collate([{"x": 1.0, "y": 0}, {"x": 2.0, "y": 1}])
    >>> batch["x"].tolist(), batch["y"].tolist()
    ([1.0, 2.0], [0, 1])
    """
    if len(samples) == 0:
        raise ValueError("default_collate(): a batch needs at least one sample, got none")
    first = samples[0]
    if isinstance(first, Tensor):
        first = first.array
        samples = [sample.array if isinstance(sample, Tensor) else sample for sample in samples]
    elif not isinstance(first, np.ndarray | np.generic) and hasattr(first, "__array__") and not is_picture(first):
        first, samples = np.asarray(first), [np.asarray(sample) for sample in samples]  # Tensors of other libraries
    if isinstance(first, np.ndarray | np.generic):
        stacked = _stack([np.asarray(sample) for sample in samples])
        if stacked.dtype.kind not in "fiubSU":
            raise TypeError(f"default_collate(): an array of dtype {stacked.dtype} does not make a Tensor; numbers are "
                            "needed (give collate_fn)")
        return as_tensors(stacked)
    if isinstance(first, (bool, int)):
        return as_tensors(_numbers(samples, np.int64, first))
    if isinstance(first, float):
        return as_tensors(_numbers(samples, np.float32, first))
    if isinstance(first, (str, bytes)):
        return list(samples)
    if isinstance(first, Mapping):
        for position, sample in enumerate(samples):
            if not isinstance(sample, Mapping) or set(sample) != set(first):
                keys = sorted(map(str, sample)) if isinstance(sample, Mapping) else type(sample).__name__
                raise ValueError("default_collate(): all samples of a batch need the same keys: sample 0 "
                                 f"has {sorted(map(str, first))}, sample {position} has {keys}")
        return rebuilt(first, {key: default_collate([sample[key] for sample in samples]) for key in first})
    if isinstance(first, (tuple, list)):
        for position, sample in enumerate(samples):
            length = len(sample) if isinstance(sample, (tuple, list)) else type(sample).__name__
            if length != len(first):
                raise ValueError("default_collate(): all samples of a batch need the same length: sample 0 "
                                 f"has {len(first)} parts, sample {position} has {length} (give "
                                 "collate_fn)")
        return rebuilt(first, [default_collate(column) for column in zip(*samples, strict=True)])
    hint = "put ToTensor() into the dataset's transform" if is_picture(first) else "give collate_fn"
    raise TypeError("default_collate(): a sample must be made of arrays, Tensors, numbers, strings, "
                    f"tuples, lists or mappings, got {type(first).__name__} ({hint})")


def _numbers(samples: Sequence[Any], dtype: Any, first: Any) -> np.ndarray:
    """Return Python numbers as an array; the dtype is that of all of them, not that of the first."""
    for position, sample in enumerate(samples):
        if not isinstance(sample, bool | int | float | np.number | np.bool_):
            raise TypeError("default_collate(): all samples of a batch need the same kind: sample 0 holds "
                            f"{first!r}, sample {position} holds {type(sample).__name__} (give collate_fn)")
    array = np.asarray(samples)
    return array if array.dtype.kind == "b" else array.astype(np.float32 if array.dtype.kind == "f" else dtype)


def _stack(arrays: list[np.ndarray]) -> np.ndarray:
    """Stack arrays of one shape."""
    for position, array in enumerate(arrays):
        if array.shape != arrays[0].shape:
            raise ValueError(f"default_collate(): all samples of a batch need the same shape: sample 0 has "
                             f"{arrays[0].shape}, sample {position} has {array.shape} (give collate_fn)")
    return np.stack(arrays)
