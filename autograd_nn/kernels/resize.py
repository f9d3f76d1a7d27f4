"""Planes resized by linear interpolation along both dims, and the adjoint.

A row of the result is mixed of two rows, side by side; then its elements of two elements of that row. The adjoint goes
the same way back. Products and sums are rounded one by one, so that a mixture of equals is exactly that.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy import uintp

from autograd_nn.kernels.annotations import Array
from autograd_nn.kernels.by_numpy import zeros
from autograd_nn.kernels.compile import chunked, threads_for
from autograd_nn.kernels.memory import contiguous

__all__ = ["mix_planes", "mix_planes_input"]


class Mixture(NamedTuple):
    """What the elements of a resized dim are made of: ``x[first] + (x[second] - x[first]) * share``.

    `first` and `second` are int64 arrays of places, which are not checked; `share` is of the dtype of the planes.
    """

    first: Array
    second: Array
    share: Array


def mix_planes(x: Array, rows: Mixture, columns: Mixture | None) -> Array:
    """Return planes resized along their rows, and along their columns unless that is None.

    Parameters
    ----------
    x : ndarray (P, H, W), float32, float64 or float16
    rows : Mixture
        Of OH elements.
    columns : Mixture, optional
        Of OW elements.

    Returns
    -------
    ndarray (P, OH, OW)
    """
    if x.dtype.itemsize == 2:
        return mix_planes(x.astype(np.float32), _widened(rows), columns and _widened(columns)).astype(x.dtype)
    P, _, W = x.shape
    tables = rows if columns is None else columns
    out = np.empty((P, len(rows.first), W if columns is None else len(columns.first)), x.dtype)
    if out.size:
        threads = min(threads_for(2 * out.size), P * out.shape[1])
        _mix(threads, contiguous(x), *rows, *tables, columns is None, out, np.empty((threads, W), x.dtype))
    return out


def mix_planes_input(g: Array, rows: Mixture, columns: Mixture | None, height: int, width: int) -> Array:
    """Return the adjoint of `mix_planes`, (P, height, width), of planes (P, OH, OW); a thread owns planes."""
    if g.dtype.itemsize == 2:
        wide = mix_planes_input(g.astype(np.float32), _widened(rows), columns and _widened(columns), height, width)
        return wide.astype(g.dtype)
    out = zeros((len(g), height, width), g.dtype)
    tables = rows if columns is None else columns
    if g.size:
        threads = min(threads_for(2 * g.size), len(g))
        _mix_input(threads, contiguous(g), *rows, *tables, columns is None, out, np.empty((threads, width), g.dtype))
    return out


def _widened(mixture: Mixture) -> Mixture:
    return mixture._replace(share=mixture.share.astype(np.float32))


@chunked(contract=False)
def _mix(
    t: int, threads: int, x: Array, above: Array, below: Array, down: Array, left: Array, right: Array, across: Array,
    whole: bool, out: Array, space: Array,
) -> None:  # fmt: skip
    planes, height, width = out.shape
    line = space[t]
    for unit in range(uintp(planes * height * t // threads), uintp(planes * height * (t + 1) // threads)):
        p, h = unit // uintp(height), unit % uintp(height)
        a, b, share = x[p, above[h]], x[p, below[h]], down[h]
        row = out[p, h]
        target = row if whole else line
        for j in range(uintp(x.shape[2])):
            target[j] = a[j] + (b[j] - a[j]) * share
        if not whole:
            for j in range(uintp(width)):
                value = line[uintp(left[j])]
                row[j] = value + (line[uintp(right[j])] - value) * across[j]


@chunked(contract=False)
def _mix_input(
    t: int, threads: int, g: Array, above: Array, below: Array, down: Array, left: Array, right: Array, across: Array,
    whole: bool, out: Array, space: Array,
) -> None:  # fmt: skip
    planes, height, width = g.shape
    line = space[t]
    for p in range(uintp(planes * t // threads), uintp(planes * (t + 1) // threads)):
        for h in range(uintp(height)):
            row = g[p, h]
            if not whole:
                for j in range(uintp(line.size)):
                    line[j] = 0
                for j in range(uintp(width)):
                    part = row[j] * across[j]
                    line[uintp(right[j])] += part
                    line[uintp(left[j])] += row[j] - part
            source = row if whole else line
            a, b, share = out[p, above[h]], out[p, below[h]], down[h]
            for j in range(uintp(source.size)):
                b[j] += source[j] * share
            for j in range(uintp(source.size)):
                a[j] += source[j] - source[j] * share
