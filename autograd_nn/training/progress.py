"""Progress that looks right in a terminal, in a notebook and in a log file."""

from __future__ import annotations

import html
import sys
from typing import Any

from tqdm import tqdm

from .callbacks import Callback, Run
from .history import History
from .notebook import Display

__all__ = ["ProgressBar"]


class ProgressBar(Callback):
    """A bar of the epoch under way and one line per epoch.

    In a terminal the bar is below the lines. In a notebook both are one table in the output of the cell, of which
    nothing but the lines stays. In a file there are the lines alone.

    Parameters
    ----------
    file : file, optional
        Where both go; by default the bar goes to stderr, the lines to stdout.

    Examples
    --------
    >>> from autograd_nn.training import ProgressBar
    >>> callbacks = [ProgressBar()]
    """

    everywhere = False

    def __init__(self, file: Any = None):
        self.file = file
        self._bar: Any = None
        self._table: _Table | None = None

    def on_train_begin(self, run: Run) -> None:
        display = Display()
        self._table = _Table(run.history, display) if self.file is None and display.available else None
        self._headed = False

    def on_epoch_begin(self, run: Run) -> None:
        out = self._table or self.file or sys.stderr
        self._bar = tqdm(total=run.steps, initial=run.step, desc=f"epoch {run.epoch}/{run.epochs}", file=out,
                         leave=False, mininterval=0.2, dynamic_ncols=self._table is None, ncols=self._table and 79,
                         disable=not getattr(out, "isatty", lambda: False)())  # fmt: skip

    def on_step_end(self, run: Run) -> None:
        self._bar.update()
        if not self._bar.disable and run.step % 10 == 0:
            self._bar.set_postfix_str(f"loss {run.loss:.4f}", refresh=False)

    def on_epoch_end(self, run: Run) -> None:
        self._bar.close()
        if self._table is None:
            lines = [len(run.history)] if self._headed else [0, len(run.history)]
            print(*map(run.history.line, lines), sep="\n", file=self.file or sys.stdout, flush=True)
            self._headed = True

    def on_train_end(self, run: Run) -> None:
        if self._bar is not None:
            self._bar.close()
        if self._table is not None:  # an interrupt may have come between the bar's first line and its name
            self._table.write("")
            self._table.flush()


class _Table:
    """What tqdm takes for a terminal: the history as a table in a notebook, and below it the line written last."""

    encoding = "utf-8"

    def __init__(self, history: History, display: Display):
        self.history, self.display, self.text = history, display, ""

    def isatty(self) -> bool:
        return True

    def write(self, text: str) -> None:
        self.text = text.strip()

    def flush(self) -> None:
        self.display.show(self)

    def __repr__(self) -> str:
        return "\n".join([*([repr(self.history)] if self.history.epochs else []), self.text]).rstrip()

    def _repr_html_(self) -> str:
        table = self.history._repr_html_() if self.history.epochs else ""
        return f"{table}<pre>{html.escape(self.text)}</pre>" if self.text else table
