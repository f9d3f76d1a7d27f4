"""Names of PyTorch's `nn` that do not exist here, and what to use instead."""

from __future__ import annotations

import re

__all__ = ["absent"]

# the first pattern that fits a name tells what to do
INSTEAD = {
    r"Lazy.*|Uninitialized.*": "give the sizes of the input",
    r".*(3d|3d_with_indices|3d_)": "volumes have no kernels here; images and sequences do (...2d, ...1d)",
    r".*max_pool\dd_with_indices": "call it without _with_indices and with return_indices=True",
    r"(FractionalMaxPool|fractional_max_pool).*": "use adaptive_max_pool2d",
    r"upsample.*": "use interpolate",
    r"CTCLoss|ctc_loss": "there is no loss over alignments of sequences",
    r"AdaptiveLogSoftmaxWithLoss|Linear[Cc]ross[Ee]ntropy.*|linear_cross_entropy": "use Linear and cross_entropy",
    r"DataParallel|SyncBatchNorm|parallel": "all threads work on one batch already (set_num_threads)",
    r"weight_norm|spectral_norm|parametri.*|remove_.*_norm": "compute the weight in forward() and call F.linear or "
    "F.conv2d with it",
    r"prune|quantiz.*|qat|intrinsic|fuse_.*|fusion|scaled_mm|.*grouped_mm": "networks run as they are, in float32 or "
    "float64",
    r"CrossMapLRN2d": "use LocalResponseNorm",
    r"NLLLoss2d": "use NLLLoss",
    r"Container": "use Sequential, ModuleList or ModuleDict",
    r"RNNBase|RNNCellBase": "use RNN, LSTM, GRU or their cells",
    r"clip_grad_norm": "use clip_grad_norm_",
    r"multi_head_attention_forward": "use nn.MultiheadAttention, or scaled_dot_product_attention",
    r"skip_init|stateless": "use the layer itself",
    r"(constant|dirac|eye|kaiming_normal|kaiming_uniform|normal|orthogonal|sparse|uniform|xavier_normal|xavier_uniform)":
    "add the underscore: it works in place",
}


def absent(module: str, name: str) -> AttributeError:
    """Return the error for a name that a module does not have."""
    fitting = (advice for pattern, advice in INSTEAD.items() if re.fullmatch(pattern, name))
    advice = next(fitting, "docs/api.md has all names")
    return AttributeError(f"{module}.{name}: autograd_nn has no {name}; {advice}", name=name)
