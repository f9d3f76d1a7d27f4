"""The wheel: pure, or with AUTOGRAD_NN_WHEEL=compiled one for Linux on x86-64 that holds compiled kernels.

All else stands in pyproject.toml. The compiled kernels are of the versions of Python, Numba and llvmlite that build the
wheel; where others are installed, the wheel serves as a pure one does.
"""

import os
import pathlib
import platform
import shutil
import subprocess
import sys
import tomllib

from setuptools import Distribution, setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_py import build_py

LEVELS = ("x86-64-v3", "x86-64-v4")
TAG = ("py3", "none", "manylinux_2_17_x86_64")  # no glibc is linked, but Numba asks for this one
CHOICE = os.environ.get("AUTOGRAD_NN_WHEEL", "pure")
if CHOICE not in ("pure", "compiled"):
    raise ValueError(f"AUTOGRAD_NN_WHEEL: expects pure or compiled (AUTOGRAD_NN_WHEEL={CHOICE})")
COMPILED = CHOICE == "compiled"
if COMPILED and (sys.platform, platform.machine()) != ("linux", "x86_64"):
    raise RuntimeError(f"AUTOGRAD_NN_WHEEL=compiled: needs Linux on x86-64 (this is {sys.platform})")


class Build(build_py):
    """Copy the sources; compile kernels from the copy."""

    def run(self):
        super().run()
        root = pathlib.Path(self.build_lib).resolve()
        if self.editable_mode:
            return
        shipped = root / "autograd_nn" / "kernels" / "shipped"
        shutil.rmtree(shipped, ignore_errors=True)
        if COMPILED:
            started = [self.start(level, shipped, root) for level in LEVELS]
            results = [process.wait() for process in started]
            if any(results):
                raise RuntimeError("the kernels of the wheel could not be compiled")

    def start(self, level, shipped, root):
        """Compile for a level, in a process of its own."""
        settings = {"NUMBA_CPU_NAME": level, "NUMBA_CPU_FEATURES": "", "NUMBA_DISABLE_INTEL_SVML": "1"}
        given = {name: value for name, value in os.environ.items() if name != "NUMBA_DISABLE_JIT"}
        command = [sys.executable, "-m", "autograd_nn.kernels", "ship", level, str(shipped)]
        environment = given | settings | {"AUTOGRAD_NN_AHEAD": "0", "AUTOGRAD_NN_POOL": "own", "PYTHONPATH": str(root)}
        return subprocess.Popen(command, env=environment, cwd=root)


class Contents(Distribution):
    """Say whether the wheel is for one system."""

    def has_ext_modules(self):
        return COMPILED


class Wheel(bdist_wheel):
    """Name the wheel after the system whose code it holds."""

    def get_tag(self):
        return TAG if COMPILED else super().get_tag()


def needs():
    """Return what compiling needs: all that the package does."""
    text = pathlib.Path(__file__).with_name("pyproject.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)["project"]["dependencies"] if COMPILED else []


setup(distclass=Contents, cmdclass={"build_py": Build, "bdist_wheel": Wheel}, setup_requires=needs())
