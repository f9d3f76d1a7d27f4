"""Small work that Python leaves to NumPy, as kernels, bit for bit: strided copies, short sums, class indices."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy import uintp

from autograd_nn.kernels.annotations import Array
from autograd_nn.kernels.compile import chunked, jit

__all__ = [
    "LONGEST", "above_zero", "add_whole", "cast", "check_between", "class_factors", "class_indices", "copy", "fill",
    "fold", "move_statistics", "take_rows",
]  # fmt: skip

BLOCK = 128  # elements that NumPy sums in one go
LONGEST = 1024  # elements up to which a run can be summed in NumPy's order


@chunked
def copy(t: int, threads: int, x: Array, out: Array, table: Array) -> None:
    """Copy between strided arrays of 4 dims; `table` holds sizes, starts and steps of both."""
    n0, n1, n2, n3, x_start, x0, x1, x2, x3, o_start, o0, o1, o2, o3 = (
        table[0], table[1], table[2], table[3], table[4], table[5], table[6], table[7], table[8], table[9], table[10],
        table[11], table[12], table[13],
    )  # fmt: skip
    for a in range(n0 * t // threads, n0 * (t + 1) // threads):
        for b in range(n1):
            for c in range(n2):
                i = x_start + a * x0 + b * x1 + c * x2
                j = o_start + a * o0 + b * o1 + c * o2
                if x3 == 1 and o3 == 1:
                    for d in range(uintp(n3)):
                        out[uintp(j) + d] = x[uintp(i) + d]
                else:
                    for d in range(n3):
                        out[uintp(j + d * o3)] = x[uintp(i + d * x3)]


@chunked
def fill(t: int, threads: int, out: Array, value: float) -> None:
    """Set all elements to a number."""
    v = out.dtype.type(value)
    for i in range(uintp(t * out.size // threads), uintp((t + 1) * out.size // threads)):
        out[i] = v


@jit
def block(x: Array, start: int, count: int, zero: Any) -> Any:
    """Return the sum of at most 128 elements: eight sums side by side, then the rest."""
    if count < 8:
        total = zero
        for i in range(count):
            total += x[start + i]
        return total
    sums = (zero + x[start], zero + x[start + 1], zero + x[start + 2], zero + x[start + 3],
            zero + x[start + 4], zero + x[start + 5], zero + x[start + 6], zero + x[start + 7])  # fmt: skip
    whole = count - count % 8
    for i in range(8, whole, 8):
        at = start + i
        sums = (sums[0] + x[at], sums[1] + x[at + 1], sums[2] + x[at + 2], sums[3] + x[at + 3],
                sums[4] + x[at + 4], sums[5] + x[at + 5], sums[6] + x[at + 6], sums[7] + x[at + 7])  # fmt: skip
    total = ((sums[0] + sums[1]) + (sums[2] + sums[3])) + ((sums[4] + sums[5]) + (sums[6] + sums[7]))
    for i in range(whole, count):
        total += x[start + i]
    return total


@jit
def half_of(count: int) -> int:
    """Return where a run is halved, at a multiple of 8."""
    return count // 16 * 8


@jit
def sixteenth(x: Array, start: int, count: int, zero: Any) -> Any:
    if count <= BLOCK:
        return block(x, start, count, zero)
    half = half_of(count)
    return block(x, start, half, zero) + block(x, start + half, count - half, zero)


@jit
def eighth(x: Array, start: int, count: int, zero: Any) -> Any:
    if count <= BLOCK:
        return block(x, start, count, zero)
    half = half_of(count)
    return sixteenth(x, start, half, zero) + sixteenth(x, start + half, count - half, zero)


@jit
def quarter(x: Array, start: int, count: int, zero: Any) -> Any:
    if count <= BLOCK:
        return block(x, start, count, zero)
    half = half_of(count)
    return eighth(x, start, half, zero) + eighth(x, start + half, count - half, zero)


@jit
def pairwise(x: Array, start: int, count: int, zero: Any) -> Any:
    """Return the sum of fewer than `LONGEST` elements in NumPy's order: halves of halves, and then blocks."""
    if count <= BLOCK:
        return block(x, start, count, zero)
    half = half_of(count)
    return quarter(x, start, half, zero) + quarter(x, start + half, count - half, zero)


