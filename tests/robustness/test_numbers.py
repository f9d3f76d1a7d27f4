"""Numbers at their extremes, and sums of many: finite where the function is, and near what float64 gives."""

import math

import numpy as np
import pytest

import autograd_nn as ag
from autograd_nn.nn import functional as F

HUGE = [[1e4, -1e4, 0.0], [-1e4, -1e4, -1e4], [1e4, 1e4, 9999.0], [0.0, 0.0, 0.0]]
CLASSES = [1, 0, 2, 2]
SIGNS = [[1.0, -1.0, 1.0], [-1.0, 1.0, -1.0], [1.0, 1.0, -1.0], [-1.0, 1.0, 1.0]]
BITS = [[1.0, 0.0, 1.0], [0.0, 1.0, 0.0], [1.0, 1.0, 0.0], [0.0, 1.0, 1.0]]
ONE_HOT = [[0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, 0.0, 1.0]]
CONSTANT = [[[5.0, 5.0, 5.0]] * 2] * 4  # (4, 2, 3), the variance is 0
ZEROS = [[0.0, 0.0, 0.0], [1.0, 2.0, 3.0]]
ALL = (-math.inf, -math.inf, -math.inf)


def classes():
    return ag.tensor(CLASSES)


def like(x, values):
    return ag.tensor(values, dtype=x.dtype)


LOSSES = {
    "cross_entropy": (lambda x: F.cross_entropy(x, classes()), HUGE),
    "cross_entropy, weights": (lambda x: F.cross_entropy(x, classes(), like(x, [1.0, 0.0, 2.0])), HUGE),
    "cross_entropy, smoothed": (lambda x: F.cross_entropy(x, classes(), label_smoothing=0.1), HUGE),
    "cross_entropy, probabilities": (lambda x: F.cross_entropy(x, like(x, ONE_HOT)), HUGE),
    "cross_entropy, places": (lambda x: F.cross_entropy(x.T.reshape(1, 3, 4), classes().reshape(1, 4)), HUGE),
    "cross_entropy, all ignored": (lambda x: F.cross_entropy(x, ag.tensor([-100] * 4), reduction="sum"), HUGE),
    "cross_entropy, a class that cannot be": (
        lambda x: F.cross_entropy(x, ag.tensor([0, 1])), [[1e4, -math.inf, 0.0], [-math.inf, -1e4, -1e4]]),
    "nll_loss": (lambda x: F.nll_loss(F.log_softmax(x, 1), classes()), HUGE),
    "kl_div": (lambda x: F.kl_div(F.log_softmax(x, 1), like(x, ONE_HOT), reduction="batchmean"), HUGE),
    "kl_div, log_target": (
        lambda x: F.kl_div(F.log_softmax(x, 1), F.log_softmax(like(x, HUGE[::-1]), 1), log_target=True), HUGE),
    "binary_cross_entropy": (lambda x: F.binary_cross_entropy(x, like(x, BITS)), BITS[::-1]),
    "binary_cross_entropy of a sigmoid": (lambda x: F.binary_cross_entropy(F.sigmoid(x), like(x, BITS)), HUGE),
    "binary_cross_entropy_with_logits": (lambda x: F.binary_cross_entropy_with_logits(x, like(x, BITS)), HUGE),
    "binary_cross_entropy_with_logits, pos_weight": (
        lambda x: F.binary_cross_entropy_with_logits(x, like(x, BITS), pos_weight=like(x, [1.0, 2.0, 3.0])), HUGE),
    "multilabel_soft_margin_loss": (lambda x: F.multilabel_soft_margin_loss(x, like(x, BITS)), HUGE),
    "soft_margin_loss": (lambda x: F.soft_margin_loss(x, like(x, SIGNS)), HUGE),
    "multi_margin_loss": (lambda x: F.multi_margin_loss(x, classes()), HUGE),
    "hinge_embedding_loss": (lambda x: F.hinge_embedding_loss(x, like(x, SIGNS)), HUGE),
    "margin_ranking_loss": (lambda x: F.margin_ranking_loss(x, -x, like(x, SIGNS)), HUGE),
    "mse_loss": (lambda x: F.mse_loss(x, like(x, HUGE[::-1])), HUGE),
    "l1_loss, nothing apart": (lambda x: F.l1_loss(x, like(x, HUGE)), HUGE),
    "huber_loss": (lambda x: F.huber_loss(x, like(x, HUGE[::-1])), HUGE),
    "smooth_l1_loss": (lambda x: F.smooth_l1_loss(x, like(x, HUGE[::-1])), HUGE),
    "smooth_l1_loss, beta 0": (lambda x: F.smooth_l1_loss(x, like(x, HUGE), beta=0.0), HUGE),
    "gaussian_nll_loss, variance 0": (lambda x: F.gaussian_nll_loss(x, like(x, HUGE), like(x, HUGE) * 0), HUGE),
    "gaussian_nll_loss in the variance": (lambda x: F.gaussian_nll_loss(x * 0, x * 0, x), [[0.0, 1e4]]),
    "poisson_nll_loss": (lambda x: F.poisson_nll_loss(x, like(x, [[0.0, 5.0, 3.0]])), [[-1e4, 80.0, 0.0]]),
    "poisson_nll_loss of rates": (lambda x: F.poisson_nll_loss(x, x * 0, log_input=False), [[0.0, 1e4, 1.0]]),
    "cosine_embedding_loss, a vector of 0": (lambda x: F.cosine_embedding_loss(x, x * 1, like(x, [1.0, 1.0])), ZEROS),
    "triplet_margin_loss, equal points": (lambda x: F.triplet_margin_loss(x, x * 1, x * 1), HUGE),
    "triplet_margin_loss, swap": (lambda x: F.triplet_margin_loss(x, x * 1, x + 1e4, swap=True), HUGE),
}

