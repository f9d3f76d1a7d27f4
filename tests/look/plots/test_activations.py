"""Feature maps and vectors, layer by layer."""

import numpy as np
import pytest

import autograd_nn as ag
from autograd_nn.look import plots

from .pictures import images, panels, pixels, text_outside

pytest.importorskip("matplotlib")


def test_activations_are_those_of_the_layers_and_nothing_is_left_behind(net):
    x = images()
    figure = plots.plot_activations(net, x)
    shown = panels(figure)
    assert list(shown) == [
        "input\n1 × 20 × 20", "0: Conv2d\n4 × 18 × 18", "1: ReLU\n4 × 18 × 18", "2: Conv2d\n6 × 16 × 16",
        "3: ReLU\n6 × 16 × 16", "4: MaxPool2d\n6 × 4 × 4", "6: Linear\n3 units, 0% are 0",
    ]
    with ag.no_grad():
        expected = net[0](ag.Tensor(x[:1])).array[0]
        logits = net(ag.Tensor(x[:1])).array[0]
    np.testing.assert_allclose(pixels(shown["0: Conv2d\n4 × 18 × 18"])[:18, :18], expected[0], rtol=1e-6)
    bars = [bar.get_height() for bar in shown["6: Linear\n3 units, 0% are 0"].patches]
    np.testing.assert_allclose(bars, logits, rtol=1e-4, atol=1e-6)
    assert not any(module._hooks for module in net.modules()) and net.training
    assert not text_outside(figure)


def test_activations_of_chosen_layers_and_after_an_error(net):
    assert [title.partition("\n")[0] for title in panels(plots.plot_activations(net, images(), layers=["2"]))] == [
        "input", "2: Conv2d"
    ]
    with pytest.raises(ValueError, match="the model has no module 'nine'; it has 0, 1, 2"):
        plots.plot_activations(net, images(), layers=["nine"])
    with pytest.raises(RuntimeError):
        plots.plot_activations(net, np.zeros((1, 2, 20, 20), np.float32))
    assert not any(module._hooks for module in net.modules()) and net.training
