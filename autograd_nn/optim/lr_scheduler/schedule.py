"""Schedule: what all have in common: learning rates set at each step, groups that join later, saving and loading.

A schedule sets ``group["lr"]`` of every parameter group when it is made and at each `step`, to be called after the
optimizer's. Most compute the next learning rate from the present one, so that several can act on one optimizer and so
that changes made by hand last (`FactorScheduler`).
"""

from __future__ import annotations

import numbers
import sys
import types
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ...engine import effect
from ...engine.errors import warn
from ..arguments import KeywordsChecked, is_finite, number, plain
from ..optimizer import Optimizer

__all__ = ["FactorScheduler", "LRScheduler", "checked_optimizer"]


class LRScheduler(KeywordsChecked):
    """Base class of schedules; a subclass defines `get_lr`.

    A parameter group that is added to the optimizer later joins at the next step: the learning rate that it has then
    counts as its initial one. Where an argument was given group by group, `step` asks for one more value first.

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

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn import optim
    >>> w = ag.zeros(1, requires_grad=True)
    >>> w.grad = ag.zeros(1)  # as backward() would leave it
    >>> optimizer = optim.SGD([w], lr=1.0)
    >>> schedule = optim.lr_scheduler.StepLR(optimizer, step_size=1)
    >>> isinstance(schedule, optim.lr_scheduler.LRScheduler), schedule.get_last_lr()
    (True, [1.0])
    """

    _not_saved: tuple[str, ...] = ("optimizer", "_is_initial", "_given", "_keys")
    _not_required: tuple[str, ...] = ()  # of what is saved: states of earlier versions do not have it
    _keys: tuple[str, ...] = ("lr", "initial_lr")  # what a schedule reads and sets in groups; saved with its state

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1):
        self.optimizer = checked_optimizer(optimizer, self)
        last_epoch = number(self._call, "last_epoch", last_epoch, low=-1, whole=True)
        for i, group in enumerate(optimizer.param_groups):
            if last_epoch != -1 and "initial_lr" not in group:
                raise KeyError(f"{self._call}: last_epoch={last_epoch} continues a schedule, but parameter "
                               f"group {i} has no 'initial_lr' (load the optimizer's state first)")
        self.base_lrs: list[float] = []
        self.last_epoch = last_epoch
        self._join_groups(fresh=last_epoch == -1)
        self._initial_step()

    @property
    def _call(self) -> str:
        return f"{type(self).__name__}()"

    @property
    def _groups(self) -> list[dict[str, Any]]:
        return self.optimizer.param_groups

    def _initial_step(self) -> None:
        self._step_count = 0
        self._is_initial = True
        self.step()
        self._is_initial = False

    def get_lr(self) -> list[float]:
        """Return the learning rate of each group at epoch `last_epoch`, from those that the groups have now."""
        raise NotImplementedError(f"{type(self).__name__}.get_lr() is not defined")

    def get_last_lr(self) -> list[float]:
        """Return the learning rate of each group that the last `step` set."""
        return self._last_lr

    @effect
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
        if epoch is not None:
            epoch = number(f"{type(self).__name__}.step()", "epoch", epoch, low=0)
        self._warn_before_optimizer()
        self._join_groups(fresh=True)
        self._count_and_advance(epoch)

    def _count_and_advance(self, epoch: Any = None) -> None:
        self._step_count += 1
        self._advance(epoch)

    def _advance(self, epoch: Any = None) -> None:
        """Go to the next epoch, or to the given one, and set its learning rates."""
        before = self.last_epoch
        self.last_epoch = before + 1 if epoch is None else epoch
        closed_form = getattr(self, "_get_closed_form_lr", None)
        try:
            self._set(self.get_lr() if epoch is None or closed_form is None else closed_form())
        except BaseException:
            self.last_epoch = before
            raise

    def _begin(self) -> None:
        """Begin at epoch 0, where another schedule ends."""
        self._advance(0)

    def _warn_before_optimizer(self) -> None:
        if self._step_count == 1 and not self.optimizer.stepped and type(self.optimizer).step is Optimizer.step:
            warn(f"{type(self).__name__}.step() was called before optimizer.step(), which skips the first "
                          "learning rate of the schedule; call it after")

    def _present(self) -> list[float]:
        return [group["lr"] for group in self._groups]

    def _set(self, rates: Iterable[Any]) -> None:
        rates = [plain(lr) for lr in rates]
        for i, lr in enumerate(rates):
            if not isinstance(lr, numbers.Real) or not is_finite(lr):
                raise (ValueError if isinstance(lr, numbers.Real) else TypeError)(
                    f"{type(self).__name__}.step(): learning rates must be finite numbers; at epoch {self.last_epoch} "
                    f"parameter group {i} would get {lr!r}")
        if len(rates) != len(self._groups):
            raise ValueError(f"{type(self).__name__}.get_lr(): must give one learning rate per parameter group "
                             f"({len(rates)} rates, {len(self._groups)} groups)")
        for group, lr in zip(self._groups, rates):
            group["lr"] = lr
        self._last_lr = self._present()

    # -------------------------------------------------------------------------------- parameter groups

    def _for_each_group(
        self, attribute: str, argument: str, value: Any, checked: Callable[[str, str, Any], Any]
    ) -> None:
        """Keep one value per parameter group, from one for all or a list; groups that join later get theirs too."""
        listed = isinstance(value, list | tuple)
        if listed and len(value) != len(self._groups):
            raise ValueError(f"{self._call}: {argument} must be one value or one per parameter group "
                             f"({len(value)} values, {len(self._groups)} groups)")
        values = [checked(self._call, argument, item) for item in (value if listed else [value] * len(self._groups))]
        self.__dict__.setdefault("_given", {})[attribute] = argument, None if listed else (values or [value])[0]
        setattr(self, attribute, values)

    def _join_groups(self, fresh: bool) -> None:
        """Take in the parameter groups that were added since the last step; `fresh` ones get their first settings."""
        self._extend_values()
        for group in self._groups[len(self.base_lrs):]:
            self._join(len(self.base_lrs), group, fresh)

    def _extend_values(self) -> None:
        missing = [(attribute, argument, value, len(self._groups) - len(getattr(self, attribute)))
                   for attribute, (argument, value) in self.__dict__.get("_given", {}).items()]
        for attribute, argument, value, n in missing:
            if n > 0 and value is None:
                raise ValueError(f"{type(self).__name__}.step(): a parameter group was added after the schedule was "
                                 f"made, and {argument} was given group by group; append a value for it to "
                                 f"schedule.{attribute} ({len(self._groups) - n} values, {len(self._groups)} groups)")
        for attribute, _, value, n in missing:
            getattr(self, attribute).extend([value] * max(n, 0))

    def _join(self, i: int, group: dict[str, Any], fresh: bool) -> None:
        self.base_lrs.append(group.setdefault("initial_lr", group["lr"]))

    # -------------------------------------------------------------------------------- saving and loading

    def state_dict(self) -> dict[str, Any]:
        """Return all that the schedule keeps, apart from the optimizer and from functions.

        The groups' present learning rates (and momenta, where the schedule moves them) come with it, so that a state
        loads in any order with the optimizer's.
        """
        state = {key: _saved(value) for key, value in self.__dict__.items() if key not in self._not_saved}
        return {**state, "param_groups": [{key: group[key] for key in self._keys if key in group}
                                          for group in self._groups]}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Continue from what `state_dict` returned; the optimizer's learning rates become those of that time.

        Raises
        ------
        ValueError
            A state without some of the entries that this schedule has. Nothing is changed then.
        """
        self._check_state(state_dict)
        for key, value in self._own().items():
            if key in state_dict:
                setattr(self, key, _loaded(value, state_dict[key]))
        self._restore_groups(state_dict)

    def _own(self) -> dict[str, Any]:
        return {key: value for key, value in self.__dict__.items() if key not in self._not_saved}

    def _check_state(self, state_dict: Any) -> None:
        where = f"{type(self).__name__}.load_state_dict()"
        if not isinstance(state_dict, Mapping):
            raise TypeError(f"{where}: the state must be a dict, not {type(state_dict).__name__}")
        missing = sorted(self._own().keys() - state_dict.keys() - set(self._not_required))
        if missing:
            raise ValueError(f"{where}: the state has no {', '.join(missing)}; is it of another schedule?")

    def _restore_groups(self, state_dict: Mapping[str, Any]) -> None:
        saved = state_dict.get("param_groups")
        if saved is None:  # a state of PyTorch, or of a version before 0.2
            saved = [{"lr": lr} for lr in self._last_lr]
        for group, values in zip(self._groups, saved):
            group.update({key: tuple(value) if isinstance(value, list) else value for key, value in values.items()})


class FactorScheduler(LRScheduler):
    """``lr = floor + (initial_lr - floor) * factor_at(epoch)``; a subclass defines `factor_at`.

    A step multiplies what lies above the floor by ``factor_at(epoch) / factor_at(epoch - 1)``; from a factor of 0, by
    which nothing can be divided, it adds ``(initial_lr - floor) * factor_at(epoch)``. A jump, ``step(epoch)``, takes
    the formula as it stands.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn import optim
    >>> class Halving(optim.lr_scheduler.FactorScheduler):
    ...     def factor_at(self, epoch):
    ...         return 0.5**epoch
    >>> w = ag.zeros(1, requires_grad=True)
    >>> w.grad = ag.zeros(1)  # as backward() would leave it
    >>> optimizer = optim.SGD([w], lr=1.0)
    >>> schedule = Halving(optimizer)
    >>> optimizer.step()
    >>> schedule.step()
    >>> schedule.get_last_lr()
    [0.5]
    """

    _moves_when_continued = False  # whether making it with last_epoch >= 0 sets rates; PyTorch's schedules differ there

    def factor_at(self, epoch: float) -> float:
        """Return what the initial learning rate is multiplied by in an epoch."""
        raise NotImplementedError(f"{type(self).__name__}.factor_at() is not defined")

    def floor_of(self, group: Mapping[str, Any]) -> float:
        """Return the part of a group's learning rate that is not multiplied."""
        return 0.0

    def get_lr(self) -> list[float]:
        if self._is_initial and self.last_epoch > 0 and not self._moves_when_continued:
            return self._present()
        now = self.factor_at(self.last_epoch)
        before = self.factor_at(self.last_epoch - 1) if self.last_epoch > 0 else 1.0
        return [self._next(group["lr"], base, self.floor_of(group), before, now)
                for group, base in zip(self._groups, self.base_lrs)]

    def _next(self, lr: float, base: float, floor: float, before: float, now: float) -> float:
        if now == before:
            return lr
        return floor + (lr - floor) * (now / before) if before else lr + (base - floor) * now

    def _get_closed_form_lr(self) -> list[float]:
        now = self.factor_at(self.last_epoch)
        floors = [self.floor_of(group) for group in self._groups]
        return [floor + (base - floor) * now for base, floor in zip(self.base_lrs, floors)]


