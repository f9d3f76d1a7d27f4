"""Reverse-mode automatic differentiation: the graph, the door that records it, the backward pass.

A `Variable` is an array plus the `node` that produced it. There are two kinds of node: a `Leaf` (a variable
that a user asked gradients for) and a `Call`, plain data that says which primitive was applied to which parent
nodes. Nodes point to their parents and to nothing else, so a graph has no reference cycles and dies with
the last variable that needs it.

A `Primitive` is one array function plus one vector-Jacobian product (vjp) per input. Every application of every
primitive passes `Primitive.__call__`, the one door, where a `listen`er may watch or replace it.

The engine knows no operation. Of a gradient it asks three things: ``a + b``, ``a.to(dtype)`` and
``a.sum_to_size(shape)``.

The algorithm is reverse accumulation over a topological order (A. Griewank and A. Walther, "Evaluating
Derivatives", 2nd ed., SIAM 2008, section 3.2), iterative, so that the depth of a graph is bounded by memory alone.
"""

from __future__ import annotations

import dis
import functools
import inspect
import itertools
import threading
import types
import warnings
import weakref
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

__all__ = [
    "Call",
    "Leaf",
    "Primitive",
    "Variable",
    "backward",
    "elementwise",
    "enable_grad",
    "grad",
    "is_grad_enabled",
    "listen",
    "mark_changed",
    "no_grad",
    "primitive",
    "set_grad_enabled",
]

DEFAULT_DTYPE = np.dtype(np.float32)


class _State(threading.local):
    """What each thread has of its own: is it recording, who listens, which call is being differentiated."""

    recording = True
    listener: Callable[..., Any] | None = None
    differentiating: Call | None = None


_state = _State()


# ---------------------------------------------------------------------------------------------- the graph


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

    parents: list[Node | None]

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

    def __init__(self, hooks: dict[int, Any], hook: Callable[..., Any]):
        self._hooks = hooks
        self._id = next(HookHandle._count)
        hooks[self._id] = hook

    def remove(self) -> None:
        self._hooks.pop(self._id, None)

    def __enter__(self) -> HookHandle:
        return self

    def __exit__(self, *exception: object) -> None:
        self.remove()


_result_type: type[Variable] = Variable


def set_result_type(kind: type[Variable]) -> None:
    """Say which subclass of `Variable` primitives return."""
    global _result_type
    _result_type = kind


def wrap(array: np.ndarray, node: Node | None = None) -> Any:
    """Return a new variable that shares `array`."""
    out = _new(_result_type)
    out._data = array
    out.node = node
    return out


# --------------------------------------------------------------------------------- in-place changes
#
# A value that a vjp will read must not change in between. Memory, not tensors, carries the versions: each
# in-place change advances one clock and stamps the owner of the memory with it, so that views and detached aliases are
# covered and calls pay for nothing but one integer.

_clock = 0
_stamps: dict[int, tuple[int, weakref.ref[np.ndarray]]] = {}
_stamps_limit = 1024


def _owner(array: np.ndarray) -> np.ndarray:
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array


def mark_changed(array: np.ndarray) -> None:
    """Note that the memory of `array` was written to in place."""
    global _clock, _stamps, _stamps_limit
    _clock += 1
    owner = _owner(array)
    _stamps[id(owner)] = _clock, weakref.ref(owner)
    if len(_stamps) > _stamps_limit:
        _stamps = {key: stamp for key, stamp in _stamps.items() if stamp[1]() is not None}
        _stamps_limit = max(1024, 2 * len(_stamps))


def _changed_at(array: np.ndarray) -> int:
    owner = _owner(array)
    time, reference = _stamps.get(id(owner), (0, None))
    return time if reference is not None and reference() is owner else 0


def _check_unchanged(call: Call, arrays: Iterable[Any]) -> None:
    for array in arrays:
        if isinstance(array, np.ndarray) and _changed_at(array) > call.time:
            raise RuntimeError(
                f"backward(): a value of shape {array.shape} that the gradient of {call.primitive.name}() needs was "
                "changed in place after it was used (an in-place method, item assignment or an optimizer step "
                "between forward and backward); work on a .clone() or compute the forward pass again"
            )


