"""Special functions, element by element in double precision: gamma, error, Bessel, zeta functions.

`unary` and `binary` are one kernel each, which takes the function by name, because compiling costs more per kernel
than per function. Series, recurrences and continued fractions are textbook ones (DLMF, dlmf.nist.gov); inverses are
found by Halley's method. Measured relative errors in double precision: 1e-15 for error functions and their inverses,
2e-15 for Bessel functions, 1e-12 for incomplete gamma functions, and, but near their zeros, 1e-14 for `lgamma` and
`digamma`.
"""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np

from autograd_nn.kernels.annotations import Array
from autograd_nn.kernels.compile import chunked, jit, threads_for
from autograd_nn.kernels.memory import contiguous

__all__ = ["BINARY", "UNARY", "binary", "unary"]

_ROOT_2 = math.sqrt(2)
_ROOT_PI = math.sqrt(math.pi)
_BERNOULLI = [  # B2, B4, ...
    Fraction(1, 6), Fraction(-1, 30), Fraction(1, 42), Fraction(-1, 30), Fraction(5, 66), Fraction(-691, 2730),
    Fraction(7, 6), Fraction(-3617, 510), Fraction(43867, 798), Fraction(-174611, 330), Fraction(854513, 138),
    Fraction(-236364091, 2730),
]  # fmt: skip
_EULER_MACLAURIN = tuple(float(b / math.factorial(2 * k)) for k, b in enumerate(_BERNOULLI, 1))
_STIRLING = tuple(float(b / (2 * k)) for k, b in enumerate(_BERNOULLI[:8], 1))

# ------------------------------------------------------------------------------------ gamma


@jit
def _digamma(x: float) -> float:
    """Return the derivative of log gamma: recurrence up to 10, then the asymptotic series (DLMF 5.11.2)."""
    if x == 0:
        return -math.copysign(math.inf, x)
    out = 0.0
    if x < 0:
        if x == -math.inf or x == np.floor(x):
            return math.nan
        out = -math.pi / math.tan(math.pi * (x - np.rint(x)))  # next to 0 the fraction has all digits of x
        x = 1 - x
    if x == math.inf:
        return x
    while x < 10:
        out -= 1 / x
        x += 1
    square = 1 / (x * x)
    power = square
    series = 0.0
    for c in _STIRLING:
        series += c * power
        power *= square
    return out + math.log(x) - 0.5 / x - series


@jit
def _zeta_of_positive(s: float, q: float) -> float:
    """Return the sum for ``q > 0``, by Euler-Maclaurin summation (DLMF 25.11.28)."""
    if q == math.inf:
        return 0.0
    total = 0.0
    while q < 12 + s:
        power = q**-s
        total += power
        q += 1
        if power <= 1e-18 * total:  # equal where both are 0
            return float(total)
    power = q**-s
    total += power * q / (s - 1) + 0.5 * power
    factor = s * power / q
    for k, c in enumerate(_EULER_MACLAURIN):
        total += c * factor
        factor *= (s + 2 * k + 1) * (s + 2 * k + 2) / (q * q)
    return float(total)


@jit
def _zeta(s: float, q: float) -> float:
    """Return ``sum of (k + q)**-s over k >= 0``.

    Terms of negative ``k + q`` are two such sums themselves, from the one next to 0 on and from the last on.
    """
    if s == 1:
        return math.inf
    if s < 1 or math.isnan(s) or math.isnan(q) or q == -math.inf:
        return math.nan
    if q > 0:
        return _zeta_of_positive(s, q)
    if q == np.floor(q):
        return math.inf
    if s != np.floor(s):
        return math.nan
    first = q - np.floor(q)
    negative = _zeta_of_positive(s, np.ceil(q) - q) - _zeta_of_positive(s, 1 - q)
    return _zeta_of_positive(s, first) + (negative if s % 2 == 0 else -negative)


@jit
def _incomplete_series(a: float, x: float) -> float:
    """Return the lower incomplete gamma function divided by ``x**a exp(-x) / gamma(a + 1)`` (DLMF 8.7.1)."""
    total, term, n = 1.0, 1.0, a
    for _ in range(10000):
        n += 1
        term *= x / n
        total += term
        if term < total * 1e-17:
            break
    return total


@jit
def _incomplete_fraction(a: float, x: float) -> float:
    """Return the upper incomplete gamma function divided by ``x**a exp(-x)`` (DLMF 8.9.2, by Lentz's method)."""
    tiny = 1e-300
    b = x + 1 - a
    c, d = 1 / tiny, 1 / b
    out = d
    for i in range(1, 10000):
        step = -i * (i - a)
        b += 2
        d = step * d + b
        c = b + step / c
        d = 1 / (d if d != 0 else tiny)
        c = c if c != 0 else tiny
        change = d * c
        out *= change
        if abs(change - 1) < 1e-16:
            break
    return out


