"""Exponentials, logarithms, sines and their kin for passes.

Polynomials in float32, and the C library's functions in float64, but for sine and cosine: polynomials too.

Written with `lanes`, so that a whole register is computed at once. The error of each in float32, in units in the
last place, stands in its docstring and is tested over the whole range. NaN stays NaN, infinities and zeros (with
their sign) give what C's functions give, and denormal numbers are no exception.
"""

from __future__ import annotations

import math

from autograd_nn.kernels.lanes import (
    Number,
    as_float,
    bits,
    by_library,
    copysign,
    floats,
    fma,
    is_fused,
    is_single,
    library_where,
    select,
)

__all__ = [
    "cos",
    "erf",
    "exp",
    "expm1",
    "log",
    "log1p",
    "log2",
    "log10",
    "logistic",
    "normal_density",
    "normal_distribution",
    "polynomial",
    "sin",
    "softplus",
    "tanh",
]  # fmt: skip

MAGIC = 12582912.0  # 1.5 * 2**23: adding it rounds to an integer and leaves that in the low bits of the significand
MAGIC_BITS = 0x4B400000
LOG2_HIGH, LOG2_LOW = 0.693359375, -2.12194440e-4  # log 2 in two parts; few bits in the first: exact products
EXP = 1.9875691500e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1
LOG = (7.0376836292e-2, -1.1514610310e-1, 1.1676998740e-1, -1.2420140846e-1, 1.4249322787e-1, -1.6668057665e-1,
       2.0000714765e-1, -2.4999993993e-1, 3.3333331174e-1)  # fmt: skip
TANH = -5.70498872745e-3, 2.06390887954e-2, -5.37397155531e-2, 1.33314422036e-1, -3.33332819422e-1
ERF_NEAR = -5.96761703e-4, 4.99119423e-3, -2.67681349e-2, 1.12819925e-1, -3.76125336e-1, 1.28379166e-1
ERF_FAR = (-1.72853470e-5, 3.83197126e-4, -3.88396438e-3, 2.42546219e-2, -1.06777877e-1, -6.34846687e-1,
           -1.28717512e-1)  # fmt: skip
# Sine and cosine, in float32 and in float64: pi / 2 in three parts, polynomials of Cephes', from where on the library
# takes over, and the number to add for rounding to an integer.
RIGHT_ANGLE = ((1.5707963705062866, -4.371138828673793e-08, -1.7151245100058819e-15),
               (1.5707963267948966, 6.123233995736766e-17, -1.4973849048591698e-33))  # fmt: skip
SIN = ((-1.9515295891e-4, 8.3321608736e-3, -1.6666654611e-1),
       (1.58962301576546568060e-10, -2.50507477628578072866e-8, 2.75573136213857245213e-6,
        -1.98412698295895385996e-4, 8.33333333332211858878e-3, -1.66666666666666307295e-1))  # fmt: skip
COS = ((2.443315711809948e-5, -1.388731625493765e-3, 4.166664568298827e-2),
       (-1.13585365213876817300e-11, 2.08757008419747316778e-9, -2.75573141792967388112e-7,
        2.48015872888517045348e-5, -1.38888888888730564116e-3, 4.16666666666665929218e-2))  # fmt: skip
FARTHEST = 1e5, 1e9
ROUNDING = MAGIC, 1.5 * 2**52
ROOT_HALF_BITS = 0x3F3504F3  # those of sqrt(1 / 2)
SMALLEST_NORMAL = 1.1754944e-38
ROOT_HALF = math.sqrt(0.5)
DENSITY_AT_0 = 1 / math.sqrt(2 * math.pi)


def polynomial(x: Number, coefficients: tuple[float, ...]) -> Number:
    """Return the polynomial with these coefficients, the highest power's first.

    By Estrin's scheme, neighbours first: the chain of operations that wait for each other is short.
    """
    terms: list[Number] = list(reversed(coefficients))
    while len(terms) > 1:
        pairs = [fma(x, high, low) for low, high in zip(terms[::2], terms[1::2])]
        terms = pairs + terms[2 * len(pairs) :]
        x = x * x
    return terms[0]


def _reduced(x: Number, lowest: float, highest: float) -> tuple[Number, Number]:
    """Return n and r of ``x = n log 2 + r`` with ``abs(r) <= log(2) / 2`` after Cody and Waite, n as an integer.

    `x` is held between two bounds first; NaN stays in r.
    """
    inside = select(x < lowest, lowest, x)
    inside = select(inside > highest, highest, inside)
    shifted = fma(inside, 1.44269504, MAGIC)
    n = shifted - MAGIC
    r = fma(n, -LOG2_HIGH, inside)
    return bits(shifted) - MAGIC_BITS, fma(n, -LOG2_LOW, r)


