"""What stands for a module that is compiled: a module, of a subclass of its class, with the same ``__dict__``."""

from __future__ import annotations

import copy
import functools
import types
import weakref
from collections.abc import Callable, Iterator
from typing import Any

from ..nn import Module
from .reach import Stands

__all__ = ["CompiledModule", "module_kind"]


class CompiledModule(Stands):
    """What `compile` returns of a module, mixed into the class of the module (see `module_kind`).

    What is set on either of the two is set on both, as they have one ``__dict__``.
    """

    __slots__ = ("_compiled", "_stands_for")

    def __init__(self, compiled: Any):
        put = functools.partial(object.__setattr__, self)
        put("_compiled", compiled)
        put("_stands_for", compiled.function)
        put("__dict__", vars(compiled.function))

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._compiled(*args, **kwargs)

    def __repr__(self) -> str:
        return repr(self._compiled)

    def __getattr__(self, name: str) -> Any:
        if name in _SHOWN:
            return getattr(self._compiled, name)
        return super().__getattr__(name)  # type: ignore[misc]

    def __copy__(self) -> Any:
        return self._compiled._like(self._stands_for)

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        copied = memo[id(self)] = self._compiled._like(copy.deepcopy(self._stands_for, memo))
        return copied

    def __reduce_ex__(self, protocol: Any) -> Any:
        return self._compiled.__reduce__()

    @property
    def _orig_mod(self) -> Any:
        """The module, by PyTorch's name."""
        return self._stands_for

    # These hand out modules: the module itself, once.

    def named_modules(self, *args: Any, **kwargs: Any) -> Iterator[tuple[str, Module]]:
        """Yield what the module does."""
        return self._orig_mod.named_modules(*args, **kwargs)  # type: ignore[no-any-return]

    def apply(self, fn: Callable[[Module], object]) -> Any:
        """Call ``fn(module)`` as the module does."""
        self._orig_mod.apply(fn)
        return self

    def train(self, mode: bool = True) -> Any:
        """Set the mode of the module."""
        self._orig_mod.train(mode)
        return self


_SHOWN = frozenset({"disabled", "explain", "fullgraph", "function", "plans", "signatures"})  # of what compiles it

_kinds: weakref.WeakKeyDictionary[type, Any] = weakref.WeakKeyDictionary()


def module_kind(kind: type) -> Any:
    """Return the class of compiled modules of a class: its subclass."""
    known = _kinds.get(kind)
    made = None if known is None else known()
    if made is None:
        made = types.new_class(f"Compiled{kind.__name__}", (CompiledModule, kind), {},
                               lambda names: names.update(__slots__=(), __module__=__name__))
        _kinds[kind] = weakref.ref(made)
    return made
