"""Direct convolution on the register tile: forward and input gradient are one kernel under two plans.

Vectors run over the pixels of an image and the weights are broadcast, so that any number of channels fits
and nothing is unfolded. Three facts make one kernel enough:

- *Strides become planes.* With stride s, the tap i of a kernel reads the image rows y s + i. Split the
  (padded) image into s x s planes, plane (a, b) holding the pixels (s u + a, s v + b): tap i then reads plane
  i mod s at row y + i // s, and neighbouring outputs read neighbouring pixels. A tap is a *place*, an offset
  from the output's pixel, and the sum over taps is a loop over a table of places. Dilation changes nothing.
- *Strided gradients become passes.* The gradient at image row y collects g[oy] w[i] over oy s + i = y + top:
  rows of equal (y + top) mod s see the same taps i, as a kernel of stride 1 over g. Each such set of pixels is a
  *pass*, written to every s-th pixel.
- *Stride 1 is both at once*: one plane, one pass. Its input gradient is the forward convolution of g with the
  reversed kernel, input and output channels exchanged.

A plan (`forward_plan`, `input_plan`) lists passes and places in small tables. Within a pass the result is
computed tile by tile in one of two orders. *By rows*: a tile covers a few rows of one vector width and is
written to its place at once; the last column of tiles is shifted inwards, overlapping its neighbour, so that no
size is special. *Flat*: tiles run over the padded plane as if it were one long row, which also computes the few
pixels between the end of a row and the beginning of the next; rows are then copied out of a small buffer. Flat
wastes less where rows are short.

An image is worked on in bands of rows, sized so that the planes of one band stay in the second-level cache.
"""

from __future__ import annotations

import math
from typing import NamedTuple, TypeAlias

import numpy as np

from ..annotations import Array, Pair, Shape, Triple
from ..compile import chunked, jit
from ..records import flat, record, table_of
from ..tile import (
    BIAS_OF_ROW,
    VECTOR_BYTES,
    Columns,
    Place,
    Rows,
    Target,
    copy_every_second,
    copy_vector,
    lanes,
    multiply_tile,
)

__all__ = ["convolve", "forward_plan", "input_plan"]

# Shapes of the register tile: the usual one; one of a single vector for what is left over of the pixels, one of few
# rows for what is left over of the channels; for groups of a single target channel (depthwise) one of many vectors.
ROWS, VECTORS = (8, 3) if VECTOR_BYTES == 64 else (4, 3)
FEW_ROWS = 2
MANY_VECTORS = 8

BAND_BYTES = 128 * 1024  # planes and result of one band, which stay in a second-level cache of 512 KiB
PACKED_APART = 20_000  # weights from which on the threads share the packing instead of each doing all of it
UNPACKED = {np.dtype(each): np.empty(0, each) for each in (np.float32, np.float64)}
COPY_COST = 4  # multiply-adds a vector that copying the result out of the buffer costs


Taps: TypeAlias = list[tuple[int, int, int]]
Axis: TypeAlias = tuple[int, int, list[tuple[int, int, int, Taps]]]  # see `forward_axis`


class Plan(NamedTuple):
    """Sizes of one convolution as `convolve` runs it, whether forward or input gradient.

    It is followed in its table by passes, places, taps, bands and blocks; `*_at` is where each of them begins.
    """

    groups: int
    rows: int  # target channels of a group
    channels: int  # source channels of a group
    height: int  # of the source
    width: int
    target_height: int
    target_width: int
    planes_y: int  # planes that a source channel is split into
    planes_x: int
    split_y: int  # plane (a, b) holds the padded source's pixels (split_y u + a, split_x v + b)
    split_x: int
    top: int  # padding of the source
    left: int
    plane_width: int
    plane_size: int
    channel_step: int  # elements from one source channel to the next
    step_y: int  # target rows, columns from one pixel of a pass to the next
    step_x: int
    bands: int
    depth: int  # weights of one target channel
    flat_size: int  # elements of one target channel in the buffer of the flat order
    w_group: int  # elements of w from one group, target channel, source channel to the next
    w_row: int
    w_channel: int
    copied: int  # whether planes are copied; otherwise the source itself is the plane
    by_rows: int  # order of the tiles: by rows or flat
    vectors: int  # of the tile
    dense: int  # flat, and no pixels between rows: the target itself is the buffer
    block_count: int
    pass_count: int
    passes_at: int  # a Pass each
    places_at: int  # where each tap reads, relative to the first one of its pass
    taps_at: int  # where each tap lies in the kernel
    bands_at: int  # first and last row of the planes that each band reads
    blocks_at: int  # first row and number of rows of each block of a group's target channels


