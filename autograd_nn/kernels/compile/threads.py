"""Our thread pool: chunks are claimed, the caller works too, and nobody waits for a thread that never came.

Compiled code calls ``run(chunk, data, chunks, threads)``: ``chunk(t, data)`` then runs once for each t in
range(chunks), in up to `threads` threads, the caller among them.

The job
    A job is the words ``CHUNK, DATA, COUNT, REMAINING`` in memory that is never freed. Who decrements ``REMAINING``
    from a positive number has claimed a chunk; the caller cannot return, nor the job change, before that chunk is
    subtracted from ``UNFINISHED``. A worker that comes late finds nothing left and has touched nothing of the
    caller's: so jobs need no number, and a worker that the system does not schedule costs nothing.
The caller
    It publishes its job, wakes workers that sleep, claims chunks too, waits for the rest: first in a loop, then asleep.
    If the pool is taken, by another Python thread or by the job that this call is part of, the caller runs all chunks
    itself.
The workers
    Python threads that spend their lives in one compiled function, without the interpreter's lock: they watch for a job
    for 50 us, then sleep. The caller wakes two of them, and each of these wakes two more: many are up after few steps.
    All words are read and written in one order for all threads (seq_cst), which going to sleep relies on: a worker
    counts itself as a sleeper and then looks for a job; a caller publishes its job and then looks for sleepers.
Beside other busy processes
    Four rules, each of which was measured (steps of nets, 2 threads on 2 processors beside a busy process):

    1. A worker on the caller's processor does not spin: it would keep the caller from running.
    2. It moves to another processor.
    3. After four wakes that brought nobody in time, none is tried for 1 to 8 ms.
    4. If a worker lost its processor amid a chunk while the caller sleeps, the caller gives it its own.
       (Such a worker is known by its clock, which stands still.)
Python
    Workers start when a kernel first needs them. A forked child has none and starts its own. They end at exit, before
    the compiled code goes.
Systems
    Each brings a wait on an address: Linux a futex, Windows ``WaitOnAddress``, macOS ``os_sync_wait_on_address``. Rules
    1, 2 and 4 need Linux.

Compiled code finds the pool's memory and its function `run` behind the names of two symbols, not at addresses of this
process: so it can be cached.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import inspect
import os
import platform
import signal
import sys
import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar, cast

import llvmlite.binding
from llvmlite import ir
from numba import extending, types
from numba.core import cgutils

from ..annotations import Builder, Context, Signature, Typed, Value, Values
from .cache import build, build_callback
from .linking import helper

__all__ = ["RUN", "compile_pool", "is_supported", "start"]

Function = TypeVar("Function", bound=Callable[..., Any])

# ----------------------------------------------------------------------------------------------- memory
# The offsets of the pool's words. Those that threads fight over stand on cache lines of their own (128 bytes, as
# processors fetch lines in pairs).
LINE = 128
LOCK, REMAINING, UNFINISHED, EPOCH, CHUNK, CALLER, SPIN, ALLOWED = (LINE * line for line in range(8))
SEATS = REMAINING + 8  # workers that the job still has room for
WAITING = UNFINISHED + 8  # the caller sleeps
SLEEPERS = EPOCH + 8  # workers asleep, or about to be; EPOCH: what they sleep on, incremented to wake them
DATA, COUNT = CHUNK + 8, CHUNK + 16
HELPED, MISSES, NEXT_WAKE = CALLER + 8, CALLER + 16, CALLER + 24  # rule 3; CALLER: the caller's processor
PATIENCE, BACKOFF, GRACE, MOVING, STARTED, STOP, TICK = (SPIN + 8 * word for word in range(1, 8))  # settings
WORKER = LINE * 9  # a line for each: the thread's number, ...
HOLDING, CLOCK, MOVED, DONE = 8, 16, 24, 32  # whether it may hold a chunk, its clock, whether it was moved, chunks done
MOST = 1023  # workers
PROCESSORS = 1024  # that fit into ALLOWED, as bits

_memory = ctypes.create_string_buffer(WORKER + LINE * MOST + LINE)
_address = -(-ctypes.addressof(_memory) // LINE) * LINE
run_slot = ctypes.c_void_p()  # where compiled code finds `run`; None until a pool was started
MEMORY, RUN = "autograd_nn_pool", "autograd_nn_run"  # the symbols
llvmlite.binding.add_symbol(MEMORY, _address)
llvmlite.binding.add_symbol(RUN, ctypes.addressof(run_slot))


def word(offset: int) -> ctypes.c_int64:
    """Return a word of the pool's memory, for Python to read and write."""
    return ctypes.c_int64.from_address(_address + offset)


