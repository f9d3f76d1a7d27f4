"""The engine: recording, the backward pass, its memory and its errors."""

import copy
import gc
import threading
import tracemalloc
import warnings
import weakref

import numpy as np
import pytest

import autograd_nn as ag
from autograd_nn import Tensor, enable_grad, engine, grad, no_grad, primitive, tensor
from autograd_nn.engine import elementwise, listen, mark_changed, update, versions
from autograd_nn.ops.elementwise import add, exp, mul


def leaf(*values):
    return tensor(list(values) if len(values) > 1 else values[0], requires_grad=True)


# ------------------------------------------------------------------------------------ gradients


def test_a_tensor_used_three_times_adds_its_gradients():
    x = leaf(2.0)
    (x * x * x).backward()
    assert x.grad.item() == 12.0


def test_gradients_add_up_over_backward_calls_until_they_are_taken_away():
    x = leaf(1.0)
    (x * 2).backward()
    (x * 3).backward()
    assert x.grad.item() == 5.0
    x.grad = None
    (x * 2).backward()
    assert x.grad.item() == 2.0


def test_broadcasting_is_undone():
    x, y = Tensor(np.ones((2, 1, 3)), requires_grad=True), Tensor(np.ones((4, 1)), requires_grad=True)
    (x * y).sum().backward()
    assert x.grad.shape == (2, 1, 3) and y.grad.shape == (4, 1)
    assert (x.grad.array == 4).all() and (y.grad.array == 6).all()


def test_the_gradient_has_the_dtype_of_its_tensor():
    x = Tensor(np.ones(3, np.float32), requires_grad=True)
    y = Tensor(np.ones(3, np.float64), requires_grad=True)
    (x * y).sum().backward()
    assert x.grad.dtype == np.float32 and y.grad.dtype == np.float64


def test_gradients_of_higher_order():
    x = leaf(2.0)
    derivatives, y = [], x * x * x * x
    for _ in range(4):
        (y,) = grad(y, x, create_graph=True)
        derivatives.append(y.item())
    assert derivatives == [32.0, 48.0, 48.0, 24.0]


def test_gradient_of_a_gradient_penalty_reaches_leaves():
    x, w = leaf(1.0, 2.0), leaf(3.0, 4.0)
    (g,) = grad((x * x * w).sum(), x, create_graph=True)
    (g * g).sum().backward()
    # g = 2 x w, sum g^2 = 4 x^2 w^2
    assert np.allclose(w.grad.array, 8 * np.array([1, 4]) * np.array([3, 4]))
    assert np.allclose(x.grad.array, 8 * np.array([1, 2]) * np.array([9, 16]))


def test_a_leaf_gradient_is_not_shared_with_another_leaf_nor_with_the_users_array():
    x, y = leaf(1.0, 2.0), leaf(3.0, 4.0)
    given = np.ones(2, np.float32)
    (x + y).backward(given)
    assert x.grad.array is not y.grad.array and not np.shares_memory(x.grad.array, y.grad.array)
    assert not np.shares_memory(x.grad.array, given)
    x.grad.array[:] = 7
    assert (y.grad.array == 1).all() and (given == 1).all()


def test_a_view_shares_no_gradient_with_the_gradient_given():
    x = leaf(1.0, 2.0)
    given = tensor([[5.0], [6.0]])
    x.reshape(2, 1).backward(given)
    assert not np.shares_memory(x.grad.array, given.array)


def test_a_leaf_reached_by_several_paths_keeps_its_own_sum():
    x = leaf(1.0, 2.0)
    y = x + x
    z = y + x
    z.backward(np.ones(2, np.float32))
    assert (x.grad.array == 3).all()


def test_grad_returns_and_leaves_grad_alone():
    x, y = leaf(3.0), leaf(4.0)
    gx, gy = grad(x * y, [x, y])
    assert (gx.item(), gy.item()) == (4.0, 3.0)
    assert x.grad is None and y.grad is None


def test_grad_with_respect_to_a_result_inside_the_graph():
    x = leaf(3.0)
    y = x * x
    (g,) = grad(y * y, y)
    assert g.item() == 18.0


def test_grad_of_an_unused_input():
    x, y = leaf(1.0), leaf(1.0)
    with pytest.raises(RuntimeError, match=r"do not depend on input 1 .*allow_unused=True"):
        grad(x * 2, [x, y])
    assert grad(x * 2, [x, y], allow_unused=True)[1] is None


