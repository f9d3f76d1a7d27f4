"""Functions of networks under PyTorch's names: argument order and defaults are PyTorch's.

The mathematics is in `ops`; a function stands here where it has settings of its own (``inplace``, ``training``), and is
handed on as it is where it has none. ``inplace=True`` makes the tensor `input` itself stand for the result, in the
graph too; other tensors that share its memory do not see the change.
"""

from __future__ import annotations

import math
import typing

import numpy as np

from ..engine import is_grad_enabled, observers
from ..engine.arguments import explain
from ..engine.errors import warn
from ..missing import absent_from_nn
from ..ops import activation, elementwise, index, random, reduce
from ..ops import loss as losses
from ..ops.activation import gelu as gelu
from ..ops.activation import glu as glu
from ..ops.activation import hardshrink as hardshrink
from ..ops.activation import logsigmoid as logsigmoid
from ..ops.activation import prelu as prelu
from ..ops.activation import softplus as softplus
from ..ops.activation import softshrink as softshrink
from ..ops.activation import softsign as softsign
from ..ops.activation import tanhshrink as tanhshrink
from ..ops.attention import *
from ..ops.bags import embedding_bag as embedding_bag
from ..ops.conv import *
from ..ops.ctc import ctc_loss as ctc_loss
from ..ops.distance import cosine_similarity as cosine_similarity
from ..ops.distance import normalize as normalize
from ..ops.distance import pairwise_distance as pairwise_distance
from ..ops.distance import pdist as pdist
from ..ops.index import one_hot as one_hot
from ..ops.linalg import linear as linear
from ..ops.loss import *
from ..ops.multi_head import multi_head_attention_forward as multi_head_attention_forward
from ..ops.normalization import *
from ..ops.pad import *
from ..ops.pool import *
from ..ops.resize import *
from ..ops.sampling import affine_grid as affine_grid
from ..ops.sampling import grid_sample as grid_sample
from ..ops.shape import unflatten as unflatten
from ..ops.unpool import *
from ..ops.volumes import *
from ..tensor import Tensor
from ..typing import DTypeLike


def _replacing(input: Tensor, out: Tensor, operation: str) -> Tensor:
    """Let `input` stand for `out`, which was computed from it."""
    if out is input:
        return input
    if not is_grad_enabled():
        input.copy_(out)
        return input
    if input.is_leaf and input.requires_grad:
        raise RuntimeError(f"{operation}(): a leaf that requires a gradient cannot be changed in place (inplace=True)")
    input.array, input.node = out.array, out.node
    return input


# ------------------------------------------------------------------------------------ activations


def relu(input: Tensor, inplace: bool = False) -> Tensor:
    """Rectified linear unit, ``max(x, 0)``; the derivative at 0 is 0.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> import autograd_nn.nn.functional as F
    >>> F.relu(ag.tensor([-1.0, 0.0, 2.0]))
    tensor([0., 0., 2.])
    """
    out = elementwise.relu(input)
    return _replacing(input, out, "relu") if inplace else out


def relu_(input: Tensor) -> Tensor:
    """Return ``relu(input, inplace=True)``.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> import autograd_nn.nn.functional as F
    >>> x = ag.tensor([-1.0, 2.0])
    >>> y = F.relu_(x)
    >>> x
    tensor([0., 2.])
    """
    return relu(input, inplace=True)


def relu6(input: Tensor, inplace: bool = False) -> Tensor:
    """Return ``min(max(x, 0), 6)``; the derivatives at 0 and 6 are 0.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> import autograd_nn.nn.functional as F
    >>> F.relu6(ag.tensor([-1.0, 3.0, 9.0]))
    tensor([0., 3., 6.])
    """
    out = activation.relu6(input)
    return _replacing(input, out, "relu6") if inplace else out


