"""Kernels that come compiled with the wheel are used as they are, or not at all."""

import json
import os
import pathlib
import shutil
import subprocess
import sys

import pytest

from autograd_nn.kernels import compile as compiling
from autograd_nn.kernels import ship, warm
from autograd_nn.kernels.compile import shipped, target
from tests.kernels.test_compile import ROOT, run

COMPILED = pytest.mark.skipif(compiling.JIT_DISABLED, reason="nothing is compiled")
LEVEL = target.host_level()


def settings_for(level):
    return {"NUMBA_CPU_NAME": level, "NUMBA_CPU_FEATURES": "", "NUMBA_DISABLE_INTEL_SVML": "1"}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty folder for what was shipped, and a state as at the start of a process."""
    monkeypatch.setattr(shipped, "FOLDER", tmp_path)
    monkeypatch.setattr(shipped, "level", None)
    monkeypatch.setattr(shipped, "_contents", {})
    monkeypatch.setattr(shipped, "_reason", "")
    monkeypatch.setattr(shipped, "JIT_DISABLED", False)
    monkeypatch.setattr(shipped, "BOUNDSCHECK", False)
    monkeypatch.setattr(target, "is_named", lambda: False)
    monkeypatch.setattr(target, "host_level", lambda: "x86-64-v3")
    return tmp_path


def test_what_is_written_is_found(folder):
    shipped.write(folder, "x86-64-v2", {"a": b"other"})
    shipped.write(folder, "x86-64-v3", {"b": b"second", "a": b"first"})
    shipped._open()
    assert shipped.level == "x86-64-v3"
    assert (shipped.find("a"), shipped.find("b"), shipped.find("c")) == (b"first", b"second", None)
    assert shipped.identity() != ""


def test_the_highest_level_that_the_processor_has_is_used(folder, capsys, monkeypatch):
    shipped.write(folder, "x86-64-v2", {"a": b"2"})
    shipped.write(folder, "x86-64-v4", {"a": b"4"})
    shipped._open()
    assert shipped.level == "x86-64-v2" and shipped.find("a") == b"2"
    shipped.tell()
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("own", ["x86-64", None])
def test_a_processor_of_no_level_compiles_and_says_so_once(folder, capsys, monkeypatch, own):
    shipped.write(folder, "x86-64-v3", {"a": b"3"})
    monkeypatch.setattr(target, "host_level", lambda: own)
    shipped._open()
    assert shipped.level is None and shipped.find("a") is None
    shipped.tell()
    shipped.tell()
    line = "the kernels that came with the package cannot be used (they are for processors of the levels x86-64-v3)"
    assert capsys.readouterr().err == f"autograd_nn: {line}; compiling instead\n"


@pytest.mark.parametrize("name", ["Python", "Numba", "llvmlite", "autograd_nn/kernels/compile"])
def test_other_versions_compile_and_say_which(folder, capsys, name):
    shipped.write(folder, "x86-64-v3", {"a": b"3"})
    table = json.loads((folder / "x86-64-v3.json").read_text())
    here = table["made_by"][name]
    table["made_by"][name] = "0.1"
    (folder / "x86-64-v3.json").write_text(json.dumps(table))
    shipped._open()
    assert shipped.level is None and shipped.find("a") is None
    shipped.tell()
    assert f"(made with {name} 0.1, here {here})" in capsys.readouterr().err


@pytest.mark.parametrize("damage", ["{", "[]", '{"made_by": {}}', '{"made_by": {}, "code": {"a": [1]}}', None])
def test_a_damaged_table_of_contents_is_not_used(folder, capsys, damage):
    shipped.write(folder, "x86-64-v3", {"a": b"3"})
    if damage is None:
        (folder / "x86-64-v3.bin").unlink()
    else:
        (folder / "x86-64-v3.json").write_text(damage)
    shipped._open()
    assert shipped.level is None and shipped.find("a") is None
    shipped.tell()
    assert "(x86-64-v3.json or .bin is damaged)" in capsys.readouterr().err


def test_damaged_code_is_not_used(folder, capsys):
    shipped.write(folder, "x86-64-v3", {"a": b"first", "b": b"second"})
    shipped._open()
    (folder / "x86-64-v3.bin").write_bytes(b"FirstSECOND")
    assert shipped.find("a") is None and shipped.find("b") is None
    shipped.tell()
    assert capsys.readouterr().err.count("(x86-64-v3.bin is damaged)") == 1


@pytest.mark.parametrize("setting", ["is_named", "BOUNDSCHECK", "JIT_DISABLED"])
def test_who_asks_for_other_code_gets_it_without_a_word(folder, capsys, monkeypatch, setting):
    shipped.write(folder, "x86-64-v3", {"a": b"3"})
    if setting == "is_named":
        monkeypatch.setattr(target, "is_named", lambda: True)
    else:
        monkeypatch.setattr(shipped, setting, True)
    shipped._open()
    assert shipped.level is None and shipped.find("a") is None
    shipped.tell()
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("name, features, size", [
    ("x86-64-v2", "", 16), ("x86-64-v3", "", 32), ("x86-64-v4", "", 64), ("generic", "", 16),
    ("x86-64-v3", "-avx2", 16), ("x86-64", "+avx2,+fma", 32),
])  # fmt: skip
def test_registers_are_those_of_the_processor_that_code_is_made_for(monkeypatch, name, features, size):
    monkeypatch.setattr(target.config, "CPU_NAME", name)
    monkeypatch.setattr(target.config, "CPU_FEATURES", features)
    assert target.vector_bytes() == size


def test_a_level_has_the_features_of_the_lower_ones():
    assert target.features_of("x86-64-v2") < target.features_of("x86-64-v3") < target.features_of("x86-64-v4")
    assert target.vector_bytes("x86-64-v3") == 32 and target.vector_bytes("x86-64-v4") == 64


def test_code_is_shipped_only_for_the_level_that_is_compiled_for(tmp_path, monkeypatch):
    monkeypatch.setattr(target.config, "CPU_NAME", "x86-64-v2")
    monkeypatch.setattr(target.config, "CPU_FEATURES", "")
    with pytest.raises(ValueError, match=r"ship\(\): .*level=x86-64-v3"):
        ship.ship("x86-64-v3", tmp_path)


@COMPILED
def test_nothing_runs_while_code_is_made_for_other_processors():
    call = compiling.Chunked.__call__
    with ship.compiled_only():
        p, g = (warm._ones(8) for _ in range(2))
        warm.optim.sgd_step(p, g, lr=0.5)
        assert (p == 1).all()
    assert compiling.Chunked.__call__ is call
    warm.optim.sgd_step(p, g, lr=0.5)
    assert (p == 0.5).all()


STEP = """
import numpy as np
from autograd_nn.kernels import compile, gemm, optim
compiled = []
compile.compile_hooks.append(lambda name, seconds: compiled.append(name))
p, g, m, v = np.random.default_rng(0).random((4, 1001), dtype=np.float32)
optim.adam_step(p, g, m, v, lr=0.1, step=1)
optim.sgd_step(p, g, lr=0.1)
print(p.tobytes().hex(), sorted(set(compiled)), compile.shipped.level, compile.VECTOR_BYTES)
"""
SHIP = """
import pathlib, sys
from autograd_nn.kernels import ship, warm
ship.ship(sys.argv[1], pathlib.Path(sys.argv[2]), (warm._adam, warm._sgd))
"""


@COMPILED
@pytest.mark.slow
@pytest.mark.skipif(LEVEL is None, reason="kernels are shipped for x86-64")
def test_shipped_kernels_run_where_nothing_was_compiled(tmp_path):
    package = tmp_path / "autograd_nn"
    skipped = shutil.ignore_patterns("__pycache__", "shipped")
    shutil.copytree(ROOT / "autograd_nn" / "kernels", package / "kernels", ignore=skipped)
    (package / "__init__.py").touch()
    where = package / "kernels" / "shipped"
    environment = os.environ | settings_for(LEVEL) | {
        "PYTHONPATH": str(tmp_path), "NUMBA_CACHE_DIR": str(tmp_path / "made"), "AUTOGRAD_NN_AHEAD": "0"}
    subprocess.run([sys.executable, "-c", SHIP, LEVEL, where], env=environment, cwd=tmp_path, check=True)
    assert sum(path.stat().st_size for path in where.iterdir()) < 500_000

    empty = tmp_path / "empty"
    out, err = run(STEP, tmp_path, NUMBA_CACHE_DIR=str(empty))
    bits, told = out.split(" ", 1)
    assert told == f"[] {LEVEL} {target.vector_bytes(LEVEL)}" and err == ""
    assert not [path for path in empty.rglob("*") if path.is_file()]
    # A cache folder that cannot be written takes nothing away.
    out, _ = run("import tempfile; tempfile.tempdir = '/proc/none'\n" + STEP, tmp_path, XDG_CACHE_HOME="/proc/none",
                 HOME="/proc/none")  # fmt: skip
    assert out == f"{bits} {told}"

    compiled = "['optim._adam', 'optim._sgd']"
    out, _ = run(STEP, tmp_path, NUMBA_CACHE_DIR=str(tmp_path / "anew"), **settings_for(LEVEL))
    assert out == f"{bits} {compiled} None {target.vector_bytes(LEVEL)}", "the same bits as compiled for that level"

    table, code = where / f"{LEVEL}.json", where / f"{LEVEL}.bin"
    before = code.read_bytes()
    code.write_bytes(bytes(len(before)))
    out, err = run(STEP, tmp_path, NUMBA_CACHE_DIR=str(tmp_path / "damaged"))
    assert out.split(" ", 1)[1].startswith(f"{compiled} {LEVEL}")
    refused = "autograd_nn: the kernels that came with the package cannot be used"
    assert err.startswith(f"{refused} ({LEVEL}.bin is damaged); compiling instead\n") and err.count(refused) == 1

    code.write_bytes(before)
    table.write_text(table.read_text().replace('"Numba": "', '"Numba": "0.'))
    out, err = run(STEP, tmp_path, NUMBA_CACHE_DIR=str(tmp_path / "other"))
    assert out.split(" ", 1)[1].startswith(f"{compiled} None")
    assert err.startswith(f"{refused} (made with Numba 0.") and err.count(refused) == 1
    out, err = run(STEP, tmp_path, NUMBA_CACHE_DIR=str(tmp_path / "other"))
    assert "[] None" in out and err == "", "who compiles nothing need not know why"


def test_the_build_of_the_wheel_asks_for_what_it_is_given():
    pytest.importorskip("setuptools.command.bdist_wheel")  # that of pyproject.toml has it
    done = subprocess.run([sys.executable, "setup.py", "--version"], cwd=ROOT, capture_output=True, text=True,
                          env=os.environ | {"AUTOGRAD_NN_WHEEL": "fast"})  # fmt: skip
    assert "AUTOGRAD_NN_WHEEL: expects pure or compiled (AUTOGRAD_NN_WHEEL=fast)" in done.stderr
    assert pathlib.Path(ROOT / "setup.py").is_file()
