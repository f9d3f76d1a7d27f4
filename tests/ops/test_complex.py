"""Complex numbers: the convention of gradients, views and in-place changes, promotion, what is refused, transforms."""

import numpy as np
import pytest

import autograd_nn as ag
from autograd_nn.testing import gradcheck, gradgradcheck


def drawn(*shape, seed=0, dtype=np.complex128):
    source = np.random.default_rng(seed)
    values = source.standard_normal(shape) + 1j * source.standard_normal(shape)
    return ag.tensor((values if np.dtype(dtype).kind == "c" else values.real).astype(dtype), requires_grad=True)


def test_the_gradient_of_a_real_loss_is_that_of_its_parts():
    z = ag.tensor([1 + 2j, 3 - 1j], requires_grad=True)
    (z.real * 5 + z.imag * 7).sum().backward()
    assert z.grad.tolist() == [5 + 7j] * 2
    z.grad = None
    z.abs().square().sum().backward()
    np.testing.assert_allclose(z.grad.numpy(), 2 * z.detach().numpy(), rtol=1e-6)
    found = []
    product = z * 1j
    product.register_hook(found.append)
    product.backward(ag.tensor([1j, 2.0 + 0j]))
    assert found[0].tolist() == [1j, 2]
    with pytest.raises(RuntimeError, match="only for real outputs"):
        (z * 2).sum().backward()


def in_views(z, w):
    y = z.clone()
    y[0] = w * 2
    y.real.mul_(3.0)
    ag.view_as_real(y)[..., 1].add_(w.abs())
    y.imag *= 0.5
    return y * y


def in_pairs(r, w):
    pairs = ag.stack([r, r * 2], -1).contiguous()
    ag.view_as_complex(pairs).mul_(w)
    return pairs * pairs


@pytest.mark.parametrize(("function", "dtypes"), [
    (in_views, "DD"), (in_pairs, "dD"),
    (lambda z, w: (z @ w).abs(), "DD"), (lambda z, r: z * r, "Dd"), (lambda r, w: ag.fft.rfft(r) * w[0], "dD"),
    (lambda z, w: ag.fft.irfft(z, 5) * w.abs().sum(), "DD"), (lambda z, w: z.conj() * w.angle(), "DD"),
])  # fmt: skip
def test_gradients_of_both_orders(function, dtypes):
    inputs = [drawn(2, 3, dtype=dtypes[0]), drawn(3, seed=1, dtype=dtypes[1])]
    assert gradcheck(function, inputs) and gradgradcheck(function, inputs)


def test_gradcheck_finds_a_wrong_conjugate():
    class Wrong(ag.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        def backward(ctx, g):
            return g * 2 * ctx.saved_tensors[0]

    with pytest.raises(RuntimeError, match="disagrees"):
        gradcheck(Wrong.apply, drawn(2))


@pytest.mark.parametrize(("x", "y", "dtype"), [
    (ag.ones(2), 1j, "c8"), (ag.ones(2, dtype=ag.float64), 1j, "c16"), (ag.arange(2), 1j, "c8"),
    (ag.ones(2, dtype=ag.float64), ag.ones(2, dtype=ag.cfloat), "c16"),
    (ag.ones(2, dtype=ag.cfloat), ag.tensor(1.0, dtype=ag.float64), "c8"),
    (ag.ones(2, dtype=ag.float64), ag.tensor(1j), "c16"), (ag.ones(2, dtype=ag.cfloat), 2.5, "c8"),
])  # fmt: skip
def test_promotion(x, y, dtype):
    for out in (x + y, y * x):
        assert out.dtype == np.dtype(dtype)


@pytest.mark.parametrize("name", ["floor", "relu", "argmax", "sort", "max", "erf", "softmax", "log_softmax", "cummax"])
def test_what_is_not_defined_is_refused_by_name(name):
    arguments = [0] if name in ("softmax", "log_softmax", "cummax") else []
    refused = rf"{name}\(\): (is not defined for complex|expects a floating)"
    with pytest.raises((TypeError, RuntimeError), match=refused):
        getattr(drawn(2, 3), name)(*arguments)


def test_conversions_warn_where_parts_are_lost():
    z = ag.tensor([1 + 2j])
    with pytest.warns(UserWarning, match="imaginary parts are lost"):
        assert z.float().tolist() == [1.0]
    assert z.to(ag.complex128).dtype == np.complex128 and ag.ones(1).to(ag.cfloat).tolist() == [1]


@pytest.mark.parametrize("norm", [None, "ortho", "forward"])
@pytest.mark.parametrize("n", [None, 3, 8])
def test_transforms_are_numpys(n, norm):
    z, x = drawn(2, 5).detach().numpy(), drawn(2, 5, dtype=np.float64).detach().numpy()
    for name in ("fft", "ifft", "irfft", "hfft", "rfft", "ihfft"):
        given = x if name in ("rfft", "ihfft") else z
        out = getattr(ag.fft, name)(ag.tensor(given), n, 1, norm).numpy()
        np.testing.assert_allclose(out, getattr(np.fft, name)(given, n, 1, norm), rtol=1e-12, atol=1e-12)


def test_a_compiled_step_takes_complex_numbers():
    weight = ag.tensor([1 + 1j, 2.0, -1j], requires_grad=True)

    def step(x):
        weight.grad = None
        loss = (ag.fft.irfft(ag.fft.rfft(x) * weight, 4) ** 2).sum()
        loss.backward()
        return loss

    compiled = ag.compile(step)
    for i in range(4):
        x = ag.tensor(np.random.default_rng(i).standard_normal(4))
        loss = compiled(x).item()
        gradient = weight.grad.clone()
        assert step(x).item() == loss and (weight.grad == gradient).all()
