"""The native comparison of slots sees each change, and guards without it see the same."""

import sys
import types
from collections import defaultdict

import numpy as np
import pytest

import autograd_nn as ag
from autograd_nn.compiled import guards, optimizers, words
from autograd_nn.engine import Variable
from autograd_nn.kernels.machine import is_available

pytestmark = pytest.mark.skipif(not is_available(), reason="no native programs here")


def test_the_places_of_all_slots_are_found():
    places = {kind: [words.place_of(kind, name) for name in names] for kind, names in words.SLOTS.items()}
    for kind, found in places.items():
        assert None not in found and len({*found}) == len(found), kind
        assert all(0 < place < kind.__basicsize__ for place in found)


def test_each_change_of_a_slot_is_seen_and_can_be_taken_over():
    cell = types.CellType([1])

    def function(a=1, *, b=2):
        return a

    class Kind(ag.nn.Parameter):
        pass

    changes = [
        (Kind(ag.ones(2)), Variable, "array", ag.ones(2).array), (ag.ones(2), Variable, "node", None),
        (ag.ones(2, requires_grad=True), Variable, "node", None), (cell, types.CellType, "cell_contents", [1]),
        (function, types.FunctionType, "__code__", (lambda a=1, *, b=2: b).__code__),
        (function, types.FunctionType, "__defaults__", (3,)),
        (function, types.FunctionType, "__kwdefaults__", {"b": 2}),
    ]  # fmt: skip
    watched = words.Words([words.Look(holder, name, kind) for holder, kind, name, _ in changes])
    assert watched.same()
    for holder, _, name, value in changes:
        before = getattr(holder, name)
        setattr(holder, name, value)
        assert watched.same() is (before is value), name
        setattr(holder, name, before)
        assert watched.same(), name
        setattr(holder, name, value)
        watched.renew()
        assert watched.same(), name


def test_what_was_compared_is_kept_alive():
    """Else another object could come to lie at its address, and be taken for it."""
    x = ag.ones(3)
    watched = words.Words([words.Look(x, "array", Variable)])
    address = id(x.array)
    x.array = None
    others = [ag.ones(3).array for _ in range(1000)]
    assert address not in map(id, others) and not watched.same()


def test_an_emptied_cell_differs():
    cell = types.CellType(5)
    watched = words.Words([words.Look(cell, "cell_contents", types.CellType)])
    del cell.cell_contents
    assert not watched.same()
    watched.renew()
    assert watched.same()


@pytest.mark.parametrize("native", [True, False])
@pytest.mark.parametrize("change", ["factor", "default", "weight", "frozen"])
def test_guards_see_changes_with_and_without_it(native, change, monkeypatch):
    if not native:
        monkeypatch.setattr(guards, "has_places", lambda: False)
    model, factor = ag.nn.Linear(2, 1, bias=False), 2.0

    def scaled(x, power=1):
        return (model(x) * factor) ** power

    step = ag.compile(lambda x: scaled(x).sum().detach())
    x = ag.ones(3, 2)
    for _ in range(4):
        assert step(x).item() == scaled(x).sum().item()
    assert "1 plan" in repr(step)
    if change == "factor":
        factor = 3.0
    elif change == "default":
        scaled.__defaults__ = (2,)
    elif change == "weight":
        model.weight = ag.nn.Parameter(ag.full((1, 2), 7.0))
    else:
        model.weight.requires_grad = False
    for _ in range(4):
        assert step(x).item() == scaled(x).sum().item()


# ------------------------------------------------------------------------------------ dicts, lists, arguments


def test_each_change_of_a_dict_is_seen_and_can_be_taken_over():
    x, y = object(), object()
    key = ag.ones(2)  # hashed by its identity
    for held in ({"a": x, key: x}, defaultdict(object, {"a": x, key: x})):
        for name in ("a", key):
            watched = words.Words([words.Look(held, name), words.Look(held, "absent")])
            for change in (lambda d, n: d.update({n: y}), lambda d, n: d.pop(n), lambda d, n: d.update(absent=x)):
                before = dict(held)
                assert watched.same()
                change(held, name)
                assert not watched.same()
                watched.renew()
                assert watched.same()
                held.clear()
                held.update(before)
                assert not watched.same()
                watched.renew()
            held.update({i: i for i in range(1000)})  # another table
            assert watched.same()
    assert "absent" not in held and held[key] is x


def test_each_change_of_a_list_is_seen():
    x, y = object(), object()
    changes = [lambda n: n.append(x), lambda n: n.pop(), lambda n: n.clear(), lambda n: n.reverse(),
               lambda n: n.__setitem__(1, x), lambda n: n.insert(0, y)]  # fmt: skip
    for change in changes:
        held = [x, y]
        watched = words.Words(words.elements_of(held))
        assert watched.same()
        change(held)
        assert not watched.same()
        watched.renew() if len(held) == 2 else held.__setitem__(slice(None), [x, y])
        assert watched.same()


def test_twins_hold_one_object():
    a = {"step": 10**9}
    b = dict(a)
    watched = words.Words([words.Look(a, "step", twin=b)])
    assert watched.same()
    a["step"] = int("1000000001")
    assert not watched.same()
    b["step"] = a["step"]
    assert watched.same()


def test_answers_are_not_leaked():
    watched = words.Words([words.Look([])])
    before = sys.getrefcount(True), sys.getrefcount(False)
    for _ in range(1000):
        watched.same()
    assert max(abs(sys.getrefcount(v) - n) for v, n in zip((True, False), before)) < 100


