"""Modules that are loaded when something in them is first asked for: kernels import Numba, which takes long."""

from __future__ import annotations

import importlib.util
import sys
import threading
from collections.abc import Iterable
from types import ModuleType
from typing import Any

__all__ = ["Later", "load_later"]

_one_at_a_time = threading.RLock()


class Later(ModuleType):
    """A module that is not loaded yet; its first attribute loads it, and makes it a module as any other."""

    def __getattr__(self, name: str) -> Any:
        if name == "__wrapped__":  # `inspect` asks everything for it; modules have none
            raise AttributeError(name)
        _load(self)
        return getattr(self, name)

    def __dir__(self) -> list[str]:
        _load(self)
        return list(vars(self))


class _Loading(ModuleType):
    """A module that is being loaded: other threads wait, the thread that loads it sees what is there so far."""

    def __getattr__(self, name: str) -> Any:
        with _one_at_a_time:
            if type(self) is ModuleType:  # another thread has loaded it
                return getattr(self, name)
        raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}", name=name)


def _load(module: ModuleType) -> None:
    with _one_at_a_time:
        if isinstance(module, Later):  # otherwise another thread was first
            _execute(module)


def _execute(module: Any) -> None:
    spec: Any = module.__spec__
    module.__class__ = _Loading
    if spec.submodule_search_locations is not None:
        module.__path__ = spec.submodule_search_locations
    try:
        spec.loader.exec_module(module)
    except BaseException:
        vars(module).pop("__path__", None)
        module.__class__ = Later
        raise
    module.__class__ = ModuleType


def load_later(package: ModuleType, names: Iterable[str]) -> None:
    """Put modules of a package in their places, to be loaded by the first use of one of their names.

    ``import`` finds them there: nothing else changes for who imports them, and a loaded one costs nothing more.
    """
    for name in names:
        full = f"{package.__name__}.{name}"
        spec = importlib.util.find_spec(full)
        assert spec is not None
        module: Any = importlib.util.module_from_spec(spec)
        module.__class__ = Later
        vars(module).pop("__path__", None)  # the import of a module in it asks for this, and loads the package first
        sys.modules[full] = module
        setattr(package, name, module)
