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


NETS = """
import sys
import numpy as np
np.empty, np.empty_like = np.ones, np.ones_like  # results of kernels that do not run
import numba
from autograd_nn.kernels import warm
from autograd_nn.kernels.compile import Chunked, threads
seen = set()
def note(kernel, count, *arguments):
    if count > 0:
        seen.add((kernel.__name__, str(numba.typeof(arguments))))
Chunked.__call__, threads.start = note, lambda count: None
warm.compile_all(lambda name: None)
known = set(seen)
import autograd_nn as ag
from autograd_nn import nn, optim
ag.set_num_threads(2)
F = nn.functional
def zeros(*shape):
    return ag.zeros(*shape)
def classes(out):
    return F.cross_entropy(out, ag.Tensor(np.zeros((len(out), *out.shape[2:]), np.int64)))
def squares(out):
    return F.mse_loss(out, ag.ones_like(out))
def step(model, x, loss=classes, rule=optim.Adam):
    loss(model(x)).backward()
    rule(model.parameters(), lr=0.1).step()
    model.eval()
    with ag.no_grad():
        model(x)
class Last(nn.Module):
    def __init__(self, kind):
        super().__init__()
        self.rnn, self.head = kind(16, 32, batch_first=True), nn.Linear(32, 10)
    def forward(self, x):
        return self.head(self.rnn(x)[0][:, -1])
class Words(nn.Module):
    def __init__(self):
        super().__init__()
        self.words = nn.Embedding(50, 32)
        self.layer = nn.TransformerEncoderLayer(32, 4, 64, activation="gelu", batch_first=True)
        self.head = nn.Linear(32, 50)
    def forward(self, x):
        return self.head(self.layer(self.words(x))).reshape(-1, 50)
def net(*layers):
    return nn.Sequential(*layers, nn.Flatten(), nn.LazyLinear(10))
step(net(nn.Conv2d(1, 10, 3), nn.ReLU(), nn.MaxPool2d(2)), zeros(20, 1, 28, 28))
step(net(nn.Conv2d(3, 64, 7, 2, 3), nn.MaxPool2d(3, 2, 1), nn.Conv2d(64, 128, 3, 2, 1, bias=False), nn.BatchNorm2d(128),
         nn.Conv2d(128, 128, 3, padding=1), nn.Conv2d(128, 256, 1, 2), nn.AdaptiveAvgPool2d(1)), zeros(4, 3, 64, 64),
     rule=lambda p, lr: optim.SGD(p, lr=lr, momentum=0.9))
step(net(nn.Conv2d(3, 32, 3, 2, 1), nn.ReLU6(), nn.Conv2d(32, 32, 3, 1, 1, groups=32), nn.Hardswish(),
         nn.Conv2d(32, 32, 5, 2, 2, groups=32), nn.AvgPool2d(2)), zeros(4, 3, 32, 32), rule=optim.SGD)
step(net(nn.Conv2d(3, 16, 3, padding=1), nn.GroupNorm(4, 16), nn.SiLU(), nn.ConvTranspose2d(16, 8, 4, 2, 1),
         nn.InstanceNorm2d(8), nn.LeakyReLU(), nn.Upsample(scale_factor=2),
         nn.Upsample(scale_factor=2, mode="bilinear")), zeros(4, 3, 16, 16))
step(net(nn.Conv1d(1, 16, 3, padding=2, dilation=2), nn.ELU(), nn.AdaptiveAvgPool1d(4)), zeros(4, 1, 100))
step(nn.Sequential(nn.Linear(64, 256), nn.BatchNorm1d(256), nn.ReLU(), nn.Dropout(0.1), nn.Linear(256, 1)),
     zeros(256, 64), squares, optim.AdamW)
step(nn.Sequential(nn.Linear(4, 64), nn.Tanh(), nn.Linear(64, 2)), zeros(1, 4))
step(nn.Sequential(nn.Linear(8, 64), nn.GELU(), nn.LayerNorm(64), nn.Linear(64, 1)), zeros(64, 8),
     lambda out: F.binary_cross_entropy_with_logits(out, ag.ones_like(out)))
for kind in (nn.LSTM, nn.GRU):
    step(Last(kind), zeros(8, 12, 16))
step(Words(), ag.Tensor(np.zeros((4, 20), np.int64)), rule=optim.AdamW)
print(len(known) > 100, len(seen & known) > 40, sorted(seen - known))
"""


@COMPILED
@pytest.mark.slow
def test_nothing_is_left_to_compile_for_steps_of_many_nets():
    """No kernel runs, so none is compiled for this test."""
    assert run(NETS)[0] == "True True []"


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
