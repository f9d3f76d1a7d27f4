"""A history and a network to draw."""

import pytest

import autograd_nn as ag
from autograd_nn import nn
from autograd_nn.training import History


@pytest.fixture
def history():
    history = History()
    history.epochs += [
        {"loss": 2.0, "accuracy": 0.3, "validation_loss": 1.5, "validation_accuracy": 0.5, "seconds": 1.0},
        {"loss": 1.0, "accuracy": 0.6, "validation_loss": 1.25, "validation_accuracy": 0.75, "seconds": 1.0},
    ]
    return history


@pytest.fixture
def net():
    ag.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Conv2d(4, 6, 3), nn.ReLU(), nn.MaxPool2d(4), nn.Flatten(), nn.Linear(96, 3)
    )
