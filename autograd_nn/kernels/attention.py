"""Attention without its matrix of weights: blocks of queries by blocks of keys, forward and backward.

The weights of L queries on S keys are L x S numbers, which nobody needs but the product with the values. So they are
computed in blocks that stay in the cache (Dao et al., "FlashAttention", 2022, arXiv:2205.14135): a block of scores is
multiplied by its values at once, and the sums are set right when a later block holds a larger score (Milakov and
Gimelshein, "Online normalizer calculation for softmax", 2018, arXiv:1805.02867). The backward pass computes each block
of weights anew, from the largest score and the sum of exponentials of each query.

A block lies transposed, a row for each key: queries fill the vector registers, and all that belongs to a query (its
largest score, its sum) is a vector, too. Both products with a block then read it as it lies::

    scores = keys @ queries.T          the tile's rows are keys, its columns queries
    out   += weights.T @ values        its rows are queries (neighbours in the block), its columns features

Keys that no query of a causal block sees are left out. The mask of dropout is that of `elementwise.dropout`, a
function of the seed and the element's place.

Same bits everywhere: a query's sums go over its keys block by block in order, whoever computes them and however many
queries there are; so do those of a key over its queries. With fewer heads than threads a head is shared, and its blocks
are computed twice in the backward pass, once for the queries and once for the keys: in the same order.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy import uintp
from numpy.lib.stride_tricks import as_strided

from .annotations import Array, Pair, Shape
from .by_numpy import copied
from .compile import JIT_DISABLED, chunked, get_num_threads, jit
from .elementwise import _mix, dropout
from .functions import _exp_of_bounded, exp
from .gemm import FIRST, ROWS, THREAD_WORK, VECTORS, strided
from .lanes import Number, is_single, select
from .memory import contiguous
from .records import record, table_of
from .rows import along_rows
from .tile import ADD, VECTOR_BYTES, ZERO, Columns, Place, Rows, Target, lanes, multiply_tile, transpose_block

__all__ = ["attention", "attention_input"]

BLOCK = 64  # queries, and keys, of a block
PADDED = -(-BLOCK // ROWS) * ROWS  # rows of packed keys
MOST_ROW = 256  # elements from row to row below which rows of features are read as they lie
SMALLEST = -87.0  # below which e**x is not a normal number of float32
HIDING, ADDED = 1, 2  # kinds of masks
NO_MASK = np.ones(1, np.bool_)


class Sizes(NamedTuple):
    """What the shapes and the memory of an attention determine."""

    heads: int
    L: int  # queries, keys, those that are seen at all
    S: int
    seen: int
    E: int  # features of queries and keys, of values
    V: int
    q_row: int  # elements from row to row
    k_row: int
    v_row: int
    g_row: int
    mask_row: int  # from query to query, from key to key
    mask_column: int
    is_causal: int
    mask: int  # HIDING or ADDED; 0 without
    dropped: int  # of 2**32 hashes
    parts: int  # threads that share a head
    space: int  # elements for a thread
    q_lies: int  # whether rows of features are read as they lie
    k_lies: int
    v_lies: int
    g_lies: int


# ------------------------------------------------------------------------------------ parts of the kernels


def exp_of_negative(x: Number) -> Number:
    """Return e**x for x up to 0; of float32, 0 for what is smaller than its normal numbers."""
    return select(x < SMALLEST, 0.0, _exp_of_bounded(x)) if is_single(x) else exp(x)


def larger(m: Number, s: Number) -> tuple[Number]:
    """Return the larger one; a score that is NaN shows in the sum."""
    return (select(s > m, s, m),)


def renewed(before: Number, now: Number, total: Number) -> tuple[Number, Number, Number, Number]:
    """Return what to subtract from scores, the factor of what is summed already, the largest score and the sum."""
    subtracted = select(now == -math.inf, 0.0, now)
    factor = exp_of_negative(before - subtracted)
    return subtracted, factor, now, total * factor


def weight(s: Number, subtracted: Number, total: Number) -> tuple[Number, Number]:
    """Return the exponential of a score, and the sum with it."""
    w = exp_of_negative(s - subtracted)
    return w, total + w


def known_weight(s: Number, subtracted: Number, share: Number) -> tuple[Number]:
    """Return a weight, given the reciprocal sum."""
    return (exp_of_negative(s - subtracted) * share,)


def score_gradient(w: Number, g: Number, mean: Number, scale: Number) -> tuple[Number]:
    """Return the gradient in a score before scaling, of the gradient in its weight and the mean of its query's."""
    return (w * (g - mean) * scale,)


