"""What operations do at their edges: the values are PyTorch 2.13's, measured and written down."""

import math

import numpy as np
import pytest

import autograd_nn as ag
from autograd_nn import Tensor, tensor
from autograd_nn.nn import functional as F
from autograd_nn.ops import activation, attention, conv, loss, normalization, pad, pool, resize, scan
from autograd_nn.ops.index import embedding, one_hot

pytestmark = pytest.mark.filterwarnings("ignore:.*:RuntimeWarning")

inf, nan = math.inf, math.nan


def slope(function, *values):
    """Return the derivatives of the sum of a function at the given values."""
    x = tensor([float(v) for v in values], requires_grad=True)
    function(x).sum().backward()
    return x.grad.tolist()


def gradients(function, *arrays):
    leaves = [tensor(np.array(a, np.float32), requires_grad=True) for a in arrays]
    function(*leaves).sum().backward()
    return [x.grad.tolist() for x in leaves]


def same(found, expected, tolerance=1e-4):
    return np.allclose(np.asarray(found, float), np.asarray(expected, float), rtol=0, atol=tolerance, equal_nan=True)


# ------------------------------------------------------------------------------------ dtypes


def f32(*shape):
    return Tensor(np.ones(shape, np.float32))


def f64(*shape):
    return Tensor(np.ones(shape, np.float64))


@pytest.mark.parametrize(
    ("compute", "dtype"),
    [
        (lambda: f32(2) + 1.5, "float32"),
        (lambda: f32(2) + f64(), "float32"),
        (lambda: f32(2) + f64(1), "float64"),
        (lambda: f32(2) + np.float64(2), "float32"),
        (lambda: np.float64(2) * f32(2), "float32"),
        (lambda: np.ones(2) * f32(2), "float64"),
        (lambda: Tensor([1, 2]) + 1.5, "float32"),
        (lambda: Tensor([1, 2]) + 1, "int64"),
        (lambda: Tensor([1, 2]) / Tensor([1, 2]), "float32"),
        (lambda: Tensor([True, False]).sum(), "int64"),
        (lambda: Tensor(np.ones(3, np.int32)).sum(), "int64"),
        (lambda: Tensor(np.ones(3, np.int32)).cumsum(0), "int64"),
        (lambda: Tensor(np.ones(3, np.int32)).prod(), "int64"),
        (lambda: Tensor([4, 9]).sqrt(), "float32"),
        (lambda: f32(2) * Tensor([1, 2]), "float32"),
        (lambda: tensor(3.0), "float32"),
        (lambda: ag.from_numpy(np.ones(2)), "float64"),
        (lambda: ag.cat([f32(2), f64(2)]), "float64"),
        (lambda: f32(2) == 1, "bool"),
        (lambda: f32(2) > np.float64(1), "bool"),
        (lambda: ag.where(Tensor([True, False]), f32(2), 0.0), "float32"),
        (lambda: ag.arange(3), "int64"),
        (lambda: ag.arange(0, 1, 0.1), "float32"),
        (lambda: ag.full((2,), 1.5), "float32"),
        (lambda: ag.full((2,), 1), "int64"),
        (lambda: ag.zeros(2), "float32"),
        (lambda: ag.zeros_like(f64(2)), "float64"),
        (lambda: Tensor([1.5]).clamp(0, 1), "float32"),
        (lambda: Tensor([1]).clamp(0.5), "float32"),
        (lambda: f32(2).softmax(0), "float32"),
        (lambda: f32(2).norm(), "float32"),
        (lambda: f32(2).argmax(), "int64"),
        (lambda: one_hot(Tensor([1, 0])), "int64"),
    ],
)
def test_dtype_of_the_result(compute, dtype):
    assert compute().dtype == np.dtype(dtype)


def test_sums_of_small_integers_do_not_overflow():
    assert Tensor(np.ones(300, np.uint8)).sum().item() == 300


