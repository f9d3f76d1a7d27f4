"""What a tensor says of itself: sizes, strides, parts, kinds."""

from __future__ import annotations

from typing import Any

from ..engine import Variable
from ..ops import complexes
from ..ops import shape as shapes
from ..typing import Tensor
from .size import Size

__all__ = ["Description"]


class Description(Variable):
    """Properties and questions, beside those that `Tensor` has itself."""

    __slots__ = ()

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
        ((2, 3), 3)
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
    def real(self: Any) -> Tensor:
        """The real parts, as a view; the tensor itself where it is real.

        Examples
        --------
        >>> import autograd_nn as ag
        >>> ag.tensor([1 + 2j]).real
        tensor([1.])
        """
        return complexes.real(self)

    @real.setter
    def real(self: Any, value: Any) -> None:
        complexes.real(self).copy_(value)

    @property
    def imag(self: Any) -> Tensor:
        """The imaginary parts, as a view; an error where the tensor is real.

        Examples
        --------
        >>> import autograd_nn as ag
        >>> ag.tensor([1 + 2j]).imag
        tensor([2.])
        """
        return complexes.imag(self)

    @imag.setter
    def imag(self: Any, value: Any) -> None:
        complexes.imag(self).copy_(value)

    @property
    def H(self: Any) -> Tensor:
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
    def mH(self: Any) -> Tensor:
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
