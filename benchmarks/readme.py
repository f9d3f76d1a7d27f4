"""``python -m benchmarks readme RUN.json``: write a run's training steps into the README, and draw their picture."""

from __future__ import annotations

import argparse
import pathlib
from typing import Any

from . import pictures
from .compiled import COMPILED
from .measure import readable
from .report import OURS, load

BEGIN, END = "<!-- benchmarks:begin -->", "<!-- benchmarks:end -->"
COMPILERS = {"torch compiled": "torch.compile", "jax": "JAX"}
ROOT = pathlib.Path(__file__).parent.parent
README, PICTURE = ROOT / "README.md", ROOT / "docs" / "pictures" / "training_steps.png"


def section(run: dict[str, Any], command: str) -> str:
    """Return the text between the markers: ours eager and compiled, PyTorch, and the faster of the other compilers.

    Raises
    ------
    ValueError
        The run has no compiled training steps.
    """
    machine = run["machine"]
    tables = pictures.tables(run, "compiled", "Compiled training steps")
    if not tables:
        held = ", ".join(run["subjects"])
        raise ValueError(f"readme: the run needs the subject compiled (it has {held}); run {command}")
    versions = machine["versions"]
    named = ", ".join(f"{name} {versions[name]}" for name in ("numba", "numpy", "torch", "jax") if name in versions)
    lines = [
        "Whole training steps: forward, loss, backward, optimizer. Medians; in brackets: time relative to our compiled "
        "step. A compiled step has the bits of the eager one. Last column: the faster of torch.compile and jax.jit.",
        "",
        f"| step | {OURS}: eager, **compiled** | PyTorch | torch.compile or JAX |",
        "|---|---|---|---|",
    ]
    for table in tables:
        threads = table["title"].rpartition(", ")[2]
        for row in table["rows"]:
            lines.append("| " + " | ".join([f"{row['case']}, {threads}", *_cells(row)]) + " |")
    lines += [
        "",
        f"{machine['processor']}, {machine['cores']} cores, {machine['date'][:10]}, commit {machine['commit']}; "
        f"{named}. Measured by `{command}`, each framework in a process of its own, in turns.",
    ]
    return "\n".join(lines)


def _cells(row: dict[str, Any]) -> list[str]:
    """Return the cells of a row: our times, PyTorch's, and those of the faster of the other compilers."""
    times, ratios = row["times"], row["ratios"]

    def cell(name: str) -> str:
        return f"{readable(times[name]['median'])} ({ratios[name]:.1f})" if name in times else "-"

    ours = f"{readable(times[OURS]['median'])}, **{readable(times[COMPILED]['median'])}**"
    best = min((name for name in COMPILERS if name in times), key=ratios.__getitem__, default=None)
    return [ours, cell("torch"), f"{COMPILERS[best]} {cell(best)}" if best else "-"]


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
    parser.add_argument("--picture", type=pathlib.Path, default=PICTURE)
    options = parser.parse_args(arguments)
    run = load(options.run)
    content = section(run, "python -m benchmarks compiled --json RUN.json")
    options.readme.write_text(insert(options.readme.read_text(encoding="utf-8"), content), encoding="utf-8")
    pictures.draw_training_steps(run, options.picture)
    return 0
