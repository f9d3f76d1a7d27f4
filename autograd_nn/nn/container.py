"""Modules and parameters in sequences and mappings."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from operator import index
from typing import Any, Generic, TypeVar, overload

from ..engine import Variable
from .activation import ReLU
from .convolution import Conv2d
from .linear import Linear
from .module import Module, call_noted, unwatched
from .parameter import Parameter

__all__ = ["ModuleDict", "ModuleList", "ParameterDict", "ParameterList", "Sequential"]

T = TypeVar("T")


class _Listing(Module, Generic[T]):
    """What sequences of modules or parameters share: the attributes '0', '1', ... are the items."""

    _item_type: type

    def _items(self) -> list[T]:
        return [value for _, value in self._own(self._item_type)]

    def _checked(self, value: Any) -> T:
        if not isinstance(value, self._item_type):
            raise TypeError(f"{self._get_name()}: items must be a {self._item_type.__name__}, "
                            f"got {type(value).__name__}")
        return value  # type: ignore[return-value]

    def _name_at(self, position: int) -> str:
        names = [name for name, _ in self._own(self._item_type)]
        try:
            return names[index(position)]
        except IndexError:
            raise IndexError(f"{self._get_name()}: index {position} is out of range for {len(names)} items") from None

    def _replace_all(self, values: Iterable[T]) -> None:
        for name, _ in self._own(self._item_type):
            delattr(self, name)
        self.extend(values)

    def __len__(self) -> int:
        return len(self._items())

    def __iter__(self) -> Iterator[T]:
        return iter(self._items())

    def __contains__(self, value: object) -> bool:
        return any(item is value for item in self._items())

    @overload
    def __getitem__(self, position: int) -> T: ...

    @overload
    def __getitem__(self: _ListingType, position: slice) -> _ListingType: ...

    def __getitem__(self, position: Any) -> Any:
        if isinstance(position, slice):
            return type(self)(self._items()[position])  # type: ignore[call-arg]
        return getattr(self, self._name_at(position))

    def __setitem__(self, position: int, value: T) -> None:
        setattr(self, self._name_at(position), self._checked(value))

    def __delitem__(self, position: int | slice) -> None:
        items = self._items()
        if not isinstance(position, slice):
            self._name_at(position)
        del items[position]
        self._replace_all(items)

    def append(self: _ListingType, value: Any) -> _ListingType:
        """Add an item at the end."""
        setattr(self, str(len(self)), self._checked(value))
        return self

    def extend(self: _ListingType, values: Iterable[Any]) -> _ListingType:
        """Add items at the end."""
        for value in list(values):
            self.append(value)
        return self

    def insert(self, position: int, value: Any) -> None:
        """Put an item before `position`."""
        items: list[Any] = self._items()
        items.insert(position, self._checked(value))
        self._replace_all(items)

    def pop(self, position: int = -1) -> T:
        """Take an item out and return it."""
        item = self[position]
        del self[position]
        return item


_ListingType = TypeVar("_ListingType", bound=_Listing[Any])


class Sequential(_Listing[Module]):
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

    def __init__(self, *modules: Any):
        super().__init__()
        if len(modules) == 1 and isinstance(modules[0], Mapping):
            for name, module in modules[0].items():
                self.add_module(name, self._checked(module))
        else:
            self.extend(modules)

    def __getitem__(self, position: Any) -> Any:
        if isinstance(position, slice):
            return type(self)(dict(self._own(Module)[position]))
        return super().__getitem__(position)

    def __delitem__(self, position: int | slice) -> None:
        names = [name for name, _ in self._own(Module)]
        for name in names[position] if isinstance(position, slice) else [self._name_at(position)]:
            delattr(self, name)
        if all(name.isdigit() for name in names):
            self._replace_all(self._items())

    def forward(self, input: Any) -> Any:
        """Return what the last module makes of it."""
        modules = self._items()
        fused = False
        for module, following in zip(modules, [*modules[1:], None]):
            if fused:
                fused = False
            elif type(following) is ReLU and type(module) in (Conv2d, Linear) and unwatched(module, following):
                input, fused = call_noted(module, module.forward_relu, input), True
            else:
                input = module(input)
        return input


class ModuleList(_Listing[Module]):
    """A list of modules, whose parameters belong to the module that has the list as an attribute.

    Parameters
    ----------
    modules : iterable of Module, optional
    """

    _item_type = Module

    def __init__(self, modules: Iterable[Module] | None = None):
        super().__init__()
        self.extend(modules or ())

    def __iadd__(self, modules: Iterable[Module]) -> ModuleList:
        return self.extend(modules)

    def __add__(self, modules: Iterable[Module]) -> ModuleList:
        return ModuleList([*self, *modules])


def _as_parameter(value: Any) -> Any:
    """Return a tensor as a parameter that shares its memory."""
    return Parameter(value) if isinstance(value, Variable) and not isinstance(value, Parameter) else value


class ParameterList(_Listing[Parameter]):
    """A list of parameters; tensors that are put in become parameters.

    Parameters
    ----------
    values : iterable of Parameter or Tensor, optional
    """

    _item_type = Parameter

    def __init__(self, values: Iterable[Any] | None = None):
        super().__init__()
        self.extend(values or ())

    def _checked(self, value: Any) -> Parameter:
        return super()._checked(_as_parameter(value))

    def __iadd__(self, values: Iterable[Any]) -> ParameterList:
        return self.extend(values)

    def __repr__(self) -> str:
        return _parameters_repr(self._get_name(), [(str(i), p) for i, p in enumerate(self)])


class _Mapping(Module, Generic[T]):
    """What mappings of modules or parameters share: the items are attributes under their keys."""

    _item_type: type

    def _dict(self) -> dict[str, T]:
        return dict(self._own(self._item_type))

    def _checked(self, value: Any) -> T:
        if not isinstance(value, self._item_type):
            raise TypeError(f"{self._get_name()}: values must be a {self._item_type.__name__}, "
                            f"got {type(value).__name__}")
        return value  # type: ignore[return-value]

    def __getitem__(self, key: str) -> T:
        items = self._dict()
        if key not in items:
            raise KeyError(f"{self._get_name()} has no {key!r} (keys: {', '.join(items) or 'none'})")
        return items[key]

    def __setitem__(self, key: str, value: Any) -> None:
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

    def values(self) -> Iterable[T]:
        """Return the values in the order in which they were set."""
        return self._dict().values()

    def items(self) -> Iterable[tuple[str, T]]:
        """Return pairs of key and value."""
        return self._dict().items()

    def get(self, key: str, default: Any = None) -> Any:
        """Return the value of a key, or `default`."""
        return self._dict().get(key, default)

    def pop(self, key: str) -> T:
        """Take a value out and return it."""
        value = self[key]
        delattr(self, key)
        return value

    def clear(self) -> None:
        """Take all values out."""
        for key in self._dict():
            delattr(self, key)

    def update(self, values: Any) -> None:
        """Set the items of a mapping, or pairs of key and value."""
        pairs = values.items() if isinstance(values, Mapping | _Mapping) else values
        for key, value in pairs:
            self[key] = value


class ModuleDict(_Mapping[Module]):
    """A mapping of names to modules, whose parameters belong to the module that has it as an attribute.

    Parameters
    ----------
    modules : mapping of str to Module, or iterable of pairs, optional
    """

    _item_type = Module

    def __init__(self, modules: Any = None):
        super().__init__()
        self.update(modules or {})


class ParameterDict(_Mapping[Parameter]):
    """A mapping of names to parameters; tensors that are put in become parameters.

    Parameters
    ----------
    parameters : mapping of str to Parameter or Tensor, or iterable of pairs, optional
    """

    _item_type = Parameter

    def __init__(self, parameters: Any = None):
        super().__init__()
        self.update(parameters or {})

    def _checked(self, value: Any) -> Parameter:
        return super()._checked(_as_parameter(value))

    def __repr__(self) -> str:
        return _parameters_repr(self._get_name(), list(self.items()))


def _parameters_repr(name: str, items: list[tuple[str, Parameter]]) -> str:
    lines = "".join(f"\n  ({key}): Parameter of shape {value.shape}, {value.dtype}" for key, value in items)
    return f"{name}({lines}\n)" if items else f"{name}()"
