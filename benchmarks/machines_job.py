"""One job of the subject ``machines``: rank 0 prints the seconds of each step, as JSON.

``mpiexec -n N python -m benchmarks.machines_job ours|late|torch NET BATCH STEPS SHARDS [GBITS]``; in *late*, gradients
leave only after the backward pass; with GBITS messages take as long as on a link of so many Gbit/s.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from . import nets


def normed(nn: Any, F: Any) -> Any:
    """Return a perceptron with batch norm and dropout."""
    return nn.Sequential(nn.Flatten(), nn.Linear(784, 256), nn.BatchNorm1d(256), nn.ReLU(), nn.Dropout(0.3),
                         nn.Linear(256, 256), nn.BatchNorm1d(256), nn.ReLU(), nn.Dropout(0.3), nn.Linear(256, 10))


NETS: dict[str, Callable[[Any, Any], Any]] = {"convnet": nets.convnet, "example": nets.mnist_example, "normed": normed}


def ours(net: str, images: np.ndarray, labels: np.ndarray, shards: int) -> tuple[int, Callable[[], Any]]:
    """Return this rank's number, and a step of ours; with 0 shards that of one process, undivided."""
    import autograd_nn as ag
    from autograd_nn import nn, optim, parallel

    group = parallel.init(shards) if shards else None
    ag.manual_seed(0)
    model = NETS[net](nn, nn.functional)
    optimizer = optim.Adam(model.parameters(), lr=1e-3)
    x, y = ag.tensor(images), ag.tensor(labels)

    def loss(x: Any, y: Any) -> Any:
        return nn.functional.cross_entropy(model(x), y)

    sharded = parallel.Sharded(model, optimizer) if group else None

    def step() -> None:
        optimizer.zero_grad()
        if sharded is None:
            loss(x, y).backward()
        else:
            sharded.backward(loss, (x, y))
        optimizer.step()

    return 0 if group is None else group.rank, step


def torch(net: str, images: np.ndarray, labels: np.ndarray) -> tuple[int, Callable[[], Any]]:
    """Return this rank's number, and a step of DistributedDataParallel over gloo; its norms are a rank's own."""
    import torch as theirs

    ranks, rank = int(os.environ.get("PMI_SIZE", "1")), int(os.environ.get("PMI_RANK", "0"))
    theirs.set_num_threads(1)
    theirs.manual_seed(0)
    model = NETS[net](theirs.nn, theirs.nn.functional)
    if ranks > 1:
        os.environ.update(MASTER_ADDR="127.0.0.1", RANK=str(rank), WORLD_SIZE=str(ranks))
        theirs.distributed.init_process_group("gloo")
        model = theirs.nn.parallel.DistributedDataParallel(model)
    optimizer = theirs.optim.Adam(model.parameters(), lr=1e-3)
    part = slice(len(images) * rank // ranks, len(images) * (rank + 1) // ranks)
    x, y = theirs.from_numpy(images[part]), theirs.from_numpy(labels[part])

    def step() -> None:
        optimizer.zero_grad()
        theirs.nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()

    return rank, step


def send_late() -> None:
    """Let gradients leave only after the backward pass, to see what the overlap gains."""
    from autograd_nn.parallel.overlap import Buckets

    send, close = Buckets.send, Buckets.close

    def close_and_send(self: Buckets) -> None:
        close(self)
        send(self)

    Buckets.send, Buckets.close = lambda self: None, close_and_send  # type: ignore[method-assign]


def emulate(gbits: float, latency: float = 5e-5) -> None:
    """Let each rank have a link of its own, of so many Gbit/s in each direction, on which messages queue.

    Only time is emulated: a message counts as arrived when the link would have carried it. That a network card or its
    driver takes processor time is left out.
    """
    from mpi4py import MPI

    from autograd_nn.parallel.group import Running

    advance, free, due = Running._advance, [0.0], dict[Running, float]()

    def slow_advance(self: Running) -> None:
        advance(self)
        due.pop(self, None)
        if not self.done:
            sent = sum(array.nbytes for array in self.kept[1].values())
            free[0] = max(free[0], time.perf_counter()) + sent / (gbits * 1.25e8)
            due[self] = free[0] + latency

    def slow_poke(self: Running) -> bool:
        while not self.done:
            if time.perf_counter() < due[self] or not MPI.Request.Testall(self.requests):
                return False
            self._advance()
        return True

    Running._advance, Running.poke = slow_advance, slow_poke  # type: ignore[method-assign]


def main(kind: str, net: str, batch: str, steps: str, shards: str, gbits: str = "0") -> None:
    """Time the steps of this job."""
    rng = np.random.default_rng(0)
    images = rng.standard_normal((int(batch), 1, 28, 28)).astype(np.float32)
    labels = rng.integers(0, 10, int(batch))
    if kind == "late":
        send_late()
    if float(gbits):
        emulate(float(gbits))
    rank, step = torch(net, images, labels) if kind == "torch" else ours(net, images, labels, int(shards))
    seconds = []
    for _ in range(int(steps) + 3):
        begun = time.perf_counter()
        step()
        seconds.append(time.perf_counter() - begun)
    if rank == 0:
        print(json.dumps(seconds), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
