"""Derivatives as functions: by hand, by differences, through each other, and connected with graphs around them."""

import numpy as np
import pytest

import autograd_nn as ag
from autograd_nn import func, nn
from autograd_nn.func import functional_call, grad, hessian, jacfwd, jacrev, jvp, linearize, vjp, vmap


def f64(*values):
    return ag.tensor(list(values), dtype=np.float64)


def close(found, expected, tolerance=1e-12):
    found = found.detach().numpy() if isinstance(found, ag.Tensor) else found
    np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance)


# ------------------------------------------------------------------------------------ grad


def test_grad_of_one_argument_and_of_several():
    def f(x, y, *, scale):
        return (x**2 * y).sum() * scale

    x, y = f64(1, 2), f64(3, 4)
    close(grad(f)(x, y, scale=2), [12, 32])
    close(grad(f, argnums=1)(x, y, scale=2), [2, 8])
    for argnums in ((0, 1), (-2, -1)):
        gx, gy = grad(f, argnums)(x, y, scale=2)
        close(gx, [12, 32])
        close(gy, [2, 8])


def test_structures_of_arguments_keep_their_form():
    def f(p):
        return (p["w"] * p["rest"][0]).sum() + p["rest"][1]

    found = grad(f)({"w": f64(1, 2), "rest": [f64(3, 4), ag.tensor(5.0)]})
    close(found["w"], [3, 4])
    close(found["rest"][0], [1, 2])
    assert isinstance(found["rest"], list) and found["rest"][1].item() == 1 and found["rest"][1].dtype == np.float32


def test_value_and_grad_and_aux_in_both_orders():
    def f(x):
        return (x * x).sum(), {"square": x * x, "kept": 7}

    (value, aux), g = func.value_and_grad(f, has_aux=True)(f64(1, 3))
    assert value.item() == 10 and aux["kept"] == 7
    close(aux["square"], [1, 9])
    close(g, [2, 6])
    assert not (value.requires_grad or g.requires_grad or aux["square"].requires_grad)
    g, (value, aux) = func.grad_and_value(f, has_aux=True)(f64(1, 3))
    assert value.item() == 10
    g, aux = grad(f, has_aux=True)(f64(1, 3))
    close(g, [2, 6])


def test_derivatives_of_derivatives():
    f = ag.sin
    for order, expected in enumerate((np.cos, lambda x: -np.sin(x), lambda x: -np.cos(x), np.sin), 1):
        f = grad(f)
        close(f(ag.tensor(0.3, dtype=np.float64)), expected(0.3)), order


def test_an_argument_without_part_in_the_result_has_a_gradient_of_zero():
    close(grad(lambda x, y: (y * 2).sum())(f64(1, 2), f64(3)), [0, 0])
    close(grad(lambda x, y: x.sum(), argnums=1)(f64(1, 2), f64(3)), [0])
    close(grad(grad(lambda x: x))(ag.tensor(3.0)), 0)


def test_what_the_function_reads_from_outside_can_be_differentiated():
    w = f64(2, 3).requires_grad_()
    g = grad(lambda x: (w * x**2).sum())(f64(5, 7))
    close(g, [20, 42])
    (gw,) = ag.grad(g.sum(), w)
    close(gw, [10, 14])
    x = f64(5, 7).requires_grad_()
    (gx,) = ag.grad(grad(lambda x: (x**3).sum())(x).sum(), x)
    close(gx, [30, 42])


def test_no_grad_inside_holds_and_outside_is_not_seen_by_the_function():
    def f(x):
        with ag.no_grad():
            constant = x * x
        return (x - constant).sum()

    close(grad(f)(f64(3)), [1])
    with ag.no_grad():
        found = grad(lambda x: (x * x).sum())(f64(3).requires_grad_())
    close(found, [6])
    assert not found.requires_grad


def test_gradients_do_not_touch_grad():
    w = f64(2).requires_grad_()
    grad(lambda x: (w * x).sum())(f64(1))
    assert w.grad is None


