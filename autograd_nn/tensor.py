"""The Tensor: operators, methods, printing. Pure syntax over `ops`; what an operation does is said there."""

from __future__ import annotations

import warnings
from typing import Any, NamedTuple

import numpy as np

from . import engine
from .engine import DEFAULT_DTYPE, Call, Variable, is_grad_enabled, mark_changed, wrap
from .ops import elementwise, linalg, random, reduce
from .ops import index as indexing
from .ops import shape as shapes

# ruff: noqa: A003

__all__ = ["Tensor", "as_tensor", "from_numpy", "tensor"]


class Extremes(NamedTuple):
    """What `Tensor.max` and `Tensor.min` return along a dim."""

    values: Any
    indices: Any


def _listed(values: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return ``f(2, 3)`` and ``f((2, 3))`` alike as (2, 3)."""
    return tuple(values[0]) if len(values) == 1 and isinstance(values[0], tuple | list) else values


class Tensor(Variable):
    """An n-dimensional array that records what is computed from it.

    Parameters
    ----------
    data : array, number or nested sequence
        Copied. Python numbers become float32 (floats), int64 (ints) or bool; arrays keep their dtype.
    requires_grad : bool
        Whether `backward` computes a gradient for this tensor; floating-point dtypes only.
    dtype : NumPy dtype, optional

    Attributes
    ----------
    data : ndarray
        The array itself, not a copy.
    grad : Tensor or None
        Of the tensor's shape and dtype; added up by `backward`.
    requires_grad : bool
    origin : Call or None
        The recorded call that computed the tensor.
    """

    __slots__ = ()
    __array_ufunc__: Any = None  # an ndarray on the left of an operator leaves the work to this class

    def __init__(self, data: Any, requires_grad: bool = False, dtype: Any = None):
        self._data = _new_array(data, dtype)
        self.node = None
        if requires_grad:
            self.requires_grad = True

    # -------------------------------------------------------------------------------- description

    @property
    def shape(self) -> tuple[int, ...]:
        """The size of each dim."""
        return self._data.shape

    @property
    def ndim(self) -> int:
        """The number of dims."""
        return self._data.ndim

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of the elements, as NumPy names it."""
        return self._data.dtype

    def size(self, dim: int | None = None) -> Any:
        """Return the shape, or the size of one dim."""
        return self._data.shape if dim is None else self._data.shape[shapes.normalized_dim(dim, self.ndim, "size")]

    def dim(self) -> int:
        """Return the number of dims."""
        return self._data.ndim

    def numel(self) -> int:
        """Return the number of elements."""
        return self._data.size

    def element_size(self) -> int:
        """Return the bytes of one element."""
        return self._data.itemsize

    def is_floating_point(self) -> bool:
        """Return whether the elements are floating-point numbers."""
        return self._data.dtype.kind == "f"

    def is_contiguous(self) -> bool:
        """Return whether the elements lie in row-major order without gaps."""
        return self._data.flags.c_contiguous

    def __len__(self) -> int:
        if not self.ndim:
            raise TypeError("len() of a 0-d tensor")
        return len(self._data)

    def __iter__(self) -> Any:
        if not self.ndim:
            raise TypeError("iteration over a 0-d tensor")
        return (self[i] for i in range(len(self._data)))

    def __repr__(self) -> str:
        text = np.array2string(self._data, separator=", ", prefix="tensor(", threshold=1000, precision=4)
        parts = [text]
        if self._data.dtype not in (DEFAULT_DTYPE, np.dtype(np.int64), np.dtype(bool)):
            parts.append(f"dtype={self._data.dtype}")
        if self._data.size == 0:
            parts.append(f"shape={self.shape}")
        if isinstance(self.node, Call):
            parts.append(f"origin={self.node.primitive.name}")
        elif self.node is not None:
            parts.append("requires_grad=True")
        return f"tensor({', '.join(parts)})"

    def __format__(self, spec: str) -> str:
        return format(self.item(), spec) if spec and self._data.size == 1 else format(str(self), spec)

    # -------------------------------------------------------------------------------- to Python and NumPy

    def numpy(self, *, force: bool = False) -> np.ndarray:
        """Return the array, sharing memory; with `force` also of a tensor that requires a gradient."""
        if self.node is not None and not force:
            raise RuntimeError("numpy(): the tensor requires a gradient, and changes of the array would not be recorded; "
                               "use .detach().numpy()")
        return self._data

    def item(self) -> Any:
        """Return the only element as a Python number."""
        if self._data.size != 1:
            raise RuntimeError(f"item(): expects a tensor of one element (shape={self.shape})")
        return self._data.item()

    def tolist(self) -> Any:
        """Return the elements as nested lists of Python numbers."""
        return self._data.tolist()

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.array(self._data, dtype=dtype, copy=copy)

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __index__(self) -> int:
        if self._data.dtype.kind not in "iub":
            raise TypeError(f"only integer tensors of one element can be an index (dtype={self.dtype})")
        return int(self.item())

    def __bool__(self) -> bool:
        if self._data.size != 1:
            raise RuntimeError(f"the truth of a tensor with {self._data.size} elements is ambiguous (shape={self.shape}); "
                               "use .any() or .all()")
        return bool(self._data.item())

    def __contains__(self, value: Any) -> bool:
        return bool((self._data == (value._data if isinstance(value, Tensor) else value)).any())

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        if isinstance(self.node, Call):
            raise RuntimeError(f"deepcopy: only leaves can be copied with their place in a graph; this is the result of "
                               f"{self.node.primitive.name}() (use .detach().clone())")
        copied = type(self).__new__(type(self))
        copied._data = self._data.copy()
        copied.node = None
        copied.requires_grad = self.requires_grad
        if self.node is not None and self.node.grad is not None:
            copied.grad = self.node.grad.detach().clone()
        memo[id(self)] = copied
        return copied

    def __reduce__(self) -> Any:
        if isinstance(self.node, Call):
            raise RuntimeError("pickle: only leaves can be pickled; use .detach()")
        return _rebuilt, (type(self), self._data, self.requires_grad)

    # -------------------------------------------------------------------------------- differentiation

    def backward(self, gradient: Any = None, retain_graph: bool | None = None, create_graph: bool = False) -> None:
        """Add the gradient of this tensor to ``.grad`` of every leaf that it was computed from.

        Parameters
        ----------
        gradient : Tensor, optional
            The gradient of something with respect to this tensor; 1 for a tensor of one element.
        retain_graph : bool, optional
            Keep the graph for another pass (default: `create_graph`).
        create_graph : bool
            Record the pass, so that gradients can be differentiated.
        """
        engine.backward(self, gradient, retain_graph, create_graph)

    def detach(self) -> Tensor:
        """Return a tensor outside the graph that shares this one's memory."""
        return wrap(self._data)

    def requires_grad_(self, requires_grad: bool = True) -> Tensor:
        """Set `requires_grad` in place."""
        self.requires_grad = requires_grad
        return self

    # -------------------------------------------------------------------------------- operators

    def __add__(self, other: Any) -> Tensor:
        return elementwise.add(self, other)

    def __radd__(self, other: Any) -> Tensor:
        return elementwise.add(other, self)

    def __sub__(self, other: Any) -> Tensor:
        return elementwise.sub(self, other)

    def __rsub__(self, other: Any) -> Tensor:
        return elementwise.sub(other, self)

    def __mul__(self, other: Any) -> Tensor:
        return elementwise.mul(self, other)

    def __rmul__(self, other: Any) -> Tensor:
        return elementwise.mul(other, self)

    def __truediv__(self, other: Any) -> Tensor:
        return elementwise.div(self, other)

    def __rtruediv__(self, other: Any) -> Tensor:
        return elementwise.div(other, self)

    def __floordiv__(self, other: Any) -> Tensor:
        return elementwise.floor_divide(self, other)

    def __rfloordiv__(self, other: Any) -> Tensor:
        return elementwise.floor_divide(other, self)

    def __mod__(self, other: Any) -> Tensor:
        return elementwise.remainder(self, other)

    def __rmod__(self, other: Any) -> Tensor:
        return elementwise.remainder(other, self)

    def __pow__(self, other: Any) -> Tensor:
        return elementwise.pow(self, other)

    def __rpow__(self, other: Any) -> Tensor:
        return elementwise.pow(other, self)

    def __matmul__(self, other: Any) -> Tensor:
        return linalg.matmul(self, as_tensor(other))

    def __rmatmul__(self, other: Any) -> Tensor:
        return linalg.matmul(as_tensor(other), self)

    def __neg__(self) -> Tensor:
        return elementwise.neg(self)

    def __pos__(self) -> Tensor:
        return self

    def __abs__(self) -> Tensor:
        return elementwise.abs(self)

    def __invert__(self) -> Tensor:
        return elementwise.logical_not(self) if self.dtype == bool else elementwise.bitwise_not(self)

    def __and__(self, other: Any) -> Tensor:
        return elementwise.bitwise_and(self, other)

    def __or__(self, other: Any) -> Tensor:
        return elementwise.bitwise_or(self, other)

    def __xor__(self, other: Any) -> Tensor:
        return elementwise.bitwise_xor(self, other)

    __rand__, __ror__, __rxor__ = __and__, __or__, __xor__

    def __eq__(self, other: Any) -> Any:
        return elementwise.eq(self, other) if _comparable(other) else NotImplemented

    def __ne__(self, other: Any) -> Any:
        return elementwise.ne(self, other) if _comparable(other) else NotImplemented

    def __lt__(self, other: Any) -> Tensor:
        return elementwise.lt(self, other)

    def __le__(self, other: Any) -> Tensor:
        return elementwise.le(self, other)

    def __gt__(self, other: Any) -> Tensor:
        return elementwise.gt(self, other)

    def __ge__(self, other: Any) -> Tensor:
        return elementwise.ge(self, other)

    __hash__ = object.__hash__

    def __getitem__(self, key: Any) -> Tensor:
        return indexing.getitem(self, key)

    def __setitem__(self, key: Any, value: Any) -> None:
        value = value if isinstance(value, Tensor) else wrap(np.asarray(value, self._data.dtype))
        recorded = is_grad_enabled() and (self.node is not None or value.node is not None)
        if recorded:
            self._check_in_place("item assignment")
        out = indexing.setitem(self, value, key)
        mark_changed(self._data)
        if recorded:
            self.node = out.node

    # -------------------------------------------------------------------------------- elementwise

    add, sub, mul, div = elementwise.add, elementwise.sub, elementwise.mul, elementwise.div
    eq, ne, lt, le, gt, ge = (getattr(elementwise, name) for name in ("eq", "ne", "lt", "le", "gt", "ge"))
    pow, neg, abs, sign, floor = (getattr(elementwise, name) for name in ("pow", "neg", "abs", "sign", "floor"))
    exp, log, sqrt, square = elementwise.exp, elementwise.log, elementwise.sqrt, elementwise.square
    reciprocal, tanh, sigmoid, relu = elementwise.reciprocal, elementwise.tanh, elementwise.sigmoid, elementwise.relu
    maximum, minimum = elementwise.maximum, elementwise.minimum
    multiply, subtract, divide = elementwise.mul, elementwise.sub, elementwise.div

    # -------------------------------------------------------------------------------- reductions

    sum, mean, amax, amin = reduce.sum, reduce.mean, reduce.amax, reduce.amin
    argmax, argmin, logsumexp = reduce.argmax, reduce.argmin, reduce.logsumexp
    softmax, log_softmax = reduce.softmax, reduce.log_softmax

    def max(self, dim: Any = None, keepdim: bool = False) -> Any:
        """Return the largest element; along a dim ``(values, indices)``; with a tensor, the elementwise maximum."""
        if isinstance(dim, Tensor):
            return elementwise.maximum(self, dim)
        return reduce.amax(self) if dim is None else Extremes(*reduce.max_with_indices(self, dim, keepdim))

    def min(self, dim: Any = None, keepdim: bool = False) -> Any:
        """Return the smallest element; along a dim ``(values, indices)``; with a tensor, the elementwise minimum."""
        if isinstance(dim, Tensor):
            return elementwise.minimum(self, dim)
        return reduce.amin(self) if dim is None else Extremes(*reduce.min_with_indices(self, dim, keepdim))

    def any(self, dim: int | None = None, keepdim: bool = False) -> Tensor:
        """Return whether any element is true (not 0)."""
        return wrap(np.asarray(self._data.any(axis=dim, keepdims=keepdim)))

    def all(self, dim: int | None = None, keepdim: bool = False) -> Tensor:
        """Return whether all elements are true (not 0)."""
        return wrap(np.asarray(self._data.all(axis=dim, keepdims=keepdim)))

    # -------------------------------------------------------------------------------- shape

    flatten, squeeze, unsqueeze, narrow = shapes.flatten, shapes.squeeze, shapes.unsqueeze, shapes.narrow
    transpose, contiguous, clone = shapes.transpose, shapes.contiguous, shapes.clone
    matmul, take_along_dim = linalg.matmul, indexing.take_along_dim

    def reshape(self, *sizes: Any) -> Tensor:
        """Return the elements in another shape (see `ops.shape.reshape`)."""
        return shapes.reshape(self, _listed(sizes))

    def view(self, *sizes: Any) -> Tensor:
        """Return the elements in another shape, always sharing memory.

        Raises
        ------
        RuntimeError
            Where the strides do not allow it; `reshape` copies then.
        """
        out = shapes.reshape(self, _listed(sizes))
        if out._data.size and not np.shares_memory(out._data, self._data):
            raise RuntimeError(f"view(): the strides of shape {self.shape} do not allow a view of shape {_listed(sizes)}; "
                               "use .reshape() or .contiguous()")
        return out

    def view_as(self, other: Tensor) -> Tensor:
        """Return a view in the shape of `other`."""
        return self.view(other.shape)

    def reshape_as(self, other: Tensor) -> Tensor:
        """Return the elements in the shape of `other`."""
        return shapes.reshape(self, other.shape)

    def permute(self, *dims: Any) -> Tensor:
        """Return a view with the dims in another order."""
        return shapes.permute(self, _listed(dims))

    def t(self) -> Tensor:
        """Return the transpose of a matrix."""
        if self.ndim > 2:
            raise RuntimeError(f"t(): expects at most 2 dims (shape={self.shape})")
        return shapes.transpose(self, 0, 1) if self.ndim == 2 else self

    @property
    def T(self) -> Tensor:
        """The tensor with its dims in reverse order."""
        return shapes.permute(self, range(self.ndim)[::-1])

    @property
    def mT(self) -> Tensor:
        """The tensor with its last two dims exchanged."""
        return shapes.transpose(self, -1, -2)

    def expand(self, *sizes: Any) -> Tensor:
        """Return a view with dims of size 1 repeated; -1 keeps a size."""
        sizes = _listed(sizes)
        lead = len(sizes) - self.ndim
        if lead < 0:
            raise RuntimeError(f"expand(): needs at least {self.ndim} sizes (sizes={sizes}, shape={self.shape})")
        return shapes.broadcast_to(self, [self.shape[i - lead] if n == -1 and i >= lead else n for i, n in enumerate(sizes)])

    def expand_as(self, other: Tensor) -> Tensor:
        """Return a view in the shape of `other`."""
        return shapes.broadcast_to(self, other.shape)

    def sum_to_size(self, *sizes: Any) -> Tensor:
        """Return the sum over the dims that broadcasting to this shape added or repeated."""
        return shapes.sum_to_size(self, _listed(sizes))

    # -------------------------------------------------------------------------------- dtype, device

    def to(self, *targets: Any, dtype: Any = None, device: Any = None, copy: bool = False) -> Tensor:
        """Return the tensor in another dtype; devices are accepted as far as they are the CPU."""
        for target in targets:
            if isinstance(target, Tensor):
                dtype = target.dtype
            elif _is_device(target):
                device = target
            elif not isinstance(target, bool):
                dtype = target
        if device is not None and not str(device).startswith("cpu"):
            raise RuntimeError(f"to(): autograd_nn computes on the CPU only (device={str(device)!r})")
        out = self if dtype is None else shapes.to_dtype(self, dtype)
        return out.clone() if copy and out is self else out

    def type_as(self, other: Tensor) -> Tensor:
        """Return the tensor in the dtype of `other`."""
        return shapes.to_dtype(self, other.dtype)

    def float(self) -> Tensor:
        """Return the tensor as float32."""
        return shapes.to_dtype(self, np.float32)

    def double(self) -> Tensor:
        """Return the tensor as float64."""
        return shapes.to_dtype(self, np.float64)

    def long(self) -> Tensor:
        """Return the tensor as int64."""
        return shapes.to_dtype(self, np.int64)

    def int(self) -> Tensor:
        """Return the tensor as int32."""
        return shapes.to_dtype(self, np.int32)

    def bool(self) -> Tensor:
        """Return the tensor as booleans."""
        return shapes.to_dtype(self, np.bool_)

    def cpu(self) -> Tensor:
        """Return the tensor itself: it is on the CPU."""
        return self

    # -------------------------------------------------------------------------------- in place

    def _check_in_place(self, operation: str) -> None:
        """Raise where an in-place change could not be recorded."""
        if self.node is not None and not isinstance(self.node, Call):
            raise RuntimeError(f"{operation}: a leaf that requires a gradient cannot be changed in place while operations are "
                               "recorded; do it under no_grad()")
        if self._data.base is not None:
            raise RuntimeError(f"{operation}: a view cannot be changed in place while operations are recorded; "
                               "change the tensor that it views, or work on a .clone()")

    def _become(self, value: Any, operation: str) -> Tensor:
        """Write `value`, computed from this tensor, into its memory and take its place in the graph."""
        value = value if isinstance(value, Tensor) else wrap(np.asarray(value))
        recorded = is_grad_enabled() and (self.node is not None or value.node is not None)
        if recorded:
            self._check_in_place(operation)
            if value.shape != self.shape:
                value = shapes.broadcast_to(value, self.shape)
            value = shapes.to_dtype(value, self.dtype)
        np.copyto(self._data, value._data, casting="same_kind")
        mark_changed(self._data)
        if recorded:
            self.node = value.node
        return self

    def add_(self, other: Any, *, alpha: Any = 1) -> Tensor:
        """Add ``alpha * other`` in place."""
        return self._become(elementwise.add(self, other if alpha == 1 else other * alpha), "add_()")

    def sub_(self, other: Any, *, alpha: Any = 1) -> Tensor:
        """Subtract ``alpha * other`` in place."""
        return self._become(elementwise.sub(self, other if alpha == 1 else other * alpha), "sub_()")

    def mul_(self, other: Any) -> Tensor:
        """Multiply in place."""
        return self._become(elementwise.mul(self, other), "mul_()")

    def div_(self, other: Any) -> Tensor:
        """Divide in place."""
        return self._become(elementwise.div(self, other), "div_()")

    def copy_(self, other: Any) -> Tensor:
        """Take over the elements of `other`, broadcast to this shape."""
        return self._become(other, "copy_()")

    def fill_(self, value: Any) -> Tensor:
        """Set all elements to a number."""
        return self._become(np.asarray(value), "fill_()")

    def zero_(self) -> Tensor:
        """Set all elements to 0."""
        return self._become(np.zeros((), self.dtype), "zero_()")

    def normal_(self, mean: Any = 0.0, std: Any = 1.0, *, generator: Any = None) -> Tensor:
        """Draw all elements from a normal distribution."""
        source = generator or random.default_generator
        return self._become(source.normal(self.shape, self.dtype.type) * self.dtype.type(std) + self.dtype.type(mean), "normal_()")

    def uniform_(self, low: Any = 0.0, high: Any = 1.0, *, generator: Any = None) -> Tensor:
        """Draw all elements uniformly from [low, high)."""
        source = generator or random.default_generator
        values = source.random(self.shape, self.dtype.type)
        return self._become(values * self.dtype.type(high - low) + self.dtype.type(low), "uniform_()")


engine.set_result_type(Tensor)


def _comparable(value: Any) -> Any:
    return isinstance(value, Variable | np.ndarray | np.generic | int | float | bool | list | tuple)


def _is_device(value: Any) -> Any:
    return (isinstance(value, str) and value.split(":")[0] in ("cpu", "cuda", "mps", "xpu")) or type(value).__name__ == "device"


def _rebuilt(kind: type[Tensor], data: np.ndarray, requires_grad: Any) -> Tensor:
    out = kind.__new__(kind)
    out._data = data
    out.node = None
    out.requires_grad = requires_grad
    return out


def _new_array(data: Any, dtype: Any) -> np.ndarray:
    """Return a new array of `data`; Python floats become float32."""
    if isinstance(data, Variable):
        data = data._data
    keeps_dtype = isinstance(data, np.ndarray | np.generic)
    if isinstance(data, list | tuple) and any(isinstance(x, Variable) for x in data):
        data = [x._data if isinstance(x, Variable) else x for x in data]
        keeps_dtype = True
    array = np.array(data, dtype)
    if array.dtype.kind not in "fiub":
        raise TypeError(f"tensor(): cannot hold elements of type {array.dtype}; expects numbers or booleans")
    if not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("="))
    return array.astype(DEFAULT_DTYPE) if dtype is None and not keeps_dtype and array.dtype.kind == "f" else array


