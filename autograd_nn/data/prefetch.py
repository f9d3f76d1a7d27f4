"""Run an iterator in a thread of its own, a few items ahead of its consumer."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from typing import Any

__all__ = ["prefetched"]


class _End:
    """What the thread puts into the queue last: the error that ended it, or None."""

    __slots__ = ("error",)

    def __init__(self, error: BaseException | None):
        self.error = error


def _fill(source: Iterator[Any], items: queue.Queue[Any], stop: threading.Event) -> None:
    """Put the items of `source` into the queue until it ends or is told to stop."""
    error: BaseException | None = None
    try:
        for item in source:
            if stop.is_set():
                return
            items.put(item)
    except BaseException as caught:  # handed to the consumer, which raises it
        error = caught
    if not stop.is_set():
        items.put(_End(error))


def prefetched(source: Iterator[Any], depth: int) -> Iterator[Any]:
    """Yield the items of `source`, which runs in a thread up to `depth` items ahead.

    An error in the thread is raised here, after the items that came before it. When the consumer stops early
    and drops this iterator, the thread ends before the iterator is gone.
    """
    items: queue.Queue[Any] = queue.Queue(maxsize=depth)
    stop = threading.Event()
    thread = threading.Thread(target=_fill, args=(source, items, stop), name="prefetch", daemon=True)
    thread.start()
    try:
        while not isinstance(item := items.get(), _End):
            yield item
        if item.error is not None:
            raise item.error
    finally:
        stop.set()
        # The thread may be waiting to put one item: an empty queue has room for it, and it puts no more.
        while not items.empty():
            items.get_nowait()
        thread.join()
