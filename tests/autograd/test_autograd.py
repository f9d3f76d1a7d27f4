"""Functional derivatives, checkpoints, Function and anomaly detection."""

import gc
import weakref

import numpy as np
import pytest

import autograd_nn as ag
from autograd_nn import Tensor, autograd, manual_seed, tensor
from autograd_nn.autograd import Function, checkpoint, detect_anomaly
from autograd_nn.autograd.anomaly import AnomalyError
from autograd_nn.autograd.functional import hessian, hvp, jacobian, jvp, vjp
from autograd_nn.ops.random import dropout

A = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])


def quadratic(x):
    return (x @ Tensor(np.array([[2.0, 1.0], [1.0, 4.0]])) * x).sum()


def test_vjp_and_jvp_of_a_linear_map():
    matrix = Tensor(A)
    x, u, v = Tensor(np.array([1.0, -1.0])), Tensor(np.array([1.0, 0.0, 2.0])), Tensor(np.array([1.0, 10.0]))
    out, product = vjp(lambda x: matrix @ x, x, u)
    assert np.allclose(out.array, A @ x.array) and np.allclose(product.array, A.T @ u.array) and not out.requires_grad
    out, product = jvp(lambda x: matrix @ x, x, v)
    assert np.allclose(product.array, A @ v.array)


def test_jvp_of_a_nonlinear_map_of_two_inputs():
    x, y = Tensor(np.array([1.0, 2.0])), Tensor(np.array([3.0, 5.0]))
    v, w = Tensor(np.array([1.0, 1.0])), Tensor(np.array([2.0, -1.0]))
    _, product = jvp(lambda x, y: ag.exp(x) * y * y, (x, y), (v, w))
    expected = np.exp(x.array) * y.array**2 * v.array + np.exp(x.array) * 2 * y.array * w.array
    assert np.allclose(product.array, expected)


def test_jacobian_hessian_and_their_products():
    x = Tensor(np.array([1.0, -2.0]))
    assert np.allclose(jacobian(lambda x: Tensor(A) @ x, x).array, A)
    assert np.allclose(hessian(quadratic, x).array, [[4, 2], [2, 8]])
    value, product = hvp(quadratic, x, Tensor(np.array([1.0, 1.0])))
    assert value.item() == pytest.approx(14) and np.allclose(product.array, [6, 10])


def test_hessian_blocks_of_two_inputs():
    x, y = Tensor(np.array([1.0, 2.0])), Tensor(np.array(3.0))
    blocks = hessian(lambda x, y: (x * x).sum() * y, (x, y))
    assert np.allclose(blocks[0][0].array, 6 * np.eye(2)) and np.allclose(blocks[0][1].array, [2, 4])
    assert np.allclose(blocks[1][0].array, [2, 4]) and blocks[1][1].array == 0


def test_a_function_that_does_not_depend_on_an_input():
    x, y = Tensor(np.ones(2)), Tensor(np.ones(3))
    blocks = jacobian(lambda x, y: x * 2, (x, y))
    assert blocks[1].shape == (2, 3) and not blocks[1].array.any()


def test_errors_of_functional_derivatives():
    x = Tensor(np.ones(2))
    with pytest.raises(RuntimeError, match=r"v must have shape \(2,\), got \(3,\)"):
        vjp(lambda x: x * 2, x, Tensor(np.ones(3)))
    with pytest.raises(TypeError, match="input 0 must be a floating-point tensor, got int64"):
        jacobian(lambda x: x, tensor([1]))
    with pytest.raises(RuntimeError, match="must return one element"):
        hessian(lambda x: x * 2, x)


# ------------------------------------------------------------------------------------ checkpoint


def test_a_checkpoint_gives_the_same_gradients_and_keeps_less():
    w = Tensor(np.array([0.5, -0.5]), requires_grad=True)
    kept = []

    def block(x, w):
        hidden = ag.tanh(x * w)
        kept.append(weakref.ref(hidden.array))
        return ag.exp(hidden) * w

    x = Tensor(np.array([1.0, 2.0]), requires_grad=True)
    plain = ag.grad(block(x, w).sum(), [x, w])
    kept.clear()
    out = checkpoint(block, x, w).sum()
    gc.collect()
    assert kept[0]() is None
    again = ag.grad(out, [x, w])
    assert len(kept) == 2
    assert all(np.array_equal(a.array, b.array) for a, b in zip(plain, again))


def test_dropout_inside_a_checkpoint_is_the_same_twice():
    x = Tensor(np.ones(1000), requires_grad=True)
    manual_seed(0)
    out = checkpoint(lambda x: dropout(x, 0.5) * x, x)
    out.sum().backward()
    assert np.array_equal(x.grad.array, 2 * out.array)


