"""Several processes: steps on 1 and 2 ranks against PyTorch's DistributedDataParallel, shards, overlap on slow links.

Each framework has jobs of its own, in turns, and every rank one thread.
"""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
from typing import Any

from .measure import Effort, Timing
from .report import OURS, Row, Table
from .rivals import rival

ROOT = pathlib.Path(__file__).parents[1]
BATCH = 128


def _mpiexec() -> str | None:
    beside = pathlib.Path(sys.executable).with_name("mpiexec")
    return str(beside) if beside.exists() else shutil.which("mpiexec")


@dataclasses.dataclass(frozen=True)
class Job:
    """A job of some ranks: ours, ours with gradients that leave late, or PyTorch's; on a link of some Gbit/s."""

    ranks: int
    kind: str
    net: str
    shards: int = 0
    gbits: float = 0.0


def in_turns(jobs: dict[str, Job], steps: int, rounds: int) -> dict[str, Timing]:
    """Run jobs in turns, and return the times of their steps."""
    timings: dict[str, Timing] = {}
    for _ in range(rounds):
        for name, job in jobs.items():
            found = _seconds(job, steps)
            timings.setdefault(name, Timing([], found[0])).samples.extend(found[3:])
    return timings


def _seconds(job: Job, steps: int) -> list[float]:
    """Run a job, and return the times of its steps; its first three warm up."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    environment = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1",
                                "MASTER_PORT": port}
    words = job.kind, job.net, BATCH, steps, job.shards, job.gbits
    program = [sys.executable, "-m", "benchmarks.machines_job", *map(str, words)]
    launcher: list[Any] = [] if job.ranks == 1 else [_mpiexec(), "-n", str(job.ranks)]
    done = subprocess.run([*launcher, *program], cwd=ROOT, env=environment, text=True, capture_output=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(program[2:])} on {job.ranks} ranks failed: {done.stderr[-2000:]}")
    seconds: list[float] = json.loads(done.stdout.splitlines()[-1])
    return seconds


def _nets(effort: Effort) -> tuple[str, ...]:
    return effort.choose(("convnet", "example", "normed"), ("convnet", "normed"), ("convnet",))


def _steps(effort: Effort) -> tuple[int, int]:
    """Return the steps of a job, and how often each job has its turn."""
    return effort.choose((24, 2), (10, 1), (2, 1))


def _said(text: str) -> None:
    print(f"  {text}", file=sys.stderr, flush=True)


def ranks_table(effort: Effort, absent: list[str], most: int) -> Table:
    """Time steps on 1 and 2 ranks with 8 shards, and those of PyTorch."""
    rows = []
    torch = rival("torch", absent)
    for net in _nets(effort):
        for ranks in range(1, most + 1):
            case = f"{net}, batch {BATCH}, {ranks} rank{'s' * (ranks > 1)}"
            _said(case)
            jobs = {OURS: Job(ranks, "ours", net, 8)} | ({"torch": Job(ranks, "torch", net)} if torch else {})
            rows.append(Row(case, in_turns(jobs, *_steps(effort))))
    return Table("Machines: ranks", "Training steps on 8 shards, with the same bits for any number of ranks; PyTorch's "
                 "DistributedDataParallel over gloo, whose batch norms see a rank's own samples. One thread a rank.",
                 rows, absent, mean=True)


def shards_table(effort: Effort) -> Table:
    """Time steps of one process by the number of shards, relative to an undivided batch."""
    rows = []
    for net in _nets(effort):
        _said(f"{net}, shards")
        counts = effort.choose((1, 2, 4, 8), (1, 8), (2,))
        jobs = {OURS: Job(1, "ours", net)} | {f"S = {count}": Job(1, "ours", net, count) for count in counts}
        timings = in_turns(jobs, _steps(effort)[0], 1)
        rows.append(Row(f"{net}, batch {BATCH}", timings))
    return Table("Machines: the price of exactness", "A step of one process in one thread: of an undivided batch, and "
                 "of S shards; the ratio is what their fixed order of sums costs.", rows, [])


def overlap_table(effort: Effort) -> Table:
    """Time steps of 2 ranks on slow links, with gradients that leave as they are final, and only in the end."""
    rows = []
    for gbits in effort.choose((1.0, 10.0), (1.0,), ()):
        _said(f"example, {gbits:g} Gbit/s")
        jobs = {OURS: Job(2, "ours", "example", 8, gbits), "late": Job(2, "late", "example", 8, gbits)}
        rows.append(Row(f"example, batch {BATCH}, 2 ranks, {gbits:g} Gbit/s", in_turns(jobs, *_steps(effort))))
    return Table("Machines: overlap", "The link is emulated: a message counts as arrived after 50 us and the time of "
                 "its bytes, one after the other. Late: gradients leave after the backward pass.", rows, [])


def run(effort: Effort) -> list[Table]:
    """Time jobs on this machine."""
    absent: list[str] = []
    several = importlib.util.find_spec("mpi4py") is not None and _mpiexec() is not None
    if not several:
        absent.append("mpi4py and mpiexec (pip install 'autograd_nn[distributed]')")
    tables = [ranks_table(effort, absent, 2 if several else 1), shards_table(effort)]
    if several and effort.level:
        tables.append(overlap_table(effort))
    return tables
