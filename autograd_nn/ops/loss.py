"""Losses. What a loss compares must agree in shape: nothing is broadcast."""

import numpy as np

from ..engine import Variable, primitive
from ..kernels import loss as kernels
from .elementwise import abs, div, exp, mul, neg, square, sub
from .reduce import log_softmax, mean, sum
from .shape import permute, reshape, unsqueeze

# ruff: noqa: A001, A004

# ------------------------------------------------------------------------------------ classification


@primitive(residuals=True)
def _cross_entropy_rows(logits, *, target):
    """Return ``logsumexp(logits[m]) - logits[m, target[m]]`` of each row; 0 where the target is negative."""
    losses, logsumexp = kernels.cross_entropy(logits, target)
    return losses, (logsumexp,)


@primitive
def _cross_entropy_rows_input(g, logits, *, target, logsumexp):
    return kernels.cross_entropy_input(g, logits, target, logsumexp)


@primitive
def _one_hot_rows(g, *, target, classes):
    out = np.zeros((len(target), classes), g.dtype)
    rows = np.flatnonzero(target >= 0)
    out[rows, target[rows]] = g[rows]
    return out


@primitive
def _pick_rows(x, *, target):
    """Return ``x[m, target[m]]`` of each row; 0 where the target is negative."""
    rows = np.flatnonzero(target >= 0)
    out = np.zeros(len(target), x.dtype)
    out[rows] = x[rows, target[rows]]
    return out


_one_hot_rows.defvjp(lambda h, out, g, target, classes: _pick_rows(h, target=target))
_pick_rows.defvjp(lambda g, out, x, target: _one_hot_rows(g, target=target, classes=x.shape[1]))

_cross_entropy_rows.defvjp(
    lambda g, out, logits, target, residuals: _cross_entropy_rows_input(g, logits, target=target, logsumexp=residuals[0])
)


def _probabilities(logits, target):
    """Return softmax(logits), with rows of 0 where the target is negative."""
    return mul(exp(log_softmax(logits, 1)), (target >= 0)[:, None])


def _second_order(h, g, logits, target):
    weighted = mul(h, unsqueeze(g, 1))
    p = _probabilities(logits, target)
    return mul(p, sub(weighted, sum(mul(p, weighted), 1, keepdim=True)))


_cross_entropy_rows_input.defvjp(
    lambda h, out, g, logits, target, logsumexp: sub(
        sum(mul(h, _probabilities(logits, target)), 1), _pick_rows(h, target=target)
    ),
    lambda h, out, g, logits, target, logsumexp: _second_order(h, g, logits, target),
)


def _reduced(losses, reduction, operation):
    if reduction == "mean":
        return mean(losses)
    if reduction == "sum":
        return sum(losses)
    if reduction == "none":
        return losses
    raise ValueError(f"{operation}(): reduction must be 'mean', 'sum' or 'none' (reduction={reduction!r})")


def _class_indices(x, target, ignore_index, operation):
    """Return the targets of the rows of `x` (M, C) as int64, -1 where they are ignored, and whether any are."""
    target = target.data if isinstance(target, Variable) else np.asarray(target)
    if target.dtype not in (np.int64, np.uint8):
        raise RuntimeError(f"{operation}(): class indices must be int64 or uint8 (dtype={target.dtype}); convert with .long()")
    target = target.reshape(-1).astype(np.int64, copy=False)
    classes = x.shape[1]
    ignored = 0 <= ignore_index < classes and bool((target == ignore_index).any())
    if target.size and not ignored and target.min() >= 0 and target.max() < classes:
        return target, False
    keep = target != ignore_index
    wrong = keep & ((target < 0) | (target >= classes))
    if wrong.any():
        first = int(np.flatnonzero(wrong)[0])
        raise IndexError(f"{operation}(): target {int(target[first])} is out of range for {classes} classes (at flat index {first})")
    return np.where(keep, target, -1), not keep.all()


def _rows(x, target_shape, operation):
    """Return logits of shape (C,), (N, C) or (N, C, d1, ...) as rows (M, C), having checked the target's shape."""
    if x.ndim == 0:
        raise RuntimeError(f"{operation}(): expects at least one dim, the classes (x.shape={x.shape})")
    expected = () if x.ndim == 1 else (x.shape[0], *x.shape[2:])
    if target_shape != expected:
        raise RuntimeError(f"{operation}(): class indices for x of shape {x.shape} must have shape {expected} "
                           f"(target.shape={target_shape})")
    if x.ndim == 2:
        return x
    if x.ndim == 1:
        return reshape(x, (1, x.shape[0]))
    return reshape(permute(x, (0, *range(2, x.ndim), 1)), (int(np.prod(expected)), x.shape[1]))


def _class_weight(weight, x, operation):
    if weight is not None and weight.shape != (x.shape[1] if x.ndim > 1 else x.shape[0],):
        raise RuntimeError(f"{operation}(): weight needs one entry per class (weight.shape={weight.shape}, x.shape={x.shape})")
    return weight


def _weighted(losses, weight, target, some_ignored, reduction, shape, operation):
    """Weigh the losses of rows by their class, and reduce; ignored rows count nothing."""
    if weight is None and not some_ignored:
        return _reduced(losses if reduction != "none" else reshape(losses, shape), reduction, operation)
    factor = (target >= 0).astype(losses.dtype)
    if weight is not None:
        factor = factor * weight.data[np.maximum(target, 0)]
    losses = mul(losses, factor)
    if reduction == "mean":
        return div(sum(losses), factor.sum(dtype=losses.dtype))
    return _reduced(losses if reduction == "sum" else reshape(losses, shape), reduction, operation)


