"""Mutation testing: change ops/ and optim/ in one place at a time, and count the changes that the tests notice.

``python -m tests.robustness.mutation FOLDER --sample 180`` clones the repository into FOLDER (the work tree is never
touched), draws a seeded sample of all changes that the operators of cosmic-ray (``pip install cosmic-ray``) can make
there, except in annotations, and runs the tests of `TESTS` against each, for at most ``--seconds``; called again it
goes on where it stopped. At the end it prints the rate and the changes that no test noticed. ``--survivors`` tries
those again with the tests of the work tree. ``FOLDER/sample.sqlite`` is a session that cosmic-ray's own reports read.
"""

import argparse
import ast
import collections
import contextlib
import os
import pathlib
import random
import shutil
import subprocess
import sys
import time

from cosmic_ray.commands import init
from cosmic_ray.mutating import mutate_and_test
from cosmic_ray.work_db import WorkDB, use_db
from cosmic_ray.work_item import TestOutcome

ROOT = pathlib.Path(__file__).parents[2]
MUTATED = ["ops", "optim"]
TESTS = {
    "ops": ["tests/ops", "tests/test_semantics.py", "tests/optim"],
    "optim": ["tests/optim", "tests/test_semantics.py", "tests/ops"],
}
TIMEOUT = 120  # seconds; a change may make a loop endless


def test_command(part):
    """Return the shell command that runs the tests of a part, quick ones before those that import torch."""
    pytest = f"{sys.executable} -m pytest -q -x -p no:cacheprovider"
    tests = " ".join(TESTS[part])
    slow = "--ignore-glob='*against_torch*' --deselect tests/ops/test_properties.py"
    return f"sh -c \"{pytest} {slow} {tests} && {pytest} {tests}\""


def annotations(path):
    """Return the lines and columns that the annotations of a file span."""
    spans = []
    for node in ast.walk(ast.parse(path.read_text())):
        found = [getattr(node, name, None) for name in ("annotation", "returns")]
        spans += [((a.lineno, a.col_offset), (a.end_lineno, a.end_col_offset)) for a in found if a is not None]
    return spans


def drawn(folder, count, seed):
    """Return a seeded sample of the changes that are possible."""
    paths = sorted(path for part in MUTATED for path in (folder / "autograd_nn" / part).glob("*.py"))
    spans = {path: annotations(path) for path in paths}
    with use_db(folder / "all.sqlite") as everything:
        init(paths, everything, {})
        items = sorted(everything.work_items, key=lambda item: (
            str(item.mutations[0].module_path), item.mutations[0].operator_name, item.mutations[0].occurrence))
    items = [item for item in items if not any(
        a <= tuple(item.mutations[0].start_pos) <= b for a, b in spans[item.mutations[0].module_path])]
    print(f"{len(items):,} changes are possible in {len(paths)} files")
    return random.Random(seed).sample(items, count)


def part_of(item):
    """Return which part of the package a change is in."""
    return item.mutations[0].module_path.parent.name


def tried(item):
    """Apply a change, run the tests, take it back; return what became of it."""
    result = mutate_and_test(item.mutations, test_command(part_of(item)), TIMEOUT)
    if result.test_outcome is TestOutcome.INCOMPETENT:
        raise RuntimeError(f"the change could not be tried: {result.output}")
    return result


def check_baseline():
    """Raise where the tests fail without any change."""
    for part in MUTATED:
        found = subprocess.run(test_command(part), shell=True, capture_output=True, text=True)
        if found.returncode:
            raise RuntimeError(f"the tests fail without a change: {found.stdout[-2000:]}")


def report(work):
    """Print the rate and the survivors."""
    outcomes = collections.Counter()
    for item, result in work.completed_work_items:
        outcomes[part_of(item), result.test_outcome.value] += 1
        if result.test_outcome is TestOutcome.SURVIVED:
            print(f"--- {item.mutations[0].operator_name} {item.mutations[0].definition_name}\n{result.diff}\n")
    killed, done = sum(n for (_, outcome), n in outcomes.items() if outcome == "killed"), work.num_results
    print(f"{killed} of {done} changes noticed ({killed / max(done, 1):.1%}); "
          f"{work.num_work_items - done} to be tried; {dict(outcomes)}")


def main():
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--sample", type=int, default=180)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=float("inf"))
    parser.add_argument("--survivors", action="store_true")
    options = parser.parse_args()
    folder = options.folder.resolve()
    session = folder / "sample.sqlite"
    if not session.exists():
        subprocess.run(["git", "clone", "--quiet", ROOT, folder], check=True)
    os.chdir(folder)
    with use_db(session, WorkDB.Mode.create) as work:
        if not work.num_work_items:
            check_baseline()
            work.add_work_items(drawn(folder, options.sample, options.seed))
        if options.survivors:
            for name in ("ops", "optim"):
                shutil.copytree(ROOT / "tests" / name, folder / "tests" / name, dirs_exist_ok=True)
            shutil.copy(ROOT / "tests" / "test_semantics.py", folder / "tests")
            check_baseline()
            pending = [item for item, result in work.completed_work_items
                       if result.test_outcome is TestOutcome.SURVIVED]
        else:
            pending = work.pending_work_items
        ends = time.monotonic() + options.seconds
        with contextlib.suppress(KeyboardInterrupt):
            for item in pending:
                if time.monotonic() > ends:
                    break
                work.set_result(item.job_id, tried(item))
        report(work)


if __name__ == "__main__":
    sys.exit(main())