# ---------------------------------------------------------------------------------------- instructions
I32, I64 = ir.IntType(32), ir.IntType(64)
SYSTEM, MACHINE = sys.platform, platform.machine().lower()
SYSCALLS = {"x86_64": (202, 186), "aarch64": (98, 178)}  # Linux: futex, gettid
PAUSES = {"x86_64": ("llvm.x86.sse2.pause", []), "amd64": ("llvm.x86.sse2.pause", []),
          "aarch64": ("llvm.aarch64.isb", [15]), "arm64": ("llvm.aarch64.isb", [15])}  # fmt: skip
ON_LINUX = SYSTEM == "linux"
FOREVER = -1


def instruction(emit: Callable[..., Value | None]) -> Any:
    """Make ``emit(builder, *integers)``, which emits instructions, a function of compiled code."""

    def typed(typing_context: Any, *arguments: Any) -> Typed:
        def codegen(context: Context, builder: Builder, signature: Signature, values: Values) -> Value:
            result = emit(builder, *values)
            return I64(0) if result is None else result

        return types.int64(*[types.int64] * len(arguments)), codegen

    typed.__name__ = typed.__qualname__ = emit.__name__
    typed.__signature__ = inspect.signature(emit)  # type: ignore[attr-defined]
    return extending.intrinsic(typed)


def _at(builder: Builder, offset: Value, kind: ir.Type = I64) -> Value:
    """Return the pointer to a word of the pool."""
    memory = builder.module.globals.get(MEMORY)
    if memory is None:
        memory = ir.GlobalVariable(builder.module, I64, MEMORY)
        memory.linkage = "external"
    return builder.inttoptr(builder.add(builder.ptrtoint(memory, I64), offset), kind.as_pointer())


def _call(builder: Builder, name: str, result: ir.Type, *values: Value, variadic: bool = False) -> Value:
    """Call a function of the C library or the system."""
    arguments = [value.type for value in values]
    kind = ir.FunctionType(result, arguments[:1] if variadic else arguments, var_arg=variadic)
    return builder.call(cgutils.get_or_insert_function(builder.module, kind, name), values)


def _syscall(builder: Builder, number: int, *values: Value) -> Value:
    return _call(builder, "syscall", I64, I64(SYSCALLS[MACHINE][number]), *values, variadic=True)


@instruction
def load(builder: Builder, offset: Value) -> Value:
    """Read a word of the pool."""
    return builder.load_atomic(_at(builder, offset), "seq_cst", 8)


@instruction
def store(builder: Builder, offset: Value, value: Value) -> None:
    """Write a word of the pool."""
    builder.store_atomic(value, _at(builder, offset), "seq_cst", 8)


@instruction
def add(builder: Builder, offset: Value, value: Value) -> Value:
    """Add to a word; return what was there before."""
    return builder.atomic_rmw("add", _at(builder, offset), value, "seq_cst")


@instruction
def exchange(builder: Builder, offset: Value, value: Value) -> Value:
    """Write a word; return what was there before."""
    return builder.atomic_rmw("xchg", _at(builder, offset), value, "seq_cst")


