"""Elementwise functions of the array API standard: the operations of this package under the standard's names.

Those without a gradient (comparisons, bits, rounding to the next number) refuse a tensor that requires one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..engine import Variable, is_grad_enabled, note_read, wrap
from ..ops import elementwise, maths, special
from ..ops.elementwise import (
    acos,
    acosh,
    asin,
    asinh,
    atan,
    atan2,
    atanh,
    bitwise_and,
    bitwise_or,
    bitwise_xor,
    cos,
    cosh,
    exp,
    expm1,
    floor_divide,
    isfinite,
    isinf,
    isnan,
    log,
    log1p,
    log2,
    log10,
    logical_and,
    logical_not,
    logical_or,
    logical_xor,
    maximum,
    minimum,
    remainder,
    sign,
    sin,
    sinh,
    sqrt,
    square,
    tan,
    tanh,
)
from ..tensor import Tensor

__all__ = [
    "abs", "acos", "acosh", "add", "asin", "asinh", "atan", "atan2", "atanh", "bitwise_and", "bitwise_invert",
    "bitwise_left_shift", "bitwise_or", "bitwise_right_shift", "bitwise_xor", "ceil", "clip", "copysign", "cos", "cosh",
    "divide", "equal", "exp", "expm1", "floor", "floor_divide", "greater", "greater_equal", "hypot", "isfinite",
    "isinf", "isnan", "less", "less_equal", "log", "log1p", "log2", "log10", "logaddexp", "logical_and", "logical_not",
    "logical_or", "logical_xor", "maximum", "minimum", "multiply", "negative", "nextafter", "not_equal", "positive",
    "pow", "reciprocal", "remainder", "round", "sign", "signbit", "sin", "sinh", "sqrt", "square", "subtract", "tan",
    "tanh", "trunc",
]  # fmt: skip

add, subtract, multiply, divide = elementwise.add, elementwise.sub, elementwise.mul, elementwise.div
pow, negative, abs, reciprocal = elementwise.pow, elementwise.neg, elementwise.abs, elementwise.reciprocal
equal, not_equal, less, less_equal = elementwise.eq, elementwise.ne, elementwise.lt, elementwise.le
greater, greater_equal, bitwise_invert = elementwise.gt, elementwise.ge, elementwise.bitwise_not
logaddexp, positive, copysign, hypot = maths.logaddexp, maths.positive, special.copysign, special.hypot


def outside(function: Callable[..., Any], *args: Any, **settings: Any) -> Any:
    """Return what a function of NumPy makes of the arrays of tensors, as a tensor outside the graph."""
    if is_grad_enabled() and any(isinstance(x, Variable) and x.requires_grad for x in args):
        raise TypeError(f"{function.__name__}(): has no gradient; use it on x.detach()")
    for x in args:
        note_read(x, f"{function.__name__}()")
    return wrap(np.asarray(function(*(x.array if isinstance(x, Variable) else x for x in args), **settings)))


def _together(x1: Any, x2: Any) -> tuple[Any, Any]:
    """Return two arguments, a Python number among them as an array of the other's dtype."""
    dtype = next(x.array.dtype for x in (x1, x2) if isinstance(x, Variable))
    return tuple(x if isinstance(x, Variable) else np.asarray(x, dtype) for x in (x1, x2))  # type: ignore[return-value]


def _whole(function: Callable[..., Any], x: Tensor) -> Tensor:
    """Return `x` rounded; integers are whole already."""
    return x.clone() if x.dtype.kind in "iu" else function(x)


def ceil(x: Tensor, /) -> Tensor:
    """Return the smallest whole number that is not below `x`; integers stay.

    Examples
    --------
    >>> from autograd_nn import array_api as xp
    >>> xp.ceil(xp.asarray([1.2, -1.2]))
    tensor([ 2., -1.])
    """
    return _whole(elementwise.ceil, x)


def floor(x: Tensor, /) -> Tensor:
    """Return the largest whole number that is not above `x`; integers stay.

    Examples
    --------
    >>> from autograd_nn import array_api as xp
    >>> xp.floor(xp.asarray([1.2, -1.2]))
    tensor([ 1., -2.])
    """
    return _whole(elementwise.floor, x)


def trunc(x: Tensor, /) -> Tensor:
    """Return `x` without what is behind the point; integers stay.

    Examples
    --------
    >>> from autograd_nn import array_api as xp
    >>> xp.trunc(xp.asarray([1.7, -1.7]))
    tensor([ 1., -1.])
    """
    return _whole(elementwise.trunc, x)


def round(x: Tensor, /) -> Tensor:
    """Return the nearest whole number, of two the even one; integers stay.

    Examples
    --------
    >>> from autograd_nn import array_api as xp
    >>> xp.round(xp.asarray([0.5, 1.5, 2.4]))
    tensor([0., 2., 2.])
    """
    return _whole(elementwise.round, x)


def clip(x: Tensor, /, min: Any = None, max: Any = None) -> Tensor:
    """Return `x` with what is below `min` or above `max` replaced by these bounds, in the dtype of `x`.

    Examples
    --------
    >>> from autograd_nn import array_api as xp
    >>> xp.clip(xp.asarray([-1, 2, 9]), 0, 5)
    tensor([0, 2, 5])
    """
    out = x if min is None else maximum(x, min)
    out = out if max is None else minimum(out, max)
    return out.clone() if out is x else out if out.dtype == x.dtype else out.to(x.dtype)


def nextafter(x1: Any, x2: Any, /) -> Tensor:
    """Return the next number that the dtype has after `x1` in the direction of `x2`.

    Examples
    --------
    >>> from autograd_nn import array_api as xp
    >>> xp.nextafter(xp.asarray(1.0), 2.0) - 1 == xp.finfo(xp.float32).eps
    tensor(True)
    """
    return outside(np.nextafter, *_together(x1, x2))  # type: ignore[no-any-return]


def signbit(x: Tensor, /) -> Tensor:
    """Return whether the sign of each element is negative, -0.0 among them.

    Examples
    --------
    >>> from autograd_nn import array_api as xp
    >>> xp.signbit(xp.asarray([-0.0, 0.0, -3.0]))
    tensor([ True, False,  True])
    """
    return outside(np.signbit, x)  # type: ignore[no-any-return]


def bitwise_left_shift(x1: Any, x2: Any, /) -> Tensor:
    """Return integers with their bits moved up.

    Examples
    --------
    >>> from autograd_nn import array_api as xp
    >>> xp.bitwise_left_shift(xp.asarray([1, 3]), 2)
    tensor([ 4, 12])
    """
    return outside(np.left_shift, *_together(x1, x2))  # type: ignore[no-any-return]


def bitwise_right_shift(x1: Any, x2: Any, /) -> Tensor:
    """Return integers with their bits moved down.

    Examples
    --------
    >>> from autograd_nn import array_api as xp
    >>> xp.bitwise_right_shift(xp.asarray([8, -8]), 2)
    tensor([ 2, -2])
    """
    return outside(np.right_shift, *_together(x1, x2))  # type: ignore[no-any-return]
