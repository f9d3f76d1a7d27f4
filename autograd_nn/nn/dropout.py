"""Layers that set elements or channels to 0 at random in training."""

from __future__ import annotations

from ..tensor import Tensor
from . import functional as F
from .module import Module, note_training

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

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn import nn
    >>> _ = ag.manual_seed(0)
    >>> layer = nn.Dropout(0.5)
    >>> sorted(set(layer(ag.ones(1000)).tolist())), layer.eval()(ag.ones(3)).tolist()
    ([0.0, 2.0], [1.0, 1.0, 1.0])
    """

    def forward(self, input: Tensor) -> Tensor:
        """Apply it to all elements."""
        note_training(self)
        return F.dropout(input, self.p, self.training, self.inplace)


class Dropout1d(_Dropout):
    """Set whole channels of (N, C, L) or (C, L) to 0; see `Dropout`.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn import nn
    >>> y = nn.Dropout1d(0.5)(ag.ones(1, 6, 4))  # a channel is kept whole or dropped whole
    >>> set(y.sum(2)[0].tolist()) <= {0.0, 8.0}
    True
    """

    def forward(self, input: Tensor) -> Tensor:
        """Apply it to the channels."""
        note_training(self)
        return F.dropout1d(input, self.p, self.training, self.inplace)


class Dropout2d(_Dropout):
    """Set whole channels of (N, C, H, W) or (C, H, W) to 0; see `Dropout`.

    References
    ----------
    J. Tompson et al., "Efficient object localization using convolutional networks", 2014, arXiv:1411.4280.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn import nn
    >>> y = nn.Dropout2d(0.5)(ag.ones(1, 6, 2, 2))  # a channel is kept whole or dropped whole
    >>> set(y.sum((2, 3))[0].tolist()) <= {0.0, 8.0}
    True
    """

    def forward(self, input: Tensor) -> Tensor:
        """Apply it to the channels."""
        note_training(self)
        return F.dropout2d(input, self.p, self.training, self.inplace)


class Dropout3d(_Dropout):
    """Set whole channels of (N, C, D, H, W) or (C, D, H, W) to 0; see `Dropout`.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn import nn
    >>> nn.Dropout3d(0.5).eval()(ag.ones(1, 2, 2, 2, 2)).sum().item()
    16.0
    """

    def forward(self, input: Tensor) -> Tensor:
        """Apply it to the channels."""
        note_training(self)
        return F.dropout3d(input, self.p, self.training, self.inplace)


class AlphaDropout(_Dropout):
    """Set elements to the lower limit of `SELU` at random, keeping mean 0 and variance 1.

    References
    ----------
    G. Klambauer et al., "Self-normalizing neural networks", 2017, arXiv:1706.02515.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn import nn
    >>> nn.AlphaDropout(0.2).eval()(ag.tensor([1.0, -1.0]))
    tensor([ 1., -1.])
    """

    def forward(self, input: Tensor) -> Tensor:
        """Apply it to all elements."""
        note_training(self)
        return F.alpha_dropout(input, self.p, self.training, self.inplace)
