"""Elementwise operations, activations and losses as ONNX nodes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .graph import Graph
from .table import TABLE, arguments, dtype_of, name_like, operand, operands, simple, translates
from .trace import Call

__all__: list[str] = []

for _primitive, _operator in {
    "add": "Add", "sub": "Sub", "mul": "Mul", "div": "Div", "pow": "Pow", "maximum": "Max", "minimum": "Min",
    "at_least": "Max", "neg": "Neg", "abs": "Abs", "reciprocal": "Reciprocal", "sqrt": "Sqrt", "exp": "Exp",
    "log": "Log", "sin": "Sin", "cos": "Cos", "tan": "Tan", "asin": "Asin", "acos": "Acos", "atan": "Atan",
    "sinh": "Sinh", "cosh": "Cosh", "asinh": "Asinh", "acosh": "Acosh", "atanh": "Atanh", "erf": "Erf",
    "tanh": "Tanh", "sigmoid": "Sigmoid", "sign": "Sign", "relu": "Relu", "hinge": "Relu", "softsign": "Softsign",
    "hardswish": "HardSwish", "eq": "Equal", "lt": "Less", "gt": "Greater", "le": "LessOrEqual",
    "ge": "GreaterOrEqual", "prelu": "PRelu",
}.items():  # fmt: skip
    TABLE[_primitive] = simple(_operator)


def _whole(operator: str) -> Any:
    """Floor and the like, which ONNX has for floating-point numbers only: integers stay as they are."""

    def translate(g: Graph, call: Call) -> str:
        x, dtype = operand(g, call)
        return g.node(operator if dtype.kind == "f" else "Identity", x)

    return translate


TABLE["floor"], TABLE["ceil"] = _whole("Floor"), _whole("Ceil")


@translates("trunc")
def _trunc(g: Graph, call: Call) -> str:
    x, dtype = operand(g, call)
    return _truncated(g, x) if dtype.kind == "f" else g.node("Identity", x)


def _truncated(g: Graph, x: str) -> str:
    return g.node("Mul", g.node("Sign", x), g.node("Floor", g.node("Abs", x)))


@translates("round")
def _round(g: Graph, call: Call, decimals: int) -> str:
    x, dtype = operand(g, call)
    if dtype.kind != "f":
        return g.node("Identity", x)
    if not decimals:
        return g.node("Round", x)
    scale = g.like(10.0**decimals, dtype)
    return g.node("Div", g.node("Round", g.node("Mul", x, scale)), scale)


@translates("ne")
def _ne(g: Graph, call: Call) -> str:
    return g.node("Not", g.node("Equal", *operands(g, call)))


def _logical(operator: str) -> Any:
    def translate(g: Graph, call: Call) -> str:
        return g.node(operator, *[name_like(g, x, bool) for x in call.inputs])

    return translate


for _primitive, _operator in {"logical_and": "And", "logical_or": "Or", "logical_xor": "Xor",
                              "logical_not": "Not"}.items():  # fmt: skip
    TABLE[_primitive] = _logical(_operator)


def _bitwise(logical: str, operator: str) -> Any:
    def translate(g: Graph, call: Call) -> str:
        return g.node(logical if dtype_of(call) == np.bool_ else operator, *operands(g, call))

    return translate


for _primitive, _operator in {"bitwise_and": "And", "bitwise_or": "Or", "bitwise_xor": "Xor",
                              "bitwise_not": "Not"}.items():  # fmt: skip
    TABLE[_primitive] = _bitwise(_operator, f"Bitwise{_operator}")


@translates("isnan", "isinf", "isfinite")
def _is_odd(g: Graph, call: Call) -> str:
    """Integers are all finite."""
    x, dtype = operand(g, call)
    name = call.primitive.name
    if dtype.kind != "f":
        return g.node("Expand", g.scalar(name == "isfinite", bool), g.node("Shape", x))
    if name == "isfinite":
        return g.node("Not", g.node("Or", g.node("IsNaN", x), g.node("IsInf", x)))
    return g.node("IsNaN" if name == "isnan" else "IsInf", x)


@translates("square")
def _square(g: Graph, call: Call) -> str:
    x, _ = operand(g, call)
    return g.node("Mul", x, x)


@translates("rsqrt")
def _rsqrt(g: Graph, call: Call) -> str:
    x, _ = operand(g, call)
    return g.node("Reciprocal", g.node("Sqrt", x))


@translates("log2")
def _log2(g: Graph, call: Call) -> str:
    x, dtype = operand(g, call)
    return g.node("Mul", g.node("Log", x), g.like(1 / math.log(2), dtype))


@translates("log10")
def _log10(g: Graph, call: Call) -> str:
    x, dtype = operand(g, call)
    return g.node("Mul", g.node("Log", x), g.like(1 / math.log(10), dtype))


@translates("log1p")
def _log1p(g: Graph, call: Call) -> str:
    x, dtype = operand(g, call)
    return _log_of_one_and(g, x, dtype)


def _log_of_one_and(g: Graph, x: str, dtype: np.dtype[Any]) -> str:
    """``log(1 + x)``, near 0 as ``2 atanh(x / (2 + x))``, which loses no digits."""
    small = g.node("Less", g.node("Abs", x), g.like(0.5, dtype))
    near = g.node("Atanh", g.node("Div", x, g.node("Add", x, g.like(2, dtype))))
    return g.node("Where", small, g.node("Mul", near, g.like(2, dtype)), g.node("Log", g.node("Add", x,
                                                                                              g.like(1, dtype))))


@translates("expm1")
def _expm1(g: Graph, call: Call) -> str:
    x, dtype = operand(g, call)
    return _exp_less_one(g, x, dtype)


def _exp_less_one(g: Graph, x: str, dtype: np.dtype[Any]) -> str:
    """``exp(x) - 1`` as ``tanh(x / 2) (exp(x) + 1)``, which loses no digits near 0."""
    half = g.node("Tanh", g.node("Mul", x, g.like(0.5, dtype)))
    return g.node("Mul", half, g.node("Add", g.node("Exp", x), g.like(1, dtype)))


@translates("atan2")
def _atan2(g: Graph, call: Call) -> str:
    y, x = operands(g, call)
    dtype = dtype_of(call)
    zero = g.like(0, dtype)
    angle = g.node("Atan", g.node("Div", y, x))
    both = g.node("And", g.node("Equal", x, zero), g.node("Equal", y, zero))
    angle = g.node("Where", both, zero, angle)
    turn = g.node("Where", g.node("Less", y, zero), g.like(-math.pi, dtype), g.like(math.pi, dtype))
    return g.node("Add", angle, g.node("Where", g.node("Less", x, zero), turn, zero))


@translates("floor_divide")
def _floor_divide(g: Graph, call: Call) -> str:
    x, y = operands(g, call)
    if dtype_of(call).kind == "f":
        return g.node("Floor", g.node("Div", x, y))
    return g.node("Div", g.node("Sub", x, g.node("Mod", x, y)), y)


@translates("remainder")
def _remainder(g: Graph, call: Call) -> str:
    x, y = operands(g, call)
    if dtype_of(call).kind != "f":
        return g.node("Mod", x, y)
    return g.node("Sub", x, g.node("Mul", y, g.node("Floor", g.node("Div", x, y))))


TABLE["fmod"] = simple("Mod", fmod=1)


@translates("trunc_divide")
def _trunc_divide(g: Graph, call: Call) -> str:
    x, y = operands(g, call)
    quotient = g.node("Div", x, y)
    return _truncated(g, quotient) if dtype_of(call).kind == "f" else quotient


@translates("fmax", "fmin")
def _fmax(g: Graph, call: Call) -> str:
    x, y = operands(g, call)
    extreme = g.node("Max" if call.primitive.name == "fmax" else "Min", x, y)
    if dtype_of(call).kind != "f":
        return extreme
    return g.node("Where", g.node("IsNaN", x), y, g.node("Where", g.node("IsNaN", y), x, extreme))


@translates("lerp")
def _lerp(g: Graph, call: Call) -> str:
    x, end, weight = operands(g, call)
    step, dtype = g.node("Sub", end, x), dtype_of(call)
    first = g.node("Add", x, g.node("Mul", weight, step))
    last = g.node("Sub", end, g.node("Mul", g.node("Sub", g.like(1.0, dtype), weight), step))
    return g.node("Where", g.node("Less", g.node("Abs", weight), g.like(0.5, dtype)), first, last)


@translates("isclose")
def _isclose(g: Graph, call: Call, rtol: float, atol: float, equal_nan: bool) -> str:
    x, y = operands(g, call)
    dtype = dtype_of(call)
    bound = g.node("Add", g.node("Mul", g.node("Abs", y), g.like(rtol, dtype)), g.like(atol, dtype))
    near = g.node("LessOrEqual", g.node("Abs", g.node("Sub", x, y)), bound)
    near = g.node("Or", g.node("Equal", x, y), near)
    return g.node("Or", near, g.node("And", g.node("IsNaN", x), g.node("IsNaN", y))) if equal_nan else near


@translates("ones_like", "zeros_like")
def _filled_like(g: Graph, call: Call) -> str:
    value = call.inputs[0]
    dtype = call.results[0].dtype
    filled = g.like(1 if call.primitive.name == "ones_like" else 0, dtype)
    return g.node("Expand", filled, g.node("Shape", g.name_of(value)))


@translates("where")
def _where(g: Graph, call: Call) -> str:
    x, y, condition = operands(g, call)
    return g.node("Where", condition, x, y)


@translates("keep", "taken")
def _keep(g: Graph, call: Call) -> str:
    x, mask = arguments(g, call)
    return g.node("Where", mask, x, g.like(0, call.results[0].dtype))


@translates("clamp", "bounded")
def _clamp(g: Graph, call: Call, low: Any, high: Any) -> str:
    x = call.inputs[0]
    bounds = [None if bound is None or math.isinf(bound) else g.like(bound, x) for bound in (low, high)]
    return g.node("Clip", g.name_of(x), *bounds)


@translates("within")
def _within(g: Graph, call: Call, low: Any, high: Any, inclusive: bool) -> str:
    x = call.inputs[0]
    name = g.name_of(x)
    tests = [("Greater", low), ("Less", high)]
    found = [g.node(f"{op}{'OrEqual' * inclusive}", name, g.like(bound, x)) for op, bound in tests if bound is not None]
    return found[0] if len(found) == 1 else g.node("And", *found)


@translates("logaddexp")
def _logaddexp(g: Graph, call: Call) -> str:
    x, y = operands(g, call)
    return log_of_sum(g, x, y, dtype_of(call))


def log_of_sum(g: Graph, x: str, y: str, dtype: np.dtype[Any]) -> str:
    """``log(exp(x) + exp(y))``."""
    distance = g.node("Neg", g.node("Abs", g.node("Sub", x, y)))
    return g.node("Add", g.node("Max", x, y), _log_of_one_and(g, g.node("Exp", distance), dtype))


@translates("logit")
def _logit(g: Graph, call: Call) -> str:
    x, dtype = operand(g, call)
    return g.node("Log", g.node("Div", x, g.node("Sub", g.like(1, dtype), x)))


# ------------------------------------------------------------------------------------ activations


@translates("leaky_relu")
def _leaky_relu(g: Graph, call: Call, slope: float) -> str:
    return g.node("LeakyRelu", g.name_of(call.inputs[0]), alpha=float(slope))


@translates("elu")
def _elu(g: Graph, call: Call, alpha: float, scale: float, rate: float) -> str:
    """ELU, SELU and CELU."""
    x = g.name_of(call.inputs[0])
    if rate == 1:
        return g.node("Elu", x, alpha=float(alpha)) if scale == 1 else g.node("Selu", x, alpha=alpha, gamma=scale)
    if scale == 1 and math.isclose(alpha * rate, 1):
        return g.node("Celu", x, alpha=float(alpha))
    dtype = call.results[0].dtype
    below = _exp_less_one(g, g.node("Mul", g.node("Min", x, g.like(0, dtype)), g.like(rate, dtype)), dtype)
    chosen = g.node("Add", g.node("Relu", x), g.node("Mul", below, g.like(alpha, dtype)))
    return g.node("Mul", chosen, g.like(scale, dtype))


@translates("gelu")
def _gelu(g: Graph, call: Call) -> str:
    x, dtype = operand(g, call)
    gate = g.node("Add", g.node("Erf", g.node("Div", x, g.like(math.sqrt(2), dtype))), g.like(1, dtype))
    return g.node("Mul", g.node("Mul", x, gate), g.like(0.5, dtype))


@translates("gelu_tanh")
def _gelu_tanh(g: Graph, call: Call) -> str:
    x, dtype = operand(g, call)
    cube = g.node("Mul", g.node("Mul", g.node("Mul", x, x), x), g.like(0.044715, dtype))
    inner = g.node("Mul", g.node("Add", x, cube), g.like(math.sqrt(2 / math.pi), dtype))
    gate = g.node("Add", g.node("Tanh", inner), g.like(1, dtype))
    return g.node("Mul", g.node("Mul", x, gate), g.like(0.5, dtype))


@translates("hardshrink", "softshrink")
def _shrink(g: Graph, call: Call, lambd: float) -> str:
    bias = float(lambd) if call.primitive.name == "softshrink" else 0.0
    return g.node("Shrink", g.name_of(call.inputs[0]), lambd=float(lambd), bias=bias)


@translates("hardsigmoid")
def _hardsigmoid(g: Graph, call: Call) -> str:
    return g.node("HardSigmoid", g.name_of(call.inputs[0]), alpha=1 / 6, beta=0.5)


@translates("logsigmoid")
def _logsigmoid(g: Graph, call: Call) -> str:
    return g.node("Neg", g.node("Softplus", g.node("Neg", g.name_of(call.inputs[0]))))


@translates("mish")
def _mish(g: Graph, call: Call) -> str:
    x = g.name_of(call.inputs[0])
    return g.node("Mul", x, g.node("Tanh", g.node("Softplus", x)))


@translates("silu")
def _silu(g: Graph, call: Call) -> str:
    x = g.name_of(call.inputs[0])
    return g.node("Mul", x, g.node("Sigmoid", x))


@translates("softplus")
def _softplus(g: Graph, call: Call, beta: float, threshold: float) -> str:
    x, dtype = operand(g, call)
    scaled = x if beta == 1 else g.node("Mul", x, g.like(beta, dtype))
    soft = g.node("Softplus", scaled)
    soft = soft if beta == 1 else g.node("Div", soft, g.like(beta, dtype))
    if threshold >= 20:  # beyond it both are the same in float32
        return soft
    return g.node("Where", g.node("Greater", scaled, g.like(threshold, dtype)), x, soft)


@translates("tanhshrink")
def _tanhshrink(g: Graph, call: Call) -> str:
    x = g.name_of(call.inputs[0])
    return g.node("Sub", x, g.node("Tanh", x))


@translates("threshold")
def _threshold(g: Graph, call: Call, threshold: float, value: float) -> str:
    x, dtype = operand(g, call)
    return g.node("Where", g.node("Greater", x, g.like(threshold, dtype)), x, g.like(value, dtype))


# ------------------------------------------------------------------------------------ losses


@translates("log_from")
def _log_from(g: Graph, call: Call) -> str:
    x, dtype = operand(g, call)
    return _clipped_log(g, x, dtype)


def _clipped_log(g: Graph, x: str, dtype: np.dtype[Any]) -> str:
    return g.node("Max", g.node("Log", x), g.like(-100, dtype))


@translates("elementwise_loss")
def _elementwise_loss(g: Graph, call: Call, loss: str, summed: bool, share: Any, delta: float = 0.0) -> str:
    x, y = arguments(g, call)
    dtype = call.results[0].dtype
    losses = _LOSSES[loss](g, x, y, delta, dtype)
    if not summed:
        return losses if share == 1 else g.node("Mul", losses, g.like(share, dtype))
    if share == 1:
        return g.node("ReduceSum", losses, keepdims=0)
    mean = g.node("ReduceMean", losses, keepdims=0)
    factor = g.share_of_mean(share, call.inputs[0].shape)
    return mean if math.isclose(factor, 1) else g.node("Mul", mean, g.like(factor, dtype))


def _huber(g: Graph, x: str, y: str, delta: float, dtype: np.dtype[Any]) -> str:
    """``d (|x - y| - d / 2)`` for ``d = min(|x - y|, delta)``."""
    distance = g.node("Abs", g.node("Sub", x, y))
    near = g.node("Min", distance, g.like(delta, dtype))
    return g.node("Mul", near, g.node("Sub", distance, g.node("Mul", near, g.like(0.5, dtype))))


def _mse(g: Graph, x: str, y: str, delta: float, dtype: np.dtype[Any]) -> str:
    difference = g.node("Sub", x, y)
    return g.node("Mul", difference, difference)


def _bce(g: Graph, x: str, y: str, delta: float, dtype: np.dtype[Any]) -> str:
    one = g.like(1, dtype)
    left = g.node("Mul", y, _clipped_log(g, x, dtype))
    right = g.node("Mul", g.node("Sub", one, y), _clipped_log(g, g.node("Sub", one, x), dtype))
    return g.node("Neg", g.node("Add", left, right))


def _bce_with_logits(g: Graph, x: str, y: str, delta: float, dtype: np.dtype[Any]) -> str:
    return g.node("Sub", g.node("Softplus", x), g.node("Mul", x, y))


def _kl_div(g: Graph, x: str, y: str, delta: float, dtype: np.dtype[Any]) -> str:
    """``y (log(y) - x)``, and 0 where y is 0."""
    zero = g.like(0, dtype)
    terms = g.node("Mul", y, g.node("Sub", g.node("Log", y), x))
    return g.node("Where", g.node("Greater", y, zero), terms, zero)


_LOSSES: dict[str, Any] = {
    "mse": _mse,
    "l1": lambda g, x, y, delta, dtype: g.node("Abs", g.node("Sub", x, y)),
    "huber": _huber,
    "bce": _bce,
    "bce_with_logits": _bce_with_logits,
    "kl_div": _kl_div,
}


@translates("class_indices")
def _class_indices(g: Graph, call: Call, classes: int, ignore_index: int, operation: str) -> str:
    target = call.inputs[0]
    flat = g.reshape(g.cast(g.name_of(target), target.dtype, np.dtype(np.int64)), [-1])
    ignored = g.node("Equal", flat, g.scalar(ignore_index))
    return g.node("Where", ignored, g.scalar(-1), flat)


def _picked(g: Graph, rows: str, target: str) -> tuple[str, str]:
    """Return which rows count, and the element of each row at its target."""
    counts = g.node("GreaterOrEqual", target, g.scalar(0))
    places = g.unsqueeze(g.node("Max", target, g.scalar(0)), 1)
    return counts, g.squeeze(g.node("GatherElements", rows, places, axis=1), 1)


@translates("pick_rows")
def _pick_rows(g: Graph, call: Call) -> str:
    counts, picked = _picked(g, *arguments(g, call))
    return g.node("Where", counts, picked, g.like(0, call.results[0].dtype))


@translates("cross_entropy_rows")
def _cross_entropy_rows(g: Graph, call: Call) -> tuple[str, str]:
    logits, target = arguments(g, call)
    total = g.node("ReduceLogSumExp", logits, g.constant([1], np.int64), keepdims=0)
    counts, picked = _picked(g, logits, target)
    return g.node("Where", counts, g.node("Sub", total, picked), g.like(0, call.results[0].dtype)), total


@translates("class_factors")
def _class_factors(g: Graph, call: Call, dtype: np.dtype[Any]) -> str:
    indices, weight = arguments(g, call)
    factors = g.cast(g.node("GreaterOrEqual", indices, g.scalar(0)), np.dtype(bool), dtype)
    if weight is None:
        return factors
    return g.node("Mul", factors, g.node("Gather", weight, g.node("Max", indices, g.scalar(0)), axis=0))


@translates("other_classes")
def _other_classes(g: Graph, call: Call, classes: int) -> str:
    indices = g.unsqueeze(g.name_of(call.inputs[0]), 1)
    return g.node("Not", g.node("Equal", g.constant(np.arange(classes)), indices))