@instruction
def call(builder: Builder, chunk: Value, t: Value, data: Value) -> None:
    """Run a chunk: void chunk(int64 t, void *data)."""
    kind = ir.FunctionType(ir.VoidType(), [I64, I64])
    builder.call(builder.inttoptr(chunk, kind.as_pointer()), [t, data])


@instruction
def pause(builder: Builder) -> None:
    """Let the other thread of this core run for a moment (LLVM's intrinsics: there is no assembler here)."""
    if MACHINE in PAUSES:
        name, words = PAUSES[MACHINE]
        _call(builder, name, ir.VoidType(), *map(I32, words))


@instruction
def sleep(builder: Builder, offset: Value, expected: Value, nanoseconds: Value) -> None:
    """Sleep while a word is `expected`, for some time (on Linux) or FOREVER; may return early."""
    if ON_LINUX:  # compares 32 bits, the lower ones on the machines that we support
        time = cgutils.alloca_once(builder, ir.ArrayType(I64, 2))
        billion = I64(10**9)
        builder.store(builder.sdiv(nanoseconds, billion), cgutils.gep_inbounds(builder, time, 0, 0))
        builder.store(builder.srem(nanoseconds, billion), cgutils.gep_inbounds(builder, time, 0, 1))
        forever = builder.icmp_signed("<", nanoseconds, I64(0))
        limit = builder.select(forever, I64(0), builder.ptrtoint(time, I64))
        address = builder.ptrtoint(_at(builder, offset), I64)
        _syscall(builder, 0, address, I64(128), builder.trunc(expected, I32), limit)  # FUTEX_WAIT_PRIVATE
    elif SYSTEM == "win32":
        other = cgutils.alloca_once_value(builder, expected)
        _call(builder, "WaitOnAddress", I32, _at(builder, offset), other, I64(8), I32(0xFFFFFFFF))
    else:
        _call(builder, "os_sync_wait_on_address", I32, _at(builder, offset), expected, I64(8), I32(0))


@instruction
def wake(builder: Builder, offset: Value, count: Value) -> None:
    """Wake threads that sleep on a word, after it was changed: `count` on Linux, else all."""
    if ON_LINUX:
        _syscall(builder, 0, builder.ptrtoint(_at(builder, offset), I64), I64(129), count)  # FUTEX_WAKE_PRIVATE
    elif SYSTEM == "win32":
        _call(builder, "WakeByAddressAll", ir.VoidType(), _at(builder, offset))
    else:
        _call(builder, "os_sync_wake_by_address_all", I32, _at(builder, offset), I64(8), I32(0))


def _clock(builder: Builder, clock: Value) -> Value:
    """Return the nanoseconds of a clock of POSIX's."""
    time = cgutils.alloca_once_value(builder, ir.ArrayType(I64, 2)([0, 0]))
    builder.store(ir.ArrayType(I64, 2)([0, 0]), time)
    _call(builder, "clock_gettime", I32, clock, builder.bitcast(time, I64.as_pointer()))
    seconds, rest = (builder.load(cgutils.gep_inbounds(builder, time, 0, part)) for part in range(2))
    return builder.add(builder.mul(seconds, I64(10**9)), rest)


@instruction
def now(builder: Builder) -> Value:
    """Return the time in nanoseconds (25 ns)."""
    if SYSTEM != "win32":
        return _clock(builder, I32(1 if ON_LINUX else 6))  # CLOCK_MONOTONIC
    ticks = cgutils.alloca_once(builder, I64)
    _call(builder, "QueryPerformanceCounter", I32, ticks)
    return builder.mul(builder.load(ticks), builder.load(_at(builder, I64(TICK))))


@instruction
def time_of(builder: Builder, thread: Value) -> Value:
    """Return for how many nanoseconds a thread of this process has run; they stand still as the thread does."""
    if not ON_LINUX:
        return I64(0)
    number = builder.trunc(thread, I32)
    return _clock(builder, builder.or_(builder.shl(builder.not_(number), I32(3)), I32(6)))


