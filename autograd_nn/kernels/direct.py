"""Direct convolution on the register tile: forward and input gradient are one kernel under two plans.

Vectors run over the pixels of an image and the weights are broadcast, so that any number of channels fits
and nothing is unfolded. Three facts make one kernel enough:

- *Strides become planes.* With stride s, the tap i of a kernel reads the image rows y s + i. Split the
  (padded) image into s x s planes, plane (a, b) holding the pixels (s u + a, s v + b): tap i then reads plane
  i mod s at row y + i // s, side by side for neighbouring y. Each plane has its own share of the taps, a small
  kernel of stride 1: a *term* of the sum.
- *Strided gradients become passes.* The gradient at image row y collects g[oy] w[i] over oy s + i = y + top:
  rows of equal (y + top) mod s see the same taps i, again a kernel of stride 1 (reversed) over g. Each such
  set of pixels is a *pass* of one term, written to every s-th pixel.
- *Stride 1 is both at once*: one pass of one term. Its input gradient is the forward convolution of g with the
  reversed kernel, input and output channels exchanged.

A plan (`forward_plan`, `input_plan`) lists passes and terms in three small tables. Within a pass the result is
computed tile by tile in one of two orders. *By rows*: a tile covers a few rows of one vector width and is
written to its place at once; the last column and row of tiles are shifted inwards, overlapping their neighbours,
so that no size is special. *Flat*: tiles run over the padded plane as if it were one long row, which also
computes the few pixels between the end of a row and the beginning of the next; rows are then copied out of a
small buffer. Flat wastes less where rows are short.

An image is worked on in bands of rows, sized so that the planes of one band stay in the second-level cache.
"""

from typing import NamedTuple

import numpy as np

from .compile import chunked, jit
from .tile import ADD, BIAS_OF_ROW, VECTOR_BYTES, ZERO, copy_vector, lanes, multiply_tile

__all__ = ["convolve", "forward_plan", "input_plan"]

# Shapes of the register tile: the usual one, a small one for what is left over of the target channels, and for
# groups of a single target channel (depthwise) one of many vectors.
ROWS, VECTORS = (8, 3) if VECTOR_BYTES == 64 else (4, 3)
FEW_ROWS = 2
MANY_VECTORS = 8

BAND_BYTES = 640 * 1024  # planes and result of one band: what the second-level cache holds beside the weights
PACKED_APART = 20_000  # weights from which on the threads share the packing instead of each doing all of it
UNPACKED = {np.dtype(each): np.empty(0, each) for each in (np.float32, np.float64)}
COPY_COST = 4  # multiply-adds a vector that copying the result out of the buffer costs


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
    tap_y: int  # plane rows, columns from one tap to the next
    tap_x: int
    step_y: int  # target rows, columns from one pixel of a pass to the next
    step_x: int
    bands: int
    depth: int  # weights of one target channel, over all passes and terms
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
    first_term: int
    last_term: int


class Term(NamedTuple):
    """The share of one plane in a pass: a small kernel of stride 1."""

    plane: int
    taps_y: int
    taps_x: int
    w_start: int  # elements of w to the first tap, and from tap to tap
    w_step_y: int
    w_step_x: int
    packed: int  # weights packed before it


DEPTH = Plan._fields.index("depth")
PLAN_SIZE, PASS_SIZE, TERM_SIZE = len(Plan._fields), len(Pass._fields), len(Term._fields)


# Written out: what a helper does not use of a table is then never loaded.


@jit(borrows=True)
def plan_of(t):
    """Return a table as a named tuple."""
    return Plan(
        t[0], t[1], t[2], t[3], t[4], t[5], t[6], t[7], t[8], t[9], t[10], t[11], t[12], t[13], t[14],
        t[15], t[16], t[17], t[18], t[19], t[20], t[21], t[22], t[23], t[24], t[25], t[26], t[27], t[28], t[29],
    )  # fmt: skip


@jit(borrows=True)
def pass_of(t, k):
    return Pass(t[k, 0], t[k, 1], t[k, 2], t[k, 3], t[k, 4], t[k, 5], t[k, 6], t[k, 7])


