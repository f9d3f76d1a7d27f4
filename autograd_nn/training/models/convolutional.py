"""Convolutional networks for images, with torchvision's weight names; and a U-Net."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ... import nn
from ...ops.shape import cat
from ...tensor import Tensor

__all__ = ["efficientnet_b0", "mobilenet_v2", "resnet18", "resnet34", "resnet50", "unet", "vgg11", "vgg13", "vgg16",
           "vgg19"]


def _he(model: nn.Module) -> None:
    """Draw the weights of convolutions by He's rule over their outputs."""
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)


# ------------------------------------------------------------------------------------ residual networks


class _Residual(nn.Module):
    """A residual block: two 3x3 convolutions, or with a bottleneck 1x1, 3x3 and 1x1."""

    def __init__(self, channels: int, width: int, stride: int, bottleneck: bool):
        super().__init__()
        out = width * (4 if bottleneck else 1)
        if bottleneck:
            self.conv1 = nn.Conv2d(channels, width, 1, bias=False)
            self.bn1 = nn.BatchNorm2d(width)
            self.conv2 = nn.Conv2d(width, width, 3, stride, 1, bias=False)
            self.bn2 = nn.BatchNorm2d(width)
            self.conv3 = nn.Conv2d(width, out, 1, bias=False)
            self.bn3 = nn.BatchNorm2d(out)
        else:
            self.conv1 = nn.Conv2d(channels, width, 3, stride, 1, bias=False)
            self.bn1 = nn.BatchNorm2d(width)
            self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
            self.bn2 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU()
        self.bottleneck = bottleneck
        self.downsample = None if stride == 1 and channels == out else nn.Sequential(
            nn.Conv2d(channels, out, 1, stride, bias=False), nn.BatchNorm2d(out))

    def forward(self, x: Tensor) -> Tensor:
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        if self.bottleneck:
            out = self.bn3(self.conv3(self.relu(out)))
        held: Tensor = self.relu(out + (x if self.downsample is None else self.downsample(x)))
        return held


class ResNet(nn.Module):
    """A residual network (K. He et al., "Deep residual learning", 2015, arXiv:1512.03385)."""

    def __init__(self, blocks: Sequence[int], bottleneck: bool, classes: int):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU()
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        channels = 64
        for i, count in enumerate(blocks):
            width, layers = 64 * 2**i, []
            for j in range(count):
                layers.append(_Residual(channels, width, 2 if i and not j else 1, bottleneck))
                channels = width * (4 if bottleneck else 1)
            setattr(self, f"layer{i + 1}", nn.Sequential(*layers))
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(channels, classes)
        _he(self)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits (N, classes) of images (N, 3, H, W)."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        logits: Tensor = self.fc(self.avgpool(x).flatten(1))
        return logits


def resnet18(classes: int = 1000) -> ResNet:
    """Return ResNet-18, with torchvision's weight names.

    Examples
    --------
    >>> from autograd_nn import models
    >>> import autograd_nn as ag
    >>> net = models.resnet18(classes=10)
    >>> net(ag.zeros(2, 3, 32, 32)).shape
    (2, 10)
    """
    return ResNet((2, 2, 2, 2), False, classes)


def resnet34(classes: int = 1000) -> ResNet:
    """Return ResNet-34, with torchvision's weight names.

    Examples
    --------
    >>> from autograd_nn import models
    >>> sum(p.numel() for p in models.resnet34(classes=10).parameters())
    21289802
    """
    return ResNet((3, 4, 6, 3), False, classes)


def resnet50(classes: int = 1000) -> ResNet:
    """Return ResNet-50, with torchvision's weight names.

    Examples
    --------
    >>> from autograd_nn import models
    >>> net = models.resnet50(classes=10)
    >>> net.fc
    Linear(in_features=2048, out_features=10, bias=True)
    """
    return ResNet((3, 4, 6, 3), True, classes)


# ------------------------------------------------------------------------------------ VGG


