"""One training step in each framework, from the same weights on the same batch."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

import autograd_nn
import autograd_nn.nn
import autograd_nn.nn.functional
import autograd_nn.optim

from . import nets
from .rivals import rival


@dataclasses.dataclass(frozen=True)
class Case:
    """A net, the shape of one input, and the optimizer that trains it ("SGD", "momentum" or "Adam")."""

    name: str
    net: Callable[[Any, Any], Any]
    shape: tuple[int, ...]
    optimizer: str
    batch: int


LEARNING_RATE = 1e-3
IMAGE = (1, 28, 28)
CONVNET = Case("MNIST ConvNet, SGD", nets.convnet, IMAGE, "SGD", 100)
MLP = Case("MLP 784-1000-1000-10, SGD", nets.mlp, IMAGE, "SGD", 128)
EXAMPLE = Case("PyTorch's MNIST example, Adam", nets.mnist_example, IMAGE, "Adam", 64)
RESNET = Case("ResNet of 3 blocks, 32x32, SGD with momentum", nets.resnet, (3, 32, 32), "momentum", 32)
CASES = (CONVNET, MLP, EXAMPLE, RESNET)


def batch(case: Case, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return seeded inputs and targets."""
    rng = np.random.default_rng(0)
    return rng.standard_normal((count, *case.shape)).astype(np.float32), rng.integers(0, 10, count)


def optimizer(name: str, optim: Any, parameters: Any) -> Any:
    """Return an optimizer of a framework with PyTorch's names."""
    if name == "Adam":
        return optim.Adam(parameters, lr=LEARNING_RATE)
    return optim.SGD(parameters, lr=LEARNING_RATE, momentum=0.9 if name == "momentum" else 0.0)


class Trainer:
    """autograd_nn or PyTorch, which are written alike."""

    def __init__(self, case: Case, framework: Any, nn: Any, F: Any, optim: Any, x: Any, target: Any):
        framework.manual_seed(0)
        self.framework, self.F = framework, F
        self.model = self.forward = case.net(nn, F)
        self.optimizer = optimizer(case.optimizer, optim, self.model.parameters())
        self.x, self.target = x, target

    def loss(self) -> Any:
        return self.F.cross_entropy(self.forward(self.x), self.target)

    def step(self) -> None:
        self.optimizer.zero_grad()
        self.loss().backward()
        self.optimizer.step()

    def evaluate(self) -> float:
        """Return the loss without dropout, with running statistics."""
        self.model.eval()
        with self.framework.no_grad():
            value = self.loss().item()
        self.model.train()
        return value

    def gradients(self) -> list[np.ndarray]:
        """Return the gradients of all parameters, without dropout, with running statistics."""
        self.model.eval()
        self.optimizer.zero_grad()
        self.loss().backward()
        found = [p.grad.numpy().copy() for p in self.model.parameters()]
        self.optimizer.zero_grad()
        self.model.train()
        return found


def ours(case: Case, x: np.ndarray, target: np.ndarray) -> Trainer:
    """Return a trainer in autograd_nn."""
    return Trainer(case, autograd_nn, autograd_nn.nn, autograd_nn.nn.functional, autograd_nn.optim,
                   autograd_nn.Tensor(x), autograd_nn.Tensor(target))  # fmt: skip


def theirs(case: Case, torch: Any, x: np.ndarray, target: np.ndarray, weights: list[np.ndarray]) -> Trainer:
    """Return a trainer in PyTorch."""
    trainer = Trainer(
        case, torch, torch.nn, torch.nn.functional, torch.optim, torch.from_numpy(x), torch.from_numpy(target)
    )
    with torch.no_grad():
        for parameter, weight in zip(trainer.model.parameters(), weights):
            parameter.copy_(torch.from_numpy(weight))
    return trainer


def compiled(trainer: Trainer, torch: Any) -> Trainer:
    """Let ``torch.compile`` replace the forward pass, and with it the backward pass."""
    trainer.forward = torch.compile(trainer.model)
    return trainer


class KerasTrainer:
    """Keras: ``train_on_batch`` of a compiled model, channels first where its backend computes them on a CPU."""

    NETS: ClassVar = {
        nets.convnet: nets.keras_convnet,
        nets.mlp: nets.keras_mlp,
        nets.mnist_example: nets.keras_mnist_example,
        nets.resnet: nets.keras_resnet,
    }

    def __init__(self, case: Case, keras: Any, x: np.ndarray, target: np.ndarray, weights: list[np.ndarray]):
        keras.utils.set_random_seed(0)
        first = keras.backend.backend() == "torch"
        self.x = x if first else np.ascontiguousarray(x.transpose(0, 2, 3, 1))
        self.target, self.ops = target, keras.ops
        self.model = self.NETS[case.net](keras, "channels_first" if first else "channels_last")
        for variable, weight in zip(self.model.trainable_variables, weights, strict=True):
            variable.assign(keras_layout(weight, () if first else self.flattened(case)))
        algorithms = keras.optimizers
        self.objective = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        self.model.compile(
            algorithms.Adam(LEARNING_RATE) if case.optimizer == "Adam"
            else algorithms.SGD(LEARNING_RATE, momentum=0.9 if case.optimizer == "momentum" else 0.0),
            self.objective,
        )  # fmt: skip

    @staticmethod
    def flattened(case: Case) -> tuple[int, ...]:
        """Return the shape of the feature maps that the net flattens, where they are more than one pixel or channel."""
        return {nets.convnet: (10, 13, 13), nets.mnist_example: (64, 12, 12)}.get(case.net, ())

    def step(self) -> None:
        self.model.train_on_batch(self.x, self.target)

    def evaluate(self) -> float:
        value = self.objective(self.target, self.model(self.x, training=False))
        return float(self.ops.convert_to_numpy(value))


