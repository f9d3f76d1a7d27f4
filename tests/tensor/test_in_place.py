"""Changes in place: every in-place operation on every kind of view, in values and gradients."""

import numpy as np
import pytest

import autograd_nn as ag
from autograd_nn import nn, no_grad, optim, tensor
from autograd_nn.nn import functional as F

W = np.array([[1.3, 0.7, 1.9], [0.4, 2.1, 1.1]], np.float64)

# name: (method with its arguments, the same as a function of an array, its derivative)
OPERATIONS = {
    "mul_": (lambda x: x.mul_(3.0), lambda a: a * 3, lambda a: 3 + 0 * a),
    "add_": (lambda x: x.add_(2.0, alpha=2), lambda a: a + 4, lambda a: 1 + 0 * a),
    "sub_": (lambda x: x.sub_(2.0), lambda a: a - 2, lambda a: 1 + 0 * a),
    "div_": (lambda x: x.div_(2.0), lambda a: a / 2, lambda a: 0.5 + 0 * a),
    "pow_": (lambda x: x.pow_(2), lambda a: a**2, lambda a: 2 * a),
    "square_": (lambda x: x.square_(), lambda a: a**2, lambda a: 2 * a),
    "neg_": (lambda x: x.neg_(), lambda a: -a, lambda a: -1 + 0 * a),
    "abs_": (lambda x: x.abs_(), np.abs, np.sign),
    "exp_": (lambda x: x.exp_(), np.exp, np.exp),
    "log_": (lambda x: x.log_(), np.log, lambda a: 1 / a),
    "sqrt_": (lambda x: x.sqrt_(), np.sqrt, lambda a: 0.5 / np.sqrt(a)),
    "reciprocal_": (lambda x: x.reciprocal_(), lambda a: 1 / a, lambda a: -1 / a**2),
    "sin_": (lambda x: x.sin_(), np.sin, np.cos),
    "cos_": (lambda x: x.cos_(), np.cos, lambda a: -np.sin(a)),
    "tanh_": (lambda x: x.tanh_(), np.tanh, lambda a: 1 - np.tanh(a) ** 2),
    "sigmoid_": (lambda x: x.sigmoid_(), lambda a: 1 / (1 + np.exp(-a)), lambda a: np.exp(-a) / (1 + np.exp(-a)) ** 2),
    "relu_": (lambda x: x.relu_(), lambda a: np.maximum(a, 0), lambda a: (a > 0) + 0.0),
    "clamp_": (lambda x: x.clamp_(0.5, 1.5), lambda a: a.clip(0.5, 1.5), lambda a: ((a >= 0.5) & (a <= 1.5)) + 0.0),
    "fill_": (lambda x: x.fill_(7.0), lambda a: 7 + 0 * a, lambda a: 0 * a),
    "zero_": (lambda x: x.zero_(), lambda a: 0 * a, lambda a: 0 * a),
    "x *= 3": (lambda x: x.__imul__(3.0), lambda a: a * 3, lambda a: 3 + 0 * a),
    "x[...] = 5": (lambda x: x.__setitem__(..., 5.0), lambda a: 5 + 0 * a, lambda a: 0 * a),
    "masked_fill_": (lambda x: x.masked_fill_(x > 1, 9.0), lambda a: np.where(a > 1, 9, a), lambda a: (a <= 1) + 0.0),
}

VIEWS = {
    "itself": lambda x: x,
    "slice": lambda x: x[:, 1:],
    "row": lambda x: x[1],
    "element": lambda x: x[0, 2],
    "strided": lambda x: x[:, ::2],
    "reversed": lambda x: x.flip(1),
    "view": lambda x: x.view(3, 2),
    "reshape": lambda x: x.reshape(-1),
    "transpose": lambda x: x.T,
    "new dim": lambda x: x[None],
    "narrow": lambda x: x.narrow(1, 1, 2),
    "chunk": lambda x: x.chunk(2)[1],
    "unbind": lambda x: x.unbind(1)[2],
    "diagonal": lambda x: x.diagonal(),
    "view of a view": lambda x: x.T[1:].reshape(-1) if x.T[1:].is_contiguous() else x.T[1:],
    "select": lambda x: x.select(0, 1),
}


