"""Parametrizations: an attribute of a module is computed from parameters, by modules that are registered for it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from ...engine import no_grad
from ...tensor import Tensor
from ..container import ModuleDict, ModuleList
from ..module import Module
from ..parameter import Parameter

__all__ = ["ParametrizationList", "cached", "is_parametrized", "register_parametrization", "remove_parametrizations",
           "type_before_parametrizations"]

_cache: dict[tuple[int, str], Tensor] = {}
_caching = [0]  # how many `cached` blocks are entered


@contextlib.contextmanager
def cached() -> Iterator[None]:
    """Compute each parametrized attribute once inside the block, however often it is read."""
    _caching[0] += 1
    try:
        yield
    finally:
        _caching[0] -= 1
        if not _caching[0]:
            _cache.clear()


class ParametrizationList(ModuleList):
    """The parametrizations of one attribute, with the parameters that it is computed from.

    Parameters
    ----------
    modules : sequence of Module
        Applied one after the other.
    original : Tensor
        What the attribute was; ``right_inverse`` of the modules, where they have one, makes ``original``, or
        ``original0``, ``original1`` ..., of it.
    unsafe : bool
        Whether the shape and the dtype may change.
    """

    def __init__(self, modules: list[Module], original: Tensor, unsafe: bool = False):
        super().__init__(modules)
        self.unsafe = unsafe
        value: Any = original
        with no_grad():
            for module in reversed(modules):
                if hasattr(module, "right_inverse"):
                    value = module.right_inverse(value)
        self.is_tensor = isinstance(value, Tensor)
        if self.is_tensor:
            self._keep("original", value, original)
        elif isinstance(value, list | tuple) and all(isinstance(x, Tensor) for x in value):
            self.ntensors = len(value)
            for i, part in enumerate(value):
                self._keep(f"original{i}", part, original)
        else:
            raise ValueError("register_parametrization(): right_inverse must return a tensor or several, got "
                             f"{type(value).__name__}")

    def _keep(self, name: str, value: Tensor, original: Tensor) -> None:
        if isinstance(original, Parameter):
            setattr(self, name, value if value is original else Parameter(value.detach(), original.requires_grad))
        else:
            self.register_buffer(name, value)

    def right_inverse(self, value: Tensor) -> None:
        """Set the parameters such that the attribute is `value`, as far as the modules can."""
        with no_grad():
            parts: Any = value
            for module in reversed(list(self)):
                if not hasattr(module, "right_inverse"):
                    raise RuntimeError(f"parametrize: {type(module).__name__} has no right_inverse; the attribute "
                                       "cannot be set")
                parts = module.right_inverse(parts)
            parts = [parts] if self.is_tensor else list(parts)
            names = ["original"] if self.is_tensor else [f"original{i}" for i in range(self.ntensors)]
            for name, part in zip(names, parts, strict=True):
                own = getattr(self, name)
                if own.shape == part.shape:
                    own.copy_(part)
                else:
                    own.data = part.detach()

    def forward(self) -> Any:
        """Compute the attribute."""
        if self.is_tensor:
            value = self[0](self.original)
        else:
            value = self[0](*(getattr(self, f"original{i}") for i in range(self.ntensors)))
        for module in list(self)[1:]:
            value = module(value)
        return value


def register_parametrization(
    module: Module, tensor_name: str, parametrization: Module, *, unsafe: bool = False
) -> Module:
    """Let an attribute of a module be computed by another module, from parameters that are trained in its place.

    Parameters
    ----------
    module : Module
    tensor_name : str
        A parameter or a buffer of it.
    parametrization : Module
        Its forward takes the parameters; ``right_inverse``, if it has one, makes them of a value of the attribute.
    unsafe : bool
        Whether shape and dtype of the attribute may change.

    Returns
    -------
    Module
        The same, whose attribute is computed whenever it is read.

    Examples
    --------
    >>> from autograd_nn import nn, ones
    >>> class Symmetric(nn.Module):
    ...     def forward(self, x):
    ...         return x.triu() + x.triu(1).mT
    >>> layer = nn.utils.parametrize.register_parametrization(nn.Linear(3, 3), "weight", Symmetric())
    >>> bool((layer.weight == layer.weight.T).all()), list(layer.state_dict())
    (True, ['bias', 'parametrizations.weight.original'])
    """
    parametrization.train(module.training)
    if is_parametrized(module, tensor_name):
        listed = module.parametrizations[tensor_name]
        _check(getattr(module, tensor_name), parametrization(getattr(module, tensor_name)), tensor_name, unsafe)
        if hasattr(parametrization, "right_inverse"):
            with no_grad():
                inverse = parametrization.right_inverse(getattr(module, tensor_name))
            listed.right_inverse(inverse)
        listed.append(parametrization)
        return module
    original = vars(module).get(tensor_name)
    if not isinstance(original, Tensor) or not (isinstance(original, Parameter) or tensor_name in module._persistent):
        raise ValueError(f"register_parametrization(): {type(module).__name__} has no parameter or buffer "
                         f"{tensor_name!r}")
    listed = ParametrizationList([parametrization], original, unsafe)
    with no_grad():
        _check(original, listed(), tensor_name, unsafe)
    delattr(module, tensor_name)
    if not is_parametrized(module):
        plain = type(module)
        module.__class__ = type(f"Parametrized{plain.__name__}", (plain,), {"_parametrized": plain})
        module.add_module("parametrizations", ModuleDict())
    setattr(type(module), tensor_name, _computed(tensor_name))
    module.parametrizations[tensor_name] = listed
    return module


def _check(before: Tensor, after: Any, name: str, unsafe: bool) -> None:
    if unsafe:
        return
    if not isinstance(after, Tensor) or after.array.shape != before.shape or after.dtype != before.dtype:
        found = f"{after.dtype} {tuple(after.shape)}" if isinstance(after, Tensor) else type(after).__name__
        raise ValueError(f"register_parametrization(): the parametrization must keep the shape and dtype of {name!r} "
                         f"({before.dtype} {tuple(before.shape)}, got {found}); unsafe=True allows others")


def _computed(name: str) -> property:
    """Return the property that computes a parametrized attribute."""

    def get(module: Any) -> Any:
        if not _caching[0]:
            return module.parametrizations[name]()
        key = id(module), name
        if key not in _cache:
            _cache[key] = module.parametrizations[name]()
        return _cache[key]

    def put(module: Any, value: Tensor) -> None:
        module.parametrizations[name].right_inverse(value)

    return property(get, put)


def is_parametrized(module: Module, tensor_name: str | None = None) -> bool:
    """Return whether a module has a parametrized attribute, or this one."""
    listed = vars(module).get("parametrizations")
    if not isinstance(listed, ModuleDict) or not hasattr(type(module), "_parametrized"):
        return False
    return tensor_name is None or tensor_name in listed


def type_before_parametrizations(module: Module) -> type:
    """Return the type that a module had before its first parametrization."""
    return getattr(type(module), "_parametrized", type(module))


def remove_parametrizations(module: Module, tensor_name: str, leave_parametrized: bool = True) -> Module:
    """Make a parametrized attribute a plain parameter again.

    Parameters
    ----------
    module : Module
    tensor_name : str
    leave_parametrized : bool
        Whether it keeps the computed value; otherwise it gets the original back.
    """
    if not is_parametrized(module, tensor_name):
        raise ValueError(f"remove_parametrizations(): {tensor_name!r} of {type(module).__name__} is not parametrized")
    listed = module.parametrizations[tensor_name]
    if not leave_parametrized and not listed.is_tensor:
        raise ValueError("remove_parametrizations(): an attribute of several originals can only stay as it is computed "
                         "(leave_parametrized=True)")
    with no_grad():
        value = getattr(module, tensor_name).detach().clone() if leave_parametrized else listed.original
    first = listed.original if listed.is_tensor else listed.original0
    del module.parametrizations[tensor_name]
    delattr(type(module), tensor_name)
    if isinstance(first, Parameter):
        setattr(module, tensor_name, value if isinstance(value, Parameter) else Parameter(value, first.requires_grad))
    else:
        module.register_buffer(tensor_name, value)
    if not len(module.parametrizations):
        delattr(module, "parametrizations")
        module.__class__ = type_before_parametrizations(module)
    return module
