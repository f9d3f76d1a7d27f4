"""A function of values along the rows of matrices, in the middle of a kernel: what `passes` is for a whole operation.

Between two products of a recurrence lie some dozens of operations on each element. Written as Numba's loops they are
one pass each, with a remainder that may be rounded otherwise. `along_rows` emits them as one pass in vector registers:
each element goes through the same instructions wherever it lies.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils

from autograd_nn.kernels.annotations import Array, Builder, Context, Signature, Type, Typed, Value, Values
from autograd_nn.kernels.compile import intrinsic, or_twin
from autograd_nn.kernels.lanes import Lanes, Registers
from autograd_nn.kernels.tile import array_pointer, int64s_at, int64s_of, whole

__all__ = ["along_rows"]

Function = Callable[..., Any]


def along_rows(function: Function) -> Any:
    """Return ``run(rows, count, arrays, starts, steps)``, for kernels.

    It applies `function` to `count` elements of each of some rows. ``arrays`` are those of its parameters, then those
    of its results, flat and of one float dtype; row r of array a begins at element ``starts[a] + r * steps[a]``. A
    result may be written to where a parameter is read; with a step of 0 it is what one row leaves to the next.

    Parameters
    ----------
    function : callable
        Of values, see `lanes`; returns a tuple.
    """
    inputs = len(inspect.signature(function).parameters)

    def twin(
        rows: int, count: int, arrays: tuple[Array, ...], starts: tuple[int, ...], steps: tuple[int, ...]
    ) -> None:
        with np.errstate(all="ignore"):
            for r in range(rows):
                parts = [array[start + r * step :][:count]
                         for array, start, step in zip(arrays, starts, steps, strict=True)]  # fmt: skip
                for part, result in zip(parts[inputs:], function(*parts[:inputs]), strict=True):
                    part[...] = result

    def typed(typing_context: Any, rows: Type, count: Type, arrays: Type, starts: Type, steps: Type) -> Typed:
        def generate(context: Context, builder: Builder, signature: Signature, values: Values) -> Value:
            kinds = list(signature.args[2].types)
            v = Registers(context, builder, kinds[0])
            rows, count = int64s_at(context, builder, signature, values, 0, 1)
            pointers = [array_pointer(context, builder, kind, array)
                        for kind, array in zip(kinds, cgutils.unpack_tuple(builder, values[2], len(kinds)))]
            begins = int64s_of(context, builder, signature.args[3], values[3])
            strides = int64s_of(context, builder, signature.args[4], values[4])
            full = builder.and_(count, ir.Constant(rows.type, -v.lanes))
            kept = v.lanes_below(builder.sub(count, full))
            with cgutils.for_range(builder, rows) as row:
                here = [v.address(pointer, begin, builder.mul(row.index, stride))
                        for pointer, begin, stride in zip(pointers, begins, strides)]
                with cgutils.for_range_slice(builder, whole(0), full, whole(v.lanes), rows.type) as (j, _):
                    places = [v.address(each, j) for each in here]
                    results = function(*[Lanes(v, v.load(place)) for place in places[:inputs]])
                    for result, place in zip(results, places[inputs:], strict=True):
                        v.store(result.value, place)
                with builder.if_then(builder.icmp_signed("<", full, count)):
                    places = [v.address(each, full) for each in here]
                    results = function(*[Lanes(v, v.load_masked(place, kept)) for place in places[:inputs]])
                    for result, place in zip(results, places[inputs:], strict=True):
                        v.store_masked(result.value, place, kept)
            return context.get_dummy_value()

        return types.void(rows, count, arrays, starts, steps), generate

    return or_twin(intrinsic()(typed), twin)
