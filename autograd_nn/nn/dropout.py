"""Layers that set elements or channels to 0 at random in training."""

from __future__ import annotations

from ..tensor import Tensor
from . import functional as F
from .module import Module

__all__ = ["Dropout"]


class _Dropout(Module):
    """What the dropout layers share: the probability `p` of 0, and `inplace`."""

    def __init__(self, p: float = 0.5, inplace: bool = False):
        super().__init__()
        if not 0 <= p <= 1:
            raise ValueError(f"{self._get_name()}: p must be from 0 to 1 (p={p})")
        self.p, self.inplace = p, inplace

    def extra_repr(self) -> str:
        """Return the settings."""
        return f"p={self.p}, inplace={self.inplace}"


class Dropout(_Dropout):
    """Set each element to 0 with probability `p` and divide the others by ``1 - p``; the identity after `eval`.

    References
    ----------
    N. Srivastava et al., "Dropout: a simple way to prevent neural networks from overfitting", JMLR 15 (2014) 1929-1958.
    """

    def forward(self, input: Tensor) -> Tensor:
        """Apply it to all elements."""
        return F.dropout(input, self.p, self.training, self.inplace)
