"""Networks as functions of their parameters: per-sample gradients, ensembles, tied weights, buffers."""

import numpy as np
import pytest

import autograd_nn as ag
from autograd_nn import nn
from autograd_nn.func import functional_call, grad, stack_module_state, vmap


def small(seed=0):
    ag.manual_seed(seed)
    return nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 3))


def test_a_call_with_other_parameters_leaves_the_module_alone():
    net = small()
    x = ag.randn(2, 4)
    before = net(x).detach().numpy().copy()
    held = dict(net.named_parameters())
    doubled = {"2.weight": held["2.weight"].detach() * 2, "2.bias": held["2.bias"].detach() * 2}
    np.testing.assert_allclose(functional_call(net, doubled, x).detach().numpy(), 2 * before, rtol=1e-6)
    np.testing.assert_array_equal(net(x).detach().numpy(), before)
    assert all(held[name] is p for name, p in net.named_parameters())
    with pytest.raises(RuntimeError, match="linear"):
        functional_call(net, {"0.weight": ag.zeros(1, 1)}, (x,))
    assert all(held[name] is p for name, p in net.named_parameters())


def test_several_dicts_keywords_and_strict():
    net = nn.BatchNorm1d(2)
    net.eval()
    x = ag.tensor([[1.0, 2.0]])
    parameters, buffers = {"weight": ag.tensor([3.0, 3.0])}, {"running_mean": ag.tensor([1.0, 1.0])}
    found = functional_call(net, (parameters, buffers), kwargs={"input": x})
    np.testing.assert_allclose(found.detach().numpy(), [[0, 3]], atol=1e-4)
    with pytest.raises(ValueError, match="several dicts"):
        functional_call(net, (parameters, parameters), x)
    with pytest.raises(RuntimeError, match="unexpected: nothing; missing: bias"):
        functional_call(net, {**parameters, "nothing": x}, x, strict=True)


def test_tied_weights_are_replaced_under_all_names():
    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.first = nn.Linear(2, 2, bias=False)
            self.second = nn.Linear(2, 2, bias=False)
            self.second.weight = self.first.weight

        def forward(self, x):
            return self.second(self.first(x))

    net, x = Tied(), ag.ones(1, 2)
    twice = {"first.weight": ag.eye(2) * 2}
    assert functional_call(net, twice, x).tolist() == [[4, 4]]
    expected = net.second(x * 2).detach().numpy()
    np.testing.assert_allclose(functional_call(net, twice, x, tie_weights=False).detach().numpy(), expected, rtol=1e-6)


def test_per_sample_gradients_are_those_of_a_loop_and_can_be_clipped():
    """Differentially private training: clip the gradient of each example, then average."""
    net = small()
    x, y = ag.randn(6, 4), ag.tensor([0, 1, 2, 0, 1, 2])
    parameters = {name: p.detach() for name, p in net.named_parameters()}

    def loss(p, x, y):
        return nn.functional.cross_entropy(functional_call(net, p, (x.unsqueeze(0),)), y.unsqueeze(0))

    per_sample = vmap(grad(loss), in_dims=(None, 0, 0))(parameters, x, y)
    norms = ag.stack([g.flatten(1).norm(dim=1) for g in per_sample.values()]).norm(dim=0)
    factors = (0.5 / norms).clamp(max=1.0)
    clipped = {name: (g * factors.reshape(6, *(1,) * (g.ndim - 1))).mean(0) for name, g in per_sample.items()}
    expected = {name: np.zeros(p.shape) for name, p in parameters.items()}
    for i in range(6):
        net.zero_grad()
        nn.functional.cross_entropy(net(x[i : i + 1]), y[i : i + 1]).backward()
        size = np.sqrt(sum((p.grad.numpy() ** 2).sum() for p in net.parameters()))
        for name, p in net.named_parameters():
            np.testing.assert_allclose(per_sample[name][i].numpy(), p.grad.numpy(), rtol=1e-4, atol=1e-6)
            expected[name] += p.grad.numpy() * min(1, 0.5 / size) / 6
    for name, g in clipped.items():
        np.testing.assert_allclose(g.numpy(), expected[name], rtol=1e-4, atol=1e-6)


