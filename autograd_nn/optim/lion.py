"""Lion."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

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

    def init_state(self, p: np.ndarray, group: Mapping[str, Any]) -> dict[str, Any]:
        return {"exp_avg": np.zeros_like(p)}

    def update(self, p: np.ndarray, g: np.ndarray, state: dict[str, Any], group: Mapping[str, Any]) -> None:
        beta1, beta2 = group["betas"]
        g = decayed_gradient(p, g, group)
        m = state["exp_avg"].array
        average = beta1 * m + (1 - beta1) * g
        p -= group["lr"] * np.sign(average)
        update_mean(m, g, beta2)
