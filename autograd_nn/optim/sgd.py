"""Stochastic gradient descent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import chain
from typing import Any

from ..engine import update as door
from ..kernels import optim as kernels
from ..ops.elementwise import zeros_like
from ..typing import Array, Tensor
from .optimizer import Optimizer, together

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

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn import optim
    >>> w = ag.tensor([1.0], requires_grad=True)
    >>> optimizer = optim.SGD([w], lr=0.1, momentum=0.9)
    >>> for _ in range(2):
    ...     optimizer.zero_grad()
    ...     (w**2).sum().backward()
    ...     optimizer.step()
    >>> w.tolist()
    [0.46000000834465027]
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

    def init_state(self, p: Tensor, group: Mapping[str, Any]) -> dict[str, Any]:
        return {"momentum_buffer": None}

    def update(self, p: Tensor, g: Tensor, state: dict[str, Any], group: Mapping[str, Any]) -> None:
        SGD.update_all(self, [p], [g], [state], group)

    @together(update)
    def update_all(self, params: list[Any], gradients: list[Any], states: list[dict[str, Any]],
                   group: Mapping[str, Any]) -> None:
        momentum, common = group["momentum"], (group["lr"], group["weight_decay"])
        if not momentum:
            sgd_steps(*common, *chain.from_iterable(zip(gradients, params)), maximize=group["maximize"])
            return
        first: list[Any] = []
        later: list[Any] = []
        for p, g, state in zip(params, gradients, states):
            buffer = state["momentum_buffer"]
            if buffer is None:
                buffer = state["momentum_buffer"] = zeros_like(p)
                first += g, p, buffer
            else:
                later += g, p, buffer
        for arrays, dampening in ((first, 0.0), (later, group["dampening"])):
            if arrays:
                momentum_steps(*common, momentum, dampening, *arrays, nesterov=group["nesterov"],
                               maximize=group["maximize"])


@door(writes="*arrays", every=2)
def sgd_steps(lr: float, weight_decay: float, *arrays: Array, maximize: bool = False) -> None:
    """Step of parameters without momentum; `arrays` are gradient, parameter, gradient, ..."""
    kernels.sgd_steps(lr, weight_decay, *arrays, maximize=maximize)


@door(writes="*arrays", every=3)
def momentum_steps(lr: float, weight_decay: float, momentum: float, dampening: float, *arrays: Array,
                   nesterov: bool = False, maximize: bool = False) -> None:
    """Step of parameters with momentum; `arrays` are gradient, parameter, buffer, gradient, ..."""
    kernels.momentum_steps(lr, weight_decay, momentum, dampening, *arrays, nesterov=nesterov, maximize=maximize)
