"""Where the time of a piece of training goes: by operation and by layer, forward and backward."""

from __future__ import annotations

import functools
import json
import math
import os
import sys
import time
from collections.abc import Callable, Iterable
from types import FrameType
from typing import Any, NamedTuple

import numpy as np

from ..engine import Primitive, Update, Variable, differentiating, listen, results_of
from ..engine import wrap as as_variable
from ..nn import Module
from ..ops.linalg import matmul
from ..tensor.printing import format_bytes, html_table
from .summary import multiply_adds

__all__ = ["Event", "Row", "measured_peak", "profile"]

FORWARD, BACKWARD, UPDATE = "forward", "backward", "update"
PHASES = (FORWARD, BACKWARD, UPDATE)
_PEAK_SIZE = 768  # of the matrices whose product tells the peak


class Event(NamedTuple):
    """One application of one primitive.

    Attributes
    ----------
    operation, phase : str
        Its name; 'forward', 'backward' or 'update' (what an optimizer or a layer writes).
    trail : tuple of str
        The names of the modules around it, outermost first ('' is the model itself); those of the forward operation if
        it is part of its gradient.
    start, seconds : float
    nbytes, flops : int
        Of its inputs and results; twice the multiply-adds that `summary` counts.
    shapes : tuple
        Of the inputs.
    """

    operation: str
    phase: str
    trail: tuple[str, ...]
    start: float
    seconds: float
    nbytes: int
    flops: int
    shapes: tuple[Any, ...]

    @property
    def layer(self) -> str:
        """The innermost module."""
        return self.trail[-1] if self.trail else ""


class Row(NamedTuple):
    """Some events added up: what they have in common, and their sums."""

    name: str
    phase: str
    calls: int
    seconds: float
    nbytes: int
    flops: int


@functools.cache
def measured_peak() -> float:
    """Return how many flops a second a large matrix product in float32 does here, with the threads in use now."""
    generator = np.random.default_rng(0)
    x, y = (as_variable(generator.standard_normal((_PEAK_SIZE, _PEAK_SIZE)).astype(np.float32)) for _ in range(2))
    best = math.inf
    for _ in range(6):
        begun = time.perf_counter()
        matmul(x, y)
        best = min(best, time.perf_counter() - begun)
    return 2 * _PEAK_SIZE**3 / best


