"""A compiled model gives the gradients of an eager one under shards."""

import numpy as np

import autograd_nn as ag
from autograd_nn import nn, parallel


def gradients(compiled):
    ag.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 3))
    if compiled:
        model.compile()
    step = parallel.Sharded(model, group=parallel.Group(4))
    x = ag.tensor(np.random.default_rng(0).standard_normal((16, 4)).astype(np.float32))
    for _ in range(3):  # a plan is recorded before it is replayed
        model.zero_grad()
        loss = step.backward(lambda x: model(x).square().mean(), (x,))
    return loss.item(), [p.grad.numpy() for p in model.parameters()]


def test_a_compiled_model_has_the_gradients_of_an_eager_one():
    loss, eager = gradients(False)
    same, compiled = gradients(True)
    np.testing.assert_allclose(same, loss, rtol=1e-6)
    assert all(np.abs(g).max() > 0 for g in eager)
    for a, b in zip(eager, compiled, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7)
