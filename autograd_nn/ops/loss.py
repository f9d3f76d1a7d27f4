"""Losses. What a loss compares must agree in shape: nothing is broadcast."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ..engine import Variable, common_dtype, effect, elementwise, primitive
from ..kernels import loss as kernels
from ..kernels import operations as passes
from ..typing import Array, Operand, Shape, Tensor
from .activation import logsigmoid, softplus
from .distance import cosine_similarity, pairwise_distance
from .elementwise import (
    _keep,
    _within,
    abs,
    add,
    clamp,
    div,
    eq,
    exp,
    ge,
    gt,
    log,
    logical_and,
    minimum,
    mul,
    neg,
    ones_like,
    relu,
    sigmoid,
    sign,
    square,
    sub,
    where,
    zeros_like,
)
from .index import take_along_dim
from .reduce import log_softmax, mean, sum
from .shape import permute, reshape, to_dtype, unsqueeze
from .terms import divisor, note_terms

__all__ = [
    "binary_cross_entropy", "binary_cross_entropy_with_logits", "cosine_embedding_loss", "cross_entropy",
    "gaussian_nll_loss", "hinge_embedding_loss", "huber_loss", "kl_div", "l1_loss", "margin_ranking_loss",
    "mse_loss", "multi_margin_loss", "multilabel_margin_loss", "multilabel_soft_margin_loss", "nll_loss",
    "poisson_nll_loss", "smooth_l1_loss", "soft_margin_loss", "triplet_margin_loss",
    "triplet_margin_with_distance_loss",
]  # fmt: skip

# ------------------------------------------------------------------------------------ classification


@primitive(results="losses logsumexp")
def _cross_entropy_rows(logits: Array, target: Array) -> tuple[Array, Array]:
    """Return ``logsumexp(logits[m]) - logits[m, target[m]]`` of a row (0 where target < 0), and the first."""
    return kernels.cross_entropy(logits, target)


@primitive
def _cross_entropy_rows_input(g: Array, logits: Array, target: Array, logsumexp: Array) -> Array:
    return kernels.cross_entropy_input(g, logits, target, logsumexp)


@primitive
def _one_hot_rows(g: Array, target: Array, *, classes: int) -> Array:
    out = np.zeros((len(target), classes), g.dtype)
    rows = np.flatnonzero(target >= 0)
    out[rows, target[rows]] = g[rows]
    return out


@primitive
def _pick_rows(x: Array, target: Array) -> Array:
    """Return ``x[m, target[m]]`` of each row; 0 where the target is negative."""
    rows = np.flatnonzero(target >= 0)
    out = np.zeros(len(target), x.dtype)
    out[rows] = x[rows, target[rows]]
    return out


_one_hot_rows.defvjp(g=lambda h, target: _pick_rows(h, target))
_pick_rows.defvjp(x=lambda g, x_like, target: _one_hot_rows(g, target, classes=x_like.shape[1]))

_cross_entropy_rows.defvjp(
    logits=lambda g, logits, target, logsumexp: _cross_entropy_rows_input(g, logits, target, logsumexp)
)


def _probabilities(logits: Tensor, target: Tensor) -> Tensor:
    """Return softmax(logits), with rows of 0 where the target is negative."""
    return mul(exp(log_softmax(logits, 1)), unsqueeze(ge(target, 0), 1))


def _second_order(h: Tensor, g: Tensor, logits: Tensor, target: Tensor) -> Tensor:
    weighted = mul(h, unsqueeze(g, 1))
    p = _probabilities(logits, target)
    return mul(p, sub(weighted, sum(mul(p, weighted), 1, keepdim=True)))


_cross_entropy_rows_input.defvjp(
    g=lambda h, logits, target: sub(
        sum(mul(h, _probabilities(logits, target)), 1), _pick_rows(h, target)
    ),
    logits=lambda h, g, logits, target: _second_order(h, g, logits, target),
)


def _reduced(losses: Tensor, reduction: str, operation: str) -> Tensor:
    note_terms(reduction, losses.array.size)
    if reduction == "mean":
        return mean(losses)
    if reduction == "sum":
        return sum(losses)
    if reduction == "none":
        return losses
    raise ValueError(f"{operation}(): reduction must be 'mean', 'sum' or 'none' (reduction={reduction!r})")


@primitive
def _class_indices(target: Array, *, classes: int, ignore_index: int, operation: str) -> Array:
    """Return class indices, flat and as int64, -1 where they are ignored; raise where one is out of range."""
    if target.dtype not in (np.int64, np.uint8):
        raise RuntimeError(f"{operation}(): class indices must be int64 or uint8 (dtype={target.dtype}); convert with "
                           ".long()")
    target = target.reshape(-1).astype(np.int64, copy=False)
    ignored = 0 <= ignore_index < classes and bool((target == ignore_index).any())
    if target.size and not ignored and target.view(np.uint64).max() < classes:  # negatives are huge there
        return target
    keep = target != ignore_index
    wrong = keep & ((target < 0) | (target >= classes))
    if wrong.any():
        first = int(np.flatnonzero(wrong)[0])
        counted = target[keep].min() > 0 and target[keep].max() == classes
        raise IndexError(f"{operation}(): target {int(target[first])} is out of range for {classes} classes (at flat "
                         f"index {first})" + ("; classes count from 0: use target - 1" if counted else ""))
    return np.where(keep, target, -1)


@primitive
def _class_factors(indices: Array, weight: Array | None, *, dtype: np.dtype[Any]) -> Array:
    """Return the weight of each row's class (1 without weights), 0 for rows that are ignored."""
    factors = (indices >= 0).astype(dtype)
    if weight is None:
        return factors
    weight = weight if weight.dtype.kind == "f" else weight.astype(dtype)  # whole numbers do not widen float32
    return factors * weight[np.maximum(indices, 0)]


