import itertools

import numpy as np
import pytest

from autograd_nn.kernels.optim import adam_step, sgd_step
from tests import reference


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def descend(update, steps=3):
    """Return the parameter after each step on f(p) = p**2 from 1."""
    p = np.ones(1)
    seen = []
    for step in range(1, steps + 1):
        update(p, 2 * p, step)
        seen.append(p.item())
    return seen


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, [0.8, 0.46, 0.062]),
        ({"dampening": 0.1}, [0.8, 0.476, 0.09872]),
        ({"nesterov": True}, [0.62, 0.2224, -0.108352]),
    ],
)
def test_sgd_with_momentum_takes_pytorchs_steps(settings, expected):
    buf = np.zeros(1)

    def update(p, g, step):
        sgd_step(p, g, buf, lr=0.1, momentum=0.9, first=step == 1, **settings)

    np.testing.assert_allclose(descend(update), expected, rtol=1e-12)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [({}, [0.9, 0.8004122, 0.7015863]), ({"weight_decay": 0.01, "decoupled": True}, [0.899, 0.7985191, 0.6989112])],
)
def test_adam_takes_pytorchs_steps(settings, expected):
    m, v = np.zeros((2, 1))
    steps = descend(lambda p, g, step: adam_step(p, g, m, v, lr=0.1, step=step, **settings))
    np.testing.assert_allclose(steps, expected, atol=5e-8)


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float32, 2e-5), (np.float64, 1e-12)])
def test_adam_equals_its_naive_twin(rng, dtype, tolerance):
    for decoupled, maximize, amsgrad, decay in itertools.product((False, True), (False, True), (False, True), (0, 0.1)):
        p, m = rng.standard_normal((2, 3, 37)).astype(dtype)
        v, vmax = (rng.random((2, 3, 37)) + 0.1).astype(dtype)
        vmax = vmax if amsgrad else None
        settings = {"lr": 0.01, "beta1": 0.8, "beta2": 0.95, "eps": 1e-3, "weight_decay": decay}
        settings |= {"decoupled": decoupled, "maximize": maximize}
        expected = p, m, v, vmax
        for step in range(4, 7):
            g = rng.standard_normal(p.shape).astype(dtype)
            expected = reference.adam(expected[0], g.astype(float), *expected[1:], step=step, **settings)
            adam_step(p, g, m, v, vmax=vmax, step=step, **settings)
        for ours, theirs in zip((p, m, v, vmax), expected, strict=True):
            assert ours is None or ours.dtype == dtype
            if ours is not None:
                np.testing.assert_allclose(ours, theirs, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float32, 1e-5), (np.float64, 1e-13)])
def test_sgd_equals_its_naive_twin(rng, dtype, tolerance):
    for momentum, dampening, decay, nesterov, maximize in itertools.product(
        (0, 0.9), (0, 0.2), (0, 0.1), (False, True), (False, True)
    ):
        settings = {"lr": 0.1, "momentum": momentum, "dampening": dampening, "weight_decay": decay}
        settings |= {"nesterov": nesterov, "maximize": maximize}
        p = rng.standard_normal((5, 7)).astype(dtype)
        buf = np.full_like(p, np.nan) if momentum else None
        expected = p.astype(float), None
        for step in range(3):
            g = rng.standard_normal(p.shape).astype(dtype)
            expected = reference.sgd(expected[0], g.astype(float), expected[1], first=step == 0, **settings)
            sgd_step(p, g, buf, first=step == 0, **settings)
        np.testing.assert_allclose(p, expected[0], rtol=tolerance, atol=tolerance)


