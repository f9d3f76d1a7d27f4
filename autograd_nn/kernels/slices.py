"""Operations along an axis that need sums or extremes of a whole slice first: softmax and its like, compiled.

A `Program` is a list of steps. Each walks over a slice, may fold what it computes into a total, which later steps
know, and may write an element of the result::

    softmax = Program("softmax", 1,
        Step(lambda x: x, LARGER),                                   # total m
        Step(lambda x, m: exp(x - m), ADDED, stores=True),           # total s
        Step(lambda out, x, m, s: out / s, stores=True))

Arrays are seen as (outer, length, inner). Where inner is 1 a slice is a row: vectors lie along it, and totals are
folded across their lanes; rows of few elements are turned in a buffer, a row a lane. Else vectors lie across slices, in
blocks of columns that stay in the cache from step to step. Slices are never divided among threads, so results do not
depend on their number.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from functools import lru_cache
from types import FunctionType
from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils

from autograd_nn.kernels.annotations import Array, Builder, Context, Signature, Type, Typed, Value, Values
from autograd_nn.kernels.compile import JIT_DISABLED, Chunked, intrinsic, threads_for
from autograd_nn.kernels.lanes import Lanes, Number, Registers, select
from autograd_nn.kernels.memory import contiguous
from autograd_nn.kernels.tile import INT32, INT64, array_pointer, whole

__all__ = ["ADDED", "LARGER", "Program", "Step"]

TOTALS = 4  # vectors of a row that are folded side by side
SHORT = 3  # vectors that fit into a row that is turned, at most
NARROW, WIDE = 64, 1024  # columns of a block, at least and at most
CACHE = 2**18  # bytes of a block that stay in the cache
SHARES = 8  # blocks that an array has for threads to share, if it is large enough


class Folding(NamedTuple):
    """How a total is taken."""

    combine: Callable[..., Any]
    identity: float
    by_numpy: Any


def _larger(a: Number, x: Number) -> Number:
    return select((x > a) | (x != x), x, a)


ADDED = Folding(lambda a, x: a + x, 0.0, np.add)
LARGER = Folding(_larger, -math.inf, np.maximum)


class Step:
    """One walk over a slice.

    Parameters
    ----------
    function : callable
        Of the inputs and the totals so far, by position; first of what is written already, if its first parameter is
        named `out`.
    folding : Folding, optional
        Take a total of the values.
    stores : bool
        Write the values to the result.
    then : callable, optional
        What becomes of the total when the walk is over.
    """

    def __init__(self, function: Callable[..., Any], folding: Folding | None = None, *, stores: bool = False,
                 then: Callable[..., Any] | None = None) -> None:  # fmt: skip
        self.function = function
        self.folding = folding
        self.stores = stores
        self.then = then
        self.reads_out = next(iter(inspect.signature(function).parameters)) == "out"

    def value(self, out: Any, inputs: list[Any], totals: list[Any]) -> Any:
        """Return the step's value of an element, or of many."""
        return self.function(*([out] if self.reads_out else []), *inputs, *totals)


