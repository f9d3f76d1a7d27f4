"""Steps of optimizers as kernels: their numbers are slots, which Python sets before each run."""

from __future__ import annotations

import math
from itertools import chain
from operator import call, is_
from typing import Any

import numpy as np

from ..kernels import optim as kernels
from ..kernels.addresses import Table
from ..kernels.compile import threads_for
from ..kernels.machine import Call, Slot
from ..optim import SGD, Adam, AdamW, Optimizer
from .structure import getter
from .words import Look, Words, elements_of, has_places

__all__ = ["Stepping", "can_step"]

WIDTHS = {"sgd_steps": 2, "momentum_steps": 3, "adam_steps": 4, "amsgrad_steps": 5}  # arrays of each parameter

# Of a group: what is read anew, or compared apart.
_LIVE = ("lr", "betas", "momentum", "weight_decay", "params", "initial_lr", "param_names")


def can_step(optimizer: Optimizer) -> bool:
    """Return whether a step of an optimizer is updates by kernels, whose numbers are known before it."""
    kind = type(optimizer)
    known = kind in (SGD, Adam, AdamW) and "step" not in vars(optimizer) and "update" not in vars(optimizer)
    return known and not optimizer._pre_hooks and not optimizer._post_hooks and optimizer.stepped


class _Group:
    """A group of parameters, the states of those that step, and the slots of their common numbers."""

    def __init__(self, group: dict[str, Any], optimizer: Any):
        self.group = group
        self.has_momentum = bool(group.get("momentum"))
        self.names = [name for name in group if name not in _LIVE]
        self.settings = getter(self.names)
        self.values = self.settings(group)
        self.params = list(group["params"])
        self.stepping = [p for p in self.params if p.node is not None and p.node.grad is not None]
        self.states = [optimizer.state[p] for p in self.stepping]
        names = [[name for name in state if name != "step"] for state in self.states]
        self.getters = [getter(each) for each in names if each]
        self.holders = [state for state, each in zip(self.states, names) if each]
        self.kept = [*chain.from_iterable(map(call, self.getters, self.holders))]
        self.rate, self.correction, self.shrink, self.decay = Slot(0.0), Slot(0.0), Slot(1.0), Slot(0.0)
        self.momentum, self.new, self.beta2, self.new2 = Slot(0.0), Slot(0.0), Slot(0.0), Slot(0.0)


