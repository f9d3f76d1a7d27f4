"""Batch, layer and group normalization.

Means and variances are taken in two steps over data that is still in the nearest cache: the mean of a run, then
the squared deviations from it. Runs (the planes of a channel) are combined in double precision after Chan,
Golub and LeVeque (1979). The textbook's E[x^2] - E[x]^2 would cancel in float32 where the mean is large.

A thread owns whole channels (batch norm), rows (layer norm) or groups (group norm). Sums over rows, which cross
threads, are taken over blocks of fixed length and then over the blocks: results have the same bits for any number of
threads.
"""

from __future__ import annotations

import math

import numpy as np
from numpy import uintp

from autograd_nn.kernels.annotations import Array
from autograd_nn.kernels.by_numpy import total, zeros
from autograd_nn.kernels.compile import chunked, jit, threads_for
from autograd_nn.kernels.memory import contiguous

__all__ = ["batch_norm", "batch_norm_input", "channel_sum", "group_norm", "group_norm_input", "layer_norm",
           "layer_norm_input", "normalize"]  # fmt: skip

BLOCK = 64  # rows in a partial sum


def _runs(x: Array) -> Array:
    """View (N, C, *) as (N, C, S)."""
    return x.reshape(*x.shape[:2], math.prod(x.shape[2:]))


def _or_empty(weight: Array | None, x: Array) -> Array:
    return contiguous(weight) if weight is not None else np.empty(0, x.dtype)


def batch_norm(x: Array, weight: Array | None, bias: Array | None, *, eps: float) -> tuple[Array, Array, Array]:
    """Normalize each channel by its own mean and (biased) variance over the batch.

    ``out = (x - mean) rstd weight + bias``, ``rstd = 1 / sqrt(var + eps)`` (Ioffe and Szegedy, 2015).

    Parameters
    ----------
    x : ndarray (N, C, *), float32 or float64
    weight, bias : ndarray (C,) or None
    eps : float

    Returns
    -------
    out : ndarray, shape of `x`
    mean, rstd : ndarray (C,)
    """
    x = contiguous(x)
    out = np.empty_like(x)
    mean, rstd = np.empty((2, x.shape[1]), x.dtype)
    arrays = x, out, _or_empty(weight, x), _or_empty(bias, x), mean, rstd
    if x.ndim == 2:
        _batch_norm_columns(threads_for(x.size), *arrays, np.empty(x.shape[1]), float(eps))
    else:
        _batch_norm(threads_for(x.size), _runs(x), _runs(out), *arrays[2:], float(eps))
    return out, mean, rstd


def channel_sum(x: Array) -> Array:
    """Return the sum of each channel over the batch and the places: the gradient of a convolution's bias.

    Planes are summed in the dtype of `x` by vectors, and added up in double precision.

    Parameters
    ----------
    x : ndarray (N, C, *), float32 or float64

    Returns
    -------
    ndarray (C,)
    """
    out = np.empty(x.shape[1], x.dtype)
    _channel_sum(threads_for(x.size), _runs(contiguous(x)), out)
    return out


def normalize(x: Array, weight: Array | None, bias: Array | None, mean: Array, rstd: Array) -> Array:
    """Return ``(x - mean) rstd weight + bias`` by channel: batch norm with statistics that are given.

    Parameters
    ----------
    x : ndarray (N, C, *), float32 or float64
    weight, bias : ndarray (C,) or None
    mean, rstd : ndarray (C,)

    Returns
    -------
    ndarray, shape of `x`
    """
    x = contiguous(x)
    out = np.empty_like(x)
    scale = rstd if weight is None else rstd * weight
    _normalize(
        *(threads_for(x.size), _runs(x), _runs(out)),
        *(contiguous(scale), _or_empty(bias, x), contiguous(mean)),
    )
    return out


