"""Optimizer updates in place: one pass over parameters, gradients and states.

Each element is computed on its own, without contraction into fused multiply-adds, so that the result does not
depend on the array's size or on the number of threads. Hyper-parameters and bias corrections are computed in
double precision and rounded once to the parameter's dtype, as in PyTorch.

A kernel walks a table (see `addresses`) of rows of gradient, parameter and states, cut into chunks of their total
length. ``..._steps`` update many parameters by it, ``..._step`` do the same of one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy import uintp

from autograd_nn.kernels.addresses import length_of, objects_of, row_of, size_of
from autograd_nn.kernels.annotations import Array
from autograd_nn.kernels.compile import chunked, jit, threads_for

__all__ = ["adam_step", "adam_steps", "amsgrad_steps", "momentum_steps", "sgd_step", "sgd_steps"]


# Of each dtype: an array of it, and its address.
LIKE = {dtype: (np.empty(0, dtype), id(dtype)) for dtype in (np.dtype(np.float32), np.dtype(np.float64))}


def _in_place(kernel: Any, width: int, arrays: Sequence[Array], settings: Sequence[Any]) -> None:
    """Run a kernel on rows of arrays: in one pass, or row by row through copies where some cannot stay."""
    if not arrays:
        return
    objects = objects_of(arrays)
    if objects is not None:
        like, dtype = LIKE[arrays[1].dtype]
        try:
            kernel(threads_for(2 * sum([x.size for x in arrays[::width]])), like, objects, dtype, *settings)
            return
        except TypeError:  # raised before anything is written
            pass
    if not all(x.flags.writeable for i, x in enumerate(arrays) if i % width):
        raise ValueError("an optimizer's step: a parameter or a state is read-only")
    for i in range(0, len(arrays), width):
        g, *others = arrays[i : i + width]
        like, dtype = LIKE[others[0].dtype]
        copies = [np.array(x, like.dtype, order="C") for x in (g, *others)]
        if len({x.size for x in copies}) > 1:
            raise ValueError(f"an optimizer's step: gradient, parameter and states must have one shape (shapes="
                             f"{[x.shape for x in (g, *others)]})")
        kernel(threads_for(2 * g.size), like, objects_of(copies), dtype, *settings)
        for x, copy in zip(others, copies[1:], strict=True):
            x[...] = copy


@jit(inline=True)
def span_of(t: int, threads: int, total: int, begin: int, size: int) -> tuple[Any, Any]:
    """Return where chunk `t` of the total begins and ends in a row of so many elements."""
    first, last = max(t * total // threads - begin, 0), min((t + 1) * total // threads - begin, size)
    return uintp(first), uintp(max(first, last))


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
    if momentum == 0:
        sgd_steps(lr, weight_decay, g, p, maximize=maximize)
        return
    if buf is None:
        raise ValueError(f"sgd_step(): momentum needs buf, an array like p (momentum={momentum})")
    if first:
        buf.fill(0)
    momentum_steps(lr, weight_decay, momentum, 0.0 if first else dampening, g, p, buf, nesterov=nesterov,
                   maximize=maximize)


def sgd_steps(lr: float, weight_decay: float, *arrays: Array, maximize: bool = False) -> None:
    """Update parameters as `sgd_step` does without momentum; `arrays` are gradient, parameter, gradient, ..."""
    _in_place(_sgd, 2, arrays, (float(lr), float(weight_decay), -1.0 if maximize else 1.0))


def momentum_steps(
    lr: float, weight_decay: float, momentum: float, dampening: float, *arrays: Array, nesterov: bool = False,
    maximize: bool = False,
) -> None:  # fmt: skip
    """Update parameters as `sgd_step` does with momentum; `arrays` are gradient, parameter, buffer, gradient, ..."""
    _in_place(_momentum, 3, arrays, (float(lr), float(weight_decay), -1.0 if maximize else 1.0, float(momentum),
                                     1.0 - dampening, bool(nesterov)))


@chunked(contract=False)
def _sgd(
    t: int, threads: int, like: Array, objects: Array, dtype: int, lr: float, weight_decay: float, sign: float
) -> None:  # fmt: skip
    T = like.dtype.type
    rate, decay, sign, zero = T(lr), T(weight_decay), T(sign), T(0)
    begin, total = 0, length_of(objects, 2, dtype)
    if total < 0:
        raise TypeError
    for i in range(0, len(objects), 2):
        first, last = span_of(t, threads, total, begin, size_of(objects[i]))
        begin += size_of(objects[i])
        g, p = row_of(objects[i], like), row_of(objects[i + 1], like)
        for k in range(first, last):
            p[k] -= rate * (sign * g[k] + (decay * p[k] if decay else zero))


@chunked(contract=False)
def _momentum(
    t: int, threads: int, like: Array, objects: Array, dtype: int, lr: float, weight_decay: float, sign: float,
    momentum: float, take: float, nesterov: bool,
) -> None:  # fmt: skip
    T = like.dtype.type
    rate, decay, sign, momentum, take, zero = T(lr), T(weight_decay), T(sign), T(momentum), T(take), T(0)
    begin, total = 0, length_of(objects, 3, dtype)
    if total < 0:
        raise TypeError
    for i in range(0, len(objects), 3):
        first, last = span_of(t, threads, total, begin, size_of(objects[i]))
        begin += size_of(objects[i])
        g, p, buf = row_of(objects[i], like), row_of(objects[i + 1], like), row_of(objects[i + 2], like)
        for k in range(first, last):
            gradient = sign * g[k] + (decay * p[k] if decay else zero)
            buf[k] = momentum * buf[k] + take * gradient
            p[k] -= rate * (gradient + momentum * buf[k] if nesterov else buf[k])


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
    numbers = lr, beta1, beta2, step, eps, weight_decay
    if vmax is None:
        adam_steps(*numbers, g, p, m, v, decoupled=decoupled, maximize=maximize)
    else:
        amsgrad_steps(*numbers, g, p, m, v, vmax, decoupled=decoupled, maximize=maximize)


def adam_steps(
    lr: float, beta1: float, beta2: float, step: int, eps: float, weight_decay: float, *arrays: Array,
    decoupled: bool = False, maximize: bool = False,
) -> None:  # fmt: skip
    """Update parameters as `adam_step` does without `vmax`; `arrays` are gradient, parameter, m, v, gradient, ..."""
    _in_place(_adam, 4, arrays, _adams_numbers(lr, beta1, beta2, step, eps, weight_decay, decoupled, maximize))


def amsgrad_steps(
    lr: float, beta1: float, beta2: float, step: int, eps: float, weight_decay: float, *arrays: Array,
    decoupled: bool = False, maximize: bool = False,
) -> None:  # fmt: skip
    """Update parameters as `adam_step` does with `vmax`; `arrays` are gradient, parameter, m, v, vmax, gradient, ..."""
    _in_place(_amsgrad, 5, arrays, _adams_numbers(lr, beta1, beta2, step, eps, weight_decay, decoupled, maximize))


def _adams_numbers(
    lr: float, beta1: float, beta2: float, step: int, eps: float, weight_decay: float, decoupled: bool, maximize: bool
) -> tuple[float, ...]:
    return (
        *(lr / (1 - beta1**step), 1.0 / math.sqrt(1 - beta2**step), 1 - beta1, beta2, 1 - beta2, float(eps)),
        *(1 - lr * weight_decay if decoupled else 1.0, 0.0 if decoupled else float(weight_decay)),
        -1.0 if maximize else 1.0,
    )


@chunked(contract=False)
def _adam(
    t: int, threads: int, like: Array, objects: Array, dtype: int, rate: float, correction: float, take1: float,
    keep2: float, take2: float, eps: float, shrink: float, decay: float, sign: float,
) -> None:  # fmt: skip
    T = like.dtype.type
    rate, correction, take1, keep2, take2 = T(rate), T(correction), T(take1), T(keep2), T(take2)
    eps, shrink, decay, sign, zero = T(eps), T(shrink), T(decay), T(sign), T(0)
    begin, total = 0, length_of(objects, 4, dtype)
    if total < 0:
        raise TypeError
    for i in range(0, len(objects), 4):
        first, last = span_of(t, threads, total, begin, size_of(objects[i]))
        begin += size_of(objects[i])
        g, p, m = row_of(objects[i], like), row_of(objects[i + 1], like), row_of(objects[i + 2], like)
        v = row_of(objects[i + 3], like)
        for k in range(first, last):
            weight = p[k] * shrink
            gradient = sign * g[k] + (decay * weight if decay else zero)
            m[k] += take1 * (gradient - m[k])
            v[k] = keep2 * v[k] + take2 * gradient * gradient
            p[k] = weight - rate * m[k] / (np.sqrt(v[k]) * correction + eps)


@chunked(contract=False)
def _amsgrad(
    t: int, threads: int, like: Array, objects: Array, dtype: int, rate: float, correction: float, take1: float,
    keep2: float, take2: float, eps: float, shrink: float, decay: float, sign: float,
) -> None:  # fmt: skip
    """Update as `_adam` does, in two loops: LLVM does not vectorize one that could alias five arrays."""
    T = like.dtype.type
    rate, correction, take1, keep2, take2 = T(rate), T(correction), T(take1), T(keep2), T(take2)
    eps, shrink, decay, sign, zero = T(eps), T(shrink), T(decay), T(sign), T(0)
    begin, total = 0, length_of(objects, 5, dtype)
    if total < 0:
        raise TypeError
    for i in range(0, len(objects), 5):
        first, last = span_of(t, threads, total, begin, size_of(objects[i]))
        begin += size_of(objects[i])
        g, p, m = row_of(objects[i], like), row_of(objects[i + 1], like), row_of(objects[i + 2], like)
        v, vmax = row_of(objects[i + 3], like), row_of(objects[i + 4], like)
        for k in range(first, last):
            gradient = sign * g[k] + (decay * p[k] if decay else zero)
            m[k] += take1 * (gradient - m[k])
            v[k] = keep2 * v[k] + take2 * gradient * gradient
        for k in range(first, last):
            largest = v[k] if v[k] > vmax[k] or v[k] != v[k] else vmax[k]
            vmax[k] = largest
            p[k] = p[k] * shrink - rate * m[k] / (np.sqrt(largest) * correction + eps)
