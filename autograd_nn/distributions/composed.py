"""Distributions of other distributions: reinterpreted, transformed, mixed."""

from __future__ import annotations

from typing import Any

from ..engine import no_grad
from ..tensor import Tensor
from . import constraints
from .continuous import Normal
from .distribution import Distribution
from .transforms import ComposeTransform, ExpTransform, Transform, summed

__all__ = ["Independent", "LogNormal", "MixtureSameFamily", "TransformedDistribution"]


class Independent(Distribution):
    """A distribution whose last batch dims are counted as one value, with the sum of their log_prob.

    Parameters
    ----------
    base_distribution : Distribution
    reinterpreted_batch_ndims : int

    Examples
    --------
    >>> from autograd_nn import zeros, ones
    >>> from autograd_nn.distributions import Independent, Normal
    >>> Independent(Normal(zeros(3), ones(3)), 1).log_prob(zeros(2, 3)).shape
    (2,)
    """

    def __init__(self, base_distribution: Distribution, reinterpreted_batch_ndims: int,
                 validate_args: bool | None = None):
        batch, event = base_distribution.batch_shape, base_distribution.event_shape
        n = reinterpreted_batch_ndims
        if not 0 <= n <= len(batch):
            raise ValueError("Independent(): reinterpreted_batch_ndims must be at most the number of batch dims "
                             f"(reinterpreted_batch_ndims={n}, batch_shape={tuple(batch)})")
        self.base_dist, self.reinterpreted_batch_ndims = base_distribution, n
        super().__init__(batch[: len(batch) - n], (*batch[len(batch) - n :], *event), validate_args)

    @property
    def has_rsample(self) -> bool:  # type: ignore[override]
        """Whether the base has."""
        return self.base_dist.has_rsample

    @property
    def support(self) -> Any:
        """That of the base, for each element."""
        return constraints.independent(self.base_dist.support, self.reinterpreted_batch_ndims)

    @property
    def mean(self) -> Tensor:
        """The mean."""
        return self.base_dist.mean  # type: ignore[no-any-return]

    @property
    def mode(self) -> Tensor:
        """The most probable value."""
        return self.base_dist.mode

    @property
    def variance(self) -> Tensor:
        """The variance of each element."""
        return self.base_dist.variance  # type: ignore[no-any-return]

    def sample(self, sample_shape: Any = ()) -> Tensor:
        """Return samples of the base."""
        return self.base_dist.sample(sample_shape)

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        """Return samples of the base, with their gradient."""
        return self.base_dist.rsample(sample_shape)

    def log_prob(self, value: Tensor) -> Tensor:
        """Return the sum of the base's log_prob over the last dims."""
        return summed(self.base_dist.log_prob(value), self.reinterpreted_batch_ndims)

    def entropy(self) -> Tensor:
        """Return the sum of the base's entropy over the last dims."""
        return summed(self.base_dist.entropy(), self.reinterpreted_batch_ndims)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Independent:
        """Return the distribution with parameters that are expanded to a batch shape."""
        inner = self._event_shape[: self.reinterpreted_batch_ndims]
        return Independent(self.base_dist.expand((*batch_shape, *inner)), self.reinterpreted_batch_ndims)

    def __repr__(self) -> str:
        return f"Independent({self.base_dist!r}, {self.reinterpreted_batch_ndims})"


