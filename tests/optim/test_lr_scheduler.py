import copy
import json
import warnings

import numpy as np
import pytest

from autograd_nn import Tensor, optim
from autograd_nn.mistakes import MissingGradient
from autograd_nn.optim import lr_scheduler as schedules

from .cases import SCHEDULES, Inverse, metric

NAMES = [name for name, _ in SCHEDULES]

# learning rates of epochs 0 to 9 from lr = 1, by PyTorch 2.13
RATES = {
    "LambdaLR": [1, 0.5, 0.33333333, 0.25, 0.2, 0.16666667, 0.14285714, 0.125, 0.11111111, 0.1],
    "MultiplicativeLR": [1, 0.6, 0.42, 0.336, 0.3024, 0.3024, 0.33264, 0.399168, 0.5189184, 0.72648576],
    "StepLR": [1, 1, 1, 0.5, 0.5, 0.5, 0.25, 0.25, 0.25, 0.125],
    "MultiStepLR": [1, 1, 0.5, 0.5, 0.5, 0.125, 0.125, 0.125, 0.125, 0.125],
    "ConstantLR": [0.25, 0.25, 0.25, 0.25, 1, 1, 1, 1, 1, 1],
    "LinearLR": [0.25, 0.4375, 0.625, 0.8125, 1, 1, 1, 1, 1, 1],
    "ExponentialLR": [1, 0.9, 0.81, 0.729, 0.6561, 0.59049, 0.531441, 0.4782969, 0.43046721, 0.38742049],
    "PolynomialLR": [1, 0.69444444, 0.44444444, 0.25, 0.11111111, 0.02777778, 0, 0, 0, 0],
    "CosineAnnealingLR": [1, 0.85355339, 0.5, 0.14644661, 0, 0.14644661, 0.5, 0.85355339, 1, 0.85355339],
    "CosineAnnealingWarmRestarts":
        [1, 0.55, 1, 0.86819805, 0.55, 0.23180195, 1, 0.96574579, 0.86819805, 0.72220754],
    "CyclicLR triangular2": [0.1, 0.55, 1, 0.7, 0.4, 0.1, 0.325, 0.55, 0.4, 0.25],
    "ChainedScheduler": [0.5, 0.45, 0.405, 0.729, 0.6561, 0.59049, 0.531441, 0.4782969, 0.43046721, 0.38742049],
    "SequentialLR": [0.25, 0.5, 0.75, 1, 1, 0.5, 0.25, 0.125, 1, 0.9045085],
    "SWALR": [1, 0.88284271, 0.6, 0.31715729, 0.2, 0.2, 0.2, 0.2, 0.2, 0.2],
}
ONE_CYCLE = ([0.04, 0.52, 1, 0.95048463, 0.81174565, 0.61126202, 0.38874198, 0.18825835, 0.04951937, 4e-06],
             [0.95, 0.9, 0.85, 0.85495156, 0.86882551, 0.88887395, 0.91112605, 0.93117449, 0.94504844, 0.95])


def new_optimizer(lr=1.0, groups=1):
    params = [Tensor(np.zeros(2, np.float32), requires_grad=True) for _ in range(groups)]
    return optim.SGD([{"params": [p], "lr": lr * (i + 1)} for i, p in enumerate(params)], momentum=0.9)


def advance(optimizer, schedule, epoch):
    optimizer.step()
    if isinstance(schedule, schedules.ReduceLROnPlateau):
        schedule.step(metric(epoch))
    else:
        schedule.step()


def settings(optimizer):
    return [(group["lr"], group["momentum"]) for group in optimizer.param_groups]


def run(make, epochs=10, groups=1):
    optimizer = new_optimizer(groups=groups)
    schedule = make(schedules, optimizer)
    found = [settings(optimizer)]
    for epoch in range(epochs - 1):
        assert schedule.get_last_lr() == [lr for lr, _ in found[-1]]
        advance(optimizer, schedule, epoch)
        found.append(settings(optimizer))
    return found


