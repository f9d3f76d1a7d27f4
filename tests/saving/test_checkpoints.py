"""Tensors on disk."""

import io
import json
import os
import pathlib
import subprocess
import sys
import tracemalloc

import numpy as np
import pytest

import autograd_nn as ag
from autograd_nn import Tensor, nn, optim, tensor
from autograd_nn.saving.checkpoints import load, load_checkpoint, load_tensors, save, save_tensors

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(pathlib.Path(__file__).parents[2])}


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
        array = value.array if isinstance(value, Tensor) else value
        assert loaded[name].dtype == array.dtype and loaded[name].shape == array.shape
        assert np.array_equal(loaded[name].array, array)


def test_arrays_in_another_order_are_saved_right(tmp_path):
    array = np.arange(12, dtype=np.float32).reshape(3, 4)
    views = array.T, array[:, ::2], array[::-1], np.asfortranarray(array), np.broadcast_to(array[0], (2, 4))
    for i, view in enumerate(views):
        save_tensors(tmp_path / "file", {"x": view})
        assert np.array_equal(load_tensors(tmp_path / "file")["x"].array, view), i


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


# ------------------------------------------------------------------------------------ nested values


NESTED = {
    "state": {0: {"step": 3, "exp_avg": tensor([[1.0, 2.0]])}, 1: {}, "a.b": tensor([1, 2])},
    "numbers": [1, -2.5, True, None, "text", float("inf"), -float("inf"), 2**200, 1e-320],
    "tuple": (1, (2.0, ()), [()]),
    "array": np.arange(3, dtype=np.int16),
    "a": {"b": tensor(True)},
    "a.b": tensor([2.5]),
    "__metadata__": tensor([1.0]),
    "": tensor([3.0], requires_grad=True),
    "unicode ä\u2028\"\\": [tensor(0.5), tensor([])],
    1: "key", 2.5: None, None: [],
}


def same(a, b):
    if isinstance(a, Tensor):
        return isinstance(b, Tensor) and a.requires_grad == b.requires_grad and same(a.array, b.array)
    if isinstance(a, np.ndarray):
        return isinstance(b, np.ndarray) and a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
    if isinstance(a, dict):
        return isinstance(b, dict) and list(a) == list(b) and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return type(a) is type(b) and len(a) == len(b) and all(map(same, a, b))
    return type(a) is type(b) and repr(a) == repr(b)


@pytest.mark.parametrize("value", [NESTED, tensor([1.0]), None, 3, [], {}, np.zeros((0, 2)), [tensor(1.0)] * 2],
                         ids=lambda value: type(value).__name__)
def test_nested_values_come_back(tmp_path, value):
    save(value, tmp_path / "file")
    assert same(value, load(tmp_path / "file"))
    stream = io.BytesIO()
    save(value, stream)
    assert stream.getvalue() == (tmp_path / "file").read_bytes()
    stream.seek(0)
    assert same(value, load(stream))


def test_a_script_with_pytorchs_calls(tmp_path):
    model, other = nn.Linear(3, 2), nn.Linear(3, 2)
    ag.save(model.state_dict(), tmp_path / "weights.pt")
    assert str(other.load_state_dict(ag.load(tmp_path / "weights.pt", map_location="cpu", weights_only=True)))
    assert (other.weight.data == model.weight.data).all() and (other.bias.data == model.bias.data).all()
    optimizer = optim.Adam(model.parameters())
    model(ag.tensor([[1.0, 2.0, 3.0]])).sum().backward()
    optimizer.step()
    with open(tmp_path / "all", "wb") as file:
        ag.save({"epoch": 1, "model": model.state_dict(), "optim": optimizer.state_dict()}, file)
    loaded = ag.load(tmp_path / "all")
    assert loaded["epoch"] == 1 and same(loaded["optim"]["state"], optimizer.state_dict()["state"])


def test_complex_numbers(tmp_path):
    z = ag.tensor([1 + 2j, -0.5j])
    saved = {"single": z, "double": z.to(ag.complex128).requires_grad_(), "array": np.array(3j), "number": 1 - 1j}
    ag.save(saved, tmp_path / "z")
    loaded = ag.load(tmp_path / "z")
    assert same(loaded["single"], z) and loaded["single"].dtype == np.complex64
    assert same(loaded["double"].detach(), saved["double"].detach()) and loaded["double"].requires_grad
    assert loaded["double"].dtype == loaded["array"].dtype == np.complex128
    assert loaded["array"] == 3j and loaded["number"] == 1 - 1j


@pytest.mark.parametrize("value, message", [
    ({"a": [1, {2}]}, r"'a\.1' is a set"), (print, "the value is a builtin"),
    ({(1, 2): 3}, "has a key that is a tuple"),
    ([np.array(["x"])], "0 holds no numbers"),
    ({"x": b"bytes"}, "'x' is a bytes"), (np.array([None]), "holds no numbers"),
    (np.zeros(1, np.longdouble), "a dtype that safetensors files do not hold"),
])  # fmt: skip
def test_what_cannot_be_saved_is_named_and_leaves_no_file(tmp_path, value, message):
    with pytest.raises(TypeError, match=message):
        save(value, tmp_path / "file")
    assert not list(tmp_path.iterdir())


