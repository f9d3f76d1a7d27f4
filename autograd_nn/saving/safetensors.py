"""The safetensors file format: an 8-byte length, a JSON header, the bytes of the arrays.

Written here rather than by the safetensors library so that equal contents give equal files (the library shuffles the
metadata), arrays of any memory order are written right, and nothing is allocated before it was checked against the size
of the file. A checksum among the metadata tells a damaged file from a whole one; files without it are read as well.

References
----------
https://github.com/huggingface/safetensors#format
"""

from __future__ import annotations

import io
import json
import math
import zlib
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO

import numpy as np

__all__ = ["read", "write"]

LONGEST_HEADER = 100_000_000  # bytes, the format's own limit
MOST_AXES = 64  # NumPy's limit
_CODES = {
    "F64": "f8", "F32": "f4", "F16": "f2", "I64": "i8", "I32": "i4", "I16": "i2", "I8": "i1",
    "U64": "u8", "U32": "u4", "U16": "u2", "U8": "u1", "BOOL": "?", "BF16": "u2", "C64": "c8",
}  # fmt: skip
DTYPES = {code: np.dtype(kind).newbyteorder("<") for code, kind in _CODES.items()}
_NAMES = {np.dtype(kind): code for code, kind in _CODES.items() if code != "BF16"}


def write(file: BinaryIO, arrays: Mapping[str, np.ndarray], metadata: Mapping[str, str] | None = None) -> None:
    """Write arrays by name, in their order, the larger element types first so that all are aligned.

    Raises
    ------
    TypeError
        A dtype that the format does not have.
    """
    header: dict[str, Any] = {"__metadata__": dict(metadata or {})}
    begin = 0
    ordered = sorted(arrays, key=lambda name: -arrays[name].dtype.itemsize)
    for name in ordered:
        array = arrays[name]
        code = _NAMES.get(array.dtype.newbyteorder("="))
        if code is None:
            raise TypeError(f"{name!r} has a dtype that safetensors files do not hold (dtype={array.dtype})")
        header[name] = {"dtype": code, "shape": list(array.shape), "data_offsets": [begin, begin + array.nbytes]}
        begin += array.nbytes
    checksum = _checksum_of_header(header)
    for name in ordered:
        for part in _parts(arrays[name]):
            checksum = zlib.crc32(part, checksum)
    header["__metadata__"]["crc32"] = f"{checksum:08x}"
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    if len(text) > LONGEST_HEADER:
        raise ValueError(f"the names and settings take {len(text):,} bytes, at most {LONGEST_HEADER:,} are possible")
    file.write(len(text).to_bytes(8, "little") + text)
    for name in ordered:
        for part in _parts(arrays[name]):
            file.write(part)


def _parts(array: np.ndarray) -> Iterator[memoryview]:
    if array.size:
        contiguous = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
        yield memoryview(contiguous.reshape(-1).view(np.uint8))  # type: ignore[arg-type]


def _checksum_of_header(header: Mapping[str, Any]) -> int:
    return zlib.crc32(json.dumps(header, separators=(",", ":")).encode())


def read(file: BinaryIO) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Return the arrays of a file by name, and its metadata; bfloat16 is read as float32.

    Raises
    ------
    ValueError
        Anything that is not as the format wants it. Memory is taken only for what the file is long enough to hold.
    """
    start = file.tell()
    size = file.seek(0, io.SEEK_END) - start
    file.seek(start)
    prefix = file.read(8)
    if prefix[:4] == b"PK\x03\x04":
        raise ValueError("it is a zip archive, as PyTorch's own save writes; save it with safetensors.torch.save_file")
    length = int.from_bytes(prefix, "little")
    if len(prefix) < 8 or length > min(LONGEST_HEADER, size - 8):
        raise ValueError(f"the file has {size:,} bytes, too few for a header of {length:,}")
    header = _parsed(file.read(length))
    metadata = header.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise ValueError("the metadata must be strings by name")
    _check_layout(header, size - 8 - length)
    expected = metadata.pop("crc32", None)
    checksum = _checksum_of_header({"__metadata__": metadata, **header})
    arrays = dict.fromkeys(header, np.empty(0))
    for name in sorted(header, key=lambda name: header[name]["data_offsets"]):
        entry = header[name]
        array = np.empty(entry["shape"], DTYPES[entry["dtype"]])
        if array.size:
            view = memoryview(array.reshape(-1).view(np.uint8))  # type: ignore[arg-type]
            if file.readinto(view) != len(view):  # type: ignore[attr-defined]
                raise ValueError(f"it ends within {name!r}")
            checksum = zlib.crc32(view, checksum)
        if entry["dtype"] == "BF16":
            array = (array.astype(np.uint32) << 16).view(np.float32)
        elif entry["dtype"] == "BOOL" and (array.view(np.uint8) > 1).any():
            raise ValueError(f"{name!r} holds other values than 0 and 1, which its dtype BOOL does not allow")
        arrays[name] = array.astype(array.dtype.newbyteorder("="), copy=False)
    if expected is not None and expected != f"{checksum:08x}":
        raise ValueError(f"it is damaged: its checksum is {checksum:08x}, but {expected} was noted in it")
    return arrays, metadata


def _parsed(text: bytes) -> dict[str, Any]:
    try:
        header = json.loads(text.decode(), object_pairs_hook=_without_repetition)
    except RecursionError:
        raise ValueError("the header is nested too deeply") from None
    except ValueError as error:
        raise ValueError(f"the header is not what the format wants ({error})") from None
    if not isinstance(header, dict):
        raise ValueError("the header is not a JSON object")
    return header


def _without_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name occurs twice")
    return found


def _check_layout(header: Mapping[str, Any], size: int) -> None:
    """Check that the entries describe arrays that fill `size` bytes one after the other."""
    spans = []
    for name, entry in header.items():
        if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
            raise ValueError(f"{name!r} needs dtype, shape and data_offsets")
        code, shape, span = entry["dtype"], entry["shape"], entry["data_offsets"]
        if not isinstance(code, str) or code not in DTYPES:
            raise ValueError(f"{name!r} has an unknown dtype ({code!s:.20})")
        for numbers in (shape, span):
            if not isinstance(numbers, list) or not all(type(n) is int and 0 <= n < 2**63 for n in numbers):
                raise ValueError(f"{name!r} has sizes or offsets that are not integers from 0")
        if len(span) != 2 or len(shape) > MOST_AXES:
            raise ValueError(f"{name!r} has {len(shape)} axes (at most {MOST_AXES}) and {len(span)} offsets (2 needed)")
        if math.prod(n for n in shape if n) * DTYPES[code].itemsize >= 2**63:
            raise ValueError(f"{name!r} is larger than can be addressed")
        if span[1] - span[0] != math.prod(shape) * DTYPES[code].itemsize:
            raise ValueError(f"{name!r} has the shape {shape} but takes {span[1] - span[0]:,} bytes")
        spans.append(span)
    end = 0
    for span in sorted(spans):
        if span[0] != end:
            raise ValueError(f"the arrays overlap or leave a gap at byte {end:,}")
        end = span[1]
    if end != size:
        raise ValueError(f"the arrays take {end:,} bytes, but the file has {size:,} for them")
