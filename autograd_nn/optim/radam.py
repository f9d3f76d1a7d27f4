"""RAdam."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from ..engine import update
from ..ops.elementwise import zeros_like
from ..typing import Array, Tensor
from .averages import update_mean, update_mean_square
from .optimizer import Optimizer, decayed_gradient

__all__ = ["RAdam"]


class RAdam(Optimizer):
    """Adam that corrects for the variance of its first steps, while it is infinite by steps of the mean gradient.

    With ``g += weight_decay * p``, the number ``t`` of the step, ``rho = 2 / (1 - beta2) - 1`` and
    ``r = rho - 2 * t * beta2**t / (1 - beta2**t)``::

        m += (1 - beta1) * (g - m)
        v = beta2 * v + (1 - beta2) * g**2
        p -= lr * m / (1 - beta1**t) * s
        s = sqrt((r-4)*(r-2)*rho / ((rho-4)*(rho-2)*r)) * sqrt(1 - beta2**t) / (sqrt(v) + eps)   if r > 5, else 1

    Parameters
    ----------
    params : iterable
        Parameters or parameter groups (see `Optimizer`).
    lr : float
    betas : pair of float
    eps, weight_decay : float
    decoupled_weight_decay : bool
        Decay weights as `AdamW` does.
    maximize : bool
        Ascend instead.

    References
    ----------
    L. Liu et al., "On the variance of the adaptive learning rate and beyond", ICLR 2020.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn import optim
    >>> w = ag.tensor([1.0, -2.0], requires_grad=True)
    >>> optimizer = optim.RAdam([w], lr=0.1)
    >>> (w**2).sum().backward()
    >>> optimizer.step()
    >>> w.detach().round(decimals=4)
    tensor([ 0.8, -1.6])
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        decoupled_weight_decay: bool = False,
        *,
        maximize: bool = False,
        **implementation: Any,
    ):
        defaults = {
            "lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay,
            "decoupled_weight_decay": decoupled_weight_decay, "maximize": maximize,
        }
        super().__init__(params, defaults, **implementation)

    def init_state(self, p: Tensor, group: Mapping[str, Any]) -> dict[str, Any]:
        return {"step": 0, "exp_avg": zeros_like(p), "exp_avg_sq": zeros_like(p)}

    def update(self, p: Tensor, g: Tensor, state: dict[str, Any], group: Mapping[str, Any]) -> None:
        state["step"] = t = state["step"] + 1
        beta1, beta2 = group["betas"]
        correction = 1 - beta2**t
        rho = 2 / (1 - beta2) - 1
        r = rho - 2 * t * beta2**t / correction
        rate = group["lr"] / (1 - beta1**t)
        if r > 5:
            rate *= math.sqrt((r - 4) * (r - 2) * rho / ((rho - 4) * (rho - 2) * r)) * math.sqrt(correction)
        radam_step(
            p, g, state["exp_avg"], state["exp_avg_sq"], group["lr"], rate, beta1, beta2, group["eps"],
            group["weight_decay"], rectified=r > 5, decoupled=group["decoupled_weight_decay"],
            maximize=group["maximize"],
        )  # fmt: skip


@update(writes="p m v")
def radam_step(
    p: Array, g: Array, m: Array, v: Array, lr: float, rate: float, beta1: float, beta2: float, eps: float,
    weight_decay: float, *, rectified: bool, decoupled: bool, maximize: bool,
) -> None:  # fmt: skip
    """Update a parameter and the averages of its gradient."""
    g = decayed_gradient(p, g, lr, weight_decay, maximize, decoupled)
    update_mean(m, g, beta1)
    update_mean_square(v, g, beta2)
    d = np.empty_like(p)
    if rectified:
        np.sqrt(v, out=d)
        d += eps
        np.divide(m, d, out=d)
        d *= rate
    else:
        np.multiply(m, rate, out=d)
    p -= d
