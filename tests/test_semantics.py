"""Where this framework behaves as PyTorch 2.13 does, beyond single operations; its values are written in as literals.

The rest of the comparison, by subject: graph, accumulation, freed and changed values, views, hooks, modes and threads
in `test_engine`; dtypes, kinks, ties, values that are not finite, pooling, losses, running statistics and random
numbers in `ops/test_semantics`; interplay with NumPy in `test_interop`; update rules, schedules and clipping in
`optim`; initial values in `nn/test_init`; saved states and hooks of modules in `nn/test_module`; embedding, recurrent
layers and empty batches in `nn/test_layers`.
"""

import math
import sys

import numpy as np
import pytest

import autograd_nn as ag
from autograd_nn import nn, optim, tensor
from autograd_nn.nn import functional as F

nan = math.nan


def close(found, expected, tolerance=1e-6):
    np.testing.assert_allclose(np.asarray(found, float), np.asarray(expected, float), rtol=tolerance, atol=tolerance)
    return True


# ------------------------------------------------------------------------------------ engine


def test_the_cube_of_a_tensor_and_its_derivatives():
    x = tensor(2.0, requires_grad=True)
    (first,) = ag.grad(x * x * x, x, create_graph=True)
    (second,) = ag.grad(first, x)
    assert first.item() == 12 and second.item() == 12


def test_gradients_accumulate_and_zero_grad_takes_them_away():
    x = tensor(1.0, requires_grad=True)
    (2 * x).backward()
    (3 * x).backward()
    assert x.grad.item() == 5
    optim.SGD([x], lr=0.1).zero_grad()
    assert x.grad is None


def test_an_output_of_one_element_needs_no_gradient():
    x = tensor([3.0], requires_grad=True)
    (x * x).backward()
    assert x.grad.tolist() == [6]
    with pytest.raises(RuntimeError, match=r"scalar|one element"):
        (tensor([1.0, 2.0], requires_grad=True) * 2).backward()


def test_the_gradient_given_is_copied():
    z, given = tensor(np.ones((2, 2), np.float32), requires_grad=True), tensor([1.0, 2.0, 3.0, 4.0])
    z.view(4).backward(given)
    given.zero_()
    assert z.grad.tolist() == [[1, 2], [3, 4]]


def test_adding_a_number_can_be_differentiated_twice_squaring_cannot():
    x = tensor(1.0, requires_grad=True)
    y = x + 1
    y.backward()
    y.backward()
    assert x.grad.item() == 2
    y = x * x
    y.backward()
    with pytest.raises(RuntimeError, match="mul"):
        y.backward()


def test_a_leaf_is_not_changed_in_place_while_recording_also_by_a_view():
    x = tensor([1.0, 2.0], requires_grad=True)
    for change in (lambda: x.add_(1), lambda: x.__setitem__(0, 3.0), lambda: x[:1].add_(1),
                   lambda: x[:1].__setitem__(0, 3.0), lambda: x.view(2, 1).mul_(2)):
        with pytest.raises(RuntimeError, match="in place"):
            change()
    with ag.no_grad():
        x[0] = 3.0
        x[1:].mul_(2)
    assert x.tolist() == [3, 4] and x.is_leaf


def test_a_step_of_the_optimizer_between_forward_and_backward_is_noticed():
    w = tensor([2.0], requires_grad=True)
    y = (w * w).sum()
    y.backward(retain_graph=True)
    optim.SGD([w], lr=0.1).step()
    with pytest.raises(RuntimeError, match="mul"):
        y.backward()


def test_changes_of_values_that_rules_need():
    x = tensor([2.0], requires_grad=True)
    y = x * 2
    z = y + 1
    y += 1
    (z + y).backward()
    assert x.grad.tolist() == [4]
    y = x * 1
    z = y * y
    y.detach().add_(1)
    with pytest.raises(RuntimeError, match="mul"):
        z.backward()


def test_numbers_out_of_the_graph():
    x = tensor([1.5], requires_grad=True)
    assert float(x) == x.item() == 1.5 and x.detach().numpy()[0] == 1.5
    with pytest.raises(RuntimeError, match="detach"):
        x.numpy()
    with ag.no_grad():
        assert not (x * 2).requires_grad
    for empty_or_long in (ag.zeros(0), ag.zeros(2)):
        with pytest.raises(RuntimeError, match="truth"):
            bool(empty_or_long)


