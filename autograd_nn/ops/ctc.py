"""The loss of connectionist temporal classification."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..engine import Variable, note_read, primitive
from ..kernels import ctc as kernels
from ..typing import Array, Ints, Tensor
from .elementwise import div, isinf, mul, ones_like, where
from .index import _integers
from .loss import _reduced
from .reduce import sum
from .shape import reshape, unsqueeze

__all__ = ["ctc_loss"]


@primitive
def _ctc(log_probs: Array, targets: Array, input_lengths: Array, target_lengths: Array, *, blank: int) -> Array:
    return kernels.ctc(log_probs, targets, input_lengths, target_lengths, blank)


@primitive
def _ctc_input(
    g: Array, log_probs: Array, targets: Array, input_lengths: Array, target_lengths: Array, *, blank: int
) -> Array:
    return kernels.ctc_input(g, log_probs, targets, input_lengths, target_lengths, blank)


def _no_second(h: Tensor) -> Tensor:
    raise NotImplementedError("ctc_loss(): has gradients of first order only, as in PyTorch")


_ctc.defvjp(
    log_probs=lambda g, log_probs, targets, input_lengths, target_lengths, blank: _ctc_input(
        g, log_probs, targets, input_lengths, target_lengths, blank=blank
    )
)
_ctc_input.defvjp(
    g=lambda h, g, log_probs, targets, input_lengths, target_lengths, blank: sum(
        mul(h, _ctc_input(ones_like(g), log_probs, targets, input_lengths, target_lengths, blank=blank)), (0, 2)
    ),
    log_probs=_no_second,
)


@primitive
def _rows(labels: Array, lengths: Array) -> Array:
    """Return labels that stand one sequence after the other as rows, with zeros behind them."""
    out = np.zeros((len(lengths), max(lengths, default=0)), np.int64)
    out[np.arange(out.shape[1]) < lengths[:, None]] = labels
    return out


def _lengths(name: str, value: Tensor | Ints, count: int, most: int, operation: str = "ctc_loss") -> Array:
    note_read(value, "ctc_loss()")
    array = np.asarray(value.array if isinstance(value, Variable) else value).reshape(-1)
    if array.size != count or array.dtype.kind not in "iu":
        raise RuntimeError(f"{operation}(): {name} needs one integer per sequence ({count} sequences, {name}={value})")
    if array.size and not 0 <= array.min() <= array.max() <= most:
        raise RuntimeError(f"{operation}(): {name} must be from 0 to {most} ({name}={array.tolist()})")
    return array.astype(np.int64)


def ctc_loss(
    log_probs: Tensor,
    targets: Tensor,
    input_lengths: Any,
    target_lengths: Any,
    blank: int = 0,
    reduction: str = "mean",
    zero_infinity: bool = False,
) -> Tensor:
    """Return minus the log-probability of label sequences, over all alignments with the inputs.

    A label may last for several steps, and blanks may stand between labels; equal labels in a row need one. The
    gradient in ``log_probs[t, n, c]`` is minus the probability that an alignment has label c at time t. (PyTorch adds
    ``exp(log_probs)``, which `log_softmax` takes away again, so that gradients before it are the same.) Computed in
    double precision. A sequence that no alignment fits has the loss inf and a gradient of 0. Of first order only.

    Parameters
    ----------
    log_probs : Tensor of shape (T, N, C) or (T, C)
        As `log_softmax` returns them.
    targets : Tensor of integers, of shape (N, S) or (sum of target_lengths,)
        Labels without blanks.
    input_lengths, target_lengths : Tensor or sequence of int, of shape (N,)
    blank : int
    reduction : {'mean', 'sum', 'none'}
        'mean' divides each loss by the length of its target, then takes the mean over sequences.
    zero_infinity : bool
        Let an infinite loss be 0.

    Notes
    -----
    A. Graves et al., "Connectionist temporal classification: labelling unsegmented sequence data with recurrent neural
    networks", ICML 2006.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> log_probs = ag.full((2, 1, 2), 0.5).log()
    >>> loss = ag.nn.functional.ctc_loss(log_probs, ag.tensor([[1]]), (2,), (1,))
    >>> round(loss.exp().item(), 4)  # 3 of the 4 paths, "1 1", "1 -" and "- 1", are alignments
    1.3333
    """
    if log_probs.ndim not in (2, 3) or log_probs.dtype.kind != "f":
        raise RuntimeError("ctc_loss(): log_probs must be a floating-point tensor of shape (T, N, C) or (T, C) "
                           f"(log_probs.shape={log_probs.shape}, dtype={log_probs.dtype})")
    single = log_probs.ndim == 2
    if single:
        log_probs = unsqueeze(log_probs, 1)
    T, N, C = log_probs.array.shape
    if not 0 <= blank < C:
        raise RuntimeError(f"ctc_loss(): blank must be a label from 0 to {C - 1} (blank={blank})")
    labels = _integers(targets, "ctc_loss", "targets")
    inputs = _lengths("input_lengths", input_lengths, N, T)
    if labels.ndim == 1:
        lengths = _lengths("target_lengths", target_lengths, N, labels.array.shape[0])
        if lengths.sum() != labels.array.shape[0]:
            raise RuntimeError("ctc_loss(): targets of one dim need as many labels as target_lengths add up to "
                               f"(targets.shape={labels.shape}, target_lengths={lengths.tolist()})")
        labels = _rows(labels, lengths)
    elif labels.ndim == 2 and labels.array.shape[0] == N:
        lengths = _lengths("target_lengths", target_lengths, N, labels.array.shape[1])
    else:
        raise RuntimeError(f"ctc_loss(): targets must be of shape ({N}, S) or one sequence after the other "
                           f"(targets.shape={labels.shape})")
    used = labels.array[np.arange(labels.array.shape[1]) < lengths[:, None]]
    if used.size and not 0 <= used.min() <= used.max() < C:
        raise RuntimeError(f"ctc_loss(): targets must be labels from 0 to {C - 1} (smallest {used.min()}, largest "
                           f"{used.max()})")
    losses = _ctc(log_probs, labels, inputs, lengths, blank=blank)
    if zero_infinity:
        losses = where(isinf(losses), 0.0, losses)
    if reduction == "mean":
        losses = div(losses, np.maximum(lengths, 1).astype(log_probs.dtype))
    return reshape(losses, ()) if single and reduction == "none" else _reduced(losses, reduction, "ctc_loss")
