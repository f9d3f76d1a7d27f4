"""Silent differences that random calls compared with float64 found (`tests.robustness.operations`), each mended."""

import math

import numpy as np
import pytest

import autograd_nn as ag
from autograd_nn.nn import functional as F
from tests.robustness import exactness

nan, inf = math.nan, math.inf
FAR = 1e20
ZEROS = ag.tensor([0, 0])
FIRST = ag.zeros(70000, dtype=ag.int64)


def many(columns):
    """Return a matrix of zeros, of more rows than float16 counts to."""
    return ag.zeros(70000, columns, dtype=ag.float16)


BYTES = ag.tensor([200, 250], dtype=ag.uint8)

# a call of x, x, the dtype and the values of the result, and its gradient for a sum
FOUND = {
    "atan2 beside bytes": (lambda x: ag.atan2(x, ag.tensor([100, 3], dtype=ag.uint8)), [0.0, 4.0], "f4",
                           [0, math.atan2(4, 3)], [0.01, 0.12]),
    "gelu far out": (lambda x: F.gelu(x, "tanh"), [FAR, -FAR, 0.0], "f4", [FAR, 0, 0], [1, 0, 0.5]),
    "erfcx far out": (ag.special.erfcx, [FAR, 1e4, 10.0, 0.0], "f4", [5.641896e-21, 5.641896e-05, 0.056140995, 1],
                      [0, -5.641896e-09, -0.0055593122, -1.1283792]),
    "std of tiny": (ag.std, [1e-30, 3e-30], "f4", 1.4142135e-30, [-0.70710678, 0.70710678]),
    "max with NaN": (ag.max, [1.0, nan, 3.0], "f4", nan, [0, 1, 0]),
    "amin with NaNs": (lambda x: ag.amin(x, 0), [nan, 1.0, nan], "f4", nan, [0.5, 0, 0.5]),
    "clamp by NumPy's number": (lambda x: ag.clamp(x, np.float32(-1), np.float16(0.5)), [-3, 0, 3], "i8",
                                np.float32([-1, 0, 0.5]), None),
    "norm by NumPy's number": (lambda x: ag.norm(x, np.float32(1)), [-3.0, 1.0], "f8", 4.0, [-1, 1]),
    "vdot of int32": (lambda x: ag.vdot(x, x), [1, 2], "i4", np.int32(5), None),
    "diagonal_scatter of floats": (lambda x: ag.diagonal_scatter(x.reshape(1, 2), ag.tensor([1.5])), [7, 8], "i8",
                                   np.int64([[1, 8]]), None),
    "gradient by bytes": (lambda x: ag.gradient(x, spacing=[ag.tensor([3, 1], dtype=ag.uint8)])[0], [1.0, 5.0], "f8",
                          [-2.0, -2.0], [1, -1]),
    "gradient by float16": (lambda x: ag.gradient(x, spacing=[ag.tensor([1, 3], dtype=ag.float16)])[0], [1, 5], "i8",
                            np.float16([2, 2]), None),
    "grid_sample at NaN": (lambda x: F.grid_sample(x.reshape(1, 1, 1, 3), ag.tensor([[[[nan, 0.0]]]]), "nearest",
                                                   "reflection"), [4.0, 5.0, 6.0], "f4", [[[[4.0]]]], [1, 0, 0]),
    "antialias beside infinity": (lambda x: F.interpolate(x.reshape(1, 1, 1, 6), (1, 2), mode="bilinear",
                                                          antialias=True)[0, 0, 0, :1],
                                  [1.0, 1.0, 1.0, 1.0, inf, 1.0], "f4", [1.0],
                                  [0.25, 0.375, 0.25, 0.125, 0, 0]),
    # integers beside floats: products are computed in the dtype of the result, and do not leave the range of bytes
    "addr of bytes": (lambda x: ag.addr(x.reshape(1, 2), BYTES[:1], BYTES, alpha=2), [1.0, 2.0], "f8",
                      [[80001.0, 100002.0]], [1, 1]),
    "addr of floats to bytes": (lambda x: ag.addr(BYTES, x[:1], x, beta=np.array(0.5)), [2.0, 3.0], "f4",
                                [[104.0, 131.0]], [7, 2]),
    "addmm of bytes": (lambda x: ag.addmm(x, BYTES.reshape(1, 2), BYTES.reshape(2, 1)), [1.0], "f4", [[102501.0]], [1]),
    "addmv of bytes": (lambda x: ag.addmv(x, BYTES.reshape(1, 2), BYTES), [1.0], "f4", [102501.0], [1]),
    "addbmm of bytes": (lambda x: ag.addbmm(x, BYTES.reshape(1, 1, 2), BYTES.reshape(1, 2, 1)), [1.0], "f4",
                        [[102501.0]], [1]),
    "baddbmm of bytes": (lambda x: ag.baddbmm(x, BYTES.reshape(1, 1, 2), BYTES.reshape(1, 2, 1)), [1.0], "f4",
                         [[[102501.0]]], [1]),
    "addcmul of bytes": (lambda x: ag.addcmul(x, BYTES, BYTES, value=2), [1.0, 2.0], "f4", [80001.0, 125002.0], [1, 1]),
    "addcdiv of large integers": (lambda x: ag.addcdiv(x, ag.tensor([2**24 + 1]), ag.tensor([1])), [1.0], "f8",
                                  [16777218.0], [1]),
    "add of bytes, alpha": (lambda x: ag.add(x, BYTES, alpha=2), [1.0, 2.0], "f4", [401.0, 502.0], [1, 1]),
    "sub of bytes, alpha": (lambda x: x.sub(BYTES, alpha=2), [1.0, 2.0], "f4", [-399.0, -498.0], [1, 1]),
    "add of integers, alpha": (lambda x: ag.add(x, ag.tensor([3]), alpha=0.1), [1.0], "f8", [1 + 3 * 0.1], [1]),
    "logaddexp2 of integers": (lambda x: ag.logaddexp2(x, ag.tensor([1])), [0.0], "f8", [math.log2(3)], [1 / 3]),
    "logaddexp2 of float16": (lambda x: ag.logaddexp2(ag.tensor([1]), x), [1.0], "f2", [2.0], [0.5]),
    "cross_entropy, integer weights": (lambda x: F.cross_entropy(x.reshape(1, 2), ag.tensor([1]), ag.tensor([1, 3]),
                                                                 reduction="sum"), [0.0, 0.0], "f4",
                                       3 * math.log(2), [1.5, -1.5]),
    "nll_loss, integer weights": (lambda x: F.nll_loss(x.reshape(1, 2), ag.tensor([1]), ag.tensor([1, 3]),
                                                       reduction="sum"), [-1.0, -2.0], "f4", 6.0, [0, -3]),
    "multi_margin_loss, integer weights": (lambda x: F.multi_margin_loss(
        x.reshape(1, 2), ag.tensor([1]), weight=ag.tensor([1, 3])), [0.0, 0.0], "f4", 1.5, [1.5, -1.5]),
    "prelu of integers": (lambda x: F.prelu(x, ag.tensor([3])), [-1, 2], "i8", np.float32([-3, 2]), None),
    "mean of many bytes": (lambda x: ag.scatter_reduce(x, 0, ag.zeros(300, dtype=ag.int64), ag.full(
        (300,), 200, dtype=ag.uint8), "mean", include_self=False), [0], "u1", np.array([200], "u1"), None),
    "mean of many of float16": (lambda x: ag.index_reduce(ag.zeros(1, dtype=ag.float16), 0, ag.zeros(
        4000, dtype=ag.int64), x.expand(4000), "mean", include_self=False), [60000.0], "f2", [60000.0], [1.0]),
    # means of more elements than float16 counts to
    **{f"float16 mean, {name}": (call, [0.0], "f2", value, None) for name, call, value in [
        ("cross_entropy", lambda x: F.cross_entropy(many(2), FIRST), math.log(2)),
        ("smoothed", lambda x: F.cross_entropy(many(2), FIRST, label_smoothing=0.1), math.log(2)),
        ("weighted", lambda x: F.cross_entropy(many(2), FIRST, many(2)[0] + 3), math.log(2)),
        ("nll_loss", lambda x: F.nll_loss(many(2) - 1, FIRST), 1.0),
        ("mse_loss, weights", lambda x: F.mse_loss(many(1) + 2, many(1), weight=many(1) + 3), 4.0),
        ("l1_loss, weights", lambda x: F.l1_loss(many(1) + 2, many(1), weight=many(1) + 3), 2.0),
        ("kl_div of logarithms", lambda x: F.kl_div(many(2) - 1, many(2), reduction="batchmean", log_target=True), 2.0),
        ("kl_div", lambda x: F.kl_div(many(2), many(2) + 1, reduction="batchmean"), 0.0),
        ("nanmean", lambda x: ag.nanmean(many(1) + 2), 2.0),
        ("mean", lambda x: ag.mean(many(1) + 2), 2.0),
        ("std", lambda x: ag.std(ag.cat([many(1) + 200, many(1) - 200])), 200.0),
        ("embedding_bag", lambda x: F.embedding_bag(FIRST.reshape(1, -1), many(1)[:1] + 2), [[2.0]]),
        ("avg_pool1d", lambda x: F.avg_pool1d(many(1).mT + 2, 70000), [[2.0]]),
        ("adaptive_avg_pool1d", lambda x: F.adaptive_avg_pool1d(many(1).mT + 2, 1), [[2.0]]),
    ]},
    "hardtanh of booleans": (lambda x: F.hardtanh(x, 0.0, 0.5), [True, False], "?", np.float32([0.5, 0]), None),
    "trapezoid of bytes": (ag.trapezoid, [200, 250], "u1", np.float32(225), None),
    "trapezoid of large integers": (lambda x: ag.trapezoid(ag.tensor([2**24 + 1, 2**24 + 1]), x), [0.0, 1.0], "f8",
                                    2.0**24 + 1, [-(2.0**24) - 1, 2.0**24 + 1]),
    "logcumsumexp of bytes": (lambda x: ag.logcumsumexp(x, 0), [0, 0], "u1", np.float32([0, math.log(2)]), None),
    "index_add of bytes": (lambda x: ag.index_add(x, 0, ZEROS, BYTES, alpha=2), [1.0], "f4", [901.0], [1]),
    "scatter_add of bytes": (lambda x: ag.scatter_add(x, 0, ZEROS, BYTES), [1.0], "f4", [451.0], [1]),
    "index_put of bytes": (lambda x: ag.index_put(x, (ZEROS,), BYTES, accumulate=True), [1.0], "f4", [451.0], [1]),
    "put of bytes": (lambda x: ag.put(x, ZEROS, BYTES, accumulate=True), [1.0], "f4", [451.0], [1]),
    "scatter_add of float16": (lambda x: ag.scatter_add(x, 0, ZEROS, ag.tensor([6e4, 6e4], dtype=ag.float16)), [1.0],
                               "f4", [120001.0], [1]),
    "trapezoid of nothing": (lambda x: ag.trapezoid(x, ag.zeros(0)), [], "i8", np.float32(0), None),
    "ldexp down": (lambda x: ag.ldexp(x, ag.tensor([-3, 2])), [1.0, 1.0], "f4", [0.125, 4], [0.125, 4]),
    # the ends of the range
    "distance in float16": (lambda x: F.pairwise_distance(x, x), [0.0] * 4, "f2", 2.027e-6, [0] * 4),
    "norm in float16": (lambda x: ag.norm(x), [6e-5, 8e-5], "f2", 1e-4, [0.6, 0.8]),
    "norm 1.5 of tiny": (lambda x: ag.norm(x, 1.5), [1e-30, 1e-30], "f4", 2 ** (2 / 3) * 1e-30, [2 ** (-1 / 3)] * 2),
    "norm 3 of tiny": (lambda x: ag.norm(x, 3), [1e-30, 1e-30], "f4", 2 ** (1 / 3) * 1e-30, [2 ** (-2 / 3)] * 2),
    "norm 3 of large": (lambda x: ag.norm(x, 3), [1e20, -1e20], "f4", 2 ** (1 / 3) * 1e20,
                        [2 ** (-2 / 3), -(2 ** (-2 / 3))]),
    "norm 0.5 of tiny": (lambda x: ag.norm(x, 0.5), [1e-30, 4e-30], "f4", 9e-30, [3, 1.5]),
    "normalize large": (lambda x: F.normalize(x, dim=0)[0], [3e20, 4e20], "f4", 0.6, [1.28e-21, -0.96e-21]),
    "gammaincc of tiny": (lambda x: ag.special.gammaincc(ag.tensor(x.tolist()), x), [1e-30], "f4", 6.8500313e-29, None),
    "remainder by infinity": (lambda x: ag.remainder(ag.tensor([1.0, -1.0]), x), [-inf, inf], "f4", [-inf, inf],
                              [1, 1]),
    "renorm beside NaN": (lambda x: ag.renorm(x.reshape(2, 2), 2, 0, 1.0)[1], [nan, 1.0, 0.3, 0.4], "f4",
                          [0.3, 0.4], [0, 0, 1, 1]),
}


