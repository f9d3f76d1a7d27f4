"""Trace one step: a listener at the door writes down every call, on the arrays of that step.

Every array is an input of a call or a result of one, and every write passes the door, so the list of calls is a
program. An array is one of these:

- *given*: a buffer that holds an argument, or a gradient that was there before the step;
- *outside*: memory that the function reaches (parameters, buffers, states of optimizers), read and written in place;
- *constant*: made during the step of Python numbers alone;
- *made* by a call.

What changes Python objects passes `engine.effect`: an optimizer's step, a schedule's, draws of random numbers. Such
calls are written down too, and made anew by each replay.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from ..engine import Update, Variable, listen, results_of, state, wrap
from ..ops.random import Generator
from ..optim import Optimizer
from .optimizers import can_step
from .reach import Reach, alike, foreign_dice, owner
from .watch import Watch, is_users

__all__ = ["Computation", "Effect", "Trace", "arrays_of"]

CONSTANT, GIVEN, MADE, OUTSIDE = "constant", "given", "made", "outside"
MOST_GUARDED = 1 << 16  # bytes of an array whose elements a guard compares at each call
VARYING = frozenset({"nonzero", "unique"})  # primitives whose results' shapes depend on values
VARYING_BY_MASKS = frozenset({"getitem"})

SHARING = frozenset({"spread_to", "channel_spread"})  # primitives whose results may share memory, whatever the values


class Computation:
    """One call of a primitive, on the arrays of the trace."""

    __slots__ = ("inputs", "outs", "params", "primitive", "promotes", "writes")

    def __init__(self, primitive: Any, inputs: list[Any], params: dict[str, Any], promotes: bool):
        self.primitive = primitive
        self.inputs = inputs
        self.params = params
        self.promotes = promotes  # the door converts the inputs to one dtype
        self.outs: list[np.ndarray | None] = []  # None: shares the memory of an input
        self.writes: list[np.ndarray] = []


class Effect:
    """One call that changes Python objects, with the gradients that it finds at the leaves."""

    __slots__ = ("answer", "arguments", "gradients", "keywords", "method", "outs", "updates")

    def __init__(self, method: Callable[..., Any], arguments: tuple[Any, ...], keywords: dict[str, Any]):
        self.method = method
        self.arguments = arguments
        self.keywords = keywords
        self.outs: list[np.ndarray] = []
        self.gradients: list[tuple[Any, Any]] = []  # (leaf, its gradient's array or None)
        self.updates: list[Computation] | None = None  # of an optimizer's step: what it did
        self.answer: Any = None  # what it returned to Python, which a replay depends on

    @property
    def draws(self) -> bool:
        """Whether it draws random numbers."""
        return bool(self.arguments) and isinstance(self.arguments[0], Generator)

    @property
    def changes(self) -> bool:
        """Whether it changes objects for good: methods do; functions look at values, or note them."""
        return not self.draws and self.method.__qualname__ != self.method.__name__


def users_line() -> str:
    """Return the place in the user's code that is being run."""
    frame: Any = sys._getframe(1)
    while frame is not None:
        if is_users(frame.f_code):
            return f" ({os.path.basename(frame.f_code.co_filename)}, line {frame.f_lineno})"
        frame = frame.f_back
    return ""


