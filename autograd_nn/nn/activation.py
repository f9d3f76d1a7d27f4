"""Activations as modules."""

from __future__ import annotations

from typing import Literal

from ..tensor import Tensor
from ..typing import DeviceLike, DTypeLike
from . import functional as F
from . import init as init_
from .module import Module
from .parameter import Parameter, empty_parameter

__all__ = [
    "CELU",
    "ELU",
    "GELU",
    "GLU",
    "SELU",
    "Hardshrink",
    "Hardsigmoid",
    "Hardswish",
    "Hardtanh",
    "LeakyReLU",
    "LogSigmoid",
    "LogSoftmax",
    "Mish",
    "PReLU",
    "RReLU",
    "ReLU",
    "ReLU6",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Softmax2d",
    "Softmin",
    "Softplus",
    "Softshrink",
    "Softsign",
    "Tanh",
    "Tanhshrink",
    "Threshold",
]


class _InPlace(Module):
    """An activation with the setting `inplace`: the input tensor itself becomes the result."""

    def __init__(self, inplace: bool = False):
        super().__init__()
        self.inplace = inplace

    def extra_repr(self) -> str:
        """Return the settings."""
        return "inplace=True" if self.inplace else ""


class _AlongDim(Module):
    """An activation along one dim."""

    def __init__(self, dim: int | None = None):
        super().__init__()
        self.dim = dim

    def extra_repr(self) -> str:
        """Return the settings."""
        return f"dim={self.dim}"


def _in_place(inplace: bool) -> str:
    return ", inplace=True" if inplace else ""


# ------------------------------------------------------------------------------------ without settings


class Tanh(Module):
    """Hyperbolic tangent.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn import nn
    >>> nn.Tanh()(ag.tensor([-1.0, 0.0, 1.0]))
    tensor([-0.7616,  0.    ,  0.7616])
    """

    def forward(self, input: Tensor) -> Tensor:
        """Apply it elementwise."""
        return F.tanh(input)


class Sigmoid(Module):
    """Logistic function, ``1 / (1 + exp(-x))``.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn import nn
    >>> nn.Sigmoid()(ag.tensor([-2.0, 0.0, 2.0]))
    tensor([0.1192, 0.5   , 0.8808])
    """

    def forward(self, input: Tensor) -> Tensor:
        """Apply it elementwise."""
        return F.sigmoid(input)


class LogSigmoid(Module):
    """``log(sigmoid(x))``.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn import nn
    >>> nn.LogSigmoid()(ag.tensor([0.0, -100.0]))
    tensor([  -0.6931, -100.    ])
    """

    def forward(self, input: Tensor) -> Tensor:
        """Apply it elementwise."""
        return F.logsigmoid(input)


class Softsign(Module):
    """``x / (1 + abs(x))``.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn import nn
    >>> nn.Softsign()(ag.tensor([-1.0, 0.0, 3.0]))
    tensor([-0.5 ,  0.  ,  0.75])
    """

    def forward(self, input: Tensor) -> Tensor:
        """Apply it elementwise."""
        return F.softsign(input)


class Tanhshrink(Module):
    """``x - tanh(x)``.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn import nn
    >>> nn.Tanhshrink()(ag.tensor([0.0, 1.0]))
    tensor([0.    , 0.2384])
    """

    def forward(self, input: Tensor) -> Tensor:
        """Apply it elementwise."""
        return F.tanhshrink(input)


class ReLU(_InPlace):
    """Rectified linear unit, ``max(x, 0)``.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn import nn
    >>> nn.ReLU()(ag.tensor([-1.0, 0.0, 2.0]))
    tensor([0., 0., 2.])
    """

    def forward(self, input: Tensor) -> Tensor:
        """Apply it elementwise."""
        return F.relu(input, self.inplace)


class ReLU6(_InPlace):
    """``min(max(x, 0), 6)``.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn import nn
    >>> nn.ReLU6()(ag.tensor([-1.0, 5.0, 9.0]))
    tensor([0., 5., 6.])
    """

    def forward(self, input: Tensor) -> Tensor:
        """Apply it elementwise."""
        return F.relu6(input, self.inplace)


