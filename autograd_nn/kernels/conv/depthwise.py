"""Convolution where a group has one input channel: depthwise convolution, and first layers on grey images.

Nothing is summed over channels here, so an element that is loaded meets few weights, and moving data is what
costs. All three operations work on the planes (images of one channel) as they lie, and all are the same relation

    out[r, q]  <->  w[i, j]  <->  x[y, c]        y = r sH + i dH - top,   c = q sW + j dW - left

in which two of the three are given and their products are added to the third. A *tile* is `ROWS` rows by one vector
of columns. `convolve_plane` keeps a tile of out in registers, passes over the rows y that it sees, and
loads for each the vectors of x that its taps j meet: one vector serves all pairs (r, i) of the row. `gather_plane`
(gradient of the input) keeps a tile of x and passes over rows of out; `correlate_plane` (gradient of the weight)
keeps a vector of sums for each tap, whose lanes are added up at the very end. Rows outside the image are skipped, and
columns outside it masked: no border is ever written.

*Strides* put the columns of a vector apart. Two neighbouring vectors of x hold, shuffled apart, the even columns
for one tap and the odd ones for the next. Seen from x, in coordinates that count the padding, the taps of
column 2 V + b are those of equal parity b, and they meet out at column V and before: tiles of even and odd columns are
computed side by side and shuffled into one.

Kernel size, stride and dilation are constants of the machine code: they are passed as a `Window` of tuples, whose
lengths are part of their types, so that each combination is compiled when it is first used.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils

from ..annotations import Array, Builder, Context, Pair, Shape, Signature, Triple, Type, Typed, Value, Values
from ..compile import chunked, intrinsic, jit, or_twin
from ..records import flat
from ..tile import (
    REGISTERS,
    VECTOR_BYTES,
    Place,
    VectorBuilder,
    array_pointer,
    check_arrays,
    int64_of,
    int64s_of,
    whole,
)

__all__ = ["can_use", "convolve", "convolve_input", "convolve_weight"]

Constant = tuple[int, ...]  # whose length is the value

ROWS = 7 if REGISTERS == 32 else 4  # of a tile; images are often 7, 14, 28, 56, ... pixels high
SUMS = 25 if REGISTERS == 32 else 9  # taps whose sums are kept in registers
MOST_TAPS = 49
UNITS = 8  # wanted, so that several threads find work


class Window(NamedTuple):
    """Which pixels of x meet a pixel of out, each number as the length of a tuple."""

    kernel_height: Constant
    kernel_width: Constant
    stride_y: Constant
    stride_x: Constant
    dilation_y: Constant
    dilation_x: Constant


def window_of(*numbers: int) -> Window:
    return Window(*((0,) * number for number in numbers))


class Plane(NamedTuple):
    """An image of one channel in a flat array: the element at which it begins, and its size."""

    array: Array
    start: int
    height: int
    width: int


# --- The twins: what each intrinsic means, in Python ------------------------------------------------------


def meetings(window: Window, size: Pair, out_size: Pair, corner: Pair) -> Iterator[Triple]:
    """Yield the elements that meet, as positions in (out, w, x)."""
    kH, kW, sH, sW, dH, dW = map(len, window)
    for r, q, i, j in np.ndindex(*out_size, kH, kW):
        y, c = r * sH + i * dH - corner[0], q * sW + j * dW - corner[1]
        if 0 <= y < size[0] and 0 <= c < size[1]:
            yield r * out_size[1] + q, i * kW + j, y * size[1] + c


def convolve_plane_reference(
    window: Window, x: Plane, w: Place, bias: Place, out: Plane, corner: Pair, rows: Pair, relu: bool
) -> None:
    """Compute rows of one plane of out.

    Parameters
    ----------
    window : Window
    x, out : Plane of float32 or float64
    w, bias : Place
        The kernel, and the number to add.
    corner : (top, left)
        Padding.
    rows : (first, last)
        Of out.
    relu : bool
    """
    plane = np.full(out.height * out.width, bias.array[bias.start])
    for at_out, at_w, at_x in meetings(window, x[2:], out[2:], corner):
        plane[at_out] += w.array[w.start + at_w] * x.array[x.start + at_x]
    if relu:
        plane[plane < 0] = 0
    first, last = rows[0] * out.width, rows[1] * out.width
    out.array[out.start + first : out.start + last] = plane[first:last]


def gather_plane_reference(
    window: Window, g: Plane, w: Place, x: Plane, corner: Pair, rows: Pair, add: bool
) -> None:
    """Compute rows of one plane of the gradient of x, or with `add` add to them.

    Parameters are those of `convolve_plane`, but `rows` counts by strides and with the padding: row Y stands for the
    rows Y sH - top, ..., Y sH - top + sH - 1 of x.
    """
    plane = np.zeros(x.height * x.width, x.array.dtype)
    for at_out, at_w, at_x in meetings(window, x[2:], g[2:], corner):
        plane[at_x] += w.array[w.start + at_w] * g.array[g.start + at_out]
    first, last = (min(max(row * len(window.stride_y) - corner[0], 0), x.height) * x.width for row in rows)
    if add:
        plane += x.array[x.start : x.start + plane.size]
    x.array[x.start + first : x.start + last] = plane[first:last]


def correlate_plane_reference(window: Window, x: Plane, g: Plane, corner: Pair, totals: Place) -> None:
    """Add the products of one plane of x and one of g to the vectors of sums of all taps.

    Lane l of a sum gets the columns l, l + lanes, ... of g.
    """
    width = VECTOR_BYTES // g.array.itemsize
    for at_out, at_w, at_x in meetings(window, x[2:], g[2:], corner):
        lane = at_out % g.width % width
        totals.array[totals.start + at_w * width + lane] += g.array[g.start + at_out] * x.array[x.start + at_x]


# --- The intrinsics ---------------------------------------------------------------------------------------


@intrinsic()
def convolve_plane_intrinsic(
    typing_context: Any, window: Type, x: Type, w: Type, bias: Type, out: Type, corner: Type, rows: Type, relu: Type
) -> Typed:
    check_arrays("convolve_plane", *(each.types[0] for each in (x, w, bias, out)))
    return types.void(window, x, w, bias, out, corner, rows, relu), generate_convolve_plane


@intrinsic()
def gather_plane_intrinsic(
    typing_context: Any, window: Type, g: Type, w: Type, x: Type, corner: Type, rows: Type, add: Type
) -> Typed:
    check_arrays("gather_plane", *(each.types[0] for each in (x, w, g)))
    return types.void(window, g, w, x, corner, rows, add), generate_gather_plane


@intrinsic()
def correlate_plane_intrinsic(
    typing_context: Any, window: Type, x: Type, g: Type, corner: Type, totals: Type
) -> Typed:
    check_arrays("correlate_plane", *(each.types[0] for each in (x, g, totals)))
    return types.void(window, x, g, corner, totals), generate_correlate_plane


def places_at(
    v: VectorBuilder, signature: Signature, arguments: Values, *positions: int
) -> list[tuple[Value, list[Value]]]:
    """Return for some planes or places the address of their first element, and their size."""
    found = []
    for at in positions:
        (array_type, *number_types), (array, *numbers) = (
            signature.args[at].types, cgutils.unpack_tuple(v.builder, arguments[at])
        )  # fmt: skip
        start, *size = (int64_of(v.context, v.builder, *each) for each in zip(number_types, numbers, strict=True))
        found.append((v.address(array_pointer(v.context, v.builder, array_type, array), start), size))
    return found


def pairs_at(v: VectorBuilder, signature: Signature, arguments: Values, *positions: int) -> list[list[Value]]:
    """Return some of an intrinsic's pairs of integers."""
    return [int64s_of(v.context, v.builder, signature.args[at], arguments[at]) for at in positions]


