"""Averaged stochastic gradient descent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..engine import update
from ..ops.elementwise import zeros_like
from ..typing import Array, Tensor
from .optimizer import Optimizer, gradient_to_descend

__all__ = ["ASGD"]


class ASGD(Optimizer):
    """Stochastic gradient descent that also keeps the average of the parameters, as ``state[p]["ax"]``.

    With ``g += weight_decay * p`` and the number ``t`` of the step, ``eta = lr`` and ``mu = 1`` at first::

        p *= 1 - lambd * eta
        p -= eta * g
        ax += mu * (p - ax)
        eta = lr / (1 + lambd * lr * t)**alpha
        mu = 1 / max(1, t - t0)

    Parameters
    ----------
    params : iterable
        Parameters or parameter groups (see `Optimizer`).
    lr, lambd, alpha : float
    t0 : float
        The step after which averaging starts.
    weight_decay : float
    maximize : bool
        Ascend instead.

    References
    ----------
    B. Polyak and A. Juditsky, "Acceleration of stochastic approximation by averaging", SIAM J. Control Optim. 30, 1992.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn import optim
    >>> w = ag.tensor([1.0, -2.0], requires_grad=True)
    >>> optimizer = optim.ASGD([w], lr=0.1)
    >>> (w**2).sum().backward()
    >>> optimizer.step()
    >>> w.detach().round(decimals=4)
    tensor([ 0.8, -1.6])
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-2,
        lambd: float = 1e-4,
        alpha: float = 0.75,
        t0: float = 1e6,
        weight_decay: float = 0.0,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ):
        defaults = {
            "lr": lr, "lambd": lambd, "alpha": alpha, "t0": t0, "weight_decay": weight_decay, "maximize": maximize,
        }
        super().__init__(params, defaults, foreach=foreach, capturable=capturable, differentiable=differentiable)

    def init_state(self, p: Tensor, group: Mapping[str, Any]) -> dict[str, Any]:
        return {"step": 0, "eta": float(group["lr"]), "mu": 1.0, "ax": zeros_like(p)}

    def update(self, p: Tensor, g: Tensor, state: dict[str, Any], group: Mapping[str, Any]) -> None:
        state["step"] += 1
        lr, lambd = group["lr"], group["lambd"]
        asgd_step(p, g, state["ax"], state["eta"], state["mu"], lambd, group["weight_decay"],
                  maximize=group["maximize"])
        state["eta"] = lr / (1 + lambd * lr * state["step"]) ** group["alpha"]
        state["mu"] = 1 / max(1, state["step"] - group["t0"])


@update(writes="p ax")
def asgd_step(
    p: Array, g: Array, ax: Array, eta: float, mu: float, lambd: float, weight_decay: float, *, maximize: bool
) -> None:
    """Update a parameter and its average."""
    g = gradient_to_descend(p, g, weight_decay, maximize)
    p *= 1 - lambd * eta
    p -= eta * g
    if mu == 1:
        ax[...] = p
    else:
        ax += mu * (p - ax)
