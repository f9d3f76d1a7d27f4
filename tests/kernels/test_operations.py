"""The declared operations against naive twins in float64, their gradients against differences, and their edges."""

import math

import numpy as np
import pytest

import autograd_nn as ag
from autograd_nn.kernels import operations
from tests.reference import ELEMENTWISE, slope

INF, NAN = math.inf, math.nan
NUMBERS = {
    "LEAKY_RELU": (0.1,), "BOUNDED": (-0.5, 2.0), "CLAMP": (-0.5, 2.0), "HARDSHRINK": (0.5,), "SOFTSHRINK": (0.5,),
    "THRESHOLD": (0.3, 7.0), "ELU": (1.5, 1.1, 0.7), "SOFTPLUS": (2.0, 3.0), "HUBER": (0.8, 0.5),
}  # fmt: skip
POSITIVE = {"LOG", "LOG2", "LOG10", "LOG1P", "SQRT", "RSQRT", "RECIPROCAL"}
OF_VALUE = {"RELU", "SIGMOID", "TANH", "EXP", "EXPM1", "SQRT", "RSQRT", "RECIPROCAL"}  # gradients from the value
LOSSES = {"MSE", "L1", "HUBER", "BCE", "BCE_WITH_LOGITS", "KL_DIV"}
UNARY = sorted(set(ELEMENTWISE) - LOSSES - {"MAXIMUM", "MINIMUM"})


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def close(found, expected, dtype, looseness=1):
    tolerance = looseness * (2e-6 if dtype == np.float32 else 1e-8)
    np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance)
    assert found.dtype == dtype


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("size", [9, 1001])
@pytest.mark.parametrize("name", UNARY)
def test_values_and_gradients(rng, name, size, dtype):
    operation, twin, numbers = getattr(operations, name), ELEMENTWISE[name], NUMBERS.get(name, ())
    x, g = rng.standard_normal((2, size)).astype(dtype) * 3
    x = abs(x) + dtype(0.1) if name in POSITIVE else x
    exact = x.astype(np.float64)
    out = operation(x, numbers=numbers)
    close(out, twin(exact, *numbers), dtype)
    gradient = operation.gradient(g, out if name in OF_VALUE else x, numbers=numbers)
    close(gradient, g * slope(twin, exact, *numbers), dtype, 10)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", sorted(LOSSES))
def test_losses(rng, name, dtype):
    operation, twin, numbers = getattr(operations, name), ELEMENTWISE[name], NUMBERS.get(name, ())
    x, y = rng.standard_normal((2, 11, 91)).astype(dtype)
    if name in ("BCE", "BCE_WITH_LOGITS", "KL_DIV"):
        y = (abs(y) / (1 + abs(y))).astype(dtype)
        x = (1 / (1 + np.exp(-x))).astype(dtype) if name == "BCE" else x
    exact, target = x.astype(np.float64), y.astype(np.float64)
    values = twin(exact, target, *numbers)
    close(operation(x, y, numbers=numbers), values, dtype)
    np.testing.assert_allclose(operation.sum(x, y, numbers=numbers), values.sum(), rtol=1e-6 if dtype == np.float32
                               else 1e-12)  # fmt: skip
    g = np.asarray(dtype(0.7))
    arguments = (g, y) if name == "KL_DIV" else (g, x, y)
    if name == "HUBER":
        gradient = operation.gradient(*arguments, numbers=(numbers[0], 0.25))
        expected = 0.7 * 0.25 / numbers[1] * slope(twin, exact, target, *numbers)
    else:
        gradient = operation.gradient(*arguments, numbers=(0.25,))
        expected = 0.7 * 0.25 * slope(twin, exact, target, *numbers)
    close(gradient, expected, dtype, 20)


@pytest.mark.parametrize("n", [-8, -3, -2, -1, 1, 2, 3, 4, 5, 6, 7, 8])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_whole_powers(rng, n, dtype):
    x, g = rng.standard_normal((2, 37)).astype(dtype) + dtype(0.05)
    exact = x.astype(np.float64)
    out = operations.POWER(x, numbers=(abs(n), n < 0))
    np.testing.assert_allclose(out, exact**n, rtol=4 * np.finfo(dtype).eps)
    gradient = operations.POWER.gradient(g, x, numbers=(abs(n - 1), n < 1, n))
    np.testing.assert_allclose(gradient, g.astype(np.float64) * n * exact ** (n - 1), rtol=6 * np.finfo(dtype).eps)


def test_powers_of_zero_infinity_and_nan():
    x = np.float32([0.0, -0.0, INF, -INF, NAN])
    np.testing.assert_array_equal(operations.POWER(x, numbers=(2, 0)), [0, 0, INF, INF, NAN])
    np.testing.assert_array_equal(operations.POWER(x, numbers=(3, 1)), [INF, -INF, 0, 0, NAN])
    ones = np.ones(5, np.float32)
    np.testing.assert_array_equal(operations.POWER.gradient(ones, x, numbers=(0, 0, 1)), ones)


