"""`fit`, `evaluate` and `predict` compile their steps by themselves, and nothing differs in a bit."""

import functools

import numpy as np
import pytest

import autograd_nn as ag
from autograd_nn import nn, optim
from autograd_nn.data import DataLoader, TensorDataset
from autograd_nn.kernels.compile import get_num_threads, set_num_threads
from autograd_nn.training import (
    EMA,
    Callback,
    EarlyStopping,
    Schedule,
    TerminateOnNaN,
    compiling,
    evaluate,
    find_learning_rate,
    fit,
    predict,
)
from autograd_nn.training.resume import Checkpoint

F = nn.functional
pytestmark = pytest.mark.skipif(not compiling.is_available(), reason="steps run in Python here")


@pytest.fixture(autouse=True)
def made(monkeypatch):
    """Compile as soon as may be, and collect the compiled steps."""
    steps = []
    begin = compiling.Steps.__init__

    def init(self, *args, **kwargs):
        begin(self, *args, **kwargs)
        steps.append(self)

    monkeypatch.setattr(compiling.Steps, "__init__", init)
    monkeypatch.setattr(compiling, "WORTH", 3)
    return steps


def data(n=43, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, 6)).astype(np.float32)
    return x, np.argmax(x[:, :3] + 0.3 * rng.standard_normal((n, 3)), 1)


def images(n=22):
    rng = np.random.default_rng(0)
    return rng.standard_normal((n, 1, 8, 8)).astype(np.float32), rng.integers(0, 3, n)


def classifier():
    return nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.3), nn.Linear(8, 3))


def plain():
    return nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 3))


def convnet():
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(36, 3))


def adam(model):
    return optim.Adam(model.parameters(), lr=0.02)


def sgd(model):
    return optim.SGD(model.parameters(), lr=0.05, momentum=0.9)


def trained(compile, model=plain, optimizer=adam, given=data, loss="cross_entropy", epochs=3, callbacks=None,
            settings=None):
    """Train; return all that came out: weights, moments, history, random numbers and what callbacks saw."""
    ag.manual_seed(0)
    net = model()
    made = optimizer(net)
    extra = {} if settings is None else settings(made)
    own = [] if callbacks is None else callbacks()
    history = fit(net, given(), made, loss, epochs, callbacks=own, batch_size=8, compile=compile, **extra)
    epochs = [{name: str(value) for name, value in epoch.items() if name != "seconds"} for epoch in history.epochs]
    moments = [np.asarray(value.array if isinstance(value, ag.Tensor) else value).tobytes()
               for held in made.state.values() for value in held.values()]
    seen = [callback.seen for callback in own if hasattr(callback, "seen")]
    return ([(name, value.array.tobytes()) for name, value in net.state_dict().items()], moments, epochs, seen,
            ag.get_rng_state(), [group["lr"] for group in made.param_groups], net.training)


def schedule(kind, *arguments, **settings):
    return lambda optimizer: {"schedule": getattr(optim.lr_scheduler, kind)(optimizer, *arguments, **settings)}


def everything(optimizer):
    return {"clip": 0.3, "accumulate": 2, "ema": 0.9, "metrics": ["accuracy"], "validation": data(20, 1),
            "schedule": Schedule(optim.lr_scheduler.ExponentialLR(optimizer, 0.95), "step"), "validate_every": 2}


def ignoring():
    x, y = data()
    y[:] = -100
    y[::9] = 1
    return DataLoader(TensorDataset(x, y), batch_size=8)


