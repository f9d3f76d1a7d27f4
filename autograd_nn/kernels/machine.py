"""A program of kernels as an array of records, walked by one native loop: 13 ns a record, nothing compiled per program.

A record is (adapter, address of the kernel, arguments). It calls the machine code that Python calls too: Numba passes
an array as (meminfo, parent, size, itemsize, data, shape..., strides...) and a tuple as its items, so a kernel is a C
function of a flat list of words. An *adapter* loads that list from the record and calls the kernel. Where arguments are
passed in registers and on the stack by their order alone (`_passes_words`), a function does not see arguments beyond
its own, so a handful of adapters serve all functions; elsewhere there is one for each flat signature.

Numbers that change from run to run are slots: a record before the call fetches them from where Python put them.
"""

from __future__ import annotations

import bisect
import ctypes
import glob
import itertools
import os
import platform
import sys
import threading
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import llvmlite.binding as llvm
import numba
import numpy as np
from llvmlite import ir

from .addresses import Table, objects_of
from .by_numpy import hearing
from .compile import JIT_DISABLED, Chunked, start_pool
from .compile.count import workers_for

__all__ = ["Call", "Half", "Machine", "Slot", "compiled_function", "is_available", "recorded"]

_WORD, _I32, _BYTES = ir.IntType(64), ir.IntType(32), ir.IntType(8).as_pointer()
_KINDS = {"l": _WORD, "p": _BYTES, "d": ir.DoubleType(), "f": ir.FloatType(), "b": ir.IntType(8), "i": _I32}


class Slot(float):
    """A number that Python sets before a run: ``slot.view[0] = value``."""

    view: Any
    cell: np.ndarray

    def __new__(cls, value: float) -> Slot:
        self = super().__new__(cls, value)
        self.cell = np.array([value])
        self.view = memoryview(self.cell)  # type: ignore[arg-type]  # quicker to write to than an array
        return self


class Half(int):
    """Half of the bits of an int64 in memory, as an integer: number 0 the lower, 1 the higher one."""

    array: np.ndarray
    part: int

    def __new__(cls, array: np.ndarray, part: int) -> Half:
        self = super().__new__(cls, int(array) >> 32 * part & 0xFFFFFFFF)
        self.array, self.part = array, part
        return self


class Call(NamedTuple):
    """One record to be: a kernel, or the address of a C function, and its arguments."""

    kernel: Any  # Chunked, called with the number of threads first; or C
    arguments: tuple[Any, ...]

    @property
    def arrays(self) -> list[np.ndarray]:
        """The arrays among the arguments."""
        found: list[np.ndarray] = []
        for x in self.arguments:
            if isinstance(x, np.ndarray):
                found.append(x)
            elif isinstance(x, Half | Pointer):
                found.append(x.array)
            elif isinstance(x, Table):
                found += x
        return found

    def moved(self, at_home: Callable[[np.ndarray], np.ndarray]) -> Call:
        """Return the call with its arrays replaced."""
        arguments: list[Any] = []
        for x in self.arguments:
            if isinstance(x, np.ndarray):
                arguments.append(at_home(x))
            elif isinstance(x, Half):
                arguments.append(Half(at_home(x.array), x.part))
            elif isinstance(x, Pointer):
                arguments.append(Pointer(at_home(x.array)))
            elif isinstance(x, Table):
                arguments.append(Table(map(at_home, x)))
            else:
                arguments.append(x)
        return Call(self.kernel, tuple(arguments))


class C(NamedTuple):
    """A function of a C library that returns nothing."""

    name: str
    address: int


class Pointer(NamedTuple):
    """An array of which a C function is passed the address alone."""

    array: np.ndarray


# ------------------------------------------------------------------------------------ listening to kernels


