"""Schedules that multiply the learning rate by a factor of the epoch."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ..arguments import choice, function, listed, number
from ..optimizer import Optimizer
from .schedule import FactorScheduler, LRScheduler, checked_optimizer, not_negative, power

__all__ = [
    "SWALR",
    "ConstantLR",
    "CosineAnnealingLR",
    "ExponentialLR",
    "LambdaLR",
    "LinearLR",
    "MultiStepLR",
    "MultiplicativeLR",
    "PolynomialLR",
    "StepLR",
    "checked_milestones",
]

Factor = Callable[[int], float]


class LambdaLR(LRScheduler):
    """``lr = initial_lr * lr_lambda(epoch)``.

    Parameters
    ----------
    optimizer : Optimizer
    lr_lambda : callable or list of callable
        One for all parameter groups or one for each. Of objects the attributes are saved, of functions nothing.
    last_epoch : int

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn import optim
    >>> w = ag.zeros(1, requires_grad=True)
    >>> w.grad = ag.zeros(1)  # as backward() would leave it
    >>> optimizer = optim.SGD([w], lr=1.0)
    >>> schedule = optim.lr_scheduler.LambdaLR(optimizer, lambda epoch: 1 / (1 + epoch))
    >>> rates = []
    >>> for _ in range(4):
    ...     optimizer.step()
    ...     rates.append(round(optimizer.param_groups[0]["lr"], 4))
    ...     schedule.step()
    >>> rates
    [1.0, 0.5, 0.3333, 0.25]
    """

    def __init__(self, optimizer: Optimizer, lr_lambda: Factor | list[Factor], last_epoch: int = -1):
        self.optimizer = checked_optimizer(optimizer, self)
        self.lr_lambdas: list[Factor]
        self._for_each_group("lr_lambdas", "lr_lambda", lr_lambda, _function_of_the_epoch)
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        return [base * factor(self.last_epoch) for base, factor in zip(self.base_lrs, self.lr_lambdas)]


class MultiplicativeLR(LRScheduler):
    """``lr *= lr_lambda(epoch)``.

    Parameters
    ----------
    optimizer : Optimizer
    lr_lambda : callable or list of callable
        As in `LambdaLR`; not called for epoch 0.
    last_epoch : int

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn import optim
    >>> w = ag.zeros(1, requires_grad=True)
    >>> w.grad = ag.zeros(1)  # as backward() would leave it
    >>> optimizer = optim.SGD([w], lr=1.0)
    >>> schedule = optim.lr_scheduler.MultiplicativeLR(optimizer, lambda epoch: 0.9)
    >>> rates = []
    >>> for _ in range(4):
    ...     optimizer.step()
    ...     rates.append(round(optimizer.param_groups[0]["lr"], 4))
    ...     schedule.step()
    >>> rates
    [1.0, 0.9, 0.81, 0.729]
    """

    def __init__(self, optimizer: Optimizer, lr_lambda: Factor | list[Factor], last_epoch: int = -1):
        self.optimizer = checked_optimizer(optimizer, self)
        self.lr_lambdas: list[Factor]
        self._for_each_group("lr_lambdas", "lr_lambda", lr_lambda, _function_of_the_epoch)
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        if self._is_initial or self.last_epoch == 0:
            return self._present()
        return [lr * factor(self.last_epoch) for lr, factor in zip(self._present(), self.lr_lambdas)]


def _function_of_the_epoch(where: str, name: str, value: Any) -> Factor:
    return function(where, name, value, "the epoch")


class StepLR(FactorScheduler):
    """``lr *= gamma`` every `step_size` epochs.

    Parameters
    ----------
    optimizer : Optimizer
    step_size : int
    gamma : float
    last_epoch : int

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn import optim
    >>> w = ag.zeros(1, requires_grad=True)
    >>> w.grad = ag.zeros(1)  # as backward() would leave it
    >>> optimizer = optim.SGD([w], lr=1.0)
    >>> schedule = optim.lr_scheduler.StepLR(optimizer, step_size=2, gamma=0.1)
    >>> rates = []
    >>> for _ in range(5):
    ...     optimizer.step()
    ...     rates.append(round(optimizer.param_groups[0]["lr"], 4))
    ...     schedule.step()
    >>> rates
    [1.0, 1.0, 0.1, 0.1, 0.01]
    """

    _moves_when_continued = True

    def __init__(self, optimizer: Optimizer, step_size: int, gamma: float = 0.1, last_epoch: int = -1):
        self.step_size: float = number("StepLR()", "step_size", step_size, above=0)
        self.gamma: float = number("StepLR()", "gamma", gamma, low=0)
        super().__init__(optimizer, last_epoch)

    def factor_at(self, epoch: float) -> float:
        return power(self.gamma, epoch // self.step_size)


class MultiStepLR(FactorScheduler):
    """``lr *= gamma`` at each of the `milestones`.

    Parameters
    ----------
    optimizer : Optimizer
    milestones : iterable of int
        Epochs, in any order; one that is listed twice counts twice.
    gamma : float
    last_epoch : int

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn import optim
    >>> w = ag.zeros(1, requires_grad=True)
    >>> w.grad = ag.zeros(1)  # as backward() would leave it
    >>> optimizer = optim.SGD([w], lr=1.0)
    >>> schedule = optim.lr_scheduler.MultiStepLR(optimizer, milestones=[1, 3], gamma=0.5)
    >>> rates = []
    >>> for _ in range(5):
    ...     optimizer.step()
    ...     rates.append(round(optimizer.param_groups[0]["lr"], 4))
    ...     schedule.step()
    >>> rates
    [1.0, 0.5, 0.5, 0.25, 0.25]
    """

    _moves_when_continued = True

    def __init__(self, optimizer: Optimizer, milestones: Iterable[int], gamma: float = 0.1, last_epoch: int = -1):
        self.milestones = Counter(checked_milestones("MultiStepLR()", milestones))
        self.gamma: float = number("MultiStepLR()", "gamma", gamma, low=0)
        super().__init__(optimizer, last_epoch)

    def factor_at(self, epoch: float) -> float:
        return power(self.gamma, sum(count for milestone, count in self.milestones.items() if milestone <= epoch))

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        super().load_state_dict(state_dict)
        self.milestones = Counter({int(epoch): count for epoch, count in self.milestones.items()})


def checked_milestones(where: str, milestones: Any) -> list[int]:
    """Return the epochs that were given as milestones."""
    epochs = listed(where, "milestones", milestones, "epochs")
    return [number(where, "each of milestones", epoch, low=0, whole=True) for epoch in epochs]


class ConstantLR(FactorScheduler):
    """``lr = initial_lr * factor`` for `total_iters` epochs, then ``initial_lr``.

    Parameters
    ----------
    optimizer : Optimizer
    factor : float
        In (0, 1].
    total_iters : int
    last_epoch : int

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn import optim
    >>> w = ag.zeros(1, requires_grad=True)
    >>> w.grad = ag.zeros(1)  # as backward() would leave it
    >>> optimizer = optim.SGD([w], lr=1.0)
    >>> schedule = optim.lr_scheduler.ConstantLR(optimizer, factor=0.5, total_iters=2)
    >>> rates = []
    >>> for _ in range(4):
    ...     optimizer.step()
    ...     rates.append(round(optimizer.param_groups[0]["lr"], 4))
    ...     schedule.step()
    >>> rates
    [0.5, 0.5, 1.0, 1.0]
    """

    _moves_when_continued = True

    def __init__(self, optimizer: Optimizer, factor: float = 1.0 / 3, total_iters: int = 5, last_epoch: int = -1):
        self.factor: float = number("ConstantLR()", "factor", factor, above=0, high=1)
        self.total_iters: float = number("ConstantLR()", "total_iters", total_iters, low=0)
        super().__init__(optimizer, last_epoch)

    def factor_at(self, epoch: float) -> float:
        return self.factor if epoch < self.total_iters else 1.0


class LinearLR(FactorScheduler):
    """``lr = initial_lr * f`` with `f` going linearly from `start_factor` to `end_factor` in `total_iters` epochs.

    Parameters
    ----------
    optimizer : Optimizer
    start_factor : float
        In (0, 1].
    end_factor : float
        In [0, 1].
    total_iters : int
    last_epoch : int

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn import optim
    >>> w = ag.zeros(1, requires_grad=True)
    >>> w.grad = ag.zeros(1)  # as backward() would leave it
    >>> optimizer = optim.SGD([w], lr=1.0)
    >>> schedule = optim.lr_scheduler.LinearLR(optimizer, start_factor=0.25, total_iters=3)
    >>> rates = []
    >>> for _ in range(5):
    ...     optimizer.step()
    ...     rates.append(round(optimizer.param_groups[0]["lr"], 4))
    ...     schedule.step()
    >>> rates
    [0.25, 0.5, 0.75, 1.0, 1.0]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        start_factor: float = 1.0 / 3,
        end_factor: float = 1.0,
        total_iters: int = 5,
        last_epoch: int = -1,
    ):
        self.start_factor: float = number("LinearLR()", "start_factor", start_factor, above=0, high=1)
        self.end_factor: float = number("LinearLR()", "end_factor", end_factor, low=0, high=1)
        self.total_iters: float = number("LinearLR()", "total_iters", total_iters, above=0)
        super().__init__(optimizer, last_epoch)

    def factor_at(self, epoch: float) -> float:
        done = min(self.total_iters, epoch) / self.total_iters
        return self.start_factor + (self.end_factor - self.start_factor) * done


