"""Points in a plane: what a network says between them, and where it puts them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from ...nn import Module
from ...tensor import Tensor
from ...typing import Array
from ..module_trace import preserved
from .images import array_of
from .probabilities import COLOURS
from .style import Drawn, few_ticks, grid, place_for, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MARKERS = "os^Dv<>pX*"


def plot_decision_boundary(model: Module, x: Tensor | ArrayLike, target: Tensor | ArrayLike,
                           classes: Sequence[Any] | None = None, *, steps: int = 200,
                           ax: Axes | None = None) -> Drawn:  # fmt: skip
    """Draw which class a network gives to each place of a plane, with the points that it learnt from.

    Parameters
    ----------
    model : Module
        From (N, 2) to scores (N, C), or (N,) or (N, 1) for two classes, positive for the second. Run in evaluation
        mode.
    x : array of shape (N, 2)
    target : integer array of shape (N,)
    classes : sequence, optional
        Names of the classes.
    steps : int
        Places along each side.
    ax : Axes, optional

    Examples
    --------
    >>> from autograd_nn import plots
    >>> import autograd_nn as ag
    >>> from autograd_nn import nn
    >>> points = ag.randn(20, 2)
    >>> picture = plots.plot_decision_boundary(nn.Linear(2, 2), points, points[:, 0] > 0)
    >>> picture.get_axes()[0].get_xlabel()
    'first input'
    """
    points, labels = array_of(x), array_of(target).reshape(-1)
    if points.ndim != 2 or points.shape[1] != 2 or len(labels) != len(points) or not len(points):
        raise ValueError(f"plot_decision_boundary(): expects points of shape (N, 2) and as many classes (shapes "
                         f"{points.shape} and {labels.shape})")
    low, high = points.min(0), points.max(0)
    margin = 0.1 * np.where(high > low, high - low, 1)
    axes = [np.linspace(a, b, steps) for a, b in zip(low - margin, high + margin)]
    plane = np.stack(np.meshgrid(*axes), -1).reshape(-1, 2).astype(points.dtype if points.dtype.kind == "f" else
                                                                   np.float32)
    with preserved(model):
        out = model(Tensor(plane)).array
    out = out.reshape(len(plane), -1)
    chosen = (out[:, 0] > 0).astype(int) if out.shape[1] == 1 else out.argmax(1)
    with styled("plot_decision_boundary", ax):
        place = place_for(ax, 4.8, 4.2)
        (panel,) = grid(place, 1)
        count = max(2, out.shape[1], int(labels.max()) + 1)
        regions = chosen.reshape(steps, steps)
        shades = np.array([_rgb(COLOURS[c % len(COLOURS)]) for c in range(count)])
        panel.imshow(shades[regions], origin="lower", aspect="auto", alpha=0.3, interpolation="nearest",
                     extent=(*axes[0][[0, -1]], *axes[1][[0, -1]]))
        _scatter(panel, points, labels, classes)
        panel.set_xlabel("first input")
        panel.set_ylabel("second input")
        return place


def plot_embedding(vectors: Tensor | ArrayLike, labels: Tensor | ArrayLike | None = None,
                   classes: Sequence[Any] | None = None, *, texts: Sequence[str] | None = None,
                   ax: Axes | None = None) -> Drawn:  # fmt: skip
    """Draw vectors as points of the plane in which they differ most (their first two principal components).

    Parameters
    ----------
    vectors : array of shape (N, D)
        D of 2 is drawn as it is.
    labels : integer array of shape (N,), optional
        Told apart by colour and marker.
    classes : sequence, optional
        Names of the labels.
    texts : sequence of str, optional
        Written beside the points.
    ax : Axes, optional

    Examples
    --------
    >>> from autograd_nn import plots
    >>> import autograd_nn as ag
    >>> picture = plots.plot_embedding(ag.eye(4)[:, :3], labels=[0, 0, 1, 1], classes=["cat", "dog"])
    >>> picture.get_axes()[0].get_ylabel()
    'second component (44% of the variance)'
    """
    values = array_of(vectors).astype(np.float64)
    if values.ndim != 2 or values.shape[1] < 2 or not len(values):
        raise ValueError(f"plot_embedding(): expects vectors of shape (N, D) with D of at least 2 (shape="
                         f"{values.shape})")
    if not np.isfinite(values).all():
        raise ValueError(f"plot_embedding(): {np.count_nonzero(~np.isfinite(values)):,} numbers are not finite")
    groups = np.zeros(len(values), int) if labels is None else array_of(labels).reshape(-1)
    if len(groups) != len(values) or (texts is not None and len(texts) != len(values)):
        raise ValueError(f"plot_embedding(): expects one label and one text for each of {len(values)} vectors")
    points, shares = (values, None) if values.shape[1] == 2 else principal_plane(values)
    with styled("plot_embedding", ax):
        place = place_for(ax, 5.4, 4.4)
        (panel,) = grid(place, 1)
        _scatter(panel, points, groups, classes, legend=labels is not None)
        for text, (left, bottom) in zip(texts or (), points):
            panel.annotate(text, (left, bottom), xytext=(4, 3), textcoords="offset points", fontsize=8)
        named = ["first", "second"]
        if shares is not None:
            named = [f"{name} component ({share:.0%} of the variance)" for name, share in zip(named, shares)]
        panel.set_xlabel(named[0])
        panel.set_ylabel(named[1])
        return place


def principal_plane(values: Array) -> tuple[Array, Array]:
    """Return vectors in the plane of their first two principal components, and the shares of the variance there."""
    centred = values - values.mean(0)
    u, s, _ = np.linalg.svd(centred, full_matrices=False)
    u, s = (np.pad(a, [(0, 0)] * (a.ndim - 1) + [(0, max(0, 2 - a.shape[-1]))]) for a in (u, s))
    signs = np.where(u[np.abs(u).argmax(0), np.arange(u.shape[1])] < 0, -1, 1)  # the same picture on any machine
    total = (s**2).sum() or 1.0
    return (u * s * signs)[:, :2], s[:2] ** 2 / total


def _scatter(panel: Axes, points: Array, labels: Array, classes: Sequence[Any] | None, legend: bool = True) -> None:
    found = [int(c) for c in np.unique(labels)]
    for i, c in enumerate(found):
        own = points[labels == c]
        name = str(c) if classes is None else str(classes[c])
        panel.scatter(own[:, 0], own[:, 1], s=18, color=COLOURS[c % len(COLOURS)], marker=MARKERS[c % len(MARKERS)],
                      edgecolors="white", linewidths=0.4, label=name, zorder=2 + i / (len(found) + 1))
    if legend and len(found) <= 20:
        panel.legend(loc="best")
    few_ticks(panel.xaxis, 5)
    few_ticks(panel.yaxis, 5)


def _rgb(colour: str) -> tuple[float, float, float]:
    red, green, blue = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    return red, green, blue