def keras_layout(weight: np.ndarray, flattened: tuple[int, ...] = ()) -> np.ndarray:
    """Return a weight in Keras's order: (kH, kW, Cin, Cout) and (inputs, outputs).

    `flattened` is the shape (C, H, W) of the feature maps behind which a fully connected layer reads them as
    (H, W, C); the layer is known by its number of inputs.
    """
    if weight.ndim == 4:
        return weight.transpose(2, 3, 1, 0)
    if weight.ndim == 2 and flattened and weight.shape[1] == math.prod(flattened):
        weight = weight.reshape(len(weight), *flattened).transpose(0, 2, 3, 1).reshape(len(weight), -1)
    return weight.T


class MyGradTrainer:
    """MyGrad: tensors that its layers' functions combine, updated by hand."""

    def __init__(self, case: Case, mygrad: Any, x: np.ndarray, target: np.ndarray, weights: list[np.ndarray]):
        self.layers: Any = rival("mygrad.nnet", [])
        self.mygrad, self.x, self.target = mygrad, x, target
        self.convolves = case.net is nets.convnet
        self.parameters = [mygrad.tensor(weight.copy()) for weight in weights]

    def loss(self) -> Any:
        mg, functions = self.mygrad, self.layers
        parameters = self.parameters
        if self.convolves:
            w, b, *parameters = parameters
            x = functions.layers.conv_nd(self.x, w, stride=1) + b.reshape(1, -1, 1, 1)
            x = functions.layers.max_pool(functions.activations.relu(x), (2, 2), 2).reshape(len(self.x), -1)
        else:
            x = self.x.reshape(len(self.x), -1)
        for i in range(0, len(parameters), 2):
            x = mg.matmul(x, parameters[i].T) + parameters[i + 1]
            x = functions.activations.relu(x) if i + 2 < len(parameters) else x
        return functions.losses.softmax_crossentropy(x, self.target)

    def step(self) -> None:
        self.loss().backward()
        for parameter in self.parameters:
            parameter.array -= np.float32(LEARNING_RATE) * parameter.grad
            parameter.null_grad()

    def evaluate(self) -> float:
        return float(self.loss().array)


class HipsTrainer:
    """HIPS autograd: the gradient of a function of a list of arrays; the convolution as a product with patches."""

    def __init__(self, case: Case, hips: Any, x: np.ndarray, target: np.ndarray, weights: list[np.ndarray]):
        self.numpy: Any = rival("autograd.numpy", [])
        self.x, self.target = x, target
        self.convolves = case.net is nets.convnet
        self.parameters = [weight.copy() for weight in weights]
        self.gradient = hips.grad(self.loss)

    def loss(self, parameters: list[Any]) -> Any:
        np_ = self.numpy
        if self.convolves:
            w, b, *parameters = parameters
            windows = np.lib.stride_tricks.sliding_window_view(self.x[:, 0], (3, 3), (1, 2))
            x = np_.dot(windows.reshape(-1, 9), np_.reshape(w, (10, 9)).T) + b
            x = np_.reshape(np_.maximum(x, 0), (-1, 13, 2, 13, 2, 10)).max(axis=(2, 4))
            x = np_.reshape(np_.transpose(x, (0, 3, 1, 2)), (len(self.x), -1))
        else:
            x = self.x.reshape(len(self.x), -1)
        for i in range(0, len(parameters), 2):
            x = np_.dot(x, parameters[i].T) + parameters[i + 1]
            x = np_.maximum(x, 0) if i + 2 < len(parameters) else x
        x = x - np_.max(x, axis=1, keepdims=True)
        likelihood = x[np.arange(len(x)), self.target] - np_.log(np_.sum(np_.exp(x), axis=1))
        return -np_.mean(likelihood)

    def step(self) -> None:
        for parameter, gradient in zip(self.parameters, self.gradient(self.parameters)):
            parameter -= np.float32(LEARNING_RATE) * gradient

    def evaluate(self) -> float:
        return float(self.loss(self.parameters))


class TinygradTrainer:
    """tinygrad: its JIT captures the whole step, optimizer included, on the second call, then replays it."""

    NETS: ClassVar = {
        nets.convnet: nets.tinygrad_convnet,
        nets.mlp: nets.tinygrad_mlp,
        nets.mnist_example: nets.tinygrad_mnist_example,
        nets.resnet: nets.tinygrad_resnet,
    }

    def __init__(self, case: Case, tinygrad: Any, x: np.ndarray, target: np.ndarray, weights: list[np.ndarray]):
        self.tinygrad = tinygrad
        self.x, self.target = tinygrad.Tensor(x).realize(), tinygrad.Tensor(target.astype(np.int32)).realize()
        self.layers = self.NETS[case.net](tinygrad)
        parameters = [p for p in tinygrad.nn.state.get_parameters(self.layers) if p.is_param]
        for parameter, weight in zip(parameters, weights, strict=True):
            parameter.assign(tinygrad.Tensor(weight)).realize()
        self.optimizer = optimizer(case.optimizer, tinygrad.nn.optim, parameters)
        self.jitted = tinygrad.TinyJit(self.eager)

    def loss(self) -> Any:
        return self.x.sequential(self.layers).sparse_categorical_crossentropy(self.target)

    def eager(self) -> None:
        self.optimizer.zero_grad()
        self.loss().backward()
        self.optimizer.step()

    def step(self) -> None:
        with self.tinygrad.Context(TRAINING=1):
            self.jitted()
        self.tinygrad.Device[self.tinygrad.Device.DEFAULT].synchronize()

    def evaluate(self) -> float:
        return float(self.loss().item())
