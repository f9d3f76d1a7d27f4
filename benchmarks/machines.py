"""Several processes: a training step on 1 and 2 ranks against PyTorch's DistributedDataParallel, and what shards cost.

Each framework has jobs of its own, one after the other, and every rank one thread.
"""

from __future__ import annotations

import importlib.util
import json
import os
import pathlib
import shutil
import socket
import statistics
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


def _job(ranks: int, kind: str, net: str, batch: int, steps: int, shards: int) -> Timing:
    """Run a job, and return the times of its steps."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    environment = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1",
                                "MASTER_PORT": port}
    program = [sys.executable, "-m", "benchmarks.machines_job", kind, net, str(batch), str(steps), str(shards)]
    launcher: list[Any] = [] if ranks == 1 else [_mpiexec(), "-n", str(ranks)]
    done = subprocess.run([*launcher, *program], cwd=ROOT, env=environment, text=True, capture_output=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(program[2:])} on {ranks} ranks failed: {done.stderr[-2000:]}")
    first, *seconds = json.loads(done.stdout.splitlines()[-1])
    return Timing(seconds[2:], first)


def ranks_table(effort: Effort, absent: list[str], most: int) -> Table:
    """Time steps on 1 and 2 ranks with 8 shards, and those of PyTorch."""
    rows = []
    steps = effort.choose(60, 20, 2)
    torch = rival("torch", absent)
    for net in effort.choose(("convnet", "example", "normed"), ("convnet", "normed"), ("convnet",)):
        for ranks in range(1, most + 1):
            timings = {OURS: _job(ranks, "ours", net, BATCH, steps, 8)}
            if torch:
                timings["torch"] = _job(ranks, "torch", net, BATCH, steps, 0)
            rows.append(Row(f"{net}, batch {BATCH}, {ranks} rank{'s' * (ranks > 1)}", timings))
    return Table("Machines: ranks", "Training steps on 8 shards, with the same bits for any number of ranks; PyTorch's "
                 "DistributedDataParallel over gloo, whose batch norms see a rank's own samples.", rows, absent)


def shards_table(effort: Effort) -> Table:
    """Time steps of one process by the number of shards, relative to an undivided batch."""
    rows = []
    steps = effort.choose(60, 20, 2)
    for net in effort.choose(("convnet", "example", "normed"), ("convnet", "normed"), ("convnet",)):
        whole = _job(1, "ours", net, BATCH, steps, 0)
        counts = effort.choose((1, 2, 4, 8, 16), (2, 8), (2,))
        figures = {f"S = {count}": statistics.median(_job(1, "ours", net, BATCH, steps, count).samples) / whole.median
                   for count in counts}
        rows.append(Row(f"{net}, batch {BATCH}", {OURS: whole}, figures))
    return Table("Machines: the price of shards", "A step of one process: of an undivided batch, and how many times as "
                 "long one of S shards takes.", rows, [])


def run(effort: Effort) -> list[Table]:
    """Time jobs on this machine."""
    absent: list[str] = []
    most = 2
    if importlib.util.find_spec("mpi4py") is None or _mpiexec() is None:
        absent.append("mpi4py and mpiexec (pip install 'autograd_nn[distributed]')")
        most = 1
    return [ranks_table(effort, absent, most), shards_table(effort)]
