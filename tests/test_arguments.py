"""Every public name answers an argument of another kind with an error that names what was called and what was given."""

import collections.abc
import inspect
import pickle
import re
import typing
import warnings

import numpy as np
import pytest

import autograd_nn as ag
from autograd_nn import data, nn, optim, training
from autograd_nn.engine import arguments

KINDS = [
    lambda: None,
    lambda: "abc",
    lambda: ["a"],
    object,
    dict,
    lambda: [None],
    tuple,
    lambda: b"x",
    lambda: abs,
    lambda: 1j,
    lambda: np.array(["a"]),
    lambda: ag,
    lambda: int,
]
WRONG = (
    AttributeError,
    KeyError,
    IndexError,
    ZeroDivisionError,
    NameError,
    AssertionError,
    StopIteration,
    RecursionError,
)
ROOMS = {
    "": ag,
    "nn.functional.": nn.functional,
    "nn.": nn,
    "nn.init.": nn.init,
    "nn.utils.": nn.utils,
    "optim.": optim,
    "optim.lr_scheduler.": optim.lr_scheduler,
    "optim.clip.": optim.clip,
    "data.": data,
    "data.transforms.": data.transforms,
    "training.": training,
    "autograd.": ag.autograd,
}
LEFT_OUT = {
    "load", "save", "manual_seed", "set_num_threads", "set_default_dtype", "set_default_device",
    "set_printoptions", "set_grad_enabled", "seed", "iinfo", "finfo", "dtype", "device", "data.MNIST", "data.EMNIST",
    "data.FashionMNIST", "data.IDXDataset", "data.load_arrays", "data.write_idx", "data.Subset", "data.read_csv",
    "training.CSVLogger", "training.JSONLinesLogger", "training.TensorBoardLogger",
}  # fmt: skip  # they change settings, open files, are NumPy's, or take any sequence


def public_names():
    """Return what can be called, by name: functions, classes, methods of a tensor."""
    found = {}
    for prefix, module in ROOMS.items():
        for name in module.__all__:
            value = getattr(module, name)
            if callable(value) and prefix + name not in LEFT_OUT:
                found[prefix + name] = value
    for name in dir(ag.Tensor):
        value = getattr(ag.Tensor, name, None)
        if not name.startswith("_") and callable(value) and not isinstance(value, type | property):
            found[f"Tensor.{name}"] = getattr(ag.ones(2, 3), name)
    return found


NAMES = public_names()


def plausible(accepted):
    """Return a value that an annotation accepts."""
    parts = arguments._parts(accepted)
    if any(map(arguments._is_tensor, parts)):
        return ag.ones(2, 3)
    if arguments._is_dtype(parts):
        return ag.float32
    for part in parts:
        kind = typing.get_origin(part) or part
        if kind in (int, float, bool, str):
            return {int: 1, float: 0.5, bool: True, str: "mean"}[kind]
        if kind is typing.Literal:
            return typing.get_args(part)[0]
        if kind in (tuple, list, collections.abc.Sequence, collections.abc.Iterable):
            inner = typing.get_args(part)
            return [ag.ones(2, 3) if inner and arguments._is_tensor(inner[0]) else 1]
    return ag.ones(2, 3)


def calls(function, kinds):
    """Yield calls with one argument of another kind each: its name, the positional and the keyword arguments."""
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except ValueError:  # of a class written in C
        return
    try:
        constructor = function.__init__ if isinstance(function, type) else function
        annotations = typing.get_type_hints(inspect.unwrap(constructor), localns=arguments._ALIASES)
    except (NameError, TypeError):
        annotations = {}
    for i, chosen in enumerate(parameters):
        for kind in kinds(i):
            positional, keywords = [], {}
            for parameter in parameters:
                value = kind() if parameter is chosen else plausible(annotations.get(parameter.name, typing.Any))
                if parameter.kind is parameter.VAR_KEYWORD:
                    continue
                if parameter.default is not parameter.empty or parameter.kind is parameter.KEYWORD_ONLY:
                    if parameter is chosen or parameter.default is parameter.empty:
                        keywords[parameter.name] = value
                else:
                    positional.append(value)
            yield chosen.name, positional, keywords


def check(name, kinds):
    last = name.rpartition(".")[2].strip("_")
    for argument, positional, keywords in calls(NAMES[name], kinds):
        try:
            NAMES[name](*positional, **keywords)
        except WRONG as error:
            raise AssertionError(f"{name}({argument}=...): {type(error).__name__}: {error}") from error
        except Exception as error:
            text = str(error)
            named = re.match(r"[\w.]+\(\)|[A-Z]\w+: |[\w.]+ ", text) or last.lower() in text.lower()
            assert named, f"{name}({argument}=...): {type(error).__name__}: {error}"


