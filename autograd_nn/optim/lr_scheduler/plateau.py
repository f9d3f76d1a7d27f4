"""A schedule by a metric."""

from __future__ import annotations

import math
import numbers
from typing import Any

from ...engine import effect
from ..arguments import choice, number, plain
from ..optimizer import Optimizer
from .schedule import LRScheduler, checked_optimizer, not_negative

__all__ = ["ReduceLROnPlateau"]


class ReduceLROnPlateau(LRScheduler):
    """``lr *= factor`` when a metric has not improved for more than `patience` epochs.

    Parameters
    ----------
    optimizer : Optimizer
    mode : {'min', 'max'}
        Whether smaller or larger is better.
    factor : float
        Below 1.
    patience : int
    threshold : float
        What counts as an improvement.
    threshold_mode : {'rel', 'abs'}
        Whether the threshold is a part of the best value so far or a difference.
    cooldown : int
        Epochs after a reduction in which none is counted as bad.
    min_lr : float or list of float
    eps : float
        Smaller reductions are left out.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn import optim
    >>> w = ag.zeros(1, requires_grad=True)
    >>> w.grad = ag.zeros(1)  # as backward() would leave it
    >>> optimizer = optim.SGD([w], lr=1.0)
    >>> schedule = optim.lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.1, patience=1)
    >>> rates = []
    >>> for validation_loss in (1.0, 0.8, 0.9, 0.9, 0.9):
    ...     schedule.step(validation_loss)
    ...     rates.append(optimizer.param_groups[0]["lr"])
    >>> rates
    [1.0, 1.0, 1.0, 0.1, 0.1]
    """

    _keys = ("lr",)

    def __init__(
        self,
        optimizer: Optimizer,
        mode: str = "min",
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        threshold_mode: str = "rel",
        cooldown: int = 0,
        min_lr: float | list[float] = 0.0,
        eps: float = 1e-8,
    ):
        self.optimizer = checked_optimizer(optimizer, self)
        self.mode = choice(self._call, "mode", mode, ("min", "max"))
        self.factor: float = number(self._call, "factor", factor, low=0, below=1)
        self.patience: float = number(self._call, "patience", patience, low=0)
        self.threshold: float = number(self._call, "threshold", threshold, low=0)
        self.threshold_mode = choice(self._call, "threshold_mode", threshold_mode, ("rel", "abs"))
        self.cooldown: float = number(self._call, "cooldown", cooldown, low=0)
        self.min_lrs: list[float]
        self._for_each_group("min_lrs", "min_lr", min_lr, not_negative)
        self.eps: float = number(self._call, "eps", eps, low=0)
        self.last_epoch = 0
        self._last_lr = self._present()
        self._reset()

    def _reset(self) -> None:
        self.best = math.inf if self.mode == "min" else -math.inf
        self.cooldown_counter: float = 0
        self.num_bad_epochs = 0

    def _join_groups(self, fresh: bool) -> None:
        self._extend_values()

    @property
    def in_cooldown(self) -> bool:
        """Whether bad epochs do not count at present."""
        return self.cooldown_counter > 0

    def is_better(self, a: float, best: float) -> bool:
        """Return whether `a` improves on `best` by more than the threshold."""
        sign = -1 if self.mode == "min" else 1
        least = best * (1 + sign * self.threshold) if self.threshold_mode == "rel" else best + sign * self.threshold
        return a < least if self.mode == "min" else a > least

    @effect
    def step(self, metrics: Any, epoch: int | None = None) -> None:  # type: ignore[override]
        """Take note of the metric after an epoch.

        Parameters
        ----------
        metrics : float or Tensor of one element
        epoch : int, optional
            The epoch's number, where it is not the next.
        """
        current = plain(metrics)
        if not isinstance(current, numbers.Real):
            raise TypeError(f"ReduceLROnPlateau.step(): metrics must be one number, not {type(metrics).__name__} "
                            f"(metrics={metrics!r})")
        current = float(current)
        if epoch is not None:
            epoch = number("ReduceLROnPlateau.step()", "epoch", epoch, low=0)
        self._join_groups(fresh=True)
        self.last_epoch = self.last_epoch + 1 if epoch is None else epoch
        if self.is_better(current, self.best):
            self.best = current
            self.num_bad_epochs = 0
        else:
            self.num_bad_epochs += 1
        if self.in_cooldown:
            self.cooldown_counter -= 1
            self.num_bad_epochs = 0
        if self.num_bad_epochs > self.patience:
            self._reduce()
            self.cooldown_counter = self.cooldown
            self.num_bad_epochs = 0
        self._last_lr = self._present()

    def _reduce(self) -> None:
        for group, least in zip(self._groups, self.min_lrs):
            lr = max(group["lr"] * self.factor, least)
            if group["lr"] - lr > self.eps:
                group["lr"] = lr
