"""Resilient backpropagation."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from .optimizer import Optimizer, gradient_to_descend

__all__ = ["Rprop"]


class Rprop(Optimizer):
    """Steps by the gradient's sign, each parameter with a step size of its own; for full batches.

    A step size is multiplied by ``etas[1]`` where the gradient kept its sign and by ``etas[0]`` where it changed it;
    there the gradient counts as 0::

        p -= sign(g) * step_size

    Parameters
    ----------
    params : iterable
        Parameters or parameter groups (see `Optimizer`).
    lr : float
        The first step size.
    etas : pair of float
        Factors of the step size.
    step_sizes : pair of float
        The smallest and the largest step size.
    maximize : bool
        Ascend instead.

    References
    ----------
    M. Riedmiller and H. Braun, "A direct adaptive method for faster backpropagation learning: the RPROP algorithm",
    ICNN 1993; here the variant iRprop- of C. Igel and M. Huesken, 2000.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-2,
        etas: tuple[float, float] = (0.5, 1.2),
        step_sizes: tuple[float, float] = (1e-6, 50),
        *,
        maximize: bool = False,
        **implementation: Any,
    ):
        defaults = {"lr": lr, "etas": etas, "step_sizes": step_sizes, "weight_decay": 0.0, "maximize": maximize}
        super().__init__(params, defaults, **implementation)

    def init_state(self, p: np.ndarray, group: Mapping[str, Any]) -> dict[str, Any]:
        return {"step": 0, "prev": np.zeros_like(p), "step_size": np.full_like(p, group["lr"])}

    def update(self, p: np.ndarray, g: np.ndarray, state: dict[str, Any], group: Mapping[str, Any]) -> None:
        state["step"] += 1
        shrink, grow = (p.dtype.type(eta) for eta in group["etas"])
        g = gradient_to_descend(p, g, group)
        previous, size = state["prev"].array, state["step_size"].array
        agreement = np.sign(g) * np.sign(previous)
        size *= np.where(agreement > 0, grow, np.where(agreement < 0, shrink, p.dtype.type(1)))
        np.clip(size, *group["step_sizes"], out=size)
        previous[...] = np.where(agreement < 0, 0, g)
        p -= np.sign(previous) * size