def viewed(view, array):
    """Return which elements of an array a view shows, as a mask."""
    places = ag.tensor(np.arange(array.size).reshape(array.shape))
    return np.isin(np.arange(array.size).reshape(array.shape), np.asarray(view(places)))


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("which", ["view changes", "base changes"])
def test_a_change_is_seen_by_both(operation, view, which):
    change, function, derivative = OPERATIONS[operation]
    view = VIEWS[view]
    mask = viewed(view, W) if which == "view changes" else np.ones(W.shape, bool)
    expected = np.where(mask, function(W), W)
    slope = np.where(mask, derivative(W), 1.0)
    for recorded in (True, False):
        x = tensor(W, requires_grad=recorded)
        y = x * 1.0
        seen = view(y)
        change(seen if which == "view changes" else y)
        np.testing.assert_allclose(y.detach().numpy(), expected, rtol=1e-12)
        np.testing.assert_allclose(seen.detach().numpy(), view(tensor(expected)).numpy(), rtol=1e-12)
        if recorded:
            factors = np.arange(1.0, 7.0).reshape(2, 3)
            (y * factors).sum().backward(retain_graph=True)
            np.testing.assert_allclose(x.grad.numpy(), slope * factors, rtol=1e-12)
            x.grad = None
            (seen * 2.0).sum().backward()  # the view's own gradient, through the change
            np.testing.assert_allclose(x.grad.numpy(), np.where(viewed(view, W), 2 * slope, 0), rtol=1e-12)


@pytest.mark.parametrize("view", VIEWS)
def test_a_plain_buffer_that_takes_recorded_values_carries_them_to_its_views(view):
    w = tensor(W, requires_grad=True)
    buffer = ag.zeros(2, 3, dtype=np.float64)
    seen = VIEWS[view](buffer)
    buffer[...] = w * 2
    (seen * seen).sum().backward()
    np.testing.assert_allclose(w.grad.numpy(), np.where(viewed(VIEWS[view], W), 8 * W, 0), rtol=1e-12)


def test_a_value_is_assigned_twice():
    w = tensor(2.0, requires_grad=True)
    buffer = ag.zeros(3)
    buffer[0] = w
    flat = buffer.view(3, 1)
    buffer[1] = flat[0, 0] * w
    flat[1].sum().backward()
    assert w.grad.item() == 4


def test_augmented_assignment_in_a_loop_changes_the_base():
    x = ag.ones(2, 3, requires_grad=True)
    out = ag.zeros(2, 2)
    for row in out:
        row += x[0, :2]
    assert out.tolist() == [[1, 1], [1, 1]]
    out.sum().backward()
    assert x.grad.tolist() == [[2, 2, 0], [0, 0, 0]]


def test_training_and_evaluation_give_the_same_values():
    def net(x):
        h = ag.zeros(2, 3) + x
        first = h[0]
        first *= 0.0
        return h.sum()

    x = ag.ones(2, 3, requires_grad=True)
    with no_grad():
        assert net(x).item() == 3
    assert net(x).item() == 3


def test_a_mask_writes_through_a_reshaped_view():
    x = ag.ones(2, 3, 3, requires_grad=True) * 2
    rows = x.reshape(-1, 3)
    rows[tensor([True] + [False] * 5)] = -1.0
    assert x.sum().item() == 27 and x[0, 0].tolist() == [-1, -1, -1]


def test_of_repeated_places_the_last_one_counts():
    v = tensor([1.0, 2.0, 3.0], requires_grad=True)
    z = ag.zeros(2)
    z[[0, 0, 1]] = v
    z.sum().backward()
    assert z.tolist() == [2, 3] and v.grad.tolist() == [0, 1, 1]


@pytest.mark.parametrize(
    "layer",
    [
        lambda: nn.Linear(4, 4)(ag.ones(2, 3, 4)),
        lambda: ag.matmul(ag.ones(2, 3, 4, requires_grad=True), ag.ones(4, 4)),
        lambda: nn.Conv1d(4, 4, 1)(ag.ones(2, 4, 3)),
        lambda: nn.Conv2d(1, 2, 3)(ag.ones(1, 5, 5)),
        lambda: nn.LayerNorm(4)(ag.ones(2, 3, 4)),
        lambda: nn.MaxPool1d(2)(ag.ones(1, 2, 4, requires_grad=True) * 1),
        lambda: nn.LSTM(4, 4)(ag.ones(2, 3, 4))[0],
        lambda: ag.einsum("ij,jk->ik", ag.ones(2, 2, requires_grad=True), ag.ones(2, 2)),
        lambda: ag.ones(2, requires_grad=True).repeat(3),
        lambda: F.pixel_shuffle(ag.ones(1, 4, 2, 2, requires_grad=True) * 1, 2),
        lambda: F.nll_loss(ag.ones(2, 3, requires_grad=True), tensor([0, 1]), reduction="none"),
        lambda: ag.kthvalue(ag.ones(2, 3, requires_grad=True), 2)[0],
    ],
)  # fmt: skip
def test_results_that_nobody_else_holds_can_be_changed(layer):
    out = layer()
    out.add_(1.0)
    out.sum().backward()


