"""gradcheck and gradgradcheck: what they accept, what they find, what they report."""

import numpy as np
import pytest

import autograd_nn as ag
from autograd_nn import Tensor, primitive, tensor
from autograd_nn.engine import elementwise
from autograd_nn.ops.elementwise import exp, mul, square
from autograd_nn.testing import gradcheck, gradgradcheck

seeded = np.random.default_rng(5)


def leaf(*shape, dtype=np.float64):
    return Tensor(seeded.standard_normal(shape).astype(dtype), requires_grad=True)


@elementwise
def cube_with_wrong_gradient(x):
    return x**3


cube_with_wrong_gradient.defvjp(x=lambda g, x: mul(g, mul(square(x), 2.0)))


@elementwise
def square_with_wrong_second_gradient(x):
    return x * x


@elementwise
def doubled_without_gradient(g, x):
    return 2 * g * x


square_with_wrong_second_gradient.defvjp(x=lambda g, x: doubled_without_gradient(g, x))
doubled_without_gradient.defvjp(g=lambda h, x: mul(mul(h, x), 2.0))


@primitive
def first_element_lost(x):
    return x * 1.0


@primitive
def _without_first(g):
    g = g.copy()
    g.flat[0] = 0
    return g


first_element_lost.defvjp(x=lambda g: _without_first(g))
_without_first.defvjp(g=lambda h: _without_first(h))


@pytest.mark.parametrize("fast_mode", [False, True])
def test_right_gradients_pass(fast_mode):
    x, y = leaf(2, 3), leaf(3)
    assert gradcheck(lambda x, y: exp(x) * y, (x, y), fast_mode=fast_mode)
    assert gradgradcheck(lambda x, y: exp(x) * y, (x, y), fast_mode=fast_mode)


@pytest.mark.parametrize("fast_mode", [False, True])
def test_wrong_gradients_fail(fast_mode):
    with pytest.raises(RuntimeError, match=r"gradient of input 0 \(shape=\(4,\)\)"):
        gradcheck(cube_with_wrong_gradient, leaf(4), fast_mode=fast_mode)
    assert not gradcheck(cube_with_wrong_gradient, leaf(4), fast_mode=fast_mode, raise_exception=False)


def test_the_report_names_input_element_both_values_and_the_difference():
    x, y = leaf(2, 3), leaf(2, 3)
    with pytest.raises(RuntimeError) as caught:
        gradcheck(lambda x, y: x + first_element_lost(y), (x, y))
    report = str(caught.value)
    assert "input 1" in report and "in 1 of 6 elements" in report and "[0, 0]: analytic 0, numeric" in report
    assert "off by" in report


def test_a_wrong_second_gradient_fails_only_the_second_check():
    x = leaf(3)
    assert gradcheck(square_with_wrong_second_gradient, x)
    with pytest.raises(RuntimeError, match="disagrees"):
        gradgradcheck(square_with_wrong_second_gradient, x)


def test_float32_inputs_are_converted():
    x = leaf(3, dtype=np.float32)
    assert gradcheck(lambda x: x.exp() * x, x, atol=1e-8, rtol=1e-6)
    assert x.dtype == np.float32 and x.grad is None


def test_a_function_that_computes_in_float32_is_refused():
    with pytest.raises(TypeError, match="float32 for float64 inputs"):
        gradcheck(lambda x: x.float() * 2, leaf(3))


def test_inputs_are_not_touched():
    x = leaf(3)
    before = x.array.copy()
    gradcheck(lambda x: x.exp(), x)
    assert (x.array == before).all() and x.grad is None


@pytest.mark.parametrize(
    "view",
    [
        lambda a: a.T,
        lambda a: a[::2, 1:],
        lambda a: a[::-1],
        lambda a: np.broadcast_to(a[0], (3, 4)),
        lambda a: a[:, 2],
    ],
)
def test_strides_are_kept(view):
    strides = []

    def function(x):
        strides.append(x.array.strides)
        return x * x

    array = view(seeded.standard_normal((5, 4)))
    x = Tensor(array)
    x.array = array
    x.requires_grad = True
    assert gradcheck(function, x)
    expected = array.strides if 0 not in array.strides else np.ascontiguousarray(array).strides
    assert set(strides) == {expected}