class SELU(_InPlace):
    """Scaled exponential linear unit; see `ops.activation.selu`.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn import nn
    >>> nn.SELU()(ag.tensor([-1.0, 0.0, 1.0]))
    tensor([-1.1113,  0.    ,  1.0507])
    """

    def forward(self, input: Tensor) -> Tensor:
        """Apply it elementwise."""
        return F.selu(input, self.inplace)


class SiLU(_InPlace):
    """``x * sigmoid(x)``.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn import nn
    >>> nn.SiLU()(ag.tensor([-1.0, 0.0, 1.0]))
    tensor([-0.2689,  0.    ,  0.7311])
    """

    def forward(self, input: Tensor) -> Tensor:
        """Apply it elementwise."""
        return F.silu(input, self.inplace)


class Mish(_InPlace):
    """``x * tanh(softplus(x))``.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn import nn
    >>> nn.Mish()(ag.tensor([-1.0, 0.0, 1.0]))
    tensor([-0.3034,  0.    ,  0.8651])
    """

    def forward(self, input: Tensor) -> Tensor:
        """Apply it elementwise."""
        return F.mish(input, self.inplace)


class Hardswish(_InPlace):
    """``x * min(max(x + 3, 0), 6) / 6``.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn import nn
    >>> nn.Hardswish()(ag.tensor([-4.0, 0.0, 3.0]))
    tensor([-0.,  0.,  3.])
    """

    def forward(self, input: Tensor) -> Tensor:
        """Apply it elementwise."""
        return F.hardswish(input, self.inplace)


class Hardsigmoid(_InPlace):
    """``min(max(x / 6 + 1/2, 0), 1)``.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn import nn
    >>> nn.Hardsigmoid()(ag.tensor([-4.0, 0.0, 1.5, 4.0]))
    tensor([0.  , 0.5 , 0.75, 1.  ])
    """

    def forward(self, input: Tensor) -> Tensor:
        """Apply it elementwise."""
        return F.hardsigmoid(input, self.inplace)


# ------------------------------------------------------------------------------------ with settings


class LeakyReLU(Module):
    """`x` where it is positive and ``negative_slope * x`` elsewhere.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn import nn
    >>> nn.LeakyReLU(0.1)(ag.tensor([-1.0, 2.0]))
    tensor([-0.1,  2. ])
    """

    def __init__(self, negative_slope: float = 0.01, inplace: bool = False):
        super().__init__()
        self.negative_slope, self.inplace = negative_slope, inplace

    def forward(self, input: Tensor) -> Tensor:
        """Apply it elementwise."""
        return F.leaky_relu(input, self.negative_slope, self.inplace)

    def extra_repr(self) -> str:
        """Return the settings."""
        return f"negative_slope={self.negative_slope}{_in_place(self.inplace)}"


class RReLU(Module):
    """Leaky ReLU whose slope is drawn anew for each element in training; see `functional.rrelu`.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn import nn
    >>> nn.RReLU().eval()(ag.tensor([-1.0, 2.0]))  # in training, the slope is random
    tensor([-0.2292,  2.    ])
    """

    def __init__(self, lower: float = 1 / 8, upper: float = 1 / 3, inplace: bool = False):
        super().__init__()
        self.lower, self.upper, self.inplace = lower, upper, inplace

    def forward(self, input: Tensor) -> Tensor:
        """Apply it elementwise."""
        return F.rrelu(input, self.lower, self.upper, self.training, self.inplace)

    def extra_repr(self) -> str:
        """Return the settings."""
        return f"lower={self.lower}, upper={self.upper}{_in_place(self.inplace)}"


class ELU(Module):
    """`x` where it is positive and ``alpha * (exp(x) - 1)`` elsewhere.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn import nn
    >>> nn.ELU()(ag.tensor([-1.0, 0.0, 2.0]))
    tensor([-0.6321,  0.    ,  2.    ])
    """

    def __init__(self, alpha: float = 1.0, inplace: bool = False):
        super().__init__()
        self.alpha, self.inplace = alpha, inplace

    def forward(self, input: Tensor) -> Tensor:
        """Apply it elementwise."""
        return F.elu(input, self.alpha, self.inplace)

    def extra_repr(self) -> str:
        """Return the settings."""
        return f"alpha={self.alpha}{_in_place(self.inplace)}"


