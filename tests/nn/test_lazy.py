"""Lazy layers become the ordinary ones at their first call, with PyTorch's names, shapes and errors."""

import copy
import pickle

import numpy as np
import pytest

import autograd_nn as ag
from autograd_nn import nn, optim

CASES = {  # the layer's settings, and a shape of its input
    "LazyLinear": ((3,), (2, 5)),
    "LazyConv1d": ((4, 3), (2, 6, 8)),
    "LazyConv2d": ((4, 3), (2, 6, 8, 8)),
    "LazyConv3d": ((2, 2), (1, 3, 4, 4, 4)),
    "LazyConvTranspose1d": ((4, 3), (2, 6, 8)),
    "LazyConvTranspose2d": ((4, 3, 2), (2, 6, 4, 4)),
    "LazyConvTranspose3d": ((2, 2), (1, 3, 3, 3, 3)),
    "LazyBatchNorm1d": ((), (4, 3)),
    "LazyBatchNorm2d": ((), (4, 3, 2, 2)),
    "LazyBatchNorm3d": ((), (2, 3, 2, 2, 2)),
    "LazyInstanceNorm1d": ((), (2, 3, 5)),
    "LazyInstanceNorm2d": ((), (2, 3, 4, 4)),
    "LazyInstanceNorm3d": ((), (2, 3, 2, 2, 2)),
}  # fmt: skip


def data(name):
    return np.random.default_rng(0).standard_normal(CASES[name][1]).astype(np.float32)


@pytest.mark.parametrize("name", CASES)
def test_a_lazy_layer_becomes_the_ordinary_one(name):
    layer = getattr(nn, name)(*CASES[name][0])
    assert type(layer).__name__ == name and layer.has_uninitialized_params()
    parameters = list(layer.parameters())
    assert all(isinstance(p, nn.UninitializedParameter) for p in parameters)
    with pytest.raises(RuntimeError, match="dry run"):
        parameters[0].sum()
    layer(ag.tensor(data(name)))
    assert type(layer) is getattr(nn, name.removeprefix("Lazy"))
    assert all(p is q and type(p) is nn.Parameter and p.is_leaf and p.requires_grad
               for p, q in zip(parameters, layer.parameters(), strict=True))
    assert not layer._hooks


@pytest.mark.parametrize("name", CASES)
def test_names_shapes_texts_and_values_are_pytorchs(name):
    torch = pytest.importorskip("torch")
    ours, theirs = (getattr(library.nn, name)(*CASES[name][0]) for library in (ag, torch))
    assert list(ours.state_dict()) == list(theirs.state_dict())
    assert repr(ours) == repr(theirs)
    x = data(name)
    ours(ag.tensor(x))
    theirs(torch.tensor(x))
    assert repr(ours) == repr(theirs)
    theirs_state = {key: value.numpy() for key, value in theirs.state_dict().items()}
    again = getattr(nn, name)(*CASES[name][0])
    for layer in (ours, again):  # one that was called, and one that is loaded before
        layer.load_state_dict(theirs_state)
        layer.eval()
    theirs.eval()
    expected = theirs(torch.tensor(x)).detach().numpy()
    for layer in (ours, again):
        np.testing.assert_allclose(layer(ag.tensor(x)).detach().numpy(), expected, rtol=1e-4, atol=1e-5)
        assert repr(layer) == repr(theirs)


def test_a_network_is_trained():
    ag.manual_seed(0)
    net = nn.Sequential(nn.LazyConv2d(4, 3), nn.LazyBatchNorm2d(), nn.ReLU(), nn.Flatten(), nn.LazyLinear(2))
    optimizer = optim.Adam(net.parameters(), lr=0.01)
    x, y = ag.randn(8, 1, 6, 6), ag.tensor(np.arange(8) % 2)
    losses = []
    for _ in range(20):
        loss = nn.functional.cross_entropy(net(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]
    assert [type(layer).__name__ for layer in net] == ["Conv2d", "BatchNorm2d", "ReLU", "Flatten", "Linear"]


def test_dtypes_copies_and_states_before_the_first_call():
    layer = nn.LazyLinear(2).double()
    again = copy.deepcopy(layer)
    assert again(ag.ones(1, 3, dtype=ag.float64)).dtype == ag.float64 and layer.has_uninitialized_params()
    other = nn.LazyLinear(2)
    other.load_state_dict(layer.state_dict())
    assert other.has_uninitialized_params()
    with pytest.raises(RuntimeError, match="missing: weight"):
        other.load_state_dict({"bias": ag.ones(2)})
    assert repr(pickle.loads(pickle.dumps(layer.weight))) == "<UninitializedParameter>"
    for use in (lambda: layer.weight.shape, lambda: optim.SGD(layer.parameters(), lr=1.0).step()
                or layer.weight.numel(), lambda: nn.functional.linear(ag.ones(1, 3), layer.weight)):
        with pytest.raises(RuntimeError, match="dry run"):
            use()


def test_errors():
    with pytest.raises(RuntimeError, match="expects 3 or 4 dims"):
        nn.LazyConv2d(2, 3)(ag.ones(2, 3))
    with pytest.raises(ValueError, match="groups=2"):
        nn.LazyConv2d(2, 1, groups=2)(ag.ones(1, 3, 4, 4))
    assert nn.LazyConv2d(2, 1)(ag.ones(3, 4, 4)).shape == (2, 4, 4)
    assert nn.LazyInstanceNorm1d()(ag.ones(3, 4)).shape == (3, 4)


def test_a_lazy_module_of_ones_own():
    class Scale(nn.modules.lazy.LazyModuleMixin):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(ag.ones(1))
            self._be_lazy()

        def initialize_parameters(self, input):
            self.weight.materialize(input.shape[-1:])
            nn.init.ones_(self.weight)

        def forward(self, input):
            return input * self.weight

    assert Scale()(ag.ones(2, 3)).equal(ag.ones(2, 3))
