"""The rehearsal finds what a plan gets wrong: each leak is put in on purpose, and refused."""

import warnings

import numpy as np
import pytest

import autograd_nn as ag
from autograd_nn import nn, optim
from autograd_nn.compiled import CompileWarning, lowering, plan
from autograd_nn.compiled.lowering import Lowered
from autograd_nn.compiled.optimizers import Stepping
from autograd_nn.kernels.machine import is_available

F = nn.functional
native = pytest.mark.skipif(not is_available(), reason="steps run in Python here")


def make():
    """Return a step with random numbers, running statistics, a schedule and moments."""
    ag.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
                          nn.Dropout(0.3), nn.Linear(8, 3))
    optimizer = optim.Adam(model.parameters(), lr=0.1)
    schedule = optim.lr_scheduler.ExponentialLR(optimizer, 0.9)

    def step(x, y):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        schedule.step()
        return loss

    return step


def rehearsed(step):
    """Run a step until it is rehearsed; return None if it was trusted, else why not."""
    compiled = ag.compile(step)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CompileWarning)
        for _ in range(3):
            compiled(ag.randn(4, 1, 6, 6), ag.randint(0, 3, (4,)))
    (known,) = compiled.signatures.values()
    assert known.is_trusted == (known.reason is None)
    return known.reason


def names():
    """Return what the step is made of."""
    compiled = ag.compile(make())
    for _ in range(3):
        compiled(ag.randn(4, 1, 6, 6), ag.randint(0, 3, (4,)))
    (known,) = compiled.signatures.values()
    assert known.is_trusted, compiled.explain()
    return known.plan.names


def test_every_single_call_is_needed(monkeypatch):
    """Leave out every other call, one at a time: forward, backward, statistics, draws, updates."""
    every = names()
    assert len(every) > 25
    lower = plan.Plan._lower
    step_of = plan.Plan._step
    for left_out in range(0, len(every), 2):
        def without(self, trace, left_out=left_out):
            lower(self, trace)
            self._known.pop(left_out, None)
            self.left_out = trace.records[left_out]

        monkeypatch.setattr(plan.Plan, "_lower", without)
        monkeypatch.setattr(plan.Plan, "_step", lambda self, record: (
            (lambda: None) if record is self.left_out else step_of(self, record)))
        reason = rehearsed(make())
        assert reason is not None and "differs" in reason, (left_out, every)


@native
def test_native_calls_are_needed_too(monkeypatch):
    every = names()
    lower = plan.Plan._lower
    for left_out in range(0, len(every), 5):
        done: list[bool] = []

        def without(self, trace, left_out=left_out, done=done):
            lower(self, trace)
            done.append(left_out in self._known)
            if done[-1]:
                self._known[left_out] = Lowered([], [])

        monkeypatch.setattr(plan.Plan, "_lower", without)
        reason = rehearsed(make())
        assert not done[0] or (reason is not None and "differs" in reason), (left_out, every)


@native
@pytest.mark.parametrize("frozen", ["step", "rate"])
def test_frozen_numbers_of_an_optimizer(monkeypatch, frozen):
    run = Stepping.run

    def wrong(self):
        before = [state["step"] for group in self.groups for state in group.states]
        rates = [group.rate.view[0] for group in self.groups]
        run(self)
        if frozen == "step":
            for state, count in zip([state for group in self.groups for state in group.states], before):
                state["step"] = count
        else:
            for group, rate in zip(self.groups, rates):
                group.rate.view[0] = rate

    monkeypatch.setattr(Stepping, "run", wrong)
    assert "differs" in rehearsed(make())


def test_arrays_that_share_a_place_wrongly(monkeypatch):
    monkeypatch.setattr(plan.arena, "arrange", lambda spans: (dict.fromkeys(spans, 0), 1 << 16))
    assert "differs" in rehearsed(make())


def test_a_write_past_the_door():
    step = make()
    counts = ag.zeros(3)

    def counting(x, y):
        counts.array[0] += 1
        return step(x, y) + 0 * counts.sum()

    assert "counts" in rehearsed(counting)


def test_a_constant_made_of_data():
    step = make()

    def scaled(x, y):
        scale = np.abs(x.array).max()  # `array` is not public: nothing hears of this
        return step(x * ag.tensor(float(scale)), y)

    assert "differs" in rehearsed(scaled)


def test_a_draw_that_is_lost(monkeypatch):
    monkeypatch.setattr(plan.Plan, "_effect", lambda self, record: lambda: None)
    assert "differs" in rehearsed(make())


@native
def test_a_wrong_lowering_is_not_used(monkeypatch):
    """A rule that forgets ReLU's point, and one that leaves its result alone: Python computes instead."""
    x = np.random.default_rng(0).standard_normal((3, 4)).astype("f")

    def record_of(operation, *inputs):
        record = plan.Computation(operation, list(inputs), {}, False)
        record.outs = [operation.forward(*inputs)]
        return record

    record = record_of(ag.relu, x)
    assert lowering.lowered(record, ag.relu.forward) is not None
    monkeypatch.setitem(lowering.RULES, "relu", lambda inputs, outs, params: [lowering.copying(inputs[0], outs[0])])
    assert lowering.lowered(record, ag.relu.forward) is None
    monkeypatch.setitem(lowering.RULES, "relu", lambda inputs, outs, params: [])
    assert lowering.lowered(record, ag.relu.forward) is None
