"""Sizes that kernels are given: named tuples of integers, which travel as one array.

Numba takes a named tuple apart at each call from Python, 0.15 us for each of its members; an array costs 0.05 us,
whatever its length. And a kernel that writes ``Plan(t[0], t[1], ..., t[30])`` is compiled for longer than one in which
a single instruction says it. So `table_of` lays named tuples one after the other, and `record` reads one of them: as
loads that cost nothing where a member is not used. `flat` sees an array as one row, without the checks of `reshape`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core.errors import TypingError
from numba.core.imputils import impl_ret_borrowed
from numba.np.arrayobj import populate_array

from .annotations import Array, Builder, Context, Signature, Type, Typed, Value, Values
from .compile import intrinsic, or_twin

__all__ = ["flat", "record", "table_of"]

INT64 = ir.IntType(64)


def table_of(*records: Any) -> Array:
    """Return named tuples (and other sequences of integers) one after the other."""
    return np.concatenate([np.asarray(each, np.int64).reshape(-1) for each in records])


def record_reference(kind: Any, table: Array, start: int) -> Any:
    """Return the named tuple of a kind whose members begin at an element of a table."""
    return kind(*map(int, table[start : start + len(kind._fields)]))


def flat_reference(array: Array) -> Array:
    """Return a C-contiguous array as one row."""
    return array.reshape(-1)


@intrinsic()
def record_intrinsic(typing_context: Any, kind: Type, table: Type, start: Type) -> Typed:
    if not isinstance(table, types.Array) or table.dtype != types.int64 or table.layout != "C":
        raise TypingError(f"record(): the table must be a C-contiguous array of int64 (got {table})")
    fields = kind.instance_class._fields
    result = types.NamedUniTuple(types.int64, len(fields), kind.instance_class)

    def generate(context: Context, builder: Builder, signature: Signature, arguments: Values) -> Value:
        first = context.cast(builder, arguments[2], signature.args[2], types.int64)
        base = builder.gep(context.make_array(table)(context, builder, arguments[1]).data, [first])
        members = [builder.load(builder.gep(base, [ir.Constant(INT64, i)])) for i in range(len(fields))]
        return context.make_tuple(builder, result, members)

    return result(kind, table, start), generate


@intrinsic()
def flat_intrinsic(typing_context: Any, array: Type) -> Typed:
    if not isinstance(array, types.Array) or array.layout != "C":
        raise TypingError(f"flat(): the array must be C-contiguous (got {array})")
    result = array.copy(ndim=1)

    def generate(context: Context, builder: Builder, signature: Signature, arguments: Values) -> Value:
        source = context.make_array(array)(context, builder, arguments[0])
        row = context.make_array(result)(context, builder)
        populate_array(row, source.data, [source.nitems], [source.itemsize], source.itemsize, source.meminfo)
        return impl_ret_borrowed(context, builder, result, row._getvalue())

    return result(array), generate


# What kernels call: the intrinsics, or where the compiler is switched off their twins.
record = or_twin(record_intrinsic, record_reference)
flat = or_twin(flat_intrinsic, flat_reference)
