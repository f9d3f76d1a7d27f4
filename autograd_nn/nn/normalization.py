"""Normalization layers."""

from __future__ import annotations

import numpy as np

from ..ops.conv import channels_hint
from ..tensor import Tensor
from ..typing import DeviceLike, DTypeLike, Shape, ShapeLike
from . import functional as F
from . import init
from .module import Module, note_training
from .parameter import Parameter, empty_parameter

__all__ = [
    "BatchNorm1d",
    "BatchNorm2d",
    "BatchNorm3d",
    "GroupNorm",
    "InstanceNorm1d",
    "InstanceNorm2d",
    "InstanceNorm3d",
    "LayerNorm",
    "LocalResponseNorm",
    "RMSNorm",
]


class _RunningNorm(Module):
    """What batch and instance normalization share: scale, shift and running statistics of each channel."""

    _dims: tuple[int, ...]
    weight: Parameter | None
    bias: Parameter | None
    running_mean: Tensor | None
    running_var: Tensor | None
    num_batches_tracked: Tensor | None

    def __init__(
        self,
        num_features: int,
        eps: float,
        momentum: float | None,
        affine: bool,
        track_running_stats: bool,
        device: DeviceLike,
        dtype: DTypeLike | None,
        bias: bool,
    ):
        super().__init__()
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.affine, self.track_running_stats = affine, track_running_stats
        shape = (num_features,)
        self.register_parameter("weight", empty_parameter(shape, dtype, device) if affine else None)
        self.register_parameter("bias", empty_parameter(shape, dtype, device) if affine and bias else None)
        running = [empty_parameter(shape, dtype, device).detach() if track_running_stats else None for _ in range(2)]
        self.register_buffer("running_mean", running[0])
        self.register_buffer("running_var", running[1])
        self.register_buffer("num_batches_tracked", Tensor(np.array(0)) if track_running_stats else None)
        self.reset_parameters()

    def reset_running_stats(self) -> None:
        """Set the running mean to 0, the running variance to 1 and the count of batches to 0."""
        for buffer, first in ((self.running_mean, 0), (self.running_var, 1), (self.num_batches_tracked, 0)):
            if buffer is not None:
                init.constant_(buffer, first)

    def reset_parameters(self) -> None:
        """Set the scale to 1, the shift to 0, and the running statistics back."""
        self.reset_running_stats()
        if self.weight is not None:
            init.ones_(self.weight)
        if self.bias is not None:
            init.zeros_(self.bias)

    def _check(self, input: Tensor) -> None:
        if input.ndim not in self._dims:
            expected = " or ".join(str(n) for n in self._dims)
            hint = "; use input.unsqueeze(1)" if self.num_features == 1 and input.ndim == self._dims[-1] - 1 else ""
            raise ValueError(f"{self._get_name()}: expects {expected} dims (input.shape={input.shape}){hint}")

    def extra_repr(self) -> str:
        """Return the settings."""
        return (f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.affine}, "
                f"bias={self.bias is not None}, track_running_stats={self.track_running_stats}")


class _BatchNorm(_RunningNorm):
    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: DeviceLike = None,
        dtype: DTypeLike | None = None,
        *,
        bias: bool = True,
    ):
        super().__init__(num_features, eps, momentum, affine, track_running_stats, device, dtype, bias)

    def forward(self, input: Tensor) -> Tensor:
        """Normalize each channel (dim 1) over all other dims."""
        self._check(input)
        if input.shape[1] != self.num_features:
            raise RuntimeError(f"{self._get_name()}: input has {input.shape[1]} channels but num_features is "
                               f"{self.num_features} (input.shape={input.shape})"
                               f"{channels_hint(input.shape, input.ndim - 2, self.num_features)}")
        note_training(self)
        tracking = self.training and self.track_running_stats
        if tracking and self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)
        momentum = self.momentum
        if momentum is None:
            momentum = 1 / self.num_batches_tracked.item() if tracking and self.num_batches_tracked is not None else 0.0
        return F.batch_norm(
            input,
            self.running_mean if tracking or not self.training else None,
            self.running_var if tracking or not self.training else None,
            self.weight,
            self.bias,
            self.training or self.running_mean is None,
            momentum,
            self.eps,
        )


class BatchNorm1d(_BatchNorm):
    """Normalize each feature of (N, C) or channel of (N, C, L) over the batch.

    In training the statistics are those of the batch, and the running ones move towards them; after `eval` the
    running ones are used.

    Parameters
    ----------
    num_features : int
        C.
    eps : float
        Added to the variance.
    momentum : float or None
        The weight of a new batch in the running statistics; None for their plain mean over all batches.
    affine : bool
        Learn a scale and a shift of each channel.
    track_running_stats : bool
        Keep running statistics; without them, those of the batch are always used.
    device, dtype : optional
    bias : bool
        Whether there is a shift.

    Attributes
    ----------
    weight, bias : Parameter of shape (C,) or None
    running_mean, running_var : Tensor of shape (C,) or None
        The variance is the unbiased one.
    num_batches_tracked : Tensor or None

    References
    ----------
    S. Ioffe and C. Szegedy, 2015, arXiv:1502.03167.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn import nn
    >>> y = nn.BatchNorm1d(2)(ag.tensor([[1.0, 10.0], [3.0, 30.0]]))
    >>> y.detach().round(decimals=3)
    tensor([[-1., -1.],
            [ 1.,  1.]])
    """

    _dims = (2, 3)


