"""Operations that move elements without changing them: views, permutations, joining, padding, dtype."""

import math
from operator import index

import numpy as np

from ..engine import Variable, primitive

# ------------------------------------------------------------------------------------ axes


def normalized_dim(dim, ndim, operation):
    """Return `dim` counted from the front; raise IndexError where it is out of range."""
    dim = index(dim)
    low, high = (-ndim, ndim - 1) if ndim else (-1, 0)
    if not low <= dim <= high:
        raise IndexError(f"{operation}(): dim must be from {low} to {high} for {ndim} dimensions (dim={dim})")
    return dim % ndim if ndim else 0


def normalized_dims(dim, ndim, operation):
    """Return a tuple of dims counted from the front (all for None); raise where one is out of range or given twice."""
    if dim is None:
        return tuple(range(ndim))
    dims = tuple(normalized_dim(d, ndim, operation) for d in (dim if isinstance(dim, tuple | list) else (dim,)))
    if len(set(dims)) != len(dims):
        raise RuntimeError(f"{operation}(): a dim appears twice (dim={dim})")
    return dims if ndim else ()


# ------------------------------------------------------------------------------------ dtype, broadcast


@primitive
def cast(x, *, dtype):
    """Return `x` converted to a floating-point `dtype`; the gradient is converted back."""
    return x.astype(dtype)


cast.defvjp(lambda g, out, x, dtype: cast(g, dtype=x.dtype))


@primitive
def _cast_discrete(x, *, dtype):
    return x.astype(dtype)


def to_dtype(x, dtype):
    """Return `x` in another dtype (`x` itself where it has it already)."""
    dtype = np.dtype(dtype)
    if x.dtype == dtype:
        return x
    return cast(x, dtype=dtype) if dtype.kind == "f" and x.dtype.kind == "f" else _cast_discrete(x, dtype=dtype)


@primitive
def _broadcast_to(x, *, shape):
    return np.broadcast_to(x, shape)


_broadcast_to.defvjp(lambda g, out, x, shape: sum_to_size(g, x.shape))


def broadcast_to(x, shape):
    """Return `x` repeated to `shape` by NumPy's broadcasting rule, without copying; the gradient is summed."""
    try:
        return _broadcast_to(x, shape=tuple(shape))
    except ValueError:
        raise RuntimeError(f"broadcast_to(): shape {x.shape} cannot be broadcast to {tuple(shape)}") from None


@primitive
def _sum_to_size(x, *, shape):
    extra = x.ndim - len(shape)
    x = x.sum(axis=tuple(range(extra))) if extra else x
    axes = tuple(i for i, (n, m) in enumerate(zip(x.shape, shape)) if m == 1 and n != 1)
    return np.ascontiguousarray(x.sum(axis=axes, keepdims=True) if axes else x).reshape(shape)


_sum_to_size.defvjp(lambda g, out, x, shape: broadcast_to(g, x.shape))


def sum_to_size(x, shape):
    """Return the sum of `x` over the axes along which `shape` was broadcast; the inverse of `broadcast_to`."""
    shape = tuple(shape)
    tail = x.shape[x.ndim - len(shape) :]
    if x.ndim < len(shape) or any(m not in (1, n) for n, m in zip(tail, shape)):
        raise RuntimeError(f"sum_to_size(): shape {shape} cannot be broadcast to {x.shape}")
    return _sum_to_size(x, shape=shape)


# ------------------------------------------------------------------------------------ rearranging


@primitive
def _reshape(x, *, shape):
    return x.reshape(shape)


_reshape.defvjp(lambda g, out, x, shape: _reshape(g, shape=x.shape))


def reshape(x, shape):
    """Return `x` with another shape and the same elements in row-major order; one entry may be -1.

    The result shares memory where the layout allows it.
    """
    shape = (shape,) if isinstance(shape, int) else tuple(index(n) for n in shape)
    size = math.prod(x.shape)
    known = math.prod(n for n in shape if n != -1)
    free = shape.count(-1)
    if free > 1 or any(n < -1 for n in shape) or (known != size if not free else known == 0 or size % known):
        raise RuntimeError(f"reshape(): shape {shape} is not possible for {size} elements (x.shape={x.shape})")
    return _reshape(x, shape=shape)


def flatten(x, start_dim=0, end_dim=-1):
    """Return `x` with the dims from `start_dim` to `end_dim` made one."""
    if x.ndim == 0:
        return reshape(x, (1,))
    start, end = (normalized_dim(d, x.ndim, "flatten") for d in (start_dim, end_dim))
    if start > end:
        raise RuntimeError(f"flatten(): start_dim must not come after end_dim (start_dim={start_dim}, end_dim={end_dim})")
    return _reshape(x, shape=(*x.shape[:start], math.prod(x.shape[start : end + 1]), *x.shape[end + 1 :]))


@primitive
def _permute(x, *, dims):
    return x.transpose(dims)


_permute.defvjp(lambda g, out, x, dims: _permute(g, dims=tuple(int(i) for i in np.argsort(dims))))


