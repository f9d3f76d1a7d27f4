"""NumPy's functions on tensors: those that have an operation are recorded, others compute outside the graph or refuse.

NumPy hands every ufunc and every function of its public interface that gets a Tensor to `apply_ufunc` and
`apply_function` (its protocols NEP 13 and NEP 18). The adapters below translate NumPy's ``axis`` and ``keepdims`` to
``dim`` and ``keepdim``.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..engine import Variable, is_grad_enabled, wrap
from ..ops import (
    complexes,
    creation,
    decompositions,
    discrete,
    distance,
    elementwise,
    index,
    joining,
    linalg,
    maths,
    matrices,
    products,
    reduce,
    scan,
    shape,
    solving,
    special,
    statistics,
)

__all__ = ["apply_function", "apply_ufunc"]


def _logaddexp(x: Any, y: Any) -> Any:
    dtype = next(a.array.dtype for a in (x, y) if isinstance(a, Variable))
    x, y = (a if isinstance(a, Variable) else wrap(np.asarray(a, dtype)) for a in (x, y))
    return maths.logaddexp(x, y)


UFUNCS: dict[np.ufunc, Callable[..., Any]] = {
    np.absolute: elementwise.abs,
    np.add: elementwise.add,
    np.arccos: elementwise.acos,
    np.arccosh: elementwise.acosh,
    np.arcsin: elementwise.asin,
    np.arcsinh: elementwise.asinh,
    np.arctan: elementwise.atan,
    np.arctan2: elementwise.atan2,
    np.arctanh: elementwise.atanh,
    np.bitwise_and: elementwise.bitwise_and,
    np.bitwise_or: elementwise.bitwise_or,
    np.bitwise_xor: elementwise.bitwise_xor,
    np.ceil: elementwise.ceil,
    np.conjugate: complexes.conj,
    np.copysign: special.copysign,
    np.cos: elementwise.cos,
    np.cosh: elementwise.cosh,
    np.deg2rad: maths.deg2rad,
    np.degrees: maths.rad2deg,
    np.divide: elementwise.div,
    np.equal: elementwise.eq,
    np.exp: elementwise.exp,
    np.exp2: maths.exp2,
    np.expm1: elementwise.expm1,
    np.floor: elementwise.floor,
    np.floor_divide: elementwise.floor_divide,
    np.fmax: elementwise.fmax,
    np.fmin: elementwise.fmin,
    np.fmod: elementwise.fmod,
    np.gcd: discrete.gcd,
    np.greater: elementwise.gt,
    np.greater_equal: elementwise.ge,
    np.heaviside: discrete.heaviside,
    np.hypot: special.hypot,
    np.invert: elementwise.bitwise_not,
    np.isfinite: elementwise.isfinite,
    np.isinf: elementwise.isinf,
    np.isnan: elementwise.isnan,
    np.lcm: discrete.lcm,
    np.less: elementwise.lt,
    np.less_equal: elementwise.le,
    np.log: elementwise.log,
    np.float_power: special.float_power,
    np.frexp: special.frexp,
    np.ldexp: special.ldexp,
    np.logaddexp: _logaddexp,
    np.logaddexp2: special.logaddexp2,
    np.log10: elementwise.log10,
    np.log1p: elementwise.log1p,
    np.log2: elementwise.log2,
    np.logical_and: elementwise.logical_and,
    np.logical_not: elementwise.logical_not,
    np.logical_or: elementwise.logical_or,
    np.logical_xor: elementwise.logical_xor,
    np.matmul: linalg.matmul,
    np.maximum: elementwise.maximum,
    np.minimum: elementwise.minimum,
    np.multiply: elementwise.mul,
    np.negative: elementwise.neg,
    np.nextafter: discrete.nextafter,
    np.not_equal: elementwise.ne,
    np.positive: maths.positive,
    np.power: elementwise.pow,
    np.rad2deg: maths.rad2deg,
    np.radians: maths.deg2rad,
    np.reciprocal: elementwise.reciprocal,
    np.remainder: elementwise.remainder,
    np.sign: elementwise.sign,
    np.signbit: discrete.signbit,
    np.sin: elementwise.sin,
    np.sinh: elementwise.sinh,
    np.sqrt: elementwise.sqrt,
    np.square: elementwise.square,
    np.subtract: elementwise.sub,
    np.tan: elementwise.tan,
    np.tanh: elementwise.tanh,
    np.trunc: elementwise.trunc,
}


def _over_axis(operation: Callable[..., Any]) -> Callable[..., Any]:
    """Return a reduction under NumPy's names for its settings."""

    def reduction(a: Any, axis: Any = None, dtype: Any = None, keepdims: bool = False, **others: Any) -> Any:
        settings = others if dtype is None else {**others, "dtype": dtype}
        return operation(a, axis, keepdim=keepdims, **settings)

    return reduction