@pytest.mark.parametrize(("name", "make"), [case for case in SCHEDULES if case[0] in RATES])
def test_learning_rates(name, make):
    np.testing.assert_allclose([epoch[0][0] for epoch in run(make)], RATES[name], atol=1e-8)


def test_one_cycle():
    found = run(lambda L, o: L.OneCycleLR(o, 1.0, total_steps=10))
    np.testing.assert_allclose([epoch[0][0] for epoch in found], ONE_CYCLE[0], atol=1e-8)
    np.testing.assert_allclose([epoch[0][1] for epoch in found], ONE_CYCLE[1], atol=1e-8)


def test_one_cycle_moves_the_first_beta_and_ends():
    optimizer = optim.Adam([Tensor([1.0], requires_grad=True)])
    schedule = schedules.OneCycleLR(optimizer, 1.0, total_steps=10)
    assert optimizer.param_groups[0]["betas"] == (0.95, 0.999)
    for _ in range(10):
        optimizer.step()
        schedule.step()
    with pytest.raises(ValueError, match="was called 11 times, but the cycle has 10 steps"):
        schedule.step()


def test_one_cycle_that_starts_at_its_top():
    optimizer = new_optimizer()
    schedules.OneCycleLR(optimizer, 0.5, total_steps=10, pct_start=0.1)
    assert settings(optimizer) == [(0.5, 0.85)]


def test_plateau_waits_reduces_and_cools_down():
    optimizer = new_optimizer()
    schedule = schedules.ReduceLROnPlateau(optimizer, factor=0.5, patience=1, cooldown=1)
    found = []
    for value in [3, 2, 2, 2, Tensor(2.0), 2, 1, 1, 1, float("nan")]:
        schedule.step(value)
        found.append(optimizer.param_groups[0]["lr"])
    assert found == [1, 1, 1, 0.5, 0.5, 0.5, 0.5, 0.5, 0.25, 0.25]
    assert schedule.get_last_lr() == [0.25] and schedule.best == 1


def test_plateau_stops_at_the_least_rate():
    optimizer = new_optimizer(groups=2)
    schedule = schedules.ReduceLROnPlateau(optimizer, "max", 0.1, 0, min_lr=[0.5, 0.0])
    for _ in range(4):
        schedule.step(1.0)
    assert [lr for lr, _ in settings(optimizer)] == pytest.approx([0.5, 0.002])


