"""A callback that reports to an Optuna trial, and prunes it."""

from __future__ import annotations

import importlib
import math
from typing import Any

from ..training import Callback, Run
from ..training.callbacks import check_monitor

__all__ = ["OptunaPruning"]


class OptunaPruning(Callback):
    """Reports a quantity to a trial after each epoch, and raises ``optuna.TrialPruned`` where the trial says so.

    Parameters
    ----------
    trial : optuna.Trial
    monitor : str
        The quantity's name in the history; the direction is that of the study.

    Examples
    --------
    >>> import optuna
    >>> from autograd_nn import nn, optim
    >>> from autograd_nn.sklearn import OptunaPruning
    >>> from autograd_nn.training import fit
    >>> data = [[0.0], [1.0], [2.0], [3.0]], [[1.0], [3.0], [5.0], [7.0]]
    >>> def objective(trial):
    ...     model = nn.Linear(1, 1)
    ...     optimizer = optim.Adam(model.parameters(), lr=trial.suggest_float("lr", 1e-5, 1e-1, log=True))
    ...     history = fit(model, data, optimizer, nn.MSELoss(), 3, data, callbacks=[OptunaPruning(trial)])
    ...     return history["validation_loss"][-1]
    >>> optuna.logging.set_verbosity(optuna.logging.ERROR)
    >>> study = optuna.create_study()
    >>> study.optimize(objective, n_trials=2)
    >>> sorted(study.best_params)
    ['lr']
    """

    def __init__(self, trial: Any, monitor: str = "validation_loss"):
        try:
            self.TrialPruned = importlib.import_module("optuna").TrialPruned
        except ImportError:
            raise ImportError("OptunaPruning(): optuna is not installed (pip install optuna)") from None
        if not hasattr(trial, "report") or not hasattr(trial, "should_prune"):
            raise TypeError(f"OptunaPruning(): trial must be an optuna.Trial, got {type(trial).__name__}")
        self.trial, self.monitor = trial, monitor

    def on_train_begin(self, run: Run) -> None:
        check_monitor(run, self.monitor, "OptunaPruning")

    def on_epoch_end(self, run: Run) -> None:
        value = float(run.history[self.monitor][-1])
        if not math.isfinite(value):
            raise self.TrialPruned(f"{self.monitor} is {value} in epoch {run.epoch}")
        self.trial.report(value, run.epoch)
        if self.trial.should_prune():
            raise self.TrialPruned(f"pruned in epoch {run.epoch} at {self.monitor} = {value:.4g}")
