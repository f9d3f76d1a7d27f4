"""Schedules that go up and down, of the momentum too; each rate is a function of the epoch alone."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from ..arguments import choice, flag, function, number, require
from ..optimizer import Optimizer
from .schedule import LRScheduler, checked_optimizer, not_negative, power

__all__ = ["CosineAnnealingWarmRestarts", "CyclicLR", "OneCycleLR"]

_MOMENTA = ("momentum", "betas", "base_momentum", "max_momentum")


class CosineAnnealingWarmRestarts(LRScheduler):
    """Half cosine waves from ``initial_lr`` down to `eta_min`, each `T_mult` times as long as the one before.

    ``step(epoch)`` takes fractions of an epoch too.

    Parameters
    ----------
    optimizer : Optimizer
    T_0 : int
        Epochs of the first wave.
    T_mult : int
    eta_min : float
    last_epoch : int

    Attributes
    ----------
    T_cur, T_i : float, int
        The place in the present wave, and its length.

    References
    ----------
    I. Loshchilov and F. Hutter, "SGDR: stochastic gradient descent with warm restarts", ICLR 2017.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn import optim
    >>> w = ag.zeros(1, requires_grad=True)
    >>> w.grad = ag.zeros(1)  # as backward() would leave it
    >>> optimizer = optim.SGD([w], lr=1.0)
    >>> schedule = optim.lr_scheduler.CosineAnnealingWarmRestarts(optimizer, T_0=3)
    >>> rates = []
    >>> for _ in range(6):
    ...     optimizer.step()
    ...     rates.append(round(optimizer.param_groups[0]["lr"], 4))
    ...     schedule.step()
    >>> rates
    [1.0, 0.75, 0.25, 1.0, 0.75, 0.25]
    """

    def __init__(self, optimizer: Optimizer, T_0: int, T_mult: int = 1, eta_min: float = 0.0, last_epoch: int = -1):
        self.T_0 = self.T_i = number(f"{type(self).__name__}()", "T_0", T_0, above=0, whole=True)
        self.T_mult: int = number(f"{type(self).__name__}()", "T_mult", T_mult, above=0, whole=True)
        self.eta_min: float = number(f"{type(self).__name__}()", "eta_min", eta_min, low=0)
        self.T_cur: float = last_epoch
        super().__init__(optimizer, last_epoch)

    def wave(self, epoch: float) -> tuple[float, int]:
        """Return the place of an epoch, which may be a fraction, in its wave, and the wave's length."""
        length = self.T_0
        if self.T_mult == 1:
            return epoch % length, length
        while epoch >= length:
            epoch -= length
            length *= self.T_mult
        return epoch, length

    def get_lr(self) -> list[float]:
        height = (1 + math.cos(math.pi * self.T_cur / self.T_i)) / 2
        return [self.eta_min + (base - self.eta_min) * height for base in self.base_lrs]

    def _advance(self, epoch: float | None = None) -> None:
        if epoch is None:
            epoch = self.last_epoch + 1 + (self.T_cur % 1 if self.last_epoch >= 0 else 0)
        self.T_cur, self.T_i = self.wave(epoch)
        super()._advance(math.floor(epoch))


class _MomentumSchedule(LRScheduler):
    """A schedule that moves the momentum, or the first of `betas`, against the learning rate."""

    cycle_momentum: bool

    def _momentum_arguments(self, cycle: Any, base: Any, largest: Any) -> None:
        self.cycle_momentum = flag(self._call, "cycle_momentum", cycle)
        if not self.cycle_momentum:
            return
        if not {"betas", "momentum"} & self.optimizer.defaults.keys():
            raise ValueError(f"{self._call}: cycle_momentum=True needs an optimizer with momentum or betas, "
                             f"not {type(self.optimizer).__name__}")
        self._keys = (*self._keys, *_MOMENTA)
        self._for_each_group("base_momentums", "base_momentum", base, _momentum)
        self._for_each_group("max_momentums", "max_momentum", largest, _momentum)

    def _start_momentum(self, i: int, group: dict[str, Any]) -> None:
        if self.cycle_momentum:
            group["base_momentum"], group["max_momentum"] = self.base_momentums[i], self.max_momentums[i]  # type: ignore[attr-defined]
            _set_momentum(group, group["max_momentum"])


def _momentum(where: str, name: str, value: Any) -> Any:
    return number(where, name, value, low=0, high=1)


def _set_momentum(group: dict[str, Any], value: float) -> None:
    if "betas" in group:
        group["betas"] = (value, *group["betas"][1:])
    else:
        group["momentum"] = value


