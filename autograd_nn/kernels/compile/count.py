"""How many threads kernels use, and whose pool they run in."""

from __future__ import annotations

import math
import os
import pathlib
import platform
import sys

from . import numba_threads, threads
from .options import JIT_DISABLED, config

__all__ = ["SERIAL_BELOW", "get_num_threads", "pool", "processors", "set_num_threads", "start_pool",
           "threads_for", "workers_for"]

SERIAL_BELOW = 64_000  # elements of light work that one thread does before a second one pays
TESTED = {("linux", "x86_64")}  # where our pool is tested, and the default
CONTROL_GROUPS = pathlib.Path("/sys/fs/cgroup")
OWN_GROUPS = pathlib.Path("/proc/self/cgroup")


def _quota(folder: pathlib.Path) -> float:
    """Return how many processors' time a control group may use."""
    try:
        if (folder / "cpu.max").exists():
            quota, period = (folder / "cpu.max").read_text().split()
        else:
            quota, period = ((folder / f"cpu.cfs_{name}_us").read_text() for name in ("quota", "period"))
        return int(quota) / int(period) if int(quota) > 0 and int(period) > 0 else math.inf
    except (OSError, ValueError):  # no such file, or "max"
        return math.inf


def _limit_of_groups(groups: pathlib.Path = CONTROL_GROUPS, own: pathlib.Path = OWN_GROUPS) -> float:
    """Return how many processors' time the control groups of this process may use: of all, the least.

    Parameters
    ----------
    groups : Path
        Where the groups are mounted.
    own : Path
        The file that names those of this process, a line ``number:controllers:/path`` for each hierarchy.
    """
    try:
        lines = own.read_text().splitlines()
    except OSError:
        return math.inf
    limit = math.inf
    for line in lines:
        controllers, _, path = line.partition(":")[2].partition(":")
        if controllers and "cpu" not in controllers.split(","):
            continue
        root = groups / controllers if controllers else groups
        place = pathlib.PurePosixPath(path.lstrip("/"))
        for folder in (place, *place.parents):  # in a container the root may be the group itself
            limit = min(limit, _quota(root / folder))
    return limit


def processors() -> int:
    """Return how many processors this process may use."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, math.ceil(min(_limit_of_groups(), count)))


def _default_count() -> int:
    """Return NUMBA_NUM_THREADS if it is set, else how many processors this process may use."""
    count: int = config.NUMBA_NUM_THREADS
    return count if "NUMBA_NUM_THREADS" in os.environ else min(count, processors())


def _choice() -> str:
    """Return whose pool to use, "own" or "numba"."""
    choice = os.environ.get("AUTOGRAD_NN_POOL", "")
    if choice not in ("", "own", "numba"):
        raise ValueError(f"AUTOGRAD_NN_POOL: expects own or numba (AUTOGRAD_NN_POOL={choice})")
    return choice or ("own" if (sys.platform, platform.machine()) in TESTED and threads.is_supported() else "numba")


_count = _default_count()
_most = 1 if JIT_DISABLED else _count  # threads of one call, whatever the number of chunks
pool = threads if _choice() == "own" else numba_threads
if pool is numba_threads:
    numba_threads.prepare()
elif not threads.is_supported():
    raise RuntimeError("AUTOGRAD_NN_POOL=own: this system has no wait on an address that our pool knows; use numba")


def get_num_threads() -> int:
    """Return the number of threads that kernels use.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.get_num_threads() >= 1
    True
    """
    return _count


def set_num_threads(count: int) -> None:
    """Set the number of threads that kernels use.

    More threads than processors are allowed (the chunks then share the processors); results have the same
    bits for every number.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> before = ag.get_num_threads()
    >>> ag.set_num_threads(1)
    >>> ag.get_num_threads()
    1
    >>> ag.set_num_threads(before)
    """
    global _count
    if count < 1:
        raise ValueError(f"set_num_threads(): count must be at least 1 (count={count})")
    _count = int(count)


def threads_for(work: int) -> int:
    """Return how many threads pay for `work` element operations."""
    return 1 if work < SERIAL_BELOW else _count


def start_pool() -> None:
    """Have as many workers as threads are set, before the first kernel asks for them."""
    workers_for(_count)


def workers_for(chunks: int) -> int:
    """Return how many threads so many chunks get, the caller among them; the pool then has them."""
    workers = chunks if chunks < _most else _most
    if workers > pool.ready:
        pool.start(workers)
    return workers
