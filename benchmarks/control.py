"""The control: the same training in Keras and here, compared loss by loss, weight by weight.

Both start from the same weights, see the same batches in the same order and use the same constants; then both must
walk the same path, up to rounding. What has to be matched for it is said in `MATCHED`.
"""

from __future__ import annotations

import dataclasses
import math
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

import autograd_nn
from autograd_nn import nn, optim
from autograd_nn.data import MNIST
from autograd_nn.kernels.compile import get_num_threads
from autograd_nn.nn import functional as F
from autograd_nn.training.metrics import accuracy

from . import nets
from .measure import Effort, Timing
from .report import OURS, Row, Table
from .rivals import rival
from .trainers import keras_layout

BATCH, STEPS, BOUND = 100, 50, 1e-4
RATES = {"SGD": 0.05, "Adam": 1e-3}
BETAS, EPSILON = (0.9, 0.999), 1e-7

MATCHED = (
    "What had to be matched for the two to walk the same path:",
    "- initial weights: Keras draws glorot-uniform with zero biases, PyTorch's rule (ours) is uniform in",
    "  1/sqrt(fan_in); ours are copied into Keras, transposed to (kH, kW, Cin, Cout) and (inputs, outputs);",
    "- layout: Keras is left in its default, channels last, so it flattens features as (H, W, C) and the rows",
    "  of its Dense weight after the convolution are permuted;",
    "- Adam's epsilon: Keras adds 1e-7 to sqrt(v) before the bias correction (Kingma and Ba's 'epsilon hat'),",
    "  PyTorch and we add 1e-8 after it; eps = 1e-7 / sqrt(1 - beta2**t) at step t makes ours the same formula;",
    "- Adam's bias correction: Keras computes 1 - beta2**t in float32, up to 5e-5 off; our lr is scaled to that",
    "  (without it the loss curves of the MLP part by 1e-2 within 50 steps, with it by less than 1e-6);",
    "- the loss: SparseCategoricalCrossentropy needs from_logits=True, the nets end in logits;",
    "- the reported loss: train_on_batch returns the running mean since the last reset_metrics(), not the batch's;",
    "- the metric: 'accuracy' by name picks its function from the shapes; SparseCategoricalAccuracy is named here;",
    "- order: shuffle=False, both read the same permutation; the last batch is a whole one;",
    "- not needed here, as these nets have no batch norm: momentum 0.99 of the old value and epsilon 1e-3 there,",
    "  0.1 of the new value and 1e-5 here.",
)


@dataclasses.dataclass
class Net:
    """A net in both frameworks, and how its weights go from here to Keras."""

    name: str
    ours: Callable[[Any, Any], Any]
    keras: Callable[[Any, str], Any]
    to_keras: Callable[[list[np.ndarray]], list[np.ndarray]]


def _plain(weights: list[np.ndarray]) -> list[np.ndarray]:
    return [keras_layout(weight) for weight in weights]


def _channels_last(weights: list[np.ndarray]) -> list[np.ndarray]:
    """Reorder the fully connected layer behind the convolution from (C, H, W) to (H, W, C)."""
    kernel, bias, dense, last = weights
    dense = dense.reshape(10, 10, 13, 13).transpose(0, 2, 3, 1).reshape(10, -1)
    return _plain([kernel, bias, dense, last])


NETS = (
    Net("MLP 784-1000-1000-10", nets.mlp, nets.keras_mlp, _plain),
    Net("ConvNet", nets.convnet, nets.keras_convnet, _channels_last),
)


@dataclasses.dataclass
class Path:
    """What a training left behind: the loss of each step, the final weights in Keras's order, accuracy, seconds."""

    losses: np.ndarray
    weights: list[np.ndarray]
    accuracy: float
    predicted: np.ndarray
    seconds: float


@dataclasses.dataclass
class Data:
    """Digits in the order in which both trainings read them."""

    x: np.ndarray
    y: np.ndarray
    test_x: np.ndarray
    test_y: np.ndarray

    def batches(self, steps: int):
        """Yield batches, epoch after epoch in the same order."""
        for step in range(steps):
            start = step * BATCH % len(self.x)
            yield self.x[start : start + BATCH], self.y[start : start + BATCH]


