"""Parametrized weights: the same state, values and gradients as PyTorch's, and what may not be done."""

import copy

import numpy as np
import pytest

import autograd_nn as ag
from autograd_nn import nn
from autograd_nn.nn.utils import parametrize
from autograd_nn.nn.utils.parametrizations import orthogonal, spectral_norm, weight_norm


class Symmetric(nn.Module):
    def forward(self, x):
        return x.triu() + x.triu(1).mT

    def right_inverse(self, a):
        return a.triu()


class Doubled(nn.Module):
    def forward(self, x):
        return 2 * x


def made(library, kind):
    """Return a layer with a weight that is computed."""
    utils = library.nn.utils
    if kind == "conv":
        return utils.parametrizations.weight_norm(library.nn.Conv1d(2, 3, 3))
    if kind == "transposed":
        return utils.parametrizations.spectral_norm(library.nn.ConvTranspose2d(2, 3, 3), n_power_iterations=2)
    if kind == "exp":
        return utils.parametrizations.orthogonal(library.nn.Linear(4, 4))
    if kind == "cayley":
        return utils.parametrizations.orthogonal(library.nn.Linear(3, 5), orthogonal_map="cayley")
    if kind == "wide":
        return utils.parametrizations.orthogonal(library.nn.Linear(5, 3), orthogonal_map="matrix_exp")
    layer = library.nn.Linear(4, 3)
    if kind.startswith("old"):
        return utils.weight_norm(layer, dim=None) if kind == "old whole" else getattr(utils, kind[4:])(layer)
    if kind == "whole":
        return utils.parametrizations.weight_norm(layer, dim=None)
    return getattr(utils.parametrizations, kind)(layer)


KINDS = ["weight_norm", "whole", "conv", "spectral_norm", "transposed", "exp", "cayley", "wide", "old weight_norm",
         "old whole", "old spectral_norm"]
SHAPES = {"conv": (2, 2, 5), "transposed": (2, 2, 4, 4), "cayley": (2, 3), "wide": (2, 5)}


@pytest.mark.parametrize("kind", KINDS)
def test_state_values_and_gradients_are_pytorchs(kind):
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    theirs = made(torch, kind).double()
    ours = made(ag, kind).double()
    assert {k: tuple(v.shape) for k, v in ours.state_dict().items()} == {
        k: tuple(v.shape) for k, v in theirs.state_dict().items()}
    assert [n for n, _ in ours.named_parameters()] == [n for n, _ in theirs.named_parameters()]
    ours.load_state_dict({k: v.numpy() for k, v in theirs.state_dict().items()})
    x = np.random.default_rng(0).standard_normal(SHAPES.get(kind, (2, 4)))
    for mode in (True, False):
        ours.train(mode)
        theirs.train(mode)
        ours.zero_grad()
        theirs.zero_grad()
        out, expected = ours(ag.tensor(x)), theirs(torch.tensor(x))
        (out**2).sum().backward()
        (expected**2).sum().backward()
        np.testing.assert_allclose(out.detach().numpy(), expected.detach().numpy(), rtol=1e-7, atol=1e-9)
        for p, q in zip(ours.parameters(), theirs.parameters(), strict=True):
            np.testing.assert_allclose(p.grad.numpy(), q.grad.numpy(), rtol=1e-6, atol=1e-8)
        for p, q in zip(ours.buffers(), theirs.buffers(), strict=True):
            np.testing.assert_allclose(p.numpy(), q.numpy(), rtol=1e-7)


def test_a_weight_starts_as_it_was():
    ag.manual_seed(0)
    for change in (weight_norm, nn.utils.weight_norm):
        layer = nn.Linear(4, 3)
        before = layer.weight.detach().clone()
        np.testing.assert_allclose(change(layer).weight.detach().numpy(), before.numpy(), rtol=1e-6)


def test_norms():
    ag.manual_seed(0)
    layer = spectral_norm(nn.Linear(6, 5))
    for _ in range(30):
        layer(ag.ones(1, 6))
    assert abs(np.linalg.svd(layer.weight.detach().numpy())[1][0] - 1) < 1e-3
    for shape, name in (((4, 4), None), ((3, 5), "cayley"), ((5, 3), "matrix_exp")):
        w = orthogonal(nn.Linear(*shape), orthogonal_map=name).weight.detach().numpy()
        small = w @ w.T if w.shape[0] <= w.shape[1] else w.T @ w
        np.testing.assert_allclose(small, np.eye(len(small)), atol=1e-5)


