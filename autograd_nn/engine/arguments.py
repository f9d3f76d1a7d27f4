"""Arguments of another kind: an error that names the function, the argument, what was given, and what is accepted.

A signature says what a function accepts. A call that fails is explained afterwards: its arguments are compared with the
annotations, and the first one that does not fit is named. So a call that succeeds pays for one frame and no check.
"""

from __future__ import annotations

import collections.abc
import difflib
import functools
import inspect
import numbers
import operator
import re
import sys
import types
import typing
from collections.abc import Callable, Iterable
from typing import Any, Literal, TypeVar

import numpy as np

from .. import typing as aliases
from ..typing import Tensor
from .graph import Variable, wrap

_ALIASES = {name: value for name, value in vars(aliases).items() if not name.startswith("__")} | {"np": np}
_ALIASES |= {name: eval(value, dict(_ALIASES)) for name, value in _ALIASES.items() if isinstance(value, str)}
_PACKAGE = __package__.rpartition(".")[0]
_TABLES = ("pandas", "polars", "xarray")
_RAW = (AttributeError, TypeError, ValueError, LookupError, ArithmeticError, NameError, AssertionError)
_KINDS = {AttributeError: TypeError, TypeError: TypeError, RuntimeError: RuntimeError}  # otherwise a ValueError
_unknown_keyword = re.compile(r".*(got an unexpected keyword argument '(\w+)')$").match
_names_its_place = re.compile(r"[A-Z]\w*(\.\w+)*: |[\w.]+\(\)").match  # "Linear: ...", "sum(): ..."
_F = TypeVar("_F", bound=Callable[..., Any])


def explain(namespace: dict[str, Any], names: Iterable[str], home: str | None = None) -> None:
    """Let functions and classes explain their errors: those of `names` in a module or a package that are its own.

    They are its own if they are defined in it, or in `home`. A function is replaced where it is defined too, so that it
    can still be pickled by its name.
    """
    home = home or namespace["__name__"]
    done = set[type]()
    for name in list(names):
        value = typing.cast(Any, namespace.get(name))
        module = str(getattr(value, "__module__", None))
        if module != home and not module.startswith(f"{home}."):
            continue
        if isinstance(value, types.FunctionType) and not hasattr(value, "_explained"):
            namespace[name] = explained(value)
            own, defined = vars(sys.modules[module]), str(getattr(value, "__name__", ""))
            if own.get(defined) is value:
                own[defined] = namespace[name]
        elif isinstance(value, type) and not issubclass(value, BaseException):
            for kind in value.__mro__:
                if kind not in done and (kind.__module__ == home or kind.__module__.startswith(f"{home}.")):
                    explain_methods(kind)
                    done.add(kind)


def explain_methods(kind: type, names: Iterable[str] | None = None) -> None:
    """Let the constructor and the public methods of a class explain their errors, or those of `names`.

    ``forward`` stays as it is: a module's call explains its errors.
    """
    for name, value in list(vars(kind).items()):
        public = name in ("__init__", "__call__") or not (name.startswith("_") or name == "forward")
        chosen = public if names is None else name in names
        plain = chosen and isinstance(value, types.FunctionType) and not hasattr(value, "_explained")
        if plain and _takes_arguments(value) and not value.__code__.co_flags & inspect.CO_GENERATOR:
            setattr(kind, name, explained(value, method=True))


def _takes_arguments(method: Callable[..., Any]) -> bool:
    code = (inspect.unwrap(method) if hasattr(method, "__wrapped__") else method).__code__
    return code.co_argcount + code.co_kwonlyargcount > 1 or bool(code.co_flags & inspect.CO_VARARGS)


