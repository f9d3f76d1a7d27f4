"""A graph of ONNX nodes under construction: values have names, constants are written once."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ....typing import Array
from .trace import Call, Number, Size, Value, Varying, described, linear

__all__ = ["ENDLESS", "Graph"]

ENDLESS = np.iinfo(np.int64).max


class Graph:
    """The nodes and initializers of a file.

    Parameters
    ----------
    onnx : module
        The package onnx.
    batch : (str, int) or None
        The input, and the dim of it, that has the batch size.
    batches : sequence of int
        The batch sizes of the recordings.
    """

    def __init__(self, onnx: Any, batch: tuple[str, int] | None, batches: Sequence[int]):
        self.onnx = onnx
        self.batch = batch
        self.batches = batches
        self.nodes: list[Any] = []
        self.initializers: dict[str, Array] = {}
        self.call: Call | None = None  # what is being translated
        self.consumers: dict[int, list[Call]] = {}  # by id of a Value: the calls that take it
        self.producers: dict[int, Call] = {}
        self.outputs: list[Value] = []
        self._constants: dict[Any, str] = {}
        self._taken: set[str] = set()
        self._sizes: dict[Size, str] = {}

    # -------------------------------------------------------------------------------- names

    def fresh(self, wish: str) -> str:
        """Return a name that is not taken yet."""
        name, count = wish, 0
        while name in self._taken:
            count += 1
            name = f"{wish}_{count}"
        self._taken.add(name)
        return name

    def name_of(self, value: Value) -> str:
        """Return the name of a value; what came from outside is written as a constant."""
        if value.name:
            return value.name
        if value.array is None and not value.counts:
            raise NotImplementedError(f"onnx.export(): {described(self.call) if self.call else 'the result'} takes an "
                                      "array that was not computed by operations on the inputs, and that is another "
                                      "one in each forward pass (random numbers, or a computation in NumPy); give "
                                      "batch_dims=None if it depends on the batch size alone")
        if value.counts:
            value.name = self.node("Range", self.scalar(0), self.node("Squeeze", self.ints(list(value.shape))),
                                   self.scalar(1))
        elif value.spread is not None:
            assert value.array is not None
            value.name = self.node("Expand", self.constant(value.array), self.ints(list(value.shape)))
        else:
            assert value.array is not None
            value.name = self.constant(value.array)
        return value.name

    # -------------------------------------------------------------------------------- nodes

    def node(self, operator: str, *inputs: str | None, **attributes: Any) -> str:
        """Add a node of one result; return the name of the result. None stands for an absent input."""
        return self.nodes_of(operator, 1, *inputs, **attributes)[0]

    def nodes_of(self, operator: str, count: int, *inputs: str | None, **attributes: Any) -> list[str]:
        """Add a node of several results; return their names."""
        layer = self.call.layer[0] if self.call else ""
        name = self.fresh(f"{layer}/{operator}" if layer else operator)
        results = [self.fresh(f"{name}:{i}" if count > 1 else f"{name}:out") for i in range(count)]
        given = [x or "" for x in inputs]
        while given and not given[-1]:
            given.pop()
        attributes = {key: value for key, value in attributes.items() if value is not None}
        self.nodes.append(self.onnx.helper.make_node(operator, given, results, name=name, **attributes))
        return results

    # -------------------------------------------------------------------------------- constants

    def constant(self, array: Any, dtype: Any = None, name: str = "") -> str:
        """Return the name of an array that is written into the file."""
        array = np.ascontiguousarray(array, dtype).reshape(np.shape(array))
        key = array.dtype.str, array.shape, array.tobytes()
        if name:
            name = self.fresh(name)
        elif key in self._constants:
            return self._constants[key]
        else:
            name = self.fresh(f"constant_{len(self.initializers)}")
            self._constants[key] = name
        self.initializers[name] = array
        return name

    def scalar(self, number: Any, dtype: Any = np.int64) -> str:
        """Return the name of a 0-d constant."""
        return self.constant(np.asarray(number, dtype))

    def like(self, number: Any, value: Value | np.dtype[Any]) -> str:
        """Return the name of a 0-d constant of the dtype of a value."""
        return self.scalar(number, value.dtype if isinstance(value, Value) else value)

    def number(self, number: Any, dtype: np.dtype[Any]) -> str:
        """Return the name of a number, which may depend on the batch size, as a 0-d value."""
        if isinstance(number, Varying):
            size = linear(number.values, self.batches)
            part = None if size or 0 in number.values else linear([1 / value for value in number.values], self.batches)
            if size is None and part is None:
                raise self.refused("a number that is no simple function of the batch size")
            return self.number(size, dtype) if size else self.node("Reciprocal", self.number(part, dtype))
        if isinstance(number, Size):
            return self.cast(self.squeeze(self.size(number), 0), np.dtype(np.int64), dtype)
        return self.scalar(number, dtype)

    def size(self, size: Size) -> str:
        """Return the name of an int64 array with one element, a number that depends on the batch size."""
        if size not in self._sizes:
            if self.batch is None:
                raise NotImplementedError("onnx.export(): no input has a batch size")
            call, self.call = self.call, None  # it belongs to no layer
            batch, dim = self.batch
            name = self.node("Shape", batch, start=dim, end=dim + 1 or None)
            if size.factor != 1:
                name = self.node("Mul", name, self.constant([size.factor], np.int64))
            if size.offset:
                name = self.node("Add", name, self.constant([size.offset], np.int64))
            self.call = call
            self._sizes[size] = name
        return self._sizes[size]

    def ints(self, numbers: Sequence[Number | None]) -> str:
        """Return the name of a 1-d int64 array of numbers, some of which may depend on the batch size."""
        self.static_or_size(numbers)
        if not any(isinstance(n, Size) for n in numbers):
            return self.constant(np.asarray(numbers, np.int64).reshape(len(numbers)))
        parts: list[str] = []
        fixed: list[Any] = []
        for n in [*numbers, None]:
            if isinstance(n, int):
                fixed.append(n)
                continue
            if fixed:
                parts.append(self.constant(fixed, np.int64))
                fixed = []
            if n is not None:
                parts.append(self.size(n))
        return parts[0] if len(parts) == 1 else self.node("Concat", *parts, axis=0)

    def static_or_size(self, numbers: Sequence[Any]) -> None:
        """Raise for a number that is no simple function of the batch size."""
        if any(isinstance(n, Varying) for n in numbers):
            raise self.refused("a number that is no simple function of the batch size")

    def static(self, *numbers: Any) -> list[int]:
        """Return numbers that must not depend on the batch size."""
        if any(isinstance(n, Size | Varying) for n in numbers):
            raise self.refused("a size that depends on the batch size")
        return list(numbers)

    def share_of_mean(self, share: Any, shape: Sequence[Number]) -> float:
        """Return the factor that makes of a mean over `shape` what `share` makes of the sum."""
        shares = share.values if isinstance(share, Varying) else [share] * len(self.batches)
        counts = [math.prod(n.factor * batch + n.offset if isinstance(n, Size) else n for n in shape)
                  for batch in self.batches]
        factors = [share * count for share, count in zip(shares, counts)]
        if not np.allclose(factors, factors[0], rtol=1e-9):
            raise self.refused("a number that is no simple function of the batch size")
        return float(factors[0])

    def refused(self, why: str) -> NotImplementedError:
        """Return the error for the call that is being translated."""
        return NotImplementedError(f"onnx.export(): {described(self.call) if self.call else 'the model'} has no ONNX "
                                   f"form with {why}")

    # -------------------------------------------------------------------------------- what translations often need

    def cast(self, name: str, source: np.dtype[Any], target: np.dtype[Any]) -> str:
        """Return a value in another dtype."""
        if np.dtype(source) == np.dtype(target):
            return name
        return self.node("Cast", name, to=self.onnx.helper.np_dtype_to_tensor_dtype(np.dtype(target)))

    def reshape(self, name: str, shape: Sequence[Number]) -> str:
        """Return a value in another shape; one size that depends on the batch size is found by the reader."""
        open_ = [i for i, n in enumerate(shape) if isinstance(n, Size)]
        if 0 in shape:
            return self.node("Reshape", name, self.ints(shape), allowzero=1)
        if len(open_) == 1:
            return self.node("Reshape", name, self.constant([-1 if i in open_ else n for i, n in enumerate(shape)],
                                                            np.int64))
        return self.node("Reshape", name, self.ints(shape))

    def transpose(self, name: str, dims: Sequence[int]) -> str:
        """Return a value with its dims in another order."""
        return name if list(dims) == list(range(len(dims))) else self.node("Transpose", name, perm=list(dims))

    def unsqueeze(self, name: str, *dims: int) -> str:
        """Return a value with new dims of size 1."""
        return self.node("Unsqueeze", name, self.constant(dims, np.int64)) if dims else name

    def squeeze(self, name: str, *dims: int) -> str:
        """Return a value without some dims of size 1."""
        return self.node("Squeeze", name, self.constant(dims, np.int64)) if dims else name

    def slice(self, name: str, axes: Sequence[int], starts: Sequence[Number], stops: Sequence[Number],
              steps: Sequence[int] | None = None) -> str:  # fmt: skip
        """Return a part of a value."""
        return self.node("Slice", name, self.ints(starts), self.ints(stops), self.constant(axes, np.int64),
                         None if steps is None else self.constant(steps, np.int64))

    def concat(self, names: Sequence[str], axis: int) -> str:
        """Return values one after the other."""
        return names[0] if len(names) == 1 else self.node("Concat", *names, axis=axis)

    def reduce(self, operator: str, name: str, dims: Sequence[int], keepdim: bool) -> str:
        """Return a reduction over some dims; over none it is the value itself."""
        if not dims:
            return self.node("Abs", name) if operator in ("ReduceL1", "ReduceL2") else self.node("Identity", name)
        return self.node(operator, name, self.constant(dims, np.int64), keepdims=int(keepdim))

    def gather(self, name: str, indices: Any, axis: int) -> str:
        """Return the slices at constant indices along an axis."""
        return self.node("Gather", name, self.constant(indices, np.int64), axis=axis)