@instruction
def thread(builder: Builder) -> Value:
    """Return the number of this thread in the system."""
    return _syscall(builder, 1) if ON_LINUX else I64(0)


@instruction
def processor(builder: Builder) -> Value:
    """Return the number of this thread's processor, -1 if the system does not say (2 ns with glibc 2.35)."""
    return builder.sext(_call(builder, "sched_getcpu", I32), I64) if ON_LINUX else I64(-1)


def _bit(builder: Builder, mask: Value, processor: Value) -> tuple[Value, Value]:
    """Return the pointer to a processor's word in a mask, and its bit in there."""
    place = builder.lshr(processor, I64(6))
    return cgutils.gep_inbounds(builder, mask, 0, place), builder.shl(I64(1), builder.and_(processor, I64(63)))


def _set_processors(builder: Builder, thread: Value, mask: Value) -> None:
    size = I64(PROCESSORS // 8)
    _call(builder, "sched_setaffinity", I32, builder.trunc(thread, I32), size, builder.ptrtoint(mask, I64))


@instruction
def move_off(builder: Builder, processor: Value) -> None:
    """Let this thread run on all processors that it may use but one."""
    if ON_LINUX:
        kind = ir.ArrayType(I64, PROCESSORS // 64)
        mask = cgutils.alloca_once(builder, kind)
        builder.store(builder.load(_at(builder, I64(ALLOWED), kind)), mask)
        place, bit = _bit(builder, mask, processor)
        builder.store(builder.and_(builder.load(place), builder.not_(bit)), place)
        _set_processors(builder, I64(0), mask)


@instruction
def move_here(builder: Builder, thread: Value, processor: Value) -> None:
    """Let another thread run on this processor only."""
    if ON_LINUX:
        kind = ir.ArrayType(I64, PROCESSORS // 64)
        mask = cgutils.alloca_once(builder, kind)
        builder.store(kind([0] * (PROCESSORS // 64)), mask)
        place, bit = _bit(builder, mask, processor)
        builder.store(bit, place)
        _set_processors(builder, thread, mask)


# --------------------------------------------------------------------------------------------- the pool


def compiled(function: Function) -> Function:
    """Compile a part of the pool into what calls it."""
    return cast(Function, helper(function, nogil=True, error_model="numpy"))


@compiled
def run_chunks(me: int) -> None:
    """Run chunks of the job until all are claimed; `me` is the worker's line, 0 for the caller."""
    while load(REMAINING) > 0:
        if me:
            store(me + HOLDING, 1)
        left = add(REMAINING, -1)
        if left <= 0:
            break
        call(load(CHUNK), load(COUNT) - left, load(DATA))
        if me:
            store(me + DONE, load(me + DONE) + 1)
        if add(UNFINISHED, -1) == 1 and load(WAITING):
            wake(UNFINISHED, 1)
    if me:
        store(me + HOLDING, 0)


@compiled
def there_is_work() -> bool:
    """Return whether a worker is wanted."""
    return bool(load(REMAINING) > 0 and load(SEATS) > 0)


@compiled
def watch_for_work() -> None:
    """Wait awake for a job, for a while."""
    turn, end = 0, now() + load(SPIN)
    while not there_is_work() and not load(STOP):
        turn += 1
        if processor() == load(CALLER) or (turn % 8 == 0 and now() > end):  # rule 1
            break
        pause()


def _work(index: int) -> None:
    """Serve until STOP: what a worker does."""
    me = WORKER + index * LINE
    store(me, thread())
    while not load(STOP):
        if load(MOVING) and (load(me + MOVED) or processor() == load(CALLER)):  # rule 2
            store(me + MOVED, 0)
            move_off(load(CALLER))
        watch_for_work()
        if there_is_work():
            if add(SEATS, -1) > 0:
                if processor() != load(CALLER) and not load(HELPED):
                    store(HELPED, 1)
                if load(SLEEPERS) > 0 and there_is_work():
                    wake(EPOCH, 2)
                run_chunks(me)
            continue
        epoch = load(EPOCH)
        add(SLEEPERS, 1)
        if not there_is_work() and not load(STOP):
            sleep(EPOCH, epoch, FOREVER)
        add(SLEEPERS, -1)


@compiled
def it_pays_to_wake() -> bool:
    """Rule 3: return whether workers are to be woken.

    On a busy machine a woken worker may run where the caller ran, instead of it, or come milliseconds too late.
    """
    if load(HELPED):
        store(HELPED, 0)
        store(MISSES, 0)
        return True
    misses = load(MISSES)
    if misses < 4:
        store(MISSES, misses + 1)
        return True
    time = now()
    if time < load(NEXT_WAKE):
        return False
    store(MISSES, min(misses + 1, 7))
    store(NEXT_WAKE, time + (load(BACKOFF) << (misses - 4)))
    return True


@compiled
def wait_for_the_rest() -> None:
    """Sleep until all chunks are done; give this processor to a worker that lost its own (rule 4)."""
    store(WAITING, 1)
    limit = load(GRACE) // 2 if load(MOVING) else FOREVER
    looks = 0
    left = load(UNFINISHED)
    while left > 0:
        sleep(UNFINISHED, left, limit)
        left = load(UNFINISHED)
        if left > 0 and load(MOVING):
            given = False
            for index in range(load(STARTED)):
                worker = WORKER + index * LINE
                if load(worker + HOLDING):
                    time = time_of(load(worker))
                    if looks > 0 and time == load(worker + CLOCK) and not given:
                        given = True  # there is one processor to give
                        here = processor()
                        store(CALLER, here)
                        store(worker + MOVED, 1)
                        move_here(load(worker), here)
                    store(worker + CLOCK, time)
                else:
                    store(worker + CLOCK, -1)
            if looks > 0 and limit < 4_000_000:
                limit *= 2
            looks += 1
    store(WAITING, 0)


def _run_job(chunk: int, data: int, chunks: int, threads: int) -> None:
    """Run chunks in up to `threads` threads, this one among them."""
    if threads < 2 or load(LOCK) or exchange(LOCK, 1):
        for t in range(chunks):
            call(chunk, t, data)
        return
    here = processor()
    if load(CALLER) != here:
        store(CALLER, here)
    store(CHUNK, chunk)
    store(DATA, data)
    store(COUNT, chunks)
    store(UNFINISHED, chunks)
    store(SEATS, threads - 1)
    store(REMAINING, chunks)
    if load(SLEEPERS) > 0 and it_pays_to_wake():
        add(EPOCH, 1)
        wake(EPOCH, min(2, threads - 1))
    run_chunks(0)
    turn, end = 0, 0
    while load(UNFINISHED) > 0:
        if turn % 8 == 0:
            time = now()
            if turn == 0:
                end = time + load(PATIENCE)
            elif time > end:
                wait_for_the_rest()
                break
        turn += 1
        pause()
    store(LOCK, 0)


def _wake_all() -> None:
    add(EPOCH, 1)
    wake(EPOCH, 1 << 30)


# ------------------------------------------------------------------------------------------ in Python

SPIN_MICROSECONDS = 50  # for which a worker watches for the next job before it sleeps
PATIENCE_MICROSECONDS = 20  # for which the caller watches for the end of its job
BACKOFF_MICROSECONDS = 1000  # without a wake, after wakes in vain; then twice, four and eight times that
GRACE_MICROSECONDS = 150  # for which a worker may stand still amid a chunk

ready = 1  # threads that jobs can have, the caller among them
_workers: list[threading.Thread] = []
_starting = threading.Lock()
_work_compiled: Any = build(_work, "worker")
_wake_compiled: Any = build(_wake_all, "worker")


def is_supported() -> bool:
    """Return whether this pool can run on this system."""
    if SYSTEM == "win32":
        return _find_symbols("api-ms-win-core-synch-l1-2-0", "WaitOnAddress", "WakeByAddressAll") and _find_symbols(
            "kernel32", "QueryPerformanceCounter"
        )
    if SYSTEM == "darwin":
        return _find_symbols(None, "os_sync_wait_on_address", "os_sync_wake_by_address_all")
    return ON_LINUX and MACHINE in SYSCALLS and sys.byteorder == "little" and sys.maxsize > 2**32


def _find_symbols(library: str | None, *names: str) -> bool:
    """Let compiled code find functions of a library; return whether they are there."""
    try:
        functions = ctypes.CDLL(library)
        for name in names:
            address = ctypes.cast(getattr(functions, name), ctypes.c_void_p).value
            llvmlite.binding.add_symbol(name, address)
    except (OSError, AttributeError):
        return False
    return True


def _set_up() -> None:
    """Write the pool's settings, among them the processors that this thread may use now."""
    for offset, microseconds in ((SPIN, SPIN_MICROSECONDS), (PATIENCE, PATIENCE_MICROSECONDS),
                                 (BACKOFF, BACKOFF_MICROSECONDS), (GRACE, GRACE_MICROSECONDS)):  # fmt: skip
        word(offset).value = 1000 * microseconds
    if SYSTEM == "win32":
        frequency = ctypes.c_int64(10**7)
        ctypes.CDLL("kernel32").QueryPerformanceFrequency(ctypes.byref(frequency))
        word(TICK).value = max(1, 10**9 // frequency.value)
    word(CALLER).value = -2  # no processor
    allowed = os.sched_getaffinity(0) if ON_LINUX else set()
    word(MOVING).value = 0
    if len(allowed) > 1 and max(allowed) < PROCESSORS:
        bits = sum(1 << processor for processor in allowed)
        ctypes.memmove(_address + ALLOWED, bits.to_bytes(PROCESSORS // 8, "little"), PROCESSORS // 8)
        word(MOVING).value = 1


def _serve(index: int) -> None:
    """Be a worker; signals are for the main thread."""
    if hasattr(signal, "pthread_sigmask"):
        faults = {signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGABRT}
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals() - faults)
    _work_compiled(index)


def compile_pool() -> int:
    """Compile the pool, or find it in the cache; return the address of `run`."""
    _work_compiled.compile((types.int64,))
    _wake_compiled.compile(())
    return build_callback(_run_job, types.void(*[types.int64] * 4))


def start(threads: int) -> None:
    """Have workers for jobs of so many threads, or as many as the system lets us have."""
    global ready
    with _starting:
        if threads <= ready:
            return
        if run_slot.value is None:
            run_slot.value = compile_pool()
        _workers[:] = [worker for worker in _workers if worker.is_alive()]  # if an interrupt came in between
        if not _workers:
            _set_up()
        while len(_workers) < min(threads - 1, MOST):
            worker = threading.Thread(target=_serve, args=(len(_workers),), name="autograd_nn", daemon=True)
            _workers.append(worker)
            try:
                worker.start()
            except RuntimeError:  # the system has no more threads
                _workers.pop()
                break
            word(STARTED).value = len(_workers)
        ready = threads


def stop() -> None:
    """Let the workers return: at exit none may run compiled code while the process takes it apart."""
    global ready
    ready = sys.maxsize
    if _workers:
        word(STOP).value = 1
        _wake_compiled()
        end = time.monotonic() + 1.0
        for worker in _workers:
            with contextlib.suppress(RuntimeError):  # it never started
                worker.join(max(0.0, end - time.monotonic()))


def _forget_workers() -> None:
    """In a forked child: only the thread that forked is left."""
    global ready, _starting
    ctypes.memset(_address, 0, WORKER + LINE * MOST)
    _workers.clear()
    _starting = threading.Lock()
    ready = 1


atexit.register(stop)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_workers)
