"""Adafactor."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from ..engine import update
from ..ops.elementwise import zeros_like
from ..typing import Array, Tensor
from .arguments import listed, number, require
from .optimizer import HYPERPARAMETERS, Check, Optimizer, decayed_gradient

__all__ = ["Adafactor"]


def _epsilons(where: str, name: str, value: Any) -> tuple[float | None, float]:
    pair = listed(where, name, value, "two numbers")
    require(len(pair) == 2, where, f"{name} must be two numbers, the first of which may be None", **{name: value})
    first = None if pair[0] is None else number(where, f"each of {name}", pair[0], low=0)
    return first, number(where, f"each of {name}", pair[1], low=0)


class Adafactor(Optimizer):
    """Adam without the mean, that keeps of a matrix's mean squares only those of its rows and columns.

    With the number ``t`` of the step, ``b = t**beta2_decay`` and ``rms(x) = sqrt(mean(x**2))``::

        p *= 1 - lr * weight_decay
        r += b * (mean(g**2, dim=-1) - r)            for parameters of two or more dims
        c += b * (mean(g**2, dim=-2) - c)
        v = r * c / max(mean(r), eps[0])
        v += b * (g**2 - v)                          for others
        u = g / sqrt(max(v, eps[0]**2))
        p -= max(eps[1], rms(p)) * min(lr, 1 / sqrt(t)) * u / max(1, rms(u) / d)

    Parameters
    ----------
    params : iterable
        Parameters or parameter groups (see `Optimizer`).
    lr : float
        The largest step, relative to the size of the parameter.
    beta2_decay : float
        At most 0.
    eps : pair
        The first is the machine epsilon where it is None.
    d : float
        Where steps are clipped; at least 1.
    weight_decay : float
    maximize : bool
        Ascend instead.

    References
    ----------
    N. Shazeer and M. Stern, "Adafactor: adaptive learning rates with sublinear memory cost", ICML 2018.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn import optim
    >>> w = ag.ones(3, 4).requires_grad_()
    >>> optimizer = optim.Adafactor([w], lr=0.01)
    >>> (w**2).sum().backward()
    >>> optimizer.step()
    >>> bool((w < 1).all())
    True
    """

    hyperparameters: Mapping[str, Check] = {
        **HYPERPARAMETERS,
        "eps": _epsilons,
        "beta2_decay": lambda where, name, value: number(where, name, value, high=0),
        "d": lambda where, name, value: number(where, name, value, low=1),
    }

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-2,
        beta2_decay: float = -0.8,
        eps: tuple[float | None, float] = (None, 1e-3),
        d: float = 1.0,
        weight_decay: float = 0.0,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
    ):
        defaults = {
            "lr": lr, "beta2_decay": beta2_decay, "eps": eps, "d": d, "weight_decay": weight_decay,
            "maximize": maximize,
        }
        super().__init__(params, defaults, foreach=foreach)

    def init_state(self, p: Tensor, group: Mapping[str, Any]) -> dict[str, Any]:
        if p.ndim < 2:
            return {"step": 0, "variance": zeros_like(p)}
        rows, columns = p.sum(-1, keepdim=True), p.sum(-2, keepdim=True)
        return {"step": 0, "row_var": zeros_like(rows), "col_var": zeros_like(columns)}

    def update(self, p: Tensor, g: Tensor, state: dict[str, Any], group: Mapping[str, Any]) -> None:
        state["step"] += 1
        adafactor_step(
            p, g, state.get("row_var"), state.get("col_var"), state.get("variance"), group["lr"], state["step"],
            beta2_decay=group["beta2_decay"], eps=group["eps"], d=group["d"], weight_decay=group["weight_decay"],
            maximize=group["maximize"],
        )  # fmt: skip


@update(writes="p row column variance")
def adafactor_step(
    p: Array, g: Array, row: Array | None, column: Array | None, variance: Array | None, lr: float, step: int, *,
    beta2_decay: float, eps: tuple[float | None, float], d: float, weight_decay: float, maximize: bool,
) -> None:  # fmt: skip
    """Update a parameter and the mean squares of its gradient, of rows and columns or of all elements."""
    if p.size == 0:
        return
    least = float(np.finfo(p.dtype).eps) if eps[0] is None else eps[0]
    take = step**beta2_decay
    rate = max(eps[1], _rms(p)) * min(lr, step**-0.5)
    g = decayed_gradient(p, g, lr, weight_decay, maximize, decoupled=True)
    squares = g * g
    if row is not None and column is not None:
        row += take * (squares.mean(-1, keepdims=True) - row)
        column += take * (squares.mean(-2, keepdims=True) - column)
        estimate = row * column / np.maximum(row.mean(-2, keepdims=True), least)
    elif variance is not None:
        variance += take * (squares - variance)
        estimate = variance
    u = g / np.sqrt(np.maximum(estimate, least * least))
    p -= rate / max(1.0, _rms(u) / d) * u


def _rms(x: Array) -> float:
    return float(np.sqrt(np.mean(np.square(x, dtype=np.float64))))
