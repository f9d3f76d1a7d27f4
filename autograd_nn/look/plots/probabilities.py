"""How good scores and probabilities are: ROC curves and calibration."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from ...tensor import Tensor
from ...typing import Array
from .images import array_of
from .style import BLUE, ORANGE, PURPLE, VERMILLION, Drawn, grid, ink, place_for, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOURS = (BLUE, VERMILLION, "#009e73", ORANGE, PURPLE, "#56b4e9", "#8a6d00", "#808080")  # Okabe and Ito
LINES = ("-", "--", "-.", ":")


def plot_roc(scores: Tensor | ArrayLike, target: Tensor | ArrayLike, classes: Sequence[Any] | None = None, *,
             ax: Axes | None = None) -> Drawn:
    """Plot the share of positives that are found over the share of negatives that are taken for them.

    Parameters
    ----------
    scores : array of shape (N,), (N, 1) or (N, C)
        Larger means more likely positive; logits do as well as probabilities. Of C classes each has its own curve,
        against all others.
    target : integer array of shape (N,)
        0 or 1, or the class.
    classes : sequence, optional
        Names of the classes.
    ax : Axes, optional

    Examples
    --------
    >>> from autograd_nn import plots
    >>> import autograd_nn as ag
    >>> picture = plots.plot_roc(ag.tensor([-1.0, 0.5, 0.2, 2.0]), ag.tensor([0, 0, 1, 1]))
    >>> picture.get_axes()[0].get_legend().get_texts()[0].get_text()
    'area 0.750'
    """
    columns = _columns("plot_roc", scores, target)
    names = _names("plot_roc", columns, classes)
    with styled("plot_roc", ax):
        place = place_for(ax, 4.4, 4.2)
        (panel,) = grid(place, 1)
        panel.plot([0, 1], [0, 1], color=ink(), linewidth=0.8, linestyle=":")
        for i, ((values, positive), name) in enumerate(zip(columns, names)):
            if positive.all() or not positive.any():
                continue
            x, y = roc_curve(values, positive)
            area = float(((x[1:] - x[:-1]) * (y[1:] + y[:-1])).sum() / 2)
            panel.plot(x, y, color=COLOURS[i % len(COLOURS)], linestyle=LINES[i // len(COLOURS) % len(LINES)],
                       linewidth=1.5, label=f"{name}{': ' if name else ''}area {area:.3f}")
        panel.set_xlabel("share of negatives taken for positive")
        panel.set_ylabel("share of positives found")
        panel.set_aspect("equal")
        panel.set_xlim(-0.01, 1.01)
        panel.set_ylim(-0.01, 1.01)
        panel.grid(True)
        panel.legend(loc="lower right")
        return place


def roc_curve(scores: Array, positive: Array) -> tuple[Array, Array]:
    """Return the shares of negatives and positives above each threshold, from the highest on."""
    order = np.argsort(-scores, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(scores[order])), len(order) - 1)  # equal scores are taken together
    found, taken = np.cumsum(positive[order])[ends], np.cumsum(~positive[order])[ends]
    return np.append(0, taken / max(taken[-1], 1)), np.append(0, found / max(found[-1], 1))


def plot_calibration(probabilities: Tensor | ArrayLike, target: Tensor | ArrayLike,
                     classes: Sequence[Any] | None = None, *, bins: int = 10, ax: Axes | None = None) -> Drawn:
    """Plot how often what was given a probability is so: on the diagonal probabilities are frequencies.

    Parameters
    ----------
    probabilities : array of shape (N,), (N, 1) or (N, C)
        From 0 to 1.
    target : integer array of shape (N,)
        0 or 1, or the class.
    classes : sequence, optional
        Names of the classes.
    bins : int
        The probabilities are taken together in so many equal parts of the range.
    ax : Axes, optional

    Examples
    --------
    >>> from autograd_nn import plots
    >>> import autograd_nn as ag
    >>> picture = plots.plot_calibration(ag.tensor([0.2, 0.2, 0.9, 0.9]), ag.tensor([0, 0, 1, 1]))
    >>> picture.get_axes()[0].get_xlabel()
    'mean probability'
    """
    columns = _columns("plot_calibration", probabilities, target)
    names = _names("plot_calibration", columns, classes)
    if any(((values < 0) | (values > 1)).any() for values, _ in columns):
        raise ValueError("plot_calibration(): probabilities must be from 0 to 1; use softmax() or sigmoid() first")
    if bins < 1:
        raise ValueError(f"plot_calibration(): bins must be at least 1 (bins={bins})")
    with styled("plot_calibration", ax):
        place = place_for(ax, 4.4, 4.2)
        (panel,) = grid(place, 1)
        panel.plot([0, 1], [0, 1], color=ink(), linewidth=0.8, linestyle=":")
        for i, ((values, positive), name) in enumerate(zip(columns, names)):
            mean, share, count = calibration(values, positive, bins)
            error = float((count * abs(mean - share)).sum() / count.sum())
            panel.plot(mean, share, color=COLOURS[i % len(COLOURS)], marker="o", markersize=4, linewidth=1.5,
                       linestyle=LINES[i // len(COLOURS) % len(LINES)],
                       label=f"{name}{': ' if name else ''}mean distance {error:.3f}")
        panel.set_xlabel("mean probability")
        panel.set_ylabel("share that is so")
        panel.set_aspect("equal")
        panel.set_xlim(-0.01, 1.01)
        panel.set_ylim(-0.01, 1.01)
        panel.grid(True)
        panel.legend(loc="upper left")
        return place


def calibration(probabilities: Array, positive: Array, bins: int) -> tuple[Array, Array, Array]:
    """Return mean probability, share of positives and count of each part of the range that is not empty."""
    part = np.minimum((probabilities * bins).astype(int), bins - 1)
    count = np.bincount(part, minlength=bins)
    kept = count > 0
    sums = [np.bincount(part, weights=values, minlength=bins) for values in (probabilities, positive)]
    return sums[0][kept] / count[kept], sums[1][kept] / count[kept], count[kept]


def _columns(function: str, scores: Any, target: Any) -> list[tuple[Array, Array]]:
    """Return the scores of each class, and which examples are of it."""
    values, classes = array_of(scores).astype(np.float64), array_of(target)
    values = values[:, 0] if values.ndim == 2 and values.shape[1] == 1 else values
    classes = classes.reshape(-1) if classes.ndim == 2 and classes.shape[1] == 1 else classes
    if values.ndim not in (1, 2) or classes.shape != values.shape[:1] or not len(classes):
        raise ValueError(f"{function}(): expects scores of shape (N,) or (N, C) and a target of shape (N,) "
                         f"(shapes {values.shape} and {classes.shape})")
    if not np.isfinite(values).all():
        raise ValueError(f"{function}(): {np.count_nonzero(~np.isfinite(values)):,} scores are not finite")
    count = 2 if values.ndim == 1 else values.shape[1]
    if classes.dtype.kind not in "iub" and not np.array_equal(classes, np.rint(classes)):
        raise ValueError(f"{function}(): the target must hold classes (dtype={classes.dtype})")
    if classes.min() < 0 or classes.max() >= count:
        raise ValueError(f"{function}(): the target must be from 0 to {count - 1} (from {classes.min()} to "
                         f"{classes.max()})")
    if values.ndim == 1:
        return [(values, classes == 1)]
    if count == 2:
        return [(values[:, 1] - values[:, 0] if function == "plot_roc" else values[:, 1], classes == 1)]
    return [(values[:, c], classes == c) for c in range(count)]


def _names(function: str, columns: list[Any], classes: Sequence[Any] | None) -> list[str]:
    if classes is None:
        return [""] if len(columns) == 1 else [str(c) for c in range(len(columns))]
    names = [str(name) for name in classes]
    if len(columns) == 1 and len(names) == 2:
        return names[1:]
    if len(names) != len(columns):
        raise ValueError(f"{function}(): {len(columns)} classes need as many names (classes={names})")
    return names
