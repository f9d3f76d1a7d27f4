"""Stochastic gradient descent."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from ..kernels.optim import sgd_step
from .optimizer import Optimizer


class SGD(Optimizer):
    """Stochastic gradient descent with momentum.

    With ``g += weight_decay * p``: ``b = momentum * b + (1 - dampening) * g`` (``b = g`` at the first step), and
    ``p -= lr * b``, or ``p -= lr * (g + momentum * b)`` with Nesterov's momentum.

    Parameters
    ----------
    params : see `Optimizer`
    lr, momentum, dampening, weight_decay : float
    nesterov, maximize : bool

    References
    ----------
    I. Sutskever et al., "On the importance of initialization and momentum in deep learning", ICML 2013.
    """

    def __init__(self, params: Iterable[Any], lr: float = 1e-3, momentum: float = 0.0, dampening: float = 0.0,
                 weight_decay: float = 0.0, nesterov: bool = False, *, maximize: bool = False):
        super().__init__(params, {"lr": lr, "momentum": momentum, "dampening": dampening,
                                  "weight_decay": weight_decay, "nesterov": nesterov, "maximize": maximize})

    def check(self, group):
        super().check(group)
        self._at_least(group, 0, "momentum")
        if group["nesterov"] and (group["momentum"] <= 0 or group["dampening"] != 0):
            raise ValueError("SGD(): nesterov needs a momentum and no dampening "
                             f"(momentum={group['momentum']}, dampening={group['dampening']})")

    def update(self, array, gradient, state, group):
        momentum = group["momentum"]
        buffer = state.get("momentum_buffer")
        first = buffer is None
        if momentum and first:
            buffer = state["momentum_buffer"] = np.zeros_like(array)
        sgd_step(array, gradient, buffer, lr=group["lr"], momentum=momentum, dampening=group["dampening"],
                 weight_decay=group["weight_decay"], nesterov=group["nesterov"], maximize=group["maximize"], first=first)
