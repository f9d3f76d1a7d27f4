"""Adamax."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from ..engine import update
from ..ops.elementwise import zeros_like
from ..typing import Array, Tensor
from .averages import update_mean
from .optimizer import Optimizer, gradient_to_descend

__all__ = ["Adamax"]


class Adamax(Optimizer):
    """Adam with the infinity norm: steps of the mean gradient over its largest, fading magnitude.

    With ``g += weight_decay * p`` and the number ``t`` of the step::

        m += (1 - beta1) * (g - m)
        u = max(beta2 * u, abs(g) + eps)
        p -= lr / (1 - beta1**t) * m / u

    Parameters
    ----------
    params : iterable
        Parameters or parameter groups (see `Optimizer`).
    lr : float
    betas : pair of float
    eps, weight_decay : float
    maximize : bool
        Ascend instead.

    References
    ----------
    D. Kingma and J. Ba, "Adam: a method for stochastic optimization", ICLR 2015, section 7.1.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn import optim
    >>> w = ag.tensor([1.0, -2.0], requires_grad=True)
    >>> optimizer = optim.Adamax([w], lr=0.1)
    >>> (w**2).sum().backward()
    >>> optimizer.step()
    >>> w.detach().round(decimals=4)
    tensor([ 0.9, -1.9])
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        **implementation: Any,
    ):
        defaults = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "maximize": maximize}
        super().__init__(params, defaults, foreach=foreach, **implementation)

    def init_state(self, p: Tensor, group: Mapping[str, Any]) -> dict[str, Any]:
        return {"step": 0, "exp_avg": zeros_like(p), "exp_inf": zeros_like(p)}

    def update(self, p: Tensor, g: Tensor, state: dict[str, Any], group: Mapping[str, Any]) -> None:
        state["step"] += 1
        beta1, beta2 = group["betas"]
        rate = group["lr"] / (1 - beta1 ** state["step"])
        adamax_step(p, g, state["exp_avg"], state["exp_inf"], rate, beta1, beta2, group["eps"], group["weight_decay"],
                    maximize=group["maximize"])


@update(writes="p m u")
def adamax_step(
    p: Array, g: Array, m: Array, u: Array, rate: float, beta1: float, beta2: float, eps: float, weight_decay: float,
    *, maximize: bool,
) -> None:  # fmt: skip
    """Update a parameter, the mean of its gradient and the gradient's largest, fading magnitude."""
    g = gradient_to_descend(p, g, weight_decay, maximize)
    update_mean(m, g, beta1)
    d = np.abs(g, out=np.empty_like(p))
    d += eps
    u *= beta2
    np.maximum(u, d, out=u)
    np.divide(m, u, out=d)
    d *= rate
    p -= d
