"""The Tensor: operators, methods, printing. Pure syntax over `ops`; what an operation does is said there."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np

from .. import engine, missing
from ..devices import device
from ..devices.place import check_cpu, names_device
from ..engine import (
    ELEMENTS,
    Call,
    Variable,
    complex_of,
    get_default_dtype,
    is_grad_enabled,
    note_made,
    note_read,
    wrap,
)
from ..engine.errors import warn
from ..engine.graph import Computed
from ..engine.views import View
from ..ops import (
    activation,
    arithmetic,
    complexes,
    creation,
    discrete,
    distance,
    elementwise,
    fourier,
    joining,
    linalg,
    maths,
    matrices,
    placing,
    products,
    random,
    reduce,
    scan,
    scattering,
    slopes,
    solving,
    special,
    statistics,
)
from ..ops import index as indexing
from ..ops import shape as shapes
from ..ops.keywords import with_other_names
from ..typing import Dim
from . import numpy_protocol, printing
from .in_place import InPlace, assign
from .size import Size

__all__ = ["Tensor", "as_tensor", "asarray", "from_dlpack", "from_numpy", "is_tensor", "tensor"]


def _listed(values: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return ``f(2, 3)`` and ``f((2, 3))`` alike as (2, 3)."""
    return tuple(values[0]) if len(values) == 1 and isinstance(values[0], tuple | list) else values