def _power_of_2(n: Number) -> Number:
    """Return 2**n for an integer n from -126 to 127."""
    return floats((n + 127) << 23)


def _exp_of_small(r: Number) -> Number:
    """Return ``exp(r) - 1`` for ``abs(r) <= log(2) / 2``, by the polynomial of Cephes' expf."""
    return fma(polynomial(r, EXP), r * r, r)


def exp(x: Number) -> Number:
    """Return e**x, in float32 to within 1.5 ulp."""
    if not is_single(x):
        return by_library("exp", x)
    n, r = _reduced(x, -104.0, 89.0)
    half = n >> 1  # in two steps: 2**128 is not finite, and a denormal result must be rounded only once
    return (_exp_of_small(r) + 1.0) * _power_of_2(half) * _power_of_2(n - half)


def _exp_of_bounded(x: Number) -> Number:
    """Return `exp` of an argument from -80 to 80, in fewer instructions."""
    shifted = fma(x, 1.44269504, MAGIC)
    n = shifted - MAGIC
    r = fma(n, -LOG2_LOW, fma(n, -LOG2_HIGH, x))
    return (_exp_of_small(r) + 1.0) * _power_of_2(bits(shifted) - MAGIC_BITS)


def _at_most(x: Number, most: float) -> Number:
    """Return min(x, most); NaN stays NaN."""
    return select(x > most, most, x)


def expm1(x: Number) -> Number:
    """Return e**x - 1, exact near 0, in float32 to within 2 ulp."""
    if not is_single(x):
        return by_library("expm1", x)
    n, r = _reduced(x, -20.0, 89.0)
    half_scale = _power_of_2(n - 1)
    result = 2.0 * fma(_exp_of_small(r), half_scale, half_scale - 0.5)
    return select(abs(x) < 1e-10, x, result)


def _split(x: Number) -> tuple[Number, Number]:
    """Return e as an integer and m of ``x = 2**e m`` with m from sqrt(1/2) to sqrt(2), for a normal x > 0."""
    integer = bits(x)
    e = (integer - ROOT_HALF_BITS) >> 23
    return e, floats(integer - (e << 23))


def _split_any(x: Number) -> tuple[Number, Number]:
    """Return the same of any x > 0, e as a float."""
    tiny = x < SMALLEST_NORMAL
    e, m = _split(select(tiny, x * 2.0**23, x))
    e = as_float(e)
    return select(tiny, e - 23.0, e), m


def _log_near_1(f: Number, e: Number) -> Number:
    """Return ``log(1 + f) + e LOG2_LOW - f`` by the polynomial of Cephes' logf."""
    squares = f * f
    return fma(squares, -0.5, fma(f * squares, polynomial(f, LOG), e * LOG2_LOW))


def _at_edges_of_log(x: Number, result: Number) -> Number:
    result = select(x > 3.4028235e38, x, result)
    return select(x > 0.0, result, select(x == 0.0, -math.inf, x * math.nan))


def log(x: Number) -> Number:
    """Return the natural logarithm, in float32 to within 1.5 ulp; -inf at 0, NaN below."""
    if not is_single(x):
        return by_library("log", x)
    e, m = _split_any(x)
    f = m - 1.0
    return _at_edges_of_log(x, fma(e, LOG2_HIGH, f + _log_near_1(f, e)))


def log2(x: Number) -> Number:
    """Return the logarithm to base 2, in float32 to within 2.5 ulp and exact for powers of 2; -inf at 0, NaN below."""
    if not is_single(x):
        return by_library("log2", x)
    e, m = _split_any(x)
    f = m - 1.0
    return _at_edges_of_log(x, fma(f + _log_near_1(f, 0.0 * f), 1.44269504, e))


def log10(x: Number) -> Number:
    """Return the logarithm to base 10, in float32 to within 2.5 ulp; -inf at 0, NaN below."""
    if not is_single(x):
        return by_library("log10", x)
    e, m = _split_any(x)
    f = m - 1.0
    low = fma(e, 4.605038981e-6, (f + _log_near_1(f, 0.0 * f)) * 0.434294482)
    return _at_edges_of_log(x, fma(e, 0.301025390625, low))


