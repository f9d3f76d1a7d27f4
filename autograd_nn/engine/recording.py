"""What each thread does at the door: whether it records, and who listens; and who observes the engine."""

from __future__ import annotations

import functools
import inspect
import threading
import types
from collections.abc import Callable, Iterator
from typing import Any, Self, TypeVar, cast, overload

import numpy as np

_Function = TypeVar("_Function", bound=Callable[..., Any])


class _State(threading.local):
    """What each thread has of its own: is it recording, who listens, which call is being differentiated."""

    recording = True
    listener: listen | None = None
    differentiating: Any = None
    made: list[Any] | None = None  # where an in-place method collects the calls that it records
    trains_on_purpose = False  # layers are in training mode, unrecorded, because the package wants them so
    sampler: Callable[..., Any] | None = None  # draws random numbers in place of the function that was called


state = _State()
collecting = False  # whether any in-place method ever collected the calls that it recorded (`_State.made`)


class set_grad_enabled:
    """Turn recording on or off in this thread, at once; as a context, until its end; as a decorator, in the function.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> with ag.set_grad_enabled(False):
    ...     y = ag.tensor([1.0], requires_grad=True) * 2
    >>> y.requires_grad
    False
    """

    def __init__(self, mode: bool):
        if not isinstance(mode, bool | int | np.bool_):
            raise TypeError(f"set_grad_enabled(): mode must be a bool, not {type(mode).__name__}")
        self.mode = bool(mode)
        self.previous = state.recording
        state.recording = self.mode

    def __call__(self, function: _Function) -> _Function:
        """Decorate a function: it runs so, and the mode is what it was before."""
        state.recording = self.previous
        return enable_grad(function) if self.mode else no_grad(function)

    def __enter__(self) -> set_grad_enabled:
        state.recording = self.mode
        return self

    def __exit__(self, *exception: object) -> None:
        state.recording = self.previous


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
        self.__dict__.setdefault("previous", []).append(state.recording)
        state.recording = self.mode

    def __exit__(self, *exception: object) -> None:
        state.recording = self.__dict__["previous"].pop()

    def __call__(self, function: _Function) -> _Function:
        """Decorate a function, a generator or coroutine (each piece of it runs so), or a class (its ``__init__``)."""
        kind = type(self)
        made: Any
        if inspect.isclass(function):
            function.__init__ = kind()(function.__init__)  # type: ignore[method-assign]
            return function
        if isinstance(function, staticmethod | classmethod):
            return cast(_Function, type(function)(kind()(function.__func__)))
        if isinstance(function, property):
            accessors = (function.fget, function.fset, function.fdel)
            return cast(_Function, property(*(each and kind()(each) for each in accessors), function.__doc__))
        if not callable(function):
            raise TypeError(f"{kind.__name__}(): decorates a function, a method or a class, not "
                            f"{type(function).__name__}")
        if inspect.isgeneratorfunction(function):

            @functools.wraps(function)
            def made(*args: Any, **kwargs: Any) -> Any:
                with kind():
                    pieces = function(*args, **kwargs)
                return (yield from _in_pieces(kind, pieces))

        elif inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def made(*args: Any, **kwargs: Any) -> Any:
                with kind():
                    pieces = function(*args, **kwargs)
                return await _awaited(kind, pieces)

        elif inspect.isasyncgenfunction(function):

            @functools.wraps(function)
            async def made(*args: Any, **kwargs: Any) -> Any:
                with kind():
                    pieces = function(*args, **kwargs)
                step = pieces.asend(None)
                while True:
                    try:
                        value = await _awaited(kind, step)
                    except StopAsyncIteration:
                        return
                    try:
                        step = pieces.asend((yield value))
                    except GeneratorExit:
                        await _awaited(kind, pieces.aclose())
                        raise
                    except BaseException as error:
                        step = pieces.athrow(error)

        else:

            @functools.wraps(function)
            def made(*args: Any, **kwargs: Any) -> Any:
                with kind():
                    return function(*args, **kwargs)

        return cast(_Function, made)


