"""Silent differences that random calls compared with float64 found (`tests.robustness.operations`), each mended."""

import math

import numpy as np
import pytest

import autograd_nn as ag
from autograd_nn.nn import functional as F
from tests.robustness import exactness

nan, inf = math.nan, math.inf
FAR = 1e20

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
}


@pytest.mark.parametrize("name", FOUND)
def test_what_random_calls_found(name):
    call, values, dtype, expected, gradient = FOUND[name]
    x = ag.tensor(np.array(values, dtype))
    x.requires_grad_(gradient is not None)
    out = call(x)
    expected = expected if isinstance(expected, np.ndarray | np.generic) else np.array(expected, dtype)
    assert out.dtype == expected.dtype
    np.testing.assert_allclose(out.detach(), expected, 2e-6)
    if gradient is not None:
        out.sum().backward()
        np.testing.assert_allclose(x.grad, np.array(gradient, dtype), 2e-6, 1e-8 if name == "erfcx far out" else 0)


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
