"""Links between the files of the repository lead somewhere."""

import pathlib
import re
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[2]
TOP = sorted(ROOT.glob("*.md"))
SITE = [path for path in sorted((ROOT / "docs").rglob("*.md")) if not {"_build", "project"} & {*path.parts}]


@pytest.mark.parametrize("path", TOP + SITE, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_to_files(path):
    text = re.sub(r"^```.*?^```", "", path.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    targets = re.findall(r"\]\(([^)\s]+)\)", text)
    inside = [target.split("#")[0] for target in targets if not re.match(r"[a-z]+:|#", target)]
    generated = ("reference/index.rst", "../reference/index.rst")
    missing = [target for target in inside if target not in generated and not (path.parent / target).exists()]
    assert not missing


@pytest.mark.parametrize("path", [ROOT / "README.md", ROOT / "docs" / "install.md"], ids=lambda path: path.name)
def test_tables_are_narrow(path):
    text = path.read_text(encoding="utf-8")
    assert not [line for line in text.splitlines() if line.startswith("|") and line.count("|") > 5]


def test_dead_links_of_a_site_are_found(tmp_path):
    (tmp_path / "a.html").write_text(
        '<a id="here" href="b.html#there">b</a> <a href="#here">a</a> <a href="https://x.y">x</a>'
    )
    (tmp_path / "b.html").write_text('<a href="a.html#gone">a</a> <img src="no.png"> <a href="a.html?x=1#here">a</a>')
    command = [sys.executable, ROOT / "docs" / "dead_links.py", tmp_path]
    ran = subprocess.run(command, capture_output=True, text=True)
    assert ran.returncode == 1
    assert sorted(ran.stdout.split("\n")[:4]) == [
        "5 links, 3 dead",
        "a.html: b.html#there",
        "b.html: a.html#gone",
        "b.html: no.png",
    ]
    (tmp_path / "b.html").write_text('<a id="there" href="a.html#here">a</a>')
    assert subprocess.run(command, capture_output=True).returncode == 0


def test_commands_of_make_exist():
    rules = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE))
    for path in TOP + SITE + [ROOT / ".ci" / "run"]:
        text = path.read_text(encoding="utf-8")
        called = set(re.findall(r"(?:`|^\$ |^)make ([a-z-]+)", text, flags=re.MULTILINE))
        assert called <= rules, f"{path}: make {called - rules}"


def test_the_ci_script_is_valid_shell():
    subprocess.run(["bash", "-n", ROOT / ".ci" / "run"], check=True)