def _extreme_place(operation: Callable[..., Any]) -> Callable[..., Any]:
    def place(a: Any, axis: int | None = None, *, keepdims: bool = False) -> Any:
        return operation(a, axis, keepdim=keepdims)

    return place


def _running(operation: Callable[..., Any]) -> Callable[..., Any]:
    def running(a: Any, axis: int | None = None, dtype: Any = None) -> Any:
        return operation(shape.flatten(a), 0, dtype) if axis is None else operation(a, axis, dtype)

    return running


def _var(a: Any, axis: Any = None, *, ddof: float = 0, keepdims: bool = False) -> Any:
    return reduce.var(a, axis, keepdim=keepdims, correction=ddof)


def _std(a: Any, axis: Any = None, *, ddof: float = 0, keepdims: bool = False) -> Any:
    return reduce.std(a, axis, keepdim=keepdims, correction=ddof)


def _concatenate(arrays: Any, axis: int | None = 0) -> Any:
    return shape.cat([shape.flatten(a) for a in arrays]) if axis is None else shape.cat(arrays, axis)


def _stack(arrays: Any, axis: int = 0) -> Any:
    return shape.stack(arrays, axis)


def _split(ary: Any, indices_or_sections: Any, axis: int = 0) -> Any:
    size = ary.shape[axis]
    if isinstance(indices_or_sections, int):
        if size % indices_or_sections:
            raise ValueError(f"split(): {size} elements cannot be split into {indices_or_sections} equal parts")
        return list(shape.split(ary, size // indices_or_sections, axis))
    ends = [0, *(min(int(i), size) for i in indices_or_sections), size]
    return list(shape.split(ary, [b - a for a, b in itertools.pairwise(ends)], axis))


def _transpose(a: Any, axes: Any = None) -> Any:
    return shape.permute(a, tuple(range(a.ndim))[::-1] if axes is None else axes)


def _expand_dims(a: Any, axis: Any) -> Any:
    axes = axis if isinstance(axis, tuple) else (axis,)
    ndim = a.ndim + len(axes)
    for i in sorted(i % ndim for i in axes):
        a = shape.unsqueeze(a, i)
    return a


def _flip(m: Any, axis: Any = None) -> Any:
    return shape.flip(m, tuple(range(m.ndim)) if axis is None else axis)


def _repeat(a: Any, repeats: int, axis: int | None = None) -> Any:
    return shape.repeat_interleave(a, repeats, axis)


def _tile(A: Any, reps: Any) -> Any:
    return shape.tile(A, (reps,) if isinstance(reps, int) else reps)


def _clip(a: Any, a_min: Any = None, a_max: Any = None, *, min: Any = None, max: Any = None) -> Any:
    return elementwise.clamp(a, a_min if min is None else min, a_max if max is None else max)


def _dot(a: Any, b: Any) -> Any:
    if a.ndim == 0 or b.ndim == 0:
        return elementwise.mul(a, b)
    return linalg.matmul(a, b) if b.ndim <= 2 else linalg.tensordot(a, b, ([a.ndim - 1], [b.ndim - 2]))


def _outer(a: Any, b: Any) -> Any:
    return linalg.outer(shape.flatten(a), shape.flatten(b))


def _norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    if ord is not None and (isinstance(axis, tuple) or (axis is None and x.ndim > 1)):
        raise TypeError(
            f"np.linalg.norm: matrix norms have no operation (ord={ord!r}, x.shape={x.shape}); "
            "use x.detach().numpy() to compute outside the graph"
        )
    return distance.norm(x, "fro" if ord is None else ord, axis, keepdims)


def _take(a: Any, indices: Any, axis: int | None = None) -> Any:
    if axis is None:
        return index.take(a, indices)
    return index.getitem(a, (slice(None),) * (axis % a.ndim) + (indices,))


def _sort(a: Any, axis: int | None = -1) -> Any:
    return scan.sort(shape.flatten(a), 0)[0] if axis is None else scan.sort(a, axis)[0]


def _argsort(a: Any, axis: int | None = -1) -> Any:
    return scan.argsort(shape.flatten(a), 0) if axis is None else scan.argsort(a, axis)


def _round(a: Any, decimals: int = 0) -> Any:
    return elementwise.round(a, decimals=decimals)


def _trace(a: Any) -> Any:
    return linalg.trace(a)


def _reshape(a: Any, shape: Any) -> Any:
    return _reshaped(a, shape)


_reshaped = shape.reshape


def _ravel(a: Any) -> Any:
    return shape.reshape(a, (math.prod(a.shape),))


def _nan_to_num(x: Any, nan: float = 0.0, posinf: float | None = None, neginf: float | None = None) -> Any:
    return elementwise.nan_to_num(x, nan, posinf, neginf)


def _each(operation: Callable[..., Any]) -> Callable[..., Any]:
    def each(*arys: Any) -> Any:
        return operation(arys[0]) if len(arys) == 1 else tuple(map(operation, arys))

    return each


def _array_split(ary: Any, indices_or_sections: Any, axis: int = 0) -> Any:
    return list(joining.tensor_split(ary, indices_or_sections, axis))


def _hsplit(ary: Any, indices_or_sections: Any) -> Any:
    return _split(ary, indices_or_sections, 0 if ary.ndim == 1 else 1)


def _vsplit(ary: Any, indices_or_sections: Any) -> Any:
    return _split(ary, indices_or_sections, 0)


def _rot90(m: Any, k: int = 1, axes: Any = (0, 1)) -> Any:
    return joining.rot90(m, k, axes)


def _cross(a: Any, b: Any, *, axis: int = -1) -> Any:
    return products.cross(a, b, axis)


def _diff(a: Any, n: int = 1, axis: int = -1) -> Any:
    return statistics.diff(a, n, axis)


def _quantile(a: Any, q: Any, axis: int | None = None, *, keepdims: bool = False) -> Any:
    return statistics.quantile(a, q, axis, keepdims)


def _like(operation: Callable[..., Any]) -> Callable[..., Any]:
    def like(a: Any, *value: Any, dtype: Any = None) -> Any:
        return operation(a, *value, dtype=dtype)

    return like


def _angle(z: Any, deg: bool = False) -> Any:
    return maths.rad2deg(complexes.angle(z)) if deg else complexes.angle(z)


def _vdot(a: Any, b: Any) -> Any:
    tensors: list[Any] = [x if isinstance(x, Variable) else wrap(np.asarray(x)) for x in (a, b)]
    return linalg.vdot(*map(shape.flatten, tensors))


FUNCTIONS: dict[Callable[..., Any], Callable[..., Any]] = {
    np.angle: _angle,
    np.real: complexes.real,
    np.imag: complexes.imag,
    np.vdot: _vdot,
    np.all: _over_axis(reduce.all),
    np.amax: _over_axis(reduce.amax),
    np.amin: _over_axis(reduce.amin),
    np.any: _over_axis(reduce.any),
    np.argmax: _extreme_place(reduce.argmax),
    np.argmin: _extreme_place(reduce.argmin),
    np.argsort: _argsort,
    np.around: _round,
    np.array_split: _array_split,
    np.atleast_1d: _each(joining.atleast_1d),
    np.atleast_2d: _each(joining.atleast_2d),
    np.atleast_3d: _each(joining.atleast_3d),
    np.broadcast_to: shape.broadcast_to,
    np.clip: _clip,
    np.column_stack: joining.column_stack,
    np.concatenate: _concatenate,
    np.copy: shape.clone,
    np.cross: _cross,
    np.cumprod: _running(scan.cumprod),
    np.cumsum: _running(scan.cumsum),
    np.diag: shape.diag,
    np.diagonal: shape.diagonal,
    np.diff: _diff,
    np.dot: _dot,
    np.dstack: joining.dstack,
    np.einsum: linalg.einsum,
    np.empty_like: _like(creation.empty_like),
    np.expand_dims: _expand_dims,
    np.flip: _flip,
    np.fliplr: joining.fliplr,
    np.flipud: joining.flipud,
    np.full_like: _like(creation.full_like),
    np.hsplit: _hsplit,
    np.hstack: joining.hstack,
    np.i0: special.i0,
    np.inner: products.inner,
    np.kron: products.kron,
    np.sinc: special.sinc,
    np.linalg.cholesky: decompositions.cholesky,
    np.linalg.det: matrices.det,
    np.linalg.eigh: decompositions.eigh,
    np.linalg.eigvalsh: decompositions.eigvalsh,
    np.linalg.inv: solving.inv,
    np.linalg.matrix_power: matrices.matrix_power,
    np.linalg.norm: _norm,
    np.linalg.pinv: solving.pinv,
    np.linalg.slogdet: matrices.slogdet,
    np.linalg.solve: solving.solve,
    np.max: _over_axis(reduce.amax),
    np.mean: _over_axis(reduce.mean),
    np.min: _over_axis(reduce.amin),
    np.moveaxis: shape.movedim,
    np.nan_to_num: _nan_to_num,
    np.nanmean: _over_axis(statistics.nanmean),
    np.nansum: _over_axis(statistics.nansum),
    np.ones_like: _like(creation.ones_like),
    np.outer: _outer,
    np.permute_dims: _transpose,
    np.prod: _over_axis(scan.prod),
    np.quantile: _quantile,
    np.ravel: _ravel,
    np.repeat: _repeat,
    np.reshape: _reshape,
    np.roll: shape.roll,
    np.rot90: _rot90,
    np.round: _round,
    np.sort: _sort,
    np.split: _split,
    np.squeeze: shape.squeeze,
    np.stack: _stack,
    np.std: _std,
    np.sum: _over_axis(reduce.sum),
    np.swapaxes: shape.transpose,
    np.take: _take,
    np.take_along_axis: index.take_along_dim,
    np.tensordot: linalg.tensordot,
    np.tile: _tile,
    np.trace: _trace,
    np.transpose: _transpose,
    np.tril: shape.tril,
    np.triu: shape.triu,
    np.var: _var,
    np.vsplit: _vsplit,
    np.vstack: joining.vstack,
    np.where: elementwise.where,
    np.zeros_like: _like(creation.zeros_like),
}

WITHOUT_GRADIENT = frozenset({
    np.allclose, np.argwhere, np.array2string, np.array_equal, np.array_repr, np.array_str, np.bincount, np.can_cast,
    np.count_nonzero, np.digitize, np.flatnonzero, np.histogram, np.isclose, np.isin, np.isneginf,
    np.isposinf, np.isreal, np.may_share_memory, np.ndim,
    np.nonzero,
    np.result_type, np.save, np.savetxt, np.savez, np.savez_compressed, np.searchsorted, np.shape,
    np.shares_memory, np.size,
    np.unique,
})  # fmt: skip
"""Functions whose result has no gradient, which therefore may take the arrays of tensors that require one."""


def _needs_recording(value: Any) -> bool:
    if isinstance(value, Variable):
        return value.requires_grad
    if isinstance(value, list | tuple):
        return any(map(_needs_recording, value))
    return isinstance(value, dict) and any(map(_needs_recording, value.values()))


def _arrays(value: Any) -> Any:
    """Return arguments with the tensors among them replaced by their arrays."""
    if isinstance(value, Variable):
        return value.array
    if isinstance(value, list):
        return [_arrays(v) for v in value]
    if isinstance(value, tuple):
        return tuple(_arrays(v) for v in value)
    return {key: _arrays(v) for key, v in value.items()} if isinstance(value, dict) else value


def _refuse(name: str, arguments: Any) -> None:
    if is_grad_enabled() and _needs_recording(arguments):
        raise TypeError(
            f"{name}: has no operation, so that it would not be recorded; use x.detach().numpy() to "
            "compute outside "
            "the graph, or define a primitive"
        )


def apply_ufunc(ufunc: np.ufunc, method: str, inputs: tuple[Any, ...], settings: dict[str, Any]) -> Any:
    """Apply a ufunc to tensors: as an operation where there is one, else to their arrays, outside the graph.

    Raises
    ------
    TypeError
        Where there is no operation and a tensor requires a gradient; also for ``out=``, ``where=`` and for methods
        such as ``np.add.outer``.
    """
    operation = UFUNCS.get(ufunc)
    if operation is not None and method == "__call__" and not settings:
        return operation(*inputs)
    _refuse(f"np.{ufunc.__name__}" + ("" if method == "__call__" else f".{method}"), (inputs, settings))
    return getattr(ufunc, method)(*_arrays(inputs), **_arrays(settings))


def tensor_of(ufunc: np.ufunc, *inputs: Any) -> Any:
    """Return what a ufunc makes of tensors and Python numbers as a tensor, without gradient if it has no operation."""
    dtype = next(x.array.dtype for x in inputs if isinstance(x, Variable))
    inputs = tuple(x if isinstance(x, Variable) else np.asarray(x, dtype) if type(x) is int else x for x in inputs)
    out = apply_ufunc(ufunc, "__call__", inputs, {})
    return out if isinstance(out, Variable) else wrap(np.asarray(out))


def apply_function(function: Callable[..., Any], arguments: tuple[Any, ...], settings: dict[str, Any]) -> Any:
    """Apply a function of NumPy's to tensors: as an operation where there is one, else to their arrays, outside the
    graph.

    Raises
    ------
    TypeError
        Where there is no operation and a tensor requires a gradient, or a setting that the operation does not know.
    """
    operation = FUNCTIONS.get(function)
    name = f"{function.__module__.replace('numpy', 'np')}.{function.__name__}"
    if operation is not None:
        try:
            return operation(*arguments, **settings)
        except TypeError as error:
            if "unexpected keyword" in str(error):
                raise TypeError(f"{name}: the operation on tensors does not know this setting ({error})") from None
            raise
    if function not in WITHOUT_GRADIENT:
        _refuse(name, (arguments, settings))
    return function(*_arrays(arguments), **_arrays(settings))
