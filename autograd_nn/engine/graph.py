"""The graph as plain data: variables, the nodes behind them, and the clock of in-place changes."""

from __future__ import annotations

import itertools
import warnings
import weakref
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from ..typing import Array, Tensor

accumulating: Callable[[Any, Any], None] | None = None  # is told of each gradient that is added to, and of the sum
differentiated: Callable[[Any], None] | None = None  # is told of each node that a call of `backward` starts from

# ---------------------------------------------------------------------------------------------- nodes


class Node:
    """A place where gradients arrive: the shape and dtype of a variable, and its gradient once there is one.

    A vjp that reads only the shape or dtype of an input is handed the input's node in its place.
    """

    __slots__ = ("__weakref__", "dtype", "grad", "hooks", "shape")

    parents: Sequence[Node | None]
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    grad: Any
    hooks: dict[int, Callable[[Any], Any]] | None

    @property
    def ndim(self) -> int:
        return len(self.shape)


class Leaf(Node):
    """The node of a variable that requires a gradient and was not computed from others."""

    __slots__ = ()

    parents = ()

    def __init__(self, shape: tuple[int, ...], dtype: np.dtype[Any]):
        self.shape = shape
        self.dtype = dtype
        self.grad = None
        self.hooks = None


class Call(Node):
    """One recorded application of a primitive.

    Attributes
    ----------
    primitive : Primitive
    parents : list of Node or None
        The node of each input; None for an input that needs no gradient.
    inputs : list or None
        Of each input what the vjps read: its array, a Python number, or None. Freed by `backward`.
    output : ndarray or None
        The result, where a vjp reads it.
    residuals : tuple of ndarray
        What the forward function computed on the way and hands to its vjps.
    params : dict
        The settings (keyword arguments).
    plan : Plan
        What of these the vjps read.
    time : int
        The count of in-place changes when the call was made (see `mark_changed`).
    retains : bool
        Whether the gradient of the output is kept in ``grad`` (`Variable.retain_grad`).
    """

    __slots__ = ("inputs", "output", "params", "parents", "plan", "primitive", "residuals", "retains", "time")

    primitive: Any
    parents: list[Node | None]
    inputs: list[Any] | None
    output: np.ndarray | None
    residuals: tuple[np.ndarray, ...]
    params: dict[str, Any]
    plan: Any
    time: int
    retains: bool

    def __repr__(self) -> str:
        return f"<Call {self.primitive.name}() -> {self.shape}>"


class Variable:
    """An array and the node that stands for it in the graph; `Tensor` adds the syntax."""

    __slots__ = ("__weakref__", "_data", "node")

    _data: np.ndarray
    node: Node | None

    @property
    def data(self) -> np.ndarray:
        """The array itself, shared: what is written into it is not recorded."""
        return self._data

    @data.setter
    def data(self, value: Any) -> None:
        array = value._data if isinstance(value, Variable) else np.asarray(value)
        if isinstance(self.node, Call):
            raise RuntimeError("data: only a leaf can be given new data; this tensor is the result of "
                               f"{self.node.primitive.name}() (use .detach() first)")
        self._data = array
        if self.node is not None:
            self.node.shape, self.node.dtype = array.shape, array.dtype

    @property
    def origin(self) -> Call | None:
        """The call that computed this variable; None for a leaf and for what was not recorded."""
        return self.node if isinstance(self.node, Call) else None

    @property
    def is_leaf(self) -> bool:
        """Whether no recorded call computed this variable."""
        return not isinstance(self.node, Call)

    @property
    def requires_grad(self) -> bool:
        """Whether gradients are computed for this variable."""
        return self.node is not None

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        if isinstance(self.node, Call):
            if not value:
                raise RuntimeError("requires_grad: only a leaf can be changed; this tensor is the result of "
                                   f"{self.node.primitive.name}() (use .detach() for one without a graph)")
        elif not value:
            self.node = None
        elif self.node is None:
            if self._data.dtype.kind != "f":
                raise RuntimeError(f"requires_grad: only floating-point tensors have gradients "
                                   f"(dtype={self._data.dtype}); convert with .float()")
            self.node = Leaf(self._data.shape, self._data.dtype)


    @property
    def grad(self) -> Any:
        """The gradient that `backward` added up; None before. Gradients stay at leaves and where `retain_grad` asks."""
        node = self.node
        if node is None:
            return None
        if isinstance(node, Call) and not node.retains:
            warnings.warn(f"grad: this tensor is the result of {node.primitive.name}(), not a leaf; its gradient is "
                          "kept only after .retain_grad()", stacklevel=2)
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
        if value._data.shape != self._data.shape or value._data.dtype != self._data.dtype:
            raise RuntimeError(f"grad: must have the tensor's shape and dtype {self._data.shape}, {self._data.dtype}; "
                               f"got {value._data.shape}, {value._data.dtype}")
        self.node.grad = value

    def retain_grad(self) -> None:
        """Keep the gradient of this result in ``.grad``, as leaves do."""
        if self.node is None:
            raise RuntimeError("retain_grad(): the tensor does not require grad")
        if isinstance(self.node, Call):
            self.node.retains = True

    def register_hook(self, hook: Callable[[Any], Any]) -> HookHandle:
        """Call ``hook(gradient)`` when the gradient of this tensor is known; what it returns replaces it.

        Returns
        -------
        HookHandle
            Its ``remove()`` takes the hook away.
        """
        if self.node is None:
            raise RuntimeError("register_hook(): the tensor does not require grad")
        if self.node.hooks is None:
            self.node.hooks = {}
        return HookHandle(self.node.hooks, hook)