def nll_loss(x, target, weight=None, ignore_index=-100, reduction="mean"):
    """Negative log-likelihood, ``-x[n, target[n]]`` of log-probabilities `x`.

    Parameters
    ----------
    x : Tensor of shape (N, C), (C,) or (N, C, d1, ...)
        Log-probabilities, as `log_softmax` gives them.
    target, weight, ignore_index, reduction
        As for `cross_entropy` with class indices.
    """
    target_array = target.data if isinstance(target, Variable) else np.asarray(target)
    rows = _rows(x, target_array.shape, "nll_loss")
    weight = _class_weight(weight, x, "nll_loss")
    indices, some_ignored = _class_indices(rows, target_array, ignore_index, "nll_loss")
    losses = neg(_pick_rows(rows, target=indices))
    return _weighted(losses, weight, indices, some_ignored, reduction, target_array.shape, "nll_loss")


def cross_entropy(x, target, weight=None, ignore_index=-100, reduction="mean", label_smoothing=0.0):
    """Cross-entropy between the softmax of logits and a target class or distribution.

    With class indices ``l[n] = -log softmax(x[n])[target[n]]``; with probabilities ``l[n] = -sum_c target[n, c] log softmax(x[n])[c]``.

    Parameters
    ----------
    x : Tensor of shape (N, C), (C,) or (N, C, d1, ...)
        Logits: not yet normalised, no softmax applied.
    target : Tensor
        Class indices (int64 or uint8) of shape (N,), () or (N, d1, ...), or probabilities of the shape and dtype of `x`.
    weight : Tensor of shape (C,), optional
        A factor for each class.
    ignore_index : int
        A class index whose rows count nothing (class indices only).
    reduction : {'mean', 'sum', 'none'}
        'mean' divides by the sum of the weights of the rows that count; with probabilities, by N.
    label_smoothing : float
        From 0 to 1: the target is mixed with the uniform distribution in this proportion (Szegedy et al. 2016, arXiv:1512.00567).

    Returns
    -------
    Tensor
        0-d, or of the shape of the class indices for 'none'. The mean over no rows is NaN.
    """
    if not 0 <= label_smoothing <= 1:
        raise ValueError(f"cross_entropy(): label_smoothing must be from 0 to 1 (label_smoothing={label_smoothing})")
    if x.dtype.kind != "f":
        raise RuntimeError(f"cross_entropy(): logits must be floating-point (dtype={x.dtype})")
    weight = _class_weight(weight, x, "cross_entropy")
    target_dtype = target.dtype if isinstance(target, Variable) else np.asarray(target).dtype
    if target_dtype.kind == "f":
        return _distribution_cross_entropy(x, target, weight, reduction, label_smoothing)
    target_array = target.data if isinstance(target, Variable) else np.asarray(target)
    rows = _rows(x, target_array.shape, "cross_entropy")
    indices, some_ignored = _class_indices(rows, target_array, ignore_index, "cross_entropy")
    losses = _cross_entropy_rows(rows, target=indices)
    hard = _weighted(losses, weight, indices, some_ignored, reduction, target_array.shape, "cross_entropy")
    if not label_smoothing:
        return hard
    return hard * (1 - label_smoothing) + _smooth(rows, weight, indices, reduction, target_array.shape) * label_smoothing


def _smooth(rows, weight, indices, reduction, shape):
    """Return the cross-entropy against the uniform distribution, reduced as the class-index loss is."""
    logp = log_softmax(rows, 1)
    weights = np.ones(rows.shape[1], rows.dtype) if weight is None else weight.data
    counts = (indices >= 0).astype(rows.dtype)
    losses = mul(sum(mul(logp, -weights / rows.shape[1]), 1), counts)
    if reduction == "mean":
        total = (counts * weights[np.maximum(indices, 0)]).sum(dtype=rows.dtype)
        return div(sum(losses), total)
    return _reduced(losses if reduction == "sum" else reshape(losses, shape), reduction, "cross_entropy")


def _distribution_cross_entropy(x, target, weight, reduction, label_smoothing):
    if target.shape != x.shape:
        raise RuntimeError(f"cross_entropy(): probabilities must have the shape of the logits (x.shape={x.shape}, target.shape={target.shape})")
    dim = 0 if x.ndim == 1 else 1
    if label_smoothing:
        target = target * (1 - label_smoothing) + label_smoothing / x.shape[dim]
    logp = log_softmax(x, dim)
    if weight is not None:
        logp = logp * weight.reshape([-1 if i == dim else 1 for i in range(x.ndim)])
    losses = neg(sum(mul(logp, target), dim))
    if reduction == "mean":
        return div(sum(losses), float(np.prod(losses.shape)))
    return _reduced(losses, reduction, "cross_entropy")


# ------------------------------------------------------------------------------------ regression


def check_same_shape(x, target, operation):
    """Raise where prediction and target differ in shape: broadcasting in a loss is nearly always a mistake."""
    if x.shape != target.shape:
        raise RuntimeError(f"{operation}(): prediction and target must have one shape (x.shape={x.shape}, target.shape={target.shape}); "
                           "use .reshape() or .squeeze()")


def mse_loss(x, target, reduction="mean"):
    """Squared error, ``(x - target)**2``.

    Parameters
    ----------
    x, target : Tensor of one shape
    reduction : {'mean', 'sum', 'none'}
    """
    check_same_shape(x, target, "mse_loss")
    return _reduced(square(sub(x, target)), reduction, "mse_loss")


def l1_loss(x, target, reduction="mean"):
    """Absolute error, ``abs(x - target)``; its derivative at 0 is 0."""
    check_same_shape(x, target, "l1_loss")
    return _reduced(abs(sub(x, target)), reduction, "l1_loss")
