"""`compile`: a function that is traced at its second call, rehearsed at its third, and replayed from then on."""

from __future__ import annotations

import copy
import functools
import importlib
import inspect
import pickle
import sys
import threading
import types
import warnings
import weakref
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from ..engine import Variable, get_default_dtype, observers, state, versions, wrap
from ..engine import grad as gradients_of
from ..kernels.compile import get_num_threads
from ..kernels.machine import is_available
from ..nn import Module
from ..ops.terms import counting, noted
from .explain import listed, paragraph
from .guards import Guards
from .halves import Halves, Run, forward_and_backward
from .modules import module_kind
from .plan import Misfit, Plan, Undone
from .reach import Reach, Snapshot, Stands, same_bits
from .structure import Layout, copied, flat, has_graph, taken_apart, tensor_like
from .trace import GIVEN, Trace
from .watch import Watch
from .words import Arguments

__all__ = ["CompileWarning", "Compiled", "compile", "is_available"]

MOST_CHANGES = 8  # of what a plan depends on, or replays in a row that fail, after which the function stays eager


class CompileWarning(UserWarning):
    """A compiled function stays eager, and why.

    Examples
    --------
    >>> import warnings
    >>> from autograd_nn.compiled import CompileWarning
    >>> warnings.simplefilter("error", CompileWarning)  # what cannot be compiled is an error from now on
    >>> warnings.simplefilter("default", CompileWarning)
    """


def compile(
    model: Callable[..., Any] | None = None,
    *,
    fullgraph: bool = False,
    dynamic: bool | None = None,
    backend: str | Callable[..., Any] = "inductor",
    mode: str | None = None,
    options: dict[str, Any] | None = None,
    disable: bool = False,
    plans: int = 8,
) -> Any:
    """Return a function that does what `model` does, bit for bit, with less of Python in between.

    For a whole training step: zeroing of gradients, forward pass, loss, backward pass, clipping, steps of optimizers
    and schedules. The first two calls for each kind of arguments (shapes, dtypes, strides, Python values) run as they
    are, and the second is written down. The third is done both ways, and all state is compared; later calls run what
    was written down. Whatever the step depends on is compared at each call: Python values that it reads from globals,
    closures, defaults and attributes, parameters, modes and hooks of layers, the default dtype, the number of threads.
    If something has changed, the step is traced anew.

    A step that does what cannot be repeated stays eager, and a warning says why, once: it reads values (``item()``, a
    branch on data, ``print``), changes Python objects (``losses.append(loss)``), draws from other generators than this
    package's or reads a clock. ``compiled.explain()`` says more.

    Parameters
    ----------
    model : callable
        A function or a module. Its tensors may come as arguments, in tuples, lists and dicts, or from outside.
    fullgraph : bool
        Raise a RuntimeError if the function has to stay eager.
    dynamic, backend, mode, options
        Accepted as PyTorch does, without effect.
    disable : bool
        Call the function as it is.
    plans : int
        How many kinds of arguments are kept; the one used longest ago is dropped.

    Returns
    -------
    Compiled
        Called as `model` is. What a step returns are tensors of their own, without a graph. A compiled module is a
        module too, of the same class and with the same attributes: what is set on one is set on both, and its state
        has the names of the module's. Copies (`copy`, `deepcopy`, `pickle`) learn plans of their own; a deep copy of a
        compiled module has a copy of the module, and a copy of a compiled function calls the same function.

    Raises
    ------
    TypeError
        Something that cannot be called, or an argument of the wrong type.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> model = ag.nn.Linear(3, 1)
    >>> optimizer = ag.optim.SGD(model.parameters(), lr=0.1)
    >>> @ag.compile
    ... def step(x, y):
    ...     optimizer.zero_grad()
    ...     loss = ag.nn.functional.mse_loss(model(x), y)
    ...     loss.backward()
    ...     optimizer.step()
    ...     return loss
    >>> for _ in range(4):
    ...     loss = step(ag.ones(5, 3), ag.zeros(5, 1))
    >>> step
    <compiled step: 1 plan>
    """
    for name, value in (("fullgraph", fullgraph), ("disable", disable)):
        if not isinstance(value, bool):
            raise TypeError(f"compile(): {name} must be a bool, not {type(value).__name__} ({name}={value!r})")
    if dynamic is not None and not isinstance(dynamic, bool):
        raise TypeError(f"compile(): dynamic must be a bool or None, not {type(dynamic).__name__}")
    if not isinstance(backend, str) and not callable(backend):
        raise TypeError(f"compile(): backend must be a name or a callable, not {type(backend).__name__}")
    if mode is not None and mode not in _MODES:
        raise ValueError(f"compile(): mode must be one of {', '.join(_MODES)} (mode={mode!r})")
    if isinstance(plans, bool) or not isinstance(plans, int) or plans < 1:
        raise ValueError(f"compile(): plans must be an integer of at least 1 (plans={plans!r})")
    if model is None:
        return functools.partial(compile, fullgraph=fullgraph, disable=disable, plans=plans)
    if not callable(model):
        raise TypeError(f"compile(): expects a function or a module, not {type(model).__name__}")
    if isinstance(model, Stands):
        model = model._stands_for
    return _compiled(model, plans, fullgraph, disable)