class TransformedDistribution(Distribution):
    """The distribution of a transformed value: its density is that of the base by the change of variables.

    Parameters
    ----------
    base_distribution : Distribution
    transforms : Transform or list of Transform

    Examples
    --------
    >>> from autograd_nn import tensor
    >>> from autograd_nn.distributions import Normal, TransformedDistribution
    >>> from autograd_nn.distributions.transforms import AffineTransform
    >>> TransformedDistribution(Normal(0.0, 1.0), [AffineTransform(1.0, 2.0)]).log_prob(tensor(1.0))
    tensor(-1.6121)
    """

    def __init__(self, base_distribution: Distribution, transforms: Any, validate_args: bool | None = None):
        self.transforms = [transforms] if isinstance(transforms, Transform) else list(transforms)
        if not all(isinstance(t, Transform) for t in self.transforms):
            raise ValueError("TransformedDistribution(): transforms must be a Transform or a list of them")
        chain = ComposeTransform(self.transforms)
        base_shape = (*base_distribution.batch_shape, *base_distribution.event_shape)
        event = len(base_distribution.event_shape)
        for transform in self.transforms:
            event += transform.codomain.event_dim - transform.domain.event_dim
            event = max(event, transform.codomain.event_dim)
        wanted = max([len(base_distribution.event_shape), chain.domain.event_dim, *(t.domain.event_dim for t in
                                                                                    self.transforms)])
        more = wanted - len(base_distribution.event_shape)
        self.base_dist = Independent(base_distribution, more) if more > 0 else base_distribution
        shape = chain.forward_shape(base_shape)
        event = max(event, wanted)
        super().__init__(shape[: len(shape) - event], shape[len(shape) - event :], validate_args)

    @property
    def has_rsample(self) -> bool:  # type: ignore[override]
        """Whether the base has."""
        return self.base_dist.has_rsample

    @property
    def support(self) -> Any:
        """That of the last transform."""
        support = self.transforms[-1].codomain if self.transforms else self.base_dist.support
        missing = len(self._event_shape) - support.event_dim
        return constraints.independent(support, missing) if missing > 0 else support

    def sample(self, sample_shape: Any = ()) -> Tensor:
        """Return transformed samples of the base."""
        with no_grad():
            x = self.base_dist.sample(sample_shape)
            for transform in self.transforms:
                x = transform(x)
            return x

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        """Return transformed samples of the base, with their gradient."""
        x = self.base_dist.rsample(sample_shape)
        for transform in self.transforms:
            x = transform(x)
        return x

    def log_prob(self, value: Tensor) -> Tensor:
        """Return the logarithm of the density."""
        self._validate_sample(value)
        event = len(self._event_shape)
        total: Any = 0.0
        y = value
        for transform in reversed(self.transforms):
            x = transform._inv_call(y)
            event += transform.domain.event_dim - transform.codomain.event_dim
            total = total - summed(transform.log_abs_det_jacobian(x, y), event - transform.domain.event_dim)
            y = x
        base = self.base_dist.log_prob(y)
        return total + summed(base, event - len(self.base_dist.event_shape))  # type: ignore[no-any-return]

    def cdf(self, value: Tensor) -> Tensor:
        """Return the probability of values up to these."""
        sign: Any = 1
        for transform in reversed(self.transforms):
            value = transform._inv_call(value)
            sign = sign * transform.sign
        out = self.base_dist.cdf(value)
        return sign * (out - 0.5) + 0.5  # type: ignore[no-any-return]

    def icdf(self, value: Tensor) -> Tensor:
        """Return the quantiles."""
        sign: Any = 1
        for transform in self.transforms:
            sign = sign * transform.sign
        out = self.base_dist.icdf(sign * (value - 0.5) + 0.5)
        for transform in self.transforms:
            out = transform(out)
        return out

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.base_dist!r}, {self.transforms!r})"


class LogNormal(TransformedDistribution):
    """The distribution of ``exp(x)`` for a normal x.

    Parameters
    ----------
    loc, scale : Tensor or float
        Mean and standard deviation of the logarithm.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> import autograd_nn.distributions as D
    >>> p = D.LogNormal(0.0, 1.0)
    >>> p.mean, p.cdf(ag.tensor(1.0))
    (tensor(1.6487), tensor(0.5))
    """

    def __init__(self, loc: Any, scale: Any, validate_args: bool | None = None):
        super().__init__(Normal(loc, scale, validate_args), ExpTransform(), validate_args)

    @property
    def loc(self) -> Tensor:
        """The mean of the logarithm."""
        return self.base_dist.loc  # type: ignore[attr-defined, no-any-return]

    @property
    def scale(self) -> Tensor:
        """The standard deviation of the logarithm."""
        return self.base_dist.scale  # type: ignore[attr-defined, no-any-return]

    @property
    def mean(self) -> Tensor:
        """The mean."""
        return (self.loc + self.scale.square() / 2).exp()

    @property
    def mode(self) -> Tensor:
        """The most probable value."""
        return (self.loc - self.scale.square()).exp()

    @property
    def variance(self) -> Tensor:
        """The variance."""
        square = self.scale.square()
        return square.expm1() * (2 * self.loc + square).exp()

    def entropy(self) -> Tensor:
        """Return the entropy."""
        return self.base_dist.entropy() + self.loc


