"""Making arrays, as the array API standard names it."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..devices.place import check_cpu
from ..engine import get_default_dtype
from ..ops import creation, shape
from ..tensor import Tensor
from ..tensor.tensor import from_dlpack as _from_dlpack

__all__ = [
    "arange", "asarray", "empty", "empty_like", "eye", "from_dlpack", "full", "full_like", "linspace", "meshgrid",
    "ones", "ones_like", "tril", "triu", "zeros", "zeros_like",
]  # fmt: skip


def tril(x: Tensor, /, *, k: int = 0) -> Tensor:
    """Return the matrices in the last two axes with 0 above diagonal `k`.

    Examples
    --------
    >>> from autograd_nn import array_api as xp
    >>> xp.tril(xp.ones((2, 3)))
    tensor([[1., 0., 0.],
            [1., 1., 0.]])
    """
    return shape.tril(x, k)


def triu(x: Tensor, /, *, k: int = 0) -> Tensor:
    """Return the matrices in the last two axes with 0 below diagonal `k`.

    Examples
    --------
    >>> from autograd_nn import array_api as xp
    >>> xp.triu(xp.ones((2, 3)))
    tensor([[1., 1., 1.],
            [0., 1., 1.]])
    """
    return shape.triu(x, k)


def asarray(obj: Any, /, *, dtype: Any = None, device: Any = None, copy: bool | None = None) -> Tensor:
    """Return numbers, nested sequences of them, or an array of any library as a tensor.

    Memory is shared where that is possible, unless `copy` is true; ``copy=False`` raises ValueError where it is not.

    Examples
    --------
    >>> from autograd_nn import array_api as xp
    >>> xp.asarray([[1, 2], [3, 4]], dtype=xp.float32)
    tensor([[1., 2.],
            [3., 4.]])
    """
    check_cpu(device, "asarray")
    if isinstance(obj, Tensor):
        out = obj if dtype is None else obj.to(dtype)
        if copy is False and out is not obj:
            raise ValueError(f"asarray(): another dtype needs a copy (dtype={dtype}, obj.dtype={obj.dtype})")
        return out.clone() if copy and out is obj else out
    if isinstance(obj, list | tuple):
        obj = _arrays(obj)
    keeps = hasattr(obj, "dtype")
    if hasattr(obj, "__dlpack__") and not hasattr(obj, "__array__"):
        obj = np.from_dlpack(obj)
    array = np.array(obj, dtype, copy=copy)
    if dtype is None and not keeps and array.dtype.kind == "f":
        array = array.astype(get_default_dtype())
    return _from_array(array)


def _arrays(values: Any) -> Any:
    return [_arrays(x) if isinstance(x, list | tuple) else x.array if isinstance(x, Tensor) else x for x in values]


def _from_array(array: np.ndarray) -> Tensor:
    if array.dtype.kind not in "fiubc":
        raise TypeError(f"asarray(): arrays hold numbers or booleans (dtype={array.dtype})")
    return creation._made(array, None, False, "asarray")


def from_dlpack(x: Any, /, *, device: Any = None, copy: bool | None = None) -> Tensor:
    """Return a tensor of the memory of another library's array, shared unless `copy` is true.

    Examples
    --------
    >>> import numpy as np
    >>> from autograd_nn import array_api as xp
    >>> xp.from_dlpack(np.asarray([1.0, 2.0]))
    tensor([1., 2.], dtype=float64)
    """
    check_cpu(device, "from_dlpack")
    out = _from_dlpack(x)
    return out.clone() if copy else out


def arange(start: Any, /, stop: Any = None, step: Any = 1, *, dtype: Any = None, device: Any = None) -> Tensor:
    """Return numbers from `start` (0 if one bound is given) up to `stop`, without it.

    Examples
    --------
    >>> from autograd_nn import array_api as xp
    >>> xp.arange(1, 7, 2)
    tensor([1, 3, 5])
    """
    check_cpu(device, "arange")
    start, stop = (0, start) if stop is None else (start, stop)
    if dtype is None:
        dtype = np.int64 if all(isinstance(x, int) for x in (start, stop, step)) else get_default_dtype()
    return _from_array(np.arange(start, stop, step).astype(dtype))


def empty(shape: Any, *, dtype: Any = None, device: Any = None) -> Tensor:
    """Return a tensor whose elements are still to be set.

    Examples
    --------
    >>> from autograd_nn import array_api as xp
    >>> xp.empty((2, 3)).shape
    (2, 3)
    """
    return full(shape, 0.0, dtype=dtype or get_default_dtype(), device=device)


def empty_like(x: Tensor, /, *, dtype: Any = None, device: Any = None) -> Tensor:
    """Return a tensor of the shape of `x` whose elements are still to be set.

    Examples
    --------
    >>> from autograd_nn import array_api as xp
    >>> xp.empty_like(xp.asarray([1, 2])).dtype
    dtype('int64')
    """
    return full(x.shape, 0, dtype=dtype or x.dtype, device=device)


def eye(n_rows: int, n_cols: int | None = None, /, *, k: int = 0, dtype: Any = None, device: Any = None) -> Tensor:
    """Return ones on diagonal `k`, and zeros elsewhere.

    Examples
    --------
    >>> from autograd_nn import array_api as xp
    >>> xp.eye(2, 3, k=1)
    tensor([[0., 1., 0.],
            [0., 0., 1.]])
    """
    check_cpu(device, "eye")
    return _from_array(np.eye(n_rows, n_cols, k, dtype or get_default_dtype()))


def full(shape: Any, fill_value: Any, *, dtype: Any = None, device: Any = None) -> Tensor:
    """Return a tensor filled with a number.

    Examples
    --------
    >>> from autograd_nn import array_api as xp
    >>> xp.full((2, 2), 7)
    tensor([[7, 7],
            [7, 7]])
    """
    check_cpu(device, "full")
    if dtype is None:
        dtype = get_default_dtype() if isinstance(fill_value, float) else None
    return _from_array(np.full(shape, fill_value, dtype))


def full_like(x: Tensor, /, fill_value: Any, *, dtype: Any = None, device: Any = None) -> Tensor:
    """Return a tensor of the shape of `x` filled with a number.

    Examples
    --------
    >>> from autograd_nn import array_api as xp
    >>> xp.full_like(xp.asarray([1.0, 2.0]), 7)
    tensor([7., 7.])
    """
    return full(x.shape, fill_value, dtype=dtype or x.dtype, device=device)


def linspace(
    start: Any, stop: Any, /, num: int, *, dtype: Any = None, device: Any = None, endpoint: bool = True
) -> Tensor:
    """Return `num` numbers at equal distances from `start` to `stop`.

    Examples
    --------
    >>> from autograd_nn import array_api as xp
    >>> xp.linspace(0, 1, 5)
    tensor([0.  , 0.25, 0.5 , 0.75, 1.  ])
    """
    check_cpu(device, "linspace")
    return _from_array(np.linspace(start, stop, num, endpoint=endpoint).astype(dtype or get_default_dtype()))


def meshgrid(*arrays: Tensor, indexing: str = "xy") -> list[Tensor]:
    """Return the coordinates of a grid, one tensor for each 1-D tensor.

    Examples
    --------
    >>> from autograd_nn import array_api as xp
    >>> rows, columns = xp.meshgrid(xp.arange(2), xp.arange(3), indexing="ij")
    >>> columns
    tensor([[0, 1, 2],
            [0, 1, 2]])
    """
    return list(shape.meshgrid(*arrays, indexing=indexing))


def ones(shape: Any, *, dtype: Any = None, device: Any = None) -> Tensor:
    """Return ones.

    Examples
    --------
    >>> from autograd_nn import array_api as xp
    >>> xp.ones(3)
    tensor([1., 1., 1.])
    """
    return full(shape, 1.0, dtype=dtype or get_default_dtype(), device=device)


def ones_like(x: Tensor, /, *, dtype: Any = None, device: Any = None) -> Tensor:
    """Return ones of the shape of `x`.

    Examples
    --------
    >>> from autograd_nn import array_api as xp
    >>> xp.ones_like(xp.asarray([4, 5]))
    tensor([1, 1])
    """
    return full_like(x, 1, dtype=dtype, device=device)


def zeros(shape: Any, *, dtype: Any = None, device: Any = None) -> Tensor:
    """Return zeros.

    Examples
    --------
    >>> from autograd_nn import array_api as xp
    >>> xp.zeros((2, 2))
    tensor([[0., 0.],
            [0., 0.]])
    """
    return full(shape, 0.0, dtype=dtype or get_default_dtype(), device=device)


def zeros_like(x: Tensor, /, *, dtype: Any = None, device: Any = None) -> Tensor:
    """Return zeros of the shape of `x`.

    Examples
    --------
    >>> from autograd_nn import array_api as xp
    >>> xp.zeros_like(xp.asarray([4, 5]))
    tensor([0, 0])
    """
    return full_like(x, 0, dtype=dtype, device=device)
