"""A second thread: on a quiet machine, beside busy processes, and in two trainings side by side.

Bursts with one and with two threads take turns, since the load of a machine changes; a burst is longer than a slice of
the scheduler. ``python -m benchmarks.threads`` is one of the trainings side by side: each line that it reads names a
net, threads and seconds, and it answers with the seconds of a step.
"""

from __future__ import annotations

import contextlib
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator

from autograd_nn.kernels.compile import get_num_threads, set_num_threads

from . import zoo
from .measure import Effort, Timing
from .report import OURS, Row, Table
from .zoo import GPT64, LSTM, TABULAR, TCN, UNET, VAE, Net, Trainer

BURST = 0.06  # seconds
BESIDE = LSTM, TABULAR, GPT64, VAE, UNET, TCN
TOGETHER = LSTM, TCN, UNET
BUSY = "import os\nparent = os.getppid()\nwhile os.getppid() == parent: sum(range(100000))"


@contextlib.contextmanager
def busy(count: int) -> Iterator[None]:
    """Run so many processes that compute all the time."""
    processes = [subprocess.Popen([sys.executable, "-c", BUSY]) for _ in range(count)]
    try:
        if count:
            time.sleep(0.3)
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


def bursts(trainer: Trainer, counts: tuple[int, ...], rounds: int) -> dict[int, Timing]:
    """Return the seconds of a step with each number of threads, a burst of each in turn."""
    timings = {}
    steps = {}
    for threads in counts:
        set_num_threads(threads)
        started = time.perf_counter()
        trainer.train()
        timings[threads] = Timing([], time.perf_counter() - started)
        trainer.train()
        started = time.perf_counter()
        trainer.train()
        steps[threads] = max(1, round(BURST / max(time.perf_counter() - started, 1e-6)))
    for i in range(rounds):
        for threads in counts if i % 2 == 0 else counts[::-1]:
            set_num_threads(threads)
            trainer.train()
            started = time.perf_counter()
            for _ in range(steps[threads]):
                trainer.train()
            timings[threads].samples.append((time.perf_counter() - started) / steps[threads])
    return timings


def row(net: Net, trainer: Trainer, load: int, most: int, rounds: int) -> Row:
    """Time a net beside so many busy processes."""
    with busy(load):
        timings = bursts(trainer, (1, most), rounds)
    beside = f", beside {load} busy process{'es' * (load > 1)}" if load else ""
    return Row(net.case + beside, {OURS: timings[most], f"{OURS}, 1 thread": timings[1]})


# ---------------------------------------------------------------------------------------------- side by side


class Training:
    """A training in a process of its own."""

    def __init__(self) -> None:
        self.process = subprocess.Popen([sys.executable, "-m", "benchmarks.threads"], text=True, bufsize=1,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)  # fmt: skip

    def start(self, net: Net, threads: int, seconds: float) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{net.case};{threads};{seconds}\n")

    def end(self) -> float:
        assert self.process.stdout is not None
        answer = self.process.stdout.readline()
        if not answer:
            raise RuntimeError("benchmarks threads: a training side by side has failed, see above")
        return float(answer)


def side_by_side(nets: tuple[Net, ...], most: int, seconds: float, rounds: int) -> list[Row]:
    """Time one training alone with one thread, and two at once with one thread and with all."""
    pair = Training(), Training()
    rows = []
    try:
        for net in nets:
            for training in pair:  # one after the other: the first may compile
                training.start(net, most, 0.0)
                training.end()
            alone, both = Timing([], 0.0), {count: Timing([], 0.0) for count in (1, most)}
            for _ in range(rounds):
                pair[0].start(net, 1, seconds)
                alone.samples.append(pair[0].end())
                for count, timing in both.items():
                    for training in pair:
                        training.start(net, count, seconds)
                    timing.samples.append(statistics.fmean([training.end() for training in pair]))
            timings = {OURS: both[most], f"{OURS}, 1 thread each": both[1], f"{OURS}, alone, 1 thread": alone}
            rows.append(Row(net.case, timings, {"times of one alone": 1 / both[most].ratio(alone)}))
    finally:
        for training in pair:
            training.process.kill()
            training.process.communicate()
    return rows


def main() -> None:
    """Train as the lines of the standard input say."""
    trainers: dict[str, Trainer] = {}
    nets = {net.case: net for net in zoo.SIXTEEN}
    for line in sys.stdin:
        case, threads, seconds = line.split(";")
        if case not in trainers:
            trainers[case] = Trainer(nets[case], OURS)
        trainer = trainers[case]
        set_num_threads(int(threads))
        trainer.train()
        count, started = 0, time.perf_counter()
        while not count or time.perf_counter() - started < float(seconds):
            trainer.train()
            count += 1
        print((time.perf_counter() - started) / count, flush=True)


# ---------------------------------------------------------------------------------------------- the subject


def run(effort: Effort) -> list[Table]:
    """Time one thread against all: alone, beside busy processes, and two trainings side by side."""
    before = get_num_threads()
    most = max(2, before)
    rounds = effort.choose(9, 3, 1)
    trainers: dict[str, Trainer] = {}
    quiet, loaded = [], []
    try:
        for net in effort.choose(zoo.SIXTEEN, BESIDE[:2], ()):
            print(f"  {net.case}", file=sys.stderr, flush=True)
            trainers[net.case] = Trainer(net, OURS)
            quiet.append(row(net, trainers[net.case], 0, most, rounds))
        for net in effort.choose(BESIDE, BESIDE[:2], BESIDE[:1]):
            trainer = trainers.get(net.case) or Trainer(net, OURS)
            for load in (1, 2):
                print(f"  {net.case}, beside {load}", file=sys.stderr, flush=True)
                loaded.append(row(net, trainer, load, most, rounds))
    finally:
        set_num_threads(before)
    together = []
    if effort.level:
        together = side_by_side(effort.choose(TOGETHER, TOGETHER[:1], ()), most, effort.choose(0.6, 0.3, 0.0), rounds)
    quiet.sort(key=lambda row: row.ratio(f"{OURS}, 1 thread") or 0)
    cores = f"{os.cpu_count()} cores"
    tables = [
        Table("Threads: a second thread", f"Steps with {most} threads and with 1 in turn, {cores}.", quiet, mean=True),
        Table("Threads: beside busy processes", f"Steps with {most} threads and with 1 in turn, beside processes "
              f"that compute all the time, {cores}.", loaded),
        Table("Threads: two trainings side by side", f"Seconds of a step of each of two processes with {most} threads, "
              f"and with 1, and of one that is alone, {cores}.", together),
    ]  # fmt: skip
    return [table for table in tables if table.rows]


if __name__ == "__main__":
    main()