@jit(borrows=True)
def term_of(t, k):
    return Term(t[k, 0], t[k, 1], t[k, 2], t[k, 3], t[k, 4], t[k, 5], t[k, 6])


def ceil_div(a: int, b: int) -> int:
    return -(-a // b)


def forward_axis(size, out_size, taps, stride, before, dilation):
    """Return planes, padding before, passes and terms of one axis for the forward convolution."""
    terms = [(a, ceil_div(taps - a, stride), a, stride) for a in range(min(stride, taps))]
    return min(stride, taps), before, [(0, out_size, 0, terms)]


def input_axis(size, out_size, taps, stride, before, dilation):
    """Return planes, padding before, passes and terms of one axis for the gradient in the input."""
    passes, padding = [], 0
    for phase in range(stride):
        first = (phase - before) % stride
        count = ceil_div(size - first, stride) if first < size else 0
        number = ceil_div(taps - phase, stride) if phase < taps else 0
        start = (first + before) // stride - dilation * (number - 1)
        terms = [(0, number, phase + stride * (number - 1), -stride)] if number else []
        if count:
            passes.append((first, count, start, terms))
            padding = max(padding, -start if number else 0)
    return 1, padding, [(first, count, start + padding, terms) for first, count, start, terms in passes]


def forward_plan(x, w, out, stride, corner, dilation, groups, itemsize):
    """Plan `conv2d` for shapes x (N, C, H, W), w and out; `corner` is the padding (top, left)."""
    axes = [forward_axis(x[a], out[a], w[a], stride[a - 2], corner[a - 2], dilation[a - 2]) for a in (2, 3)]
    taps = w[2] * w[3]
    return plan(
        axes, x[2:], out[2:], w[0] // groups, w[1], w[2:], dilation, (1, 1), stride, groups,
        w[1] * taps, taps, itemsize,
    )  # fmt: skip


def input_plan(x, w, out, stride, corner, dilation, groups, itemsize):
    """Plan `conv2d_input`, from a gradient of shape `out` to one of shape `x`."""
    axes = [input_axis(x[a], out[a], w[a], stride[a - 2], corner[a - 2], dilation[a - 2]) for a in (2, 3)]
    taps = w[2] * w[3]
    return plan(
        axes, out[2:], x[2:], w[1], w[0] // groups, w[2:], dilation, stride, (1, 1), groups,
        taps, w[1] * taps, itemsize,
    )  # fmt: skip


def plan(
    axes, size, target, rows, channels, kernel, dilation, step, split, groups, w_row, w_channel, itemsize
):
    """Combine the two axes; see the module for passes and terms.

    Returns
    -------
    plan : int64 (PLAN_SIZE,), a Plan
    passes, terms : int64 (passes, PASS_SIZE), (terms, TERM_SIZE), each row a Pass, a Term
    bands : int64 (bands, 2), first and last row of the planes that each band reads
    blocks : int64 (blocks, 2), first row and number of rows of each block of a group's target channels
    """
    width = VECTOR_BYTES // itemsize
    vectors = MANY_VECTORS if rows == 1 else VECTORS
    step_columns = vectors * width
    (planes_y, top, passes_y), (planes_x, left, passes_x) = axes
    passes, terms, packed = [], [], 0
    plane_width = 1
    for y, row_count, plane_y, terms_y in passes_y:
        for x, columns, plane_x, terms_x in passes_x:
            first = len(terms)
            for a, taps_y, start_y, step_y in terms_y:
                for b, taps_x, start_x, step_x in terms_x:
                    terms.append((a * planes_x + b, taps_y, taps_x, start_y * kernel[1] + start_x,
                                  step_y * kernel[1], step_x, packed))  # fmt: skip
                    packed += channels * taps_y * taps_x
                    plane_width = max(plane_width, plane_x + columns + (taps_x - 1) * dilation[1])
            passes.append((y, x, row_count, columns, plane_y, plane_x, first, len(terms)))

    most_rows = max((each[2] for each in passes), default=0)
    columns = max((each[3] for each in passes), default=0)
    taps_y = max((each[1] for each in terms), default=0)
    planes = planes_y * planes_x
    row_bytes = itemsize * plane_width * (channels * planes + ROWS)
    band_rows = max(BAND_BYTES // row_bytes - (taps_y - 1) * dilation[0], vectors, ceil_div(most_rows, 64))
    band_count = max(1, ceil_div(most_rows, band_rows))
    bands = []
    for band in range(band_count):
        spans = [
            (plane_y + row_count * band // band_count,
             plane_y + row_count * (band + 1) // band_count + (terms[first][1] - 1) * dilation[0])
            for _, _, row_count, _, plane_y, _, first, last in passes if last > first
        ]  # fmt: skip
        bands.append((min((s[0] for s in spans), default=0), max((s[1] for s in spans), default=0)))
    plane_rows = max(last - first for first, last in bands)

    simple = len(passes) == 1 and step == (1, 1)
    band_rows = most_rows // band_count
    flat_size = ceil_div((ceil_div(most_rows, band_count) - 1) * plane_width + columns, step_columns) * step_columns
    fits = simple and columns >= width and band_rows >= vectors
    by_rows = fits and packed * ceil_div(columns, width) * width < (packed + COPY_COST) * plane_width
    dense = simple and columns == plane_width == target[1]
    by_rows = by_rows and not dense
    unpadded = planes == 1 and split == (1, 1) and top == left == 0 and plane_width == size[1]
    least = band_rows * plane_width - plane_width + columns
    aliased = size[0] * size[1] * itemsize % 4096 == 0 and channels > 4
    copied = not (unpadded and not aliased and bands[-1][1] <= size[0]
                  and (by_rows or least >= step_columns))  # fmt: skip
    line = 64 // itemsize
    plane_size = ceil_div(plane_rows * plane_width + (vectors + 1) * width, line) * line
    channel_step = planes * plane_size if copied else size[0] * size[1]
    if copied and channel_step // line % 2 == 0:
        channel_step += line

    blocks, at = [], 0
    while at < rows:
        left_over = rows - at
        count = ROWS if left_over > ROWS // 2 else FEW_ROWS
        blocks.append((at, min(count, left_over)))
        at += count
    sizes = Plan(
        groups, rows, channels, *size, *target, planes_y, planes_x, *split, top, left, plane_width, plane_size,
        channel_step, *dilation, *step, band_count, packed, flat_size, rows * channels * kernel[0] * kernel[1],
        w_row, w_channel, copied, by_rows, vectors, dense,
    )  # fmt: skip
    return (
        np.array(sizes, np.int64),
        np.array(passes, np.int64).reshape(-1, PASS_SIZE),
        np.array(terms, np.int64).reshape(-1, TERM_SIZE),
        np.array(bands, np.int64),
        np.array(blocks, np.int64).reshape(-1, 2),
    )


@jit(borrows=True)
def pack_block(w, w_start, count, packed, at, plan, terms):
    """Copy the weights of `count` target channels in the order in which tiles read them."""
    p = plan_of(plan)
    for k in range(terms.shape[0]):
        term = term_of(terms, k)
        for c in range(p.channels):
            for u in range(term.taps_y):
                for v in range(term.taps_x):
                    source = w_start + c * p.w_channel + term.w_start + u * term.w_step_y + v * term.w_step_x
                    for i in range(count):
                        packed[at + i] = w[source + i * p.w_row]
                    for i in range(count, ROWS):
                        packed[at + i] = 0
                    at += ROWS


@jit(borrows=True)
def copy_row(source, start, target, at, count):
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
def fill_planes(x, start, planes, plan, first_row, last_row):
    """Copy rows of one group's channels of one image, with borders of zeros and split by stride."""
    p = plan_of(plan)
    for c in range(p.channels):
        for plane in range(p.planes_y * p.planes_x):
            a, b = plane // p.planes_x, plane % p.planes_x
            at = c * p.channel_step + plane * p.plane_size
            first = max(0, -((b - p.left) // p.split_x))
            last = max(first, min(p.plane_width, (p.width - 1 - b + p.left) // p.split_x + 1))
            for u in range(first_row, last_row):
                y = u * p.split_y + a - p.top
                if y < 0 or y >= p.height or first == last:
                    for v in range(p.plane_width):
                        planes[at + v] = 0
                else:
                    source = start + (c * p.height + y) * p.width + first * p.split_x + b - p.left
                    for v in range(first):
                        planes[at + v] = 0
                    if p.split_x == 1:
                        copy_row(x, source, planes, at + first, last - first)
                    else:
                        for v in range(last - first):
                            planes[at + first + v] = x[source + v * p.split_x]
                    for v in range(last, p.plane_width):
                        planes[at + v] = 0
                at += p.plane_width


@jit(borrows=True)
def store_rows(source, start, target, at, plan, this, row_count):
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


@jit(borrows=True)
def multiply_block(count, vectors, counts, a, a_start, b, b_start, b_steps, b_vector,
                   c, c_start, c_row, c_vector, columns, begin, bias, bias_start, relu):  # fmt: skip
    """Run the smallest tile that holds `count` rows."""
    a_steps = (counts[1] * counts[2] * ROWS, counts[2] * ROWS, ROWS)
    keep = (count, columns)
    if vectors == MANY_VECTORS:
        multiply_tile(1, MANY_VECTORS, counts, a, a_start, a_steps, 1, b, b_start, b_steps, b_vector,
                      c, c_start, c_row, c_vector, keep, begin, bias, bias_start, relu)  # fmt: skip
    elif count > FEW_ROWS:
        multiply_tile(ROWS, VECTORS, counts, a, a_start, a_steps, 1, b, b_start, b_steps, b_vector,
                      c, c_start, c_row, c_vector, keep, begin, bias, bias_start, relu)  # fmt: skip
    else:
        multiply_tile(FEW_ROWS, VECTORS, counts, a, a_start, a_steps, 1, b, b_start, b_steps, b_vector,
                      c, c_start, c_row, c_vector, keep, begin, bias, bias_start, relu)  # fmt: skip


@jit(borrows=True)
def compute_pass(this, band, block_rows, packed, packed_start, planes, planes_start, plane_row,
                 buffer, out, out_start, bias, bias_start, has_bias, relu, plan, terms):  # fmt: skip
    """Compute the pixels of one pass in one band for one block of target channels."""
    p = plan_of(plan)
    width = lanes(out)
    first_row, last_row = this.rows * band // p.bands, this.rows * (band + 1) // p.bands
    row_count = last_row - first_row
    if row_count == 0:
        return
    out_start += (this.y + first_row * p.step_y) * p.target_width + this.x
    out_channel = p.target_height * p.target_width
    if this.first_term == this.last_term:
        for i in range(block_rows):
            for r in range(row_count):
                at = out_start + i * out_channel + r * p.step_y * p.target_width
                for q in range(this.columns):
                    out[at + q * p.step_x] = 0
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
    for y in range(0, height, height_step):
        if p.by_rows:
            y = min(y, height - p.vectors)
        for q in range(0, length, length_step):
            if p.by_rows or not p.copied:
                q = min(q, length - length_step)
            columns = length - q if p.dense else p.vectors * width
            for k in range(this.first_term, this.last_term):
                term = term_of(terms, k)
                begin = ADD if k > this.first_term else BIAS_OF_ROW if has_bias else ZERO
                multiply_block(
                    block_rows, p.vectors, (p.channels, term.taps_y, term.taps_x),
                    packed, packed_start + term.packed * ROWS,
                    planes, planes_start + term.plane * p.plane_size + y * p.plane_width + q,
                    (p.channel_step, p.tap_y * p.plane_width, p.tap_x), b_vector,
                    target, target_start + y * p.target_width + q, target_row, c_vector, columns,
                    begin, bias, bias_start, relu and k == this.last_term - 1,
                )  # fmt: skip
    if not direct:
        for i in range(block_rows):
            store_rows(buffer, i * p.flat_size, out, out_start + i * out_channel, plan, this, row_count)


@jit
def convolve_units(first, last, x, packed, bias, has_bias, out, relu, plan, passes, terms, bands, blocks):
    """Compute the units `first` to `last`, each one band of one image."""
    p = plan_of(plan)
    block_count = blocks.shape[0]
    block_size = p.depth * ROWS
    x_group = p.channels * p.height * p.width
    out_channel = p.target_height * p.target_width
    planes = np.empty(p.channels * p.channel_step if p.copied else 0, x.dtype)
    buffer = np.empty(0 if p.by_rows or p.dense else ROWS * p.flat_size, x.dtype)
    for unit in range(first, last):
        n, band = unit // p.bands, unit % p.bands
        first_row, last_row = bands[band, 0], bands[band, 1]
        for group in range(p.groups):
            x_start = (n * p.groups + group) * x_group
            if p.copied:
                fill_planes(x, x_start, planes, plan, first_row, last_row)
                source, start, row = planes, 0, first_row
            else:
                source, start, row = x, x_start, 0
            for k in range(block_count):
                channel = group * p.rows + blocks[k, 0]
                for j in range(passes.shape[0]):
                    compute_pass(
                        pass_of(passes, j), band, blocks[k, 1], packed, (group * block_count + k) * block_size,
                        source, start, row, buffer, out, (n * p.groups * p.rows + channel) * out_channel,
                        bias, channel, has_bias, relu, plan, terms,
                    )  # fmt: skip


@jit(borrows=True)
def pack_range(first, last, w, packed, plan, terms, blocks):
    """Pack the blocks `first` to `last`, counted over all groups."""
    p = plan_of(plan)
    count = blocks.shape[0]
    for each in range(first, last):
        start = each // count * p.w_group + blocks[each % count, 0] * p.w_row
        pack_block(w, start, blocks[each % count, 1], packed, each * p.depth * ROWS, plan, terms)


@chunked
def pack_chunk(t, threads, w, packed, plan, terms, blocks):
    """Pack the t-th share of the weights."""
    count = plan[0] * blocks.shape[0]
    pack_range(count * t // threads, count * (t + 1) // threads, w.reshape(-1), packed, plan, terms, blocks)


@chunked
def convolve_chunk(t, threads, x, w, packed, bias, has_bias, out, relu, plan, passes, terms, bands, blocks):
    """Compute the t-th share of the units, each one band of one image."""
    if packed.size == 0:
        p = plan_of(plan)
        count = p.groups * blocks.shape[0]
        packed = np.empty(count * p.depth * ROWS, x.dtype)
        pack_range(0, count, w.reshape(-1), packed, plan, terms, blocks)
    units = x.shape[0] * bands.shape[0]
    convolve_units(
        units * t // threads, units * (t + 1) // threads, x.reshape(-1), packed, bias.reshape(-1), has_bias,
        out.reshape(-1), relu, plan, passes, terms, bands, blocks,
    )  # fmt: skip


def convolve(threads, x, w, bias, out, tables, relu=False) -> None:
    """Run a plan: `forward_plan` from x to out, `input_plan` from the gradient of the output to that of x.

    Parameters
    ----------
    x : ndarray (N, channels, H, W), C-contiguous
    w : ndarray (Cout, Cin / groups, kH, kW), C-contiguous
    bias : ndarray (rows,) or None
    out : ndarray (N, rows, H', W'), C-contiguous, written
    tables : result of a plan function
    relu : bool
    """
    plan, passes, terms, bands, blocks = tables
    packed = UNPACKED[w.dtype]
    if w.size > PACKED_APART:
        depth = int(plan[DEPTH])
        packed = np.empty(int(plan[0]) * len(blocks) * depth * ROWS, w.dtype)
        pack_chunk(threads, w, packed, plan, terms, blocks)
    has_bias = bias is not None
    bias = bias if has_bias else packed
    convolve_chunk(threads, x, w, packed, bias, has_bias, out, relu, plan, passes, terms, bands, blocks)
