"""What an elementwise operation is written with: one text for vector instructions and for NumPy.

An operation is a function of values, written with operators and with the functions below. Called with `Lanes` it
emits the instructions of one vector register, for the passes of `passes.py`. Called with NumPy arrays it computes:
that is what runs where the compiler is switched off.
"""

from __future__ import annotations

import math
import platform
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from llvmlite import ir
from numba.core import cgutils

from autograd_nn.kernels.annotations import Builder, Context, Type, Value
from autograd_nn.kernels.compile.target import features
from autograd_nn.kernels.tile import VectorBuilder

__all__ = ["Integers", "Lanes", "Mask", "Number", "Registers", "as_float", "as_integer", "bits", "by_library",
           "copysign", "floats", "fma", "is_fused", "is_single", "library_where", "select", "sqrt"]  # fmt: skip

Number: TypeAlias = Any  # Lanes, or an array, or a number
Choice: TypeAlias = Any  # Mask, or an array of bool


class Registers(VectorBuilder):
    """The vector instructions of one element type, with constants in a table.

    A constant of its own would cost an instruction for its 64-bit address at each use, or a register, of which there
    are few. The table's address goes through an empty piece of assembly, so that LLVM does not look behind it.
    """

    MOST = 128

    def __init__(self, context: Context, builder: Builder, array_type: Type, lanes: int = 0) -> None:
        super().__init__(context, builder, array_type)
        if lanes:  # as many as a register of another type has
            self.lanes = lanes
            self.vector, self.mask = ir.VectorType(self.scalar, lanes), ir.VectorType(ir.IntType(1), lanes)
            self.zero = ir.Constant(self.vector, [0.0] * lanes)
        self.integer = ir.IntType(8 * self.itemsize)
        self.integers = ir.VectorType(self.integer, self.lanes)
        self.constants: list[int] = []
        row = ir.ArrayType(self.integers, self.MOST)
        self.table = ir.GlobalVariable(builder.module, row, builder.module.get_unique_name("constants"))
        self.table.linkage = "internal"
        self.table.global_constant = True
        with builder.goto_entry_block():
            pointer = builder.bitcast(self.table, ir.IntType(8).as_pointer())
            kind = ir.FunctionType(pointer.type, [pointer.type])
            self.base = builder.asm(kind, "", "=r,0", [pointer], False)

    def constant(self, bits: int) -> Value:
        """Return a register of integers."""
        if bits == 0:
            return ir.Constant(self.integers, [0] * self.lanes)
        if bits not in self.constants:
            self.constants.append(bits)
            rows = [ir.Constant(self.integers, [each] * self.lanes) for each in self.constants]
            rows += [ir.Constant(self.integers, [0] * self.lanes)] * (self.MOST - len(rows))
            self.table.initializer = ir.Constant(self.table.value_type, rows)
        address = self.builder.gep(self.base, [ir.Constant(ir.IntType(64), self.constants.index(bits))],
                                   source_etype=self.integers)  # fmt: skip
        return self.builder.load(address, typ=self.integers, align=self.itemsize * self.lanes)

    def number(self, number: float) -> Value:
        """Return a register of a Python number."""
        dtype = np.dtype(f"f{self.itemsize}")
        bits = int(np.array(number, dtype).view(f"i{self.itemsize}"))
        if bits == 0:
            return self.zero
        return self.builder.bitcast(self.constant(bits), self.vector)

    def store_first(self, value: Value, address: Value, count: Value) -> None:
        """Store the first `count` lanes, fewer than there are, an int64.

        By a mask if registers have 64 bytes (AVX-512); else by halves, quarters and so on: of 32 bytes a masked store
        costs some AMD processors 40 instructions.
        """
        if self.lanes * self.itemsize > 32:
            self.store_masked(value, address, self.lanes_below(count))
            return
        builder, index = self.builder, ir.IntType(32)
        rest = cgutils.alloca_once_value(builder, value)
        width = self.lanes // 2
        while width:
            is_set = builder.icmp_signed("!=", builder.and_(count, ir.Constant(count.type, width)),
                                         ir.Constant(count.type, 0))  # fmt: skip
            with builder.if_then(is_set):
                held = builder.load(rest)
                low, high = ([(first + k) % self.lanes for k in range(width)] for first in (0, width))
                order = ir.Constant(ir.VectorType(index, width), low)
                at = builder.and_(count, ir.Constant(count.type, -2 * width))
                part = builder.shuffle_vector(held, held, order)
                builder.store(part, builder.bitcast(self.address(address, at), part.type.as_pointer()),
                              align=self.itemsize)  # fmt: skip
                builder.store(self.shuffle(held, held, high + [0] * (self.lanes - width)), rest)
            width //= 2

    @property
    def sign(self) -> int:
        """The bits of -0.0."""
        return int(-(1 << (8 * self.itemsize - 1)))


