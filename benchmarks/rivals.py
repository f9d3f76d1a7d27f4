"""The frameworks that we are measured against, as far as they are installed, and the threads that all of them use."""

from __future__ import annotations

import importlib
import os
import pathlib
import shutil
import subprocess
import tempfile
from types import ModuleType
from typing import Any

from autograd_nn.kernels.compile import get_num_threads, set_num_threads

EXTRA = "bench"
MODULES = ("torch", "keras", "mygrad", "autograd", "tinygrad", "jax", "onnxruntime", "sklearn", "skorch")
hidden: set[str] = set()
"""Rivals to treat as if they were not installed."""

os.environ.setdefault("KERAS_BACKEND", "torch")
os.environ.setdefault("DEV", "CPU")  # of tinygrad


def rival(name: str, absent: list[str]) -> ModuleType | None:
    """Return a rival's module, or None with a note of what installs it added to `absent`."""
    try:
        if name.split(".")[0] in hidden:
            raise ImportError(name)
        return importlib.import_module(name)
    except ImportError:
        note = f"{name.split('.')[0]} (pip install 'autograd_nn[{EXTRA}]')"
        if note not in absent:
            absent.append(note)
        return None


def compiles(absent: list[str]) -> bool:
    """Return whether a C++ compiler works, which ``torch.compile`` needs; say so where none does."""
    compiler = os.environ.get("CXX") or shutil.which("g++") or shutil.which("clang++")
    if compiler:
        with tempfile.TemporaryDirectory() as folder:
            source = pathlib.Path(folder, "probe.cpp")
            source.write_text("#include <vector>\nint main() { return std::vector<int>(1)[0]; }\n")
            command = [compiler, str(source), "-o", str(source.with_suffix(""))]
            if subprocess.run(command, capture_output=True, check=False).returncode == 0:
                return True
    absent.append("torch.compile (needs a C++ compiler, such as the package g++)")
    return False


def tinygrad(absent: list[str]) -> Any:
    """Return tinygrad, or None with a note added to `absent`: it compiles its kernels with clang at run time."""
    module: Any = rival("tinygrad", absent)
    if module is None or rival("tinygrad.nn", absent) is None:
        return None
    if os.environ["DEV"] == "CPU" and not shutil.which(os.environ.get("CC", "clang")):
        note = "tinygrad (is installed, but needs the compiler clang, such as the package clang)"
        if note not in absent:
            absent.append(note)
        return None
    return module


def use_threads(count: int) -> None:
    """Give every framework that is installed the same number of threads."""
    set_num_threads(count)
    torch: Any = rival("torch", [])
    if torch:
        torch.set_num_threads(count)
    tiny = tinygrad([])
    if tiny:
        tiny.helpers.NUM_CPU_THREADS.value = count
    pools: Any = rival("threadpoolctl", [])
    if pools:
        pools.threadpool_limits(count)


def threads_in_use() -> dict[str, int]:
    """Return the threads of each framework and of each library below it, as they report them."""
    found = {"autograd_nn": get_num_threads()}
    torch: Any = rival("torch", [])
    if torch:
        found["torch"] = torch.get_num_threads()
    tiny = tinygrad([])
    if tiny:
        found["tinygrad"] = tiny.helpers.NUM_CPU_THREADS.value
    pools: Any = rival("threadpoolctl", [])
    for pool in pools.threadpool_info() if pools else ():
        found[f"{pool['internal_api']} {pathlib.Path(pool['filepath']).name.split('.')[0]}"] = pool["num_threads"]
    return found
