"""The state of a module: what `state_dict` returns, what `load_state_dict` takes, and the hooks on both."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from ..engine import HookHandle, Variable, mark_changed
from ..tensor import Tensor
from ..typing import Array, ArrayLike
from .parameter import Parameter

__all__ = ["IncompatibleKeys", "State", "article"]

Hook: TypeAlias = Callable[..., Any]

_STATE_PRE, _STATE_POST, _LOAD_PRE, _LOAD_POST = "state_pre", "state_post", "load_pre", "load_post"
_EXTRA = "_extra_state"


class IncompatibleKeys(NamedTuple):
    """What `Module.load_state_dict` found in one of the two only."""

    missing_keys: list[str]
    unexpected_keys: list[str]


class _Loading(dict[str, Any]):
    """A copy of the state that is loaded, and what of it goes where.

    Attributes
    ----------
    known : set of str
        The names that modules have.
    found : list of (Tensor, ndarray)
        What is to be copied.
    extra : list of (Module, object)
        Extra states.
    """

    def __init__(self, state: Mapping[str, Any]):
        super().__init__(state)
        self.known: set[str] = set()
        self.found: list[tuple[Tensor, Array]] = []
        self.extra: list[tuple[Any, Any]] = []

    def copy(self, assign: bool = False) -> None:  # type: ignore[override]
        """Copy what was found into the tensors, or let them take the arrays over."""
        for tensor, array in self.found:
            if assign:
                tensor.data = array
                continue
            np.copyto(tensor.array, array, casting="same_kind")
            mark_changed(tensor.array)
        for module, extra in self.extra:
            module.set_extra_state(extra)


class State:
    """The methods of `Module` that save and load."""

    def state_dict(
        self: Any, *args: Any, destination: dict[str, Any] | None = None, prefix: str = "", keep_vars: bool = False
    ) -> dict[str, Any]:
        """Return all parameters and persistent buffers by name.

        Parameters
        ----------
        destination : dict, optional
            Where to put them; a new one by default.
        prefix : str
            Put before all names, as it is.
        keep_vars : bool
            Return the parameters themselves; otherwise tensors without graph that share their memory.

        Returns
        -------
        dict of str to Tensor
            A parameter that is shared appears under each of its names.
        """
        if args:  # PyTorch's order before 2.0
            given = (*args, *(destination, prefix, keep_vars)[len(args) :])
            destination, prefix, keep_vars = given[0], given[1], given[2]
        state: dict[str, Any] = {} if destination is None else destination
        hooks = self._hooks_on_state()
        for hook in hooks[_STATE_PRE]:
            hook(self, prefix, keep_vars)
        self._save_to_state_dict(state, prefix, keep_vars)
        for name, child in self._own(State):
            child.state_dict(destination=state, prefix=f"{prefix}{name}.", keep_vars=keep_vars)
        for hook in hooks[_STATE_POST]:
            hook(self, state, prefix, {})
        return state

    def _save_to_state_dict(self: Any, destination: dict[str, Any], prefix: str, keep_vars: bool) -> None:
        """Put the module's own parameters and buffers into a state dict, without those of the modules below."""
        for name, value in self._own(Parameter) + self._saved_buffers():
            destination[prefix + name] = value if keep_vars else value.detach()
        if type(self).get_extra_state is not State.get_extra_state:
            destination[prefix + _EXTRA] = self.get_extra_state()

    def _saved_buffers(self: Any) -> list[tuple[str, Tensor]]:
        return [(name, value) for name, value in self._own_buffers() if self._persistent[name]]

    def get_extra_state(self: Any) -> Any:
        """Return what else belongs to the state; a subclass that defines it defines `set_extra_state` too."""
        raise NotImplementedError(f"{type(self).__name__}.get_extra_state() is not defined")

    def set_extra_state(self: Any, state: Any) -> None:
        """Take what `get_extra_state` returned."""
        raise NotImplementedError(f"{type(self).__name__}.set_extra_state() is not defined, but the state has an entry "
                                  f"{_EXTRA!r}")

    def _hooks_on_state(self: Any) -> dict[str, list[Hook]]:
        """Return the hooks on saving and loading by their kind."""
        held: dict[int, tuple[str, Hook]] = self.__dict__.get("_state_hooks", {})
        kinds: dict[str, list[Hook]] = {kind: [] for kind in (_STATE_PRE, _STATE_POST, _LOAD_PRE, _LOAD_POST)}
        for kind, hook in held.values():
            kinds[kind].append(hook)
        return kinds

    def _add_state_hook(self, kind: str, hook: Hook) -> HookHandle:
        if "_state_hooks" not in self.__dict__:
            self.__dict__["_state_hooks"] = {}
        return HookHandle(self.__dict__["_state_hooks"], (kind, hook))

    def register_state_dict_pre_hook(self, hook: Hook) -> HookHandle:
        """Call ``hook(module, prefix, keep_vars)`` before this module puts its state into a state dict."""
        return self._add_state_hook(_STATE_PRE, hook)

    def register_state_dict_post_hook(self, hook: Hook) -> HookHandle:
        """Call ``hook(module, state_dict, prefix, local_metadata)`` when its state and that below it is in the dict."""
        return self._add_state_hook(_STATE_POST, hook)

    _register_state_dict_hook = register_state_dict_post_hook

    def register_load_state_dict_pre_hook(self, hook: Hook) -> HookHandle:
        """Call ``hook(module, state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs)``.

        It is called before this module is loaded, and may change the names and values in ``state_dict``, which is a
        copy of the one that is loaded.
        """
        return self._add_state_hook(_LOAD_PRE, hook)

    def _register_load_state_dict_pre_hook(self, hook: Hook, with_module: bool = False) -> HookHandle:
        """Call the hook as `register_load_state_dict_pre_hook` does, without the module unless `with_module`."""
        return self._add_state_hook(_LOAD_PRE, hook if with_module else lambda module, *args: hook(*args))

    def register_load_state_dict_post_hook(self, hook: Hook) -> HookHandle:
        """Call ``hook(module, incompatible_keys)`` when this module was loaded; the hook may take names out of it."""
        return self._add_state_hook(_LOAD_POST, hook)

    def load_state_dict(
        self: Any, state_dict: Mapping[str, Tensor | ArrayLike], strict: bool = True, assign: bool = False
    ) -> IncompatibleKeys:
        """Copy parameters and buffers from a `state_dict`, also from one of PyTorch.

        Parameters
        ----------
        state_dict : mapping of str to Tensor or array
        strict : bool
            Whether names must be the same on both sides; shapes must in any case.
        assign : bool
            Take the arrays over, with their dtypes, instead of copying their elements; tied weights stay tied.

        Returns
        -------
        IncompatibleKeys
            ``(missing_keys, unexpected_keys)``.

        Raises
        ------
        RuntimeError
            Lists all missing, unexpected and mismatched names at once. Nothing was changed then, unless a hook is to
            be called after loading.
        """
        if not isinstance(state_dict, Mapping):
            raise TypeError(f"load_state_dict(): expects a mapping of names to tensors, got {article(state_dict)}")
        loading = _Loading(state_dict)
        missing: list[str] = []
        unexpected: list[str] = []
        problems: list[str] = []
        hooked: list[tuple[Any, list[Hook]]] = []
        self._gather(loading, "", strict, missing, unexpected, problems, hooked)
        unexpected += [name for name in loading if name not in loading.known and name not in unexpected]
        keys = IncompatibleKeys(missing, unexpected)
        if hooked:
            if problems:
                raise self._misfit(problems, "nothing was loaded")
            loading.copy(assign)
            for module, hooks in hooked:
                for hook in hooks:
                    hook(module, keys)
        if strict:
            nearest = missing or list(loading.known)
            problems = [*(f"missing: {name}" for name in missing),
                        *(f"unexpected: {name}{_nearest(name, nearest)}" for name in unexpected), *problems]
            problems += _wrappers_hint(unexpected, loading.known)
        if problems:
            raise self._misfit(problems, "what fits was loaded" if hooked else "nothing was loaded")
        if not hooked:
            loading.copy(assign)
        return keys

    def _misfit(self: Any, problems: list[str], done: str) -> RuntimeError:
        lines = "".join(f"\n    {problem}" for problem in problems)
        return RuntimeError(f"load_state_dict(): the state does not fit {type(self).__name__}; {done}{lines}")

    def _gather(self: Any, loading: _Loading, prefix: str, strict: bool, missing: list[str], unexpected: list[str],
                problems: list[str], hooked: list[tuple[Any, list[Hook]]]) -> None:
        """Let this module and all below say what they take of a state."""
        self._load_from_state_dict(loading, prefix, {}, strict, missing, unexpected, problems)
        for name, child in self._own(State):
            child._gather(loading, f"{prefix}{name}.", strict, missing, unexpected, problems, hooked)
        if after := self._hooks_on_state()[_LOAD_POST]:
            hooked.append((self, after))

    def _load_from_state_dict(self: Any, state_dict: dict[str, Any], prefix: str, local_metadata: dict[str, Any],
                              strict: bool, missing_keys: list[str], unexpected_keys: list[str],
                              error_msgs: list[str]) -> None:
        """Take the module's own parameters and buffers from a state dict; they are copied when all fit."""
        for hook in self._hooks_on_state()[_LOAD_PRE]:
            hook(self, state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs)
        loading = state_dict if isinstance(state_dict, _Loading) else _Loading(state_dict)
        for name, value in self._own(Parameter) + self._saved_buffers():
            key = prefix + name
            loading.known.add(key)
            if key not in state_dict:
                missing_keys.append(key)
                continue
            array = _array(state_dict[key])
            if problem := self._mismatch(key, value, array):
                error_msgs.append(problem)
            else:
                loading.found.append((value, array))
        if type(self).get_extra_state is not State.get_extra_state:
            key = prefix + _EXTRA
            loading.known.add(key)
            if key in state_dict:
                loading.extra.append((self, state_dict[key]))
            else:
                missing_keys.append(key)
        if loading is not state_dict:
            loading.copy(False)

    def _mismatch(self: Any, name: str, own: Tensor, found: Array) -> str:
        """Return what keeps an array from being loaded into one of the module's tensors; '' for nothing."""
        return _mismatch(name, found, own.array)


