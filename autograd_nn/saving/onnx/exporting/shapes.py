"""Operations on shapes, indices and order as ONNX nodes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ....ops.index import ARRAY, Slice
from ....ops.resize import linear_positions
from .elementwise import log_of_sum
from .graph import ENDLESS, Graph
from .table import arguments, name_like, translates
from .trace import Call, Number, Size, Value

__all__: list[str] = []

# ------------------------------------------------------------------------------------ shapes


@translates("reshape")
def _reshape(g: Graph, call: Call, shape: tuple[Number, ...]) -> str:
    return g.reshape(g.name_of(call.inputs[0]), shape)


@translates("identity", "clone")
def _identity(g: Graph, call: Call) -> str:
    return g.node("Identity", g.name_of(call.inputs[0]))


@translates("watched", "checkpointed")
def _pass_on(g: Graph, call: Call, **settings: Any) -> tuple[str, ...]:
    if call.primitive.name == "checkpointed":
        raise g.refused("recomputation; export under no_grad()")
    return tuple(g.node("Identity", x) for x in arguments(g, call))


@translates("permute")
def _permute(g: Graph, call: Call, dims: tuple[int, ...]) -> str:
    return g.node("Transpose", g.name_of(call.inputs[0]), perm=list(dims))


@translates("broadcast_to")
def _broadcast_to(g: Graph, call: Call, shape: tuple[Number, ...]) -> str:
    return g.node("Expand", g.name_of(call.inputs[0]), g.ints(shape))


@translates("spread_to")
def _spread_to(g: Graph, call: Call, shape: tuple[Number, ...], dims: tuple[int, ...], share: Any = 1.0) -> str:
    value = call.inputs[0]
    name = g.name_of(value)
    if value.ndim < len(shape):
        name = g.unsqueeze(name, *dims)
    name = g.node("Expand", name, g.ints(shape))
    return name if share == 1 else g.node("Mul", name, g.number(share, value.dtype))


@translates("sum_to_size")
def _sum_to_size(g: Graph, call: Call, shape: tuple[Number, ...]) -> str:
    value = call.inputs[0]
    extra = value.ndim - len(shape)
    kept = [i + extra for i, n in enumerate(shape) if n == 1 and value.shape[i + extra] != 1]
    name = g.reduce("ReduceSum", g.name_of(value), list(range(extra)), False) if extra else g.name_of(value)
    return g.reduce("ReduceSum", name, [i - extra for i in kept], True)


@translates("cast", "cast_discrete")
def _cast(g: Graph, call: Call, dtype: Any) -> str:
    value = call.inputs[0]
    return g.cast(g.name_of(value), value.dtype, np.dtype(dtype)) if value.dtype != dtype else _identity(g, call)


@translates("cat")
def _cat(g: Graph, call: Call, dim: int) -> str:
    dtype = call.results[0].dtype
    return g.node("Concat", *[name_like(g, x, dtype) for x in call.inputs], axis=dim)


@translates("narrow")
def _narrow(g: Graph, call: Call, dim: int, start: Number, stop: Number) -> str:
    return g.slice(g.name_of(call.inputs[0]), [dim], [start], [stop])


@translates("crop")
def _crop(g: Graph, call: Call, widths: Any) -> str:
    axes = [i for i, pair in enumerate(widths) if any(pair)]
    stops = [-widths[i][1] if widths[i][1] else ENDLESS for i in axes]
    return g.slice(g.name_of(call.inputs[0]), axes, [widths[i][0] for i in axes], stops)


@translates("pad_constant")
def _pad_constant(g: Graph, call: Call, widths: Any, value: Any) -> str:
    x = call.inputs[0]
    pads = g.ints([pair[0] for pair in widths] + [pair[1] for pair in widths])
    return g.node("Pad", g.name_of(x), pads, g.like(value, x))


@translates("flip")
def _flip(g: Graph, call: Call, dims: tuple[int, ...]) -> str:
    count = len(dims)
    if not count:
        return _identity(g, call)
    return g.slice(g.name_of(call.inputs[0]), dims, [-1] * count, [-ENDLESS] * count, [-1] * count)


@translates("roll")
def _roll(g: Graph, call: Call, shifts: tuple[int, ...], dims: tuple[int, ...]) -> str:
    value = call.inputs[0]
    name = g.name_of(value)
    for shift, dim in zip(shifts, dims):
        size = value.shape[dim]
        shift = shift if isinstance(size, Size) else shift % size if size else 0
        if shift:
            name = g.concat([g.slice(name, [dim], [-shift], [ENDLESS]), g.slice(name, [dim], [0], [-shift])], dim)
    return name if name != g.name_of(value) else g.node("Identity", name)


@translates("triangle")
def _triangle(g: Graph, call: Call, diagonal: int, upper: bool) -> str:
    return g.node("Trilu", g.name_of(call.inputs[0]), g.scalar(diagonal), upper=int(upper))


def _diagonal_places(shape: tuple[int, int], offset: int) -> Any:
    """Return where the diagonal is in a flattened matrix."""
    return np.diagonal(np.arange(math.prod(shape)).reshape(shape), offset)


@translates("diagonal")
def _diagonal(g: Graph, call: Call, offset: int, dim1: int, dim2: int) -> str:
    value = call.inputs[0]
    dim1, dim2 = dim1 % value.ndim, dim2 % value.ndim
    others = [i for i in range(value.ndim) if i not in (dim1, dim2)]
    rows, columns = g.static(value.shape[dim1], value.shape[dim2])
    flat = g.reshape(g.transpose(g.name_of(value), [*others, dim1, dim2]), [*(value.shape[i] for i in others),
                                                                           rows * columns])
    return g.gather(flat, _diagonal_places((rows, columns), offset), len(others))


@translates("put_diagonal")
def _put_diagonal(g: Graph, call: Call, shape: tuple[Number, ...], offset: int, dim1: int, dim2: int) -> str:
    value = call.inputs[0]
    count = len(shape)
    dim1, dim2 = dim1 % count, dim2 % count
    others = [i for i in range(count) if i not in (dim1, dim2)]
    rows, columns = g.static(shape[dim1], shape[dim2])
    places = _diagonal_places((rows, columns), offset)
    source = np.full(rows * columns, places.size)  # behind the diagonal stands a 0
    source[places] = np.arange(places.size)
    pads = [0] * (2 * value.ndim - 1) + [1]
    padded = g.node("Pad", g.name_of(value), g.ints(pads), g.like(0, value))
    matrix = g.reshape(g.gather(padded, source, len(others)), [*(shape[i] for i in others), rows, columns])
    order = [*others, dim1, dim2]
    return g.transpose(matrix, [order.index(i) for i in range(count)])


@translates("repeated")
def _repeated(g: Graph, call: Call, dim: int) -> str:
    value, counts = call.inputs
    if not isinstance(counts, Value) or counts.array is None or counts.spread is not None:
        raise g.refused("counts that are computed from the inputs")
    (size,) = g.static(value.shape[dim])
    return g.gather(g.name_of(value), np.repeat(np.arange(size), counts.array), dim)


# ------------------------------------------------------------------------------------ indices


def _expanded(key: tuple[Any, ...], ndim: int, spans: list[int]) -> list[Any]:
    """Return a key with an entry for each dim, the ellipsis written out; `spans`: the dims of each index array."""
    following = iter(spans)
    taken = sum(next(following) if entry is ARRAY else entry is not None and entry is not Ellipsis for entry in key)
    rest = [Slice(None, None, None)] * (ndim - taken)
    place = next((i for i, entry in enumerate(key) if entry is Ellipsis), len(key))
    return [*key[:place], *rest, *key[place + 1 :]]


def _sliced(g: Graph, name: str, entries: list[Any]) -> str:
    """Apply the slices among entries that stand for one dim each."""
    axes = [i for i, entry in enumerate(entries) if isinstance(entry, Slice) and entry != Slice(None, None, None)]
    if not axes:
        return name
    steps = [entries[i].step or 1 for i in axes]
    starts = [(-1 if step < 0 else 0) if entries[i].start is None else entries[i].start for i, step in zip(axes, steps)]
    stops = [(-ENDLESS if step < 0 else ENDLESS) if entries[i].stop is None else entries[i].stop
             for i, step in zip(axes, steps)]
    return g.slice(name, axes, starts, stops, steps)


@translates("slice")
def _slice(g: Graph, call: Call, key: tuple[Any, ...]) -> str:
    value = call.inputs[0]
    name = _part(g, g.name_of(value), value.ndim, key)
    return name if name != g.name_of(value) else g.node("Identity", name)


def _part(g: Graph, name: str, ndim: int, key: tuple[Any, ...]) -> str:
    """Return ``x[key]`` without index arrays."""
    entries = _expanded(key, ndim, [])
    of_dims = [entry for entry in entries if entry is not None]
    name = _sliced(g, name, of_dims)
    numbers = [i for i, entry in enumerate(of_dims) if not isinstance(entry, Slice)]
    for i in reversed(numbers):
        name = g.node("Gather", name, g.size(of_dims[i]) if isinstance(of_dims[i], Size) else g.scalar(of_dims[i]),
                      axis=i)
        name = g.squeeze(name, i) if isinstance(of_dims[i], Size) else name
    kept = [entry for entry in entries if entry is None or isinstance(entry, Slice)]
    return g.unsqueeze(name, *[i for i, entry in enumerate(kept) if entry is None])


@translates("getitem")
def _getitem(g: Graph, call: Call, key: tuple[Any, ...]) -> str:
    value, *indices = call.inputs
    return _taken(g, g.name_of(value), value.shape, indices, key)


def _taken(g: Graph, name: str, shape: tuple[Number, ...], indices: list[Value], key: tuple[Any, ...]) -> str:
    """Return ``x[key]`` with index arrays, by NumPy's rules."""
    spans = [index.ndim if index.dtype == np.bool_ else 1 for index in indices]
    entries = _expanded(key, len(shape), spans)
    of_dims: list[Any] = []  # for each dim a slice, or the name of an index array
    ranks: list[int] = []
    positions: list[int] = []  # of the index arrays among the entries, where a mask counts once
    following = iter(indices)
    for position, entry in enumerate(entries):
        if entry is None or isinstance(entry, Slice):
            of_dims += [] if entry is None else [entry]
            continue
        positions.append(position)
        if entry is ARRAY:
            index = next(following)
            if index.dtype == np.bool_:
                places = g.node("NonZero", g.name_of(index))
                of_dims += [g.squeeze(g.gather(places, [i], 0), 0) for i in range(index.ndim)]
                ranks.append(1)
                continue
            of_dims.append(g.cast(g.name_of(index), index.dtype, np.dtype(np.int64)))
            ranks.append(index.ndim)
        else:
            of_dims.append(g.size(entry) if isinstance(entry, Size) else g.scalar(entry))
            ranks.append(1 if isinstance(entry, Size) else 0)
    rank = max(ranks)
    name = _sliced(g, name, of_dims)
    picked = [i for i, entry in enumerate(of_dims) if isinstance(entry, str)]
    others = [i for i in range(len(shape)) if i not in picked]
    if len(picked) == 1:
        name, first = g.node("Gather", name, of_dims[picked[0]], axis=picked[0]), picked[0]
    else:
        names = [of_dims[i] for i in picked]
        total = names[0]
        for other in names[1:]:
            total = g.node("Add", g.node("Mul", total, g.scalar(0)), other)  # of the shape of all together
        common = g.node("Shape", total)
        tuples = g.node("Concat", *[g.unsqueeze(g.node("Expand", x, common), -1) for x in names], axis=-1)
        name, first = g.node("GatherND", g.transpose(name, [*picked, *others]), tuples), 0
    adjacent = positions == list(range(positions[0], positions[-1] + 1))
    front = sum(isinstance(entry, Slice) for entry in entries[: positions[0]]) if adjacent else 0
    name = _moved(g, name, first, front, rank, len(others))
    kept = [entry for entry in entries if entry is None or isinstance(entry, Slice)]
    lead = positions[0] if adjacent else 0  # entries that stand before the dims of the index arrays
    layout: list[Any] = [*kept[:lead], *["index"] * rank, *kept[lead:]]
    return g.unsqueeze(name, *[i for i, entry in enumerate(layout) if entry is None])


