"""Elementwise operations as compiled passes over memory: one declaration gives values, gradients and sums.

A `Pass` is made of functions of values, written with `lanes` and `functions`: its results, say the value of an
operation and its gradient. They are compiled into one kernel and chosen by number, because compiling costs more per
kernel than per instruction. A kernel is compiled when its operation is first used, and cached.

Operands
    Arrays of one dtype, or booleans, broadcast against each other. A pass walks over rows: axes are merged into
    three, (outer, channels, inner), and each operand has three steps. An operand whose inner step is 0 (a number,
    one per channel, one per row) is spread over a vector first, so that one loop serves all forms. What does not fit
    into three axes is copied.

Same bits everywhere
    Each element passes through the same vector instructions wherever it lies: the end of a row that does not fill
    a vector goes through a buffer. Work is split at multiples of `SEGMENT` elements of a row, and sums are taken in
    double precision segment by segment: results do not depend on the number of threads.
"""

from __future__ import annotations

import inspect
import math
import sys
from collections.abc import Callable, Sequence
from functools import lru_cache
from types import FunctionType
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils

from autograd_nn.kernels.annotations import Array, Builder, Context, Shape, Signature, Type, Typed, Value, Values
from autograd_nn.kernels.compile import JIT_DISABLED, Chunked, intrinsic, threads_for
from autograd_nn.kernels.lanes import Lanes, Mask, Registers
from autograd_nn.kernels.memory import contiguous
from autograd_nn.kernels.tile import INT32, INT64, array_pointer, whole

__all__ = ["Pass"]

SEGMENT = 4096  # elements of a row that one thread does at a time, and whose sum is taken by itself
SMALL = 512  # elements of an exact operation below which NumPy computes
NUMBERS = 3  # numbers that a function of a pass may have beside its arrays

Function = Callable[..., Any]


