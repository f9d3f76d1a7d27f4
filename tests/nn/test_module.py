"""Module: attributes, the tree, state, hooks, copies, errors."""

import copy
import gc
import pickle
import weakref
from collections import OrderedDict

import numpy as np
import pytest

import autograd_nn as ag
from autograd_nn import nn
from autograd_nn.nn.module import register_module_forward_hook, register_module_forward_pre_hook

F = nn.functional


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(ag.tensor([2.0, 3.0]))
        self.linear = nn.Linear(2, 3)
        self.register_buffer("count", ag.tensor(0))
        self.register_buffer("scratch", ag.tensor([1.0]), persistent=False)
        self.shift = nn.Parameter(ag.tensor([0.5]))

    def forward(self, x):
        return self.linear(x * self.scale) + self.shift


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = Block()
        self.layers = nn.ModuleList([nn.Linear(3, 3), nn.ReLU()])

    def forward(self, x):
        for layer in (self.first, *self.layers):
            x = layer(x)
        return x


# ------------------------------------------------------------------------------------ attributes


def test_parameters_in_definition_order_own_before_children():
    names = [
        "first.scale", "first.shift", "first.linear.weight", "first.linear.bias", "layers.0.weight", "layers.0.bias"
    ]
    assert [name for name, _ in Net().named_parameters()] == names
    assert [name for name, _ in Block().named_parameters(recurse=False)] == ["scale", "shift"]
    assert [name for name, _ in Block().named_parameters(prefix="b", recurse=False)] == ["b.scale", "b.shift"]


def test_buffers_and_modules():
    net = Net()
    assert [name for name, _ in net.named_buffers()] == ["first.count", "first.scratch"]
    assert [name for name, _ in net.named_modules()] == ["", "first", "first.linear", "layers", "layers.0", "layers.1"]
    assert [name for name, _ in net.named_children()] == ["first", "layers"]
    assert list(net.children()) == [net.first, net.layers]
    assert "first.scratch" not in net.state_dict()


def test_shared_module_and_parameter_come_once():
    layer = nn.Linear(2, 2)
    net = nn.Sequential(layer, nn.ReLU(), layer)
    assert len(list(net.parameters())) == 2
    assert len(list(net.modules())) == 3
    assert len(list(net.children())) == 2
    assert [name for name, _ in net.named_parameters(remove_duplicate=False)] == [
        "0.weight", "0.bias", "2.weight", "2.bias"
    ]
    tied = nn.Sequential(OrderedDict(a=nn.Linear(3, 3), b=nn.Linear(3, 3)))
    tied.b.weight = tied.a.weight
    assert [name for name, _ in tied.named_parameters()] == ["a.weight", "a.bias", "b.bias"]
    assert set(tied.state_dict()) == {"a.weight", "a.bias", "b.weight", "b.bias"}


def test_tied_weights_add_gradients_and_stay_tied():
    net = nn.Sequential(nn.Linear(3, 3, bias=False), nn.Linear(3, 3, bias=False))
    net[1].weight = net[0].weight
    x = ag.tensor(np.eye(3, dtype=np.float32))
    net(x).sum().backward()
    w = net[0].weight.array
    ones = np.ones((3, 3), np.float32)
    np.testing.assert_allclose(net[0].weight.grad.array, ones @ w.T + w.T @ ones, rtol=1e-5)
    copied = copy.deepcopy(net)
    assert copied[0].weight is copied[1].weight and copied[0].weight is not net[0].weight
    copied.load_state_dict(nn.Sequential(nn.Linear(3, 3, bias=False), nn.Linear(3, 3, bias=False)).state_dict())
    assert copied[0].weight is copied[1].weight
    assert copied.to(dtype=np.float64)[0].weight is copied[1].weight
    assert pickle.loads(pickle.dumps(net))[1].weight.shape == (3, 3)
    restored = pickle.loads(pickle.dumps(net))
    assert restored[0].weight is restored[1].weight


