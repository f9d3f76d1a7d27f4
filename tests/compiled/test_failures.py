"""A replay that fails leaves all state as it was, and the step runs eagerly: errors and ways are eager mode's."""

import contextlib
import signal

import numpy as np
import pytest

import autograd_nn as ag
from autograd_nn import nn, optim
from autograd_nn.engine import effect
from autograd_nn.ops.terms import counted_terms, note_terms

F = nn.functional
CALLS, BAD = 14, 10


@effect
def _trouble(x):
    if x.array[0, 0] == 1000:
        raise ValueError("no")
    if x.array[0, 0] == 2000:
        raise KeyboardInterrupt("now")


def make(optimizer="Adam", middle=_trouble, end=None):
    """Return a step with statistics, random numbers, moments and a schedule; and all its state."""
    ag.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.3), nn.Linear(8, 3))
    optimizer = getattr(optim, optimizer)(model.parameters(), lr=0.05)
    schedule = optim.lr_scheduler.ExponentialLR(optimizer, 0.9)

    def step(x, y):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        middle(x)
        loss.backward()
        optimizer.step()
        schedule.step()
        if end is not None:
            end(x)
        return loss

    def state():
        moments = [np.asarray(value.array if isinstance(value, ag.Tensor) else value).tobytes()
                   for held in optimizer.state.values() for value in held.values()]
        return ([value.array.tobytes() for value in model.state_dict().values()], moments, schedule.last_epoch,
                optimizer.param_groups[0]["lr"], ag.get_rng_state())

    return step, state


def trained(compiled, spoil, **settings):
    """Run 14 steps, the one at 10 spoilt; return what came out, all state after each step, and the step."""
    step, state = make(**settings)
    called, found = ag.compile(step) if compiled else step, []
    rng = np.random.default_rng(0)
    for i in range(CALLS):
        x, y = rng.standard_normal((5, 6)).astype(np.float32), rng.integers(0, 3, 5)
        if i == BAD:
            x, y = spoil(x, y)
        try:
            out = called(ag.tensor(x), ag.tensor(y)).item()
        except (Exception, KeyboardInterrupt) as error:
            out = f"{type(error).__name__}: {error}; {error.__context__}"
        found.append((out, state()))
    if compiled:
        (known,) = called.signatures.values()
        assert known.is_trusted and not known.changes, called.explain()
    return found


def bad_label(x, y):
    y[3] = 7
    return x, y


def an_error(x, y):
    x[0, 0] = 1000
    return x, y


def an_interrupt(x, y):
    x[0, 0] = 2000
    return x, y


def nothing(x):
    pass


@pytest.mark.parametrize("optimizer", ["Adam", "SGD", "RMSprop"])
def test_a_bad_label_raises_the_error_of_eager_mode(optimizer):
    eager, compiled = (trained(mode, bad_label, optimizer=optimizer) for mode in (False, True))
    assert compiled == eager
    assert compiled[BAD][0].startswith("IndexError: cross_entropy")
    assert compiled[BAD][1][:3] == (compiled[BAD][1][0], compiled[BAD - 1][1][1], compiled[BAD - 1][1][2])


def test_an_error_in_what_stays_in_python():
    eager, compiled = (trained(mode, an_error) for mode in (False, True))
    assert compiled == eager
    assert compiled[BAD][0] == "ValueError: no; None"


def test_an_interrupt_before_the_optimizer_leaves_the_state_before_the_step():
    found = trained(True, an_interrupt)
    assert found[BAD][0] == "KeyboardInterrupt: now; None"
    assert found[BAD][1] == found[BAD - 1][1]


