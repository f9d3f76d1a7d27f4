"""NAdam."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

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

    def init_state(self, p: np.ndarray, group: Mapping[str, Any]) -> dict[str, Any]:
        return {"step": 0, "mu_product": 1.0, "exp_avg": np.zeros_like(p), "exp_avg_sq": np.zeros_like(p)}

    def update(self, p: np.ndarray, g: np.ndarray, state: dict[str, Any], group: Mapping[str, Any]) -> None:
        state["step"] = t = state["step"] + 1
        lr, (beta1, beta2) = group["lr"], group["betas"]
        mu, mu_next = (beta1 * (1 - 0.5 * 0.96 ** (s * group["momentum_decay"])) for s in (t, t + 1))
        state["mu_product"] *= mu
        g = decayed_gradient(p, g, group)
        m, v = state["exp_avg"].array, state["exp_avg_sq"].array
        update_mean(m, g, beta1)
        update_mean_square(v, g, beta2)
        d = np.sqrt(v, out=np.empty_like(p))
        d *= 1 / math.sqrt(1 - beta2**t)
        d += group["eps"]
        change = np.multiply(g, lr * (1 - mu) / (1 - state["mu_product"]), out=np.empty_like(p))
        change += lr * mu_next / (1 - state["mu_product"] * mu_next) * m
        change /= d
        p -= change
