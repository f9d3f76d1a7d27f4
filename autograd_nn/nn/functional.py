"""Functions of networks under PyTorch's names: argument order and defaults are PyTorch's.

The mathematics is in `ops`; a function stands here where it has settings of its own (``inplace``, ``training``), and is
handed on as it is where it has none. ``inplace=True`` makes the tensor `input` itself stand for the result, in the
graph too; other tensors that share its memory do not see the change.
"""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np

from ..engine import is_grad_enabled
from ..look import mistakes
from ..missing import absent_from_nn
from ..ops import activation, elementwise, index, random, reduce
from ..ops import loss as losses
from ..ops.activation import gelu, glu, hardshrink, logsigmoid, prelu, softplus, softshrink, softsign, tanhshrink
from ..ops.attention import scaled_dot_product_attention
from ..ops.conv import conv1d, conv2d, conv_transpose1d, conv_transpose2d
from ..ops.distance import cosine_similarity, normalize, pairwise_distance
from ..ops.index import one_hot
from ..ops.linalg import linear
from ..ops.normalization import batch_norm, group_norm, instance_norm, layer_norm, local_response_norm, rms_norm
from ..ops.pad import pad
from ..ops.pool import (
    adaptive_avg_pool1d,
    adaptive_avg_pool2d,
    adaptive_max_pool1d,
    adaptive_max_pool2d,
    avg_pool1d,
    avg_pool2d,
    lp_pool2d,
    max_pool1d,
    max_pool2d,
    max_unpool2d,
)
from ..ops.resize import fold, interpolate, pixel_shuffle, pixel_unshuffle, unfold
from ..ops.shape import unflatten
from ..tensor import Tensor
from ..typing import DTypeLike

__all__ = [
    "adaptive_avg_pool1d",
    "adaptive_avg_pool2d",
    "adaptive_max_pool1d",
    "adaptive_max_pool2d",
    "alpha_dropout",
    "avg_pool1d",
    "avg_pool2d",
    "batch_norm",
    "bilinear",
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "celu",
    "conv1d",
    "conv2d",
    "conv_transpose1d",
    "conv_transpose2d",
    "cosine_embedding_loss",
    "cosine_similarity",
    "cross_entropy",
    "dropout",
    "dropout1d",
    "dropout2d",
    "dropout3d",
    "elu",
    "embedding",
    "fold",
    "gaussian_nll_loss",
    "gelu",
    "glu",
    "group_norm",
    "gumbel_softmax",
    "hardshrink",
    "hardsigmoid",
    "hardswish",
    "hardtanh",
    "hinge_embedding_loss",
    "huber_loss",
    "instance_norm",
    "interpolate",
    "kl_div",
    "l1_loss",
    "layer_norm",
    "leaky_relu",
    "linear",
    "local_response_norm",
    "log_softmax",
    "logsigmoid",
    "lp_pool2d",
    "margin_ranking_loss",
    "max_pool1d",
    "max_pool2d",
    "max_unpool2d",
    "mish",
    "mse_loss",
    "multi_margin_loss",
    "multilabel_soft_margin_loss",
    "nll_loss",
    "normalize",
    "one_hot",
    "pad",
    "pairwise_distance",
    "pixel_shuffle",
    "pixel_unshuffle",
    "poisson_nll_loss",
    "prelu",
    "relu",
    "relu6",
    "relu_",
    "rms_norm",
    "rrelu",
    "scaled_dot_product_attention",
    "selu",
    "sigmoid",
    "silu",
    "smooth_l1_loss",
    "soft_margin_loss",
    "softmax",
    "softmin",
    "softplus",
    "softshrink",
    "softsign",
    "tanh",
    "tanhshrink",
    "threshold",
    "triplet_margin_loss",
    "unflatten",
    "unfold",
]


def _replacing(input: Tensor, out: Tensor, operation: str) -> Tensor:
    """Let `input` stand for `out`, which was computed from it."""
    if out is input:
        return input
    if not is_grad_enabled():
        return input.copy_(out)
    if input.is_leaf and input.requires_grad:
        raise RuntimeError(f"{operation}(): a leaf that requires a gradient cannot be changed in place (inplace=True)")
    input.array, input.node = out.array, out.node
    return input


# ------------------------------------------------------------------------------------ activations


