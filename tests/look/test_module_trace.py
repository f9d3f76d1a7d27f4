"""Watching a model run, and leaving it as it was."""

import numpy as np
import pytest

import autograd_nn as ag
from autograd_nn import nn
from autograd_nn.look.module_trace import preserved, watch_modules
from autograd_nn.ops.random import default_generator


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = nn.Sequential(nn.Linear(3, 3), nn.ReLU())

    def forward(self, x):
        return self.inner(x) + x


def test_each_call_has_the_modules_around_it():
    model = Residual()
    with watch_modules(model) as watch:
        out = model(ag.rand(2, 3)) * 2
    names = {call.primitive.name: [m.name for m in trail] for call, trail in watch.trails.items()}
    assert names == {"linear": ["", "inner", "inner.0"], "relu": ["", "inner", "inner.1"], "add": [""], "mul": []}
    del out
    assert not watch.trails


def test_calls_of_a_module_are_told_apart_by_number():
    layer = nn.Linear(3, 3)
    model = nn.Sequential(layer, layer)
    with watch_modules(model) as watch:
        y = model(ag.rand(1, 3))
    trails = [watch.trails[y.origin], watch.trails[y.origin.parents[0]]]
    assert [trail[-1].name for trail in trails] == ["0", "0"] and trails[0][-1].number != trails[1][-1].number


def test_listeners_hear_operations_and_modules():
    heard, left = [], []
    model = nn.Sequential(nn.Linear(3, 2), nn.Tanh())
    with watch_modules(
        model,
        lambda trail, primitive, inputs, out: heard.append((trail[-1].name, primitive.name, out.shape)),
        lambda trail, module, args, output: left.append((trail[-1].name, type(module).__name__, output.shape)),
    ), ag.no_grad():
        model(ag.rand(4, 3))
    assert heard == [("0", "linear", (4, 2)), ("1", "tanh", (4, 2))]
    assert left == [("0", "Linear", (4, 2)), ("1", "Tanh", (4, 2)), ("", "Sequential", (4, 2))]


def test_hooks_and_listener_are_gone_even_after_an_error():
    model = Residual()
    with pytest.raises(RuntimeError, match="linear"), watch_modules(model) as watch:
        model(ag.rand(2, 5))
    assert not any(module._hooks for module in model.modules())
    model(ag.rand(2, 3))
    assert not watch.trails


def test_an_error_that_is_caught_inside_leaves_the_trail_right():
    model = Residual()
    with watch_modules(model) as watch:
        with pytest.raises(RuntimeError):
            model(ag.rand(2, 5))
        y = model(ag.rand(2, 3))
    assert [m.name for m in watch.trails[y.origin]] == [""]


def test_preserved_restores_flags_buffers_and_random_state():
    class Counting(nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("calls", ag.zeros(1))

        def forward(self, x):
            self.calls = self.calls + 1
            return x

    model = nn.Sequential(nn.BatchNorm1d(3), nn.Dropout(), Counting())
    model[1].eval()
    buffers = {name: (buffer, buffer.array.copy()) for name, buffer in model.named_buffers()}
    state = default_generator.get_state()
    with preserved(model):
        assert not model.training and not ag.is_grad_enabled()
        model.train()
        model(ag.randn(8, 3))
    assert [module.training for module in model.modules()] == [True, True, False, True]
    assert default_generator.get_state() == state and ag.is_grad_enabled()
    for name, buffer in model.named_buffers():
        assert buffer is buffers[name][0] and np.array_equal(buffer.array, buffers[name][1])
