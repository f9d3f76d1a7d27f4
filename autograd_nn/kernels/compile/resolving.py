"""What Numba finds out again and again while it compiles is remembered: how operators apply to numbers and arrays.

For each ``+`` and each ``x[i]`` in a kernel Numba tries all declarations of the operator, for lists, strings, dates
and sets, until one takes these arguments; three times, as types are inferred and again as code is made of them. The
answer depends on the types of the arguments and on nothing else, unless it is a function that is compiled in turn.
"""

from __future__ import annotations

import contextlib
import operator
from collections.abc import Callable, Iterator
from typing import Any

from numba import types
from numba.core.compiler_lock import global_compiler_lock

from ..annotations import Context, Signature

__all__ = ["remembering"]

OPERATORS = frozenset([bool, *(found for found in vars(operator).values() if callable(found))])
BaseFunction: Any = types.Function.__mro__[1]  # Numba's: of functions, among them operators


def _remembers(resolve: Callable[..., Signature]) -> Callable[..., Signature]:
    """Return Numba's method that finds the declaration for some arguments, made to remember those of operators."""
    found: dict[Any, Any] = {}

    def get_call_type(self: Any, context: Context, arguments: Any, keywords: Any) -> Signature:
        if keywords or self.typing_key not in OPERATORS:
            return resolve(self, context, arguments, keywords)
        key = id(self), id(context), tuple(arguments)
        known = found.get(key)
        if known is not None:
            remembered: Signature = known[0]
            return remembered
        signature = resolve(self, context, arguments, keywords)
        if self.get_impl_key(signature) is self.typing_key:  # declared, and not compiled for certain options
            found[key] = signature, self, context  # both stay: an id stands for one object
        return signature

    return get_call_type


_remembered = _remembers(BaseFunction.get_call_type)


@contextlib.contextmanager
def remembering() -> Iterator[None]:
    """Remember how operators apply, while this thread compiles."""
    with global_compiler_lock:
        before, BaseFunction.get_call_type = BaseFunction.get_call_type, _remembered
        try:
            yield
        finally:
            BaseFunction.get_call_type = before
