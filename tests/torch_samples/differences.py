"""Where an operation or a layer differs from PyTorch's on purpose; `docs/explanation/differences.md` says why."""

import re
from typing import NamedTuple


class Difference(NamedTuple):
    """An operation, and how what it gives differs, as a regular expression."""

    name: str
    pattern: re.Pattern


def listed(text):
    """Return the differences of a list of names and patterns, apart by colons; names are apart by commas."""
    rows = [row.split(": ", 1) for row in text.strip().splitlines()]
    return [Difference(name.strip(), re.compile(pattern)) for names, pattern in rows for name in names.split(",")]


OPERATIONS = listed(r"""
cov: values of
addmv, baddbmm, addmm, addbmm, addr, nn.functional.local_response_norm: the result float32, PyTorch's torch.int64
topk, kthvalue, sort: values of result 1
nn.functional.avg_pool1d, nn.functional.avg_pool2d, nn.functional.avg_pool3d: expects a floating-point tensor
__rpow__: Integers to negative integer powers
nanquantile: q has no gradient
logcumsumexp: values of the gradient
cholesky_inverse, cholesky_solve: values of the gradient
as_strided: values of the result|reaches element
svd, linalg.svd, linalg.eigh, linalg.eig: values of (result|the gradient)
linalg.lstsq: result 1 does not need a gradient|\d results, PyTorch has
linalg.matrix_power: result 0 does not need a gradient
linalg.matrix_rank, linalg.pinv: expects a tensor of one element|must be a number or None
linalg.vander: x must have at least one dim
nn.functional.ctc_loss: values of the gradient
sum_to_size: dtype of the result bool
masked.argmax, masked.argmin: dtype of the result int64
as_strided_scatter: values of the gradient of input 0
bernoulli, normal: result 0 does not need a gradient
nn.functional.gaussian_nll_loss: prediction and target must have one shape
nn.functional.max_unpool1d, nn.functional.max_unpool2d, nn.functional.max_unpool3d: the gradient of input 0
""")
MODULES = listed(r"""
MultiheadAttention: add_bias_kv and add_zero_attn are not available
LSTM: unexpected keyword argument 'proj_size'
CTCLoss: values of the gradient
GaussianNLLLoss: prediction and target must have one shape
""")

# Operations with a gradient that PyTorch has and we have not, each with its reason.
ABSENT = {
    **dict.fromkeys(["linalg.eig", "linalg.eigvals"], "complex results of real matrices; eigh is there"),
    **dict.fromkeys(["native_batch_norm", "native_dropout_backward", "native_group_norm", "native_layer_norm",
                     "max_pool2d_with_indices_backward", "slice", "torch.ops.aten._efficient_attention_forward",
                     "torch.ops.aten._flash_attention_forward", "torch.ops.aten._safe_softmax.default"],
                    "a kernel of PyTorch's own, whose public name is here"),
    **dict.fromkeys(["linalg.householder_product", "ormqr"], "made of what geqrf gives, which is LAPACK's own form"),
    "lu_unpack": "linalg.lu gives the matrices apart",
    **dict.fromkeys(["pca_lowrank", "svd_lowrank"], "draws at random; linalg.svd is exact"),
    **dict.fromkeys(["nn.functional.fractional_max_pool2d", "nn.functional.fractional_max_pool3d",
                     "nn.functional.feature_alpha_dropout with_train",
                     "nn.functional.feature_alpha_dropout without_train"], "draws at random; rarely used"),
    **dict.fromkeys(["nn.functional.linear_cross_entropy", "nn.functional.linear_cross_entropy chunked",
                     "nn.functional.linear_cross_entropy chunked_none"], "saves memory of a GPU; use linear and "
                    "cross_entropy"),
    "chalf": "NumPy has no complex numbers of 32 bits",
    "sparse.sampled_addmm": "of a matrix stored by rows; sparse matrices are by coordinates here",
}
