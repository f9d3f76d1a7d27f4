"""Functions on the parameters of networks, and on batches of sequences (`rnn`)."""

import importlib
from typing import Any

from ...engine.arguments import explain
from ...missing import absent_from_nn
from ...optim.clip import clip_grad_norm_, clip_grad_value_, clip_grads_with_norm_, get_total_norm
from . import rnn
from .convert_parameters import parameters_to_vector, vector_to_parameters

_LATER = {  # by their first use
    "parametrizations": "parametrizations", "parametrize": "parametrize", "remove_spectral_norm": "norms",
    "remove_weight_norm": "norms", "spectral_norm": "norms", "weight_norm": "norms",
}  # fmt: skip

__all__ = [
    "clip_grad_norm_",
    "clip_grad_value_",
    "clip_grads_with_norm_",
    "get_total_norm",
    "parameters_to_vector",
    "parametrizations",
    "parametrize",
    "remove_spectral_norm",
    "remove_weight_norm",
    "rnn",
    "spectral_norm",
    "vector_to_parameters",
    "weight_norm",
]

explain(globals(), __all__)
explain(vars(rnn), rnn.__all__)


def __getattr__(name: str) -> Any:
    if name in _LATER:
        module = importlib.import_module(f".{_LATER[name]}", __name__)
        explain(vars(module), getattr(module, "__all__", ()))
        return module if name == _LATER[name] else getattr(module, name)
    raise absent_from_nn("nn.utils", name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_LATER})
