"""The networks of the command line, the notebooks and the benchmarks, for images of 28 x 28 pixels."""

from collections.abc import Sequence
from typing import Any

from ... import nn

__all__ = ["convnet", "lenet", "mlp", "weight_decay_groups"]


def mlp(features: int = 784, hidden: Sequence[int] = (1000, 1000), classes: int = 10) -> nn.Sequential:
    """Return a multilayer perceptron with ReLU, weights drawn by He's rule and biases of 0.

    Parameters
    ----------
    features : int
        Elements of one input; inputs of any shape are flattened.
    hidden : sequence of int
        Units of each hidden layer.
    classes : int

    References
    ----------
    K. He et al., "Delving deep into rectifiers", 2015, arXiv:1502.01852.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn import models
    >>> models.mlp()(ag.zeros(1, 1, 28, 28)).shape
    (1, 10)
    """
    layers: list[nn.Module] = [nn.Flatten()]
    for units in hidden:
        layers += [nn.Linear(features, units), nn.ReLU()]
        features = units
    layers.append(nn.Linear(features, classes))
    model = nn.Sequential(*layers)
    for parameter in model.parameters():
        if parameter.ndim == 2:
            nn.init.kaiming_normal_(parameter, nonlinearity="relu")
        else:
            nn.init.zeros_(parameter)
    return model


def convnet(
    filters: int = 10, kernel_size: int = 3, stride: int = 1, size: int = 28, classes: int = 10
) -> nn.Sequential:
    """Return a network of one convolution, ReLU, 2x2 max-pooling and one fully connected layer.

    Parameters
    ----------
    filters, kernel_size, stride : int
        Of the convolution, which is not padded.
    size : int
        Height and width of the images, which have one channel.
    classes : int

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn import models
    >>> models.convnet()(ag.zeros(1, 1, 28, 28)).shape
    (1, 10)
    """
    pooled = ((size - kernel_size) // stride + 1) // 2
    if pooled < 1:
        raise ValueError(
            f"convnet(): nothing is left to pool (size={size}, kernel_size={kernel_size}, stride={stride})"
        )
    return nn.Sequential(
        nn.Conv2d(1, filters, kernel_size, stride),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(filters * pooled * pooled, classes),
    )


def lenet(classes: int = 10) -> nn.Sequential:
    """Return LeNet-5 with ReLU and max-pooling.

    References
    ----------
    Y. LeCun et al., "Gradient-based learning applied to document recognition", Proc. IEEE 86 (1998) 2278-2324.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn import models
    >>> models.lenet()(ag.zeros(1, 1, 28, 28)).shape
    (1, 10)
    """
    return nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(400, 120),
        nn.ReLU(),
        nn.Linear(120, 84),
        nn.ReLU(),
        nn.Linear(84, classes),
    )


def weight_decay_groups(model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Return parameter groups for an optimizer that decays weights but not biases and other vectors.

    With SGD and Adam this is the L2 regularisation ``weight_decay / 2 * sum(w**2)`` of the loss.

    Examples
    --------
    >>> from autograd_nn import models
    >>> groups = models.weight_decay_groups(models.mlp(), 1e-2)
    >>> sorted({group["weight_decay"] for group in groups})
    [0.0, 0.01]
    """
    parameters = list(model.parameters())
    return [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
