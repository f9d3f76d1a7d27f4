"""Layers that resample, rearrange or pad images."""

from __future__ import annotations

from collections.abc import Sequence

from ..tensor import Tensor
from ..typing import ShapeLike, Size2d
from . import functional as F
from .module import Module

__all__ = [
    "ChannelShuffle",
    "CircularPad1d",
    "CircularPad2d",
    "ConstantPad1d",
    "ConstantPad2d",
    "Fold",
    "PixelShuffle",
    "PixelUnshuffle",
    "ReflectionPad1d",
    "ReflectionPad2d",
    "ReplicationPad1d",
    "ReplicationPad2d",
    "Unfold",
    "Upsample",
    "UpsamplingBilinear2d",
    "UpsamplingNearest2d",
    "ZeroPad1d",
    "ZeroPad2d",
]


class Upsample(Module):
    """Resample (N, C, L) or (N, C, H, W) to another size.

    Parameters
    ----------
    size : int or tuple of int, optional
    scale_factor : float or tuple of float, optional
        One of `size` and `scale_factor` is given.
    mode : as of `functional.interpolate`
    align_corners : bool, optional
        Put the outermost samples at the outermost pixels' centres, not the pixels' edges on each other.
    recompute_scale_factor : bool, optional
        Take the scale from the new size, not from `scale_factor`.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn import nn
    >>> nn.Upsample(scale_factor=2)(ag.tensor([[[[1.0, 2.0]]]]))
    tensor([[[[1., 1., 2., 2.],
              [1., 1., 2., 2.]]]])
    """

    def __init__(
        self,
        size: ShapeLike | None = None,
        scale_factor: float | Sequence[float] | None = None,
        mode: str = "nearest",
        align_corners: bool | None = None,
        recompute_scale_factor: bool | None = None,
    ):
        super().__init__()
        self.size, self.scale_factor, self.mode, self.align_corners = size, scale_factor, mode, align_corners
        self.recompute_scale_factor = recompute_scale_factor

    def forward(self, input: Tensor) -> Tensor:
        """Resample the dims after the first two."""
        return F.interpolate(input, self.size, self.scale_factor, self.mode, self.align_corners,
                             self.recompute_scale_factor)

    def extra_repr(self) -> str:
        """Return the settings."""
        size = f"size={self.size}" if self.scale_factor is None else f"scale_factor={self.scale_factor}"
        return f"{size}, mode={self.mode!r}"


class UpsamplingNearest2d(Upsample):
    """`Upsample` with ``mode='nearest'``.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn import nn
    >>> nn.UpsamplingNearest2d(size=(1, 4))(ag.tensor([[[[1.0, 2.0]]]]))
    tensor([[[[1., 1., 2., 2.]]]])
    """

    def __init__(self, size: ShapeLike | None = None, scale_factor: float | Sequence[float] | None = None):
        super().__init__(size, scale_factor)


class UpsamplingBilinear2d(Upsample):
    """`Upsample` with ``mode='bilinear'`` and ``align_corners=True``.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn import nn
    >>> nn.UpsamplingBilinear2d(size=(1, 3))(ag.tensor([[[[1.0, 2.0]]]]))
    tensor([[[[1. , 1.5, 2. ]]]])
    """

    def __init__(self, size: ShapeLike | None = None, scale_factor: float | Sequence[float] | None = None):
        super().__init__(size, scale_factor, "bilinear", True)


class PixelShuffle(Module):
    """Rearrange (..., C r^2, H, W) to (..., C, H r, W r).

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn import nn
    >>> nn.PixelShuffle(2)(ag.arange(4.0).reshape(1, 4, 1, 1))
    tensor([[[[0., 1.],
              [2., 3.]]]])
    """

    def __init__(self, upscale_factor: int):
        super().__init__()
        self.upscale_factor = upscale_factor

    def forward(self, input: Tensor) -> Tensor:
        """Spread channels over pixels."""
        return F.pixel_shuffle(input, self.upscale_factor)

    def extra_repr(self) -> str:
        """Return the settings."""
        return f"upscale_factor={self.upscale_factor}"


