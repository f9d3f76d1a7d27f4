"""Variable: PyTorch's name, before version 0.4, of a tensor that records."""

from __future__ import annotations

from typing import Any

from ..engine.errors import warn
from ..tensor import Tensor

__all__ = ["Variable"]


class _Type(type):
    """The type of the name: calling it makes a `Tensor`, and all tensors are its instances."""

    def __call__(cls, data: Tensor | None = None, requires_grad: bool = False, volatile: bool | None = None) -> Tensor:
        if data is None:
            data = Tensor([])
        if not isinstance(data, Tensor):
            raise TypeError(f"Variable(): expects a tensor, got {type(data).__name__}; use tensor(data)")
        if volatile is not None:
            warn("Variable(): volatile has no effect; use 'with no_grad():'")
        out = data.detach()
        return out.requires_grad_() if requires_grad else out

    def __instancecheck__(cls, x: object) -> bool:
        return isinstance(x, Tensor)

    def __getattr__(cls, name: str) -> Any:
        return getattr(Tensor, name)


class Variable(metaclass=_Type):
    """Return a tensor that shares the memory of another, outside its graph, as PyTorch's does.

    Parameters
    ----------
    data : Tensor
    requires_grad : bool
    volatile : optional
        Without effect, with a warning.

    Examples
    --------
    >>> from autograd_nn import ones
    >>> from autograd_nn.autograd import Variable
    >>> x = Variable(ones(2), requires_grad=True)
    >>> (x * x).sum().backward()
    >>> x.grad
    tensor([2., 2.])
    """
