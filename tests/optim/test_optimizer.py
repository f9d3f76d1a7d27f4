import copy
import inspect
import json
import pickle

import numpy as np
import pytest

from autograd_nn import Tensor, from_numpy, nn, optim
from autograd_nn.engine import listen
from autograd_nn.optim import Optimizer

from .cases import KINDS, OPTIMIZERS, make


def leaf(*shape, value=1.0):
    return Tensor(np.full(shape, value, np.float32), requires_grad=True)


def with_gradients(*params):
    for p in params:
        p.grad = Tensor(np.ones_like(p.array))
    return params


class Plain(Optimizer):
    def __init__(self, params, lr=0.5, **implementation):
        super().__init__(params, {"lr": lr}, **implementation)

    def update(self, p, g, state, group):
        state["count"] = state.get("count", 0) + 1
        p -= group["lr"] * g


# ------------------------------------------------------------------------------------------- parameters


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("params", "error", "message"), [
    ([], ValueError, r"\w+\(\): got an empty list of parameters"),
    (iter(()), ValueError, "empty list"),
    (Tensor([1.0], requires_grad=True), TypeError, r"must be an iterable of tensors or dicts, not Tensor"),
    (3, TypeError, "not int"),
    ([1.0], TypeError, "parameter 0 must be a tensor, not float"),
    ([np.ones(3)], TypeError, "parameter 0 must be a tensor, not ndarray"),
    ([Tensor([1.0], requires_grad=True) * 2], ValueError, r"parameter 0 is not a leaf but the result of mul\(\)"),
    ([Tensor([1, 2])], TypeError, r"parameter 0 must be of float32 or float64 \(dtype=int64\)"),
    ([("w", Tensor([1.0], dtype=np.float16))], TypeError, r"parameter 'w' .*dtype=float16"),
    ([{"lr": 1.0}], ValueError, "needs the key 'params'"),
    ([{"params": {Tensor([1.0])}}], TypeError, "must come in an order"),
    ([{"params": []}, Tensor([1.0])], TypeError, "param_group must be a dict"),
])
def test_what_cannot_be_optimized_is_refused(kind, params, error, message):
    with pytest.raises(error, match=message):
        getattr(optim, kind)(params)


def test_a_parameter_that_is_listed_twice_is_updated_once_with_a_warning():
    p, q = leaf(2), leaf(3)
    with pytest.warns(UserWarning, match=r"SGD\(\): 1 parameters are listed more than once") as caught:
        optimizer = optim.SGD([p, q, p], lr=0.25)
    assert caught[0].filename == __file__
    assert [id(x) for x in optimizer.param_groups[0]["params"]] == [id(p), id(q)]
    with_gradients(p, q)
    optimizer.step()
    assert p.array.tolist() == [0.75, 0.75]


def test_a_parameter_in_two_groups_is_refused():
    p = leaf(2)
    with pytest.raises(ValueError, match=r"a parameter of shape \(2,\) is in more than one parameter group"):
        optim.SGD([{"params": [p]}, {"params": [leaf(3), p]}])


def test_groups_have_the_defaults_and_their_own_settings():
    p, q, r = leaf(1), leaf(1), leaf(1)
    groups = [{"params": p}, {"params": (x for x in [q]), "lr": 0.5, "name": "head"}]
    optimizer = optim.SGD(groups, lr=0.25, momentum=0.9)
    optimizer.add_param_group({"params": [r], "momentum": 0.0})
    assert [(g["lr"], g["momentum"], g["nesterov"]) for g in optimizer.param_groups] == [
        (0.25, 0.9, False), (0.5, 0.9, False), (0.25, 0.0, False)]
    assert optimizer.param_groups[1]["name"] == "head"
    with_gradients(p, q, r)
    optimizer.step()
    assert [x.item() for x in (p, q, r)] == [0.75, 0.5, 0.75]
    optimizer.param_groups[0]["lr"] = 1.0
    optimizer.step()
    assert p.item() == pytest.approx(0.75 - 1.9)