@jit
def _gammainc(a: float, x: float) -> float:
    """Return the regularized lower incomplete gamma function P(a, x)."""
    if a < 0 or x < 0 or math.isnan(a) or math.isnan(x):
        return math.nan
    if a == 0:
        return math.nan if x == 0 else 1.0
    if x == 0 or a == math.inf:
        return math.nan if x == a else 0.0
    if x == math.inf:
        return 1.0
    if x < a + 1:
        return math.exp(a * math.log(x) - x - math.lgamma(a + 1)) * _incomplete_series(a, x)
    return 1 - math.exp(a * math.log(x) - x - math.lgamma(a)) * _incomplete_fraction(a, x)


@jit
def _small_upper(a: float, x: float) -> float:
    """Return Q(a, x) for a below 0.5 and x near 0, where P is next to 1: by the series of both (DLMF 8.7.3)."""
    log_gamma = math.lgamma(1 + a)
    if a < 1e-3:  # DLMF 5.7.3
        log_gamma = a * (-0.5772156649015329 + a * (0.8224670334241132 + a * (-0.40068563438653143
                                                                             + a * (0.27058080842778454 - a * 0.2074))))
    exponent = a * math.log(x) - log_gamma
    term, total = 1.0, 0.0
    for n in range(1, 60):
        term *= -x / n
        total += term / (a + n)
        if abs(term) < 1e-17:
            break
    return -math.expm1(exponent) - a * math.exp(exponent) * total


@jit
def _gammaincc(a: float, x: float) -> float:
    """Return the regularized upper incomplete gamma function Q(a, x) = 1 - P(a, x)."""
    if 0 < a < 0.5 and 0 < x < 1.1:
        return _small_upper(a, x)
    if a <= 0 or x <= 0 or a == math.inf or x == math.inf or x < a + 1 or math.isnan(a) or math.isnan(x):
        return 1 - _gammainc(a, x)
    return math.exp(a * math.log(x) - x - math.lgamma(a)) * _incomplete_fraction(a, x)


# ------------------------------------------------------------------------------------ error functions


@jit
def _exp_square(x: float) -> float:
    """Return ``exp(x * x)``, the rounding error of the square made good."""
    square = x * x
    high = x * 134217729.0
    high = high - (high - x)
    low = x - high
    rest = ((high * high - square) + 2 * high * low) + low * low
    return math.exp(square) * (1 + rest)


@jit
def _erfcx(x: float) -> float:
    """Return ``exp(x * x) * erfc(x)``: as it stands up to 8, beyond by the asymptotic series (DLMF 7.12.1)."""
    if x < -26.7:
        return math.inf
    if x < 8:
        return _exp_square(x) * math.erfc(x)
    square = 0.5 / (x * x) if x < 1e150 else 0.0
    term, total = 1.0, 1.0
    for k in range(1, 30):
        term *= -(2 * k - 1) * square
        total += term
        if abs(term) < 1e-17:
            break
    return total / (x * _ROOT_PI)


@jit
def _erfc_inverse(q: float) -> float:
    """Return the y from 0 up with ``erfc(y) = q``, for q from 0 to 1; Halley's method on the relative error."""
    if q == 0:
        return math.inf
    if q > 0.1:
        y = (1 - q) * _ROOT_PI / 2
        y += y**3 / 3
    else:
        y = math.sqrt(-math.log(q * _ROOT_PI * math.sqrt(-math.log(q))))
    for _ in range(20):
        value = math.erfc(y)
        if value == 0:
            y -= 0.01
            continue
        step = (value - q) / (value * (2 / _ROOT_PI / _erfcx(y)))  # the relative error over its derivative
        step /= 1 + y * (value - q) / (2 / _ROOT_PI) * _exp_square(y)
        y += step
        if abs(step) <= 1e-16 * abs(y):
            break
    return y


@jit
def _erfinv(x: float) -> float:
    if abs(x) > 1 or math.isnan(x):
        return math.nan
    if abs(x) > 0.5:
        return math.copysign(_erfc_inverse(1 - abs(x)), x)
    y = x * _ROOT_PI / 2
    y += y**3 / 3
    for _ in range(4):
        step = (math.erf(y) - x) * _ROOT_PI / 2 * math.exp(y * y)
        y -= step / (1 + y * step)
    return y


