"""Faults of fit and evaluate that users reported elsewhere, each with the value that is right."""

import math
import re
import warnings

import numpy as np
import pytest

from autograd_nn import Tensor, nn, ones, optim, randn, tensor
from autograd_nn.data import DataLoader, TensorDataset
from autograd_nn.look import mistakes, plots
from autograd_nn.look.module_trace import preserved
from autograd_nn.look.summary import summary
from autograd_nn.nn import functional as F
from autograd_nn.training import Callback, EarlyStopping, History, TerminateOnNaN, evaluate, fit

CE = nn.CrossEntropyLoss()


def frozen():
    model = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3), nn.Sequential(nn.Dropout(0.5)), nn.Linear(3, 2))
    model[1].eval().requires_grad_(False)
    return model


def modes(model):
    return [module.training for module in model.modules()]


def test_frozen_normalisation_stays_frozen():
    model, data = frozen(), [(randn(4, 3), tensor([0, 1, 0, 1]))]
    before, mean = modes(model), model[1].running_mean.array.copy()
    evaluate(model, data, CE)
    assert modes(model) == before == [True, True, False, True, True, True]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fit(model, data, optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.1), CE, 3, data,
            callbacks=[])
    assert modes(model) == before and np.array_equal(model[1].running_mean.array, mean)


def test_a_model_in_evaluation_mode_is_woken_as_a_whole():
    model = frozen().eval()
    seen = []
    model[1].register_forward_hook(lambda module, args, out: seen.append(module.training))
    fit(model, [(randn(4, 3), tensor([0, 1, 0, 1]))], optim.SGD(model.parameters(), lr=0.1), CE, callbacks=[])
    assert seen == [True] and all(modes(model))
    model.eval()
    evaluate(model, [(randn(4, 3), tensor([0, 1, 0, 1]))], CE)
    assert not any(modes(model))


def test_modes_are_put_back_after_an_error():
    model = frozen()
    before = modes(model)
    with pytest.raises(RuntimeError):
        evaluate(model, [(randn(4, 5), tensor([0, 1, 0, 1]))], CE)
    assert modes(model) == before


class Improve(Callback):
    def __init__(self, values):
        self.values = values

    def on_epoch_end(self, run):
        run.history.epochs[-1]["v"] = self.values[run.epoch - 1]


@pytest.mark.parametrize("values, patience, epochs", [
    ([4, 3, 2, 1], 0, 4), ([4, 5, 2, 1], 0, 2), ([4, 4, 2, 1], 1, 2), ([4, 5, 3, 4], 1, 2), ([4, 5, 6, 1], 2, 3),
    ([math.nan, 3, 2, 1], 0, 1),
])
def test_patience(values, patience, epochs):
    model, data = nn.Linear(3, 2), [(ones(4, 3), tensor([0, 1, 0, 1]))]
    history = fit(model, data, optim.SGD(model.parameters(), lr=0.1), CE, epochs=4,
                  callbacks=[Improve(values), EarlyStopping("v", patience=patience)])
    assert len(history) == epochs


def test_patience_that_makes_no_sense():
    for wrong, error in (({"patience": -1}, ValueError), ({"patience": 1.5}, TypeError),
                         ({"min_delta": -1}, ValueError), ({"patience": None}, TypeError)):
        with pytest.raises(error, match=r"EarlyStopping\(\): patience"):
            EarlyStopping(**wrong)


def test_names_of_metrics_are_kept_apart():
    model, data = nn.Linear(1, 1), [(ones(4, 1), ones(4, 1))]
    plain = evaluate(model, data, nn.MSELoss())
    named = evaluate(model, data, nn.MSELoss(), {"count": lambda o, t: 100.0, "total": lambda o, t: 3.0})
    assert named == {**plain, "count": 100.0, "total": 3.0}
    for name in ("loss", "seconds", "validation_loss", "lr"):
        with pytest.raises(ValueError, match=f"no metric can be named '{name}'"):
            evaluate(model, data, nn.MSELoss(), {name: lambda o, t: 100.0})


