"""Distributions of counts, categories and yes or no."""

from __future__ import annotations

import math
from typing import Any, ClassVar

from ..engine import no_grad
from ..nn.functional import binary_cross_entropy_with_logits, one_hot, softplus
from ..ops.creation import arange
from ..ops.elementwise import where
from ..ops.random import multinomial, rand
from ..ops.special import lgamma, xlogy
from ..tensor import Tensor, tensor
from . import constraints
from .distribution import Distribution, ExponentialFamily, drawn, together

__all__ = ["Bernoulli", "Binomial", "Categorical", "Geometric", "OneHotCategorical", "OneHotCategoricalStraightThrough",
           "Poisson"]


def _one_of(name: str, probs: Any, logits: Any) -> tuple[bool, Any]:
    if (probs is None) == (logits is None):
        raise ValueError(f"{name}(): either probs or logits must be given, and not both")
    return probs is not None, logits if probs is None else probs


def _clamped(probs: Tensor) -> Tensor:
    eps = 1.1920929e-07 if probs.dtype.itemsize <= 4 else 2.220446049250313e-16
    return probs.clamp(eps, 1 - eps)


class _Binary(ExponentialFamily):
    """Distributions with a probability of success, given as such or by its logit."""

    _given_probs: bool

    def _take(self, probs: Any, logits: Any) -> Tensor:
        self._given_probs, value = _one_of(type(self).__name__, probs, logits)
        (value,) = together(value)
        setattr(self, "_probs" if self._given_probs else "_logits", value)
        return value

    @property
    def probs(self) -> Tensor:
        """The probability of success."""
        return self._probs if self._given_probs else self._logits.sigmoid()  # type: ignore[attr-defined, no-any-return]

    @property
    def logits(self) -> Tensor:
        """The logarithm of the odds."""
        if not self._given_probs:
            return self._logits  # type: ignore[attr-defined, no-any-return]
        p = _clamped(self._probs)  # type: ignore[attr-defined]
        return p.log() - (-p).log1p()


class Bernoulli(_Binary):
    """1 with a probability, and else 0.

    Parameters
    ----------
    probs, logits : Tensor or float
        One of them.

    Examples
    --------
    >>> from autograd_nn import tensor
    >>> from autograd_nn.distributions import Bernoulli
    >>> Bernoulli(0.25).log_prob(tensor(1.0)).exp()
    tensor(0.25)
    """

    support = constraints.boolean
    has_enumerate_support = True
    arg_constraints: ClassVar = {"probs": constraints.unit_interval, "logits": constraints.real}

    def __init__(self, probs: Any = None, logits: Any = None, validate_args: bool | None = None):
        value = self._take(probs, logits)
        super().__init__(value.shape, validate_args=validate_args)
        _check_probs(self)

    @property
    def mean(self) -> Tensor:
        """The mean."""
        return self.probs

    @property
    def mode(self) -> Tensor:
        """The most probable value; NaN for 1/2."""
        return where(self.probs == 0.5, math.nan, (self.probs > 0.5).to(self.probs.dtype))

    @property
    def variance(self) -> Tensor:
        """The variance."""
        return self.probs * (1 - self.probs)

    def sample(self, sample_shape: Any = ()) -> Tensor:
        """Return zeros and ones."""
        with no_grad():
            p = self.probs
            return (rand(self._extended_shape(sample_shape), dtype=p.dtype) < p).to(p.dtype)

    def log_prob(self, value: Tensor) -> Tensor:
        """Return the logarithm of the probability."""
        self._validate_sample(value)
        logits = self.logits + 0 * value
        return -binary_cross_entropy_with_logits(logits, value + 0 * self.logits.detach(), reduction="none")

    def entropy(self) -> Tensor:
        """Return the entropy."""
        return binary_cross_entropy_with_logits(self.logits, self.probs, reduction="none")

    def enumerate_support(self, expand: bool = True) -> Tensor:
        """Return 0 and 1 along the first dim."""
        values = arange(2, dtype=self.probs.dtype).reshape(2, *(1 for _ in self._batch_shape))
        return values.expand(2, *self._batch_shape) if expand else values


