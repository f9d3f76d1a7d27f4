"""Pooling by powers, and maxima put back to where pooling found them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..engine import wrap
from ..typing import Shape, ShapeLike, Size1d, Size2d, Tensor
from .elementwise import abs, mul, pow, relu, sign
from .pool import avg_pool1d, avg_pool2d
from .scattering import scatter
from .shape import reshape
from .volumes import avg_pool3d

__all__ = ["lp_pool1d", "lp_pool2d", "lp_pool3d", "max_unpool1d", "max_unpool2d", "max_unpool3d"]


def _sizes(value: Any, name: str, operation: str, dims: int, least: int = 0) -> Shape:
    """Return one integer per dim."""
    sizes = (value,) * dims if isinstance(value, int) else tuple(value)
    if len(sizes) not in (1, dims) or min(sizes) < least:
        raise RuntimeError(f"{operation}(): {name} must be one or {dims} integers, at least {least} ({name}={value})")
    return sizes * dims if len(sizes) == 1 else sizes


def _unpooled(
    operation: str, dims: int, input: Tensor, indices: Tensor, kernel_size: Any, stride: Any, padding: Any,
    output_size: Sequence[int] | None,
) -> Tensor:  # fmt: skip
    kernel = _sizes(kernel_size, "kernel_size", operation, dims, 1)
    stride = kernel if stride is None else _sizes(stride, "stride", operation, dims, 1)
    padding = _sizes(padding, "padding", operation, dims)
    if input.ndim not in (dims + 1, dims + 2) or input.array.shape != indices.array.shape:
        raise RuntimeError(f"{operation}(): input and indices must have one shape of {dims + 1} or {dims + 2} dims "
                           f"(input.shape={input.shape}, indices.shape={indices.shape})")
    if output_size is None:
        size = [(n - 1) * s - 2 * p + k for n, s, p, k in zip(input.array.shape[-dims:], stride, padding, kernel)]
    else:
        size = list(output_size)[-dims:]
    planes = (math.prod(input.array.shape[:-dims]), math.prod(input.array.shape[-dims:]))
    zeros = wrap(np.zeros((planes[0], math.prod(size)), input.dtype))
    filled = scatter(zeros, 1, reshape(indices, planes), reshape(input, planes))
    return reshape(filled, (*input.array.shape[:-dims], *size))


def max_unpool1d(
    input: Tensor,
    indices: Tensor,
    kernel_size: Size1d,
    stride: Size1d | None = None,
    padding: Size1d = 0,
    output_size: Sequence[int] | None = None,
) -> Tensor:
    """Return zeros with each maximum put back where `max_pool1d` found it; see `max_unpool2d`.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> import autograd_nn.nn.functional as F
    >>> y, where = F.max_pool1d(ag.tensor([[[1.0, 5.0, 2.0, 4.0]]]), 2, return_indices=True)
    >>> F.max_unpool1d(y, where, 2)
    tensor([[[0., 5., 0., 4.]]])
    """
    return _unpooled("max_unpool1d", 1, input, indices, kernel_size, stride, padding, output_size)


def max_unpool2d(
    input: Tensor,
    indices: Tensor,
    kernel_size: Size2d,
    stride: Size2d | None = None,
    padding: Size2d = 0,
    output_size: Sequence[int] | None = None,
) -> Tensor:
    """Return zeros with each maximum put back where `max_pool2d` found it; the gradient is taken from there.

    Parameters
    ----------
    input, indices : Tensor of shape (N, C, OH, OW)
        As `max_pool2d` returns them with ``return_indices=True``.
    kernel_size, stride, padding
        As for `max_pool2d`.
    output_size : sequence of int, optional
        Its last two are H and W; by default the least that was pooled: ``(OH - 1) s - 2 p + k``.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> import autograd_nn.nn.functional as F
    >>> y, where = F.max_pool2d(ag.tensor([[[[1.0, 2.0], [4.0, 3.0]]]]), 2, return_indices=True)
    >>> F.max_unpool2d(y, where, 2)
    tensor([[[[0., 0.],
              [4., 0.]]]])
    """
    return _unpooled("max_unpool2d", 2, input, indices, kernel_size, stride, padding, output_size)


def max_unpool3d(
    input: Tensor,
    indices: Tensor,
    kernel_size: ShapeLike,
    stride: ShapeLike | None = None,
    padding: ShapeLike = 0,
    output_size: Sequence[int] | None = None,
) -> Tensor:
    """Return zeros with each maximum put back where `max_pool3d` found it; see `max_unpool2d`.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> import autograd_nn.nn.functional as F
    >>> y, where = F.max_pool3d(ag.rand(1, 1, 2, 4, 4), 2, return_indices=True)
    >>> F.max_unpool3d(y, where, 2).shape
    (1, 1, 2, 4, 4)
    """
    return _unpooled("max_unpool3d", 3, input, indices, kernel_size, stride, padding, output_size)


def _rooted(means: Tensor, count: int, norm_type: float) -> Tensor:
    """Return the root of the sums that means are of; of 0 its gradient is 0."""
    return pow(mul(mul(sign(means), relu(abs(means))), float(count)), 1 / norm_type)


def lp_pool1d(
    input: Tensor, norm_type: float, kernel_size: Size1d, stride: Size1d | None = None, ceil_mode: bool = False
) -> Tensor:
    """Return ``sum(input**p) ** (1 / p)`` of each window of (N, C, L); see `lp_pool2d`.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> import autograd_nn.nn.functional as F
    >>> F.lp_pool1d(ag.tensor([[[3.0, 4.0, 0.0, 1.0]]]), 2, kernel_size=2)
    tensor([[[5., 1.]]])
    """
    count = math.prod(_sizes(kernel_size, "kernel_size", "lp_pool1d", 1, 1))
    return _rooted(avg_pool1d(pow(input, norm_type), kernel_size, stride, 0, ceil_mode), count, norm_type)


def lp_pool2d(
    input: Tensor, norm_type: float, kernel_size: Size2d, stride: Size2d | None = None, ceil_mode: bool = False
) -> Tensor:
    """Return ``sum(input**p) ** (1 / p)`` of each window, ``p=norm_type``; the gradient where the sum is 0 is 0.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> import autograd_nn.nn.functional as F
    >>> F.lp_pool2d(ag.ones(1, 1, 4, 4), 2, kernel_size=2)
    tensor([[[[2., 2.],
              [2., 2.]]]])
    """
    count = math.prod(_sizes(kernel_size, "kernel_size", "lp_pool2d", 2, 1))
    return _rooted(avg_pool2d(pow(input, norm_type), kernel_size, stride, 0, ceil_mode), count, norm_type)


def lp_pool3d(
    input: Tensor, norm_type: float, kernel_size: ShapeLike, stride: ShapeLike | None = None, ceil_mode: bool = False
) -> Tensor:
    """Return ``sum(input**p) ** (1 / p)`` of each window of (N, C, D, H, W); see `lp_pool2d`.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> import autograd_nn.nn.functional as F
    >>> F.lp_pool3d(ag.ones(1, 2, 4, 6, 8), 2, kernel_size=2).shape
    (1, 2, 2, 3, 4)
    """
    count = math.prod(_sizes(kernel_size, "kernel_size", "lp_pool3d", 3, 1))
    return _rooted(avg_pool3d(pow(input, norm_type), kernel_size, stride, 0, ceil_mode), count, norm_type)
