"""The settings of fit: clipping, accumulation, schedules, averages, validation every n steps, weights of classes."""

import numpy as np
import pytest

from autograd_nn import Tensor, manual_seed, nn, optim
from autograd_nn.data import DataLoader, TensorDataset
from autograd_nn.nn import functional as F
from autograd_nn.saving.checkpoints import load
from autograd_nn.training import EMA, Callback, EarlyStopping, ModelCheckpoint, Schedule, evaluate, fit

from .runs import regression

rng = np.random.default_rng(0)
X = rng.standard_normal((24, 3)).astype(np.float32)
Y = rng.integers(0, 3, 24)


def linear(lr=0.5, optimizer=optim.SGD, **settings):
    manual_seed(0)
    model = nn.Linear(3, 3)
    return model, optimizer(model.parameters(), lr=lr, **settings)


def loader(size, x=X, y=Y):
    return DataLoader(TensorDataset(x, y), batch_size=size)


class Norms(Callback):
    """Notes the norm of each step's change."""

    def __init__(self, model):
        self.model, self.norms, self.last = model, [], None

    def on_epoch_begin(self, run):
        self.last = self.flat()

    def flat(self):
        return np.concatenate([p.array.ravel() for p in self.model.parameters()])

    def on_step_end(self, run):
        now = self.flat()
        self.norms.append(np.linalg.norm(now - self.last))
        self.last = now


def test_gradients_are_clipped():
    model, optimizer = linear(lr=1.0)
    norms = Norms(model)
    fit(model, loader(4, X * 100), optimizer, "cross_entropy", callbacks=[norms], clip=0.25)
    assert len(norms.norms) == 6 and max(norms.norms) == pytest.approx(0.25, rel=1e-4)


LOSSES = [nn.CrossEntropyLoss(), nn.CrossEntropyLoss(Tensor(np.array([1.0, 5.0, 0.2], np.float32))),
          nn.CrossEntropyLoss(ignore_index=1), nn.CrossEntropyLoss(reduction="sum")]


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("sizes", [(8, 3), (5, 5), (24, 1)])
def test_accumulated_batches_are_as_one(loss, sizes):
    """Of unequal size too, and where targets are ignored or weighted."""
    size, count = sizes

    def trained(batches, **settings):
        model, optimizer = linear(lr=0.1)
        history = fit(model, batches, optimizer, loss, 2, callbacks=[], **settings)
        return model.weight.array, history["loss"], history.steps

    weight, losses, steps = trained(loader(size), accumulate=count)
    expected, expected_losses, expected_steps = trained(loader(size * count))
    assert steps == expected_steps
    np.testing.assert_allclose(weight, expected, rtol=1e-5, atol=1e-6)
    assert losses == pytest.approx(expected_losses, rel=1e-5)


def test_steps_are_counted_by_the_optimizer():
    seen = []

    class Note(Callback):
        def on_step_end(self, run):
            seen.append((run.step, run.steps, run.history.steps))

    model, optimizer = linear()
    fit(model, loader(4), optimizer, "cross_entropy", 2, callbacks=[Note()], accumulate=4)
    assert seen == [(1, 2, 1), (2, 2, 2), (1, 2, 3), (2, 2, 4)]


def test_schedules_by_step_and_by_epoch():
    rates = optim.lr_scheduler
    for make, expected in (
        (lambda o: rates.ExponentialLR(o, 0.5), [0.5, 0.25]),
        (lambda o: Schedule(rates.ExponentialLR(o, 0.5), "step"), [0.5 * 0.5**5, 0.5 * 0.5**11]),
        (lambda o: rates.OneCycleLR(o, 1.0, total_steps=12), [None, 1.0 / 25 / 1e4]),
        (lambda o: rates.ReduceLROnPlateau(o, factor=0.5, patience=0, threshold=10.0), [0.5, 0.25]),
    ):
        model, optimizer = linear()
        history = fit(model, loader(4), optimizer, "cross_entropy", 2, callbacks=[], schedule=make(optimizer))
        for found, right in zip(history["lr"], expected):
            assert right is None or found == pytest.approx(right, rel=1e-3)


def test_a_plateau_watches_the_validation_loss():
    model, optimizer = linear(lr=0.0)
    optimizer.param_groups[0]["lr"] = 1e-12
    schedule = optim.lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.5, patience=0, eps=0)
    history = fit(model, loader(4), optimizer, "cross_entropy", 3, loader(24), callbacks=[], schedule=schedule)
    assert history["lr"] == [1e-12, 1e-12, 0.5e-12] and optimizer.param_groups[0]["lr"] == 0.25e-12