# Values and gradients at kinks and extremes: x, value, derivative. PyTorch 2.13's, where it is finite there.
KINKS = {
    "RELU": [(0, 0, 0), (NAN, NAN, 1), (-INF, 0, 0), (INF, INF, 1)],
    "LEAKY_RELU": [(0, 0, 0.1)],
    "BOUNDED": [(-0.5, -0.5, 0), (2, 2, 0), (NAN, NAN, 0), (INF, 2, 0)],
    "CLAMP": [(-0.5, -0.5, 1), (2, 2, 1), (NAN, NAN, 0), (-INF, -0.5, 0)],
    "HARDSIGMOID": [(-3, 0, 0), (3, 1, 0), (NAN, NAN, 0)],
    "HARDSWISH": [(-3, 0, 0), (3, 3, 1), (0, 0, 0.5)],
    "HARDSHRINK": [(0.5, 0, 0), (-0.5, 0, 0), (NAN, NAN, 1)],
    "SOFTSHRINK": [(0.5, 0, 0), (-0.5, 0, 0), (NAN, NAN, 1)],
    "THRESHOLD": [(0, 7, 0), (NAN, NAN, 1)],
    "ABS": [(0, 0, 0), (-INF, INF, -1)],
    "ELU": [(0, 0, 1.5 * 1.1 * 0.7), (-2000, -1.5 * 1.1, 0), (1000, 1100, 1.1)],
    "SOFTPLUS": [(1000, 1000, 1), (-1000, 0, 0)],
    "LOGSIGMOID": [(1000, 0, 0), (-1000, -1000, 1)],
    "SOFTSIGN": [(0, 0, 1)],
    "SIGMOID": [(1000, 1, 0), (-1000, 0, 0)],
    "TANH": [(1000, 1, 0), (-INF, -1, 0), (NAN, NAN, NAN)],
    "SILU": [(1000, 1000, 1), (-1000, 0, 0)],
    "GELU": [(1, 0.8413447, 1.0833155), (1000, 1000, 1), (-1000, 0, 0)],
    "GELU_TANH": [(1, 0.8411920, 1.0829641), (1000, 1000, 1), (-1000, 0, 0)],
    "MISH": [(1000, 1000, 1), (-1000, 0, 0)],
    "SQRT": [(0, 0, INF)],
    "LOG": [(0, -INF, INF)],
}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("size", [1, 600])
@pytest.mark.parametrize("name", KINKS)
def test_kinks_and_extremes(name, size, dtype):
    operation, numbers = getattr(operations, name), NUMBERS.get(name, ())
    for x, value, derivative in KINKS[name]:
        x = np.full(size, x, dtype)
        out = operation(x, numbers=numbers)
        np.testing.assert_allclose(out, value, rtol=2e-7)
        gradient = operation.gradient(np.ones_like(x), out if name in OF_VALUE else x, numbers=numbers)
        np.testing.assert_allclose(gradient, derivative, rtol=2e-6, err_msg=f"{name} at {x[0]}")


@pytest.mark.parametrize("name", ["RELU", "BOUNDED", "CLAMP", "HARDSIGMOID", "HARDSHRINK", "SOFTSHRINK", "THRESHOLD"])
def test_an_infinite_gradient_does_not_pass_where_an_operation_is_flat(name):
    operation, numbers = getattr(operations, name), NUMBERS.get(name, ())
    x = np.full(600, {"HARDSIGMOID": 5, "RELU": -1, "CLAMP": 5, "BOUNDED": 5}.get(name, 0), np.float32)
    g = np.full(600, INF, np.float32)
    out = operation(x, numbers=numbers)
    found = operation.gradient(g, out if name == "RELU" else x, numbers=numbers)
    np.testing.assert_array_equal(found, np.zeros(600, np.float32))


def test_extremes_of_two_and_their_shares(rng):
    x, y = np.float32([1, 2, 3, NAN, 1, NAN]), np.float32([2, 2, 1, 1, NAN, NAN])
    np.testing.assert_array_equal(operations.MAXIMUM(x, y), [2, 2, 3, NAN, NAN, NAN])
    np.testing.assert_array_equal(operations.MINIMUM(x, y), [1, 2, 1, NAN, NAN, NAN])
    g = np.full(3, 4, np.float32)
    np.testing.assert_array_equal(operations.MAXIMUM.gradient(g, x[:3], y[:3]), [0, 2, 4])
    np.testing.assert_array_equal(operations.MINIMUM.gradient(g, x[:3], y[:3]), [4, 2, 0])


def test_lerp_and_its_three_gradients(rng):
    g, x, end, weight = rng.standard_normal((4, 40)).astype(np.float32)
    weight[:2] = 0.5, 1  # from 0.5 it is counted from the end, exact at 1
    step = end - x
    expected = np.where(abs(weight) < 0.5, x + weight * step, end - (1 - weight) * step)
    assert expected[1] == end[1]
    np.testing.assert_array_equal(operations.LERP(x, end, weight), expected)
    inputs = [ag.tensor(a, requires_grad=True) for a in (x, end, weight)]
    out = ag.lerp(*inputs)
    np.testing.assert_array_equal(out.array, expected)
    out.backward(ag.tensor(g))
    np.testing.assert_allclose(inputs[0].grad.array, g * (1 - weight), rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(inputs[1].grad.array, g * weight)
    np.testing.assert_array_equal(inputs[2].grad.array, g * (end - x))


def test_losses_at_their_edges():
    x, y = np.float32([0, 1, 0, 1]), np.float32([0, 1, 1, 0])
    np.testing.assert_array_equal(operations.BCE(x, y), [0, 0, 100, 100])
    x, y = np.float32([1000, -1000, 1000]), np.float32([0, 0, 1])
    np.testing.assert_array_equal(operations.BCE_WITH_LOGITS(x, y), [1000, 0, 0])
    x, y = np.float32([-2, -INF, -1]), np.float32([0, 0, NAN])
    np.testing.assert_array_equal(operations.KL_DIV(x, y), [0, 0, NAN])
