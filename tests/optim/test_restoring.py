"""States restored in every order, parameter groups that are added late, copies and pickles."""

import copy
import itertools
import json
import pickle

import numpy as np
import pytest

from autograd_nn import Tensor, nn, optim
from autograd_nn.optim import lr_scheduler as schedules

from .cases import OPTIMIZERS, SCHEDULES, make, metric

NAMES = [name for name, _ in SCHEDULES]
SAVED, END = 7, 25
ORDERS = [order for order in itertools.permutations(("make scheduler", "load optimizer", "load scheduler"))
          if order.index("make scheduler") < order.index("load scheduler")]

MORE = [
    ("SequentialLR of a chain", lambda L, o: L.SequentialLR(o, [
        L.ChainedScheduler([L.LinearLR(o, 0.1, total_iters=3), L.ExponentialLR(o, 0.9)]),
        L.CosineAnnealingWarmRestarts(o, 3)], [5])),
    ("ChainedScheduler with a warm-up", lambda L, o: L.ChainedScheduler(
        [L.LinearLR(o, 0.1, total_iters=4), L.CosineAnnealingLR(o, 6), L.StepLR(o, 5)])),
    ("SequentialLR into SWALR", lambda L, o: L.SequentialLR(o, [L.CosineAnnealingLR(o, 9), L.SWALR(o, 0.2, 4)], [6])),
]  # fmt: skip


def parameter(*shape):
    return Tensor(np.ones(shape or 2, np.float32), requires_grad=True)


def new_optimizer(kind, lr=0.3, groups=2):
    momentum = {"momentum": 0.9} if kind == "SGD" else {}
    return getattr(optim, kind)([{"params": [parameter()], "lr": lr * (i + 1)} for i in range(groups)], **momentum)


def advance(optimizer, schedule, epoch):
    for group in optimizer.param_groups:
        for p in group["params"]:
            p.grad = Tensor(np.full_like(p.array, 0.1 * (epoch + 1)))
    optimizer.step()
    schedule.step(*([metric(epoch)] if isinstance(schedule, schedules.ReduceLROnPlateau) else []))


def settings(optimizer):
    return [{key: value for key, value in group.items() if key != "params"} for group in optimizer.param_groups]


@pytest.mark.parametrize("kind", ["SGD", "Adam"])
@pytest.mark.parametrize("order", [*ORDERS, ("make scheduler", "load scheduler")], ids=", ".join)
@pytest.mark.parametrize(("name", "make_schedule"), SCHEDULES + MORE, ids=[name for name, _ in SCHEDULES + MORE])
def test_a_run_goes_on_from_states_restored_in_any_order(name, make_schedule, order, kind):
    optimizer = new_optimizer(kind)
    schedule = make_schedule(schedules, optimizer)
    for epoch in range(SAVED):
        advance(optimizer, schedule, epoch)
    saved = json.loads(json.dumps(schedule.state_dict()))
    held = copy.deepcopy(optimizer.state_dict())

    other = new_optimizer(kind, lr=0.3 if "load optimizer" not in order or order[0] == "load optimizer" else 0.7)
    for action in order:
        if action == "make scheduler":
            continued = make_schedule(schedules, other)
        elif action == "load optimizer":
            other.load_state_dict(held)
        else:
            continued.load_state_dict(saved)
    assert settings(other) == settings(optimizer) and continued.get_last_lr() == schedule.get_last_lr()
    for epoch in range(SAVED, END):
        advance(optimizer, schedule, epoch)
        advance(other, continued, epoch)
        assert settings(other) == settings(optimizer), epoch


def test_rates_changed_by_hand_before_the_state_was_saved_are_restored():
    optimizer = new_optimizer("SGD")
    schedule = schedules.ExponentialLR(optimizer, 0.5)
    optimizer.param_groups[0]["lr"] = 8.0
    saved = copy.deepcopy((optimizer.state_dict(), schedule.state_dict()))
    other = new_optimizer("SGD")
    other.load_state_dict(saved[0])
    continued = schedules.ExponentialLR(other, 0.5)
    continued.load_state_dict(saved[1])
    advance(other, continued, 0)
    assert [group["lr"] for group in other.param_groups] == [4.0, 0.3]


