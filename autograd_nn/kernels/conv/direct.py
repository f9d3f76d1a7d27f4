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

from typing import NamedTuple, TypeAlias

import numpy as np

from ..annotations import Array, Pair, Shape
from ..compile import chunked, jit
from ..tile import BIAS_OF_ROW, VECTOR_BYTES, copy_every_second, copy_vector, lanes, multiply_tile

__all__ = ["convolve", "forward_plan", "input_plan"]

# Shapes of the register tile: the usual one; one of a single vector for what is left over of the pixels, one of few
# rows for what is left over of the channels; for groups of a single target channel (depthwise) one of many vectors.
ROWS, VECTORS = (8, 3) if VECTOR_BYTES == 64 else (4, 3)
FEW_ROWS = 2
MANY_VECTORS = 8

BAND_BYTES = 640 * 1024  # planes and result of one band: what the second-level cache holds beside the weights
PACKED_APART = 20_000  # weights from which on the threads share the packing instead of each doing all of it
UNPACKED = {np.dtype(each): np.empty(0, each) for each in (np.float32, np.float64)}
COPY_COST = 4  # multiply-adds a vector that copying the result out of the buffer costs


Taps: TypeAlias = list[tuple[int, int, int]]
Axis: TypeAlias = tuple[int, int, list[tuple[int, int, int, Taps]]]  # see `forward_axis`
Tables: TypeAlias = tuple[Array, ...]  # see `plan`


class Plan(NamedTuple):
    """Sizes of one convolution as `convolve` runs it, whether forward or input gradient."""

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


DEPTH = Plan._fields.index("depth")


# Written out: what a helper does not use of a table is then never loaded.


@jit(borrows=True)
def plan_of(t: Array) -> Plan:
    """Return a table as a named tuple."""
    return Plan(
        t[0], t[1], t[2], t[3], t[4], t[5], t[6], t[7], t[8], t[9], t[10], t[11], t[12], t[13], t[14],
        t[15], t[16], t[17], t[18], t[19], t[20], t[21], t[22], t[23], t[24], t[25], t[26], t[27],
    )  # fmt: skip


