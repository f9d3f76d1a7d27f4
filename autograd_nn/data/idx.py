"""Read and write IDX files, the format of MNIST and the sets modelled on it.

An IDX file is a magic number (two zero bytes, a type code, the number of dimensions), each dimension as a
big-endian uint32, and the values, big-endian, row-major (http://yann.lecun.com/exdb/mnist). Nothing of a file
is trusted: the size that the header announces is checked against a limit and the size of the file before
memory is taken for it.
"""

from __future__ import annotations

import gzip
import math
import os
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["read_idx", "write_idx"]

DTYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
GZIP_MAGIC = b"\x1f\x8b"
LARGEST_RATIO = 1032  # deflate expands no byte to more
LARGEST_FILE = 2**31  # bytes of values; the largest set of this kind, EMNIST byclass, has 547 million
CHUNK = 2**20


def read_idx(path: str | os.PathLike[str], *, dtype: Any = None, ndim: int | None = None,
             max_bytes: int = LARGEST_FILE) -> np.ndarray:
    """Read an IDX file, plain or compressed by gzip (then its name ends in ``.gz``).

    Parameters
    ----------
    path : path
    dtype : dtype, optional
        The type that the file must hold.
    ndim : int, optional
        The number of dimensions that it must have: 3 for images, 1 for labels.
    max_bytes : int
        The most memory that the values may take.

    Returns
    -------
    ndarray
        In native byte order.

    Raises
    ------
    FileNotFoundError
        If there is no file at `path`.
    ValueError
        If the file is not a whole, valid IDX file of that type; the message names the file, what was expected
        and what was found.

    Examples
    --------
    >>> import numpy as np
    >>> import pathlib, tempfile
    >>> from autograd_nn.data import read_idx, write_idx
    >>> folder = tempfile.TemporaryDirectory()
    >>> path = pathlib.Path(folder.name, "images-idx3-ubyte")
    >>> write_idx(path, np.zeros((2, 28, 28), np.uint8))
    >>> read_idx(path).shape
    (2, 28, 28)
    >>> folder.cleanup()
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"read_idx(): no such file: {path}")
    if not path.is_file():
        raise ValueError(f"read_idx(): {path}: expected a file, found something else")
    with open(path, "rb") as raw:
        size = os.fstat(raw.fileno()).st_size
        compressed = raw.read(2) == GZIP_MAGIC
        raw.seek(0)
        if compressed != (path.suffix == ".gz"):
            found, wanted = ("gzip data", "no .gz") if compressed else ("no gzip data", "gzip data")
            raise ValueError(f"read_idx(): {path}: expected {wanted if not compressed else 'plain data'} by "
                             f"its name, found {found} (rename the file)")
        if not compressed:
            return _read(path, raw, dtype, ndim, max_bytes, exact=size, bound=size)
        try:
            with gzip.GzipFile(fileobj=raw) as stream:
                return _read(path, stream, dtype, ndim, max_bytes, exact=None, bound=size * LARGEST_RATIO)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise ValueError(f"read_idx(): {path}: expected one whole gzip stream, found damaged or "
                             f"truncated data or data behind it ({error})") from error


def _read(path: Path, stream: Any, dtype: Any, ndim: int | None, max_bytes: int, *, exact: int | None,
          bound: int) -> np.ndarray:
    """Read from a stream of which the size, or at least an upper bound of it, is known."""
    magic = _header(path, stream, 4, "a magic number")
    zeros, code, dimensions = struct.unpack(">HBB", magic)
    if zeros != 0 or code not in DTYPES or dimensions == 0:
        raise ValueError(f"read_idx(): {path}: expected a magic number 00 00 <type 08..0E> <dimensions>, "
                         f"found {magic.hex(' ')}")
    found = np.dtype(DTYPES[code])
    if dtype is not None and found.newbyteorder("=") != np.dtype(dtype):
        raise ValueError(f"read_idx(): {path}: expected values of {np.dtype(dtype)}, found "
                         f"{found.newbyteorder('=')} (magic number {magic.hex(' ')})")
    if ndim is not None and dimensions != ndim:
        raise ValueError(f"read_idx(): {path}: expected {ndim} dimensions, found {dimensions} (magic number "
                         f"{magic.hex(' ')}; images have 3, labels 1)")
    if dimensions > 32:
        raise ValueError(f"read_idx(): {path}: expected at most 32 dimensions, found {dimensions}")
    shape = struct.unpack(f">{dimensions}I", _header(path, stream, 4 * dimensions, "the dimensions"))
    header = 4 + 4 * dimensions
    if math.prod(length for length in shape if length) * found.itemsize > max_bytes:
        raise ValueError(f"read_idx(): {path}: expected at most {max_bytes:,} bytes of values, found the "
                         f"shape {shape} of {found.newbyteorder('=')} in the header")
    wanted = math.prod(shape) * found.itemsize
    if exact is not None and exact != header + wanted:
        problem = "truncated" if exact < header + wanted else "has data behind its values"
        raise ValueError(f"read_idx(): {path} is {problem}: expected {header + wanted:,} bytes for the "
                         f"shape {shape}, found {exact:,}")
    if header + wanted > bound:
        raise ValueError(f"read_idx(): {path} is truncated: expected {header + wanted:,} bytes for the "
                         f"shape {shape}, found a file that cannot expand to more than {bound:,}")
    values = np.empty(shape, found)
    target = memoryview(values.reshape(-1).view(np.uint8).data)
    done = 0
    while done < wanted:
        count = stream.readinto(target[done:done + CHUNK])
        if not count:
            raise ValueError(f"read_idx(): {path} is truncated: expected {header + wanted:,} bytes for the "
                             f"shape {shape}, found {header + done:,}")
        done += count
    if stream.read(1):
        raise ValueError(f"read_idx(): {path} has data behind its values: expected {header + wanted:,} "
                         f"bytes for the shape {shape}, found more")
    return values.astype(found.newbyteorder("="), copy=False)


def _header(path: Path, stream: Any, count: int, what: str) -> bytes:
    """Read `count` bytes of the header."""
    data: bytes = stream.read(count)
    if len(data) != count:
        raise ValueError(f"read_idx(): {path} is truncated: expected {what} of {count} bytes, found "
                         f"{len(data)}")
    return data


def write_idx(path: str | os.PathLike[str], array: Any) -> None:
    """Write an array as an IDX file, compressed by gzip where the name ends in ``.gz``.

    Parameters
    ----------
    path : path
    array : array_like
        Of uint8, int8, int16, int32, float32 or float64, with 1 to 32 axes.

    Raises
    ------
    ValueError
        If IDX has no code for the dtype or the number of axes.

    Examples
    --------
    >>> import numpy as np
    >>> import pathlib, tempfile
    >>> from autograd_nn.data import read_idx, write_idx
    >>> folder = tempfile.TemporaryDirectory()
    >>> path = pathlib.Path(folder.name, "labels-idx1-ubyte.gz")
    >>> write_idx(path, np.array([3, 1, 2], np.uint8))
    >>> read_idx(path)
    array([3, 1, 2], dtype=uint8)
    >>> folder.cleanup()
    """
    array = np.asarray(array)
    codes = {np.dtype(name).newbyteorder("="): code for code, name in DTYPES.items()}
    code = codes.get(array.dtype.newbyteorder("="))
    if code is None:
        raise ValueError(f"write_idx(): IDX holds {sorted(map(str, codes))}, got {array.dtype}")
    if not 1 <= array.ndim <= 32:
        raise ValueError(f"write_idx(): IDX holds 1 to 32 dimensions, got {array.ndim}")
    header = struct.pack(f">HBB{array.ndim}I", 0, code, array.ndim, *array.shape)
    data = header + np.ascontiguousarray(array, dtype=DTYPES[code]).tobytes()
    path = Path(path)
    path.write_bytes(gzip.compress(data, mtime=0) if path.suffix == ".gz" else data)
