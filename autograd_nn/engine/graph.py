"""The graph as plain data: variables and the nodes behind them."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..typing import Array, Tensor
from . import views
from .errors import warn
from .recording import structure


class Node:
    """A place where gradients arrive: the shape and dtype of a variable, and its gradient once there is one.

    A rule that reads ``x_like`` is handed the node of `x`, or a bare `Node` where x has none.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> y = ag.ones(2, requires_grad=True).sum()
    >>> node = y.grad_fn
    >>> node.shape, node.dtype
    ((), dtype('float32'))
    """

    __slots__ = ("__weakref__", "dtype", "grad", "hooks", "shape")

    parents: Sequence[Node | None] = ()
    retains = False

    def __init__(self, shape: tuple[int, ...], dtype: np.dtype[Any]):
        self.shape = shape
        self.dtype = dtype
        self.grad: Any = None
        self.hooks: dict[int, Callable[[Any], Any]] | None = None

    @property
    def ndim(self) -> int:
        return len(self.shape)


class Leaf(Node):
    """The node of a variable that requires a gradient and was not computed from others.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> y = ag.ones(2, requires_grad=True) * 3
    >>> type(y.grad_fn.parents[0]).__name__
    'Leaf'
    """

    __slots__ = ()


class Call(Node):
    """One recorded application of a primitive; at the same time the node of its first result.

    Attributes
    ----------
    primitive : Primitive
    parents : list of Node or None
        The node of each input; None for an input that needs no gradient.
    inputs : list or None
        Of each input what the rules read: its array, a Python number, a bare `Node`, or None. Freed by `backward`.
    outputs : list of ndarray or None
        The results that the rules read. Freed by `backward`.
    params : dict
        The settings (keyword arguments).
    plan : Plan
        What of these the rules read.
    time : int
        The count of in-place changes when the call was made (see `versions`).
    retains : bool
        Whether the gradient of the first result is kept in ``grad`` (`Variable.retain_grad`).

    Examples
    --------
    >>> import autograd_nn as ag
    >>> y = ag.ones(2, requires_grad=True) * 3
    >>> y.grad_fn
    <Call mul() -> (2,)>
    >>> y.grad_fn.primitive.name, y.grad_fn.shape
    ('mul', (2,))
    """

    __slots__ = ("count", "inputs", "outputs", "params", "parents", "plan", "primitive", "retains", "time")

    primitive: Any
    parents: list[Node | None]
    inputs: list[Any] | None
    outputs: Any
    params: dict[str, Any]
    plan: Any
    time: int
    retains: bool
    count: int  # how many results there are, where that differs from call to call

    def __repr__(self) -> str:
        return f"<Call {self.primitive.name}() -> {self.shape}>"


class Result(Node):
    """The node of a further result of a call: its only parent is the call, its number `index`.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> values, _ = ag.ones(2, 3, requires_grad=True).max(dim=1)
    >>> values.requires_grad
    True
    """

    __slots__ = ("index", "parents", "retains")

    def __init__(self, call: Call, index: int, shape: tuple[int, ...], dtype: np.dtype[Any]):
        super().__init__(shape, dtype)
        self.parents = (call,)
        self.index = index
        self.retains = False

    @property
    def primitive(self) -> Any:
        return self.parents[0].primitive  # type: ignore[union-attr]


Computed = (Call, Result)


class Variable:
    """An array and the node that stands for it in the graph; `Tensor` adds the syntax.

    Attributes
    ----------
    array : ndarray
        The elements. What is written into it past the door is not recorded, and not seen.
    node : Node or None

    Examples
    --------
    >>> from autograd_nn import engine
    >>> import autograd_nn as ag
    >>> isinstance(ag.ones(2), engine.Variable)
    True
    """

    __slots__ = ("__weakref__", "_view", "array", "node")

    array: np.ndarray
    node: Node | None
    _view: Any  # what `views` knows: None, an Owner (it has views) or a View

    @property
    def memory(self) -> Any:
        """The array; of a tensor inside `vmap` that of all samples.

        Examples
        --------
        >>> import autograd_nn as ag
        >>> ag.zeros(2).memory
        array([0., 0.], dtype=float32)
        """
        return self.array

    def placed(self, node: Node | None) -> Any:
        """Return a variable of the same elements with another place in the graph.

        Examples
        --------
        >>> import autograd_nn as ag
        >>> w = ag.ones(2, requires_grad=True)
        >>> w.placed()
        Traceback (most recent call last):
            ...
        TypeError: Variable.placed() missing 1 required positional argument: 'node'
        """
        return wrap(self.array, node)

    @property
    def data(self) -> Any:
        """A tensor outside the graph that shares the memory; writes to it are not seen by the in-place check.

        Examples
        --------
        >>> import autograd_nn as ag
        >>> w = ag.tensor([1.0, 2.0], requires_grad=True)
        >>> w.data
        tensor([1., 2.])
        """
        out = wrap(self.array)
        out._view = views.Untracked()
        return out

    @data.setter
    def data(self, value: Any) -> None:
        array = value.array if isinstance(value, Variable) else np.asarray(value)
        if isinstance(self.node, Computed):
            raise RuntimeError("data: only a leaf can be given new data; this tensor is the result of "
                               f"{self.node.primitive.name}() (use .detach() first)")
        self.array = array
        self._view = None
        if self.node is not None:
            self.node.shape, self.node.dtype = array.shape, array.dtype

    @property
    def origin(self) -> Call | None:
        """The call that computed this variable; None for a leaf and for what was not recorded.

        Examples
        --------
        >>> import autograd_nn as ag
        >>> w = ag.ones(2, requires_grad=True)
        >>> (w * 2).origin
        <Call mul() -> (2,)>
        """
        if self._view is not None:
            views.renew(self)
        node = self.node
        if isinstance(node, Result):
            return node.parents[0]  # type: ignore[return-value]
        return node if isinstance(node, Call) else None

    @property
    def is_leaf(self) -> bool:
        """Whether no recorded call computed this variable.

        Examples
        --------
        >>> import autograd_nn as ag
        >>> w = ag.ones(2, requires_grad=True)
        >>> w.is_leaf, (w * 2).is_leaf
        (True, False)
        """
        return self.origin is None

    @property
    def requires_grad(self) -> bool:
        """Whether gradients are computed for this variable.

        Examples
        --------
        >>> import autograd_nn as ag
        >>> ag.ones(2).requires_grad, ag.ones(2, requires_grad=True).requires_grad
        (False, True)
        """
        if self._view is not None:
            views.renew(self)
        return self.node is not None

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        if isinstance(self.node, Computed):
            if not value:
                raise RuntimeError("requires_grad: only a leaf can be changed; this tensor is the result of "
                                   f"{self.node.primitive.name}() (use .detach() for one without a graph)")
        elif not value:
            self.node = None
        elif self.node is None:
            if self.array.dtype.kind not in "fc":
                raise RuntimeError(f"requires_grad: only floating-point tensors have gradients, and complex ones "
                                   f"(dtype={self.array.dtype}); convert with .float()")
            self.node = Leaf(self.array.shape, self.array.dtype)

    @property
    def grad(self) -> Any:
        """The gradient that `backward` added up; None before. Gradients stay at leaves and where `retain_grad` asks.

        Examples
        --------
        >>> import autograd_nn as ag
        >>> w = ag.tensor([1.0, 2.0], requires_grad=True)
        >>> (w * w).sum().backward()
        >>> w.grad
        tensor([2., 4.])
        """
        node = self.node
        if node is None:
            return None
        if isinstance(node, Computed) and not node.retains:
            warn(f"grad: this tensor is the result of {node.primitive.name}(), not a leaf; its gradient is "
                          "kept only after .retain_grad()")
        return node.grad

    @grad.setter
    def grad(self, value: Any) -> None:
        if value is None:
            if self.node is not None:
                self.node.grad = None
            return
        if self.node is None:
            raise RuntimeError("grad: only a tensor that requires a gradient can be given one; "
                               "call .requires_grad_() first")
        if not isinstance(value, Variable):
            raise TypeError(f"grad: must be a tensor or None, got {type(value).__name__}")
        if value.array.shape != self.array.shape or value.array.dtype != self.array.dtype:
            raise RuntimeError(f"grad: must have the tensor's shape and dtype {self.array.shape}, {self.array.dtype}; "
                               f"got {value.array.shape}, {value.array.dtype}")
        self.node.grad = value

    def retain_grad(self) -> None:
        """Keep the gradient of this result in ``.grad``, as leaves do.

        Examples
        --------
        >>> import autograd_nn as ag
        >>> w = ag.ones(2, requires_grad=True)
        >>> x = w * 3
        >>> x.retain_grad()
        >>> (x**2).sum().backward()
        >>> x.grad
        tensor([6., 6.])
        """
        if not self.requires_grad:
            raise RuntimeError("retain_grad(): the tensor does not require grad")
        if isinstance(self.node, Computed):
            self.node.retains = True

    def register_hook(self, hook: Callable[[Any], Any]) -> HookHandle:
        """Call ``hook(gradient)`` when the gradient of this tensor is known; what it returns replaces it.

        Returns
        -------
        HookHandle
            Its ``remove()`` takes the hook away.

        Examples
        --------
        >>> import autograd_nn as ag
        >>> w = ag.ones(2, requires_grad=True)
        >>> handle = w.register_hook(lambda g: 10 * g)
        >>> w.sum().backward()
        >>> w.grad
        tensor([10., 10.])
        >>> handle.remove()
        """
        if not self.requires_grad or self.node is None:
            raise RuntimeError("register_hook(): the tensor does not require grad")
        if self.node.hooks is None:
            self.node.hooks = {}
        return HookHandle(self.node.hooks, hook)


class HookHandle:
    """Takes a registered hook away with ``remove()``, or at the end of a ``with`` block.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> w = ag.ones(2, requires_grad=True)
    >>> handle = w.register_hook(lambda g: 10 * g)
    >>> handle.remove()
    >>> w.sum().backward()
    >>> w.grad
    tensor([1., 1.])
    """

    _count = itertools.count()

    def __init__(self, hooks: dict[int, Any], hook: object):
        function = hook[1] if isinstance(hook, tuple) else hook
        if not callable(function):
            raise TypeError(f"hook must be a function (hook={function!r:.60}, of type {type(function).__name__})")
        self._hooks = hooks
        self._id = next(HookHandle._count)
        hooks[self._id] = hook
        structure.changes += 1

    def remove(self) -> None:
        structure.changes += 1
        self._hooks.pop(self._id, None)

    def __enter__(self) -> HookHandle:
        return self

    def __exit__(self, *exception: object) -> None:
        self.remove()


result_type: type[Variable] = Variable


def set_result_type(kind: type[Variable]) -> None:
    """Say which subclass of `Variable` primitives return.

    Examples
    --------
    >>> from autograd_nn import engine
    >>> import autograd_nn as ag
    >>> engine.set_result_type(ag.Tensor)
    """
    global result_type
    result_type = kind


def wrap(array: Array, node: Node | None = None) -> Tensor:
    """Return a new variable that shares `array`.

    Examples
    --------
    >>> from autograd_nn import engine
    >>> import numpy as np
    >>> array = np.zeros(2)
    >>> x = engine.wrap(array)
    >>> array[0] = 5
    >>> x
    tensor([5., 0.], dtype=float64)
    """
    out = object.__new__(result_type)
    out.array = array
    out.node = node
    out._view = None
    return out  # type: ignore[return-value]  # the result type is Tensor, once that is defined