# ------------------------------------------------------------------------------------------ primitives


def _names_read(rule: Callable[..., Any]) -> tuple[set[str], set[str]] | None:
    """Return which parameters a rule reads as data and which only by shape; None where it cannot be told."""
    code = getattr(rule, "__code__", None)
    if code is None or code.co_flags & inspect.CO_VARARGS:
        return None
    data, shape = set(code.co_cellvars), set()
    instructions = list(dis.get_instructions(code))
    for instruction, following in zip(instructions, instructions[1:]):
        if instruction.opname.startswith("LOAD_FAST"):
            loaded = instruction.argval
            *rest, last = loaded if isinstance(loaded, tuple) else (loaded,)
            data.update(rest)
            by_shape = following.opname == "LOAD_ATTR" and following.argval in ("shape", "dtype", "ndim")
            (shape if by_shape else data).add(last)
    return data, shape


class Plan:
    """What a call keeps for backward, given which of its inputs need a gradient.

    Attributes
    ----------
    inputs : list of bool
        Which inputs some rule reads; `kept` are their positions, `everything` says that it is all of them.
    output : bool
        Whether some rule reads the result.
    keeps : bool
        Whether anything at all is kept that `backward` frees.
    rules : list of (int, callable)
        The position and vjp of each input that needs a gradient; empty where there is a joint rule.
    """

    __slots__ = ("everything", "inputs", "keeps", "kept", "output", "rules")

    def __init__(self, inputs: list[bool], output: bool, residuals: bool, rules: list[tuple[int, Callable[..., Any]]]):
        self.inputs = inputs
        self.kept = [i for i, keep in enumerate(inputs) if keep]
        self.output = output
        self.everything = all(inputs)
        self.keeps = output or residuals or any(inputs)
        self.rules = rules