@pytest.mark.parametrize(
    "use",
    [
        lambda h: h.sum(),
        lambda h: h.mean(),
        lambda h: (h / 2).sum(),
        lambda h: (h + h).sum(),
        lambda h: h.reshape(1, 2).trace(),
        lambda h: ag.zeros(3).scatter(0, tensor([0, 2]), h).sum(),
        lambda h: ag.cat([h, h]).sum(),
    ],
)
def test_what_a_gradient_does_not_need_may_change(use):
    x = ag.ones(2, requires_grad=True)
    h = x * 1.0
    out = use(h)
    h.add_(1.0)
    out.backward()


INDEX, MASK = [0, 1], [True, False, True]


@pytest.mark.parametrize(
    ("use", "setting"),
    [
        (lambda x, i: x[i], INDEX),
        (lambda x, m: x[m], MASK),
        (lambda x, i: x.gather(0, i), INDEX),
        (lambda x, i: x.take_along_dim(i, 0), INDEX),
        (lambda x, i: x.index_select(0, i), INDEX),
        (lambda x, i: x.scatter(0, i, ag.ones(2, requires_grad=True)), INDEX),
        (lambda x, i: ag.zeros(3).scatter_add(0, i, x), INDEX),
        (lambda x, m: ag.where(m, x, 0.0), MASK),
        (lambda x, m: x.masked_fill(m, 0.0), MASK),
        (lambda x, m: x.masked_select(m), MASK),
        (lambda x, t: F.cross_entropy(x.reshape(1, 3), t, reduction="none"), [0]),
        (lambda x, t: F.nll_loss(x.reshape(1, 3), t, reduction="none"), [0]),
        (lambda x, t: F.embedding(t, x.reshape(3, 1)), INDEX),
    ],
)
def test_a_tensor_given_as_a_setting_is_checked_too(use, setting):
    x = ag.tensor([1.0, 2.0, 3.0], requires_grad=True)
    given = tensor(setting)
    out = (use(x * 1, given) ** 2).sum()
    given[0] = not setting[0] if setting is MASK else 2
    with pytest.raises(RuntimeError, match=r"changed in place after it was used, by setitem\(\)"):
        out.backward()


def test_an_error_names_both_operations():
    x = ag.ones(2, requires_grad=True)
    h = x * 2
    out = (h * h).sum()
    h.mul_(2.0)
    with pytest.raises(RuntimeError, match=r"the gradient of mul\(\) needs was changed .* by copy_into\(\)"):
        out.backward()


def test_an_operation_in_place_keeps_what_its_own_gradient_needs():
    x, w = ag.ones(2, requires_grad=True), ag.full((2,), 3.0, requires_grad=True)
    h = x * 2
    h *= w
    h **= 2
    h.sum().backward()  # (2 x w)²
    assert x.grad.tolist() == [72, 72] and w.grad.tolist() == [24, 24]


def test_leaves_refuse_recorded_changes_and_so_do_their_views():
    x = ag.ones(3, requires_grad=True)
    for change in (lambda: x.add_(1), lambda: x[:2].mul_(2), lambda: x.view(3, 1).__setitem__(0, 1.0)):
        with pytest.raises(RuntimeError, match="a leaf that requires a gradient cannot be changed in place"):
            change()
    with no_grad():
        x[:2].mul_(2)
    assert x.tolist() == [2, 2, 1]


@pytest.mark.parametrize("change", [lambda x: x.add_(1), lambda x: x.zero_(), lambda x: x.__setitem__(0, 1.0)])
def test_memory_that_cannot_be_written_to_says_so(change):
    with pytest.raises(RuntimeError, match="the memory is read-only"):
        change(ag.from_numpy(np.frombuffer(b"\0\0\0\0", "f4")))
    with pytest.raises(RuntimeError, match="several elements of an expanded tensor share one place"):
        change(ag.ones(3).expand(4, 3))


def test_an_optimizer_says_that_memory_is_read_only():
    p = nn.Parameter(ag.from_numpy(np.frombuffer(np.ones(3, "f4").tobytes(), "f4")))
    p.sum().backward()
    with pytest.raises(RuntimeError, match="read-only"):
        optim.SGD([p], lr=0.1).step()


def test_data_shares_memory_and_its_changes_are_not_seen():
    p = nn.Parameter(ag.ones(3))
    loss = (p * p).sum()
    p.data.mul_(2.0)
    p.data[0] = 7.0
    assert p.tolist() == [7, 2, 2] and not p.data.requires_grad and isinstance(p.data, ag.Tensor)
    loss.backward()  # as in PyTorch: no error
    p.data = ag.zeros(3)
    assert p.tolist() == [0, 0, 0] and p.requires_grad


def test_transposing_in_place():
    x = tensor(W, requires_grad=True)
    y = x * 1.0
    y.t_()
    y[0] = 0.0
    y.sum().backward()
    assert y.shape == (3, 2) and x.grad.tolist() == [[0, 1, 1], [0, 1, 1]]