def _moved(g: Graph, name: str, start: int, goal: int, rank: int, others: int) -> str:
    """Move a block of `rank` dims to another place."""
    if start == goal or not rank:
        return name
    block = list(range(start, start + rank))
    rest = [i for i in range(rank + others) if i not in block]
    return g.transpose(name, [*rest[:goal], *block, *rest[goal:]])


def _product(g: Graph, shape: tuple[Number, ...]) -> Number:
    total: Number = 1
    for n in shape:
        if isinstance(n, Size) and isinstance(total, Size):
            raise g.refused("two dims that depend on the batch size")
        total = n * total  # type: ignore[operator]  # one of both is an int
    return total


def _written(g: Graph, base: str, shape: tuple[Number, ...], value: Any, indices: list[Value], key: tuple[Any, ...],
             dtype: Any, reduction: str) -> str:  # fmt: skip
    """Return an array with `value` written (or added) at ``[key]``: scattered to the places that the key picks."""
    total = _product(g, shape)
    if isinstance(total, Size):
        count = g.node("Range", g.scalar(0), g.squeeze(g.size(total), 0), g.scalar(1))
    else:
        count = g.constant(np.arange(total))
    numbered = g.reshape(count, shape)
    places = _taken(g, numbered, shape, indices, key) if indices else _part(g, numbered, len(shape), key)
    filled = g.node("Expand", name_like(g, value, dtype), g.node("Shape", places))
    one = g.constant([-1], np.int64)
    out = g.node("ScatterElements", g.reshape(base, [total]), g.node("Reshape", places, one),
                 g.node("Reshape", filled, one), axis=0, reduction=reduction)
    return g.reshape(out, shape)


