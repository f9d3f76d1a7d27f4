"""Kernels: convolution and its adjoints, pooling, norms, losses, optimizer updates and matrix products against PyTorch.

Everything that a training step pays is counted: packing, weight transforms, fresh outputs. Results are compared with
PyTorch's in float64 before they are timed; the error is relative to the largest element.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from autograd_nn.kernels import conv, elementwise, gemm, loss, norm, optim, pool

from .measure import compare
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
        return f"{self.N}, {self.C}, {self.S}, {self.O}, {' '.join(settings)}"

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


def _error(found: Any, reference: Any) -> float:
    found, reference = np.asarray(found), np.asarray(reference)
    return float(np.abs(found - reference).max() / max(np.abs(reference).max(), 1e-30))


def _row(name: str, ours: Call, theirs: Call | None, exact: Call | None, seconds: float, operations: float = 0,
         bound: float = 1e-4, **more: Call) -> Row:
    """Check a kernel against its value in float64, then time it beside its rivals."""
    figures = {}
    if exact is not None:
        figures["error"] = _error(ours(), exact())
        if not figures["error"] < bound:
            raise AssertionError(f"{name}: relative error {figures['error']}")
    candidates = {OURS: ours} | ({} if theirs is None else {"torch": theirs}) | more
    timings = compare(candidates, seconds)
    if operations:
        figures["GFLOP/s"] = operations / timings[OURS].median / 1e9
    return Row(name, timings, figures)


def _convolutions(torch: Any, seconds: float) -> list[Row]:
    rows = []
    for shape in SHAPES:
        rng = np.random.default_rng(0)
        x = rng.standard_normal((shape.N, shape.C, shape.S, shape.S)).astype(np.float32)
        w = rng.standard_normal((shape.O, shape.C // shape.groups, shape.k, shape.k)).astype(np.float32)
        b = rng.standard_normal(shape.O).astype(np.float32)
        g = rng.standard_normal((shape.N, shape.O, shape.out, shape.out)).astype(np.float32)
        settings: dict[str, Any] = {
            "stride": (shape.stride,) * 2, "padding": ((shape.pad,) * 2,) * 2, "dilation": (1, 1), "groups": shape.groups,
        }
        ours: dict[str, Call] = {
            "forward": lambda x=x, w=w, b=b, s=settings: conv.conv2d(x, w, b, **s),
            "input grad": lambda x=x, w=w, g=g, s=settings: conv.conv2d_input(g, w, size=x.shape[2:], **s),
            "weight grad": lambda x=x, w=w, g=g, s=settings: conv.conv2d_weight(g, x, size=w.shape[2:], **s),
        }
        theirs = _torch_convolution(torch, shape, x, w, b, g) if torch else {}
        exact = _torch_convolution(torch, shape, *(a.astype(np.float64) for a in (x, w, b, g))) if torch else {}
        last = _torch_convolution(torch, shape, x, w, b, g, channels_last=True) if torch else {}
        for kind, call in ours.items():
            if kind == "input grad" and shape.C < 3:
                continue
            more = {"torch channels-last": last[kind]} if torch else {}
            rows.append(_row(f"{shape}: {kind}", call, theirs.get(kind), exact.get(kind), seconds, shape.operations, **more))
    return rows


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


def _pooling(torch: Any, seconds: float) -> list[Row]:
    rows = []
    x = np.random.default_rng(0).standard_normal((32, 64, 32, 32)).astype(np.float32)
    for kernel, stride, pad in ((2, 2, 0), (3, 2, 1)):
        settings: dict[str, Any] = {"kernel": (kernel,) * 2, "stride": (stride,) * 2, "padding": (pad,) * 2, "dilation": (1, 1)}
        out, index = pool.max_pool2d(x, **settings, ceil_mode=False)
        g = np.random.default_rng(1).standard_normal(out.shape).astype(np.float32)
        theirs = back = None
        if torch:
            tx, tg = torch.from_numpy(x), torch.from_numpy(g)
            _, where = torch.nn.functional.max_pool2d(tx, kernel, stride, pad, return_indices=True)

            def theirs(tx=tx, k=kernel, s=stride, p=pad):
                return torch.nn.functional.max_pool2d(tx, k, s, p)

            def back(tx=tx, tg=tg, k=kernel, s=stride, p=pad, where=where):
                return torch.ops.aten.max_pool2d_with_indices_backward(tg, tx, [k, k], [s, s], [p, p], [1, 1], False, where)

        name = f"max-pool {kernel}x{kernel} stride {stride} pad {pad}, 32x64x32x32"
        rows.append(_row(f"{name}: forward", lambda s=settings: pool.max_pool2d(x, **s, ceil_mode=False)[0], theirs, theirs,
                         seconds))
        rows.append(_row(f"{name}: input grad",
                         lambda g=g, i=index, s=settings: pool.max_pool2d_put(g, i, size=(32, 32), **s), back, back, seconds))
    return rows


def _pointwise(torch: Any, seconds: float) -> list[Row]:
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
    parameter, gradient, first, second = (rng.random(1_200_000).astype(np.float32) for _ in range(4))
    ours: dict[str, Call] = {
        "batch norm 32x64x32x32: forward": lambda: norm.batch_norm(x, w, b, eps=1e-5)[0],
        "batch norm 32x64x32x32: input grad": lambda: norm.batch_norm_input(g, x, w, mean, rstd)[0],
        "softmax-cross-entropy 4096x1000: forward": lambda: loss.cross_entropy(logits, target)[0].mean(),
        "softmax-cross-entropy 4096x1000: input grad": lambda: loss.cross_entropy_input(share, logits, target, logsumexp),
        "ReLU 32x64x32x32: forward": lambda: elementwise.relu(x),
        "ReLU 32x64x32x32: input grad": lambda: elementwise.relu_input(g, relu_out),
        "Adam step, 1.2 M parameters (rival: fused)": lambda: optim.adam_step(
            parameter, gradient, first, second, lr=1e-3, beta1=0.9, beta2=0.999, eps=1e-8, weight_decay=0.0, step=10,
            decoupled=False, maximize=False),
    }
    theirs = _torch_pointwise(torch, x, g, w, b, logits, target) if torch else {}
    rows = []
    for name, call in ours.items():
        other = theirs.get(name)
        rows.append(_row(name, call, other, None if "Adam" in name else other, seconds))
    return rows


def _torch_pointwise(torch: Any, x, g, w, b, logits, target) -> dict[str, Call]:
    F, aten = torch.nn.functional, torch.ops.aten
    x, g, w, b, logits, target = (torch.from_numpy(a) for a in (x, g, w, b, logits, target))
    out, mean, rstd = torch.native_batch_norm(x, w, b, None, None, True, 0.1, 1e-5)
    relu_out = torch.relu(x)
    logp = torch.log_softmax(logits, 1)
    share, total = torch.tensor(1.0), torch.tensor(4096.0)
    parameter = torch.rand(1_200_000, requires_grad=True)
    parameter.grad = torch.rand(1_200_000)
    adam = torch.optim.Adam([parameter], lr=1e-3, fused=True)

    def cross_entropy_input():
        back = aten.nll_loss_backward(share, logp, target, None, 1, -100, total)
        return aten._log_softmax_backward_data(back, logp, 1, torch.float32)

    return {
        "batch norm 32x64x32x32: forward": lambda: torch.native_batch_norm(x, w, b, None, None, True, 0.1, 1e-5)[0],
        "batch norm 32x64x32x32: input grad": lambda: aten.native_batch_norm_backward(
            g, x, w, None, None, mean, rstd, True, 1e-5, [True, True, True])[0],
        "softmax-cross-entropy 4096x1000: forward": lambda: F.cross_entropy(logits, target),
        "softmax-cross-entropy 4096x1000: input grad": cross_entropy_input,
        "ReLU 32x64x32x32: forward": lambda: torch.relu(x),
        "ReLU 32x64x32x32: input grad": lambda: aten.threshold_backward(g, relu_out, 0),
        "Adam step, 1.2 M parameters (rival: fused)": adam.step,
    }


def _products(torch: Any, seconds: float) -> list[Row]:
    rows = []
    for M, K, N in GEMMS:
        rng = np.random.default_rng(0)
        a, b = rng.standard_normal((M, K)).astype(np.float32), rng.standard_normal((N, K)).astype(np.float32)
        theirs = None
        if torch:
            ta, tb = torch.from_numpy(a), torch.from_numpy(b)

            def theirs(ta=ta, tb=tb):
                return ta @ tb.T

        rows.append(_row(f"GEMM {M}x{K}x{N}", lambda a=a, b=b: gemm.matmul(a, b.T), theirs,
                         lambda a=a, b=b: a.astype(np.float64) @ b.T.astype(np.float64), seconds, 2 * M * K * N))
    return rows


def run(seconds: float) -> Table:
    """Time every kernel of the table."""
    absent: list[str] = []
    torch = rival("torch", absent)
    rows = []
    for family in (_convolutions, _pooling, _pointwise, _products):
        rows += family(torch, 0.4 * seconds)
    return Table("Kernels", "Convolutions are N, C_in, H = W, C_out, kernel. GFLOP/s count the direct method's operations.",
                 rows, absent)
