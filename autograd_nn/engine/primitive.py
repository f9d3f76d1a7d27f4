"""Primitives, and the one door that every application of every primitive passes."""

from __future__ import annotations

import functools
import types
from collections.abc import Callable
from typing import Any, Generic, TypeVar, cast, overload

import numpy as np

from ..typing import Rule, Tensor
from . import graph, recording, versions, views
from .arguments import explained, shown
from .dtypes import ELEMENTS, NUMBERS, complex_of, get_default_dtype, promoted
from .errors import asked_for, named
from .graph import Call, Leaf, Node, Result, Variable, wrap
from .recording import state
from .rules import Plan, Signature, sources_of
from .versions import mark_all_changed, mark_changed

_FLOAT32, _FLOAT64 = np.dtype(np.float32), np.dtype(np.float64)
_ndarray = np.ndarray
_new = object.__new__
_Out = TypeVar("_Out")  # what a call returns: a Tensor, or a tuple of them where a primitive has several results


class Primitive(Generic[_Out]):
    """An array function and the rules that differentiate it.

    Made by the decorators `primitive`, `elementwise` and `update`; called with variables, arrays or Python numbers as
    positional arguments and settings as keywords, it returns a variable, or a tuple of them where it has several
    results.

    Attributes
    ----------
    forward : callable
        The array function.
    name : str
    signature : Signature
        The names of inputs, settings and results.
    rules : dict of int to (callable, sources)
        The rule of each input that has one, with what it reads.
    joint : (callable, sources) or None
        One rule for all inputs.
    of_complex : callable or None
        The array function for inputs of which one is complex; None where the operation is not defined for complex
        numbers.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.exp.name, ag.exp.differentiable
    ('exp', 1)
    """

    def __init__(self, forward: Rule, *, results: str = "out", elementwise: bool = False, floating: bool = False,
                 operands: int = 0, view: bool = False, complex: bool = False):
        self.__doc__ = forward.__doc__
        self.__name__ = self.__qualname__ = forward.__name__
        self.__module__ = forward.__module__
        self.__wrapped__ = forward
        self.forward = forward
        self.of_complex: Rule | None = forward if complex or view else None
        self.name = forward.__name__.lstrip("_")
        self.elementwise = elementwise
        self.promotes = elementwise and not operands
        self.operands = operands
        self.floating = floating
        self.view = view
        self.signature = Signature(forward, results)
        self.single = len(self.signature.results) <= 1 and not self.signature.many
        self.rules: dict[int, tuple[Rule, Any]] = {}
        self.joint: tuple[Rule, Any] | None = None
        self.differentiable = 0  # bit i: input i has a rule
        self.plans: dict[int, Plan] = {}  # by the number of inputs and which of them need a gradient

    def __repr__(self) -> str:
        return f"<primitive {self.name}>"

    @overload
    def __get__(self, instance: None, owner: Any = None) -> Primitive[_Out]: ...

    @overload
    def __get__(self, instance: Any, owner: Any = None) -> Callable[..., _Out]: ...

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        """Bind as functions do, so that a class can take a primitive as a method."""
        return self if instance is None else types.MethodType(self, instance)

    def count(self, call: Call) -> int:
        """Return how many results a recorded call has."""
        return call.count if self.signature.many else len(self.signature.results)

    def defvjp(self, *positional: Any, **rules: Rule) -> None:
        """Give the vector-Jacobian product of each input by the input's name.

        ``mul.defvjp(x=lambda g, y: mul(g, y), y=lambda g, x: mul(g, x))``: the parameters of a rule name what it
        reads (see `rules`), and nothing else is kept for it. A rule is written with operations on tensors, so that it
        can be differentiated again. An input without a rule has no gradient.

        Raises
        ------
        TypeError
            A keyword that names no input, or a parameter that names nothing that a rule can read.
        """
        inputs = self.signature.inputs
        if positional:
            example = ", ".join(f"{name}=lambda {self.signature.gradient}, {name}: ..." for name in inputs)
            raise TypeError(f"{self.name}.defvjp(): rules are given by the names of the inputs, and the parameters of "
                            f"a rule name what it reads: {self.name}.defvjp({example}); before 0.2 they were "
                            "positional, lambda g, out, *inputs, **settings")
        for name, rule in rules.items():
            if name not in inputs:
                raise TypeError(f"{self.name}.defvjp(): {name!r} is no input (inputs: {', '.join(inputs)})")
            self.rules[inputs.index(name)] = rule, sources_of(rule, self.signature, self.name)
        self.differentiable = sum(1 << i for i in self.rules)

    def defvjps(self, rule: Rule) -> Rule:
        """Give one joint rule for all inputs, where they share work or are many.

        It returns one gradient per input, None where ``needs[i]`` is false or there is none; its parameters name what
        it reads, as in `defvjp`, and ``needs`` is a tuple of bools.
        """
        self.joint = rule, sources_of(rule, self.signature, self.name)
        self.differentiable = -1
        return rule

    def __call__(self, *inputs: Any, **params: Any) -> _Out:
        here = state
        if here.listener is not None:
            return cast(_Out, here.listener(self, inputs, params))
        arrays: list[Any] = []
        parents: list[Node | None] = []
        needs = 0
        bit = 1
        for x in inputs:
            if isinstance(x, Variable):
                if x._view is not None:
                    views.renew(x)
                arrays.append(x.array)
                node = x.node
                parents.append(node)
                if node is not None:
                    needs |= bit
            else:
                arrays.append(x if type(x) in NUMBERS else self._as_input(x, len(arrays)))
                parents.append(None)
            bit += bit
        forward = self.forward
        if self.promotes and not (bit == 4 and type(arrays[0]) is type(arrays[1]) is _ndarray
                                  and arrays[0].dtype is arrays[1].dtype is _FLOAT32):
            dtype, mixed = None, True
            for a in arrays:  # the common case, told without a call: arrays of one float dtype, then numbers
                if type(a) is _ndarray:
                    if dtype is None:
                        dtype = a.dtype
                        if dtype is not _FLOAT32 and dtype is not _FLOAT64:
                            break
                    elif a.dtype is not dtype:
                        break
                elif dtype is None or type(a) not in NUMBERS:
                    break
            else:
                mixed = False
            if mixed:
                arrays = self._promoted(arrays)
                if self.of_complex is not forward:
                    forward = self._for(arrays)
        else:
            if self.operands:
                arrays[: self.operands] = self._promoted(arrays[: self.operands])
            if self.of_complex is not forward:
                for a in arrays:
                    if type(a) is _ndarray and a.dtype is not _FLOAT32 and a.dtype.kind == "c":
                        forward = self._for(arrays)
                        break
        try:
            if params:
                for value in params.values():
                    if isinstance(value, np.generic):  # would widen float32
                        params = {k: v.item() if isinstance(v, np.generic) else v for k, v in params.items()}
                        break
                result = forward(*arrays, **params)
            elif bit == 4:
                result = forward(arrays[0], arrays[1])
            else:
                result = forward(*arrays)
        except NotImplementedError:
            result = self._in_single(arrays, params)
        except (IndexError, TypeError, ValueError) as error:
            if (ordered := self._in_order(inputs, params)) is not None:
                return self(*ordered[0], **ordered[1])
            if (better := named(error, self, arrays)) is error:
                raise
            raise better from error
        if not self.single:
            outs: _Out = self._several(result, arrays, parents, params, needs, bit)
            return outs
        if type(result) is not _ndarray:
            result = np.asarray(result)
        out: Any = _new(graph.result_type)
        out.array = result
        out._view = None
        if needs and here.recording and (needs := needs & self.differentiable):
            plan = self.plans.get(bit * bit + needs)
            if plan is None or not plan.simple or recording.collecting:
                out.node = self._record(result, None, arrays, parents, params, needs, bit)
            else:
                out.node = call = _new(Call)
                call.primitive = self
                call.parents = parents
                call.inputs = arrays
                call.outputs = None
                call.params = params
                call.plan = plan
                call.time = versions.clock
                call.shape = result.shape
                call.dtype = result.dtype
                call.grad = call.hooks = None
                call.retains = False
        else:
            out.node = None
        if self.view and isinstance(inputs[0], Variable):
            views.link(out, inputs[0], self, params)
        tensor: _Out = out
        return tensor

    def _record(self, first: Any, results: Any, arrays: list[Any], parents: list[Any], params: dict[str, Any],
                needs: int, bit: int) -> Call:
        """Return the call that stands for this application in the graph."""
        plan = self.plans.get(bit * bit + needs)
        if plan is None:
            plan = self.plans[bit * bit + needs] = Plan(self, needs, len(arrays))
        if needs != bit - 1:
            parents = [parent if needs >> i & 1 else None for i, parent in enumerate(parents)]
        if not plan.everything:
            kept: list[Any] = [None] * len(arrays)
            for i in plan.kept:
                kept[i] = arrays[i]
            for i in plan.stand_ins:
                kept[i] = Node(arrays[i].shape, arrays[i].dtype) if isinstance(arrays[i], _ndarray) else arrays[i]
            arrays = kept
        call = _new(Call)
        call.primitive = self
        call.parents = parents
        call.inputs = arrays
        call.outputs = (results or (first,)) if plan.outputs else None
        call.params = params
        call.plan = plan
        call.time = versions.clock
        call.shape = first.shape
        call.dtype = first.dtype
        call.grad = call.hooks = None
        call.retains = False
        if recording.collecting and state.made is not None:
            state.made.append(call)
        return call

    def _several(self, results: Any, arrays: list[Any], parents: list[Any], params: dict[str, Any], needs: int,
                 bit: int) -> Any:
        """Return the variables of several results, recorded together."""
        arrays_out = tuple(np.asarray(array) for array in results)
        outs = tuple(wrap(array) for array in arrays_out)
        if needs and state.recording and (needs := needs & self.differentiable) and outs:
            call = self._record(arrays_out[0], arrays_out, arrays, parents, params, needs, bit)
            call.count = len(outs)
            for i, out in enumerate(outs):
                if out.array.dtype.kind in "fc":
                    out.node = Result(call, i, out.array.shape, out.array.dtype) if i else call
            if len(call.plan.outputs) != len(outs) and -1 not in call.plan.outputs and call.outputs is not None:
                call.outputs = tuple(a if i in call.plan.outputs else None for i, a in enumerate(arrays_out))
        return outs

    def _in_order(self, inputs: tuple[Any, ...], params: dict[str, Any]) -> tuple[list[Any], dict[str, Any]] | None:
        """Return a call in which inputs were given by name with each in its place; None where none was.

        The first two have PyTorch's names too: ``input`` and ``other``, or ``exponent``.
        """
        names = self.signature.inputs
        synonyms = {"exponent": names[-1], **dict(zip(("input", "other"), names))} if names else {}
        given = {synonyms.get(name, name): value for name, value in params.items()}
        ordered = [*inputs]
        for name in names[len(inputs) :]:
            if name in given:
                ordered.append(given.pop(name))
            else:
                break
        return (ordered, given) if len(ordered) > len(inputs) else None

    def _for(self, arrays: list[Any]) -> Rule:
        """Return the array function for these inputs: of real or of complex numbers."""
        for a in arrays:
            if type(a) is _ndarray and (dtype := a.dtype) is not _FLOAT32 and dtype.kind == "c":
                break
        else:
            return self.forward
        if self.of_complex is None:
            given = ", ".join(shown(a) for a in arrays if a is not None)
            raise TypeError(f"{asked_for(self)}(): is not defined for complex numbers ({given}); take .real, .imag or "
                            ".abs() first, or view_as_real()")
        return self.of_complex

    def _in_single(self, arrays: list[Any], params: dict[str, Any]) -> Any:
        """Return the results for float16, which kernels do not compute: those of float32, rounded."""
        if not any(isinstance(a, _ndarray) and a.dtype.char == "e" for a in arrays):
            raise
        wide = [a.astype(np.float32) if isinstance(a, _ndarray) and a.dtype.char == "e" else a for a in arrays]
        results = self.forward(*wide, **params)
        several = isinstance(results, tuple | list)
        narrow = [a.astype(np.float16) if a.dtype == np.float32 else a for a in (results if several else (results,))]
        return narrow if several else narrow[0]

    def _as_input(self, x: Any, place: int) -> Any:
        """Return an input that is not a variable as an array; None stands for an absent input after the first.

        A NumPy scalar counts as the Python number that it is, so that it does not widen float32.
        """
        if type(x) is complex:
            return x if self.promotes or self.operands else np.asarray(x, complex_of(get_default_dtype()))
        if isinstance(x, np.generic) and (self.promotes or self.operands) and x.dtype.kind in ELEMENTS:
            return x.item()
        if isinstance(x, np.ndarray | np.generic):
            array = np.asarray(x)
            if array.dtype.kind not in ELEMENTS:
                raise TypeError(f"{asked_for(self)}(): expects elements that are numbers or booleans "
                                f"({shown(x)})")
            return array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))
        if x is None and place:
            return None
        if isinstance(x, list | tuple):
            array = np.asarray(x)
            if array.dtype.kind in ELEMENTS:
                dtype = get_default_dtype() if array.dtype.kind == "f" else array.dtype.newbyteorder("=")
                return array.astype(dtype, copy=False)
        raise self._unfit(x, place)

    def _promoted(self, arrays: list[Any]) -> list[Any]:
        """Return inputs in their common dtype."""
        try:
            return promoted(arrays, self.floating)
        except (TypeError, AttributeError):
            for place, x in enumerate(arrays):
                if not isinstance(x, _ndarray) and type(x) not in NUMBERS and type(x) is not complex:
                    raise self._unfit(x, place) from None
            raise

    def _unfit(self, x: Any, place: int) -> TypeError:
        """Return the error for an input that is neither a tensor nor an array nor a number."""
        names = self.signature.inputs
        name = names[place] if place < len(names) else self.signature.rest
        given = f"{x!r:.60}, a str" if isinstance(x, str) else shown(x)
        error = TypeError(f"{asked_for(self)}(): {name} must be a tensor, an array or a number ({name}={given})")
        error.of_door = True  # type: ignore[attr-defined]  # the function that was called has a better name for it
        return error


