"""CONTRIBUTING and ARCHITECTURE speak of files, names and commands that exist."""

import importlib
import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).parents[2]
PAGES = [ROOT / "CONTRIBUTING.md", ROOT / "ARCHITECTURE.md"]
FOLDERS = "autograd_nn", "tests", "docs", "benchmarks", "notebooks", ".ci"


def quoted(path):
    """Return what a page has in backticks outside of its blocks, and the lines of its console blocks."""
    text = path.read_text(encoding="utf-8")
    commands = re.findall(r"^\$ (.*?)(?:\s+#.*)?$", text, flags=re.MULTILINE)
    text = re.sub(r"^ *```.*?^ *```", "", text, flags=re.DOTALL | re.MULTILINE)
    return [*(" ".join(part.split()) for part in re.findall(r"`([^`]+)`", text)), *commands]


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_paths_exist(path):
    words = [word.rstrip(",;:") for part in quoted(path) for word in part.split()]
    files = [word for word in words if word.startswith(tuple(f"{folder}/" for folder in FOLDERS))]
    assert len(files) > 8
    assert not [file for file in files if not (ROOT / file.split("::")[0]).exists()]


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_names_exist(path):
    missing = []
    for part in quoted(path):
        if match := re.fullmatch(r"(autograd_nn(?:\.\w+)+)(?:\(\))?", part):
            module, _, name = match[1].rpartition(".")
            if not hasattr(importlib.import_module(module), name):
                missing.append(part)
    assert not missing


def test_modules_that_are_run_exist():
    pages = [path for path in (ROOT / "docs").rglob("*.md") if not {"_build", "project"} & {*path.parts}]
    modules = set()
    for path in [*ROOT.glob("*.md"), *pages]:
        modules |= set(re.findall(r"python3? -m ([\w.]*\w)", path.read_text(encoding="utf-8")))
    ours = {module.replace(".", "/") for module in modules - {"build", "pytest", "venv"}}
    assert len(ours) > 10
    assert not [name for name in ours if not ((ROOT / name / "__main__.py").exists() or (ROOT / f"{name}.py").exists())]


def test_line_counts_are_about_right():
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\|[^|]*\| `([^`]+\.py)` \| (\d+) \|$", text, flags=re.MULTILINE)
    assert len(rows) >= 8
    for file, said in rows:
        lines = len((ROOT / file).read_text(encoding="utf-8").splitlines())
        assert 2 / 3 * lines <= int(said) <= 4 / 3 * lines, f"{file} has {lines} lines"