class _Register:
    """A vector register's content: the builder that emits instructions on it, and its name there."""

    __slots__ = ("v", "value")
    __hash__ = None  # type: ignore[assignment]  # == emits a comparison

    def __init__(self, v: Registers, value: Value) -> None:
        self.v = v
        self.value = value


class Mask(_Register):
    """A truth value in each lane."""

    def __and__(self, other: Mask) -> Mask:
        return Mask(self.v, self.v.builder.and_(self.value, other.value))

    def __or__(self, other: Mask) -> Mask:
        return Mask(self.v, self.v.builder.or_(self.value, other.value))

    def __invert__(self) -> Mask:
        return Mask(self.v, self.v.builder.not_(self.value))


class Integers(_Register):
    """An integer as wide as the float of the pass in each lane."""

    def _with(self, emit: Callable[..., Value], other: Any) -> Integers:
        return Integers(self.v, emit(self.value, self.operand(other)))

    def operand(self, other: Any) -> Value:
        return other.value if isinstance(other, Integers) else self.v.constant(other)

    def __add__(self, other: Any) -> Integers:
        return self._with(self.v.builder.add, other)

    def __sub__(self, other: Any) -> Integers:
        return self._with(self.v.builder.sub, other)

    def __and__(self, other: Any) -> Integers:
        return self._with(self.v.builder.and_, other)

    def __xor__(self, other: Any) -> Integers:
        return self._with(self.v.builder.xor, other)

    def __lshift__(self, count: int) -> Integers:
        return Integers(self.v, self.v.builder.shl(self.value, ir.Constant(self.v.integers, [count] * self.v.lanes)))

    def __rshift__(self, count: int) -> Integers:
        return Integers(self.v, self.v.builder.ashr(self.value, ir.Constant(self.v.integers, [count] * self.v.lanes)))

    def __eq__(self, other: object) -> Mask:  # type: ignore[override]
        return Mask(self.v, self.v.builder.icmp_signed("==", self.value, self.operand(other)))

    def __gt__(self, other: Any) -> Mask:
        return Mask(self.v, self.v.builder.icmp_signed(">", self.value, self.operand(other)))


class Lanes(_Register):
    """A float in each lane. Each operator rounds once; comparisons with NaN are false, but `!=` is true."""

    def operand(self, other: Any) -> Value:
        """Return a register, or the instruction's constant of a Python number."""
        if isinstance(other, Lanes):
            return other.value
        return self.v.number(other)

    def _with(self, emit: Callable[..., Value], other: Any) -> Lanes:
        return Lanes(self.v, emit(self.value, self.operand(other)))

    def _after(self, emit: Callable[..., Value], other: Any) -> Lanes:
        return Lanes(self.v, emit(self.operand(other), self.value))

    def __add__(self, other: Any) -> Lanes:
        return self._with(self.v.builder.fadd, other)

    def __radd__(self, other: Any) -> Lanes:
        return self._after(self.v.builder.fadd, other)

    def __sub__(self, other: Any) -> Lanes:
        return self._with(self.v.builder.fsub, other)

    def __rsub__(self, other: Any) -> Lanes:
        return self._after(self.v.builder.fsub, other)

    def __mul__(self, other: Any) -> Lanes:
        return self._with(self.v.builder.fmul, other)

    def __rmul__(self, other: Any) -> Lanes:
        return self._after(self.v.builder.fmul, other)

    def __truediv__(self, other: Any) -> Lanes:
        return self._with(self.v.builder.fdiv, other)

    def __rtruediv__(self, other: Any) -> Lanes:
        return self._after(self.v.builder.fdiv, other)

    def __neg__(self) -> Lanes:
        return floats(bits(self) ^ self.v.sign)  # type: ignore[no-any-return]

    def __abs__(self) -> Lanes:
        return floats(bits(self) & ~self.v.sign)  # type: ignore[no-any-return]

    def _compared(self, relation: str, other: Any) -> Mask:
        return Mask(self.v, self.v.builder.fcmp_ordered(relation, self.value, self.operand(other)))

    def __lt__(self, other: Any) -> Mask:
        return self._compared("<", other)

    def __le__(self, other: Any) -> Mask:
        return self._compared("<=", other)

    def __gt__(self, other: Any) -> Mask:
        return self._compared(">", other)

    def __ge__(self, other: Any) -> Mask:
        return self._compared(">=", other)

    def __eq__(self, other: object) -> Mask:  # type: ignore[override]
        return self._compared("==", other)

    def __ne__(self, other: object) -> Mask:  # type: ignore[override]
        return Mask(self.v, self.v.builder.fcmp_unordered("!=", self.value, self.operand(other)))


def is_single(x: Number) -> bool:
    """Return whether a value is of float32."""
    return bool((x.v.itemsize if isinstance(x, Lanes) else np.asarray(x).dtype.itemsize) == 4)


