"""Train the digits on several processes: ``mpiexec -n 4 python examples/several_machines.py``.

Any number of processes, up to the number of shards, prints the same hash at the end; so does one without mpiexec.
"""

import argparse
import hashlib

import numpy as np

from autograd_nn import manual_seed, nn, optim, parallel
from autograd_nn.data import MNIST, DataLoader, TensorDataset
from autograd_nn.training import ProgressBar, fit
from autograd_nn.training.resume import Checkpoint

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--epochs", type=int, default=3)
parser.add_argument("--images", type=int, default=8000)
parser.add_argument("--shards", type=int, default=8)
parser.add_argument("--checkpoint", help="a file to continue from, if it is there, and to save to")
options = parser.parse_args()

group = parallel.init(options.shards)
manual_seed(0)
digits = MNIST()
images, labels = digits.inputs[: options.images], digits.labels[: options.images].astype(np.int64)
model = nn.Sequential(
    nn.Conv2d(1, 8, 5), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2),
    nn.Flatten(), nn.Dropout(0.25), nn.Linear(1152, 10),
)
loader = DataLoader(TensorDataset(images, labels), batch_size=128, shuffle=True, seed=0)
callbacks = [ProgressBar()]
if options.checkpoint:
    callbacks.append(Checkpoint(options.checkpoint, every=20, resume=True))
fit(model, loader, optim.Adam(model.parameters(), lr=0.003), "cross_entropy", options.epochs, metrics=["accuracy"],
    callbacks=callbacks)
weights = b"".join(value.numpy().tobytes() for value in model.state_dict().values())
if parallel.rank() == 0:
    print(f"{parallel.size()} ranks, {group.shards} shards: {hashlib.sha256(weights).hexdigest()[:16]}")
