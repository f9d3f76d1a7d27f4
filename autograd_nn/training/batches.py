"""What `fit`, `evaluate` and `predict` take as data: loaders of batches, and arrays that are made into a loader."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from ..data import DataLoader, Dataset
from ..data.collate import map_nested
from ..tensor import Tensor

__all__ = [
    "TARGETS",
    "ArraySet",
    "array_of",
    "as_arrays",
    "as_loader",
    "described",
    "floating_dtype",
    "is_array",
    "is_nest_of_arrays",
    "leaves",
    "length_of",
    "model_call",
    "no_batch",
    "split_batch",
    "targets_of",
]

TARGETS = ("target", "targets", "label", "labels", "y")

# ------------------------------------------------------------------------------------ nested data


def leaves(nest: Any) -> Iterator[Any]:
    """Yield what tuples, lists and dicts hold in the end."""
    if isinstance(nest, Mapping):
        nest = nest.values()
    elif not isinstance(nest, tuple | list):
        yield nest
        return
    for part in nest:
        yield from leaves(part)


def described(value: Any) -> str:
    """Return what a value is, for a message."""
    if isinstance(value, str):
        return f"the string {value!r}"
    if isinstance(value, type):
        return f"the class {value.__name__}"
    if isinstance(value, Mapping):
        return f"a {type(value).__name__} with the keys {', '.join(map(repr, list(value)[:8])) or '(none)'}"
    if isinstance(value, tuple | list):
        inside = ", ".join(type(part).__name__ for part in value[:4]) + (", ..." if len(value) > 4 else "")
        return f"a {type(value).__name__} of {len(value)} ({inside})"
    shape = getattr(value, "shape", None)
    if isinstance(shape, tuple):
        return f"a {type(value).__name__} of shape {tuple(shape)}"
    return "None" if value is None else f"a {type(value).__name__}"


# ------------------------------------------------------------------------------------ batches


def split_batch(batch: Any, function: str, key: str | None = None) -> tuple[tuple[Any, ...], Any]:
    """Return the inputs and the target of a batch.

    Parameters
    ----------
    batch : sequence of (input, ..., target), or mapping
        Of a mapping the target is what `key` names, or else the one of the keys 'target', 'targets', 'label',
        'labels' and 'y' that is there; all else are inputs, as one dict.
    function : str
        Whose message it is.
    key : str, optional
    """
    if isinstance(batch, tuple | list) and len(batch) >= 2:
        return tuple(batch[:-1]), batch[-1]
    if isinstance(batch, Mapping):
        found = [name for name in ((key,) if key else TARGETS) if name in batch]
        if len(found) == 1 and len(batch) > 1:
            return ({name: value for name, value in batch.items() if name != found[0]},), batch[found[0]]
        raise ValueError(f"{function}(): a batch that is a dict needs one target among its keys, named "
                         f"{repr(key) if key else 'target, label, labels or y'}; got {described(batch)}; say "
                         "which with target='...'")
    hint = "a dataset without targets? for an autoencoder give (x, x)" if is_array(batch) or (
        isinstance(batch, tuple | list) and len(batch) == 1) else "see DataLoader and TensorDataset"
    raise TypeError(f"{function}(): loader must yield (input, target) batches, or (input, ..., target), or dicts; "
                    f"got {described(batch)} ({hint})")


def model_call(model: Any, function: str = "fit") -> Callable[[tuple[Any, ...]], Any]:
    """Return a function that calls a model with the inputs of a batch.

    Several inputs are several arguments. A single dict is passed by keyword, and a single tuple or list as several
    arguments, if `forward` takes it so and does not take it as one argument.
    """
    try:
        signature = inspect.signature(getattr(model, "forward", model))
    except (TypeError, ValueError):
        return lambda inputs: model(*inputs)

    def binds(*args: Any, **kwargs: Any) -> bool:
        try:
            signature.bind(*args, **kwargs)
        except TypeError:
            return False
        return True

    kinds = [p.kind for p in signature.parameters.values()]
    open_keywords = inspect.Parameter.VAR_KEYWORD in kinds

    def call(inputs: tuple[Any, ...]) -> Any:
        if len(inputs) == 1:
            (only,) = inputs
            if isinstance(only, Mapping) and all(isinstance(key, str) for key in only):
                named = set(only) & set(signature.parameters)
                if (named or open_keywords) and binds(**only):
                    return model(**only)
            elif isinstance(only, tuple | list) and not binds(only) and binds(*only):
                return model(*only)
        try:
            return model(*inputs)
        except TypeError as error:
            if not binds(*inputs):
                name = type(model).__name__
                raise TypeError(f"{function}(): a batch of {len(inputs) + 1} values is {len(inputs)} inputs and a "
                                f"target, but forward() of {name} takes {', '.join(signature.parameters)}; let the "
                                "loader yield (input, target), where input may be a tuple or a dict") from error
            if isinstance(inputs[0], Mapping) and "a dict" in str(error):
                raise TypeError(f"{function}(): the model was called with what a batch holds beside the target, "
                                f"{described(inputs[0])}; name the arguments of forward() like the keys, or let the "
                                "loader yield (input, target)") from error
            raise

    return call


# ------------------------------------------------------------------------------------ arrays


def is_array(value: Any) -> bool:
    """Return whether a value is a Tensor, an array, a table or a column of one, or a list of numbers."""
    if isinstance(value, list):
        return bool(value) and all(isinstance(item, int | float | np.generic)
                                   or (isinstance(item, list) and is_array(item)) for item in value)
    return isinstance(value, Tensor | np.ndarray) or (hasattr(value, "__array__") and hasattr(value, "shape")
                                                      and not isinstance(value, np.generic))


def is_nest_of_arrays(value: Any) -> bool:
    """Return whether a value is an array, or tuples and dicts of arrays."""
    if isinstance(value, tuple | Mapping):
        return bool(value) and all(map(is_nest_of_arrays, value.values() if isinstance(value, Mapping) else value))
    return is_array(value)


def _map_arrays(function: Callable[[Any], Any], nest: Any) -> Any:
    """Apply a function to the arrays of a nest, where a list of numbers is an array."""
    if isinstance(nest, Mapping):
        return {key: _map_arrays(function, value) for key, value in nest.items()}
    return tuple(_map_arrays(function, part) for part in nest) if isinstance(nest, tuple) else function(nest)


def array_of(value: Any, name: str) -> np.ndarray:
    """Return an array, Tensor, table or column as an array of numbers; say which columns hold none."""
    array = value.array if isinstance(value, Tensor) else value.to_numpy() if hasattr(value, "to_numpy") else value
    array = np.asarray(array)
    if array.dtype == object and hasattr(value, "dtypes") and hasattr(value, "columns"):
        wrong = [str(column) for column, kind in zip(value.columns, value.dtypes)
                 if getattr(kind, "kind", "f") not in "fiub"]
        if wrong:
            raise TypeError(f"{name} must hold numbers; these columns do not: {', '.join(wrong[:8])} (encode "
                            "categories, e.g. pandas.get_dummies, and fill or drop what is missing)")
    if array.dtype == object:
        with contextlib.suppress(TypeError, ValueError):
            array = array.astype(np.float64)
    if array.dtype.kind not in "fiub":
        raise TypeError(f"{name} must hold numbers, got {described(value)} of dtype {array.dtype} (encode text and "
                        "classes as integers first)")
    if array.ndim == 0:
        raise ValueError(f"{name} must have its samples along the first axis, got a single number")
    return array


class ArraySet(Dataset):
    """A dataset over nested arrays with their samples along the first axis; a sample is nested in the same way."""

    def __init__(self, nest: Any):
        self.nest = nest
        self.arrays = tuple(leaves(nest))

    def __len__(self) -> int:
        return len(self.arrays[0])

    def __getitem__(self, index: int) -> Any:
        return map_nested(lambda array: array[index], self.nest)

    def batch(self, indices: np.ndarray) -> Any:
        """Return the samples at `indices`."""
        return map_nested(lambda array: np.take(array, indices, axis=0), self.nest)


def floating_dtype(model: Any) -> np.dtype[Any]:
    """Return the dtype of a model's floating-point parameters; float32 if it has none."""
    return next((p.array.dtype for p in model.parameters() if p.array.dtype.kind == "f"), np.dtype(np.float32))


