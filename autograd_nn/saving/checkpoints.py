"""Tensors and whole training runs on disk, in the safetensors format: no pickle, nothing is executed on loading.

A file is written beside its destination, flushed to the disk and renamed, so that a reader sees the old file or the
new one and never half of either.
"""

from __future__ import annotations

import contextlib
import glob
import json
import os
import pathlib
import secrets
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, BinaryIO

import numpy as np

from ..engine import Variable
from ..ops.random import default_generator
from ..tensor import Tensor, as_tensor
from . import safetensors

__all__ = ["load", "load_checkpoint", "load_tensors", "save", "save_checkpoint", "save_tensors"]

Path = str | os.PathLike[str]
_STRUCTURE = "autograd_nn"  # the metadata that says how the arrays of a file are put together
_ABANDONED = 3600  # seconds after which a half-written file was left by a process that is no more

# ------------------------------------------------------------------------------------ tensors by name


def save_tensors(path: Path, tensors: Mapping[str, Any], metadata: Mapping[str, str] | None = None) -> None:
    """Write named tensors to a safetensors file, replacing it as a whole.

    Parameters
    ----------
    path : path
    tensors : mapping of str to Tensor or ndarray
        For instance ``model.state_dict()``; ``safetensors.torch.load_file`` reads it too.
    metadata : mapping of str to str, optional

    Examples
    --------
    >>> import numpy as np
    >>> import os, tempfile
    >>> from autograd_nn.checkpoints import load_tensors, save_tensors
    >>> path = os.path.join(tempfile.mkdtemp(), "w.safetensors")
    >>> save_tensors(path, {"w": np.ones(2, np.float32)})
    >>> load_tensors(path)["w"].tolist()
    [1.0, 1.0]
    """
    arrays = {name: _array(value, repr(name), "save_tensors") for name, value in tensors.items()}
    with replaced(path) as file:
        safetensors.write(file, arrays, metadata)


def load_tensors(path: Path) -> dict[str, Tensor]:
    """Read the named tensors of a safetensors file, for instance a state_dict that PyTorch's users saved.

    Raises
    ------
    FileNotFoundError
    ValueError
        The file is damaged or of another kind.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> import pathlib, tempfile
    >>> from autograd_nn.checkpoints import load_tensors, save_tensors
    >>> folder = tempfile.TemporaryDirectory()
    >>> path = pathlib.Path(folder.name, "weights.safetensors")
    >>> save_tensors(path, {"w": ag.ones(2)})
    >>> load_tensors(path)
    {'w': tensor([1., 1.])}
    >>> folder.cleanup()
    """
    arrays, _ = _read(path, "load_tensors")
    return {name: as_tensor(array) for name, array in arrays.items()}


def _array(value: Any, where: str, operation: str) -> np.ndarray:
    array = value.array if isinstance(value, Variable) else np.asarray(value)
    if array.dtype.kind not in "fiubc":
        raise TypeError(f"{operation}(): {where} holds no numbers (dtype={array.dtype})")
    return array


def _read(source: Any, operation: str) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    name = getattr(source, "name", "the stream") if hasattr(source, "read") else os.fspath(source)
    try:
        if hasattr(source, "read"):
            return safetensors.read(source)
        with open(source, "rb") as file:
            return safetensors.read(file)
    except ValueError as error:
        raise ValueError(f"{operation}(): {name} is not a whole safetensors file ({error})") from None


# ------------------------------------------------------------------------------------ nested values


