"""The nets of the subjects `compiled`, `nets` and `threads`, written once for every framework with PyTorch's names."""

from __future__ import annotations

import dataclasses
import functools
import importlib
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np

from . import nets
from .report import OURS

Tools = SimpleNamespace
"""A framework `T`, its `nn`, `F` and `optim`."""


def tools(framework: str) -> Tools:
    """Return the tools of autograd_nn or PyTorch."""
    T = importlib.import_module(framework)
    nn, F, optim = (importlib.import_module(f"{framework}.{name}") for name in ("nn", "nn.functional", "optim"))
    return Tools(name=framework, T=T, nn=nn, F=F, optim=optim)


@dataclasses.dataclass(frozen=True)
class Net:
    """A net, a batch for it, and how it is trained.

    Attributes
    ----------
    build : function of tools
        Makes the model.
    data : function of a NumPy generator and a batch size
        Draws (inputs, targets).
    loss : function of tools, model, inputs and targets
    optimizer : tuple of str and dict
    draws : bool
        Whether a training step draws random numbers, so that frameworks have losses of their own.
    """

    name: str
    build: Callable[[Tools], Any]
    data: Callable[[np.random.Generator, int], tuple[np.ndarray, np.ndarray]]
    batch: int
    optimizer: tuple[str, dict[str, Any]]
    loss: Callable[[Tools, Any, Any, Any], Any] = lambda t, model, x, y: t.F.cross_entropy(model(x), y)
    draws: bool = False

    @property
    def case(self) -> str:
        return f"{self.name}, batch {self.batch}"


class Trainer:
    """A net in one framework, from given weights."""

    def __init__(self, net: Net, framework: str, weights: dict[str, np.ndarray] | None = None, fused: bool = False):
        self.net, self.tools = net, tools(framework)
        self.T = self.tools.T
        self.T.manual_seed(0)
        self.model = net.build(self.tools)
        if weights is not None:
            self.model.load_state_dict({name: self.T.from_numpy(value.copy()) for name, value in weights.items()})
        name, settings = net.optimizer
        settings = settings | ({"fused": True} if fused else {})
        self.optimizer = getattr(self.tools.optim, name)(self.model.parameters(), **settings)
        inputs, targets = net.data(np.random.default_rng(0), net.batch)
        self.x, self.y = self.T.from_numpy(inputs), self.T.from_numpy(targets)

    def weights(self) -> dict[str, np.ndarray]:
        """Return a copy of all weights and statistics."""
        return {name: np.array(value.detach().numpy()) for name, value in self.model.state_dict().items()}

    def loss(self, x: Any, y: Any) -> Any:
        return self.net.loss(self.tools, self.model, x, y)

    def step(self, x: Any, y: Any) -> Any:
        """Train once; return the loss."""
        self.optimizer.zero_grad()
        loss = self.loss(x, y)
        loss.backward()
        self.optimizer.step()
        return loss

    def train(self) -> Any:
        return self.step(self.x, self.y)


# ---------------------------------------------------------------------------------------------- what nets are fed with


def classified(*shape: int, classes: int = 10) -> Callable[[np.random.Generator, int], tuple[np.ndarray, np.ndarray]]:
    """Return a function that draws inputs of a shape, and classes."""

    def draw(rng: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray]:
        return rng.standard_normal((count, *shape)).astype(np.float32), rng.integers(0, classes, count)

    return draw