def test_setting_the_wrong_kind_raises():
    block = Block()
    with pytest.raises(TypeError, match=r"Block.scale is a parameter; .* Parameter or None, not to a Tensor"):
        block.scale = ag.tensor([1.0])
    with pytest.raises(TypeError, match="a float"):
        block.scale = 1.0
    with pytest.raises(TypeError, match=r"Block.linear is a module.*not to a function"):
        block.linear = F.relu
    with pytest.raises(TypeError, match=r"Block.count is a buffer"):
        block.count = 3
    without_bias = nn.Linear(2, 2, bias=False)
    with pytest.raises(TypeError, match="bias is a parameter"):
        without_bias.bias = ag.tensor([1.0, 2.0])
    without_bias.bias = nn.Parameter(ag.tensor([1.0, 2.0]))
    assert len(list(without_bias.parameters())) == 2
    block.scale = None
    assert "scale" not in dict(block.named_parameters())
    block.count = ag.tensor(5)
    assert block.state_dict()["count"].item() == 5
    del block.shift
    assert not hasattr(block, "shift")


def test_names_are_checked():
    module = nn.Module()
    for name, error in (("", KeyError), ("a.b", KeyError), ("forward", KeyError), (3, TypeError)):
        with pytest.raises(error):
            module.add_module(name, nn.ReLU())
    module.plain = 1
    with pytest.raises(KeyError, match="exists already"):
        module.register_parameter("plain", nn.Parameter(ag.tensor(1.0)))
    with pytest.raises(TypeError, match="must be a Parameter or None, got a Tensor"):
        module.register_parameter("w", ag.tensor(1.0))
    with pytest.raises(TypeError, match="must be a Module or None"):
        module.add_module("m", F.relu)
    with pytest.raises(TypeError, match="must be a Tensor or None, got a ndarray"):
        module.register_buffer("b", np.zeros(3))


def test_forgotten_init_says_so():
    class Forgot(nn.Module):
        def __init__(self):
            self.layer = nn.Linear(2, 2)

    class ForgotAll(nn.Module):
        def __init__(self):
            pass

        def forward(self, x):
            return x

    with pytest.raises(AttributeError, match=r"Forgot.__init__\(\) must call super.* before 'layer' is set"):
        Forgot()
    with pytest.raises(AttributeError, match=r"ForgotAll.__init__\(\) must call super\(\).__init__\(\)"):
        ForgotAll()(1)
    with pytest.raises(AttributeError, match="must call"):
        _ = ForgotAll().training


def test_missing_attribute_and_forward():
    with pytest.raises(AttributeError, match="'Linear' object has no attribute 'wieght'"):
        _ = nn.Linear(2, 2).wieght
    with pytest.raises(NotImplementedError, match=r"Module.forward\(\)"):
        nn.Module()(1)
    assert not hasattr(nn.ReLU(), "weight")


def test_getters():
    net = Net()
    assert net.get_submodule("") is net
    assert net.get_submodule("layers.0") is net.layers[0]
    assert net.get_parameter("first.linear.bias") is net.first.linear.bias
    assert net.get_buffer("first.count") is net.first.count
    with pytest.raises(AttributeError, match=r"has no module '7' \(target='layers.7', its modules: 0, 1\)"):
        net.get_submodule("layers.7")
    with pytest.raises(AttributeError, match=r"no parameter 'first\.linear\.w'"):
        net.get_parameter("first.linear.w")
    with pytest.raises(AttributeError, match="no buffer"):
        net.get_buffer("first.scale")


# ------------------------------------------------------------------------------------ modes, freezing, dtype


def test_train_and_eval_reach_all():
    net = Net()
    assert net.training and net.eval() is net
    assert not any(module.training for module in net.modules())
    net.first.train()
    assert net.first.linear.training and not net.layers.training
    with pytest.raises(ValueError, match="mode must be a bool"):
        net.train("yes")


