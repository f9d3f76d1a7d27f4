"""What a benchmark run prints and keeps: rows, tables, JSON, the description of the machine."""

from __future__ import annotations

import dataclasses
import datetime
import importlib.metadata
import json
import math
import os
import pathlib
import platform
import subprocess
from typing import Any

import numpy as np

from autograd_nn.kernels.compile import get_num_threads

from .limits import limits
from .measure import Timing, readable
from .rivals import threads_in_use

OURS = "autograd_nn"
PACKAGES = ("autograd_nn", "numpy", "numba", "torch", "jax", "onnxruntime", "keras", "mygrad", "autograd", "tinygrad")


@dataclasses.dataclass
class Row:
    """One case: what each rival takes (seconds, or the `unit`), figures and curves that belong to it, by name.

    A row that is `aside` is marked by a star, and left out of the geometric mean.
    """

    case: str
    timings: dict[str, Timing]
    figures: dict[str, float] = dataclasses.field(default_factory=dict)
    unit: str = "s"
    curves: dict[str, list[float]] = dataclasses.field(default_factory=dict)
    aside: bool = False

    def ratio(self, name: str, base: str = OURS) -> float | None:
        """Return the time of a candidate relative to that of the base; None if one of them was not measured."""
        if name not in self.timings or base not in self.timings:
            return None
        return self.timings[base].ratio(self.timings[name])

    def as_json(self, base: str = OURS) -> dict[str, Any]:
        times = {
            name: {"median": t.median, "quartiles": t.quartiles, "first": t.first, "rounds": len(t.samples)}
            for name, t in self.timings.items()
        }
        ratios = {name: self.ratio(name, base) for name in self.timings if base in self.timings}
        return {"case": self.case, "unit": self.unit, "times": times, "ratios": ratios, "figures": self.figures,
                "curves": self.curves, "aside": self.aside}