class PixelUnshuffle(Module):
    """Rearrange (..., C, H r, W r) to (..., C r^2, H, W).

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn import nn
    >>> nn.PixelUnshuffle(2)(ag.zeros(1, 1, 4, 4)).shape
    (1, 4, 2, 2)
    """

    def __init__(self, downscale_factor: int):
        super().__init__()
        self.downscale_factor = downscale_factor

    def forward(self, input: Tensor) -> Tensor:
        """Gather pixels in channels."""
        return F.pixel_unshuffle(input, self.downscale_factor)

    def extra_repr(self) -> str:
        """Return the settings."""
        return f"downscale_factor={self.downscale_factor}"


class ChannelShuffle(Module):
    """Put the channels of equal place in each of some groups beside each other, (N, C, ...).

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn import nn
    >>> nn.ChannelShuffle(2)(ag.arange(4.0).reshape(1, 4, 1, 1)).flatten()
    tensor([0., 2., 1., 3.])
    """

    def __init__(self, groups: int):
        super().__init__()
        self.groups = groups

    def forward(self, input: Tensor) -> Tensor:
        """Rearrange the channels."""
        return F.channel_shuffle(input, self.groups)

    def extra_repr(self) -> str:
        """Return the settings."""
        return f"groups={self.groups}"


class Unfold(Module):
    """The sliding windows of (N, C, H, W) as columns (N, C kH kW, windows); see `ops.resize.unfold`.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn import nn
    >>> nn.Unfold(kernel_size=2)(ag.arange(9.0).reshape(1, 1, 3, 3))[0, :, 0]
    tensor([0., 1., 3., 4.])
    """

    def __init__(self, kernel_size: Size2d, dilation: Size2d = 1, padding: Size2d = 0, stride: Size2d = 1):
        super().__init__()
        self.kernel_size, self.dilation, self.padding, self.stride = kernel_size, dilation, padding, stride

    def forward(self, input: Tensor) -> Tensor:
        """Cut the windows out."""
        return F.unfold(input, self.kernel_size, self.dilation, self.padding, self.stride)

    def extra_repr(self) -> str:
        """Return the settings."""
        return (f"kernel_size={self.kernel_size}, dilation={self.dilation}, padding={self.padding}, "
                f"stride={self.stride}")


class Fold(Module):
    """Add up columns as sliding windows of an image: the adjoint of `Unfold`.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn import nn
    >>> nn.Fold(output_size=(3, 3), kernel_size=2)(ag.ones(1, 4, 4))[0, 0]
    tensor([[1., 2., 1.],
            [2., 4., 2.],
            [1., 2., 1.]])
    """

    def __init__(
        self, output_size: Size2d, kernel_size: Size2d, dilation: Size2d = 1, padding: Size2d = 0, stride: Size2d = 1
    ):
        super().__init__()
        self.output_size, self.kernel_size = output_size, kernel_size
        self.dilation, self.padding, self.stride = dilation, padding, stride

    def forward(self, input: Tensor) -> Tensor:
        """Add the windows up."""
        return F.fold(input, self.output_size, self.kernel_size, self.dilation, self.padding, self.stride)

    def extra_repr(self) -> str:
        """Return the settings."""
        return (f"output_size={self.output_size}, kernel_size={self.kernel_size}, dilation={self.dilation}, "
                f"padding={self.padding}, stride={self.stride}")


class _Pad(Module):
    """Put margins around the last dims: an int for all sides, or (left, right), (left, right, top, bottom)."""

    _dims: int
    _mode: str

    def __init__(self, padding: ShapeLike):
        super().__init__()
        sides = 2 * self._dims
        self.padding = (padding,) * sides if isinstance(padding, int) else tuple(padding)
        if len(self.padding) != sides:
            raise ValueError(f"{self._get_name()}: padding must be an int or {sides} of them (padding={padding!r})")

    def forward(self, input: Tensor) -> Tensor:
        """Pad the last dims."""
        return F.pad(input, self.padding, self._mode)

    def extra_repr(self) -> str:
        """Return the settings."""
        return str(self.padding)


