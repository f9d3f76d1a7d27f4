"""Modules and parameters in sequences and mappings."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from operator import index
from typing import Any, Generic, Self, SupportsIndex, TypeVar, overload

from ..engine import Variable
from ..tensor import Tensor
from .activation import ReLU
from .convolution import Conv2d
from .linear import Linear
from .module import Module, call_noted, unwatched
from .parameter import Parameter
from .pooling import MaxPool2d

__all__ = ["ModuleDict", "ModuleList", "ParameterDict", "ParameterList", "Sequential"]

Item = TypeVar("Item")
Given = TypeVar("Given")  # what may be put in: an item, or what becomes one
Default = TypeVar("Default")


class _Listing(Module, Generic[Item, Given]):
    """What sequences of modules or parameters share: the attributes '0', '1', ... are the items."""

    _item_type: type[Item]

    def _items(self) -> list[Item]:
        return [value for _, value in self._own(self._item_type)]

    def _checked(self, value: Given) -> Item:
        if not isinstance(value, self._item_type):
            raise TypeError(f"{self._get_name()}: items must be a {self._item_type.__name__}, "
                            f"got {type(value).__name__}")
        return value

    def _name_at(self, position: SupportsIndex) -> str:
        names = [name for name, _ in self._own(self._item_type)]
        try:
            return names[index(position)]
        except IndexError:
            raise IndexError(f"{self._get_name()}: index {position} is out of range for {len(names)} items") from None

    def _replace_all(self, items: list[Item]) -> None:
        for name, _ in self._own(self._item_type):
            delattr(self, name)
        for i, item in enumerate(items):
            setattr(self, str(i), item)

    def __len__(self) -> int:
        return len(self._items())

    def __iter__(self) -> Iterator[Item]:
        return iter(self._items())

    def __contains__(self, value: object) -> bool:
        return any(item is value for item in self._items())

    @overload
    def __getitem__(self, position: SupportsIndex) -> Item: ...

    @overload
    def __getitem__(self, position: slice) -> Self: ...

    def __getitem__(self, position: SupportsIndex | slice) -> Item | Self:
        if isinstance(position, slice):
            return type(self)(self._items()[position])  # type: ignore[call-arg]  # its subclasses take their items
        item: Item = getattr(self, self._name_at(position))
        return item

    def __setitem__(self, position: SupportsIndex, value: Given) -> None:
        setattr(self, self._name_at(position), self._checked(value))

    def __delitem__(self, position: SupportsIndex | slice) -> None:
        items = self._items()
        if not isinstance(position, slice):
            self._name_at(position)
        del items[position]
        self._replace_all(items)

    def append(self, value: Given) -> Self:
        """Add an item at the end."""
        setattr(self, str(len(self)), self._checked(value))
        return self

    def extend(self, values: Iterable[Given]) -> Self:
        """Add items at the end."""
        for value in list(values):
            self.append(value)
        return self

    def insert(self, position: int, value: Given) -> None:
        """Put an item before `position`."""
        items = self._items()
        items.insert(position, self._checked(value))
        self._replace_all(items)

    def pop(self, position: int = -1) -> Item:
        """Take an item out and return it."""
        item = self[position]
        del self[position]
        return item


class Sequential(_Listing[Module, Module]):
    """Call modules one after the other, each with the result of the one before.

    Parameters
    ----------
    *modules : Module, or one mapping of str to Module
        Named '0', '1', ..., or as in the mapping.

    Examples
    --------
    >>> from autograd_nn import nn
    >>> model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    >>> model[0]
    Linear(in_features=4, out_features=8, bias=True)
    >>> len(model[:2])
    2
    """

    _item_type = Module

    @overload
    def __init__(self, *modules: Module) -> None: ...

    @overload
    def __init__(self, modules: Mapping[str, Module], /) -> None: ...

    def __init__(self, *modules: Any) -> None:
        super().__init__()
        if len(modules) == 1 and isinstance(modules[0], Mapping):
            for name, module in modules[0].items():
                self.add_module(name, self._checked(module))
        else:
            self.extend(modules)

    @overload
    def __getitem__(self, position: SupportsIndex) -> Module: ...

    @overload
    def __getitem__(self, position: slice) -> Self: ...

    def __getitem__(self, position: SupportsIndex | slice) -> Module:
        if isinstance(position, slice):
            return type(self)(dict(self._own(Module)[position]))
        return super().__getitem__(position)

    def __delitem__(self, position: SupportsIndex | slice) -> None:
        names = [name for name, _ in self._own(Module)]
        for name in names[position] if isinstance(position, slice) else [self._name_at(position)]:
            delattr(self, name)
        if all(name.isdigit() for name in names):
            self._replace_all(self._items())

    def forward(self, input: Any) -> Any:
        """Return what the last module makes of it."""
        modules = self._items()
        at = 0
        while at < len(modules):
            module, following = modules[at], modules[at + 1 : at + 3]
            fused = _with_relu(module, following)
            if fused is None:
                input = module(input)
                at += 1
            else:
                input = call_noted(fused, fused.forward_relu, input)
                at += 2
        return input


_WRITTEN: dict[type[Module], Any] = {layer: layer.forward for layer in (Conv2d, Linear, MaxPool2d, ReLU)}


def _with_relu(module: Module, following: list[Module]) -> Any:
    """Return the layer that takes ReLU into its own pass, of a module and the one after it; None where they are apart.

    Pooling takes it before a convolution does: less is then kept for the gradient.
    """
    kinds = [type(each) for each in (module, *following)]
    layer: Any = None
    if kinds[1:2] == [ReLU] and kinds[0] in (Conv2d, Linear, MaxPool2d):
        layer = module
    elif kinds[:2] == [ReLU, MaxPool2d]:
        layer = following[0]
    if layer is None or not _run_as_one(module, following[0]):
        return None
    if type(layer) is MaxPool2d and layer.return_indices:
        return None
    if kinds == [Conv2d, ReLU, MaxPool2d] and _with_relu(following[0], following[1:]) is not None:
        return None
    return layer


def _run_as_one(*modules: Module) -> bool:
    """Return whether nobody would notice: no hook sees them, and each has the forward that its class came with."""
    as_written = ("forward" not in vars(each) and type(each).forward is _WRITTEN[type(each)] for each in modules)
    return unwatched(*modules) and all(as_written)


class ModuleList(_Listing[Module, Module]):
    """A list of modules, whose parameters belong to the module that has the list as an attribute.

    Parameters
    ----------
    modules : iterable of Module, optional

    Examples
    --------
    >>> from autograd_nn import nn
    >>> layers = nn.ModuleList([nn.Linear(4, 4) for _ in range(3)])
    >>> len(layers), len(list(layers.parameters()))
    (3, 6)
    """

    _item_type = Module

    def __init__(self, modules: Iterable[Module] | None = None):
        super().__init__()
        self.extend(modules or ())

    def __iadd__(self, modules: Iterable[Module]) -> Self:
        return self.extend(modules)

    def __add__(self, modules: Iterable[Module]) -> ModuleList:
        return ModuleList([*self, *modules])


def _as_parameter(value: Tensor) -> Tensor:
    """Return a tensor as a parameter that shares its memory."""
    return Parameter(value) if isinstance(value, Variable) and not isinstance(value, Parameter) else value


class ParameterList(_Listing[Parameter, Tensor]):
    """A list of parameters; tensors that are put in become parameters.

    Parameters
    ----------
    values : iterable of Parameter or Tensor, optional

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn import nn
    >>> rows = nn.ParameterList([ag.zeros(2), ag.ones(3)])
    >>> [name for name, _ in rows.named_parameters()]
    ['0', '1']
    """

    _item_type = Parameter

    def __init__(self, values: Iterable[Tensor] | None = None):
        super().__init__()
        self.extend(values or ())

    def _checked(self, value: Tensor) -> Parameter:
        return super()._checked(_as_parameter(value))

    def __iadd__(self, values: Iterable[Tensor]) -> Self:
        return self.extend(values)

    def __repr__(self) -> str:
        return _parameters_repr(self._get_name(), [(str(i), p) for i, p in enumerate(self)])


class _Mapping(Module, Generic[Item, Given]):
    """What mappings of modules or parameters share: the items are attributes under their keys."""

    _item_type: type[Item]

    def _dict(self) -> dict[str, Item]:
        return dict(self._own(self._item_type))

    def _checked(self, value: Given) -> Item:
        if not isinstance(value, self._item_type):
            raise TypeError(f"{self._get_name()}: values must be a {self._item_type.__name__}, "
                            f"got {type(value).__name__}")
        return value

    def __getitem__(self, key: str) -> Item:
        items = self._dict()
        if key not in items:
            raise KeyError(f"{self._get_name()} has no {key!r} (keys: {', '.join(items) or 'none'})")
        return items[key]

    def __setitem__(self, key: str, value: Given) -> None:
        self._check_new_name(key, "key", self._item_type)
        setattr(self, key, self._checked(value))

    def __delitem__(self, key: str) -> None:
        self[key]
        delattr(self, key)

    def __len__(self) -> int:
        return len(self._dict())

    def __iter__(self) -> Iterator[str]:
        return iter(self._dict())

    def __contains__(self, key: object) -> bool:
        return key in self._dict()

    def keys(self) -> Iterable[str]:
        """Return the keys in the order in which they were set."""
        return self._dict().keys()

    def values(self) -> Iterable[Item]:
        """Return the values in the order in which they were set."""
        return self._dict().values()

    def items(self) -> Iterable[tuple[str, Item]]:
        """Return pairs of key and value."""
        return self._dict().items()

    def get(self, key: str, default: Default | None = None) -> Item | Default | None:
        """Return the value of a key, or `default`."""
        return self._dict().get(key, default)

    def pop(self, key: str) -> Item:
        """Take a value out and return it."""
        value = self[key]
        delattr(self, key)
        return value

    def clear(self) -> None:
        """Take all values out."""
        for key in self._dict():
            delattr(self, key)

    def update(self, values: Mapping[str, Given] | _Mapping[Any, Given] | Iterable[tuple[str, Given]]) -> None:
        """Set the items of a mapping, or pairs of key and value."""
        pairs = values.items() if isinstance(values, Mapping | _Mapping) else values
        for key, value in pairs:
            self[key] = value


class ModuleDict(_Mapping[Module, Module]):
    """A mapping of names to modules, whose parameters belong to the module that has it as an attribute.

    Parameters
    ----------
    modules : mapping of str to Module, or iterable of pairs, optional

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn import nn
    >>> heads = nn.ModuleDict({"age": nn.Linear(8, 1), "city": nn.Linear(8, 20)})
    >>> heads["city"](ag.zeros(2, 8)).shape
    (2, 20)
    """

    _item_type = Module

    def __init__(
        self, modules: Mapping[str, Module] | ModuleDict | Iterable[tuple[str, Module]] | None = None
    ):
        super().__init__()
        self.update(modules or {})


class ParameterDict(_Mapping[Parameter, Tensor]):
    """A mapping of names to parameters; tensors that are put in become parameters.

    Parameters
    ----------
    parameters : mapping of str to Parameter or Tensor, or iterable of pairs, optional

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn import nn
    >>> scales = nn.ParameterDict({"left": ag.ones(2), "right": ag.ones(3)})
    >>> scales["left"].requires_grad
    True
    """

    _item_type = Parameter

    def __init__(
        self, parameters: Mapping[str, Tensor] | ParameterDict | Iterable[tuple[str, Tensor]] | None = None
    ):
        super().__init__()
        self.update(parameters or {})

    def _checked(self, value: Tensor) -> Parameter:
        return super()._checked(_as_parameter(value))

    def __repr__(self) -> str:
        return _parameters_repr(self._get_name(), list(self.items()))


def _parameters_repr(name: str, items: list[tuple[str, Parameter]]) -> str:
    lines = "".join(f"\n  ({key}): Parameter of shape {value.shape}, {value.dtype}" for key, value in items)
    return f"{name}({lines}\n)" if items else f"{name}()"