def explained(function: _F, *, method: bool = False, translated: Callable[..., Any] | None = None) -> _F:
    """Return a function that explains the errors of another one.

    Parameters
    ----------
    function : callable
    method : bool
        Whether errors name the class of the first argument too.
    translated : callable, optional
        Takes the positional and the keyword arguments of a call that a TypeError ended, and returns them in other
        words for a second try, or None.
    """
    @functools.wraps(function)
    def _called(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except Exception as error:
            again = translated(args, kwargs) if translated is not None and isinstance(error, TypeError) else None
            if again is None and isinstance(error, AttributeError) and str(error) == _NO_TENSOR:
                again = _in_tensors(args, kwargs)
            if again is None:
                name = _name_of_method(function, args) if method else function.__name__
                better = explanation(error, function, name, args, kwargs)
                if better is None:
                    raise
                raise better from error
        return _called(*again[0], **again[1])

    _called._explained = True  # type: ignore[attr-defined]
    return typing.cast(_F, _called)


_NO_TENSOR = "'numpy.ndarray' object has no attribute 'array'"  # what arrays of NumPy's in the place of tensors lead to


def _in_tensors(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]] | None:
    """Return arguments with tensors in the place of arrays; None where there is no array that a tensor could have."""
    values = [*args, *kwargs.values()]
    found = [_with_tensors(value) for value in values]
    if all(a is b for a, b in zip(values, found)):
        return None
    return tuple(found[: len(args)]), dict(zip(kwargs, found[len(args) :]))


def _with_tensors(value: Any) -> Any:
    """Return a value with tensors in the place of arrays, which have the same memory if their bytes are in order."""
    if type(value) is np.ndarray and value.dtype.kind in "fiubc":
        return wrap(value if value.dtype.isnative else value.astype(value.dtype.newbyteorder("=")))
    if type(value) in (tuple, list):
        parts = [*map(_with_tensors, value)]
        return value if all(a is b for a, b in zip(value, parts)) else type(value)(parts)
    return value


def _name_of_method(function: Callable[..., Any], args: tuple[Any, ...]) -> str:
    name = type(args[0]).__name__ if args else function.__qualname__.partition(".")[0]
    return name if function.__name__ in ("__init__", "__call__", "forward") else f"{name}.{function.__name__}"


def explanation(
    error: Exception, function: Callable[..., Any], name: str, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Exception | None:
    """Return a better error for a call that failed; None where the error says enough, or is another program's."""
    text = str(error.args[0]) if isinstance(error, KeyError) and error.args else str(error)
    of_door = getattr(error, "of_door", False)
    says_where = _names_its_place(text) is not None or (isinstance(error, KeyError) and " " in text)
    if isinstance(error, AttributeError) and text.startswith(f"{_PACKAGE}."):  # the package itself was given
        says_where = False
    bare = name.rpartition(".")[2]
    own = text.startswith((f"{name}()", f"{name}:", f"{bare}()")) or not isinstance(error, TypeError)
    unknown = _unknown_keyword(text) if isinstance(error, TypeError) else None
    if says_where and own and not (of_door or unknown or isinstance(error, IndexError | AttributeError)):
        return None
    if (not isinstance(error, _RAW) and type(error) is not RuntimeError) or comes_from_outside(error):
        return None
    try:
        bound = inspect.signature(function).bind(*args, **kwargs)
    except TypeError:
        if unknown:
            return TypeError(f"{name}() {unknown[1]}{_meant(unknown[2], function)}")
        return None if says_where else TypeError(f"{name}(): {text}")
    for argument, value, accepted in given_arguments(function, bound):
        if not fits(value, accepted):
            note = ", a str" if isinstance(value, str) and not takes_strings(accepted) else ""
            return TypeError(f"{name}(): {argument} must be {described(accepted)} ({argument}={shown(value)}{note})"
                             f"{hint(value, accepted)}")
    if says_where:
        return None
    kind = next((better for raw, better in _KINDS.items() if isinstance(error, raw)), ValueError)
    if isinstance(error, KeyError):
        text = f"no such key: {text}"
    arguments = ", ".join(f"{argument}={shown(value)}" for argument, value, _ in given_arguments(function, bound))
    return kind(f"{name}(): {text} ({arguments})" if arguments else f"{name}(): {text}")


def _meant(keyword: str, function: Callable[..., Any]) -> str:
    """Return which keyword may be meant by one that a function does not take, or which ones it takes."""
    parameters = inspect.signature(function).parameters.values()
    names = [p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY) and p.name != "self"]
    near = difflib.get_close_matches(keyword, names, 1, cutoff=0.6)
    return f"; did you mean {near[0]}?" if near else f"; it takes {', '.join(names)}" if names else ""


