"""``python -m autograd_nn.kernels warm``: compile the kernels that most networks need, once for all later processes."""

from __future__ import annotations

import argparse
import pathlib
import time

from .compile import cache_folder, compile_hooks
from .ship import ship
from .warm import compile_all


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m autograd_nn.kernels", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("warm", help="compile kernels and keep them in the cache folder")
    shipping = commands.add_parser("ship", help="compile kernels for other machines: what the build of a wheel does")
    shipping.add_argument("level", help="the level of x86-64, say x86-64-v3")
    shipping.add_argument("folder", type=pathlib.Path, help="where to put the archive")
    given = parser.parse_args(arguments)
    if cache_folder is None:
        print("no cache folder can be written (set NUMBA_CACHE_DIR)")
        return 1
    names: list[str] = []
    compile_hooks.append(lambda name, seconds: names.append(name))
    start = time.perf_counter()
    if given.command == "warm":
        compile_all()
        print(f"{len(names)} kernels compiled in {time.perf_counter() - start:.1f} s; kept in {cache_folder}")
    else:
        size = ship(given.level, given.folder)
        print(f"{given.level}: {size / 1e6:.1f} MB in {time.perf_counter() - start:.1f} s")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
