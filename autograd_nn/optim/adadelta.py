"""Adadelta."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from ..engine import update
from ..ops.elementwise import zeros_like
from ..typing import Array, Tensor
from .averages import update_mean_square
from .optimizer import Optimizer, gradient_to_descend

__all__ = ["Adadelta"]


class Adadelta(Optimizer):
    """Steps of the gradient, scaled by the running root mean squares of earlier steps over those of the gradients.

    With ``g += weight_decay * p``::

        v = rho * v + (1 - rho) * g**2
        d = sqrt(u + eps) / sqrt(v + eps) * g
        u = rho * u + (1 - rho) * d**2
        p -= lr * d

    Parameters
    ----------
    params : iterable
        Parameters or parameter groups (see `Optimizer`).
    lr, rho, eps, weight_decay : float
    maximize : bool
        Ascend instead.

    References
    ----------
    M. Zeiler, "ADADELTA: an adaptive learning rate method", 2012, arXiv:1212.5701.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn import optim
    >>> w = ag.tensor([1.0, -2.0], requires_grad=True)
    >>> optimizer = optim.Adadelta([w], lr=1.0)
    >>> (w**2).sum().backward()
    >>> optimizer.step()
    >>> w.detach().round(decimals=4)
    tensor([ 0.9968, -1.9968])
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0.0,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        **implementation: Any,
    ):
        defaults = {"lr": lr, "rho": rho, "eps": eps, "weight_decay": weight_decay, "maximize": maximize}
        super().__init__(params, defaults, foreach=foreach, **implementation)

    def init_state(self, p: Tensor, group: Mapping[str, Any]) -> dict[str, Any]:
        return {"step": 0, "square_avg": zeros_like(p), "acc_delta": zeros_like(p)}

    def update(self, p: Tensor, g: Tensor, state: dict[str, Any], group: Mapping[str, Any]) -> None:
        state["step"] += 1
        adadelta_step(p, g, state["square_avg"], state["acc_delta"], group["lr"], group["rho"], group["eps"],
                      group["weight_decay"], maximize=group["maximize"])


@update(writes="p v u")
def adadelta_step(
    p: Array, g: Array, v: Array, u: Array, lr: float, rho: float, eps: float, weight_decay: float, *, maximize: bool
) -> None:
    """Update a parameter and the mean squares of its gradients and of its steps."""
    g = gradient_to_descend(p, g, weight_decay, maximize)
    update_mean_square(v, g, rho)
    root = np.add(v, eps, out=np.empty_like(p))
    np.sqrt(root, out=root)
    d = np.add(u, eps, out=np.empty_like(p))
    np.sqrt(d, out=d)
    d /= root
    d *= g
    update_mean_square(u, d, rho)
    d *= lr
    p -= d
