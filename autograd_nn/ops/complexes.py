"""Complex numbers: parts, conjugate, angle, and what other operations compute for them.

Outside, gradients follow PyTorch: that of a real loss L in ``z = a + ib`` is ``dL/da + i dL/db``. Rules are written
for its conjugate, here as elsewhere (see `engine.backward`), so that a holomorphic function needs no rule of its own.
An operation is defined for complex numbers if it has an array function for them: the tables at the end of this file
give it one. The door refuses the others by name.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..engine import elementwise, primitive, real_of
from ..typing import Array, Rule, Tensor
from . import elementwise as _elementwise
from . import index, linalg, reduce, scan, shape
from .elementwise import abs, cos, div, eq, mul, neg, sign, sin, where, zeros_like

__all__ = ["adjoint", "angle", "complex", "conj", "conj_physical", "imag", "is_conj", "is_neg", "polar", "real",
           "resolve_conj", "resolve_neg", "sgn", "view_as_complex", "view_as_real"]  # fmt: skip


def is_complex(x: Any) -> bool:
    """Return whether the elements of a tensor are complex numbers."""
    return bool(x.dtype.kind == "c")


# ------------------------------------------------------------------------------------ parts


@primitive(view=True)
def _real(x: Array) -> Array:
    return x.real


@primitive(view=True)
def _imag(x: Array) -> Array:
    return x.imag


@elementwise(complex=True)
def _conj(x: Array) -> Array:
    return np.conjugate(x)


@elementwise(complex=True)
def _complex(real: Array, imag: Array) -> Array:
    out: Array = np.empty(np.broadcast_shapes(real.shape, imag.shape), np.result_type(real.dtype, np.complex64))
    out.real, out.imag = real, imag
    return out


_real.defvjp(x=lambda g: g)
_imag.defvjp(x=lambda g: _complex(zeros_like(g), neg(g)))
_conj.defvjp(x=lambda g: _conj(g))
_complex.defvjp(real=lambda g: _real(g), imag=lambda g: neg(_imag(g)))


def real(input: Tensor) -> Tensor:
    """Return the real parts, as a view; `input` itself where it is real.

    The gradient is real: that of the real parts.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.real(ag.tensor([1 + 2j, 3j])).tolist()
    [1.0, 0.0]
    """
    return _real(input) if is_complex(input) else input


def imag(input: Tensor) -> Tensor:
    """Return the imaginary parts, as a view.

    The gradient is imaginary: i times that of the imaginary parts.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.imag(ag.tensor([1 + 2j, 3j])).tolist()
    [2.0, 3.0]
    """
    if not is_complex(input):
        raise RuntimeError(f"imag(): is defined for complex tensors only (dtype={input.dtype})")
    return _imag(input)


def conj(input: Tensor) -> Tensor:
    """Return the complex conjugates; `input` itself where it is real.

    They are computed at once: there is no lazy conjugate, and `resolve_conj` has nothing to do. The gradient is the
    conjugate of the gradient.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.conj(ag.tensor([1 + 2j])).tolist()
    [(1-2j)]
    """
    return _conj(input) if is_complex(input) else input


conj_physical = conj


def resolve_conj(input: Tensor) -> Tensor:
    """Return the tensor itself: conjugates are computed at once.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.resolve_conj(ag.tensor([1j]).conj()).tolist()
    [-1j]
    """
    return input


resolve_neg = resolve_conj


def is_conj(input: Tensor) -> bool:
    """Return False: conjugates are computed at once.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.is_conj(ag.tensor([1j]).conj())
    False
    """
    return False


is_neg = is_conj


def adjoint(input: Tensor) -> Tensor:
    """Return the conjugates of matrices with their last two dims exchanged.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.adjoint(ag.tensor([[1j, 2.0]])).tolist()
    [[-1j], [(2-0j)]]
    """
    return conj(shape.transpose(input, -2, -1))


def complex(real: Tensor, imag: Tensor) -> Tensor:
    """Return the complex numbers of these real and imaginary parts.

    Parameters
    ----------
    real, imag : Tensor
        Of one dtype, float32 or float64; broadcast together.

    Returns
    -------
    Tensor of complex64 or complex128
        The gradient of `real` is the real part of the gradient, that of `imag` the imaginary part.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.complex(ag.tensor([1.0]), ag.tensor([2.0])).tolist()
    [(1+2j)]
    """
    _check_parts("complex", real=real, imag=imag)
    return _complex(real, imag)


def polar(abs: Tensor, angle: Tensor) -> Tensor:
    """Return the complex numbers of these distances from 0 and angles, ``abs * (cos(angle) + i sin(angle))``.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.polar(ag.tensor([2.0]), ag.tensor([0.0])).tolist()
    [(2+0j)]
    """
    _check_parts("polar", abs=abs, angle=angle)
    return _complex(mul(abs, cos(angle)), mul(abs, sin(angle)))


def _check_parts(operation: str, **parts: Tensor) -> None:
    (_, x), (_, y) = parts.items()
    if x.dtype != y.dtype or x.dtype not in (np.float32, np.float64):
        given = ", ".join(f"{name}.dtype={part.dtype}" for name, part in parts.items())
        raise RuntimeError(f"{operation}(): {' and '.join(parts)} must both be float32 or both float64 ({given})")


@primitive(view=True)
def _view_as_real(x: Array) -> Array:
    if x.strides and x.strides[-1] != x.itemsize:
        x = x[..., None]
        return np.lib.stride_tricks.as_strided(x.real, (*x.shape[:-1], 2), (*x.strides[:-1], x.real.itemsize))
    return x[..., None].view(real_of(x.dtype))


@primitive(view=True)
def _view_as_complex(x: Array) -> Array:
    return x.view(np.result_type(x.dtype, np.complex64))[..., 0]


_view_as_real.defvjp(x=lambda g: _conj(_view_as_complex(g if g.array.flags.c_contiguous else shape.clone(g))))
_view_as_complex.defvjp(x=lambda g: _view_as_real(_conj(g)))


def view_as_real(input: Tensor) -> Tensor:
    """Return complex numbers as a view with a last dim of 2: real and imaginary part.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.view_as_real(ag.tensor([1 + 2j])).tolist()
    [[1.0, 2.0]]
    """
    if not is_complex(input):
        raise RuntimeError(f"view_as_real(): is defined for complex tensors only (dtype={input.dtype})")
    return _view_as_real(input)


def view_as_complex(input: Tensor) -> Tensor:
    """Return pairs of real and imaginary parts, in the last dim, as a view of complex numbers.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.view_as_complex(ag.tensor([[1.0, 2.0]])).tolist()
    [(1+2j)]
    """
    if input.dtype not in (np.float32, np.float64) or not input.ndim or input.array.shape[-1] != 2:
        raise RuntimeError("view_as_complex(): expects float32 or float64 with a last dim of 2 "
                           f"(input: {input.dtype} {tuple(input.shape)})")
    array = input.array
    if array.strides[-1] != array.itemsize or any(n % (2 * array.itemsize) for n in array.strides[:-1]):
        raise RuntimeError("view_as_complex(): the two parts must lie side by side in memory (input.stride()="
                           f"{tuple(n // array.itemsize for n in array.strides)}); use .contiguous()")
    return _view_as_complex(input)


# ------------------------------------------------------------------------------------ distance from 0, direction


@elementwise(floating=True, complex=True)
def _angle(x: Array) -> Array:
    if x.dtype.kind == "c":
        return np.angle(x)
    return np.where(np.isnan(x), x, np.where(x < 0, x.dtype.type(np.pi), x.dtype.type(0)))


def _angle_rule(g: Tensor, x: Tensor) -> Tensor:
    if not is_complex(x):
        return zeros_like(g)
    at_zero = eq(x, 0)
    return mul(g, where(at_zero, 0.0, div(-1j, where(at_zero, 1.0, x))))


_angle.defvjp(x=_angle_rule)


def angle(input: Tensor) -> Tensor:
    """Return the angle of complex numbers, from -pi to pi; of real numbers pi where they are negative, else 0.

    The gradient is ``i z / abs(z)**2`` times that of the angle, and 0 at 0 and for real numbers.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.angle(ag.tensor([1j, -1.0])).tolist()
    [1.5707963705062866, 3.1415927410125732]
    """
    return _angle(input)


def sgn(input: Tensor) -> Tensor:
    """Return complex numbers divided by their distance from 0, and 0 for 0; `sign` of real numbers.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.sgn(ag.tensor([3j, 0.0])).tolist()
    [1j, 0j]
    """
    if not is_complex(input):
        return sign(input)
    at_zero = eq(input, 0)
    safe = where(at_zero, 1.0, input)
    return where(at_zero, 0.0, div(safe, abs(safe)))


# ------------------------------------------------------------------------------------ what others compute for them


def _by_parts(forward: Rule) -> Rule:
    """Return a function that is linear in its first input, of the real and of the imaginary parts."""

    def of_complex(x: Array, *others: Any, **settings: Any) -> Array:
        first, second = (np.asarray(forward(part.copy(), *others, **settings)) for part in (x.real, x.imag))
        out: Array = np.empty(first.shape, x.dtype)
        out.real, out.imag = first, second
        return out

    return of_complex


def _recurrence_by_numpy(a: Array, b: Array, *, dim: int, reverse: bool) -> Array:
    out: Array = np.array(np.moveaxis(np.broadcast_to(b, np.broadcast_shapes(a.shape, b.shape)), dim, 0),
                          np.result_type(a, b))
    factors = np.moveaxis(a, dim, 0)
    for i in range(1, len(out)):
        if reverse:
            out[-i - 1] += factors[-i] * out[-i]
        else:
            out[i] += factors[i] * out[i - 1]
    return np.moveaxis(out, 0, dim)


def _product_before_by_numpy(x: Array, *, dim: int, reverse: bool) -> Array:
    x = np.moveaxis(np.flip(x, dim) if reverse else x, dim, 0)
    out = np.ones_like(x)
    np.cumprod(x[:-1], 0, out=out[1:])
    out = np.moveaxis(out, 0, dim)
    return np.flip(out, dim) if reverse else out


def _prod_input_by_numpy(g: Array, x: Array, *, dim: int) -> Array:
    before, behind = (_product_before_by_numpy(x, dim=dim, reverse=reverse) for reverse in (False, True))
    return np.expand_dims(g, dim) * before * behind


def _sigmoid(x: Array) -> Array:
    with np.errstate(over="ignore"):
        out: Array = 1 / (1 + np.exp(-x))
    return out


def _pow_flat(x: Any, y: Any) -> Array:
    out: Array = (np.asarray(x) == 0) & (np.real(y) >= 0)
    return out


_AS_THEY_ARE: dict[Any, str] = {  # whose array function takes complex numbers
    _elementwise: "eq ne logical_not logical_and logical_or logical_xor add sub mul div neg pow ones_like zeros_like "
                  "square tan asin acos atan sinh cosh asinh acosh atanh lerp isnan isinf isfinite _isclose "
                  "_where",
    index: "_getitem _replaced setitem write_view copy_into _erase _getlast _putlast _take_along _replaced_along "
           "_take_last_along _put_last_along _index_select _nonzero _embedding",
    reduce: "_spread_to _all _any _count_nonzero",
    shape: "cast _cast_discrete _sum_to_size _cat _pad_constant _repeated _added_repeats _roll _triangle _put_diagonal "
           "_clone",
}  # fmt: skip

_BY_PARTS: dict[Any, str] = {  # linear in the first input
    _elementwise: "_keep _taken _not_taken",
    index: "_put _put_along _index_put _embedding_weight",
    reduce: "_sum _mean",
    scan: "_cumsum",
}

_BY_NUMPY: dict[Any, dict[str, Callable[..., Any]]] = {
    _elementwise: {
        "abs": np.abs,
        "_power_input": lambda g, x, *, n: g * n * x ** (n - 1),
        "_pow_flat": _pow_flat,
        "_square_input": lambda g, x: g * x * 2,
        "reciprocal": np.reciprocal,
        "_reciprocal_input": lambda g, out: -g * out * out,
        "exp": np.exp,
        "log": np.log,
        "sqrt": np.sqrt,
        "_sqrt_input": lambda g, out: g / (2 * out),
        "expm1": np.expm1,
        "_expm1_input": lambda g, out: g * (out + 1),
        "log1p": np.log1p,
        "_log1p_input": lambda g, x: g / (1 + x),
        "log2": np.log2,
        "_log2_input": lambda g, x: g / (x * np.log(2).item()),
        "log10": np.log10,
        "_log10_input": lambda g, x: g / (x * np.log(10).item()),
        "rsqrt": lambda x: np.reciprocal(np.sqrt(x)),
        "_rsqrt_input": lambda g, out: g * out * out * out * -0.5,
        "sin": np.sin,
        "_sin_input": lambda g, x: g * np.cos(x),
        "cos": np.cos,
        "_cos_input": lambda g, x: -g * np.sin(x),
        "tanh": np.tanh,
        "_tanh_input": lambda g, out: g * (1 - out * out),
        "sigmoid": _sigmoid,
        "_sigmoid_input": lambda g, out: g * out * (1 - out),
    },
    linalg: {
        "_matmul": np.matmul,
        "_matmul_transposed": lambda x, y: np.matmul(x.T, y),
        "_linear": lambda x, w, b: np.matmul(x, w.T) if b is None else np.matmul(x, w.T) + b,
    },
    scan: {
        "_recurrence": _recurrence_by_numpy,
        "_cumprod": lambda x, *, dim: x.cumprod(dim),
        "_product_before": _product_before_by_numpy,
        "_prod": lambda x, *, dim: x.prod(axis=dim),
        "_prod_input": _prod_input_by_numpy,
    },
}

for _module, _names in _AS_THEY_ARE.items():
    for _name in _names.split():
        getattr(_module, _name).of_complex = getattr(_module, _name).forward
for _module, _names in _BY_PARTS.items():
    for _name in _names.split():
        getattr(_module, _name).of_complex = _by_parts(getattr(_module, _name).forward)
for _module, _functions in _BY_NUMPY.items():
    for _name, _function in _functions.items():
        getattr(_module, _name).of_complex = _function
