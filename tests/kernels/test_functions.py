"""The functions that passes are written with: errors in units in the last place over all floats, and edges."""

import math

import numpy as np
import pytest

from autograd_nn.kernels import functions
from autograd_nn.kernels.passes import Pass

# Greatest error in float32 that is allowed, in units in the last place: what the docstrings say.
ALLOWED = {"exp": 1.5, "expm1": 2, "log": 1.5, "log2": 2.5, "log10": 2.5, "log1p": 2, "tanh": 2, "erf": 1.5,
           "logistic": 3, "softplus": 2, "sin": 1.5, "cos": 1.5}  # fmt: skip
PASSES = {name: Pass(f"test_{name}", getattr(functions, name)) for name in ALLOWED}


def logistic(x):
    e = np.exp(-abs(x))
    return np.where(x < 0, e, 1) / (1 + e)


EXACT = {
    **{name: getattr(np, name) for name in ("exp", "expm1", "log", "log2", "log10", "log1p", "tanh", "sin", "cos")},
    "erf": np.vectorize(math.erf, otypes=[float]),
    "logistic": logistic,
    "softplus": lambda x: np.log1p(np.exp(-abs(x))) + np.maximum(x, 0),
}


def sample():
    """Return every 30,011th float32 of all 2**32, and more where the functions bend."""
    everywhere = np.arange(0, 2**32, 30_011, dtype=np.uint64).astype(np.uint32).view(np.float32)
    bends = [np.linspace(-bound, bound, 60_001) for bound in (2, 20, 110)]
    near_1 = 1 + np.linspace(-1e-3, 1e-3, 20_001)
    with np.errstate(invalid="ignore"):  # signalling NaN
        return np.concatenate([everywhere, *bends, near_1]).astype(np.float32)


def units(found, expected):
    """Return the errors in units in the last place of float32; 0 where both are NaN, or the value is the nearest."""
    with np.errstate(over="ignore", invalid="ignore"):
        nearest = expected.astype(np.float32)
        spacing = np.spacing(np.maximum(abs(expected), 2.0**-126).astype(np.float32)).astype(np.float64)
        errors = abs(found.astype(np.float64) - expected) / spacing
    return np.where((found == nearest) | (np.isnan(found) & np.isnan(nearest)), 0, errors)


@pytest.mark.parametrize("name", ALLOWED)
def test_errors_in_float32_over_all_floats(name):
    x = sample()
    with np.errstate(all="ignore"):
        expected = EXACT[name](x.astype(np.float64))
        found = PASSES[name](x)
    assert found.dtype == np.float32
    errors = units(found, expected)
    worst = np.argmax(errors)  # NaN, where there is one
    assert errors[worst] < ALLOWED[name], (x[worst], found[worst], expected[worst])


@pytest.mark.parametrize("name", ALLOWED)
def test_float64_is_as_good_as_the_library(name):
    x = np.concatenate([np.linspace(-30, 30, 3001), np.geomspace(1e-300, 1e300, 601), -np.geomspace(1e-12, 0.9, 99)])
    with np.errstate(all="ignore"):
        np.testing.assert_allclose(PASSES[name](x), EXACT[name](x), rtol=1e-15, atol=0, strict=True)


EDGES = {
    "exp": [1, 1, math.inf, 0], "expm1": [0.0, -0.0, math.inf, -1], "log1p": [0.0, -0.0, math.inf, math.nan],
    "log": [-math.inf, -math.inf, math.inf, math.nan], "log2": [-math.inf, -math.inf, math.inf, math.nan],
    "log10": [-math.inf, -math.inf, math.inf, math.nan], "tanh": [0.0, -0.0, 1, -1], "erf": [0.0, -0.0, 1, -1],
    "logistic": [0.5, 0.5, 1, 0], "softplus": [math.log(2), math.log(2), math.inf, 0],
    "sin": [0.0, -0.0, math.nan, math.nan], "cos": [1, 1, math.nan, math.nan],
}  # fmt: skip


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", EDGES)
def test_zeros_infinities_and_nan(name, dtype):
    with np.errstate(all="ignore"):
        found = PASSES[name](np.array([0.0, -0.0, math.inf, -math.inf, math.nan], dtype))
    expected = np.array([*EDGES[name], math.nan], dtype)
    np.testing.assert_array_equal(found, expected)
    known = ~np.isnan(expected)
    np.testing.assert_array_equal(np.signbit(found[known]), np.signbit(expected[known]))


def test_logarithms_to_base_2_of_its_powers_are_exact():
    powers = np.arange(-149, 128)
    np.testing.assert_array_equal(PASSES["log2"](np.ldexp(np.float32(1), powers)), powers)


def test_denormal_results_of_exp_and_arguments_of_log():
    x = np.float32([-87.5, -95, -103, -103.9, -105])
    np.testing.assert_allclose(PASSES["exp"](x), np.exp(x.astype(np.float64)), rtol=0, atol=1e-45)
    tiny = np.float32([1e-45, 1e-40, 1.1e-38])
    np.testing.assert_allclose(PASSES["log"](tiny), np.log(tiny.astype(np.float64)), rtol=1.2e-7)


@pytest.mark.parametrize("name", ["sin", "cos"])
def test_sines_near_multiples_of_a_right_angle_and_where_the_library_takes_over(name):
    multiples = np.arange(-63_000, 63_000) * (math.pi / 2)
    edge = np.linspace(99_990, 100_010, 2001)
    x = np.concatenate([multiples, edge, -edge]).astype(np.float32)
    assert units(PASSES[name](x), EXACT[name](x.astype(np.float64))).max() < ALLOWED[name]
    wide = np.concatenate([multiples, edge * 1e4, np.random.default_rng(0).uniform(-1e9, 1e9, 5000)])
    exact = EXACT[name](wide)
    assert (abs(PASSES[name](wide) - exact) / np.spacing(abs(exact))).max() < 2.5
