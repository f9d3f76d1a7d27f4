"""Kill training at random moments, resume it, and compare the weights with those of a run that was left alone.

``python -m tests.robustness.kill --kills 200`` trains the ConvNet on the command line, saves after every step (so that
many kills fall into the writing of a checkpoint), sends SIGKILL after a random time and resumes, from the start again
once a run is complete. It ends with an error where a checkpoint cannot be read or the final weights differ in a bit.
"""

import argparse
import os
import pathlib
import random
import subprocess
import sys
import tempfile
import time

from autograd_nn.saving.checkpoints import load

ROOT = pathlib.Path(__file__).parents[2]
SETTINGS = ["--limit", "800", "--epochs", "5", "--batch-size", "8", "--seed", "3"]
STEPS = 500
PATIENCE = 120  # seconds that a process may take


def started(folder, *arguments):
    """Start the command line in a folder; return the process."""
    command = [sys.executable, "-m", "autograd_nn", "--save", "weights", "--checkpoint-every", "1", *arguments]
    return subprocess.Popen(
        command,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )


def finished(process):
    """Wait for a process; return its exit code, or raise with what it said."""
    _, error = process.communicate(timeout=PATIENCE)
    if process.returncode > 0:
        raise RuntimeError(f"the run failed: {error.decode()}")
    return process.returncode


def uninterrupted_run(folder):
    """Return the bytes of the weights that training ends with."""
    finished(started(folder, *SETTINGS))
    return (folder / "weights").read_bytes()


def killed_run(folder, kills, seed):
    """Train with up to `kills` kills; return how many there were and the bytes of the weights."""
    folder.mkdir(exist_ok=True)
    chance = random.Random(seed)
    checkpoint, weights = folder / "weights.checkpoint", folder / "weights"
    for path in folder.iterdir():
        path.unlink()
    done = 0
    while not weights.exists():
        resume = ["--resume", checkpoint.name] if checkpoint.exists() else SETTINGS
        before = _time_of(checkpoint)
        process = started(folder, *resume)
        if done < kills:
            begun = time.monotonic()
            while process.poll() is None and _time_of(checkpoint) == before and time.monotonic() - begun < PATIENCE:
                time.sleep(0.001)
            time.sleep(chance.uniform(0, 0.4))
            process.kill()
        done += finished(process) < 0
        if checkpoint.exists():
            load(checkpoint)
    return done, weights.read_bytes()


def _time_of(path):
    return path.stat().st_mtime_ns if path.exists() else 0


def main():
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        whole = uninterrupted_run(folder)
        kills = runs = halves = 0
        while kills < options.kills:
            done, weights = killed_run(folder / "killed", options.kills - kills, options.seed + runs)
            kills, runs = kills + done, runs + 1
            halves += len(list((folder / "killed").glob(".*.partial")))
            if weights != whole:
                print(f"run {runs}: the weights differ after {done} kills")
                return 1
            print(
                f"{kills} kills in {runs} runs of {STEPS} steps, {halves} of them while a checkpoint was written: "
                "all checkpoints whole, all weights equal",
                flush=True,
            )
    return 0


if __name__ == "__main__":
    sys.exit(main())