CASES = {
    "plain": {},
    "momentum": {"optimizer": sgd},
    "ConvNet": {"model": convnet, "given": images},
    "BatchNorm and dropout": {"model": classifier},
    "an optimizer in Python": {"optimizer": lambda model: optim.RMSprop(model.parameters(), lr=0.01)},
    "a schedule for each epoch": {"settings": schedule("StepLR", 1, gamma=0.5)},
    "a schedule for each step": {"settings": schedule("OneCycleLR", max_lr=0.1, total_steps=18)},
    "clipping": {"settings": lambda _: {"clip": 0.05}},
    "accumulation": {"model": classifier, "settings": lambda _: {"accumulate": 2}},
    "accumulation of weighted batches": {"settings": lambda _: {
        "accumulate": 3, "class_weight": [1.0, 2.0, 0.5]}, "epochs": 7},
    "accumulation of sums": {"loss": nn.CrossEntropyLoss(reduction="sum"), "settings": lambda _: {"accumulate": 3},
                             "epochs": 7},
    "accumulation with targets that do not count": {"given": ignoring, "settings": lambda _: {"accumulate": 2}},
    "targets that do not count": {"given": ignoring},
    "moving averages": {"model": classifier, "settings": lambda _: {"ema": EMA(0.8), "validation": 0.3}},
    "class weights": {"settings": lambda _: {"class_weight": "balanced"}},
    "metrics": {"settings": lambda _: {"metrics": ["accuracy", "f1"], "validation": data(20, 1)}},
    "all together": {"model": classifier, "settings": everything},
    "early stopping": {"callbacks": lambda: [EarlyStopping("loss", 1, min_delta=1.0)]},
    "labels of 32 bits": {"given": lambda: DataLoader(
        TensorDataset(data()[0], data()[1].astype(np.int32)), batch_size=8)},
    "two labels, weighted": {"model": lambda: nn.Linear(6, 1), "loss": "bce_with_logits", "given": lambda: (
        data()[0], (data()[1] > 0).astype(np.int64)), "settings": lambda _: {"class_weight": [1.0, 3.0]}},
    "numbers": {"model": lambda: nn.Linear(6, 1), "loss": "mse", "given": lambda: (data()[0], data()[0].sum(1))},
    "a generator of unknown length": {"given": lambda: Endless()},
}


class Endless:
    def __iter__(self):
        x, y = data()
        for i in range(0, 40, 8):
            yield ag.tensor(x[i : i + 8]), ag.tensor(y[i : i + 8])


@pytest.mark.parametrize("case", CASES)
def test_the_bits_are_those_of_eager_mode(case, made, capsys):
    eager, compiled = (trained(mode, **CASES[case]) for mode in (False, True))
    assert compiled == eager
    plans = sum(known.is_trusted for steps in made for known in steps.signatures.values())
    assert plans > 0 and all(known.reason is None for steps in made for known in steps.signatures.values())
    assert "not compiled" not in capsys.readouterr().err


@pytest.mark.parametrize("case", ["ConvNet", "all together"])
def test_any_number_of_threads_gives_the_same_bits(case):
    before, found = get_num_threads(), []
    try:
        for threads in (1, 2):
            set_num_threads(threads)
            found.append(trained(True, **CASES[case]))
    finally:
        set_num_threads(before)
    assert found[0] == found[1]


# ------------------------------------------------------------------------------------ callbacks


class Reader(Callback):
    """Keeps what there is to be seen after each step."""

    def __init__(self):
        self.seen, self.kept = [], []

    def on_update(self, run):
        gradients = [p.grad for p in run.parameters()]
        self.kept.append(gradients)
        self.seen.append((run.loss, run.step, run.history.steps, run.inputs[0].array.tobytes(), run.target.tolist(),
                          [g.array.tobytes() for g in gradients]))

    def on_train_end(self, run):
        self.seen.append([g.array.tobytes() for gradients in self.kept for g in gradients])


class Meddler(Callback):
    """Changes the gradients before the optimizer sees them, in place and by others."""

    def on_gradients(self, run):
        for i, p in enumerate(run.parameters()):
            if i % 2:
                p.grad = p.grad * 0.5
            else:
                with ag.no_grad():
                    p.grad.mul_(run.history.steps % 3)


