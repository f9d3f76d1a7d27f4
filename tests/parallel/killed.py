"""A run that is to be killed: it saves after each step and says so; at the end, each rank prints a hash of its bits."""

import sys

from autograd_nn import parallel
from autograd_nn.training import Callback
from autograd_nn.training.resume import Checkpoint
from tests.parallel.runs import hashed, trained

EPOCHS = 12  # of 3 steps


class Say(Callback):
    def on_step_end(self, run):
        if parallel.rank() == 0:
            print("STEP", run.history.steps, flush=True)


def main(file):
    model, numbers = trained("normed", "ema", EPOCHS, [Checkpoint(file, every=1, resume=True), Say()])
    sys.stdout.write(f"END {parallel.rank()} {hashed(model, numbers)}\n")  # in one piece: ranks share the stream


if __name__ == "__main__":
    main(*sys.argv[1:])
