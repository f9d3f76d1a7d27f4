"""What a benchmark run prints and keeps: rows, tables, JSON, the description of the machine."""

from __future__ import annotations

import dataclasses
import datetime
import importlib.metadata
import json
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
PACKAGES = ("autograd_nn", "numpy", "numba", "torch", "keras", "mygrad", "autograd", "tinygrad")


@dataclasses.dataclass
class Row:
    """One case: what each rival takes (seconds, or the `unit`), figures and curves that belong to it, by name."""

    case: str
    timings: dict[str, Timing]
    figures: dict[str, float] = dataclasses.field(default_factory=dict)
    unit: str = "s"
    curves: dict[str, list[float]] = dataclasses.field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        times = {
            name: {"median": t.median, "quartiles": t.quartiles, "first": t.first, "rounds": len(t.samples)}
            for name, t in self.timings.items()
        }
        ratios = {name: self.timings[OURS].ratio(t) for name, t in self.timings.items() if OURS in self.timings}
        return {"case": self.case, "unit": self.unit, "times": times, "ratios": ratios, "figures": self.figures,
                "curves": self.curves}


@dataclasses.dataclass
class Table:
    """The rows of one subject and the sentence that says how to read them."""

    title: str
    note: str
    rows: list[Row]
    absent: list[str] = dataclasses.field(default_factory=list)
    remarks: list[str] = dataclasses.field(default_factory=list)

    def lines(self) -> list[str]:
        """Return the table as Markdown: times with quartiles, and how many times longer each rival takes."""
        rivals = list(dict.fromkeys(name for row in self.rows for name in row.timings))
        figures = list(dict.fromkeys(name for row in self.rows for name in row.figures))
        others = [name for name in rivals if name != OURS]
        head = ["case", *rivals, *(f"{name} / ours" for name in others), *figures]
        body = []
        for row in self.rows:
            ours = row.timings.get(OURS)
            cells = [row.case, *(self._time(row.timings.get(name), row.unit) for name in rivals)]
            for name in others:
                cells.append(f"{ours.ratio(row.timings[name]):.2f}" if ours and name in row.timings else "-")
            cells += [f"{row.figures[name]:.3g}" if name in row.figures else "-" for name in figures]
            body.append(cells)
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
    return {
        "machine": machine,
        "subjects": {
            name: [
                {
                    "title": table.title,
                    "note": table.note,
                    "rows": [row.as_json() for row in table.rows],
                    "absent": table.absent,
                    "remarks": table.remarks,
                }
                for table in several
            ]
            for name, several in tables.items()
        },
    }


def save(path: pathlib.Path, run: dict[str, Any]) -> None:
    """Write a run as JSON."""
    path.write_text(json.dumps(run, indent=1) + "\n")


def load(path: pathlib.Path) -> dict[str, Any]:
    """Read what `save` wrote."""
    return json.loads(path.read_text())