class recorded:
    """Collect the kernels that this thread calls: ``with recorded() as calls:``.

    Each entry is a `Call` and the contents of its arrays before.

    Parameters
    ----------
    said : dict of str to callable, optional
        What does the work that doors leave to NumPy (see `by_numpy`): by its name, a function of what is said that
        returns calls.
    run : bool
        Compute, too. Else nobody but this list hears of the calls.
    """

    _lock = threading.RLock()

    def __init__(self, said: dict[str, Callable[..., list[Call]]] | None = None, run: bool = True):
        self.said, self.run = said, run

    def __enter__(self) -> list[tuple[Call, list[np.ndarray]]]:
        self._lock.acquire()
        calls: list[tuple[Call, list[np.ndarray]]] = []
        me, call = threading.get_ident(), Chunked.__call__

        def heard(kernel: Any, threads: int, *arguments: Any) -> None:
            if threads > 0 and threading.get_ident() == me:
                record = Call(kernel, (threads, *arguments))
                calls.append((record, [array.copy() for array in record.arrays]))
            if self.run or threading.get_ident() != me:
                call(kernel, threads, *arguments)

        def say(name: str, *arguments: Any) -> None:
            if threading.get_ident() == me and self.said is not None:
                calls.extend((record, [array.copy() for array in record.arrays])
                             for record in self.said[name](*arguments))

        self.before = call, hearing.say
        hearing.say = say
        Chunked.__call__ = heard  # type: ignore[method-assign, assignment]
        return calls

    def __exit__(self, *exception: object) -> None:
        Chunked.__call__, hearing.say = self.before  # type: ignore[method-assign]
        self._lock.release()


# ------------------------------------------------------------------------------------ adapters and the loop

_engine: Any = None
_count = itertools.count()
_making = threading.RLock()
FLOATS, STEP = 8, 16  # floats that an adapter passes if any; it passes a multiple of so many words


def compiled_function(module: ir.Module, name: str) -> int:
    """Compile a module and return the address of one of its functions."""
    global _engine
    with _making:
        parsed = llvm.parse_assembly(str(module))
        if _engine is None:
            target = llvm.Target.from_default_triple().create_target_machine(opt=1)
            _engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), target)
        _engine.add_module(parsed)
        _engine.finalize_object()
        address: int = _engine.get_function_address(name)
        return address


class _Method(ctypes.Structure):
    """How Python describes a function that is written in C: ``PyMethodDef``."""

    _fields_ = (("name", ctypes.c_char_p), ("address", ctypes.c_void_p), ("flags", ctypes.c_int),
                ("doc", ctypes.c_char_p))


_new_builtin = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.c_void_p, ctypes.py_object, ctypes.c_void_p)(
    ("PyCFunction_NewEx", ctypes.pythonapi))
_methods: dict[int, _Method] = {}  # of functions, by their address: Python wants them for ever


def builtin(address: int, name: str, holder: np.ndarray) -> Callable[[Any], Any]:
    """Return machine code as a builtin function of Python: called in a tenth of the time that ctypes needs.

    Parameters
    ----------
    address : int
        Of ``object *function(object *holder, object *argument)``, which is called with the interpreter's lock.
    name : str
    holder : ndarray
        What the function is passed first, and keeps alive.
    """
    if address not in _methods:
        takes_one_argument = 8  # METH_O
        _methods[address] = _Method(name.encode(), address, takes_one_argument, None)
    function: Callable[[Any], Any] = _new_builtin(ctypes.addressof(_methods[address]), holder, None)
    return function


HEAD = object.__basicsize__  # bytes of an object before what is its class's own; the last word of it is its class
DATA = HEAD  # where in an array object the address of its data is, by NumPy's interface for C


def of_python(b: ir.IRBuilder, name: str, *arguments: Any) -> Any:
    """Write a call of a function of Python's interface for C that takes and returns words."""
    address = ctypes.cast(getattr(ctypes.pythonapi, name), ctypes.c_void_p).value
    kind = ir.FunctionType(_WORD, [_WORD] * len(arguments))
    return b.call(b.inttoptr(_WORD(address), kind.as_pointer()), arguments)