class Pass(NamedTuple):
    """A set of target pixels, (y + step_y r, x + step_x q), that see the same taps."""

    y: int
    x: int
    rows: int
    columns: int
    plane_y: int  # where in the plane the first tap of the first pixel lies
    plane_x: int
    first_tap: int  # of the tables of taps
    last_tap: int


PASS, PASSES = len(Pass._fields), len(Plan._fields)  # size of a Pass; where passes begin in the table
PACKED = tuple(Plan._fields.index(name) for name in ("groups", "block_count", "depth"))  # they multiply to its size


# --- Plans ------------------------------------------------------------------------------------------------


def ceil_div(a: int, b: int) -> int:
    return -(-a // b)


def forward_axis(size: int, out_size: int, taps: int, stride: int, before: int, dilation: int) -> Axis:
    """Plan one axis of the forward convolution.

    Returns
    -------
    planes : int
    before : int, padding
    passes : list of (first target pixel, number of pixels, first plane pixel, taps),
        where taps is a list of (plane, offset in it, index in the kernel)
    """
    places = [(dilation * i % stride, dilation * i // stride, i) for i in range(taps)]
    return 1 + max(plane for plane, _, _ in places), before, [(0, out_size, 0, places)]


def input_axis(size: int, out_size: int, taps: int, stride: int, before: int, dilation: int) -> Axis:
    """Plan one axis of the gradient in the input, like `forward_axis`."""
    passes, padding = [], 0
    for first in range(min(stride, size)):
        # The target pixel `first` collects from g at this position what tap i has sent it:
        sources = [((first + before - dilation * i) // stride, i)
                   for i in reversed(range(taps)) if (first + before - dilation * i) % stride == 0]  # fmt: skip
        start = sources[0][0] if sources else 0
        places = [(0, source - start, i) for source, i in sources]
        passes.append((first, ceil_div(size - first, stride), start, places))
        padding = max(padding, -start)
    return 1, padding, [(first, count, start + padding, places) for first, count, start, places in passes]


def forward_plan(
    x: Shape, w: Shape, out: Shape, stride: Pair, corner: Pair, dilation: Pair, groups: int, itemsize: int
) -> Array:
    """Plan `conv2d` for shapes x (N, C, H, W), w and out; `corner` is the padding (top, left)."""
    axes = [forward_axis(x[a], out[a], w[a], stride[a - 2], corner[a - 2], dilation[a - 2]) for a in (2, 3)]
    taps = w[2] * w[3]
    return plan(axes, x[2:], out[2:], w[0] // groups, w[1], w[3], (1, 1), stride, groups, w[1] * taps, taps, itemsize)


def input_plan(
    x: Shape, w: Shape, out: Shape, stride: Pair, corner: Pair, dilation: Pair, groups: int, itemsize: int
) -> Array:
    """Plan `conv2d_input`, from a gradient of shape `out` to one of shape `x`."""
    axes = [input_axis(x[a], out[a], w[a], stride[a - 2], corner[a - 2], dilation[a - 2]) for a in (2, 3)]
    taps = w[2] * w[3]
    return plan(axes, out[2:], x[2:], w[1], w[0] // groups, w[3], stride, (1, 1), groups, taps, w[1] * taps, itemsize)


def plan(
    axes: list[Axis], size: Shape, target: Shape, rows: int, channels: int, kernel_width: int, step: Pair, split: Pair,
    groups: int, w_row: int, w_channel: int, itemsize: int,
) -> Array:  # fmt: skip
    """Combine the two axes; see the module for passes and places. Return the table of a `Plan` and what follows it."""
    width = VECTOR_BYTES // itemsize
    line = 64 // itemsize
    vectors = MANY_VECTORS if rows == 1 else VECTORS
    (planes_y, top, passes_y), (planes_x, left, passes_x) = axes
    planes = planes_y * planes_x

    plane_width = max(
        (start + columns + max((offset for _, offset, _ in taps), default=0) for _, columns, start, taps in passes_x),
        default=1,
    )
    most_rows = max((count for _, count, _, _ in passes_y), default=0)
    most_columns = max((count for _, count, _, _ in passes_x), default=0)
    reach = max((offset for *_, taps in passes_y for _, offset, _ in taps), default=0)
    row_bytes = itemsize * plane_width * (channels * planes + ROWS)
    band_rows = max(BAND_BYTES // row_bytes - reach, vectors, ceil_div(most_rows, 64))
    band_count = max(1, ceil_div(most_rows, band_rows))
    bands = []
    for band in range(band_count):
        spans = [
            (start + count * band // band_count, start + count * (band + 1) // band_count + taps[-1][1])
            for _, count, start, taps in passes_y if taps
        ]  # fmt: skip
        bands.append((min((s[0] for s in spans), default=0), max((s[1] for s in spans), default=0)))
    plane_rows = max(last - first for first, last in bands)

    least_rows = min((count for _, count, _, _ in passes_y), default=0) // band_count
    least_columns = min((count for _, count, _, _ in passes_x), default=0)
    least_flat = (least_rows - 1) * plane_width + least_columns
    most_flat = (ceil_div(most_rows, band_count) - 1) * plane_width + most_columns
    taps_all = sum(len(ty) * len(tx) for *_, ty in passes_y for *_, tx in passes_x)
    depth = channels * taps_all
    simple = len(passes_y) * len(passes_x) == 1 and step == (1, 1)
    dense = simple and most_columns == plane_width == target[1]
    row_cost = depth * ceil_div(most_columns, width) * width
    by_rows = (
        simple and not dense and most_columns >= width and least_rows >= vectors
        and row_cost < (depth + COPY_COST) * plane_width
    )  # fmt: skip
    # Without a copy, tiles must not read beyond the source. Channels a multiple of 4 KiB apart evict each other.
    in_place = planes == 1 and split == (1, 1) and top == left == 0 and plane_width == size[1]
    aliased = size[0] * size[1] * itemsize % 4096 == 0 and channels > 4
    copied = (
        not in_place or aliased or bands[-1][1] > size[0] or (not by_rows and least_flat < vectors * width)
    )
    plane_size = ceil_div(plane_rows * plane_width + (vectors + 1) * width, line) * line
    channel_step = planes * plane_size if copied else size[0] * size[1]
    if copied and channel_step // line % 2 == 0:
        channel_step += line

    passes: list[tuple[int, ...]] = []
    places: list[int] = []
    w_taps: list[int] = []
    for y, row_count, plane_y, taps_y in passes_y:
        for x, columns, plane_x, taps_x in passes_x:
            first = len(places)
            for a, row, i in taps_y:
                for b, column, j in taps_x:
                    places.append((a * planes_x + b) * plane_size + row * plane_width + column)
                    w_taps.append(i * kernel_width + j)
            passes.append((y, x, row_count, columns, plane_y, plane_x, first, len(places)))
    blocks, at = [], 0
    while at < rows:
        count = ROWS if rows - at > ROWS // 2 else FEW_ROWS
        blocks.append((at, min(count, rows - at)))
        at += count
    flat_size = ceil_div(most_flat, vectors * width) * vectors * width
    parts = passes, places, w_taps, bands, blocks
    places_at, taps_at, bands_at, blocks_at = np.cumsum([np.size(part) for part in parts[:-1]]) + PASSES
    sizes = (
        groups, rows, channels, *size, *target, planes_y, planes_x, *split, top, left, plane_width, plane_size,
        channel_step, *step, band_count, depth, flat_size, rows * channels * min(w_row, w_channel), w_row, w_channel,
        copied, by_rows, vectors, dense, len(blocks), len(passes), PASSES, places_at, taps_at, bands_at, blocks_at,
    )  # fmt: skip
    return table_of(Plan(*map(int, sizes)), *parts)


# --- Kernels ----------------------------------------------------------------------------------------------


@jit(borrows=True)
def pack_range(first: int, last: int, w: Array, packed: Array, plan: Array) -> None:
    """Copy the weights of the blocks `first` to `last`, counted over all groups, in the order tiles read them."""
    p = record(Plan, plan, 0)
    for each in range(first, last):
        block = p.blocks_at + 2 * (each % p.block_count)
        row, count = plan[block], plan[block + 1]
        start = each // p.block_count * p.w_group + row * p.w_row
        at = each * p.depth * ROWS
        for j in range(p.pass_count):
            this = record(Pass, plan, p.passes_at + j * PASS)
            for c in range(p.channels):
                for k in range(p.taps_at + this.first_tap, p.taps_at + this.last_tap):
                    source = start + c * p.w_channel + plan[k]
                    for i in range(ROWS):
                        packed[at + i] = w[source + i * p.w_row] if i < count else w.dtype.type(0)
                    at += ROWS


@jit(borrows=True, inline=True)
def copy_row(source: Array, start: int, target: Array, at: int, count: int) -> None:
    """Copy `count` neighbours by whole vectors, the last of which overlaps the one before."""
    width = lanes(source)
    if count >= width:
        for q in range(0, count - width, width):
            copy_vector(source, start + q, target, at + q, width)
        copy_vector(source, start + count - width, target, at + count - width, width)
    else:
        for q in range(count):
            target[at + q] = source[start + q]


@jit(borrows=True)
def gather_row(source: Array, start: int, step: int, target: Array, at: int, count: int) -> None:
    """Copy `count` elements that lie `step` apart."""
    width = lanes(source)
    if step == 2 and count >= width:
        for q in range(0, count - width, width):
            copy_every_second(source, start + 2 * q, target, at + q)
        copy_every_second(source, start + 2 * (count - width), target, at + count - width)
    else:
        for q in range(count):
            target[at + q] = source[start + q * step]


@jit(borrows=True)
def clear_run(target: Array, at: int, count: int) -> None:
    """Write `count` zeros, by whole vectors where there is one."""
    width = lanes(target)
    if count >= width:
        for q in range(0, count - width, width):
            copy_vector(target, 0, target, at + q, 0)
        copy_vector(target, 0, target, at + count - width, 0)
    else:
        for q in range(count):
            target[at + q] = 0


@jit(borrows=True)
def fill_planes(x: Array, start: int, planes: Array, plan: Array, first_row: int, last_row: int) -> None:
    """Copy rows of one group's channels of one image, with borders of zeros and split by stride."""
    p = record(Plan, plan, 0)
    width = lanes(x)
    for c in range(p.channels):
        for plane in range(p.planes_y * p.planes_x):
            a, b = plane // p.planes_x, plane % p.planes_x
            at = c * p.channel_step + plane * p.plane_size
            first = min(p.plane_width, max(0, -((b - p.left) // p.split_x)))
            last = max(first, min(p.plane_width, (p.width - 1 - b + p.left) // p.split_x + 1))
            right = p.plane_width - last
            # A border narrower than a vector is cleared as one, which what is copied then overwrites.
            narrow = p.plane_width >= width and first <= width and right <= width
            for u in range(first_row, last_row):
                y = u * p.split_y + a - p.top
                if y < 0 or y >= p.height or first == last:
                    clear_run(planes, at, p.plane_width)
                else:
                    if narrow:
                        if first > 0:
                            copy_vector(x, 0, planes, at, 0)
                        if right > 0:
                            copy_vector(x, 0, planes, at + p.plane_width - width, 0)
                    else:
                        clear_run(planes, at, first)
                        clear_run(planes, at + last, right)
                    source = start + (c * p.height + y) * p.width + first * p.split_x + b - p.left
                    if p.split_x == 1:
                        copy_row(x, source, planes, at + first, last - first)
                    else:
                        gather_row(x, source, p.split_x, planes, at + first, last - first)
                at += p.plane_width


@jit(borrows=True)
def store_rows(source: Array, start: int, target: Array, at: int, plan: Array, this: Pass, row_count: int) -> None:
    """Copy the rows of a flat result to their place."""
    p = record(Plan, plan, 0)
    for _ in range(row_count):
        if p.step_x == 1:
            copy_row(source, start, target, at, this.columns)
        else:
            for q in range(this.columns):
                target[at + q * p.step_x] = source[start + q]
        start += p.plane_width
        at += p.step_y * p.target_width


@jit(borrows=True, inline=True)
def multiply_block(
    count: int, vectors: int, counts: Triple, a: Rows, b: Columns, c: Target, columns: int, bias: Place, relu: bool
) -> None:
    """Run the tile for `count` rows and so many vectors."""
    keep = (count, columns)
    if vectors == MANY_VECTORS:
        multiply_tile(1, MANY_VECTORS, counts, a, b, c, keep, BIAS_OF_ROW, bias, relu)
    elif vectors == 1:
        multiply_tile(ROWS, 1, counts, a, b, c, keep, BIAS_OF_ROW, bias, relu)
    elif count > FEW_ROWS:
        multiply_tile(ROWS, VECTORS, counts, a, b, c, keep, BIAS_OF_ROW, bias, relu)
    else:
        multiply_tile(FEW_ROWS, VECTORS, counts, a, b, c, keep, BIAS_OF_ROW, bias, relu)


@jit(borrows=True)
def clear_pixels(this: Pass, row_count: int, block_rows: int, out: Place, plan: Array) -> None:
    """Write zeros where no tap reaches: a stride larger than the kernel."""
    p = record(Plan, plan, 0)
    for i in range(block_rows):
        for r in range(row_count):
            at = out.start + (i * p.target_height + r * p.step_y) * p.target_width
            for q in range(this.columns):
                out.array[at + q * p.step_x] = 0


@jit(borrows=True)
def compute_pass(
    this: Pass, band: int, block_rows: int, packed: Place, places: Array, planes: Place, plane_row: int,
    buffer: Array, out: Place, bias: Place, relu: bool, plan: Array,
) -> None:  # fmt: skip
    """Compute the pixels of one pass in one band for one block of target channels."""
    p = record(Plan, plan, 0)
    width = lanes(out.array)
    first_row, last_row = this.rows * band // p.bands, this.rows * (band + 1) // p.bands
    row_count = last_row - first_row
    if row_count == 0:
        return
    out_start = out.start + (this.y + first_row * p.step_y) * p.target_width + this.x
    out_channel = p.target_height * p.target_width
    if places.size == 0:
        clear_pixels(this, row_count, block_rows, Place(out.array, out_start), plan)
        return

    planes_start = planes.start + (this.plane_y + first_row - plane_row) * p.plane_width + this.plane_x
    counts = (p.channels, 1, places.size)
    a = Rows(packed.array, packed.start, (places.size * ROWS, 0, ROWS), 1)
    if p.by_rows:
        height, height_step, length, length_step = row_count, p.vectors, this.columns, width
        b_vector, c_vector = p.plane_width, p.target_width
    else:
        height, height_step = 1, 1
        length, length_step = (row_count - 1) * p.plane_width + this.columns, p.vectors * width
        b_vector, c_vector = width, width
    direct = p.by_rows or p.dense
    target = out.array if direct else buffer
    target_start = out_start if direct else 0
    target_row = out_channel if direct else p.flat_size
    has_single = p.vectors == VECTORS and block_rows > FEW_ROWS
    for y in range(0, height, height_step):
        for q in range(0, length, length_step):
            # Near the end fewer vectors are needed: then one at a time, or a whole tile shifted inwards.
            needed = height - y if p.by_rows else (length - q + width - 1) // width
            single = has_single and needed < p.vectors
            vectors = 1 if single else p.vectors
            for k in range(needed if single else 1):
                if p.by_rows:
                    at_y, at_q = min(y + k, height - vectors), min(q, length - width)
                else:
                    at_y, at_q = 0, q + k * width
                    if not p.copied:
                        at_q = min(at_q, length - vectors * width)
                b_start = planes_start + at_y * p.plane_width + at_q
                c_start = target_start + at_y * p.target_width + at_q
                multiply_block(
                    block_rows, vectors, counts, a,
                    Columns(planes.array, b_start, (p.channel_step, 0, places), b_vector),
                    Target(target, c_start, target_row, c_vector),
                    length - at_q if p.dense else vectors * width, bias, relu,
                )  # fmt: skip
    if not direct:
        for i in range(block_rows):
            store_rows(buffer, i * p.flat_size, out.array, out_start + i * out_channel, plan, this, row_count)


@chunked
def pack_chunk(t: int, threads: int, w: Array, packed: Array, plan: Array) -> None:
    """Pack the t-th share of the weights."""
    p = record(Plan, plan, 0)
    count = p.groups * p.block_count
    pack_range(count * t // threads, count * (t + 1) // threads, flat(w), packed, plan)


@chunked
def convolve_chunk(
    t: int, threads: int, x: Array, w: Array, packed: Array, bias: Array, out: Array, relu: bool, plan: Array
) -> None:
    """Compute the t-th share of the units, each one band of one image."""
    p = record(Plan, plan, 0)
    units = x.shape[0] * p.bands
    first, last = units * t // threads, units * (t + 1) // threads
    x, w, out = flat(x), flat(w), flat(out)
    if packed.size == 0:
        packed = np.empty(p.groups * p.block_count * p.depth * ROWS, x.dtype)
        pack_range(0, p.groups * p.block_count, w, packed, plan)
    planes = np.empty(p.channels * p.channel_step if p.copied else 0, x.dtype)
    buffer = np.empty(0 if p.by_rows or p.dense else ROWS * p.flat_size, x.dtype)
    for unit in range(first, last):
        n, band = unit // p.bands, unit % p.bands
        for group in range(p.groups):
            start, row = (n * p.groups + group) * p.channels * p.height * p.width, 0
            if p.copied:
                row = plan[p.bands_at + 2 * band]
                fill_planes(x, start, planes, plan, row, plan[p.bands_at + 2 * band + 1])
                start = 0
            for k in range(p.block_count):
                channel = group * p.rows + plan[p.blocks_at + 2 * k]
                out_start = (n * p.groups * p.rows + channel) * p.target_height * p.target_width
                for j in range(p.pass_count):
                    this = record(Pass, plan, p.passes_at + j * PASS)
                    weights = ((group * p.block_count + k) * p.depth + p.channels * this.first_tap) * ROWS
                    compute_pass(
                        this, band, plan[p.blocks_at + 2 * k + 1], Place(packed, weights),
                        plan[p.places_at + this.first_tap : p.places_at + this.last_tap],
                        Place(planes if p.copied else x, start), row, buffer, Place(out, out_start),
                        Place(bias, channel), relu, plan,
                    )  # fmt: skip


def convolve(
    threads: int, x: Array, w: Array, bias: Array | None, out: Array, plan: Array, relu: bool = False
) -> None:
    """Run a plan: `forward_plan` from x to out, `input_plan` from the gradient of the output to that of x.

    Parameters
    ----------
    x : ndarray (N, channels, H, W), C-contiguous
    w : ndarray (Cout, Cin / groups, kH, kW), C-contiguous
    bias : ndarray (channels of out,) or None
    out : ndarray (N, channels, H', W'), C-contiguous, written
    plan : result of a plan function
    relu : bool
    """
    packed = UNPACKED[w.dtype]
    if w.size > PACKED_APART:
        packed = np.empty(math.prod(int(plan[at]) for at in PACKED) * ROWS, w.dtype)
        pack_chunk(threads, w, packed, plan)
    if bias is None:
        bias = np.zeros(out.shape[1], w.dtype)
    convolve_chunk(threads, x, w, packed, bias, out, relu, plan)