def _in_pieces(kind: type[_Recording], pieces: Any) -> Any:
    """Run a generator, a coroutine or a step of an asynchronous generator, each piece in a context of its own."""
    sent, throw = None, None
    while True:
        with kind():
            try:
                value = pieces.send(sent) if throw is None else pieces.throw(throw)
            except StopIteration as end:
                return end.value
        sent = throw = None
        try:
            sent = yield value
        except GeneratorExit:
            with kind():
                pieces.close()
            raise
        except BaseException as error:
            throw = error


_awaited: Callable[[type[_Recording], Any], Any] = types.coroutine(_in_pieces)


class no_grad(_Recording):
    """Record nothing: ``with no_grad():`` or ``@no_grad()``; concerns the calling thread only.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> x = ag.tensor([1.0], requires_grad=True)
    >>> with ag.no_grad():
    ...     y = x * 2
    >>> y.requires_grad
    False
    """

    mode = False


class enable_grad(_Recording):
    """Record again inside a `no_grad` block: ``with enable_grad():`` or ``@enable_grad()``.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> x = ag.tensor([1.0], requires_grad=True)
    >>> with ag.no_grad(), ag.enable_grad():
    ...     y = x * 2
    >>> y.requires_grad
    True
    """

    mode = True


def is_grad_enabled() -> bool:
    """Return whether operations of this thread are recorded.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> with ag.no_grad():
    ...     ag.is_grad_enabled()
    False
    """
    return state.recording