def _rows(input: Tensor, target_shape: Shape, operation: str) -> Tensor:
    """Return logits of shape (C,), (N, C) or (N, C, d1, ...) as rows (M, C), having checked the target's shape."""
    if input.ndim == 0:
        raise RuntimeError(f"{operation}(): expects at least one dim, the classes (input.shape={input.shape})")
    expected = () if input.ndim == 1 else (input.array.shape[0], *input.array.shape[2:])
    if target_shape != expected:
        hint = ""
        if target_shape == (*expected[:1], 1, *expected[1:]):
            hint = "; use target.squeeze(1)"
        elif target_shape == input.array.shape:
            hint = f"; of one-hot rows use target.argmax({min(1, input.ndim - 1)})" + (
                ", or target.float() for probabilities" if operation == "cross_entropy" else "")
        raise RuntimeError(f"{operation}(): class indices for input of shape {input.shape} must have shape {expected} "
                           f"(target.shape={target_shape}){hint}")
    if input.ndim == 2:
        return input
    if input.ndim == 1:
        return reshape(input, (1, input.array.shape[0]))
    return reshape(permute(input, (0, *range(2, input.ndim), 1)), (int(np.prod(expected)), input.array.shape[1]))


def _class_weight(weight: Tensor | None, input: Tensor, operation: str) -> Tensor | None:
    if weight is not None and weight.array.shape != (input.array.shape[1] if input.ndim > 1 else input.shape[0],):
        raise RuntimeError(f"{operation}(): weight needs one entry per class (weight.shape={weight.shape}, "
                           f"input.shape={input.shape})")
    return weight


def _weighted(
    losses: Tensor, weight: Tensor | None, indices: Tensor, reduction: str, shape: Shape, operation: str
) -> Tensor:
    """Weigh the losses of rows by their class, and reduce; rows that are ignored have a loss of 0 and count nothing."""
    factors = None
    if weight is not None or reduction == "mean":
        factors = _class_factors(indices, weight, dtype=losses.dtype)
    if weight is not None:
        losses = mul(losses, factors)
    if factors is not None and reduction == "mean":
        return _quotient(losses, factors)
    return _reduced(losses if reduction == "sum" else reshape(losses, shape), reduction, operation)


def _quotient(losses: Tensor, weights: Tensor) -> Tensor:
    """Return the sum of losses by that of weights; of float16 in float32, as neither sum need fit."""
    if losses.dtype != np.float16:
        return div(sum(losses), divisor(sum(weights)))
    return to_dtype(div(sum(to_dtype(losses, np.float32)), divisor(sum(to_dtype(weights, np.float32)))), np.float16)


def _target(target: Any, operation: str) -> Array:
    """Return the array of a target, having checked that it holds numbers."""
    array = target.array if isinstance(target, Variable) else np.asarray(target)
    if array.dtype.kind not in "fiub":
        raise TypeError(f"{operation}(): target must be a tensor of class indices or probabilities "
                        f"(target={target!r:.60})")
    return array


def nll_loss(
    input: Tensor,
    target: Tensor | Array,
    weight: Tensor | None = None,
    *,
    ignore_index: int = -100,
    reduction: str = "mean",
) -> Tensor:
    """Negative log-likelihood, ``-input[n, target[n]]`` of log-probabilities `input`.

    Parameters
    ----------
    input : Tensor of shape (N, C), (C,) or (N, C, d1, ...)
        Log-probabilities, as `log_softmax` gives them.
    target, weight, ignore_index, reduction
        As for `cross_entropy` with class indices.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn.nn import functional as F
    >>> F.nll_loss(ag.tensor([[0.25, 0.75]]).log(), ag.tensor([1]))
    tensor(0.2877)
    """
    target_array = _target(target, "nll_loss")
    rows = _rows(input, target_array.shape, "nll_loss")
    weight = _class_weight(weight, input, "nll_loss")
    indices = _class_indices(target, classes=rows.array.shape[1], ignore_index=ignore_index, operation="nll_loss")
    losses = neg(_pick_rows(rows, indices))
    return _weighted(losses, weight, indices, reduction, target_array.shape, "nll_loss")