def measured(rng: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw rows of a table, and a number for each."""
    return rng.standard_normal((count, 64)).astype(np.float32), rng.standard_normal((count, 1)).astype(np.float32)


def written(rng: np.random.Generator, count: int, length: int = 64) -> tuple[np.ndarray, np.ndarray]:
    """Draw characters, and those that follow."""
    text = rng.integers(0, VOCABULARY, (count, length + 1))
    return np.ascontiguousarray(text[:, :-1]), np.ascontiguousarray(text[:, 1:])


def painted(rng: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw images, and a mask for each."""
    image = rng.standard_normal((count, 1, 96, 96)).astype(np.float32)
    return image, (rng.standard_normal(image.shape) > 0).astype(np.float32)


def alone(*shape: int) -> Callable[[np.random.Generator, int], tuple[np.ndarray, np.ndarray]]:
    """Return a function that draws inputs that have no targets."""

    def draw(rng: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray]:
        x = rng.random((count, *shape)).astype(np.float32)
        return x, x[:1]

    return draw


# ---------------------------------------------------------------------------------------------- the nets

VOCABULARY = 65


def policy(t: Tools, activation: str = "Tanh") -> Any:
    """A policy for a cart with a pole: four numbers in, two actions out."""
    nn, between = t.nn, getattr(t.nn, activation)
    return nn.Sequential(nn.Linear(4, 64), between(), nn.Linear(64, 64), between(), nn.Linear(64, 2))


def tabular(t: Tools) -> Any:
    """A perceptron with batch norm and dropout for rows of a table."""
    nn = t.nn
    hidden = [nn.Linear(64, 256), nn.BatchNorm1d(256), nn.ReLU(), nn.Dropout(0.1),
              nn.Linear(256, 256), nn.BatchNorm1d(256), nn.ReLU(), nn.Dropout(0.1)]  # fmt: skip
    return nn.Sequential(*hidden, nn.Linear(256, 1))


def gpt(t: Tools, width: int = 64, length: int = 64, heads: int = 4, layers: int = 2) -> Any:
    """A transformer that writes characters."""
    T, nn, F = t.T, t.nn, t.F

    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
            self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
            self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

        def forward(self, x):
            n, steps, _ = x.shape
            parts = self.qkv(self.norm1(x)).split(width, dim=2)
            q, k, v = (part.view(n, steps, heads, width // heads).transpose(1, 2) for part in parts)
            mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True)
            x = x + self.out(mixed.transpose(1, 2).reshape(n, steps, width))
            return x + self.down(F.gelu(self.up(self.norm2(x))))

    class GPT(nn.Module):
        def __init__(self):
            super().__init__()
            self.characters, self.places = nn.Embedding(VOCABULARY, width), nn.Embedding(length, width)
            self.blocks = nn.Sequential(*[Block() for _ in range(layers)])
            self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, VOCABULARY, bias=False)

        def forward(self, text):
            x = self.characters(text) + self.places(T.arange(text.shape[1]))
            return self.head(self.norm(self.blocks(x)))

    return GPT()


def next_character(t: Tools, model: Any, x: Any, y: Any) -> Any:
    return t.F.cross_entropy(model(x).view(-1, VOCABULARY), y.view(-1))


def recurrent(t: Tools, kind: str = "LSTM", inputs: int = 16, hidden: int = 64) -> Any:
    """An LSTM or GRU over a series, and a class from its last state."""
    nn = t.nn

    class Recurrent(nn.Module):
        def __init__(self):
            super().__init__()
            self.memory, self.head = getattr(nn, kind)(inputs, hidden, batch_first=True), nn.Linear(hidden, 10)

        def forward(self, x):
            return self.head(self.memory(x)[0][:, -1])

    return Recurrent()


def resnet18(t: Tools) -> Any:
    """ResNet-18 as it is cut for images of 32 x 32."""
    nn, F = t.nn, t.F

    def convolution(inputs, outputs, kernel, stride):
        return [nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False), nn.BatchNorm2d(outputs)]

    class Block(nn.Module):
        def __init__(self, inputs, outputs, stride):
            super().__init__()
            self.conv1, self.norm1 = convolution(inputs, outputs, 3, stride)
            self.conv2, self.norm2 = convolution(outputs, outputs, 3, 1)
            changes = stride != 1 or inputs != outputs
            self.shortcut = nn.Sequential(*convolution(inputs, outputs, 1, stride) * changes)

        def forward(self, x):
            y = self.norm2(self.conv2(F.relu(self.norm1(self.conv1(x)))))
            return F.relu(y + self.shortcut(x))

    blocks = []
    for inputs, outputs, stride in ((64, 64, 1), (64, 128, 2), (128, 256, 2), (256, 512, 2)):
        blocks += [Block(inputs, outputs, stride), Block(outputs, outputs, 1)]
    return nn.Sequential(*convolution(3, 64, 3, 1), nn.ReLU(), *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(),
                         nn.Linear(512, 10))  # fmt: skip


