"""A seeded slice of the random calls in `tests.robustness.operations`, plain and with kernels that check each index."""

import os
import pathlib
import subprocess
import sys
import types
import warnings

import numpy as np
import pytest

import autograd_nn as ag

from .robustness import operations

COMPARED = int(os.environ.get("FUZZ_COMPARED", "300"))
CALLS = int(os.environ.get("FUZZ", "2500"))


@pytest.mark.parametrize("bounds", ["0", "1"], ids=["as usual", "with bounds checked"])
def test_random_calls_give_results_or_errors_with_a_cause(bounds):
    only = ["--only", "pool"] if bounds == "1" else []
    calls = str(CALLS if bounds == "0" else CALLS // 10)
    command = [sys.executable, "-m", "tests.robustness.operations", "--calls", calls, "--compared", "0", "--seed", "5",
               *only]
    found = subprocess.run(
        command,
        env={**os.environ, "AUTOGRAD_NN_BOUNDSCHECK": bounds},
        capture_output=True,
        text=True,
        cwd=pathlib.Path(__file__).parents[1],
    )
    assert found.returncode == 0, f"{found.stdout}\n{found.stderr[-2000:]}"
    assert "0 problems in 0 operations" in found.stdout


def test_random_calls_agree_with_float64():
    """A seeded slice; where PyTorch is installed it is the reference."""
    options = types.SimpleNamespace(calls=0, compared=COMPARED, seed=5, only=None)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert operations.compared_calls(options) == 0


FLAGS = ag.tensor([[True, False], [False, True]])
ROW = ag.tensor([0])


@pytest.mark.parametrize("call", [
    lambda x: ag.broadcast_to(None, (4,)),
    lambda x: ag.nonzero(None),
    lambda x: ag.full((2,), None, dtype=np.float32),
    lambda x: ag.full_like(x, None),
    lambda x: x.new_full((2,), None),
    lambda x: x.index_fill(0, ROW, None),
    lambda x: ag.index_put(x, (ROW,), None),
    lambda x: x.scatter(0, ag.tensor([[0, 0]]), None),
    lambda x: x.masked_fill(FLAGS, None),
    lambda x: x.__setitem__(0, None),
    lambda x: x.__setitem__(0, [1.0, None]),
    lambda x: x.__setitem__(0, "3"),
    lambda x: x.fill_(None),
    lambda x: ag.where(FLAGS, x, None),
    lambda x: x + None,
    lambda x: x @ None,
    lambda x: ag.tensor([1.0, None]),
    lambda x: ag.set_default_dtype(None),
])  # fmt: skip
def test_none_is_refused_where_a_number_belongs(call):
    """NumPy would take it for NaN, or make an array of objects."""
    x = ag.tensor([[1.0, 2.0], [3.0, 4.0]])
    with pytest.raises(TypeError):
        call(x)
    assert x.tolist() == [[1, 2], [3, 4]] and ag.get_default_dtype() == np.float32