def cross_entropy(
    input: Tensor,
    target: Tensor | Array,
    weight: Tensor | None = None,
    *,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """Cross-entropy between the softmax of logits and a target class or distribution.

    With class indices ``l[n] = -log softmax(input[n])[target[n]]``; with probabilities
    ``l[n] = -sum_c target[n, c] log softmax(input[n])[c]``.

    Parameters
    ----------
    input : Tensor of shape (N, C), (C,) or (N, C, d1, ...)
        Logits: not yet normalised, no softmax applied.
    target : Tensor
        Class indices (int64 or uint8) of shape (N,), () or (N, d1, ...), or probabilities of the shape and dtype of
        `input`.
    weight : Tensor of shape (C,), optional
        A factor for each class.
    ignore_index : int
        A class index whose rows count nothing (class indices only).
    reduction : {'mean', 'sum', 'none'}
        'mean' divides by the sum of the weights of the rows that count; with probabilities, by N.
    label_smoothing : float
        From 0 to 1: the target is mixed with the uniform distribution in this proportion (Szegedy et al. 2016,
        arXiv:1512.00567).

    Returns
    -------
    Tensor
        0-d, or of the shape of the class indices for 'none'. The mean over no rows is NaN.
    """
    label_smoothing = float(label_smoothing)
    if not 0 <= label_smoothing <= 1:
        raise ValueError(f"cross_entropy(): label_smoothing must be from 0 to 1 (label_smoothing={label_smoothing})")
    if input.dtype.kind != "f":
        raise RuntimeError(f"cross_entropy(): logits must be floating-point (dtype={input.dtype})")
    weight = _class_weight(weight, input, "cross_entropy")
    target_array = _target(target, "cross_entropy")
    if target_array.dtype.kind == "f":
        return _distribution_cross_entropy(input, target, weight, reduction, label_smoothing)
    rows = _rows(input, target_array.shape, "cross_entropy")
    indices = _class_indices(target, classes=rows.array.shape[1], ignore_index=ignore_index, operation="cross_entropy")
    losses, _ = _cross_entropy_rows(rows, indices)
    hard = _weighted(losses, weight, indices, reduction, target_array.shape, "cross_entropy")
    if not label_smoothing:
        return hard
    smooth = _smooth(rows, weight, indices, reduction, target_array.shape)
    return hard * (1 - label_smoothing) + smooth * label_smoothing


def _smooth(rows: Tensor, weight: Tensor | None, indices: Tensor, reduction: str, shape: Shape) -> Tensor:
    """Return the cross-entropy against the uniform distribution, reduced as the class-index loss is."""
    logp = log_softmax(rows, 1)
    if weight is not None:
        logp = mul(logp, weight)
    losses = mul(sum(logp, 1), -1 / rows.array.shape[1])
    losses = where(ge(indices, 0), losses, 0.0)
    if reduction == "mean":
        return _quotient(losses, _class_factors(indices, weight, dtype=rows.dtype))
    return _reduced(losses if reduction == "sum" else reshape(losses, shape), reduction, "cross_entropy")


def _distribution_cross_entropy(
    input: Tensor, target: Tensor | Array, weight: Tensor | None, reduction: str, label_smoothing: float
) -> Tensor:
    if target.shape != input.array.shape:
        indices = () if input.ndim == 1 else (input.array.shape[0], *input.shape[2:])
        cures = {indices: "target.long()", (*indices[:1], 1, *indices[1:]): "target.squeeze(1).long()"}
        if target.shape in cures:
            raise RuntimeError(f"cross_entropy(): class indices must be integers (target is {target.dtype} "
                               f"{target.shape}); use {cures[target.shape]}")
        raise RuntimeError(f"cross_entropy(): probabilities must have the shape of the logits "
                           f"(input.shape={input.shape}, target.shape={target.shape})")
    dim = 0 if input.ndim == 1 else 1
    if label_smoothing:
        target = target * (1 - label_smoothing) + label_smoothing / input.array.shape[dim]
    logp = log_softmax(input, dim)
    if weight is not None:
        logp = logp * weight.reshape([-1 if i == dim else 1 for i in range(input.ndim)])
    if not (isinstance(target, Variable) and target.requires_grad):  # 0 times the logarithm of 0 is 0
        logp = where(eq(target, 0), 0.0, logp)
    losses = neg(sum(mul(logp, target), dim))
    return _reduced(losses, reduction, "cross_entropy")


# ------------------------------------------------------------------------------------ regression


def check_same_shape(input: Tensor, target: Tensor, operation: str) -> None:
    """Raise where prediction and target differ in shape: broadcasting in a loss is nearly always a mistake."""
    if input.array.shape != target.array.shape:
        raise RuntimeError(f"{operation}(): prediction and target must have one shape (input.shape={input.shape}, "
                           f"target.shape={target.shape}); "
                           "use .reshape() or .squeeze()")


def _weighed(losses: Tensor, weight: Tensor | None, operation: str) -> Tensor:
    """Return losses times the weights of the elements, where there are any."""
    if weight is None:
        return losses
    if weight.array.shape != losses.array.shape:
        raise RuntimeError(f"{operation}(): weight must have the shape of the input (weight.shape={weight.shape}, "
                           f"input.shape={losses.shape})")
    return mul(losses, weight)


def _weighted_mean(losses: Tensor, weight: Tensor | None, reduction: str, operation: str) -> Tensor:
    """Weigh losses element by element, and reduce; the mean divides by the sum of the weights."""
    losses = _weighed(losses, weight, operation)
    if weight is not None and reduction == "mean":
        return _quotient(losses, weight)
    return _reduced(losses, reduction, operation)


@effect
def _check_probabilities(input: Tensor) -> None:
    if input.array.size and not (input.array.min() >= 0 and input.array.max() <= 1):
        raise RuntimeError(f"binary_cross_entropy(): probabilities must be from 0 to 1 (smallest {input.array.min()}, "
                           f"largest {input.array.max()}); "
                           "logits are for binary_cross_entropy_with_logits()")


@effect
def _check_labels(labels: Tensor, classes: int) -> None:
    array = labels.array
    if array.dtype.kind not in "iu" or (array.size and not -1 <= array.min() <= array.max() < classes):
        raise RuntimeError(f"multilabel_margin_loss(): targets must be integers from -1 to {classes - 1} "
                           f"(target.dtype={array.dtype}, target={array.tolist()})")


@effect
def _check_variance(var: Tensor) -> None:
    if (var.array < 0).any():
        raise ValueError(f"gaussian_nll_loss(): var must not be negative (smallest {var.array.min()})")


# What an elementwise loss is, and what its gradients are multiplied by: `slope` is the derivative in the target, and
# `bend` and `twist` are those of the derivative in the input, in the input and in the target.


class _Elementwise(NamedTuple):
    name: str  # of the pass in `kernels.operations`
    slope: Callable[..., Tensor]
    bend: Callable[..., Tensor]
    twist: Callable[..., Tensor]

    @property
    def kernel(self) -> Any:
        return getattr(passes, self.name)


def _nothing(x: Tensor, y: Tensor, delta: float) -> Tensor:
    return zeros_like(x)


def _within_delta(x: Tensor, y: Tensor, delta: float) -> Tensor:
    return to_dtype(_within(sub(x, y), low=-delta, high=delta, inclusive=True), x.dtype)


def _bce_bend(x: Tensor, y: Tensor, delta: float) -> Tensor:
    spread = clamp(mul(sub(1, x), x), min=1e-12)
    return div(sub(spread, mul(sub(x, y), sub(1, mul(x, 2)))), square(spread))


def _logistic_bend(x: Tensor, y: Tensor, delta: float) -> Tensor:
    s = sigmoid(x)
    return mul(s, sub(1, s))


ELEMENTWISE = {
    "mse": _Elementwise(
        "MSE", lambda x, y, delta: mul(sub(y, x), 2.0), lambda x, y, delta: mul(ones_like(x), 2.0),
        lambda x, y, delta: mul(ones_like(x), -2.0),
    ),
    "l1": _Elementwise("L1", lambda x, y, delta: sign(sub(y, x)), _nothing, _nothing),
    "huber": _Elementwise(
        "HUBER", lambda x, y, delta: clamp(sub(y, x), -delta, delta), _within_delta,
        lambda x, y, delta: neg(_within_delta(x, y, delta)),
    ),
    "bce": _Elementwise(
        "BCE", lambda x, y, delta: sub(_log_from(sub(1, x)), _log_from(x)), _bce_bend,
        lambda x, y, delta: div(-1.0, clamp(mul(sub(1, x), x), min=1e-12)),
    ),
    "bce_with_logits": _Elementwise(
        "BCE_WITH_LOGITS", lambda x, y, delta: neg(x), _logistic_bend,
        lambda x, y, delta: mul(ones_like(x), -1.0),
    ),
    "kl_div": _Elementwise(
        "KL_DIV", lambda x, y, delta: sub(add(log(y), 1), x), _nothing,
        lambda x, y, delta: mul(ones_like(x), -1.0),
    ),
}  # fmt: skip


@primitive
def _elementwise_loss(
    input: Array, target: Array, *, loss: str, summed: bool, share: float, delta: float = 0.0
) -> Array:
    """Return `share` times a loss of each element, or times the sum over all (in double precision, in one order)."""
    kernel = ELEMENTWISE[loss].kernel
    numbers = (delta, 1.0) if loss == "huber" else ()
    if summed:
        return np.asarray(kernel.sum(input, target, numbers=numbers) * share, input.dtype)
    out: Array = kernel(input, target, numbers=numbers)
    return out if share == 1 else out * out.dtype.type(share)


@primitive
def _elementwise_loss_input(
    g: Array, input: Array, target: Array, *, loss: str, share: float, delta: float = 0.0
) -> Array:
    """Return the gradient of `_elementwise_loss` in the input; `g` is 0-d where the loss was summed."""
    kernel = ELEMENTWISE[loss].kernel
    if loss == "kl_div":
        return np.broadcast_to(kernel.gradient(g, target, numbers=(share,)), input.shape)
    out: Array = kernel.gradient(g, input, target, numbers=(delta, share) if loss == "huber" else (share,))
    return out


def _loss_times(factor: str) -> Callable[..., Tensor]:
    """Return the rule that multiplies `g` by one of the factors of a loss."""

    def rule(g: Tensor, input: Tensor, target: Tensor, loss: str, share: float, delta: float) -> Tensor:
        return mul(mul(g, share), getattr(ELEMENTWISE[loss], factor)(input, target, delta))

    return rule


def _loss_again(factor: str) -> Callable[..., Tensor]:
    rule = _loss_times(factor)
    return lambda h, g, input, target, loss, share, delta: mul(h, rule(g, input, target, loss, share, delta))


_elementwise_loss.defvjp(
    input=lambda g, input, target, loss, share, delta: _elementwise_loss_input(
        g, input, target, loss=loss, share=share, delta=delta
    ),
    target=_loss_times("slope"),
)
_elementwise_loss_input.defvjp(
    g=lambda h, g_like, input, target, loss, share, delta: _elementwise_loss_input(
        h, input, target, loss=loss, share=share, delta=delta
    ).sum_to_size(g_like.shape),
    input=_loss_again("bend"),
    target=_loss_again("twist"),
)


def _loss(
    loss: str, input: Tensor, target: Tensor, reduction: str, operation: str, *, delta: float = 0.0, scale: float = 1.0,
    count: int | None = None,
) -> Tensor:  # fmt: skip
    """Return an elementwise loss, reduced in the same pass; 'mean' divides by `count`, the number of elements."""
    if input.dtype.kind != "f" or input.dtype != target.dtype:
        dtype = common_dtype([input.array, target.array], True)
        input, target = to_dtype(input, dtype), to_dtype(target, dtype)
    count = input.array.size if count is None else count
    note_terms(reduction, count)
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f"{operation}(): reduction must be 'mean', 'sum' or 'none' (reduction={reduction!r})")
    scale = float(scale)  # a NumPy scalar of few digits would give its own to the loss
    share = scale if reduction != "mean" else scale / count if count else math.nan
    return _elementwise_loss(input, target, loss=loss, summed=reduction != "none", share=share, delta=float(delta))


