"""Modules by other names: those that moved, and PyTorch's import paths; each is the same module under both names.

`MOVED` and `TORCH` are the whole record; a module that moves gets a row here, and no file stays in its place. A name
with several modules behind it has all names of its parts.
"""

from __future__ import annotations

import functools
import importlib
import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

__all__ = ["MOVED", "TORCH", "by_other_name", "new_names"]

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


_UNDER_NN = {  # in nn.modules: the file in nn
    **{name: name for name in ("container", "distance", "dropout", "lazy", "linear", "loss", "module",
                               "normalization", "pooling", "sparse", "transformer")},
    "batchnorm": "normalization", "conv": "convolution", "flatten": "linear", "fold": "vision",
    "instancenorm": "normalization", "padding": "vision", "pixelshuffle": "vision", "rnn": "recurrent",
    "upsampling": "vision",
}  # fmt: skip

_DISTRIBUTIONS = (  # PyTorch's files of distributions; here they are in larger ones
    "bernoulli", "beta", "binomial", "categorical", "cauchy", "chi2", "dirichlet", "exp_family", "exponential", "gamma",
    "geometric", "gumbel", "half_normal", "independent", "laplace", "log_normal", "mixture_same_family",
    "multivariate_normal", "normal", "one_hot_categorical", "poisson", "studentT", "transformed_distribution",
    "uniform",
)  # fmt: skip

TORCH: dict[str, tuple[str, ...]] = {  # PyTorch's path, and where its content is
    "accelerator": ("devices.accelerator",),
    "amp": ("torch_names.amp",),
    "amp.autocast_mode": ("torch_names.amp",),
    "amp.grad_scaler": ("torch_names.amp",),
    "autograd.grad_mode": ("engine.recording", "torch_names.aliases"),
    "autograd.gradcheck": ("testing",),
    "cuda": ("devices.cuda",),
    "cuda.amp": ("torch_names.cuda_amp",),
    **{f"distributions.{name}": ("distributions",) for name in _DISTRIBUTIONS},
    "hub": ("torch_names.hub",),
    "jit": ("torch_names.jit",),
    "multiprocessing": ("torch_names.multiprocessing",),
    "nn.modules": ("nn", "nn.module"),
    **{f"nn.modules.{name}": (f"nn.{file}",) for name, file in _UNDER_NN.items()},
    "nn.modules.activation": ("nn.activation", "nn.attention"),
    "nn.modules.utils": ("torch_names.tuples",),
    "nn.utils.clip_grad": ("optim.clip",),
    "nn.utils.stateless": ("func.modules",),
    "optim.adamw": ("optim.adam",),
    "random": ("torch_names.random",),
    "serialization": ("saving.checkpoints",),
    "nn.parallel": ("parallel.replicas",),
    "nn.parallel.distributed": ("parallel.replicas",),
    "utils.data.distributed": ("parallel.sampler",),
    "utils.data._utils": ("data.collate", "data.workers"),
    "utils.data._utils.collate": ("data.collate",),
    "utils.data._utils.worker": ("data.workers",),
    "utils.data.dataloader": ("data.loader", "data.collate"),
    "utils.data.dataset": ("data.dataset",),
    "utils.data.sampler": ("data.sampler",),
    "utils.dlpack": ("torch_names.dlpack",),
    "utils.model_zoo": ("torch_names.hub",),
    "utils.tensorboard": ("torch_names.tensorboard",),
    "utils.tensorboard.writer": ("torch_names.tensorboard",),
    "version": ("torch_names.version",),
}
_OTHER = MOVED | TORCH
_WITH_MORE = {name.rpartition(".")[0] for name in _OTHER}  # behind these names there are others


def new_names(name: str) -> tuple[str, ...]:
    """Return the full names of what is behind another name of a module, or of its package; () for any other name."""
    if not name.startswith(PACKAGE + "."):
        return ()
    head, tail = name[len(PACKAGE) + 1 :], ""
    while head and head not in _OTHER:
        head, _, last = head.rpartition(".")
        tail = f".{last}{tail}"
    return tuple(f"{PACKAGE}.{new}{tail}" for new in _OTHER.get(head, ()))


def by_other_name(package: str, name: str) -> ModuleType | None:
    """Return the module that another name, in a package, stands for; None if it stands for none."""
    path = f"{package}.{name}"
    return importlib.import_module(path) if path[len(PACKAGE) + 1 :] in _OTHER else None


class Finder(MetaPathFinder, Loader):
    """Imports the module itself where another name is asked for."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return how to import a module by another name, and None for any other."""
        return ModuleSpec(fullname, self) if new_names(fullname) else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """Return the module itself, or one with the names of all parts."""
        parts = [importlib.import_module(name) for name in new_names(spec.name)]
        more = spec.name[len(PACKAGE) + 1 :] in _WITH_MORE
        if len(parts) == 1:
            spec.loader_state = parts[0].__spec__
            if more and not hasattr(parts[0], "__path__"):
                parts[0].__path__ = []  # so that the import system asks for what is behind it
            return parts[0]
        module: Any = ModuleType(spec.name, " ".join(part.__doc__ or "" for part in parts))
        for part in parts:
            vars(module).update(
                (name, value) for name, value in vars(part).items()
                if not name.startswith("__") and f"{spec.name[len(PACKAGE) + 1 :]}.{name}" not in _OTHER
            )
        if more:
            module.__path__ = []
            module.__getattr__ = functools.partial(_inside, spec.name)
        spec.loader_state = spec
        return module  # type: ignore[no-any-return]

    def exec_module(self, module: ModuleType) -> None:
        """Give the module its own spec back, which the import machinery replaced."""
        spec = module.__spec__
        if spec is not None:
            module.__spec__ = spec.loader_state


def _inside(package: str, name: str) -> ModuleType:
    """Return a module in a package that is joined from several, at its first use as an attribute."""
    if (module := by_other_name(package, name)) is None:
        raise AttributeError(f"module {package!r} has no attribute {name!r}", name=name)
    return module


sys.meta_path.insert(0, Finder())  # before the finder of files, which would load a moved package's modules again