def comes_from_outside(error: Exception) -> bool:
    """Return whether an error was raised in a function of the user's, or of a library that the user passed in.

    A library's object that lacks an attribute, as a table lacks that of a tensor, was asked for it here.
    """
    trace = error.__traceback__
    while trace is not None:
        top = str(trace.tb_frame.f_globals.get("__name__", "")).partition(".")[0]
        asked = isinstance(error, AttributeError) and trace.tb_next is None
        if asked and trace.tb_frame.f_code.co_name in ("__getattr__", "__getattribute__") and top in _TABLES:
            return False
        if top not in (_PACKAGE, "numpy", "numba") and top not in sys.stdlib_module_names:
            return True
        trace = trace.tb_next
    return False


def given_arguments(
    function: Callable[..., Any], bound: inspect.BoundArguments
) -> Iterable[tuple[str, Any, Any]]:
    """Yield the name, the value and the annotation of each argument of a call but ``self``."""
    try:
        annotations = typing.get_type_hints(inspect.unwrap(function), localns=_ALIASES)
    except (NameError, TypeError, AttributeError):
        annotations = {}
    for name, value in bound.arguments.items():
        kind = bound.signature.parameters[name].kind
        accepted = annotations.get(name, Any)
        if kind is inspect.Parameter.VAR_POSITIONAL:
            yield from ((f"{name}[{i}]", item, accepted) for i, item in enumerate(value))
        elif kind is inspect.Parameter.VAR_KEYWORD:
            yield from ((key, item, accepted) for key, item in value.items())
        elif name != "self":
            yield name, value, accepted


# ------------------------------------------------------------------------------------ what annotations accept


def _parts(accepted: Any) -> tuple[Any, ...]:
    """Return the members of a union, or the annotation alone."""
    if typing.get_origin(accepted) in (typing.Union, types.UnionType):
        return typing.get_args(accepted)
    return (accepted,)


def _is_tensor(accepted: Any) -> bool:
    return accepted is Tensor or (isinstance(accepted, type) and issubclass(accepted, Variable))


def _is_dtype(parts: tuple[Any, ...]) -> bool:
    return any(typing.get_origin(part) is np.dtype for part in parts)


def fits(value: Any, accepted: Any) -> bool:
    """Return whether a value is of a kind that an annotation accepts."""
    parts = _parts(accepted)
    if _is_dtype(parts):
        try:
            return value is None or np.dtype(value) is not None
        except Exception:  # what an object's attribute `dtype` may hold
            return False
    return any(_fits(value, part) for part in parts)


def _fits(value: Any, part: Any) -> bool:
    origin, arguments = typing.get_origin(part), typing.get_args(part)
    if part is Any or part is object:
        return True
    if part is None or part is types.NoneType:
        return value is None
    if origin is Literal:
        return isinstance(value, str | int | None) and value in arguments
    if _is_tensor(part):
        return isinstance(value, Variable) or (isinstance(value, np.ndarray) and value.dtype.kind in "fiubc")
    if part is float:
        return isinstance(value, numbers.Real | np.bool_) or _is_single(value, "fiub")
    if part is int:
        return (not isinstance(value, Variable | np.ndarray) and _is_index(value)) or _is_single(value, "iub")
    if part is bool:
        return isinstance(value, bool | np.bool_ | int) or _is_single(value, "b")
    kind: Any = origin or part
    if not isinstance(kind, type):
        return True
    if kind is collections.abc.Callable:
        return callable(value)
    if issubclass(kind, np.ndarray):
        return isinstance(value, Variable) or (isinstance(value, np.ndarray) and value.dtype.kind in "fiubc")
    if getattr(kind, "_is_protocol", False):
        return True
    if kind in (collections.abc.Sequence, collections.abc.Iterable):
        of_tensors = not arguments or any(map(_is_tensor, _parts(arguments[0])))
        if isinstance(value, str | bytes) or not hasattr(type(value), "__iter__"):
            return False
        if isinstance(value, Variable) and not of_tensors:
            return False
        return not isinstance(value, list | tuple) or not arguments or all(fits(x, arguments[0]) for x in value)
    if kind is tuple and isinstance(value, tuple):
        if len(arguments) == 2 and arguments[1] is Ellipsis:
            return all(fits(x, arguments[0]) for x in value)
        return len(arguments) in (0, len(value)) and all(map(fits, value, arguments))
    if kind is list and isinstance(value, list):
        return all(fits(x, arguments[0]) for x in value) if arguments else True
    return isinstance(value, kind)


