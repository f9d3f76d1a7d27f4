"""Which tests need what: marks from the packages that a test asks for, skips that fail, and a sample of a table.

A test that calls ``pytest.importorskip("torch")`` is marked ``torch``, and so for the packages of each extra; a module
that calls it at its top marks all of its tests. ``pytest -m torch --require=torch`` runs these tests and fails those
that were skipped, so that a package that is missing in CI is not taken for a test that passed. ``--sample=N`` runs one
case in N of each table.
"""

import ast
import functools
import pathlib
import re

import pytest

NEEDED_BY = {
    "torch": ("torch",),
    "data": ("PIL", "pandas", "polars", "tensorboardX"),
    "sklearn": ("sklearn", "joblib"),
    "onnx": ("onnx", "onnxruntime"),
    "distributed": ("mpi4py",),
    "notebooks": ("IPython", "ipykernel", "ipywidgets", "jupyter_client", "keras", "nbmake"),
    "docs": ("furo", "myst_nb", "sphinx"),
}
MARK_OF = {package: mark for mark, packages in NEEDED_BY.items() for package in packages}


def pytest_addoption(parser):
    parser.addoption(
        "--require",
        action="append",
        default=[],
        choices=list(NEEDED_BY),
        metavar="EXTRA",
        help=f"fail where a test that needs this is skipped (may be given again): {', '.join(NEEDED_BY)}",
    )
    parser.addoption("--sample", type=int, default=1, metavar="N", help="run one case in N of each table of cases")


def asked_for(node):
    """Return the marks of the packages that the code under a node asks for by importorskip."""
    calls = [n for n in ast.walk(node) if isinstance(n, ast.Call) and n.args and isinstance(n.args[0], ast.Constant)]
    calls = [n for n in calls if getattr(n.func, "attr", getattr(n.func, "id", "")) == "importorskip"]
    packages = {str(n.args[0].value).split(".")[0] for n in calls}
    return frozenset(MARK_OF[package] for package in packages if package in MARK_OF)


@functools.cache
def marks_of(path):
    """Return the marks of a whole module, and those of each function in it."""
    tree = ast.parse(pathlib.Path(path).read_text(encoding="utf-8"))
    functions = [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)]
    top = [n for n in tree.body if not isinstance(n, ast.FunctionDef | ast.ClassDef)]
    marks = [
        n.attr
        for node in top
        for n in ast.walk(node)
        if isinstance(n, ast.Attribute)
        and n.attr in NEEDED_BY
        and isinstance(n.value, ast.Attribute)
        and n.value.attr == "mark"
    ]
    whole = frozenset(marks).union(*map(asked_for, top))
    by_name = {function.name: asked_for(function) for function in functions}
    for function in functions:  # what a test calls and which fixtures it takes, in the same module
        called = {n.func.id for n in ast.walk(function) if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)}
        called |= {a.arg for a in function.args.args}
        by_name[function.name] = by_name[function.name].union(*(by_name[n] for n in called if n in by_name))
    return whole, by_name


def pytest_collection_modifyitems(config, items):
    for item in items:
        whole, by_name = marks_of(str(item.path))
        for mark in whole | by_name.get(getattr(item, "originalname", item.name), frozenset()):
            item.add_marker(getattr(pytest.mark, mark))
    step = config.getoption("sample")
    if step > 1:
        seen, kept, left = {}, [], []
        for item in items:
            if hasattr(item, "callspec"):
                place = seen[item.function] = seen.get(item.function, -1) + 1
                (left if place % step else kept).append(item)
            else:
                kept.append(item)
        items[:] = kept
        config.hook.pytest_deselected(items=left)


def lacks_a_package(report):
    """Return whether a test was skipped for want of a package of an extra, and not for a reason of its own."""
    if not report.skipped or hasattr(report, "wasxfail"):
        return False
    missing = re.search(r"could not import '(\w+)", str(report.longrepr))
    return missing is not None and missing[1] in MARK_OF


def failed(report, what):
    """Turn the report of a skip into a failure."""
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
    report.outcome = "failed"
    report.longrepr = f"{what} was skipped, but --require asks for it: {reason}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    needs = {mark.name for mark in item.iter_markers()} & set(NEEDED_BY)
    if lacks_a_package(report) and needs and needs <= set(item.config.getoption("require")):
        failed(report, item.nodeid)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector):
    report = yield
    if report.skipped and isinstance(collector, pytest.Module):
        needs = marks_of(str(collector.path))[0]
        if needs and needs <= set(collector.config.getoption("require")):
            failed(report, collector.nodeid)
    return report
