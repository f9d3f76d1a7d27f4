"""Imports point down, from what a user sees to the engine and the kernels; none is in a circle or in a function.

All imports count: relative and absolute ones, those for type checkers, and those inside functions.
"""

import ast
import pathlib

import pytest

import autograd_nn as ag

PACKAGE = pathlib.Path(ag.__file__).parent
FILES = sorted([*PACKAGE.rglob("*.py"), *PACKAGE.rglob("*.pyi")])

# From the bottom to the top: what stands in a row imports from its own row and the rows below it.
ROWS = """
typing kernels engine missing devices moved
ops
tensor
autograd nn optim data saving testing parallel func array_api
compiled
training distributions sparse
look
torch_names utils sklearn linalg fft special masked onnx distributed as_torch
"""
LEVEL = {room: level for level, row in enumerate(ROWS.split("\n")) for room in row.split()}
ALONE = {  # rooms at the bottom see of each other no more than this
    "typing": {"typing"},
    "kernels": {"kernels"},
    "engine": {"engine", "typing"},
    "missing": {"missing"},
    "devices": {"devices"},
    "moved": {"moved"},
}
# Rooms that call kernels or set the number of threads.
KERNELS_FOR = {"ops", "optim", "compiled", "parallel", "__main__", ""}
UPWARD = {  # imports that point up, each with its reason
    ("typing.tensor", "tensor"): "for type checkers alone (a stub): they know the class that operations return",
}


def name_of(path):
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {name_of(path) for path in FILES}


def imported(path):
    """Yield the modules of the package that a file imports, with the node of each import."""
    package = path.relative_to(PACKAGE).parts[:-1]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found = [alias.name for alias in node.names]
            yield from ((name.partition(".")[2], node) for name in found if name.split(".")[0] == PACKAGE.name)
        if not isinstance(node, ast.ImportFrom):
            continue
        if node.level:
            base = ".".join([*package[: len(package) - node.level + 1], *(node.module or "").split(".")]).strip(".")
        elif (node.module or "").split(".")[0] == PACKAGE.name:
            base = node.module.partition(".")[2]
        else:
            continue
        for alias in node.names:
            module = f"{base}.{alias.name}".strip(".")
            yield module if module in MODULES else base, node


def by_name(path):
    return name_of(path) or "the package"


@pytest.mark.parametrize("path", FILES, ids=by_name)
def test_imports_point_down(path):
    name = name_of(path)
    room = name.split(".")[0]
    for module, _ in imported(path):
        target = module.split(".")[0]
        if (name, module) in UPWARD or room in ("", "__main__"):
            continue
        if room in ALONE:
            assert target in ALONE[room], f"{name} imports {module}; {room} knows {', '.join(sorted(ALONE[room]))} only"
        assert target in LEVEL, f"{name} imports {module}, which has no row in this file"
        assert LEVEL[target] <= LEVEL[room], f"{name} imports {module} from above"
        assert target != "kernels" or room in KERNELS_FOR | {"kernels"}, f"{name} calls a kernel; that is for ops"


def test_every_exception_is_needed():
    found = {(name_of(path), module) for path in FILES for module, _ in imported(path)}
    assert set(UPWARD) <= found, f"no longer imported: {sorted(set(UPWARD) - found)}"


@pytest.mark.parametrize("path", [path for path in FILES if path.suffix == ".py"], ids=by_name)
def test_no_import_is_inside_a_function(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    inside = [node for function in functions for node in ast.walk(function)]
    assert not any(isinstance(node, ast.Import | ast.ImportFrom) for node in inside)


def test_no_module_imports_itself_in_a_circle():
    """The stub of `typing.tensor` counts as what it stands for: a circle that no running program sees."""
    graph = {name_of(path): {module for module, _ in imported(path)} for path in FILES if path.suffix == ".py"}
    done, path = set(), []

    def visit(module):
        assert module not in path, f"a circle: {' -> '.join([*path[path.index(module):], module])}"
        if module in done:
            return
        path.append(module)
        for other in sorted(graph.get(module, ())):
            if other != module:
                visit(other)
        done.add(path.pop())

    for module in sorted(graph):
        visit(module)


def test_few_modules_stand_at_the_root():
    assert len(list(PACKAGE.glob("*.py"))) <= 8
