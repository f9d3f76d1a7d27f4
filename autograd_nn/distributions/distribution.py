"""Distribution: the base of all: shapes, checks of parameters and values, and what a subclass defines."""

from __future__ import annotations

from typing import Any, ClassVar

from ..engine import get_default_dtype, no_grad, note_read
from ..ops.joining import broadcast_tensors
from ..ops.random import default_generator
from ..ops.reduce import all as all_
from ..tensor import Tensor, tensor
from ..tensor.size import Size
from ..typing import Array
from .constraints import Constraint, is_dependent

__all__ = ["Distribution", "ExponentialFamily"]


def together(*values: Any) -> tuple[Tensor, ...]:
    """Return parameters, tensors or numbers, as tensors of one shape."""
    like = next((v for v in values if isinstance(v, Tensor)), None)
    dtype = get_default_dtype() if like is None else like.dtype
    tensors = [v if isinstance(v, Tensor) else tensor(v, dtype=dtype) for v in values]
    return tuple(broadcast_tensors(*tensors))


def drawn(distribution: str, like: Tensor, *parameters: Any) -> Tensor:
    """Return numbers that NumPy's generator draws, from the default generator, in a tensor's dtype."""
    for parameter in (like, *parameters):
        note_read(parameter, f"a draw of {distribution}")
    array: Array = default_generator.draw(distribution, *parameters)
    return tensor(array.astype(like.dtype))


