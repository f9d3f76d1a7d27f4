"""fit and evaluate."""

import _thread
import signal
import threading

import numpy as np
import pytest

from autograd_nn import Tensor, nn
from autograd_nn.data import DataLoader, TensorDataset
from autograd_nn.training import Callback, evaluate, fit

from .runs import regression


def test_fit_finds_the_line_and_returns_what_it_measured():
    model, optimizer, loader = regression()
    history = fit(model, loader, optimizer, nn.MSELoss(), epochs=30, validation=loader, callbacks=[])
    assert model.weight.item() == pytest.approx(3, abs=1e-3) and model.bias.item() == pytest.approx(-1, abs=1e-3)
    assert history.names == ["loss", "validation_loss", "seconds"] and len(history) == 30
    assert history["loss"][0] > 1 and history["validation_loss"][-1] < 1e-5


def test_the_loss_of_an_epoch_is_the_mean_over_its_examples():
    model = nn.Linear(1, 1)
    x = np.array([[0.0], [0.0], [0.0]], np.float32)
    loader = DataLoader(TensorDataset(x, np.array([[1.0], [1.0], [4.0]], np.float32)), batch_size=2)
    model.weight.data[:] = 0
    model.bias.data[:] = 0
    assert evaluate(model, loader, nn.MSELoss())["loss"] == pytest.approx((1 + 1 + 16) / 3)


def test_evaluate_restores_the_mode_and_records_nothing():
    seen = []

    class Probe(nn.Module):
        def forward(self, x):
            seen.append((self.training, x.requires_grad))
            return x

    model = Probe()
    evaluate(model, [(Tensor(np.ones((2, 1), np.float32)), Tensor(np.ones((2, 1), np.float32)))], nn.MSELoss())
    assert seen == [(False, False)] and model.training


def test_a_run_continued_is_a_run_uninterrupted():
    whole = regression()
    fit(whole[0], whole[2], whole[1], nn.MSELoss(), epochs=4, callbacks=[])
    parts = regression()
    history = fit(parts[0], parts[2], parts[1], nn.MSELoss(), epochs=2, callbacks=[])
    fit(parts[0], parts[2], parts[1], nn.MSELoss(), epochs=2, callbacks=[], history=history)
    assert len(history) == 4
    assert whole[0].weight.array.tobytes() == parts[0].weight.array.tobytes()


def test_an_interrupt_leaves_model_and_history(capsys):
    class Interrupt(Callback):
        def on_step_end(self, run):
            if run.epoch == 2 and run.step == 3:
                raise KeyboardInterrupt

    model, optimizer, loader = regression()
    history = fit(model, loader, optimizer, nn.MSELoss(), epochs=5, callbacks=[Interrupt()])
    assert history.interrupted and len(history) == 1
    assert capsys.readouterr().err == "interrupted in epoch 2 after step 3\n"
    fit(model, loader, optimizer, nn.MSELoss(), epochs=30, callbacks=[], history=history)
    assert len(history) == 31 and not history.interrupted
    assert model.weight.item() == pytest.approx(3, abs=1e-3)


@pytest.fixture
def interruptible():
    """Take interrupts even in a process that ignores them, as a shell's background jobs do."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("moment", [0.05, 0.1, 0.15])
def test_a_signal_at_any_moment_leaves_model_and_history(moment, interruptible):
    model, optimizer, loader = regression()
    ended = threading.Event()

    def interrupt(wait=moment):
        while not ended.wait(wait):  # again, if Python dropped it: in a callback of the garbage collector, it does
            _thread.interrupt_main()
            wait = 1.0

    thread = threading.Thread(target=interrupt)
    thread.start()
    history = fit(model, loader, optimizer, nn.MSELoss(), epochs=10**9, validation=loader, callbacks=[])
    ended.set()
    thread.join()
    assert history.interrupted and all({"loss", "validation_loss"} <= set(epoch) for epoch in history.epochs)
    assert model.training and np.isfinite(model.weight.data).all()
    length = len(history)
    fit(model, loader, optimizer, nn.MSELoss(), epochs=30, callbacks=[], history=history)
    assert len(history) == length + 30 and model.weight.item() == pytest.approx(3, abs=1e-3)
