"""The thread pool: every chunk once, errors, nesting, Python threads, forks, exit, interrupts, limits, bits."""

import os
import pathlib
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from autograd_nn.kernels import compile as compiling
from autograd_nn.kernels import elementwise, gemm, optim
from autograd_nn.kernels.compile import chunked, count, numba_threads
from autograd_nn.kernels.compile import threads as pool
from tests.kernels import hammer
from tests.kernels.test_compile import LINUX, ROOT, run
from tests.robustness.threads import environment, is_available

OWN = pytest.mark.skipif(count.pool is not pool or compiling.JIT_DISABLED, reason="the pool is Numba's, or none")
HAMMER = "from tests.kernels.hammer import main; main()"
POOLS = ["own", "numba"] if pool.is_supported() else ["numba"]


def hammered(*arguments, **environment):
    """Run the hammer in a fresh process; return its words."""
    done = subprocess.run(
        [sys.executable, "-c", HAMMER, *map(str, arguments)],
        env=os.environ | environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )
    told = [line for line in done.stderr.splitlines() if not line.startswith("autograd_nn: compiling kernels")]
    assert done.returncode == 0 and not told, done.stdout + done.stderr
    return done.stdout.split()


@pytest.fixture
def workers(monkeypatch):
    """Return a function that lets kernels have so many workers, whatever the number of processors."""
    return lambda number: monkeypatch.setattr(count, "_most", 1 if compiling.JIT_DISABLED else number)


# ----------------------------------------------------------------------------------------------- stress


@pytest.mark.parametrize("number", ["2", pytest.param("8", marks=pytest.mark.slow)])
@pytest.mark.parametrize("whose", POOLS)
def test_hammered_from_four_python_threads_and_forked_children(whose, number):
    forks = 3 if hasattr(os, "fork") else 0
    words = hammered("--seconds", 1, "--python-threads", 4, "--forks", forks, "--abandon",
                     AUTOGRAD_NN_POOL=whose, NUMBA_NUM_THREADS=number)  # fmt: skip
    assert words[1] == ("threads" if whose == "own" else "numba_threads")
    if whose == "own":
        by_workers = list(map(int, words[words.index("workers") + 1 :]))
        assert len(by_workers) == int(number) - 1 and sum(by_workers) > 0


@OWN
@pytest.mark.parametrize("number", [1, 2, 3, 8])
def test_each_chunk_runs_once(number, workers):
    workers(number)
    for chunks in (1, 2, 3, 8, 64):
        slots = np.zeros(64, np.int64)
        hammer.counted(chunks, slots, 1000)
        hammer.check(slots, chunks)


@OWN
def test_many_workers_wake_in_a_chain_and_all_help(workers):
    workers(8)
    before, slots = [0] * 7, np.zeros(64, np.int64)
    end = time.monotonic() + 60
    while True:
        hammer.counted(64, slots, 100_000)
        after = hammer.done_by_workers()
        if len(after) >= 7 and all(after[:7]):
            break
        assert time.monotonic() < end, (before, after)
        time.sleep(0.01)


@OWN
def test_nested_calls_run_their_chunks_themselves(workers):
    workers(3)
    slots = np.zeros((6, 64), np.int64)
    hammer.nested(6, slots, 100)
    for row in slots:
        hammer.check(row, 4)


@OWN
def test_a_call_beside_another_python_threads_job_does_all_itself(workers):
    workers(2)
    slots = np.zeros(64, np.int64)
    hammer.counted(2, slots, 0)
    pool.word(pool.LOCK).value = 1  # as if another thread's job ran
    try:
        before = hammer.done_by_workers()
        slots[:] = 0
        hammer.counted(40, slots, 1000)
        hammer.check(slots, 40)
        assert hammer.done_by_workers() == before
    finally:
        pool.word(pool.LOCK).value = 0


# ------------------------------------------------------------------------------------- errors of chunks


@pytest.mark.parametrize("kind", hammer.ERRORS)
@pytest.mark.parametrize(("chunks", "first", "last"), [(1, 0, 0), (2, 0, 0), (2, 1, 1), (8, 3, 5), (8, 0, 7)])
@pytest.mark.parametrize("number", [1, 2, 8])
def test_the_error_of_a_chunk_reaches_the_caller(number, chunks, first, last, kind, workers):
    workers(number)
    slots = np.zeros(64, np.int64)
    with pytest.raises(hammer.ERRORS[kind]) as raised:
        hammer.failing(chunks, slots, first, last, kind)
    assert str(raised.value) == ["index is out of bounds", "division by zero", "('chunk', 7)", ""][kind]
    if not compiling.JIT_DISABLED:
        assert [*slots[:chunks]] == [int(not first <= t <= last) for t in range(chunks)]
    slots[:] = 0
    hammer.counted(chunks, slots, 0)  # the pool is as good as before
    hammer.check(slots, chunks)


