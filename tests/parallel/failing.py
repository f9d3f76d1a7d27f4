"""A job that goes wrong in a way that its argument names, on its last rank, in step 2."""

import os
import signal
import sys
import time

import numpy as np

import autograd_nn as ag
from autograd_nn import nn, optim, parallel

how = sys.argv[1]
if how == "machine" and os.environ["PMI_RANK"] == "1":
    np.__version__ = "0.0"
if how == "shards":
    parallel.init(shards=8 if os.environ["PMI_RANK"] == "0" else 16)
if how == "many":
    parallel.init(shards=1)
group = parallel.init(patience=1 if how == "stuck" else 60)
odd = group.rank == group.size - 1
ag.manual_seed(1 if how == "seed" and odd else 0)
model = nn.Linear(3, 5 if how == "model" and odd else 4)
optimizer = optim.SGD(model.parameters(), lr=0.1)
step = parallel.Sharded(model, optimizer)
for number in range(1, 5):
    if odd and number == 2:
        if how == "raise":
            raise ZeroDivisionError("of rank 1")
        if how == "exit":
            sys.exit(3)
        if how == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if how == "leave":
            os._exit(0)
        if how == "stuck":
            time.sleep(100)
        if how == "data":
            break
        if how == "weights":
            model.weight.data[0, 0] += 1
    rows = 10 if how == "rows" and odd else 11
    optimizer.zero_grad()
    step.backward(lambda x: model(x).square().mean(), (ag.ones(rows, 3),))
    optimizer.step()
    if how == "weights":
        step.steps = 100 * number  # those of the steps at which weights are compared
if how == "data":
    parallel.barrier()
print("the end", group.rank)
