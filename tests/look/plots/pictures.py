"""What a picture holds: panels by title, pixels, and texts that reach out of it."""

import io

import numpy as np
import pytest

from autograd_nn.look import plots

matplotlib = pytest.importorskip("matplotlib")


def images(n=5, seed=0):
    return np.random.default_rng(seed).random((n, 1, 20, 20), np.float32)


def panels(figure):
    """Return the axes of a figure that have a title, with the title."""
    return {ax.get_title(): ax for ax in figure.get_axes() if ax.get_title()}


def pixels(ax):
    return np.ma.filled(ax.get_images()[0].get_array().astype(float), np.nan)


def text_outside(figure):
    """Return the texts that reach out of the picture."""
    figure = figure.figure if not isinstance(figure, plots.Picture) else figure
    figure.savefig(io.BytesIO(), format="png", dpi=figure.dpi)
    frame = figure.bbox
    outside = []
    for text in figure.findobj(matplotlib.text.Text):
        if text.get_visible() and text.get_text().strip():
            box = text.get_window_extent()
            if box.x0 < frame.x0 - 1 or box.y0 < frame.y0 - 1 or box.x1 > frame.x1 + 1 or box.y1 > frame.y1 + 1:
                outside.append(text.get_text())
    # tick labels beyond the limits of their axes are never drawn
    hidden = {label.get_text() for ax in figure.get_axes() for axis, (low, high) in
              ((ax.xaxis, sorted(ax.get_xlim())), (ax.yaxis, sorted(ax.get_ylim())))
              for tick in axis.get_major_ticks() if not low <= tick.get_loc() <= high
              for label in (tick.label1, tick.label2)}
    return [text for text in outside if text not in hidden]
