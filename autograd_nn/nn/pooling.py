"""Pooling layers."""

from __future__ import annotations

from collections.abc import Sequence

from ..ops.pool import max_pool2d_relu
from ..tensor import Tensor
from ..typing import OutputSize, ShapeLike, Size1d, Size2d
from . import functional as F
from .module import Module

__all__ = [
    "AdaptiveAvgPool1d",
    "AdaptiveAvgPool2d",
    "AdaptiveAvgPool3d",
    "AdaptiveMaxPool1d",
    "AdaptiveMaxPool2d",
    "AdaptiveMaxPool3d",
    "AvgPool1d",
    "AvgPool2d",
    "AvgPool3d",
    "LPPool1d",
    "LPPool2d",
    "LPPool3d",
    "MaxPool1d",
    "MaxPool2d",
    "MaxPool3d",
    "MaxUnpool1d",
    "MaxUnpool2d",
    "MaxUnpool3d",
]


class _MaxPool(Module):
    """The largest element of each window."""

    def __init__(
        self,
        kernel_size: ShapeLike,
        stride: ShapeLike | None = None,
        padding: ShapeLike = 0,
        dilation: ShapeLike = 1,
        return_indices: bool = False,
        ceil_mode: bool = False,
    ):
        super().__init__()
        self.return_indices = return_indices
        self.kernel_size, self.stride = kernel_size, kernel_size if stride is None else stride
        self.padding, self.dilation, self.ceil_mode = padding, dilation, ceil_mode

    def extra_repr(self) -> str:
        """Return the settings."""
        return (f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}, "
                f"dilation={self.dilation}, ceil_mode={self.ceil_mode}")