class ExponentialLR(FactorScheduler):
    """``lr *= gamma`` every epoch.

    Parameters
    ----------
    optimizer : Optimizer
    gamma : float
    last_epoch : int

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn import optim
    >>> w = ag.zeros(1, requires_grad=True)
    >>> w.grad = ag.zeros(1)  # as backward() would leave it
    >>> optimizer = optim.SGD([w], lr=1.0)
    >>> schedule = optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.5)
    >>> rates = []
    >>> for _ in range(4):
    ...     optimizer.step()
    ...     rates.append(round(optimizer.param_groups[0]["lr"], 4))
    ...     schedule.step()
    >>> rates
    [1.0, 0.5, 0.25, 0.125]
    """

    def __init__(self, optimizer: Optimizer, gamma: float, last_epoch: int = -1):
        self.gamma: float = number("ExponentialLR()", "gamma", gamma, low=0)
        super().__init__(optimizer, last_epoch)

    def factor_at(self, epoch: float) -> float:
        return power(self.gamma, epoch)


class PolynomialLR(FactorScheduler):
    """``lr = initial_lr * (1 - epoch / total_iters)**power``, and 0 from there on.

    Parameters
    ----------
    optimizer : Optimizer
    total_iters : int
    power : float
    last_epoch : int

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn import optim
    >>> w = ag.zeros(1, requires_grad=True)
    >>> w.grad = ag.zeros(1)  # as backward() would leave it
    >>> optimizer = optim.SGD([w], lr=1.0)
    >>> schedule = optim.lr_scheduler.PolynomialLR(optimizer, total_iters=4, power=2.0)
    >>> rates = []
    >>> for _ in range(5):
    ...     optimizer.step()
    ...     rates.append(round(optimizer.param_groups[0]["lr"], 4))
    ...     schedule.step()
    >>> rates
    [1.0, 0.5625, 0.25, 0.0625, 0.0]
    """

    def __init__(self, optimizer: Optimizer, total_iters: int = 5, power: float = 1.0, last_epoch: int = -1):
        self.total_iters: float = number("PolynomialLR()", "total_iters", total_iters, above=0)
        self.power: float = number("PolynomialLR()", "power", power, low=0)
        super().__init__(optimizer, last_epoch)

    def factor_at(self, epoch: float) -> float:
        return power(1.0 - min(self.total_iters, epoch) / self.total_iters, self.power)