class Update(Primitive[Any]):
    """An array function that writes into some of its inputs, in place: the only way in which the library writes.

    The door marks what changed. An update with rules can be recorded: the tensor that it wrote into gets a node whose
    parents are its old node and the other inputs.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn.engine import update
    >>> @update(writes="x")
    ... def halve(x):
    ...     x *= 0.5
    >>> x = ag.tensor([2.0, 4.0])
    >>> halve(x)
    tensor([1., 2.])
    >>> x
    tensor([1., 2.])
    >>> type(halve).__name__
    'Update'
    """

    def __init__(self, forward: Rule, writes: str, results: str = "", complex: bool = False, every: int = 1):
        super().__init__(forward, results=results, complex=complex)
        names = [*self.signature.inputs, *([f"*{self.signature.rest}"] if self.signature.rest else [])]
        unknown = [name for name in writes.split() if name not in names]
        if unknown or not writes.split():
            raise TypeError(f"{self.name}: writes= must name inputs ({', '.join(names)}), got {writes!r}")
        self.writes = [names.index(name) for name in writes.split()]
        self.region: Callable[..., Any] | None = None  # of the inputs: the part of the first written one that changes
        self.writes_rest = self.signature.rest is not None and f"*{self.signature.rest}" in writes.split()
        self.every = every
        self._places: dict[int, list[int]] = {}  # by the number of inputs

    def written(self, inputs: Any) -> list[Any]:
        """Return which of the inputs of a call are written into."""
        return [inputs[i] for i in self.places(len(inputs))]

    def _recorded(self, inputs: tuple[Any, ...]) -> tuple[Any, int]:
        """Return the tensor whose node a call changes (or None), and which inputs need a gradient, as bits."""
        target, recorded = self.written(inputs)[0], 0
        for i, x in enumerate(inputs):
            if isinstance(x, Variable) and x.node is not None and self.differentiable >> i & 1:
                recorded |= 1 << i
        if not isinstance(target, Variable) or not (recorded or target.node is not None):
            return None, 0
        check_recordable(target, self.name + "()")
        if type(target._view) is views.View:
            raise RuntimeError(f"{self.name}(): cannot be recorded on a view, since its gradient would be lost to the "
                               "tensor that owns the memory; update that tensor, or work on a .clone()")
        return target, recorded

    def places(self, count: int) -> list[int]:
        """Return the positions of the inputs that are written into, of so many."""
        known = self._places.get(count)
        if known is None:
            named, every = len(self.signature.inputs), self.every
            known = [i for i in self.writes if i < min(named, count)]
            if self.writes_rest:
                known += [i for i in range(named, count) if every == 1 or (i - named) % every]
            self._places[count] = known
        return known

    def __call__(self, *inputs: Any, **params: Any) -> Any:
        if state.listener is not None:
            return state.listener(self, inputs, params)
        if self.every > 1:
            return self._many(inputs, params)
        arrays: list[Any] = []
        for x in inputs:
            if isinstance(x, Variable):
                if x._view is not None:
                    views.renew(x)
                arrays.append(x.array)
            else:
                arrays.append(x)
        writes = self.writes if not self.writes_rest else self.places(len(inputs))
        for i in writes:
            array = arrays[i]
            if type(array) is _ndarray and not array.flags.writeable:
                check_writable(array, self.name + "()")
        target, recorded = self._recorded(inputs) if self.differentiable and state.recording else (None, 0)
        forward = self.forward if self.of_complex is self.forward else self._for(arrays)
        try:
            results = forward(*arrays, **params)
        except (IndexError, TypeError, ValueError) as error:
            if (better := named(error, self, arrays)) is error:
                raise
            raise better from error
        for i in writes:
            x, array = inputs[i], arrays[i]
            if type(array) is _ndarray and (x is array or x._view is None or x._view.tracked):
                mark_changed(array if self.region is None else self.region(*arrays, **params), self.name)
        if target is not None:
            parents = [x.node if isinstance(x, Variable) else None for x in inputs]
            target.node = self._record(target.array, (target.array,), arrays, parents, params, recorded,
                                       1 << len(inputs)) if recorded else None
            if target._view is not None:
                target._view.version += 1
        return inputs[writes[0]] if results is None and writes else _wrapped(results)


    def _many(self, inputs: tuple[Any, ...], params: dict[str, Any]) -> None:
        """Do the same for rows of arrays: nothing is recorded, all is marked at one time."""
        places = self.places(len(inputs))
        arrays = [x.array if isinstance(x, Variable) else x for x in inputs]
        written = [arrays[i] for i in places]
        for i in places:
            x = inputs[i]
            if isinstance(x, Variable) and x._view is not None and not x._view.tracked:
                written = [array for array in written if array is not x.array]
        try:
            self.forward(*arrays, **params)
        except (IndexError, TypeError, ValueError) as error:
            for array in written:
                check_writable(array, self.name + "()")
            if (better := named(error, self, arrays)) is error:
                raise
            raise better from error
        mark_all_changed(written, self.name)