def test_several_outputs_one_of_which_depends_on_another():
    x = leaf(2.0)
    y = x * x
    z = y * 3
    engine.backward([y, z])
    assert x.grad.item() == 4.0 + 12.0


# ------------------------------------------------------------------------------------ size of graphs


def test_a_chain_of_fifty_thousand_calls():
    x = leaf(1.0)
    y = x
    for _ in range(50_000):
        y = y + 1.0
    y.backward()
    assert x.grad.item() == 1.0


def test_sixty_doublings_visit_each_call_once():
    x = tensor(1.0, dtype=np.float64, requires_grad=True)
    y = x
    for _ in range(60):
        y = y + y
    y.backward()
    assert x.grad.item() == 2.0**60


def test_intermediates_die_with_the_loss_without_the_garbage_collector():
    gc.disable()
    try:
        x = leaf(1.0, 2.0)
        hidden = exp(x * 2)
        arrays = [weakref.ref(hidden), weakref.ref(hidden.origin), weakref.ref(hidden.array)]
        loss = (hidden * hidden).sum()
        del hidden
        loss.backward(retain_graph=True)
        assert arrays[1]() is not None
        del loss
        assert [reference() for reference in arrays] == [None, None, None]
    finally:
        gc.enable()


def test_backward_frees_what_it_no_longer_needs():
    x = leaf(1.0, 2.0)
    hidden = exp(x)
    kept = weakref.ref(hidden.array)
    loss = (hidden * 2).sum()
    del hidden
    loss.backward()
    assert kept() is None


def test_an_array_that_no_rule_reads_is_not_kept():
    x = leaf(1.0, 2.0)
    hidden = x * 2
    dead = weakref.ref(hidden.array)
    total = (hidden + 1).sum()
    del hidden
    assert dead() is None
    total.backward()
    assert (x.grad.array == 2).all()


def test_memory_does_not_grow_over_steps():
    x = Tensor(np.ones(1000, np.float32), requires_grad=True)

    def step():
        loss = (exp(x * 0.001) * x).sum()
        loss.backward()
        x.grad = None

    tracemalloc.start()
    traced = []
    for _ in range(2):  # the first time fills the interpreter's lists of free tuples
        for _ in range(2000):
            step()
        traced.append(tracemalloc.get_traced_memory()[0])
    tracemalloc.stop()
    assert traced[1] - traced[0] < 2000


# ------------------------------------------------------------------------------------ errors


def test_backward_of_a_tensor_without_graph():
    with pytest.raises(RuntimeError, match="does not require grad"):
        tensor(1.0).backward()


def test_backward_of_more_than_one_element_needs_a_gradient():
    x = leaf(1.0, 2.0)
    with pytest.raises(RuntimeError, match=r"implicitly created only for scalar outputs \(shape=\(2,\)\)"):
        (x * 2).backward()
    y = Tensor(np.ones((1,), np.float32), requires_grad=True)
    (y * 2).backward()
    assert y.grad.array.tolist() == [2.0]


def test_a_gradient_of_another_shape():
    with pytest.raises(RuntimeError, match=r"gradient has shape \(3,\) but the output \(2,\)"):
        (leaf(1.0, 2.0) * 2).backward(np.ones(3))


def test_a_second_backward_names_the_operation_and_the_likely_cause():
    x = leaf(2.0)
    y = x * x
    y.backward()
    with pytest.raises(RuntimeError, match=r"gradient of mul\(\) needs was freed .* loss.item\(\)"):
        y.backward()


def test_a_second_backward_through_calls_that_need_nothing():
    x = leaf(2.0)
    y = x + 1
    y.backward()
    y.backward()
    assert x.grad.item() == 2.0


def test_retain_graph():
    x = leaf(2.0)
    y = x * x
    y.backward(retain_graph=True)
    y.backward()
    assert x.grad.item() == 8.0


def test_integers_have_no_gradients():
    with pytest.raises(RuntimeError, match="only floating-point tensors have gradients"):
        tensor([1, 2], requires_grad=True)


def test_a_rule_of_the_wrong_shape_is_named():
    @primitive
    def broken(x):
        return x.sum(keepdims=True)

    broken.defvjp(x=lambda g: g)
    with pytest.raises(RuntimeError, match=r"broken\(\): its vjp gave a gradient of shape \(1,\) .* of shape \(3,\)"):
        broken(leaf(1.0, 2.0, 3.0)).backward()


