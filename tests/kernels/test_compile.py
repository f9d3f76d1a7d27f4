import os
import pathlib
import shutil
import subprocess
import sys
import threading

import numpy as np
import pytest

from autograd_nn.kernels import compile as compiling
from autograd_nn.kernels import elementwise, optim
from tests.robustness.threads import environment, is_available

ROOT = pathlib.Path(__file__).parents[2]
LINUX = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs fork and file modes")

STEP = """
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
        env=inherited | {"PYTHONPATH": str(root)} | environment,
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
    for name in ("__init__.py", "annotations.py", "compile.py", "linking.py", "memory.py", "optim.py"):
        shutil.copy(ROOT / "autograd_nn" / "kernels" / name, package)
    cache = {"NUMBA_CACHE_DIR": str(tmp_path / "cache")}
    first, _ = run(STEP, tmp_path, **cache)
    assert first.startswith("0.5 ['optim._sgd']") and str(tmp_path / "cache" / "autograd_nn") in first
    second, _ = run(STEP, tmp_path, **cache)
    assert second.startswith("0.5 []")
    with open(package / "memory.py", "a") as file:
        file.write("\n# An edit in a file that the kernel does not live in.\n")
    third, _ = run(STEP, tmp_path, **cache)
    assert third.startswith("0.5 ['optim._sgd']")
    assert len(list((tmp_path / "cache" / "autograd_nn").iterdir())) == 2


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
    monkeypatch.setattr(compiling.config, "CACHE_DIR", str(tmp_path))
    assert not compiling._writable_folder().startswith(str(tmp_path))
    shared.chmod(0o755)
    assert compiling._writable_folder().startswith(str(tmp_path))


def test_old_versions_are_forgotten(tmp_path, monkeypatch):
    monkeypatch.setattr(compiling.config, "CACHE_DIR", str(tmp_path))
    parent = tmp_path / "autograd_nn"
    for age in range(15):
        folder = parent / f"{age:020x}"
        folder.mkdir(parents=True)
        (folder / "code").touch()
        os.utime(folder, (1e9 - age, 1e9 - age))
    (parent / "not ours").mkdir()
    current = pathlib.Path(compiling._writable_folder())
    kept = {f"{age:020x}" for age in range(compiling.KEPT - 1)} | {current.name, "not ours"}
    assert {path.name for path in parent.iterdir()} == kept


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
    impatient = STEP.replace("compiled = []", "compile.PATIENCE = 0.0; compiled = []")
    impatient += "\noptim.adam_step(p, g, g.copy(), g.copy(), lr=0.1, step=1)"
    _, err = run(impatient, NUMBA_CACHE_DIR=str(tmp_path / "b"))
    assert err.count("compiling kernels for this processor, once") == 1
    _, err = run(impatient, NUMBA_CACHE_DIR=str(tmp_path / "b"))
    assert err == ""


def test_kernels_run_as_plain_python():
    program = """
import numpy as np
from autograd_nn.kernels import compile, elementwise, loss, norm, optim, pool
compile.SERIAL_BELOW = elementwise.SMALL = 0
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
import numpy as np
from autograd_nn.kernels import compile, optim
from autograd_nn.kernels.compile import chunked
compile.set_num_threads(2)
p, g = np.ones((2, 100_000), np.float32)
optim.sgd_step(p, g, lr=0.5)
print(p[0], p[-1])
try:
    optim._sgd(2, p, g[:50], 0.5, 0.0, 1.0)
except IndexError as error:
    print(error)
"""
    out, _ = run(program, AUTOGRAD_NN_BOUNDSCHECK="1")
    assert out == "0.5 0.5\nindex is out of bounds"


FORK = """
import os, sys
import numpy as np
from autograd_nn.kernels import compile, elementwise
compile.set_num_threads(2)
x = np.random.default_rng(0).standard_normal(200_000).astype(np.float32)
expected = elementwise.add_relu(x, x)
for _ in range(3):
    child = os.fork()
    if child == 0:
        same = np.array_equal(elementwise.add_relu(x, x), expected)
        fresh = np.array_equal(elementwise.sigmoid(x[:1000]), elementwise.sigmoid(x)[:1000])
        os._exit(0 if same and fresh else 1)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
