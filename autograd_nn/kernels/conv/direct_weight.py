"""Weight gradient of convolution on the register tile.

    gw[o, (c, i, j)] = sum over images n and pixels (y, q) of g[n, o, y, q] x[n, c, y sH + i dH, q sW + j dW]

Vectors run over output channels o: g is transposed, a block of channels of one image at a time, so that the
channels of a pixel are neighbours. The rows of a tile are taps (c, i, j), each a scalar of x that is broadcast: a
table holds their places in the image. So any stride, dilation and kernel size is the same kernel, and x is only
copied where it needs a border of zeros.

The work is divided into *units*: one block of output channels over one *chunk* of the images. How many chunks
there are depends on the shape alone; each unit has its own accumulators, which are summed at the end, chunk after
chunk. So the result has the same bits for any number of threads.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..annotations import Array, Padding, Pair, Shape, Triple
from ..compile import chunked, jit
from ..records import flat, record, table_of
from ..tile import (
    ADD,
    VECTOR_BYTES,
    ZERO,
    Columns,
    Place,
    Rows,
    Target,
    lanes,
    multiply_tile,
    transpose_block,
)
from .direct import Plan, ceil_div, fill_planes

__all__ = ["weight_gradient", "weight_plan"]

LONG, SHORT = 9, 8  # rows of a tile: the taps of a 3x3 kernel, or what divides most numbers of channels
WIDE = 2 if VECTOR_BYTES == 64 else 1  # vectors of a tile
PIXELS = 256  # pixels that one tile sums over before the next tile takes them again from the cache
UNITS = 8  # wanted, so that several threads find work
PARTIAL_BYTES = 16 * 1024 * 1024  # of all units' accumulators together


class WeightPlan(NamedTuple):
    """Sizes of one weight gradient, followed in its table by a `Plan` and places.

    The Plan says how x is copied with a border; places are where the taps lie, relative to the first.
    """

    groups: int
    out_channels: int  # of a group
    height: int  # of g
    width: int
    stride_y: int
    stride_x: int
    x_group: int  # elements of x from one group to the next
    plane_width: int
    plane_start: int  # element of the plane at which the first tap of the first pixel lies
    image_step: int  # elements from one image to the next, in the copy or in x
    copied: int
    taps: int  # of all channels of a group
    tile_rows: int
    padded_taps: int
    vectors: int
    blocks: int  # of a group
    chunks: int
    images: int  # that one tile sums over
    rows: int  # of g that one tile sums over
    plane_rows: int  # of the copy of x


COPY = len(WeightPlan._fields)  # where the Plan begins
PLACES = COPY + len(Plan._fields)  # where the places begin
PARTS = tuple(WeightPlan._fields.index(name) for name in ("chunks", "groups", "blocks", "padded_taps", "vectors"))


def weight_plan(
    x: Shape, w: Shape, out: Shape, stride: Pair, padding: Padding, dilation: Pair, groups: int, itemsize: int
) -> Array:
    """Plan `conv2d_weight` for shapes x (N, C, H, W), w (of the result) and out (of g): return its table."""
    images, channels, size, kernel, out_size = x[0], x[1], x[2:], w[2:], out[2:]
    per_group, out_per_group = w[1], w[0] // groups
    width = VECTOR_BYTES // itemsize
    vectors = 1 if out_per_group <= width else WIDE
    columns = vectors * width
    taps = per_group * kernel[0] * kernel[1]
    tile_rows = min((LONG, SHORT), key=lambda rows: ceil_div(taps, rows) * rows)
    padded_taps = ceil_div(taps, tile_rows) * tile_rows
    blocks = ceil_div(out_per_group, columns)

    pixels = out_size[0] * out_size[1]
    together = max(1, min(images, PIXELS // max(1, pixels)))
    partial_bytes = groups * blocks * padded_taps * columns * itemsize
    affordable = max(1, PARTIAL_BYTES // max(1, partial_bytes))
    chunks = min(ceil_div(UNITS, groups * blocks), ceil_div(images, together), affordable)

    plane_rows = max(size[0], (out_size[0] - 1) * stride[0] + (kernel[0] - 1) * dilation[0] + 1)
    plane_width = max(size[1], (out_size[1] - 1) * stride[1] + (kernel[1] - 1) * dilation[1] + 1)
    aliased = size[0] * size[1] * itemsize % 4096 == 0 and kernel == (1, 1) and per_group > 4
    copied = any(padding[0]) or any(padding[1]) or aliased
    if copied:
        plane_rows = max(plane_rows, size[0] + padding[0][0])
        plane_width = max(plane_width, size[1] + padding[1][0])
    line = 64 // itemsize
    plane_size = ceil_div(plane_rows * plane_width + width, line) * line if copied else size[0] * size[1]
    if copied and plane_size // line % 2 == 0:
        plane_size += line
    c, i, j = np.indices((per_group, *kernel)).reshape(3, -1)
    places = c * plane_size + i * dilation[0] * plane_width + j * dilation[1]
    places = np.append(places, np.full(padded_taps - taps, places[-1]))
    sizes = (
        groups, out_per_group, *out_size, *stride, per_group * size[0] * size[1], plane_width, 0,
        per_group * plane_size if copied else channels * size[0] * size[1], copied, taps, tile_rows, padded_taps,
        vectors, blocks, max(1, chunks), together, max(1, min(out_size[0], PIXELS // max(1, out_size[1]))), plane_rows,
    )  # fmt: skip
    copy = Plan(*(0,) * len(Plan._fields))._replace(
        channels=per_group, height=size[0], width=size[1], planes_y=1, planes_x=1, split_y=1, split_x=1,
        top=padding[0][0], left=padding[1][0], plane_width=plane_width, plane_size=plane_size, channel_step=plane_size,
    )  # fmt: skip
    return table_of(WeightPlan(*map(int, sizes)), copy, places)


@jit(borrows=True)
def transpose_gradient(g: Array, start: int, pixels: int, channels: int, columns: int, target: Array, at: int) -> None:
    """Write g[channel, pixel] of some channels to target[pixel, channel], with zeros up to `columns` channels."""
    width = lanes(g)
    for p in range(0, pixels, width):
        for o in range(0, columns, width):
            transpose_block(g, start + o * pixels + p, pixels, target, at + p * columns + o, columns,
                            (channels - o, pixels - p), width)  # fmt: skip


@jit(borrows=True, inline=True)
def multiply_taps(
    tile_rows: int, vectors: int, counts: Triple, x: Rows, g: Columns, d: Target, columns: int, begin: int
) -> None:
    """Add to the accumulators of one tile."""
    keep = (LONG, columns)
    none = Place(d.array, 0)
    if vectors == 1 or WIDE == 1:
        if tile_rows == LONG:
            multiply_tile(LONG, 1, counts, x, g, d, keep, begin, none, False)
        else:
            multiply_tile(SHORT, 1, counts, x, g, d, keep, begin, none, False)
    elif tile_rows == LONG:
        multiply_tile(LONG, WIDE, counts, x, g, d, keep, begin, none, False)
    else:
        multiply_tile(SHORT, WIDE, counts, x, g, d, keep, begin, none, False)


@chunked
def accumulate(t: int, threads: int, g: Array, x: Array, partial: Array, plan: Array) -> None:
    """Sum the t-th share of the units into their accumulators, partial (chunks, blocks, taps, columns)."""
    p = record(WeightPlan, plan, 0)
    images = x.shape[0]
    x, g = flat(x), flat(g)
    copy, places = plan[COPY:], plan[PLACES:]
    width = lanes(x)
    columns = p.vectors * width
    pixels = p.height * p.width
    blocks = p.groups * p.blocks
    channels = p.groups * p.out_channels
    gt = np.empty(p.images * pixels * columns, x.dtype)
    planes = np.empty(p.images * p.image_step if p.copied else 0, x.dtype)
    first_unit, last_unit = p.chunks * blocks * t // threads, p.chunks * blocks * (t + 1) // threads
    for chunk in range(p.chunks):
        first_block = max(0, first_unit - chunk * blocks)
        last_block = min(blocks, last_unit - chunk * blocks)
        if first_block >= last_block:
            continue
        first, last = images * chunk // p.chunks, images * (chunk + 1) // p.chunks
        for n in range(first, last, p.images):
            count = min(p.images, last - n)
            filled = -1
            for block in range(first_block, last_block):
                group, channel = block // p.blocks, block % p.blocks * columns
                x_start = n * p.groups * p.x_group + group * p.x_group
                source = x
                if p.copied:
                    if filled != group:
                        for k in range(count):
                            fill_planes(x, x_start + k * p.groups * p.x_group,
                                        planes[k * p.image_step :], copy, 0, p.plane_rows)  # fmt: skip
                        filled = group
                    source, x_start = planes, 0
                for k in range(count):
                    transpose_gradient(
                        g, ((n + k) * channels + group * p.out_channels + channel) * pixels, pixels,
                        p.out_channels - channel, columns, gt, k * pixels * columns,
                    )  # fmt: skip
                d_start = (chunk * blocks + block) * p.padded_taps * columns
                for y in range(0, p.height, p.rows):
                    begin = ZERO if n == first and y == 0 else ADD
                    for row in range(0, p.padded_taps, p.tile_rows):
                        multiply_taps(
                            p.tile_rows, p.vectors, (count, min(p.rows, p.height - y), p.width),
                            Rows(source, x_start + y * p.stride_y * p.plane_width,
                                 (p.image_step, p.stride_y * p.plane_width, p.stride_x), places[row:]),
                            Columns(gt, y * p.width * columns, (pixels * columns, p.width * columns, columns), width),
                            Target(partial, d_start + row * columns, columns, width), columns, begin,
                        )  # fmt: skip


@chunked
def sum_chunks(t: int, threads: int, partial: Array, out: Array, plan: Array) -> None:
    """Add the chunks' accumulators up, in order, and transpose the t-th share of them to out."""
    p = record(WeightPlan, plan, 0)
    out = flat(out)
    width = lanes(out)
    columns = p.vectors * width
    blocks = p.groups * p.blocks
    step = blocks * p.padded_taps * columns
    across = (p.taps + width - 1) // width
    for task in range(blocks * across * t // threads, blocks * across * (t + 1) // threads):
        block, tap = task // across, task % across * width
        group, channel = block // p.blocks, block % p.blocks * columns
        start = (block * p.padded_taps + tap) * columns
        size = min(width, p.taps - tap) * columns
        total = partial[start : start + size]
        for chunk in range(1, p.chunks):
            other = partial[start + chunk * step : start + chunk * step + size]
            for k in range(size):
                total[k] += other[k]
        for o in range(0, min(columns, p.out_channels - channel), width):
            transpose_block(partial, start + o, columns,
                            out, (group * p.out_channels + channel + o) * p.taps + tap, p.taps,
                            (p.taps - tap, p.out_channels - channel - o), 0)  # fmt: skip


def weight_gradient(threads: int, g: Array, x: Array, out: Array, plan: Array) -> None:
    """Run a plan of `weight_plan`.

    Parameters
    ----------
    g : ndarray (N, Cout, OH, OW), C-contiguous
    x : ndarray (N, Cin, H, W), C-contiguous
    out : ndarray (Cout, Cin / groups, kH, kW), C-contiguous, written
    plan : result of `weight_plan`
    """
    chunks, groups, blocks, padded_taps, vectors = (int(plan[k]) for k in PARTS)
    columns = vectors * VECTOR_BYTES // x.itemsize
    partial = np.empty(chunks * groups * blocks * padded_taps * columns, x.dtype)
    accumulate(min(threads, chunks * groups * blocks), g, x, partial, plan)
    sum_chunks(threads if partial.size > 32_000 else 1, partial, out, plan)