def digits(train: int, test: int) -> Data:
    """Return shuffled digits, in the range 0 to 1."""
    parts = []
    for wanted, count in ((True, train), (False, test)):
        data = MNIST(train=wanted)
        order = np.random.default_rng(0).permutation(len(data))[:count]
        images, labels = zip(*(data[int(i)] for i in order))
        images = np.stack([np.asarray(image) for image in images]).astype(np.float32).reshape(count, 1, 28, 28)
        parts += [images, np.array([int(label) for label in labels])]
    return Data(*parts)


def keras_constants(t: int) -> dict[str, float]:
    """Return the `lr` and `eps` with which our step `t` of Adam is that of Keras.

    Keras steps by ``alpha * m / (sqrt(v) + epsilon)``, where ``alpha = lr * sqrt(1 - beta2**t) / (1 - beta1**t)`` is
    computed in float32, the dtype of the weights: 1 - beta2**t is off by up to 5e-5 of its value.
    """
    number, one, power = np.float32, np.float32(1), np.float32(t)
    alpha = number(RATES["Adam"]) * np.sqrt(one - number(BETAS[1]) ** power) / (one - number(BETAS[0]) ** power)
    root = math.sqrt(1 - BETAS[1] ** t)
    return {"lr": float(alpha) * (1 - BETAS[0] ** t) / root, "eps": EPSILON / root}


class Ours:
    """Training in autograd_nn."""

    def __init__(self, net: Net, algorithm: str):
        autograd_nn.manual_seed(0)
        self.net, self.model = net, net.ours(nn, F)
        self.optimizer: Any = (
            optim.SGD(self.model.parameters(), lr=RATES["SGD"]) if algorithm == "SGD"
            else optim.Adam(self.model.parameters(), lr=RATES["Adam"], betas=BETAS)
        )  # fmt: skip
        self.is_adam = algorithm == "Adam"
        self.steps = 0

    def weights(self) -> list[np.ndarray]:
        return [p.detach().numpy().copy() for p in self.model.parameters()]

    def step(self, x: np.ndarray, y: np.ndarray) -> Any:
        self.steps += 1
        if self.is_adam:
            self.optimizer.param_groups[0].update(keras_constants(self.steps))
        self.optimizer.zero_grad()
        loss = F.cross_entropy(self.model(autograd_nn.Tensor(x)), autograd_nn.Tensor(y))
        loss.backward()
        self.optimizer.step()
        return loss

    def train(self, data: Data, steps: int) -> Path:
        started = time.perf_counter()
        losses = np.array([self.step(x, y).item() for x, y in data.batches(steps)])
        seconds = time.perf_counter() - started
        with autograd_nn.no_grad():
            logits = self.model(autograd_nn.Tensor(data.test_x)).numpy()
        score = float(accuracy(autograd_nn.Tensor(logits), autograd_nn.Tensor(data.test_y)))
        return Path(losses, self.net.to_keras(self.weights()), score, logits.argmax(1), seconds)


