"""PyTorch's `jit`: functions and modules run as Python, so that scripting and tracing return what they are given."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NoReturn, TypeVar

from ..nn import Module

__all__ = ["Final", "ScriptModule", "annotate", "export", "freeze", "ignore", "is_scripting", "is_tracing", "load",
           "optimize_for_inference", "save", "script", "script_method", "trace", "trace_module", "unused"]

T = TypeVar("T")
ScriptModule = Module


def script(obj: T, *args: Any, **kwargs: Any) -> T:
    """Return a function, a class or a module as it is: it runs as Python, with the same results."""
    return obj


def trace(func: T, example_inputs: Any = None, *args: Any, **kwargs: Any) -> T:
    """Return a function or a module as it is: its branches follow the inputs of each call, not those of an example."""
    return func


def trace_module(mod: T, inputs: Any = None, *args: Any, **kwargs: Any) -> T:
    """Return a module as it is."""
    return mod


def freeze(mod: T, *args: Any, **kwargs: Any) -> T:
    """Return a module as it is."""
    return mod


def optimize_for_inference(mod: T, *args: Any, **kwargs: Any) -> T:
    """Return a module as it is."""
    return mod


def script_method(fn: T) -> T:
    """Return a method as it is."""
    return fn


def export(fn: T) -> T:
    """Return a method as it is."""
    return fn


def unused(fn: T) -> T:
    """Return a method as it is: nothing is scripted that it would have to be left out of."""
    return fn


def ignore(drop: Any = False, **kwargs: Any) -> Any:
    """Return a function as it is; works with and without arguments, as a decorator."""
    if callable(drop):
        return drop
    identity: Callable[[T], T] = unused
    return identity


def annotate(the_type: Any, the_value: T) -> T:
    """Return the value."""
    return the_value


def is_scripting() -> bool:
    """Return False."""
    return False


def is_tracing() -> bool:
    """Return False."""
    return False


def save(m: Any, f: Any, *args: Any, **kwargs: Any) -> NoReturn:
    """Raise: programs are not saved."""
    raise NotImplementedError("jit.save(): programs are not saved; save the state with save(model.state_dict(), f)")


def load(f: Any, *args: Any, **kwargs: Any) -> NoReturn:
    """Raise: programs are not loaded."""
    raise NotImplementedError("jit.load(): programs are not loaded; build the model and load its state_dict")
