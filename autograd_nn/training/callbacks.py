"""What may happen at each moment of a run: stopping it, saving it, changing the learning rate, averaging weights."""

from __future__ import annotations

import difflib
import math
import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..engine import mark_changed
from ..saving.checkpoints import save
from ..tensor import Tensor
from .batches import described, leaves, length_of
from .history import History, canonical
from .measures import Measures

__all__ = ["EMA", "Callback", "EarlyStopping", "ModelCheckpoint", "Run", "Schedule", "TerminateOnNaN"]


class Run:
    """The state of a training run, as callbacks see it.

    Attributes
    ----------
    model, optimizer, loader : Module, Optimizer, iterable
    validation : iterable or None
    callbacks : list of Callback
    epochs : int
        How many epochs the run aims at.
    epoch, step : int
        The epoch under way, from 1; the steps done in it. ``history.steps`` counts those of all epochs.
    steps : int or None
        Steps per epoch, where the loader has a length.
    loss : float
        Of the last step.
    inputs, target : tuple, object
        Of the last batch.
    history : History
    measures : Measures
        The loss and the metrics of the epoch under way.
    measured : dict
        What the last validation gave.
    stopping : str or None
        Set it to a reason, and the run ends after this step; set in `Callback.on_gradients`, the optimizer does not
        make this step.
    shards : int or None
        Into how many parts each batch is divided, if it is.
    interrupting : bool
        Whether the run ends after this step, as one of several ranks was interrupted.
    quiet : bool
        Whether nothing is printed of why the run ended.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn import nn
    >>> from autograd_nn import optim
    >>> from autograd_nn.training import Callback, fit
    >>> class Last(Callback):
    ...     def on_epoch_end(self, run):
    ...         print(run.epoch, "of", run.epochs, run.step, run.steps)
    >>> model = nn.Linear(2, 1)
    >>> x, y = ag.ones(64, 2), ag.zeros(64, 1)
    >>> history = fit(model, (x, y), optim.SGD(model.parameters(), lr=0.1), "mse_loss", 2, callbacks=[Last()])
    1 of 2 2 2
    2 of 2 2 2
    """

    def __init__(self, model: Any, optimizer: Any, loader: Any, epochs: int, history: History, callbacks: list[Any],
                 measures: Any = None, *, accumulate: int = 1, validation: Any = None):
        self.model, self.optimizer, self.loader, self.epochs = model, optimizer, loader, epochs
        self.history, self.callbacks, self.validation = history, callbacks, validation
        length = length_of(loader)
        self.steps = None if length is None else -(-length // accumulate)
        self.epoch = self.step = 0
        self.measures = Measures({}) if measures is None else measures
        self.loss = math.nan
        self.inputs: tuple[Any, ...] = ()
        self.target: Any = None
        self.measured: dict[str, Any] = {}
        self.validated = -1
        self.stopping: str | None = None
        self.quiet = self.interrupting = False
        self.shards: int | None = None

    @property
    def sums(self) -> dict[str, Any]:
        """What the loss and the metrics have gathered in the epoch under way; empty before its first batch."""
        return self.measures.state_dict()

    @sums.setter
    def sums(self, state: dict[str, Any]) -> None:
        self.measures.load_state_dict(state)

    def parameters(self) -> list[Any]:
        """Return the parameters that the optimizer changes."""
        return [p for group in self.optimizer.param_groups for p in group["params"]]

    def weights(self) -> dict[str, Any]:
        """Return copies of the weights that are validated: the model's state, with moving averages where there are."""
        state = {name: value.detach().clone() for name, value in self.model.state_dict().items()}
        for callback in self.callbacks:
            if isinstance(callback, EMA):
                state |= {name: Tensor(average.copy()) for name, average in callback.averages.items()}
        return state

    def quantities(self) -> list[str]:
        """Return the names that the history of this run has, as far as they are known before its first epoch."""
        own = ["loss", *self.measures.metrics]
        held_out = [] if self.validation is None else [f"validation_{name}" for name in own]
        rate = ["lr"] if any(isinstance(callback, Schedule) for callback in self.callbacks) else []
        written = [name for callback in self.callbacks for name in getattr(callback, "writes", ())]
        return list(dict.fromkeys([*self.history.names, *own, *held_out, "seconds", *rate, *written]))


class Callback:
    """Base of callbacks; each method is called at the time that its name says.

    `on_gradients` comes between the backward pass and the optimizer's step, `on_update` after the optimizer's step,
    `on_step_end` when everything of a step is done. A callback that writes quantities into the history may name them in
    an attribute `writes`. Of several ranks each calls the callbacks, but for those whose attribute `everywhere` is
    False: rank 0 alone calls those. What changes the run must be done by all, in the same way.

    Examples
    --------
    >>> import numpy as np
    >>> from autograd_nn import nn
    >>> from autograd_nn import optim
    >>> from autograd_nn.training import Callback, fit
    >>> class Shout(Callback):
    ...     def on_epoch_end(self, run):
    ...         print("epoch", len(run.history))
    >>> x = np.linspace(-1, 1, 64, dtype=np.float32)[:, None]
    >>> model = nn.Linear(1, 1)
    >>> _ = fit(model, (x, 2 * x), optim.SGD(model.parameters(), lr=0.3), "mse", 2, callbacks=[Shout()])
    epoch 1
    epoch 2
    """

    everywhere = True

    def on_train_begin(self, run: Run) -> None: ...

    def on_epoch_begin(self, run: Run) -> None: ...

    def on_gradients(self, run: Run) -> None: ...

    def on_update(self, run: Run) -> None: ...

    def on_validation_begin(self, run: Run) -> None: ...

    def on_validation_end(self, run: Run) -> None: ...

    def on_step_end(self, run: Run) -> None: ...

    def on_epoch_end(self, run: Run) -> None: ...

    def on_train_end(self, run: Run) -> None: ...


def check_monitor(run: Run, name: str, callback: str) -> None:
    """Raise KeyError before the first epoch for a quantity that the history will not have.

    Callbacks of users may write quantities of their own; then it is seen after the first epoch.
    """
    package = __name__.partition(".")[0] + "."
    if any(not type(each).__module__.startswith(package) for each in run.callbacks):
        return
    known = run.quantities()
    if canonical(name) not in known:
        close = difflib.get_close_matches(canonical(name), known, 1)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        raise KeyError(f"{callback}(): the history will have no {name!r}; it will have {', '.join(known)}{hint}")


# ------------------------------------------------------------------------------------ stopping


class TerminateOnNaN(Callback):
    """Stops the run when the loss is NaN or infinite, before the optimizer spoils the weights with it.

    Examples
    --------
    >>> import numpy as np
    >>> from autograd_nn import nn
    >>> from autograd_nn import optim
    >>> from autograd_nn.training import TerminateOnNaN, fit
    >>> x = np.linspace(-1, 1, 64, dtype=np.float32)[:, None]
    >>> model = nn.Linear(1, 1)
    >>> len(fit(model, (x, 2 * x), optim.SGD(model.parameters(), lr=0.3), "mse", 2, callbacks=[TerminateOnNaN()]))
    2
    """

    def on_gradients(self, run: Run) -> None:
        if not math.isfinite(run.loss):
            run.stopping = f"the loss is {run.loss} at epoch {run.epoch}, step {run.step + 1}{_cause(run)}"


def _cause(run: Run) -> str:
    """Return where a loss that is not finite may come from: the data, the weights, or steps that were too large."""
    several = len(run.inputs) > 1
    data = [(f"input {i}" if several else "the input", part) for i, part in enumerate(run.inputs, 1)]
    for name, nest in [*data, ("the target", run.target)]:
        for value in leaves(nest):
            found = _not_finite(value.array if isinstance(value, Tensor) else value)
            if found:
                return f": {name} has {found}"
    if hasattr(run.model, "named_parameters"):
        for name, parameter in run.model.named_parameters():
            found = _not_finite(parameter.array)
            if found:
                return f": parameter {name} has {found}" + (
                    "" if run.history.steps == 0 else "; try a smaller learning rate")
    if run.history.steps == 0:
        return (": no step was made yet, and data and weights are finite; look at logarithms, roots and divisions in "
                "the model and the loss (autograd.detect_anomaly names the operation)")
    return "; try a smaller learning rate"


def _not_finite(array: Any) -> str:
    """Return how many NaN and infinite elements an array has and where the first one is; '' for none."""
    if not isinstance(array, np.ndarray) or array.dtype.kind != "f":
        return ""
    finite = np.isfinite(array)
    if finite.all():
        return ""
    nan, infinite = int(np.isnan(array).sum()), int(np.isinf(array).sum())
    first = tuple(int(i) for i in np.argwhere(~finite)[0])
    counts = " and ".join([*([f"{nan} NaN"] if nan else []), *([f"{infinite} infinite"] if infinite else [])])
    return f"{counts}, first at {first}"


class EarlyStopping(Callback):
    """Stops the run when a quantity has not improved for a number of epochs.

    Parameters
    ----------
    monitor : str
        Its name in the history.
    patience : int
        After so many epochs without improvement in a row the run stops; 0 is as 1: the first one stops it.
    largest : bool
        Whether larger is better.
    min_delta : float
        A smaller change is no improvement.
    restore_best : bool
        Whether the model gets back the weights of the best epoch of this run, however the run ends.

    Examples
    --------
    >>> import numpy as np
    >>> from autograd_nn import nn
    >>> from autograd_nn import optim
    >>> from autograd_nn.training import EarlyStopping, fit
    >>> x = np.linspace(-1, 1, 64, dtype=np.float32)[:, None]
    >>> model = nn.Linear(1, 1)
    >>> stop = EarlyStopping(patience=2)
    >>> optimizer = optim.SGD(model.parameters(), lr=0.5)
    >>> history = fit(model, (x, 2 * x), optimizer, "mse", 200, validation=(x, 2 * x), callbacks=[stop])
    >>> len(history) < 200
    True
    """

    def __init__(self, monitor: str = "validation_loss", patience: int = 3, largest: bool = False,
                 min_delta: float = 0.0, restore_best: bool = False):
        if isinstance(patience, bool) or not isinstance(patience, int | np.integer):
            raise TypeError(f"EarlyStopping(): patience must be a whole number (patience={patience!r})")
        if patience < 0 or not min_delta >= 0:
            raise ValueError("EarlyStopping(): patience and min_delta must be at least 0 "
                             f"(patience={patience}, min_delta={min_delta})")
        self.monitor, self.patience, self.largest, self.min_delta = monitor, int(patience), largest, min_delta
        self.restore_best = restore_best
        self._best: dict[str, Any] | None = None
        self._resumed = False

    @property
    def has_state(self) -> bool:
        """Whether there is something to save with a run: the best weights."""
        return self.restore_best

    def state_dict(self) -> dict[str, Any]:
        """Return the best weights so far."""
        return {"best": self._best}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take up what `state_dict` returned."""
        self._best, self._resumed = state["best"], True

    def on_train_begin(self, run: Run) -> None:
        if not self._resumed:
            self._best = None
        self._resumed = False
        check_monitor(run, self.monitor, "EarlyStopping")

    def on_epoch_end(self, run: Run) -> None:
        values = run.history[self.monitor]
        best = _last_improvement(values, self.largest, self.min_delta)
        if best == len(values) and self.restore_best:
            self._best = run.weights()
        waited = len(values) - best
        if waited and waited >= self.patience:
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

    Examples
    --------
    >>> from autograd_nn.training import ModelCheckpoint
    >>> callbacks = [ModelCheckpoint("best.safetensors", monitor="validation_loss")]
    """

    everywhere = False

    def __init__(self, path: str | os.PathLike[str], monitor: str | None = None, largest: bool = False, keep: int = 1):
        if keep < 1:
            raise ValueError(f"ModelCheckpoint(): keep must be at least 1 (keep={keep})")
        self.path, self.monitor, self.largest, self.keep = path, monitor, largest, keep

    def on_train_begin(self, run: Run) -> None:
        if self.monitor is not None:
            check_monitor(run, self.monitor, "ModelCheckpoint")

    def on_epoch_end(self, run: Run) -> None:
        values = run.history[self.monitor] if self.monitor else []
        if self.monitor is None or _last_improvement(values, self.largest) == len(values):
            save(run.weights(), self.path, keep=self.keep)


# ------------------------------------------------------------------------------------ learning rates and weights


class Schedule(Callback):
    """Steps a learning-rate scheduler after each epoch, or after each step.

    The history has, as 'lr', the rate with which the last step of each epoch was made.

    Parameters
    ----------
    scheduler : LRScheduler
    every : {'epoch', 'step'}, optional
        By default 'step' for OneCycleLR and CyclicLR, which are made for it, and 'epoch' for all others.
    monitor : str, optional
        The quantity that is handed to ``scheduler.step``. By default that of ReduceLROnPlateau is 'validation_loss', or
        'loss' without validation data.

    Examples
    --------
    >>> import numpy as np
    >>> from autograd_nn import nn
    >>> from autograd_nn import optim
    >>> from autograd_nn.training import Schedule, fit
    >>> x = np.linspace(-1, 1, 64, dtype=np.float32)[:, None]
    >>> model = nn.Linear(1, 1)
    >>> optimizer = optim.SGD(model.parameters(), lr=0.4)
    >>> halve = Schedule(optim.lr_scheduler.ExponentialLR(optimizer, 0.5))
    >>> _ = fit(model, (x, 2 * x), optimizer, "mse", 2, callbacks=[halve])
    >>> optimizer.param_groups[0]["lr"]
    0.1
    """

    def __init__(self, scheduler: Any, every: str | None = None, monitor: str | None = None):
        if every not in (None, "epoch", "step"):
            raise ValueError(f"Schedule(): every must be 'epoch' or 'step' (every={every!r})")
        if isinstance(scheduler, type) or not hasattr(scheduler, "step"):
            raise TypeError("Schedule(): scheduler must be an LRScheduler, made with the optimizer of the run, got "
                            f"{described(scheduler)}")
        kind = type(scheduler).__name__
        self.scheduler, self.monitor = scheduler, monitor
        self.every = every or ("step" if kind in ("OneCycleLR", "CyclicLR") else "epoch")
        self.watches = monitor is not None or kind == "ReduceLROnPlateau"
        self._rate = math.nan

    def on_train_begin(self, run: Run) -> None:
        if self.monitor is not None:
            check_monitor(run, self.monitor, "Schedule")

    def on_update(self, run: Run) -> None:
        self._rate = float(run.optimizer.param_groups[0]["lr"])
        if self.every == "step":
            self.scheduler.step()

    def on_epoch_end(self, run: Run) -> None:
        latest = run.history.epochs[-1]
        latest["lr"] = self._rate
        if self.every == "epoch":
            monitor = self.monitor or ("validation_loss" if "validation_loss" in latest else "loss")
            self.scheduler.step(*([run.history[monitor][-1]] if self.watches else []))

    def state_dict(self) -> dict[str, Any]:
        """Return the state of the scheduler, and the rate of the last step."""
        return {"scheduler": self.scheduler.state_dict(), "rate": self._rate}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from what `state_dict` returned."""
        self.scheduler.load_state_dict(state["scheduler"])
        self._rate = state["rate"]


class EMA(Callback):
    """Keeps an exponential moving average of the weights, validates it, and gives it to the model in the end.

    After step t the average is ``decay_t * average + (1 - decay_t) * weight`` with ``decay_t = min(decay, (1 + t) /
    (10 + t))``, so that the first weights are soon forgotten. Buffers (running statistics) are the model's own.

    Parameters
    ----------
    decay : float
        Between 0 and 1; 0.999 averages over about the last thousand steps.
    apply : bool
        Whether the model gets the averages when the run ends; the weights that the optimizer reached are then in `raw`.

    Attributes
    ----------
    averages : dict of str to ndarray

    Examples
    --------
    >>> import numpy as np
    >>> from autograd_nn import nn
    >>> from autograd_nn import optim
    >>> from autograd_nn.training import EMA, fit
    >>> x = np.linspace(-1, 1, 64, dtype=np.float32)[:, None]
    >>> model = nn.Linear(1, 1)
    >>> history = fit(model, (x, 2 * x), optim.SGD(model.parameters(), lr=0.3), "mse", 3, callbacks=[EMA(0.9)])
    >>> len(history)
    3
    """

    def __init__(self, decay: float = 0.999, apply: bool = True):
        if isinstance(decay, bool) or not isinstance(decay, int | float | np.floating) or not 0 <= decay < 1:
            raise ValueError(f"EMA(): decay must be a number of [0, 1) (decay={decay!r})")
        self.decay, self.apply, self.count = float(decay), apply, 0
        self.averages: dict[str, np.ndarray] = {}
        self.raw: dict[str, np.ndarray] = {}
        self._resumed = False

    def on_train_begin(self, run: Run) -> None:
        if not self._resumed:
            self.count = 0
            self.averages = {name: p.array.copy() for name, p in _floating(run.model)}
        self._resumed = False

    def on_update(self, run: Run) -> None:
        self.count += 1
        share = 1 - min(self.decay, (1 + self.count) / (10 + self.count))
        for name, parameter in _floating(run.model):
            average = self.averages[name]
            change = parameter.array - average
            change *= change.dtype.type(share)
            average += change

    def on_validation_begin(self, run: Run) -> None:
        self._put(run.model)

    def on_validation_end(self, run: Run) -> None:
        for name, parameter in _floating(run.model):
            np.copyto(parameter.array, self.raw[name])
            mark_changed(parameter.array)

    def on_train_end(self, run: Run) -> None:
        if self.apply and self.averages:
            self._put(run.model)

    def _put(self, model: Any) -> None:
        """Write the averages into the model, and keep what was there."""
        self.raw = {name: parameter.array.copy() for name, parameter in _floating(model)}
        for name, parameter in _floating(model):
            np.copyto(parameter.array, self.averages[name])
            mark_changed(parameter.array)

    def state_dict(self) -> dict[str, Any]:
        """Return the averages and how many steps they have seen."""
        return {"count": self.count, "averages": self.averages}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take up what `state_dict` returned."""
        self.count, self._resumed = state["count"], True
        self.averages = {name: np.array(average) for name, average in state["averages"].items()}


def _floating(model: Any) -> list[tuple[str, Any]]:
    return [(name, p) for name, p in model.named_parameters() if p.array.dtype.kind == "f"]
