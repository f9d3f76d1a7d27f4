"""Peepholes: each is found where it should be, left alone where somebody looks, and gives the bits of eager mode."""

import numpy as np
import pytest

import autograd_nn as ag
from autograd_nn import nn

F = nn.functional


def names_of(function, *args):
    """Run a function until it is replayed; return the calls of its plan, and whether all results were equal."""
    compiled = ag.compile(function)
    for _ in range(5):
        got = [x.numpy().tobytes() for x in compiled(*args)]
        assert got == [x.numpy().tobytes() for x in function(*args)]
    (known,) = compiled.signatures.values()
    assert known.is_trusted, compiled.explain()
    return known.plan.names


def image(*shape):
    """Return random pixels, among them NaN, infinities and both zeros."""
    x = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    x.reshape(-1)[::7] = np.resize([np.nan, 0.0, -0.0, np.inf, -np.inf, -1.0], x.reshape(-1)[::7].shape)
    return ag.from_numpy(x)


@pytest.mark.parametrize("shape, kernel", [((2, 3, 9, 14), 2), ((1, 2, 7, 7), 3), ((2, 1, 26, 26), 2)])
def test_relu_and_max_pool(shape, kernel):
    x = image(*shape)

    def step(x):
        x = x.detach().clone().requires_grad_()
        out = F.max_pool2d(F.relu(x), kernel)
        (g,) = ag.grad((out * 3).sum(), x)
        return out.detach(), g

    names = names_of(step, x)
    assert "max_pool2d_relu" in names and not {"relu", "max_pool2d", "relu_input"} & {*names}


def test_relu_that_is_read_twice_stays():
    def step(x):
        x = x.detach().clone().requires_grad_()
        held = F.relu(x)
        (g,) = ag.grad(F.max_pool2d(held, 2).sum() + held.sum(), x)
        return (g,)

    assert "max_pool2d_relu" not in names_of(step, image(1, 2, 6, 6))


def test_relu_that_is_returned_stays():
    def step(x):
        held = F.relu(x * 1)
        return held, F.max_pool2d(held, 2)

    assert "max_pool2d_relu" not in names_of(step, image(1, 2, 6, 6))


@pytest.mark.parametrize("channels, size", [(1, 12), (8, 17), (32, 16)])
def test_convolution_and_relu(channels, size):
    layer = nn.Conv2d(channels, 6, 3, padding=1)

    def step(x):
        out = F.relu(layer(x))
        (g,) = ag.grad(out.square().sum(), layer.weight)
        return out.detach(), g

    names = names_of(step, ag.randn(2, channels, size, size))
    assert "conv2d_relu" in names and not {"relu", "conv2d"} & {*names}


@pytest.mark.parametrize("shape", [(1, 5), (40, 5), (100, 200), (1, 200), (4, 7, 5)])
def test_linear_and_relu(shape):
    layer = nn.Linear(shape[-1], 70)

    def step(x):
        out = F.relu(layer(x))
        g, gb = ag.grad(out.square().sum(), [layer.weight, layer.bias])
        return out.detach(), g, gb

    names = names_of(step, ag.randn(*shape))
    assert "linear_relu" in names and not {"relu", "linear"} & {*names}


def test_halves_are_fused_too():
    model = nn.Linear(6, 6)

    class Net(nn.Module):
        def forward(self, x):
            return F.relu(model(x)) * 2

    compiled, x = ag.compile(Net()), ag.randn(3, 6)
    for _ in range(5):
        (g,) = ag.grad(compiled(x).sum(), model.weight)
        (want,) = ag.grad(Net()(x).sum(), model.weight)
        assert g.numpy().tobytes() == want.numpy().tobytes()
    (known,) = compiled.signatures.values()
    assert known.is_trusted and "linear_relu" in known.plan.names
