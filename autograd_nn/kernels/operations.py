"""The elementwise operations, declared: each one's value, its gradient, and what else is computed in one pass.

Function 0 of each is its value. Function 1 is the gradient in its first input: `g`, the gradient of the value, times
the derivative, from the input `x` or from the value `out`, whichever costs less. At kinks derivatives are PyTorch's.
NaN stays NaN; where a derivative is 0 by cases, the gradient is 0 whatever `g` is.
"""

from __future__ import annotations

import math

from autograd_nn.kernels.functions import (
    cos,
    erf,
    exp,
    expm1,
    log,
    log1p,
    log2,
    log10,
    logistic,
    normal_density,
    normal_distribution,
    sin,
    softplus,
    tanh,
)
from autograd_nn.kernels.lanes import Number, as_integer, fma, select, sqrt
from autograd_nn.kernels.passes import Pass

__all__ = [
    "ABS",
    "ARITHMETIC",
    "BCE",
    "BCE_WITH_LOGITS",
    "BOUNDED",
    "CLAMP",
    "COS",
    "ELU",
    "ERF",
    "EXP",
    "EXPM1",
    "GELU",
    "GELU_TANH",
    "HARDSHRINK",
    "HARDSIGMOID",
    "HARDSWISH",
    "HUBER",
    "KL_DIV",
    "L1",
    "LEAKY_RELU",
    "LERP",
    "LOG",
    "LOG1P",
    "LOG2",
    "LOG10",
    "LOGSIGMOID",
    "MAXIMUM",
    "MINIMUM",
    "MISH",
    "MSE",
    "POWER", "PRELU",
    "RECIPROCAL",
    "RELU",
    "RSQRT",
    "SIGMOID",
    "SILU",
    "SIN",
    "SOFTPLUS",
    "SOFTSHRINK",
    "SOFTSIGN",
    "SQRT",
    "SQUARE",
    "TANH",
    "TANHSHRINK",
    "THRESHOLD",
    "WHERE",
]  # fmt: skip

# ------------------------------------------------------------------------------------ piecewise linear


def _relu(x: Number) -> Number:
    return select(x <= 0.0, 0.0, x)


def _relu_gradient(g: Number, out: Number) -> Number:
    return select(out <= 0.0, 0.0, g)


RELU = Pass("relu", _relu, _relu_gradient, exact=True)


def _leaky_relu(x: Number, *, slope: Number) -> Number:
    return select(x > 0.0, x, x * slope)


def _leaky_relu_gradient(g: Number, x: Number, *, slope: Number) -> Number:
    return select(x > 0.0, g, g * slope)


LEAKY_RELU = Pass("leaky_relu", _leaky_relu, _leaky_relu_gradient, exact=True)


def _prelu(x: Number, w: Number) -> Number:
    return select(x > 0.0, x, x * w)


def _prelu_gradient(g: Number, x: Number, w: Number) -> Number:
    return select(x > 0.0, g, g * w)


def _prelu_weight(g: Number, x: Number) -> Number:
    return select(x > 0.0, 0.0, g * x)


PRELU = Pass("prelu", _prelu, _prelu_gradient, _prelu_weight, exact=True)


def _clamp(x: Number, *, low: Number, high: Number) -> Number:
    raised = select(x < low, low, x)
    return select(raised > high, high, raised)


def _bounded_gradient(g: Number, x: Number, *, low: Number, high: Number) -> Number:
    return select((x > low) & (x < high), g, 0.0)


def _clamp_gradient(g: Number, x: Number, *, low: Number, high: Number) -> Number:
    return select((x >= low) & (x <= high), g, 0.0)


BOUNDED = Pass("bounded", _clamp, _bounded_gradient, exact=True)  # hardtanh, relu6
CLAMP = Pass("clamp", _clamp, _clamp_gradient, exact=True)


def _hardsigmoid(x: Number) -> Number:
    return _clamp(x / 6.0 + 0.5, low=0.0, high=1.0)


def _hardsigmoid_gradient(g: Number, x: Number) -> Number:
    return select((x > -3.0) & (x < 3.0), g / 6.0, 0.0)


HARDSIGMOID = Pass("hardsigmoid", _hardsigmoid, _hardsigmoid_gradient, exact=True)


def _hardswish(x: Number) -> Number:
    return x * _clamp(x + 3.0, low=0.0, high=6.0) / 6.0


