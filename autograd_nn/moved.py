"""Modules that moved: an old name stays importable, as the same module under its new name.

`MOVED` is the whole record; a module that moves gets a row here, and no file stays in its place. One that was divided
has all names of its parts.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

__all__ = ["MOVED", "new_names"]

PACKAGE = __name__.rpartition(".")[0]

MOVED: dict[str, tuple[str, ...]] = {  # the old name in the package, and where its content is
    "absent": ("missing",),
    "backends": ("torch_names.backends",),
    "checkpoints": ("saving.checkpoints",),
    "composed": (
        "ops.arithmetic", "ops.creation", "ops.joining", "ops.maths", "ops.products", "ops.search", "ops.statistics",
        "ops.types", "tensor",
    ),
    "engine.annotations": ("typing",),
    "graph_drawing": ("look.drawing.graph_drawing",),
    "interop": ("tensor.numpy_protocol",),
    "kernels.depthwise": ("kernels.conv.depthwise",),
    "kernels.direct": ("kernels.conv.direct",),
    "kernels.direct_weight": ("kernels.conv.direct_weight",),
    "kernels.kept": ("kernels.conv.kept",),
    "kernels.winograd": ("kernels.conv.winograd.passes",),
    "kernels.winograd_transforms": ("kernels.conv.winograd.transforms",),
    "layered_layout": ("look.drawing.layered_layout",),
    "metrics": ("training.metrics",),
    "mistakes": ("look.mistakes",),
    "models": ("training.models",),
    "notebook": ("training.notebook",),
    "ops.norm": ("ops.normalization", "ops.distance"),
    "plots": ("look.plots",),  # with all modules in it
    "printing": ("tensor.printing",),
    "resume": ("training.resume",),
    "safetensors_format": ("saving.safetensors",),
    "size": ("tensor.size",),
    "summary": ("look.summary",),
    "typed_tensors": ("torch_names.typed_tensors",),
    "watching": ("look.module_trace",),
}


def new_names(name: str) -> tuple[str, ...]:
    """Return the new full names of a module that moved, or whose package did; () for any other name."""
    if not name.startswith(PACKAGE + "."):
        return ()
    head, tail = name[len(PACKAGE) + 1 :], ""
    while head and head not in MOVED:
        head, _, last = head.rpartition(".")
        tail = f".{last}{tail}"
    return tuple(f"{PACKAGE}.{new}{tail}" for new in MOVED.get(head, ()))


class Finder(MetaPathFinder, Loader):
    """Imports the new module where the old name is asked for."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return how to import a module that moved, and None for any other."""
        return ModuleSpec(fullname, self) if new_names(fullname) else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """Return the module itself, or one with the names of all parts."""
        parts = [importlib.import_module(name) for name in new_names(spec.name)]
        if len(parts) == 1:
            spec.loader_state = parts[0].__spec__
            return parts[0]
        module = ModuleType(spec.name, " ".join(part.__doc__ or "" for part in parts))
        for part in parts:
            vars(module).update((name, value) for name, value in vars(part).items() if not name.startswith("__"))
        spec.loader_state = spec
        return module

    def exec_module(self, module: ModuleType) -> None:
        """Give the module its own spec back, which the import machinery replaced."""
        spec = module.__spec__
        if spec is not None:
            module.__spec__ = spec.loader_state


sys.meta_path.insert(0, Finder())  # before the finder of files, which would load a moved package's modules again
