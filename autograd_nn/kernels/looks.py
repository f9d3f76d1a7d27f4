"""A native function that looks whether Python's objects still hold what they held, and copies arguments.

A look is four words: its kind and what the kind says. The function makes one after the other and stops at the first
that finds something else. Slots of objects and the parts of arrays are read from memory; dicts, lists and tuples are
asked by functions of Python's own interface for C. It keeps the interpreter's lock, so nothing else of Python runs
meanwhile.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
from llvmlite import ir

from .machine import DATA, HEAD, builtin, compiled_function, is_available, of_python

__all__ = ["ALIKE", "ARGUMENT", "ELEMENT", "ITEM", "LENGTH", "SLOT", "has_places_of_arrays", "looking"]

# The kinds of looks; a, b and c are the words after the kind.
SLOT = 0  # the word at address a is c
ITEM = 1  # dict a holds object c by key b; c is 0 for nothing
ALIKE = 2  # dicts a and c hold the same object by key b
LENGTH = 3  # list a has c elements
ELEMENT = 4  # element b of list a, which is long enough, is object c
ARGUMENT = 5  # argument a of the call is a tensor of class c without a node, whose array is as b says (`_argument`)

_WORD = ir.IntType(64)
_I32 = ir.IntType(32)
_BYTE = ir.IntType(8)
_CLASS = HEAD - 8  # where in an object its class is


# Where in an array object are the address of its data, its number of dims, its shape, strides and dtype, by NumPy's
# interface for C.
_DATA, _DIMS, _SHAPE, _STRIDES, _DTYPE = DATA, DATA + 8, DATA + 16, DATA + 24, DATA + 40


@lru_cache(maxsize=1)
def has_places_of_arrays() -> bool:
    """Return whether the parts of an array object are where NumPy says, by a trial."""
    x = np.empty((3, 5, 7), np.float32)[:, 1:3]
    if not is_available() or type(x).__basicsize__ <= _DTYPE:
        return False

    def word(address: int, kind: Any = ctypes.c_int64) -> int:
        return int(kind.from_address(address).value)

    if (word(id(x) + _DATA), word(id(x) + _DIMS, ctypes.c_int32), word(id(x) + _DTYPE), word(id(x) + _CLASS)) != (
            x.ctypes.data, x.ndim, id(x.dtype), id(np.ndarray)):
        return False
    shape, strides = word(id(x) + _SHAPE), word(id(x) + _STRIDES)
    return all((word(shape + 8 * i), word(strides + 8 * i)) == (x.shape[i], x.strides[i]) for i in range(x.ndim))


class _Writer:
    """Writes the function, block by block."""

    def __init__(self) -> None:
        self.module = ir.Module()
        self.function = ir.Function(self.module, ir.FunctionType(_WORD, [_WORD, _WORD]), "look")
        self.b = ir.IRBuilder(self.function.append_basic_block("entry"))

    def block(self, name: str) -> Any:
        return self.function.append_basic_block(name)

    def word(self, address: Any, kind: ir.Type = _WORD) -> Any:
        """Load the word at an address."""
        return self.b.load(self.b.inttoptr(address, kind.as_pointer()))

    def at(self, address: Any, offset: int) -> Any:
        return self.b.add(address, _WORD(offset))

    def call(self, name: str, *arguments: Any) -> Any:
        """Call a function of Python's interface for C that takes and returns words."""
        return of_python(self.b, name, *arguments)

    def unless(self, ok: Any, otherwise: Any) -> None:
        """Go on in a new block if `ok`, else to `otherwise`."""
        following = self.block("on")
        self.b.cbranch(ok, following, otherwise)
        self.b.position_at_end(following)

    def same(self, a: Any, b: Any) -> Any:
        return self.b.icmp_signed("==", a, b)

    def loop(self, count: Any, body: Any) -> None:
        """Run ``body(i)`` for each i below `count`."""
        before, head, inside, after = self.b.block, self.block("head"), self.block("inside"), self.block("after")
        self.b.branch(head)
        self.b.position_at_end(head)
        i = self.b.phi(_WORD)
        i.add_incoming(_WORD(0), before)
        self.b.cbranch(self.b.icmp_signed("<", i, count), inside, after)
        self.b.position_at_end(inside)
        body(i)
        following = self.b.add(i, _WORD(1))
        i.add_incoming(following, self.b.block)
        self.b.branch(head)
        self.b.position_at_end(after)