@pytest.mark.parametrize(
    "compute",
    [
        lambda: f32(2, 2) @ f64(2, 2),
        lambda: conv.conv2d(f32(1, 1, 3, 3), f64(1, 1, 2, 2)),
        lambda: Tensor([1, 2]).mean(),
        lambda: Tensor([1, 2]).var(),
        lambda: Tensor([1, 2]).softmax(0),
    ],
)
def test_dtypes_that_do_not_go_together(compute):
    with pytest.raises(RuntimeError, match=r"\(\): .*dtype"):
        compute()


def test_arange_has_as_many_elements_as_fit():
    assert ag.arange(0, 1, 0.1).shape == (10,)
    assert ag.arange(5, 0, -2).tolist() == [5, 3, 1]


# ------------------------------------------------------------------------------------ kinks


@pytest.mark.parametrize(
    ("function", "at", "expected"),
    [
        (ag.relu, [0.0, -1, 2], [0, 0, 1]),
        (ag.relu, [nan], [1]),
        (activation.leaky_relu, [0.0, 1], [0.01, 1]),
        (activation.relu6, [0.0, 6, 3, 7], [0, 0, 1, 0]),
        (activation.hardtanh, [-1.0, 1, 0], [0, 0, 1]),
        (ag.abs, [0.0, -2], [0, -1]),
        (ag.sign, [0.0, 3], [0, 0]),
        (ag.floor, [0.5], [0]),
        (ag.round, [0.5], [0]),
        (ag.sqrt, [0.0], [inf]),
        (lambda x: x.norm(), [0.0, 0], [0, 0]),
        (lambda x: x.norm(1), [0.0, 0], [0, 0]),
        (lambda x: x.norm(3), [0.0, 0], [0, 0]),
        (activation.elu, [0.0], [1]),
        (activation.selu, [0.0], [1.7581]),
        (activation.celu, [0.0], [1]),
        (activation.hardsigmoid, [-3.0, 3, 0], [0, 0, 1 / 6]),
        (activation.hardswish, [-3.0, 3, 0], [0, 1, 0.5]),
        (activation.softsign, [0.0], [1]),
        (lambda x: x.clamp(-1, 1), [-1.0, 1, 0, 2, -2], [1, 1, 1, 0, 0]),
        (lambda x: x.clamp(-1, 1), [nan], [0]),
        (lambda x: x.clamp(min=0), [0.0], [1]),
        (lambda x: x.clamp(Tensor([-1.0]), Tensor([1.0])), [-1.0, 1, 0, 2, -2], [1, 1, 1, 0, 0]),
        (lambda x: x**2, [0.0], [0]),
        (lambda x: x**0, [0.0], [0]),
        (lambda x: x**1, [0.0], [1]),
        (lambda x: x**0.5, [0.0], [inf]),
        (lambda x: 1 / x, [0.0], [-inf]),
        (lambda x: x / 0, [1.0], [inf]),
        (lambda x: x.prod(), [2.0, 0, 3], [0, 6, 0]),
        (lambda x: x.prod(), [0.0, 0, 3], [0, 0, 0]),
        (lambda x: x.cumprod(0), [2.0, 0, 3], [1, 8, 0]),
        (lambda x: x.max(), [1.0, 2, 2], [0, 0.5, 0.5]),
        (lambda x: x.min(), [1.0, 1, 2], [0.5, 0.5, 0]),
        (lambda x: x.amax(), [1.0, 2, 2], [0, 0.5, 0.5]),
        (lambda x: x.max(0).values, [1.0, 2, 2], [0, 1, 0]),
        (lambda x: x.topk(1).values, [1.0, 2, 2], [0, 1, 0]),
        (lambda x: x.sort(0).values[:1], [2.0, 1, 1], [0, 1, 0]),
        (lambda x: x.std(), [2.0, 2, 2], [0, 0, 0]),
        (lambda x: x.logsumexp(0), [-inf, -inf], [nan, nan]),
        (lambda x: x[[2, 1, 2]], [0.0, 0, 0], [0, 1, 2]),
        (lambda x: x.gather(0, Tensor([0, 0, 1])), [0.0, 0, 0], [2, 1, 0]),
        (lambda x: ag.where(x > 0, ag.log(x), 0.0), [0.0, 1.0], [nan, 1]),
        (lambda x: F.l1_loss(x, Tensor([0.0]), reduction="sum"), [0.0], [0]),
    ],
)
def test_derivative_at_the_kink(function, at, expected):
    assert same(slope(function, *at), expected)


