"""Winograd's convolution F(4x4, 3x3): 3x3 kernels, stride 1, with a quarter of the multiplications.

The algorithm
-------------
A correlation of 6 inputs d with 3 weights w gives 4 outputs y and costs 12 multiplications directly. Both are
polynomials; their product is known when its values at 6 points are (Toom and Cook), and 6 points take 6
multiplications. Transposed, that is a correlation (Winograd):

    y = A^T [(G w) * (B^T d)]                                       * is the product point by point

with constant matrices of small rational numbers (`winograd_transforms`). Nested with itself it gives
4x4 outputs from a 6x6 tile d and a 3x3 kernel w, with 36 multiplications in place of 144:

    y = A^T [(G w G^T) * (B^T d B)] A

A convolution layer cuts each image into tiles of 6x6 that overlap by 2, so that their 4x4 outputs join, and sums
over input channels c. The sum can be taken before A^T is applied, which then costs once per output channel o; and
point by point, the sum over channels is a matrix product over tiles t:

    V[p, t, c] = (B^T d B)[p]     U[p, c, o] = (G w G^T)[p]     M[p] = V[p] U[p]    for each of 36 points p
    y = A^T M A + bias

36 products of matrices, on the register tile of `tile`, are where the time goes; the transforms are additions.

- *Gradient of the input*: the same convolution, of the output's gradient with kernels rotated by half a turn,
  input and output channels exchanged, and 2 - padding.
- *Gradient of the weight*: the expression is linear in w, d and y, so its adjoint in w is, with the gradient g of y,

      gw = G^T [sum over tiles of (A g A^T) * (B^T d B)] G

  36 products again, now summed over tiles. It is F(3x3, 4x4).

Source: A. Lavin and S. Gray, Fast Algorithms for Convolutional Neural Networks, CVPR 2016, arXiv:1509.09308.


What it costs
-------------
*Accuracy.* The matrices amplify rounding. Against float64, relative to the largest output, the error in float32 is
2e-6 to 2e-5, where direct convolution has 1e-7 to 2e-6. NaN and infinity in the input make NaN of every output of
the tiles that contain them: all outputs that they reach directly, and up to 5 pixels more to each side.

*Memory.* V and M are 2.25 times as large as input and output, so they are never whole (except where they are small).
Which operand is streamed depends on their sizes:

- many tiles (large images or batches): U is computed once and shared; each thread takes blocks of tiles, of
  which V and M stay in its cache;
- more channels than tiles (deep layers): V is computed once and shared; each thread takes blocks of output
  channels, computes their part of U in its cache, and uses it at once. U, four times as large as the weights, never
  goes through memory.

Both are one kernel, `convolve`, called twice: the first call computes what is shared.


Layout
------
Everything between the transforms has channels innermost, in rows padded to whole vectors. The distance between
points is one vector longer than the data: without that, the 36 points would be powers of two apart and compete
for the same few lines of cache.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from .compile import jit, kernel, prange, threads_for
from .tile import ADD, VECTOR_BYTES, ZERO, lanes, multiply_tile
from .winograd_transforms import (
    gather_pixels,
    scatter_pixels,
    transform_gradient,
    transform_input,
    transform_output,
    transform_weight,
    transform_weight_gradient,
)

__all__ = ["conv2d", "conv2d_input", "conv2d_weight"]

Pair = tuple[int, int]
Padding = tuple[Pair, Pair]

POINTS = 36
ROWS = 6 if VECTOR_BYTES == 32 else 8  # of the register tile: AVX2 has 16 registers, the others 32
VECTORS = 2
BLOCK_BYTES = 320 * 1024  # of V in a block of tiles, and of U in a block of channels: a part of the L2 cache
SHARED_BYTES = 4 * 1024 * 1024
GROUP_TILES = 128
CHUNK_BYTES = 4 * 1024 * 1024  # of V and gradients that the weight gradient holds at a time: a part of L3
WEIGHT_ROWS = 64  # output channels in a block of the weight gradient


# --- Kernels ---------------------------------------------------------------------------------------------
# Arrays are flat; `*_start`, `*_row`, `*_point`, ... are the element where something begins and the distance from
# one to the next. `lanes` channels make a vector, VECTORS vectors a panel.


@jit
def load_strip(x, start, planes, size, first_row, rows, strip, strip_start, strip_row, places):
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
    x, channels, size, top, halo, tiles, first_tile_row, last_tile_row,
    target, target_start, target_row, target_point, strip, strip_start, places,
):  # fmt: skip
    """Transform some rows of tiles, counted through all images: B^T d B of inputs or A g A^T of gradients.

    Tiles are 4 pixels apart, and ``halo`` is by how many they overlap: 2 for inputs, 0 for gradients.
    """
    tiles_down, tiles_across = tiles
    width = lanes(x)
    strip_row = (4 * tiles_across + halo) * width
    plane = size[0] * size[1]
    for c in range(0, channels, width):
        at = target_start + c
        tile_row = first_tile_row
        while tile_row < last_tile_row:
            n, i = tile_row // tiles_down, tile_row % tiles_down
            count = min(tiles_down - i, last_tile_row - tile_row)
            load_strip(
                x, (n * channels + c) * plane, channels - c, size, 4 * i - top, 4 * count + halo,
                strip, strip_start, strip_row, places,
            )  # fmt: skip
            for a in range(count):
                for b in range(tiles_across):
                    tile = strip_start + 4 * a * strip_row + 4 * b * width
                    if halo:
                        transform_input(
                            strip, tile, strip_row, width, target, at, 6 * target_point, target_point
                        )
                    else:
                        transform_gradient(
                            strip, tile, strip_row, width, target, at, 6 * target_point, target_point
                        )
                    at += target_row
            tile_row += count


@jit
def transform_weights(w, start, lane, lane_count, step, count, flip, U, u_start, u_point):
    """Transform ``count`` rows of a panel of weights; kernels are ``lane`` apart across it and ``step`` down it."""
    width = lanes(w)
    for k in range(count):
        for j in range(0, min(VECTORS * width, lane_count), width):
            at = u_start + k * VECTORS * width + j
            transform_weight(w, start + k * step + j * lane, lane, lane_count - j, flip, U, at, u_point)


@jit
def write_outputs(
    M, m_start, m_point, tiles, first_tile_row, last_tile_row, bias, relu,
    out, channels, channel, size, scratch, scratch_start, places,
):  # fmt: skip
    """Transform the products of some rows of tiles and one panel, and write them as images."""
    tiles_down, tiles_across = tiles
    width = lanes(M)
    OH, OW = size
    scratch_row = 4 * tiles_across * width
    for j in range(0, min(VECTORS * width, channels - channel), width):
        at = m_start + j
        for tile_row in range(first_tile_row, last_tile_row):
            n, i = tile_row // tiles_down, tile_row % tiles_down
            for b in range(tiles_across):
                transform_output(
                    M, at, 6 * m_point, m_point, scratch, scratch_start + 4 * b * width, scratch_row, width,
                    bias, channel + j, relu,
                )  # fmt: skip
                at += VECTORS * width
            start = ((n * channels + channel + j) * OH + 4 * i) * OW
            count = min(4, OH - 4 * i) * OW
            for q in range(0, count, width):
                gather_pixels(
                    scratch, scratch_start, places, q, count - q,
                    out, start + q, OH * OW, channels - channel - j,
                )  # fmt: skip


@jit
def rows_of(block, block_rows, tile_rows):
    """Return the first row of tiles of a block, and the one after its last."""
    first = tile_rows[0] + block * block_rows
    return first, min(first + block_rows, tile_rows[1])


@kernel
def convolve(
    threads, by_panel, blocks, panels,
    x, in_channels, in_size, top, tiles, tile_rows, block_rows,
    w, lane, step, flip, with_weights, depth,
    V, v_steps, U, u_steps, M, m_steps,
    bias, relu, out, out_channels, out_size,
    scratch, scratch_step, strip_places, image_places,
):  # fmt: skip
    """Compute a convolution, or one of the transforms that it needs.

    By blocks of tiles, each thread transforms its blocks of the input, and multiplies each by ``panels`` panels of U.
    By panels, each thread transforms its panels of the weights, and multiplies each by ``blocks`` blocks of V.
    So without panels the first only computes V, and without blocks the second only computes U.

    Parameters
    ----------
    tile_rows : (first, last)
        Rows of tiles to compute, counted through all images.
    block_rows : int
        Rows of tiles in a block.
    lane, step, flip : int, int, bool
        Distance of kernels of neighbouring output channels and input channels in ``w``; half a turn.
    depth : int
        Input channels that are multiplied at a time.
    v_steps : (thread, block, row, point)
    u_steps : (thread, panel, part of depth, point)
    m_steps : (thread, block, point)
        Distances; that of threads or that of blocks is 0, as the data is shared or private.
    """
    columns = VECTORS * lanes(x)
    v_thread, v_block, v_row, v_point = v_steps
    for t in prange(threads):
        work = t * scratch_step
        if by_panel:
            for panel in range(panels * t // threads, panels * (t + 1) // threads):
                multiply_panel(
                    t, panel, 0, blocks, columns, tile_rows, in_channels, tiles, block_rows,
                    w, lane, step, flip, with_weights, depth, V, v_steps, U, u_steps, M, m_steps,
                    bias, relu, out, out_channels, out_size, scratch, work, image_places,
                )  # fmt: skip
        else:
            for block in range(blocks * t // threads, blocks * (t + 1) // threads):
                first, last = rows_of(block, block_rows, tile_rows)
                transform_images(
                    x, in_channels, in_size, top, 2, tiles, first, last,
                    V, t * v_thread + block * v_block, v_row, v_point, scratch, work, strip_places,
                )  # fmt: skip
                for panel in range(panels):
                    multiply_panel(
                        t, panel, block, block + 1, columns, tile_rows, in_channels, tiles, block_rows,
                        w, lane, step, flip, False, depth, V, v_steps, U, u_steps, M, m_steps,
                        bias, relu, out, out_channels, out_size, scratch, work, image_places,
                    )  # fmt: skip


@jit
def multiply_panel(
    t, panel, first_block, last_block, columns, tile_rows, in_channels, tiles, block_rows,
    w, lane, step, flip, with_weights, depth, V, v_steps, U, u_steps, M, m_steps,
    bias, relu, out, out_channels, out_size, scratch, work, image_places,
):  # fmt: skip
    """Multiply blocks of V by a panel of U, computed first if asked, and write the outputs."""
    v_thread, v_block, v_row, v_point = v_steps
    u_thread, u_panel, u_part, u_point = u_steps
    m_thread, m_block, m_point = m_steps
    channel = panel * columns
    for k in range(0, in_channels, depth):
        count = min(depth, in_channels - k)
        u_at = t * u_thread + panel * u_panel + k // depth * u_part
        if with_weights:
            transform_weights(
                w, channel * lane + k * step, lane, out_channels - channel, step, count, flip, U, u_at, u_point
            )
        begin = ADD if k else ZERO
        for point in range(POINTS):
            for block in range(first_block, last_block):
                first, last = rows_of(block, block_rows, tile_rows)
                v_at = t * v_thread + block * v_block + point * v_point + k
                m_at = t * m_thread + (block - first_block) * m_block + point * m_point
                for row in range(0, (last - first) * tiles[1], ROWS):
                    multiply_tile(
                        ROWS, VECTORS, (count, 1, 1),
                        V, v_at + row * v_row, (1, 0, 0), v_row,
                        U, u_at + point * u_point, (columns, 0, 0), lanes(V),
                        M, m_at + row * columns, columns, lanes(V),
                        (ROWS, columns), begin, M, 0, False,
                    )  # fmt: skip
    for block in range(first_block, last_block):
        first, last = rows_of(block, block_rows, tile_rows)
        write_outputs(
            M, t * m_thread + (block - first_block) * m_block, m_point, tiles, first, last, bias, relu,
            out, out_channels, channel, out_size, scratch, work, image_places,
        )  # fmt: skip


@kernel
def correlate(
    threads, x, in_channels, in_size, top, g, out_channels, out_size, tiles, tile_rows, chunk_rows, block_rows,
    V, v_row, v_point, G, g_row, g_point, D, d_thread, d_task, d_point, gw,
    scratch, scratch_step, x_places, g_places,
):  # fmt: skip
    """Compute the gradient of the weights, in chunks of rows of tiles: first V and G of a chunk, then D += G^T V."""
    width = lanes(x)
    columns = VECTORS * width
    across = (in_channels + columns - 1) // columns
    tasks = across * ((out_channels + WEIGHT_ROWS - 1) // WEIGHT_ROWS)
    for first in range(0, tile_rows, chunk_rows):
        last = min(first + chunk_rows, tile_rows)
        blocks = (last - first + block_rows - 1) // block_rows
        for t in prange(threads):
            for block in range(blocks * t // threads, blocks * (t + 1) // threads):
                begin = first + block * block_rows
                end = min(begin + block_rows, last)
                row = block * block_rows * tiles[1]
                transform_images(
                    x, in_channels, in_size, top, 2, tiles, begin, end,
                    V, row * v_row, v_row, v_point, scratch, t * scratch_step, x_places,
                )  # fmt: skip
                transform_images(
                    g, out_channels, out_size, 0, 0, tiles, begin, end,
                    G, row * g_row, g_row, g_point, scratch, t * scratch_step, g_places,
                )  # fmt: skip
        for t in prange(threads):
            for task in range(tasks * t // threads, tasks * (t + 1) // threads):
                o, c = task // across * WEIGHT_ROWS, task % across * columns
                add_products(
                    (last - first) * tiles[1], first > 0, last == tile_rows, o, out_channels, c, in_channels,
                    V, v_row, v_point, G, g_row, g_point, D, t * d_thread + task * d_task, d_point, gw,
                )  # fmt: skip


@jit
def add_products(
    count, is_begun, is_done, o, out_channels, c, in_channels,
    V, v_row, v_point, G, g_row, g_point, D, d_start, d_point, gw,
):  # fmt: skip
    """Add the products of ``count`` tiles to a block of D, and transform it to the gradient when it is done."""
    width = lanes(V)
    columns = VECTORS * width
    rows = min(WEIGHT_ROWS, out_channels - o)
    for point in range(POINTS):
        for row in range(0, rows, ROWS):
            multiply_tile(
                ROWS, VECTORS, (count, 1, 1),
                G, point * g_point + o + row, (g_row, 0, 0), 1,
                V, point * v_point + c, (v_row, 0, 0), width,
                D, d_start + point * d_point + row * columns, columns, width,
                (ROWS, columns), ADD if is_begun else ZERO, D, 0, False,
            )  # fmt: skip
    if is_done:
        for row in range(rows):
            for j in range(0, min(columns, in_channels - c), width):
                transform_weight_gradient(
                    D, d_start + row * columns + j, d_point,
                    gw, ((o + row) * in_channels + c + j) * 9, in_channels - c - j,
                )  # fmt: skip


# --- Blocking ----------------------------------------------------------------------------------------------


def ceil_to(value: int, unit: int) -> int:
    """Return the least multiple of ``unit`` that is not below ``value``."""
    return -(-value // unit) * unit


def buffer(count: int, dtype: np.dtype) -> np.ndarray:
    """Return an uninitialised flat array that starts on a cache line."""
    line = 64 // dtype.itemsize
    whole = np.empty(count + line, dtype)
    start = -(whole.ctypes.data // dtype.itemsize) % line
    return whole[start : start + count]


def flat(array: np.ndarray) -> np.ndarray:
    """Return the array's elements in one row: itself when it is C-contiguous and writeable, else a copy."""
    return (array if array.flags.carray else np.array(array, order="C")).reshape(-1)