class Primitive:
    """An array function and the rules that differentiate it.

    Made by the decorators `primitive` and `elementwise`; called with variables, arrays or Python numbers as positional
    arguments and settings as keywords, it returns one variable.
    """

    def __init__(self, forward: Callable[..., Any], *, elementwise: bool = False, floating: bool = False,
                 residuals: bool = False):
        self.__doc__ = forward.__doc__
        self.__name__ = self.__qualname__ = forward.__name__
        self.__module__ = forward.__module__
        self.__wrapped__ = forward
        self.forward = forward
        self.name = forward.__name__.lstrip("_")
        self.elementwise = elementwise
        self.promotes = elementwise
        self.floating = floating
        self.residuals = residuals
        self.rules: tuple[Callable[..., Any] | None, ...] = ()
        self.joint: Callable[..., Any] | None = None
        self.shapes_only = False
        self.differentiable = 0  # bit i: input i has a rule
        self.plans: dict[int, Plan] = {}  # by the number of inputs and which of them need a gradient

    def __repr__(self) -> str:
        return f"<primitive {self.name}>"

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        """Bind as functions do, so that a class can take a primitive as a method."""
        return self if instance is None else types.MethodType(self, instance)

    def defvjp(self, *rules: Callable[..., Any] | None) -> None:
        """Give the vjp of each input, in order.

        A rule is ``rule(g, out, *inputs, **params) -> gradient``, written with operations on tensors, so that it can be
        differentiated again; `g` is the gradient of the result `out`. None marks an input without gradient. The
        graph keeps only the arrays whose names a rule reads; reading ``.shape``, ``.ndim`` or ``.dtype`` keeps nothing.
        """
        self.rules = rules
        self.differentiable = sum(1 << i for i, rule in enumerate(rules) if rule is not None)

    def defvjps(self, rule: Callable[..., Any], *, shapes_only: bool = False) -> None:
        """Give one joint rule for all inputs, where they share work.

        It is called as ``rule(g, out, *inputs, needs, **params)`` and returns one gradient per input, None where
        ``needs[i]`` is false. `shapes_only` says of a rule with ``*inputs`` that it reads no data.
        """
        self.joint = rule
        self.shapes_only = shapes_only
        self.differentiable = -1

    def __call__(self, *inputs: Any, **params: Any) -> Any:
        state = _state
        if state.listener is not None:
            return state.listener(self, inputs, params)
        arrays: list[Any] = []
        parents: list[Node | None] = []
        needs = 0
        bit = 1
        for x in inputs:
            if isinstance(x, Variable):
                arrays.append(x._data)
                parents.append(x.node)
                if x.node is not None:
                    needs |= bit
            else:
                arrays.append(x if type(x) in _NUMBERS else _as_array(x, self.name))
                parents.append(None)
            bit += bit
        if self.promotes:
            dtype = None
            for a in arrays:
                if type(a) is not _ndarray:
                    if dtype is None or type(a) not in _NUMBERS:
                        break
                elif dtype is None:
                    dtype = a.dtype
                    if dtype is not _FLOAT32 and dtype is not _FLOAT64:
                        break
                elif a.dtype is not dtype:
                    break
            else:
                dtype = True
            if dtype is not True:
                arrays = promoted(arrays, self.floating)
        residuals = ()
        if params:
            result = self.forward(*arrays, **params)
        elif bit == 4:
            result = self.forward(arrays[0], arrays[1])
        else:
            result = self.forward(*arrays)
        if self.residuals:
            result, residuals = result
        if type(result) is not _ndarray:
            result = np.asarray(result)
        out = _new(_result_type)
        out._data = result
        if needs and state.recording and (needs := needs & self.differentiable):
            plan = self.plans.get(bit * bit + needs) or self._plan(needs, len(inputs))
            if needs != bit - 1:
                parents = [parent if needs >> i & 1 else None for i, parent in enumerate(parents)]
            if not plan.everything:
                arrays = [a if keep else None for a, keep in zip(arrays, plan.inputs)]
            call = Call()
            call.primitive = self
            call.parents = parents
            call.inputs = arrays
            call.output = result if plan.output else None
            call.residuals = residuals
            call.params = params
            call.plan = plan
            call.time = _clock
            call.shape = result.shape
            call.dtype = result.dtype
            call.grad = call.hooks = None
            call.retains = False
            out.node = call
        else:
            out.node = None
        return out

    def _plan(self, needs: int, count: int) -> Plan:
        """Work out what to keep from what the rules read (an input without a node is kept even for its shape)."""
        rules = [] if self.joint else [(i, r) for i, r in enumerate(self.rules) if r is not None and needs >> i & 1]
        inputs, output = [False] * count, False
        for rule in [self.joint] if self.joint else [rule for _, rule in rules]:
            if self.shapes_only:
                inputs = [not needs >> i & 1 for i in range(count)]
                break
            read = _names_read(rule)
            if read is None:
                inputs, output = [True] * count, True
                break
            data, shape = read
            names = rule.__code__.co_varnames[1 : count + 2]
            output |= names[0] in data
            for i, name in enumerate(names[1:]):
                inputs[i] |= name in data or (name in shape and not needs >> i & 1)
        plan = self.plans[(1 << 2 * count) + needs] = Plan(inputs, output, self.residuals, rules)
        return plan


_NUMBERS = frozenset((float, int, bool))
_ndarray = np.ndarray
_new = object.__new__


def _as_array(x: Any, name: str) -> Any:
    """Return an input that is not a variable as an array; None stands for an absent optional input."""
    if isinstance(x, np.ndarray | np.generic):
        return np.asarray(x)
    if x is None:
        return None
    if isinstance(x, list | tuple):
        array = np.asarray(x)
        if array.dtype.kind in "fiub":
            return array.astype(DEFAULT_DTYPE) if array.dtype.kind == "f" else array
    raise TypeError(f"{name}(): expects tensors, arrays or numbers, got {type(x).__name__}")


def primitive(forward: Callable[..., Any] | None = None, *, residuals: bool = False) -> Any:
    """Make a primitive of an array function.

    Parameters
    ----------
    forward : callable
        Takes arrays as positional arguments and settings as keywords, returns one array.
    residuals : bool
        `forward` returns ``(result, residuals)``, and the vjps get ``residuals=`` as keyword.
    """
    if forward is None:
        return functools.partial(primitive, residuals=residuals)
    return Primitive(forward, residuals=residuals)


