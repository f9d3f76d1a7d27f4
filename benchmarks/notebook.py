"""The way from nested Python loops to the kernels of today: what each step brings.

The start is the way of computing that a first notebook takes: one image at a time, a valid convolution by explicit
loops over filters, pixels and kernel cells, max-pooling by loops, and each gradient computed on its own, so that the
outputs of the layers below are computed again for each of them. Written anew from that description.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

import numba
import numpy as np

from autograd_nn.kernels.conv import choice as conv
from autograd_nn.kernels.conv.choice import force_method

from . import exact, trainers
from .kernels import check
from .measure import Effort, Timing, compare, readable
from .report import OURS, Row, Table

RATE = trainers.LEARNING_RATE
BATCH = 100
Weights = list[np.ndarray]


def convolve_loops(x, w, b):
    """Return the valid convolution of (C, H, W) by explicit loops."""
    O, C, k, _ = w.shape
    H, W = x.shape[1] - k + 1, x.shape[2] - k + 1
    out = np.zeros((O, H, W), np.float32)
    for o in range(O):
        for y in range(H):
            for q in range(W):
                total = b[o]
                for c in range(C):
                    for i in range(k):
                        for j in range(k):
                            total += w[o, c, i, j] * x[c, y + i, q + j]
                out[o, y, q] = total
    return out


def convolve_input_loops(g, w):
    """Return the gradient of the convolution in the image by explicit loops."""
    O, C, k, _ = w.shape
    H, W = g.shape[1:]
    out = np.zeros((C, H + k - 1, W + k - 1), np.float32)
    for o in range(O):
        for y in range(H):
            for q in range(W):
                value = g[o, y, q]
                for c in range(C):
                    for i in range(k):
                        for j in range(k):
                            out[c, y + i, q + j] += w[o, c, i, j] * value
    return out


def convolve_weight_loops(g, x, k):
    """Return the gradient of the convolution in the weight by explicit loops."""
    O, H, W = g.shape
    C = x.shape[0]
    out = np.zeros((O, C, k, k), np.float32)
    for o in range(O):
        for c in range(C):
            for i in range(k):
                for j in range(k):
                    total = np.float32(0)
                    for y in range(H):
                        for q in range(W):
                            total += g[o, y, q] * x[c, y + i, q + j]
                    out[o, c, i, j] = total
    return out


def pool_loops(x):
    """Return the maximum of each 2x2 window and the position of the first, by explicit loops."""
    C, H, W = x.shape
    out, where = np.zeros((C, H // 2, W // 2), np.float32), np.zeros((C, H // 2, W // 2, 2), np.int64)
    for c in range(C):
        for y in range(H // 2):
            for q in range(W // 2):
                best = x[c, 2 * y, 2 * q]
                where[c, y, q, 0], where[c, y, q, 1] = 2 * y, 2 * q
                for i in range(2):
                    for j in range(2):
                        if x[c, 2 * y + i, 2 * q + j] > best:
                            best = x[c, 2 * y + i, 2 * q + j]
                            where[c, y, q, 0], where[c, y, q, 1] = 2 * y + i, 2 * q + j
                out[c, y, q] = best
    return out, where


def unpool_loops(g, where, size):
    """Return the gradient of `pool_loops`: all of it to the position of the maximum."""
    C, H, W = g.shape
    out = np.zeros((C, size, size), np.float32)
    for c in range(C):
        for y in range(H):
            for q in range(W):
                out[c, where[c, y, q, 0], where[c, y, q, 1]] += g[c, y, q]
    return out


COMPILED: list[Any] = [
    numba.njit(function)
    for function in (convolve_loops, convolve_input_loops, convolve_weight_loops, pool_loops, unpool_loops)
]


class Loops:
    """A step of the ConvNet image by image; `recompute`: each gradient computes again what it needs.

    `functions` are the five loops, as Python runs them or compiled.
    """

    def __init__(self, functions: list[Any], recompute: bool):
        self.convolve, self.convolve_input, self.convolve_weight, self.pool, self.unpool = functions
        self.recompute = recompute

    def outputs(self, image, weights):
        w, b, dense, bias = weights
        z = self.convolve(image, w, b)
        pooled, where = self.pool(np.maximum(z, np.float32(0)))
        flat = pooled.reshape(-1)
        logits = dense @ flat + bias
        share = np.exp(logits - logits.max())
        return z, where, flat, share / share.sum()

    def gradients(self, image, label, weights) -> Weights:
        kept = self.outputs(image, weights)

        def layers():
            return self.outputs(image, weights) if self.recompute else kept

        def error():
            difference = layers()[3].copy()
            difference[label] -= 1
            return difference

        def below():
            z, where = layers()[:2]
            g = (weights[2].T @ error()).reshape(where.shape[:3])
            return self.unpool(g, where, z.shape[1]) * (z > 0)

        return [
            self.convolve_weight(below().astype(np.float32), image, 3),
            below().sum((1, 2)),
            np.outer(error(), layers()[2]),
            error(),
        ]

    def total(self, x, y, weights) -> Weights:
        """Return the mean gradients over a batch."""
        total = [np.zeros_like(weight) for weight in weights]
        for image, label in zip(x, y):
            for part, gradient in zip(total, self.gradients(image, label, weights)):
                part += gradient / np.float32(len(x))
        return total


def numpy_gradients(x, y, weights) -> Weights:
    """Return the mean gradients over a batch in NumPy: windows as views, contracted by einsum."""
    w, b, *_ = weights
    windows = np.lib.stride_tricks.sliding_window_view(x, (3, 3), (2, 3))
    z = np.einsum("ncyqij,ocij->noyq", windows, w, optimize=False) + b[:, None, None]
    return _finish(z, x, y, weights, lambda g: np.einsum("ncyqij,noyq->ocij", windows, g, optimize=False))


def im2col_gradients(x, y, weights) -> Weights:
    """Return the mean gradients over a batch: the windows copied into a matrix, the convolutions products."""
    w, b, *_ = weights
    windows = np.lib.stride_tricks.sliding_window_view(x, (3, 3), (2, 3))
    columns = windows.transpose(0, 2, 3, 1, 4, 5).reshape(-1, 9)
    size = len(x), windows.shape[2], windows.shape[3]
    z = (columns @ w.reshape(len(w), -1).T + b).reshape(*size, -1).transpose(0, 3, 1, 2)
    return _finish(z, x, y, weights, lambda g: (g.transpose(1, 0, 2, 3).reshape(len(w), -1) @ columns).reshape(w.shape))


def _finish(z, x, y, weights, weight_gradient: Callable[[np.ndarray], np.ndarray]) -> Weights:
    """Compute everything above the convolution, and its gradients, with whole arrays."""
    N, O, H, W = z.shape
    a = np.maximum(z, 0)
    pairs = a.reshape(N, O, H // 2, 2, W // 2, 2).transpose(0, 1, 2, 4, 3, 5).reshape(N, O, H // 2, W // 2, 4)
    index = pairs.argmax(-1)[..., None]
    flat = np.take_along_axis(pairs, index, -1).reshape(N, -1)
    logits = flat @ weights[2].T + weights[3]
    share = np.exp(logits - logits.max(1, keepdims=True))
    share /= share.sum(1, keepdims=True)
    share[np.arange(N), y] -= 1
    share /= np.float32(N)
    put = np.zeros_like(pairs)
    np.put_along_axis(put, index, (share @ weights[2]).reshape(index.shape), -1)
    g = put.reshape(N, O, H // 2, W // 2, 2, 2).transpose(0, 1, 2, 4, 3, 5).reshape(z.shape) * (z > 0)
    return [weight_gradient(g), g.sum((0, 2, 3)), share.T @ flat, share.sum(0)]


def _updating(gradients: Callable[..., Weights], x, y, weights: Weights) -> Callable[[], None]:
    def step():
        for weight, gradient in zip(weights, gradients(x, y, weights)):
            weight -= np.float32(RATE) * gradient

    return step


def _same(name: str, found: Weights, expected: list[np.ndarray]) -> None:
    for a, b in zip(found, expected):
        check(name, a, b.astype(np.float64), 1e-3)


def training(effort: Effort) -> Table:
    """Time a training step of the ConvNet per image along the way."""
    x, y = trainers.batch(trainers.CONVNET, effort.choose(BATCH, BATCH, 2))
    own = trainers.ours(trainers.CONVNET, x, y)
    weights = [p.detach().numpy().copy() for p in own.model.parameters()]
    double = [weight.astype(np.float64) for weight in weights]
    few = 1 if effort.level else 2
    ways: tuple[tuple[str, Callable[..., Weights], int], ...] = (
        ("loops in Python, outputs computed again for each gradient",
         Loops([f.py_func for f in COMPILED], True).total, few),
        ("loops in Python, outputs kept", Loops([f.py_func for f in COMPILED], False).total, few),
        ("NumPy: windows as views, einsum", numpy_gradients, len(x)),
        ("NumPy: im2col and matrix products", im2col_gradients, len(x)),
        ("the loops compiled by Numba", Loops(COMPILED, False).total, len(x)),
    )  # fmt: skip
    rows = []
    for name, gradients, count in ways:
        print(f"  {name}", file=sys.stderr, flush=True)
        _same(
            name,
            gradients(x[:count], y[:count], weights),
            numpy_gradients(x[:count].astype(np.float64), y[:count], double),
        )
        step = _updating(gradients, x[:count], y[:count], [weight.copy() for weight in weights])
        timing = compare({"step": step}, 0.5 * effort.seconds, rounds=3 if effort.level else 1)["step"].scaled(
            1 / count
        )
        rows.append(Row(name, {"per image": timing}, {}))
    _same(OURS, own.gradients(), numpy_gradients(x.astype(np.float64), y, double))
    one = trainers.ours(trainers.CONVNET, x[:1], y[:1])
    for name, trainer, count in ((f"{OURS}, image by image", one, 1), (f"{OURS}, batch {len(x)}", own, len(x))):
        timing = compare({"step": trainer.step}, 0.5 * effort.seconds)["step"].scaled(1 / count)
        rows.append(Row(name, {"per image": timing}, {}))
    _factors(rows)
    note = (
        f"A step of SGD on the MNIST ConvNet, seconds per image; batch {len(x)} but for the loops of Python: one "
        "image. Its convolution has one input channel, so that Winograd's method has no part in it."
    )
    return Table("From the notebook's loops to here: the ConvNet", note, rows)


def _factors(rows: list[Row]) -> None:
    """Add what each step brings, and all together."""
    times = [row.timings["per image"].median for row in rows]
    for i, row in enumerate(rows):
        row.figures["times faster than the line above"] = times[i - 1] / times[i] if i else 1.0
        row.figures["than the first"] = times[0] / times[i]


def convolution(effort: Effort) -> Table:
    """Time the three convolutions of a 32 -> 64 layer per image along the way."""
    N, C, O, S = effort.choose((64, 32, 64, 26), (64, 32, 64, 26), (2, 16, 16, 8))
    rng = np.random.default_rng(0)
    x = rng.standard_normal((N, C, S, S)).astype(np.float32)
    w = rng.standard_normal((O, C, 3, 3)).astype(np.float32)
    b = rng.standard_normal(O).astype(np.float32)
    g = rng.standard_normal((N, O, S - 2, S - 2)).astype(np.float32)
    values = [exact.convolution(x, w, b, 1, 0, 1), exact.convolution_input(g, w, S, 1, 0, 1),
              exact.convolution_weight(g, x, 3, 1, 0, 1)]  # fmt: skip

    def loops(functions, count):
        forward, back, weight = functions[:3]

        def call():
            outs = [forward(x[n], w, b) for n in range(count)]
            ins = [back(g[n], w) for n in range(count)]
            return np.stack(outs), np.stack(ins), sum(weight(g[n], x[n], 3) for n in range(count))

        return call

    def im2col(count):
        columns = np.lib.stride_tricks.sliding_window_view(x[:count], (3, 3), (2, 3)).transpose(0, 2, 3, 1, 4, 5)
        columns = columns.reshape(-1, C * 9)
        flat = w.reshape(O, -1)
        out = (columns @ flat.T + b).reshape(count, S - 2, S - 2, O).transpose(0, 3, 1, 2)
        rows = g[:count].transpose(0, 2, 3, 1).reshape(-1, O)
        spread = (rows @ flat).reshape(count, S - 2, S - 2, C, 3, 3)
        gx = np.zeros((count, C, S, S), np.float32)
        for i in range(3):
            for j in range(3):
                gx[:, :, i : i + S - 2, j : j + S - 2] += spread[..., i, j].transpose(0, 3, 1, 2)
        return out, gx, (rows.T @ columns).reshape(w.shape)

    def einsum(count):
        windows = np.lib.stride_tricks.sliding_window_view(x[:count], (3, 3), (2, 3))
        wide = np.pad(g[:count], ((0, 0), (0, 0), (2, 2), (2, 2)))
        around = np.lib.stride_tricks.sliding_window_view(wide, (3, 3), (2, 3))
        return (
            np.einsum("ncyqij,ocij->noyq", windows, w) + b[:, None, None],
            np.einsum("noyqij,ocij->ncyq", around, w[:, :, ::-1, ::-1]),
            np.einsum("ncyqij,noyq->ocij", windows, g[:count]),
        )

    def kernels(name):
        def call():
            with force_method(name):
                return conv.conv2d(x, w, b), conv.conv2d_input(g, w, size=(S, S)), conv.conv2d_weight(g, x, size=(3, 3))

        return call

    ways: list[tuple[str, Callable[[], Any], int]] = [
        ("NumPy: windows as views, einsum", lambda: einsum(2), 2),
        ("NumPy: im2col and matrix products", lambda: im2col(N), N),
        ("the loops compiled by Numba", loops(COMPILED, min(N, 8)), min(N, 8)),
        ("register tile: the direct method", kernels("direct"), N),
        ("Winograd's method on the tile", kernels("winograd"), N),
    ]
    if effort.level == 2:
        ways.insert(0, ("loops in Python", loops([f.py_func for f in COMPILED], 1), 1))
    rows = []
    for name, call, count in ways:
        print(f"  {name}", file=sys.stderr, flush=True)
        slow = name == "loops in Python"
        out, gx, gw = call() if not slow else (None, None, None)
        if not slow:
            check(name, out, values[0][:count], 1e-4)
            check(name, gx, values[1][:count], 1e-4)
            check(
                name, gw, values[2] if count == N else exact.convolution_weight(g[:count], x[:count], 3, 1, 0, 1), 1e-4
            )
            timing = compare({"call": call}, 0.5 * effort.seconds, rounds=3 if effort.level else 1)["call"]
        else:
            timing = _once(call, values, exact.convolution_weight(g[:1], x[:1], 3, 1, 0, 1))
        rows.append(Row(name, {"per image": timing.scaled(1 / count)}, {}))
    _factors(rows)
    note = (
        f"Forward, input gradient and weight gradient of {C} -> {O} channels, 3x3, on {S}x{S} images; seconds an image."
        + ("" if effort.level == 2 else " The loops in Python, tens of seconds an image, are left to the full run.")
    )
    return Table("From the notebook's loops to here: a larger convolution", note, rows)


def _once(call: Callable[[], Any], values: list[np.ndarray], weight: np.ndarray) -> Timing:
    """Time a single call that takes many seconds, checking its result."""
    kept: list[Any] = []
    timing = _single(lambda: kept.append(call()))
    for found, value in zip(kept[0], (values[0][:1], values[1][:1], weight)):
        check("loops in Python", found, value, 1e-4)
    print(f"  {readable(timing.median)}", file=sys.stderr)
    return timing


def _single(call: Callable[[], Any]) -> Timing:
    started = time.perf_counter()
    call()
    seconds = time.perf_counter() - started
    return Timing([seconds], seconds)


def run(effort: Effort) -> list[Table]:
    """Time both ways."""
    return [training(effort), convolution(effort)]
