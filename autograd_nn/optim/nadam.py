"""NAdam."""

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

__all__ = ["NAdam"]


class NAdam(Optimizer):
    """Adam with Nesterov's momentum, on a schedule.

    With ``g += weight_decay * p``, the number ``t`` of the step, and
    ``mu(t) = beta1 * (1 - 0.5 * 0.96**(t * momentum_decay))`` with the product ``M(t)`` of all mu up to ``t``::

        m += (1 - beta1) * (g - m)
        v = beta2 * v + (1 - beta2) * g**2
        d = sqrt(v / (1 - beta2**t)) + eps
        p -= lr * (1 - mu(t)) / (1 - M(t)) * g / d
        p -= lr * mu(t + 1) / (1 - M(t) * mu(t + 1)) * m / d

    Parameters
    ----------
    params : iterable
        Parameters or parameter groups (see `Optimizer`).
    lr : float
    betas : pair of float
    eps, weight_decay, momentum_decay : float
    decoupled_weight_decay : bool
        Decay weights as `AdamW` does.
    maximize : bool
        Ascend instead.

    References
    ----------
    T. Dozat, "Incorporating Nesterov momentum into Adam", ICLR workshop 2016.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn import optim
    >>> w = ag.tensor([1.0, -2.0], requires_grad=True)
    >>> optimizer = optim.NAdam([w], lr=0.1)
    >>> (w**2).sum().backward()
    >>> optimizer.step()
    >>> w.detach().round(decimals=4)
    tensor([ 0.8944, -1.8944])
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum_decay: float = 4e-3,
        decoupled_weight_decay: bool = False,
        *,
        maximize: bool = False,
        **implementation: Any,
    ):
        defaults = {
            "lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "momentum_decay": momentum_decay,
            "decoupled_weight_decay": decoupled_weight_decay, "maximize": maximize,
        }
        super().__init__(params, defaults, **implementation)

    def init_state(self, p: Tensor, group: Mapping[str, Any]) -> dict[str, Any]:
        return {"step": 0, "mu_product": 1.0, "exp_avg": zeros_like(p), "exp_avg_sq": zeros_like(p)}

    def update(self, p: Tensor, g: Tensor, state: dict[str, Any], group: Mapping[str, Any]) -> None:
        state["step"] = t = state["step"] + 1
        lr, (beta1, beta2) = group["lr"], group["betas"]
        mu, mu_next = (beta1 * (1 - 0.5 * 0.96 ** (s * group["momentum_decay"])) for s in (t, t + 1))
        state["mu_product"] *= mu
        nadam_step(
            p, g, state["exp_avg"], state["exp_avg_sq"], lr, lr * (1 - mu) / (1 - state["mu_product"]),
            lr * mu_next / (1 - state["mu_product"] * mu_next), 1 / math.sqrt(1 - beta2**t), beta1, beta2,
            group["eps"], group["weight_decay"], decoupled=group["decoupled_weight_decay"],
            maximize=group["maximize"],
        )  # fmt: skip


@update(writes="p m v")
def nadam_step(
    p: Array, g: Array, m: Array, v: Array, lr: float, of_gradient: float, of_mean: float, correction: float,
    beta1: float, beta2: float, eps: float, weight_decay: float, *, decoupled: bool, maximize: bool,
) -> None:  # fmt: skip
    """Update a parameter, by parts of its gradient and of the gradient's mean, and the averages of the gradient."""
    g = decayed_gradient(p, g, lr, weight_decay, maximize, decoupled)
    update_mean(m, g, beta1)
    update_mean_square(v, g, beta2)
    d = np.sqrt(v, out=np.empty_like(p))
    d *= correction
    d += eps
    change = np.multiply(g, of_gradient, out=np.empty_like(p))
    change += of_mean * m
    change /= d
    p -= change