def test_derivatives_of_two_tensors_at_ties():
    assert gradients(ag.maximum, [1.0], [1.0]) == [[0.5], [0.5]]
    assert gradients(ag.minimum, [1.0], [1.0]) == [[0.5], [0.5]]
    assert gradients(ag.fmax, [1.0, nan], [1.0, 2.0]) == [[1.0, 0.0], [0.0, 1.0]]
    assert gradients(ag.pow, [0.0], [2.0]) == [[0.0], [0.0]]
    assert gradients(ag.atan2, [0.0], [0.0]) == [[0.0], [0.0]]
    assert same(gradients(ag.div, [0.0], [0.0]), [[inf], [nan]])


@pytest.mark.parametrize(
    ("function", "at", "expected"),
    [
        (ag.relu, [nan, -0.0, -inf], [nan, 0, 0]),
        (ag.sigmoid, [1000.0, -1000], [1, 0]),
        (activation.softplus, [1000.0, -1000], [1000, 0]),
        (activation.logsigmoid, [-1000.0, 1000], [-1000, 0]),
        (activation.gelu, [1.0], [0.8413]),
        (lambda x: activation.gelu(x, "tanh"), [1.0], [0.8412]),
        (lambda x: x.clamp(-1, 1), [nan], [nan]),
        (lambda x: ag.maximum(x, tensor([1.0])), [nan], [nan]),
        (lambda x: ag.fmax(x, tensor([1.0])), [nan], [1]),
        (lambda x: x.argmax().reshape(1), [nan, 1, nan], [0]),
        (lambda x: x.max().reshape(1), [1.0, nan], [nan]),
        (lambda x: x.argmax().reshape(1), [1.0, 2, 2], [1]),
        (lambda x: x.logsumexp(0).reshape(1), [-inf, -inf], [-inf]),
        (lambda x: x.softmax(0), [-inf, -inf], [nan, nan]),
        (lambda x: x.var().reshape(1), [1.0], [nan]),
        (lambda x: x.mean(0, keepdim=True), [], [nan]),
        (lambda x: x.sum(0, keepdim=True), [], [0]),
        (lambda x: x.prod().reshape(1), [], [1]),
        (lambda x: x.sort(descending=True).values, [1.0, nan, 2], [nan, 2, 1]),
        (lambda x: x.median().reshape(1), [3.0, 1, 2, 4], [2]),
        (lambda x: x.median().reshape(1), [3.0, nan, 2, 4], [nan]),
        (lambda x: x.round(), [0.5, 1.5, 2.5, -0.5], [0, 2, 2, 0]),
        (lambda x: x.fmod(2), [3.0, -3.0], [1, -1]),
        (lambda x: x.remainder(2), [3.0, -3.0], [1, 1]),
    ],
)
def test_value_at_the_edge(function, at, expected):
    assert same(function(Tensor(np.array(at, np.float32))).tolist(), expected)


def test_the_sign_of_zero_survives_relu():
    assert not np.signbit(ag.relu(tensor([0.0])).array[0])


def test_extremes_of_nothing_are_an_error():
    for reduction in (Tensor.max, Tensor.min, Tensor.amax, Tensor.argmax, Tensor.argmin):
        with pytest.raises(RuntimeError, match="no elements"):
            reduction(ag.zeros(0))
    with pytest.raises(RuntimeError, match="no elements"):
        ag.zeros(2, 0).max(1)
    assert ag.zeros(0, 2).max(1).values.shape == (0,)


def test_nan_in_the_incoming_gradient_does_not_reach_paths_that_are_not_taken():
    x = tensor([-1.0, 1.0], requires_grad=True)
    ag.relu(x).backward(np.array([nan, nan], np.float32))
    assert x.grad.tolist()[0] == 0 and math.isnan(x.grad.tolist()[1])


# ------------------------------------------------------------------------------------ shapes and indexing


