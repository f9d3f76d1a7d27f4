"""Kernels: convolution and its adjoints, pooling, norms, losses, optimizer updates and matrix products against PyTorch.

Everything that a training step pays is counted: packing, weight transforms, fresh outputs. Results, those of PyTorch
too, are compared with float64 before they are timed; the error is relative to the largest element. What bounds a kernel
is measured too: its share of the processor's peak, or of the memory's bandwidth counting each array once. Winograd's
method needs fewer operations than are counted, so its share of the peak can exceed 1, and data that stay in the cache
can exceed the bandwidth of the memory.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from autograd_nn.kernels import elementwise, gemm, loss, norm, optim, pool
from autograd_nn.kernels.compile import get_num_threads
from autograd_nn.kernels.conv import choice as conv

from . import exact
from .limits import limits
from .measure import Effort, compare
from .report import OURS, Row, Table
from .rivals import rival


@dataclasses.dataclass(frozen=True)
class Shape:
    """A convolution: N images of C channels, size S x S; O filters of k x k."""

    N: int
    C: int
    S: int
    O: int
    k: int
    stride: int = 1
    pad: int = 0
    groups: int = 1

    def __str__(self) -> str:
        settings = [f"{self.k}x{self.k}"]
        settings += [f"stride {self.stride}"] * (self.stride > 1) + [f"pad {self.pad}"] * (self.pad > 0)
        settings += ["depthwise"] * (self.groups > 1)
        return f"conv {self.N}x{self.C}x{self.S}x{self.S} -> {self.O}, {' '.join(settings)}"

    @property
    def out(self) -> int:
        return (self.S + 2 * self.pad - self.k) // self.stride + 1

    @property
    def operations(self) -> int:
        """Multiplications and additions of the direct method."""
        return 2 * self.N * self.O * self.out**2 * (self.C // self.groups) * self.k**2


SHAPES = (
    Shape(100, 1, 28, 10, 3),
    Shape(64, 1, 28, 32, 3),
    Shape(64, 32, 26, 64, 3),
    Shape(32, 64, 32, 64, 3, pad=1),
    Shape(32, 128, 16, 128, 3, pad=1),
    Shape(32, 256, 8, 256, 3, pad=1),
    Shape(32, 512, 4, 512, 3, pad=1),
    Shape(32, 64, 32, 128, 3, stride=2, pad=1),
    Shape(8, 64, 56, 256, 1),
    Shape(32, 64, 32, 128, 1, stride=2),
    Shape(8, 3, 224, 64, 7, stride=2, pad=3),
    Shape(8, 128, 56, 128, 3, pad=1, groups=128),
)
GEMMS = ((128, 784, 1000), (1024, 1024, 1024), (64, 9216, 128))

Call = Callable[[], Any]


def check(name: str, found: Any, exact: np.ndarray, bound: float) -> float:
    """Return the largest error relative to the largest element; raise ArithmeticError where it exceeds the bound."""
    found = np.asarray(found)
    if found.shape != exact.shape:
        raise ArithmeticError(f"{name}: result of shape {found.shape}, expected {exact.shape}")
    error = float(np.abs(found - exact).max() / max(np.abs(exact).max(), 1e-30))
    if not error < bound:
        raise ArithmeticError(f"{name}: relative error {error:.2g}, allowed {bound:.2g}")
    return error


def measure(
    case: str,
    calls: dict[str, Call | None],
    exact: Any,
    effort: Effort,
    operations: float = 0,
    traffic: float = 0,
    bound: float = 1e-4,
) -> Row:
    """Check the results of a kernel and its rivals against `exact`, then time them.

    Parameters
    ----------
    operations, traffic : float
        Floating-point operations and bytes of one call, where they are what bounds it.
    """
    candidates = {name: call for name, call in calls.items() if call is not None}
    errors = {name: check(f"{case} by {name}", call(), exact, bound) for name, call in candidates.items()}
    figures = {"error": errors[OURS]}
    timings = compare(candidates, 0.4 * effort.seconds)
    limit = limits(get_num_threads())
    for name in (OURS, "torch"):
        if name in timings and operations:
            figures[f"GFLOP/s {name}"] = operations / timings[name].median / 1e9
            figures[f"of peak {name}"] = operations / timings[name].median / limit.flops
        if name in timings and traffic:
            figures[f"of bandwidth {name}"] = traffic / timings[name].median / limit.bandwidth
    return Row(case, timings, figures)


def _convolutions(torch: Any, effort: Effort) -> list[Row]:
    rows = []
    for shape in effort.choose(SHAPES, SHAPES[:4] + SHAPES[7:9], SHAPES[:1]):
        N, O, S, k, stride, pad, groups = shape.N, shape.O, shape.S, shape.k, shape.stride, shape.pad, shape.groups
        rng = np.random.default_rng(0)
        x = rng.standard_normal((N, shape.C, S, S)).astype(np.float32)
        w = rng.standard_normal((O, shape.C // groups, k, k)).astype(np.float32)
        b = rng.standard_normal(O).astype(np.float32)
        g = rng.standard_normal((N, O, shape.out, shape.out)).astype(np.float32)
        settings: dict[str, Any] = {
            "stride": (stride,) * 2,
            "padding": ((pad,) * 2,) * 2,
            "dilation": (1, 1),
            "groups": groups,
        }
        ours: dict[str, Call] = {
            "forward": lambda x=x, w=w, b=b, s=settings: _with_new_weight(x, w, b, s),
            "input grad": lambda x=x, w=w, g=g, s=settings: conv.conv2d_input(g, w, size=x.shape[2:], **s),
            "weight grad": lambda x=x, w=w, g=g, s=settings: conv.conv2d_weight(g, x, size=w.shape[2:], **s),
        }
        exact_values = {
            "forward": lambda x=x, w=w, b=b, s=(stride, pad, groups): exact.convolution(x, w, b, *s),
            "input grad": lambda g=g, w=w, s=(S, stride, pad, groups): exact.convolution_input(g, w, *s),
            "weight grad": lambda g=g, x=x, s=(k, stride, pad, groups): exact.convolution_weight(g, x, *s),
        }
        theirs = _torch_convolution(torch, shape, x, w, b, g) if torch else {}
        last = _torch_convolution(torch, shape, x, w, b, g, channels_last=True) if torch else {}
        if shape.C == 512:
            ours["forward, the same weight again"] = lambda x=x, w=w, b=b, s=settings: conv.conv2d(x, w, b, **s)
        for name, call in ours.items():
            kind = name.partition(",")[0]
            if kind == "input grad" and shape.C < 3:
                continue
            calls = {OURS: call, "torch": theirs.get(kind), "torch channels-last": last.get(kind)}
            rows.append(measure(f"{shape}: {name}", calls, exact_values[kind](), effort, shape.operations))
    return rows


def _with_new_weight(x: np.ndarray, w: np.ndarray, bias: np.ndarray, settings: dict[str, Any]) -> np.ndarray:
    """Convolve as in training, where no call finds anything kept of the weight."""
    conv.forget_weights()
    return conv.conv2d(x, w, bias, **settings)


def _torch_convolution(torch: Any, shape: Shape, *arrays: np.ndarray, channels_last: bool = False) -> dict[str, Call]:
    x, w, b, g = (torch.from_numpy(array) for array in arrays)
    if channels_last:
        x, w, g = (t.contiguous(memory_format=torch.channels_last) for t in (x, w, g))
    convolution, backward = torch.nn.functional.conv2d, torch.ops.aten.convolution_backward
    s, p = [shape.stride] * 2, [shape.pad] * 2

    def forward():
        with torch.no_grad():
            return convolution(x, w, b, s, p, 1, shape.groups)

    def gradient(mask, which):
        return backward(g, x, w, [shape.O], s, p, [1, 1], False, [0, 0], shape.groups, mask)[which]

    return {
        "forward": forward,
        "input grad": lambda: gradient([True, False, False], 0),
        "weight grad": lambda: gradient([False, True, False], 1),
    }


def _pooling(torch: Any, effort: Effort) -> list[Row]:
    rows = []
    x = np.random.default_rng(0).standard_normal((32, 64, 32, 32)).astype(np.float32)
    for kernel, stride, pad in ((2, 2, 0), (3, 2, 1)):
        settings: dict[str, Any] = {
            "kernel": (kernel,) * 2,
            "stride": (stride,) * 2,
            "padding": (pad,) * 2,
            "dilation": (1, 1),
        }
        out, index = pool.max_pool2d(x, **settings, ceil_mode=False)
        g = np.random.default_rng(1).standard_normal(out.shape).astype(np.float32)
        theirs = back = None
        if torch:
            tx, tg = torch.from_numpy(x), torch.from_numpy(g)
            _, where = torch.nn.functional.max_pool2d(tx, kernel, stride, pad, return_indices=True)

            def theirs(tx=tx, k=kernel, s=stride, p=pad):
                return torch.nn.functional.max_pool2d(tx, k, s, p)

            def back(tx=tx, tg=tg, k=kernel, s=stride, p=pad, where=where):
                return torch.ops.aten.max_pool2d_with_indices_backward(
                    tg, tx, [k, k], [s, s], [p, p], [1, 1], False, where
                )

        name = f"max-pool {kernel}x{kernel} stride {stride} pad {pad}, 32x64x32x32"
        traffic = x.nbytes + out.nbytes
        calls = {OURS: lambda s=settings: pool.max_pool2d(x, **s, ceil_mode=False)[0], "torch": theirs}
        value = exact.max_pool(x, kernel, stride, pad)
        rows.append(measure(f"{name}: forward", calls, value, effort, traffic=traffic + index.nbytes))
        calls = {OURS: lambda g=g, i=index, s=settings: pool.max_pool2d_put(g, i, size=(32, 32), **s), "torch": back}
        value = exact.max_pool_input(g, x, kernel, stride, pad)
        rows.append(measure(f"{name}: input grad", calls, value, effort, traffic=traffic + index.nbytes))
    return rows


def _pointwise(torch: Any, effort: Effort) -> list[Row]:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((32, 64, 32, 32)).astype(np.float32)
    g = rng.standard_normal(x.shape).astype(np.float32)
    w, b = rng.standard_normal(64).astype(np.float32), rng.standard_normal(64).astype(np.float32)
    _, mean, rstd = norm.batch_norm(x, w, b, eps=1e-5)
    logits = rng.standard_normal((4096, 1000)).astype(np.float32)
    target = rng.integers(0, 1000, 4096)
    _, logsumexp = loss.cross_entropy(logits, target)
    share = np.full(4096, 1 / 4096, np.float32)
    relu_out = elementwise.relu(x)
    ours: dict[str, Call] = {
        "batch norm 32x64x32x32: forward": lambda: norm.batch_norm(x, w, b, eps=1e-5)[0],
        "batch norm 32x64x32x32: input grad": lambda: norm.batch_norm_input(g, x, w, mean, rstd)[0],
        "softmax-cross-entropy 4096x1000: forward": lambda: loss.cross_entropy(logits, target)[0].mean(),
        "softmax-cross-entropy 4096x1000: input grad": lambda: loss.cross_entropy_input(
            share, logits, target, logsumexp
        ),
        "ReLU 32x64x32x32: forward": lambda: elementwise.relu(x),
        "ReLU 32x64x32x32: input grad": lambda: elementwise.relu_input(g, relu_out),
    }
    exact_values = (
        exact.batch_norm(x, w, b, 1e-5), exact.batch_norm_input(g, x, w, 1e-5), exact.cross_entropy(logits, target),
        exact.cross_entropy_input(logits, target), np.maximum(x, 0.0), np.where(x > 0, g, 0.0),
    )  # fmt: skip
    moved = 2 * x.nbytes, 3 * x.nbytes, logits.nbytes, 2 * logits.nbytes, 2 * x.nbytes, 3 * x.nbytes
    theirs = _torch_pointwise(torch, x, g, w, b, logits, target) if torch else {}
    return [
        measure(name, {OURS: call, "torch": theirs.get(name)}, value, effort, traffic=traffic)
        for (name, call), value, traffic in zip(ours.items(), exact_values, moved)
    ]


def _adam(torch: Any, effort: Effort) -> list[Row]:
    """Time a step of Adam, which moves 7 arrays; each rival's first step is the one that is checked."""
    start = np.random.default_rng(0).random((4, 1_200_000)).astype(np.float32)
    gradient = start[1]
    settings = {"lr": 1e-3, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8}
    value = exact.adam(start[0], gradient, 0 * gradient, 0 * gradient, **settings, step=1)
    parameter, first, second = start[0].copy(), np.zeros_like(gradient), np.zeros_like(gradient)
    steps = 0

    def ours():
        nonlocal steps
        steps += 1
        optim.adam_step(parameter, gradient, first, second, **settings, step=steps)
        return parameter

    calls: dict[str, Call | None] = {OURS: ours}
    if torch:
        for name, fused in (("torch", False), ("torch fused", True)):
            weight = torch.tensor(start[0], requires_grad=True)
            weight.grad = torch.from_numpy(gradient.copy())
            adam = torch.optim.Adam([weight], lr=1e-3, fused=fused)

            def theirs(weight=weight, adam=adam):
                adam.step()
                return weight.detach()

            calls[name] = theirs
    return [measure("Adam step, 1.2 M parameters", calls, value, effort, traffic=7 * gradient.nbytes)]


