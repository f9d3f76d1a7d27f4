"""Lion."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from ..engine import update
from ..ops.elementwise import zeros_like
from ..typing import Array, Tensor
from .averages import update_mean
from .optimizer import Optimizer, decayed_gradient

__all__ = ["Lion"]


class Lion(Optimizer):
    """Steps of fixed size in the direction of a sign.

    The sign is that of an average of gradient and momentum::

        p *= 1 - lr * weight_decay
        p -= lr * sign(beta1 * m + (1 - beta1) * g)
        m = beta2 * m + (1 - beta2) * g

    Parameters
    ----------
    params : iterable
        Parameters or parameter groups (see `Optimizer`).
    lr : float
        A third to a tenth of what suits `AdamW`.
    betas : pair of float
    weight_decay : float
        Three to ten times what suits `AdamW`.
    maximize : bool
        Ascend instead.

    References
    ----------
    X. Chen et al., "Symbolic discovery of optimization algorithms", NeurIPS 2023, algorithm 2.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn import optim
    >>> w = ag.tensor([1.0, -2.0], requires_grad=True)
    >>> optimizer = optim.Lion([w], lr=0.1)
    >>> (w**2).sum().backward()
    >>> optimizer.step()
    >>> w.detach().round(decimals=4)
    tensor([ 0.9, -1.9])
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-4,
        betas: tuple[float, float] = (0.9, 0.99),
        weight_decay: float = 0.0,
        *,
        maximize: bool = False,
        **implementation: Any,
    ):
        defaults = {
            "lr": lr, "betas": betas, "weight_decay": weight_decay, "decoupled_weight_decay": True,
            "maximize": maximize,
        }
        super().__init__(params, defaults, **implementation)

    def init_state(self, p: Tensor, group: Mapping[str, Any]) -> dict[str, Any]:
        return {"exp_avg": zeros_like(p)}

    def update(self, p: Tensor, g: Tensor, state: dict[str, Any], group: Mapping[str, Any]) -> None:
        lion_step(p, g, state["exp_avg"], group["lr"], *group["betas"], group["weight_decay"],
                  maximize=group["maximize"])


@update(writes="p m")
def lion_step(
    p: Array, g: Array, m: Array, lr: float, beta1: float, beta2: float, weight_decay: float, *, maximize: bool
) -> None:
    """Update a parameter and the mean of its gradient."""
    g = decayed_gradient(p, g, lr, weight_decay, maximize, decoupled=True)
    average = beta1 * m + (1 - beta1) * g
    p -= lr * np.sign(average)
    update_mean(m, g, beta2)
