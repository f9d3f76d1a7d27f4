"""A small training loop on the public API: fit, evaluate, the history of a run, callbacks.

`fit` is what everybody writes by hand, with progress, metrics and callbacks. A `Run` is what callbacks see of it.
"""

from ..engine.arguments import explain
from .callbacks import EMA, Callback, EarlyStopping, ModelCheckpoint, Run, Schedule, TerminateOnNaN
from .history import History
from .loggers import CSVLogger, JSONLinesLogger, Logger, TensorBoardLogger
from .loop import evaluate, fit, predict
from .lr_finder import LearningRates, find_learning_rate
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
    "CSVLogger",
    "Callback",
    "Confusion",
    "EarlyStopping",
    "History",
    "JSONLinesLogger",
    "LearningRates",
    "Logger",
    "MeanOverBatches",
    "Metric",
    "ModelCheckpoint",
    "Perplexity",
    "Precision",
    "ProgressBar",
    "Recall",
    "Run",
    "Schedule",
    "TensorBoardLogger",
    "TerminateOnNaN",
    "TopK",
    "Whole",
    "evaluate",
    "find_learning_rate",
    "fit",
    "predict",
]

explain(globals(), __all__)