def test_slices_may_step_backward():
    x = tensor([1.0, 2.0, 3.0], requires_grad=True)
    (x[::-2] * tensor([1.0, 10.0])).sum().backward()
    assert x.grad.tolist() == [10.0, 0.0, 1.0]


def test_setitem():
    x = tensor([1.0, 2.0, 3.0], requires_grad=True)
    y = x * 1
    y[0] = 0
    y.sum().backward()
    assert x.grad.tolist() == [0, 1, 1]
    v = tensor([5.0], requires_grad=True)
    y = x * 1
    y[0:1] = v
    (y * tensor([2.0, 3.0, 4.0])).sum().backward()
    assert v.grad.tolist() == [2]


def test_augmented_assignment_to_an_element_is_recorded():
    x = tensor([1.0, 2.0], requires_grad=True)
    y = x * 1
    y[0] *= 3
    y.sum().backward()
    assert x.grad.tolist() == [3, 1]


def test_view_needs_compatible_strides():
    x = ag.zeros(2, 3).t()
    assert x.reshape(6).shape == (6,)
    with pytest.raises(RuntimeError, match=r"view\(\): .*reshape"):
        x.view(6)


@pytest.mark.parametrize(
    ("left", "right", "shape"), [((3,), (3,), ()), ((3,), (2, 3, 4), (2, 4)), ((5, 1, 2, 3), (4, 3, 2), (5, 4, 2, 2))]
)
def test_matmul_shapes(left, right, shape):
    assert (ag.ones(*left) @ ag.ones(*right)).shape == shape


def test_pad():
    x = ag.arange(3).float().reshape(1, 1, 3)
    assert pad.pad(x, (2, 1), "reflect").tolist() == [[[2, 1, 0, 1, 2, 1]]]
    assert pad.pad(x, (2, 1), "replicate").tolist() == [[[0, 0, 0, 1, 2, 2]]]
    assert pad.pad(x, (2, 1), "circular").tolist() == [[[1, 2, 0, 1, 2, 0]]]
    assert pad.pad(x, (1, -1), value=9).tolist() == [[[9, 0, 1]]]
    with pytest.raises(RuntimeError, match=r"pad\(\): mode='reflect' needs widths of at most 2"):
        pad.pad(x, (3, 0), "reflect")


def test_interpolate():
    x = ag.arange(4).float().reshape(1, 1, 4)
    assert resize.interpolate(x, 6).tolist() == [[[0, 0, 1, 2, 2, 3]]]
    assert resize.interpolate(x, scale_factor=2, mode="linear").tolist() == [
        [[0, 0.25, 0.75, 1.25, 1.75, 2.25, 2.75, 3]]
    ]
    aligned = resize.interpolate(x, 7, mode="linear", align_corners=True).tolist()
    assert same(aligned, [[[0, 0.5, 1, 1.5, 2, 2.5, 3]]])


# ------------------------------------------------------------------------------------ convolution, pooling


def test_same_padding_has_its_larger_part_right_and_below():
    ones = ag.arange(1, 4).float().reshape(1, 1, 1, 3)
    assert conv.conv2d(ones, tensor([[[[10.0, 1.0]]]]), padding="same").tolist() == [[[[12, 23, 30]]]]
    with pytest.raises(RuntimeError, match="stride 1"):
        conv.conv2d(ones, ag.ones(1, 1, 1, 2), stride=(1, 2), padding="same")


def test_transposed_convolution_doubles_the_size():
    x, w = ag.ones(1, 2, 4, 4), ag.ones(2, 3, 4, 4)
    assert conv.conv_transpose2d(x, w, stride=2, padding=1).shape == (1, 3, 8, 8)


@pytest.mark.parametrize("operation", [conv.conv1d, conv.conv2d, conv.conv_transpose1d, conv.conv_transpose2d])
def test_convolution_of_no_channels_is_the_bias(operation):
    dims = int(operation.__name__[-2])
    inside = (0, 2) if "transpose" in operation.__name__ else (2, 0)
    x, w, b = ag.zeros(1, 0, *[5] * dims), ag.zeros(*inside, *[3] * dims), ag.tensor([1.0, 2.0])
    for each in (x, w, b):
        each.requires_grad_()
    out = operation(x, w, b)
    size = 7 if "transpose" in operation.__name__ else 3
    assert out.shape == (1, 2, *[size] * dims) and out.sum().item() == 3 * size**dims
    out.sum().backward()
    assert x.grad.shape == x.shape and w.grad.shape == w.shape and b.grad.tolist() == [size**dims] * 2


