"""Adam and AdamW."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..engine import update as door
from ..kernels import optim as kernels
from ..ops.elementwise import zeros_like
from ..typing import Array, Tensor
from .optimizer import Optimizer, together

__all__ = ["Adam", "AdamW"]


class Adam(Optimizer):
    """Steps in units of running averages: the mean of the gradient over the root of its mean square.

    With ``g += weight_decay * p`` and the number ``t`` of the step::

        m += (1 - beta1) * (g - m)
        v = beta2 * v + (1 - beta2) * g**2
        p -= lr / (1 - beta1**t) * m / (sqrt(v) / sqrt(1 - beta2**t) + eps)

    Parameters
    ----------
    params : iterable
        Parameters or parameter groups (see `Optimizer`).
    lr : float
    betas : pair of float
        What the averages keep per step.
    eps : float
        Added to the root, after its correction.
    weight_decay : float
    amsgrad : bool
        Divide by the largest mean square so far.
    maximize : bool
        Ascend instead.
    decoupled_weight_decay : bool
        Decay weights as `AdamW` does.

    References
    ----------
    D. Kingma and J. Ba, "Adam: a method for stochastic optimization", ICLR 2015. S. Reddi, S. Kale and S. Kumar, "On
    the convergence of Adam and beyond", ICLR 2018 (`amsgrad`).

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn import optim
    >>> w = ag.tensor([1.0, -2.0], requires_grad=True)
    >>> optimizer = optim.Adam([w], lr=0.1)
    >>> (w**2).sum().backward()
    >>> optimizer.step()
    >>> w.detach().round(decimals=4)
    tensor([ 0.9, -1.9])
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        decoupled_weight_decay: bool = False,
        **implementation: Any,
    ):
        defaults = {
            "lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "amsgrad": amsgrad,
            "maximize": maximize, "decoupled_weight_decay": decoupled_weight_decay,
        }
        super().__init__(params, defaults, **implementation)

    def init_state(self, p: Tensor, group: Mapping[str, Any]) -> dict[str, Any]:
        state = {"step": 0, "exp_avg": zeros_like(p), "exp_avg_sq": zeros_like(p)}
        return {**state, "max_exp_avg_sq": zeros_like(p)} if group["amsgrad"] else state

    def update(self, p: Tensor, g: Tensor, state: dict[str, Any], group: Mapping[str, Any]) -> None:
        Adam.update_all(self, [p], [g], [state], group)

    @together(update)
    def update_all(self, params: list[Any], gradients: list[Any], states: list[dict[str, Any]],
                   group: Mapping[str, Any]) -> None:
        by_step: dict[int, list[Any]] = {}
        for p, g, state in zip(params, gradients, states):
            step = state["step"] = state["step"] + 1
            arrays = by_step.get(step)
            if arrays is None:
                arrays = by_step[step] = []
            arrays += g, p, state["exp_avg"], state["exp_avg_sq"]
            if group["amsgrad"]:
                arrays.append(state["max_exp_avg_sq"])
        steps = amsgrad_steps if group["amsgrad"] else adam_steps
        for step, arrays in by_step.items():
            steps(group["lr"], *group["betas"], step, group["eps"], group["weight_decay"], *arrays,
                  decoupled=group["decoupled_weight_decay"], maximize=group["maximize"])


@door(writes="*arrays", every=4)
def adam_steps(lr: float, beta1: float, beta2: float, step: int, eps: float, weight_decay: float, *arrays: Array,
               decoupled: bool = False, maximize: bool = False) -> None:
    """Step of parameters without the largest mean square; `arrays` are gradient, parameter, m, v, gradient, ..."""
    kernels.adam_steps(lr, beta1, beta2, step, eps, weight_decay, *arrays, decoupled=decoupled, maximize=maximize)


@door(writes="*arrays", every=5)
def amsgrad_steps(lr: float, beta1: float, beta2: float, step: int, eps: float, weight_decay: float, *arrays: Array,
                  decoupled: bool = False, maximize: bool = False) -> None:
    """Step of parameters with the largest mean square; `arrays` are gradient, parameter, m, v, vmax, gradient, ..."""
    kernels.amsgrad_steps(lr, beta1, beta2, step, eps, weight_decay, *arrays, decoupled=decoupled, maximize=maximize)


class AdamW(Adam):
    """Adam with weight decay apart from the gradient: first ``p *= 1 - lr * weight_decay``.

    Parameters
    ----------
    params : iterable
        Parameters or parameter groups (see `Optimizer`).
    lr, betas, eps, amsgrad, maximize
        As in `Adam`.
    weight_decay : float

    References
    ----------
    I. Loshchilov and F. Hutter, "Decoupled weight decay regularization", ICLR 2019.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn import optim
    >>> w = ag.tensor([1.0, -2.0], requires_grad=True)
    >>> optimizer = optim.AdamW([w], lr=0.1)
    >>> (w**2).sum().backward()
    >>> optimizer.step()
    >>> w.detach().round(decimals=4)
    tensor([ 0.899, -1.898])
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        **implementation: Any,
    ):
        super().__init__(
            params, lr, betas, eps, weight_decay, amsgrad, maximize=maximize, decoupled_weight_decay=True,
            **implementation,
        )