class CELU(Module):
    """``max(x, 0) + min(alpha * (exp(x / alpha) - 1), 0)``.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn import nn
    >>> nn.CELU(alpha=2.0)(ag.tensor([-1.0, 0.0, 2.0]))
    tensor([-0.7869,  0.    ,  2.    ])
    """

    def __init__(self, alpha: float = 1.0, inplace: bool = False):
        super().__init__()
        self.alpha, self.inplace = alpha, inplace

    def forward(self, input: Tensor) -> Tensor:
        """Apply it elementwise."""
        return F.celu(input, self.alpha, self.inplace)

    def extra_repr(self) -> str:
        """Return the settings."""
        return f"alpha={self.alpha}{_in_place(self.inplace)}"


class GELU(Module):
    """``x * Phi(x)``; `approximate` is 'none' or 'tanh'.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn import nn
    >>> nn.GELU()(ag.tensor([-1.0, 0.0, 1.0]))
    tensor([-0.1587,  0.    ,  0.8413])
    """

    def __init__(self, approximate: Literal["none", "tanh"] = "none"):
        super().__init__()
        self.approximate = approximate

    def forward(self, input: Tensor) -> Tensor:
        """Apply it elementwise."""
        return F.gelu(input, self.approximate)

    def extra_repr(self) -> str:
        """Return the settings."""
        return f"approximate={self.approximate!r}"


class Softplus(Module):
    """``log(1 + exp(beta * x)) / beta``; `x` itself where ``beta * x > threshold``.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn import nn
    >>> nn.Softplus()(ag.tensor([-1.0, 0.0, 100.0]))
    tensor([  0.3133,   0.6931, 100.    ])
    """

    def __init__(self, beta: float = 1.0, threshold: float = 20.0):
        super().__init__()
        self.beta, self.threshold = beta, threshold

    def forward(self, input: Tensor) -> Tensor:
        """Apply it elementwise."""
        return F.softplus(input, self.beta, self.threshold)

    def extra_repr(self) -> str:
        """Return the settings."""
        return f"beta={self.beta}, threshold={self.threshold}"


class Hardtanh(Module):
    """`x` clipped to ``[min_val, max_val]``.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn import nn
    >>> nn.Hardtanh(-2.0, 2.0)(ag.tensor([-3.0, 0.5, 3.0]))
    tensor([-2. ,  0.5,  2. ])
    """

    def __init__(self, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False):
        super().__init__()
        if min_val >= max_val:
            raise ValueError(f"Hardtanh: min_val must be less than max_val (min_val={min_val}, max_val={max_val})")
        self.min_val, self.max_val, self.inplace = min_val, max_val, inplace

    def forward(self, input: Tensor) -> Tensor:
        """Apply it elementwise."""
        return F.hardtanh(input, self.min_val, self.max_val, self.inplace)

    def extra_repr(self) -> str:
        """Return the settings."""
        return f"min_val={self.min_val}, max_val={self.max_val}{_in_place(self.inplace)}"


class Threshold(Module):
    """`x` where it is larger than `threshold` and `value` elsewhere.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn import nn
    >>> nn.Threshold(threshold=1.0, value=-5.0)(ag.tensor([0.5, 2.0]))
    tensor([-5.,  2.])
    """

    def __init__(self, threshold: float, value: float, inplace: bool = False):
        super().__init__()
        self.threshold, self.value, self.inplace = threshold, value, inplace

    def forward(self, input: Tensor) -> Tensor:
        """Apply it elementwise."""
        return F.threshold(input, self.threshold, self.value, self.inplace)

    def extra_repr(self) -> str:
        """Return the settings."""
        return f"threshold={self.threshold}, value={self.value}{_in_place(self.inplace)}"


class Hardshrink(Module):
    """`x` where ``abs(x) > lambd`` and 0 elsewhere.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn import nn
    >>> nn.Hardshrink(0.5)(ag.tensor([-1.0, 0.3, 2.0]))
    tensor([-1.,  0.,  2.])
    """

    def __init__(self, lambd: float = 0.5):
        super().__init__()
        self.lambd = lambd

    def forward(self, input: Tensor) -> Tensor:
        """Apply it elementwise."""
        return F.hardshrink(input, self.lambd)

    def extra_repr(self) -> str:
        """Return the settings."""
        return str(self.lambd)


