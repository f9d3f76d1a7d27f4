"""Warnings of silent mistakes: each once, each with a switch."""

import warnings

import numpy as np
import pytest

from autograd_nn import mistakes, nn, optim, tensor
from autograd_nn.mistakes import (
    EvaluationMode,
    ForgottenZeroGrad,
    MissingGradient,
    MistakeWarning,
    SoftmaxBeforeCrossEntropy,
    UnexpectedFloat64,
)
from autograd_nn.nn import functional as F
from autograd_nn.training import fit


@pytest.fixture(autouse=True)
def fresh():
    mistakes.forget()
    yield
    mistakes.forget()


def told(function):
    """Return the mistakes that a function is warned of when it is called twice."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        function()
        function()
    return [(w.category, str(w.message), w.filename) for w in caught if issubclass(w.category, MistakeWarning)]


def softmax_twice():
    x = tensor([[1.0, 2.0]], requires_grad=True)
    F.cross_entropy(F.softmax(x, 1), tensor([0]))


def unused_layer():
    model = nn.ModuleDict({"used": nn.Linear(2, 2), "unused": nn.Linear(2, 3)})
    optimizer = optim.SGD(model.named_parameters(), lr=0.1)
    model["used"](tensor([[1.0, 2.0]])).sum().backward()
    optimizer.step()


def no_backward():
    optim.SGD(nn.Linear(2, 2).parameters(), lr=0.1).step()


def no_zero_grad():
    model = nn.Linear(2, 2)
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    for _ in range(2):
        model(tensor([[1.0, 2.0]])).sum().backward()
        optimizer.step()


def train(model, dtype=np.float32):
    data = [(tensor(np.ones((4, 2), np.float32)), tensor(np.zeros((4, 2), dtype)))]
    fit(model, data, optim.SGD(model.parameters(), lr=0.1), nn.MSELoss(), callbacks=[])


class Frozen(nn.Module):
    """Puts a part of itself into evaluation mode whenever it is set to training."""

    def __init__(self):
        super().__init__()
        self.linear, self.norm = nn.Linear(2, 2), nn.BatchNorm1d(2)

    def train(self, mode=True):
        super().train(mode)
        self.norm.eval()
        return self

    def forward(self, x):
        return self.norm(self.linear(x))


@pytest.mark.parametrize(
    "mistake, category, message",
    [
        (softmax_twice, SoftmaxBeforeCrossEntropy, "logits are expected"),
        (unused_layer, MissingGradient, r"2 of 4 parameters .* unused.weight (3, 2), unused.bias (3,); are they used"),
        (no_backward, MissingGradient, "2 of 2 parameters .* was backward() called?"),
        (no_zero_grad, ForgottenZeroGrad, "call optimizer.zero_grad() before each backward()"),
        (lambda: train(Frozen()), EvaluationMode, "norm is in evaluation mode"),
        (lambda: train(nn.Linear(2, 2), np.float64), UnexpectedFloat64, "an input or a constant is of float64"),
    ],
)
def test_each_mistake_is_told_once_and_can_be_silenced(mistake, category, message):
    found = told(mistake)
    assert [kind for kind, *_ in found] == [category]
    for part in message.split(" .* "):
        assert part in found[0][1]
    assert f"autograd_nn.mistakes.{category.__name__}" in found[0][1]
    mistakes.forget()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", category=category)
        mistake()


def right_training():
    model = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2), nn.Dropout(0.1))
    train(model)
    optimizer = optim.Adam(model.parameters())
    for clear in (optimizer.zero_grad, model.zero_grad, lambda: optimizer.zero_grad(set_to_none=False)) * 2:
        clear()
        F.cross_entropy(model(tensor([[1.0, 2.0], [2.0, 1.0]])), tensor([0, 1])).backward()
        optimizer.step()


def accumulated_over_batches():
    model = nn.Linear(2, 2)
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    for _ in range(3):
        optimizer.zero_grad()
        for _ in range(2):
            model(tensor([[1.0, 2.0]])).sum().backward()
        optimizer.step()


def frozen_parameters():
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    model[0].requires_grad_(False)
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    model(tensor([[1.0, 2.0]])).sum().backward()
    optimizer.step()


@pytest.mark.parametrize("right", [right_training, accumulated_over_batches, frozen_parameters])
def test_what_is_right_is_not_warned_of(right):
    assert told(right) == []


def test_the_warning_points_at_the_callers_line():
    found = told(no_backward)
    assert found[0][2] == __file__
    assert told(softmax_twice)[0][2] == __file__
