"""Arrays from .npy and .npz files: mapped, flat in memory, nothing trusted."""

import subprocess
import sys
import textwrap
import zipfile

import numpy as np
import pytest

from autograd_nn.data import DataLoader, TensorDataset, load_arrays

X = np.arange(60, dtype=np.float32).reshape(10, 6)
Y = np.arange(10)


@pytest.mark.parametrize("order", ["C", "F"])
def test_npy_is_mapped(tmp_path, order):
    np.save(tmp_path / "x.npy", np.asarray(X, order=order))
    x = load_arrays(tmp_path / "x.npy")
    assert isinstance(x, np.memmap) and not x.flags.writeable
    np.testing.assert_array_equal(x, X)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_npz(tmp_path, save):
    save(tmp_path / "set.npz", x=X, y=Y, f=np.asfortranarray(X), empty=np.zeros((0, 3)), scalar=np.float32(3))
    arrays = load_arrays(tmp_path / "set.npz")
    assert set(arrays) == {"x", "y", "f", "empty", "scalar"}
    for name, expected in (("x", X), ("y", Y), ("f", X), ("empty", np.zeros((0, 3))), ("scalar", np.float32(3))):
        np.testing.assert_array_equal(arrays[name], expected)
        assert arrays[name].dtype == expected.dtype
    assert isinstance(arrays["x"], np.memmap) == (save is np.savez)
    x, y = next(iter(DataLoader(TensorDataset(arrays["x"], arrays["y"]), 4, shuffle=True, seed=0)))
    np.testing.assert_array_equal(x.data[:, 0], y.data * 6)
    x.mul_(2)  # a batch is a copy
    np.testing.assert_array_equal(load_arrays(tmp_path / "set.npz")["x"], X)


def test_refuses(tmp_path):
    with pytest.raises(FileNotFoundError, match="no such file"):
        load_arrays(tmp_path / "none.npy")
    (tmp_path / "text.npy").write_text("no array")
    with pytest.raises(ValueError, match=r"text\.npy is damaged or no \.npy or \.npz file"):
        load_arrays(tmp_path / "text.npy")
    np.save(tmp_path / "objects.npy", np.array([{}, None], dtype=object), allow_pickle=True)
    with pytest.raises(ValueError, match="pickled objects, which can run code"):
        load_arrays(tmp_path / "objects.npy")
    np.save(tmp_path / "cut.npy", X)
    (tmp_path / "cut.npy").write_bytes((tmp_path / "cut.npy").read_bytes()[:-5])
    with pytest.raises(ValueError, match=r"is truncated: expected 240 bytes for the shape \(10, 6\) of float32, "
                                         r"found 235"):
        load_arrays(tmp_path / "cut.npy")
    np.savez_compressed(tmp_path / "large.npz", x=np.zeros((1000, 1000)))
    with pytest.raises(ValueError, match="would take 8,000,000 bytes, more than max_bytes=1,000,000"):
        load_arrays(tmp_path / "large.npz", max_bytes=1_000_000)


def test_a_header_that_promises_more_than_the_file_has(tmp_path):
    text = b"{'descr': '<f8', 'fortran_order': False, 'shape': (99999999999, 9999), }"
    huge = b"\x93NUMPY\x01\x00v\x00" + text.ljust(117) + b"\n"
    (tmp_path / "huge.npy").write_bytes(huge + b"\0" * 64)
    with pytest.raises(ValueError, match="is truncated: expected"):
        load_arrays(tmp_path / "huge.npy")
    for kind in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        with zipfile.ZipFile(tmp_path / "huge.npz", "w", kind) as archive:
            archive.writestr("x.npy", huge + b"\0" * 64)
        with pytest.raises(ValueError, match=r"is truncated|would take"):
            load_arrays(tmp_path / "huge.npz")


def test_mutated_files_raise_value_errors_only(tmp_path):
    generator = np.random.default_rng(2)
    np.save(tmp_path / "x.npy", X)
    np.savez(tmp_path / "a.npz", x=X, y=Y)
    np.savez_compressed(tmp_path / "b.npz", x=X, y=Y)
    refused = 0
    for trial in range(300):
        name = ("x.npy", "a.npz", "b.npz")[trial % 3]
        data = bytearray((tmp_path / name).read_bytes())
        for place in generator.integers(0, len(data), 4):
            data[place] = generator.integers(0, 256)
        (tmp_path / f"damaged{name[1:]}").write_bytes(data)
        try:
            load_arrays(tmp_path / f"damaged{name[1:]}", max_bytes=10**6)
        except ValueError as error:
            refused += 1
            assert "load_arrays()" in str(error)
    assert refused > 50


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("kind", ["npy", "npz"])
def test_memory_stays_flat(tmp_path, kind):
    """An epoch over a file of 64 MB, shuffled, takes less than 16 MB of memory of its own."""
    code = f"""
        import numpy as np
        from autograd_nn.data import DataLoader, TensorDataset, WindowDataset, load_arrays

        def own():
            lines = open("/proc/self/status").read().split("\\n")
            return int(next(line for line in lines if line.startswith("RssAnon")).split()[1]) / 1024

        path = {str(tmp_path / f"large.{kind}")!r}
        rows = 16384
        if {kind == "npy"}:
            out = np.lib.format.open_memmap(path, "w+", np.float32, (rows, 1024))
            out[:, 0] = np.arange(rows)
            out.flush()
            del out
            arrays = load_arrays(path)
        else:
            np.savez(path, x=np.broadcast_to(np.arange(rows, dtype=np.float32)[:, None], (rows, 1024)))
            arrays = load_arrays(path)["x"]
        next(iter(DataLoader(TensorDataset(arrays, np.arange(rows)), 64, num_workers=2)))
        before, most = own(), 0
        for x, y in DataLoader(TensorDataset(arrays, np.arange(rows)), 64, shuffle=True, num_workers=2):
            assert (x.data[:, 0] == y.data).all()
            most = max(most, own())
        for x, y in DataLoader(WindowDataset(arrays, 32, stride=32), 8, shuffle=True):
            most = max(most, own())
        print(most - before)
    """
    run = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert float(run.stdout) < 16
