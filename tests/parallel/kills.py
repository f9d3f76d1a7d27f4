"""Kill a random rank of a job at a random moment, go on with other numbers of ranks, and compare the final bits.

``python -m tests.parallel.kills [KILLS]``, 50 by default; not among the tests, as it takes minutes.
"""

import os
import pathlib
import random
import signal
import subprocess
import sys
import tempfile
import time

from tests.parallel.jobs import ROOT, SETTINGS, command, job


def descendants(process):
    """Return the processes that a process started, and those that they did."""
    found = []
    for child in pathlib.Path(f"/proc/{process}/task/{process}/children").read_text().split():
        found += [int(child), *descendants(int(child))]
    return found


def ranks_of(process):
    """Return the processes of a job's ranks: those that started no others."""
    everyone = [process, *descendants(process)]
    return [p for p in everyone if "tests.parallel.interrupted" in pathlib.Path(f"/proc/{p}/cmdline").read_text()
            and not descendants(p)]


def main(kills):
    chance = random.Random(0)
    with tempfile.TemporaryDirectory() as folder:
        _, whole, errors = job(1, "-m", "tests.parallel.interrupted", f"{folder}/whole", "whole")
        expected = whole.split()[-1:]
        assert expected, errors
        done = ended = 0
        while done < kills:
            file = pathlib.Path(folder, f"run{ended}")
            ranks = chance.choice([2, 3, 4])
            begun = time.monotonic()
            running = subprocess.Popen(command(ranks, "-m", "tests.parallel.interrupted", file, "resume"), cwd=ROOT,
                                       env=os.environ | SETTINGS, text=True, stdout=subprocess.PIPE,
                                       stderr=subprocess.DEVNULL)
            moment = chance.uniform(1, 12)
            while running.poll() is None and time.monotonic() - begun < moment:
                time.sleep(0.01)
            try:
                victims = ranks_of(running.pid) if running.poll() is None else []
                if victims:
                    os.kill(chance.choice(victims), signal.SIGKILL)
                    done += 1
            except (FileNotFoundError, ProcessLookupError):
                pass  # it ended meanwhile
            out = running.communicate(timeout=60)[0]
            ends = [line.split() for line in out.splitlines() if line.startswith("END")]
            if len(ends) == ranks:
                assert {each[-1] for each in ends} == set(expected), (expected, out)
                ended += 1
            print(f"{done} kills, {ended} runs to the end, {ranks} ranks, {time.monotonic() - begun:.1f} s", flush=True)
        _, out, errors = job(2, "-m", "tests.parallel.interrupted", file, "resume")
        assert out.split()[-1:] == expected, errors
        print("the last run goes on to the same bits")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 50)