class Tensor(InPlace, Variable):
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
    data : ndarray
        The array itself, not a copy.
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

    # -------------------------------------------------------------------------------- description

    @property
    def shape(self) -> tuple[int, ...]:
        """The size of each dim.

        Examples
        --------
        >>> import autograd_nn as ag
        >>> ag.zeros(2, 3).shape
        (2, 3)
        """
        return self.array.shape

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

    @property
    def itemsize(self) -> int:
        """The bytes of one element.

        Examples
        --------
        >>> import autograd_nn as ag
        >>> ag.tensor([1]).itemsize
        8
        """
        return self.array.itemsize

    @property
    def nbytes(self) -> int:
        """The bytes of all elements.

        Examples
        --------
        >>> import autograd_nn as ag
        >>> ag.zeros(2, 3).nbytes
        24
        """
        return self.array.nbytes

    def size(self, dim: int | None = None) -> Any:
        """Return the shape, or the size of one dim.

        Examples
        --------
        >>> import autograd_nn as ag
        >>> ag.zeros(2, 3).size(), ag.zeros(2, 3).size(1)
        (Size([2, 3]), 3)
        """
        shape = self.array.shape
        return Size(shape) if dim is None else shape[shapes.normalized_dim(dim, len(shape), "size")]

    def dim(self) -> int:
        """Return the number of dims.

        Examples
        --------
        >>> import autograd_nn as ag
        >>> ag.zeros(2, 3).dim()
        2
        """
        return self.array.ndim

    ndimension = dim

    def stride(self, dim: int | None = None) -> Any:
        """Return how many elements of memory lie between neighbours along each dim, or along one.

        Examples
        --------
        >>> import autograd_nn as ag
        >>> ag.zeros(2, 3).stride(), ag.zeros(2, 3).T.stride()
        ((3, 1), (1, 3))
        """
        strides = tuple(n // self.array.itemsize for n in self.array.strides)
        return strides if dim is None else strides[dim]

    def numel(self) -> int:
        """Return the number of elements.

        Examples
        --------
        >>> import autograd_nn as ag
        >>> ag.zeros(2, 3).nelement()
        6
        """
        return self.array.size

    nelement = numel

    def element_size(self) -> int:
        """Return the bytes of one element.

        Examples
        --------
        >>> import autograd_nn as ag
        >>> ag.tensor([0.5]).element_size()
        4
        """
        return self.array.itemsize

    @property
    def real(self) -> Tensor:
        """The real parts, as a view; the tensor itself where it is real.

        Examples
        --------
        >>> import autograd_nn as ag
        >>> ag.tensor([1 + 2j]).real
        tensor([1.])
        """
        return complexes.real(self)

    @real.setter
    def real(self, value: Any) -> None:
        complexes.real(self).copy_(as_tensor(value))

    @property
    def imag(self) -> Tensor:
        """The imaginary parts, as a view; an error where the tensor is real.

        Examples
        --------
        >>> import autograd_nn as ag
        >>> ag.tensor([1 + 2j]).imag
        tensor([2.])
        """
        return complexes.imag(self)

    @imag.setter
    def imag(self, value: Any) -> None:
        complexes.imag(self).copy_(as_tensor(value))

    @property
    def H(self) -> Tensor:
        """The conjugate of a matrix, transposed.

        Examples
        --------
        >>> import autograd_nn as ag
        >>> ag.tensor([[1, 2j]]).H
        tensor([[1.-0.j],
                [0.-2.j]], dtype=complex64)
        """
        if self.ndim not in (0, 2):
            raise RuntimeError(f"H: expects a matrix (shape={tuple(self.shape)}); use .mH for batches of them")
        return complexes.adjoint(self) if self.ndim else complexes.conj(self)

    @property
    def mH(self) -> Tensor:
        """The conjugates of matrices, with the last two dims exchanged.

        Examples
        --------
        >>> import autograd_nn as ag
        >>> ag.zeros(5, 2, 3, dtype=ag.complex64).mH.shape
        (5, 3, 2)
        """
        return complexes.adjoint(self)

    def is_floating_point(self) -> bool:
        """Return whether the elements are floating-point numbers.

        Examples
        --------
        >>> import autograd_nn as ag
        >>> ag.tensor([0.5]).is_floating_point(), ag.tensor([1]).is_floating_point()
        (True, False)
        """
        return self.array.dtype.kind == "f"

    def is_complex(self) -> bool:
        """Return whether the elements are complex numbers.

        Examples
        --------
        >>> import autograd_nn as ag
        >>> ag.tensor([1j]).is_complex()
        True
        """
        return self.array.dtype.kind == "c"

    def is_signed(self) -> bool:
        """Return whether the elements can be negative.

        Examples
        --------
        >>> import autograd_nn as ag
        >>> ag.tensor([1.0]).is_signed(), ag.tensor([1], dtype=ag.uint8).is_signed()
        (True, False)
        """
        return self.array.dtype.kind in "fic"

    def is_nonzero(self) -> bool:
        """Return whether the only element is not 0.

        Examples
        --------
        >>> import autograd_nn as ag
        >>> ag.tensor([3]).is_nonzero()
        True
        """
        return bool(self)

    def is_same_size(self, other: Tensor) -> bool:
        """Return whether the other tensor has the same shape.

        Examples
        --------
        >>> import autograd_nn as ag
        >>> ag.zeros(2, 3).is_same_size(ag.ones(2, 3))
        True
        """
        return self.array.shape == other.array.shape

    def get_device(self) -> int:
        """Return -1, the number of the CPU.

        Examples
        --------
        >>> import autograd_nn as ag
        >>> ag.ones(2).get_device()
        -1
        """
        return -1

    def is_pinned(self) -> bool:
        """Return False: memory is pinned for transfers to a GPU, of which there is none.

        Examples
        --------
        >>> import autograd_nn as ag
        >>> ag.ones(2).is_pinned()
        False
        """
        return False

    def pin_memory(self) -> Tensor:
        """Raise: there is no GPU to pin memory for.

        Examples
        --------
        >>> import autograd_nn as ag
        >>> x = ag.ones(2)
        >>> x.pin_memory() is x
        Traceback (most recent call last):
            ...
        RuntimeError: pin_memory(): autograd_nn computes on the CPU only; leave it out
        """
        raise RuntimeError("pin_memory(): autograd_nn computes on the CPU only; leave it out")

    def is_contiguous(self, memory_format: Any = None) -> bool:
        """Return whether the elements lie in row-major order without gaps.

        Examples
        --------
        >>> import autograd_nn as ag
        >>> ag.zeros(2, 3).is_contiguous(), ag.zeros(2, 3).T.is_contiguous()
        (True, False)
        """
        return self.array.flags.c_contiguous

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

    # -------------------------------------------------------------------------------- elementwise

    add, sub, div, addcmul, addcdiv = (
        arithmetic.add, arithmetic.sub, arithmetic.div, arithmetic.addcmul, arithmetic.addcdiv
    )  # fmt: skip
    clamp_min, clamp_max = arithmetic.clamp_min, arithmetic.clamp_max

    def equal(self, other: Tensor) -> bool:
        """Return whether the other tensor has the same shape and elements.

        Examples
        --------
        >>> import autograd_nn as ag
        >>> ag.equal(ag.tensor([1, 2]), ag.tensor([1, 2]))
        True
        """
        note_read(self, "equal()")
        note_read(other, "equal()")
        return bool(np.array_equal(self.array, other.array))

    def allclose(self, other: Tensor, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> bool:
        """Return whether ``abs(self - other) <= atol + rtol * abs(other)`` everywhere.

        Examples
        --------
        >>> import autograd_nn as ag
        >>> ag.allclose(ag.tensor([1.0]), ag.tensor([1.0 + 1e-7]))
        True
        """
        note_read(self, "allclose()")
        note_read(other, "allclose()")
        try:
            return bool(np.allclose(self.array, other.array, rtol, atol, equal_nan))
        except ValueError:
            raise RuntimeError(f"allclose(): shapes cannot be broadcast together (x.shape={self.shape}, "
                               f"other.shape={other.shape})") from None

    mul, neg, pow, square, reciprocal = (
        elementwise.mul, elementwise.neg, elementwise.pow, elementwise.square, elementwise.reciprocal
    )  # fmt: skip
    remainder, fmod, floor_divide, lerp = (
        elementwise.remainder, elementwise.fmod, elementwise.floor_divide, elementwise.lerp
    )  # fmt: skip
    multiply, subtract, divide, negative, true_divide = mul, sub, div, neg, div
    arcsin, arccos, arctan, arctan2, arcsinh, arccosh, arctanh = (
        elementwise.asin, elementwise.acos, elementwise.atan, elementwise.atan2, elementwise.asinh, elementwise.acosh,
        elementwise.atanh,
    )  # fmt: skip
    not_equal, less, less_equal, greater, greater_equal = (
        elementwise.ne, elementwise.lt, elementwise.le, elementwise.gt, elementwise.ge
    )  # fmt: skip
    eq, ne, lt, le, gt, ge = (
        elementwise.eq, elementwise.ne, elementwise.lt, elementwise.le, elementwise.gt, elementwise.ge
    )  # fmt: skip
    isnan, isinf, isfinite, isclose = elementwise.isnan, elementwise.isinf, elementwise.isfinite, elementwise.isclose
    isneginf, isposinf, isreal, signbit = discrete.isneginf, discrete.isposinf, discrete.isreal, discrete.signbit
    gcd, lcm, heaviside, nextafter = discrete.gcd, discrete.lcm, discrete.heaviside, discrete.nextafter
    unique_consecutive = scan.unique_consecutive
    logical_and, logical_or, logical_xor, logical_not = (
        elementwise.logical_and, elementwise.logical_or, elementwise.logical_xor, elementwise.logical_not
    )  # fmt: skip
    bitwise_and, bitwise_or, bitwise_xor, bitwise_not = (
        elementwise.bitwise_and, elementwise.bitwise_or, elementwise.bitwise_xor, elementwise.bitwise_not
    )  # fmt: skip
    exp, expm1, log, log1p, log2, log10 = (
        elementwise.exp, elementwise.expm1, elementwise.log, elementwise.log1p, elementwise.log2, elementwise.log10
    )  # fmt: skip
    sqrt, rsqrt, erf, tanh, sigmoid, relu = (
        elementwise.sqrt, elementwise.rsqrt, elementwise.erf, elementwise.tanh, elementwise.sigmoid, elementwise.relu
    )  # fmt: skip
    sin, cos, tan, asin, acos, atan, atan2 = (
        elementwise.sin, elementwise.cos, elementwise.tan, elementwise.asin, elementwise.acos, elementwise.atan,
        elementwise.atan2,
    )  # fmt: skip
    sinh, cosh, asinh, acosh, atanh = (
        elementwise.sinh, elementwise.cosh, elementwise.asinh, elementwise.acosh, elementwise.atanh
    )  # fmt: skip
    abs, sign, floor, ceil, round, trunc, frac = (
        elementwise.abs, elementwise.sign, elementwise.floor, elementwise.ceil, elementwise.round, elementwise.trunc,
        elementwise.frac,
    )  # fmt: skip
    clamp = clip = elementwise.clamp
    absolute, fix, nan_to_num = abs, trunc, elementwise.nan_to_num
    maximum, minimum, fmax, fmin = elementwise.maximum, elementwise.minimum, elementwise.fmax, elementwise.fmin
    masked_fill, prelu, logsigmoid = elementwise.masked_fill, activation.prelu, activation.logsigmoid

    lgamma, digamma, erfc, erfinv, sinc, i0 = (
        special.lgamma, special.digamma, special.erfc, special.erfinv, special.sinc, special.i0
    )  # fmt: skip
    xlogy, hypot, copysign, float_power = special.xlogy, special.hypot, special.copysign, special.float_power
    frexp, ldexp, logaddexp2, mvlgamma = special.frexp, special.ldexp, special.logaddexp2, special.multigammaln
    igamma, igammac = special.gammainc, special.gammaincc

    def polygamma(self, n: Any) -> Tensor:
        """Return derivative number `n` of `digamma`.

        Examples
        --------
        >>> import autograd_nn as ag
        >>> ag.tensor([1.0]).polygamma(1)
        tensor([1.6449])
        """
        return special.polygamma(n, self)

    angle, conj, conj_physical, sgn = complexes.angle, complexes.conj, complexes.conj_physical, complexes.sgn
    stft, istft = fourier.stft, fourier.istft
    resolve_conj, resolve_neg, is_conj, is_neg, adjoint = (
        complexes.resolve_conj, complexes.resolve_neg, complexes.is_conj, complexes.is_neg, complexes.adjoint
    )  # fmt: skip

    exp2, logit, logaddexp = maths.exp2, maths.logit, maths.logaddexp
    deg2rad, rad2deg, positive = maths.deg2rad, maths.rad2deg, maths.positive

    def where(self, condition: Any, other: Any) -> Tensor:
        """Return the elements where the condition holds and those of `other` elsewhere.

        Examples
        --------
        >>> import autograd_nn as ag
        >>> x = ag.tensor([-1.0, 2.0])
        >>> x.where(x > 0, 0.0)
        tensor([0., 2.])
        """
        return elementwise.where(condition, self, other)

    # -------------------------------------------------------------------------------- reductions, along a dim

    sum, mean, var, std, prod = reduce.sum, reduce.mean, reduce.var, reduce.std, scan.prod
    amax, amin, max, min, argmax, argmin = (
        reduce.amax, reduce.amin, reduce.max, reduce.min, reduce.argmax, reduce.argmin
    )  # fmt: skip
    any, all, count_nonzero, norm = reduce.any, reduce.all, reduce.count_nonzero, distance.norm
    logsumexp, softmax, log_softmax = reduce.logsumexp, reduce.softmax, reduce.log_softmax
    cumsum, cumprod, logcumsumexp = scan.cumsum, scan.cumprod, scan.logcumsumexp
    cummax, cummin = scan.cummax, scan.cummin
    sort, argsort, topk, kthvalue, median = scan.sort, scan.argsort, scan.topk, scan.kthvalue, scan.median
    unique, bincount, histc = scan.unique, scan.bincount, scan.histc

    aminmax, nansum, nanmean = statistics.aminmax, statistics.nansum, statistics.nanmean
    quantile, diff, cov, corrcoef = statistics.quantile, statistics.diff, statistics.cov, statistics.corrcoef

    # -------------------------------------------------------------------------------- products

    matmul, mm, bmm, mv, dot, outer = linalg.matmul, linalg.mm, linalg.bmm, linalg.mv, linalg.dot, linalg.outer
    addmm, addmv, baddbmm, trace = linalg.addmm, linalg.addmv, linalg.baddbmm, linalg.trace
    ger = outer
    addbmm, addr, vdot = linalg.addbmm, linalg.addr, linalg.vdot
    det, logdet, slogdet = matrices.det, matrices.logdet, matrices.slogdet
    matrix_power, matrix_exp = matrices.matrix_power, matrices.matrix_exp
    inverse, cholesky_solve, cholesky_inverse = solving.inv, solving.cholesky_solve, solving.cholesky_inverse
    inner, kron, cross, dist = products.inner, products.kron, products.cross, products.dist

    # -------------------------------------------------------------------------------- indexing

    gather, scatter, scatter_add = indexing.gather, scattering.scatter, indexing.scatter_add
    scatter_reduce, index_reduce = scattering.scatter_reduce, scattering.index_reduce
    put, select_scatter, slice_scatter = placing.put, placing.select_scatter, placing.slice_scatter
    diagonal_scatter, diagflat, dsplit = placing.diagonal_scatter, placing.diagflat, placing.dsplit
    msort, mode, renorm = placing.msort, slopes.mode, slopes.renorm
    nanmedian, nanquantile = slopes.nanmedian, slopes.nanquantile
    masked_scatter, as_strided = scattering.masked_scatter, scattering.as_strided
    index_select, index_add, index_copy, index_fill = (
        indexing.index_select, indexing.index_add, indexing.index_copy, indexing.index_fill
    )  # fmt: skip
    take, take_along_dim, masked_select = indexing.take, indexing.take_along_dim, indexing.masked_select
    index_put = indexing.index_put
    nonzero = argwhere = indexing.nonzero

    # -------------------------------------------------------------------------------- shape

    flatten, squeeze, unsqueeze, narrow = shapes.flatten, shapes.squeeze, shapes.unsqueeze, shapes.narrow
    transpose, contiguous, clone = shapes.transpose, shapes.contiguous, shapes.clone
    swapaxes = swapdims = shapes.transpose
    movedim = moveaxis = shapes.movedim
    broadcast_to = shapes.broadcast_to
    split, chunk, unbind, select, unflatten = shapes.split, shapes.chunk, shapes.unbind, shapes.select, shapes.unflatten
    roll, repeat_interleave, tril, triu = shapes.roll, shapes.repeat_interleave, shapes.tril, shapes.triu
    t, ravel = joining.t, joining.ravel
    fliplr, flipud, rot90 = joining.fliplr, joining.flipud, joining.rot90
    tensor_split, hsplit, vsplit = joining.tensor_split, joining.hsplit, joining.vsplit
    diagonal, diag, diag_embed = shapes.diagonal, shapes.diag, shapes.diag_embed

    @with_other_names
    def flip(self, *dims: Any) -> Tensor:
        """Return a view with the order along some dims reversed.

        Examples
        --------
        >>> import autograd_nn as ag
        >>> ag.tensor([[1, 2], [3, 4]]).flip(0)
        tensor([[3, 4],
                [1, 2]])
        """
        return shapes.flip(self, _listed(dims))

    def repeat(self, *sizes: Any) -> Tensor:
        """Return the elements repeated along each dim.

        Examples
        --------
        >>> import autograd_nn as ag
        >>> ag.tensor([1, 2]).repeat(2, 2)
        tensor([[1, 2, 1, 2],
                [1, 2, 1, 2]])
        """
        return shapes.repeat(self, _listed(sizes))

    @with_other_names
    def tile(self, *dims: Any) -> Tensor:
        """Return the elements repeated along the last dims.

        Examples
        --------
        >>> import autograd_nn as ag
        >>> ag.tensor([1, 2]).tile(2)
        tensor([1, 2, 1, 2])
        """
        return shapes.tile(self, _listed(dims))

    def reshape(self, *sizes: Any) -> Tensor:
        """Return the elements in another shape (see `ops.shape.reshape`).

        Examples
        --------
        >>> import autograd_nn as ag
        >>> ag.arange(6).reshape(2, -1)
        tensor([[0, 1, 2],
                [3, 4, 5]])
        """
        return shapes.reshape(self, _listed(sizes))

    def view(self, *sizes: Any) -> Tensor:
        """Return the elements in another shape, always sharing memory.

        Raises
        ------
        RuntimeError
            Where the strides do not allow it; `reshape` copies then.

        Examples
        --------
        >>> import autograd_nn as ag
        >>> ag.arange(6).view(2, 3)
        tensor([[0, 1, 2],
                [3, 4, 5]])
        >>> ag.arange(6).view(3, -1).shape
        (3, 2)
        """
        if len(sizes) == 1 and isinstance(sizes[0], np.dtype):
            raise RuntimeError(f"view(): a view as another dtype is not supported (dtype={sizes[0]}); convert with "
                               ".to()")
        out = shapes.reshape(self, _listed(sizes))
        if not self.array.flags.c_contiguous and out.array.size and not np.shares_memory(out.array, self.array):
            raise RuntimeError(f"view(): the strides of shape {self.shape} do not allow a view of shape "
                               f"{_listed(sizes)}; "
                               "use .reshape() or .contiguous()")
        return out

    def view_as(self, other: Tensor) -> Tensor:
        """Return a view in the shape of `other`.

        Examples
        --------
        >>> import autograd_nn as ag
        >>> ag.arange(6).view_as(ag.zeros(3, 2)).shape
        (3, 2)
        """
        return self.view(other.shape)

    def reshape_as(self, other: Tensor) -> Tensor:
        """Return the elements in the shape of `other`.

        Examples
        --------
        >>> import autograd_nn as ag
        >>> ag.arange(6).reshape_as(ag.zeros(3, 2)).shape
        (3, 2)
        """
        return shapes.reshape(self, other.shape)

    @with_other_names
    def permute(self, *dims: Any) -> Tensor:
        """Return a view with the dims in another order.

        Examples
        --------
        >>> import autograd_nn as ag
        >>> ag.zeros(2, 3, 4).permute(2, 0, 1).shape
        (4, 2, 3)
        """
        return shapes.permute(self, _listed(dims))

    @property
    def T(self) -> Tensor:
        """The tensor with its dims in reverse order.

        Examples
        --------
        >>> import autograd_nn as ag
        >>> ag.zeros(2, 3).T.shape
        (3, 2)
        """
        return shapes.permute(self, range(self.ndim)[::-1])

    @property
    def mT(self) -> Tensor:
        """The tensor with its last two dims exchanged.

        Examples
        --------
        >>> import autograd_nn as ag
        >>> ag.zeros(5, 2, 3).mT.shape
        (5, 3, 2)
        """
        return shapes.transpose(self, -1, -2)

    def expand(self, *sizes: Any) -> Tensor:
        """Return a view with dims of size 1 repeated; -1 keeps a size.

        Examples
        --------
        >>> import autograd_nn as ag
        >>> ag.tensor([[1], [2]]).expand(2, 3)
        tensor([[1, 1, 1],
                [2, 2, 2]])
        >>> ag.tensor([1, 2, 3]).expand(2, -1).shape
        (2, 3)
        """
        return shapes.expand(self, _listed(sizes))

    def unfold(self, dimension: int, size: int, step: int) -> Tensor:
        """Return all windows of `size` elements along a dim, `step` apart, in a new last dim (a copy).

        Parameters
        ----------
        dimension, size, step : int

        Returns
        -------
        Tensor of shape (..., (n - size) // step + 1, ..., size)

        Examples
        --------
        >>> import autograd_nn as ag
        >>> ag.arange(5).unfold(0, 3, 1)
        tensor([[0, 1, 2],
                [1, 2, 3],
                [2, 3, 4]])
        """
        dimension = shapes.normalized_dim(dimension, self.ndim, "unfold")
        if not self.ndim:
            return shapes.narrow(shapes.reshape(self, (1,)), 0, 0, size)
        length = self.shape[dimension]
        if not 0 <= size <= length or step <= 0:
            raise RuntimeError(f"unfold(): size must be from 0 to the dim's {length} and step positive (size={size}, "
                               f"step={step})")
        windows = np.arange(0, length - size + 1, step)[:, None] + np.arange(size)
        elements = indexing.index_select(self, dimension, wrap(windows.reshape(-1)))
        return shapes.movedim(shapes.unflatten(elements, dimension, windows.shape), dimension + 1, -1)

    def expand_as(self, other: Tensor) -> Tensor:
        """Return a view in the shape of `other`.

        Examples
        --------
        >>> import autograd_nn as ag
        >>> ag.tensor([1, 2, 3]).expand_as(ag.zeros(2, 3))
        tensor([[1, 2, 3],
                [1, 2, 3]])
        """
        return shapes.broadcast_to(self, other.shape)

    def sum_to_size(self, *sizes: Any) -> Tensor:
        """Return the sum over the dims that broadcasting to this shape added or repeated.

        Examples
        --------
        >>> import autograd_nn as ag
        >>> ag.ones(2, 3).sum_to_size(1, 3)
        tensor([[2., 2., 2.]])
        """
        return shapes.sum_to_size(self, _listed(sizes))

    # -------------------------------------------------------------------------------- dtype, device

    def to(self, *targets: Any, dtype: Any = None, device: Any = None, non_blocking: Any = False, copy: Any = False,
           memory_format: Any = None) -> Tensor:
        """Return the tensor in another dtype; devices are accepted as far as they are the CPU.

        Examples
        --------
        >>> import autograd_nn as ag
        >>> x = ag.tensor([1, 2])
        >>> x.to(ag.float64)
        tensor([1., 2.], dtype=float64)
        >>> x.to("cpu") is x
        True
        >>> x.to("cuda")
        Traceback (most recent call last):
            ...
        RuntimeError: to(): autograd_nn computes on the CPU only (device='cuda')
        """
        for target in targets:
            if isinstance(target, Tensor):
                dtype = target.dtype
            elif names_device(target):
                device = target
            elif not isinstance(target, bool):
                dtype = target
        if device is not None:
            check_cpu(device, "to")
        out = self if dtype is None else shapes.converted(self, dtype)
        return out.clone() if copy and out is self else out

    def type_as(self, other: Tensor) -> Tensor:
        """Return the tensor in the dtype of `other`.

        Examples
        --------
        >>> import autograd_nn as ag
        >>> ag.tensor([1.9]).type_as(ag.tensor([1]))
        tensor([1])
        """
        return shapes.converted(self, other.dtype)

    def float(self, memory_format: Any = None) -> Tensor:
        """Return the tensor as float32.

        Examples
        --------
        >>> import autograd_nn as ag
        >>> ag.tensor([1, 2]).float()
        tensor([1., 2.])
        """
        return shapes.converted(self, np.float32)

    def double(self, memory_format: Any = None) -> Tensor:
        """Return the tensor as float64.

        Examples
        --------
        >>> import autograd_nn as ag
        >>> ag.tensor([0.5]).double()
        tensor([0.5], dtype=float64)
        """
        return shapes.converted(self, np.float64)

    def long(self, memory_format: Any = None) -> Tensor:
        """Return the tensor as int64.

        Examples
        --------
        >>> import autograd_nn as ag
        >>> ag.tensor([1.9]).long()
        tensor([1])
        """
        return shapes.converted(self, np.int64)

    def int(self, memory_format: Any = None) -> Tensor:
        """Return the tensor as int32.

        Examples
        --------
        >>> import autograd_nn as ag
        >>> ag.tensor([1.9, -1.9]).int()
        tensor([ 1, -1], dtype=int32)
        """
        return shapes.converted(self, np.int32)

    def bool(self, memory_format: Any = None) -> Tensor:
        """Return the tensor as booleans.

        Examples
        --------
        >>> import autograd_nn as ag
        >>> ag.tensor([0.0, 0.5]).bool()
        tensor([False,  True])
        """
        return shapes.converted(self, np.bool_)

    def half(self, memory_format: Any = None) -> Tensor:
        """Return the tensor as float16.

        Examples
        --------
        >>> import autograd_nn as ag
        >>> ag.tensor([0.1]).half()
        tensor([0.1], dtype=float16)
        """
        return shapes.converted(self, np.float16)

    def short(self, memory_format: Any = None) -> Tensor:
        """Return the tensor as int16.

        Examples
        --------
        >>> import autograd_nn as ag
        >>> ag.tensor([1.9]).short()
        tensor([1], dtype=int16)
        """
        return shapes.converted(self, np.int16)

    def byte(self, memory_format: Any = None) -> Tensor:
        """Return the tensor as uint8.

        Examples
        --------
        >>> import autograd_nn as ag
        >>> ag.tensor([1.9, 200.0]).byte()
        tensor([  1, 200], dtype=uint8)
        """
        return shapes.converted(self, np.uint8)

    def type(self, dtype: Any = None) -> Any:
        """Return the tensor in another dtype; without one, PyTorch's name of its own, as ``'torch.FloatTensor'``.

        Examples
        --------
        >>> import autograd_nn as ag
        >>> ag.ones(2).type()
        'torch.FloatTensor'
        >>> ag.ones(2).type(ag.int64)
        tensor([1, 1])
        """
        if dtype is None:
            return f"torch.{TYPE_NAMES[self.dtype.name]}Tensor"
        if isinstance(dtype, str) and dtype.endswith("Tensor"):
            names = {name: dtype for dtype, name in TYPE_NAMES.items()}
            dtype = names.get(dtype.removeprefix("torch.").removesuffix("Tensor"), dtype)
        try:
            return shapes.converted(self, dtype)
        except TypeError:
            raise TypeError(f"type(): is not the dtype of a tensor (dtype={dtype!r})") from None

    def cfloat(self, memory_format: Any = None) -> Tensor:
        """Return the tensor as complex64.

        Examples
        --------
        >>> import autograd_nn as ag
        >>> ag.tensor([1.0]).cfloat()
        tensor([1.+0.j], dtype=complex64)
        """
        return shapes.converted(self, np.complex64)

    def cdouble(self, memory_format: Any = None) -> Tensor:
        """Return the tensor as complex128.

        Examples
        --------
        >>> import autograd_nn as ag
        >>> ag.tensor([1.0]).cdouble()
        tensor([1.+0.j], dtype=complex128)
        """
        return shapes.converted(self, np.complex128)

    def char(self, memory_format: Any = None) -> Tensor:
        """Return the tensor as int8.

        Examples
        --------
        >>> import autograd_nn as ag
        >>> ag.tensor([1.9, -2.9]).char()
        tensor([ 1, -2], dtype=int8)
        """
        return shapes.converted(self, np.int8)

    def cpu(self) -> Tensor:
        """Return the tensor itself: it is on the CPU.

        Examples
        --------
        >>> import autograd_nn as ag
        >>> x = ag.ones(2)
        >>> x.cpu() is x
        True
        """
        return self

    def cuda(self, device: Any = None) -> Tensor:
        """Raise: there is no other device than the CPU.

        Examples
        --------
        >>> import autograd_nn as ag
        >>> ag.ones(2).cuda()
        Traceback (most recent call last):
            ...
        RuntimeError: cuda(): autograd_nn computes on the CPU only
        """
        raise RuntimeError("cuda(): autograd_nn computes on the CPU only")

    def to_sparse(self) -> Any:
        """Return the elements that are not 0 as a sparse tensor (see `sparse`), with their gradient.

        Examples
        --------
        >>> import autograd_nn as ag
        >>> ag.eye(2).to_sparse()
        tensor(indices=[[0, 1], [0, 1]],
               values=[1.0, 1.0],
               size=(2, 2), nnz=2, layout=torch.sparse_coo)
        """
        return importlib.import_module("autograd_nn.sparse").to_sparse(self)  # a room above this one

    def to_dense(self) -> Tensor:
        """Return the tensor itself: it is dense.

        Examples
        --------
        >>> import autograd_nn as ag
        >>> x = ag.eye(2)
        >>> x.to_dense() is x
        True
        """
        return self

    # -------------------------------------------------------------------------------- new tensors like this one

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

    @with_other_names
    def new_zeros(self, *size: Any, dtype: Any = None, device: Any = None, requires_grad: Any = False) -> Tensor:
        """Return zeros of this tensor's dtype.

        Examples
        --------
        >>> import autograd_nn as ag
        >>> ag.tensor([1, 2]).new_zeros(3)
        tensor([0, 0, 0])
        """
        return creation.zeros(*size, dtype=dtype or self.dtype, device=device, requires_grad=requires_grad)

    @with_other_names
    def new_ones(self, *size: Any, dtype: Any = None, device: Any = None, requires_grad: Any = False) -> Tensor:
        """Return ones of this tensor's dtype.

        Examples
        --------
        >>> import autograd_nn as ag
        >>> ag.tensor([0.5]).new_ones(3)
        tensor([1., 1., 1.])
        """
        return creation.ones(*size, dtype=dtype or self.dtype, device=device, requires_grad=requires_grad)

    @with_other_names
    def new_empty(self, *size: Any, dtype: Any = None, device: Any = None, requires_grad: Any = False) -> Tensor:
        """Return a tensor of this dtype, not initialized.

        Examples
        --------
        >>> import autograd_nn as ag
        >>> ag.tensor([1, 2]).new_empty(2, 3).shape
        (2, 3)
        """
        return creation.empty(*size, dtype=dtype or self.dtype, device=device, requires_grad=requires_grad)

    @with_other_names
    def new_full(self, size: Any, fill_value: Any, dtype: Any = None, device: Any = None, requires_grad: Any = False
                 ) -> Tensor:
        """Return a tensor of this dtype filled with a number.

        Examples
        --------
        >>> import autograd_nn as ag
        >>> ag.tensor([0.5]).new_full((2,), 7)
        tensor([7., 7.])
        """
        return creation.full(size, fill_value, dtype=dtype or self.dtype, device=device, requires_grad=requires_grad)

    def bernoulli(self, p: Any = None, *, generator: Any = None) -> Tensor:
        """Return 1 with the probability that each element says, else 0.

        Examples
        --------
        >>> import autograd_nn as ag
        >>> ag.tensor([0.0, 1.0]).bernoulli()
        tensor([0., 1.])
        """
        return random.bernoulli(self, p, generator=generator)

    def multinomial(self, num_samples: Any, replacement: Any = False, *, generator: Any = None) -> Tensor:
        """Return the indices of draws from each row of weights (see `ops.random.multinomial`).

        Examples
        --------
        >>> import autograd_nn as ag
        >>> ag.tensor([0.0, 1.0]).multinomial(3, replacement=True)
        tensor([1, 1, 1])
        """
        return random.multinomial(self, num_samples, replacement, generator=generator)

    # -------------------------------------------------------------------------------- in place

    def _view_in_place(self, view: Tensor, operation: str) -> Tensor:
        """Become a view of this tensor, and take its place in the graph."""
        if is_grad_enabled() and self.node is not None and self.is_leaf:
            raise RuntimeError(f"{operation}: a leaf that requires a gradient cannot be changed in place while "
                               "operations are recorded; do it under no_grad()")
        self.array = view.array
        if self.node is not None and self.is_leaf:
            self.node.shape = view.shape
        else:
            self.node = view.node
        if type(self._view) is View:
            self._view = view._view
        elif self._view is not None:  # its views lead from what it was
            self._view = None
        return self

    def squeeze_(self, dim: Any = None) -> Tensor:
        """Take dims of size 1 away, in place.

        Examples
        --------
        >>> import autograd_nn as ag
        >>> x = ag.zeros(1, 3)
        >>> x.squeeze_().shape
        (3,)
        """
        return self._view_in_place(shapes.squeeze(self, dim), "squeeze_()")

    def unsqueeze_(self, dim: Dim) -> Tensor:
        """Insert a dim of size 1, in place.

        Examples
        --------
        >>> import autograd_nn as ag
        >>> x = ag.zeros(3)
        >>> x.unsqueeze_(0).shape
        (1, 3)
        """
        return self._view_in_place(shapes.unsqueeze(self, dim), "unsqueeze_()")

    def transpose_(self, dim0: Dim, dim1: Dim) -> Tensor:
        """Exchange two dims, in place.

        Examples
        --------
        >>> import autograd_nn as ag
        >>> x = ag.zeros(2, 3, 4)
        >>> x.transpose_(0, 2).shape
        (4, 3, 2)
        """
        return self._view_in_place(shapes.transpose(self, dim0, dim1), "transpose_()")

    def t_(self) -> Tensor:
        """Transpose a matrix in place.

        Examples
        --------
        >>> import autograd_nn as ag
        >>> x = ag.zeros(2, 3)
        >>> x.t_().shape
        (3, 2)
        """
        return self._view_in_place(self.t(), "t_()")


for name in missing.METHODS:
    setattr(Tensor, name, missing.AbsentMethod(name))

engine.set_result_type(Tensor)
_CPU = device("cpu")
TYPE_NAMES = {
    "float16": "Half", "float32": "Float", "float64": "Double", "uint8": "Byte", "int8": "Char", "int16": "Short",
    "int32": "Int", "int64": "Long", "bool": "Bool", "complex64": "ComplexFloat", "complex128": "ComplexDouble",
}  # fmt: skip


def _comparable(value: Any) -> Any:
    return isinstance(value, Variable | np.ndarray | np.generic | int | float | complex | bool | list | tuple)


def _rebuilt(kind: type[Tensor], data: np.ndarray, requires_grad: Any) -> Tensor:
    out = kind.__new__(kind)
    out.array = data
    out.node = out._view = None
    out.requires_grad = requires_grad
    return out


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

