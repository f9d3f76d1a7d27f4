"""Copies, pickles and parents of what is compiled: a compiled module is a module, no copy shares plans."""

import copy
import pickle

import numpy as np
import pytest

import autograd_nn as ag
from autograd_nn import nn, optim

F = nn.functional


@ag.compile
def doubled(x):
    return (x * 2).sum()


class Scale:
    """An object with a compiled method."""

    def __init__(self, factor):
        self.factor = factor

    @ag.compile(plans=3)
    def times(self, x):
        return x * self.factor


class Net(nn.Module):
    """A module that holds a compiled one."""

    def __init__(self):
        super().__init__()
        self.body = ag.compile(nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Dropout(0.3)))
        self.head = nn.Linear(4, 2)

    def forward(self, x):
        return self.head(self.body(x).relu())


class Plain(Net):
    def __init__(self):
        super().__init__()
        self.body = self.body._orig_mod


class Decorated(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(3, 2)

    @ag.compile
    def forward(self, x):
        return self.layer(x)


def pickled(x):
    return pickle.loads(pickle.dumps(x))


COPIES = [copy.copy, copy.deepcopy, pickled]


def train(model, steps=6):
    """Return the losses of some steps, and the state after them."""
    ag.manual_seed(1)
    optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    losses = []
    for _ in range(steps):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(ag.randn(5, 3)), ag.randint(0, 2, (5,)))
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses, {name: x.numpy().tobytes() for name, x in model.state_dict().items()}


def made(kind):
    ag.manual_seed(0)
    return kind()


@pytest.mark.parametrize("copied", COPIES)
def test_a_compiled_function(copied):
    for _ in range(4):
        doubled(ag.ones(3))
    other = copied(doubled)
    assert other(ag.ones(3)).item() == 6.0
    assert other is doubled if copied is pickled else other.signatures is not doubled.signatures
    assert pickled(other)(ag.ones(2)).item() == 4.0  # a copy of a copy


def test_a_function_inside_a_function():
    step = ag.compile(lambda x: x + 1)
    assert copy.deepcopy(step)(ag.ones(1)).item() == 2.0
    with pytest.raises(pickle.PicklingError, match=r"read by its name.*<lambda> cannot be found; define it at the top"):
        pickle.dumps(step)


@pytest.mark.parametrize("copied", COPIES)
def test_a_compiled_method_belongs_to_its_object(copied):
    mine = Scale(2.0)
    for _ in range(4):
        mine.times(ag.ones(1))
    assert len(mine.times.signatures) == 1
    other = copied(mine)
    other.factor = 5.0
    assert (mine.times(ag.ones(1)).item(), other.times(ag.ones(1)).item()) == (2.0, 5.0)
    assert other.times.function.__self__ is other and other.times.plans == 3
    method = copied(mine.times)
    assert method(ag.ones(1)).item() == 2.0 and method.signatures is not mine.times.signatures


@pytest.mark.parametrize("copied", COPIES)
@pytest.mark.parametrize("how", ["compile()", "decorated"])
def test_a_compiled_forward_belongs_to_its_module(copied, how):
    model = made(Decorated) if how == "decorated" else nn.Linear(3, 2)
    if how == "compile()":
        model.compile()
    x = ag.ones(2, 3)
    for _ in range(4):
        with ag.no_grad():
            model(x)
    other = copied(model)
    assert list(other.state_dict()) == list(model.state_dict())
    np.testing.assert_array_equal(other(x).detach(), model(x).detach())
    layer = getattr(other, "layer", other)
    if copied is copy.copy and how == "decorated":
        other.layer = copy.deepcopy(layer)
        layer = other.layer
    layer.weight, layer.bias = nn.Parameter(ag.zeros(2, 3)), nn.Parameter(ag.ones(2))
    assert other(x).tolist() == [[1.0, 1.0]] * 2
    assert other.forward.function.__self__ is other
    assert model(x).tolist() != other(x).tolist()


