"""Train for long and watch what the process holds: memory, file handles and threads must stay what they were.

``python -m tests.robustness.soak --steps 50000`` trains the ConvNet half of the steps by `fit` and half by a loop
written out, with a shuffling loader that makes batches ahead and a checkpoint now and then. It measures after each
window of steps, prints the figures, and ends with an error where resident memory moved by more than 1 % or the number
of file handles or threads changed, after the windows that warm up; the time of a step is shown, not judged. (The
thread that makes the batches of an epoch ahead is there or has made its last: it is not counted, a second would be.)
"""

import argparse
import os
import pathlib
import statistics
import sys
import tempfile
import threading
import time
from typing import NamedTuple

import numpy as np

from autograd_nn import manual_seed, nn, optim
from autograd_nn.data import DataLoader, TensorDataset
from autograd_nn.optim.clip import clip_grad_norm_
from autograd_nn.saving.checkpoints import save_checkpoint
from autograd_nn.training import Callback, fit
from autograd_nn.training.models import convnet
from autograd_nn.training.resume import Checkpoint

BATCH = 32
WARM = 2  # windows of each half that are not judged
PAGE = os.sysconf("SC_PAGE_SIZE")


class Window(NamedTuple):
    """What the process held at the end of a window of steps, and the median time of a step in it."""

    resident: int
    handles: int
    threads: int
    step: float


def observed(times):
    """Return a window that ends now."""
    resident = int(pathlib.Path("/proc/self/statm").read_text().split()[1]) * PAGE
    handles, threads = (len(os.listdir(f"/proc/self/{name}")) for name in ("fd", "task"))
    threads -= any(thread.name == "prefetch" for thread in threading.enumerate())
    return Window(resident, handles, threads, statistics.median(times))


class Watch(Callback):
    """Measures after each window of steps of `fit`, and stops the run after so many windows."""

    def __init__(self, windows, size):
        self.count, self.size = windows, size
        self.windows, self.times = [], []
        self.before = time.perf_counter()

    def on_step_end(self, run):
        now = time.perf_counter()
        self.times.append(now - self.before)
        if len(self.times) == self.size:
            self.windows.append(observed(self.times))
            self.times.clear()
            if len(self.windows) == self.count:
                run.stopping = "that was the soak"
        self.before = time.perf_counter()


def made():
    """Return a model, its optimizer, a loader over random digits."""
    manual_seed(0)
    rng = np.random.default_rng(0)
    data = TensorDataset(rng.standard_normal((2000, 1, 28, 28), dtype=np.float32), rng.integers(0, 10, 2000))
    model = convnet(filters=8)
    loader = DataLoader(data, batch_size=BATCH, shuffle=True, seed=0, prefetch=2)
    return model, optim.Adam(model.parameters(), lr=1e-3), loader


def by_fit(folder, windows, size):
    """Return the windows of a run of `fit`."""
    model, optimizer, loader = made()
    watch = Watch(windows, size)
    epochs = windows * size // len(loader) + 1
    fit(model, loader, optimizer, nn.CrossEntropyLoss(), epochs, callbacks=[Checkpoint(folder / "fit", size, 2), watch])
    return watch.windows


def by_hand(folder, windows, size):
    """Return the windows of a loop written out, with a schedule, dropout and clipped gradients."""
    model, optimizer, loader = made()
    schedule = optim.lr_scheduler.CosineAnnealingLR(optimizer, 1000)
    found, times, mean = [], [], 0.0
    while len(found) < windows:
        for images, labels in loader:
            before = time.perf_counter()
            optimizer.zero_grad()
            output = nn.functional.dropout(model(images), 0.1)
            loss = nn.functional.cross_entropy(output, labels)
            loss.backward()
            clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            mean += 0.01 * (loss.item() - mean)
            times.append(time.perf_counter() - before)
            if len(times) == size:
                save_checkpoint(folder / "hand", model=model, optimizer=optimizer, scheduler=schedule, loader=loader,
                                keep=2, loss=mean)
                found.append(observed(times))
                times.clear()
                if len(found) == windows:
                    break
    return found


def moved(values):
    """Return by which part of the first value the values differ from one another."""
    return (max(values) - min(values)) / values[0]


def problems(windows):
    """Return what is not as it has to be in the windows after those that warm up."""
    judged = windows[WARM:]
    found = []
    if (part := moved([w.resident for w in judged])) > 0.01:
        found.append(f"resident memory moved by {part:.2%}")
    for name in ("handles", "threads"):
        if len(values := {getattr(w, name) for w in judged}) > 1:
            found.append(f"the number of {name} was {sorted(values)}")
    return found


def main():
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=50_000)
    parser.add_argument("--window", type=int, default=1000)
    options = parser.parse_args()
    count, found = options.steps // options.window // 2, []
    if count <= WARM:
        parser.error(f"{options.steps} steps are too few: more than {2 * WARM} windows are needed")
    with tempfile.TemporaryDirectory() as name:
        for kind in (by_fit, by_hand):
            windows = kind(pathlib.Path(name), count, options.window)
            judged = windows[WARM:]
            tenth = max(len(judged) // 10, 1)
            first, last = (statistics.median(w.step for w in part) for part in (judged[:tenth], judged[-tenth:]))
            print(f"{kind.__name__}: {count * options.window} steps; resident {judged[0].resident / 2**20:.1f} .. "
                  f"{judged[-1].resident / 2**20:.1f} MiB (moved by {moved([w.resident for w in judged]):.2%}), "
                  f"{judged[-1].handles} handles, {judged[-1].threads} threads, median step {first * 1e6:.0f} us in "
                  f"the first tenth and {last * 1e6:.0f} us in the last ({last / first:.2f} times)", flush=True)
            found += [f"{kind.__name__}: {problem}" for problem in problems(windows)]
    print("\n".join(found) or "flat")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