def save(obj: Any, f: Any, *, keep: int = 1) -> None:
    """Write a tensor, an array, a plain value or nested dicts, lists and tuples of them to one safetensors file.

    A dict of tensors, such as ``model.state_dict()``, gives a file that other libraries read as it is; of anything else
    the structure goes into the metadata, as JSON.

    Parameters
    ----------
    obj : object
        Tensors, arrays, None, bool, int, float, str, and dicts, lists and tuples of them.
    f : path or binary file
        A path is replaced as a whole, and never half written.
    keep : int
        How many versions to keep: the last one at the path itself, those before it beside it as ``path.1``, ...

    Raises
    ------
    TypeError
        Something else, named by its place.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> import os, tempfile
    >>> path = os.path.join(tempfile.mkdtemp(), "weights.safetensors")
    >>> ag.save({"weight": ag.ones(2)}, path)
    >>> ag.load(path)["weight"]
    tensor([1., 1.])
    """
    arrays: dict[str, np.ndarray] = {}
    structure = _structure(obj, (), arrays)
    plain = {"dict": [[name, {"tensor": name}] for name in arrays]}
    metadata = {} if structure == plain else {_STRUCTURE: json.dumps(structure, separators=(",", ":"))}
    if hasattr(f, "write"):
        safetensors.write(f, arrays, metadata)
        return
    with replaced(f, keep) as file:
        safetensors.write(file, arrays, metadata)


def load(f: Any, map_location: Any = None, *, weights_only: bool = True, mmap: bool | None = None) -> Any:
    """Read what `save` wrote, or the tensors of any safetensors file as a dict.

    Parameters
    ----------
    f : path or binary file
    map_location, weights_only, mmap
        PyTorch's settings; accepted, and without meaning here: there is one device, and nothing is ever executed.

    Raises
    ------
    FileNotFoundError
    ValueError
        The file is damaged or of another kind.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> import os, tempfile
    >>> path = os.path.join(tempfile.mkdtemp(), "checkpoint.safetensors")
    >>> ag.save({"model": {"weight": ag.ones(2)}, "epoch": 3}, path)
    >>> saved = ag.load(path)
    >>> saved["epoch"], saved["model"]["weight"].tolist()
    (3, [1.0, 1.0])
    """
    arrays, metadata = _read(f, "load")
    if _STRUCTURE not in metadata:
        return {name: as_tensor(array) for name, array in arrays.items()}
    try:
        return _value(json.loads(metadata[_STRUCTURE]), arrays)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, StopIteration) as error:
        raise ValueError(f"load(): the structure noted in {f} is damaged ({type(error).__name__}: {error})") from None


def _structure(value: Any, place: tuple[Any, ...], arrays: dict[str, np.ndarray]) -> Any:
    """Return a JSON value that stands for `value`, and put its arrays into `arrays` under names of their places."""
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, np.generic) and value.dtype.kind in "fiubc":
        value = value.item()
    if isinstance(value, bool | int):
        return value
    if isinstance(value, complex):
        return {"complex": [_structure(value.real, place, arrays), _structure(value.imag, place, arrays)]}
    if isinstance(value, float):
        return value if np.isfinite(value) else {"float": str(value)}
    if isinstance(value, Variable | np.ndarray):
        name = ".".join(map(str, place)) or "value"
        array = _array(value, name, "save")
        while name in arrays or name == "__metadata__":
            name += "'"
        arrays[name] = array
        noted: dict[str, Any] = {"array" if isinstance(value, np.ndarray) else "tensor": name}
        if array.dtype == np.complex128:  # the file format has none: as pairs of its parts
            arrays[name] = np.stack([array.real, array.imag], -1)
            noted["complex128"] = True
        if isinstance(value, Variable) and value.requires_grad:
            noted["requires_grad"] = True
        return noted
    if isinstance(value, Mapping):
        for key in value:
            if key is not None and not isinstance(key, bool | int | float | str):
                raise TypeError(f"save(): {_named(place)} has a key that is a {type(key).__name__}")
        return {"dict": [[key, _structure(item, (*place, key), arrays)] for key, item in value.items()]}
    if isinstance(value, list | tuple):
        items = [_structure(item, (*place, i), arrays) for i, item in enumerate(value)]
        return items if isinstance(value, list) else {"tuple": items}
    if hasattr(value, "state_dict"):
        raise TypeError(f"save(): {_named(place)} is a {type(value).__name__}, and objects are not pickled; save its "
                        "state: save(model.state_dict(), f), and model.load_state_dict(load(f)) in a model that is "
                        "built anew")
    raise TypeError(f"save(): {_named(place)} is a {type(value).__name__}; tensors, arrays, numbers, strings, None and "
                    "dicts, lists and tuples of them can be saved")


