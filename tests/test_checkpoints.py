"""Tensors on disk."""

import os

import numpy as np
import pytest

from autograd_nn import Tensor, tensor
from autograd_nn.checkpoints import load_tensors, save_tensors


def test_what_was_saved_is_loaded(tmp_path):
    saved = {
        "float": tensor([[1.5, -2.0], [0.0, np.inf]], requires_grad=True),
        "double": Tensor(np.array([np.pi])),
        "count": tensor(7),
        "mask": tensor([True, False]),
        "empty": Tensor(np.zeros((0, 3), np.float32)),
        "array": np.arange(3),
    }
    save_tensors(tmp_path / "file", saved, {"note": "here"})
    loaded = load_tensors(tmp_path / "file")
    for name, value in saved.items():
        array = value.data if isinstance(value, Tensor) else value
        assert loaded[name].dtype == array.dtype and loaded[name].shape == array.shape
        assert np.array_equal(loaded[name].data, array)


def test_arrays_in_another_order_are_saved_right(tmp_path):
    array = np.arange(12, dtype=np.float32).reshape(3, 4)
    views = array.T, array[:, ::2], array[::-1], np.asfortranarray(array), np.broadcast_to(array[0], (2, 4))
    for i, view in enumerate(views):
        save_tensors(tmp_path / "file", {"x": view})
        assert np.array_equal(load_tensors(tmp_path / "file")["x"].data, view), i


def test_a_damaged_file_is_named(tmp_path):
    file = tmp_path / "weights"
    save_tensors(file, {"x": tensor([1.0, 2.0])})
    whole = file.read_bytes()
    for broken in (whole[:-1], whole[:20], b"", b"PK\x03\x04" + whole, whole + b"x"):
        file.write_bytes(broken)
        with pytest.raises(ValueError, match="weights is not a whole safetensors file"):
            load_tensors(file)
    with pytest.raises(FileNotFoundError):
        load_tensors(tmp_path / "absent")


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    file = tmp_path / "weights"
    save_tensors(file, {"x": tensor([1.0])})

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        save_tensors(file, {"x": tensor([2.0])})
    monkeypatch.undo()
    assert load_tensors(file)["x"].item() == 1.0 and [path.name for path in tmp_path.iterdir()] == ["weights"]


def test_what_holds_no_numbers_is_refused(tmp_path):
    with pytest.raises(TypeError, match=r"'x' holds no numbers \(dtype=<U1\)"):
        save_tensors(tmp_path / "file", {"x": np.array(["a"])})