def relu(input: Tensor, inplace: bool = False) -> Tensor:
    """Rectified linear unit, ``max(x, 0)``; the derivative at 0 is 0."""
    out = elementwise.relu(input)
    return _replacing(input, out, "relu") if inplace else out


def relu_(input: Tensor) -> Tensor:
    """Return ``relu(input, inplace=True)``."""
    return relu(input, inplace=True)


def relu6(input: Tensor, inplace: bool = False) -> Tensor:
    """Return ``min(max(x, 0), 6)``; the derivatives at 0 and 6 are 0."""
    out = activation.relu6(input)
    return _replacing(input, out, "relu6") if inplace else out


def leaky_relu(input: Tensor, negative_slope: float = 0.01, inplace: bool = False) -> Tensor:
    """Return `x` where it is positive and ``negative_slope * x`` elsewhere."""
    out = activation.leaky_relu(input, negative_slope)
    return _replacing(input, out, "leaky_relu") if inplace else out


def rrelu(
    input: Tensor, lower: float = 1 / 8, upper: float = 1 / 3, training: bool = False, inplace: bool = False
) -> Tensor:
    """Leaky ReLU whose slope is drawn from [lower, upper) for each element; their mean without `training`.

    References
    ----------
    B. Xu et al., "Empirical evaluation of rectified activations in convolutional network", 2015, arXiv:1505.00853.
    """
    if training:
        slope = random.rand(input.shape, dtype=input.dtype) * (upper - lower) + lower
        out = elementwise.where(input > 0, input, input * slope)
    else:
        out = activation.leaky_relu(input, (lower + upper) / 2)
    return _replacing(input, out, "rrelu") if inplace else out


def elu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """Return `x` where it is positive and ``alpha * (exp(x) - 1)`` elsewhere."""
    out = activation.elu(input, alpha)
    return _replacing(input, out, "elu") if inplace else out


def selu(input: Tensor, inplace: bool = False) -> Tensor:
    """Return ``1.0507 * elu(x, 1.6733)``, which keeps mean 0 and variance 1."""
    out = activation.selu(input)
    return _replacing(input, out, "selu") if inplace else out


def celu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """Return ``max(x, 0) + min(alpha * (exp(x / alpha) - 1), 0)``."""
    out = activation.celu(input, alpha)
    return _replacing(input, out, "celu") if inplace else out


def silu(input: Tensor, inplace: bool = False) -> Tensor:
    """Return ``x * sigmoid(x)``."""
    out = activation.silu(input)
    return _replacing(input, out, "silu") if inplace else out


def mish(input: Tensor, inplace: bool = False) -> Tensor:
    """Return ``x * tanh(softplus(x))``."""
    out = activation.mish(input)
    return _replacing(input, out, "mish") if inplace else out


