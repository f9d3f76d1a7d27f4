"""What loggers write, and what becomes of it when a run is resumed."""

import csv
import json
import sys

import pytest

from autograd_nn import nn, optim
from autograd_nn.look import plots
from autograd_nn.training import (
    Callback,
    CSVLogger,
    JSONLinesLogger,
    Logger,
    Schedule,
    TensorBoardLogger,
    find_learning_rate,
    fit,
)
from autograd_nn.training.resume import Checkpoint

from .runs import regression


def run(*callbacks, epochs=3, **settings):
    model, optimizer, loader = regression()
    schedule = Schedule(optim.lr_scheduler.ExponentialLR(optimizer, 0.5))
    return fit(model, loader, optimizer, nn.MSELoss(), epochs, loader, [schedule, *callbacks], **settings)


def rows(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_csv(tmp_path):
    path = tmp_path / "log.csv"
    history = run(CSVLogger(path), metrics=["mae", "confusion"][:1])
    written = rows(path)
    assert [row["epoch"] for row in written] == ["1", "2", "3"]
    assert [float(row["loss"]) for row in written] == history["loss"]
    assert [float(row["lr"]) for row in written] == history["lr"] == [0.1, 0.05, 0.025]
    assert set(written[0]) == {"epoch", "loss", "mae", "validation_loss", "validation_mae", "seconds", "lr"}


def test_json_lines(tmp_path):
    path = tmp_path / "log.jsonl"
    history = run(JSONLinesLogger(path, every=2), epochs=2, validate_every=3)
    written = lines(path)
    assert [(line["kind"], line["step"]) for line in written] == [
        ("step", 2), ("validation", 3), ("step", 4), ("epoch", 4), ("validation", 6), ("step", 6), ("step", 8),
        ("epoch", 8)]
    assert [line["loss"] for line in written if line["kind"] == "epoch"] == history["loss"]
    run(JSONLinesLogger(path), epochs=1)
    assert [line["step"] for line in lines(path)] == [4], "another run begins anew"
    with pytest.raises(ValueError, match="every must be a whole number"):
        JSONLinesLogger(path, 0)


class Stop(Callback):
    def __init__(self, steps):
        self.steps = steps

    def on_step_end(self, run):
        if run.history.steps == self.steps:
            raise InterruptedError


@pytest.mark.parametrize("stop", [2, 5, 6, 11])
def test_a_resumed_run_goes_on_in_its_files(tmp_path, stop):
    def logged(folder, *callbacks, resume=False):
        return run(CSVLogger(folder / "csv"), JSONLinesLogger(folder / "json", 1),
                   Checkpoint(folder / "run", every=2, resume=resume), *callbacks)

    for name in ("whole", "killed"):
        (tmp_path / name).mkdir()
    logged(tmp_path / "whole")
    with pytest.raises(InterruptedError):
        logged(tmp_path / "killed", Stop(stop))
    with open(tmp_path / "killed" / "json", "a") as file:
        file.write('{"kind": "st')
    logged(tmp_path / "killed", resume=True)

    def timeless(entries):
        return [{k: v for k, v in entry.items() if k != "seconds"} for entry in entries]

    assert timeless(rows(tmp_path / "killed" / "csv")) == timeless(rows(tmp_path / "whole" / "csv"))
    assert timeless(lines(tmp_path / "killed" / "json")) == timeless(lines(tmp_path / "whole" / "json"))


@pytest.mark.data
def test_tensorboard(tmp_path):
    pytest.importorskip("tensorboardX")
    run(TensorBoardLogger(tmp_path, every=2))
    (file,) = tmp_path.iterdir()
    content = file.read_bytes()
    for tag in (b"epoch/loss", b"epoch/validation_loss", b"step/lr"):
        assert tag in content


def test_tensorboard_that_is_not_installed(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    with pytest.raises(ImportError, match=r'pip install "autograd_nn\[data\]"'):
        TensorBoardLogger(tmp_path)


def test_a_logger_of_ones_own():
    seen = []

    class Notes(Logger):
        def open(self, run, step):
            seen.append(("open", step))

        def log(self, kind, step, values):
            seen.append((kind, step, values["epoch"]))

        def close(self):
            seen.append("close")

    history = run(Notes(3), epochs=1)
    assert seen == [("open", 0), ("step", 3, 1), ("epoch", 4, 1), "close"]
    run(Notes(), epochs=1, history=history)
    assert seen[4:] == [("open", 4), ("epoch", 8, 2), "close"]


# ------------------------------------------------------------------------------------ the search for a learning rate


def test_the_search_for_a_learning_rate_leaves_no_trace():
    plain, searched = regression(), regression()
    for model, optimizer, loader in (plain, searched):
        optimizer.param_groups[0]["momentum"] = 0.9
        fit(model, loader, optimizer, nn.MSELoss(), callbacks=[])
    model, optimizer, loader = searched
    found = find_learning_rate(model, loader, optimizer, nn.MSELoss(), 1e-5, 100.0, 200)
    assert optimizer.param_groups[0]["lr"] == 0.1
    assert 1e-4 < found.suggestion < 2 and len(found.rates) == len(found.losses) < 200
    assert found.rates[0] == pytest.approx(1e-5) and (found.rates[1:] > found.rates[:-1]).all()
    for model, optimizer, loader in (plain, searched):
        fit(model, loader, optimizer, nn.MSELoss(), 2, callbacks=[])
    assert plain[0].weight.array.tobytes() == searched[0].weight.array.tobytes()


def test_the_search_before_the_first_step():
    plain, searched = ((model, optim.Adam(model.parameters(), lr=0.1), loader) for model, _, loader in
                       (regression(), regression()))
    find_learning_rate(searched[0], searched[2], searched[1], "mse", steps=20)
    for model, optimizer, loader in (plain, searched):
        fit(model, loader, optimizer, "mse", 2, callbacks=[])
    assert plain[0].weight.array.tobytes() == searched[0].weight.array.tobytes()


def test_a_search_that_makes_no_sense():
    model, optimizer, loader = regression()
    for wrong, message in (({"lowest": 1.0, "highest": 0.1}, "lowest must be below highest"),
                           ({"steps": 1}, "steps must be at least 2"), ({"smoothing": 1.0}, "smoothing must be in"),
                           ({"lowest": 0}, "lowest must be positive")):
        with pytest.raises(ValueError, match=message):
            find_learning_rate(model, loader, optimizer, "mse", **wrong)
    with pytest.raises(ValueError, match="the loader yielded no batch"):
        find_learning_rate(model, [], optimizer, "mse")


def test_the_picture_of_a_search():
    pytest.importorskip("matplotlib")
    model, optimizer, loader = regression()
    found = find_learning_rate(model, loader, optimizer, "mse", 1e-4, 10.0, 60)
    picture = plots.plot_learning_rates(found)
    (panel,) = picture.axes
    assert panel.get_xscale() == "log" and len(panel.lines[0].get_xdata()) == len(found.rates)
    assert panel.lines[1].get_xdata()[0] == found.suggestion
    with pytest.raises(TypeError, match="what find_learning_rate"):
        plots.plot_learning_rates([1, 2])