class CosineAnnealingLR(FactorScheduler):
    """Half a cosine wave from ``initial_lr`` down to `eta_min` in `T_max` epochs; it goes up again after.

    ``lr = eta_min + (initial_lr - eta_min) * (1 + cos(pi * epoch / T_max)) / 2``.

    Parameters
    ----------
    optimizer : Optimizer
    T_max : int
    eta_min : float
    last_epoch : int

    References
    ----------
    I. Loshchilov and F. Hutter, "SGDR: stochastic gradient descent with warm restarts", ICLR 2017 (without restarts).

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn import optim
    >>> w = ag.zeros(1, requires_grad=True)
    >>> w.grad = ag.zeros(1)  # as backward() would leave it
    >>> optimizer = optim.SGD([w], lr=1.0)
    >>> schedule = optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=4)
    >>> rates = []
    >>> for _ in range(5):
    ...     optimizer.step()
    ...     rates.append(round(optimizer.param_groups[0]["lr"], 4))
    ...     schedule.step()
    >>> rates
    [1.0, 0.8536, 0.5, 0.1464, 0.0]
    """

    def __init__(self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0, last_epoch: int = -1):
        self.T_max: float = number("CosineAnnealingLR()", "T_max", T_max, above=0)
        self.eta_min: float = number("CosineAnnealingLR()", "eta_min", eta_min, low=0)
        super().__init__(optimizer, last_epoch)

    def factor_at(self, epoch: float) -> float:
        return (1 + math.cos(math.pi * epoch / self.T_max)) / 2

    def floor_of(self, group: Mapping[str, Any]) -> float:
        return self.eta_min


