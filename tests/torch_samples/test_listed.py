"""Each deliberate difference stands in the documentation, with its reason."""

import pathlib

import pytest

from tests.torch_samples.differences import MODULES, OPERATIONS

PAGE = pathlib.Path(__file__).parents[2] / "docs" / "explanation" / "differences.md"
TABLE = [line.split("|") for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| `")]


@pytest.mark.parametrize("name", [each.name for each in OPERATIONS + MODULES])
def test_the_page_says_why(name):
    reasons = [reason.strip() for _, names, _, reason, _ in TABLE if f"`{name}`" in names]
    assert reasons and all(reasons), f"docs/explanation/differences.md has no row for `{name}`"


def test_the_page_lists_nothing_else():
    listed = {each.name for each in OPERATIONS + MODULES}
    named = {name for _, names, *_ in TABLE for name in names.split("`")[1::2]}
    assert named == listed
