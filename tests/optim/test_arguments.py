"""Every argument of every optimizer, schedule and function of `optim`, given as another kind and out of range."""

import math
import re
import warnings

import numpy as np
import pytest

from autograd_nn import Tensor, nn, optim
from autograd_nn.nn.utils import clip_grad_norm_, clip_grad_value_, clip_grads_with_norm_, get_total_norm
from autograd_nn.optim import lr_scheduler as L
from autograd_nn.optim import swa_utils

from .cases import KINDS


class Other:
    """An object of no use."""


STRANGE = [None, "0.1", "abc", [0.1], [None], (), {}, {"a": 1}, 1j, Other(), Other, np.array(["a", "b"]), math.nan,
           math.inf, -math.inf, -1, -0.5, b"x", Tensor([1.0, 2.0]), len, np.float64("nan"), Tensor(math.nan), True,
           10**400]


def leaf(*shape):
    return Tensor(np.ones(shape or 2, np.float32), requires_grad=True)


def sgd():
    return optim.SGD([leaf()], lr=0.1, momentum=0.9)


def call(function, positional, argument, value):
    """Call with one argument replaced; errors of other types than TypeError and ValueError go through."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            function(**{**positional, argument: value})
        except (TypeError, ValueError) as error:
            return error
    return None


def check(name, error, argument, value, accepted):
    """`error` must name function and argument; no error only where PyTorch's rule accepts the value."""
    if error is None:
        assert accepted(value), f"{name}({argument}={value!r}) was accepted"
    else:
        assert re.match(rf"{name}(\.\w+)?\(\)", str(error)), error
        assert re.search(rf"\b({argument}|parameters?|schedulers?|params|group)\b", str(error)), error


OPTIMIZER_ARGUMENTS = [(kind, argument) for kind in [*KINDS, "LBFGS"]
                       for argument in ["params", *getattr(optim, kind)([leaf()]).defaults, "foreach", "capturable"]]


@pytest.mark.parametrize(("kind", "argument"), OPTIMIZER_ARGUMENTS)
def test_every_argument_of_every_optimizer(kind, argument):
    if (kind, argument) in (("Rprop", "weight_decay"), ("LBFGS", "foreach"), ("LBFGS", "capturable"),
                            ("Lion", "decoupled_weight_decay"), ("AdamW", "decoupled_weight_decay")):
        pytest.skip("is no argument of the constructor")
    if argument == "foreach":
        accepted = lambda value: True  # noqa: E731  # of no effect
    elif argument == "params":
        accepted = lambda value: False  # noqa: E731
    elif isinstance(getattr(optim, kind)([leaf()]).defaults.get(argument, False), bool):
        accepted = lambda value: value is True  # noqa: E731
    else:
        accepted = lambda value: (argument == "dampening" and value in (-1, -0.5)) or (  # noqa: E731
            argument in ("max_eval", "line_search_fn") and value is None) or (
            argument == "step_sizes" and isinstance(value, Tensor))
    for value in STRANGE:
        if isinstance(value, bool) and argument == "nesterov":
            continue
        error = call(getattr(optim, kind), {"params": [leaf()]}, argument, value)
        check(kind, error, argument, value, accepted)


SCHEDULE_ARGUMENTS = {
    "LambdaLR": {"lr_lambda": abs}, "MultiplicativeLR": {"lr_lambda": abs}, "StepLR": {"step_size": 2, "gamma": 0.5},
    "MultiStepLR": {"milestones": [2], "gamma": 0.5}, "ConstantLR": {"factor": 0.5, "total_iters": 2},
    "LinearLR": {"start_factor": 0.5, "end_factor": 1.0, "total_iters": 2}, "ExponentialLR": {"gamma": 0.5},
    "PolynomialLR": {"total_iters": 3, "power": 2.0}, "CosineAnnealingLR": {"T_max": 4, "eta_min": 0.01},
    "CosineAnnealingWarmRestarts": {"T_0": 2, "T_mult": 2, "eta_min": 0.01},
    "CyclicLR": {"base_lr": 0.1, "max_lr": 0.5, "step_size_up": 3, "step_size_down": 2, "mode": "triangular",
                 "gamma": 0.9, "scale_fn": None, "scale_mode": "cycle", "cycle_momentum": True, "base_momentum": 0.8,
                 "max_momentum": 0.9},
    "OneCycleLR": {"max_lr": 0.5, "total_steps": 9, "epochs": None, "steps_per_epoch": None, "pct_start": 0.3,
                   "anneal_strategy": "cos", "cycle_momentum": True, "base_momentum": 0.8, "max_momentum": 0.9,
                   "div_factor": 25.0, "final_div_factor": 1e4, "three_phase": False},
    "SWALR": {"swa_lr": 0.1, "anneal_epochs": 3, "anneal_strategy": "cos"},
    "ReduceLROnPlateau": {"mode": "min", "factor": 0.1, "patience": 2, "threshold": 1e-4, "threshold_mode": "rel",
                          "cooldown": 0, "min_lr": 0.0, "eps": 1e-8},
    "SequentialLR": {"schedulers": None, "milestones": []}, "ChainedScheduler": {"schedulers": None},
}  # fmt: skip
FUNCTIONS = {"lr_lambda", "scale_fn"}
PER_GROUP = {"max_lr", "base_lr", "swa_lr", "min_lr", "base_momentum", "max_momentum"}