def test_a_state_without_the_groups_settings_is_taken_as_pytorch_and_earlier_versions_save_it():
    optimizer = new_optimizer("SGD")
    make_schedule = dict(SCHEDULES)["SequentialLR"]
    schedule = make_schedule(schedules, optimizer)
    for epoch in range(SAVED):
        advance(optimizer, schedule, epoch)
    saved = schedule.state_dict()
    for state in (saved, *saved["_schedulers"]):
        del state["param_groups"]
    del saved["_step_count"]
    other = new_optimizer("SGD")
    other.load_state_dict(optimizer.state_dict())
    continued = make_schedule(schedules, other)
    continued.load_state_dict(saved)
    assert settings(other) == settings(optimizer)


def test_an_optimizers_state_from_before_the_schedule_leaves_the_schedules_settings():
    optimizer = new_optimizer("SGD")
    held = copy.deepcopy(optimizer.state_dict())
    schedule = schedules.OneCycleLR(optimizer, 1.0, total_steps=10)
    optimizer.load_state_dict(held)
    advance(optimizer, schedule, 0)
    assert optimizer.param_groups[0]["max_lr"] == 1.0 and optimizer.param_groups[0]["initial_lr"] == 0.04


# ------------------------------------------------------------------------------------------- groups added late


@pytest.mark.parametrize(("name", "make_schedule"), SCHEDULES + MORE, ids=[name for name, _ in SCHEDULES + MORE])
def test_a_group_that_is_added_later_joins_the_schedule(name, make_schedule):
    alone = new_optimizer("SGD")
    expected, optimizer = make_schedule(schedules, alone), new_optimizer("SGD")
    schedule = make_schedule(schedules, optimizer)
    rates = set()
    for epoch in range(END):
        if epoch == 4:
            optimizer.add_param_group({"params": [parameter()], "lr": 0.5})
        advance(alone, expected, epoch)
        advance(optimizer, schedule, epoch)
        assert settings(optimizer)[:2] == settings(alone), epoch
        assert len(schedule.get_last_lr()) == (2 if epoch < 4 else 3)
        rates.update(group["lr"] for group in optimizer.param_groups[2:])
    assert rates != {0.5} or name.startswith(("ConstantLR", "LinearLR"))  # these have come to their end before
    state = json.loads(json.dumps(schedule.state_dict()))
    held = copy.deepcopy(optimizer.state_dict())
    for order in ORDERS:
        for early in (False, True):  # the group is added before or after the schedule is made
            other = new_optimizer("SGD")
            actions = list(order)
            actions.insert(0 if early or order[0] == "load optimizer" else 1, "add group")
            for action in actions:
                if action == "add group":
                    other.add_param_group({"params": [parameter()], "lr": 0.5})
                elif action == "make scheduler":
                    continued = make_schedule(schedules, other)
                elif action == "load optimizer":
                    other.load_state_dict(held)
                else:
                    continued.load_state_dict(state)
            twin, twin_schedule = copy.deepcopy((optimizer, schedule))
            for epoch in range(END, END + 5):
                advance(twin, twin_schedule, epoch)
                advance(other, continued, epoch)
                assert settings(other) == settings(twin), (order, early, epoch)


@pytest.mark.parametrize(("make_schedule", "rates"), [
    (lambda o: schedules.StepLR(o, 2, 0.5), [0.5, 0.25, 0.25, 0.125]),
    (lambda o: schedules.ExponentialLR(o, 0.5), [0.25, 0.125, 0.0625, 0.03125]),
    (lambda o: schedules.LambdaLR(o, lambda epoch: 1 / (1 + epoch)), [0.125, 0.1, 1 / 12, 1 / 14]),
    (lambda o: schedules.CosineAnnealingLR(o, 4), [0.14644661, 0, 0.0732233, 0.25]),
    (lambda o: schedules.CyclicLR(o, 0.1, 0.5, 2), [0.3, 0.1, 0.3, 0.5]),
    (lambda o: schedules.OneCycleLR(o, 1.0, total_steps=5, pct_start=0.2, anneal_strategy="linear"),
     [0.250003, 4e-6]),
])  # fmt: skip
def test_the_rates_of_a_late_group(make_schedule, rates):
    optimizer = new_optimizer("SGD", lr=1.0, groups=1)
    schedule = make_schedule(optimizer)
    for epoch in range(2):
        advance(optimizer, schedule, epoch)
    optimizer.add_param_group({"params": [parameter()], "lr": 0.5})
    for epoch, rate in enumerate(rates, 2):
        advance(optimizer, schedule, epoch)
        assert optimizer.param_groups[1]["lr"] == pytest.approx(rate, abs=1e-8)


