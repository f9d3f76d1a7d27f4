"""Functions of networks under PyTorch's names: argument order and defaults are PyTorch's.

The mathematics is in `ops`; a function stands here where it has settings of its own (``inplace``, ``training``), and is
handed on as it is where it has none. ``inplace=True`` makes the tensor `input` itself stand for the result, in the
graph too; other tensors that share its memory do not see the change.
"""

from __future__ import annotations

import warnings
from typing import Any

from ..engine import is_grad_enabled
from ..ops import elementwise, random, reduce
from ..ops import loss as losses
from ..ops.conv import conv2d
from ..ops.linalg import linear
from ..ops.pool import avg_pool2d, max_pool2d
from ..ops.shape import normalized_dim
from ..tensor import Tensor

__all__ = [
    "avg_pool2d",
    "bilinear",
    "conv2d",
    "cross_entropy",
    "dropout",
    "l1_loss",
    "linear",
    "log_softmax",
    "max_pool2d",
    "mse_loss",
    "nll_loss",
    "relu",
    "relu_",
    "sigmoid",
    "softmax",
    "tanh",
    "unflatten",
]


def _replacing(input: Tensor, out: Tensor, operation: str) -> Tensor:
    """Let `input` stand for `out`, which was computed from it."""
    if out is input:
        return input
    if not is_grad_enabled():
        return input.copy_(out)
    if input.is_leaf and input.requires_grad:
        raise RuntimeError(f"{operation}(): a leaf that requires a gradient cannot be changed in place (inplace=True)")
    input._data, input.node = out._data, out.node
    return input


# ------------------------------------------------------------------------------------ activations


def relu(input: Tensor, inplace: bool = False) -> Tensor:
    """Rectified linear unit, ``max(x, 0)``; the derivative at 0 is 0."""
    out = elementwise.relu(input)
    return _replacing(input, out, "relu") if inplace else out


def relu_(input: Tensor) -> Tensor:
    """Return ``relu(input, inplace=True)``."""
    return relu(input, inplace=True)


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


def softmax(input: Tensor, dim: int | None = None, *, dtype: Any = None) -> Tensor:
    """Return ``exp(x) / sum(exp(x))`` along `dim`, computed in `dtype` where one is given."""
    input = input if dtype is None else input.to(dtype=dtype)
    return reduce.softmax(input, _softmax_dim(input, dim, "softmax"))


def log_softmax(input: Tensor, dim: int | None = None, *, dtype: Any = None) -> Tensor:
    """Return ``x - log(sum(exp(x)))`` along `dim`, computed in `dtype` where one is given."""
    input = input if dtype is None else input.to(dtype=dtype)
    return reduce.log_softmax(input, _softmax_dim(input, dim, "log_softmax"))


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


def unflatten(input: Tensor, dim: int, sizes: tuple[int, ...]) -> Tensor:
    """Return `input` with one dim split into several, of which one size may be -1."""
    dim = normalized_dim(dim, input.ndim, "unflatten")
    return input.reshape(*input.shape[:dim], *sizes, *input.shape[dim + 1 :])


# ------------------------------------------------------------------------------------ dropout


def dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Set each element to 0 with probability `p` and divide the others by ``1 - p``; see `ops.random.dropout`."""
    out = random.dropout(input, p, training)
    return _replacing(input, out, "dropout") if inplace else out


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
        warnings.warn("cross_entropy(): the input is the result of softmax(), but logits are expected: the softmax is "
                      "part of the loss", stacklevel=2)
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


def mse_loss(input: Tensor, target: Tensor, *, reduction: str = "mean") -> Tensor:
    """Squared error, ``(input - target)**2``; the shapes must be equal."""
    return losses.mse_loss(input, target, reduction)


def l1_loss(input: Tensor, target: Tensor, *, reduction: str = "mean") -> Tensor:
    """Absolute error, ``abs(input - target)``; the shapes must be equal."""
    return losses.l1_loss(input, target, reduction)
