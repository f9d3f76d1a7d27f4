"""Operations: one primitive is an array function and its vector-Jacobian products.

Public functions take PyTorch's other keywords (`keywords`), and explain the errors of a call with arguments of another
kind (`engine.arguments`).
"""

from importlib import import_module
from pkgutil import iter_modules

from ..engine.arguments import explain
from .keywords import accept_other_names

accept_other_names(import_module(f"{__name__}.{name}") for name in (
    "arithmetic", "creation", "distance", "elementwise", "index", "joining", "linalg", "maths", "placing", "products",
    "random", "reduce", "scan", "scattering", "search", "shape", "slopes", "statistics",
))  # fmt: skip
for _info in iter_modules(__path__):
    _module = import_module(f"{__name__}.{_info.name}")
    explain(vars(_module), getattr(_module, "__all__", ()))