def test_freezing():
    net = Net()
    net.first.requires_grad_(False)
    net(ag.randn(4, 2)).sum().backward()
    assert net.first.scale.grad is None and net.layers[0].weight.grad is not None
    net.zero_grad(set_to_none=False)
    assert net.layers[0].weight.grad.abs().sum().item() == 0
    net.zero_grad()
    assert net.layers[0].weight.grad is None
    net.requires_grad_()
    assert all(p.requires_grad for p in net.parameters())


def test_conversion_keeps_the_objects():
    net = Net()
    before = list(net.parameters())
    net(ag.randn(4, 2)).sum().backward()
    assert net.double() is net
    assert all(p is q for p, q in zip(before, net.parameters()))
    assert all(p.dtype == p.grad.dtype == np.float64 for p in before)
    assert net.first.count.dtype == np.int64 and net.first.scratch.dtype == np.float64
    assert net(ag.randn(4, 2, dtype=np.float64)).dtype == np.float64
    assert net.float().first.scale.dtype == np.float32
    assert net.to("cpu").to(np.float64).to("cpu").first.scale.dtype == np.float64
    assert net.to(ag.tensor([1.0])).first.scale.dtype == np.float32
    assert net.to(device="cpu", non_blocking=True).cpu() is net
    with pytest.raises(RuntimeError, match="CPU only"):
        net.to("cuda:0")
    with pytest.raises(RuntimeError, match="CPU only"):
        net.cuda()
    with pytest.raises(TypeError, match="floating-point"):
        net.to(np.int64)


def test_apply_children_first():
    seen = []
    net = nn.Sequential(nn.Linear(2, 2), nn.Sequential(nn.ReLU()))
    assert net.apply(lambda module: seen.append(type(module).__name__)) is net
    assert seen == ["Linear", "ReLU", "Sequential", "Sequential"]


# ------------------------------------------------------------------------------------ state


def test_state_dict_shares_memory_without_graph():
    block = Block()
    state = block.state_dict()
    assert list(state) == ["scale", "shift", "count", "linear.weight", "linear.bias"]
    assert not state["scale"].requires_grad and np.shares_memory(state["scale"].array, block.scale.array)
    assert block.state_dict(keep_vars=True)["scale"] is block.scale
    assert "m.scale" in block.state_dict(prefix="m.")


def test_load_state_dict_round_trip():
    a, b = Net(), Net()
    x = ag.randn(4, 2)
    assert a.load_state_dict(b.state_dict()) == ([], [])
    np.testing.assert_array_equal(a(x).array, b(x).array)
    wide = {name: value.numpy().astype(np.float64) for name, value in b.state_dict().items()}
    a.load_state_dict({**wide, "first.count": np.int32(7)})
    assert a.first.scale.dtype == np.float32 and a.first.count.dtype == np.int64 and a.first.count.item() == 7


def test_load_state_dict_lists_everything_and_changes_nothing():
    net = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1))
    before = {name: value.array.copy() for name, value in net.state_dict().items()}
    state = {"0.weight": np.zeros((3, 4)), "0.bais": np.zeros(3), "1.weight": np.zeros((1, 3)),
             "1.bias": np.zeros(1, complex)}
    with pytest.raises(RuntimeError) as caught:
        net.load_state_dict(state)
    message = str(caught.value)
    for part in (
        "missing: 0.bias",
        "unexpected: 0.bais (nearest: 0.bias)",
        "mismatched shape: 0.weight is (3, 4) in the state and (3, 2) in the module",
        "mismatched dtype: 1.bias is complex128 in the state and float32 in the module",
    ):
        assert part in message
    with pytest.raises(RuntimeError, match="mismatched shape"):
        net.load_state_dict(state, strict=False)
    for name, value in net.state_dict().items():
        np.testing.assert_array_equal(value.array, before[name])


def test_load_state_dict_not_strict():
    net = nn.Linear(2, 1)
    result = net.load_state_dict({"weight": np.ones((1, 2)), "other": np.zeros(1)}, strict=False)
    assert result.missing_keys == ["bias"] and result.unexpected_keys == ["other"]
    assert net.weight.tolist() == [[1.0, 1.0]]
    with pytest.raises(TypeError, match=r"[Mm]apping"):
        net.load_state_dict([1, 2])


