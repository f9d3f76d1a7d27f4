import math

import numpy as np
import pytest

from autograd_nn import Tensor, nn
from autograd_nn.nn.utils import clip_grad_norm_, clip_grad_value_, clip_grads_with_norm_, get_total_norm


def parameters(*gradients, dtype=np.float32):
    params = []
    for g in gradients:
        p = Tensor(np.zeros_like(np.asarray(g, dtype)), requires_grad=True)
        p.grad = Tensor(np.asarray(g, dtype))
        params.append(p)
    return params


@pytest.mark.parametrize(("order", "norm"), [(2, 5.0), (2.0, 5.0), (1, 7.0), (math.inf, 4.0), ("inf", 4.0), (0, 2.0),
                                             (3, 91 ** (1 / 3))])
def test_the_norm_before_is_returned_and_the_gradients_scaled(order, norm):
    p, q, without = *parameters([3.0, 0.0], [[-4.0]]), Tensor([1.0], requires_grad=True)
    array = p.grad.array
    total = clip_grad_norm_((x for x in [p, q, without]), 1.0, order)
    assert total.dtype == np.float32 and total.shape == () and total.item() == pytest.approx(norm)
    np.testing.assert_allclose(p.grad.array, [3 / (norm + 1e-6), 0], rtol=1e-6)
    np.testing.assert_allclose(q.grad.array, [[-4 / (norm + 1e-6)]], rtol=1e-6)
    assert p.grad.array is array and without.grad is None


def test_small_gradients_stay_to_the_bit():
    p, = parameters([0.3, 0.4])
    before = p.grad.array.tobytes()
    assert clip_grad_norm_(p, 0.6).item() == pytest.approx(0.5)
    assert p.grad.array.tobytes() == before


def test_after_clipping_the_norm_is_the_limit():
    rng = np.random.default_rng(0)
    params = parameters(*(rng.normal(size=s) for s in [(30, 40), (7,), ()]))
    clip_grad_norm_(params, 0.5)
    assert get_total_norm([p.grad for p in params]).item() == pytest.approx(0.5, rel=1e-5)


@pytest.mark.parametrize("size", [1e30, 1e-30])
def test_sizes_whose_squares_leave_float32(size):
    p, = parameters([3 * size, 4 * size])
    assert get_total_norm([p.grad]).item() == pytest.approx(5 * size, rel=1e-6)
    clip_grad_norm_([p], 1.0)
    if size > 1:
        np.testing.assert_allclose(p.grad.array, [0.6, 0.8], rtol=1e-6)


def test_float64_keeps_its_precision():
    p, = parameters([1.0, 1e-9], dtype=np.float64)
    total = get_total_norm(p.grad)
    assert total.dtype == np.float64 and get_total_norm([]).item() == 0.0
    assert clip_grad_norm_([Tensor([1.0], requires_grad=True)], 1.0).item() == 0.0


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_gradients_that_are_not_finite(bad):
    p, q = parameters([1.0, bad], [2.0])
    with pytest.raises(RuntimeError, match="not finite, in 1 of 2 tensors"):
        clip_grad_norm_([p, q], 1.0, error_if_nonfinite=True)
    assert q.grad.item() == 2.0
    total = clip_grad_norm_([p, q], 1.0)
    assert not math.isfinite(total.item()) and q.grad.item() != 2.0


def test_clipping_by_value():
    p, q = parameters([-3.0, 0.25, 2.0], [[1.0]])
    array = p.grad.array
    clip_grad_value_([p, q, Tensor([1.0], requires_grad=True)], 0.5)
    assert p.grad.array.tolist() == [-0.5, 0.25, 0.5] and q.grad.array.tolist() == [[0.5]] and p.grad.array is array


def test_scaling_by_a_given_norm():
    p, = parameters([3.0, 4.0])
    clip_grads_with_norm_([p], 1.0, Tensor(10.0))
    np.testing.assert_allclose(p.grad.array, [0.3, 0.4], rtol=1e-6)


def test_a_model_is_clipped_as_by_pytorch():
    torch = pytest.importorskip("torch")
    layer = nn.Linear(4, 3)
    layer(Tensor(np.full((2, 4), 5.0, np.float32))).pow(2).sum().backward()
    theirs = [torch.tensor(p.array, requires_grad=True) for p in layer.parameters()]
    for p, t in zip(layer.parameters(), theirs):
        t.grad = torch.tensor(p.grad.array)
    expected = torch.nn.utils.clip_grad_norm_(theirs, 0.7)
    assert clip_grad_norm_(layer.parameters(), 0.7).item() == pytest.approx(expected.item(), rel=1e-6)
    for p, t in zip(layer.parameters(), theirs):
        np.testing.assert_allclose(p.grad.array, t.grad.numpy(), rtol=1e-5)