def check_recordable(target: Any, operation: str) -> None:
    """Raise where a write into `target`, or into the owner of the view that it is, could not be recorded.

    Examples
    --------
    >>> from autograd_nn import engine
    >>> import autograd_nn as ag
    >>> w = ag.ones(2, requires_grad=True)
    >>> with ag.no_grad():
    ...     w.zero_()
    tensor([0., 0.], requires_grad=True)
    >>> engine.check_recordable(w.detach(), "zero_")  # a leaf itself would be a RuntimeError
    """
    owner = target._view.base if type(target._view) is views.View else target
    if isinstance(owner.node, Leaf):
        raise RuntimeError(f"{operation}: a leaf that requires a gradient cannot be changed in place while operations "
                           "are recorded, nor a view of it; do it under no_grad()")


def check_writable(array: Any, operation: str) -> None:
    """Raise where memory cannot be written to.

    Examples
    --------
    >>> from autograd_nn import engine
    >>> import numpy as np
    >>> engine.check_writable(np.zeros(3), "zero_")  # an expanded array would be a RuntimeError
    """
    if not isinstance(array, _ndarray) or array.flags.writeable:
        return
    if any(stride == 0 and size > 1 for stride, size in zip(array.strides, array.shape)):
        why = "several elements of an expanded tensor share one place in memory"
    else:
        why = "the memory is read-only (a buffer, a file or another library's array)"
    raise RuntimeError(f"{operation}: {why}, so it cannot be written to; use .clone()")