def batch_norm_input(g: Array, x: Array, weight: Array | None, mean: Array, rstd: Array) -> tuple[Array, Array, Array]:
    """Return the gradients of `batch_norm`.

    With ``h = (x - mean) rstd`` and means over the batch::

        gx = weight rstd (g - mean(g) - h mean(g h)),  gweight = sum(g h),  gbias = sum(g)

    Parameters
    ----------
    g, x : ndarray (N, C, *)
    weight : ndarray (C,) or None
    mean, rstd : ndarray (C,)
        As returned by `batch_norm`.

    Returns
    -------
    gx : ndarray, shape of `x`
    gweight, gbias : ndarray (C,)
    """
    g, x = contiguous(g), contiguous(x)
    gx = np.empty_like(x)
    gweight, gbias = np.empty((2, x.shape[1]), x.dtype)
    statistics = _or_empty(weight, x), contiguous(mean), contiguous(rstd), gweight, gbias
    if x.ndim == 2:
        _batch_norm_columns_input(threads_for(2 * x.size), g, x, gx, *statistics, np.empty((2, x.shape[1])))
    else:
        _batch_norm_input(threads_for(2 * x.size), _runs(g), _runs(x), _runs(gx), *statistics)
    return gx, gweight, gbias


def layer_norm(x: Array, weight: Array | None, bias: Array | None, *, eps: float) -> tuple[Array, Array, Array]:
    """Normalize each row by its own mean and (biased) variance (Ba, Kiros and Hinton, 2016).

    Parameters
    ----------
    x : ndarray (M, D), float32 or float64
    weight, bias : ndarray (D,) or None
    eps : float

    Returns
    -------
    out : ndarray (M, D)
    mean, rstd : ndarray (M,)
    """
    x = contiguous(x)
    out = np.empty_like(x)
    mean, rstd = np.empty((2, len(x)), x.dtype)
    weight = np.ones(x.shape[1], x.dtype) if weight is None else contiguous(weight)
    bias = np.zeros(x.shape[1], x.dtype) if bias is None else contiguous(bias)
    _layer_norm(threads_for(2 * x.size), x, out, weight, bias, mean, rstd, float(eps))
    return out, mean, rstd


