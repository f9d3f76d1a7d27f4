"""Marks come from the packages that tests ask for; with --require a skip is a failure; --sample thins a table."""

import pathlib

import pytest

pytest_plugins = ["pytester"]

MODULE = """
import pytest

def helper():
    return pytest.importorskip("{package}")

@pytest.fixture
def fixture():
    return helper()

def test_needs_nothing():
    pass

def test_asks():
    pytest.importorskip("{package}.sub")

def test_calls():
    helper()

def test_takes(fixture):
    pass

@pytest.mark.parametrize("n", range(10))
def test_table(n):
    pass
"""


@pytest.fixture
def suite(pytester, monkeypatch):
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    pytester.makeini("[pytest]\nmarkers =\n" + "".join(f"    {m}\n" for m in ("torch", "sklearn", "onnx", "notebooks")))
    pytester.makeconftest((pathlib.Path(__file__).parent / "conftest.py").read_text(encoding="utf-8"))
    return pytester


@pytest.fixture
def missing(monkeypatch):
    """Hide a package from the inner run, which happens in this process."""
    monkeypatch.setitem(__import__("sys").modules, "onnx", None)


def test_a_skip_passes_unless_its_extra_is_required(suite, missing):
    suite.makepyfile(MODULE.format(package="onnx"))
    suite.inline_run().assertoutcome(passed=11, skipped=3)
    suite.inline_run("--require=torch").assertoutcome(passed=11, skipped=3)
    suite.inline_run("--require=onnx").assertoutcome(passed=11, failed=3)
    suite.inline_run("-m", "onnx").assertoutcome(skipped=3)
    suite.inline_run("--sample=5").assertoutcome(passed=3, skipped=3)


def test_a_test_that_needs_two_extras_fails_only_where_both_are_required(suite, missing):
    suite.makepyfile(
        "import pytest\n\ndef test_both():\n    pytest.importorskip('onnx')\n    pytest.importorskip('sklearn')\n"
    )
    suite.inline_run("--require=onnx").assertoutcome(skipped=1)
    suite.inline_run("--require=onnx", "--require=sklearn").assertoutcome(failed=1)


@pytest.mark.parametrize(
    "line",
    ["onnx = pytest.importorskip('onnx')", "pytestmark = pytest.mark.onnx\npytest.skip('no', allow_module_level=True)"],
)
def test_a_module_that_is_skipped_whole_fails_too(suite, missing, line):
    suite.makepyfile(f"import pytest\n\n{line}\n\ndef test_it():\n    pass\n")
    suite.inline_run("-m", "onnx").assertoutcome(skipped=1)
    result = suite.runpytest("-m", "onnx", "--require=onnx")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*was skipped, but --require asks for it*"])