def test_a_misspelt_setting_of_a_group_is_refused():
    with pytest.raises(ValueError, match=r"unknown hyper-parameter 'weigth_decay' .* did you mean 'weight_decay'"):
        optim.Adam([{"params": [leaf(1)], "weigth_decay": 0.1}])


def test_hyper_parameters_may_be_tensors_and_numpy_numbers():
    optimizer = optim.Adam([leaf(1)], lr=Tensor(0.5), eps=np.float32(0.25))
    group = optimizer.param_groups[0]
    assert (group["lr"], group["eps"]) == (0.5, 0.25) and type(group["lr"]) is type(group["eps"]) is float


BAD = {
    "lr": (-1, float("nan"), float("inf"), "fast", "0.1", None, [0.1]), "eps": (-1e-9,), "weight_decay": (-0.1,),
    "betas": ((1.0, 0.9), (0.9, 1.0), (-0.1, 0.9), (0.9,), 0.9, None, "ab", ("a", "b")),
    "momentum": (-0.5,), "momentum_decay": (-1,),
    "alpha": (-1,), "rho": (-0.1, 1.1), "lr_decay": (-1,), "initial_accumulator_value": (-1,),
    "lambd": (-1, "x"), "t0": (-1, None), "dampening": (float("nan"), "x"), "maximize": (None, "no", 2),
    "nesterov": ("yes",), "amsgrad": (None,), "centered": ([],), "decoupled_weight_decay": (1.5,),
    "etas": ((0.0, 1.2), (0.5, 1.0), (1.0, 1.2)), "step_sizes": ((-1, 1), (2, 1)),
}


@pytest.mark.parametrize("kind", KINDS)
def test_hyper_parameters_out_of_range_are_refused_by_name_and_value(kind):
    accepted = getattr(optim, kind)([leaf(1)]).defaults
    checked = set(BAD) & set(accepted)
    assert "lr" in checked
    for name in checked:
        for value in BAD[name]:
            number = isinstance(value, int | float)
            pair = isinstance(value, tuple) and not isinstance(value[0], str)
            error = ValueError if (pair if name in ("betas", "etas", "step_sizes") else number) else TypeError
            if isinstance(accepted[name], bool):
                error = TypeError
            if name in inspect.signature(getattr(optim, kind)).parameters:
                with pytest.raises(error, match=rf"{kind}\(\): (each of )?{name} must be .* \((each of )?{name}="):
                    getattr(optim, kind)([leaf(1)], **{name: value})
            with pytest.raises(error, match=rf"{kind}\(\): (each of )?{name} must be"):
                getattr(optim, kind)([{"params": [leaf(1)], name: value}])


def test_nesterov_needs_momentum_and_no_dampening():
    for settings in ({}, {"momentum": 0.9, "dampening": 0.1}):
        with pytest.raises(ValueError, match="nesterov needs a momentum above 0 and no dampening"):
            optim.SGD([leaf(1)], nesterov=True, **settings)


@pytest.mark.parametrize("kind", KINDS)
def test_implementation_switches_of_pytorch(kind):
    for name in ("foreach", "capturable"):
        if name in inspect.signature(getattr(optim, kind)).parameters or kind not in ("RMSprop", "ASGD"):
            getattr(optim, kind)([leaf(1)], **{name: True})
    with pytest.raises(ValueError, match=rf"{kind}\(\): differentiable=True is not supported"):
        getattr(optim, kind)([leaf(1)], differentiable=True)
    message = rf"{kind}\(\) got an unexpected keyword argument 'learning_rate'; did you mean lr\?"
    with pytest.raises(TypeError, match=message):
        getattr(optim, kind)([leaf(1)], learning_rate=1)


def test_fused_is_accepted():
    assert optim.Adam([leaf(1)], fused=True).defaults.keys() == optim.Adam([leaf(1)]).defaults.keys()


# ------------------------------------------------------------------------------------------- steps


