"""Compiled training steps and predictions beside eager ones, PyTorch's, JAX's and onnxruntime's, from equal weights."""

from __future__ import annotations

import dataclasses
import functools
import pathlib
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

import numpy as np

import autograd_nn as ag
from autograd_nn.kernels.compile import get_num_threads

from . import in_jax, measure, zoo
from .measure import Effort, compare
from .report import OURS, Row, Table
from .rivals import compiles, rival
from .zoo import ADAM, CONVNET, GPT64, MLP, RELU_POLICY, SERIES, Net, Trainer

COMPILED = f"{OURS} compiled"
SECONDS = 0.8  # of each framework for each row
STEPS = 8  # before anything is timed: our first three are watched, written down and rehearsed
LOSS_BOUND, VALUE_BOUND = 1e-3, 1e-4


def sized(net: Net, batch: int, **changes: Any) -> Net:
    return dataclasses.replace(net, batch=batch, **changes)


TRAINED = (sized(CONVNET, 1), CONVNET, sized(MLP, 1, optimizer=("Adam", ADAM[1] | {"lr": 1e-5})), MLP, RELU_POLICY,
           GPT64, SERIES)  # fmt: skip
WITH_THREADS = CONVNET, MLP, GPT64, SERIES
PREDICTING = tuple(sized(net, batch) for net, batches in (
    (CONVNET, (1, 100)), (RELU_POLICY, (1, 100)), (MLP, (1, 100)), (GPT64, (1, 8)), (SERIES, (1, 100)),
) for batch in batches)  # fmt: skip


@dataclasses.dataclass
class Rivals:
    """Who takes part in this process, and what is to be said of them."""

    absent: list[str] = dataclasses.field(default_factory=list)
    remarks: list[str] = dataclasses.field(default_factory=list)
    compiles: bool = False

    def takes_part(self, candidate: str) -> bool:
        return measure.turns is None or measure.turns.own(candidate)

    def module(self, name: str) -> Any:
        return rival(name, self.absent) if self.takes_part(name) else None

    def prepared(self, candidate: str, case: str, make: Callable[[], Callable[[], Any]]) -> Callable[[], Any] | None:
        """Return what `make` makes; a rival that fails is named, and left out of the row."""
        try:
            return make()
        except ArithmeticError:
            raise
        except Exception as error:
            self.absent.append(f"{candidate} in {case} ({type(error).__name__}: {str(error).splitlines()[0][:160]})")
            return None


def same_losses(case: str, name: str, step: Callable[[], Any], expected: list[float]) -> Callable[[], Any]:
    """Make the first steps, and return the step; ArithmeticError if their losses are not those expected."""
    for i, value in enumerate(expected):
        found = float(np.asarray(_numpy(step())))
        if not abs(found - value) <= LOSS_BOUND * max(abs(value), LOSS_BOUND):
            raise ArithmeticError(f"{case}: {name} has the loss {found} after {i} steps, and autograd_nn {value}")
    return step


def _numpy(value: Any) -> Any:
    return value.detach().numpy() if hasattr(value, "detach") else value


def step_row(net: Net, effort: Effort, others: Rivals) -> Row:
    """Time the step of a net, eager and compiled, by all frameworks."""
    weights = zoo.initial(net)
    own = Trainer(net, OURS, weights)
    losses, eager_seconds = [], []
    for _ in range(STEPS):
        started = time.perf_counter()
        losses.append(own.train().item())
        eager_seconds.append(time.perf_counter() - started)
    candidates: dict[str, Callable[[], Any] | None] = {}
    figures: dict[str, float] = {}

    def timed(name: str, step: Callable[[], Any]) -> Callable[[], Any]:
        """Check the first losses of a step; say how long its very first call took."""

        def call() -> Any:
            started = time.perf_counter()
            value = step()
            figures.setdefault(f"s to compile: {name}", time.perf_counter() - started)
            return value

        same_losses(net.case, name, call, losses)
        return step

    if others.takes_part(OURS):
        candidates[OURS] = own.train
        candidates[COMPILED], figures["s to compile: ours"] = compiled_step(net, weights, own, losses, others)
        figures["s to compile: ours"] -= 3 * statistics.median(eager_seconds)
    torch = others.module("torch")
    if torch:
        candidates["torch"] = others.prepared("torch", net.case, lambda: same_losses(
            net.case, "torch", Trainer(net, "torch", weights, fused=True).train, losses))  # fmt: skip
        if others.compiles:
            candidates["torch compiled"] = others.prepared("torch.compile", net.case, lambda: timed(
                "torch", torch_compiled(net, weights, torch)))  # fmt: skip
    jax = others.module("jax")
    if jax:
        candidates["jax"] = others.prepared("jax", net.case, lambda: timed(
            "jax", in_jax.step(jax, net, weights)))  # fmt: skip
    steps = {name: step for name, step in candidates.items() if step}
    return Row(net.case, compare(steps, SECONDS * effort.seconds, rounds=effort.choose(7, 3, 2)), figures)


def compiled_step(net: Net, weights: dict[str, np.ndarray], own: Trainer, losses: list[float],
                  others: Rivals) -> tuple[Callable[[], Any], float]:
    """Return our compiled step, which gave the bits of the eager one, and the seconds of its first three calls."""
    same = Trainer(net, OURS, weights)
    step = ag.compile(same.step)
    started = time.perf_counter()
    found = [step(same.x, same.y) for _ in range(3)]
    seconds = time.perf_counter() - started
    found += [step(same.x, same.y) for _ in range(STEPS - 3)]
    same_weights = all(np.array_equal(a, b) for a, b in zip(own.weights().values(), same.weights().values()))
    if not same_weights or [loss.item() for loss in found] != losses:
        raise ArithmeticError(f"{net.case}: a compiled step gives other bits than an eager one")
    if "run natively" not in step.explain():
        others.remarks.append(f"{net.case}: {step.explain().splitlines()[0]}")
    return functools.partial(step, same.x, same.y), seconds


