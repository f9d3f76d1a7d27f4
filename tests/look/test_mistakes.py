"""Warnings of silent mistakes: each once, each with a switch."""

import warnings

import numpy as np
import pytest

from autograd_nn import nn, no_grad, optim, tensor
from autograd_nn.look import mistakes
from autograd_nn.look.mistakes import (
    EvaluationMode,
    ForgottenZeroGrad,
    GrowingGraph,
    LayersInAList,
    MissingGradient,
    MistakeWarning,
    NotLogProbabilities,
    SigmoidBeforeLogitsLoss,
    SoftmaxBeforeCrossEntropy,
    TrainingMode,
    UnexpectedFloat64,
)
from autograd_nn.look.summary import summary
from autograd_nn.nn import functional as F
from autograd_nn.training import fit
from autograd_nn.utils.checkpoint import checkpoint


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


def sigmoid_twice(loss=F.binary_cross_entropy_with_logits):
    x = tensor([[1.0], [2.0]], requires_grad=True)
    loss(x.sigmoid().squeeze(1), tensor([0.0, 1.0]))


class Lists(nn.Module):
    """Holds its layers in a list or a dict, some of them registered under other names, or frozen, too."""

    def __init__(self, layers, **others):
        super().__init__()
        self.layers = layers
        for name, value in others.items():
            setattr(self, name, value)


def unrecorded(*layers, train=True):
    model = nn.Sequential(nn.Linear(2, 2), *layers).train(train)
    with no_grad():
        model(tensor([[1.0, 2.0], [3.0, 4.0]]))


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


def hand_written(model, target=np.float32, steps=1, total=0.0):
    """Train by a loop written out; a `total` that is a list is given the losses, else they are added to it."""
    optimizer = optim.SGD(model.parameters(), lr=0.01)
    for _ in range(steps):
        optimizer.zero_grad()
        loss = F.mse_loss(model(tensor(np.ones((4, 2), np.float32))), tensor(np.zeros((4, 2), target)))
        loss.backward()
        optimizer.step()
        if isinstance(total, list):
            total.append(loss)
        else:
            total += loss
    return total


def evaluated_and_trained_on():
    model = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    optimizer = optim.SGD(model.parameters(), lr=0.01)
    for _ in range(2):
        optimizer.zero_grad()
        model(tensor(np.ones((4, 2), np.float32))).sum().backward()
        optimizer.step()
        model.eval()


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
        (sigmoid_twice, SigmoidBeforeLogitsLoss, "the sigmoid is part of the loss"),
        (lambda: sigmoid_twice(nn.BCEWithLogitsLoss()), SigmoidBeforeLogitsLoss, "logits are expected"),
        (lambda: F.nll_loss(tensor([[1.0, 2.0]]), tensor([0])), NotLogProbabilities, "use log_softmax() before it"),
        (lambda: nn.NLLLoss()(F.softmax(tensor([[1.0, 2.0]]), 1), tensor([0])), NotLogProbabilities, "above 0"),
        (lambda: Lists([nn.Linear(2, 2)]).parameters(), LayersInAList, "Lists.layers: a plain list of layers (Linear), "
                                                                       "whose .* use nn.ModuleList"),
        (lambda: nn.Sequential(Lists({"a": nn.Linear(2, 2)})).named_parameters(), LayersInAList,
         "Sequential.0.layers: a plain dict .* use nn.ModuleDict"),
        (lambda: unrecorded(nn.Dropout()), TrainingMode, "Dropout: drops elements .* call model.eval() first"),
        (lambda: unrecorded(nn.BatchNorm1d(2)), TrainingMode, "BatchNorm1d: normalizes by the batch at hand"),
        (lambda: evaluated_in_training_mode(2), TrainingMode, "Dropout: drops elements"),
        (unused_layer, MissingGradient, r"2 of 4 parameters .* unused.weight (3, 2), unused.bias (3,); are they used"),
        (no_backward, MissingGradient, "2 of 2 parameters .* was backward() called?"),
        (no_zero_grad, ForgottenZeroGrad, "call optimizer.zero_grad() before each backward()"),
        (lambda: train(Frozen()), EvaluationMode, "norm is in evaluation mode"),
        (evaluated_and_trained_on, EvaluationMode, "all layers .* (Linear, BatchNorm1d) .* call model.train()"),
        (lambda: train(nn.Linear(2, 2), np.float64), UnexpectedFloat64, "an input or a constant is of float64"),
        (lambda: hand_written(nn.Linear(2, 2), np.float64), UnexpectedFloat64, "SGD.step(): the loss is of float64"),
        (lambda: hand_written(nn.Linear(2, 2), steps=40), GrowingGraph, "add up or keep loss.item() instead"),
        (lambda: hand_written(nn.Linear(2, 2), steps=40, total=[]), GrowingGraph, "losses of the last 32 steps"),
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