@lru_cache(maxsize=1)
def _passes_words() -> bool:
    """Return whether a function finds an argument by its place among those of its kind alone.

    So it is where the first integers and addresses go into registers of their own, the first floats into others, and
    the rest lies on the stack, a word each: on Linux, and on macOS with x86-64.
    """
    machine = platform.machine()
    return machine == "x86_64" or (machine == "aarch64" and sys.platform == "linux")


def _begun() -> tuple[ir.Module, ir.IRBuilder, Callable[..., Any]]:
    """Return a module, the builder of ``int adapter(word *record)``, and what loads a word of the record."""
    module = ir.Module()
    function = ir.Function(module, ir.FunctionType(_I32, [_WORD.as_pointer()]), f"adapter{next(_count)}")
    b = ir.IRBuilder(function.append_basic_block())
    record = function.args[0]

    def load(i: int, kind: ir.Type = _WORD) -> Any:
        return b.load(b.bitcast(b.gep(record, [_WORD(i)]), kind.as_pointer()))

    return module, b, load


def _calling(values: list[Any], is_c: bool, begun: tuple[ir.Module, ir.IRBuilder, Callable[..., Any]]) -> int:
    """Compile an adapter that calls the function in word 1, and return its address."""
    module, b, load = begun
    # Numba's functions are passed where to put a result and an exception, and return a status.
    values = values if is_c else [b.alloca(_BYTES), b.alloca(_BYTES), *values]
    kind = ir.FunctionType(ir.VoidType() if is_c else _I32, [value.type for value in values])
    status = b.call(b.inttoptr(load(1), kind.as_pointer()), values)
    b.ret(_I32(0) if is_c else status)
    return compiled_function(module, b.function.name)


@lru_cache(maxsize=64)
def _adapter(words: int, floats: bool, is_c: bool) -> int:
    """Return the address of an adapter for all functions of up to so many words, and `FLOATS` floats or none.

    A record holds the adapter, the function, the floats, the words. A function does not see what it does not take.
    """
    begun = _begun()
    first = 2 + FLOATS * floats
    values = [begun[2](first + i) for i in range(words)]
    return _calling(values + [begun[2](2 + i, ir.DoubleType()) for i in range(FLOATS * floats)], is_c, begun)


@lru_cache(maxsize=512)
def _exact_adapter(codes: str, is_c: bool) -> int:
    """Return the address of an adapter for one flat signature."""
    begun = _begun()
    return _calling([begun[2](2 + i, _KINDS[code]) for i, code in enumerate(codes)], is_c, begun)


@lru_cache(maxsize=2)
def _fetch(kind: Any) -> int:
    """Return the address of ``int fetch(word *record)``: the number at address 2 becomes the word at address 1."""
    module, b, load = _begun()
    value = b.load(b.inttoptr(load(2), kind.as_pointer()))
    b.store(b.zext(value, _WORD) if kind is _I32 else value, b.inttoptr(load(1), _WORD.as_pointer()))
    b.ret(_I32(0))
    return compiled_function(module, b.function.name)


@lru_cache(maxsize=1)
def _loop() -> int:
    """Return the address of ``run(programs, first)``: call each record from that one on; what fails first, or -1.

    It is a function for `builtin`: the holder is an array of the number of records and their addresses. Meanwhile
    other threads of Python may run.
    """
    module = ir.Module()
    function = ir.Function(module, ir.FunctionType(_WORD, [_WORD, _WORD]), "run")
    entry, head, body, bad, done = (function.append_basic_block(x) for x in ("entry", "head", "body", "bad", "done"))
    b = ir.IRBuilder(entry)
    program = b.load(b.inttoptr(b.add(function.args[0], _WORD(DATA)), _WORD.as_pointer().as_pointer()))
    first = of_python(b, "PyLong_AsLong", function.args[1])
    thread = of_python(b, "PyEval_SaveThread")
    count = b.load(program)
    b.branch(head)
    b.position_at_end(head)
    i = b.phi(_WORD)
    i.add_incoming(first, entry)
    following = b.add(i, _WORD(1))
    b.cbranch(b.icmp_signed("<", i, count), body, done)
    b.position_at_end(body)
    record = b.inttoptr(b.load(b.gep(program, [following])), _WORD.as_pointer())
    kind = ir.FunctionType(_I32, [_WORD.as_pointer()])
    status = b.call(b.inttoptr(b.load(record), kind.as_pointer()), [record])
    i.add_incoming(following, body)
    ok = b.or_(b.icmp_signed("==", status, _I32(-2)), b.icmp_signed("==", status, _I32(0)))  # -2: Numba's None
    b.cbranch(ok, head, bad)
    b.position_at_end(bad)
    b.branch(done)
    b.position_at_end(done)
    failed = b.phi(_WORD)
    failed.add_incoming(_WORD(-1), head)
    failed.add_incoming(i, bad)
    of_python(b, "PyEval_RestoreThread", thread)
    b.ret(of_python(b, "PyLong_FromLong", failed))
    return compiled_function(module, "run")


