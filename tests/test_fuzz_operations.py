"""A seeded slice of the random calls in `tests.robustness.operations`, plain and with kernels that check each index."""

import os
import pathlib
import subprocess
import sys

import pytest

CALLS = int(os.environ.get("FUZZ", "2500"))


@pytest.mark.parametrize("bounds", ["0", "1"], ids=["as usual", "with bounds checked"])
def test_random_calls_give_results_or_errors_with_a_cause(bounds):
    only = ["--only", "pool"] if bounds == "1" else []
    calls = str(CALLS if bounds == "0" else CALLS // 10)
    command = [sys.executable, "-m", "tests.robustness.operations", "--calls", calls, "--seed", "5", *only]
    found = subprocess.run(
        command,
        env={**os.environ, "AUTOGRAD_NN_BOUNDSCHECK": bounds},
        capture_output=True,
        text=True,
        cwd=pathlib.Path(__file__).parents[1],
    )
    assert found.returncode == 0, f"{found.stdout}\n{found.stderr[-2000:]}"
    assert "0 problems in 0 operations" in found.stdout
