"""A tensor as another dtype, on another device, and new tensors like it."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np

from ..devices.place import check_cpu, names_device
from ..engine import Variable
from ..ops import creation, random
from ..ops import shape as shapes
from ..ops.keywords import with_other_names
from ..typing import Tensor

__all__ = ["Conversion"]

TYPE_NAMES = {
    "float16": "Half", "float32": "Float", "float64": "Double", "uint8": "Byte", "int8": "Char", "int16": "Short",
    "int32": "Int", "int64": "Long", "bool": "Bool", "complex64": "ComplexFloat", "complex128": "ComplexDouble",
}  # fmt: skip


class Conversion(Variable):
    """Conversions, and new tensors of the same dtype."""

    __slots__ = ()

    # -------------------------------------------------------------------------------- dtype, device

    def to(self: Any, *targets: Any, dtype: Any = None, device: Any = None, non_blocking: Any = False,
           copy: Any = False, memory_format: Any = None) -> Tensor:
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
            if isinstance(target, Variable):
                dtype = target.array.dtype
            elif names_device(target):
                device = target
            elif not isinstance(target, bool):
                dtype = target
        if device is not None:
            check_cpu(device, "to")
        out = self if dtype is None else shapes.converted(self, dtype)
        return out.clone() if copy and out is self else out

    def type_as(self: Any, other: Tensor) -> Tensor:
        """Return the tensor in the dtype of `other`.

        Examples
        --------
        >>> import autograd_nn as ag
        >>> ag.tensor([1.9]).type_as(ag.tensor([1]))
        tensor([1])
        """
        return shapes.converted(self, other.dtype)

    def float(self: Any, memory_format: Any = None) -> Tensor:
        """Return the tensor as float32.

        Examples
        --------
        >>> import autograd_nn as ag
        >>> ag.tensor([1, 2]).float()
        tensor([1., 2.])
        """
        return shapes.converted(self, np.float32)

    def double(self: Any, memory_format: Any = None) -> Tensor:
        """Return the tensor as float64.

        Examples
        --------
        >>> import autograd_nn as ag
        >>> ag.tensor([0.5]).double()
        tensor([0.5], dtype=float64)
        """
        return shapes.converted(self, np.float64)

    def long(self: Any, memory_format: Any = None) -> Tensor:
        """Return the tensor as int64.

        Examples
        --------
        >>> import autograd_nn as ag
        >>> ag.tensor([1.9]).long()
        tensor([1])
        """
        return shapes.converted(self, np.int64)

    def int(self: Any, memory_format: Any = None) -> Tensor:
        """Return the tensor as int32.

        Examples
        --------
        >>> import autograd_nn as ag
        >>> ag.tensor([1.9, -1.9]).int()
        tensor([ 1, -1], dtype=int32)
        """
        return shapes.converted(self, np.int32)

    def bool(self: Any, memory_format: Any = None) -> Tensor:
        """Return the tensor as booleans.

        Examples
        --------
        >>> import autograd_nn as ag
        >>> ag.tensor([0.0, 0.5]).bool()
        tensor([False,  True])
        """
        return shapes.converted(self, np.bool_)

    def half(self: Any, memory_format: Any = None) -> Tensor:
        """Return the tensor as float16.

        Examples
        --------
        >>> import autograd_nn as ag
        >>> ag.tensor([0.1]).half()
        tensor([0.1], dtype=float16)
        """
        return shapes.converted(self, np.float16)

    def short(self: Any, memory_format: Any = None) -> Tensor:
        """Return the tensor as int16.

        Examples
        --------
        >>> import autograd_nn as ag
        >>> ag.tensor([1.9]).short()
        tensor([1], dtype=int16)
        """
        return shapes.converted(self, np.int16)

    def byte(self: Any, memory_format: Any = None) -> Tensor:
        """Return the tensor as uint8.

        Examples
        --------
        >>> import autograd_nn as ag
        >>> ag.tensor([1.9, 200.0]).byte()
        tensor([  1, 200], dtype=uint8)
        """
        return shapes.converted(self, np.uint8)

    def type(self: Any, dtype: Any = None) -> Any:
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

    def cfloat(self: Any, memory_format: Any = None) -> Tensor:
        """Return the tensor as complex64.

        Examples
        --------
        >>> import autograd_nn as ag
        >>> ag.tensor([1.0]).cfloat()
        tensor([1.+0.j], dtype=complex64)
        """
        return shapes.converted(self, np.complex64)

    def cdouble(self: Any, memory_format: Any = None) -> Tensor:
        """Return the tensor as complex128.

        Examples
        --------
        >>> import autograd_nn as ag
        >>> ag.tensor([1.0]).cdouble()
        tensor([1.+0.j], dtype=complex128)
        """
        return shapes.converted(self, np.complex128)

    def char(self: Any, memory_format: Any = None) -> Tensor:
        """Return the tensor as int8.

        Examples
        --------
        >>> import autograd_nn as ag
        >>> ag.tensor([1.9, -2.9]).char()
        tensor([ 1, -2], dtype=int8)
        """
        return shapes.converted(self, np.int8)

    def cpu(self: Any) -> Tensor:
        """Return the tensor itself: it is on the CPU.

        Examples
        --------
        >>> import autograd_nn as ag
        >>> x = ag.ones(2)
        >>> x.cpu() is x
        True
        """
        out: Tensor = self
        return out

    def cuda(self: Any, device: Any = None) -> Tensor:
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

    def to_sparse(self: Any) -> Any:
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

    def to_dense(self: Any) -> Tensor:
        """Return the tensor itself: it is dense.

        Examples
        --------
        >>> import autograd_nn as ag
        >>> x = ag.eye(2)
        >>> x.to_dense() is x
        True
        """
        out: Tensor = self
        return out

    # -------------------------------------------------------------------------------- new tensors like this one

    @with_other_names
    def new_zeros(self: Any, *size: Any, dtype: Any = None, device: Any = None, requires_grad: Any = False) -> Tensor:
        """Return zeros of this tensor's dtype.

        Examples
        --------
        >>> import autograd_nn as ag
        >>> ag.tensor([1, 2]).new_zeros(3)
        tensor([0, 0, 0])
        """
        return creation.zeros(*size, dtype=dtype or self.dtype, device=device, requires_grad=requires_grad)

    @with_other_names
    def new_ones(self: Any, *size: Any, dtype: Any = None, device: Any = None, requires_grad: Any = False) -> Tensor:
        """Return ones of this tensor's dtype.

        Examples
        --------
        >>> import autograd_nn as ag
        >>> ag.tensor([0.5]).new_ones(3)
        tensor([1., 1., 1.])
        """
        return creation.ones(*size, dtype=dtype or self.dtype, device=device, requires_grad=requires_grad)

    @with_other_names
    def new_empty(self: Any, *size: Any, dtype: Any = None, device: Any = None, requires_grad: Any = False) -> Tensor:
        """Return a tensor of this dtype, not initialized.

        Examples
        --------
        >>> import autograd_nn as ag
        >>> ag.tensor([1, 2]).new_empty(2, 3).shape
        (2, 3)
        """
        return creation.empty(*size, dtype=dtype or self.dtype, device=device, requires_grad=requires_grad)

    @with_other_names
    def new_full(self: Any, size: Any, fill_value: Any, dtype: Any = None, device: Any = None,
                 requires_grad: Any = False) -> Tensor:
        """Return a tensor of this dtype filled with a number.

        Examples
        --------
        >>> import autograd_nn as ag
        >>> ag.tensor([0.5]).new_full((2,), 7)
        tensor([7., 7.])
        """
        return creation.full(size, fill_value, dtype=dtype or self.dtype, device=device, requires_grad=requires_grad)

    def bernoulli(self: Any, p: Any = None, *, generator: Any = None) -> Tensor:
        """Return 1 with the probability that each element says, else 0.

        Examples
        --------
        >>> import autograd_nn as ag
        >>> ag.tensor([0.0, 1.0]).bernoulli()
        tensor([0., 1.])
        """
        return random.bernoulli(self, p, generator=generator)

    def multinomial(self: Any, num_samples: Any, replacement: Any = False, *, generator: Any = None) -> Tensor:
        """Return the indices of draws from each row of weights (see `ops.random.multinomial`).

        Examples
        --------
        >>> import autograd_nn as ag
        >>> ag.tensor([0.0, 1.0]).multinomial(3, replacement=True)
        tensor([1, 1, 1])
        """
        return random.multinomial(self, num_samples, replacement, generator=generator)
