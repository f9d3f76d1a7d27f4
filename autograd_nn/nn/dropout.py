"""Layers that set elements or channels to 0 at random in training."""

from __future__ import annotations

from ..tensor import Tensor
from . import functional as F
from .module import Module

__all__ = ["AlphaDropout", "Dropout", "Dropout1d", "Dropout2d", "Dropout3d"]


class _Dropout(Module):
    """What the dropout layers share: the probability `p`, and `inplace`."""

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


class Dropout1d(_Dropout):
    """Set whole channels of (N, C, L) or (C, L) to 0; see `Dropout`."""

    def forward(self, input: Tensor) -> Tensor:
        """Apply it to the channels."""
        return F.dropout1d(input, self.p, self.training, self.inplace)


class Dropout2d(_Dropout):
    """Set whole channels of (N, C, H, W) or (C, H, W) to 0; see `Dropout`.

    References
    ----------
    J. Tompson et al., "Efficient object localization using convolutional networks", 2014, arXiv:1411.4280.
    """

    def forward(self, input: Tensor) -> Tensor:
        """Apply it to the channels."""
        return F.dropout2d(input, self.p, self.training, self.inplace)


class Dropout3d(_Dropout):
    """Set whole channels of (N, C, D, H, W) or (C, D, H, W) to 0; see `Dropout`."""

    def forward(self, input: Tensor) -> Tensor:
        """Apply it to the channels."""
        return F.dropout3d(input, self.p, self.training, self.inplace)


class AlphaDropout(_Dropout):
    """Set elements to the lower limit of `SELU` at random, keeping mean 0 and variance 1.

    References
    ----------
    G. Klambauer et al., "Self-normalizing neural networks", 2017, arXiv:1706.02515.
    """

    def forward(self, input: Tensor) -> Tensor:
        """Apply it to all elements."""
        return F.alpha_dropout(input, self.p, self.training, self.inplace)