def _check_probs(distribution: Any) -> None:
    """Raise where a probability lies outside 0 to 1; such checks of properties are not made by the base."""
    if distribution._validate_args and distribution._given_probs:
        p = distribution._probs
        if not bool(((p >= 0) & (p <= 1)).all()):
            raise ValueError(f"{type(distribution).__name__}(): parameter probs must be in "
                             f"{constraints.unit_interval!r}, got {p.detach()!r}")


class Geometric(_Binary):
    """How often an experiment fails before its first success.

    Parameters
    ----------
    probs, logits : Tensor or float
        One of them.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> import autograd_nn.distributions as D
    >>> p = D.Geometric(probs=0.25)
    >>> p.mean, p.log_prob(ag.tensor(1.0)).exp()
    (tensor(3.), tensor(0.1875))
    """

    support = constraints.nonnegative_integer

    def __init__(self, probs: Any = None, logits: Any = None, validate_args: bool | None = None):
        value = self._take(probs, logits)
        super().__init__(value.shape, validate_args=validate_args)
        _check_probs(self)

    @property
    def mean(self) -> Tensor:
        """The mean."""
        return 1 / self.probs - 1

    @property
    def variance(self) -> Tensor:
        """The variance."""
        return (1 / self.probs - 1) / self.probs

    def sample(self, sample_shape: Any = ()) -> Tensor:
        """Return counts."""
        with no_grad():
            p = self.probs
            u = rand(self._extended_shape(sample_shape), dtype=p.dtype).clamp(min=1e-30)
            return (u.log() / (-p).log1p()).floor()

    def log_prob(self, value: Tensor) -> Tensor:
        """Return the logarithm of the probability."""
        self._validate_sample(value)
        p = self.probs
        return value * (-where((p == 1) & (value == 0), 0.0, p)).log1p() + p.log()

    def entropy(self) -> Tensor:
        """Return the entropy."""
        return binary_cross_entropy_with_logits(self.logits, self.probs, reduction="none") / self.probs


class Binomial(_Binary):
    """How many of `total_count` experiments succeed.

    Parameters
    ----------
    total_count : Tensor or int
    probs, logits : Tensor or float
        One of them.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> import autograd_nn.distributions as D
    >>> p = D.Binomial(4, probs=0.5)
    >>> p.mean, p.log_prob(ag.tensor(2.0)).exp()
    (tensor(2.), tensor(0.375))
    """

    def __init__(self, total_count: Any = 1, probs: Any = None, logits: Any = None, validate_args: bool | None = None):
        value = self._take(probs, logits)
        name = "_probs" if self._given_probs else "_logits"
        count = total_count if isinstance(total_count, Tensor) else tensor(float(total_count), dtype=value.dtype)
        self.total_count, both = together(count.to(value.dtype), value)
        setattr(self, name, both)
        super().__init__(both.shape, validate_args=validate_args)
        _check_probs(self)

    @property
    def support(self) -> Any:
        """The integers from 0 to `total_count`."""
        return constraints.integer_interval(0, self.total_count)

    @property
    def mean(self) -> Tensor:
        """The mean."""
        return self.total_count * self.probs

    @property
    def variance(self) -> Tensor:
        """The variance."""
        return self.total_count * self.probs * (1 - self.probs)

    def sample(self, sample_shape: Any = ()) -> Tensor:
        """Return counts."""
        shape = self._extended_shape(sample_shape)
        p = self.probs.detach()
        return drawn("binomial", p, self.total_count.array.astype("int64"), p.array.astype("float64"), shape)

    def log_prob(self, value: Tensor) -> Tensor:
        """Return the logarithm of the probability."""
        self._validate_sample(value)
        n, logits = self.total_count, self.logits
        choices = lgamma(n + 1) - lgamma(value + 1) - lgamma(n - value + 1)
        return choices + value * logits - n * softplus(logits)


