"""Loggers: callbacks that write what a run measures to CSV, JSON lines or TensorBoard, or to a service of your own."""

from __future__ import annotations

import csv
import io
import json
import math
import os
import pathlib
from collections.abc import Mapping
from typing import IO, Any

from ..data.extras import need
from ..saving.checkpoints import replaced
from .callbacks import Callback, Run
from .history import History

__all__ = ["CSVLogger", "JSONLinesLogger", "Logger", "TensorBoardLogger"]


class Logger(Callback):
    """Base of loggers; a subclass defines three methods, `open`, `log` and `close`.

    Parameters
    ----------
    every : int, optional
        Log the loss and the learning rate also after so many steps; by default only what each epoch measured.

    Examples
    --------
    >>> class Printer(Logger):
    ...     def open(self, run, step):
    ...         print("after step", step)
    ...     def log(self, kind, step, values):
    ...         print(kind, step, sorted(values))
    ...     def close(self):
    ...         print("done")
    """

    everywhere = False

    def __init__(self, every: int | None = None):
        if every is not None and (isinstance(every, bool) or not isinstance(every, int) or every < 1):
            raise ValueError(f"{type(self).__name__}(): every must be a whole number of at least 1 (every={every!r})")
        self.every = every
        self._opened = False
        self._validations = 0

    # -------------------------------------------------------------------------------- what a subclass defines

    def open(self, run: Run, step: int) -> None:
        """Begin, or go on: `step` steps were made before; what was logged of later ones is void (the run was killed
        after its last checkpoint)."""

    def log(self, kind: str, step: int, values: Mapping[str, float]) -> None:
        """Write quantities that were measured after `step` steps: of the kind 'step', 'validation' or 'epoch'."""
        raise NotImplementedError(f"{type(self).__name__} must define log(kind, step, values)")

    def close(self) -> None:
        """End: the run is over or was interrupted."""

    # -------------------------------------------------------------------------------- moments

    def on_train_begin(self, run: Run) -> None:
        self._opened = False

    def on_epoch_begin(self, run: Run) -> None:
        if not self._opened:
            self._opened = True
            self._validations = len(run.history.validations)
            self.open(run, run.history.steps)

    def on_step_end(self, run: Run) -> None:
        for values in run.history.validations[self._validations :]:
            self.log("validation", values["step"], _numbers(values, "step"))
        self._validations = len(run.history.validations)
        if self.every and run.history.steps % self.every == 0:
            rate = float(run.optimizer.param_groups[0]["lr"])
            self.log("step", run.history.steps, {"epoch": run.epoch, "loss": run.loss, "lr": rate})

    def on_epoch_end(self, run: Run) -> None:
        rate = float(run.optimizer.param_groups[0]["lr"])
        self.log("epoch", run.history.steps, {"epoch": run.epoch, "lr": rate, **_numbers(run.history.epochs[-1])})

    def on_train_end(self, run: Run) -> None:
        if self._opened:
            self._opened = False
            self.close()


def _numbers(values: Mapping[str, Any], *left_out: str) -> dict[str, float]:
    return {name: value for name, value in values.items() if isinstance(value, int | float) and name not in left_out}


class CSVLogger(Logger):
    """Writes the history of the run as a CSV file, anew after each epoch: one line per epoch, one column per quantity.

    The file is replaced as a whole, so that it is never half written, and a resumed run goes on in it.

    Parameters
    ----------
    path : path

    Examples
    --------
    >>> import numpy as np
    >>> from autograd_nn import nn
    >>> from autograd_nn import optim
    >>> import os, tempfile
    >>> from autograd_nn.training import CSVLogger, fit
    >>> path = os.path.join(tempfile.mkdtemp(), "log.csv")
    >>> x = np.linspace(-1, 1, 64, dtype=np.float32)[:, None]
    >>> model = nn.Linear(1, 1)
    >>> _ = fit(model, (x, 2 * x), optim.SGD(model.parameters(), lr=0.3), "mse", 2, callbacks=[CSVLogger(path)])
    >>> len(open(path).read().splitlines())
    3
    """

    def __init__(self, path: str | os.PathLike[str]):
        super().__init__()
        self.path = pathlib.Path(path)

    def on_epoch_end(self, run: Run) -> None:
        write_csv(run.history, self.path)

    def log(self, kind: str, step: int, values: Mapping[str, float]) -> None:
        """Write nothing: the history is written as a whole after each epoch."""