def mse_loss(input: Tensor, target: Tensor, *, reduction: str = "mean", weight: Tensor | None = None) -> Tensor:
    """Squared error, ``(input - target)**2``.

    Parameters
    ----------
    input, target : Tensor of one shape
    reduction : {'mean', 'sum', 'none'}
        'mean' divides by the sum of the weights, where they are given.
    weight : Tensor of the shape of `input`, optional
        A factor for each element.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn.nn import functional as F
    >>> F.mse_loss(ag.tensor([1.0, 2.0]), ag.tensor([0.0, 4.0]))
    tensor(2.5)
    """
    check_same_shape(input, target, "mse_loss")
    if weight is None:
        return _loss("mse", input, target, reduction, "mse_loss")
    return _weighted_mean(square(sub(input, target)), weight, reduction, "mse_loss")


def l1_loss(input: Tensor, target: Tensor, *, reduction: str = "mean", weight: Tensor | None = None) -> Tensor:
    """Absolute error, ``abs(input - target)``; its derivative at 0 is 0. Parameters as for `mse_loss`.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn.nn import functional as F
    >>> F.l1_loss(ag.tensor([1.0, 2.0]), ag.tensor([0.0, 4.0]))
    tensor(1.5)
    """
    check_same_shape(input, target, "l1_loss")
    if weight is None:
        return _loss("l1", input, target, reduction, "l1_loss")
    return _weighted_mean(abs(sub(input, target)), weight, reduction, "l1_loss")


