"""Runs that are stopped and taken up again end with the bits of runs that were never stopped."""

import subprocess
import sys

import numpy as np
import pytest

from autograd_nn import Generator, Tensor, manual_seed, nn, optim
from autograd_nn.__main__ import main
from autograd_nn.data import DataLoader, TensorDataset
from autograd_nn.saving.checkpoints import load_checkpoint, save_checkpoint
from autograd_nn.training import Callback, EarlyStopping, Schedule, fit
from autograd_nn.training.resume import Checkpoint
from tests.optim.cases import OPTIMIZERS, SCHEDULES, make, metric
from tests.robustness.kill import killed_run, uninterrupted_run

EPOCHS, STEPS = 3, 4


class Stop(Callback):
    """Ends the process, as it were, after so many steps."""

    def __init__(self, steps):
        self.left = steps

    def on_step_end(self, run):
        self.left -= 1
        if self.left == 0:
            raise InterruptedError


def parts(optimizer="Adam", settings=None, schedule=None, seed=0):
    """Return model, loader and optimizer, with shuffling, dropout and batch normalisation."""
    manual_seed(seed)
    rng = np.random.default_rng(1)
    x = rng.standard_normal((30, 5)).astype(np.float32)
    data = TensorDataset(x, (x @ rng.standard_normal((5, 2))).astype(np.float32))
    model = nn.Sequential(nn.Linear(5, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.3), nn.Linear(8, 2))
    made = make(optimizer, model.parameters(), settings or {"lr": 0.01})
    return model, DataLoader(data, batch_size=8, shuffle=True), made


def bits(model):
    return {name: value.array.tobytes() for name, value in model.state_dict().items()}


def run(path, model, loader, optimizer, *callbacks, resume=False, every=1):
    keeper = Checkpoint(path, every=every, resume=resume)
    callbacks = sorted([*callbacks, keeper], key=lambda callback: isinstance(callback, Stop))
    history = fit(model, loader, optimizer, nn.MSELoss(), EPOCHS, loader, callbacks)
    return bits(model), [{k: v for k, v in epoch.items() if k != "seconds"} for epoch in history.epochs]


@pytest.mark.parametrize("stop", range(1, EPOCHS * STEPS + 1))
def test_a_run_stopped_after_any_step(tmp_path, stop):
    whole = run(tmp_path / "whole", *parts())
    with pytest.raises(InterruptedError):
        run(tmp_path / "run", *parts(), Stop(stop))
    assert run(tmp_path / "run", *parts(seed=99), resume=True) == whole


def test_checkpoints_every_few_steps_and_several_stops(tmp_path):
    whole = run(tmp_path / "whole", *parts())
    for seed, stop in enumerate((3, 2, 5)):
        with pytest.raises(InterruptedError):
            run(tmp_path / "run", *parts(seed=seed), Stop(stop), resume=(tmp_path / "run").exists(), every=3)
    assert run(tmp_path / "run", *parts(seed=98), resume=True, every=3) == whole


@pytest.mark.parametrize(("name", "settings"), OPTIMIZERS, ids=[f"{n}-{i}" for i, (n, _) in enumerate(OPTIMIZERS)])
def test_every_optimizer(tmp_path, name, settings):
    whole = run(tmp_path / "whole", *parts(name, settings))
    with pytest.raises(InterruptedError):
        run(tmp_path / "run", *parts(name, settings), Stop(6))
    assert run(tmp_path / "run", *parts(name, settings, seed=9), resume=True) == whole