@pytest.mark.parametrize(("name", "make"), SCHEDULES, ids=NAMES)
def test_thirty_epochs_are_pytorchs_for_each_group(name, make):
    torch = pytest.importorskip("torch")
    params = [torch.zeros(2, requires_grad=True) for _ in range(2)]
    reference = torch.optim.SGD([{"params": [p], "lr": i + 1.0} for i, p in enumerate(params)], momentum=0.9)

    class Theirs:
        def __getattr__(self, name):
            return getattr(torch.optim.swa_utils if name == "SWALR" else torch.optim.lr_scheduler, name)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = make(Theirs(), reference)
        expected = [settings(reference)]
        for epoch in range(29):
            reference.step()
            theirs.step(*([metric(epoch)] if "Plateau" in name else []))
            expected.append(settings(reference))
    np.testing.assert_allclose(run(make, 30, groups=2), expected, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("name", ["StepLR", "MultiStepLR", "ConstantLR", "LinearLR", "ExponentialLR", "PolynomialLR",
                                  "CosineAnnealingLR", "CosineAnnealingWarmRestarts"])
def test_a_jump_to_an_epoch_gives_its_rate(name):
    make = dict(SCHEDULES)[name]
    optimizer = new_optimizer()
    schedule = make(schedules, optimizer)
    optimizer.step()
    for epoch in (5, 2, 9, 0):
        schedule.step(epoch)
        assert schedule.get_last_lr()[0] == pytest.approx(RATES[name][epoch], abs=1e-8)


def test_warm_restarts_take_fractions_of_an_epoch():
    optimizer = new_optimizer()
    schedule = schedules.CosineAnnealingWarmRestarts(optimizer, 2)
    for epoch, expected in [(0.5, 0.85355339), (1.5, 0.14644661), (2.5, 0.85355339)]:
        schedule.step(epoch)
        assert schedule.get_last_lr()[0] == pytest.approx(expected)
    with pytest.raises(ValueError, match=r"epoch must be at least 0 \(epoch=-1\)"):
        schedule.step(-1)


# ------------------------------------------------------------------------------------------- state


@pytest.mark.parametrize("through_json", [False, True])
@pytest.mark.parametrize(("name", "make"), SCHEDULES, ids=NAMES)
def test_a_loaded_state_continues_to_the_bit(name, make, through_json):
    optimizer = new_optimizer(0.3, groups=2)
    schedule = make(schedules, optimizer)
    for epoch in range(7):
        advance(optimizer, schedule, epoch)
    saved = copy.deepcopy((optimizer.state_dict(), schedule.state_dict()))
    if through_json:
        saved = json.loads(json.dumps(saved))
    other = new_optimizer(0.9, groups=2)
    continued = make(schedules, other)
    other.load_state_dict(saved[0])
    continued.load_state_dict(saved[1])
    assert continued.get_last_lr() == schedule.get_last_lr()
    assert getattr(continued, "last_epoch", None) == getattr(schedule, "last_epoch", None)
    for epoch in range(7, 25):
        advance(optimizer, schedule, epoch)
        advance(other, continued, epoch)
        assert settings(optimizer) == settings(other)


def test_the_attributes_of_a_function_object_are_saved():
    optimizer = new_optimizer()
    state = schedules.LambdaLR(optimizer, Inverse(2.0)).state_dict()
    assert state["lr_lambdas"] == [{"power": 2.0}]
    function = Inverse(1.0)
    schedules.LambdaLR(optimizer, function).load_state_dict(state)
    assert function.power == 2.0


def test_the_state_of_another_schedule_is_refused():
    optimizer = new_optimizer()
    state = schedules.ExponentialLR(optimizer, 0.5).state_dict()
    with pytest.raises(ValueError, match=r"StepLR.load_state_dict\(\): the state has no step_size"):
        schedules.StepLR(optimizer, 3).load_state_dict(state)


def test_continuing_needs_the_initial_rates():
    optimizer = new_optimizer()
    with pytest.raises(KeyError, match="parameter group 0 has no 'initial_lr'"):
        schedules.StepLR(optimizer, 3, last_epoch=4)
    optimizer.param_groups[0]["initial_lr"] = 1.0
    optimizer.param_groups[0]["lr"] = 0.1
    schedule = schedules.StepLR(optimizer, 3, last_epoch=4)
    assert schedule.last_epoch == 5 and schedule.get_last_lr() == [0.1] and schedule.base_lrs == [1.0]


# ------------------------------------------------------------------------------------------- misuse


def test_a_schedule_stepped_before_the_optimizer_warns_once():
    optimizer = new_optimizer()
    schedule = schedules.ExponentialLR(optimizer, 0.5)
    with pytest.warns(UserWarning, match=r"ExponentialLR.step\(\) was called before optimizer.step\(\)") as caught:
        schedule.step()
        schedule.step()
    assert len(caught) == 1 and caught[0].filename == __file__
    optimizer = new_optimizer()
    schedule = schedules.ExponentialLR(optimizer, 0.5)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", category=MissingGradient)
        optimizer.step()
        schedule.step()


@pytest.mark.parametrize(("make", "message"), [
    (lambda L, o: L.StepLR(o, 0), r"StepLR\(\): step_size must be above 0 \(step_size=0\)"),
    (lambda L, o: L.ConstantLR(o, 1.5), r"ConstantLR\(\): factor must be above 0 and at most 1 \(factor=1.5\)"),
    (lambda L, o: L.LinearLR(o, 0.0), "start_factor must be above 0 and at most 1"),
    (lambda L, o: L.LinearLR(o, 0.5, -0.5), "end_factor must be between 0 and 1"),
    (lambda L, o: L.LinearLR(o, total_iters=0), "total_iters must be above 0"),
    (lambda L, o: L.PolynomialLR(o, 0), "total_iters must be above 0"),
    (lambda L, o: L.CosineAnnealingLR(o, 0), "T_max must be above 0"),
    (lambda L, o: L.CosineAnnealingWarmRestarts(o, 2.5), r"T_0 must be an integer above 0 \(T_0=2.5\)"),
    (lambda L, o: L.CosineAnnealingWarmRestarts(o, 2, 0), "T_mult must be an integer above 0"),
    (lambda L, o: L.LambdaLR(o, [abs, abs]), r"lr_lambda must be one value or one per parameter group \(2 values, 1"),
    (lambda L, o: L.CyclicLR(o, 0.1, [1, 1]), "max_lr must be one value or one per parameter group"),
    (lambda L, o: L.CyclicLR(o, 0.1, 1, mode="sine"), r"mode must be 'triangular', .* \(mode='sine'\)"),
    (lambda L, o: L.CyclicLR(o, 0.1, 1, 0), "step_size_up must be above 0"),
    (lambda L, o: L.OneCycleLR(o, 1), "needs total_steps, or epochs and steps_per_epoch"),
    (lambda L, o: L.OneCycleLR(o, 1, 0), "total_steps must be an integer above 0"),
    (lambda L, o: L.OneCycleLR(o, 1, 5, pct_start=1.5), "pct_start must be between 0 and 1"),
    (lambda L, o: L.OneCycleLR(o, 1, 5, anneal_strategy="x"), "anneal_strategy must be 'cos' or 'linear'"),
    (lambda L, o: L.OneCycleLR(optim.Adagrad([Tensor([1.0])]), 1, 5), "needs an optimizer with momentum or betas"),
    (lambda L, o: L.ReduceLROnPlateau(o, "least"), "mode must be 'min' or 'max'"),
    (lambda L, o: L.ReduceLROnPlateau(o, factor=1.0), "factor must be at least 0 and below 1"),
    (lambda L, o: L.ReduceLROnPlateau(o, threshold_mode="x"), "threshold_mode must be 'rel' or 'abs'"),
    (lambda L, o: L.SequentialLR(o, [], []), "needs at least one scheduler"),
    (lambda L, o: L.SequentialLR(o, [L.StepLR(o, 2)], [3]), "needs one milestone less than schedulers"),
    (lambda L, o: L.ChainedScheduler([L.ReduceLROnPlateau(o)]), "scheduler 0 is a ReduceLROnPlateau"),
    (lambda L, o: L.ChainedScheduler([L.StepLR(o, 2), L.StepLR(new_optimizer(), 2)]),
     r"scheduler 1 \(StepLR\) belongs to another optimizer"),
    (lambda L, o: L.SWALR(o, 0.1, -1), "anneal_epochs must be an integer of at least 0"),
    (lambda L, o: L.SWALR(o, 0.1, anneal_strategy="x"), "anneal_strategy must be"),
])
def test_bad_arguments_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make(schedules, new_optimizer())


def test_wrong_types_are_refused():
    optimizer = new_optimizer()
    for make in (lambda: schedules.StepLR(Tensor([1.0]), 3), lambda: schedules.LambdaLR(3, abs),
                 lambda: schedules.ReduceLROnPlateau(None)):
        with pytest.raises(TypeError, match="optimizer must be an Optimizer, not"):
            make()
    with pytest.raises(TypeError, match="lr_lambda must be a function of the epoch, not float"):
        schedules.MultiplicativeLR(optimizer, 0.5)
    with pytest.raises(TypeError, match="scheduler 0 must be an LRScheduler, not SGD"):
        schedules.ChainedScheduler([optimizer])
    with pytest.raises(NotImplementedError, match=r"LRScheduler.get_lr\(\) is not defined"):
        schedules.LRScheduler(optimizer)


def test_changes_by_hand_last():
    optimizer = new_optimizer()
    schedule = schedules.StepLR(optimizer, 2, 0.5)
    optimizer.param_groups[0]["lr"] = 8.0
    for _ in range(2):
        optimizer.step()
        schedule.step()
    assert schedule.get_last_lr() == [4.0]


# ------------------------------------------------------------------------------------------- one factor, used two ways


FACTORS = [(name, make) for name, make in SCHEDULES
           if isinstance(make(schedules, new_optimizer()), schedules.FactorScheduler) and name != "SWALR"]


@pytest.mark.parametrize(("name", "make"), FACTORS, ids=[name for name, _ in FACTORS])
def test_a_schedule_that_is_stepped_ends_where_a_jump_does(name, make):
    stepped, jumped = new_optimizer(groups=2), new_optimizer(groups=2)
    step_by_step, by_jumps = make(schedules, stepped), make(schedules, jumped)
    for epoch in range(1, 100):
        stepped.step(), jumped.step()
        step_by_step.step()
        by_jumps.step(epoch)
        np.testing.assert_allclose(step_by_step.get_last_lr(), by_jumps.get_last_lr(), rtol=1e-11, atol=1e-14)
        assert by_jumps.get_last_lr()[1] == pytest.approx(2 * by_jumps.factor_at(epoch) + by_jumps.floor_of({}) * (
            1 - by_jumps.factor_at(epoch)))


@pytest.mark.parametrize(("name", "make"), FACTORS, ids=[name for name, _ in FACTORS])
def test_changes_by_hand_are_multiplied_on(name, make):
    """Two chained schedules give the product of their factors where the floor is 0."""
    plain, chained = new_optimizer(), new_optimizer()
    alone = make(schedules, plain)
    both = schedules.ChainedScheduler([make(schedules, chained), schedules.ExponentialLR(chained, 0.9)])
    for epoch in range(1, 4):
        plain.step(), chained.step()
        alone.step(), both.step()
        if name != "CosineAnnealingLR to a floor":
            assert both.get_last_lr()[0] == pytest.approx(alone.get_last_lr()[0] * 0.9**epoch, rel=1e-12)


class HalvedEveryOther(schedules.FactorScheduler):
    """Somebody's own schedule."""

    def factor_at(self, epoch):
        return 0.5 ** (epoch // 2)


def test_a_schedule_of_ones_own_is_its_factor():
    optimizer = new_optimizer()
    schedule, found = HalvedEveryOther(optimizer), []
    for _ in range(4):
        optimizer.step()
        schedule.step()
        found += schedule.get_last_lr()
    assert found == [1, 0.5, 0.5, 0.25]
    schedule.step(9)
    assert schedule.get_last_lr() == [0.0625]


class Warmup(schedules._LRScheduler):
    """Somebody's own schedule in PyTorch's form."""

    def get_lr(self):
        return [base * min(1, (self.last_epoch + 1) / 4) for base in self.base_lrs]


def test_a_schedule_of_ones_own_in_pytorchs_form():
    optimizer = new_optimizer()
    schedule, found = Warmup(optimizer), [optimizer.param_groups[0]["lr"]]
    for _ in range(4):
        optimizer.step()
        schedule.step()
        found += schedule.get_last_lr()
    assert found == [0.25, 0.5, 0.75, 1, 1]
    schedule.get_lr = lambda: [1.0, 2.0]
    with pytest.raises(ValueError, match=r"Warmup.get_lr\(\): must give one learning rate per parameter group \(2"):
        schedule.step()


@pytest.mark.parametrize(("name", "make"), [
    ("StepLR", lambda L, o: L.StepLR(o, 3, 0.5, last_epoch=7)),
    ("MultiStepLR", lambda L, o: L.MultiStepLR(o, [5, 8, 8, 20], 0.5, last_epoch=7)),
    ("ConstantLR", lambda L, o: L.ConstantLR(o, 0.25, 8, last_epoch=7)),
    ("LinearLR", lambda L, o: L.LinearLR(o, 0.25, total_iters=14, last_epoch=7)),
    ("ExponentialLR", lambda L, o: L.ExponentialLR(o, 0.9, last_epoch=7)),
    ("PolynomialLR", lambda L, o: L.PolynomialLR(o, 20, 2.0, last_epoch=7)),
    ("CosineAnnealingLR", lambda L, o: L.CosineAnnealingLR(o, 9, 0.1, last_epoch=7)),
    ("LambdaLR", lambda L, o: L.LambdaLR(o, Inverse(), last_epoch=7)),
    ("MultiplicativeLR", lambda L, o: L.MultiplicativeLR(o, Inverse(), last_epoch=7)),
    ("CyclicLR", lambda L, o: L.CyclicLR(o, 0.1, 1.0, 4, cycle_momentum=False, last_epoch=7)),
])
def test_a_schedule_that_is_continued_does_what_pytorchs_does(name, make):
    torch = pytest.importorskip("torch")
    found = []
    for library, L, tensor in ((optim, schedules, Tensor), (torch.optim, torch.optim.lr_scheduler, torch.tensor)):
        optimizer = library.SGD([{"params": [tensor([0.0], requires_grad=True)], "lr": 0.3, "initial_lr": 1.0}])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            schedule, rates = make(L, optimizer), [optimizer.param_groups[0]["lr"]]
            for _ in range(25):
                optimizer.step()
                schedule.step()
                rates.append(optimizer.param_groups[0]["lr"])
        found.append(rates)
    first = 1 if name == "CyclicLR" else 0  # PyTorch's first rate starts from initial_lr in the place of base_lr
    np.testing.assert_allclose(found[0][first:], found[1][first:], rtol=1e-11)


def test_warm_restarts_of_long_runs_begin_where_they_should():
    """PyTorch takes a logarithm, which is a hair too small for 10**3 waves of 10."""
    optimizer = new_optimizer()
    schedule = schedules.CosineAnnealingWarmRestarts(optimizer, 1, 10)
    starts = [0, 1, 11, 111, 1111, 11111, 111111]
    optimizer.step()
    for epoch in starts:
        schedule.step(epoch)
        assert (schedule.T_cur, schedule.get_last_lr()) == (0, [1.0])
    continued = new_optimizer()
    continued.param_groups[0]["initial_lr"] = 1.0
    schedule = schedules.CosineAnnealingWarmRestarts(continued, 2, last_epoch=8)
    assert (schedule.T_cur, schedule.get_last_lr()) == (1, [pytest.approx(0.5)])


def test_rates_stay_finite_over_very_long_runs():
    optimizer = new_optimizer()
    schedule = schedules.ExponentialLR(optimizer, 0.5)
    optimizer.step()
    for _ in range(1200):
        schedule.step()
    assert schedule.get_last_lr() == [0.0]
    optimizer = new_optimizer(lr=0.0)
    growing = schedules.ExponentialLR(optimizer, 2.0)
    optimizer.step()
    for _ in range(1200):
        growing.step()
    assert growing.get_last_lr() == [0.0]


def test_a_constant_of_no_epochs_is_no_schedule():
    """PyTorch's stays at the factor for ever when it is stepped, and is at 1 when it jumps."""
    optimizer = new_optimizer()
    assert schedules.ConstantLR(optimizer, 0.25, 0).get_last_lr() == [1.0]


def test_chains_inside_a_sequence_begin_at_their_beginning():
    optimizer = new_optimizer()
    L = schedules
    schedule = L.SequentialLR(optimizer, [
        L.ChainedScheduler([L.ConstantLR(optimizer, 0.5, 2), L.ExponentialLR(optimizer, 0.5)]),
        L.SequentialLR(optimizer, [L.StepLR(optimizer, 1, 0.1), L.ConstantLR(optimizer, 0.25, 2)], [2]),
        L.ChainedScheduler([L.ConstantLR(optimizer, 0.5, 2), L.ExponentialLR(optimizer, 0.5)]),
    ], [3, 6])
    found = schedule.get_last_lr()
    for _ in range(8):
        optimizer.step()
        schedule.step()
        found = [*found, *schedule.get_last_lr()]
    assert found == pytest.approx([0.5, 0.25, 0.25, 1, 0.1, 0.25, 0.5, 0.25, 0.25])
