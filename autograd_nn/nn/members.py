"""What a module has, as PyTorch's dicts `_parameters`, `_buffers` and `_modules`, which see its attributes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, MutableMapping
from typing import Any

__all__ = ["Members"]


class Members(MutableMapping[str, Any]):
    """The members of one kind of a module by name; changing an entry changes the module.

    Parameters
    ----------
    names : callable
        Returns the names that there are, in their order.
    owner : Module
    register : callable
        Sets a member by its name.
    """

    def __init__(self, owner: Any, names: Callable[[], list[str]], register: Callable[[str, Any], None]):
        self._owner, self._names, self._register = owner, names, register

    def __getitem__(self, name: str) -> Any:
        if name not in self._names():
            raise KeyError(name)
        return vars(self._owner).get(name)

    def __setitem__(self, name: str, value: Any) -> None:
        self._register(name, value)

    def __delitem__(self, name: str) -> None:
        if name not in self._names():
            raise KeyError(name)
        delattr(self._owner, name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._names())

    def __len__(self) -> int:
        return len(self._names())

    def __repr__(self) -> str:
        return repr(dict(self))
