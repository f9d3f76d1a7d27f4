"""What may happen at each moment of a run: stopping it, saving it, changing the learning rate."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence, Sized
from typing import Any

from ..saving.checkpoints import save
from .history import History

__all__ = ["Callback", "EarlyStopping", "ModelCheckpoint", "Run", "Schedule", "TerminateOnNaN"]


class Run:
    """The state of a training run, as callbacks see it.

    Attributes
    ----------
    model, optimizer, loader : Module, Optimizer, iterable
    callbacks : list of Callback
    epochs : int
        How many epochs the run aims at.
    epoch, step : int
        The epoch under way, from 1; the steps done in it.
    steps : int or None
        Steps per epoch, where the loader has a length.
    loss : float
        Of the last step.
    history : History
    sums : dict
        Over the epoch under way: of examples ('count'), of the loss and of the metrics.
    stopping : str or None
        Set it to a reason, and the run ends after this step.
    """

    def __init__(self, model: Any, optimizer: Any, loader: Any, epochs: int, history: History, callbacks: list[Any]):
        self.model, self.optimizer, self.loader, self.epochs = model, optimizer, loader, epochs
        self.history, self.callbacks = history, callbacks
        self.steps = len(loader) if isinstance(loader, Sized) else None
        self.epoch = self.step = 0
        self.sums: dict[str, float] = {}
        self.loss = math.nan
        self.stopping: str | None = None


class Callback:
    """Base of callbacks; each method is called at the time that its name says."""

    def on_train_begin(self, run: Run) -> None: ...

    def on_epoch_begin(self, run: Run) -> None: ...

    def on_step_end(self, run: Run) -> None: ...

    def on_epoch_end(self, run: Run) -> None: ...

    def on_train_end(self, run: Run) -> None: ...


class TerminateOnNaN(Callback):
    """Stops the run when the loss is NaN or infinite."""

    def on_step_end(self, run: Run) -> None:
        if not math.isfinite(run.loss):
            run.stopping = f"the loss is {run.loss} at epoch {run.epoch}, step {run.step}; try a smaller learning rate"


class EarlyStopping(Callback):
    """Stops the run when a quantity has not improved for a number of epochs.

    Parameters
    ----------
    monitor : str
        Its name in the history.
    patience : int
        Epochs without improvement that are tolerated.
    largest : bool
        Whether larger is better.
    min_delta : float
        A smaller change is no improvement.
    restore_best : bool
        Whether the model gets back the weights of the best epoch of this run, however the run ends.
    """

    def __init__(self, monitor: str = "validation_loss", patience: int = 3, largest: bool = False,
                 min_delta: float = 0.0, restore_best: bool = False):
        self.monitor, self.patience, self.largest, self.min_delta = monitor, patience, largest, min_delta
        self.restore_best = restore_best
        self._best: dict[str, Any] | None = None

    def on_train_begin(self, run: Run) -> None:
        self._best = None

    def on_epoch_end(self, run: Run) -> None:
        values = run.history[self.monitor]
        best = _last_improvement(values, self.largest, self.min_delta)
        if best == len(values) and self.restore_best:
            self._best = {name: value.detach().clone() for name, value in run.model.state_dict().items()}
        if len(values) - best >= self.patience:
            reached = f" on {values[best - 1]:.4g}" if best else ""
            run.stopping = f"{self.monitor} has not improved{reached} for {self.patience} epochs"

    def on_train_end(self, run: Run) -> None:
        if self._best is not None:
            run.model.load_state_dict(self._best)


def _last_improvement(values: Sequence[float], largest: bool, min_delta: float = 0.0) -> int:
    """Return in which epoch, from 1, a quantity last became better than ever before; 0 where it is NaN throughout."""
    best, epoch = math.inf, 0
    for i, value in enumerate(values, 1):
        value = -value if largest else value
        if value < best - min_delta:
            best, epoch = value, i
    return epoch


class ModelCheckpoint(Callback):
    """Saves the weights of the model after each epoch, or after those that were the best so far.

    ``model.load_state_dict(load(path))`` brings them back. To continue a run that was killed, see `resume.Checkpoint`,
    which saves optimizer, loader and random numbers as well.

    Parameters
    ----------
    path : path
        A safetensors file, replaced as a whole and never half written.
    monitor : str, optional
        A quantity of the history: save only where it is better than in all epochs before.
    largest : bool
        Whether larger is better.
    keep : int
        How many to keep: the last one saved at the path itself, those before it beside it as ``path.1``, ...
    """

    def __init__(self, path: str | os.PathLike[str], monitor: str | None = None, largest: bool = False, keep: int = 1):
        if keep < 1:
            raise ValueError(f"ModelCheckpoint(): keep must be at least 1 (keep={keep})")
        self.path, self.monitor, self.largest, self.keep = path, monitor, largest, keep

    def on_epoch_end(self, run: Run) -> None:
        values = run.history[self.monitor] if self.monitor else []
        if self.monitor is None or _last_improvement(values, self.largest) == len(values):
            save(run.model.state_dict(), self.path, keep=self.keep)


class Schedule(Callback):
    """Steps a learning-rate scheduler after each epoch, or after each step.

    Parameters
    ----------
    scheduler : LRScheduler
    every : {'epoch', 'step'}
    monitor : str, optional
        The quantity that is handed to ``scheduler.step`` (ReduceLROnPlateau).
    """

    def __init__(self, scheduler: Any, every: str = "epoch", monitor: str | None = None):
        if every not in ("epoch", "step"):
            raise ValueError(f"Schedule(): every must be 'epoch' or 'step' (every={every!r})")
        self.scheduler, self.every, self.monitor = scheduler, every, monitor

    def on_step_end(self, run: Run) -> None:
        if self.every == "step":
            self.scheduler.step()

    def on_epoch_end(self, run: Run) -> None:
        if self.every == "epoch":
            self.scheduler.step(*([run.history[self.monitor][-1]] if self.monitor else []))

    def state_dict(self) -> dict[str, Any]:
        """Return the state of the scheduler."""
        state: dict[str, Any] = self.scheduler.state_dict()
        return state

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from what `state_dict` returned."""
        self.scheduler.load_state_dict(state)