def _torch_pointwise(torch: Any, x, g, w, b, logits, target) -> dict[str, Call]:
    F, aten = torch.nn.functional, torch.ops.aten
    x, g, w, b, logits, target = (torch.from_numpy(a) for a in (x, g, w, b, logits, target))
    _, mean, rstd = torch.native_batch_norm(x, w, b, None, None, True, 0.1, 1e-5)
    relu_out = torch.relu(x)
    logp = torch.log_softmax(logits, 1)
    share, total = torch.tensor(1.0), torch.tensor(4096.0)

    def cross_entropy_input():
        back = aten.nll_loss_backward(share, logp, target, None, 1, -100, total)
        return aten._log_softmax_backward_data(back, logp, 1, torch.float32)

    return {
        "batch norm 32x64x32x32: forward": lambda: torch.native_batch_norm(x, w, b, None, None, True, 0.1, 1e-5)[0],
        "batch norm 32x64x32x32: input grad": lambda: aten.native_batch_norm_backward(
            g, x, w, None, None, mean, rstd, True, 1e-5, [True, True, True]
        )[0],
        "softmax-cross-entropy 4096x1000: forward": lambda: F.cross_entropy(logits, target),
        "softmax-cross-entropy 4096x1000: input grad": cross_entropy_input,
        "ReLU 32x64x32x32: forward": lambda: torch.relu(x),
        "ReLU 32x64x32x32: input grad": lambda: aten.threshold_backward(g, relu_out, 0),
    }