def test_foreign_byte_order_read_only_and_strided_arrays(tmp_path):
    array = np.arange(12.0).reshape(3, 4)
    frozen = array.copy()
    frozen.flags.writeable = False
    for view in (array.astype(">f8"), array.astype(">i2"), frozen, array.T, array[::-2, 1:], np.asarray(array[0, 0])):
        save(view, tmp_path / "file")
        loaded = load(tmp_path / "file")
        assert np.array_equal(loaded, view) and loaded.dtype.isnative and loaded.flags.writeable
        assert loaded.shape == view.shape


def test_equal_values_give_equal_files(tmp_path):
    for name in "ab":
        save_tensors(tmp_path / name, {"x": tensor([1.0]), "y": tensor([2])}, {str(i): "m" for i in range(9)})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_the_safetensors_library_reads_and_is_read(tmp_path):
    safetensors = pytest.importorskip("safetensors.numpy")
    arrays = {"f": np.ones((2, 3), np.float16), "b": np.array([True]), "e": np.zeros((0, 2)),
              "u": np.ones(3, "u1"), "z": np.array(7, np.int64), "i": np.arange(5, dtype=np.int32)}  # fmt: skip
    save_tensors(tmp_path / "ours", arrays)
    found = safetensors.load_file(tmp_path / "ours")
    assert all(same(arrays[name], found[name]) for name in arrays) and len(found) == len(arrays)
    safetensors.save_file(arrays, tmp_path / "theirs", {"a": "b"})
    assert all(same(arrays[name], value.array) for name, value in load_tensors(tmp_path / "theirs").items())


def test_pytorchs_states_load_and_ours_load_there(tmp_path):
    torch = pytest.importorskip("torch")
    files = pytest.importorskip("safetensors.torch")
    theirs = torch.nn.Sequential(
        torch.nn.Conv2d(1, 3, 3), torch.nn.BatchNorm2d(3), torch.nn.Flatten(), torch.nn.Linear(27, 2)
    )
    ours = nn.Sequential(nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.Flatten(), nn.Linear(27, 2))
    files.save_file(theirs.state_dict(), tmp_path / "theirs")
    ours.load_state_dict(load(tmp_path / "theirs"))
    x = np.random.default_rng(0).standard_normal((4, 1, 5, 5)).astype(np.float32)
    expected = theirs.eval()(torch.from_numpy(x)).detach().numpy()
    assert np.abs(ours.eval()(Tensor(x)).array - expected).max() < 1e-5
    ours[0].weight.array[:] += 1
    save(ours.state_dict(), tmp_path / "ours")
    theirs.load_state_dict(files.load_file(tmp_path / "ours"))
    assert (theirs[0].weight.detach().numpy() == ours[0].weight.array).all()
    files.save_file({"x": torch.tensor([1.5, -3.0], dtype=torch.bfloat16)}, tmp_path / "bf16")
    assert load(tmp_path / "bf16")["x"].array.tolist() == [1.5, -3.0]
    torch.save(theirs.state_dict(), tmp_path / "pickled")
    with pytest.raises(ValueError, match=r"zip archive, as PyTorch's own save writes; .*safetensors\.torch\.save_file"):
        load(tmp_path / "pickled")


# ------------------------------------------------------------------------------------ files as a whole


def test_earlier_versions_are_kept(tmp_path):
    for value in range(5):
        save(value, tmp_path / "file", keep=3)
    assert {path.name: load(path) for path in tmp_path.iterdir()} == {"file": 4, "file.1": 3, "file.2": 2}
    with pytest.raises(ValueError, match=r"keep must be at least 1 \(keep=0\)"):
        save(1, tmp_path / "file", keep=0)


def test_where_there_are_no_hard_links_earlier_versions_are_copied(tmp_path, monkeypatch):
    def refused(*_):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refused)
    for value in range(3):
        save(value, tmp_path / "file", keep=2)
    assert {path.name: load(path) for path in tmp_path.iterdir()} == {"file": 2, "file.1": 1}


