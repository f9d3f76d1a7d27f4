"""Steps of optimizers, clipping, zeroing and averaging pass the door: a listener sees all that they read and write."""

import copy
import itertools

import numpy as np
import pytest

from autograd_nn import Tensor, nn, no_grad, optim
from autograd_nn.engine import Update, Variable, listen, results_of
from autograd_nn.nn.utils import clip_grad_norm_, clip_grad_value_
from autograd_nn.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from .cases import OPTIMIZERS, make

CASES = [*OPTIMIZERS, ("LBFGS", {"line_search_fn": "strong_wolfe"}), ("LBFGS", {"lr": 0.1, "max_iter": 3})]


class Record:
    """A listener that keeps every call, and replays the list with arrays of its own."""

    def __init__(self):
        self.calls = []

    def __call__(self, proceed, primitive, inputs, params):
        arrays = [x.array if isinstance(x, Variable) else x for x in inputs]
        out = proceed(*inputs, **params)
        written = isinstance(primitive, Update)
        results = [] if written else [result.array for result in results_of(out)]
        self.calls.append((primitive, arrays, params, results))
        return out

    def replay(self, sources):
        """Run the calls on copies; `sources` maps arrays that were there before to the copies."""
        places = {id(array): copied for array, copied in sources}
        for primitive, arrays, params, results in self.calls:
            for array in arrays:
                assert not isinstance(array, np.ndarray) or id(array) in places, f"{primitive}: an array from nowhere"
                assert isinstance(array, np.ndarray | float | int | None), f"{primitive}: {array!r}"
            assert not any(isinstance(value, np.ndarray | Variable) for value in params.values()), primitive
            found = primitive.forward(*(places.get(id(x), x) for x in arrays), **params)
            found = found if isinstance(found, tuple) else (found,)
            places.update((id(array), np.asarray(copied)) for array, copied in zip(results, found))
        return places


def gradients(params, step):
    rng = np.random.default_rng(step)
    return [Tensor(rng.normal(size=p.shape).astype(np.float32)) for p in params]


def held(optimizer):
    """Return the arrays of all that an optimizer keeps, by name."""
    def tensors(value):
        return value if isinstance(value, list) else [value]
    return {(i, name, j): value.array for i, state in enumerate(optimizer.state.values())
            for name, values in state.items() for j, value in enumerate(tensors(values)) if isinstance(value, Variable)}


@pytest.mark.parametrize(("name", "settings"), CASES, ids=[f"{name}-{i}" for i, (name, _) in enumerate(CASES)])
def test_a_step_is_seen_whole_and_its_calls_replay_to_the_same_bits(name, settings):
    params = [Tensor(np.full(shape, 0.5, np.float32), requires_grad=True) for shape in ((3, 4), (5,), ())]
    optimizer = make(name, params, settings)
    record, closure = Record(), []
    steps = [gradients(params, step) for step in range(1 if name == "LBFGS" else 4)]
    sources = [(x.array, x.array.copy()) for x in [*params, *(g for step in steps for g in step)]]
    if name == "LBFGS":  # a loss that falls, with a gradient that stays; backward() is not looked at here
        count = itertools.count()
        closure = [lambda: Tensor(-0.01 * next(count))]
    for step in steps:
        for p, g in zip(params, step):
            p.grad = g
        with listen(record):
            optimizer.step(*closure)
    places = record.replay(sources)
    changed = {**{("parameter", i): p.array for i, p in enumerate(params)}, **held(optimizer)}
    assert len(changed) > 2 and not np.array_equal(params[0].array, np.full((3, 4), 0.5, np.float32))
    for key, array in changed.items():
        assert id(array) in places, f"{key} was not made at the door"
        assert places[id(array)].tobytes() == array.tobytes(), f"{key} was written past the door"
    for step in steps:
        for g in step:
            assert places[id(g.array)].tobytes() == g.array.tobytes()  # only read


@pytest.mark.parametrize(("name", "settings"), OPTIMIZERS, ids=[f"{n}-{i}" for i, (n, _) in enumerate(OPTIMIZERS)])
def test_what_changes_from_step_to_step_is_an_input(name, settings):
    """The settings of a step's calls stay the same while learning rate, momentum and count of steps change."""
    params = [Tensor(np.ones(3, np.float32), requires_grad=True)]
    optimizer = make(name, params, settings)
    schedule = optim.lr_scheduler.CyclicLR(optimizer, 0.01, 0.02, 3, cycle_momentum=name in ("Adam", "AdamW", "SGD")
                                           and settings.get("momentum") != 0 and not settings.get("nesterov"))
    seen = []
    for step in range(9):
        params[0].grad = gradients(params, step)[0]
        record = Record()
        with listen(record):
            optimizer.step()
        schedule.step()
        seen.append([(primitive.name, arguments) for primitive, _, arguments, _ in record.calls])
    assert all(calls == seen[-1] for calls in seen[7:])  # RAdam's first steps are another formula
    assert all(calls == seen[1] for calls in seen[1:]) or name == "RAdam"
    assert len(seen[-1]) == 1 and isinstance(record.calls[0][0], Update)