def test_the_table_has_every_schedule():
    assert {*SCHEDULE_ARGUMENTS} == {*L.__all__} - {"LRScheduler", "FactorScheduler"}


@pytest.mark.parametrize(("name", "argument"), [(name, argument) for name, arguments in SCHEDULE_ARGUMENTS.items()
                                                for argument in [*arguments, "optimizer", "last_epoch"]])
def test_every_argument_of_every_schedule(name, argument):
    given = SCHEDULE_ARGUMENTS[name]

    def accepted(value):
        if argument in FUNCTIONS:
            return argument == "scale_fn" and value is None
        if argument in PER_GROUP and value == [0.1]:
            return True
        if argument in ("cycle_momentum", "three_phase"):
            return value is True
        if argument == "milestones":
            return value == ()
        if argument == "last_epoch":
            return value == -1
        if argument == "optimizer":
            return name == "ChainedScheduler" and value is None
        return argument in ("step_size_down", "epochs", "steps_per_epoch") and (value is None or name == "OneCycleLR")

    for value in STRANGE:
        if name in ("ReduceLROnPlateau", "ChainedScheduler") and argument == "last_epoch":
            continue
        optimizer = sgd()
        optimizer.param_groups[0]["initial_lr"] = 0.1
        parts = {**given, **({} if name == "ChainedScheduler" else {"optimizer": optimizer})}
        if "schedulers" in parts:
            parts["schedulers"] = [L.ExponentialLR(optimizer, 0.5)]
        if argument in FUNCTIONS and callable(value):
            continue  # a function of something else is found when it is called
        check(name, call(getattr(L, name), parts, argument, value), argument, value, accepted)


@pytest.mark.parametrize("name", SCHEDULE_ARGUMENTS)
def test_steps_with_what_is_no_epoch(name):
    optimizer = sgd()
    parts = dict(SCHEDULE_ARGUMENTS[name])
    if "schedulers" in parts:
        parts["schedulers"] = [L.ExponentialLR(optimizer, 0.5)]
    schedule = getattr(L, name)(optimizer=optimizer, **parts)
    before = schedule.last_epoch, optimizer.param_groups[0]["lr"]
    for value in STRANGE:
        if name == "ReduceLROnPlateau" and isinstance(value, float | Tensor | np.float64 | int):
            continue  # a metric may be anything that is a number
        if value is None and name != "ReduceLROnPlateau":
            continue
        with pytest.raises((TypeError, ValueError), match=rf"{name}\.step\(\)"):
            schedule.step(value)
        assert (schedule.last_epoch, optimizer.param_groups[0]["lr"]) == before


@pytest.mark.parametrize(("returned", "error"), [
    (None, TypeError), ("x", TypeError), (math.nan, ValueError), (math.inf, ValueError), ([0.1], TypeError)])
def test_functions_that_give_no_rate(returned, error):
    optimizer = sgd()
    schedule = L.LambdaLR(optimizer, lambda epoch: 1.0 if epoch == 0 else returned)
    with warnings.catch_warnings(), pytest.raises(error):
        warnings.simplefilter("ignore")
        schedule.step()
    assert optimizer.param_groups[0]["lr"] == 0.1 and schedule.last_epoch == 0


@pytest.mark.parametrize(("make", "message"), [
    (lambda: optim.SGD(nn.Linear(2, 2)), r"SGD\(\): params must be an iterable of tensors, not Linear; pass "
                                         r"model.parameters\(\)"),
    (lambda: optim.Adam(nn.Sequential(nn.Linear(2, 2))), r"Adam\(\): .* not Sequential; pass model.parameters\(\)"),
    (lambda: optim.Adam([{"params": nn.Linear(2, 2)}]), r"the params of a group must be .*; pass model.parameters\(\)"),
    (lambda: optim.Adam([{"params": None}]), r"the params of a group must be a tensor or an iterable .* not NoneType"),
    (lambda: optim.SGD([leaf()], learning_rate=0.1), r"'learning_rate'; did you mean lr\?"),
    (lambda: optim.ASGD([leaf()], weightdecay=0.1), r"'weightdecay'; did you mean weight_decay\?"),
    (lambda: optim.Adam([leaf()], beta1=0.9), r"'beta1'; did you mean betas\?"),
    (lambda: optim.Adam([leaf()], fusedd=True), r"'fusedd'; did you mean fused\?"),
    (lambda: optim.SGD([leaf()], nonsense=1), r"'nonsense'; it takes params, lr, momentum, "),
    (lambda: L.StepLR(sgd(), stepsize=3), r"StepLR\(\) got an unexpected .* 'stepsize'; did you mean step_size\?"),
    (lambda: optim.SGD([leaf()], lr="0.1"), r"SGD\(\): lr must be a finite number of at least 0, not str \(lr='0.1'\)"),
    (lambda: optim.SGD([leaf()]).step(leaf()), r"SGD.step\(\): closure must be a function of no argument"),
    (lambda: optim.SGD([(3, leaf())]), r"parameters come as tensors or as \(name, tensor\), not as \(int, Tensor\)"),
])  # fmt: skip
def test_what_beginners_write(make, message):
    with pytest.raises(TypeError, match=message):
        make()