def _named(place: tuple[Any, ...]) -> str:
    return repr(".".join(map(str, place))) if place else "the value"


def _value(structure: Any, arrays: Mapping[str, np.ndarray]) -> Any:
    if isinstance(structure, list):
        return [_value(item, arrays) for item in structure]
    if not isinstance(structure, dict):
        return structure
    kind, content = next(iter(structure.items()))
    if kind == "dict":
        return {key: _value(item, arrays) for key, item in content}
    if kind == "tuple":
        return tuple([_value(item, arrays) for item in content])
    if kind == "float":
        return float(content)
    if kind == "complex":
        return complex(*(_value(part, arrays) for part in content))
    if kind in ("array", "tensor"):
        array = arrays[content]
        if "complex128" in structure:
            array = np.ascontiguousarray(array).view(np.complex128)[..., 0]
        return array if kind == "array" else Tensor(array, requires_grad="requires_grad" in structure)
    raise ValueError(f"unknown kind {kind!r}")


# ------------------------------------------------------------------------------------ training runs


def save_checkpoint(
    path: Path,
    *,
    model: Any = None,
    optimizer: Any = None,
    scheduler: Any = None,
    loader: Any = None,
    generator: Any = default_generator,
    keep: int = 1,
    **extra: Any,
) -> None:
    """Write all that a training run needs to continue to one file.

    Parameters
    ----------
    path : path
    model, optimizer, scheduler, loader : object, optional
        Anything with ``state_dict()``.
    generator : Generator, optional
        Where dropout, initialisation and shuffling draw from; by default the one of `manual_seed`.
    keep : int
        As for `save`.
    **extra
        Anything else that `save` takes, such as ``epoch=3, history=history.epochs``.

    Raises
    ------
    OSError
        No room, no permission; the checkpoint that was there is whole and in its place.

    Examples
    --------
    >>> from autograd_nn import nn
    >>> from autograd_nn import optim
    >>> import pathlib, tempfile
    >>> from autograd_nn.checkpoints import load_checkpoint, save_checkpoint
    >>> folder = tempfile.TemporaryDirectory()
    >>> path = pathlib.Path(folder.name, "run.safetensors")
    >>> model = nn.Linear(3, 2)
    >>> save_checkpoint(path, model=model, optimizer=optim.Adam(model.parameters()), epoch=4)
    >>> load_checkpoint(path, model=nn.Linear(3, 2))["epoch"]
    4
    >>> folder.cleanup()
    """
    parts = {"model": model, "optimizer": optimizer, "scheduler": scheduler, "loader": loader}
    state = {name: part.state_dict() for name, part in parts.items() if part is not None}
    if generator is not None:
        state["generator"] = generator.get_state()
    save({"state": state, "extra": extra}, path, keep=keep)


