"""A plan: the records of a trace on memory of its own, run again and again."""

from __future__ import annotations

import bisect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..engine import Together, Update, Variable, wrap
from ..engine.dtypes import promoted
from ..engine.errors import named
from ..kernels import arena
from ..kernels.machine import Call, Machine, is_available
from .fuse import fuse
from .lowering import Lowered, NotLowered, copying, looked, lowered
from .optimizers import Stepping
from .reach import owner
from .trace import GIVEN, MADE, OUTSIDE, Computation, Effect, Trace, arrays_of

__all__ = ["Misfit", "Plan", "Undone"]

_KINDS = {MADE, MADE + " once"}


_copyto = np.copyto


class Misfit(Exception):
    """A call returned something of another shape than when it was traced."""


class Undone(Exception):
    """A run could not go on, and all state is what it was before."""


class OtherAnswer(Exception):
    """A call told Python something else than when it was traced."""


class Plan:
    """The program of one trace.

    Parameters
    ----------
    trace : Trace
    inputs : list of ndarray
        The buffers that the trace was given as arguments.
    results : list of tensor
        What the step returned.
    count : int
        Of a plan with two halves: how many of the results are those of the first.
    lends_gradients : bool
        Whether the gradients that a run leaves are overwritten by the next one.

    Attributes
    ----------
    arena : ndarray of uint8
        The memory of all that is computed on the way.
    runs : list of callable
        What is run, one after the other.
    parts : list of (int, (Machine, list of int) or None)
        What each of them is: the number of the last record in it, and of a native program the numbers of its calls.
    fused : list of str
        What became one pass.
    """

    def __init__(self, trace: Trace, inputs: list[np.ndarray], results: list[Any], count: int = 0,
                 lends_gradients: bool = True):
        self.inputs = inputs
        self.count = count
        self.lends_gradients = lends_gradients
        self.failed: int | None = None
        self.is_undone = False
        self.middle = 0
        self._homes: dict[int, tuple[np.ndarray, int]] = {}  # where a made array's owner lives: buffer and offset
        self._moved: dict[tuple[Any, ...], np.ndarray] = {}
        self._known: dict[int, Any] = {}  # by the number of a record: its `Lowered` or `Stepping`
        self.fused = fuse(trace, results)
        self._lay_out(trace, results)
        self.restored = [(self.at_home(array.reshape(-1)).reshape(array.shape), copy)
                         for array, copy in trace.restored.values()]
        self.stepping = [known for known in self._known.values() if isinstance(known, Stepping)]
        self.fused += [known.described() for known in self.stepping]
        self.names = [record.primitive.name if not isinstance(record, Effect) else record.method.__qualname__
                      for record in trace.records]
        self.steps = [self._step(record) for record in trace.records]
        self._prepare_to_undo(trace)
        self._merge(trace)
        self.written = Together(self._written(trace), "a compiled step")
        self.results = [self._result(x, trace) for x in results]
        # Of leaves: the gradients before the step that it uses, those that it leaves, and where it found none.
        used = {id(owner(array)) for record in trace.records for array in arrays_of(record)}
        self.held = [(leaf, buffer) for leaf, buffer, last in trace.gradients if buffer is not None and (
                     id(owner(buffer)) in used or (last is not None and owner(last) is owner(buffer)))]
        self.last = [(leaf, None if last is None else wrap(self.at_home(last))) for leaf, _, last in trace.gradients]
        self.bare = [leaf for leaf, buffer, _ in trace.gradients if buffer is None]
        self._known, self._moved = dict.fromkeys(self._known), {}  # the arrays of the trace are no longer needed
        for stepping in self.stepping:
            stepping.calls = None

    # -- making

    def _lay_out(self, trace: Trace, results: list[Any]) -> None:
        """Give each array that is made a home: its own where someone may look at it after the step, or in the arena."""
        self._lower(trace)
        spans: dict[int, list[int]] = {}
        owners: dict[int, np.ndarray] = {}
        for i, record in enumerate(trace.records):
            known = self._known.get(i)
            for each in known.scratch if isinstance(known, Lowered) else ():
                owners[id(each)], spans[id(each)] = each, [i, i]
            for each in arrays_of(record):
                root = owner(each)
                if trace.kinds.get(id(root)) in _KINDS:
                    owners[id(root)] = root
                    begin = 0 if isinstance(record, Effect) else i  # draws may come early (`_merge`)
                    spans.setdefault(id(root), [begin, i])[1] = i
        lasting = {id(owner(x.array)) for x in results}
        lasting |= {id(owner(last)) for _, _, last in trace.gradients if last is not None}
        lasting |= {id(owner(array)) for record in trace.records if isinstance(record, Effect)
                    for _, array in record.gradients if array is not None}
        lasting |= set(trace.restored)
        for key in lasting & owners.keys():
            self._homes[key] = np.empty(owners[key].nbytes + 64, np.uint8), 0
        movable = {key: (first, last, owners[key].nbytes) for key, (first, last) in spans.items()
                   if key not in self._homes}
        places, size = arena.arrange(movable)
        self.arena = np.empty(size + 64, np.uint8)
        start = -self.arena.ctypes.data % 64
        self._homes |= {key: (self.arena, start + at) for key, at in places.items()}

    @property
    def nbytes(self) -> int:
        """How many bytes of memory are the plan's own: the arena, what lasts, arguments, and what undoes a run."""
        buffers = {id(buffer): buffer for buffer, _ in self._homes.values()} | {id(self.arena): self.arena}
        others = [*self.inputs, *(copy for _, copy in (*self.saved, *self.restored)), *(held for _, held in self.held)]
        return sum(buffer.nbytes for buffer in (*buffers.values(), *others))

    def poison(self) -> None:
        """Fill all memory that is computed on the way with NaN."""
        for buffer, _ in self._homes.values():
            buffer.fill(0xFF)

    def _lower(self, trace: Trace) -> None:
        """Find the kernels that records are made of."""
        if not is_available():
            return
        for i, record in enumerate(trace.records):
            if isinstance(record, Computation):
                known = lowered(record, _forward_of(record))
                if known is not None:
                    self._known[i] = known
            elif record.updates is not None:
                stepping = Stepping(record.arguments[0], record.updates)
                if stepping.calls is not None:
                    self._known[i] = stepping
            elif (looks := looked(record)) is not None:
                self._known[i] = looks

    def _prepare_to_undo(self, trace: Trace) -> None:
        """Find the call up to which a run can be undone, and what is to be kept for that.

        That is the first call that changes Python objects (an optimizer's step, mostly) or adds to a gradient that was
        there. What fails later leaves the state that it leaves in eager mode, since the calls are in the same order.
        """
        self.turn = len(trace.records) if trace.split is None else trace.split
        for i, record in enumerate(trace.records[: self.turn]):
            if record.changes if isinstance(record, Effect) else any(map(trace.is_gradient, record.writes)):
                self.turn = i
                break
        before = trace.records[: self.turn]
        writes = {id(x): x for record in before if isinstance(record, Computation) for x in record.writes
                  if id(owner(x)) not in self._homes and trace.kind(x) != GIVEN}
        self.saved = [(x, np.empty_like(x)) for x in writes.values()]
        effects = [record for record in before if isinstance(record, Effect)]
        self.sources = list({id(source): source for record in effects if record.draws
                             for source in record.arguments[:1]}.values())
        self.touched = list({id(leaf): leaf for record in effects for leaf, _ in record.gradients}.values())

    def _saving(self) -> list[tuple[int, Call]]:
        """Return the calls that keep what is to be undone; those for which there is no kernel run in Python."""
        calls: list[tuple[int, Call]] = []
        slow: list[tuple[np.ndarray, np.ndarray]] = []
        for x, copy in self.saved:
            try:
                if not is_available():
                    raise NotLowered
                calls.append((-1, copying(x, copy)))
            except NotLowered:
                slow.append((x, copy))

        def save() -> None:
            for x, copy in slow:
                _copyto(copy, x)

        if slow:
            self._append(save, -1)
        return calls

    def _append(self, run: Callable[[], None], record: int, program: Any = None) -> None:
        """Append what is to be run, with the number of the last record in it."""
        self.runs.append(run)
        self.parts.append((record, program))

    def _merge(self, trace: Trace) -> None:
        """Make one native program of all calls that follow one another, and a list of what is run."""
        self.native = len(self._known)
        self.runs: list[Callable[[], None]] = []
        self.parts: list[tuple[int, Any]] = []
        self.hoisted: list[tuple[int, int, Stepping]] = []  # place in what is run, number of the record
        early = True  # nothing ran but kernels and draws
        calls = self._saving()
        first: list[tuple[Callable[[], None], int]] = []

        def close() -> None:
            if calls:
                program = Machine([call for _, call in calls]), [i for i, _ in calls]
                self._append(self._program(*program), calls[-1][0], program)
                calls.clear()

        for i, record in enumerate(trace.records):
            if i == trace.split:
                close()
                self.middle, early = len(self.runs), False
            known = self._known.get(i)
            if isinstance(known, Lowered):
                calls += [(i, call.moved(self.at_home)) for call in known.calls]
            elif isinstance(known, Stepping):
                if early:
                    self.hoisted.append((len(first), i, known))
                    first.append((known.run, i))
                else:
                    close()
                    self._append(known.run, i)
                calls += [(i, call.moved(self.at_home)) for call in known.calls or ()]
            elif isinstance(record, Effect) and record.draws and early:
                first.append((self.steps[i], i))  # a draw of random numbers
            else:
                early = False
                close()
                self._append(self.steps[i], i)
        close()
        if trace.split is not None and trace.split >= len(trace.records):
            self.middle = len(self.runs)
        self.runs[:0], self.parts[:0] = [run for run, _ in first], [(i, None) for _, i in first]
        self.early = len(first)
        self.middle += len(first)

    def _program(self, machine: Machine, numbers: list[int]) -> Callable[[], None]:
        native = machine.run

        def run() -> None:
            failed = native()
            while failed >= 0:  # Python does this call, or says why it cannot be done
                self.failed = numbers[failed]
                self.steps[numbers[failed]]()
                following, self.failed = bisect.bisect_right(numbers, numbers[failed]), None
                failed = native(following) if following < len(numbers) else -1

        return run

    def changed(self) -> str | None:
        """Return what of the optimizers changed that the kernels depend on."""
        for stepping in self.stepping:
            changed = stepping.changed()
            if changed is not None:
                return changed
        return None

    def at_home(self, array: np.ndarray) -> np.ndarray:
        """Return where an array of the trace lives now: an array of the same form in the plan's memory, or itself."""
        root = owner(array)
        home = self._homes.get(id(root))
        if home is None:
            return array
        key = id(root), array.ctypes.data, array.shape, array.strides, array.dtype
        if key not in self._moved:
            buffer, start = home
            at = start + array.ctypes.data - root.ctypes.data
            self._moved[key] = np.ndarray(array.shape, array.dtype, buffer, at, array.strides)
        return self._moved[key]

    def _moved_value(self, x: Any) -> Any:
        """Return an argument with the arrays of the trace in it replaced."""
        if isinstance(x, np.ndarray):
            return self.at_home(x)
        if isinstance(x, Variable) and id(owner(x.array)) in self._homes:
            return wrap(self.at_home(x.array))
        if isinstance(x, tuple | list):
            return type(x)([self._moved_value(item) for item in x]) if not hasattr(x, "_fields") else x
        return x

    def _step(self, record: Any) -> Callable[[], None]:
        if isinstance(record, Effect):
            return self._effect(record)
        inputs = tuple([self._moved_value(x) for x in record.inputs])
        outs = tuple([None if out is None else self.at_home(out) for out in record.outs])
        primitive, params = record.primitive, record.params
        forward = _forward_of(record)
        single = outs[0] if len(outs) == 1 else None

        def run() -> None:
            try:
                result = forward(*inputs, **params)
            except (IndexError, TypeError, ValueError) as error:
                if (better := named(error, primitive, list(inputs))) is error:
                    raise
                raise better from error
            if single is not None:
                _fill(single, result if type(result) is np.ndarray or not isinstance(result, tuple) else result[0])
            elif outs:
                for out, value in zip(outs, result):
                    if out is not None:
                        _fill(out, value)

        def write() -> None:
            forward(*inputs, **params)

        return write if isinstance(primitive, Update) and not outs else run

    def _effect(self, record: Effect) -> Callable[[], None]:
        method = record.method
        arguments = tuple([self._moved_value(x) for x in record.arguments])
        keywords = {name: self._moved_value(x) for name, x in record.keywords.items()}
        gradients = [(leaf, None if array is None else wrap(self.at_home(array))) for leaf, array in record.gradients]
        out = self.at_home(record.outs[0]) if record.outs else None
        answer = record.answer

        def run() -> None:
            for leaf, gradient in gradients:
                leaf.grad = gradient
            result = method(*arguments, **keywords)
            if out is not None:
                _fill(out, result)
            elif answer is not None and result != answer:
                raise OtherAnswer(f"{method.__qualname__}() returned {result}, not {answer}")

        return run

    def _written(self, trace: Trace) -> list[np.ndarray]:
        """Return the arrays from outside that calls write into."""
        found: dict[int, np.ndarray] = {}
        for i, record in enumerate(trace.records):
            if isinstance(record, Computation):
                writes = record.writes
            else:  # what else an effect writes, it marks itself
                known = self._known.get(i)
                writes = [x for update in record.updates for x in update.writes] if isinstance(known, Stepping) else []
            found |= {id(array): array for array in writes
                      if id(owner(array)) not in self._homes and trace.kind(array) != GIVEN}
        return list(found.values())

    def _result(self, x: Any, trace: Trace) -> tuple[type, np.ndarray, bool]:
        """Return a result's class, its array, and whether the tensor itself is returned: it is from outside."""
        array = x.array
        is_outside = trace.kind(array) == OUTSIDE and x.node is None
        return (x, array, True) if is_outside else (type(x), self.at_home(array), False)

    # -- running

    def run(self, arguments: Sequence[Any] | None) -> list[Any]:
        """Run the step on the arrays of `arguments`, and return its results as tensors of their own.

        Without arguments it runs on what lies in `inputs`.
        """
        self._begin(arguments)
        self._go(0, len(self.runs))
        for leaf, gradient in self.last:
            leaf.grad = gradient if self.lends_gradients or gradient is None else wrap(gradient.array.copy())
        self.written.mark()
        return [x if is_outside else wrap(array.copy()) for x, array, is_outside in self.results]

    def first_half(self, arguments: Sequence[Any]) -> list[Any]:
        """Run the first half on the arrays of `arguments`, and return its results."""
        self._begin(arguments)
        self._go(0, self.middle)
        self.written.mark()
        return [x if is_outside else wrap(array.copy()) for x, array, is_outside in self.results[: self.count]]

    def second_half(self) -> list[Any]:
        """Run the second half, and return its results."""
        self._go(self.middle, len(self.runs))
        return [wrap(array.copy()) for _, array, _ in self.results[self.count :]]

    def _go(self, low: int, high: int) -> None:
        at = low
        try:
            for run in self.runs[low:high]:
                run()
                at += 1
        except BaseException as error:
            failed, self.failed = self.failed, None
            self._undo(at, self._end(min(at, high - 1)) if failed is None else failed)
            if isinstance(error, Exception) and self.is_undone:
                raise Undone(f"{type(error).__name__}: {error}") from error
            raise

    def _end(self, at: int) -> int:
        """Return the last record that is done after so many runs, one of them not wholly."""
        return -1 if at < self.early else self.parts[at][0]

    def _undo(self, at: int, record: int) -> None:
        """Put all state back that a run has changed until it failed in a record, or that it changed too early."""
        self.is_undone = record < self.turn
        for place, i, stepping in self.hoisted:
            if i > record and at > place:
                stepping.undo()
        self.written.mark()
        if not self.is_undone:
            return
        if at >= self.early:
            for x, copy in self.saved:
                _copyto(x, copy)
        for source, known in zip(self.sources, self.dice):
            source.set_state(known)
        for leaf, gradient in zip(self.touched, self.gradients):
            leaf.grad = gradient

    def _begin(self, arguments: Sequence[Any] | None) -> None:
        self.dice = [source.get_state() for source in self.sources]
        self.gradients = [leaf.grad for leaf in self.touched]
        for buffer, x in zip(self.inputs, arguments or ()):
            _copyto(buffer, x.array)
        for leaf, held in self.held:
            if leaf.grad.array is not held:
                _copyto(held, leaf.grad.array)
        for array, copy in self.restored:
            np.copyto(array, copy)

    def fits_gradients(self) -> bool:
        """Return whether gradients are there before the step where the trace found some and used them, or none."""
        for leaf in self.bare:
            if leaf.grad is not None:
                return False
        for leaf, _ in self.held:
            grad = leaf.grad
            if grad is None:
                return False
        return True


def _forward_of(record: Computation) -> Callable[..., Any]:
    """Return the array function of a call, with the conversion of its inputs to one dtype if they need one."""
    primitive = record.primitive
    forward: Callable[..., Any] = primitive.forward
    if record.promotes:
        given = _promoted(primitive, list(record.inputs))
        if any(a is not b for a, b in zip(given, record.inputs)):
            return lambda *inputs, **params: forward(*_promoted(primitive, list(inputs)), **params)
    return forward


def _promoted(primitive: Any, inputs: list[Any]) -> list[Any]:
    if primitive.promotes:
        return promoted(inputs, primitive.floating)
    inputs[: primitive.operands] = promoted(inputs[: primitive.operands], primitive.floating)
    return inputs


def _fill(out: np.ndarray, result: Any) -> None:
    if type(result) is not np.ndarray:
        result = np.asarray(result)
    if result.shape != out.shape or result.dtype != out.dtype:
        raise Misfit(f"{result.shape} {result.dtype} in place of {out.shape} {out.dtype}")
    if 0 in out.strides:  # repeated elements are written once
        once = tuple([slice(0, 1) if step == 0 else slice(None) for step in out.strides])
        out, result = out[once], result[once]
    np.copyto(out, result)