def select(choice: Choice, yes: Number, no: Number) -> Number:
    """Return `yes` where `choice` holds and `no` elsewhere, whatever the other one is there."""
    if not isinstance(choice, Mask):
        return np.where(choice, yes, no)
    kind = next((each for each in (yes, no) if isinstance(each, Lanes | Integers)), Lanes(choice.v, choice.v.zero))
    chosen = choice.v.builder.select(choice.value, kind.operand(yes), kind.operand(no))
    return type(kind)(choice.v, chosen)


def fma(x: Number, y: Number, z: Number) -> Number:
    """Return ``x * y + z``, rounded once where the processor has an instruction for it."""
    if not isinstance(x, Lanes):
        return x * y + z
    return Lanes(x.v, x.v.multiply_add(x.value, x.operand(y), x.operand(z)))


def is_fused(x: Number) -> bool:
    """Return whether `fma` rounds once: so it does on processors with an instruction for it, not in NumPy."""
    return isinstance(x, Lanes) and (platform.machine().lower() in ("aarch64", "arm64") or "fma" in features())


def sqrt(x: Number) -> Number:
    """Return the square root, correctly rounded."""
    return Lanes(x.v, x.v.call("llvm.sqrt.{}", x.v.vector, x.value)) if isinstance(x, Lanes) else np.sqrt(x)


def bits(x: Number) -> Any:
    """Return a float's bits as an integer."""
    if isinstance(x, Lanes):
        return Integers(x.v, x.v.builder.bitcast(x.value, x.v.integers))
    x = np.asarray(x)
    return x.view(f"i{x.dtype.itemsize}")


def floats(integers: Any) -> Number:
    """Return the float of these bits."""
    if isinstance(integers, Integers):
        return Lanes(integers.v, integers.v.builder.bitcast(integers.value, integers.v.vector))
    return np.asarray(integers).view(f"f{np.asarray(integers).dtype.itemsize}")


def as_float(integers: Any) -> Number:
    """Return an integer as the float of its value."""
    if isinstance(integers, Integers):
        return Lanes(integers.v, integers.v.builder.sitofp(integers.value, integers.v.vector))
    return integers.astype(f"f{integers.dtype.itemsize}")


def as_integer(x: Number) -> Any:
    """Return a float that is a small whole number as an integer."""
    if isinstance(x, Lanes):
        return Integers(x.v, x.v.builder.fptosi(x.value, x.v.integers))
    x = np.asarray(x)
    return x.astype(f"i{x.dtype.itemsize}")


def copysign(size: Number, x: Number) -> Number:
    """Return a number that is not negative with the sign of x."""
    if not isinstance(x, Lanes):
        return np.copysign(size, x)
    return floats(bits(size) ^ (bits(x) & x.v.sign))


def by_library(name: str, x: Number) -> Number:
    """Return a function of the C library's, lane by lane: for float64, whose accuracy is the library's."""
    if not isinstance(x, Lanes):
        return _OF_NUMPY[name](x) if name in _OF_NUMPY else np.vectorize(getattr(math, name), otypes=[x.dtype])(x)
    v = x.v
    name = name if v.itemsize == 8 else f"{name}f"
    function = v.builder.module.globals.get(name) or ir.Function(
        v.builder.module, ir.FunctionType(v.scalar, [v.scalar]), name
    )
    result: Any = ir.Constant(v.vector, ir.Undefined)
    for lane in range(v.lanes):
        at = ir.Constant(ir.IntType(32), lane)
        value = v.builder.call(function, [v.builder.extract_element(x.value, at)])
        result = v.builder.insert_element(result, value, at)
    return Lanes(v, result)


def library_where(choice: Choice, name: str, x: Number, result: Number) -> Number:
    """Return the C library's function of `x` where `choice` holds, which it rarely does, and `result` elsewhere.

    A register none of whose lanes is chosen does without the library.
    """
    if not isinstance(x, Lanes):
        return np.where(choice, by_library(name, x), result)
    v, builder = x.v, x.v.builder
    kept = cgutils.alloca_once_value(builder, result.value)
    lanes = builder.bitcast(choice.value, ir.IntType(v.lanes))
    with builder.if_then(builder.icmp_unsigned("!=", lanes, ir.Constant(lanes.type, 0)), likely=False):
        builder.store(builder.select(choice.value, by_library(name, x).value, result.value), kept)
    return Lanes(v, builder.load(kept))


_OF_NUMPY: dict[str, Callable[..., Any]] = {
    "exp": np.exp, "log": np.log, "log2": np.log2, "log10": np.log10, "log1p": np.log1p, "expm1": np.expm1,
    "tanh": np.tanh, "sin": np.sin, "cos": np.cos,
}  # fmt: skip