class Freezer(Callback):
    """Freezes a layer, sets a rate, and lets the model sleep in part: a replay must not go on as before."""

    def on_step_end(self, run):
        if run.history.steps == 9:
            run.model[0].weight.requires_grad = False
        if run.history.steps == 11:
            run.optimizer.param_groups[0]["lr"] = 0.5
        if run.history.steps == 13:
            run.model[3].eval()


@pytest.mark.parametrize("kind", [Reader, Meddler, Freezer])
def test_callbacks_see_and_do_what_they_did(kind, made):
    eager, compiled = (trained(mode, model=classifier, callbacks=lambda: [kind()], settings=lambda _: {"clip": 1.0})
                       for mode in (False, True))
    assert compiled == eager
    assert made and all(known.reason is None for known in made[0].signatures.values())


def test_a_loss_that_is_not_finite_stops_before_the_step(capsys, made):
    def spoilt():
        x, y = data()
        x[36] = np.nan
        return DataLoader(TensorDataset(x, y), batch_size=4)

    eager, compiled = (trained(mode, model=classifier, given=spoilt, callbacks=lambda: [TerminateOnNaN()], epochs=1)
                       for mode in (False, True))
    assert compiled == eager
    first, second = capsys.readouterr().err.splitlines()
    assert first == second and "the loss is nan at epoch 1, step 10: the input has 6 NaN" in first
    weights = [value for name, value in compiled[0] if "running" not in name]
    assert all(np.isfinite(np.frombuffer(value, np.float32)).all() for value in weights)


class Interrupting(Callback):
    def __init__(self, moment, step):
        self.moment, self.step = moment, step

    def __getattribute__(self, name):
        own = object.__getattribute__(self, "moment")
        if name == own:
            return self.interrupt
        return object.__getattribute__(self, name)

    def interrupt(self, run):
        if run.history.steps == self.step:
            raise KeyboardInterrupt


@pytest.mark.parametrize("moment", ["on_step_end", "on_gradients"])
def test_interrupted_and_resumed(tmp_path, moment):
    """Either half may be compiled or not: the bits are those of a run that was never stopped."""
    settings = {"model": classifier,
                "given": lambda: DataLoader(TensorDataset(*data()), batch_size=8, shuffle=True, seed=1)}
    wanted = trained(False, **settings)[:3]
    for first, second in ((True, True), (True, False), (False, True)):
        checkpoint = functools.partial(Checkpoint, tmp_path / f"{first}{second}")
        trained(first, callbacks=functools.partial(_stopped, checkpoint, moment), **settings)
        assert trained(second, callbacks=lambda make=checkpoint: [make(resume=True)], **settings)[:3] == wanted


def _stopped(checkpoint, moment):
    return [checkpoint(every=1), Interrupting(moment, 9)]


# ------------------------------------------------------------------------------------ what stays eager, and says so


