"""The table of differentiable operations: for each a function and inputs away from its kinks.

`test_gradients.py` runs every check over every row; a primitive with a vjp that no row calls fails there.
"""

import zlib
from typing import Any, NamedTuple

import numpy as np

from autograd_nn import Tensor
from autograd_nn.ops import (
    activation,
    attention,
    bags,
    complexes,
    conv,
    ctc,
    decompositions,
    discrete,
    distance,
    elementwise,
    fourier,
    index,
    linalg,
    loss,
    maths,
    matrices,
    normalization,
    pad,
    placing,
    pool,
    random,
    recurrent,
    reduce,
    resize,
    sampling,
    scan,
    scattering,
    shape,
    slopes,
    solving,
    special,
    statistics,
    unpool,
    volumes,
)

table: list["Case"] = []


class Case(NamedTuple):
    """One row: a name, a function of tensors, its inputs as float64 or integer arrays."""

    name: str
    function: Any
    inputs: list[Any]
    second_order: bool = True


class Source:
    """Draws the inputs of one row, from a generator seeded by its name, so that rows do not depend on each other."""

    def __init__(self, name):
        self.generator = np.random.default_rng(zlib.crc32(name.encode()))

    def normal(self, *shape):
        return np.asarray(self.generator.standard_normal(shape))

    def positive(self, *shape):
        return np.asarray(self.generator.uniform(0.3, 2.0, shape))

    def probabilities(self, *shape):
        """From 0.1 to 0.9."""
        return np.asarray(self.generator.uniform(0.1, 0.9, shape))

    def unit(self, *shape):
        """From -0.9 to 0.9."""
        return np.asarray(self.generator.uniform(-0.9, 0.9, shape))

    def apart(self, *shape):
        """Values whose distance from each other and from small integers is at least 0.04."""
        count = int(np.prod(shape))
        values = (np.arange(count) - count // 2) * 0.23 + 0.05
        return self.generator.permutation(values).reshape(shape)

    def integers(self, high, *shape):
        return np.asarray(self.generator.integers(0, high, shape))

    def booleans(self, *shape):
        return np.asarray(self.generator.random(shape) < 0.5)


def case(name, function, *draws, second_order=True):
    """Add a row; each draw is ``(kind, *arguments)`` of `Source`, or an array."""
    source = Source(name)
    inputs = [getattr(source, d[0])(*d[1:]) if isinstance(d, tuple) else d for d in draws]
    table.append(Case(name, function, inputs, second_order))


def unary(function, kind, *shapes, name=None):
    """Add rows of an elementwise function of one tensor: a matrix, a 0-d tensor, one without elements."""
    for dims in shapes or ((3, 4), (), (2, 0)):
        case(f"{name or function.__name__}{list(dims)}", function, (kind, *dims))


def binary(function, first, second, name=None):
    """Add rows of an elementwise function of two tensors, broadcast in every way, with 0-d and without elements."""
    pairs = [
        ((3, 4), (3, 4)),
        ((2, 3), (3,)),
        ((2, 1, 3), (4, 1)),
        ((), (2, 2)),
        ((2,), ()),
        ((), ()),
        ((0, 3), (3,)),
        ((1,), (0,)),
    ]
    for left, right in pairs:
        case(f"{name or function.__name__}{list(left)}{list(right)}", function, (first, *left), (second, *right))


# ------------------------------------------------------------------------------------ elementwise

unary(elementwise.neg, "normal")
unary(elementwise.square, "normal")
unary(elementwise.reciprocal, "positive")
unary(elementwise.exp, "normal")
unary(elementwise.log, "positive")
unary(elementwise.sqrt, "positive")
unary(elementwise.tanh, "normal")
unary(elementwise.sigmoid, "normal")
unary(elementwise.abs, "apart", (3, 4))
unary(elementwise.sign, "apart", (3, 4))
unary(elementwise.floor, "apart", (3, 4))
unary(elementwise.relu, "apart", (3, 4), (), (0,))
binary(elementwise.add, "normal", "normal")
binary(elementwise.sub, "normal", "normal")
binary(elementwise.mul, "normal", "normal")
binary(elementwise.div, "normal", "positive")
binary(elementwise.pow, "positive", "normal")
binary(elementwise.maximum, "normal", "normal")
binary(elementwise.minimum, "normal", "normal")
case("fmod", elementwise.fmod, ("normal", 3, 4), ("positive", 4))
case("remainder", elementwise.remainder, ("positive", 3, 4), ("positive", 4))
for number in (2, 3, 0.5, -1, 0, 1):
    case(f"pow({number})", lambda x, number=number: elementwise.pow(x, number), ("positive", 2, 3))
case("pow(number, x)", lambda x: elementwise.pow(2, x), ("normal", 2, 3))
case("nextafter", discrete.nextafter, ("normal", 3, 4), ("normal", 4))
case("number - x", lambda x: 3 - x, ("normal", 2))
case("number / x", lambda x: 3 / x, ("positive", 2))
case("where", lambda c, x, y: elementwise.where(c, x, y), ("booleans", 2, 3), ("normal", 3), ("normal", 2, 1))
case("relu's gradient", elementwise.relu_input, ("normal", 3, 4), ("normal", 3, 4))
for name in ("square", "reciprocal", "expm1", "sqrt", "log1p", "log2", "log10", "rsqrt", "erf", "tanh", "sigmoid",
             "abs", "sin", "cos"):  # fmt: skip
    case(f"{name}'s gradient", getattr(elementwise, f"_{name}_input"), ("normal", 3, 4), ("positive", 3, 4))
case("maximum's gradient", elementwise._larger_share, ("normal", 3, 4), ("normal", 3, 4), ("normal", 3, 4))
case("clamp's gradient", lambda g, x: elementwise._clamp_input(g, x, low=-0.5, high=0.7), ("normal", 3), ("apart", 3))
for number in (-2, 1, 3):
    case(f"gradient of pow({number})", lambda g, x, n=number: elementwise._power_input(g, x, n=n), ("normal", 3),
         ("positive", 3))  # fmt: skip
case("where's gradient in x", elementwise._taken, ("normal", 3), ("booleans", 2, 3))
case("where's gradient in y", elementwise._not_taken, ("normal", 3), ("booleans", 2, 3))

for function in ("expm1", "sin", "cos", "tan", "atan", "sinh", "cosh", "asinh", "erf"):
    unary(getattr(elementwise, function), "normal", (3, 4), ())
for function in ("log1p", "log2", "log10", "rsqrt"):
    unary(getattr(elementwise, function), "positive", (3, 4), ())
for function in ("asin", "acos", "atanh"):
    unary(getattr(elementwise, function), "unit", (3, 4), ())
case("acosh", lambda x: elementwise.acosh(x + 1), ("positive", 3, 4))
for function in ("ceil", "trunc", "round", "frac"):
    unary(getattr(elementwise, function), "apart", (3, 4))
binary(elementwise.atan2, "normal", "positive")
binary(elementwise.fmax, "normal", "normal")
binary(elementwise.fmin, "normal", "normal")
binary(lambda x, y: elementwise.lerp(x, y, 0.3), "normal", "normal", name="lerp")
case("lerp by tensor", elementwise.lerp, ("normal", 2, 3), ("normal", 3), ("normal", 2, 1))
case("clamp", lambda x: elementwise.clamp(x, -0.5, 0.7), ("apart", 3, 4))
case("clamp(min)", lambda x: elementwise.clamp(x, 0.2), ("apart", 3, 4))
case("clamp(max)", lambda x: elementwise.clamp(x, max=-0.2), ("apart", 3, 4))
case("clamp by tensors", elementwise.clamp, ("normal", 3, 4), ("unit", 4), ("positive", 3, 1))
case("masked_fill", lambda x, m, v: elementwise.masked_fill(x, m, v), ("normal", 2, 3), ("booleans", 3), ("normal",))
case(
    "masked_fill(-inf)",
    lambda x, m: reduce.softmax(elementwise.masked_fill(x, m, -np.inf), 1),
    ("normal", 2, 3),
    np.array([0, 1, 0], bool),
)
case("nan_to_num", lambda x: elementwise.nan_to_num(elementwise.where(x > 0, x, np.inf), posinf=1.0), ("apart", 3, 4))
case("keep", elementwise._keep, ("normal", 2, 3), ("booleans", 2, 3))

# ------------------------------------------------------------------------------------ activations

for function in (
    "leaky_relu",
    "relu6",
    "hardtanh",
    "hardsigmoid",
    "hardswish",
    "elu",
    "celu",
    "selu",
    "softplus",
    "logsigmoid",
    "softsign",
    "tanhshrink",
    "hardshrink",
    "softshrink",
    "silu",
    "mish",
    "gelu",
):
    unary(getattr(activation, function), "apart", (3, 4), (), (0,))
case("relu6, all parts", lambda x: activation.relu6(x * 7), ("apart", 3, 4))
case("hardswish, all parts", lambda x: activation.hardswish(x * 4), ("apart", 3, 4))
case("hardsigmoid, all parts", lambda x: activation.hardsigmoid(x * 4), ("apart", 3, 4))
case("elu(2)", lambda x: activation.elu(x, 2.0), ("apart", 3, 4))
case("celu(2)", lambda x: activation.celu(x, 2.0), ("apart", 3, 4))
case("softplus(2, 1)", lambda x: activation.softplus(x, 2.0, 1.0), ("apart", 3, 4))
case("gelu(tanh)", lambda x: activation.gelu(x, "tanh"), ("normal", 3, 4))
for name, settings in {
    "gelu": {}, "gelu_tanh": {}, "silu": {}, "mish": {}, "hardswish": {}, "hardsigmoid": {}, "logsigmoid": {},
    "softsign": {}, "tanhshrink": {}, "leaky_relu": {"slope": 0.1}, "bounded": {"low": -0.5, "high": 0.7},
    "elu": {"alpha": 1.5, "scale": 1.1, "rate": 0.7}, "softplus": {"beta": 2.0, "threshold": 1.0},
    "hardshrink": {"lambd": 0.5}, "softshrink": {"lambd": 0.5}, "threshold": {"threshold": 0.2, "value": 3.0},
}.items():  # fmt: skip
    gradient = getattr(activation, f"_{name}_input")
    case(f"{name}'s gradient", lambda g, x, f=gradient, s=settings: f(g, x, **s), ("normal", 3, 4), ("apart", 3, 4))
case("prelu's gradient", activation._prelu_input, ("normal", 2, 3, 2), ("apart", 2, 3, 2), ("positive", 3, 1))
case("prelu's gradient in the weight", activation._prelu_weight, ("normal", 3, 4), ("apart", 3, 4))
case("prelu", activation.prelu, ("apart", 2, 3, 2), ("positive", 3))
case("prelu of one weight", activation.prelu, ("apart", 4), ("positive", 1))
case("threshold", lambda x: activation.threshold(x, 0.2, 3.0), ("apart", 3, 4))
case("glu", activation.glu, ("normal", 2, 4))
case("glu(0)", lambda x: activation.glu(x, 0), ("normal", 2, 3))
case("softmin", lambda x: activation.softmin(x, 1), ("normal", 2, 3))

# ------------------------------------------------------------------------------------ reductions

for reduction in (reduce.sum, reduce.mean, reduce.amax, reduce.amin):
    case(f"{reduction.__name__}()", reduction, ("apart", 2, 3))
    case(f"{reduction.__name__}() of 0-d", reduction, ("normal",))
    for dim, keepdim in [(0, False), (1, True), ((0, 2), False), (-1, True)]:
        case(
            f"{reduction.__name__}({dim}, {keepdim})",
            lambda x, f=reduction, d=dim, k=keepdim: f(x, d, k),
            ("apart", 2, 3, 2),
        )
case("sum of nothing", lambda x: reduce.sum(x, 0), ("normal", 0, 3))
case("sum, large", lambda x: reduce.sum(shape.broadcast_to(x, (2, 5000)) * x, 1), ("normal", 2, 1))
case("spread", lambda g: reduce._spread_to(g, shape=(2, 3, 2), dims=(0, 2)), ("normal", 3))
case("spread, large", lambda g: reduce._spread_to(g, shape=(2, 5000), dims=(1,)), ("normal", 2))
case("max(1)", lambda x: reduce.max(x, 1), ("apart", 2, 3))
case("min(0, keepdim)", lambda x: reduce.min(x, 0, True), ("apart", 2, 3))
for dim, keepdim in [(0, False), ((0, 1), True), (-1, True), ((), False)]:
    case(f"logsumexp({dim}, {keepdim})", lambda x, d=dim, k=keepdim: reduce.logsumexp(x, d, k), ("normal", 2, 3))
case("logsumexp's gradient", lambda g, x, out: reduce._logsumexp_input(g, x, out, dims=(1,)), ("normal", 2),
     ("normal", 2, 3), ("normal", 2))  # fmt: skip
for name in ("softmax", "log_softmax"):
    gradient = getattr(reduce, f"_{name}_input")
    case(f"{name}'s gradient", lambda g, y, f=gradient: f(g, y, dim=1), ("normal", 2, 3, 2), ("normal", 2, 3, 2))
for dim in (0, 1, -1):
    case(f"softmax({dim})", lambda x, d=dim: reduce.softmax(x, d), ("normal", 2, 3, 2))
    case(f"log_softmax({dim})", lambda x, d=dim: reduce.log_softmax(x, d), ("normal", 2, 3, 2))
case("softmax of 0-d", lambda x: reduce.softmax(x, 0), ("normal",))
case("softmax of nothing", lambda x: reduce.softmax(x, 1), ("normal", 0, 3))

for function in (reduce.var, reduce.std):
    for dim, settings in [(None, {}), (1, {"keepdim": True}), ((0, 2), {"correction": 0}), (-1, {"unbiased": False})]:
        case(
            f"{function.__name__}({dim}, {settings})",
            lambda x, f=function, d=dim, k=settings: f(x, d, **k),
            ("normal", 2, 3, 2),
        )
case("var_mean", lambda x: reduce.var_mean(x, 0), ("normal", 3, 2))
case("std_mean", lambda x: reduce.std_mean(x, 0), ("normal", 3, 2))

# ------------------------------------------------------------------------------------ along a dim

for dim in (0, -1):
    case(f"cumsum({dim})", lambda x, d=dim: scan.cumsum(x, d), ("normal", 3, 4))
    case(f"cumprod({dim})", lambda x, d=dim: scan.cumprod(x, d), ("normal", 3, 4))
case("cumprod with zeros", lambda x: scan.cumprod(x * np.array([1, 0, 1, 0, 1]), 1), ("normal", 2, 5))
case("cumprod of nothing", lambda x: scan.cumprod(x, 1), ("normal", 2, 0))
for reverse in (False, True):
    case(f"product before, reverse={reverse}", lambda x, r=reverse: scan._product_before(x, dim=1, reverse=r),
         ("normal", 2, 4))  # fmt: skip
case("recurrence", lambda a, b: scan._recurrence(a, b, dim=1, reverse=False), ("normal", 2, 4), ("normal", 2, 4))
case("recurrence_reverse", lambda a, b: scan._recurrence(a, b, dim=1, reverse=True), ("normal", 2, 4), ("normal", 2, 4))
for dim, keepdim in [(None, False), (0, True), ((0, 2), False), (-1, False)]:
    case(f"prod({dim}, {keepdim})", lambda x, d=dim, k=keepdim: scan.prod(x, d, k), ("normal", 2, 3, 2))
case("prod with a zero", lambda x: scan.prod(x * np.array([1, 0, 1])), ("normal", 3))
case("prod with zeros", lambda x: scan.prod(x * np.array([[0, 0, 1], [1, 1, 1]]), 1), ("normal", 2, 3))
case("prod of the first dim", lambda x: scan.prod(x, 0), ("normal", 3, 4, 2))
case("products of others", lambda g, x: scan._prod_input(g, x, dim=1), ("normal", 5, 2), ("normal", 5, 3, 2))
case("products of others in rows", lambda g, x: scan._prod_input(g, x, dim=1), ("normal", 5), ("normal", 5, 3))
case("prod of 0-d", scan.prod, ("normal",))
case("prod of nothing", scan.prod, ("normal", 0))
case("logcumsumexp", lambda x: scan.logcumsumexp(x, 1), ("normal", 2, 4))
case("cummax", lambda x: scan.cummax(x, 1)[0], ("apart", 2, 4))
case("cummin", lambda x: scan.cummin(x, 0)[0], ("apart", 2, 4))
case("repeat_interleave by a tensor", lambda x: shape.repeat_interleave(x, Tensor([2, 0, 1]), 1), ("normal", 2, 3))
case("added_repeats", lambda g: shape._added_repeats(g, np.array([2, 0, 1]), dim=1, size=3), ("normal", 2, 3))
case("logaddexp", lambda x, y: maths.logaddexp(x, y), ("normal", 2, 3), ("normal", 3))
case("logit", lambda x: maths.logit(elementwise.sigmoid(x)), ("normal", 4))
case("floor_divide", lambda x, y: elementwise.floor_divide(x, y), ("apart", 4), ("positive", 4))
case("trunc_divide", lambda x, y: elementwise.trunc_divide(x, y), ("apart", 4), ("positive", 4))
case("cov", lambda x: statistics.cov(x), ("normal", 2, 4))
case("corrcoef", lambda x: statistics.corrcoef(x), ("normal", 2, 4))
case("sort", lambda x: scan.sort(x, 0), ("apart", 4, 3))
case("sort, descending", lambda x: scan.sort(x, descending=True), ("apart", 2, 4))
case("sort of 0-d", scan.sort, ("normal",))
case("topk", lambda x: scan.topk(x, 2), ("apart", 2, 4))
case("topk, smallest", lambda x: scan.topk(x, 2, 0, largest=False), ("apart", 4, 2))
case("topk(0)", lambda x: scan.topk(x, 0), ("apart", 2, 4))
case("kthvalue", lambda x: scan.kthvalue(x, 2, 0, True), ("apart", 4, 2))
case("median", scan.median, ("apart", 2, 4))
case("median(0)", lambda x: scan.median(x, 0), ("apart", 4, 2))

# ------------------------------------------------------------------------------------ norms

_running = Tensor([0.1, -0.2, 0.3], dtype=np.float32), Tensor([0.5, 1.0, 2.0], dtype=np.float32)


def running(x):
    return [s.to(x.dtype) for s in _running]


case(
    "batch_norm",
    lambda x, w, b: normalization.batch_norm(x, None, None, w, b, True),
    ("normal", 4, 3),
    ("normal", 3),
    ("normal", 3),
)
case(
    "batch_norm of images",
    lambda x, w, b: normalization.batch_norm(x, None, None, w, b, True),
    ("normal", 2, 3, 2, 2),
    ("normal", 3),
    ("normal", 3),
)
case("batch_norm without weight", lambda x: normalization.batch_norm(x, None, None, training=True), ("normal", 2, 2, 3))
case(
    "batch_norm, evaluating",
    lambda x, w, b: normalization.batch_norm(x, *running(x), w, b),
    ("normal", 2, 3, 2),
    ("normal", 3),
    ("normal", 3),
)
case("batch_norm, evaluating, without weight", lambda x: normalization.batch_norm(x, *running(x)), ("normal", 2, 3))
case(
    "batch_norm of nothing",
    lambda x, w, b: normalization.batch_norm(x, None, None, w, b, True),
    ("normal", 0, 3),
    ("normal", 3),
    ("normal", 3),
)
case(
    "layer_norm",
    lambda x, w, b: normalization.layer_norm(x, 4, w, b),
    ("normal", 2, 3, 4),
    ("normal", 4),
    ("normal", 4),
)
case(
    "layer_norm of two dims",
    lambda x, w, b: normalization.layer_norm(x, (3, 2), w, b),
    ("normal", 2, 3, 2),
    ("normal", 3, 2),
    ("normal", 3, 2),
)
case("layer_norm without weight", lambda x: normalization.layer_norm(x, (4,)), ("normal", 2, 4))
case("layer_norm of one row", lambda x, w: normalization.layer_norm(x, (4,), w), ("normal", 4), ("normal", 4))
case(
    "layer_norm of nothing",
    lambda x, w, b: normalization.layer_norm(x, 4, w, b),
    ("normal", 0, 4),
    ("normal", 4),
    ("normal", 4),
)
case(
    "group_norm",
    lambda x, w, b: normalization.group_norm(x, 2, w, b),
    ("normal", 2, 4, 3),
    ("normal", 4),
    ("normal", 4),
)
case(
    "instance_norm",
    lambda x, w, b: normalization.instance_norm(x, weight=w, bias=b),
    ("normal", 2, 2, 3),
    ("normal", 2),
    ("normal", 2),
)
case("rms_norm", lambda x, w: normalization.rms_norm(x, (4,), w), ("normal", 2, 3, 4), ("normal", 4))
case("local_response_norm", lambda x: normalization.local_response_norm(x, 3, 0.5), ("normal", 2, 4, 3))
for p in (2, 1, np.inf, -np.inf, 3, 1.5, "fro"):
    case(f"norm({p})", lambda x, p=p: distance.norm(x, p), ("apart", 3, 2))
    case(f"norm({p}, 1)", lambda x, p=p: distance.norm(x, p, 1, True), ("apart", 3, 2))
case("norm(0)", lambda x: distance.norm(x, 0, 1), ("apart", 2, 3))
case("normalize", distance.normalize, ("normal", 2, 3))
case("cosine_similarity", distance.cosine_similarity, ("normal", 2, 3), ("normal", 1, 3))
case("pairwise_distance", distance.pairwise_distance, ("normal", 2, 3), ("normal", 2, 3))
case("cdist", distance.cdist, ("normal", 2, 3), ("normal", 4, 3))

# ------------------------------------------------------------------------------------ shape

for mode in ("reflect", "replicate", "circular"):
    case(f"pad({mode})", lambda x, m=mode: pad.pad(x, (2, 1, 0, 2), m), ("normal", 1, 2, 3, 4))
case("pad(constant)", lambda x: pad.pad(x, (2, -1, 0, 1), value=3.0), ("normal", 2, 3, 4))

case("cast", lambda x: shape.to_dtype(x, x.dtype) * x, ("normal", 3))
case("cast to float32 and back", lambda x: shape.cast(x, dtype=np.dtype(x.dtype)), ("normal", 3))
case("broadcast_to", lambda x: shape.broadcast_to(x, (4, 2, 3)), ("normal", 2, 1))
case("sum_to_size", lambda x: shape.sum_to_size(x, (3, 1)), ("normal", 2, 3, 2))
case("reshape", lambda x: shape.reshape(x, (3, -1)), ("normal", 2, 3))
case("reshape of nothing", lambda x: shape.reshape(x, (4, 0)), ("normal", 0, 2))
case("flatten", lambda x: shape.flatten(x, 1), ("normal", 2, 3, 2))
case("permute", lambda x: shape.permute(x, (2, 0, 1)), ("normal", 2, 3, 4))
case("transpose", lambda x: shape.transpose(x, 0, -1), ("normal", 2, 3, 4))
case("squeeze", shape.squeeze, ("normal", 2, 1, 3))
case("unsqueeze", lambda x: shape.unsqueeze(x, -1), ("normal", 2, 3))
case("cat", lambda x, y, z: shape.cat([x, y, z], 1), ("normal", 2, 1), ("normal", 2, 0), ("normal", 2, 3))
case("cat of one tensor twice", lambda x: shape.cat([x, x]), ("normal", 2, 2))
case("stack", lambda x, y: shape.stack([x, y], -1), ("normal", 2, 3), ("normal", 2, 3))
case("narrow", lambda x: shape.narrow(x, 1, 1, 2), ("normal", 2, 4))
case("clone", shape.clone, ("normal", 2, 3))
case("pad", lambda x: shape._pad_constant(x, widths=((1, 0), (0, 2)), value=3.0), ("normal", 2, 3))
case("crop", lambda x: shape._crop(x, widths=((1, 0), (0, 2))), ("normal", 2, 3))

case("split", lambda x: shape.split(x, 2, 1), ("normal", 2, 5))
case("split by sizes", lambda x: shape.split(x, [1, 0, 3]), ("normal", 4, 2))
case("chunk", lambda x: shape.chunk(x, 2, -1), ("normal", 2, 5))
case("unbind", lambda x: shape.unbind(x, 1), ("normal", 2, 3))
case("select", lambda x: shape.select(x, 1, -1), ("normal", 2, 3, 2))
case("expand", lambda x: shape.expand(x, (4, -1, 3)), ("normal", 2, 1))
case("repeat", lambda x: shape.repeat(x, (2, 1, 3)), ("normal", 2, 2))
case("tile", lambda x: shape.tile(x, (3,)), ("normal", 2, 2))
case("repeat_interleave", lambda x: shape.repeat_interleave(x, 2, 1), ("normal", 2, 3))
case("repeat_interleave, flat", lambda x: shape.repeat_interleave(x, 3), ("normal", 2, 2))
case("flip", lambda x: shape.flip(x, (0, -1)), ("normal", 2, 3, 2))
case("roll", lambda x: shape.roll(x, (1, -2), (0, 1)), ("normal", 3, 4))
case("roll, flat", lambda x: shape.roll(x, 2), ("normal", 2, 3))
case("movedim", lambda x: shape.movedim(x, (0, 1), (-1, 0)), ("normal", 2, 3, 4))
case("unflatten", lambda x: shape.unflatten(x, 1, (2, -1)), ("normal", 2, 6))
case("meshgrid", lambda x, y: shape.meshgrid(x, y, indexing="xy"), ("normal", 2), ("normal", 3))
case("tril", lambda x: shape.tril(x, -1), ("normal", 2, 3, 3))
case("triu", lambda x: shape.triu(x, 1), ("normal", 3, 4))
case("diagonal", lambda x: shape.diagonal(x, 1, 0, 2), ("normal", 3, 2, 4))
case("diag", shape.diag, ("normal", 3, 4))
case("diag of a vector", lambda x: shape.diag(x, -1), ("normal", 3))
case("diag_embed", shape.diag_embed, ("normal", 2, 3))
case("diag_embed in the first dims", lambda x: shape.diag_embed(x, 1, 0, 1), ("normal", 2, 3))

# ------------------------------------------------------------------------------------ indexing

for key in (
    0,
    -1,
    ...,
    None,
    (slice(None), 1),
    slice(None, None, -1),
    (slice(1, 3), slice(None, None, 2)),
    [2, 0, 2],
    ([0, 1], [1, 1]),
    (slice(None), [0, 0, 3]),
    ([[0, 1], [2, 0]],),
    (..., None, 0),
    ([0, 2], slice(1, 3)),
    np.array([True, False, True]),
):
    case(f"getitem({key})", lambda x, k=key: x[k], ("normal", 3, 4))
case("getitem by mask", lambda x, m: x[m], ("normal", 3, 4), ("booleans", 3, 4))
case("getitem by tensors", lambda x, i, j: x[i, :, j], ("normal", 3, 2, 4), ("integers", 3, 5), ("integers", 4, 5))
case("getitem of 0-d", lambda x: x[()], ("normal",))
case("put", lambda x: index._put(x, np.array([0, 0, 2]), shape=(3, 2), key=(index.ARRAY,)), ("normal", 3, 2))


def changed(x, key, value):
    """Return a copy of `x` with ``copy[key] = value``."""
    x = x.clone()
    x[key] = value
    return x


def changed_view(x, value):
    """Return a copy of `x` whose middle was written to through a view."""
    x = x.clone()
    x[1:].reshape(-1)[2:5].copy_(value)
    return x


for key in (0, (slice(None), 1), slice(None, None, 2), [2, 0], [0, 0, 1]):
    case(f"setitem({key})", lambda x, v, k=key: changed(x, k, v), ("normal", 3, 4), ("normal",))
case("setitem of repeated rows", lambda x, v: changed(x, [0, 0, 1], v), ("normal", 3, 4), ("normal", 3, 4))
case(
    "setitem by mask",
    lambda x, v, m: changed(x, m, v),
    ("normal", 3, 4),
    ("normal", 1),
    np.eye(3, 4, dtype=bool),
)
case("copy into a view", changed_view, ("normal", 3, 4), ("normal", 3))
case("copy_", lambda x, v: (x * 2).copy_(v), ("normal", 3, 4), ("normal", 4))
case("erase", lambda x: index._erase(x, key=(0,), path=()), ("normal", 3, 2))
case("putlast", lambda x: index._putlast(x, np.array([0, 0, 2]), shape=(3, 2), key=(index.ARRAY,)), ("normal", 3, 2))
case("put_along", lambda x: index._put_along(x, np.array([[0, 0, 2]]), dim=1, shape=(2, 3)), ("normal", 1, 3))
case(
    "put_last_along",
    lambda x: index._put_last_along(x, np.array([[0, 0, 2]]), dim=1, shape=(2, 3)),
    ("normal", 1, 3),
)
case(
    "scatter, repeated",
    lambda x, s: scattering.scatter(x, 1, Tensor([[0, 0], [1, 3]]), s),
    ("normal", 3, 4),
    ("normal", 2, 2),
)
case("identity", lambda x: shape.identity(x), ("normal", 2))
case("getlast", lambda x: index._getlast(x, np.array([0, 0, 2]), key=(index.ARRAY,)), ("normal", 3, 2))
case("take_last_along", lambda x: index._take_last_along(x, np.array([[0, 0, 2]]), dim=1), ("normal", 1, 3))
case("take_along_dim", lambda x, i: index.take_along_dim(x, i, 1), ("normal", 3, 4), ("integers", 4, 3, 2))

case("take_along_dim, broadcast", lambda x, i: index.take_along_dim(x, i, 1), ("normal", 3, 4), ("integers", 4, 1, 2))
case("take_along_dim, flat", lambda x, i: index.take_along_dim(x, i), ("normal", 3, 4), ("integers", 12, 5))
case("gather", lambda x, i: index.gather(x, 0, i), ("normal", 3, 4), ("integers", 3, 5, 2))
case("scatter", lambda x, s: scattering.scatter(x, 1, Tensor([[2, 0], [1, 3]]), s), ("normal", 3, 4), ("normal", 2, 3))
case("scatter a number", lambda x: scattering.scatter(x, 1, Tensor([[2, 0], [1, 3]]), 5.0), ("normal", 3, 4))
case(
    "scatter_add",
    lambda x, i, s: index.scatter_add(x, 0, i, s),
    ("normal", 3, 4),
    ("integers", 3, 5, 2),
    ("normal", 5, 3),
)
for dim in (0, 1, -1):
    case(
        f"index_select({dim})", lambda x, i, d=dim: index.index_select(x, d, i), ("normal", 3, 4, 3), ("integers", 3, 5)
    )
    case(
        f"index_put({dim})",
        lambda x, i, d=dim % 3: index._index_put(x, i, dim=d, size=6),
        ("normal", 3, 3, 3),
        ("integers", 3, 3),
    )
case(
    "index_put, long",
    lambda x: index._index_put(shape.broadcast_to(x, (2, 300)), np.arange(300) % 7, dim=1, size=9),
    ("normal", 2, 1),
)
case(
    "index_add",
    lambda x, i, s: index.index_add(x, 1, i, s, alpha=2),
    ("normal", 3, 4),
    ("integers", 4, 5),
    ("normal", 3, 5),
)
case("index_copy", lambda x, s: index.index_copy(x, 1, Tensor([2, 0]), s), ("normal", 3, 4), ("normal", 3, 2))
case("index_fill", lambda x: index.index_fill(x, 1, Tensor([2, 0]), 1.0), ("normal", 3, 4))
case("take", index.take, ("normal", 3, 4), ("integers", 12, 2, 5))
case("masked_select", index.masked_select, ("normal", 3, 4), np.array([True, False, True, True]))
case("embedding", lambda w, i: index.embedding(i, w), ("normal", 4, 3), ("integers", 4, 2, 5))
case("embedding with padding", lambda w, i: index.embedding(i + 1, w, 0), ("normal", 4, 3), ("integers", 3, 2, 5))
case("embedding of nothing", lambda w, i: index.embedding(i, w), ("normal", 4, 3), ("integers", 4, 0))
case(
    "embedding_weight",
    lambda g, i: index._embedding_weight(g, i, rows=4, padding_idx=2),
    ("normal", 5, 3),
    ("integers", 4, 5),
)

# ------------------------------------------------------------------------------------ matrix products

for left, right in [
    ((3,), (3,)),
    ((3,), (3, 2)),
    ((2, 3), (3,)),
    ((2, 3), (3, 4)),
    ((2, 2, 3), (3, 2)),
    ((3,), (2, 3, 4)),
    ((2, 2, 3), (2, 3, 1)),
    ((2, 1, 2, 3), (3, 3, 2)),
    ((0, 3), (3, 2)),
    ((2, 0), (0, 3)),
    ((4, 0, 3), (3, 2)),
]:
    case(f"matmul{list(left)}{list(right)}", linalg.matmul, ("normal", *left), ("normal", *right))
case("linear", linalg.linear, ("normal", 3, 2), ("normal", 4, 2), ("normal", 4))
case("linear_relu", linalg.linear_relu, ("normal", 3, 2), ("normal", 4, 2), ("normal", 4))
case("linear without bias", linalg.linear, ("normal", 2, 3, 2), ("normal", 4, 2))
case("linear of nothing", linalg.linear, ("normal", 0, 2), ("normal", 4, 2), ("normal", 4))
case("transposed product", linalg._matmul_transposed, ("normal", 3, 2), ("normal", 3, 4))

case("mm", linalg.mm, ("normal", 2, 3), ("normal", 3, 2))
case("bmm", linalg.bmm, ("normal", 2, 2, 3), ("normal", 2, 3, 1))
case("mv", linalg.mv, ("normal", 2, 3), ("normal", 3))
case("dot", linalg.dot, ("normal", 3), ("normal", 3))
case("outer", linalg.outer, ("normal", 2), ("normal", 3))
case(
    "addmm", lambda b, x, y: linalg.addmm(b, x, y, beta=2, alpha=0.5), ("normal", 2), ("normal", 3, 2), ("normal", 2, 2)
)
case("baddbmm", linalg.baddbmm, ("normal", 2, 1, 2), ("normal", 2, 3, 2), ("normal", 2, 2, 2))
case("trace", linalg.trace, ("normal", 2, 3))
case("tensordot", linalg.tensordot, ("normal", 2, 3, 2), ("normal", 3, 2, 4))
case(
    "tensordot of dims",
    lambda x, y: linalg.tensordot(x, y, ([0, -1], [1, 0])),
    ("normal", 2, 3, 2),
    ("normal", 2, 2, 4),
)
for equation, *shapes in (
    ("ij,jk->ik", (2, 3), (3, 2)),
    ("bij,bjk->bik", (2, 2, 3), (2, 3, 1)),
    ("ij,jk", (2, 3), (3, 2)),
    ("ij->ji", (2, 3)),
    ("ij->", (2, 3)),
    ("ii->i", (3, 3)),
    ("ii", (3, 3)),
    ("i,j->ij", (2,), (3,)),
    ("i,i->", (3,), (3,)),
    ("bhqd,bhkd->bhqk", (1, 2, 2, 3), (1, 2, 3, 3)),
    ("...ij,...jk->...ik", (2, 2, 3), (3, 2)),
    ("ij,jk,kl->il", (2, 3), (3, 2), (2, 2)),
    ("ijk,k->ij", (2, 3, 2), (2,)),
    ("bn,anm,bm->ba", (2, 2), (3, 2, 3), (2, 3)),
    ("ij,kj->j", (2, 3), (3, 3)),
    ("ij,jk->ik", (2, 1), (3, 2)),
    ("...,...", (2, 3), (3,)),
):
    case(
        f"einsum({equation}) {shapes}",
        lambda *xs, e=equation: linalg.einsum(e, *xs),
        *(("normal", *dims) for dims in shapes),
    )

# ------------------------------------------------------------------------------------ convolution, pooling

case("conv2d", conv.conv2d, ("normal", 2, 2, 4, 5), ("normal", 3, 2, 3, 2), ("normal", 3))
case(
    "conv2d, all settings",
    lambda x, w, b: conv.conv2d(x, w, b, (2, 1), (1, 2), (1, 2), 2),
    ("normal", 1, 4, 4, 5),
    ("normal", 2, 2, 3, 2),
    ("normal", 2),
)
case(
    "conv2d_relu",
    lambda x, w, b: conv.conv2d_relu(x, w, b, padding=1),
    ("normal", 2, 2, 4, 3),
    ("normal", 3, 2, 3, 3),
    ("normal", 3),
)
case("conv2d, same", lambda x, w: conv.conv2d(x, w, padding="same"), ("normal", 1, 1, 4, 3), ("normal", 1, 1, 4, 2))
case("conv2d, unbatched", conv.conv2d, ("normal", 1, 3, 3), ("normal", 2, 1, 2, 2))
case("conv2d of nothing", conv.conv2d, ("normal", 0, 1, 3, 3), ("normal", 2, 1, 2, 2), ("normal", 2))
_settings = {"stride": (2, 1), "padding": ((1, 0), (0, 1)), "dilation": (1, 1), "groups": 1}
case(
    "conv2d_input",
    lambda g, w: conv._conv2d_input(g, w, size=(4, 3), **_settings),
    ("normal", 1, 2, 2, 3),
    ("normal", 2, 1, 3, 2),
)
case(
    "conv2d_weight",
    lambda g, x: conv._conv2d_weight(g, x, size=(3, 2), **_settings),
    ("normal", 1, 2, 2, 3),
    ("normal", 1, 1, 4, 3),
)
case("channel_sum", conv._channel_sum, ("normal", 2, 3, 2, 2))
case("channel_spread", lambda b: conv._channel_spread(b, shape=(2, 3, 2, 2)), ("normal", 3))
case("max_pool2d", lambda x: pool.max_pool2d(x, 2), ("apart", 2, 1, 4, 5))
case("max_pool2d, all settings", lambda x: pool.max_pool2d(x, (3, 2), (2, 1), 1, (1, 2), True), ("apart", 1, 2, 4, 5))
case("max_pool2d of nothing", lambda x: pool.max_pool2d(x, 2), ("normal", 0, 1, 4, 4))
_window = {"kernel": (2, 2), "stride": (1, 1), "padding": (0, 0), "dilation": (1, 1)}
_index = np.random.default_rng(0).integers(0, 4, (1, 1, 2, 2)).astype(np.uint8)
case("window_put", lambda g, i: pool._window_put(g, i, size=(3, 3), **_window), ("normal", 1, 1, 2, 2), _index)
case("window_take", lambda x, i: pool._window_take(x, i, **_window), ("normal", 1, 1, 3, 3), _index)
case("avg_pool2d", lambda x: pool.avg_pool2d(x, 2), ("normal", 2, 1, 4, 5))
case("avg_pool2d, all settings", lambda x: pool.avg_pool2d(x, 3, 2, 1, True, False), ("normal", 1, 2, 4, 4))
_average = {
    "kernel": (2, 2),
    "stride": (1, 2),
    "padding": (0, 1),
    "ceil_mode": False,
    "count_include_pad": False,
    "divisor_override": None,
}
case("avg_pool2d_input", lambda g: pool._avg_pool2d_input(g, size=(3, 4), **_average), ("normal", 1, 1, 2, 3))

case("conv1d", conv.conv1d, ("normal", 2, 2, 5), ("normal", 3, 2, 3), ("normal", 3))
case("conv1d, all settings", lambda x, w: conv.conv1d(x, w, None, 2, 1, 2, 2), ("normal", 2, 6), ("normal", 2, 1, 2))
case("conv_transpose2d", conv.conv_transpose2d, ("normal", 1, 2, 2, 3), ("normal", 2, 2, 3, 2), ("normal", 2))
case(
    "conv_transpose2d, all settings",
    lambda x, w, b: conv.conv_transpose2d(x, w, b, (2, 1), 1, (1, 0), 2, (1, 2)),
    ("normal", 1, 4, 2, 3),
    ("normal", 4, 1, 3, 3),
    ("normal", 2),
)
case(
    "conv_transpose1d",
    lambda x, w, b: conv.conv_transpose1d(x, w, b, 2, 1, 1),
    ("normal", 2, 2, 3),
    ("normal", 2, 3, 3),
    ("normal", 3),
)
case("max_pool2d_relu", lambda x: pool.max_pool2d_relu(x, 3, 2, 1), ("apart", 2, 2, 4, 5))
case("max_pool2d with indices", lambda x: pool.max_pool2d(x, 3, 2, 1, return_indices=True), ("apart", 1, 2, 4, 5))
case("max_unpool2d", lambda x: unpool.max_unpool2d(*pool.max_pool2d(x, 2, return_indices=True), 2),
     ("apart", 1, 2, 4, 4))  # fmt: skip
_volumes = ("normal", 2, 2, 3, 4, 3)
case("conv3d", volumes.conv3d, _volumes, ("normal", 3, 2, 2, 3, 2), ("normal", 3))
case(
    "conv3d, all settings",
    lambda x, w, b: volumes.conv3d(x, w, b, (2, 1, 1), (1, 2, 0), (1, 2, 1), 2),
    _volumes,
    ("normal", 4, 1, 2, 2, 2),
    ("normal", 4),
)
case(
    "conv_transpose3d",
    lambda x, w, b: volumes.conv_transpose3d(x, w, b, (2, 1, 2), (1, 0, 1), (1, 0, 0), 1, (1, 2, 1)),
    ("normal", 1, 2, 2, 2, 3),
    ("normal", 2, 2, 3, 2, 2),
    ("normal", 2),
)
_slicing = {"stride": 2, "before": 1, "dilation": 2}
case("slices", lambda x: volumes._slices(x, count=3, kernel=2, **_slicing), ("normal", 1, 2, 5, 1, 2))
case("slices_put", lambda g: volumes._slices_put(g, depth=5, **_slicing), ("normal", 1, 3, 2, 2, 1, 2))
case(
    "max_pool3d with indices",
    lambda x: volumes.max_pool3d(x, (2, 3, 2), (2, 1, 2), (1, 1, 0), return_indices=True),
    ("apart", 1, 2, 3, 4, 3),
)
case("avg_pool3d", lambda x: volumes.avg_pool3d(x, (2, 3, 2), 2, (1, 1, 0), True, False), _volumes)
case("avg_pool3d, divisor", lambda x: volumes.avg_pool3d(x, 2, divisor_override=3), _volumes)
case("adaptive_avg_pool3d", lambda x: volumes.adaptive_avg_pool3d(x, (2, None, 2)), _volumes)
case("adaptive_max_pool3d", lambda x: volumes.adaptive_max_pool3d(x, (2, 3, 2), True), ("apart", 1, 2, 3, 4, 3))
case("lp_pool2d", lambda x: unpool.lp_pool2d(x, 3, 2), ("positive", 1, 1, 4, 4))
case("adaptive_avg_pool2d", lambda x: pool.adaptive_avg_pool2d(x, (2, 3)), ("normal", 1, 2, 5, 4))
case("adaptive_avg_pool2d_input", lambda g: pool._adaptive_avg_pool2d_input(g, size=(5, 4)), ("normal", 1, 2, 2, 3))
case("adaptive_max_pool2d", lambda x: pool.adaptive_max_pool2d(x, (None, 2), True), ("apart", 1, 2, 3, 5))
case("plane_take", lambda x, i: pool._plane_take(x, i), ("normal", 1, 2, 3, 2), ("integers", 6, 1, 2, 2, 2))
case("plane_put", lambda g, i: pool._plane_put(g, i, size=(3, 2)), ("normal", 1, 2, 2, 2), ("integers", 6, 1, 2, 2, 2))
case("max_pool1d", lambda x: pool.max_pool1d(x, 3, 2, 1, return_indices=True), ("apart", 2, 2, 5))
case("avg_pool1d", lambda x: pool.avg_pool1d(x, 2, None, 1, True, False), ("normal", 2, 5))
case("adaptive_avg_pool1d", lambda x: pool.adaptive_avg_pool1d(x, 3), ("normal", 1, 2, 7))
case("adaptive_max_pool1d", lambda x: pool.adaptive_max_pool1d(x, 3), ("apart", 1, 2, 7))
for mode in ("nearest", "nearest-exact", "bilinear", "area"):
    case(f"interpolate({mode})", lambda x, m=mode: resize.interpolate(x, (5, 2), mode=m), ("normal", 1, 2, 3, 4))
case("gradient of interpolate", lambda g: resize._linear_resize_input(g, size=(3, 4), sizes=(5, 2), scales=(None, None),
     align_corners=False), ("normal", 2, 5, 2))
case(
    "interpolate, corners aligned",
    lambda x: resize.interpolate(x, scale_factor=1.7, mode="linear", align_corners=True),
    ("normal", 1, 2, 4),
)
case("unfold", lambda x: resize.unfold(x, (2, 3), (1, 1), (1, 0), (2, 1)), ("normal", 1, 2, 4, 4))
case("fold", lambda x: resize.fold(x, (4, 4), 2, 1, 1, 2), ("normal", 1, 8, 9))
case("pixel_shuffle", lambda x: resize.pixel_shuffle(x, 2), ("normal", 1, 8, 2, 3))
case("pixel_unshuffle", lambda x: resize.pixel_unshuffle(x, 2), ("normal", 2, 4, 2))

# ------------------------------------------------------------------------------------ attention

_qkv = ("normal", 1, 2, 3, 2), ("normal", 1, 2, 4, 2), ("normal", 1, 2, 4, 3)
case("attention", attention.scaled_dot_product_attention, *_qkv)
case(
    "attention, masked",
    attention.scaled_dot_product_attention,
    *_qkv,
    np.array([[1, 0, 1, 1], [0, 0, 0, 0], [1, 1, 1, 1]], bool),
)
case("attention, biased", attention.scaled_dot_product_attention, *_qkv, ("normal", 2, 1, 4))
case(
    "attention, causal",
    lambda q, k, v: attention.scaled_dot_product_attention(q, k, v, is_causal=True, scale=0.3),
    *_qkv,
)
case(
    "attention, shared heads",
    lambda q, k, v: attention.scaled_dot_product_attention(q, k, v, enable_gqa=True),
    ("normal", 4, 2, 2),
    ("normal", 2, 3, 2),
    ("normal", 2, 3, 2),
)
# From 8 queries on attention is a primitive.
_many = ("normal", 1, 8, 2), ("normal", 1, 3, 2), ("normal", 1, 3, 1)
_mask = np.array([[1, 0, 1], [0, 0, 0], [1, 1, 1], [0, 1, 0], [1, 1, 1], [0, 0, 1], [1, 1, 1], [1, 1, 1]], bool)
case("attention of many", attention.scaled_dot_product_attention, *_many)
case("attention of many, masked", attention.scaled_dot_product_attention, *_many, _mask)
case(
    "attention of many, causal",
    lambda q, k, v: attention.scaled_dot_product_attention(q, k, v, is_causal=True, scale=0.3),
    *_many,
)


def _attention_input(g, q, k, v):
    settings = {"scale": 0.7, "causal": False, "p": 0.0}
    results = attention._attention(*(x.detach() for x in (q, k, v)), _mask, None, **settings)
    return attention._attention_input(g, q, k, v, _mask, None, *results, **settings)


case("attention_input", _attention_input, ("normal", 1, 8, 1), *_many)

# ------------------------------------------------------------------------------------ losses

for reduction in ("mean", "sum", "none"):
    case(
        f"cross_entropy({reduction})",
        lambda x, t, r=reduction: loss.cross_entropy(x, t, reduction=r),
        ("normal", 4, 3),
        ("integers", 3, 4),
    )
    case(
        f"nll_loss({reduction})",
        lambda x, t, r=reduction: loss.nll_loss(x, t, ignore_index=1, reduction=r),
        ("normal", 4, 3),
        ("integers", 3, 4),
    )
    case(
        f"mse_loss({reduction})",
        lambda x, t, r=reduction: loss.mse_loss(x, t, reduction=r),
        ("normal", 4),
        ("normal", 4),
    )
    case(
        f"l1_loss({reduction})",
        lambda x, t, r=reduction: loss.l1_loss(x, t, reduction=r),
        ("normal", 4),
        ("normal", 4),
    )
case(
    "cross_entropy of images",
    lambda x, t: loss.cross_entropy(x, t, ignore_index=1),
    ("normal", 2, 3, 2, 2),
    ("integers", 3, 2, 2, 2),
)
case("cross_entropy of one", lambda x, t: loss.cross_entropy(x, t), ("normal", 3), np.array(1))
case(
    "cross_entropy, smoothed and weighted",
    lambda x, t: loss.cross_entropy(x, t, Tensor([0.5, 1.0, 2.0], dtype=x.dtype), label_smoothing=0.2),
    ("normal", 4, 3),
    ("integers", 3, 4),
)
case(
    "cross_entropy of probabilities",
    lambda x, t: loss.cross_entropy(x, t, label_smoothing=0.1),
    ("normal", 4, 3),
    ("positive", 4, 3),
)
case(
    "cross_entropy_input",
    lambda g, x: loss._cross_entropy_rows_input(g, x, np.array([1, -1, 0]), reduce.logsumexp(x, 1).detach()),
    ("normal", 3),
    ("normal", 3, 3),
)
case("one_hot_rows", lambda g: loss._one_hot_rows(g, np.array([1, -1, 0]), classes=2), ("normal", 3))
case("pick_rows", lambda x: loss._pick_rows(x, np.array([1, -1, 0])), ("normal", 3, 2))

for reduction in ("mean", "sum", "none"):
    for function, kink in ((loss.huber_loss, "delta"), (loss.smooth_l1_loss, "beta")):
        case(
            f"{function.__name__}({reduction})",
            lambda x, t, f=function, r=reduction, k=kink: f(x, t, reduction=r, **{k: 0.7}),
            ("normal", 4),
            ("normal", 4),
        )
    case(
        f"binary_cross_entropy({reduction})",
        lambda x, t, r=reduction: loss.binary_cross_entropy(x * x, t, reduction=r),
        ("unit", 4),
        ("unit", 4),
    )
    case(
        f"binary_cross_entropy_with_logits({reduction})",
        lambda x, t, r=reduction: loss.binary_cross_entropy_with_logits(x, t, reduction=r),
        ("normal", 4),
        ("unit", 4),
    )
    case(
        f"kl_div({reduction})",
        lambda x, t, r=reduction: loss.kl_div(x, t, reduction=r),
        ("normal", 4),
        ("positive", 4),
    )
case("log_from", loss._log_from, ("positive", 2, 3))
case(
    "binary_cross_entropy, weighted",
    lambda x, t, w: loss.binary_cross_entropy(x * x, t, w),
    ("unit", 2, 3),
    ("unit", 2, 3),
    ("positive", 3),
)
case(
    "binary_cross_entropy_with_logits, weighted",
    loss.binary_cross_entropy_with_logits,
    ("normal", 2, 3),
    ("unit", 2, 3),
    ("positive", 3),
)
case(
    "binary_cross_entropy_with_logits, pos_weight",
    lambda x, t, w: loss.binary_cross_entropy_with_logits(x, t, pos_weight=w),
    ("normal", 2, 3),
    ("unit", 2, 3),
    ("positive", 3),
)
for name, first in {"mse": "normal", "l1": "normal", "huber": "normal", "bce": "probabilities",
                    "bce_with_logits": "normal", "kl_div": "normal"}.items():  # fmt: skip
    case(
        f"{name}'s gradient",
        lambda g, x, t, name=name: loss._elementwise_loss_input(g, x, t, loss=name, share=0.5, delta=0.4),
        ("normal",), (first, 3, 4), ("probabilities", 3, 4),
    )  # fmt: skip
case(
    "kl_div(batchmean, log_target)",
    lambda x, t: loss.kl_div(x, t, reduction="batchmean", log_target=True),
    ("normal", 2, 3),
    ("normal", 2, 3),
)
case("gaussian_nll_loss", loss.gaussian_nll_loss, ("normal", 4), ("normal", 4), ("positive", 4))
case("poisson_nll_loss", loss.poisson_nll_loss, ("normal", 4), ("positive", 4))
case("poisson_nll_loss, full", lambda x, t: loss.poisson_nll_loss(x, t, False, True), ("positive", 4), ("positive", 4))
_signs = np.array([1, -1, -1, 1])
case("hinge_embedding_loss", loss.hinge_embedding_loss, ("normal", 4), _signs)
case("margin_ranking_loss", loss.margin_ranking_loss, ("normal", 4), ("normal", 4), _signs)
case("cosine_embedding_loss", loss.cosine_embedding_loss, ("normal", 4, 3), ("normal", 4, 3), _signs)
case("triplet_margin_loss", loss.triplet_margin_loss, ("normal", 4, 3), ("normal", 4, 3), ("normal", 4, 3))
case("soft_margin_loss", loss.soft_margin_loss, ("normal", 4), _signs)
case("multilabel_soft_margin_loss", loss.multilabel_soft_margin_loss, ("normal", 4, 3), ("unit", 4, 3))
case("multi_margin_loss", loss.multi_margin_loss, ("normal", 4, 3), ("integers", 3, 4))

# ------------------------------------------------------------------------------------ dropout

case("dropout", lambda x: random.dropout(x, 0.4, generator=random.Generator(3)), ("normal", 3, 4))

case("dropout_apply", lambda g, m: random._dropout_apply(g, m, p=0.5), ("normal", 3, 4), ("booleans", 3, 4))
case("dropout of nothing", lambda x: random.dropout(x, 0.4), ("normal", 0, 4))
case("dropout of 0-d", lambda x: random.dropout(x, 1.0), ("normal",))

# ------------------------------------------------------------------------------------ recurrent

for nonlinearity in ("tanh", "relu"):
    case(
        f"rnn({nonlinearity})",
        lambda x, h, wx, wh, bx, bh, n=nonlinearity: recurrent.rnn(x, h, wx, wh, bx, bh, n),
        ("normal", 3, 2, 2),
        ("normal", 2, 2),
        ("normal", 2, 2),
        ("normal", 2, 2),
        ("normal", 2),
        ("normal", 2),
    )
case(
    "lstm",
    recurrent.lstm,
    ("normal", 3, 2, 2),
    ("normal", 2, 2),
    ("normal", 2, 2),
    ("normal", 8, 2),
    ("normal", 8, 2),
    ("normal", 8),
    ("normal", 8),
)
case(
    "lstm without bias",
    recurrent.lstm,
    ("normal", 1, 1, 2),
    ("normal", 1, 2),
    ("normal", 1, 2),
    ("normal", 8, 2),
    ("normal", 8, 2),
)
case(
    "gru",
    recurrent.gru,
    ("normal", 3, 2, 2),
    ("normal", 2, 2),
    ("normal", 6, 2),
    ("normal", 6, 2),
    ("normal", 6),
    ("normal", 6),
)
case("gru without bias", recurrent.gru, ("normal", 2, 1, 2), ("normal", 1, 2), ("normal", 6, 2), ("normal", 6, 2))

# ------------------------------------------------------------------------------------ backward kernels

# what their forward kernels leave (statistics, gates) is a function of the other inputs, and their rules say so


def _norm_input(forward, backward, g, x, weight):
    _, mean, rstd = forward(x.detach(), weight.detach(), None, eps=1e-5)
    return backward(g, x, weight, mean, rstd, eps=1e-5)


for _forward, _backward in (
    (normalization._batch_norm, normalization._batch_norm_input),
    (normalization._layer_norm, normalization._layer_norm_input),
):
    case(
        _backward.name,
        lambda g, x, w, f=_forward, b=_backward: _norm_input(f, b, g, x, w),
        ("normal", 5, 3),
        ("normal", 5, 3),
        ("normal", 3),
    )

case("_group_norm_input",
     lambda g, x, w: _norm_input(normalization._group_norm, normalization._group_norm_input, g, x, w),
     ("normal", 2, 2, 2, 3), ("normal", 2, 2, 2, 3), ("normal", 4))


def _lstm_input(g, gx, w, h0, c0):
    states, gates = recurrent._lstm(*(x.detach() for x in (gx, w, h0, c0)), keep=True)
    return recurrent._lstm_input(g, gx, w, h0, c0, states, gates)


case(
    "lstm_input",
    _lstm_input,
    ("normal", 3, 2, 4),
    ("normal", 3, 2, 8),
    ("normal", 8, 2),
    ("normal", 2, 2),
    ("normal", 2, 2),
)
case("rnn_input", recurrent._rnn_input, ("normal", 3, 2, 2), ("normal", 3, 2, 2), ("normal", 2, 2))
case("gru_gates", recurrent._gru_gates, ("normal", 2, 1, 6), ("normal", 2, 1, 6), ("normal", 2, 1, 2))
case("gru_input", recurrent._gru_input, ("normal", 3, 2, 2), ("normal", 3, 2, 2), ("normal", 3, 2, 6), ("normal", 6, 2))

# ------------------------------------------------------------------------------------ linear algebra


def _definite(x):
    """Return symmetric positive definite matrices."""
    return x @ x.mT + np.eye(x.shape[-1], dtype=x.dtype)


def _regular(x):
    """Return matrices far from singular ones."""
    return x + 3 * np.eye(x.shape[-1], dtype=x.dtype)


for dims in ((3, 3), (2, 2, 2), (0, 0), (1, 1)):
    case(f"inv{list(dims)}", lambda x: solving.inv(_regular(x)), ("normal", *dims))
    case(f"det{list(dims)}", matrices.det, ("normal", *dims))
    case(f"slogdet{list(dims)}", lambda x: matrices.slogdet(_regular(x)), ("normal", *dims))
    case(f"logdet{list(dims)}", lambda x: matrices.logdet(_regular(x)), ("normal", *dims))
    case(f"cholesky{list(dims)}", lambda x: decompositions.cholesky(_definite(x)), ("normal", *dims))
    case(f"eigvalsh{list(dims)}", lambda x: decompositions.eigvalsh(x + x.mT), ("normal", *dims))
    case(f"matrix_exp{list(dims)}", matrices.matrix_exp, ("normal", *dims))
case("inv_ex", lambda x: solving.inv_ex(_regular(x)).inverse, ("normal", 3, 3))
case("det of a singular matrix", matrices.det, np.outer([1.0, 2, 3], [0.5, 1, -1]), second_order=False)
case("cofactors", matrices._cofactors, ("normal", 2, 3, 3))
case("cholesky, upper", lambda x: decompositions.cholesky(_definite(x), upper=True), ("normal", 3, 3))
case("cholesky_ex", lambda x: decompositions.cholesky_ex(_definite(x)).L, ("normal", 2, 3, 3))
for left, right in (((3, 3), (3, 2)), ((3, 3), (3,)), ((2, 3, 3), (2, 3)), ((2, 1, 2, 2), (3, 2, 1)), ((0, 0), (0, 2))):
    case(f"solve{list(left)}{list(right)}", lambda a, b: solving.solve(_regular(a), b), ("normal", *left),
         ("normal", *right))  # fmt: skip
    if len(right) == len(left):
        for upper in (False, True):
            case(f"solve_triangular{list(left)}{list(right)}, {upper}",
                 lambda a, b, u=upper: solving.solve_triangular(_regular(a), b, upper=u), ("normal", *left),
                 ("normal", *right))  # fmt: skip
case("solve, right", lambda a, b: solving.solve(_regular(a), b, left=False), ("normal", 3, 3), ("normal", 2, 3))
case("solve_triangular, unit", lambda a, b: solving.solve_triangular(a, b, upper=True, unitriangular=True),
     ("normal", 3, 3), ("normal", 3, 2))  # fmt: skip
case("solve_triangular, right", lambda a, b: solving.solve_triangular(_regular(a), b, upper=False, left=False),
     ("normal", 3, 3), ("normal", 2, 3))  # fmt: skip
case("cholesky_solve", lambda b, x: solving.cholesky_solve(b, _regular(x)), ("normal", 3, 2), ("normal", 3, 3))
case("cholesky_inverse", lambda x: solving.cholesky_inverse(_regular(x), True), ("normal", 3, 3))
case("tensorinv", lambda x: solving.tensorinv(_regular(x.reshape(4, 4)).reshape(2, 2, 4)), ("normal", 2, 2, 4))
case("tensorsolve", lambda x, b: solving.tensorsolve(_regular(x.reshape(4, 4)).reshape(2, 2, 4), b),
     ("normal", 2, 2, 4), ("normal", 2, 2))  # fmt: skip
for dims in ((3, 3), (4, 2), (2, 4), (2, 3, 2)):
    case(f"pinv{list(dims)}", solving.pinv, ("normal", *dims))
    case(f"lstsq{list(dims)}", lambda a, b: solving.lstsq(a, b, driver="gelsd")[:2], ("normal", *dims),
         ("normal", *dims[:-1], 2))  # fmt: skip
    case(f"qr{list(dims)}", decompositions.qr, ("normal", *dims))
    case(f"svdvals{list(dims)}", decompositions.svdvals, ("normal", *dims))
    case(f"svd{list(dims)}", lambda x: decompositions.svd(x, False), ("normal", *dims))
    case(f"svd without vectors{list(dims)}", lambda x: decompositions.svd(x).S, ("normal", *dims))
    case(f"lu{list(dims)}", lambda x: decompositions.lu(x)[1:], ("normal", *dims))
    case(f"lu_factor{list(dims)}", lambda x: decompositions.lu_factor(x).LU, ("normal", *dims))
case("pinv of rank 1", lambda u, v: solving.pinv(u.unsqueeze(1) * v), ("normal", 3), ("normal", 2))
case("pinv, hermitian", lambda x: solving.pinv(x + x.mT, hermitian=True), ("normal", 3, 3))
case("lstsq of vectors", lambda a, b: solving.lstsq(a, b, driver='gelsd')[:2], ("normal", 2, 3, 2), ("normal", 2, 3))
case("qr, r", lambda x: decompositions.qr(x, "r").R, ("normal", 4, 2))
case("qr, q", lambda x: decompositions.qr(x).Q, ("normal", 2, 4))
case("qr, complete", lambda x: decompositions.qr(x, "complete"), ("normal", 2, 3))
case("eigh", lambda x: decompositions.eigh(x + x.mT), ("normal", 3, 3))
case("eigh of the upper triangle", lambda x: decompositions.eigh(x + x.mT, "U").eigenvectors, ("normal", 2, 2, 2))
case("svd, U", lambda x: decompositions.svd(x, False).U, ("normal", 3, 2))
case("svd, Vh", lambda x: decompositions.svd(x, False).Vh, ("normal", 2, 3))
case("lu_solve", lambda a, b: decompositions.lu_solve(*decompositions.lu_factor(_regular(a)), b), ("normal", 3, 3),
     ("normal", 3, 2))  # fmt: skip
for n in (-2, 0, 1, 5):
    case(f"matrix_power({n})", lambda x, n=n: matrices.matrix_power(_regular(x), n), ("normal", 2, 3, 3))
case("matrix_exp of a large matrix", lambda x: matrices.matrix_exp(x * 9), ("unit", 2, 2))
case("multi_dot", lambda *xs: matrices.multi_dot(xs), ("normal", 4), ("normal", 4, 3), ("normal", 3, 2), ("normal", 2))
for order in ("fro", "nuc", np.inf, -np.inf, 1, -1, 2, -2):
    case(f"matrix_norm({order})", lambda x, o=order: matrices.matrix_norm(x, o, (0, 2), True), ("apart", 3, 2, 3))
    if order != "nuc" and order != "fro":
        case(f"vector_norm({order})", lambda x, o=order: matrices.vector_norm(x, o, 1), ("apart", 3, 4))
case("linalg.norm", matrices.norm, ("normal", 3, 4))
for p in (None, -2, "fro", 1):
    case(f"cond({p})", lambda x, p=p: matrices.cond(_regular(x), p), ("normal", 2, 3, 3))
case("vecdot", matrices.vecdot, ("normal", 2, 3), ("normal", 3))
case("vander", lambda x: matrices.vander(x, 4), ("normal", 2, 3))

# ------------------------------------------------------------------------------------ sampling, resizing

for mode, padding, aligned in (
    ("bilinear", "zeros", False), ("bilinear", "border", True), ("bilinear", "reflection", False),
    ("bilinear", "reflection", True), ("nearest", "zeros", False), ("nearest", "border", True),
    ("bicubic", "zeros", True), ("bicubic", "border", False), ("bicubic", "reflection", False),
):  # fmt: skip
    settings = {"mode": mode, "padding_mode": padding, "align_corners": aligned}
    case(f"grid_sample({mode}, {padding}, {aligned})",
         lambda x, g, s=settings: sampling.grid_sample(x, g * 1.5, **s), ("normal", 2, 2, 3, 4),
         ("unit", 2, 2, 3, 2))  # fmt: skip
case("grid_sample of volumes", sampling.grid_sample, ("normal", 1, 2, 2, 3, 2), ("unit", 1, 1, 2, 2, 3))
case("grid_sample of one pixel", lambda x, g: sampling.grid_sample(x, g, "bilinear", "reflection", True),
     ("normal", 1, 1, 1, 1), ("unit", 1, 1, 2, 2))  # fmt: skip
case("affine_grid", lambda t: sampling.affine_grid(t, (2, 1, 3, 4)), ("normal", 2, 2, 3))
case("affine_grid of volumes", lambda t: sampling.affine_grid(t, (1, 1, 2, 3, 1), True), ("normal", 1, 3, 4))
case("weighted_put", lambda g, w, i: sampling._weighted_put(g, w, i, size=3), ("normal", 1, 2, 4), ("normal", 1, 4, 2),
     ("integers", 3, 1, 4, 2))  # fmt: skip
case("weighted_products", sampling._weighted_products, ("normal", 1, 2, 4), ("normal", 1, 2, 3),
     ("integers", 3, 1, 4, 2))  # fmt: skip
for settings in (
    {"mode": "bicubic"}, {"mode": "bicubic", "align_corners": True}, {"mode": "bicubic", "antialias": True},
    {"mode": "bilinear", "antialias": True},
):  # fmt: skip
    for size in ((2, 7), (6, 2)):
        case(f"interpolate({settings}, {size})", lambda x, n=size, s=settings: resize.interpolate(x, n, **s),
             ("normal", 1, 2, 4, 5))  # fmt: skip
for mode in ("trilinear", "nearest", "area"):
    case(f"interpolate 3-D({mode})", lambda x, m=mode: resize.interpolate(x, (2, 3, 4), mode=m),
         ("normal", 1, 1, 3, 3, 2))  # fmt: skip
case("channel_shuffle", lambda x: resize.channel_shuffle(x, 2), ("normal", 1, 4, 2))

# ------------------------------------------------------------------------------------ reduced at places

_groups = np.array([[0, 2, 0], [1, 1, 2]])
for reduction in ("sum", "prod", "mean", "amax", "amin"):
    for own in (True, False):
        case(f"scatter_reduce({reduction}, {own})",
             lambda x, s, r=reduction, o=own: scattering.scatter_reduce(x, 1, Tensor(_groups), s, r, include_self=o),
             ("apart", 2, 3), ("normal", 3, 4))  # fmt: skip
        if reduction != "sum":
            case(f"index_reduce({reduction}, {own})", lambda x, s, r=reduction, o=own: scattering.index_reduce(
                x, 0, Tensor([1, 0, 1]), s, r, include_self=o), ("apart", 3, 2), ("normal", 3, 2))  # fmt: skip
case("scatter_reduce, ties", lambda x: scattering.scatter_reduce(
    x, 0, Tensor(np.zeros(3, np.int64)), shape.cat([x[:1], x[:1], x[1:2]]), "amax"), np.array([3.0, 1.0]))  # fmt: skip
case("scatter_reduce, one zero", lambda x, s: scattering.scatter_reduce(x, 0, Tensor([0, 0, 1]), s, "prod"),
     np.array([2.0, 0.0]), np.array([0.0, 3.0, 4.0]), second_order=False)  # fmt: skip
case("scatter_reduce of 0-d", lambda x, s: scattering.scatter_reduce(x, 0, Tensor(np.array(0)), s, "prod"), ("normal",),
     ("normal",))  # fmt: skip
case("scatter, add", lambda x, s: scattering.scatter(x, 1, Tensor(_groups), s, reduce="add"), ("normal", 2, 3),
     ("normal", 2, 3))  # fmt: skip
case("scatter, multiply by a number", lambda x: scattering.scatter(x, 1, Tensor(_groups), 3.0, reduce="multiply"),
     ("normal", 2, 3))  # fmt: skip
case("masked_scatter", scattering.masked_scatter, ("normal", 2, 3), np.array([True, False, True]), ("normal", 5))
case("as_strided", lambda x: scattering.as_strided(x, (2, 3), (1, 2), 1), ("normal", 2, 4))

# ------------------------------------------------------------------------------------ bags of rows

_bags = np.array([1, 0, 2, 2, 3])
for mode in ("sum", "mean", "max"):
    case(f"embedding_bag({mode})", lambda w, m=mode: bags.embedding_bag(Tensor(_bags), w, Tensor([0, 2, 2]), mode=m),
         ("apart", 4, 3))  # fmt: skip
    case(f"embedding_bag({mode}, padding)", lambda w, m=mode: bags.embedding_bag(
        Tensor([[1, 0], [2, 2]]), w, mode=m, padding_idx=-4), ("apart", 4, 3))  # fmt: skip
case("embedding_bag, weighted", lambda w, s: bags.embedding_bag(
    Tensor(_bags), w, Tensor([0, 2, 5]), mode="sum", per_sample_weights=s, include_last_offset=True, padding_idx=2),
    ("normal", 4, 3), ("normal", 5))  # fmt: skip
case("bag_put", lambda g, s: bags._bag_put(g, s, Tensor(_bags), Tensor([0, 2, 5]), rows=4), ("normal", 2, 3),
     ("normal", 5))  # fmt: skip
case("bag_products", lambda g, w: bags._bag_products(g, w, Tensor(_bags), Tensor([0, 2, 5])), ("normal", 2, 3),
     ("normal", 4, 3))  # fmt: skip

# ------------------------------------------------------------------------------------ later losses and pools

for reduction in ("none", "sum", "mean"):
    case(f"ctc_loss({reduction})", lambda x, t, r=reduction: ctc.ctc_loss(x, t, (4, 3), (2, 1), reduction=r),
         ("normal", 4, 2, 3), np.array([[1, 2], [2, 0]]), second_order=False)  # fmt: skip
case("ctc_loss of one sequence", lambda x, t: ctc.ctc_loss(x, t, 3, 2, 1, "none", True), ("normal", 3, 3),
     np.array([2, 2]), second_order=False)  # fmt: skip
case("ctc_loss of joined targets", lambda x, t: ctc.ctc_loss(x, t, (4, 4), (1, 2), 1), ("normal", 4, 2, 3),
     np.array([2, 0, 2]), second_order=False)  # fmt: skip
case("ctc_loss's gradient", lambda g: ctc._ctc_input(g, np.log(np.full((4, 2, 3), 1 / 3, g.dtype)), np.array(
    [[1, 2], [2, 0]]), np.array([4, 3]), np.array([2, 1]), blank=0), ("normal", 2))  # fmt: skip
case("multilabel_margin_loss", loss.multilabel_margin_loss, ("normal", 2, 4), np.array([[3, 0, -1, 1], [1, -1, 0, 0]]))
case("triplet_margin_with_distance_loss", lambda *xs: loss.triplet_margin_with_distance_loss(
    *xs, distance_function=lambda x, y: (x - y).abs().sum(1), swap=True), *[("normal", 4, 3)] * 3)  # fmt: skip
case("pdist", distance.pdist, ("normal", 4, 3))
case("pdist(1)", lambda x: distance.pdist(x, 1), ("normal", 3, 2))
case("lp_pool1d", lambda x: unpool.lp_pool1d(x, 3, 2), ("positive", 1, 2, 5))
case("lp_pool3d", lambda x: unpool.lp_pool3d(x, 2, 2), ("normal", 1, 1, 2, 4, 2))
case("max_unpool1d", lambda x: unpool.max_unpool1d(x, Tensor([[[1, 2]]]), 2), ("normal", 1, 1, 2))
case("max_unpool3d", lambda x: unpool.max_unpool3d(x, Tensor(np.array([[[[[3]], [[6]]]]])), (1, 2, 2)),
     ("normal", 1, 1, 2, 1, 1))  # fmt: skip

# ------------------------------------------------------------------------------------ special functions

for name in ("lgamma", "digamma", "i1e", "i0e"):
    unary(getattr(special, name), "positive", (3, 4), ())
for name in ("erfc", "erfcx", "ndtr", "log_ndtr", "i0", "i1", "sinc"):
    unary(getattr(special, name), "apart", (3, 4), ())
case("i1 at 0", special.i1, np.zeros(1), second_order=False)
case("lgamma of negative numbers", lambda x: special.lgamma(-x), ("probabilities", 4))
unary(special.erfinv, "unit", (3, 4))
unary(special.ndtri, "probabilities", (3, 4))
unary(special.entr, "positive", (3, 4))
case("polygamma(2)", lambda x: special.polygamma(2, x), ("positive", 4))
case("zeta", lambda x: special.zeta(2.5, x), ("positive", 4))
case("multigammaln", lambda x: special.multigammaln(x + 1, 3), ("positive", 4))
case("gammainc", lambda x: special.gammainc(1.5, x), ("positive", 4))
case("gammaincc", lambda x: special.gammaincc(1.5, x), ("positive", 4))
binary(special.xlogy, "normal", "positive")
binary(special.xlog1py, "normal", "positive")
binary(special.hypot, "normal", "positive")
case("xlogy of a number", lambda y: special.xlogy(2.0, y), ("positive", 3))
case("xlogy by a number", lambda x: special.xlogy(x, 2.0), ("normal", 3))
case("xlog1py by a number", lambda x: special.xlog1py(x, 2.0), ("normal", 3))
case("copysign", special.copysign, ("apart", 3, 4), ("normal", 4))
case("ldexp", special.ldexp, ("normal", 3), ("normal", 2, 1))
case("frexp", lambda x: special.frexp(x)[0], ("positive", 3))
case("logaddexp2", special.logaddexp2, ("normal", 3), ("normal", 2, 1))

# ------------------------------------------------------------------------------------ placing, slopes, statistics

case("select_scatter", lambda x, s: placing.select_scatter(x, s, 1, -1), ("normal", 2, 3), ("normal", 2))
case("slice_scatter", lambda x, s: placing.slice_scatter(x, s, 1, 1, None, 2), ("normal", 2, 4), ("normal", 2, 2))
case("diagonal_scatter", lambda x, s: placing.diagonal_scatter(x, s, 1, 0, -1), ("normal", 2, 3), ("normal", 2))
case("put", lambda x, s: placing.put(x, Tensor([[4, -6]]), s), ("normal", 2, 3), ("normal", 2))
case("put, added", lambda x, s: placing.put(x, Tensor([4, 4]), s, True), ("normal", 2, 3), ("normal", 2))
case("diagflat", lambda x: placing.diagflat(x, -1), ("normal", 2, 2))
case("block_diag", placing.block_diag, ("normal", 2, 1), ("normal", 3), ("normal",))
case("combinations", lambda x: placing.combinations(x, 2, True), ("normal", 3))
case("dsplit", lambda x: placing.dsplit(x, [1]), ("normal", 1, 2, 3))
case("msort", placing.msort, ("apart", 3, 2))
case("addbmm", lambda x, a, b: linalg.addbmm(x, a, b, beta=0.5, alpha=2), ("normal", 2, 2), ("normal", 2, 2, 3),
     ("normal", 2, 3, 2))  # fmt: skip
case("addr", lambda x, a, b: linalg.addr(x, a, b, beta=0.5, alpha=2), ("normal", 2, 3), ("normal", 2), ("normal", 3))
case("trapezoid", lambda y, x: slopes.trapezoid(y, x, dim=0), ("normal", 3, 2), ("normal", 3, 2))
case("cumulative_trapezoid", lambda y: slopes.cumulative_trapezoid(y, dx=0.5), ("normal", 2, 3))
case("gradient", lambda y: slopes.gradient(y, spacing=(1, 0.5), edge_order=2), ("normal", 3, 4))
case("gradient at places", lambda y, x: slopes.gradient(y, spacing=[x.cumsum(0)], dim=1), ("normal", 2, 4),
     ("positive", 4))  # fmt: skip
case("mode", lambda x: slopes.mode(x, 0), ("apart", 3, 2))
case("nanmedian", lambda x: slopes.nanmedian(elementwise.where(x > 0.9, np.nan, x), 1), ("apart", 2, 4))
case("nanquantile", lambda x: slopes.nanquantile(x, [0.3, 0.9], 1, True), ("apart", 2, 4))
case("renorm", lambda x: slopes.renorm(x, 2, 0, 1.0), ("normal", 3, 4))

# ------------------------------------------------------------------------------------ complex numbers


def complex_case(name, function, *shapes, second_order=True):
    """Add a row of a function of complex tensors: their parts are its inputs, the parts of its result its results."""

    def of_parts(*parts):
        out = function(*(complexes.complex(x, y) for x, y in zip(parts[::2], parts[1::2])))
        return complexes.view_as_real(out) if out.is_complex() else out

    draws = [("normal", *dims) for dims in shapes for _ in range(2)]
    case(f"complex {name}", of_parts, *draws, second_order=second_order)


for name in ("exp", "log", "sqrt", "rsqrt", "expm1", "log1p", "log2", "log10", "sin", "cos", "tan", "asin",
             "acos", "atan", "sinh", "cosh", "asinh", "acosh", "atanh", "tanh", "sigmoid", "square", "reciprocal",
             "neg", "abs"):  # fmt: skip
    complex_case(name, getattr(elementwise, name), (2, 2))
for name in ("real", "imag", "conj", "angle", "sgn", "view_as_real"):
    complex_case(name, getattr(complexes, name), (2, 3))
for name in ("add", "sub", "mul", "div", "pow"):
    complex_case(name, getattr(elementwise, name), (2, 2), (2,))
for number in (2, -1, 0.3, 1 + 2j):
    complex_case(f"pow({number})", lambda x, number=number: elementwise.pow(x, number), (3,))
complex_case("pow(number, x)", lambda x: elementwise.pow(2, x), (3,))
case("real times complex", lambda x, a, b: (x * complexes.complex(a, b)).abs(), ("normal", 3), ("normal", 2, 1),
     ("normal", 3))  # fmt: skip
case("complex number - x", lambda x: (2j - x).abs(), ("normal", 3))
case("polar", lambda r, a: complexes.view_as_real(complexes.polar(r, a)), ("positive", 3), ("normal", 3))
case("view_as_complex", lambda x: complexes.view_as_complex(x.contiguous()).square().imag, ("normal", 3, 2))
case("angle of real numbers", complexes.angle, ("apart", 3))
complex_case("where", lambda x, y: elementwise.where(np.array([True, False]), x, y), (3, 2), (2,))
complex_case("lerp", lambda x, y: elementwise.lerp(x, y, 0.3), (3,), (3,))
complex_case("sum", lambda x: reduce.sum(x, 1), (2, 3))
complex_case("mean", lambda x: reduce.mean(x, 0), (2, 3))
complex_case("var", lambda x: reduce.var(x, 1), (2, 3))
complex_case("prod", lambda x: scan.prod(x, 1), (2, 3))
complex_case("cumsum", lambda x: scan.cumsum(x, 1), (2, 3))
complex_case("cumprod", lambda x: scan.cumprod(x, 1), (2, 3))
complex_case("norm", lambda x: distance.norm(x, 2, 1), (2, 3))
complex_case("x[rows]", lambda x: index.getitem(x, np.array([0, 0, 1])), (2, 3))
complex_case("x[mask]", lambda x: index.getitem(x, np.array([[True, False], [True, True]])), (2, 2))
complex_case("gather", lambda x: index.gather(x, 1, Tensor(np.array([[0, 0, 1]]))), (2, 3))
complex_case("index_add", lambda x, y: index.index_add(x, 0, Tensor(np.array([1, 1])), y), (2, 3), (2, 3))
complex_case("cat", lambda x, y: shape.cat([x, y], 1), (2, 1), (2, 2))
complex_case("to real and back", lambda x: x * x.real.to(x.dtype), (3,))
complex_case("matmul", linalg.matmul, (2, 2, 3), (3, 2))
complex_case("vdot", linalg.vdot, (3,), (3,))
complex_case("einsum", lambda x, y: linalg.einsum("ij,kj->ik", x, y), (2, 3), (2, 3))
complex_case("linear", lambda x, w, b: linalg.linear(x, w, b), (2, 3), (2, 3), (2,))
complex_case("inv", solving.inv, (2, 2))
complex_case("solve", solving.solve, (2, 2), (2, 1))
complex_case("solve_triangular", lambda A, B: solving.solve_triangular(A, B, upper=False), (2, 2), (2, 1))
complex_case("det", matrices.det, (3, 3))
complex_case("slogdet", lambda A: matrices.slogdet(A)[0] * matrices.slogdet(A)[1], (2, 2))
complex_case("matrix_exp", matrices.matrix_exp, (2, 2))

# ------------------------------------------------------------------------------------ Fourier transforms

for name in ("fft", "ifft", "hfft", "irfft"):
    complex_case(name, getattr(fourier, name), (2, 4))
    complex_case(f"{name}(5)", lambda x, name=name: getattr(fourier, name)(x, 5, 0, "ortho"), (4, 2))
for name in ("fftn", "ifftn", "hfftn", "irfftn", "fft2", "ifft2", "hfft2", "irfft2"):
    complex_case(name, lambda x, name=name: getattr(fourier, name)(x, (3, 4), (0, 2), "forward"), (2, 1, 3))
for name in ("rfft", "ihfft", "fft"):
    case(f"{name} of real numbers", lambda x, name=name: complexes.view_as_real(getattr(fourier, name)(x)),
         ("normal", 2, 5))  # fmt: skip
    case(f"{name}(4) of real numbers", lambda x, name=name: complexes.view_as_real(getattr(fourier, name)(x, 4, 0)),
         ("normal", 3, 2))  # fmt: skip
for name in ("rfftn", "ihfftn", "rfft2", "ihfft2"):
    case(f"{name} of real numbers", lambda x, name=name: complexes.view_as_real(getattr(fourier, name)(x)),
         ("normal", 3, 4))  # fmt: skip
complex_case("fftshift", lambda x: fourier.ifftshift(fourier.fftshift(x, 1)), (2, 3))
case("stft", lambda x, w: complexes.view_as_real(fourier.stft(x, 4, 2, window=w, return_complex=True)), ("normal", 7),
     ("positive", 4))  # fmt: skip
complex_case("istft", lambda x: fourier.istft(x, 4, 2, window=Tensor([0.5, 1.0, 1.0, 0.5]).to(x.real.dtype)), (3, 3))
