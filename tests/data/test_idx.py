"""The reader of IDX files: what is valid is read, what is not is refused before memory is taken for it."""

import gzip
import os
import struct
import tracemalloc

import numpy as np
import pytest

from autograd_nn.data import read_idx, write_idx

MUTATIONS = int(os.environ.get("FUZZ", "1500"))  # FUZZ=50000 pytest tests/data/test_idx.py for the long run


def header(code, *shape):
    """Return the header of an IDX file."""
    return struct.pack(f">HBB{len(shape)}I", 0, code, len(shape), *shape)


def refused(path, match, **expected):
    """Check that reading fails with a message that names the file, and takes less than 1 MB to find out."""
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match=match) as caught:
            read_idx(path, **expected)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert path.name in str(caught.value)
    assert peak < 2**20
    return str(caught.value)


@pytest.mark.parametrize("dtype", ["uint8", "int8", "int16", "int32", "float32", "float64"])
@pytest.mark.parametrize("shape", [(7,), (3, 4, 5), (0, 28, 28), (2, 0), (1, 1, 1, 1)])
@pytest.mark.parametrize("name", ["a", "a.gz"])
def test_reads_what_was_written(tmp_path, dtype, shape, name):
    array = (np.random.default_rng(0).standard_normal(shape) * 50).astype(dtype)
    write_idx(tmp_path / name, array)
    found = read_idx(tmp_path / name)
    assert found.dtype == np.dtype(dtype)
    assert found.dtype.isnative
    np.testing.assert_array_equal(found, array)


def test_reads_bytes_written_by_hand(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(bytes.fromhex("00000b02 00000002 00000001 0102 fffe".replace(" ", "")))
    np.testing.assert_array_equal(read_idx(path), np.array([[0x0102], [-2]], np.int16))


def test_reads_gzip_of_several_members(tmp_path):
    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress(header(8, 4)) + gzip.compress(b"\1\2") + gzip.compress(b"\3\4"))
    np.testing.assert_array_equal(read_idx(path), [1, 2, 3, 4])


@pytest.mark.parametrize(("content", "match"), [
    (b"", "magic number of 4 bytes, found 0"),
    (b"\0\0\x08", "magic number of 4 bytes, found 3"),
    (b"\1\0\x08\1" + b"\0" * 8, "magic number 00 00 .* found 01 00 08 01"),
    (b"\0\0\x07\1" + b"\0" * 8, "magic number 00 00 .* found 00 00 07 01"),
    (b"\0\0\x08\0", "magic number 00 00 .* found 00 00 08 00"),
    (b"\0\0\x08\xff" + b"\0\0\0\1" * 255 + b"\0", "at most 32 dimensions, found 255"),
    (b"\0\0\x08\3\0\0", "dimensions of 12 bytes, found 2"),
    (header(8, 10) + b"\0" * 9, "truncated: expected 18 bytes .* found 17"),
    (header(8, 10) + b"\0" * 11, "behind its values: expected 18 bytes .* found 19"),
    (header(8, 60000, 28, 28), "truncated: expected 47,040,016 bytes"),
    (header(8, 2**32 - 1, 2**32 - 1, 2**32 - 1), "at most 2,147,483,648 bytes"),
    (header(8, 0, 2**32 - 1, 2**32 - 1), "at most 2,147,483,648 bytes"),
    (header(0x0E, 2**28 + 1), "at most 2,147,483,648 bytes"),
])
@pytest.mark.parametrize("compressed", [False, True])
def test_refuses(tmp_path, content, match, compressed):
    path = tmp_path / ("a.gz" if compressed else "a")
    path.write_bytes(gzip.compress(content) if compressed else content)
    if compressed:
        match = match.replace("found 17", "found").replace("found 19", "found more")
    refused(path, match)


def test_refuses_other_type_or_dimensions(tmp_path):
    path = tmp_path / "train-images-idx3-ubyte"
    write_idx(path, np.zeros(5, np.uint8))
    assert "expected 3 dimensions, found 1" in refused(path, "dimensions", ndim=3)
    write_idx(path, np.zeros((5, 2, 2), np.float32))
    assert "expected values of uint8, found float32" in refused(path, "values", dtype=np.uint8, ndim=3)


def test_refuses_name_that_does_not_fit_content(tmp_path):
    path = tmp_path / "a.gz"
    path.write_bytes(header(8, 1) + b"\0")
    refused(path, "expected gzip data by its name, found no gzip data")
    path = tmp_path / "a"
    path.write_bytes(gzip.compress(header(8, 1) + b"\0"))
    refused(path, "expected plain data by its name, found gzip data")


def test_refuses_damaged_gzip(tmp_path):
    path = tmp_path / "a.gz"
    write_idx(path, np.random.default_rng(0).integers(0, 256, 5000).astype(np.uint8))
    whole = path.read_bytes()
    path.write_bytes(whole[:-9])
    refused(path, "gzip stream")
    path.write_bytes(whole + b"garbage")
    refused(path, "gzip stream")
    damaged = bytearray(whole)
    damaged[len(whole) // 2] ^= 0xFF
    path.write_bytes(damaged)
    refused(path, "gzip stream")


def test_gzip_bomb_is_left_alone(tmp_path):
    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress(header(8, 10) + b"\0" * 50_000_000))
    refused(path, "behind its values")
    path.write_bytes(gzip.compress(header(8, 50_000_000) + b"\0" * 50_000_000))
    refused(path, "at most 1,000,000 bytes", max_bytes=1_000_000)


def test_refuses_what_is_no_file(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        read_idx(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="expected a file"):
        read_idx(tmp_path)


def test_write_refuses(tmp_path):
    with pytest.raises(ValueError, match="got int64"):
        write_idx(tmp_path / "a", np.zeros(3, np.int64))
    with pytest.raises(ValueError, match="got 0"):
        write_idx(tmp_path / "a", np.uint8(3))


@pytest.mark.parametrize("name", ["a", "a.gz"])
def test_mutated_files_are_read_or_refused(tmp_path, name):
    """Random changes of a file give an array of the announced size or a ValueError, nothing else."""
    generator = np.random.default_rng(7)
    path = tmp_path / name
    write_idx(path, generator.integers(0, 256, (4, 5, 6)).astype(np.uint8))
    whole = path.read_bytes()
    read = 0
    tracemalloc.start()
    for _ in range(MUTATIONS):
        data = bytearray(whole)
        for _ in range(generator.integers(1, 4)):
            kind, place = generator.integers(0, 4), int(generator.integers(0, max(len(data), 1)))
            if kind == 0 and data:
                data[min(place, len(data) - 1)] = generator.integers(0, 256)
            elif kind == 1:
                del data[place:]
            elif kind == 2:
                data[place:place] = generator.bytes(int(generator.integers(1, 9)))
            elif data:
                place = int(generator.integers(0, min(16, len(data))))
                data[place] ^= 1 << int(generator.integers(0, 8))
        path.write_bytes(data)
        try:
            read += read_idx(path).size >= 0
        except ValueError as error:
            assert name in str(error)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**21
    assert read < MUTATIONS
