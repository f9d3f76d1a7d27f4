"""The confusion matrix as a picture."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from ...tensor import Tensor
from .images import array_of, colour_bar
from .style import INK, Drawn, grid, place_for, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def plot_confusion(matrix: Tensor | ArrayLike, classes: Sequence[Any] | None = None, *,
                   ax: Axes | None = None) -> Drawn:
    """Draw a confusion matrix: shades for the share of each true class, numbers for the counts.

    Parameters
    ----------
    matrix : array (C, C)
        Rows are the true classes, columns the predicted ones (`metrics.confusion_matrix`).
    classes : sequence, optional
        Their names; the indices by default.
    ax : Axes, optional

    Examples
    --------
    >>> from autograd_nn import plots
    >>> picture = plots.plot_confusion([[8, 2], [1, 9]], ["cat", "dog"])
    >>> picture.get_axes()[0].get_title()
    '85.0% right, 3 errors in 20'
    """
    counts = array_of(matrix)
    if counts.ndim != 2 or counts.shape[0] != counts.shape[1] or not counts.size:
        raise ValueError(f"plot_confusion(): the matrix must be square (matrix.shape={counts.shape})")
    n = len(counts)
    names = [str(name) for name in (range(n) if classes is None else classes)]
    if len(names) != n:
        raise ValueError(f"plot_confusion(): the matrix has {n} classes but classes has {len(names)} names "
                         f"(matrix.shape={counts.shape})")
    totals = counts.sum(axis=1, keepdims=True)
    share = np.divide(counts, totals, out=np.zeros(counts.shape), where=totals != 0)
    with styled("plot_confusion", ax):
        size = min(max(3.6, 0.42 * n + 1.4), 9)
        place = place_for(ax, size + 1, size)
        (ax,) = grid(place, 1)
        # the square root of the share: otherwise errors of a percent could not be seen
        shown = ax.imshow(np.sqrt(share), cmap="Blues", vmin=0, vmax=1)
        bar = colour_bar(ax, shown, "share of the true class")
        marks = [0, 0.01, 0.05, 0.2, 0.5, 1]
        bar.set_ticks([math.sqrt(mark) for mark in marks], labels=[f"{mark:.0%}" for mark in marks])
        if n <= 30:
            font = max(4.0, min(9.0, 100 / n))
            for i in range(n):
                for j in range(n):
                    if counts[i, j]:
                        ax.text(j, i, f"{counts[i, j]:,}", ha="center", va="center", fontsize=font,
                                color="white" if share[i, j] >= 0.5 else INK)
        step = -(-n // 30)
        turned: dict[str, Any] = {"rotation": 45, "ha": "right", "rotation_mode": "anchor"}
        ax.set_xticks(range(0, n, step), names[::step], **(turned if max(map(len, names)) > 3 else {}))
        ax.set_yticks(range(0, n, step), names[::step])
        ax.tick_params(length=0)
        for spine in ax.spines.values():
            spine.set_visible(False)
        ax.set_xlabel("predicted class")
        ax.set_ylabel("true class")
        total = int(counts.sum())
        right = int(np.trace(counts))
        accuracy = f"{right / total:.1%} right" if total else "no samples"
        ax.set_title(f"{accuracy}, {total - right:,} errors in {total:,}")
        return place
