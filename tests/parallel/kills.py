"""Kill a random rank of a job at a random moment, go on with another number of ranks, and compare the final bits.

``python -m tests.parallel.kills [KILLS]``, 50 by default; not among the tests, as it takes minutes. A moment is some
steps after the job went on, and a part of a step. A run that comes to its end must have the bits of one that was never
killed; then the next one begins.
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
from tests.parallel.killed import EPOCHS

PROGRAM = "tests.parallel.killed"


def descendants(process):
    """Return the processes that a process started, and those that they did."""
    found = []
    for child in pathlib.Path(f"/proc/{process}/task/{process}/children").read_text().split():
        found += [int(child), *descendants(int(child))]
    return found


def ranks_of(process):
    """Return the processes of a job's ranks: those that run the program, but for the workers that read data."""
    found = []
    for each in [process, *descendants(process)]:
        words = pathlib.Path(f"/proc/{each}/cmdline").read_text().split("\0")
        if PROGRAM in words and "mpiexec" not in words[0] and not any("hydra" in word for word in words[:1]):
            found.append(each)
    return [each for each in found if not any(each in descendants(other) for other in found)]


def attempt(ranks, file, chance):
    """Go on with a run; return which step the killed rank was after, None if it came to its end, and all hashes."""
    running = subprocess.Popen(command(ranks, "-m", PROGRAM, file), cwd=ROOT, env=os.environ | SETTINGS, text=True,
                               stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    more, step, ends, killed = chance.randint(1, 6), 0, [], None
    for line in running.stdout:
        words = line.split()
        if words[:1] == ["STEP"]:
            step, more = int(words[1]), more - 1
            if more == 0 and step < 3 * EPOCHS:
                time.sleep(chance.uniform(0, 0.03))
                try:
                    os.kill(chance.choice(ranks_of(running.pid)), signal.SIGKILL)
                    killed = step
                except (FileNotFoundError, ProcessLookupError, IndexError):
                    pass  # it has ended meanwhile
        elif words[:1] == ["END"]:
            ends.append(words[-1])
    running.wait(timeout=60)
    return (None if len(ends) == ranks else killed), ends


def main(kills):
    chance = random.Random(0)
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        _, whole, errors = job(1, "-m", PROGRAM, f"{folder}/whole")
        expected = whole.split()[-1:]
        assert expected, errors
        done = ended = ranks = 0
        while done < kills or ended == 0:
            ranks = chance.choice([n for n in (1, 2, 3, 4) if n != ranks])
            step, ends = attempt(ranks, pathlib.Path(folder, f"run{ended}"), chance)
            if ends:
                assert set(ends) == set(expected), (expected, ends)
            if len(ends) == ranks:
                ended += 1
                print(f"a run comes to its end on {ranks} ranks, with the expected bits", flush=True)
            else:
                assert step is not None, "a job ended by itself"
                done += 1
                print(f"kill {done}: of {ranks} ranks, after step {step}; {time.monotonic() - begun:.0f} s", flush=True)
        print(f"{done} kills, {ended} runs to the end, all with the bits of a run that was never killed")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 50)
