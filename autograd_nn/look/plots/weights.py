"""The weights of a network: histograms, filters, the rows of a first dense layer."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from ...nn import Conv2d, Embedding, Linear, Module
from ...typing import Array
from .images import count_text, mosaic, show_image, symmetric_limits, tile_columns
from .style import BLUE, Drawn, Place, even_columns, few_ticks, grid, ink, place_for, split, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import FigureBase


def plot_weights(model: Module, *, most_layers: int = 6, ax: Axes | None = None,
                 figure: FigureBase | None = None) -> Drawn:
    """Plot the weights of a network: histograms of each layer, and as images what can be seen as such.

    Images are made of the filters of convolutions larger than 1 × 1, and of the rows of the first layer where it is a
    dense one whose input is a square (784 inputs are an image of 28 × 28).

    Parameters
    ----------
    model : Module
    most_layers : int
        Layers that are drawn as images.
    ax : Axes, optional
    figure : Figure or SubFigure, optional

    Examples
    --------
    >>> from autograd_nn import plots
    >>> from autograd_nn import nn
    >>> picture = plots.plot_weights(nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU()))
    >>> len(picture.get_axes())
    2
    """
    weights, pictured = weights_of(model), pictured_layers(model)[:most_layers]
    if not weights:
        raise ValueError("plot_weights(): the model has no weights of two or more dims")
    with styled("plot_weights", ax, figure):
        heights = [2.1 * -(-len(weights) // 4) + 0.3, 3.4 * -(-len(pictured) // 2)]
        place = place_for(ax or figure, 10, sum(heights))
        if not pictured:
            draw_histograms(place, weights)
            return place
        upper, lower = split(place, 2, 1, heights=heights)
        draw_histograms(upper, weights)
        for (name, layer), panel in zip(pictured, grid(lower, len(pictured), min(len(pictured), 2))):
            plot_layer(name, layer, panel)
        return place


def plot_weight_histograms(model: Module, *, ax: Axes | None = None, figure: FigureBase | None = None) -> Drawn:
    """Plot a histogram of the weights of each layer (parameters of two and more dims).

    Parameters
    ----------
    model : Module
    ax : Axes, optional
    figure : Figure or SubFigure, optional

    Examples
    --------
    >>> from autograd_nn import plots
    >>> from autograd_nn import nn
    >>> picture = plots.plot_weight_histograms(nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2)))
    >>> len(picture.get_axes())
    2
    """
    weights = weights_of(model)
    if not weights:
        raise ValueError("plot_weight_histograms(): the model has no weights of two or more dims")
    with styled("plot_weight_histograms", ax, figure):
        columns = even_columns(len(weights), 4)
        place = place_for(ax or figure, max(2.6 * columns, 4), 2.1 * -(-len(weights) // columns) + 0.3)
        draw_histograms(place, weights)
        return place


def draw_histograms(place: Place, weights: list[tuple[str, Array]]) -> None:
    """Draw a histogram of each array."""
    columns = even_columns(len(weights), 4)
    for i, (ax, (name, values)) in enumerate(zip(grid(place, len(weights), columns), weights)):
        finite = values[np.isfinite(values)]
        ax.hist(finite.ravel(), bins=min(60, max(10, math.isqrt(finite.size))), color=BLUE)
        ax.axvline(0, color=ink(), linewidth=0.8, linestyle=":")
        lost = values.size - finite.size
        ax.set_title(f"{name}\nmean {finite.mean():.2g}, deviation {finite.std():.2g}" if finite.size else name)
        ax.set_xlabel("weight" if not lost else f"weight ({lost:,} not finite)")
        ax.set_ylabel("" if i % columns else "count")
        few_ticks(ax.xaxis, 4)
        few_ticks(ax.yaxis, 4)


def plot_filters(layer: Conv2d, name: str = "", *, most: int = 64, ax: Axes | None = None) -> Drawn:
    """Draw the filters of a convolution as images.

    Parameters
    ----------
    layer : Conv2d
    name : str
        Put before the title.
    most : int
        Filters of one input channel are drawn one after the other, the first so many; those of three channels in
        colour. Of others the longer side is that of the larger number: filters, or input channels; the first
        ``2 sqrt(most)`` of both are drawn.
    ax : Axes, optional

    Examples
    --------
    >>> from autograd_nn import plots
    >>> from autograd_nn import nn
    >>> picture = plots.plot_filters(nn.Conv2d(1, 6, 3), "first layer")
    >>> picture.get_axes()[0].get_title()
    'first layer: 6 filters of 3 × 3'
    """
    weights = layer.weight.array
    total, channels = weights.shape[:2]
    size = f"{weights.shape[2]} × {weights.shape[3]}"
    if channels in (1, 3):
        tiles = np.moveaxis(weights[:most], 1, 3) if channels == 3 else weights[:most, 0]
        columns = tile_columns(len(tiles))
        title = f"{count_text(len(tiles), total, 'filters')} of {size}"
        title += " in three channels" if channels == 3 else ""
    else:
        side = 2 * max(1, math.isqrt(most))
        block = weights[:side, :side]
        parts = [count_text(len(block), total, "filters"), count_text(block.shape[1], channels, "input channels")]
        wide = block.shape[0] > block.shape[1]
        tiles = (block.swapaxes(0, 1) if wide else block).reshape(-1, *weights.shape[2:])
        columns = max(block.shape[:2])
        title = f"{parts[0]} of {size}\n(one {'column' if wide else 'row'} each) by {parts[1]}"
    limits = symmetric_limits(tiles)
    if channels == 3:
        tiles = 0.5 + tiles / (2 * limits[1])
    with styled("plot_filters", ax):
        image = mosaic(tiles, columns)
        place = place_for(ax, 5, min(8.0, max(2.2, 4.2 * image.shape[0] / image.shape[1] + 0.5)))
        (ax,) = grid(place, 1)
        show_image(ax, image, limits, "weight")
        ax.set_title(f"{name}: {title}" if name else title)
        return place


def plot_weight_rows(layer: Linear, name: str = "", *, image_shape: tuple[int, int] | None = None, most: int = 25,
                     ax: Axes | None = None) -> Drawn:
    """Draw the weights of a dense layer's units as images of its input.

    Parameters
    ----------
    layer : Linear
        Whose input is an image of one channel, flattened.
    name : str
        Put before the title.
    image_shape : (int, int), optional
        Height and width; a square by default.
    most : int
        Units that are drawn, those with the largest weights (Euclidean norm) first.
    ax : Axes, optional

    Examples
    --------
    >>> from autograd_nn import plots
    >>> from autograd_nn import nn
    >>> picture = plots.plot_weight_rows(nn.Linear(16, 3))
    >>> picture.get_axes()[0].get_title()
    'weights of 3 units, largest first'
    """
    weights = layer.weight.array
    side = math.isqrt(weights.shape[1])
    height, width = image_shape or (side, side)
    if height * width != weights.shape[1]:
        raise ValueError(f"plot_weight_rows(): {weights.shape[1]} inputs are no image of {height} × {width}; give "
                         f"image_shape=(H, W) (weight.shape={weights.shape})")
    order = np.argsort(-np.linalg.norm(weights, axis=1), kind="stable")[:most]
    tiles = weights[order].reshape(-1, height, width)
    with styled("plot_weight_rows", ax):
        image = mosaic(tiles, tile_columns(len(tiles)))
        place = place_for(ax, 5, min(8.0, max(2.2, 4.2 * image.shape[0] / image.shape[1] + 0.5)))
        (ax,) = grid(place, 1)
        show_image(ax, image, symmetric_limits(tiles), "weight")
        title = f"weights of {count_text(len(tiles), len(weights), 'units')}, largest first"
        ax.set_title(f"{name}: {title}" if name else title)
        return place


def weights_of(model: Module) -> list[tuple[str, Array]]:
    """Return name and array of each parameter of two and more dims."""
    return [(name, parameter.array) for name, parameter in model.named_parameters() if parameter.ndim > 1]


def pictured_layers(model: Module) -> list[tuple[str, Module]]:
    """Return the convolutions, and the first layer with weights where it is dense and its input a square."""
    weighted = Conv2d | Linear | Embedding
    layers = [(name, module) for name, module in model.named_modules() if isinstance(module, weighted)]
    return [(name, layer) for i, (name, layer) in enumerate(layers) if _is_pictured(layer, i == 0)]


def _is_pictured(layer: Module, first: bool) -> bool:
    if isinstance(layer, Conv2d):
        return min(layer.kernel_size) > 1
    if not first or not isinstance(layer, Linear):
        return False
    return layer.in_features >= 16 and math.isqrt(layer.in_features) ** 2 == layer.in_features


def plot_layer(name: str, layer: Module, ax: Axes) -> None:
    """Draw the weights of one layer as images."""
    if isinstance(layer, Conv2d):
        plot_filters(layer, f"{name} ({layer._get_name()})", ax=ax)
    elif isinstance(layer, Linear):
        plot_weight_rows(layer, f"{name} ({layer._get_name()})", ax=ax)