def lanes_between(v: VectorBuilder, first: Value, last: Value) -> Value:
    """Return the mask of the lanes numbered from `first` to `last`, excluded; any integers."""
    return v.builder.and_(v.lanes_below(last), v.builder.not_(v.lanes_below(first)))


def for_tiles(
    v: VectorBuilder, rows: Values, columns: Values, height: int, emit: Callable[[int, Value, Value, bool], None],
    is_inside: Callable[[Value], Value],
) -> None:  # fmt: skip
    """Emit ``emit(height, row, column, inside)`` over tiles of full height, then over those of the rows that are left.

    `is_inside` emits whether all columns that a tile at some column reads and writes exist. Tiles of full height inside
    need no masks, which many processors store slowly.
    """
    builder = v.builder
    count = builder.sdiv(builder.sub(rows[1], rows[0]), whole(height))
    middle = builder.add(rows[0], builder.mul(count, whole(height)))
    blocks = builder.sdiv(
        builder.add(builder.sub(columns[1], columns[0]), whole(v.lanes - 1)), whole(v.lanes)
    )
    for tile_height, first, tiles in ((height, rows[0], count), (1, middle, builder.sub(rows[1], middle))):
        with cgutils.for_range(builder, tiles) as tile, cgutils.for_range(builder, blocks) as block:
            row = builder.add(first, builder.mul(tile.index, whole(tile_height)))
            column = builder.add(columns[0], builder.mul(block.index, whole(v.lanes)))
            if tile_height == 1 and height > 1:
                emit(tile_height, row, column, False)
                continue
            with builder.if_else(is_inside(column)) as (then, otherwise):
                with then:
                    emit(tile_height, row, column, True)
                with otherwise:
                    emit(tile_height, row, column, False)