class HookHandle:
    """Takes a registered hook away with ``remove()``, or at the end of a ``with`` block."""

    _count = itertools.count()

    def __init__(self, hooks: dict[int, Any], hook: object):
        self._hooks = hooks
        self._id = next(HookHandle._count)
        hooks[self._id] = hook

    def remove(self) -> None:
        self._hooks.pop(self._id, None)

    def __enter__(self) -> HookHandle:
        return self

    def __exit__(self, *exception: object) -> None:
        self.remove()


result_type: type[Variable] = Variable


def set_result_type(kind: type[Variable]) -> None:
    """Say which subclass of `Variable` primitives return."""
    global result_type
    result_type = kind


def wrap(array: Array, node: Node | None = None) -> Tensor:
    """Return a new variable that shares `array`."""
    out = object.__new__(result_type)
    out._data = array
    out.node = node
    return out  # type: ignore[return-value]  # the result type is Tensor, once that is defined

# --------------------------------------------------------------------------------- in-place changes
#
# A value that a vjp will read must not change in between. Memory, not tensors, carries the versions: each
# in-place change advances one clock and stamps the owner of the memory with it, so that views and detached aliases are
# covered and calls pay for nothing but one integer.

clock = 0
stamps: dict[int, tuple[int, weakref.ref[np.ndarray]]] = {}
_stamps_limit = 1024


def _owner(array: np.ndarray) -> np.ndarray:
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array


def mark_changed(array: np.ndarray) -> None:
    """Note that the memory of `array` was written to in place."""
    global clock, stamps, _stamps_limit
    clock += 1
    owner = _owner(array)
    stamps[id(owner)] = clock, weakref.ref(owner)
    if len(stamps) > _stamps_limit:
        stamps = {key: stamp for key, stamp in stamps.items() if stamp[1]() is not None}
        _stamps_limit = max(1024, 2 * len(stamps))


def _changed_at(array: np.ndarray) -> int:
    owner = _owner(array)
    time, reference = stamps.get(id(owner), (0, None))
    return time if reference is not None and reference() is owner else 0


def check_unchanged(call: Call, arrays: Iterable[Any]) -> None:
    for array in arrays:
        if isinstance(array, np.ndarray) and _changed_at(array) > call.time:
            raise RuntimeError(
                f"backward(): a value of shape {array.shape} that the gradient of {call.primitive.name}() needs was "
                "changed in place after it was used (an in-place method, item assignment or an optimizer step "
                "between forward and backward); work on a .clone() or compute the forward pass again"
            )
