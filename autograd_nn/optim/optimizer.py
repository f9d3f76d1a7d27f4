"""Optimizer: parameters in groups, their state, and the loop that every optimizer shares."""

from __future__ import annotations

import copy
import difflib
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from ..engine import HookHandle, Variable, check_writable, effect, enable_grad, observers, wrap
from ..engine import state as recording
from ..engine.errors import warn
from ..ops.elementwise import zeros_like
from ..ops.index import copy_into
from ..typing import Array, Tensor
from .arguments import MEANT_IN_GROUPS, KeywordsChecked, flag, function, is_array, number, refuse_module, require

__all__ = ["Optimizer", "decayed_gradient", "gradient_to_descend", "together"]

_DTYPES = (np.dtype(np.float32), np.dtype(np.float64))

Check = Callable[[str, str, Any], Any]  # (function, name, value) -> the value as Python numbers, or an error


def _numbers(**bounds: Any) -> Check:
    return lambda where, name, value: number(where, name, value, **bounds)


def _pair(where: str, name: str, value: Any, rule: str) -> tuple[float, float]:
    """Return two numbers that were given as a tuple, a list or an array."""
    if is_array(value):
        value = value.tolist()
    if not isinstance(value, list | tuple):
        raise TypeError(f"{where}: {name} must be {rule}, not {type(value).__name__} ({name}={value!r})")
    require(len(value) == 2, where, f"{name} must be {rule}", **{name: value})
    first, second = (number(where, f"each of {name}", item) for item in value)
    return first, second


def _betas(where: str, name: str, value: Any) -> tuple[float, float]:
    betas = _pair(where, name, value, "two numbers of [0, 1)")
    require(all(0 <= beta < 1 for beta in betas), where, f"{name} must be two numbers of [0, 1)", **{name: value})
    return betas


def _etas(where: str, name: str, value: Any) -> tuple[float, float]:
    rule = "two numbers with 0 < etas[0] < 1 < etas[1]"
    low, high = _pair(where, name, value, rule)
    require(0 < low < 1 < high, where, f"{name} must be {rule}", **{name: value})
    return low, high


def _step_sizes(where: str, name: str, value: Any) -> tuple[float, float]:
    rule = "two numbers with 0 <= step_sizes[0] <= step_sizes[1]"
    low, high = _pair(where, name, value, rule)
    require(0 <= low <= high, where, f"{name} must be {rule}", **{name: value})
    return low, high


_NOT_NEGATIVE = _numbers(low=0)

HYPERPARAMETERS: dict[str, Check] = {
    **dict.fromkeys(("lr", "eps", "weight_decay", "momentum", "momentum_decay", "lr_decay", "lambd", "t0", "alpha",
                     "initial_accumulator_value", "tolerance_grad", "tolerance_change"), _NOT_NEGATIVE),
    **dict.fromkeys(("nesterov", "maximize", "amsgrad", "centered", "decoupled_weight_decay"), flag),
    **dict.fromkeys(("max_iter", "max_eval", "history_size"), _numbers(low=1, whole=True)),
    "dampening": _numbers(),
    "rho": _numbers(low=0, high=1),
    "betas": _betas,
    "etas": _etas,
    "step_sizes": _step_sizes,
}


def gradient_to_descend(p: Array, g: Array, weight_decay: float, maximize: bool) -> Array:
    """Return `g`, negated if `maximize`, plus the gradient ``weight_decay * p`` of an L2 penalty.

    Neither `p` nor `g` is changed.
    """
    if maximize:
        g = -g
    if weight_decay:
        g = g + weight_decay * p
    return g


def decayed_gradient(p: Array, g: Array, lr: float, weight_decay: float, maximize: bool, decoupled: bool) -> Array:
    """Return what `gradient_to_descend` does; if `decoupled`, decay `p` itself instead."""
    if not decoupled:
        return gradient_to_descend(p, g, weight_decay, maximize)
    p *= 1 - lr * weight_decay
    return -g if maximize else g


def together(update: Callable[..., Any]) -> Callable[[Callable[..., Any]], Any]:
    """Declare that a method ``update_all`` does what ``update`` does for each parameter.

    Where a subclass, an object or a test has another ``update``, that one is called for each parameter.
    """

    def declare(update_all: Any) -> Any:
        update_all.update = update
        return update_all

    return declare