@pytest.mark.parametrize(("call", "kind", "text"), [
    (lambda: grad(lambda x: x)(f64(1, 2)), RuntimeError, r"without dims \(shape=\(2,\)\)"),
    (lambda: grad(lambda x: 3.0)(f64(1)), RuntimeError, "got float"),
    (lambda: grad(lambda x: x.sum() > 0)(f64(1)), RuntimeError, "floating-point"),
    (lambda: grad(lambda x: x.sum())(ag.tensor([1, 2])), RuntimeError, "dtype=int64"),
    (lambda: grad(lambda x: x.sum(), argnums=1)(f64(1)), RuntimeError, "1 arguments"),
    (lambda: grad(lambda x: x.sum(), argnums=(0, 0))(f64(1)), RuntimeError, "each argument once"),
    (lambda: grad(lambda x: x.sum(), has_aux=True)(f64(1)), RuntimeError, r"\(output, aux\)"),
    (lambda: grad(lambda x: x.sum())(3.0), ValueError, "got float"),
    (lambda: vjp(lambda x: x, f64(1))[1](f64(1, 2)), RuntimeError, r"expected shape \(1,\)"),
    (lambda: vjp(lambda x: (x, x), f64(1))[1](f64(1)), RuntimeError, r"tuple\(Tensor, Tensor\)"),
    (lambda: vjp(lambda x: x), RuntimeError, "at least one primal"),
    (lambda: vjp(lambda x: 1, f64(1)), RuntimeError, "must return tensors"),
    (lambda: jvp(lambda x: x, f64(1), f64(1)), RuntimeError, "must be tuples"),
    (lambda: jvp(lambda x: x, (f64(1),), (f64(1, 2),)), RuntimeError, r"expected shape \(1,\)"),
    (lambda: jvp(lambda x: f64(2), (f64(1),), (f64(1),), strict=True), RuntimeError, "strict=True"),
])
def test_errors(call, kind, text):
    with pytest.raises(kind, match=text):
        call()


# ------------------------------------------------------------------------------------ vjp, jvp, linearize


def test_vjp_of_several_outputs_can_be_called_again():
    x, y = f64(1, 2), f64(3, 4)
    (product, total), vjp_fn = vjp(lambda x, y: (x * y, x.sum()), x, y)
    close(product, [3, 8])
    for factor in (1, 2):
        gx, gy = vjp_fn((f64(factor, 0), ag.tensor(10.0, dtype=np.float64)))
        close(gx, [3 * factor + 10, 10])
        close(gy, [factor, 0])
    assert not total.requires_grad
    (only,) = vjp(ag.exp, f64(0))[1](f64(5))
    close(only, [5])
    _out, vjp_fn, aux = vjp(lambda x: (x * 2, x + 1), x, has_aux=True)
    close(aux, [2, 3])


def test_jvp_is_the_directional_derivative():
    x, v = f64(0.3, 0.7), f64(2, -1)

    def f(x):
        return ag.stack([x.prod(), (x**3).sum()]), x.exp()

    (a, _b), (da, db) = jvp(f, (x,), (v,))
    h = 1e-6
    for part, tangent in ((0, da), (1, db)):
        close(tangent, (f(x + v * h)[part] - f(x - v * h)[part]).numpy() / (2 * h), 1e-8)
    close(a, [0.21, 0.027 + 0.343])
    _out, tangent, _aux = jvp(lambda x: (x * x, x), (x,), (v,), has_aux=True)
    close(tangent, [1.2, -1.4])
    close(jvp(lambda x: f64(2), (x,), (v,))[1], [0])


def test_linearize_runs_the_function_once():
    calls = []

    def f(x, y):
        calls.append(1)
        return x * y

    out, derivative = linearize(f, f64(2, 3), f64(5, 7))
    close(out, [10, 21])
    close(derivative(f64(1, 0), f64(0, 1)), [5, 3])
    close(derivative(f64(0, 1), f64(0, 0)), [0, 7])
    assert len(calls) == 1


def test_jvp_can_be_differentiated_in_place_and_direction():
    def f(x, v):
        return jvp(lambda x: x**3, (x,), (v,))[1].sum()

    gx, gv = grad(f, argnums=(0, 1))(f64(2), f64(5))
    close(gx, [60])
    close(gv, [12])
    close(jvp(lambda x: grad(lambda x: (x**4).sum())(x), (f64(2),), (f64(1),))[1], [48])


