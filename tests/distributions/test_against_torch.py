"""Distributions beside PyTorch's: log_prob, its gradients, moments, entropy, cdf, divergences, transforms, shapes."""

import math

import numpy as np
import pytest

torch = pytest.importorskip("torch")
import torch.distributions as theirs  # noqa: E402

import autograd_nn as ag  # noqa: E402
import autograd_nn.distributions as ours  # noqa: E402
from autograd_nn.distributions.gamma_gradient import _gamma_gradient  # noqa: E402

R = np.random.default_rng(0)
POSITIVE = R.uniform(0.3, 3.0, (2, 3))
OTHER = R.uniform(0.5, 2.0, (3,))
REAL = R.standard_normal((2, 3))
PROBS = R.uniform(0.1, 0.9, (2, 3))
COVARIANCE = np.array([[2.0, 0.5, 0.1], [0.5, 1.0, -0.2], [0.1, -0.2, 0.7]])
FACTOR = np.linalg.cholesky(COVARIANCE)
UNIT = R.uniform(0.1, 0.9, (4, 2, 3))
COUNTS = R.integers(0, 4, (4, 2, 3)).astype(float)
SIMPLEX = POSITIVE / POSITIVE.sum(-1, keepdims=True)
ONE_HOT = np.eye(3)[[[0, 2], [1, 1]]]

# name: parameters of two distributions of the family, values
TABLE = {
    "Normal": ((REAL, POSITIVE), (REAL * 2, OTHER), R.standard_normal((4, 2, 3))),
    "HalfNormal": ((POSITIVE,), (OTHER,), UNIT * 3),
    "Uniform": ((REAL, REAL + 1), (REAL - 1, REAL + 2), REAL + UNIT),
    "Exponential": ((POSITIVE,), (OTHER,), UNIT * 3),
    "Laplace": ((REAL, POSITIVE), (REAL * 2, OTHER), R.standard_normal((4, 2, 3))),
    "Cauchy": ((REAL, POSITIVE), None, R.standard_normal((4, 2, 3))),
    "Gumbel": ((REAL, POSITIVE), None, R.standard_normal((4, 2, 3))),
    "Gamma": ((POSITIVE, OTHER), (POSITIVE * 2, OTHER + 1), UNIT * 4),
    "Chi2": ((POSITIVE + 1,), None, UNIT * 4),
    "Beta": ((POSITIVE, OTHER), (POSITIVE * 2, OTHER + 1), UNIT),
    "Dirichlet": ((POSITIVE,), (POSITIVE * 2,), SIMPLEX[None] * np.ones((4, 1, 1))),
    "StudentT": ((POSITIVE + 2, REAL, OTHER), None, R.standard_normal((4, 2, 3))),
    "LogNormal": ((REAL, POSITIVE), (REAL * 2, OTHER), UNIT * 4),
    "MultivariateNormal": ((REAL, COVARIANCE), (REAL * 2, COVARIANCE * 2), R.standard_normal((4, 2, 3))),
    "Bernoulli": ((PROBS,), (PROBS**2,), COUNTS % 2),
    "Geometric": ((PROBS,), (PROBS**2,), COUNTS),
    "Binomial": ((5, PROBS), (5, PROBS**2), COUNTS),
    "Poisson": ((POSITIVE,), (OTHER,), COUNTS),
    "Categorical": ((POSITIVE,), (POSITIVE**2,), np.array([[0, 2], [1, 1], [2, 0]])),
    "OneHotCategorical": ((POSITIVE,), (POSITIVE**2,), ONE_HOT),
}  # fmt: skip


def made(library, name, parameters, grad=False):
    module = ours if library is ag else theirs
    tensors = [library.tensor(p, requires_grad=grad) if isinstance(p, np.ndarray) else p for p in parameters]
    return getattr(module, name)(*tensors), [t for t in tensors if not isinstance(t, int)]


def same(x, y, rtol=1e-6, atol=1e-8):
    np.testing.assert_allclose(x.detach().numpy(), y.detach().numpy(), rtol=rtol, atol=atol)


