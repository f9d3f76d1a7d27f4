"""Optimizer: parameters in groups, their state, and the loop that every optimizer shares."""

from __future__ import annotations

import copy
import difflib
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from ..engine import Variable, enable_grad, mark_changed, wrap
from ..look import mistakes

__all__ = ["Optimizer", "decayed_gradient", "gradient_to_descend"]

_DTYPES = (np.dtype(np.float32), np.dtype(np.float64))

_RANGES: dict[str, tuple[Callable[[Any], bool], str]] = {
    "lr": (lambda x: x >= 0, "at least 0"),
    "eps": (lambda x: x >= 0, "at least 0"),
    "weight_decay": (lambda x: x >= 0, "at least 0"),
    "momentum": (lambda x: x >= 0, "at least 0"),
    "momentum_decay": (lambda x: x >= 0, "at least 0"),
    "lr_decay": (lambda x: x >= 0, "at least 0"),
    "initial_accumulator_value": (lambda x: x >= 0, "at least 0"),
    "alpha": (lambda x: x >= 0, "at least 0"),
    "rho": (lambda x: 0 <= x <= 1, "between 0 and 1"),
    "betas": (lambda x: len(x) == 2 and all(0 <= b < 1 for b in x), "two numbers of [0, 1)"),
    "etas": (lambda x: len(x) == 2 and 0 < x[0] < 1 < x[1], "two numbers with 0 < etas[0] < 1 < etas[1]"),
    "step_sizes": (lambda x: len(x) == 2 and 0 <= x[0] <= x[1], "two numbers with 0 <= step_sizes[0] <= step_sizes[1]"),
}


def gradient_to_descend(p: np.ndarray, g: Any, group: Mapping[str, Any]) -> Any:
    """Return `g`, negated where the group says `maximize`, plus the gradient ``weight_decay * p`` of an L2 penalty.

    Neither `p` nor `g` is changed.
    """
    if group["maximize"]:
        g = -g
    if group["weight_decay"]:
        g = g + group["weight_decay"] * p
    return g


def decayed_gradient(p: np.ndarray, g: Any, group: Mapping[str, Any]) -> Any:
    """Return what `gradient_to_descend` does; if the group says `decoupled_weight_decay`, decay `p` itself instead."""
    if not group["decoupled_weight_decay"]:
        return gradient_to_descend(p, g, group)
    p *= 1 - group["lr"] * group["weight_decay"]
    return -g if group["maximize"] else g


