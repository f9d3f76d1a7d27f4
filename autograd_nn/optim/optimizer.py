"""The base of optimizers: parameter groups, state, and the loop; a subclass adds the update of one parameter."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from ..engine import Call, Variable, enable_grad, mark_changed
from ..tensor import Tensor

__all__ = ["Optimizer"]

State = dict[str, Any]


class Optimizer:
    """Base class of optimizers.

    Parameters
    ----------
    params : iterable of Tensor, of (name, Tensor), or of dict
        Leaves to update, or parameter groups: dicts with a key ``params`` and settings that override `defaults`.
    defaults : dict
        The settings of groups that do not give their own.

    Attributes
    ----------
    param_groups : list of dict
    state : dict of Tensor to dict
        What the optimizer keeps for each parameter; made at a parameter's first update.

    Notes
    -----
    A subclass defines ``update(array, gradient, state, group)``, which changes one array in place.
    """

    def __init__(self, params: Iterable[Any], defaults: dict[str, Any]):
        self.defaults = defaults
        self.param_groups: list[dict[str, Any]] = []
        self.state: dict[Tensor, State] = {}
        if isinstance(params, Variable):
            raise TypeError(f"{self._name}(): params must be an iterable of tensors or dicts, not one tensor")
        given = list(params)
        if not given:
            raise ValueError(f"{self._name}(): got an empty list of parameters")
        for group in given if isinstance(given[0], dict) else [{"params": given}]:
            self.add_param_group(group)

    @property
    def _name(self) -> str:
        return type(self).__name__

    def update(self, array: np.ndarray, gradient: np.ndarray, state: State, group: dict[str, Any]) -> None:
        """Change `array` in place by its gradient; `state` is kept from step to step and empty at first."""
        raise NotImplementedError(f"{self._name}: define update(array, gradient, state, group)")

    def add_param_group(self, group: dict[str, Any]) -> None:
        """Add parameters with settings of their own.

        Raises
        ------
        TypeError, ValueError
            What is not a leaf tensor, a parameter that is in another group, unknown settings, settings out of range.
        """
        group = dict(group)
        given = group["params"]
        given = [given] if isinstance(given, Variable) else list(given)
        named = [item if isinstance(item, tuple) else (None, item) for item in given]
        for _, p in named:
            if not isinstance(p, Tensor):
                raise TypeError(f"{self._name}(): can only optimize tensors, got {type(p).__name__}")
            if isinstance(p.node, Call):
                raise ValueError(f"{self._name}(): can only optimize leaves; got the result of {p.node.primitive.name}()")
        unique = list({id(p): (name, p) for name, p in named}.values())
        if len(unique) < len(named):
            warnings.warn(f"{self._name}(): a parameter appears twice in a group; it is updated once", stacklevel=3)
        known = {id(p) for other in self.param_groups for p in other["params"]}
        if any(id(p) in known for _, p in unique):
            raise ValueError(f"{self._name}(): a parameter appears in more than one group")
        unknown = set(group) - set(self.defaults) - {"params", "initial_lr"}
        if unknown:
            raise ValueError(f"{self._name}(): unknown settings {sorted(unknown)}; it has {sorted(self.defaults)}")
        group["params"] = [p for _, p in unique]
        if any(name is not None for name, _ in unique):
            group["param_names"] = [name for name, _ in unique]
        group = {**self.defaults, **group}
        self.check(group)
        self.param_groups.append(group)

    def check(self, group: dict[str, Any]) -> None:
        """Raise ValueError where a setting is out of range."""
        self._at_least(group, 0, "lr", "weight_decay", "eps")

    def _at_least(self, group: dict[str, Any], least: float, *names: str) -> None:
        for name in names:
            if name in group and not group[name] >= least:
                raise ValueError(f"{self._name}(): {name} must be at least {least} ({name}={group[name]})")

    def _within(self, name: str, value: float) -> None:
        if not 0 <= value < 1:
            raise ValueError(f"{self._name}(): {name} must be from 0 to below 1 ({name}={value})")

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Take the gradients away, or set them to 0 where they exist."""
        for group in self.param_groups:
            for p in group["params"]:
                node = p.node
                if node is not None and node.grad is not None:
                    if set_to_none:
                        node.grad = None
                    else:
                        p.grad = Tensor(np.zeros_like(p.data))

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update every parameter that has a gradient; return what `closure` returns, called before.

        Parameters
        ----------
        closure : callable, optional
            Computes the loss and its gradients again.
        """
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        for group in self.param_groups:
            for p in group["params"]:
                node = p.node
                if node is None or node.grad is None:
                    continue
                state = self.state.get(p)
                if state is None:
                    state = self.state[p] = {}
                self.update(p._data, node.grad._data, state, group)
                mark_changed(p._data)
        return loss

    # ------------------------------------------------------------------------------------ state

    def state_dict(self) -> dict[str, Any]:
        """Return settings and state as plain values and arrays, parameters by their position."""
        positions: dict[int, int] = {}
        groups = []
        for group in self.param_groups:
            for p in group["params"]:
                positions[id(p)] = len(positions)
            groups.append({**copy.deepcopy({k: v for k, v in group.items() if k != "params"}),
                           "params": [positions[id(p)] for p in group["params"]]})
        state = {positions[id(p)]: {name: _copied(value) for name, value in values.items()}
                 for p, values in self.state.items()}
        return {"state": state, "param_groups": groups}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue from what `state_dict` returned.

        Raises
        ------
        ValueError
            Groups, numbers of parameters or shapes that differ; nothing is changed then.
        """
        groups = state_dict["param_groups"]
        sizes = [len(group["params"]) for group in groups]
        own = [len(group["params"]) for group in self.param_groups]
        if sizes != own:
            raise ValueError(f"{self._name}.load_state_dict(): the parameter groups have {sizes} parameters, here {own}")
        parameters = [p for group in self.param_groups for p in group["params"]]
        order = [position for group in groups for position in group["params"]]
        by_position = dict(zip(order, parameters))
        for position, values in state_dict["state"].items():
            p = by_position[position]
            for name, value in values.items():
                if isinstance(value, np.ndarray | Tensor) and value.ndim and value.shape != p.shape:
                    raise ValueError(f"{self._name}.load_state_dict(): {name} of parameter {position} has shape "
                                     f"{value.shape}, the parameter {p.shape}")
        for group, other in zip(self.param_groups, groups):
            group.update(copy.deepcopy({k: v for k, v in other.items() if k != "params"}))
        self.state = {by_position[position]: {name: _copied(value) for name, value in values.items()}
                      for position, values in state_dict["state"].items()}

    def __repr__(self) -> str:
        lines = [f"{self._name} ("]
        for i, group in enumerate(self.param_groups):
            lines.append(f"group {i}: {len(group['params'])} parameters")
            lines += [f"    {name}: {value}" for name, value in sorted(group.items()) if name != "params"]
        return "\n".join([*lines, ")"])


def _copied(value: Any) -> Any:
    return value.data.copy() if isinstance(value, Tensor) else copy.copy(value)