@pytest.mark.parametrize("name", TABLE)
def test_log_prob_and_its_gradients(name):
    parameters, _, values = TABLE[name]
    (d, leaves), (e, others) = (made(library, name, parameters, grad=True) for library in (ag, torch))
    assert tuple(d.batch_shape) == tuple(e.batch_shape) and tuple(d.event_shape) == tuple(e.event_shape)
    x = ag.tensor(values, requires_grad=values.dtype.kind == "f")
    y = torch.tensor(values, requires_grad=values.dtype.kind == "f")
    a, b = d.log_prob(x), e.log_prob(y)
    same(a, b)
    a.sum().backward()
    b.sum().backward()
    for p, q in zip([*leaves, x], [*others, y]):
        if q.grad is not None and name not in ("OneHotCategorical", "Bernoulli"):
            same(p.grad, q.grad, 1e-5, 1e-7)
    if name in ("Bernoulli", "OneHotCategorical"):
        same(leaves[0].grad, others[0].grad, 1e-5, 1e-7)


@pytest.mark.parametrize("name", TABLE)
def test_moments_entropy_and_distribution_function(name):
    parameters, _, values = TABLE[name]
    (d, _), (e, _) = (made(library, name, parameters) for library in (ag, torch))
    for quantity in ("mean", "variance", "stddev", "mode", "entropy", "cdf", "icdf"):
        def measured(distribution, library, quantity=quantity):
            value = getattr(distribution, quantity)
            if quantity == "cdf":
                return value(library.tensor(values))
            if quantity == "icdf":
                return value(library.tensor(UNIT))
            return value() if quantity == "entropy" else value

        try:
            mine = measured(d, ag)
        except (NotImplementedError, AttributeError):
            continue
        same(mine, measured(e, torch), 1e-6)


@pytest.mark.parametrize("name", [name for name, row in TABLE.items() if row[1] is not None])
def test_divergence(name):
    first, second, _ = TABLE[name]
    divergences = []
    for library, module in ((ag, ours), (torch, theirs)):
        divergences.append(module.kl_divergence(made(library, name, first)[0], made(library, name, second)[0]))
    same(*divergences, 1e-5)


@pytest.mark.parametrize("name", TABLE)
def test_samples_have_the_moments_and_shapes(name):
    ag.manual_seed(0)
    d, _ = made(ag, name, TABLE[name][0])
    e, _ = made(torch, name, TABLE[name][0])
    x = d.sample((4000,))
    assert tuple(x.shape) == tuple(e.sample((4000,)).shape) and x.dtype == np.dtype(str(e.sample().dtype)[6:])
    assert tuple(d.sample().shape) == tuple(e.sample().shape) and d.has_rsample == e.has_rsample
    assert np.isfinite(d.log_prob(x).numpy()).all()
    if name not in ("Cauchy", "Categorical", "LogNormal"):
        mean, std = e.mean.numpy(), e.stddev.numpy()
        assert (np.abs(x.numpy().mean(0) - mean) < 6 * std / math.sqrt(4000) + 1e-9).all()


@pytest.mark.parametrize(
    ("a", "x"), [(0.1, 0.01), (0.5, 0.2), (1.0, 1.0), (2.5, 3.0), (7.0, 5.0), (30.0, 28.0), (0.3, 1e-9)]
)
def test_gradients_of_gamma_samples_are_the_implicit_ones(a, x):
    found = _gamma_gradient.forward(np.array([a]), np.array([x]))
    expected = torch._standard_gamma_grad(*(torch.tensor([n], dtype=torch.float64) for n in (a, x)))
    np.testing.assert_allclose(found, expected.numpy(), rtol=2e-3 if a >= 8 else 1e-4)


@pytest.mark.parametrize("name", [n for n in TABLE if made(torch, n, TABLE[n][0])[0].has_rsample])
def test_samples_are_differentiated(name):
    ag.manual_seed(0)
    d, leaves = made(ag, name, TABLE[name][0], grad=True)
    d.rsample((3,)).square().sum().backward()
    assert all(p.grad is not None and np.isfinite(p.grad.numpy()).all() and np.abs(p.grad.numpy()).sum() > 0
               for p in leaves)
    assert not d.sample().requires_grad