class ConstantPad1d(_Pad):
    """Put a number at the ends of the last dim.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn import nn
    >>> nn.ConstantPad1d(1, 9.0)(ag.tensor([[[1.0, 2.0]]]))
    tensor([[[9., 1., 2., 9.]]])
    """

    _dims = 1

    def __init__(self, padding: ShapeLike, value: float):
        super().__init__(padding)
        self.value = value

    def forward(self, input: Tensor) -> Tensor:
        """Pad the last dims."""
        return F.pad(input, self.padding, "constant", self.value)

    def extra_repr(self) -> str:
        """Return the settings."""
        return f"padding={self.padding}, value={self.value}"


class ConstantPad2d(ConstantPad1d):
    """Put a number around the last two dims.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn import nn
    >>> nn.ConstantPad2d((1, 0, 0, 0), 9.0)(ag.ones(1, 1, 1, 2))[0, 0]
    tensor([[9., 1., 1.]])
    """

    _dims = 2


class ZeroPad1d(ConstantPad1d):
    """Put zeros at the ends of the last dim.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn import nn
    >>> nn.ZeroPad1d((1, 2))(ag.tensor([[[1.0, 2.0]]]))
    tensor([[[0., 1., 2., 0., 0.]]])
    """

    def __init__(self, padding: ShapeLike):
        super().__init__(padding, 0.0)

    def extra_repr(self) -> str:
        """Return the settings."""
        return str(self.padding)


class ZeroPad2d(ConstantPad2d):
    """Put zeros around the last two dims.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn import nn
    >>> nn.ZeroPad2d(1)(ag.ones(1, 1, 1, 1))[0, 0]
    tensor([[0., 0., 0.],
            [0., 1., 0.],
            [0., 0., 0.]])
    """

    def __init__(self, padding: ShapeLike):
        super().__init__(padding, 0.0)

    def extra_repr(self) -> str:
        """Return the settings."""
        return str(self.padding)


class ReflectionPad1d(_Pad):
    """Mirror the last dim at its ends, which are not repeated.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn import nn
    >>> nn.ReflectionPad1d(2)(ag.tensor([[[1.0, 2.0, 3.0]]]))
    tensor([[[3., 2., 1., 2., 3., 2., 1.]]])
    """

    _dims, _mode = 1, "reflect"


class ReflectionPad2d(_Pad):
    """Mirror the last two dims at their ends, which are not repeated.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn import nn
    >>> nn.ReflectionPad2d((1, 1, 0, 0))(ag.tensor([[[[1.0, 2.0, 3.0]]]]))
    tensor([[[[2., 1., 2., 3., 2.]]]])
    """

    _dims, _mode = 2, "reflect"


class ReplicationPad1d(_Pad):
    """Repeat the ends of the last dim.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn import nn
    >>> nn.ReplicationPad1d(2)(ag.tensor([[[1.0, 2.0, 3.0]]]))
    tensor([[[1., 1., 1., 2., 3., 3., 3.]]])
    """

    _dims, _mode = 1, "replicate"


class ReplicationPad2d(_Pad):
    """Repeat the edges of the last two dims.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn import nn
    >>> nn.ReplicationPad2d((1, 1, 0, 0))(ag.tensor([[[[1.0, 2.0, 3.0]]]]))
    tensor([[[[1., 1., 2., 3., 3.]]]])
    """

    _dims, _mode = 2, "replicate"


class CircularPad1d(_Pad):
    """Continue the last dim at each end from the other.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn import nn
    >>> nn.CircularPad1d(1)(ag.tensor([[[1.0, 2.0, 3.0]]]))
    tensor([[[3., 1., 2., 3., 1.]]])
    """

    _dims, _mode = 1, "circular"


class CircularPad2d(_Pad):
    """Continue the last two dims at each edge from the opposite one.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn import nn
    >>> nn.CircularPad2d((1, 1, 0, 0))(ag.tensor([[[[1.0, 2.0, 3.0]]]]))
    tensor([[[[3., 1., 2., 3., 1.]]]])
    """

    _dims, _mode = 2, "circular"
