"""Operations that move elements without changing them: views, permutations, joining, padding, dtype."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from operator import index
from typing import Any

import numpy as np

from ..engine import ELEMENTS, Node, Variable, check_holds, common_dtype, note_read, primitive
from ..engine.backward import copy_by
from ..engine.errors import asked_for, warn
from ..kernels import copies
from ..typing import Array, Dims, DTypeLike, Gradients, Ints, Margins, Number, Shape, ShapeLike, Tensor

__all__ = [
    "broadcast_to", "cat", "chunk", "clone", "diag", "diag_embed", "diagonal", "flatten", "flip", "meshgrid",
    "movedim", "narrow", "permute", "repeat_interleave", "reshape", "roll", "select", "split", "squeeze", "stack",
    "tile", "transpose", "tril", "triu", "unbind", "unflatten", "unsqueeze",
]  # fmt: skip

# ------------------------------------------------------------------------------------ axes


def normalized_dim(dim: int, ndim: int, operation: str) -> int:
    """Return `dim` counted from the front; raise IndexError where it is out of range."""
    dim = index(dim)
    low, high = (-ndim, ndim - 1) if ndim else (-1, 0)
    if not low <= dim <= high:
        raise IndexError(f"{operation}(): dim must be from {low} to {high} for {ndim} dimensions (dim={dim})")
    return dim % ndim if ndim else 0


def normalized_dims(dim: Dims, ndim: int, operation: str) -> tuple[int, ...]:
    """Return a tuple of dims counted from the front (all for None); raise where one is out of range or given twice."""
    if dim is None:
        return tuple(range(ndim))
    dims = tuple(normalized_dim(d, ndim, operation) for d in (dim if isinstance(dim, tuple | list) else (dim,)))
    if len(set(dims)) != len(dims):
        raise RuntimeError(f"{operation}(): a dim appears twice (dim={dim})")
    return dims if ndim else ()


# ------------------------------------------------------------------------------------ copies

LARGE = 131_072  # elements from which on kernels copy


def _copied(x: Array) -> Array:
    return copies.copy(x) if x.size >= LARGE else x.copy()


def _put(x: Array, out: Array) -> None:
    """Write `x` into an array of its shape, which shares no memory with it."""
    if x.size >= LARGE:
        copies.put(x, out)
    else:
        out[...] = x


copy_by(_copied)

# ------------------------------------------------------------------------------------ dtype, broadcast


@primitive
def cast(x: Array, *, dtype: np.dtype[Any]) -> Array:
    """Return `x` converted to a floating-point or complex `dtype`; the gradient is converted back."""
    return _converted(x, dtype)


def _converted(x: Array, dtype: np.dtype[Any]) -> Array:
    if x.dtype.kind == "c" and dtype.kind not in "bc":
        x = x.real
    return x.astype(dtype)


cast.defvjp(x=lambda g, x_like: g if g.dtype.kind == "c" != x_like.dtype.kind else cast(g, dtype=x_like.dtype))


@primitive
def _cast_discrete(x: Array, *, dtype: np.dtype[Any]) -> Array:
    return _converted(x, dtype)


def to_dtype(input: Tensor, dtype: DTypeLike) -> Tensor:
    """Return `input` in another dtype (`input` itself where it has it already)."""
    dtype = np.dtype(dtype).newbyteorder("=")
    if dtype.kind not in ELEMENTS or dtype.itemsize > 16 or dtype.char in "gG":
        raise TypeError(f"to(): tensors hold numbers or booleans (dtype={dtype})")
    if input.dtype == dtype:
        return input
    if input.dtype.kind == "c" and dtype.kind not in "bc":
        raise TypeError(f"{asked_for(cast)}(): is not defined for complex numbers (dtype={input.dtype}); take .real, "
                        ".imag or .abs() first")
    return (cast if dtype.kind in "fc" and input.dtype.kind in "fc" else _cast_discrete)(input, dtype=dtype)


def converted(input: Tensor, dtype: DTypeLike) -> Tensor:
    """Return what `to_dtype` does; complex numbers lose their imaginary parts, with a warning, as in PyTorch."""
    chosen = np.dtype(dtype)
    if input.dtype.kind == "c" and chosen.kind in "fiu":
        warn(f"to(): complex numbers become real ones, and their imaginary parts are lost (dtype={chosen}); take .real")
        input = input.real
    return to_dtype(input, chosen)


def to_array(value: Any, dtype: DTypeLike, operation: str) -> Array:
    """Return a number, an array or nested lists of numbers as an array of `dtype`; NumPy would make NaN of None."""
    array = value.array if isinstance(value, Variable) else np.asarray(value)
    if array.dtype.kind not in ELEMENTS:
        raise TypeError(f"{operation}(): expects a number, a tensor or an array (got {value!r:.60})")
    if not array.ndim and not isinstance(value, Variable):
        check_holds(dtype, array.item(), operation)
    return array.astype(dtype, copy=False)


@primitive(view=True)
def _broadcast_to(x: Array, *, shape: Shape) -> Array:
    return np.broadcast_to(x, shape)


_broadcast_to.defvjp(x=lambda g, x_like: sum_to_size(g, x_like.shape))


def broadcast_to(input: Tensor, shape: Sequence[int]) -> Tensor:
    """Return `input` repeated to `shape` by NumPy's broadcasting rule, without copying; the gradient is summed.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.broadcast_to(ag.tensor([1, 2]), (2, 2))
    tensor([[1, 2],
            [1, 2]])
    """
    try:
        return _broadcast_to(input, shape=tuple(shape))
    except (RuntimeError, ValueError):
        raise RuntimeError(f"broadcast_to(): shape {input.shape} cannot be broadcast to {tuple(shape)}") from None


@primitive
def _sum_to_size(x: Array, *, shape: Shape) -> Array:
    extra = x.ndim - len(shape)
    x = x.sum(axis=tuple(range(extra))) if extra else x
    axes = tuple(i for i, (n, m) in enumerate(zip(x.shape, shape)) if m == 1 and n != 1)
    return np.ascontiguousarray(x.sum(axis=axes, keepdims=True) if axes else x).reshape(shape)


_sum_to_size.defvjp(x=lambda g, x_like: broadcast_to(g, x_like.shape))


def sum_to_size(input: Tensor, shape: Sequence[int]) -> Tensor:
    """Return the sum of `input` over the axes along which `shape` was broadcast; the inverse of `broadcast_to`."""
    shape = tuple(shape)
    tail = input.array.shape[input.ndim - len(shape) :]
    if input.ndim < len(shape) or any(m not in (1, n) for n, m in zip(tail, shape)):
        raise RuntimeError(f"sum_to_size(): shape {shape} cannot be broadcast to {input.shape}")
    if shape == input.array.shape:
        return input
    return _sum_to_size(input, shape=shape)


# ------------------------------------------------------------------------------------ rearranging


@primitive(view=True)
def _reshape(x: Array, *, shape: Shape) -> Array:
    return x.reshape(shape)


_reshape.defvjp(x=lambda g, x_like: _reshape(g, shape=x_like.shape))


def reshape(input: Tensor, shape: ShapeLike) -> Tensor:
    """Return `input` with another shape and the same elements in row-major order; one entry may be -1.

    The result shares memory where the layout allows it.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.reshape(ag.arange(6), (2, 3))
    tensor([[0, 1, 2],
            [3, 4, 5]])
    """
    shape = (shape,) if isinstance(shape, int) else tuple(map(index, shape))
    if not shape or min(shape) >= -1:
        try:
            return _reshape(input, shape=shape)
        except ValueError:
            pass
    size = math.prod(input.array.shape)
    raise RuntimeError(f"reshape(): shape {shape} is not possible for {size} elements (input.shape={input.shape})")


def flatten(input: Tensor, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    """Return `input` with the dims from `start_dim` to `end_dim` made one.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.flatten(ag.zeros(2, 3, 4), 1).shape
    (2, 12)
    """
    if input.ndim == 0:
        return reshape(input, (1,))
    start, end = (normalized_dim(d, input.ndim, "flatten") for d in (start_dim, end_dim))
    if start > end:
        raise RuntimeError(f"flatten(): start_dim must not come after end_dim (start_dim={start_dim}, "
                           f"end_dim={end_dim})")
    shape = input.array.shape
    return _reshape(input, shape=(*shape[:start], math.prod(shape[start : end + 1]), *shape[end + 1 :]))


@primitive(view=True)
def _permute(x: Array, *, dims: tuple[int, ...]) -> Array:
    return x.transpose(dims)


_permute.defvjp(x=lambda g, dims: _permute(g, dims=tuple(int(i) for i in np.argsort(dims))))


def permute(input: Tensor, dims: Sequence[int]) -> Tensor:
    """Return `input` with its dims in the order `dims`, as a view.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.permute(ag.zeros(2, 3, 4), (2, 0, 1)).shape
    (4, 2, 3)
    """
    order = normalized_dims(tuple(dims), input.ndim, "permute")
    if len(order) != input.ndim:
        raise RuntimeError(f"permute(): dims must name all {input.ndim} dims "
                           f"(dims={tuple(dims)}, input.shape={input.shape})")
    return _permute(input, dims=order)


def transpose(input: Tensor, dim0: int, dim1: int) -> Tensor:
    """Return `input` with two dims exchanged, as a view.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.transpose(ag.zeros(2, 3, 4), 1, 2).shape
    (2, 4, 3)
    """
    order = list(range(input.ndim))
    i, j = normalized_dim(dim0, input.ndim, "transpose"), normalized_dim(dim1, input.ndim, "transpose")
    if order:
        order[i], order[j] = order[j], order[i]
    return _permute(input, dims=tuple(order))


def squeeze(input: Tensor, dim: Dims = None) -> Tensor:
    """Return `input` without its dims of size 1 (or without those named, where their size is 1).

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.squeeze(ag.zeros(1, 3, 1)).shape, ag.squeeze(ag.zeros(1, 3, 1), 0).shape
    ((3,), (3, 1))
    """
    dims = normalized_dims(dim, input.ndim, "squeeze")
    return _reshape(input, shape=tuple(n for i, n in enumerate(input.array.shape) if n != 1 or i not in dims))


def unsqueeze(input: Tensor, dim: int) -> Tensor:
    """Return `input` with a dim of size 1 inserted at `dim`.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.unsqueeze(ag.zeros(3), 0).shape
    (1, 3)
    """
    dim = normalized_dim(dim, input.ndim + 1, "unsqueeze")
    return _reshape(input, shape=(*input.array.shape[:dim], 1, *input.array.shape[dim:]))


# ------------------------------------------------------------------------------------ joining, padding


@primitive
def _cat(*arrays: Array, dim: int) -> Array:
    dtype = arrays[0].dtype
    if any(a.dtype != dtype for a in arrays):  # PyTorch's promotion: a float and an integer give the float
        dtype = common_dtype(arrays)
    elif sum([a.size for a in arrays]) >= LARGE:
        out, stop = np.empty(_joined_shape(arrays, dim), dtype), 0
        for a in arrays:
            start, stop = stop, stop + a.shape[dim]
            _put(a, out[(slice(None),) * dim + (slice(start, stop),)])
        return out
    return np.concatenate(arrays, dim, dtype=dtype)


def _joined_shape(arrays: Sequence[Array], dim: int) -> Shape:
    shape = arrays[0].shape
    return (*shape[:dim], sum([a.shape[dim] for a in arrays]), *shape[dim + 1 :])


def _cat_rule(g: Tensor, arrays_like: Sequence[Node], needs: Sequence[bool], dim: int) -> Gradients:
    parts, start = [], 0
    for x, need in zip(arrays_like, needs):
        stop = start + x.shape[dim]
        parts.append(_narrow(g, dim=dim, start=start, stop=stop) if need else None)
        start = stop
    return parts


_cat.defvjps(_cat_rule)


@primitive(view=True)
def _narrow(x: Array, *, dim: int, start: int, stop: int) -> Array:
    return x[(slice(None),) * dim + (slice(start, stop),)]


def _narrow_rule(g: Tensor, x_like: Node, dim: int, start: int, stop: int) -> Tensor:
    widths = [(0, 0)] * x_like.ndim
    widths[dim] = (start, x_like.shape[dim] - stop)
    return _pad_constant(g, widths=tuple(widths), value=0)


_narrow.defvjp(x=_narrow_rule)


def narrow(input: Tensor, dim: int, start: int, length: int) -> Tensor:
    """Return the slice ``start : start + length`` of `input` along `dim`, as a view.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.narrow(ag.arange(6), 0, 2, 3)
    tensor([2, 3, 4])
    """
    dim = normalized_dim(dim, input.ndim, "narrow")
    size = input.array.shape[dim]
    start = start + size if start < 0 else start
    if not 0 <= start <= start + length <= size:
        raise RuntimeError(f"narrow(): start ({start}) + length ({length}) exceeds the size {size} of dim {dim}")
    return _narrow(input, dim=dim, start=start, stop=start + length)


def cat(tensors: Iterable[Tensor], dim: int = 0) -> Tensor:
    """Join tensors along an existing dim.

    Parameters
    ----------
    tensors : sequence of Tensor
        Of equal shape but for `dim`; their dtypes are promoted.
    dim : int

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.cat([ag.zeros(2, 1), ag.ones(2, 2)], dim=1)
    tensor([[0., 1., 1.],
            [0., 1., 1.]])
    """
    tensors = list(tensors)
    if not tensors:
        raise ValueError("cat(): expects at least one tensor")
    if any(x.ndim > 1 for x in tensors):  # an empty tensor of one dim fits any other, as in PyTorch
        dtype = common_dtype([x.array for x in tensors])
        tensors = [x if i or x.dtype == dtype else to_dtype(x, dtype)
                   for i, x in enumerate(x for x in tensors if x.array.shape != (0,))]
    first = tensors[0]
    dim = normalized_dim(dim, first.ndim, "cat")
    for i, x in enumerate(tensors):
        if x.array.shape == first.array.shape:
            continue
        sizes = zip(x.array.shape, first.array.shape)
        if x.ndim != first.ndim or any(n != m for j, (n, m) in enumerate(sizes) if j != dim):
            raise RuntimeError(f"cat(): shapes must agree except along dim {dim} (tensor 0: {first.shape}, tensor "
                               f"{i}: {x.shape})")
    if first.ndim == 0:
        raise RuntimeError("cat(): 0-d tensors cannot be joined; use stack()")
    return _cat(*tensors, dim=dim)


def stack(tensors: Iterable[Tensor], dim: int = 0) -> Tensor:
    """Join tensors of one shape along a new dim.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.stack([ag.tensor([1, 2]), ag.tensor([3, 4])], dim=1)
    tensor([[1, 3],
            [2, 4]])
    """
    tensors = list(tensors)
    if not tensors:
        raise ValueError("stack(): expects at least one tensor")
    first = tensors[0]
    for i, x in enumerate(tensors):
        if x.array.shape != first.array.shape:
            raise RuntimeError(f"stack(): shapes must be equal (tensor 0: {first.shape}, tensor {i}: {x.shape})")
    dim = normalized_dim(dim, first.ndim + 1, "stack")
    return _cat(*(unsqueeze(x, dim) for x in tensors), dim=dim)


@primitive
def _pad_constant(x: Array, *, widths: Margins, value: Number) -> Array:
    out = np.full([n + before + after for n, (before, after) in zip(x.shape, widths)], value, x.dtype)
    _put(x, out[tuple(slice(before, before + n) for n, (before, _) in zip(x.shape, widths))])
    return out


_pad_constant.defvjp(x=lambda g, widths: _crop(g, widths=widths))


@primitive(view=True)
def _crop(x: Array, *, widths: Margins) -> Array:
    return x[tuple(slice(before, n - after) for n, (before, after) in zip(x.shape, widths))]


_crop.defvjp(x=lambda g, widths: _pad_constant(g, widths=widths, value=0))


# ------------------------------------------------------------------------------------ taking apart


def split(tensor: Tensor, split_size_or_sections: Ints, dim: int = 0) -> tuple[Tensor, ...]:
    """Return pieces of `tensor` along `dim`, as views.

    Parameters
    ----------
    tensor : Tensor
    split_size_or_sections : int or sequence of int
        The size of each piece (the last one may be smaller), or the sizes of all pieces.
    dim : int

    Returns
    -------
    tuple of Tensor

    Examples
    --------
    >>> import autograd_nn as ag
    >>> [part.tolist() for part in ag.split(ag.arange(5), 2)]
    [[0, 1], [2, 3], [4]]
    """
    dim = normalized_dim(dim, tensor.ndim, "split")
    if not tensor.ndim:
        raise RuntimeError("split(): expects at least one dim (tensor.shape=())")
    size = tensor.array.shape[dim]
    if isinstance(split_size_or_sections, tuple | list):
        sizes = [index(n) for n in split_size_or_sections]
        if math.fsum(sizes) != size or min(sizes, default=0) < 0:
            raise RuntimeError(f"split(): the sizes must add up to the size {size} of dim {dim} (sizes={sizes})")
    else:
        step = index(split_size_or_sections)
        if step < 0 or (step == 0 and size):
            raise RuntimeError(f"split(): the size of a piece must be positive "
                               f"(split_size={step}, tensor.shape={tensor.shape})")
        sizes = [min(step, size - start) for start in range(0, size, step)] if size else [0]
    pieces, start = [], 0
    for n in sizes:
        pieces.append(_narrow(tensor, dim=dim, start=start, stop=start + n))
        start += n
    return tuple(pieces)


def chunk(input: Tensor, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
    """Return at most `chunks` pieces of equal size along `dim` (the last one may be smaller), as views.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> [part.tolist() for part in ag.chunk(ag.arange(6), 3)]
    [[0, 1], [2, 3], [4, 5]]
    """
    if chunks < 1:
        raise RuntimeError(f"chunk(): chunks must be positive (chunks={chunks})")
    dim = normalized_dim(dim, input.ndim, "chunk")
    size = input.array.shape[dim] if input.ndim else 0
    return split(input, -(-size // chunks), dim) if size else split(input, [0] * chunks, dim)


def unbind(input: Tensor, dim: int = 0) -> tuple[Tensor, ...]:
    """Return the slices of `input` along `dim`, without that dim.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> [row.tolist() for row in ag.unbind(ag.tensor([[1, 2], [3, 4]]))]
    [[1, 2], [3, 4]]
    """
    dim = normalized_dim(dim, input.ndim, "unbind")
    if not input.ndim:
        raise RuntimeError("unbind(): expects at least one dim (input.shape=())")
    sizes = input.array.shape
    shape = (*sizes[:dim], *sizes[dim + 1 :])
    return tuple(_reshape(_narrow(input, dim=dim, start=i, stop=i + 1), shape=shape) for i in range(sizes[dim]))


def select(input: Tensor, dim: int, index: int) -> Tensor:
    """Return one slice of `input` along `dim`, without that dim, as a view.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.select(ag.tensor([[1, 2], [3, 4]]), 1, 0)
    tensor([1, 3])
    """
    dim = normalized_dim(dim, input.ndim, "select")
    sizes = input.array.shape
    size = sizes[dim]
    if not -size <= index < size:
        raise IndexError(f"select(): index {index} is out of range for dim {dim} of size {size}")
    i = index % size
    return _reshape(_narrow(input, dim=dim, start=i, stop=i + 1), shape=(*sizes[:dim], *sizes[dim + 1 :]))


# ------------------------------------------------------------------------------------ repeating, reordering


def expand(input: Tensor, sizes: Sequence[int]) -> Tensor:
    """Return a view of `input` with dims of size 1 repeated and dims added in front; -1 keeps a size."""
    lead = len(sizes) - input.ndim
    if lead < 0:
        raise RuntimeError(f"expand(): needs at least {input.ndim} sizes "
                           f"(sizes={tuple(sizes)}, input.shape={input.shape})")
    own = input.array.shape
    return broadcast_to(input, [own[i - lead] if n == -1 and i >= lead else n for i, n in enumerate(sizes)])


def repeat(input: Tensor, sizes: Sequence[int]) -> Tensor:
    """Return `input` repeated ``sizes[i]`` times along dim i (dims are added in front), as a copy."""
    lead = len(sizes) - input.ndim
    if lead < 0 or any(n < 0 for n in sizes):
        raise RuntimeError(f"repeat(): needs a count >= 0 for each of {input.ndim} dims (sizes={tuple(sizes)}, "
                           f"input.shape={input.shape})")
    shape = (1,) * lead + input.array.shape
    spaced = _reshape(input, shape=tuple(n for size in shape for n in (1, size)))
    spread = _broadcast_to(spaced, shape=tuple(n for count, size in zip(sizes, shape) for n in (count, size)))
    return _reshape(spread, shape=tuple(count * size for count, size in zip(sizes, shape)))


def tile(input: Tensor, dims: Sequence[int]) -> Tensor:
    """Return `input` repeated ``dims[i]`` times along dim i, where `dims` counts from the last dim.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.tile(ag.tensor([1, 2]), (2,))
    tensor([1, 2, 1, 2])
    """
    return repeat(input, (1,) * (input.ndim - len(dims)) + tuple(dims))


def repeat_interleave(
    input: Tensor, repeats: int | Tensor, dim: int | None = None, *, output_size: int | None = None
) -> Tensor:
    """Return `input` with each slice along `dim` repeated in a row (flattened for None).

    Parameters
    ----------
    input : Tensor
    repeats : int or Tensor of int
        How often, for all slices or for each.
    dim : int, optional
    output_size : int, optional
        The size of the result along `dim`, which is checked.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.repeat_interleave(ag.tensor([1, 2]), 2)
    tensor([1, 1, 2, 2])
    """
    out = _interleaved(input, repeats, dim)
    if output_size is not None and out.array.shape[0 if dim is None else dim] != output_size:
        raise RuntimeError(f"repeat_interleave(): the result has another size (output_size={output_size}, "
                           f"out.shape={out.shape})")
    return out


def _interleaved(input: Tensor, repeats: int | Tensor, dim: int | None) -> Tensor:
    if isinstance(repeats, Variable):
        if dim is None:
            input, dim = reshape(input, (math.prod(input.array.shape),)), 0
        dim = normalized_dim(dim, input.ndim, "repeat_interleave")
        note_read(repeats, "repeat_interleave()")
        counts = repeats.array
        if counts.dtype.kind not in "iu" or counts.ndim > 1 or (counts < 0).any() or (
            counts.size not in (1, input.array.shape[dim])
        ):
            raise RuntimeError(f"repeat_interleave(): repeats must be integers >= 0, one or one for each slice "
                               f"(repeats.shape={counts.shape}, input.shape={input.shape}, dim={dim})")
        return _repeated(input, repeats, dim=dim)
    if not isinstance(repeats, int) or repeats < 0:
        raise RuntimeError(f"repeat_interleave(): repeats must be an int >= 0 (repeats={repeats!r})")
    if dim is None:
        input, dim = reshape(input, (math.prod(input.array.shape),)), 0
    dim = normalized_dim(dim, input.ndim, "repeat_interleave")
    before, after = input.array.shape[: dim + 1], input.array.shape[dim + 1 :]
    spread = _broadcast_to(_reshape(input, shape=(*before, 1, *after)), shape=(*before, repeats, *after))
    return _reshape(spread, shape=(*before[:-1], before[-1] * repeats, *after))


@primitive
def _repeated(x: Array, counts: Array, *, dim: int) -> Array:
    return np.repeat(x, counts, dim)


@primitive
def _added_repeats(g: Array, counts: Array, *, dim: int, size: int) -> Array:
    """Return the sums of what belongs to each slice that was repeated."""
    places = np.repeat(np.arange(size), counts)
    out = np.zeros((*g.shape[:dim], size, *g.shape[dim + 1 :]), g.dtype)
    np.add.at(np.moveaxis(out, dim, 0), places, np.moveaxis(g, dim, 0))
    return out


_repeated.defvjp(x=lambda g, x_like, counts, dim: _added_repeats(g, counts, dim=dim, size=x_like.shape[dim]))
_added_repeats.defvjp(g=lambda h, counts, dim: _repeated(h, counts, dim=dim))


@primitive(view=True)
def _flip(x: Array, *, dims: tuple[int, ...]) -> Array:
    return np.flip(x, dims)


_flip.defvjp(x=lambda g, dims: _flip(g, dims=dims))


def flip(input: Tensor, dims: Dims) -> Tensor:
    """Return `input` with the order along `dims` reversed, as a view.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.flip(ag.tensor([[1, 2], [3, 4]]), (1,))
    tensor([[2, 1],
            [4, 3]])
    """
    return _flip(input, dims=normalized_dims(dims, input.ndim, "flip"))


@primitive
def _roll(x: Array, *, shifts: tuple[int, ...], dims: tuple[int, ...]) -> Array:
    if x.size < LARGE or len(dims) > 1:
        return np.roll(x, shifts, dims)
    before, out = (slice(None),) * dims[0], np.empty(x.shape, x.dtype)
    first = -shifts[0] % x.shape[dims[0]]  # the element that comes to the front
    _put(x[(*before, slice(first, None))], out[(*before, slice(x.shape[dims[0]] - first))])
    _put(x[(*before, slice(first))], out[(*before, slice(x.shape[dims[0]] - first, None))])
    return out


_roll.defvjp(x=lambda g, shifts, dims: _roll(g, shifts=tuple(-n for n in shifts), dims=dims))


def roll(input: Tensor, shifts: Ints, dims: Dims = None) -> Tensor:
    """Return `input` with its elements moved by `shifts` along `dims`, cyclically (flattened for None).

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.roll(ag.arange(4), 1)
    tensor([3, 0, 1, 2])
    """
    if dims is None:
        return _reshape(roll(reshape(input, (math.prod(input.array.shape),)), shifts, 0), shape=input.array.shape)
    shifts = tuple(shifts) if isinstance(shifts, tuple | list) else (shifts,)
    dims = normalized_dims(dims, input.ndim, "roll")
    if len(shifts) != len(dims):
        raise RuntimeError(f"roll(): needs one shift for each dim (shifts={shifts}, dims={dims})")
    return _roll(input, shifts=shifts, dims=dims)


def movedim(input: Tensor, source: Ints, destination: Ints) -> Tensor:
    """Return `input` with the dims `source` moved to the places `destination`, as a view.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.moveaxis(ag.zeros(2, 3, 4), 0, -1).shape
    (3, 4, 2)
    """
    sources = normalized_dims(source, input.ndim, "movedim")
    targets = normalized_dims(destination, input.ndim, "movedim")
    if len(sources) != len(targets):
        raise RuntimeError(f"movedim(): source and destination must name as many dims (source={source}, "
                           f"destination={destination})")
    order = [i for i in range(input.ndim) if i not in sources]
    for target, i in sorted(zip(targets, sources)):
        order.insert(target, i)
    return _permute(input, dims=tuple(order))


def unflatten(input: Tensor, dim: int, sizes: Sequence[int]) -> Tensor:
    """Return `input` with `dim` made several dims of the given sizes (one may be -1).

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.unflatten(ag.zeros(2, 12), 1, (3, 4)).shape
    (2, 3, 4)
    """
    dim = normalized_dim(dim, input.ndim, "unflatten")
    sizes = list(sizes)
    if -1 in sizes:
        known = -math.prod(sizes)
        sizes[sizes.index(-1)] = input.array.shape[dim] // known if known > 0 else -1
    if sizes.count(-1) or math.prod(sizes) != input.array.shape[dim]:
        raise RuntimeError(f"unflatten(): sizes {tuple(sizes)} do not multiply to the size {input.shape[dim]} of "
                           f"dim {dim}")
    return _reshape(input, shape=(*input.array.shape[:dim], *sizes, *input.array.shape[dim + 1 :]))


def meshgrid(*tensors: Tensor, indexing: str = "ij") -> tuple[Tensor, ...]:
    """Return the coordinates of a grid: each 1-D tensor repeated along the dims of the others, as views.

    Parameters
    ----------
    *tensors : Tensor of 0 or 1 dims
    indexing : {'ij', 'xy'}
        'xy' exchanges the first two dims of the results.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> rows, columns = ag.meshgrid(ag.arange(2), ag.arange(3), indexing="ij")
    >>> columns
    tensor([[0, 1, 2],
            [0, 1, 2]])
    """
    tensors = tuple(tensors[0]) if len(tensors) == 1 and isinstance(tensors[0], tuple | list) else tensors
    if indexing not in ("ij", "xy"):
        raise RuntimeError(f"meshgrid(): indexing must be 'ij' or 'xy' (indexing={indexing!r})")
    columns = [reshape(x, (math.prod(x.array.shape),)) for x in tensors]
    shape = tuple(x.array.shape[0] for x in columns)
    grids = [
        broadcast_to(_reshape(x, shape=tuple(x.array.shape[0] if j == i else 1 for j in range(len(shape)))), shape)
        for i, x in enumerate(columns)
    ]
    return tuple(transpose(x, 0, 1) for x in grids) if indexing == "xy" and len(grids) > 1 else tuple(grids)


# ------------------------------------------------------------------------------------ diagonals, triangles


@primitive
def _triangle(x: Array, *, diagonal: int, upper: bool) -> Array:
    return np.triu(x, diagonal) if upper else np.tril(x, diagonal)


_triangle.defvjp(x=lambda g, diagonal, upper: _triangle(g, diagonal=diagonal, upper=upper))


def _check_matrices(input: Tensor, operation: str) -> None:
    if input.ndim < 2:
        raise RuntimeError(f"{operation}(): expects at least two dims (input.shape={input.shape})")


def tril(input: Tensor, diagonal: int = 0) -> Tensor:
    """Return the matrices in the last two dims with 0 above a diagonal.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.tril(ag.ones(2, 2))
    tensor([[1., 0.],
            [1., 1.]])
    """
    _check_matrices(input, "tril")
    return _triangle(input, diagonal=diagonal, upper=False)


def triu(input: Tensor, diagonal: int = 0) -> Tensor:
    """Return the matrices in the last two dims with 0 below a diagonal.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.triu(ag.ones(2, 2), 1)
    tensor([[0., 1.],
            [0., 0.]])
    """
    _check_matrices(input, "triu")
    return _triangle(input, diagonal=diagonal, upper=True)


@primitive(view=True)
def _diagonal(x: Array, *, offset: int, dim1: int, dim2: int) -> Array:
    out = np.diagonal(x, offset, dim1, dim2)
    out.flags.writeable = x.flags.writeable
    return out


@primitive
def _put_diagonal(g: Array, *, shape: Shape, offset: int, dim1: int, dim2: int) -> Array:
    out = np.zeros(shape, g.dtype)
    view = np.diagonal(out, offset, dim1, dim2)
    view.flags.writeable = True
    view[...] = g
    return out


_diagonal.defvjp(
    x=lambda g, x_like, offset, dim1, dim2: _put_diagonal(g, shape=x_like.shape, offset=offset, dim1=dim1, dim2=dim2)
)
_put_diagonal.defvjp(
    g=lambda h, offset, dim1, dim2: _diagonal(h, offset=offset, dim1=dim1, dim2=dim2)
)


def diagonal(input: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Tensor:
    """Return a diagonal of `input` in two of its dims, as the last dim of a view.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.diagonal(ag.tensor([[1, 2], [3, 4]]))
    tensor([1, 4])
    """
    dim1, dim2 = (normalized_dim(d, input.ndim, "diagonal") for d in (dim1, dim2))
    if dim1 == dim2 or input.ndim < 2:
        raise RuntimeError(f"diagonal(): needs two different dims "
                           f"(dim1={dim1}, dim2={dim2}, input.shape={input.shape})")
    return _diagonal(input, offset=offset, dim1=dim1, dim2=dim2)


def diag_embed(input: Tensor, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
    """Return matrices, in two dims of the result, with the last dim of `input` on a diagonal.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.diag_embed(ag.tensor([[1, 2], [3, 4]])).shape
    (2, 2, 2)
    """
    if not input.ndim:
        raise RuntimeError("diag_embed(): expects at least one dim (input.shape=())")
    first, second = (normalized_dim(d, input.ndim + 1, "diag_embed") for d in (dim1, dim2))
    if first == second:
        raise RuntimeError(f"diag_embed(): needs two different dims (dim1={dim1}, dim2={dim2}, "
                           f"input.shape={input.shape})")
    shape = [*input.array.shape[:-1]]
    for place in sorted((first, second)):
        shape.insert(place, input.array.shape[-1] + abs(offset))
    return _put_diagonal(input, shape=tuple(shape), offset=offset, dim1=first, dim2=second)


def diag(input: Tensor, diagonal: int = 0) -> Tensor:
    """Return the matrix with a 1-D tensor on a diagonal, or a diagonal of a matrix.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.diag(ag.tensor([1, 2]))
    tensor([[1, 0],
            [0, 2]])
    """
    if input.ndim == 1:
        return diag_embed(input, diagonal)
    if input.ndim == 2:
        return _diagonal(input, offset=diagonal, dim1=0, dim2=1)
    raise RuntimeError(f"diag(): expects one or two dims (input.shape={input.shape})")


# ------------------------------------------------------------------------------------ copies


def contiguous(input: Tensor, memory_format: object = None) -> Tensor:
    """Return `input` laid out in row-major order (`input` itself where it is).

    Examples
    --------
    >>> import autograd_nn as ag
    >>> x = ag.zeros(2, 3).T
    >>> x.is_contiguous(), x.contiguous().is_contiguous()
    (False, True)
    """
    return input if input.array.flags.c_contiguous else clone(input)


@primitive(view=True)
def identity(x: Array) -> Array:
    """Return a stand-in for `x` with a place of its own in the graph, sharing memory."""
    return x.view()


identity.defvjp(x=lambda g: g)


@primitive
def _clone(x: Array) -> Array:
    return _copied(x)


_clone.defvjp(x=lambda g: g)


def clone(x: Tensor | Variable) -> Tensor:
    """Return a copy that stays in the graph.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> x = ag.tensor([1.0])
    >>> y = ag.clone(x)
    >>> y[0] = 5.0
    >>> x
    tensor([1.])
    """
    return _clone(x)