def _hardswish_gradient(g: Number, x: Number) -> Number:
    slope = select(x < 3.0, x / 3.0 + 0.5, 1.0)
    return g * select(x <= -3.0, 0.0, slope)


HARDSWISH = Pass("hardswish", _hardswish, _hardswish_gradient, exact=True)


def _beyond(x: Number, bound: Number) -> Number:
    """Return where x lies outside of [-bound, bound], or is NaN."""
    return ~((x <= bound) & (x >= -bound))


def _hardshrink(x: Number, *, lambd: Number) -> Number:
    return select(_beyond(x, lambd), x, 0.0)


def _softshrink(x: Number, *, lambd: Number) -> Number:
    return select(x > lambd, x - lambd, select(_beyond(x, lambd), x + lambd, 0.0))


def _shrink_gradient(g: Number, x: Number, *, lambd: Number) -> Number:
    return select(_beyond(x, lambd), g, 0.0)


HARDSHRINK = Pass("hardshrink", _hardshrink, _shrink_gradient, exact=True)
SOFTSHRINK = Pass("softshrink", _softshrink, _shrink_gradient, exact=True)


def _threshold(x: Number, *, threshold: Number, value: Number) -> Number:
    return select(x <= threshold, value, x)


def _threshold_gradient(g: Number, x: Number, *, threshold: Number) -> Number:
    return select(x <= threshold, 0.0, g)


THRESHOLD = Pass("threshold", _threshold, _threshold_gradient, exact=True)


def _abs(x: Number) -> Number:
    return abs(x)


def _sign(x: Number) -> Number:
    return select(x > 0.0, 1.0, select(x < 0.0, -1.0, 0.0 * x))


def _abs_gradient(g: Number, x: Number) -> Number:
    return g * _sign(x)


ABS = Pass("abs", _abs, _abs_gradient, _sign, exact=True)

# ------------------------------------------------------------------------------------ exponential


def _elu(x: Number, *, alpha: Number, scale: Number, rate: Number) -> Number:
    return select(x > 0.0, x * scale, expm1(select(x > 0.0, 0.0, x) * rate) * (alpha * scale))


def _elu_gradient(g: Number, x: Number, *, alpha: Number, scale: Number, rate: Number) -> Number:
    return g * select(x > 0.0, scale, exp(select(x > 0.0, 0.0, x) * rate) * (alpha * scale * rate))


ELU = Pass("elu", _elu, _elu_gradient, work=8)  # elu, selu, celu


def _softplus(x: Number, *, beta: Number, threshold: Number) -> Number:
    scaled = x * beta
    return select(scaled > threshold, x, softplus(scaled) / beta)


def _softplus_gradient(g: Number, x: Number, *, beta: Number, threshold: Number) -> Number:
    scaled = x * beta
    return g * select(scaled > threshold, 1.0, logistic(scaled))


SOFTPLUS = Pass("softplus", _softplus, _softplus_gradient, work=12)


def _logsigmoid(x: Number) -> Number:
    return -softplus(-x)


def _logsigmoid_gradient(g: Number, x: Number) -> Number:
    return g * logistic(-x)


LOGSIGMOID = Pass("logsigmoid", _logsigmoid, _logsigmoid_gradient, work=12)


def _sigmoid_gradient(g: Number, out: Number) -> Number:
    return g * (out * (1.0 - out))


SIGMOID = Pass("sigmoid", lambda x: logistic(x), _sigmoid_gradient, work=8)


def _tanh_gradient(g: Number, out: Number) -> Number:
    return g * (1.0 - out * out)


TANH = Pass("tanh", lambda x: tanh(x), _tanh_gradient, work=8)


def _tanhshrink_gradient(g: Number, x: Number) -> Number:
    t = tanh(x)
    return g * (t * t)


TANHSHRINK = Pass("tanhshrink", lambda x: x - tanh(x), _tanhshrink_gradient, work=8)


def _softsign(x: Number) -> Number:
    return x / (1.0 + abs(x))


def _softsign_gradient(g: Number, x: Number) -> Number:
    size = 1.0 + abs(x)
    return g / (size * size)


SOFTSIGN = Pass("softsign", _softsign, _softsign_gradient, exact=True)

# ------------------------------------------------------------------------------------ self-gated


def _silu(x: Number) -> Number:
    return x * logistic(x)


def _silu_gradient(g: Number, x: Number) -> Number:
    gate = logistic(x)
    return g * gate * (1.0 + x * (1.0 - gate))


