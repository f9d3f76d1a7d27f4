"""What was public at commit a2206b2 still is; a package exports the lists of its modules, and nothing by accident."""

import importlib
import json
import pathlib
import pydoc
import subprocess
import sys
import textwrap
import types

import pytest

NAMES = json.loads((pathlib.Path(__file__).parent / "public_names.json").read_text(encoding="utf-8"))
JOINED = ["autograd_nn", "autograd_nn.nn", "autograd_nn.nn.functional"]  # of the lists of their modules
SUBMODULES = {"autograd", "backends", "devices", "mistakes", "nn", "optim", "utils", "functional", "init"}


@pytest.mark.parametrize("path", NAMES)
def test_public_names_stay(path):
    module = importlib.import_module(path)
    exported = {}
    exec(f"from {path} import *", exported)
    for name in NAMES[path]:
        assert getattr(module, name) is exported[name]
    assert set(NAMES[path]) <= set(module.__all__)
    assert set(module.__all__) <= set(dir(module))
    assert len(set(module.__all__)) == len(module.__all__)


@pytest.mark.parametrize("path", JOINED)
def test_nothing_is_public_by_accident(path):
    module = importlib.import_module(path)
    assert not [name for name in module.__all__ if name.startswith("_")]
    of_numpy = {"dtype", "cfloat", "cdouble", "complex64", "complex128"}
    for name in set(module.__all__) - set(NAMES[path]) - of_numpy:
        value = getattr(module, name)
        assert not isinstance(value, types.ModuleType) or name in SUBMODULES, f"{path}.{name} is a module"
        home = getattr(value, "__module__", None) or type(value).__module__
        assert home.startswith("autograd_nn"), f"{path}.{name} is of {home}"
        assert "typing" not in home, f"{path}.{name} is a type of signatures"


@pytest.mark.parametrize("path", JOINED)
def test_help_names_what_is_public(path):
    text = pydoc.plaintext.document(importlib.import_module(path))
    missing = [name for name in NAMES[path] if name not in text]
    assert not missing


@pytest.mark.slow
def test_a_type_checker_knows_the_names(tmp_path):
    """The packages' lists are computed, which no checker follows: it goes by the imports."""
    (tmp_path / "script.py").write_text(
        "from autograd_nn import Tensor, exp, nn, optim, zeros\nfrom autograd_nn.nn import *\n"
        "import autograd_nn.nn.functional as F\n\n"
        + textwrap.dedent("""
        class Net(Module):
            def __init__(self) -> None:
                super().__init__()
                self.layer = Linear(2, 3)

            def forward(self, x: Tensor) -> Tensor:
                return F.relu(self.layer(exp(x)))

        net = Net()
        step = optim.SGD(net.parameters(), lr=0.1)
        y: Tensor = nn.Sequential(net)(zeros(1, 2)).sum().reshape(-1)
        """)
    )
    command = [sys.executable, "-m", "mypy", "--strict", "--follow-imports=silent", "script.py"]  # as when installed
    environment = {"MYPYPATH": str(pathlib.Path(__file__).parents[1]), "PATH": ""}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
