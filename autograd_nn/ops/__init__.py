"""Operations: one primitive is an array function and its vector-Jacobian products."""

from importlib import import_module

from .keywords import accept_other_names

accept_other_names(import_module(f"{__name__}.{name}") for name in (
    "arithmetic", "creation", "distance", "elementwise", "index", "joining", "linalg", "maths", "placing", "products",
    "random", "reduce", "scan", "scattering", "search", "shape", "slopes", "statistics",
))  # fmt: skip
