"""Links between the files of the repository lead somewhere."""

import pathlib
import re
import subprocess

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


def test_commands_of_make_exist():
    rules = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE))
    for path in TOP + SITE + [ROOT / ".ci" / "run"]:
        text = path.read_text(encoding="utf-8")
        called = set(re.findall(r"(?:`|^\$ |^)make ([a-z-]+)", text, flags=re.MULTILINE))
        assert called <= rules, f"{path}: make {called - rules}"


def test_the_ci_script_is_valid_shell():
    subprocess.run(["bash", "-n", ROOT / ".ci" / "run"], check=True)
