"""Schedules one after the other, and several at once."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from typing import Any

from ...engine import effect
from ..arguments import listed, number, require
from ..optimizer import Optimizer
from .factors import checked_milestones
from .plateau import ReduceLROnPlateau
from .schedule import LRScheduler, checked_optimizer

__all__ = ["ChainedScheduler", "SequentialLR"]


class _Combination(LRScheduler):
    """Schedules that act on one optimizer."""

    _not_saved = (*LRScheduler._not_saved, "_schedulers")
    _not_required = ("_step_count",)
    _schedulers: list[LRScheduler]

    def _take(self, schedulers: Any, optimizer: Any) -> None:
        where = self._call
        schedulers = listed(where, "schedulers", schedulers, "schedulers")
        require(bool(schedulers), where, "needs at least one scheduler", schedulers=schedulers)
        for i, scheduler in enumerate(schedulers):
            if not isinstance(scheduler, LRScheduler):
                raise TypeError(f"{where}: scheduler {i} must be an LRScheduler, not {type(scheduler).__name__}")
            if isinstance(scheduler, ReduceLROnPlateau):
                raise ValueError(f"{where}: scheduler {i} is a ReduceLROnPlateau, whose step() needs a metric")
            if scheduler.optimizer is not (schedulers[0].optimizer if optimizer is None else optimizer):
                raise ValueError(f"{where}: scheduler {i} ({type(scheduler).__name__}) belongs to another optimizer")
        self._schedulers, self.optimizer = schedulers, schedulers[0].optimizer

    def _join_groups(self, fresh: bool) -> None:
        for scheduler in self._schedulers:
            scheduler._join_groups(fresh)

    def _undo_start(self) -> None:
        """Take back the step that each schedule made when it was made."""
        for scheduler in self._schedulers:
            if isinstance(scheduler, _Combination):
                scheduler._undo_start()
            else:
                scheduler.last_epoch = -1

    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "_schedulers": [scheduler.state_dict() for scheduler in self._schedulers]}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        super().load_state_dict(state_dict)
        for scheduler, state in zip(self._schedulers, state_dict["_schedulers"]):
            scheduler.load_state_dict(state)
        self._restore_groups(state_dict)

    def _check_state(self, state_dict: Any) -> None:
        super()._check_state(state_dict)
        states = state_dict.get("_schedulers", ())
        if len(states) != len(self._schedulers):
            raise ValueError(f"{type(self).__name__}.load_state_dict(): the state is of {len(states)} schedulers, but "
                             f"there are {len(self._schedulers)}")
        for scheduler, state in zip(self._schedulers, states):
            scheduler._check_state(state)


class SequentialLR(_Combination):
    """One schedule after the other, each from its own beginning.

    Parameters
    ----------
    optimizer : Optimizer
    schedulers : list of LRScheduler
    milestones : list of int
        The epochs at which the second, the third, ... takes over.
    last_epoch : int

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn import optim
    >>> w = ag.zeros(1, requires_grad=True)
    >>> w.grad = ag.zeros(1)  # as backward() would leave it
    >>> optimizer = optim.SGD([w], lr=1.0)
    >>> warm_up = optim.lr_scheduler.LinearLR(optimizer, start_factor=0.5, total_iters=2)
    >>> decay = optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.5)
    >>> schedule = optim.lr_scheduler.SequentialLR(optimizer, [warm_up, decay], milestones=[2])
    >>> rates = []
    >>> for _ in range(5):
    ...     optimizer.step()
    ...     rates.append(optimizer.param_groups[0]["lr"])
    ...     schedule.step()
    >>> rates
    [0.5, 0.75, 1.0, 0.5, 0.25]
    """

    def __init__(
        self, optimizer: Optimizer, schedulers: list[LRScheduler], milestones: list[int], last_epoch: int = -1
    ):
        self._take(schedulers, checked_optimizer(optimizer, self))
        self._milestones = checked_milestones("SequentialLR()", milestones)
        require(len(self._milestones) == len(self._schedulers) - 1, "SequentialLR()",
                "needs one milestone less than schedulers", milestones=milestones, schedulers=len(self._schedulers))
        require(self._milestones == sorted(self._milestones), "SequentialLR()", "milestones must increase",
                milestones=milestones)
        self.last_epoch = number("SequentialLR()", "last_epoch", last_epoch, low=-1, whole=True) + 1
        self._step_count = 1
        self._start()

    def _start(self) -> None:
        for group in self._groups:
            group["lr"] = group["initial_lr"]
        self._undo_start()
        first = self._schedulers[bisect_right(self._milestones, 0)]
        first._initial_step()
        self._last_lr = first.get_last_lr()

    def _initial_step(self) -> None:
        self.last_epoch = 0
        self._start()

    @effect
    def step(self) -> None:  # type: ignore[override]
        """Set the learning rates of the next epoch."""
        self._warn_before_optimizer()
        self._join_groups(fresh=True)
        self._count_and_advance()

    def _advance(self, epoch: Any = None) -> None:
        self.last_epoch += 1
        i = bisect_right(self._milestones, self.last_epoch)
        if i > 0 and self._milestones[i - 1] == self.last_epoch:
            self._schedulers[i]._begin()
        else:
            self._schedulers[i]._count_and_advance()
        self._last_lr = self._schedulers[i].get_last_lr()

    def _begin(self) -> None:
        self._initial_step()


class ChainedScheduler(_Combination):
    """Several schedules at once: each changes what the one before it has set.

    Parameters
    ----------
    schedulers : sequence of LRScheduler
    optimizer : Optimizer, optional
        That of the schedulers.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn import optim
    >>> w = ag.zeros(1, requires_grad=True)
    >>> w.grad = ag.zeros(1)  # as backward() would leave it
    >>> optimizer = optim.SGD([w], lr=1.0)
    >>> half = optim.lr_scheduler.ConstantLR(optimizer, factor=0.5, total_iters=2)
    >>> decay = optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.9)
    >>> schedule = optim.lr_scheduler.ChainedScheduler([half, decay])
    >>> rates = []
    >>> for _ in range(4):
    ...     optimizer.step()
    ...     rates.append(round(optimizer.param_groups[0]["lr"], 4))
    ...     schedule.step()
    >>> rates
    [0.5, 0.45, 0.81, 0.729]
    """

    def __init__(self, schedulers: Sequence[LRScheduler], optimizer: Optimizer | None = None):
        self._take(schedulers, optimizer if optimizer is None else checked_optimizer(optimizer, self))
        self._step_count = 1
        self._last_lr = self._present()

    @property
    def last_epoch(self) -> int:  # type: ignore[override]
        """How often `step` was called."""
        return self._schedulers[0].last_epoch

    def _initial_step(self) -> None:
        for scheduler in self._schedulers:
            scheduler._initial_step()
        self._last_lr = self._present()

    @effect
    def step(self) -> None:  # type: ignore[override]
        """Step all schedules, in their order."""
        self._warn_before_optimizer()
        self._join_groups(fresh=True)
        self._count_and_advance()

    def _advance(self, epoch: Any = None) -> None:
        for scheduler in self._schedulers:
            scheduler._count_and_advance()
        self._last_lr = self._present()

    def _begin(self) -> None:
        for group in self._groups:
            group["lr"] = group["initial_lr"]
        self._undo_start()
        self._initial_step()