def test_an_error_after_the_optimizer_leaves_what_eager_mode_leaves():
    """Nothing can be put back then: the parameters have made their step."""
    eager, compiled = (trained(mode, an_error, middle=nothing, end=_trouble) for mode in (False, True))
    assert compiled == eager
    assert compiled[BAD][0] == "ValueError: no; None"
    assert compiled[BAD][1][0] != compiled[BAD - 1][1][0]


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no timers here")
def test_signals_leave_parameters_whole():
    """Whenever an interrupt comes, the parameters have made a step or none, all together."""
    ag.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 3))
    optimizer = optim.SGD(model.parameters(), lr=1e-3)

    @ag.compile
    def step(x, y):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    def interrupt(*_):
        raise KeyboardInterrupt

    x, y = ag.randn(5, 6), ag.randint(0, 3, (5,))
    for _ in range(4):
        step(x, y)
    handler = signal.signal(signal.SIGALRM, interrupt)
    try:
        for i in range(30):
            before = [p.array.copy() for p in model.parameters()]
            with pytest.raises(KeyboardInterrupt):
                signal.setitimer(signal.ITIMER_REAL, 0.001 + i * 1e-5)
                while True:
                    step(x, y)
                    before = [p.array.copy() for p in model.parameters()]
            assert len({np.array_equal(p.array, b) for p, b in zip(model.parameters(), before)}) == 1
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handler)
    assert np.isfinite(step(x, y).item()) and repr(step).endswith("1 plan>")


# ------------------------------------------------------------------------------------ answers to Python


LIMIT = 1.0


@effect
def _is_small(x):
    return bool(np.abs(x.array).max() < LIMIT)


def test_another_answer_takes_the_other_way():
    def run(compiled):
        ag.manual_seed(0)
        model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 1))
        optimizer = optim.SGD(model.parameters(), lr=0.1)

        def step(x):
            optimizer.zero_grad()
            out = model(x)
            if not _is_small(x):
                return out.sum()
            out.square().mean().backward()
            optimizer.step()
            return out.mean()

        called = ag.compile(step) if compiled else step
        rng = np.random.default_rng(0)
        out = [called(ag.tensor(rng.uniform(-1, 1, (4, 3)).astype(np.float32) * (3 if i in (8, 9, 12) else 1))).item()
               for i in range(16)]
        return out, [value.array.tobytes() for value in model.state_dict().values()], called

    eager, compiled = run(False), run(True)
    assert compiled[:2] == eager[:2]
    assert "traced anew" not in compiled[2].explain() and repr(compiled[2]).endswith("1 plan>")


def test_a_question_after_a_change_keeps_the_step_eager():
    model = nn.Linear(3, 1)
    optimizer = optim.SGD(model.parameters(), lr=0.1)

    @ag.compile
    def step(x):
        optimizer.zero_grad()
        loss = model(x).sum()
        loss.backward()
        optimizer.step()
        return loss if _is_small(loss) else -loss

    with pytest.warns(UserWarning, match="looks at values after a change"):
        for _ in range(3):
            step(ag.ones(2, 3))


def test_terms_are_noted_once_per_call():
    target = ag.tensor([0, 1, -100, 2])

    @ag.compile
    def loss(x, y):
        note_terms("sum", 1)
        return F.cross_entropy(x, y)

    for i in range(6):
        with counted_terms() as terms:
            loss(ag.randn(4, 3), ag.tensor([0, 1, 2, 2]) if i == 4 else target)
        assert terms == [np.inf, 4.0 if i == 4 else 3.0]
    with pytest.raises(IndexError), counted_terms() as terms:
        loss(ag.randn(4, 3), ag.tensor([0, 1, 2, 9]))
    assert terms == [np.inf]


def test_replays_that_fail_again_and_again_are_given_up():
    @ag.compile
    def step(x, y):
        return F.cross_entropy(x, y)

    good, bad = ag.tensor([0, 1]), ag.tensor([0, 9])
    for _ in range(4):
        step(ag.ones(2, 3), good)
    for _ in range(8):
        with pytest.raises(IndexError):
            step(ag.ones(2, 3), bad)
    step(ag.ones(2, 3), good)
    assert repr(step).endswith("1 plan>")
    for i in range(9):
        with pytest.raises(IndexError), pytest.warns(UserWarning, match="fail again and again") if i == 8 else (
                contextlib.nullcontext()):
            step(ag.ones(2, 3), bad)
    assert repr(step).endswith("0 plans>")