def f1(output, target):
    predicted, actual = output.array.argmax(1), target.array
    return 2 * (predicted & actual).sum() / (predicted.sum() + actual.sum())


def test_metrics_are_of_the_whole_set():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((640, 2)).astype(np.float32)
    y = (rng.random(640) < 0.03).astype(np.int64)
    y[192:] = 0
    x += [2, 0]
    x[y == 1, 1] += 3
    model = nn.Identity()
    loader = DataLoader(TensorDataset(x, y), batch_size=64)
    whole = f1(Tensor(x), Tensor(y))
    assert evaluate(model, loader, CE, {"f1": f1}) == {"loss": pytest.approx(CE(Tensor(x), Tensor(y)).item(), rel=1e-6),
                                                       "f1": pytest.approx(whole, rel=1e-12)}
    batches = [f1(Tensor(x[i : i + 64]), Tensor(y[i : i + 64])) for i in range(0, 640, 64)]
    assert abs(np.mean(batches) - whole) > 0.01, "a case in which the mean over batches is another number"
    layer = nn.Linear(2, 2)
    optimizer = optim.SGD(layer.parameters(), lr=0.0)
    history = fit(layer, loader, optimizer, CE, validation=loader, metrics=[f1], callbacks=[])
    assert history["f1"] == history["validation_f1"] == [pytest.approx(f1(layer(Tensor(x)), Tensor(y)), rel=1e-12)]


def padded():
    """Two batches of sequences, one nearly all padding (class 0)."""
    rng = np.random.default_rng(1)
    logits = rng.standard_normal((6, 4, 5)).astype(np.float32)
    targets = rng.integers(1, 4, (6, 5))
    targets[4:, 1:] = 0
    return logits, targets


LOSSES = [
    nn.CrossEntropyLoss(ignore_index=0),
    nn.CrossEntropyLoss(tensor([1.0, 5.0, 1.0, 0.5]), ignore_index=0),
    nn.CrossEntropyLoss(ignore_index=0, label_smoothing=0.1),
    nn.CrossEntropyLoss(ignore_index=0, reduction="sum"),
    nn.NLLLoss(ignore_index=0),
    lambda o, t: F.cross_entropy(o * 1.5, t, ignore_index=0),
]


@pytest.mark.parametrize("loss", LOSSES)
def test_the_loss_of_a_set_is_that_of_one_batch(loss):
    logits, targets = padded()
    whole = loss(Tensor(logits), Tensor(targets)).item()
    for cuts in ((4,), (1, 4), (2, 3)):
        batches = [(Tensor(x), Tensor(t)) for x, t in zip(np.split(logits, cuts), np.split(targets, cuts))]
        assert evaluate(nn.Identity(), batches, loss)["loss"] == pytest.approx(whole, rel=1e-6)


@pytest.mark.parametrize("loss", [nn.MSELoss(), nn.L1Loss(), nn.HuberLoss(), nn.MSELoss(reduction="sum"),
                                  nn.KLDivLoss(reduction="batchmean"), lambda o, t: (o - t).square().mean()])
def test_batches_of_unequal_size(loss):
    x, t = np.random.default_rng(2).random((2, 7, 3)).astype(np.float32)
    whole = loss(Tensor(x), Tensor(t)).item()
    batches = [(Tensor(x[:5]), Tensor(t[:5])), (Tensor(x[5:6]), Tensor(t[5:6])), (Tensor(x[6:]), Tensor(t[6:]))]
    assert evaluate(nn.Identity(), batches, loss)["loss"] == pytest.approx(whole, rel=1e-6)


