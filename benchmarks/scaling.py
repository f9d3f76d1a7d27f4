"""Scaling: threads, image size, channels and batch of a convolution, and which limit of the machine each point meets.

The roofline: a kernel that does I operations per byte of memory traffic can run at no more than
min(peak, I * bandwidth). Bytes count input, weight and output once.
"""

from __future__ import annotations

import dataclasses
import sys
from typing import Any

import numpy as np

from autograd_nn.kernels import gemm
from autograd_nn.kernels.compile import get_num_threads
from autograd_nn.kernels.conv import choice as conv

from . import exact, steps
from .kernels import check
from .limits import limits
from .measure import Effort, compare
from .report import OURS, Row, Table
from .rivals import rival, use_threads
from .trainers import CONVNET, EXAMPLE, MLP


@dataclasses.dataclass(frozen=True)
class Layer:
    """A convolution without padding: N images of C channels, S x S, to O channels by k x k."""

    N: int
    C: int
    S: int
    O: int
    k: int

    @property
    def name(self) -> str:
        return f"N {self.N}, {self.C} -> {self.O} channels, {self.S}x{self.S}, {self.k}x{self.k}"

    @property
    def operations(self) -> float:
        return 2.0 * self.N * self.O * (self.S - self.k + 1) ** 2 * self.C * self.k**2

    @property
    def traffic(self) -> float:
        out = self.N * self.O * (self.S - self.k + 1) ** 2
        return 4.0 * (self.N * self.C * self.S**2 + out + self.O * self.C * self.k**2)


BASE = Layer(16, 32, 32, 32, 3)
SWEEPS: dict[str, tuple[tuple[Any, Layer], ...]] = {
    "batch": tuple((N, dataclasses.replace(BASE, N=N)) for N in (1, 2, 4, 8, 16, 32, 64)),
    "channels": tuple((C, dataclasses.replace(BASE, C=C, O=C)) for C in (4, 8, 16, 32, 64, 128)),
    "image size": tuple((S, dataclasses.replace(BASE, S=S)) for S in (4, 8, 16, 32, 64, 128)),
    "kernel": tuple((k, dataclasses.replace(BASE, k=k)) for k in (1, 3, 5, 7)),
}


def _layer(layer: Layer, torch: Any, seconds: float) -> Row:
    """Check and time the forward convolution of a layer; give its rate and its limit."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((layer.N, layer.C, layer.S, layer.S)).astype(np.float32)
    w = rng.standard_normal((layer.O, layer.C, layer.k, layer.k)).astype(np.float32)
    b = rng.standard_normal(layer.O).astype(np.float32)
    calls: dict[str, Any] = {OURS: lambda: conv.conv2d(x, w, b)}
    if torch:
        tx, tw, tb = torch.from_numpy(x), torch.from_numpy(w), torch.from_numpy(b)

        def theirs():
            with torch.no_grad():
                return torch.nn.functional.conv2d(tx, tw, tb)

        calls["torch"] = theirs
    value = exact.convolution(x, w, b, 1, 0, 1)
    for name, call in calls.items():
        check(f"{layer.name} by {name}", call(), value, 1e-4)
    return _rated(layer.name, compare(calls, seconds), layer.operations, layer.traffic)


def _product(size: int, torch: Any, seconds: float) -> Row:
    rng = np.random.default_rng(0)
    a, b = (rng.standard_normal((size, size)).astype(np.float32) for _ in range(2))
    calls: dict[str, Any] = {OURS: lambda: gemm.matmul(a, b)}
    if torch:
        ta, tb = torch.from_numpy(a), torch.from_numpy(b)
        calls["torch"] = lambda: ta @ tb
    for name, call in calls.items():
        check(f"product of {size} by {name}", call(), a.astype(np.float64) @ b.astype(np.float64), 1e-4)
    return _rated(f"matrix product {size}x{size}x{size}", compare(calls, seconds), 2.0 * size**3, 12.0 * size**2)


def _rated(name: str, timings: Any, operations: float, traffic: float) -> Row:
    limit = limits(get_num_threads())
    intensity = operations / traffic
    figures = {"operations per byte": intensity}
    for rival_name, timing in timings.items():
        figures[f"GFLOP/s {rival_name}"] = operations / timing.median / 1e9
    figures["roof GFLOP/s"] = min(limit.flops, intensity * limit.bandwidth) / 1e9
    figures["of roof"] = operations / timings[OURS].median / 1e9 / figures["roof GFLOP/s"]
    return Row(name, timings, figures)


def threads_table(effort: Effort, absent: list[str]) -> Table:
    """Time the training steps with 1, 2, 4, ... threads, up to those in use."""
    most = get_num_threads()
    counts = sorted({2**i for i in range(most.bit_length()) if 2**i <= most} | {most})
    rows = []
    cases = effort.choose(((CONVNET, 100), (MLP, 128), (EXAMPLE, 64)), ((CONVNET, 100),), ((CONVNET, 2),))
    try:
        for case, batch in cases:
            base: dict[str, float] = {}
            for count in counts:
                use_threads(count)
                row = steps.measure(case, batch, effort.seconds, absent, ())
                row.case = f"{row.case}, {count} thread{'s' * (count > 1)}"
                row.figures = {}
                for name, timing in row.timings.items():
                    row.figures[f"{name}: times one thread"] = base.setdefault(name, timing.median) / timing.median
                rows.append(row)
    finally:
        use_threads(most)
    return Table("Scaling: threads", "Training steps with 1, 2, 4, ... threads.", rows, absent)


def run(effort: Effort) -> list[Table]:
    """Time the sweeps."""
    absent: list[str] = []
    torch = rival("torch", absent)
    tables = [threads_table(effort, absent)]
    note = (
        "Forward convolution with bias, swept around "
        + BASE.name
        + ". Roof: the lesser of the measured peak and of the "
        "measured bandwidth times the operations per byte; operations are the direct method's, so that Winograd's "
        "method (3x3, 16 channels and more) can exceed it, and so can data that stay in the cache."
    )
    for name, points in SWEEPS.items():
        print(f"  {name}", file=sys.stderr, flush=True)
        chosen = effort.choose(points, points[::2], points[:1])
        tables.append(
            Table(f"Scaling: {name}", note, [_layer(layer, torch, 0.4 * effort.seconds) for _, layer in chosen], absent)
        )
    sizes = effort.choose((32, 64, 128, 256, 512, 1024), (64, 256, 1024), (32,))
    rows = [_product(size, torch, 0.4 * effort.seconds) for size in sizes]
    tables.append(Table("Scaling: matrix products", "Square matrices.", rows, absent))
    return tables
