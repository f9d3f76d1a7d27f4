"""An interrupt at any moment of training leaves whole parameters, no lock held, and a model that trains on."""

import os
import pathlib
import random
import signal
import sys

import numpy as np
import pytest

import autograd_nn as ag
from autograd_nn import nn
from autograd_nn.kernels import compile as compiling
from tests.robustness.threads import made

PACKAGE = str(pathlib.Path(ag.__file__).parent) + os.sep
EVERY = 3  # of so many moments of a step, one is tried


@pytest.fixture(autouse=True)
def in_the_pool(monkeypatch):
    """Let kernels use the thread pool whatever the size of their arrays."""
    before = compiling.get_num_threads()
    monkeypatch.setattr(compiling.count, "SERIAL_BELOW", 1)
    compiling.set_num_threads(2)
    yield
    compiling.set_num_threads(before)


class Training:
    """A step written out, and how far it came."""

    def __init__(self, seed):
        self.model, self.optimizer, self.x, self.target = made(seed)
        self.stepping = False

    def step(self):
        self.stepping = False
        self.optimizer.zero_grad()
        loss = nn.functional.cross_entropy(self.model(self.x), self.target)
        loss.backward()
        self.stepping = True
        self.optimizer.step()
        return loss.item()

    def weights(self):
        return [p.array.tobytes() for p in self.model.parameters()]


def interrupted_at(moment, function):
    """Call a function and raise KeyboardInterrupt at a moment in the package; return how many moments there were.

    Moments are those at which Python looks for signals: when a function begins, and after a call of one written in C.
    """
    count = 0

    def profile(frame, event, argument):
        nonlocal count
        if event in ("call", "c_return") and frame.f_code.co_filename.startswith(PACKAGE):
            count += 1
            if count == moment:
                raise KeyboardInterrupt

    before = sys.getprofile()
    sys.setprofile(profile)
    try:
        function()
    except KeyboardInterrupt:
        pass
    finally:
        sys.setprofile(before)
    return count


def assert_usable():
    """Check that the thread records, that the pool is free and that nobody holds the lock of its start."""
    assert ag.is_grad_enabled()
    assert compiling.threads.word(compiling.threads.LOCK).value == 0
    assert not compiling.count.pool._starting.locked()


@pytest.mark.parametrize("steps_before", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_an_interrupt_at_any_moment_of_a_step(steps_before):
    def trained():
        training = Training(0)
        for _ in range(steps_before):
            training.step()
        return training

    whole = trained()
    before = whole.weights()
    moments = interrupted_at(0, whole.step)
    after = whole.weights()
    assert moments > 200 and all(a != b for a, b in zip(before, after))
    for moment in range(1, moments + 1, EVERY):
        training = trained()
        interrupted_at(moment, training.step)
        found = training.weights()
        assert found in (before, after), "some parameters made their step, and others did not"
        assert_usable()
        started = training.stepping
        loss = training.step()
        assert np.isfinite(loss) and (started or training.weights() == after)


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs a timer that sends signals")
def test_signals_while_kernels_run_in_the_pool():
    chance, interrupts = random.Random(0), 0
    training = Training(1)
    first = training.step()
    previous = signal.signal(signal.SIGALRM, signal.default_int_handler)
    try:
        while interrupts < 30:
            try:
                # and each second again: Python drops what comes in a callback of the garbage collector
                signal.setitimer(signal.ITIMER_REAL, chance.uniform(0.0005, 0.02), 1.0)
                while True:
                    training.step()
            except KeyboardInterrupt:
                interrupts += 1
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
    assert_usable()
    assert min(training.step() for _ in range(40)) < first  # it rises before it falls
    expected, again = Training(2), Training(2)
    assert [expected.step() for _ in range(3)] == [again.step() for _ in range(3)]