class listen:
    """Let a function stand at the door: ``with listen(listener):``.

    For each application of a primitive in this thread, ``listener(proceed, primitive, inputs, params)`` is
    called in its place and returns the result, normally that of ``proceed(*inputs, **params)``. Listeners
    nest: an inner one's `proceed` goes through the outer one.

    Examples
    --------
    >>> from autograd_nn import engine
    >>> import autograd_nn as ag
    >>> names = []
    >>> def note(proceed, primitive, inputs, settings):
    ...     names.append(primitive.name)
    ...     return proceed(*inputs, **settings)
    >>> with engine.listen(note):
    ...     y = (ag.ones(2) * 3).sum()
    >>> names
    ['mul', 'sum']
    """

    def __init__(self, listener: Callable[..., Any]):
        self.listener = listener

    def __enter__(self) -> listen:
        self.outer = state.listener
        state.listener = self
        return self

    def __exit__(self, *exception: object) -> None:
        state.listener = self.outer

    def __call__(self, primitive: Any, inputs: tuple[Any, ...], params: dict[str, Any]) -> Any:
        def proceed(*inputs: Any, **params: Any) -> Any:
            previous, state.listener = state.listener, self.outer
            try:
                return primitive(*inputs, **params)
            finally:
                state.listener = previous

        return self.listener(proceed, primitive, inputs, params)

    def effect(self, method: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Hand a call that changes Python objects to the innermost listener with a method ``effect``, or make it."""
        for heard in self._listeners():
            if hasattr(heard, "effect"):
                return heard.effect(method, args, kwargs)
        return method(*args, **kwargs)

    def tell(self, event: str, *details: Any) -> None:
        """Call the method `event` of every listener that has one."""
        for heard in self._listeners():
            if hasattr(heard, event):
                getattr(heard, event)(*details)

    def _listeners(self) -> Iterator[Any]:
        at: listen | None = self
        while at is not None:
            yield at.listener
            at = at.outer


def effect(method: _Function) -> _Function:
    """Decorate a function that changes Python objects: an optimizer's step, a schedule's, a draw of random numbers.

    A listener that replays calls later can make it itself: if it has a method ``effect(method, args, kwargs)``, that
    is called in place of the function.

    Examples
    --------
    >>> from autograd_nn import engine
    >>> @engine.effect
    ... def count(seen):
    ...     seen.append(1)
    >>> seen = []
    >>> count(seen)
    >>> seen
    [1]
    """

    @functools.wraps(method)
    def heard(*args: Any, **kwargs: Any) -> Any:
        if state.listener is None:
            return method(*args, **kwargs)
        return state.listener.effect(method, args, kwargs)

    return cast(_Function, heard)


def note_read(x: Any, operation: str) -> None:
    """Tell listeners that Python reads elements of a tensor or an array: what follows may depend on them.

    Examples
    --------
    >>> from autograd_nn import engine
    >>> import autograd_nn as ag
    >>> engine.note_read(ag.zeros(2), "item")
    """
    if state.listener is not None:
        state.listener.tell("read", x, operation)


def note_made(array: Any) -> None:
    """Tell listeners of an array that was made of Python numbers alone.

    Examples
    --------
    >>> from autograd_nn import engine
    >>> import numpy as np
    >>> engine.note_made(np.zeros(2))
    """
    if state.listener is not None:
        state.listener.tell("made", array)


class Structure:
    """Counts what may change which calls a model makes: attributes and hooks of modules that were set or removed."""

    changes = 0


structure = Structure()


def results_of(out: Any) -> tuple[Any, ...]:
    """Return the results of a call as a tuple, for listeners: what `proceed` returned, or what is in it.

    Examples
    --------
    >>> from autograd_nn import engine
    >>> import autograd_nn as ag
    >>> engine.results_of(ag.tensor(1.0)), engine.results_of(None)
    ((tensor(1.),), ())
    """
    return out if isinstance(out, tuple) else () if out is None else (out,)


def differentiating() -> Any:
    """Return the call whose rules run in this thread now (None in a forward pass), for listeners.

    Examples
    --------
    >>> from autograd_nn import engine
    >>> engine.differentiating() is None
    True
    """
    return state.differentiating


class Observer:
    """Is told what happens; `observe` puts one on the list. Each method is called at the event that it names.

    Examples
    --------
    >>> from autograd_nn import engine
    >>> class Count(engine.Observer):
    ...     steps = 0
    ...     def step_begins(self, optimizer):
    ...         self.steps += 1
    >>> Count().hears()
    True
    """

    def hears(self) -> bool:
        """Return whether it does anything now; a compiled step tells no observer of what it replays."""
        return True

    def backward_begins(self, roots: list[Any]) -> None:
        """Hear of the nodes that a call of `backward` starts from."""

    def gradient_final(self, leaf: Any, before: Any, total: Any) -> None:
        """Hear that ``leaf.grad`` is complete: it was `before` (None or a tensor) and is now `total`."""

    def step_begins(self, optimizer: Any) -> None:
        """Hear that an optimizer is about to change its parameters."""

    def mode_changed(self, module: Any, training: bool) -> None:
        """Hear that a module was told to train or to evaluate."""

    def loss_of(self, operation: str, input: Any) -> None:
        """Hear that a loss is about to take a tensor for logits, or for logarithms of probabilities."""

    def parameters_listed(self, module: Any) -> None:
        """Hear that the parameters of a module are about to be listed."""

    def trains_unrecorded(self, module: Any) -> None:
        """Hear that a layer that differs in training is called so while nothing is recorded."""

    def training_begins(self, model: Any) -> None:
        """Hear that a training loop has the first gradients of a model, and has not changed it yet."""


observers: list[Observer] = []


def observe(observer: Observer) -> None:
    """Put an observer on the list.

    Examples
    --------
    >>> from autograd_nn import engine
    >>> import autograd_nn as ag
    >>> from autograd_nn import optim
    >>> from autograd_nn.engine import Observer, recording
    >>> class Count(Observer):
    ...     steps = 0
    ...     def step_begins(self, optimizer):
    ...         self.steps += 1
    >>> count = Count()
    >>> engine.observe(count)
    >>> w = ag.ones(2, requires_grad=True)
    >>> w.sum().backward()
    >>> optim.SGD([w], lr=0.1).step()
    >>> count.steps
    1
    >>> recording.observers.remove(count)
    """
    observers.append(observer)