class BatchNorm2d(_BatchNorm):
    """Normalize each channel of (N, C, H, W) over batch and pixels; see `BatchNorm1d`.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn import nn
    >>> layer = nn.BatchNorm2d(3)
    >>> y = layer(ag.ones(4, 3, 5, 5) * 2)
    >>> layer.running_mean
    tensor([0.2, 0.2, 0.2])
    """

    _dims = (4,)


class BatchNorm3d(_BatchNorm):
    """Normalize each channel of (N, C, D, H, W); see `BatchNorm1d`.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn import nn
    >>> nn.BatchNorm3d(2)(ag.zeros(4, 2, 3, 3, 3)).shape
    (4, 2, 3, 3, 3)
    """

    _dims = (5,)


class _InstanceNorm(_RunningNorm):
    momentum: float

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float = 0.1,
        affine: bool = False,
        track_running_stats: bool = False,
        device: DeviceLike = None,
        dtype: DTypeLike | None = None,
        *,
        bias: bool = True,
    ):
        super().__init__(num_features, eps, momentum, affine, track_running_stats, device, dtype, bias)

    def forward(self, input: Tensor) -> Tensor:
        """Normalize each channel of each example over its positions."""
        self._check(input)
        if input.ndim == self._dims[0]:
            return self.forward(input.unsqueeze(0)).squeeze(0)
        if input.shape[1] != self.num_features:
            raise RuntimeError(f"{self._get_name()}: input has {input.shape[1]} channels but num_features is "
                               f"{self.num_features} (input.shape={input.shape})"
                               f"{channels_hint(input.shape, input.ndim - 2, self.num_features)}")
        return F.instance_norm(input, self.running_mean, self.running_var, self.weight, self.bias,
                               self.training or not self.track_running_stats, self.momentum, self.eps)


class InstanceNorm1d(_InstanceNorm):
    """Normalize each channel of each example of (N, C, L) or (C, L) over its positions.

    Parameters
    ----------
    num_features : int
        C.
    eps, momentum : float
        As for `BatchNorm1d`.
    affine, track_running_stats : bool
        As for `BatchNorm1d`, but off by default.
    device, dtype : optional
    bias : bool
        As for `BatchNorm1d`.

    References
    ----------
    D. Ulyanov, A. Vedaldi and V. Lempitsky, 2016, arXiv:1607.08022.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn import nn
    >>> nn.InstanceNorm1d(1)(ag.tensor([[[1.0, 3.0]], [[10.0, 30.0]]])).flatten().round(decimals=3)
    tensor([-1.,  1., -1.,  1.])
    """

    _dims = (2, 3)


class InstanceNorm2d(_InstanceNorm):
    """Normalize each channel of each image of (N, C, H, W) or (C, H, W); see `InstanceNorm1d`.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn import nn
    >>> y = nn.InstanceNorm2d(3)(ag.rand(4, 3, 8, 8))
    >>> y.mean((2, 3)).abs().max().item() < 1e-5
    True
    """

    _dims = (3, 4)


class InstanceNorm3d(_InstanceNorm):
    """Normalize each channel of each example of (N, C, D, H, W) or (C, D, H, W); see `InstanceNorm1d`.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn import nn
    >>> nn.InstanceNorm3d(2)(ag.rand(1, 2, 4, 4, 4)).shape
    (1, 2, 4, 4, 4)
    """

    _dims = (4, 5)


def _shape(normalized_shape: ShapeLike) -> Shape:
    return (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)


