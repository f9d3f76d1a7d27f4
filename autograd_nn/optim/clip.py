"""Clipping of gradients, by their common norm or value by value."""

from __future__ import annotations

import math
import numbers
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from ..engine import Variable, note_read, primitive, update
from ..engine.errors import warn
from ..tensor import Tensor
from ..typing import Array
from .arguments import flag, is_finite, number, plain, refuse_module

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


def _listed(where: str, name: str, tensors: Any) -> list[Any]:
    """Return the tensors that were given, one or several; warn of an iterator that is used up."""
    refuse_module(where, name, tensors)
    if isinstance(tensors, Variable):
        return [tensors]
    if not isinstance(tensors, Iterable):
        raise TypeError(f"{where}: {name} must be a tensor or an iterable of tensors, not {type(tensors).__name__}")
    found = list(tensors)
    for i, tensor in enumerate(found):
        if not isinstance(tensor, Variable):
            raise TypeError(f"{where}: {name} must be tensors, but item {i} is {type(tensor).__name__}")
    if not found and isinstance(tensors, Iterator):
        warn(f"{where}: {name} is an iterator without items, probably used up before; nothing is done "
                      f"(pass a list, or call model.parameters() anew)")
    return found


def _gradients(parameters: list[Any]) -> list[Any]:
    """Return the gradients that there are, in memory that can be written to."""
    for p in parameters:
        if p.grad is not None and not p.grad.array.flags.writeable:
            p.grad = p.grad.detach().clone()
    return [p.grad.detach() for p in parameters if p.grad is not None]


def _checked_order(where: str, norm_type: Any) -> float:
    """Return the order of a norm: a number, infinity or ``"inf"``."""
    order = math.inf if isinstance(norm_type, str) and norm_type == "inf" else norm_type
    return float(number(where, "norm_type", order, low=0, infinite=True))


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

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn import nn
    >>> nn.utils.get_total_norm([ag.tensor([3.0]), ag.tensor([4.0])])
    tensor(5.)
    """
    listed = _listed("get_total_norm()", "tensors", tensors)
    order = _checked_order("get_total_norm()", norm_type)
    error_if_nonfinite = flag("get_total_norm()", "error_if_nonfinite", error_if_nonfinite)
    total: Tensor = total_norm(*listed, order=order)
    if error_if_nonfinite:
        note_read(total, "error_if_nonfinite=True")
    if error_if_nonfinite and not np.isfinite(total.array):
        bad = sum(not np.isfinite(t.array).all() for t in listed)
        raise RuntimeError(f"get_total_norm(): the norm of order {order:g} is {total.item()}: a gradient is not "
                           f"finite, in {bad} of {len(listed)} tensors")
    return total


@primitive
def total_norm(*arrays: Array, order: float) -> Array:
    """Return the norm of all elements of all arrays together, in their common dtype."""
    norms = np.array([_norm(x, order) for x in arrays])
    with np.errstate(over="ignore"):
        return np.array(_norm(norms, order), np.result_type(*arrays) if arrays else np.float32)


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

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn import nn
    >>> w = ag.tensor([3.0, 4.0], requires_grad=True)
    >>> (w**2 / 2).sum().backward()
    >>> nn.utils.clip_grads_with_norm_([w], max_norm=1.0, total_norm=ag.tensor(5.0))
    >>> w.grad
    tensor([0.6, 0.8])
    """
    where = "clip_grads_with_norm_()"
    limit = number(where, "max_norm", max_norm, low=0, infinite=True)
    norm = plain(total_norm)
    if isinstance(norm, bool) or not isinstance(norm, numbers.Real) or (isinstance(norm, int) and not is_finite(norm)):
        raise TypeError(f"{where}: total_norm must be one number, as from get_total_norm, not "
                        f"{type(total_norm).__name__}")
    gradients = _gradients(_listed(where, "parameters", parameters))
    if gradients:
        scale_down(total_norm, limit, *gradients)


@update(writes="*gradients")
def scale_down(norm: Array, limit: float, *gradients: Array) -> None:
    """Multiply gradients by ``limit / (norm + 1e-6)`` where that is below 1."""
    scale = limit / (float(norm) + 1e-6)
    if scale >= 1:
        return
    with np.errstate(invalid="ignore"):
        for g in gradients:
            np.multiply(g, scale, out=g)


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

    Warns
    -----
    UserWarning
        `parameters` is an iterator that was used up before, so that nothing is clipped.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn import nn
    >>> w = ag.tensor([3.0, 4.0], requires_grad=True)
    >>> (w**2 / 2).sum().backward()
    >>> norm = nn.utils.clip_grad_norm_([w], max_norm=1.0)
    >>> norm.item(), w.grad.norm().round(decimals=3).item()
    (5.0, 1.0)
    """
    where = "clip_grad_norm_()"
    limit, order = number(where, "max_norm", max_norm, low=0, infinite=True), _checked_order(where, norm_type)
    checked = flag(where, "error_if_nonfinite", error_if_nonfinite)
    listed = _listed(where, "parameters", parameters)
    total = get_total_norm(_gradients(listed), order, checked)
    clip_grads_with_norm_(listed, limit, total)
    return total


def clip_grad_value_(parameters: Tensors, clip_value: float, foreach: bool | None = None) -> None:
    """Limit each element of each gradient to [-clip_value, clip_value], in place.

    Parameters
    ----------
    parameters : Tensor or iterable of Tensor
    clip_value : float
    foreach : bool, optional
        Of no effect.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn import nn
    >>> w = ag.tensor([3.0, 0.5], requires_grad=True)
    >>> (w**2 / 2).sum().backward()
    >>> nn.utils.clip_grad_value_([w], 1.0)
    >>> w.grad
    tensor([1. , 0.5])
    """
    limit = number("clip_grad_value_()", "clip_value", clip_value, low=0, infinite=True)
    gradients = _gradients(_listed("clip_grad_value_()", "parameters", parameters))
    if gradients:
        clip_values(limit, *gradients)


@update(writes="*gradients")
def clip_values(limit: float, *gradients: Array) -> None:
    """Limit each element of gradients to [-limit, limit]."""
    for g in gradients:
        np.clip(g, -limit, limit, out=g)
