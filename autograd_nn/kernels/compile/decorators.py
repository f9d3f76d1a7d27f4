"""The two decorators of kernels, and how a kernel's chunks come to run in threads."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property, partial
from typing import Any, Generic, TypeVar, TypeVarTuple, overload

import numba
from llvmlite import ir
from numba import extending, types
from numba.core import cgutils, targetconfig

from ..annotations import Builder, Context, Signature, Type, Typed, Value, Values
from .cache import build
from .count import workers_for
from .linking import compile_body, helper
from .options import JIT_DISABLED, OPTIONS
from .threads import RUN

__all__ = ["Chunked", "chunked", "intrinsic", "jit", "or_twin"]

Function = TypeVar("Function", bound=Callable[..., Any])
Arguments = TypeVarTuple("Arguments")


def intrinsic(*, prefer_literal: bool = False) -> Callable[[Callable[..., Typed]], Any]:
    """Return Numba's decorator of this name, for functions of kernels that are written as LLVM instructions.

    Parameters
    ----------
    prefer_literal : bool
        Let the types of constants tell their values.
    """
    return extending.intrinsic(prefer_literal=prefer_literal)


def or_twin(instructions: Any, twin: Function) -> Function:
    """Return an intrinsic, or its twin in Python where the compiler is switched off."""
    return twin if JIT_DISABLED else instructions


@intrinsic()
def _run_chunks(typing_context: Any, body: Type, threads: Type, workers: Type, arguments: Type) -> Typed:
    """Call ``body(t, threads, *arguments)`` for t in range(threads): here, or with `workers` > 1 in the pool.

    A chunk is a function of C's, ``void chunk(int64 t, void *data)``, that finds the arguments behind `data`, in the
    caller's frame. The first error of a chunk is put there too, and raised by the caller when all chunks are done.
    """
    chunk_signature = types.none(types.int64, types.int64, *arguments.types)

    def codegen(context: Context, builder: Builder, signature: Signature, values: Values) -> Value:
        _, threads, workers, packed = values
        int32, int64, void = ir.IntType(32), ir.IntType(64), ir.VoidType()
        flags = targetconfig.ConfigStack.top_or_none().copy()
        compiled = compile_body(context, body.dispatcher.py_func, chunk_signature, flags)
        error_type = context.call_conv._get_excinfo_argument(builder.function).type.pointee
        data_type = ir.LiteralStructType([int32, error_type, int64, packed.type])
        code, error, count, argument = range(4)

        chunk_type = ir.FunctionType(void, [int64, int64])
        chunk = ir.Function(builder.module, chunk_type, builder.module.get_unique_name("chunk"))
        chunk.linkage = "internal"
        inner = ir.IRBuilder(chunk.append_basic_block())
        data = inner.inttoptr(chunk.args[1], data_type.as_pointer())
        given = inner.load(data)
        unpacked = cgutils.unpack_tuple(inner, inner.extract_value(given, argument), len(arguments.types))
        status, _ = context.call_internal_no_propagate(
            inner, compiled.fndesc, chunk_signature, [chunk.args[0], inner.extract_value(given, count), *unpacked]
        )
        with cgutils.if_unlikely(inner, status.is_error):
            place = cgutils.gep_inbounds(inner, data, 0, code)
            exchanged = inner.cmpxchg(place, int32(0), status.code, "seq_cst", "seq_cst")
            with inner.if_then(inner.extract_value(exchanged, 1)):
                inner.store(status.excinfoptr, cgutils.gep_inbounds(inner, data, 0, error))
        inner.ret_void()

        data = cgutils.alloca_once(builder, data_type)
        for part, value in ((code, int32(0)), (error, error_type(None)), (count, threads), (argument, packed)):
            builder.store(value, cgutils.gep_inbounds(builder, data, 0, part))
        address = builder.ptrtoint(data, int64)
        with builder.if_else(builder.icmp_signed("==", workers, int64(1))) as (here, in_pool):
            with here, cgutils.for_range(builder, threads) as loop:
                builder.call(chunk, [loop.index, address])
            with in_pool:
                run_type = ir.FunctionType(void, [int64] * 4)
                run = cgutils.add_global_variable(builder.module, int64, RUN)
                run.linkage = "external"
                run = builder.inttoptr(builder.load(run), run_type.as_pointer())
                builder.call(run, [builder.ptrtoint(chunk, int64), address, threads, workers])
        found = [builder.load(cgutils.gep_inbounds(builder, data, 0, part)) for part in (code, error)]
        status = context.call_conv._get_return_status(builder, *found)
        with cgutils.if_unlikely(builder, status.is_error):
            context.call_conv.return_status_propagate(builder, status)
        return context.get_dummy_value()

    return types.none(body, threads, workers, arguments), codegen


@overload
def jit(function: Function) -> Function: ...


@overload
def jit(
    *, inline: bool = False, reassociate: bool = False, borrows: bool = False
) -> Callable[[Function], Function]: ...


def jit(function: Any = None, *, inline: bool = False, reassociate: bool = False, borrows: bool = False) -> Any:
    """Compile a serial helper of kernels, on first use.

    Parameters
    ----------
    inline : bool
        Inline every call, so that constants in the call's arguments specialise the loops inside.
    reassociate : bool
        Let LLVM split a sum over vector lanes. Only for helpers that sum a run of their own: the order is
        then fixed by the length of the run.
    borrows : bool
        Leave all counting of references to the caller, which holds the arrays. Numba counts with calls and locked
        instructions around every use that it cannot follow, hundreds of cycles around each register tile. The
        helper cannot create arrays, only slice those that it is given.
    """
    if function is None:
        return partial(jit, inline=inline, reassociate=reassociate, borrows=borrows)
    fastmath = OPTIONS["fastmath"] | ({"reassoc"} if reassociate else set())
    return helper(function, **OPTIONS | {"fastmath": fastmath, "forceinline": inline, "_nrt": not borrows})


def _entry_point(body: Any) -> Callable[..., None]:
    """Return the function that runs all chunks of `body`.

    Numba's own cache never recognises such a closure in another process; `_Cache` knows it as the body.
    """
    run = _run_chunks

    def entry(threads: int, workers: int, *arguments: Any) -> None:
        run(body, threads, workers, arguments)

    # The name of the machine code is made of these: two kernels of one name would be taken for each other.
    entry.__name__ = entry.__qualname__ = body.py_func.__name__
    entry.__module__ = body.py_func.__module__
    return entry


@overload
def chunked(function: Callable[[int, int, *Arguments], None]) -> Chunked[*Arguments]: ...


@overload
def chunked(*, contract: bool) -> Callable[[Callable[[int, int, *Arguments], None]], Chunked[*Arguments]]: ...


def chunked(function: Any = None, *, contract: bool = True) -> Any:
    """Compile an entry point given as ``body(t, threads, ...)``, one chunk of its work, on first use.

    Parameters
    ----------
    contract : bool
        Let LLVM fuse multiplications with additions. Without it each operation is rounded on its own, wherever
        in its vectorized loop an element falls.
    """
    if function is None:
        return lambda function: Chunked(function, contract)
    return Chunked(function, contract)


class Chunked(Generic[*Arguments]):
    """An entry point: call it as ``name(threads, ...)``."""

    def __init__(self, function: Callable[[int, int, *Arguments], None], contract: bool) -> None:
        self.python = function
        self.fastmath = OPTIONS["fastmath"] if contract else False
        self.__name__ = function.__name__
        self.__doc__ = function.__doc__

    @cached_property
    def build(self) -> Callable[..., None]:
        """The build for all numbers of threads, ``build(threads, workers, ...)``."""
        if JIT_DISABLED:
            return self._interpret
        body = numba.njit(**OPTIONS | {"fastmath": self.fastmath})(self.python)
        entry: Callable[..., None] = build(
            _entry_point(body), "chunked", named_after=self.python, fastmath=self.fastmath
        )
        return entry

    def _interpret(self, threads: int, workers: int, *arguments: *Arguments) -> None:
        for t in range(threads):
            self.python(t, threads, *arguments)

    def compile(self, threads: int, *arguments: *Arguments) -> None:
        """Compile what a call would run, or find it in the cache, and run nothing."""
        self.build.compile((types.int64, types.int64, numba.typeof(arguments)))  # type: ignore[attr-defined]

    def __call__(self, threads: int, *arguments: *Arguments) -> None:
        if threads > 0:  # without a chunk there is no work, and the loop over chunks would not end
            self.build(threads, workers_for(threads), *arguments)