def _wrapped(results: Any) -> Any:
    if isinstance(results, tuple):
        return tuple(map(_wrapped, results))
    return wrap(results) if isinstance(results, _ndarray) else results


@overload
def primitive(forward: Rule) -> Primitive[Tensor]: ...


@overload
def primitive(*, view: bool = ..., complex: bool = ...) -> Callable[[Rule], Primitive[Tensor]]: ...


@overload
def primitive(*, results: str, complex: bool = ...) -> Callable[[Rule], Primitive[tuple[Tensor, ...]]]: ...


@explained
def primitive(
    forward: Rule | None = None, *, results: str = "out", view: bool = False, complex: bool = False
) -> Any:
    """Make a primitive of an array function.

    Parameters
    ----------
    forward : callable
        Takes arrays as positional arguments and settings as keywords; returns one array, or a tuple of them where it
        has several results. Every array that it needs is an input; settings are small and hashable.
    results : str
        The names of the results, apart by spaces: ``"out mean rstd"``; ``"*outputs"`` for as many as there are.
    view : bool
        The result shares the memory of the first input where the layout allows it.
    complex : bool
        The function takes complex numbers too (as that of a view always does). Rules are those of real numbers: the
        backward pass conjugates where gradients enter and leave it, so that a rule multiplies by the derivative of a
        holomorphic function as it is.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn.engine import primitive
    >>> @primitive
    ... def reversed_rows(x):
    ...     return x[::-1].copy()
    >>> reversed_rows.defvjp(x=lambda g: reversed_rows(g))
    >>> reversed_rows(ag.tensor([[1, 2], [3, 4]]))
    tensor([[3, 4],
            [1, 2]])
    """
    if forward is None:
        return functools.partial(primitive, results=results, view=view, complex=complex)
    return Primitive(forward, results=results, view=view, complex=complex)