class Poisson(ExponentialFamily):
    """Counts of events that come independently at a rate.

    Parameters
    ----------
    rate : Tensor or float

    Examples
    --------
    >>> import autograd_nn as ag
    >>> import autograd_nn.distributions as D
    >>> p = D.Poisson(3.0)
    >>> p.mean, p.log_prob(ag.tensor(0.0)).exp()
    (tensor(3.), tensor(0.0498))
    """

    support = constraints.nonnegative_integer
    arg_constraints: ClassVar = {"rate": constraints.nonnegative}

    def __init__(self, rate: Any, validate_args: bool | None = None):
        (self.rate,) = together(rate)
        super().__init__(self.rate.shape, validate_args=validate_args)

    @property
    def mean(self) -> Tensor:
        """The mean."""
        return self.rate

    @property
    def variance(self) -> Tensor:
        """The variance."""
        return self.rate

    @property
    def mode(self) -> Tensor:
        """The most probable value."""
        return self.rate.floor()

    def sample(self, sample_shape: Any = ()) -> Tensor:
        """Return counts."""
        return drawn("poisson", self.rate, self.rate.array.astype("float64"), self._extended_shape(sample_shape))

    def log_prob(self, value: Tensor) -> Tensor:
        """Return the logarithm of the probability."""
        self._validate_sample(value)
        return xlogy(value, self.rate) - self.rate - lgamma(value + 1)


class Categorical(Distribution):
    """One of K categories, as an integer from 0.

    Parameters
    ----------
    probs, logits : Tensor of shape (..., K)
        One of them; probabilities are divided by their sum.

    Examples
    --------
    >>> from autograd_nn import tensor
    >>> from autograd_nn.distributions import Categorical
    >>> Categorical(probs=tensor([1.0, 3.0])).log_prob(tensor(1)).exp()
    tensor(0.75)
    """

    has_enumerate_support = True

    def __init__(self, probs: Tensor | None = None, logits: Tensor | None = None, validate_args: bool | None = None):
        self._given_probs, value = _one_of(type(self).__name__, probs, logits)
        if value.ndim < 1:
            raise ValueError(f"{type(self).__name__}(): probs or logits must have one dim or more")
        if self._given_probs:
            self._probs = value / value.sum(-1, keepdim=True)
            valid = bool((value >= 0).all()) and bool((value.sum(-1) > 0).all())
        else:
            self._logits = value - value.logsumexp(-1, keepdim=True)
            valid = bool((value == value).all())
        super().__init__(value.shape[:-1], validate_args=validate_args)
        if self._validate_args and not valid:
            rule = "probs must be 0 or more, with a positive sum" if self._given_probs else "logits must be numbers"
            raise ValueError(f"{type(self).__name__}(): {rule}, got {value.detach()!r}")

    @property
    def _num_events(self) -> int:
        return int((self._probs if self._given_probs else self._logits).shape[-1])

    @property
    def param_shape(self) -> Any:
        """The shape of the parameters."""
        return (self._probs if self._given_probs else self._logits).size()

    @property
    def probs(self) -> Tensor:
        """The probabilities."""
        return self._probs if self._given_probs else self._logits.softmax(-1)  # type: ignore[no-any-return]

    @property
    def logits(self) -> Tensor:
        """The logarithms of the probabilities."""
        return _clamped(self._probs).log() if self._given_probs else self._logits

    @property
    def support(self) -> Any:
        """The integers from 0 to K - 1."""
        return constraints.integer_interval(0, self._num_events - 1)

    @property
    def mean(self) -> Tensor:
        """NaN: categories have no mean."""
        return self.probs.detach().sum(-1) * math.nan

    @property
    def variance(self) -> Tensor:
        """NaN: categories have no variance."""
        return self.mean

    @property
    def mode(self) -> Tensor:
        """The most probable category."""
        return self.probs.argmax(-1)

    def sample(self, sample_shape: Any = ()) -> Tensor:
        """Return categories."""
        shape = self._extended_shape(sample_shape)
        rows = self.probs.detach().reshape(-1, self._num_events)
        count = math.prod(sample_shape)
        drawn = multinomial(rows, count, replacement=True) if count and len(rows) else rows[:, :0].long()
        return drawn.T.reshape(shape)

    def log_prob(self, value: Tensor) -> Tensor:
        """Return the logarithm of the probability."""
        self._validate_sample(value)
        logits = self.logits
        batch = (value.detach() * 0 + logits[..., 0].detach() * 0).shape
        index = (value.long() + arange(1)).expand(*batch) if batch else value.long().reshape(())
        return logits.expand(*batch, self._num_events).gather(-1, index.unsqueeze(-1)).squeeze(-1)

    def entropy(self) -> Tensor:
        """Return the entropy."""
        return -(self.logits.clamp(min=-3.4e38) * self.probs).sum(-1)

    def enumerate_support(self, expand: bool = True) -> Tensor:
        """Return all categories along the first dim."""
        values = arange(self._num_events).reshape(-1, *(1 for _ in self._batch_shape))
        return values.expand(-1, *self._batch_shape) if expand else values

    def expand(self, batch_shape: Any, _instance: Any = None) -> Categorical:
        """Return the distribution with parameters that are expanded to a batch shape."""
        k = self._num_events
        if self._given_probs:
            return type(self)(probs=self._probs.expand(*batch_shape, k), validate_args=False)
        return type(self)(logits=self._logits.expand(*batch_shape, k), validate_args=False)


