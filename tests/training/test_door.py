"""What fit, evaluate and predict accept as data, and what they say to everything else."""

import numpy as np
import pytest

from autograd_nn import Tensor, nn, ones, optim, tensor
from autograd_nn.data import DataLoader, TensorDataset
from autograd_nn.training import Accuracy, EarlyStopping, ModelCheckpoint, Schedule, evaluate, fit, predict


def parts():
    model = nn.Linear(3, 2)
    return model, optim.SGD(model.parameters(), lr=0.1)


DATA = [(ones(4, 3), tensor([0, 1, 0, 1]))]
X, Y = np.ones((4, 3)), np.array([0, 1, 0, 1])
CE = nn.CrossEntropyLoss()


@pytest.mark.parametrize(
    "given, error, message",
    [
        ({"loader": TensorDataset(X, Y)}, TypeError,
         r"fit\(\): loader must yield \(input, target\) batches; got a TensorDataset: wrap it, DataLoader\(dataset, "
         r"batch_size=32, shuffle=True\)"),
        ({"loader": ones(4, 3)}, TypeError, r"got a Tensor of shape \(4, 3\) alone: where is the target\?"),
        ({"loader": X}, TypeError, r"got a ndarray of shape \(4, 3\) alone"),
        ({"loader": [X, Y]}, TypeError, r"for arrays write a tuple, \(X, y\)"),
        ({"loader": None}, TypeError, r"fit\(\): loader must be a DataLoader .* got None"),
        ({"loader": "train.csv"}, TypeError, r"got the string 'train.csv'"),
        ({"loader": 3}, TypeError, r"got a int"),
        ({"loader": [ones(4, 3)] * 3}, TypeError, r"for arrays write a tuple"),
        ({"loader": iter([ones(4, 3)])}, TypeError, r"must yield \(input, target\) batches.* got a Tensor of shape "
                                                    r"\(4, 3\) .*autoencoder give \(x, x\)"),
        ({"loader": DataLoader(TensorDataset(X), batch_size=2)}, TypeError, r"got a tuple of 1 \(Tensor\)"),
        ({"loader": [{"x": ones(4, 3), "z": tensor([0, 1, 0, 1])}]}, ValueError, r"needs one target among its keys"),
        ({"loader": (X, Y[:3])}, ValueError, r"same number of samples, got 4, 3"),
        ({"loader": (X, np.array(["a", "b", "a", "b"]))}, TypeError, r"array 2 of loader must hold numbers"),
        ({"loader": (X[:0], Y[:0])}, ValueError, r"loader has no samples"),
        ({"loader": []}, ValueError, r"epoch 1: the loader yielded no batch; is it empty\?"),
        ({"loader": DataLoader(TensorDataset(X, Y), batch_size=8, drop_last=True)}, ValueError, r"drop_last=True, and "
                                                                                                r"fewer samples"),
        ({"model": DATA}, TypeError, r"model must be a Module, got a list .*the order is \(model, loader, optimizer"),
        ({"model": nn.Linear}, TypeError, r"got the class Linear: make it first, Linear\(\.\.\.\)"),
        ({"model": None}, TypeError, r"model must be a Module, got None"),
        ({"optimizer": "adam"}, TypeError, r"optimizer must be an Optimizer, got the string 'adam'; write "
                                           r"optim.Adam\(model.parameters\(\)"),
        ({"optimizer": optim.SGD}, TypeError, r"got the class SGD; write optim.SGD\(model.parameters"),
        ({"loss": nn.CrossEntropyLoss}, TypeError, r"got the class CrossEntropyLoss: make it first, "
                                                   r"nn.CrossEntropyLoss\(\)"),
        ({"loss": "crossentropi"}, ValueError, r"loss 'crossentropi' is not known; did you mean cross"),
        ({"loss": None}, TypeError, r"loss must be a function loss\(output, target\).* got None"),
        ({"loss": nn.CrossEntropyLoss(reduction="none")}, ValueError, r"one number, got a tensor of shape \(4,\)"),
        ({"loss": lambda o, t: 3.0}, TypeError, r"loss must return a tensor, got a float"),
        ({"epochs": 2.0}, TypeError, r"epochs must be a whole number, got a float"),
        ({"epochs": -1}, ValueError, r"epochs must be at least 0"),
        ({"metrics": ["acuracy"]}, ValueError, r"metric 'acuracy' is not known; did you mean accuracy"),
        ({"metrics": [lambda o, t: 1.0]}, TypeError, r"function without a name in a list: use a dict"),
        ({"metrics": 3}, TypeError, r"metrics must be names, functions or Metric objects"),
        ({"metrics": [Accuracy]}, TypeError, r"got the class Accuracy: make it first"),
        ({"metrics": {"loss": "accuracy"}}, ValueError, r"no metric can be named 'loss'"),
        ({"metrics": {"seconds": "accuracy"}}, ValueError, r"no metric can be named 'seconds'"),
        ({"metrics": ["accuracy", "accuracy"]}, ValueError, r"two metrics are named 'accuracy'"),
        ({"metrics": {"m": lambda o, t: None}}, TypeError, r"metric 'm': must return a number or an array, got None"),
        ({"callbacks": [EarlyStopping]}, TypeError, r"got the class EarlyStopping: make it first"),
        ({"callbacks": "bar"}, TypeError, r"callbacks must be a list of Callback objects, got the string 'bar'"),
        ({"callbacks": [3]}, TypeError, r"must be Callback objects, got a int"),
        ({"callbacks": EarlyStopping("validation_los"), "validation": DATA}, KeyError, r"will have no "
         r"'validation_los'; it will have loss, validation_loss, seconds; did you mean 'validation_loss'"),
        ({"callbacks": [ModelCheckpoint("x", "auc")]}, KeyError, r"ModelCheckpoint\(\): the history will "
                                                                   r"have no 'auc'"),
        ({"history": {}}, TypeError, r"history must be a History"),
        ({"clip": 0}, ValueError, r"clip must be positive"),
        ({"clip": "1"}, TypeError, r"clip must be a number"),
        ({"accumulate": 0}, ValueError, r"accumulate must be at least 1"),
        ({"validate_every": 0}, ValueError, r"validate_every must be at least 1"),
        ({"validation": 1.5}, ValueError, r"a fraction between 0 and 1"),
        ({"validation": 0.5}, ValueError, r"needs arrays \(X, y\) to cut a share off"),
        ({"validation": TensorDataset(X, Y)}, TypeError, r"validation must yield .* got a TensorDataset: wrap it"),
        ({"validation": []}, ValueError, r"epoch 1: validation yielded no batch"),
        ({"class_weight": "even"}, ValueError, r"class_weight must be 'balanced'"),
        ({"class_weight": "balanced"}, ValueError, r"needs arrays \(X, y\) or a DataLoader"),
        ({"class_weight": [1.0, -1.0]}, ValueError, r"at least 0 and finite"),
        ({"class_weight": [1, 1], "loss": nn.MSELoss()}, ValueError, r"needs a loss of classes"),
        ({"class_weight": [1, 1], "loss": nn.CrossEntropyLoss(tensor([1.0, 2.0]))}, ValueError, "has a weight already"),
        ({"ema": 1.0}, ValueError, r"EMA\(\): decay must be a number of \[0, 1\)"),
        ({"schedule": 0.1}, TypeError, r"scheduler must be an LRScheduler"),
    ],
)
def test_what_fit_refuses(given, error, message):
    model, optimizer = parts()
    arguments = {"model": model, "loader": DATA, "optimizer": optimizer, "loss": CE, "callbacks": [], **given}
    with pytest.raises(error, match=message):
        fit(**arguments)