def _zeros(g: Graph, shape: tuple[Number, ...], dtype: Any) -> str:
    return g.node("Expand", g.scalar(0, dtype), g.ints(shape))


@translates("replaced")
def _replaced(g: Graph, call: Call, key: tuple[Any, ...]) -> str:
    x, value, *indices = call.inputs
    return _written(g, g.name_of(x), x.shape, value, indices, key, x.dtype, "none")


@translates("setitem")
def _setitem(g: Graph, call: Call, key: tuple[Any, ...], path: Any) -> str:
    base, value, *indices = call.inputs
    if path:
        raise g.refused("a view as its target; write into the tensor itself")
    return _written(g, g.name_of(base), base.shape, value, indices, key, base.dtype, "none")


@translates("copy_into", "write_view")
def _copy_into(g: Graph, call: Call, path: Any = ()) -> str:
    base, value = call.inputs
    if path:
        raise g.refused("a view as its target; write into the tensor itself")
    return g.node("Expand", name_like(g, value, base.dtype), g.ints(base.shape))


@translates("put")
def _put(g: Graph, call: Call, shape: tuple[Number, ...], key: tuple[Any, ...]) -> str:
    value, *indices = call.inputs
    return _written(g, _zeros(g, shape, value.dtype), shape, value, indices, key, value.dtype, "add")