class MixtureSameFamily(Distribution):
    """A mixture of distributions of one family.

    Parameters
    ----------
    mixture_distribution : Categorical
        Of the weights, with batch shape B and K categories.
    component_distribution : Distribution
        With batch shape (B, K).

    Examples
    --------
    >>> import autograd_nn as ag
    >>> import autograd_nn.distributions as D
    >>> p = D.MixtureSameFamily(D.Categorical(ag.tensor([0.5, 0.5])), D.Normal(ag.tensor([-2.0, 2.0]), 1.0))
    >>> p.mean, p.variance
    (tensor(0.), tensor(5.))
    """

    def __init__(self, mixture_distribution: Any, component_distribution: Distribution,
                 validate_args: bool | None = None):
        self._mixture, self._components = mixture_distribution, component_distribution
        shape = component_distribution.batch_shape
        if not shape or mixture_distribution._num_events != shape[-1]:
            raise ValueError("MixtureSameFamily(): the last batch dim of the components must be the number of "
                             f"categories ({tuple(shape)}, {mixture_distribution._num_events})")
        self._event_ndims = len(component_distribution.event_shape)
        super().__init__(shape[:-1], component_distribution.event_shape, validate_args)

    @property
    def mixture_distribution(self) -> Any:
        """The weights."""
        return self._mixture

    @property
    def component_distribution(self) -> Distribution:
        """The components."""
        return self._components

    @property
    def support(self) -> Any:
        """That of the components, which check it."""
        return constraints.Constraint("MixtureSameFamilyConstraint", event_dim=self._event_ndims)

    def _weights(self) -> Tensor:
        p: Tensor = self._mixture.probs
        return p.reshape(*p.shape, *(1 for _ in range(self._event_ndims)))

    @property
    def mean(self) -> Tensor:
        """The mean."""
        return (self._weights() * self._components.mean).sum(-1 - self._event_ndims)  # type: ignore[no-any-return]

    @property
    def variance(self) -> Tensor:
        """The variance: of the components, and between their means."""
        p, at = self._weights(), -1 - self._event_ndims
        between = (self._components.mean - self.mean.unsqueeze(at)).square()
        return (p * self._components.variance).sum(at) + (p * between).sum(at)  # type: ignore[no-any-return]

    def sample(self, sample_shape: Any = ()) -> Tensor:
        """Return samples of components that are drawn by their weights."""
        with no_grad():
            chosen = self._mixture.sample(sample_shape)
            values = self._components.sample(sample_shape)
            at = values.ndim - self._event_ndims - 1
            index = chosen.reshape(*chosen.shape, 1, *(1 for _ in range(self._event_ndims)))
            index = index.expand(*values.shape[:at], 1, *self._event_shape)
            return values.gather(at, index).squeeze(at)

    def log_prob(self, value: Tensor) -> Tensor:
        """Return the logarithm of the density."""
        self._validate_sample(value)
        parts = self._components.log_prob(value.unsqueeze(-1 - self._event_ndims))
        return (parts + self._mixture.logits.log_softmax(-1)).logsumexp(-1)  # type: ignore[no-any-return]

    def cdf(self, value: Tensor) -> Tensor:
        """Return the probability of values up to these."""
        return (self._components.cdf(value.unsqueeze(-1)) * self._mixture.probs).sum(-1)  # type: ignore[no-any-return]
