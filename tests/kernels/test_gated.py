"""GELU and SiLU kernels beside NumPy and the standard library."""

import math

import numpy as np
import pytest

from autograd_nn.kernels import gated
from autograd_nn.kernels.compile import get_num_threads, set_num_threads

erf = np.vectorize(math.erf, otypes=[np.float64])
ARRAY = np.concatenate([np.linspace(-9, 9, 1501), [0.0, -0.0, 200.0, -200.0]])


def cdf(x):
    return 0.5 * (1 + erf(x * math.sqrt(0.5)))


def logistic(x):
    return 0.5 * (1 + np.tanh(0.5 * x))


NAIVE = {
    "gelu": lambda x: x * cdf(x),
    "gelu_input": lambda g, x: g * (cdf(x) + x * np.exp(-0.5 * x * x) / math.sqrt(2 * math.pi)),
    "silu": lambda x: x * logistic(x),
    "silu_input": lambda g, x: g * logistic(x) * (1 + x * (1 - logistic(x))),
}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", NAIVE)
def test_values(name, dtype):
    arrays = [np.cos(ARRAY), ARRAY][-1 if not name.endswith("input") else 0 :]
    arrays = [array.astype(dtype) for array in arrays]
    out = getattr(gated, name)(*arrays)
    assert out.dtype == dtype
    tolerance = 2e-6 if dtype == np.float32 else 1e-13
    expected = NAIVE[name](*(array.astype(np.float64) for array in arrays))
    assert np.allclose(out, expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("name", NAIVE)
def test_strides_emptiness_and_threads(name):
    count = 2 if name.endswith("input") else 1
    view = np.random.default_rng(0).standard_normal((300, 400)).astype(np.float32).T[::2]
    view.flags.writeable = False
    out = getattr(gated, name)(*[view] * count)
    assert np.array_equal(out, getattr(gated, name)(*[view.copy()] * count)) and out.shape == view.shape
    assert getattr(gated, name)(*[np.zeros((0, 3), np.float32)] * count).shape == (0, 3)
    threads = get_num_threads()
    set_num_threads(1)
    try:
        assert np.array_equal(out, getattr(gated, name)(*[view] * count))
    finally:
        set_num_threads(threads)