class Optimizer:
    """Base class: holds the parameters and runs `update` for each one that has a gradient.

    A subclass passes its hyper-parameters to ``super().__init__(params, defaults)`` and defines `update`, and
    `init_state` where it keeps something from step to step.

    Parameters
    ----------
    params : iterable of Tensor, of (name, Tensor) or of dict
        What `Module.parameters` or `Module.named_parameters` gives, or parameter groups: dicts with the key 'params'
        and hyper-parameters that differ from the defaults.
    defaults : dict
        Hyper-parameters of the groups that do not set them.
    foreach, fused : bool, optional
        PyTorch's choice between implementations; accepted, there is one here.
    capturable, differentiable : bool
        Must be False.

    Attributes
    ----------
    param_groups : list of dict
        Each with 'params' and all hyper-parameters; changes take effect at the next step.
    state : dict
        For each parameter that was updated what the optimizer keeps of it: tensors and numbers by name.

    Raises
    ------
    ValueError
        No parameters, a tensor that is not a leaf, a parameter in two groups, a hyper-parameter out of its range.
    TypeError
        Something else than tensors of float32 or float64.
    """

    def __init__(
        self,
        params: Iterable[Any],
        defaults: dict[str, Any],
        *,
        foreach: bool | None = None,
        fused: bool | None = None,
        capturable: bool = False,
        differentiable: bool = False,
    ):
        for name, value in (("capturable", capturable), ("differentiable", differentiable)):
            if value:
                raise ValueError(f"{self._name}(): {name}=True is not supported")
        if isinstance(params, Variable) or not isinstance(params, Iterable):
            raise TypeError(f"{self._name}(): params must be an iterable of tensors or dicts, not "
                            f"{type(params).__name__} (for one tensor: [tensor])")
        self.defaults = defaults
        self.state: defaultdict[Any, dict[str, Any]] = defaultdict(dict)
        self.param_groups: list[dict[str, Any]] = []
        self.stepped = False
        self.modes_seen = -1
        groups = list(params)
        if not groups:
            raise ValueError(f"{self._name}(): got an empty list of parameters "
                             "(a generator that was used up, or a model without parameters?)")
        for group in groups if isinstance(groups[0], dict) else [{"params": groups}]:
            self.add_param_group(group)

    @property
    def _name(self) -> str:
        return type(self).__name__

    def __repr__(self) -> str:
        lines = [f"{self._name} ("]
        for i, group in enumerate(self.param_groups):
            lines.append(f"Parameter Group {i}")
            lines += [f"    {key}: {group[key]}" for key in sorted(group) if key not in ("params", "param_names")]
        return "\n".join([*lines, ")"])

    # -------------------------------------------------------------------------------- what a subclass defines

    def init_state(self, p: np.ndarray, group: Mapping[str, Any]) -> dict[str, Any]:
        """Return the state of a parameter before its first update: arrays, numbers, or None for an array to come."""
        return {}

    def update(self, p: np.ndarray, g: np.ndarray, state: dict[str, Any], group: Mapping[str, Any]) -> None:
        """Update one parameter in place.

        Parameters
        ----------
        p, g : ndarray
            Parameter and gradient. `g` is only read, and may have any strides.
        state : dict
            What `init_state` returned, with tensors around the arrays.
        group : mapping
            The hyper-parameters.
        """
        raise NotImplementedError(f"{self._name}.update() is not defined")

    # -------------------------------------------------------------------------------- steps

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update all parameters that have a gradient.

        Parameters
        ----------
        closure : callable, optional
            Computes the loss anew, with its gradients; called first.

        Returns
        -------
        object
            What the closure returned.
        """
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        if not self.stepped:
            self._check_gradients()
        if self.modes_seen != mistakes.modes:
            self.modes_seen = mistakes.modes
            mistakes.check_modes(f"{self._name}.step()", self._parameters())
        if mistakes.grown is not None:
            mistakes.check_grown(p.node.grad for p in self._parameters() if p.node is not None)
        self.stepped = True
        states = self.state
        for group in self.param_groups:
            for p in group["params"]:
                node = p.node
                if node is None or node.grad is None:
                    continue
                state = states.get(p)
                if state is None:
                    state = states[p] = self._new_state(p, group)
                self.update(p.array, node.grad.array, state, group)
                mark_changed(p.array)
        return loss

    def _check_gradients(self) -> None:
        """Warn of parameters without gradient, and note a gradient that is used; asked at the first step only."""
        names = [name for i, group in enumerate(self.param_groups)
                 for name in group.get("param_names", [f"{i}.{j}" for j in range(len(group["params"]))])]
        mistakes.check_gradients(f"{self._name}.step()", list(zip(names, self._parameters())))
        mistakes.note_used([p.grad for p in self._parameters() if p.is_leaf and p.grad is not None])

    def _new_state(self, p: Variable, group: Mapping[str, Any]) -> dict[str, Any]:
        state = self.init_state(p.array, group)
        return {name: wrap(value) if isinstance(value, np.ndarray) else value for name, value in state.items()}

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients of all parameters, or set them to 0."""
        for group in self.param_groups:
            for p in group["params"]:
                if p.node is not None and p.node.grad is not None:
                    p.node.grad = None if set_to_none else wrap(np.zeros_like(p.array))

    # -------------------------------------------------------------------------------- parameter groups

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add parameters with their own hyper-parameters, for instance layers that were frozen until now.

        Parameters
        ----------
        param_group : dict
            'params' (a tensor, or an iterable of tensors or of names and tensors) and hyper-parameters that differ from
            the defaults.
        """
        if not isinstance(param_group, dict):
            raise TypeError(f"{self._name}(): a parameter group must be a dict, not {type(param_group).__name__}")
        if "params" not in param_group:
            raise ValueError(f"{self._name}(): a parameter group needs the key 'params' (keys={sorted(param_group)})")
        for name in param_group.keys() - self.defaults.keys():
            meant = difflib.get_close_matches(name, self.defaults, 1, cutoff=0.85)
            if meant:
                raise ValueError(f"{self._name}(): unknown hyper-parameter {name!r} in a parameter group; "
                                 f"did you mean {meant[0]!r}?")
        group = {**self.defaults, **param_group, **self._named_params(param_group["params"])}
        for name, value in group.items():
            if name in self.defaults and isinstance(value, Variable | np.ndarray | np.generic):
                group[name] = np.asarray(value.array if isinstance(value, Variable) else value).item()
        self.check_group(group)
        self.param_groups.append(group)

    def _named_params(self, params: Any) -> dict[str, Any]:
        """Return the checked parameters of a group, and their names where given."""
        if isinstance(params, Variable):
            params = [params]
        elif isinstance(params, set | frozenset):
            raise TypeError(f"{self._name}(): parameters must come in an order that stays the same; "
                            f"a {type(params).__name__} has none")
        pairs = [p if isinstance(p, tuple) and len(p) == 2 else (None, p) for p in params]
        taken = {id(p) for group in self.param_groups for p in group["params"]}
        unique: dict[int, tuple[Any, Any]] = {}
        for name, p in pairs:
            self._check_parameter(p, f"{name!r}" if name else f"{len(unique)}")
            if id(p) in taken:
                raise ValueError(f"{self._name}(): a parameter of shape {p.shape} is in more than one parameter group")
            unique.setdefault(id(p), (name, p))
        if len(unique) < len(pairs):
            warnings.warn(f"{self._name}(): {len(pairs) - len(unique)} parameters are listed more than once; "
                          "each is updated once per step", stacklevel=5)
        names = [name for name, _ in unique.values()]
        named = {name is not None for name in names} | {"param_names" in group for group in self.param_groups}
        if len(named) > 1:
            raise ValueError(f"{self._name}(): either all parameters come with a name or none")
        group: dict[str, Any] = {"params": [p for _, p in unique.values()]}
        return {**group, "param_names": names} if names and names[0] is not None else group

    def _check_parameter(self, p: Any, label: str) -> None:
        if not isinstance(p, Variable):
            raise TypeError(f"{self._name}(): parameter {label} must be a tensor, not {type(p).__name__}")
        if not p.is_leaf:
            raise ValueError(f"{self._name}(): parameter {label} is not a leaf but the result of "
                             f"{p.origin.primitive.name}() (shape={p.array.shape})")  # type: ignore[union-attr]
        if p.array.dtype not in _DTYPES:
            raise TypeError(f"{self._name}(): parameter {label} must be of float32 or float64 (dtype={p.array.dtype})")

    def check_group(self, group: Mapping[str, Any]) -> None:
        """Raise ValueError where a hyper-parameter of a group is out of its range."""
        for name, (holds, accepted) in _RANGES.items():
            if name in self.defaults:
                try:
                    valid = holds(group[name])
                except TypeError:
                    valid = False
                if not valid:
                    raise ValueError(f"{self._name}(): {name} must be {accepted} ({name}={group[name]!r})")

    # -------------------------------------------------------------------------------- saving and loading

    def state_dict(self) -> dict[str, Any]:
        """Return the state by position of the parameter and the groups' hyper-parameters, laid out as PyTorch does.

        Returns
        -------
        dict
            'state': ``{0: {'step': 3, 'exp_avg': Tensor, ...}, ...}``, and 'param_groups': the groups with positions in
            the place of parameters. The tensors share memory with the optimizer: copy them to keep them.
        """
        position = {id(p): i for i, p in enumerate(self._parameters())}
        groups = [{**group, "params": [position[id(p)] for p in group["params"]]} for group in self.param_groups]
        states = {position[id(p)]: _present(state) for p, state in self.state.items() if _present(state)}
        return {"state": dict(sorted(states.items())), "param_groups": groups}

    def _parameters(self) -> list[Any]:
        return [p for group in self.param_groups for p in group["params"]]

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take over a state that `state_dict` returned; the next step is then the same, to the bit.

        Parameters are matched by name where both sides have names, else by position. Arrays are copied. Where anything
        does not fit, nothing is changed.

        Raises
        ------
        ValueError
            Groups, parameters, names of state or shapes that do not fit: one error lists them all.
        """
        if not isinstance(state_dict, Mapping) or not {"state", "param_groups"} <= state_dict.keys():
            found = sorted(state_dict) if isinstance(state_dict, Mapping) else type(state_dict).__name__
            raise ValueError(f"{self._name}.load_state_dict(): needs the keys 'state' and 'param_groups', got {found}")
        saved_groups = state_dict["param_groups"]
        saved_states = {int(i): state for i, state in state_dict["state"].items()}
        if len(saved_groups) != len(self.param_groups):
            raise ValueError(f"{self._name}.load_state_dict(): the saved state has {len(saved_groups)} parameter "
                             f"groups but the optimizer has {len(self.param_groups)}")
        problems: list[str] = []
        groups: list[dict[str, Any]] = []
        states: defaultdict[Any, dict[str, Any]] = defaultdict(dict)
        for i, (group, saved) in enumerate(zip(self.param_groups, saved_groups)):
            own: dict[str, Any] = {key: group[key] for key in ("params", "param_names") if key in group}
            groups.append({**self.defaults, **copy.deepcopy({**saved, "params": []}), **own})
            self.check_group(groups[-1])
            for label, p, position in _matched(group, saved, i, problems):
                if position in saved_states:
                    states[p] = self._loaded(p, saved_states[position], groups[-1], label, problems)
        if problems:
            raise ValueError(f"{self._name}.load_state_dict(): the saved state does not fit: {'; '.join(problems)}")
        self.param_groups[:] = groups
        self.state = states

    def _loaded(
        self, p: Variable, saved: Mapping[str, Any], group: Mapping[str, Any], label: str, problems: list[str]
    ) -> dict[str, Any]:
        if type(self).step is not Optimizer.step:
            return copy.deepcopy(dict(saved))
        state, saved = self._new_state(p, group), _present(saved)
        needed = _present(state)
        for kind, names in (("missing", needed.keys() - saved.keys()), ("unexpected", saved.keys() - state.keys())):
            if names:
                problems.append(f"{kind} {', '.join(sorted(names))} of parameter {label}")
        for name in state.keys() & saved.keys():
            value, initial = saved[name], state[name]
            if initial is not None and not isinstance(initial, Variable):
                state[name] = type(initial)(value)
            else:
                array = value.array if isinstance(value, Variable) else np.asarray(value)
                if array.shape != p.array.shape:
                    problems.append(f"{name} of parameter {label} has shape {array.shape}, not {p.array.shape}")
                    continue
                state[name] = wrap(np.empty_like(p.array))
                state[name].array[...] = array
        return state


def _present(state: Mapping[str, Any]) -> dict[str, Any]:
    """Return a state without the arrays that are still to come."""
    return {name: value for name, value in state.items() if value is not None}


def _matched(
    group: Mapping[str, Any], saved: Mapping[str, Any], i: int, problems: list[str]
) -> list[tuple[str, Any, int]]:
    """Return label, parameter and saved position of each parameter of a group."""
    params, positions = group["params"], saved["params"]
    if "param_names" in group and "param_names" in saved:
        names, by_name = group["param_names"], dict(zip(saved["param_names"], positions))
        for kind, lost in (("missing", set(names) - by_name.keys()), ("unexpected", by_name.keys() - set(names))):
            if lost:
                problems.append(f"{kind} parameters of group {i}: {', '.join(sorted(lost))}")
        return [(repr(name), p, by_name.get(name, -1)) for name, p in zip(names, params)]
    if len(params) != len(positions):
        problems.append(f"group {i} has {len(params)} parameters but {len(positions)} were saved")
    return [(str(position), p, position) for p, position in zip(params, positions)]