@pytest.mark.parametrize(("make_schedule", "argument", "attribute", "value"), [
    (lambda o: schedules.LambdaLR(o, [lambda epoch: 0.5**epoch] * 2), "lr_lambda", "lr_lambdas", lambda epoch: 1.0),
    (lambda o: schedules.MultiplicativeLR(o, [lambda epoch: 0.5] * 2), "lr_lambda", "lr_lambdas", lambda epoch: 1.0),
    (lambda o: schedules.CyclicLR(o, 0.1, [0.5, 0.6], 4), "max_lr", "max_lrs", 0.7),
    (lambda o: schedules.OneCycleLR(o, [0.5, 0.6], 20), "max_lr", "max_lrs", 0.7),
    (lambda o: schedules.SWALR(o, [0.5, 0.6]), "swa_lr", "swa_lrs", 0.7),
    (lambda o: schedules.ReduceLROnPlateau(o, min_lr=[0.1, 0.2], patience=0), "min_lr", "min_lrs", 0.3),
    (lambda o: schedules.SequentialLR(o, [schedules.LambdaLR(o, [abs] * 2)], []), "lr_lambda", None, None),
])  # fmt: skip
def test_a_late_group_needs_its_value_of_what_was_given_group_by_group(make_schedule, argument, attribute, value):
    optimizer = new_optimizer("SGD")
    schedule = make_schedule(optimizer)
    advance(optimizer, schedule, 0)
    optimizer.add_param_group({"params": [parameter()], "lr": 0.5})
    before, epoch = copy.deepcopy(settings(optimizer)), schedule.last_epoch
    for _ in range(2):
        with pytest.raises(ValueError, match=rf"step\(\): a parameter group was added .* {argument} was given group by "
                                             rf"group; append .* \(2 values, 3 groups\)"):
            advance(optimizer, schedule, 1)
        assert settings(optimizer) == before and schedule.last_epoch == epoch
    if attribute is not None:
        getattr(schedule, attribute).append(value)
        advance(optimizer, schedule, 1)
        assert len(schedule.get_last_lr()) == 3


def test_the_example_of_faults_md():
    optimizer = optim.SGD([parameter(1)], lr=1.0)
    schedule = schedules.ReduceLROnPlateau(optimizer, patience=1)
    optimizer.add_param_group({"params": [parameter(1)], "lr": 0.5})
    for _ in range(4):
        schedule.step(1.0)
    assert [group["lr"] for group in optimizer.param_groups] == pytest.approx([0.1, 0.05])


# ------------------------------------------------------------------------------------------- copies and pickles


COPIES = [("deepcopy", copy.deepcopy), ("pickle", lambda part: pickle.loads(pickle.dumps(part)))]
PLAIN = [(name, make_schedule) for name, make_schedule in SCHEDULES + MORE if "LambdaLR" != name != "MultiplicativeLR"]


@pytest.mark.parametrize("duplicate", [c for _, c in COPIES], ids=[name for name, _ in COPIES])
@pytest.mark.parametrize(("name", "make_schedule"), PLAIN, ids=[name for name, _ in PLAIN])
def test_a_copy_of_optimizer_and_schedule_goes_on_by_itself(name, make_schedule, duplicate):
    optimizer = new_optimizer("SGD")
    schedule = make_schedule(schedules, optimizer)
    for epoch in range(SAVED):
        advance(optimizer, schedule, epoch)
    twin, continued = duplicate((optimizer, schedule))
    assert continued.optimizer is twin
    before = copy.deepcopy(settings(optimizer))
    found = []
    for epoch in range(SAVED, END):
        advance(twin, continued, epoch)
        found.append(copy.deepcopy(settings(twin)))
    assert settings(optimizer) == before
    for epoch in range(SAVED, END):
        advance(optimizer, schedule, epoch)
        assert settings(optimizer) == found[epoch - SAVED]


