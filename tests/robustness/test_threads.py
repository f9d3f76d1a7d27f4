"""Threads and processes: the bits of the serial run, no abort, no deadlock, under every threading layer there is."""

import importlib.util
import os
import pathlib
import subprocess
import sys

import pytest

LAYERS = ["workqueue", "omp", *(["tbb"] if importlib.util.find_spec("tbb") else [])]


def run(*arguments, **environment):
    command = [sys.executable, "-m", "tests.robustness.threads", *map(str, arguments)]
    found = subprocess.run(
        command,
        cwd=pathlib.Path(__file__).parents[2],
        env={**os.environ, **environment},
        timeout=300,
        capture_output=True,
        text=True,
    )
    assert found.returncode == 0, f"{found.stdout}\n{found.stderr[-2000:]}"
    return found.stdout


@pytest.mark.parametrize("layer", LAYERS)
def test_eight_threads_at_once_have_the_bits_of_the_serial_run(layer):
    out = run("--threads", 8, "--steps", 20, NUMBA_THREADING_LAYER=layer)
    assert "8 of 8 have the bits of the serial run" in out and layer in out


@pytest.mark.parametrize("method", ["fork", "spawn"])
@pytest.mark.parametrize("layer", LAYERS)
def test_children_started_after_first_use(layer, method):
    out = run("--threads", 2, "--steps", 5, "--children", method, NUMBA_THREADING_LAYER=layer)
    assert "2 of 2 have the bits of the serial run" in out