def test_output_padding_below_the_dilation():
    x = ag.tensor([[[1.0, 2.0]]], requires_grad=True)
    out = conv.conv_transpose1d(x, tensor([[[1.0, 10.0]]]), output_padding=1, dilation=3)
    assert out.tolist() == [[[1, 2, 0, 10, 20, 0]]]
    out = conv.conv_transpose1d(x, tensor([[[1.0, 10.0]]]), padding=1, output_padding=2, dilation=3)
    assert out.tolist() == [[[2, 0, 10, 20, 0]]]  # PyTorch 2.13 gives the same
    (out * tensor([1.0, 2.0, 3.0, 4.0, 5.0])).sum().backward()
    assert x.grad.tolist() == [[[30, 41]]]


def test_settings_are_checked_for_each_kind_of_value():
    images, w = ag.ones(1, 1, 4, 4), ag.ones(1, 1, 2, 2)
    for stride in (2, [2, 2], (2, 2), np.int64(2)):
        assert conv.conv2d(images, w, None, stride).shape == (1, 1, 2, 2)
        assert pool.max_pool2d(images, 2, stride).shape == (1, 1, 2, 2)
    for stride in (0, 2.0, (2, 1, 1), "2", (2, 0.5)):
        with pytest.raises(ValueError, match="stride must be one or two integers"):
            conv.conv2d(images, w, None, stride)


def test_convolution_of_nothing():
    x, w = (
        tensor(np.zeros((0, 1, 3, 3), np.float32), requires_grad=True),
        tensor(np.ones((2, 1, 2, 2), np.float32), requires_grad=True),
    )
    conv.conv2d(x, w).sum().backward()
    assert x.grad.shape == (0, 1, 3, 3) and w.grad.tolist() == np.zeros((2, 1, 2, 2)).tolist()


def test_max_pool_takes_the_first_of_equals_and_ignores_padding():
    x = tensor(np.ones((1, 1, 2, 2), np.float32), requires_grad=True)
    pool.max_pool2d(x, 2).sum().backward()
    assert x.grad.tolist() == [[[[1, 0], [0, 0]]]]
    assert pool.max_pool2d(ag.full((1, 1, 2, 2), -1.0), 2, 2, 1).tolist() == [[[[-1, -1], [-1, -1]]]]


def test_max_pool_of_windows_of_minus_infinity_and_nan():
    out, index = pool.max_pool2d(ag.full((1, 1, 2, 2), -inf), 2, return_indices=True)
    assert out.item() == -inf and index.item() == 0
    out, index = pool.max_pool2d(tensor([[[nan, nan], [0.0, 0.0]]]), 2, return_indices=True)
    assert math.isnan(out.item()) and index.item() == 1


@pytest.mark.parametrize(
    ("size", "settings", "expected"),
    [((6, 6), (3, 2), (3, 3)), ((6, 7), (1, 2), (3, 4)), ((3, 3), (2, 2, 1), (2, 2)), ((5, 5), (2, 3, 1), (2, 2))],
)
def test_ceil_mode(size, settings, expected):
    out = pool.max_pool2d(ag.zeros(1, 1, *size), *settings, ceil_mode=True)
    assert out.shape[2:] == expected
    assert pool.avg_pool2d(ag.zeros(1, 1, *size), *settings, ceil_mode=True).shape[2:] == expected


