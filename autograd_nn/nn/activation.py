"""Activations as modules."""

from __future__ import annotations

from ..tensor import Tensor
from . import functional as F
from .module import Module

__all__ = ["LogSoftmax", "ReLU", "Sigmoid", "Softmax", "Softmax2d", "Softmin", "Tanh"]


class _InPlace(Module):
    """An activation whose only setting is `inplace`: the input tensor itself becomes the result."""

    def __init__(self, inplace: bool = False):
        super().__init__()
        self.inplace = inplace

    def extra_repr(self) -> str:
        """Return the settings."""
        return "inplace=True" if self.inplace else ""


class ReLU(_InPlace):
    """Rectified linear unit, ``max(x, 0)``."""

    def forward(self, input: Tensor) -> Tensor:
        """Apply it elementwise."""
        return F.relu(input, self.inplace)


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


class _AlongDim(Module):
    """An activation that normalises along one dim."""

    def __init__(self, dim: int | None = None):
        super().__init__()
        self.dim = dim

    def extra_repr(self) -> str:
        """Return the settings."""
        return f"dim={self.dim}"


class Softmax(_AlongDim):
    """``exp(x) / sum(exp(x))`` along a dim."""

    def forward(self, input: Tensor) -> Tensor:
        """Apply it along the dim."""
        return F.softmax(input, self.dim)


class LogSoftmax(_AlongDim):
    """``x - log(sum(exp(x)))`` along a dim."""

    def forward(self, input: Tensor) -> Tensor:
        """Apply it along the dim."""
        return F.log_softmax(input, self.dim)


class Softmin(_AlongDim):
    """Softmax of ``-x`` along a dim."""

    def forward(self, input: Tensor) -> Tensor:
        """Apply it along the dim."""
        return F.softmax(-input, self.dim)


class Softmax2d(Module):
    """Softmax over the channels of (N, C, H, W) or (C, H, W)."""

    def forward(self, input: Tensor) -> Tensor:
        """Apply it at each pixel."""
        if input.ndim not in (3, 4):
            raise ValueError(f"Softmax2d: expects 3 or 4 dims (input.shape={input.shape})")
        return F.softmax(input, -3)