@overload
def elementwise(
    forward: Rule, *, floating: bool = ..., operands: int = ..., complex: bool = ...
) -> Primitive[Tensor]: ...


@overload
def elementwise(
    *, floating: bool = ..., operands: int = ..., complex: bool = ...
) -> Callable[[Rule], Primitive[Tensor]]: ...


@explained
def elementwise(
    forward: Rule | None = None, *, floating: bool = False, operands: int = 0, complex: bool = False
) -> Any:
    """Make a primitive of a NumPy-broadcasting function.

    Types are promoted as in `promoted`, and the gradient of an input that was broadcast is summed over
    the broadcast axes.

    Parameters
    ----------
    forward : callable
        As for `primitive`.
    floating : bool
        Integers are converted to float32 first (``sqrt``, ``divide``).
    operands : int
        Only so many inputs, the first ones, are promoted (0: all); the others are masks and the like.
    complex : bool
        The function takes complex numbers too, as for `primitive`.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn.engine import elementwise
    >>> from autograd_nn.ops.elementwise import mul
    >>> @elementwise
    ... def cube(x):
    ...     return x**3
    >>> cube.defvjp(x=lambda g, x: mul(g, 3 * x * x))
    >>> x = ag.tensor([1.0, 2.0], requires_grad=True)
    >>> cube(x).sum().backward()
    >>> x.grad
    tensor([ 3., 12.])
    """
    if forward is None:
        return functools.partial(elementwise, floating=floating, operands=operands, complex=complex)
    return Primitive(forward, elementwise=True, floating=floating, operands=operands, complex=complex)


def update(*, writes: str, complex: bool = False, every: int = 1) -> Callable[[Rule], Update]:
    """Make an update of an array function that writes into some of its inputs.

    Numbers that change from call to call (a learning rate, a count of steps) are inputs, not settings. A rule may be
    given as for `primitive`, where the write is differentiable; the gradient that a rule gets is that of the first
    written input, after the write.

    Parameters
    ----------
    writes : str
        The names of the inputs that are written into, apart by spaces: ``"p m v"``; ``"*arrays"`` for all of them.
    complex : bool
        The function takes complex numbers too.
    every : int
        Of so many arrays in a row that stand for ``*arrays`` the first is only read; 1: none is.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn.engine import update
    >>> @update(writes="total")
    ... def add_to(total, x):
    ...     total += x
    >>> total = ag.zeros(2)
    >>> add_to(total, ag.ones(2))
    tensor([1., 1.])
    >>> total
    tensor([1., 1.])
    """
    return lambda forward: Update(forward, writes, complex=complex, every=every)