def test_a_full_disk_leaves_the_checkpoint_whole(tmp_path):
    """A limit on the size of files stands in for the end of the disk."""
    program = """
import resource, sys
import numpy as np
from autograd_nn import load, save
save(np.ones(100), "file", keep=2)
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
try:
    save(np.zeros(100_000), "file", keep=2)
except OSError as error:
    print(error)
print(load("file").sum())
"""
    command = [sys.executable, "-c", program]
    found = subprocess.run(command, cwd=tmp_path, env=ENVIRONMENT, capture_output=True, text=True)
    assert "cannot write the file (File too large); what was there is unchanged: 'file'" in found.stdout, found.stderr
    assert found.stdout.endswith("100.0\n") and [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_folder_that_cannot_be_written(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"cannot write the file .*'.*nowhere/file'"):
        save(1, tmp_path / "nowhere" / "file")
    (tmp_path / "plain").write_bytes(b"")
    with pytest.raises(NotADirectoryError, match="what was there is unchanged"):
        save(1, tmp_path / "plain" / "file")
    tmp_path.chmod(0o555)
    try:
        if not os.access(tmp_path, os.W_OK):
            with pytest.raises(PermissionError, match="what was there is unchanged"):
                save(1, tmp_path / "file")
    finally:
        tmp_path.chmod(0o755)


def test_files_get_the_usual_rights_and_half_written_ones_are_removed(tmp_path):
    old, young = tmp_path / ".file.0123.partial", tmp_path / ".file.4567.partial"
    for path in (old, young):
        path.write_bytes(b"half")
    os.utime(old, (0, 0))
    mask = os.umask(0o027)
    try:
        save(1, tmp_path / "file")
    finally:
        os.umask(mask)
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o640
    assert {path.name for path in tmp_path.iterdir()} == {"file", young.name}


# ------------------------------------------------------------------------------------ damaged files


def entry(dtype="F32", shape=(2,), offsets=(0, 8)):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)}


@pytest.mark.parametrize(("header", "message"), [
    (b"[]", "not a JSON object"), (b"{", "not what the format wants"), (b"\xff", "not what the format wants"),
    (b"[" * 100_000, "nested too deeply"), (b'{"x":' + b"9" * 10_000 + b"}", "not what the format wants"),
    (b'{"x":1,"x":2}', "a name occurs twice"), ({"x": []}, "needs dtype, shape and data_offsets"),
    ({"x": entry("F8")}, "unknown dtype"), ({"x": entry(["F32"])}, "unknown dtype"),
    ({"x": entry(shape=(-2,))}, "not integers from 0"), ({"x": entry(shape=(2.0,))}, "not integers from 0"),
    ({"x": entry(shape=(True, 2))}, "not integers from 0"), ({"x": entry(shape=(2**63,))}, "not integers from 0"),
    ({"x": entry(shape=(2**40, 2**40), offsets=(0, 2**63 - 1))}, "larger than can be addressed"),
    ({"x": entry(shape=(0, 2**62, 2**62), offsets=(0, 0))}, "larger than can be addressed"),
    ({"x": entry(shape=(1,) * 70)}, "70 axes"), ({"x": entry(offsets=(0, 4, 8))}, "3 offsets"),
    ({"x": entry(shape=(3,))}, r"has the shape \[3\] but takes 8 bytes"),
    ({"x": entry(offsets=(4, 12))}, "overlap or leave a gap"),
    ({"x": entry(), "y": entry()}, "overlap or leave a gap"),
    ({"x": entry(shape=(2**38,), offsets=(0, 2**40))}, "but the file has 8"),
    ({"__metadata__": {"a": 1}, "x": entry()}, "metadata must be strings"),
    ({"__metadata__": [], "x": entry()}, "metadata must"),
    ({"__metadata__": {"crc32": "00000000"}, "x": entry()}, "it is damaged: its checksum"),
    ({"x": entry("BOOL", (8,))}, "other values than 0 and 1"),
])  # fmt: skip
def test_headers_that_are_refused(tmp_path, header, message):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    (tmp_path / "file").write_bytes(len(text).to_bytes(8, "little") + text + b"12345678")
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match=message):
            load(tmp_path / "file")
        assert tracemalloc.get_traced_memory()[1] < 2**22
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("structure", [
    '{"tensor":"y"}', "{}", '{"dict":[[[],1]]}', '{"dict":3}', '{"odd":1}', '{"float":"x"}', "{", '{"tensor":["x"]}',
    "[" * 100_000, '{"tuple":1}',
])  # fmt: skip
def test_damaged_structures_are_refused(tmp_path, structure):
    save_tensors(tmp_path / "file", {"x": tensor([1.0])}, {"autograd_nn": structure})
    with pytest.raises(ValueError, match=r"file is (damaged|not a whole)"):
        load(tmp_path / "file")


def test_a_run_saved_before_version_0_2_goes_on():
    """The file was written after two epochs, by commit a2206b2, which then found the losses below."""
    ag.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.2), nn.Linear(16, 3))
    optimizer = optim.AdamW(model.parameters(), lr=0.1)
    scheduler = optim.lr_scheduler.StepLR(optimizer, step_size=1, gamma=0.7)
    rows = np.random.default_rng(0).standard_normal((48, 6)).astype(np.float32)
    labels = tensor(rows[:, :3].argmax(1))
    loader = ag.data.DataLoader(ag.data.TensorDataset(tensor(rows), labels), batch_size=16, shuffle=True)
    path = pathlib.Path(__file__).with_name("checkpoint_before_0.2.safetensors")
    extra = load_checkpoint(path, model=model, optimizer=optimizer, scheduler=scheduler, loader=loader)
    assert extra == {"epoch": 2}
    losses = []
    for _ in range(2):
        for x, y in loader:
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        scheduler.step()
    assert losses == pytest.approx([0.820342, 0.593661, 0.604799, 0.710837, 0.560460, 0.455979], abs=2e-6)
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.02 * 0.7**4)
