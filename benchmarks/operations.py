"""Operations and layers forward and backward against PyTorch's, a million floats and ten thousand, slowest first."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

import autograd_nn
from autograd_nn.kernels.compile import get_num_threads

from . import measure
from .limits import bandwidth
from .measure import Effort, compare
from .report import OURS, Row, Table
from .rivals import rival

SIZES = 1_000_000, 10_000
SECONDS = 0.12  # of each framework for each operation
ROUNDS = 7
AT_LIMIT = 0.75  # of the bandwidth of `c = a + s * b` on arrays of this size

UNARY_OF_F = ("relu", "relu6", "hardtanh", "leaky_relu", "elu", "selu", "celu", "silu", "mish", "gelu", "hardswish",
              "hardsigmoid", "softplus", "logsigmoid", "softsign", "tanhshrink", "hardshrink",
              "softshrink")  # fmt: skip
UNARY = "sigmoid", "tanh", "abs", "sign", "exp", "expm1", "erf", "square", "reciprocal", "sin", "cos", "neg"
POSITIVE = "log", "log2", "log10", "log1p", "sqrt", "rsqrt"
LOSSES = "mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss"


@dataclasses.dataclass
class Operation:
    """An operation of a framework and its inputs."""

    name: str
    function: Callable[..., Any]
    inputs: tuple[Any, ...]

    def prepared(self) -> tuple[Callable[[], Any], float]:
        """Return a function that runs it forward and backward once, and the bytes that this has to move at least."""
        function, inputs = self.function, self.inputs
        out = function(*inputs)
        g = (out.detach() * 0 + 0.5).contiguous()
        changing = [x for x in inputs if x.requires_grad]

        def once() -> None:
            for x in changing:
                x.grad = None
            function(*inputs).backward(g)

        # forward reads the inputs and writes the result; backward reads a gradient and writes those of the inputs
        return once, 4.0 * (sum(x.numel() for x in (*inputs, *changing)) + 2 * out.numel())


def sides(size: int) -> tuple[int, int, int, int]:
    """Return (N, C, H, W) of about so many elements."""
    side = max(4, round((size / 256) ** 0.5))
    return max(1, size // (32 * side * side)), 32, side, side


def operations(T: Any, F: Any, size: int) -> Iterator[Operation]:
    """Yield the operations of a framework `T` with its functional module `F`."""
    generator = np.random.default_rng(0)

    def tensor(*shape: int, positive: bool = False, grad: bool = True) -> Any:
        array = generator.standard_normal(shape).astype(np.float32)
        array = np.abs(array) / (1 + np.abs(array)) * 0.9 + 0.05 if positive else array
        x = T.from_numpy(np.ascontiguousarray(array, np.float32))
        return x.requires_grad_(True) if grad else x

    def run(name: str, function: Callable[..., Any], *inputs: Any) -> Operation:
        return Operation(name, function, inputs)

    x, y, positive = tensor(size), tensor(size), tensor(size, positive=True)
    target = tensor(size, positive=True, grad=False)
    for name in UNARY_OF_F:
        yield run(name, getattr(F, name), x)
    yield run("gelu, tanh", lambda x: F.gelu(x, approximate="tanh"), x)
    yield run("threshold", lambda x: F.threshold(x, 0.1, 2.0), x)
    for name in UNARY:
        yield run(name, getattr(T, name), x)
    for name in POSITIVE:
        yield run(name, getattr(T, name), positive)
    for exponent in (2, 3, -1, 0.5):
        yield run(f"pow {exponent}", lambda x, e=exponent: x**e, positive)
    yield run("clamp", lambda x: T.clamp(x, -0.5, 0.5), x)
    yield run("where", lambda x, y: T.where(x > 0, x, y), x, y)
    yield run("masked_fill", lambda x: x.masked_fill(x > 0, 2.0), x)
    yield run("lerp", lambda x, y: T.lerp(x, y, 0.3), x, y)
    for name in ("maximum", "minimum", "add", "sub", "mul", "div"):
        yield run(name, getattr(T, name), x, positive if name == "div" else y)
    yield run("add number", lambda x: x + 1.5, x)
    yield run("mul number", lambda x: x * 1.5, x)
    yield run("dropout", lambda x: F.dropout(x, 0.3, True), x)

    images = tensor(*sides(size))
    channel = tensor(32, 1, 1)
    side = round(size**0.5)
    rows, row = tensor(side, side), tensor(side)
    yield run("add by channel", lambda x, c: x + c, images, channel)
    yield run("mul by channel", lambda x, c: x * c, images, channel)
    yield run("add by row", lambda x, r: x + r, rows, row)
    yield run("mul by row", lambda x, r: x * r, rows, row)

    for name in LOSSES:
        yield run(name, getattr(F, name), x, target)
    yield run("bce", lambda x, t: F.binary_cross_entropy(x, t), positive, target)
    yield run("bce with logits", lambda x, t: F.binary_cross_entropy_with_logits(x, t), x, target)
    yield run("kl_div", lambda x, t: F.kl_div(x, t, reduction="sum"), x, target)
    labels = T.from_numpy(generator.integers(0, side, side))
    places = T.from_numpy(generator.integers(0, 32, (images.shape[0], *images.shape[2:])))
    yield run("cross_entropy", lambda x: F.cross_entropy(x, labels), rows)
    yield run("cross_entropy (N, C, H, W)", lambda x: F.cross_entropy(x, places), images)

    for dim in (1, -1):
        yield run(f"softmax of images, {dim}", lambda x, d=dim: F.softmax(x, d), images)
        yield run(f"log_softmax of images, {dim}", lambda x, d=dim: F.log_softmax(x, d), images)
    yield run("softmax", lambda x: F.softmax(x, 1), rows)
    yield run("log_softmax", lambda x: F.log_softmax(x, 1), rows)
    for name in ("sum", "mean", "amax", "prod", "logsumexp"):
        for dim in (0, 1):
            yield run(f"{name}, dim {dim}", lambda x, name=name, d=dim: getattr(x, name)(d), rows)
    yield run("sum", lambda x: x.sum(), rows)
    yield run("mean of channels", lambda x: x.mean((0, 2, 3)), images)
    yield run("var", lambda x: x.var(1), rows)
    yield run("max, dim 1", lambda x: x.max(1)[0], rows)
    yield run("cumsum, dim 0", lambda x: x.cumsum(0), rows)
    yield run("cumsum, dim 1", lambda x: x.cumsum(1), rows)
    weight, bias = tensor(side), tensor(side)
    yield run("layer_norm", lambda x, w, b: F.layer_norm(x, (side,), w, b), rows, weight, bias)
    w, b = tensor(32), tensor(32)
    yield run("group_norm", lambda x, w, b: F.group_norm(x, 8, w, b), images, w, b)
    yield run("batch_norm", lambda x, w, b: F.batch_norm(x, None, None, w, b, True), images, w, b)
    yield run("instance_norm", lambda x: F.instance_norm(x), images)
    index = T.from_numpy(generator.integers(0, side, (side, side)))
    yield run("gather", lambda x: T.gather(x, 1, index), rows)
    yield run("stack", lambda x, y: T.stack([x, y]), x, y)
    yield run("cat", lambda x, y: T.cat([x, y]), x, y)
    yield run("transpose, mul", lambda x: x.t().contiguous() * 2.0, rows)
    yield run("roll", lambda x: T.roll(x, 3, 1), rows)
    yield run("pad, reflect", lambda x: F.pad(x, (1, 1, 1, 1), mode="reflect"), images)
    yield run("upsample, nearest", lambda x: F.interpolate(x, scale_factor=2, mode="nearest"), images)
    yield run("upsample, bilinear", lambda x: F.interpolate(x, scale_factor=2, mode="bilinear"), images)
    yield run("max_pool2d", lambda x: F.max_pool2d(x, 2), images)
    yield run("avg_pool2d", lambda x: F.avg_pool2d(x, 2), images)
    yield run("pad, replicate", lambda x: F.pad(x, (1, 1, 1, 1), mode="replicate"), images)
    yield run("upsample, bicubic", lambda x: F.interpolate(x, scale_factor=2, mode="bicubic"), images)
    yield run("adaptive_avg_pool2d", lambda x: F.adaptive_avg_pool2d(x, 1), images)
    yield run("pick rows", lambda x: x[labels], rows)

    table, words = tensor(1000, 64), T.from_numpy(generator.integers(0, 1000, max(1, size // 64)))
    yield run("embedding", lambda w: F.embedding(words, w), table)
    square, more = tensor(side, side), tensor(side, side)
    yield run("linear", lambda x, w, b: F.linear(x, w, b), rows, square, row)
    yield run("linear, relu", lambda x, w, b: F.relu(F.linear(x, w, b)), rows, square, row)
    yield run("matmul", lambda x, w: x @ w, square, more)
    many = max(1, size // 4096)
    query, key, value = (tensor(many, 64, 64) for _ in range(3))
    yield run("bmm", lambda x, y: T.bmm(x, y), query, key)
    heads = [x.detach().reshape(many, 1, 64, 64).requires_grad_(True) for x in (query, key, value)]
    yield run("attention", lambda q, k, v: F.scaled_dot_product_attention(q, k, v), *heads)
    yield run("attention, causal", lambda q, k, v: F.scaled_dot_product_attention(q, k, v, is_causal=True), *heads)

    bias = tensor(32)
    for name, kernel, settings in (
        ("conv2d 1x1", (32, 32, 1, 1), {}),
        ("conv2d 3x3", (32, 32, 3, 3), {"padding": 1}),
        ("conv2d 3x3, stride 2", (32, 32, 3, 3), {"padding": 1, "stride": 2}),
        ("conv2d 3x3, dilation 2", (32, 32, 3, 3), {"padding": 2, "dilation": 2}),
        ("conv2d 3x3, depthwise", (32, 1, 3, 3), {"padding": 1, "groups": 32}),
        ("conv2d 3x3, 4 groups", (32, 8, 3, 3), {"padding": 1, "groups": 4}),
        ("conv2d 5x5", (32, 32, 5, 5), {"padding": 2}),
    ):
        yield run(name, lambda x, w, b, s=settings: F.conv2d(x, w, b, **s), images, tensor(*kernel), bias)
    yield run("conv_transpose2d 4x4, stride 2", lambda x, w, b: F.conv_transpose2d(x, w, b, 2, 1), images,
              tensor(32, 32, 4, 4), bias)  # fmt: skip
    series = tensor(max(1, size // (32 * 256)), 32, 256)
    yield run("conv1d of 3", lambda x, w, b: F.conv1d(x, w, b, padding=1), series, tensor(32, 32, 3), bias)
    steps, batch = (32, max(1, size // (32 * 64)))
    sequence = tensor(batch, steps, 64)
    for kind in ("LSTM", "GRU"):
        T.manual_seed(0)
        layer = getattr(T.nn, kind)(64, 64, batch_first=True)
        yield run(f"{kind}, {steps} steps", lambda x, *_, layer=layer: layer(x)[0], sequence,
                  *layer.parameters())


def table(size: int, effort: Effort) -> Table:
    """Time the operations of about so many elements."""
    absent: list[str] = []
    frameworks: dict[str, Any] = {OURS: autograd_nn}
    torch: Any = rival("torch", absent)
    if torch:
        frameworks["torch"] = torch
    if measure.turns is not None:
        frameworks = {name: T for name, T in frameworks.items() if measure.turns.own(name)}
    threads = get_num_threads()
    rates: list[float] = []
    rounds = effort.choose(9, 3, 1)
    compare({OURS: lambda: rates.append(bandwidth(threads, size, 1))}, 0.1 * effort.seconds, rounds)
    limit = max(rates, default=0.0)
    rows = []
    for i, same in enumerate(zip(*(operations(T, T.nn.functional, size) for T in frameworks.values()), strict=True)):
        if i % effort.choose(1, 6, 30):
            continue
        ready = {name: operation.prepared() for name, operation in zip(frameworks, same)}
        timings = compare({name: once for name, (once, _) in ready.items()}, SECONDS * effort.seconds,
                          rounds=effort.choose(ROUNDS, 3, 2))  # fmt: skip
        row = Row(same[0].name, timings)
        if OURS in timings:
            row.figures["of bandwidth"] = ready[OURS][1] / timings[OURS].median / limit
            row.aside = row.figures["of bandwidth"] >= AT_LIMIT
        rows.append(row)
    note = (f"Forward and backward. A star: at least {AT_LIMIT:.0%} of the bandwidth of c = a + s * b on arrays of "
            f"this size ({limit / 1e9:.0f} GB/s), counting only inputs, result and their gradients once.")
    return Table(f"Operations of {size:,} floats, {threads} thread{'s' * (threads > 1)}", note, rows, absent,
                 slowest_first=True, mean=True)


def run(effort: Effort) -> list[Table]:
    """Time all operations, large and small."""
    tables = []
    for size in effort.choose(SIZES, SIZES, (1000,)):
        print(f"  {size:,} floats", file=sys.stderr, flush=True)
        tables.append(table(size, effort))
    return tables