def torch_compiled(net: Net, weights: dict[str, np.ndarray], torch: Any) -> Callable[[], Any]:
    """Return a step whose forward pass and loss ``torch.compile`` has replaced, and with them the backward pass."""
    trainer = Trainer(net, "torch", weights, fused=True)
    trainer.loss = torch.compile(trainer.loss)  # type: ignore[method-assign]
    return trainer.train


# ---------------------------------------------------------------------------------------------- predictions


def prediction_row(net: Net, effort: Effort, others: Rivals) -> Row:
    """Time the prediction of a batch by all frameworks."""
    weights = zoo.initial(net)
    own = Trainer(net, OURS, weights)
    own.model.eval()
    with ag.no_grad():
        expected = own.model(own.x).numpy().copy()
    candidates: dict[str, Callable[[], Any] | None] = {}
    if others.takes_part(OURS):
        candidates[OURS] = functools.partial(quietly, own.model, own.x)
        compiled = ag.compile(own.model)
        candidates[COMPILED] = functools.partial(quietly, compiled, own.x)
        for _ in range(STEPS):
            if not np.array_equal(candidates[COMPILED]().numpy(), expected):  # type: ignore[misc]
                raise ArithmeticError(f"{net.case}: a compiled prediction has other bits than an eager one")
    torch = others.module("torch")
    if torch:
        theirs = Trainer(net, "torch", weights)
        theirs.model.eval()

        def predict(model: Any) -> Any:
            with torch.inference_mode():
                return model(theirs.x)

        candidates["torch"] = functools.partial(predict, theirs.model)
        if others.compiles:
            candidates["torch compiled"] = functools.partial(predict, torch.compile(theirs.model))
    runtime = others.module("onnxruntime")
    if runtime:
        candidates["onnxruntime"] = others.prepared(
            "onnxruntime", net.case, lambda: in_onnxruntime(runtime, own))  # fmt: skip

    def checked(name: str, call: Callable[[], Any]) -> Callable[[], Any]:
        for _ in range(3):
            worst = float(np.abs(_numpy(call()) - expected).max())
            if not worst <= VALUE_BOUND * max(1.0, float(np.abs(expected).max())):
                raise ArithmeticError(f"{net.case}: a prediction of {name} differs by {worst:.2g}")
        return call

    ready = {name: others.prepared(name, net.case, functools.partial(checked, name, call))
             for name, call in candidates.items() if call}  # fmt: skip
    calls = {name: call for name, call in ready.items() if call}
    return Row(net.case, compare(calls, 0.6 * SECONDS * effort.seconds, rounds=effort.choose(7, 3, 2)))


def quietly(model: Any, x: Any) -> Any:
    with ag.no_grad():
        return model(x)


def in_onnxruntime(runtime: Any, own: Trainer) -> Callable[[], Any]:
    """Return the prediction of our model, exported, by onnxruntime."""
    options = runtime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = get_num_threads(), 1
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "model.onnx")
        ag.onnx.export(own.model, (own.x,), path)
        session = runtime.InferenceSession(path.read_bytes(), options, providers=["CPUExecutionProvider"])
    names = [result.name for result in session.get_outputs()]
    feed = {session.get_inputs()[0].name: own.x.numpy()}
    return lambda: session.run(names, feed)[0]


# ---------------------------------------------------------------------------------------------- the subject


def run(effort: Effort) -> list[Table]:
    """Time compiled steps and predictions; with several threads the steps of the larger nets alone."""
    threads = get_num_threads()
    others = Rivals()
    others.compiles = effort.level == 2 and others.module("torch") is not None and compiles(others.absent)
    words = f"{threads} thread{'s' * (threads > 1)}"
    trained = effort.choose(TRAINED, (TRAINED[0], TRAINED[4], TRAINED[6]), TRAINED[:1])
    if threads > 1 and effort.level:
        trained = effort.choose(WITH_THREADS, WITH_THREADS[:1], ())
    rows = []
    for net in trained:
        print(f"  {net.case}", file=sys.stderr, flush=True)
        rows.append(step_row(net, effort, others))
    tables = [Table(
        f"Compiled training steps, {words}",
        "Forward, loss, backward and optimizer; ratios relative to our compiled step. Compiled: the whole step by "
        "autograd_nn.compile, bits equal to the eager step. PyTorch: fused optimizers. torch compiled: torch.compile "
        "of model and loss, fused optimizer. jax: the whole step under one jit, its state donated. Losses of the first "
        f"{STEPS} steps agree. To compile: the first call, of ours the first three beyond three eager steps.",
        rows, others.absent, others.remarks, base=COMPILED, mean=True)]  # fmt: skip
    if threads == 1 or effort.level == 0:
        rows, others = [], Rivals(compiles=others.compiles)
        for net in effort.choose(PREDICTING, (PREDICTING[0], PREDICTING[3]), PREDICTING[2:3]):
            print(f"  prediction, {net.case}", file=sys.stderr, flush=True)
            rows.append(prediction_row(net, effort, others))
        note = ("A batch in, scores out; ratios relative to our compiled prediction. PyTorch in inference_mode, eager "
                "and compiled; onnxruntime: our export.")  # fmt: skip
        tables.append(Table(f"Compiled predictions, {words}", note, rows, others.absent, others.remarks, base=COMPILED,
                            mean=True))  # fmt: skip
    return tables
