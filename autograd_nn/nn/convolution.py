"""Convolution layers."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from ..ops.conv import conv2d_relu
from ..tensor import Tensor
from ..typing import DeviceLike, DTypeLike, PaddingMode, SameOrValid, Shape, ShapeLike, Size1d, Size2d
from . import functional as F
from . import init
from .module import Module
from .parameter import Parameter, empty_parameter

__all__ = ["Conv1d", "Conv2d", "Conv3d", "ConvTranspose1d", "ConvTranspose2d", "ConvTranspose3d"]


def _sizes(value: ShapeLike, count: int, name: str, layer: str) -> Shape:
    """Return a setting given as one int or as one per spatial dim as a tuple."""
    values = tuple(value) if isinstance(value, Sequence) else (value,) * count
    if len(values) != count or not all(isinstance(v, int) for v in values):
        expected = "an int" if count == 1 else f"an int or {count} of them"
        raise ValueError(f"{layer}: {name} must be {expected} ({name}={value!r})")
    return values


class _ConvNd(Module):
    """All convolutions and transposed ones, under PyTorch's name."""


class _Conv(_ConvNd):
    """What convolutions share: settings, parameters and their initial values."""

    _dims: int
    _transposed = False
    kernel_size: Shape
    stride: Shape
    padding: Shape | str
    dilation: Shape
    weight: Parameter
    bias: Parameter | None

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: ShapeLike,
        stride: ShapeLike,
        padding: ShapeLike | SameOrValid,
        dilation: ShapeLike,
        groups: int,
        bias: bool,
        padding_mode: PaddingMode,
        device: DeviceLike,
        dtype: DTypeLike | None,
    ):
        super().__init__()
        layer = self._get_name()
        if groups < 1 or in_channels % groups or out_channels % groups:
            raise ValueError(f"{layer}: groups must divide in_channels and out_channels (groups={groups}, "
                             f"in_channels={in_channels}, out_channels={out_channels})")
        self.in_channels, self.out_channels, self.groups = in_channels, out_channels, groups
        self.kernel_size = _sizes(kernel_size, self._dims, "kernel_size", layer)
        self.stride = _sizes(stride, self._dims, "stride", layer)
        self.padding = padding if isinstance(padding, str) else _sizes(padding, self._dims, "padding", layer)
        self.dilation = _sizes(dilation, self._dims, "dilation", layer)
        modes = ("zeros",) if self._transposed else ("zeros", "reflect", "replicate", "circular")
        if padding_mode not in modes:
            raise ValueError(f"{layer}: padding_mode must be one of {', '.join(modes)} (padding_mode={padding_mode!r})")
        self.padding_mode = padding_mode
        if isinstance(padding, str):
            if padding not in ("same", "valid") or self._transposed:
                named = "" if self._transposed else "'same', 'valid' or "
                raise ValueError(f"{layer}: padding must be {named}numbers (padding={padding!r})")
            if padding == "same" and any(s != 1 for s in self.stride):
                raise ValueError(f"{layer}: padding='same' is defined for stride 1 only (stride={self.stride})")
        first, second = (in_channels, out_channels) if self._transposed else (out_channels, in_channels)
        self.weight = empty_parameter((first, second // groups, *self.kernel_size), dtype, device)
        self.register_parameter("bias", empty_parameter((out_channels,), dtype, device) if bias else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw weight and bias anew."""
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            fan_in, _ = init.fans(self.weight)
            bound = 1 / math.sqrt(fan_in) if fan_in else 0.0
            init.uniform_(self.bias, -bound, bound)

    def _convolved(self, convolution: Callable[..., Tensor], input: Tensor) -> Tensor:
        if self.padding_mode == "zeros":
            return convolution(input, self.weight, self.bias, self.stride, self.padding, self.dilation, self.groups)
        return convolution(self._padded(input), self.weight, self.bias, self.stride, 0, self.dilation, self.groups)

    def _padded(self, input: Tensor) -> Tensor:
        """Return the input with the margins of `padding_mode` around it."""
        if isinstance(self.padding, str):
            totals = [d * (k - 1) if self.padding == "same" else 0 for k, d in zip(self.kernel_size, self.dilation)]
            margins = [(total // 2, total - total // 2) for total in totals]
        else:
            margins = [(p, p) for p in self.padding]
        return F.pad(input, tuple(n for margin in reversed(margins) for n in margin), self.padding_mode)

    def extra_repr(self) -> str:
        """Return the settings that are not the defaults."""
        parts = [f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}"]
        if isinstance(self.padding, str) or any(self.padding):
            parts.append(f"padding={self.padding!r}" if isinstance(self.padding, str) else f"padding={self.padding}")
        if any(d != 1 for d in self.dilation):
            parts.append(f"dilation={self.dilation}")
        output_padding = getattr(self, "output_padding", ())
        if any(output_padding):
            parts.append(f"output_padding={output_padding}")
        if self.groups != 1:
            parts.append(f"groups={self.groups}")
        if self.bias is None:
            parts.append("bias=False")
        if self.padding_mode != "zeros":
            parts.append(f"padding_mode={self.padding_mode}")
        return ", ".join(parts)


class Conv1d(_Conv):
    """Convolution of sequences (N, C_in, L) or (C_in, L).

    Parameters
    ----------
    in_channels, out_channels, kernel_size, stride, dilation, groups : int
    padding : int, 'valid' or 'same'
    bias : bool
    padding_mode : {'zeros', 'reflect', 'replicate', 'circular'}
        What is put at the ends.
    device, dtype : optional

    Attributes
    ----------
    weight : Parameter of shape (out_channels, in_channels / groups, k)
        Drawn from U(-b, b), ``b = 1 / sqrt(in_channels / groups * k)``; the bias too.
    bias : Parameter of shape (out_channels,) or None

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn import nn
    >>> nn.Conv1d(4, 8, kernel_size=3, padding=1)(ag.zeros(2, 4, 20)).shape
    (2, 8, 20)
    """

    _dims = 1
    padding: Shape | SameOrValid

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Size1d,
        stride: Size1d = 1,
        padding: Size1d | SameOrValid = 0,
        dilation: Size1d = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: PaddingMode = "zeros",
        device: DeviceLike = None,
        dtype: DTypeLike | None = None,
    ):
        super().__init__(in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias, padding_mode,
                         device, dtype)

    def forward(self, input: Tensor) -> Tensor:
        """Convolve the last dim."""
        return self._convolved(F.conv1d, input)


class Conv2d(_Conv):
    """Convolution of images (N, C_in, H, W) or (C_in, H, W).

    Parameters
    ----------
    in_channels, out_channels : int
    kernel_size, stride, dilation : int or (int, int)
    padding : int, (int, int), 'valid' or 'same'
    groups : int
        Output channels of group i see the input channels of group i only.
    bias : bool
    padding_mode : {'zeros', 'reflect', 'replicate', 'circular'}
        What is put around the images.
    device, dtype : optional

    Attributes
    ----------
    weight : Parameter of shape (out_channels, in_channels / groups, kH, kW)
        Drawn from U(-b, b), ``b = 1 / sqrt(in_channels / groups * kH * kW)``; the bias too.
    bias : Parameter of shape (out_channels,) or None

    See Also
    --------
    autograd_nn.ops.conv.conv2d : the formula, the shape of the result, errors.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn import nn
    >>> nn.Conv2d(3, 8, kernel_size=3, stride=2, padding=1)(ag.zeros(2, 3, 32, 32)).shape
    (2, 8, 16, 16)
    """

    _dims = 2
    padding: Shape | SameOrValid

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Size2d,
        stride: Size2d = 1,
        padding: Size2d | SameOrValid = 0,
        dilation: Size2d = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: PaddingMode = "zeros",
        device: DeviceLike = None,
        dtype: DTypeLike | None = None,
    ):
        super().__init__(in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias, padding_mode,
                         device, dtype)

    def forward(self, input: Tensor) -> Tensor:
        """Convolve the last two dims."""
        return self._convolved(F.conv2d, input)

    def forward_relu(self, input: Tensor) -> Tensor:
        """Return ``relu(forward(input))`` in one pass, for `Sequential`."""
        return self._convolved(conv2d_relu, input)


class Conv3d(_Conv):
    """Convolution of volumes (N, C_in, D, H, W) or (C_in, D, H, W); see `Conv2d`.

    Parameters
    ----------
    in_channels, out_channels : int
    kernel_size, stride, dilation : int or (int, int, int)
    padding : int, (int, int, int), 'valid' or 'same'
    groups : int
    bias : bool
    padding_mode : {'zeros', 'replicate', 'circular'}
        What is put around the volumes.
    device, dtype : optional

    Attributes
    ----------
    weight : Parameter of shape (out_channels, in_channels / groups, kD, kH, kW)
        Drawn from U(-b, b), ``b = 1 / sqrt(in_channels / groups * kD * kH * kW)``; the bias too.
    bias : Parameter of shape (out_channels,) or None

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn import nn
    >>> nn.Conv3d(1, 4, kernel_size=3)(ag.zeros(2, 1, 8, 8, 8)).shape
    (2, 4, 6, 6, 6)
    """

    _dims = 3
    padding: Shape | SameOrValid

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: ShapeLike,
        stride: ShapeLike = 1,
        padding: ShapeLike | SameOrValid = 0,
        dilation: ShapeLike = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: PaddingMode = "zeros",
        device: DeviceLike = None,
        dtype: DTypeLike | None = None,
    ):
        super().__init__(in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias, padding_mode,
                         device, dtype)

    def forward(self, input: Tensor) -> Tensor:
        """Convolve the last three dims."""
        return self._convolved(F.conv3d, input)


class _ConvTranspose(_Conv):
    """What transposed convolutions share: `output_padding`, and an output size that the caller may choose."""

    _transposed = True
    padding: Shape
    output_padding: Shape

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: ShapeLike,
        stride: ShapeLike = 1,
        padding: ShapeLike = 0,
        output_padding: ShapeLike = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: ShapeLike = 1,
        padding_mode: PaddingMode = "zeros",
        device: DeviceLike = None,
        dtype: DTypeLike | None = None,
    ):
        super().__init__(in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias, padding_mode,
                         device, dtype)
        self.output_padding = _sizes(output_padding, self._dims, "output_padding", self._get_name())

    def _output_padding(self, input: Tensor, output_size: Sequence[int] | None) -> Shape:
        """Return how much is to be added at the end of each dim so that the result has `output_size`."""
        if output_size is None:
            return self.output_padding
        wanted = tuple(output_size)[-self._dims :]
        least = [
            (n - 1) * s - 2 * p + d * (k - 1) + 1
            for n, s, p, d, k in zip(
                input.array.shape[-self._dims :], self.stride, self.padding, self.dilation, self.kernel_size
            )
        ]
        extra = tuple(size - low for size, low in zip(wanted, least))
        if len(wanted) != self._dims or any(not 0 <= e < s for e, s in zip(extra, self.stride)):
            most = [low + s - 1 for low, s in zip(least, self.stride)]
            raise ValueError(f"{self._get_name()}: output_size must be from {least} to {most} "
                             f"(output_size={tuple(output_size)}, input.shape={input.shape})")
        return extra


class ConvTranspose1d(_ConvTranspose):
    """Transposed convolution of sequences (N, C_in, L); see `ConvTranspose2d`.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn import nn
    >>> nn.ConvTranspose1d(4, 2, kernel_size=4, stride=2, padding=1)(ag.zeros(2, 4, 10)).shape
    (2, 2, 20)
    """

    _dims = 1

    def forward(self, input: Tensor, output_size: Sequence[int] | None = None) -> Tensor:
        """Convolve the last dim."""
        extra = self._output_padding(input, output_size)
        return F.conv_transpose1d(input, self.weight, self.bias, self.stride, self.padding, extra, self.groups,
                                  self.dilation)


class ConvTranspose2d(_ConvTranspose):
    """Transposed convolution of images (N, C_in, H, W): the gradient of `Conv2d` in its input.

    Parameters
    ----------
    in_channels, out_channels : int
    kernel_size, stride, padding, output_padding : int or (int, int)
        The result has size ``(H - 1) stride - 2 padding + dilation (k - 1) + output_padding + 1``.
    groups : int
    bias : bool
    dilation : int or (int, int)
    padding_mode : {'zeros'}
    device, dtype : optional

    Attributes
    ----------
    weight : Parameter of shape (in_channels, out_channels / groups, kH, kW)
        Drawn from U(-b, b), ``b = 1 / sqrt(out_channels / groups * kH * kW)``; the bias too.
    bias : Parameter of shape (out_channels,) or None

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn import nn
    >>> nn.ConvTranspose2d(8, 3, kernel_size=4, stride=2, padding=1)(ag.zeros(2, 8, 16, 16)).shape
    (2, 3, 32, 32)
    """

    _dims = 2

    def forward(self, input: Tensor, output_size: Sequence[int] | None = None) -> Tensor:
        """Convolve the last two dims; `output_size` chooses among the sizes that the stride leaves open."""
        extra = self._output_padding(input, output_size)
        return F.conv_transpose2d(input, self.weight, self.bias, self.stride, self.padding, extra, self.groups,
                                  self.dilation)


class ConvTranspose3d(_ConvTranspose):
    """Transposed convolution of volumes (N, C_in, D, H, W); see `ConvTranspose2d`.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn import nn
    >>> nn.ConvTranspose3d(4, 2, kernel_size=2, stride=2)(ag.zeros(1, 4, 5, 5, 5)).shape
    (1, 2, 10, 10, 10)
    """

    _dims = 3

    def forward(self, input: Tensor, output_size: Sequence[int] | None = None) -> Tensor:
        """Convolve the last three dims; `output_size` chooses among the sizes that the stride leaves open."""
        extra = self._output_padding(input, output_size)
        return F.conv_transpose3d(input, self.weight, self.bias, self.stride, self.padding, extra, self.groups,
                                  self.dilation)
