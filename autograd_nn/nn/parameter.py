"""Parameter: a tensor that a Module counts among what it learns."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..devices.place import check_cpu
from ..engine import Variable, get_default_dtype
from ..engine.graph import Leaf
from ..tensor import Tensor
from ..typing import Array, ArrayLike, DeviceLike, DTypeLike, Shape, ShapeLike

__all__ = ["Parameter", "UninitializedBuffer", "UninitializedParameter"]


class Parameter(Tensor):
    """A leaf tensor that belongs to the parameters of every module that has it as an attribute.

    Parameters
    ----------
    data : Tensor, array, number or nested sequence
        The memory of a tensor is shared; anything else is copied.
    requires_grad : bool
        Whether it is trained.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn import nn
    >>> weight = nn.Parameter(ag.zeros(2, 3))
    >>> weight.requires_grad, weight.is_leaf
    (True, True)
    """

    __slots__ = ()

    def __init__(self, data: Tensor | ArrayLike, requires_grad: bool = True):
        super().__init__((), dtype=get_default_dtype()) if isinstance(data, Variable) else super().__init__(data)
        if isinstance(data, Variable):
            self.array = data.array
        self.requires_grad = requires_grad

    def __repr__(self) -> str:
        return f"Parameter containing:\n{super().__repr__()}"


def empty_parameter(shape: Shape, dtype: DTypeLike | None = None, device: DeviceLike = None) -> Parameter:
    """Return a parameter of `shape` (float32 unless `dtype` says otherwise) whose elements are still to be set."""
    if min(shape) < 0:
        raise ValueError(f"Parameter: sizes must not be negative (shape={shape})")
    check_cpu(device, "Parameter")
    return Parameter(Tensor(np.zeros(shape, get_default_dtype() if dtype is None else dtype)))


class Uninitialized(Tensor):
    """A tensor of a lazy module whose shape the first input decides; using it before is an error."""

    __slots__ = ()

    _becomes: type[Tensor] = Tensor

    def __init__(self, requires_grad: bool = False, device: DeviceLike = None, dtype: DTypeLike | None = None):
        check_cpu(device, type(self).__name__)
        _memory.__set__(self, np.empty(0, get_default_dtype() if dtype is None else dtype))
        self._view = None
        self.node = Leaf((0,), self.dtype) if requires_grad else None

    @property
    def array(self) -> Array:  # type: ignore[override]
        """Raise: there is none."""
        raise RuntimeError(f"{type(self).__name__}: its shape is not known yet; call the module once with an input (a "
                           "dry run) before")

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type that the elements will have."""
        return _memory.__get__(self).dtype  # type: ignore[no-any-return]

    @property
    def is_leaf(self) -> bool:
        """Return True."""
        return True

    def set_dtype(self, dtype: DTypeLike) -> None:
        """Change the type that the elements will have."""
        _memory.__set__(self, np.empty(0, dtype))
        if self.node is not None:
            self.node = Leaf((0,), self.dtype)

    def materialize(self, shape: ShapeLike, device: DeviceLike = None, dtype: DTypeLike | None = None) -> None:
        """Become an ordinary parameter or buffer of a shape, whose elements are 0."""
        check_cpu(device, "materialize")
        memory = np.zeros(shape, self.dtype if dtype is None else dtype)
        self.__class__ = self._becomes  # type: ignore[assignment]
        _memory.__set__(self, memory)
        if self.node is not None:
            self.node = Leaf(memory.shape, memory.dtype)

    def detach(self) -> Tensor:
        """Return the tensor itself."""
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        return type(self)(self.node is not None, dtype=self.dtype)

    def __reduce__(self) -> Any:
        return type(self), (self.node is not None, None, self.dtype)

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"


class UninitializedParameter(Uninitialized, Parameter):
    """A parameter of a lazy module whose shape the first input decides.

    Parameters
    ----------
    requires_grad : bool
    device, dtype : optional

    Examples
    --------
    >>> from autograd_nn import nn
    >>> p = nn.UninitializedParameter()
    >>> p
    <UninitializedParameter>
    >>> p.materialize((2, 3))
    >>> p.shape, type(p).__name__
    ((2, 3), 'Parameter')
    """

    __slots__ = ()

    _becomes = Parameter

    def __init__(self, requires_grad: bool = True, device: DeviceLike = None, dtype: DTypeLike | None = None):
        Uninitialized.__init__(self, requires_grad, device, dtype)


class UninitializedBuffer(Uninitialized):
    """A buffer of a lazy module whose shape the first input decides; see `UninitializedParameter`.

    Examples
    --------
    >>> from autograd_nn import nn
    >>> nn.UninitializedBuffer()
    <UninitializedBuffer>
    """

    __slots__ = ()


_memory: Any = Variable.__dict__["array"]  # the slot, which `Uninitialized` hides