def test_the_mean_of_samples_has_the_gradient_of_the_mean():
    ag.manual_seed(0)
    a = ag.tensor(np.array([0.7, 2.0, 9.0]), requires_grad=True)
    ours.Gamma(a, ag.tensor(2.0, dtype=ag.float64)).rsample((20000,)).mean(0).sum().backward()
    np.testing.assert_allclose(a.grad.numpy(), 0.5, rtol=0.05)


TRANSFORMS = {
    "AffineTransform": ((1.5, -2.0), REAL),
    "ExpTransform": ((), REAL),
    "PowerTransform": ((2.0,), POSITIVE),
    "SigmoidTransform": ((), REAL),
    "TanhTransform": ((), REAL),
    "SoftplusTransform": ((), REAL),
    "StickBreakingTransform": ((), REAL),
}  # fmt: skip


@pytest.mark.parametrize("name", TRANSFORMS)
def test_transforms(name):
    settings, x = TRANSFORMS[name]
    t, u = (getattr(module.transforms, name)(*settings) for module in (ours, theirs))
    a, b = ag.tensor(x), torch.tensor(x)
    same(t(a), u(b))
    same(t.log_abs_det_jacobian(a, t(a)), u.log_abs_det_jacobian(b, u(b)))
    same(t.inv(t(a)), b, 1e-5, 1e-7)
    same(t.inv.log_abs_det_jacobian(t(a), a), u.inv.log_abs_det_jacobian(u(b), b))
    assert t.inv.inv is t and t.sign == (u.sign if name != "StickBreakingTransform" else 1)


def composed(library):
    m = ours if library is ag else theirs
    t = library.tensor
    base = m.Independent(m.Normal(t(REAL), t(POSITIVE)), 1)
    mixture = m.MixtureSameFamily(m.Categorical(t(POSITIVE)), m.Normal(t(REAL), t(POSITIVE)))
    vectors = m.MixtureSameFamily(m.Categorical(t(POSITIVE[0])), m.Independent(m.Normal(t(REAL.T), t(POSITIVE.T)), 1))
    affine = m.transforms.AffineTransform(t(REAL[0]), t(OTHER))
    flow = m.TransformedDistribution(m.Normal(t(REAL), t(POSITIVE)), [affine, m.transforms.TanhTransform()])
    simplex = m.TransformedDistribution(m.Normal(t(REAL), t(POSITIVE)), m.transforms.StickBreakingTransform())
    event = m.TransformedDistribution(base, [m.transforms.AffineTransform(0.5, 2.0, event_dim=1)])
    chain = m.TransformedDistribution(base, m.transforms.ComposeTransform([affine, m.transforms.SigmoidTransform()]))
    stick = np.random.default_rng(3).uniform(0.1, 1, (2, 4))
    return [
        (base, REAL), (mixture, REAL[:, 0]), (vectors, REAL[:, :2]), (flow, UNIT[0]),
        (simplex, stick / stick.sum(-1, keepdims=True)), (event, REAL), (chain, UNIT[0]),
    ]  # fmt: skip


def test_composed_distributions():
    ag.manual_seed(0)
    for (d, x), (e, _) in zip(composed(ag), composed(torch), strict=True):
        assert tuple(d.batch_shape) == tuple(e.batch_shape) and tuple(d.event_shape) == tuple(e.event_shape), d
        same(d.log_prob(ag.tensor(x)), e.log_prob(torch.tensor(x)))
        assert tuple(d.sample((5,)).shape) == tuple(e.sample((5,)).shape)
        assert d.has_rsample == e.has_rsample
    for (d, _), (e, _) in list(zip(composed(ag), composed(torch)))[:3]:
        same(d.mean, e.mean)
        same(d.variance, e.variance)
    (d, _), (e, _) = composed(ag)[0], composed(torch)[0]
    same(d.entropy(), e.entropy())
    same(ours.kl_divergence(d, d), theirs.kl_divergence(e, e))
    same(composed(ag)[3][0].cdf(ag.tensor(UNIT[0])), composed(torch)[3][0].cdf(torch.tensor(UNIT[0])))