def _compiled(function: Callable[..., Any], plans: int, fullgraph: bool, disable: bool) -> Any:
    """Return what stands for a function; for a module it is a module."""
    compiled = Compiled(function, plans, fullgraph, disable)
    return module_kind(type(function))(compiled) if isinstance(function, Module) else compiled


_MODES = ("default", "reduce-overhead", "max-autotune", "max-autotune-no-cudagraphs")  # PyTorch's


def around() -> tuple[Any, ...]:
    """Return what each call depends on beside its arguments: modes and settings."""
    return state.recording, get_default_dtype(), get_num_threads(), counting()


class Signature:
    """What `Compiled` knows of one kind of call: how far it has come, and its plan.

    Attributes
    ----------
    plan : Plan or None
    reason : str or None
        Why calls of this kind run eagerly, for good.
    """

    def __init__(self) -> None:
        self.calls = 0  # before the one that is watched
        self.watch: Watch | None = None
        self.plan: Plan | None = None
        self.guards: Guards | None = None
        self.reach: Reach | None = None
        self.build: Callable[[Any], Any] | None = None
        self.is_trusted = False
        self.reason: str | None = None
        self.changes: list[str] = []
        self.failures = 0  # of replays, in a row
        self.is_differentiated_later = False
        self.halves: Halves | None = None
        self.leaves: list[Any] = []  # of a plan with two halves: the tensors that it is differentiated in
        self.run: Any = None  # a weak reference to its last run
        self.arguments: Arguments | None = None
        self.around: Any = None

    def describe(self, tensors: list[Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Remember the arguments if they are tensors alone, so that the next call is told with little work."""
        self.around = around()
        if not kwargs and [*map(id, args)] == [*map(id, tensors)] and Arguments.are_told(tensors):
            self.arguments = Arguments(tensors, self.plan.inputs)  # type: ignore[union-attr]

    def takes(self, args: tuple[Any, ...]) -> bool:
        """Return whether a call with these arguments is of this kind; the plan has their elements then."""
        recording, _, _, counts = self.around
        return (self.is_trusted and self.arguments is not None and state.recording is recording
                and counting() == counts and self.arguments.take(args))

    def forget_plan(self) -> None:
        """Begin again."""
        self.watch = self.plan = self.guards = self.reach = self.halves = self.arguments = None
        self.is_trusted = False


class Compiled(Stands):
    """What `compile` returns: called as the function is.

    Attributes
    ----------
    function : callable
        The function itself, which runs eagerly.
    lends_gradients : bool
        Whether the gradients that a call leaves are overwritten by the next one.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> step = ag.compile(lambda x: (x * 2 + 1).sum())
    >>> step(ag.ones(4))
    tensor(12.)
    >>> type(step).__name__
    'Compiled'
    """

    lends_gradients = True

    def __init__(self, function: Callable[..., Any], plans: int = 8, fullgraph: bool = False, disable: bool = False):
        functools.update_wrapper(self, function, updated=())
        self.function = self._stands_for = function
        self.plans = plans
        self.fullgraph = fullgraph
        self.disabled = disable
        self.signatures: OrderedDict[Any, Signature] = OrderedDict()
        self._lock = threading.RLock()
        self._told: set[str] = set()
        self._last: Signature | None = None

    def __repr__(self) -> str:
        ready = sum(known.is_trusted for known in self.signatures.values())
        return f"<compiled {self._name.removesuffix('()')}: {ready} plan{'' if ready == 1 else 's'}>"

    # -------------------------------------------------------------------------------- copies and methods

    def _like(self, function: Callable[..., Any]) -> Any:
        """Return the same for another function, without plans."""
        return _compiled(function, self.plans, self.fullgraph, self.disabled)

    def __copy__(self) -> Any:
        return self._like(self.function)

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        mine = memo[id(self)] = self._like(copy.deepcopy(self.function, memo))
        return mine

    def __reduce__(self) -> Any:
        function, settings = self.function, (self.plans, self.fullgraph, self.disabled)
        if isinstance(function, types.MethodType):
            origin = inspect.getattr_static(type(function.__self__), function.__name__, None)
            if isinstance(origin, Compiled) and origin.function is function.__func__:  # decorated inside a class
                return getattr, (function.__self__, function.__name__)
        if isinstance(function, types.FunctionType):
            place = function.__module__, function.__qualname__
            found = _found(*place)
            if found is self:
                return function.__qualname__  # decorated: by its name, as other functions
            if isinstance(found, Compiled) and found.function is function:
                return _compiled_anew, (place, *settings)
            if found is not function:
                raise pickle.PicklingError(
                    f"pickle: a compiled function is read by its name, and {'.'.join(place)} cannot be found; define "
                    "it at the top of a module, or pickle the model and what else it uses, and compile it anew")
        return _compiled, (function, *settings)

    def __getattr__(self, name: str) -> Any:
        """Return what the function has."""
        if name == "function":
            raise AttributeError(name)
        return getattr(self.function, name)

    def __get__(self, instance: Any, kind: Any = None) -> Any:
        """Bind as functions do: each object has plans of its own."""
        if instance is None or not hasattr(type(self.function), "__get__"):
            return self
        name = f"_compiled_{getattr(self.function, '__name__', '')}"
        held = getattr(instance, "__dict__", {})
        bound = held.get(name)  # that of another instance if this one is its shallow copy
        if bound is None or bound.function.__self__ is not instance or bound.function.__func__ is not self.function:
            bound = held[name] = self._like(self.function.__get__(instance, kind))
        return bound

    # -------------------------------------------------------------------------------- calls

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self.disabled or state.listener is not None or not self._lock.acquire(False):
            return self.function(*args, **kwargs)
        try:
            last = self._last
            if last is not None and not kwargs and last.takes(args):
                changed = last.guards.changed() or last.plan.changed()  # type: ignore[union-attr]
                if changed is None and last.plan.fits_gradients():  # type: ignore[union-attr]
                    return self._replay(last, None, args, kwargs)
            tensors: list[Any] = []
            layout = taken_apart((args, kwargs), "an argument", tensors)
            key = layout.key, *around()
            known = self.signatures.get(key)
            if known is None:
                known = self._new_signature(key)
            if known.is_trusted:
                changed = known.guards.changed() or known.plan.changed()  # type: ignore[union-attr]
                if changed is None and known.halves is not None:
                    return self._replay_half(known, known.halves, tensors, args, kwargs)
                if changed is None and known.plan.fits_gradients():  # type: ignore[union-attr]
                    self._last = None if known.arguments is None else known
                    self.signatures.move_to_end(key)
                    return self._replay(known, tensors, args, kwargs)
                self._give_up_plan(known, changed or "which gradients there are")
            self.signatures.move_to_end(key)
            return self._learn(known, layout, tensors, args, kwargs)
        finally:
            self._lock.release()

    # -------------------------------------------------------------------------------- calls on the way to a plan

    def _new_signature(self, key: Any) -> Signature:
        known = self.signatures[key] = Signature()
        while len(self.signatures) > self.plans:
            self.signatures.popitem(last=False)
        return known

    def _give_up_plan(self, known: Signature, changed: str) -> None:
        known.changes.append(changed)
        known.forget_plan()
        if len(known.changes) > MOST_CHANGES:
            self._stay_eager(known, f"what it depends on changes again and again, last {changed}")

    def _stay_eager(self, known: Signature, reason: str) -> None:
        known.reason = reason
        known.forget_plan()
        if self.fullgraph:
            raise RuntimeError(f"compile(): {self._name} cannot be replayed: {reason}; without fullgraph=True it runs "
                               "eagerly")
        if reason not in self._told:
            self._told.add(reason)
            self._say(reason)

    def _say(self, reason: str) -> None:
        warnings.warn(f"compile(): {self._name} stays eager: {reason}", CompileWarning, stacklevel=5)

    def _is_wanted(self, known: Signature) -> bool:
        """Return whether calls of this kind are to be compiled."""
        return True

    @property
    def _name(self) -> str:
        return f"{getattr(self.function, '__name__', type(self.function).__name__)}()"

    def _learn(self, known: Signature, layout: Layout, tensors: list[Any], args: Any, kwargs: Any) -> Any:
        """Make a call that brings a plan nearer: watched, traced or rehearsed."""
        if known.reason is not None:
            return self.function(*args, **kwargs)
        if known.watch is None:
            known.calls += 1
            if not self._is_wanted(known):
                return self.function(*args, **kwargs)
            with Watch() as watch:
                result = self.function(*args, **kwargs)
            known.watch = watch
            known.is_differentiated_later = has_graph(result)
            if watch.problems:
                self._stay_eager(known, "; ".join(watch.problems))
            return result
        if known.plan is None:
            return self._trace(known, layout, tensors)
        return self._rehearse(known, tensors, args, kwargs)

    def _trace(self, known: Signature, layout: Layout, tensors: list[Any]) -> Any:
        watch: Any = known.watch
        reach = Reach(self.function, watch, layout.others)
        trace = Trace(reach, watch)
        buffers = [copied(x.array) for x in tensors]
        given = [tensor_like(x, buffer) for x, buffer in zip(tensors, buffers)]
        args, kwargs = layout.build(given)
        before = set(watch.codes)
        if known.is_differentiated_later:
            for x, mine in zip(tensors, given):
                mine.requires_grad = x.node is not None
            result, known.halves, gradients = trace.run(self.function, buffers, lambda function: forward_and_backward(
                lambda: function(*args, **kwargs), trace, flat, given))
            if any(held is not None or last is not None for _, held, last in trace.gradients):
                trace.refuse("it adds up gradients and returns what is differentiated later")
            trace.gradients.clear()
        else:
            result, gradients = trace.run(self.function, buffers, lambda function: function(*args, **kwargs)), []
        if watch.codes != before:  # a function ran that did not run before
            return self._own(result, trace)
        results: list[Any] = []
        returned = taken_apart(result, "what it returns", results, whole=True)
        for path, value in returned.others:
            trace.refuse(f"it returns {path.removeprefix('what it returns')} a {type(value).__name__}")
        if known.halves is None and has_graph(result):
            trace.refuse("it returns a tensor with a graph, to be differentiated later")
        for observer in observers:
            if observer.hears() and not type(observer).__module__.endswith(".mistakes"):  # that warns in calls before
                trace.refuse(f"an observer hears of its backward pass: {type(observer).__qualname__}")
        if trace.reasons:
            self._stay_eager(known, "; ".join(trace.reasons))
        else:
            known.plan = Plan(trace, buffers, [*results, *gradients], len(results), self.lends_gradients)
            known.reach = Reach(self.function, watch, layout.others)
            known.guards = Guards(known.reach, trace)
            known.build = returned.build
            if known.halves is not None:
                known.halves.take(known.plan, trace)
        if known.halves is not None and any(x.node is not None for x in tensors):
            return self.function(*layout.build(tensors)[0], **layout.build(tensors)[1])
        return self._own(result, trace)

    def _own(self, result: Any, trace: Trace) -> Any:
        """Return a result with the tensors that lie in the plan's memory copied."""
        found: list[Any] = []
        layout = taken_apart(result, "", found, whole=True)
        return layout.build([wrap(x.array.copy()) if trace.kind(x.array) == GIVEN else x for x in found])

    def _rehearse(self, known: Signature, tensors: list[Any], args: Any, kwargs: Any) -> Any:
        """Run eagerly, put all state back, replay, and compare all state bit by bit."""
        plan: Any = known.plan
        changed = known.guards.changed() or plan.changed()  # type: ignore[union-attr]
        if changed is not None or not plan.fits_gradients():
            self._give_up_plan(known, changed or "which gradients there are")
            return self.function(*args, **kwargs)
        if known.halves is not None:
            return self._rehearse_halves(known, known.halves, tensors, args, kwargs)
        before = Snapshot(known.reach)  # type: ignore[arg-type]
        result = self.function(*args, **kwargs)
        eager = Snapshot(known.reach)  # type: ignore[arg-type]
        before.restore()
        plan.poison()  # NaN
        results: list[Any] = []
        taken_apart(result, "", results, whole=True)
        terms = noted()
        count = len(terms)
        try:
            replayed = plan.run(tensors)
        except Exception as error:
            problem: str | None = f"its replay fails ({type(error).__name__}: {error})"
        else:
            differences = [*eager.differences(Snapshot(known.reach))]  # type: ignore[arg-type]
            differences += [f"result {i}" for i, (a, b) in enumerate(zip(results, replayed))
                            if a.array.tobytes() != b.array.tobytes()]
            problem = f"its replay differs from the eager step in {listed(differences)}" if differences else None
        del terms[count:]
        if problem is not None:
            eager.restore()
            self._stay_eager(known, problem)
        else:
            known.is_trusted = True
            known.describe(tensors, args, kwargs)
        return result

    def _rehearse_halves(self, known: Signature, halves: Halves, tensors: list[Any], args: Any, kwargs: Any) -> Any:
        """Do the same for a function that is differentiated later: both passes, with random seeds."""
        reach: Any = known.reach
        before = Snapshot(reach)
        result = self.function(*args, **kwargs)
        results = flat(result)
        known.leaves = [leaf if isinstance(leaf, Variable) else tensors[leaf] for leaf in halves.leaves]
        seeds = [wrap(seed.copy()) for seed in halves.random_seeds()]
        differentiated = [results[i] for i in halves.differentiable]
        wanted = gradients_of(differentiated, known.leaves, seeds, retain_graph=True, allow_unused=True)
        eager = Snapshot(reach)
        before.restore()
        plan: Any = known.plan
        plan.poison()
        try:
            replayed = plan.first_half(tensors)
            found = halves.backward(seeds)
        except Exception as error:
            problem: str | None = f"its replay fails ({type(error).__name__}: {error})"
        else:
            differences = [*eager.differences(Snapshot(reach))]
            differences += [f"result {i}" for i, pair in enumerate(zip(results, replayed)) if not _equal(*pair)]
            differences += [f"gradient {i}" for i, pair in enumerate(zip(wanted, found)) if not _equal(*pair)]
            problem = f"its replay differs from the eager one in {listed(differences)}" if differences else None
        eager.restore()
        if problem is not None:
            self._stay_eager(known, problem)
        else:
            known.is_trusted = True
        return result

    def _replay_half(self, known: Signature, halves: Halves, tensors: list[Any], args: Any, kwargs: Any) -> Any:
        last = None if known.run is None else known.run()
        if last is not None and last.is_pending:  # its memory is still needed
            return self.function(*args, **kwargs)
        try:
            results = known.plan.first_half(tensors)  # type: ignore[union-attr]
        except Undone:
            results = None
        if results is None:
            return self.function(*args, **kwargs)
        run = Run(halves, versions.clock)
        known.run = weakref.ref(run)
        leaves = [leaf if isinstance(leaf, Variable) else tensors[leaf] for leaf in halves.leaves]
        return known.build(halves.outputs(run, results, leaves))  # type: ignore[misc]

    def _replay(self, known: Signature, tensors: Any, args: Any, kwargs: Any) -> Any:
        plan: Any = known.plan
        terms = noted()
        count = len(terms)
        try:
            results = plan.run(tensors)
            known.failures = 0
            return known.build(results)  # type: ignore[misc]
        except Undone as error:
            del terms[count:]
            known.failures += 1
            if known.failures > MOST_CHANGES:
                self._stay_eager(known, f"replays fail again and again, last by {error}")
        except Misfit as error:
            raise RuntimeError(f"compile(): {self._name}: a call returned {error}") from None
        return self.function(*args, **kwargs)  # raises an error of its own, or goes another way

    # -------------------------------------------------------------------------------- what it did

    def explain(self, times: bool = True) -> str:
        """Return what was compiled: a paragraph for each kind of call.

        It says what runs natively and what stays in Python, what was fused, how much memory the plan has, what it was
        traced anew for, and how long each call takes. To measure that, the plan runs some times on the arguments of
        its last call, for at most half a second or so; all state is put back.

        Parameters
        ----------
        times : bool
            Measure; without, nothing runs and the calls are named only.

        Examples
        --------
        >>> import autograd_nn as ag
        >>> step = ag.compile(lambda x: x.exp().sum())
        >>> for _ in range(4):
        ...     total = step(ag.ones(4))
        >>> print(step.explain(times=False).splitlines()[1])
        2 of them run natively, 1 runs; in Python: none
        """
        if not self.signatures:
            return f"{self._name} has not been called"
        with self._lock:
            return "\n\n".join(paragraph(known, self._name, times) for known in self.signatures.values())


def _found(module: str, path: str) -> Any:
    """Return what a module holds by a dotted name; None for nothing."""
    found: Any = sys.modules.get(module)
    for name in path.split("."):
        found = getattr(found, name, None)
    return found


def _compiled_anew(place: tuple[str, str], plans: int, fullgraph: bool, disable: bool) -> Any:
    """Return what stands for a function that is decorated, without its plans."""
    importlib.import_module(place[0])
    return _compiled(_found(*place).function, plans, fullgraph, disable)


def _equal(a: Any, b: Any) -> bool:
    return a is b or (a is not None and b is not None and same_bits(a.array, b.array))