@lru_cache(maxsize=256)
def strip_places(columns: int, W: int, left: int, rows: int, width: int) -> np.ndarray:
    """Return where each pixel of some image rows lies in a strip, with one vector of entries to spare."""
    pixels = np.arange(rows * W + width)
    return (pixels // max(W, 1) * columns + pixels % max(W, 1) + left) * width


def block_rows_for(tile_rows: int, across: int, most_tiles: int, threads: int) -> int:
    """Return how many rows of tiles make a block: few idle rows of register tiles, something for each thread."""
    most = max(1, min(most_tiles // across, tile_rows // threads))

    def share_of_use(rows):
        return rows * across / ceil_to(rows * across, ROWS)

    return max(range(1, most + 1), key=lambda rows: (share_of_use(rows), rows))


def run(x, w, channels, lane, step, flip, bias, corner, relu, out):
    """Convolve x with 3x3 kernels, of which those of output channel o and input channel c are at o*lane + c*step."""
    top, left = corner
    OH, OW = out.shape[2:]
    first, last = max(0, -left), min(x.shape[3], OW + 2 - left)
    if last - first < x.shape[3]:
        x, left = x[:, :, :, first:last], max(0, left)
    N, C, H, W = x.shape
    if out.size == 0:
        return
    target = out if out.flags.carray else np.empty(out.shape, out.dtype)
    dtype = out.dtype
    width = VECTOR_BYTES // dtype.itemsize
    columns = VECTORS * width
    padded = np.zeros(ceil_to(channels, columns), dtype)
    if bias is not None:
        padded[:channels] = bias
    threads = threads_for(out.size * C)
    down, across = -(-OH // 4), -(-OW // 4)
    row_length = ceil_to(C, width)
    tile_bytes = POINTS * row_length * dtype.itemsize
    panels = len(padded) // columns
    tile_rows = N * down
    u_size = len(padded) * C * POINTS
    by_panel = u_size * dtype.itemsize > SHARED_BYTES or tile_rows * across < channels
    if by_panel:
        group = max(1, min(tile_rows, GROUP_TILES // across))
        most_tiles = 32
        depth = min(C, BLOCK_BYTES // (POINTS * columns * dtype.itemsize))
    else:
        group = tile_rows
        most_tiles = max(16, BLOCK_BYTES // tile_bytes)
        depth = C
    block_rows = block_rows_for(group, across, most_tiles, threads)
    block_tiles = ceil_to(block_rows * across, ROWS)
    v_point = block_tiles * row_length + width
    m_point = block_tiles * columns + width
    u_point = depth * columns + width
    blocks = -(-group // block_rows)
    scratch_step = ((4 * block_rows + 2 + width) * (4 * across + 2) + 64) * width
    scratch = buffer(threads * scratch_step, dtype)
    into_strip = strip_places(4 * across + 2, W, left, min(H, 4 * block_rows + 2), width)
    into_image = strip_places(4 * across, OW, 0, 4, width)
    operands = flat(x), C, (H, W), top, (down, across)
    weights = flat(w), lane, step, flip
    end = padded, relu, target.reshape(-1), channels, (OH, OW), scratch, scratch_step, into_strip, into_image
    if by_panel:
        V, v_steps = buffer(blocks * POINTS * v_point, dtype), (0, POINTS * v_point, row_length, v_point)
        U, u_steps = buffer(threads * POINTS * u_point, dtype), (POINTS * u_point, 0, 0, u_point)
        M, m_steps = buffer(threads * blocks * POINTS * m_point, dtype), (blocks * POINTS * m_point, POINTS * m_point, m_point)
    else:
        V, v_steps = buffer(threads * POINTS * v_point, dtype), (POINTS * v_point, 0, row_length, v_point)
        U, u_steps = buffer(panels * POINTS * u_point, dtype), (0, POINTS * u_point, 0, u_point)
        M, m_steps = buffer(threads * POINTS * m_point, dtype), (POINTS * m_point, 0, m_point)
    buffers = V, v_steps, U, u_steps, M, m_steps
    if by_panel:
        for first in range(0, tile_rows, group):
            rows = first, min(first + group, tile_rows)
            blocks = -(-(rows[1] - first) // block_rows)
            convolve(threads, False, blocks, 0, *operands, rows, block_rows, *weights, False, depth, *buffers, *end)
            convolve(threads, True, blocks, panels, *operands, rows, block_rows, *weights, True, depth, *buffers, *end)
    else:
        rows = 0, tile_rows
        convolve(threads, True, 0, panels, *operands, rows, block_rows, *weights, True, depth, *buffers, *end)
        convolve(threads, False, blocks, panels, *operands, rows, block_rows, *weights, False, depth, *buffers, *end)
    if target is not out:
        out[...] = target


def conv2d(x, w, bias=None, *, padding, relu=False, out=None):
    (top, bottom), (left, right) = padding
    if out is None:
        out = np.empty((x.shape[0], w.shape[0], x.shape[2] + top + bottom - 2, x.shape[3] + left + right - 2), x.dtype)
    O, C = w.shape[:2]
    run(x, w, O, 9 * C, 9, False, bias, (top, left), relu, out)
    return out


def conv2d_input(g, w, *, size, padding, out=None):
    (top, _), (left, _) = padding
    C = w.shape[1]
    if out is None:
        out = np.empty((g.shape[0], C, *size), g.dtype)
    run(g, w, C, 9, 9 * C, True, None, (2 - top, 2 - left), False, out)
    return out


def conv2d_weight(g, x, *, padding, out=None):
    (top, _), (left, _) = padding
    N, O, OH, OW = g.shape
    C, H, W = x.shape[1:]
    dtype = g.dtype
    if out is None:
        out = np.empty((O, C, 3, 3), dtype)
    target = out if out.flags.carray else np.empty(out.shape, dtype)
    if g.size == 0:
        out[...] = 0
        return out
    width = VECTOR_BYTES // dtype.itemsize
    columns = VECTORS * width
    threads = threads_for(g.size * C)
    down, across = -(-OH // 4), -(-OW // 4)
    tile_rows = N * down
    v_row, g_row = ceil_to(C, width), ceil_to(O, width)
    tile_bytes = POINTS * (v_row + g_row) * dtype.itemsize
    chunk_rows = min(tile_rows, max(1, CHUNK_BYTES // (tile_bytes * across)))
    block_rows = max(1, min(16 // across, chunk_rows // threads))
    v_point = chunk_rows * across * v_row + width
    g_point = chunk_rows * across * g_row + width
    V = buffer(POINTS * v_point + columns, dtype)
    G = buffer(POINTS * g_point + ROWS, dtype)
    d_point = ceil_to(min(WEIGHT_ROWS, O), ROWS) * columns + width
    tasks = -(-O // WEIGHT_ROWS) * -(-C // columns)
    if chunk_rows < tile_rows:
        D, d_steps = buffer(tasks * POINTS * d_point, dtype), (0, POINTS * d_point)
    else:
        D, d_steps = buffer(threads * POINTS * d_point, dtype), (POINTS * d_point, 0)
    scratch_step = ((4 * block_rows + 2 + width) * (4 * across + 2) + 64) * width
    scratch = buffer(threads * scratch_step, dtype)
    x_places = strip_places(4 * across + 2, W, left, min(H, 4 * block_rows + 2), width)
    g_places = strip_places(4 * across, OW, 0, min(OH, 4 * block_rows), width)
    correlate(
        threads, flat(x), C, (H, W), top, flat(g), O, (OH, OW), (down, across), tile_rows, chunk_rows, block_rows,
        V, v_row, v_point, G, g_row, g_point, D, *d_steps, d_point, target.reshape(-1),
        scratch, scratch_step, x_places, g_places,
    )  # fmt: skip
    if target is not out:
        out[...] = target
    return out