def test_a_subclass_is_its_update():
    p, q = leaf(3), leaf(2)
    optimizer = Plain([p, q])
    p.grad = Tensor(np.ones(3, np.float32))
    optimizer.step()
    optimizer.step()
    assert p.array.tolist() == [0, 0, 0] and q.array.tolist() == [1, 1]
    assert optimizer.state[p] == {"count": 2} and q not in optimizer.state
    with pytest.raises(NotImplementedError, match=r"Optimizer.update\(\) is not defined"):
        optimizer = Optimizer([p], {})
        optimizer.step()


def test_an_optimizer_may_define_its_own_step():
    class Signs(Optimizer):
        def step(self, closure=None):
            for group in self.param_groups:
                for p in group["params"]:
                    state = self.state[p]
                    state["seen"] = Tensor([1.0, 2.0])
                    p.data = p.array - group["lr"] * np.sign(p.grad.array)

    p, = with_gradients(leaf(3))
    optimizer = Signs([p], {"lr": 0.25})
    optimizer.step()
    assert p.array.tolist() == [0.75] * 3
    other = Signs([p], {"lr": 0.5})
    other.load_state_dict(optimizer.state_dict())
    assert other.state[p]["seen"].array.tolist() == [1, 2] and other.param_groups[0]["lr"] == 0.25


@pytest.mark.parametrize("kind", KINDS)
def test_parameters_without_gradient_stay_and_get_no_state(kind):
    p, q, frozen = leaf(2), leaf(2), Tensor(np.ones(2, np.float32))
    optimizer = getattr(optim, kind)([p, q, frozen])
    with_gradients(p)
    optimizer.step()
    assert (p.array < 1).all() and q.array.tolist() == frozen.array.tolist() == [1, 1]
    assert q not in optimizer.state and frozen not in optimizer.state


def test_the_closure_is_called_first_and_its_loss_returned():
    p = leaf(1)
    optimizer = optim.SGD([p], lr=0.25)

    def closure():
        optimizer.zero_grad()
        loss = (p * p).sum()
        loss.backward()
        return loss

    assert optimizer.step(closure).item() == 1.0 and p.item() == 0.5
    assert optimizer.step() is None


def test_zero_grad():
    p, q = leaf(2), leaf(2)
    optimizer = optim.SGD([p, q])
    with_gradients(p)
    optimizer.zero_grad(set_to_none=False)
    assert p.grad.array.tolist() == [0, 0] and p.grad.dtype == np.float32 and q.grad is None
    optimizer.zero_grad()
    assert p.grad is None


@pytest.mark.parametrize("kind", KINDS)
def test_backward_through_values_from_before_the_step_is_an_error(kind):
    p = leaf(3)
    optimizer = getattr(optim, kind)([p])
    loss = (p * p).sum()
    loss.backward(retain_graph=True)
    optimizer.step()
    with pytest.raises(RuntimeError, match="changed in place"):
        loss.backward()


def test_a_read_only_parameter_is_refused():
    for kind in [*KINDS, "LBFGS"]:
        p, q = with_gradients(leaf(2), leaf(3))
        q.array.flags.writeable = False
        optimizer = getattr(optim, kind)([p, q])
        message = rf"{kind}.step\(\), parameter of shape \(3,\): the memory is read-only .* use .clone\(\)"
        with pytest.raises(RuntimeError, match=message):
            optimizer.step(*([lambda p=p: p.sum()] if kind == "LBFGS" else []))
        assert p.array.tolist() == [1, 1] and not any(optimizer.state.get(x) for x in (p, q) if kind != "LBFGS")
        q.array.flags.writeable = True
        optimizer.step(*([lambda p=p: p.sum()] if kind == "LBFGS" else []))
        assert (p.array < 1).all() and (q.array < 1).all()
        q.array.flags.writeable = False
        if kind != "LBFGS":
            with pytest.raises(RuntimeError, match=r"steps?\(\): the memory is read-only"):
                optimizer.step()


