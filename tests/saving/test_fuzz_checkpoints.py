"""Mutated checkpoints are read or refused with a ValueError, and take no memory that their size does not explain."""

import io
import json
import os
import tracemalloc

import numpy as np
import pytest

from autograd_nn import load, manual_seed, nn, optim, save
from autograd_nn.data import DataLoader, TensorDataset
from autograd_nn.saving.checkpoints import load_checkpoint, save_checkpoint
from autograd_nn.saving.safetensors import read

MUTATIONS = int(os.environ.get("FUZZ", "1500"))  # FUZZ=50000 for the long run
WORDS = [
    b"0",
    b"-1",
    b"1e9",
    b"null",
    b"true",
    b"[]",
    b"{}",
    b'"F64"',
    b'"BOOL"',
    b"18446744073709551616",
    b'"x"',
    b"9" * 30,
    b",",
    b'"tensor"',
    b'"dict"',
    b"NaN",
]


def parts():
    manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))
    optimizer = optim.Adam(model.parameters())
    schedule = optim.lr_scheduler.CosineAnnealingLR(optimizer, 5)
    loader = DataLoader(TensorDataset(np.zeros((4, 3), np.float32)), batch_size=2, shuffle=True)
    return {"model": model, "optimizer": optimizer, "scheduler": schedule, "loader": loader}


def mutated(whole, generator):
    """Change a few bytes, most often in the header."""
    data = bytearray(whole)
    header = 8 + int.from_bytes(whole[:8], "little")
    for _ in range(generator.integers(1, 4)):
        place = int(generator.integers(0, header if generator.random() < 0.8 else max(len(data), 1)))
        place = min(place, max(len(data) - 1, 0))
        kind = generator.integers(0, 6)
        if kind == 0 and data:
            data[place] = generator.integers(0, 256)
        elif kind == 1:
            del data[place:]
        elif kind == 2:
            data[place:place] = generator.bytes(int(generator.integers(1, 9)))
        elif kind == 3 and data:
            data[place] ^= 1 << int(generator.integers(0, 8))
        elif kind == 4:
            word = WORDS[generator.integers(0, len(WORDS))]
            data[place : place + len(word)] = word
        elif len(data) > 8:
            data[int(generator.integers(0, 8))] ^= 1 << int(generator.integers(0, 8))
    return bytes(data)


def without_checksum(whole):
    """Return a file whose changes no checksum gives away."""
    length = int.from_bytes(whole[:8], "little")
    header = json.loads(whole[8 : 8 + length])
    del header["__metadata__"]["crc32"]
    text = json.dumps(header, separators=(",", ":")).encode()
    return len(text).to_bytes(8, "little") + text + whole[8 + length :]


def spoiled(value, generator):
    """Put something else at a random place of nested dicts and lists."""
    if isinstance(value, dict | list) and value and generator.random() < 0.85:
        keys = list(value) if isinstance(value, dict) else range(len(value))
        key = keys[generator.integers(0, len(keys))]
        if isinstance(value, dict) and generator.random() < 0.05:
            return {k: v for k, v in value.items() if k != key}
        changed = value.copy()
        changed[key] = spoiled(value[key], generator)
        return changed
    odd = [
        None,
        -1,
        0,
        2**70,
        1.5,
        float("nan"),
        "x",
        "",
        True,
        [],
        {},
        [1],
        {"a": 1},
        np.zeros(3),
        np.zeros((0,)),
        np.float32(2),
    ]
    return odd[generator.integers(0, len(odd))]


@pytest.mark.parametrize("checksum", [True, False], ids=["with checksum", "without"])
def test_mutated_bytes(checksum):
    generator = np.random.default_rng(11)
    stream = io.BytesIO()
    save({name: part.state_dict() for name, part in parts().items()}, stream)
    whole = stream.getvalue() if checksum else without_checksum(stream.getvalue())
    original = [array.tobytes() for array in read(io.BytesIO(whole))[0].values()]
    read_again = 0
    tracemalloc.start()
    for _ in range(MUTATIONS):
        data = mutated(whole, generator)
        try:
            load(io.BytesIO(data))
        except ValueError as error:
            assert "load(): " in str(error)
        else:
            read_again += 1
            if checksum and b'"crc32":"' in data:
                assert [array.tobytes() for array in read(io.BytesIO(data))[0].values()] == original
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**21 and read_again < MUTATIONS / 2


def test_spoiled_values_in_a_whole_file(tmp_path):
    """Each value may be anything: loading succeeds, or raises ValueError and changes nothing."""
    generator = np.random.default_rng(12)
    given = parts()
    save_checkpoint(tmp_path / "file", **given, epoch=3)
    content = load(tmp_path / "file")
    refused = 0
    for _ in range(MUTATIONS // 5):
        save({"state": spoiled(content["state"], generator), "extra": content["extra"]}, tmp_path / "spoiled")
        before = {name: value.array.copy() for name, value in given["model"].state_dict().items()}
        try:
            load_checkpoint(tmp_path / "spoiled", **given)
        except ValueError:
            refused += 1
            after = given["model"].state_dict()
            assert all(np.array_equal(before[name], after[name].array, equal_nan=True) for name in before)
            continue
        load_checkpoint(tmp_path / "file", **given)
    assert refused > MUTATIONS / 20
