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
    dtype = np.dtype(dtype).newbyteorder("=")
    if dtype.kind not in "fiub":
        raise TypeError(f"to(): tensors hold numbers or booleans (dtype={dtype})")
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
    except (RuntimeError, ValueError):
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
    shape = (shape,) if isinstance(shape, int) else tuple(map(index, shape))
    if not shape or min(shape) >= -1:
        try:
            return _reshape(x, shape=shape)
        except ValueError:
            pass
    size = math.prod(x.shape)
    raise RuntimeError(f"reshape(): shape {shape} is not possible for {size} elements (x.shape={x.shape})")


def flatten(x, start_dim=0, end_dim=-1):
    """Return `x` with the dims from `start_dim` to `end_dim` made one."""
    if x.ndim == 0:
        return reshape(x, (1,))
    start, end = (normalized_dim(d, x.ndim, "flatten") for d in (start_dim, end_dim))
    if start > end:
        raise RuntimeError(f"flatten(): start_dim must not come after end_dim (start_dim={start_dim}, "
                           f"end_dim={end_dim})")
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
        if x.shape == first.shape:
            continue
        if x.ndim != first.ndim or any(n != m for j, (n, m) in enumerate(zip(x.shape, first.shape)) if j != dim):
            raise RuntimeError(f"cat(): shapes must agree except along dim {dim} (tensor 0: {first.shape}, tensor "
                               f"{i}: {x.shape})")
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


# ------------------------------------------------------------------------------------ taking apart


def split(x, split_size_or_sections, dim=0):
    """Return pieces of `x` along `dim`, as views.

    Parameters
    ----------
    x : Tensor
    split_size_or_sections : int or sequence of int
        The size of each piece (the last one may be smaller), or the sizes of all pieces.
    dim : int

    Returns
    -------
    tuple of Tensor
    """
    dim = normalized_dim(dim, x.ndim, "split")
    if not x.ndim:
        raise RuntimeError("split(): expects at least one dim (x.shape=())")
    size = x.shape[dim]
    if isinstance(split_size_or_sections, tuple | list):
        sizes = [index(n) for n in split_size_or_sections]
        if math.fsum(sizes) != size or min(sizes, default=0) < 0:
            raise RuntimeError(f"split(): the sizes must add up to the size {size} of dim {dim} (sizes={sizes})")
    else:
        step = index(split_size_or_sections)
        if step < 0 or (step == 0 and size):
            raise RuntimeError(f"split(): the size of a piece must be positive (split_size={step}, x.shape={x.shape})")
        sizes = [min(step, size - start) for start in range(0, size, step)] if size else [0]
    pieces, start = [], 0
    for n in sizes:
        pieces.append(_narrow(x, dim=dim, start=start, stop=start + n))
        start += n
    return tuple(pieces)


