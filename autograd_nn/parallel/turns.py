"""Shards that take turns: each runs in a thread of its own, one at a time and in order, and they meet at layers."""

from __future__ import annotations

import threading
from collections.abc import Callable

from ..engine import state as recording

__all__ = ["Turns"]


class _Ended(BaseException):
    """Unwinds the threads that wait, after one has failed."""


class Turns:
    """Runs a function for each of some shards, as coroutines that change turns where they meet.

    Parameters
    ----------
    run : callable
        ``run(i)`` for each place i.
    count : int
        How many there are.
    enter, leave : callable
        Called with a place when its turn begins and ends.
    """

    def __init__(self, run: Callable[[int], None], count: int, enter: Callable[[int], None],
                 leave: Callable[[int], None]):
        self.run, self.count, self.enter, self.leave = run, count, enter, leave
        self.locks = [threading.Semaphore(0) for _ in range(count)]
        self.finished = threading.Semaphore(0)
        self.error: BaseException | None = None
        self.ended = 0
        self.state = recording.recording, recording.listener

    def next(self, i: int) -> None:
        """End the turn of `i`, and come back when it is its turn again."""
        if self.ended:
            raise _astray()
        self.leave(i)
        self.locks[(i + 1) % self.count].release()
        self._take(i)

    def _take(self, i: int) -> None:
        self.locks[i].acquire()
        if self.error is not None:
            raise _Ended
        self.enter(i)

    def _fail(self, error: BaseException) -> None:
        if self.error is None:
            self.error = error
        for lock in self.locks:
            lock.release()

    def _body(self, i: int) -> None:
        recording.recording, recording.listener = self.state
        try:
            self._take(i)
            self.run(i)
            self.leave(i)
            self.ended += 1
            if i + 1 < self.count:
                self.locks[i + 1].release()
            elif self.ended < self.count:
                raise _astray()
        except _Ended:
            pass
        except BaseException as error:
            self._fail(error)
        finally:
            self.finished.release()

    def __call__(self) -> None:
        """Run all to their ends; raise what one raised."""
        threads = [threading.Thread(target=self._body, args=(i,), daemon=True, name=f"shard {i}")
                   for i in range(self.count)]
        try:
            for thread in threads:
                thread.start()
            self.locks[0].release()
            for _ in threads:
                self.finished.acquire()
        except BaseException as error:  # an interrupt: the others end at their next meeting
            self._fail(error)
            raise
        if self.error is not None:
            raise self.error


def _astray() -> RuntimeError:
    return RuntimeError("Sharded.backward(): some shards of a batch go through other batch norms than others; with "
                        "layers that only some samples use, take init(batch_norm='shard')")