class VGG(nn.Module):
    """A plain stack of 3x3 convolutions (K. Simonyan and A. Zisserman, 2014, arXiv:1409.1556)."""

    def __init__(self, stages: Sequence[Sequence[int]], classes: int):
        super().__init__()
        layers: list[nn.Module] = []
        channels = 3
        for stage in stages:
            for width in stage:
                layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU()]
                channels = width
            layers.append(nn.MaxPool2d(2, 2))
        self.features = nn.Sequential(*layers)
        self.avgpool = nn.AdaptiveAvgPool2d(7)
        self.classifier = nn.Sequential(
            nn.Linear(512 * 49, 4096), nn.ReLU(), nn.Dropout(), nn.Linear(4096, 4096), nn.ReLU(), nn.Dropout(),
            nn.Linear(4096, classes))
        _he(self)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits (N, classes) of images (N, 3, H, W)."""
        logits: Tensor = self.classifier(self.avgpool(self.features(x)).flatten(1))
        return logits


def vgg11(classes: int = 1000) -> VGG:
    """Return VGG-11, with torchvision's weight names.

    Examples
    --------
    >>> from autograd_nn import models
    >>> net = models.vgg11()
    >>> f"{sum(p.numel() for p in net.parameters()):,}"
    '132,863,336'
    """
    return VGG(((64,), (128,), (256, 256), (512, 512), (512, 512)), classes)


def vgg13(classes: int = 1000) -> VGG:
    """Return VGG-13, with torchvision's weight names.

    Examples
    --------
    >>> from autograd_nn import models
    >>> net = models.vgg13()
    >>> f"{sum(p.numel() for p in net.parameters()):,}"
    '133,047,848'
    """
    return VGG(((64,) * 2, (128,) * 2, (256,) * 2, (512,) * 2, (512,) * 2), classes)


def vgg19(classes: int = 1000) -> VGG:
    """Return VGG-19, with torchvision's weight names.

    Examples
    --------
    >>> from autograd_nn import models
    >>> net = models.vgg19()
    >>> f"{sum(p.numel() for p in net.parameters()):,}"
    '143,667,240'
    """
    return VGG(((64,) * 2, (128,) * 2, (256,) * 4, (512,) * 4, (512,) * 4), classes)


def vgg16(classes: int = 1000) -> VGG:
    """Return VGG-16, with torchvision's weight names.

    Examples
    --------
    >>> from autograd_nn import models
    >>> net = models.vgg16()
    >>> f"{sum(p.numel() for p in net.parameters()):,}"
    '138,357,544'
    """
    return VGG(((64,) * 2, (128,) * 2, (256,) * 3, (512,) * 3, (512,) * 3), classes)


# ------------------------------------------------------------------------------------ depthwise networks


def _conv_norm(channels: int, out: int, kernel: int, stride: int = 1, groups: int = 1,
               activation: type[nn.Module] | None = nn.ReLU6) -> nn.Sequential:
    """Return a convolution, batch normalisation and, if asked, an activation."""
    layers: list[nn.Module] = [nn.Conv2d(channels, out, kernel, stride, (kernel - 1) // 2, groups=groups, bias=False),
                               nn.BatchNorm2d(out)]
    return nn.Sequential(*layers, *([activation()] if activation else []))


class _Inverted(nn.Module):
    """An inverted residual block of MobileNetV2."""

    def __init__(self, channels: int, out: int, stride: int, expansion: int):
        super().__init__()
        hidden = channels * expansion
        first = [] if expansion == 1 else [_conv_norm(channels, hidden, 1)]
        self.conv = nn.Sequential(*first, _conv_norm(hidden, hidden, 3, stride, hidden),
                                  nn.Conv2d(hidden, out, 1, bias=False), nn.BatchNorm2d(out))
        self.residual = stride == 1 and channels == out

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.conv(x)
        return x + out if self.residual else out


class MobileNetV2(nn.Module):
    """MobileNetV2 (M. Sandler et al., 2018, arXiv:1801.04381)."""

    def __init__(self, classes: int):
        super().__init__()
        layers: list[nn.Module] = [_conv_norm(3, 32, 3, 2)]
        channels = 32
        for expansion, out, count, stride in ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1),
                                              (6, 160, 3, 2), (6, 320, 1, 1)):
            for i in range(count):
                layers.append(_Inverted(channels, out, 1 if i else stride, expansion))
                channels = out
        layers.append(_conv_norm(channels, 1280, 1))
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Sequential(nn.Dropout(0.2), nn.Linear(1280, classes))
        _he(self)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits (N, classes) of images (N, 3, H, W)."""
        logits: Tensor = self.classifier(self.features(x).mean((2, 3)))
        return logits


def mobilenet_v2(classes: int = 1000) -> MobileNetV2:
    """Return MobileNetV2, with torchvision's weight names.

    Examples
    --------
    >>> from autograd_nn import models
    >>> import autograd_nn as ag
    >>> net = models.mobilenet_v2(classes=10)
    >>> net(ag.zeros(2, 3, 32, 32)).shape
    (2, 10)
    """
    return MobileNetV2(classes)


class _Squeeze(nn.Module):
    """Squeeze and excitation: a factor for each channel, from the means of all."""

    def __init__(self, channels: int, squeezed: int):
        super().__init__()
        self.fc1, self.fc2 = nn.Conv2d(channels, squeezed, 1), nn.Conv2d(squeezed, channels, 1)
        self.activation, self.scale_activation = nn.SiLU(), nn.Sigmoid()

    def forward(self, x: Tensor) -> Tensor:
        scale: Tensor = self.scale_activation(self.fc2(self.activation(self.fc1(x.mean((2, 3), keepdim=True)))))
        return x * scale


