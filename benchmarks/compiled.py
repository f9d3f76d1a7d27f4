"""Compiled training steps beside eager ones, from the same weights on the same batch: ours and PyTorch's."""

from __future__ import annotations

import sys
import time
from typing import Any

import numpy as np

import autograd_nn as ag
from autograd_nn.kernels.compile import get_num_threads

from . import trainers
from .measure import Effort, compare
from .report import OURS, Row, Table
from .rivals import compiles, rival
from .trainers import CONVNET, MLP, RESNET, Case

SECONDS = 1.2
STEPS = 5  # after which both must have the same weights, to the bit


def measure(case: Case, count: int, seconds: float, absent: list[str], can_compile: bool) -> Row:
    """Time the step of a case, eager and compiled."""
    x, target = trainers.batch(case, count)
    own, same = trainers.ours(case, x, target), trainers.ours(case, x, target)
    weights = [p.detach().numpy().copy() for p in own.model.parameters()]
    for p, w in zip(same.model.parameters(), weights):
        p.data = ag.tensor(w)
    step = ag.compile(same.step)
    ag.manual_seed(0)
    for _ in range(STEPS):
        own.step()
    ag.manual_seed(0)
    started = time.perf_counter()
    for _ in range(STEPS):
        step()
    making = time.perf_counter() - started
    for p, q in zip(own.model.parameters(), same.model.parameters()):
        if not np.array_equal(p.detach().numpy(), q.detach().numpy()):
            raise ArithmeticError(f"{case.name}: a compiled step gives other weights than an eager one")
    steps: dict[str, Any] = {OURS: own.step, f"{OURS} compiled": step}
    torch: Any = rival("torch", absent)
    if torch:
        steps["torch"] = trainers.theirs(case, torch, x, target, weights).step
    if torch and can_compile:
        rivals = trainers.compiled(trainers.theirs(case, torch, x, target, weights), torch)
        rivals.step()
        steps["torch compiled"] = rivals.step
    figures = {f"s for the first {STEPS} steps": making}
    return Row(f"{case.name}, batch {count}", compare(steps, seconds, rounds=5 if seconds else 2), figures)


def run(effort: Effort) -> list[Table]:
    """Time eager and compiled steps of each case."""
    absent: list[str] = []
    can_compile = effort.level == 2 and rival("torch", absent) is not None and compiles(absent)
    cases = effort.choose(((CONVNET, 1), (CONVNET, 100), (MLP, 1), (MLP, 128), (RESNET, 16)),
                          ((CONVNET, 1), (CONVNET, 100), (MLP, 128)), ((CONVNET, 1),))  # fmt: skip
    rows = []
    for case, count in cases:
        print(f"  {case.name}, batch {count}", file=sys.stderr, flush=True)
        rows.append(measure(case, count, SECONDS * effort.seconds, absent, can_compile))
    note = ("Forward, loss, backward and optimizer. Compiled: the whole step by autograd_nn.compile, bits equal to the "
            "eager step; torch.compile of the model, loss and optimizer eager.")
    return [Table(f"Compiled training steps, {get_num_threads()} threads", note, rows, absent)]