@chunked
def _beyond(t, chunks, slots):
    slots[t + 60] = t


@pytest.mark.parametrize("whose", POOLS)
def test_an_index_out_of_bounds_in_a_chunk(whose):
    program = """
import numpy as np
from tests.kernels.test_threads import _beyond
try:
    _beyond(8, np.zeros(64))
except IndexError as error:
    print(error)
"""
    out, _ = run(program, AUTOGRAD_NN_BOUNDSCHECK="1", AUTOGRAD_NN_POOL=whose, NUMBA_NUM_THREADS="3")
    assert out == "index is out of bounds"


# ------------------------------------------------------------------------------------------- busy machine


@OWN
def test_no_wake_for_a_while_after_wakes_in_vain():
    words = [pool.word(word) for word in (pool.HELPED, pool.MISSES, pool.NEXT_WAKE, pool.BACKOFF)]
    before = [word.value for word in words]
    helped, misses, next_wake, backoff = words
    try:
        helped.value, misses.value, backoff.value = 0, 0, 10**15
        assert [pool.it_pays_to_wake() for _ in range(4)] == [True] * 4
        next_wake.value = 0
        assert pool.it_pays_to_wake()  # one more, then not for a million seconds
        assert not any(pool.it_pays_to_wake() for _ in range(3))
        helped.value = 1
        assert pool.it_pays_to_wake() and (helped.value, misses.value) == (0, 0)
    finally:
        for word, value in zip(words, before):
            word.value = value


@chunked
def _standing_still(t, chunks, caller, seen, moments):
    """In a worker, sleep as if another process had the processor; the caller is done at once."""
    if pool.thread() == caller:
        seen[0] += 1
        while pool.load(pool.REMAINING) > 0 and moments > 0:  # let the worker have the other chunk
            pool.pause()
            moments -= 1
    else:
        pool.sleep(pool.STOP, 0, 20_000_000)
        seen[1] = pool.processor()
        seen[2] = pool.load(pool.CALLER)


@OWN
@pytest.mark.skipif(len(getattr(os, "sched_getaffinity", lambda _: ())(0)) < 2, reason="needs two processors")
def test_the_caller_gives_its_processor_to_a_worker_that_stands_still_amid_a_chunk(workers):
    workers(2)
    moved = 0
    for _ in range(50):
        seen = np.array([0, -1, -2])
        _standing_still(2, threading.get_native_id(), seen, 10_000_000)
        moved += seen[0] == 1 and seen[1] == seen[2]
    assert moved > 10


