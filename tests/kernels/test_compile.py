import operator
import os
import pathlib
import shutil
import subprocess
import sys

import numba
import numpy as np
import pytest

from autograd_nn.kernels import compile as compiling
from autograd_nn.kernels import elementwise, operations

ROOT = pathlib.Path(__file__).parents[2]
LINUX = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs fork and file modes")

STEP = """
import numba
import numpy as np
from autograd_nn.kernels import compile, optim
compiled = []
compile.compile_hooks.append(lambda name, seconds: compiled.append(name))
p, g = np.ones((2, 10), np.float32)
optim.sgd_step(p, g, lr=0.5)
print(p[0], compiled, compile.cache_folder)
"""


def run(program, root=ROOT, **environment):
    """Run a program in a fresh process and return what it printed to stdout and stderr."""
    inherited = {key: value for key, value in os.environ.items() if not key.startswith(("NUMBA_", "AUTOGRAD_NN_"))}
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=inherited | {"PYTHONPATH": str(root), "AUTOGRAD_NN_AHEAD": "0"} | environment,
        cwd=root,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip(), done.stderr


def test_a_fresh_process_finds_the_cache_and_an_edit_elsewhere_makes_a_new_one(tmp_path):
    package = tmp_path / "autograd_nn" / "kernels"
    package.mkdir(parents=True)
    (package.parent / "__init__.py").touch()
    (package / "__init__.py").touch()
    for name in ("addresses.py", "annotations.py", "by_numpy.py", "memory.py", "optim.py"):
        shutil.copy(ROOT / "autograd_nn" / "kernels" / name, package)
    shutil.copytree(ROOT / "autograd_nn" / "kernels" / "compile", package / "compile")
    cache = {"NUMBA_CACHE_DIR": str(tmp_path / "cache")}
    first, _ = run(STEP, tmp_path, **cache)
    assert first.startswith("0.5 ['optim._sgd']") and str(tmp_path / "cache" / "autograd_nn") in first
    second, _ = run(STEP, tmp_path, **cache)
    assert second.startswith("0.5 []")
    with open(package / "addresses.py", "a") as file:
        file.write("\n# An edit in a file that the kernel does not live in.\n")
    third, _ = run(STEP, tmp_path, **cache)
    assert third.startswith("0.5 ['optim._sgd']")
    assert len(list((tmp_path / "cache" / "autograd_nn").glob("*/optim-*"))) == 2


def test_a_damaged_cache_is_compiled_anew(tmp_path):
    run(STEP, NUMBA_CACHE_DIR=str(tmp_path))
    damaged = [path for path in tmp_path.rglob("*") if path.suffix in (".nbi", ".nbc")]
    for path in damaged:
        path.write_bytes(b"garbage")
    out, _ = run(STEP, NUMBA_CACHE_DIR=str(tmp_path))
    assert damaged and out.startswith("0.5 ['optim._sgd']")


def test_the_cache_lies_in_the_users_cache_folder(tmp_path):
    out, _ = run("from autograd_nn.kernels import compile; print(compile.cache_folder)", XDG_CACHE_HOME=str(tmp_path))
    if sys.platform.startswith("linux"):
        assert out.startswith(str(tmp_path / "autograd_nn"))


@LINUX
def test_unwritable_folders_fall_back_to_the_temporary_one_and_to_none(tmp_path):
    blocked, temporary = tmp_path / "file", tmp_path / "temporary"
    blocked.touch()
    temporary.mkdir()
    # A path below a file cannot become a folder, not even for the superuser.
    unwritable = {"XDG_CACHE_HOME": str(blocked / "a"), "HOME": str(blocked / "b")}
    out, _ = run(STEP, **unwritable, TMPDIR=str(temporary))
    assert out.startswith("0.5 ['optim._sgd']") and str(temporary) in out
    program = "import tempfile; tempfile.tempdir = " + repr(str(blocked / "c")) + STEP
    out, _ = run(program, **unwritable)
    assert out == "0.5 ['optim._sgd'] None"


@LINUX
def test_a_cache_folder_that_others_can_write_is_refused(tmp_path, monkeypatch):
    shared = tmp_path / "autograd_nn"
    shared.mkdir()
    shared.chmod(0o777)
    monkeypatch.setattr(compiling.options.config, "CACHE_DIR", str(tmp_path))
    assert not compiling.cache._writable_folder().startswith(str(tmp_path))
    shared.chmod(0o755)
    assert compiling.cache._writable_folder().startswith(str(tmp_path))