def as_arrays(data: Any, function: str, dtype: np.dtype[Any], what: str = "the data") -> ArraySet:
    """Return nested arrays as a dataset: floating-point numbers in `dtype`, integers and booleans as they are."""
    count = 0

    def convert(value: Any) -> np.ndarray:
        nonlocal count
        count += 1
        array = array_of(value, f"{function}(): array {count} of {what}")
        return array.astype(dtype, copy=False) if array.dtype.kind == "f" else array

    dataset = ArraySet(_map_arrays(convert, data))
    lengths = [len(array) for array in dataset.arrays]
    if len(set(lengths)) > 1:
        raise ValueError(f"{function}(): all arrays of {what} need the same number of samples, got "
                         f"{', '.join(map(str, lengths))}")
    return dataset


def as_loader(data: Any, function: str, *, argument: str = "loader", model: Any = None, batch_size: int = 32,
              shuffle: bool = False, target: Callable[[np.ndarray], np.ndarray] | None = None) -> Iterable[Any]:
    """Return an iterable of batches as it is, and arrays ``(X, y)`` as a DataLoader; refuse all else.

    Parameters
    ----------
    data : iterable of batches, or tuple of arrays
    function, argument : str
        For messages.
    model : Module
        Whose dtype floating-point arrays get.
    batch_size : int
    shuffle : bool
    target : callable, optional
        Applied to the arrays of the target.
    """
    accepted = f"{argument} must be a DataLoader or another iterable of (input, target) batches, or arrays (X, y)"
    if isinstance(data, tuple) and len(data) >= 2 and is_nest_of_arrays(data) and is_array(data[-1]):
        dataset = as_arrays(data, function, floating_dtype(model), argument)
        if target is not None:
            *inputs, y = dataset.nest
            dataset = ArraySet((*inputs, target(y)))
        if len(dataset) == 0:
            raise ValueError(f"{function}(): {argument} has no samples")
        return DataLoader(dataset, batch_size=batch_size, shuffle=shuffle)
    if isinstance(data, Mapping) and data and all(map(is_array, data.values())):
        dataset = as_arrays(data, function, floating_dtype(model), argument)
        return DataLoader(dataset, batch_size=batch_size, shuffle=shuffle)
    if isinstance(data, list) and data and all(map(is_array, data)):
        raise TypeError(f"{function}(): {accepted}; got {described(data)}: for arrays write a tuple, (X, y)")
    if is_array(data):
        raise TypeError(f"{function}(): {accepted}; got {described(data)} alone: where is the target?")
    if isinstance(data, Dataset) or (hasattr(data, "__getitem__") and hasattr(data, "__len__")
                                     and not isinstance(data, Sequence | Mapping) and not hasattr(data, "__iter__")):
        raise TypeError(f"{function}(): {argument} must yield (input, target) batches; got a {type(data).__name__}: "
                        "wrap it, DataLoader(dataset, batch_size=32, shuffle=True)")
    if isinstance(data, str | bytes | Mapping | type) or not (
            isinstance(data, Iterable) or hasattr(data, "__getitem__")) or hasattr(data, "forward"):
        raise TypeError(f"{function}(): {accepted}; got {described(data)}")
    batches: Iterable[Any] = data
    return batches


