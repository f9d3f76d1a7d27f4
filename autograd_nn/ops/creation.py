"""New tensors: constants, ranges, identity."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..devices.place import check_cpu
from ..engine import ELEMENTS, Variable, check_holds, complex_of, get_default_dtype, note_made, note_read, wrap
from ..typing import Array, DeviceLike, DTypeLike, Shape, ShapeLike, Tensor, TensorLike

__all__ = [
    "arange",
    "empty",
    "empty_like",
    "eye",
    "full",
    "full_like",
    "linspace",
    "logspace",
    "ones",
    "ones_like",
    "scalar_tensor",
    "tril_indices",
    "triu_indices",
    "zeros",
    "zeros_like",
]  # fmt: skip


def _made(array: Array, device: DeviceLike, requires_grad: bool, operation: str) -> Tensor:
    """Return a new array as a tensor, having checked that it is to be on the CPU."""
    if device is not None:
        check_cpu(device, operation)
    if array.dtype.kind not in ELEMENTS or array.dtype.char in "gG":
        raise TypeError(f"{operation}(): tensors hold numbers or booleans (dtype={array.dtype})")
    out = wrap(array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("=")))
    note_made(out.array)
    if requires_grad:
        out.requires_grad = True
    return out


def _sizes(size: tuple[Any, ...], operation: str) -> Shape:
    """Return ``f(2, 3)`` and ``f((2, 3))`` alike as (2, 3)."""
    shape = tuple(size[0]) if len(size) == 1 and isinstance(size[0], tuple | list) else size
    if any(n < 0 for n in shape):
        raise RuntimeError(f"{operation}(): sizes must not be negative (size={shape})")
    return shape


def zeros(
    *size: ShapeLike, dtype: DTypeLike | None = None, device: DeviceLike = None, requires_grad: bool = False
) -> Tensor:
    """Return a tensor of zeros, float32 by default.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.zeros(2, 3).shape, ag.zeros((2, 3)).shape
    ((2, 3), (2, 3))
    """
    return _made(np.zeros(_sizes(size, "zeros"), dtype or get_default_dtype()), device, requires_grad, "zeros")


def ones(
    *size: ShapeLike, dtype: DTypeLike | None = None, device: DeviceLike = None, requires_grad: bool = False
) -> Tensor:
    """Return a tensor of ones, float32 by default.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.ones(2)
    tensor([1., 1.])
    """
    return _made(np.ones(_sizes(size, "ones"), dtype or get_default_dtype()), device, requires_grad, "ones")


def empty(
    *size: ShapeLike, dtype: DTypeLike | None = None, device: DeviceLike = None, requires_grad: bool = False
) -> Tensor:
    """Return a tensor of what the memory happens to hold, float32 by default.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.empty(2, 3).shape
    (2, 3)
    """
    return _made(np.empty(_sizes(size, "empty"), dtype or get_default_dtype()), device, requires_grad, "empty")


def full(
    size: ShapeLike,
    fill_value: TensorLike,
    *,
    dtype: DTypeLike | None = None,
    device: DeviceLike = None,
    requires_grad: bool = False,
) -> Tensor:
    """Return a tensor filled with a number; its dtype is that of the number (a Python float is float32) by default.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.full((2, 2), 7.0)
    tensor([[7., 7.],
            [7., 7.]])
    """
    size = (size,) if isinstance(size, int) else size
    note_read(fill_value, "full()")
    value = fill_value.array if isinstance(fill_value, Variable) else fill_value
    if value is None:
        raise TypeError("full(): fill_value must be a number (fill_value=None)")
    if isinstance(value, np.floating):
        value = value.item()
    if dtype is None:
        dtype = (get_default_dtype() if isinstance(value, float) else
                 complex_of(get_default_dtype()) if isinstance(value, complex) else np.asarray(value).dtype)
    if isinstance(value, int | float | np.integer):
        check_holds(dtype, value, "full")
    return _made(np.full(_sizes((size,), "full"), value, dtype), device, requires_grad, "full")


def _as_many(input: Tensor, out: Tensor) -> Tensor:
    """Return what was made like a tensor; as often as there are samples, where it is one inside `vmap`."""
    for_each: Callable[[Tensor], Tensor] | None = getattr(input, "for_each_sample", None)
    return out if for_each is None else for_each(out)


def zeros_like(
    input: Tensor, *, dtype: DTypeLike | None = None, device: DeviceLike = None, requires_grad: bool = False
) -> Tensor:
    """Return zeros of the shape and dtype of a tensor.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.zeros_like(ag.tensor([1.0, 2.0]))
    tensor([0., 0.])
    """
    array = np.zeros(input.array.shape, dtype or input.dtype)
    return _as_many(input, _made(array, device, requires_grad, "zeros_like"))


def ones_like(
    input: Tensor, *, dtype: DTypeLike | None = None, device: DeviceLike = None, requires_grad: bool = False
) -> Tensor:
    """Return ones of the shape and dtype of a tensor.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.ones_like(ag.tensor([1.0, 2.0]))
    tensor([1., 1.])
    """
    return _as_many(input, _made(np.ones(input.array.shape, dtype or input.dtype), device, requires_grad, "ones_like"))


def empty_like(
    input: Tensor, *, dtype: DTypeLike | None = None, device: DeviceLike = None, requires_grad: bool = False
) -> Tensor:
    """Return a tensor of the shape and dtype of another one, not initialized.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.empty_like(ag.zeros(2, 3)).shape
    (2, 3)
    """
    array = np.empty(input.array.shape, dtype or input.dtype)
    return _as_many(input, _made(array, device, requires_grad, "empty_like"))


def full_like(
    input: Tensor,
    fill_value: TensorLike,
    *,
    dtype: DTypeLike | None = None,
    device: DeviceLike = None,
    requires_grad: bool = False,
) -> Tensor:
    """Return a tensor of the shape and dtype of another one, filled with a number.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.full_like(ag.zeros(2), 7.0)
    tensor([7., 7.])
    """
    out = full(input.array.shape, fill_value, dtype=dtype or input.dtype, device=device, requires_grad=requires_grad)
    return _as_many(input, out)


def arange(
    start: TensorLike,
    end: TensorLike | None = None,
    step: TensorLike = 1,
    *,
    dtype: DTypeLike | None = None,
    device: DeviceLike = None,
    requires_grad: bool = False,
) -> Tensor:
    """Return ``start, start + step, ...`` up to but without `end` (from 0 to `start` where only one bound is given).

    int64 where all three are integers, float32 otherwise; the length is ``ceil((end - start) / step)``.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.arange(3), ag.arange(0, 1, 0.5)
    (tensor([0, 1, 2]), tensor([0. , 0.5]))
    """
    start, end = (0, start) if end is None else (start, end)
    start, end, step = (x.item() if hasattr(x, "item") else x for x in (start, end, step))
    if dtype is not None and np.dtype(dtype).kind in "iu":
        start, end, step = int(start), int(end), int(step)
    if step == 0 or (end - start) / step < 0:
        raise RuntimeError(f"arange(): step must lead from start to end (start={start}, end={end}, step={step})")
    integral = all(isinstance(x, int) for x in (start, end, step))
    dtype = np.dtype(dtype or (np.int64 if integral else get_default_dtype()))
    values = start + np.arange(math.ceil((end - start) / step)) * step
    return _made(values.astype(dtype), device, requires_grad, "arange")


def linspace(
    start: TensorLike,
    end: TensorLike,
    steps: int,
    *,
    dtype: DTypeLike | None = None,
    device: DeviceLike = None,
    requires_grad: bool = False,
) -> Tensor:
    """Return `steps` numbers from `start` to `end` at equal distances, both included.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.linspace(0, 1, 5)
    tensor([0.  , 0.25, 0.5 , 0.75, 1.  ])
    """
    if steps < 0:
        raise RuntimeError(f"linspace(): steps must not be negative (steps={steps})")
    start, end = (x.item() if hasattr(x, "item") else x for x in (start, end))
    if dtype is None and isinstance(start + end, complex):
        dtype = complex_of(get_default_dtype())
    values = _spaced(start, end, steps, dtype)
    return _made(values.astype(dtype or get_default_dtype()), device, requires_grad, "linspace")


def _spaced(start: TensorLike, end: TensorLike, steps: int, dtype: DTypeLike | None) -> Array:
    """Return numbers at equal distances; their ends are cut to integers for a dtype of integers, as in PyTorch."""
    if dtype is not None and np.dtype(dtype).kind == "c":
        return np.linspace(complex(start), complex(end), steps)
    if dtype is None or np.dtype(dtype).kind == "f":
        return np.linspace(float(start), float(end), steps)
    first, last = int(start), int(end)
    step = (last - first) / (steps - 1) if steps > 1 else 0.0
    places = np.arange(steps)
    first_half = places < max(steps // 2, steps == 1)
    return np.trunc(np.where(first_half, first + step * places, last - step * (steps - 1 - places)))


def logspace(
    start: TensorLike,
    end: TensorLike,
    steps: int,
    base: float = 10.0,
    *,
    dtype: DTypeLike | None = None,
    device: DeviceLike = None,
    requires_grad: bool = False,
) -> Tensor:
    """Return `steps` numbers from ``base**start`` to ``base**end`` at equal ratios, both included.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.logspace(0, 2, 3)
    tensor([  1.,  10., 100.])
    """
    if steps < 0:
        raise RuntimeError(f"logspace(): steps must not be negative (steps={steps})")
    whole = dtype is not None and np.dtype(dtype).kind in "iu"
    first, last = (float(int(x)) if whole else float(x) for x in (start, end))
    values = np.logspace(first, last, steps, base=float(base))
    return _made(values.astype(dtype or get_default_dtype()), device, requires_grad, "logspace")


def eye(
    n: int,
    m: int | None = None,
    *,
    dtype: DTypeLike | None = None,
    device: DeviceLike = None,
    requires_grad: bool = False,
) -> Tensor:
    """Return an (n, m) matrix with 1 on the diagonal and 0 elsewhere (square by default).

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.eye(2)
    tensor([[1., 0.],
            [0., 1.]])
    """
    if n < 0 or (m is not None and m < 0):
        raise RuntimeError(f"eye(): sizes must not be negative (n={n}, m={m})")
    return _made(np.eye(n, m, dtype=dtype or get_default_dtype()), device, requires_grad, "eye")


def scalar_tensor(s: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """Return a number as a 0-d tensor of the default dtype.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.scalar_tensor(2.5)
    tensor(2.5)
    """
    return full((), float(s), dtype=dtype, device=device, requires_grad=requires_grad)


def tril_indices(
    row: int, col: int, offset: int = 0, *, dtype: DTypeLike | None = None, device: DeviceLike = None
) -> Tensor:
    """Return the row and column indices, (2, count), of the lower triangle of a (row, col) matrix; int64 by default.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.tril_indices(2, 2)
    tensor([[0, 1, 1],
            [0, 0, 1]])
    """
    return _made(np.stack(np.tril_indices(row, offset, col)).astype(dtype or np.int64), device, False, "tril_indices")


def triu_indices(
    row: int, col: int, offset: int = 0, *, dtype: DTypeLike | None = None, device: DeviceLike = None
) -> Tensor:
    """Return the row and column indices, (2, count), of the upper triangle of a (row, col) matrix; int64 by default.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.triu_indices(2, 2)
    tensor([[0, 0, 1],
            [0, 1, 1]])
    """
    return _made(np.stack(np.triu_indices(row, offset, col)).astype(dtype or np.int64), device, False, "triu_indices")
