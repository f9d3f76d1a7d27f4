"""Make batches in several threads, handed out in order.

Threads, not processes: decoding images, reading files and NumPy run side by side, as they give up Python's lock;
pure Python does not. Nothing is copied or pickled. What a batch draws depends on its place alone (see `randomness`),
so that the number of threads changes no value.
"""

from __future__ import annotations

import copy
import queue
import threading
import weakref
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

__all__ = ["Pool", "WorkerInfo", "get_worker_info", "in_order", "own_dataset", "round_robin"]


class WorkerInfo(NamedTuple):
    """What `get_worker_info` says of the thread at work.

    Parameters
    ----------
    id : int
        From 0.
    num_workers : int
    seed : int
        The loader's seed plus `id`.
    dataset : Dataset
        The dataset of this worker: a shallow copy where it is an IterableDataset or a `worker_init_fn` is given, so
        that attributes set on it are the worker's own.
    """

    id: int
    num_workers: int
    seed: int
    dataset: Any


class _Current(threading.local):
    info: WorkerInfo | None = None


_current = _Current()


def get_worker_info() -> WorkerInfo | None:
    """Return the `WorkerInfo` of the DataLoader's worker that runs this code, or None outside of workers.

    Examples
    --------
    >>> from autograd_nn.data import get_worker_info
    >>> get_worker_info() is None
    True
    """
    return _current.info


class _Failure:
    """An error in a worker, handed over in place of a result."""

    __slots__ = ("error",)

    def __init__(self, error: BaseException):
        self.error = error


class _Task(NamedTuple):
    """Something to do, and where its result goes."""

    function: Callable[..., Any]
    arguments: tuple[Any, ...]
    result: queue.SimpleQueue[Any]
    cancelled: threading.Event


class Pool:
    """Worker threads that do what is put into their queue: one queue for all, or one for each.

    Parameters
    ----------
    infos : list of WorkerInfo
        One per thread.
    init : callable, optional
        Called in each thread as it starts, with its id; what it raises is raised in place of each result.
    shared : bool
        Whether all threads take their tasks from one queue.
    """

    def __init__(self, infos: list[WorkerInfo], init: Callable[[int], Any] | None, shared: bool):
        first: queue.SimpleQueue[_Task | None] = queue.SimpleQueue()
        self.tasks = [first if shared else queue.SimpleQueue() for _ in infos]
        self.infos = infos
        self.stop = threading.Event()
        self.threads = [threading.Thread(target=_work, args=(info, init, tasks, self.stop), daemon=True,
                                         name=f"DataLoader worker {info.id}")
                        for info, tasks in zip(infos, self.tasks, strict=True)]
        for thread in self.threads:
            thread.start()
        self.close = weakref.finalize(self, _close, self.stop, self.tasks, self.threads)

    def submit(self, worker: int, cancelled: threading.Event, function: Callable[..., Any],
               *arguments: Any) -> queue.SimpleQueue[Any]:
        """Have a worker call ``function(its info, *arguments)`` unless `cancelled`; return the result's queue."""
        result: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self.tasks[worker].put(_Task(function, arguments, result, cancelled))
        return result


def _close(stop: threading.Event, tasks: list[queue.SimpleQueue[Any]], threads: list[threading.Thread]) -> None:
    """End the threads: each finishes the task that it is at."""
    stop.set()
    for one in tasks:
        one.put(None)
    for thread in threads:
        if thread is not threading.current_thread():
            thread.join()


def _work(info: WorkerInfo, init: Callable[[int], Any] | None, tasks: queue.SimpleQueue[_Task | None],
          stop: threading.Event) -> None:
    """Do the tasks of a queue until it is told to stop."""
    _current.info = info
    failed: BaseException | None = None
    try:
        if init is not None:
            init(info.id)
    except BaseException as error:  # handed to the consumer, which raises it
        failed = error
    while (task := tasks.get()) is not None and not stop.is_set():
        try:
            if failed is not None:
                raise failed
            if not task.cancelled.is_set():
                task.result.put(task.function(info, *task.arguments))
        except BaseException as error:  # handed to the consumer, which raises it
            note = f"in worker {info.id} of a DataLoader"
            if note not in getattr(error, "__notes__", ()):
                error.add_note(note)
            task.result.put(_Failure(error))
        del task


def _received(result: queue.SimpleQueue[Any], timeout: float) -> Any:
    """Wait for a result and return it, or raise the error that came instead."""
    try:
        value = result.get(timeout=timeout or None)
    except queue.Empty:
        raise RuntimeError(f"DataLoader(): timed out after {timeout:g} seconds: no worker has finished the next batch "
                           "(timeout=0 waits for ever)") from None
    if isinstance(value, _Failure):
        raise value.error
    return value


def own_dataset(dataset: Any) -> Any:
    """Return a shallow copy of a dataset, or the dataset itself where it cannot be copied."""
    try:
        return copy.copy(dataset)
    except Exception:
        return dataset


def in_order(pool: Pool, jobs: Iterator[tuple[Any, ...]], make: Callable[..., Any], ahead: int,
             timeout: float) -> Iterator[Any]:
    """Yield ``make(info, *job)`` for each job, in order; the workers are up to `ahead` jobs before the consumer.

    An error, of the jobs' iterator too, is raised after the results that came before it.
    """
    cancelled = threading.Event()
    waiting: deque[queue.SimpleQueue[Any]] = deque()
    more, error = True, None
    try:
        while True:
            while more and len(waiting) < ahead:
                try:
                    waiting.append(pool.submit(0, cancelled, make, *next(jobs)))
                except StopIteration:
                    more = False
                except BaseException as caught:  # raised below, when its turn has come
                    more, error = False, caught
            if not waiting:
                break
            yield _received(waiting.popleft(), timeout)
        if error is not None:
            raise error
    finally:
        cancelled.set()


def round_robin(pool: Pool, steps: list[Callable[[WorkerInfo], tuple[bool, Any]]], ahead: int,
                timeout: float) -> Iterator[Any]:
    """Yield from several streams in turn, one per worker, as PyTorch orders the batches of an IterableDataset.

    Parameters
    ----------
    pool : Pool
        With a queue for each worker.
    steps : list of callable
        One per worker, called in that worker only: returns (True, next item), or (False, None) at the stream's end.
    ahead : int
        How many items each worker makes ahead.
    timeout : float
    """
    cancelled = threading.Event()
    alive = {worker: deque(pool.submit(worker, cancelled, step) for _ in range(ahead))
             for worker, step in enumerate(steps)}
    try:
        while alive:
            for worker in list(alive):
                more, item = _received(alive[worker].popleft(), timeout)
                if not more:
                    del alive[worker]
                    continue
                alive[worker].append(pool.submit(worker, cancelled, steps[worker]))
                yield item
    finally:
        cancelled.set()
