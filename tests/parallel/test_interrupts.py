"""Ctrl-C stops all ranks after the same step with a checkpoint, which any number of ranks continues."""

import re

import pytest

from tests.parallel.jobs import job

pytest.importorskip("mpi4py")


def ends(ranks, *program):
    code, out, errors = job(ranks, "-m", "tests.parallel.interrupted", *program)
    assert code == 0, errors
    found = re.findall(r"END (\d) (\w+) (\d+) (\w+)", out)
    assert sorted(each[0] for each in found) == [str(r) for r in range(ranks)]
    assert len({each[1:] for each in found}) == 1, "all ranks end alike"
    return found[0][1:], errors


def test_an_interrupt_stops_all_ranks_after_the_same_step_and_the_run_goes_on_exactly(tmp_path):
    (interrupted, steps, _), errors = ends(3, tmp_path / "run", "interrupt")
    assert (interrupted, steps) == ("True", "3"), "the step after the one in which it came"
    assert errors.count("interrupted in epoch 1 after step 3") == 1, "rank 0 alone says so"
    resumed, _ = ends(2, tmp_path / "run", "resume")
    whole, _ = ends(1, tmp_path / "whole", "whole")
    assert resumed == whole
    assert whole[:2] == ("False", "6")
