"""A small training loop on the public API: fit, evaluate, the history of a run, callbacks.

`fit` is what everybody writes by hand, with progress, metrics and callbacks. A `Run` is what callbacks see of it.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence, Sized
from typing import Any

from tqdm import tqdm

from . import mistakes
from .engine import no_grad
from .tensor import Tensor

__all__ = ["Callback", "EarlyStopping", "History", "ProgressBar", "Run", "Schedule", "StopOnNaN", "evaluate", "fit"]

Metrics = Mapping[str, Callable[[Tensor, Tensor], float]]


class History:
    """What each epoch measured: one dict per epoch in `epochs`, one list per quantity by ``history[name]``."""

    def __init__(self) -> None:
        self.epochs: list[dict[str, float]] = []
        self.interrupted = False

    def __getitem__(self, name: str) -> list[float]:
        if self.epochs and not any(name in epoch for epoch in self.epochs):
            raise KeyError(f"history has no {name!r}; it has {', '.join(self.names)}")
        return [epoch[name] for epoch in self.epochs if name in epoch]

    def __len__(self) -> int:
        return len(self.epochs)

    @property
    def names(self) -> list[str]:
        """The names of the quantities, in the order in which they first came."""
        return list(dict.fromkeys(name for epoch in self.epochs for name in epoch))

    def lines(self) -> list[str]:
        """Return the history as the lines of a table."""
        head = "epoch  " + "  ".join(f"{name:>12}" for name in self.names)
        rows = ["  ".join(f"{epoch.get(name, math.nan):>12.4f}" for name in self.names) for epoch in self.epochs]
        return [head, *(f"{i:>5}  {row}" for i, row in enumerate(rows, 1))]

    def __repr__(self) -> str:
        return "\n".join(self.lines()) if self.epochs else "History(no epochs yet)"

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{name}</th>" for name in ("epoch", *self.names))
        rows = ""
        for i, epoch in enumerate(self.epochs, 1):
            cells = [str(i), *(f"{epoch.get(name, math.nan):.4g}" for name in self.names)]
            rows += "<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"
        return f"<table><tr>{head}</tr>{rows}</table>"


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


class ProgressBar(Callback):
    """A bar of the epoch under way and one line per epoch; only the lines where output is no terminal."""

    def __init__(self, bar: Callable[..., Any] = tqdm, file: Any = None):
        self.bar, self.file = bar, file

    def on_epoch_begin(self, run: Run) -> None:
        out = self.file or sys.stderr
        self.progress = self.bar(total=run.steps, desc=f"epoch {run.epoch}/{run.epochs}", file=out, leave=False,
                                 disable=not getattr(out, "isatty", lambda: False)(), mininterval=0.2)

    def on_step_end(self, run: Run) -> None:
        self.progress.update()
        if not self.progress.disable and run.step % 10 == 0:
            self.progress.set_postfix_str(f"loss {run.loss:.4f}", refresh=False)

    def on_epoch_end(self, run: Run) -> None:
        self.progress.close()
        lines = run.history.lines()
        print(*(lines if len(lines) == 2 else lines[-1:]), sep="\n", file=self.file or sys.stdout, flush=True)

    def on_train_end(self, run: Run) -> None:
        if hasattr(self, "progress"):
            self.progress.close()


class StopOnNaN(Callback):
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
    """

    def __init__(self, monitor: str = "validation_loss", patience: int = 3, largest: bool = False):
        self.monitor, self.patience, self.largest = monitor, patience, largest

    def on_epoch_end(self, run: Run) -> None:
        values = run.history[self.monitor]
        best = max(values) if self.largest else min(values)
        if len(values) - 1 - values.index(best) >= self.patience:
            run.stopping = f"{self.monitor} has not improved on {best:.4f} for {self.patience} epochs"


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
        return self.scheduler.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from what `state_dict` returned."""
        self.scheduler.load_state_dict(state)


def _add(sums: dict[str, float], loss: float, output: Tensor, target: Tensor, metrics: Metrics) -> None:
    """Add a batch to the sums over the examples of an epoch."""
    n = len(target)
    measured = {"count": 1.0, "loss": loss, **{name: float(metric(output, target)) for name, metric in metrics.items()}}
    for name, value in measured.items():
        sums[name] = sums.get(name, 0.0) + n * value


def _means(sums: dict[str, float], metrics: Metrics) -> dict[str, float]:
    return {name: sums[name] / sums["count"] if sums.get("count") else math.nan for name in ("loss", *metrics)}


@no_grad()
def evaluate(
    model: Any, loader: Iterable[Any], loss: Callable[..., Tensor], metrics: Metrics | None = None
) -> dict[str, float]:
    """Return the mean loss and metrics of a model over a loader's batches, in evaluation mode and without recording."""
    training = model.training
    model.eval()
    sums: dict[str, float] = {}
    try:
        for x, target in loader:
            output = model(x)
            _add(sums, loss(output, target).item(), output, target, metrics or {})
    finally:
        model.train(training)
    return _means(sums, metrics or {})