def test_a_parameter_in_a_buffer_and_an_expanded_one_are_refused():
    buffer = nn.Parameter(from_numpy(np.frombuffer(np.ones(3, "f4").tobytes(), "f4")))
    with pytest.raises(RuntimeError, match=r"SGD.step\(\), parameter of shape \(3,\): the memory is read-only"):
        optim.SGD(with_gradients(buffer), lr=0.1).step()
    expanded = Tensor([1.0]).expand(3).requires_grad_(True)
    with pytest.raises(RuntimeError, match=r"several elements of an expanded tensor share one place"):
        optim.SGD(with_gradients(expanded), lr=0.1).step()


def test_repr_names_the_settings():
    text = repr(optim.SGD([leaf(1)], lr=0.25))
    assert text.startswith("SGD (\nParameter Group 0\n    dampening: 0.0\n    lr: 0.25\n") and text.endswith("\n)")


# ------------------------------------------------------------------------------------------- state


def test_the_state_has_pytorchs_layout():
    p, q, r = with_gradients(leaf(2), leaf(3), leaf(1))
    q.grad = None
    optimizer = optim.Adam([{"params": [p, q]}, {"params": [r], "lr": 0.5}])
    optimizer.step()
    state = optimizer.state_dict()
    assert [group["params"] for group in state["param_groups"]] == [[0, 1], [2]]
    assert state["param_groups"][1]["lr"] == 0.5 and state["param_groups"][0]["betas"] == (0.9, 0.999)
    assert list(state["state"]) == [0, 2]
    assert list(state["state"][0]) == ["step", "exp_avg", "exp_avg_sq"]
    assert state["state"][0]["step"] == 1 and isinstance(state["state"][0]["exp_avg"], Tensor)
    assert optim.SGD([p]).state_dict()["state"] == {}


@pytest.mark.parametrize(("name", "settings"), OPTIMIZERS[:8])
def test_the_state_survives_json_and_arrays(name, settings):
    p, q = with_gradients(leaf(2, 3), leaf(4))
    optimizer = make(name, [p, q], settings)
    optimizer.step()
    state = optimizer.state_dict()
    arrays = {(i, k): v.array.copy() for i, s in state["state"].items() for k, v in s.items() if isinstance(v, Tensor)}
    numbers = {i: {k: v for k, v in s.items() if not isinstance(v, Tensor)} for i, s in state["state"].items()}
    restored = json.loads(json.dumps({"state": numbers, "param_groups": state["param_groups"]}))
    for (i, k), array in arrays.items():
        restored["state"].setdefault(str(i), {})[k] = array
    kept = copy.deepcopy([p, q])
    other = make(name, kept, settings)
    other.load_state_dict(restored)
    optimizer.step()
    other.step()
    assert all(np.array_equal(a.array, b.array) for a, b in zip((p, q), kept))


def test_loading_copies_arrays_and_casts_them():
    p, = with_gradients(leaf(2))
    optimizer = optim.Adam([p])
    optimizer.step()
    other_p = Tensor(np.ones(2), requires_grad=True)
    other = optim.Adam([other_p])
    other.load_state_dict(optimizer.state_dict())
    m = other.state[other_p]["exp_avg"].array
    assert m.dtype == np.float64 and not np.shares_memory(m, optimizer.state[p]["exp_avg"].array)


def test_one_error_lists_all_that_does_not_fit_and_nothing_changes():
    p, q = with_gradients(leaf(2), leaf(3))
    optimizer = optim.Adam([p, q], lr=0.1)
    optimizer.step()
    state = copy.deepcopy(optimizer.state_dict())
    state["state"][0]["exp_avg"] = np.zeros((5, 5))
    del state["state"][1]["exp_avg_sq"]
    state["state"][1]["momentum_buffer"] = np.zeros(3)
    state["param_groups"][0]["lr"] = 0.7
    with pytest.raises(ValueError) as caught:
        optimizer.load_state_dict(state)
    message = str(caught.value)
    assert message.startswith("Adam.load_state_dict(): the saved state does not fit: ")
    for part in ("exp_avg of parameter 0 has shape (5, 5), not (2,)", "missing exp_avg_sq of parameter 1",
                 "unexpected momentum_buffer of parameter 1"):
        assert part in message
    assert optimizer.param_groups[0]["lr"] == 0.1 and optimizer.state[p]["step"] == 1


