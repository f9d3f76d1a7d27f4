"""Sums, products and extremes over axes, and running sums and products.

An array is seen as (outer, length, inner), of which `length` is folded: along the vectors where inner is 1, else
with vectors side by side over inner. Several axes that are not neighbours are folded one after the other. Sums and
products of float32 are taken in double precision.

Work is cut into pieces by the shape alone, and the results of the pieces are folded by NumPy: the order of a sum,
and so its bits, do not depend on the number of threads.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from types import FunctionType
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numpy import uintp

from autograd_nn.kernels.annotations import Array, Builder, Context, Shape, Signature, Type, Typed, Value, Values
from autograd_nn.kernels.compile import JIT_DISABLED, Chunked, chunked, intrinsic, jit, threads_for
from autograd_nn.kernels.lanes import Lanes, Number, Registers, select
from autograd_nn.kernels.memory import contiguous
from autograd_nn.kernels.tile import INT32, INT64, array_pointer, whole

__all__ = ["MAXIMUM", "MINIMUM", "PRODUCT", "SUM", "Fold", "products_of_others", "running_product",
           "running_sum"]  # fmt: skip

PIECE = 16_384  # elements that are folded into one partial result
ROW_PIECE = 4096  # the same along a row
SMALL = 1024  # elements below which NumPy is as fast
FEW = 65_536
BLOCK = 64  # columns of a running result
COLUMNS = 4  # vectors side by side: whole lines of the cache


class Fold:
    """A reduction of float arrays by a function of two values that may be grouped in any order.

    Parameters
    ----------
    name : str
    combine : callable
        Of two values, written with `lanes`.
    identity : float
        What changes nothing.
    by_numpy : ufunc
        The same, for folding partial results.
    wide : bool
        Fold float32 in double precision.
    """

    def __init__(self, name: str, combine: Callable[..., Any], identity: float, by_numpy: Any, *, wide: bool) -> None:
        self.name = name
        self.combine = combine
        self.identity = identity
        self.by_numpy = by_numpy
        self.wide = wide
        self._kernel: Any = None

    def __call__(self, x: Array, axes: tuple[int, ...], *, keepdims: bool = False) -> Array:
        """Return the fold of `x` over `axes`.

        Parameters
        ----------
        x : ndarray, float32, float64 or float16
        axes : tuple of int
            From 0 to ``x.ndim - 1``, each once.
        keepdims : bool
            Keep size 1 at `axes`.

        Returns
        -------
        ndarray
            Of the dtype of `x`; the identity over no elements.
        """
        out = self.exact(x, axes, keepdims=keepdims)
        if out.dtype is x.dtype:
            return out
        with np.errstate(over="ignore"):
            return out.astype(x.dtype)

    def exact(self, x: Array, axes: tuple[int, ...], *, keepdims: bool = False) -> Array:
        """Return the fold in double precision if `wide`, whatever the dtype of `x`."""
        if x.size < SMALL:
            dtype = np.float64 if self.wide else x.dtype
            with np.errstate(over="ignore", invalid="ignore"):
                return np.asarray(self.by_numpy.reduce(x, axes, dtype, keepdims=keepdims, initial=self.identity))
        shape = tuple([1 if i in axes else n for i, n in enumerate(x.shape)])
        shape = shape if keepdims else tuple([n for i, n in enumerate(x.shape) if i not in axes])
        return self.folded(x, axes).reshape(shape)

    def folded(self, x: Array, axes: tuple[int, ...]) -> Array:
        """Return the fold as a flat array, of float64 if `wide`."""
        repeats = 1
        if 0 in x.strides and x.size and self.by_numpy is np.add:  # repeated elements are read once
            view = tuple([slice(0, 1) if step == 0 and i in axes else slice(None) for i, step in enumerate(x.strides)])
            repeats = x.size // x[view].size
            x = x[view]
        back = None
        if not x.flags.c_contiguous:  # walk as the elements lie in memory
            order = sorted(range(x.ndim), key=lambda i: -abs(x.strides[i]))
            kept = [i for i in order if i not in axes]
            back = [x.shape[i] for i in kept], [kept.index(i) for i in sorted(kept)]
            x, axes = x.transpose(order), tuple([order.index(i) for i in axes])
        steps = _steps(x.shape, axes)
        x = contiguous(x)
        if x.dtype.itemsize == 2:
            x = x.astype(np.float32)
        x = x.reshape(-1)
        for number, (outer, length, inner) in enumerate(steps):
            if number and x.size < FEW:  # partial results: not worth a kernel of their dtype
                x = self.by_numpy.reduce(x.reshape(outer, length, inner), axis=1).reshape(-1)
            else:
                x = self._step(x, outer, length, inner)
        if back is not None:
            x = x.reshape(back[0]).transpose(back[1]).reshape(-1)
        return x * repeats if repeats != 1 else x

    def _step(self, x: Array, outer: int, length: int, inner: int) -> Array:
        dtype = np.dtype(np.float64) if self.wide else x.dtype
        if not outer * length * inner:
            return np.full(outer * inner, self.identity, dtype)
        layout, pieces, size = _cut(outer, length, inner)
        out = np.empty(size, dtype)
        if self._kernel is None:
            self._kernel = _compiled(self)
        self._kernel(threads_for(x.size), layout, x, out)
        if pieces > 1:
            with np.errstate(over="ignore", invalid="ignore"):
                out = self.by_numpy.reduce(out.reshape(outer, pieces, inner), axis=1).reshape(-1)
        return out


@lru_cache(maxsize=4096)
def _steps(shape: Shape, axes: tuple[int, ...]) -> list[tuple[int, int, int]]:
    """Return (outer, length, inner) of one fold after the other, the innermost axes first."""
    groups: list[list[int]] = []  # (length, folded): neighbours are taken together
    for axis, length in enumerate(shape):
        if length != 1:
            if groups and groups[-1][1] == (axis in axes):
                groups[-1][0] *= length
            else:
                groups.append([length, axis in axes])
    steps = []
    inner = 1
    for number in range(len(groups) - 1, -1, -1):
        length, folded = groups[number]
        if folded:
            steps.append((math.prod(other for other, _ in groups[:number]), length, inner))
        else:
            inner *= length
    return steps


@lru_cache(maxsize=4096)
def _cut(outer: int, length: int, inner: int) -> tuple[Array, int, int]:
    """Return the layout for the kernel, the number of pieces that `length` is cut into, and how many results."""
    if inner == 1:
        block, blocks, rows = 1, 1, ROW_PIECE
    else:
        block = min(inner, 256)
        blocks = -(-inner // block)
        rows = max(1, PIECE // block) if outer * blocks < 16 else max(1, length)
    pieces = max(1, -(-length // rows))
    return np.array([outer, length, inner, pieces, rows, blocks, block]), pieces, outer * pieces * inner


# ------------------------------------------------------------------------------------------ compilation


def _body(t, threads, layout, x, out):  # type: ignore[no-untyped-def]
    emit(t, threads, layout, x, out)  # type: ignore[name-defined]  # noqa: F821


def _compiled(fold: Fold) -> Any:
    """Return the kernel of a fold, as `passes` does."""
    if JIT_DISABLED:
        return _interpreter(fold)
    name = f"fold_{fold.name}"
    body = FunctionType(_body.__code__, {"emit": _instructions(fold)}, name)
    body.__module__, body.__qualname__ = __name__, name
    return Chunked(body, False)


def _interpreter(fold: Fold) -> Callable[..., None]:
    def run(threads: int, layout: Array, x: Array, out: Array) -> None:
        outer, length, inner, pieces, rows = layout[:5]
        source = x.reshape(outer, length, inner).astype(out.dtype)
        with np.errstate(all="ignore"):
            folded = fold.by_numpy.reduceat(source, range(0, length, rows), axis=1)
        out.reshape(outer, pieces, inner)[...] = folded

    return run


def _instructions(fold: Fold) -> Any:
    def typed(typing_context: Any, t: Type, threads: Type, layout: Type, x: Type, out: Type) -> Typed:
        def generate(context: Context, builder: Builder, signature: Signature, values: Values) -> Value:
            _Chunk(fold, context, builder, signature, values).emit()
            return context.get_dummy_value()

        return types.void(t, threads, layout, x, out), generate

    return intrinsic()(typed)


class _Chunk:
    """The instructions of one chunk of a fold."""

    def __init__(self, fold: Fold, context: Context, builder: Builder, signature: Signature, values: Values) -> None:
        self.fold, self.builder = fold, builder
        t, threads, layout, x, out = signature.args
        self.t = context.cast(builder, values[0], t, types.int64)
        self.threads = context.cast(builder, values[1], threads, types.int64)
        self.layout = array_pointer(context, builder, layout, values[2])
        self.x = array_pointer(context, builder, x, values[3])
        self.out = array_pointer(context, builder, out, values[4])
        self.v = Registers(context, builder, x)
        self.w = Registers(context, builder, out, self.v.lanes)
        self.totals = [cgutils.alloca_once(builder, self.w.vector) for _ in range(COLUMNS)]

    def emit(self) -> None:
        builder, v = self.builder, self.v
        outer, length, inner, pieces, rows, blocks, block = (
            builder.load(builder.gep(self.layout, [whole(i)], source_etype=INT64), typ=INT64) for i in range(7)
        )
        units = builder.mul(builder.mul(outer, pieces), blocks)
        first = builder.sdiv(builder.mul(self.t, units), self.threads)
        last = builder.sdiv(builder.mul(builder.add(self.t, whole(1)), units), self.threads)
        with cgutils.for_range_slice(builder, first, last, whole(1), INT64) as (unit, _):
            number = builder.udiv(unit, blocks)
            o, piece = builder.udiv(number, pieces), builder.urem(number, pieces)
            begin = builder.mul(piece, rows)
            count = self.at_most(builder.sub(length, begin), rows)
            start = builder.add(builder.mul(o, length), begin)
            with builder.if_else(builder.icmp_signed("==", inner, whole(1))) as (along, side_by_side):
                with along:
                    self.emit_row(v.address(self.x, start), count, self.w.address(self.out, number))
                with side_by_side:
                    column = builder.mul(builder.urem(unit, blocks), block)
                    columns = self.at_most(builder.sub(inner, column), block)
                    x = v.address(self.x, builder.mul(start, inner), column)
                    out = self.w.address(self.out, builder.mul(number, inner), column)
                    self.emit_columns(x, count, inner, columns, out)

    def at_most(self, count: Value, most: Value) -> Value:
        return self.builder.select(self.builder.icmp_signed("<", count, most), count, most)

    def begin(self) -> None:
        identity = self.w.broadcast(ir.Constant(self.w.scalar, self.fold.identity))
        for total in self.totals:
            self.builder.store(identity, total)

    def take(self, total: Value, value: Value, kept: Value | None = None) -> None:
        """Fold a register's content, of which some lanes may not count, into a total."""
        builder, w = self.builder, self.w
        value = builder.fpext(value, w.vector) if w.itemsize != self.v.itemsize else value
        before = builder.load(total)
        after = self.fold.combine(Lanes(w, before), Lanes(w, value)).value
        builder.store(after if kept is None else builder.select(kept, after, before), total)

    def emit_row(self, x: Value, count: Value, out: Value) -> None:
        builder, v = self.builder, self.v
        self.begin()
        full = builder.sdiv(count, whole(v.lanes))
        groups = builder.sdiv(full, whole(COLUMNS))
        with cgutils.for_range(builder, groups) as loop:
            first = v.address(x, builder.mul(loop.index, whole(COLUMNS * v.lanes)))
            for k, total in enumerate(self.totals):
                self.take(total, v.load(v.address(first, whole(k * v.lanes))))
        done = builder.mul(groups, whole(COLUMNS))
        # At most COLUMNS vectors are left, the last of which may not be full.
        with cgutils.for_range(builder, whole(COLUMNS)) as loop:
            at = builder.mul(builder.add(done, loop.index), whole(v.lanes))
            left = builder.sub(count, at)
            with builder.if_then(builder.icmp_signed(">", left, whole(0))):
                kept = v.lanes_below(left)
                self.take(self.totals[0], v.load_masked(v.address(x, at), kept), kept)
        folded = [Lanes(self.w, builder.load(total)) for total in self.totals]
        result = self.fold.combine(self.fold.combine(folded[0], folded[1]), self.fold.combine(folded[2], folded[3]))
        width, value = v.lanes, result.value
        while width > 1:
            width //= 2
            halves = []
            for begin in (0, width):
                order = ir.Constant(ir.VectorType(INT32, width), [begin + k for k in range(width)])
                halves.append(Lanes(self.w, builder.shuffle_vector(value, value, order)))
            value = self.fold.combine(*halves).value
        builder.store(builder.extract_element(value, ir.Constant(INT32, 0)), out, align=self.w.itemsize)

    def emit_columns(self, x: Value, count: Value, step: Value, columns: Value, out: Value) -> None:
        builder, v, w = self.builder, self.v, self.w
        width = COLUMNS * v.lanes
        groups = builder.sdiv(builder.add(columns, whole(width - 1)), whole(width))
        with cgutils.for_range(builder, groups) as group:
            column = builder.mul(group.index, whole(width))
            left = builder.sub(columns, column)
            self.begin()
            with builder.if_else(builder.icmp_signed(">=", left, whole(width))) as (whole_group, part):
                with whole_group:
                    with cgutils.for_range(builder, count) as loop:
                        at = v.address(x, builder.mul(loop.index, step), column)
                        for k, total in enumerate(self.totals):
                            self.take(total, v.load(v.address(at, whole(k * v.lanes))))
                    for k, total in enumerate(self.totals):
                        w.store(builder.load(total), w.address(out, column, whole(k * v.lanes)))
                with part:
                    masks = [v.lanes_below(builder.sub(left, whole(k * v.lanes))) for k in range(COLUMNS)]
                    with cgutils.for_range(builder, count) as loop:
                        at = v.address(x, builder.mul(loop.index, step), column)
                        for k, total in enumerate(self.totals):
                            self.take(total, v.load_masked(v.address(at, whole(k * v.lanes)), masks[k]))
                    for k, total in enumerate(self.totals):
                        w.store_masked(builder.load(total), w.address(out, column, whole(k * v.lanes)), masks[k])


