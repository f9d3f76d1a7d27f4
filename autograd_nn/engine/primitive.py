"""Primitives, and the one door that every application of every primitive passes."""

from __future__ import annotations

import dis
import functools
import inspect
import itertools
import re
import sys
import threading
import types
from collections.abc import Callable
from typing import Any, Self, TypeVar, cast, overload

import numpy as np

from ..typing import Rule, Tensor
from . import graph
from .dtypes import NUMBERS, get_default_dtype, promoted
from .graph import Call, Node, Variable

_FLOAT32, _FLOAT64 = np.dtype(np.float32), np.dtype(np.float64)
_ndarray = np.ndarray
_NAMED = re.compile(r"[\w.]+\(\)").match
_OPERATIONS = (f"{__package__.rpartition('.')[0]}.ops.", f"{__package__.rpartition('.')[0]}.composed")
_new = object.__new__
_Function = TypeVar("_Function", bound=Callable[..., Any])


class _State(threading.local):
    """What each thread has of its own: is it recording, who listens, which call is being differentiated."""

    recording = True
    listener: Callable[..., Any] | None = None
    differentiating: Call | None = None


_state = _State()


# ------------------------------------------------------------------------------------- recording, listening


class set_grad_enabled:
    """Turn recording on or off in this thread, at once; as a context, until its end."""

    def __init__(self, mode: bool):
        self.previous = _state.recording
        _state.recording = bool(mode)

    def __enter__(self) -> set_grad_enabled:
        return self

    def __exit__(self, *exception: object) -> None:
        _state.recording = self.previous


class _Recording:
    """Context and decorator that records or does not; `no_grad` and `enable_grad` say which."""

    mode: bool

    @overload
    def __new__(cls, function: None = None) -> Self: ...

    @overload
    def __new__(cls, function: _Function) -> _Function: ...  # type: ignore[misc]

    def __new__(cls, function: Any = None) -> Any:
        self = super().__new__(cls)
        return self if function is None else self(function)

    def __enter__(self) -> None:
        self.__dict__.setdefault("previous", []).append(_state.recording)
        _state.recording = self.mode

    def __exit__(self, *exception: object) -> None:
        _state.recording = self.__dict__["previous"].pop()

    def __call__(self, function: _Function) -> _Function:
        kind = type(self)

        @functools.wraps(function)
        def decorated(*args: Any, **kwargs: Any) -> Any:
            with kind():
                return function(*args, **kwargs)

        return cast(_Function, decorated)


class no_grad(_Recording):
    """Record nothing: ``with no_grad():`` or ``@no_grad()``; concerns the calling thread only."""

    mode = False


class enable_grad(_Recording):
    """Record again inside a `no_grad` block: ``with enable_grad():`` or ``@enable_grad()``."""

    mode = True


def is_grad_enabled() -> bool:
    """Return whether operations of this thread are recorded."""
    return _state.recording


class listen:
    """Let a function stand at the door: ``with listen(listener):``.

    For each application of a primitive in this thread, ``listener(proceed, primitive, inputs, params)`` is
    called in its place and returns the result, normally that of ``proceed(*inputs, **params)``. Listeners
    nest: an inner one's `proceed` goes through the outer one.
    """

    def __init__(self, listener: Callable[..., Any]):
        self.listener = listener

    def __enter__(self) -> listen:
        self.outer = _state.listener
        _state.listener = self
        return self

    def __exit__(self, *exception: object) -> None:
        _state.listener = self.outer

    def __call__(self, primitive: Primitive, inputs: tuple[Any, ...], params: dict[str, Any]) -> Any:
        def proceed(*inputs: Any, **params: Any) -> Any:
            previous, _state.listener = _state.listener, self.outer
            try:
                return primitive(*inputs, **params)
            finally:
                _state.listener = previous

        return self.listener(proceed, primitive, inputs, params)


def differentiating() -> Call | None:
    """Return the call whose vjps run in this thread now (None in a forward pass), for listeners."""
    return _state.differentiating



# ------------------------------------------------------------------------------------------ primitives