class Control:
    """Training in Keras, in its defaults but for what `MATCHED` names."""

    def __init__(self, keras: Any, net: Net, algorithm: str, weights: list[np.ndarray]):
        self.model = net.keras(keras, "channels_last")
        self.model.set_weights(net.to_keras(weights))
        optimizers = keras.optimizers
        self.model.compile(
            optimizers.SGD(RATES["SGD"]) if algorithm == "SGD"
            else optimizers.Adam(RATES["Adam"], beta_1=BETAS[0], beta_2=BETAS[1], epsilon=EPSILON),
            keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            metrics=[keras.metrics.SparseCategoricalAccuracy()],
        )  # fmt: skip

    @staticmethod
    def images(x: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray(x.transpose(0, 2, 3, 1))

    def step(self, x: np.ndarray, y: np.ndarray) -> float:
        self.model.reset_metrics()
        return float(self.model.train_on_batch(x, y)[0])

    def train(self, data: Data, steps: int) -> Path:
        last = dataclasses.replace(data, x=self.images(data.x))
        started = time.perf_counter()
        losses = np.array([self.step(x, y) for x, y in last.batches(steps)])
        seconds = time.perf_counter() - started
        images = self.images(data.test_x)
        _, score = self.model.evaluate(images, data.test_y, batch_size=500, verbose=0)
        predicted = self.model.predict(images, batch_size=500, verbose=0).argmax(1)
        return Path(losses, self.model.get_weights(), float(score), predicted, seconds)

    def fit(self, x: np.ndarray, y: np.ndarray) -> float:
        """Return the seconds of an epoch of ``model.fit``, Keras's own loop."""
        started = time.perf_counter()
        self.model.fit(x, y, batch_size=BATCH, epochs=1, shuffle=False, verbose=0)
        return time.perf_counter() - started


def difference(a: np.ndarray, b: np.ndarray) -> float:
    """Return the largest relative difference of two loss curves."""
    return float(np.abs(a / b - 1).max())


def epochs(own: Ours, control: Control, data: Data, rounds: int) -> dict[str, Timing]:
    """Return seconds per epoch, in turn, after an epoch of warming up each."""
    images = Control.images(data.x)
    steps = len(data.x) // BATCH
    candidates: dict[str, Callable[[], object]] = {
        OURS: lambda: [own.step(x, y) for x, y in data.batches(steps)],
        "keras train_on_batch": lambda: [
            control.model.train_on_batch(images[i : i + BATCH], data.y[i : i + BATCH])
            for i in range(0, len(images), BATCH)
        ],
        "keras fit": lambda: control.fit(images, data.y),
    }
    timings = {name: Timing([], 0.0) for name in candidates}
    for turn in range(rounds + 1):
        for name, call in candidates.items():
            started = time.perf_counter()
            call()
            seconds = time.perf_counter() - started
            if turn:
                timings[name].samples.append(seconds)
            else:
                timings[name].first = seconds
    return timings


def furthest(left: list[np.ndarray], right: list[np.ndarray]) -> float:
    """Return the largest difference of two lists of weights."""
    return max(float(np.abs(a - b).max()) for a, b in zip(left, right))


def run(effort: Effort) -> list[Table]:
    """Train both nets with both optimizers in both frameworks."""
    absent: list[str] = []
    keras: Any = rival("keras", absent)
    note = (
        f"Batches of {BATCH} of the digits that come with the package; {get_num_threads()} threads. Losses: largest "
        "relative difference of a step; weights: largest difference after the last step."
    )
    if keras is None:
        return [Table("Control: the same training in Keras", note, [], absent)]
    data = digits(effort.choose(8000, 2000, 200), effort.choose(2000, 500, 100))
    steps = effort.choose(160, STEPS, 3)
    rows, remarks = [], []
    for net in effort.choose(NETS, NETS, NETS[1:]):
        for algorithm in RATES:
            print(f"  {net.name}, {algorithm}", file=sys.stderr, flush=True)
            own = Ours(net, algorithm)
            control = Control(keras, net, algorithm, own.weights())
            start = net.to_keras(own.weights())
            mine, theirs = own.train(data, steps), control.train(data, steps)
            apart = difference(mine.losses[:STEPS], theirs.losses[:STEPS])
            if not apart < BOUND:
                raise ArithmeticError(f"{net.name}, {algorithm}: losses differ by {apart:.2g}, allowed {BOUND:.2g}")
            figures = {
                f"losses apart, {min(steps, STEPS)} steps": apart,
                f"{steps} steps": difference(mine.losses, theirs.losses),
                "weights apart": furthest(mine.weights, theirs.weights),
                "weights moved": furthest(mine.weights, start),
                "accuracy here": mine.accuracy,
                "accuracy in Keras": theirs.accuracy,
                "images told apart": float((mine.predicted != theirs.predicted).sum()),
            }
            timings = epochs(own, control, data, effort.choose(5, 1, 1))
            curves = {OURS: mine.losses.tolist(), "keras": theirs.losses.tolist()}
            rows.append(Row(f"{net.name}, {algorithm}: an epoch of {len(data.x)}", timings, figures, curves=curves))
            pairs = ", ".join(
                f"{mine.losses[i]:.6f} | {theirs.losses[i]:.6f}" for i in (0, 1, 4, 9, 19, 49) if i < steps
            )
            remarks.append(f"{net.name}, {algorithm}: loss at steps 1, 2, 5, 10, 20, 50, here | in Keras: {pairs}")
    title = f"Control: the same training in Keras on {keras.backend.backend()}"
    return [Table(title, note, rows, absent, [*remarks, "", *MATCHED])]