@pytest.fixture(autouse=True)
def _quiet(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # a string may be the name of a file
    monkeypatch.setattr(nn.module, "_everywhere", {})  # a function may have been taken for a hook of all modules
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        yield
    ag.autograd.set_detect_anomaly(False)  # for all that follows, it may have been turned on


@pytest.mark.parametrize("part", range(8))
def test_one_kind_for_each_argument(part):
    for place, name in enumerate(NAMES):
        if place % 8 == part:
            check(name, lambda i, place=place: [KINDS[(place + 5 * i) % len(KINDS)]])


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_every_kind_for_each_argument(name):
    check(name, lambda i: KINDS)


X = ag.ones(2, 3)


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (lambda: ag.reshape(None, (2,)), TypeError, r"reshape\(\): input must be a tensor \(input=None\)"),
        (lambda: ag.mv([1], X), TypeError, r"mv\(\): x must be a tensor \(x=\[1\], a list\); use tensor"),
        (lambda: ag.hstack([None]), TypeError, r"hstack\(\): tensors must be a sequence of tensors"),
        (lambda: ag.sum(X, "x"), TypeError, r"sum\(\): dim must be an integer, .* or None \(dim='x', a str\)"),
        (lambda: ag.exp("x"), TypeError, r"exp\(\): x must be a tensor, an array or a number \(x='x', a str\)"),
        (lambda: ag.mul(X, object()), TypeError, r"mul\(\): y must be a tensor, an array or a number \(y=<object"),
        (lambda: ag.add(X, None), TypeError, r"add\(\): other must be a tensor, an array, .* \(other=None\)"),
        (lambda: ag.arange(None), TypeError, r"arange\(\): start must be .* \(start=None\)"),
        (lambda: ag.zeros(X), TypeError, r"zeros\(\): size\[0\] must be an integer or a sequence of integers"),
        (lambda: nn.Linear(None, 3), (TypeError, ValueError), r"Linear.*in_features"),
        (lambda: nn.Linear(3, 2)([1.0, 2.0]), TypeError, r"Linear\(\): .*input must be a tensor .*a list"),
        (lambda: nn.CrossEntropyLoss()(X, None), TypeError, r"CrossEntropyLoss\(\): target must be a tensor .*None"),
        (lambda: nn.Linear(3, 2).register_forward_hook(3), TypeError, r"register_forward_hook\(\): .*hook"),
        (lambda: X.expand_as(None), TypeError, r"Tensor.expand_as\(\): other must be a tensor"),
        (lambda: optim.lr_scheduler.StepLR(None, 3), TypeError, r"StepLR.*optimizer"),
    ],
)
def test_messages(call, kind, message):
    with pytest.raises(kind, match=message):
        call()


def test_errors_of_others_pass_unchanged():
    def hook(module, args):
        raise KeyError("mine")

    layer = nn.Linear(3, 2)
    layer.register_forward_pre_hook(hook)
    with pytest.raises(KeyError, match="mine"):
        layer(X)

    class Data(data.Dataset):
        def __len__(self):
            return 2

        def __getitem__(self, i):
            raise AttributeError("mine")

    with pytest.raises(AttributeError, match="mine"):
        next(iter(data.DataLoader(Data())))
    with pytest.raises(ZeroDivisionError):
        ag.utils.checkpoint.checkpoint(lambda x: x * (1 / 0), X)


def test_functions_are_pickled_and_described():
    assert pickle.loads(pickle.dumps(ag.reshape)) is ag.reshape
    assert pickle.loads(pickle.dumps(nn.functional.linear)) is nn.functional.linear
    assert ag.reshape.__name__ == "reshape" and list(inspect.signature(ag.reshape).parameters) == ["input", "shape"]


IMAGES = np.random.default_rng(0).standard_normal((2, 3, 8, 8)).astype(np.float32)
ROWS = IMAGES[0, 0]


@pytest.mark.parametrize("function", [
    lambda x: nn.Sequential(nn.Conv2d(3, 2, 3), nn.ReLU(), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(18, 2))(x(IMAGES)),
    lambda x: nn.Sequential(nn.Linear(8, 4), nn.ReLU())(x(ROWS)),
    lambda x: nn.Sequential(nn.BatchNorm2d(3), nn.MaxPool2d(2))(x(IMAGES)),
    lambda x: nn.LayerNorm(8)(x(ROWS)) + nn.GELU()(x(ROWS)),
    lambda x: nn.functional.softmax(ag.matmul(x(ROWS), x(ROWS)), 1),
    lambda x: ag.cat([x(ROWS), ag.ones(1, 8)]),
    lambda x: nn.functional.cross_entropy(ag.tensor(ROWS), x(np.arange(8))),
    lambda x: nn.functional.mse_loss(ag.tensor(ROWS), x(ROWS)),
    lambda x: ag.tensor(ROWS).view_as(x(IMAGES[1, 1])),
    lambda x: nn.functional.interpolate(x(IMAGES), scale_factor=2),
])
def test_arrays_take_the_place_of_tensors(function):
    ag.manual_seed(0)
    expected = function(ag.tensor)
    ag.manual_seed(0)
    np.testing.assert_array_equal(function(lambda array: array).numpy(force=True), expected.numpy(force=True))


def test_a_module_that_is_given_an_array_runs_once():
    norm = nn.BatchNorm2d(3)
    norm(IMAGES)
    assert norm.num_batches_tracked.item() == 1
