"""What a classifier says of images, and which pixels made it say so."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from ...engine import enable_grad, grad
from ...nn import Module
from ...tensor import Tensor
from ...typing import Array
from ..module_trace import preserved
from .images import array_of, as_image, bare, colour_bar
from .style import Drawn, grid, headline, ink, place_for, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import FigureBase

_RIGHT, _WRONG = "#008f69", "#c85a10"  # readable on white and on black


def plot_predictions(model: Module, images: Tensor | ArrayLike, targets: Tensor | ArrayLike, *,
                     classes: Sequence[Any] | None = None, most: int = 20, ax: Axes | None = None,
                     figure: FigureBase | None = None) -> Drawn:
    """Show images with what a classifier says of them, the worst errors first.

    The order is that of the cross-entropy of each image: confident errors come first, then close ones, then what was
    right by a small margin.

    Parameters
    ----------
    model : Module
        Its output (N, C) are logits.
    images : Tensor or array (N, ...)
        As the model takes them; they are shown as (H, W), (1, H, W), (3, H, W), or a square in one dim.
    targets : Tensor or array of int (N,)
    classes : sequence, optional
        Names of the classes.
    most : int
        Images that are shown.
    ax : Axes, optional
    figure : Figure or SubFigure, optional

    Examples
    --------
    >>> from autograd_nn import plots
    >>> import autograd_nn as ag
    >>> from autograd_nn import nn
    >>> model = nn.Sequential(nn.Flatten(), nn.Linear(16, 3))
    >>> picture = plots.plot_predictions(model, ag.rand(6, 1, 4, 4), [0, 1, 2, 0, 1, 2])
    >>> len(picture.get_axes())
    6
    """
    images, targets = array_of(images), array_of(targets).astype(np.int64)
    if len(images) != len(targets) or targets.ndim != 1 or not len(images):
        raise ValueError("plot_predictions(): images and targets must be as many, and some "
                         f"(images.shape={images.shape}, targets.shape={targets.shape})")
    scores = _scores(model, images)
    log_probability = scores - np.logaddexp.reduce(scores, axis=1, keepdims=True)
    order = np.argsort(log_probability[np.arange(len(targets)), targets], kind="stable")[:most]
    said = scores.argmax(axis=1)
    wrong = int((said != targets).sum())
    names = range(scores.shape[1]) if classes is None else classes
    with styled("plot_predictions", ax, figure):
        colours = (ink(), ink()) if ax or figure else (_WRONG, _RIGHT)
        columns = min(len(order), 5)
        place = place_for(ax or figure, max(1.75 * columns, 4), 2.0 * -(-len(order) // columns) + 0.4)
        headline(place, f"{wrong:,} of {len(targets):,} wrong ({wrong / len(targets):.1%}); worst first")
        for panel, i in zip(grid(place, len(order), columns), order):
            panel.imshow(as_image("plot_predictions", images[i]), cmap="gray_r", interpolation="nearest")
            bare(panel)
            right = bool(said[i] == targets[i])
            verdict = f"{names[said[i]]} ({math.exp(log_probability[i, said[i]]):.0%}) {'✓' if right else '✗'}"
            panel.set_title(f"true {names[targets[i]]}\nsaid {verdict}", color=colours[right],
                            fontweight="normal" if right else "bold")
        return place


def saliency(model: Module, x: Tensor | ArrayLike, target: Tensor | ArrayLike | None = None) -> Array:
    """Return how much each element of the input bears on the score of a class: ``abs(d score[target] / d x)``.

    The model runs in evaluation mode and is left as it was; gradients of its parameters are not touched.

    Parameters
    ----------
    model : Module
        Its output (N, C) are scores.
    x : Tensor or array (N, ...)
    target : int or sequence of int (N,), optional
        The classes; by default those with the highest scores.

    Returns
    -------
    ndarray
        Of the shape of `x`.

    References
    ----------
    K. Simonyan, A. Vedaldi, A. Zisserman, "Deep inside convolutional networks: visualising image classification models
    and saliency maps", 2013, arXiv:1312.6034.

    Examples
    --------
    >>> from autograd_nn import plots
    >>> import autograd_nn as ag
    >>> import numpy as np
    >>> from autograd_nn import nn
    >>> model = nn.Linear(3, 2)
    >>> map_of = plots.saliency(model, ag.ones(1, 3), 0)
    >>> np.allclose(map_of[0], model.weight[0].abs().detach())
    True
    """
    leaf = Tensor(array_of(x), requires_grad=True)
    with preserved(model), enable_grad():
        scores = model(leaf)
        if scores.ndim != 2:
            raise ValueError(f"saliency(): the model must return scores (N, C) (output.shape={scores.shape})")
        chosen = scores.array.argmax(axis=1) if target is None else np.broadcast_to(array_of(target), len(scores.array))
        (g,) = grad(scores[np.arange(len(chosen)), chosen].sum(), [leaf])
    magnitudes: Array = np.abs(g.array)
    return magnitudes


def plot_saliency(model: Module, x: Tensor | ArrayLike, target: Tensor | ArrayLike | None = None, *,
                  classes: Sequence[Any] | None = None, most: int = 6, ax: Axes | None = None,
                  figure: FigureBase | None = None) -> Drawn:
    """Show images, and below each which pixels bear on its class (`saliency`).

    Parameters
    ----------
    model, x, target
        See `saliency`.
    classes : sequence, optional
        Names of the classes.
    most : int
        Images that are shown.
    ax : Axes, optional
    figure : Figure or SubFigure, optional

    Examples
    --------
    >>> from autograd_nn import plots
    >>> import autograd_nn as ag
    >>> from autograd_nn import nn
    >>> model = nn.Sequential(nn.Flatten(), nn.Linear(16, 3))
    >>> picture = plots.plot_saliency(model, ag.rand(2, 1, 4, 4), [0, 2])
    >>> [ax.get_title() for ax in picture.get_axes()[:2]]
    ['class 0', 'class 2']
    """
    images = array_of(x)[:most]
    if target is None:
        target = _scores(model, images).argmax(axis=1)
    targets = np.broadcast_to(array_of(target)[:most] if np.ndim(array_of(target)) else array_of(target), len(images))
    maps = saliency(model, images, targets)
    with styled("plot_saliency", ax, figure):
        n = len(images)
        place = place_for(ax or figure, max(1.7 * n + 0.8, 4), 3.8)
        axes = grid(place, 2 * n, n)
        for i in range(n):
            axes[i].imshow(as_image("plot_saliency", images[i]), cmap="gray_r", interpolation="nearest")
            axes[i].set_title(f"class {targets[i] if classes is None else classes[targets[i]]}")
            strength = maps[i].max(axis=0) if maps[i].ndim == 3 else as_image("plot_saliency", maps[i])
            shown = axes[n + i].imshow(strength / (strength.max() or 1), cmap="cividis", vmin=0, vmax=1,
                                       interpolation="nearest")
            bare(axes[i])
            bare(axes[n + i])
        colour_bar(axes[-1], shown, "|d score / d pixel|,\nrelative to its maximum", 0.08)
        return place


def _scores(model: Module, images: Array, batch_size: int = 500) -> Array:
    """Return what the model says of images, in evaluation mode."""
    with preserved(model):
        parts = [model(Tensor(images[i : i + batch_size])).array for i in range(0, len(images), batch_size)]
    return np.concatenate(parts).astype(np.float64)