def test_average_pooling_counts():
    x = ag.ones(1, 1, 2, 2)
    assert pool.avg_pool2d(x, 2, 2, 1).tolist() == [[[[0.25, 0.25], [0.25, 0.25]]]]
    assert pool.avg_pool2d(x, 2, 2, 1, count_include_pad=False).tolist() == [[[[1, 1], [1, 1]]]]
    assert pool.avg_pool2d(x, 2, divisor_override=8).tolist() == [[[[0.5]]]]
    assert pool.avg_pool2d(ag.ones(1, 1, 3, 3), 2, 2, ceil_mode=True).tolist() == [[[[1, 1], [1, 1]]]]
    assert pool.adaptive_avg_pool2d(ag.arange(7).float().reshape(1, 1, 7), (1, 3)).tolist() == [[[1, 3, 5]]]


# ------------------------------------------------------------------------------------ losses


def test_cross_entropy_of_extreme_logits():
    assert loss.cross_entropy(tensor([[1e4, -1e4]]), Tensor([1])).item() == 20000
    assert loss.cross_entropy(tensor([[0.0, -inf]]), Tensor([0])).item() == 0
    assert loss.cross_entropy(tensor([[0.0, -inf]]), Tensor([1])).item() == inf
    assert math.isnan(loss.cross_entropy(tensor([[0.0, inf]]), Tensor([0])).item())


def test_cross_entropy_that_ignores():
    x = ag.zeros(2, 2)
    assert math.isnan(loss.cross_entropy(x, Tensor([-100, -100])).item())
    assert loss.cross_entropy(x, Tensor([-100, -100]), reduction="sum").item() == 0
    assert same(loss.cross_entropy(x, Tensor([-100, 0]), reduction="none").tolist(), [0, math.log(2)])
    assert same(loss.cross_entropy(x, Tensor([1, 0]), ignore_index=1).item(), math.log(2))
    assert math.isnan(loss.cross_entropy(ag.zeros(0, 2), Tensor(np.zeros(0, np.int64))).item())
    assert loss.cross_entropy(ag.zeros(0, 2), Tensor(np.zeros(0, np.int64)), reduction="sum").item() == 0


@pytest.mark.parametrize(
    ("target", "error"),
    [
        (Tensor(np.array([0, 1], np.int32)), RuntimeError),
        (Tensor([0, 2]), IndexError),
        (Tensor([0, -1]), IndexError),
        (Tensor([[0], [1]]), RuntimeError),
        (Tensor([0]), RuntimeError),
    ],
)
def test_cross_entropy_targets_that_do_not_fit(target, error):
    with pytest.raises(error, match=r"cross_entropy\(\)"):
        loss.cross_entropy(ag.zeros(2, 2), target)


@pytest.mark.parametrize(
    "function",
    [
        loss.mse_loss,
        loss.l1_loss,
        loss.huber_loss,
        loss.smooth_l1_loss,
        loss.kl_div,
        loss.binary_cross_entropy,
        loss.binary_cross_entropy_with_logits,
        loss.soft_margin_loss,
    ],
)
def test_losses_do_not_broadcast(function):
    with pytest.raises(RuntimeError, match=r"one shape.*\(3,\).*\(3, 1\).*reshape"):
        function(ag.zeros(3), ag.zeros(3, 1))


def test_binary_cross_entropy_is_bounded():
    assert loss.binary_cross_entropy(tensor([0.0]), tensor([1.0])).item() == 100
    assert loss.binary_cross_entropy_with_logits(tensor([1000.0]), tensor([0.0])).item() == 1000
    assert loss.binary_cross_entropy_with_logits(tensor([-1000.0]), tensor([0.0])).item() == 0


def test_kl_div():
    target = tensor([[0.0, 1.0], [0.5, 0.5]])
    logp = tensor([[0.5, 0.5], [0.5, 0.5]]).log()
    assert same(loss.kl_div(logp, target, reduction="batchmean").item(), math.log(2) / 2)
    assert same(loss.kl_div(logp, target).item(), math.log(2) / 4)


def test_huber_and_smooth_l1_differ_by_beta():
    x, t = tensor([0.0, 1.0, 5.0]), tensor([0.2, 3.0, 0.0])
    assert same(loss.huber_loss(x, t, delta=0.5).item() / 0.5, loss.smooth_l1_loss(x, t, beta=0.5).item())


# ------------------------------------------------------------------------------------ norms, embedding, attention


