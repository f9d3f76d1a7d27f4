"""The notebooks as committed: run in order, without errors, small, and without traces of a machine; their exercises.

That they run is tested by ``make notebooks``.
"""

import contextlib
import importlib
import io
import itertools
import json
import pathlib
import re
import runpy
import sys
import xml.etree.ElementTree

import matplotlib.pyplot as plt
import pytest

ROOT = pathlib.Path(__file__).parents[1]
HERE = ROOT / "notebooks"
NOTEBOOKS = sorted(HERE.glob("*.ipynb"))
TOPICS = sorted(path.stem for path in (HERE / "checks").glob("*.py") if path.stem != "__init__")
PICTURES = sorted((HERE / "pictures").glob("*.svg"))
TRAINED = ("own_data", "regularisation")  # their solutions train networks

each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
each_topic = pytest.mark.parametrize("topic", TOPICS)


@pytest.fixture
def at_home(monkeypatch):
    """What the notebooks import lies beside them."""
    monkeypatch.syspath_prepend(str(HERE))
    yield
    for name in [name for name in sys.modules if name == "course" or name.partition(".")[0] == "checks"]:
        del sys.modules[name]


def text_of(path):
    """Return the cells of a notebook as one text."""
    return "\n".join("".join(cell["source"]) for cell in json.loads(path.read_text(encoding="utf-8"))["cells"])


def exercises(topic):
    """Return the exercises of a topic, by number."""
    module = importlib.import_module(f"checks.{topic}")
    names = sorted(name for name in vars(module) if re.fullmatch(r"exercise_\d+", name))
    assert names == [f"exercise_{number}" for number in range(1, len(names) + 1)]
    return [getattr(module, name) for name in names]


def said(function, *answers):
    """Return what a function prints."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        function(*answers)
    return out.getvalue()


@each_notebook
def test_a_notebook_reads_well_as_it_is(path):
    assert path.stat().st_size < 500_000
    text = path.read_text(encoding="utf-8")
    notebook = json.loads(text)
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code" and cell["source"]]
    assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1)), "run from top to bottom"
    outputs = [output for cell in code for output in cell["outputs"]]
    assert not [output for output in outputs if output["output_type"] == "error"]
    assert any(data.startswith("image/") for output in outputs for data in output.get("data", {}))
    assert not any("widget" in data for output in outputs for data in output.get("data", {})), "shown by no host"
    assert set(notebook["metadata"]) <= {"kernelspec", "language_info"}
    assert not any(cell["metadata"] for cell in notebook["cells"])
    shown = re.sub(r'"image/png": "[^"]*"', "", text)
    assert not re.search(r"/home/|/root/|/tmp/|/Users/", shown)
    assert all(len("".join(cell["source"]).splitlines()) <= 30 for cell in code), "short cells"


@each_notebook
def test_links_and_pictures_are_there(path):
    for target in re.findall(r"\]\((\w[\w./]+\.(?:ipynb|svg))\)", text_of(path)):
        assert (path.parent / target).exists()


@each_notebook
def test_files_that_a_notebook_names_exist(path):
    for target in re.findall(r"`((?:autograd_nn|notebooks)/[\w./]+)`", text_of(path)):
        assert (ROOT / target).exists(), target


def test_the_thread_runs_from_start_to_end():
    for path, following in itertools.pairwise(NOTEBOOKS):
        assert re.search(rf"^# {path.name[:2]}\. ", text_of(path))
        assert f"**Next:** [{following.name[:2]}]({following.name})" in text_of(path)


def test_the_readme_names_every_notebook():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert NOTEBOOKS and all(f"notebooks/{path.name}" in readme for path in NOTEBOOKS)


@each_topic
def test_each_exercise_is_in_its_notebook_and_begins_open(topic, at_home):
    (text,) = [text for text in map(text_of, NOTEBOOKS) if f"from checks import {topic} as check" in text]
    assert 2 <= len(exercises(topic)) <= 4
    for number, exercise in enumerate(exercises(topic), 1):
        assert f"check.exercise_{number}(" in text and f"**{number}.** " in text
        assert said(exercise, ...) == f"Exercise {number}: put your answer in the place of ...\n"
    assert f"`notebooks/solutions/{topic}.py`" in text and "**Question.**" in text


@each_topic
def test_what_is_no_answer_gets_a_hint(topic, at_home):
    for number, exercise in enumerate(exercises(topic), 1):
        assert said(exercise, "no answer").startswith(f"Exercise {number}: not yet. ")


@pytest.mark.parametrize("topic", [pytest.param(t, marks=pytest.mark.slow) if t in TRAINED else t for t in TOPICS])
def test_solutions_are_right(topic, at_home):
    printed = said(runpy.run_path, str(HERE / "solutions" / f"{topic}.py"))
    plt.close("all")
    expected = [f"Exercise {number}: right!" for number in range(1, len(exercises(topic)) + 1)]
    assert printed.splitlines() == expected


@pytest.mark.parametrize("path", PICTURES, ids=lambda path: path.stem)
def test_a_picture_is_used_and_says_what_it_shows(path):
    svg = xml.etree.ElementTree.parse(path).getroot()
    assert svg.find("{http://www.w3.org/2000/svg}title").text
    assert any(f"](pictures/{path.name})" in text_of(notebook) for notebook in NOTEBOOKS)
    ink = set(re.findall(r"#[0-9a-f]{6}\b", path.read_text(encoding="utf-8")))
    assert all(0.15 < brightness(colour) < 0.6 for colour in ink), "readable on white and on black"


def brightness(colour):
    """Return the luminance of a colour, as WCAG defines it."""
    shares = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [s / 12.92 if s <= 0.04045 else ((s + 0.055) / 1.055) ** 2.4 for s in shares]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
