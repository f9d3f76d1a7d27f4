"""The flow of gradients, and dead units."""

import numpy as np
import pytest

import autograd_nn as ag
from autograd_nn.look import plots

from .pictures import images, panels, text_outside

pytest.importorskip("matplotlib")


def test_gradients_have_their_sizes_ratios_and_dead_units(net):
    net[0].bias.array[:] = [-100, 0, 0, 0]
    ag.nn.functional.cross_entropy(net(ag.Tensor(images())), ag.tensor([0, 1, 2, 0, 1])).backward()
    before = net[0].weight.grad.array.copy()
    figure = plots.plot_gradients(net, images())
    sizes, ratios, dead = panels(figure).values()
    names = [name for name, _ in net.named_parameters()]
    assert [label.get_text() for label in sizes.get_yticklabels()] == names
    ends = [bar.get_x() + bar.get_width() for bar in sizes.patches]
    np.testing.assert_allclose(ends, [np.abs(p.grad.array).mean() for p in net.parameters()], rtol=1e-5)
    expected = [np.abs(p.grad.array).mean() / np.abs(p.array).mean() for p in net.parameters()]
    np.testing.assert_allclose([bar.get_x() + bar.get_width() for bar in ratios.patches], expected, rtol=1e-5)
    assert sizes.get_xscale() == "log" and sizes.get_xlabel() == "mean |gradient|"
    assert [label.get_text() for label in dead.get_yticklabels()] == ["1: ReLU", "3: ReLU"]
    assert dead.patches[0].get_width() == 0.25 and dead.texts[0].get_text() == "1 of 4"
    np.testing.assert_array_equal(net[0].weight.grad.array, before)
    assert not text_outside(figure)


def test_gradients_that_are_absent_or_zero_are_said(net):
    with pytest.raises(RuntimeError, match="no parameter has a gradient; call it after backward"):
        plots.plot_gradients(net)
    net[0].weight.grad = ag.zeros(4, 1, 3, 3)
    sizes, _ = panels(plots.plot_gradients(net)).values()
    assert [text.get_text().strip() for text in sizes.texts] == ["0", "none", "none", "none", "none", "none"]
