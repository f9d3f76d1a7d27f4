"""What the processor can do at best: fused multiply-adds and bytes per second, measured.

The kernels here are compiled apart from those of the framework and run in plain Python threads, one per core
used, so that the limits owe nothing to what is measured against them.
"""

from __future__ import annotations

import concurrent.futures
import dataclasses
import functools
import time
from collections.abc import Callable

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from autograd_nn.kernels.compile.target import vector_bytes

ACCUMULATORS = 12  # independent chains: enough to hide the latency of an FMA on two ports
LANES = vector_bytes() // 4
STEPS = 2_000_000
STREAM = 8_000_000  # float32 elements of each of the three arrays, 96 MB together: far beyond the caches
ROUNDS = 9


@dataclasses.dataclass(frozen=True)
class Limits:
    """Measured limits of the machine with a number of threads.

    Attributes
    ----------
    flops : float
        Floating-point operations per second in float32, an FMA counted as two.
    bandwidth : float
        Bytes per second of ``c = a + s * b`` from and to memory; the line that a store fetches first is not counted.
    """

    threads: int
    flops: float
    bandwidth: float


@intrinsic
def _multiply_add(typing_context, numbers, steps):
    """Run `steps` rounds of FMAs on chains that live in registers, and store their sum at ``numbers[0]``."""

    def codegen(context, builder, signature, arguments):
        vector = ir.VectorType(ir.FloatType(), LANES)
        fma_type = ir.FunctionType(vector, [vector] * 3)
        fma = cgutils.get_or_insert_function(builder.module, fma_type, f"llvm.fma.v{LANES}f32")
        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        factor, term = (ir.Constant(vector, [ir.Constant(ir.FloatType(), x)] * LANES) for x in (0.5, 1.0))
        first = builder.load(builder.bitcast(data, vector.as_pointer()), align=4)
        chains = [cgutils.alloca_once_value(builder, first) for _ in range(ACCUMULATORS)]
        with cgutils.for_range(builder, arguments[1]):
            for chain in chains:
                builder.store(builder.call(fma, [builder.load(chain), factor, term]), chain)
        total = builder.load(chains[0])
        for chain in chains[1:]:
            total = builder.fadd(total, builder.load(chain))
        builder.store(total, builder.bitcast(data, vector.as_pointer()), align=4)
        return context.get_dummy_value()

    return types.void(numbers, types.int64), codegen


@numba.njit(nogil=True)
def _fma(numbers, steps):
    _multiply_add(numbers, steps)


@numba.njit(nogil=True)
def _triad(a, b, c):
    for i in range(a.size):
        c[i] = a[i] + np.float32(3) * b[i]


@numba.njit(nogil=True)
def _triads(a, b, c, repeats):
    for _ in range(repeats):
        _triad(a, b, c)


def _rate(work: float, calls: list[Callable[[], object]], rounds: int) -> float:
    """Return work per second where each call has its own thread: the best of the rounds, as it is a limit."""
    with concurrent.futures.ThreadPoolExecutor(len(calls)) as pool:
        seconds = []
        for _ in range(rounds + 1):
            started = time.perf_counter()
            for future in [pool.submit(call) for call in calls]:
                future.result()
            seconds.append(time.perf_counter() - started)
    return work / min(seconds[1:])


@functools.lru_cache
def limits(threads: int, rounds: int = ROUNDS) -> Limits:
    """Measure the limits with a number of threads, once per process."""
    numbers = [np.ones(64, np.float32) for _ in range(threads)]
    flops = _rate(
        2.0 * LANES * ACCUMULATORS * STEPS * threads, [functools.partial(_fma, n, STEPS) for n in numbers], rounds
    )
    return Limits(threads, flops, bandwidth(threads, STREAM, rounds))


def bandwidth(threads: int, elements: int, rounds: int = ROUNDS) -> float:
    """Measure the bytes per second of ``c = a + s * b`` on arrays of so many floats, be they in a cache or not."""
    part = max(1, elements // threads)
    arrays = [tuple(np.ones(part, np.float32) for _ in range(3)) for _ in range(threads)]
    repeats = max(1, STREAM // elements // 4)
    calls = [functools.partial(_triads, *three, repeats) for three in arrays]
    return _rate(3 * 4.0 * part * threads * repeats, calls, rounds)