def _names_read(rule: Callable[..., Any]) -> tuple[set[str], set[str]] | None:
    """Return which parameters a rule reads as data and which only by shape; None where it cannot be told."""
    code = getattr(rule, "__code__", None)
    if code is None or code.co_flags & inspect.CO_VARARGS:
        return None
    data: set[str] = set(code.co_cellvars)
    shape: set[str] = set()
    instructions = list(dis.get_instructions(code))
    for instruction, following in itertools.pairwise(instructions):
        if instruction.opname.startswith("LOAD_FAST"):
            loaded = instruction.argval
            *rest, last = loaded if isinstance(loaded, tuple) else (loaded,)
            data.update(rest)
            by_shape = following.opname == "LOAD_ATTR" and following.argval in ("shape", "dtype", "ndim")
            (shape if by_shape else data).add(last)
    return data, shape


class Plan:
    """What a call keeps for backward, given which of its inputs need a gradient.

    Attributes
    ----------
    inputs : list of bool
        Which inputs some rule reads; `kept` are their positions, `everything` says that it is all of them.
    output : bool
        Whether some rule reads the result.
    keeps : bool
        Whether anything at all is kept that `backward` frees.
    rules : list of (int, callable)
        The position and vjp of each input that needs a gradient; empty where there is a joint rule.
    """

    __slots__ = ("everything", "inputs", "keeps", "kept", "output", "rules")

    def __init__(self, inputs: list[bool], output: bool, residuals: bool, rules: list[tuple[int, Callable[..., Any]]]):
        self.inputs = inputs
        self.kept = [i for i, keep in enumerate(inputs) if keep]
        self.output = output
        self.everything = all(inputs)
        self.keeps = output or residuals or any(inputs)
        self.rules = rules


