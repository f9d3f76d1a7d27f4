"""Numba's thread pool behind the same door as ours, for systems on which ours has not been tested.

One call runs in it at a time: its workqueue layer aborts the process when two Python threads enter it at once, and two
teams of OpenMP would only fight for the processors. Others run their chunks themselves. So does every forked child, as
GNU OpenMP does not survive a fork.

Threads that wait for each other sleep after some microseconds. By GNU OpenMP's default they spin, which takes the
processor from the very thread that they wait for as soon as another process wants it too: on two cores, one busy
process can make a step of 2 ms take 100. ``GOMP_SPINCOUNT`` and ``OMP_WAIT_POLICY`` are obeyed if they are set.
"""

from __future__ import annotations

import os
import sys
import threading

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.np.ufunc.parallel import _launch_threads

from ..annotations import Builder, Value
from .cache import build_callback
from .threads import LOCK, call, exchange, instruction, load, run_slot, store, word

__all__ = ["prepare", "ready", "start"]

SPIN_COUNT = "2000"  # turns of GNU OpenMP's waiting loop before a thread sleeps

ready = 1  # threads that jobs can have
_starting = threading.Lock()


@instruction
def _parallel_for(builder: Builder, chunk: Value, data: Value, chunks: Value, threads: Value) -> None:
    """Run chunks in Numba's pool.

    Its C interface takes a function of a generalised ufunc (array pointers, dimensions, steps, data) and calls it with
    ``pointer + index * step`` for each index. The one emitted here gets a null pointer with step 1, which arrives as
    the chunk's number.
    """
    int32, int64, byte = ir.IntType(32), ir.IntType(64), ir.IntType(8)
    pointer, words = byte.as_pointer(), int64.as_pointer()
    job_type = ir.LiteralStructType([int64, int64])
    loop_type = ir.FunctionType(ir.VoidType(), [words, words, words, pointer])
    function = ir.Function(builder.module, loop_type, builder.module.get_unique_name("loop"))
    function.linkage = "internal"
    inner = ir.IRBuilder(function.append_basic_block())
    first, count = (inner.load(argument) for argument in function.args[:2])
    job = inner.load(inner.bitcast(function.args[3], job_type.as_pointer()))
    chunk_type = ir.FunctionType(ir.VoidType(), [int64, int64])
    called = inner.inttoptr(inner.extract_value(job, 0), chunk_type.as_pointer())
    with cgutils.for_range(inner, count) as loop:
        inner.call(called, [inner.add(first, loop.index), inner.extract_value(job, 1)])
    inner.ret_void()

    job = cgutils.alloca_once(builder, job_type)
    builder.store(chunk, cgutils.gep_inbounds(builder, job, 0, 0))
    builder.store(data, cgutils.gep_inbounds(builder, job, 0, 1))
    zero, one = int64(0), int64(1)
    places = [cgutils.alloca_once_value(builder, value) for value in (zero, chunks, one)]
    pool_type = ir.FunctionType(ir.VoidType(), [pointer] * 5 + [int64, int64, int32])
    pool = cgutils.get_or_insert_function(builder.module, pool_type, "numba_parallel_for")
    arguments = [builder.bitcast(place, pointer) for place in (function, *places, job)]
    builder.call(pool, [*arguments, zero, one, builder.trunc(threads, int32)])


def _run_job(chunk: int, data: int, chunks: int, threads: int) -> None:
    """Run chunks in up to `threads` threads."""
    if threads < 2 or load(LOCK) or exchange(LOCK, 1):
        for t in range(chunks):
            call(chunk, t, data)
    else:
        _parallel_for(chunk, data, chunks, threads)
        store(LOCK, 0)


def _launch() -> None:
    """Start Numba's pool; GNU OpenMP reads how long to spin when it is loaded, and only then."""
    ours = not os.environ.keys() & {"GOMP_SPINCOUNT", "OMP_WAIT_POLICY"}
    if ours:
        os.environ["GOMP_SPINCOUNT"] = SPIN_COUNT
    try:
        _launch_threads()
    finally:
        if ours:
            del os.environ["GOMP_SPINCOUNT"]


def start(threads: int) -> None:
    """Start Numba's pool, with NUMBA_NUM_THREADS threads."""
    global ready
    with _starting:
        if run_slot.value is None:
            _launch()
            run_slot.value = build_callback(_run_job, types.void(*[types.int64] * 4))
        ready = sys.maxsize


def _close() -> None:
    """In a forked child: the pool counts as taken for good."""
    global _starting
    _starting = threading.Lock()
    word(LOCK).value = 1


def prepare() -> None:
    """Be the pool of this process."""
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=_close)
