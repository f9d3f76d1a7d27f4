"""Public functions beside PyTorch's of the same name: the same call must give the same values and gradients."""

import numpy as np
import pytest

import autograd_nn as ag
from tests.robustness.exactness import evaluated

from .expressions import EXPRESSIONS, UNDIFFERENTIATED

torch = pytest.importorskip("torch")
WITHOUT_GRADIENT = {row[0] for row in UNDIFFERENTIATED}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("call", "arrays", "names"),
    EXPRESSIONS,
    ids=lambda v: v if isinstance(v, str) else "",
)
def test_call(call, arrays, names):
    given = {name: np.array(array) for name, array in zip(names.split(), arrays)}
    leaves = [name for name, array in given.items() if array.dtype.kind in "fc" and name not in "gt"]
    found, gradients = evaluated(ag, call, given, float, leaves, call not in WITHOUT_GRADIENT)
    expected, expected_gradients = evaluated(torch, call, given, float, leaves, call not in WITHOUT_GRADIENT)
    assert [a.shape for a in found] == [a.shape for a in expected]
    assert [a.dtype for a in found] == [a.dtype for a in expected]
    for a, b in zip(found, expected):
        rounding = 1e-6 if b.dtype == np.float32 else 1e-9  # of integers, and of numbers alone
        assert np.allclose(a, b, rtol=rounding, atol=rounding, equal_nan=True)
    for g, h in zip(gradients, expected_gradients):
        assert np.allclose(0.0 if g is None else g, 0.0 if h is None else h, rtol=1e-7, atol=1e-8, equal_nan=True)
