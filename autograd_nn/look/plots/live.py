"""Curves that grow while a network trains."""

from __future__ import annotations

import time
from collections.abc import Sequence

from ...training import Callback, Run
from ...training.notebook import Display
from .curves import plot_history
from .style import require

__all__ = ["LivePlot"]


class LivePlot(Callback):
    """Draws the curves of a run in a notebook, anew after each epoch, in the same place; elsewhere it does nothing.

    Parameters
    ----------
    quantities : sequence of str, optional
        See `plot_history`.
    seconds : float
        The picture is not drawn more often than this, but always at the end.

    Examples
    --------
    >>> from autograd_nn.training import ProgressBar
    >>> callbacks = [ProgressBar(), LivePlot(["loss"])]
    """

    everywhere = False

    def __init__(self, quantities: Sequence[str] | None = None, seconds: float = 1.0) -> None:
        require("LivePlot")
        self.quantities, self.seconds = quantities, seconds

    def on_train_begin(self, run: Run) -> None:
        self._display, self._drawn, self._due = Display(), 0, 0.0

    def on_epoch_end(self, run: Run) -> None:
        if time.monotonic() >= self._due:
            self._draw(run)

    def on_train_end(self, run: Run) -> None:
        self._draw(run)

    def _draw(self, run: Run) -> None:
        if self._display.available and len(run.history) > self._drawn:
            self._display.show(plot_history(run.history, quantities=self.quantities))
            self._drawn, self._due = len(run.history), time.monotonic() + self.seconds
