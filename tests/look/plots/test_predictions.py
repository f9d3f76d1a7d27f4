"""Predictions, worst first, and saliency."""

import numpy as np
import pytest

import autograd_nn as ag
from autograd_nn import nn
from autograd_nn.look import plots
from autograd_nn.training import models

from .pictures import images, panels, pixels, text_outside

pytest.importorskip("matplotlib")


class Table(nn.Module):
    """Scores that are known: the pixels of the first row."""

    def forward(self, x):
        return x[:, 0, 0, :3] * 1.0


def test_predictions_show_the_worst_errors_first():
    x = np.zeros((4, 1, 4, 4), np.float32)
    x[:, 0, 0, :3] = [[5, 0, 0], [0, 9, 0], [0, 1, 0], [0, 0, 3]]
    figure = plots.plot_predictions(Table(), x, np.array([0, 2, 2, 2]), classes=["a", "b", "c"], most=3)
    titles = list(panels(figure))
    assert titles[0] == "true c\nsaid b (100%) ✗" and titles[1] == "true c\nsaid b (58%) ✗"
    assert titles[2] == "true c\nsaid c (91%) ✓"
    np.testing.assert_array_equal(pixels(panels(figure)[titles[0]]), x[1, 0])
    assert figure.get_suptitle() == "2 of 4 wrong (50.0%); worst first"
    assert not text_outside(figure)


def test_images_of_other_shapes(net):
    flat = models.mlp(features=16, hidden=(4,), classes=3)
    figure = plots.plot_predictions(flat, np.zeros((2, 16), np.float32), [0, 1])
    assert all(pixels(ax).shape == (4, 4) for ax in panels(figure).values())
    model = models.mlp(features=48, hidden=(4,), classes=3)
    colour = plots.plot_predictions(model, np.ones((1, 3, 4, 4), np.float32), [0])
    assert pixels(colour.get_axes()[0]).shape == (4, 4, 3)
    with pytest.raises(ValueError, match="an image must be"):
        plots.plot_predictions(models.mlp(features=15, hidden=(4,)), np.zeros((1, 15), np.float32), [0])
    with pytest.raises(ValueError, match="images and targets must be as many"):
        plots.plot_predictions(net, images(2), [0])


def test_saliency_is_the_gradient_of_the_score():
    w = np.random.default_rng(0).standard_normal((3, 16)).astype(np.float32)
    model = nn.Sequential(nn.Flatten(), nn.Linear(16, 3), nn.Dropout(0.5))
    model[1].weight.data[:] = w
    x = images(2)[:, :, :4, :4]
    np.testing.assert_allclose(plots.saliency(model, x, 1).reshape(2, 16), np.abs(w[[1, 1]]), rtol=1e-6)
    np.testing.assert_allclose(plots.saliency(model, x, [2, 0]).reshape(2, 16), np.abs(w[[2, 0]]), rtol=1e-6)
    with ag.no_grad():
        said = model.eval()(ag.Tensor(x)).data.argmax(1)
    model.train()
    np.testing.assert_allclose(plots.saliency(model, ag.Tensor(x)).reshape(2, 16), np.abs(w[said]), rtol=1e-6)
    assert model.training and model[1].weight.grad is None


def test_the_picture_of_saliency_has_the_map_below_each_image(net):
    x = images(3)
    figure = plots.plot_saliency(net, x, [0, 1, 2], classes=["a", "b", "c"])
    assert list(panels(figure)) == ["class a", "class b", "class c"]
    below = figure.get_axes()[3]
    expected = plots.saliency(net, x, [0, 1, 2])[0, 0]
    np.testing.assert_allclose(pixels(below), expected / expected.max(), rtol=1e-5)
    assert not text_outside(figure)