def huber_loss(
    input: Tensor, target: Tensor, reduction: str = "mean", delta: float = 1.0, weight: Tensor | None = None
) -> Tensor:
    """Squared error near 0, absolute beyond: ``d**2 / 2`` where ``abs(d) < delta``, else
    ``delta * (abs(d) - delta / 2)``.

    Parameters are those of `mse_loss`, but 'mean' divides by the number of elements, with weights too.

    References
    ----------
    P. Huber, "Robust estimation of a location parameter", Annals of Mathematical Statistics 35 (1964) 73-101.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn.nn import functional as F
    >>> F.huber_loss(ag.tensor([0.5, 3.0]), ag.zeros(2))
    tensor(1.3125)
    """
    check_same_shape(input, target, "huber_loss")
    if delta <= 0:
        raise ValueError(f"huber_loss(): delta must be positive (delta={delta})")
    if weight is None:
        return _loss("huber", input, target, reduction, "huber_loss", delta=delta)
    losses = _loss("huber", input, target, "none", "huber_loss", delta=delta)
    return _reduced(_weighed(losses, weight, "huber_loss"), reduction, "huber_loss")


def smooth_l1_loss(input: Tensor, target: Tensor, *, reduction: str = "mean", beta: float = 1.0) -> Tensor:
    """`huber_loss` with ``delta=beta`` divided by `beta`.

    For ``beta=0`` the `l1_loss` (Girshick 2015, arXiv:1504.08083).

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn.nn import functional as F
    >>> F.smooth_l1_loss(ag.tensor([0.5, 3.0]), ag.zeros(2))
    tensor(1.3125)
    """
    check_same_shape(input, target, "smooth_l1_loss")
    beta = float(beta)
    if beta < 0:
        raise ValueError(f"smooth_l1_loss(): beta must not be negative (beta={beta})")
    if not beta:
        return _loss("l1", input, target, reduction, "smooth_l1_loss")
    return _loss("huber", input, target, reduction, "smooth_l1_loss", delta=beta, scale=1 / beta)


# ------------------------------------------------------------------------------------ probabilities


def binary_cross_entropy(
    input: Tensor, target: Tensor, weight: Tensor | None = None, *, reduction: str = "mean"
) -> Tensor:
    """Cross-entropy of probabilities, ``-(target * log(input) + (1 - target) * log(1 - input))``.

    Each logarithm is at least -100.

    Parameters
    ----------
    input : Tensor
        Probabilities, from 0 to 1; for logits use `binary_cross_entropy_with_logits`.
    target : Tensor of the shape of `input`, from 0 to 1
    weight : Tensor, optional
        A factor for each element, broadcast against `input`.
    reduction : {'mean', 'sum', 'none'}

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn.nn import functional as F
    >>> F.binary_cross_entropy(ag.tensor([0.9, 0.2]), ag.tensor([1.0, 0.0]))
    tensor(0.1643)
    """
    check_same_shape(input, target, "binary_cross_entropy")
    _check_probabilities(input)
    if weight is None:
        return _loss("bce", input, target, reduction, "binary_cross_entropy")
    losses = _loss("bce", input, target, "none", "binary_cross_entropy")
    return _reduced(mul(losses, weight), reduction, "binary_cross_entropy")


@primitive
def _log_from(x: Array) -> Array:
    """Return ``max(log(x), -100)``."""
    with np.errstate(divide="ignore"):
        return np.maximum(np.log(x), -100)


_log_from.defvjp(x=lambda g, x: div(g, clamp(x, min=1e-12)))