def _products(torch: Any, effort: Effort) -> list[Row]:
    rows = []
    for M, K, N in GEMMS:
        rng = np.random.default_rng(0)
        a, b = rng.standard_normal((M, K)).astype(np.float32), rng.standard_normal((N, K)).astype(np.float32)
        calls: dict[str, Call | None] = {OURS: lambda a=a, b=b: gemm.matmul(a, b.T)}
        if torch:
            ta, tb = torch.from_numpy(a), torch.from_numpy(b)
            calls["torch"] = lambda a=ta, b=tb: a @ b.T
        value = a.astype(np.float64) @ b.T.astype(np.float64)
        rows.append(measure(f"GEMM {M}x{K}x{N}", calls, value, effort, 2 * M * K * N))
    return rows


def run(effort: Effort) -> list[Table]:
    """Time every kernel of the tables."""
    absent: list[str] = []
    torch = rival("torch", absent)
    products = _convolutions(torch, effort) + _products(torch, effort)
    bound_by_memory = [row for family in (_pooling, _pointwise, _adam) for row in family(torch, effort)]
    return [
        Table("Kernels: convolutions and products",
              "Convolutions: N x C x H x W -> filters, kernel. GFLOP/s count the direct method's operations; "
              "Winograd's method does fewer, so that its share of the measured peak can exceed 1.", products, absent),
        Table("Kernels: bound by memory", "Share of the measured bandwidth, each array counted once.",
              bound_by_memory, absent),
    ]  # fmt: skip
