"""Runs of 1, 2, 3, 4 and 8 ranks end with the same bits, and so do those that other numbers of ranks continue."""

import json

import pytest

from tests.parallel.jobs import job
from tests.parallel.runs import CASES_OF, NETS, RESUMED

pytest.importorskip("mpi4py")

RING = {"MPIR_CVAR_ALLREDUCE_INTRA_ALGORITHM": "ring", "MPIR_CVAR_DEVICE_COLLECTIVES": "none"}


def hashes(ranks, folder, part, **settings):
    code, out, errors = job(ranks, "-m", "tests.parallel.runs", folder, part, **settings)
    assert code == 0, errors
    return json.loads(out.splitlines()[-1])


@pytest.fixture(scope="module")
def ends(tmp_path_factory):
    """Return what jobs end with: 4 ranks begin runs that 2 continue and 1 ends; one of 3 goes all the way."""
    shared, whole = tmp_path_factory.mktemp("shared"), tmp_path_factory.mktemp("whole")
    found = {4: hashes(4, shared, "0:2"), 2: hashes(2, shared, "2:4"), 1: hashes(1, shared, "4:6")}
    found[3] = hashes(3, whole, "0:6", **RING)
    return found


@pytest.mark.parametrize("ranks", [2, 3, 4])
def test_any_number_of_ranks_ends_with_the_bits_of_one(ends, ranks):
    cases = [name for name in ends[1] if not name.endswith("resumed")]
    assert len(cases) == sum(map(len, CASES_OF.values())) + 3, "and two evaluations and the loop of one's own"
    assert {name: ends[ranks][name] for name in cases} == {name: ends[1][name] for name in cases}


def test_each_case_is_another_run(ends):
    bits = [value for name, value in ends[1].items() if not name.endswith(("resumed", "evaluate"))]
    assert len(set(bits)) == len(bits)


def test_runs_that_other_numbers_of_ranks_continue_end_with_the_bits_of_unbroken_ones(ends):
    cases = [name for name in ends[1] if name.endswith("resumed")]
    assert len(cases) == sum(map(len, RESUMED.values()))
    for name in cases:
        assert ends[4][name] != ends[1][name]
        assert ends[1][name] == ends[3][name]
        assert ends[1][name] == ends[3][name.removesuffix(" resumed")], "and of one that nothing was saved of"


def test_the_nets_are_those_of_the_table(ends):
    assert {name.split()[0] for name in ends[1]} == {*NETS, "own"}


@pytest.mark.slow
def test_eight_ranks_end_with_the_bits_of_one(ends, tmp_path):
    assert hashes(8, tmp_path, "0:6") == ends[3]