def write_csv(history: History, path: str | os.PathLike[str]) -> None:
    """Write a history as a CSV file."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["epoch", *history.names])
    for number, epoch in enumerate(history.epochs, 1):
        writer.writerow([number, *(epoch.get(name, "") for name in history.names)])
    with replaced(path) as file:
        file.write(text.getvalue().encode())


class JSONLinesLogger(Logger):
    """Writes a line of JSON per epoch, per validation and, if asked, per so many steps.

    Each has 'kind', 'step', and the quantities; what is NaN or infinite is null. A run that goes on, by a checkpoint or
    ``fit(history=...)``, adds to the file, from where it goes on; any other begins it anew.

    Parameters
    ----------
    path : path
    every : int, optional
        See `Logger`.

    Examples
    --------
    >>> import numpy as np
    >>> from autograd_nn import nn
    >>> from autograd_nn import optim
    >>> import json, os, tempfile
    >>> from autograd_nn.training import JSONLinesLogger, fit
    >>> path = os.path.join(tempfile.mkdtemp(), "log.jsonl")
    >>> x = np.linspace(-1, 1, 64, dtype=np.float32)[:, None]
    >>> model = nn.Linear(1, 1)
    >>> _ = fit(model, (x, 2 * x), optim.SGD(model.parameters(), lr=0.3), "mse", 2, callbacks=[JSONLinesLogger(path)])
    >>> "loss" in open(path).read()
    True
    """

    def __init__(self, path: str | os.PathLike[str], every: int | None = None):
        super().__init__(every)
        self.path = pathlib.Path(path)
        self._file: IO[str] | None = None

    def open(self, run: Run, step: int) -> None:
        kept = []
        if step and self.path.exists():
            for line in self.path.read_text(encoding="utf-8").splitlines():
                try:
                    entry = json.loads(line)
                except ValueError:  # the run was killed while it wrote
                    continue
                if isinstance(entry, dict) and entry.get("step", math.inf) <= step and not (
                        entry.get("kind") == "epoch" and entry.get("epoch", 0) > len(run.history)):
                    kept.append(line + "\n")
        with replaced(self.path) as file:
            file.write("".join(kept).encode())
        self._file = open(self.path, "a", encoding="utf-8")  # noqa: SIM115

    def log(self, kind: str, step: int, values: Mapping[str, float]) -> None:
        assert self._file is not None
        plain = {name: value if math.isfinite(value) else None for name, value in values.items()}
        self._file.write(json.dumps({"kind": kind, "step": step, **plain}) + "\n")
        self._file.flush()

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


class TensorBoardLogger(Logger):
    """Writes for TensorBoard, through tensorboardX (extra `data`): ``tensorboard --logdir FOLDER`` shows it.

    The curves are named ``epoch/loss``, ``step/loss``, ``validation/...``, over the number of steps.

    Parameters
    ----------
    folder : path
    every : int, optional
        See `Logger`.

    Examples
    --------
    >>> from autograd_nn import nn, optim
    >>> from autograd_nn.training import TensorBoardLogger, fit
    >>> model, x, y = nn.Linear(2, 1), [[0.0, 1.0], [2.0, 3.0]], [[1.0], [5.0]]
    >>> history = fit(model, (x, y), optim.SGD(model.parameters(), lr=0.01), nn.MSELoss(), epochs=2,
    ...               callbacks=[TensorBoardLogger("runs/first")])
    >>> import pathlib
    >>> [file.name.split(".")[2] for file in pathlib.Path("runs/first").iterdir()]
    ['tfevents']
    """

    def __init__(self, folder: str | os.PathLike[str], every: int | None = None):
        self._library = need("tensorboardX", "data", "TensorBoardLogger()")
        super().__init__(every)
        self.folder = pathlib.Path(folder)
        self._writer: Any = None

    def open(self, run: Run, step: int) -> None:
        self._writer = self._library.SummaryWriter(str(self.folder), purge_step=step + 1 if step else None)

    def log(self, kind: str, step: int, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            self._writer.add_scalar(f"{kind}/{name}", value, step)
        self._writer.flush()

    def close(self) -> None:
        self._writer.close()