def test_what_is_no_number_is_refused_by_name():
    with pytest.raises(TypeError, match=r"add\(\): y must be a tensor"):
        add(leaf(1.0), "2")


# ------------------------------------------------------------------------------------ in-place changes


def test_changing_a_value_that_a_rule_needs_is_detected():
    x = leaf(1.0, 2.0)
    y = x * 2
    z = y * y
    with no_grad():
        y.add_(1)
    with pytest.raises(RuntimeError, match=r"gradient of mul\(\) needs was changed in place"):
        z.sum().backward()


def test_changing_a_value_that_no_rule_needs_is_fine():
    x = leaf(1.0, 2.0)
    y = x * 2
    z = y + 1
    with no_grad():
        y.add_(1)
    z.sum().backward()
    assert (x.grad.array == 2).all()


@pytest.mark.parametrize("alias", ["detach", "view"])
def test_a_change_through_an_alias_is_detected(alias):
    x = leaf(1.0, 2.0)
    y = exp(x)
    other = y.detach() if alias == "detach" else y.detach()[0:1]
    with no_grad():
        other.mul_(3)
    with pytest.raises(RuntimeError, match=r"gradient of exp\(\) needs was changed in place"):
        y.sum().backward()


def test_recorded_in_place_operations():
    x = leaf(1.0, 2.0)
    y = x * 2
    y.add_(x)
    y.mul_(3.0)
    y.sum().backward()
    assert (x.grad.array == 9).all()


def test_item_assignment_is_recorded():
    x, v = leaf(1.0, 2.0, 3.0), leaf(5.0)
    y = x * 1
    y[0] = 0
    y[1:2] = v
    y.backward(np.array([1, 10, 100], np.float32))
    assert x.grad.array.tolist() == [0, 0, 100] and v.grad.item() == 10


def test_a_leaf_cannot_be_changed_in_place_while_recording():
    x = leaf(1.0, 2.0)
    for change in (lambda: x.add_(1), lambda: x.__setitem__(0, 3), lambda: x[0:1].add_(1)):
        with pytest.raises(RuntimeError, match="cannot be changed in place while operations are recorded"):
            change()
    with no_grad():
        x.add_(1)
    assert x.array.tolist() == [2, 3] and x.is_leaf and x.requires_grad


def test_stamps_of_dead_arrays_are_forgotten():
    for _ in range(5000):
        mark_changed(np.zeros(1))
    assert len(versions._stamps) <= 2048


# ------------------------------------------------------------------------------------ recording


def test_no_grad_as_context_and_decorator():
    x = leaf(1.0)

    @no_grad()
    def double(x):
        return x * 2

    @no_grad
    def triple(x):
        return x * 3

    with no_grad():
        assert not (x * 2).requires_grad
        with enable_grad():
            assert (x * 2).requires_grad
        assert not ag.is_grad_enabled()
    assert not double(x).requires_grad and not triple(x).requires_grad
    assert double.__name__ == "double" and ag.is_grad_enabled()


def test_no_grad_is_undone_by_an_exception():
    with pytest.raises(ValueError, match="inside"), no_grad():
        raise ValueError("inside")
    assert ag.is_grad_enabled()


def test_set_grad_enabled_at_once_and_as_context():
    with ag.set_grad_enabled(False):
        assert not ag.is_grad_enabled()
    assert ag.is_grad_enabled()
    ag.set_grad_enabled(False)
    assert not ag.is_grad_enabled()
    ag.set_grad_enabled(True)


def test_recording_is_per_thread():
    seen = []
    with no_grad():
        thread = threading.Thread(target=lambda: seen.append(ag.is_grad_enabled()))
        thread.start()
        thread.join()
    assert seen == [True]


def test_eight_threads_differentiate_at_once():
    results = [None] * 8

    def work(i):
        x = tensor(float(i), requires_grad=True)
        for _ in range(100):
            x.grad = None
            y = x
            for _ in range(10):
                y = y * 1.01 + 0.5
            y.backward()
        results[i] = x.grad.item()

    threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [results[0]] * 8 and results[0] == pytest.approx(1.01**10)


# ------------------------------------------------------------------------------------ leaves, hooks


def test_the_grad_of_a_result_warns_unless_retained():
    x = leaf(2.0)
    y = x * 3
    z = y * y
    with pytest.warns(UserWarning, match=r"result of mul\(\), not a leaf"):
        assert y.grad is None
    y.retain_grad()
    z.backward()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert y.grad.item() == 12.0 and x.grad.item() == 36.0