def test_an_unused_input():
    x, unused = tensor(1.0, requires_grad=True), tensor(1.0, requires_grad=True)
    with pytest.raises(RuntimeError, match="allow_unused"):
        ag.grad(x * 2, [x, unused])
    assert ag.grad(x * 2, [x, unused], allow_unused=True)[1] is None


def test_depth_is_not_limited_by_the_stack():
    x = tensor(1.0, requires_grad=True)
    y = x
    for _ in range(20 * sys.getrecursionlimit()):
        y = y + 0
    y.backward()
    assert x.grad.item() == 1


# ------------------------------------------------------------------------------------ dtypes


@pytest.mark.parametrize(
    ("value", "dtype"),
    [
        (3.0, "float32"),
        (3, "int64"),
        (True, "bool"),
        ([1, 2.5], "float32"),
        (np.float64(3), "float64"),
        (np.ones(2), "float64"),
    ],
)
def test_dtype_of_a_new_tensor(value, dtype):
    assert tensor(value).dtype == dtype


def test_arrays_are_shared_or_copied():
    array = np.zeros(2)
    shared, copied = ag.from_numpy(array), tensor(array)
    array[0] = 1
    assert shared.tolist() == [1, 0] and copied.tolist() == [0, 0] and shared.dtype == np.float64
    with pytest.raises(ValueError, match="negative"):
        ag.from_numpy(array[::-1])
    with pytest.raises(TypeError, match="byte order"):
        ag.from_numpy(np.zeros(2, ">f4"))


def test_gradients_have_the_dtypes_of_their_inputs():
    a, b = tensor(np.ones(2, np.float32), requires_grad=True), tensor(np.ones(2), requires_grad=True)
    (a * b).sum().backward()
    assert a.grad.dtype == np.float32 and b.grad.dtype == np.float64
    assert ag.cat([a, b]).dtype == np.float64


def test_numpy_numbers_do_not_widen():
    x = tensor([1.0])
    assert (np.float64(2) * x).dtype == (x * np.float64(2)).dtype == np.float32
    assert (x / tensor([2])).dtype == np.float32


# ------------------------------------------------------------------------------------ indices


def test_equal_indices_add_up():
    x = tensor([1.0, 2.0], requires_grad=True)
    x[[0, 0, 1]].sum().backward()
    assert x.grad.tolist() == [2, 1]
    x = tensor([1.0, 2.0], requires_grad=True)
    x.gather(0, tensor([0, 0])).sum().backward()
    assert x.grad.tolist() == [2, 0]
    assert ag.zeros(3).index_put_((tensor([1, 1]),), tensor([2.0, 3.0]), accumulate=True).tolist() == [0, 5, 0]


def test_index_put():
    x, v = tensor([1.0, 2.0, 3.0], requires_grad=True), tensor([5.0, 7.0], requires_grad=True)
    (x.index_put((tensor([2, 0]),), v) * tensor([2.0, 3.0, 4.0])).sum().backward()
    assert x.grad.tolist() == [0, 3, 0] and v.grad.tolist() == [4, 2] and x.tolist() == [1, 2, 3]
    y = x.index_put((tensor([2, 2]),), v, accumulate=True)
    assert y.tolist() == [1, 2, 15] and ag.grad(y.sum(), [x, v])[1].tolist() == [1, 1]
    assert ag.zeros(2, 2).index_put_((tensor([True, False]),), tensor(1.0)).tolist() == [[1, 1], [0, 0]]


def test_assignment_to_items():
    y, v = tensor([0.0, 1.0, 2.0], requires_grad=True), tensor([7.0], requires_grad=True)
    z = y * 1
    z[0:1] = v
    (z * tensor([2.0, 3.0, 4.0])).sum().backward()
    assert y.grad.tolist() == [0, 3, 4] and v.grad.tolist() == [2]


def test_arguments_of_extremes_that_are_not_numbers():
    assert ag.argmax(tensor([nan, 1.0, nan])).item() == 0
    assert math.isnan(ag.max(tensor([1.0, nan])).item())
    assert ag.argmax(tensor([1.0, 1.0])).item() == 0


