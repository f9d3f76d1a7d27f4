"""Peepholes: calls of a trace that one primitive does in one pass over memory, with the same bits.

Each looks at the list of calls and at who uses an array: what is computed on the way goes away only where nobody else,
inside the step or after it, reads it.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np

from ..ops import conv, linalg, pool
from .reach import owner
from .trace import Computation, Trace, arrays_of

__all__ = ["fuse"]

WITH_RELU = {"conv2d": conv._conv2d_relu, "linear": linalg._linear_relu}


def fuse(trace: Trace, results: list[Any]) -> list[str]:
    """Put one call in the place of several, wherever a peephole finds them; return which, in words.

    Parameters
    ----------
    trace : Trace
    results : list of tensor
        What the step returns.
    """
    fusing = _Fusing(trace, results)
    fusing.run()
    return fusing.done


class _Fusing:
    """The calls of a trace, and which of them use an array."""

    def __init__(self, trace: Trace, results: list[Any]):
        self.trace = trace
        self.records: list[Any] = list(trace.records)  # None: gone
        self.done: list[str] = []
        self.users: dict[int, set[int]] = defaultdict(set)  # by the id of an owner of memory
        self.makers: dict[int, int] = {}
        for i, record in enumerate(self.records):
            for array in arrays_of(record):
                self.users[id(owner(array))].add(i)
            if isinstance(record, Computation):
                for out in record.outs:
                    if out is not None:
                        self.makers.setdefault(id(owner(out)), i)
        self.lasting = {id(owner(x.array)) for x in results} | trace.restored.keys()
        self.lasting |= {id(owner(last)) for _, _, last in trace.gradients if last is not None}

    def run(self) -> None:
        for peephole in (self.relu_and_max_pool, self.product_and_relu):
            for i, record in enumerate(self.records):
                if isinstance(record, Computation):
                    peephole(i, record)
        trace = self.trace
        if trace.split is not None:
            trace.split = sum(record is not None for record in self.records[: trace.split])
        trace.records = [record for record in self.records if record is not None]

    def maker_of(self, array: Any, name: str) -> int | None:
        """Return the number of the call of this name that made an array, all of it."""
        i = self.makers.get(id(owner(array)))
        record = None if i is None else self.records[i]
        if record is None or record.primitive.name != name or not _is_same(record.outs[0], array):
            return None
        return i

    def are_all(self, array: Any, users: set[int]) -> bool:
        """Return whether nobody but these calls uses an array."""
        return id(owner(array)) not in self.lasting and self.users[id(owner(array))] == users

    def replace(self, i: int, primitive: Any, inputs: list[Any], outs: list[Any], gone: int) -> None:
        """Put a call in the place of number `i`, and take another one away."""
        before = self.records[i]
        record = self.records[i] = Computation(primitive, inputs, before.params, before.promotes)
        record.outs = outs
        self.records[gone] = None
        for number in (i, gone):
            for users in self.users.values():
                users.discard(number)
        for array in arrays_of(record):
            self.users[id(owner(array))].add(i)
        for out in outs:
            self.makers[id(owner(out))] = i

    def relu_and_max_pool(self, i: int, record: Computation) -> None:
        """ReLU, then max-pooling: the pool takes it into its pass, and its adjoint puts 0 where ReLU had cut."""
        if record.primitive.name != "max_pool2d" or (relu := self.maker_of(record.inputs[0], "relu")) is None:
            return
        activated, (out, index) = self.records[relu].outs[0], record.outs
        backward = sorted(self.users[id(owner(activated))] - {relu, i})
        if not backward:
            if self.are_all(activated, {relu, i}) and self.are_all(index, {i}):
                self.replace(i, pool._max_pool2d_relu, self.records[relu].inputs, record.outs, relu)
                self.done.append("relu + max_pool2d")
            return
        cut = self.records[backward[0]]
        if len(backward) > 1 or not isinstance(cut, Computation) or cut.primitive.name != "relu_input":
            return
        put = self.maker_of(cut.inputs[0], "window_put")
        if put is None or not _is_same(self.records[put].inputs[1], index) or not _is_same(cut.inputs[1], activated):
            return
        if self.are_all(activated, {relu, i, backward[0]}) and self.are_all(index, {i, put}) and self.are_all(
                self.records[put].outs[0], {put, backward[0]}):
            self.replace(i, pool._max_pool2d_relu, self.records[relu].inputs, [out, index], relu)
            found = self.records[put]
            self.replace(put, found.primitive, found.inputs, cut.outs, backward[0])
            self.done.append("relu + max_pool2d, both ways")

    def product_and_relu(self, i: int, record: Computation) -> None:
        """A convolution or a linear layer, then ReLU: it is applied before the result leaves the registers."""
        if record.primitive.name != "relu":
            return
        for name, primitive in WITH_RELU.items():
            product = self.maker_of(record.inputs[0], name)
            if product is None or not self.are_all(record.inputs[0], {product, i}):
                continue
            before, (out,) = self.records[product], record.outs
            if out is None or not out.flags.c_contiguous or not before.outs[0].flags.c_contiguous:
                continue
            self.replace(product, primitive, before.inputs, [out.reshape(before.outs[0].shape)], i)
            self.done.append(f"{name} + relu")


def _is_same(a: Any, b: Any) -> bool:
    """Return whether both are all of the same memory, in the same order."""
    return (isinstance(a, np.ndarray) and isinstance(b, np.ndarray) and a.ctypes.data == b.ctypes.data
            and a.size == b.size and a.dtype == b.dtype and a.flags.c_contiguous and b.flags.c_contiguous
            and owner(a) is owner(b))
