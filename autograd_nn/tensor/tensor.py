"""The Tensor: what it is, its operators, how it is made. Pure syntax over `ops`; its methods lie beside this file."""

from __future__ import annotations

import functools
import importlib
from typing import Any

import numpy as np

from .. import engine, missing
from ..devices import device
from ..devices.place import check_cpu
from ..engine import ELEMENTS, Call, Variable, complex_of, get_default_dtype, note_made, note_read, wrap
from ..engine.errors import warn
from ..engine.graph import Computed
from ..ops import elementwise, linalg
from ..ops import index as indexing
from ..ops import shape as shapes
from ..ops.types import promote_types
from . import numpy_protocol, printing
from .conversion import Conversion
from .description import Description
from .in_place import InPlace, assign
from .methods import Methods
from .size import Size

__all__ = ["Tensor", "as_tensor", "asarray", "from_dlpack", "from_numpy", "is_tensor", "tensor"]


class Tensor(InPlace, Methods, Conversion, Description, Variable):
    """An n-dimensional array that records what is computed from it.

    Parameters
    ----------
    data : array, number or nested sequence
        Copied. Python numbers become float32 (floats), int64 (ints) or bool; arrays keep their dtype.
    requires_grad : bool
        Whether `backward` computes a gradient for this tensor; floating-point dtypes only.
    dtype : NumPy dtype, optional
    *sizes : int
        ``Tensor(2, 3)``, with two integers or more, is a tensor of these sizes that is not initialized, as in PyTorch;
        ``Tensor(3)`` holds the number 3 (`FloatTensor(3)` is of the size 3).

    Attributes
    ----------
    data : Tensor
        The same array without the graph, as `detach` returns it.
    grad : Tensor or None
        Of the tensor's shape and dtype; added up by `backward`.
    requires_grad : bool
    origin : Call or None
        The recorded call that computed the tensor.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> x = ag.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    >>> loss = (x**2).mean()
    >>> loss.backward()
    >>> x.grad
    tensor([[0.5, 1. ],
            [1.5, 2. ]])
    >>> x.detach().numpy().sum()
    np.float32(10.0)
    """

    __slots__ = ()

    def __init__(self, data: Any = (), requires_grad: bool = False, dtype: Any = None, *sizes: int):
        if type(requires_grad) is int:  # Tensor(2, 3): sizes, as in PyTorch
            given = (data, requires_grad, *(() if dtype is None else (dtype,)), *sizes)
            if not all(type(n) is int and n >= 0 for n in given):
                raise TypeError(f"Tensor(): expects data, or sizes (got {', '.join(map(str, given))})")
            self.array = np.empty(given, get_default_dtype())
            requires_grad = False
        else:
            if sizes:
                raise TypeError(f"Tensor(): expects data, requires_grad and dtype, or sizes (got {3 + len(sizes)} "
                                "arguments)")
            self.array = _new_array(data, dtype)
        self.node = self._view = None
        if requires_grad:
            self.requires_grad = True

    def new_tensor(self, data: Any, dtype: Any = None, device: Any = None, requires_grad: Any = False) -> Tensor:
        """Return a copy of `data` in this tensor's dtype.

        Examples
        --------
        >>> import autograd_nn as ag
        >>> ag.tensor([0.5]).new_tensor([1, 2])
        tensor([1., 2.])
        """
        if device is not None:
            check_cpu(device, "new_tensor")
        return Tensor(data, requires_grad, dtype or self.dtype)

    # -------------------------------------------------------------------------------- description

    @property
    def shape(self) -> Size:
        """The size of each dim, a tuple that can count: ``x.shape[1:].numel()``.

        Examples
        --------
        >>> import autograd_nn as ag
        >>> ag.zeros(2, 3).shape, ag.zeros(2, 3).shape.numel()
        ((2, 3), 6)
        """
        return Size(self.array.shape)  # what runs often reads x.array.shape, which costs half

    @property
    def ndim(self) -> int:
        """The number of dims.

        Examples
        --------
        >>> import autograd_nn as ag
        >>> ag.zeros(2, 3).ndim
        2
        """
        return self.array.ndim

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of the elements, as NumPy names it.

        Examples
        --------
        >>> import autograd_nn as ag
        >>> ag.tensor([1, 2]).dtype, ag.tensor([0.5]).dtype
        (dtype('int64'), dtype('float32'))
        """
        return self.array.dtype

    @property
    def device(self) -> device:
        """The CPU.

        Examples
        --------
        >>> import autograd_nn as ag
        >>> ag.ones(2).device
        device(type='cpu')
        """
        return _CPU

    is_cpu = True
    is_cuda = is_mps = is_sparse = is_quantized = is_meta = False

    @property
    def grad_fn(self) -> Call | None:
        """The call that computed the tensor, as `origin`; None for a leaf.

        Examples
        --------
        >>> import autograd_nn as ag
        >>> x = ag.ones(2, requires_grad=True)
        >>> x.grad_fn, (x * 2).grad_fn
        (None, <Call mul() -> (2,)>)
        """
        return self.origin

    @property
    def retains_grad(self) -> bool:
        """Whether `retain_grad` was called on this result.

        Examples
        --------
        >>> import autograd_nn as ag
        >>> x = ag.ones(2, requires_grad=True) * 3
        >>> x.retains_grad
        False
        >>> x.retain_grad()
        >>> x.retains_grad
        True
        """
        return isinstance(self.node, Computed) and self.node.retains

    def __len__(self) -> int:
        if not self.ndim:
            raise TypeError("len() of a 0-d tensor")
        return len(self.array)

    def __iter__(self) -> Any:
        if not self.ndim:
            raise TypeError("iteration over a 0-d tensor")
        return (self[i] for i in range(len(self.array)))

    def __repr__(self) -> str:
        note_read(self, "its text")
        return printing.tensor_text(self.array, self.node)

    def _repr_html_(self) -> str:
        note_read(self, "its text")
        return printing.tensor_html(type(self).__name__, self.array, self.node)

    def __format__(self, spec: str) -> str:
        return format(self.item(), spec) if spec and self.array.size == 1 else format(str(self), spec)

    # -------------------------------------------------------------------------------- to Python and NumPy

    def numpy(self, *, force: bool = False) -> np.ndarray:
        """Return the array, sharing memory; with `force` also of a tensor that requires a gradient.

        Examples
        --------
        >>> import autograd_nn as ag
        >>> ag.tensor([1.0, 2.0]).numpy()
        array([1., 2.], dtype=float32)
        >>> w = ag.tensor([1.0], requires_grad=True)
        >>> w.detach().numpy()
        array([1.], dtype=float32)
        """
        if self.node is not None and not force:
            raise RuntimeError("numpy(): the tensor requires a gradient, and changes of the array would not be "
                               "recorded; "
                               "use .detach().numpy()")
        note_read(self, "numpy()")
        return self.array

    def item(self) -> Any:
        """Return the only element as a Python number.

        Examples
        --------
        >>> import autograd_nn as ag
        >>> ag.tensor([2.5]).item()
        2.5
        >>> ag.tensor([1.0, 2.0]).item()
        Traceback (most recent call last):
            ...
        RuntimeError: item(): expects a tensor of one element (shape=(2,))
        """
        if self.array.size != 1:
            raise RuntimeError(f"item(): expects a tensor of one element (shape={self.shape})")
        note_read(self, "item()")
        return self.array.item()

    def tolist(self) -> Any:
        """Return the elements as nested lists of Python numbers.

        Examples
        --------
        >>> import autograd_nn as ag
        >>> ag.tensor([[1, 2], [3, 4]]).tolist()
        [[1, 2], [3, 4]]
        """
        note_read(self, "tolist()")
        return self.array.tolist()

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        note_read(self, "a conversion to an array")
        return np.array(self.array, dtype=dtype, copy=copy)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **settings: Any) -> Any:
        return numpy_protocol.apply_ufunc(ufunc, method, inputs, settings)

    def __array_function__(self, function: Any, types: Any, arguments: Any, settings: Any) -> Any:
        return numpy_protocol.apply_function(function, arguments, settings)

    def __dlpack__(self, **settings: Any) -> Any:
        if self.node is not None:
            raise BufferError("dlpack: the tensor requires a gradient, and changes by others would not be recorded; "
                              "use .detach()")
        note_read(self, "a conversion to another library's tensor")
        return self.array.__dlpack__(**settings)

    def __array_namespace__(self, *, api_version: str | None = None) -> Any:
        """Return the functions of the array API standard, `autograd_nn.array_api`."""
        namespace = importlib.import_module("autograd_nn.array_api")
        if api_version is not None and api_version > namespace.__array_api_version__:
            raise ValueError(f"__array_namespace__(): the newest version that is here is "
                             f"{namespace.__array_api_version__} (api_version={api_version!r})")
        return namespace

    def to_device(self, device: Any, /, *, stream: Any = None) -> Tensor:
        """Return the tensor itself: there is no device but the CPU.

        Examples
        --------
        >>> import autograd_nn as ag
        >>> x = ag.eye(2)
        >>> x.to_device("cpu") is x
        True
        """
        check_cpu(device, "to_device")
        return self

    def __dlpack_device__(self) -> Any:
        return self.array.__dlpack_device__()

    def __complex__(self) -> complex:
        return complex(self.item())

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __index__(self) -> int:
        if self.array.dtype.kind not in "iub":
            raise TypeError(f"only integer tensors of one element can be an index (dtype={self.dtype})")
        return int(self.item())

    def __bool__(self) -> bool:
        if self.array.size != 1:
            raise RuntimeError(f"the truth of a tensor with {self.array.size} elements is ambiguous "
                               f"(shape={self.shape}); "
                               "use .any() or .all()")
        note_read(self, "a condition")
        return bool(self.array.item())

    def __contains__(self, value: Any) -> bool:
        note_read(self, "in")
        return bool((self.array == (value.array if isinstance(value, Tensor) else value)).any())

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        if isinstance(self.node, Computed):
            raise RuntimeError("deepcopy: only leaves can be copied with their place in a graph; this is the result "
                               "of "
                               f"{self.node.primitive.name}() (use .detach().clone())")
        copied = type(self).__new__(type(self))
        copied.array = self.array.copy()
        copied.node = copied._view = None
        copied.requires_grad = self.requires_grad
        if self.node is not None and self.node.grad is not None:
            copied.grad = self.node.grad.detach().clone()
        memo[id(self)] = copied
        return copied

    def __reduce__(self) -> Any:
        if isinstance(self.node, Computed):
            raise RuntimeError("pickle: only leaves can be pickled or copied; this is the result of "
                               f"{self.node.primitive.name}() (use .detach())")
        return _rebuilt, (type(self), self.array, self.requires_grad)

    # -------------------------------------------------------------------------------- differentiation

    def backward(self, gradient: Any = None, retain_graph: bool | None = None, create_graph: bool = False,
                 inputs: Any = None) -> None:
        """Add the gradient of this tensor to ``.grad`` of every leaf that it was computed from.

        Parameters
        ----------
        gradient : Tensor, optional
            The gradient of something with respect to this tensor; 1 for a tensor of one element.
        retain_graph : bool, optional
            Keep the graph for another pass (default: `create_graph`).
        create_graph : bool
            Record the pass, so that gradients can be differentiated.
        inputs : tensor or sequence of tensors, optional
            Add the gradients of these only.

        Examples
        --------
        >>> import autograd_nn as ag
        >>> w = ag.tensor([1.0, 2.0], requires_grad=True)
        >>> (w**2).sum().backward()
        >>> w.grad
        tensor([2., 4.])
        >>> (w * w).backward(ag.tensor([1.0, 0.0]))
        >>> w.grad
        tensor([4., 4.])
        """
        engine.backward(self, gradient, retain_graph, create_graph, inputs)

    def detach(self) -> Tensor:
        """Return a tensor outside the graph that shares this one's memory.

        Examples
        --------
        >>> import autograd_nn as ag
        >>> w = ag.tensor([1.0, 2.0], requires_grad=True)
        >>> w.detach().requires_grad
        False
        >>> w.detach().numpy()
        array([1., 2.], dtype=float32)
        """
        return wrap(self.array)

    def detach_(self) -> Tensor:
        """Take this tensor out of the graph, in place.

        Examples
        --------
        >>> import autograd_nn as ag
        >>> x = ag.ones(2, requires_grad=True) * 2
        >>> x.detach_().requires_grad
        False
        """
        self.node = None
        return self

    def requires_grad_(self, requires_grad: bool = True) -> Tensor:
        """Set `requires_grad` in place.

        Examples
        --------
        >>> import autograd_nn as ag
        >>> w = ag.ones(2).requires_grad_()
        >>> w.requires_grad
        True
        """
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
        if not isinstance(other, Variable) and getattr(other, "is_sparse", False):
            return NotImplemented
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

    def __lshift__(self, other: Any) -> Any:
        return numpy_protocol.tensor_of(np.left_shift, self, other)

    def __rlshift__(self, other: Any) -> Any:
        return numpy_protocol.tensor_of(np.left_shift, other, self)

    def __rshift__(self, other: Any) -> Any:
        return numpy_protocol.tensor_of(np.right_shift, self, other)

    def __rrshift__(self, other: Any) -> Any:
        return numpy_protocol.tensor_of(np.right_shift, other, self)

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
        assign(self, key, value)


for name in missing.METHODS:
    setattr(Tensor, name, missing.AbsentMethod(name))

engine.set_result_type(Tensor)
_CPU = device("cpu")


def _comparable(value: Any) -> Any:
    return isinstance(value, Variable | np.ndarray | np.generic | int | float | complex | bool | list | tuple)


def _rebuilt(kind: type[Tensor], data: np.ndarray, requires_grad: Any) -> Tensor:
    out = kind.__new__(kind)
    out.array = data
    out.node = out._view = None
    out.requires_grad = requires_grad
    return out


def _dtype_alone(value: Any) -> Any:
    """Return the dtype of a tensor, or of the tensor of a number."""
    return value.array.dtype if isinstance(value, Variable) else _new_array(value, None).dtype


def _new_array(data: Any, dtype: Any) -> np.ndarray:
    """Return a new array of `data`; Python floats become float32."""
    if isinstance(data, Variable):
        note_read(data, "tensor()")
        data = data.array
    elif isinstance(data, np.ndarray):
        note_read(data, "tensor()")
    keeps_dtype = hasattr(data, "__array__")  # arrays, NumPy's numbers, tables, Tensors of other libraries
    if isinstance(data, list | tuple) and any(isinstance(x, Variable) for x in data):
        for x in data:
            note_read(x, "tensor()")
        dtype = functools.reduce(promote_types, [_dtype_alone(x) for x in data]) if dtype is None else dtype
        data = [x.array if isinstance(x, Variable) else x for x in data]
        keeps_dtype = True
    try:
        array = np.array(data, dtype)
    except (TypeError, ValueError) as error:
        text = "the lists at one level must have one length" if "inhomogeneous" in str(error) else error
        raise type(error)(f"tensor(): {text}") from None
    if array.dtype.kind not in ELEMENTS or array.dtype.char in "gG":
        raise TypeError(f"tensor(): cannot hold elements of type {array.dtype}; expects numbers or booleans")
    if not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("="))
    if dtype is None and not keeps_dtype and array.dtype.kind == "f":
        array = array.astype(get_default_dtype())
    if dtype is None and not keeps_dtype and array.dtype.kind == "c":
        array = array.astype(complex_of(get_default_dtype()))
    note_made(array)
    return array


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

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True).shape
    (2, 2)
    >>> ag.tensor([1, 2]).dtype
    dtype('int64')
    """
    if isinstance(data, Variable):
        warn("tensor(): to copy a tensor, use x.detach().clone()")
    if device is not None:
        check_cpu(device, "tensor")
    return Tensor(data, requires_grad=requires_grad, dtype=dtype)


