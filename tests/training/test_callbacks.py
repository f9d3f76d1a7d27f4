"""Callbacks that stop a run, save it, or change the learning rate."""

import math

import numpy as np
import pytest

from autograd_nn import nn, optim
from autograd_nn.saving.checkpoints import load
from autograd_nn.training import Callback, EarlyStopping, ModelCheckpoint, Schedule, TerminateOnNaN, fit

from .runs import regression


class Script(Callback):
    """Writes given losses into the history, and the epoch into the weights."""

    def __init__(self, model, losses):
        self.model, self.losses = model, losses

    def on_epoch_end(self, run):
        run.history.epochs[-1]["validation_loss"] = self.losses[run.epoch - 1]
        self.model.weight.data[:] = run.epoch


def scripted(losses, *callbacks):
    model, optimizer, loader = regression()
    history = fit(model, loader, optimizer, nn.MSELoss(), len(losses), callbacks=[Script(model, losses), *callbacks])
    return model, history


def test_early_stopping_waits_for_its_patience(capsys):
    _, history = scripted([3, 2, 1, 1, 2, 0, 0], EarlyStopping(patience=2))
    assert history["validation_loss"] == [3, 2, 1, 1, 2]
    assert capsys.readouterr().err == "stopped: validation_loss has not improved on 1 for 2 epochs\n"
    assert len(scripted([1, 2, 3, 2, 2], EarlyStopping(patience=2, largest=True))[1]) == 5
    assert len(scripted([1, 0.9, 0.8, 0.7, 0.6], EarlyStopping(patience=2, min_delta=0.15))[1]) == 5
    assert len(scripted([1, 0.9, 0.8, 0.7, 0.6], EarlyStopping(patience=1, min_delta=0.15))[1]) == 2
    assert len(scripted([math.nan] * 5, EarlyStopping(patience=2))[1]) == 2


@pytest.mark.parametrize("losses", [[3, 1, 2, 2, 5], [3, 1, 2]])
def test_early_stopping_gives_back_the_best_weights(losses):
    assert scripted(losses, EarlyStopping(patience=3, restore_best=True))[0].weight.item() == 2
    assert scripted(losses, EarlyStopping(patience=3))[0].weight.item() == len(losses)


def test_the_best_weights_are_kept_over_an_interrupt():
    class Interrupt(Callback):
        def on_epoch_begin(self, run):
            if run.epoch == 4:
                raise KeyboardInterrupt

    model, history = scripted([3, 1, 2, 0], EarlyStopping(restore_best=True), Interrupt())
    assert history.interrupted and model.weight.item() == 2


def saved(path):
    return load(path)["weight"].item()


def test_checkpoints_of_the_last_epochs(tmp_path):
    path = tmp_path / "model.safetensors"
    scripted([1, 2, 3, 4], ModelCheckpoint(path, keep=3))
    assert sorted(file.name for file in tmp_path.iterdir()) == [path.name, f"{path.name}.1", f"{path.name}.2"]
    assert [saved(f"{path}{suffix}") for suffix in ("", ".1", ".2")] == [4, 3, 2]


def test_checkpoints_of_the_best_epochs(tmp_path):
    path = tmp_path / "model.safetensors"
    scripted([3, 1, 2, 0.5, math.nan], ModelCheckpoint(path, monitor="validation_loss", keep=2))
    assert [saved(f"{path}{suffix}") for suffix in ("", ".1")] == [4, 2]
    scripted([3, 5, 2], ModelCheckpoint(path, monitor="validation_loss", largest=True))
    assert saved(path) == 2
    model, *_ = regression()
    model.load_state_dict(load(path))
    assert model.weight.item() == 2


def test_checkpoints_that_cannot_be(tmp_path):
    with pytest.raises(ValueError, match=r"ModelCheckpoint\(\): keep must be at least 1 \(keep=0\)"):
        ModelCheckpoint("x", keep=0)
    with pytest.raises(KeyError, match="history has no 'auc'; it has loss, seconds"):
        scripted([1], ModelCheckpoint(tmp_path / "x", monitor="auc"))


def test_a_diverging_run_stops(capsys):
    model, optimizer, loader = regression(lr=1e20)
    with np.errstate(all="ignore"):
        history = fit(model, loader, optimizer, nn.MSELoss(), epochs=50, callbacks=[TerminateOnNaN()])
    assert len(history) < 50 and not math.isfinite(history["loss"][-1])
    assert "try a smaller learning rate" in capsys.readouterr().err


def test_schedule_steps_per_epoch_or_per_step():
    for every, expected in (("epoch", 2), ("step", 8)):
        model, optimizer, loader = regression()
        scheduler = optim.lr_scheduler.ExponentialLR(optimizer, 0.5)
        fit(model, loader, optimizer, nn.MSELoss(), epochs=2, callbacks=[Schedule(scheduler, every)])
        assert optimizer.param_groups[0]["lr"] == pytest.approx(0.1 * 0.5**expected)
    with pytest.raises(ValueError, match="every must be 'epoch' or 'step'"):
        Schedule(None, "batch")


def test_a_schedule_that_watches_the_history():
    model, optimizer, loader = regression()
    scheduler = optim.lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.5, patience=0)
    script = Script(model, [1.0, 2.0, 3.0])
    fit(model, loader, optimizer, nn.MSELoss(), 3, callbacks=[script, Schedule(scheduler, monitor="validation_loss")])
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.025)