def binary_cross_entropy_with_logits(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    *,
    reduction: str = "mean",
    pos_weight: Tensor | None = None,
) -> Tensor:
    """Cross-entropy of ``sigmoid(input)``, ``(1 - target) * input + log(1 + exp(-input))``, which never overflows.

    Parameters
    ----------
    input : Tensor
        Logits.
    target : Tensor of the shape of `input`, from 0 to 1
    weight : Tensor, optional
        A factor for each element, broadcast against `input`.
    reduction : {'mean', 'sum', 'none'}
    pos_weight : Tensor, optional
        A factor for the positive part, broadcast against `input` (one entry per class).

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn.nn import functional as F
    >>> F.binary_cross_entropy_with_logits(ag.tensor([2.0]), ag.tensor([1.0]))
    tensor(0.1269)
    """
    check_same_shape(input, target, "binary_cross_entropy_with_logits")
    if pos_weight is None:
        at_once = reduction if weight is None else "none"
        losses = _loss("bce_with_logits", input, target, at_once, "binary_cross_entropy_with_logits")
        if weight is None:
            return losses
    else:
        factor = add(mul(sub(pos_weight, 1), target), 1)
        losses = sub(mul(sub(1, target), input), mul(logsigmoid(input), factor))
    return _reduced(losses if weight is None else mul(losses, weight), reduction, "binary_cross_entropy_with_logits")


def kl_div(input: Tensor, target: Tensor, *, reduction: str = "mean", log_target: bool = False) -> Tensor:
    """Kullback-Leibler divergence from log-probabilities `input` to `target`, ``target * (log(target) - input)``.

    Parameters
    ----------
    input : Tensor
        Log-probabilities.
    target : Tensor of the shape of `input`
        Probabilities (those that are 0 count nothing), or log-probabilities with `log_target`.
    reduction : {'mean', 'batchmean', 'sum', 'none'}
        'batchmean', the divergence itself, divides the sum by the size of dim 0; 'mean' by the number of elements.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn.nn import functional as F
    >>> F.kl_div(ag.tensor([[0.9, 0.1]]).log(), ag.tensor([[0.5, 0.5]]), reduction="batchmean")
    tensor(0.5108)
    """
    check_same_shape(input, target, "kl_div")
    if not log_target:
        if reduction == "batchmean":
            return _loss("kl_div", input, target, "mean", "kl_div", count=input.array.shape[0] if input.ndim else 1)
        return _loss("kl_div", input, target, reduction, "kl_div")
    losses = mul(exp(target), sub(target, input))
    if reduction == "batchmean":
        note_terms("mean", input.array.shape[0] if input.ndim else 1)
        rows = float(input.array.shape[0] if input.ndim else 1)
        if losses.dtype == np.float16:  # the sum need not fit
            return to_dtype(div(sum(to_dtype(losses, np.float32)), rows), np.float16)
        return div(sum(losses), rows)
    return _reduced(losses, reduction, "kl_div")


@elementwise
def _at_least(x: Operand, low: Operand) -> Array:
    return np.maximum(x, low)


_at_least.defvjp(x=lambda g: g)  # the clamp of a variance is not differentiated


def gaussian_nll_loss(
    input: Tensor, target: Tensor, var: Tensor | float, full: bool = False, eps: float = 1e-6, reduction: str = "mean"
) -> Tensor:
    """Negative log-likelihood of normal distributions, ``(log(var) + (input - target)**2 / var) / 2`` with var at least
    `eps`.

    The clamp of the variance is not differentiated. `full` adds the constant ``log(2 pi) / 2``.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn.nn import functional as F
    >>> F.gaussian_nll_loss(ag.tensor([1.0]), ag.tensor([3.0]), ag.tensor([4.0]))
    tensor(1.1931)
    """
    check_same_shape(input, target, "gaussian_nll_loss")
    var = mul(ones_like(input), var) if isinstance(var, int | float) else var
    _check_variance(var)
    if var.array.shape != input.array.shape:
        if var.array.shape == input.shape[:-1]:  # one variance for the last dim of each sample
            var = unsqueeze(var, -1)
        elif var.ndim != input.ndim or any(n not in (1, m) for n, m in zip(var.array.shape, input.shape)):
            raise ValueError("gaussian_nll_loss(): var must have the shape of the input, 1 in a dim, or no last dim "
                             f"(var.shape={var.shape}, input.shape={input.shape})")
    var = _at_least(var, eps)
    losses = mul(add(log(var), div(square(sub(input, target)), var)), 0.5)
    return _reduced(add(losses, 0.5 * math.log(2 * math.pi)) if full else losses, reduction, "gaussian_nll_loss")


def poisson_nll_loss(
    input: Tensor,
    target: Tensor,
    log_input: bool = True,
    full: bool = False,
    *,
    eps: float = 1e-8,
    reduction: str = "mean",
) -> Tensor:
    """Negative log-likelihood of Poisson distributions, ``exp(input) - target * input``.

    Without `log_input`, ``input - target * log(input + eps)``. `full` adds Stirling's approximation of ``log(target!)``
    for targets above 1.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn.nn import functional as F
    >>> F.poisson_nll_loss(ag.tensor([0.0]), ag.tensor([1.0]))
    tensor(1.)
    """
    check_same_shape(input, target, "poisson_nll_loss")
    losses = sub(exp(input), mul(target, input)) if log_input else sub(input, mul(target, log(add(input, eps))))
    if full:
        t = where(gt(target, 1), target, 1.0)
        stirling = add(sub(mul(t, log(t)), t), mul(log(mul(t, 2 * math.pi)), 0.5))
        losses = add(losses, where(gt(target, 1), stirling, 0.0))
    return _reduced(losses, reduction, "poisson_nll_loss")


