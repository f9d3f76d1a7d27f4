"""The kernels that most networks need, each called once: how the cache is filled before they are needed.

``python -m autograd_nn.kernels warm`` compiles them all, for the image of a container or before a job on a cluster.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from . import (
    attention,
    elementwise,
    gated,
    gemm,
    loss,
    norm,
    operations,
    optim,
    pool,
    recurrent,
    reduce,
    resize,
    scatter,
)
from . import softmax as softmax_along
from .annotations import Array
from .compile import get_num_threads, set_num_threads, start_pool
from .conv import choice
from .passes import Pass

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
    gemm.matmul(_ones(100, 10).T, _ones(100, 1690))


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


def _attention() -> None:
    x = _ones(2, 64, 64)
    settings: dict[str, Any] = {"scale": 0.1, "causal": False, "p": 0.0}
    results = attention.attention(x, x, x, None, None, **settings)
    attention.attention_input(x, x, x, x, None, None, *results, **settings)


def _rows() -> None:
    scatter.add_rows(_ones(10, 64), np.zeros(5, np.int64), _ones(5, 64))


def _convolutions(channels: int, filters: int, kernel: int, stride: int, size: int, groups: int = 1) -> None:
    """Call a convolution and both of its gradients, with and without bias."""
    x, w = _ones(4, channels, size, size), _ones(filters, channels // groups, kernel, kernel)
    margin = (kernel // 2, kernel // 2)
    settings: dict[str, Any] = {"stride": (stride, stride), "padding": (margin, margin), "groups": groups}
    g = choice.conv2d(x, w, _ones(filters), **settings)
    choice.conv2d_input(g, w, size=(size, size), **settings)
    choice.conv2d_weight(g, x, size=(kernel, kernel), **settings)


def _convolutions_of_residual_nets() -> None:
    for settings in ((3, 64, 3, 1, 32), (64, 128, 3, 2, 32), (256, 128, 1, 2, 8), (64, 64, 1, 1, 16), (3, 64, 7, 2, 32),
                     (256, 256, 3, 1, 8)):  # fmt: skip
        _convolutions(*settings)


def _depthwise_convolutions() -> None:
    for kernel in (3, 5):
        for stride in (1, 2):
            _convolutions(32, 32, kernel, stride, 16, 32)


def _other_pools() -> None:
    x = _ones(8, 10, 26, 26)
    for padding in ((0, 0), (1, 1)):
        out, index = pool.max_pool2d(x, kernel=(3, 3), stride=(2, 2), padding=padding)
        pool.max_pool2d_put(out, index, size=(26, 26), kernel=(3, 3), stride=(2, 2), padding=padding)
    out, index = pool.adaptive_max_pool2d(x, size=(2, 2))
    pool.adaptive_max_pool2d_put(out, index, size=(26, 26))


def _products_of_vectors() -> None:
    gemm.linear(_ones(1, 64), _ones(64, 64), _ones(64))
    gemm.linear(_ones(256, 256), _ones(1, 256), _ones(1))
    gemm.matmul(_ones(64, 1), _ones(1, 64))
    gemm.matmul(_ones(1, 64), _ones(64, 64))
    gemm.matmul(_ones(8, 64).T, _ones(8, 4))


def _norms_of_rows_and_groups() -> None:
    rows = _ones(256, 64)
    _, mean, rstd = norm.batch_norm(rows, _ones(64), _ones(64), eps=1e-5)
    norm.normalize(rows, _ones(64), _ones(64), mean, rstd)
    norm.batch_norm_input(rows, rows, _ones(64), mean, rstd)
    x = _ones(4, 2, 4, 81)
    _, mean, rstd = norm.group_norm(x, _ones(8), _ones(8), eps=1e-5)
    norm.group_norm_input(x, x, _ones(8), mean, rstd)


def _softmax() -> None:
    x = _ones(8, 100, 100)
    softmax_along.softmax_input(x, softmax_along.softmax(x, 2), 2)
    softmax_along.log_softmax_input(x, softmax_along.log_softmax(x, 2), 2)
    softmax_along.logsumexp(x, 2)


def _gated_recurrence() -> None:
    w, g = _ones(3 * 64, 64), _ones(3, 32, 64)
    recurrent.gru(_ones(3, 32, 3 * 64), w, _ones(3 * 64), _ones(32, 64))
    recurrent.gru_input(g, g, _ones(3, 32, 3 * 64), w)
    recurrent.gru_gates(_ones(3, 32, 3 * 64), _ones(3, 32, 3 * 64), g)


def _folds() -> None:
    x = _ones(300, 300)
    for fold in (reduce.SUM, reduce.MAXIMUM, reduce.MINIMUM):
        fold(x, (1,))


def _slices() -> None:
    for width in (1, 7):
        index = np.zeros((2, 5, width), np.int64)
        scatter.take_slices(_ones(2, 9, width), index[0, :, 0])
        scatter.add_slices(_ones(2, 9, width), index[0, :, 0], _ones(2, 5, width))
        scatter.take_along(_ones(2, 9, width), index)
        scatter.add_along(_ones(2, 9, width), index, _ones(2, 5, width))


def _interpolation() -> None:
    place = np.zeros(9, np.int64)
    mixture = resize.Mixture(place, place, _ones(9))
    resize.mix_planes(_ones(8, 5, 5), mixture, mixture)
    resize.mix_planes_input(_ones(8, 9, 9), mixture, mixture, 5, 5)


def _passes() -> None:
    """Call all elementwise operations: the kernel of each holds its gradients too."""
    for operation in vars(operations).values():
        if isinstance(operation, Pass):
            arrays = [_ones(40, 50) for _ in range(operation.inputs[0])]
            if operation is operations.WHERE:
                arrays[0] = np.ones((40, 50), bool)
            operation(*arrays, numbers=(1.0,) * len(operation.keywords[0]))


STEP: tuple[Callable[[], None], ...] = (
    _convolution_of_one_channel, start_pool, _max_pool, _products, _losses, _gradients_of_losses,
    _gradient_of_max_pool, _gradient_of_relu, _weights_of_one_channel, _sums, _adam,
)  # fmt: skip
"""What a training step of a small convolutional network calls, in its order."""

OTHERS: tuple[Callable[[], None], ...] = (
    _sgd, _batch_norm, _layer_norm, _activations, _convolution, _gradients_of_convolution, _average_pools,
    _small_products, _recurrence, _rows, _convolutions_of_residual_nets, _depthwise_convolutions, _other_pools,
    _products_of_vectors, _norms_of_rows_and_groups, _softmax, _gated_recurrence, _folds, _slices,
    _interpolation, _passes, _attention,
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