SILU = Pass("silu", _silu, _silu_gradient, work=8)


def _gelu(x: Number) -> Number:
    return x * normal_distribution(x)


def _gelu_gradient(g: Number, x: Number) -> Number:
    return g * (normal_distribution(x) + x * normal_density(x))


GELU = Pass("gelu", _gelu, _gelu_gradient, work=16)

TANH_RATE, TANH_CUBE = math.sqrt(2 / math.pi), 0.044715


def _gelu_tanh_gate(x: Number) -> Number:
    """Return ``(1 + tanh u) / 2``, which is ``logistic(2 u)``, with ``u = sqrt(2 / pi) (x + 0.044715 x**3)``."""
    return logistic(2.0 * TANH_RATE * (x * fma(x * x, TANH_CUBE, 1.0)))


def _gelu_tanh(x: Number) -> Number:
    return x * _gelu_tanh_gate(x)


def _gelu_tanh_gradient(g: Number, x: Number) -> Number:
    gate = _gelu_tanh_gate(x)
    squares = select(x * x < 4096.0, x * x, 4096.0)  # farther out the gate is 0 or 1
    slope = 2.0 * TANH_RATE * fma(squares, 3.0 * TANH_CUBE, 1.0)
    return g * (gate * (1.0 + x * ((1.0 - gate) * slope)))


GELU_TANH = Pass("gelu_tanh", _gelu_tanh, _gelu_tanh_gradient, work=10)


def _mish_gate(x: Number) -> Number:
    """Return ``tanh(log(1 + exp(x)))`` as a quotient of polynomials in ``e = exp(-abs(x))``."""
    e = exp(-abs(x))
    above, below = 1.0 + 2.0 * e, e * (e + 2.0)
    return select(x < 0.0, below, above) / select(x < 0.0, below + 2.0, above + 2.0 * (e * e))


def _mish(x: Number) -> Number:
    return x * _mish_gate(x)


def _mish_gradient(g: Number, x: Number) -> Number:
    gate = _mish_gate(x)
    return g * (gate + x * (logistic(x) * (1.0 - gate * gate)))


MISH = Pass("mish", _mish, _mish_gradient, work=12)

# ------------------------------------------------------------------------------------ powers, exponentials, roots


def _times_out(g: Number, out: Number) -> Number:
    return g * out


EXP = Pass("exp", lambda x: exp(x), _times_out, work=6)
EXPM1 = Pass("expm1", lambda x: expm1(x), lambda g, out: g * (out + 1.0), work=6)
LOG = Pass("log", lambda x: log(x), lambda g, x: g / x, work=6)
LOG2 = Pass("log2", lambda x: log2(x), lambda g, x: g / (x * math.log(2)), work=6)
LOG10 = Pass("log10", lambda x: log10(x), lambda g, x: g / (x * math.log(10)), work=6)
LOG1P = Pass("log1p", lambda x: log1p(x), lambda g, x: g / (x + 1.0), work=6)
SQRT = Pass("sqrt", lambda x: sqrt(x), lambda g, out: g / (out * 2.0), exact=True)
RSQRT = Pass("rsqrt", lambda x: 1.0 / sqrt(x), lambda g, out: g * ((out * out * out) * -0.5), exact=True)
RECIPROCAL = Pass("reciprocal", lambda x: 1.0 / x, lambda g, out: -(g * (out * out)), exact=True)
SQUARE = Pass("square", lambda x: x * x, lambda g, x: g * (x * 2.0), exact=True)

SIN = Pass("sin", lambda x: sin(x), lambda g, x: g * cos(x), work=8)
COS = Pass("cos", lambda x: cos(x), lambda g, x: -(g * sin(x)), work=8)


def _erf_gradient(g: Number, x: Number) -> Number:
    return g * (exp(-(x * x)) * (2 / math.sqrt(math.pi)))


ERF = Pass("erf", lambda x: erf(x), _erf_gradient, work=12)

MOST = 8  # the largest exponent of POWER, up or down


def _raised(x: Number, n: Number) -> Number:
    """Return ``x**n`` for a whole n from 0 to 8, by squaring."""
    digits = as_integer(n)
    out = select((digits & 1) == 1, x, 1.0)
    for digit in (2, 4, 8):
        x = x * x
        out = select((digits & digit) == digit, out * x, out)
    return out


def _power(x: Number, *, n: Number, down: Number) -> Number:
    out = _raised(x, n)
    return select(down > 0.0, 1.0 / out, out)


