"""Beyond `backward`: functional derivatives, checkpoints, operations of one's own, anomaly detection."""

from ..engine import backward, enable_grad, grad, no_grad, set_grad_enabled
from ..engine.arguments import explain
from . import functional
from .anomaly import detect_anomaly
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
    "set_grad_enabled",
]

explain(globals(), __all__)
explain(vars(functional), functional.__all__)