# ------------------------------------------------------------------------------------ convolution, pooling


@pytest.mark.parametrize(
    ("mode", "expected"),
    [("zeros", [3, 6, 9, 7]), ("reflect", [5, 6, 9, 10]), ("replicate", [4, 6, 9, 11]), ("circular", [7, 6, 9, 8])],
)
def test_padding_modes(mode, expected):
    layer = nn.Conv1d(1, 1, 3, padding=1, padding_mode=mode, bias=False)
    nn.init.ones_(layer.weight)
    assert layer(tensor([[[1.0, 2.0, 3.0, 4.0]]])).tolist() == [[expected]]


def test_convolution_does_not_flip_the_kernel():
    x = tensor([[[1.0, 2.0, 3.0, 4.0]]])
    assert F.conv1d(x, tensor([[[1.0, 2.0, 3.0]]])).tolist() == [[[14, 20]]]
    assert F.conv1d(x, tensor([[[1.0, 2.0]]]), padding="same").tolist() == [[[5, 8, 11, 4]]]


def test_convolution_of_integers_and_of_one_example():
    assert F.conv1d(tensor([[[1, 2, 3, 4]]]), tensor([[[1, 1]]])).tolist() == [[[3, 5, 7]]]
    assert F.conv2d(ag.ones(3, 5, 5), ag.ones(2, 3, 3, 3)).shape == (2, 3, 3)


def test_convolution_of_an_array_in_another_order():
    x = np.random.default_rng(0).standard_normal((2, 5, 5, 3)).astype(np.float32)
    w = np.random.default_rng(1).standard_normal((4, 3, 3, 3)).astype(np.float32)
    strided, dense = x.transpose(0, 3, 1, 2), x.transpose(0, 3, 1, 2).copy()
    found, expected = (F.conv2d(ag.from_numpy(images), tensor(w)) for images in (strided, dense))
    assert found.equal(expected)


@pytest.mark.parametrize(
    ("geometry", "size"), [((7, 3, 2, 1, 1), 4), ((7, 3, 1, 0, 2), 3), ((8, 2, 3, 0, 1), 3), ((5, 5, 1, 2, 1), 5)]
)
def test_size_of_a_convolution(geometry, size):
    n, k, s, p, d = geometry
    assert F.conv1d(ag.ones(1, 1, n), ag.ones(1, 1, k), None, s, p, d).shape[-1] == size
    assert (n + 2 * p - d * (k - 1) - 1) // s + 1 == size


def test_pooling_windows():
    x = tensor([[[[5.0, 0, 0], [0, 9, 0], [0, 0, 0]]]], requires_grad=True)
    F.max_pool2d(x, 2, 1).sum().backward()
    assert x.grad.tolist() == [[[[0, 0, 0], [0, 4, 0], [0, 0, 0]]]]
    assert F.max_pool2d(tensor([[[1, 2], [3, 4]]]), 2).tolist() == [[[4]]]
    dilated = F.max_pool2d(ag.arange(25.0).reshape(1, 5, 5), 2, 1, dilation=2)
    assert dilated.tolist() == [[[12, 13, 14], [17, 18, 19], [22, 23, 24]]]
    assert F.avg_pool2d(ag.ones(1, 1, 3, 3), 2, 2, 1, ceil_mode=True).tolist() == [[[[0.25, 0.5], [0.5, 1]]]]
    assert F.max_pool2d(ag.zeros(0, 1, 4, 4), 2).shape == (0, 1, 2, 2)


# ------------------------------------------------------------------------------------ losses


logits = tensor([[1.0, 2.0, 0.5], [0.0, -1.0, 3.0], [0.2, 0.1, -0.3]])
labels = tensor([1, 2, 0])
weight = tensor([1.0, 2.0, 0.5])
shares = tensor([[0.2, 0.5, 0.3], [0.1, 0.1, 0.8], [1.0, 0.0, 0.0]])