@pytest.mark.parametrize(("change", "message"), [
    (lambda s: s["param_groups"].append(s["param_groups"][0]), "has 2 parameter groups but the optimizer has 1"),
    (lambda s: s["param_groups"][0]["params"].append(2), "group 0 has 2 parameters but 3 were saved"),
    (lambda s: s["param_groups"][0].update(lr=-1), r"lr must be at least 0 \(lr=-1\)"),
    (lambda s: s.pop("state"), r"needs the keys 'state' and 'param_groups', got \['param_groups'\]"),
])
def test_states_of_other_optimizers_are_refused(change, message):
    optimizer = optim.SGD([leaf(2), leaf(3)])
    state = optimizer.state_dict()
    change(state)
    with pytest.raises(ValueError, match=message):
        optimizer.load_state_dict(state)


def test_the_state_of_another_kind_is_refused():
    p, = with_gradients(leaf(2))
    adam, sgd = optim.Adam([p]), optim.SGD([p], momentum=0.9)
    adam.step()
    with pytest.raises(ValueError, match="unexpected exp_avg, exp_avg_sq, step of parameter 0"):
        sgd.load_state_dict(adam.state_dict())


def test_momentum_may_be_switched_on_and_off_on_the_way():
    p, = with_gradients(leaf(1))
    optimizer = optim.SGD([p], lr=0.25)
    for momentum in (0.0, 0.5, 0.5, 0.0):
        optimizer.param_groups[0]["momentum"] = momentum
        optimizer.step()
    assert p.item() == 1 - 0.25 * (1 + 1 + 1.5 + 1)
    optim.SGD([p]).load_state_dict(optimizer.state_dict())


def named(*names):
    return [(name, leaf(2, value=i)) for i, name in enumerate(names)]


def test_names_are_kept_and_match_parameters_in_any_order():
    optimizer = optim.Adam(named("a", "b"))
    for i, p in enumerate(optimizer.param_groups[0]["params"]):
        p.grad = Tensor(np.full(2, i + 1, np.float32))
    optimizer.step()
    assert optimizer.state_dict()["param_groups"][0]["param_names"] == ["a", "b"]
    other = optim.Adam(named("b", "a"))
    other.load_state_dict(optimizer.state_dict())
    b, a = other.param_groups[0]["params"]
    assert other.state[a]["exp_avg"].array[0] == pytest.approx(0.1)
    assert other.state[b]["exp_avg"].array[0] == pytest.approx(0.2)
    assert other.param_groups[0]["param_names"] == ["b", "a"]
    with pytest.raises(ValueError, match="missing parameters of group 0: c; unexpected parameters of group 0: b"):
        optim.Adam(named("a", "c")).load_state_dict(optimizer.state_dict())
    unnamed = optim.Adam([leaf(2), leaf(2)])
    unnamed.load_state_dict(optimizer.state_dict())
    assert len(unnamed.state) == 2


def test_named_parameters_of_a_module_and_mixtures():
    model = nn.Linear(3, 2)
    optimizer = optim.SGD(model.named_parameters())
    assert optimizer.param_groups[0]["param_names"] == ["weight", "bias"]
    for params in ([*named("a"), leaf(1)], [{"params": named("a")}, {"params": [leaf(1)]}]):
        with pytest.raises(ValueError, match="either all parameters come with a name or none"):
            optim.SGD(params)


