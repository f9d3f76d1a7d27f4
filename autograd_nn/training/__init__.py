"""A small training loop on the public API: fit, evaluate, the history of a run, callbacks.

`fit` is what everybody writes by hand, with progress, metrics and callbacks. A `Run` is what callbacks see of it.
"""

from .callbacks import Callback, EarlyStopping, ModelCheckpoint, Run, Schedule, TerminateOnNaN
from .history import History
from .loop import evaluate, fit
from .progress import ProgressBar

__all__ = [
    "Callback",
    "EarlyStopping",
    "History",
    "ModelCheckpoint",
    "ProgressBar",
    "Run",
    "Schedule",
    "TerminateOnNaN",
    "evaluate",
    "fit",
]
