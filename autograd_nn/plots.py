"""Pictures of a training run: curves, filters, confusion matrix (needs matplotlib, the extra ``plots``)."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from typing import Any

import numpy as np

Figure: Any
try:
    from matplotlib.figure import Figure
except ImportError:
    Figure = None

__all__ = ["available", "plot_confusion", "plot_filters", "plot_history", "report"]

TRAINING, VALIDATION = "#0072B2", "#D55E00"  # Okabe and Ito: told apart by colour-blind readers and in print


def available() -> bool:
    """Return whether matplotlib is installed."""
    return Figure is not None


def _figure(width: float, height: float) -> Any:
    if Figure is None:
        raise ImportError("autograd_nn.plots needs matplotlib: pip install 'autograd_nn[plots]'")
    return Figure(figsize=(width, height), layout="constrained", facecolor="white")


def _axes(ax: Any) -> Any:
    return _figure(5, 4).add_subplot() if ax is None else ax


def plot_history(history: Any, name: str = "loss", ax: Any = None) -> Any:
    """Draw one quantity of a history over the epochs, for training and, where measured, for validation.

    Parameters
    ----------
    history : History
    name : str
        For instance ``loss`` or ``accuracy``.
    ax : matplotlib axes, optional
        Drawn into; otherwise a new figure is made.

    Returns
    -------
    matplotlib axes
    """
    ax = _axes(ax)
    curves = ((name, "training", TRAINING, "o"), (f"validation_{name}", "validation", VALIDATION, "s"))
    for quantity, label, color, marker in curves:
        if quantity in history.names:
            values = history[quantity]
            ax.plot(range(1, len(values) + 1), values, color=color, marker=marker, markersize=4, label=label)
    ax.set(xlabel="epoch", ylabel=name, title=f"{name} by epoch")
    ax.xaxis.get_major_locator().set_params(integer=True)
    ax.grid(alpha=0.3)
    ax.legend()
    return ax


def plot_filters(weight: Any, ax: Any = None, columns: int | None = None) -> Any:
    """Draw the filters of a convolution as images, on one scale that is symmetric about 0.

    Parameters
    ----------
    weight : Tensor or ndarray of shape (C_out, C_in, kH, kW)
        Filters are averaged over their input channels.
    ax : matplotlib axes, optional
    columns : int, optional
        Filters in a row of the picture; about as many as there are rows by default.

    Returns
    -------
    matplotlib axes
    """
    ax = _axes(ax)
    filters = np.asarray(getattr(weight, "data", weight))
    if filters.ndim != 4:
        raise ValueError(f"plot_filters(): weight must have 4 dims (weight.shape={filters.shape})")
    count, _, height, width = filters.shape
    columns = columns or math.ceil(math.sqrt(count))
    rows = math.ceil(count / columns)
    sheet = np.full((rows * (height + 1) + 1, columns * (width + 1) + 1), np.nan)
    for i, image in enumerate(filters.mean(axis=1)):
        top, left = (i // columns) * (height + 1) + 1, (i % columns) * (width + 1) + 1
        sheet[top : top + height, left : left + width] = image
    bound = float(np.nanmax(np.abs(sheet)))
    image = ax.imshow(sheet, cmap="PuOr", vmin=-bound, vmax=bound)
    ax.figure.colorbar(image, ax=ax, shrink=0.7, label="weight")
    ax.set(xticks=[], yticks=[], title=f"{count} filters of {height} x {width}")
    for spine in ax.spines.values():
        spine.set_visible(False)
    return ax


def plot_confusion(matrix: Any, classes: Sequence[str] | None = None, ax: Any = None) -> Any:
    """Draw a confusion matrix: rows are the true classes, shade is the share of the row, numbers are counts.

    Parameters
    ----------
    matrix : ndarray of shape (C, C)
        As `metrics.confusion_matrix` returns it.
    classes : sequence of str, optional
    ax : matplotlib axes, optional

    Returns
    -------
    matplotlib axes
    """
    ax = _axes(ax)
    matrix = np.asarray(matrix)
    names = [str(name) for name in (range(len(matrix)) if classes is None else classes)]
    share = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    image = ax.imshow(share, cmap="cividis", vmin=0, vmax=1)
    for i, j in np.ndindex(matrix.shape):
        if matrix[i, j]:
            color = "black" if share[i, j] > 0.5 else "white"
            ax.text(j, i, int(matrix[i, j]), ha="center", va="center", fontsize=7, color=color)
    ax.figure.colorbar(image, ax=ax, shrink=0.7, label="share of the true class")
    ticks = range(len(names))
    ax.set(xticks=ticks, yticks=ticks, xticklabels=names, yticklabels=names)
    ax.set(xlabel="predicted class", ylabel="true class", title=f"{int(matrix.trace())} of {int(matrix.sum())} right")
    return ax


def report(path: str | os.PathLike[str], history: Any, filters: Any, matrix: Any) -> None:
    """Write one picture of a run: loss, accuracy, the filters of the first convolution, the confusion matrix.

    Parameters
    ----------
    path : path
        Its ending says the format (``.png``, ``.svg``, ``.pdf``).
    history : History
    filters : Tensor of shape (C_out, C_in, kH, kW) or None
        None leaves them out.
    matrix : ndarray of shape (C, C)
    """
    figure = _figure(11, 8)
    places = figure.subplots(2, 2)
    plot_history(history, "loss", places[0, 0])
    plot_history(history, "accuracy", places[0, 1])
    if filters is None:
        places[1, 0].axis("off")
    else:
        plot_filters(filters, places[1, 0])
    plot_confusion(matrix, ax=places[1, 1])
    figure.savefig(path, dpi=120)