def _larger(a: Number, x: Number) -> Number:
    return select((x > a) | (x != x), x, a)


def _smaller(a: Number, x: Number) -> Number:
    return select((x < a) | (x != x), x, a)


SUM = Fold("sum", lambda a, x: a + x, 0.0, np.add, wide=True)
PRODUCT = Fold("product", lambda a, x: a * x, 1.0, np.multiply, wide=True)
MAXIMUM = Fold("maximum", _larger, -math.inf, np.maximum, wide=False)
MINIMUM = Fold("minimum", _smaller, math.inf, np.minimum, wide=False)


# ------------------------------------------------------------------------------------------ running


def running_sum(x: Array, axis: int, *, reverse: bool = False) -> Array:
    """Return the running sum along an axis, from its end where `reverse`; float32 is summed in double precision.

    Parameters
    ----------
    x : ndarray, float32 or float64
    axis : int, from 0
    reverse : bool
    """
    return _running(_running_sum, x, axis, reverse)


def running_product(x: Array, axis: int, *, reverse: bool = False, exclusive: bool = False) -> Array:
    """Return the running product along an axis, as `running_sum`; of the elements before each one if `exclusive`."""
    return _running(_running_product_before if exclusive else _running_product, x, axis, reverse)


def products_of_others(g: Array, x: Array, axis: int) -> Array:
    """Return, for each element, the product of the others along an axis, times ``g``: the gradient of a product.

    No division occurs: the products of the elements before and behind are multiplied, each taken in double precision.

    Parameters
    ----------
    g : ndarray of the shape of `x` without `axis`
    x : ndarray of the same dtype, float32, float64 or float16
    axis : int, from 0
    """
    if x.dtype.itemsize == 2:
        return products_of_others(g.astype(np.float32), x.astype(np.float32), axis).astype(x.dtype)
    out = np.empty(x.shape, x.dtype)
    if out.size:
        view = outer, _, inner = math.prod(x.shape[:axis]), x.shape[axis], math.prod(x.shape[axis + 1 :])
        threads = min(outer * -(-inner // BLOCK), threads_for(4 * x.size))
        _products_of_others(threads, contiguous(g).reshape(outer, inner), contiguous(x).reshape(view),
                            out.reshape(view), np.empty((threads, BLOCK)))  # fmt: skip
    return out


def recurrence(a: Array, b: Array, axis: int, *, reverse: bool = False) -> Array:
    """Return y with ``y[i] = b[i] + a[i] y[i-1]`` along an axis and ``y[-1] = 0``, computed in double precision.

    Parameters
    ----------
    a, b : ndarray of one shape and dtype, float32 or float64
    axis : int, from 0
    reverse : bool
        From the end, and of the next element: ``y[i] = b[i] + a[i+1] y[i+1]``, the adjoint in `b`.
    """
    return _running(_recurrence, a, axis, reverse, b)


def _running(kernel: Callable[..., None], x: Array, axis: int, reverse: bool, *others: Array) -> Array:
    """Run a kernel over arrays seen as (outer, length, inner)."""
    if x.dtype.itemsize == 2:
        wide = [array.astype(np.float32) for array in (x, *others)]
        return _running(kernel, wide[0], axis, reverse, *wide[1:]).astype(x.dtype)
    out = np.empty(x.shape, x.dtype)
    if out.size:
        view = math.prod(x.shape[:axis]), x.shape[axis], math.prod(x.shape[axis + 1 :])
        arrays = [contiguous(array).reshape(view) for array in (x, *others)]
        threads = min(view[0] * -(-view[2] // BLOCK), threads_for(2 * x.size))
        kernel(threads, *arrays, out.reshape(view), reverse, np.empty((threads, BLOCK)))
    return out


@jit(inline=True)
def _plus(total: float, x: float) -> float:
    return total + x


@jit(inline=True)
def _times(total: float, x: float) -> float:
    return total * x


@jit(inline=True)
def _rows_side_by_side(
    step: Callable[[float, float], float], start: float, t: int, threads: int, x: Array, out: Array, reverse: bool,
    before: bool,
) -> None:  # fmt: skip
    """Write the running results of a thread's rows, four at a time: chains of steps that do not wait for each other."""
    outer, length, _ = x.shape
    begin, end = uintp(t * outer // threads), uintp((t + 1) * outer // threads)
    whole_groups = begin + (end - begin) // uintp(4) * uintp(4)
    for r in range(begin, whole_groups, uintp(4)):
        r1, r2, r3 = r + uintp(1), r + uintp(2), r + uintp(3)
        p0 = p1 = p2 = p3 = start
        for i in range(length):
            k = uintp(length - 1 - i if reverse else i)
            q0, q1, q2, q3 = step(p0, x[r, k, 0]), step(p1, x[r1, k, 0]), step(p2, x[r2, k, 0]), step(p3, x[r3, k, 0])
            out[r, k, 0], out[r1, k, 0] = p0 if before else q0, p1 if before else q1
            out[r2, k, 0], out[r3, k, 0] = p2 if before else q2, p3 if before else q3
            p0, p1, p2, p3 = q0, q1, q2, q3
    for r in range(whole_groups, end):
        one = start
        for i in range(length):
            k = uintp(length - 1 - i if reverse else i)
            after = step(one, x[r, k, 0])
            out[r, k, 0] = one if before else after
            one = after


@chunked
def _running_sum(t: int, threads: int, x: Array, out: Array, reverse: bool, totals: Array) -> None:
    outer, length, inner = x.shape
    if inner == 1:
        _rows_side_by_side(_plus, 0.0, t, threads, x, out, reverse, False)
        return
    blocks = (inner + BLOCK - 1) // BLOCK  # columns side by side
    for unit in range(t * outer * blocks // threads, (t + 1) * outer * blocks // threads):
        o, first = uintp(unit // blocks), uintp(unit % blocks * BLOCK)
        width = min(uintp(BLOCK), uintp(inner) - first)
        total = totals[t]
        for j in range(width):
            total[j] = 0
        for i in range(length):
            k = uintp(length - 1 - i if reverse else i)
            for j in range(width):
                total[j] += x[o, k, first + j]
                out[o, k, first + j] = total[j]


@chunked
def _running_product(t: int, threads: int, x: Array, out: Array, reverse: bool, totals: Array) -> None:
    outer, length, inner = x.shape
    if inner == 1:
        _rows_side_by_side(_times, 1.0, t, threads, x, out, reverse, False)
        return
    blocks = (inner + BLOCK - 1) // BLOCK
    for unit in range(t * outer * blocks // threads, (t + 1) * outer * blocks // threads):
        o, first = uintp(unit // blocks), uintp(unit % blocks * BLOCK)
        width = min(uintp(BLOCK), uintp(inner) - first)
        total = totals[t]
        for j in range(width):
            total[j] = 1
        for i in range(length):
            k = uintp(length - 1 - i if reverse else i)
            for j in range(width):
                total[j] *= x[o, k, first + j]
                out[o, k, first + j] = total[j]


@chunked
def _running_product_before(t: int, threads: int, x: Array, out: Array, reverse: bool, totals: Array) -> None:
    outer, length, inner = x.shape
    if inner == 1:
        _rows_side_by_side(_times, 1.0, t, threads, x, out, reverse, True)
        return
    blocks = (inner + BLOCK - 1) // BLOCK
    for unit in range(t * outer * blocks // threads, (t + 1) * outer * blocks // threads):
        o, first = uintp(unit // blocks), uintp(unit % blocks * BLOCK)
        width = min(uintp(BLOCK), uintp(inner) - first)
        total = totals[t]
        for j in range(width):
            total[j] = 1
        for i in range(length):
            k = uintp(length - 1 - i if reverse else i)
            for j in range(width):
                out[o, k, first + j] = total[j]
                total[j] *= x[o, k, first + j]


@chunked
def _products_of_others(t: int, threads: int, g: Array, x: Array, out: Array, totals: Array) -> None:
    outer, length, inner = x.shape
    if inner == 1:
        begin, end = uintp(t * outer // threads), uintp((t + 1) * outer // threads)
        whole_groups = begin + (end - begin) // uintp(4) * uintp(4)
        for r in range(begin, whole_groups, uintp(4)):  # chains of products that do not wait for each other
            r1, r2, r3 = r + uintp(1), r + uintp(2), r + uintp(3)
            p0 = p1 = p2 = p3 = 1.0
            for i in range(length):
                k = uintp(length - 1 - i)
                out[r, k, 0], out[r1, k, 0], out[r2, k, 0], out[r3, k, 0] = p0, p1, p2, p3
                p0, p1, p2, p3 = p0 * x[r, k, 0], p1 * x[r1, k, 0], p2 * x[r2, k, 0], p3 * x[r3, k, 0]
            p0, p1, p2, p3 = 1.0 * g[r, 0], 1.0 * g[r1, 0], 1.0 * g[r2, 0], 1.0 * g[r3, 0]
            for i in range(length):
                k = uintp(i)
                out[r, k, 0], out[r1, k, 0] = out[r, k, 0] * p0, out[r1, k, 0] * p1
                out[r2, k, 0], out[r3, k, 0] = out[r2, k, 0] * p2, out[r3, k, 0] * p3
                p0, p1, p2, p3 = p0 * x[r, k, 0], p1 * x[r1, k, 0], p2 * x[r2, k, 0], p3 * x[r3, k, 0]
        for r in range(whole_groups, end):
            one = 1.0
            for i in range(length):
                k = uintp(length - 1 - i)
                out[r, k, 0] = one
                one *= x[r, k, 0]
            one = 1.0 * g[r, 0]
            for i in range(length):
                k = uintp(i)
                out[r, k, 0] *= one
                one *= x[r, k, 0]
        return
    blocks = (inner + BLOCK - 1) // BLOCK
    for unit in range(t * outer * blocks // threads, (t + 1) * outer * blocks // threads):
        o, first = uintp(unit // blocks), uintp(unit % blocks * BLOCK)
        width = min(uintp(BLOCK), uintp(inner) - first)
        total = totals[t]
        for j in range(width):
            total[j] = 1
        for i in range(length):
            k = uintp(length - 1 - i)
            for j in range(width):
                out[o, k, first + j] = total[j]
                total[j] *= x[o, k, first + j]
        for j in range(width):
            total[j] = g[o, first + j]
        for i in range(uintp(length)):
            for j in range(width):
                out[o, i, first + j] *= total[j]
                total[j] *= x[o, i, first + j]


@chunked
def _recurrence(t: int, threads: int, a: Array, b: Array, out: Array, reverse: bool, totals: Array) -> None:
    outer, length, inner = a.shape
    start, later = (length - 1, 1) if reverse else (0, 0)  # where `a` lies that leads to an element
    if inner == 1:
        begin, end = uintp(t * outer // threads), uintp((t + 1) * outer // threads)
        whole_groups = begin + (end - begin) // uintp(4) * uintp(4)
        for r in range(begin, whole_groups, uintp(4)):  # chains that do not wait for each other
            r1, r2, r3 = r + uintp(1), r + uintp(2), r + uintp(3)
            k = uintp(start)
            p0, p1, p2, p3 = 1.0 * b[r, k, 0], 1.0 * b[r1, k, 0], 1.0 * b[r2, k, 0], 1.0 * b[r3, k, 0]
            out[r, k, 0], out[r1, k, 0], out[r2, k, 0], out[r3, k, 0] = p0, p1, p2, p3
            for i in range(1, length):
                k = uintp(length - 1 - i if reverse else i)
                at = k + uintp(later)
                p0, p1 = b[r, k, 0] + a[r, at, 0] * p0, b[r1, k, 0] + a[r1, at, 0] * p1
                p2, p3 = b[r2, k, 0] + a[r2, at, 0] * p2, b[r3, k, 0] + a[r3, at, 0] * p3
                out[r, k, 0], out[r1, k, 0], out[r2, k, 0], out[r3, k, 0] = p0, p1, p2, p3
        for r in range(whole_groups, end):
            one = 1.0 * b[r, uintp(start), 0]
            out[r, uintp(start), 0] = one
            for i in range(1, length):
                k = uintp(length - 1 - i if reverse else i)
                one = b[r, k, 0] + a[r, k + uintp(later), 0] * one
                out[r, k, 0] = one
        return
    blocks = (inner + BLOCK - 1) // BLOCK
    for unit in range(t * outer * blocks // threads, (t + 1) * outer * blocks // threads):
        o, first = uintp(unit // blocks), uintp(unit % blocks * BLOCK)
        width = min(uintp(BLOCK), uintp(inner) - first)
        total = totals[t]
        for j in range(width):
            total[j] = b[o, uintp(start), first + j]
            out[o, uintp(start), first + j] = total[j]
        for i in range(1, length):
            k = uintp(length - 1 - i if reverse else i)
            for j in range(width):
                total[j] = b[o, k, first + j] + a[o, k + uintp(later), first + j] * total[j]
                out[o, k, first + j] = total[j]