class Distribution:
    """Base of probability distributions.

    A subclass passes `batch_shape` and `event_shape` on, and defines `sample` or `rsample`, and `log_prob`.

    Parameters
    ----------
    batch_shape : tuple of int
        Of parameters: as many distributions there are side by side.
    event_shape : tuple of int
        Of one value.
    validate_args : bool, optional
        Whether parameters and values are checked; by default they are.

    Attributes
    ----------
    has_rsample : bool
        Whether samples can be differentiated by the parameters.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> import autograd_nn.distributions as D
    >>> p = D.Normal(ag.zeros(3), 1.0)
    >>> p.batch_shape, p.event_shape, p.sample((5,)).shape
    ((3,), (), (5, 3))
    """

    has_rsample = False
    has_enumerate_support = False
    arg_constraints: ClassVar[dict[str, Any]] = {}
    support: Any
    mean: Any
    variance: Any
    _validate_args = True

    def __init__(self, batch_shape: Any = (), event_shape: Any = (), validate_args: bool | None = None):
        self._batch_shape, self._event_shape = Size(batch_shape), Size(event_shape)
        if validate_args is not None:
            self._validate_args = validate_args
        if not self._validate_args:
            return
        for name, constraint in self.arg_constraints.items():
            if is_dependent(constraint) or (name not in self.__dict__ and hasattr(type(self), name)):
                continue
            value = getattr(self, name)
            if not bool(all_(constraint.check(value))):
                raise ValueError(f"{type(self).__name__}(): parameter {name} must be in {constraint!r}, got "
                                 f"{value.detach()!r}")

    @staticmethod
    def set_default_validate_args(value: bool) -> None:
        """Say whether distributions that are made from now on check parameters and values."""
        Distribution._validate_args = value

    @property
    def batch_shape(self) -> Size:
        """How many distributions there are side by side."""
        return self._batch_shape

    @property
    def event_shape(self) -> Size:
        """The shape of one value."""
        return self._event_shape

    def _extended_shape(self, sample_shape: Any = ()) -> Size:
        return Size((*sample_shape, *self._batch_shape, *self._event_shape))

    def sample(self, sample_shape: Any = ()) -> Tensor:
        """Return values of shape ``sample_shape + batch_shape + event_shape``, without gradient."""
        with no_grad():
            return self.rsample(sample_shape)

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        """Return values that can be differentiated by the parameters."""
        raise NotImplementedError(f"{type(self).__name__}.rsample(): samples have no gradient; use sample()")

    def sample_n(self, n: int) -> Tensor:
        """Return `n` samples."""
        return self.sample((n,))

    def log_prob(self, value: Tensor) -> Tensor:
        """Return the logarithm of the density, or of the probability, at values."""
        raise NotImplementedError(f"{type(self).__name__}.log_prob() is not defined")

    def cdf(self, value: Tensor) -> Tensor:
        """Return the probability of values up to these."""
        raise NotImplementedError(f"{type(self).__name__}.cdf() is not defined")

    def icdf(self, value: Tensor) -> Tensor:
        """Return the values up to which there are these probabilities."""
        raise NotImplementedError(f"{type(self).__name__}.icdf() is not defined")

    def entropy(self) -> Tensor:
        """Return the entropy."""
        raise NotImplementedError(f"{type(self).__name__}.entropy() is not defined")

    def perplexity(self) -> Tensor:
        """Return ``exp(entropy)``."""
        return self.entropy().exp()

    def enumerate_support(self, expand: bool = True) -> Tensor:
        """Return all values of a discrete distribution, along the first dim."""
        raise NotImplementedError(f"{type(self).__name__}.enumerate_support() is not defined")

    def expand(self, batch_shape: Any, _instance: Any = None) -> Distribution:
        """Return the distribution with parameters that are expanded to a batch shape."""
        new: Distribution = type(self).__new__(type(self))
        shape = Size(batch_shape)
        for name, value in self.__dict__.items():
            if isinstance(value, Tensor):
                extra = value.shape[len(self._batch_shape):]
                value = value.expand(*shape, *extra)
            elif isinstance(value, Distribution):
                value = value.expand((*shape, *value.batch_shape[len(self._batch_shape):]))
            new.__dict__[name] = value
        new._batch_shape = shape
        return new

    @property
    def mode(self) -> Tensor:
        """The most probable value."""
        raise NotImplementedError(f"{type(self).__name__}.mode is not defined")

    @property
    def stddev(self) -> Tensor:
        """The standard deviation."""
        return self.variance.sqrt()  # type: ignore[no-any-return]

    def _validate_sample(self, value: Any) -> None:
        """Raise where a value has a shape that does not fit or lies outside the support."""
        if not self._validate_args:
            return
        name = type(self).__name__
        if not isinstance(value, Tensor):
            raise ValueError(f"{name}.log_prob(): expects a tensor, got {type(value).__name__}")
        n = len(self._event_shape)
        if n and tuple(value.shape[value.ndim - n:]) != tuple(self._event_shape):
            raise ValueError(f"{name}.log_prob(): the last dims of the value must be {tuple(self._event_shape)} "
                             f"(value.shape={tuple(value.shape)})")
        for i, j in zip(reversed(value.shape), reversed(self._extended_shape())):
            if i != j and 1 not in (i, j):
                raise ValueError(f"{name}.log_prob(): the value does not broadcast with batch and event shape "
                                 f"(value.shape={tuple(value.shape)}, {tuple(self._extended_shape())})")
        support: Constraint = self.support
        if is_dependent(support) or (support._test is None):
            return
        if not bool(all_(support.check(value))):
            raise ValueError(f"{name}.log_prob(): values must be in {support!r}")

    def __repr__(self) -> str:
        shown = [f"{name}: {value.item() if value.numel() == 1 else tuple(value.shape)}"
                 for name, value in self.__dict__.items() if isinstance(value, Tensor) and name in self.arg_constraints]
        return f"{type(self).__name__}({', '.join(shown)})"


class ExponentialFamily(Distribution):
    """Distributions of the exponential family, under PyTorch's name; each here has its own entropy.

    Examples
    --------
    >>> import autograd_nn.distributions as D
    >>> isinstance(D.Normal(0.0, 1.0), D.ExponentialFamily), isinstance(D.Cauchy(0.0, 1.0), D.ExponentialFamily)
    (True, False)
    """