def power(base: float, exponent: float) -> float:
    """Return ``base**exponent``, the largest number where it would be larger still."""
    try:
        return float(base**exponent)
    except OverflowError:
        return sys.float_info.max


def not_negative(where: str, name: str, value: Any) -> float:
    """Return a number of at least 0, as `number` does."""
    rate: float = number(where, name, value, low=0)
    return rate


def checked_optimizer(optimizer: Any, schedule: object) -> Optimizer:
    """Return the optimizer that a schedule was given, or raise TypeError."""
    if not isinstance(optimizer, Optimizer):
        raise TypeError(f"{type(schedule).__name__}(): optimizer must be an Optimizer, not {type(optimizer).__name__}")
    return optimizer


def _saved(value: Any) -> Any:
    """Return what can be saved of an attribute: of callable objects their attributes, of functions nothing."""
    if isinstance(value, types.FunctionType | types.MethodType | types.BuiltinFunctionType | type):
        return None
    if callable(value):
        return dict(getattr(value, "__dict__", {}))
    return [_saved(item) for item in value] if isinstance(value, list) else value


def _loaded(own: Any, saved: Any) -> Any:
    if callable(own):
        if saved:
            own.__dict__.update(saved)
        return own
    if isinstance(own, list) and isinstance(saved, list | tuple):
        rest = [] if any(map(callable, own)) else saved[len(own):]
        return [*map(_loaded, own, saved), *rest]
    return saved
