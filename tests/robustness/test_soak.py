"""A slice of the soak: memory, file handles and threads stay what they were over 1,600 steps; time is not judged."""

import os
import pathlib
import subprocess
import sys


def test_nothing_grows():
    command = [sys.executable, "-m", "tests.robustness.soak", "--steps", "1600", "--window", "100"]
    environment = {**os.environ, "NUMBA_NUM_THREADS": "1"}
    found = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=500,
                           cwd=pathlib.Path(__file__).parents[2])
    assert found.returncode == 0, f"{found.stdout}\n{found.stderr[-2000:]}"
    assert found.stdout.count("moved by 0.") == 2 and found.stdout.endswith("flat\n")
