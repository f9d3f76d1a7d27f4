"""Every operation forward and backward against PyTorch's, each framework in a process of its own, in turns.

``python -m benchmarks.operations [--size N] [--threads T] [--only WORD] [--json FILE]``. Two thread pools in one
process slow each other, so each round starts one process of each framework, in turns; the figure of an operation is
the median over rounds of PyTorch's time divided by ours.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import pathlib
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

FRAMEWORKS = "torch", "ours"
SHORTEST = 1e-3  # seconds that one sample takes at least
SAMPLES = 9

UNARY_OF_F = ("relu", "relu6", "hardtanh", "leaky_relu", "elu", "selu", "celu", "silu", "mish", "gelu", "hardswish",
              "hardsigmoid", "softplus", "logsigmoid", "softsign", "tanhshrink", "hardshrink",
              "softshrink")  # fmt: skip
UNARY = "sigmoid", "tanh", "abs", "sign", "exp", "expm1", "erf", "square", "reciprocal", "sin", "cos", "neg"
POSITIVE = "log", "log2", "log10", "log1p", "sqrt", "rsqrt"
LOSSES = "mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss"


def tools(framework: str) -> tuple[Any, Any]:
    """Return a framework and its functional module."""
    if framework == "torch":
        import torch
        import torch.nn.functional as functional

        return torch, functional
    import autograd_nn
    import autograd_nn.nn.functional as ours

    return autograd_nn, ours


def sides(size: int) -> tuple[int, int, int, int]:
    """Return (N, C, H, W) of about so many elements."""
    side = max(4, round((size / 256) ** 0.5))
    return max(1, size // (32 * side * side)), 32, side, side


def operations(framework: str, size: int) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Yield the name of each operation and a function that runs it forward and backward once."""
    T, F = tools(framework)
    generator = np.random.default_rng(0)

    def tensor(*shape: int, positive: bool = False, grad: bool = True) -> Any:
        array = generator.standard_normal(shape).astype(np.float32)
        array = np.abs(array) / (1 + np.abs(array)) * 0.9 + 0.05 if positive else array
        x = T.from_numpy(np.ascontiguousarray(array, np.float32))
        return x.requires_grad_(True) if grad else x

    def run(function: Callable[..., Any], *inputs: Any) -> Callable[[], Any]:
        out = function(*inputs)
        g = T.ones_like(out).detach() * 0.5

        def once() -> None:
            for x in inputs:
                if getattr(x, "requires_grad", False):
                    x.grad = None
            function(*inputs).backward(g)

        return once

    x, y, positive = tensor(size), tensor(size), tensor(size, positive=True)
    target = tensor(size, positive=True, grad=False)
    for name in UNARY_OF_F:
        yield name, run(getattr(F, name), x)
    yield "gelu, tanh", run(lambda x: F.gelu(x, approximate="tanh"), x)
    yield "threshold", run(lambda x: F.threshold(x, 0.1, 2.0), x)
    for name in UNARY:
        yield name, run(getattr(T, name), x)
    for name in POSITIVE:
        yield name, run(getattr(T, name), positive)
    for exponent in (2, 3, -1, 0.5):
        yield f"pow {exponent}", run(lambda x, e=exponent: x**e, positive)
    yield "clamp", run(lambda x: T.clamp(x, -0.5, 0.5), x)
    yield "where", run(lambda x, y: T.where(x > 0, x, y), x, y)
    yield "masked_fill", run(lambda x: x.masked_fill(x > 0, 2.0), x)
    yield "lerp", run(lambda x, y: T.lerp(x, y, 0.3), x, y)
    for name in ("maximum", "minimum", "add", "sub", "mul", "div"):
        yield name, run(getattr(T, name), x, positive if name == "div" else y)
    yield "add number", run(lambda x: x + 1.5, x)
    yield "mul number", run(lambda x: x * 1.5, x)
    yield "dropout", run(lambda x: F.dropout(x, 0.3, True), x)

    images = tensor(*sides(size))
    channel = tensor(32, 1, 1)
    side = round(size**0.5)
    rows, row = tensor(side, side), tensor(side)
    yield "add by channel", run(lambda x, c: x + c, images, channel)
    yield "mul by channel", run(lambda x, c: x * c, images, channel)
    yield "add by row", run(lambda x, r: x + r, rows, row)
    yield "mul by row", run(lambda x, r: x * r, rows, row)

    for name in LOSSES:
        yield name, run(getattr(F, name), x, target)
    yield "bce", run(lambda x, t: F.binary_cross_entropy(x, t), positive, target)
    yield "bce with logits", run(lambda x, t: F.binary_cross_entropy_with_logits(x, t), x, target)
    yield "kl_div", run(lambda x, t: F.kl_div(x, t, reduction="sum"), x, target)
    labels = T.from_numpy(generator.integers(0, side, side))
    places = T.from_numpy(generator.integers(0, 32, (images.shape[0], *images.shape[2:])))
    yield "cross_entropy", run(lambda x: F.cross_entropy(x, labels), rows)
    yield "cross_entropy (N, C, H, W)", run(lambda x: F.cross_entropy(x, places), images)

    for dim in (1, -1):
        yield f"softmax of images, {dim}", run(lambda x, d=dim: F.softmax(x, d), images)
        yield f"log_softmax of images, {dim}", run(lambda x, d=dim: F.log_softmax(x, d), images)
    yield "softmax", run(lambda x: F.softmax(x, 1), rows)
    yield "log_softmax", run(lambda x: F.log_softmax(x, 1), rows)
    for name in ("sum", "mean", "amax", "prod", "logsumexp"):
        for dim in (0, 1):
            yield f"{name}, dim {dim}", run(lambda x, name=name, d=dim: getattr(x, name)(d), rows)
    yield "sum", run(lambda x: x.sum(), rows)
    yield "mean of channels", run(lambda x: x.mean((0, 2, 3)), images)
    yield "var", run(lambda x: x.var(1), rows)
    yield "max, dim 1", run(lambda x: x.max(1)[0], rows)
    yield "cumsum, dim 0", run(lambda x: x.cumsum(0), rows)
    yield "cumsum, dim 1", run(lambda x: x.cumsum(1), rows)
    weight, bias = tensor(side), tensor(side)
    yield "layer_norm", run(lambda x, w, b: F.layer_norm(x, (side,), w, b), rows, weight, bias)
    w, b = tensor(32), tensor(32)
    yield "group_norm", run(lambda x, w, b: F.group_norm(x, 8, w, b), images, w, b)
    yield "batch_norm", run(lambda x, w, b: F.batch_norm(x, None, None, w, b, True), images, w, b)
    yield "instance_norm", run(lambda x: F.instance_norm(x), images)
    index = T.from_numpy(generator.integers(0, side, (side, side)))
    yield "gather", run(lambda x: T.gather(x, 1, index), rows)
    yield "stack", run(lambda x, y: T.stack([x, y]), x, y)
    yield "cat", run(lambda x, y: T.cat([x, y]), x, y)
    yield "transpose, mul", run(lambda x: x.t().contiguous() * 2.0, rows)
    yield "roll", run(lambda x: T.roll(x, 3, 1), rows)
    yield "pad, reflect", run(lambda x: F.pad(x, (1, 1, 1, 1), mode="reflect"), images)
    yield "upsample, nearest", run(lambda x: F.interpolate(x, scale_factor=2, mode="nearest"), images)
    yield "upsample, bilinear", run(lambda x: F.interpolate(x, scale_factor=2, mode="bilinear"), images)
    yield "max_pool2d", run(lambda x: F.max_pool2d(x, 2), images)
    yield "avg_pool2d", run(lambda x: F.avg_pool2d(x, 2), images)


