"""Initial values: bounds, moments, seeds, structure."""

import numpy as np
import pytest

import autograd_nn as ag
from autograd_nn import nn

init = nn.init


def drawn(function, *shape, **options):
    ag.manual_seed(3)
    return function(ag.tensor(np.empty(shape, np.float32)), **options).array


def test_default_bounds_of_layers():
    ag.manual_seed(0)
    linear = nn.Linear(100, 200)
    for values in (linear.weight.array, linear.bias.array):
        assert 0.095 < abs(values).max() <= 0.1
    assert abs(linear.weight.array.mean()) < 0.002
    np.testing.assert_allclose(linear.weight.array.std(), 0.1 / np.sqrt(3), rtol=0.02)
    conv = nn.Conv2d(8, 64, 3, groups=2)
    assert conv.weight.shape == (64, 4, 3, 3)
    for values in (conv.weight.array, conv.bias.array):
        assert 0.9 / 6 < abs(values).max() <= 1 / 6


def test_seed_decides():
    ag.manual_seed(5)
    first = nn.Linear(3, 4).state_dict()
    second = nn.Linear(3, 4)
    ag.manual_seed(5)
    again = nn.Linear(3, 4)
    np.testing.assert_array_equal(first["weight"].array, again.weight.array)
    np.testing.assert_array_equal(first["bias"].array, again.bias.array)
    assert (second.weight.array != again.weight.array).any()
    generator = ag.Generator(7)
    x = init.normal_(ag.tensor(np.empty(4)), generator=generator)
    again = init.normal_(ag.tensor(np.empty(4)), generator=generator.manual_seed(7))
    np.testing.assert_array_equal(x.array, again.array)


@pytest.mark.parametrize(
    ("function", "options", "bound"),
    [
        (init.uniform_, {"a": -0.5, "b": 0.5}, 0.5),
        (init.xavier_uniform_, {}, np.sqrt(6 / 500)),
        (init.xavier_uniform_, {"gain": 2.0}, 2 * np.sqrt(6 / 500)),
        (init.kaiming_uniform_, {}, np.sqrt(6 / 200)),
        (init.kaiming_uniform_, {"a": np.sqrt(5)}, 1 / np.sqrt(200)),
        (init.kaiming_uniform_, {"mode": "fan_out", "nonlinearity": "tanh"}, 5 / 3 * np.sqrt(3 / 300)),
    ],
)
def test_uniform_bounds(function, options, bound):
    values = drawn(function, 300, 200, **options)
    assert 0.999 * bound < abs(values).max() <= bound * (1 + 1e-6)
    np.testing.assert_allclose(values.std(), bound / np.sqrt(3), rtol=0.02)


@pytest.mark.parametrize(
    ("function", "options", "std"),
    [
        (init.normal_, {"mean": 1.0, "std": 3.0}, 3.0),
        (init.xavier_normal_, {}, np.sqrt(2 / 500)),
        (init.kaiming_normal_, {"nonlinearity": "relu"}, np.sqrt(2 / 200)),
        (init.kaiming_normal_, {"mode": "fan_out", "nonlinearity": "linear"}, np.sqrt(1 / 300)),
    ],
)
def test_normal_deviation(function, options, std):
    values = drawn(function, 300, 200, **options)
    np.testing.assert_allclose(values.std(), std, rtol=0.02)
    np.testing.assert_allclose(values.mean(), options.get("mean", 0.0), atol=0.03 * std)


def test_fan_counts_the_window():
    values = drawn(init.kaiming_uniform_, 16, 4, 3, 3, a=np.sqrt(5))
    assert abs(values).max() <= 1 / 6
    assert init.fans(ag.tensor(np.empty((16, 4, 3, 3)))) == (36, 144)
    with pytest.raises(ValueError, match="at least 2 dims"):
        init.xavier_normal_(ag.tensor([1.0]))


def test_trunc_normal():
    values = drawn(init.trunc_normal_, 200, 100, std=0.5, a=-1.0, b=0.25)
    assert values.min() >= -1 and values.max() <= 0.25 and values.max() > 0.24
    with pytest.raises(ValueError, match="a must be less than b"):
        drawn(init.trunc_normal_, 2, 2, a=1.0, b=0.0)
    with pytest.raises(ValueError, match="within 2 std"):
        drawn(init.trunc_normal_, 2, 2, mean=9.0)


def test_constants_and_structure():
    assert drawn(init.constant_, 2, val=3.5).tolist() == [3.5, 3.5]
    assert drawn(init.ones_, 2).tolist() == [1, 1] and drawn(init.zeros_, 2).tolist() == [0, 0]
    np.testing.assert_array_equal(drawn(init.eye_, 3, 4), np.eye(3, 4))
    conv = nn.Conv2d(4, 4, 3, padding=1, groups=2, bias=False)
    init.dirac_(conv.weight, groups=2)
    x = ag.randn(1, 4, 5, 5)
    np.testing.assert_array_equal(conv(x).array, x.array)
    for shape in ((3, 5), (5, 3), (4, 2, 2)):
        q = drawn(init.orthogonal_, *shape, gain=2.0).reshape(shape[0], -1)
        gram = q @ q.T if shape[0] <= q.shape[1] else q.T @ q
        np.testing.assert_allclose(gram, 4 * np.eye(len(gram)), atol=1e-5)
    assert (drawn(init.sparse_, 10, 4, sparsity=0.25) == 0).sum(0).tolist() == [3, 3, 3, 3]


def test_gains():
    assert init.calculate_gain("relu") == np.sqrt(2) and init.calculate_gain("tanh") == 5 / 3
    assert init.calculate_gain("selu") == 0.75 and init.calculate_gain("conv2d") == 1
    assert init.calculate_gain("leaky_relu", 0.2) == np.sqrt(2 / 1.04)
    with pytest.raises(ValueError, match="unknown nonlinearity 'gelo'"):
        init.calculate_gain("gelo")


def test_writes_in_place_into_parameters_and_arrays():
    layer = nn.Linear(2, 2)
    assert init.zeros_(layer.weight) is layer.weight and layer.weight.requires_grad
    init.normal_(layer.weight.array, 0.0, 0.02)
    assert 0 < abs(layer.weight.array).max() < 0.2
    x = ag.randn(1, 2)
    loss = layer(x.requires_grad_()).sum()
    init.ones_(layer.weight.array)
    with pytest.raises(RuntimeError, match="changed in place"):
        loss.backward()
    with pytest.raises(TypeError, match="expects a tensor or an array, got list"):
        init.ones_([1.0])
    with pytest.raises(TypeError, match="floating-point"):
        init.uniform_(ag.tensor([1, 2]))
    with pytest.raises(ValueError, match="mode must be"):
        init.kaiming_normal_(layer.weight, mode="fan")
