"""Distributions of real numbers and vectors."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np

from ..engine import no_grad
from ..ops.decompositions import cholesky
from ..ops.elementwise import where
from ..ops.random import rand, randn
from ..ops.solving import solve_triangular
from ..ops.special import digamma, erfinv, gammainc, lgamma
from ..tensor import Tensor, tensor
from . import constraints
from .distribution import Distribution, ExponentialFamily, together
from .gamma_gradient import standard_gamma

__all__ = ["Beta", "Cauchy", "Chi2", "Dirichlet", "Exponential", "Gamma", "Gumbel", "HalfNormal", "Laplace",
           "MultivariateNormal", "Normal", "StudentT", "Uniform"]

_LOG_2PI = math.log(2 * math.pi)


class Normal(ExponentialFamily):
    """The normal distribution.

    Parameters
    ----------
    loc, scale : Tensor or float
        Mean and standard deviation.

    Examples
    --------
    >>> from autograd_nn import tensor
    >>> from autograd_nn.distributions import Normal
    >>> Normal(0.0, 1.0).log_prob(tensor(0.0))
    tensor(-0.9189)
    """

    has_rsample = True
    support = constraints.real
    arg_constraints: ClassVar = {"loc": constraints.real, "scale": constraints.positive}

    def __init__(self, loc: Any, scale: Any, validate_args: bool | None = None):
        self.loc, self.scale = together(loc, scale)
        super().__init__(self.loc.shape, validate_args=validate_args)

    @property
    def mean(self) -> Tensor:
        """The mean."""
        return self.loc

    @property
    def mode(self) -> Tensor:
        """The most probable value."""
        return self.loc

    @property
    def stddev(self) -> Tensor:
        """The standard deviation."""
        return self.scale

    @property
    def variance(self) -> Tensor:
        """The variance."""
        return self.scale.square()

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        """Return ``loc + scale * noise``."""
        return self.loc + randn(self._extended_shape(sample_shape), dtype=self.loc.dtype) * self.scale

    def log_prob(self, value: Tensor) -> Tensor:
        """Return the logarithm of the density."""
        self._validate_sample(value)
        return -((value - self.loc) / self.scale).square() / 2 - self.scale.log() - _LOG_2PI / 2

    def cdf(self, value: Tensor) -> Tensor:
        """Return the probability of values up to these."""
        self._validate_sample(value)
        return 0.5 * (1 + ((value - self.loc) / (self.scale * math.sqrt(2))).erf())

    def icdf(self, value: Tensor) -> Tensor:
        """Return the quantiles."""
        return self.loc + self.scale * erfinv(2 * value - 1) * math.sqrt(2)

    def entropy(self) -> Tensor:
        """Return the entropy."""
        return 0.5 + 0.5 * _LOG_2PI + self.scale.log()


class HalfNormal(Distribution):
    """The distribution of ``|x|`` for a normal x of mean 0.

    Parameters
    ----------
    scale : Tensor or float

    Examples
    --------
    >>> import autograd_nn as ag
    >>> import autograd_nn.distributions as D
    >>> p = D.HalfNormal(1.0)
    >>> p.mean, p.log_prob(ag.tensor(0.0)).exp()
    (tensor(0.7979), tensor(0.7979))
    """

    has_rsample = True
    support = constraints.nonnegative
    arg_constraints: ClassVar = {"scale": constraints.positive}

    def __init__(self, scale: Any, validate_args: bool | None = None):
        (self.scale,) = together(scale)
        super().__init__(self.scale.shape, validate_args=validate_args)

    @property
    def mean(self) -> Tensor:
        """The mean."""
        return self.scale * math.sqrt(2 / math.pi)

    @property
    def variance(self) -> Tensor:
        """The variance."""
        return self.scale.square() * (1 - 2 / math.pi)

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        """Return ``scale * |noise|``."""
        return randn(self._extended_shape(sample_shape), dtype=self.scale.dtype).abs() * self.scale

    def log_prob(self, value: Tensor) -> Tensor:
        """Return the logarithm of the density."""
        self._validate_sample(value)
        return math.log(2) - (value / self.scale).square() / 2 - self.scale.log() - _LOG_2PI / 2

    def entropy(self) -> Tensor:
        """Return the entropy."""
        return 0.5 + 0.5 * _LOG_2PI + self.scale.log() - math.log(2)


class Uniform(Distribution):
    """The uniform distribution from `low` to below `high`.

    Parameters
    ----------
    low, high : Tensor or float

    Examples
    --------
    >>> import autograd_nn as ag
    >>> import autograd_nn.distributions as D
    >>> p = D.Uniform(0.0, 4.0)
    >>> p.mean, p.log_prob(ag.tensor([1.0, 3.0])).exp()
    (tensor(2.), tensor([0.25, 0.25]))
    """

    has_rsample = True
    arg_constraints: ClassVar = {"low": constraints.dependent, "high": constraints.dependent}

    def __init__(self, low: Any, high: Any, validate_args: bool | None = None):
        self.low, self.high = together(low, high)
        super().__init__(self.low.shape, validate_args=validate_args)
        if self._validate_args and not bool((self.low < self.high).all()):
            raise ValueError("Uniform(): low must be below high")

    @property
    def support(self) -> Any:
        """From `low` to `high`."""
        return constraints.interval(self.low, self.high)

    @property
    def mean(self) -> Tensor:
        """The mean."""
        return (self.low + self.high) / 2

    @property
    def variance(self) -> Tensor:
        """The variance."""
        return (self.high - self.low).square() / 12

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        """Return ``low + (high - low) * u``."""
        u = rand(self._extended_shape(sample_shape), dtype=self.low.dtype)
        return self.low + u * (self.high - self.low)

    def log_prob(self, value: Tensor) -> Tensor:
        """Return the logarithm of the density; -inf outside, and at `high`."""
        self._validate_sample(value)
        inside = (value >= self.low) & (value < self.high)
        return where(inside, 0.0, -math.inf) - (self.high - self.low).log()

    def cdf(self, value: Tensor) -> Tensor:
        """Return the probability of values up to these."""
        self._validate_sample(value)
        return ((value - self.low) / (self.high - self.low)).clamp(0, 1)

    def icdf(self, value: Tensor) -> Tensor:
        """Return the quantiles."""
        return self.low + value * (self.high - self.low)

    def entropy(self) -> Tensor:
        """Return the entropy."""
        return (self.high - self.low).log()


class Exponential(ExponentialFamily):
    """The exponential distribution, of the mean ``1 / rate``.

    Parameters
    ----------
    rate : Tensor or float

    Examples
    --------
    >>> import autograd_nn as ag
    >>> import autograd_nn.distributions as D
    >>> p = D.Exponential(2.0)
    >>> p.mean, p.cdf(ag.tensor(0.5))
    (tensor(0.5), tensor(0.6321))
    """

    has_rsample = True
    support = constraints.nonnegative
    arg_constraints: ClassVar = {"rate": constraints.positive}

    def __init__(self, rate: Any, validate_args: bool | None = None):
        (self.rate,) = together(rate)
        super().__init__(self.rate.shape, validate_args=validate_args)

    @property
    def mean(self) -> Tensor:
        """The mean."""
        return 1 / self.rate

    @property
    def variance(self) -> Tensor:
        """The variance."""
        return self.rate.pow(-2)

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        """Return ``-log(u) / rate``."""
        u = rand(self._extended_shape(sample_shape), dtype=self.rate.dtype)
        return -(-u).log1p() / self.rate

    def log_prob(self, value: Tensor) -> Tensor:
        """Return the logarithm of the density."""
        self._validate_sample(value)
        return self.rate.log() - self.rate * value

    def cdf(self, value: Tensor) -> Tensor:
        """Return the probability of values up to these."""
        self._validate_sample(value)
        return 1 - (-self.rate * value).exp()

    def icdf(self, value: Tensor) -> Tensor:
        """Return the quantiles."""
        return -(-value).log1p() / self.rate

    def entropy(self) -> Tensor:
        """Return the entropy."""
        return 1 - self.rate.log()


class Laplace(Distribution):
    """The Laplace distribution, with the density ``exp(-|x - loc| / scale) / (2 scale)``.

    Parameters
    ----------
    loc, scale : Tensor or float

    Examples
    --------
    >>> import autograd_nn as ag
    >>> import autograd_nn.distributions as D
    >>> p = D.Laplace(0.0, 1.0)
    >>> p.variance, p.log_prob(ag.tensor(0.0)).exp()
    (tensor(2.), tensor(0.5))
    """

    has_rsample = True
    support = constraints.real
    arg_constraints: ClassVar = {"loc": constraints.real, "scale": constraints.positive}

    def __init__(self, loc: Any, scale: Any, validate_args: bool | None = None):
        self.loc, self.scale = together(loc, scale)
        super().__init__(self.loc.shape, validate_args=validate_args)

    @property
    def mean(self) -> Tensor:
        """The mean."""
        return self.loc

    @property
    def variance(self) -> Tensor:
        """The variance."""
        return 2 * self.scale.square()

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        """Return values by the inverse of the distribution function."""
        u = rand(self._extended_shape(sample_shape), dtype=self.loc.dtype) - 0.5
        return self.loc - self.scale * u.sign() * (-2 * u.abs()).log1p()

    def log_prob(self, value: Tensor) -> Tensor:
        """Return the logarithm of the density."""
        self._validate_sample(value)
        return -(2 * self.scale).log() - (value - self.loc).abs() / self.scale

    def cdf(self, value: Tensor) -> Tensor:
        """Return the probability of values up to these."""
        self._validate_sample(value)
        away = value - self.loc
        return 0.5 - 0.5 * away.sign() * (-away.abs() / self.scale).expm1()

    def icdf(self, value: Tensor) -> Tensor:
        """Return the quantiles."""
        term = value - 0.5
        return self.loc - self.scale * term.sign() * (-2 * term.abs()).log1p()

    def entropy(self) -> Tensor:
        """Return the entropy."""
        return 1 + (2 * self.scale).log()


class Cauchy(Distribution):
    """The Cauchy distribution.

    Parameters
    ----------
    loc, scale : Tensor or float

    Examples
    --------
    >>> import autograd_nn as ag
    >>> import autograd_nn.distributions as D
    >>> D.Cauchy(0.0, 1.0).cdf(ag.tensor([-1.0, 0.0, 1.0]))
    tensor([0.25, 0.5 , 0.75])
    """

    has_rsample = True
    support = constraints.real
    arg_constraints: ClassVar = {"loc": constraints.real, "scale": constraints.positive}

    def __init__(self, loc: Any, scale: Any, validate_args: bool | None = None):
        self.loc, self.scale = together(loc, scale)
        super().__init__(self.loc.shape, validate_args=validate_args)

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        """Return values by the inverse of the distribution function."""
        return self.icdf(rand(self._extended_shape(sample_shape), dtype=self.loc.dtype))

    def log_prob(self, value: Tensor) -> Tensor:
        """Return the logarithm of the density."""
        self._validate_sample(value)
        return -math.log(math.pi) - self.scale.log() - ((value - self.loc) / self.scale).square().log1p()

    def cdf(self, value: Tensor) -> Tensor:
        """Return the probability of values up to these."""
        self._validate_sample(value)
        return ((value - self.loc) / self.scale).atan() / math.pi + 0.5

    def icdf(self, value: Tensor) -> Tensor:
        """Return the quantiles."""
        return (math.pi * (value - 0.5)).tan() * self.scale + self.loc

    def entropy(self) -> Tensor:
        """Return the entropy."""
        return math.log(4 * math.pi) + self.scale.log()


class Gumbel(Distribution):
    """The Gumbel distribution, of the largest of many values.

    Parameters
    ----------
    loc, scale : Tensor or float

    Examples
    --------
    >>> import autograd_nn.distributions as D
    >>> D.Gumbel(0.0, 1.0).mean
    tensor(0.5772)
    """

    has_rsample = True
    support = constraints.real
    arg_constraints: ClassVar = {"loc": constraints.real, "scale": constraints.positive}

    def __init__(self, loc: Any, scale: Any, validate_args: bool | None = None):
        self.loc, self.scale = together(loc, scale)
        super().__init__(self.loc.shape, validate_args=validate_args)

    @property
    def mean(self) -> Tensor:
        """The mean."""
        return self.loc + self.scale * 0.57721566490153286060

    @property
    def variance(self) -> Tensor:
        """The variance."""
        return self.scale.square() * (math.pi**2 / 6)

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        """Return ``loc - scale * log(-log(u))``."""
        u = rand(self._extended_shape(sample_shape), dtype=self.loc.dtype).clamp(1e-30, 1 - 6e-8)
        return self.loc - self.scale * (-u.log()).log()

    def log_prob(self, value: Tensor) -> Tensor:
        """Return the logarithm of the density."""
        self._validate_sample(value)
        y = (self.loc - value) / self.scale
        return y - y.exp() - self.scale.log()

    def entropy(self) -> Tensor:
        """Return the entropy."""
        return self.scale.log() + (1 + 0.57721566490153286060)


class Gamma(ExponentialFamily):
    """The gamma distribution, with the density ``rate^a x^(a-1) exp(-rate x) / Gamma(a)``.

    Parameters
    ----------
    concentration, rate : Tensor or float
        The shape a, and the inverse of the scale.

    Examples
    --------
    >>> import autograd_nn.distributions as D
    >>> p = D.Gamma(3.0, 2.0)
    >>> p.mean, p.variance
    (tensor(1.5), tensor(0.75))
    """

    has_rsample = True
    support: Any = constraints.nonnegative
    arg_constraints: ClassVar = {"concentration": constraints.positive, "rate": constraints.positive}

    def __init__(self, concentration: Any, rate: Any, validate_args: bool | None = None):
        self.concentration, self.rate = together(concentration, rate)
        super().__init__(self.concentration.shape, validate_args=validate_args)

    @property
    def mean(self) -> Tensor:
        """The mean."""
        return self.concentration / self.rate

    @property
    def mode(self) -> Tensor:
        """The most probable value."""
        return ((self.concentration - 1) / self.rate).clamp(min=0)

    @property
    def variance(self) -> Tensor:
        """The variance."""
        return self.concentration / self.rate.square()

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        """Return values; their gradient in `concentration` is the implicit one."""
        shape = self._extended_shape(sample_shape)
        return standard_gamma(self.concentration.expand(*shape)) / self.rate.expand(*shape)

    def log_prob(self, value: Tensor) -> Tensor:
        """Return the logarithm of the density."""
        self._validate_sample(value)
        a, b = self.concentration, self.rate
        return a * b.log() + (a - 1) * value.log() - b * value - lgamma(a)

    def cdf(self, value: Tensor) -> Tensor:
        """Return the probability of values up to these."""
        self._validate_sample(value)
        return gammainc(self.concentration, self.rate * value)

    def entropy(self) -> Tensor:
        """Return the entropy."""
        a = self.concentration
        return a - self.rate.log() + lgamma(a) + (1 - a) * digamma(a)


class Chi2(Gamma):
    """The chi-squared distribution.

    Parameters
    ----------
    df : Tensor or float
        Degrees of freedom.

    Examples
    --------
    >>> import autograd_nn.distributions as D
    >>> D.Chi2(3.0).mean, D.Chi2(3.0).variance
    (tensor(3.), tensor(6.))
    """

    arg_constraints: ClassVar = {"df": constraints.positive}

    def __init__(self, df: Any, validate_args: bool | None = None):
        (df,) = together(df)
        super().__init__(0.5 * df, 0.5 + 0 * df.detach(), validate_args)

    @property
    def df(self) -> Tensor:
        """Degrees of freedom."""
        return self.concentration * 2


class Dirichlet(ExponentialFamily):
    """The Dirichlet distribution of probabilities that sum to 1.

    Parameters
    ----------
    concentration : Tensor of shape (..., K)

    Examples
    --------
    >>> import autograd_nn as ag
    >>> import autograd_nn.distributions as D
    >>> p = D.Dirichlet(ag.tensor([1.0, 2.0, 1.0]))
    >>> p.mean, p.sample((5,)).shape
    (tensor([0.25, 0.5 , 0.25]), (5, 3))
    """

    has_rsample = True
    support = constraints.simplex
    arg_constraints: ClassVar = {"concentration": constraints.independent(constraints.positive, 1)}

    def __init__(self, concentration: Tensor, validate_args: bool | None = None):
        if concentration.ndim < 1:
            raise ValueError("Dirichlet(): concentration must have one dim or more")
        self.concentration = concentration
        super().__init__(concentration.shape[:-1], concentration.shape[-1:], validate_args)

    @property
    def mean(self) -> Tensor:
        """The mean."""
        return self.concentration / self.concentration.sum(-1, keepdim=True)

    @property
    def variance(self) -> Tensor:
        """The variance."""
        total = self.concentration.sum(-1, keepdim=True)
        return self.concentration * (total - self.concentration) / (total.square() * (total + 1))

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        """Return gamma samples divided by their sum."""
        x = standard_gamma(self.concentration.expand(*self._extended_shape(sample_shape)))
        return x / x.sum(-1, keepdim=True)

    def log_prob(self, value: Tensor) -> Tensor:
        """Return the logarithm of the density."""
        self._validate_sample(value)
        a = self.concentration
        return ((a - 1) * value.log()).sum(-1) + lgamma(a.sum(-1)) - lgamma(a).sum(-1)

    def entropy(self) -> Tensor:
        """Return the entropy."""
        a = self.concentration
        total = a.sum(-1)
        return (lgamma(a).sum(-1) - lgamma(total) - (a.shape[-1] - total) * digamma(total)
                - ((a - 1) * digamma(a)).sum(-1))


class Beta(ExponentialFamily):
    """The beta distribution of a probability.

    Parameters
    ----------
    concentration1, concentration0 : Tensor or float
        Also called alpha and beta.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> import autograd_nn.distributions as D
    >>> p = D.Beta(2.0, 2.0)
    >>> p.mean, p.log_prob(ag.tensor(0.5)).exp()
    (tensor(0.5), tensor(1.5))
    """

    has_rsample = True
    support = constraints.unit_interval
    arg_constraints: ClassVar = {"concentration1": constraints.positive, "concentration0": constraints.positive}

    def __init__(self, concentration1: Any, concentration0: Any, validate_args: bool | None = None):
        self.concentration1, self.concentration0 = together(concentration1, concentration0)
        super().__init__(self.concentration1.shape, validate_args=validate_args)

    @property
    def mean(self) -> Tensor:
        """The mean."""
        return self.concentration1 / (self.concentration1 + self.concentration0)

    @property
    def variance(self) -> Tensor:
        """The variance."""
        total = self.concentration1 + self.concentration0
        return self.concentration1 * self.concentration0 / (total.square() * (total + 1))

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        """Return ``x / (x + y)`` of two gamma samples."""
        shape = self._extended_shape(sample_shape)
        x, y = standard_gamma(self.concentration1.expand(*shape)), standard_gamma(self.concentration0.expand(*shape))
        return x / (x + y)

    def log_prob(self, value: Tensor) -> Tensor:
        """Return the logarithm of the density."""
        self._validate_sample(value)
        a, b = self.concentration1, self.concentration0
        return (a - 1) * value.log() + (b - 1) * (-value).log1p() + lgamma(a + b) - lgamma(a) - lgamma(b)

    def entropy(self) -> Tensor:
        """Return the entropy."""
        a, b = self.concentration1, self.concentration0
        return (lgamma(a) + lgamma(b) - lgamma(a + b) - (a - 1) * digamma(a) - (b - 1) * digamma(b)
                + (a + b - 2) * digamma(a + b))


class StudentT(Distribution):
    """Student's t-distribution.

    Parameters
    ----------
    df, loc, scale : Tensor or float
        Degrees of freedom, centre and width.

    Examples
    --------
    >>> import autograd_nn.distributions as D
    >>> D.StudentT(5.0).variance
    tensor(1.6667)
    """

    has_rsample = True
    support = constraints.real
    arg_constraints: ClassVar = {"df": constraints.positive, "loc": constraints.real, "scale": constraints.positive}

    def __init__(self, df: Any, loc: Any = 0.0, scale: Any = 1.0, validate_args: bool | None = None):
        self.df, self.loc, self.scale = together(df, loc, scale)
        super().__init__(self.df.shape, validate_args=validate_args)

    @property
    def mean(self) -> Tensor:
        """The mean; NaN for one degree of freedom or less."""
        return where(self.df > 1, self.loc, math.nan)

    @property
    def variance(self) -> Tensor:
        """The variance; infinite up to 2 degrees of freedom, NaN up to 1."""
        finite = self.scale.square() * self.df / where(self.df > 2, self.df - 2, 1.0)
        return where(self.df > 2, finite, where(self.df > 1, math.inf, math.nan))

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        """Return a normal value over the root of a chi-squared one."""
        shape = self._extended_shape(sample_shape)
        x = randn(shape, dtype=self.loc.dtype)
        z = 2 * standard_gamma((self.df / 2).expand(*shape))
        return self.loc + self.scale * x / (z / self.df).sqrt()

    def log_prob(self, value: Tensor) -> Tensor:
        """Return the logarithm of the density."""
        self._validate_sample(value)
        y = (value - self.loc) / self.scale
        normalizer = (self.scale.log() + 0.5 * self.df.log() + 0.5 * math.log(math.pi) + lgamma(0.5 * self.df)
                      - lgamma(0.5 * (self.df + 1)))
        return -0.5 * (self.df + 1) * (y.square() / self.df).log1p() - normalizer

    def entropy(self) -> Tensor:
        """Return the entropy."""
        half = self.df / 2
        log_beta = lgamma(half) + math.lgamma(0.5) - lgamma(half + 0.5)
        return (self.scale.log() + 0.5 * (self.df + 1) * (digamma(half + 0.5) - digamma(half)) + 0.5 * self.df.log()
                + log_beta)


class MultivariateNormal(Distribution):
    """The normal distribution of vectors, by its covariance, its inverse, or a factor of it.

    Parameters
    ----------
    loc : Tensor of shape (..., K)
    covariance_matrix, precision_matrix, scale_tril : Tensor of shape (..., K, K)
        Exactly one; ``covariance_matrix = scale_tril @ scale_tril.mT``.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> import autograd_nn.distributions as D
    >>> p = D.MultivariateNormal(ag.zeros(2), covariance_matrix=ag.tensor([[2.0, 1.0], [1.0, 2.0]]))
    >>> p.sample((5,)).shape, p.log_prob(ag.zeros(2))
    ((5, 2), tensor(-2.3872))
    """

    has_rsample = True
    support = constraints.real_vector
    arg_constraints: ClassVar = {"loc": constraints.real_vector, "scale_tril": constraints.lower_cholesky}

    def __init__(self, loc: Tensor, covariance_matrix: Tensor | None = None, precision_matrix: Tensor | None = None,
                 scale_tril: Tensor | None = None, validate_args: bool | None = None):
        given = [m for m in (covariance_matrix, precision_matrix, scale_tril) if m is not None]
        if len(given) != 1:
            raise ValueError("MultivariateNormal(): exactly one of covariance_matrix, precision_matrix and scale_tril "
                             f"must be given, got {len(given)}")
        if loc.ndim < 1 or given[0].ndim < 2:
            raise ValueError("MultivariateNormal(): loc must have one dim or more and the matrix two or more")
        if covariance_matrix is not None:
            factor = cholesky(covariance_matrix)
        elif precision_matrix is not None:
            factor = _factor_of_inverse(precision_matrix)
        else:
            factor = given[0]
        k = factor.shape[-1]
        batch = (loc[..., None] + factor).shape[:-2]
        self.loc, self.scale_tril = loc.expand(*batch, k), factor.expand(*batch, k, k)
        super().__init__(batch, (k,), validate_args)

    @property
    def covariance_matrix(self) -> Tensor:
        """The covariance."""
        return self.scale_tril @ self.scale_tril.mT

    @property
    def precision_matrix(self) -> Tensor:
        """The inverse of the covariance."""
        inverse = _inverse(self.scale_tril)
        return inverse.mT @ inverse

    @property
    def mean(self) -> Tensor:
        """The mean."""
        return self.loc

    @property
    def mode(self) -> Tensor:
        """The most probable value."""
        return self.loc

    @property
    def variance(self) -> Tensor:
        """The variance of each element."""
        return self.scale_tril.square().sum(-1)

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        """Return ``loc + scale_tril @ noise``."""
        noise = randn(self._extended_shape(sample_shape), dtype=self.loc.dtype)
        return self.loc + (self.scale_tril @ noise[..., None])[..., 0]

    def log_prob(self, value: Tensor) -> Tensor:
        """Return the logarithm of the density."""
        self._validate_sample(value)
        white = (_inverse(self.scale_tril) @ (value - self.loc)[..., None])[..., 0]
        return -0.5 * (self.loc.shape[-1] * _LOG_2PI + white.square().sum(-1)) - half_log_det(self.scale_tril)

    def entropy(self) -> Tensor:
        """Return the entropy."""
        return 0.5 * self.loc.shape[-1] * (1 + _LOG_2PI) + half_log_det(self.scale_tril)


def half_log_det(factor: Tensor) -> Tensor:
    """Return half the logarithm of the determinant of ``factor @ factor.mT``."""
    return factor.diagonal(dim1=-2, dim2=-1).log().sum(-1)


def _inverse(factor: Tensor) -> Tensor:
    """Return the inverse of lower triangular matrices."""
    with no_grad():
        one = (factor * 0).detach() + tensor(_identity(factor))
    return solve_triangular(factor, one, upper=False)


def _identity(factor: Tensor) -> Any:
    return np.eye(factor.shape[-1], dtype=factor.dtype)


def _factor_of_inverse(precision: Tensor) -> Tensor:
    """Return the lower triangular L with ``L @ L.mT = inverse(precision)``."""
    flipped = cholesky(precision.flip(-2, -1)).flip(-2, -1).mT
    return _inverse(flipped)