def _is_index(value: Any) -> bool:
    try:
        operator.index(value)
    except TypeError:
        return False
    return True


def _is_single(value: Any, kinds: str) -> bool:
    array = value.array if isinstance(value, Variable) else value
    return isinstance(array, np.ndarray | np.generic) and array.size == 1 and array.dtype.kind in kinds


_NAMES = {int: "an integer", float: "a number", bool: "True or False", str: "a string", types.NoneType: "None",
          np.generic: "a NumPy scalar", collections.abc.Callable: "a function", dict: "a dict"}
_PLURALS = {int: "integers", float: "numbers", bool: "booleans", str: "strings"}


def takes_strings(accepted: Any) -> bool:
    """Return whether some strings are accepted."""
    return any(part is str or typing.get_origin(part) is Literal for part in _parts(accepted))


def described(accepted: Any) -> str:
    """Return what an annotation accepts, in words."""
    parts = _parts(accepted)
    if _is_dtype(parts):
        return "a dtype" + (" or None" if types.NoneType in parts else "")
    texts = list(dict.fromkeys(_described(part) for part in parts if part is not types.NoneType))
    if types.NoneType in parts:
        texts.append("None")
    return " or ".join([", ".join(texts[:-1]), texts[-1]] if len(texts) > 1 else texts)


def _described(part: Any) -> str:
    origin, arguments = typing.get_origin(part), typing.get_args(part)
    if origin is Literal:
        return "one of " + ", ".join(map(repr, arguments))
    if _is_tensor(part):
        return "a tensor"
    kind = origin or part
    if kind in (tuple, list, collections.abc.Sequence, collections.abc.Iterable):
        name = {tuple: "a tuple", list: "a list"}.get(kind, "a sequence")
        if not arguments:
            return name
        inner = _parts(arguments[0])
        of = "tensors" if any(map(_is_tensor, inner)) else next((_PLURALS[x] for x in inner if x in _PLURALS), "")
        return f"{name} of {of}" if of else name
    if isinstance(kind, type) and issubclass(kind, np.ndarray):
        return "an array"
    if kind in _NAMES:
        return _NAMES[kind]
    name = getattr(kind, "__name__", str(kind))
    return f"{'an' if name[:1].lower() in 'aeiou' else 'a'} {name}"


def shown(value: Any) -> str:
    """Return a value in few characters, with its kind where that is not plain to see."""
    array = value.array if isinstance(value, Variable) else value
    if isinstance(array, np.ndarray):
        kind = "tensor" if isinstance(value, Variable) else "array"
        return f"a {kind} of shape {array.shape}, {array.dtype}" if kind == "tensor" else \
            f"an array of shape {array.shape}, {array.dtype}"
    try:
        text = repr(value)
    except Exception:
        text = "..."
    text = " ".join(text.split())
    text = text if len(text) <= 60 else text[:57] + "..."
    return text if isinstance(value, str | int | float | None) else f"{text}, {_article(type(value).__name__)}"


def _article(name: str) -> str:
    return f"{'an' if name[:1].lower() in 'aeiou' else 'a'} {name}"


def hint(value: Any, accepted: Any) -> str:
    """Return what to do about a value, where it can be said."""
    if any(map(_is_tensor, _parts(accepted))):
        inside = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ()
        if any(isinstance(item, Variable) for item in inside):
            return f"; pass one of its tensors, such as [{next(iter(value), 0) if isinstance(value, dict) else 0!r}]"
        if isinstance(value, list | tuple | numbers.Real | np.generic) and not isinstance(value, type(None)):
            return "; use tensor() to make one of it"
        if type(value).__module__.partition(".")[0] == "pandas":
            return "; use tensor(df.values)"
    if _is_dtype(_parts(accepted)):
        try:
            np.dtype(value)
        except TypeError as error:  # a name of PyTorch's says which dtype to use
            return f"; {error}" if "; use " in str(error) else ""
    return ""