def updated(rng_seed, size, dtype):
    p, g, m = np.random.default_rng(rng_seed).standard_normal((3, size)).astype(dtype)
    v, w = np.square(p), np.square(m)
    q, b = p.copy(), m.copy()
    adam_step(p, g, m, v, lr=0.01, step=3, weight_decay=0.1)
    adam_step(p, g, m, v, lr=0.01, step=4, vmax=w)
    sgd_step(q, g, b, lr=0.1, momentum=0.9, weight_decay=0.1)
    sgd_step(q, g, lr=0.1, weight_decay=0.1)
    return p, m, v, w, q, b


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_same_bits_with_any_number_of_threads_and_any_size(threads, dtype):
    results = []
    for count in (1, 2, 5):
        threads(count)
        results.append(updated(0, 10_007, dtype))
    for one, two, five in zip(*results, strict=True):
        np.testing.assert_array_equal(one, two)
        np.testing.assert_array_equal(one, five)
    p, g, m = np.random.default_rng(0).standard_normal((3, 10_007)).astype(dtype)
    v = np.square(p)
    pieces = [[array[at : at + 1].copy() for array in (p, g, m, v)] for at in range(37)]
    adam_step(p, g, m, v, lr=0.01, step=3, weight_decay=0.1)
    for at, piece in enumerate(pieces):
        adam_step(*piece, lr=0.01, step=3, weight_decay=0.1)
        assert [array.item() for array in piece] == [p[at], g[at], m[at], v[at]]


def test_strided_read_only_and_empty_arrays(rng):
    p, g, m = rng.standard_normal((3, 6, 8)).astype(np.float32)
    v = np.square(p)
    strided = [np.asfortranarray(array) for array in (p, g, m, v)]
    strided[1].flags.writeable = False
    adam_step(*strided, lr=0.1, step=1)
    sgd_step(strided[0], strided[1], strided[2], lr=0.1, momentum=0.9)
    adam_step(p, g, m, v, lr=0.1, step=1)
    sgd_step(p, g, m, lr=0.1, momentum=0.9)
    for ours, expected in zip(strided, (p, g, m, v), strict=True):
        np.testing.assert_array_equal(ours, expected)
    empty = [np.empty(0, np.float32) for _ in range(4)]
    adam_step(*empty, lr=0.1, step=1)
    sgd_step(*empty[:3], lr=0.1, momentum=0.9)


def test_nan_gradient_reaches_parameter_and_state():
    p, m, v = np.ones((3, 4), np.float32)
    g = np.float32([np.nan, np.inf, 0, 1])
    adam_step(p, g, m, v, lr=0.1, step=1)
    assert np.isnan(p).tolist() == [True, True, False, False]
    assert np.isnan(m[0]) and np.isnan(v[0]) and np.isinf(m[1]) and np.isinf(v[1])


def test_momentum_needs_a_buffer():
    p = np.ones(3, np.float32)
    with pytest.raises(ValueError, match=r"sgd_step\(\): momentum needs buf, an array like p \(momentum=0.9\)"):
        sgd_step(p, p, lr=0.1, momentum=0.9)


def test_against_torch(rng):
    torch = pytest.importorskip("torch")
    for kind, settings in (
        (torch.optim.Adam, {"weight_decay": 0.1}),
        (torch.optim.Adam, {"amsgrad": True, "maximize": True}),
        (torch.optim.AdamW, {"weight_decay": 0.1}),
        (torch.optim.SGD, {"momentum": 0.9, "nesterov": True, "weight_decay": 0.1}),
    ):
        p = rng.standard_normal(100).astype(np.float32)
        theirs = torch.nn.Parameter(torch.tensor(p))
        optimizer = kind([theirs], lr=0.01, **settings)
        m, v, w = np.zeros((3, 100), np.float32)
        amsgrad = {"vmax": w} if settings.pop("amsgrad", False) else {}
        for step in range(1, 6):
            g = rng.standard_normal(100).astype(np.float32)
            theirs.grad = torch.tensor(g)
            optimizer.step()
            if kind is torch.optim.SGD:
                sgd_step(p, g, m, lr=0.01, first=step == 1, **settings)
            else:
                decoupled = kind is torch.optim.AdamW
                adam_step(p, g, m, v, lr=0.01, step=step, decoupled=decoupled, **amsgrad, **settings)
        np.testing.assert_allclose(p, theirs.detach().numpy(), rtol=2e-6, atol=1e-7)