def test_running_statistics():
    mean, var = ag.zeros(1), ag.ones(1)
    out = normalization.batch_norm(tensor([[1.0], [3.0]]), mean, var, training=True)
    assert same(out.tolist(), [[-1], [1]], 1e-4) and same(mean.tolist(), [0.2]) and same(var.tolist(), [1.1])
    with pytest.raises(ValueError, match="more than 1 value per channel"):
        normalization.batch_norm(tensor([[1.0]]), mean, var, training=True)
    assert normalization.batch_norm(tensor([[1.0]]), mean, var).shape == (1, 1)
    normalization.batch_norm(ag.zeros(0, 1), mean, var, training=True)
    assert same(mean.tolist(), [0.2]) and same(var.tolist(), [1.1])


def test_large_means_do_not_cancel():
    x = tensor(np.float32(1e4) + np.random.default_rng(0).standard_normal((64, 8)).astype(np.float32))
    assert abs(normalization.batch_norm(x, None, None, training=True).array.std() - 1) < 1e-2
    assert abs(x.var(0).array.mean() - 1) < 0.2


def test_embedding_padding_gets_no_gradient():
    w = tensor(np.ones((3, 2), np.float32), requires_grad=True)
    embedding(Tensor([0, 2, 0]), w, padding_idx=2).sum().backward()
    assert w.grad.tolist() == [[2, 2], [0, 0], [0, 0]]
    with pytest.raises(IndexError, match=r"embedding\(\): index 3 is out of range for a dim of size 3"):
        embedding(Tensor([0, 3]), w)


def test_a_query_that_sees_no_key_gives_zero():
    q, mask = tensor(np.ones((1, 2, 2), np.float32), requires_grad=True), np.array([[False, False], [True, False]])
    out = attention.scaled_dot_product_attention(q, q, q, mask)
    out.sum().backward()
    assert out.tolist() == [[[0, 0], [1, 1]]] and np.isfinite(q.grad.array).all()


def test_dropout():
    generator = ag.Generator(1)
    x = ag.ones(1000)
    out = ag.ops.random.dropout(x, 0.25, generator=generator)
    assert set(np.unique(out.array.round(4))) == {0, np.float32(1.3333)} and 0.2 < (out.array == 0).mean() < 0.3
    assert ag.ops.random.dropout(x, 1.0).sum().item() == 0
    assert ag.ops.random.dropout(x, 0.5, training=False) is x


def test_unique_counts_and_bins():
    values, inverse, counts = scan.unique(Tensor([3, 1, 3]), return_inverse=True, return_counts=True)
    assert values.tolist() == [1, 3] and inverse.tolist() == [1, 0, 1] and counts.tolist() == [1, 2]
    assert scan.bincount(Tensor([1, 1, 3]), minlength=5).tolist() == [0, 2, 0, 1, 0]
    assert scan.histc(tensor([0.0, 1.0, 2.0]), 2).tolist() == [1, 2]


# ------------------------------------------------------------------------------------ random numbers


def test_one_seed_decides_everything():
    def draws():
        ag.manual_seed(3)
        x = ag.randn(3)
        return [
            x,
            ag.rand(2),
            ag.randint(9, (4,)),
            ag.randperm(5),
            ag.bernoulli(ag.full((5,), 0.5)),
            ag.multinomial(ag.ones(5), 3),
            ag.normal(0.0, 1.0, (2,)),
            ag.randn_like(x),
            ag.ops.random.dropout(ag.ones(9)),
            ag.empty(3).normal_(),
            ag.empty(3).uniform_(),
        ]

    assert all(np.array_equal(a.array, b.array) for a, b in zip(draws(), draws()))


def test_multinomial():
    weights = tensor([0.0, 1.0, 3.0])
    assert sorted(ag.multinomial(weights, 2).tolist()) == [1, 2]
    counts = scan.bincount(ag.multinomial(weights, 4000, True, generator=ag.Generator(0))).tolist()
    assert counts[0] == 0 and abs(counts[2] - 3000) < 150
    with pytest.raises(RuntimeError, match="as many weights above 0"):
        ag.multinomial(weights, 3)