def test_expanded_and_enumerated():
    for library, m in ((ag, ours), (torch, theirs)):
        d = m.Normal(library.zeros(3), library.ones(3)).expand((2, 3))
        assert tuple(d.batch_shape) == (2, 3) and tuple(d.sample().shape) == (2, 3)
        c = m.Categorical(logits=library.zeros(2, 4)).expand((5, 2))
        assert tuple(c.log_prob(library.zeros(5, 2).long()).shape) == (5, 2)
        assert m.Bernoulli(library.tensor([0.5, 0.5])).enumerate_support().tolist() == [[0.0, 0.0], [1.0, 1.0]]
        assert m.Categorical(library.ones(3)).enumerate_support().tolist() == [0, 1, 2]
        assert tuple(m.OneHotCategorical(library.ones(2, 3)).enumerate_support().shape) == (3, 2, 3)


def test_logits():
    logits = REAL
    for name in ("Bernoulli", "Categorical", "OneHotCategorical", "Geometric"):
        d, e = getattr(ours, name)(logits=ag.tensor(logits)), getattr(theirs, name)(logits=torch.tensor(logits))
        same(d.probs, e.probs)
        same(d.logits, e.logits)
        same(d.entropy(), e.entropy())
    same(ours.MultivariateNormal(ag.tensor(REAL), precision_matrix=ag.tensor(COVARIANCE)).covariance_matrix,
         theirs.MultivariateNormal(torch.tensor(REAL), precision_matrix=torch.tensor(COVARIANCE)).covariance_matrix)
    same(ours.MultivariateNormal(ag.tensor(REAL), scale_tril=ag.tensor(FACTOR)).precision_matrix,
         theirs.MultivariateNormal(torch.tensor(REAL), scale_tril=torch.tensor(FACTOR)).precision_matrix, 1e-6)


@pytest.mark.parametrize(("library", "m"), [(ag, ours), (torch, theirs)], ids=["here", "torch"])
def test_what_is_refused(library, m):
    for call in (
        lambda: m.Normal(0.0, -1.0), lambda: m.Normal(0.0, library.tensor(float("nan"))),
        lambda: m.Bernoulli(1.5), lambda: m.Uniform(1.0, 0.0), lambda: m.Categorical(library.tensor([-1.0, 2.0])),
        lambda: m.Bernoulli(0.5, logits=0.0), lambda: m.Categorical(),
        lambda: m.Normal(library.zeros(3), 1.0).log_prob(library.zeros(2)),
        lambda: m.Bernoulli(0.5).log_prob(library.tensor(0.5)),
        lambda: m.Exponential(1.0).log_prob(library.tensor(-1.0)),
        lambda: m.Categorical(library.ones(3)).log_prob(library.tensor(3)),
        lambda: m.Dirichlet(library.ones(3)).log_prob(library.ones(3)),
        lambda: m.MultivariateNormal(library.zeros(2)),
    ):  # fmt: skip
        with pytest.raises(ValueError):
            call()
    assert m.Normal(0.0, 1.0, validate_args=False).log_prob(library.tensor(1.0)) is not None
    for call in (lambda: m.Poisson(1.0).rsample(), lambda: m.kl_divergence(m.Normal(0.0, 1.0), m.Bernoulli(0.5))):
        with pytest.raises(NotImplementedError):
            call()


def test_a_distribution_of_ones_own():
    class Point(ours.Distribution):
        arg_constraints = {}  # noqa: RUF012

        def __init__(self, at):
            self.at = at
            super().__init__(at.shape)

        def sample(self, sample_shape=()):
            return self.at.expand(self._extended_shape(sample_shape))

    assert Point(ag.ones(2)).sample((3,)).shape == (3, 2)
    with pytest.raises(NotImplementedError, match="log_prob"):
        Point(ag.ones(2)).log_prob(ag.ones(2))