_larger, _renewed, _weight = along_rows(larger), along_rows(renewed), along_rows(weight)
_known_weight, _score_gradient = along_rows(known_weight), along_rows(score_gradient)


@jit(borrows=True)
def _multiply(
    a: Array, a_start: int, a_row: int, a_step: int, a_panel: int, b: Array, b_start: int, b_row: int, b_panel: int,
    c: Array, c_start: int, c_row: int, row_count: int, column_count: int, k_count: int, adds: bool,
) -> None:  # fmt: skip
    """Compute a block of ``c``; element (i, k) of ``a`` at ``i // ROWS * a_panel + i % ROWS * a_row + k * a_step``."""
    width = lanes(c)
    begin = ADD if adds else ZERO
    for i in range(-(-row_count // ROWS)):
        for j in range(-(-column_count // (VECTORS * width))):
            column = j * VECTORS * width
            multiply_tile(
                ROWS, VECTORS, (k_count, 1, 1), Rows(a, a_start + i * a_panel, (a_step, 0, 0), a_row),
                Columns(b, b_start + j * b_panel, (b_row, 0, 0), width),
                Target(c, c_start + i * ROWS * c_row + column, c_row, width),
                (row_count - i * ROWS, column_count - column), begin, Place(c, 0), False,
            )  # fmt: skip


@jit(borrows=True)
def _turn(x: Array, start: int, row: int, count: int, features: int, panel: int, space: Array, at: int) -> None:
    """Pack rows of features in panels of so many, feature by feature; zeros beyond the last one.

    Whole vectors reach beyond a panel's step, into what is written after it: therefore its last rows come first.
    """
    width = lanes(x)
    for i in range(0, count, panel):
        for r in range((panel - 1) // width * width, -1, -width):
            for k in range(0, features, width):
                transpose_block(
                    x, start + (i + r) * row + k, row, space, at + i * features + k * panel + r, panel,
                    (count - i - r, features - k), panel - r,
                )  # fmt: skip


@jit(borrows=True)
def _turn_keys(x: Array, start: int, row: int, count: int, features: int, space: Array, at: int) -> None:
    """Pack rows of keys or values for the rows of the tile, each block by itself."""
    for k in range(0, count, BLOCK):
        place = at + k // BLOCK * PADDED * features
        _turn(x, start + k * row, row, min(BLOCK, count - k), features, ROWS, space, place)


@jit(borrows=True)
def _turn_queries(
    x: Array, start: int, row: int, count: int, features: int, space: Array, at: int, scale: float
) -> None:
    """Pack a block of rows of queries for the columns of the tile, scaled."""
    panel = VECTORS * lanes(x)
    _turn(x, start, row, count, features, panel, space, at)
    for i in range(uintp(-(-count // panel) * panel * features)):
        space[uintp(at) + i] *= scale


@jit(borrows=True)
def _lay(x: Array, start: int, row: int, count: int, features: int, space: Array, at: int) -> None:
    """Pack rows of features as they lie, in panels of the tile's columns; zeros beyond the last feature."""
    panel = VECTORS * lanes(x)
    for j in range(0, features, panel):
        kept = min(panel, features - j)
        for i in range(count):
            source, target = uintp(start + i * row + j), uintp(at + j * count + i * panel)
            for f in range(uintp(kept)):
                space[target + f] = x[source + f]
            for f in range(uintp(kept), uintp(panel)):
                space[target + f] = 0


@jit(borrows=True)
def _hide(
    space: Array, at: int, rows: int, columns: int, kind: int, shown: Array, added: Array, start: int, row: int,
    column: int,
) -> None:  # fmt: skip
    """Apply a mask to a block of scores: booleans let scores through, numbers are added."""
    hidden = space.dtype.type(-np.inf)
    for i in range(rows):
        for j in range(columns):
            place = start + j * row + i * column
            if kind == ADDED:
                space[at + i * BLOCK + j] += added[place]
            elif not shown[place]:
                space[at + i * BLOCK + j] = hidden


@jit(borrows=True)
def _scores(
    keys: int, queries: int, at: int, rows: int, columns: int, E: int, is_diagonal: bool, space: Array
) -> None:
    """Compute a block of scores of packed keys and queries; of a diagonal block those that causality hides are -inf."""
    panel = VECTORS * lanes(space)
    _multiply(space, keys, 1, ROWS, ROWS * E, space, queries, panel, panel * E, space, at, BLOCK, rows, columns, E,
              False)  # fmt: skip
    if is_diagonal:
        for i in range(rows):
            for j in range(min(i, columns)):
                space[at + i * BLOCK + j] = -np.inf


@jit(borrows=True)
def _drop(
    space: Array, at: int, rows: int, columns: int, place: int, step: int, seed: int, dropped: int, keep: float
) -> None:
    """Apply the mask of dropout to a block; its first element has a place among all, its next query one `step` on."""
    zero = space.dtype.type(0)
    low, high = seed & 0xFFFFFFFF, np.uint32(seed >> 32 & 0xFFFFFFFF)
    for i in range(rows):
        row, first = uintp(at + i * BLOCK), uintp(place + i + low)
        for j in range(uintp(columns)):
            mixed = _mix(np.uint32(_mix(np.uint32(first + j * uintp(step))) ^ high))
            space[row + j] *= keep if mixed >= np.uint64(dropped) else zero


@jit(reassociate=True, borrows=True)
def _inner(x: Array, x_start: int, y: Array, y_start: int, count: int) -> Any:
    total = x.dtype.type(0)
    for i in range(uintp(count)):
        total += x[uintp(x_start) + i] * y[uintp(y_start) + i]
    return total


# ------------------------------------------------------------------------------------ the kernels


@chunked
def _attend(
    t: int, threads: int, q: Array, q_starts: Array, k: Array, k_starts: Array, v: Array, v_starts: Array, shown: Array,
    added: Array, mask_starts: Array, seed: Array, out: Array, largest: Array, total: Array, space: Array, scale: float,
    keep: float, table: Array,
) -> None:  # fmt: skip
    """Compute the results of some heads, or of every so many blocks of a head's queries."""
    p = record(Sizes, table, 0)
    number = out.dtype.type
    panel = VECTORS * lanes(out)
    blocks = -(-p.seen // BLOCK)
    scores = t * p.space
    now = scores + (BLOCK + ROWS) * BLOCK
    before, subtracted, factor, sums = now + BLOCK, now + 2 * BLOCK, now + 3 * BLOCK, now + 4 * BLOCK
    queries = sums + 2 * BLOCK
    keys = queries + BLOCK * p.E
    values = keys + blocks * PADDED * p.E + panel
    owner, part, owners = t // p.parts, t % p.parts, threads // p.parts
    for head in range(p.heads * owner // owners, p.heads * (owner + 1) // owners):
        _turn_keys(k, k_starts[head], p.k_row, p.seen, p.E, space, keys)
        v_at, v_start, v_row, v_panel = v, v_starts[head], p.v_row, panel
        if not p.v_lies:
            _lay(v, v_start, p.v_row, p.seen, p.V, space, values)
            v_at, v_start, v_row, v_panel = space, values, panel, panel * p.seen
        for block in range(part, -(-p.L // BLOCK), p.parts):
            first = block * BLOCK
            count = min(BLOCK, p.L - first)
            columns = -(-count // panel) * panel
            row = head * p.L + first
            _turn_queries(q, q_starts[head] + first * p.q_row, p.q_row, count, p.E, space, queries, number(scale))
            for j in range(BLOCK):
                space[now + j] = space[before + j] = -np.inf
                space[sums + j] = 0
            for b in range(min(blocks, block + 1) if p.is_causal else blocks):
                k0 = b * BLOCK
                rows = min(BLOCK, p.seen - k0)
                _scores(keys + b * PADDED * p.E, queries, scores, rows, columns, p.E, p.is_causal and b == block, space)
                if p.mask:
                    _hide(space, scores, rows, count, p.mask, shown, added,
                          mask_starts[head] + first * p.mask_row + k0 * p.mask_column, p.mask_row,
                          p.mask_column)  # fmt: skip
                _larger(rows, columns, (space, space, space), (now, scores, now), (0, BLOCK, 0))
                _renewed(1, columns, (space, space, space, space, space, space, space),
                         (before, now, sums, subtracted, factor, before, sums), (0, 0, 0, 0, 0, 0, 0))  # fmt: skip
                _weight(rows, columns, (space, space, space, space, space), (scores, subtracted, sums, scores, sums),
                        (BLOCK, 0, 0, BLOCK, 0))  # fmt: skip
                if b:
                    for i in range(count):
                        f = space[factor + i]
                        if f != 1:
                            for j in range(uintp(p.V)):
                                out[uintp((row + i) * p.V) + j] *= f
                if p.dropped:
                    _drop(space, scores, rows, columns, row * p.S + k0, p.S, seed[0], p.dropped, number(keep))
                _multiply(space, scores, 1, BLOCK, ROWS, v_at, v_start + k0 * v_row, v_row, v_panel, out, row * p.V,
                          p.V, count, p.V, rows, b > 0)  # fmt: skip
            for i in range(count):
                largest[row + i], total[row + i] = space[subtracted + i], space[sums + i]
                share = number(0) if p.mask and space[sums + i] == 0 else number(1) / space[sums + i]
                for j in range(uintp(p.V)):
                    out[uintp((row + i) * p.V) + j] *= share


@chunked
def _attend_input(
    t: int, threads: int, g: Array, g_starts: Array, q: Array, q_starts: Array, k: Array, k_starts: Array, v: Array,
    v_starts: Array, shown: Array, added: Array, mask_starts: Array, seed: Array, out: Array, largest: Array,
    total: Array, dq: Array, dk: Array, dv: Array, space: Array, scale: float, keep: float, table: Array,
) -> None:  # fmt: skip
    """Compute the gradients of some heads, or of some blocks of a head's queries and then of its keys."""
    p = record(Sizes, table, 0)
    number = out.dtype.type
    panel = VECTORS * lanes(out)
    blocks, query_blocks = -(-p.seen // BLOCK), -(-p.L // BLOCK)
    weights = t * p.space
    slopes = weights + (BLOCK + ROWS) * BLOCK
    scales = slopes + (BLOCK + ROWS) * BLOCK
    subtracted = scales + BLOCK
    shares, means = subtracted + query_blocks * BLOCK, subtracted + 2 * query_blocks * BLOCK
    queries = means + query_blocks * BLOCK
    gradients = queries + query_blocks * BLOCK * p.E
    keys = gradients + query_blocks * BLOCK * p.V
    values = keys + blocks * PADDED * p.E + panel
    q_rows = values + blocks * PADDED * p.V + panel
    k_rows = q_rows + (0 if p.q_lies else -(-p.E // panel) * panel * p.L)
    g_rows = k_rows + (0 if p.k_lies else -(-p.E // panel) * panel * p.seen)
    owner, part, owners = t // p.parts, t % p.parts, threads // p.parts
    for j in range(BLOCK):
        space[scales + j] = scale
    for head in range(p.heads * owner // owners, p.heads * (owner + 1) // owners):
        _turn_keys(k, k_starts[head], p.k_row, p.seen, p.E, space, keys)
        _turn_keys(v, v_starts[head], p.v_row, p.seen, p.V, space, values)
        for first in range(0, p.L, BLOCK):
            count = min(BLOCK, p.L - first)
            _turn_queries(q, q_starts[head] + first * p.q_row, p.q_row, count, p.E, space, queries + first * p.E,
                          number(scale))  # fmt: skip
            _turn_queries(g, g_starts[head] + first * p.g_row, p.g_row, count, p.V, space, gradients + first * p.V,
                          number(1))  # fmt: skip
            for i in range(first, first + BLOCK):
                row = head * p.L + i
                space[subtracted + i] = space[shares + i] = space[means + i] = 0
                if i < p.L:
                    space[subtracted + i] = largest[row]
                    hidden = p.mask and total[row] == 0
                    space[shares + i] = number(0) if hidden else number(1) / total[row]
                    space[means + i] = _inner(g, g_starts[head] + i * p.g_row, out, row * p.V, p.V)
        q_at, q_start, q_row, q_panel = q, q_starts[head], p.q_row, panel
        if not p.q_lies:
            _lay(q, q_start, p.q_row, p.L, p.E, space, q_rows)
            q_at, q_start, q_row, q_panel = space, q_rows, panel, panel * p.L
        k_at, k_start, k_row, k_panel = k, k_starts[head], p.k_row, panel
        if not p.k_lies:
            _lay(k, k_start, p.k_row, p.seen, p.E, space, k_rows)
            k_at, k_start, k_row, k_panel = space, k_rows, panel, panel * p.seen
        g_at, g_start, g_row, g_panel = g, g_starts[head], p.g_row, panel
        if not p.g_lies:
            _lay(g, g_start, p.g_row, p.L, p.V, space, g_rows)
            g_at, g_start, g_row, g_panel = space, g_rows, panel, panel * p.L

        # One thread of a head goes through its blocks once; several do so for their queries, and then for their keys.
        for turn in range(1 if p.parts == 1 else 2):
            for_queries, for_keys = p.parts == 1 or turn == 0, p.parts == 1 or turn == 1
            key_begin, key_step = (0, 1) if turn == 0 else (part, p.parts)
            query_begin, query_step = (part, p.parts) if turn == 0 else (0, 1)
            for b in range(key_begin, blocks, key_step):
                k0 = b * BLOCK
                rows = min(BLOCK, p.seen - k0)
                adds = False
                for block in range(query_begin, query_blocks, query_step):
                    if p.is_causal and block < b:
                        continue
                    first = block * BLOCK
                    count = min(BLOCK, p.L - first)
                    columns = -(-count // panel) * panel
                    row = head * p.L + first
                    _scores(keys + b * PADDED * p.E, queries + first * p.E, weights, rows, columns, p.E,
                            p.is_causal and b == block, space)  # fmt: skip
                    if p.mask:
                        _hide(space, weights, rows, count, p.mask, shown, added,
                              mask_starts[head] + first * p.mask_row + k0 * p.mask_column, p.mask_row, p.mask_column)
                    _known_weight(rows, columns, (space, space, space, space),
                                  (weights, subtracted + first, shares + first, weights), (BLOCK, 0, 0, BLOCK))
                    _multiply(space, values + b * PADDED * p.V, 1, ROWS, ROWS * p.V, space, gradients + first * p.V,
                              panel, panel * p.V, space, slopes, BLOCK, rows, columns, p.V, False)  # fmt: skip
                    place = row * p.S + k0
                    if p.dropped:
                        _drop(space, slopes, rows, columns, place, p.S, seed[0], p.dropped, number(keep))
                    _score_gradient(rows, columns, (space, space, space, space, space),
                                    (weights, slopes, means + first, scales, slopes), (BLOCK, BLOCK, 0, 0, BLOCK))
                    if for_queries:
                        _multiply(space, slopes, 1, BLOCK, ROWS, k_at, k_start + k0 * k_row, k_row, k_panel, dq,
                                  row * p.E, p.E, count, p.E, rows, b > 0)  # fmt: skip
                    if for_keys:
                        if p.dropped:
                            _drop(space, weights, rows, columns, place, p.S, seed[0], p.dropped, number(keep))
                        key = head * p.S + k0
                        _multiply(space, slopes, BLOCK, 1, ROWS * BLOCK, q_at, q_start + first * q_row, q_row, q_panel,
                                  dk, key * p.E, p.E, rows, p.E, count, adds)  # fmt: skip
                        _multiply(space, weights, BLOCK, 1, ROWS * BLOCK, g_at, g_start + first * g_row, g_row, g_panel,
                                  dv, key * p.V, p.V, rows, p.V, count, adds)  # fmt: skip
                        adds = True
        if part == 0:
            for i in range((head * p.S + p.seen) * p.E, (head + 1) * p.S * p.E):
                dk[i] = 0
            for i in range((head * p.S + p.seen) * p.V, (head + 1) * p.S * p.V):
                dv[i] = 0


# ------------------------------------------------------------------------------------ the doors, in Python


class MaskStack(NamedTuple):
    """How a mask lies in memory, seen as one of (..., L, S)."""

    length: int
    starts: Array  # of the mask of each head
    steps: Pair  # from query to query, from key to key


@lru_cache(maxsize=1024)
def mask_stack(shape: Shape, strides: Shape, itemsize: int, batch: Shape, L: int, S: int) -> MaskStack:
    """Return how to read a mask that is broadcast to (..., L, S)."""
    missing = len(batch) + 2 - len(shape)
    steps = [0] * missing + [0 if size == 1 else stride // itemsize for size, stride in zip(shape, strides)]
    starts: Array = np.zeros((), np.int64)
    for size, step in zip(batch, steps):
        starts = starts[..., None] + np.arange(size) * step
    length = sum((size - 1) * step for size, step in zip((*batch, L, S), steps)) + 1
    return MaskStack(length, starts.reshape(-1), (steps[-2], steps[-1]))


def _flat_mask(
    mask: Array | None, batch: Shape, L: int, S: int, dtype: np.dtype[Any]
) -> tuple[Array, Array, Array, Pair, int]:
    """Return a mask of booleans, one of numbers, one of them a stand-in, where they begin, their steps and the kind."""
    if mask is None:
        return NO_MASK, np.zeros(1, dtype), np.zeros(math.prod(batch), np.int64), (0, 0), 0
    flags = mask.flags
    if not (flags.aligned and flags.writeable) or min(mask.strides, default=0) < 0:
        mask = copied(mask)
    stack = mask_stack(mask.shape, mask.strides, mask.itemsize, batch, L, S)
    flat = as_strided(mask, (stack.length,), (mask.itemsize,))
    if mask.dtype == np.bool_:
        return flat, np.zeros(1, dtype), stack.starts, stack.steps, HIDING
    return NO_MASK, flat, stack.starts, stack.steps, ADDED


def _rows_of(x: Array, batch: Shape) -> tuple[Array, Array, int]:
    """Return matrices as a flat array, where each begins, and the step from row to row; columns are neighbours."""
    x = x if x.strides[-1] == x.itemsize else contiguous(x)
    flat, stack = strided(x, batch)
    return flat, stack.starts, stack.steps[0]


@lru_cache(maxsize=1024)
def _plan(
    heads: int, L: int, S: int, E: int, V: int, rows: tuple[int, int, int, int], mask_steps: Pair, mask: int,
    is_causal: bool, p: float, backward: bool, most: int, itemsize: int,
) -> tuple[Array, int, int]:  # fmt: skip
    """Return the table of `Sizes`, the threads, and the elements of space for all of them."""
    panel = VECTORS * VECTOR_BYTES // itemsize
    seen = min(S, L) if is_causal else S
    blocks, query_blocks = -(-seen // BLOCK), -(-L // BLOCK)
    work = heads * L * seen * (E + V) * (2 if backward else 1) // (2 if is_causal else 1)
    threads = max(1, min(most, work // THREAD_WORK))
    parts = max(1, min(threads // heads, query_blocks, blocks if backward else query_blocks))
    threads = min(threads // parts, heads) * parts
    q_lies, k_lies, v_lies, g_lies = (
        size % panel == 0 and row < MOST_ROW for size, row in zip((E, E, V, V), rows)
    )
    wide_E, wide_V = (-(-size // panel) * panel for size in (E, V))
    keys = blocks * PADDED * E + panel
    if backward:
        space = 2 * (BLOCK + ROWS) * BLOCK + BLOCK + query_blocks * BLOCK * (3 + E + V) + keys
        space += blocks * PADDED * V + panel + (0 if q_lies else wide_E * L) + (0 if k_lies else wide_E * seen)
        space += 0 if g_lies else wide_V * L
    else:
        space = (BLOCK + ROWS) * BLOCK + 6 * BLOCK + BLOCK * E + keys + (0 if v_lies else wide_V * seen)
    space = -(-space // BLOCK) * BLOCK
    table = table_of(Sizes(
        heads, L, S, seen, E, V, *rows, *mask_steps, is_causal, mask, round(p * 2**32), parts, space,
        q_lies, k_lies, v_lies, g_lies,
    ))  # fmt: skip
    return table, threads, threads * space


def _by_numpy(
    q: Array, k: Array, mask: Array | None, seed: Array | None, scale: float, causal: bool, p: float
) -> tuple[Array, Array | float]:
    """Return the scores, and by what dropout multiplies the weights."""
    scores = q * q.dtype.type(scale) @ k.swapaxes(-1, -2)
    if causal:
        scores[..., np.triu(np.ones(scores.shape[-2:], np.bool_), 1)] = -np.inf
    elif mask is not None:
        scores = np.where(mask, scores, -np.inf).astype(q.dtype) if mask.dtype == np.bool_ else scores + mask
    return scores, 1.0 if not p or seed is None else dropout(np.ones_like(scores), p=p, seed=int(seed))[0]


def attention(
    q: Array, k: Array, v: Array, mask: Array | None, seed: Array | None, *, scale: float, causal: bool, p: float
) -> tuple[Array, Array, Array]:
    """Return ``dropout(softmax(q @ k.T * scale + mask)) @ v``, and what the gradient needs of the weights.

    Parameters
    ----------
    q, k, v : ndarray (..., L, E), (..., S, E) and (..., S, V), float32 or float64, none of the sizes 0
    mask : ndarray that broadcasts to (..., L, S), optional
        Of bool, which keys take part; of the dtype of `q`, what is added to the scores.
    seed : ndarray of int64, one element
        Of the dropout; not read if `p` is 0.
    scale : float
    causal : bool
        Let query i see keys 0 to i only.
    p : float
        The probability with which a weight is set to 0.

    Returns
    -------
    out : ndarray (..., L, V)
        0 for a query from which the mask hides all keys.
    largest, total : ndarray (..., L)
        The largest score of each query, and the sum of the exponentials of its scores less the largest.
    """
    *batch, L, E = q.shape
    S, V = v.shape[-2:]
    lead = tuple(batch)
    if JIT_DISABLED:
        scores, kept = _by_numpy(q, k, mask, seed, scale, causal, p)
        top = scores.max(-1, keepdims=True)
        top[np.isneginf(top)] = 0
        weights = np.exp(scores - top)
        sums = weights.sum(-1, keepdims=True)
        with np.errstate(all="ignore"):
            weights = np.where((sums == 0) & (mask is not None), 0, weights / sums)
        return (weights * kept).astype(q.dtype) @ v, top[..., 0], sums[..., 0]
    (q, q_starts, q_row), (k, k_starts, k_row), (v, v_starts, v_row) = (_rows_of(x, lead) for x in (q, k, v))
    shown, added, starts, steps, kind = _flat_mask(mask, lead, L, S, q.dtype)
    out = np.empty((*lead, L, V), q.dtype)
    largest, total = np.empty((*lead, L), q.dtype), np.empty((*lead, L), q.dtype)
    table, threads, space = _plan(
        math.prod(lead), L, S, E, V, (q_row, k_row, v_row, 0), steps, kind, causal, p, False,
        get_num_threads(), q.itemsize,
    )  # fmt: skip
    _attend(
        threads, q, q_starts, k, k_starts, v, v_starts, shown, added, starts,
        FIRST if seed is None else seed.reshape(-1), out.reshape(-1), largest.reshape(-1), total.reshape(-1),
        np.empty(space, q.dtype), float(scale), 1 / (1 - p) if p < 1 else 0.0, table,
    )  # fmt: skip
    return out, largest, total


def attention_input(
    g: Array, q: Array, k: Array, v: Array, mask: Array | None, seed: Array | None, out: Array, largest: Array,
    total: Array, *, scale: float, causal: bool, p: float,
) -> tuple[Array, Array, Array]:  # fmt: skip
    """Return the gradients of `attention` in `q`, `k` and `v`, of the gradient `g` in `out` and the three results."""
    *batch, L, E = q.shape
    S, V = v.shape[-2:]
    lead = tuple(batch)
    if JIT_DISABLED:
        scores, kept = _by_numpy(q, k, mask, seed, scale, causal, p)
        sums = np.where((total == 0) & (mask is not None), np.inf, total)[..., None]
        weights = (np.exp(scores - largest[..., None]) / sums).astype(q.dtype)
        slopes = weights * (g @ v.swapaxes(-1, -2) * kept - (g * out).sum(-1, keepdims=True)) * q.dtype.type(scale)
        return slopes @ k, slopes.swapaxes(-1, -2) @ q, (weights * kept).swapaxes(-1, -2) @ g
    (g, g_starts, g_row), (q, q_starts, q_row), (k, k_starts, k_row), (v, v_starts, v_row) = (
        _rows_of(x, lead) for x in (g, q, k, v)
    )
    shown, added, starts, steps, kind = _flat_mask(mask, lead, L, S, q.dtype)
    dq, dk, dv = np.empty((*lead, L, E), q.dtype), np.empty((*lead, S, E), q.dtype), np.empty((*lead, S, V), q.dtype)
    table, threads, space = _plan(
        math.prod(lead), L, S, E, V, (q_row, k_row, v_row, g_row), steps, kind, causal, p, True,
        get_num_threads(), q.itemsize,
    )  # fmt: skip
    _attend_input(
        threads, g, g_starts, q, q_starts, k, k_starts, v, v_starts, shown, added, starts,
        FIRST if seed is None else seed.reshape(-1), contiguous(out).reshape(-1), contiguous(largest).reshape(-1),
        contiguous(total).reshape(-1), dq.reshape(-1), dk.reshape(-1), dv.reshape(-1), np.empty(space, q.dtype),
        float(scale), 1 / (1 - p) if p < 1 else 0.0, table,
    )  # fmt: skip
    return dq, dk, dv