@pytest.mark.parametrize("shape", [(), (0,), (2, 0, 3)])
def test_zero_dims_and_no_elements(shape):
    assert gradcheck(lambda x: x * x, leaf(*shape))
    assert gradgradcheck(lambda x: x * x, leaf(*shape))


def test_several_outputs_and_integer_outputs():
    assert gradcheck(lambda x: (x * x, x.argmax(), x.exp()), leaf(4))
    assert gradgradcheck(lambda x: (x * x, x.argmax(), x.exp()), leaf(4))


def test_outputs_without_gradient_must_not_change():
    assert gradcheck(lambda x: x.floor(), tensor([0.5, 1.5], requires_grad=True))
    with pytest.raises(RuntimeError, match="analytic 0, numeric"):
        gradcheck(lambda x: x.detach() * 2, leaf(2))


def test_arguments_that_are_not_checked_are_handed_over():
    assert gradcheck(lambda x, power, y: (x + y) ** power, (leaf(2), 2, Tensor(np.ones(2))))


def test_no_input_with_gradient_is_an_error():
    with pytest.raises(ValueError, match="no input requires a gradient"):
        gradcheck(lambda x: x, Tensor(np.ones(2)))


def test_random_functions_are_found_out():
    with pytest.raises(RuntimeError, match="another result when called again"):
        gradcheck(lambda x: x * float(seeded.random()), leaf(2))


def test_changing_an_input_is_found_out():
    def function(x):
        x.array[0] += 1
        return Tensor(np.ones(2)) * 0 + x.detach() * 0 + 1

    with pytest.raises(RuntimeError, match="changed its input 0"):
        gradcheck(function, leaf(2))


@pytest.mark.parametrize(("actual", "expected", "settings", "error"), [
    (ag.tensor([1.0]), ag.tensor([1.0 + 1e-6]), {}, None),
    (ag.tensor([1.0]), ag.tensor([1.001]), {}, r"1 of 1 elements differ, by at most 0.0010000\d* at \[0\]"),
    (ag.tensor([1.0]), ag.tensor([1.001]), {"rtol": 0, "atol": 0.01}, None),
    (ag.tensor([1, 2]), ag.tensor([1, 3]), {}, r"1 of 2 elements differ, by at most 1 at \[1\]"),
    (ag.tensor([float("nan")]), ag.tensor([float("nan")]), {}, "1 of 1 elements differ"),
    (ag.tensor([float("nan")]), ag.tensor([float("nan")]), {"equal_nan": True}, None),
    (ag.tensor([True]), ag.tensor([False]), {}, "1 of 1 elements differ"),
    (ag.zeros(2), ag.zeros(3), {}, r"the shapes differ \(\(2,\) and \(3,\)\)"),
    (ag.zeros(2), ag.zeros(2).double(), {}, r"the dtypes differ \(float32 and float64\)"),
    (ag.zeros(2), ag.zeros(2).double(), {"check_dtype": False}, None),
    ([ag.zeros(2), 1], [ag.zeros(2), 2], {}, r"elements differ in item 1"),
    ({"a": ag.zeros(2)}, {"b": ag.zeros(2)}, {}, r"the keys differ"),
    ({"a": [ag.zeros(2)]}, {"a": [ag.ones(2)]}, {}, r"in item 'a' in item 0"),
    ([1], [1, 2], {}, r"the lengths differ \(1 and 2\)"),
    (2, 2.0, {}, None),
    (ag.zeros(0), ag.zeros(0), {}, None),
    (ag.tensor([1 + 1j]), ag.tensor([1 + 2j]), {}, "1 of 1 elements differ, by at most 1.0"),
])
def test_assert_close(actual, expected, settings, error):
    if error is None:
        ag.testing.assert_close(actual, expected, **settings)
        return
    with pytest.raises(AssertionError, match=error):
        ag.testing.assert_close(actual, expected, **settings)
    with pytest.raises(AssertionError, match=r"^mine$"):
        ag.testing.assert_close(actual, expected, **settings, msg="mine")


def test_assert_close_refuses_half_a_tolerance():
    with pytest.raises(ValueError, match="rtol and atol must be given together"):
        ag.testing.assert_close(1.0, 1.0, rtol=0.1)
    with pytest.raises(TypeError, match="compares tensors, arrays and numbers"):
        ag.testing.assert_close(object(), object())