def as_tensor(data: Any, dtype: Any = None, device: Any = None) -> Tensor:
    """Return `data` as a tensor: itself if it is one, sharing memory if it is a native array, else copied.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> x = ag.as_tensor([1.0, 2.0])
    >>> ag.as_tensor(x) is x
    True
    """
    if device is not None:
        check_cpu(device, "as_tensor")
    if not isinstance(data, Tensor):
        data = from_numpy(data) if isinstance(data, np.ndarray) and data.dtype.isnative else Tensor(data)
    return data if dtype is None else shapes.to_dtype(data, dtype)


def asarray(
    obj: Any, *, dtype: Any = None, device: Any = None, copy: bool | None = None, requires_grad: bool = False
) -> Tensor:
    """Return `obj` as a tensor that shares memory where it is a tensor or an array, or as a copy.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.asarray([1.0, 2.0])
    tensor([1., 2.])
    """
    check_cpu(device, "asarray")
    out = Tensor(obj, dtype=dtype) if copy else as_tensor(obj, dtype)
    return out.detach().requires_grad_() if requires_grad else out


def is_tensor(value: Any) -> Any:
    """Return whether a value is a tensor.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.is_tensor(ag.zeros(2)), ag.is_tensor([0.0])
    (True, False)
    """
    return isinstance(value, Tensor)


