"""Copies, deep copies and pickles of what a user holds, kinds of loaders in `fit`, averages over unequal batches.

Schedules and optimizers have their own tables in tests/optim/test_restoring.py.
"""

import copy
import pickle

import numpy as np
import pytest

import autograd_nn as ag
from autograd_nn import nn, optim
from autograd_nn.data import DataLoader, IterableDataset, Subset, TensorDataset, WeightedRandomSampler
from autograd_nn.training import (
    EMA,
    Callback,
    CSVLogger,
    EarlyStopping,
    JSONLinesLogger,
    ModelCheckpoint,
    ProgressBar,
    Schedule,
    TerminateOnNaN,
    evaluate,
    fit,
)
from autograd_nn.training.measures import metric_names, named_metric

COPIES = [copy.copy, copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))]
every_copy = pytest.mark.parametrize("duplicate", COPIES, ids=["copy", "deepcopy", "pickle"])
X = ag.tensor(np.random.default_rng(0).standard_normal((20, 3)).astype(np.float32))
LABELS = ag.tensor(np.arange(20) % 2)


def network():
    ag.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 2))


def doubled(module, inputs, output):
    return output * 2


def halved(module, gradients, output):
    return (gradients[0] / 2,)


# ------------------------------------------------------------------------------------ copies


@every_copy
@pytest.mark.parametrize("register", [
    lambda m: m[0].register_forward_hook(doubled),
    lambda m: m[2].register_full_backward_hook(halved),
    lambda m: m.eval(),
    lambda m: m[1].eval(),
    lambda m: m[0].requires_grad_(False),
])  # fmt: skip
def test_a_model_with_hooks_modes_and_frozen_layers(register, duplicate):
    model = network()
    register(model)
    copied = duplicate(model)
    assert [m.training for m in copied.modules()] == [m.training for m in model.modules()]
    found = []
    for net in (model, copied):
        net.zero_grad()
        out = net(X)
        out.square().sum().backward()
        found.append([out.tolist(), *[None if p.grad is None else p.grad.tolist() for p in net.parameters()]])
    assert found[0] == found[1]


@every_copy
@pytest.mark.parametrize("settings", [{}, {"num_workers": 2}, {"prefetch": 0}])
def test_a_loader_in_the_middle_of_an_epoch(settings, duplicate):
    """The copy begins an epoch of its own; the loop that is under way does not notice."""
    def batches(loader):
        return [x.tolist() for x, _ in loader]

    loader = DataLoader(TensorDataset(X, LABELS), 4, shuffle=True, seed=3, **settings)
    whole = batches(DataLoader(TensorDataset(X, LABELS), 4, shuffle=True, seed=3, **settings))
    under_way = iter(loader)
    first = [next(under_way)[0].tolist() for _ in range(2)]
    copied = duplicate(loader)
    assert sorted(x for batch in batches(copied) for x in batch) == sorted(X.tolist())
    assert first + batches(under_way) == whole


CALLBACKS = {
    "EMA": lambda o, path: EMA(0.9),
    "EarlyStopping": lambda o, path: EarlyStopping("validation_loss"),
    "ModelCheckpoint": lambda o, path: ModelCheckpoint(path / "best.ckpt"),
    "Schedule": lambda o, path: Schedule(optim.lr_scheduler.StepLR(o, 1)),
    "TerminateOnNaN": lambda o, path: TerminateOnNaN(),
    "ProgressBar": lambda o, path: ProgressBar(),
    "CSVLogger": lambda o, path: CSVLogger(path / "log.csv"),
    "JSONLinesLogger": lambda o, path: JSONLinesLogger(path / "log.jsonl"),
    "Callback": lambda o, path: Callback(),
}