def mobilenet(t: Tools) -> Any:
    """Depthwise convolutions and 1 x 1 convolutions in turn, with batch norm and ReLU6."""
    nn = t.nn

    def followed(outputs, convolution):
        return [convolution, nn.BatchNorm2d(outputs), nn.ReLU6()]

    layers = followed(32, nn.Conv2d(3, 32, 3, 1, 1, bias=False))
    for inputs, outputs, stride in ((32, 64, 1), (64, 128, 2), (128, 128, 1), (128, 256, 2), (256, 256, 1)):
        layers += followed(inputs, nn.Conv2d(inputs, inputs, 3, stride, 1, groups=inputs, bias=False))
        layers += followed(outputs, nn.Conv2d(inputs, outputs, 1, bias=False))
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(256, 10))


def vae(t: Tools) -> Any:
    """A variational auto-encoder 784-400-20-400-784."""
    T, nn, F = t.T, t.nn, t.F

    class VAE(nn.Module):
        def __init__(self):
            super().__init__()
            self.encode, self.mean, self.spread = nn.Linear(784, 400), nn.Linear(400, 20), nn.Linear(400, 20)
            self.decode, self.paint = nn.Linear(20, 400), nn.Linear(400, 784)

        def forward(self, x):
            hidden = F.relu(self.encode(x))
            mean, spread = self.mean(hidden), self.spread(hidden)
            code = mean + T.randn_like(mean) * T.exp(0.5 * spread)
            return T.sigmoid(self.paint(F.relu(self.decode(code)))), mean, spread

    return VAE()


def evidence(t: Tools, model: Any, x: Any, _: Any) -> Any:
    image, mean, spread = model(x)
    divergence = -0.5 * t.T.sum(1 + spread - mean.pow(2) - spread.exp())
    return t.F.binary_cross_entropy(image, x, reduction="sum") + divergence


def generator(t: Tools) -> Any:
    """The generator of a DCGAN for images of 32 x 32."""
    nn, layers = t.nn, []
    for inputs, outputs, stride, pad in ((64, 128, 1, 0), (128, 64, 2, 1), (64, 32, 2, 1)):
        layers += [nn.ConvTranspose2d(inputs, outputs, 4, stride, pad, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]
    return nn.Sequential(*layers, nn.ConvTranspose2d(32, 3, 4, 2, 1, bias=False), nn.Tanh())


def unet(t: Tools, width: int = 16) -> Any:
    """A U-Net of three levels."""
    T, nn, F = t.T, t.nn, t.F

    def double(inputs, outputs):
        layers = []
        for first in (inputs, outputs):
            layers += [nn.Conv2d(first, outputs, 3, padding=1), nn.BatchNorm2d(outputs), nn.ReLU()]
        return nn.Sequential(*layers)

    class UNet(nn.Module):
        def __init__(self):
            super().__init__()
            self.down1, self.down2 = double(1, width), double(width, 2 * width)
            self.bottom = double(2 * width, 4 * width)
            self.rise2, self.up2 = nn.ConvTranspose2d(4 * width, 2 * width, 2, 2), double(4 * width, 2 * width)
            self.rise1, self.up1 = nn.ConvTranspose2d(2 * width, width, 2, 2), double(2 * width, width)
            self.out = nn.Conv2d(width, 1, 1)

        def forward(self, x):
            fine = self.down1(x)
            middle = self.down2(F.max_pool2d(fine, 2))
            coarse = self.bottom(F.max_pool2d(middle, 2))
            middle = self.up2(T.cat([self.rise2(coarse), middle], 1))
            return self.out(self.up1(T.cat([self.rise1(middle), fine], 1)))

    return UNet()


def tcn(t: Tools) -> Any:
    """Dilated convolutions over a series."""
    nn, layers = t.nn, []
    for i in range(4):
        layers += [nn.Conv1d(32 if i else 1, 32, 3, padding=2**i, dilation=2**i), nn.ReLU()]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(32, 5))


def vit(t: Tools) -> Any:
    """A vision transformer of three layers, 96 wide, for images of 32 x 32 in patches of 4 x 4."""
    T, nn = t.T, t.nn

    class ViT(nn.Module):
        def __init__(self):
            super().__init__()
            self.patch, self.head = nn.Conv2d(3, 96, 4, 4), nn.Linear(96, 10)
            self.places = nn.Parameter(T.zeros(1, 64, 96))
            layer = nn.TransformerEncoderLayer(96, 4, 192, 0.0, activation="gelu", batch_first=True, norm_first=True)
            self.encoder = nn.TransformerEncoder(layer, 3, enable_nested_tensor=False)

        def forward(self, x):
            return self.head(self.encoder(self.patch(x).flatten(2).transpose(1, 2) + self.places).mean(1))

    return ViT()


