"""Convolution and pooling of volumes equal their definitions, and PyTorch where it is installed."""

import itertools

import numpy as np
import pytest

import autograd_nn as ag
from autograd_nn import Tensor, nn
from autograd_nn.nn import functional as F

RNG = np.random.default_rng(5)


def normal(*shape):
    return RNG.standard_normal(shape)


def naive_conv3d(x, w, stride, padding, dilation):
    x = np.pad(x, ((0, 0), (0, 0), *((p, p) for p in padding)))
    size = [(n - d * (k - 1) - 1) // s + 1 for n, k, s, d in zip(x.shape[2:], w.shape[2:], stride, dilation)]
    out = np.zeros((len(x), len(w), *size))
    for at in np.ndindex(*size):
        for tap in np.ndindex(*w.shape[2:]):
            z, y, q = (i * s + k * d for i, s, k, d in zip(at, stride, tap, dilation))
            out[:, :, *at] += x[:, :, z, y, q] @ w[:, :, *tap].T
    return out


@pytest.mark.parametrize(
    ("kernel", "stride", "padding", "dilation"),
    [((3, 3, 3), (1, 1, 1), (1, 1, 1), (1, 1, 1)), ((2, 3, 1), (2, 1, 2), (1, 0, 2), (1, 2, 1)),
     ((1, 2, 2), (1, 2, 1), (0, 1, 1), (3, 1, 1)), ((3, 2, 2), (3, 2, 1), (2, 1, 0), (2, 1, 3))],
)  # fmt: skip
def test_conv3d_equals_its_definition_and_conv_transpose3d_is_its_adjoint(kernel, stride, padding, dilation):
    x, w = normal(2, 3, 6, 7, 8), normal(4, 3, *kernel)
    out = F.conv3d(Tensor(x), Tensor(w), None, stride, padding, dilation).numpy()
    np.testing.assert_allclose(out, naive_conv3d(x, w, stride, padding, dilation), rtol=1e-9, atol=1e-9)
    g = normal(*out.shape)
    least = F.conv_transpose3d(Tensor(g), Tensor(w), None, stride, padding, 0, 1, dilation).shape[2:]
    extra = tuple(n - m for n, m in zip(x.shape[2:], least))
    back = F.conv_transpose3d(Tensor(g), Tensor(w), None, stride, padding, extra, 1, dilation).numpy()
    assert back.shape == x.shape
    np.testing.assert_allclose((out * g).sum(), (x * back).sum(), rtol=1e-9)


def test_max_pool3d_takes_the_first_of_a_tie_and_names_its_place():
    x = np.zeros((1, 1, 2, 2, 4))
    x[0, 0, 1, 0, 1] = x[0, 0, 1, 1, 0] = 3
    out, places = F.max_pool3d(Tensor(x), 2, return_indices=True)
    assert out.tolist() == [[[[[3, 0]]]]] and places.tolist() == [[[[[9, 2]]]]]
    y = Tensor(x, requires_grad=True)
    F.max_pool3d(y, 2).sum().backward()
    assert np.argwhere(y.grad.numpy()[0, 0]).tolist() == [[0, 0, 2], [1, 0, 1]]


def test_means_of_volumes():
    x = normal(2, 3, 4, 6, 5)
    expected = x[:, :, :, :, :4].reshape(2, 3, 2, 2, 3, 2, 2, 2).mean((3, 5, 7))
    np.testing.assert_allclose(F.avg_pool3d(Tensor(x), 2).numpy(), expected, rtol=1e-12)
    np.testing.assert_allclose(F.adaptive_avg_pool3d(Tensor(x), 1).numpy()[..., 0, 0, 0], x.mean((2, 3, 4)), rtol=1e-12)


def test_layers_of_volumes():
    x = ag.randn(2, 4, 4, 5, 6)
    assert nn.Conv3d(4, 6, 3, padding="same", groups=2)(x).shape == (2, 6, 4, 5, 6)
    assert nn.Conv3d(4, 6, 3)(x[0]).shape == (6, 2, 3, 4)
    assert nn.ConvTranspose3d(4, 3, 3, 2)(x, output_size=(10, 11, 14)).shape == (2, 3, 10, 11, 14)
    assert nn.MaxPool3d(2, return_indices=True)(x)[1].shape == (2, 4, 2, 2, 3)
    assert nn.AvgPool3d((1, 2, 3))(x).shape == (2, 4, 4, 2, 2)
    assert nn.AdaptiveAvgPool3d((1, None, 2))(x).shape == (2, 4, 1, 5, 2)
    assert nn.AdaptiveMaxPool3d(2)(x).shape == (2, 4, 2, 2, 2)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: F.conv3d(ag.zeros(1, 2, 3, 3), ag.zeros(1, 2, 3, 3)), ["conv3d()", "4 or 5 dims", "(1, 2, 3, 3)"]),
        (lambda: F.conv3d(ag.zeros(1, 2, 3, 3, 3), ag.zeros(1, 2, 4, 1, 1)), ["conv3d()", "larger", "(4, 1, 1)"]),
        (lambda: F.max_pool3d(ag.zeros(1, 2, 3, 3), 5), ["max_pool3d()", "larger", "kernel_size=(5, 5, 5)"]),
        (lambda: F.adaptive_avg_pool3d(ag.zeros(3, 3, 3), 1), ["adaptive_avg_pool3d()", "(3, 3, 3)"]),
    ],
)
def test_errors_name_operation_and_values(call, words):
    with pytest.raises(RuntimeError) as error:
        call()
    assert all(word in str(error.value) for word in words)


@pytest.mark.torch
def test_agrees_with_pytorch():
    torch = pytest.importorskip("torch")
    x, w, wt, b = normal(2, 4, 6, 7, 8), normal(6, 2, 2, 3, 2), normal(4, 3, 2, 3, 2), normal(6)
    settings = itertools.product([1, (2, 1, 2)], [0, (1, 0, 1)], [1, (2, 1, 2)])
    for stride, padding, dilation in settings:
        for ours, theirs, arrays in [
            (F.conv3d, torch.nn.functional.conv3d, (x, w, b, stride, padding, dilation, 2)),
            (F.conv_transpose3d, torch.nn.functional.conv_transpose3d, (x, wt, b, stride, padding, 0, 2, dilation)),
        ]:
            found = ours(*(Tensor(a) if isinstance(a, np.ndarray) else a for a in arrays)).numpy()
            expected = theirs(*(torch.tensor(a) if isinstance(a, np.ndarray) else a for a in arrays)).numpy()
            np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)
    for padding, ceil in itertools.product([0, (1, 0, 1)], [False, True]):
        found = F.max_pool3d(Tensor(x), (2, 3, 2), 2, padding, 1, ceil, True)
        expected = torch.nn.functional.max_pool3d(torch.tensor(x), (2, 3, 2), 2, padding, 1, ceil, True)
        assert all(np.array_equal(a.numpy(), e.numpy()) for a, e in zip(found, expected))
        found = F.avg_pool3d(Tensor(x), (2, 3, 2), 2, padding, ceil, False).numpy()
        expected = torch.nn.functional.avg_pool3d(torch.tensor(x), (2, 3, 2), 2, padding, ceil, False).numpy()
        np.testing.assert_allclose(found, expected, rtol=1e-12)
