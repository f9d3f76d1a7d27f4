"""The register tile: the small product under every heavy kernel, written as LLVM instructions.

Matrix product, convolution, its gradients and Winograd's batched products are all one computation
under different addressing. The tile keeps ``rows x vectors`` accumulators in vector registers, and
for each step of the reduction it broadcasts ``rows`` scalars of ``a`` against ``vectors`` vectors of
``b``, one fused multiply-add each::

                          b:   [ vector 0 ] [ vector 1 ]      `vectors` registers, loaded once a step
    a: row 0  scalar ->  c:    [ acc 0,0  ] [ acc 0,1  ]
       row 1  scalar ->        [ acc 1,0  ] [ acc 1,1  ]      `rows x vectors` registers, which stay
       row 2  scalar ->        [ acc 2,0  ] [ acc 2,1  ]      in the processor until the end

A step loads ``rows + vectors`` values and does ``rows * vectors`` multiply-adds: the larger the
tile, the less memory limits it, until the registers run out (32 of AVX-512 and NEON, 16 of AVX2).
A compiler does not find this form from loops; written out, it reaches most of the processor's peak.


Addressing
----------
Every operand (`Rows`, `Columns`, `Target`) is a flat one-dimensional array, an element at which the tile
starts, and *steps*: how many elements further the next thing lies. The reduction is up to three nested
loops, so that one tile can sum over, say, channels, kernel rows and kernel columns::

    for k1 in range(counts[0]):
        for k2 in range(counts[1]):
            for k3 in range(counts[2]):
                at_a = a.start + k1 * a.steps[0] + k2 * a.steps[1] + k3 * a.steps[2]
                at_b = b.start + k1 * b.steps[0] + k2 * b.steps[1] + k3 * b.steps[2]
                for i in range(rows):
                    for j in range(vectors):
                        c[i, j] += a[at_a + i * a.row] * b[at_b + j * b.vector : ... + LANES]

The rest are particular cases of it.

- *Product of matrices.* ``counts = (K, 1, 1)``; ``a`` packed so that the scalars of one step are
  neighbours has ``a.row = 1`` and ``a.steps[0] = rows``; ``a`` as it lies in memory, row-major with
  ``K`` columns, has ``a.row = K`` and ``a.steps[0] = 1``. No operand has to be packed: steps are free.
- *Convolution.* ``b`` is the padded image, of width ``Wp``, and vectors run over its pixels:
  ``counts = (C, kH, kW)``, ``b.steps = (Hp * Wp, Wp, 1)``; ``a`` holds the weights. Nothing is unfolded.
- *Weight gradient.* Rows of the tile are the kernel's taps, which lie in the image ``kW`` at a time:
  row ``i`` reads ``a`` at ``(i // kW) * Wp + (i % kW)``. For this, ``a.row`` may be a tuple
  ``(group, outer, inner)``: row ``i`` lies at ``(i // group) * outer + (i % group) * inner``; or it may be
  a table of offsets, one for each row.

Steps and counts that the calling kernel writes as constants become constants of the machine code
(a compiled kernel contains the tile, there is no call): a constant step costs no register, and an
innermost count given as a literal is unrolled.

`multiply_tile_reference` says the same in executable form. It is also what runs, slowly, where the
compiler is switched off (``NUMBA_DISABLE_JIT=1``): each intrinsic has a twin of the same signature.


Edges
-----
``keep = (row_count, column_count)`` is the part of the tile that belongs to the output: only it is
read from ``c`` and written to it. So sizes need not divide by the tile. The reduction itself
always runs over the whole tile: ``a`` and ``b`` must be readable there, which packed operands are
when their last panel is padded, and what is read there does not matter (a NaN in an unkept row or
column stays in it).


The other intrinsics
--------------------
`transpose_block` and `copy_vector` bring operands into the order that the tile reads, a square of vectors or
one vector at a time. `dot_products` puts vectors along the reduction instead of along the columns: the
form of a product with a single vector, where nothing is used twice; `sums_of_rows` is the same in the order of
`multiply_tile`. `lanes` is how many elements a vector
holds, a constant of the machine code: half as many of float64 as of float32.
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.errors import TypingError

from .annotations import Array, Builder, Context, Pair, Signature, Triple, Type, Typed, Value, Values
from .compile import VECTOR_BYTES, intrinsic, or_twin

__all__ = [
    "ADD", "BIAS_OF_COLUMN", "BIAS_OF_ROW", "GROUPS", "REGISTERS", "VECTOR_BYTES", "ZERO", "Columns", "Place", "Rows",
    "Target", "copy_every_second", "copy_vector", "dot_products", "lanes", "multiply_tile", "sums_of_rows",
    "transpose_block",
]  # fmt: skip

# What the accumulators hold when the reduction begins: argument `begin` of the tile.
ZERO, ADD, BIAS_OF_ROW, BIAS_OF_COLUMN = 0, 1, 2, 3
GROUPS = 2  # vectors of rows that `sums_of_rows` sums side by side


# How many vector registers there are; a tile needs rows * vectors + vectors + 1 of them at most.
REGISTERS = 32 if VECTOR_BYTES == 64 or platform.machine() in ("aarch64", "arm64") else 16


# --- The operands of a tile -----------------------------------------------------------------------
# All arrays are one-dimensional and C-contiguous, of one type, float32 or float64. `start` is the element at which the
# tile begins; `steps` are the elements from one turn of each reduction loop to the next.


class Rows(NamedTuple):
    """The operand of which each row reads a scalar.

    `row` is how far rows lie apart: a number; a tuple (group, outer, inner), which puts row i at
    ``(i // group) * outer + (i % group) * inner``; or an int64 array of their places.
    """

    array: Array
    start: int
    steps: Triple
    row: int | Triple | Array


class Columns(NamedTuple):
    """The operand of which each step reads vectors, `vector` elements apart (``lanes`` where columns are neighbours).

    The last of `steps` may be a 1-D int64 array: turn k of the innermost loop then reads at its k-th element.
    """

    array: Array
    start: int
    steps: tuple[int, int, int | Array]
    vector: int


class Target(NamedTuple):
    """Where the tile is written, and read from with `ADD`."""

    array: Array
    start: int
    row: int
    vector: int


class Place(NamedTuple):
    """Where something begins in an array: the bias of the tile's first row or column."""

    array: Array
    start: int


# --- The twins: what each intrinsic means, in Python ----------------------------------------------


def lanes_reference(array: Array) -> int:
    """Return how many elements of ``array`` one vector register holds."""
    return VECTOR_BYTES // array.itemsize


def offsets_of(count: int, steps: int | Triple | Array) -> Sequence[int] | Array:
    """Return how far the first `count` things lie from the first: by one step, by a tuple or by a table."""
    if isinstance(steps, np.ndarray):
        return steps
    group, outer, inner = steps if isinstance(steps, tuple) else (max(1, count), 0, steps)
    return [(i // group) * outer + (i % group) * inner for i in range(count)]


def multiply_tile_reference(
    rows: int, vectors: int, counts: Triple, a: Rows, b: Columns, c: Target, keep: Pair, begin: int, bias: Place,
    relu: bool,
) -> None:  # fmt: skip
    """Compute ``c[i, j] = begin + sum_k a[i, k] * b[k, j]`` for one tile; see the module.

    Parameters
    ----------
    rows, vectors : literal int
        Shape of the tile: ``rows`` by ``vectors * lanes(c.array)`` elements.
    counts : tuple of 3 int
        Lengths of the three reduction loops, outermost first; a literal last one is unrolled.
    a, b, c : Rows, Columns, Target
    keep : tuple (row_count, column_count)
        Part of the tile that is read from ``c`` and written to it; may exceed the tile.
    begin : int
        ``ZERO``: overwrite c. ``ADD``: add to c. ``BIAS_OF_ROW``, ``BIAS_OF_COLUMN``: overwrite it
        with the bias of the row or the column plus the product.
    bias : Place
        Read only where `begin` says so; any array will do where there is none.
    relu : bool
        Whether ``max(., 0)`` is applied before the tile is stored; NaN stays NaN.
    """
    target = c.array
    width = lanes_reference(target)
    row_at = offsets_of(rows, a.row)
    b_at = offsets_of(counts[2], b.steps[2])
    for i in range(min(rows, keep[0])):
        for column in range(min(vectors * width, keep[1])):
            j, lane = divmod(column, width)
            at_c = c.start + i * c.row + j * c.vector + lane
            total = target.dtype.type(0)
            if begin == ADD:
                total = target[at_c]
            elif begin == BIAS_OF_ROW:
                total = bias.array[bias.start + i]
            elif begin == BIAS_OF_COLUMN:
                total = bias.array[bias.start + column]
            for k1 in range(counts[0]):
                for k2 in range(counts[1]):
                    for k3 in range(counts[2]):
                        at_a = a.start + k1 * a.steps[0] + k2 * a.steps[1] + k3 * a.steps[2]
                        at_b = b.start + k1 * b.steps[0] + k2 * b.steps[1] + b_at[k3]
                        total += a.array[at_a + row_at[i]] * b.array[at_b + j * b.vector + lane]
            target[at_c] = 0 if relu and total < 0 else total


def transpose_block_reference(
    source: Array, source_start: int, source_row: int, target: Array, target_start: int, target_row: int, keep: Pair,
    fill: int,
) -> None:  # fmt: skip
    """Write ``target[j, i] = source[i, j]`` for one block of ``lanes x lanes`` elements.

    Parameters
    ----------
    source, target : 1-D array of float32 or float64
        Arrays of one type, C-contiguous.
    source_start, target_start : int
        Element at which the block starts.
    source_row, target_row : int
        Elements from one row of the block to the next.
    keep : tuple (row_count, column_count)
        Part of the source's block that exists; nothing outside it is read. May exceed the block.
    fill : int
        Least number of elements written to each of the target's ``column_count`` rows: where it
        exceeds ``row_count`` the rest is zero. 0 writes what is kept and nothing else.
    """
    width = lanes_reference(source)
    row_count, column_count = min(keep[0], width), min(keep[1], width)
    for j in range(column_count):
        for i in range(min(max(row_count, fill), width)):
            value = source[source_start + i * source_row + j] if i < row_count else 0
            target[target_start + j * target_row + i] = value


def copy_vector_reference(source: Array, source_start: int, target: Array, target_start: int, count: int) -> None:
    """Copy one vector, of which ``count`` elements are read and the rest is written as zero."""
    width = lanes_reference(source)
    for lane in range(width):
        target[target_start + lane] = source[source_start + lane] if lane < count else 0


def copy_every_second_reference(source: Array, source_start: int, target: Array, target_start: int) -> None:
    """Fill one vector of the target with elements 0, 2, 4, ... of the source."""
    width = lanes_reference(source)
    for lane in range(width):
        target[target_start + lane] = source[source_start + 2 * lane]


def dot_products_reference(
    rows: int, a: Array, a_start: int, a_row: int, b: Array, b_start: int, count: int, c: Array,
    c_start: int, c_row: int,
) -> None:  # fmt: skip
    """Write the products of ``rows`` rows of ``a`` with one vector ``b``, along ``count`` elements.

    ``c[c_start + i * c_row] = sum_k a[a_start + i * a_row + k] * b[b_start + k]``, with vectors along ``k``:
    for a matrix that is read once, where packing it would cost more than the product. Several rows at a time
    share ``b`` and keep several streams of memory busy. ``rows`` is a literal int; the order of the sum does
    not depend on it.
    """
    for i in range(rows):
        total = c.dtype.type(0)
        for k in range(count):
            total += a[a_start + i * a_row + k] * b[b_start + k]
        c[c_start + i * c_row] = total


def sums_of_rows_reference(
    rows: int, a: Array, a_start: int, a_row: int, row_count: int, b: Array, b_start: int, b_row: int, count: int,
    c: Array, c_start: int, c_row: int, begin: int, bias: Array, bias_start: int, relu: bool,
) -> None:  # fmt: skip
    """Write the products of some rows of ``a`` with `rows` rows of ``b``, summed as `multiply_tile` does.

    ``c[c_start + r * c_row + i] = begin + sum_k a[a_start + i * a_row + k] * b[b_start + r * b_row + k]`` for
    ``i < row_count`` and ``r < rows``, one multiply-add after the other: squares of ``a`` are transposed in registers.
    Of ``a`` it takes `GROUPS` vectors of rows at most; `rows` is a literal int, `begin` is ``ZERO`` or ``BIAS_OF_ROW``.
    """
    for r in range(rows):
        for i in range(min(row_count, GROUPS * lanes_reference(c))):
            total = bias[bias_start + i] if begin == BIAS_OF_ROW else c.dtype.type(0)
            for k in range(count):
                total += a[a_start + i * a_row + k] * b[b_start + r * b_row + k]
            c[c_start + r * c_row + i] = 0 if relu and total < 0 else total


# --- The intrinsics: the same as vector instructions ------------------------------------------------


INT32, INT64 = ir.IntType(32), ir.IntType(64)


def whole(value: int) -> Value:
    """Return an integer constant."""
    return ir.Constant(INT64, value)


class VectorBuilder:
    """The vector instructions of one element type, for the array type that an intrinsic is given."""

    def __init__(self, context: Context, builder: Builder, array_type: Type) -> None:
        self.context = context
        self.builder = builder
        self.itemsize = array_type.dtype.bitwidth // 8
        self.lanes = VECTOR_BYTES // self.itemsize
        self.scalar = context.get_value_type(array_type.dtype)
        self.vector = ir.VectorType(self.scalar, self.lanes)
        self.mask = ir.VectorType(ir.IntType(1), self.lanes)
        self.zero = ir.Constant(self.vector, [0.0] * self.lanes)

    def call(self, name: str, result: ir.Type, *arguments: Value) -> Value:
        """Call an LLVM intrinsic, of which ``{}`` in the name is the vector type."""
        name = name.format(f"v{self.lanes}f{8 * self.itemsize}")
        function_type = ir.FunctionType(result, [argument.type for argument in arguments])
        function = cgutils.get_or_insert_function(self.builder.module, function_type, name)
        return self.builder.call(function, arguments)

    def address(self, base: Value, *offsets: Value) -> Value:
        """Return the address of the element ``sum(offsets)`` after ``base``."""
        for offset in offsets:
            base = self.builder.gep(base, [offset], source_etype=self.scalar)
        return base

    def load(self, address: Value) -> Value:
        return self.builder.load(address, typ=self.vector, align=self.itemsize)

    def store(self, value: Value, address: Value) -> None:
        # llvmlite still checks the type of typed pointers, which LLVM itself no longer has.
        address = self.builder.bitcast(address, ir.PointerType(self.vector))
        self.builder.store(value, address, align=self.itemsize)

    def load_masked(self, address: Value, mask: Value) -> Value:
        align = ir.Constant(INT32, self.itemsize)
        return self.call("llvm.masked.load.{}.p0", self.vector, address, align, mask, self.zero)

    def store_masked(self, value: Value, address: Value, mask: Value) -> None:
        align = ir.Constant(INT32, self.itemsize)
        self.call("llvm.masked.store.{}.p0", ir.VoidType(), value, address, align, mask)

    def broadcast(self, value: Value) -> Value:
        """Return a vector of which each lane is the scalar ``value``."""
        vector = ir.VectorType(value.type, self.lanes)
        single = self.builder.insert_element(ir.Constant(vector, ir.Undefined), value, ir.Constant(INT32, 0))
        return self.shuffle(single, single, [0] * self.lanes)

    def broadcast_from(self, address: Value) -> Value:
        return self.broadcast(self.builder.load(address, typ=self.scalar, align=self.itemsize))

    def shuffle(self, first: Value, second: Value, order: Sequence[int]) -> Value:
        """Pick lanes: 0 .. lanes-1 are those of ``first``, lanes .. 2*lanes-1 those of ``second``."""
        order = ir.Constant(ir.VectorType(INT32, self.lanes), order)
        return self.builder.shuffle_vector(first, second, order)

    def multiply_add(self, x: Value, y: Value, total: Value) -> Value:
        return self.call("llvm.fmuladd.{}", self.vector, x, y, total)

    def lanes_below(self, count: Value) -> Value:
        """Return the mask of the lanes whose number is less than ``count``, an int64 of any size."""
        smallest, largest = whole(0), whole(self.lanes)
        count = self.builder.select(self.builder.icmp_signed("<", count, smallest), smallest, count)
        count = self.builder.select(self.builder.icmp_signed(">", count, largest), largest, count)
        numbers = ir.Constant(ir.VectorType(INT32, self.lanes), list(range(self.lanes)))
        return self.builder.icmp_unsigned("<", numbers, self.broadcast(self.builder.trunc(count, INT32)))


def array_pointer(context: Context, builder: Builder, array_type: Type, value: Value) -> Value:
    """Return the address of an array's first element."""
    return context.make_array(array_type)(context, builder, value).data


def int64_of(context: Context, builder: Builder, number_type: Type, value: Value) -> Value:
    """Return an integer argument, literal or not, as an int64."""
    return context.cast(builder, value, number_type, types.int64)


def int64s_at(
    context: Context, builder: Builder, signature: Signature, arguments: Values, *positions: int
) -> list[Value]:
    """Return some of an intrinsic's integer arguments as int64s."""
    return [int64_of(context, builder, signature.args[at], arguments[at]) for at in positions]


def int64s_of(context: Context, builder: Builder, tuple_type: Type, value: Value) -> list[Value]:
    """Return the members of a tuple of integers as int64s."""
    members = cgutils.unpack_tuple(builder, value)
    return [int64_of(context, builder, member_type, member)
            for member_type, member in zip(tuple_type, members, strict=True)]  # fmt: skip


def check_arrays(operation: str, *array_types: Type) -> None:
    """Refuse anything but flat arrays of one type of float."""
    for array_type in array_types:
        if not isinstance(array_type, types.Array) or array_type.ndim != 1:
            raise TypingError(f"{operation}(): operands must be one-dimensional arrays (got {array_type})")
        if array_type.dtype not in (types.float32, types.float64) or array_type.dtype != array_types[0].dtype:
            dtypes = ", ".join(str(each.dtype) for each in array_types)
            raise TypingError(f"{operation}(): operands must all be float32 or all float64 (got {dtypes})")


@intrinsic()
def lanes_intrinsic(typing_context: Any, array: Type) -> Typed:
    def generate(context: Context, builder: Builder, signature: Signature, arguments: Values) -> Value:
        return whole(VECTOR_BYTES // (array.dtype.bitwidth // 8))

    return types.int64(array), generate


@intrinsic(prefer_literal=True)
def multiply_tile_intrinsic(
    typing_context: Any, rows: Type, vectors: Type, counts: Type, a: Type, b: Type, c: Type, keep: Type, begin: Type,
    bias: Type, relu: Type,
) -> Typed:  # fmt: skip
    if not isinstance(rows, types.IntegerLiteral) or not isinstance(vectors, types.IntegerLiteral):
        raise TypingError(f"multiply_tile(): the shape must be literal (rows={rows}, vectors={vectors})")
    check_arrays("multiply_tile", *(operand.types[0] for operand in (c, a, b, bias)))
    return types.void(rows, vectors, counts, a, b, c, keep, begin, bias, relu), generate_multiply_tile


def step_functions(
    context: Context, builder: Builder, steps_type: Type, steps: Value
) -> list[Callable[[Value], Value]]:
    """Return, for each reduction loop, the function from its turn to an offset: by a step or by a table."""

    def by_step(member_type: Type, member: Value) -> Callable[[Value], Value]:
        step = int64_of(context, builder, member_type, member)
        return lambda k: builder.mul(k, step)

    def by_table(member_type: Type, member: Value) -> Callable[[Value], Value]:
        table = array_pointer(context, builder, member_type, member)
        return lambda k: builder.load(builder.gep(table, [k], source_etype=INT64), typ=INT64)

    return [
        (by_table if isinstance(member_type, types.Array) else by_step)(member_type, member)
        for member_type, member in zip(steps_type, cgutils.unpack_tuple(builder, steps))
    ]


def row_offsets(context: Context, builder: Builder, rows: int, a_row_type: Type, a_row: Value) -> list[Value]:
    """Return how far the tile's rows lie from its start, in each of the three forms of ``a_row``."""
    if isinstance(a_row_type, types.Array):
        table = array_pointer(context, builder, a_row_type, a_row)
        entries = [builder.gep(table, [whole(i)], source_etype=INT64) for i in range(rows)]
        return [builder.load(entry, typ=INT64) for entry in entries]
    if not isinstance(a_row_type, types.BaseTuple):
        step = int64_of(context, builder, a_row_type, a_row)
        return [builder.mul(whole(i), step) for i in range(rows)]
    group, outer, inner = int64s_of(context, builder, a_row_type, a_row)
    return [
        builder.add(
            builder.mul(builder.udiv(whole(i), group), outer),
            builder.mul(builder.urem(whole(i), group), inner),
        )
        for i in range(rows)
    ]


def generate_multiply_tile(context: Context, builder: Builder, signature: Signature, arguments: Values) -> Value:
    """Emit the tile: accumulators, three loops around one body, the masked or unmasked end."""
    rows_type, vectors_type, counts_type, *operand_types, keep_type, begin_type, bias_type, relu_type = signature.args
    _, _, counts, *operands, keep, begin, bias, relu = arguments
    # Each member of an operand is a pair of type and value.
    (a, a_start, a_steps, a_row), (b, b_start, b_steps, b_vector), (c, c_start, c_row, c_vector), (bias, bias_start) = (
        tuple(zip(operand_type.types, cgutils.unpack_tuple(builder, operand), strict=True))
        for operand_type, operand in zip((*operand_types, bias_type), (*operands, bias), strict=True)
    )
    rows, vectors = rows_type.literal_value, vectors_type.literal_value
    tile = [(i, j) for i in range(rows) for j in range(vectors)]
    v = VectorBuilder(context, builder, c[0])

    counts = int64s_of(context, builder, counts_type, counts)
    a_step = int64s_of(context, builder, *a_steps)
    b_step = step_functions(context, builder, *b_steps)
    row_count, column_count = int64s_of(context, builder, keep_type, keep)
    b_vector, c_row, c_vector = (int64_of(context, builder, *each) for each in (b_vector, c_row, c_vector))
    begin = int64_of(context, builder, begin_type, begin)
    relu = context.cast(builder, relu, relu_type, types.boolean)

    a_offsets = row_offsets(context, builder, rows, *a_row)
    b_offsets = [builder.mul(whole(j), b_vector) for j in range(vectors)]
    a_tile, b_tile, c_tile, bias_tile = (
        v.address(array_pointer(context, builder, *array), int64_of(context, builder, *start))
        for array, start in ((a, a_start), (b, b_start), (c, c_start), (bias, bias_start))
    )
    c_addresses = {
        (i, j): v.address(c_tile, builder.add(builder.mul(whole(i), c_row), builder.mul(whole(j), c_vector)))
        for i, j in tile
    }
    # A stack slot for each accumulator; the optimizer turns all of them into registers.
    accumulators = {at: cgutils.alloca_once(builder, v.vector) for at in tile}

    is_whole = builder.and_(
        builder.icmp_signed(">=", row_count, whole(rows)),
        builder.icmp_signed(">=", column_count, whole(vectors * v.lanes)),
    )

    def masks() -> Iterator[tuple[int, int, Value]]:
        """Yield (row, vector, mask of the lanes that are kept)."""
        columns = [v.lanes_below(builder.sub(column_count, whole(j * v.lanes))) for j in range(vectors)]
        nothing = ir.Constant(v.mask, [0] * v.lanes)
        for i in range(rows):
            is_kept = builder.icmp_signed("<", whole(i), row_count)
            for j in range(vectors):
                yield i, j, builder.select(is_kept, columns[j], nothing)

    def begin_with_c() -> None:
        with builder.if_else(is_whole) as (then, otherwise):
            with then:
                for at in tile:
                    builder.store(v.load(c_addresses[at]), accumulators[at])
            with otherwise:
                for i, j, mask in masks():
                    builder.store(v.load_masked(c_addresses[i, j], mask), accumulators[i, j])

    def begin_with_bias_of_row() -> None:
        for i in range(rows):
            is_kept = builder.icmp_signed("<", whole(i), row_count)
            address = v.address(bias_tile, builder.select(is_kept, whole(i), whole(0)))
            value = v.broadcast_from(address)
            for j in range(vectors):
                builder.store(value, accumulators[i, j])

    def begin_with_bias_of_column() -> None:
        for j in range(vectors):
            mask = v.lanes_below(builder.sub(column_count, whole(j * v.lanes)))
            value = v.load_masked(v.address(bias_tile, whole(j * v.lanes)), mask)
            for i in range(rows):
                builder.store(value, accumulators[i, j])

    for at in tile:
        builder.store(v.zero, accumulators[at])
    beginnings = {
        ADD: begin_with_c,
        BIAS_OF_ROW: begin_with_bias_of_row,
        BIAS_OF_COLUMN: begin_with_bias_of_column,
    }
    if isinstance(begin_type, types.IntegerLiteral):
        beginnings.get(begin_type.literal_value, lambda: None)()
    else:
        for code, emit in beginnings.items():
            with builder.if_then(builder.icmp_signed("==", begin, whole(code))):
                emit()

    def body(a_now: Value, b_now: Value) -> None:
        b_values = [v.load(v.address(b_now, offset)) for offset in b_offsets]
        for i in range(rows):
            a_value = v.broadcast_from(v.address(a_now, a_offsets[i]))
            for j in range(vectors):
                total = v.multiply_add(a_value, b_values[j], builder.load(accumulators[i, j]))
                builder.store(total, accumulators[i, j])

    def reduce_from(depth: int, a_now: Value, b_now: Value) -> None:
        """Emit the loops from number ``depth`` inwards."""
        if depth == 3:
            body(a_now, b_now)
        elif depth == 2 and isinstance(counts_type[2], types.IntegerLiteral):
            for k in range(counts_type[2].literal_value):
                reduce_at(2, whole(k), a_now, b_now)
        elif isinstance(counts_type[depth], types.IntegerLiteral) and counts_type[depth].literal_value == 1:
            reduce_from(depth + 1, a_now, b_now)
        else:
            with cgutils.for_range(builder, counts[depth]) as loop:
                reduce_at(depth, loop.index, a_now, b_now)

    def reduce_at(depth: int, k: Value, a_now: Value, b_now: Value) -> None:
        a_next = v.address(a_now, builder.mul(k, a_step[depth]))
        b_next = v.address(b_now, b_step[depth](k))
        reduce_from(depth + 1, a_next, b_next)

    reduce_from(0, a_tile, b_tile)

    # ReLU as max(., floor): without it the floor is -inf. The comparison is false for NaN, which stays.
    infinity = ir.Constant(v.scalar, float("-inf"))
    floor = v.broadcast(builder.select(relu, ir.Constant(v.scalar, 0.0), infinity))

    def result(at: Pair) -> Value:
        value = builder.load(accumulators[at])
        return builder.select(builder.fcmp_ordered("<", value, floor), floor, value)

    with builder.if_else(is_whole) as (then, otherwise):
        with then:
            for at in tile:
                v.store(result(at), c_addresses[at])
        with otherwise:
            for i, j, mask in masks():
                v.store_masked(result((i, j)), c_addresses[i, j], mask)
    return context.get_dummy_value()


@intrinsic(prefer_literal=True)
def transpose_block_intrinsic(
    typing_context: Any, source: Type, source_start: Type, source_row: Type, target: Type, target_start: Type,
    target_row: Type, keep: Type, fill: Type,
) -> Typed:  # fmt: skip
    check_arrays("transpose_block", source, target)
    signature = types.void(source, source_start, source_row, target, target_start, target_row, keep, fill)
    return signature, generate_transpose_block


def generate_transpose_block(context: Context, builder: Builder, signature: Signature, arguments: Values) -> Value:
    """Emit a block's transposition: load its rows, exchange halves, quarters, ..., lanes; store."""
    source_type, _, _, target_type, _, _, keep_type, _ = signature.args
    source, source_start, source_row, target, target_start, target_row, keep, fill = arguments
    v = VectorBuilder(context, builder, source_type)
    row_count, column_count = int64s_of(context, builder, keep_type, keep)
    source_start, source_row, target_start, target_row, fill = int64s_at(
        context, builder, signature, arguments, 1, 2, 4, 5, 7
    )
    source = v.address(array_pointer(context, builder, source_type, source), source_start)
    target = v.address(array_pointer(context, builder, target_type, target), target_start)
    sources = [v.address(source, builder.mul(whole(i), source_row)) for i in range(v.lanes)]
    targets = [v.address(target, builder.mul(whole(j), target_row)) for j in range(v.lanes)]

    is_whole = builder.and_(
        builder.icmp_signed(">=", row_count, whole(v.lanes)),
        builder.icmp_signed(">=", column_count, whole(v.lanes)),
    )
    with builder.if_else(is_whole) as (then, otherwise):
        with then:
            columns = transposed(v, [v.load(address) for address in sources])
            for value, address in zip(columns, targets, strict=True):
                v.store(value, address)
        with otherwise:
            nothing = ir.Constant(v.mask, [0] * v.lanes)
            columns = v.lanes_below(column_count)
            is_filled = builder.icmp_signed(">", fill, row_count)
            written = v.lanes_below(builder.select(is_filled, fill, row_count))
            values = []
            for i, address in enumerate(sources):
                mask = builder.select(builder.icmp_signed("<", whole(i), row_count), columns, nothing)
                values.append(v.load_masked(address, mask))
            for j, (value, address) in enumerate(zip(transposed(v, values), targets, strict=True)):
                mask = builder.select(builder.icmp_signed("<", whole(j), column_count), written, nothing)
                v.store_masked(value, address, mask)
    return context.get_dummy_value()


def transposed(v: VectorBuilder, rows: list[Value]) -> list[Value]:
    """Return the columns of a square of vectors, by log2(lanes) rounds, each an instruction for each vector.

    The first rounds transpose the squares within parts of 128 bits, by instructions that interleave two vectors. A
    round of width ``w`` then swaps, in each square of ``2w x 2w``, the upper right ``w x w`` with the lower left one.
    """
    lanes, part = range(v.lanes), 16 // v.itemsize
    rows = list(rows)

    def interleaved(a: Value, b: Value, run: int) -> list[Value]:
        """Take runs of elements from two vectors in turn: of the lower half of each part, and of the upper one."""
        places = [k // part * part + k % part // (2 * run) * run + k % run for k in lanes]
        from_b = [v.lanes if k // run % 2 else 0 for k in lanes]
        halves = [[i + half + other for i, other in zip(places, from_b, strict=True)] for half in (0, part // 2)]
        return [v.shuffle(a, b, mask) for mask in halves]

    for i in range(0, v.lanes, part):
        if part == 2:
            rows[i : i + 2] = interleaved(rows[i], rows[i + 1], 1)
        else:
            upper, lower = (interleaved(rows[j], rows[j + 1], 1) for j in (i, i + 2))
            rows[i : i + 4] = [*interleaved(upper[0], lower[0], 2), *interleaved(upper[1], lower[1], 2)]
    width = part
    while width < v.lanes:
        for i in lanes:
            if not i & width:
                a, b = rows[i], rows[i + width]
                rows[i] = v.shuffle(a, b, [k - width + v.lanes if k & width else k for k in lanes])
                rows[i + width] = v.shuffle(a, b, [k + v.lanes if k & width else k + width for k in lanes])
        width *= 2
    return rows


@intrinsic(prefer_literal=True)
def copy_vector_intrinsic(
    typing_context: Any, source: Type, source_start: Type, target: Type, target_start: Type, count: Type
) -> Typed:
    check_arrays("copy_vector", source, target)

    def generate(context: Context, builder: Builder, signature: Signature, arguments: Values) -> Value:
        v = VectorBuilder(context, builder, source)
        source_start, target_start, count = int64s_at(context, builder, signature, arguments, 1, 3, 4)
        source_vector = v.address(array_pointer(context, builder, source, arguments[0]), source_start)
        target_vector = v.address(array_pointer(context, builder, target, arguments[2]), target_start)
        v.store(v.load_masked(source_vector, v.lanes_below(count)), target_vector)
        return context.get_dummy_value()

    return types.void(source, source_start, target, target_start, count), generate


@intrinsic()
def copy_every_second_intrinsic(
    typing_context: Any, source: Type, source_start: Type, target: Type, target_start: Type
) -> Typed:
    check_arrays("copy_every_second", source, target)

    def generate(context: Context, builder: Builder, signature: Signature, arguments: Values) -> Value:
        v = VectorBuilder(context, builder, source)
        source_start, target_start = int64s_at(context, builder, signature, arguments, 1, 3)
        first = v.address(array_pointer(context, builder, source, arguments[0]), source_start)
        target_vector = v.address(array_pointer(context, builder, target, arguments[2]), target_start)
        second = v.load_masked(v.address(first, whole(v.lanes)), v.lanes_below(whole(v.lanes - 1)))
        v.store(v.shuffle(v.load(first), second, list(range(0, 2 * v.lanes, 2))), target_vector)
        return context.get_dummy_value()

    return types.void(source, source_start, target, target_start), generate


LINE_BYTES = 64  # of a line of the cache
SUMS_PER_ROW = 2  # vectors of a dot product that are summed apart, to hide the latency of a multiply-add


@intrinsic(prefer_literal=True)
def dot_products_intrinsic(
    typing_context: Any, rows: Type, a: Type, a_start: Type, a_row: Type, b: Type, b_start: Type, count: Type, c: Type,
    c_start: Type, c_row: Type,
) -> Typed:  # fmt: skip
    if not isinstance(rows, types.IntegerLiteral):
        raise TypingError(f"dot_products(): the number of rows must be literal (rows={rows})")
    check_arrays("dot_products", c, a, b)
    signature = types.void(rows, a, a_start, a_row, b, b_start, count, c, c_start, c_row)
    return signature, generate_dot_products


def generate_dot_products(context: Context, builder: Builder, signature: Signature, arguments: Values) -> Value:
    """Emit dot products: ``SUMS_PER_ROW`` vectors at a time, the masked rest, at last across the lanes."""
    rows, a_type, b_type, c_type = (signature.args[at] for at in (0, 1, 4, 7))
    v = VectorBuilder(context, builder, c_type)
    a_start, a_row, b_start, count, c_start, c_row = int64s_at(
        context, builder, signature, arguments, 2, 3, 5, 6, 8, 9
    )
    a = v.address(array_pointer(context, builder, a_type, arguments[1]), a_start)
    b = v.address(array_pointer(context, builder, b_type, arguments[4]), b_start)
    c = v.address(array_pointer(context, builder, c_type, arguments[7]), c_start)
    a_rows = [v.address(a, builder.mul(whole(i), a_row)) for i in range(rows.literal_value)]
    sums = [[cgutils.alloca_once(builder, v.vector) for _ in range(SUMS_PER_ROW)] for _ in a_rows]
    for row_sums in sums:
        for each in row_sums:
            builder.store(v.zero, each)

    def add_vectors(k: Value, load: Callable[[Value], Value], part: int) -> None:
        b_vector = load(v.address(b, k))
        for row, row_sums in zip(a_rows, sums, strict=True):
            total = v.multiply_add(load(v.address(row, k)), b_vector, builder.load(row_sums[part]))
            builder.store(total, row_sums[part])

    stride = whole(SUMS_PER_ROW * v.lanes)
    strides = builder.sdiv(count, stride)
    with cgutils.for_range(builder, strides) as loop:
        first = builder.mul(loop.index, stride)
        for part in range(SUMS_PER_ROW):
            add_vectors(builder.add(first, whole(part * v.lanes)), v.load, part)
    for part in range(SUMS_PER_ROW):
        k = builder.add(builder.mul(strides, stride), whole(part * v.lanes))
        mask = v.lanes_below(builder.sub(count, k))
        add_vectors(k, partial(v.load_masked, mask=mask), part)

    for i, row_sums in enumerate(sums):
        totals = [builder.load(each) for each in row_sums]
        while len(totals) > 1:
            totals = [builder.fadd(x, y) for x, y in zip(totals[::2], totals[1::2], strict=True)]
        total, width = totals[0], v.lanes // 2
        while width:
            others = v.shuffle(total, total, [(k + width) % v.lanes for k in range(v.lanes)])
            total = builder.fadd(total, others)
            width //= 2
        value = builder.extract_element(total, ir.Constant(INT32, 0))
        builder.store(value, v.address(c, builder.mul(whole(i), c_row)), align=v.itemsize)
    return context.get_dummy_value()


@intrinsic(prefer_literal=True)
def sums_of_rows_intrinsic(
    typing_context: Any, rows: Type, a: Type, a_start: Type, a_row: Type, row_count: Type, b: Type, b_start: Type,
    b_row: Type, count: Type, c: Type, c_start: Type, c_row: Type, begin: Type, bias: Type, bias_start: Type,
    relu: Type,
) -> Typed:  # fmt: skip
    if not isinstance(rows, types.IntegerLiteral):
        raise TypingError(f"sums_of_rows(): the number of rows must be literal (rows={rows})")
    check_arrays("sums_of_rows", c, a, b, bias)
    signature = types.void(
        rows, a, a_start, a_row, row_count, b, b_start, b_row, count, c, c_start, c_row, begin, bias, bias_start, relu
    )
    return signature, generate_sums_of_rows


def generate_sums_of_rows(context: Context, builder: Builder, signature: Signature, arguments: Values) -> Value:
    """Emit the sums of some vectors of rows of `a`: a line of the cache of each row at a time, then the masked rest.

    A sum is a chain of multiply-adds, each of which waits for the one before. The chains of several vectors of rows
    are independent: while one waits, the processor runs ahead into the next.
    """
    a_type, b_type, c_type, bias_type = (signature.args[at] for at in (1, 5, 9, 13))
    rows = range(signature.args[0].literal_value)
    v = VectorBuilder(context, builder, c_type)
    a_start, a_row, row_count, b_start, b_row, count, c_start, c_row, begin, bias_start = int64s_at(
        context, builder, signature, arguments, 2, 3, 4, 6, 7, 8, 10, 11, 12, 14
    )
    relu = context.cast(builder, arguments[15], signature.args[15], types.boolean)
    a, b, c, bias = (
        v.address(array_pointer(context, builder, kind, arguments[at]), start)
        for kind, at, start in ((a_type, 1, a_start), (b_type, 5, b_start), (c_type, 9, c_start),
                                (bias_type, 13, bias_start))
    )  # fmt: skip
    b_rows = [v.address(b, builder.mul(whole(r), b_row)) for r in rows]
    width = whole(v.lanes)
    row_count = builder.select(builder.icmp_signed(">", row_count, whole(GROUPS * v.lanes)),
                               whole(GROUPS * v.lanes), row_count)  # fmt: skip
    groups = builder.sdiv(builder.add(row_count, whole(v.lanes - 1)), width)

    # Rows that do not exist are read as the last one that does: what is summed there is not kept.
    offsets = cgutils.alloca_once(builder, ir.ArrayType(INT64, GROUPS * v.lanes))
    last = builder.sub(row_count, whole(1))
    with cgutils.for_range(builder, builder.mul(groups, width)) as loop:
        row = builder.select(builder.icmp_signed("<", loop.index, last), loop.index, last)
        builder.store(builder.mul(row, a_row), cgutils.gep_inbounds(builder, offsets, 0, loop.index))
    sums = [cgutils.alloca_once(builder, ir.ArrayType(v.vector, GROUPS)) for _ in rows]

    def kept(group: Value) -> Value:
        return v.lanes_below(builder.sub(row_count, builder.mul(group, width)))

    def add_squares(k: Value, count: int, mask: Value | None, left: Value) -> None:
        """Add `count` squares of each vector of rows; with a mask the first `left` columns of one."""
        factors = [v.load_masked(v.address(row, k), mask) for row in b_rows] if mask is not None else []
        with cgutils.for_range(builder, groups) as loop:
            places = [cgutils.gep_inbounds(builder, each, 0, loop.index) for each in sums]
            totals = [builder.load(place) for place in places]
            first = builder.mul(loop.index, width)
            lines = []
            for i in range(v.lanes):
                place = cgutils.gep_inbounds(builder, offsets, 0, builder.add(first, whole(i)))
                lines.append(v.address(a, builder.load(place), k))
            for square in range(count):
                at = [v.address(line, whole(square * v.lanes)) for line in lines]
                loaded = [v.load(each) if mask is None else v.load_masked(each, mask) for each in at]
                for i, column in enumerate(transposed(v, loaded)):
                    for r in rows:
                        if mask is None:
                            factor = v.broadcast_from(v.address(b_rows[r], k, whole(square * v.lanes + i)))
                            totals[r] = v.multiply_add(column, factor, totals[r])
                        else:
                            factor = v.broadcast(builder.extract_element(factors[r], ir.Constant(INT32, i)))
                            more = v.multiply_add(column, factor, totals[r])
                            totals[r] = builder.select(builder.icmp_signed("<", whole(i), left), more, totals[r])
            for total, place in zip(totals, places, strict=True):
                builder.store(total, place)

    with cgutils.for_range(builder, groups) as loop:
        total = cgutils.alloca_once_value(builder, v.zero)
        builder.store(v.zero, total)
        with builder.if_then(builder.icmp_signed("==", begin, whole(BIAS_OF_ROW))):
            builder.store(v.load_masked(v.address(bias, builder.mul(loop.index, width)), kept(loop.index)), total)
        for each in sums:
            builder.store(builder.load(total), cgutils.gep_inbounds(builder, each, 0, loop.index))

    squares = max(1, LINE_BYTES // VECTOR_BYTES)
    lines = builder.sdiv(count, whole(squares * v.lanes))
    with cgutils.for_range(builder, lines) as loop:
        add_squares(builder.mul(loop.index, whole(squares * v.lanes)), squares, None, width)
    done = builder.mul(lines, whole(squares * v.lanes))
    rest = builder.sub(count, done)
    with cgutils.for_range(builder, builder.sdiv(builder.add(rest, whole(v.lanes - 1)), width)) as loop:
        k = builder.mul(loop.index, width)
        left = builder.sub(rest, k)
        add_squares(builder.add(done, k), 1, v.lanes_below(left), left)

    floor = v.broadcast(builder.select(relu, ir.Constant(v.scalar, 0.0), ir.Constant(v.scalar, float("-inf"))))
    with cgutils.for_range(builder, groups) as loop:
        for r in rows:
            total = builder.load(cgutils.gep_inbounds(builder, sums[r], 0, loop.index))
            target = v.address(c, builder.mul(whole(r), c_row), builder.mul(loop.index, width))
            result = builder.select(builder.fcmp_ordered("<", total, floor), floor, total)
            v.store_masked(result, target, kept(loop.index))
    return context.get_dummy_value()


# What kernels call: the intrinsics, or where the compiler is switched off their twins.
lanes = or_twin(lanes_intrinsic, lanes_reference)
multiply_tile = or_twin(multiply_tile_intrinsic, multiply_tile_reference)
transpose_block = or_twin(transpose_block_intrinsic, transpose_block_reference)
copy_vector = or_twin(copy_vector_intrinsic, copy_vector_reference)
copy_every_second = or_twin(copy_every_second_intrinsic, copy_every_second_reference)
dot_products = or_twin(dot_products_intrinsic, dot_products_reference)
sums_of_rows = or_twin(sums_of_rows_intrinsic, sums_of_rows_reference)