NORMS = {
    "batch_norm": (lambda x: F.batch_norm(x, None, None, training=True), CONSTANT),
    "batch_norm, columns": (lambda x: F.batch_norm(x[:, 0], None, None, training=True), CONSTANT),
    "batch_norm, running variance 0": (
        lambda x: F.batch_norm(x, like(x, [5.0, 5.0]), like(x, [0.0, 0.0])), CONSTANT),
    "layer_norm": (lambda x: F.layer_norm(x, (3,)), CONSTANT),
    "layer_norm, two dims": (lambda x: F.layer_norm(x, (2, 3)), CONSTANT),
    "group_norm": (lambda x: F.group_norm(x, 2), CONSTANT),
    "instance_norm": (lambda x: F.instance_norm(x), CONSTANT),
    "rms_norm": (lambda x: F.rms_norm(x, (3,), eps=1e-5), ZEROS),
    "local_response_norm": (lambda x: F.local_response_norm(x, 2), CONSTANT),
    "normalize": (lambda x: F.normalize(x), ZEROS),
    "normalize, p=3": (lambda x: F.normalize(x, 3.0), ZEROS),
    "norm": (lambda x: ag.norm(x, dim=1), ZEROS),
    "norm, p=3": (lambda x: ag.norm(x, 3, dim=1), ZEROS),
    "norm, p=inf": (lambda x: ag.norm(x, math.inf, dim=1), ZEROS),
    "std": (lambda x: x.std(1), CONSTANT),
    "var": (lambda x: x.var(1), CONSTANT),
    "cosine_similarity": (lambda x: F.cosine_similarity(x, x * 1), ZEROS),
    "pairwise_distance": (lambda x: F.pairwise_distance(x, x * 1), ZEROS),
    "cdist": (lambda x: ag.cdist(x, x * 1), ZEROS),
}

ACTIVATIONS = {
    name: (getattr(F, name), HUGE)
    for name in ("celu", "elu", "gelu", "hardsigmoid", "hardswish", "hardtanh", "leaky_relu", "logsigmoid", "mish",
                 "relu", "relu6", "selu", "sigmoid", "silu", "softplus", "softsign", "tanh", "tanhshrink")
}  # fmt: skip
ACTIVATIONS |= {
    "gelu, tanh": (lambda x: F.gelu(x, "tanh"), HUGE),
    "glu": (lambda x: F.glu(x, 0), HUGE),
    "logsumexp": (lambda x: ag.logsumexp(x, 1), HUGE),
    "logaddexp": (lambda x: ag.logaddexp(x, -x), HUGE),
    "softmin": (lambda x: F.softmin(x, 1), HUGE),
    **{f"{name}, dim={dim}": (lambda x, name=name, dim=dim: getattr(F, name)(x, dim), HUGE)
       for name in ("softmax", "log_softmax") for dim in (0, 1)},
    "attention, huge scores": (
        lambda x: F.scaled_dot_product_attention(x[None], x[None], x[None]), HUGE),
    "attention, rows that see nothing": (
        lambda x: F.scaled_dot_product_attention(x[None], x[None], x[None], np.zeros((4, 4), bool)), HUGE),
    "attention, some rows that see nothing": (
        lambda x: F.scaled_dot_product_attention(x[None], x[None], x[None], np.tri(4, k=-1, dtype=bool)), HUGE),
    "attention, a mask of -inf": (
        lambda x: F.scaled_dot_product_attention(x[None], x[None], x[None], like(x, np.where(np.tri(4), 0, -math.inf))),
        HUGE),
}  # fmt: skip