def test_the_average_of_the_weights():
    model, optimizer = linear(lr=0.3)
    ema, seen = EMA(0.9), []

    class Note(Callback):
        def on_update(self, run):
            seen.append(model.weight.array.copy())

    start = model.weight.array.copy()
    history = fit(model, loader(4), optimizer, "cross_entropy", 3, loader(24), callbacks=[Note(), ema])
    average = start
    for t, weight in enumerate(seen, 1):
        decay = min(0.9, (1 + t) / (10 + t))
        average = decay * average + (1 - decay) * weight
    np.testing.assert_allclose(model.weight.array, average, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(ema.raw["weight"], seen[-1])
    assert history["validation_loss"][-1] == pytest.approx(evaluate(model, loader(24), "cross_entropy")["loss"])
    assert abs(average - seen[-1]).max() > 1e-3


def test_the_best_averages_are_kept(tmp_path):
    model, optimizer = linear(lr=2.0)
    path = tmp_path / "best"
    history = fit(model, loader(4), optimizer, "cross_entropy", 6, loader(24, -X), ema=0.5, callbacks=[
        EarlyStopping("validation_loss", 6, restore_best=True), ModelCheckpoint(path, "val_loss")])
    best = min(history["validation_loss"])
    assert evaluate(model, loader(24, -X), "cross_entropy")["loss"] == pytest.approx(best, rel=1e-6)
    model.load_state_dict(load(path))
    assert evaluate(model, loader(24, -X), "cross_entropy")["loss"] == pytest.approx(best, rel=1e-6)


def test_validation_every_few_steps():
    model, optimizer = linear()
    passes = []

    class Note(Callback):
        def on_validation_end(self, run):
            passes.append(run.history.steps)

    history = fit(model, loader(4), optimizer, "cross_entropy", 2, loader(24), callbacks=[Note()], validate_every=3,
                  metrics=["accuracy"])
    assert [(v["epoch"], v["step"]) for v in history.validations] == [(1, 3), (1, 6), (2, 9), (2, 12)]
    assert passes == [3, 6, 9, 12], "the end of an epoch does not measure anew"
    assert history.validations[1]["validation_loss"] == history["validation_loss"][0]
    assert history.validations[3]["validation_accuracy"] == history["validation_accuracy"][1]


def test_weights_of_classes():
    y = np.array([0] * 18 + [1] * 4 + [2] * 2)
    weight = np.array([24 / 3 / 18, 24 / 3 / 4, 24 / 3 / 2], np.float32)
    for loss in ("cross_entropy", F.cross_entropy, nn.CrossEntropyLoss()):
        for given in ("balanced", weight, dict(enumerate(weight)), weight.tolist()):
            model, optimizer = linear(lr=0.0)
            expected = F.cross_entropy(model(Tensor(X)), Tensor(y), Tensor(weight)).item()
            for data in ((X, y), loader(5, X, y)):
                history = fit(model, data, optimizer, loss, callbacks=[], class_weight=given)
                assert history["loss"][0] == pytest.approx(expected, rel=1e-5)


def test_weights_of_two_classes():
    y = (np.arange(24) < 6).astype(np.float32)[:, None]
    manual_seed(0)
    model = nn.Linear(3, 1)
    out = model(Tensor(X))
    each = F.binary_cross_entropy_with_logits(out, Tensor(y), reduction="none").array
    factors = np.where(y == 1, 2.0, 24 / 36)
    expected = (each * factors).sum() / factors.sum()
    for loss in ("bce_with_logits", nn.BCEWithLogitsLoss()):
        optimizer = optim.SGD(model.parameters(), lr=0.0)
        history = fit(model, (X, y), optimizer, loss, callbacks=[], class_weight="balanced", metrics=["accuracy"])
        assert history["loss"][0] == pytest.approx(expected, rel=1e-5)
        assert history["accuracy"][0] == pytest.approx(((out.array > 0) == y).mean())


def test_losses_by_name_fit_the_targets():
    model = nn.Sequential(nn.Linear(3, 1))
    for loss, y in (("mse", np.arange(24)), ("bce_with_logits", np.arange(24) % 2 == 0), ("l1", np.arange(24.0)),
                    ("huber", np.arange(24)), ("MSELoss", np.arange(24))):
        expected = evaluate(model, [(Tensor(X), Tensor(y.astype(np.float32)[:, None]))], loss)["loss"]
        assert evaluate(model, (X, y), loss)["loss"] == pytest.approx(expected, rel=1e-5)
        assert evaluate(model, loader(5, X, y), loss)["loss"] == pytest.approx(expected, rel=1e-5)


def test_an_optimizer_that_needs_a_closure():
    model, _, data = regression()
    optimizer = optim.LBFGS(model.parameters(), lr=0.5)
    history = fit(model, data, optimizer, nn.MSELoss(), 3, callbacks=[])
    assert history["loss"][-1] < 1e-4 and model.weight.item() == pytest.approx(3, abs=1e-2)