def test_loading_between_forward_and_backward_is_noticed():
    net = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 1))
    loss = net(ag.randn(3, 2)).sum()
    net.load_state_dict(net.state_dict())
    with pytest.raises(RuntimeError, match="changed in place"):
        loss.backward()


def test_deepcopy_and_pickle():
    net = Net()
    x = ag.randn(4, 2)
    net(x).sum().backward()
    for other in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        np.testing.assert_array_equal(other(x).array, net(x).array)
        assert all(type(p) is nn.Parameter and p.requires_grad for p in other.parameters())
        assert not {id(p) for p in other.parameters()} & {id(p) for p in net.parameters()}
        other.first.scale.array[...] = 0
        assert net.first.scale.array[0] == 2
    np.testing.assert_array_equal(copy.deepcopy(net).first.scale.grad.array, net.first.scale.grad.array)


# ------------------------------------------------------------------------------------ hooks


def test_forward_hooks():
    layer, log = nn.Linear(2, 2), []
    x = ag.randn(3, 2)
    plain = layer(x)
    before = layer.register_forward_pre_hook(lambda module, args: log.append("before"))
    doubled = layer.register_forward_pre_hook(lambda module, args: args[0] * 2, prepend=True)
    after = layer.register_forward_hook(lambda module, args, out: log.append(out.shape))
    replaced = layer.register_forward_hook(lambda module, args, out: out * 0)
    assert layer(x).abs().sum().item() == 0
    assert log == ["before", (3, 2)]
    replaced.remove()
    np.testing.assert_allclose(layer(x).array, (layer.weight.array @ (2 * x.array).T).T + layer.bias.array, rtol=1e-5)
    for handle in (before, doubled, after):
        handle.remove()
    np.testing.assert_array_equal(layer(x).array, plain.array)
    assert not layer._hooks


def test_hooks_with_kwargs_and_always():
    class Scaled(nn.Module):
        def forward(self, x, *, factor):
            return x * factor

    layer, log = Scaled(), []
    layer.register_forward_pre_hook(lambda module, args, kwargs: (args, {"factor": 3}), with_kwargs=True)
    layer.register_forward_hook(lambda module, args, kwargs, out: log.append(kwargs["factor"]), with_kwargs=True)
    assert layer(ag.tensor(2.0), factor=1).item() == 6
    assert log == [3]
    failing, outputs = nn.Linear(2, 2), []
    failing.register_forward_hook(lambda module, args, out: outputs.append(out), always_call=True)
    with pytest.raises(RuntimeError):
        failing(ag.randn(3, 5))
    assert outputs == [None]


def test_hooks_on_all_modules():
    log = []
    with (
        register_module_forward_pre_hook(lambda module, args: log.append(type(module).__name__)),
        register_module_forward_hook(lambda module, args, out: log.append(out.shape)),
    ):
        nn.Sequential(nn.Linear(2, 3), nn.ReLU())(ag.randn(1, 2))
    assert log == ["Sequential", "Linear", (1, 3), "ReLU", (1, 3), (1, 3)]
    nn.ReLU()(ag.randn(1))
    assert len(log) == 6


def test_full_backward_hook_sees_and_replaces():
    layer, seen = nn.Linear(2, 3), []
    layer.register_full_backward_hook(lambda module, gi, go: seen.append((gi[0].array.copy(), go[0].array.copy())))
    x = ag.tensor(np.ones((4, 2), np.float32), requires_grad=True)
    (layer(x) * 2).sum().backward()
    ((grad_input, grad_output),) = seen
    np.testing.assert_array_equal(grad_output, np.full((4, 3), 2, np.float32))
    np.testing.assert_allclose(grad_input, grad_output @ layer.weight.array, rtol=1e-6)
    np.testing.assert_allclose(x.grad.array, grad_input)
    layer.register_full_backward_hook(lambda module, gi, go: (gi[0] * 10,))
    x.grad = None
    (layer(x) * 2).sum().backward()
    np.testing.assert_allclose(x.grad.array, 10 * grad_input, rtol=1e-6)