def test_a_copy_of_model_and_optimizer_is_one_of_its_own():
    model = nn.Linear(3, 2)
    optimizer = optim.Adam(model.parameters())
    with_gradients(*model.parameters())
    optimizer.step()
    twin, copied = copy.deepcopy((model, optimizer))
    copied.step()
    assert copied.param_groups[0]["params"][0] is twin.weight
    assert not np.array_equal(twin.weight.array, model.weight.array)
    assert copied.state[twin.weight]["step"] == 2 and optimizer.state[model.weight]["step"] == 1


def test_a_state_of_pytorch_loads():
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    p0, gradients = rng.normal(size=(3, 4)).astype(np.float32), rng.normal(size=(6, 3, 4)).astype(np.float32)
    theirs, mine = torch.tensor(p0, requires_grad=True), None
    reference = torch.optim.AdamW([theirs], lr=0.1, amsgrad=True)
    for i, g in enumerate(gradients):
        if i == 3:
            mine = Tensor(theirs.detach().numpy(), requires_grad=True)
            optimizer = optim.AdamW([mine])
            optimizer.load_state_dict(reference.state_dict())
        theirs.grad = torch.tensor(g)
        reference.step()
        if mine is not None:
            mine.grad = Tensor(g)
            optimizer.step()
    np.testing.assert_allclose(mine.array, theirs.detach().numpy(), atol=1e-6)


@pytest.mark.parametrize("kind", ["SGD", "Adam", "LBFGS"])
def test_hooks_are_called_around_each_step(kind):
    p, = with_gradients(leaf(2))
    optimizer = getattr(optim, kind)([p])
    seen = []
    pre = optimizer.register_step_pre_hook(lambda o, args, kwargs: seen.append(("pre", o is optimizer, p.tolist())))
    post = optimizer.register_step_post_hook(lambda o, args, kwargs: seen.append(("post", args[0] is o, p.tolist())))
    other = copy.deepcopy(optimizer)
    assert pickle.loads(pickle.dumps(optimizer)).param_groups[0]["lr"] == optimizer.param_groups[0]["lr"]
    optimizer.step(lambda: p.sum())
    assert [(when, flag) for when, flag, _ in seen] == [("pre", True), ("post", True)]
    assert seen[0][2] == [1, 1] and max(seen[1][2]) < 1
    pre.remove(), post.remove()
    optimizer.step(lambda: p.sum())
    other.step(lambda: p.sum())
    assert len(seen) == 2
    with pytest.raises(TypeError, match="hook must be a function of optimizer, args and kwargs, not int"):
        optimizer.register_step_pre_hook(3)


def test_a_pre_hook_may_replace_the_closure():
    p, = with_gradients(leaf(2))
    optimizer = optim.SGD([p])
    optimizer.register_step_pre_hook(lambda o, args, kwargs: ((o, lambda: "replaced"), {}))
    assert optimizer.step() == "replaced"
    optimizer.register_step_pre_hook(lambda o, args, kwargs: 3)
    with pytest.raises(TypeError, match=r"SGD.step\(\): a pre-hook must return None or \(args, kwargs\), not int"):
        optimizer.step()


# ------------------------------------------------------------------------------------ all parameters in one pass

ONE_PASS = [("SGD", {"weight_decay": 0.1}, "sgd_steps"), ("SGD", {"momentum": 0.9, "dampening": 0.5}, "momentum_steps"),
            ("Adam", {}, "adam_steps"), ("AdamW", {}, "adam_steps"), ("Adam", {"amsgrad": True}, "amsgrad_steps")]


def some_parameters(dtypes):
    rng = np.random.default_rng(0)
    shapes = (3, 4), (5,), (), (2, 0), (40, 30)
    params = [Tensor(rng.standard_normal(shape).astype(dtype), requires_grad=True)
              for shape, dtype in zip(shapes, dtypes)]
    return params, [[rng.standard_normal(p.shape).astype(p.array.dtype) for p in params] for _ in range(3)]