class LayerNorm(Module):
    """Normalize over the last dims, ``(x - mean) / sqrt(var + eps) * weight + bias``.

    Parameters
    ----------
    normalized_shape : int or sequence of int
        The sizes of those dims.
    eps : float
    elementwise_affine : bool
        Learn weight (first 1) and bias (first 0), of that shape.
    bias : bool
        Whether there is a bias.
    device, dtype : optional

    References
    ----------
    J. Ba, J. Kiros and G. Hinton, 2016, arXiv:1607.06450.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn import nn
    >>> nn.LayerNorm(3)(ag.tensor([[1.0, 2.0, 3.0], [10.0, 20.0, 30.0]])).detach().round(decimals=3)
    tensor([[-1.225,  0.   ,  1.225],
            [-1.225,  0.   ,  1.225]])
    """

    weight: Parameter | None
    bias: Parameter | None

    def __init__(
        self,
        normalized_shape: ShapeLike,
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        device: DeviceLike = None,
        dtype: DTypeLike | None = None,
    ):
        super().__init__()
        self.normalized_shape, self.eps = _shape(normalized_shape), eps
        self.elementwise_affine = elementwise_affine
        shape = self.normalized_shape
        self.register_parameter("weight", empty_parameter(shape, dtype, device) if elementwise_affine else None)
        self.register_parameter("bias", empty_parameter(shape, dtype, device) if elementwise_affine and bias else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Set the weight to 1 and the bias to 0."""
        if self.weight is not None:
            init.ones_(self.weight)
        if self.bias is not None:
            init.zeros_(self.bias)

    def forward(self, input: Tensor) -> Tensor:
        """Normalize the last dims."""
        return F.layer_norm(input, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        """Return the settings."""
        return (f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}, "
                f"bias={self.bias is not None}")


class RMSNorm(Module):
    """Divide by the root mean square over the last dims, ``x / sqrt(mean(x**2) + eps) * weight``.

    Parameters
    ----------
    normalized_shape : int or sequence of int
    eps : float, optional
        The machine epsilon of the dtype where it is not given.
    elementwise_affine : bool
        Learn the weight, first 1.
    device, dtype : optional

    References
    ----------
    B. Zhang and R. Sennrich, 2019, arXiv:1910.07467.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn import nn
    >>> nn.RMSNorm(2)(ag.tensor([[3.0, 4.0]])).detach().round(decimals=3)
    tensor([[0.849, 1.131]])
    """

    weight: Parameter | None

    def __init__(
        self,
        normalized_shape: ShapeLike,
        eps: float | None = None,
        elementwise_affine: bool = True,
        device: DeviceLike = None,
        dtype: DTypeLike | None = None,
    ):
        super().__init__()
        self.normalized_shape, self.eps = _shape(normalized_shape), eps
        self.elementwise_affine = elementwise_affine
        shape = self.normalized_shape
        self.register_parameter("weight", empty_parameter(shape, dtype, device) if elementwise_affine else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Set the weight to 1."""
        if self.weight is not None:
            init.ones_(self.weight)

    def forward(self, input: Tensor) -> Tensor:
        """Normalize the last dims."""
        return F.rms_norm(input, self.normalized_shape, self.weight, self.eps)

    def extra_repr(self) -> str:
        """Return the settings."""
        return f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}"


class GroupNorm(Module):
    """Normalize groups of channels of each example, then scale and shift each channel.

    Parameters
    ----------
    num_groups, num_channels : int
    eps : float
    affine : bool
        Learn the scale (first 1) and the shift (first 0).
    device, dtype : optional
    bias : bool
        Whether there is a shift.

    References
    ----------
    Y. Wu and K. He, 2018, arXiv:1803.08494.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn import nn
    >>> nn.GroupNorm(num_groups=2, num_channels=6)(ag.rand(4, 6, 8, 8)).shape
    (4, 6, 8, 8)
    """

    weight: Parameter | None
    bias: Parameter | None

    def __init__(
        self,
        num_groups: int,
        num_channels: int,
        eps: float = 1e-5,
        affine: bool = True,
        device: DeviceLike = None,
        dtype: DTypeLike | None = None,
        *,
        bias: bool = True,
    ):
        super().__init__()
        if num_groups < 1 or num_channels % num_groups:
            raise ValueError(f"GroupNorm: num_groups must divide num_channels (num_groups={num_groups}, "
                             f"num_channels={num_channels})")
        self.num_groups, self.num_channels, self.eps, self.affine = num_groups, num_channels, eps, affine
        self.register_parameter("weight", empty_parameter((num_channels,), dtype, device) if affine else None)
        self.register_parameter("bias", empty_parameter((num_channels,), dtype, device) if affine and bias else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Set the scale to 1 and the shift to 0."""
        if self.weight is not None:
            init.ones_(self.weight)
        if self.bias is not None:
            init.zeros_(self.bias)

    def forward(self, input: Tensor) -> Tensor:
        """Normalize (N, C, ...)."""
        return F.group_norm(input, self.num_groups, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        """Return the settings."""
        return (f"{self.num_groups}, {self.num_channels}, eps={self.eps}, affine={self.affine}, "
                f"bias={self.bias is not None}")


class LocalResponseNorm(Module):
    """Divide each channel by a power of the mean square of its neighbours; see `functional.local_response_norm`.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn import nn
    >>> nn.LocalResponseNorm(size=2)(ag.ones(1, 4, 2, 2)).shape
    (1, 4, 2, 2)
    """

    def __init__(self, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0):
        super().__init__()
        self.size, self.alpha, self.beta, self.k = size, alpha, beta, k

    def forward(self, input: Tensor) -> Tensor:
        """Normalize (N, C, ...)."""
        return F.local_response_norm(input, self.size, self.alpha, self.beta, self.k)

    def extra_repr(self) -> str:
        """Return the settings."""
        return f"{self.size}, alpha={self.alpha}, beta={self.beta}, k={self.k}"
