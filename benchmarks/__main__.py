"""``python -m benchmarks [subject ...]``: run benchmarks, print their tables, keep their figures."""

from __future__ import annotations

import argparse
import importlib
import pathlib
import sys
import time
from collections.abc import Callable

from autograd_nn.kernels.compile import get_num_threads, set_num_threads

from . import overhead
from .report import Table, machine, save

SUBJECTS: dict[str, Callable[[float], Table]] = {"overhead": overhead.run}


def main() -> int:
    """Run the command line; return the exit code."""
    parser = argparse.ArgumentParser(prog="benchmarks", description="Compare autograd_nn with other frameworks.")
    parser.add_argument("subjects", nargs="*", metavar="subject", help=f"of {', '.join(SUBJECTS)}; all by default")
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE", help="keep the figures")
    parser.add_argument("--quick", action="store_true", help="a tenth of the time; noisier")
    parser.add_argument("--threads", type=int, metavar="N", help="threads of every framework (default: all cores)")
    options = parser.parse_args()
    unknown = sorted(set(options.subjects) - set(SUBJECTS))
    if unknown:
        parser.error(f"no subject {', '.join(unknown)}; there are {', '.join(SUBJECTS)}")
    _use_threads(options.threads or get_num_threads())
    described = machine()
    print(f"{described['processor']}, {described['cores']} cores, {described['threads']} threads; "
          + ", ".join(f"{name} {version}" for name, version in described["versions"].items()))
    tables = {}
    for name in options.subjects or SUBJECTS:
        started = time.perf_counter()
        print(f"[{name}] ...", file=sys.stderr, flush=True)
        tables[name] = SUBJECTS[name](0.1 if options.quick else 1.0)
        print(f"[{name}] {time.perf_counter() - started:.0f} s", file=sys.stderr)
        print("\n".join(["", *tables[name].lines()]), flush=True)
    if options.json:
        save(options.json, tables)
    return 0


def _use_threads(count: int) -> None:
    set_num_threads(count)
    try:
        importlib.import_module("torch").set_num_threads(count)
    except ImportError:
        return


if __name__ == "__main__":
    sys.exit(main())
