"""Losses as modules."""

from __future__ import annotations

from ..tensor import Tensor
from . import functional as F
from .module import Module

__all__ = ["CrossEntropyLoss", "L1Loss", "MSELoss", "NLLLoss"]


class _Loss(Module):
    """What losses share: `reduction`, one of 'mean', 'sum', 'none'."""

    def __init__(self, *, reduction: str = "mean"):
        super().__init__()
        if reduction not in ("mean", "sum", "none", *self._more_reductions):
            raise ValueError(f"{self._get_name()}: reduction must be 'mean', 'sum' or 'none' (reduction={reduction!r})")
        self.reduction = reduction

    _more_reductions: tuple[str, ...] = ()


class _WeightedLoss(_Loss):
    """A loss with a factor for each class, kept as the buffer `weight`."""

    weight: Tensor | None

    def __init__(self, weight: Tensor | None = None, *, reduction: str = "mean"):
        super().__init__(reduction=reduction)
        self.register_buffer("weight", weight)


class CrossEntropyLoss(_WeightedLoss):
    """Cross-entropy between the softmax of logits and class indices or probabilities.

    Parameters
    ----------
    weight : Tensor of shape (C,), optional
    ignore_index : int
        A class index whose rows count nothing.
    reduction : {'mean', 'sum', 'none'}
    label_smoothing : float
        From 0 to 1.

    See Also
    --------
    autograd_nn.ops.loss.cross_entropy : shapes, formulas and errors.
    """

    def __init__(
        self,
        weight: Tensor | None = None,
        *,
        ignore_index: int = -100,
        reduction: str = "mean",
        label_smoothing: float = 0.0,
    ):
        super().__init__(weight, reduction=reduction)
        self.ignore_index, self.label_smoothing = ignore_index, label_smoothing

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Return the loss of logits (N, C, ...) against a target."""
        return F.cross_entropy(input, target, self.weight, ignore_index=self.ignore_index, reduction=self.reduction,
                               label_smoothing=self.label_smoothing)


class NLLLoss(_WeightedLoss):
    """Negative log-likelihood of log-probabilities, as `LogSoftmax` gives them.

    Parameters
    ----------
    weight : Tensor of shape (C,), optional
    ignore_index : int
    reduction : {'mean', 'sum', 'none'}
    """

    def __init__(self, weight: Tensor | None = None, *, ignore_index: int = -100, reduction: str = "mean"):
        super().__init__(weight, reduction=reduction)
        self.ignore_index = ignore_index

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Return the loss of log-probabilities (N, C, ...) against class indices."""
        return F.nll_loss(input, target, self.weight, ignore_index=self.ignore_index, reduction=self.reduction)


class MSELoss(_Loss):
    """Squared error, ``(input - target)**2``; nothing is broadcast."""

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Return the loss of two tensors of one shape."""
        return F.mse_loss(input, target, reduction=self.reduction)


class L1Loss(_Loss):
    """Absolute error, ``abs(input - target)``; nothing is broadcast."""

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Return the loss of two tensors of one shape."""
        return F.l1_loss(input, target, reduction=self.reduction)
