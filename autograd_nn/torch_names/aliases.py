"""PyTorch's second names of operations (``absolute`` of ``abs``), and methods of `Tensor` that are functions too."""

import contextlib
from typing import Any

from ..engine import no_grad
from ..ops.arithmetic import div, sub
from ..ops.elementwise import (
    abs,
    acos,
    acosh,
    asin,
    asinh,
    atan,
    atan2,
    atanh,
    ge,
    gt,
    le,
    lt,
    mul,
    ne,
    neg,
    trunc,
)
from ..ops.joining import vstack
from ..ops.linalg import outer
from ..ops.shape import cat, movedim, transpose
from ..ops.slopes import trapezoid
from ..ops.special import gammainc, gammaincc, multigammaln
from ..tensor import Tensor

__all__ = [
    "absolute", "allclose", "arccos", "arccosh", "arcsin", "arcsinh", "arctan", "arctan2", "arctanh", "concat",
    "concatenate", "divide", "equal", "fix", "ger", "greater", "greater_equal", "igamma", "igammac",
    "inference_mode", "less", "less_equal",
    "moveaxis", "multiply", "mvlgamma", "negative", "not_equal", "numel", "row_stack", "subtract", "swapaxes",
    "swapdims", "trapz", "true_divide",
]  # fmt: skip

absolute, concat, concatenate, moveaxis, swapaxes = abs, cat, cat, movedim, transpose
divide, multiply, subtract, negative, true_divide = div, mul, sub, neg, div
arccos, arccosh, arcsin, arcsinh = acos, acosh, asin, asinh
arctan, arctan2, arctanh, fix = atan, atan2, atanh, trunc
greater, greater_equal, less, less_equal, not_equal = gt, ge, lt, le, ne
row_stack, ger, swapdims = vstack, outer, transpose
trapz = trapezoid
mvlgamma, igamma, igammac = multigammaln, gammainc, gammaincc
allclose, equal = Tensor.allclose, Tensor.equal


class _AsItIs(contextlib.ContextDecorator):
    """Context and decorator that change nothing."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, *exception: object) -> None:
        pass


def inference_mode(mode: Any = True) -> Any:
    """Return `no_grad`, by PyTorch's name, as a context or a decorator; with ``mode=False`` one that changes nothing.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> @ag.inference_mode()
    ... def predicted(x):
    ...     return x * 2
    >>> predicted(ag.ones(1, requires_grad=True)).requires_grad
    False
    """
    if not isinstance(mode, bool):
        return no_grad(mode)
    return no_grad() if mode else _AsItIs()


def numel(input: Tensor) -> int:
    """Return the number of elements.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.numel(ag.ones(2, 3))
    6
    """
    return input.numel()
