"""Resilient backpropagation."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from ..engine import update
from ..ops.elementwise import zeros_like
from ..typing import Array, Tensor
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

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn import optim
    >>> w = ag.tensor([1.0, -2.0], requires_grad=True)
    >>> optimizer = optim.Rprop([w], lr=0.1)
    >>> (w**2).sum().backward()
    >>> optimizer.step()
    >>> w.detach().round(decimals=4)
    tensor([ 0.9, -1.9])
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

    def init_state(self, p: Tensor, group: Mapping[str, Any]) -> dict[str, Any]:
        return {"step": 0, "prev": zeros_like(p), "step_size": zeros_like(p) + group["lr"]}

    def update(self, p: Tensor, g: Tensor, state: dict[str, Any], group: Mapping[str, Any]) -> None:
        state["step"] += 1
        rprop_step(p, g, state["prev"], state["step_size"], *group["etas"], *group["step_sizes"],
                   maximize=group["maximize"])


@update(writes="p previous size")
def rprop_step(
    p: Array, g: Array, previous: Array, size: Array, shrink: float, grow: float, smallest: float, largest: float, *,
    maximize: bool,
) -> None:  # fmt: skip
    """Update a parameter, the gradient of the step before and the sizes of steps."""
    T = p.dtype.type
    g = gradient_to_descend(p, g, 0.0, maximize)
    agreement = np.sign(g) * np.sign(previous)
    size *= np.where(agreement > 0, T(grow), np.where(agreement < 0, T(shrink), T(1)))
    np.clip(size, smallest, largest, out=size)
    previous[...] = np.where(agreement < 0, 0, g)
    p -= np.sign(previous) * size