def test_old_versions_are_forgotten(tmp_path, monkeypatch):
    monkeypatch.setattr(compiling.options.config, "CACHE_DIR", str(tmp_path))
    parent = tmp_path / "autograd_nn"
    for age in range(15):
        folder = parent / f"{age:020x}"
        folder.mkdir(parents=True)
        (folder / "code").touch()
        os.utime(folder, (1e9 - age, 1e9 - age))
    (parent / "not ours").mkdir()
    current = pathlib.Path(compiling.cache._writable_folder())
    kept = {f"{age:020x}" for age in range(compiling.cache.KEPT - 1)} | {current.name, "not ours"}
    assert {path.name for path in parent.iterdir()} == kept


def test_a_module_is_compiled_again_when_it_or_one_that_it_imports_changes_and_only_then(tmp_path, monkeypatch):
    kernels = tmp_path / "autograd_nn" / "kernels"
    shutil.copytree(compiling.cache.KERNELS, kernels, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(compiling.cache, "KERNELS", kernels)
    modules = ["gemm", "conv.direct", "conv.winograd.passes", "recurrent", "pool", "optim", "softmax", "operations", ""]

    def changed_by(path):
        compiling.cache._imports.cache_clear()
        before = {module: compiling.cache._module_folder(module) for module in modules}
        with open(kernels / path, "a") as file:
            file.write("# a change\n")
        return [module for module in modules if compiling.cache._module_folder(module) != before[module]]

    assert changed_by("optim.py") == ["optim", ""]
    assert changed_by("gemm.py") == ["gemm", "recurrent", ""]
    assert changed_by("tile.py") == [
        "gemm", "conv.direct", "conv.winograd.passes", "recurrent", "softmax", "operations", "",
    ]  # fmt: skip
    assert changed_by("conv/winograd/transforms.py") == ["conv.winograd.passes", ""]
    assert changed_by("functions.py") == ["recurrent", "softmax", "operations", ""]
    assert changed_by("operations.py") == ["operations", ""]
    compiling.cache._imports.cache_clear()


def test_the_kernel_of_a_pass_is_stale_when_the_module_that_declares_it_changes():
    assert operations.GELU_TANH.home[0] == operations.__name__
    assert operations.GELU_TANH.kernel.python.__module__ == operations.__name__


def test_the_users_own_functions_keep_numbas_settings():
    out, _ = run(
        "import numba; before = dict(vars(numba.config)); from autograd_nn.kernels import optim, pool\n"
        "changed = [key for key, value in vars(numba.config).items() if before.get(key) is not value]\n"
        "print(changed, numba.get_num_threads() == numba.config.NUMBA_NUM_THREADS)"
    )
    assert out == "[] True"


def test_verbose_names_each_kernel_and_patience_is_told_once(tmp_path):
    _, err = run(STEP, NUMBA_CACHE_DIR=str(tmp_path / "a"), AUTOGRAD_NN_VERBOSE="1")
    assert "autograd_nn: compiled optim._sgd in " in err
    impatient = STEP.replace("compiled = []", "compile.progress.PATIENCE = 0.0; compiled = []")
    impatient += "\noptim.adam_step(p, g, g.copy(), g.copy(), lr=0.1, step=1)"
    _, err = run(impatient, NUMBA_CACHE_DIR=str(tmp_path / "b"))
    assert err.count("compiling kernels for this processor, once") == 1
    _, err = run(impatient, NUMBA_CACHE_DIR=str(tmp_path / "b"))
    assert err == ""


def test_kernels_run_as_plain_python():
    program = """
import numba
import numpy as np
from autograd_nn.kernels import compile, elementwise, loss, norm, optim, pool
compile.count.SERIAL_BELOW = elementwise.SMALL = 0
compile.set_num_threads(3)
x = np.random.default_rng(0).standard_normal((2, 3, 5, 6)).astype(np.float32)
for kernel in ((2, 2), (3, 3)):
    out, index = pool.max_pool2d(x, kernel=kernel, stride=(2, 2), padding=(1, 1))
    pool.max_pool2d_put(out, index, size=(5, 6), kernel=kernel, stride=(2, 2), padding=(1, 1))
    pool.avg_pool2d(x, kernel=kernel, stride=(2, 2), padding=(1, 1))
pool.adaptive_max_pool2d(x, size=(2, 2)), pool.adaptive_avg_pool2d(x, size=(2, 2))
out, mean, rstd = norm.batch_norm(x, None, None, eps=1e-5)
norm.batch_norm_input(x, x, None, mean, rstd)
assert abs(out.mean()) < 1e-6
rows = x.reshape(6, -1)
losses, lse = loss.cross_entropy(rows, np.arange(6))
assert np.allclose(lse, np.log(np.exp(rows).sum(axis=1)), atol=1e-6)
assert loss.cross_entropy_input(losses, rows, np.arange(6), lse).dtype == np.float32
assert np.allclose(loss.softmax(rows).sum(axis=1), 1)
elementwise.relu(x), elementwise.erf(x), elementwise.sigmoid(x)
_, mask = elementwise.dropout(x, p=0.4, seed=7)
print(mask.tobytes().hex())
p, g = x[0].copy(), x[1].copy()
optim.adam_step(p, g, np.zeros_like(p), np.zeros_like(p), lr=0.1, step=1)
"""
    out, err = run(program, NUMBA_DISABLE_JIT="1")
    assert "Error" not in err
    mask = elementwise.dropout(np.ones((2, 3, 5, 6), np.float32), p=0.4, seed=7)[1]
    assert out == mask.tobytes().hex()


def test_bounds_are_checked_on_demand():
    program = """
import numba
import numpy as np
from autograd_nn.kernels import compile, elementwise, optim
compile.set_num_threads(2)
p, g = np.ones((2, 100_000), np.float32)
optim.sgd_step(p, g, lr=0.5)
print(p[0], p[-1])
try:
    optim.sgd_step(p, g[:50], lr=0.5)
except (TypeError, ValueError):
    print("refused")

try:
    elementwise._add_relu(2, p, g[:50], p)
except IndexError as error:
    print(error)
"""
    out, _ = run(program, AUTOGRAD_NN_BOUNDSCHECK="1")
    assert out == "0.5 0.5\nrefused\nindex is out of bounds"


@pytest.mark.parametrize("folder", ["", "relative"])
def test_a_cache_folder_that_is_not_absolute_is_ignored(folder, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", folder)
    assert all(os.path.isabs(path) for path in compiling.cache._candidate_folders())


def test_a_function_without_a_module_compiles_beside_ours():
    program = """
import numba
from autograd_nn.kernels import compile
scope = {}
exec("def twice(x): return 2 * x", scope)
scope["twice"].__module__ = None
print(numba.njit(scope["twice"])(21))
"""
    out, _ = run(program)
    assert out == "42"


def test_helpers_stay_unfinished_for_kernels_and_can_be_called_from_python():
    @compiling.jit
    def half_of(values, at):
        return values[at] / 2

    @compiling.chunked
    def halve(t, threads, values):
        for i in range(t, len(values), threads):
            values[i] = half_of(values, i)

    values = np.array([2.0, 3.0, 5.0], np.float32)
    assert half_of(values, 1) == 1.5
    halve(1, values)
    np.testing.assert_array_equal(values, [1, 1.5, 2.5])
    assert half_of(values, 2) == 1.25
    if not compiling.JIT_DISABLED:
        assert half_of.nopython_signatures, "the kernel has compiled its helper"


def test_no_chunk_is_no_work():
    """As where the number of threads is bound by that of rows, and there are none."""
    program = """
import numba
import numpy as np
from autograd_nn.kernels import optim
optim._sgd(0, np.zeros(0, np.float32), np.zeros(0, np.float32), 0.1, 0.0, 1.0)
print("alive")
"""
    assert run(program)[0] == "alive"


@pytest.mark.skipif(compiling.JIT_DISABLED, reason="nothing is compiled")
def test_how_operators_apply_is_remembered_while_kernels_compile_and_only_then():
    from numba import types
    from numba.core.registry import cpu_target

    from autograd_nn.kernels.compile.resolving import BaseFunction, remembering

    context, method = cpu_target.typing_context, BaseFunction.get_call_type
    context.refresh()
    add, size = (context.resolve_value_type(function) for function in (operator.add, len))
    pairs = [(types.int64, types.float32), (types.int64, types.int64), (types.IntegerLiteral(1), types.uint64)]
    with remembering():
        first = [add.get_call_type(context, pair, {}) for pair in pairs]
        again = [add.get_call_type(context, pair, {}) for pair in pairs]
        assert all(one is other for one, other in zip(first, again, strict=True))
        row = (types.float32[::1],)
        assert size.get_call_type(context, row, {}) is not size.get_call_type(context, row, {})  # no operator
        with pytest.raises(numba.TypingError):
            add.get_call_type(context, (types.int64, types.none), {})
    assert BaseFunction.get_call_type is method
    assert first == [add.get_call_type(context, pair, {}) for pair in pairs]