def leaky_relu(input: Tensor, negative_slope: float = 0.01, inplace: bool = False) -> Tensor:
    """Return `x` where it is positive and ``negative_slope * x`` elsewhere.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn.nn import functional as F
    >>> F.leaky_relu(ag.tensor([-1.0, 2.0]), 0.1)
    tensor([-0.1,  2. ])
    """
    out = activation.leaky_relu(input, negative_slope)
    return _replacing(input, out, "leaky_relu") if inplace else out


def rrelu(
    input: Tensor, lower: float = 1 / 8, upper: float = 1 / 3, training: bool = False, inplace: bool = False
) -> Tensor:
    """Leaky ReLU whose slope is drawn from [lower, upper) for each element; their mean without `training`.

    References
    ----------
    B. Xu et al., "Empirical evaluation of rectified activations in convolutional network", 2015, arXiv:1505.00853.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> import autograd_nn.nn.functional as F
    >>> F.rrelu(ag.tensor([-1.0, 2.0]))
    tensor([-0.2292,  2.    ])
    """
    if training:
        slope = random.rand(input.array.shape, dtype=input.dtype) * (upper - lower) + lower
        out = elementwise.where(input > 0, input, input * slope)
    else:
        out = activation.leaky_relu(input, (float(lower) + float(upper)) / 2)
    return _replacing(input, out, "rrelu") if inplace else out


def elu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """Return `x` where it is positive and ``alpha * (exp(x) - 1)`` elsewhere.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn.nn import functional as F
    >>> F.elu(ag.tensor([-1.0, 2.0]))
    tensor([-0.6321,  2.    ])
    """
    out = activation.elu(input, alpha)
    return _replacing(input, out, "elu") if inplace else out


def selu(input: Tensor, inplace: bool = False) -> Tensor:
    """Return ``1.0507 * elu(x, 1.6733)``, which keeps mean 0 and variance 1.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> import autograd_nn.nn.functional as F
    >>> F.selu(ag.tensor([-1.0, 0.0, 1.0]))
    tensor([-1.1113,  0.    ,  1.0507])
    """
    out = activation.selu(input)
    return _replacing(input, out, "selu") if inplace else out


def celu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """Return ``max(x, 0) + min(alpha * (exp(x / alpha) - 1), 0)``.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> import autograd_nn.nn.functional as F
    >>> F.celu(ag.tensor([-1.0, 0.0, 2.0]))
    tensor([-0.6321,  0.    ,  2.    ])
    """
    out = activation.celu(input, alpha)
    return _replacing(input, out, "celu") if inplace else out


def silu(input: Tensor, inplace: bool = False) -> Tensor:
    """Return ``x * sigmoid(x)``.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn.nn import functional as F
    >>> F.silu(ag.tensor([-1.0, 0.0, 1.0]))
    tensor([-0.2689,  0.    ,  0.7311])
    """
    out = activation.silu(input)
    return _replacing(input, out, "silu") if inplace else out


def mish(input: Tensor, inplace: bool = False) -> Tensor:
    """Return ``x * tanh(softplus(x))``.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn.nn import functional as F
    >>> F.mish(ag.tensor([1.0]))
    tensor([0.8651])
    """
    out = activation.mish(input)
    return _replacing(input, out, "mish") if inplace else out


