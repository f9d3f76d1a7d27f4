"""Keywords that PyTorch takes and our signatures do not have: NumPy's names of dims, names of inputs, memory formats.

A function is wrapped once, after its module was imported: operations among themselves call it directly. The wrapper
looks at keywords only after the function refused them, so that a call without them costs what it did.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable
from types import FunctionType, ModuleType
from typing import Any, TypeVar

from ..engine.arguments import explained

__all__ = ["accept_other_names", "with_other_names"]

F = TypeVar("F", bound=Callable[..., Any])

_SYNONYMS = {  # PyTorch's and NumPy's names: of ours, the first that the function has
    "axis": ("dim", "dims"), "axes": ("dims",),
    "keepdims": ("keepdim",),
    "axis0": ("dim0",), "axis1": ("dim1",), "axis2": ("dim2",),
    "mat": ("x",), "mat1": ("x",), "batch1": ("x",),
    "batch2": ("y",),
    "sections": ("indices_or_sections",), "indices": ("indices_or_sections",),
}  # fmt: skip
_FIRST = ("input", "self", "x")
_SECOND = ("other", "mat2", "vec2", "vec", "tensor", "exponent", "y")
_OF = {
    "addmm": {"mat2": "y"},
    "addmv": {"vec": "y"},
    "tensordot": {"a": "x", "b": "y"},
    "where": {"input": "x", "self": "x", "other": "y"},
    "masked_fill": {"other": "value"},
    "scatter": {"value": "src"},
    "normal": {},
}  # fmt: skip
_WITHOUT_MEANING = {  # accepted with these values; None stands for any
    "layout": ("None", "torch.strided"),
    "memory_format": None,
    "out": ("None",),
    "pin_memory": ("None", "False"),
    "sparse_grad": ("False",),
    "_stacklevel": None,
}


@functools.cache
def _translation(function: Callable[..., Any]) -> dict[str, str]:
    """Return the other names that a function's parameters go by."""
    parameters = inspect.signature(function).parameters
    names = [name for name, p in parameters.items() if p.kind is p.POSITIONAL_OR_KEYWORD]
    out = dict(_OF.get(function.__name__, {}))
    for other, ours in _SYNONYMS.items():
        if name := next((name for name in ours if name in names), ""):
            out.setdefault(other, name)
    for others, place in ((_FIRST, 0), (_SECOND, 1)):
        if len(names) > place and names[place] in ("input", "x", "y", "other", "self"):
            out.update({other: names[place] for other in others if other not in out})
    return {other: ours for other, ours in out.items() if other not in parameters}


def with_other_names(function: F) -> F:
    """Return a function that takes PyTorch's other keywords too; itself if there are none for it.

    Examples
    --------
    >>> from autograd_nn import ones
    >>> from autograd_nn.ops.keywords import with_other_names
    >>> with_other_names(lambda x, dim, keepdim=False: x.shape[dim])(input=ones(2, 3), axis=1)
    3
    """
    return explained(function, translated=functools.partial(_in_our_words, function))


def _in_our_words(function: Callable[..., Any], args: tuple[Any, ...], keywords: dict[str, Any]
                  ) -> tuple[tuple[Any, ...], dict[str, Any]] | None:
    """Return a refused call with the function's own keywords; None if it was no other keyword that was refused."""
    parameters = inspect.signature(function).parameters
    known = {name for name, p in parameters.items() if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)}
    if keywords.keys() <= known:
        return None
    rest = next((name for name, p in parameters.items() if p.kind is p.VAR_POSITIONAL), None)
    translation = _translation(function)
    given: dict[str, Any] = {}
    for name, value in keywords.items():
        name = translation.get(name, name)
        if name == rest and name in ("size", "dims"):
            args = (*args, value)
        elif name in given:
            return None
        elif name in known or name not in _WITHOUT_MEANING:
            given[name] = value
        elif (values := _WITHOUT_MEANING[name]) is not None and repr(value) not in values:
            return None
    return None if given.keys() == keywords.keys() else (args, given)


def accept_other_names(modules: Iterable[ModuleType]) -> None:
    """Let the public functions of modules take PyTorch's other keywords."""
    for module in modules:
        for name in module.__all__:
            function = getattr(module, name)
            if isinstance(function, FunctionType) and function.__module__ == module.__name__:
                setattr(module, name, with_other_names(function))