class Softshrink(Module):
    """`x` moved by `lambd` towards 0, and 0 where ``abs(x) <= lambd``.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn import nn
    >>> nn.Softshrink(0.5)(ag.tensor([-1.0, 0.3, 2.0]))
    tensor([-0.5,  0. ,  1.5])
    """

    def __init__(self, lambd: float = 0.5):
        super().__init__()
        self.lambd = lambd

    def forward(self, input: Tensor) -> Tensor:
        """Apply it elementwise."""
        return F.softshrink(input, self.lambd)

    def extra_repr(self) -> str:
        """Return the settings."""
        return str(self.lambd)


class PReLU(Module):
    """`x` where it is positive and ``weight * x`` elsewhere, with learnable weights.

    Parameters
    ----------
    num_parameters : int
        One, or as many as there are channels (dim 1).
    init : float
        The first value of the weights.
    device, dtype : optional

    Attributes
    ----------
    weight : Parameter of shape (num_parameters,)

    References
    ----------
    K. He et al., "Delving deep into rectifiers", 2015, arXiv:1502.01852.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn import nn
    >>> nn.PReLU()(ag.tensor([-1.0, 2.0])).detach()
    tensor([-0.25,  2.  ])
    """

    weight: Parameter

    def __init__(
        self, num_parameters: int = 1, init: float = 0.25, device: DeviceLike = None, dtype: DTypeLike | None = None
    ):
        super().__init__()
        self.num_parameters, self.init = num_parameters, init
        self.weight = empty_parameter((num_parameters,), dtype, device)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Set the weights to their first value."""
        init_.constant_(self.weight, self.init)

    def forward(self, input: Tensor) -> Tensor:
        """Apply it elementwise."""
        return F.prelu(input, self.weight)

    def extra_repr(self) -> str:
        """Return the settings."""
        return f"num_parameters={self.num_parameters}"


# ------------------------------------------------------------------------------------ along a dim


class GLU(_AlongDim):
    """Gated linear unit: the first half along a dim times the sigmoid of the second.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn import nn
    >>> nn.GLU()(ag.tensor([[1.0, 2.0, 0.0, 0.0]]))  # the first half times the sigmoid of the second
    tensor([[0.5, 1. ]])
    """

    def __init__(self, dim: int = -1):
        super().__init__(dim)

    def forward(self, input: Tensor) -> Tensor:
        """Apply it along the dim, whose size it halves."""
        return F.glu(input, -1 if self.dim is None else self.dim)


class Softmax(_AlongDim):
    """``exp(x) / sum(exp(x))`` along a dim.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn import nn
    >>> nn.Softmax(dim=1)(ag.tensor([[0.0, 0.0], [0.0, 2.0]]))
    tensor([[0.5   , 0.5   ],
            [0.1192, 0.8808]])
    """

    def forward(self, input: Tensor) -> Tensor:
        """Apply it along the dim."""
        return F.softmax(input, self.dim)


class Softmin(_AlongDim):
    """Softmax of ``-x`` along a dim.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn import nn
    >>> nn.Softmin(dim=0)(ag.tensor([0.0, 2.0]))
    tensor([0.8808, 0.1192])
    """

    def forward(self, input: Tensor) -> Tensor:
        """Apply it along the dim."""
        return F.softmin(input, self.dim)


class LogSoftmax(_AlongDim):
    """``x - log(sum(exp(x)))`` along a dim.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn import nn
    >>> nn.LogSoftmax(dim=1)(ag.tensor([[0.0, 0.0]]))
    tensor([[-0.6931, -0.6931]])
    """

    def forward(self, input: Tensor) -> Tensor:
        """Apply it along the dim."""
        return F.log_softmax(input, self.dim)


class Softmax2d(Module):
    """Softmax over the channels of (N, C, H, W) or (C, H, W).

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn import nn
    >>> nn.Softmax2d()(ag.zeros(1, 4, 2, 2))[0, :, 0, 0]
    tensor([0.25, 0.25, 0.25, 0.25])
    """

    def forward(self, input: Tensor) -> Tensor:
        """Apply it at each pixel."""
        if input.ndim not in (3, 4):
            raise ValueError(f"Softmax2d: expects 3 or 4 dims (input.shape={input.shape})")
        return F.softmax(input, -3)
