"""``python -m autograd_nn.kernels warm``: compile the kernels that most networks need, once for all later processes."""

from __future__ import annotations

import argparse
import time

from .compile import cache_folder, compile_hooks
from .warm import compile_all


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m autograd_nn.kernels", description=__doc__)
    parser.add_argument("command", choices=["warm"], help="compile kernels and keep them in the cache folder")
    parser.parse_args(arguments)
    if cache_folder is None:
        print("no cache folder can be written (set NUMBA_CACHE_DIR)")
        return 1
    names: list[str] = []
    compile_hooks.append(lambda name, seconds: names.append(name))
    start = time.perf_counter()
    compile_all()
    print(f"{len(names)} kernels compiled in {time.perf_counter() - start:.1f} s; kept in {cache_folder}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
