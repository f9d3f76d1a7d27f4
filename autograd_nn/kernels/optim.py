"""Optimizer updates in place: one pass over parameter, gradient and state.

Each element is computed on its own, without contraction into fused multiply-adds, so that the result does not
depend on the array's size or on the number of threads. Hyper-parameters and bias corrections are computed in
double precision and rounded once to the parameter's dtype, as in PyTorch.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy import uintp

from autograd_nn.kernels.annotations import Array
from autograd_nn.kernels.compile import chunked, threads_for
from autograd_nn.kernels.memory import contiguous

__all__ = ["adam_step", "sgd_step"]


def _in_place(update: Callable[..., None], p: Array, g: Array, states: Sequence[Array], *settings: float) -> None:
    """Run ``update(threads, p, g, *states, *settings)`` on flat arrays, through copies where some are strided."""
    arrays = p, *states
    for x in arrays:
        if not x.flags.carray:
            break
    else:
        update(threads_for(2 * p.size), p.ravel(), contiguous(g).ravel(), *[x.ravel() for x in states], *settings)
        return
    copies = [np.array(x, order="C") for x in arrays]
    _in_place(update, copies[0], g, copies[1:], *settings)
    for x, copy in zip(arrays, copies, strict=True):
        x[...] = copy


def sgd_step(
    p: Array,
    g: Array,
    buf: Array | None = None,
    lr: float = 1e-3,
    momentum: float = 0.0,
    dampening: float = 0.0,
    *,
    weight_decay: float = 0.0,
    nesterov: bool = False,
    maximize: bool = False,
    first: bool = False,
) -> None:
    """Update a parameter by stochastic gradient descent, in place.

    With ``g`` negated if `maximize` and then ``g += weight_decay * p``::

        buf = g                                      if first
        buf = momentum * buf + (1 - dampening) * g   otherwise
        d = g + momentum * buf if nesterov else buf
        p -= lr * d

    Without momentum ``d = g`` and `buf` is not used.

    Parameters
    ----------
    p : ndarray, float32 or float64
        The parameter, changed in place.
    g : ndarray, shape and dtype of `p`
    buf : ndarray, shape and dtype of `p`, optional
        Momentum buffer, changed in place; needed where ``momentum != 0``.
    first : bool
        Whether this is the buffer's first step, which takes the gradient undampened.
    """
    settings = float(lr), float(weight_decay), -1.0 if maximize else 1.0
    if momentum == 0:
        _in_place(_sgd, p, g, (), *settings)
        return
    if buf is None:
        raise ValueError(f"sgd_step(): momentum needs buf, an array like p (momentum={momentum})")
    take = 1.0 if first else 1.0 - dampening
    if first:
        buf.fill(0)
    _in_place(_sgd_momentum, p, g, (buf,), *settings, float(momentum), take, bool(nesterov))


@chunked(contract=False)
def _sgd(t: int, threads: int, p: Array, g: Array, lr: float, weight_decay: float, sign: float) -> None:
    T = p.dtype.type
    rate, decay, sign, zero = T(lr), T(weight_decay), T(sign), T(0)
    for i in range(uintp(t * p.size // threads), uintp((t + 1) * p.size // threads)):
        p[i] -= rate * (sign * g[i] + (decay * p[i] if decay else zero))


@chunked(contract=False)
def _sgd_momentum(
    t: int, threads: int, p: Array, g: Array, buf: Array, lr: float, weight_decay: float, sign: float, momentum: float,
    take: float, nesterov: bool,
) -> None:  # fmt: skip
    T = p.dtype.type
    rate, decay, sign, momentum, take, zero = T(lr), T(weight_decay), T(sign), T(momentum), T(take), T(0)
    for i in range(uintp(t * p.size // threads), uintp((t + 1) * p.size // threads)):
        gradient = sign * g[i] + (decay * p[i] if decay else zero)
        buf[i] = momentum * buf[i] + take * gradient
        p[i] -= rate * (gradient + momentum * buf[i] if nesterov else buf[i])


def adam_step(
    p: Array,
    g: Array,
    m: Array,
    v: Array,
    vmax: Array | None = None,
    lr: float = 1e-3,
    beta1: float = 0.9,
    beta2: float = 0.999,
    step: int = 1,
    *,
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    decoupled: bool = False,
    maximize: bool = False,
) -> None:
    """Update a parameter by Adam (Kingma and Ba, 2015) or, if `decoupled`, AdamW (Loshchilov and Hutter, 2019).

    In place, with ``g`` negated if `maximize`::

        p *= 1 - lr * weight_decay     if decoupled
        g += weight_decay * p          otherwise
        m += (1 - beta1) * (g - m)
        v = beta2 * v + (1 - beta2) * g * g
        p -= lr / (1 - beta1**step) * m / (sqrt(v) / sqrt(1 - beta2**step) + eps)

    With `vmax` (AMSGrad, Reddi et al., 2018) ``vmax = max(vmax, v)`` stands in the place of ``v`` in the last line.

    Parameters
    ----------
    p : ndarray, float32 or float64
        The parameter, changed in place.
    g : ndarray, shape and dtype of `p`
    m, v : ndarray, shape and dtype of `p`
        Running averages of the gradient and its square, zero before the first step; changed in place.
    vmax : ndarray, shape and dtype of `p`, optional
        Running maximum of `v`, changed in place.
    step : int
        Number of this step, from 1.
    """
    settings = (
        *(lr / (1 - beta1**step), 1.0 / math.sqrt(1 - beta2**step), 1 - beta1, beta2, 1 - beta2, float(eps)),
        *(1 - lr * weight_decay if decoupled else 1.0, 0.0 if decoupled else float(weight_decay)),
        -1.0 if maximize else 1.0,
    )
    if vmax is None:
        _in_place(_adam, p, g, (m, v), *settings)
    else:
        _in_place(_amsgrad, p, g, (m, v, vmax), *settings)


@chunked(contract=False)
def _adam(
    t: int, threads: int, p: Array, g: Array, m: Array, v: Array, rate: float, correction: float, take1: float,
    keep2: float, take2: float, eps: float, shrink: float, decay: float, sign: float,
) -> None:  # fmt: skip
    T = p.dtype.type
    rate, correction, take1, keep2, take2 = T(rate), T(correction), T(take1), T(keep2), T(take2)
    eps, shrink, decay, sign, zero = T(eps), T(shrink), T(decay), T(sign), T(0)
    for i in range(uintp(t * p.size // threads), uintp((t + 1) * p.size // threads)):
        weight = p[i] * shrink
        gradient = sign * g[i] + (decay * weight if decay else zero)
        m[i] += take1 * (gradient - m[i])
        v[i] = keep2 * v[i] + take2 * gradient * gradient
        p[i] = weight - rate * m[i] / (np.sqrt(v[i]) * correction + eps)


@chunked(contract=False)
def _amsgrad(
    t: int, threads: int, p: Array, g: Array, m: Array, v: Array, vmax: Array, rate: float, correction: float,
    take1: float, keep2: float, take2: float, eps: float, shrink: float, decay: float, sign: float,
) -> None:  # fmt: skip
    """Update as `_adam` does, in two loops: LLVM does not vectorize one that could alias five arrays."""
    T = p.dtype.type
    rate, correction, take1, keep2, take2 = T(rate), T(correction), T(take1), T(keep2), T(take2)
    eps, shrink, decay, sign, zero = T(eps), T(shrink), T(decay), T(sign), T(0)
    first, last = uintp(t * p.size // threads), uintp((t + 1) * p.size // threads)
    for i in range(first, last):
        gradient = sign * g[i] + (decay * p[i] if decay else zero)
        m[i] += take1 * (gradient - m[i])
        v[i] = keep2 * v[i] + take2 * gradient * gradient
    for i in range(first, last):
        largest = v[i] if v[i] > vmax[i] or v[i] != v[i] else vmax[i]
        vmax[i] = largest
        p[i] = p[i] * shrink - rate * m[i] / (np.sqrt(largest) * correction + eps)