def elementwise(forward: Callable[..., Any] | None = None, *, floating: bool = False) -> Any:
    """Make a primitive of a NumPy-broadcasting function.

    Types are promoted as in `promoted`, and the gradient of an input that was broadcast is summed over
    the broadcast axes.

    Parameters
    ----------
    forward : callable
        As for `primitive`.
    floating : bool
        Integers are converted to float32 first (``sqrt``, ``divide``).
    """
    if forward is None:
        return functools.partial(elementwise, floating=floating)
    return Primitive(forward, elementwise=True, floating=floating)


_RANK = {"b": 0, "u": 1, "i": 1, "f": 2}
_FLOAT32, _FLOAT64 = np.dtype(np.float32), np.dtype(np.float64)


def promoted(arrays: list[Any], floating: bool) -> list[Any]:
    """Convert inputs to their common dtype, by PyTorch's rules.

    Python numbers and 0-d arrays decide the dtype only when they are of a higher category (bool < integer <
    floating point) than all arrays with dimensions; a Python float makes integers float32, never float64.
    """
    dtype = common_dtype(arrays, floating)
    return [a if type(a) in _NUMBERS and dtype.kind == "f" else np.asarray(a, dtype) for a in arrays]


def common_dtype(arrays: Iterable[Any], floating: bool = False) -> np.dtype[Any]:
    """Return the dtype that an elementwise operation of these arrays and Python numbers has."""
    tiers: list[list[np.dtype[Any]]] = [[], [], []]  # with dimensions, 0-d, Python numbers
    for a in arrays:
        if isinstance(a, np.ndarray):
            tiers[0 if a.ndim else 1].append(a.dtype)
        else:
            tiers[2].append(DEFAULT_DTYPE if isinstance(a, float) else np.asarray(a).dtype)
    best: np.dtype[Any] | None = None
    for tier in tiers:
        if tier:
            dtype = _strongest(tier)
            if best is None or _RANK[dtype.kind] > _RANK[best.kind]:
                best = dtype
    assert best is not None
    return DEFAULT_DTYPE if floating and best.kind != "f" else best


def _strongest(dtypes: list[np.dtype[Any]]) -> np.dtype[Any]:
    for dtype in dtypes:
        if dtype.kind not in _RANK:
            raise TypeError(f"tensors hold floating-point, integer or boolean numbers, not {dtype}")
    rank = max(_RANK[dtype.kind] for dtype in dtypes)
    return functools.reduce(np.promote_types, (dtype for dtype in dtypes if _RANK[dtype.kind] == rank))


# ------------------------------------------------------------------------------------- recording, listening


class set_grad_enabled:
    """Turn recording on or off in this thread, at once; as a context, until its end."""

    def __init__(self, mode: bool):
        self.previous = _state.recording
        _state.recording = bool(mode)

    def __enter__(self) -> set_grad_enabled:
        return self

    def __exit__(self, *exception: object) -> None:
        _state.recording = self.previous


class _Recording:
    """Context and decorator that records or does not; `no_grad` and `enable_grad` say which."""

    mode: bool

    def __new__(cls, function: Callable[..., Any] | None = None) -> Any:
        self = super().__new__(cls)
        return self if function is None else self(function)

    def __enter__(self) -> None:
        self.__dict__.setdefault("previous", []).append(_state.recording)
        _state.recording = self.mode

    def __exit__(self, *exception: object) -> None:
        _state.recording = self.__dict__["previous"].pop()

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        kind = type(self)

        @functools.wraps(function)
        def decorated(*args: Any, **kwargs: Any) -> Any:
            with kind():
                return function(*args, **kwargs)

        return decorated


class no_grad(_Recording):
    """Record nothing: ``with no_grad():`` or ``@no_grad()``; concerns the calling thread only."""

    mode = False


class enable_grad(_Recording):
    """Record again inside a `no_grad` block: ``with enable_grad():`` or ``@enable_grad()``."""

    mode = True