def length_of(loader: Any) -> int | None:
    """Return how many batches a loader has, None if it does not know: a `DataLoader` over a stream."""
    try:
        return len(loader)
    except TypeError:
        return None


def no_batch(function: str, loader: Any, epoch: int | None = None, argument: str = "the loader") -> ValueError:
    """Return the error for a loader that yielded nothing."""
    when = "" if epoch is None else f"epoch {epoch}: "
    if isinstance(loader, Iterator):
        hint = "a generator is used up after one epoch: give a list, or a DataLoader"
    elif getattr(loader, "drop_last", False):
        hint = f"drop_last=True, and fewer samples than batch_size={getattr(loader, 'batch_size', None)}?"
    else:
        hint = "is it empty?"
    return ValueError(f"{function}(): {when}{argument} yielded no batch; {hint}")


def targets_of(loader: Any) -> np.ndarray | None:
    """Return all targets of a loader over arrays; None if they cannot be had without a pass over the data."""
    dataset: Any = getattr(loader, "dataset", None)
    indices: Any = None
    while hasattr(dataset, "indices") and hasattr(dataset, "dataset"):
        own = np.asarray(dataset.indices)
        indices = own if indices is None else own[indices]
        dataset = dataset.dataset
    arrays = getattr(dataset, "arrays", None)
    if not arrays:
        return None
    targets = np.asarray(arrays[-1])
    return targets if indices is None else targets[indices]
