"""What PyTorch has and this framework does not: what to say to whoever asks for it."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from typing import Any

__all__ = ["FUNCTIONS", "METHODS", "NETWORKS", "AbsentMethod", "absent_from_nn", "absent_function"]

_MEMORY = "a tensor is a NumPy array, without a storage of its own; use .data"
_FUNCTIONAL = "use nn.functional.{name}()"

FUNCTIONS = {
    "fx": "graphs are recorded as they run; see Tensor.origin",
    "profiler": "use look.profile.profile, with a table by operation and by layer",
    "quantization": "quantized arithmetic is not supported",
    "geqrf": "use linalg.qr",
    "typename": "use x.type() of a tensor, or type(x).__name__",
    "vander": "use x[:, None] ** arange(len(x) - 1, -1, -1)",
    **dict.fromkeys(("vjp", "jvp", "jacrev", "jacfwd", "hessian", "grad_and_value", "functional_call", "linearize"),
                    "use func.{name}"),
    **dict.fromkeys(("batch_norm", "group_norm", "instance_norm", "layer_norm", "binary_cross_entropy_with_logits",
                     "embedding", "kl_div", "pixel_shuffle", "rms_norm"), _FUNCTIONAL),
}

METHODS = {
    "bfloat16": "there is no such dtype in NumPy; use .float()",
    "layout": "all tensors are dense ones; sparse matrices are in autograd_nn.sparse",
    "map_": "use .apply_() or an operation on whole tensors",
    "share_memory_": "training runs in one process",
    "resize_": "use .reshape(), or .new_empty() for another number of elements",
    "set_": "use .copy_() for the elements, or assign to .data",
    **dict.fromkeys(("storage", "untyped_storage", "data_ptr", "storage_offset"), _MEMORY),
}

# in nn and its modules; the first pattern that fits a name tells what to do
NETWORKS = {
    r".*(3d|3d_with_indices|3d_)": "of volumes, convolutions and pools are there; the rest is for images and sequences",
    r".*max_pool\dd_with_indices": "call it without _with_indices and with return_indices=True",
    r"(FractionalMaxPool|fractional_max_pool).*": "use adaptive_max_pool2d",
    r"AdaptiveLogSoftmaxWithLoss|Linear[Cc]ross[Ee]ntropy.*|linear_cross_entropy": "use Linear and cross_entropy",
    r"DataParallel": "all threads work on one batch already (set_num_threads); for several processes see nn.parallel",
    r"prune|quantiz.*|qat|intrinsic|fuse_.*|fusion|scaled_mm|.*grouped_mm": "networks run as they are, in float32 or "
    "float64",
    r"CrossMapLRN2d": "use LocalResponseNorm",
    r"feature_alpha_dropout|FeatureAlphaDropout": "use dropout2d and dropout3d for whole channels, alpha_dropout for "
    "self-normalizing networks",
    r"NLLLoss2d": "use NLLLoss",
    r"Container": "use Sequential, ModuleList or ModuleDict",
    r"RNNBase|RNNCellBase": "use RNN, LSTM, GRU or their cells",
    r"clip_grad_norm": "use clip_grad_norm_",
    r"skip_init|stateless": "use the layer itself",
    r"(constant|dirac|eye|kaiming_normal|kaiming_uniform|normal|orthogonal|sparse|uniform|xavier_normal|xavier_uniform)":
    "add the underscore: it works in place",
}


class AbsentMethod:
    """Stands for a method that tensors do not have: whoever asks for it is told what to use.

    A ``__getattr__`` of the class would do so for every name, and slow each access to any attribute.
    """

    def __init__(self, name: str):
        self.name = name

    def __get__(self, instance: object, owner: type) -> Any:
        raise AttributeError(f"{owner.__name__}.{self.name}: is not in autograd_nn; {METHODS[self.name]}")


def absent_function(name: str, known: Iterable[str]) -> str:
    """Return the message for a name that the package does not have."""
    if name in FUNCTIONS:
        return f"autograd_nn.{name}: is not in autograd_nn; {FUNCTIONS[name].format(name=name)}"
    close = [] if name.startswith("__") else difflib.get_close_matches(name, known, 3)
    return f"autograd_nn.{name}: is not in autograd_nn" + (f"; did you mean {', '.join(close)}?" if close else "")


def absent_from_nn(module: str, name: str) -> AttributeError:
    """Return the error for a name that `nn`, or a module of it, does not have."""
    fitting = (advice for pattern, advice in NETWORKS.items() if re.fullmatch(pattern, name))
    advice = next(fitting, "dir() of the module lists the names that are")
    return AttributeError(f"{module}.{name}: autograd_nn has no {name}; {advice}", name=name)