@translates("putlast")
def _putlast(g: Graph, call: Call, shape: tuple[Number, ...], key: tuple[Any, ...]) -> str:
    value, *indices = call.inputs
    return _written(g, _zeros(g, shape, value.dtype), shape, value, indices, key, value.dtype, "none")


@translates("index_select")
def _index_select(g: Graph, call: Call, dim: int) -> str:
    x, index = arguments(g, call)
    return g.node("Gather", x, index, axis=dim)


@translates("linear_resize")
def _linear_resize(
    g: Graph, call: Call, sizes: tuple[Number, ...], scales: tuple[float | None, ...], align_corners: bool
) -> str:
    value = call.inputs[0]
    name, first = g.name_of(value), value.ndim - len(sizes)
    for dim, new_size, scale in zip(range(first, value.ndim), sizes, scales):
        size = value.shape[dim]
        if isinstance(size, Size) or isinstance(new_size, Size):
            raise NotImplementedError("onnx.export(): interpolate() has no ONNX form if a dim that is resized depends "
                                      f"on the batch size (shape={value.shape}, sizes={sizes})")
        mixed = linear_positions(size, new_size, scale, align_corners)
        share = g.constant(mixed[2].reshape(-1, *(1,) * (value.ndim - dim - 1)), value.dtype)
        left, right = (g.node("Gather", name, g.constant(places, np.int64), axis=dim) for places in mixed[:2])
        name = g.node("Add", left, g.node("Mul", g.node("Sub", right, left), share))
    return name


