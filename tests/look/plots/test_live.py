"""Curves that grow in a notebook."""

import pytest

from autograd_nn import nn
from autograd_nn.look.plots import LivePlot, live
from autograd_nn.training import Callback, fit

from ...training.runs import regression
from .pictures import panels

pytest.importorskip("matplotlib")


@pytest.fixture
def shown(monkeypatch):
    pictures = []

    class Display:
        available = True

        def show(self, picture):
            pictures.append(picture)

    monkeypatch.setattr(live, "Display", Display)
    return pictures


def run(*callbacks, epochs=3):
    model, optimizer, loader = regression()
    return fit(model, loader, optimizer, nn.MSELoss(), epochs=epochs, callbacks=list(callbacks))


def test_curves_are_drawn_anew_after_each_epoch(shown):
    history = run(LivePlot(seconds=0))
    assert len(shown) == 3
    line = panels(shown[-1])["loss"].get_lines()[0]
    assert list(line.get_xdata()) == [1, 2, 3] and list(line.get_ydata()) == history["loss"]


def test_drawing_is_throttled_but_for_the_end(shown):
    run(LivePlot(seconds=1000), epochs=5)
    assert [len(panels(picture)["loss"].get_lines()[0].get_xdata()) for picture in shown] == [1, 5]


def test_an_interrupted_run_shows_what_it_has(shown):
    class Interrupt(Callback):
        def on_epoch_begin(self, run):
            if run.epoch == 3:
                raise KeyboardInterrupt

    run(LivePlot(seconds=1000), Interrupt())
    assert len(panels(shown[-1])["loss"].get_lines()[0].get_xdata()) == 2


def test_outside_of_a_notebook_nothing_is_drawn(monkeypatch):
    monkeypatch.setattr(live, "plot_history", lambda *args, **settings: pytest.fail("drawn"))
    run(LivePlot())