def test_per_sample_gradients_of_a_convolutional_network():
    ag.manual_seed(1)
    net = nn.Sequential(nn.Conv2d(2, 3, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.GroupNorm(1, 3), nn.Flatten(),
                        nn.Linear(12, 2)).double()
    x, y = ag.randn(5, 2, 4, 4, dtype=np.float64), ag.tensor([0, 1, 1, 0, 1])
    parameters = {name: p.detach() for name, p in net.named_parameters()}

    def loss(p, x, y):
        return nn.functional.cross_entropy(functional_call(net, p, (x.unsqueeze(0),)), y.unsqueeze(0))

    found = vmap(grad(loss), in_dims=(None, 0, 0))(parameters, x, y)
    for i in range(5):
        expected = grad(loss)(parameters, x[i], y[i])
        for name, g in expected.items():
            np.testing.assert_allclose(found[name][i].numpy(), g.numpy(), rtol=1e-9, atol=1e-11)


def test_an_ensemble_trains_in_one_step_as_its_members_do_alone():
    models = [small(seed) for seed in range(3)]
    x, y = ag.randn(8, 4), ag.tensor([0, 1, 2, 0, 1, 2, 0, 1])
    parameters, buffers = stack_module_state(models)
    assert all(p.is_leaf and p.requires_grad and p.shape[0] == 3 for p in parameters.values()) and not buffers
    optimizer = ag.optim.SGD(parameters.values(), lr=0.5, momentum=0.9)

    def loss(p, b, x, y):
        return nn.functional.cross_entropy(functional_call(models[0], (p, b), (x,)), y)

    for _ in range(5):
        optimizer.zero_grad()
        losses = vmap(loss, in_dims=(0, 0, None, None))(parameters, buffers, x, y)
        losses.sum().backward()
        optimizer.step()
    for i, model in enumerate(models):
        alone = ag.optim.SGD(model.parameters(), lr=0.5, momentum=0.9)
        for _ in range(5):
            alone.zero_grad()
            nn.functional.cross_entropy(model(x), y).backward()
            alone.step()
        for name, p in model.named_parameters():
            np.testing.assert_allclose(parameters[name][i].detach().numpy(), p.detach().numpy(), rtol=1e-4, atol=1e-5)


def test_an_ensemble_of_convolutions_with_batch_norm_moves_its_own_statistics():
    ag.manual_seed(2)
    models = [nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ReLU()) for _ in range(3)]
    x = ag.randn(4, 1, 6, 6)
    parameters, buffers = stack_module_state(models)
    found = vmap(lambda p, b: functional_call(models[0], (p, b), (x,)))(parameters, buffers)
    for i, model in enumerate(models):
        np.testing.assert_allclose(found[i].detach().numpy(), model(x).detach().numpy(), rtol=1e-4, atol=1e-5)
        for name, buffer in model.named_buffers():
            np.testing.assert_allclose(buffers[name][i].numpy(), buffer.numpy(), rtol=1e-5, atol=1e-6)


def test_batch_norm_says_that_one_set_of_statistics_cannot_follow_all_samples():
    net = nn.BatchNorm1d(2)
    with pytest.raises(RuntimeError, match="one for all of them"):
        vmap(net)(ag.randn(3, 4, 2))


def test_what_does_not_make_an_ensemble():
    with pytest.raises(RuntimeError, match="at least one"):
        stack_module_state([])
    with pytest.raises(RuntimeError, match="Linear, ReLU"):
        stack_module_state([nn.Linear(1, 1), nn.ReLU()])
    with pytest.raises(RuntimeError, match="one mode"):
        stack_module_state([nn.Linear(1, 1), nn.Linear(1, 1).eval()])
    with pytest.raises(RuntimeError, match="alike"):
        stack_module_state([nn.Linear(1, 1), nn.Linear(2, 1)])