@translates("index_put")
def _index_put(g: Graph, call: Call, dim: int, size: Number) -> str:
    value, index = call.inputs
    shape = (*value.shape[:dim], size, *value.shape[dim + 1 :])
    spread = g.unsqueeze(g.name_of(index), *[i for i in range(value.ndim) if i != dim])
    places = g.node("Expand", spread, g.ints(value.shape))
    return g.node("ScatterElements", _zeros(g, shape, value.dtype), places, g.name_of(value), axis=dim, reduction="add")


@translates("take_along")
def _take_along(g: Graph, call: Call, dim: int) -> str:
    x, index = arguments(g, call)
    return g.node("GatherElements", x, index, axis=dim)


@translates("put_along")
def _put_along(g: Graph, call: Call, dim: int, shape: tuple[Number, ...]) -> str:
    value, index = call.inputs
    return g.node("ScatterElements", _zeros(g, shape, value.dtype), g.name_of(index), g.name_of(value), axis=dim,
                  reduction="add")


@translates("replaced_along")
def _replaced_along(g: Graph, call: Call, dim: int) -> str:
    x, value, index = call.inputs
    filled = g.node("Expand", name_like(g, value, x.dtype), g.ints(index.shape))
    return g.node("ScatterElements", g.name_of(x), g.name_of(index), filled, axis=dim)


@translates("embedding")
def _embedding(g: Graph, call: Call, padding_idx: int | None) -> str:
    weight, index = arguments(g, call)
    return g.node("Gather", weight, index, axis=0)


@translates("one_hot")
def _one_hot(g: Graph, call: Call, classes: int) -> str:
    return g.node("OneHot", g.name_of(call.inputs[0]), g.scalar(*g.static(classes)), g.constant([0, 1], np.int64))


@translates("nonzero")
def _nonzero(g: Graph, call: Call) -> str:
    return g.node("Transpose", g.node("NonZero", g.name_of(call.inputs[0])), perm=[1, 0])


# ------------------------------------------------------------------------------------ order, running results


def _top(g: Graph, value: Value, k: str, dim: int, largest: bool) -> tuple[str, str]:
    values, indices = g.nodes_of("TopK", 2, g.name_of(value), k, axis=dim, largest=int(largest), sorted=1)
    return values, indices


@translates("argsort")
def _argsort(g: Graph, call: Call, dim: int, descending: bool) -> str:
    value = call.inputs[0]
    if not value.ndim:
        return g.scalar(0)
    return _top(g, value, g.ints([value.shape[dim]]), dim, descending)[1]