# ------------------------------------------------------------------------------------ Jacobians and Hessians


def cubic(x, y):
    return {"a": x[:2] * y, "b": (x**3).sum() * y.sum()}


@pytest.mark.parametrize("jacobian", [jacrev, jacfwd])
def test_jacobians_of_structures(jacobian):
    x, y = f64(1, 2, 3), f64(4, 5)
    found = jacobian(cubic, argnums=(0, 1))(x, y)
    close(found["a"][0], [[4, 0, 0], [0, 5, 0]])
    close(found["a"][1], [[1, 0], [0, 2]])
    close(found["b"][0], 9 * 3 * np.array([1, 4, 9]))
    close(found["b"][1], [36, 36])
    close(jacobian(lambda x, y: x[:2] * y, argnums=1)(x, y), [[1, 0], [0, 2]])
    with_aux, aux = jacobian(lambda x: (x * x, x + 1), has_aux=True)(x)
    close(with_aux, np.diag([2, 4, 6]))
    close(aux, [2, 3, 4])


@pytest.mark.parametrize("jacobian", [jacrev, jacfwd])
def test_a_jacobian_has_the_dims_of_output_and_argument(jacobian):
    x = ag.tensor(np.arange(6.0).reshape(2, 3) / 7)
    found = jacobian(lambda x: ag.sin(x).sum(0) * 2)(x)
    expected = np.zeros((3, 2, 3))
    for j in range(3):
        expected[j, :, j] = 2 * np.cos(x.numpy()[:, j])
    close(found, expected)


def test_rows_in_chunks_are_the_same():
    x = ag.tensor(np.linspace(0, 1, 7))
    f = lambda x: (x.outer(x) * x).sum(0)  # noqa: E731
    for size in (1, 3, 7, 100):
        close(jacrev(f, chunk_size=size)(x), jacrev(f)(x).numpy())


def test_hessian_by_hand_and_of_structures():
    x = f64(1, 2)
    close(hessian(lambda x: (x**3).sum() * x[0])(x), [[12 + 0, 12], [12, 12]])
    blocks = hessian(lambda x, y: (x * y**2).sum(), argnums=(0, 1))(x, f64(3, 4))
    close(blocks[0][0], np.zeros((2, 2)))
    close(blocks[0][1], np.diag([6, 8]))
    close(blocks[1][0], np.diag([6, 8]))
    close(blocks[1][1], np.diag([2, 4]))


def test_all_ways_to_a_hessian_agree_on_a_network():
    ag.manual_seed(0)
    net = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1)).double()
    x = ag.randn(3, dtype=np.float64)

    def f(x):
        return net(x).squeeze()

    reference = hessian(f)(x).detach().numpy()
    for outer, inner in ((jacrev, jacrev), (jacrev, jacfwd), (jacfwd, jacfwd)):
        close(outer(inner(f))(x), reference, 1e-10)
    columns = [jvp(grad(f), (x,), (unit,))[1].detach().numpy() for unit in ag.eye(3, dtype=np.float64)]
    close(np.stack(columns), reference, 1e-10)
    close(reference, reference.T, 1e-12)


def test_the_hessian_of_a_loss_in_parameters():
    layer = nn.Linear(2, 1, bias=False).double()
    x = ag.tensor([[1.0, 2.0], [3.0, 5.0]], dtype=np.float64)
    parameters = {name: p.detach() for name, p in layer.named_parameters()}
    found = hessian(lambda p: (functional_call(layer, p, (x,)) ** 2).sum())(parameters)
    close(found["weight"]["weight"].reshape(2, 2), 2 * x.numpy().T @ x.numpy())


def test_per_sample_hessians_are_a_vmap_of_hessian():
    x = ag.tensor(np.linspace(-1, 1, 6).reshape(3, 2))
    f = lambda x: (ag.sin(x) * x[0]).sum()  # noqa: E731
    found = vmap(hessian(f))(x)
    for i in range(3):
        close(found[i], hessian(f)(x[i]).numpy())