# ------------------------------------------------------------------------------------ margins


@primitive
def _hinge(x: Array) -> Array:
    return np.maximum(x, 0)


_hinge.defvjp(x=lambda g, x: _keep(g, _within(x, low=0, high=None, inclusive=True)))


def hinge_embedding_loss(input: Tensor, target: Tensor, margin: float = 1.0, *, reduction: str = "mean") -> Tensor:
    """`input` where the target is 1, ``max(margin - input, 0)`` where it is -1 (with derivative -1 at the kink).

    Where the target is neither, both are added.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn.nn import functional as F
    >>> F.hinge_embedding_loss(ag.tensor([0.5, 0.5]), ag.tensor([1.0, -1.0]))
    tensor(0.5)
    """
    check_same_shape(input, target, "hinge_embedding_loss")
    near, far = where(eq(target, -1), 0.0, input), where(eq(target, 1), 0.0, _hinge(sub(margin, input)))
    return _reduced(add(near, far), reduction, "hinge_embedding_loss")


def margin_ranking_loss(
    input1: Tensor, input2: Tensor, target: Tensor, margin: float = 0.0, *, reduction: str = "mean"
) -> Tensor:
    """``max(-target * (input1 - input2) + margin, 0)``: the target says which is to rank higher, 1 or -1.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn.nn import functional as F
    >>> F.margin_ranking_loss(ag.tensor([1.0]), ag.tensor([1.5]), ag.tensor([1.0]))
    tensor(0.5)
    """
    check_same_shape(input1, input2, "margin_ranking_loss")
    losses = _hinge(add(mul(neg(target), sub(input1, input2)), margin))
    return _reduced(losses, reduction, "margin_ranking_loss")


def cosine_embedding_loss(
    input1: Tensor, input2: Tensor, target: Tensor, margin: float = 0.0, *, reduction: str = "mean"
) -> Tensor:
    """``1 - cos`` of two vectors where the target is 1, ``max(cos - margin, 0)`` where it is -1.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn.nn import functional as F
    >>> F.cosine_embedding_loss(ag.tensor([[1.0, 0.0]]), ag.tensor([[0.0, 1.0]]), ag.tensor([1.0]))
    tensor(1.)
    """
    check_same_shape(input1, input2, "cosine_embedding_loss")
    cosine = cosine_similarity(input1, input2, -1)
    check_same_shape(cosine, target, "cosine_embedding_loss")
    positive, negative = eq(target, 1), eq(target, -1)
    losses = where(positive, sub(1, cosine), where(negative, _hinge(sub(cosine, margin)), 0.0))
    return _reduced(losses, reduction, "cosine_embedding_loss")


def triplet_margin_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    margin: float = 1.0,
    p: float = 2.0,
    eps: float = 1e-6,
    swap: bool = False,
    *,
    reduction: str = "mean",
) -> Tensor:
    """``max(d(anchor, positive) - d(anchor, negative) + margin, 0)`` with distances by `pairwise_distance`.

    With `swap`, ``d(positive, negative)`` takes the place of the second distance where it is smaller (Balntas et al.,
    BMVC 2016).

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn.nn import functional as F
    >>> F.triplet_margin_loss(ag.zeros(1, 2), ag.ones(1, 2), ag.ones(1, 2)).round(decimals=3)
    tensor(1.)
    """
    check_same_shape(anchor, positive, "triplet_margin_loss")
    check_same_shape(anchor, negative, "triplet_margin_loss")
    near, far = (pairwise_distance(anchor, x, p, eps) for x in (positive, negative))
    if swap:
        far = minimum(far, pairwise_distance(positive, negative, p, eps))
    return _reduced(_hinge(add(sub(near, far), margin)), reduction, "triplet_margin_loss")


def soft_margin_loss(input: Tensor, target: Tensor, *, reduction: str = "mean") -> Tensor:
    """``log(1 + exp(-target * input))`` with a target of 1 or -1.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn.nn import functional as F
    >>> F.soft_margin_loss(ag.tensor([2.0]), ag.tensor([1.0]))
    tensor(0.1269)
    """
    check_same_shape(input, target, "soft_margin_loss")
    return _reduced(softplus(neg(mul(target, input)), 1.0, math.inf), reduction, "soft_margin_loss")


def multilabel_soft_margin_loss(
    input: Tensor, target: Tensor, weight: Tensor | None = None, *, reduction: str = "mean"
) -> Tensor:
    """The mean over classes (the last dim) of `binary_cross_entropy_with_logits`.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> import autograd_nn.nn.functional as F
    >>> F.multilabel_soft_margin_loss(ag.zeros(1, 3), ag.tensor([[1.0, 0.0, 1.0]]))
    tensor(0.6931)
    """
    losses = binary_cross_entropy_with_logits(input, target, reduction="none")
    losses = mean(losses if weight is None else mul(losses, weight), -1)
    return _reduced(losses, reduction, "multilabel_soft_margin_loss")