def is_grad_enabled() -> bool:
    """Return whether operations of this thread are recorded."""
    return _state.recording


class listen:
    """Let a function stand at the door: ``with listen(listener):``.

    For each application of a primitive in this thread, ``listener(proceed, primitive, inputs, params)`` is
    called in its place and returns the result, normally that of ``proceed(*inputs, **params)``. Listeners
    nest: an inner one's `proceed` goes through the outer one.
    """

    def __init__(self, listener: Callable[..., Any]):
        self.listener = listener

    def __enter__(self) -> listen:
        self.outer = _state.listener
        _state.listener = self
        return self

    def __exit__(self, *exception: object) -> None:
        _state.listener = self.outer

    def __call__(self, primitive: Primitive, inputs: tuple[Any, ...], params: dict[str, Any]) -> Any:
        def proceed(*inputs: Any, **params: Any) -> Any:
            previous, _state.listener = _state.listener, self.outer
            try:
                return primitive(*inputs, **params)
            finally:
                _state.listener = previous

        return self.listener(proceed, primitive, inputs, params)


def differentiating() -> Call | None:
    """Return the call whose vjps run in this thread now (None in a forward pass), for listeners."""
    return _state.differentiating


# ------------------------------------------------------------------------------------------ backward


def _order(roots: Iterable[Node]) -> list[Node]:
    """Return all nodes behind `roots` such that each comes before its parents (Kahn's algorithm)."""
    waiting = dict.fromkeys(roots, 0)
    stack = list(waiting)
    while stack:
        for parent in stack.pop().parents:
            if parent is not None:
                if parent in waiting:
                    waiting[parent] += 1
                else:
                    waiting[parent] = 1
                    stack.append(parent)
    ready = [node for node, count in waiting.items() if count == 0]
    order = []
    while ready:
        node = ready.pop()
        order.append(node)
        for parent in node.parents:
            if parent is not None:
                waiting[parent] -= 1
                if waiting[parent] == 0:
                    ready.append(parent)
    return order


def _arguments(call: Call, create_graph: bool) -> tuple[list[Any], Any]:
    """Return the inputs and the result of a call as its vjps get them: tensors, numbers, or nodes for the shape."""
    inputs, parents = call.inputs, call.parents
    if inputs is None:
        raise RuntimeError(
            f"backward(): what the gradient of {call.primitive.name}() needs was freed by an earlier backward() through "
            "the same graph. Either a tensor computed before the training loop is used inside it, or losses of several "
            "steps are added up (add loss.item() instead); to differentiate twice, call backward(retain_graph=True)"
        )
    if call.time != _clock:
        _check_unchanged(call, [call.output, *inputs])
    arguments: list[Any] = parents.copy()
    for i in call.plan.kept:
        array = inputs[i]
        if type(array) is _ndarray:
            arguments[i] = x = _new(_result_type)
            x._data = array
            x.node = parents[i] if create_graph else None
        else:
            arguments[i] = array
    return arguments, None if call.output is None else wrap(call.output, call if create_graph else None)


def _joint_gradients(call: Call, g: Any, arguments: list[Any], out: Any, wanted: Sequence[Node | None]) -> Any:
    params = {**call.params, "residuals": call.residuals} if call.primitive.residuals else call.params
    needs = tuple(parent is not None for parent in wanted)
    return call.primitive.joint(g, out, *arguments, needs=needs, **params)  # type: ignore[misc]


def _fitted(g: Any, parent: Node, call: Call) -> Any:
    """Return a gradient with the shape and dtype of the input it belongs to."""
    if g._data.shape != parent.shape:
        if not call.primitive.elementwise:
            raise RuntimeError(f"{call.primitive.name}(): its vjp gave a gradient of shape {g._data.shape} for an "
                               f"input of shape {parent.shape}")
        g = g.sum_to_size(parent.shape)
    return g if g._data.dtype == parent.dtype else g.to(parent.dtype)