class Pass:
    """An elementwise operation: its results, compiled together.

    Parameters
    ----------
    name : str
    *functions : callable
        Each a function of arrays (positional parameters) and up to three numbers (keyword-only parameters) that
        returns one value or a tuple of two.
    summed : bool
        Compile `sum` too, the sum over all elements of function 0.
    exact : bool
        The functions are of operators, `abs`, `sqrt` and `select` only, which NumPy rounds alike: it computes small
        arrays, and nothing is compiled for them.
    work : int
        What an element costs, in elements of a light operation: decides from which size on threads are used.
    """

    def __init__(
        self, name: str, *functions: Function, summed: bool = False, exact: bool = False, work: int = 1
    ) -> None:
        self.name = name
        self.functions = functions
        self.summed = summed
        self.exact = exact
        self.work = work
        self.inputs = [_positional(function) for function in functions]
        self.keywords = [_keywords(function) for function in functions]
        self.width = max(self.inputs)
        self.home = sys._getframe(1).f_globals["__name__"], sys._getframe(1).f_code.co_filename
        self._kernel: Any = None

    @property
    def kernel(self) -> Any:
        """The compiled kernel, ``kernel(threads, function, layout, p, q, r, *inputs, out, [second out], [sums])``."""
        if self._kernel is None:
            self._kernel = _compiled(self)
        return self._kernel

    def __call__(self, *arrays: Any, numbers: tuple[float, ...] = (), function: int = 0) -> Array:
        """Return a result of arrays, broadcast against each other, and numbers.

        Parameters
        ----------
        *arrays : ndarray or number
            Floats of one dtype (float16 is computed in float32), or bool.
        numbers : tuple of float
            The keyword-only parameters, in order.
        function : int
            Which result, in the order of the declaration.

        Returns
        -------
        ndarray
            Of the dtype of the floats.
        """
        first = arrays[0]
        if _alike(arrays) and not (self.exact and first.size < SMALL):
            out: Array = np.empty(first.shape, first.dtype)
            if first.ndim == 1:
                self._run(function, arrays, _flat_layout(first.size, self.width), first.size, numbers, out)
            else:
                flat = [array.reshape(-1) for array in arrays]
                self._run(function, flat, _flat_layout(first.size, self.width), first.size, numbers, out.reshape(-1))
            return out
        dtype = _dtype(arrays)
        for array in arrays:
            if type(array) is not np.ndarray:
                arrays = tuple([a if isinstance(a, np.ndarray) else np.asarray(a, dtype) for a in arrays])
                break
        if dtype.itemsize == 2:
            return self(*_wide(arrays), numbers=numbers, function=function).astype(dtype)
        if self.exact and max(array.size for array in arrays) < SMALL:
            return self._by_numpy(function, arrays, numbers)
        shape, operands, layout = _laid_out(arrays, self.width)
        out = np.empty(shape, dtype)
        self._run(function, operands, layout, out.size, numbers, out.reshape(-1))
        return out

    def gradient(self, *arrays: Any, numbers: tuple[float, ...] = ()) -> Array:
        """Return result number 1, which by convention is the gradient in the first input."""
        return self(*arrays, numbers=numbers, function=1)

    def _by_numpy(self, function: int, arrays: tuple[Array, ...], numbers: tuple[float, ...]) -> Array:
        chosen = self.functions[function]
        with np.errstate(all="ignore"):
            return np.asarray(chosen(*arrays, **dict(zip(self.keywords[function], numbers))), _dtype(arrays))

    def sum(self, *arrays: Any, numbers: tuple[float, ...] = ()) -> np.float64:
        """Return the sum of the first result over all elements, taken in double precision, in one order."""
        if _dtype(arrays).itemsize == 2:
            return self.sum(*_wide(arrays), numbers=numbers)
        shape, operands, layout = _laid_out(arrays, self.width)
        sums = np.zeros(int(layout[0] * layout[1]) * -(-int(layout[2]) // SEGMENT))
        none = np.empty(1, _dtype(arrays))
        self._run(len(self.functions), operands, layout, math.prod(shape), numbers, none, sums)
        total: np.float64 = np.add.reduce(sums)
        return total

    def _run(self, function: int, operands: Sequence[Array], layout: Array, size: int, numbers: tuple[float, ...],
             out: Array, sums: Array | None = None) -> None:  # fmt: skip
        if not size:
            return
        if len(operands) < self.width:
            operands = [*operands, *[operands[-1]] * (self.width - len(operands))]
        kernel = self._kernel or self.kernel
        p, q, r = (*[float(number) for number in numbers], 0.0, 0.0, 0.0)[:NUMBERS] if numbers else (0.0, 0.0, 0.0)
        if self.summed:
            kernel(threads_for(self.work * size), function, layout, p, q, r, *operands, out,
                   _NO_SUMS if sums is None else sums)  # fmt: skip
        else:
            kernel(threads_for(self.work * size), function, layout, p, q, r, *operands, out)


_NO_SUMS = np.zeros(1)
_FLOAT32, _FLOAT64 = np.dtype(np.float32), np.dtype(np.float64)


def _positional(function: Function) -> int:
    parameters = inspect.signature(function).parameters.values()
    return sum(parameter.kind is parameter.POSITIONAL_OR_KEYWORD for parameter in parameters)


def _dtype(arrays: tuple[Array, ...]) -> Any:
    for array in arrays:
        if isinstance(array, np.ndarray) and array.dtype.kind == "f":
            return array.dtype
    return np.dtype(np.float64)  # of numbers alone


def _alike(arrays: tuple[Any, ...]) -> bool:
    """Return whether all arrays are contiguous, of one shape and of one of the two float dtypes."""
    first = arrays[0]
    if type(first) is not np.ndarray or not first.flags.carray:
        return False
    dtype = first.dtype
    if dtype is not _FLOAT32 and dtype is not _FLOAT64:
        return False
    for array in arrays:
        if array is not first and (
            type(array) is not np.ndarray or array.dtype is not dtype or array.shape != first.shape
            or not array.flags.carray
        ):  # fmt: skip
            return False
    return True


def _wide(arrays: tuple[Array, ...]) -> list[Array]:
    return [array.astype(np.float32) if array.dtype.kind == "f" else array for array in arrays]


# --------------------------------------------------------------------------------------------- operands


def _laid_out(arrays: tuple[Array, ...], width: int) -> tuple[Shape, list[Array], Array]:
    """Return the shape of the result, the operands as flat arrays, and how they lie in it (see `_layout`)."""
    compact = [_compact(array) for array in arrays]
    shape = np.broadcast_shapes(*[array.shape for array in arrays])
    layout = _layout(shape, tuple(array.shape for array in compact), width)
    if layout is None:
        compact = [np.ascontiguousarray(np.broadcast_to(array, shape)) for array in compact]
        layout = _flat_layout(math.prod(shape), width)
    return shape, [array.reshape(-1) for array in compact], layout


def _compact(array: Array) -> Array:
    """Return an array without its repetitions (axes of step 0 keep one element), contiguous."""
    if array.flags.carray:
        return array
    if 0 in array.strides:
        array = array[tuple([slice(0, 1) if step == 0 else slice(None) for step in array.strides])]
    return contiguous(array)


@lru_cache(maxsize=4096)
def _flat_layout(size: int, width: int) -> Array:
    return np.array([1, 1, size, *(0, 0, 1) * width])


@lru_cache(maxsize=4096)
def _layout(shape: Shape, shapes: tuple[Shape, ...], width: int) -> Array | None:
    """Return (outer, channels, inner) and three steps for each operand; None where three axes are not enough."""
    full = [(1,) * (len(shape) - len(each)) + each for each in shapes]
    groups: list[tuple[int, tuple[bool, ...]]] = []
    for axis, size in enumerate(shape):
        if size != 1:
            has = tuple(each[axis] != 1 for each in full)
            if groups and groups[-1][1] == has:
                groups[-1] = groups[-1][0] * size, has
            else:
                groups.append((size, has))
    if len(groups) > 3:
        return None
    groups = [(1, (False,) * len(full))] * (3 - len(groups)) + groups
    steps = []
    for operand in range(len(full)):
        step = 1
        own: list[int] = []
        for size, has in reversed(groups):
            own.insert(0, step if has[operand] else 0)
            step *= size if has[operand] else 1
        steps += own
    steps += steps[-3:] * (width - len(full))
    return np.array([*[size for size, _ in groups], *steps])


# ------------------------------------------------------------------------------------------ compilation


def _of_1(t, threads, function, layout, p, q, r, a, out):  # type: ignore[no-untyped-def]
    emit(t, threads, function, layout, p, q, r, (a, out))  # type: ignore[name-defined]  # noqa: F821


def _of_2(t, threads, function, layout, p, q, r, a, b, out):  # type: ignore[no-untyped-def]
    emit(t, threads, function, layout, p, q, r, (a, b, out))  # type: ignore[name-defined]  # noqa: F821


def _of_3(t, threads, function, layout, p, q, r, a, b, c, out):  # type: ignore[no-untyped-def]
    emit(t, threads, function, layout, p, q, r, (a, b, c, out))  # type: ignore[name-defined]  # noqa: F821


def _of_4(t, threads, function, layout, p, q, r, a, b, c, d, out):  # type: ignore[no-untyped-def]
    emit(t, threads, function, layout, p, q, r, (a, b, c, d, out))  # type: ignore[name-defined]  # noqa: F821


def _of_5(t, threads, function, layout, p, q, r, a, b, c, d, e, out):  # type: ignore[no-untyped-def]
    emit(t, threads, function, layout, p, q, r, (a, b, c, d, e, out))  # type: ignore[name-defined]  # noqa: F821


_BODIES = {1: _of_1, 2: _of_2, 3: _of_3, 4: _of_4, 5: _of_5}


def _compiled(operation: Pass) -> Any:
    """Return the kernel of a pass: a body with its own `emit` in the place of a global name.

    A closure over it would never be found in the cache by another process. The body counts as a function of the module
    that declares the pass, so that an edit of that module, or of what it imports, makes the machine code stale.
    """
    if JIT_DISABLED:
        return _interpreter(operation)
    template = _BODIES[operation.width + operation.summed]
    name = f"pass_{operation.name}"
    module, file = operation.home
    body = FunctionType(template.__code__.replace(co_filename=file), {"emit": _instructions(operation)}, name)
    body.__module__, body.__qualname__ = module, name
    return Chunked(body, False)


def _interpreter(operation: Pass) -> Callable[..., None]:
    """Return what computes the same with NumPy."""

    def run(threads: int, function: int, layout: Array, p: float, q: float, r: float, *arrays: Array) -> None:
        summing = function == len(operation.functions)
        chosen = operation.functions[0 if summing else function]
        inputs = operation.inputs[0 if summing else function]
        shape = tuple(layout[:3])
        out = arrays[operation.width]
        values = []
        for number, flat in enumerate(arrays[:inputs]):
            steps = layout[3 + 3 * number : 6 + 3 * number] * flat.itemsize
            values.append(np.lib.stride_tricks.as_strided(flat, shape, steps))
        numbers = [out.dtype.type(number) for number in (p, q, r)]
        with np.errstate(all="ignore"):
            result = chosen(*values, **dict(zip(_keywords(chosen), numbers)))
        if summing:
            rows = np.broadcast_to(result, shape).astype(np.float64).reshape(-1, shape[2])
            arrays[-1][:] = np.add.reduceat(rows, range(0, shape[2], SEGMENT), axis=1).reshape(-1)
        else:
            out.reshape(shape)[...] = result

    return run


def _keywords(function: Function) -> list[str]:
    parameters = inspect.signature(function).parameters.values()
    return [parameter.name for parameter in parameters if parameter.kind is parameter.KEYWORD_ONLY]


def _instructions(operation: Pass) -> Any:
    """Return the intrinsic that runs one chunk of a pass."""

    def typed(typing_context: Any, t: Type, threads: Type, function: Type, layout: Type, p: Type, q: Type, r: Type,
              arrays: Type) -> Typed:  # fmt: skip
        def generate(context: Context, builder: Builder, signature: Signature, values: Values) -> Value:
            _Chunk(operation, context, builder, signature, values).emit()
            return context.get_dummy_value()

        return types.void(t, threads, function, layout, p, q, r, arrays), generate

    return intrinsic()(typed)


class _Chunk:
    """The instructions of one chunk: a loop over segments of rows, in it a loop over vectors for each result."""

    def __init__(self, operation: Pass, context: Context, builder: Builder, signature: Signature, values: Values):
        self.operation = operation
        self.builder = builder
        array_types = list(signature.args[-1].types)
        self.t, self.threads, self.function = (
            context.cast(builder, value, value_type, types.int64)
            for value, value_type in zip(values[:3], signature.args[:3])
        )
        self.layout = array_pointer(context, builder, signature.args[3], values[3])
        unpacked = cgutils.unpack_tuple(builder, values[-1], len(array_types))
        self.pointers = [array_pointer(context, builder, kind, array) for kind, array in zip(array_types, unpacked)]
        out = array_types[operation.width]
        self.v = Registers(context, builder, out)
        self.is_mask = [kind.dtype == types.boolean for kind in array_types[: operation.width]]
        self.elements = [ir.IntType(8) if mask else self.v.scalar for mask in self.is_mask]
        numbers = [context.cast(builder, value, types.float64, out.dtype) for value in values[4:7]]
        self.numbers = [self.v.broadcast(number) for number in numbers]
        vectors = [ir.VectorType(element, self.v.lanes) for element in (*self.elements, self.v.scalar)]
        self.buffers = [cgutils.alloca_once(builder, vector) for vector in vectors]

    def entry(self, position: int) -> Value:
        """Return a number of the layout."""
        return self.builder.load(self.builder.gep(self.layout, [whole(position)], source_etype=INT64), typ=INT64)

    def emit(self) -> None:
        builder = self.builder
        outer, channels, inner = (self.entry(i) for i in range(3))
        steps = [[self.entry(3 + 3 * k + i) for i in range(3)] for k in range(self.operation.width)]
        segments = builder.sdiv(builder.add(inner, whole(SEGMENT - 1)), whole(SEGMENT))
        units = builder.mul(builder.mul(outer, channels), segments)
        first = builder.sdiv(builder.mul(self.t, units), self.threads)
        last = builder.sdiv(builder.mul(builder.add(self.t, whole(1)), units), self.threads)
        for number in range(len(self.operation.functions) + self.operation.summed):
            chosen = builder.icmp_signed("==", self.function, whole(number))
            loop = cgutils.for_range_slice(builder, first, last, whole(1), INT64)
            with builder.if_then(chosen), loop as (unit, _):
                row, segment = builder.udiv(unit, segments), builder.urem(unit, segments)
                at = builder.udiv(row, channels), builder.urem(row, channels), builder.mul(segment, whole(SEGMENT))
                rest = builder.sub(inner, at[2])
                length = builder.select(builder.icmp_signed("<", rest, whole(SEGMENT)), rest, whole(SEGMENT))
                self.emit_segment(number, unit, row, at, inner, steps, length)

    def emit_segment(
        self, number: int, unit: Value, row: Value, at: tuple[Value, Value, Value], inner: Value,
        steps: list[list[Value]], length: Value,
    ) -> None:  # fmt: skip
        """Emit one result's loop over the vectors of a segment: first the whole ones, then the rest in the buffers."""
        builder, v = self.builder, self.v
        summing = number == len(self.operation.functions)
        function = self.operation.functions[0 if summing else number]
        inputs = self.operation.inputs[0 if summing else number]
        starts, strides = [], []
        for k in range(inputs):
            offset = builder.add(builder.add(builder.mul(at[0], steps[k][0]), builder.mul(at[1], steps[k][1])),
                                 builder.mul(at[2], steps[k][2]))  # fmt: skip
            start = builder.gep(self.pointers[k], [offset], source_etype=self.elements[k])
            spread = builder.icmp_signed("==", steps[k][2], whole(0))
            buffer = self.buffers[k]
            with builder.if_then(spread):
                element = builder.load(start, typ=self.elements[k], align=1 if self.is_mask[k] else v.itemsize)
                builder.store(v.broadcast(element), buffer)
            buffer = builder.bitcast(buffer, start.type)
            starts.append(builder.select(spread, buffer, start))
            strides.append(builder.select(spread, whole(0), whole(v.lanes)))
        out = self.pointers[self.operation.width]
        out = builder.gep(out, [builder.add(builder.mul(row, inner), at[2])], source_etype=v.scalar)
        full = builder.sdiv(length, whole(v.lanes))
        rest = builder.sub(length, builder.mul(full, whole(v.lanes)))
        none_full = builder.zext(builder.icmp_signed("==", full, whole(0)), INT64)
        turns = builder.select(builder.icmp_signed("==", rest, whole(0)), whole(1), whole(2))
        if summing:
            wide = ir.VectorType(ir.DoubleType(), v.lanes)
            total = cgutils.alloca_once_value(builder, ir.Constant(wide, [0.0] * v.lanes))
        with cgutils.for_range_slice(builder, none_full, turns, whole(1), INT64) as (turn, _):
            is_rest = builder.icmp_signed("==", turn, whole(1))
            kept = v.lanes_below(builder.select(is_rest, rest, whole(v.lanes)))
            with builder.if_then(is_rest):
                done = builder.mul(full, whole(v.lanes))
                for k in range(inputs):
                    with builder.if_then(builder.icmp_signed("!=", strides[k], whole(0))):
                        address = builder.gep(starts[k], [done], source_etype=self.elements[k])
                        builder.store(self.load_masked(k, address, kept), self.buffers[k])
            count = builder.select(is_rest, whole(1), full)
            froms = [
                builder.select(is_rest, builder.bitcast(self.buffers[k], starts[k].type), starts[k])
                for k in range(inputs)
            ]
            to = builder.select(is_rest, builder.bitcast(self.buffers[-1], out.type), out)
            with cgutils.for_range(builder, count) as loop:
                values = []
                for k in range(inputs):
                    address = builder.gep(
                        froms[k], [builder.mul(loop.index, strides[k])], source_etype=self.elements[k]
                    )
                    values.append(self.loaded(k, address))
                numbers = [Lanes(v, each) for each in self.numbers]
                result = function(*values, **dict(zip(_keywords(function), numbers)))
                if summing:
                    term = builder.select(kept, result.value, v.zero)
                    term = term if v.itemsize == 8 else builder.fpext(term, wide)
                    builder.store(builder.fadd(builder.load(total), term), total)
                else:
                    address = builder.gep(to, [builder.mul(loop.index, whole(v.lanes))], source_etype=v.scalar)
                    v.store(result.value, address)
            if not summing:
                with builder.if_then(is_rest):
                    address = builder.gep(out, [builder.mul(full, whole(v.lanes))], source_etype=v.scalar)
                    v.store_first(builder.load(self.buffers[-1]), address, rest)
        if summing:
            sums = builder.gep(self.pointers[-1], [unit], source_etype=ir.DoubleType())
            builder.store(self.across(builder.load(total)), sums)

    def loaded(self, k: int, address: Value) -> Lanes | Mask:
        v = self.v
        if not self.is_mask[k]:
            return Lanes(v, v.load(address))
        byte = ir.VectorType(ir.IntType(8), v.lanes)
        return Mask(v, self.builder.icmp_unsigned("!=", self.builder.load(address, typ=byte, align=1),
                                                  ir.Constant(byte, [0] * v.lanes)))  # fmt: skip

    def load_masked(self, k: int, address: Value, kept: Value) -> Value:
        v = self.v
        if not self.is_mask[k]:
            return v.load_masked(address, kept)
        byte = ir.VectorType(ir.IntType(8), v.lanes)
        name = f"llvm.masked.load.v{v.lanes}i8.p0"
        arguments = [address, ir.Constant(INT32, 1), kept, ir.Constant(byte, [0] * v.lanes)]
        return v.call(name, byte, *arguments)

    def across(self, total: Value) -> Value:
        """Return the sum of a register's lanes, by halves."""
        builder = self.builder
        width = self.v.lanes
        while width > 1:
            width //= 2
            kind = ir.VectorType(INT32, width)
            low, high = (ir.Constant(kind, [k + first for k in range(width)]) for first in (0, width))
            total = builder.fadd(builder.shuffle_vector(total, total, low), builder.shuffle_vector(total, total, high))
        return builder.extract_element(total, ir.Constant(INT32, 0))