def test_a_schedule_of_another_optimizer():
    model, optimizer = parts()
    _, other = parts()
    with pytest.raises(ValueError, match="schedule belongs to another optimizer"):
        fit(model, DATA, optimizer, CE, schedule=Schedule(optim.lr_scheduler.StepLR(other, 1)), callbacks=[])


def test_a_generator_is_used_up_after_an_epoch():
    model, optimizer = parts()
    with pytest.raises(ValueError, match="epoch 2: the loader yielded no batch; a generator is used up after one "
                                         "epoch: give a list, or a DataLoader"):
        fit(model, iter(DATA), optimizer, CE, 3, callbacks=[])
    with pytest.raises(ValueError, match="epoch 2: validation yielded no batch; a generator is used up"):
        fit(model, DATA, optimizer, CE, 3, iter(DATA), callbacks=[])
    with pytest.raises(ValueError, match=r"evaluate\(\): the loader yielded no batch"):
        evaluate(model, [], CE)
    with pytest.raises(ValueError, match=r"predict\(\): the loader yielded no batch"):
        predict(model, [])


class Sum(nn.Module):
    """Two inputs under the names a and b."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(3, 2)

    def forward(self, a, b):
        return self.linear(a + b)


class Record(nn.Module):
    """One dict as the input."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(3, 2)

    def forward(self, record):
        return self.linear(record["a"] + record["b"])


A, B = np.random.default_rng(0).standard_normal((2, 8, 3)).astype(np.float32)
T = np.array([0, 1] * 4)