def load_checkpoint(
    path: Path,
    *,
    model: Any = None,
    optimizer: Any = None,
    scheduler: Any = None,
    loader: Any = None,
    generator: Any = default_generator,
) -> dict[str, Any]:
    """Bring the parts of a training run to where `save_checkpoint` found them.

    Parameters
    ----------
    path : path
    model, optimizer, scheduler, loader, generator : object, optional
        What is not given is left in the file.

    Returns
    -------
    dict
        What was saved as `extra`.

    Raises
    ------
    FileNotFoundError
    ValueError
        The file is damaged, or does not fit: one error lists all that is missing, unexpected or different, with the
        nearest names. Nothing was changed then.

    Examples
    --------
    >>> from autograd_nn import nn
    >>> import pathlib, tempfile
    >>> from autograd_nn.checkpoints import load_checkpoint, save_checkpoint
    >>> folder = tempfile.TemporaryDirectory()
    >>> path = pathlib.Path(folder.name, "run.safetensors")
    >>> model, other = nn.Linear(3, 2), nn.Linear(3, 2)
    >>> save_checkpoint(path, model=model, epoch=4)
    >>> extra = load_checkpoint(path, model=other)
    >>> other.weight.equal(model.weight), extra["epoch"]
    (True, 4)
    >>> folder.cleanup()
    """
    content: dict[str, Any] = load(path)
    name = os.fspath(path)
    if not isinstance(content, dict) or set(content) != {"state", "extra"} or not all(
        isinstance(part, dict) for part in content.values()
    ):
        raise ValueError(f"load_checkpoint(): {name} holds tensors but no training run; read it with load()")
    parts = {"model": model, "optimizer": optimizer, "scheduler": scheduler, "loader": loader, "generator": generator}
    state, problems, before = content["state"], [], []
    for part, target in parts.items():
        if target is None:
            continue
        if part not in state:
            problems.append(f"{part}: not in the file, which has {', '.join(state) or 'nothing'}")
            continue
        get, put = _access(target)
        before.append((put, _copied(get())))
        try:
            if part == "model":
                problems += _other_dtypes(get(), state[part])
            put(state[part])
        except (ValueError, RuntimeError, TypeError, KeyError, AttributeError, IndexError, OverflowError) as error:
            problems.append(f"{part}: {error if isinstance(error, ValueError | RuntimeError) else repr(error)}")
    if problems:
        for put, earlier in before:
            put(earlier)
        raise ValueError("".join([f"load_checkpoint(): {name} does not fit; nothing was changed",
                                  *(f"\n  {problem}" for problem in problems)]))
    extra: dict[str, Any] = content["extra"]
    return extra


def _access(target: Any) -> tuple[Callable[[], Any], Callable[[Any], Any]]:
    if hasattr(target, "load_state_dict"):
        return target.state_dict, target.load_state_dict
    return target.get_state, target.set_state


def _copied(state: Any) -> Any:
    if isinstance(state, Variable):
        return Tensor(state.array.copy())
    if isinstance(state, Mapping):
        return {key: _copied(item) for key, item in state.items()}
    return type(state)(map(_copied, state)) if type(state) in (list, tuple) else state


def _other_dtypes(own: Mapping[str, Any], saved: Mapping[str, Any]) -> list[str]:
    return [f"model: {name} is {saved[name].dtype} in the file and {own[name].dtype} in the module"
            for name in own if name in saved and saved[name].dtype != own[name].dtype]


# ------------------------------------------------------------------------------------ writing as a whole


@contextlib.contextmanager
def replaced(path: Path, keep: int = 1) -> Iterator[BinaryIO]:
    """Open a new file that takes the place of `path` at the end of the block, and only if the block succeeds.

    Parameters
    ----------
    path : path
    keep : int
        How many versions to keep: earlier ones are renamed ``path.1``, ``path.2``, ... up to ``keep - 1``.

    Raises
    ------
    OSError
        Of the kind that the system gave, naming `path`; the file that was there is unchanged.
    """
    if keep < 1:
        raise ValueError(f"save(): keep must be at least 1 (keep={keep})")
    path = pathlib.Path(path)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.partial")
    try:
        with open(temporary, "xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        _keep_earlier(path, keep)
        os.replace(temporary, path)
        _flush_folder(path.parent)
    except OSError as error:
        raise OSError(error.errno, f"cannot write the file ({error.strerror}); what was there is unchanged",
                      os.fspath(path)) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()
    for file_left in path.parent.glob(f".{glob.escape(path.name)}.*.partial"):
        with contextlib.suppress(OSError):
            if time.time() - file_left.stat().st_mtime > _ABANDONED:
                file_left.unlink()


def _keep_earlier(path: pathlib.Path, keep: int) -> None:
    """Move the earlier versions on by one; `path` itself stays where it is until it is replaced."""
    versions = [path, *(path.with_name(f"{path.name}.{i}") for i in range(1, keep))]
    for older, newer in zip(versions[:1:-1], versions[-2:0:-1]):
        if newer.exists():
            os.replace(newer, older)
    if keep > 1 and path.exists():
        versions[1].unlink(missing_ok=True)
        try:
            os.link(path, versions[1])
        except OSError:  # a file system without hard links
            shutil.copyfile(path, versions[1])


def _flush_folder(folder: pathlib.Path) -> None:
    if hasattr(os, "O_DIRECTORY"):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
