"""The reference describes every public name and its rule at ties, and the examples in docstrings do what they show."""

import contextlib
import doctest
import importlib
import importlib.util
import pathlib
import pkgutil
import sys
import tempfile

import pytest

import autograd_nn

ROOT = pathlib.Path(__file__).parents[1]


@pytest.fixture(scope="module")
def reference():
    spec = importlib.util.spec_from_file_location("reference", ROOT / "docs" / "reference.py")
    module = sys.modules["reference"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    del sys.modules["reference"]


def as_it_is(docstring, name):
    return docstring


def test_every_public_name_is_described(reference):
    pages = [page for pages in reference.pages(as_it_is).values() for page in pages]
    assert sum(len(page.names) for page in pages) > 800
    for page in pages:
        text = page.text() + "\n.. py:"
        for entry in text.split("\n.. py:")[1:-1]:
            lines = [line for line in entry.splitlines()[1:] if line.strip() and not line.startswith("   :module:")]
            assert lines, f"{page.name}: {entry.splitlines()[0]} has no docstring"


def test_no_public_name_is_left_out(reference):
    for module in reference.MODULES:
        if module != "autograd_nn.Tensor":
            assert set(importlib.import_module(module).__all__) >= {name for name, _ in reference.members(module)}
    shown = {name for module in reference.MODULES for name, _ in reference.members(module)}
    assert {"exp", "Conv2d", "Adam", "DataLoader", "fit", "summary", "gradcheck", "reshape_as"} <= shown


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("relu", "derivative at 0 is 0"),
        ("clamp", "1 between the bounds and at them"),
        ("amax", "ties share the gradient evenly"),
        ("maximum", "tie"),
        ("cumprod", "exact where elements are 0"),
        ("eq", "No gradient"),
    ],
)
def test_rules_at_ties_and_kinks_are_in_the_reference(reference, name, rule):
    entry = " ".join(reference.Writer(as_it_is).entry("autograd_nn", name, getattr(autograd_nn, name)))
    assert rule in " ".join(entry.split())


def test_an_alias_is_described_once(reference):
    writer = reference.Writer(as_it_is)
    first = writer.entry("autograd_nn", "absolute", autograd_nn.abs)
    assert "The same as" not in " ".join(first)
    assert "The same as :py:obj:`autograd_nn.absolute`" in " ".join(writer.entry("autograd_nn", "abs", autograd_nn.abs))


def test_stars_before_names_are_no_emphasis(reference):
    assert reference.escaped("shape (*input.shape, *rest)") == r"shape (\*input.shape, \*rest)"
    assert reference.escaped("``f(*args)`` and *this*") == "``f(*args)`` and *this*"


MODULES = [
    info.name
    for info in pkgutil.walk_packages(autograd_nn.__path__, "autograd_nn.")
    if not info.name.endswith("__main__")
]


NEED_ONNX = ["autograd_nn.saving.onnx.exporting.writing", "autograd_nn.saving.onnx.importing.module"]
NEEDED = {  # examples that need a package of an extra
    "autograd_nn.data.folder.ImageFolder": ("PIL", "data"),
    "autograd_nn.data.folder.read_image": ("PIL", "data"),
    "autograd_nn.data.transforms.colour.ToPILImage": ("PIL", "data"),
    "autograd_nn.sklearn.estimators.NetClassifier": ("sklearn", "sklearn"),
    "autograd_nn.sklearn.estimators.NetRegressor": ("sklearn", "sklearn"),
    "autograd_nn.sklearn.pruning.OptunaPruning": ("optuna", "sklearn"),
    "autograd_nn.training.loggers.TensorBoardLogger": ("tensorboardX", "data"),
}
LARGE = [f"autograd_nn.training.models.convolutional.vgg{layers}" for layers in (11, 13, 16, 19)]  # 0.6 GB each


def run_examples(name, folder, wanted):
    """Run those examples of a module that are wanted, each in a folder of its own."""
    finder = doctest.DocTestFinder(exclude_empty=True)
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE)
    for example in filter(wanted, finder.find(importlib.import_module(name))):
        with contextlib.chdir(tempfile.mkdtemp(dir=folder)):
            runner.run(example)
    assert not runner.failures
    return runner.tries


@pytest.mark.parametrize("name", ["autograd_nn", *(name for name in MODULES if name not in NEED_ONNX)])
def test_examples(name, tmp_path):
    run_examples(name, tmp_path, lambda example: example.name not in [*NEEDED, *LARGE])


@pytest.mark.parametrize("name", NEED_ONNX)
def test_examples_with_onnx(name, tmp_path):
    pytest.importorskip("onnx")
    run_examples(name, tmp_path, lambda example: True)


@pytest.mark.parametrize(
    ("name", "package"),
    [pytest.param(name, package, marks=getattr(pytest.mark, mark)) for name, (package, mark) in NEEDED.items()],
)
def test_examples_with_an_extra(name, package, tmp_path):
    pytest.importorskip(package)
    assert run_examples(name.rpartition(".")[0], tmp_path, lambda example: example.name == name)


@pytest.mark.slow
@pytest.mark.parametrize("name", LARGE)
def test_examples_of_large_networks(name, tmp_path):
    assert run_examples(name.rpartition(".")[0], tmp_path, lambda example: example.name == name)


def test_no_example_is_skipped():
    for path in (ROOT / "autograd_nn").rglob("*.py"):
        assert "doctest: +SKIP" not in path.read_text(encoding="utf-8"), path


def test_every_public_name_has_an_example(reference):
    names = {}
    for module in reference.MODULES:
        for name, value in reference.members(module):
            value = reference.plain(value)
            if callable(value):
                names.setdefault(id(value), (f"{module}.{name}", ">>> " in (value.__doc__ or "")))
    assert len(names) > 1300
    assert not [name for name, shown in names.values() if not shown], "no example"
