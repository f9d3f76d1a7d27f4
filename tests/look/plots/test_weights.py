"""Histograms, filters and rows of dense layers."""

import numpy as np
import pytest

from autograd_nn import nn
from autograd_nn.look import plots
from autograd_nn.training import models

from .pictures import panels, pixels, text_outside

pytest.importorskip("matplotlib")


def test_histograms_hold_all_weights(net):
    figure = plots.plot_weight_histograms(net)
    assert [title.partition("\n")[0] for title in panels(figure)] == ["0.weight", "2.weight", "6.weight"]
    for ax, size in zip(panels(figure).values(), (36, 216, 288)):
        assert sum(bar.get_height() for bar in ax.patches) == size and ax.get_xlabel() == "weight"
    net[0].weight.array[0, 0, 0, 0] = np.nan
    ax = next(iter(panels(plots.plot_weight_histograms(net)).values()))
    assert ax.get_xlabel() == "weight (1 not finite)"
    assert not text_outside(figure)


def test_filters_of_one_channel_are_tiles_on_a_scale_around_zero():
    layer = nn.Conv2d(1, 6, 3)
    layer.weight.array[:] = np.arange(6).reshape(6, 1, 1, 1) - 2
    figure = plots.plot_filters(layer, "first")
    ax = panels(figure)["first: 6 filters of 3 × 3"]
    image = pixels(ax)
    assert image.shape == (7, 11) and image[0, 0] == -2 and image[0, 4] == -1 and image[4, 8] == 3
    assert np.isnan(image[3]).all() and np.isnan(image[:, 3]).all()
    assert ax.get_images()[0].get_clim() == (-3, 3)
    assert not text_outside(figure)


def test_filters_of_several_channels_are_a_table_and_those_of_three_in_colour():
    layer = nn.Conv2d(2, 5, 3)
    figure = plots.plot_filters(layer)
    (title,) = panels(figure)
    assert title == "5 filters of 3 × 3\n(one column each) by 2 input channels"
    image = pixels(panels(figure)[title])
    assert image.shape == (7, 19)
    np.testing.assert_array_equal(image[4:7, 8:11], layer.weight.array[2, 1])
    assert not text_outside(figure)
    colour = plots.plot_filters(nn.Conv2d(3, 4, 5)).get_axes()[0]
    assert pixels(colour).shape[2] == 3 and colour.get_title() == "4 filters of 5 × 5 in three channels"
    assert plots.plot_filters(nn.Conv2d(1, 100, 3), most=9).get_axes()[0].get_title() == "9 of 100 filters of 3 × 3"


def test_rows_of_a_dense_layer_are_images_largest_first():
    layer = nn.Linear(16, 30)
    layer.weight.array[:] = 0
    layer.weight.array[7] = np.arange(16)
    ax = plots.plot_weight_rows(layer, "0").get_axes()[0]
    assert ax.get_title() == "0: weights of 25 of 30 units, largest first"
    np.testing.assert_array_equal(pixels(ax)[:4, :4], np.arange(16).reshape(4, 4))
    assert pixels(plots.plot_weight_rows(layer, image_shape=(2, 8)).get_axes()[0])[1, 7] == 15
    with pytest.raises(ValueError, match="15 inputs are no image of 3 × 3; give image_shape"):
        plots.plot_weight_rows(nn.Linear(15, 2))


def test_weights_are_histograms_and_what_can_be_seen(net):
    figure = plots.plot_weights(net)
    titles = list(panels(figure))
    assert titles[3:] == ["0 (Conv2d): 4 filters of 3 × 3",
                          "2 (Conv2d): 6 filters of 3 × 3\n(one column each) by 4 input channels"]
    assert not text_outside(figure)
    dense = panels(plots.plot_weights(models.mlp(hidden=(20,))))
    assert "1 (Linear): weights of 20 units, largest first" in dense
    assert len(panels(plots.plot_weights(nn.Linear(3, 2)))) == 1
    with pytest.raises(ValueError, match="no weights"):
        plots.plot_weights(nn.ReLU())
