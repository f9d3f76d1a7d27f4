"""Samples of the gamma distribution that are differentiated by its shape: the implicit gradient of the sample.

``dx/da = -(dP(a, x)/da) / p(x)`` for the distribution function P and the density p (M. Figurnov et al., 2018,
arXiv:1805.08498), with the derivative of P in double precision by central differences.
"""

from __future__ import annotations

import math

import numpy as np

from ..engine import note_read, primitive
from ..ops.elementwise import mul
from ..ops.random import default_generator
from ..ops.special import gammainc
from ..tensor import Tensor
from ..typing import Array

__all__ = ["standard_gamma"]

_log_gamma = np.vectorize(math.lgamma, otypes=[np.float64])


@primitive
def _gamma_gradient(a: Array, x: Array) -> Array:
    """Return by how much a sample `x` grows with the shape `a`."""
    wide, at = a.astype(np.float64), np.maximum(x.astype(np.float64), np.finfo(np.float64).tiny)
    step = 1e-4 * np.minimum(wide, 1 + np.sqrt(wide))
    change = (8 * (_below(wide + step, at) - _below(wide - step, at))
              - (_below(wide + 2 * step, at) - _below(wide - 2 * step, at))) / (12 * step)
    log_density = (wide - 1) * np.log(at) - at - _log_gamma(wide)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        slope = -change * np.exp(-log_density)
    small = at < 1e-6 * wide  # where P = x^a / gamma(a + 1) to first order
    derivative = at / wide * ((_log_gamma(wide + 1 + 1e-5) - _log_gamma(wide + 1 - 1e-5)) / 2e-5 - np.log(at))
    return np.where(small, derivative, slope).astype(x.dtype)  # type: ignore[no-any-return]


def _below(a: Array, x: Array) -> Array:
    return gammainc.forward(a, x)  # type: ignore[no-any-return]


@primitive
def _sample(a: Array, x: Array) -> Array:
    """Return a sample that was drawn with the shape `a`."""
    return x.copy()


_sample.defvjp(a=lambda g, a, x: mul(g, _gamma_gradient(a, x)))


def standard_gamma(a: Tensor) -> Tensor:
    """Draw from the gamma distribution of scale 1; the gradient in the shape `a` is the implicit one."""
    note_read(a, "a draw of standard_gamma")
    tiny = np.finfo(a.dtype).tiny
    x = np.maximum(default_generator.draw("standard_gamma", a.array.astype(np.float64)), tiny).astype(a.dtype)
    return _sample(a, x)
