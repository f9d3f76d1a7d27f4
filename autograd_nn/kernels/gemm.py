"""Matrix products: packed and blocked for the caches, threaded, on the register tile.

A large product reads each element of its operands many times, so it is worth bringing them into the
order in which the tile asks for them (Goto and van de Geijn, "Anatomy of high-performance matrix
multiplication", 2008). ``a`` is cut into *row panels* of ``ROWS`` rows, ``b`` into *column panels* of
``VECTORS`` vectors; packed, the elements of one step of the reduction are neighbours::

    a (M, K)                  b (K, N)                    c (M, N)
    +-----------+  panel 0    +------+------+---          +------+------+---
    |           |  ROWS rows  |      |      |             | tile | tile |
    +-----------+             |      |      |      ->     +------+------+---
    |           |  panel 1    |      |      |             | tile | tile |
    +-----------+             +------+------+---          +------+------+---

Each thread owns a rectangle of ``c``, and packs what it needs for it: a block of the reduction at a time, of
all its rows and then of a block of its columns. Packed, those columns stay in its L2 cache while all
its row panels pass by, and of each row panel the block's part stays in the L1 cache meanwhile.

Each element of ``c`` is summed by one thread, from its bias on, in the order of the reduction, one fused
multiply-add after the other. However a product is cut or transposed, its bits are the same: for any number of
threads, and for a row whatever the other rows are and however many. So what differs in its order is chosen by K
and N alone: a single column is a sum by vectors along K, and where K is long and N small, K is cut into pieces of
fixed length whose products are summed in order.

Where the edges would waste too much of the tile (10 columns in a panel of 32), the transposed product is computed
instead. Few rows have little reuse to gain from packing: the matrix is then read as it lies, by tiles if it lies row by
row, else by squares that are transposed in registers.

NumPy's products are used for other dtypes only: OpenBLAS wakes a pool of threads of its own, which fights with ours
for the processors, and the bits of its rows depend on their number.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy import uintp
from numpy.lib.stride_tricks import as_strided

from .annotations import Array, Pair, Shape, Triple
from .by_numpy import add, at_least_zero, copied, put, times, total
from .by_numpy import product as product_by_numpy
from .compile import JIT_DISABLED, chunked, get_num_threads, jit
from .memory import contiguous
from .records import record, table_of
from .tile import (
    ADD,
    BIAS_OF_COLUMN,
    BIAS_OF_ROW,
    GROUPS,
    REGISTERS,
    VECTOR_BYTES,
    ZERO,
    Columns,
    Place,
    Rows,
    Target,
    copy_vector,
    dot_products,
    lanes,
    multiply_tile,
    sums_of_rows,
    transpose_block,
)  # fmt: skip

__all__ = ["linear", "matmul"]

# The tile, 12 x 2 (of 32 registers) or 6 x 2 (of 16), and the shorter one for what is left of the rows.
ROWS, VECTORS = (12, 2) if REGISTERS == 32 else (6, 2)
REST = ROWS // 3

DOT_ROWS = 4  # rows of a matrix that are multiplied with a vector at a time
# Few rows times a matrix: vectors of a panel, rows of the matrix that are taken at a time, rows of a tile of half the
# width. Up to so many rows it pays to read the matrix as it lies, row by row or column by column.
WIDE, WIDE_ROWS = 8, 16
HALF, FEW = WIDE // 2, 4 if REGISTERS == 32 else 2
MOST_ROWS, MOST_ROWS_OF_COLUMNS = 12, 4

PACK_LENGTH = 64  # columns of `a` that are packed at a time where they lie together
PACK_WORK, TRANSPOSE_WORK = 9, 20  # multiply-adds in the time of packing or transposing an element
ROW_PANEL_BYTES = 24 * 1024  # of one row panel in the L1 cache, of 32 KiB or more
COLUMN_BLOCK_BYTES = 256 * 1024  # of one block of columns in the L2 cache, of 512 KiB or more
ROW_BLOCK = 80 * ROWS  # rows of one block, for which all columns are packed anew

OUTER_WORK = 2**18  # elements of a product of a column with a row above which threads share it
THREAD_WORK = 2**18  # multiply-adds that pay for one thread
ALONE_WORK = 2**22  # multiply-adds of a matrix that all threads share, in a batch
IN_PLACE = 2**16  # elements of `b` up to which it is read as it lies
SPLIT_LENGTH = 4096  # of the pieces of a long reduction
SPLIT_COLUMNS = 64  # columns of `c` up to which the reduction is split

# --- Packing ------------------------------------------------------------------------------------------


@jit(borrows=True)
def pack_rows(
    a: Array, a_start: int, a_row: int, a_column: int, row_count: int, k_count: int, packed: Array, packed_start: int
) -> None:
    """Pack a block of ``a``: of each panel of rows, element (i, k) to ``k * ROWS + i``; zeros beyond."""
    width = lanes(a)
    if a_column == 1:
        for i in range(0, row_count, ROWS):
            # Whole vectors reach beyond a panel's step: into the next one, which is written after it (therefore the
            # last rows first), and in the last panel into the space of the columns, which are packed after the rows.
            for k in range(0, k_count, width):
                for r in range((ROWS - 1) // width * width, -1, -width):
                    transpose_block(
                        a, a_start + (i + r) * a_row + k, a_row,
                        packed, packed_start + i * k_count + k * ROWS + r, ROWS,
                        (row_count - i - r, k_count - k), ROWS - r,
                    )  # fmt: skip
        return
    # A column lies together: all panels take their part of some columns before the next are read. Whole
    # vectors reach beyond a panel's step, into what the next step then overwrites; the last must not.
    for k_begin in range(0, k_count, PACK_LENGTH):
        k_end = min(k_begin + PACK_LENGTH, k_count)
        for i in range(0, row_count, ROWS):
            source, target = a_start + i, packed_start + i * k_count
            for k in range(k_begin, k_end - 1):
                for r in range(0, ROWS, width):
                    start = source + r + k * a_column
                    copy_vector(a, start, packed, target + k * ROWS + r, row_count - i - r)
            for r in range(ROWS):
                value = a[source + r + (k_end - 1) * a_column] if i + r < row_count else 0
                packed[target + (k_end - 1) * ROWS + r] = value


@jit(borrows=True)
def pack_columns(
    b: Array, b_start: int, b_row: int, b_column: int, column_count: int, k_count: int, packed: Array, packed_start: int
) -> None:
    """Pack a block of ``b``: of each panel of columns, element (k, j) to ``k * panel + j``; zeros beyond."""
    width = lanes(b)
    panel = VECTORS * width
    if b_column == 1:
        # A row lies together: all panels take their part of some rows before the next are read.
        for k_begin in range(0, k_count, WIDE_ROWS):
            k_end = min(k_begin + WIDE_ROWS, k_count)
            for n in range(0, column_count, panel):
                target = packed_start + n * k_count
                for k in range(k_begin, k_end):
                    for j in range(0, panel, width):
                        start = b_start + k * b_row + n + j
                        copy_vector(b, start, packed, target + k * panel + j, column_count - n - j)
        return
    for n in range(0, column_count, panel):
        for j in range(0, panel, width):
            for k in range(0, k_count, width):
                transpose_block(
                    b, b_start + (n + j) * b_column + k, b_column,
                    packed, packed_start + n * k_count + k * panel + j, panel,
                    (column_count - n - j, k_count - k), width,
                )  # fmt: skip


# --- Products of matrices -----------------------------------------------------------------------------


@jit(borrows=True)
def multiply_block(
    a: Place, b: Place, b_row: int, b_panel: int, c: Place, N: int, row_count: int, column_count: int, k_count: int,
    begin: int, bias: Place, relu: bool,
) -> None:  # fmt: skip
    """Multiply a packed block of ``a`` with one of ``b``: row panels outside, column panels inside.

    ``b_row`` is the step from row to row within a panel of ``b``, ``b_panel`` that from panel to panel.
    """
    width = lanes(c.array)
    panel = VECTORS * width
    for i in range(0, row_count, ROWS):
        rows_left = row_count - i
        for j in range(0, column_count, panel):
            columns = Columns(b.array, b.start + j // panel * b_panel, (b_row, 0, 0), width)
            if rows_left > ROWS - REST:
                multiply_tile(
                    ROWS, VECTORS, (k_count, 1, 1), Rows(a.array, a.start + i * k_count, (ROWS, 0, 0), 1), columns,
                    Target(c.array, c.start + i * N + j, N, width), (rows_left, column_count - j), begin,
                    Place(bias.array, bias.start + (i if begin == BIAS_OF_ROW else j)), relu,
                )  # fmt: skip
            else:
                for r in range(0, rows_left, REST):
                    multiply_tile(
                        REST, VECTORS, (k_count, 1, 1),
                        Rows(a.array, a.start + i * k_count + r, (ROWS, 0, 0), 1), columns,
                        Target(c.array, c.start + (i + r) * N + j, N, width), (rows_left - r, column_count - j), begin,
                        Place(bias.array, bias.start + (i + r if begin == BIAS_OF_ROW else j)), relu,
                    )  # fmt: skip


@jit(borrows=True)
def transpose_part(
    c: Array, N: int, row_begin: int, row_end: int, column_begin: int, column_end: int, out: Array, M: int
) -> None:
    """Write a part of ``c`` (M, N) to ``out`` (N, M)."""
    width = lanes(c)
    for i in range(row_begin, row_end, width):
        for j in range(column_begin, column_end, width):
            transpose_block(
                c, i * N + j, N, out, j * M + i, M,
                (row_end - i, column_end - j), 0,
            )  # fmt: skip


class Product(NamedTuple):
    """Sizes of products ``c[s] = a[s] @ b[s]`` and how they are cut."""

    M: int
    N: int
    K: int
    last: int  # K of the last product
    a_row: int  # elements of a from row to row, from column to column; so of b
    a_column: int
    b_row: int
    b_column: int
    begin: int  # the tile's, in the first block of the reduction
    relu: int  # the tile's, in the last one
    transposed: int  # of a single product: whether its transpose is written to `out`
    m_block: int  # rows, steps of the reduction and columns of a block
    k_block: int
    n_block: int
    row_parts: int  # parts of each c, a thread for each
    column_parts: int


@chunked
def product(
    t: int, threads: int, a: Array, a_starts: Array, b: Array, b_starts: Array, c: Array, bias: Array, space: Array,
    out: Array, table: Array,
) -> None:  # fmt: skip
    """Compute products ``c[s] = a[s] @ b[s]``, of which each thread owns some, or a rectangle of each.

    ``a[s]`` and ``b[s]`` start where ``a_starts`` and ``b_starts`` say; ``table`` holds a `Product`.
    """
    p = record(Product, table, 0)
    panel = VECTORS * lanes(c)
    part, column_part = t // p.column_parts, t % p.column_parts
    stack_part, row_part = part // p.row_parts, part % p.row_parts
    stack_parts = threads // (p.row_parts * p.column_parts)
    stack, row_panels, column_panels = len(a_starts), -(-p.M // ROWS), -(-p.N // panel)
    row_begin = row_panels * row_part // p.row_parts * ROWS
    row_end = min(p.M, row_panels * (row_part + 1) // p.row_parts * ROWS)
    column_begin = column_panels * column_part // p.column_parts * panel
    column_end = min(p.N, column_panels * (column_part + 1) // p.column_parts * panel)
    a_space = t * (p.m_block + p.n_block) * p.k_block
    b_space = a_space + p.m_block * p.k_block

    for s in range(stack * stack_part // stack_parts, stack * (stack_part + 1) // stack_parts):
        length = p.K if s < stack - 1 else p.last
        for m in range(row_begin, row_end, p.m_block):
            m_count = min(p.m_block, row_end - m)
            for k in range(0, length, p.k_block):
                k_count = min(p.k_block, length - k)
                begin = p.begin if k == 0 else ADD
                relu = p.relu != 0 and k + k_count == length
                source = a_starts[s] + m * p.a_row + k * p.a_column
                pack_rows(a, source, p.a_row, p.a_column, m_count, k_count, space, a_space)
                for n in range(column_begin, column_end, p.n_block):
                    n_count = min(p.n_block, column_end - n)
                    source, target = b_starts[s] + k * p.b_row + n * p.b_column, (s * p.M + m) * p.N + n
                    bias_start = m if p.begin == BIAS_OF_ROW else n
                    # Few row panels use a column too rarely to pay for packing: whole panels are read as they lie,
                    # if the rows of `b` lie close together, such that they stay in the cache between two panels.
                    is_small = p.b_column == 1 and m_count <= 3 * ROWS and k_count * p.b_row <= IN_PLACE
                    in_place = n_count // panel * panel if is_small else 0
                    if in_place:
                        multiply_block(
                            Place(space, a_space), Place(b, source), p.b_row, panel, Place(c, target), p.N,
                            m_count, in_place, k_count, begin, Place(bias, bias_start), relu,
                        )  # fmt: skip
                        n_count -= in_place
                        source, target = source + in_place, target + in_place
                        bias_start += 0 if p.begin == BIAS_OF_ROW else in_place
                    if n_count:
                        pack_columns(b, source, p.b_row, p.b_column, n_count, k_count, space, b_space)
                        multiply_block(
                            Place(space, a_space), Place(space, b_space), panel, panel * k_count, Place(c, target), p.N,
                            m_count, n_count, k_count, begin, Place(bias, bias_start), relu,
                        )  # fmt: skip
    if p.transposed:
        transpose_part(c, p.N, row_begin, row_end, column_begin, column_end, out, p.M)


# --- Products with a vector ---------------------------------------------------------------------------


@chunked
def rows_times_vector(t: int, threads: int, w: Array, x: Array, R: int, K: int, length: int, partial: Array) -> None:
    """Compute ``partial[r, s]``, the product of piece ``s`` of row ``r`` of ``w`` with that of ``x``."""
    pieces = -(-K // length)
    groups = -(-R // DOT_ROWS)
    for item in range(groups * pieces * t // threads, groups * pieces * (t + 1) // threads):
        row, piece = item // pieces * DOT_ROWS, item % pieces
        k = piece * length
        count = min(length, K - k)
        if R - row >= DOT_ROWS:
            dot_products(DOT_ROWS, w, row * K + k, K, x, k, count, partial, row * pieces + piece, pieces)
        else:
            for r in range(row, R):
                dot_products(1, w, r * K + k, K, x, k, count, partial, r * pieces + piece, pieces)


@chunked
def rows_times_rows(
    t: int, threads: int, x: Array, w: Array, M: int, K: int, N: int, y: Array, edge: Array, bias: Array, begin: int,
    relu: int,
) -> None:  # fmt: skip
    """Compute ``y = x @ w`` for few rows of ``x``, with `begin` and `relu` of the tile; each thread owns some columns.

    Rows of ``w`` are read as they lie, some at a time, so that few pages are in use at once. The last panel
    may be narrower than the tile, which would read beyond the array: its rows are first copied to ``edge``.
    """
    width = lanes(y)
    panel = WIDE * width
    panels = -(-N // panel)
    for k in range(0, K, WIDE_ROWS):
        k_count = min(WIDE_ROWS, K - k)
        first = begin if k == 0 else ADD
        last = relu != 0 and k + k_count == K
        for p in range(panels * t // threads, panels * (t + 1) // threads):
            j = p * panel
            source, start, row = w, k * N + j, N
            if N - j < panel:
                for r in range(k_count):
                    for v in range(0, panel, width):
                        copy_vector(w, start + r * N + v, edge, r * panel + v, N - j - v)
                source, start, row = edge, 0, panel
            for i in range(0, M - FEW + 1, FEW):
                for v in range(0, min(panel, N - j), HALF * width):
                    multiply_tile(
                        FEW, HALF, (k_count, 1, 1), Rows(x, i * K + k, (1, 0, 0), K),
                        Columns(source, start + v, (row, 0, 0), width), Target(y, i * N + j + v, N, width),
                        (FEW, N - j - v), first, Place(bias, j + v), last,
                    )  # fmt: skip
            for i in range(M // FEW * FEW, M):
                multiply_tile(
                    1, WIDE, (k_count, 1, 1), Rows(x, i * K + k, (1, 0, 0), 0),
                    Columns(source, start, (row, 0, 0), width), Target(y, i * N + j, 0, width),
                    (1, N - j), first, Place(bias, j), last,
                )  # fmt: skip


@chunked
def rows_times_columns(
    t: int, threads: int, x: Array, w: Array, M: int, K: int, N: int, y: Array, bias: Array, begin: int, relu: int
) -> None:
    """Compute ``y = x @ w.T`` for few rows of ``x``, summed as a tile would; each thread owns some rows of ``w``."""
    width = lanes(y)
    step = width * (GROUPS if M == 1 else 1)
    groups = -(-N // step)
    for group in range(groups * t // threads, groups * (t + 1) // threads):
        n = group * step
        count = min(step, N - n)
        for i in range(0, M - FEW + 1, FEW):
            sums_of_rows(FEW, w, n * K, K, count, x, i * K, K, K, y, i * N + n, N, begin, bias, n, relu != 0)
        for i in range(M // FEW * FEW, M):
            sums_of_rows(1, w, n * K, K, count, x, i * K, K, K, y, i * N + n, N, begin, bias, n, relu != 0)


@chunked
def outer(t: int, threads: int, x: Array, y: Array, out: Array) -> None:
    """Compute ``out[i, j] = x[i] y[j]``."""
    for i in range(t * len(x) // threads, (t + 1) * len(x) // threads):
        row, factor = out[i], x[i]
        for j in range(uintp(len(y))):
            row[j] = factor * y[j]


# --- The choice, in Python ----------------------------------------------------------------------------

FLOATS = frozenset({np.dtype(np.float32), np.dtype(np.float64)})
FIRST = np.zeros(1, np.int64)


def flattened(matrix: Array) -> tuple[Array, int, int]:
    """Return a matrix as (flat array, step from row to row, step from column to column).

    Kernels take aligned, writable arrays of unit stride in one of both dims; others are copied.
    """
    rows, columns = matrix.shape
    flags = matrix.flags
    if flags.carray:
        return matrix.reshape(-1), columns, 1
    if flags.farray:
        return matrix.T.reshape(-1), 1, rows
    return copied(matrix).reshape(-1), columns, 1


def blocks(M: int, N: int, K: int, itemsize: int) -> Triple:
    """Return the sizes of the blocks in M, K and N; that in K depends on nothing else."""
    panel = VECTORS * VECTOR_BYTES // itemsize
    k_block = math.ceil(K / math.ceil(K * ROWS * itemsize / ROW_PANEL_BYTES))
    n_block = max(1, COLUMN_BLOCK_BYTES // (k_block * panel * itemsize)) * panel
    return min(ROW_BLOCK, -(-M // ROWS) * ROWS), k_block, min(n_block, -(-N // panel) * panel)


def padded_work(M: int, N: int, panel: int) -> int:
    """Return how many elements of ``c`` the tiles compute, those beyond the edges too."""
    return -(-M // REST) * REST * -(-N // panel) * panel


def parts(threads: int, M: int, N: int, panel: int) -> Pair:
    """Return into how many row and column parts ``c`` is cut, so that the largest part is least work.

    A part is its multiply-adds, and the packing of its rows and columns, some PACK_WORK for each element.
    """
    row_panels, column_panels = -(-M // ROWS), -(-N // panel)
    choices = []
    for row_parts in range(1, min(threads, row_panels) + 1):
        column_parts = min(threads // row_parts, column_panels)
        rows = -(-row_panels // row_parts) * ROWS
        columns = -(-column_panels // column_parts) * panel
        choices.append((rows * columns + PACK_WORK * (rows + columns), row_parts, column_parts))
    return min(choices)[1:]


@lru_cache(maxsize=4096)
def is_transposed(M: int, N: int, K: int, itemsize: int) -> bool:
    """Return whether the transposed product is less work, that of transposing included."""
    panel = VECTORS * VECTOR_BYTES // itemsize
    return padded_work(N, M, panel) + M * N * TRANSPOSE_WORK // K < padded_work(M, N, panel)


@lru_cache(maxsize=4096)
def product_plan(
    M: int, N: int, K: int, last_K: int, a_steps: Pair, b_steps: Pair, begin: int, relu: bool, transposed: bool,
    threads: int, itemsize: int, is_stack: bool,
) -> tuple[Array, int, int]:  # fmt: skip
    """Return the table of a `Product`, the threads that compute it and the elements of space that they need."""
    row_parts, column_parts = (1, 1) if is_stack else parts(threads, M, N, VECTORS * VECTOR_BYTES // itemsize)
    m_block, k_block, n_block = blocks(-(-M // row_parts), -(-N // column_parts), K, itemsize)
    threads = threads if is_stack else row_parts * column_parts
    table = table_of(Product(
        M, N, K, last_K, *a_steps, *b_steps, begin, relu, transposed,
        m_block, k_block, n_block, row_parts, column_parts,
    ))  # fmt: skip
    return table, threads, threads * (m_block + n_block) * k_block


@lru_cache(maxsize=4096)
def matrix_plan(
    M: int, N: int, K: int, a_step: Pair, b_step: Pair, has_bias: bool, relu: bool, most: int, itemsize: int
) -> tuple[bool, Array, int, int]:
    """Return whether the product is transposed, and its `product_plan`, for steps of both operands."""
    threads = max(1, min(most, M * N * K // THREAD_WORK))
    transposed = is_transposed(M, N, K, itemsize)
    begin = ZERO if not has_bias else BIAS_OF_ROW if transposed else BIAS_OF_COLUMN
    if transposed:
        M, N, a_step, b_step = N, M, b_step[::-1], a_step[::-1]
    return transposed, *product_plan(
        M, N, K, K, a_step, b_step, begin, relu, transposed, threads, itemsize, False
    )


def multiply(a: Array, b: Array, out: Array, bias: Array | None = None, relu: bool = False) -> Array:
    """Compute ``out = a @ b`` for matrices, by the tile whatever the size."""
    (M, K), N = a.shape, b.shape[1]
    a, *a_step = flattened(a)
    b, *b_step = flattened(b)
    transposed, table, threads, space = matrix_plan(
        M, N, K, tuple(a_step), tuple(b_step), bias is not None, relu, get_num_threads(), a.itemsize
    )
    target = out.reshape(-1)
    c = np.empty(M * N, out.dtype) if transposed else target
    a, b = (b, a) if transposed else (a, b)
    product(threads, a, FIRST, b, FIRST, c, c if bias is None else bias, np.empty(space, out.dtype), target, table)
    return out


def multiply_many(
    a: Array, a_starts: Array, a_steps: Pair, b: Array, b_starts: Array, b_steps: Pair, c: Array,
    M: int, N: int, K: int, last_K: int,
) -> None:  # fmt: skip
    """Compute a list of products, each by one thread."""
    threads = max(1, min(get_num_threads(), len(a_starts), M * N * K * len(a_starts) // THREAD_WORK))
    table, threads, space = product_plan(
        M, N, K, last_K, a_steps, b_steps, ZERO, False, False, threads, c.itemsize, True
    )
    product(threads, a, a_starts, b, b_starts, c, c, np.empty(space, c.dtype), c, table)


def multiply_pieces(a: Array, b: Array, out: Array) -> Array:
    """Compute ``out = a @ b`` as the sum of products of pieces of the reduction."""
    (M, K), N = a.shape, b.shape[1]
    a, a_row, a_column = flattened(a)
    b, b_row, b_column = flattened(b)
    starts = np.arange(0, K, SPLIT_LENGTH)
    pieces = np.empty((len(starts), M, N), out.dtype)
    multiply_many(
        a, starts * a_column, (a_row, a_column), b, starts * b_row, (b_row, b_column), pieces.reshape(-1),
        M, N, SPLIT_LENGTH, K - int(starts[-1]),
    )  # fmt: skip
    return total(pieces, 0, out)


def multiply_column(a: Array, x: Array, y: Array) -> None:
    """Compute ``y = a @ x`` for a matrix (M, K) and vectors: sums by vectors along K, in pieces of fixed length."""
    M, K = a.shape
    threads = max(1, min(get_num_threads(), M * K // THREAD_WORK))
    a, x = contiguous(a), contiguous(x)
    if K <= SPLIT_LENGTH:
        rows_times_vector(threads, a.reshape(-1), x, M, K, SPLIT_LENGTH, y)
        return
    partial = np.empty((M, -(-K // SPLIT_LENGTH)), y.dtype)
    rows_times_vector(threads, a.reshape(-1), x, M, K, SPLIT_LENGTH, partial.reshape(-1))
    total(partial, 1, y)


def multiply_few(x: Array, b: Array, y: Array, bias: Array | None, relu: bool) -> None:
    """Compute ``y = x @ b + bias`` for few rows, and a matrix (K, N) that lies row by row or column by column."""
    M, (K, N) = len(x), b.shape
    threads = max(1, min(get_num_threads(), M * N * K // THREAD_WORK))
    x, target = contiguous(x).reshape(-1), y.reshape(-1)
    begin = ZERO if bias is None else BIAS_OF_COLUMN
    bias = target if bias is None else bias
    if b.flags.carray:
        edge = np.empty(WIDE_ROWS * WIDE * VECTOR_BYTES // y.itemsize, y.dtype)
        rows_times_rows(threads, x, b.reshape(-1), M, K, N, target, edge, bias, begin, int(relu))
        return
    begin = ZERO if begin == ZERO else BIAS_OF_ROW
    rows_times_columns(threads, x, contiguous(b.T).reshape(-1), M, K, N, target, bias, begin, int(relu))


def multiply_matrices(a: Array, b: Array, out: Array, bias: Array | None = None, relu: bool = False) -> Array:
    """Compute ``out = a @ b`` for matrices by the method that suits their shape; its bits depend on K and N alone."""
    (M, K), N = a.shape, b.shape[1]
    if JIT_DISABLED or not (out.size and K) or out.dtype.kind != "f":
        product_by_numpy(a, b, out)
    elif N == 1:
        multiply_column(a, b.reshape(-1), out.reshape(-1))
    elif K > SPLIT_LENGTH and N <= SPLIT_COLUMNS:
        multiply_pieces(a, b, out)
    elif K == 1 and bias is None and not relu:
        outer(get_num_threads(), contiguous(a).reshape(-1), contiguous(b).reshape(-1), out)
        return out
    elif M <= MOST_ROWS_OF_COLUMNS or (M <= MOST_ROWS and b.flags.carray):
        multiply_few(a, b, out, bias, relu)
        return out
    else:
        return multiply(a, b, out, bias, relu)
    return finished(out, bias, relu)


def rows_are_alike(dtype: np.dtype[Any]) -> bool:
    """Return whether each row of a product has the same bits whatever the number of rows: all but NumPy's."""
    return not JIT_DISABLED and dtype in FLOATS