def in_float64():
    model = nn.Linear(2, 2).double()
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    model(tensor([[1.0, 2.0]], dtype=np.float64)).sum().backward()
    optimizer.step()


def losses_of_one_step():
    """Fifty losses are there at once, but they are of one step."""
    model = nn.Linear(2, 2)
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    losses = [model(tensor([[1.0, 2.0]])).sum() for _ in range(50)]
    for loss in losses:
        loss.backward()
    optimizer.step()


def frozen_normalisation():
    """Fine-tuning with the statistics as they are."""
    model = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    optimizer = optim.SGD(model.parameters(), lr=0.01)
    model[1].eval()
    model(tensor(np.ones((4, 2), np.float32))).sum().backward()
    optimizer.step()


def evaluated_between_epochs():
    model = nn.Sequential(nn.Linear(2, 2), nn.Dropout())
    teacher = nn.Linear(2, 2).eval()
    optimizer = optim.SGD(model.parameters(), lr=0.01)
    for _ in range(40):
        model.train()
        optimizer.zero_grad()
        F.mse_loss(model(tensor(np.ones((4, 2), np.float32))), teacher(tensor(np.ones((4, 2), np.float32)))).backward()
        optimizer.step()
        model.eval()


def log_probabilities():
    logits = tensor([[1.0, -2.0]], requires_grad=True)
    F.nll_loss(F.log_softmax(logits, 1), tensor([0])).backward()
    F.binary_cross_entropy_with_logits(logits.sigmoid() * 4 - 2, tensor([[0.0, 1.0]])).backward()


def lists_of_layers():
    layer, teacher = nn.Linear(2, 2), nn.Linear(2, 2).requires_grad_(False)
    for model in (Lists([layer], first=layer), Lists([teacher]), Lists(nn.ModuleList([layer])), Lists([1, "a", None])):
        list(model.parameters())


def unrecorded_on_purpose():
    unrecorded(nn.Dropout(), nn.BatchNorm1d(2), train=False)
    unrecorded(nn.Dropout(0.0))
    model = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2), nn.Dropout())
    x = tensor([[1.0, 2.0], [3.0, 4.0]])
    optim.swa_utils.update_bn([x], model)
    checkpoint(model, x).sum().backward()
    summary(model, x)


def fakes_for_a_discriminator():
    generator = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2), nn.Dropout())
    discriminator = nn.Linear(2, 1)
    optimizers = [optim.SGD(model.parameters(), lr=0.01) for model in (generator, discriminator)]
    noise = tensor([[1.0, 2.0], [3.0, 4.0]])
    for _ in range(3):
        with no_grad():
            fakes = generator(noise)
        for optimizer in optimizers[::-1]:
            images = fakes if optimizer is optimizers[1] else generator(noise)
            for each in optimizers:
                each.zero_grad()
            discriminator(images).mean().backward()
            optimizer.step()


def evaluated_in_training_mode(batches):
    model = nn.Sequential(nn.Linear(2, 2), nn.Dropout())
    train(model)
    with no_grad():
        for _ in range(batches):
            model(tensor([[1.0, 2.0]]))


@pytest.mark.parametrize(
    "right",
    [
        fakes_for_a_discriminator,
        lambda: evaluated_in_training_mode(1),
        right_training,
        accumulated_over_batches,
        frozen_parameters,
        losses_of_one_step,
        frozen_normalisation,
        evaluated_between_epochs,
        in_float64,
        log_probabilities,
        lists_of_layers,
        unrecorded_on_purpose,
    ],
)
def test_what_is_right_is_not_warned_of(right):
    assert told(right) == []


def test_the_warning_points_at_the_callers_line():
    found = told(no_backward)
    assert found[0][2] == __file__
    assert told(softmax_twice)[0][2] == __file__


@pytest.mark.parametrize(
    "loss",
    [F.mse_loss, F.l1_loss, F.smooth_l1_loss, F.huber_loss, F.binary_cross_entropy, F.binary_cross_entropy_with_logits,
     F.kl_div, F.poisson_nll_loss],
)
def test_shapes_that_would_broadcast_in_a_loss_are_an_error(loss):
    prediction, target = tensor([[0.1], [0.2], [0.3]]), tensor([0.1, 0.2, 0.3])
    for x, y in ((prediction, target), (target, prediction), (prediction, prediction[:1])):
        with pytest.raises((RuntimeError, ValueError), match=r"\(3"):
            loss(x, y)
