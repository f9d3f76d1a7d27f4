"""A training run in one picture."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from numpy.typing import ArrayLike

from ...nn import Module
from ...tensor import Tensor
from ...training import History
from .confusion import plot_confusion
from .curves import plot_quantity, series_of
from .style import Picture, grid, split, styled
from .weights import draw_histograms, pictured_layers, plot_layer, weights_of


def save_report(path: str | os.PathLike[str], model: Module,
                history: History | Mapping[str, Sequence[float]] | None = None,
                matrix: Tensor | ArrayLike | None = None, classes: Sequence[Any] | None = None) -> None:
    """Write one picture of a training run: the curves, the first layer's weights, the confusion matrix.

    Parameters
    ----------
    path : path
        Its suffix says how: ``.png``, ``.pdf``, ``.svg``.
    model : Module
    history : History or mapping, optional
        See `plot_history`; left out where it has no epochs.
    matrix : array, optional
        See `plot_confusion`.
    classes : sequence, optional
        Names of the classes.

    Examples
    --------
    >>> from autograd_nn import plots
    >>> from autograd_nn import nn
    >>> model = nn.Linear(16, 3)
    >>> plots.save_report("run.png", model, {"loss": [1.0, 0.5]})
    >>> import pathlib
    >>> pathlib.Path("run.png").read_bytes()[1:4]
    b'PNG'
    """
    with styled("save_report"):
        series = series_of(history) if history is not None else {}
        curves = [name for name in ("loss", "accuracy") if series.get(name)] if any(series.values()) else []
        widths = [3.8] * bool(curves) + [4.6] + [5.4] * (matrix is not None)
        figure = Picture(figsize=(sum(widths), 5.0), layout="constrained")
        parts = split(figure, 1, len(widths), widths=widths)
        if curves:
            for name, ax in zip(curves, grid(parts[0], len(curves))):
                plot_quantity(ax, name, series)
        middle = parts[1 if curves else 0]
        pictured = pictured_layers(model)
        if pictured:
            plot_layer(*pictured[0], grid(middle, 1)[0])
        elif weights_of(model):
            draw_histograms(middle, weights_of(model))
        if matrix is not None:
            plot_confusion(matrix, classes, ax=grid(parts[-1], 1)[0])
        figure.savefig(path)
