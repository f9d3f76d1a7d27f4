"""Module: a layer or a network, as a tree of attributes.

What a module has, it has as ordinary attributes. Its own parameters are the attributes that are a `Parameter`, its
children those that are a `Module`, both in the order in which they were first set; buffers are attributes whose names
`register_buffer` noted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Self, TypeAlias, TypeVar

import numpy as np

from ..devices.place import names_device
from ..engine import HookHandle, Variable, observers, state, structure
from ..engine.arguments import explanation
from ..tensor import Tensor, printing
from ..typing import DeviceLike, DTypeLike
from .hooks import GradientTuple, watch_gradients
from .members import Members
from .parameter import Parameter, Uninitialized
from .state import State, article

__all__ = [
    "Module",
    "register_module_forward_hook",
    "register_module_forward_pre_hook",
]

T = TypeVar("T")
_Kind: TypeAlias = type[T]  # which methods called `type` hide
Hook: TypeAlias = Callable[..., Any]  # `register_forward_pre_hook` and its kin say with what it is called
KnownHook: TypeAlias = tuple[str, Hook, bool, bool]  # its kind, itself, whether it takes keywords, is always called

_FORWARD_PRE, _FORWARD, _BACKWARD_PRE, _BACKWARD = "forward_pre", "forward", "full_backward_pre", "full_backward"

_PACKAGE = __package__ + "."

compiler: Callable[..., Any] | None = None  # what `Module.compile` calls: `autograd_nn.compile`, from above
_everywhere: dict[int, KnownHook] = {}  # hooks on all modules, run before a module's own


def note_training(module: Module) -> None:
    """Tell the observers of a layer that is called in training mode while nothing is recorded, by no wish of ours."""
    if module.training and not (state.recording or state.trains_on_purpose or state.listener):
        for observer in observers:
            observer.trains_unrecorded(module)


class Module(State):
    """Base class of all layers and networks.

    A subclass calls ``super().__init__()``, sets parameters and other modules as attributes, and defines `forward`.

    Attributes
    ----------
    training : bool
        Whether layers such as `Dropout` and `BatchNorm2d` behave as in training; set by `train` and `eval`.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn import nn
    >>> class Scale(nn.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.factor = nn.Parameter(ag.tensor(2.0))
    ...     def forward(self, x):
    ...         return self.factor * x
    >>> Scale()(ag.tensor([1.0, 3.0])).tolist()
    [2.0, 6.0]
    >>> [name for name, _ in Scale().named_parameters()]
    ['factor']
    """

    training: bool

    def __init__(self) -> None:
        state = self.__dict__
        state["training"] = True
        state["_hooks"] = {}
        state["_persistent"] = {}  # name -> whether it is saved
        state["_declared"] = set()  # names of parameters that may be None

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Compute the output; every subclass defines this."""
        raise NotImplementedError(f"{type(self).__name__}.forward() is not defined")

    def extra_repr(self) -> str:
        """Return what `repr` shows in the parentheses of a layer."""
        return ""

    # -------------------------------------------------------------------------------- calling

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        try:
            if not self._hooks and not _everywhere:
                return self.forward(*args, **kwargs)
            return self._call_with_hooks(args, kwargs)
        except Exception as error:
            if type(self).__module__.startswith(_PACKAGE):
                better = explanation(error, type(self).forward, type(self).__name__, (self, *args), kwargs)
                if better is not None:
                    _note_layer(better, self)
                    raise better from error
            _note_layer(error, self)
            raise

    __call__._explained = True  # type: ignore[attr-defined]

    def _call_with_hooks(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        hooks = [*_everywhere.values(), *self._hooks.values()]
        for _, hook, with_kwargs, _ in [h for h in hooks if h[0] == _FORWARD_PRE]:
            replaced = hook(self, args, kwargs) if with_kwargs else hook(self, args)
            if replaced is not None:
                if with_kwargs:
                    args, kwargs = replaced
                else:
                    args = replaced if isinstance(replaced, tuple) else (replaced,)
        backward = [h for h in hooks if h[0] in (_BACKWARD_PRE, _BACKWARD)]
        watch = _BackwardWatch(self, backward) if backward else None
        if watch:
            args = watch.inputs(args)
        output = None
        try:
            output = self.forward(*args, **kwargs)
            for _, hook, with_kwargs, _ in [h for h in hooks if h[0] == _FORWARD]:
                replaced = hook(self, args, kwargs, output) if with_kwargs else hook(self, args, output)
                output = output if replaced is None else replaced
        except BaseException:
            for _, hook, with_kwargs, always in hooks:
                if always:
                    hook(self, args, kwargs, output) if with_kwargs else hook(self, args, output)
            raise
        return watch.outputs(output) if watch else output

    def _add_hook(
        self, kind: str, hook: Hook, with_kwargs: bool = False, always: bool = False, prepend: bool = False
    ) -> HookHandle:
        handle = HookHandle(self._hooks, (kind, hook, with_kwargs, always))
        if prepend:
            others = list(self._hooks.items())
            self._hooks.clear()
            self._hooks.update([others[-1], *others[:-1]])
        return handle

    def register_forward_pre_hook(
        self, hook: Hook, *, prepend: bool = False, with_kwargs: bool = False
    ) -> HookHandle:
        """Call ``hook(module, args)`` before `forward`; what it returns replaces the positional arguments.

        Parameters
        ----------
        hook : callable
        prepend : bool
            Call it before the hooks that are there already.
        with_kwargs : bool
            Call ``hook(module, args, kwargs)``, which returns None or ``(args, kwargs)``.

        Returns
        -------
        HookHandle
            Its ``remove()`` takes the hook away.
        """
        return self._add_hook(_FORWARD_PRE, hook, with_kwargs, prepend=prepend)

    def register_forward_hook(
        self, hook: Hook, *, prepend: bool = False, with_kwargs: bool = False, always_call: bool = False
    ) -> HookHandle:
        """Call ``hook(module, args, output)`` after `forward`; what it returns replaces the output.

        Parameters
        ----------
        hook : callable
        prepend : bool
            Call it before the hooks that are there already.
        with_kwargs : bool
            Call ``hook(module, args, kwargs, output)``.
        always_call : bool
            Call it (with output None) also where `forward` raised.
        """
        return self._add_hook(_FORWARD, hook, with_kwargs, always_call, prepend)

    def register_full_backward_pre_hook(self, hook: Hook, prepend: bool = False) -> HookHandle:
        """Call ``hook(module, grad_output)`` when the gradients of the outputs are known.

        A tuple that it returns replaces them. Outputs are tensors or tuples, lists and dicts of tensors.
        """
        return self._add_hook(_BACKWARD_PRE, hook, prepend=prepend)

    def register_full_backward_hook(self, hook: Hook, prepend: bool = False) -> HookHandle:
        """Call ``hook(module, grad_input, grad_output)`` when the gradients of the inputs are known.

        Both are tuples with an entry per positional argument and per output, None where there is no gradient. A tuple
        that the hook returns replaces `grad_input`.
        """
        return self._add_hook(_BACKWARD, hook, prepend=prepend)

    def compile(self, *args: Any, **kwargs: Any) -> None:
        """Let `forward` run compiled from now on, with the arguments of `autograd_nn.compile`."""
        if compiler is None:
            raise RuntimeError("Module.compile(): needs autograd_nn.compile; import autograd_nn")
        self.forward = compiler(self.forward, *args, **kwargs)  # type: ignore[method-assign]

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take over the attributes of a module that is copied or unpickled."""
        self.__dict__.update(state)
        structure.changes += 1
        forward = state.get("forward")
        of = getattr(forward, "__self__", self)
        if of is not self and type(of) is type(self) and of.__dict__.get("forward") is forward:
            del self.__dict__["forward"]  # compiled, of the module that this is a shallow copy of
            settings = vars(forward)
            self.compile(plans=settings["plans"], fullgraph=settings["fullgraph"], disable=settings["disabled"])

    # -------------------------------------------------------------------------------- attributes

    def __setattr__(self, name: str, value: Any) -> None:
        state = self.__dict__
        if isinstance(value, Parameter | Module):
            if "_hooks" not in state:
                raise AttributeError(_not_initialised(self, f"before {name!r} is set"))
            state["_persistent"].pop(name, None)
        elif value is not None and "_hooks" in state:
            held = state.get(name)
            if isinstance(held, Parameter) or (name in state["_declared"] and isinstance(value, Variable)):
                raise TypeError(f"{type(self).__name__}.{name} is a parameter; it can be set to a Parameter or None, "
                                f"not to {article(value)} (wrap it: nn.Parameter(...))")
            if isinstance(held, Module):
                raise TypeError(f"{type(self).__name__}.{name} is a module; it can be set to a Module or None, "
                                f"not to {article(value)}")
            if name in state["_persistent"] and not isinstance(value, Variable):
                raise TypeError(f"{type(self).__name__}.{name} is a buffer; it can be set to a Tensor or None, "
                                f"not to {article(value)}")
        structure.changes += 1
        object.__setattr__(self, name, value)

    def __getattr__(self, name: str) -> Any:
        if "_hooks" not in self.__dict__ and name in ("_hooks", "_persistent", "_declared", "training"):
            raise AttributeError(_not_initialised(self, "first"))
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}", name=name, obj=self)

    def __delattr__(self, name: str) -> None:
        structure.changes += 1
        object.__delattr__(self, name)
        self._persistent.pop(name, None)
        self._declared.discard(name)

    def _check_new_name(self, name: str, kind: str, expected: _Kind[object]) -> None:
        if not isinstance(name, str):
            raise TypeError(f"{kind} name must be a str, got {type(name).__name__}")
        if not name or "." in name:
            raise KeyError(f"{kind} name must not be empty or contain a dot (name={name!r})")
        held = self.__dict__.get(name)
        if hasattr(type(self), name) or (held is not None and not isinstance(held, expected)):
            raise KeyError(f"attribute {name!r} exists already in {type(self).__name__}")

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Set a parameter by name; None declares a parameter that is absent (such as a bias)."""
        self._check_new_name(name, "parameter", Parameter)
        if param is not None and not isinstance(param, Parameter):
            raise TypeError(f"parameter {name!r} must be a Parameter or None, got {article(param)}")
        self._declared.add(name)
        setattr(self, name, param)

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """Set a tensor that is not trained but belongs to the state, such as a running mean.

        Parameters
        ----------
        name : str
        tensor : Tensor or None
        persistent : bool
            Whether it is part of `state_dict`.
        """
        self._check_new_name(name, "buffer", Tensor)
        if tensor is not None and not isinstance(tensor, Tensor):
            raise TypeError(f"buffer {name!r} must be a Tensor or None, got {article(tensor)}")
        self._persistent[name] = persistent
        structure.changes += 1
        object.__setattr__(self, name, tensor)

    def add_module(self, name: str, module: Module | None) -> None:
        """Set a child module by name."""
        self._check_new_name(name, "module", Module)
        if module is not None and not isinstance(module, Module):
            raise TypeError(f"child {name!r} must be a Module or None, got {article(module)}")
        setattr(self, name, module)

    register_module = add_module

    @property
    def _parameters(self) -> Members:
        """The module's own parameters by name, as PyTorch's dict: those that are declared and absent are None."""
        return Members(self, lambda: [name for name, value in self.__dict__.items() if isinstance(value, Parameter) or (
            value is None and name in self._declared)], self.register_parameter)

    @property
    def _buffers(self) -> Members:
        """The module's own buffers by name, as PyTorch's dict."""
        return Members(self, lambda: list(self._persistent), self._set_buffer)

    def _set_buffer(self, name: str, tensor: Tensor | None) -> None:
        self.register_buffer(name, tensor, self._persistent.get(name, True))

    @property
    def _modules(self) -> Members:
        """The module's children by name, as PyTorch's dict."""
        return Members(self, lambda: [name for name, _ in self._own(Module)], self.add_module)

    @property
    def _non_persistent_buffers_set(self) -> set[str]:
        """The names of buffers that are not saved."""
        return {name for name, saved in self._persistent.items() if not saved}

    # -------------------------------------------------------------------------------- walking the tree

    def _own(self, kind: _Kind[T]) -> list[tuple[str, T]]:
        return [(name, value) for name, value in self.__dict__.items() if isinstance(value, kind)]

    def _own_buffers(self) -> list[tuple[str, Tensor]]:
        named = ((name, self.__dict__.get(name)) for name in self._persistent)
        return [(name, value) for name, value in named if value is not None]

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """Yield name and module of each child once."""
        seen: set[int] = set()
        for name, child in self._own(Module):
            if id(child) not in seen:
                seen.add(id(child))
                yield name, child

    def children(self) -> Iterator[Module]:
        """Yield each child once."""
        return (child for _, child in self.named_children())

    def named_modules(
        self, memo: set[int] | None = None, prefix: str = "", remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Module]]:
        """Yield name and module of this module and all below, parents first.

        Parameters
        ----------
        memo : set, optional
            Ids of modules that were seen already.
        prefix : str
            The name of this module.
        remove_duplicate : bool
            Yield a module that occurs twice only once.
        """
        memo = set() if memo is None else memo
        if remove_duplicate:
            if id(self) in memo:
                return
            memo.add(id(self))
        yield prefix, self
        for name, child in self._own(Module):
            yield from child.named_modules(memo, _joined(prefix, name), remove_duplicate)

    def modules(self) -> Iterator[Module]:
        """Yield this module and all below once, parents first."""
        return (module for _, module in self.named_modules())

    def _named_members(
        self, own: Callable[[Module], list[tuple[str, T]]], prefix: str, recurse: bool, remove_duplicate: bool
    ) -> Iterator[tuple[str, T]]:
        seen: set[int] = set()
        tree = self.named_modules(prefix=prefix, remove_duplicate=remove_duplicate) if recurse else [(prefix, self)]
        for path, module in tree:
            for name, value in own(module):
                if id(value) in seen:
                    continue
                if remove_duplicate:
                    seen.add(id(value))
                yield _joined(path, name), value

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Parameter]]:
        """Yield name and parameter; one that several modules share comes once, under its first name.

        Parameters
        ----------
        prefix : str
            Put before all names.
        recurse : bool
            Include the modules below.
        remove_duplicate : bool
            Yield shared parameters only once.
        """
        if recurse:
            for observer in observers:
                observer.parameters_listed(self)
        return self._named_members(lambda module: module._own(Parameter), prefix, recurse, remove_duplicate)

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """Yield all parameters, shared ones once."""
        return (parameter for _, parameter in self.named_parameters(recurse=recurse))

    def named_buffers(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Tensor]]:
        """Yield name and tensor of all buffers."""
        return self._named_members(Module._own_buffers, prefix, recurse, remove_duplicate)

    def buffers(self, recurse: bool = True) -> Iterator[Tensor]:
        """Yield all buffers."""
        return (buffer for _, buffer in self.named_buffers(recurse=recurse))

    def get_submodule(self, target: str) -> Module:
        """Return the module below with the name `target`, such as ``'encoder.layers.0'``; '' is this module."""
        module: Module = self
        path = ""
        for name in target.split(".") if target else ():
            child = module.__dict__.get(name)
            if not isinstance(child, Module):
                names = ", ".join(name for name, _ in module.named_children()) or "none"
                raise AttributeError(f"get_submodule(): {type(module).__name__} {path!r} has no module {name!r} "
                                     f"(target={target!r}, its modules: {names})")
            module, path = child, _joined(path, name)
        return module

    def set_submodule(self, target: str, module: Module, strict: bool = False) -> None:
        """Set the module with the name `target`, such as ``'encoder.layers.0'``; with `strict` it must exist."""
        path, _, name = target.rpartition(".")
        if not name:
            raise ValueError("set_submodule(): target must not be empty")
        if strict:
            self.get_submodule(target)
        self.get_submodule(path).add_module(name, module)

    def get_parameter(self, target: str) -> Parameter:
        """Return the parameter with the name `target`, such as ``'encoder.weight'``."""
        return self._get_member(target, "get_parameter", "parameter", lambda module: module._own(Parameter))

    def get_buffer(self, target: str) -> Tensor:
        """Return the buffer with the name `target`, such as ``'norm.running_mean'``."""
        return self._get_member(target, "get_buffer", "buffer", Module._own_buffers)

    def _get_member(
        self, target: str, operation: str, kind: str, own: Callable[[Module], list[tuple[str, T]]]
    ) -> T:
        path, _, name = target.rpartition(".")
        members = dict(own(self.get_submodule(path)))
        if name not in members:
            names = ", ".join(members) or "none"
            raise AttributeError(f"{operation}(): there is no {kind} {target!r} "
                                 f"(those of {path or 'the module'!r}: {names})")
        return members[name]

    def apply(self, fn: Callable[[Module], object]) -> Self:
        """Call ``fn(module)`` for all modules below and then for this one; return this one."""
        for child in self.children():
            child.apply(fn)
        fn(self)
        return self

    # -------------------------------------------------------------------------------- modes and gradients

    def train(self, mode: bool = True) -> Self:
        """Set `training` of this module and all below."""
        if not isinstance(mode, bool | np.bool_):
            raise ValueError(f"train(): mode must be a bool, got {mode!r}")
        self.training = bool(mode)
        for observer in observers:
            observer.mode_changed(self, self.training)
        for child in self.children():
            child.train(mode)
        return self

    def eval(self) -> Self:
        """Set this module and all below to behave as in use, not as in training."""
        return self.train(False)

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """Say of all parameters whether they are trained; ``requires_grad_(False)`` freezes."""
        for parameter in self.parameters():
            parameter.requires_grad_(requires_grad)
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients of all parameters, or set them to 0."""
        for parameter in self.parameters():
            if set_to_none or parameter.grad is None:
                parameter.grad = None
            else:
                parameter.grad = Tensor(np.zeros_like(parameter.array))

    # -------------------------------------------------------------------------------- dtype and device

    def to(
        self, *targets: Any, dtype: DTypeLike | None = None, device: DeviceLike = None, non_blocking: bool = False,
        memory_format: Any = None,
    ) -> Self:
        """Convert all floating-point parameters and buffers in place; devices are accepted as far as they are the CPU.

        Parameters
        ----------
        *targets : dtype, device or Tensor
            A tensor stands for its dtype.
        dtype : NumPy dtype, optional
        device : optional
        non_blocking : bool
            Of no effect: nothing is copied between devices.
        memory_format : optional
            Of no effect: the layout of memory is chosen by the kernels.
        """
        probe = Tensor(0.0).to(*targets, dtype=dtype, device=device)
        if targets or dtype is not None:
            if probe.dtype.kind != "f":
                raise TypeError(f"to(): a module can only be converted to a floating-point dtype (dtype={probe.dtype})")
            changes_dtype = dtype is not None or any(not names_device(target) for target in targets)
            if changes_dtype:
                self._convert(probe.dtype)
        return self

    def _convert(self, dtype: np.dtype[Any]) -> None:
        for parameter in self.parameters():
            _convert_tensor(parameter, dtype)
        for buffer in self.buffers():
            _convert_tensor(buffer, dtype)

    def float(self) -> Self:
        """Convert all floating-point parameters and buffers to float32."""
        return self.to(dtype=np.float32)

    def double(self) -> Self:
        """Convert all floating-point parameters and buffers to float64."""
        return self.to(dtype=np.float64)

    def half(self) -> Self:
        """Convert all floating-point parameters and buffers to float16."""
        return self.to(dtype=np.float16)

    def bfloat16(self) -> Self:
        """Raise: NumPy has no such dtype."""
        raise TypeError("bfloat16: there is no such dtype in NumPy; use .float()")

    def type(self, dst_type: DTypeLike) -> Self:
        """Convert all floating-point parameters and buffers to a dtype."""
        return self.to(dtype=getattr(dst_type, "dtype", dst_type))

    def share_memory(self) -> Self:
        """Raise: parameters are not shared between processes."""
        raise NotImplementedError("share_memory(): parameters are not shared between processes; threads share them")

    def to_empty(self, *, device: DeviceLike, recurse: bool = True) -> Self:
        """Return the module itself, whose parameters have memory."""
        return self.to(device=device)

    def cpu(self) -> Self:
        """Return the module itself: it is on the CPU."""
        return self

    def cuda(self, device: DeviceLike = None) -> Self:
        """Raise: there is no CUDA here."""
        raise RuntimeError("cuda(): autograd_nn computes on the CPU only")

    # -------------------------------------------------------------------------------- printing

    def __repr__(self) -> str:
        children = [(name, repr(child)) for name, child in self._own(Module)]
        extra = self.extra_repr()
        lines = extra.split("\n") if extra else []
        if not children and len(lines) <= 1:
            return f"{self._get_name()}({extra})"
        lines += [f"({name}): {text}" for name, text in children]
        return f"{self._get_name()}(\n" + "".join(f"  {_indented(line)}\n" for line in lines) + ")"

    def _repr_html_(self) -> str:
        return printing.module_html(self)

    def _get_name(self) -> str:
        return type(self).__name__


class _BackwardWatch:
    """One call of a module whose gradients are handed to its full backward hooks."""

    def __init__(self, module: Module, hooks: list[KnownHook]):
        self.module = module
        self.before = [hook for kind, hook, *_ in hooks if kind == _BACKWARD_PRE]
        self.after = [hook for kind, hook, *_ in hooks if kind == _BACKWARD]
        self.grad_output: GradientTuple = ()
        self.positions: list[int] = []
        self.count = 0

    def inputs(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        self.count = len(args)
        tensors = [(i, x) for i, x in enumerate(args) if isinstance(x, Tensor)]
        watched = watch_gradients([x for _, x in tensors], self._on_inputs)
        if any(x.requires_grad for x in watched):
            self.positions = [i for i, _ in tensors]
        replaced = list(args)
        for (i, _), x in zip(tensors, watched):
            replaced[i] = x
        return tuple(replaced)

    def outputs(self, output: Any) -> Any:
        tensors: list[Tensor] = []
        _map_tensors(output, tensors.append)
        stand_ins = iter(watch_gradients(tensors, self._on_outputs))
        return _map_tensors(output, lambda x: next(stand_ins))

    def _on_outputs(self, gradients: GradientTuple) -> GradientTuple:
        for hook in self.before:
            gradients = _replaced(hook(self.module, gradients), gradients, "full backward pre-hook")
        self.grad_output = gradients
        if not self.positions:
            for hook in self.after:
                hook(self.module, (None,) * self.count, gradients)
        return gradients

    def _on_inputs(self, gradients: GradientTuple) -> GradientTuple:
        full: list[Tensor | None] = [None] * self.count
        for i, g in zip(self.positions, gradients):
            full[i] = g
        grad_input: GradientTuple = tuple(full)
        for hook in self.after:
            grad_input = _replaced(hook(self.module, grad_input, self.grad_output), grad_input, "full backward hook")
        self.grad_output = ()
        return tuple(grad_input[i] for i in self.positions)


def _replaced(result: Tensor | GradientTuple | None, gradients: GradientTuple, kind: str) -> GradientTuple:
    """Return the gradients that a hook gave back in place of `gradients`."""
    if result is None:
        return gradients
    result = result if isinstance(result, tuple) else (result,)
    if len(result) != len(gradients):
        raise RuntimeError(f"{kind}: must return None or {len(gradients)} gradients, got {len(result)}")
    return result


def _map_tensors(value: Any, function: Callable[[Tensor], Any]) -> Any:
    """Return a structure of tuples, lists and dicts with its tensors replaced by ``function(tensor)``."""
    if isinstance(value, Tensor):
        return function(value)
    if isinstance(value, dict):
        return type(value)((key, _map_tensors(item, function)) for key, item in value.items())
    if isinstance(value, tuple | list):
        items = [_map_tensors(item, function) for item in value]
        return type(value)(*items) if hasattr(value, "_fields") else type(value)(items)
    return value


def unwatched(*modules: Module) -> bool:
    """Return whether no hook would see a call of these modules, so that two may run as one."""
    return not _everywhere and not any(module._hooks for module in modules)


def set_compiler(function: Callable[..., Any]) -> None:
    """Say what `Module.compile` calls."""
    global compiler
    compiler = function


def hooks_everywhere() -> tuple[Any, ...]:
    """Return the hooks that all modules have."""
    return tuple(_everywhere.items())


def call_noted(module: Module, method: Callable[..., T], *args: Any) -> T:
    """Call a method of a module; an error gets the note which layer it came from."""
    try:
        return method(*args)
    except Exception as error:
        _note_layer(error, module)
        raise


def register_module_forward_pre_hook(hook: Hook) -> HookHandle:
    """Call ``hook(module, args)`` before `forward` of every module; see `Module.register_forward_pre_hook`.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn import nn
    >>> seen = []
    >>> handle = nn.register_module_forward_pre_hook(lambda module, args: seen.append(type(module).__name__))
    >>> y = nn.Sequential(nn.Linear(3, 4), nn.ReLU())(ag.ones(2, 3))
    >>> handle.remove()
    >>> seen
    ['Sequential', 'Linear', 'ReLU']
    """
    return HookHandle(_everywhere, (_FORWARD_PRE, hook, False, False))


def register_module_forward_hook(hook: Hook, *, with_kwargs: bool = False, always_call: bool = False) -> HookHandle:
    """Call ``hook(module, args, output)`` after `forward` of every module; see `Module.register_forward_hook`.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn import nn
    >>> seen = []
    >>> handle = nn.register_module_forward_hook(lambda module, args, output: seen.append(output.shape))
    >>> y = nn.Sequential(nn.Linear(3, 4), nn.ReLU())(ag.ones(2, 3))
    >>> handle.remove()
    >>> seen
    [(2, 4), (2, 4), (2, 4)]
    """
    return HookHandle(_everywhere, (_FORWARD, hook, with_kwargs, always_call))


# ------------------------------------------------------------------------------------ details


def _joined(prefix: str, name: str) -> str:
    return f"{prefix}.{name}" if prefix else name


def _indented(text: str) -> str:
    return text.replace("\n", "\n  ")


def _not_initialised(module: Module, when: str) -> str:
    return f"{type(module).__name__}.__init__() must call super().__init__() {when}"


def _note_layer(error: Exception, module: Module) -> None:
    """Say in an error that leaves the call of `module` in which layer it was raised."""
    known: tuple[list[Module], str | None] = getattr(error, "_modules", ([], None))
    trail, note = known
    if trail and trail[-1] is module:
        return
    names = []
    for outer, inner in zip([module, *reversed(trail)], reversed(trail)):
        names.append(next((name for name, child in outer.named_modules() if child is inner), f"<{inner._get_name()}>"))
    trail.append(module)
    where = f"in layer {'.'.join(names)} of {module._get_name()}" if names else "in layer"
    innermost = trail[0]
    has_children = next(innermost.children(), None) is not None
    if note is not None:
        error.__notes__.remove(note)
    note = f"{where}: {innermost._get_name() if has_children else innermost}"
    error.add_note(note)
    error._modules = trail, note  # type: ignore[attr-defined]  # the trail travels with the error


def _convert_tensor(tensor: Tensor, dtype: np.dtype[Any]) -> None:
    if isinstance(tensor, Uninitialized):
        tensor.set_dtype(dtype)
        return
    if tensor.dtype.kind != "f" or tensor.dtype == dtype:
        return
    grad = tensor.grad
    tensor.data = tensor.array.astype(dtype)
    if grad is not None:
        tensor.grad = grad.detach().to(dtype)
