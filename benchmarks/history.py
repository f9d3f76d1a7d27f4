"""``python -m benchmarks compare A.json B.json``: what became slower or faster between two runs, beyond the noise."""

from __future__ import annotations

import argparse
import dataclasses
import pathlib
from typing import Any

from .measure import readable
from .report import OURS, load

MARGIN = 0.05  # changes of the median below it are not told apart from noise


@dataclasses.dataclass
class Change:
    """A case in two runs.

    Attributes
    ----------
    ratio : float
        New median over old.
    verdict : str
        "slower" or "faster" where the quartiles of the two runs lie apart and the medians by more than `MARGIN`,
        else "same"; "slower machine" and "faster machine" where every rival that was measured moved alike.
    """

    case: str
    old: float
    new: float
    unit: str
    ratio: float
    verdict: str


def judge(old: dict[str, Any], new: dict[str, Any]) -> str:
    """Return how the times of a case changed."""
    ratio = new["median"] / old["median"]
    if old["quartiles"][1] < new["quartiles"][0] and ratio > 1 + MARGIN:
        return "slower"
    if new["quartiles"][1] < old["quartiles"][0] and ratio < 1 / (1 + MARGIN):
        return "faster"
    return "same"


def changes(before: dict[str, Any], after: dict[str, Any]) -> list[Change]:
    """Compare the cases that both runs hold."""
    old_rows = _rows(before)
    found = []
    for key, row in _rows(after).items():
        old = old_rows.get(key, {"times": {}})["times"]
        new = row["times"]
        if OURS not in old or OURS not in new:
            continue
        verdict = judge(old[OURS], new[OURS])
        others = [judge(old[name], new[name]) for name in new if name != OURS and name in old]
        if verdict != "same" and others and all(other == verdict for other in others):
            verdict += " machine"
        medians = old[OURS]["median"], new[OURS]["median"]
        found.append(Change(" / ".join(key), *medians, row["unit"], medians[1] / medians[0], verdict))
    return found


def _rows(run: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    return {
        (table["title"], row["case"]): row
        for several in run["subjects"].values() for table in several for row in table["rows"]
    }  # fmt: skip


def main(arguments: list[str]) -> int:
    """Print the comparison; return 1 where something became slower."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks compare", description=__doc__)
    parser.add_argument("before", type=pathlib.Path)
    parser.add_argument("after", type=pathlib.Path)
    parser.add_argument("--all", action="store_true", help="list the cases that did not change as well")
    options = parser.parse_args(arguments)
    before, after = load(options.before), load(options.after)
    for run, word in ((before, "before"), (after, "after")):
        machine = run["machine"]
        print(f"{word}: {machine['date']}, commit {machine['commit']}, {machine['processor']}, "
              f"{machine['threads']['autograd_nn']} threads")  # fmt: skip
    if before["machine"]["processor"] != after["machine"]["processor"]:
        print("The processors differ: the figures cannot be compared.")
    found = changes(before, after)
    for change in sorted(found, key=lambda change: -change.ratio):
        if change.verdict != "same" or options.all:
            print(f"{change.verdict:14} {change.ratio:5.2f}x  {readable(change.old, change.unit)} -> "
                  f"{readable(change.new, change.unit)}  {change.case}")  # fmt: skip
    count = {verdict: sum(change.verdict == verdict for change in found) for verdict in ("slower", "faster", "same")}
    print(f"{len(found)} cases: {count['slower']} slower, {count['faster']} faster, {count['same']} the same "
          f"(apart only where quartiles do not overlap and medians differ by more than {MARGIN:.0%}; "
          "where all rivals moved alike, the machine did)")  # fmt: skip
    return 1 if count["slower"] else 0