def hardtanh(input: Tensor, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> Tensor:
    """Return `x` clipped to ``[min_val, max_val]``; the derivatives at the bounds are 0."""
    out = activation.hardtanh(input, min_val, max_val)
    return _replacing(input, out, "hardtanh") if inplace else out


def hardswish(input: Tensor, inplace: bool = False) -> Tensor:
    """Return ``x * min(max(x + 3, 0), 6) / 6``."""
    out = activation.hardswish(input)
    return _replacing(input, out, "hardswish") if inplace else out


def hardsigmoid(input: Tensor, inplace: bool = False) -> Tensor:
    """Return ``min(max(x / 6 + 1/2, 0), 1)``."""
    out = activation.hardsigmoid(input)
    return _replacing(input, out, "hardsigmoid") if inplace else out


def threshold(input: Tensor, threshold: float, value: float, inplace: bool = False) -> Tensor:
    """Return `x` where it is larger than `threshold` and `value` elsewhere."""
    out = activation.threshold(input, threshold, value)
    return _replacing(input, out, "threshold") if inplace else out


def tanh(input: Tensor) -> Tensor:
    """Hyperbolic tangent."""
    return elementwise.tanh(input)


def sigmoid(input: Tensor) -> Tensor:
    """Logistic function, ``1 / (1 + exp(-x))``."""
    return elementwise.sigmoid(input)


def _softmax_dim(input: Tensor, dim: int | None, operation: str) -> int:
    if dim is not None:
        return dim
    dim = 0 if input.ndim in (0, 1, 3) else 1
    warnings.warn(f"{operation}(): dim was not given; dim={dim} is taken for {input.ndim} dims", stacklevel=3)
    return dim


def softmax(input: Tensor, dim: int | None = None, *, dtype: DTypeLike | None = None) -> Tensor:
    """Return ``exp(x) / sum(exp(x))`` along `dim`, computed in `dtype` where one is given."""
    input = input if dtype is None else input.to(dtype=dtype)
    return reduce.softmax(input, _softmax_dim(input, dim, "softmax"))


def softmin(input: Tensor, dim: int | None = None, *, dtype: DTypeLike | None = None) -> Tensor:
    """Return ``softmax(-x)`` along `dim`."""
    input = input if dtype is None else input.to(dtype=dtype)
    return activation.softmin(input, _softmax_dim(input, dim, "softmin"))


def log_softmax(input: Tensor, dim: int | None = None, *, dtype: DTypeLike | None = None) -> Tensor:
    """Return ``x - log(sum(exp(x)))`` along `dim`, computed in `dtype` where one is given."""
    input = input if dtype is None else input.to(dtype=dtype)
    return reduce.log_softmax(input, _softmax_dim(input, dim, "log_softmax"))


def gumbel_softmax(logits: Tensor, tau: float = 1.0, hard: bool = False, eps: float = 1e-10, dim: int = -1) -> Tensor:
    """Draw from a categorical distribution such that the draw is differentiable in the logits.

    Parameters
    ----------
    logits : Tensor
    tau : float
        The temperature.
    hard : bool
        Return one-hot vectors, with the gradient of the soft ones.
    eps : float
        Of no effect.
    dim : int

    References
    ----------
    E. Jang, S. Gu and B. Poole, 2016, arXiv:1611.01144; C. J. Maddison, A. Mnih and Y. W. Teh, 2016, arXiv:1611.00712.
    """
    uniform = np.maximum(random.rand(logits.shape, dtype=logits.dtype).array, np.finfo(logits.dtype).tiny)
    noise = -np.log(-np.log(uniform))
    soft = reduce.softmax((logits + noise) / tau, dim)
    if not hard:
        return soft
    position = soft.detach().argmax(dim, keepdim=True).array
    one_hot = np.zeros(soft.shape, soft.dtype)
    np.put_along_axis(one_hot, position, 1, axis=dim)
    return soft + Tensor(one_hot - soft.array)


# ------------------------------------------------------------------------------------ linear maps, shapes


def bilinear(input1: Tensor, input2: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Return ``y[..., k] = input1[...] @ weight[k] @ input2[...] + bias[k]``.

    Parameters
    ----------
    input1 : Tensor of shape (..., I)
    input2 : Tensor of shape (..., J)
    weight : Tensor of shape (K, I, J)
    bias : Tensor of shape (K,), optional
    """
    lead = input1.shape[:-1]
    if weight.ndim != 3 or lead != input2.shape[:-1] or (input1.shape[-1], input2.shape[-1]) != weight.shape[1:]:
        raise RuntimeError(f"bilinear(): inputs (..., I) and (..., J) must fit weight (K, I, J) "
                           f"(input1.shape={input1.shape}, input2.shape={input2.shape}, weight.shape={weight.shape})")
    k, i, j = weight.shape
    left = input1.reshape(-1, i) @ weight.permute(1, 0, 2).reshape(i, k * j)
    out = (left.reshape(-1, k, j) * input2.reshape(-1, 1, j)).sum(2).reshape(*lead, k)
    return out if bias is None else out + bias


# ------------------------------------------------------------------------------------ dropout


def dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Set each element to 0 with probability `p` and divide the others by ``1 - p``; see `ops.random.dropout`."""
    out = random.dropout(input, p, training)
    return _replacing(input, out, "dropout") if inplace else out


def _channel_dropout(input: Tensor, p: float, training: bool, inplace: bool, spatial: int, operation: str) -> Tensor:
    """Set whole channels to 0, of examples of `spatial` dims with or without a batch dim."""
    if input.ndim not in (spatial + 1, spatial + 2):
        raise RuntimeError(f"{operation}(): expects {spatial + 1} or {spatial + 2} dims (input.shape={input.shape})")
    ones = Tensor(np.ones((*input.shape[: input.ndim - spatial], *(1,) * spatial), input.dtype))
    out = input * random.dropout(ones, p, training) if training else input
    return _replacing(input, out, operation) if inplace else out


def dropout1d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Set whole channels of (N, C, L) or (C, L) to 0 and divide the others by ``1 - p``."""
    return _channel_dropout(input, p, training, inplace, 1, "dropout1d")


def dropout2d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Set whole channels of (N, C, H, W) or (C, H, W) to 0 and divide the others by ``1 - p``."""
    return _channel_dropout(input, p, training, inplace, 2, "dropout2d")


def dropout3d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Set whole channels of (N, C, D, H, W) or (C, D, H, W) to 0 and divide the others by ``1 - p``."""
    return _channel_dropout(input, p, training, inplace, 3, "dropout3d")


def alpha_dropout(input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False) -> Tensor:
    """Set elements to the lower limit of `selu` at random, then scale and shift to mean 0 and variance 1.

    References
    ----------
    G. Klambauer et al., "Self-normalizing neural networks", 2017, arXiv:1706.02515.
    """
    if not 0 <= p <= 1:
        raise ValueError(f"alpha_dropout(): p must be from 0 to 1 (p={p})")
    if not training or p == 0:
        return input
    if p == 1:
        out = input * 0.0
    else:
        limit = -1.0507009873554805 * 1.6732632423543772
        scale = 1 / math.sqrt((1 - p) * (1 + p * limit**2))
        keep = (random.rand(input.shape) >= p).to(input.dtype)
        out = (input * keep + (1 - keep) * limit) * scale - scale * p * limit
    return _replacing(input, out, "alpha_dropout") if inplace else out


# ------------------------------------------------------------------------------------ sparse


def embedding(
    input: Tensor,
    weight: Tensor,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Tensor:
    """Return the rows of `weight` (V, D) that integers name; see `ops.index.embedding`.

    `max_norm`, `scale_grad_by_freq` and `sparse` are not available.
    """
    if max_norm is not None or scale_grad_by_freq or sparse:
        raise NotImplementedError("embedding(): max_norm, scale_grad_by_freq and sparse are not available")
    return index.embedding(input, weight, padding_idx)


# ------------------------------------------------------------------------------------ losses


def cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    *,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """Cross-entropy of logits against class indices or probabilities; see `ops.loss.cross_entropy`.

    Warns where `input` is the result of a softmax: logits are wanted.
    """
    if input.origin is not None and input.origin.primitive.name == "softmax":
        mistakes.warn_once(mistakes.SoftmaxBeforeCrossEntropy, "cross_entropy(): the input is the result of softmax(), "
                           "but logits are expected: the softmax is part of the loss")
    return losses.cross_entropy(input, target, weight, ignore_index, reduction, label_smoothing)


def nll_loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    *,
    ignore_index: int = -100,
    reduction: str = "mean",
) -> Tensor:
    """Negative log-likelihood of log-probabilities; see `ops.loss.nll_loss`."""
    return losses.nll_loss(input, target, weight, ignore_index, reduction)


def mse_loss(input: Tensor, target: Tensor, *, reduction: str = "mean", weight: Tensor | None = None) -> Tensor:
    """Squared error, ``(input - target)**2``; the shapes must be equal."""
    return losses.mse_loss(input, target, reduction, weight)


def l1_loss(input: Tensor, target: Tensor, *, reduction: str = "mean", weight: Tensor | None = None) -> Tensor:
    """Absolute error, ``abs(input - target)``; the shapes must be equal."""
    return losses.l1_loss(input, target, reduction, weight)


def smooth_l1_loss(input: Tensor, target: Tensor, *, reduction: str = "mean", beta: float = 1.0) -> Tensor:
    """``d**2 / (2 beta)`` where the error d is below `beta`, ``d - beta / 2`` above; the shapes must be equal."""
    return losses.smooth_l1_loss(input, target, reduction, beta)


def huber_loss(
    input: Tensor, target: Tensor, reduction: str = "mean", delta: float = 1.0, weight: Tensor | None = None
) -> Tensor:
    """`delta` times `smooth_l1_loss` with ``beta=delta``."""
    return losses.huber_loss(input, target, reduction, delta, weight)


def binary_cross_entropy(
    input: Tensor, target: Tensor, weight: Tensor | None = None, *, reduction: str = "mean"
) -> Tensor:
    """``-(y log p + (1 - y) log(1 - p))`` of probabilities; see `ops.loss.binary_cross_entropy`."""
    return losses.binary_cross_entropy(input, target, weight, reduction)


def binary_cross_entropy_with_logits(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    *,
    reduction: str = "mean",
    pos_weight: Tensor | None = None,
) -> Tensor:
    """`binary_cross_entropy` of the sigmoid of logits; see `ops.loss.binary_cross_entropy_with_logits`."""
    return losses.binary_cross_entropy_with_logits(input, target, weight, reduction, pos_weight)


def kl_div(input: Tensor, target: Tensor, *, reduction: str = "mean", log_target: bool = False) -> Tensor:
    """Kullback-Leibler divergence of log-probabilities from probabilities; see `ops.loss.kl_div`."""
    return losses.kl_div(input, target, reduction, log_target)


def gaussian_nll_loss(
    input: Tensor, target: Tensor, var: Tensor, full: bool = False, eps: float = 1e-6, reduction: str = "mean"
) -> Tensor:
    """Negative log-likelihood of a normal distribution; see `ops.loss.gaussian_nll_loss`."""
    return losses.gaussian_nll_loss(input, target, var, full, eps, reduction)


def poisson_nll_loss(
    input: Tensor,
    target: Tensor,
    log_input: bool = True,
    full: bool = False,
    *,
    eps: float = 1e-8,
    reduction: str = "mean",
) -> Tensor:
    """Negative log-likelihood of a Poisson distribution; see `ops.loss.poisson_nll_loss`."""
    return losses.poisson_nll_loss(input, target, log_input, full, eps, reduction)


def hinge_embedding_loss(input: Tensor, target: Tensor, margin: float = 1.0, *, reduction: str = "mean") -> Tensor:
    """A distance where the target is 1, ``max(0, margin - x)`` where it is -1."""
    return losses.hinge_embedding_loss(input, target, margin, reduction)


def margin_ranking_loss(
    input1: Tensor, input2: Tensor, target: Tensor, margin: float = 0.0, *, reduction: str = "mean"
) -> Tensor:
    """``max(0, margin - target * (input1 - input2))``."""
    return losses.margin_ranking_loss(input1, input2, target, margin, reduction)


def cosine_embedding_loss(
    input1: Tensor, input2: Tensor, target: Tensor, margin: float = 0.0, *, reduction: str = "mean"
) -> Tensor:
    """``1 - cos`` where the target is 1, ``max(0, cos - margin)`` where it is -1."""
    return losses.cosine_embedding_loss(input1, input2, target, margin, reduction)


def triplet_margin_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    margin: float = 1.0,
    p: float = 2.0,
    eps: float = 1e-6,
    swap: bool = False,
    *,
    reduction: str = "mean",
) -> Tensor:
    """``max(0, |anchor - positive| - |anchor - negative| + margin)``; see `ops.loss.triplet_margin_loss`."""
    return losses.triplet_margin_loss(anchor, positive, negative, margin, p, eps, swap, reduction)


def soft_margin_loss(input: Tensor, target: Tensor, *, reduction: str = "mean") -> Tensor:
    """``log(1 + exp(-target * input))``, targets 1 and -1."""
    return losses.soft_margin_loss(input, target, reduction)


def multilabel_soft_margin_loss(
    input: Tensor, target: Tensor, weight: Tensor | None = None, *, reduction: str = "mean"
) -> Tensor:
    """Mean over classes of `binary_cross_entropy_with_logits`."""
    return losses.multilabel_soft_margin_loss(input, target, weight, reduction)


def multi_margin_loss(
    input: Tensor,
    target: Tensor,
    p: int = 1,
    margin: float = 1.0,
    weight: Tensor | None = None,
    *,
    reduction: str = "mean",
) -> Tensor:
    """Hinge loss of several classes; see `ops.loss.multi_margin_loss`."""
    return losses.multi_margin_loss(input, target, p, margin, weight, reduction)


def __getattr__(name: str) -> Any:
    raise absent_from_nn("nn.functional", name)
