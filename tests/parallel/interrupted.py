"""A run that is interrupted on one rank after some steps: all ranks stop after the same step, and save."""

import os
import signal
import sys

from autograd_nn import parallel
from autograd_nn.training import Callback
from autograd_nn.training.resume import Checkpoint
from tests.parallel.runs import NETS, hashed, trained


class Interrupt(Callback):
    def on_update(self, run):
        if run.history.steps == 2 and parallel.rank() == parallel.size() - 1:
            os.kill(os.getpid(), signal.SIGINT)


def main(file, how):
    assert "normed" in NETS
    callbacks = [Checkpoint(file, resume=how == "resume")]
    if how == "interrupt":
        callbacks.append(Interrupt())
    seen = []

    class Ends(Callback):
        def on_train_end(self, run):
            seen.append((run.history.interrupted, run.history.steps))

    model, numbers = trained("normed", "metrics", 2, [*callbacks, Ends()])
    # In one piece: the lines of all ranks meet in one stream.
    sys.stdout.write(" ".join(map(str, ["END", parallel.rank(), *seen[0], hashed(model, numbers)])) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
