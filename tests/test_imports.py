"""Imports point down, from what a user sees to the engine and the kernels, and none is inside a function."""

import ast
import pathlib

import pytest

import autograd_nn as ag

PACKAGE = pathlib.Path(ag.__file__).parent
LAYERS = [["kernels", "engine", "typing"], ["missing", "devices", "ops"], ["tensor", "ops.composed"]]


def _layer(module):
    known = {name: level for level, names in enumerate(LAYERS) for name in names}
    return known.get(module, known.get(module.split(".")[0], len(LAYERS)))


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_down(path):
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    tree = ast.parse(path.read_text())
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    inside = [node for function in functions for node in ast.walk(function)]
    assert not any(isinstance(node, ast.Import | ast.ImportFrom) for node in inside), "an import inside a function"
    if parts == ("__init__",):
        return
    own = _layer(".".join(parts))
    package = parts[:-1]
    for_checkers = {id(node) for branch in ast.walk(tree) if isinstance(branch, ast.If)
                    and getattr(branch.test, "id", "") == "TYPE_CHECKING" for node in branch.body}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.level and id(node) not in for_checkers:
            base = package[: len(package) - node.level + 1]
            modules = [node.module] if node.module else [alias.name for alias in node.names]
            for target in [".".join((*base, module)) for module in modules]:
                assert _layer(target) <= own, f"{path.name} imports {target} from above"
                if own == 0 and parts[0] == "kernels":
                    assert target.startswith("kernels"), f"a kernel imports {target}"
                if parts[0] == "engine":
                    assert target.startswith(("engine", "typing")), f"the engine imports {target}"
                if own > 2:
                    assert not target.startswith("kernels.") or parts[0] in ("optim", "data", "__main__"), target
