"""Sequences of modules."""

import numpy as np
import pytest

import autograd_nn as ag
from autograd_nn import Tensor, grad, manual_seed, nn
from autograd_nn.engine import listen


def test_a_sequential_runs_a_layer_and_its_relu_as_one_unless_a_hook_watches():
    manual_seed(0)
    model = nn.Sequential(nn.Conv2d(2, 3, 3), nn.ReLU(), nn.Flatten(), nn.Linear(48, 5), nn.ReLU(), nn.Linear(5, 2))
    x = Tensor(np.random.default_rng(0).standard_normal((2, 2, 6, 6)).astype(np.float32), requires_grad=True)

    def gradients():
        names = []

        def listener(proceed, primitive, inputs, params):
            names.append(primitive.name)
            return proceed(*inputs, **params)

        with listen(listener):
            out = model(x)
        return names, out.array.copy(), [g.array for g in grad((out * out).sum(), [x, *model.parameters()])]

    fused_names, fused_out, fused = gradients()
    seen = []
    handles = [model[i].register_forward_hook(lambda m, i, o: seen.append(o.shape)) for i in (1, 4)]
    names, out, separate = gradients()
    for handle in handles:
        handle.remove()
    assert fused_names == ["conv2d_relu", "reshape", "linear_relu", "linear"]
    assert "relu" in names and "conv2d" in names and seen == [(2, 3, 4, 4), (2, 5)]
    assert np.array_equal(fused_out, out) and all(np.array_equal(a, b) for a, b in zip(fused, separate))


def names_of(model, x):
    names = []

    def listener(proceed, primitive, inputs, params):
        names.append(primitive.name)
        return proceed(*inputs, **params)

    with listen(listener):
        model(x)
    return names


@pytest.mark.parametrize(
    ("layers", "names"),
    [
        ((nn.Conv2d(2, 3, 3), nn.ReLU(), nn.MaxPool2d(2)), ["conv2d", "max_pool2d_relu"]),
        ((nn.Conv2d(2, 3, 3), nn.MaxPool2d(2, padding=1), nn.ReLU()), ["conv2d", "max_pool2d_relu"]),
        ((nn.Conv2d(2, 3, 3), nn.ReLU(), nn.AvgPool2d(2)), ["conv2d_relu", "avg_pool2d"]),
        ((nn.ReLU(), nn.MaxPool2d(2), nn.ReLU()), ["max_pool2d_relu", "relu"]),
    ],
)
def test_pooling_takes_relu_into_its_pass(layers, names):
    model, x = nn.Sequential(*layers), ag.randn(2, 2, 7, 7, requires_grad=True)
    out = model(x)
    gradients = grad((out * out).sum(), [x, *model.parameters()])
    assert names_of(model, x) == names
    expected = x
    for layer in layers:
        expected = layer(expected)
    assert np.array_equal(out.detach().numpy(), expected.detach().numpy())
    for found, wanted in zip(gradients, grad((expected * expected).sum(), [x, *model.parameters()])):
        np.testing.assert_allclose(found.numpy(), wanted.numpy(), rtol=1e-5, atol=1e-6)


def test_a_replaced_forward_is_called(monkeypatch):
    x = ag.ones(1, 2, 4, 4)
    for model, at in [
        (nn.Sequential(nn.Linear(4, 2), nn.ReLU()), 0),
        (nn.Sequential(nn.Conv2d(2, 2, 1), nn.ReLU()), 1),
        (nn.Sequential(nn.ReLU(), nn.MaxPool2d(2)), 1),
        (nn.Sequential(nn.Conv2d(2, 2, 1), nn.ReLU(), nn.MaxPool2d(2)), 1),
    ]:
        model[at].forward = lambda x: x * 0 - 7
        assert model(x).min().item() in (-7, 0) and model(x).max().item() in (-7, 0)
        del model[at].forward
        assert model(x).max().item() not in (-7,)
    monkeypatch.setattr(nn.Linear, "forward", lambda self, x: x * 0 + 7)
    assert nn.Sequential(nn.Linear(4, 2), nn.ReLU())(x).unique().tolist() == [7]
