"""Winograd's convolutions of 3x3 kernels: of stride 1 with a quarter of the multiplications, of stride 2 with 56 %.

Stride 1: F(4x4, 3x3)
---------------------
The product of two polynomials, of 4 and of 3 coefficients, has 6 coefficients, and its values at 6 points determine
them. A value of the product is the product of two values: 6 multiplications in place of 12, if the points are small
numbers at which values are cheap (Toom, Cook). The coefficients are a convolution, a bilinear map; its transpose is a
correlation of 6 inputs d with 3 weights w that gives 4 outputs y, which is what a network computes (Winograd):

    y = A^T [(G w) * (B^T d)]                                       * is the product point by point

The matrices hold powers of the points, or come from interpolation (`transforms` writes them out). Nested
with itself, it takes a 6x6 tile d and a 3x3 kernel w to 4x4 outputs, with 36 multiplications in place of 144:

    y = A^T [(G w G^T) * (B^T d B)] A

A layer cuts each image into tiles of 6x6 that overlap by 2, so that their 4x4 outputs join, and sums over input
channels c. The sum can be taken before A^T is applied, which then costs once per output channel o; and point by
point, it is a product of matrices, with a row for each tile t of all images:

    V[p, t, c] = (B^T d B)[p]     U[p, c, o] = (G w G^T)[p]     M[p] = V[p] U[p]    for each of 36 points p
    y = A^T M A + bias

These products run on the register tile of `tile`. They take most of the time; the transforms are mostly additions.

- *Gradient of the input*: the same convolution, of the output's gradient with kernels rotated by half a turn,
  input and output channels exchanged, and 2 - padding. It needs no kernel of its own.
- *Gradient of the weight*: y is linear in w, so its adjoint takes the gradient g of y to

      gw = G^T [sum over tiles of (A g A^T) * (B^T d B)] G          D[p] = Q[p]^T V[p],   Q = A g A^T

  again a product for each point, now summed over tiles. It is known as F(3x3, 4x4).

Source: A. Lavin and S. Gray, Fast Algorithms for Convolutional Neural Networks, CVPR 2016, arXiv:1509.09308.


Stride 2: F(4x4, 2x2) of even pixels
------------------------------------
Along one axis, the outer weights meet even pixels only, and the middle one odd pixels only:

    y[i] = w0 d[2 i] + w1 d[2 i + 1] + w2 d[2 i + 2]

The even part is a correlation of stride 1 with 2 weights: F(4, 2) gives 4 outputs of it with 5 multiplications. The
odd part needs 4. Both can share A^T: the first 4 points of F(4, 2), without its last, determine 4 outputs, so R d,
which has the odd pixels' values at these points (A^T R = 1), is added there before A^T is applied:

    y = A^T [(G w') * (B^T d') + w1 R d'']                          w' = (w0, w2),   d' even,   d'' odd pixels

So a tile of 9x9 inputs, 8 apart, and a kernel give 4x4 outputs with 9x9 multiplications in place of 144. V has
9x9 points, U 6x6 (of which the last of an axis, w1, serves 4 points of V), and M 5x5: up to four products add up.

- *Gradient of the weight*: the adjoint, with Q of 5x5 points. D has 6x6, of which the last of an axis are sums over 4.
- *Gradient of the input*: even pixels are a correlation of g with (w2, w0), odd ones are w1 g. A tile of 5x5
  gradients gives 9x9 points, of V and of M, and these 8x8 pixels: no pixel is written by two tiles. Tiles begin with
  an even pixel of the padded image. Where the padding is odd they end with one instead, and are read and written from
  their end: otherwise an image of 32 pixels would need 5 tiles.


What it costs
-------------
*Accuracy.* The matrices amplify rounding. Against float64, relative to the largest result, the error in float32 is
2e-6 to 2e-5 (direct convolution: 1e-7 to 2e-6), for the weight gradient of thousands of tiles up to 3e-5
(direct: 1e-5). With stride 2 it is 1e-6 to 1.2e-5 (direct: 4e-7 to 4e-6).

*NaN and infinity.* Each output of a tile depends on all of its inputs. One that is not finite reaches the outputs
that it reaches directly, and the others of its tiles, up to 3 pixels further, as NaN; in the input's gradient of stride
2, up to 7. In the weight gradient it reaches all 9 weights of the pairs of channels that it meets, with stride 2 those
of its phase.

*Memory.* V and M are 2.25 times as large as input and output (with stride 2: 1.27 and 1.56 times; in the input's
gradient 5.06 and 1.27), U is 4 times as large as the weights. So none of them is held as a whole where it is large:

- many tiles (large images or batches): U is computed once and shared; each thread takes blocks of tiles, of
  which V and M stay in its cache;
- many channels (deep layers): V of a group of tiles is computed once and shared; each thread takes panels of output
  channels, computes U of a part of a panel in its cache, and uses it at once.

Both are one kernel, `convolve`, called twice: the first call computes what is shared. The weight gradient has the
same choice: where D is small, the tiles are divided into a few slots, each summed by one thread to a D of its own
(`correlate_tiles`), and these are added in order (`correlate_channels`); where D is large, V and Q of a group of
tiles are shared, and each thread sums blocks of D. What is divided how depends on the shapes alone, and every sum
has a fixed order: the number of threads does not change a bit.


Layout
------
Everything between the transforms has channels innermost, in rows padded to whole vectors. Points lie one vector
further apart than their data needs: otherwise the 36 values of a tile would often be powers of two apart, and
compete for the same few lines of cache.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, ClassVar, NamedTuple

import numpy as np

from ...annotations import Array, Flags, Padding, Pair, Shape, Steps, Triple
from ...by_numpy import put
from ...compile import JIT_DISABLED, chunked, jit, threads_for
from ...memory import contiguous
from ...records import record, table_of
from ...tile import (
    ADD,
    REGISTERS,
    VECTOR_BYTES,
    ZERO,
    Columns,
    Place,
    Rows,
    Target,
    lanes,
    multiply_tile,
)
from ..kept import Kept
from .transforms import (
    GRADIENT,
    INPUT,
    OUTPUT,
    POLYPHASE_GRADIENT,
    POLYPHASE_INPUT,
    POLYPHASE_OUTPUT,
    POLYPHASE_WEIGHT,
    POLYPHASE_WEIGHT_GRADIENT,
    UPSAMPLED_INPUT,
    UPSAMPLED_OUTPUT,
    WEIGHT,
    WEIGHT_GRADIENT,
    Grid,
    Transform,
    gather_pixels,
    scatter_pixels,
    sizes_of,
    transform_output,
    transform_tile,
    transform_weight,
    transform_weight_gradient,
)

__all__ = ["PreparedWeight", "conv2d", "conv2d_input", "conv2d_prepared", "conv2d_weight", "prepare_weight"]

SIDE = 6  # of the grid of a kernel's points
POINTS = SIDE * SIDE
ROWS, VECTORS = (8 if REGISTERS == 32 else 6), 2  # of the register tile
EVEN, ODD = 5, 4  # points of even and odd pixels along an axis, with stride 2
SPARE = 2  # columns of a strip beyond the steps of its tiles
WEIGHT_ROWS = 64  # output channels in a block of the weight gradient

# Sizes of blocks. The first three are parts of a thread's L2 cache, the others of the L3 cache.
BLOCK_BYTES = 640 * 1024  # V of a block of tiles
PANEL_BYTES = 320 * 1024  # U of a part of a panel
CHUNK_BYTES = 768 * 1024  # V and Q of a chunk of a slot
SHARED_BYTES = 6 * 1024 * 1024  # U, when it is shared
GROUP_TILES = 128  # tiles that share one transform of the weights, when it is not
GROUP_BYTES = 4 * 1024 * 1024  # V and Q of the weight gradient, when they are shared
SLOT_BYTES = 1024 * 1024  # D of one slot
KEPT_FROM = 4 * 1024 * 1024  # U of one weight that is kept while the weight stays the same
KEPT_BYTES = 256 * 1024 * 1024  # U of weights that stay the same, and their copies
SLOTS = 4  # more would cost bandwidth; the weight gradient of small layers uses no more threads


# --- Algorithms --------------------------------------------------------------------------------------------


class Order(NamedTuple):
    """How an algorithm goes through images and points.

    ``step`` is how many pixels of the input tiles are apart. With two ``phases``, the products of odd pixels are added
    to those of even ones. Tiles are read and written downwards and to the right, or where ``down`` or ``right``
    is -1, from their end.
    """

    step: int
    phases: int = 1
    down: int = 1
    right: int = 1


class Algorithm(Order):
    """An algorithm, as an argument of kernels: its class tells the compiler the transforms."""

    inputs: ClassVar[Transform]
    weights: ClassVar[Transform]
    outputs: ClassVar[Transform]
    gradients: ClassVar[Transform]
    weight_gradients: ClassVar[Transform]


class UnitStride(Algorithm):
    """The convolution of stride 1 and its adjoints."""

    inputs, weights, outputs = INPUT, WEIGHT, OUTPUT
    gradients, weight_gradients = GRADIENT, WEIGHT_GRADIENT


class StrideTwo(Algorithm):
    """The convolution of stride 2 and its adjoint in the weight."""

    inputs, weights, outputs = POLYPHASE_INPUT, POLYPHASE_WEIGHT, POLYPHASE_OUTPUT
    gradients, weight_gradients = POLYPHASE_GRADIENT, POLYPHASE_WEIGHT_GRADIENT


class Upsampling(StrideTwo):
    """The adjoint of the convolution of stride 2 in the input."""

    inputs, outputs = UPSAMPLED_INPUT, UPSAMPLED_OUTPUT


UNIT_STRIDE, STRIDE_TWO, UPSAMPLING = UnitStride(4), StrideTwo(8, phases=2), Upsampling(4)
BY_STRIDE = {1: UNIT_STRIDE, 2: STRIDE_TWO}


# --- Kernels ---------------------------------------------------------------------------------------------
# Arrays are flat; `*_row`, `*_point`, ... are the elements from one to the next. `lanes` channels make a vector,
# VECTORS vectors a panel.


class Images(NamedTuple):
    """Images (n, channels, height, width) in a flat array, padded at the top."""

    array: Array
    channels: int
    height: int
    width: int
    top: int


class Points(NamedTuple):
    """Values of tiles at points: where they begin, and elements from tile to tile, from point to point."""

    array: Array
    start: int
    tile: int
    point: int


class Convolution(NamedTuple):
    """Sizes of one call of `convolve`; elements from one thread, block or panel to the next are 0 where all share."""

    by_panel: int
    blocks: int  # of tiles
    panels: int  # of output channels
    in_channels: int
    in_height: int
    in_width: int
    top: int
    tiles_down: int  # of an image
    tiles_across: int
    first_row: int  # rows of tiles to compute, counted through all images
    last_row: int
    block_rows: int  # of them make a block
    lane: int  # elements of w from one output channel, input channel to the next
    step: int
    flip_down: int  # whether kernels are reversed
    flip_across: int
    depth: int  # input channels that are multiplied at a time
    v_thread: int
    v_block: int
    v_tile: int
    v_point: int
    u_thread: int
    u_panel: int
    u_part: int  # of the depth
    u_point: int
    m_thread: int
    m_block: int
    m_point: int
    relu: int
    out_channels: int
    out_height: int
    out_width: int
    m_at: int  # where M and the strips of threads begin in the space, behind V
    scratch_at: int
    scratch_step: int
    image_places: int  # where the places of pixels in tiles begin, behind those in strips


@jit
def load_strip(
    x: Array, start: int, planes: int, size: Pair, first_row: int, rows: int, strip: Array, strip_start: int,
    strip_row: int, places: Array,
) -> None:  # fmt: skip
    """Lay rows of an image out with channels innermost, for one vector of channels; zero outside the image.

    The channels, of which ``planes`` exist, begin at ``start`` in ``x``. Row ``first_row + r`` becomes row r of the
    strip, of ``strip_row`` elements; ``places`` has the offset of each pixel from the row of the first one.
    """
    H, W = size
    strip[strip_start : strip_start + rows * strip_row] = 0
    top, bottom = max(first_row, 0), min(first_row + rows, H)
    first = strip_start + (top - first_row) * strip_row
    count = (bottom - top) * W
    for q in range(0, count, lanes(x)):
        scatter_pixels(x, start + top * W + q, H * W, planes, count - q, strip, first, places, q)


@jit
def transform_images(
    algorithm: Algorithm, is_gradient: bool, images: Images, tiles: Pair, first_tile_row: int, last_tile_row: int,
    target: Points, strip: Place, places: Array,
) -> None:  # fmt: skip
    """Transform some rows of tiles, counted through all images: B^T d B of inputs or A g A^T of gradients."""
    tile_size, side = sizes_of(algorithm, "inputs")
    step = algorithm.step
    if is_gradient:
        tile_size, side = sizes_of(algorithm, "gradients")
        step = tile_size
    tiles_down, tiles_across = tiles
    width = lanes(images.array)
    strip_row = (step * tiles_across + SPARE) * width
    plane = images.height * images.width
    corner = strip.start + corner_of(algorithm, tile_size, strip_row, width)
    row, column, point_row = algorithm.down * strip_row, algorithm.right * width, side * target.point
    for c in range(0, images.channels, width):
        at = target.start + c
        tile_row = first_tile_row
        while tile_row < last_tile_row:
            n, i = tile_row // tiles_down, tile_row % tiles_down
            count = min(tiles_down - i, last_tile_row - tile_row)
            load_strip(
                images.array, (n * images.channels + c) * plane, images.channels - c, (images.height, images.width),
                step * i - images.top, step * (count - 1) + tile_size, strip.array, strip.start, strip_row, places,
            )  # fmt: skip
            for a in range(count):
                for b in range(tiles_across):
                    pixels = Grid(strip.array, corner + step * (a * strip_row + b * width), row, column)
                    points = Grid(target.array, at, point_row, target.point)
                    if is_gradient:
                        transform_tile(algorithm, "gradients", pixels, points)
                    else:
                        transform_tile(algorithm, "inputs", pixels, points)
                    at += target.tile
            tile_row += count


@jit
def corner_of(algorithm: Algorithm, size: int, row: int, column: int) -> int:
    """Return where a tile's first pixel lies: at the tile's beginning or end, along each axis."""
    return (0 if algorithm.down > 0 else (size - 1) * row) + (0 if algorithm.right > 0 else (size - 1) * column)


@jit
def clear_rows(V: Points, points: int, count: int) -> None:
    """Fill the last register tile of a block of ``count`` tiles: leftovers may be denormal, which is slow."""
    for point in range(points):
        start = V.start + point * V.point
        V.array[start + count * V.tile : start + (count + ROWS - 1) // ROWS * ROWS * V.tile] = 0


@jit
def transform_weights(
    algorithm: Algorithm, w: Array, start: int, lane: int, lane_count: int, step: int, count: int, flip: Flags,
    U: Array, u_start: int, u_point: int,
) -> None:  # fmt: skip
    """Transform ``count`` rows of a panel of weights; kernels are ``lane`` apart across it and ``step`` down it."""
    width = lanes(w)
    for j in range(0, VECTORS * width, width):
        for k in range(count):
            at = u_start + k * VECTORS * width + j
            transform_weight(algorithm, w, start + k * step + j * lane, lane, lane_count - j, flip, U, at, u_point)


@jit
def write_outputs(
    algorithm: Algorithm, M: Points, tiles: Pair, first_tile_row: int, last_tile_row: int, bias: Array, relu: bool,
    out: Images, channel: int, scratch: Place, places: Array,
) -> None:  # fmt: skip
    """Transform the products of some rows of tiles and one panel, and write them as images."""
    tiles_down, tiles_across = tiles
    width = lanes(M.array)
    plane = out.height * out.width
    m_side, side = sizes_of(algorithm, "outputs")
    scratch_row = side * tiles_across * width
    corner = scratch.start + corner_of(algorithm, side, scratch_row, width)
    row, column = algorithm.down * scratch_row, algorithm.right * width
    for j in range(0, min(VECTORS * width, out.channels - channel), width):
        at = M.start + j
        for tile_row in range(first_tile_row, last_tile_row):
            n, i = tile_row // tiles_down, tile_row % tiles_down
            for b in range(tiles_across):
                transform_output(
                    algorithm, "outputs", Grid(M.array, at, m_side * M.point, M.point),
                    Grid(scratch.array, corner + side * b * width, row, column), Place(bias, channel + j), relu,
                )  # fmt: skip
                at += M.tile
            start = (n * out.channels + channel + j) * plane + side * i * out.width
            count = min(side, out.height - side * i) * out.width
            for q in range(0, count, width):
                gather_pixels(
                    scratch.array, scratch.start, places, q, count - q,
                    out.array, start + q, plane, out.channels - channel - j,
                )  # fmt: skip


@jit
def rows_of(block: int, block_rows: int, tile_rows: Pair) -> Pair:
    """Return the first row of tiles of a block, and the one after its last."""
    first = tile_rows[0] + block * block_rows
    return first, min(first + block_rows, tile_rows[1])


@chunked
def convolve(
    t: int, threads: int, algorithm: Algorithm, x: Array, w: Array, U: Array, space: Array, bias: Array, out: Array,
    places: Array, table: Array,
) -> None:  # fmt: skip
    """Compute a convolution, or one of the transforms that it needs; ``table`` holds a `Convolution`.

    By blocks of tiles, each thread transforms its blocks of the input, and multiplies each by ``panels`` panels of U.
    By panels, each thread transforms its panels of the weights, and multiplies each by ``blocks`` blocks of V.
    So without panels the first only computes V, and without blocks the second only computes U.
    """
    p = record(Convolution, table, 0)
    v_side = sizes_of(algorithm, "inputs")[1]
    jobs = p.panels if p.by_panel else p.blocks
    for job in range(jobs * t // threads, jobs * (t + 1) // threads):
        first_panel, last_panel, first_block, last_block = job, job + 1, 0, p.blocks
        if not p.by_panel:
            first_panel, last_panel, first_block, last_block = 0, p.panels, job, job + 1
            first, last = rows_of(job, p.block_rows, (p.first_row, p.last_row))
            V = Points(space, t * p.v_thread + job * p.v_block, p.v_tile, p.v_point)
            transform_images(
                algorithm, False, Images(x, p.in_channels, p.in_height, p.in_width, p.top),
                (p.tiles_down, p.tiles_across), first, last, V, Place(space, p.scratch_at + t * p.scratch_step), places,
            )  # fmt: skip
            clear_rows(V, v_side * v_side, (last - first) * p.tiles_across)
        for panel in range(first_panel, last_panel):
            multiply_panel(
                t, algorithm, panel, first_block, last_block, w, U, space, bias, out, places[p.image_places :], table
            )


@jit
def multiply_panel(
    t: int, algorithm: Algorithm, panel: int, first_block: int, last_block: int, w: Array, U: Array, space: Array,
    bias: Array, out: Array, places: Array, table: Array,
) -> None:  # fmt: skip
    """Multiply blocks of V by a panel of U, computed first if asked, and write the outputs."""
    p = record(Convolution, table, 0)
    v_side, m_side = sizes_of(algorithm, "inputs")[1], sizes_of(algorithm, "outputs")[0]
    width = lanes(space)
    columns = VECTORS * width
    channel = panel * columns
    tile_rows = (p.first_row, p.last_row)
    m_start = p.m_at + t * p.m_thread
    for k in range(0, p.in_channels, p.depth):
        count = min(p.depth, p.in_channels - k)
        u_at = t * p.u_thread + panel * p.u_panel + k // p.depth * p.u_part
        if p.by_panel:
            transform_weights(
                algorithm, w, channel * p.lane + k * p.step, p.lane, p.out_channels - channel, p.step, count,
                (p.flip_down != 0, p.flip_across != 0), U, u_at, p.u_point,
            )  # fmt: skip
        for point in range(m_side * m_side):
            i, j = point // m_side, point % m_side
            for phase_down in range(algorithm.phases if i < ODD else 1):
                for phase_across in range(algorithm.phases if j < ODD else 1):
                    v_i, v_j = i + phase_down * EVEN, j + phase_across * EVEN
                    u_i, u_j = min(v_i, EVEN), min(v_j, EVEN)
                    begin = ADD if k or phase_down or phase_across else ZERO
                    weights = Columns(U, u_at + (u_i * SIDE + u_j) * p.u_point, (columns, 0, 0), width)
                    for block in range(first_block, last_block):
                        first, last = rows_of(block, p.block_rows, tile_rows)
                        v_at = t * p.v_thread + block * p.v_block + (v_i * v_side + v_j) * p.v_point + k
                        m_at = m_start + (block - first_block) * p.m_block + point * p.m_point
                        for row in range(0, (last - first) * p.tiles_across, ROWS):
                            multiply_tile(
                                ROWS, VECTORS, (count, 1, 1),
                                Rows(space, v_at + row * p.v_tile, (1, 0, 0), p.v_tile), weights,
                                Target(space, m_at + row * columns, columns, width),
                                (ROWS, columns), begin, Place(space, 0), False,
                            )  # fmt: skip
    for block in range(first_block, last_block):
        first, last = rows_of(block, p.block_rows, tile_rows)
        write_outputs(
            algorithm, Points(space, m_start + (block - first_block) * p.m_block, columns, p.m_point),
            (p.tiles_down, p.tiles_across), first, last, bias, p.relu != 0,
            Images(out, p.out_channels, p.out_height, p.out_width, 0), channel,
            Place(space, p.scratch_at + t * p.scratch_step), places,
        )  # fmt: skip


class Correlation(NamedTuple):
    """Sizes of one call of `correlate_tiles` and `correlate_channels`.

    A slot is a fixed part of the rows of tiles, so that sums do not depend on the number of threads. It is computed in
    chunks. Elements from one thread, row of tiles, slot or block to the next are 0 where all share.
    """

    slots: int
    slot_rows: int
    chunk_rows: int
    first_row: int  # rows of tiles to compute, counted through all images
    last_row: int
    tiles_down: int  # of an image
    tiles_across: int
    with_products: int  # whether each slot's products are summed to its own D
    is_begun: int  # by channels: whether D holds sums already, and whether these products are the last
    is_done: int
    in_channels: int
    in_height: int
    in_width: int
    top: int
    out_channels: int
    out_height: int
    out_width: int
    v_thread: int
    v_tile_row: int
    v_tile: int
    v_point: int
    q_thread: int
    q_tile_row: int
    q_tile: int
    q_point: int
    d_thread: int
    d_slot: int
    d_block: int
    d_point: int
    q_at: int  # where Q, D and the strips of threads begin in the space, behind V
    d_at: int
    scratch_at: int
    scratch_step: int
    g_places: int  # where the places of gradients in strips begin, behind those of inputs


@chunked
def correlate_tiles(
    t: int, threads: int, algorithm: Algorithm, x: Array, g: Array, space: Array, places: Array, table: Array
) -> None:
    """Transform slots of tiles of inputs and gradients; if asked, sum each slot's products to its own D."""
    p = record(Correlation, table, 0)
    tiles = p.tiles_down, p.tiles_across
    inputs = Images(x, p.in_channels, p.in_height, p.in_width, p.top)
    gradients = Images(g, p.out_channels, p.out_height, p.out_width, 0)
    strip = Place(space, p.scratch_at + t * p.scratch_step)
    slots = (p.last_row - p.first_row + p.slot_rows - 1) // p.slot_rows
    for slot in range(slots * t // threads, slots * (t + 1) // threads):
        slot_first, slot_last = rows_of(slot, p.slot_rows, (p.first_row, p.last_row))
        for first in range(slot_first, slot_last, p.chunk_rows):
            last = min(first + p.chunk_rows, slot_last)
            V = Points(space, t * p.v_thread + (first - p.first_row) * p.v_tile_row, p.v_tile, p.v_point)
            Q = Points(space, p.q_at + t * p.q_thread + (first - p.first_row) * p.q_tile_row, p.q_tile, p.q_point)
            transform_images(algorithm, False, inputs, tiles, first, last, V, strip, places)
            transform_images(algorithm, True, gradients, tiles, first, last, Q, strip, places[p.g_places :])
            if p.with_products:
                for block in range(weight_blocks(x, p.out_channels, p.in_channels)):
                    add_products(
                        algorithm, block, (last - first) * p.tiles_across, first > slot_first, p.out_channels,
                        p.in_channels, V, Q, Place(space, p.d_at + slot * p.d_slot + block * p.d_block), p.d_point,
                    )  # fmt: skip


@chunked
def correlate_channels(t: int, threads: int, algorithm: Algorithm, space: Array, gw: Array, table: Array) -> None:
    """Add the products of the tiles to blocks of D; when all is done, sum the slots and transform to gw."""
    p = record(Correlation, table, 0)
    width = lanes(space)
    V, Q = Points(space, 0, p.v_tile, p.v_point), Points(space, p.q_at, p.q_tile, p.q_point)
    blocks = weight_blocks(space, p.out_channels, p.in_channels)
    for block in range(blocks * t // threads, blocks * (t + 1) // threads):
        d_at = p.d_at + t * p.d_thread + block * p.d_block
        if not p.with_products:
            add_products(
                algorithm, block, (p.last_row - p.first_row) * p.tiles_across, p.is_begun != 0, p.out_channels,
                p.in_channels, V, Q, Place(space, d_at), p.d_point,
            )  # fmt: skip
        if p.is_done:
            for slot in range(1, p.slots):
                for i in range(POINTS * p.d_point):
                    space[d_at + i] += space[d_at + slot * p.d_slot + i]
            o, rows, c, columns = weight_block(space, block, p.out_channels, p.in_channels)
            for row in range(rows):
                for j in range(0, min(columns, p.in_channels - c), width):
                    transform_weight_gradient(
                        algorithm, space, d_at + row * columns + j, p.d_point,
                        gw, ((o + row) * p.in_channels + c + j) * 9, p.in_channels - c - j,
                    )  # fmt: skip


@jit
def weight_blocks(V: Array, out_channels: int, in_channels: int) -> int:
    """Return the number of blocks of the weight gradient."""
    columns = VECTORS * lanes(V)
    return ((out_channels + WEIGHT_ROWS - 1) // WEIGHT_ROWS) * ((in_channels + columns - 1) // columns)


@jit
def weight_block(V: Array, block: int, out_channels: int, in_channels: int) -> tuple[int, int, int, int]:
    """Return the first output channel of a block, its number of them, the first input channel, the columns."""
    columns = VECTORS * lanes(V)
    across = (in_channels + columns - 1) // columns
    o = block // across * WEIGHT_ROWS
    return o, min(WEIGHT_ROWS, out_channels - o), block % across * columns, columns


@jit
def add_products(
    algorithm: Algorithm, block: int, count: int, is_begun: bool, out_channels: int, in_channels: int, V: Points,
    Q: Points, D: Place, d_point: int,
) -> None:  # fmt: skip
    """Add the products of ``count`` tiles to a block of D: D[p] (+)= Q[p]^T V[p] for each point p.

    With two phases, the last row and column of D are sums over the 4 points of odd pixels.
    """
    v_side, q_side = sizes_of(algorithm, "inputs")[1], sizes_of(algorithm, "gradients")[1]
    o, rows, c, columns = weight_block(D.array, block, out_channels, in_channels)
    width = lanes(D.array)
    for point in range(POINTS):
        i, j = point // SIDE, point % SIDE
        points_down = ODD if algorithm.phases > 1 and i == EVEN else 1
        points_across = ODD if algorithm.phases > 1 and j == EVEN else 1
        q_at = Q.start + ((i if points_down == 1 else 0) * q_side + (j if points_across == 1 else 0)) * Q.point + o
        v_at = V.start + (i * v_side + j) * V.point + c
        for row in range(0, rows, ROWS):
            multiply_tile(
                ROWS, VECTORS, (points_down, points_across, count),
                Rows(Q.array, q_at + row, (q_side * Q.point, Q.point, Q.tile), 1),
                Columns(V.array, v_at, (v_side * V.point, V.point, V.tile), width),
                Target(D.array, D.start + point * d_point + row * columns, columns, width),
                (ROWS, columns), ADD if is_begun else ZERO, D, False,
            )  # fmt: skip


# --- Blocking ----------------------------------------------------------------------------------------------


def ceil_div(value: int, unit: int) -> int:
    """Return the quotient, rounded up."""
    return -(-value // unit)


def ceil_to(value: int, unit: int) -> int:
    """Return the least multiple of ``unit`` that is not below ``value``."""
    return ceil_div(value, unit) * unit


def empty_buffer(count: int, dtype: np.dtype[Any]) -> Array:
    """Return an uninitialised flat array that starts on a cache line.

    It is zero where the compiler is switched off: NumPy would warn of numbers in gaps, which are multiplied too.
    """
    line = 64 // dtype.itemsize
    memory = (np.zeros if JIT_DISABLED else np.empty)(count + line, dtype)
    start = -(memory.ctypes.data // dtype.itemsize) % line
    return memory[start : start + count]


def flat(array: Array) -> Array:
    """Return the array's elements in one row: itself when it is C-contiguous and writeable, else a copy.

    Read-only arrays are another type to Numba: the copy spares a second build of every kernel.
    """
    return contiguous(array).reshape(-1)


@lru_cache(maxsize=256)
def places_in_strip(W: int, rows: int, left: int, columns: int, width: int) -> Array:
    """Return where the pixels of some rows of an image lie in a strip of vectors, from its first row on.

    One vector of pixels more than there are has places, because pixels are scattered by whole vectors.
    """
    y, x = np.divmod(np.arange(rows * W + width), W)
    return (y * columns + x + left) * width


@lru_cache(maxsize=256)
def places_in_tiles(OW: int, rows: int, columns: int, width: int) -> Array:
    """Return where the pixels of some rows of outputs lie in a row of tiles; what does not exist repeats the last."""
    y, x = np.divmod(np.minimum(np.arange(rows * OW + width), rows * OW - 1), OW)
    return (y * columns + x) * width


@lru_cache(maxsize=256)
def places_of(strip: tuple[int, int, int, int], second: tuple[int, ...], width: int) -> tuple[Array, int]:
    """Return the places of pixels in strips, and behind them those in tiles or in strips of gradients."""
    first = places_in_strip(*strip, width)
    others = places_in_tiles(*second, width) if len(second) == 3 else places_in_strip(*second, width)
    return np.concatenate([first, others]), first.size


def offsets_of(*sizes: int, itemsize: int) -> tuple[int, ...]:
    """Return where the second buffer and the others begin in a space for all, on cache lines; last, its size."""
    line = 64 // itemsize
    return tuple(itertools.accumulate(ceil_to(size, line) for size in sizes))


def strip_size(rows: int, columns: int, W: int, width: int) -> int:
    """Return the elements of a strip, and of what is scattered beyond it."""
    return (rows + 1 + ceil_div(width, W)) * columns * width


def block_rows_for(tile_rows: int, across: int, most_tiles: int, threads: int) -> int:
    """Return how many rows of tiles make a block.

    The best use of the register tiles that all threads compute until the last one is done; and the larger the
    block, the less U is read.
    """

    def worth(rows: int) -> float:
        tiles = ceil_to(rows * across, ROWS)
        rounds = ceil_div(ceil_div(tile_rows, rows), threads)
        return tile_rows * across / (rounds * threads * tiles) * tiles / (tiles + 2)

    most = max(1, min(most_tiles // across, ceil_div(tile_rows, threads)))
    return max(range(1, most + 1), key=worth)


class Blocks(NamedTuple):
    """How a convolution is cut, and the distances that follow; see `convolve`."""

    by_panel: bool
    panels: int
    tiles: Pair
    tile_rows: int
    group_rows: int
    block_rows: int
    depth: int
    v_size: int
    v_steps: Steps
    u_size: int
    u_steps: Steps
    m_size: int
    m_steps: Triple


@lru_cache(maxsize=256, typed=True)  # algorithms of different classes can be equal as tuples
def blocks_for(
    algorithm: Algorithm, N: int, C: int, O: int, OH: int, OW: int, itemsize: int, threads: int, is_prepared: bool
) -> Blocks:
    """Choose the blocks of a convolution of C to O channels: by panels where U is large or tiles are few."""
    width = VECTOR_BYTES // itemsize
    columns = VECTORS * width
    panels = ceil_div(O, columns)
    side = algorithm.outputs.targets
    tiles = down, across = ceil_div(OH, side), ceil_div(OW, side)
    v_points, m_points = algorithm.inputs.targets**2, algorithm.outputs.sources**2
    tile_rows = N * down
    v_tile = ceil_to(C, width)
    is_large = POINTS * C * panels * columns * itemsize > SHARED_BYTES
    by_panel = not is_prepared and (is_large or tile_rows * across < O)
    if by_panel:
        group_rows = max(1, min(tile_rows, GROUP_TILES // across))
        block_rows = block_rows_for(group_rows, across, GROUP_TILES // 4, threads)
        depth = min(C, max(1, PANEL_BYTES // (POINTS * columns * itemsize)))
    else:
        group_rows = tile_rows
        block_rows = block_rows_for(tile_rows, across, max(16, BLOCK_BYTES // (v_points * v_tile * itemsize)), threads)
        depth = C
    block_tiles = ceil_to(block_rows * across, ROWS)
    v_point, u_point, m_point = block_tiles * v_tile + width, depth * columns + width, block_tiles * columns + width
    v, u, m = v_points * v_point, POINTS * u_point, m_points * m_point
    shape = by_panel, panels, tiles, tile_rows, group_rows, block_rows, depth
    if by_panel:
        blocks = ceil_div(group_rows, block_rows)
        return Blocks(
            *shape,
            blocks * v, (0, v, v_tile, v_point),
            threads * u, (u, 0, 0, u_point),
            threads * blocks * m, (blocks * m, m, m_point),
        )  # fmt: skip
    return Blocks(
        *shape,
        threads * v, (v, 0, v_tile, v_point),
        panels * u, (0, u, 0, u_point),
        threads * m, (m, 0, m_point),
    )  # fmt: skip


def run_convolution(
    algorithm: Algorithm, x: Array, w: Array, lane: int, step: int, flip: Flags, bias: Array | None,
    corner: Pair, relu: bool, out: Array, U: Array | None = None,
) -> None:  # fmt: skip
    """Convolve x, from ``corner`` before its first pixel on, with kernels at ``o * lane + c * step`` in w, or by U."""
    top, left = corner
    O, OH, OW = out.shape[1:]
    side = algorithm.outputs.targets
    columns = algorithm.step * ceil_div(OW, side) + SPARE
    first, last = max(0, -left), min(x.shape[3], columns - left)
    if last - first < x.shape[3]:
        x, left = x[:, :, :, first : max(first, last)], max(0, left)
    N, C, H, W = x.shape
    if out.size == 0:
        return
    if x.size == 0:
        out[...] = 0 if bias is None else bias.reshape(-1, 1, 1)
        if relu:
            np.maximum(out, 0, out=out)
        return

    dtype = out.dtype
    width = VECTOR_BYTES // dtype.itemsize
    threads = threads_for(out.size * C // 4)
    plan = blocks_for(algorithm, N, C, O, OH, OW, dtype.itemsize, threads, U is not None)
    padded_bias = np.zeros(plan.panels * VECTORS * width, dtype)
    if bias is not None:
        put(bias, padded_bias[:O])
    target = out if out.flags.carray else np.empty(out.shape, dtype)

    strip_rows = algorithm.step * (plan.block_rows - 1) + algorithm.inputs.sources
    out_columns = side * plan.tiles[1]
    scratch_step = max(strip_size(strip_rows, columns, W, width), side * out_columns * width)
    m_at, scratch_at, size = offsets_of(plan.v_size, plan.m_size, threads * scratch_step, itemsize=dtype.itemsize)
    places, image_places = places_of(
        (W, min(H, strip_rows), left, columns), (OW, side, out_columns), width
    )
    sizes = Convolution(
        0, 0, 0, C, H, W, top, *plan.tiles, 0, plan.tile_rows, plan.block_rows, lane, step, *flip, plan.depth,
        *plan.v_steps, *plan.u_steps, *plan.m_steps, relu, O, OH, OW, m_at, scratch_at, scratch_step, image_places,
    )  # fmt: skip
    arrays = (
        flat(x), flat(w), empty_buffer(plan.u_size, dtype) if U is None else U, empty_buffer(size, dtype),
        padded_bias, target.reshape(-1), places,
    )  # fmt: skip
    for count, changes in calls_of(plan, U is not None):
        convolve(min(threads, count), algorithm, *arrays, table_of(sizes._replace(**changes)))
    if target is not out:
        out[...] = target


def calls_of(plan: Blocks, is_prepared: bool) -> Iterator[tuple[int, dict[str, int]]]:
    """Yield, for each call of `convolve`, the number of its jobs and what changes in its sizes from call to call."""
    if plan.by_panel:
        for first in range(0, plan.tile_rows, plan.group_rows):
            last = min(first + plan.group_rows, plan.tile_rows)
            group = {"first_row": first, "last_row": last, "blocks": ceil_div(last - first, plan.block_rows)}
            yield group["blocks"], group
            yield plan.panels, group | {"by_panel": 1, "panels": plan.panels}
    else:
        if not is_prepared:
            yield plan.panels, {"by_panel": 1, "panels": plan.panels}
        blocks = ceil_div(plan.tile_rows, plan.block_rows)
        yield blocks, {"blocks": blocks, "panels": plan.panels}


class WeightBlocks(NamedTuple):
    """How a weight gradient is cut, and the distances that follow; see `correlate_tiles`."""

    tiles: Pair
    tile_rows: int
    slots: int  # 0 where the products are taken by channels
    group_rows: int
    slot_rows: int
    chunk_rows: int
    v_size: int
    v_steps: Steps
    q_size: int
    q_steps: Steps
    d_size: int
    d_steps: Steps


@lru_cache(maxsize=256, typed=True)  # algorithms of different classes can be equal as tuples
def weight_blocks_for(
    algorithm: Algorithm, N: int, C: int, O: int, OH: int, OW: int, itemsize: int, threads: int
) -> WeightBlocks:
    """Choose the blocks of a weight gradient: by slots of tiles where a few D are small, else by channels."""
    width = VECTOR_BYTES // itemsize
    columns = VECTORS * width
    side = algorithm.gradients.sources
    tiles = down, across = ceil_div(OH, side), ceil_div(OW, side)
    v_points, q_points = algorithm.inputs.targets**2, algorithm.gradients.targets**2
    tile_rows = N * down
    # A vector more keeps tiles off the same lines of cache; whole panels do not read it.
    v_tile = ceil_to(C, width) + (0 if C % columns else width)
    q_tile = ceil_to(O, width) + width
    row_bytes = (v_points * v_tile + q_points * q_tile) * itemsize * across
    d_point = ceil_to(min(WEIGHT_ROWS, O), ROWS) * columns + width
    d_block = POINTS * d_point
    d = ceil_div(O, WEIGHT_ROWS) * ceil_div(C, columns) * d_block
    if d * itemsize <= SLOT_BYTES and tile_rows * across >= 32 * SLOTS:
        slot_rows = ceil_div(tile_rows, SLOTS)
        slots = ceil_div(tile_rows, slot_rows)
        chunk_rows = min(slot_rows, max(1, CHUNK_BYTES // row_bytes))
        group_rows, held_rows = tile_rows, chunk_rows
    else:
        slots = 0
        held_rows = group_rows = max(1, min(tile_rows, max(GROUP_BYTES, d * itemsize) // row_bytes))
        slot_rows = chunk_rows = max(1, min(16 // across, group_rows // threads))
    v_point, q_point = held_rows * across * v_tile + width, held_rows * across * q_tile + width
    # The last panel and the last rows of a register tile are read beyond the channels that there are.
    v, q = v_points * v_point + columns, q_points * q_point + ROWS
    shape = tiles, tile_rows, slots, group_rows, slot_rows, chunk_rows
    if slots:
        return WeightBlocks(
            *shape,
            threads * v, (v, 0, v_tile, v_point),
            threads * q, (q, 0, q_tile, q_point),
            slots * d, (0, d, d_block, d_point),
        )  # fmt: skip
    is_whole = group_rows == tile_rows
    return WeightBlocks(
        *shape,
        v, (0, across * v_tile, v_tile, v_point),
        q, (0, across * q_tile, q_tile, q_point),
        threads * d_block if is_whole else d, (d_block, 0, 0, d_point) if is_whole else (0, 0, d_block, d_point),
    )  # fmt: skip


# --- Public functions ---------------------------------------------------------------------------------------


def output_size(x: Array, stride: int, padding: Padding) -> Pair:
    """Return the height and width of the outputs."""
    return (x.shape[2] + sum(padding[0]) - 3) // stride + 1, (x.shape[3] + sum(padding[1]) - 3) // stride + 1


def conv2d(
    x: Array,
    w: Array,
    bias: Array | None = None,
    *,
    stride: int = 1,
    padding: Padding,
    relu: bool = False,
    out: Array | None = None,
) -> Array:
    """Convolve images with 3x3 kernels.

    Parameters
    ----------
    x : ndarray (N, Cin, H, W), float32 or float64
    w : ndarray (Cout, Cin, 3, 3), dtype of x
    bias : ndarray (Cout,), optional
    stride : 1 or 2, along both axes
    padding : ((top, bottom), (left, right)), zeros
    relu : bool, replace negative results by 0
    out : ndarray (N, Cout, OH, OW), optional, written and returned

    Returns
    -------
    ndarray (N, Cout, OH, OW), OH = floor((H + top + bottom - 3) / stride) + 1
    """
    O, C = w.shape[:2]
    if out is None:
        out = np.empty((x.shape[0], O, *output_size(x, stride, padding)), x.dtype)
    corner = padding[0][0], padding[1][0]
    keeps = stride == 1 and 4 * w.nbytes > KEPT_FROM and w.flags.c_contiguous
    U = kept_transforms(w) if keeps else None
    run_convolution(BY_STRIDE[stride], x, w, 9 * C, 9, (False, False), bias, corner, relu, out, U)
    return out


class PreparedWeight(NamedTuple):
    """A weight's transform, for evaluation: it does not follow when the weight changes."""

    shape: Shape
    U: Array


def prepare_weight(w: Array) -> PreparedWeight:
    """Transform a weight (Cout, Cin, 3, 3) once, for many calls of `conv2d_prepared`. It takes 4 times its memory."""
    O, C = w.shape[:2]
    columns = VECTORS * VECTOR_BYTES // w.itemsize
    panels = ceil_div(O, columns)
    point = C * columns + columns // VECTORS
    U = empty_buffer(panels * POINTS * point, w.dtype)
    none, nowhere = np.empty(0, w.dtype), np.empty(0, np.int64)
    if w.size:
        sizes = Convolution(*(0,) * len(Convolution._fields))._replace(
            by_panel=1, panels=panels, in_channels=C, lane=9 * C, step=9, depth=C, u_panel=POINTS * point,
            u_point=point, out_channels=O, block_rows=1,
        )  # fmt: skip
        convolve(threads_for(U.size), UNIT_STRIDE, none, flat(w), U, none, none, none, nowhere, table_of(sizes))
    return PreparedWeight(w.shape, U)


def _transform(w: Array) -> tuple[Array, int]:
    U = prepare_weight(w).U
    return U, U.nbytes


kept_transforms = Kept(_transform, KEPT_BYTES)


def conv2d_prepared(
    x: Array,
    w: PreparedWeight,
    bias: Array | None = None,
    *,
    padding: Padding,
    relu: bool = False,
    out: Array | None = None,
) -> Array:
    """Convolve images with a prepared weight, stride 1: `conv2d` to the bit, in less time for deep layers."""
    if out is None:
        out = np.empty((x.shape[0], w.shape[0], *output_size(x, 1, padding)), x.dtype)
    corner = padding[0][0], padding[1][0]
    run_convolution(UNIT_STRIDE, x, w.U, 0, 0, (False, False), bias, corner, relu, out, w.U)
    return out


def conv2d_input(
    g: Array, w: Array, *, size: Pair, stride: int = 1, padding: Padding, out: Array | None = None
) -> Array:
    """Compute the gradient of `conv2d` in x.

    Parameters
    ----------
    g : ndarray (N, Cout, OH, OW), gradient of the output
    w : ndarray (Cout, Cin, 3, 3)
    size : (H, W) of the input
    stride, padding : as in `conv2d`
    out : ndarray (N, Cin, H, W), optional, written and returned

    Returns
    -------
    ndarray (N, Cin, H, W)
    """
    (top, _), (left, _) = padding
    C = w.shape[1]
    if out is None:
        out = np.empty((g.shape[0], C, *size), g.dtype)
    if stride == 1:
        run_convolution(UNIT_STRIDE, g, w, 9, 9 * C, (True, True), None, (2 - top, 2 - left), False, out)
        return out
    # Tiles begin with an even pixel of the padded image, or end with one.
    is_even = top % 2 == 0, left % 2 == 0
    algorithm = UPSAMPLING._replace(down=1 if is_even[0] else -1, right=1 if is_even[1] else -1)
    corner = is_even[0] - top // 2, is_even[1] - left // 2
    run_convolution(algorithm, g, w, 9, 9 * C, is_even, None, corner, False, out)
    return out


def conv2d_weight(g: Array, x: Array, *, stride: int = 1, padding: Padding, out: Array | None = None) -> Array:
    """Compute the gradient of `conv2d` in w.

    Parameters
    ----------
    g : ndarray (N, Cout, OH, OW), gradient of the output
    x : ndarray (N, Cin, H, W), the input
    stride, padding : as in `conv2d`
    out : ndarray (Cout, Cin, 3, 3), optional, written and returned

    Returns
    -------
    ndarray (Cout, Cin, 3, 3)
    """
    top, left = padding[0][0], padding[1][0]
    N, O, OH, OW = g.shape
    C, H, W = x.shape[1:]
    dtype = g.dtype
    if out is None:
        out = np.empty((O, C, 3, 3), dtype)
    if g.size == 0 or x.size == 0:
        out[...] = 0
        return out

    algorithm = BY_STRIDE[stride]
    width = VECTOR_BYTES // dtype.itemsize
    threads = threads_for(g.size * C // 4)
    plan = weight_blocks_for(algorithm, N, C, O, OH, OW, dtype.itemsize, threads)
    target = out if out.flags.carray else np.empty(out.shape, dtype)
    across, step, side = plan.tiles[1], algorithm.step, algorithm.gradients.sources
    x_rows, x_columns = step * (plan.chunk_rows - 1) + algorithm.inputs.sources, step * across + SPARE
    g_rows, g_columns = side * plan.chunk_rows, side * across + SPARE
    scratch_step = max(strip_size(x_rows, x_columns, W, width), strip_size(g_rows, g_columns, OW, width))
    q_at, d_at, scratch_at, size = offsets_of(
        plan.v_size, plan.q_size, plan.d_size, threads * scratch_step, itemsize=dtype.itemsize
    )
    places, g_places = places_of(
        (W, min(H, x_rows), left, x_columns), (OW, min(OH, g_rows), 0, g_columns), width
    )
    space = empty_buffer(size, dtype)
    sizes = Correlation(
        plan.slots, plan.slot_rows, plan.chunk_rows, 0, 0, *plan.tiles, plan.slots > 0, 0, 0, C, H, W, top, O, OH, OW,
        *plan.v_steps, *plan.q_steps, *plan.d_steps, q_at, d_at, scratch_at, scratch_step, g_places,
    )  # fmt: skip
    images, gradients = flat(x), flat(g)
    for first in range(0, plan.tile_rows, plan.group_rows):
        last = min(first + plan.group_rows, plan.tile_rows)
        table = table_of(sizes._replace(
            first_row=first, last_row=last, is_begun=first > 0, is_done=last == plan.tile_rows
        ))  # fmt: skip
        correlate_tiles(threads, algorithm, images, gradients, space, places, table)
        correlate_channels(threads, algorithm, space, target.reshape(-1), table)
    if target is not out:
        out[...] = target
    return out