TABLE = LOSSES | NORMS | ACTIVATIONS
MILLION = 2**20
KINDS = {
    "uniform": lambda rng, shape: rng.random(shape, np.float32),
    "equal": lambda rng, shape: np.full(shape, 0.1, np.float32),
    "normal": lambda rng, shape: rng.standard_normal(shape, np.float32),
}


def results(function, values, dtype):
    """Return the value of a function and its gradient for a certain gradient of the result."""
    x = ag.tensor(values, dtype=dtype, requires_grad=True)
    out = function(x)
    out.backward(ag.tensor(np.linspace(0.5, 1, out.array.size).reshape(out.shape), dtype=dtype))
    return out.array, x.grad.array


@pytest.mark.parametrize("name", TABLE)
@pytest.mark.filterwarnings("error")
def test_values_and_gradients_at_extremes(name):
    function, values = TABLE[name]
    for found, expected in zip(results(function, values, np.float32), results(function, values, np.float64)):
        assert found.dtype == np.float32 and np.isfinite(found).all() and np.isfinite(expected).all()
        np.testing.assert_allclose(found, expected, 1e-4, 1e-4)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("shape", "dims", "bound"), [
    ((MILLION,), 0, 3e-7),
    ((4, MILLION // 4), (0, 1), 3e-7),
    ((3, MILLION), 1, 3e-7),
    ((MILLION, 3), 0, 1e-4),
    ((64, MILLION // 64, 3), (0, 1), 1e-4),
    ((3, MILLION // 16, 16), (1, 2), 1e-4),
])  # fmt: skip
def test_sums_of_a_million(kind, shape, dims, bound):
    """Errors relative to the sum of the magnitudes."""
    x = KINDS[kind](np.random.default_rng(0), shape)
    size, t = np.abs(x).sum(dims, dtype=np.float64), ag.tensor(x)
    assert (abs(t.sum(dims).array - x.sum(dims, dtype=np.float64)) < bound * size).all()
    assert (abs(t.mean(dims).array - x.mean(dims, dtype=np.float64)) < bound * np.abs(x).mean(dims)).all()
    np.testing.assert_allclose(t.var(dims).array, x.var(dims, dtype=np.float64, ddof=1), 2 * bound, 1e-9)
    np.testing.assert_allclose(ag.norm(t, dim=dims).array, np.sqrt(np.square(x, dtype=np.float64).sum(dims)), bound)


@pytest.mark.parametrize("kind", KINDS)
def test_losses_of_a_million_rows(kind):
    x = KINDS[kind](np.random.default_rng(1), (MILLION, 2))
    wide = x.astype(np.float64)
    expected = np.logaddexp(wide[:, 0], wide[:, 1]) - wide[:, 1]
    target = ag.ones(MILLION, dtype=np.int64)
    assert F.cross_entropy(ag.tensor(x), target).item() == pytest.approx(expected.mean(), rel=5e-7)
    assert F.mse_loss(ag.tensor(x), ag.tensor(x * 0)).item() == pytest.approx(np.square(wide).mean(), rel=5e-7)


@pytest.mark.parametrize("center", [0, 100])
@pytest.mark.parametrize(("shape", "bound"), [
    ((MILLION, 2), 5e-7), ((64, 2, 128, 128), 5e-7), ((1, 2, 1024, 1024), 5e-6)
])  # fmt: skip
def test_statistics_of_a_million(shape, bound, center):
    x = np.random.default_rng(2).standard_normal(shape, np.float32) + np.float32(center)
    dims = (0, *range(2, len(shape)))
    mean, var = ag.zeros(2), ag.ones(2)
    F.batch_norm(ag.tensor(x), mean, var, training=True, momentum=1.0)
    np.testing.assert_allclose(mean.array, x.mean(dims, dtype=np.float64), bound, bound)
    np.testing.assert_allclose(var.array, x.var(dims, dtype=np.float64, ddof=1), bound)


@pytest.mark.parametrize(("terms", "bound"), [(100, 2e-6), (10_000, 2e-5), (100_000, 5e-5)])
@pytest.mark.parametrize(("rows", "columns"), [(64, 64), (1, 100), (100, 1), (3, 3)])
def test_products_of_many_terms(rows, columns, terms, bound):
    rng = np.random.default_rng(3)
    x, y = rng.random((rows, terms), np.float32), rng.random((terms, columns), np.float32)
    np.testing.assert_allclose((ag.tensor(x) @ ag.tensor(y)).array, x.astype(np.float64) @ y, bound)
