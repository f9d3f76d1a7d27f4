"""A small training loop on the public API: fit, evaluate, the history of a run, callbacks.

`fit` is what everybody writes by hand, with progress, metrics and callbacks. A `Run` is what callbacks see of it.
"""

from .callbacks import EMA, Callback, EarlyStopping, ModelCheckpoint, Run, Schedule, TerminateOnNaN
from .history import History
from .loop import evaluate, fit, predict
from .measures import (
    AUC,
    F1,
    MAE,
    MSE,
    R2,
    RMSE,
    Accuracy,
    AveragePrecision,
    Confusion,
    MeanOverBatches,
    Metric,
    Perplexity,
    Precision,
    Recall,
    TopK,
    Whole,
)
from .progress import ProgressBar

__all__ = [
    "AUC",
    "EMA",
    "F1",
    "MAE",
    "MSE",
    "R2",
    "RMSE",
    "Accuracy",
    "AveragePrecision",
    "Callback",
    "Confusion",
    "EarlyStopping",
    "History",
    "MeanOverBatches",
    "Metric",
    "ModelCheckpoint",
    "Perplexity",
    "Precision",
    "ProgressBar",
    "Recall",
    "Run",
    "Schedule",
    "TerminateOnNaN",
    "TopK",
    "Whole",
    "evaluate",
    "fit",
    "predict",
]
