"""The transforms of Winograd's convolution, on vectors of channels.

`winograd` explains the algorithm. Here are its three matrices, B^T (input), G (weight) and A^T (output), and the
two adjoints that the weight gradient needs, A and G^T. Each is written as a function of one line of numbers, and
only uses ``+``, ``-`` and multiplication by constants. So one text serves twice: applied to `Lanes` it emits vector
instructions, applied to NumPy arrays it is the reference that runs where the compiler is switched off.

A two-dimensional transform M X M^T applies the function to the columns of X, then to the rows of the result.

Data is laid out with channels innermost, one vector of channels at each place, so that a transform never mixes
lanes. NCHW arrays have pixels innermost: `scatter_pixels` and `gather_pixels` transpose blocks of
``lanes x lanes`` numbers on the way in and out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeVar

import numpy as np
from llvmlite import ir
from numba import types

from .annotations import Array, Builder, Context, Signature, Type, Typed, Value, Values
from .compile import intrinsic, or_twin
from .tile import (
    VectorBuilder,
    array_pointer,
    check_arrays,
    int64s_at,
    lanes_reference,
    transposed,
    whole,
)

__all__ = [
    "gather_pixels", "scatter_pixels", "transform_gradient", "transform_input", "transform_output",
    "transform_weight", "transform_weight_gradient",
]  # fmt: skip

Vector = TypeVar("Vector", Array, "Lanes")


# --- The matrices, applied to one line -----------------------------------------------------------------
# Interpolation points 0, 1, -1, 2, -2 and infinity, scaled as by Lavin and Gray. The values at p and -p
# share their even and odd parts.


def input_line(d0: Vector, d1: Vector, d2: Vector, d3: Vector, d4: Vector, d5: Vector) -> tuple[Vector, ...]:
    """Return B^T d for 6 inputs: 6 points.

    B^T = [4  0 -5  0 1 0]
          [0 -4 -4  1 1 0]
          [0  4 -4 -1 1 0]
          [0 -2 -1  2 1 0]
          [0  2 -1 -2 1 0]
          [0  4  0 -5 0 1]
    """
    even1, odd1 = d4 - d2 * 4, d3 - d1 * 4
    even2, odd2 = d4 - d2, (d3 - d1) * 2
    return d0 * 4 - d2 * 5 + d4, even1 + odd1, even1 - odd1, even2 + odd2, even2 - odd2, d1 * 4 - d3 * 5 + d5


def weight_line(w0: Vector, w1: Vector, w2: Vector) -> tuple[Vector, ...]:
    """Return G w for 3 weights: 6 points.

    G = [ 1/4    0     0 ]
        [-1/6  -1/6  -1/6]
        [-1/6   1/6  -1/6]
        [1/24   1/12  1/6]
        [1/24  -1/12  1/6]
        [ 0      0     1 ]
    """
    even1, odd1 = (w0 + w2) * (-1 / 6), w1 * (-1 / 6)
    even2, odd2 = w0 * (1 / 24) + w2 * (1 / 6), w1 * (1 / 12)
    return w0 * (1 / 4), even1 + odd1, even1 - odd1, even2 + odd2, even2 - odd2, w2


def output_line(m0: Vector, m1: Vector, m2: Vector, m3: Vector, m4: Vector, m5: Vector) -> tuple[Vector, ...]:
    """Return A^T m for 6 points: 4 outputs.

    A^T = [1 1  1 1  1 0]
          [0 1 -1 2 -2 0]
          [0 1  1 4  4 0]
          [0 1 -1 8 -8 1]
    """
    even1, odd1, even2, odd2 = m1 + m2, m1 - m2, m3 + m4, m3 - m4
    return m0 + even1 + even2, odd1 + odd2 * 2, even1 + even2 * 4, odd1 + odd2 * 8 + m5


def gradient_line(g0: Vector, g1: Vector, g2: Vector, g3: Vector) -> tuple[Vector, ...]:
    """Return A g for 4 gradients of outputs: 6 points."""
    even1, odd1 = g0 + g2, g1 + g3
    even2, odd2 = g0 + g2 * 4, g1 * 2 + g3 * 8
    return g0, even1 + odd1, even1 - odd1, even2 + odd2, even2 - odd2, g3


def weight_gradient_line(u0: Vector, u1: Vector, u2: Vector, u3: Vector, u4: Vector, u5: Vector) -> tuple[Vector, ...]:
    """Return G^T u for 6 points: gradients of 3 weights."""
    even1, odd1, even2, odd2 = u1 + u2, u1 - u2, u3 + u4, u3 - u4
    return (
        u0 * (1 / 4) - even1 * (1 / 6) + even2 * (1 / 24),
        odd2 * (1 / 12) - odd1 * (1 / 6),
        u5 - even1 * (1 / 6) + even2 * (1 / 6),
    )


def transform(line: Callable[..., tuple[Vector, ...]], grid: Iterable[Iterable[Vector]]) -> list[Sequence[Vector]]:
    """Return M X M^T, where ``line`` applies M and ``grid`` is X, a list of rows."""
    columns = [line(*column) for column in zip(*grid, strict=True)]
    return [line(*row) for row in zip(*columns, strict=True)]


# --- The twins: what each intrinsic means, in Python ---------------------------------------------------


def read_grid(size: int, source: Array, start: int, row: int, column: int) -> list[list[Array]]:
    width = lanes_reference(source)
    corners = [[start + i * row + j * column for j in range(size)] for i in range(size)]
    return [[source[at : at + width] for at in line] for line in corners]


def write_grid(grid: Iterable[Iterable[Array]], target: Array, start: int, row: int, column: int) -> None:
    for i, line in enumerate(grid):
        for j, value in enumerate(line):
            at = start + i * row + j * column
            target[at : at + len(value)] = value


def transform_input_reference(
    source: Array, start: int, row: int, column: int, target: Array, target_start: int, target_row: int,
    target_column: int,
) -> None:  # fmt: skip
    """Write B^T d B for the 6x6 vectors d of ``source`` to 6x6 vectors of ``target``.

    Parameters
    ----------
    source, target : 1-D array of float32 or float64
    start, target_start : int
        Element at which the grid starts.
    row, column, target_row, target_column : int
        Elements from one row or column of the grid to the next.
    """
    grid = transform(input_line, read_grid(6, source, start, row, column))
    write_grid(grid, target, target_start, target_row, target_column)


def transform_gradient_reference(
    source: Array, start: int, row: int, column: int, target: Array, target_start: int, target_row: int,
    target_column: int,
) -> None:  # fmt: skip
    """Write A g A^T for the 4x4 vectors g of ``source`` to 6x6 vectors of ``target``."""
    grid = transform(gradient_line, read_grid(4, source, start, row, column))
    write_grid(grid, target, target_start, target_row, target_column)


def transform_output_reference(
    source: Array, start: int, row: int, column: int, target: Array, target_start: int, target_row: int,
    target_column: int, bias: Array, bias_start: int, relu: bool,
) -> None:  # fmt: skip
    """Write A^T m A + bias for the 6x6 vectors m of ``source`` to 4x4 vectors of ``target``, ReLU if asked."""
    b = bias[bias_start : bias_start + lanes_reference(bias)]
    grid = transform(output_line, read_grid(6, source, start, row, column))
    grid = [[value + b for value in line] for line in grid]
    if relu:
        grid = [[np.where(value < 0, 0, value) for value in line] for line in grid]
    write_grid(grid, target, target_start, target_row, target_column)


def transform_weight_reference(
    w: Array, start: int, lane: int, lane_count: int, flip: bool, target: Array, target_start: int, point: int
) -> None:
    """Write G w G^T for one vector of 3x3 kernels.

    Parameters
    ----------
    w : 1-D array
        Kernels, each 9 neighbouring elements; that of lane i starts at ``start + i * lane``.
    lane_count : int
        Lanes that exist, not above 0 where the vector lies beyond them; the others repeat the last.
    flip : bool
        Whether the kernels are rotated by half a turn, as the input gradient needs it.
    target, target_start, point : 1-D array, int, int
        Point i of 36 goes to the vector at ``target_start + i * point``.
    """
    last = lane_count - 1
    kernels = [w[start + min(i, last) * lane :][:9] for i in range(lanes_reference(w))]
    taps = np.stack(kernels, axis=1).reshape(3, 3, -1)
    grid = transform(weight_line, taps[::-1, ::-1] if flip else taps)
    write_grid(grid, target, target_start, 6 * point, point)


def transform_weight_gradient_reference(
    source: Array, start: int, point: int, target: Array, target_start: int, lane_count: int
) -> None:
    """Write G^T u G for 36 vectors, ``point`` elements apart, as ``lane_count`` neighbouring 3x3 kernels."""
    grid = transform(weight_gradient_line, read_grid(6, source, start, 6 * point, point))
    kernels = np.stack([tap for row in grid for tap in row], axis=1)[:lane_count]
    target[target_start : target_start + kernels.size] = kernels.ravel()


def scatter_pixels_reference(
    source: Array, start: int, plane: int, plane_count: int, count: int, target: Array, target_start: int,
    places: Array, first: int,
) -> None:  # fmt: skip
    """Spread neighbouring pixels of ``lanes`` planes to places of vectors.

    Pixel j of the first ``count`` becomes the vector at ``target_start + places[first + j]``, lane i being
    ``source[start + i * plane + j]``. Pixels from ``count`` on are written as zero, so ``places`` must
    have ``lanes`` entries from ``first``. Lanes from ``plane_count`` (at least 1) on repeat the last plane.
    """
    width = lanes_reference(source)
    for j in range(width):
        at = target_start + places[first + j]
        for i in range(width):
            value = source[start + min(i, plane_count - 1) * plane + j] if j < count else 0
            target[at + i] = value


def gather_pixels_reference(
    source: Array, start: int, places: Array, first: int, count: int, target: Array, target_start: int, plane: int,
    plane_count: int,
) -> None:  # fmt: skip
    """Collect vectors of channels into neighbouring pixels of planes: the reverse of `scatter_pixels`.

    ``target[target_start + i * plane + j]`` becomes lane i of the vector at ``start + places[first + j]``,
    for i below ``plane_count`` and j below ``count``; nothing else is written.
    """
    width = lanes_reference(source)
    for j in range(min(count, width)):
        for i in range(min(plane_count, width)):
            target[target_start + i * plane + j] = source[start + places[first + j] + i]


# --- The intrinsics: the same as vector instructions ----------------------------------------------------


class Lanes:
    """A vector register with arithmetic: operators emit instructions."""

    FLAGS = ("contract",)  # products and sums may be fused

    def __init__(self, v: VectorBuilder, value: Value) -> None:
        self.v = v
        self.value = value

    def __add__(self, other: Lanes) -> Lanes:
        return Lanes(self.v, self.v.builder.fadd(self.value, other.value, flags=self.FLAGS))

    def __sub__(self, other: Lanes) -> Lanes:
        return Lanes(self.v, self.v.builder.fsub(self.value, other.value, flags=self.FLAGS))

    def __mul__(self, constant: float) -> Lanes:
        factor = ir.Constant(self.v.vector, [float(constant)] * self.v.lanes)
        return Lanes(self.v, self.v.builder.fmul(self.value, factor, flags=self.FLAGS))


def grid_addresses(v: VectorBuilder, size: int, base: Value, row: Value, column: Value) -> list[list[Value]]:
    """Return the addresses of a grid, as rows."""
    multiply = v.builder.mul
    lines = [v.address(base, multiply(whole(i), row)) for i in range(size)]
    return [[v.address(line, multiply(whole(j), column)) for j in range(size)] for line in lines]


def emit_transform(
    v: VectorBuilder, line: Callable[..., tuple[Lanes, ...]], addresses: list[list[Value]], targets: list[list[Value]],
    finish: Callable[[Value], Value] = lambda value: value,
) -> None:  # fmt: skip
    """Emit a transform from vectors in memory to vectors in memory."""
    grid = [[Lanes(v, v.load(address)) for address in row] for row in addresses]
    for values, row in zip(transform(line, grid), targets, strict=True):
        for value, address in zip(values, row, strict=True):
            v.store(finish(value.value), address)


def generate_transform(
    line: Callable[..., tuple[Lanes, ...]], size: int, target_size: int, context: Context, builder: Builder,
    signature: Signature, arguments: Values,
) -> Value:  # fmt: skip
    """Emit a transform between two grids, the first eight parameters of the intrinsic."""
    source_type, target_type = signature.args[0], signature.args[4]
    v = VectorBuilder(context, builder, source_type)
    start, row, column, target_start, target_row, target_column = int64s_at(
        context, builder, signature, arguments, 1, 2, 3, 5, 6, 7
    )
    base = v.address(array_pointer(context, builder, source_type, arguments[0]), start)
    target = v.address(array_pointer(context, builder, target_type, arguments[4]), target_start)
    addresses = grid_addresses(v, size, base, row, column)
    targets = grid_addresses(v, target_size, target, target_row, target_column)
    finish = epilogue(v, context, builder, signature, arguments) if len(arguments) > 8 else lambda value: value
    emit_transform(v, line, addresses, targets, finish)
    return context.get_dummy_value()


def epilogue(
    v: VectorBuilder, context: Context, builder: Builder, signature: Signature, arguments: Values
) -> Callable[[Value], Value]:
    """Return the function that adds the bias and applies ReLU to a vector of outputs."""
    (bias_start,) = int64s_at(context, builder, signature, arguments, 9)
    bias = v.load(v.address(array_pointer(context, builder, signature.args[8], arguments[8]), bias_start))
    relu = context.cast(builder, arguments[10], signature.args[10], types.boolean)
    infinity = ir.Constant(v.scalar, float("-inf"))
    floor = v.broadcast(builder.select(relu, ir.Constant(v.scalar, 0.0), infinity))

    def finish(value: Value) -> Value:
        value = builder.fadd(value, bias)
        # The comparison is false for NaN, which stays.
        return builder.select(builder.fcmp_ordered("<", value, floor), floor, value)

    return finish


@intrinsic()
def transform_input_intrinsic(
    typing_context: Any, source: Type, start: Type, row: Type, column: Type, target: Type, target_start: Type,
    target_row: Type, target_column: Type,
) -> Typed:  # fmt: skip
    check_arrays("transform_input", source, target)

    def generate(*arguments: Any) -> Value:
        return generate_transform(input_line, 6, 6, *arguments)

    return types.void(source, start, row, column, target, target_start, target_row, target_column), generate


@intrinsic()
def transform_gradient_intrinsic(
    typing_context: Any, source: Type, start: Type, row: Type, column: Type, target: Type, target_start: Type,
    target_row: Type, target_column: Type,
) -> Typed:  # fmt: skip
    check_arrays("transform_gradient", source, target)

    def generate(*arguments: Any) -> Value:
        return generate_transform(gradient_line, 4, 6, *arguments)

    return types.void(source, start, row, column, target, target_start, target_row, target_column), generate


@intrinsic()
def transform_output_intrinsic(
    typing_context: Any, source: Type, start: Type, row: Type, column: Type, target: Type, target_start: Type,
    target_row: Type, target_column: Type, bias: Type, bias_start: Type, relu: Type,
) -> Typed:  # fmt: skip
    check_arrays("transform_output", source, target, bias)

    def generate(*arguments: Any) -> Value:
        return generate_transform(output_line, 6, 4, *arguments)

    signature = types.void(
        source, start, row, column, target, target_start, target_row, target_column, bias, bias_start, relu
    )
    return signature, generate


def pieces_of_nine(v: VectorBuilder) -> Iterator[tuple[int, Value | None]]:
    """Yield (first, mask or None) for the vectors that cover 9 neighbouring elements, the last one masked."""
    for first in range(0, 9, v.lanes):
        mask = ir.Constant(v.mask, [int(first + i < 9) for i in range(v.lanes)])
        yield first, None if first + v.lanes <= 9 else mask


@intrinsic()
def transform_weight_intrinsic(
    typing_context: Any, w: Type, start: Type, lane: Type, lane_count: Type, flip: Type, target: Type,
    target_start: Type, point: Type,
) -> Typed:  # fmt: skip
    check_arrays("transform_weight", w, target)

    def generate(context: Context, builder: Builder, signature: Signature, arguments: Values) -> Value:
        v = VectorBuilder(context, builder, w)
        start, lane, lane_count, target_start, point = int64s_at(
            context, builder, signature, arguments, 1, 2, 3, 6, 7
        )
        base = v.address(array_pointer(context, builder, w, arguments[0]), start)
        last = builder.sub(lane_count, whole(1))
        kernels = []
        for i in range(v.lanes):
            exists = builder.icmp_signed("<", whole(i), lane_count)
            kernels.append(v.address(base, builder.mul(builder.select(exists, whole(i), last), lane)))
        taps = []
        for first, mask in pieces_of_nine(v):
            pieces = [v.address(kernel, whole(first)) for kernel in kernels]
            rows = [v.load(piece) if mask is None else v.load_masked(piece, mask) for piece in pieces]
            taps += transposed(v, rows)
        taps = taps[:9]
        flip = context.cast(builder, arguments[4], signature.args[4], types.boolean)
        taps = [Lanes(v, builder.select(flip, taps[8 - i], taps[i])) for i in range(9)]
        points = transform(weight_line, [taps[0:3], taps[3:6], taps[6:9]])
        target_base = v.address(array_pointer(context, builder, target, arguments[5]), target_start)
        targets = grid_addresses(v, 6, target_base, builder.mul(whole(6), point), point)
        for values, addresses in zip(points, targets, strict=True):
            for value, address in zip(values, addresses, strict=True):
                v.store(value.value, address)
        return context.get_dummy_value()

    return types.void(w, start, lane, lane_count, flip, target, target_start, point), generate


@intrinsic()
def transform_weight_gradient_intrinsic(
    typing_context: Any, source: Type, start: Type, point: Type, target: Type, target_start: Type, lane_count: Type
) -> Typed:
    check_arrays("transform_weight_gradient", source, target)

    def generate(context: Context, builder: Builder, signature: Signature, arguments: Values) -> Value:
        v = VectorBuilder(context, builder, source)
        start, point, target_start, lane_count = int64s_at(context, builder, signature, arguments, 1, 2, 4, 5)
        base = v.address(array_pointer(context, builder, source, arguments[0]), start)
        addresses = grid_addresses(v, 6, base, builder.mul(whole(6), point), point)
        grid = [[Lanes(v, v.load(address)) for address in row] for row in addresses]
        taps = [value.value for row in transform(weight_gradient_line, grid) for value in row]
        target_base = v.address(array_pointer(context, builder, target, arguments[3]), target_start)
        nothing = ir.Constant(v.mask, [0] * v.lanes)
        for first, mask in pieces_of_nine(v):
            piece = taps[first : first + v.lanes]
            kernels = transposed(v, piece + [v.zero] * (v.lanes - len(piece)))
            everything = ir.Constant(v.mask, [1] * v.lanes)
            for i, kernel in enumerate(kernels):
                exists = builder.icmp_signed("<", whole(i), lane_count)
                kept = builder.select(exists, everything if mask is None else mask, nothing)
                v.store_masked(kernel, v.address(target_base, whole(9 * i + first)), kept)
        return context.get_dummy_value()

    return types.void(source, start, point, target, target_start, lane_count), generate


def place_addresses(v: VectorBuilder, array_type: Type, places: Value, base: Value, first: Value) -> list[Value]:
    """Return the addresses of ``lanes`` vectors, at ``base`` plus a table of offsets."""
    builder = v.builder
    table = array_pointer(v.context, builder, array_type, places)
    addresses = []
    for j in range(v.lanes):
        entry = builder.gep(table, [builder.add(first, whole(j))], source_etype=first.type)
        addresses.append(v.address(base, builder.load(entry, typ=first.type)))
    return addresses


@intrinsic()
def scatter_pixels_intrinsic(
    typing_context: Any, source: Type, start: Type, plane: Type, plane_count: Type, count: Type, target: Type,
    target_start: Type, places: Type, first: Type,
) -> Typed:  # fmt: skip
    check_arrays("scatter_pixels", source, target)

    def generate(context: Context, builder: Builder, signature: Signature, arguments: Values) -> Value:
        v = VectorBuilder(context, builder, source)
        start, plane, plane_count, count, target_start, first = int64s_at(
            context, builder, signature, arguments, 1, 2, 3, 4, 6, 8
        )
        base = v.address(array_pointer(context, builder, source, arguments[0]), start)
        last = builder.sub(plane_count, whole(1))
        rows = []
        for i in range(v.lanes):
            exists = builder.icmp_signed("<", whole(i), plane_count)
            rows.append(v.address(base, builder.mul(builder.select(exists, whole(i), last), plane)))
        target_base = v.address(array_pointer(context, builder, target, arguments[5]), target_start)
        targets = place_addresses(v, places, arguments[7], target_base, first)
        mask = v.lanes_below(count)
        for value, address in zip(transposed(v, [v.load_masked(row, mask) for row in rows]), targets, strict=True):
            v.store(value, address)
        return context.get_dummy_value()

    return types.void(source, start, plane, plane_count, count, target, target_start, places, first), generate


@intrinsic()
def gather_pixels_intrinsic(
    typing_context: Any, source: Type, start: Type, places: Type, first: Type, count: Type, target: Type,
    target_start: Type, plane: Type, plane_count: Type,
) -> Typed:  # fmt: skip
    check_arrays("gather_pixels", source, target)

    def generate(context: Context, builder: Builder, signature: Signature, arguments: Values) -> Value:
        v = VectorBuilder(context, builder, source)
        start, first, count, target_start, plane, plane_count = int64s_at(
            context, builder, signature, arguments, 1, 3, 4, 6, 7, 8
        )
        base = v.address(array_pointer(context, builder, source, arguments[0]), start)
        sources = place_addresses(v, places, arguments[2], base, first)
        target_base = v.address(array_pointer(context, builder, target, arguments[5]), target_start)
        rows = [v.address(target_base, builder.mul(whole(i), plane)) for i in range(v.lanes)]
        values = transposed(v, [v.load(address) for address in sources])
        is_whole = builder.and_(
            builder.icmp_signed(">=", count, whole(v.lanes)),
            builder.icmp_signed(">=", plane_count, whole(v.lanes)),
        )
        with builder.if_else(is_whole) as (then, otherwise):
            with then:
                for value, row in zip(values, rows, strict=True):
                    v.store(value, row)
            with otherwise:
                columns = v.lanes_below(count)
                nothing = ir.Constant(v.mask, [0] * v.lanes)
                for i, (value, row) in enumerate(zip(values, rows, strict=True)):
                    exists = builder.icmp_signed("<", whole(i), plane_count)
                    v.store_masked(value, row, builder.select(exists, columns, nothing))
        return context.get_dummy_value()

    return types.void(source, start, places, first, count, target, target_start, plane, plane_count), generate


# What kernels call: the intrinsics, or where the compiler is switched off their twins.
transform_input = or_twin(transform_input_intrinsic, transform_input_reference)
transform_gradient = or_twin(transform_gradient_intrinsic, transform_gradient_reference)
transform_output = or_twin(transform_output_intrinsic, transform_output_reference)
transform_weight = or_twin(transform_weight_intrinsic, transform_weight_reference)
transform_weight_gradient = or_twin(transform_weight_gradient_intrinsic, transform_weight_gradient_reference)
scatter_pixels = or_twin(scatter_pixels_intrinsic, scatter_pixels_reference)
gather_pixels = or_twin(gather_pixels_intrinsic, gather_pixels_reference)