@pytest.mark.parametrize(
    ("target", "settings", "expected"),
    [
        (labels, {"weight": weight}, 0.5378591418),
        (labels, {"label_smoothing": 0.1}, 0.5959156752),
        (labels, {"weight": weight, "label_smoothing": 0.1}, 0.6581568718),
        (labels, {"label_smoothing": 0.2, "ignore_index": 2}, 0.7959315777),
        (labels, {"weight": weight, "ignore_index": 2, "reduction": "sum"}, 1.8495652676),
        (shares, {}, 0.9336934090),
        (shares, {"weight": weight}, 1.0396147966),
        (shares, {"weight": weight, "label_smoothing": 0.1}, 1.1387509108),
    ],
)
def test_cross_entropy(target, settings, expected):
    assert close(F.cross_entropy(logits, target, **settings).item(), expected)


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_cross_entropy_of_no_weight_at_all():
    assert math.isnan(F.cross_entropy(logits, labels, weight=ag.zeros(3)).item())


def test_cross_entropy_of_other_shapes():
    assert close(F.cross_entropy(ag.zeros(2, 3, 2), tensor([[0, 1], [2, 0]])).item(), 1.0986123085)
    assert close(F.cross_entropy(tensor([1.0, 2.0, 3.0]), tensor(2)).item(), 0.4076059461)
    x = tensor([[1.0, 2.0, 0.5]], requires_grad=True)
    F.cross_entropy(x, tensor([1])).backward()
    assert close(x.grad.tolist(), [[0.2312, -0.3715, 0.1402]], 1e-4)


# ------------------------------------------------------------------------------------ layers


def test_batch_norm_counts_batches():
    layer = nn.BatchNorm1d(1)
    layer(tensor([[1.0], [3.0]]))
    assert close(layer.running_mean.tolist(), [0.2]) and close(layer.running_var.tolist(), [1.1])
    layer(ag.zeros(0, 1))
    assert close(layer.running_mean.tolist(), [0.2]) and layer.num_batches_tracked.item() == 2
    with pytest.raises(ValueError, match="more than 1 value per channel"):
        layer(ag.ones(1, 1))
    assert layer.eval()(ag.ones(1, 1)).shape == (1, 1)


def test_a_batch_norm_in_one_step_of_training_with_a_large_mean():
    x = tensor(np.float32(1000) + np.arange(8, dtype=np.float32).reshape(8, 1))
    assert close(nn.BatchNorm1d(1)(x).detach().numpy().std(), 1.0, 1e-4)


def test_one_error_lists_all_that_does_not_fit_a_state():
    model = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
    state = model.state_dict()
    assert {"1.running_mean", "1.running_var", "1.num_batches_tracked"} <= set(state)
    state = {**state, "extra": ag.zeros(1), "0.bias": ag.zeros(4)}
    del state["1.weight"]
    with pytest.raises(RuntimeError, match=r"(?s)(?=.*1\.weight)(?=.*extra)(?=.*0\.bias.*\(4,\))"):
        model.load_state_dict(state)


def test_tied_weights_are_saved_under_each_name_and_optimized_once():
    model = nn.Module()
    model.a, model.b = nn.Linear(2, 2, bias=False), nn.Linear(2, 2, bias=False)
    model.b.weight = model.a.weight
    assert list(model.state_dict()) == ["a.weight", "b.weight"] and len(list(model.parameters())) == 1
    model.load_state_dict({"a.weight": ag.ones(2, 2), "b.weight": ag.ones(2, 2)})
    assert model.a.weight is model.b.weight and model.a.weight.sum().item() == 4


@pytest.mark.filterwarnings("ignore::autograd_nn.mistakes.MissingGradient")
def test_optimizers_skip_what_has_no_gradient():
    used, unused = tensor([1.0], requires_grad=True), tensor([1.0], requires_grad=True)
    optimizer = optim.Adam([used, unused], lr=0.1)
    (used * used).backward()
    optimizer.step()
    assert close(used.tolist(), [0.9]) and unused.tolist() == [1] and len(optimizer.state) == 1
    with pytest.raises(ValueError, match="empty"):
        optim.SGD([], lr=0.1)


def test_the_cosine_goes_up_again():
    optimizer = optim.SGD([tensor([1.0], requires_grad=True)], lr=1.0)
    scheduler = optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=4)
    rates = []
    for _ in range(6):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    assert close(rates, [1, 0.8536, 0.5, 0.1464, 0, 0.1464], 1e-4)