class OneHotCategorical(Distribution):
    """One of K categories, as a vector with a 1 at its place.

    Parameters
    ----------
    probs, logits : Tensor of shape (..., K)
        One of them.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> import autograd_nn.distributions as D
    >>> p = D.OneHotCategorical(probs=ag.tensor([0.0, 1.0]))
    >>> p.sample(), p.mean
    (tensor([0., 1.]), tensor([0., 1.]))
    """

    support = constraints.one_hot
    has_enumerate_support = True

    def __init__(self, probs: Tensor | None = None, logits: Tensor | None = None, validate_args: bool | None = None):
        self._categorical = Categorical(probs, logits, validate_args)
        shape = self._categorical.param_shape
        super().__init__(shape[:-1], shape[-1:], validate_args)

    @property
    def probs(self) -> Tensor:
        """The probabilities."""
        return self._categorical.probs

    @property
    def logits(self) -> Tensor:
        """The logarithms of the probabilities."""
        return self._categorical.logits

    @property
    def mean(self) -> Tensor:
        """The mean."""
        return self.probs

    @property
    def mode(self) -> Tensor:
        """The most probable value."""
        return one_hot(self.probs.argmax(-1), self._event_shape[-1]).to(self.probs.dtype)

    @property
    def variance(self) -> Tensor:
        """The variance."""
        return self.probs * (1 - self.probs)

    def sample(self, sample_shape: Any = ()) -> Tensor:
        """Return vectors of zeros with a one."""
        index = self._categorical.sample(sample_shape)
        return one_hot(index, self._event_shape[-1]).to(self.probs.dtype)

    def log_prob(self, value: Tensor) -> Tensor:
        """Return the logarithm of the probability."""
        self._validate_sample(value)
        return self._categorical.log_prob(value.argmax(-1))

    def entropy(self) -> Tensor:
        """Return the entropy."""
        return self._categorical.entropy()

    def enumerate_support(self, expand: bool = True) -> Tensor:
        """Return all values along the first dim."""
        return one_hot(self._categorical.enumerate_support(expand), self._event_shape[-1]).to(self.probs.dtype)


class OneHotCategoricalStraightThrough(OneHotCategorical):
    """`OneHotCategorical` whose samples have the gradient of the probabilities.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> import autograd_nn.distributions as D
    >>> logits = ag.tensor([0.0, 9.0, 0.0], requires_grad=True)
    >>> p = D.OneHotCategoricalStraightThrough(logits=logits)
    >>> p.rsample().requires_grad
    True
    """

    has_rsample = True

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        """Return samples with the gradient of the probabilities."""
        probs = self.probs
        return self.sample(sample_shape) + (probs - probs.detach())