def multi_margin_loss(
    input: Tensor,
    target: Tensor,
    p: int = 1,
    margin: float = 1.0,
    weight: Tensor | None = None,
    *,
    reduction: str = "mean",
) -> Tensor:
    """``sum over c != target of max(margin - input[target] + input[c], 0)**p / C`` for scores of shape (N, C) or
    (C,).

    Examples
    --------
    >>> import autograd_nn as ag
    >>> import autograd_nn.nn.functional as F
    >>> F.multi_margin_loss(ag.tensor([[0.1, 0.2, 0.4]]), ag.tensor([2]))
    tensor(0.5)
    """
    if input.ndim < 2 and target.array.shape in ((), (1,)):
        scores, index = reshape(input, (1, -1)), reshape(target, (1,))
        losses = multi_margin_loss(scores, index, p, margin, weight, reduction=reduction)
        return reshape(losses, target.array.shape) if reduction == "none" else losses
    if p not in (1, 2):
        raise ValueError(f"multi_margin_loss(): p must be 1 or 2 (p={p})")
    if input.ndim != 2 or target.array.shape != input.array.shape[:1]:
        raise RuntimeError(f"multi_margin_loss(): expects scores (N, C) and targets (N) (input.shape={input.shape}, "
                           f"target.shape={target.shape})")
    indices = _class_indices(target, classes=input.array.shape[1], ignore_index=-1, operation="multi_margin_loss")
    losses = _hinge(add(sub(input, unsqueeze(_pick_rows(input, indices), 1)), margin))
    losses = losses if p == 1 else square(losses)
    if weight is not None:
        losses = mul(losses, unsqueeze(_class_factors(indices, weight, dtype=losses.dtype), 1))
    others = _other_classes(indices, classes=input.array.shape[1])
    return _reduced(div(sum(where(others, losses, 0.0), 1), float(input.shape[1])), reduction, "multi_margin_loss")


@primitive
def _other_classes(indices: Array, *, classes: int) -> Array:
    """Return for each row where the classes other than its own are."""
    others: Array = np.arange(classes) != indices[:, None]
    return others


def triplet_margin_with_distance_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    *,
    distance_function: Callable[[Tensor, Tensor], Tensor] | None = None,
    margin: float = 1.0,
    swap: bool = False,
    reduction: str = "mean",
) -> Tensor:
    """``max(d(anchor, positive) - d(anchor, negative) + margin, 0)`` with any distance, by default `pairwise_distance`.

    With `swap`, ``d(positive, negative)`` takes the place of the second distance if it is smaller. At the kink the
    derivative is 1.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> import autograd_nn.nn.functional as F
    >>> anchor, near, far = ag.zeros(1, 2), ag.tensor([[0.0, 1.0]]), ag.tensor([[3.0, 0.0]])
    >>> def city_blocks(a, b):
    ...     return (a - b).abs().sum(1)
    >>> F.triplet_margin_with_distance_loss(anchor, far, near, distance_function=city_blocks)
    tensor(3.)
    """
    check_same_shape(anchor, positive, "triplet_margin_with_distance_loss")
    check_same_shape(anchor, negative, "triplet_margin_with_distance_loss")
    distance = pairwise_distance if distance_function is None else distance_function
    near, far = distance(anchor, positive), distance(anchor, negative)
    if swap:
        far = minimum(far, distance(positive, negative))
    return _reduced(_hinge(add(sub(near, far), margin)), reduction, "triplet_margin_with_distance_loss")


@primitive
def _listed_labels(target: Array) -> Array:
    """Return which entries of lists of labels count: those before the first -1."""
    listed: Array = np.cumsum(target < 0, -1) == 0
    return listed


@primitive
def _first_or_none(target: Array, listed: Array) -> Array:
    return np.where(listed, target, 0)


@primitive
def _unlisted_classes(target: Array, listed: Array) -> Array:
    """Return for each row which classes are not among its labels."""
    out = np.ones(target.shape, bool)
    rows, places = np.nonzero(listed)
    out[rows, target[rows, places]] = False
    return out


def multilabel_margin_loss(input: Tensor, target: Tensor, *, reduction: str = "mean") -> Tensor:
    """``sum of max(1 - input[y] + input[c], 0) / C`` over labels y and classes c that are none.

    Parameters
    ----------
    input : Tensor of shape (N, C) or (C,)
    target : Tensor of integers, of the same shape
        The labels of each row, then -1.
    reduction : {'mean', 'sum', 'none'}
        At the kink the derivative is 0.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> import autograd_nn.nn.functional as F
    >>> F.multilabel_margin_loss(ag.tensor([[0.1, 0.2, 0.4]]), ag.tensor([[2, -1, -1]]))
    tensor(0.5)
    """
    check_same_shape(input, target, "multilabel_margin_loss")
    if not input.ndim:
        return multilabel_margin_loss(reshape(input, (1,)), reshape(target, (1,)), reduction=reduction)
    if input.ndim not in (1, 2):
        raise RuntimeError(f"multilabel_margin_loss(): expects scores (N, C) or (C,) (input.shape={input.shape})")
    scores, labels = (x if x.ndim == 2 else unsqueeze(x, 0) for x in (input, target))
    C = scores.array.shape[1]
    _check_labels(labels, C)
    listed = _listed_labels(labels)
    chosen = take_along_dim(scores, _first_or_none(labels, listed), 1)
    losses = relu(add(sub(unsqueeze(scores, 1), unsqueeze(chosen, 2)), 1.0))
    counts = logical_and(unsqueeze(listed, 2), unsqueeze(_unlisted_classes(labels, listed), 1))
    losses = div(sum(where(counts, losses, 0.0), (1, 2)), float(C))
    return _reduced(losses if input.ndim == 2 else reshape(losses, ()), reduction, "multilabel_margin_loss")