@chunked(contract=False)
def fold(t: int, threads: int, x: Array, out: Array, outer: int, length: int, inner: int) -> None:
    """Sum (outer, length, inner) over its middle in the precision of `out`, in NumPy's order."""
    zero = out.dtype.type(0)
    for o in range(outer * t // threads, outer * (t + 1) // threads):
        if inner == 1:
            out[o] = zero + pairwise(x, o * length, length, zero)
        else:
            for j in range(inner):
                out[o * inner + j] = zero
            for i in range(length):
                for j in range(inner):
                    out[o * inner + j] += x[(o * length + i) * inner + j]


@chunked(contract=False)
def cast(t: int, threads: int, x: Array, out: Array, factor: float) -> None:
    """Multiply by a number and round to the dtype of `out`."""
    for i in range(uintp(t * out.size // threads), uintp((t + 1) * out.size // threads)):
        out[i] = out.dtype.type(x[i] * factor)


@chunked
def class_indices(t: int, threads: int, target: Array, out: Array, classes: int, ignored: int) -> None:
    """Copy class indices as int64, -1 for those that are ignored; fail where one is out of range."""
    for i in range(target.size):
        index = np.int64(target[i])
        if index == ignored:
            out[i] = -1
        elif index < 0 or index >= classes:
            raise IndexError
        else:
            out[i] = index


@chunked
def check_between(t: int, threads: int, x: Array, low: Any, high: Any) -> None:
    """Fail where an element is not from `low` to `high`."""
    for i in range(uintp(t * x.size // threads), uintp((t + 1) * x.size // threads)):
        if not low <= x[i] <= high:
            raise ValueError


@chunked(contract=False)
def class_factors(t: int, threads: int, indices: Array, weight: Array, out: Array) -> None:
    """Compute the weight of each row's class, 1 without weights, 0 for rows that are ignored."""
    one, zero = out.dtype.type(1), out.dtype.type(0)
    for i in range(out.size):
        factor = one if indices[i] >= 0 else zero
        if weight.size:
            factor *= weight[max(indices[i], 0)]
        out[i] = factor


@chunked
def take_rows(t: int, threads: int, weight: Array, index: Array, out: Array) -> None:
    """Copy rows: ``out[i] = weight[index[i]]``; fail where an index is out of range."""
    for i in range(len(index) * t // threads, len(index) * (t + 1) // threads):
        row = index[i]
        if row < 0 or row >= len(weight):
            raise IndexError
        for j in range(uintp(weight.shape[1])):
            out[i, j] = weight[row, j]


@chunked(contract=False)
def move_statistics(
    t: int, threads: int, running_mean: Array, running_var: Array, mean: Array, rstd: Array, kept: float, part: float,
    momentum: float, eps: float, unbiased: float,
) -> None:  # fmt: skip
    """Move running statistics towards those of a batch; `kept` and `part` are momenta in their dtype."""
    for i in range(mean.size):
        scale = np.float64(rstd[i])
        variance = 1.0 / (scale * scale) - eps
        larger = 0.0 if variance < 0.0 else variance
        running_mean[i] = running_mean[i] * kept + part * mean[i]
        running_var[i] = np.float64(running_var[i] * kept) + momentum * (larger * unbiased)


@chunked
def above_zero(t: int, threads: int, x: Array) -> None:
    """Fail unless all elements are above 0."""
    for i in range(x.size):
        if not x[i] > 0:
            raise ArithmeticError


@chunked
def add_whole(t: int, threads: int, x: Array, y: int, out: Array) -> None:
    """Add a number to integers."""
    for i in range(out.size):
        out[i] = x[i] + y