class MaxPool1d(_MaxPool):
    """The largest element of each window of (N, C, L) or (C, L); see `MaxPool2d`.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn import nn
    >>> nn.MaxPool1d(2)(ag.tensor([[[1.0, 3.0, 2.0, 0.0]]]))
    tensor([[[3., 2.]]])
    """

    def forward(self, input: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        """Pool the last dim."""
        return F.max_pool1d(input, self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode,
                            self.return_indices)


class MaxPool2d(_MaxPool):
    """The largest element of each window of (N, C, H, W) or (C, H, W).

    Parameters
    ----------
    kernel_size, stride, padding, dilation : int or (int, int)
        `stride` is `kernel_size` by default.
    return_indices : bool
        Return ``(maxima, indices)``; the indices, into the flattened image, are what `MaxUnpool2d` takes.
    ceil_mode : bool
        Keep a last window that only partly lies on the image.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn import nn
    >>> nn.MaxPool2d(2)(ag.arange(16.0).reshape(1, 1, 4, 4))
    tensor([[[[ 5.,  7.],
              [13., 15.]]]])
    """

    def forward(self, input: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        """Pool the last two dims."""
        return F.max_pool2d(input, self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode,
                            self.return_indices)

    def forward_relu(self, input: Tensor) -> Tensor:
        """Return ``relu(forward(input))``, which is also ``forward(relu(input))``, in one pass, for `Sequential`."""
        return max_pool2d_relu(input, self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode)


class MaxPool3d(_MaxPool):
    """The largest element of each window of (N, C, D, H, W) or (C, D, H, W); see `MaxPool2d`.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn import nn
    >>> nn.MaxPool3d(2)(ag.zeros(1, 2, 8, 8, 8)).shape
    (1, 2, 4, 4, 4)
    """

    def forward(self, input: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        """Pool the last three dims."""
        return F.max_pool3d(input, self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode,
                            self.return_indices)


class AvgPool1d(Module):
    """The mean of each window of (N, C, L) or (C, L); see `AvgPool2d`.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn import nn
    >>> nn.AvgPool1d(2)(ag.tensor([[[1.0, 3.0, 2.0, 0.0]]]))
    tensor([[[2., 1.]]])
    """

    def __init__(
        self,
        kernel_size: Size1d,
        stride: Size1d | None = None,
        padding: Size1d = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ):
        super().__init__()
        stride = kernel_size if stride is None else stride
        self.kernel_size, self.stride, self.padding = (
            (value,) if isinstance(value, int) else tuple(value) for value in (kernel_size, stride, padding)
        )
        self.ceil_mode, self.count_include_pad = ceil_mode, count_include_pad

    def forward(self, input: Tensor) -> Tensor:
        """Pool the last dim."""
        return F.avg_pool1d(input, self.kernel_size, self.stride, self.padding, self.ceil_mode, self.count_include_pad)

    def extra_repr(self) -> str:
        """Return the settings."""
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class AvgPool2d(Module):
    """The mean of each window of (N, C, H, W) or (C, H, W).

    Parameters
    ----------
    kernel_size, stride, padding : int or (int, int)
    ceil_mode : bool
        Keep a last window that only partly lies on the image.
    count_include_pad : bool
        Count the padding in the divisor.
    divisor_override : int, optional
        Divide by this instead.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn import nn
    >>> nn.AvgPool2d(2)(ag.arange(16.0).reshape(1, 1, 4, 4))
    tensor([[[[ 2.5,  4.5],
              [10.5, 12.5]]]])
    """

    def __init__(
        self,
        kernel_size: Size2d,
        stride: Size2d | None = None,
        padding: Size2d = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ):
        super().__init__()
        self.kernel_size, self.stride = kernel_size, kernel_size if stride is None else stride
        self.padding, self.ceil_mode = padding, ceil_mode
        self.count_include_pad, self.divisor_override = count_include_pad, divisor_override

    def forward(self, input: Tensor) -> Tensor:
        """Pool the last two dims."""
        return F.avg_pool2d(input, self.kernel_size, self.stride, self.padding, self.ceil_mode,
                            self.count_include_pad, self.divisor_override)

    def extra_repr(self) -> str:
        """Return the settings."""
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class AvgPool3d(Module):
    """The mean of each window of (N, C, D, H, W) or (C, D, H, W); see `AvgPool2d`.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn import nn
    >>> nn.AvgPool3d(2)(ag.zeros(1, 2, 8, 8, 8)).shape
    (1, 2, 4, 4, 4)
    """

    def __init__(
        self,
        kernel_size: ShapeLike,
        stride: ShapeLike | None = None,
        padding: ShapeLike = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ):
        super().__init__()
        self.kernel_size, self.stride, self.padding = kernel_size, kernel_size if stride is None else stride, padding
        self.ceil_mode, self.count_include_pad, self.divisor_override = ceil_mode, count_include_pad, divisor_override

    def forward(self, input: Tensor) -> Tensor:
        """Pool the last three dims."""
        return F.avg_pool3d(input, self.kernel_size, self.stride, self.padding, self.ceil_mode,
                            self.count_include_pad, self.divisor_override)

    def extra_repr(self) -> str:
        """Return the settings."""
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class _AdaptivePool(Module):
    """What the adaptive layers share: the size of the result, whatever that of the input."""

    def __init__(self, output_size: OutputSize):
        super().__init__()
        self.output_size = output_size

    def extra_repr(self) -> str:
        """Return the settings."""
        return f"output_size={self.output_size}"


class AdaptiveAvgPool1d(_AdaptivePool):
    """Means of (N, C, L) over windows such that `output_size` are left.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn import nn
    >>> nn.AdaptiveAvgPool1d(2)(ag.tensor([[[1.0, 2.0, 3.0, 4.0, 6.0, 8.0]]]))
    tensor([[[2., 6.]]])
    """

    def forward(self, input: Tensor) -> Tensor:
        """Pool the last dim."""
        return F.adaptive_avg_pool1d(input, self.output_size)


class AdaptiveAvgPool2d(_AdaptivePool):
    """Means of (N, C, H, W) over windows such that `output_size` (int or two, None to keep a size) are left.

    Window i of n covers the rows from ``floor(i H / n)`` to ``ceil((i + 1) H / n) - 1``.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn import nn
    >>> nn.AdaptiveAvgPool2d(1)(ag.ones(2, 8, 7, 9)).shape
    (2, 8, 1, 1)
    """

    def forward(self, input: Tensor) -> Tensor:
        """Pool the last two dims."""
        return F.adaptive_avg_pool2d(input, self.output_size)


class AdaptiveAvgPool3d(_AdaptivePool):
    """Means of (N, C, D, H, W) over windows such that `output_size` are left; see `AdaptiveAvgPool2d`.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn import nn
    >>> nn.AdaptiveAvgPool3d((2, 1, 1))(ag.ones(2, 8, 4, 5, 6)).shape
    (2, 8, 2, 1, 1)
    """

    def forward(self, input: Tensor) -> Tensor:
        """Pool the last three dims."""
        return F.adaptive_avg_pool3d(input, self.output_size)


class _AdaptiveMaxPool(_AdaptivePool):
    def __init__(self, output_size: OutputSize, return_indices: bool = False):
        super().__init__(output_size)
        self.return_indices = return_indices


class AdaptiveMaxPool1d(_AdaptiveMaxPool):
    """Maxima of (N, C, L) over windows such that `output_size` are left.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn import nn
    >>> nn.AdaptiveMaxPool1d(2)(ag.tensor([[[1.0, 2.0, 3.0, 4.0, 6.0, 8.0]]]))
    tensor([[[3., 8.]]])
    """

    def forward(self, input: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        """Pool the last dim."""
        return F.adaptive_max_pool1d(input, self.output_size, self.return_indices)


class AdaptiveMaxPool2d(_AdaptiveMaxPool):
    """Maxima of (N, C, H, W) over windows such that `output_size` are left; see `AdaptiveAvgPool2d`.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn import nn
    >>> nn.AdaptiveMaxPool2d((2, None))(ag.ones(2, 8, 6, 5)).shape
    (2, 8, 2, 5)
    """

    def forward(self, input: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        """Pool the last two dims."""
        return F.adaptive_max_pool2d(input, self.output_size, self.return_indices)


class AdaptiveMaxPool3d(_AdaptiveMaxPool):
    """Maxima of (N, C, D, H, W) over windows such that `output_size` are left; see `AdaptiveAvgPool2d`.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn import nn
    >>> nn.AdaptiveMaxPool3d(1)(ag.ones(2, 8, 4, 5, 6)).shape
    (2, 8, 1, 1, 1)
    """

    def forward(self, input: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        """Pool the last three dims."""
        return F.adaptive_max_pool3d(input, self.output_size, self.return_indices)


class _MaxUnpool(Module):
    """Put maxima back to where pooling with ``return_indices=True`` found them, among zeros.

    Parameters
    ----------
    kernel_size, stride, padding : int or tuple of int
        Those of the pooling.
    """

    dims: int

    def __init__(self, kernel_size: ShapeLike, stride: ShapeLike | None = None, padding: ShapeLike = 0):
        super().__init__()
        stride = kernel_size if stride is None else stride
        self.kernel_size, self.stride, self.padding = (
            (n,) * self.dims if isinstance(n, int) else tuple(n) for n in (kernel_size, stride, padding)
        )

    def extra_repr(self) -> str:
        """Return the settings."""
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class MaxUnpool1d(_MaxUnpool):
    """Put maxima back to where `MaxPool1d` with ``return_indices=True`` found them; see `MaxUnpool2d`.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn import nn
    >>> x = ag.tensor([[[1.0, 3.0, 2.0, 0.0]]])
    >>> pooled, places = nn.MaxPool1d(2, return_indices=True)(x)
    >>> nn.MaxUnpool1d(2)(pooled, places)
    tensor([[[0., 3., 2., 0.]]])
    """

    dims = 1

    def forward(self, input: Tensor, indices: Tensor, output_size: Sequence[int] | None = None) -> Tensor:
        """Unpool the last dim, to `output_size` where the pooling leaves it open."""
        return F.max_unpool1d(input, indices, self.kernel_size, self.stride, self.padding, output_size)


class MaxUnpool2d(_MaxUnpool):
    """Put maxima back to where `MaxPool2d` with ``return_indices=True`` found them, among zeros.

    Parameters
    ----------
    kernel_size, stride, padding : int or (int, int)
        Those of the pooling.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn import nn
    >>> pooled, places = nn.MaxPool2d(2, return_indices=True)(ag.arange(16.0).reshape(1, 1, 4, 4))
    >>> nn.MaxUnpool2d(2)(pooled, places)[0, 0]
    tensor([[ 0.,  0.,  0.,  0.],
            [ 0.,  5.,  0.,  7.],
            [ 0.,  0.,  0.,  0.],
            [ 0., 13.,  0., 15.]])
    """

    dims = 2

    def forward(self, input: Tensor, indices: Tensor, output_size: Sequence[int] | None = None) -> Tensor:
        """Unpool the last two dims, to `output_size` where the pooling leaves it open."""
        return F.max_unpool2d(input, indices, self.kernel_size, self.stride, self.padding, output_size)


class MaxUnpool3d(_MaxUnpool):
    """Put maxima back to where `MaxPool3d` with ``return_indices=True`` found them; see `MaxUnpool2d`.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn import nn
    >>> pooled, places = nn.MaxPool3d(2, return_indices=True)(ag.randn(1, 2, 4, 4, 4))
    >>> nn.MaxUnpool3d(2)(pooled, places).shape
    (1, 2, 4, 4, 4)
    """

    dims = 3

    def forward(self, input: Tensor, indices: Tensor, output_size: Sequence[int] | None = None) -> Tensor:
        """Unpool the last three dims, to `output_size` where the pooling leaves it open."""
        return F.max_unpool3d(input, indices, self.kernel_size, self.stride, self.padding, output_size)


class _LPPool(Module):
    """``sum(x**p) ** (1 / p)`` of each window, with ``p=norm_type``."""

    def __init__(
        self, norm_type: float, kernel_size: ShapeLike, stride: ShapeLike | None = None, ceil_mode: bool = False
    ):
        super().__init__()
        self.norm_type, self.kernel_size, self.stride, self.ceil_mode = norm_type, kernel_size, stride, ceil_mode

    def extra_repr(self) -> str:
        """Return the settings."""
        return (f"norm_type={self.norm_type}, kernel_size={self.kernel_size}, stride={self.stride}, "
                f"ceil_mode={self.ceil_mode}")


class LPPool1d(_LPPool):
    """``sum(x**p) ** (1 / p)`` of each window of (N, C, L), with ``p=norm_type``.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn import nn
    >>> nn.LPPool1d(2, kernel_size=2)(ag.tensor([[[3.0, 4.0, 6.0, 8.0]]]))
    tensor([[[ 5., 10.]]])
    """

    def forward(self, input: Tensor) -> Tensor:
        """Pool the last dim."""
        return F.lp_pool1d(input, self.norm_type, self.kernel_size, self.stride, self.ceil_mode)


class LPPool2d(_LPPool):
    """``sum(x**p) ** (1 / p)`` of each window of (N, C, H, W), with ``p=norm_type``.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn import nn
    >>> nn.LPPool2d(2, kernel_size=2)(ag.ones(1, 1, 4, 4))
    tensor([[[[2., 2.],
              [2., 2.]]]])
    """

    def forward(self, input: Tensor) -> Tensor:
        """Pool the last two dims."""
        return F.lp_pool2d(input, self.norm_type, self.kernel_size, self.stride, self.ceil_mode)


class LPPool3d(_LPPool):
    """``sum(x**p) ** (1 / p)`` of each window of (N, C, D, H, W), with ``p=norm_type``.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn import nn
    >>> nn.LPPool3d(1, kernel_size=2)(ag.ones(1, 1, 2, 2, 2)).item()
    8.0
    """

    def forward(self, input: Tensor) -> Tensor:
        """Pool the last three dims."""
        return F.lp_pool3d(input, self.norm_type, self.kernel_size, self.stride, self.ceil_mode)