def test_a_checkpoint_can_be_differentiated_twice():
    x = tensor(2.0, requires_grad=True)
    (first,) = ag.grad(checkpoint(lambda x: x * x * x, x), x, create_graph=True)
    (second,) = ag.grad(first, x)
    assert (first.item(), second.item()) == (12.0, 12.0)


# ------------------------------------------------------------------------------------ Function


class Scaled(Function):
    @staticmethod
    def forward(ctx, x, factor):
        ctx.factor = factor
        ctx.save_for_backward(x)
        return x * x * factor

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return g * x * (2 * ctx.factor), None


class SumAndDifference(Function):
    @staticmethod
    def forward(ctx, x, y):
        return x + y, x - y

    @staticmethod
    def backward(ctx, g, h):
        return g + h, g - h


class Exponential(Function):
    @staticmethod
    def forward(ctx, x):
        out = ag.exp(x)
        ctx.save_for_backward(out)
        return out

    @staticmethod
    def backward(ctx, g):
        (out,) = ctx.saved_tensors
        return g * out


def test_a_function_of_first_and_second_order():
    x = tensor([1.0, 3.0], requires_grad=True)
    (first,) = ag.grad(Scaled.apply(x, 5.0).sum(), x, create_graph=True)
    (second,) = ag.grad(first.sum(), x)
    assert first.array.tolist() == [10, 30] and second.array.tolist() == [10, 10]


def test_a_function_with_two_outputs_one_of_them_unused():
    x, y = tensor([1.0, 2.0], requires_grad=True), tensor([5.0, 5.0], requires_grad=True)
    total, difference = SumAndDifference.apply(x, y)
    (difference * 2).sum().backward()
    assert total.array.tolist() == [6, 7]
    assert x.grad.array.tolist() == [2, 2] and y.grad.array.tolist() == [-2, -2]


def test_a_function_that_saves_its_output_makes_no_cycle():
    gc.disable()
    try:
        x = tensor(1.0, requires_grad=True)
        out = Exponential.apply(x)
        dead = weakref.ref(out.node)
        (g,) = ag.grad(out, x, create_graph=True)
        (gg,) = ag.grad(g, x)
        assert gg.item() == pytest.approx(np.e)
        del out, g, gg
        assert dead() is None
    finally:
        gc.enable()


def test_a_backward_with_too_few_gradients():
    class Wrong(Function):
        @staticmethod
        def forward(ctx, x, y):
            return x * y

        @staticmethod
        def backward(ctx, g):
            return g

    x = tensor(1.0, requires_grad=True)
    with pytest.raises(RuntimeError, match=r"Wrong.backward\(\): must return one gradient per argument .*\(2\), got 1"):
        Wrong.apply(x, x).backward()


# ------------------------------------------------------------------------------------ anomalies


def test_the_first_bad_result_of_a_forward_pass_is_named():
    x = tensor([1.0, 0.0, -1.0], requires_grad=True)
    with detect_anomaly(quiet=True), pytest.raises(AnomalyError) as caught:
        y = x * 2
        ag.log(y).sum()
    message = str(caught.value)
    assert "log() returned -inf at (1,)" in message and "2 such in all" in message
    assert "from -2 to 2" in message and "test_autograd.py" in message and "ag.log(y)" in message


def test_a_bad_gradient_is_traced_to_the_line_of_its_forward_pass():
    x = tensor([4.0, 0.0], requires_grad=True)
    expected = r"in the gradient of sqrt\(\).*y = ag.sqrt\(x\)"
    with detect_anomaly(quiet=True), pytest.raises(AnomalyError, match=expected):
        y = ag.sqrt(x)
        y.sum().backward()


def test_only_what_is_asked_for_is_an_anomaly():
    x = tensor([0.0])
    with detect_anomaly(inf=False, quiet=True), np.errstate(divide="ignore"):
        ag.log(x)
    with pytest.raises(ValueError, match="nothing to detect"):
        detect_anomaly(nan=False, inf=False)


def test_it_says_that_it_is_on(capsys):
    with detect_anomaly():
        pass
    assert "detect_anomaly checks every result" in capsys.readouterr().err


def test_the_package_is_reached_by_name():
    assert autograd.grad is ag.grad


def test_anomalies_are_detected_from_here_on_until_it_is_turned_off():
    x = ag.tensor([0.0], requires_grad=True)
    ag.autograd.set_detect_anomaly(True)
    try:
        with pytest.raises(AnomalyError, match="div"):
            1 / x
        with ag.autograd.set_detect_anomaly(False):
            1 / x
        with pytest.raises(AnomalyError):
            1 / x
    finally:
        ag.autograd.set_detect_anomaly(False)
    1 / x


def test_names_of_the_rooms_above_are_here_too():
    assert ag.autograd.gradcheck is ag.testing.gradcheck and ag.autograd.inference_mode is ag.inference_mode
    with pytest.raises(AttributeError, match="no_such"):
        ag.autograd.no_such  # noqa: B018
