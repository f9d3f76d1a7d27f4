"""The default dtype: who honours it, and that nothing else changes."""

import numpy as np
import pytest

import autograd_nn as ag
from autograd_nn import nn


@pytest.fixture
def double():
    ag.set_default_dtype(ag.float64)
    yield
    ag.set_default_dtype(ag.float32)


def test_the_default_dtype_is_float32():
    assert ag.get_default_dtype() == ag.float32


@pytest.mark.parametrize("make", [
    lambda: ag.zeros(2), lambda: ag.ones(2), lambda: ag.empty(2), lambda: ag.full((2,), 1.5), lambda: ag.eye(2),
    lambda: ag.arange(0, 1, 0.5), lambda: ag.linspace(0, 1, 3), lambda: ag.tensor([1.5]), lambda: ag.tensor(1.5),
    lambda: ag.rand(2), lambda: ag.randn(2), lambda: ag.normal(0.0, 1.0, (2,)), lambda: ag.tensor([1]) / 2,
    lambda: ag.tensor([1]) * 1.5, lambda: ag.sqrt(ag.tensor([4])), lambda: ag.add(ag.tensor([1]), [0.5]),
    lambda: nn.Linear(2, 2).weight, lambda: nn.Conv2d(1, 1, 1).bias, lambda: nn.BatchNorm2d(2).running_var,
    lambda: nn.LSTM(2, 2).weight_hh_l0, lambda: nn.Embedding(2, 2).weight,
    lambda: nn.MultiheadAttention(4, 2).in_proj_weight, lambda: nn.Parameter(ag.zeros(2)),
    lambda: nn.Transformer.generate_square_subsequent_mask(2), lambda: nn.init.xavier_normal_(ag.empty(2, 2)),
])  # fmt: skip
def test_what_is_new_has_the_default_dtype(double, make):
    assert make().dtype == np.float64


def test_what_has_a_dtype_keeps_it(double):
    x = ag.ones(3, dtype=ag.float32)
    assert (x * 1.5 + 2).dtype == ag.zeros_like(x).dtype == ag.tensor(np.ones(2, np.float32)).dtype == np.float32
    assert ag.tensor([1]).dtype == np.int64
    assert nn.Linear(2, 2).float().weight.dtype == np.float32
    assert repr(ag.tensor([1.5])) == "tensor([1.5])"


def test_other_dtypes_are_refused():
    with pytest.raises(TypeError, match=r"set_default_dtype\(\): d must be float32 or float64 \(d=int64\)"):
        ag.set_default_dtype(ag.int64)


@pytest.mark.parametrize("name", ["abs", "exp", "sign", "square", "lgamma", "i0", "sigmoid", "neg", "floor", "erf"])
def test_a_number_alone_is_a_tensor_without_dims(name):
    function = getattr(ag, name, None) or getattr(ag.special, name)
    out = function(2.0)
    assert out.shape == () and out.dtype == np.float32 and out.item() == function(ag.tensor(2.0)).item()
