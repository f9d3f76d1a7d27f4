"""Hammer the thread pool: odd numbers of chunks, nested calls, several Python threads, forks, errors of chunks.

``python -c "from tests.kernels.hammer import main; main()" --seconds 3 --python-threads 4`` ends with 0 if every chunk
of every job ran once. (Not ``-m``: Numba would raise an error of ``__main__`` as another class than this one.)
"""

import argparse
import os
import random
import sys
import threading
import time

import numpy as np

from autograd_nn.kernels.compile import chunked, count, threads

CHUNKS = (2, 2, 3, 5, 8, 40)
MOST = 64  # chunks of a job


class OwnError(Exception):
    """An error that no library knows."""


@chunked
def counted(t, chunks, slots, turns):
    """Take some time, then count the chunk."""
    x = 1.0
    for _ in range(turns):
        x = x * 1.0000001 + 1e-9
    if x > 0:
        slots[t] += 1


_counted = counted.build


@chunked
def nested(t, chunks, slots, turns):
    """Run a job of four chunks from inside a chunk."""
    _counted(4, 2, slots[t], turns)


@chunked
def failing(t, chunks, slots, first, last, kind):
    """Raise an error in some chunks, count the others."""
    if first <= t <= last:
        if kind == 0:
            raise IndexError("index is out of bounds")
        if kind == 1:
            raise ZeroDivisionError("division by zero")
        if kind == 2:
            raise OwnError("chunk", 7)
        raise ValueError
    slots[t] += 1


ERRORS = {0: IndexError, 1: ZeroDivisionError, 2: OwnError, 3: ValueError}


def hammered(seed, seconds):
    """Run jobs for some time and return how many."""
    chance = random.Random(seed)
    end = time.monotonic() + seconds
    jobs = 0
    while jobs < 60 or time.monotonic() < end:
        chunks, turns = chance.choice(CHUNKS), chance.choice([0, 0, 10, 1000, 20_000])
        slots = np.zeros(MOST, np.int64)
        counted(chunks, slots, turns)
        check(slots, chunks)
        slots[:] = 0xDEAD  # a thread that comes late would see this, or spoil the next array
        if chance.random() < 0.05:
            many = np.zeros((6, MOST), np.int64)
            nested(6, many, turns)
            for row in many:
                check(row, 4)
        if chance.random() < 0.05:
            kind, slots = chance.randrange(4), np.zeros(MOST, np.int64)
            first = chance.randrange(chunks)
            try:
                failing(chunks, slots, first, chunks - 1, kind)
            except ERRORS[kind]:
                check(slots, first)
            else:
                raise AssertionError("the error of a chunk was dropped")
        if chance.random() < 0.02:
            time.sleep(chance.choice([0, 1e-4, 2e-3]))
        jobs += 1
    return jobs


def check(slots, chunks):
    """Assert that so many chunks ran, once each."""
    assert (slots[:chunks] == 1).all() and (slots[chunks:] == 0).all(), (chunks, slots)


def in_python_threads(number, seconds):
    """Hammer from several Python threads at once; return their jobs."""
    found = [0] * number

    def work(i):
        found[i] = hammered(i, seconds)

    workers = [threading.Thread(target=work, args=(i,)) for i in range(number)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return found


def in_forks(number, seconds):
    """Hammer in forked children while another thread of this process hammers; return the children's exit codes."""
    other = threading.Thread(target=hammered, args=(9, seconds * (number + 1)), daemon=True)
    other.start()
    codes = []
    for seed in range(number):
        child = os.fork()
        if child == 0:
            code = 1
            try:
                fresh = threads.word(threads.STARTED).value == 0
                code = 0 if fresh and hammered(seed, seconds) else 2
            finally:
                os._exit(code)
        codes.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    other.join()
    return codes


def done_by_workers():
    """Return how many chunks each worker has done."""
    lines = range(threads.word(threads.STARTED).value)
    return [threads.word(threads.WORKER + threads.LINE * line + threads.DONE).value for line in lines]


def main():
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--python-threads", type=int, default=1)
    parser.add_argument("--forks", type=int, default=0)
    parser.add_argument("--abandon", action="store_true", help="exit while a daemon thread is at work")
    options = parser.parse_args()
    hammered(0, 0.0)  # compile
    print("pool", count.pool.__name__.rpartition(".")[2])
    jobs = in_python_threads(options.python_threads, options.seconds)
    codes = in_forks(options.forks, options.seconds)
    print("jobs", *jobs, "forks", *codes, "by workers", *done_by_workers())
    if options.abandon:
        threading.Thread(target=hammered, args=(5, 60), daemon=True).start()
        time.sleep(0.1)
    sys.exit(int(not all(jobs) or any(codes)))
