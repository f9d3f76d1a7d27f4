"""The notebooks as committed: run in order, without errors, small, and without traces of a machine.

That they run is tested by ``make notebooks``.
"""

import json
import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
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
    assert not re.search(r"/home/|/root/|/tmp/|/Users/", text)
    assert all(len("".join(cell["source"]).splitlines()) <= 30 for cell in code), "short cells"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_links_between_notebooks_lead_somewhere(path):
    for target in re.findall(r"\]\(([\w.]+\.ipynb)\)", path.read_text(encoding="utf-8")):
        assert (path.parent / target).exists()


def test_the_readme_names_every_notebook():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert NOTEBOOKS and all(f"notebooks/{path.name}" in readme for path in NOTEBOOKS)
