"""MNIST and its kin: the shipped digits, IDX folders."""

import hashlib
import re

import numpy as np
import pytest

from autograd_nn.data import EMNIST, MNIST, DataLoader, FashionMNIST, IDXDataset, transforms, write_idx
from autograd_nn.data.make_digits import COUNTS
from autograd_nn.data.mnist import DIGITS_FILE
from autograd_nn.tensor import Tensor

SHIPPED_SHA256 = "b83b5d90b8f35ac5918aee0ac27073cd49aa16205c96502c19e58f9b5f5af490"
SHIPPED_LABELS_SHA256 = "4eeffe749bdfd52e1354e6f85ab94970bca46fa1ac5bd2e77114e25dd689f994"


@pytest.fixture
def folder(tmp_path):
    """A folder with four small IDX files."""
    generator = np.random.default_rng(0)
    for prefix, count in (("train", 20), ("t10k", 7)):
        images = generator.integers(0, 256, (count, 28, 28)).astype(np.uint8)
        write_idx(tmp_path / f"{prefix}-images-idx3-ubyte", images)
        write_idx(tmp_path / f"{prefix}-labels-idx1-ubyte.gz", (np.arange(count) % 10).astype(np.uint8))
    return tmp_path


def test_shipped_digits_are_the_bytes_of_the_source():
    train, test = MNIST(), MNIST(train=False)
    assert (len(train), len(test)) == (8000, 2000)
    images = np.concatenate([train.images, test.images])
    labels = np.concatenate([train.labels, test.labels])
    assert images.dtype == np.uint8
    assert labels.dtype == np.int64
    assert tuple(np.bincount(labels)) == COUNTS
    assert hashlib.sha256(images.tobytes()).hexdigest() == SHIPPED_SHA256
    assert hashlib.sha256(labels.astype(np.uint8).tobytes()).hexdigest() == SHIPPED_LABELS_SHA256
    assert np.bincount(test.labels).min() > 150


def test_shipped_file_says_what_it_is():
    assert "train" in DIGITS_FILE.name
    assert DIGITS_FILE.stat().st_size < 1_700_000
    note = DIGITS_FILE.with_suffix(".md").read_text()
    for part in ("LeCun", "Cortes", "Attribution-Share Alike 3.0", "must not be called MNIST test accuracy"):
        assert part in re.sub(r"\s+", " ", note)


def test_inputs_are_scaled_once():
    digits = MNIST(train=False)
    assert digits.inputs is digits.inputs
    assert digits.inputs.shape == (2000, 1, 28, 28)
    assert digits.inputs.dtype == np.float32
    np.testing.assert_array_equal(digits.inputs[:, 0], digits.images.astype(np.float32) / np.float32(255))
    with pytest.raises(ValueError, match="read-only"):
        digits.inputs[0] = 0
    assert digits.data is digits.images
    assert digits.targets is digits.labels


def test_samples():
    digits = MNIST(train=False)
    image, label = digits[3]
    assert image.shape == (1, 28, 28)
    assert type(label) is int
    assert label == digits.labels[3]
    transformed = MNIST(train=False, transform=transforms.ToTensor(), target_transform=lambda y: y + 100)
    other, target = transformed[3]
    assert isinstance(other, Tensor)
    np.testing.assert_array_equal(other.array, image)
    assert target == label + 100
    images, labels = digits[2:5]
    assert images.shape == (3, 1, 28, 28)
    assert labels.shape == (3,)


def test_batches_with_and_without_transform_agree():
    plain = next(iter(DataLoader(MNIST(train=False), 16)))
    scaled = next(iter(DataLoader(MNIST(train=False, transform=transforms.ToTensor()), 16)))
    for one, other in zip(plain, scaled, strict=True):
        assert isinstance(one, Tensor)
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one.array, other.array)
    normalised = MNIST(train=False, transform=transforms.Compose([
        transforms.ToTensor(), transforms.Normalize((0.1307,), (0.3081,)), lambda image: image.reshape(-1)]))
    x, y = next(iter(DataLoader(normalised, 4)))
    np.testing.assert_allclose(x.array, (plain[0].array[:4].reshape(4, 784) - 0.1307) / 0.3081, rtol=1e-5)
    assert y.dtype == np.int64


@pytest.mark.parametrize("sub", [".", "MNIST", "MNIST/raw"])
def test_reads_a_folder(folder, sub):
    target = folder / sub
    target.mkdir(parents=True, exist_ok=True)
    for path in list(folder.glob("*ubyte*")):
        path.rename(target / path.name)
    train, test = MNIST(folder), MNIST(str(folder), train=False)
    assert (len(train), len(test)) == (20, 7)
    expected = np.random.default_rng(0).integers(0, 256, (20, 28, 28)).astype(np.uint8)
    np.testing.assert_array_equal(train.images, expected)
    np.testing.assert_array_equal(test.labels, np.arange(7))
    assert "20 images of 28x28" in repr(train)


def test_other_sets_come_through_the_same_reader(folder):
    assert FashionMNIST(folder).classes[9] == "Ankle boot"
    with pytest.raises(ValueError, match="needs root"):
        FashionMNIST()
    one = IDXDataset(folder / "t10k-images-idx3-ubyte", folder / "t10k-labels-idx1-ubyte.gz")
    assert one.classes == tuple("0123456")


def test_emnist_turns_images_upright(tmp_path):
    images = np.arange(2 * 28 * 28).reshape(2, 28, 28).astype(np.uint8)
    write_idx(tmp_path / "emnist-letters-train-images-idx3-ubyte.gz", images)
    write_idx(tmp_path / "emnist-letters-train-labels-idx1-ubyte.gz", np.array([1, 26], np.uint8))
    letters = EMNIST(tmp_path, split="letters")
    np.testing.assert_array_equal(letters.images, images.transpose(0, 2, 1))
    assert [letters.classes[label] for label in letters.labels] == ["a", "z"]
    assert [len(EMNIST.splits[name]) for name in ("byclass", "bymerge", "balanced")] == [62, 47, 47]
    with pytest.raises(ValueError, match="split must be one of"):
        EMNIST(tmp_path, split="all")
    with pytest.raises(FileNotFoundError, match="emnist-letters-test-images"):
        EMNIST(tmp_path, split="letters", train=False)


def test_errors_name_what_was_expected_and_found(folder):
    with pytest.raises(FileNotFoundError, match=r"train-images-idx3-ubyte.*download=True"):
        MNIST(folder / "empty")
    write_idx(folder / "train-labels-idx1-ubyte.gz", np.zeros(19, np.uint8))
    with pytest.raises(ValueError, match=r"20 images in .* and 19 labels"):
        MNIST(folder)
    write_idx(folder / "train-labels-idx1-ubyte.gz", np.array([0] * 19 + [12], np.uint8))
    with pytest.raises(ValueError, match=r"labels in \[0, 10\), found 12 at position 19"):
        MNIST(folder)
    write_idx(folder / "train-labels-idx1-ubyte.gz", np.zeros((20, 28, 28), np.uint8))
    with pytest.raises(ValueError, match="expected 1 dimensions, found 3"):
        MNIST(folder)
