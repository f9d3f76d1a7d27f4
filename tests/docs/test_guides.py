"""Every Python block of the documentation runs, page by page, each page from top to bottom in an empty folder."""

import ast
import pathlib
import re
import sys
import textwrap

import pytest

DOCS = pathlib.Path(__file__).parents[2] / "docs"
NEEDED = {
    "PIL": "data",
    "pandas": "data",
    "polars": "data",
    "sklearn": "sklearn",
    "onnx": "onnx",
    "onnxruntime": "onnx",
    "mpi4py": "distributed",
}


def blocks(path):
    """Return the Python blocks of a page with the numbers of their first lines."""
    text = path.read_text(encoding="utf-8")
    found = re.finditer(r"^( *)```python\n(.*?)^ *```", text, flags=re.DOTALL | re.MULTILINE)
    return [(text.count("\n", 0, match.start(2)), textwrap.dedent(match[2])) for match in found]


def imported(path):
    """Return the packages that the blocks of a page import."""
    nodes = [node for _, block in blocks(path) for node in ast.walk(ast.parse(block))]
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module}
    return {name.split(".")[0] for name in names}


def case(path):
    marks = {NEEDED[package] for package in imported(path) if package in NEEDED}
    return pytest.param(path, id=path.stem, marks=[getattr(pytest.mark, mark) for mark in sorted(marks)])


WRITTEN = [path for path in sorted(DOCS.glob("**/*.md")) if not {"_build", "project"} & {*path.parts}]
PAGES = [path for path in [*WRITTEN, *sorted(DOCS.parent.glob("[A-Z]*.md"))] if path.stem != "README" and blocks(path)]


@pytest.mark.parametrize("path", [case(path) for path in PAGES])
def test_the_blocks_of_a_page_run(path, tmp_path, monkeypatch, capsys):
    for package in sorted(imported(path) & set(NEEDED)):
        pytest.importorskip(package)
    monkeypatch.chdir(tmp_path)
    names = {"__name__": path.stem}
    monkeypatch.setitem(sys.modules, path.stem, sys.modules[__name__])
    for line, block in blocks(path):
        exec(compile("\n" * line + block, str(path), "exec"), names)


def test_there_are_pages_with_blocks():
    assert len(PAGES) >= 10


def test_every_guide_is_listed():
    listed = (DOCS / "guides" / "index.md").read_text(encoding="utf-8").split()
    assert {path.stem for path in (DOCS / "guides").glob("*.md")} - {"index"} <= set(listed)