@every_copy
@pytest.mark.parametrize("name", CALLBACKS)
def test_callbacks_after_a_run(name, duplicate, tmp_path, capsys):
    model = network()
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    callback = CALLBACKS[name](optimizer, tmp_path)
    history = fit(model, [(X, LABELS)], optimizer, nn.CrossEntropyLoss(), 2, [(X, LABELS)], callbacks=[callback])
    copied = duplicate(callback)
    assert type(copied) is type(callback)
    if hasattr(callback, "state_dict"):
        assert repr(copied.state_dict()) == repr(callback.state_dict())
    assert duplicate(history).epochs == history.epochs


def answers(name):
    rng = np.random.default_rng(1)
    if name in ("mae", "mse", "rmse", "r2"):
        return [ag.tensor(rng.standard_normal((20, 1)).astype(np.float32)) for _ in range(2)]
    return ag.tensor(rng.standard_normal((20, 2)).astype(np.float32)), ag.tensor(rng.integers(0, 2, 20))


METRICS = [*metric_names(), "top2", "f1_macro", "recall_micro", "precision_weighted"]


@pytest.mark.parametrize("duplicate", COPIES[1:], ids=["deepcopy", "pickle"])
@pytest.mark.parametrize("name", METRICS)
def test_metrics_in_the_middle_of_a_set(name, duplicate):
    output, target = answers(name)
    metric, whole = named_metric(name), named_metric(name)
    metric.update(output[:9], target[:9])
    copied = duplicate(metric)
    before = np.asarray(metric.compute())
    copied.update(output[9:], target[9:])
    whole.update(output, target)
    np.testing.assert_allclose(copied.compute(), whole.compute(), rtol=1e-6)
    np.testing.assert_array_equal(metric.compute(), before)


@every_copy
def test_a_compiled_model(duplicate):
    model = network().eval()
    compiled = ag.compile(model)
    expected = compiled(X).tolist()
    np.testing.assert_allclose(duplicate(compiled)(X).tolist(), expected, rtol=1e-6)


@every_copy
@pytest.mark.parametrize("make", [
    lambda: ag.Generator(1), lambda: X.shape, lambda: X.device, lambda: nn.Parameter(ag.ones(2)), lambda: ag.no_grad(),
    lambda: optim.swa_utils.AveragedModel(network()), lambda: TensorDataset(X, LABELS), lambda: ag.GradScaler(),
    lambda: Subset(TensorDataset(X, LABELS), [1, 2]), lambda: nn.CrossEntropyLoss(weight=ag.ones(2)),
    lambda: nn.ModuleList([nn.Linear(2, 2)]), lambda: nn.ParameterList([nn.Parameter(ag.ones(2))]),
    lambda: nn.LazyLinear(3), lambda: nn.LSTM(2, 2), lambda: ag.distributions.Normal(0.0, 1.0),
    lambda: WeightedRandomSampler([1.0, 2.0], 3), lambda: optim.Adam([nn.Parameter(ag.ones(2))]),
])  # fmt: skip
def test_all_else_that_is_held(make, duplicate):
    value = make()
    copied = duplicate(value)
    assert type(copied) is type(value)
    if isinstance(value, nn.Module):
        assert [p.shape for p in copied.buffers()] == [p.shape for p in value.buffers()]


# ------------------------------------------------------------------------------------ loaders


class Stream(IterableDataset):
    def __iter__(self):
        return iter([(x, t) for x, t in zip(X.numpy(), LABELS.numpy())])


class Named(nn.Module):
    """Takes its input by name, from batches that are dicts."""

    def __init__(self):
        super().__init__()
        self.net = network()

    def forward(self, image):
        return self.net(image)