def from_dlpack(source: Any) -> Tensor:
    """Return a tensor that shares the memory of another library's array, handed over by the DLPack protocol.

    Parameters
    ----------
    source : object with ``__dlpack__`` and ``__dlpack_device__``
        On the CPU, of native numbers or booleans.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> import numpy as np
    >>> ag.from_dlpack(np.arange(3))
    tensor([0, 1, 2])
    """
    array = np.from_dlpack(source)
    if array.dtype.kind not in ELEMENTS:
        raise TypeError(f"from_dlpack(): elements must be numbers or booleans (dtype={array.dtype})")
    return wrap(array)


def from_numpy(array: np.ndarray) -> Tensor:
    """Return a tensor that shares the memory of `array`.

    Raises
    ------
    TypeError
        Not an array, or elements that are not native numbers or booleans.
    ValueError
        Negative strides; copy the array first.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> import numpy as np
    >>> array = np.zeros(3, np.float32)
    >>> x = ag.from_numpy(array)
    >>> array[0] = 5  # they share memory
    >>> x
    tensor([5., 0., 0.])
    """
    if not isinstance(array, np.ndarray):
        raise TypeError(f"from_numpy(): expects an array, got {type(array).__name__}")
    if array.dtype.kind not in ELEMENTS or array.dtype.char in "gG" or not array.dtype.isnative:
        raise TypeError("from_numpy(): elements must be numbers or booleans in native byte order "
                        f"(dtype={array.dtype})")
    if any(stride < 0 for stride in array.strides):
        raise ValueError(f"from_numpy(): strides must not be negative (strides={array.strides}); use array.copy()")
    return wrap(array)