def hardtanh(input: Tensor, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> Tensor:
    """Return `x` clipped to ``[min_val, max_val]``; the derivatives at the bounds are 0.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn.nn import functional as F
    >>> F.hardtanh(ag.tensor([-3.0, 0.5, 3.0]))
    tensor([-1. ,  0.5,  1. ])
    """
    out = activation.hardtanh(input, min_val, max_val)
    return _replacing(input, out, "hardtanh") if inplace else out


def hardswish(input: Tensor, inplace: bool = False) -> Tensor:
    """Return ``x * min(max(x + 3, 0), 6) / 6``.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn.nn import functional as F
    >>> F.hardswish(ag.tensor([-1.0, 3.0]))
    tensor([-0.3333,  3.    ])
    """
    out = activation.hardswish(input)
    return _replacing(input, out, "hardswish") if inplace else out


def hardsigmoid(input: Tensor, inplace: bool = False) -> Tensor:
    """Return ``min(max(x / 6 + 1/2, 0), 1)``.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn.nn import functional as F
    >>> F.hardsigmoid(ag.tensor([-4.0, 0.0, 4.0]))
    tensor([0. , 0.5, 1. ])
    """
    out = activation.hardsigmoid(input)
    return _replacing(input, out, "hardsigmoid") if inplace else out


def threshold(input: Tensor, threshold: float, value: float, inplace: bool = False) -> Tensor:
    """Return `x` where it is larger than `threshold` and `value` elsewhere.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> import autograd_nn.nn.functional as F
    >>> F.threshold(ag.tensor([0.5, 2.0]), 1.0, -3.0)
    tensor([-3.,  2.])
    """
    out = activation.threshold(input, threshold, value)
    return _replacing(input, out, "threshold") if inplace else out


def tanh(input: Tensor) -> Tensor:
    """Hyperbolic tangent.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> import autograd_nn.nn.functional as F
    >>> F.tanh(ag.tensor([0.0, 1.0]))
    tensor([0.    , 0.7616])
    """
    return elementwise.tanh(input)


def sigmoid(input: Tensor) -> Tensor:
    """Logistic function, ``1 / (1 + exp(-x))``.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> import autograd_nn.nn.functional as F
    >>> F.sigmoid(ag.tensor([0.0, 2.0]))
    tensor([0.5   , 0.8808])
    """
    return elementwise.sigmoid(input)


def _softmax_dim(input: Tensor, dim: int | None, operation: str) -> int:
    if dim is not None:
        return dim
    dim = 0 if input.ndim in (0, 1, 3) else 1
    warn(f"{operation}(): dim was not given; dim={dim} is taken for {input.ndim} dims")
    return dim


def softmax(input: Tensor, dim: int | None = None, *, dtype: DTypeLike | None = None) -> Tensor:
    """Return ``exp(x) / sum(exp(x))`` along `dim`, computed in `dtype` where one is given.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> import autograd_nn.nn.functional as F
    >>> F.softmax(ag.tensor([[0.0, 0.0], [0.0, 2.0]]), dim=1)
    tensor([[0.5   , 0.5   ],
            [0.1192, 0.8808]])
    """
    input = input if dtype is None else input.to(dtype=dtype)
    return reduce.softmax(input, _softmax_dim(input, dim, "softmax"))


def softmin(input: Tensor, dim: int | None = None, *, dtype: DTypeLike | None = None) -> Tensor:
    """Return ``softmax(-x)`` along `dim`.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> import autograd_nn.nn.functional as F
    >>> F.softmin(ag.tensor([0.0, 2.0]), dim=0)
    tensor([0.8808, 0.1192])
    """
    input = input if dtype is None else input.to(dtype=dtype)
    return activation.softmin(input, _softmax_dim(input, dim, "softmin"))


def log_softmax(input: Tensor, dim: int | None = None, *, dtype: DTypeLike | None = None) -> Tensor:
    """Return ``x - log(sum(exp(x)))`` along `dim`, computed in `dtype` where one is given.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> import autograd_nn.nn.functional as F
    >>> F.log_softmax(ag.tensor([[0.0, 0.0]]), dim=1)
    tensor([[-0.6931, -0.6931]])
    """
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

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn.nn import functional as F
    >>> F.gumbel_softmax(ag.zeros(2, 3), hard=True).sum(1)
    tensor([1., 1.])
    """
    uniform = random.rand(logits.array.shape, dtype=logits.dtype).clamp(min=float(np.finfo(logits.dtype).tiny))
    noise = -(-uniform.log()).log()
    soft = reduce.softmax((logits + noise) / tau, dim)
    if not hard:
        return soft
    position = soft.detach().argmax(dim, keepdim=True)
    classes = np.arange(soft.array.shape[dim]).reshape([-1 if i == dim % soft.ndim else 1 for i in range(soft.ndim)])
    one_hot = elementwise.eq(position, Tensor(classes)).to(soft.dtype)
    return soft + (one_hot - soft.detach())


# ------------------------------------------------------------------------------------ linear maps, shapes


def bilinear(input1: Tensor, input2: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Return ``y[..., k] = input1[...] @ weight[k] @ input2[...] + bias[k]``.

    Parameters
    ----------
    input1 : Tensor of shape (..., I)
    input2 : Tensor of shape (..., J)
    weight : Tensor of shape (K, I, J)
    bias : Tensor of shape (K,), optional

    Examples
    --------
    >>> import autograd_nn as ag
    >>> import autograd_nn.nn.functional as F
    >>> F.bilinear(ag.ones(5, 2), ag.ones(5, 3), ag.ones(4, 2, 3)).shape
    (5, 4)
    >>> F.bilinear(ag.tensor([[1.0, 2.0]]), ag.tensor([[3.0]]), ag.ones(1, 2, 1))
    tensor([[9.]])
    """
    lead = input1.array.shape[:-1]
    if weight.ndim != 3 or lead != input2.array.shape[:-1] or (input1.shape[-1], input2.shape[-1]) != weight.shape[1:]:
        raise RuntimeError(f"bilinear(): inputs (..., I) and (..., J) must fit weight (K, I, J) "
                           f"(input1.shape={input1.shape}, input2.shape={input2.shape}, weight.shape={weight.shape})")
    k, i, j = weight.array.shape
    left = input1.reshape(-1, i) @ weight.permute(1, 0, 2).reshape(i, k * j)
    out = (left.reshape(-1, k, j) * input2.reshape(-1, 1, j)).sum(2).reshape(*lead, k)
    return out if bias is None else out + bias


# ------------------------------------------------------------------------------------ dropout


def dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Set each element to 0 with probability `p` and divide the others by ``1 - p``; see `ops.random.dropout`.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> import autograd_nn.nn.functional as F
    >>> generator = ag.manual_seed(0)
    >>> y = F.dropout(ag.ones(1000), p=0.25)
    >>> y.unique(), F.dropout(ag.ones(3), p=0.25, training=False)
    (tensor([0.    , 1.3333]), tensor([1., 1., 1.]))
    """
    out = random.dropout(input, p, training)
    return _replacing(input, out, "dropout") if inplace else out


def _channel_dropout(input: Tensor, p: float, training: bool, inplace: bool, spatial: int, operation: str) -> Tensor:
    """Set whole channels to 0, of examples of `spatial` dims with or without a batch dim."""
    if input.ndim not in (spatial + 1, spatial + 2):
        raise RuntimeError(f"{operation}(): expects {spatial + 1} or {spatial + 2} dims (input.shape={input.shape})")
    ones = Tensor(np.ones((*input.array.shape[: input.ndim - spatial], *(1,) * spatial), input.dtype))
    out = input * random.dropout(ones, p, training) if training else input
    return _replacing(input, out, operation) if inplace else out


def dropout1d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Set whole channels of (N, C, L) or (C, L) to 0 and divide the others by ``1 - p``.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> import autograd_nn.nn.functional as F
    >>> y = F.dropout1d(ag.ones(2, 3, 4), p=0.5)
    >>> y.amin(2).equal(y.amax(2))  # a channel is kept whole, or all of it is 0
    True
    """
    return _channel_dropout(input, p, training, inplace, 1, "dropout1d")


def dropout2d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Set whole channels of (N, C, H, W) or (C, H, W) to 0 and divide the others by ``1 - p``.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> import autograd_nn.nn.functional as F
    >>> y = F.dropout2d(ag.ones(2, 3, 4, 4), p=0.5)
    >>> y.amin((2, 3)).equal(y.amax((2, 3)))  # a channel is kept whole, or all of it is 0
    True
    """
    return _channel_dropout(input, p, training, inplace, 2, "dropout2d")


def dropout3d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Set whole channels of (N, C, D, H, W) or (C, D, H, W) to 0 and divide the others by ``1 - p``.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> import autograd_nn.nn.functional as F
    >>> y = F.dropout3d(ag.ones(2, 3, 2, 2, 2), p=0.5)
    >>> y.amin((2, 3, 4)).equal(y.amax((2, 3, 4)))  # a channel is kept whole, or all of it is 0
    True
    """
    return _channel_dropout(input, p, training, inplace, 3, "dropout3d")


def alpha_dropout(input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False) -> Tensor:
    """Set elements to the lower limit of `selu` at random, then scale and shift to mean 0 and variance 1.

    References
    ----------
    G. Klambauer et al., "Self-normalizing neural networks", 2017, arXiv:1706.02515.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> import autograd_nn.nn.functional as F
    >>> x = ag.ones(2, 3)
    >>> F.alpha_dropout(x, 0.5, training=False).equal(x)
    True
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
        keep = (random.rand(input.array.shape) >= p).to(input.dtype)
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

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn.nn import functional as F
    >>> F.embedding(ag.tensor([1, 0]), ag.tensor([[1.0, 2.0], [3.0, 4.0]]))
    tensor([[3., 4.],
            [1., 2.]])
    """
    if max_norm is not None or scale_grad_by_freq or sparse:
        raise NotImplementedError("embedding(): max_norm, scale_grad_by_freq and sparse are not available")
    return index.embedding(input, weight, padding_idx)


# ------------------------------------------------------------------------------------ losses


def cross_entropy(  # type: ignore[no-redef]  # it takes the place of the operation
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

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn.nn import functional as F
    >>> F.cross_entropy(ag.tensor([[2.0, 0.0]]), ag.tensor([0]))
    tensor(0.1269)
    """
    for observer in observers:
        observer.loss_of("cross_entropy", input)
    return losses.cross_entropy(
        input, target, weight, ignore_index=ignore_index, reduction=reduction, label_smoothing=label_smoothing
    )


def nll_loss(  # type: ignore[no-redef]  # it takes the place of the operation
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    *,
    ignore_index: int = -100,
    reduction: str = "mean",
) -> Tensor:
    """Negative log-likelihood of log-probabilities; see `ops.loss.nll_loss`.

    Warns where `input` has numbers above 0: logarithms of probabilities are wanted.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> import autograd_nn.nn.functional as F
    >>> log_p = ag.tensor([[0.5, 0.5], [0.25, 0.75]]).log()
    >>> F.nll_loss(log_p, ag.tensor([0, 0]))
    tensor(1.0397)
    """
    for observer in observers:
        observer.loss_of("nll_loss", input)
    return losses.nll_loss(input, target, weight, ignore_index=ignore_index, reduction=reduction)


def binary_cross_entropy_with_logits(  # type: ignore[no-redef]  # it takes the place of the operation
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    *,
    reduction: str = "mean",
    pos_weight: Tensor | None = None,
) -> Tensor:
    """Binary cross-entropy of logits; see `ops.loss.binary_cross_entropy_with_logits`.

    Warns where `input` is the result of a sigmoid: logits are wanted.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> import autograd_nn.nn.functional as F
    >>> F.binary_cross_entropy_with_logits(ag.tensor([0.0, 2.0]), ag.tensor([1.0, 1.0]))
    tensor(0.41)
    """
    for observer in observers:
        observer.loss_of("binary_cross_entropy_with_logits", input)
    return losses.binary_cross_entropy_with_logits(input, target, weight, reduction=reduction, pos_weight=pos_weight)


if not typing.TYPE_CHECKING:  # a checker reads the imports above, and no list that is computed
    _HOMES = (__name__, activation.__name__.rpartition(".")[0] + ".")
    __all__ = sorted(
        name
        for name, value in globals().items()
        if not name.startswith("_") and getattr(value, "__module__", "").startswith(_HOMES)
    )
    explain(globals(), __all__)
    explain(globals(), __all__, activation.__name__.rpartition(".")[0])

    def __getattr__(name: str) -> typing.Any:
        raise absent_from_nn("nn.functional", name)