PARTS = [slice(0, 9), slice(9, 17), slice(17, 20)]
LOADERS = {
    "a list": lambda: [(X[s], LABELS[s]) for s in PARTS],
    "a tuple in a list": lambda: [[X[s], LABELS[s]] for s in PARTS],
    "an iterator": lambda: iter([(X[s], LABELS[s]) for s in PARTS]),
    "a generator": lambda: ((X[s], LABELS[s]) for s in PARTS),
    "arrays in batches": lambda: [(X[s].numpy(), LABELS[s].numpy()) for s in PARTS],
    "arrays": lambda: (X.numpy(), LABELS.numpy()),
    "tensors": lambda: (X, LABELS),
    "DataLoader": lambda: DataLoader(TensorDataset(X, LABELS), 9),
    "IterableDataset": lambda: DataLoader(Stream(), 9),
    "dicts": lambda: [{"image": X[s], "label": LABELS[s]} for s in PARTS],
    "dicts with an iterator": lambda: iter([{"image": X[s], "label": LABELS[s]} for s in PARTS]),
}


@pytest.mark.parametrize("kind", LOADERS)
def test_every_kind_of_loader_measures_the_whole_set(kind):
    """Batches are of 9, 8 and 3 examples: the loss and the metrics are those of one batch of all."""
    model = Named().eval()
    right = evaluate(model, [(X, LABELS)], nn.CrossEntropyLoss(), ["f1", "auc", "accuracy"])
    found = evaluate(model, LOADERS[kind](), nn.CrossEntropyLoss(), ["f1", "auc", "accuracy"])
    assert found == pytest.approx(right, rel=1e-5)
    history = fit(model, LOADERS[kind](), optim.SGD(model.parameters(), lr=0.0), nn.CrossEntropyLoss(), 1,
                  LOADERS[kind](), callbacks=[], metrics=["f1", "auc"])  # fmt: skip
    assert history.epochs[-1]["validation_f1"] == pytest.approx(right["f1"], rel=1e-5)
    assert history.epochs[-1]["validation_loss"] > 0 and len(history) == 1


@pytest.mark.parametrize("loader", [[], iter([]), DataLoader(TensorDataset(X[:0], LABELS[:0]), 4),
                                    DataLoader(TensorDataset(X[:3], LABELS[:3]), 4, drop_last=True)])
def test_a_loader_without_batches_is_named(loader):
    model = network()
    with pytest.raises(ValueError, match=r"fit\(\): .*(no batch|no samples)"):
        fit(model, loader, optim.SGD(model.parameters(), lr=0.1), nn.CrossEntropyLoss(), callbacks=[])


@pytest.mark.parametrize("name", METRICS)
def test_metrics_do_not_depend_on_the_batches(name):
    output, target = answers(name)
    loss = nn.MSELoss() if name in ("mae", "mse", "rmse", "r2") else nn.CrossEntropyLoss()
    values = [evaluate(nn.Identity(), [(output[s], target[s]) for s in parts], loss, [name])
              for parts in ([slice(None)], PARTS, [slice(i, i + 1) for i in range(20)])]
    for found in values[1:]:
        np.testing.assert_allclose(found[name], values[0][name], rtol=1e-5)
        assert found["loss"] == pytest.approx(values[0]["loss"], rel=1e-5)


@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("ignored", [0, 7, 9])
def test_ignored_targets_count_nothing(ignored, reduction):
    target = LABELS.clone()
    target[:ignored] = -100
    loss = nn.CrossEntropyLoss(reduction=reduction)
    model = network().eval()
    right = loss(model(X), target).item()
    found = evaluate(model, [(X[s], target[s]) for s in PARTS], loss)
    assert found["loss"] == pytest.approx(right, rel=1e-5)


@pytest.mark.parametrize("update", [
    lambda model: optim.swa_utils.update_bn([X], model),
    lambda model: evaluate(model, [(X, LABELS)], nn.CrossEntropyLoss()),
    lambda model: fit(model, [(X, LABELS)], optim.SGD(model.parameters(), lr=0.1), nn.CrossEntropyLoss(), 1,
                      [(X, LABELS)], callbacks=[EMA(0.9)]),
])  # fmt: skip
def test_modes_are_as_they_were(update):
    model = nn.Sequential(network(), nn.Dropout(0.1))
    model[0][1].eval()
    before = [m.training for m in model.modules()]
    update(model)
    assert [m.training for m in model.modules()] == before
