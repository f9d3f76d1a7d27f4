"""``python -m benchmarks [subject ...]``: run benchmarks, print their tables, keep their figures.

``python -m benchmarks compare A.json B.json`` compares two runs; ``python -m benchmarks readme RUN.json`` writes
the main table of a run into the README; ``python -m benchmarks plot RUN.json FOLDER`` draws a run again.
"""

from __future__ import annotations

import argparse
import pathlib
import sys
import time
from collections.abc import Callable

from autograd_nn.kernels.compile import get_num_threads

from . import (
    apart,
    compiled,
    control,
    estimators,
    history,
    kernels,
    machines,
    notebook,
    operations,
    overhead,
    pictures,
    readme,
    scaling,
    sixteen,
    start,
    steps,
    threads,
)
from .measure import FULL, QUICK, Effort
from .report import Table, as_run, describe, load, machine, save
from .rivals import use_threads

SUBJECTS: dict[str, Callable[[Effort], list[Table]]] = {
    "kernels": kernels.run,
    "steps": steps.run,
    "compiled": compiled.run,
    "operations": operations.run,
    "nets": sixteen.run,
    "control": control.run,
    "notebook": notebook.run,
    "overhead": overhead.run,
    "start": start.run,
    "scaling": scaling.run,
    "threads": threads.run,
    "machines": machines.run,
    "estimators": estimators.run,
}
OTHERS = "torch", "keras", "mygrad", "autograd", "tinygrad"
APART: dict[str, tuple[str, ...]] = {
    "kernels": OTHERS,
    "steps": OTHERS,
    "overhead": OTHERS,
    "compiled": ("torch", "jax", "onnxruntime"),
    "operations": ("torch",),
    "nets": ("torch",),
}
"""Subjects that run each framework in a process of its own, in turns, with the frameworks that they know."""
ONE_AND_ALL = "compiled", "operations", "nets"
"""Subjects that run with one thread, and with all."""


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    words = sys.argv[1:] if arguments is None else arguments
    if words[:1] == ["compare"]:
        return history.main(words[1:])
    if words[:1] == ["readme"]:
        return readme.main(words[1:])
    if words[:1] == ["plot"] and len(words) == 3:
        pictures.draw(load(pathlib.Path(words[1])), pathlib.Path(words[2]))
        return 0
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("subjects", nargs="*", metavar="subject", help=f"of {', '.join(SUBJECTS)}; all by default")
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE", help="keep the figures")
    parser.add_argument("--plot", type=pathlib.Path, metavar="FOLDER", help="draw pictures of the figures")
    parser.add_argument("--quick", action="store_true", help="under 3 minutes instead of 20; fewer cases, noisier")
    parser.add_argument("--threads", type=int, metavar="N", help="threads of every framework (default: all cores)")
    parser.add_argument("--together", action="store_true", help="all frameworks in one process, to find faults")
    parser.add_argument("--python", action="append", default=[], metavar="FRAMEWORK=PATH",
                        help="the interpreter of a framework that is installed elsewhere, such as jax")  # fmt: skip
    options = parser.parse_args(words)
    apart.pythons.update(pair.split("=", 1) for pair in options.python)
    unknown = sorted(set(options.subjects) - set(SUBJECTS))
    if unknown:
        parser.error(f"no subject {', '.join(unknown)}; there are {', '.join(SUBJECTS)}")
    use_threads(options.threads or get_num_threads())
    described = machine()
    print("\n".join(describe(described)))
    tables = {}
    for name in options.subjects or SUBJECTS:
        started = time.perf_counter()
        print(f"[{name}] ...", file=sys.stderr, flush=True)
        effort = QUICK if options.quick else FULL
        if name in APART and not options.together:
            every = options.threads or get_num_threads()
            counts = [1, every] if name in ONE_AND_ALL and every > 1 and not options.threads else [every]
            tables[name] = [table for count in counts for table in apart.run(name, effort, count, APART[name])]
        else:
            tables[name] = SUBJECTS[name](effort)
        print(f"[{name}] {time.perf_counter() - started:.0f} s", file=sys.stderr)
        for table in tables[name]:
            print("\n".join(["", *table.lines()]), flush=True)
        run = as_run(tables, described)
        if options.json:
            save(options.json, run)
    if options.plot:
        pictures.draw(run, options.plot)
    return 0


if __name__ == "__main__":
    sys.exit(main())
