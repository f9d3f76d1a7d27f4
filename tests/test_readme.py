"""The Python blocks of the README run, one after another."""

import pathlib
import re

README = pathlib.Path(__file__).parent.parent / "README.md"


def test_the_code_blocks_run(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", README.read_text(), flags=re.DOTALL)
    assert len(blocks) >= 4
    names = {}
    for block in blocks:
        exec(compile(block, str(README), "exec"), names)
    assert names["history"]["validation_accuracy"][-1] > 0.94
    assert "validation_accuracy" in capsys.readouterr().out
    assert (tmp_path / "weights.png").read_bytes().startswith(b"\x89PNG")


def test_what_the_readme_counts_is_there():
    text = " ".join(README.read_text(encoding="utf-8").split())
    scripts = [path for path in (README.parent / "tests" / "scripts").glob("*.py") if path.stem != "__init__"]
    assert f"`tests/scripts/` has {len(scripts)} of them" in text
    porting = (README.parent / "docs" / "guides" / "porting.md").read_text(encoding="utf-8")
    assert f"`tests/scripts/` has {len(scripts)} such scripts" in porting
    rows = re.findall(r"^\|.*\|$", README.read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert max(row.count("|") - 1 for row in rows) <= 4