class Primitive:
    """An array function and the rules that differentiate it.

    Made by the decorators `primitive` and `elementwise`; called with variables, arrays or Python numbers as positional
    arguments and settings as keywords, it returns one variable.
    """

    def __init__(self, forward: Rule, *, elementwise: bool = False, floating: bool = False,
                 residuals: bool = False):
        self.__doc__ = forward.__doc__
        self.__name__ = self.__qualname__ = forward.__name__
        self.__module__ = forward.__module__
        self.__wrapped__ = forward
        self.forward = forward
        self.name = forward.__name__.lstrip("_")
        self.elementwise = elementwise
        self.promotes = elementwise
        self.floating = floating
        self.residuals = residuals
        self.rules: tuple[Rule | None, ...] = ()
        self.joint: Rule | None = None
        self.shapes_only = False
        self.differentiable = 0  # bit i: input i has a rule
        self.plans: dict[int, Plan] = {}  # by the number of inputs and which of them need a gradient

    def __repr__(self) -> str:
        return f"<primitive {self.name}>"

    @overload
    def __get__(self, instance: None, owner: Any = None) -> Primitive: ...

    @overload
    def __get__(self, instance: Any, owner: Any = None) -> Callable[..., Tensor]: ...

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        """Bind as functions do, so that a class can take a primitive as a method."""
        return self if instance is None else types.MethodType(self, instance)

    def defvjp(self, *rules: Rule | None) -> None:
        """Give the vjp of each input, in order.

        A rule is ``rule(g, out, *inputs, **params) -> gradient``, written with operations on tensors, so that it can be
        differentiated again; `g` is the gradient of the result `out`. None marks an input without gradient. The
        graph keeps only the arrays whose names a rule reads; reading ``.shape``, ``.ndim`` or ``.dtype`` keeps nothing.
        """
        self.rules = rules
        self.differentiable = sum(1 << i for i, rule in enumerate(rules) if rule is not None)

    def defvjps(self, rule: Rule, *, shapes_only: bool = False) -> None:
        """Give one joint rule for all inputs, where they share work.

        It is called as ``rule(g, out, *inputs, needs, **params)`` and returns one gradient per input, None where
        ``needs[i]`` is false. `shapes_only` says of a rule with ``*inputs`` that it reads no data.
        """
        self.joint = rule
        self.shapes_only = shapes_only
        self.differentiable = -1

    def __call__(self, *inputs: Any, **params: Any) -> Tensor:
        state = _state
        if state.listener is not None:
            return state.listener(self, inputs, params)  # type: ignore[no-any-return]
        arrays: list[Any] = []
        parents: list[Node | None] = []
        needs = 0
        bit = 1
        for x in inputs:
            if isinstance(x, Variable):
                arrays.append(x._data)
                parents.append(x.node)
                if x.node is not None:
                    needs |= bit
            else:
                arrays.append(x if type(x) in NUMBERS else _as_array(x, self, bool(arrays)))
                parents.append(None)
            bit += bit
        if self.promotes:
            dtype, mixed = None, True
            for a in arrays:  # the common case, told without a call: arrays of one float dtype, then numbers
                if type(a) is _ndarray:
                    if dtype is None:
                        dtype = a.dtype
                        if dtype is not _FLOAT32 and dtype is not _FLOAT64:
                            break
                    elif a.dtype is not dtype:
                        break
                elif dtype is None or type(a) not in NUMBERS:
                    break
            else:
                mixed = False
            if mixed:
                arrays = promoted(arrays, self.floating)
        residuals = ()
        try:
            if params:
                result = self.forward(*arrays, **params)
            elif bit == 4:
                result = self.forward(arrays[0], arrays[1])
            else:
                result = self.forward(*arrays)
        except (IndexError, TypeError, ValueError) as error:
            if (ordered := self._in_order(inputs, params)) is not None:
                return self(*ordered[0], **ordered[1])
            if _NAMED(str(error)):
                raise
            raise _named(error, self, arrays) from error
        if self.residuals:
            result, residuals = result
        if type(result) is not _ndarray:
            result = np.asarray(result)
        out = _new(graph.result_type)
        out._data = result
        if needs and state.recording and (needs := needs & self.differentiable):
            plan = self.plans.get(bit * bit + needs) or self._plan(needs, len(inputs))
            if needs != bit - 1:
                parents = [parent if needs >> i & 1 else None for i, parent in enumerate(parents)]
            if not plan.everything:
                arrays = [a if keep else None for a, keep in zip(arrays, plan.inputs)]
            call = Call()
            call.primitive = self
            call.parents = parents
            call.inputs = arrays
            call.output = result if plan.output else None
            call.residuals = residuals
            call.params = params
            call.plan = plan
            call.time = graph.clock
            call.shape = result.shape
            call.dtype = result.dtype
            call.grad = call.hooks = None
            call.retains = False
            out.node = call
        else:
            out.node = None
        return out  # type: ignore[return-value]  # as in `wrap`

    def _in_order(self, inputs: tuple[Any, ...], params: dict[str, Any]) -> tuple[list[Any], dict[str, Any]] | None:
        """Return a call in which inputs were given by name with each in its place; None where none was.

        The first two have PyTorch's names too: ``input`` and ``other``, or ``exponent``.
        """
        parameters = inspect.signature(self.forward).parameters.values()
        names = [p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
        synonyms = {"exponent": names[-1], **dict(zip(("input", "other"), names))}
        given = {synonyms.get(name, name): value for name, value in params.items()}
        ordered = [*inputs]
        for name in names[len(inputs) :]:
            if name in given:
                ordered.append(given.pop(name))
            else:
                break
        return (ordered, given) if len(ordered) > len(inputs) else None

    def _plan(self, needs: int, count: int) -> Plan:
        """Work out what to keep from what the rules read (an input without a node is kept even for its shape)."""
        rules = [] if self.joint else [(i, r) for i, r in enumerate(self.rules) if r is not None and needs >> i & 1]
        inputs, output = [False] * count, False
        for rule in [self.joint] if self.joint else [rule for _, rule in rules]:
            if self.shapes_only:
                inputs = [not needs >> i & 1 for i in range(count)]
                break
            read = _names_read(rule)
            if read is None:
                inputs, output = [True] * count, True
                break
            data, shape = read
            names = rule.__code__.co_varnames[1 : count + 2]
            output |= names[0] in data
            for i, name in enumerate(names[1:]):
                inputs[i] |= name in data or (name in shape and not needs >> i & 1)
        plan = self.plans[(1 << 2 * count) + needs] = Plan(inputs, output, self.residuals, rules)
        return plan




def _named(error: Exception, primitive: Primitive, arrays: list[Any]) -> Exception:
    """Return an error of NumPy's with the operation and its inputs told; shapes that do not fit are a RuntimeError."""
    text = str(error)
    kind: type[Exception] = type(error) if type(error) in (TypeError, ValueError) else IndexError
    if "broadcast" in text:
        kind, text = RuntimeError, "shapes cannot be broadcast together" if "operands" in text else text.strip()
    elif "ufunc" in text:
        text = "is not defined for these dtypes"
    names = inspect.signature(primitive.forward).parameters
    inputs = ", ".join(f"{name}: {a.dtype} {a.shape}" if isinstance(a, np.ndarray) else f"{name}: {a!r}"
                       for name, a in zip(names, arrays) if a is not None)
    return kind(f"{_asked_for(primitive)}(): {text} ({inputs})")


def _asked_for(primitive: Primitive) -> str:
    """Return the name of the operation that was called: that of the outermost function which leads to the primitive."""
    name = primitive.name
    frame = sys._getframe(1)
    while frame.f_back and frame.f_globals["__name__"] == __name__:
        frame = frame.f_back
    while frame.f_back and frame.f_globals["__name__"].startswith(_OPERATIONS):
        function = frame.f_code.co_name
        if function.isidentifier() and not function.startswith("_"):
            name = function
        frame = frame.f_back
    return name


def _as_array(x: Any, primitive: Primitive, optional: bool) -> Any:
    """Return an input that is not a variable as an array; None stands for an absent `optional` input."""
    if isinstance(x, np.ndarray | np.generic):
        array = np.asarray(x)
        if array.dtype.kind not in "fiub":
            raise TypeError(f"{_asked_for(primitive)}(): expects elements that are numbers or booleans "
                            f"(dtype={array.dtype})")
        return array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))
    if x is None and optional:
        return None
    if isinstance(x, list | tuple):
        array = np.asarray(x)
        if array.dtype.kind in "fiub":
            dtype = get_default_dtype() if array.dtype.kind == "f" else array.dtype.newbyteorder("=")
            return array.astype(dtype, copy=False)
    raise TypeError(f"{_asked_for(primitive)}(): expects tensors, arrays or numbers, got {type(x).__name__}")


