"""Themes, given axes and figures, and life without matplotlib."""

import functools
import io

import numpy as np
import pytest

import autograd_nn as ag
from autograd_nn import nn
from autograd_nn.look import plots

from .pictures import images

matplotlib = pytest.importorskip("matplotlib")
pyplot = pytest.importorskip("matplotlib.pyplot")


def test_a_picture_has_its_own_look_in_any_style_and_is_unknown_to_pyplot(history):
    count = len(pyplot.get_fignums())
    with pyplot.style.context("dark_background"):
        figure = plots.plot_history(history)
        png = figure._repr_png_()
        image = pyplot.imread(io.BytesIO(png))
        inks = inks_of(figure)
    assert len(pyplot.get_fignums()) == count
    assert image[0, 0, 3] == 0 and image[..., 3].max() == 1, "no background"
    for ink in inks:
        on_white, on_black = contrast(ink, "white"), contrast(ink, "#131416")
        assert on_white > 4 and on_black > 4, "readable on light and on dark pages"
    assert matplotlib.rcParams["text.color"] == "black"


def inks_of(figure):
    ax = figure.get_axes()[0]
    return [ax.title.get_color(), ax.xaxis.label.get_color(), ax.get_xticklabels()[0].get_color()]


def contrast(first, second):
    """Return the contrast of two colours, from 1 to 21, as WCAG defines it."""
    lights = []
    for colour in (first, second):
        shares = [s / 12.92 if s <= 0.04045 else ((s + 0.055) / 1.055) ** 2.4 for s in matplotlib.colors.to_rgb(colour)]
        lights.append(0.05 + np.dot(shares, [0.2126, 0.7152, 0.0722]))
    return max(lights) / min(lights)


@pytest.mark.parametrize("colour", ["#008f69", "#c85a10"])
def test_verdicts_can_be_read_on_light_and_dark(net, colour):
    assert colour in (plots.predictions._RIGHT, plots.predictions._WRONG)
    assert contrast(colour, "white") > 4 and contrast(colour, "#131416") > 4


def test_given_figures_and_axes_are_returned_and_keep_their_look():
    with pyplot.style.context("dark_background"):
        figure, axes = pyplot.subplots(1, 2)
        assert plots.plot_confusion(np.eye(2, dtype=int), ax=axes[0]) is axes[0]
        bar = axes[0].child_axes[0]
        assert bar.yaxis.label.get_color() == axes[0].title.get_color() == "white"
        other = pyplot.figure()
        assert plots.plot_weight_histograms(nn.Linear(3, 2), figure=other) is other
        assert plots.plot_filters(nn.Conv2d(1, 2, 3), ax=axes[1]) is axes[1]
        pyplot.close(figure)
        pyplot.close(other)


def test_without_matplotlib_the_error_names_the_extra(monkeypatch, net, history):
    monkeypatch.setattr(plots.style, "matplotlib", None)
    assert not plots.available()
    for draw in (lambda: plots.plot_confusion(np.eye(2)), lambda: plots.plot_history(history),
                 lambda: plots.plot_weights(net), lambda: plots.plot_activations(net, images()),
                 lambda: plots.save_report("x.png", net)):
        with pytest.raises(ImportError, match=r"matplotlib is not installed \(pip install 'autograd_nn\[plots\]'\)"):
            draw()
    assert plots.saliency(net, images(1)).shape == (1, 1, 20, 20), "needs no matplotlib"


def drawings(net, history):
    """Return every function that draws, ready to be called with ax= or figure=, and how many panels it has."""
    x, y = images(4), np.array([0, 1, 2, 0])
    ag.nn.functional.cross_entropy(net(ag.Tensor(x)), ag.tensor(y)).backward()
    return {
        "history": (functools.partial(plots.plot_history, history), 2),
        "weights": (functools.partial(plots.plot_weights, net), 5),
        "histograms": (functools.partial(plots.plot_weight_histograms, net), 3),
        "activations": (functools.partial(plots.plot_activations, net, x), 7),
        "gradients": (functools.partial(plots.plot_gradients, net, x), 3),
        "predictions": (functools.partial(plots.plot_predictions, net, x, y), 4),
        "saliency": (functools.partial(plots.plot_saliency, net, x, [0, 1, 2, 0]), 4),
    }


NAMES = ["history", "weights", "histograms", "activations", "gradients", "predictions", "saliency"]


@pytest.mark.parametrize("name", NAMES)
def test_axes_that_are_given_are_divided(net, history, name):
    draw, count = drawings(net, history)[name]
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(16, 8), layout="constrained")
    assert draw(ax=right) is right
    inside = [ax for ax in figure.get_axes() if ax not in (left, right)]
    assert sum(bool(ax.get_title()) for ax in inside) == count
    figure.canvas.draw()
    middle = left.get_position().x1
    assert all(ax.get_position().x0 > middle for ax in inside), "the other axes are left alone"
    assert draw(ax=figure.add_axes((0, 0, 0.5, 0.5))) is figure.get_axes()[len(inside) + 2]
    pyplot.close(figure)


@pytest.mark.parametrize("name", NAMES)
def test_given_figures_have_the_colours_of_the_style_in_use(net, history, name):
    draw, _ = drawings(net, history)[name]
    with pyplot.style.context("dark_background"):
        figure = pyplot.figure(figsize=(16, 8), layout="constrained")
        assert draw(figure=figure) is figure
        titles = [ax.title for ax in figure.get_axes() if ax.get_title()]
        labels = [label for ax in figure.get_axes() for label in ax.get_xticklabels()]
        assert all(sum(matplotlib.colors.to_rgb(text.get_color())) > 1.5 for text in titles + labels)
        pyplot.close(figure)
