"""Whole training steps: forward, loss, backward, optimizer, from the same weights on the same batch.

The loss of every rival, and our gradients, are compared with float64 before anything is timed.
"""

from __future__ import annotations

import sys
import time
from typing import Any

import numpy as np

from autograd_nn.kernels.compile import get_num_threads

from . import trainers
from .measure import Effort, compare
from .report import OURS, Row, Table
from .rivals import compiles, rival, tinygrad, use_threads
from .trainers import CASES, CONVNET, EXAMPLE, MLP, RESNET, Case

BATCHES = (1, 4, 16, 64, 256, 1024)
SECONDS = 1.2
LOSS_BOUND = 1e-4
GRADIENT_BOUND = 1e-2  # of the norm: a unit of ReLU that rounding moves across zero changes a gradient by 1e-3


def reference(case: Case, torch: Any, x: np.ndarray, target: np.ndarray, weights: list[np.ndarray]) -> Any:
    """Return a trainer in float64: PyTorch's where it is installed, else our own."""
    if torch:
        trainer = trainers.theirs(case, torch, x, target, weights)
        trainer.x = trainer.x.double()
    else:
        trainer = trainers.ours(case, x.astype(np.float64), target)
    trainer.model.double()
    return trainer


def check(candidates: dict[str, Any], exact: Any) -> dict[str, float]:
    """Compare each rival's loss, and our gradients, with those in float64; raise ArithmeticError where they differ."""
    expected = exact.evaluate()
    errors = {}
    for name, trainer in candidates.items():
        errors[name] = abs(trainer.evaluate() - expected) / abs(expected)
        if not errors[name] < LOSS_BOUND:
            raise ArithmeticError(f"the loss of {name} differs from float64 by {errors[name]:.2g} of {expected}")
    figures = {"error of loss": errors[OURS]}
    right = exact.gradients()
    for name in (OURS, "torch"):
        if name not in candidates:
            continue
        worst = max(
            float(np.linalg.norm(a - b) / np.linalg.norm(b)) for a, b in zip(candidates[name].gradients(), right)
        )
        if not worst < GRADIENT_BOUND:
            raise ArithmeticError(f"a gradient of {name} differs from float64 by {worst:.2g} of its norm")
        figures[f"error of gradients {name}"] = worst
    return figures


def measure(case: Case, count: int, seconds: float, absent: list[str], names: tuple[str, ...]) -> Row:
    """Time the step of a case with a batch of `count` in the rivals that are named, as far as installed."""
    x, target = trainers.batch(case, count)
    own = trainers.ours(case, x, target)
    weights = [p.detach().numpy().copy() for p in own.model.parameters()]
    candidates: dict[str, Any] = {OURS: own}
    torch: Any = rival("torch", absent)
    if torch:
        candidates["torch"] = trainers.theirs(case, torch, x, target, weights)
        if "torch compiled" in names:
            candidates["torch compiled"] = trainers.compiled(trainers.theirs(case, torch, x, target, weights), torch)
    keras: Any = rival("keras", absent) if "keras" in names else None
    if keras:
        candidates[f"keras on {keras.backend.backend()}"] = trainers.KerasTrainer(case, keras, x, target, weights)
    if "numpy" in names and case in (CONVNET, MLP):
        for name, kind in (("mygrad", trainers.MyGradTrainer), ("autograd", trainers.HipsTrainer)):
            module = rival(name, absent)
            if module:
                candidates[name] = kind(case, module, x, target, weights)
    tiny = tinygrad(absent) if "tinygrad" in names else None
    if tiny:
        candidates["tinygrad"] = trainers.TinygradTrainer(case, tiny, x, target, weights)
    compiling = 0.0
    if "torch compiled" in candidates:
        started = time.perf_counter()
        candidates["torch compiled"].gradients()
        compiling = time.perf_counter() - started
    figures = check(candidates, reference(case, torch, x, target, weights))
    if compiling:
        figures["s to compile"] = compiling
    steps = {name: trainer.step for name, trainer in candidates.items()}
    return Row(f"{case.name}, batch {count}", compare(steps, seconds, rounds=5 if seconds else 2), figures)


def _said(text: str) -> None:
    print(f"  {text}", file=sys.stderr, flush=True)


def run(effort: Effort) -> list[Table]:
    """Time the steps of each case; how they grow with the batch; one thread against all."""
    threads = get_num_threads()
    absent: list[str] = []
    seconds = SECONDS * effort.seconds
    names: tuple[str, ...] = ("keras", "numpy")
    can_compile = effort.level == 2 and rival("torch", absent) is not None and compiles(absent)
    sizes = [(case, effort.choose(case.batch, case.batch, 2)) for case in effort.choose(CASES, CASES, (CONVNET,))]
    sizes.insert(1, (CONVNET, 1))
    with_tinygrad = effort.choose(CASES, CASES[:1], ())
    rows = []
    for case, count in sizes:
        _said(f"{case.name}, batch {count}")
        rivals = (*names, *("torch compiled",) * can_compile, *("tinygrad",) * (case in with_tinygrad))
        rows.append(measure(case, count, 2 * seconds, absent, rivals))
    note = (
        "Forward, loss, backward and optimizer, dropout included. torch compiled: torch.compile of the model, loss and "
        "optimizer eager. Keras: train_on_batch, channels first on PyTorch. MyGrad and HIPS autograd run on NumPy. "
        "tinygrad: the whole step in its JIT, on the CPU."
    )
    tables = [Table(f"Training steps, {threads} threads", note, rows, absent)]
    if can_compile:
        tables[0].remarks = [
            f"torch.compile took {row.figures['s to compile']:.0f} s before the first step of: {row.case}"
            for row in rows
            if "s to compile" in row.figures
        ]  # fmt: skip
    if effort.level == 1:
        tables[0].remarks = [
            "torch.compile, which compiles for 10 to 60 s a net, is left to the full run, and tinygrad but for one net."
        ]
    growth = []
    for case, largest in effort.choose(((CONVNET, 1024), (MLP, 1024), (EXAMPLE, 1024), (RESNET, 64)),
                                       ((CONVNET, 1024),), ((CONVNET, 4),)):  # fmt: skip
        for count in (size for size in effort.choose(BATCHES, BATCHES[::2] + BATCHES[-1:], BATCHES) if size <= largest):
            _said(f"{case.name}, batch {count}")
            growth.append(measure(case, count, seconds, absent, names if count <= 256 else ("keras",)))
            if OURS in growth[-1].timings:
                growth[-1].figures["us / image"] = growth[-1].timings[OURS].median / count * 1e6
    tables.append(Table(f"Training steps against the batch, {threads} threads",
                        "How the cost grows with the work.", growth, absent))  # fmt: skip
    if threads > 1:
        use_threads(1)
        single = []
        try:
            for case, count in effort.choose(sizes, sizes[:2], sizes[:1]):
                _said(f"{case.name}, batch {count}, one thread")
                single.append(measure(case, count, seconds, absent, ("keras",)))
        finally:
            use_threads(threads)
        for row in single:
            same = next(other for other in rows if other.case == row.case)
            for name in (OURS, "torch"):
                if name in row.timings:
                    row.figures[f"{name}: speedup of {threads} threads"] = (
                        row.timings[name].median / same.timings[name].median
                    )
        tables.append(Table("Training steps, 1 thread", "The same in one thread each.", single, absent))
    return tables