def test_orthogonal_starts_next_to_an_orthogonal_weight_and_stays_orthogonal():
    ag.manual_seed(1)
    layer = nn.Linear(4, 4)
    nn.init.orthogonal_(layer.weight)
    before = layer.weight.detach().clone()
    orthogonal(layer)
    np.testing.assert_allclose(layer.weight.detach().numpy(), before.numpy(), atol=1e-5)
    optimizer = ag.optim.SGD(layer.parameters(), lr=0.1)
    for _ in range(3):
        optimizer.zero_grad()
        (layer(ag.randn(5, 4)) ** 2).sum().backward()
        layer.weight.sum().backward()
        optimizer.step()
    w = layer.weight.detach().numpy()
    np.testing.assert_allclose(w @ w.T, np.eye(4), atol=1e-5)
    assert np.abs(w - before.numpy()).max() > 0.01


def test_parametrizations_follow_each_other():
    layer = nn.Linear(3, 3)
    kind = type(layer)
    parametrize.register_parametrization(layer, "weight", Symmetric())
    assert type(layer).__name__ == "ParametrizedLinear" and isinstance(layer, kind)
    assert parametrize.type_before_parametrizations(layer) is kind and parametrize.is_parametrized(layer, "weight")
    parametrize.register_parametrization(layer, "weight", Doubled())
    w = layer.weight
    assert w.equal(w.T) and w.equal(2 * layer.parametrizations.weight[0](layer.parametrizations.weight.original))
    assert layer.weight is not layer.weight
    with parametrize.cached():
        assert layer.weight is layer.weight
    again = copy.deepcopy(layer)
    assert again.weight.equal(w) and list(again.state_dict()) == ["bias", "parametrizations.weight.original"]
    with pytest.raises(RuntimeError, match="Doubled has no right_inverse"):
        layer.weight = ag.zeros(3, 3)
    parametrize.remove_parametrizations(layer, "weight")
    assert type(layer) is kind and isinstance(layer.weight, nn.Parameter) and layer.weight.equal(w)
    assert [n for n, _ in layer.named_parameters()] == ["bias", "weight"]


def test_an_attribute_is_set_through_the_right_inverse():
    layer = parametrize.register_parametrization(nn.Linear(2, 2), "weight", Symmetric())
    layer.weight = ag.tensor([[1.0, 2.0], [2.0, 3.0]])
    assert layer.parametrizations.weight.original.tolist() == [[1.0, 2.0], [0.0, 3.0]]
    parametrize.remove_parametrizations(layer, "weight", leave_parametrized=False)
    assert layer.weight.tolist() == [[1.0, 2.0], [0.0, 3.0]]


def test_a_buffer_is_parametrized():
    norm = nn.BatchNorm1d(3)
    parametrize.register_parametrization(norm, "running_var", Doubled())
    assert norm.running_var.tolist() == [2.0, 2.0, 2.0]
    assert "parametrizations.running_var.original" in dict(norm.named_buffers())
    parametrize.remove_parametrizations(norm, "running_var")
    assert "running_var" in norm._buffers and norm.running_var.tolist() == [2.0, 2.0, 2.0]


def test_old_forms_are_removed():
    ag.manual_seed(0)
    for add, remove in ((nn.utils.weight_norm, nn.utils.remove_weight_norm),
                        (nn.utils.spectral_norm, nn.utils.remove_spectral_norm)):
        layer = add(nn.Linear(4, 3))
        layer(ag.ones(1, 4))
        value = layer.weight
        with pytest.raises(RuntimeError, match="already"):
            add(layer)
        remove(layer)
        np.testing.assert_allclose(layer.weight.detach().numpy(), value.detach().numpy(), rtol=1e-6)
        assert [n for n, _ in layer.named_parameters()] == ["bias", "weight"] and not list(layer.buffers())
        with pytest.raises(ValueError, match="none for 'weight'"):
            remove(layer)


def test_what_may_not_be():
    class Wider(nn.Module):
        def forward(self, x):
            return F_cat(x)

    def F_cat(x):
        return ag.cat([x, x])

    with pytest.raises(ValueError, match="unsafe=True"):
        parametrize.register_parametrization(nn.Linear(2, 2), "weight", Wider())
    wide = parametrize.register_parametrization(nn.Linear(2, 2), "weight", Wider(), unsafe=True)
    assert wide.weight.shape == (4, 2)
    for call in (lambda: parametrize.register_parametrization(nn.Linear(2, 2), "scale", Doubled()),
                 lambda: parametrize.remove_parametrizations(nn.Linear(2, 2), "weight"),
                 lambda: orthogonal(nn.Linear(3, 5)), lambda: orthogonal(nn.BatchNorm1d(3)),
                 lambda: nn.utils.weight_norm(nn.ReLU()), lambda: spectral_norm(nn.Linear(2, 2), n_power_iterations=0)):
        with pytest.raises(ValueError):
            call()
