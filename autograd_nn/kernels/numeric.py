"""Scalar functions for the inside of kernels, written so that LLVM can vectorize loops over them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numba import types
from numba.extending import overload

from autograd_nn.kernels.annotations import Type
from autograd_nn.kernels.compile import OPTIONS, jit

__all__ = ["exponential", "from_ordered", "to_ordered"]

INLINED: Any = OPTIONS | {"forceinline": True}

Implementation = Callable[[Any], Any]


def compiled(function: Callable[..., Any]) -> Callable[[Callable[[Type], Implementation]], Implementation]:
    """Return the decorator of what kernels compile, by the type of the argument, in the place of a function.

    Numba's strict check of the parameters would compare their annotations too.
    """
    return overload(function, jit_options=INLINED, strict=False)


def exponential(x: float) -> float:
    """Return e**x, in float32 to within 2 ulp (results below 1.7e-38 become 0)."""
    power: float = np.exp(x)
    return power


@compiled(exponential)
def _exponential(x: Type) -> Implementation:
    if x == types.float32:
        return lambda x: _exponential_float32(x)
    return lambda x: np.exp(x)


@jit(inline=True)
def _exponential_float32(x: np.float32) -> np.float32:
    """Reduce x = n log 2 + r after Cody and Waite, take e**r by the polynomial of Cephes' expf, scale by 2**n.

    Adding 1.5 * 2**23 rounds to an integer and leaves it in the low bits of the significand, from where a
    shift moves it into the exponent. The scale is applied as 2 * 2**(n - 1), because 2**128 is not finite.
    """
    F, integer = np.float32, np.int32
    lowest, highest, magic = F(-86.989), F(88.722839), F(12582912)
    inside = x if x > lowest else lowest
    inside = inside if inside < highest else highest
    shifted = inside * F(1.44269504) + magic
    n = shifted - magic
    r = inside - n * F(0.693359375)
    r = r + n * F(2.12194440e-4)
    tail = F(1.9875691500e-4) * r + F(1.3981999507e-3)
    tail = tail * r + F(8.3334519073e-3)
    tail = tail * r + F(4.1665795894e-2)
    tail = tail * r + F(1.6666665459e-1)
    tail = tail * r + F(5.0000001201e-1)
    value = tail * r * r + r + F(1)
    half_scale = integer(integer(F(shifted).view(np.int32)) << integer(23)) + integer(126 << 23)
    value = value * integer(half_scale).view(np.float32) * F(2)
    value = value if x >= lowest else F(0)
    value = value if x <= highest else F(np.inf)
    return value if x == x else x


def to_ordered(x: np.floating[Any]) -> np.signedinteger[Any]:
    """Return an integer that orders as the float `x` does: LLVM vectorizes a maximum of integers only.

    NaN orders outside of the infinities, on the side of its sign.
    """
    bits = x.view(f"i{x.dtype.itemsize}")
    key: np.signedinteger[Any] = bits ^ ((bits >> (8 * x.dtype.itemsize - 1)) & np.iinfo(bits.dtype).max)
    return key


@compiled(to_ordered)
def _to_ordered(x: Type) -> Implementation:
    if x == types.float32:
        return lambda x: _flip_float32(np.float32(x).view(np.int32))
    return lambda x: _flip_float64(np.float64(x).view(np.int64))


def from_ordered(key: np.signedinteger[Any]) -> float:
    """Return the float whose `to_ordered` is `key`."""
    bits = key ^ ((key >> (8 * key.dtype.itemsize - 1)) & np.iinfo(key.dtype).max)
    x: float = bits.view(f"f{key.dtype.itemsize}")
    return x


@compiled(from_ordered)
def _from_ordered(key: Type) -> Implementation:
    if key == types.int32:
        return lambda key: np.int32(_flip_float32(key)).view(np.float32)
    return lambda key: np.int64(_flip_float64(key)).view(np.float64)


@jit(inline=True)
def _flip_float32(bits: np.int32) -> np.int32:
    return np.int32(bits ^ (bits >> np.int32(31)) & np.int32(0x7FFFFFFF))


@jit(inline=True)
def _flip_float64(bits: np.int64) -> np.int64:
    return bits ^ (bits >> np.int64(63)) & np.int64(0x7FFFFFFFFFFFFFFF)