def for_row(v: VectorBuilder, row: Value, height: Value) -> AbstractContextManager[None]:
    """Return a context in which code runs where the row exists."""
    builder = v.builder
    context: AbstractContextManager[None] = builder.if_then(builder.icmp_unsigned("<", row, height))
    return context


def load_part(v: VectorBuilder, address: Value, mask: Value, inside: bool) -> Value:
    return v.load(address) if inside else v.load_masked(address, mask)


def store_part(v: VectorBuilder, value: Value, address: Value, mask: Value, inside: bool) -> None:
    if inside:
        v.store(value, address)
    else:
        v.store_masked(value, address, mask)


def sees_columns(v: VectorBuilder, window: Sequence[int], size: Values, out_size: Values, corner: Values) -> Any:
    """Return what emits whether the tile at a column of out, and all that it sees of x, lies inside the images."""
    builder = v.builder
    _, kW, _, sW, _, dW = window
    reach = (kW - 1) * dW // sW * sW + sW * v.lanes

    def is_inside(column: Value) -> Value:
        first = builder.sub(builder.mul(column, whole(sW)), corner[1])
        parts = (
            builder.icmp_signed(">=", first, whole(0)),
            builder.icmp_signed("<=", builder.add(first, whole(reach)), size[1]),
            builder.icmp_signed("<=", builder.add(column, whole(v.lanes)), out_size[1]),
        )
        return builder.and_(builder.and_(*parts[:2]), parts[2])

    return is_inside


def load_weights(v: VectorBuilder, w: Value, taps: int) -> list[Value]:
    return [v.broadcast_from(v.address(w, whole(tap))) for tap in range(taps)]


def split_columns(v: VectorBuilder, vectors: list[Value]) -> list[Value]:
    """Return the columns of neighbouring vectors by their remainder: as they are, or even and odd ones."""
    if len(vectors) == 1:
        return vectors
    return [v.shuffle(vectors[0], vectors[1], [2 * lane + phase for lane in range(v.lanes)]) for phase in range(2)]


