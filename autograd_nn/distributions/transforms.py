"""Transforms: invertible maps with the logarithm of their derivative."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ..nn.functional import pad, softplus
from ..tensor import Tensor
from . import constraints

__all__ = ["AbsTransform", "AffineTransform", "ComposeTransform", "ExpTransform", "IndependentTransform",
           "PowerTransform", "SigmoidTransform", "SoftmaxTransform", "SoftplusTransform", "StickBreakingTransform",
           "TanhTransform", "Transform", "identity_transform"]


class Transform:
    """Base of transforms; a subclass defines `_call`, `_inverse` and `log_abs_det_jacobian`.

    Attributes
    ----------
    domain, codomain : Constraint
    bijective : bool
    sign : int
        1 if it grows, -1 if it falls.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> import autograd_nn.distributions as D
    >>> scale = D.AffineTransform(0.0, 2.0)
    >>> scale.bijective, scale.inv(scale(ag.tensor([1.5])))
    (True, tensor([1.5]))
    """

    bijective = True
    sign: Any = 1
    domain: Any = constraints.real
    codomain: Any = constraints.real

    def __init__(self, cache_size: int = 0):
        self._cache_size = cache_size
        self._seen: tuple[Any, Any] = (None, None)

    def __call__(self, x: Tensor) -> Tensor:
        """Return y of x."""
        if self._cache_size and self._seen[0] is x:
            return self._seen[1]  # type: ignore[no-any-return]
        y = self._call(x)
        if self._cache_size:
            self._seen = x, y
        return y

    def _inv_call(self, y: Tensor) -> Tensor:
        if self._cache_size and self._seen[1] is y:
            return self._seen[0]  # type: ignore[no-any-return]
        x = self._inverse(y)
        if self._cache_size:
            self._seen = x, y
        return x

    def _call(self, x: Tensor) -> Tensor:
        raise NotImplementedError(f"{type(self).__name__}._call() is not defined")

    def _inverse(self, y: Tensor) -> Tensor:
        raise NotImplementedError(f"{type(self).__name__}._inverse() is not defined")

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        """Return ``log |dy / dx|``."""
        raise NotImplementedError(f"{type(self).__name__}.log_abs_det_jacobian() is not defined")

    @property
    def inv(self) -> Transform:
        """The inverse."""
        return _Inverse(self)

    def forward_shape(self, shape: Any) -> tuple[int, ...]:
        """Return the shape of y for a shape of x."""
        return tuple(shape)

    def inverse_shape(self, shape: Any) -> tuple[int, ...]:
        """Return the shape of x for a shape of y."""
        return tuple(shape)

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


class _Inverse(Transform):
    def __init__(self, transform: Transform):
        super().__init__()
        self._transform = transform
        self.sign, self.bijective = transform.sign, transform.bijective
        self.domain, self.codomain = transform.codomain, transform.domain

    @property
    def inv(self) -> Transform:
        return self._transform

    def __call__(self, x: Tensor) -> Tensor:
        return self._transform._inv_call(x)

    def _inv_call(self, y: Tensor) -> Tensor:
        return self._transform(y)

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        return -self._transform.log_abs_det_jacobian(y, x)

    def forward_shape(self, shape: Any) -> tuple[int, ...]:
        return self._transform.inverse_shape(shape)

    def inverse_shape(self, shape: Any) -> tuple[int, ...]:
        return self._transform.forward_shape(shape)


class AffineTransform(Transform):
    """``y = loc + scale * x``.

    Parameters
    ----------
    loc, scale : Tensor or float
    event_dim : int
        How many of the last dims make up one value.
    cache_size : int

    Examples
    --------
    >>> import autograd_nn as ag
    >>> import autograd_nn.distributions as D
    >>> move = D.AffineTransform(loc=1.0, scale=2.0)
    >>> move(ag.tensor([0.0, 3.0]))
    tensor([1., 7.])
    >>> move.inv(ag.tensor([1.0, 7.0]))
    tensor([0., 3.])
    >>> move.log_abs_det_jacobian(ag.tensor([0.0]), ag.tensor([1.0]))
    tensor([0.6931])
    """

    def __init__(self, loc: Any, scale: Any, event_dim: int = 0, cache_size: int = 0):
        super().__init__(cache_size)
        self.loc, self.scale, self.event_dim = loc, scale, event_dim
        self.domain = self.codomain = constraints.independent(constraints.real, event_dim)

    @property
    def sign(self) -> Any:
        """The sign of the scale."""
        return self.scale.sign() if isinstance(self.scale, Tensor) else (self.scale > 0) - (self.scale < 0)

    def _call(self, x: Tensor) -> Tensor:
        return self.loc + self.scale * x  # type: ignore[no-any-return]

    def _inverse(self, y: Tensor) -> Tensor:
        return (y - self.loc) / self.scale  # type: ignore[no-any-return]

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        """Return ``log |scale|``, summed over a value."""
        size = self.scale.abs().log() if isinstance(self.scale, Tensor) else math.log(abs(self.scale))
        out = size + x.detach() * 0
        return out.flatten(-self.event_dim).sum(-1) if self.event_dim else out


class ExpTransform(Transform):
    """``y = exp(x)``.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> import autograd_nn.distributions as D
    >>> D.ExpTransform()(ag.tensor([0.0, 1.0]))
    tensor([1.    , 2.7183])
    >>> D.ExpTransform().inv(ag.tensor([1.0]))
    tensor([0.])
    """

    codomain = constraints.positive

    def _call(self, x: Tensor) -> Tensor:
        return x.exp()

    def _inverse(self, y: Tensor) -> Tensor:
        return y.log()

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        """Return x."""
        return x


class PowerTransform(Transform):
    """``y = x ** exponent`` of positive numbers.

    Parameters
    ----------
    exponent : Tensor or float

    Examples
    --------
    >>> import autograd_nn as ag
    >>> import autograd_nn.distributions as D
    >>> D.PowerTransform(ag.tensor(2.0))(ag.tensor([1.0, 3.0]))
    tensor([1., 9.])
    """

    domain = codomain = constraints.positive

    def __init__(self, exponent: Any, cache_size: int = 0):
        super().__init__(cache_size)
        self.exponent = exponent

    def _call(self, x: Tensor) -> Tensor:
        return x.pow(self.exponent)

    def _inverse(self, y: Tensor) -> Tensor:
        return y.pow(1 / self.exponent)

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        """Return ``log |exponent * y / x|``."""
        return (self.exponent * y / x).abs().log()  # type: ignore[no-any-return]


class SigmoidTransform(Transform):
    """``y = 1 / (1 + exp(-x))``.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> import autograd_nn.distributions as D
    >>> D.SigmoidTransform()(ag.tensor([0.0]))
    tensor([0.5])
    """

    codomain = constraints.unit_interval

    def _call(self, x: Tensor) -> Tensor:
        return x.sigmoid()

    def _inverse(self, y: Tensor) -> Tensor:
        y = y.clamp(1e-38, 1 - (1.1920929e-07 if y.dtype.itemsize <= 4 else 2.220446049250313e-16))
        return y.log() - (-y).log1p()

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        """Return ``log(y (1 - y))``."""
        return -softplus(-x) - softplus(x)


class TanhTransform(Transform):
    """``y = tanh(x)``.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> import autograd_nn.distributions as D
    >>> D.TanhTransform()(ag.tensor([0.0, 1.0]))
    tensor([0.    , 0.7616])
    """

    codomain = constraints.interval(-1.0, 1.0)

    def _call(self, x: Tensor) -> Tensor:
        return x.tanh()

    def _inverse(self, y: Tensor) -> Tensor:
        return y.atanh()

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        """Return ``log(1 - y^2)``, without its cancellation."""
        return 2 * (math.log(2) - x - softplus(-2 * x))


class SoftplusTransform(Transform):
    """``y = log(1 + exp(x))``.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> import autograd_nn.distributions as D
    >>> D.SoftplusTransform()(ag.tensor([0.0]))
    tensor([0.6931])
    """

    codomain = constraints.positive

    def _call(self, x: Tensor) -> Tensor:
        return softplus(x)

    def _inverse(self, y: Tensor) -> Tensor:
        return (-(-y).expm1()).log() + y

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        """Return ``-log(1 + exp(-x))``."""
        return -softplus(-x)


class AbsTransform(Transform):
    """``y = |x|``, which is not bijective: its inverse takes the positive number.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> import autograd_nn.distributions as D
    >>> D.AbsTransform()(ag.tensor([-1.0, 2.0]))
    tensor([1., 2.])
    """

    bijective = False
    codomain = constraints.nonnegative

    def _call(self, x: Tensor) -> Tensor:
        return x.abs()

    def _inverse(self, y: Tensor) -> Tensor:
        return y


class SoftmaxTransform(Transform):
    """``softmax(x)`` along the last dim, which is not bijective: its inverse is the logarithm.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> import autograd_nn.distributions as D
    >>> D.SoftmaxTransform()(ag.zeros(4))
    tensor([0.25, 0.25, 0.25, 0.25])
    """

    bijective = False
    domain = constraints.real_vector
    codomain = constraints.simplex

    def _call(self, x: Tensor) -> Tensor:
        return x.softmax(-1)

    def _inverse(self, y: Tensor) -> Tensor:
        return y.log()


class StickBreakingTransform(Transform):
    """From K numbers to K + 1 probabilities: each takes a share of what those before it left.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> import autograd_nn.distributions as D
    >>> y = D.StickBreakingTransform()(ag.zeros(2))
    >>> y.shape, y.sum()
    ((3,), tensor(1.))
    """

    domain = constraints.real_vector
    codomain = constraints.simplex

    def _shares(self, x: Tensor) -> tuple[Tensor, Tensor]:
        count = x.shape[-1]
        offset = x.new_tensor([float(count - i) for i in range(count)])
        shifted = x - offset.log()
        return shifted, shifted.sigmoid()

    def _call(self, x: Tensor) -> Tensor:
        z = self._shares(x)[1]
        left = (1 - z).cumprod(-1)
        return pad(z, (0, 1), value=1.0) * pad(left, (1, 0), value=1.0)

    def _inverse(self, y: Tensor) -> Tensor:
        first = y[..., :-1]
        count = first.shape[-1]
        offset = y.new_tensor([float(count - i) for i in range(count)])
        left = (1 - first.cumsum(-1)).clamp(min=1e-38)
        return first.log() - left.log() + offset.log()

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        """Return the logarithm of the determinant."""
        shifted, _ = self._shares(x)
        return (-shifted - softplus(-shifted) + y[..., :-1].log()).sum(-1)

    def forward_shape(self, shape: Any) -> tuple[int, ...]:
        """Return the shape with one more in the last dim."""
        return (*shape[:-1], shape[-1] + 1)

    def inverse_shape(self, shape: Any) -> tuple[int, ...]:
        """Return the shape with one less in the last dim."""
        return (*shape[:-1], shape[-1] - 1)


class ComposeTransform(Transform):
    """Several transforms one after the other.

    Parameters
    ----------
    parts : sequence of Transform

    Examples
    --------
    >>> import autograd_nn as ag
    >>> import autograd_nn.distributions as D
    >>> both = D.ComposeTransform([D.AffineTransform(0.0, 2.0), D.ExpTransform()])
    >>> both(ag.tensor([0.0, 1.0]))
    tensor([1.    , 7.3891])
    """

    def __init__(self, parts: Sequence[Transform], cache_size: int = 0):
        super().__init__(cache_size)
        self.parts = list(parts)
        self.bijective = all(part.bijective for part in self.parts)
        self.domain = self.parts[0].domain if self.parts else constraints.real
        self.codomain = self.parts[-1].codomain if self.parts else constraints.real

    @property
    def sign(self) -> Any:
        """The product of the signs."""
        out: Any = 1
        for part in self.parts:
            out = out * part.sign
        return out

    def _call(self, x: Tensor) -> Tensor:
        for part in self.parts:
            x = part(x)
        return x

    def _inverse(self, y: Tensor) -> Tensor:
        for part in reversed(self.parts):
            y = part._inv_call(y)
        return y

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        """Return the sum over the parts."""
        dims = max([0, *(max(part.domain.event_dim, part.codomain.event_dim) for part in self.parts)])
        total: Any = 0
        for part in self.parts:
            z = part(x)
            term = part.log_abs_det_jacobian(x, z)
            total = total + summed(term, dims - max(part.domain.event_dim, part.codomain.event_dim))
            x = z
        return total if self.parts else x.detach() * 0

    def forward_shape(self, shape: Any) -> tuple[int, ...]:
        """Return the shape after all parts."""
        for part in self.parts:
            shape = part.forward_shape(shape)
        return tuple(shape)

    def inverse_shape(self, shape: Any) -> tuple[int, ...]:
        """Return the shape before all parts."""
        for part in reversed(self.parts):
            shape = part.inverse_shape(shape)
        return tuple(shape)


class IndependentTransform(Transform):
    """A transform whose last dims are counted as one value.

    Parameters
    ----------
    base_transform : Transform
    reinterpreted_batch_ndims : int

    Examples
    --------
    >>> import autograd_nn as ag
    >>> import autograd_nn.distributions as D
    >>> rows = D.IndependentTransform(D.ExpTransform(), 1)
    >>> x = ag.zeros(2, 3)
    >>> rows.log_abs_det_jacobian(x, rows(x)).shape
    (2,)
    """

    def __init__(self, base_transform: Transform, reinterpreted_batch_ndims: int, cache_size: int = 0):
        super().__init__(cache_size)
        self.base_transform, self.reinterpreted_batch_ndims = base_transform, reinterpreted_batch_ndims
        self.domain = constraints.independent(base_transform.domain, reinterpreted_batch_ndims)
        self.codomain = constraints.independent(base_transform.codomain, reinterpreted_batch_ndims)
        self.bijective = base_transform.bijective

    def _call(self, x: Tensor) -> Tensor:
        return self.base_transform(x)

    def _inverse(self, y: Tensor) -> Tensor:
        return self.base_transform._inv_call(y)

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        """Return the sum over the last dims."""
        return summed(self.base_transform.log_abs_det_jacobian(x, y), self.reinterpreted_batch_ndims)


def summed(x: Tensor, dims: int) -> Tensor:
    """Return the sum over so many of the last dims."""
    return x.flatten(-dims).sum(-1) if dims > 0 else x


identity_transform = ComposeTransform([])