OTHERS = {
    "shape": lambda x: x[:2].clone(),
    "strides": lambda x: ag.zeros(4, 3).t() + 0,
    "transposed": lambda x: ag.zeros(4, 3).t(),
    "steps": lambda x: ag.zeros(3, 8)[:, ::2],
    "dtype": lambda x: x.double(),
    "byte order": lambda x: x.numpy().astype(">f4"),
    "fewer dims": lambda x: x.reshape(12),
    "more dims": lambda x: x.reshape(1, 3, 4),
    "graph": lambda x: (x.requires_grad_() * 1),
    "leaf": lambda x: x.requires_grad_(),
    "class": lambda x: ag.nn.Parameter(x, requires_grad=False),
    "array": lambda x: x.numpy(),
    "none": lambda x: None,
}


@pytest.mark.parametrize("other", OTHERS)
def test_arguments_of_another_form_are_refused_and_nothing_is_copied(other):
    x, y = ag.arange(12.0).reshape(3, 4).clone(), ag.ones(2)
    buffers = [np.zeros((3, 4), np.float32), np.zeros(2, np.float32)]
    assert words.Arguments.are_told([x, y])
    known = words.Arguments([x, y], buffers)
    given = OTHERS[other](x.clone())
    if isinstance(given, np.ndarray) and other == "byte order":
        tensor = ag.ones(3, 4)
        tensor.array = given
        given = tensor
    assert not known.take((object.__new__(ag.Tensor), y))  # without an array
    taken = known.take((given, y))
    assert taken is (type(given) is ag.Tensor and given.node is None and given.array.dtype == np.dtype(np.float32)
                     and given.array.dtype.isnative and given.array.strides == (16, 4) and given.shape == (3, 4))
    assert taken or not buffers[0].any()
    assert not known.take((x,)) and not known.take((x, y, y)) and not known.take(())
    assert known.take((x, y)) and buffers[0].tolist() == x.tolist() and buffers[1].tolist() == [1, 1]


@pytest.mark.parametrize("size", [0, 1, 100_000])
def test_arguments_of_any_size_are_copied(size):
    x = ag.randn(size)
    buffer = np.full(size, 7, np.float32)
    assert words.Arguments([x], [buffer]).take((x,)) and np.array_equal(buffer, x.numpy())


def test_strided_arguments_are_copied():
    x = ag.randn(6, 8)[::2, 1:5]
    buffer = np.ndarray((3, 4), np.float32, np.zeros(400, np.uint8), 0, x.array.strides)
    assert words.Arguments([x], [buffer]).take((x,)) and np.array_equal(buffer, x.numpy())


def test_a_setting_that_all_share_is_seen():
    x = ag.ones(3)
    buffer = np.zeros(3, np.float32)
    known = words.Arguments([x], [buffer])
    threads = ag.get_num_threads()
    try:
        ag.set_default_dtype(ag.float64)
        assert not known.take((x,))
        ag.set_default_dtype(ag.float32)
        assert known.take((x,))
        ag.set_num_threads(threads + 1)
        assert not known.take((x,))
    finally:
        ag.set_default_dtype(ag.float32)
        ag.set_num_threads(threads)
    assert known.take((x,))


CHANGES = {
    "momentum": lambda o: o.param_groups[0].update(momentum=0.9),
    "eps": lambda o: o.param_groups[0].update(eps=1e-3),
    "equal eps": lambda o: o.param_groups[0].update(eps=float("1e-8")),
    "maximize": lambda o: o.param_groups[0].update(maximize=True),
    "fewer": lambda o: o.param_groups[0]["params"].pop(),
    "state": lambda o: o.load_state_dict(o.state_dict()),
    "one step": lambda o: o.state[o.param_groups[0]["params"][1]].update(step=1),
    "another average": lambda o: [s.update({k: v.clone() if isinstance(v, ag.Tensor) else v for k, v in s.items()})
                                  for s in o.state.values()],
    "pre-hook": lambda o: o.register_step_pre_hook(lambda *a: None),
    "post-hook": lambda o: o.register_step_post_hook(lambda *a: None),
    "rate": lambda o: o.param_groups[0].update(lr=0.5),
    "step": lambda o: o.step(),
}


@pytest.mark.parametrize("rule", ["SGD", "Adam"])
@pytest.mark.parametrize("change", CHANGES)
def test_a_change_of_an_optimizer_is_seen_with_and_without_it(rule, change, monkeypatch):
    def losses(kind):
        ag.manual_seed(0)
        with monkeypatch.context() as patch:
            if kind == "by Python":
                patch.setattr(optimizers, "has_places", lambda: False)
            model = ag.nn.Sequential(ag.nn.Linear(3, 4), ag.nn.Linear(4, 1))
            optimizer = getattr(ag.optim, rule)(model.parameters(), lr=0.01)

            def step(x):
                optimizer.zero_grad()
                loss = model(x).square().mean()
                loss.backward()
                optimizer.step()
                return loss

            run = step if kind == "eager" else ag.compile(step)
            found = []
            for i in range(12):
                if i == 6:
                    CHANGES[change](optimizer)
                found.append(run(ag.ones(2, 3)).item())
            return found

    eager = losses("eager")
    assert losses("native") == eager
    assert losses("by Python") == eager