def test_clipping_and_zeroing_are_seen_whole():
    params = [Tensor(np.ones(shape, np.float32), requires_grad=True) for shape in ((3, 4), (5,))]
    for p, g in zip(params, gradients(params, 0)):
        p.grad = g
    arrays = [p.grad.array for p in params]
    record = Record()
    sources = [(array, array.copy()) for array in arrays]
    with listen(record):
        total = clip_grad_norm_(params, 0.5)
        clip_grad_value_(params, 0.1)
    places = record.replay(sources)
    for array in (*arrays, total.array):
        assert places[id(array)].tobytes() == array.tobytes()
    assert max(abs(array).max() for array in arrays) == np.float32(0.1)
    optimizer = optim.SGD(params)
    with listen(record):
        optimizer.zero_grad(set_to_none=False)
    assert all(p.grad.array is array and not array.any() for p, array in zip(params, arrays))
    assert not any(record.replay(sources)[id(array)].any() for array in arrays)


def test_averages_are_seen_whole():
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
    for settings in ({}, {"multi_avg_fn": get_ema_multi_avg_fn(0.9)}, {"use_buffers": True}):
        averaged, record = AveragedModel(model, **settings), Record()
        kept = [*averaged.module.parameters(), *averaged.module.buffers()]
        theirs = [*model.parameters(), *model.buffers()]
        sources = [(x.array, x.array.copy()) for x in [*kept, *theirs]]
        with listen(record):
            averaged.update_parameters(model)
            averaged.update_parameters(model)
        places = record.replay(sources)
        for x in kept:
            assert places[id(x.array)].tobytes() == x.array.tobytes()


class Own(optim.Optimizer):
    """Somebody's own optimizer, written with tensors."""

    def __init__(self, params, lr=0.5):
        super().__init__(params, {"lr": lr})

    def init_state(self, p, group):
        return {"mean": p * 0}

    def update(self, p, g, state, group):
        state["mean"] += 0.5 * (g - state["mean"])
        p -= group["lr"] * np.sign(state["mean"])


def test_somebodys_own_optimizer_is_seen_whole():
    p = Tensor(np.ones(3, np.float32), requires_grad=True)
    optimizer, record = Own([p]), Record()
    g = Tensor(np.array([1.0, -1.0, 2.0], np.float32))
    sources = [(x.array, x.array.copy()) for x in (p, g)]
    p.grad = g
    with listen(record):
        optimizer.step()
    assert p.tolist() == [0.5, 1.5, 0.5] and p.requires_grad and p.is_leaf
    places = record.replay(sources)
    assert places[id(p.array)].tolist() == [0.5, 1.5, 0.5]


def test_gradients_in_memory_that_cannot_be_written_to_are_clipped_and_zeroed():
    def wide():
        p = Tensor(np.ones(3, np.float32), requires_grad=True)
        with no_grad():
            p.grad = Tensor([4.0]).expand(3)
        return p

    p = wide()
    clip_grad_value_([p], 2.0)
    assert p.grad.tolist() == [2, 2, 2]
    p = wide()
    clip_grad_norm_([p], 1.0)
    np.testing.assert_allclose(p.grad.array, 3**-0.5, rtol=1e-6)
    p = wide()
    optim.SGD([p]).zero_grad(set_to_none=False)
    assert p.grad.tolist() == [0, 0, 0]


def test_a_graph_of_the_gradient_survives_zeroing():
    p = Tensor([2.0], requires_grad=True)
    (p**3).sum().backward(create_graph=True)
    second = p.grad
    optim.SGD([p]).zero_grad(set_to_none=False)
    assert p.grad.tolist() == [0] and second.tolist() == [12] and not p.grad.requires_grad


def test_deepcopies_of_listened_optimizers_are_their_own():
    p = Tensor(np.ones(3, np.float32), requires_grad=True)
    optimizer = optim.Adam([p])
    p.grad = Tensor(np.ones(3, np.float32))
    optimizer.step()
    twin = copy.deepcopy(optimizer)
    twin.step()
    assert optimizer.state[p]["step"] == 1
