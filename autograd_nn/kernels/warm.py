"""The kernels that most networks need, each called once: how the cache is filled before they are needed.

``python -m autograd_nn.kernels warm`` compiles them all, for the image of a container or before a job on a cluster.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

import numpy as np

from . import elementwise, gated, gemm, loss, norm, optim, pool, recurrent, scatter
from .annotations import Array
from .compile import get_num_threads, set_num_threads, start_pool
from .conv import choice

__all__ = ["OTHERS", "STEP", "ahead", "compile_all"]


def _ones(*shape: int) -> Array:
    return np.ones(shape, np.float32)


def _convolution_of_one_channel() -> None:
    choice.conv2d(_ones(8, 1, 28, 28), _ones(10, 1, 3, 3), _ones(10), relu=True)


def _weights_of_one_channel() -> None:
    choice.conv2d_weight(_ones(8, 10, 26, 26), _ones(8, 1, 28, 28), size=(3, 3))


def _convolution() -> None:
    x, w = _ones(8, 32, 28, 28), _ones(32, 32, 3, 3)
    choice.conv2d(x, w, _ones(32))
    choice.conv2d(x, w, stride=(2, 2), padding=((1, 1), (1, 1)))


def _gradients_of_convolution() -> None:
    g, x, w = _ones(8, 32, 26, 26), _ones(8, 32, 28, 28), _ones(32, 32, 3, 3)
    choice.conv2d_input(g, w, size=(28, 28))
    choice.conv2d_weight(g, x, size=(3, 3))


def _max_pool() -> None:
    pool.max_pool2d(_ones(8, 10, 26, 26), kernel=(2, 2), stride=(2, 2))


def _gradient_of_max_pool() -> None:
    out, index = pool.max_pool2d(_ones(8, 10, 26, 26), kernel=(2, 2), stride=(2, 2))
    pool.max_pool2d_put(out, index, size=(26, 26), kernel=(2, 2), stride=(2, 2))


def _products() -> None:
    gemm.linear(_ones(100, 1690), _ones(10, 1690), _ones(10))


def _small_products() -> None:
    gemm.linear(_ones(1, 300), _ones(100, 300), _ones(100))
    gemm.matmul(_ones(4, 100, 64), _ones(4, 64, 100))


def _losses() -> None:
    loss.cross_entropy(_ones(100, 10), np.zeros(100, np.int64))


def _gradients_of_losses() -> None:
    target = np.zeros(100, np.int64)
    losses, logsumexp = loss.cross_entropy(_ones(100, 10), target)
    loss.cross_entropy_input(losses, _ones(100, 10), target, logsumexp)


def _gradient_of_relu() -> None:
    elementwise.relu_input(_ones(8, 10, 26, 26), _ones(8, 10, 26, 26))


def _sums() -> None:
    norm.channel_sum(_ones(8, 10, 26, 26))


def _adam() -> None:
    p, g, m, v = (_ones(100) for _ in range(4))
    optim.adam_step(p, g, m, v, lr=0.1, step=1)


def _sgd() -> None:
    optim.sgd_step(_ones(100), _ones(100), lr=0.1)
    optim.sgd_step(_ones(100), _ones(100), _ones(100), lr=0.1, momentum=0.9)


def _batch_norm() -> None:
    for weight, bias in ((_ones(16), _ones(16)), (None, None)):
        x = _ones(8, 16, 14, 14)
        _, mean, rstd = norm.batch_norm(x, weight, bias, eps=1e-5)
        norm.normalize(x, weight, bias, mean, rstd)
        norm.batch_norm_input(x, x, weight, mean, rstd)


def _layer_norm() -> None:
    x = _ones(100, 64)
    _, mean, rstd = norm.layer_norm(x, _ones(64), _ones(64), eps=1e-5)
    norm.layer_norm_input(x, x, _ones(64), mean, rstd)


def _activations() -> None:
    x = _ones(100, 1000)
    elementwise.relu(x), elementwise.sigmoid(x), elementwise.erf(x), elementwise.add_relu(x, x)
    gated.gelu(x), gated.gelu_input(x, x), gated.silu(x), gated.silu_input(x, x)
    loss.softmax(x), loss.log_softmax(x)
    _, mask = elementwise.dropout(x, p=0.5, seed=0)
    elementwise.dropout_apply(x, mask, p=0.5)


def _average_pools() -> None:
    x = _ones(8, 10, 26, 26)
    out = pool.avg_pool2d(x, kernel=(2, 2), stride=(2, 2))
    pool.avg_pool2d_input(out, size=(26, 26), kernel=(2, 2), stride=(2, 2))
    pool.adaptive_avg_pool2d_input(pool.adaptive_avg_pool2d(x, size=(1, 1)), size=(26, 26))


def _recurrence() -> None:
    w, c0 = _ones(4 * 64, 64), _ones(32, 64)
    out, gates = recurrent.lstm(_ones(3, 32, 4 * 64), w, c0, c0, keep=True)
    recurrent.lstm_input(_ones(3, 32, 64), out, gates, w, c0)


def _rows() -> None:
    scatter.add_rows(_ones(10, 64), np.zeros(5, np.int64), _ones(5, 64))


STEP: tuple[Callable[[], None], ...] = (
    _convolution_of_one_channel, start_pool, _max_pool, _products, _losses, _gradients_of_losses,
    _gradient_of_max_pool, _gradient_of_relu, _weights_of_one_channel, _sums, _adam,
)  # fmt: skip
"""What a training step of a small convolutional network calls, in its order."""

OTHERS: tuple[Callable[[], None], ...] = (
    _sgd, _batch_norm, _layer_norm, _activations, _convolution, _gradients_of_convolution, _average_pools,
    _small_products, _recurrence, _rows,
)  # fmt: skip


def compile_all(tell: Callable[[str], None] = print, calls: Sequence[Callable[[], None]] | None = None) -> None:
    """Compile the kernels of `STEP` and `OTHERS`, or of other calls, or find them in the cache."""
    threads = get_num_threads()
    set_num_threads(max(2, threads))
    try:
        for call in STEP + OTHERS if calls is None else calls:
            tell(call.__name__.strip("_").replace("_", " "))
            call()
    finally:
        set_num_threads(threads)


def ahead(process: int) -> None:
    """Compile the kernels of `STEP` from its end, for a process that is at work on the first; end with it.

    The product comes first of all: every network needs it, and it takes the longest.
    """
    for call in (_products, *reversed(STEP)):
        if os.getppid() != process:
            break
        call()
