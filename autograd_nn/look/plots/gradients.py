"""How gradients flow through a network, and which of its units are dead."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from ...engine import Primitive
from ...nn import Module
from ...tensor import Tensor
from ..module_trace import ModuleCall, preserved, watch_modules
from .style import BLUE, INK, ORANGE, PURPLE, Drawn, grid, ink, place_for, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import FigureBase


def plot_gradients(model: Module, x: Tensor | ArrayLike | None = None, *, ax: Axes | None = None,
                   figure: FigureBase | None = None) -> Drawn:
    """Plot how gradients flow: their mean size in each parameter, and that size relative to the parameter's.

    Gradients that shrink from layer to layer towards the input vanish, those that grow explode; where a gradient is
    small beside the parameter, the layer learns slowly.

    Parameters
    ----------
    model : Module
        After ``backward``.
    x : Tensor or array, optional
        A batch: adds a panel with the share of dead units, those that ReLU makes 0 for every input (and, of feature
        maps, everywhere). The model runs in evaluation mode and is left as it was.
    ax : Axes, optional
    figure : Figure or SubFigure, optional

    Raises
    ------
    RuntimeError
        No parameter has a gradient.

    Examples
    --------
    >>> from autograd_nn import plots
    >>> import autograd_nn as ag
    >>> from autograd_nn import nn
    >>> model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    >>> model(ag.ones(3, 4)).sum().backward()
    >>> picture = plots.plot_gradients(model, ag.ones(3, 4))
    >>> [ax.get_title() for ax in picture.get_axes()]
    ['size of the gradient', 'relative to the parameter', 'dead units']
    """
    parameters = list(model.named_parameters())
    if all(parameter.grad is None for _, parameter in parameters):
        raise RuntimeError("plot_gradients(): no parameter has a gradient; call it after backward() and before "
                           "zero_grad()")
    dead = {} if x is None else _dead_units(model, x)
    names = [name for name, _ in parameters]
    sizes = [None if p.grad is None else float(np.abs(p.grad.array).mean()) for _, p in parameters]
    weights = [float(np.abs(p.array).mean()) for _, p in parameters]
    ratios = [None if g is None or not w else g / w for g, w in zip(sizes, weights)]
    with styled("plot_gradients", ax, figure):
        panels = 3 if dead else 2
        place = place_for(ax or figure, 4.2 * panels, max(2.4, 0.24 * len(names) + 1.2))
        axes = grid(place, panels, panels)
        _bars(axes[0], names, sizes, BLUE, "mean |gradient|", "size of the gradient")
        _bars(axes[1], names, ratios, ORANGE, "mean |gradient| / mean |parameter|", "relative to the parameter")
        if dead:
            shares = [count / total for count, total in dead.values()]
            axes[2].barh(range(len(dead)), shares, color=PURPLE, height=0.7)
            axes[2].set_yticks(range(len(dead)), list(dead))
            axes[2].invert_yaxis()
            axes[2].set_xlim(0, 1)
            axes[2].xaxis.set_major_formatter(lambda value, position: f"{value:.0%}")
            for i, (count, total) in enumerate(dead.values()):
                share = count / total
                axes[2].text(share + 0.02 if share < 0.6 else share - 0.02, i, f"{count:,} of {total:,}", va="center",
                             ha="left" if share < 0.6 else "right", fontsize=8, color=ink() if share < 0.6 else INK)
            axes[2].set_xlabel("share of units that are 0 for all inputs")
            axes[2].set_title("dead units")
        return place


def _bars(ax: Axes, names: list[str], values: list[float | None], colour: str, label: str, title: str) -> None:
    """Draw bars on a logarithmic axis, and in words what it cannot show."""
    finite = [value for value in values if value and math.isfinite(value)]
    least = min(finite, default=1.0)
    floor = 10.0 ** math.floor(math.log10(least) - 0.3)
    ceiling = 10.0 ** math.ceil(math.log10(max(finite, default=1.0)) + 0.1)
    for i, value in enumerate(values):
        if value and math.isfinite(value):
            ax.barh(i, value - floor, left=floor, color=colour, height=0.7)
        else:
            ax.text(floor * 1.1, i, " none" if value is None else f" {value:g}", va="center", fontsize=8, color=ink())
    ax.set_xscale("log")
    ax.set_xlim(floor, ceiling)
    ax.xaxis.set_minor_formatter("")
    ax.set_yticks(range(len(names)), names)
    ax.set_ylim(len(names) - 0.4, -0.6)
    ax.grid(True, axis="x")
    ax.set_axisbelow(True)
    ax.set_xlabel(label)
    ax.set_title(title)


def _dead_units(model: Module, x: Tensor | ArrayLike) -> dict[str, tuple[int, int]]:
    """Return for each module that applies ReLU how many of its units are 0 for all inputs, and how many there are."""
    found: dict[str, tuple[int, int]] = {}
    times: dict[str, int] = {}
    modules = dict(model.named_modules())

    def on_operation(
        trail: tuple[ModuleCall, ...], primitive: Primitive[Any], inputs: tuple[Any, ...], out: Tensor
    ) -> None:
        if primitive.name in ("relu", "conv2d_relu", "linear_relu") and out.ndim > 1:
            units = 1 if out.ndim != 3 else 2
            dead = np.all(out.array <= 0, axis=tuple(i for i in range(out.ndim) if i != units)).ravel()
            module = modules[trail[-1].name if trail else ""]
            label = f"{trail[-1].name}: {module._get_name()}" if trail and trail[-1].name else module._get_name()
            times[label] = times.get(label, 0) + 1
            found[f"{label} ({times[label]})" if times[label] > 1 else label] = int(dead.sum()), len(dead)

    with preserved(model), watch_modules(model, on_operation):
        model(x if isinstance(x, Tensor) else Tensor(np.asarray(x)))
    return found