# ------------------------------------------------------------------------------------ records


def _flatten(x: Any, words: list[int], codes: list[str], slots: list[tuple[int, Any, int]]) -> None:
    """Append the words of one argument, their codes, and which of them is to be fetched: its kind, from where."""
    if isinstance(x, np.ndarray):
        words += [0, 0, x.size, x.itemsize, x.ctypes.data, *x.shape, *x.strides]
        codes.append("ppllp" + "l" * (2 * x.ndim))
    elif isinstance(x, Pointer):
        words.append(x.array.ctypes.data)
        codes.append("p")
    elif isinstance(x, tuple):
        for item in x:
            _flatten(item, words, codes, slots)
    elif isinstance(x, Half):
        slots.append((len(words), _I32, x.array.ctypes.data + 4 * x.part))
        words.append(0)
        codes.append("l")
    elif isinstance(x, Slot):
        slots.append((len(words), _WORD, x.cell.ctypes.data))
        words.append(0)
        codes.append("d")
    elif isinstance(x, bool | np.bool_):
        words.append(int(x))
        codes.append("b")
    elif isinstance(x, np.int32):
        words.append(int(x))
        codes.append("i")
    elif isinstance(x, int | np.integer):
        words.append(int(x))
        codes.append("l")
    elif isinstance(x, np.float32):
        words.append(int(x.view(np.int32)))
        codes.append("f")
    elif isinstance(x, float):
        words.append(int(np.float64(x).view(np.int64)))
        codes.append("d")
    else:
        raise TypeError(f"an argument of type {type(x).__name__}")


