"""What has no gradient: values against NumPy's and by definition, dtypes, NaN, and refusals."""

import math

import numpy as np
import pytest

import autograd_nn as ag

nan, inf = math.nan, math.inf


@pytest.mark.parametrize(("found", "expected", "dtype"), [
    (lambda: ag.gcd(ag.tensor([12, -8, 0, 7]), ag.tensor([18, 12, 0, 0])), [6, 4, 0, 7], "int64"),
    (lambda: ag.gcd(ag.tensor([12], dtype=np.int32), 8), [4], "int32"),
    (lambda: ag.lcm(ag.tensor([4, -6, 0]), ag.tensor([6, 4, 5])), [12, 12, 0], "int64"),
    (lambda: ag.tensor([4]).lcm(ag.tensor([[6], [10]])), [[12], [20]], "int64"),
    (lambda: ag.heaviside(ag.tensor([-1.5, 0.0, -0.0, 2.0, nan]), ag.tensor([0.5])), [0, 0.5, 0.5, 1, nan], "float32"),
    (lambda: ag.heaviside(ag.tensor([-1, 0, 3]), ag.tensor([7])), [0, 7, 1], "int64"),
    (lambda: ag.tensor([0.0]).double().heaviside(ag.tensor([nan]).double()), [nan], "float64"),
    (lambda: ag.isposinf(ag.tensor([inf, -inf, nan, 1.0])), [True, False, False, False], "bool"),
    (lambda: ag.isneginf(ag.tensor([inf, -inf, nan, 1.0])), [False, True, False, False], "bool"),
    (lambda: ag.isneginf(ag.tensor([1, 2])), [False, False], "bool"),
    (lambda: ag.isreal(ag.tensor([1 + 1j, 2 + 0j, complex(nan, 0)])), [False, True, True], "bool"),
    (lambda: ag.isreal(ag.tensor([1.0, nan])), [True, True], "bool"),
    (lambda: ag.nextafter(ag.tensor([1.0, 0.0, 5.0]), ag.tensor([2.0, -1.0, 5.0])), [1 + 2**-23, -(2.0**-149), 5],
     "float32"),
    (lambda: ag.signbit(ag.tensor([-1.0, 0.0, -0.0, -nan, inf])), [True, False, True, True, False], "bool"),
    (lambda: ag.signbit(ag.tensor([-1, 0, 2])), [True, False, False], "bool"),
    (lambda: ag.signbit(ag.tensor([True])), [False], "bool"),
    (lambda: np.gcd(ag.tensor([12]), ag.tensor([18])), [6], "int64"),
    (lambda: np.heaviside(ag.tensor([-2.0, 0.0]), ag.tensor(0.5)), [0, 0.5], "float32"),
])
def test_values_and_dtypes(found, expected, dtype):
    result = found()
    assert result.dtype == dtype and not result.requires_grad
    np.testing.assert_array_equal(result.numpy(), np.array(expected))


@pytest.mark.parametrize("function", [ag.gcd, ag.lcm])
def test_integers_are_needed(function):
    with pytest.raises(TypeError, match=rf"{function.name}\(\): expects integers"):
        function(ag.tensor([1.5]), ag.tensor([2.0]))


@pytest.mark.parametrize(("x", "dim", "values", "inverse", "counts"), [
    ([1, 1, 2, 1], None, [1, 2, 1], [0, 0, 1, 2], [2, 1, 1]),
    ([[1, 1], [2, 2]], None, [1, 2], [[0, 0], [1, 1]], [2, 2]),
    ([[1, 2], [1, 2], [3, 2], [1, 2]], 0, [[1, 2], [3, 2], [1, 2]], [0, 0, 1, 2], [2, 1, 1]),
    ([[5, 5, 6], [7, 7, 7]], 1, [[5, 6], [7, 7]], [0, 0, 1], [2, 1]),
    ([nan, nan], None, [nan, nan], [0, 1], [1, 1]),
    ([], None, [], [], []),
])
def test_runs(x, dim, values, inverse, counts):
    found = ag.unique_consecutive(ag.tensor(x), return_inverse=True, return_counts=True, dim=dim)
    for result, expected in zip(found, (values, inverse, counts), strict=True):
        np.testing.assert_array_equal(result.numpy(), np.array(expected))
    np.testing.assert_array_equal(ag.tensor(x).unique_consecutive(dim=dim).numpy(), np.array(values))


def test_poisson_has_its_mean_and_variance():
    draws = ag.poisson(ag.full((40_000,), 6.5), generator=ag.Generator().manual_seed(1))
    assert draws.dtype == np.float32 and draws.mean().item() == pytest.approx(6.5, abs=0.06)
    assert draws.var().item() == pytest.approx(6.5, abs=0.2)
    assert ag.poisson(ag.zeros(3)).tolist() == [0, 0, 0]
    for rates in (ag.tensor([-1.0]), ag.tensor([nan]), ag.tensor([1])):
        with pytest.raises(RuntimeError, match=r"poisson\(\): rates must be floats"):
            ag.poisson(rates)


def test_discrete_agree_with_pytorch():
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    numbers = np.concatenate([rng.normal(size=20).astype(np.float32), np.array([0, -0.0, nan, inf, -inf], np.float32)])
    whole = rng.integers(-12, 12, 25)
    for name, arguments in [("gcd", (whole, whole[::-1].copy())), ("lcm", (whole, whole[::-1].copy())),
                            ("heaviside", (np.nan_to_num(numbers), numbers[::-1].copy())), ("isposinf", (numbers,)),
                            ("isneginf", (numbers,)), ("isreal", (numbers,)), ("signbit", (numbers,)),
                            ("nextafter", (numbers, numbers[::-1].copy())), ("unique_consecutive", (whole // 6,))]:
        ours = getattr(ag, name)(*map(ag.tensor, arguments))
        theirs = getattr(torch, name)(*map(torch.tensor, arguments))
        np.testing.assert_array_equal(ours.numpy(), theirs.numpy(), err_msg=name)
