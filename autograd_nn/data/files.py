"""Arrays in .npy and .npz files, mapped from the disk instead of read where that is possible."""

from __future__ import annotations

import math
import os
import struct
import tokenize
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["load_arrays"]

LARGEST = 2**34  # bytes of values that are read into memory: 16 GiB
# What damaged files make NumPy raise.
DAMAGE = (zipfile.BadZipFile, zlib.error, struct.error, tokenize.TokenError, EOFError, OSError, ValueError,
          RuntimeError, SyntaxError, TypeError, KeyError, OverflowError, NotImplementedError)
LOCAL_HEADER = 30  # bytes of a member's header in a zip file, before its name


def load_arrays(path: str | os.PathLike[str], *, max_bytes: int = LARGEST) -> Any:
    """Open the array of a .npy file, or the arrays of a .npz file.

    A .npy file, and what a .npz file holds uncompressed (``numpy.savez``), is mapped: a batch is read from the disk
    when it is cut, and memory stays flat. Compressed arrays (``numpy.savez_compressed``) are read as a whole. Pickled
    objects are refused.

    Parameters
    ----------
    path : path
    max_bytes : int
        The most memory that an array may take which has to be read.

    Returns
    -------
    ndarray, or dict of ndarray
        Read-only where they are mapped.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file is damaged, holds objects or is too large; the message names it.

    Examples
    --------
    >>> import numpy as np, os, tempfile
    >>> from autograd_nn.data import DataLoader, TensorDataset, load_arrays
    >>> folder = tempfile.mkdtemp()
    >>> np.savez(os.path.join(folder, "set.npz"), x=np.ones((100, 8), np.float32), y=np.arange(100))
    >>> arrays = load_arrays(os.path.join(folder, "set.npz"))
    >>> loader = DataLoader(TensorDataset(arrays["x"], arrays["y"]), batch_size=32, shuffle=True)
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"load_arrays(): no such file: {path}")
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive, open(path, "rb") as file:
                return {info.filename.removesuffix(".npy"): _member(path, archive, info, file, max_bytes)
                        for info in archive.infolist()}
        with open(path, "rb") as file:
            shape, fortran, dtype = _header(file)
            return _mapped(path, file.tell(), shape, fortran, dtype, os.fstat(file.fileno()).st_size)
    except DAMAGE as error:
        if isinstance(error, ValueError) and str(error).startswith("load_arrays()"):
            raise
        raise ValueError(f"load_arrays(): {path} is damaged or no .npy or .npz file ({error})") from error


def _header(file: Any) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Read the header of an array: shape, order, dtype."""
    version = np.lib.format.read_magic(file)
    read: Any = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, fortran, dtype = read(file)
    if dtype.hasobject:
        raise ValueError("load_arrays(): the file holds pickled objects, which can run code when they are read")
    if any(length < 0 for length in shape):
        raise ValueError(f"a negative length in the shape {shape}")
    return shape, fortran, dtype


def _mapped(path: Path, start: int, shape: tuple[int, ...], fortran: bool, dtype: np.dtype[Any],
            end: int) -> np.ndarray:
    """Map an array whose values begin at `start` and must end before `end`."""
    wanted = math.prod(shape) * dtype.itemsize
    if start + wanted > end:
        raise ValueError(f"load_arrays(): {path} is truncated: expected {wanted:,} bytes for the shape {shape} of "
                         f"{dtype}, found {max(end - start, 0):,}")
    if wanted == 0:
        return np.zeros(shape, dtype)
    return np.memmap(path, dtype, "r", start, shape, "F" if fortran else "C")


def _member(path: Path, archive: zipfile.ZipFile, info: zipfile.ZipInfo, file: Any, max_bytes: int) -> np.ndarray:
    """Map or read one array of a .npz file."""
    with archive.open(info) as stream:
        shape, fortran, dtype = _header(stream)
        header = stream.tell()
        wanted = math.prod(shape) * dtype.itemsize
        if info.compress_type == zipfile.ZIP_STORED:
            file.seek(info.header_offset)
            local = file.read(LOCAL_HEADER)
            start = info.header_offset + LOCAL_HEADER + int.from_bytes(local[26:28], "little") + int.from_bytes(
                local[28:30], "little")
            return _mapped(path, start + header, shape, fortran, dtype, start + info.file_size)
        if wanted > max_bytes:
            raise ValueError(f"load_arrays(): {path}: {info.filename} would take {wanted:,} bytes, more than max_bytes="
                             f"{max_bytes:,} (numpy.savez, which does not compress, lets it be mapped)")
        if header + wanted != info.file_size:
            raise ValueError(f"load_arrays(): {path}: {info.filename} has {info.file_size - header:,} bytes of values, "
                             f"expected {wanted:,} for the shape {shape} of {dtype}")
        values = np.empty(math.prod(shape), dtype)
        target = memoryview(values.view(np.uint8).data) if wanted else memoryview(b"")
        done = 0
        while done < wanted:
            data = stream.read(min(2**20, wanted - done))
            if not data:
                raise ValueError(f"load_arrays(): {path}: {info.filename} is truncated")
            target[done:done + len(data)] = data
            done += len(data)
        return values.reshape(shape, order="F" if fortran else "C")