class SWALR(FactorScheduler):
    """From the present learning rate to `swa_lr` in `anneal_epochs` epochs, constant from there on.

    Parameters
    ----------
    optimizer : Optimizer
    swa_lr : float or list of float
        For all parameter groups or for each.
    anneal_epochs : int
    anneal_strategy : {'cos', 'linear'}
    last_epoch : int

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn import optim
    >>> w = ag.zeros(1, requires_grad=True)
    >>> w.grad = ag.zeros(1)  # as backward() would leave it
    >>> optimizer = optim.SGD([w], lr=1.0)
    >>> schedule = optim.lr_scheduler.SWALR(optimizer, swa_lr=0.1, anneal_epochs=2, anneal_strategy="linear")
    >>> rates = []
    >>> for _ in range(4):
    ...     optimizer.step()
    ...     rates.append(round(optimizer.param_groups[0]["lr"], 4))
    ...     schedule.step()
    >>> rates
    [1.0, 0.55, 0.1, 0.1]
    """

    _keys = ("lr", "initial_lr", "swa_lr")
    _not_saved = (*FactorScheduler._not_saved, "swa_lrs")  # the groups have them
    _get_closed_form_lr = None  # type: ignore[assignment]  # it starts from where another schedule has come to

    def __init__(
        self,
        optimizer: Optimizer,
        swa_lr: float | list[float],
        anneal_epochs: int = 10,
        anneal_strategy: str = "cos",
        last_epoch: int = -1,
    ):
        self.optimizer = checked_optimizer(optimizer, self)
        self.swa_lrs: list[float]
        self._for_each_group("swa_lrs", "swa_lr", swa_lr, not_negative)
        self.anneal_epochs: int = number("SWALR()", "anneal_epochs", anneal_epochs, low=0, whole=True)
        self.anneal_strategy = choice("SWALR()", "anneal_strategy", anneal_strategy, ("cos", "linear"))
        super().__init__(optimizer, last_epoch)

    def _join(self, i: int, group: dict[str, Any], fresh: bool) -> None:
        super()._join(i, group, fresh)
        group["swa_lr"] = self.swa_lrs[i]

    def factor_at(self, epoch: float) -> float:
        done = min(1.0, epoch / self.anneal_epochs) if self.anneal_epochs else 1.0
        return 1 - done if self.anneal_strategy == "linear" else (1 + math.cos(math.pi * done)) / 2

    def floor_of(self, group: Mapping[str, Any]) -> float:
        swa_lr: float = group["swa_lr"]
        return swa_lr

    def _next(self, lr: float, base: float, floor: float, before: float, now: float) -> float:
        return super()._next(lr, base, floor, before, now) if now else floor