@pytest.mark.parametrize("name", FOUND)
def test_what_random_calls_found(name):
    call, values, dtype, expected, gradient = FOUND[name]
    x = ag.tensor(np.array(values, dtype))
    x.requires_grad_(gradient is not None)
    out = call(x)
    expected = expected if isinstance(expected, np.ndarray | np.generic) else np.array(expected, dtype)
    assert out.dtype == expected.dtype
    rounding = 2e-3 if dtype == "f2" else 2e-6
    np.testing.assert_allclose(out.detach(), expected, rounding)
    if gradient is not None:
        out.sum().backward()
        np.testing.assert_allclose(x.grad, np.array(gradient, dtype), rounding, 1e-8 if name == "erfcx far out" else 0)


def test_residuals_of_tiny_equations():
    A, B = ag.tensor([[2e-30], [1e-30]], requires_grad=True), ag.tensor([[1e-30], [1e-30]], requires_grad=True)
    ag.linalg.lstsq(A, B, driver="gelsd").solution.sum().backward()
    np.testing.assert_allclose(A.grad, [[-2.8e29], [-4e28]], 1e-5)  # of (a0 b0 + a1 b1) / (a0**2 + a1**2)
    np.testing.assert_allclose(B.grad, [[4e29], [2e29]], 1e-5)


def test_numpys_numbers_are_taken_as_pythons():
    """Each number in a call of `expressions` as a float32 gives the bits and dtype of its value as a float."""
    def whole(value):
        """Return integers in the place of floats."""
        return np.round(value).astype(int) if np.asarray(value).dtype.kind == "f" else np.asarray(value)

    for call, arrays, names in exactness.EXPRESSIONS:
        if not exactness.LITERAL.search(call):
            continue
        for values in (map(np.asarray, arrays), map(whole, arrays)):
            named = dict(zip(names.split(), values))
            try:
                expected, _ = exactness.evaluated(ag, call, named, lambda v: float(np.float32(v)), [], grad=False)
            except (ValueError, TypeError, RuntimeError, IndexError, NotImplementedError):
                continue
            found, _ = exactness.evaluated(ag, call, named, np.float32, [], grad=False)
            for a, b in zip(found, expected):
                assert a.dtype == b.dtype and np.array_equal(a, b, equal_nan=b.dtype.kind == "f"), call
