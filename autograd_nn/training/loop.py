"""`fit`, the loop that everybody writes by hand, and `evaluate`."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from ..engine import no_grad
from ..look import mistakes
from ..tensor import Tensor
from .callbacks import Callback, Run, TerminateOnNaN
from .history import History
from .progress import ProgressBar

__all__ = ["evaluate", "fit"]

Metrics = Mapping[str, Callable[[Tensor, Tensor], float]]


@no_grad()
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
        `ProgressBar` and `TerminateOnNaN` by default; `plots.LivePlot` draws the curves in a notebook.
    metrics : mapping of name to ``metric(output, target) -> float``, optional
    history : History, optional
        Continued where it is given.

    Returns
    -------
    History
        Interrupting a run (Ctrl-C, or the notebook's stop) ends it in the same way, with ``history.interrupted`` true:
        model, optimizer and history are what they were at that moment and can be used and trained on. The history has
        the epochs that were finished; where the interrupt came in the middle of an optimizer's step, some parameters
        have made that step and others not.
    """
    history = History() if history is None else history
    history.interrupted = False
    callbacks = [ProgressBar(), TerminateOnNaN()] if callbacks is None else list(callbacks)
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
                    mistakes.check_first_step(model)
                optimizer.step()
                run.step += 1
                run.loss = value.item()
                _add(run.sums, run.loss, output, target, metrics)
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