def chunk(x, chunks, dim=0):
    """Return at most `chunks` pieces of equal size along `dim` (the last one may be smaller), as views."""
    if chunks < 1:
        raise RuntimeError(f"chunk(): chunks must be positive (chunks={chunks})")
    dim = normalized_dim(dim, x.ndim, "chunk")
    size = x.shape[dim] if x.ndim else 0
    return split(x, -(-size // chunks), dim) if size else split(x, [0] * chunks, dim)


def unbind(x, dim=0):
    """Return the slices of `x` along `dim`, without that dim."""
    dim = normalized_dim(dim, x.ndim, "unbind")
    if not x.ndim:
        raise RuntimeError("unbind(): expects at least one dim (x.shape=())")
    shape = (*x.shape[:dim], *x.shape[dim + 1 :])
    return tuple(_reshape(_narrow(x, dim=dim, start=i, stop=i + 1), shape=shape) for i in range(x.shape[dim]))


def select(x, dim, index):
    """Return one slice of `x` along `dim`, without that dim, as a view."""
    dim = normalized_dim(dim, x.ndim, "select")
    size = x.shape[dim]
    if not -size <= index < size:
        raise IndexError(f"select(): index {index} is out of range for dim {dim} of size {size}")
    i = index % size
    return _reshape(_narrow(x, dim=dim, start=i, stop=i + 1), shape=(*x.shape[:dim], *x.shape[dim + 1 :]))


# ------------------------------------------------------------------------------------ repeating, reordering


def expand(x, sizes):
    """Return a view of `x` with dims of size 1 repeated and dims added in front; -1 keeps a size."""
    lead = len(sizes) - x.ndim
    if lead < 0:
        raise RuntimeError(f"expand(): needs at least {x.ndim} sizes (sizes={tuple(sizes)}, x.shape={x.shape})")
    return broadcast_to(x, [x.shape[i - lead] if n == -1 and i >= lead else n for i, n in enumerate(sizes)])


def repeat(x, sizes):
    """Return `x` repeated ``sizes[i]`` times along dim i (dims are added in front), as a copy."""
    lead = len(sizes) - x.ndim
    if lead < 0 or any(n < 0 for n in sizes):
        raise RuntimeError(f"repeat(): needs a count >= 0 for each of {x.ndim} dims (sizes={tuple(sizes)}, "
                           f"x.shape={x.shape})")
    shape = (1,) * lead + x.shape
    spaced = _reshape(x, shape=tuple(n for size in shape for n in (1, size)))
    spread = _broadcast_to(spaced, shape=tuple(n for count, size in zip(sizes, shape) for n in (count, size)))
    return _reshape(spread, shape=tuple(count * size for count, size in zip(sizes, shape)))


def tile(x, dims):
    """Return `x` repeated ``dims[i]`` times along dim i, where `dims` counts from the last dim."""
    return repeat(x, (1,) * (x.ndim - len(dims)) + tuple(dims))


def repeat_interleave(x, repeats, dim=None):
    """Return `x` with each slice along `dim` repeated `repeats` times in a row (of the flattened tensor for None)."""
    if not isinstance(repeats, int) or repeats < 0:
        raise RuntimeError(f"repeat_interleave(): repeats must be an int >= 0 (repeats={repeats!r})")
    if dim is None:
        x, dim = reshape(x, (math.prod(x.shape),)), 0
    dim = normalized_dim(dim, x.ndim, "repeat_interleave")
    before, after = x.shape[: dim + 1], x.shape[dim + 1 :]
    spread = _broadcast_to(_reshape(x, shape=(*before, 1, *after)), shape=(*before, repeats, *after))
    return _reshape(spread, shape=(*before[:-1], before[-1] * repeats, *after))


@primitive
def _flip(x, *, dims):
    return np.flip(x, dims)


_flip.defvjp(lambda g, out, x, dims: _flip(g, dims=dims))


def flip(x, dims):
    """Return `x` with the order along `dims` reversed, as a view."""
    return _flip(x, dims=normalized_dims(dims, x.ndim, "flip"))


@primitive
def _roll(x, *, shifts, dims):
    return np.roll(x, shifts, dims)


_roll.defvjp(lambda g, out, x, shifts, dims: _roll(g, shifts=tuple(-n for n in shifts), dims=dims))


def roll(x, shifts, dims=None):
    """Return `x` with its elements moved by `shifts` along `dims`, cyclically (of the flattened tensor for None)."""
    if dims is None:
        return _reshape(roll(reshape(x, (math.prod(x.shape),)), shifts, 0), shape=x.shape)
    shifts = tuple(shifts) if isinstance(shifts, tuple | list) else (shifts,)
    dims = normalized_dims(dims, x.ndim, "roll")
    if len(shifts) != len(dims):
        raise RuntimeError(f"roll(): needs one shift for each dim (shifts={shifts}, dims={dims})")
    return _roll(x, shifts=shifts, dims=dims)


def movedim(x, source, destination):
    """Return `x` with the dims `source` moved to the places `destination`, as a view."""
    sources = normalized_dims(source, x.ndim, "movedim")
    targets = normalized_dims(destination, x.ndim, "movedim")
    if len(sources) != len(targets):
        raise RuntimeError(f"movedim(): source and destination must name as many dims (source={source}, "
                           f"destination={destination})")
    order = [i for i in range(x.ndim) if i not in sources]
    for target, i in sorted(zip(targets, sources)):
        order.insert(target, i)
    return _permute(x, dims=tuple(order))


def unflatten(x, dim, sizes):
    """Return `x` with `dim` made several dims of the given sizes (one may be -1)."""
    dim = normalized_dim(dim, x.ndim, "unflatten")
    sizes = list(sizes)
    if -1 in sizes:
        known = -math.prod(sizes)
        sizes[sizes.index(-1)] = x.shape[dim] // known if known > 0 else -1
    if sizes.count(-1) or math.prod(sizes) != x.shape[dim]:
        raise RuntimeError(f"unflatten(): sizes {tuple(sizes)} do not multiply to the size {x.shape[dim]} of dim {dim}")
    return _reshape(x, shape=(*x.shape[:dim], *sizes, *x.shape[dim + 1 :]))


def meshgrid(*tensors, indexing="ij"):
    """Return the coordinates of a grid: each 1-D tensor repeated along the dims of the others, as views.

    Parameters
    ----------
    *tensors : Tensor of 0 or 1 dims
    indexing : {'ij', 'xy'}
        'xy' exchanges the first two dims of the results.
    """
    tensors = tuple(tensors[0]) if len(tensors) == 1 and isinstance(tensors[0], tuple | list) else tensors
    if indexing not in ("ij", "xy"):
        raise RuntimeError(f"meshgrid(): indexing must be 'ij' or 'xy' (indexing={indexing!r})")
    columns = [reshape(x, (math.prod(x.shape),)) for x in tensors]
    shape = tuple(x.shape[0] for x in columns)
    grids = [
        broadcast_to(_reshape(x, shape=tuple(x.shape[0] if j == i else 1 for j in range(len(shape)))), shape)
        for i, x in enumerate(columns)
    ]
    return tuple(transpose(x, 0, 1) for x in grids) if indexing == "xy" and len(grids) > 1 else tuple(grids)


# ------------------------------------------------------------------------------------ diagonals, triangles


@primitive
def _triangle(x, *, diagonal, upper):
    return np.triu(x, diagonal) if upper else np.tril(x, diagonal)


_triangle.defvjp(lambda g, out, x, diagonal, upper: _triangle(g, diagonal=diagonal, upper=upper))


def _check_matrices(x, operation):
    if x.ndim < 2:
        raise RuntimeError(f"{operation}(): expects at least two dims (x.shape={x.shape})")


def tril(x, diagonal=0):
    """Return the matrices in the last two dims with 0 above a diagonal."""
    _check_matrices(x, "tril")
    return _triangle(x, diagonal=diagonal, upper=False)


def triu(x, diagonal=0):
    """Return the matrices in the last two dims with 0 below a diagonal."""
    _check_matrices(x, "triu")
    return _triangle(x, diagonal=diagonal, upper=True)


@primitive
def _diagonal(x, *, offset, dim1, dim2):
    return np.diagonal(x, offset, dim1, dim2)


@primitive
def _put_diagonal(g, *, shape, offset, dim1, dim2):
    out = np.zeros(shape, g.dtype)
    view = np.diagonal(out, offset, dim1, dim2)
    view.flags.writeable = True
    view[...] = g
    return out


_diagonal.defvjp(
    lambda g, out, x, offset, dim1, dim2: _put_diagonal(g, shape=x.shape, offset=offset, dim1=dim1, dim2=dim2)
)
_put_diagonal.defvjp(
    lambda h, out, g, shape, offset, dim1, dim2: _diagonal(h, offset=offset, dim1=dim1, dim2=dim2)
)


def diagonal(x, offset=0, dim1=0, dim2=1):
    """Return a diagonal of `x` in two of its dims, as the last dim of a view."""
    dim1, dim2 = (normalized_dim(d, x.ndim, "diagonal") for d in (dim1, dim2))
    if dim1 == dim2 or x.ndim < 2:
        raise RuntimeError(f"diagonal(): needs two different dims (dim1={dim1}, dim2={dim2}, x.shape={x.shape})")
    return _diagonal(x, offset=offset, dim1=dim1, dim2=dim2)


def diag_embed(x, offset=0):
    """Return matrices (in the last two dims) with the last dim of `x` on a diagonal."""
    n = x.shape[-1] + abs(offset)
    return _put_diagonal(x, shape=(*x.shape[:-1], n, n), offset=offset, dim1=-2, dim2=-1)


def diag(x, diagonal=0):
    """Return the matrix with a 1-D tensor on a diagonal, or a diagonal of a matrix."""
    if x.ndim == 1:
        return diag_embed(x, diagonal)
    if x.ndim == 2:
        return _diagonal(x, offset=diagonal, dim1=0, dim2=1)
    raise RuntimeError(f"diag(): expects one or two dims (x.shape={x.shape})")


# ------------------------------------------------------------------------------------ copies


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