print(np.array_equal(elementwise.add_relu(x, x), expected))
"""

THREADS = """
import threading
import numpy as np
from autograd_nn.kernels import compile, elementwise, optim
compile.set_num_threads(2)
x = np.random.default_rng(0).standard_normal(100_000).astype(np.float32)
expected = elementwise.add_relu(x, x)
wrong = []
def work():
    for _ in range(30):
        if not np.array_equal(elementwise.add_relu(x, x), expected):
            wrong.append(1)
        p, m, v = x.copy(), np.zeros_like(x), np.zeros_like(x)
        optim.adam_step(p, x, m, v, lr=0.1, step=1)
workers = [threading.Thread(target=work) for _ in range(4)]
[worker.start() for worker in workers]
[worker.join() for worker in workers]
import numba
print(wrong, numba.threading_layer())
"""


def on_layer(layer, program):
    """Run a program under a threading layer of Numba's; skip the test where Numba cannot load it."""
    if layer == "default":
        return run(program, NUMBA_NUM_THREADS="2")
    if not is_available(layer):
        pytest.skip(f"Numba cannot load the threading layer {layer}")
    return run(program, NUMBA_NUM_THREADS="2", **environment(layer))


@LINUX
@pytest.mark.parametrize("layer", ["omp", "workqueue", "tbb"])
def test_forked_children_run_kernels(layer):
    out, _ = on_layer(layer, FORK)
    assert out == "0\n0\n0\nTrue"


@pytest.mark.parametrize("layer", ["default", "workqueue", "tbb"])
def test_python_threads_may_run_kernels_at_once(layer):
    out, _ = on_layer(layer, THREADS)
    assert out.startswith("[]") and (layer == "default" or out.endswith(layer))


def test_more_threads_than_processors(threads):
    x = np.random.default_rng(0).standard_normal(10_001).astype(np.float32)
    results = []
    for count in (1, 2, 3, 7, 64, 1000):
        threads(count)
        p, m, v = x.copy(), np.zeros_like(x), np.zeros_like(x)
        optim.adam_step(p, x, m, v, lr=0.1, step=1)
        results.append(p)
    assert compiling.get_num_threads() == 1000
    for result in results[1:]:
        np.testing.assert_array_equal(result, results[0])


def test_set_num_threads_refuses_none():
    with pytest.raises(ValueError, match=r"set_num_threads\(\): count must be at least 1 \(count=0\)"):
        compiling.set_num_threads(0)


def test_serial_kernels_take_no_lock():
    p, g = np.ones((2, 10), np.float32)
    done = threading.Event()

    def step():
        optim.sgd_step(p, g, lr=0.5)
        done.set()

    with compiling._launch:
        threading.Thread(target=step).start()
        assert done.wait(30)


@pytest.mark.parametrize("folder", ["", "relative"])
def test_a_cache_folder_that_is_not_absolute_is_ignored(folder, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", folder)
    assert all(os.path.isabs(path) for path in compiling._candidate_folders())


@pytest.mark.parametrize("setting", [None, "77"])
def test_waiting_threads_sleep_soon_unless_told_otherwise(setting):
    program = """
import os
from autograd_nn.kernels import compile
before = dict(os.environ)
compile._start_pool()
assert dict(os.environ) == before
"""
    given = {} if setting is None else {"GOMP_SPINCOUNT": setting}
    shown = run(program, NUMBA_NUM_THREADS="2", OMP_DISPLAY_ENV="VERBOSE", **given)[1]
    if "GOMP_SPINCOUNT" not in shown:
        pytest.skip("the pool is not GNU OpenMP's")
    assert f"GOMP_SPINCOUNT = '{setting or compiling.SPIN_COUNT}'" in shown


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
