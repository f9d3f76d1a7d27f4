"""Run a script written for PyTorch with this package in PyTorch's place: ``python -m autograd_nn.as_torch script.py``.

``import torch``, ``from torch.utils.data import DataLoader`` and the like then give the modules of this package, in
this process only; ``torchvision.datasets``, ``transforms`` and ``models`` give `data`, its transforms, and
`training.models`.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import runpy
import sys
from collections.abc import Iterator, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

__all__ = ["in_place_of_torch", "install", "main"]

_PACKAGE = (__package__ or "").partition(".")[0]
_NAMES = {  # the longest that fits
    "torch": _PACKAGE,
    "torchvision": f"{_PACKAGE}.data",
    "torchvision.datasets": f"{_PACKAGE}.data",
    "torchvision.models": f"{_PACKAGE}.training.models",
    "torchvision.transforms": f"{_PACKAGE}.data.transforms",
    "torchvision.transforms.v2": f"{_PACKAGE}.data.transforms",
}
_PLACES = ("torch", "torchvision")


def _ours(name: str) -> str:
    """Return the name here of one of PyTorch's modules; '' for any other module."""
    if name.partition(".")[0] not in _PLACES:
        return ""
    head, tail = name, ""
    while head not in _NAMES:
        head, _, last = head.rpartition(".")
        tail = f".{last}{tail}"
    return _NAMES[head] + tail


class _Finder(MetaPathFinder, Loader):
    """Imports modules of this package by PyTorch's names."""

    def find_spec(self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
                  ) -> ModuleSpec | None:
        """Return how to import one of PyTorch's modules, and None for any other."""
        return ModuleSpec(fullname, self, is_package=True) if _ours(fullname) else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """Return the module of this package, or say that there is none."""
        try:
            if spec.name == "torch":
                return _torch()
            if spec.name == "torchvision":
                return _vision(spec.name)
            module = importlib.import_module(_ours(spec.name))
        except ModuleNotFoundError as error:
            if error.name and not error.name.startswith(_PACKAGE):
                raise
            raise ModuleNotFoundError(f"{spec.name} is not in {_PACKAGE}; see its guide 'Port a PyTorch script'",
                                      name=spec.name) from None
        spec.loader_state = module.__spec__, getattr(module, "__path__", None)
        return module

    def exec_module(self, module: Any) -> None:
        """Give the module its own spec back, which the import machinery replaced."""
        spec = module.__spec__
        if spec is not None and spec.loader_state is not None:
            own, path = spec.loader_state
            module.__spec__ = own
            module.__path__ = [] if path is None else path


def _torch() -> ModuleType:
    """Return the module that stands for torch: the package, but for ``Tensor(...)``, which makes floats as there."""
    package = importlib.import_module(_PACKAGE)
    module: Any = ModuleType(_PACKAGE, package.__doc__)
    module.__path__ = package.__path__
    module.__all__ = package.__all__
    module.__dir__ = package.__dir__
    module.__getattr__ = lambda name: getattr(package, name)
    module.Tensor = importlib.import_module(f"{_PACKAGE}.torch_names.typed_tensors").AnyTensor
    return module  # type: ignore[no-any-return]


def _vision(name: str) -> ModuleType:
    """Return the module that stands for torchvision: its parts are imported by their first use."""
    module: Any = ModuleType(name, "torchvision's datasets, transforms and models, as far as they are here.")
    module.__path__ = []
    module.__version__ = "0"

    def part(attribute: str) -> ModuleType:
        if f"{name}.{attribute}" in _NAMES:
            return importlib.import_module(f"{name}.{attribute}")
        raise AttributeError(f"{name}.{attribute}: is not in {_PACKAGE}", name=attribute)

    module.__getattr__ = part
    return module  # type: ignore[no-any-return]


def install() -> None:
    """Put the package in PyTorch's place from now on, in this process.

    Raises
    ------
    RuntimeError
        PyTorch was imported already.
    """
    if any(isinstance(finder, _Finder) for finder in sys.meta_path):
        return
    if any(place in sys.modules for place in _PLACES):
        raise RuntimeError("as_torch: PyTorch was imported already; install() must come before the first import of it")
    sys.meta_path.insert(0, _Finder())


@contextlib.contextmanager
def in_place_of_torch() -> Iterator[None]:
    """Put the package in PyTorch's place inside a block, and PyTorch's modules back afterwards.

    Examples
    --------
    >>> from autograd_nn.as_torch import in_place_of_torch
    >>> with in_place_of_torch():
    ...     import torch
    ...     torch.__name__
    'autograd_nn'
    """
    def taken() -> dict[str, ModuleType]:
        names = [name for name in sys.modules if name.partition(".")[0] in _PLACES]
        return {name: sys.modules.pop(name) for name in names}

    before, finder = taken(), _Finder()
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
        taken()
        sys.modules.update(before)


def main(arguments: list[str]) -> None:
    """Run a script, or a module with ``-m``, with the rest of the arguments."""
    if not arguments or arguments == ["-m"] or arguments[0] in ("-h", "--help"):
        raise SystemExit(f"usage: python -m {_PACKAGE}.as_torch [-m module | script.py] [arguments]")
    install()
    if arguments[0] == "-m":
        sys.argv = arguments[1:]
        sys.path.insert(0, os.getcwd())
        runpy.run_module(arguments[1], run_name="__main__", alter_sys=True)
        return
    sys.argv = arguments
    sys.path[0] = os.path.dirname(os.path.abspath(arguments[0]))
    runpy.run_path(arguments[0], run_name="__main__")


if __name__ == "__main__":
    main(sys.argv[1:])
