"""The transforms of Winograd's convolutions, on vectors of channels.

`passes` explains the algorithms. Here are their matrices, B^T (input), G (weight) and A^T (output), and the
two adjoints that the weight gradient needs, A and G^T. Each is written as a function of one line of numbers, and
only uses ``+``, ``-`` and multiplication by constants. So one text serves twice: applied to `Lanes` it emits vector
instructions, applied to NumPy arrays it is the reference that runs where the compiler is switched off.

A two-dimensional transform M X M^T applies the function to the columns of X, then to the rows of the result. Where
even and odd pixels do not mix, M has a `Part` for each, and the transform one for each pair of them: small enough for
the registers. An algorithm, of which kernels are given an object, is a class that has the transforms: a kernel is
compiled for the class, and the intrinsics look up their transform by its name.

Data is laid out with channels innermost, one vector of channels at each place, so that a transform never mixes
lanes. NCHW arrays have pixels innermost: `scatter_pixels` and `gather_pixels` transpose blocks of
``lanes x lanes`` numbers on the way in and out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, TypeVar

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils

from ...annotations import Array, Builder, Context, Flags, Pair, Signature, Type, Typed, Value, Values
from ...compile import intrinsic, or_twin
from ...tile import (
    Place,
    VectorBuilder,
    array_pointer,
    check_arrays,
    int64_of,
    int64s_at,
    lanes_reference,
    transposed,
    whole,
)

__all__ = [
    "GRADIENT", "INPUT", "OUTPUT", "POLYPHASE_GRADIENT", "POLYPHASE_INPUT", "POLYPHASE_OUTPUT", "POLYPHASE_WEIGHT",
    "POLYPHASE_WEIGHT_GRADIENT", "UPSAMPLED_INPUT", "UPSAMPLED_OUTPUT", "WEIGHT", "WEIGHT_GRADIENT", "Grid",
    "Transform",
    "gather_pixels", "scatter_pixels", "sizes_of", "transform_output", "transform_tile", "transform_weight",
    "transform_weight_gradient",
]  # fmt: skip

Vector = TypeVar("Vector", Array, "Lanes")


# --- The matrices, applied to one line -----------------------------------------------------------------
# F(4, 3), for stride 1. Interpolation points 0, 1, -1, 2, -2 and infinity, scaled as by Lavin and Gray. The values
# at p and -p share their even and odd parts.


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


# F(4, 2), for stride 2: the even pixels, with the outer weights. Interpolation points 0, 1, -1, infinity and 2.


def even_input_line(d0: Vector, d1: Vector, d2: Vector, d3: Vector, d4: Vector) -> tuple[Vector, ...]:
    """Return B^T d for 5 inputs: 5 points.

    B^T = [2 -1 -2  1 0]
          [0 -2 -1  1 0]
          [0  2 -3  1 0]
          [0  2 -1 -2 1]
          [0 -1  0  1 0]
    """
    outer, inner = d3 - d2, d1 * 2
    return d0 * 2 - d1 - d2 * 2 + d3, outer - inner, outer - d2 * 2 + inner, inner - d2 - d3 * 2 + d4, d3 - d1


def even_weight_line(w0: Vector, w2: Vector) -> tuple[Vector, ...]:
    """Return G w for 2 weights: 5 points.

    G = [ 1/2    0 ]
        [-1/2  -1/2]
        [-1/6   1/6]
        [  0     1 ]
        [ 1/6   1/3]
    """
    return w0 * (1 / 2), (w0 + w2) * (-1 / 2), (w2 - w0) * (1 / 6), w2, w0 * (1 / 6) + w2 * (1 / 3)


def even_output_line(m0: Vector, m1: Vector, m2: Vector, m3: Vector, m4: Vector) -> tuple[Vector, ...]:
    """Return A^T m for 5 points: 4 outputs.

    A^T = [1 1  1 0 1]
          [0 1 -1 0 2]
          [0 1  1 0 4]
          [0 1 -1 1 8]
    """
    even, odd = m1 + m2, m1 - m2
    return m0 + even + m4, odd + m4 * 2, even + m4 * 4, odd + m4 * 8 + m3


def even_gradient_line(g0: Vector, g1: Vector, g2: Vector, g3: Vector) -> tuple[Vector, ...]:
    """Return A g for 4 gradients of outputs: 5 points."""
    even, odd = g0 + g2, g1 + g3
    return g0, even + odd, even - odd, g3, g0 + g1 * 2 + g2 * 4 + g3 * 8


def even_weight_gradient_line(u0: Vector, u1: Vector, u2: Vector, u3: Vector, u4: Vector) -> tuple[Vector, ...]:
    """Return G^T u for 5 points: gradients of 2 weights."""
    return (u0 - u1) * (1 / 2) + (u4 - u2) * (1 / 6), u3 - u1 * (1 / 2) + u2 * (1 / 6) + u4 * (1 / 3)


def odd_input_line(d0: Vector, d1: Vector, d2: Vector, d3: Vector) -> tuple[Vector, ...]:
    """Return 4 numbers at the first 4 points, from which A^T gives 4 inputs back."""
    return d0 - d2, (d1 + d2) * (1 / 2), (d2 - d1) * (1 / 2), d3 - d1


def same_line(*values: Vector) -> tuple[Vector, ...]:
    """Return what it is given."""
    return values


# --- Transforms: the parts of which each matrix is made --------------------------------------------------


class Part(NamedTuple):
    """A function of a line, and where in the line its arguments are and its results belong."""

    line: Callable[..., tuple[Any, ...]]
    sources: range
    targets: range


class Transform(NamedTuple):
    """A matrix: how many numbers it takes and gives, and the parts that it is made of."""

    sources: int
    targets: int
    parts: tuple[Part, ...]


# Stride 1.
INPUT = Transform(6, 6, (Part(input_line, range(6), range(6)),))
WEIGHT = Transform(3, 6, (Part(weight_line, range(3), range(6)),))
OUTPUT = Transform(6, 4, (Part(output_line, range(6), range(4)),))
GRADIENT = Transform(4, 6, (Part(gradient_line, range(4), range(6)),))
WEIGHT_GRADIENT = Transform(6, 3, (Part(weight_gradient_line, range(6), range(3)),))

# Stride 2: even pixels and outer weights have 5 points, odd pixels 4, of which the middle weight is the factor.
POLYPHASE_INPUT = Transform(
    9, 9, (Part(even_input_line, range(0, 9, 2), range(5)), Part(odd_input_line, range(1, 9, 2), range(5, 9)))
)
POLYPHASE_WEIGHT = Transform(
    3, 6, (Part(even_weight_line, range(0, 3, 2), range(5)), Part(same_line, range(1, 2), range(5, 6)))
)
POLYPHASE_OUTPUT = Transform(5, 4, (Part(even_output_line, range(5), range(4)),))
POLYPHASE_GRADIENT = Transform(4, 5, (Part(even_gradient_line, range(4), range(5)),))
POLYPHASE_WEIGHT_GRADIENT = Transform(
    6, 3, (Part(even_weight_gradient_line, range(5), range(0, 3, 2)), Part(same_line, range(5, 6), range(1, 2)))
)

# The adjoint of stride 2: points as above, for even and odd pixels of its output.
UPSAMPLED_INPUT = Transform(
    5, 9, (Part(even_input_line, range(5), range(5)), Part(same_line, range(1, 5), range(5, 9)))
)
UPSAMPLED_OUTPUT = Transform(
    9, 8, (Part(even_output_line, range(5), range(0, 8, 2)), Part(same_line, range(5, 9), range(1, 8, 2)))
)


def apply(transform: Transform, load: Callable[[int, int], Vector], store: Callable[[int, int, Vector], None]) -> None:
    """Compute M X M^T, where ``load`` returns an element of X, and ``store`` takes one of the result."""
    for rows in transform.parts:
        for columns in transform.parts:
            lines = [rows.line(*(load(i, j) for i in rows.sources)) for j in columns.sources]
            for i, line in zip(rows.targets, zip(*lines, strict=True), strict=True):
                for j, value in zip(columns.targets, columns.line(*line), strict=True):
                    store(i, j, value)


class Grid(NamedTuple):
    """A square of vectors in a flat array: where it begins, and elements from row to row, from column to column."""

    array: Array
    start: int
    row: int
    column: int


# --- The twins: what each intrinsic means, in Python ---------------------------------------------------


def sizes_of_reference(algorithm: Any, name: str) -> Pair:
    """Return how many numbers a transform of an algorithm takes and gives along an axis, as constants."""
    transform: Transform = getattr(algorithm, name)
    return transform.sources, transform.targets


def transform_tile_reference(algorithm: Any, name: str, source: Grid, target: Grid) -> None:
    """Write M X M^T for the grid X of vectors of ``source`` to that of ``target``.

    Parameters
    ----------
    algorithm, name : object, literal str
        The transform is the attribute of this name of the object's class.
    source, target : Grid of float32 or float64
    """
    width = lanes_reference(source.array)

    def load(i: int, j: int) -> Array:
        at = source.start + i * source.row + j * source.column
        return source.array[at : at + width]

    def store(i: int, j: int, value: Array) -> None:
        at = target.start + i * target.row + j * target.column
        target.array[at : at + width] = value

    apply(getattr(algorithm, name), load, store)


def transform_output_reference(
    algorithm: Any, name: str, source: Grid, target: Grid, bias: Place, relu: bool
) -> None:
    """Do as `transform_tile` does, and add a vector of ``bias`` to each vector of the result; ReLU if asked."""
    transform_tile_reference(algorithm, name, source, target)
    width = lanes_reference(source.array)
    targets = range(getattr(algorithm, name).targets)
    for i in targets:
        for j in targets:
            at = target.start + i * target.row + j * target.column
            value = target.array[at : at + width] + bias.array[bias.start : bias.start + width]
            target.array[at : at + width] = np.where(value < 0, 0, value) if relu else value


def transform_weight_reference(
    algorithm: Any,
    w: Array,
    start: int,
    lane: int,
    lane_count: int,
    flip: Flags,
    target: Array,
    target_start: int,
    point: int,
) -> None:
    """Write G w G^T for one vector of 3x3 kernels.

    Parameters
    ----------
    algorithm : object, of which the class has the transform ``weights``
    w : 1-D array
        Kernels, each 9 neighbouring elements; that of lane i starts at ``start + i * lane``.
    lane_count : int
        Lanes that exist, not above 0 where the vector lies beyond them; the others repeat the last.
    flip : (vertical, horizontal)
        Whether the order of the kernels' rows and columns is reversed, as the input gradient needs it.
    target, target_start, point : 1-D array, int, int
        Point i of 36 goes to the vector at ``target_start + i * point``.
    """
    last = lane_count - 1
    kernels = [w[start + min(i, last) * lane :][:9] for i in range(lanes_reference(w))]
    taps = np.stack(kernels, axis=1).reshape(3, 3, -1)
    taps = taps[:: -1 if flip[0] else 1, :: -1 if flip[1] else 1]

    def store(i: int, j: int, value: Array) -> None:
        at = target_start + (6 * i + j) * point
        target[at : at + len(value)] = value

    apply(algorithm.weights, lambda i, j: taps[i, j], store)


def transform_weight_gradient_reference(
    algorithm: Any, source: Array, start: int, point: int, target: Array, target_start: int, lane_count: int
) -> None:
    """Write G^T u G for 36 vectors, ``point`` elements apart, as ``lane_count`` neighbouring 3x3 kernels."""
    width = lanes_reference(source)
    grid = np.empty((width, 3, 3), source.dtype)

    def load(i: int, j: int) -> Array:
        at = start + (6 * i + j) * point
        return source[at : at + width]

    def store(i: int, j: int, value: Array) -> None:
        grid[:, i, j] = value

    apply(algorithm.weight_gradients, load, store)
    kernels = grid[:lane_count]
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


def addresses_of(v: VectorBuilder, size: int, grid_type: Type, grid: Value) -> list[list[Value]]:
    """Return the addresses of a `Grid`, as rows."""
    array, *numbers = cgutils.unpack_tuple(v.builder, grid)
    start, row, column = (
        int64_of(v.context, v.builder, *each) for each in zip(grid_type.types[1:], numbers, strict=True)
    )
    base = v.address(array_pointer(v.context, v.builder, grid_type.types[0], array), start)
    return grid_addresses(v, size, base, row, column)


def transform_of(algorithm: Type, name: str | Type) -> Transform:
    """Return a transform of an algorithm, by their types in an intrinsic."""
    transform: Transform = getattr(algorithm.instance_class, name if isinstance(name, str) else name.literal_value)
    return transform


def generate_transform(context: Context, builder: Builder, signature: Signature, arguments: Values) -> Value:
    """Emit a transform between two grids: the first four parameters of the intrinsic."""
    transform, source_type, target_type = transform_of(*signature.args[:2]), signature.args[2], signature.args[3]
    v = VectorBuilder(context, builder, source_type.types[0])
    addresses = addresses_of(v, transform.sources, source_type, arguments[2])
    targets = addresses_of(v, transform.targets, target_type, arguments[3])
    finish = epilogue(v, signature, arguments) if len(arguments) > 4 else lambda value: value
    apply(
        transform,
        lambda i, j: Lanes(v, v.load(addresses[i][j])),
        lambda i, j, value: v.store(finish(value.value), targets[i][j]),
    )
    return context.get_dummy_value()


def epilogue(v: VectorBuilder, signature: Signature, arguments: Values) -> Callable[[Value], Value]:
    """Return the function that adds the bias and applies ReLU to a vector of outputs."""
    context, builder = v.context, v.builder
    (array_type, start_type), (array, start) = signature.args[4].types, cgutils.unpack_tuple(builder, arguments[4])
    start = int64_of(context, builder, start_type, start)
    bias = v.load(v.address(array_pointer(context, builder, array_type, array), start))
    relu = context.cast(builder, arguments[5], signature.args[5], types.boolean)
    infinity = ir.Constant(v.scalar, float("-inf"))
    floor = v.broadcast(builder.select(relu, ir.Constant(v.scalar, 0.0), infinity))

    def finish(value: Value) -> Value:
        value = builder.fadd(value, bias)
        # The comparison is false for NaN, which stays.
        return builder.select(builder.fcmp_ordered("<", value, floor), floor, value)

    return finish


@intrinsic(prefer_literal=True)
def sizes_of_intrinsic(typing_context: Any, algorithm: Type, name: Type) -> Typed:
    transform = transform_of(algorithm, name)

    def generate(context: Context, builder: Builder, signature: Signature, arguments: Values) -> Value:
        sizes = whole(transform.sources), whole(transform.targets)
        return context.make_tuple(builder, signature.return_type, sizes)

    return types.UniTuple(types.int64, 2)(algorithm, name), generate


@intrinsic(prefer_literal=True)
def transform_tile_intrinsic(typing_context: Any, algorithm: Type, name: Type, source: Type, target: Type) -> Typed:
    check_arrays("transform_tile", source.types[0], target.types[0])
    return types.void(algorithm, name, source, target), generate_transform


@intrinsic(prefer_literal=True)
def transform_output_intrinsic(
    typing_context: Any, algorithm: Type, name: Type, source: Type, target: Type, bias: Type, relu: Type
) -> Typed:
    check_arrays("transform_output", source.types[0], target.types[0], bias.types[0])
    return types.void(algorithm, name, source, target, bias, relu), generate_transform


def pieces_of_nine(v: VectorBuilder) -> Iterator[Any]:
    """Yield (first, mask or None) for the vectors that cover 9 neighbouring elements, the last one masked."""
    for first in range(0, 9, v.lanes):
        mask = ir.Constant(v.mask, [int(first + i < 9) for i in range(v.lanes)])
        yield first, None if first + v.lanes <= 9 else mask


@intrinsic()
def transform_weight_intrinsic(
    typing_context: Any,
    algorithm: Type,
    w: Type,
    start: Type,
    lane: Type,
    lane_count: Type,
    flip: Type,
    target: Type,
    target_start: Type,
    point: Type,
) -> Typed:
    check_arrays("transform_weight", w, target)

    def generate(context: Context, builder: Builder, signature: Signature, arguments: Values) -> Value:
        v = VectorBuilder(context, builder, w)
        start, lane, lane_count, target_start, point = int64s_at(context, builder, signature, arguments, 2, 3, 4, 7, 8)
        base = v.address(array_pointer(context, builder, w, arguments[1]), start)
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
        vertical, horizontal = cgutils.unpack_tuple(builder, arguments[5], 2)
        taps = [builder.select(vertical, taps[6 - i + i % 3 * 2], taps[i]) for i in range(9)]
        taps = [builder.select(horizontal, taps[i + 2 - i % 3 * 2], taps[i]) for i in range(9)]
        target_base = v.address(array_pointer(context, builder, target, arguments[6]), target_start)
        targets = grid_addresses(v, 6, target_base, builder.mul(whole(6), point), point)
        apply(
            transform_of(algorithm, "weights"),
            lambda i, j: Lanes(v, taps[3 * i + j]),
            lambda i, j, value: v.store(value.value, targets[i][j]),
        )
        return context.get_dummy_value()

    return types.void(algorithm, w, start, lane, lane_count, flip, target, target_start, point), generate


@intrinsic()
def transform_weight_gradient_intrinsic(
    typing_context: Any,
    algorithm: Type,
    source: Type,
    start: Type,
    point: Type,
    target: Type,
    target_start: Type,
    lane_count: Type,
) -> Typed:
    check_arrays("transform_weight_gradient", source, target)

    def generate(context: Context, builder: Builder, signature: Signature, arguments: Values) -> Value:
        v = VectorBuilder(context, builder, source)
        start, point, target_start, lane_count = int64s_at(context, builder, signature, arguments, 2, 3, 5, 6)
        base = v.address(array_pointer(context, builder, source, arguments[1]), start)
        addresses = grid_addresses(v, 6, base, builder.mul(whole(6), point), point)
        taps = [v.zero] * 9

        def store(i: int, j: int, value: Lanes) -> None:
            taps[3 * i + j] = value.value

        apply(transform_of(algorithm, "weight_gradients"), lambda i, j: Lanes(v, v.load(addresses[i][j])), store)
        target_base = v.address(array_pointer(context, builder, target, arguments[4]), target_start)
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

    return types.void(algorithm, source, start, point, target, target_start, lane_count), generate


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
sizes_of = or_twin(sizes_of_intrinsic, sizes_of_reference)
transform_tile = or_twin(transform_tile_intrinsic, transform_tile_reference)
transform_output = or_twin(transform_output_intrinsic, transform_output_reference)
transform_weight = or_twin(transform_weight_intrinsic, transform_weight_reference)
transform_weight_gradient = or_twin(transform_weight_gradient_intrinsic, transform_weight_gradient_reference)
scatter_pixels = or_twin(scatter_pixels_intrinsic, scatter_pixels_reference)
gather_pixels = or_twin(gather_pixels_intrinsic, gather_pixels_reference)
