"""Schedules of the learning rate, in PyTorch's forms.

A schedule sets ``group["lr"]`` of every parameter group when it is made and at each `step`, to be called after the
optimizer's. Most compute the next learning rate from the present one, so that several can act on one optimizer and so
that changes made by hand last; those that have a closed form of the epoch use it in ``step(epoch)``.
"""

from __future__ import annotations

import math
import types
import warnings
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from .optimizer import Optimizer

__all__ = [
    "SWALR",
    "ChainedScheduler",
    "ConstantLR",
    "CosineAnnealingLR",
    "CosineAnnealingWarmRestarts",
    "CyclicLR",
    "ExponentialLR",
    "LRScheduler",
    "LambdaLR",
    "LinearLR",
    "MultiStepLR",
    "MultiplicativeLR",
    "OneCycleLR",
    "PolynomialLR",
    "ReduceLROnPlateau",
    "SequentialLR",
    "StepLR",
]

Factor = Callable[[int], float]


class LRScheduler:
    """Base class of schedules; a subclass defines `get_lr`.

    Parameters
    ----------
    optimizer : Optimizer
    last_epoch : int
        -1 starts from the optimizer's learning rates; another number continues after that epoch, which needs
        'initial_lr' in the optimizer's groups.

    Attributes
    ----------
    last_epoch : int
        How often `step` was called.
    base_lrs : list of float
        The learning rates that the schedule started from.
    """

    _not_saved: tuple[str, ...] = ("optimizer", "_starting")

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1):
        self.optimizer = _checked_optimizer(optimizer, self)
        for i, group in enumerate(optimizer.param_groups):
            if last_epoch == -1:
                group.setdefault("initial_lr", group["lr"])
            elif "initial_lr" not in group:
                raise KeyError(f"{type(self).__name__}(): last_epoch={last_epoch} continues a schedule, but parameter "
                               f"group {i} has no 'initial_lr' (load the optimizer's state first)")
        self.base_lrs = [group["initial_lr"] for group in optimizer.param_groups]
        self.last_epoch = last_epoch
        self._start()

    def _start(self) -> None:
        self._step_count = 0
        self._starting = True
        self.step()
        self._starting = False

    def get_lr(self) -> list[float]:
        """Return the learning rate of each group at epoch `last_epoch`, from those that the groups have now."""
        raise NotImplementedError(f"{type(self).__name__}.get_lr() is not defined")

    def get_last_lr(self) -> list[float]:
        """Return the learning rate of each group that the last `step` set."""
        return self._last_lr

    def step(self, epoch: float | None = None) -> None:
        """Set the learning rates of the next epoch, or of the given one.

        Parameters
        ----------
        epoch : int, optional
            Jump there, by the closed form where the schedule has one.

        Warns
        -----
        UserWarning
            Before the first step of the optimizer: the first learning rate would not be used.
        """
        if self._step_count == 1 and not self.optimizer.stepped and type(self.optimizer).step is Optimizer.step:
            warnings.warn(f"{type(self).__name__}.step() was called before optimizer.step(), which skips the first "
                          "learning rate of the schedule; call it after", stacklevel=2)
        self._step_count += 1
        self._advance(epoch)

    def _advance(self, epoch: Any = None) -> None:
        self.last_epoch = self.last_epoch + 1 if epoch is None else epoch
        closed_form = getattr(self, "_get_closed_form_lr", None)
        self._set(self.get_lr() if epoch is None or closed_form is None else closed_form())

    def _present(self) -> list[float]:
        return [group["lr"] for group in self.optimizer.param_groups]

    def _set(self, rates: Iterable[float]) -> None:
        for group, lr in zip(self.optimizer.param_groups, rates, strict=True):
            group["lr"] = lr
        self._last_lr = self._present()

    # -------------------------------------------------------------------------------- saving and loading

    def state_dict(self) -> dict[str, Any]:
        """Return all that the schedule keeps, apart from the optimizer and from functions."""
        return {key: _saved(value) for key, value in self.__dict__.items() if key not in self._not_saved}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue from what `state_dict` returned.

        Raises
        ------
        ValueError
            A state without some of the entries that this schedule has.
        """
        own = {key: value for key, value in self.__dict__.items() if key not in self._not_saved}
        missing = sorted(own.keys() - state_dict.keys())
        if missing:
            raise ValueError(f"{type(self).__name__}.load_state_dict(): the state has no {', '.join(missing)}; "
                             "is it of another schedule?")
        for key, value in own.items():
            setattr(self, key, _loaded(value, state_dict[key]))


def _saved(value: Any) -> Any:
    """Return what can be saved of an attribute: of schedules their states, of callable objects their attributes."""
    if isinstance(value, LRScheduler):
        return value.state_dict()
    if isinstance(value, types.FunctionType | types.MethodType | types.BuiltinFunctionType | type):
        return None
    if callable(value):
        return dict(getattr(value, "__dict__", {}))
    return [_saved(item) for item in value] if isinstance(value, list) else value


def _loaded(own: Any, saved: Any) -> Any:
    if isinstance(own, LRScheduler):
        own.load_state_dict(saved)
        return own
    if callable(own):
        if saved:
            own.__dict__.update(saved)
        return own
    if isinstance(own, list) and isinstance(saved, list | tuple):
        if len(own) == len(saved):
            return [_loaded(mine, theirs) for mine, theirs in zip(own, saved)]
        return list(saved)
    return saved


def _checked_optimizer(optimizer: Any, schedule: object) -> Optimizer:
    if not isinstance(optimizer, Optimizer):
        raise TypeError(f"{type(schedule).__name__}(): optimizer must be an Optimizer, not {type(optimizer).__name__}")
    return optimizer


def _for_each_group(value: Any, name: str, optimizer: Optimizer, schedule: object) -> list[Any]:
    """Return one value per parameter group, from one for all or a list."""
    n = len(optimizer.param_groups)
    if not isinstance(value, list | tuple):
        return [value] * n
    if len(value) != n:
        raise ValueError(f"{type(schedule).__name__}(): {name} must be one value or one per parameter group "
                         f"({len(value)} values, {n} groups)")
    return list(value)


def _require(holds: bool, schedule: object, rule: str, **values: Any) -> None:
    if not holds:
        found = ", ".join(f"{name}={value!r}" for name, value in values.items())
        raise ValueError(f"{type(schedule).__name__}(): {rule} ({found})")


def _is_positive_integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


# ------------------------------------------------------------------------------------------- factors


class LambdaLR(LRScheduler):
    """``lr = initial_lr * lr_lambda(epoch)``.

    Parameters
    ----------
    optimizer : Optimizer
    lr_lambda : callable or list of callable
        One for all parameter groups or one for each. Of objects the attributes are saved, of functions nothing.
    last_epoch : int
    """

    def __init__(self, optimizer: Optimizer, lr_lambda: Factor | list[Factor], last_epoch: int = -1):
        self.lr_lambdas = _checked_functions(lr_lambda, optimizer, self)
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
    """

    def __init__(self, optimizer: Optimizer, lr_lambda: Factor | list[Factor], last_epoch: int = -1):
        self.lr_lambdas = _checked_functions(lr_lambda, optimizer, self)
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        if self._starting:
            return self._present()
        return [lr * factor(self.last_epoch) for lr, factor in zip(self._present(), self.lr_lambdas)]