@pytest.mark.parametrize(("name", "settings", "operation"), ONE_PASS, ids=lambda value: str(value))
@pytest.mark.parametrize("dtypes", [["f4"] * 5, ["f8"] * 5, ["f4", "f8", "f4", "f8", "f4"]], ids=["f4", "f8", "mixed"])
def test_one_call_updates_all_parameters_to_the_bits_of_one_after_the_other(name, settings, operation, dtypes):
    params, steps = some_parameters(dtypes)
    alone = [Tensor(p.array.copy(), requires_grad=True) for p in params]
    together = getattr(optim, name)(params, lr=0.1, **settings)
    each = [getattr(optim, name)([p], lr=0.1, **settings) for p in alone]
    names = []

    def note(proceed, primitive, inputs, params):
        names.append(primitive.name)
        return proceed(*inputs, **params)

    for step, gradients in enumerate(steps):
        skipped = 1 if step == 0 else None  # it is one step behind the others
        for i, (p, q, g) in enumerate(zip(params, alone, gradients)):
            p.grad, q.grad = (None, None) if i == skipped else (Tensor(g), Tensor(g.copy()))
        with listen(note):
            together.step()
        for optimizer in each:
            optimizer.step()
    behind = name != "SGD" or "momentum" in settings  # states that differ are updated apart, in buffers' first step too
    calls = {"sgd_steps": 3, "momentum_steps": 1 + 2 + 1}.get(operation, 1 + 2 + 2) if behind else 3
    assert names.count(operation) == calls
    for p, q in zip(params, alone):
        assert p.array.tobytes() == q.array.tobytes()


def test_strided_parameters_and_read_only_gradients_take_the_same_step():
    rng = np.random.default_rng(1)
    x, g = rng.standard_normal((2, 6, 4)).astype(np.float32)
    g.flags.writeable = False
    for settings in ({}, {"momentum": 0.9}):
        strided, plain = Tensor(x.copy().T, requires_grad=True), Tensor(x.T.copy(), requires_grad=True)
        for p in (strided, plain):
            optimizer = optim.SGD([Tensor(np.ones(3, np.float32), requires_grad=True), p], lr=0.1, **settings)
            for _ in range(2):
                p.grad = Tensor(g.T)
                optimizer.step()
        assert strided.array.tobytes("C") == plain.array.tobytes("C") and not np.array_equal(plain.array, x.T)


@pytest.mark.parametrize("kind", ["subclass", "mixin", "object", "class"])
def test_another_update_is_called_for_each_parameter(kind, monkeypatch):
    seen = []

    def update(self, p, g, state, group):
        seen.append(p)

    class Subclass(optim.Adam):
        pass

    Subclass.update = update
    mixed = type("Mixed", (type("Mixin", (), {"update": update}), optim.Adam), {})
    params = [Tensor(np.ones(2, np.float32), requires_grad=True) for _ in range(3)]
    optimizer = {"subclass": Subclass, "mixin": mixed}.get(kind, optim.Adam)(params)
    if kind == "object":
        optimizer.update = update.__get__(optimizer)
    if kind == "class":
        monkeypatch.setattr(optim.Adam, "update", update)
    for p in params:
        p.grad = Tensor(np.ones(2, np.float32))
    optimizer.step()
    assert [id(p) for p in seen] == [id(p) for p in params] and all((p.array == 1).all() for p in params)


def test_a_pass_marks_what_it_wrote_and_not_the_gradients():
    p, q = (Tensor(np.ones(3, np.float32), requires_grad=True) for _ in range(2))
    optimizer = optim.SGD([p, q], lr=0.1)
    square, scaled = p * p, p.detach() * q
    p.grad, q.grad = Tensor(np.ones(3, np.float32)), Tensor(np.ones(3, np.float32), requires_grad=True)
    kept = (q.grad * q.grad).sum()
    optimizer.step()
    kept.backward()  # a gradient was only read
    for out in (square, scaled):
        with pytest.raises(RuntimeError, match=r"was changed in place after it was used, by sgd_steps\(\)"):
            out.sum().backward()