class Stepping:
    """One step of an optimizer, as kernels.

    Parameters
    ----------
    optimizer : SGD, Adam or AdamW
    updates : list of Computation
        What a step did, on the arrays of the trace.

    Attributes
    ----------
    calls : list of Call or None
        The kernels, on the arrays of the trace; None where they cannot be known.
    """

    def __init__(self, optimizer: Any, updates: list[Any]):
        self.optimizer = optimizer
        self.groups = [_Group(group, optimizer) for group in optimizer.param_groups]
        self.is_adam = isinstance(optimizer, Adam)
        self.calls = self._calls(updates)
        self.words = Words(self._looks()) if has_places() else None

    def _looks(self) -> list[Look]:
        """Return looks at all that `changed` compares but hooks and whether there is momentum."""
        optimizer = self.optimizer
        looks = [Look(vars(optimizer), "param_groups"), Look(vars(optimizer), "state"),
                 *elements_of(optimizer.param_groups)]
        for known in self.groups:
            group = known.group
            looks += [Look(group, name) for name in ("params", *known.names)]
            looks += elements_of(group["params"])
            for p, state in zip(known.stepping, known.states):
                looks += [Look(optimizer.state, p), *(Look(state, name) for name in state if name != "step")]
            if self.is_adam:
                looks += [Look(known.states[0], "step", twin=state) for state in known.states[1:]]
        return looks

    def _calls(self, updates: list[Any]) -> list[Call] | None:
        rows: dict[int, list[np.ndarray]] = {}  # by the id of a parameter's array: its gradient, itself, its states
        for record in updates:
            width = WIDTHS.get(record.primitive.name)
            if width is None:
                return None
            arrays = record.inputs[len(record.primitive.signature.inputs) :]
            rows |= {id(arrays[i + 1]): arrays[i : i + width] for i in range(0, len(arrays), width)}
        if len(rows) != sum(len(group.stepping) for group in self.groups):
            return None
        calls: list[Call] = []
        for group in self.groups:
            if len(self._steps(group)) > 1:
                return None
            by_dtype: dict[Any, list[np.ndarray]] = {}
            for p in group.stepping:
                row = rows.get(id(p.array))
                if row is None or not all(type(x) is np.ndarray and x.flags.carray for x in row):
                    return None
                by_dtype.setdefault(p.array.dtype, []).extend(row)
            for dtype, arrays in by_dtype.items():
                kernel, numbers = self._adam(group) if self.is_adam else self._sgd(group)
                like, known = kernels.LIKE[dtype]
                length = sum(p.array.size for p in group.stepping if p.array.dtype == dtype)
                calls.append(Call(kernel, (threads_for(2 * length), like, Table(arrays), known, *numbers)))
        return calls

    @staticmethod
    def _sgd(group: _Group) -> tuple[Any, tuple[Any, ...]]:
        settings = group.group
        common = group.rate, group.decay, -1.0 if settings["maximize"] else 1.0
        if not settings["momentum"]:
            return kernels._sgd, common
        return kernels._momentum, (*common, group.momentum, 1.0 - settings["dampening"], bool(settings["nesterov"]))

    @staticmethod
    def _adam(group: _Group) -> tuple[Any, tuple[Any, ...]]:
        settings = group.group
        return kernels._amsgrad if settings["amsgrad"] else kernels._adam, (
            group.rate, group.correction, group.new, group.beta2, group.new2, float(settings["eps"]),
            group.shrink, group.decay, -1.0 if settings["maximize"] else 1.0,
        )  # fmt: skip

    @staticmethod
    def _steps(group: _Group) -> set[Any]:
        return {state.get("step") for state in group.states}

    def changed(self) -> str | None:
        """Return what of the optimizer changed that its kernels depend on; None where nothing has."""
        if self.words is None or not self.words.same():
            return self._look()
        optimizer = self.optimizer
        if optimizer._pre_hooks or optimizer._post_hooks:
            return self._look()
        if not self.is_adam:
            for known in self.groups:
                if bool(known.group["momentum"]) is not known.has_momentum:
                    return self._look()
        return None

    def _look(self) -> str | None:
        """Compare by equality; take over values that are other objects but equal."""
        optimizer = self.optimizer
        name = type(optimizer).__name__
        if optimizer._pre_hooks or optimizer._post_hooks:
            return f"the hooks of {name}"
        groups = optimizer.param_groups
        if len(groups) != len(self.groups):
            return f"the groups of {name}"
        state_of = optimizer.state.get
        for held, known in zip(groups, self.groups):
            if held is not known.group or len(held["params"]) != len(known.params) or not all(
                    map(is_, held["params"], known.params)):
                return f"the parameters of {name}"
            try:
                now = known.settings(held)
            except KeyError as error:
                return f"{error.args[0]} of {name}"
            if now != known.values:
                return f"{next(key for key, a, b in zip(known.names, now, known.values) if a != b)} of {name}"
            if not self.is_adam and bool(held["momentum"]) is not known.has_momentum:
                return f"momentum of {name}"
            if not all(map(is_, map(state_of, known.stepping), known.states)):
                return f"the state of {name}"
            try:
                if not all(map(is_, chain.from_iterable(map(call, known.getters, known.holders)), known.kept)):
                    return f"the state of {name}"
            except KeyError:
                return f"the state of {name}"
            if self.is_adam and len(known.states) > 1 and len(self._steps(known)) > 1:
                return f"the steps of {name}"
        if self.words is not None:
            self.words.renew()
        return None

    def described(self) -> str:
        """Return what it updates, in words."""
        count = sum(len(group.stepping) for group in self.groups)
        passes = len(self.calls or ())
        return (f"{type(self.optimizer).__name__} of {count} parameter{'s' if count != 1 else ''} in "
                f"{'one pass' if passes == 1 else f'{passes} passes'}")

    def run(self) -> None:
        """Count a step, and set the numbers of the kernels."""
        for known in self.groups:
            group = known.group
            lr = group["lr"]
            if not self.is_adam:
                known.rate.view[0] = lr
                known.decay.view[0] = group["weight_decay"]
                known.momentum.view[0] = group["momentum"]
                continue
            if not known.states:
                continue
            step = known.states[0]["step"] + 1
            for state in known.states:
                state["step"] = step  # one object
            beta1, beta2 = group["betas"]
            known.rate.view[0] = lr / (1 - beta1**step)
            known.correction.view[0] = 1.0 / math.sqrt(1 - beta2**step)
            known.new.view[0], known.beta2.view[0], known.new2.view[0] = 1 - beta1, beta2, 1 - beta2
            if group["decoupled_weight_decay"]:
                known.shrink.view[0] = 1 - lr * group["weight_decay"]
            else:
                known.decay.view[0] = group["weight_decay"]

    def undo(self) -> None:
        """Count one step less: the kernels did not run."""
        for known in self.groups if self.is_adam else ():
            step = known.states[0]["step"] - 1 if known.states else 0
            for state in known.states:
                state["step"] = step
