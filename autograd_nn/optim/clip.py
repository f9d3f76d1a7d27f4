"""Clipping of gradients, by their common norm or value by value."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from ..engine import Variable, mark_changed
from ..tensor import Tensor

__all__ = ["clip_grad_norm_", "clip_grad_value_", "clip_grads_with_norm_", "get_total_norm"]

Tensors = Variable | Iterable[Variable]


def _norm(x: np.ndarray, order: float) -> float:
    """Return the p-norm of all elements."""
    if x.size == 0:
        return 0.0
    if order == 2:
        with np.errstate(over="ignore", under="ignore"):
            square = float(np.sum(x * x))
        if math.isinf(square) or square < 1e-30:  # float32 left its range, or lost digits near the end of it
            square = float(np.sum(np.square(x, dtype=np.float64)))
        return math.sqrt(square)
    size = np.abs(x)
    if order == math.inf:
        return float(np.max(size))
    if order == 1:
        return float(np.sum(size))
    if order == 0:
        return float(np.count_nonzero(x))
    return math.pow(float(np.sum(np.power(size, order, dtype=np.float64))), 1 / order)


def _gradients(parameters: Tensors) -> list[Any]:
    parameters = [parameters] if isinstance(parameters, Variable) else parameters
    return [p.grad for p in parameters if p.grad is not None]


def get_total_norm(
    tensors: Tensors, norm_type: float = 2.0, error_if_nonfinite: bool = False, foreach: bool | None = None
) -> Tensor:
    """Return the norm of all elements of all tensors together, as one vector.

    Parameters
    ----------
    tensors : Tensor or iterable of Tensor
    norm_type : float
        The order of the norm; ``inf`` for the largest magnitude.
    error_if_nonfinite : bool
        Raise where the norm is NaN or infinite.
    foreach : bool, optional
        Of no effect: PyTorch's choice between implementations.

    Returns
    -------
    Tensor, 0-d
        Of the tensors' dtype; of float32 where there are none.

    Raises
    ------
    RuntimeError
        A norm that is not finite, with `error_if_nonfinite`.
    """
    arrays = [t.array for t in ([tensors] if isinstance(tensors, Variable) else tensors)]
    order = float(norm_type)
    norms = np.array([_norm(x, order) for x in arrays])
    total = _norm(norms, order)
    if error_if_nonfinite and not math.isfinite(total):
        raise RuntimeError(f"get_total_norm(): the norm of order {order:g} is {total}: a gradient is not finite, in "
                           f"{np.count_nonzero(~np.isfinite(norms))} of {len(arrays)} tensors")
    with np.errstate(over="ignore"):
        return Tensor(total, dtype=np.result_type(*arrays) if arrays else np.float32)


def clip_grads_with_norm_(
    parameters: Tensors, max_norm: float, total_norm: Tensor, foreach: bool | None = None
) -> None:
    """Scale the gradients by ``min(1, max_norm / (total_norm + 1e-6))``, in place.

    Parameters
    ----------
    parameters : Tensor or iterable of Tensor
    max_norm : float
    total_norm : Tensor
        What `get_total_norm` returned.
    foreach : bool, optional
        Of no effect.
    """
    scale = float(max_norm) / (float(total_norm) + 1e-6)
    if scale >= 1:
        return
    for g in _gradients(parameters):
        with np.errstate(invalid="ignore"):
            np.multiply(g.array, scale, out=g.array)
        mark_changed(g.array)


def clip_grad_norm_(
    parameters: Tensors,
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """Scale the gradients down, in place, so that the norm of all of them together is at most `max_norm`.

    Parameters
    ----------
    parameters : Tensor or iterable of Tensor
        Those without a gradient are skipped.
    max_norm, norm_type : float
    error_if_nonfinite : bool
        Raise where the norm is NaN or infinite; otherwise all gradients become NaN or 0.
    foreach : bool, optional
        Of no effect.

    Returns
    -------
    Tensor, 0-d
        The norm before.
    """
    parameters = [parameters] if isinstance(parameters, Variable) else list(parameters)
    total = get_total_norm(_gradients(parameters), norm_type, error_if_nonfinite)
    clip_grads_with_norm_(parameters, max_norm, total)
    return total


def clip_grad_value_(parameters: Tensors, clip_value: float, foreach: bool | None = None) -> None:
    """Limit each element of each gradient to [-clip_value, clip_value], in place.

    Parameters
    ----------
    parameters : Tensor or iterable of Tensor
    clip_value : float
    foreach : bool, optional
        Of no effect.
    """
    limit = float(clip_value)
    for g in _gradients(parameters):
        np.clip(g.array, -limit, limit, out=g.array)
        mark_changed(g.array)
