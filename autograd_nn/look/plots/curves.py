"""The curves of a training run."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from ...training import History
from .style import BLUE, VERMILLION, Drawn, few_ticks, grid, place_for, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import FigureBase


def plot_history(history: History | Mapping[str, Sequence[float]], *, quantities: Sequence[str] | None = None,
                 ax: Axes | None = None, figure: FigureBase | None = None) -> Drawn:
    """Plot what each epoch measured, training and validation in one panel per quantity.

    Parameters
    ----------
    history : History or mapping of str to sequence of float
        Names that begin with ``validation_`` or ``val_`` are those of the validation.
    quantities : sequence of str, optional
        Without the prefix; all but the seconds by default.
    ax : Axes, optional
    figure : Figure or SubFigure, optional

    Examples
    --------
    >>> from autograd_nn import plots
    >>> picture = plots.plot_history({"loss": [1.0, 0.5], "validation_loss": [1.1, 0.7]})
    >>> [ax.get_title() for ax in picture.get_axes()]
    ['loss']
    """
    series = series_of(history)
    names = [name for name in dict.fromkeys(name.removeprefix("validation_").removeprefix("val_") for name in series)
             if name != "seconds"]
    if quantities is not None:
        unknown = [name for name in quantities if name not in names]
        if unknown:
            raise ValueError(f"plot_history(): the history has no {', '.join(map(repr, unknown))}; "
                             f"it has {', '.join(names)}")
        names = list(quantities)
    if not names or not any(series.values()):
        raise ValueError("plot_history(): the history has no epochs")
    with styled("plot_history", ax, figure):
        columns = min(len(names), 3)
        place = place_for(ax or figure, 4.4 * columns, 3.2 * -(-len(names) // columns))
        for name, panel in zip(names, grid(place, len(names), columns)):
            plot_quantity(panel, name, series)
        return place


def series_of(history: History | Mapping[str, Sequence[float]]) -> dict[str, list[float]]:
    """Return the quantities of a history, each with a number for every epoch."""
    if isinstance(history, History):
        return {name: [epoch.get(name, math.nan) for epoch in history.epochs] for name in history.names}
    return {name: [float(value) for value in values] for name, values in history.items()}


def plot_quantity(ax: Axes, name: str, series: Mapping[str, list[float]]) -> None:
    """Draw one quantity, in training and in validation."""
    looks = (("training", name, BLUE, "-", "o"), ("validation", f"validation_{name}", VERMILLION, "--", "s"),
             ("validation", f"val_{name}", VERMILLION, "--", "s"))
    for label, key, colour, line, marker in looks:
        values = series.get(key)
        if values:
            last = next((value for value in reversed(values) if math.isfinite(value)), math.nan)
            ax.plot(range(1, len(values) + 1), values, line, color=colour, marker=marker, markersize=3.5,
                    markevery=max(1, len(values) // 12), linewidth=1.5, label=f"{label}, last {last:.4g}")
    ax.set_xlabel("epoch")
    ax.set_ylabel(name.replace("_", " "))
    ax.set_title(name.replace("_", " "))
    few_ticks(ax.xaxis, 8, integer=True, min_n_ticks=1)
    ax.set_xlim(left=0.5)
    ax.grid(True)
    ax.legend()