def permute(x, dims):
    """Return `x` with its dims in the order `dims`, as a view."""
    order = normalized_dims(tuple(dims), x.ndim, "permute")
    if len(order) != x.ndim:
        raise RuntimeError(f"permute(): dims must name all {x.ndim} dims (dims={tuple(dims)}, x.shape={x.shape})")
    return _permute(x, dims=order)


def transpose(x, dim0, dim1):
    """Return `x` with two dims exchanged, as a view."""
    order = list(range(x.ndim))
    i, j = normalized_dim(dim0, x.ndim, "transpose"), normalized_dim(dim1, x.ndim, "transpose")
    if order:
        order[i], order[j] = order[j], order[i]
    return _permute(x, dims=tuple(order))


def squeeze(x, dim=None):
    """Return `x` without its dims of size 1 (or without those named, where their size is 1)."""
    dims = normalized_dims(dim, x.ndim, "squeeze")
    return _reshape(x, shape=tuple(n for i, n in enumerate(x.shape) if n != 1 or i not in dims))


def unsqueeze(x, dim):
    """Return `x` with a dim of size 1 inserted at `dim`."""
    dim = normalized_dim(dim, x.ndim + 1, "unsqueeze")
    return _reshape(x, shape=(*x.shape[:dim], 1, *x.shape[dim:]))


# ------------------------------------------------------------------------------------ joining, padding


@primitive
def _cat(*arrays, dim):
    return np.concatenate(arrays, dim)


def _cat_rule(g, out, *arrays, needs, dim):
    parts, start = [], 0
    for x, need in zip(arrays, needs):
        stop = start + x.shape[dim]
        parts.append(_narrow(g, dim=dim, start=start, stop=stop) if need else None)
        start = stop
    return parts


_cat.defvjps(_cat_rule, shapes_only=True)


@primitive
def _narrow(x, *, dim, start, stop):
    return x[(slice(None),) * dim + (slice(start, stop),)]


def _narrow_rule(g, out, x, *, dim, start, stop):
    widths = [(0, 0)] * x.ndim
    widths[dim] = (start, x.shape[dim] - stop)
    return _pad_constant(g, widths=tuple(widths), value=0)


_narrow.defvjp(_narrow_rule)


def narrow(x, dim, start, length):
    """Return the slice ``start : start + length`` of `x` along `dim`, as a view."""
    dim = normalized_dim(dim, x.ndim, "narrow")
    size = x.shape[dim]
    start = start + size if start < 0 else start
    if not 0 <= start <= start + length <= size:
        raise RuntimeError(f"narrow(): start ({start}) + length ({length}) exceeds the size {size} of dim {dim}")
    return _narrow(x, dim=dim, start=start, stop=start + length)


def cat(tensors, dim=0):
    """Join tensors along an existing dim.

    Parameters
    ----------
    tensors : sequence of Tensor
        Of equal shape but for `dim`; their dtypes are promoted.
    dim : int
    """
    tensors = list(tensors)
    if not tensors:
        raise ValueError("cat(): expects at least one tensor")
    first = tensors[0]
    dim = normalized_dim(dim, first.ndim, "cat")
    for i, x in enumerate(tensors):
        if x.ndim != first.ndim or any(n != m for j, (n, m) in enumerate(zip(x.shape, first.shape)) if j != dim):
            raise RuntimeError(f"cat(): shapes must agree except along dim {dim} (tensor 0: {first.shape}, tensor {i}: {x.shape})")
    if first.ndim == 0:
        raise RuntimeError("cat(): 0-d tensors cannot be joined; use stack()")
    return _cat(*tensors, dim=dim)


def stack(tensors, dim=0):
    """Join tensors of one shape along a new dim."""
    tensors = list(tensors)
    if not tensors:
        raise ValueError("stack(): expects at least one tensor")
    first = tensors[0]
    for i, x in enumerate(tensors):
        if x.shape != first.shape:
            raise RuntimeError(f"stack(): shapes must be equal (tensor 0: {first.shape}, tensor {i}: {x.shape})")
    dim = normalized_dim(dim, first.ndim + 1, "stack")
    return _cat(*(unsqueeze(x, dim) for x in tensors), dim=dim)


@primitive
def _pad_constant(x, *, widths, value):
    out = np.full([n + before + after for n, (before, after) in zip(x.shape, widths)], value, x.dtype)
    out[tuple(slice(before, before + n) for n, (before, _) in zip(x.shape, widths))] = x
    return out


_pad_constant.defvjp(lambda g, out, x, widths, value: _crop(g, widths=widths))


@primitive
def _crop(x, *, widths):
    return x[tuple(slice(before, n - after) for n, (before, after) in zip(x.shape, widths))]


_crop.defvjp(lambda g, out, x, widths: _pad_constant(g, widths=widths, value=0))


def contiguous(x):
    """Return `x` laid out in row-major order (`x` itself where it is)."""
    return x if x.data.flags.c_contiguous else clone(x)


@primitive
def clone(x):
    """Return a copy that stays in the graph."""
    return x.copy()


clone.defvjp(lambda g, out, x: g)


def data_of(x):
    """Return the array behind a tensor, or what is not a tensor as it is."""
    return x.data if isinstance(x, Variable) else x