def _record(call: Call) -> tuple[list[int], list[tuple[int, Any, int]], tuple[Any, ...]]:
    """Return the words of a record, which of them is to be fetched before, and the arguments, which it needs."""
    address, arguments, is_c = _entry(call)
    words: list[int] = []
    parts: list[str] = []
    slots: list[tuple[int, Any, int]] = []
    for x in arguments:
        _flatten(x, words, parts, slots)
    codes = "".join(parts)
    floats = [i for i, code in enumerate(codes) if code in "df"]
    if not _passes_words() or len(floats) > FLOATS:
        return [_exact_adapter(codes, is_c), address, *words], [(2 + i, *slot) for i, *slot in slots], arguments
    order = floats + [-1] * (FLOATS - len(floats)) if floats else []
    order += [i for i, code in enumerate(codes) if code not in "df"]
    count = -(-(len(codes) - len(floats)) // STEP) * STEP
    filled = [0 if i < 0 else words[i] for i in order] + [0] * (count - len(codes) + len(floats))
    place = {i: 2 + at for at, i in enumerate(order)}
    return ([_adapter(count, bool(floats), is_c), address, *filled],
            [(place[i], *slot) for i, *slot in slots], arguments)


def _plain(x: Any) -> Any:
    """Return an argument as Python passes it."""
    if isinstance(x, tuple):
        return tuple(map(_plain, x)) if not hasattr(x, "_fields") else x
    return float(x) if isinstance(x, Slot) else int(x) if isinstance(x, Half) else x


def _entry(call: Call) -> tuple[int, tuple[Any, ...], bool]:
    """Return the address of the machine code of a call, its arguments, and whether it is a function of C."""
    if isinstance(call.kernel, C):
        return call.kernel.address, call.arguments, True
    threads: int
    threads, *rest = [objects_of(x) if isinstance(x, Table) else x for x in call.arguments]  # type: ignore[assignment]
    arguments = int(threads), workers_for(threads), tuple(rest)
    dispatcher = call.kernel.build
    form = dispatcher, _form(arguments)
    address = _addresses.get(form)
    if address is None:
        types = tuple(numba.typeof(_plain(x)) for x in arguments)
        if types not in dispatcher.overloads:
            dispatcher.compile(types)
        compiled = dispatcher.overloads[types]
        address = compiled.library.get_pointer_to_function(compiled.fndesc.llvm_func_name)
        _addresses[form] = address
    return address, arguments, False


_addresses: dict[Any, int] = {}  # of machine code, by its kernel and the form of its arguments


def _form(x: Any) -> Any:
    """Return what the type of an argument is known by, quicker than Numba tells the type."""
    if isinstance(x, np.ndarray):
        return x.dtype.str, x.ndim, x.flags.num
    return (type(x), *map(_form, x)) if isinstance(x, tuple) else type(x)


class Machine:
    """Calls, ready to be run one after the other, any number of times.

    Parameters
    ----------
    calls : list of Call
        On arrays that stay where they are.
    """

    def __init__(self, calls: Sequence[Call]):
        code: list[int] = []
        starts: list[int] = []
        fetched: list[tuple[int, int]] = []  # words that are to hold the address of another
        self._tables: list[Any] = []
        self._first: list[int] = []  # the first record of each call: it fetches, or calls
        for call in calls:
            words, slots, arguments = _record(call)
            self._tables.append(arguments)  # keeps those
            self._first.append(len(starts))
            at = len(code) + 3 * len(slots)
            for i, kind, source in slots:
                starts.append(len(code))
                fetched.append((len(code) + 1, at + i))
                code += [_fetch(kind), 0, source]
            starts.append(len(code))
            code += words
        self.calls = calls  # keeps the arrays
        self.threaded = any(isinstance(call.kernel, Chunked) and call.arguments[0] > 1 for call in calls)
        self._code = np.array(code, np.int64)
        for place, word in fetched:
            self._code[place] = self._code.ctypes.data + 8 * word
        self._records = np.concatenate([[len(starts)], self._code.ctypes.data + 8 * np.array(starts, np.int64)])
        self._run = builtin(_loop(), "run", self._records.astype(np.int64))

    def run(self, first: int = 0) -> int:
        """Run all from one on; return -1, or the number of the first call that failed."""
        if self.threaded:
            start_pool()
        failed: int = self._run(self._first[first] if first else 0)
        return failed if failed < 0 else bisect.bisect_right(self._first, failed) - 1


@lru_cache(maxsize=1)
def is_available() -> bool:
    """Return whether native programs run in this process: one is tried."""
    if JIT_DISABLED or np.dtype(np.intp).itemsize != 8:
        return False
    try:
        x = np.arange(3)
        return ctypes.c_int64.from_address(id(x) + DATA).value == x.ctypes.data and Machine([]).run() == -1
    except Exception:
        return False


# ------------------------------------------------------------------------------------ the library of NumPy's products


@lru_cache(maxsize=16)
def blas(name: str) -> C | None:
    """Return a function of the library that NumPy multiplies matrices with, such as ``sgemm``; None if unknown."""
    folder = os.path.join(os.path.dirname(os.path.dirname(np.__file__)), "numpy.libs")
    for path in glob.glob(os.path.join(folder, "*openblas64*")):
        try:
            function = getattr(ctypes.CDLL(path), f"scipy_cblas_{name}64_")
        except (OSError, AttributeError):
            continue
        return C(name, ctypes.cast(function, ctypes.c_void_p).value or 0)
    return None
