"""ONNX operators that work element by element."""

from __future__ import annotations

import math
from functools import reduce
from typing import Any

import numpy as np

from ....nn import functional as F
from ....ops import activation as act
from ....ops import elementwise as ops
from ....ops.shape import to_dtype
from ....tensor import Tensor
from .reading import DTYPES, Node
from .table import OPERATORS, constant, number, operator, unary

__all__: list[str] = []

_FUNCTIONS: dict[str, Any] = {
    "Abs": ops.abs, "Acos": ops.acos, "Acosh": ops.acosh, "Add": ops.add, "Asin": ops.asin, "Asinh": ops.asinh,
    "Atan": ops.atan, "Atanh": ops.atanh, "Ceil": ops.ceil, "Cos": ops.cos, "Cosh": ops.cosh, "Erf": ops.erf,
    "Exp": ops.exp, "Floor": ops.floor, "Log": ops.log, "Neg": ops.neg, "Reciprocal": ops.reciprocal,
    "Relu": ops.relu, "Round": ops.round, "Sigmoid": ops.sigmoid, "Sign": ops.sign, "Sin": ops.sin,
    "Sinh": ops.sinh, "Softsign": act.softsign, "Sqrt": ops.sqrt, "Sub": ops.sub, "Tan": ops.tan, "Tanh": ops.tanh,
    "Mul": ops.mul, "Equal": ops.eq, "Less": ops.lt, "LessOrEqual": ops.le, "Greater": ops.gt,
    "GreaterOrEqual": ops.ge, "And": ops.logical_and, "Or": ops.logical_or, "Xor": ops.logical_xor,
    "Not": ops.logical_not, "IsNaN": ops.isnan, "BitwiseAnd": ops.bitwise_and, "BitwiseOr": ops.bitwise_or,
    "BitwiseXor": ops.bitwise_xor, "BitwiseNot": ops.bitwise_not, "HardSwish": act.hardswish, "Mish": act.mish,
}  # fmt: skip
for _name, _function in _FUNCTIONS.items():
    OPERATORS[_name] = unary(_function)

OPERATORS["Max"] = lambda node, *xs: reduce(ops.maximum, xs)
OPERATORS["Min"] = lambda node, *xs: reduce(ops.minimum, xs)
OPERATORS["Sum"] = lambda node, *xs: reduce(ops.add, xs)
OPERATORS["Mean"] = lambda node, *xs: ops.div(reduce(ops.add, xs), len(xs))
OPERATORS["Where"] = lambda node, condition, x, y: ops.where(condition, x, y)
OPERATORS["Identity"] = lambda node, x: x
OPERATORS["Softplus"] = lambda node, x: act.softplus(x, 1.0, math.inf)
OPERATORS["LeakyRelu"] = lambda node, x: act.leaky_relu(x, node.get("alpha", 0.01))
OPERATORS["Elu"] = lambda node, x: act.elu(x, node.get("alpha", 1.0))
OPERATORS["Celu"] = lambda node, x: act.celu(x, node.get("alpha", 1.0))
OPERATORS["Gelu"] = lambda node, x: act.gelu(x, node.get("approximate", "none"))
OPERATORS["Swish"] = lambda node, x: ops.mul(x, ops.sigmoid(ops.mul(x, node.get("alpha", 1.0))))


@operator("Selu")
def _selu(node: Node, x: Tensor) -> Tensor:
    alpha, gamma = node.get("alpha", 1.67326319217681884765625), node.get("gamma", 1.05070102214813232421875)
    return ops.mul(act.elu(x, alpha), gamma)


@operator("HardSigmoid")
def _hard_sigmoid(node: Node, x: Tensor) -> Tensor:
    return act.hardtanh(ops.add(ops.mul(x, node.get("alpha", 0.2)), node.get("beta", 0.5)), 0.0, 1.0)


@operator("ThresholdedRelu")
def _thresholded_relu(node: Node, x: Tensor) -> Tensor:
    return act.threshold(x, node.get("alpha", 1.0), 0.0)


@operator("Shrink")
def _shrink(node: Node, x: Tensor) -> Tensor:
    lambd, bias = node.get("lambd", 0.5), node.get("bias", 0.0)
    above = ops.where(ops.gt(x, lambd), ops.sub(x, bias), 0.0)
    return to_dtype(ops.where(ops.lt(x, -lambd), ops.add(x, bias), above), x.dtype)


@operator("PRelu")
def _prelu(node: Node, x: Tensor, slope: Tensor) -> Tensor:
    return ops.where(ops.lt(x, 0), ops.mul(x, slope), x)


@operator("Div")
def _div(node: Node, x: Tensor, y: Tensor) -> Tensor:
    return ops.div(x, y) if x.dtype.kind == "f" else ops.trunc_divide(x, y)


@operator("Pow")
def _pow(node: Node, x: Tensor, y: Tensor) -> Tensor:
    if x.dtype.kind == "f" and y.dtype != x.dtype:
        y = to_dtype(y, x.dtype)
    return to_dtype(ops.pow(x, y), x.dtype)


@operator("Mod")
def _mod(node: Node, x: Tensor, y: Tensor) -> Tensor:
    return ops.fmod(x, y) if node.get("fmod", 0) else ops.remainder(x, y)


@operator("BitShift")
def _bit_shift(node: Node, x: Tensor, y: Tensor) -> Tensor:
    return constant((np.left_shift if node.get("direction") == "LEFT" else np.right_shift)(x.array, y.array))


@operator("IsInf")
def _is_inf(node: Node, x: Tensor) -> Tensor:
    wanted = ([-math.inf] if node.get("detect_negative", 1) else []) + ([math.inf] if node.get("detect_positive", 1)
                                                                       else [])
    return constant(np.isin(x.array, wanted))


@operator("Clip")
def _clip(node: Node, x: Tensor, low: Tensor | None = None, high: Tensor | None = None) -> Tensor:
    bottom, top = number(low, node.get("min")), number(high, node.get("max"))
    if bottom is None and top is None:
        return x
    if bottom is not None and top is not None and bottom > top:  # the standard: the upper bound counts
        return ops.mul(ops.ones_like(x), top)
    return ops.clamp(x, bottom, top)


def dtype_of(number: int) -> np.dtype[Any]:
    """Return the dtype that a file calls by a number."""
    if number not in DTYPES:
        raise NotImplementedError(f"there is no such dtype here (number {number})")
    return np.dtype(DTYPES[number])


@operator("Cast")
def _cast(node: Node, x: Tensor) -> Tensor:
    return to_dtype(x, dtype_of(node.get("to")))


@operator("CastLike")
def _cast_like(node: Node, x: Tensor, like: Tensor) -> Tensor:
    return to_dtype(x, like.dtype)


@operator("BitCast")
def _bit_cast(node: Node, x: Tensor) -> Tensor:
    return constant(np.ascontiguousarray(x.array).view(dtype_of(node.get("to"))))


@operator("Dropout")
def _dropout(node: Node, x: Tensor, ratio: Tensor | None = None, training: Tensor | None = None) -> Any:
    """Drops in training: of the module, unless the file fixes its mode."""
    share = number(ratio, node.get("ratio", 0.5))
    active = node.get("in_training", False) if training is None else bool(number(training))
    mask = np.ones(x.shape, bool)
    if not active or not share:
        return x, constant(mask)
    out = F.dropout(x, share)
    return out, constant(out.array != 0)
