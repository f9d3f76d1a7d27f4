"""Special functions: gamma and its relatives, error functions, Bessel functions, and products with logarithms.

Values are computed in double precision (see `kernels.special`), with rounding to float32 at the end.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..engine import Primitive, Variable, elementwise, wrap
from ..kernels import special as kernels
from ..typing import Array, Operand, Tensor, TensorLike
from .arithmetic import alike
from .elementwise import (
    add,
    cos,
    div,
    eq,
    exp,
    gt,
    log,
    log1p,
    logical_and,
    logical_or,
    lt,
    mul,
    neg,
    pow,
    sign,
    square,
    sub,
    where,
)
from .maths import logaddexp
from .shape import to_dtype

__all__ = [
    "copysign", "digamma", "entr", "erfc", "erfcx", "erfinv", "float_power", "frexp", "gammainc", "gammaincc", "hypot",
    "i0", "i0e", "i1", "i1e", "ldexp", "lgamma", "log_ndtr", "logaddexp2", "multigammaln", "ndtr", "ndtri", "polygamma",
    "sinc", "xlog1py", "xlogy", "zeta",
]  # fmt: skip


def _computed(name: str) -> Callable[[Array], Array]:
    """Return the array function that a kernel computes; float16 is computed as float32."""

    def forward(x: Array) -> Array:
        if x.dtype.itemsize == 2:
            return kernels.unary(name, x.astype(np.float32)).astype(x.dtype)
        return kernels.unary(name, x)

    return forward


def _dtype(*operands: Operand) -> np.dtype[Any]:
    """Return the dtype of the arrays among some operands."""
    return np.result_type(*[a for a in operands if isinstance(a, np.ndarray)])


def _computed_of_two(name: str, x: Operand, y: Operand) -> Array:
    """Return a function of two arrays or numbers, broadcast against each other."""
    dtype = _dtype(x, y)
    wide = np.float64 if dtype == np.float64 else np.float32
    pair = np.broadcast_arrays(np.asarray(x, wide), np.asarray(y, wide))
    out: Array = kernels.binary(name, *map(np.ascontiguousarray, pair)).reshape(pair[0].shape)
    return out.astype(dtype, copy=False)


def _unary(name: str, text: str) -> Primitive[Tensor]:
    forward: Any = _computed(name)
    forward.__name__, forward.__module__ = name, __name__
    forward.__doc__ = text.strip()
    made: Primitive[Tensor] = elementwise(floating=True)(forward)
    return made


# ------------------------------------------------------------------------------------ gamma

lgamma = _unary("lgamma", """
    Return the logarithm of the size of the gamma function; inf at 0 and negative integers.

    The derivative is `digamma`.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> round(ag.lgamma(ag.tensor(5.0)).exp().item())
    24
    """)  # fmt: skip
digamma = _unary("digamma", """
    Return the derivative of `lgamma`: -inf at 0, inf at -0, NaN at negative integers.

    Its derivative is ``polygamma(1, x)``.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> round(ag.digamma(ag.tensor(1.0)).item(), 4)
    -0.5772
    """)  # fmt: skip


@elementwise(floating=True)
def _zeta(x: Operand, other: Operand) -> Array:
    return _computed_of_two("zeta", x, other)


def _no_rule_in_x(g: Tensor) -> Tensor:
    raise NotImplementedError("zeta(): has no derivative in its first argument")


_zeta.defvjp(x=_no_rule_in_x, other=lambda g, x, other: neg(mul(mul(g, x), _zeta(x + 1, other))))


def zeta(input: TensorLike, other: TensorLike) -> Tensor:
    """Return the Hurwitz zeta function, ``sum of (k + other)**-input over k >= 0``.

    inf for ``input=1`` and for `other` 0 or a negative integer; NaN for `input` below 1. The derivative in `other` is
    ``-input * zeta(input + 1, other)``; there is none in `input`, as in PyTorch.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> round(ag.special.zeta(ag.tensor(2.0), 1.0).item(), 4)
    1.6449
    """
    return _zeta(input, other)


def polygamma(n: int, input: Tensor) -> Tensor:
    """Return derivative number `n` of `digamma`, ``(-1)**(n + 1) n! zeta(n + 1, x)``; the derivative is that of n + 1.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> round(ag.polygamma(1, ag.tensor(1.0)).item(), 4)
    1.6449
    """
    if n < 0:
        raise RuntimeError(f"polygamma(): n must not be negative (n={n})")
    if n == 0:
        return digamma(input)
    return mul(_zeta(float(n + 1), input), float((-1) ** (n + 1) * math.factorial(n)))


lgamma.defvjp(x=lambda g, x: mul(g, digamma(x)))
digamma.defvjp(x=lambda g, x: mul(g, polygamma(1, x)))


def multigammaln(input: Tensor, p: int) -> Tensor:
    """Return the logarithm of the multivariate gamma function of dimension `p`, for ``input > (p - 1) / 2``.

    ``p (p - 1) / 4 log(pi) + sum of lgamma(input - j / 2) over 0 <= j < p``.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.mvlgamma(ag.tensor(3.0), 1).equal(ag.lgamma(ag.tensor(3.0)))
    True
    """
    if p < 1:
        raise RuntimeError(f"multigammaln(): p must be positive (p={p})")
    out = lgamma(input)
    for j in range(1, p):
        out = add(out, lgamma(sub(input, j / 2)))
    return add(out, p * (p - 1) / 4 * math.log(math.pi)) if p > 1 else out


@elementwise(floating=True)
def gammainc(input: Operand, other: Operand) -> Array:
    """Return the regularized lower incomplete gamma function ``P(input, other)``.

    The derivative in `other` is ``other**(input - 1) exp(-other) / gamma(input)``; there is none in `input`.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> round(ag.special.gammainc(ag.tensor(1.0), ag.tensor(1.0)).item(), 4)
    0.6321
    """
    return _computed_of_two("gammainc", input, other)


@elementwise(floating=True)
def gammaincc(input: Operand, other: Operand) -> Array:
    """Return ``1 - gammainc(input, other)``, exact for small values too.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> round(ag.special.gammaincc(ag.tensor(1.0), ag.tensor(1.0)).item(), 4)
    0.3679
    """
    return _computed_of_two("gammaincc", input, other)


def _gamma_density(g: Tensor, a: Tensor, x: Tensor) -> Tensor:
    """Return g times the density of the gamma distribution."""
    a = _as_tensor(a, g)
    return mul(g, exp(sub(sub(xlogy(sub(a, 1), x), x), lgamma(a))))


def _no_rule_in_input(g: Tensor) -> Tensor:
    raise NotImplementedError("gammainc(), gammaincc(): have no derivative in their first argument")


gammainc.defvjp(input=_no_rule_in_input, other=lambda g, input, other: _gamma_density(g, input, other))
gammaincc.defvjp(input=_no_rule_in_input, other=lambda g, input, other: neg(_gamma_density(g, input, other)))

# ------------------------------------------------------------------------------------ error functions

_BELL = 2 / math.sqrt(math.pi)

erfc = _unary("erfc", """
    Return ``1 - erf(x)``, exact for small values too; the derivative is ``-2 / sqrt(pi) exp(-x**2)``.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.erfc(ag.tensor(0.0)).item()
    1.0
    """)  # fmt: skip
erfcx = _unary("erfcx", """
    Return ``exp(x**2) erfc(x)``, which falls as ``1 / x``; the derivative is ``2 x out - 2 / sqrt(pi)``.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.special.erfcx(ag.tensor(0.0)).item()
    1.0
    """)  # fmt: skip
erfinv = _unary("erfinv", """
    Return the y with ``erf(y) = x``: infinite at -1 and 1, NaN outside.

    The derivative is ``sqrt(pi) / 2 exp(y**2)``.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> round(ag.erfinv(ag.tensor(0.5)).item(), 4)
    0.4769
    """)  # fmt: skip
ndtr = _unary("ndtr", """
    Return the distribution function of the normal distribution; the derivative is its density.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.special.ndtr(ag.tensor(0.0)).item()
    0.5
    """)  # fmt: skip
ndtri = _unary("ndtri", """
    Return the x with ``ndtr(x) = p``: infinite at 0 and 1, NaN outside.

    The derivative is ``sqrt(2 pi) exp(x**2 / 2)``.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.special.ndtri(ag.tensor(0.5)).item()
    0.0
    """)  # fmt: skip
log_ndtr = _unary("log_ndtr", """
    Return the logarithm of `ndtr`, exact far in the lower tail.

    The derivative is ``sqrt(2 / pi) / erfcx(-x / sqrt(2))``.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> round(ag.special.log_ndtr(ag.tensor(-20.0)).item(), 4)
    -203.9172
    """)  # fmt: skip

erfc.defvjp(x=lambda g, x: mul(g, mul(exp(neg(square(x))), -_BELL)))



def _erfcx_slope(x: Tensor, out: Tensor) -> Tensor:
    """Return ``2 x erfcx(x) - 2 / sqrt(pi)``; of large x by its asymptotic series, as the difference has no digits."""
    far = gt(x, 6.0 if x.dtype.itemsize <= 4 else 30.0)
    w = div(0.5, square(where(far, x, 1.0)))
    series: Tensor = mul(w, 0.0)
    for factor in (15.0, 13.0, 11.0, 9.0, 7.0, 5.0, 3.0, 1.0):
        series = mul(mul(w, -factor), add(series, 1.0))
    return where(far, mul(series, _BELL), sub(mul(mul(where(far, 0.0, x), out), 2.0), _BELL))


erfcx.defvjp(x=lambda g, out, x: mul(g, _erfcx_slope(x, out)))
erfinv.defvjp(x=lambda g, out: mul(g, mul(exp(square(out)), 1 / _BELL)))
ndtr.defvjp(x=lambda g, x: mul(g, mul(exp(mul(square(x), -0.5)), 1 / math.sqrt(2 * math.pi))))
ndtri.defvjp(x=lambda g, out: mul(g, mul(exp(mul(square(out), 0.5)), math.sqrt(2 * math.pi))))
log_ndtr.defvjp(x=lambda g, x: mul(g, div(math.sqrt(2 / math.pi), erfcx(mul(x, -math.sqrt(0.5))))))

# ------------------------------------------------------------------------------------ Bessel functions

i0 = _unary("i0", """
    Return the modified Bessel function of the first kind of order 0; the derivative is `i1`.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.i0(ag.tensor(0.0)).item()
    1.0
    """)  # fmt: skip
i0e = _unary("i0e", """
    Return ``exp(-abs(x)) i0(x)``; the derivative is ``i1e(x) - sign(x) i0e(x)``.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.special.i0e(ag.tensor(0.0)).item()
    1.0
    """)  # fmt: skip
i1 = _unary("i1", """
    Return the modified Bessel function of the first kind of order 1; the derivative is ``i0(x) - i1(x) / x``.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.special.i1(ag.tensor(0.0)).item()
    0.0
    """)  # fmt: skip
i1e = _unary("i1e", """
    Return ``exp(-abs(x)) i1(x)``; the derivative is ``i0e(x) - out (sign(x) + 1 / x)``, and 1/2 at 0.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.special.i1e(ag.tensor(0.0)).item()
    0.0
    """)  # fmt: skip


def _over(out: Tensor, x: Tensor) -> Tensor:
    """Return ``out / x``, and its limit 1/2 at 0."""
    at_zero = eq(x, 0)
    return where(at_zero, 0.5, div(out, where(at_zero, 1.0, x)))


i0.defvjp(x=lambda g, x: mul(g, i1(x)))
i0e.defvjp(x=lambda g, out, x: mul(g, sub(i1e(x), mul(sign(x), out))))
i1.defvjp(x=lambda g, out, x: mul(g, sub(i0(x), _over(out, x))))
i1e.defvjp(x=lambda g, out, x: mul(g, sub(sub(i0e(x), mul(sign(x), out)), _over(out, x))))

# ------------------------------------------------------------------------------------ products with logarithms


@elementwise(floating=True)
def entr(x: Array) -> Array:
    """Return ``-x log(x)``: 0 at 0, -inf below; the derivative is ``-1 - log(x)``.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.special.entr(ag.tensor([0.0, 0.5, -1.0]))
    tensor([0.    , 0.3466,   -inf])
    """
    safe = np.where(x > 0, x, 1)
    return np.where(x > 0, -safe * np.log(safe), np.where(x == 0, 0, np.where(x < 0, -np.inf, x))).astype(x.dtype)


entr.defvjp(x=lambda g, x: mul(g, sub(-1.0, log(x))))


def _unless_zero(x: Operand, y: Operand, logarithm: Callable[[Array], Array], neutral: int) -> Array:
    """Return ``x logarithm(y)``, and 0 where x is 0 and y is not NaN; of numbers the dtype does not count."""
    unused = np.equal(x, 0) & ~np.isnan(y)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.multiply(x, logarithm(np.where(unused, neutral, y))).astype(_dtype(x, y), copy=False)


@elementwise(floating=True)
def xlogy(x: Operand, y: Operand) -> Array:
    """Return ``x log(y)``, and 0 where ``x == 0`` unless `y` is NaN.

    The derivatives are ``log(y)``, 0 where ``x == 0`` and ``y <= 0``, and ``x / y``.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.xlogy(ag.tensor([0.0, 1.0]), ag.tensor([0.0, 1.0])).tolist()
    [0.0, 0.0]
    """
    return _unless_zero(x, y, np.log, 1)


@elementwise(floating=True)
def xlog1py(x: Operand, y: Operand) -> Array:
    """Return ``x log(1 + y)``, and 0 where ``x == 0`` unless `y` is NaN.

    The derivatives are ``log(1 + y)``, 0 where ``x == 0`` and ``y <= -1``, and ``x / (1 + y)``.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.special.xlog1py(ag.tensor(0.0), ag.tensor(-1.0)).item()
    0.0
    """
    return _unless_zero(x, y, np.log1p, 0)


def _unless_unused(slope: Tensor, x: Tensor, outside: Tensor) -> Tensor:
    return where(logical_and(eq(x, 0), outside), 0.0, slope)


def _at_most(y: Any, bound: float) -> Tensor:
    return logical_or(lt(y, bound), eq(y, bound))


xlogy.defvjp(
    x=lambda g, x, y: mul(g, _unless_unused(log(_as_tensor(y, g)), x, _at_most(y, 0))),
    y=lambda g, x, y: mul(g, div(x, y)),
)
xlog1py.defvjp(
    x=lambda g, x, y: mul(g, _unless_unused(log1p(_as_tensor(y, g)), x, _at_most(y, -1))),
    y=lambda g, x, y: mul(g, div(x, add(y, 1.0))),
)


def _as_tensor(y: Any, like: Tensor) -> Tensor:
    return y if isinstance(y, Variable) else wrap(np.asarray(y, like.dtype))  # type: ignore[return-value]


# ------------------------------------------------------------------------------------ arithmetic


@elementwise(floating=True)
def _sinc(x: Array) -> Array:
    return np.sinc(x).astype(x.dtype, copy=False)


def _sinc_input(g: Tensor, out: Tensor, x: Tensor) -> Tensor:
    at_zero = eq(x, 0)
    return mul(g, where(at_zero, 0.0, div(sub(cos(mul(x, math.pi)), out), where(at_zero, 1.0, x))))


_sinc.defvjp(x=_sinc_input)


def sinc(input: Tensor) -> Tensor:
    """Return ``sin(pi x) / (pi x)``, and 1 at 0; the derivative is ``(cos(pi x) - out) / x``, and 0 at 0.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.sinc(ag.tensor(0.0)).item()
    1.0
    """
    return _sinc(input)


@elementwise(floating=True)
def hypot(x: Operand, y: Operand) -> Array:
    """Return ``sqrt(x**2 + y**2)`` without overflow; the derivatives are ``x / out`` and ``y / out``, NaN at (0, 0).

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.hypot(ag.tensor(3.0), ag.tensor(4.0)).item()
    5.0
    """
    return np.asarray(np.hypot(x, y))


hypot.defvjp(x=lambda g, out, x: mul(g, div(x, out)), y=lambda g, out, y: mul(g, div(y, out)))


@elementwise(floating=True)
def copysign(x: Operand, y: Operand) -> Array:
    """Return the size of `x` with the sign of `y`; the derivative in `x` is 1 or -1, and 0 at 0; that in `y` is 0.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.copysign(ag.tensor(3.0), ag.tensor(-0.0)).item()
    -3.0
    """
    return np.asarray(np.copysign(x, y))


copysign.defvjp(x=lambda g, out, x: mul(g, mul(sign(out), sign(x))), y=lambda g: mul(g, 0.0))


def float_power(input: TensorLike, exponent: TensorLike) -> Tensor:
    """Return ``input ** exponent`` in float64 or complex128; gradients are those of `pow`.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.float_power(ag.tensor([2, 3]), 0.5).dtype
    dtype('float64')
    """
    whole = any(np.iscomplexobj(x.array if isinstance(x, Variable) else x) for x in (input, exponent))
    dtype = np.complex128 if whole else np.float64
    base, power = (to_dtype(x, dtype) if isinstance(x, Variable) else np.asarray(x, dtype)
                   for x in (input, exponent))  # fmt: skip
    return pow(base, power)


@elementwise(floating=True)
def _ldexp(x: Operand, other: Operand) -> Array:
    return np.multiply(x, np.exp2(other)).astype(_dtype(x, other), copy=False)


def ldexp(input: TensorLike, other: TensorLike) -> Tensor:
    """Return ``input * 2**other``; the derivative in `other` is ``log(2)`` times the result.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.ldexp(ag.tensor([1.0]), ag.tensor([3])).tolist()
    [8.0]
    """
    return _ldexp(input, other)


_ldexp.defvjp(
    x=lambda g, other: _ldexp(g, other), other=lambda g, out: mul(mul(g, out), math.log(2))
)


def frexp(input: Tensor) -> tuple[Tensor, Tensor]:
    """Return mantissas from 0.5 to 1 in size, and int32 exponents, with ``input = mantissa * 2**exponent``.

    The derivative of the mantissa is ``2**-exponent``; PyTorch has none.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> mantissa, exponent = ag.frexp(ag.tensor(6.0))
    >>> mantissa.item(), exponent.item()
    (0.75, 3)
    """
    if input.dtype.kind != "f":
        raise RuntimeError(f"frexp(): expects a floating-point tensor (dtype={input.dtype})")
    exponent = _exponents(input)
    return _ldexp(input, neg(exponent)), exponent


@elementwise
def _exponents(x: Array) -> Array:
    return np.asarray(np.frexp(x)[1], np.int32)


def logaddexp2(input: Tensor, other: Tensor) -> Tensor:
    """Return ``log2(2**input + 2**other)`` without overflow; the gradient is shared as by a softmax to base 2.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.logaddexp2(ag.tensor(3.0), ag.tensor(3.0)).item()
    4.0
    """
    input, other = alike(input, other)
    return div(logaddexp(mul(input, math.log(2)), mul(other, math.log(2))), math.log(2))
