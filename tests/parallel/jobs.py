"""Start jobs of several ranks for the tests, one thread each, and see how they end."""

import os
import pathlib
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).parents[2]
SETTINGS = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1", "PYTHONPATH": str(ROOT),
            "PYTHONFAULTHANDLER": "1"}


def command(ranks, *program):
    """Return the command of a job; of one rank, without mpiexec."""
    own = [sys.executable, *map(str, program)]
    if ranks == 1:
        return own
    beside = pathlib.Path(sys.executable).with_name("mpiexec")
    mpiexec = str(beside) if beside.exists() else shutil.which("mpiexec")
    assert mpiexec, "the extra distributed brings mpiexec"
    return [mpiexec, "-n", str(ranks), *own]


def job(ranks, *program, timeout=150, **settings):
    """Run a job to its end; return its exit code and what it wrote."""
    done = subprocess.run(command(ranks, *program), cwd=ROOT, env=os.environ | SETTINGS | settings, text=True,
                          capture_output=True, timeout=timeout)
    return done.returncode, done.stdout, done.stderr