class Program:
    """Steps along an axis, compiled into one kernel.

    Parameters
    ----------
    name : str
    inputs : int
        Number of arrays.
    *steps : Step
    keeps : tuple of int
        Totals, by number, that are results of their own: one for each slice.
    work : int
        What an element costs, in elements of a light operation.
    """

    def __init__(self, name: str, inputs: int, *steps: Step, keeps: tuple[int, ...] = (), work: int = 4) -> None:
        self.name, self.inputs, self.steps, self.keeps, self.work = name, inputs, steps, keeps, work
        self.stores = any(step.stores for step in steps)
        self._kernel: Any = None

    def __call__(self, *arrays: Array, axis: int) -> tuple[Array, ...]:
        """Run along an axis.

        Parameters
        ----------
        *arrays : ndarray of one shape and dtype, floats
        axis : int, from 0

        Returns
        -------
        tuple of ndarray
            The result of the shape of the arrays, if a step stores; then the totals that are kept, without the axis.
        """
        shape, dtype = arrays[0].shape, arrays[0].dtype
        if dtype.itemsize == 2:
            wide = self(*[array.astype(np.float32) for array in arrays], axis=axis)
            return tuple([array.astype(dtype) for array in wide])
        layout = _layout(shape, axis, dtype.itemsize * (self.inputs + self.stores))
        out = np.empty(shape if self.stores else (1,), dtype)
        totals = np.empty((max(1, len(self.keeps)), *shape[:axis], *shape[axis + 1 :]), dtype)
        if totals.size:
            if self._kernel is None:
                self._kernel = _compiled(self)
            flat = [contiguous(array).reshape(-1) for array in arrays]
            self._kernel(threads_for(self.work * arrays[0].size), layout, *flat, out.reshape(-1), totals.reshape(-1))
        return (*[out] * self.stores, *totals[: len(self.keeps)])