def _argument(w: _Writer, args: Any, index: Any, form: Any, kind: Any, differs: Any) -> Any:
    """Compare an argument with its form, and copy its elements.

    A form is: where a tensor has its node and its array, None, NumPy's class of arrays, the dtype, the number of dims,
    where to copy to, how many bytes; the shape; the strides.
    """
    node, array, none, arrays, wanted, ndim, target, count = (w.word(w.at(form, 8 * i)) for i in range(8))
    given = w.call("PyTuple_GetItem", args, index)
    w.unless(w.same(w.word(w.at(given, _CLASS)), kind), differs)
    w.unless(w.same(w.word(w.b.add(given, node)), none), differs)
    held = w.word(w.b.add(given, array))
    w.unless(w.b.icmp_signed("!=", held, _WORD(0)), differs)  # a slot that was never set
    w.unless(w.same(w.word(w.at(held, _CLASS)), arrays), differs)
    w.unless(w.same(w.word(w.at(held, _DTYPE)), wanted), differs)
    w.unless(w.same(w.b.zext(w.word(w.at(held, _DIMS), _I32), _WORD), ndim), differs)
    shape_at, strides_at = w.word(w.at(held, _SHAPE)), w.word(w.at(held, _STRIDES))

    def compare(i: Any) -> None:
        at = w.b.mul(i, _WORD(8))
        for place, first in ((shape_at, _WORD(0)), (strides_at, ndim)):
            known = w.b.add(w.at(form, 64), w.b.mul(w.b.add(i, first), _WORD(8)))
            w.unless(w.same(w.word(w.b.add(place, at)), w.word(known)), differs)

    w.loop(ndim, compare)
    source = w.word(w.at(held, _DATA))
    move = w.module.declare_intrinsic("llvm.memmove", [_BYTE.as_pointer(), _BYTE.as_pointer(), _WORD])
    to, of = (w.b.inttoptr(address, _BYTE.as_pointer()) for address in (target, source))
    w.b.call(move, [to, of, count, ir.IntType(1)(0)])
    return ir.IntType(1)(1)


@lru_cache(maxsize=1)
def _look() -> int:
    """Return the address of ``look(words, args)``: whether each look finds what it should. See `looking`."""
    w = _Writer()
    holder, args = w.function.args
    words, shape = (w.word(w.at(holder, place)) for place in (_DATA, _SHAPE))
    differs = w.block("differs")

    def look(i: Any) -> None:
        at = w.b.add(words, w.b.mul(i, _WORD(32)))
        kind, a, b, c = (w.word(w.at(at, 8 * j)) for j in range(4))
        after = w.block("looked")
        switch = w.b.switch(kind, differs)
        kinds: dict[int, Callable[[], Any]] = {
            SLOT: lambda: w.same(w.word(a), c),
            ITEM: lambda: w.same(w.call("PyDict_GetItem", a, b), c),
            ALIKE: lambda: w.same(w.call("PyDict_GetItem", a, b), w.call("PyDict_GetItem", c, b)),
            LENGTH: lambda: w.same(w.call("PyList_Size", a), c),
            ELEMENT: lambda: w.same(w.call("PyList_GetItem", a, b), c),
            ARGUMENT: lambda: _argument(w, args, a, b, c, differs),
        }
        for value, written in kinds.items():
            way = w.block(f"kind{value}")
            switch.add_case(_WORD(value), way)
            w.b.position_at_end(way)
            w.unless(written(), differs)
            w.b.branch(after)
        w.b.position_at_end(after)

    w.loop(w.word(shape), look)
    for answer in True, False:
        w.call("Py_IncRef", _WORD(id(answer)))
        w.b.ret(_WORD(id(answer)))
        w.b.position_at_end(differs)
    return compiled_function(w.module, "look")


def looking(words: np.ndarray) -> Callable[[tuple[Any, ...]], bool]:
    """Return a function that is given the arguments of a call, and says whether each look finds what it should.

    Parameters
    ----------
    words : ndarray of int64, of shape (n, 4)
        The looks, made one after the other until one finds something else. All addresses in them stay valid.
    """
    return builtin(_look(), "look", words)
