"""Training runs of the tests, for one job of any number of ranks: prints a hash of what each ends with, as JSON.

``mpiexec -n N python -m tests.parallel.runs FOLDER PART`` runs all cases; PART says from which step to which those go
that are resumed: '0:2' begins them and saves them in FOLDER, '2:4' and '4:6' continue what another job saved.
"""

import hashlib
import json
import pathlib
import sys

import numpy as np

import autograd_nn as ag
from autograd_nn import nn, optim, parallel
from autograd_nn.data import ArrayDataset, DataLoader, transforms
from autograd_nn.training import EMA, Callback, evaluate, fit
from autograd_nn.training.resume import Checkpoint

F = nn.functional
rng = np.random.default_rng(0)
IMAGES = rng.standard_normal((75, 1, 6, 6)).astype(np.float32)  # the last batch of 30 has 15, the one of 36 has 3
LABELS = rng.integers(0, 4, 75)


def convnet():
    return nn.Sequential(nn.Conv2d(1, 3, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(12, 4))


def normed():
    return nn.Sequential(nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.ReLU(), nn.Flatten(), nn.Dropout(0.3),
                         nn.Linear(48, 4), nn.BatchNorm1d(4, momentum=None))


class Odd(nn.Module):
    """Tied weights, a frozen layer, one that no step uses, one that only some samples use, and a buffer that moves."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(36, 36), nn.Linear(36, 36)
        self.second.weight = self.first.weight
        self.frozen, self.unused, self.seldom = nn.Linear(36, 36), nn.Linear(2, 2), nn.Linear(36, 4)
        self.frozen.requires_grad_(False)
        self.last = nn.Linear(36, 4)
        self.norm = nn.InstanceNorm1d(6, track_running_stats=True)

    def forward(self, x):
        x = self.norm(x.reshape(-1, 6, 6)).reshape(-1, 36)
        x = F.relu(self.frozen(self.second(F.relu(self.first(x)))))
        return self.last(x) + (self.seldom(x) if x.array.size and x.array[0, 0] > 0.1 else 0)


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.rows, self.head = nn.LSTM(6, 5, batch_first=True, bidirectional=True), nn.Linear(10, 4)

    def forward(self, x):
        return self.head(self.rows(x[:, 0])[0][:, -1])


NETS = {"convnet": convnet, "normed": normed, "odd": Odd, "recurrent": Recurrent}
CASES = {
    "plain": {},
    "short": {"batch_size": 36},
    "clip": {"clip": 0.1},
    "accumulate": {"accumulate": 2, "batch_size": 15},
    "augmentation": {"transform": transforms.RandomHorizontalFlip(), "num_workers": 2},
    "schedule": {"schedule": lambda optimizer: optim.lr_scheduler.StepLR(optimizer, 2, 0.1)},
    "ema": {"ema": 0.9},
    "weights": {"loss": nn.CrossEntropyLoss(weight=ag.tensor([1.0, 2.0, 0.5, 3.0]), ignore_index=2)},
    "metrics": {"metrics": ["accuracy", "f1"], "validation": (IMAGES[:20], LABELS[:20])},
}
CASES_OF = {"convnet": ["plain", "short", "accumulate", "weights", "metrics"], "normed": list(CASES), "odd": ["plain"],
            "recurrent": ["plain"]}
RESUMED = {"convnet": ["plain"], "normed": ["plain", "accumulate", "augmentation", "schedule", "ema"]}
STEPS = 6  # of two epochs: of 3 batches, or of 5 of which 2 make a step


def hashed(model, *more):
    found = hashlib.sha256(repr(more).encode())
    for name, value in model.state_dict().items():
        found.update(name.encode() + np.asarray(value.detach()).tobytes())
    return found.hexdigest()[:12]


class StopAfter(Callback):
    """Breaks a run off after some steps, on all ranks; the run's own last step is no break."""

    def __init__(self, steps):
        self.steps = steps

    def on_step_end(self, run):
        if run.history.steps == self.steps < STEPS:
            raise KeyboardInterrupt


def trained(net, case, epochs=2, callbacks=()):
    ag.manual_seed(1)
    model = NETS[net]()
    optimizer = optim.Adam([p for p in model.parameters() if p.requires_grad], lr=0.01)
    settings = dict(CASES[case])
    dataset = ArrayDataset(IMAGES, LABELS, transform=settings.pop("transform", None))
    loader = DataLoader(dataset, settings.pop("batch_size", 30), shuffle=True, seed=3,
                        num_workers=settings.pop("num_workers", 0))
    if "schedule" in settings:
        settings["schedule"] = settings["schedule"](optimizer)
    if "ema" in settings:
        settings["ema"] = EMA(settings["ema"])
    loss = settings.pop("loss", "cross_entropy")
    history = fit(model, loader, optimizer, loss, epochs, callbacks=list(callbacks), shards=8, **settings)
    numbers = [{name: value for name, value in epoch.items() if name != "seconds"} for epoch in history.epochs]
    return model, numbers


def own_loop():
    """Return the hash of a loop of one's own: two optimizers, a batch of 3 and one of 2 accumulated, a sum as loss."""
    ag.manual_seed(2)
    body, head = convnet(), nn.Linear(4, 4)
    optimizers = optim.SGD(body.parameters(), lr=0.1, momentum=0.9), optim.Adam(head.parameters(), lr=0.01)
    step = parallel.Sharded([body, head], optimizers, group=parallel.current() or parallel.Group(8))
    losses = []
    for sizes in [(20,), (3,), (9, 2), (1,)]:
        batches = [(ag.tensor(IMAGES[:n]), ag.tensor(LABELS[:n])) for n in sizes]
        for optimizer in optimizers:
            optimizer.zero_grad()
        kind = "sum" if sizes == (20,) else "mean"

        def loss(x, y, kind=kind):
            return F.cross_entropy(head(body(x)), y, reduction=kind)

        losses.append(step.backward(loss, *batches).item())
        nn.utils.clip_grad_norm_([*body.parameters(), *head.parameters()], 1.0)
        for optimizer in optimizers:
            optimizer.step()
    return hashed(nn.Sequential(body, head), losses)


def main(folder, part):
    begin, end = map(int, part.split(":"))
    found = {}
    for net in NETS:
        for case in CASES_OF[net]:
            model, numbers = trained(net, case)
            found[f"{net} {case}"] = hashed(model, numbers)
            if case == "metrics":
                measured = evaluate(model, (IMAGES, LABELS), "cross_entropy", ["accuracy"], batch_size=25, shards=8)
                found[f"{net} evaluate"] = repr(measured)
    found["own loop"] = own_loop()
    for net, cases in RESUMED.items():
        for case in cases:
            saved = pathlib.Path(folder, f"{net}-{case}")
            callbacks = [Checkpoint(saved, every=1, resume=begin > 0), StopAfter(end)]
            model, numbers = trained(net, case, 2, callbacks)
            found[f"{net} {case} resumed"] = hashed(model, numbers)
    group = parallel.current()
    everyone = [found] if group is None else group.gather_objects(found, "all hashes")
    odd = [name for name, value in found.items() if any(each[name] != value for each in everyone)]
    assert not odd, f"the ranks end with different bits: {odd}"
    if parallel.rank() == 0:
        print(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
