"""The page of public names is up to date, and the examples in docstrings do what they show."""

import doctest
import importlib
import importlib.util
import pathlib
import pkgutil

import pytest

import autograd_nn

ROOT = pathlib.Path(__file__).parents[1]


@pytest.fixture(scope="module")
def generator():
    spec = importlib.util.spec_from_file_location("make_api", ROOT / "docs" / "make_api.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_is_up_to_date(generator):
    assert generator.PAGE.read_text(encoding="utf-8") == generator.page(), "run python docs/make_api.py"


def test_every_public_name_is_described(generator):
    rows = [generator.row(*member) for module in generator.MODULES for member in generator.members(module)]
    assert len(rows) > 800
    assert not [row for row in rows if row.endswith(": ")]


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
def test_rules_at_ties_and_kinks_are_on_the_page(generator, name, rule):
    assert rule in generator.row(name, getattr(autograd_nn, name))


MODULES = [
    info.name
    for info in pkgutil.walk_packages(autograd_nn.__path__, "autograd_nn.")
    if not info.name.endswith("__main__")
]


@pytest.mark.parametrize("name", ["autograd_nn", *MODULES])
def test_examples(name):
    finder = doctest.DocTestFinder(exclude_empty=True)
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE)
    for example in finder.find(importlib.import_module(name)):
        runner.run(example)
    assert not runner.failures


def test_there_are_examples():
    finder = doctest.DocTestFinder(exclude_empty=True)
    found = [example for name in MODULES for example in finder.find(importlib.import_module(name)) if example.examples]
    assert len(found) >= 10
