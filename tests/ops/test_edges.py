"""Edges that mutation testing found without a test: sizes, defaults and settings that look alike in small cases."""

import numpy as np
import pytest

import autograd_nn as ag
from autograd_nn import manual_seed, optim, tensor
from autograd_nn.nn import functional as F


def normal(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


@pytest.mark.parametrize("size", [1, 3, 5])
def test_gru_of_hidden_sizes_that_are_not_two(size):
    """One step by PyTorch's equations, by hand; at size 2, 2 * size is 2 ** size."""
    gru = ag.nn.GRU(4, size)
    x, h = normal(1, 2, 4), normal(2, size, seed=1)
    (wi, wh, bi, bh) = (p.array for p in gru.parameters())
    gi, gh = x[0] @ wi.T + bi, h @ wh.T + bh
    r, z = (sigmoid(gi[:, i * size : (i + 1) * size] + gh[:, i * size : (i + 1) * size]) for i in (0, 1))
    n = np.tanh(gi[:, 2 * size :] + r * gh[:, 2 * size :])
    out, _ = gru(tensor(x), tensor(h[None]))
    np.testing.assert_allclose(out.array[0], (1 - z) * n + z * h, 1e-5, 1e-6)


def test_dropout_draws_its_masks_from_a_large_range_of_seeds():
    manual_seed(0)
    masks = {F.dropout(tensor(np.ones(64, np.float32)), 0.5).array.tobytes() for _ in range(300)}
    assert len(masks) == 300


@pytest.mark.parametrize("make", [ag.zeros_like, ag.ones_like, ag.empty_like, ag.rand_like, ag.randn_like])
def test_what_is_like_a_tensor_requires_a_gradient_only_where_asked(make):
    x = tensor([1.0, 2.0], requires_grad=True)
    assert not make(x).requires_grad and make(x, requires_grad=True).requires_grad


def test_linear_of_many_features():
    """Sizes above 256 are equal integers but not the same objects."""
    x, w = normal(2, 300), normal(3, 300, seed=1)
    np.testing.assert_allclose(F.linear(tensor(x), tensor(w)).array, x @ w.T, 1e-4, 1e-4)


@pytest.mark.parametrize("size, kernel", [((4, 6), (2, 3)), ((5, 5), (2, 2)), ((3, 4), (3, 2))])
def test_fold_adds_what_unfold_took(size, kernel):
    x = normal(2, 3, *size)
    columns = F.unfold(tensor(x), kernel)
    count = F.fold(F.unfold(tensor(np.ones_like(x)), kernel), size, kernel)
    np.testing.assert_allclose(F.fold(columns, size, kernel).array, x * count.array, 1e-5, 1e-6)


@pytest.mark.parametrize("mode", ["nearest", "area"])
def test_align_corners_is_refused_where_it_has_no_meaning(mode):
    with pytest.raises((ValueError, NotImplementedError)):
        F.interpolate(tensor(normal(1, 1, 4, 4)), size=8, mode=mode, align_corners=False)


@pytest.mark.parametrize("beta", [0.5, 1, 3])
def test_softplus_of_any_beta(beta):
    x = normal(20) * 3
    np.testing.assert_allclose(F.softplus(tensor(x), beta).array, np.log1p(np.exp(beta * x)) / beta, 1e-4, 1e-6)


def test_a_cycle_may_rise_in_one_step():
    optimizer = optim.SGD([tensor([0.0], requires_grad=True)], lr=0.1)
    schedule = optim.lr_scheduler.CyclicLR(optimizer, 0.1, 0.5, step_size_up=1, step_size_down=2, cycle_momentum=False)
    rates = [schedule.get_last_lr()[0]]
    for _ in range(3):
        optimizer.param_groups[0]["params"][0].grad = tensor([0.0])
        optimizer.step()
        schedule.step()
        rates.append(schedule.get_last_lr()[0])
    np.testing.assert_allclose(rates, [0.1, 0.5, 0.3, 0.1])


def test_batch_norm_by_running_statistics():
    x, mean, var = normal(6, 3), normal(3, seed=1), np.abs(normal(3, seed=2)) + 0.1
    weight, bias = normal(3, seed=3), normal(3, seed=4)
    out = F.batch_norm(*map(tensor, (x, mean, var, weight, bias)))
    np.testing.assert_allclose(out.array, (x - mean) / np.sqrt(var + 1e-5) * weight + bias, 1e-5, 1e-5)


@pytest.mark.parametrize("dim", [1, -2, 2])
def test_a_tensor_without_dims_has_dims_0_and_minus_1_only(dim):
    x = tensor(3.0)
    assert x.sum(0).item() == x.sum(-1).item() == 3
    with pytest.raises(IndexError, match="dim must be from -1 to 0"):
        x.sum(dim)


@pytest.mark.filterwarnings("ignore:overflow encountered in cast")
def test_sums_of_float16_do_not_overflow_on_the_way():
    """Parts of the sum pass 65504, the largest float16; the layout in memory makes no difference."""
    x = np.full((40, 30), 3000, np.float16)
    x[20:] = -3000
    x[0, 0] = 3010
    for array in (x, np.asfortranarray(x), x[::-1]):
        assert tensor(array).sum().item() == 10 and tensor(array).mean().dtype == np.float16
        assert np.isinf(tensor(array).var().array) and tensor(array / 100).var().item() == pytest.approx(900, rel=0.01)


def test_roots_as_powers_are_those_of_pytorch():
    x = ag.tensor([4.0, 0.0, -0.0, np.inf, -np.inf, -1.0])
    assert str((x**0.5).tolist()) == "[2.0, 0.0, -0.0, inf, nan, nan]"
    assert str((x**-0.5).tolist()) == "[0.5, inf, -inf, 0.0, nan, nan]"
    roots = ag.tensor([4.0, 0.25], requires_grad=True)
    ((roots**0.5).sum() + (roots**-0.5).sum()).backward()
    assert roots.grad.tolist() == [0.25 - 1 / 16, 1 - 4]


@pytest.mark.parametrize(("shape", "dim"), [((40, 7, 30), 1), ((60, 50), 0), ((50, 60), -1)])
def test_many_elements_are_picked_as_few(shape, dim):
    rng = np.random.default_rng(0)
    values, index = rng.standard_normal(shape).astype(np.float32), rng.integers(0, shape[dim], shape)
    weights = rng.standard_normal(shape).astype(np.float32)
    x = ag.tensor(values, requires_grad=True)
    out = ag.gather(x, dim, ag.tensor(index))
    np.testing.assert_array_equal(out.array, np.take_along_axis(values, index, dim))
    out.backward(weights)
    expected = np.zeros(shape)
    places = list(np.indices(shape, sparse=True))
    places[dim] = index
    np.add.at(expected, tuple(places), weights)
    np.testing.assert_allclose(x.grad.array, expected, 1e-5, 1e-6)
    index[(0,) * len(shape)] = shape[dim]
    with pytest.raises(IndexError, match=f"index {shape[dim]} is out of range for a dim of size {shape[dim]}"):
        ag.take_along_dim(x, ag.tensor(index), dim)