def tensor(data: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """Return a new tensor that holds a copy of `data`.

    Parameters
    ----------
    data : array, number or nested sequence
        Python floats become float32 and ints int64; arrays keep their dtype.
    dtype : NumPy dtype, optional
    device : optional
        Only the CPU.
    requires_grad : bool
    """
    if isinstance(data, Variable):
        warnings.warn("tensor(): to copy a tensor, use x.detach().clone()", stacklevel=2)
    return Tensor(data, requires_grad=requires_grad, dtype=dtype).to(device=device)


def as_tensor(data: Any, dtype: Any = None) -> Tensor:
    """Return `data` as a tensor: itself if it is one, sharing memory if it is an array, else copied."""
    if not isinstance(data, Tensor):
        data = from_numpy(data) if isinstance(data, np.ndarray) else Tensor(data)
    return data if dtype is None else shapes.to_dtype(data, dtype)


def from_numpy(array: np.ndarray) -> Tensor:
    """Return a tensor that shares the memory of `array`.

    Raises
    ------
    TypeError
        Not an array, or elements that are not native numbers or booleans.
    ValueError
        Negative strides; copy the array first.
    """
    if not isinstance(array, np.ndarray):
        raise TypeError(f"from_numpy(): expects an array, got {type(array).__name__}")
    if array.dtype.kind not in "fiub" or not array.dtype.isnative:
        raise TypeError(f"from_numpy(): elements must be numbers or booleans in native byte order (dtype={array.dtype})")
    if any(stride < 0 for stride in array.strides):
        raise ValueError(f"from_numpy(): strides must not be negative (strides={array.strides}); use array.copy()")
    return wrap(array)

