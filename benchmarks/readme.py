"""``python -m benchmarks readme RUN.json``: write the main table of a run into the README, between its markers."""

from __future__ import annotations

import argparse
import pathlib
from typing import Any

from .measure import readable
from .report import OURS, load

BEGIN, END = "<!-- benchmarks:begin -->", "<!-- benchmarks:end -->"
RIVALS = 2  # columns for others, so that the table stays narrow; the picture has all of them
README = pathlib.Path(__file__).parent.parent / "README.md"


def section(run: dict[str, Any], command: str) -> str:
    """Return the text between the markers."""
    machine = run["machine"]
    steps = run["subjects"]["steps"][0]
    rivals = [name for name in dict.fromkeys(n for row in steps["rows"] for n in row["times"]) if name != OURS]
    rivals = rivals[:RIVALS]
    versions = machine["versions"]
    named = ", ".join(f"{name} {versions[name]}" for name in ("numba", "numpy", "torch", "keras") if name in versions)
    lines = [
        f"Whole training steps (forward, loss, backward, optimizer) with {machine['threads']['autograd_nn']} threads. "
        "Medians; in brackets: time relative to autograd_nn (below 1, the other is faster).",
        "",
        "| " + " | ".join(["step", OURS, *rivals]) + " |",
        "|" + "---|" * (2 + len(rivals)),
    ]
    for row in steps["rows"]:
        cells = [row["case"], readable(row["times"][OURS]["median"])]
        for name in rivals:
            timing = row["times"].get(name)
            cells.append(f"{readable(timing['median'])} ({row['ratios'][name]:.2f})" if timing else "-")
        lines.append("| " + " | ".join(cells) + " |")
    lines += [
        "",
        f"{machine['processor']}, {machine['cores']} cores, {machine['date'][:10]}, commit {machine['commit']}; "
        f"{named}. Measured by `{command}`, which prints all frameworks.",
    ]
    return "\n".join(lines)


def insert(text: str, content: str) -> str:
    """Return the text with what stands between the markers replaced; ValueError where they are missing."""
    if BEGIN not in text or END not in text:
        raise ValueError(f"readme: the README needs the markers {BEGIN} and {END}")
    before, rest = text.split(BEGIN, 1)
    return f"{before}{BEGIN}\n{content}\n{END}{rest.split(END, 1)[1]}"


def main(arguments: list[str]) -> int:
    """Run the command line; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks readme", description=__doc__)
    parser.add_argument("run", type=pathlib.Path, help="written by --json")
    parser.add_argument("--readme", type=pathlib.Path, default=README)
    options = parser.parse_args(arguments)
    content = section(load(options.run), "python -m benchmarks steps --json RUN.json")
    options.readme.write_text(insert(options.readme.read_text(), content))
    return 0
