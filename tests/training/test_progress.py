"""Progress in a file, in a terminal and in a notebook."""

import io

import pytest

from autograd_nn import nn
from autograd_nn.training import Callback, ProgressBar, fit, progress

from .runs import regression


class Terminal(io.StringIO):
    def isatty(self):
        return True


class Slow(Callback):
    """Lets tqdm believe that a second passed since it last drew."""

    def on_step_end(self, run):
        bar = next(callback for callback in run.callbacks if isinstance(callback, ProgressBar))._bar
        bar.last_print_t -= 1


def run(*callbacks, epochs=2, history=None):
    model, optimizer, loader = regression()
    return fit(model, loader, optimizer, nn.MSELoss(), epochs=epochs, callbacks=list(callbacks), history=history)


def test_progress_in_a_file_is_one_line_per_epoch():
    out = io.StringIO()
    history = run(ProgressBar(out))
    lines = out.getvalue().splitlines()
    assert [line.split()[0] for line in lines] == ["epoch", "1", "2"]
    assert lines[0].split() == ["epoch", "loss", "seconds"] and "\r" not in out.getvalue()
    out = io.StringIO()
    run(ProgressBar(out), history=history)
    assert [line.split()[0] for line in out.getvalue().splitlines()] == ["epoch", "3", "4"], "a head for each run"


def test_progress_in_a_terminal_is_a_bar_that_gives_way_to_lines():
    out = Terminal()
    run(Slow(), ProgressBar(out))
    text = out.getvalue()
    assert "epoch 1/2:" in text and "4/4" in text
    last = [line.rpartition("\r")[2] for line in text.split("\n")]
    assert [line.split()[0] for line in last if line.strip()] == ["epoch", "1", "2"], "the bar was wiped away"


class Kernel:
    """The output of a notebook cell: what stands in its places, and how often that changed."""

    def __init__(self):
        self.places, self.changes, self.seen = {}, 0, []

    def display(self, available=True):
        kernel = self

        class Display:
            def __init__(self):
                self.available = available

            def show(self, value):
                kernel.places[id(self)] = value
                kernel.changes += 1
                kernel.seen.append(repr(value))

        return Display


def test_progress_in_a_notebook_is_one_table_of_which_the_lines_stay(monkeypatch, capsys):
    kernel = Kernel()
    monkeypatch.setattr(progress, "Display", kernel.display())
    history = run(Slow(), ProgressBar())
    (table,) = kernel.places.values()
    assert repr(table) == repr(history) and table._repr_html_() == history._repr_html_()
    assert any("epoch 2/2:" in text and "    1  " in text for text in kernel.seen), "the bar below the first line"
    assert capsys.readouterr() == ("", "")


def test_an_interrupted_run_leaves_no_bar(monkeypatch):
    class Interrupt(Callback):
        def on_step_end(self, run):
            if run.epoch == 2:
                raise KeyboardInterrupt

    kernel = Kernel()
    monkeypatch.setattr(progress, "Display", kernel.display())
    history = run(Slow(), ProgressBar(), Interrupt())
    (table,) = kernel.places.values()
    assert history.interrupted and repr(table) == repr(history)


@pytest.mark.parametrize("text", ["<b>", "a & b"])
def test_text_is_escaped(text):
    table = progress._Table(run(), Kernel().display()())
    table.write(f"\r{text}   ")
    assert f"<pre>{text.replace('&', '&amp;').replace('<', '&lt;').replace('>', '&gt;')}</pre>" in table._repr_html_()