@pytest.mark.parametrize("kind", [Sum, Record])
@pytest.mark.parametrize(
    "make",
    [
        lambda a, b, t: [{"a": a, "b": b, "labels": t}],
        lambda a, b, t: [{"a": a, "b": b, "y": t}],
        lambda a, b, t: [({"a": a, "b": b}, t)],
        lambda a, b, t: ({"a": a.numpy(), "b": b.numpy()}, t.numpy()),
        lambda a, b, t: {"a": a.numpy(), "b": b.numpy(), "target": t.numpy()},
    ],
)
def test_dicts(kind, make):
    model = kind()
    a, b, t = Tensor(A), Tensor(B), Tensor(T)
    expected = nn.functional.cross_entropy(model.linear(a + b), t).item()
    data = make(a, b, t)
    assert evaluate(model, data, CE)["loss"] == pytest.approx(expected, rel=1e-6)
    before = model.linear.weight.array.copy()
    fit(model, data, optim.SGD(model.parameters(), lr=0.1), CE, callbacks=[])
    assert not np.array_equal(model.linear.weight.array, before)
    assert predict(model, data).shape == (8, 2)


@pytest.mark.parametrize("make", [lambda a, b, t: [(a, b, t)], lambda a, b, t: [[a, b, t]],
                                  lambda a, b, t: [((a, b), t)], lambda a, b, t: (A, B, T),
                                  lambda a, b, t: DataLoader(TensorDataset(A, B, T), batch_size=3)])
def test_several_inputs(make):
    model = Sum()
    a, b, t = Tensor(A), Tensor(B), Tensor(T)
    data = make(a, b, t)
    expected = nn.functional.cross_entropy(model(a, b), t).item()
    assert evaluate(model, data, CE)["loss"] == pytest.approx(expected, rel=1e-6)
    assert np.allclose(predict(model, data).array, model(a, b).array)
    fit(model, data, optim.SGD(model.parameters(), lr=0.1), CE, callbacks=[])


def test_the_target_of_a_dict_can_be_named():
    model = Sum()
    batch = {"a": Tensor(A), "b": Tensor(B), "kind": Tensor(T)}
    assert evaluate(model, [batch], CE, target="kind") == evaluate(model, [(Tensor(A), Tensor(B), Tensor(T))], CE)
    with pytest.raises(ValueError, match="a batch that is a dict needs one target among its keys, named 'what'"):
        evaluate(model, [batch], CE, target="what")


def test_arrays_of_every_kind_give_the_same_run():
    def trained(data, **settings):
        model = nn.Linear(3, 1)
        model.weight.array[:], model.bias.array[:] = 0.1, 0.0
        fit(model, data, optim.SGD(model.parameters(), lr=0.1), "mse", 3, shuffle=False, callbacks=[], **settings)
        return model.weight.array.copy()

    expected = trained(DataLoader(TensorDataset(A, (A @ [[1.0], [2.0], [3.0]]).astype(np.float32)), batch_size=32))
    y = A.astype(float) @ [1.0, 2.0, 3.0]
    for data in ((A, y), (A.astype(np.float64), y.astype(np.float32)), (Tensor(A), Tensor(y)),
                 (A.tolist(), y.tolist()), (A, y[:, None])):
        assert np.allclose(trained(data), expected, atol=1e-6)
    pandas = pytest.importorskip("pandas")
    assert np.allclose(trained((pandas.DataFrame(A.astype(float)), pandas.Series(y))), expected, atol=1e-6)
    with pytest.raises(TypeError, match="array 1 of loader must hold numbers; these columns do not: kind"):
        trained((pandas.DataFrame({"kind": ["a"] * 8, "x": A[:, 0]}), y))


def test_a_fraction_of_arrays_is_held_out():
    model, optimizer = nn.Linear(3, 2), None
    optimizer = optim.SGD(model.parameters(), lr=0.0)
    history = fit(model, (A, T), optimizer, "cross_entropy", validation=0.25, callbacks=[])
    expected = evaluate(model, (A[-2:], T[-2:]), CE)["loss"]
    assert history["validation_loss"] == [pytest.approx(expected, rel=1e-6)]
    assert history["loss"] == [pytest.approx(evaluate(model, (A[:-2], T[:-2]), CE)["loss"], rel=1e-6)]


def test_predict():
    model = nn.Sequential(nn.Linear(3, 2), nn.Dropout(0.5))
    expected = model[0](Tensor(A)).array
    for data in (A, A.astype(float), Tensor(A), (A,), (A, T), TensorDataset(A, T), TensorDataset(A),
                 DataLoader(TensorDataset(A, T), batch_size=3), [Tensor(A[:4]), Tensor(A[4:])]):
        out = predict(model, data, batch_size=3)
        assert np.allclose(out.array, expected, atol=1e-6) and not out.requires_grad and model[1].training
    with pytest.raises(TypeError, match=r"predict\(\): data must be an array"):
        predict(model, "x")

    class Two(nn.Module):
        def forward(self, x):
            return {"double": x * 2, "sum": x.sum(1)}

    out = predict(Two(), A, batch_size=3)
    assert np.allclose(out["double"].array, 2 * A) and out["sum"].shape == (8,)
