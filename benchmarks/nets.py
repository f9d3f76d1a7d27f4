"""The networks of the benchmarks, written once: `nn` and `F` are those of any framework with PyTorch's names."""

from __future__ import annotations

from typing import Any


def convnet(nn: Any, F: Any) -> Any:
    """Return the MNIST ConvNet: convolution of 10 filters, ReLU, max-pool, fully connected."""
    return nn.Sequential(nn.Conv2d(1, 10, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(1690, 10))


def mlp(nn: Any, F: Any) -> Any:
    """Return the multilayer perceptron 784-1000-1000-10."""
    return nn.Sequential(
        nn.Flatten(), nn.Linear(784, 1000), nn.ReLU(), nn.Linear(1000, 1000), nn.ReLU(), nn.Linear(1000, 10)
    )


def mnist_example(nn: Any, F: Any) -> Any:
    """Return the net of PyTorch's MNIST example: two convolutions, max-pool, dropout, two fully connected layers."""

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv1 = nn.Conv2d(1, 32, 3)
            self.conv2 = nn.Conv2d(32, 64, 3)
            self.dropout1 = nn.Dropout(0.25)
            self.dropout2 = nn.Dropout(0.5)
            self.fc1 = nn.Linear(9216, 128)
            self.fc2 = nn.Linear(128, 10)

        def forward(self, x):
            x = F.relu(self.conv1(x))
            x = F.relu(self.conv2(x))
            x = self.dropout1(F.max_pool2d(x, 2))
            x = F.relu(self.fc1(x.flatten(1)))
            return self.fc2(self.dropout2(x))

    return Net()


def resnet(nn: Any, F: Any) -> Any:
    """Return a ResNet-18 for 32x32 images cut to three stages of one block, of 32, 64 and 128 channels."""

    class Block(nn.Module):
        def __init__(self, inputs, outputs, stride):
            super().__init__()
            self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
            self.bn1 = nn.BatchNorm2d(outputs)
            self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
            self.bn2 = nn.BatchNorm2d(outputs)
            self.shortcut = nn.Sequential()
            if stride != 1 or inputs != outputs:
                self.shortcut = nn.Sequential(
                    nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)
                )

        def forward(self, x):
            y = F.relu(self.bn1(self.conv1(x)))
            return F.relu(self.bn2(self.conv2(y)) + self.shortcut(x))

    class ResNet(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv1 = nn.Conv2d(3, 32, 3, 1, 1, bias=False)
            self.bn1 = nn.BatchNorm2d(32)
            self.stages = nn.Sequential(Block(32, 32, 1), Block(32, 64, 2), Block(64, 128, 2))
            self.fc = nn.Linear(128, 10)

        def forward(self, x):
            x = F.relu(self.bn1(self.conv1(x)))
            return self.fc(self.stages(x).mean((2, 3)))

    return ResNet()


def keras_convnet(keras: Any, data_format: str) -> Any:
    """Return `convnet` in Keras."""
    L = keras.layers
    channels = (1, 28, 28) if data_format == "channels_first" else (28, 28, 1)
    return keras.Sequential([
        keras.Input(channels),
        L.Conv2D(10, 3, activation="relu", data_format=data_format),
        L.MaxPooling2D(2, data_format=data_format),
        L.Flatten(),
        L.Dense(10),
    ])  # fmt: skip


def keras_mlp(keras: Any, data_format: str) -> Any:
    """Return `mlp` in Keras."""
    L = keras.layers
    return keras.Sequential([
        keras.Input((1, 28, 28) if data_format == "channels_first" else (28, 28, 1)),
        L.Flatten(), L.Dense(1000, activation="relu"), L.Dense(1000, activation="relu"), L.Dense(10),
    ])  # fmt: skip


def keras_mnist_example(keras: Any, data_format: str) -> Any:
    """Return `mnist_example` in Keras."""
    L = keras.layers
    return keras.Sequential([
        keras.Input((1, 28, 28) if data_format == "channels_first" else (28, 28, 1)),
        L.Conv2D(32, 3, activation="relu", data_format=data_format),
        L.Conv2D(64, 3, activation="relu", data_format=data_format),
        L.MaxPooling2D(2, data_format=data_format),
        L.Dropout(0.25), L.Flatten(), L.Dense(128, activation="relu"), L.Dropout(0.5), L.Dense(10),
    ])  # fmt: skip


def keras_resnet(keras: Any, data_format: str) -> Any:
    """Return `resnet` in Keras; its batch norms keep 0.9 of the old value and add 1e-5, as PyTorch's do."""
    L = keras.layers
    axis = 1 if data_format == "channels_first" else -1

    def convolution(channels, kernel, stride):
        around = kernel // 2  # "same" would pad a stride of 2 on one side only
        return keras.Sequential([
            L.ZeroPadding2D(around, data_format=data_format),
            L.Conv2D(channels, kernel, stride, use_bias=False, data_format=data_format),
            L.BatchNormalization(axis, momentum=0.9, epsilon=1e-5),
        ][kernel == 1 :])  # fmt: skip

    class Block(L.Layer):
        def __init__(self, inputs, outputs, stride):
            super().__init__()
            self.main = keras.Sequential([convolution(outputs, 3, stride), L.ReLU(), convolution(outputs, 3, 1)])
            self.shortcut = L.Identity()
            if stride != 1 or inputs != outputs:
                self.shortcut = convolution(outputs, 1, stride)

        def call(self, x):
            return keras.ops.relu(self.main(x) + self.shortcut(x))

    return keras.Sequential([
        keras.Input((3, 32, 32) if data_format == "channels_first" else (32, 32, 3)),
        convolution(32, 3, 1), L.ReLU(), Block(32, 32, 1), Block(32, 64, 2), Block(64, 128, 2),
        L.GlobalAveragePooling2D(data_format=data_format), L.Dense(10),
    ])  # fmt: skip


def tinygrad_convnet(tinygrad: Any) -> list[Any]:
    """Return `convnet` in tinygrad: the functions that its Tensor.sequential runs through."""
    nn, Tensor = tinygrad.nn, tinygrad.Tensor
    return [nn.Conv2d(1, 10, 3), Tensor.relu, Tensor.max_pool2d, lambda x: x.flatten(1), nn.Linear(1690, 10)]


def tinygrad_mlp(tinygrad: Any) -> list[Any]:
    """Return `mlp` in tinygrad."""
    nn, relu = tinygrad.nn, tinygrad.Tensor.relu
    return [
        lambda x: x.flatten(1), nn.Linear(784, 1000), relu, nn.Linear(1000, 1000), relu, nn.Linear(1000, 10)
    ]  # fmt: skip


def tinygrad_mnist_example(tinygrad: Any) -> list[Any]:
    """Return `mnist_example` in tinygrad."""
    nn, Tensor = tinygrad.nn, tinygrad.Tensor
    return [
        nn.Conv2d(1, 32, 3), Tensor.relu, nn.Conv2d(32, 64, 3), Tensor.relu, Tensor.max_pool2d,
        lambda x: x.dropout(0.25).flatten(1), nn.Linear(9216, 128), Tensor.relu, lambda x: x.dropout(0.5),
        nn.Linear(128, 10),
    ]  # fmt: skip


def tinygrad_resnet(tinygrad: Any) -> list[Any]:
    """Return `resnet` in tinygrad."""
    nn, Tensor = tinygrad.nn, tinygrad.Tensor

    class Block:
        def __init__(self, inputs, outputs, stride):
            self.main = [
                nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs), Tensor.relu,
                nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False), nn.BatchNorm2d(outputs),
            ]  # fmt: skip
            self.shortcut = []
            if stride != 1 or inputs != outputs:
                self.shortcut = [nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)]

        def __call__(self, x):
            return (x.sequential(self.main) + x.sequential(self.shortcut)).relu()

    return [
        nn.Conv2d(3, 32, 3, 1, 1, bias=False), nn.BatchNorm2d(32), Tensor.relu,
        Block(32, 32, 1), Block(32, 64, 2), Block(64, 128, 2), lambda x: x.mean((2, 3)), nn.Linear(128, 10),
    ]  # fmt: skip
