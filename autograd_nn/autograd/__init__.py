"""Beyond `backward`: functional derivatives, checkpoints, operations of one's own, anomaly detection."""

import importlib
from typing import Any

from ..engine import backward, enable_grad, grad, no_grad, set_grad_enabled
from ..engine.arguments import explain
from . import functional
from .anomaly import detect_anomaly, set_detect_anomaly
from .checkpoint import checkpoint
from .function import Function
from .variable import Variable

__all__ = [
    "Function",
    "Variable",
    "backward",
    "checkpoint",
    "detect_anomaly",
    "enable_grad",
    "functional",
    "grad",
    "no_grad",
    "set_detect_anomaly",
    "set_grad_enabled",
]

explain(globals(), __all__)
explain(vars(functional), functional.__all__)

_ABOVE = {"gradcheck": "testing", "gradgradcheck": "testing", "inference_mode": "torch_names.aliases"}


def __getattr__(name: str) -> Any:
    """Return what PyTorch has here too, from the rooms above, by its first use."""
    if name not in _ABOVE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}", name=name)
    return getattr(importlib.import_module(f"..{_ABOVE[name]}", __name__), name)
