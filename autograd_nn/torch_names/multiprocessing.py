"""PyTorch's `multiprocessing`: Python's own, with `spawn`. Tensors are copied from one process to another."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from multiprocessing import (
    Array,
    Barrier,
    Condition,
    Event,
    JoinableQueue,
    Lock,
    Manager,
    Pipe,
    Pool,
    Process,
    Queue,
    RLock,
    Semaphore,
    SimpleQueue,
    Value,
    active_children,
    cpu_count,
    current_process,
    freeze_support,
    get_all_start_methods,
    get_context,
    get_start_method,
    parent_process,
    set_start_method,
)
from typing import Any

__all__ = [
    "Array", "Barrier", "Condition", "Event", "JoinableQueue", "Lock", "Manager", "Pipe", "Pool", "Process", "Queue",
    "RLock", "Semaphore", "SimpleQueue", "Value", "active_children", "cpu_count", "current_process", "freeze_support",
    "get_all_sharing_strategies", "get_all_start_methods", "get_context", "get_sharing_strategy", "get_start_method",
    "parent_process", "set_sharing_strategy", "set_start_method", "spawn",
]  # fmt: skip


def spawn(fn: Callable[..., Any], args: tuple[Any, ...] = (), nprocs: int = 1, join: bool = True, daemon: bool = False,
          start_method: str = "spawn") -> Any:
    """Run ``fn(i, *args)`` in `nprocs` processes, and wait for them.

    Parameters
    ----------
    fn : callable
        At the top of a module.
    args : tuple
    nprocs : int
    join : bool
        Whether to wait; without it the list of processes is returned.
    daemon : bool
    start_method : str

    Raises
    ------
    RuntimeError
        A process did not end well; the others are ended.
    """
    context = multiprocessing.get_context(start_method)
    processes = [context.Process(target=fn, args=(i, *args), daemon=daemon) for i in range(nprocs)]  # type: ignore[attr-defined]
    for process in processes:
        process.start()
    if not join:
        return processes
    waiting = dict(enumerate(processes))
    while waiting:
        for i, process in list(waiting.items()):
            process.join(0.05)
            if process.exitcode is None:
                continue
            del waiting[i]
            if process.exitcode:
                for other in waiting.values():
                    other.terminate()
                raise RuntimeError(f"multiprocessing.spawn(): process {i} ended with exit code {process.exitcode}")
    return None


def set_sharing_strategy(new_strategy: str) -> None:
    """Accept PyTorch's strategies: tensors are copied, whichever it is."""
    if new_strategy not in get_all_sharing_strategies():
        raise ValueError(f"multiprocessing.set_sharing_strategy(): expects one of {get_all_sharing_strategies()} "
                         f"(got {new_strategy!r})")


def get_sharing_strategy() -> str:
    """Return PyTorch's default."""
    return "file_descriptor"


def get_all_sharing_strategies() -> set[str]:
    """Return PyTorch's names."""
    return {"file_descriptor", "file_system"}