def test_full_backward_hook_without_input_gradient():
    layer, seen = nn.Linear(2, 3), []
    layer.register_full_backward_hook(lambda module, gi, go: seen.append((gi, go[0].shape)))
    layer(ag.randn(4, 2)).sum().backward()
    assert seen == [((None,), (4, 3))]
    assert layer.weight.grad is not None


def test_full_backward_pre_hook_and_several_tensors():
    class Two(nn.Module):
        def forward(self, x, y, factor):
            return {"sum": (x + y) * factor, "rest": [x * 2]}

    module, seen = Two(), []
    module.register_full_backward_pre_hook(lambda module, go: tuple(None if g is None else g * 3 for g in go))
    module.register_full_backward_hook(lambda module, gi, go: seen.append((gi, go)))
    x = ag.tensor([1.0], requires_grad=True)
    y = ag.tensor([2.0], requires_grad=True)
    out = module(x, y, 5)
    assert out["sum"].item() == 15 and out["rest"][0].item() == 2
    out["sum"].sum().backward(retain_graph=True)
    assert (x.grad.item(), y.grad.item()) == (15, 15)
    ((gi, go),) = seen
    assert gi[0].item() == gi[1].item() == 15 and gi[2] is None and go[0].item() == 3 and go[1] is None
    out["rest"][0].sum().backward()
    assert x.grad.item() == 15 + 6 and y.grad.item() == 15
    assert seen[1][0][1] is None


def test_backward_hooks_pass_second_order_through():
    layer = nn.Tanh()
    layer.register_full_backward_hook(lambda module, gi, go: None)
    x = ag.tensor([0.3], requires_grad=True)
    (g,) = ag.grad(layer(x).sum(), x, create_graph=True)
    (second,) = ag.grad(g.sum(), x)
    t = np.tanh(0.3)
    np.testing.assert_allclose(second.item(), -2 * t * (1 - t * t), rtol=1e-5)


def test_backward_hook_must_return_as_many():
    layer = nn.Linear(2, 2)
    layer.register_full_backward_hook(lambda module, gi, go: (gi[0], gi[0]))
    out = layer(ag.randn(1, 2, requires_grad=True))
    with pytest.raises(RuntimeError, match="must return None or 1 gradients, got 2"):
        out.sum().backward()


# ------------------------------------------------------------------------------------ errors name the layer


def test_errors_say_which_layer():
    class Outer(nn.Module):
        def __init__(self):
            super().__init__()
            self.features = nn.Sequential(nn.Flatten(), nn.Linear(12, 5))

        def forward(self, x):
            return self.features(x)

    with pytest.raises(RuntimeError, match=r"linear\(\).*\(2, 15\).*\(5, 12\)") as caught:
        Outer()(ag.randn(2, 3, 5))
    assert caught.value.__notes__ == [
        "in layer features.1 of Outer: Linear(in_features=12, out_features=5, bias=True)"
    ]


# ------------------------------------------------------------------------------------ containers


def test_sequential():
    net = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))
    assert len(net) == 3 and isinstance(net[-1], nn.Linear) and [type(m) for m in net[:2]] == [nn.Linear, nn.ReLU]
    assert net[1:][0] is net[1]
    net.append(nn.Tanh())
    assert list(dict(net.named_children())) == ["0", "1", "2", "3"]
    net[3] = nn.Sigmoid()
    del net[1]
    assert repr(net) == (
        "Sequential(\n"
        "  (0): Linear(in_features=2, out_features=3, bias=True)\n"
        "  (1): Linear(in_features=3, out_features=1, bias=True)\n"
        "  (2): Sigmoid()\n"
        ")"
    )
    net.insert(0, nn.Identity())
    assert isinstance(net[0], nn.Identity) and isinstance(net.pop(0), nn.Identity)
    with pytest.raises(IndexError, match="index 9 is out of range for 3 items"):
        net[9]
    with pytest.raises(TypeError, match="must be a Module, got function"):
        nn.Sequential(F.relu)
    shared = nn.Sequential(net[2], net[2])
    x = ag.randn(2)
    np.testing.assert_array_equal(shared(x).array, net[2](net[2](x)).array)