class Optimizer(KeywordsChecked):
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
    foreach, fused, capturable : bool, optional
        PyTorch's choice between implementations; accepted, there is one here.
    differentiable : bool
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

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn import optim
    >>> w = ag.tensor([1.0], requires_grad=True)
    >>> groups = [{"params": [w], "lr": 0.5}]
    >>> optimizer = optim.SGD(groups, lr=0.1)
    >>> optimizer.param_groups[0]["lr"]
    0.5
    """

    hyperparameters: Mapping[str, Check] = HYPERPARAMETERS  # how each is checked, by name

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
        flag(f"{self._name}()", "capturable", capturable)
        if flag(f"{self._name}()", "differentiable", differentiable):
            raise ValueError(f"{self._name}(): differentiable=True is not supported")
        if not isinstance(defaults, dict):
            raise TypeError(f"{self._name}(): defaults must be a dict, not {type(defaults).__name__}")
        refuse_module(f"{self._name}()", "params", params)
        if isinstance(params, Mapping):
            raise TypeError(f"{self._name}(): params must be an iterable of tensors or dicts, not a "
                            f"{type(params).__name__}; pass model.parameters(), or for one group [group]")
        if isinstance(params, Variable) or not isinstance(params, Iterable):
            raise TypeError(f"{self._name}(): params must be an iterable of tensors or dicts, not "
                            f"{type(params).__name__} (for one tensor: [tensor])")
        self.defaults = defaults
        self.state: defaultdict[Any, dict[str, Any]] = defaultdict(dict)
        self.param_groups: list[dict[str, Any]] = []
        self.stepped = False
        self._pre_hooks: dict[int, Any] = {}
        self._post_hooks: dict[int, Any] = {}
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

    def init_state(self, p: Tensor, group: Mapping[str, Any]) -> dict[str, Any]:
        """Return the state of a parameter before its first update: tensors, numbers, or None for a tensor to come."""
        return {}

    def update(self, p: Tensor, g: Tensor, state: dict[str, Any], group: Mapping[str, Any]) -> None:
        """Update one parameter in place; nothing is recorded.

        Parameters
        ----------
        p, g : Tensor
            Parameter and gradient. `g` is only read, and may have any strides.
        state : dict
            What `init_state` returned.
        group : mapping
            The hyper-parameters.
        """
        raise NotImplementedError(f"{self._name}.update() is not defined")

    def update_all(self, params: list[Any], gradients: list[Any], states: list[dict[str, Any]],
                   group: Mapping[str, Any]) -> None:
        """Update the parameters of a group in place: by `update`, one after the other.

        A subclass that can do it in one pass over memory says so with `together`.
        """
        for p, g, state in zip(params, gradients, states):
            self.update(p, g, state, group)

    # -------------------------------------------------------------------------------- steps

    @effect
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

        Raises
        ------
        RuntimeError
            A parameter in memory that cannot be written to; no parameter is changed then.
        """
        if self._pre_hooks:
            closure = self._run_pre_hooks(closure)
        loss = self._loss_of(closure)
        self._begin_step()
        states = self.state
        update_all: Any = type(self).update_all
        update = type(self).update
        if "update" in vars(self) or getattr(update_all, "update", None) is not getattr(update, "__wrapped__", update):
            update_all = Optimizer.update_all
        before = recording.recording
        try:  # a context manager could be interrupted as its end begins, and would put nothing back
            recording.recording = False
            for group in self.param_groups:
                params, gradients, held = [], [], []
                for p in group["params"]:
                    node = p.node
                    if node is None or (g := node.grad) is None:
                        continue
                    state = states.get(p)
                    if state is None:
                        state = states[p] = self._new_state(p, group)
                    params.append(p)
                    gradients.append(g)
                    held.append(state)
                if params:
                    update_all(self, params, gradients, held, group)
        finally:
            recording.recording = before
        for hook in [*self._post_hooks.values()]:
            hook(self, (self, closure), {})
        return loss

    def register_step_pre_hook(self, hook: Callable[..., Any]) -> HookHandle:
        """Call ``hook(optimizer, args, kwargs)`` before each step; it may return other ones, as ``(args, kwargs)``.

        `args` holds the optimizer and the closure. The handle that is returned removes the hook. Copies and pickles of
        the optimizer have no hooks.
        """
        return HookHandle(self._pre_hooks, function(f"{self._name}.register_step_pre_hook()", "hook", hook,
                                                    "optimizer, args and kwargs"))

    def register_step_post_hook(self, hook: Callable[..., Any]) -> HookHandle:
        """Call ``hook(optimizer, args, kwargs)`` after each step; as `register_step_pre_hook`."""
        return HookHandle(self._post_hooks, function(f"{self._name}.register_step_post_hook()", "hook", hook,
                                                     "optimizer, args and kwargs"))

    def _run_pre_hooks(self, closure: Any) -> Any:
        args: tuple[Any, ...] = (self, closure)
        kwargs: dict[str, Any] = {}
        for hook in [*self._pre_hooks.values()]:
            returned = hook(self, args, kwargs)
            if returned is not None:
                if not (isinstance(returned, tuple) and len(returned) == 2):
                    raise TypeError(f"{self._name}.step(): a pre-hook must return None or (args, kwargs), not "
                                    f"{type(returned).__name__}")
                args, kwargs = returned
        return kwargs["closure"] if "closure" in kwargs else args[1] if len(args) > 1 else None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_pre_hooks": {}, "_post_hooks": {}}

    def _loss_of(self, closure: Callable[[], Any] | None) -> Any:
        """Return what a closure returns, which computes the loss and its gradients."""
        if closure is None:
            return None
        function(f"{self._name}.step()", "closure", closure, "no argument that computes the loss and its gradients")
        with enable_grad():
            return closure()

    def _begin_step(self) -> None:
        """Tell the observers of the step, and look for parameters that cannot be changed."""
        for observer in observers:
            observer.step_begins(self)
        if not self.stepped:
            for p in self._parameters():
                if p.node is not None and p.node.grad is not None:
                    check_writable(p.array, f"{self._name}.step(), parameter of shape {tuple(p.shape)}")
        self.stepped = True

    def named_parameters(self) -> list[tuple[str, Any]]:
        """Return all parameters with their names: those they came with, or the places in the groups, as ``'0.1'``."""
        names = [name for i, group in enumerate(self.param_groups)
                 for name in group.get("param_names", [f"{i}.{j}" for j in range(len(group["params"]))])]
        return list(zip(names, self._parameters()))

    def _new_state(self, p: Any, group: Mapping[str, Any]) -> dict[str, Any]:
        state = self.init_state(p, group)
        return {name: wrap(value) if isinstance(value, np.ndarray) else value for name, value in state.items()}

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients of all parameters, or set them to 0."""
        for group in self.param_groups:
            for p in group["params"]:
                if p.node is None or p.node.grad is None:
                    continue
                g = p.node.grad
                if set_to_none:
                    p.node.grad = None
                elif g.requires_grad or not g.array.flags.writeable:
                    p.node.grad = zeros_like(g.detach())
                else:
                    copy_into(g, 0.0)

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
            if MEANT_IN_GROUPS.get(name) in self.defaults:
                meant = [MEANT_IN_GROUPS[name]]
            if meant:
                raise ValueError(f"{self._name}(): unknown hyper-parameter {name!r} in a parameter group; "
                                 f"did you mean {meant[0]!r}?")
        group = {**self.defaults, **param_group}
        self._check(group)
        group.update(self._named_params(param_group["params"]))
        self.param_groups.append(group)

    def _check(self, group: dict[str, Any]) -> None:
        """Replace the hyper-parameters of a group by checked Python numbers."""
        for name, checked in self.hyperparameters.items():
            if name in self.defaults:
                group[name] = checked(f"{self._name}()", name, group[name])
        self.check_group(group)

    def _named_params(self, params: Any) -> dict[str, Any]:
        """Return the checked parameters of a group, and their names where given."""
        refuse_module(f"{self._name}()", "the params of a group", params)
        if isinstance(params, Variable):
            params = [params]
        elif isinstance(params, set | frozenset):
            raise TypeError(f"{self._name}(): parameters must come in an order that stays the same; "
                            f"a {type(params).__name__} has none")
        elif not isinstance(params, Iterable):
            raise TypeError(f"{self._name}(): the params of a group must be a tensor or an iterable of tensors, not "
                            f"{type(params).__name__}")
        pairs = [p if isinstance(p, tuple) and len(p) == 2 else (None, p) for p in params]
        taken = {id(p) for group in self.param_groups for p in group["params"]}
        unique: dict[int, tuple[Any, Any]] = {}
        for name, p in pairs:
            if not isinstance(name, str | None):
                raise TypeError(f"{self._name}(): parameters come as tensors or as (name, tensor), not as "
                                f"({type(name).__name__}, {type(p).__name__})")
            self._check_parameter(p, f"{name!r}" if name else f"{len(unique)}")
            if id(p) in taken:
                raise ValueError(f"{self._name}(): a parameter of shape {p.shape} is in more than one parameter group")
            unique.setdefault(id(p), (name, p))
        if len(unique) < len(pairs):
            warn(f"{self._name}(): {len(pairs) - len(unique)} parameters are listed more than once; "
                          "each is updated once per step")
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
        if (dtype := p.dtype) not in _DTYPES:  # type: ignore[attr-defined]
            raise TypeError(f"{self._name}(): parameter {label} must be of float32 or float64 (dtype={dtype})")

    def check_group(self, group: Mapping[str, Any]) -> None:
        """Raise ValueError where the hyper-parameters of a group, each right by itself, do not go together."""

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
        saved_groups, saved_states = self._checked_state(state_dict)
        if len(saved_groups) != len(self.param_groups):
            raise ValueError(f"{self._name}.load_state_dict(): the saved state has {len(saved_groups)} parameter "
                             f"groups but the optimizer has {len(self.param_groups)} (groups that were added on the "
                             "way must be added first: add_param_group)")
        problems: list[str] = []
        groups: list[dict[str, Any]] = []
        states: defaultdict[Any, dict[str, Any]] = defaultdict(dict)
        for i, (group, saved) in enumerate(zip(self.param_groups, saved_groups)):
            own: dict[str, Any] = {key: group[key] for key in ("params", "param_names") if key in group}
            groups.append({**group, **copy.deepcopy({**saved, "params": []}), **own})
            self._check(groups[-1])
            for label, p, position in _matched(group, saved, i, problems):
                if position in saved_states:
                    states[p] = self._loaded(p, saved_states[position], groups[-1], label, problems)
        if problems:
            raise ValueError(f"{self._name}.load_state_dict(): the saved state does not fit: {'; '.join(problems)}")
        self.param_groups[:] = groups
        self.state = states

    def _checked_state(self, state_dict: Any) -> tuple[list[Mapping[str, Any]], dict[int, Mapping[str, Any]]]:
        """Return the groups and the states of a saved state, after a look at their kinds."""
        where = f"{self._name}.load_state_dict()"
        groups, states = state_dict["param_groups"], state_dict["state"]
        if not isinstance(groups, list | tuple) or not all(isinstance(group, Mapping) for group in groups):
            raise TypeError(f"{where}: 'param_groups' must be a list of dicts")
        for i, group in enumerate(groups):
            if not isinstance(group.get("params"), list | tuple):
                raise ValueError(f"{where}: group {i} has no list 'params' (keys={sorted(group)})")
        if not isinstance(states, Mapping) or not all(isinstance(state, Mapping) for state in states.values()):
            raise TypeError(f"{where}: 'state' must be a dict of dicts")
        try:
            return list(groups), {int(i): state for i, state in states.items()}
        except (TypeError, ValueError):
            raise ValueError(f"{where}: the keys of 'state' must be positions of parameters "
                             f"(keys={list(states)[:5]})") from None

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
            try:
                if initial is not None and not isinstance(initial, Variable):
                    state[name] = type(initial)(value)
                    continue
                array = value.array if isinstance(value, Variable) else np.asarray(value)
                if array.dtype.kind not in "biuf":
                    raise TypeError
                like = p.array if initial is None else initial.array
                if array.shape != like.shape:
                    problems.append(f"{name} of parameter {label} has shape {array.shape}, not {like.shape}")
                    continue
                state[name] = wrap(np.empty_like(like))
                state[name].array[...] = array
            except (TypeError, ValueError):
                problems.append(f"{name} of parameter {label} is a {type(value).__name__}, not numbers")
        return state


def _present(state: Mapping[str, Any]) -> dict[str, Any]:
    """Return a state without the arrays that are still to come."""
    return {name: value for name, value in state.items() if value is not None}


def _matched(
    group: Mapping[str, Any], saved: Mapping[str, Any], i: int, problems: list[str]
) -> list[tuple[str, Any, int]]:
    """Return label, parameter and saved position of each parameter of a group."""
    params, positions = group["params"], saved["params"]
    unique = all(len(set(g.get("param_names", ()))) == len(g["params"]) for g in (group, saved))
    if unique and "param_names" in group and "param_names" in saved:
        names, by_name = group["param_names"], dict(zip(saved["param_names"], positions))
        for kind, lost in (("missing", set(names) - by_name.keys()), ("unexpected", by_name.keys() - set(names))):
            if lost:
                problems.append(f"{kind} parameters of group {i}: {', '.join(sorted(lost))}")
        return [(repr(name), p, by_name.get(name, -1)) for name, p in zip(names, params)]
    if len(params) != len(positions):
        problems.append(f"group {i} has {len(params)} parameters but {len(positions)} were saved")
    return [(str(position), p, position) for p, position in zip(params, positions)]