def test_hooks_see_and_replace_gradients():
    x = leaf(2.0)
    y = x * 1
    seen = []
    y.register_hook(lambda g: seen.append(g.item()))
    handle = y.register_hook(lambda g: g * 10)
    (y * 2).backward(retain_graph=True)
    assert seen == [2.0] and x.grad.item() == 20.0
    handle.remove()
    x.grad = None
    (y * 2).backward()
    assert x.grad.item() == 2.0


def test_a_hook_of_a_leaf():
    x = leaf(2.0)
    x.register_hook(lambda g: -g)
    (x * 3).backward()
    assert x.grad.item() == -3.0


def test_a_hook_that_returns_another_shape():
    x = leaf(2.0)
    x.register_hook(lambda g: tensor([1.0, 2.0]))
    with pytest.raises(RuntimeError, match=r"gradient of shape \(\), got \(2,\)"):
        (x * 3).backward()


def test_detach_shares_memory_and_no_graph():
    x = leaf(1.0, 2.0)
    y = (x * 2).detach()
    assert y.origin is None and not y.requires_grad
    z = x.detach()
    assert np.shares_memory(z.array, x.array)


def test_grad_can_only_be_set_to_what_fits():
    x = leaf(1.0, 2.0)
    with pytest.raises(RuntimeError, match="must have the tensor's shape and dtype"):
        x.grad = tensor([1.0])
    x.grad = tensor([1.0, 1.0])
    with pytest.raises(RuntimeError, match="only a leaf can be changed"):
        (x * 2).requires_grad = False


def test_deepcopy_of_leaves_only():
    x = leaf(1.0, 2.0)
    (x * 2).sum().backward()
    y = copy.deepcopy(x)
    assert y.requires_grad and y.grad.array.tolist() == [2, 2] and not np.shares_memory(x.array, y.array)
    with pytest.raises(RuntimeError, match="only leaves"):
        copy.deepcopy(x * 2)


# ------------------------------------------------------------------------------------ the door


def test_a_listener_sees_every_call_forward_and_backward():
    x = leaf(2.0)
    seen = []

    def listener(proceed, primitive, inputs, params):
        differentiating = engine.differentiating()
        seen.append((primitive.name, differentiating and differentiating.primitive.name))
        return proceed(*inputs, **params)

    with listen(listener):
        exp(x * 2).backward()
    mul(x, 2)
    assert seen == [("mul", None), ("exp", None), ("seed", None), ("mul", "exp"), ("mul", "mul")]


def test_listeners_nest():
    order = []

    def named(name):
        def listener(proceed, primitive, inputs, params):
            order.append(name)
            return proceed(*inputs, **params)

        return listener

    with listen(named("outer")), listen(named("inner")):
        leaf(1.0) * 2
    assert order == ["inner", "outer"]


def test_a_primitive_of_ones_own_with_two_results_and_a_joint_rule():
    calls = []

    @primitive(results="difference share")
    def scaled_difference(x, y, *, scale):
        return (x - y) * scale, x / y

    @scaled_difference.defvjps
    def rule(g, g_share, x, y, share, needs, scale):
        calls.append((needs, g is None, g_share is None))
        gx = gy = 0.0
        if g is not None:
            gx, gy = gx + g * scale, gy - g * scale
        if g_share is not None:
            gx, gy = gx + g_share / y, gy - g_share * share / y
        return gx if needs[0] else None, gy if needs[1] else None

    x, y = leaf(1.0), leaf(5.0)
    difference, share = scaled_difference(x, y, scale=3.0)
    assert share.origin is difference.origin is not None and share.item() == np.float32(0.2)
    difference.backward(retain_graph=True)
    assert (x.grad.item(), y.grad.item()) == (3.0, -3.0)
    (2 * share).backward(retain_graph=True)
    assert x.grad.item() == pytest.approx(3.4) and y.grad.item() == pytest.approx(-3.08)
    (difference * share).backward()  # d/dx 3 (x - y) x / y, d/dy
    assert x.grad.item() == pytest.approx(3.4 + 3 * (2 * 1 - 5) / 5) and y.grad.item() == pytest.approx(-3.08 - 3 / 25)
    difference, _ = scaled_difference(x, 2.0, scale=3.0)
    difference.backward()
    assert calls == [((True, True), False, True), ((True, True), True, False), ((True, True), False, False),
                     ((True, False), False, True)]


