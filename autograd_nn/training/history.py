"""What the epochs of a run measured, as numbers and as a table."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..tensor.printing import html_table

__all__ = ["History"]

_SHOWN = 20  # epochs in a printed table: the last ones


class History:
    """What each epoch measured: one dict per epoch in `epochs`, one list per quantity by ``history[name]``.

    Attributes
    ----------
    epochs : list of dict
    validations : list of dict
        With ``fit(validate_every=n)``: 'epoch', 'step' (of all epochs) and what the validation gave.
    steps : int
        How many steps the optimizer made.
    interrupted : bool
        Whether the last run was interrupted (Ctrl-C, or the notebook's stop).

    Examples
    --------
    >>> import numpy as np
    >>> from autograd_nn import nn
    >>> from autograd_nn import optim
    >>> from autograd_nn.training import fit
    >>> x = np.linspace(-1, 1, 64, dtype=np.float32)[:, None]
    >>> model = nn.Linear(1, 1)
    >>> history = fit(model, (x, 2 * x), optim.SGD(model.parameters(), lr=0.3), "mse", 3, callbacks=[])
    >>> len(history), history["loss"][-1] < history["loss"][0]
    (3, True)
    """

    def __init__(self) -> None:
        self.epochs: list[dict[str, Any]] = []
        self.validations: list[dict[str, Any]] = []
        self.steps = 0
        self.interrupted = False

    def __getitem__(self, name: str) -> list[Any]:
        name = name if any(name in epoch for epoch in self.epochs) else canonical(name)
        if self.epochs and not any(name in epoch for epoch in self.epochs):
            raise KeyError(f"history has no {name!r}; it has {', '.join(self.names)}")
        return [epoch[name] for epoch in self.epochs if name in epoch]

    def __len__(self) -> int:
        return len(self.epochs)

    @property
    def names(self) -> list[str]:
        """The names of the quantities that are numbers, in the order in which they first came."""
        return list(dict.fromkeys(name for epoch in self.epochs for name, value in epoch.items()
                                  if not isinstance(value, np.ndarray)))

    def best(self, name: str, largest: bool = False) -> int:
        """Return the epoch, from 1, in which a quantity was smallest (or largest); the first of equal ones.

        NaN is worse than any number.
        """
        values = [math.inf if math.isnan(value) else -value if largest else value for value in self[name]]
        return values.index(min(values)) + 1

    def cells(self, epoch: int) -> list[str]:
        """Return an epoch, from 1, and what it measured as text."""
        measured = self.epochs[epoch - 1]
        return [str(epoch), *(_number(measured.get(name, math.nan)) for name in self.names)]

    def line(self, epoch: int) -> str:
        """Return the line of an epoch, from 1, in a table; that of epoch 0 is the head."""
        cells = self.cells(epoch) if epoch else ["epoch", *self.names]
        widths = [5, *(max(10, len(name)) for name in self.names)]
        return "  ".join(f"{cell:>{width}}" for cell, width in zip(cells, widths))

    def _shown(self) -> range:
        return range(max(1, len(self) - _SHOWN + 1), len(self) + 1)

    def __repr__(self) -> str:
        return "\n".join(self.line(i) for i in (0, *self._shown())) if self.epochs else "History(no epochs yet)"

    def _repr_html_(self) -> str:
        return html_table([self.cells(i) for i in self._shown()], ["epoch", *self.names], left=0)


def canonical(name: str) -> str:
    """Return a name as the history has it: ``val_loss`` is ``validation_loss``."""
    return "validation_" + name.removeprefix("val_") if name.startswith("val_") else name


def _number(value: float) -> str:
    return f"{value:.4f}" if abs(value) >= 0.001 or value == 0 else f"{value:.2e}"