class _MBConv(nn.Module):
    """A block of EfficientNet."""

    def __init__(self, channels: int, out: int, kernel: int, stride: int, expansion: int):
        super().__init__()
        hidden = channels * expansion
        first = [] if expansion == 1 else [_conv_norm(channels, hidden, 1, activation=nn.SiLU)]
        self.block = nn.Sequential(
            *first, _conv_norm(hidden, hidden, kernel, stride, hidden, nn.SiLU),
            _Squeeze(hidden, max(1, channels // 4)),
            _conv_norm(hidden, out, 1, activation=None))
        self.residual = stride == 1 and channels == out

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.block(x)
        return x + out if self.residual else out


class EfficientNet(nn.Module):
    """EfficientNet-B0 (M. Tan and Q. Le, 2019, arXiv:1905.11946), without stochastic depth."""

    def __init__(self, classes: int):
        super().__init__()
        layers: list[nn.Module] = [_conv_norm(3, 32, 3, 2, activation=nn.SiLU)]
        channels = 32
        for expansion, kernel, stride, out, count in ((1, 3, 1, 16, 1), (6, 3, 2, 24, 2), (6, 5, 2, 40, 2),
                                                      (6, 3, 2, 80, 3), (6, 5, 1, 112, 3), (6, 5, 2, 192, 4),
                                                      (6, 3, 1, 320, 1)):
            stage = []
            for i in range(count):
                stage.append(_MBConv(channels, out, kernel, 1 if i else stride, expansion))
                channels = out
            layers.append(nn.Sequential(*stage))
        layers.append(_conv_norm(channels, 1280, 1, activation=nn.SiLU))
        self.features = nn.Sequential(*layers)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Sequential(nn.Dropout(0.2), nn.Linear(1280, classes))
        _he(self)
        nn.init.uniform_(self.classifier[1].weight, -1 / math.sqrt(classes), 1 / math.sqrt(classes))

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits (N, classes) of images (N, 3, H, W)."""
        logits: Tensor = self.classifier(self.avgpool(self.features(x)).flatten(1))
        return logits


def efficientnet_b0(classes: int = 1000) -> EfficientNet:
    """Return EfficientNet-B0, with torchvision's weight names; without its stochastic depth in training.

    Examples
    --------
    >>> from autograd_nn import models
    >>> sum(p.numel() for p in models.efficientnet_b0(classes=10).parameters())
    4020358
    """
    return EfficientNet(classes)


# ------------------------------------------------------------------------------------ U-Net


def _twice(channels: int, out: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(channels, out, 3, padding=1, bias=False), nn.BatchNorm2d(out), nn.ReLU(),
                         nn.Conv2d(out, out, 3, padding=1, bias=False), nn.BatchNorm2d(out), nn.ReLU())


class UNet(nn.Module):
    """A U-Net with batch normalisation (O. Ronneberger et al., 2015, arXiv:1505.04597)."""

    def __init__(self, channels: int, classes: int, width: int, depth: int):
        super().__init__()
        widths = [width * 2**i for i in range(depth + 1)]
        self.down = nn.ModuleList(_twice(i, o) for i, o in zip([channels, *widths], widths))
        self.pool = nn.MaxPool2d(2)
        self.up = nn.ModuleList(nn.ConvTranspose2d(2 * w, w, 2, 2) for w in widths[-2::-1])
        self.join = nn.ModuleList(_twice(2 * w, w) for w in widths[-2::-1])
        self.head = nn.Conv2d(width, classes, 1)
        _he(self)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits (N, classes, H, W) of images (N, channels, H, W); H and W are multiples of 2**depth."""
        scale = 2 ** len(self.up)
        if x.ndim != 4 or x.shape[2] % scale or x.shape[3] % scale:
            raise ValueError(f"UNet: images must be (N, C, H, W) with H and W multiples of {scale}, got "
                             f"{tuple(x.shape)}")
        held = []
        for i, block in enumerate(self.down):
            x = block(self.pool(x) if i else x)
            held.append(x)
        held.pop()
        for up, join in zip(self.up, self.join):
            x = join(cat([held.pop(), up(x)], 1))
        logits: Tensor = self.head(x)
        return logits


def unet(channels: int = 3, classes: int = 2, width: int = 64, depth: int = 4) -> Any:
    """Return a U-Net, which gives each pixel its classes.

    Parameters
    ----------
    channels, classes : int
        Of the images, and of the result.
    width : int
        Channels at full size; twice as many after each of the `depth` halvings.
    depth : int

    Examples
    --------
    >>> from autograd_nn import models
    >>> import autograd_nn as ag
    >>> net = models.unet(channels=1, classes=2, width=4, depth=2)
    >>> net(ag.zeros(1, 1, 16, 16)).shape
    (1, 2, 16, 16)
    """
    if depth < 1 or width < 1:
        raise ValueError(f"unet(): width and depth must be at least 1 (width={width}, depth={depth})")
    return UNet(channels, classes, width, depth)