def layer_norm_input(g: Array, x: Array, weight: Array | None, mean: Array, rstd: Array) -> tuple[Array, Array, Array]:
    """Return the gradients of `layer_norm`.

    With ``h = (x - mean) rstd``, ``k = g weight`` and means over the row::

        gx = rstd (k - mean(k) - h mean(k h)),  gweight = sum(g h),  gbias = sum(g)  (sums over rows)

    Parameters
    ----------
    g, x : ndarray (M, D)
    weight : ndarray (D,) or None
    mean, rstd : ndarray (M,)
        As returned by `layer_norm`.

    Returns
    -------
    gx : ndarray (M, D)
    gweight, gbias : ndarray (D,)
    """
    g, x = contiguous(g), contiguous(x)
    gx = np.empty_like(x)
    sums = zeros((2, -(-len(x) // BLOCK), x.shape[1]), x.dtype)
    weight = np.ones(x.shape[1], x.dtype) if weight is None else contiguous(weight)
    _layer_norm_input(threads_for(2 * x.size), g, x, gx, weight, contiguous(mean), contiguous(rstd), *sums)
    gweight, gbias = total(sums, 1, dtype=x.dtype)
    return gx, gweight, gbias


def group_norm(x: Array, weight: Array | None, bias: Array | None, *, eps: float) -> tuple[Array, Array, Array]:
    """Normalize each group of channels of each example by its own mean and (biased) variance (Wu and He, 2018).

    Parameters
    ----------
    x : ndarray (N, G, D, S), float32 or float64
        G groups of D channels.
    weight, bias : ndarray (G D,) or None
    eps : float

    Returns
    -------
    out : ndarray (N, G, D, S)
    mean, rstd : ndarray (N, G)
    """
    x = contiguous(x)
    (N, G, D, S), out = x.shape, np.empty_like(x)
    mean, rstd = np.empty((2, N, G), x.dtype)
    _group_norm(
        threads_for(2 * x.size), x.reshape(N * G, D * S), out.reshape(N * G, D * S), _or_empty(weight, x),
        _or_empty(bias, x), mean.reshape(-1), rstd.reshape(-1), G, D, S, float(eps),
    )  # fmt: skip
    return out, mean, rstd


def group_norm_input(g: Array, x: Array, weight: Array | None, mean: Array, rstd: Array) -> tuple[Array, Array, Array]:
    """Return the gradients of `group_norm`: those of `layer_norm`, with a weight for each channel.

    Parameters
    ----------
    g, x : ndarray (N, G, D, S)
    weight : ndarray (G D,) or None
    mean, rstd : ndarray (N, G)
        As returned by `group_norm`.

    Returns
    -------
    gx : ndarray (N, G, D, S)
    gweight, gbias : ndarray (G D,)
    """
    g, x = contiguous(g), contiguous(x)
    (N, G, D, S), gx = x.shape, np.empty_like(x)
    sums = np.empty((2, N, G * D))
    weight = np.ones(G * D, x.dtype) if weight is None else contiguous(weight)
    _group_norm_input(
        threads_for(2 * x.size), g.reshape(N * G, D, S), x.reshape(N * G, D, S), gx.reshape(N * G, D, S), weight,
        contiguous(mean).reshape(-1), contiguous(rstd).reshape(-1), sums[0], sums[1],
    )  # fmt: skip
    gweight, gbias = total(sums, 1, dtype=x.dtype)
    return gx, gweight, gbias


# --------------------------------------------------------------------------------------------- channels


@jit(reassociate=True)
def _sum(x: Array, n: int, c: int) -> float:
    total: float = x.dtype.type(0)
    for i in range(x.shape[2]):
        total += x[n, c, i]
    return total


@jit(reassociate=True)
def _sum_of_squares(x: Array, n: int, c: int, center: float) -> float:
    total: float = x.dtype.type(0)
    for i in range(x.shape[2]):
        total += (x[n, c, i] - center) * (x[n, c, i] - center)
    return total


@jit(reassociate=True)
def _sums_of_products(g: Array, x: Array, n: int, c: int, center: float) -> tuple[float, float]:
    total, product = x.dtype.type(0), x.dtype.type(0)
    for i in range(x.shape[2]):
        total += g[n, c, i]
        product += g[n, c, i] * (x[n, c, i] - center)
    return total, product


@chunked
def _batch_norm(
    t: int, threads: int, x: Array, out: Array, weight: Array, bias: Array, mean: Array, rstd: Array, eps: float
) -> None:
    N, C, S = x.shape
    T = x.dtype.type
    for c in range(uintp(t * C // threads), uintp((t + 1) * C // threads)):
        center, squares = 0.0, 0.0
        for n in range(uintp(N)):
            run_center = _sum(x, n, c) / np.float64(S)
            distance = run_center - center
            center += distance / (n + 1)
            squares += _sum_of_squares(x, n, c, T(run_center)) + distance * distance * S * (n / (n + 1.0))
        middle = T(center)
        mean[c] = middle
        rstd[c] = 1 / np.sqrt(squares / np.float64(N * S) + eps)
        scale = rstd[c] * (weight[c] if weight.size else T(1))
        shift = bias[c] if bias.size else T(0)
        for n in range(uintp(N)):
            for i in range(S):
                out[n, c, i] = (x[n, c, i] - middle) * scale + shift


@chunked
def _channel_sum(t: int, threads: int, x: Array, out: Array) -> None:
    N, C = x.shape[:2]
    for c in range(uintp(t * C // threads), uintp((t + 1) * C // threads)):
        total = 0.0
        for n in range(uintp(N)):
            total += _sum(x, n, c)
        out[c] = total


@chunked
def _normalize(t: int, threads: int, x: Array, out: Array, scale: Array, bias: Array, mean: Array) -> None:
    N, C, S = x.shape
    for run in range(t * N * C // threads, (t + 1) * N * C // threads):
        n, c = uintp(run // C), uintp(run % C)
        middle, factor = mean[c], scale[c]
        shift = bias[c] if bias.size else x.dtype.type(0)
        for i in range(S):
            out[n, c, i] = (x[n, c, i] - middle) * factor + shift


@chunked
def _batch_norm_input(
    t: int, threads: int, g: Array, x: Array, gx: Array, weight: Array, mean: Array, rstd: Array, gweight: Array,
    gbias: Array,
) -> None:  # fmt: skip
    N, C, S = x.shape
    T = x.dtype.type
    for c in range(uintp(t * C // threads), uintp((t + 1) * C // threads)):
        middle = mean[c]
        total, product = 0.0, 0.0
        for n in range(uintp(N)):
            run_total, run_product = _sums_of_products(g, x, n, c, middle)
            total += run_total
            product += run_product
        gbias[c] = total
        gweight[c] = product * rstd[c]
        scale = rstd[c] * (weight[c] if weight.size else T(1))
        offset = T(total / np.float64(N * S))
        slope = T(product * rstd[c] * rstd[c] / np.float64(N * S))
        for n in range(uintp(N)):
            for i in range(S):
                gx[n, c, i] = scale * (g[n, c, i] - offset - (x[n, c, i] - middle) * slope)


# ---------------------------------------------------------------------------------------------- columns
# A channel of an (N, C) batch is a column: threads own ranges of columns and walk down them side by side.


@chunked
def _batch_norm_columns(
    t: int, threads: int, x: Array, out: Array, weight: Array, bias: Array, mean: Array, rstd: Array, sums: Array,
    eps: float,
) -> None:  # fmt: skip
    N, C = x.shape
    T = x.dtype.type
    first, last = uintp(t * C // threads), uintp((t + 1) * C // threads)
    for c in range(first, last):
        sums[c] = 0
    for n in range(N):
        for c in range(first, last):
            sums[c] += x[n, c]
    for c in range(first, last):
        mean[c] = sums[c] / np.float64(N)
        sums[c] = 0
    for n in range(N):
        for c in range(first, last):
            sums[c] += (x[n, c] - mean[c]) * (x[n, c] - mean[c])
    for c in range(first, last):
        rstd[c] = 1 / np.sqrt(sums[c] / np.float64(N) + eps)
    for n in range(N):
        for c in range(first, last):
            scale = rstd[c] * (weight[c] if weight.size else T(1))
            out[n, c] = (x[n, c] - mean[c]) * scale + (bias[c] if bias.size else T(0))


@chunked
def _batch_norm_columns_input(
    t: int, threads: int, g: Array, x: Array, gx: Array, weight: Array, mean: Array, rstd: Array, gweight: Array,
    gbias: Array, sums: Array,
) -> None:  # fmt: skip
    N, C = x.shape
    T = x.dtype.type
    first, last = uintp(t * C // threads), uintp((t + 1) * C // threads)
    for c in range(first, last):
        sums[0, c] = 0
        sums[1, c] = 0
    for n in range(N):
        for c in range(first, last):
            sums[0, c] += g[n, c]
            sums[1, c] += g[n, c] * (x[n, c] - mean[c])
    for c in range(first, last):
        gbias[c] = sums[0, c]
        gweight[c] = sums[1, c] * rstd[c]
        sums[0, c] /= np.float64(N)
        sums[1, c] *= rstd[c] * rstd[c] / np.float64(N)
    for n in range(N):
        for c in range(first, last):
            scale = rstd[c] * (weight[c] if weight.size else T(1))
            gx[n, c] = scale * (g[n, c] - T(sums[0, c]) - (x[n, c] - mean[c]) * T(sums[1, c]))


# ------------------------------------------------------------------------------------------------- rows


# Each helper sees rows of their own: so LLVM makes vector instructions of its loop.


@jit(reassociate=True, borrows=True)
def _row_sum(x: Array) -> float:
    total: float = x.dtype.type(0)
    for i in range(x.size):
        total += x[i]
    return total


@jit(reassociate=True, borrows=True)
def _row_sum_of_squares(x: Array, center: float) -> float:
    total: float = x.dtype.type(0)
    for i in range(x.size):
        total += (x[i] - center) * (x[i] - center)
    return total


@jit(reassociate=True, borrows=True)
def _row_sums_of_products(g: Array, x: Array, weight: Array, center: float) -> tuple[float, float]:
    total, product = x.dtype.type(0), x.dtype.type(0)
    for i in range(x.size):
        weighted = g[i] * weight[i]
        total += weighted
        product += weighted * (x[i] - center)
    return total, product


@jit(borrows=True)
def _write_row(x: Array, out: Array, weight: Array, bias: Array, middle: float, scale: float) -> None:
    for i in range(x.size):
        out[i] = (x[i] - middle) * scale * weight[i] + bias[i]


@jit(borrows=True)
def _write_row_input(
    g: Array, x: Array, gx: Array, weight: Array, middle: float, scale: float, offset: float, slope: float
) -> None:
    for i in range(x.size):
        gx[i] = scale * (g[i] * weight[i] - offset - (x[i] - middle) * slope)


@jit(borrows=True)
def _add_to_sums(g: Array, x: Array, gweight: Array, gbias: Array, middle: float, scale: float) -> None:
    for i in range(x.size):
        gweight[i] += g[i] * (x[i] - middle) * scale
        gbias[i] += g[i]


@chunked
def _layer_norm(
    t: int, threads: int, x: Array, out: Array, weight: Array, bias: Array, mean: Array, rstd: Array, eps: float
) -> None:
    M, D = x.shape
    T = x.dtype.type
    for m in range(uintp(t * M // threads), uintp((t + 1) * M // threads)):
        row = x[m]
        middle = T(_row_sum(row) / np.float64(D))
        scale = T(1 / np.sqrt(_row_sum_of_squares(row, middle) / np.float64(D) + eps))
        mean[m], rstd[m] = middle, scale
        _write_row(row, out[m], weight, bias, middle, scale)


@chunked
def _layer_norm_input(
    t: int, threads: int, g: Array, x: Array, gx: Array, weight: Array, mean: Array, rstd: Array, gweights: Array,
    gbiases: Array,
) -> None:  # fmt: skip
    M, D = x.shape
    T = x.dtype.type
    blocks = len(gbiases)
    for block in range(uintp(t * blocks // threads), uintp((t + 1) * blocks // threads)):
        for m in range(block * uintp(BLOCK), min(uintp(M), (block + uintp(1)) * uintp(BLOCK))):
            middle, scale = mean[m], rstd[m]
            total, product = _row_sums_of_products(g[m], x[m], weight, middle)
            offset = total / T(D)
            slope = product * scale * scale / T(D)
            _write_row_input(g[m], x[m], gx[m], weight, middle, scale, offset, slope)
            _add_to_sums(g[m], x[m], gweights[block], gbiases[block], middle, scale)


# ------------------------------------------------------------------------------------------------- groups


@chunked
def _group_norm(
    t: int, threads: int, x: Array, out: Array, weight: Array, bias: Array, mean: Array, rstd: Array, G: int, D: int,
    S: int, eps: float,
) -> None:  # fmt: skip
    M, size = x.shape
    T = x.dtype.type
    for m in range(uintp(t * M // threads), uintp((t + 1) * M // threads)):
        middle = T(_row_sum(x[m]) / np.float64(size))
        scale = T(1 / np.sqrt(_row_sum_of_squares(x[m], middle) / np.float64(size) + eps))
        mean[m], rstd[m] = middle, scale
        for d in range(uintp(D)):
            c = m % uintp(G) * uintp(D) + d
            factor = weight[c] if weight.size else T(1)
            shift = bias[c] if bias.size else T(0)
            for i in range(d * uintp(S), (d + uintp(1)) * uintp(S)):
                out[m, i] = (x[m, i] - middle) * scale * factor + shift


@chunked
def _group_norm_input(
    t: int, threads: int, g: Array, x: Array, gx: Array, weight: Array, mean: Array, rstd: Array, gweights: Array,
    gbiases: Array,
) -> None:  # fmt: skip
    M, D, S = x.shape
    T = x.dtype.type
    G = gbiases.shape[1] // max(D, 1)
    for m in range(uintp(t * M // threads), uintp((t + 1) * M // threads)):
        middle, scale = mean[m], rstd[m]
        n, first = m // uintp(G), m % uintp(G) * uintp(D)
        total, product = 0.0, 0.0
        for d in range(uintp(D)):
            run_total, run_product = _sums_of_products(g, x, m, d, middle)
            gbiases[n, first + d] = run_total
            gweights[n, first + d] = run_product * scale
            total += run_total * np.float64(weight[first + d])
            product += run_product * np.float64(weight[first + d])
        offset = T(total / np.float64(D * S))
        slope = T(product * scale * scale / np.float64(D * S))
        for d in range(uintp(D)):
            factor = weight[first + d]
            for i in range(S):
                gx[m, d, i] = scale * (g[m, d, i] * factor - offset - (x[m, d, i] - middle) * slope)
