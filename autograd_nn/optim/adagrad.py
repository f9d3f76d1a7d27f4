"""Adagrad."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from ..engine import update
from ..ops.elementwise import zeros_like
from ..typing import Array, Tensor
from .optimizer import Optimizer, gradient_to_descend

__all__ = ["Adagrad"]


class Adagrad(Optimizer):
    """Steps of the gradient over the root of the sum of all its squares so far.

    With ``g += weight_decay * p`` and the number ``t`` of the step::

        total += g**2
        p -= lr / (1 + (t - 1) * lr_decay) * g / (sqrt(total) + eps)

    Parameters
    ----------
    params : iterable
        Parameters or parameter groups (see `Optimizer`).
    lr, lr_decay, weight_decay : float
    initial_accumulator_value : float
        Where the sum starts.
    eps : float
    maximize : bool
        Ascend instead.

    References
    ----------
    J. Duchi, E. Hazan and Y. Singer, "Adaptive subgradient methods for online learning and stochastic optimization",
    JMLR 12, 2011.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn import optim
    >>> w = ag.tensor([1.0, -2.0], requires_grad=True)
    >>> optimizer = optim.Adagrad([w], lr=0.1)
    >>> (w**2).sum().backward()
    >>> optimizer.step()
    >>> w.detach().round(decimals=4)
    tensor([ 0.9, -1.9])
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-2,
        lr_decay: float = 0.0,
        weight_decay: float = 0.0,
        initial_accumulator_value: float = 0.0,
        eps: float = 1e-10,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        **implementation: Any,
    ):
        defaults = {
            "lr": lr, "lr_decay": lr_decay, "weight_decay": weight_decay,
            "initial_accumulator_value": initial_accumulator_value, "eps": eps, "maximize": maximize,
        }
        super().__init__(params, defaults, foreach=foreach, **implementation)

    def init_state(self, p: Tensor, group: Mapping[str, Any]) -> dict[str, Any]:
        return {"step": 0, "sum": zeros_like(p) + group["initial_accumulator_value"]}

    def update(self, p: Tensor, g: Tensor, state: dict[str, Any], group: Mapping[str, Any]) -> None:
        state["step"] += 1
        rate = group["lr"] / (1 + (state["step"] - 1) * group["lr_decay"])
        adagrad_step(p, g, state["sum"], rate, group["eps"], group["weight_decay"], maximize=group["maximize"])


@update(writes="p total")
def adagrad_step(
    p: Array, g: Array, total: Array, rate: float, eps: float, weight_decay: float, *, maximize: bool
) -> None:
    """Update a parameter and the sum of the squares of its gradients."""
    g = gradient_to_descend(p, g, weight_decay, maximize)
    total += g * g
    d = np.sqrt(total, out=np.empty_like(p))
    d += eps
    np.divide(g, d, out=d)
    d *= rate
    p -= d
