"""Threads and processes: the bits of the serial run, no abort, no deadlock, under every threading layer there is."""

import os
import pathlib
import subprocess
import sys

import pytest

from tests.robustness.threads import LAYERS, environment, is_available

FIRST, *OTHERS = LAYERS


def run(layer, *arguments):
    if not is_available(layer):
        pytest.skip(f"there is no threading layer {layer} here")
    command = [sys.executable, "-m", "tests.robustness.threads", *map(str, arguments)]
    found = subprocess.run(
        command,
        cwd=pathlib.Path(__file__).parents[2],
        env=os.environ | environment(layer),
        timeout=300,
        capture_output=True,
        text=True,
    )
    assert found.returncode == 0, f"{found.stdout}\n{found.stderr[-2000:]}"
    assert layer in found.stdout
    return found.stdout


@pytest.mark.parametrize("layer", [FIRST, *(pytest.param(layer, marks=pytest.mark.slow) for layer in OTHERS)])
def test_eight_threads_at_once_have_the_bits_of_the_serial_run(layer):
    assert "8 of 8 have the bits of the serial run" in run(layer, "--threads", 8, "--steps", 20)


@pytest.mark.parametrize("method", ["fork", *(pytest.param(m, marks=pytest.mark.slow) for m in ("spawn", "joblib"))])
@pytest.mark.parametrize("layer", LAYERS)
def test_children_started_after_first_use(layer, method):
    if method == "joblib":
        pytest.importorskip("joblib")
    out = run(layer, "--threads", 2, "--steps", 5, "--children", method)
    assert "2 of 2 have the bits of the serial run" in out
