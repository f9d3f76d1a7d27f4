"""The measuring core: interleaved rivals, warm-up apart, medians with their spread.

The candidates of one comparison take turns, a sample each, until the time is up. A machine that slows down
slows all of them; what is reported is the median over the rounds, and ratios are medians of the ratios within a
round. Before each sample the threads of the candidate before are given time to fall asleep, because waiting OpenMP
workers spin and would take a core from the next one, and one call that is not timed fetches the data into the caches.
A candidate so slow that its rounds would take longer than the time for all sits out the later ones.
"""

from __future__ import annotations

import dataclasses
import gc
import itertools
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

T = TypeVar("T")

turns: Any = None
"""Where this is the process of one framework among several (see `apart`): how it waits for its turn."""

SAMPLE_SECONDS = 0.002  # repeated inside a sample until it lasts this long
SETTLE_SECONDS = 0.002  # for the threads of the candidate before
FEWEST_ROUNDS = 2  # of the slowest candidates
LONG_SECONDS = 0.05  # calls that last longer need no warming up before each sample


@dataclasses.dataclass(frozen=True)
class Effort:
    """How much a subject may take on.

    Attributes
    ----------
    seconds : float
        Measured per comparison.
    level : int
        2: the full run, 1: ``--quick``, 0: the tiny run of the tests.
    """

    seconds: float
    level: int

    def choose(self, full: T, quick: T, tiny: T) -> T:
        """Return the value of this level."""
        return (tiny, quick, full)[self.level]


FULL, QUICK, TINY = Effort(1.0, 2), Effort(0.1, 1), Effort(0.0, 0)


@dataclasses.dataclass
class Timing:
    """Seconds per call: median, quartiles and the first call, which may have compiled.

    Attributes
    ----------
    samples : list of float
        Seconds per call of each round.
    first : float
        Seconds of the first call.
    """

    samples: list[float]
    first: float

    @property
    def median(self) -> float:
        return statistics.median(self.samples)

    @property
    def quartiles(self) -> tuple[float, float]:
        if len(self.samples) < 2:
            return self.samples[0], self.samples[0]
        low, _, high = statistics.quantiles(self.samples, n=4, method="inclusive")
        return low, high

    def ratio(self, other: Timing) -> float:
        """Return the median over the rounds of the other's time divided by this one's (above 1: this is faster)."""
        return statistics.median(b / a for a, b in zip(self.samples, other.samples))

    def scaled(self, factor: float) -> Timing:
        """Return the timing per part of the work."""
        return Timing([sample * factor for sample in self.samples], self.first * factor)


def compare(candidates: Mapping[str, Callable[[], Any]], seconds: float = 1.0, rounds: int = 5) -> dict[str, Timing]:
    """Time functions in turn.

    Parameters
    ----------
    candidates : mapping of name to function of no arguments
    seconds : float
        For all rounds together.
    rounds : int
        The least number of rounds; of `FEWEST_ROUNDS` where a candidate's would take longer than `seconds`.

    Returns
    -------
    dict of str to Timing
        In the process of one framework, of its own candidates.
    """
    if turns is None:
        return _compared(candidates, seconds, rounds, lambda: None)
    own = {name: call for name, call in candidates.items() if turns.own(name)}
    turns.tell("begin")
    turns.wait()
    timings = _compared(own, seconds, rounds, lambda: (turns.tell("done"), turns.wait()))
    turns.tell("end")
    return timings


def _compared(
    candidates: Mapping[str, Callable[[], Any]], seconds: float, rounds: int, next_turn: Callable[[], object]
) -> dict[str, Timing]:
    timings, repeats, warm_up, allowed = {}, {}, {}, {}
    for name, call in candidates.items():
        started = time.perf_counter()
        call()
        timings[name] = Timing([], time.perf_counter() - started)
        call()
        started = time.perf_counter()
        call()
        once = max(time.perf_counter() - started, 1e-7)
        repeats[name] = max(1, round(SAMPLE_SECONDS / once))
        warm_up[name] = once < LONG_SECONDS
        allowed[name] = max(min(rounds, FEWEST_ROUNDS), int(seconds / once)) if once * rounds > seconds else sys.maxsize
    collecting = gc.isenabled()
    gc.disable()
    try:
        spent = 0.0
        for done in itertools.count():
            taking_part = [name for name in candidates if done < allowed[name]]
            if not taking_part or (done >= rounds and spent > seconds):
                break
            next_turn()
            started_round = time.perf_counter()
            for name in taking_part:
                call = candidates[name]
                time.sleep(SETTLE_SECONDS)
                if warm_up[name]:
                    call()
                n = repeats[name]
                started = time.perf_counter()
                for _ in range(n):
                    call()
                timings[name].samples.append((time.perf_counter() - started) / n)
            gc.collect(0)
            spent += time.perf_counter() - started_round
    finally:
        if collecting:
            gc.enable()
    return timings


def readable(value: float, unit: str = "s") -> str:
    """Return a figure with three digits and a unit; seconds as ms and us where they are small."""
    if unit == "s":
        factor, unit = (1, "s") if value >= 1 else (1e3, "ms") if value >= 1e-3 else (1e6, "us")
        value *= factor
    return f"{value:.{0 if value >= 100 else 1 if value >= 10 else 2}f} {unit}"