class profile:
    """Time each operation of this thread: ``with profile(model) as p:``.

    Nothing of the model is changed for it: operations that a `Sequential` runs as one stay one. Each operation costs
    some microseconds more; they are in no operation's time.

    Parameters
    ----------
    model : Module, optional
        To name the layers.

    Attributes
    ----------
    events : list of Event
    seconds : float
        From the beginning of the block to its end.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn import nn
    >>> model = nn.Sequential(nn.Linear(8, 4), nn.ReLU(), nn.Linear(4, 1))
    >>> with profile(model) as p:
    ...     model(ag.ones(2, 8)).sum().backward()
    >>> sorted(row.name for row in p.by_operation() if row.phase == "forward")
    ['linear', 'linear_relu', 'sum']
    >>> sorted({event.layer for event in p.events})
    ['', '0', '2']
    """

    def __init__(self, model: Module | None = None):
        self.model = model
        self.events: list[Event] = []
        self.seconds = 0.0
        named = list(model.named_modules()) if model is not None else []
        self._names = {id(module): name for name, module in named}
        self._owners = {id(parameter): (name, module) for name, module in named
                        for parameter in module.parameters(recurse=False)}
        self._trails: dict[int, tuple[tuple[str, ...], Any]] = {}
        self._listen = listen(self._operation)
        self._begun = 0.0

    def __enter__(self) -> profile:
        self._begun = time.perf_counter()
        self._listen.__enter__()
        return self

    def __exit__(self, *exception: object) -> None:
        self._listen.__exit__(*exception)
        self.seconds += time.perf_counter() - self._begun
        self._trails.clear()

    # -------------------------------------------------------------------------------- what happens at the door

    def _operation(self, proceed: Callable[..., Any], primitive: Primitive[Any], inputs: Any, params: Any) -> Any:
        call = differentiating()
        if call is not None:
            phase, (trail, _) = BACKWARD, self._trails.get(id(call), ((), None))
        elif primitive.__module__.endswith("engine.backward"):
            phase, trail = BACKWARD, self._trail_of(inputs)
        else:
            phase = UPDATE if isinstance(primitive, Update) else FORWARD
            trail = self._trail_of(inputs)
        begun = time.perf_counter()
        out = proceed(*inputs, **params)
        seconds = time.perf_counter() - begun
        results = results_of(out)
        for result in results:
            node = getattr(result, "node", None)
            if node is not None:  # kept alive, so that no other call gets its id
                self._trails[id(getattr(node, "call", node))] = trail, node
        arrays = [x.array if isinstance(x, Variable) else x for x in (*inputs, *results)]
        nbytes = sum(a.nbytes for a in arrays if isinstance(a, np.ndarray))
        flops = 2 * multiply_adds(primitive, inputs, results[0]) if results else 0
        shapes = tuple(getattr(x, "shape", None) for x in inputs)
        self.events.append(Event(primitive.name, phase, trail, begun - self._begun, seconds, nbytes, flops, shapes))
        return out

    def _trail_of(self, inputs: Any) -> tuple[str, ...]:
        """Return the modules whose `forward` runs now; of operations run as one, the layer whose weights they take."""
        names = []
        frame: FrameType | None = sys._getframe(2)
        while frame is not None:
            if frame.f_code.co_name == "forward":
                name = self._names.get(id(frame.f_locals.get("self")))
                if name is not None:
                    names.append(name)
            frame = frame.f_back
        trail = tuple(names[::-1])
        owners = {self._owners[id(x)][0]: None for x in inputs if id(x) in self._owners}
        owner = next(iter(owners), None)
        if len(owners) > 1 and not trail:  # an optimizer's pass over all parameters
            return ("",)
        if owner is not None and owner != (trail[-1] if trail else None):
            parts = owner.split(".") if owner else []
            trail = ("", *(".".join(parts[: i + 1]) for i in range(len(parts))))
        return trail

    # -------------------------------------------------------------------------------- tables

    def _rows(self, key: Callable[[Event], tuple[str, str]]) -> list[Row]:
        sums: dict[tuple[str, str], list[float]] = {}
        for event in self.events:
            total = sums.setdefault(key(event), [0, 0.0, 0, 0])
            for i, value in enumerate((1, event.seconds, event.nbytes, event.flops)):
                total[i] += value
        rows = [Row(*names, int(calls), seconds, int(nbytes), int(flops))
                for names, (calls, seconds, nbytes, flops) in sums.items()]
        return sorted(rows, key=lambda row: -row.seconds)

    def by_operation(self) -> list[Row]:
        """Return the sums of each operation in each phase, the slowest first."""
        return self._rows(lambda event: (event.operation, event.phase))

    def by_layer(self) -> list[Row]:
        """Return the sums of each layer in each phase, without the layers inside it, the slowest first."""
        return self._rows(lambda event: (event.layer or "(model)", event.phase))

    _HEAD = ("phase", "calls", "ms", "of time", "bytes", "GFLOP/s", "of peak")

    def _cells(self, row: Row) -> list[str]:
        rate = row.flops / row.seconds if row.seconds else 0.0
        speed = [f"{rate / 1e9:.1f}", f"{rate / measured_peak():.0%}"] if row.flops else ["", ""]
        share = row.seconds / self.seconds if self.seconds else 0.0
        return [row.name, row.phase, f"{row.calls:,}", f"{1e3 * row.seconds:.3f}", f"{share:.0%}",
                format_bytes(row.nbytes), *speed]

    def _rest(self) -> list[str]:
        rest = max(self.seconds - sum(event.seconds for event in self.events), 0.0)
        share = rest / self.seconds if self.seconds else 0.0
        return ["(between operations)", "", "", f"{1e3 * rest:.3f}", f"{share:.0%}", "", "", ""]

    def _total(self) -> list[str]:
        flops = sum(event.flops for event in self.events)
        rate = flops / self.seconds if self.seconds else 0.0
        return ["total", "", f"{len(self.events):,}", f"{1e3 * self.seconds:.3f}", "100%",
                format_bytes(sum(event.nbytes for event in self.events)), f"{rate / 1e9:.1f}",
                f"{rate / measured_peak():.0%}"]  # fmt: skip

    def table(self, by: str = "operation", most: int = 30) -> str:
        """Return a table as text.

        Parameters
        ----------
        by : {'operation', 'layer'}
        most : int
            How many rows.
        """
        if by not in ("operation", "layer"):
            raise ValueError(f"profile.table(): by must be 'operation' or 'layer' (by={by!r})")
        rows = [self._cells(row) for row in (self.by_operation() if by == "operation" else self.by_layer())[:most]]
        table = [[by, *self._HEAD], *rows, self._rest(), self._total()]
        widths = [max(len(row[i]) for row in table) for i in range(len(table[0]))]

        def line(row: Iterable[str]) -> str:
            cells = [cell.ljust(width) if i < 2 else cell.rjust(width) for i, (cell, width) in
                     enumerate(zip(row, widths))]
            return "  ".join(cells).rstrip()

        rule = "-" * (sum(widths) + 2 * (len(widths) - 1))
        return "\n".join([line(table[0]), rule, *map(line, table[1:-1]), rule, line(table[-1])])

    def __str__(self) -> str:
        return self.table() if self.model is None else f"{self.table()}\n\n{self.table('layer')}"

    def __repr__(self) -> str:
        return f"<profile of {len(self.events):,} operations in {1e3 * self.seconds:.3f} ms>"

    def _repr_html_(self) -> str:
        tables = []
        for by, rows in (("operation", self.by_operation()), ("layer", self.by_layer()))[: 1 if self.model is None
                                                                                            else 2]:
            cells = [*map(self._cells, rows[:30]), self._rest(), self._total()]
            tables.append(html_table(cells, [by, *self._HEAD], left=2, foot=1))
        return f"<div>{'<br>'.join(tables)}</div>"

    # -------------------------------------------------------------------------------- files

    def save_trace(self, file: str | os.PathLike[str]) -> None:
        """Write the events for chrome://tracing, Perfetto or speedscope: layers with the operations inside them."""
        rows = [*self._spans(), *(
            {"name": event.operation, "cat": event.phase, "ph": "X", "pid": 1, "tid": 1, "ts": 1e6 * event.start,
             "dur": 1e6 * event.seconds,
             "args": {"layer": event.layer, "shapes": str(event.shapes), "bytes": event.nbytes, "flops": event.flops}}
            for event in self.events
        )]  # fmt: skip
        with open(file, "w", encoding="utf-8") as stream:
            json.dump({"traceEvents": rows, "displayTimeUnit": "ms"}, stream)

    def _spans(self) -> list[dict[str, Any]]:
        """Return an event for each stretch of time in one phase or one module."""
        spans: list[dict[str, Any]] = []
        open_: list[dict[str, Any]] = []
        for event in self.events:
            path = [event.phase, *(name or "(model)" for name in event.trail)]
            same = next((i for i, (span, name) in enumerate(zip(open_, path)) if span["name"] != name),
                        min(len(open_), len(path)))
            del open_[same:]
            for name in path[same:]:
                open_.append({"name": name, "cat": event.phase, "ph": "X", "pid": 1, "tid": 1, "ts": 1e6 * event.start,
                              "dur": 0.0})
                spans.append(open_[-1])
            for span in open_:
                span["dur"] = 1e6 * (event.start + event.seconds) - span["ts"]
        return spans
