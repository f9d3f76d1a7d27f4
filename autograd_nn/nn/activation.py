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
    """Hyperbolic tangent."""

    def forward(self, input: Tensor) -> Tensor:
        """Apply it elementwise."""
        return F.tanh(input)


class Sigmoid(Module):
    """Logistic function, ``1 / (1 + exp(-x))``."""

    def forward(self, input: Tensor) -> Tensor:
        """Apply it elementwise."""
        return F.sigmoid(input)


class LogSigmoid(Module):
    """``log(sigmoid(x))``."""

    def forward(self, input: Tensor) -> Tensor:
        """Apply it elementwise."""
        return F.logsigmoid(input)


class Softsign(Module):
    """``x / (1 + abs(x))``."""

    def forward(self, input: Tensor) -> Tensor:
        """Apply it elementwise."""
        return F.softsign(input)


class Tanhshrink(Module):
    """``x - tanh(x)``."""

    def forward(self, input: Tensor) -> Tensor:
        """Apply it elementwise."""
        return F.tanhshrink(input)


class ReLU(_InPlace):
    """Rectified linear unit, ``max(x, 0)``."""

    def forward(self, input: Tensor) -> Tensor:
        """Apply it elementwise."""
        return F.relu(input, self.inplace)


class ReLU6(_InPlace):
    """``min(max(x, 0), 6)``."""

    def forward(self, input: Tensor) -> Tensor:
        """Apply it elementwise."""
        return F.relu6(input, self.inplace)


class SELU(_InPlace):
    """Scaled exponential linear unit; see `ops.activation.selu`."""

    def forward(self, input: Tensor) -> Tensor:
        """Apply it elementwise."""
        return F.selu(input, self.inplace)


class SiLU(_InPlace):
    """``x * sigmoid(x)``."""

    def forward(self, input: Tensor) -> Tensor:
        """Apply it elementwise."""
        return F.silu(input, self.inplace)


class Mish(_InPlace):
    """``x * tanh(softplus(x))``."""

    def forward(self, input: Tensor) -> Tensor:
        """Apply it elementwise."""
        return F.mish(input, self.inplace)


class Hardswish(_InPlace):
    """``x * min(max(x + 3, 0), 6) / 6``."""

    def forward(self, input: Tensor) -> Tensor:
        """Apply it elementwise."""
        return F.hardswish(input, self.inplace)


class Hardsigmoid(_InPlace):
    """``min(max(x / 6 + 1/2, 0), 1)``."""

    def forward(self, input: Tensor) -> Tensor:
        """Apply it elementwise."""
        return F.hardsigmoid(input, self.inplace)


# ------------------------------------------------------------------------------------ with settings


class LeakyReLU(Module):
    """`x` where it is positive and ``negative_slope * x`` elsewhere."""

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
    """Leaky ReLU whose slope is drawn anew for each element in training; see `functional.rrelu`."""

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
    """`x` where it is positive and ``alpha * (exp(x) - 1)`` elsewhere."""

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
    """``max(x, 0) + min(alpha * (exp(x / alpha) - 1), 0)``."""

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
    """``x * Phi(x)``; `approximate` is 'none' or 'tanh'."""

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
    """``log(1 + exp(beta * x)) / beta``; `x` itself where ``beta * x > threshold``."""

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
    """`x` clipped to ``[min_val, max_val]``."""

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
    """`x` where it is larger than `threshold` and `value` elsewhere."""

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
    """`x` where ``abs(x) > lambd`` and 0 elsewhere."""

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
    """`x` moved by `lambd` towards 0, and 0 where ``abs(x) <= lambd``."""

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
    """Gated linear unit: the first half along a dim times the sigmoid of the second."""

    def __init__(self, dim: int = -1):
        super().__init__(dim)

    def forward(self, input: Tensor) -> Tensor:
        """Apply it along the dim, whose size it halves."""
        return F.glu(input, -1 if self.dim is None else self.dim)


class Softmax(_AlongDim):
    """``exp(x) / sum(exp(x))`` along a dim."""

    def forward(self, input: Tensor) -> Tensor:
        """Apply it along the dim."""
        return F.softmax(input, self.dim)


class Softmin(_AlongDim):
    """Softmax of ``-x`` along a dim."""

    def forward(self, input: Tensor) -> Tensor:
        """Apply it along the dim."""
        return F.softmin(input, self.dim)


class LogSoftmax(_AlongDim):
    """``x - log(sum(exp(x)))`` along a dim."""

    def forward(self, input: Tensor) -> Tensor:
        """Apply it along the dim."""
        return F.log_softmax(input, self.dim)


class Softmax2d(Module):
    """Softmax over the channels of (N, C, H, W) or (C, H, W)."""

    def forward(self, input: Tensor) -> Tensor:
        """Apply it at each pixel."""
        if input.ndim not in (3, 4):
            raise ValueError(f"Softmax2d: expects 3 or 4 dims (input.shape={input.shape})")
        return F.softmax(input, -3)