@pytest.mark.parametrize(("name", "make_schedule"), SCHEDULES, ids=[name for name, _ in SCHEDULES])
def test_every_schedule(tmp_path, name, make_schedule):
    """Saved with `save_checkpoint` after 7 of 14 epochs: the learning rates and weights go on as if nothing was."""

    def begin():
        manual_seed(0)
        model = nn.Linear(3, 2)
        optimizer = optim.SGD(model.parameters(), lr=0.5, momentum=0.9)
        return model, optimizer, make_schedule(optim.lr_scheduler, optimizer)

    def go_on(model, optimizer, schedule, epochs):
        x = Tensor(np.linspace(-0.1, 0.1, 12, dtype=np.float32).reshape(4, 3))
        rates = []
        for epoch in epochs:
            optimizer.zero_grad()
            nn.functional.dropout(model(x), 0.2).square().mean().backward()
            optimizer.step()
            schedule.step(*([metric(epoch)] if name.startswith("ReduceLROnPlateau") else []))
            rates.append([group["lr"] for group in optimizer.param_groups])
        return rates

    model, optimizer, schedule = begin()
    go_on(model, optimizer, schedule, range(7))
    save_checkpoint(tmp_path / "run", model=model, optimizer=optimizer, scheduler=schedule, epoch=7)
    expected = go_on(model, optimizer, schedule, range(7, 14)), bits(model)

    model, optimizer, schedule = begin()
    assert load_checkpoint(tmp_path / "run", model=model, optimizer=optimizer, scheduler=schedule) == {"epoch": 7}
    assert (go_on(model, optimizer, schedule, range(7, 14)), bits(model)) == expected


def test_the_schedule_of_a_callback_is_resumed(tmp_path):
    def run_with_schedule(path, stop=None, seed=0, resume=False):
        model, loader, optimizer = parts("SGD", {"lr": 0.1, "momentum": 0.9}, seed=seed)
        schedule = Schedule(optim.lr_scheduler.OneCycleLR(optimizer, 0.1, total_steps=EPOCHS * STEPS), every="step")
        return run(path, model, loader, optimizer, schedule, *([Stop(stop)] if stop else []), resume=resume)

    whole = run_with_schedule(tmp_path / "whole")
    with pytest.raises(InterruptedError):
        run_with_schedule(tmp_path / "run", 7)
    assert run_with_schedule(tmp_path / "run", seed=5, resume=True) == whole
    with pytest.raises(ValueError, match="0 callbacks that have a state"):
        run(tmp_path / "run", *parts("SGD", {"lr": 0.1, "momentum": 0.9}), resume=True)


def test_a_finished_or_stopped_run_is_not_trained_further(tmp_path, capsys):
    whole = run(tmp_path / "run", *parts())
    assert run(tmp_path / "run", *parts(seed=3), resume=True) == whole
    stopped = run(tmp_path / "stopped", *parts("SGD", {"lr": 0.0}), EarlyStopping("loss", patience=1, largest=True))
    if len(stopped[1]) < EPOCHS:
        assert run(tmp_path / "stopped", *parts("SGD", {"lr": 0.0}), resume=True) == stopped


def test_what_does_not_fit_is_listed_and_nothing_is_changed(tmp_path):
    model, loader, optimizer = parts()
    run(tmp_path / "run", model, loader, optimizer)
    other = nn.Sequential(nn.Linear(5, 7), nn.Linear(7, 2), nn.Linear(2, 2, dtype=np.float64))
    others = optim.SGD(other.parameters(), lr=0.1)
    generator = Generator(3)
    before, state = bits(other), generator.get_state()
    with pytest.raises(ValueError, match="nothing was changed") as caught:
        load_checkpoint(tmp_path / "run", model=other, optimizer=others, scheduler=others, generator=generator)
    message = str(caught.value)
    for part in ("missing: 2.weight", "unexpected: 4.weight (nearest: ", "mismatched shape: 0.weight is (8, 5)",
                 "optimizer: SGD.load_state_dict()", "scheduler: not in the file"):
        assert part in message
    assert bits(other) == before and generator.get_state() == state
    with pytest.raises(ValueError, match=r"0\.weight is float32 in the file and float64 in the module"):
        load_checkpoint(tmp_path / "run", model=model.double())
    smaller = DataLoader(TensorDataset(np.zeros((9, 5), np.float32)), batch_size=8)
    with pytest.raises(ValueError, match="samples=30, this loader has samples=9"):
        load_checkpoint(tmp_path / "run", loader=smaller)


def test_a_generator_of_its_own(tmp_path):
    generator = Generator(1)
    generator.random((3,))
    save_checkpoint(tmp_path / "g", generator=generator)
    expected = generator.random((4,))
    again = Generator(2)
    load_checkpoint(tmp_path / "g", generator=again)
    assert (again.random((4,)) == expected).all() and again.initial_seed() == 1


