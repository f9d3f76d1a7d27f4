"""Stochastic gradient descent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from ..engine import wrap
from ..kernels.optim import sgd_step
from .optimizer import Optimizer

__all__ = ["SGD"]


class SGD(Optimizer):
    """Stochastic gradient descent, with momentum or Nesterov's momentum.

    ``g += weight_decay * p``, ``buf = momentum * buf + (1 - dampening) * g`` (``buf = g`` at the first step), and
    ``p -= lr * d`` with ``d = buf``, or ``g + momentum * buf`` if `nesterov`.

    Parameters
    ----------
    params : iterable
        Parameters or parameter groups (see `Optimizer`).
    lr : float
    momentum, dampening, weight_decay : float
    nesterov : bool
        Needs a momentum and no dampening.
    maximize : bool
        Ascend instead.

    References
    ----------
    I. Sutskever, J. Martens, G. Dahl and G. Hinton, "On the importance of initialization and momentum in deep
    learning", ICML 2013; in PyTorch's form, where `lr` is outside of the momentum.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        momentum: float = 0.0,
        dampening: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
        **implementation: Any,
    ):
        defaults = {
            "lr": lr, "momentum": momentum, "dampening": dampening, "weight_decay": weight_decay,
            "nesterov": nesterov, "maximize": maximize,
        }
        super().__init__(params, defaults, **implementation)

    def check_group(self, group: Mapping[str, Any]) -> None:
        super().check_group(group)
        if group["nesterov"] and not (group["momentum"] > 0 and group["dampening"] == 0):
            raise ValueError("SGD(): nesterov needs a momentum above 0 and no dampening "
                             f"(momentum={group['momentum']}, dampening={group['dampening']})")

    def init_state(self, p: np.ndarray, group: Mapping[str, Any]) -> dict[str, Any]:
        return {"momentum_buffer": None}

    def update(self, p: np.ndarray, g: np.ndarray, state: dict[str, Any], group: Mapping[str, Any]) -> None:
        momentum = group["momentum"]
        if not momentum:
            sgd_step(p, g, lr=group["lr"], weight_decay=group["weight_decay"], maximize=group["maximize"])
            return
        first = state["momentum_buffer"] is None
        if first:
            state["momentum_buffer"] = wrap(np.empty_like(p))
        sgd_step(
            p, g, state["momentum_buffer"].array, lr=group["lr"], momentum=momentum, dampening=group["dampening"],
            weight_decay=group["weight_decay"], nesterov=group["nesterov"], maximize=group["maximize"], first=first,
        )
