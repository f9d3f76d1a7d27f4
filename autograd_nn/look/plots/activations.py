"""What each layer makes of an input."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from ...nn import Dropout, Flatten, Identity, Module
from ...tensor import Tensor
from ...typing import Array
from ..module_trace import ModuleCall, preserved, watch_modules
from .images import limits_of, mosaic, show_image, tile_columns
from .style import BLUE, Drawn, few_ticks, grid, ink, place_for, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import FigureBase


def plot_activations(model: Module, x: Tensor | ArrayLike, *, layers: Sequence[str] | None = None, most: int = 16,
                     ax: Axes | None = None, figure: FigureBase | None = None) -> Drawn:
    """Draw what each layer makes of one input: feature maps as images, vectors as bars.

    The model runs in evaluation mode and is left as it was; the hooks that look on are removed, after an error too.

    Parameters
    ----------
    model : Module
    x : Tensor or array
        A batch; its first input is shown.
    layers : sequence of str, optional
        Names of modules; by default all without modules inside them, but for those that only reshape (Flatten) or do
        nothing in evaluation (Dropout).
    most : int
        Feature maps that are drawn of a layer.
    ax : Axes, optional
    figure : Figure or SubFigure, optional

    Examples
    --------
    >>> from autograd_nn import plots
    >>> import autograd_nn as ag
    >>> from autograd_nn import nn
    >>> picture = plots.plot_activations(nn.Sequential(nn.Linear(4, 8), nn.ReLU()), ag.ones(1, 4))
    >>> len(picture.get_axes())
    3
    """
    x = x if isinstance(x, Tensor) else Tensor(np.asarray(x))
    modules = dict(model.named_modules())
    if layers is not None:
        unknown = [name for name in layers if name not in modules]
        if unknown:
            raise ValueError(f"plot_activations(): the model has no module {', '.join(map(repr, unknown))}; "
                             f"it has {', '.join(name for name in modules if name)}")
    seen: list[tuple[str, Array]] = []

    def on_module(trail: tuple[ModuleCall, ...], module: Module, args: tuple[Any, ...], output: Any) -> None:
        name = trail[-1].name
        output = output[0] if isinstance(output, tuple) else output
        chosen = name in layers if layers is not None else (
            next(module.children(), None) is None and not isinstance(module, Flatten | Dropout | Identity))
        if chosen and isinstance(output, Tensor) and output.ndim > 1:
            label = f"{name}: {module._get_name()}" if name else module._get_name()
            seen.append((label, output.array[0].copy()))

    with preserved(model), watch_modules(model, on_module=on_module):
        model(x[:1])
    panels = [("input", x.array[0]), *seen]
    with styled("plot_activations", ax, figure):
        columns = min(len(panels), 3)
        place = place_for(ax or figure, 3.5 * columns, 2.6 * -(-len(panels) // columns))
        for panel, (label, values) in zip(grid(place, len(panels), columns), panels):
            _plot_activation(panel, label, values, most, "value" if label == "input" else "activation")
        return place


def _plot_activation(ax: Axes, label: str, values: Array, most: int, quantity: str) -> None:
    if values.ndim == 3:
        tiles = values[:most]
        show_image(ax, mosaic(tiles, tile_columns(len(tiles))), limits_of(tiles), quantity)
        some = "" if len(tiles) == len(values) else f", {len(tiles)} maps shown"
        ax.set_title(f"{label}\n{' × '.join(map(str, values.shape))}{some}")
    elif values.ndim == 2:
        show_image(ax, values, limits_of(values), quantity)
        ax.set_aspect("auto")
        ax.set_title(f"{label}\n{' × '.join(map(str, values.shape))}")
    else:
        values = values.ravel()
        ax.bar(range(len(values)), values, width=0.8 if len(values) <= 40 else 1.0, color=BLUE)
        ax.axhline(0, color=ink(), linewidth=0.8)
        few_ticks(ax.xaxis, 6, integer=True)
        few_ticks(ax.yaxis, 4)
        ax.set_xlabel("unit")
        ax.set_ylabel(quantity)
        ax.set_title(f"{label}\n{len(values):,} units, {np.mean(values == 0):.0%} are 0")