@pytest.mark.slow
def test_killed_at_any_moment_the_command_line_ends_with_the_same_weights(tmp_path):
    """A few SIGKILLs at random moments; ``python -m tests.robustness.kill --kills 200`` is the long run."""
    whole = uninterrupted_run(tmp_path)
    kills, weights = killed_run(tmp_path / "killed", kills=3, seed=0)
    assert kills >= 1 and weights == whole


def test_the_command_line_names_what_it_cannot_resume(tmp_path):
    file = tmp_path / "weights"
    file.write_bytes(b"nothing")
    for path, message in ((file, "is not a whole safetensors file"), (tmp_path / "absent", "No such file")):
        result = subprocess.run([sys.executable, "-m", "autograd_nn", "--resume", path], capture_output=True, text=True)
        assert result.returncode == 2 and message in result.stderr and result.stderr.count("\n") == 1


@pytest.mark.slow
def test_more_epochs_on_the_command_line(tmp_path, capsys):
    settings = ["--limit", "300", "--seed", "4", "--model", "lenet"]
    main([*settings, "--epochs", "2", "--save", str(tmp_path / "whole")])
    main([*settings, "--epochs", "1", "--save", str(tmp_path / "part")])
    main(["--resume", str(tmp_path / "part.checkpoint"), "--epochs", "2"])
    assert (tmp_path / "part").read_bytes() == (tmp_path / "whole").read_bytes()
    assert "lenet: " in capsys.readouterr().out
    for file, message in (("part", "is not a checkpoint of a run"), ("part.checkpoint", "does not fit; nothing was")):
        with pytest.raises(SystemExit):
            main(["--resume", str(tmp_path / file), "--model", "mlp"])
        assert message in capsys.readouterr().err


@pytest.mark.parametrize("stop", [1, 3, 4, 5, 8, 11])
def test_metrics_averages_and_validations_are_resumed(tmp_path, stop):
    """Whole-set metrics in the middle of an epoch, moving averages, best weights, validation every 3 steps."""

    def everything(path, *callbacks, seed=0, resume=False):
        model, loader, optimizer = parts("SGD", {"lr": 0.05, "momentum": 0.9}, seed=seed)
        schedule = Schedule(optim.lr_scheduler.ExponentialLR(optimizer, 0.9), "step")
        best = EarlyStopping("loss", 10, restore_best=True, largest=True)
        keeper = Checkpoint(path, every=1, resume=resume)
        history = fit(model, loader, optimizer, nn.MSELoss(), EPOCHS, loader, [schedule, best, keeper, *callbacks],
                      ["mse", "r2", lambda_metric], clip=1.0, ema=0.9, validate_every=3)
        rows = [{k: v for k, v in epoch.items() if k != "seconds"} for epoch in history.epochs]
        return bits(model), rows, history.validations, history.steps

    whole = everything(tmp_path / "whole")
    assert len(whole[2]) == 4 and whole[3] == EPOCHS * STEPS
    with pytest.raises(InterruptedError):
        everything(tmp_path / "run", Stop(stop))
    assert everything(tmp_path / "run", seed=99, resume=True) == whole


def lambda_metric(output, target):
    return (output - target).abs().max()


@pytest.mark.parametrize("stop", [1, 2, 3])
def test_an_accumulating_run_is_resumed(tmp_path, stop):
    def accumulating(path, *callbacks, seed=0, resume=False):
        model, loader, optimizer = parts("SGD", {"lr": 0.05, "momentum": 0.9}, seed=seed)
        keeper = Checkpoint(path, every=1, resume=resume)
        fit(model, loader, optimizer, nn.MSELoss(), 2, None, [keeper, *callbacks], accumulate=3)
        return bits(model)

    whole = accumulating(tmp_path / "whole")
    with pytest.raises(InterruptedError):
        accumulating(tmp_path / "run", Stop(stop))
    assert accumulating(tmp_path / "run", seed=99, resume=True) == whole
