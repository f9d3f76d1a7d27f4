"""`compile` of functions that use `func`: replayed, they give the bits that they gave before."""

import warnings

import numpy as np
import pytest

import autograd_nn as ag
from autograd_nn import nn
from autograd_nn.compiled import CompileWarning, compile
from autograd_nn.func import functional_call, grad, hessian, stack_module_state, vmap


@pytest.mark.parametrize("function", [
    vmap(grad(lambda a: (a.sin() * a).sum())),
    hessian(lambda a: (a**3).sum(0).square().sum()),
    hessian(lambda a: (a**3).sum() * a[0, 0]),
    vmap(lambda a: ag.softmax(a, 0) @ a, in_dims=1),
])
def test_replays_are_the_same_bits(function):
    compiled = compile(lambda x: function(x))
    x = ag.randn(3, 2)
    with warnings.catch_warnings():
        warnings.simplefilter("error", CompileWarning)
        for _ in range(5):
            x = x + 1
            np.testing.assert_array_equal(compiled(x).detach().numpy(), function(x).detach().numpy())
    assert repr(compiled).endswith("1 plan>")


def test_a_training_step_of_an_ensemble():
    ag.manual_seed(0)
    models = [nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3)) for _ in range(3)]
    x, y = ag.randn(16, 4), ag.randint(0, 3, (16,))
    found = []

    def loss_of_one(p, x, y):
        return nn.functional.cross_entropy(functional_call(models[0], p, (x,)), y)

    for run in (lambda function: function, compile):
        parameters, _ = stack_module_state(models)
        optimizer = ag.optim.SGD(parameters.values(), lr=0.1, momentum=0.9)

        def train_all(x, y, parameters=parameters, optimizer=optimizer):
            optimizer.zero_grad()
            losses = vmap(loss_of_one, in_dims=(0, None, None))(parameters, x, y)
            losses.sum().backward()
            optimizer.step()
            return losses

        trained = run(train_all)
        losses = [trained(x, y).detach().numpy().copy() for _ in range(6)]
        found.append((losses, [p.detach().numpy() for p in parameters.values()]))
    assert repr(trained).endswith("1 plan>")
    for eager, replayed in zip(*found):
        np.testing.assert_array_equal(np.concatenate([a.ravel() for a in eager]),
                                      np.concatenate([a.ravel() for a in replayed]))
