"""What libraries read of a module's inside: its dicts, its hooks on state, its extra state; as in PyTorch."""

import copy

import numpy as np
import pytest

import autograd_nn as ag
from autograd_nn import nn


def network(library):
    net = library.nn.Sequential(library.nn.Linear(2, 3, bias=False), library.nn.BatchNorm1d(3))
    net.add_module("last", library.nn.Linear(3, 1))
    net.register_buffer("scale", library.ones(2), persistent=False)
    return net


def test_dicts_are_pytorchs():
    torch = pytest.importorskip("torch")
    ours, theirs = network(ag), network(torch)
    for (name, module), (_, other) in zip(ours.named_modules(), theirs.named_modules(), strict=True):
        for kind in ("_parameters", "_buffers", "_modules"):
            mine, yours = getattr(module, kind), getattr(other, kind)
            assert list(mine) == list(yours) and len(mine) == len(yours), (name, kind)
            assert [v is None for v in mine.values()] == [v is None for v in yours.values()]
        assert module._non_persistent_buffers_set == other._non_persistent_buffers_set


def test_dicts_are_seen_through():
    net = network(ag)
    layer = net[0]
    assert layer._parameters["weight"] is layer.weight and layer._parameters["bias"] is None
    layer._parameters["bias"] = nn.Parameter(ag.ones(3))
    assert layer.bias.tolist() == [1.0, 1.0, 1.0] and [n for n, _ in layer.named_parameters()] == ["weight", "bias"]
    del layer._parameters["bias"]
    assert not hasattr(layer, "bias") and "bias" not in layer._parameters
    net._modules["1"] = nn.ReLU()
    assert isinstance(net[1], nn.ReLU) and len(net._modules) == 3
    net._buffers["scale"] = ag.zeros(2)
    assert net.scale.tolist() == [0.0, 0.0] and "scale" not in net.state_dict()
    for kind in ("_parameters", "_buffers", "_modules"):
        with pytest.raises(KeyError):
            getattr(net, kind)["nothing"]
        with pytest.raises(KeyError):
            del getattr(net, kind)["nothing"]
    assert copy.deepcopy(net)._buffers["scale"].tolist() == [0.0, 0.0]


def logged(library):
    """Return what hooks on state were called with."""
    net, log = network(library), []
    net[0].register_state_dict_pre_hook(lambda m, prefix, keep: log.append(("pre", type(m).__name__, prefix, keep)))

    def rename(module, state, prefix, metadata):
        log.append(("post", type(module).__name__, prefix))
        state[prefix + "renamed"] = state.pop(prefix + "weight")

    net[0].register_state_dict_post_hook(rename)
    state = net.state_dict()
    log.append(list(state))

    def back(module, state, prefix, metadata, strict, missing, unexpected, errors):
        log.append(("load", type(module).__name__, prefix, strict))
        state[prefix + "weight"] = state.pop(prefix + "renamed")

    net[0].register_load_state_dict_pre_hook(back)

    def forgive(module, keys):
        log.append((type(module).__name__, list(keys.missing_keys), list(keys.unexpected_keys)))
        keys.missing_keys.clear()

    net.last.register_load_state_dict_post_hook(forgive)
    state.pop("last.bias")
    state["last.weight"] = state["last.weight"] * 0 + 2
    log.append([list(keys) for keys in net.load_state_dict(state)])
    log.append(net.last.weight.tolist())
    log.append("renamed" in state or "0.renamed" in state)
    return log


def test_hooks_on_state_are_pytorchs():
    torch = pytest.importorskip("torch")
    assert logged(ag) == logged(torch)


def test_hooks_on_state():
    log = logged(ag)
    assert log[0] == ("pre", "Linear", "0.", False) and log[1] == ("post", "Linear", "0.")
    assert log[2][0] == "1.weight" or "0.renamed" in log[2]
    assert log[3] == ("load", "Linear", "0.", True)
    assert log[4] == ("Linear", ["last.bias"], [])
    assert log[5:] == [[[], []], [[2.0, 2.0, 2.0]], True]


def test_a_hook_is_taken_away_and_the_old_names_work():
    layer, log = nn.Linear(1, 1), []
    handle = layer._register_load_state_dict_pre_hook(lambda state, prefix, *rest: log.append(prefix))
    layer._register_state_dict_hook(lambda module, state, prefix, metadata: log.append("saved"))
    state = layer.state_dict()
    layer.load_state_dict(state)
    handle.remove()
    layer.load_state_dict(state)
    assert log == ["saved", ""]


def counting(library):
    class Counting(library.nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = library.nn.Parameter(library.ones(1))
            self.count = 3

        def get_extra_state(self):
            return {"count": self.count}

        def set_extra_state(self, state):
            self.count = state["count"]

    return library.nn.Sequential(Counting())


def test_extra_state():
    for library in (ag, pytest.importorskip("torch")):
        net, other = counting(library), counting(library)
        net[0].count = 7
        state = net.state_dict()
        assert list(state) == ["0.weight", "0._extra_state"]
        other.load_state_dict(state)
        assert other[0].count == 7
        del state["0._extra_state"]
        assert list(other.load_state_dict(state, strict=False).missing_keys) == ["0._extra_state"]


def doubling(library):
    class Doubling(library.nn.Linear):
        """Saves half of its weight, as a library that changes its format does."""

        def _save_to_state_dict(self, destination, prefix, keep_vars):
            super()._save_to_state_dict(destination, prefix, keep_vars)
            destination[prefix + "half"] = destination.pop(prefix + "weight") / 2

        def _load_from_state_dict(self, state_dict, prefix, *args):
            state_dict[prefix + "weight"] = state_dict.pop(prefix + "half") * 2
            super()._load_from_state_dict(state_dict, prefix, *args)

    return library.nn.Sequential(Doubling(2, 1))


def test_saving_and_loading_are_overridden():
    for library in (ag, pytest.importorskip("torch")):
        net, other = doubling(library), doubling(library)
        state = net.state_dict()
        assert sorted(state) == ["0.bias", "0.half"]
        other.load_state_dict(state)
        np.testing.assert_allclose(other[0].weight.tolist(), net[0].weight.tolist(), rtol=1e-6)


def test_state_dict_into_a_dict_with_a_prefix():
    for library in (ag, pytest.importorskip("torch")):
        state = {}
        layer = library.nn.Linear(1, 1)
        assert layer.state_dict(destination=state, prefix="a.") is state and list(state) == ["a.weight", "a.bias"]
        assert list(layer.state_dict({}, "b.")) == ["b.weight", "b.bias"]


def test_names_of_submodules_and_conversions():
    net = network(ag)
    net.set_submodule("last", nn.Identity())
    assert isinstance(net.get_submodule("last"), nn.Identity)
    with pytest.raises(AttributeError, match="no module 'first'"):
        net.set_submodule("first", nn.Identity(), strict=True)
    assert net.half()[0].weight.dtype == ag.float16 and net.type(ag.float64)[0].weight.dtype == ag.float64
    assert net.type(ag.FloatTensor)[0].weight.dtype == ag.float32 and net.to_empty(device="cpu") is net
    with pytest.raises(TypeError, match=r"use \.float"):
        net.bfloat16()
    with pytest.raises(NotImplementedError, match="threads"):
        net.share_memory()