@pytest.mark.parametrize("duplicate", [c for _, c in COPIES], ids=[name for name, _ in COPIES])
@pytest.mark.parametrize(("name", "arguments"), OPTIMIZERS, ids=[f"{n}-{i}" for i, (n, _) in enumerate(OPTIMIZERS)])
def test_a_copy_of_a_model_and_its_optimizer_trains_to_the_same_bits(name, arguments, duplicate):
    model = nn.Linear(3, 2)
    optimizer = make(name, model.named_parameters(), arguments)

    def train(model, optimizer, steps):
        for i in range(steps):
            optimizer.zero_grad()
            (model(Tensor(np.full((4, 3), 0.5 + i, np.float32))) ** 2).sum().backward()
            optimizer.step()

    train(model, optimizer, 3)
    twin, copied = duplicate((model, optimizer))
    assert copied.param_groups[0]["params"][0] is twin.weight and type(copied) is type(optimizer)
    before = model.weight.array.copy()
    train(twin, copied, 3)
    assert np.array_equal(before, model.weight.array)
    train(model, optimizer, 3)
    assert twin.weight.array.tobytes() == model.weight.array.tobytes()
    assert copied.param_groups[0]["param_names"] == ["weight", "bias"]


# ------------------------------------------------------------------------------------------- states that do not fit


@pytest.mark.parametrize(("name", "make_schedule"), SCHEDULES + MORE, ids=[name for name, _ in SCHEDULES + MORE])
def test_what_is_no_state_of_the_schedule_is_refused_and_changes_nothing(name, make_schedule):
    optimizer = new_optimizer("SGD")
    schedule = make_schedule(schedules, optimizer)
    before, state = copy.deepcopy(settings(optimizer)), json.dumps(schedule.state_dict())
    for bad in (None, 3, "state", [], {}, {"last_epoch": 3}):
        with pytest.raises((TypeError, ValueError), match=rf"{type(schedule).__name__}.load_state_dict\(\): "):
            schedule.load_state_dict(bad)
    assert settings(optimizer) == before and json.dumps(schedule.state_dict()) == state


def test_a_combination_of_another_number_of_schedules_is_refused():
    optimizer = new_optimizer("SGD")
    one = schedules.ChainedScheduler([schedules.StepLR(optimizer, 2)])
    two = schedules.ChainedScheduler([schedules.StepLR(optimizer, 2), schedules.ExponentialLR(optimizer, 0.9)])
    with pytest.raises(ValueError, match=r"ChainedScheduler.load_state_dict\(\): the state is of 1 schedulers, but th"):
        two.load_state_dict(one.state_dict())


@pytest.mark.parametrize(("change", "message"), [
    (lambda s: s.update(param_groups=3), "'param_groups' must be a list of dicts"),
    (lambda s: s.update(param_groups=[3]), "'param_groups' must be a list of dicts"),
    (lambda s: s["param_groups"][0].pop("params"), "group 0 has no list 'params'"),
    (lambda s: s.update(state=[1]), "'state' must be a dict of dicts"),
    (lambda s: s.update(state={0: 3}), "'state' must be a dict of dicts"),
    (lambda s: s.update(state={"weight": {}}), "the keys of 'state' must be positions"),
    (lambda s: s["state"][0].update(exp_avg="abc"), r"exp_avg of parameter 0 .*"),
    (lambda s: s["state"][0].update(exp_avg=np.full((2,), None)), "exp_avg of parameter 0 is a ndarray, not numbers"),
    (lambda s: s["state"][0].update(step=None), "missing step of parameter 0"),
    (lambda s: s["state"][0].update(step="many"), "step of parameter 0 is a str, not numbers"),
    (lambda s: s["param_groups"][0].update(lr="fast"), "lr must be a finite number"),
])  # fmt: skip
def test_what_is_no_state_of_the_optimizer_is_refused(change, message):
    optimizer = optim.Adam([parameter()])
    optimizer.param_groups[0]["params"][0].grad = Tensor(np.ones(2, np.float32))
    optimizer.step()
    state = copy.deepcopy(optimizer.state_dict())
    change(state)
    with pytest.raises((TypeError, ValueError), match=message):
        optimizer.load_state_dict(state)
    assert optimizer.state_dict()["state"][0]["step"] == 1


def test_parameters_with_equal_names_are_matched_by_position():
    def model():
        return [("weight", parameter(2)), ("weight", parameter(3))]

    optimizer = optim.Adam(model())
    for i, p in enumerate(optimizer.param_groups[0]["params"]):
        p.grad = Tensor(np.full_like(p.array, i + 1))
    optimizer.step()
    other = optim.Adam(model())
    other.load_state_dict(optimizer.state_dict())
    assert [other.state[p]["exp_avg"].shape for p in other.param_groups[0]["params"]] == [(2,), (3,)]