def fit(
    model: Any,
    loader: Iterable[Any],
    optimizer: Any,
    loss: Callable[..., Tensor],
    epochs: int = 1,
    validation: Iterable[Any] | None = None,
    callbacks: Sequence[Callback] | None = None,
    metrics: Metrics | None = None,
    history: History | None = None,
) -> History:
    """Train a model.

    Parameters
    ----------
    model : Module
    loader : iterable of (input, target)
    optimizer : Optimizer
    loss : callable
        ``loss(output, target)`` -> 0-d tensor.
    epochs : int
    validation : iterable of (input, target), optional
        Evaluated after each epoch; its quantities are named ``validation_...``.
    callbacks : sequence of Callback, optional
        `ProgressBar` and `StopOnNaN` by default.
    metrics : mapping of name to ``metric(output, target) -> float``, optional
    history : History, optional
        Continued where it is given.

    Returns
    -------
    History
        Interrupting a run (Ctrl-C, or the notebook's stop) ends it in the same way: the model keeps the weights of the
        last whole step, and ``history.interrupted`` is true.
    """
    history = History() if history is None else history
    callbacks = [ProgressBar(), StopOnNaN()] if callbacks is None else list(callbacks)
    metrics = metrics or {}
    run = Run(model, optimizer, loader, len(history) + epochs, history, callbacks)
    model.train()
    checked = False
    try:
        _tell(callbacks, "on_train_begin", run)
        while len(history) < run.epochs and not run.stopping:
            started, run.epoch = time.perf_counter(), len(history) + 1
            _tell(callbacks, "on_epoch_begin", run)
            for x, target in loader:
                optimizer.zero_grad()
                output = model(x)
                value = loss(output, target)
                value.backward()
                if not checked:
                    checked = True
                    mistakes.check_first_step(model, value)
                optimizer.step()
                run.step += 1
                run.loss = value.item()
                _add(run.sums, run.loss, output.detach(), target, metrics)
                _tell(callbacks, "on_step_end", run)
                if run.stopping:
                    break
            epoch = _means(run.sums, metrics)
            if validation is not None:
                measured = evaluate(model, validation, loss, metrics)
                epoch |= {f"validation_{name}": number for name, number in measured.items()}
            history.epochs.append(epoch | {"seconds": time.perf_counter() - started})
            _tell(callbacks, "on_epoch_end", run)
            run.step, run.sums = 0, {}
        if run.stopping:
            print(f"stopped: {run.stopping}", file=sys.stderr)
    except KeyboardInterrupt:
        history.interrupted = True
        print(f"interrupted in epoch {run.epoch} after step {run.step}", file=sys.stderr)
    finally:
        _tell(callbacks, "on_train_end", run)
    return history


def _tell(callbacks: Sequence[Callback], moment: str, run: Run) -> None:
    for callback in callbacks:
        getattr(callback, moment)(run)