def test_sequences_of_unequal_length_are_weighted_by_their_elements():
    short, long = Tensor(np.full((2, 1, 3), 1.0, np.float32)), Tensor(np.full((2, 9, 3), 2.0, np.float32))
    batches = [(x, Tensor(np.zeros_like(x.array))) for x in (short, long)]
    assert evaluate(nn.Identity(), batches, nn.MSELoss())["loss"] == pytest.approx((1 * 1 + 9 * 4) / 10)


def test_a_batch_without_targets_that_count_makes_no_step():
    model = nn.Linear(3, 2)
    optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    ignored = (ones(2, 3), tensor([-100, -100]))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        history = fit(model, [ignored, (ones(2, 3), tensor([0, 1])), ignored], optimizer, CE,
                      callbacks=[TerminateOnNaN()])
        assert history.steps == 1 and np.isfinite(model.weight.array).all() and math.isfinite(history["loss"][0])
        with pytest.raises(ValueError, match="epoch 1: none of the targets counts, all are ignored"):
            fit(model, [ignored], optimizer, CE, callbacks=[])


@pytest.mark.parametrize("spoil, cause", [
    (lambda x, t: x.__setitem__((3, 2), np.nan), r"the input has 1 NaN, first at \(3, 2\)"),
    (lambda x, t: x.__setitem__(0, np.inf), r"the input has 4 infinite, first at \(0, 0\)"),
    (lambda x, t: t.__setitem__((1, 0), np.nan), r"the target has 1 NaN, first at \(1, 0\)"),
])
def test_not_a_number_in_the_data_is_named(spoil, cause, capsys):
    x, t = np.ones((5, 4), np.float32), np.ones((5, 1), np.float32)
    spoil(x, t)
    model = nn.Linear(4, 1)
    before = model.weight.array.copy()
    fit(model, [(Tensor(x), Tensor(t))], optim.SGD(model.parameters(), lr=0.1), nn.MSELoss(), 3,
        callbacks=[TerminateOnNaN()])
    said = capsys.readouterr().err
    assert re.search(r"at epoch 1, step 1: " + cause, said) and "learning rate" not in said
    assert np.array_equal(model.weight.array, before), "the step is not made"


def test_not_a_number_in_weights_and_losses_is_named(capsys):
    model = nn.Linear(4, 1)
    data = [(ones(2, 4), ones(2, 1))]
    fit(model, data, optim.SGD(model.parameters(), lr=0.1), lambda o, t: (o - o - 1).sum().log(), 3,
        callbacks=[TerminateOnNaN()])
    assert "no step was made yet, and data and weights are finite; look at logarithms" in capsys.readouterr().err
    model.bias.array[:] = np.nan
    fit(model, data, optim.SGD(model.parameters(), lr=0.1), nn.MSELoss(), 3, callbacks=[TerminateOnNaN()])
    assert "parameter bias has 1 NaN, first at (0,)" in capsys.readouterr().err


def hand_written(model):
    optimizer = optim.SGD(model.parameters(), lr=0.01)
    for _ in range(3):
        optimizer.zero_grad()
        model(randn(4, 3)).square().sum().backward()
        optimizer.step()


def saved_modes(model):
    with preserved(model):
        pass


def woken_by_hand(model):
    model.eval()
    for module in model.modules():
        module.training = True


@pytest.mark.parametrize("look", [
    saved_modes,
    woken_by_hand,
    lambda model: summary(model, (4, 3)),
    lambda model: plots.plot_activations(model, randn(1, 3)) if plots.available() else None,
    lambda model: evaluate(model, [(randn(4, 3), tensor([0, 1, 0, 1]))], CE),
])
def test_looking_at_a_model_does_not_bring_a_false_warning(look):
    mistakes.forget()
    model = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3), nn.Linear(3, 2))
    look(model)
    assert all(modes(model))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        hand_written(model)
    mistakes.forget()


def test_a_history_takes_the_short_name_of_validation():
    history = History()
    history.epochs.append({"validation_loss": 2.0})
    assert history["val_loss"] == [2.0]