class Counting(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer, self.count = nn.Linear(6, 3), 0

    def forward(self, x):
        self.count += 1
        return self.layer(x) * (1 + self.count % 2)


def lbfgs(model):
    return optim.LBFGS(model.parameters(), max_iter=2)


LOSSES = []


def remembering(output, target):
    loss = F.cross_entropy(output, target)
    LOSSES.append(loss.item())
    return loss


def branching(output, target):
    loss = F.cross_entropy(output, target)
    return loss * 2 if loss > 1 else loss


def arrays():
    x, y = data(40)
    return [(x[i : i + 8], ag.tensor(y[i : i + 8])) for i in range(0, 40, 8)]


@pytest.mark.parametrize(("settings", "reason"), [
    ({"model": Counting}, "count, a Python value"),
    ({"loss": remembering}, "Python reads a value, by item"),
    ({"loss": branching}, "Python reads a value"),
    ({"optimizer": lbfgs, "epochs": 1}, "LBFGS computes the loss several times"),
    ({"settings": lambda _: {"shards": 2}}, "in shards"),
    ({"given": arrays, "model": lambda: OfArrays()}, "batches hold arrays of NumPy's"),
])
def test_steps_that_stay_eager_say_why_once(settings, reason, capsys):
    LOSSES.clear()
    eager = trained(False, **settings)
    count = len(LOSSES)
    assert capsys.readouterr().err == ""
    assert trained(True, **settings) == eager
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1 and lines[0].startswith("fit(): steps are not compiled: ")
    assert reason in lines[0]
    assert LOSSES[count:] == LOSSES[:count]


class OfArrays(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(6, 3)

    def forward(self, x):
        return self.layer(ag.tensor(x))


class Hush(Callback):
    def on_train_begin(self, run):
        run.quiet = True


def test_quiet_runs_stay_quiet(capsys):
    trained(True, model=Counting, callbacks=lambda: [Hush()])
    trained(True, callbacks=lambda: [Hush()], epochs=1, optimizer=lbfgs)
    assert capsys.readouterr().err == ""


def test_hooks_keep_working():
    """Hooks of the user's that change Python objects keep a step eager."""
    seen = {}
    for mode in (False, True):
        calls = seen[mode] = []

        def model(calls=calls):
            net = plain()
            net[0].register_forward_hook(lambda module, inputs, output: calls.append(output.sum().item()))
            net[2].weight.register_hook(lambda g: g * 2)
            return net

        seen[mode, "out"] = trained(mode, model=model)
    assert seen[True] == seen[False] and seen[True, "out"] == seen[False, "out"]


# ------------------------------------------------------------------------------------ the rule, and the other functions


@pytest.mark.parametrize(("epochs", "plans"), [(1, 0), (2, 0), (30, 1)])
def test_few_steps_are_not_compiled(epochs, plans, made, monkeypatch):
    monkeypatch.setattr(compiling, "WORTH", 100)
    trained(True, given=lambda: data(40), epochs=epochs)
    (steps,) = made
    assert sum(known.is_trusted for known in steps.signatures.values()) == plans
    assert all((known.watch is not None) == bool(plans) for known in steps.signatures.values())


def test_evaluate_and_predict(made):
    ag.manual_seed(0)
    model, (x, y) = classifier(), data(90)
    fit(model, (x, y), sgd(model), "cross_entropy", callbacks=[], compile=False)
    found = [evaluate(model, (x, y), "cross_entropy", ["accuracy"], batch_size=8, compile=mode)
             for mode in (False, True)]
    assert found[0] == found[1]
    outputs = [predict(model, x, batch_size=8, compile=mode).numpy() for mode in (False, True)]
    np.testing.assert_array_equal(*outputs)
    assert [repr(steps) for steps in made] == ["<compiled step: 1 plan>"] * 2
    assert model.training


def test_a_generator_of_batches_is_predicted(made):
    model = plain()
    x = data(80)[0]
    batches = [ag.tensor(x[i : i + 8]) for i in range(0, 80, 8)]
    np.testing.assert_array_equal(predict(model, iter(batches)).numpy(), predict(model, batches, compile=False).numpy())
    assert repr(made[0]).endswith("1 plan>")


def test_evaluate_raises_the_error_of_a_bad_label(made):
    model, (x, y) = plain(), data(80)
    y[77] = 5
    with pytest.raises(IndexError, match="cross_entropy"):
        evaluate(model, (x, y), F.cross_entropy, batch_size=8)
    assert repr(made[0]).endswith("1 plan>")


@pytest.mark.parametrize("function", [
    lambda model: fit(model, data(), adam(model), "mse", compile="yes"),
    lambda model: evaluate(model, data(), "mse", compile=1),
    lambda model: predict(model, data()[0], compile=None),
])
def test_compile_is_a_flag(function):
    with pytest.raises(TypeError, match=r"compile must be True or False"):
        function(plain())


def test_the_learning_rate_is_found_eagerly(made):
    model = plain()
    find_learning_rate(model, data(), sgd(model), "cross_entropy", steps=12)
    assert not made
