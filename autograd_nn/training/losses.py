"""Losses by name, weights of classes, and targets made to fit a loss."""

from __future__ import annotations

import copy
import difflib
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from .. import nn
from ..nn import functional as F
from ..nn import loss as modules
from ..ops.terms import divisor, note_terms
from ..tensor import Tensor
from .batches import described
from .measures import loss_kind

__all__ = ["NamedLoss", "balanced_weights", "checked_loss", "loss_names", "prepared_targets", "with_class_weight"]

_CLASSES: dict[str, Any] = {
    "cross_entropy": nn.CrossEntropyLoss,
    "nll": nn.NLLLoss,
    "bce": nn.BCELoss,
    "bce_with_logits": nn.BCEWithLogitsLoss,
    "mse": nn.MSELoss,
    "l1": nn.L1Loss,
    "smooth_l1": nn.SmoothL1Loss,
    "huber": nn.HuberLoss,
    "kl_div": nn.KLDivLoss,
    "poisson_nll": nn.PoissonNLLLoss,
    "multi_margin": nn.MultiMarginLoss,
    "soft_margin": nn.SoftMarginLoss,
    "multilabel_soft_margin": nn.MultiLabelSoftMarginLoss,
}
_ALSO = {"mae": "l1", "binary_cross_entropy": "bce", "binary_cross_entropy_with_logits": "bce_with_logits",
         "crossentropy": "cross_entropy", "mean_squared_error": "mse", "mean_absolute_error": "l1"}


def loss_names() -> list[str]:
    """Return the losses that have a name."""
    return list(_CLASSES)


class NamedLoss:
    """A loss given by name: targets are brought to the shape and type of the output where that is clear.

    Targets (N,) against outputs (N, 1) are reshaped, and integers and booleans become floating-point numbers for
    losses of numbers; int32 classes become int64.
    """

    def __init__(self, loss: Callable[..., Tensor]):
        self.loss = loss

    def __getattr__(self, name: str) -> Any:
        if name == "loss":
            raise AttributeError(name)
        return getattr(self.loss, name)

    def __call__(self, output: Any, target: Any) -> Tensor:
        if isinstance(target, np.ndarray):
            target = Tensor(target)
        if isinstance(target, Tensor) and isinstance(output, Tensor):
            kind, dtype = loss_kind(self.loss), target.dtype
            if kind == "class":
                if dtype.kind in "iub" and dtype not in (np.int64, np.uint8):
                    target = target.to(np.dtype(np.int64))
            elif kind and dtype.kind in "iub":
                target = target.to(output.dtype)
            if kind in ("logit", "probability", "number") and target.shape != output.shape and (
                    output.shape == (*target.shape, 1) or target.shape == (*output.shape, 1)):
                target = target.reshape(output.shape)
        return self.loss(output, target)


def checked_loss(loss: Any, function: str) -> Callable[..., Tensor]:
    """Return a loss that was given by name or as a function, or raise what says how to give it."""
    if isinstance(loss, str):
        key = loss.lower().removesuffix("_loss").removesuffix("loss")
        key = _ALSO.get(key, key)
        if key not in _CLASSES:
            close = difflib.get_close_matches(key, [*_CLASSES, *_ALSO], 2)
            raise ValueError(f"{function}(): loss {loss!r} is not known"
                             f"{'; did you mean ' + ' or '.join(close) + '?' if close else ''} "
                             f"(known: {', '.join(_CLASSES)}; or give a function)")
        return NamedLoss(_CLASSES[key]())
    if isinstance(loss, type):
        raise TypeError(f"{function}(): loss must be a function loss(output, target), got {described(loss)}: make it "
                        f"first, nn.{loss.__name__}()")
    if not callable(loss):
        raise TypeError(f"{function}(): loss must be a function loss(output, target), such as nn.CrossEntropyLoss(), "
                        f"or a name, such as 'cross_entropy'; got {described(loss)}")
    function_of_loss: Callable[..., Tensor] = loss
    return function_of_loss


def prepared_targets(loss: Any, dtype: np.dtype[Any]) -> Callable[[np.ndarray], np.ndarray]:
    """Return a function that gives the targets of arrays the type that a loss wants."""
    kind = loss_kind(loss)

    def prepared(array: np.ndarray) -> np.ndarray:
        if kind == "class" and array.dtype.kind in "iub":
            return array.astype(np.int64, copy=False)
        if kind in ("logit", "probability", "number") and array.dtype.kind in "iub":
            return array.astype(dtype)
        return array

    return prepared


# ------------------------------------------------------------------------------------ weights of classes


