"""What was compiled, told in words: the calls of a plan, what was fused, its memory, and the time of each call."""

from __future__ import annotations

import time
from collections import Counter
from typing import Any

from ..kernels.machine import Machine
from .plan import Plan
from .reach import Snapshot

__all__ = ["listed", "paragraph"]

MOST_LINES = 48  # a longer plan is told by the names of its calls
LONGEST, MOST_RUNS = 0.25, 20  # seconds of measuring, after at least three runs; runs


def listed(texts: list[str]) -> str:
    """Return the first few texts, each once, and how many more there are."""
    unique = list(dict.fromkeys(texts))
    return ", ".join(unique[:5]) + (f" and {len(unique) - 5} more" if len(unique) > 5 else "")


def paragraph(known: Any, name: str, times: bool) -> str:
    """Return what is known of one kind of call.

    Parameters
    ----------
    known : Signature
    name : str
        Of the function.
    times : bool
        Run the plan some times and measure each call; all state is put back.
    """
    if known.reason is not None:
        return f"{name} stays eager: {known.reason}"
    if known.plan is None:
        return f"{name} is about to be traced"
    plan = known.plan
    lines = [f"{name}: {len(plan.steps)} calls{'' if known.is_trusted else ', to be rehearsed'}; "
             f"{plan.arena.nbytes} bytes for what is computed on the way, {plan.nbytes} bytes of memory in all"]
    if known.changes:
        lines.append(f"traced anew {len(known.changes)} times, because of {listed(known.changes)}")
    in_python = listed([called for i, called in enumerate(plan.names) if i not in plan._known]) or "none"
    lines.append(f"{plan.native} of them run natively, {len(plan.runs)} runs; in Python: {in_python}")
    fused = [f"{text} ({count} times)" if count > 1 else text for text, count in Counter(plan.fused).items()]
    lines.append(f"fused: {', '.join(fused) or 'nothing'}")
    pending = None if known.run is None else known.run()
    if not times or not known.is_trusted:
        lines.append("  ".join(plan.names))
    elif pending is not None and pending.is_pending:
        lines.append("no times: a backward pass through its last call may still come")
        lines.append("  ".join(plan.names))
    else:
        lines += _table(plan, _measured(known, plan))
    return "\n".join(lines)


def _measured(known: Any, plan: Plan) -> list[float]:
    """Return the seconds of each call of a plan, the least of some runs on the arguments of the last call."""
    before = Snapshot(known.reach)
    inputs = [buffer.copy() for buffer in plan.inputs]
    best = [float("inf")] * len(plan.names)
    clock = time.perf_counter
    singles = [[] if program is None else [Machine([call]) for call in program[0].calls] for _, program in plan.parts]
    empty = Machine([])
    floor = min(_spent(empty.run, clock) for _ in range(20))
    end, count = clock() + LONGEST, 0
    try:
        while count < 3 or (count < MOST_RUNS and clock() < end):
            count += 1
            found = [0.0] * len(best)
            for run, (number, program), machines in zip(plan.runs, plan.parts, singles):
                if program is None:
                    spent = _spent(run, clock)
                    if number >= 0:
                        found[number] += spent
                    continue
                for at, machine in zip(program[1], machines):
                    begin = clock()
                    if machine.run() >= 0:
                        plan.steps[at]()  # Python does it, of these numbers
                    if at >= 0:
                        found[at] += max(0.0, clock() - begin - floor)
            best = [*map(min, best, found)]
    finally:
        for buffer, held in zip(plan.inputs, inputs):
            buffer[...] = held
        plan.written.mark()
        before.restore()
    return best


def _spent(run: Any, clock: Any) -> float:
    begin: float = clock()
    run()
    spent: float = clock() - begin
    return spent


def _table(plan: Plan, seconds: list[float]) -> list[str]:
    """Return lines with the time of each call in order; of a long plan with those of each name, the longest first."""
    whole = sum(seconds) or 1.0
    lines = [f"{whole * 1e6:.1f} us a run, of which"]
    rows = [(name, 1, spent) for name, spent in zip(plan.names, seconds)]
    if len(rows) > MOST_LINES:
        names: dict[str, list[float]] = {}
        for name, spent in zip(plan.names, seconds):
            names.setdefault(name, []).append(spent)
        rows = sorted(((name, len(each), sum(each)) for name, each in names.items()), key=lambda row: -row[2])
    for name, count, spent in rows:
        calls = f"  {count} calls" if count > 1 else ""
        lines.append(f"  {spent * 1e6:9.2f} us {spent / whole:6.1%}  {name}{calls}")
    return lines