@dataclasses.dataclass
class Table:
    """The rows of one subject and the sentence that says how to read them.

    Attributes
    ----------
    base : str
        The candidate that ratios are relative to.
    slowest_first : bool
        Whether rows are printed by their ratio to the first rival, the lowest first.
    mean : bool
        Whether the geometric means of the ratios are printed.
    """

    title: str
    note: str
    rows: list[Row]
    absent: list[str] = dataclasses.field(default_factory=list)
    remarks: list[str] = dataclasses.field(default_factory=list)
    base: str = OURS
    slowest_first: bool = False
    mean: bool = False

    @property
    def candidates(self) -> list[str]:
        """All that were measured: the base last of ours, then the rivals."""
        names = list(dict.fromkeys(name for row in self.rows for name in row.timings))
        return sorted(names, key=lambda name: (name.split()[0] != OURS, name == self.base))

    def means(self) -> dict[str, float]:
        """Return the geometric mean of the ratios of each rival, over the rows that are not aside."""
        found = {}
        for name in self.candidates:
            ratios = [ratio for row in self.rows if not row.aside and (ratio := row.ratio(name, self.base))]
            if name != self.base and ratios:
                found[name] = math.exp(sum(map(math.log, ratios)) / len(ratios))
        return found

    def in_order(self) -> list[Row]:
        """Return the rows as they are printed."""
        others = [name for name in self.candidates if name.split()[0] != OURS]
        if not self.slowest_first or not others:
            return self.rows
        return sorted(self.rows, key=lambda row: row.ratio(others[0], self.base) or math.inf)

    def as_json(self) -> dict[str, Any]:
        """Return the table as plain data."""
        found: dict[str, Any] = {"title": self.title, "note": self.note, "base": self.base,
                                 "rows": [row.as_json(self.base) for row in self.in_order()], "absent": self.absent,
                                 "remarks": self.remarks}
        return found | ({"geometric means": self.means()} if self.mean else {})

    def lines(self) -> list[str]:
        """Return the table as Markdown: times with quartiles, and the ratio of each candidate to the base."""
        names, base = self.candidates, self.base
        figures = list(dict.fromkeys(name for row in self.rows for name in row.figures))
        others = [name for name in names if name != base]
        head = ["case", *names, *(f"{name} / {'ours' if base == OURS else base}" for name in others), *figures]
        body = []
        for row in self.in_order():
            cells = [row.case + " *" * row.aside, *(self._time(row.timings.get(name), row.unit) for name in names)]
            for name in others:
                ratio = row.ratio(name, base)
                cells.append("-" if ratio is None else f"{ratio:.2f}")
            cells += [f"{row.figures[name]:.3g}" if name in row.figures else "-" for name in figures]
            body.append(cells)
        means = self.means() if self.mean and len(self.rows) > 1 else {}
        if means:
            body.append(["geometric mean", *("" for _ in names), *(f"{means[name]:.2f}" if name in means else "-"
                                                                   for name in others), *("" for _ in figures)])
        widths = [max(len(line[i]) for line in [head, *body]) for i in range(len(head))]
        lines = [f"## {self.title}", "", self.note, ""]
        for line in [head, ["-" * width for width in widths], *body]:
            lines.append("| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths)) + " |")
        absent = [f"absent: {text}" for text in self.absent]
        return [*lines, *(["", *self.remarks] if self.remarks else []), *(["", *absent] if absent else []), ""]

    @staticmethod
    def _time(timing: Timing | None, unit: str) -> str:
        if timing is None:
            return "-"
        if len(timing.samples) == 1:
            return readable(timing.median, unit)
        low, high = timing.quartiles
        return f"{readable(timing.median, unit)} ({readable(low, unit)} .. {readable(high, unit)})"


def machine() -> dict[str, Any]:
    """Describe processor, threads and versions."""
    versions = {}
    for name in PACKAGES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "threads": threads_in_use(),
        "limits": dataclasses.asdict(limits(get_num_threads())),
        "system": platform.platform(),
        "python": platform.python_version(),
        "versions": versions,
        "commit": _commit(),
        "blas": np.show_config(mode="dicts")["Build Dependencies"]["blas"]["name"],  # type: ignore[index,call-overload]
    }


def _processor() -> str:
    info = pathlib.Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def _commit() -> str | None:
    try:
        out = subprocess.run(
            ["git", "describe", "--always", "--dirty"],
            capture_output=True,
            text=True,
            check=True,
            cwd=pathlib.Path(__file__).parent,
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return out.stdout.strip()


def describe(machine: dict[str, Any]) -> list[str]:
    """Return the lines above the tables: where and with what the figures were measured."""
    limits = machine["limits"]
    return [
        f"{machine['date']}, commit {machine['commit']}",
        f"{machine['processor']}, {machine['cores']} cores; {machine['system']}; Python {machine['python']}",
        "versions: " + ", ".join(f"{name} {version}" for name, version in machine["versions"].items()),
        "threads: " + ", ".join(f"{name} {count}" for name, count in machine["threads"].items()),
        f"measured limits with {limits['threads']} threads: {limits['flops'] / 1e9:.0f} GFLOP/s of fused multiply-adds "
        f"in float32, {limits['bandwidth'] / 1e9:.1f} GB/s to and from memory",
        "Times are medians with their quartiles; a ratio above 1 means that autograd_nn is faster.",
    ]


def as_run(tables: dict[str, list[Table]], machine: dict[str, Any]) -> dict[str, Any]:
    """Return a run as plain data."""
    subjects = {name: [table.as_json() for table in several] for name, several in tables.items()}
    return {"machine": machine, "subjects": subjects}


def save(path: pathlib.Path, run: dict[str, Any]) -> None:
    """Write a run as JSON."""
    path.write_text(json.dumps(run, indent=1) + "\n")


def load(path: pathlib.Path) -> dict[str, Any]:
    """Read what `save` wrote."""
    return json.loads(path.read_text())