def test_a_list_of_parameters_is_taken_and_so_is_a_subclass_that_hands_keywords_on():
    parts = nn.ParameterList([nn.Parameter(Tensor([1.0]))])
    assert len(optim.SGD(parts).param_groups[0]["params"]) == 1

    class Own(optim.SGD):
        def __init__(self, params, **rest):
            super().__init__(params, **rest)

    assert Own([leaf()], lr=0.5).param_groups[0]["lr"] == 0.5
    with pytest.raises(TypeError, match=r"unexpected keyword argument 'rate'"):
        Own([leaf()], rate=0.5)


# ------------------------------------------------------------------------------------------- clipping, averages

CLIPPING = [
    (clip_grad_norm_, {"parameters": None, "max_norm": 1.0, "norm_type": 2.0, "error_if_nonfinite": False}),
    (clip_grad_value_, {"parameters": None, "clip_value": 1.0}),
    (get_total_norm, {"tensors": None, "norm_type": 2.0, "error_if_nonfinite": False}),
    (clip_grads_with_norm_, {"parameters": None, "max_norm": 1.0, "total_norm": Tensor(2.0)}),
]  # fmt: skip


@pytest.mark.parametrize(("function", "argument"), [(f, a) for f, arguments in CLIPPING for a in arguments])
def test_every_argument_of_clipping(function, argument):
    def accepted(value):
        if argument == "error_if_nonfinite":
            return value is True
        if argument in ("parameters", "tensors"):
            return isinstance(value, Tensor) or value in ((), {})
        if argument == "total_norm":
            return not isinstance(value, list | str)
        return not isinstance(value, Tensor | np.ndarray) and value == math.inf

    for value in STRANGE:
        p = leaf()
        p.grad = Tensor(np.ones(2, np.float32))
        arguments = dict(next(a for f, a in CLIPPING if f is function))
        arguments["tensors" if "tensors" in arguments else "parameters"] = [p]
        check(function.__name__, call(function, arguments, argument, value), argument, value, accepted)


@pytest.mark.parametrize(("function", "rest"), [(clip_grad_norm_, (1.0,)), (clip_grad_value_, (1.0,)),
                                                (get_total_norm, ()), (clip_grads_with_norm_, (1.0, Tensor(2.0)))])
def test_an_iterator_that_is_used_up_is_told(function, rest):
    used = iter([leaf()])
    list(used)
    with pytest.warns(UserWarning, match=rf"{function.__name__}\(\): \w+ is an iterator without items") as caught:
        function(used, *rest)
    assert caught[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        function([], *rest)
        function(iter([leaf()]), *rest)
    with pytest.raises(TypeError, match=r"pass model.parameters\(\)"):
        function(nn.Linear(2, 2), *rest)


def test_averages_of_what_is_none():
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
    for value in (None, 3, "model", [leaf()]):
        with pytest.raises(TypeError, match=r"AveragedModel\(\): model must have parameters\(\)"):
            swa_utils.AveragedModel(value)
        with pytest.raises(TypeError, match=r"AveragedModel.update_parameters\(\): model must be"):
            swa_utils.AveragedModel(model).update_parameters(value)
        with pytest.raises(TypeError, match=r"update_bn\(\): model must be a Module"):
            swa_utils.update_bn([], value)
    for value in (None, 3):
        with pytest.raises(TypeError, match=r"update_bn\(\): loader must be an iterable"):
            swa_utils.update_bn(value, model)
        with pytest.raises(TypeError, match=r"AveragedModel.load_state_dict\(\): the state must be a dict"):
            swa_utils.AveragedModel(model).load_state_dict(value)
    for name in ("avg_fn", "multi_avg_fn"):
        with pytest.raises(TypeError, match=rf"AveragedModel\(\): {name} must be a function"):
            swa_utils.AveragedModel(model, **{name: 0.9})
    for get in (swa_utils.get_ema_avg_fn, swa_utils.get_ema_multi_avg_fn):
        for value in (None, "0.9", [0.9]):
            with pytest.raises(TypeError, match=rf"{get.__name__}\(\): decay must be a finite number between 0 and 1"):
                get(value)


def test_a_loader_without_batches_leaves_the_statistics():
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
    model(Tensor(np.arange(12, dtype=np.float32).reshape(4, 3)))
    before = np.array(model[1].running_mean.detach())
    with pytest.raises(ValueError, match=r"update_bn\(\): the loader gives no batch"):
        swa_utils.update_bn(iter(()), model)
    np.testing.assert_array_equal(np.array(model[1].running_mean.detach()), before)
