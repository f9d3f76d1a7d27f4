"""Whole training steps: forward, loss, backward, optimizer, in autograd_nn and PyTorch from the same weights."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

import autograd_nn
import autograd_nn.nn
import autograd_nn.nn.functional
import autograd_nn.optim

from . import nets
from .measure import compare
from .report import OURS, Row, Table
from .rivals import rival


@dataclasses.dataclass
class Case:
    """A net, the shape of its input, and the optimizer that trains it."""

    name: str
    net: Callable[[Any, Any], Any]
    shape: tuple[int, ...]
    optimizer: Callable[[Any, Any], Any]


def _sgd(optim: Any, parameters: Any) -> Any:
    return optim.SGD(parameters, lr=1e-3)


def _momentum(optim: Any, parameters: Any) -> Any:
    return optim.SGD(parameters, lr=1e-3, momentum=0.9)


def _adam(optim: Any, parameters: Any) -> Any:
    return optim.Adam(parameters, lr=1e-3)


CASES = (
    Case("MNIST ConvNet, batch 100, SGD", nets.convnet, (100, 1, 28, 28), _sgd),
    Case("MNIST ConvNet, image by image, SGD", nets.convnet, (1, 1, 28, 28), _sgd),
    Case("MLP 784-1000-1000-10, batch 128, SGD", nets.mlp, (128, 1, 28, 28), _sgd),
    Case("PyTorch's MNIST example, batch 64, Adam", nets.mnist_example, (64, 1, 28, 28), _adam),
    Case("ResNet-18 cut to fit, 32x32, batch 32, SGD with momentum", nets.resnet, (32, 3, 32, 32), _momentum),
)


class Trainer:
    """One framework training one case."""

    def __init__(self, case: Case, framework: Any, nn: Any, functional: Any, optim: Any, x: Any, target: Any):
        framework.manual_seed(0)
        self.model = case.net(nn, functional)
        self.optimizer = case.optimizer(optim, self.model.parameters())
        self.functional, self.x, self.target = functional, x, target

    def loss(self) -> Any:
        return self.functional.cross_entropy(self.model(self.x), self.target)

    def step(self) -> None:
        self.optimizer.zero_grad()
        self.loss().backward()
        self.optimizer.step()


def ours(case: Case, x: np.ndarray, target: np.ndarray) -> Trainer:
    """Return a trainer in autograd_nn."""
    return Trainer(case, autograd_nn, autograd_nn.nn, autograd_nn.nn.functional, autograd_nn.optim,
                   autograd_nn.Tensor(x), autograd_nn.Tensor(target))


def theirs(case: Case, torch: Any, x: np.ndarray, target: np.ndarray) -> Trainer:
    """Return a trainer in PyTorch."""
    return Trainer(case, torch, torch.nn, torch.nn.functional, torch.optim, torch.from_numpy(x), torch.from_numpy(target))


def copy_weights(source: Any, target: Any) -> None:
    """Give a net of autograd_nn the weights and buffers of the same net in PyTorch."""
    target.load_state_dict({name: autograd_nn.from_numpy(value.numpy().copy()) for name, value in source.state_dict().items()})


def check(ours_: Trainer, theirs_: Trainer, torch: Any) -> float:
    """Compare the loss with PyTorch's in float64, without dropout; return the relative difference."""
    ours_.model.eval()
    reference = theirs_.model.double().eval()
    expected = torch.nn.functional.cross_entropy(reference(theirs_.x.double()), theirs_.target).item()
    found = ours_.loss().item()
    ours_.model.train()
    theirs_.model.float().train()
    difference = abs(found - expected) / abs(expected)
    if not difference < 1e-4:
        raise AssertionError(f"the loss {found} differs from PyTorch's in float64, {expected}")
    return difference


def run(seconds: float) -> Table:
    """Time the steps of each case."""
    absent: list[str] = []
    torch = rival("torch", absent)
    rows = []
    for case in CASES:
        rng = np.random.default_rng(0)
        x = rng.standard_normal(case.shape).astype(np.float32)
        target = rng.integers(0, 10, case.shape[0])
        trainer = ours(case, x, target)
        candidates = {OURS: trainer.step}
        figures = {}
        if torch:
            other = theirs(case, torch, x, target)
            copy_weights(other.model, trainer.model)
            figures["error of the loss"] = check(trainer, other, torch)
            candidates["torch"] = other.step
        rows.append(Row(case.name, compare(candidates, 3 * seconds), figures))
    return Table("Training steps", "Forward, loss, backward and optimizer; median (quartiles).", rows, absent)