def _checked_functions(given: Any, optimizer: Any, schedule: object) -> list[Any]:
    functions = _for_each_group(given, "lr_lambda", _checked_optimizer(optimizer, schedule), schedule)
    for function in functions:
        if not callable(function):
            raise TypeError(f"{type(schedule).__name__}(): lr_lambda must be a function of the epoch, "
                            f"not {type(function).__name__}")
    return functions


class StepLR(LRScheduler):
    """``lr *= gamma`` every `step_size` epochs.

    Parameters
    ----------
    optimizer : Optimizer
    step_size : int
    gamma : float
    last_epoch : int
    """

    def __init__(self, optimizer: Optimizer, step_size: int, gamma: float = 0.1, last_epoch: int = -1):
        _require(step_size > 0, self, "step_size must be above 0", step_size=step_size)
        self.step_size, self.gamma = step_size, gamma
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        if self.last_epoch == 0 or self.last_epoch % self.step_size != 0:
            return self._present()
        return [lr * self.gamma for lr in self._present()]

    def _get_closed_form_lr(self) -> list[float]:
        return [base * self.gamma ** (self.last_epoch // self.step_size) for base in self.base_lrs]


class MultiStepLR(LRScheduler):
    """``lr *= gamma`` at each of the `milestones`.

    Parameters
    ----------
    optimizer : Optimizer
    milestones : iterable of int
        Epochs, in any order; one that is listed twice counts twice.
    gamma : float
    last_epoch : int
    """

    def __init__(self, optimizer: Optimizer, milestones: Iterable[int], gamma: float = 0.1, last_epoch: int = -1):
        self.milestones = Counter(milestones)
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        if self.last_epoch not in self.milestones:
            return self._present()
        return [lr * self.gamma ** self.milestones[self.last_epoch] for lr in self._present()]

    def _get_closed_form_lr(self) -> list[float]:
        passed = bisect_right(sorted(self.milestones.elements()), self.last_epoch)
        return [base * self.gamma**passed for base in self.base_lrs]

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        super().load_state_dict(state_dict)
        self.milestones = Counter({int(epoch): count for epoch, count in self.milestones.items()})


class ConstantLR(LRScheduler):
    """``lr = initial_lr * factor`` for `total_iters` epochs, then ``initial_lr``.

    Parameters
    ----------
    optimizer : Optimizer
    factor : float
        In (0, 1].
    total_iters : int
    last_epoch : int
    """

    def __init__(self, optimizer: Optimizer, factor: float = 1.0 / 3, total_iters: int = 5, last_epoch: int = -1):
        _require(0 < factor <= 1, self, "factor must be above 0 and at most 1", factor=factor)
        self.factor, self.total_iters = factor, total_iters
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        if self.last_epoch == 0:
            return [lr * self.factor for lr in self._present()]
        if self.last_epoch != self.total_iters:
            return self._present()
        return [lr * (1.0 / self.factor) for lr in self._present()]

    def _get_closed_form_lr(self) -> list[float]:
        factor = 1.0 if self.last_epoch >= self.total_iters else self.factor
        return [base * factor for base in self.base_lrs]


class LinearLR(LRScheduler):
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
    """

    def __init__(
        self,
        optimizer: Optimizer,
        start_factor: float = 1.0 / 3,
        end_factor: float = 1.0,
        total_iters: int = 5,
        last_epoch: int = -1,
    ):
        _require(0 < start_factor <= 1, self, "start_factor must be above 0 and at most 1", start_factor=start_factor)
        _require(0 <= end_factor <= 1, self, "end_factor must be between 0 and 1", end_factor=end_factor)
        _require(total_iters > 0, self, "total_iters must be above 0", total_iters=total_iters)
        self.start_factor, self.end_factor, self.total_iters = start_factor, end_factor, total_iters
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        if self.last_epoch == 0:
            return [lr * self.start_factor for lr in self._present()]
        if self._starting or self.last_epoch > self.total_iters:
            return self._present()
        rise = self.end_factor - self.start_factor
        factor = 1.0 + rise / (self.total_iters * self.start_factor + (self.last_epoch - 1) * rise)
        return [lr * factor for lr in self._present()]

    def _get_closed_form_lr(self) -> list[float]:
        done = min(self.total_iters, self.last_epoch) / self.total_iters
        return [base * (self.start_factor + (self.end_factor - self.start_factor) * done) for base in self.base_lrs]


class ExponentialLR(LRScheduler):
    """``lr *= gamma`` every epoch.

    Parameters
    ----------
    optimizer : Optimizer
    gamma : float
    last_epoch : int
    """

    def __init__(self, optimizer: Optimizer, gamma: float, last_epoch: int = -1):
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        return self._present() if self._starting else [lr * self.gamma for lr in self._present()]

    def _get_closed_form_lr(self) -> list[float]:
        return [base * self.gamma**self.last_epoch for base in self.base_lrs]


class PolynomialLR(LRScheduler):
    """``lr = initial_lr * (1 - epoch / total_iters)**power``, and 0 from there on.

    Parameters
    ----------
    optimizer : Optimizer
    total_iters : int
    power : float
    last_epoch : int
    """

    def __init__(self, optimizer: Optimizer, total_iters: int = 5, power: float = 1.0, last_epoch: int = -1):
        _require(total_iters > 0, self, "total_iters must be above 0", total_iters=total_iters)
        self.total_iters, self.power = total_iters, power
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        if self._starting or self.last_epoch > self.total_iters:
            return self._present()
        left, before = (1.0 - epoch / self.total_iters for epoch in (self.last_epoch, self.last_epoch - 1))
        return [lr * (left / before) ** self.power for lr in self._present()]

    def _get_closed_form_lr(self) -> list[float]:
        left = 1.0 - min(self.total_iters, self.last_epoch) / self.total_iters
        return [base * left**self.power for base in self.base_lrs]


# ------------------------------------------------------------------------------------------- waves


class CosineAnnealingLR(LRScheduler):
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
    """

    def __init__(self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0, last_epoch: int = -1):
        _require(T_max > 0, self, "T_max must be above 0", T_max=T_max)
        self.T_max, self.eta_min = T_max, eta_min
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        epoch, T_max, eta_min = self.last_epoch, self.T_max, self.eta_min
        if self._starting:
            return self._present()
        if self._step_count == 1 and epoch > 0:
            return self._get_closed_form_lr()
        if (epoch - 1 - T_max) % (2 * T_max) == 0:
            rise = (1 - math.cos(math.pi / T_max)) / 2
            return [lr + (base - eta_min) * rise for lr, base in zip(self._present(), self.base_lrs)]
        factor = (1 + math.cos(math.pi * epoch / T_max)) / (1 + math.cos(math.pi * (epoch - 1) / T_max))
        return [factor * (lr - eta_min) + eta_min for lr in self._present()]

    def _get_closed_form_lr(self) -> list[float]:
        height = (1 + math.cos(math.pi * self.last_epoch / self.T_max)) / 2
        return [self.eta_min + (base - self.eta_min) * height for base in self.base_lrs]


class CosineAnnealingWarmRestarts(LRScheduler):
    """Half cosine waves from ``initial_lr`` down to `eta_min`, each `T_mult` times as long as the one before.

    Parameters
    ----------
    optimizer : Optimizer
    T_0 : int
        Epochs of the first wave.
    T_mult : int
    eta_min : float
    last_epoch : int

    References
    ----------
    I. Loshchilov and F. Hutter, "SGDR: stochastic gradient descent with warm restarts", ICLR 2017.
    """

    def __init__(self, optimizer: Optimizer, T_0: int, T_mult: int = 1, eta_min: float = 0.0, last_epoch: int = -1):
        _require(_is_positive_integer(T_0), self, "T_0 must be an integer above 0", T_0=T_0)
        _require(_is_positive_integer(T_mult), self, "T_mult must be an integer above 0", T_mult=T_mult)
        self.T_0 = self.T_i = T_0
        self.T_mult, self.eta_min = T_mult, eta_min
        self.T_cur: float = last_epoch
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        height = (1 + math.cos(math.pi * self.T_cur / self.T_i)) / 2
        return [self.eta_min + (base - self.eta_min) * height for base in self.base_lrs]

    def step(self, epoch: float | None = None) -> None:
        """Set the learning rates of the next epoch, or of the given one, which may be a fraction."""
        if epoch is None and self.last_epoch < 0:
            epoch = 0
        if epoch is None:
            epoch = self.last_epoch + 1
            self.T_cur += 1
            if self.T_cur >= self.T_i:
                self.T_cur %= self.T_i
                self.T_i *= self.T_mult
        elif epoch < 0:
            raise ValueError(f"CosineAnnealingWarmRestarts.step(): epoch must be at least 0 (epoch={epoch})")
        elif epoch < self.T_0:
            self.T_i, self.T_cur = self.T_0, epoch
        elif self.T_mult == 1:
            self.T_cur = epoch % self.T_0
        else:
            n = int(math.log(epoch / self.T_0 * (self.T_mult - 1) + 1, self.T_mult))
            self.T_cur = epoch - self.T_0 * (self.T_mult**n - 1) / (self.T_mult - 1)
            self.T_i = self.T_0 * self.T_mult**n
        self._step_count += 1
        self.last_epoch = math.floor(epoch)
        self._set(self.get_lr())


def _momentum_name(optimizer: Optimizer, schedule: object) -> str:
    for name in ("betas", "momentum"):
        if name in optimizer.defaults:
            return name
    raise ValueError(f"{type(schedule).__name__}(): cycle_momentum=True needs an optimizer with momentum or betas, "
                     f"not {type(optimizer).__name__}")


def _set_momentum(group: dict[str, Any], value: float) -> None:
    if "betas" in group:
        group["betas"] = (value, *group["betas"][1:])
    else:
        group["momentum"] = value


def _start_momentum(optimizer: Optimizer, base: list[float], largest: list[float]) -> None:
    for group, low, high in zip(optimizer.param_groups, base, largest):
        _set_momentum(group, high)
        group["max_momentum"], group["base_momentum"] = high, low


class CyclicLR(LRScheduler):
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
    """

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
        _checked_optimizer(optimizer, self)
        _require(scale_fn is not None or mode in ("triangular", "triangular2", "exp_range"), self,
                 "mode must be 'triangular', 'triangular2' or 'exp_range'", mode=mode)
        _require(step_size_up > 0, self, "step_size_up must be above 0", step_size_up=step_size_up)
        base_lrs = _for_each_group(base_lr, "base_lr", optimizer, self)
        self.max_lrs = _for_each_group(max_lr, "max_lr", optimizer, self)
        down = step_size_up if step_size_down is None else step_size_down
        self.total_size = float(step_size_up + down)
        self.step_ratio = step_size_up / self.total_size
        self.mode, self.gamma, self.scale_fn, self.scale_mode = mode, gamma, scale_fn, scale_mode
        self.cycle_momentum = cycle_momentum
        if last_epoch == -1:
            for group, lr in zip(optimizer.param_groups, base_lrs):
                group["lr"] = lr
        if cycle_momentum:
            _momentum_name(optimizer, self)
            self.base_momentums = _for_each_group(base_momentum, "base_momentum", optimizer, self)
            self.max_momentums = _for_each_group(max_momentum, "max_momentum", optimizer, self)
            if last_epoch == -1:
                _start_momentum(optimizer, self.base_momentums, self.max_momentums)
        super().__init__(optimizer, last_epoch)
        self.base_lrs = base_lrs

    def _scale(self, cycle: int) -> float:
        if self.scale_fn is not None:
            return self.scale_fn(cycle if self.scale_mode == "cycle" else self.last_epoch)
        if self.mode == "exp_range":
            return self.gamma**self.last_epoch
        return 1.0 if self.mode == "triangular" else 1 / 2.0 ** (cycle - 1)

    def get_lr(self) -> list[float]:
        cycle = math.floor(1 + self.last_epoch / self.total_size)
        x = 1.0 + self.last_epoch / self.total_size - cycle
        height = x / self.step_ratio if x <= self.step_ratio else (x - 1) / (self.step_ratio - 1)
        scale = self._scale(cycle)
        if self.cycle_momentum:
            for group, low, high in zip(self.optimizer.param_groups, self.base_momentums, self.max_momentums):
                _set_momentum(group, high - (high - low) * height * scale)
        return [low + (high - low) * height * scale for low, high in zip(self.base_lrs, self.max_lrs)]


class OneCycleLR(LRScheduler):
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
    """

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
        _checked_optimizer(optimizer, self)
        if total_steps is None:
            _require(_is_positive_integer(epochs) and _is_positive_integer(steps_per_epoch), self,
                     "needs total_steps, or epochs and steps_per_epoch, as integers above 0",
                     epochs=epochs, steps_per_epoch=steps_per_epoch)
            total_steps = epochs * steps_per_epoch  # type: ignore[operator]
        _require(_is_positive_integer(total_steps), self, "total_steps must be an integer above 0",
                 total_steps=total_steps)
        _require(0 <= pct_start <= 1, self, "pct_start must be between 0 and 1", pct_start=pct_start)
        _require(anneal_strategy in ("cos", "linear"), self, "anneal_strategy must be 'cos' or 'linear'",
                 anneal_strategy=anneal_strategy)
        self.total_steps, self.anneal_strategy, self.cycle_momentum = total_steps, anneal_strategy, cycle_momentum
        top = float(pct_start * total_steps) - 1
        up: list[Any] = [top, "initial_lr", "max_lr", "max_momentum", "base_momentum"]
        end = float(total_steps - 1)
        if three_phase:
            middle = 2 * float(pct_start * total_steps) - 2
            back: list[Any] = [middle, "max_lr", "initial_lr", "base_momentum", "max_momentum"]
            self.phases = [up, back, [end, "initial_lr", "min_lr", "max_momentum", "max_momentum"]]
        else:
            self.phases = [up, [end, "max_lr", "min_lr", "base_momentum", "max_momentum"]]
        largest = _for_each_group(max_lr, "max_lr", optimizer, self)
        if last_epoch == -1:
            for group, lr in zip(optimizer.param_groups, largest):
                group["initial_lr"] = lr / div_factor
                group["max_lr"] = lr
                group["min_lr"] = group["initial_lr"] / final_div_factor
        if cycle_momentum:
            _momentum_name(optimizer, self)
            base = _for_each_group(base_momentum, "base_momentum", optimizer, self)
            high = _for_each_group(max_momentum, "max_momentum", optimizer, self)
            if last_epoch == -1:
                _start_momentum(optimizer, base, high)
        super().__init__(optimizer, last_epoch)

    def _between(self, start: float, end: float, done: float) -> float:
        if self.anneal_strategy == "linear":
            return (end - start) * done + start
        return end + (start - end) / 2.0 * (math.cos(math.pi * done) + 1)

    def get_lr(self) -> list[float]:
        step, first = self.last_epoch, 0.0
        if step > self.total_steps:
            raise ValueError(f"OneCycleLR.step(): was called {step} times, but the cycle has {self.total_steps} steps")
        for phase in self.phases[:-1]:
            if step <= phase[0]:
                break
            first = phase[0]
        else:
            phase = self.phases[-1]
        last, lr_from, lr_to, momentum_from, momentum_to = phase
        done = (step - first) / (last - first) if last != first else 1.0
        if self.cycle_momentum:
            for group in self.optimizer.param_groups:
                _set_momentum(group, self._between(group[momentum_from], group[momentum_to], done))
        return [self._between(group[lr_from], group[lr_to], done) for group in self.optimizer.param_groups]


class SWALR(LRScheduler):
    """From the present learning rate to `swa_lr` in `anneal_epochs` epochs, constant from there on.

    Parameters
    ----------
    optimizer : Optimizer
    swa_lr : float or list of float
        For all parameter groups or for each.
    anneal_epochs : int
    anneal_strategy : {'cos', 'linear'}
    last_epoch : int
    """

    def __init__(
        self,
        optimizer: Optimizer,
        swa_lr: float | list[float],
        anneal_epochs: int = 10,
        anneal_strategy: str = "cos",
        last_epoch: int = -1,
    ):
        rates = _for_each_group(swa_lr, "swa_lr", _checked_optimizer(optimizer, self), self)
        _require(anneal_strategy in ("cos", "linear"), self, "anneal_strategy must be 'cos' or 'linear'",
                 anneal_strategy=anneal_strategy)
        _require(isinstance(anneal_epochs, int) and anneal_epochs >= 0, self,
                 "anneal_epochs must be an integer of at least 0", anneal_epochs=anneal_epochs)
        for group, rate in zip(optimizer.param_groups, rates):
            group["swa_lr"] = rate
        self.anneal_epochs, self.anneal_strategy = anneal_epochs, anneal_strategy
        super().__init__(optimizer, last_epoch)

    def _done(self, step: int) -> float:
        part = max(0.0, min(1.0, step / max(1, self.anneal_epochs)))
        return part if self.anneal_strategy == "linear" else (1 - math.cos(math.pi * part)) / 2

    def get_lr(self) -> list[float]:
        step = self._step_count - 1 if self.anneal_epochs else max(1, self._step_count - 1)
        before, now = self._done(step - 1), self._done(step)
        rates = []
        for group in self.optimizer.param_groups:
            lr, goal = group["lr"], group["swa_lr"]
            start = goal if before == 1 else (lr - before * goal) / (1 - before)
            rates.append(goal * now + start * (1 - now))
        return rates


# ------------------------------------------------------------------------------------------- by a metric


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
    """

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
        _require(factor < 1, self, "factor must be below 1", factor=factor)
        _require(mode in ("min", "max"), self, "mode must be 'min' or 'max'", mode=mode)
        _require(threshold_mode in ("rel", "abs"), self, "threshold_mode must be 'rel' or 'abs'",
                 threshold_mode=threshold_mode)
        self.optimizer = _checked_optimizer(optimizer, self)
        self.mode, self.factor, self.patience, self.cooldown, self.eps = mode, factor, patience, cooldown, eps
        self.threshold, self.threshold_mode = threshold, threshold_mode
        self.min_lrs = _for_each_group(min_lr, "min_lr", optimizer, self)
        self.last_epoch = 0
        self._last_lr = self._present()
        self._reset()

    def _reset(self) -> None:
        self.best = math.inf if self.mode == "min" else -math.inf
        self.cooldown_counter = self.num_bad_epochs = 0

    @property
    def in_cooldown(self) -> bool:
        """Whether bad epochs do not count at present."""
        return self.cooldown_counter > 0

    def is_better(self, a: float, best: float) -> bool:
        """Return whether `a` improves on `best` by more than the threshold."""
        sign = -1 if self.mode == "min" else 1
        least = best * (1 + sign * self.threshold) if self.threshold_mode == "rel" else best + sign * self.threshold
        return a < least if self.mode == "min" else a > least

    def step(self, metrics: Any, epoch: int | None = None) -> None:  # type: ignore[override]
        """Take note of the metric after an epoch.

        Parameters
        ----------
        metrics : float or Tensor of one element
        epoch : int, optional
            The epoch's number, where it is not the next.
        """
        current = float(metrics)
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
        for group, least in zip(self.optimizer.param_groups, self.min_lrs, strict=True):
            lr = max(group["lr"] * self.factor, least)
            if group["lr"] - lr > self.eps:
                group["lr"] = lr


# ------------------------------------------------------------------------------------------- combinations


def _checked_schedules(schedulers: Iterable[Any], optimizer: Any, combination: object) -> list[LRScheduler]:
    schedulers = list(schedulers)
    name = type(combination).__name__
    _require(bool(schedulers), combination, "needs at least one scheduler", schedulers=schedulers)
    for i, scheduler in enumerate(schedulers):
        if not isinstance(scheduler, LRScheduler):
            raise TypeError(f"{name}(): scheduler {i} must be an LRScheduler, not {type(scheduler).__name__}")
        if isinstance(scheduler, ReduceLROnPlateau):
            raise ValueError(f"{name}(): scheduler {i} is a ReduceLROnPlateau, whose step() needs a metric")
        if scheduler.optimizer is not (optimizer or schedulers[0].optimizer):
            raise ValueError(f"{name}(): scheduler {i} ({type(scheduler).__name__}) belongs to another optimizer")
    return schedulers


class SequentialLR(LRScheduler):
    """One schedule after the other, each from its own beginning.

    Parameters
    ----------
    optimizer : Optimizer
    schedulers : list of LRScheduler
    milestones : list of int
        The epochs at which the second, the third, ... takes over.
    last_epoch : int
    """

    def __init__(
        self, optimizer: Optimizer, schedulers: list[LRScheduler], milestones: list[int], last_epoch: int = -1
    ):
        self._schedulers = _checked_schedules(schedulers, _checked_optimizer(optimizer, self), self)
        _require(len(milestones) == len(self._schedulers) - 1, self, "needs one milestone less than schedulers",
                 milestones=milestones, schedulers=len(self._schedulers))
        self._milestones = list(milestones)
        self.optimizer = optimizer
        self.last_epoch = last_epoch + 1
        for group in optimizer.param_groups:
            group["lr"] = group["initial_lr"]
        _undo_start(self._schedulers)
        first = self._schedulers[bisect_right(self._milestones, 0)]
        first._start()
        self._last_lr = first.get_last_lr()

    def step(self) -> None:  # type: ignore[override]
        """Set the learning rates of the next epoch."""
        self.last_epoch += 1
        i = bisect_right(self._milestones, self.last_epoch)
        scheduler = self._schedulers[i]
        if i > 0 and self._milestones[i - 1] == self.last_epoch:
            scheduler._advance(0)
        else:
            scheduler.step()
        self._last_lr = scheduler.get_last_lr()


def _undo_start(schedulers: Sequence[Any]) -> None:
    for scheduler in schedulers:
        if isinstance(scheduler, SequentialLR | ChainedScheduler):
            _undo_start(scheduler._schedulers)
        else:
            scheduler.last_epoch -= 1


class ChainedScheduler(LRScheduler):
    """Several schedules at once: each changes what the one before it has set.

    Parameters
    ----------
    schedulers : sequence of LRScheduler
    optimizer : Optimizer, optional
        That of the schedulers.
    """

    def __init__(self, schedulers: Sequence[LRScheduler], optimizer: Optimizer | None = None):
        self._schedulers = _checked_schedules(schedulers, optimizer, self)
        self.optimizer = self._schedulers[0].optimizer
        self._last_lr = self._present()

    def step(self) -> None:  # type: ignore[override]
        """Step all schedules, in their order."""
        for scheduler in self._schedulers:
            scheduler.step()
        self._last_lr = self._present()
