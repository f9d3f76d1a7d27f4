"""Muon."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from ..engine import update
from ..ops.elementwise import zeros_like
from ..typing import Array, Tensor
from .arguments import choice, listed, number, require
from .optimizer import HYPERPARAMETERS, Check, Optimizer

__all__ = ["Muon"]


def _coefficients(where: str, name: str, value: Any) -> tuple[float, ...]:
    three = listed(where, name, value, "three numbers")
    require(len(three) == 3, where, f"{name} must be three numbers", **{name: value})
    return tuple(number(where, f"each of {name}", item) for item in three)


def _adjustment(where: str, name: str, value: Any) -> str | None:
    return None if value is None else choice(where, name, value, ("original", "match_rms_adamw"))


class Muon(Optimizer):
    """Steps along the momentum of a matrix, made nearly orthogonal: all its singular values near 1.

    With ``buf = momentum * buf + (1 - momentum) * g`` and ``d = (1 - momentum) * g + momentum * buf`` if `nesterov`,
    else ``d = buf``::

        p *= 1 - lr * weight_decay
        p -= lr * scale * orthogonal(d)

    `orthogonal` runs `ns_steps` Newton-Schulz iterations ``x = a * x + (b * A + c * A @ A) @ x`` with ``A = x @ x.T``,
    from ``x = d / norm(d)``. Unlike PyTorch it computes them in the dtype of the parameter, not in bfloat16.

    Parameters
    ----------
    params : iterable
        Matrices, or parameter groups of them (see `Optimizer`). Biases, embeddings and convolutions belong to another
        optimizer.
    lr, weight_decay, momentum : float
    nesterov : bool
    ns_coefficients : tuple of three floats
    eps : float
        The least norm to divide by.
    ns_steps : int
    adjust_lr_fn : {None, 'original', 'match_rms_adamw'}
        The scale: ``sqrt(max(1, rows / columns))``, or ``0.2 * sqrt(max(rows, columns))``.

    References
    ----------
    K. Jordan et al., "Muon: an optimizer for hidden layers in neural networks", 2024. J. Liu et al., "Muon is scalable
    for LLM training", 2025, arXiv:2502.16982 (`match_rms_adamw`).

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn import optim
    >>> w = ag.eye(3).requires_grad_()
    >>> optimizer = optim.Muon([w], lr=0.1)
    >>> (w**2).sum().backward()
    >>> optimizer.step()
    >>> bool((w.diagonal() < 1).all())
    True
    """

    hyperparameters: Mapping[str, Check] = {
        **HYPERPARAMETERS,
        "ns_coefficients": _coefficients,
        "ns_steps": lambda where, name, value: number(where, name, value, low=0, high=99, whole=True),
        "adjust_lr_fn": _adjustment,
    }

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        weight_decay: float = 0.1,
        momentum: float = 0.95,
        nesterov: bool = True,
        ns_coefficients: tuple[float, float, float] = (3.4445, -4.775, 2.0315),
        eps: float = 1e-7,
        ns_steps: int = 5,
        adjust_lr_fn: str | None = None,
    ):
        super().__init__(params, {
            "lr": lr, "weight_decay": weight_decay, "momentum": momentum, "nesterov": nesterov,
            "ns_coefficients": ns_coefficients, "eps": eps, "ns_steps": ns_steps, "adjust_lr_fn": adjust_lr_fn,
        })  # fmt: skip

    def _check_parameter(self, p: Any, label: str) -> None:
        super()._check_parameter(p, label)
        if p.ndim != 2:
            raise ValueError(f"Muon(): parameter {label} must be a matrix (shape={tuple(p.shape)}); give the others to "
                             "another optimizer, such as AdamW")

    def init_state(self, p: Tensor, group: Mapping[str, Any]) -> dict[str, Any]:
        return {"momentum_buffer": zeros_like(p)}

    def update(self, p: Tensor, g: Tensor, state: dict[str, Any], group: Mapping[str, Any]) -> None:
        muon_step(
            p, g, state["momentum_buffer"], group["lr"], group["momentum"], nesterov=group["nesterov"],
            weight_decay=group["weight_decay"], coefficients=group["ns_coefficients"], eps=group["eps"],
            steps=group["ns_steps"], match_rms=group["adjust_lr_fn"] == "match_rms_adamw",
        )  # fmt: skip


@update(writes="p buf")
def muon_step(
    p: Array, g: Array, buf: Array, lr: float, momentum: float, *, nesterov: bool, weight_decay: float,
    coefficients: tuple[float, float, float], eps: float, steps: int, match_rms: bool,
) -> None:  # fmt: skip
    """Update a matrix and its momentum."""
    if p.size == 0:
        return
    buf += (1 - momentum) * (g - buf)
    d = g + momentum * (buf - g) if nesterov else buf
    rows, columns = p.shape
    scale = 0.2 * math.sqrt(max(rows, columns)) if match_rms else math.sqrt(max(1, rows / columns))
    p *= 1 - lr * weight_decay
    p -= lr * scale * orthogonal(d, coefficients, steps, eps)


def orthogonal(d: Array, coefficients: tuple[float, float, float], steps: int, eps: float) -> Array:
    """Return a matrix with the singular vectors of `d` and singular values near 1, by Newton-Schulz iterations."""
    a, b, c = coefficients
    x = d.T if d.shape[0] > d.shape[1] else d
    x = x / max(float(np.linalg.norm(x)), eps)
    for _ in range(steps):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.T if d.shape[0] > d.shape[1] else x
