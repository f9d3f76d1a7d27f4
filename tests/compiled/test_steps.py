"""Compiled steps compute what eager steps do, bit for bit: losses, weights, gradients, statistics, random numbers."""

import cProfile
import gc
import pstats
import time

import pytest

import autograd_nn as ag
from autograd_nn import nn, optim

from .nets import TABLE, trained


@pytest.mark.parametrize("name", TABLE)
def test_fifty_steps_are_equal(name):
    want, _ = trained(name, None, 50)
    got, step = trained(name, ag.compile, 50)
    assert any(known.is_trusted for known in step.signatures.values()), step.explain()
    assert got == want


@pytest.mark.parametrize("name", ["convnet_sgd", "batch_norm", "dropout", "recurrent"])
def test_any_number_of_threads_gives_the_same_bits(name):
    before = ag.get_num_threads()
    try:
        ag.set_num_threads(1)
        one, _ = trained(name, ag.compile, 10)
        ag.set_num_threads(2)
        two, _ = trained(name, ag.compile, 10)
    finally:
        ag.set_num_threads(before)
    assert one == two


def test_a_profiler_sees_steps_before_and_after_the_compilation():
    profile = cProfile.Profile()
    profile.enable()
    try:
        _, step = trained("dropout", ag.compile, 6)
    finally:
        profile.disable()
    assert any(known.is_trusted for known in step.signatures.values()), step.explain()
    calls = {name: count for (_, _, name), (_, count, *_) in pstats.Stats(profile).stats.items()}
    assert calls["_replay"] >= 1  # after the compilation, in which the profiler pauses


def test_what_others_do_when_garbage_is_collected_is_no_part_of_the_step():
    def timed(phase, info):
        time.perf_counter()

    model = nn.Linear(3, 2)
    optimizer = optim.SGD(model.parameters(), lr=0.1)

    @ag.compile(fullgraph=True)
    def step(x):
        optimizer.zero_grad()
        kept = [[] for _ in range(1000)]  # so that the collector has something to do
        loss = model(x).square().mean()
        loss.backward()
        optimizer.step()
        return loss, len(kept)

    before = gc.get_threshold()
    gc.callbacks.append(timed)
    try:
        gc.set_threshold(10)
        for _ in range(5):
            step(ag.ones(4, 3))
    finally:
        gc.set_threshold(*before)
        gc.callbacks.remove(timed)
    assert [known.is_trusted for known in step.signatures.values()] == [True] and gc.isenabled()
