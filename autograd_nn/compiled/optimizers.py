"""Steps of optimizers as kernels: their numbers are slots, which Python sets before each run."""

from __future__ import annotations

import math
from operator import is_
from typing import Any

import numpy as np

from ..kernels import optim as kernels
from ..kernels.compile import threads_for
from ..kernels.machine import Call, Slot
from ..optim import SGD, Adam, AdamW, Optimizer

__all__ = ["Stepping", "can_step"]

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
        self.settings = tuple((name, value) for name, value in group.items() if name not in _LIVE)
        self.params = list(group["params"])
        self.stepping = [p for p in self.params if p.node is not None and p.node.grad is not None]
        self.states = [optimizer.state[p] for p in self.stepping]
        self.kept = [[(name, value) for name, value in state.items() if name != "step"] for state in self.states]
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

    def _calls(self, updates: list[Any]) -> list[Call] | None:
        stepping = [(p, group) for group in self.groups for p in group.stepping]
        if len(updates) != len(stepping):
            return None
        calls = []
        for record, (p, group) in zip(updates, stepping):
            arrays = [x for x in record.inputs if isinstance(x, np.ndarray)]
            is_known = record.primitive.name == ("adam_step" if self.is_adam else "sgd_step")
            if not is_known or record.inputs[0] is not p.array or not all(x.flags.carray for x in arrays):
                return None
            flat = [threads_for(2 * p.array.size), *(x.reshape(-1) for x in arrays)]
            calls.append(self._adam(group, flat) if self.is_adam else self._sgd(group, flat))
        return None if any(len(self._steps(group)) > 1 for group in self.groups) else calls

    @staticmethod
    def _sgd(group: _Group, flat: list[Any]) -> Call:
        settings = group.group
        common = group.rate, group.decay, -1.0 if settings["maximize"] else 1.0
        if not settings["momentum"]:
            return Call(kernels._sgd, (*flat, *common))
        return Call(kernels._sgd_momentum, (*flat, *common, group.momentum,
                                            1.0 - settings["dampening"], bool(settings["nesterov"])))

    @staticmethod
    def _adam(group: _Group, flat: list[Any]) -> Call:
        settings = group.group
        return Call(kernels._amsgrad if settings["amsgrad"] else kernels._adam, (
            *flat, group.rate, group.correction, group.new, group.beta2, group.new2, float(settings["eps"]),
            group.shrink, group.decay, -1.0 if settings["maximize"] else 1.0,
        ))  # fmt: skip

    @staticmethod
    def _steps(group: _Group) -> set[Any]:
        return {state.get("step") for state in group.states}

    def changed(self) -> str | None:
        """Return what of the optimizer changed that its kernels depend on; None where nothing has."""
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
            for key, value in known.settings:
                if held[key] is not value and held[key] != value:
                    return f"{key} of {name}"
            if not self.is_adam and bool(held["momentum"]) is not known.has_momentum:
                return f"momentum of {name}"
            for p, state, kept in zip(known.stepping, known.states, known.kept):
                if state_of(p) is not state:
                    return f"the state of {name}"
                for key, value in kept:
                    if state[key] is not value:
                        return f"the state of {name}"
            if self.is_adam and known.states and len(self._steps(known)) > 1:
                return f"the steps of {name}"
        return None

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
            for state in known.states:
                state["step"] += 1
            if not known.states:
                continue
            step = known.states[0]["step"]
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
            for state in known.states:
                state["step"] -= 1
