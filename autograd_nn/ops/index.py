"""Indexing, gathering and their adjoints; repeated indices add up."""

import numpy as np

from ..engine import Variable, primitive
from .shape import normalized_dim, sum_to_size


@primitive
def _getitem(x, *, index):
    return x[index]


_getitem.defvjp(lambda g, out, x, index: _put(g, shape=x.shape, index=index))


@primitive
def _put(g, *, shape, index):
    """Return zeros of `shape` with `g` added at `index`."""
    out = np.zeros(shape, g.dtype)
    if _repeats(index):
        np.add.at(out, index, g)
    else:
        out[index] = g
    return out


_put.defvjp(lambda h, out, g, shape, index: _getitem(h, index=index))


def _repeats(index):
    """Return whether an index may name an element more than once."""
    return any(
        isinstance(i, np.ndarray) and i.dtype != bool and i.ndim > 0
        for i in (index if isinstance(index, tuple) else (index,))
    )


def _array_index(index, operation):
    """Return an index with tensors and lists made arrays."""
    if isinstance(index, tuple):
        return tuple(_array_index(i, operation) for i in index)
    if isinstance(index, Variable):
        index = index.data
    elif isinstance(index, list):
        index = np.asarray(index, dtype=np.int64 if not index else None)
    if isinstance(index, np.ndarray) and index.dtype.kind not in "iub":
        raise IndexError(f"{operation}(): index arrays must hold integers or booleans (dtype={index.dtype})")
    return index


def getitem(x, index):
    """Return ``x[index]`` with all of NumPy's indexing; slices are views, and repeated indices add their gradients."""
    return _getitem(x, index=_array_index(index, "getitem"))


@primitive
def _setitem(x, value, *, index):
    x[index] = value
    return x


_setitem.defvjp(
    lambda g, out, x, value, index: _erase(g, index=index),
    lambda g, out, x, value, index: sum_to_size(_leading(_getitem(g, index=index), value), value.shape),
)


def _leading(g, value):
    """Return `g` with enough leading dims for a value that has more of them (all of size 1)."""
    return g if g.ndim >= value.ndim else g.reshape((1,) * (value.ndim - g.ndim) + g.shape)


@primitive
def _erase(g, *, index):
    g = g.copy()
    g[index] = 0
    return g


_erase.defvjp(lambda h, out, g, index: _erase(h, index=index))


def setitem(x, value, index):
    """Write `value` into ``x[index]`` in place and return the recorded result, which shares the memory of `x`."""
    return _setitem(x, value, index=_array_index(index, "setitem"))


# ------------------------------------------------------------------------------------ along a dim


def _along(indices, dim):
    """Return the NumPy index that picks ``indices`` along `dim` and the same place in the other dims."""
    return tuple(
        indices if i == dim else np.arange(n).reshape((-1,) + (1,) * (indices.ndim - i - 1))
        for i, n in enumerate(indices.shape)
    )


def take_along_dim(x, indices, dim):
    """Return, along `dim`, the elements of `x` at `indices` (an integer tensor with as many dims as `x`)."""
    dim = normalized_dim(dim, x.ndim, "take_along_dim")
    if x.ndim == 0:
        return x
    indices = indices.data if isinstance(indices, Variable) else np.asarray(indices)
    return _getitem(x, index=_along(indices, dim))