@translates("top_indices")
def _top_indices(g: Graph, call: Call, k: Number, dim: int, largest: bool) -> str:
    return _top(g, call.inputs[0], g.ints([k]), dim, largest)[1]


@translates("middle")
def _middle(g: Graph, call: Call, dim: int) -> str:
    value = call.inputs[0]
    (size,) = g.static(value.shape[dim])
    indices = _top(g, value, g.ints([(size - 1) // 2 + 1]), dim, False)[1]
    return g.slice(indices, [dim], [-1], [ENDLESS])


@translates("cumsum")
def _cumsum(g: Graph, call: Call, dim: int, reverse: bool) -> str:
    value, out = call.inputs[0], call.results[0]
    return g.node("CumSum", g.cast(g.name_of(value), value.dtype, out.dtype), g.scalar(dim), reverse=int(reverse))


def _scanned(g: Graph, name: str, size: Number, ndim: int, dim: int, reverse: bool, fill: str, join: Any) -> str:
    """Return the running result of an associative operation, in log2(size) steps: each joins what is 2**k before."""
    (size,) = g.static(size)
    step = 1
    while step < size:
        pads = [0] * (2 * ndim)
        pads[dim + (ndim if reverse else 0)] = step
        kept = (g.slice(name, [dim], [step], [ENDLESS]) if reverse else g.slice(name, [dim], [0], [-step]))
        name = join(name, g.node("Pad", kept, g.ints(pads), fill))
        step *= 2
    return name


@translates("cumprod")
def _cumprod(g: Graph, call: Call, dim: int) -> str:
    value, dtype = call.inputs[0], call.results[0].dtype
    name = g.cast(g.name_of(value), value.dtype, dtype)
    return _scanned(g, name, value.shape[dim], value.ndim, dim, False, g.like(1, dtype),
                    lambda x, y: g.node("Mul", x, y))


@translates("logcumsumexp")
def _logcumsumexp(g: Graph, call: Call, dim: int, reverse: bool) -> str:
    value = call.inputs[0]
    lowest = g.like(np.finfo(value.dtype).min / 4, value)
    return _scanned(g, g.name_of(value), value.shape[dim], value.ndim, dim, reverse, lowest,
                    lambda x, y: log_of_sum(g, x, y, value.dtype))


@translates("running")
def _running(g: Graph, call: Call, dim: int, largest: bool) -> tuple[str, str]:
    value = call.inputs[0]
    name, size = g.name_of(value), value.shape[dim]
    numbers: Any = np.finfo(value.dtype) if value.dtype.kind == "f" else np.iinfo(value.dtype)
    fill = g.like(numbers.min if largest else numbers.max, value)
    extreme = "Max" if largest else "Min"
    values = _scanned(g, name, size, value.ndim, dim, False, fill, lambda x, y: g.node(extreme, x, y))
    new = g.node("GreaterOrEqual" if largest else "LessOrEqual", name, values)
    (count,) = g.static(size)
    places = g.constant(np.arange(count).reshape([-1 if i == dim else 1 for i in range(value.ndim)]))
    found = g.node("Where", new, places, g.scalar(0))
    return values, _scanned(g, found, size, value.ndim, dim, False, g.scalar(0), lambda x, y: g.node("Max", x, y))


# ------------------------------------------------------------------------------------ reductions


def _all_dims(value: Value, dims: tuple[int, ...]) -> list[int]:
    return [dim % value.ndim for dim in dims] if value.ndim else []


@translates("sum", "amax", "amin", "logsumexp", "euclidean", "mean")
def _reduction(g: Graph, call: Call, dims: tuple[int, ...], keepdim: bool, share: Any = None) -> str:
    value, out = call.inputs[0], call.results[0]
    operator = {"sum": "ReduceSum", "amax": "ReduceMax", "amin": "ReduceMin", "logsumexp": "ReduceLogSumExp",
                "euclidean": "ReduceL2", "mean": "ReduceMean"}[call.primitive.name]  # fmt: skip
    wide = np.dtype(np.int64) if out.dtype == np.bool_ else out.dtype
    name = g.reduce(operator, g.cast(g.name_of(value), value.dtype, wide), _all_dims(value, dims), keepdim)
    return g.cast(name, wide, out.dtype)


@translates("p_norm")
def _p_norm(g: Graph, call: Call, p: float, dims: tuple[int, ...], keepdim: bool) -> str:
    value = call.inputs[0]
    powers = g.node("Pow", g.node("Abs", g.name_of(value)), g.like(p, value))
    return g.node("Pow", g.reduce("ReduceSum", powers, _all_dims(value, dims), keepdim), g.like(1 / p, value))


@translates("var", "std")
def _var(g: Graph, call: Call, dims: tuple[int, ...], keepdim: bool, correction: Any) -> str:
    value = call.inputs[0]
    name, axes = g.name_of(value), _all_dims(value, dims)
    centred = g.node("Sub", name, g.reduce("ReduceMean", name, axes, True))
    total = g.reduce("ReduceSum", g.node("Mul", centred, centred), axes, keepdim)
    count = _product(g, tuple(value.shape[i] for i in axes))
    if isinstance(count, Size):
        number = g.cast(g.squeeze(g.size(count), 0), np.dtype(np.int64), value.dtype)
        divisor = g.node("Max", g.node("Sub", number, g.like(correction, value)), g.like(0, value))
    else:
        divisor = g.like(max(count - correction, 0), value)
    variance = g.node("Div", total, divisor)
    return g.node("Sqrt", variance) if call.primitive.name == "std" else variance


@translates("all", "any")
def _all(g: Graph, call: Call, dims: tuple[int, ...], keepdim: bool) -> str:
    value = call.inputs[0]
    as_bool = g.cast(g.name_of(value), value.dtype, np.dtype(bool))
    numbers = g.cast(as_bool, np.dtype(bool), np.dtype(np.int32))
    operator = "ReduceMin" if call.primitive.name == "all" else "ReduceMax"
    return g.cast(g.reduce(operator, numbers, _all_dims(value, dims), keepdim), np.dtype(np.int32), np.dtype(bool))


@translates("count_nonzero")
def _count_nonzero(g: Graph, call: Call, dims: tuple[int, ...], keepdim: bool) -> str:
    value = call.inputs[0]
    as_bool = g.cast(g.name_of(value), value.dtype, np.dtype(bool))
    numbers = g.cast(as_bool, np.dtype(bool), np.dtype(np.int64))
    return g.reduce("ReduceSum", numbers, _all_dims(value, dims), keepdim)


@translates("argmax", "argmin")
def _argmax(g: Graph, call: Call, dim: int | None, keepdim: bool) -> str:
    value = call.inputs[0]
    operator = "ArgMax" if call.primitive.name == "argmax" else "ArgMin"
    name = g.name_of(value)
    if not value.ndim:
        return g.scalar(0)
    if dim is not None:
        return g.node(operator, name, axis=dim, keepdims=int(keepdim))
    flat = g.node(operator, g.reshape(name, [-1]), axis=0, keepdims=0)
    return g.reshape(flat, [1] * value.ndim) if keepdim else flat


@translates("softmax", "log_softmax")
def _softmax(g: Graph, call: Call, dim: int) -> str:
    value = call.inputs[0]
    operator = "Softmax" if call.primitive.name == "softmax" else "LogSoftmax"
    if value.ndim:
        return g.node(operator, g.name_of(value), axis=dim)
    return g.squeeze(g.node(operator, g.unsqueeze(g.name_of(value), 0), axis=0), 0)


@translates("prod")
def _prod(g: Graph, call: Call, dim: int) -> str:
    value, out = call.inputs[0], call.results[0]
    name = g.cast(g.name_of(value), value.dtype, out.dtype)
    return g.reduce("ReduceProd", name, [dim], False)

