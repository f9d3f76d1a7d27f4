"""Many arrays of one dtype as one argument of a kernel: the addresses of the array objects.

Numba takes an array apart at each call from Python, 0.1 us each, and compiles a kernel anew for each number of them. So
a kernel that works on all parameters of a net is given a table, `objects_of` its arrays: 0.05 us an array. `length_of`
looks whether all fit, and `row_of` sees one of them, by what NumPy's interface for C says of an array object: its data,
dims and flags lie behind the head that each object of Python's has. `tests/kernels/test_addresses.py` looks at that.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.np.arrayobj import populate_array

from .annotations import Array, Builder, Context, Signature, Type, Typed, Value, Values
from .compile import intrinsic, jit, or_twin

__all__ = ["Table", "length_of", "objects_of", "row_of", "size_of"]

# Of a PyArrayObject, after the head that each object of Python's has: where its members lie.
DATA = object.__basicsize__
NDIM, SHAPE, DTYPE, FLAGS = DATA + 8, DATA + 16, DATA + 40, DATA + 48
KIND = DATA + 8  # of a PyArray_Descr: kind, type, order of bytes and number, together 8 bytes
READABLE, WRITEABLE = 0x1 | 0x100, 0x400  # C-contiguous and aligned; NPY_ARRAY_WRITEABLE


def row_at_reference(address: int, size: int, like: Array) -> Array:
    """Return the array of `size` elements at an address, of the dtype of `like`."""
    if size <= 0:
        return like[:0]
    memory: Any = (ctypes.c_char * int(size * like.itemsize)).from_address(int(address))
    return np.ndarray((size,), like.dtype, memory)


def word_at_reference(address: int) -> int:
    """Return the 64 bits at an address as an integer."""
    return ctypes.c_int64.from_address(int(address)).value


@intrinsic()
def row_at_intrinsic(typing_context: Any, address: Type, size: Type, like: Type) -> Typed:
    result = like.copy(ndim=1, layout="C", readonly=False)

    def generate(context: Context, builder: Builder, signature: Signature, arguments: Values) -> Value:
        address, size = (context.cast(builder, arguments[i], signature.args[i], types.int64) for i in (0, 1))
        row = context.make_array(result)(context, builder)
        itemsize = context.get_constant(types.intp, context.get_abi_sizeof(context.get_data_type(like.dtype)))
        populate_array(row, builder.inttoptr(address, row.data.type), [size], [itemsize], itemsize,
                       cgutils.get_null_value(row.meminfo.type))
        return row._getvalue()

    return result(address, size, like), generate


@intrinsic()
def word_at_intrinsic(typing_context: Any, address: Type) -> Typed:
    def generate(context: Context, builder: Builder, signature: Signature, arguments: Values) -> Value:
        address = context.cast(builder, arguments[0], signature.args[0], types.int64)
        return builder.load(builder.inttoptr(address, ir.IntType(64).as_pointer()))

    return types.int64(address), generate


row_at = or_twin(row_at_intrinsic, row_at_reference)
word_at = or_twin(word_at_intrinsic, word_at_reference)


@jit
def size_of(address: int) -> Any:
    """Return how many elements the array has whose object lies at an address."""
    size = 1
    shape = word_at(address + SHAPE)
    for i in range(word_at(address + NDIM) & 0xFFFFFFFF):
        size *= word_at(shape + 8 * i)
    return size


@jit
def length_of(objects: Array, width: int, dtype: int) -> int:
    """Return the length of all rows together, -1 where some array cannot be worked on in place.

    Parameters
    ----------
    objects : ndarray of int64
        The addresses of array objects, `width` to each row. Those of a row have one size, the first is only read.
    dtype : int
        The address of a dtype that is equal to that of all.
    """
    total, kind = 0, word_at(dtype + KIND)
    for i in range(len(objects)):
        at = objects[i]
        first = i % width == 0
        needed = READABLE if first else READABLE | WRITEABLE
        if word_at(word_at(at + DTYPE) + KIND) != kind or word_at(at + FLAGS) & needed != needed:
            return -1
        if first:
            total += size_of(at)
        elif size_of(at) != size_of(objects[i - 1]):
            return -1
    return total


@jit(inline=True)
def row_of(address: int, like: Array) -> Array:
    """Return the array whose object lies at an address as one row; `like` is of its dtype."""
    return row_at(word_at(address + DATA), size_of(address), like)


def objects_of(arrays: Sequence[Array]) -> Array | None:
    """Return the addresses of array objects; None where something else is among them.

    Whoever uses them keeps the arrays.
    """
    if {*map(type, arrays)} != {np.ndarray}:
        return None
    return np.fromiter(map(id, arrays), np.int64, len(arrays))


class Table(tuple[Array, ...]):
    """Arrays of which a kernel of a program is given the addresses of their objects."""