def finished(out: Array, bias: Array | None, relu: bool) -> Array:
    """Apply bias and ReLU to a product that did not come from the tile."""
    if bias is not None:
        add(out, bias, out)
    if relu:
        at_least_zero(out)
    return out


class Stack(NamedTuple):
    """How the matrices of a stack lie in memory."""

    in_place: bool  # whether kernels can read them there; else the rest is of a copy
    order: Shape  # of the dims by their steps, if the memory has no gaps; else ()
    length: int  # elements from the first to the last one
    starts: Array  # where each matrix of the batch begins
    steps: Pair  # from row to row and column to column


@lru_cache(maxsize=1024)
def stack_of(shape: Shape, strides: Shape, itemsize: int, batch: Shape) -> Stack:
    """Return how to read a stack of matrices, which may be repeated in a batch.

    They are read in place if one of the steps is 1 and the others go forward.
    """
    in_place = itemsize in strides[-2:] and min(strides) >= 0 and not any(step % itemsize for step in strides)
    steps = [step // itemsize if in_place else math.prod(shape[i + 1 :]) for i, step in enumerate(strides)]
    order = tuple(sorted(range(len(shape)), key=lambda i: (-steps[i], -shape[i])))
    is_dense = all(steps[i] == math.prod(shape[j] for j in order[at + 1 :]) for at, i in enumerate(order))
    starts: Array = np.zeros((), np.int64)
    for size, step in zip(shape[:-2], steps):
        starts = starts[..., None] + np.arange(size) * step
    starts = np.array(np.broadcast_to(starts, batch), order="C").reshape(-1)  # own, writable: kernels know no other
    length = sum((size - 1) * step for size, step in zip(shape, steps)) + 1
    return Stack(in_place, order if is_dense else (), length, starts, (steps[-2], steps[-1]))


def strided(matrices: Array, batch: Shape) -> tuple[Array, Stack]:
    """Return a stack of matrices as a flat array, its own memory if that can be read, and how they lie there."""
    flags = matrices.flags
    stack = stack_of(matrices.shape, matrices.strides, matrices.itemsize, batch)
    if not (stack.in_place and flags.aligned and flags.writeable):
        matrices = copied(matrices)
        stack = stack_of(matrices.shape, matrices.strides, matrices.itemsize, batch)
    if stack.order:
        return matrices.transpose(stack.order).reshape(-1), stack
    return as_strided(matrices, (stack.length,), (matrices.itemsize,)), stack


def multiply_batch(a: Array, b: Array, out: Array) -> Array:
    """Compute ``out = a @ b`` for stacks of matrices, of which a stack may be repeated along a dim."""
    (M, K), N, batch = a.shape[-2:], b.shape[-1], out.shape[:-2]
    if JIT_DISABLED or not (out.size and K):
        return product_by_numpy(a, b, out)
    if M * N * K >= ALONE_WORK:
        a, b = np.broadcast_to(a, (*batch, M, K)), np.broadcast_to(b, (*batch, K, N))
        for index in np.ndindex(batch):
            multiply(a[index], b[index], out[index])
        return out
    (a, a_stack), (b, b_stack) = strided(a, batch), strided(b, batch)
    multiply_many(a, a_stack.starts, a_stack.steps, b, b_stack.starts, b_stack.steps, out.reshape(-1), M, N, K, K)
    return out


def matmul(a: Array, b: Array, out: Array | None = None) -> Array:
    """Return the matrix product over the last two dims; the other dims are broadcast.

    Parameters
    ----------
    a : ndarray of shape (..., M, K)
        In any memory order; float32 and float64 run on own kernels, other dtypes in NumPy.
    b : ndarray of shape (..., K, N)
    out : ndarray of shape (..., M, N), optional
        Where the product is written; it may not overlap the operands.

    Returns
    -------
    ndarray of shape (..., M, N)
        ``out[..., i, j] = sum_k a[..., i, k] * b[..., k, j]``; zero where K is 0.

    Raises
    ------
    ValueError
        Fewer than two dims, K that differs, batch dims that do not broadcast, ``out`` of another shape.
    """
    if a.ndim == 2 == b.ndim:
        (M, K), (rows, N) = a.shape, b.shape
        batch: Shape = ()
    elif a.ndim < 2 or b.ndim < 2:
        raise ValueError(f"matmul(): operands need at least 2 dims (a.shape={a.shape}, b.shape={b.shape})")
    else:
        (M, K), (rows, N) = a.shape[-2:], b.shape[-2:]
        batch = a.shape[:-2]
        if batch != b.shape[:-2]:
            try:
                batch = np.broadcast_shapes(batch, b.shape[:-2])
            except ValueError:
                raise ValueError(
                    f"matmul(): batch dims do not broadcast (a.shape={a.shape}, b.shape={b.shape})"
                ) from None
    if rows != K:
        raise ValueError(
            f"matmul(): a has {K} columns but b has {rows} rows (a.shape={a.shape}, b.shape={b.shape})"
        )
    if K == 1 and not batch and a.dtype == b.dtype and (M * N <= OUTER_WORK or a.dtype not in FLOATS):
        return times(a, b, out)
    if a.dtype != b.dtype or a.dtype not in FLOATS:
        return product_by_numpy(a, b, out)
    result = fitting_output("matmul", out, (*batch, M, N), a.dtype)
    if not batch:
        multiply_matrices(a, b, result)
    elif result.size and b.ndim == 2:
        multiply_matrices(a.reshape(-1, K), b, result.reshape(-1, N))
    else:
        multiply_batch(a, b, result)
    return delivered(result, out)


def linear(
    x: Array,
    w: Array,
    bias: Array | None = None,
    relu: bool = False,
    out: Array | None = None,
) -> Array:
    """Return ``x @ w.T + bias``, with ``max(., 0)`` applied where ``relu`` is set.

    Parameters
    ----------
    x : ndarray of shape (..., K)
        float32 or float64, in any memory order.
    w : ndarray of shape (N, K)
        The weight, of the same dtype.
    bias : ndarray of shape (N,), optional
    relu : bool
        Apply the rectified linear unit before the result leaves the registers.
    out : ndarray of shape (..., N), optional
        Where the result is written; it may not overlap the operands.

    Returns
    -------
    ndarray of shape (..., N)

    Raises
    ------
    ValueError
        Shapes that do not fit each other.
    """
    if w.ndim != 2 or x.ndim < 1 or x.shape[-1] != w.shape[1]:
        raise ValueError(
            f"linear(): x needs as many features as w has columns (x.shape={x.shape}, w.shape={w.shape})"
        )
    N, K = w.shape
    if bias is not None and bias.shape != (N,):
        raise ValueError(
            f"linear(): bias needs one entry per row of w (bias.shape={bias.shape}, w.shape={w.shape})"
        )
    shape = (*x.shape[:-1], N)
    result = np.empty(shape, x.dtype) if out is None else fitting_output("linear", out, shape, x.dtype)
    if bias is not None:
        bias = contiguous(bias)
    rows = x if x.ndim == 2 else x.reshape(math.prod(x.shape[:-1]), K)
    multiply_matrices(rows, w.T, result if x.ndim == 2 else result.reshape(-1, N), bias, relu)
    return delivered(result, out)


def fitting_output(operation: str, out: Array | None, shape: Shape, dtype: np.dtype[Any]) -> Array:
    """Return an array that kernels can write to: ``out`` itself, or one to be copied to it."""
    if out is None:
        return np.empty(shape, dtype)
    if out.shape != shape or out.dtype != dtype:
        raise ValueError(
            f"{operation}(): out must have the result's shape and dtype "
            f"(out: {out.shape} {out.dtype}, result: {shape} {dtype})"
        )
    return out if out.flags.carray else np.empty(shape, dtype)


def delivered(result: Array, out: Array | None) -> Array:
    """Return the result, in the caller's ``out`` if there is one."""
    if out is None or out is result:
        return result
    put(result, out)
    return out
