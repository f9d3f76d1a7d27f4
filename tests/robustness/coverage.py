"""Measure which lines of the package the tests run, those of the kernels included.

``python -m tests.robustness.coverage FOLDER`` runs one test file after another, leaves in FOLDER what each of
them ran (so that a second call goes on where the first was stopped), lists the lines that none of them ran, and ends
with an error where those are more than 5 %. ``--only WORD`` runs the pieces whose names contain a word, ``--seconds``
begins none after so long.

A compiled kernel cannot be watched, so the tests of kernels run twice: as plain Python, which shows the lines of the
kernels, and compiled into an empty cache, which shows the lines that write LLVM's instructions for them.
"""

import argparse
import os
import pathlib
import subprocess
import sys
import time
from typing import NamedTuple

NOTHING_THERE = 5  # pytest's exit code where a whole file was skipped
ROOT = pathlib.Path(__file__).parents[2]
LEAST = 95  # per cent of the lines


class Piece(NamedTuple):
    """A test file, and the environment that it runs in."""

    name: str
    path: pathlib.Path
    environment: dict[str, str]


def pieces(folder):
    """Return all pieces of the tests: each file, those of kernels twice; none that work in processes of their own."""
    tests = ROOT / "tests"
    found = []
    for path in sorted(tests.rglob("test_*.py")):
        name = path.stem.removeprefix("test_")
        if path.parent.name == "kernels":
            found.append(Piece(f"compiled {name}", path, {"NUMBA_CACHE_DIR": str(folder / f"cache of {name}")}))
            found.append(Piece(f"plain {name}", path, {"NUMBA_DISABLE_JIT": "1"}))
        elif path.parent.name != "robustness":
            found.append(Piece(f"{path.parent.name} {name}", path, {}))
    return found


def coverage(*arguments, **environment):
    """Run coverage.py; return its exit code."""
    command = [sys.executable, "-m", "coverage", *arguments]
    return subprocess.run(command, cwd=ROOT, env=os.environ | environment).returncode


def measured(piece, file):
    """Run a piece and leave what it ran in a file, which is there only if the tests passed; return whether they did."""
    unfinished = file.with_suffix(".unfinished")
    unfinished.unlink(missing_ok=True)
    pytest = "-m", "pytest", "-q", "-p", "no:cacheprovider", str(piece.path)
    code = coverage("run", "--source=autograd_nn", f"--data-file={unfinished}", *pytest, **piece.environment)
    if code not in (0, NOTHING_THERE):
        return False
    unfinished.rename(file)
    return True


def main():
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--only", default="", metavar="WORD")
    parser.add_argument("--seconds", type=float, default=float("inf"))
    options = parser.parse_args()
    folder = options.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    files, ends = [], time.monotonic() + options.seconds
    for piece in pieces(folder):
        files.append(folder / f"{piece.name}.coverage")
        if options.only in piece.name and not files[-1].exists() and time.monotonic() < ends:
            print(f"--- {piece.name}", flush=True)
            if not measured(piece, files[-1]):
                return 1
    done = [str(file) for file in files if file.exists()]
    together = f"--data-file={folder / 'together'}"
    coverage("combine", "--keep", "-q", together, *done)
    print(f"{len(done)} of {len(files)} pieces")
    return coverage("report", together, "--show-missing", "--skip-covered", f"--fail-under={LEAST}")


if __name__ == "__main__":
    sys.exit(main())
