"""Memory of arrays: contiguous inputs, and an allocator that keeps pages warm.

A training step allocates and frees the same large arrays again and again. By default the GNU C library asks
the kernel for fresh pages for each large array and gives them back when it is freed; touching a fresh page
costs a fault, which was measured to slow the filling of new arrays 16-fold at 64 KiB, 23-fold at 2 MiB and
3-fold at 40 MiB (8 arrays alive at a time). Three settings of its `mallopt` make it keep freed memory for
the next array instead, which brings new arrays to within a few per cent of reused ones:

- ``M_MMAP_MAX = 0``: no array gets a mapping of its own (the threshold for that, ``M_MMAP_THRESHOLD``, cannot
  be raised beyond 32 MiB).
- ``M_TRIM_THRESHOLD``: freed memory at the end of the heap is kept.
- ``M_TOP_PAD``: the heap grows in steps of 64 MiB (of addresses; pages are used when touched), in threads too.

The process keeps the memory of its largest step until `release_memory` is called. The settings are applied on
import; ``AUTOGRAD_NN_MALLOC=0`` or any of the library's own ``MALLOC_..._`` variables leaves them alone. With
other C libraries nothing happens.
"""

from __future__ import annotations

import ctypes
import os
import sys

from .annotations import Array
from .by_numpy import copied

__all__ = ["contiguous", "keep_memory", "release_memory"]

_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_MAX = -1, -2, -4
_OWN_VARIABLES = ("MALLOC_TRIM_THRESHOLD_", "MALLOC_TOP_PAD_", "MALLOC_MMAP_THRESHOLD_", "MALLOC_MMAP_MAX_")


def contiguous(x: Array) -> Array:
    """Return `x` itself where a kernel can read it in place, else a copy in C order.

    Kernels are compiled for aligned, writable, C-contiguous arrays only: one machine code for all inputs.
    """
    return x if x.flags.carray else copied(x)


def _gnu_library() -> ctypes.CDLL | None:
    if not sys.platform.startswith("linux"):
        return None
    try:
        library = ctypes.CDLL(None)
        library.gnu_get_libc_version  # noqa: B018 -- raises AttributeError in other C libraries
        return library
    except (OSError, AttributeError):
        return None


_library = _gnu_library()


def keep_memory() -> bool:
    """Let the allocator keep freed memory for the next array; return whether it could be told to."""
    if _library is None:
        return False
    settings = (_M_MMAP_MAX, 0), (_M_TRIM_THRESHOLD, 2**31 - 1), (_M_TOP_PAD, 64 * 2**20)
    applied = [_library.mallopt(name, value) == 1 for name, value in settings]
    return all(applied)


def release_memory() -> None:
    """Give the memory of freed arrays back to the operating system (where `keep_memory` has an effect)."""
    if _library is not None:
        _library.malloc_trim(0)


if os.environ.get("AUTOGRAD_NN_MALLOC", "1") != "0" and not any(name in os.environ for name in _OWN_VARIABLES):
    keep_memory()