def _array(value: Tensor | ArrayLike) -> Array:
    """Return the array of a tensor of this library or another."""
    if isinstance(value, Variable):
        return value.array
    return np.asarray(value.detach() if hasattr(value, "detach") else value)


def _mismatch(name: str, found: Array, own: Array) -> str:
    if found.shape != own.shape:
        return f"mismatched shape: {name} is {found.shape} in the state and {own.shape} in the module"
    if not np.can_cast(found.dtype, own.dtype, "same_kind"):
        return f"mismatched dtype: {name} is {found.dtype} in the state and {own.dtype} in the module"
    return ""


def _wrappers_hint(unexpected: list[str], known: set[str]) -> list[str]:
    """Return what to do with names that a wrapper of the module has put something in front of."""
    for prefix in ("_orig_mod.", "module."):  # PyTorch's compile, and its parallel modules and averages
        if unexpected and all(name not in known and name.replace(prefix, "") in known for name in unexpected):
            return [f"the state is of a wrapped module; load {{name.replace({prefix!r}, ''): x for name, x in "
                    "state.items()}"]
    return []


def _nearest(name: str, candidates: list[str]) -> str:
    close = difflib.get_close_matches(name, candidates, 1)
    return f" (nearest: {close[0]})" if close else ""


def article(value: object) -> str:
    """Return what an object is, for messages: a Linear, an int."""
    name = type(value).__name__
    return f"{'an' if name[0] in 'aeiouAEIOU' else 'a'} {name}"
