"""RMSprop."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from ..engine import update
from ..ops.elementwise import zeros_like
from ..typing import Array, Tensor
from .averages import update_mean, update_mean_square
from .optimizer import Optimizer, gradient_to_descend

__all__ = ["RMSprop"]


class RMSprop(Optimizer):
    """Steps of the gradient over the root of its running mean square.

    With ``g += weight_decay * p``::

        v = alpha * v + (1 - alpha) * g**2
        d = g / (sqrt(v) + eps)
        buf = momentum * buf + d          with momentum; d = buf then
        p -= lr * d

    If `centered`, the variance ``v - mean**2`` takes the place of `v`, with ``mean = alpha * mean + (1 - alpha) * g``.
    Where rounding would make it negative it counts as 0.

    Parameters
    ----------
    params : iterable
        Parameters or parameter groups (see `Optimizer`).
    lr, alpha, eps, weight_decay, momentum : float
    centered : bool
    maximize : bool
        Ascend instead.

    References
    ----------
    T. Tieleman and G. Hinton, "Lecture 6.5: rmsprop", Neural networks for machine learning, 2012. `centered`:
    A. Graves, "Generating sequences with recurrent neural networks", 2013, arXiv:1308.0850.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn import optim
    >>> w = ag.tensor([1.0, -2.0], requires_grad=True)
    >>> optimizer = optim.RMSprop([w], lr=0.1)
    >>> (w**2).sum().backward()
    >>> optimizer.step()
    >>> w.detach().round(decimals=4)
    tensor([ 0., -1.])
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum: float = 0.0,
        centered: bool = False,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ):
        defaults = {
            "lr": lr, "alpha": alpha, "eps": eps, "weight_decay": weight_decay, "momentum": momentum,
            "centered": centered, "maximize": maximize,
        }
        super().__init__(params, defaults, foreach=foreach, capturable=capturable, differentiable=differentiable)

    def init_state(self, p: Tensor, group: Mapping[str, Any]) -> dict[str, Any]:
        state = {"step": 0, "square_avg": zeros_like(p)}
        if group["momentum"]:
            state["momentum_buffer"] = zeros_like(p)
        if group["centered"]:
            state["grad_avg"] = zeros_like(p)
        return state

    def update(self, p: Tensor, g: Tensor, state: dict[str, Any], group: Mapping[str, Any]) -> None:
        state["step"] += 1
        rmsprop_step(
            p, g, state["square_avg"], state["grad_avg"] if group["centered"] else None,
            state["momentum_buffer"] if group["momentum"] else None, group["lr"], group["alpha"], group["eps"],
            group["weight_decay"], group["momentum"], maximize=group["maximize"],
        )  # fmt: skip


@update(writes="p v mean buf")
def rmsprop_step(
    p: Array, g: Array, v: Array, mean: Array | None, buf: Array | None, lr: float, alpha: float, eps: float,
    weight_decay: float, momentum: float, *, maximize: bool,
) -> None:  # fmt: skip
    """Update a parameter, the mean square of its gradient and, where they are there, its mean and a momentum."""
    g = gradient_to_descend(p, g, weight_decay, maximize)
    update_mean_square(v, g, alpha)
    d = np.empty_like(p)
    if mean is not None:
        update_mean(mean, g, alpha)
        np.multiply(mean, mean, out=d)
        np.subtract(v, d, out=d)
        np.maximum(d, 0, out=d)
        np.sqrt(d, out=d)
    else:
        np.sqrt(v, out=d)
    d += eps
    np.divide(g, d, out=d)
    if buf is not None:
        buf *= momentum
        buf += d
        np.multiply(buf, lr, out=d)
    else:
        d *= lr
    p -= d