def join_columns(v: VectorBuilder, vectors: list[Value]) -> list[Value]:
    """Return the inverse of `split_columns`."""
    if len(vectors) == 1:
        return vectors
    order = [lane // 2 + lane % 2 * v.lanes for lane in range(2 * v.lanes)]
    return [v.shuffle(vectors[0], vectors[1], part) for part in (order[: v.lanes], order[v.lanes :])]


def for_window(
    v: VectorBuilder, window: Sequence[int], x: Value, size: Values, corner: Values, keep: Value, height: int,
    row: Value, column: Value, inside: bool, use: Callable[[int, int, int, Value], None],
) -> None:  # fmt: skip
    """Pass over the part of x that a tile of out sees: emit ``use(r, i, j, vector)`` for each row r and tap (i, j).

    `keep` is the number of columns that out has from this column on: lanes beyond are zero.
    """
    builder = v.builder
    kH, kW, sH, sW, dH, dW = window
    first_row = builder.sub(builder.mul(row, whole(sH)), corner[0])
    first_column = builder.sub(builder.mul(column, whole(sW)), corner[1])
    # Columns from j dW on that lie stride by stride are remainder j dW % sW of the group j dW // sW of vectors.
    groups: dict[int, list[tuple[Value, Value]]] = {}
    for group in sorted({j * dW // sW for j in range(kW)}):
        groups[group] = []
        for k in range(sW):
            start = builder.add(first_column, whole(group * sW + k * v.lanes))
            in_image = builder.sub(size[1], start)
            in_out = builder.sub(builder.mul(keep, whole(sW)), whole(k * v.lanes))
            last = builder.select(builder.icmp_signed("<", in_image, in_out), in_image, in_out)
            groups[group].append((start, lanes_between(v, builder.neg(start), last)))
    for y in sorted({r * sH + i * dH for r in range(height) for i in range(kH)}):
        x_row = builder.add(first_row, whole(y))
        with for_row(v, x_row, size[0]):
            base = v.address(x, builder.mul(x_row, size[1]))
            vectors = {
                group: split_columns(v, [load_part(v, v.address(base, start), mask, inside) for start, mask in parts])
                for group, parts in groups.items()
            }
            for i in range(kH):
                r, rest = divmod(y - i * dH, sH)
                if rest == 0 and 0 <= r < height:
                    for j in range(kW):
                        use(r, i, j, vectors[j * dW // sW][j * dW % sW])


def generate_convolve_plane(context: Context, builder: Builder, signature: Signature, arguments: Values) -> Value:
    """Emit the forward pass: tiles of out, which begin with the bias."""
    v = VectorBuilder(context, builder, signature.args[1].types[0])
    window = [len(each) for each in signature.args[0]]
    kW = window[1]
    (x, size), (w, _), (bias, _), (out, out_size) = places_at(v, signature, arguments, 1, 2, 3, 4)
    corner, rows = pairs_at(v, signature, arguments, 5, 6)
    weights = load_weights(v, w, window[0] * kW)
    first = v.broadcast_from(bias)
    infinity = ir.Constant(v.scalar, float("-inf"))
    floor = v.broadcast(builder.select(arguments[7], ir.Constant(v.scalar, 0.0), infinity))

    def emit(height: int, row: Value, column: Value, inside: bool) -> None:
        sums = [cgutils.alloca_once(builder, v.vector) for _ in range(height)]
        for each in sums:
            builder.store(first, each)

        def use(r: int, i: int, j: int, vector: Value) -> None:
            builder.store(v.multiply_add(weights[i * kW + j], vector, builder.load(sums[r])), sums[r])

        keep = builder.sub(out_size[1], column)
        for_window(v, window, x, size, corner, keep, height, row, column, inside, use)
        target = v.address(out, builder.add(builder.mul(row, out_size[1]), column))
        for r, each in enumerate(sums):
            value = builder.load(each)
            value = builder.select(builder.fcmp_ordered("<", value, floor), floor, value)
            address = v.address(target, builder.mul(whole(r), out_size[1]))
            store_part(v, value, address, v.lanes_below(keep), inside)

    for_tiles(v, rows, (whole(0), out_size[1]), ROWS, emit, sees_columns(v, window, size, out_size, corner))
    return context.get_dummy_value()


def generate_gather_plane(context: Context, builder: Builder, signature: Signature, arguments: Values) -> Value:
    """Emit the gradient of the input: tiles of x, its columns counted with the padding and kept by remainder."""
    v = VectorBuilder(context, builder, signature.args[1].types[0])
    kH, kW, sH, sW, dH, dW = (len(each) for each in signature.args[0])
    (g, out_size), (w, _), (x, size) = places_at(v, signature, arguments, 1, 2, 3)
    corner, rows = pairs_at(v, signature, arguments, 4, 5)
    weights = load_weights(v, w, kH * kW)
    first_column = builder.udiv(corner[1], whole(sW))
    last_column = builder.udiv(builder.add(corner[1], builder.add(size[1], whole(sW - 1))), whole(sW))

    def emit(height: int, row: Value, column: Value, inside: bool) -> None:
        sums = {at: cgutils.alloca_once(builder, v.vector) for at in np.ndindex(height, sH, sW)}
        first_x_row = builder.sub(builder.mul(row, whole(sH)), corner[0])
        starts = [
            builder.sub(builder.add(builder.mul(column, whole(sW)), whole(k * v.lanes)), corner[1]) for k in range(sW)
        ]
        masks = [lanes_between(v, builder.neg(start), builder.sub(size[1], start)) for start in starts]

        def for_rows_of_x(use: Callable[[list[Value], list[Value]], None]) -> None:
            for r, a in np.ndindex(height, sH):
                x_row = builder.add(first_x_row, whole(int(r * sH + a)))
                with for_row(v, x_row, size[0]):
                    base = v.address(x, builder.mul(x_row, size[1]))
                    use([sums[r, a, b] for b in range(sW)], [v.address(base, start) for start in starts])

        def begin(row_sums: list[Value], addresses: list[Value]) -> None:
            before = [load_part(v, address, mask, inside) for address, mask in zip(addresses, masks, strict=True)]
            for value, each in zip(split_columns(v, before), row_sums, strict=True):
                builder.store(value, each)

        def end(row_sums: list[Value], addresses: list[Value]) -> None:
            values = join_columns(v, [builder.load(each) for each in row_sums])
            for value, address, mask in zip(values, addresses, masks, strict=True):
                store_part(v, value, address, mask, inside)

        for each in sums.values():
            builder.store(v.zero, each)
        with builder.if_then(arguments[6]):
            for_rows_of_x(begin)
        columns = {}
        for n in sorted({j * dW // sW for j in range(kW)}):
            start = builder.sub(column, whole(n))
            columns[n] = start, lanes_between(v, builder.neg(start), builder.sub(out_size[1], start))
        for u in sorted({r - i * dH // sH for r in range(height) for i in range(kH)}):
            g_row = builder.add(row, whole(u))
            with for_row(v, g_row, out_size[0]):
                base = v.address(g, builder.mul(g_row, out_size[1]))
                vectors = {
                    n: load_part(v, v.address(base, start), mask, inside) for n, (start, mask) in columns.items()
                }
                for i, j in np.ndindex(kH, kW):
                    r = u + i * dH // sH
                    if 0 <= r < height:
                        at = sums[r, i * dH % sH, j * dW % sW]
                        value = v.multiply_add(weights[i * kW + j], vectors[j * dW // sW], builder.load(at))
                        builder.store(value, at)
        for_rows_of_x(end)

    def is_inside(column: Value) -> Value:
        first_x = builder.sub(builder.mul(column, whole(sW)), corner[1])
        parts = (
            builder.icmp_signed(">=", first_x, whole(0)),
            builder.icmp_signed("<=", builder.add(first_x, whole(sW * v.lanes)), size[1]),
            builder.icmp_signed(">=", column, whole((kW - 1) * dW // sW)),
            builder.icmp_signed("<=", builder.add(column, whole(v.lanes)), out_size[1]),
        )
        return builder.and_(builder.and_(*parts[:2]), builder.and_(*parts[2:]))

    height = ROWS if sH * sW == 1 else REGISTERS // 2 // (sH * sW)  # half of the registers hold sums
    for_tiles(v, rows, (first_column, last_column), height, emit, is_inside)
    return context.get_dummy_value()


def generate_correlate_plane(context: Context, builder: Builder, signature: Signature, arguments: Values) -> Value:
    """Emit the gradient of the weight: tiles of g, and sums that stay in registers throughout the plane."""
    v = VectorBuilder(context, builder, signature.args[1].types[0])
    window = [len(each) for each in signature.args[0]]
    kW = window[1]
    (x, size), (g, out_size), (totals, _) = places_at(v, signature, arguments, 1, 2, 4)
    (corner,) = pairs_at(v, signature, arguments, 3)
    addresses = [v.address(totals, whole(tap * v.lanes)) for tap in range(window[0] * kW)]
    sums = [cgutils.alloca_once(builder, v.vector) for _ in addresses]
    for each, address in zip(sums, addresses, strict=True):
        builder.store(v.load(address), each)

    def emit(height: int, row: Value, column: Value, inside: bool) -> None:
        keep = builder.sub(out_size[1], column)
        source = v.address(g, builder.add(builder.mul(row, out_size[1]), column))
        mask = v.lanes_below(keep)
        gradients = [
            load_part(v, v.address(source, builder.mul(whole(r), out_size[1])), mask, inside) for r in range(height)
        ]

        def use(r: int, i: int, j: int, vector: Value) -> None:
            total = sums[i * kW + j]
            builder.store(v.multiply_add(gradients[r], vector, builder.load(total)), total)

        for_window(v, window, x, size, corner, keep, height, row, column, inside, use)

    for_tiles(v, (whole(0), out_size[0]), (whole(0), out_size[1]), ROWS, emit,
              sees_columns(v, window, size, out_size, corner))  # fmt: skip
    for each, address in zip(sums, addresses, strict=True):
        v.store(builder.load(each), address)
    return context.get_dummy_value()


convolve_plane = or_twin(convolve_plane_intrinsic, convolve_plane_reference)
gather_plane = or_twin(gather_plane_intrinsic, gather_plane_reference)
correlate_plane = or_twin(correlate_plane_intrinsic, correlate_plane_reference)


# --- Kernels ----------------------------------------------------------------------------------------------


@chunked
def convolve_chunk(
    t: int, threads: int, window: Window, x: Array, w: Array, bias: Array, out: Array, corner: Pair, relu: bool,
    bands: int,
) -> None:  # fmt: skip
    """Compute the t-th share of the units, each a band of rows of a plane of out."""
    N, O, OH, OW = out.shape
    size, taps, per_group = x.shape[2:], w.shape[2] * w.shape[3], O // x.shape[1]
    x, w, out = flat(x), flat(w), flat(out)
    for unit in range(N * O * bands * t // threads, N * O * bands * (t + 1) // threads):
        plane, band = unit // bands, unit % bands
        convolve_plane(
            window, Plane(x, plane // per_group * size[0] * size[1], size[0], size[1]), Place(w, plane % O * taps),
            Place(bias, plane % O), Plane(out, plane * OH * OW, OH, OW), corner,
            (OH * band // bands, OH * (band + 1) // bands), relu,
        )  # fmt: skip


@chunked
def gather_chunk(
    t: int, threads: int, window: Window, g: Array, w: Array, out: Array, corner: Pair, bands: int
) -> None:
    """Compute the t-th share of the units, each a band of rows of a plane of the gradient of the input."""
    N, C, H, W = out.shape
    g_size, taps, per_group = g.shape[2:], w.shape[2] * w.shape[3], g.shape[1] // C
    stride = len(window.stride_y)
    first, last = corner[0] // stride, (corner[0] + H + stride - 1) // stride
    rows = last - first
    g, w, out = flat(g), flat(w), flat(out)
    for unit in range(N * C * bands * t // threads, N * C * bands * (t + 1) // threads):
        plane, band = unit // bands, unit % bands
        for k in range(per_group):
            gather_plane(
                window, Plane(g, (plane * per_group + k) * g_size[0] * g_size[1], g_size[0], g_size[1]),
                Place(w, (plane % C * per_group + k) * taps), Plane(out, plane * H * W, H, W), corner,
                (first + rows * band // bands, first + rows * (band + 1) // bands), k > 0,
            )  # fmt: skip


@jit(borrows=True)
def sum_lanes(totals: Array, first: int, last: int, chunks: int, size: int, width: int, out: Array) -> None:
    """Add up the lanes, and the chunks in their order, of the sums `first` to `last`."""
    for k in range(first, last):
        total = totals[0] * 0
        for chunk in range(chunks):
            for lane in range(width):
                total += totals[chunk * size + k * width + lane]
        out[k] = total


@chunked
def correlate_chunk(
    t: int, threads: int, window: Window, g: Array, x: Array, totals: Array, out: Array, corner: Pair, chunks: int
) -> None:
    """Compute the t-th share of the units, each one group over one chunk of the images."""
    N, O, OH, OW = g.shape
    C, size = x.shape[1], x.shape[2:]
    kH, kW = out.shape[2:]
    per_group, taps, width = O // C, kH * kW, VECTOR_BYTES // g.itemsize
    part = len(window.kernel_height)
    g, x, out = flat(g), flat(x), flat(out)
    for unit in range(chunks * C * t // threads, chunks * C * (t + 1) // threads):
        chunk, group = unit // C, unit % C
        start = (chunk * O + group * per_group) * taps * width
        totals[start : start + per_group * taps * width] = 0
        for n in range(N * chunk // chunks, N * (chunk + 1) // chunks):
            for o in range(group * per_group, (group + 1) * per_group):
                for i in range(0, kH, part):
                    correlate_plane(
                        window, Plane(x, (n * C + group) * size[0] * size[1], size[0], size[1]),
                        Plane(g, (n * O + o) * OH * OW, OH, OW),
                        (corner[0] - i * len(window.dilation_y), corner[1]),
                        Place(totals, ((chunk * O + o) * taps + i * kW) * width),
                    )  # fmt: skip
        if chunks == 1:
            sum_lanes(totals, group * per_group * taps, (group + 1) * per_group * taps, 1, 0, width, out)


@chunked
def sum_chunks(t: int, threads: int, totals: Array, out: Array, chunks: int) -> None:
    """Compute the t-th share of the sums from those of all chunks."""
    first, last = out.size * t // threads, out.size * (t + 1) // threads
    sum_lanes(totals, first, last, chunks, totals.size // chunks, VECTOR_BYTES // out.itemsize, flat(out))


# --- The operations, in Python ----------------------------------------------------------------------------


def can_use(w: Shape, stride: Pair) -> bool:
    """Return whether weights of this shape can be used, with this stride."""
    return w[1] == 1 and w[2] * w[3] <= MOST_TAPS and max(stride) <= 2


def bands_of(planes: int, rows: int) -> int:
    """Return into how many bands a plane is divided: few planes, many."""
    return max(1, min(-(-UNITS // max(1, planes)), rows // ROWS))


def convolve(
    threads: int, x: Array, w: Array, bias: Array | None, out: Array,
    stride: Pair, corner: Pair, dilation: Pair, relu: bool,
) -> None:  # fmt: skip
    """Compute `conv2d`.

    Parameters
    ----------
    x : ndarray (N, C, H, W), C-contiguous
    w : ndarray (Cout, 1, kH, kW), C-contiguous; Cout is a multiple of C
    bias : ndarray (Cout,) or None
    out : ndarray (N, Cout, OH, OW), C-contiguous, written
    corner : (top, left), padding
    """
    window = window_of(*w.shape[2:], *stride, *dilation)
    if bias is None:
        bias = np.zeros(len(w), w.dtype)
    convolve_chunk(threads, window, x, w, bias, out, corner, relu, bands_of(out.shape[0] * out.shape[1], out.shape[2]))


def convolve_input(
    threads: int, g: Array, w: Array, out: Array, stride: Pair, corner: Pair, dilation: Pair
) -> None:
    """Compute `conv2d_input`; the arguments are those of `convolve`, but `out` has the shape of x."""
    window = window_of(*w.shape[2:], *stride, *dilation)
    gather_chunk(threads, window, g, w, out, corner, bands_of(out.shape[0] * out.shape[1], out.shape[2] // stride[0]))


def convolve_weight(
    threads: int, g: Array, x: Array, out: Array, stride: Pair, corner: Pair, dilation: Pair
) -> None:
    """Compute `conv2d_weight`; the arguments are those of `convolve`, but `out` has the shape of w."""
    kH, kW = out.shape[2:]
    window = window_of(kH if kH * kW <= SUMS else 1, kW, *stride, *dilation)
    chunks = max(1, min(-(-UNITS // x.shape[1]), len(x)))
    totals = np.empty(chunks * out.size * VECTOR_BYTES // g.itemsize, g.dtype)
    correlate_chunk(threads, window, g, x, totals, out, corner, chunks)
    if chunks > 1:
        sum_chunks(1, totals, out, chunks)
