"""The losses that a search for the learning rate met."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ...training import LearningRates
from .style import BLUE, VERMILLION, Drawn, grid, place_for, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import FigureBase


def plot_learning_rates(found: LearningRates, *, ax: Axes | None = None, figure: FigureBase | None = None) -> Drawn:
    """Plot the loss over the learning rate, with the rate at which it falls fastest.

    Parameters
    ----------
    found : LearningRates
        What `training.find_learning_rate` returned.
    ax : Axes, optional
    figure : Figure or SubFigure, optional

    Examples
    --------
    >>> from autograd_nn import plots
    >>> import numpy as np
    >>> from autograd_nn.training import LearningRates
    >>> found = LearningRates(np.array([1e-3, 1e-2, 1e-1]), np.array([2.0, 1.0, 3.0]), 1e-2)
    >>> picture = plots.plot_learning_rates(found)
    """
    if not isinstance(found, LearningRates):
        raise TypeError("plot_learning_rates(): needs what find_learning_rate() returned, got "
                        f"{type(found).__name__}")
    if not len(found.rates):
        raise ValueError("plot_learning_rates(): no step had a finite loss")
    with styled("plot_learning_rates", ax, figure):
        place = place_for(ax or figure, 4.8, 3.2)
        (panel,) = grid(place, 1)
        panel.plot(found.rates, found.losses, color=BLUE, linewidth=1.5)
        if math.isfinite(found.suggestion):
            loss = float(found.losses[list(found.rates).index(found.suggestion)])
            panel.plot([found.suggestion], [loss], "o", color=VERMILLION, markersize=6,
                       label=f"falls fastest at {found.suggestion:.2g}")
            panel.legend()
        panel.set_xscale("log")
        panel.set_xlabel("learning rate")
        panel.set_ylabel("loss, smoothed")
        panel.grid(True)
        return place
