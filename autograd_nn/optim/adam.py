"""Adam and AdamW."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from ..kernels.optim import adam_step
from .optimizer import Optimizer


class Adam(Optimizer):
    """Adam.

    With ``g += weight_decay * p``: ``m = beta1 m + (1 - beta1) g``, ``v = beta2 v + (1 - beta2) g²`` and
    ``p -= lr / (1 - beta1^t) * m / (sqrt(v / (1 - beta2^t)) + eps)``.

    Parameters
    ----------
    params : see `Optimizer`
    lr : float
    betas : (float, float)
    eps, weight_decay : float
    amsgrad : bool
        Divide by the largest `v` so far (S. Reddi et al. 2018).
    maximize : bool

    References
    ----------
    D. Kingma and J. Ba, "Adam: a method for stochastic optimization", 2015, arXiv:1412.6980.
    """

    decoupled = False

    def __init__(self, params: Iterable[Any], lr: float = 1e-3, betas: tuple[float, float] = (0.9, 0.999),
                 eps: float = 1e-8, weight_decay: float = 0.0, amsgrad: bool = False, *, maximize: bool = False):
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay,
                                  "amsgrad": amsgrad, "maximize": maximize})

    def check(self, group):
        super().check(group)
        for i, beta in enumerate(group["betas"]):
            self._within(f"betas[{i}]", beta)

    def update(self, array, gradient, state, group):
        if not state:
            state.update(step=0, exp_avg=np.zeros_like(array), exp_avg_sq=np.zeros_like(array))
            if group["amsgrad"]:
                state["max_exp_avg_sq"] = np.zeros_like(array)
        state["step"] += 1
        beta1, beta2 = group["betas"]
        adam_step(array, gradient, state["exp_avg"], state["exp_avg_sq"], lr=group["lr"], beta1=beta1, beta2=beta2,
                  eps=group["eps"], weight_decay=group["weight_decay"], step=state["step"], decoupled=self.decoupled,
                  maximize=group["maximize"], vmax=state.get("max_exp_avg_sq"))


class AdamW(Adam):
    """Adam with weight decay apart from the gradient: first ``p *= 1 - lr * weight_decay``.

    References
    ----------
    I. Loshchilov and F. Hutter, "Decoupled weight decay regularization", 2019, arXiv:1711.05101.
    """

    decoupled = True

    def __init__(self, params: Iterable[Any], lr: float = 1e-3, betas: tuple[float, float] = (0.9, 0.999),
                 eps: float = 1e-8, weight_decay: float = 1e-2, amsgrad: bool = False, *, maximize: bool = False):
        super().__init__(params, lr, betas, eps, weight_decay, amsgrad, maximize=maximize)