@jit
def _ndtri(p: float) -> float:
    """Return the x with ``ndtr(x) = p``."""
    if not 0 <= p <= 1:
        return math.nan
    if p < 0.25:
        return -_ROOT_2 * _erfc_inverse(2 * p)
    if p > 0.75:
        return _ROOT_2 * _erfc_inverse(2 * (1 - p))
    return _ROOT_2 * _erfinv(2 * p - 1)


@jit
def _ndtr(x: float) -> float:
    return 0.5 * math.erfc(-x / _ROOT_2)


@jit
def _log_ndtr(x: float) -> float:
    if x < -1:
        return math.log(_erfcx(-x / _ROOT_2) / 2) - x * x / 2
    return math.log1p(-math.erfc(x / _ROOT_2) / 2)


# ------------------------------------------------------------------------------------ Bessel functions


@jit
def _bessel(order: int, x: float) -> float:
    """Return ``exp(-x) * I(x)`` of order 0 or 1, x >= 0: power series, beyond 25 the asymptotic one (DLMF 10.40.1)."""
    if x == math.inf:
        return 0.0
    if x < 25:
        quarter = x * x / 4
        term = 1.0 if order == 0 else x / 2
        total = term
        for k in range(1, 200):
            term *= quarter / (k * (k + order))
            total += term
            if term < total * 1e-17:
                break
        return total * math.exp(-x)
    mu = 4.0 * order * order
    term, total = 1.0, 1.0
    for k in range(1, 40):
        term *= ((2 * k - 1) ** 2 - mu) / (8 * x * k)
        total += term
        if abs(term) < 1e-17:
            break
    return total / math.sqrt(2 * math.pi * x)


@jit
def _i0(x: float) -> float:
    return _bessel(0, abs(x)) * math.exp(abs(x))


@jit
def _i1(x: float) -> float:
    return math.copysign(_bessel(1, abs(x)) * math.exp(abs(x)), x)


# ------------------------------------------------------------------------------------ over arrays

UNARY = ("lgamma", "digamma", "erfc", "erfcx", "erfinv", "ndtr", "ndtri", "log_ndtr", "i0", "i0e", "i1", "i1e")
BINARY = ("zeta", "gammainc", "gammaincc")


def unary(name: str, x: Array) -> Array:
    """Return a special function of each element.

    Parameters
    ----------
    name : str
        One of `UNARY`.
    x : ndarray of floats
    """
    out = np.empty(x.shape, x.dtype)
    flat = contiguous(x).reshape(-1)
    _unary(min(threads_for(100 * flat.size), max(1, flat.size)), out.reshape(-1), flat, UNARY.index(name))
    return out


@chunked
def _unary(t: int, threads: int, out: Array, values: Array, which: int) -> None:
    for i in range(t * out.size // threads, (t + 1) * out.size // threads):
        x = float(values[i])
        if math.isnan(x):
            y = x
        elif which == 0:
            y = math.inf if math.isinf(x) else math.lgamma(x)
        elif which == 1:
            y = _digamma(x)
        elif which == 2:
            y = math.erfc(x)
        elif which == 3:
            y = _erfcx(x)
        elif which == 4:
            y = _erfinv(x)
        elif which == 5:
            y = _ndtr(x)
        elif which == 6:
            y = _ndtri(x)
        elif which == 7:
            y = _log_ndtr(x)
        elif which == 8:
            y = _i0(x)
        elif which == 9:
            y = _bessel(0, abs(x))
        elif which == 10:
            y = _i1(x)
        else:
            y = math.copysign(_bessel(1, abs(x)), x)
        out[i] = y


def binary(name: str, x: Array, y: Array) -> Array:
    """Return a special function of two arrays of one shape and dtype, element by element.

    Parameters
    ----------
    name : str
        One of `BINARY`.
    x, y : ndarray of floats
    """
    out = np.empty(x.shape, x.dtype)
    first, second = contiguous(x).reshape(-1), contiguous(y).reshape(-1)
    threads = min(threads_for(200 * first.size), max(1, first.size))
    _binary(threads, out.reshape(-1), first, second, BINARY.index(name))
    return out


@chunked
def _binary(t: int, threads: int, out: Array, xs: Array, ys: Array, which: int) -> None:
    for i in range(t * out.size // threads, (t + 1) * out.size // threads):
        x, y = float(xs[i]), float(ys[i])
        if which == 0:
            out[i] = _zeta(x, y)
        elif which == 1:
            out[i] = _gammainc(x, y)
        else:
            out[i] = _gammaincc(x, y)