def test_the_form_of_rules_is_explained():
    @primitive
    def twice(x, *, scale):
        return x * scale

    with pytest.raises(TypeError, match=r"twice.defvjp\(\): rules are given by the names of the inputs.*x=lambda g, x"):
        twice.defvjp(lambda g, out, x, scale: g * scale)
    with pytest.raises(TypeError, match=r"'z' is no input \(inputs: x\)"):
        twice.defvjp(z=lambda g: g)
    with pytest.raises(TypeError, match=r"'ax', which names no gradient, input, result or setting.*x_like"):
        twice.defvjp(x=lambda g, ax: g)


def test_a_rule_keeps_what_it_names_and_nothing_else():
    @primitive
    def three(x, y, *, scale=2.0):
        return x * y * scale

    three.defvjp(x=lambda g, y, scale: g * y * scale, y=lambda g, x_like, out: g * out * float(x_like.shape[0]))
    x, y = leaf(1.0, 2.0), leaf(3.0, 4.0)
    out = three(x, y)
    assert out.origin.inputs[0] is None and out.origin.inputs[1] is y.array and out.origin.outputs[0] is out.array
    out = three(x, y.detach())
    assert out.origin.outputs is None
    out.sum().backward()
    assert x.grad.tolist() == [6.0, 8.0]
    out = three(np.ones(2, np.float32), y)  # an input without a node, of which only the shape is read
    assert out.origin.inputs[0].shape == (2,) and not isinstance(out.origin.inputs[0], np.ndarray)
    out.sum().backward()
    assert y.grad.tolist() == [12.0, 16.0]


def test_inputs_are_given_by_name_too():
    x, y = leaf(3.0, 4.0), leaf(2.0, 5.0)
    out = ag.mul(x, other=y)
    out.sum().backward()
    assert x.grad.tolist() == [2.0, 5.0] and y.grad.tolist() == [3.0, 4.0]
    assert ag.exp(input=tensor([0.0])).tolist() == [1.0]
    assert ag.atan2(other=tensor([1.0]), input=tensor([0.0])).tolist() == [0.0]
    assert ag.pow(tensor([3.0]), exponent=2).tolist() == [9.0]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ag.mul(tensor([1.0])), r"mul\(\) missing .*'y'"),
        (lambda: ag.mul(other=tensor([1.0])), r"mul\(\) got an unexpected keyword argument"),
        (lambda: ag.exp(tensor([1.0]), input=tensor([1.0])), r"exp\(\) got an unexpected keyword argument 'input'"),
    ],
)
def test_inputs_that_are_missing_or_given_twice(call, message):
    with pytest.raises(TypeError, match=message):
        call()


def test_an_elementwise_function_of_ones_own_broadcasts():
    @elementwise
    def softplus_like(x, y):
        return np.logaddexp(x, y)

    softplus_like.defvjp(x=lambda g, out, x: g * exp(x - out), y=lambda g, out, y: g * exp(y - out))
    x, y = Tensor(np.zeros((2, 3), np.float32), requires_grad=True), leaf(0.0)
    softplus_like(x, y).sum().backward()
    assert np.allclose(x.grad.array, 0.5) and y.grad.item() == pytest.approx(3.0)


def test_an_update_that_cannot_be_recorded_on_a_view_says_so_and_writes_nothing():
    @update(writes="x")
    def scale(x, factor):
        x *= factor

    scale.defvjp(x=lambda g, factor: g * factor)
    leaf = ag.ones(4, requires_grad=True)
    base = leaf * 1.0
    view = base[1:3]
    with pytest.raises(RuntimeError, match=r"scale\(\): cannot be recorded on a view.*update that tensor"):
        scale(view, 2.0)
    assert base.tolist() == [1, 1, 1, 1]
    with ag.no_grad():
        scale(view, 2.0)
    assert base.tolist() == [1, 2, 2, 1]
    scale(base, 3.0)
    base.sum().backward()
    assert leaf.grad.tolist() == [3, 3, 3, 3]


def test_the_very_first_write_of_a_process_is_seen_if_it_is_of_arrays_together(monkeypatch):
    monkeypatch.setattr(versions, "clock", 0)
    a, b = np.zeros(2), np.zeros(3)
    versions.Together([a, b], "step").mark()
    assert versions.last_change(a) == versions.last_change(b) == (1, "step")