def seconds(function: Callable[[], Any]) -> float:
    """Return the median time of a call."""
    function()
    started = time.perf_counter()
    function()
    calls = max(1, math.ceil(SHORTEST / max(time.perf_counter() - started, 1e-9)))
    samples = []
    for _ in range(SAMPLES):
        started = time.perf_counter()
        for _ in range(calls):
            function()
        samples.append((time.perf_counter() - started) / calls)
    return statistics.median(samples)


def measure(framework: str, size: int, threads: int, only: str) -> dict[str, float]:
    """Return the times of all operations of one framework, in this process."""
    tools(framework)[0].set_num_threads(threads)
    return {name: seconds(once) for name, once in operations(framework, size) if only in name}


def rounds(size: int, threads: int, only: str, count: int) -> list[dict[str, Any]]:
    """Measure the frameworks in processes of their own, in turns; return a row for each operation, slowest first."""
    figures: dict[str, list[dict[str, float]]] = {framework: [] for framework in FRAMEWORKS}
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}
    for _ in range(count):
        for framework in FRAMEWORKS:
            words = [sys.executable, "-m", "benchmarks.operations", "--framework", framework, "--size", str(size),
                     "--threads", str(threads), "--only", only]  # fmt: skip
            done = subprocess.run(words, env=environment, capture_output=True, text=True, check=True)
            figures[framework].append(json.loads(done.stdout))
    rows = []
    for name in figures["ours"][0]:
        times = {framework: [one[name] for one in figures[framework]] for framework in FRAMEWORKS}
        ratios = [torch / ours for torch, ours in zip(times["torch"], times["ours"], strict=True)]
        rows.append({"operation": name, "ratio": statistics.median(ratios), "lowest": min(ratios),
                     "highest": max(ratios), **{f: statistics.median(times[f]) for f in FRAMEWORKS}})  # fmt: skip
    return sorted(rows, key=lambda row: row["ratio"])


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.operations", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("--size", type=int, default=1_000_000, help="elements, about (default: a million)")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="", metavar="WORD", help="operations whose name holds it")
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE", help="keep the figures")
    parser.add_argument("--framework", choices=FRAMEWORKS, help="measure one, here, and print its times as JSON")
    options = parser.parse_args(arguments)
    if options.framework:
        print(json.dumps(measure(options.framework, options.size, options.threads, options.only)))
        return 0
    rows = rounds(options.size, options.threads, options.only, options.rounds)
    print(f"{'operation':32} {'PyTorch / ours':>14} {'from':>6} {'to':>6} {'PyTorch us':>11} {'ours us':>9}")
    for row in rows:
        print(f"{row['operation']:32} {row['ratio']:14.2f} {row['lowest']:6.2f} {row['highest']:6.2f} "
              f"{1e6 * row['torch']:11.0f} {1e6 * row['ours']:9.0f}")  # fmt: skip
    mean = math.exp(statistics.fmean(math.log(row["ratio"]) for row in rows))
    print(f"geometric mean of {len(rows)}: {mean:.2f}")
    if options.json:
        run = {"size": options.size, "threads": options.threads, "geometric mean": mean, "operations": rows}
        options.json.write_text(json.dumps(run, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