def field(t: Tools) -> Any:
    """A field over two coordinates."""
    nn = t.nn
    return nn.Sequential(nn.Linear(2, 32), nn.Tanh(), nn.Linear(32, 32), nn.Tanh(), nn.Linear(32, 1))


def residual(t: Tools, model: Any, x: Any, _: Any) -> Any:
    """How far the field is from solving the heat equation: second derivatives by gradients of gradients."""
    grad = t.T.autograd.grad
    place = x.detach().requires_grad_(True)
    slope = grad(model(place).sum(), place, create_graph=True)[0]
    curve = grad(slope[:, 0].sum(), place, create_graph=True)[0][:, 0]
    return ((slope[:, 1] - 0.1 * curve) ** 2).mean()


ADAM, ADAMW = ("Adam", {"lr": 1e-3}), ("AdamW", {"lr": 1e-3})
MOMENTUM, SGD = ("SGD", {"lr": 0.1, "momentum": 0.9}), ("SGD", {"lr": 0.01})
POLICY = Net("RL policy 4-64-64-2", policy, classified(4, classes=2), 32, ADAM)
GPT64 = Net("char GPT d64", gpt, written, 8, ("AdamW", {"lr": 3e-4}), next_character)
GPT128 = dataclasses.replace(GPT64, name="char GPT d128, 128 characters", batch=16, build=functools.partial(
    gpt, width=128, length=128, layers=4), data=functools.partial(written, length=128))  # fmt: skip
LSTM = Net("LSTM h64", recurrent, classified(32, 16), 32, ADAM)
GRU = dataclasses.replace(LSTM, name="GRU h64", build=functools.partial(recurrent, kind="GRU"))
LSTM256 = Net("LSTM h256", functools.partial(recurrent, inputs=64, hidden=256), classified(32, 64), 64, ADAM)
TABULAR = Net("tabular MLP with batch norm", tabular, measured, 256, ADAMW, draws=True,
              loss=lambda t, model, x, y: t.F.mse_loss(model(x), y))  # fmt: skip
RESNET18 = Net("ResNet-18", resnet18, classified(3, 32, 32), 32, MOMENTUM)
MOBILENET = Net("MobileNet", mobilenet, classified(3, 32, 32), 32, MOMENTUM)
VAE = Net("VAE", vae, alone(784), 128, ADAM, evidence, draws=True)
DCGAN = Net("DCGAN generator", generator, alone(64, 1, 1), 32, ("Adam", {"lr": 2e-4, "betas": (0.5, 0.999)}),
            lambda t, model, x, _: model(x).pow(2).mean())  # fmt: skip
UNET = Net("U-Net 96x96", unet, painted, 4, ADAM,
           lambda t, model, x, y: t.F.binary_cross_entropy_with_logits(model(x), y))  # fmt: skip
TCN = Net("TCN", tcn, classified(1, 400, classes=5), 16, ADAM)
VIT = Net("ViT d96", vit, classified(3, 32, 32), 16, ADAMW)
PINN = Net("PINN, second order", field, alone(2), 256, ADAM, residual)
SIXTEEN = (POLICY, dataclasses.replace(POLICY, batch=1), TABULAR, GPT64, GPT128, LSTM, GRU, LSTM256, RESNET18,
           MOBILENET, VAE, DCGAN, UNET, TCN, VIT, PINN)  # fmt: skip
"""The nets by which frameworks are compared."""

CONVNET = Net("ConvNet", lambda t: nets.convnet(t.nn, t.F), classified(1, 28, 28), 100, SGD)
MLP = Net("MLP 784-1000-1000-10", lambda t: nets.mlp(t.nn, t.F), classified(1, 28, 28), 128, SGD)
RELU_POLICY = dataclasses.replace(POLICY, build=functools.partial(policy, activation="ReLU"))
SERIES = Net("LSTM h64, 32 steps", functools.partial(recurrent, inputs=28), classified(32, 28), 16, ADAM)


def initial(net: Net) -> dict[str, np.ndarray]:
    """Return the weights that all frameworks start from."""
    return Trainer(net, OURS).weights()