class CyclicLR(_MomentumSchedule):
    """Straight lines from `base_lr` up to `max_lr` and down again, over and over; momentum the other way round.

    Parameters
    ----------
    optimizer : Optimizer
    base_lr, max_lr : float or list of float
        For all parameter groups or for each.
    step_size_up, step_size_down : int
        Steps of the way up and of the way down (default: as many).
    mode : {'triangular', 'triangular2', 'exp_range'}
        What the height of cycle ``c`` (from 1) at step ``t`` is multiplied by: 1, ``2**(1 - c)`` or ``gamma**t``.
    gamma : float
    scale_fn : callable, optional
        In the place of `mode`.
    scale_mode : {'cycle', 'iterations'}
        Whether `scale_fn` is a function of the cycle or of the step.
    cycle_momentum : bool
    base_momentum, max_momentum : float or list of float
    last_epoch : int

    References
    ----------
    L. Smith, "Cyclical learning rates for training neural networks", WACV 2017.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn import optim
    >>> w = ag.zeros(1, requires_grad=True)
    >>> w.grad = ag.zeros(1)  # as backward() would leave it
    >>> optimizer = optim.SGD([w], lr=1.0)
    >>> schedule = optim.lr_scheduler.CyclicLR(optimizer, base_lr=0.1, max_lr=0.5, step_size_up=2)
    >>> rates = []
    >>> for _ in range(6):
    ...     optimizer.step()
    ...     rates.append(round(optimizer.param_groups[0]["lr"], 4))
    ...     schedule.step()
    >>> rates
    [0.1, 0.3, 0.5, 0.3, 0.1, 0.3]
    """

    _not_saved = (*LRScheduler._not_saved, "_first_lrs")

    def __init__(
        self,
        optimizer: Optimizer,
        base_lr: float | list[float],
        max_lr: float | list[float],
        step_size_up: int = 2000,
        step_size_down: int | None = None,
        mode: str = "triangular",
        gamma: float = 1.0,
        scale_fn: Callable[[float], float] | None = None,
        scale_mode: str = "cycle",
        cycle_momentum: bool = True,
        base_momentum: float | list[float] = 0.8,
        max_momentum: float | list[float] = 0.9,
        last_epoch: int = -1,
    ):
        self.optimizer = checked_optimizer(optimizer, self)
        self._first_lrs: list[float]
        self.max_lrs: list[float]
        self._for_each_group("_first_lrs", "base_lr", base_lr, not_negative)
        self._for_each_group("max_lrs", "max_lr", max_lr, not_negative)
        up: float = number("CyclicLR()", "step_size_up", step_size_up, above=0)
        down: float = up if step_size_down is None else number("CyclicLR()", "step_size_down", step_size_down, low=0)
        self.total_size = float(up + down)
        self.step_ratio = up / self.total_size
        if scale_fn is None:
            mode = choice("CyclicLR()", "mode", mode, ("triangular", "triangular2", "exp_range"))
        else:
            function("CyclicLR()", "scale_fn", scale_fn, "the cycle or of the step")
        self.mode = mode
        self.gamma: float = number("CyclicLR()", "gamma", gamma, low=0)
        self.scale_fn = scale_fn
        self.scale_mode = choice("CyclicLR()", "scale_mode", scale_mode, ("cycle", "iterations"))
        self._momentum_arguments(cycle_momentum, base_momentum, max_momentum)
        super().__init__(optimizer, last_epoch)

    def _join(self, i: int, group: dict[str, Any], fresh: bool) -> None:
        if fresh:
            group["lr"] = self._first_lrs[i]
            self._start_momentum(i, group)
        group.setdefault("initial_lr", group["lr"])
        self.base_lrs.append(self._first_lrs[i])

    def height(self, step: float) -> float:
        """Return how far up from `base_lr` (0) to `max_lr` (1) a step is."""
        cycle = math.floor(1 + step / self.total_size)
        x = 1.0 + step / self.total_size - cycle
        way: float = x / self.step_ratio if x <= self.step_ratio else (x - 1) / (self.step_ratio - 1)
        if self.scale_fn is not None:
            return way * float(self.scale_fn(cycle if self.scale_mode == "cycle" else step))
        if self.mode == "exp_range":
            return way * power(self.gamma, step)
        return way if self.mode == "triangular" else way * power(2.0, 1 - cycle)

    def get_lr(self) -> list[float]:
        height = self.height(self.last_epoch)
        if self.cycle_momentum:
            for group in self._groups:
                low, high = group["base_momentum"], group["max_momentum"]
                _set_momentum(group, high - (high - low) * height)
        return [low + (high - low) * height for low, high in zip(self.base_lrs, self.max_lrs)]