def test_sequential_with_names():
    net = nn.Sequential(OrderedDict([("hidden", nn.Linear(2, 2)), ("act", nn.ReLU())]))
    assert net.hidden is net[0] and list(net.state_dict()) == ["hidden.weight", "hidden.bias"]
    assert net[:1].hidden is net.hidden


def test_module_list():
    items = nn.ModuleList([nn.Linear(1, 1), nn.Linear(1, 2)])
    items += [nn.ReLU()]
    items.insert(1, nn.Tanh())
    assert [type(m).__name__ for m in items] == ["Linear", "Tanh", "Linear", "ReLU"]
    assert len(items[1:3]) == 2 and len(items + nn.ModuleList([nn.ReLU()])) == 5
    assert list(items.state_dict()) == ["0.weight", "0.bias", "2.weight", "2.bias"]
    assert items[0] in items
    with pytest.raises(NotImplementedError):
        items(1)


def test_module_dict():
    items = nn.ModuleDict({"a": nn.Linear(1, 1)})
    items["b"] = nn.ReLU()
    items.update([("c", nn.Tanh())])
    assert list(items) == ["a", "b", "c"] == list(items.keys()) and "b" in items and len(items) == 3
    assert isinstance(items.pop("c"), nn.Tanh) and "c" not in items
    with pytest.raises(KeyError, match=r"has no 'z' \(keys: a, b\)"):
        items["z"]
    with pytest.raises(KeyError, match="exists already"):
        items["items"] = nn.ReLU()
    items.clear()
    assert len(items) == 0


def test_parameter_list_and_dict():
    listed = nn.ParameterList([nn.Parameter(ag.tensor([1.0])), ag.tensor([2.0])])
    assert [name for name, _ in listed.named_parameters()] == ["0", "1"] and type(listed[1]) is nn.Parameter
    named = nn.ParameterDict({"w": ag.tensor([1.0, 2.0])})
    named["v"] = nn.Parameter(ag.tensor(3.0))
    assert [name for name, _ in named.named_parameters()] == ["w", "v"]
    assert "Parameter of shape (2,), float32" in repr(named) and "(0)" in repr(listed)
    with pytest.raises(TypeError, match="must be a Parameter"):
        named["x"] = 3


# ------------------------------------------------------------------------------------ Parameter


def test_parameter():
    x = ag.tensor([1.0, 2.0])
    p = nn.Parameter(x)
    assert p.requires_grad and p.is_leaf and np.shares_memory(p.array, x.array) and not x.requires_grad
    assert repr(p).startswith("Parameter containing:\ntensor([1., 2.]")
    assert not nn.Parameter(x, requires_grad=False).requires_grad
    assert nn.Parameter([1.0]).dtype == np.float32
    with pytest.raises(RuntimeError, match="floating-point"):
        nn.Parameter(ag.tensor([1]))
    assert type(p * 2) is ag.Tensor


def test_hooks_make_no_cycles():
    net = Net()
    net.first.register_full_backward_hook(lambda module, gi, go: None)
    net.layers[0].register_full_backward_pre_hook(lambda module, go: None)
    gc.collect()
    gc.disable()
    try:
        x = ag.randn(4, 2, requires_grad=True)
        hidden = net.first(x)
        loss = net.layers[0](hidden).sum()
        loss.backward(create_graph=True)
        x.grad = None
        net.zero_grad()
        seen = weakref.ref(hidden.array)
        del hidden, loss
        assert seen() is None
    finally:
        gc.enable()