def _propagate(
    seeds: list[tuple[Node, Any]], targets: set[Node] | None, retain_graph: bool, create_graph: bool
) -> dict[Node, Any]:
    """Run the chain rule from `seeds` backward.

    Without targets, gradients are added to ``grad`` of the leaves (and of calls that retain it). With targets, only the
    paths to them are followed, and their gradients are returned.
    """
    order = _order(node for node, _ in seeds)
    useful: set[Node] | None = None
    if targets is not None:
        useful = set()
        for node in reversed(order):
            if node in targets or any(parent in useful for parent in node.parents if parent is not None):
                useful.add(node)
    gradients: dict[Node, Any] = {}
    owned: set[Node] = set()  # whose gradient is an array that nothing else holds
    for node, g in seeds:
        gradients[node] = g if node not in gradients else gradients[node] + g
    found: dict[Node, Any] = {}

    for node in order:
        g = gradients.pop(node, None)
        if g is None:
            continue
        if node.hooks:
            g = _hooked(g, node, owned)
        is_call = type(node) is Call
        if targets is not None:
            if node in targets:
                found[node] = g if create_graph or node in owned else wrap(g._data.copy())
        elif not is_call or node.retains:
            _accumulate(node, g, node in owned, create_graph)
        if not is_call or (useful is not None and not any(parent in useful for parent in node.parents)):
            continue
        if _state.listener is not None:
            _state.differentiating = node
        primitive, parents, params = node.primitive, node.parents, node.params
        arguments, out = _arguments(node, create_graph)
        if primitive.joint is not None:
            wanted = parents if useful is None else [parent if parent in useful else None for parent in parents]
            pairs = enumerate(_joint_gradients(node, g, arguments, out, wanted))
        else:
            pairs = node.plan.rules
            if primitive.residuals:
                params = {**params, "residuals": node.residuals}
        for i, rule in pairs:
            parent = parents[i]
            if rule is None or parent is None or (useful is not None and parent not in useful):
                continue
            if primitive.joint is not None:
                part = rule
            elif params:
                part = rule(g, out, *arguments, **params)
            else:
                part = rule(g, out, *arguments)
            array = part._data
            if array.shape != parent.shape or array.dtype is not parent.dtype:
                part = _fitted(part, parent, node)
                array = part._data
            if parent not in gradients:
                gradients[parent] = part
                if type(parent) is Leaf and array.base is None and not _lent(array, g, node, gradients, parent):
                    owned.add(parent)
            elif parent in owned and not create_graph:
                held = gradients[parent]._data
                np.add(held, array, out=held)
            else:
                gradients[parent] = gradients[parent] + part
                owned.add(parent)
        if not retain_graph and node.plan.keeps:
            node.inputs = node.output = None
            node.residuals = ()
    return found


def _lent(array: np.ndarray, g: Any, call: Call, gradients: dict[Node, Any], parent: Node) -> bool:
    """Return whether something else than `parent` holds the array that a vjp of `call` returned."""
    if array is g._data or array is call.output or any(array is other for other in (*call.inputs, *call.residuals)):
        return True
    siblings = (gradients.get(other) for other in call.parents if other is not None and other is not parent)
    return any(sibling is not None and sibling._data is array for sibling in siblings)


def _hooked(g: Any, node: Node, owned: set[Node]) -> Any:
    """Return the gradient that the hooks of a node make of `g`."""
    for hook in tuple(node.hooks.values()):  # type: ignore[union-attr]
        replaced = hook(g)
        if replaced is not None:
            g = _checked_hook_result(replaced, node)
            owned.discard(node)
    return g


def _checked_hook_result(g: Any, node: Node) -> Any:
    if not isinstance(g, Variable) or g._data.shape != node.shape:
        shape = getattr(g, "shape", type(g).__name__)
        raise RuntimeError(f"hook: must return None or a gradient of shape {node.shape}, got {shape}")
    return g


def _accumulate(node: Node, g: Any, owned: bool, create_graph: bool) -> None:
    if node.grad is not None:
        node.grad = node.grad + g
    elif create_graph:
        node.grad = g
    else:
        node.grad = wrap(g._data if owned else g._data.copy())


