"""Lazy layers: the sizes of the input are read off the first input, when the layer becomes the ordinary one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from ..tensor import Tensor
from ..typing import DeviceLike, DTypeLike, PaddingMode, SameOrValid, ShapeLike
from .convolution import Conv1d, Conv2d, Conv3d, ConvTranspose1d, ConvTranspose2d, ConvTranspose3d, _ConvNd
from .linear import Linear
from .module import Module
from .normalization import (
    BatchNorm1d,
    BatchNorm2d,
    BatchNorm3d,
    InstanceNorm1d,
    InstanceNorm2d,
    InstanceNorm3d,
    _RunningNorm,
)
from .parameter import Parameter, Uninitialized, UninitializedBuffer, UninitializedParameter

__all__ = [
    "LazyBatchNorm1d", "LazyBatchNorm2d", "LazyBatchNorm3d", "LazyConv1d", "LazyConv2d", "LazyConv3d",
    "LazyConvTranspose1d", "LazyConvTranspose2d", "LazyConvTranspose3d", "LazyInstanceNorm1d", "LazyInstanceNorm2d",
    "LazyInstanceNorm3d", "LazyLinear",
]  # fmt: skip


class LazyModuleMixin(Module):
    """What lazy modules share: before the first call the shapes are set, and the class becomes `cls_to_become`.

    A subclass defines ``initialize_parameters(*args, **kwargs)``, which gets what the module is called with.
    """

    cls_to_become: ClassVar[type[Module] | None] = None

    def _be_lazy(self) -> None:
        """Take all parameters and running statistics away until the first call."""
        for name, value in list(self.__dict__.items()):
            if isinstance(value, Parameter):
                self.__dict__[name] = UninitializedParameter(value.requires_grad, dtype=value.dtype)
            elif name in self._persistent and isinstance(value, Tensor) and value.ndim:
                self.__dict__[name] = UninitializedBuffer(dtype=value.dtype)
        self.__dict__["_first_call"] = self.register_forward_pre_hook(_set_shapes, with_kwargs=True)

    def has_uninitialized_params(self) -> bool:
        """Return whether the first call is still to come."""
        return any(isinstance(value, Uninitialized) for value in self.__dict__.values())

    def initialize_parameters(self, *args: Any, **kwargs: Any) -> None:
        """Set the shapes by an input; every subclass defines this."""
        raise NotImplementedError(f"{type(self).__name__}.initialize_parameters() is not defined")

    def _become_ordinary(self) -> None:
        self.__dict__.pop("_first_call").remove()
        if self.cls_to_become is not None:
            self.__class__ = self.cls_to_become  # type: ignore[assignment]

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, local_metadata: dict[str, Any],
                              strict: bool, missing_keys: list[str], unexpected_keys: list[str],
                              error_msgs: list[str]) -> None:
        waiting = {}
        for name, value in self.__dict__.items():
            if not isinstance(value, Uninitialized):
                continue
            given = state_dict.get(prefix + name)
            if given is not None and not isinstance(given, Uninitialized):
                value.materialize(tuple(given.shape))
                continue
            waiting[name] = value
            if given is None:
                missing_keys.append(prefix + name)
            else:
                del state_dict[prefix + name]  # it is as lazy in the state
        self.__dict__.update(dict.fromkeys(waiting))
        super()._load_from_state_dict(state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys,
                                      error_msgs)
        self.__dict__.update(waiting)


def _set_shapes(module: LazyModuleMixin, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """Give a lazy module its shapes before its first call."""
    module.initialize_parameters(*args, **kwargs)
    if module.has_uninitialized_params():
        raise RuntimeError(f"{type(module).__name__}: initialize_parameters() left a parameter without a shape")
    module._become_ordinary()


class LazyLinear(LazyModuleMixin, Linear):
    """`Linear` whose `in_features` is the last size of its first input.

    Parameters
    ----------
    out_features : int
    bias : bool
    device, dtype : optional

    Examples
    --------
    >>> from autograd_nn import nn, ones
    >>> layer = nn.LazyLinear(3)
    >>> layer(ones(2, 5)).shape, layer
    ((2, 3), Linear(in_features=5, out_features=3, bias=True))
    """

    cls_to_become = Linear

    def __init__(self, out_features: int, bias: bool = True, device: DeviceLike = None,
                 dtype: DTypeLike | None = None):
        super().__init__(1, out_features, bias, device, dtype)
        self.in_features = 0
        self._be_lazy()

    def initialize_parameters(self, input: Tensor) -> None:
        """Set the shapes by the input."""
        if self.has_uninitialized_params():
            if not input.ndim:
                raise RuntimeError(f"LazyLinear: expects at least one dim (input.shape={tuple(input.shape)})")
            self.in_features = input.array.shape[-1]
            _materialize(self.weight, (self.out_features, self.in_features))
            _materialize(self.bias, (self.out_features,))
            self.reset_parameters()
        elif self.in_features == 0:  # it was loaded
            self.in_features = self.weight.array.shape[-1]


def _materialize(value: Tensor | None, shape: tuple[int, ...]) -> None:
    if isinstance(value, Uninitialized):
        value.materialize(shape)


class _LazyConv(LazyModuleMixin, _ConvNd):
    """What lazy convolutions share."""

    _dims: int
    _transposed: bool

    def initialize_parameters(self: Any, input: Tensor, *args: Any) -> None:
        """Set the shapes by the input."""
        if input.ndim not in (self._dims + 1, self._dims + 2):
            raise RuntimeError(f"{type(self).__name__}: expects {self._dims + 1} or {self._dims + 2} dims "
                               f"(input.shape={tuple(input.shape)})")
        if self.has_uninitialized_params():
            self.in_channels = input.array.shape[-self._dims - 1]
            if self.in_channels % self.groups:
                raise ValueError(f"{type(self).__name__}: groups must divide in_channels (groups={self.groups}, "
                                 f"in_channels={self.in_channels})")
            sizes = (self.in_channels, self.out_channels) if self._transposed else (self.out_channels, self.in_channels)
            _materialize(self.weight, (sizes[0], sizes[1] // self.groups, *self.kernel_size))
            _materialize(self.bias, (self.out_channels,))
            self.reset_parameters()
        elif self.in_channels == 0:
            self.in_channels = self.weight.shape[0] if self._transposed else self.weight.shape[1] * self.groups


def _lazy_conv(ordinary: type[Any]) -> Callable[..., None]:
    def init(self: Any, out_channels: int, kernel_size: ShapeLike, stride: ShapeLike = 1,
                 padding: ShapeLike | SameOrValid = 0, dilation: ShapeLike = 1, groups: int = 1, bias: bool = True,
                 padding_mode: PaddingMode = "zeros", device: DeviceLike = None, dtype: DTypeLike | None = None
                 ) -> None:
        ordinary.__init__(self, groups, out_channels, kernel_size, stride, padding, dilation, groups, bias,
                          padding_mode, device, dtype)
        self.in_channels = 0
        self._be_lazy()

    return init


def _lazy_conv_transpose(ordinary: type[Any]) -> Callable[..., None]:
    def init(self: Any, out_channels: int, kernel_size: ShapeLike, stride: ShapeLike = 1, padding: ShapeLike = 0,
                 output_padding: ShapeLike = 0, groups: int = 1, bias: bool = True, dilation: ShapeLike = 1,
                 padding_mode: PaddingMode = "zeros", device: DeviceLike = None, dtype: DTypeLike | None = None
                 ) -> None:
        ordinary.__init__(self, groups, out_channels, kernel_size, stride, padding, output_padding, groups, bias,
                          dilation, padding_mode, device, dtype)
        self.in_channels = 0
        self._be_lazy()

    return init


class LazyConv1d(_LazyConv, Conv1d):
    """`Conv1d` whose `in_channels` is that of its first input; the other settings are those of `Conv1d`.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn import nn
    >>> nn.LazyConv1d(4, 3)(ag.zeros(2, 5, 9)).shape
    (2, 4, 7)
    """

    cls_to_become = Conv1d
    __init__ = _lazy_conv(Conv1d)


class LazyConv2d(_LazyConv, Conv2d):
    """`Conv2d` whose `in_channels` is that of its first input; the other settings are those of `Conv2d`.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn import nn
    >>> layer = nn.LazyConv2d(4, kernel_size=3)
    >>> layer(ag.zeros(2, 5, 9, 9)).shape, layer.in_channels
    ((2, 4, 7, 7), 5)
    """

    cls_to_become = Conv2d
    __init__ = _lazy_conv(Conv2d)


class LazyConv3d(_LazyConv, Conv3d):
    """`Conv3d` whose `in_channels` is that of its first input; the other settings are those of `Conv3d`.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn import nn
    >>> nn.LazyConv3d(4, 3)(ag.zeros(2, 5, 4, 4, 4)).shape
    (2, 4, 2, 2, 2)
    """

    cls_to_become = Conv3d
    __init__ = _lazy_conv(Conv3d)


class LazyConvTranspose1d(_LazyConv, ConvTranspose1d):
    """`ConvTranspose1d` whose `in_channels` is that of its first input; else as `ConvTranspose1d`.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn import nn
    >>> nn.LazyConvTranspose1d(4, 2)(ag.zeros(2, 5, 9)).shape
    (2, 4, 10)
    """

    cls_to_become = ConvTranspose1d
    __init__ = _lazy_conv_transpose(ConvTranspose1d)


class LazyConvTranspose2d(_LazyConv, ConvTranspose2d):
    """`ConvTranspose2d` whose `in_channels` is that of its first input; else as `ConvTranspose2d`.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn import nn
    >>> nn.LazyConvTranspose2d(4, 2)(ag.zeros(2, 5, 9, 9)).shape
    (2, 4, 10, 10)
    """

    cls_to_become = ConvTranspose2d
    __init__ = _lazy_conv_transpose(ConvTranspose2d)


class LazyConvTranspose3d(_LazyConv, ConvTranspose3d):
    """`ConvTranspose3d` whose `in_channels` is that of its first input; else as `ConvTranspose3d`.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn import nn
    >>> nn.LazyConvTranspose3d(4, 2)(ag.zeros(2, 5, 3, 3, 3)).shape
    (2, 4, 4, 4, 4)
    """

    cls_to_become = ConvTranspose3d
    __init__ = _lazy_conv_transpose(ConvTranspose3d)


class _LazyNorm(LazyModuleMixin, _RunningNorm):
    """What lazy batch and instance normalization share."""

    def __init__(self, eps: float = 1e-5, momentum: float | None = 0.1, affine: bool = True,
                 track_running_stats: bool = True, device: DeviceLike = None, dtype: DTypeLike | None = None, *,
                 bias: bool = True):
        ordinary: Any = self.cls_to_become
        ordinary.__init__(self, 1, eps, momentum, affine, track_running_stats, device, dtype, bias=bias)
        self.num_features = 0
        self._be_lazy()

    def initialize_parameters(self, input: Tensor) -> None:
        """Set the shapes by the input."""
        self._check(input)
        if self.has_uninitialized_params():
            channel = 1 if not isinstance(self, InstanceNorm1d | InstanceNorm2d | InstanceNorm3d) or (
                input.ndim == max(self._dims)) else 0
            self.num_features = input.array.shape[channel]
            for value in (self.weight, self.bias, self.running_mean, self.running_var):
                _materialize(value, (self.num_features,))
            self.reset_parameters()
        elif self.num_features == 0:
            known = self.weight if self.weight is not None else self.running_mean
            self.num_features = input.array.shape[1] if known is None else known.shape[0]


class LazyBatchNorm1d(_LazyNorm, BatchNorm1d):
    """`BatchNorm1d` whose `num_features` is the number of channels of its first input.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn import nn
    >>> nn.LazyBatchNorm1d()(ag.zeros(4, 7)).shape
    (4, 7)
    """

    cls_to_become = BatchNorm1d


class LazyBatchNorm2d(_LazyNorm, BatchNorm2d):
    """`BatchNorm2d` whose `num_features` is the number of channels of its first input.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn import nn
    >>> layer = nn.LazyBatchNorm2d()
    >>> layer(ag.zeros(4, 7, 2, 2)).shape, layer.num_features
    ((4, 7, 2, 2), 7)
    """

    cls_to_become = BatchNorm2d


class LazyBatchNorm3d(_LazyNorm, BatchNorm3d):
    """`BatchNorm3d` whose `num_features` is the number of channels of its first input.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn import nn
    >>> nn.LazyBatchNorm3d()(ag.zeros(4, 7, 2, 2, 2)).shape
    (4, 7, 2, 2, 2)
    """

    cls_to_become = BatchNorm3d


class LazyInstanceNorm1d(_LazyNorm, InstanceNorm1d):
    """`InstanceNorm1d` whose `num_features` is the number of channels of its first input.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn import nn
    >>> nn.LazyInstanceNorm1d()(ag.zeros(4, 7, 3)).shape
    (4, 7, 3)
    """

    cls_to_become = InstanceNorm1d


class LazyInstanceNorm2d(_LazyNorm, InstanceNorm2d):
    """`InstanceNorm2d` whose `num_features` is the number of channels of its first input.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn import nn
    >>> nn.LazyInstanceNorm2d()(ag.zeros(4, 7, 3, 3)).shape
    (4, 7, 3, 3)
    """

    cls_to_become = InstanceNorm2d


class LazyInstanceNorm3d(_LazyNorm, InstanceNorm3d):
    """`InstanceNorm3d` whose `num_features` is the number of channels of its first input.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn import nn
    >>> nn.LazyInstanceNorm3d()(ag.zeros(4, 7, 3, 3, 3)).shape
    (4, 7, 3, 3, 3)
    """

    cls_to_become = InstanceNorm3d
