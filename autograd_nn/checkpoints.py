"""Tensors on disk, in the safetensors format: no pickle, nothing is executed on loading.

A file is written beside its destination, flushed to the disk and renamed, so that a reader sees the old file or the
new one and never half of either.
"""

from __future__ import annotations

import os
import pathlib
import tempfile
from collections.abc import Mapping
from typing import Any

import numpy as np
import safetensors
import safetensors.numpy

from .engine import Variable
from .tensor import Tensor, as_tensor

__all__ = ["load_tensors", "save_tensors"]


def save_tensors(
    path: str | os.PathLike[str], tensors: Mapping[str, Any], metadata: Mapping[str, str] | None = None
) -> None:
    """Write named tensors to a safetensors file, replacing it as a whole.

    Parameters
    ----------
    path : path
    tensors : mapping of str to Tensor or ndarray
        For instance ``model.state_dict()``.
    metadata : mapping of str to str, optional
    """
    arrays = {name: _contiguous(name, value) for name, value in tensors.items()}
    write_atomically(path, safetensors.numpy.save(arrays, dict(metadata) if metadata else None))


def _contiguous(name: str, value: Any) -> np.ndarray:
    array = value.data if isinstance(value, Variable) else np.asarray(value)
    if array.dtype.kind not in "fiub":
        raise TypeError(f"save_tensors(): {name!r} holds no numbers (dtype={array.dtype})")
    # the safetensors library writes wrong values for arrays in another order
    return np.ascontiguousarray(array).reshape(array.shape)


def load_tensors(path: str | os.PathLike[str]) -> dict[str, Tensor]:
    """Read the named tensors of a safetensors file.

    Raises
    ------
    FileNotFoundError
    ValueError
        The file is damaged or of another kind.
    """
    try:
        with open(path, "rb") as file:
            arrays = safetensors.numpy.load(file.read())
    except safetensors.SafetensorError as error:
        raise ValueError(f"load_tensors(): {os.fspath(path)} is not a whole safetensors file ({error})") from None
    return {name: as_tensor(array) for name, array in arrays.items()}


def write_atomically(path: str | os.PathLike[str], content: bytes) -> None:
    """Write a file so that it is there whole or not at all."""
    path = pathlib.Path(path)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
    except BaseException:
        pathlib.Path(temporary).unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