def test_a_compiled_module_is_its_module():
    model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
    compiled = ag.compile(model)
    assert isinstance(compiled, nn.Sequential) and isinstance(compiled, nn.Module)
    assert compiled._orig_mod is model and len(compiled) == 3 and compiled[2] is model[2]
    assert list(compiled.state_dict()) == list(model.state_dict())
    assert [module for _, module in compiled.named_modules()] == [module for _, module in model.named_modules()]
    compiled.training = False
    assert not model.training and model.train().training and compiled.training and compiled.eval() is compiled
    compiled[2] = nn.Linear(4, 5)
    assert model(ag.ones(1, 3)).shape == compiled(ag.ones(1, 3)).shape == (1, 5)
    compiled.extra = nn.Linear(1, 1)
    assert model.extra is compiled.extra
    del compiled.extra
    assert not hasattr(model, "extra")
    with pytest.raises(AttributeError, match=r"'(Compiled)?Sequential' object has no attribute 'absent'"):
        compiled.absent  # noqa: B018
    seen = []
    compiled.register_forward_hook(lambda module, x, out: seen.append(module is model))
    compiled(ag.ones(1, 3))
    assert seen == [True]


def test_a_module_that_holds_a_compiled_one():
    model, plain = made(Net), made(Plain)
    assert [name for name, _ in model.named_parameters()] == [name for name, _ in plain.named_parameters()]
    assert type(model.body) is type(made(Net).body)
    assert train(model) == train(plain)
    model.eval()
    assert not model.body[1].training
    assert model.zero_grad() is None and model.requires_grad_(False).body[0].weight.requires_grad is False


@pytest.mark.parametrize("copied", [copy.deepcopy, pickled])
@pytest.mark.parametrize("kind", [Net, lambda: ag.compile(made(Plain))], ids=["inside", "outside"])
def test_copies_of_models_train_on_their_own(copied, kind):
    model, plain = made(kind), made(Plain)
    assert train(model) == train(plain)
    other, same = copied(model), copied(plain)
    assert not {id(x) for x in other.parameters()} & {id(x) for x in model.parameters()}
    before = {name: x.numpy().copy() for name, x in model.state_dict().items()}
    assert train(other, 8) == train(same, 8)
    for name, x in model.state_dict().items():
        np.testing.assert_array_equal(x.numpy(), before[name])


def test_shared_modules_stay_shared():
    class Both(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = nn.Linear(2, 2)
            self.fast = ag.compile(self.net)

    both = copy.deepcopy(Both())
    assert both.fast._orig_mod is both.net and len(list(both.parameters())) == 2


def test_the_state_of_a_compiled_model_on_disk(tmp_path):
    model = made(Net)
    train(model)
    ag.save(model.state_dict(), tmp_path / "model.safetensors")
    for other in (Plain(), Net(), ag.compile(Plain())):
        other.load_state_dict(ag.load(tmp_path / "model.safetensors"))
        np.testing.assert_array_equal(other.eval()(ag.ones(2, 3)).detach(), model.eval()(ag.ones(2, 3)).detach())


@pytest.mark.parametrize("prefix", ["_orig_mod.", "module."])
def test_the_names_of_wrapped_modules(prefix):
    model = nn.Linear(2, 2)
    state = {prefix + name: x for name, x in model.state_dict().items()}
    with pytest.raises(RuntimeError, match=rf"a wrapped module; load {{name.replace\('{prefix}', ''\): x for"):
        model.load_state_dict(state)


def test_a_shallow_copy_of_a_compiled_module_calls_the_same_module():
    compiled = ag.compile(nn.Linear(2, 2))
    other = copy.copy(compiled)  # as in PyTorch
    assert other._orig_mod is compiled._orig_mod and other.signatures is not compiled.signatures
    assert other(ag.ones(1, 2)).tolist() == compiled(ag.ones(1, 2)).tolist()


def test_names_of_the_users_come_first():
    class Odd(nn.Linear):
        explain = "mine"

        def __init__(self):
            super().__init__(2, 2)
            self.plans = 7

        def _replay(self):
            return "mine"

    compiled = ag.compile(Odd())
    for _ in range(4):
        with ag.no_grad():
            compiled(ag.ones(1, 2))
    assert (compiled.plans, compiled.explain, compiled._replay()) == (7, "mine", "mine")
    assert sum(known.is_trusted for known in compiled.signatures.values()) == 1