class Trace:
    """A listener that writes down what a function does.

    Parameters
    ----------
    reach : Reach
        What the function reaches.

    Attributes
    ----------
    records : list of Computation and Effect
    kinds : dict of int to str
        What each owner of memory is, by its id.
    reasons : list of str
        Why the step cannot be replayed; empty where it can.
    read : list of (str, ndarray)
        Arrays from outside whose elements Python read: a replay depends on them.
    restored : list of (ndarray, ndarray)
        Constants that the step writes into, and what they hold before.
    gradients : list of (leaf, given array or None, last array or None)
        Of each leaf the gradient before and after the step.
    """

    def __init__(self, reach: Reach, watch: Watch):
        self.reach, self.watch = reach, watch
        self.records: list[Any] = []
        self.kinds: dict[int, str] = {}
        self.reasons: dict[str, None] = dict(reach.problems)
        self.read_outside: list[tuple[str, np.ndarray]] = []
        self.restored: dict[int, tuple[np.ndarray, np.ndarray]] = {}
        self.gradients: list[tuple[Any, Any, Any]] = []
        self.given: list[np.ndarray] = []
        self.split: int | None = None  # of a plan with two halves: where the second begins
        self._kept: list[Any] = []  # so that no id comes twice
        self._written: set[int] = set()

    # -- running

    def run(self, function: Callable[..., Any], arguments: list[np.ndarray], call: Callable[[Callable[..., Any]], Any]
            ) -> Any:
        """Run ``call(function)`` once, and return what it returns.

        Parameters
        ----------
        arguments : list of ndarray
            Buffers that the call is given.
        """
        dice = foreign_dice(self.reach)
        for buffer in arguments:
            self._given(buffer)
        leaves = [known.tensor.node for known in self.reach.leaves()]
        originals = [leaf.grad for leaf in leaves]
        before = [None if grad is None else grad.array for grad in originals]
        buffers: list[np.ndarray | None] = []
        for leaf, array in zip(leaves, before):
            held = None if array is None else self._given(np.array(array, order="K"))
            buffers.append(held)
            if held is not None:
                leaf.grad = wrap(held)
        self._leaves, self._gradients_now = leaves, list(buffers)
        self._buffers = {id(buffer) for buffer in buffers if buffer is not None}
        self._python = [place.now() for place in self.reach.places]
        with self.watch, listen(self):
            result = call(function)
        self._look_at_python()
        for (path, _, before_it), (_, _, after_it) in zip(dice, foreign_dice(self.reach)):
            if not _equal(before_it, after_it):
                self.refuse(f"it draws random numbers from {path}; only draws of this package can be replayed")
        touched = self._touched()
        for leaf, held, original in zip(leaves, buffers, originals):
            if held is not None and leaf.grad is not None and leaf.grad.array is held and id(held) not in touched:
                leaf.grad = original  # nothing saw it
                continue
            last = None if leaf.grad is None else leaf.grad.array
            if leaf.grad is not None and leaf.grad.node is not None:
                self.refuse("it leaves a gradient with a graph (create_graph=True)")
            self.gradients.append((leaf, held, last))
        for path, array in self.read_outside:
            if id(owner(array)) in self._written:
                self.refuse(f"it reads elements of {path}, which it also changes")
        for problem in self.watch.problems:
            self.refuse(problem)
        return result

    def _touched(self) -> set[int]:
        """Return the ids of the memory that records name."""
        return {id(owner(x)) for record in self.records if isinstance(record, Computation)
                for x in (*record.inputs, *record.outs) if isinstance(x, np.ndarray)} | self._written

    def given_too(self, array: np.ndarray) -> None:
        """Take a buffer for one that is given: what it holds changes from run to run."""
        self._given(array)

    def refuse(self, reason: str) -> None:
        """Note why the step cannot be replayed."""
        self.reasons[reason] = None

    def _given(self, array: np.ndarray) -> np.ndarray:
        self.kinds[id(owner(array))] = GIVEN
        self._kept.append(array)
        self.given.append(array)
        return array

    # -- arrays

    def kind(self, array: np.ndarray) -> str:
        """Return what an array is; one that is met here for the first time is from outside, or a constant."""
        root = owner(array)
        kind = self.kinds.get(id(root))
        if kind is None:
            kind = self.kinds[id(root)] = OUTSIDE if id(root) in self.reach.arrays else CONSTANT
            self._kept.append(root)
        return kind

    def is_gradient(self, array: np.ndarray) -> bool:
        """Return whether an array is a gradient that was there before the step."""
        return id(owner(array)) in self._buffers

    def _is_constant(self, x: Any) -> bool:
        return not isinstance(x, np.ndarray) or self.kind(x) == CONSTANT

    def _before_write(self, array: np.ndarray) -> None:
        root = owner(array)
        self._written.add(id(root))
        kind = self.kind(array)
        if kind == CONSTANT:
            if id(root) not in self.restored:
                self.restored[id(root)] = root, root.copy()
            self.kinds[id(root)] = MADE + " once"
        elif kind == GIVEN and id(root) not in self._buffers:
            self.refuse(f"it changes an argument in place{users_line()}")

    # -- what a listener hears

    def __call__(self, proceed: Callable[..., Any], primitive: Any, inputs: Any, params: dict[str, Any]) -> Any:
        ordered = primitive._in_order(inputs, params) if params and not isinstance(primitive, Update) else None
        if ordered is not None:
            inputs, params = ordered
        is_update = isinstance(primitive, Update)
        arrays = [x.array if isinstance(x, Variable) else x if is_update else primitive._as_input(x, True)
                  if not isinstance(x, int | float | bool) else x for x in inputs]
        for x in arrays:
            if isinstance(x, np.ndarray):
                self.kind(x)
        record = Computation(primitive, arrays, _plain(params), not is_update and bool(primitive.promotes
                                                                                         or primitive.operands))
        if is_update:
            places = primitive.places(len(inputs)) if primitive.writes_rest else primitive.writes
            record.writes = [arrays[i] for i in places if i < len(arrays) and isinstance(arrays[i], np.ndarray)]
            for array in record.writes:
                self._before_write(array)
        out = proceed(*inputs, **params)
        if is_update and any(out is x for x in inputs):
            results: list[Any] = []
        else:
            results = [x.array for x in results_of(out) if isinstance(x, Variable)]
        self._kept += results
        if not is_update and not primitive.view and primitive.name not in SHARING:
            self._separate(results_of(out), results)
        fresh = [id(owner(array)) not in self.kinds for array in results]
        if not is_update and all(map(self._is_constant, arrays)):
            for array in results:
                self.kinds.setdefault(id(owner(array)), CONSTANT)
                self._kept.append(owner(array))
            return out
        masks = [x for x in arrays[1:] if isinstance(x, np.ndarray) and x.dtype == bool]
        if primitive.name in VARYING or (masks and primitive.name in VARYING_BY_MASKS):
            self.refuse(f"the shape of what {primitive.name}() returns depends on values{users_line()}")
        for array, is_fresh in zip(results, fresh):
            record.outs.append(array if is_fresh else None)
            if is_fresh:
                self.kinds[id(owner(array))] = MADE
                self._kept.append(owner(array))
        if is_update or any(fresh):
            self.records.append(record)
        return out

    def _separate(self, outs: Any, results: list[Any]) -> None:
        """Give results that are inputs, for some values of them, memory of their own."""
        for i, x in enumerate(results):
            if id(owner(x)) in self.kinds:
                results[i] = outs[i].array = np.array(x, order="K")
                self._kept.append(results[i])

    def effect(self, method: Callable[..., Any], arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
        """Make a call that changes Python objects, and write it down."""
        self._look_at_python()
        record = Effect(method, arguments, keywords)
        for i, leaf in enumerate(self._leaves):
            now = None if leaf.grad is None else leaf.grad.array
            if now is not self._gradients_now[i]:
                record.gradients.append((leaf, now))
                self._gradients_now[i] = now
        self._kept.append((arguments, keywords))
        heard, state.listener = state.listener, None  # what happens inside belongs to the call
        try:
            if arguments and isinstance(arguments[0], Optimizer) and can_step(arguments[0]) and len(arguments) == 1:
                record.updates = []
                with listen(_Updates(record.updates)):
                    result = method(*arguments, **keywords)
            else:
                result = method(*arguments, **keywords)
        finally:
            state.listener = heard
        if record.draws or (isinstance(result, np.ndarray) and not record.changes):
            record.outs.append(result)
            self.kinds[id(owner(result))] = MADE
            self._kept.append(result)
        elif isinstance(result, Variable | np.ndarray):
            self.refuse(f"{method.__qualname__}() returns a tensor{users_line()}")
        elif not record.changes:
            record.answer = result
            if result is not None and not record.gradients and self._is_known(arguments):
                return result
            if result is not None and any(isinstance(each, Effect) and each.changes for each in self.records):
                self.refuse(f"{method.__qualname__}() looks at values after a change{users_line()}")
        self.records.append(record)
        for leaf, gradient in zip(self._leaves, self._gradients_now):
            if (None if leaf.grad is None else leaf.grad.array) is not gradient:
                self.refuse(f"{method.__qualname__}() replaces gradients")
        self._python = [place.now() for place in self.reach.places]
        return result

    def _is_known(self, arguments: tuple[Any, ...]) -> bool:
        """Return whether arguments are the same at each replay."""
        arrays: list[np.ndarray] = []
        for x in arguments:
            if isinstance(x, Variable):
                arrays.append(x.array)
            elif not isinstance(x, int | float | str | bool | None):
                return False
        return bool(arrays) and all(map(self._is_constant, arrays))

    def read(self, x: Any, operation: str) -> None:
        """Hear that Python reads elements."""
        array = x.array if isinstance(x, Variable) else x
        if not isinstance(array, np.ndarray):
            return
        kind = self.kind(array)
        if kind == OUTSIDE and array.nbytes <= MOST_GUARDED:
            self.read_outside.append((self.reach.arrays[id(owner(array))][0], array))
        elif kind != CONSTANT:
            self.refuse(f"Python reads a value, by {operation}, of a tensor of shape {array.shape}{users_line()}")

    def made(self, array: np.ndarray) -> None:
        """Hear of an array made of Python numbers."""
        if id(owner(array)) not in self.kinds:
            self.kinds[id(owner(array))] = CONSTANT
            self._kept.append(owner(array))

    def _look_at_python(self) -> None:
        """Refuse where a Python object was changed since the last look."""
        for place, before in zip(self.reach.places, self._python):
            after = place.now()
            if len(before) != len(after):
                self.refuse(f"it changes {place.path or 'a global'}, a Python object, in length")
            else:
                for i, pair in enumerate(zip(before, after)):
                    if pair[0] is not pair[1] and not alike(*pair):
                        self.refuse(f"it changes {place.name(i)}, a Python value ({_short(pair[0])} to "
                                    f"{_short(pair[1])})")
        self._python = [place.now() for place in self.reach.places]


class _Updates:
    """Stands at the door while an optimizer steps, and writes down its updates."""

    def __init__(self, updates: list[Computation]):
        self.updates = updates

    def __call__(self, proceed: Callable[..., Any], primitive: Any, inputs: Any, params: dict[str, Any]) -> Any:
        arrays = [x.array if isinstance(x, Variable) else x for x in inputs]
        record = Computation(primitive, arrays, _plain(params), False)
        if isinstance(primitive, Update):
            record.writes = [x for x in primitive.written(arrays) if isinstance(x, np.ndarray)]
        self.updates.append(record)
        return proceed(*inputs, **params)


def _plain(params: dict[str, Any]) -> dict[str, Any]:
    """Return settings as the door hands them on."""
    if any(isinstance(value, np.generic) for value in params.values()):
        return {name: value.item() if isinstance(value, np.generic) else value for name, value in params.items()}
    return params


def _short(value: Any) -> str:
    text = "a tensor" if isinstance(value, Variable) else repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."


def _equal(a: Any, b: Any) -> bool:
    if isinstance(a, dict):
        return all(_equal(a[key], b[key]) for key in a)
    if isinstance(a, tuple):
        return all(map(_equal, a, b))
    return bool(np.array_equal(a, b)) if isinstance(a, np.ndarray) else bool(a == b)


def arrays_of(record: Any) -> list[np.ndarray]:
    """Return all arrays that a record names."""
    if isinstance(record, Effect):
        found: list[np.ndarray] = [*record.outs, *(array for _, array in record.gradients if array is not None)]
        _collect((record.arguments, record.keywords), found)
        return found
    return [x for x in (*record.inputs, *record.outs) if isinstance(x, np.ndarray)]


def _collect(value: Any, found: list[np.ndarray]) -> None:
    if isinstance(value, Variable):
        found.append(value.array)
    elif isinstance(value, np.ndarray):
        found.append(value)
    elif isinstance(value, tuple | list):
        for item in value:
            _collect(item, found)
    elif isinstance(value, dict):
        for item in value.values():
            _collect(item, found)
