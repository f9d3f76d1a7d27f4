"""The cache is filled before kernels are needed: by hand, or by a helper beside the first compilation."""

import os
import subprocess
import sys

import pytest

from autograd_nn.kernels import __main__ as command
from autograd_nn.kernels import compile as compiling
from autograd_nn.kernels import warm
from autograd_nn.kernels.compile import ahead
from tests.kernels.test_compile import ROOT, STEP, run

COMPILED = pytest.mark.skipif(compiling.JIT_DISABLED, reason="nothing is compiled")


@COMPILED
@pytest.mark.parametrize("call", warm.STEP + warm.OTHERS, ids=lambda call: call.__name__)
def test_every_call_works(call):
    call()


@COMPILED
def test_a_step_of_the_convnet_needs_nothing_else():
    program = """
import gc
import numpy as np
from autograd_nn.kernels import warm
from autograd_nn.kernels.compile import Chunked, set_num_threads
set_num_threads(2)
for call in warm.STEP:
    call()

def builds():
    kernels = [kernel for kernel in gc.get_objects() if type(kernel) is Chunked and "build" in vars(kernel)]
    return {(kernel.__name__, signature) for kernel in kernels for signature in kernel.build.signatures}

before = builds()
import autograd_nn as ag
from autograd_nn.training import models
net = models.convnet()
optimizer = ag.optim.Adam(net.parameters())
x = ag.Tensor(np.ones((100, 1, 28, 28), np.float32))
ag.nn.functional.cross_entropy(net(x), ag.Tensor(np.zeros(100, np.int64))).backward()
optimizer.step()
print(len(before) > 8, sorted(name for name, _ in builds() - before))
"""
    assert run(program)[0] == "True []"


@COMPILED
def test_the_command_says_what_it_did(monkeypatch, capsys):
    monkeypatch.setattr(warm, "STEP", (warm._adam,))
    monkeypatch.setattr(warm, "OTHERS", (warm._sgd,))
    threads = compiling.get_num_threads()
    assert command.main(["warm"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("adam\nsgd\n") and out.rstrip().endswith(f"kept in {compiling.cache_folder}")
    assert compiling.get_num_threads() == threads
    monkeypatch.setattr(command, "cache_folder", None)
    assert command.main(["warm"]) == 1


@COMPILED
@pytest.mark.skipif(sys.platform == "win32", reason="needs locks of POSIX")
def test_of_two_processes_one_compiles_and_the_other_waits(tmp_path):
    given = os.environ | {"PYTHONPATH": str(ROOT), "NUMBA_CACHE_DIR": str(tmp_path), "AUTOGRAD_NN_AHEAD": "0"}
    start = [sys.executable, "-c", STEP]
    both = [subprocess.Popen(start, env=given, cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    told = sorted(process.communicate(timeout=200)[0].split(" /")[0] for process in both)
    assert told == ["0.5 ['optim._sgd']", "0.5 []"]


@COMPILED
def test_who_waits_in_vain_compiles_itself(tmp_path, monkeypatch):
    fcntl = pytest.importorskip("fcntl")
    monkeypatch.setattr(compiling.cache, "LONGEST_WAIT", 0.05)
    with open(tmp_path / "a.lock", "ab") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        assert compiling.cache._locked(str(tmp_path / "a.lock")) == (None, True)
    lock, waited = compiling.cache._locked(str(tmp_path / "a.lock"))
    assert lock is not None and not waited
    lock.close()
    assert compiling.cache._locked(str(tmp_path / "missing" / "a.lock")) == (None, False)


def test_the_helper_works_from_the_end_as_long_as_its_process_lives(monkeypatch):
    called = []
    monkeypatch.setattr(warm, "STEP", (lambda: called.append("first"), lambda: called.append("last")))
    monkeypatch.setattr(warm, "_products", lambda: called.append("product"))
    warm.ahead(-1)
    assert called == []
    warm.ahead(os.getppid())
    assert called == ["product", "last", "first"]


def test_the_helper_imports_kernels_alone():
    program = ahead.PROGRAM + "print(sorted(name for name in sys.modules if name.startswith('autograd_nn.'))[:1])"
    done = subprocess.run([sys.executable, "-c", program, "-1"], capture_output=True, text=True, cwd="/", check=True)
    assert done.stdout.strip() == "['autograd_nn.kernels']"


def test_one_helper_is_started_if_there_is_a_processor_for_it(monkeypatch):
    started = []

    class Process:
        def __init__(self, command, env, **streams):
            started.append((command[0], command[-1], env["AUTOGRAD_NN_AHEAD"]))

    monkeypatch.setattr(ahead.subprocess, "Popen", Process)
    monkeypatch.setattr(ahead.atexit, "register", lambda *call: None)
    monkeypatch.setattr(ahead, "_tried", False)
    monkeypatch.setattr(ahead, "processors", lambda: 1)
    ahead.start()
    assert started == []
    monkeypatch.setattr(ahead, "_tried", False)
    monkeypatch.setattr(ahead, "processors", lambda: 2)
    ahead.start()
    ahead.start()
    assert started == [(sys.executable, str(os.getpid()), "0")]
