"""A run in one picture."""

import numpy as np
import pytest

from autograd_nn.look import plots
from autograd_nn.training import History, models

from .pictures import panels, text_outside

pytest.importorskip("matplotlib")


@pytest.mark.parametrize("suffix", [".png", ".svg", ".pdf"])
def test_a_report_is_one_picture(net, history, tmp_path, suffix):
    plots.save_report(tmp_path / f"run{suffix}", net, history, np.eye(3, dtype=int))
    start = {".png": b"\x89PNG", ".svg": b"<?xml", ".pdf": b"%PDF"}[suffix]
    assert (tmp_path / f"run{suffix}").read_bytes().startswith(start)


@pytest.mark.parametrize("made", ["all", "model", "mlp"])
def test_a_report_holds_what_there_is(net, history, tmp_path, monkeypatch, made):
    figures = []
    monkeypatch.setattr(plots.Picture, "savefig", lambda self, path: figures.append(self))
    if made == "all":
        plots.save_report("x.png", net, history, np.eye(3, dtype=int), ["a", "b", "c"])
        expected = ["loss", "accuracy", "0 (Conv2d): 4 filters of 3 × 3", "100.0% right, 0 errors in 3"]
    elif made == "model":
        plots.save_report("x.png", net, History())
        expected = ["0 (Conv2d): 4 filters of 3 × 3"]
    else:
        plots.save_report("x.png", models.mlp(features=784, hidden=(8,)), {"loss": [1.0]})
        expected = ["loss", "1 (Linear): weights of 8 units, largest first"]
    assert list(panels(figures[0])) == expected
    monkeypatch.undo()
    assert not text_outside(figures[0])