@overload
def primitive(forward: Rule, *, residuals: bool = ...) -> Primitive: ...


@overload
def primitive(*, residuals: bool = ...) -> Callable[[Rule], Primitive]: ...


def primitive(forward: Rule | None = None, *, residuals: bool = False) -> Any:
    """Make a primitive of an array function.

    Parameters
    ----------
    forward : callable
        Takes arrays as positional arguments and settings as keywords, returns one array.
    residuals : bool
        `forward` returns ``(result, residuals)``, and the vjps get ``residuals=`` as keyword.
    """
    if forward is None:
        return functools.partial(primitive, residuals=residuals)
    return Primitive(forward, residuals=residuals)


@overload
def elementwise(forward: Rule, *, floating: bool = ...) -> Primitive: ...


@overload
def elementwise(*, floating: bool = ...) -> Callable[[Rule], Primitive]: ...


def elementwise(forward: Rule | None = None, *, floating: bool = False) -> Any:
    """Make a primitive of a NumPy-broadcasting function.

    Types are promoted as in `promoted`, and the gradient of an input that was broadcast is summed over
    the broadcast axes.

    Parameters
    ----------
    forward : callable
        As for `primitive`.
    floating : bool
        Integers are converted to float32 first (``sqrt``, ``divide``).
    """
    if forward is None:
        return functools.partial(elementwise, floating=floating)
    return Primitive(forward, elementwise=True, floating=floating)