class OneCycleLR(_MomentumSchedule):
    """From ``max_lr / div_factor`` up to `max_lr` and down to nearly 0, once; momentum the other way round.

    The lowest learning rate is ``max_lr / div_factor / final_div_factor``. To be stepped after every batch.

    Parameters
    ----------
    optimizer : Optimizer
    max_lr : float or list of float
        For all parameter groups or for each.
    total_steps : int, optional
        Or else `epochs` and `steps_per_epoch`.
    epochs, steps_per_epoch : int, optional
    pct_start : float
        The part of the steps that goes up.
    anneal_strategy : {'cos', 'linear'}
    cycle_momentum : bool
    base_momentum, max_momentum : float or list of float
    div_factor, final_div_factor : float
    three_phase : bool
        Come down to the first learning rate as fast as it went up, and only then go on.
    last_epoch : int

    References
    ----------
    L. Smith and N. Topin, "Super-convergence: very fast training of neural networks using large learning rates", 2018,
    arXiv:1708.07120.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn import optim
    >>> w = ag.zeros(1, requires_grad=True)
    >>> w.grad = ag.zeros(1)  # as backward() would leave it
    >>> optimizer = optim.SGD([w], lr=1.0)
    >>> schedule = optim.lr_scheduler.OneCycleLR(optimizer, max_lr=1.0, total_steps=5)
    >>> rates = []
    >>> for _ in range(5):
    ...     optimizer.step()
    ...     rates.append(round(optimizer.param_groups[0]["lr"], 4))
    ...     schedule.step()
    >>> rates
    [0.04, 0.9505, 0.6113, 0.1883, 0.0]
    """

    _keys = ("lr", "initial_lr", "max_lr", "min_lr")
    _not_saved = (*LRScheduler._not_saved, "max_lrs", "base_momentums", "max_momentums", "_divide")

    def __init__(
        self,
        optimizer: Optimizer,
        max_lr: float | list[float],
        total_steps: int | None = None,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        pct_start: float = 0.3,
        anneal_strategy: str = "cos",
        cycle_momentum: bool = True,
        base_momentum: float | list[float] = 0.85,
        max_momentum: float | list[float] = 0.95,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
        last_epoch: int = -1,
    ):
        self.optimizer = checked_optimizer(optimizer, self)
        if total_steps is None:
            require(epochs is not None and steps_per_epoch is not None, "OneCycleLR()",
                    "needs total_steps, or epochs and steps_per_epoch, as integers above 0",
                    epochs=epochs, steps_per_epoch=steps_per_epoch)
            total_steps = (number("OneCycleLR()", "epochs", epochs, above=0, whole=True)
                           * number("OneCycleLR()", "steps_per_epoch", steps_per_epoch, above=0, whole=True))
        self.total_steps: int = number("OneCycleLR()", "total_steps", total_steps, above=0, whole=True)
        pct_start = number("OneCycleLR()", "pct_start", pct_start, low=0, high=1)
        self.anneal_strategy = choice("OneCycleLR()", "anneal_strategy", anneal_strategy, ("cos", "linear"))
        self.max_lrs: list[float]
        self._for_each_group("max_lrs", "max_lr", max_lr, not_negative)
        self._divide = (number("OneCycleLR()", "div_factor", div_factor, above=0),
                        number("OneCycleLR()", "final_div_factor", final_div_factor, above=0))
        self._momentum_arguments(cycle_momentum, base_momentum, max_momentum)
        top = float(pct_start * self.total_steps) - 1
        up: list[Any] = [top, "initial_lr", "max_lr", "max_momentum", "base_momentum"]
        end = float(self.total_steps - 1)
        if flag("OneCycleLR()", "three_phase", three_phase):
            middle = 2 * float(pct_start * self.total_steps) - 2
            back: list[Any] = [middle, "max_lr", "initial_lr", "base_momentum", "max_momentum"]
            self.phases = [up, back, [end, "initial_lr", "min_lr", "max_momentum", "max_momentum"]]
        else:
            self.phases = [up, [end, "max_lr", "min_lr", "base_momentum", "max_momentum"]]
        super().__init__(optimizer, last_epoch)

    def _join(self, i: int, group: dict[str, Any], fresh: bool) -> None:
        if fresh:
            first, last = self._divide
            group["max_lr"] = self.max_lrs[i]
            group["initial_lr"] = group["max_lr"] / first
            group["min_lr"] = group["initial_lr"] / last
            self._start_momentum(i, group)
        super()._join(i, group, fresh)

    def place(self, step: float) -> tuple[list[Any], float]:
        """Return the phase that a step belongs to, and how much of the phase is done."""
        start = 0.0
        for phase in self.phases[:-1]:
            if step <= phase[0]:
                break
            start = phase[0]
        else:
            phase = self.phases[-1]
        return phase, (step - start) / (phase[0] - start) if phase[0] != start else 1.0

    def _between(self, start: float, end: float, done: float) -> float:
        if self.anneal_strategy == "linear":
            return (end - start) * done + start
        return end + (start - end) / 2.0 * (math.cos(math.pi * done) + 1)

    def get_lr(self) -> list[float]:
        if self.last_epoch > self.total_steps:
            raise ValueError(f"OneCycleLR.step(): was called {self.last_epoch} times, but the cycle has "
                             f"{self.total_steps} steps")
        (_, lr_from, lr_to, momentum_from, momentum_to), done = self.place(self.last_epoch)
        if self.cycle_momentum:
            for group in self._groups:
                _set_momentum(group, self._between(group[momentum_from], group[momentum_to], done))
        return [self._between(group[lr_from], group[lr_to], done) for group in self._groups]