@OWN
@LINUX
def test_workers_use_only_processors_of_the_mask():
    program = """
import os, threading
first = min(os.sched_getaffinity(0))
os.sched_setaffinity(0, {first})
import numpy as np
from autograd_nn.kernels import compile
from tests.kernels import hammer
assert compile.get_num_threads() == 1
compile.count._most = 4
for _ in range(200):
    slots = np.zeros(64, np.int64)
    hammer.counted(8, slots, 1000)
    hammer.check(slots, 8)
ids = [thread.native_id for thread in threading.enumerate() if thread.name == "autograd_nn"]
print(len(ids), all(os.sched_getaffinity(i) == {first} for i in ids))
"""
    inherited = {key: value for key, value in os.environ.items() if key != "NUMBA_NUM_THREADS"}
    done = subprocess.run([sys.executable, "-c", program], env=inherited, cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.strip() == "3 True", done.stderr


# ----------------------------------------------------------------------------------------- how many threads


def groups(folder, own, **files):
    """Write a tree of control groups and the file that names those of the process."""
    for path, text in files.items():
        path = folder / path.replace("__", "/").replace("_dot_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (folder / "own").write_text(own)
    return count._limit_of_groups(folder, folder / "own")


def test_limits_of_control_groups(tmp_path):
    second = {"cpu_dot_max": "max 100000", "a__cpu_dot_max": "250000 100000", "a__b__cpu_dot_max": "max 100000"}
    assert groups(tmp_path / "second", "0::/a/b\n", **second) == 2.5
    assert groups(tmp_path / "inside", "0::/not/mounted/here\n", cpu_dot_max="150000 100000") == 1.5
    assert groups(tmp_path / "free", "0::/\n", cpu_dot_max="max 100000") == np.inf
    first = {"cpu,cpuacct__a__cpu_dot_cfs_quota_us": "50000", "cpu,cpuacct__a__cpu_dot_cfs_period_us": "100000"}
    assert groups(tmp_path / "first", "4:cpu,cpuacct:/a\n3:memory:/b\n", **first) == 0.5
    unlimited = {"cpu__cpu_dot_cfs_quota_us": "-1", "cpu__cpu_dot_cfs_period_us": "100000"}
    assert groups(tmp_path / "unlimited", "1:cpu:/\n", **unlimited) == np.inf
    assert count._limit_of_groups(tmp_path, tmp_path / "missing") == np.inf


def test_the_default_obeys_the_environment_then_the_limits(monkeypatch):
    monkeypatch.setattr(count.config, "NUMBA_NUM_THREADS", 6)
    monkeypatch.setattr(count.os, "sched_getaffinity", lambda process: set(range(8)), raising=False)
    monkeypatch.setattr(count, "_limit_of_groups", lambda: 2.5)
    monkeypatch.setenv("NUMBA_NUM_THREADS", "6")
    assert count._default_count() == 6
    monkeypatch.delenv("NUMBA_NUM_THREADS")
    assert count._default_count() == 3
    monkeypatch.setattr(count, "_limit_of_groups", lambda: np.inf)
    assert count._default_count() == 6
    monkeypatch.setattr(count, "_limit_of_groups", lambda: 0.1)
    assert count._default_count() == 1


def test_numba_num_threads_is_the_number():
    out, _ = run("import autograd_nn.kernels.compile as c; print(c.get_num_threads())", NUMBA_NUM_THREADS="5")
    assert out == "5"


def test_set_num_threads_refuses_none():
    with pytest.raises(ValueError, match=r"set_num_threads\(\): count must be at least 1 \(count=0\)"):
        compiling.set_num_threads(0)


def test_more_threads_than_processors(threads):
    x = np.random.default_rng(0).standard_normal(10_001).astype(np.float32)
    results = []
    for number in (1, 2, 3, 7, 64, 1000):
        threads(number)
        p, m, v = x.copy(), np.zeros_like(x), np.zeros_like(x)
        optim.adam_step(p, x, m, v, lr=0.1, step=1)
        results.append(p)
    assert compiling.get_num_threads() == 1000
    for result in results[1:]:
        np.testing.assert_array_equal(result, results[0])


@OWN
def test_the_same_bits_for_any_number_of_threads_and_workers(threads, workers):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((301, 257)).astype(np.float32)
    w = rng.standard_normal((257, 129)).astype(np.float32)
    threads(1)

    def results():
        out = np.empty((len(x), w.shape[1]), np.float32)
        gemm.multiply(x, w, out)
        return out, elementwise.sigmoid(x), elementwise.erf(x)

    expected = results()
    for number in (2, 3, 8):
        workers(number)
        threads(number)
        for _ in range(10):
            for found, value in zip(results(), expected):
                np.testing.assert_array_equal(found, value)


# ------------------------------------------------------------------------------------------- Numba's pool

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
    if not is_available(layer):
        pytest.skip(f"Numba cannot load the threading layer {layer}")
    return run(program, NUMBA_NUM_THREADS="2", **environment(layer))


@LINUX
@pytest.mark.parametrize("layer", ["omp", "workqueue", "tbb"])
def test_forked_children_run_kernels(layer):
    out, _ = on_layer(layer, FORK)
    assert out == "0\n0\n0\nTrue"


@pytest.mark.parametrize("layer", ["omp", "workqueue", "tbb"])
def test_python_threads_may_run_kernels_at_once(layer):
    out, _ = on_layer(layer, THREADS)
    assert out.startswith("[]") and out.endswith(layer)


@pytest.mark.parametrize("setting", [None, "77"])
def test_waiting_threads_of_numbas_sleep_soon_unless_told_otherwise(setting):
    program = """
import os
from autograd_nn.kernels.compile import numba_threads
before = dict(os.environ)
numba_threads.start(2)
assert dict(os.environ) == before
"""
    given = {} if setting is None else {"GOMP_SPINCOUNT": setting}
    shown = run(program, NUMBA_NUM_THREADS="2", OMP_DISPLAY_ENV="VERBOSE", AUTOGRAD_NN_POOL="numba", **given)[1]
    if "GOMP_SPINCOUNT" not in shown:
        pytest.skip("the pool is not GNU OpenMP's")
    assert f"GOMP_SPINCOUNT = '{setting or numba_threads.SPIN_COUNT}'" in shown


# ------------------------------------------------------------------------------------ the life of the pool


@LINUX
@pytest.mark.parametrize("whose", POOLS)
def test_a_fresh_process_finds_pool_and_kernels_in_the_cache(whose, tmp_path):
    program = """
import numba, numpy as np
from numba.core import event
from tests.kernels import hammer
compiled = []
class Listener(event.Listener):
    def on_start(self, event): compiled.append(event.data["dispatcher"].py_func.__name__)
    def on_end(self, event): pass
event.register("numba:compile", Listener())
slots = np.zeros(64, np.int64)
hammer.counted(8, slots, 10)
hammer.check(slots, 8)
print(len(compiled), {hit for hit in hammer.counted.build.stats.cache_hits.values()})
"""
    given = {"AUTOGRAD_NN_POOL": whose, "NUMBA_NUM_THREADS": "3", "NUMBA_CACHE_DIR": str(tmp_path)}
    first, second = (run(program, **given)[0] for _ in range(2))
    assert not first.startswith("0 ") and second == "0 {1}"


def test_the_choice_of_the_pool():
    program = "from autograd_nn.kernels.compile import count; print(count.pool.__name__)"
    for whose, module in (("own", "threads"), ("numba", "numba_threads")):
        if whose in POOLS:
            assert run(program, AUTOGRAD_NN_POOL=whose)[0] == f"autograd_nn.kernels.compile.{module}"
    with pytest.raises(AssertionError, match="AUTOGRAD_NN_POOL: expects own or numba"):
        run(program, AUTOGRAD_NN_POOL="mine")


@OWN
def test_nothing_starts_without_a_need_and_plain_python_has_no_pool():
    program = """
import threading, numpy as np
from tests.kernels import hammer
slots = np.zeros(64, np.int64)
hammer.counted(CHUNKS, slots, 10)
hammer.check(slots, CHUNKS)
print([thread.name for thread in threading.enumerate()])
"""
    assert run(program.replace("CHUNKS", "1"), NUMBA_NUM_THREADS="3")[0] == "['MainThread']"
    assert run(program.replace("CHUNKS", "8"), NUMBA_NUM_THREADS="3")[0].count("'autograd_nn'") == 2
    assert run(program.replace("CHUNKS", "8"), NUMBA_NUM_THREADS="3", NUMBA_DISABLE_JIT="1")[0] == "['MainThread']"


@OWN
def test_a_system_without_more_threads_is_no_error(monkeypatch):
    class Refused(threading.Thread):
        def start(self):
            raise RuntimeError("can't start new thread")

    hammer.counted(2, np.zeros(64, np.int64), 0)
    with monkeypatch.context() as patch:
        patch.setattr(pool.threading, "Thread", Refused)
        patch.setattr(pool, "ready", 2)
        patch.setattr(count, "_most", 200)
        slots = np.zeros(64, np.int64)
        hammer.counted(40, slots, 10)
        hammer.check(slots, 40)


@OWN
@pytest.mark.skipif(not hasattr(signal, "SIGINT") or sys.platform == "win32", reason="needs signals of POSIX")
@pytest.mark.parametrize("moment", [0.0, 0.02, 0.1])
def test_an_interrupt_ends_the_process_with_python_and_not_with_a_hang(moment):
    program = f"""
import os, signal, threading, time
from tests.kernels import hammer
hammer.hammered(0, 0)
signal.signal(signal.SIGINT, signal.default_int_handler)
threading.Timer({moment}, os.kill, (os.getpid(), signal.SIGINT)).start()
hammer.hammered(1, 60)
"""
    given = os.environ | {"NUMBA_NUM_THREADS": "3"}
    done = subprocess.run([sys.executable, "-c", program], env=given, cwd=ROOT,
                          capture_output=True, text=True, timeout=60)  # fmt: skip
    assert done.stderr.rstrip().endswith("KeyboardInterrupt") and done.returncode == -signal.SIGINT


@OWN
def test_workers_take_no_signals():
    if not pathlib.Path("/proc/self/task").exists():
        pytest.skip("the system does not tell")
    hammer.counted(2, np.zeros(64, np.int64), 0)
    ids = [thread.native_id for thread in threading.enumerate() if thread.name == "autograd_nn"]
    assert ids
    for number in ids:
        for line in pathlib.Path(f"/proc/self/task/{number}/status").read_text().splitlines():
            if line.startswith("SigBlk:"):
                assert int(line.split()[1], 16) >> (signal.SIGINT - 1) & 1


def test_exit_at_once_after_use():
    program = "import numpy as np; from tests.kernels import hammer; hammer.counted(8, np.zeros(64, np.int64), 10)"
    program += "; import sys; sys.exit(7)"
    done = subprocess.run([sys.executable, "-c", program], env=os.environ | {"NUMBA_NUM_THREADS": "3"}, cwd=ROOT,
                          capture_output=True, timeout=60)  # fmt: skip
    assert done.returncode == 7