class _Pass:
    """Sets the thread's state for a backward pass and puts it back."""

    def __init__(self, create_graph: bool):
        self.create_graph = create_graph

    def __enter__(self) -> None:
        self.recording, self.call = _state.recording, _state.differentiating
        _state.recording = self.create_graph

    def __exit__(self, *exception: object) -> None:
        _state.recording, _state.differentiating = self.recording, self.call


def _seeds(outputs: Sequence[Variable], gradients: Sequence[Any], operation: str) -> list[tuple[Node, Any]]:
    seeds = []
    for out, g in zip(outputs, gradients):
        if out.node is None:
            raise RuntimeError(f"{operation}(): the tensor does not require grad and has no graph "
                               "(was it computed under no_grad(), or from tensors without requires_grad=True?)")
        shape = out._data.shape
        if g is None:
            if out._data.size != 1:
                raise RuntimeError(f"{operation}(): grad can be implicitly created only for scalar outputs "
                                   f"(shape={shape}); reduce it with .sum() or .mean(), or pass a gradient")
            g = wrap(np.ones(shape, out._data.dtype))
        else:
            if not isinstance(g, Variable):
                g = wrap(np.array(g, out._data.dtype))
            if g._data.shape != shape:
                raise RuntimeError(f"{operation}(): the gradient has shape {g._data.shape} but the output {shape}")
            g = g if g._data.dtype == out._data.dtype else g.to(out._data.dtype)
        seeds.append((out.node, g))
    return seeds


def _listed(values: Any) -> list[Any]:
    return list(values) if isinstance(values, list | tuple) else [values]


def backward(
    outputs: Variable | Sequence[Variable],
    gradients: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
) -> None:
    """Add the gradients of `outputs` to ``.grad`` of every leaf that they were computed from.

    Parameters
    ----------
    outputs : tensor or sequence of tensors
    gradients : tensor, array or sequence of them, optional
        The vector of the vector-Jacobian product, of the outputs' shapes; may be left out for outputs of one element.
    retain_graph : bool, optional
        Keep the graph for another backward pass (default: `create_graph`).
    create_graph : bool
        Record the backward pass, so that the gradients can be differentiated.

    Raises
    ------
    RuntimeError
        An output without graph, a missing gradient for more than one element, a graph that was freed, a value changed in
        place.
    """
    outputs = _listed(outputs)
    gradients = [None] * len(outputs) if gradients is None else _listed(gradients)
    with _Pass(create_graph):
        seeds = _seeds(outputs, gradients, "backward")
        _propagate(seeds, None, create_graph if retain_graph is None else retain_graph, create_graph)


def grad(
    outputs: Variable | Sequence[Variable],
    inputs: Variable | Sequence[Variable],
    grad_outputs: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    allow_unused: bool = False,
) -> tuple[Any, ...]:
    """Return the gradients of `outputs` with respect to `inputs`, leaving ``.grad`` alone.

    Parameters
    ----------
    outputs, inputs : tensor or sequence of tensors
        `inputs` may be leaves or results inside the graph.
    grad_outputs, retain_graph, create_graph
        As `gradients`, `retain_graph` and `create_graph` of `backward`.
    allow_unused : bool
        Return None for an input that the outputs do not depend on, where otherwise an error is raised.

    Returns
    -------
    tuple of tensors
        One gradient per input, of its shape and dtype.
    """
    outputs, inputs = _listed(outputs), _listed(inputs)
    gradients = [None] * len(outputs) if grad_outputs is None else _listed(grad_outputs)
    for i, x in enumerate(inputs):
        if x.node is None:
            raise RuntimeError(f"grad(): input {i} does not require grad")
    with _Pass(create_graph):
        seeds = _seeds(outputs, gradients, "grad")
        retain = create_graph if retain_graph is None else retain_graph
        found = _propagate(seeds, {x.node for x in inputs}, retain, create_graph)
    if not allow_unused:
        for i, x in enumerate(inputs):
            if x.node not in found:
                raise RuntimeError(f"grad(): the outputs do not depend on input {i} (shape={x._data.shape}); "
                                   "allow_unused=True returns None for it")
    return tuple(found.get(x.node) for x in inputs)
