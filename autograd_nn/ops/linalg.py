"""Matrix products."""

import numpy as np

from ..engine import primitive
from ..kernels import gemm as kernels
from .elementwise import mul
from .reduce import sum
from .shape import reshape, sum_to_size, transpose, unsqueeze

# ruff: noqa: A004


@primitive
def _matmul(x, y):
    return kernels.matmul(x, y)


_matmul.defvjp(
    lambda g, out, x, y: sum_to_size(_matmul(g, transpose(y, -1, -2)), x.shape),
    lambda g, out, x, y: sum_to_size(_matmul(transpose(x, -1, -2), g), y.shape),
)


def matmul(x, y):
    """Return the matrix product of the last two dims; the other dims are broadcast.

    A 1-D tensor counts as a row on the left and as a column on the right, and that dim is taken away again.

    Parameters
    ----------
    x : Tensor of shape (..., N, K) or (K,)
    y : Tensor of shape (..., K, M) or (K,)

    Returns
    -------
    Tensor of shape (..., N, M)

    Raises
    ------
    RuntimeError
        0-d operands, sizes of K that differ, batch dims that do not broadcast, dtypes that differ.
    """
    if x.ndim == 0 or y.ndim == 0:
        raise RuntimeError(f"matmul(): both tensors need at least one dim (x.shape={x.shape}, y.shape={y.shape})")
    rows, columns = x.ndim == 1, y.ndim == 1
    if x.shape[-1] != y.shape[0 if columns else -2]:
        raise RuntimeError(f"matmul(): the last dim of x ({x.shape[-1]}) must be as large as the first matrix dim of y "
                           f"({y.shape[0 if columns else -2]}) (x.shape={x.shape}, y.shape={y.shape})")
    if x.dtype != y.dtype:
        raise RuntimeError(f"matmul(): both tensors must have one dtype (x: {x.dtype}, y: {y.dtype}); convert with .to()")
    if rows and columns:
        return sum(mul(x, y))
    if x.ndim > 2 and y.ndim <= 2:
        y_matrix = unsqueeze(y, 1) if columns else y
        out = _matmul(reshape(x, (-1, x.shape[-1])) if x.shape[-1] else _flat_rows(x), y_matrix)
        return reshape(out, x.shape[:-1] if columns else (*x.shape[:-1], y_matrix.shape[-1]))
    try:
        np.broadcast_shapes(x.shape[:-2], y.shape[:-2])
    except ValueError:
        raise RuntimeError(f"matmul(): batch dims {x.shape[:-2]} and {y.shape[:-2]} do not broadcast") from None
    out = _matmul(unsqueeze(x, 0) if rows else x, unsqueeze(y, 1) if columns else y)
    if rows:
        return reshape(out, (*out.shape[:-2], out.shape[-1]))
    return reshape(out, out.shape[:-1]) if columns else out


def _flat_rows(x):
    return reshape(x, (int(np.prod(x.shape[:-1])), x.shape[-1]))


@primitive
def _linear(x, w, b):
    return kernels.linear(x, w, b)


_linear.defvjp(
    lambda g, out, x, w, b: _matmul(g, w),
    lambda g, out, x, w, b: _matmul(transpose(g, 0, 1), x),
    lambda g, out, x, w, b: sum(g, 0),
)


def linear(x, weight, bias=None):
    """Return ``x @ weight.T + bias``.

    Parameters
    ----------
    x : Tensor of shape (..., in)
    weight : Tensor of shape (out, in)
    bias : Tensor of shape (out,), optional

    Returns
    -------
    Tensor of shape (..., out)
    """
    if weight.ndim != 2 or x.ndim == 0 or x.shape[-1] != weight.shape[1]:
        raise RuntimeError(f"linear(): x needs as many features in its last dim as weight has columns "
                           f"(x.shape={x.shape}, weight.shape={weight.shape})")
    if bias is not None and bias.shape != (weight.shape[0],):
        raise RuntimeError(f"linear(): bias needs one entry per row of weight (bias.shape={bias.shape}, weight.shape={weight.shape})")
    if x.dtype != weight.dtype or (bias is not None and bias.dtype != x.dtype):
        raise RuntimeError(f"linear(): all tensors must have one dtype (x: {x.dtype}, weight: {weight.dtype}, "
                           f"bias: {None if bias is None else bias.dtype})")
    if x.ndim == 2:
        return _linear(x, weight, bias)
    return reshape(_linear(_flat_rows(x), weight, bias), (*x.shape[:-1], weight.shape[0]))