@jit(borrows=True)
def pass_of(t: Array, k: int) -> Pass:
    return Pass(t[k, 0], t[k, 1], t[k, 2], t[k, 3], t[k, 4], t[k, 5], t[k, 6], t[k, 7])


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
) -> Tables:
    """Plan `conv2d` for shapes x (N, C, H, W), w and out; `corner` is the padding (top, left)."""
    axes = [forward_axis(x[a], out[a], w[a], stride[a - 2], corner[a - 2], dilation[a - 2]) for a in (2, 3)]
    taps = w[2] * w[3]
    return plan(axes, x[2:], out[2:], w[0] // groups, w[1], w[3], (1, 1), stride, groups, w[1] * taps, taps, itemsize)


def input_plan(
    x: Shape, w: Shape, out: Shape, stride: Pair, corner: Pair, dilation: Pair, groups: int, itemsize: int
) -> Tables:
    """Plan `conv2d_input`, from a gradient of shape `out` to one of shape `x`."""
    axes = [input_axis(x[a], out[a], w[a], stride[a - 2], corner[a - 2], dilation[a - 2]) for a in (2, 3)]
    taps = w[2] * w[3]
    return plan(axes, out[2:], x[2:], w[1], w[0] // groups, w[3], stride, (1, 1), groups, taps, w[1] * taps, itemsize)


def plan(
    axes: list[Axis], size: Shape, target: Shape, rows: int, channels: int, kernel_width: int, step: Pair, split: Pair,
    groups: int, w_row: int, w_channel: int, itemsize: int,
) -> Tables:  # fmt: skip
    """Combine the two axes; see the module for passes and places.

    Returns
    -------
    plan : int64, a Plan
    passes : int64 (passes, 8), each row a Pass
    places : int64 (taps,), where each tap reads, relative to the first one of its pass
    w_taps : int64 (taps,), where each tap lies in the kernel
    bands : int64 (bands, 2), first and last row of the planes that each band reads
    blocks : int64 (blocks, 2), first row and number of rows of each block of a group's target channels
    """
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
    sizes = (
        groups, rows, channels, *size, *target, planes_y, planes_x, *split, top, left, plane_width, plane_size,
        channel_step, *step, band_count, depth, ceil_div(most_flat, vectors * width) * vectors * width,
        rows * channels * min(w_row, w_channel), w_row, w_channel, copied, by_rows, vectors, dense,
    )  # fmt: skip
    return (
        np.array(Plan(*map(int, sizes)), np.int64),
        np.array(passes, np.int64).reshape(-1, len(Pass._fields)),
        np.array(places, np.int64),
        np.array(w_taps, np.int64),
        np.array(bands, np.int64),
        np.array(blocks, np.int64).reshape(-1, 2),
    )


# --- Kernels ----------------------------------------------------------------------------------------------


@jit(borrows=True)
def pack_range(
    first: int, last: int, w: Array, packed: Array, plan: Array, passes: Array, w_taps: Array, blocks: Array
) -> None:
    """Copy the weights of the blocks `first` to `last`, counted over all groups, in the order tiles read them."""
    p = plan_of(plan)
    for each in range(first, last):
        row, count = blocks[each % blocks.shape[0], 0], blocks[each % blocks.shape[0], 1]
        start = each // blocks.shape[0] * p.w_group + row * p.w_row
        at = each * p.depth * ROWS
        for j in range(passes.shape[0]):
            this = pass_of(passes, j)
            for c in range(p.channels):
                for k in range(this.first_tap, this.last_tap):
                    source = start + c * p.w_channel + w_taps[k]
                    for i in range(count):
                        packed[at + i] = w[source + i * p.w_row]
                    for i in range(count, ROWS):
                        packed[at + i] = 0
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
    p = plan_of(plan)
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
    p = plan_of(plan)
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
    count: int, vectors: int, channels: int, a: Array, a_start: int, places: Array, b: Array, b_start: int,
    channel_step: int, b_vector: int, c: Array, c_start: int, c_row: int, c_vector: int, columns: int, bias: Array,
    bias_start: int, relu: bool,
) -> None:  # fmt: skip
    """Run the tile for `count` rows and so many vectors."""
    counts = (channels, 1, places.size)
    a_steps = (places.size * ROWS, 0, ROWS)
    b_steps = (channel_step, 0, places)
    keep = (count, columns)
    if vectors == MANY_VECTORS:
        multiply_tile(1, MANY_VECTORS, counts, a, a_start, a_steps, 1, b, b_start, b_steps, b_vector,
                      c, c_start, c_row, c_vector, keep, BIAS_OF_ROW, bias, bias_start, relu)  # fmt: skip
    elif vectors == 1:
        multiply_tile(ROWS, 1, counts, a, a_start, a_steps, 1, b, b_start, b_steps, b_vector,
                      c, c_start, c_row, c_vector, keep, BIAS_OF_ROW, bias, bias_start, relu)  # fmt: skip
    elif count > FEW_ROWS:
        multiply_tile(ROWS, VECTORS, counts, a, a_start, a_steps, 1, b, b_start, b_steps, b_vector,
                      c, c_start, c_row, c_vector, keep, BIAS_OF_ROW, bias, bias_start, relu)  # fmt: skip
    else:
        multiply_tile(FEW_ROWS, VECTORS, counts, a, a_start, a_steps, 1, b, b_start, b_steps, b_vector,
                      c, c_start, c_row, c_vector, keep, BIAS_OF_ROW, bias, bias_start, relu)  # fmt: skip


@jit(borrows=True)
def clear_pixels(this: Pass, row_count: int, block_rows: int, out: Array, out_start: int, plan: Array) -> None:
    """Write zeros where no tap reaches: a stride larger than the kernel."""
    p = plan_of(plan)
    for i in range(block_rows):
        for r in range(row_count):
            at = out_start + (i * p.target_height + r * p.step_y) * p.target_width
            for q in range(this.columns):
                out[at + q * p.step_x] = 0


@jit(borrows=True)
def compute_pass(
    this: Pass, band: int, block_rows: int, packed: Array, packed_start: int, places: Array, planes: Array,
    planes_start: int, plane_row: int, buffer: Array, out: Array, out_start: int, bias: Array, bias_start: int,
    relu: bool, plan: Array,
) -> None:  # fmt: skip
    """Compute the pixels of one pass in one band for one block of target channels."""
    p = plan_of(plan)
    width = lanes(out)
    first_row, last_row = this.rows * band // p.bands, this.rows * (band + 1) // p.bands
    row_count = last_row - first_row
    if row_count == 0:
        return
    out_start += (this.y + first_row * p.step_y) * p.target_width + this.x
    out_channel = p.target_height * p.target_width
    if places.size == 0:
        clear_pixels(this, row_count, block_rows, out, out_start, plan)
        return

    planes_start += (this.plane_y + first_row - plane_row) * p.plane_width + this.plane_x
    if p.by_rows:
        height, height_step, length, length_step = row_count, p.vectors, this.columns, width
        b_vector, c_vector = p.plane_width, p.target_width
    else:
        height, height_step = 1, 1
        length, length_step = (row_count - 1) * p.plane_width + this.columns, p.vectors * width
        b_vector, c_vector = width, width
    direct = p.by_rows or p.dense
    target = out if direct else buffer
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
                multiply_block(
                    block_rows, vectors, p.channels, packed, packed_start, places,
                    planes, planes_start + at_y * p.plane_width + at_q, p.channel_step, b_vector,
                    target, target_start + at_y * p.target_width + at_q, target_row, c_vector,
                    length - at_q if p.dense else vectors * width, bias, bias_start, relu,
                )  # fmt: skip
    if not direct:
        for i in range(block_rows):
            store_rows(buffer, i * p.flat_size, out, out_start + i * out_channel, plan, this, row_count)


@chunked
def pack_chunk(
    t: int, threads: int, w: Array, packed: Array, plan: Array, passes: Array, w_taps: Array, blocks: Array
) -> None:
    """Pack the t-th share of the weights."""
    count = plan[0] * blocks.shape[0]
    first, last = count * t // threads, count * (t + 1) // threads
    pack_range(first, last, w.reshape(-1), packed, plan, passes, w_taps, blocks)


@chunked
def convolve_chunk(
    t: int, threads: int, x: Array, w: Array, packed: Array, bias: Array, out: Array, relu: bool, plan: Array,
    passes: Array, places: Array, w_taps: Array, bands: Array, blocks: Array,
) -> None:  # fmt: skip
    """Compute the t-th share of the units, each one band of one image."""
    p = plan_of(plan)
    units = x.shape[0] * bands.shape[0]
    first, last = units * t // threads, units * (t + 1) // threads
    x, w, out = x.reshape(-1), w.reshape(-1), out.reshape(-1)
    block_count = blocks.shape[0]
    if packed.size == 0:
        packed = np.empty(p.groups * block_count * p.depth * ROWS, x.dtype)
        pack_range(0, p.groups * block_count, w, packed, plan, passes, w_taps, blocks)
    planes = np.empty(p.channels * p.channel_step if p.copied else 0, x.dtype)
    buffer = np.empty(0 if p.by_rows or p.dense else ROWS * p.flat_size, x.dtype)
    for unit in range(first, last):
        n, band = unit // p.bands, unit % p.bands
        for group in range(p.groups):
            start, row = (n * p.groups + group) * p.channels * p.height * p.width, 0
            if p.copied:
                row = bands[band, 0]
                fill_planes(x, start, planes, plan, row, bands[band, 1])
                start = 0
            for k in range(block_count):
                channel = group * p.rows + blocks[k, 0]
                out_start = (n * p.groups * p.rows + channel) * p.target_height * p.target_width
                for j in range(passes.shape[0]):
                    this = pass_of(passes, j)
                    compute_pass(
                        this, band, blocks[k, 1],
                        packed, ((group * block_count + k) * p.depth + p.channels * this.first_tap) * ROWS,
                        places[this.first_tap : this.last_tap],
                        planes if p.copied else x, start, row, buffer, out, out_start, bias, channel, relu, plan,
                    )  # fmt: skip


def convolve(
    threads: int, x: Array, w: Array, bias: Array | None, out: Array, tables: Tables, relu: bool = False
) -> None:
    """Run a plan: `forward_plan` from x to out, `input_plan` from the gradient of the output to that of x.

    Parameters
    ----------
    x : ndarray (N, channels, H, W), C-contiguous
    w : ndarray (Cout, Cin / groups, kH, kW), C-contiguous
    bias : ndarray (channels of out,) or None
    out : ndarray (N, channels, H', W'), C-contiguous, written
    tables : result of a plan function
    relu : bool
    """
    plan, passes, places, w_taps, bands, blocks = tables
    packed = UNPACKED[w.dtype]
    if w.size > PACKED_APART:
        packed = np.empty(int(plan[0]) * len(blocks) * int(plan[DEPTH]) * ROWS, w.dtype)
        pack_chunk(threads, w, packed, plan, passes, w_taps, blocks)
    if bias is None:
        bias = np.zeros(out.shape[1], w.dtype)
    convolve_chunk(threads, x, w, packed, bias, out, relu, plan, passes, places, w_taps, bands, blocks)
