"""From calls of primitives to calls of kernels: what a native program runs, and the proof that it is the same.

Most array functions are calls of kernels and nothing else: `lowered` runs one on copies of its inputs and listens to
the kernels, and to what their doors leave to NumPy (`kernels.by_numpy`), for which `SAID` has kernels. For those that
do more in NumPy, a rule in `RULES` says which kernels do it. Either way the calls are run on other numbers than those
they were made of, with all memory that they write to poisoned, and compared bit by bit with the array function. What
differs in one bit stays in Python.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

from ..kernels import elementwise, operations, small
from ..kernels import reduce as folds
from ..kernels.compile import threads_for
from ..kernels.machine import Call, Half, Machine, Pointer, blas, recorded
from ..kernels.passes import Pass, _laid_out
from ..ops.index import _check_range, numpy_index
from ..ops.loss import ELEMENTWISE, _check_probabilities
from .proofs import Lowered, known_or_proven
from .reach import owner, same_bits
from .trace import Computation, Effect

__all__ = ["Lowered", "looked", "lowered"]

Calls = list[Call]


MOST_PRODUCTS = 64  # small matrices of a stack, each a record


class NotLowered(Exception):
    """A rule does not cover this call."""


# ------------------------------------------------------------------------------------ the proof


class Memory:
    """Copies of arrays in memory of its own, of the same form."""

    def __init__(self, *arrays: Any) -> None:
        self.homes: dict[int, tuple[np.ndarray, np.ndarray]] = {}  # by the id of an owner: it, and its copy's bytes
        for array in arrays:
            if isinstance(array, np.ndarray):
                self.hold(array)

    def hold(self, array: np.ndarray) -> None:
        """Copy the memory that an array shows."""
        root = owner(array)
        if id(root) not in self.homes:
            copy = np.empty(root.nbytes + 64, np.uint8)
            copy = copy[-copy.ctypes.data % 64 :][: root.nbytes]
            self.homes[id(root)] = root, copy
            np.copyto(self(root), root)

    def __call__(self, array: np.ndarray) -> np.ndarray:
        """Return the copy of an array, or the array where none is held."""
        root = owner(array)
        known = self.homes.get(id(root))
        if known is None:
            return array
        at = array.ctypes.data - root.ctypes.data
        return np.ndarray(array.shape, array.dtype, known[1], at, array.strides)

    def __contains__(self, array: np.ndarray) -> bool:
        return id(owner(array)) in self.homes


@lru_cache(maxsize=2)
def _drawn(dtype: np.dtype[Any]) -> np.ndarray:
    """Return random numbers from -0.5 to 0.5, drawn once."""
    drawn = np.random.Generator(np.random.SFC64(1)).random(1 << 18, dtype.type)
    drawn -= 0.5
    return drawn


def _vary(arrays: list[np.ndarray], integers: bool, seed: int, large: bool = False) -> None:
    """Fill arrays with other numbers: random ones, 0 or 1 where that is any integer's right, the opposite of truth.

    The squares of `large` ones leave the range of their dtype: an array function may then take another way.
    """
    at = 1009 * seed  # where the next array's numbers begin
    for x in arrays:
        if not x.flags.writeable or not x.size:
            continue
        if x.dtype.kind == "f":
            drawn = _drawn(np.dtype(np.float64 if x.dtype == np.float64 else np.float32))
            scale = min(4 * np.finfo(x.dtype).max ** 0.55, np.finfo(drawn.dtype).max) if large else 4
            numbers = drawn[at : at + x.size] if at + x.size <= len(drawn) else np.resize(drawn[at:], x.size)
            np.multiply(numbers.reshape(x.shape), drawn.dtype.type(scale), out=x, casting="same_kind")
            at = (at + x.size) % 65521
        elif integers and x.dtype.kind in "iu":
            x[...] = 0 if x.any() else 1
        elif integers and x.dtype.kind == "b":
            np.logical_not(x, out=x)


def lowered(record: Computation, forward: Callable[..., Any]) -> Lowered | None:
    """Return the kernels that do what a call of a primitive does, on the arrays of the trace; None where Python must.

    Parameters
    ----------
    record : Computation
    forward : callable
        The array function, with the conversion of its inputs.
    """
    rule = RULES.get(record.primitive.name)
    return known_or_proven(record, rule, lambda: _found(record, forward, rule))


def _found(record: Computation, forward: Callable[..., Any], rule: Callable[..., Calls] | None) -> Lowered | None:
    if rule is not None:
        mine = Memory(*record.inputs, *record.outs)
        inputs = [mine(x) if isinstance(x, np.ndarray) else x for x in record.inputs]
        outs = [None if out is None else mine(out) for out in record.outs]
        try:
            calls = rule(inputs, outs, record.params)
        except NotLowered:
            calls = None
        if calls is not None and (proven := _proven(record, forward, mine, calls)) is not None:
            return proven
    mine = Memory(*record.inputs)
    inputs = [mine(x) if isinstance(x, np.ndarray) else x for x in record.inputs]
    try:
        with np.errstate(all="ignore"), recorded(SAID) as heard:
            results = forward(*inputs, **record.params)
    except (IndexError, TypeError, ValueError, RuntimeError, ZeroDivisionError, NotLowered):
        return None
    if not heard:
        return None
    results = results if isinstance(results, tuple) else (results,)
    joined = _joined(mine, record, results)
    return None if joined is None else _proven(record, forward, joined, [call for call, _ in heard],
                                             [before for _, before in heard])


def _joined(mine: Memory, record: Computation, results: tuple[Any, ...]) -> Memory | None:
    """Return memory in which the results of the array function are the copies of those of the trace."""
    for out, result in zip(record.outs, results):
        if out is None:
            continue
        root, held = owner(out), owner(result) if isinstance(result, np.ndarray) else None
        if held is None or result.strides != out.strides or root.nbytes != held.nbytes or (
                out.ctypes.data - root.ctypes.data != result.ctypes.data - held.ctypes.data):
            return None
        known = mine.homes.get(id(root))
        if known is not None and known[1].ctypes.data != held.ctypes.data:
            return None
        if not held.flags.c_contiguous:
            return None
        mine.homes[id(root)] = root, held.reshape(-1).view(np.uint8)
    return mine


def _proven(record: Computation, forward: Callable[..., Any], mine: Memory, calls: Calls,
            befores: list[list[np.ndarray]] | None = None) -> Lowered | None:
    """Return calls on the arrays of the trace if they compute what the array function does, else None."""
    spans = [(copy.ctypes.data, copy.ctypes.data + max(1, copy.nbytes), root) for root, copy in mine.homes.values()]
    extras: dict[int, np.ndarray] = {}
    contents: dict[int, np.ndarray] = {}
    moved: dict[int, np.ndarray] = {}

    def home(array: np.ndarray) -> np.ndarray:
        """Return what an array of the recorded calls is in the trace: the same place in an array of it, or itself."""
        address = array.ctypes.data
        for low, high, root in spans:
            if low <= address < high:
                flat = root.ravel("K").view(np.uint8)
                return np.ndarray(array.shape, array.dtype, flat, address - low, array.strides)
        return array

    for number, call in enumerate(calls):
        for place, array in enumerate(call.arrays):
            if home(array) is array and id(owner(array)) not in extras:
                extras[id(owner(array))] = owner(array)
                root = owner(array)
                contents[id(root)] = root.copy()
                if befores is not None and root.size == array.size and befores[number][place].size == root.size:
                    contents[id(root)] = befores[number][place].reshape(root.shape).copy()
    ours = [call.moved(home) for call in calls]
    writes = [x for x in record.inputs if isinstance(x, np.ndarray) and any(x is w for w in record.writes)]
    outs = [out for out in record.outs if out is not None]
    try:
        theirs = Memory(*record.inputs, *outs, *extras.values())
        machine = Machine([call.moved(theirs) for call in ours])
        for attempt, (integers, large) in enumerate(((False, False), (True, False), (False, True))):
            his = Memory(*record.inputs)
            _vary([his(x) for x in record.inputs if isinstance(x, np.ndarray)], integers, attempt, large)
            for x in record.inputs:
                if isinstance(x, np.ndarray) and x.flags.writeable:
                    np.copyto(theirs(x), his(x))
            for out in outs:
                if out not in his:
                    theirs.homes[id(owner(out))][1].fill(0xFF)
            for key, root in extras.items():
                if attempt and key in moved:
                    theirs.homes[key][1].fill(0xFF)
                else:
                    np.copyto(theirs(root), contents[key])
            with np.errstate(all="ignore"):
                try:
                    results = forward(*[his(x) if isinstance(x, np.ndarray) else x for x in record.inputs],
                                      **record.params)
                except (IndexError, RuntimeError, ValueError):
                    if integers:
                        continue  # these integers are not allowed
                    return None
            if machine.run() >= 0:  # it says that Python must do it, of these numbers
                if attempt:
                    continue
                return None
            results = results if isinstance(results, tuple) else (results,)
            pairs = [(out, result) for out, result in zip(record.outs, results) if out is not None]
            if not all(same_bits(theirs(out), np.asarray(result)) for out, result in pairs):
                return None
            if not all(same_bits(theirs(x), his(x)) for x in (writes or ())):
                return None
            if not attempt:
                moved = {key: root for key, root in extras.items() if not same_bits(theirs(root), contents[key])}
    except (TypeError, NotLowered):
        return None
    except Exception as error:  # Numba's own kinds: a kernel that is not compiled for such types
        if type(error).__module__.startswith("numba"):
            return None
        raise
    return Lowered(ours, list(moved.values()))


# ------------------------------------------------------------------------------------ rules


def _carray(*arrays: Any) -> None:
    for x in arrays:
        if not isinstance(x, np.ndarray) or not x.flags.carray:
            raise NotLowered


def by_pass(operation: Pass, arrays: list[Any], out: np.ndarray, function: int = 0, numbers: Any = ()) -> Calls:
    """Return the calls of an elementwise kernel, whatever the size; strided operands are packed before."""
    floats = [x for x in arrays if isinstance(x, np.ndarray) and x.dtype.kind == "f"]
    if not floats or any(x.dtype != out.dtype for x in floats) or out.dtype not in (np.float32, np.float64):
        raise NotLowered
    if any(isinstance(x, np.ndarray) and x.dtype.kind not in "fb" for x in arrays):
        raise NotLowered
    order = sorted(range(out.ndim), key=lambda i: -out.strides[i])  # as it lies in memory
    out = out.transpose(order)
    given, calls = [], []
    for x in arrays:
        x = np.asarray(x, out.dtype) if not isinstance(x, np.ndarray) else x
        x = x.reshape((1,) * (out.ndim - x.ndim) + x.shape).transpose(order)
        if not x.flags.carray:
            packed = np.empty(x.shape, x.dtype)
            calls.append(copying(x, packed))
            x = packed
        given.append(x)
    shape, operands, layout = _laid_out(tuple(given), operation.width)
    if shape != out.shape or not out.size or not out.flags.carray:
        raise NotLowered
    with recorded(run=False) as heard:
        operation._run(function, operands, layout, out.size, tuple(numbers), out.reshape(-1))
    return [*calls, heard[0][0]]


def _arithmetic(function: int) -> Callable[..., Calls]:
    def rule(inputs: list[Any], outs: list[Any], params: dict[str, Any]) -> Calls:
        x, y = inputs
        if function == operations.ADD and isinstance(x, np.ndarray) and x.dtype == np.int64 and type(y) is int:
            _carray(x, outs[0])
            return [Call(small.add_whole, (1, x.reshape(-1), y, outs[0].reshape(-1)))]
        return by_pass(operations.ARITHMETIC, inputs, outs[0], function)

    return rule


def span(x: np.ndarray) -> tuple[np.ndarray, int]:
    """Return the memory of a strided array as one row, and where in it the first element lies."""
    root = owner(x)
    if not root.flags.forc or (x.ctypes.data - root.ctypes.data) % x.itemsize:
        raise NotLowered
    low = sum(min(0, (n - 1) * step) for n, step in zip(x.shape, x.strides))
    high = sum(max(0, (n - 1) * step) for n, step in zip(x.shape, x.strides)) + x.itemsize
    first = x.ctypes.data - root.ctypes.data
    flat = root.ravel("K").view(np.uint8)[first + low : first + high]
    return np.ndarray((len(flat) // x.itemsize,), x.dtype, flat), -low // x.itemsize


def four_dims(*arrays: np.ndarray) -> list[tuple[int, ...]]:
    """Return the sizes of arrays of one shape and their steps in elements, as 4 dims, neighbours merged if possible."""
    shape = arrays[0].shape
    if any(step % x.itemsize for x in arrays for step in x.strides):
        raise NotLowered
    dims = [(n, *(x.strides[i] // x.itemsize for x in arrays)) for i, n in enumerate(shape) if n != 1]
    merged: list[tuple[int, ...]] = []
    for dim in dims:
        if merged and all(outer == inner * dim[0] for outer, inner in zip(merged[-1][1:], dim[1:])):
            merged[-1] = merged[-1][0] * dim[0], *dim[1:]
        else:
            merged.append(dim)
    if len(merged) > 4:
        raise NotLowered
    return [(1, *[0] * len(arrays))] * (4 - len(merged)) + merged


def copying(x: np.ndarray, out: np.ndarray) -> Call:
    """Return the call that copies between arrays of one shape and dtype."""
    if x.dtype != out.dtype or x.shape != out.shape or not out.size or x.dtype.char not in "fdl?BI":
        raise NotLowered
    dims = four_dims(x, out)
    (source, x_start), (target, o_start) = span(x), span(out)
    table = np.array([*(d[0] for d in dims), x_start, *(d[1] for d in dims), o_start, *(d[2] for d in dims)])
    return Call(small.copy, (1, source, target, table))


def _copy(inputs: list[Any], outs: list[Any], params: dict[str, Any]) -> Calls:
    return [copying(inputs[0], outs[0])]


def _reshape(inputs: list[Any], outs: list[Any], params: dict[str, Any]) -> Calls:
    if outs[0] is None or not outs[0].flags.c_contiguous:
        raise NotLowered
    return [copying(inputs[0], outs[0].reshape(inputs[0].shape))]


def _spread_to(inputs: list[Any], outs: list[Any], params: dict[str, Any]) -> Calls:
    (g,), (out,) = inputs, outs
    kept = tuple(1 if i in params["dims"] else n for i, n in enumerate(params["shape"]))
    _carray(g)
    g, share = g.reshape(kept), params.get("share", 1.0)
    calls: Calls = []
    if share != 1:
        scaled = np.empty_like(g)
        calls += by_pass(operations.ARITHMETIC, [g, np.asarray(share, g.dtype)], scaled, operations.MUL)
        g = scaled
    if 0 in out.strides:  # a view of what was scaled
        out = out[tuple([slice(0, 1) if step == 0 else slice(None) for step in out.strides])]
        if out.shape != g.shape:
            raise NotLowered
        return [*calls, copying(g, out)]
    return [*calls, copying(np.broadcast_to(g, out.shape), out)]


def _summed(inputs: list[Any], outs: list[Any], params: dict[str, Any], share: float = 1.0) -> Calls:
    (x,), (out,) = inputs, outs
    if not isinstance(x, np.ndarray) or x.dtype.char not in "fd" or not x.size or not out.flags.carray:
        raise NotLowered
    dims = tuple(sorted(params["dims"]))
    calls: Calls = []
    if not x.flags.carray:
        packed = np.empty(x.shape, x.dtype)
        calls.append(copying(x, packed))
        x = packed
    steps = folds._steps(x.shape, dims)
    if len(steps) > 1:
        raise NotLowered
    total = np.empty(out.size)
    outer, length, inner = steps[0] if steps else (x.size, 1, 1)
    flat = x.reshape(-1)
    if x.size < folds.SMALL:
        calls.append(Call(small.fold, (1, flat, total, outer, length, inner)))
    else:
        layout, pieces, size = folds._cut(outer, length, inner)
        partial = np.empty(size) if pieces > 1 else total
        with recorded() as heard:  # so that the kernel is compiled and known
            folds.SUM._step(np.ones(outer * length * inner, x.dtype), outer, length, inner)
        kernel = heard[0][0]
        calls.append(Call(kernel.kernel, (kernel.arguments[0], layout, flat, partial)))
        if pieces > 1 and inner == 1 and pieces >= small.LONGEST:
            raise NotLowered
        if pieces > 1:
            calls.append(Call(small.fold, (1, partial, total, outer, pieces, inner)))
    calls.append(Call(small.cast, (1, total, out.reshape(-1), float(share))))
    return calls


def _sum_to_size(inputs: list[Any], outs: list[Any], params: dict[str, Any]) -> Calls:
    (x,), (out,) = inputs, outs
    shape = (1,) * (x.ndim - out.ndim) + params["shape"]
    steps = folds._steps(x.shape, tuple(i for i, (n, m) in enumerate(zip(x.shape, shape)) if m == 1 and n != 1))
    _carray(x, out)
    if len(steps) != 1 or not x.size or (steps[0][2] == 1 and steps[0][1] >= small.LONGEST):
        raise NotLowered
    return [Call(small.fold, (1, x.reshape(-1), out.reshape(-1), *steps[0]))]


def _embedding(inputs: list[Any], outs: list[Any], params: dict[str, Any]) -> Calls:
    weight, index = inputs
    (out,) = outs
    _carray(weight, index, out)
    if index.dtype != np.int64 or weight.ndim != 2 or not out.size:
        raise NotLowered
    return [Call(small.take_rows, (threads_for(out.size), weight, index.reshape(-1), out.reshape(index.size, -1)))]


def _mean(inputs: list[Any], outs: list[Any], params: dict[str, Any]) -> Calls:
    return _summed(inputs, outs, params, params["share"])


def product(a: np.ndarray, b: np.ndarray, out: np.ndarray) -> Calls:
    """Return the calls of NumPy's product of two small matrices."""
    (M, K), N = a.shape, b.shape[1]
    if a.dtype != b.dtype or a.dtype.char not in "fd" or not out.flags.carray or not M * N * K:
        raise NotLowered
    letter, number = ("s", np.float32) if a.dtype.char == "f" else ("d", np.float64)
    if K == 1:
        return by_pass(operations.ARITHMETIC, [a, b], out, operations.MUL)
    order, plain, turned = np.int32(101), np.int32(111), np.int32(112)
    one, zero = (number(1), number(0)) if letter == "s" else (1.0, 0.0)

    def form(x: np.ndarray) -> tuple[np.int32, int]:
        rows, columns = (step // x.itemsize for step in x.strides)
        if columns == 1 and (rows >= x.shape[1] or x.shape[0] == 1):
            return plain, max(rows, x.shape[1])
        if rows == 1 and (columns >= x.shape[0] or x.shape[1] == 1):
            return turned, max(columns, x.shape[0])
        raise NotLowered

    (a_form, a_step), (b_form, b_step) = form(a), form(b)
    if M == 1 or N == 1:
        matrix, vector = (b.T, a.reshape(-1)) if M == 1 else (a, b.reshape(-1))
        if M == N == 1 or vector.strides[0] != vector.itemsize:
            raise NotLowered
        kind, step = form(matrix)
        rows, columns = matrix.shape if kind == plain else matrix.shape[::-1]
        function = blas(f"{letter}gemv")
        if function is None:
            raise NotLowered
        return [Call(function, (order, kind, rows, columns, one, Pointer(matrix), step, Pointer(vector), 1, zero,
                                Pointer(out), 1))]
    function = blas(f"{letter}gemm")
    if function is None:
        raise NotLowered
    return [Call(function, (order, a_form, b_form, M, N, K, one, Pointer(a), a_step, Pointer(b), b_step, zero,
                            Pointer(out), N))]


def _said_product(a: np.ndarray, b: np.ndarray, out: np.ndarray) -> Calls:
    """Return the calls of NumPy's products of two stacks of small matrices, one for each."""
    batch = out.shape[:-2]
    if not batch:
        return product(a, b, out)
    if out.size > MOST_PRODUCTS * math.prod(out.shape[-2:]) or a.shape[-1] == 1:
        raise NotLowered
    a, b = np.broadcast_to(a, (*batch, *a.shape[-2:])), np.broadcast_to(b, (*batch, *b.shape[-2:]))
    return [call for i in np.ndindex(batch) for call in product(a[i], b[i], out[i])]


def _said_total(x: np.ndarray, axis: int, out: np.ndarray) -> Calls:
    _carray(x, out)
    outer, length, inner = math.prod(x.shape[:axis]), x.shape[axis], math.prod(x.shape[axis + 1 :])
    if not x.size or (inner == 1 and length >= small.LONGEST):
        raise NotLowered
    return [Call(small.fold, (1, x.reshape(-1), out.reshape(-1), outer, length, inner))]


SAID: dict[str, Callable[..., Calls]] = {  # by the names in `kernels.by_numpy`
    "put": lambda x, out: [copying(np.broadcast_to(x, out.shape), out)],
    "zeros": lambda out: [Call(small.fill, (1, out.reshape(-1), 0.0))],
    "add": lambda x, y, out: by_pass(operations.ARITHMETIC, [x, y], out, operations.ADD),
    "times": lambda x, y, out: by_pass(operations.ARITHMETIC, [x, y], out, operations.MUL),
    "at_least_zero": lambda out: by_pass(operations.RELU, [out], out),
    "product": _said_product,
    "total": _said_total,
    "rounded": lambda x, out: [Call(small.cast, (1, x.reshape(-1), out.reshape(-1), 1.0))],
    "above_zero": lambda x: [Call(small.above_zero, (1, x.reshape(-1)))],
}


def _class_indices(inputs: list[Any], outs: list[Any], params: dict[str, Any]) -> Calls:
    _carray(inputs[0], outs[0])
    return [Call(small.class_indices, (1, inputs[0].reshape(-1), outs[0], params["classes"], params["ignore_index"]))]


def looked(effect: Effect) -> Lowered | None:
    """Return the kernels that look at numbers as a function does that raises an error for some; None where Python must.

    Where a kernel finds such a number, Python looks too and raises the error.
    """
    rule = LOOKS.get(effect.method)
    try:
        return None if rule is None else Lowered(rule(*effect.arguments, **effect.keywords), [])
    except NotLowered:
        return None


def _all_between(x: Any, low: float, high: float) -> Calls:
    array = x.array
    _carray(array)
    return [Call(small.check_between, (threads_for(array.size), array.reshape(-1), low, high))] if array.size else []


LOOKS: dict[Callable[..., Any], Callable[..., Calls]] = {inspect.unwrap(check): rule for check, rule in (
    (_check_range, lambda index, size, operation: _all_between(index, 0, size - 1)),
    (_check_probabilities, lambda x: _all_between(x, 0.0, 1.0)),
)}  # fmt: skip


def _class_factors(inputs: list[Any], outs: list[Any], params: dict[str, Any]) -> Calls:
    indices, weight = inputs
    _carray(indices, outs[0])
    return [Call(small.class_factors, (1, indices, np.empty(0, outs[0].dtype) if weight is None else weight, outs[0]))]


def _relu(inputs: list[Any], outs: list[Any], params: dict[str, Any]) -> Calls:
    return by_pass(operations.RELU, inputs, outs[0])


def _relu_input(inputs: list[Any], outs: list[Any], params: dict[str, Any]) -> Calls:
    return by_pass(operations.RELU, inputs, outs[0], 1)


def _dropout(inputs: list[Any], outs: list[Any], params: dict[str, Any]) -> Calls:
    x, seed = inputs
    _carray(x, outs[0], outs[1])
    scale = x.dtype.type(1 / (1 - params["p"]) if params["p"] < 1 else 0)
    return [Call(elementwise._dropout, (
        threads_for(4 * x.size), x.reshape(-1), outs[0].reshape(-1), outs[1].reshape(-1), scale,
        round(params["p"] * 2**32), Half(seed, 0), Half(seed, 1),
    ))]  # fmt: skip


def _accumulate(inputs: list[Any], outs: list[Any], params: dict[str, Any]) -> Calls:
    total, part = inputs
    return by_pass(operations.ARITHMETIC, [total, part], total, operations.ADD)


def _copy_into(inputs: list[Any], outs: list[Any], params: dict[str, Any]) -> Calls:
    target, value = inputs
    if isinstance(value, np.ndarray):
        return [copying(np.broadcast_to(value, target.shape), target)]
    _carray(target)
    if target.dtype.char not in "fd":
        raise NotLowered
    return [Call(small.fill, (1, target.reshape(-1), float(value)))]


def _cat(inputs: list[Any], outs: list[Any], params: dict[str, Any]) -> Calls:
    (out,), calls, at = outs, [], 0
    moved = np.moveaxis(out, params["dim"], 0)
    for x in inputs:
        n = x.shape[params["dim"]]
        if x.size:
            calls.append(copying(x, np.moveaxis(moved[at : at + n], 0, params["dim"])))
        at += n
    return calls


def _put(inputs: list[Any], outs: list[Any], params: dict[str, Any]) -> Calls:
    g, (out,) = inputs[0], outs
    if len(inputs) > 1 or out.dtype.char not in "fd":
        raise NotLowered
    _carray(out)
    key = numpy_index(params["key"], ())
    place = out[key if Ellipsis in key else (*key, ...)]  # an array even where it is a single element
    return [Call(small.fill, (1, out.reshape(-1), 0.0)), copying(g, place)]


def _pad_constant(inputs: list[Any], outs: list[Any], params: dict[str, Any]) -> Calls:
    (x,), (out,) = inputs, outs
    if out.dtype.char not in "fd" or any(before < 0 or after < 0 for before, after in params["widths"]):
        raise NotLowered
    _carray(out)
    inner = tuple(slice(before, before + n) for n, (before, _) in zip(x.shape, params["widths"]))
    calls = [Call(small.fill, (1, out.reshape(-1), float(params["value"])))]
    return [*calls, copying(x, out[inner])] if x.size else calls


def _move_statistics(inputs: list[Any], outs: list[Any], params: dict[str, Any]) -> Calls:
    *arrays, momentum = inputs
    _carray(*arrays)
    if not isinstance(momentum, float) or len({x.dtype for x in arrays}) > 1:
        raise NotLowered
    number, count = arrays[0].dtype.type, params["count"]
    return [Call(small.move_statistics, (1, *arrays, number(1 - momentum), number(momentum), momentum, params["eps"],
                                         count / (count - 1)))]


def _elementwise_loss(inputs: list[Any], outs: list[Any], params: dict[str, Any]) -> Calls:
    _carray(*inputs)
    if not params["summed"]:
        raise NotLowered
    with recorded(run=False) as heard:
        ELEMENTWISE[params["loss"]].kernel.sum(
            *inputs, numbers=(params["delta"], 1.0) if params["loss"] == "huber" else ())
    (call, _), *_ = heard
    sums, total = call.arguments[-1], np.empty(1)
    if sums.size >= small.LONGEST:
        raise NotLowered
    return [call, Call(small.fold, (1, sums, total, 1, sums.size, 1)),
            Call(small.cast, (1, total, outs[0].reshape(-1), float(params["share"])))]


RULES: dict[str, Callable[..., Calls]] = {
    "add": _arithmetic(operations.ADD),
    "sub": _arithmetic(operations.SUB),
    "mul": _arithmetic(operations.MUL),
    "div": _arithmetic(operations.DIV),
    "relu": _relu,
    "relu_input": _relu_input,
    "sum": _summed,
    "mean": _mean,
    "spread_to": _spread_to,
    "class_indices": _class_indices,
    "class_factors": _class_factors,
    "where": lambda inputs, outs, params: by_pass(operations.WHERE, [inputs[2], *inputs[:2]], outs[0]),
    "neg": lambda inputs, outs, params: by_pass(operations.ARITHMETIC, [inputs[0], -1.0], outs[0], operations.MUL),
    "square": lambda inputs, outs, params: by_pass(operations.ARITHMETIC, [inputs[0]] * 2, outs[0], operations.MUL),
    "sum_to_size": _sum_to_size,
    "embedding": _embedding,
    "kept": _copy,
    "clone": _copy,
    "reshape": _reshape,
    "dropout": _dropout,
    "accumulate": _accumulate,
    "move_statistics": _move_statistics,
    "elementwise_loss": _elementwise_loss,
    "copy_into": _copy_into,
    "cat": _cat,
    "put": _put,
    "pad_constant": _pad_constant,
}