def balanced_weights(targets: np.ndarray) -> np.ndarray:
    """Return ``n / (classes * count)`` of each class, from 0 to the largest that occurs; 0 of one that does not occur.

    Parameters
    ----------
    targets : ndarray of class indices; negative ones are left out
    """
    classes = targets.reshape(-1).astype(np.int64)
    counts = np.bincount(classes[classes >= 0])
    present = counts > 0
    return np.asarray(np.divide(counts.sum(), present.sum() * counts, out=np.zeros(len(counts)), where=present))


class _BinaryWeighted(modules._Loss):
    """Binary cross-entropy with a factor for each of the two classes; 'mean' divides by the sum of the factors."""

    weights: Tensor

    def __init__(self, loss: Any, weights: Tensor):
        super().__init__(reduction=getattr(loss, "reduction", "mean"))
        self.loss = loss
        self.register_buffer("weights", weights)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Return the loss of two tensors of one shape."""
        function = (F.binary_cross_entropy if loss_kind(self.loss) == "probability"
                    else F.binary_cross_entropy_with_logits)
        keywords = {"pos_weight": self.loss.pos_weight} if getattr(self.loss, "pos_weight", None) is not None else {}
        low, high = self.weights.to(input.dtype)
        factors: Tensor = low + (high - low) * target
        losses: Tensor = function(input, target, reduction="none", **keywords) * factors
        if self.reduction == "none":
            return losses
        value: Tensor = losses.sum()
        if self.reduction == "mean":
            value = value / divisor(factors.sum())
        else:
            note_terms(self.reduction, factors)
        return value


def with_class_weight(loss: Any, class_weight: Any, targets: Callable[[], np.ndarray | None], function: str,
                      dtype: np.dtype[Any]) -> Any:
    """Return a loss whose classes are weighted.

    Parameters
    ----------
    loss : callable
        Cross-entropy, negative log-likelihood or binary cross-entropy.
    class_weight : 'balanced', mapping of class to weight, or sequence of weights
    targets : callable
        Returns all targets, for 'balanced' and to know how many classes a mapping leaves out.
    function : str
        For messages.
    dtype : dtype
        Of the weights.
    """
    inner = loss.loss if isinstance(loss, NamedLoss) else loss
    kind = loss_kind(inner)
    if kind not in ("class", "logit", "probability"):
        raise ValueError(f"{function}(): class_weight needs a loss of classes, such as 'cross_entropy' or "
                         f"'bce_with_logits'; got {described(inner)} (weigh inside your loss)")
    if getattr(inner, "weight", None) is not None:
        raise ValueError(f"{function}(): the loss has a weight already; leave class_weight out")
    if isinstance(class_weight, str):
        known = targets()
        if class_weight != "balanced":
            raise ValueError(f"{function}(): class_weight must be 'balanced', a dict or a sequence of numbers "
                             f"(class_weight={class_weight!r})")
        if known is None:
            raise ValueError(f"{function}(): class_weight='balanced' needs arrays (X, y) or a DataLoader over a "
                             "TensorDataset, to count the classes; give the weights as numbers")
        weights = balanced_weights(known)
    elif isinstance(class_weight, Mapping):
        known = targets()
        if not all(isinstance(key, int | np.integer) and key >= 0 for key in class_weight):
            raise ValueError(f"{function}(): the keys of class_weight must be class indices, got "
                             f"{described(class_weight)}")
        largest = -1 if known is None else int(known.max(initial=-1))
        size = 1 + max([*class_weight, largest, 1 if kind != "class" else 0])
        weights = np.array([float(class_weight.get(c, 1.0)) for c in range(size)])
    else:
        weights = np.asarray(class_weight.array if isinstance(class_weight, Tensor) else class_weight)
        if weights.ndim != 1 or weights.dtype.kind not in "fiu":
            raise TypeError(f"{function}(): class_weight must be 'balanced', a dict or a sequence of numbers, got "
                            f"{described(class_weight)}")
    if not np.all(np.isfinite(weights)) or np.any(weights < 0):
        raise ValueError(f"{function}(): class weights must be at least 0 and finite (class_weight={weights.tolist()})")
    tensor = Tensor(weights.astype(dtype))
    weighted: Any
    if kind == "class":
        weighted = copy.copy(inner) if isinstance(inner, modules._WeightedLoss) else (
            nn.CrossEntropyLoss() if inner is F.cross_entropy else nn.NLLLoss() if inner is F.nll_loss else None)
        if weighted is None:
            raise ValueError(f"{function}(): class_weight cannot be put into {described(inner)}; give its weight there")
        weighted = copy.deepcopy(weighted)
        weighted.register_buffer("weight", tensor)
    else:
        if len(weights) != 2:
            raise ValueError(f"{function}(): a binary loss needs two class weights, got {len(weights)}")
        weighted = _BinaryWeighted(inner, tensor)
    return NamedLoss(weighted) if isinstance(loss, NamedLoss) else weighted