def _power_gradient(g: Number, x: Number, *, n: Number, down: Number, factor: Number) -> Number:
    return g * (_power(x, n=n, down=down) * factor)


POWER = Pass("power", _power, _power_gradient)  # x**n with its size and sign apart; n - 1 for the gradient

# ------------------------------------------------------------------------------------ of several arrays

ARITHMETIC = Pass(
    "arithmetic", lambda x, y: x + y, lambda x, y: x - y, lambda x, y: x * y, lambda x, y: x / y, exact=True
)
ADD, SUB, MUL, DIV = range(4)  # its functions


def _share(g: Number, x: Number, y: Number) -> Number:
    return select(x < y, 0.0, select(x == y, 0.5 * g, g))


def _maximum(x: Number, y: Number) -> Number:
    return select((x > y) | (x != x), x, y)


def _minimum(x: Number, y: Number) -> Number:
    return select((x < y) | (x != x), x, y)


def _lesser_share(g: Number, x: Number, y: Number) -> Number:
    return _share(g, y, x)


MAXIMUM = Pass("maximum", _maximum, _share, exact=True)
MINIMUM = Pass("minimum", _minimum, _lesser_share, exact=True)


TIES = Pass("ties", lambda x, extreme: select(x == extreme, 1.0, 0.0), exact=True)


def _where(condition: Number, x: Number, y: Number) -> Number:
    return select(condition, x, y)


def _keep(condition: Number, g: Number) -> Number:
    return select(condition, g, 0.0)


def _drop(condition: Number, g: Number) -> Number:
    return select(condition, 0.0, g)


WHERE = Pass("where", _where, _keep, _drop, exact=True)


def _lerp(x: Number, end: Number, weight: Number) -> Number:
    step = end - x
    return select(abs(weight) < 0.5, x + weight * step, end - (1.0 - weight) * step)


LERP = Pass("lerp", _lerp, exact=True)

# ------------------------------------------------------------------------------------ losses


def _squared_error(x: Number, y: Number) -> Number:
    return (x - y) * (x - y)


MSE = Pass("mse", _squared_error, lambda g, x, y, *, share: g * share * 2.0 * (x - y), summed=True)


def _absolute_error(x: Number, y: Number) -> Number:
    return abs(x - y)


L1 = Pass("l1", _absolute_error, lambda g, x, y, *, share: g * share * _sign(x - y), summed=True)


def _huber(x: Number, y: Number, *, delta: Number, share: Number) -> Number:
    d = x - y
    size = abs(d)
    return share * select(size < delta, 0.5 * d * d, (size - 0.5 * delta) * delta)


def _huber_gradient(g: Number, x: Number, y: Number, *, delta: Number, share: Number) -> Number:
    return g * share * _clamp(x - y, low=-delta, high=delta)


HUBER = Pass("huber", _huber, _huber_gradient, summed=True)


def _bce(x: Number, y: Number) -> Number:
    """Binary cross-entropy of probabilities, each logarithm held at -100 at least."""
    yes, no = log(x), log1p(-x)
    yes, no = select(yes < -100.0, -100.0, yes), select(no < -100.0, -100.0, no)
    return -(y * yes + (1.0 - y) * no)


def _bce_gradient(g: Number, x: Number, y: Number, *, share: Number) -> Number:
    spread = (1.0 - x) * x
    return g * share * (x - y) / select(spread < 1e-12, 1e-12, spread)


BCE = Pass("bce", _bce, _bce_gradient, summed=True, work=16)


def _bce_with_logits(x: Number, y: Number) -> Number:
    return softplus(x) - x * y


def _bce_with_logits_gradient(g: Number, x: Number, y: Number, *, share: Number) -> Number:
    return g * share * (logistic(x) - y)


BCE_WITH_LOGITS = Pass("bce_with_logits", _bce_with_logits, _bce_with_logits_gradient, summed=True, work=16)


def _kl_div(x: Number, y: Number) -> Number:
    """Return ``y (log y - x)`` of log-probabilities x, 0 where y is 0 and x is a number."""
    safe = select(y > 0.0, y, 1.0)
    return select(y > 0.0, y * (log(safe) - x), select(y == 0.0, select(x == x, 0.0, x), y * math.nan))


KL_DIV = Pass("kl_div", _kl_div, lambda g, y, *, share: -(g * share * y), summed=True, work=8)