def log1p(x: Number) -> Number:
    """Return ``log(1 + x)``, exact near 0, in float32 to within 2 ulp; -inf at -1, NaN below."""
    if not is_single(x):
        return by_library("log1p", x)
    near = 1.0 + x
    integer, m = _split(near)
    e = as_float(integer)
    # f = (1 + x) / 2**e - 1, from x itself while it has digits that 1 + x has lost.
    scale = _power_of_2((integer ^ -1) + 1)
    f = select(e > 24.0, m - 1.0, fma(x, scale, scale - 1.0))
    result = _at_edges_of_log(near, fma(e, LOG2_HIGH, f + _log_near_1(f, e)))
    return select(abs(x) < 1e-10, x, result)


def logistic(x: Number) -> Number:
    """Return ``1 / (1 + exp(-x))``, in float32 to within 3 ulp; from ``exp(-abs(x))``, which never overflows."""
    e = exp(-abs(x))
    return select(x < 0.0, e, 1.0) / (1.0 + e)


def softplus(x: Number) -> Number:
    """Return ``log(1 + exp(x))``, in float32 to within 2 ulp."""
    e = exp(-abs(x))
    if not is_single(x):
        return select(x > 0.0, x, 0.0) + by_library("log1p", e)
    halved = e > 0.41421357  # log(1 + e) for e from 0 to 1: as in `log1p`, of 1 + e or half of it
    f = select(halved, fma(e, 0.5, -0.5), e)
    n = select(halved, 1.0, 0.0 * e)
    return select(x > 0.0, x, 0.0) + fma(n, LOG2_HIGH, f + _log_near_1(f, n))


def tanh(x: Number) -> Number:
    """Return the hyperbolic tangent, in float32 to within 2 ulp.

    By the polynomial of Cephes' tanhf near 0, else as ``1 - 2 / (exp(2 x) + 1)``.
    """
    if not is_single(x):
        return by_library("tanh", x)
    size = _at_most(abs(x), 10.0)  # where the value is 1 in float32
    squares = size * size
    near = fma(polynomial(squares, TANH) * squares, size, size)
    far = 1.0 - 2.0 / (_exp_of_bounded(2.0 * size) + 1.0)
    return copysign(select(size < 0.625, near, far), x)


def erf(x: Number) -> Number:
    """Return the error function, in float32 to within 1.5 ulp.

    By a polynomial near 0, else as ``1 - exp(polynomial)``; the coefficients are Juffa's minimax fits.
    """
    if not is_single(x):
        return by_library("erf", x)
    size = _at_most(abs(x), 4.0)  # where the value is 1 in float32
    near = fma(polynomial(size * size, ERF_NEAR), size, size)
    far = 1.0 - _exp_of_bounded(fma(polynomial(size, ERF_FAR), size, -size))
    return copysign(select(size > 0.927734375, far, near), x)


def normal_distribution(x: Number) -> Number:
    """Return the distribution function of the normal distribution, ``(1 + erf(x / sqrt 2)) / 2``."""
    return 0.5 * (1.0 + erf(x * ROOT_HALF))


def normal_density(x: Number) -> Number:
    """Return the density of the normal distribution."""
    return DENSITY_AT_0 * exp(-0.5 * x * x)


def _turned(x: Number, name: str, turns: int) -> Number:
    """Return the sine of ``x`` and so many right angles more.

    n right angles are subtracted, in three parts whose products are exact (Cody and Waite); far out, where those are
    too few, and where no instruction multiplies and adds, the C library's function takes over.
    """
    if not is_fused(x):
        return by_library(name, x)
    wide = 0 if is_single(x) else 1
    shifted = fma(x, 2 / math.pi, ROUNDING[wide])
    n = shifted - ROUNDING[wide]
    first, second, third = RIGHT_ANGLE[wide]
    near = fma(n, -first, x)
    p = n * second
    r = near - p
    back = r - near
    lost = (near - (r - back)) - (p + back)  # what r lacks of the difference (Knuth)
    low = lost - fma(n, third, fma(n, second, -p))
    squares = r * r
    sine = r + fma(polynomial(squares, SIN[wide]) * squares, r, low)
    cosine = fma(squares, -0.5, 1.0) + fma(polynomial(squares, COS[wide]), squares * squares, -(r * low))
    quadrant = bits(shifted) + turns
    near = select((quadrant & 1) == 1, cosine, sine)
    near = floats(bits(near) ^ ((quadrant & 2) << (30 if is_single(x) else 62)))
    return library_where(~(abs(x) <= FARTHEST[wide]), name, x, near)


def sin(x: Number) -> Number:
    """Return the sine, to within 1.5 ulp."""
    return select(abs(x) < 1e-10, x, _turned(x, "sin", 0))


def cos(x: Number) -> Number:
    """Return the cosine, to within 1.5 ulp."""
    return _turned(x, "cos", 1)