@lru_cache(maxsize=4096)
def _layout(shape: tuple[int, ...], axis: int, width: int) -> Array:
    """Return (outer, length, inner, columns of a block) for elements that have so many bytes in all arrays together."""
    outer, length, inner = math.prod(shape[:axis]), shape[axis], math.prod(shape[axis + 1 :])
    block = min(WIDE, CACHE // max(1, length * width), -(-outer * inner // SHARES))
    return np.array([outer, length, inner, max(NARROW, block // NARROW * NARROW)])


# ------------------------------------------------------------------------------------------ compilation


def _of_1(t, threads, layout, a, out, totals):  # type: ignore[no-untyped-def]
    emit(t, threads, layout, (a, out, totals))  # type: ignore[name-defined]  # noqa: F821


def _of_2(t, threads, layout, a, b, out, totals):  # type: ignore[no-untyped-def]
    emit(t, threads, layout, (a, b, out, totals))  # type: ignore[name-defined]  # noqa: F821


def _compiled(program: Program) -> Any:
    """Return the kernel of a program, as `passes` does."""
    if JIT_DISABLED:
        return _interpreter(program)
    name = f"slices_{program.name}"
    template = (_of_1, _of_2)[program.inputs - 1]
    body = FunctionType(template.__code__, {"emit": _instructions(program)}, name)
    body.__module__, body.__qualname__ = __name__, name
    return Chunked(body, False)


def _interpreter(program: Program) -> Callable[..., None]:
    def run(threads: int, layout: Array, *arrays: Array) -> None:
        *inputs, out, kept = arrays
        inputs = [array.reshape(layout[:3]) for array in inputs]
        result = out.reshape(layout[:3]) if program.stores else out
        totals: list[Array] = []
        with np.errstate(all="ignore"):
            for step in program.steps:
                value = step.value(result, inputs, totals)
                if step.stores:
                    result[...] = value
                if step.folding is not None:
                    total = step.folding.by_numpy.reduce(value, 1, keepdims=True, initial=step.folding.identity)
                    totals.append(total if step.then is None else step.then(total))
        for row, number in zip(kept.reshape(max(1, len(program.keeps)), -1), program.keeps):
            row[:] = totals[number].reshape(-1)

    return run


def _instructions(program: Program) -> Any:
    def typed(typing_context: Any, t: Type, threads: Type, layout: Type, arrays: Type) -> Typed:
        def generate(context: Context, builder: Builder, signature: Signature, values: Values) -> Value:
            _Chunk(program, context, builder, signature, values).emit()
            return context.get_dummy_value()

        return types.void(t, threads, layout, arrays), generate

    return intrinsic()(typed)


class _Chunk:
    """The instructions of one chunk: slices, and for each the steps."""

    def __init__(self, program: Program, context: Context, builder: Builder, signature: Signature, values: Values):
        self.program, self.builder = program, builder
        t, threads, layout, arrays = signature.args
        self.t = context.cast(builder, values[0], t, types.int64)
        self.threads = context.cast(builder, values[1], threads, types.int64)
        layout = array_pointer(context, builder, layout, values[2])
        self.outer, self.length, self.inner, self.block = (
            builder.load(builder.gep(layout, [whole(i)], source_etype=INT64), typ=INT64) for i in range(4)
        )
        unpacked = cgutils.unpack_tuple(builder, values[3], len(arrays.types))
        pointers = [array_pointer(context, builder, kind, array) for kind, array in zip(arrays.types, unpacked)]
        *self.inputs, self.out, self.kept = pointers
        self.v = Registers(context, builder, arrays.types[0])
        self.totals = [cgutils.alloca_once(builder, self.v.vector) for _ in range(TOTALS)]
        self.slices = builder.mul(self.outer, self.inner)
        # Of rows that are turned: element l of all inputs and of the result, a row a lane.
        kind = ir.ArrayType(self.v.vector, SHORT * self.v.lanes * (program.inputs + 1))
        self.turned = cgutils.alloca_once(builder, kind)
        # Of blocks of columns: the totals, as many vectors of each.
        folds = sum(step.folding is not None for step in program.steps)
        kind = ir.ArrayType(self.v.vector, folds * (WIDE // self.v.lanes + 1))
        self.across_columns = cgutils.alloca_once(builder, kind)

    def emit(self) -> None:
        builder, v = self.builder, self.v
        is_row = builder.icmp_signed("==", self.inner, whole(1))
        is_short = builder.and_(is_row, builder.icmp_signed("<", self.length, whole(SHORT * v.lanes)))
        blocks = builder.sdiv(builder.add(self.inner, builder.sub(self.block, whole(1))), self.block)
        turns = builder.sdiv(builder.add(self.outer, whole(v.lanes - 1)), whole(v.lanes))
        units = builder.select(is_short, turns, builder.mul(self.outer, blocks))
        first = builder.sdiv(builder.mul(self.t, units), self.threads)
        last = builder.sdiv(builder.mul(builder.add(self.t, whole(1)), units), self.threads)
        with (
            cgutils.for_range_slice(builder, first, last, whole(1), INT64) as (unit, _),
            builder.if_else(is_short) as (short, others),
        ):
            with short:
                self.emit_short(unit)
            with others, builder.if_else(is_row) as (rows, columns):
                with rows:
                    self.emit_row(unit)
                with columns:
                    self.emit_columns(builder.udiv(unit, blocks), builder.urem(unit, blocks))

    def at_most(self, value: Value, most: Value) -> Value:
        return self.builder.select(self.builder.icmp_signed("<", value, most), value, most)

    def load(self, pointer: Value, at: Value, mask: Value | None) -> Lanes:
        v = self.v
        address = v.address(pointer, at)
        return Lanes(v, v.load(address) if mask is None else v.load_masked(address, mask))

    def store(self, value: Value, pointer: Value, at: Value, count: Value | None) -> None:
        """Store a vector, or its first lanes."""
        address = self.v.address(pointer, at)
        if count is None:
            self.v.store(value, address)
        else:
            self.v.store_first(value, address, count)

    def step(self, step: Step, at: Value, count: Value | None, totals: list[Lanes], total: Value,
             fresh: Value | None = None) -> None:  # fmt: skip
        """Emit a step for one vector of elements, or for its first lanes; those that are not `fresh` are done."""
        mask = None if count is None else self.v.lanes_below(count)
        out = self.load(self.out, at, mask) if step.reads_out else None
        inputs = [self.load(pointer, at, mask) for pointer in self.inputs]
        value = step.value(out, inputs, totals)
        if step.stores:
            kept = value.value
            if out is not None and fresh is not None:
                kept = self.builder.select(fresh, kept, out.value)
            self.store(kept, self.out, at, count)
        self.fold(step, value, total, mask if fresh is None else fresh)

    def fold(self, step: Step, value: Lanes, total: Value, mask: Value | None = None) -> None:
        if step.folding is not None:
            before = self.v.load(total)
            after = step.folding.combine(Lanes(self.v, before), value).value
            self.v.store(after if mask is None else self.builder.select(mask, after, before), total)

    def begin(self, step: Step) -> None:
        if step.folding is not None:
            identity = self.v.broadcast(ir.Constant(self.v.scalar, step.folding.identity))
            for total in self.totals:
                self.builder.store(identity, total)

    def emit_short(self, block: Value) -> None:
        """Emit as many rows as a vector has lanes: turned, computed side by side, turned back.

        Lanes beyond the last row do the last row's work again.
        """
        builder, v = self.builder, self.v
        last = builder.sub(self.outer, whole(1))
        rows = [self.at_most(builder.add(builder.mul(block, whole(v.lanes)), whole(k)), last) for k in range(v.lanes)]
        starts = [builder.mul(row, self.length) for row in rows]
        arrays = len(self.inputs) + 1
        base = builder.bitcast(self.turned, v.scalar.as_pointer())

        def turned(k: int, element: Value) -> Value:
            at = builder.add(builder.mul(element, whole(arrays)), whole(k))
            return v.address(base, builder.mul(at, whole(v.lanes)))

        with cgutils.for_range(builder, self.length) as loop:
            for k, pointer in enumerate(self.inputs):
                vector: Any = ir.Constant(v.vector, ir.Undefined)
                for lane, start in enumerate(starts):
                    element = builder.load(v.address(pointer, start, loop.index), typ=v.scalar, align=v.itemsize)
                    vector = builder.insert_element(vector, element, ir.Constant(INT32, lane))
                v.store(vector, turned(k, loop.index))
        totals: list[Lanes] = []
        for step in self.program.steps:
            self.begin(step)
            with cgutils.for_range(builder, self.length) as loop:
                out = Lanes(v, v.load(turned(arrays - 1, loop.index))) if step.reads_out else None
                inputs = [Lanes(v, v.load(turned(k, loop.index))) for k in range(arrays - 1)]
                value = step.value(out, inputs, totals)
                if step.stores:
                    v.store(value.value, turned(arrays - 1, loop.index))
                self.fold(step, value, self.totals[0])
            if step.folding is not None:
                totals.append(self.finished(step, Lanes(v, builder.load(self.totals[0]))))
        if self.program.stores:
            with cgutils.for_range(builder, self.length) as loop:
                vector = v.load(turned(arrays - 1, loop.index))
                for lane, start in enumerate(starts):
                    element = builder.extract_element(vector, ir.Constant(INT32, lane))
                    builder.store(element, v.address(self.out, start, loop.index), align=v.itemsize)
        for k, number in enumerate(self.program.keeps):
            for lane, row in enumerate(rows):
                value = builder.extract_element(totals[number].value, ir.Constant(INT32, lane))
                address = v.address(self.kept, builder.add(row, builder.mul(self.slices, whole(k))))
                builder.store(value, address, align=v.itemsize)

    def emit_row(self, unit: Value) -> None:
        builder, v = self.builder, self.v
        start = builder.mul(unit, self.length)
        groups = builder.sdiv(self.length, whole(TOTALS * v.lanes))
        done = builder.mul(groups, whole(TOTALS * v.lanes))
        totals: list[Lanes] = []
        for step in self.program.steps:
            self.begin(step)
            with cgutils.for_range(builder, groups) as loop:
                at = builder.add(start, builder.mul(loop.index, whole(TOTALS * v.lanes)))
                for k, total in enumerate(self.totals):
                    self.step(step, builder.add(at, whole(k * v.lanes)), None, totals, total)
            vectors = builder.sdiv(builder.add(builder.sub(self.length, done), whole(v.lanes - 1)), whole(v.lanes))
            with cgutils.for_range(builder, vectors) as loop:  # the last ends with the row, over the one before
                place = builder.add(done, builder.mul(loop.index, whole(v.lanes)))
                at = self.at_most(place, builder.sub(self.length, whole(v.lanes)))
                fresh = builder.not_(v.lanes_below(builder.sub(place, at)))
                self.step(step, builder.add(start, at), None, totals, self.totals[0], fresh)
            if step.folding is not None:
                totals.append(self.finished(step, self.across(step.folding)))
        for k, number in enumerate(self.program.keeps):
            value = builder.extract_element(totals[number].value, ir.Constant(INT32, 0))
            address = v.address(self.kept, builder.add(unit, builder.mul(self.slices, whole(k))))
            builder.store(value, address, align=v.itemsize)

    def finished(self, step: Step, total: Lanes) -> Lanes:
        return total if step.then is None else step.then(total)

    def across(self, folding: Folding) -> Lanes:
        """Return the fold of all lanes of all totals, in each lane."""
        builder, v = self.builder, self.v
        folded = [Lanes(v, builder.load(total)) for total in self.totals]
        result = folding.combine(folding.combine(folded[0], folded[1]), folding.combine(folded[2], folded[3]))
        width = v.lanes
        while width > 1:
            width //= 2
            order = [k ^ width for k in range(v.lanes)]
            result = folding.combine(result, Lanes(v, v.shuffle(result.value, result.value, order)))
        return Lanes(v, v.broadcast(builder.extract_element(result.value, ir.Constant(INT32, 0))))

    def emit_columns(self, o: Value, block: Value) -> None:
        """Emit the slices of a block of columns: each step walks over its rows one after the other."""
        builder, v = self.builder, self.v
        column = builder.mul(block, self.block)
        columns = self.at_most(builder.sub(self.inner, column), self.block)
        vectors = builder.udiv(columns, whole(v.lanes))
        rest = builder.urem(columns, whole(v.lanes))
        start = builder.add(builder.mul(builder.mul(o, self.length), self.inner), column)
        base = builder.bitcast(self.across_columns, v.scalar.as_pointer())

        def total(number: int, vector: Value) -> Value:
            return v.address(base, whole(number * (WIDE + v.lanes)), builder.mul(vector, whole(v.lanes)))

        def before(number: int, vector: Value) -> list[Lanes]:
            return [Lanes(v, v.load(total(k, vector))) for k in range(number)]

        number = 0
        for step in self.program.steps:
            if step.folding is not None:
                identity = v.broadcast(ir.Constant(v.scalar, step.folding.identity))
                with cgutils.for_range(builder, builder.add(vectors, whole(1))) as loop:
                    v.store(identity, total(number, loop.index))
            with cgutils.for_range(builder, self.length) as row:
                at = builder.add(start, builder.mul(row.index, self.inner))
                with cgutils.for_range(builder, vectors) as loop:
                    place = builder.add(at, builder.mul(loop.index, whole(v.lanes)))
                    self.step(step, place, None, before(number, loop.index), total(number, loop.index))
                with builder.if_then(builder.icmp_signed("!=", rest, whole(0))):
                    place = builder.add(at, builder.mul(vectors, whole(v.lanes)))
                    self.step(step, place, rest, before(number, vectors), total(number, vectors))
            if step.folding is not None:
                if step.then is not None:
                    with cgutils.for_range(builder, builder.add(vectors, whole(1))) as loop:
                        address = total(number, loop.index)
                        v.store(step.then(Lanes(v, v.load(address))).value, address)
                number += 1
        for row_of_kept, number in enumerate(self.program.keeps):
            at = builder.add(builder.add(builder.mul(o, self.inner), column),
                             builder.mul(self.slices, whole(row_of_kept)))  # fmt: skip
            with cgutils.for_range(builder, columns) as loop:
                value = builder.load(v.address(total(number, whole(0)), loop.index), typ=v.scalar, align=v.itemsize)
                builder.store(value, v.address(self.kept, at, loop.index), align=v.itemsize)
