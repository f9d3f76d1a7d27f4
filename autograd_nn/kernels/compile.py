"""How kernels are compiled, cached and threaded: the one place that says so, and why.

Two decorators, both lazy (nothing is compiled at import):

- ``@jit``: a serial function that other kernels call (or inline).
- ``@kernel``: an entry point called from Python. Its first parameter is ``threads``, the number
  of chunks it splits its work into with ``prange(threads)``; each chunk writes only what it owns,
  so that the result has the same bits for any number of threads. With ``threads == 1`` the serial
  build runs and no parallel region is opened.
"""

import os
import threading

import numba
from numba import prange

__all__ = ["get_num_threads", "jit", "kernel", "prange", "set_num_threads", "threads_for"]

JIT_DISABLED = bool(numba.config.DISABLE_JIT)
SERIAL_BELOW = 32_000  # elements of light work that one thread does before a second one pays

# `contract` lets LLVM fuse a*b+c; `nnan` and `ninf` are never set: NaN and infinity must travel.
OPTIONS = {"fastmath": {"contract"}, "error_model": "numpy", "nogil": True, "cache": True}

_launch = threading.Lock()
_threads = min(numba.config.NUMBA_NUM_THREADS, os.cpu_count() or 1)


def get_num_threads() -> int:
    """Return the number of threads that kernels use."""
    return _threads


def set_num_threads(count: int) -> None:
    """Set the number of threads that kernels use."""
    global _threads
    if count < 1:
        raise ValueError(f"set_num_threads(): count must be at least 1 (count={count})")
    _threads = int(count)


def threads_for(work: int) -> int:
    """Return how many threads pay for `work` element operations."""
    return 1 if work < SERIAL_BELOW else _threads


def jit(function):
    """Compile a serial helper of kernels, on first use."""
    return numba.njit(**OPTIONS)(function)


class kernel:
    """Compile an entry point on first use; `threads` is its first argument."""

    def __init__(self, function):
        self.python = function
        self.__name__ = function.__name__
        self.__doc__ = function.__doc__
        self.serial = numba.njit(**OPTIONS)(function)
        self.parallel = numba.njit(parallel=True, **OPTIONS)(function)

    def __call__(self, threads, *arguments):
        if threads == 1:
            return self.serial(1, *arguments)
        with _launch:
            return self.parallel(threads, *arguments)
