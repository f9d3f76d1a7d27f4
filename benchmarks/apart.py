"""Each framework in a process of its own, in turns: two pools of threads in one process slow each other by factors.

The parent starts one child for each framework. All run the same subject, but a child prepares and measures the
candidates of its own framework alone. It waits for the others before each comparison, and for its turn before each
round. The parent then joins their tables.

Parent and child talk in lines: a child says "begin" at the start of a comparison, "done" after a round and "end"
after the last one, each in answer to "go"; at its end it hands in its tables as JSON.
"""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from typing import Any

from . import measure, rivals
from .measure import FULL, QUICK, TINY, Effort, Timing
from .report import OURS, Row, Table

Subject = Callable[[Effort], list[Table]]


pythons: dict[str, str] = {}
"""The interpreter of a framework that is installed elsewhere."""


def framework_of(candidate: str) -> str:
    """Return the framework that a candidate belongs to: the first word of its name, or ours."""
    word = candidate.split()[0]
    return word if word in rivals.MODULES else OURS


# ---------------------------------------------------------------------------------------------- the parent


class _Child:
    def __init__(self, framework: str, subject: str, effort: Effort, threads: int):
        self.framework = framework
        python = pythons.get(framework, sys.executable)
        command = [python, "-m", "benchmarks.apart", framework, subject, str(effort.level), str(threads)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)

    def hear(self) -> str:
        """Return the next line; an empty one where the child has ended."""
        assert self.process.stdout is not None
        return self.process.stdout.readline().rstrip("\n")

    def go(self) -> str:
        """Give the child its turn, and return what it says after it."""
        assert self.process.stdin is not None
        try:
            self.process.stdin.write("go\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            return ""
        return self.hear()


def run(subject: str, effort: Effort, threads: int, frameworks: Sequence[str] = rivals.MODULES) -> list[Table]:
    """Run a subject in one process for each framework that is installed, and return the joint tables.

    Raises
    ------
    RuntimeError
        Our own process ended before its time. A rival's is named among the absent.
    """
    named = [name for name in frameworks if name not in rivals.hidden]
    installed = [name for name in named if name in pythons or importlib.util.find_spec(name)]
    absent = [f"{name} (pip install 'autograd_nn[{rivals.EXTRA}]')" for name in frameworks if name not in installed]
    children = [_Child(name, subject, effort, threads) for name in (OURS, *installed)]
    found: dict[str, list[Table]] = {}
    try:
        running = list(children)
        while running:
            taking_part = []
            for child in list(running):
                said = child.hear()
                if said == "begin":
                    taking_part.append(child)
                    continue
                running.remove(child)
                if said:
                    found[child.framework] = _tables(json.loads(said))
                elif child.framework == OURS:
                    raise RuntimeError(f"benchmarks {subject}: the process of {OURS} ended before its time")
                else:
                    absent.append(f"{child.framework} (its process failed, see above)")
            while taking_part:
                taking_part = [child for child in taking_part if child.go() == "done"]
    finally:
        for child in children:
            child.process.kill()
            child.process.communicate()
    return joined(found, absent)


def joined(found: dict[str, list[Table]], absent: list[str]) -> list[Table]:
    """Return our tables with the rows of the rivals in them."""
    tables = found[OURS]
    for table in tables:
        table.absent = list(absent)
    for framework, theirs in found.items():
        for table, other in zip(tables, theirs, strict=True):
            for row, added in zip(table.rows, other.rows, strict=True):
                if row.case != added.case:
                    raise ValueError(f"benchmarks: {framework} measured {added.case!r} in the place of {row.case!r}")
                row.timings |= added.timings
                row.figures = added.figures | row.figures
                row.curves = added.curves | row.curves
            table.remarks += [remark for remark in other.remarks if remark not in table.remarks]
            own = [note for note in other.absent if framework_of(note.replace(".", " ")) == framework]
            table.absent += [note for note in own if note not in table.absent]
    return tables


def _tables(data: list[dict[str, Any]]) -> list[Table]:
    tables = []
    for table in data:
        rows = [Row(**row | {"timings": {name: Timing(**timing) for name, timing in row["timings"].items()}})
                for row in table["rows"]]  # fmt: skip
        tables.append(Table(**table | {"rows": rows}))
    return tables


# ---------------------------------------------------------------------------------------------- a child


class Turns:
    """The turns of a child: which candidates are its own, and how it waits for its rounds."""

    def __init__(self, framework: str):
        self.framework = framework
        self.say = sys.stdout
        sys.stdout = sys.stderr  # what the subject prints is not for the parent

    def own(self, candidate: str) -> bool:
        return framework_of(candidate) == self.framework

    def tell(self, word: str) -> None:
        print(word, file=self.say, flush=True)

    def wait(self) -> None:
        if not sys.stdin.readline():
            raise SystemExit("benchmarks: the parent has ended")


def main(framework: str, subject: str, level: str, threads: str) -> None:
    """Run a subject as the child of one framework, and hand in its tables."""
    rivals.hidden.update(set(rivals.MODULES) - {framework})
    if framework == "jax" and hasattr(os, "sched_setaffinity"):  # it takes as many threads as there are processors
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: int(threads)])
    measure.turns = turns = Turns(framework)
    from .__main__ import SUBJECTS

    rivals.use_threads(int(threads))
    tables = SUBJECTS[subject]((TINY, QUICK, FULL)[int(level)])
    turns.tell(json.dumps([dataclasses.asdict(table) for table in tables]))


if __name__ == "__main__":
    from . import apart  # the module that `measure` knows, not its twin __main__

    apart.main(*sys.argv[1:])
