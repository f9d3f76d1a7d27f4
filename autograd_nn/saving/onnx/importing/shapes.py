"""ONNX operators on shapes, indices and order, and reductions."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ....ops import elementwise as ops
from ....ops import index, pad, random, reduce, scan, shape
from ....ops.linalg import einsum, matmul
from ....tensor import Tensor
from .elementwise import dtype_of
from .reading import Node
from .table import OPERATORS, axes_of, constant, ints, number, operator, parameter

__all__: list[str] = []

OPERATORS["MatMul"] = lambda node, x, y: matmul(x, y)
OPERATORS["Einsum"] = lambda node, *xs: einsum(node.get("equation"), *xs)
OPERATORS["Size"] = lambda node, x: constant(math.prod(x.shape), np.int64)
OPERATORS["NonZero"] = lambda node, x: constant(np.stack(np.nonzero(x.array)).astype(np.int64) if x.ndim else
                                               np.zeros((0, int(x.array != 0)), np.int64))
OPERATORS["Concat"] = lambda node, *xs: shape.cat(list(xs), node.get("axis", 1))


@operator("Constant")
def _constant(node: Node) -> Tensor:
    for name, dtype in (("value", None), ("value_float", np.float32), ("value_floats", np.float32),
                        ("value_int", np.int64), ("value_ints", np.int64)):
        if name in node.attributes:
            return constant(node.attributes[name], dtype)
    raise NotImplementedError("only constants that are numbers are read")


@operator("Shape")
def _shape(node: Node, x: Tensor) -> Tensor:
    return constant(x.shape[slice(node.get("start", 0), node.get("end"))], np.int64)


@operator("ConstantOfShape")
def _constant_of_shape(node: Node, sizes: Tensor) -> Tensor:
    value = node.get("value", np.zeros(1, np.float32))
    return constant(np.full(ints(sizes), value.reshape(-1)[0], value.dtype))


@operator("Range")
def _range(node: Node, start: Tensor, limit: Tensor, delta: Tensor) -> Tensor:
    count = max(0, math.ceil((number(limit) - number(start)) / number(delta)))
    return constant(number(start) + np.arange(count) * number(delta), start.dtype)


@operator("RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike")
def _random(node: Node, like: Tensor | None = None) -> Tensor:
    """Drawn from the generator here; a seed in the file is not looked at."""
    default = np.dtype(np.float32) if like is None else like.dtype
    dtype = dtype_of(node.attributes["dtype"]) if "dtype" in node.attributes else default
    size = tuple(node.get("shape")) if like is None else like.shape
    if node.operator.startswith("RandomNormal"):
        return ops.add(ops.mul(random.randn(*size, dtype=dtype), node.get("scale", 1.0)), node.get("mean", 0.0))
    low, high = node.get("low", 0.0), node.get("high", 1.0)
    return ops.add(ops.mul(random.rand(*size, dtype=dtype), high - low), low)


@operator("EyeLike")
def _eye_like(node: Node, x: Tensor) -> Tensor:
    dtype = dtype_of(node.attributes["dtype"]) if "dtype" in node.attributes else x.dtype
    return constant(np.eye(x.shape[0], x.shape[1], k=node.get("k", 0)), dtype)


@operator("Reshape")
def _reshape(node: Node, x: Tensor, sizes: Tensor | None = None) -> Tensor:
    wanted = parameter(node, "shape", sizes)
    if not node.get("allowzero", 0):
        wanted = [x.shape[i] if n == 0 else n for i, n in enumerate(wanted)]
    return shape.reshape(x, tuple(wanted))


@operator("Flatten")
def _flatten(node: Node, x: Tensor) -> Tensor:
    axis = node.get("axis", 1)
    axis = axis + x.ndim if axis < 0 else axis
    return shape.reshape(x, (math.prod(x.shape[:axis]), math.prod(x.shape[axis:])))


@operator("Squeeze")
def _squeeze(node: Node, x: Tensor, axes: Tensor | None = None) -> Tensor:
    chosen = parameter(node, "axes", axes)
    dropped = [i for i, n in enumerate(x.shape) if n == 1] if chosen is None else axes_of(chosen, x.ndim)
    if any(x.shape[i] != 1 for i in dropped):
        raise ValueError(f"dims {dropped} of the shape {x.shape} are not all of size 1")
    return shape.reshape(x, tuple(n for i, n in enumerate(x.shape) if i not in dropped))


@operator("Unsqueeze")
def _unsqueeze(node: Node, x: Tensor, axes: Tensor | None = None) -> Tensor:
    chosen = parameter(node, "axes", axes)
    ndim = x.ndim + len(chosen)
    new = axes_of(chosen, ndim)
    rest = iter(x.shape)
    return shape.reshape(x, tuple(1 if i in new else next(rest) for i in range(ndim)))


@operator("Transpose")
def _transpose(node: Node, x: Tensor) -> Tensor:
    return shape.permute(x, tuple(node.get("perm", range(x.ndim)[::-1])))


@operator("Expand")
def _expand(node: Node, x: Tensor, sizes: Tensor) -> Tensor:
    return shape.broadcast_to(x, np.broadcast_shapes(x.shape, tuple(ints(sizes))))


@operator("Tile")
def _tile(node: Node, x: Tensor, repeats: Tensor) -> Tensor:
    return shape.repeat(x, tuple(ints(repeats))) if x.ndim else x


@operator("Split")
def _split(node: Node, x: Tensor, sizes: Tensor | None = None) -> tuple[Tensor, ...]:
    axis = axes_of([node.get("axis", 0)], x.ndim)[0]
    lengths = parameter(node, "split", sizes)
    if not lengths:
        count = node.get("num_outputs", len(node.outputs))
        longest = -(-x.shape[axis] // count)
        lengths = [max(0, min(longest, x.shape[axis] - i * longest)) for i in range(count)]
    return tuple(shape.split(x, list(lengths), axis))


@operator("Slice")
def _slice(node: Node, x: Tensor, starts: Tensor | None = None, ends: Tensor | None = None, axes: Tensor | None = None,
           steps: Tensor | None = None) -> Tensor:  # fmt: skip
    begins, stops = parameter(node, "starts", starts), parameter(node, "ends", ends)
    chosen = axes_of(parameter(node, "axes", axes) or list(range(len(begins))), x.ndim)
    key: list[Any] = [slice(None)] * x.ndim
    for axis, start, stop, step in zip(chosen, begins, stops, ints(steps) or [1] * len(begins)):
        size = x.shape[axis]
        start, stop = (n + size if n < 0 else n for n in (start, stop))
        low, high = (0, size) if step > 0 else (-1, size - 1)
        start, stop = max(start, 0 if step > 0 else low), min(max(stop, low), size)
        start = min(start, high)
        key[axis] = slice(start, None if stop < 0 else stop, step) if start >= 0 else slice(0, 0)
    return index.getitem(x, tuple(key))


@operator("Gather")
def _gather(node: Node, x: Tensor, indices: Tensor) -> Tensor:
    axis = axes_of([node.get("axis", 0)], x.ndim)[0]
    return index.getitem(x, (*[slice(None)] * axis, indices))


@operator("GatherElements")
def _gather_elements(node: Node, x: Tensor, indices: Tensor) -> Tensor:
    axis = axes_of([node.get("axis", 0)], x.ndim)[0]
    return index.gather(x, axis, _from_front(indices, x.shape[axis]))


def _from_front(indices: Tensor, size: int) -> Tensor:
    array = indices.array.astype(np.int64)
    return constant(np.where(array < 0, array + size, array))


@operator("GatherND")
def _gather_nd(node: Node, x: Tensor, indices: Tensor) -> Tensor:
    return index.getitem(x, _nd_key(indices, node.get("batch_dims", 0)))


def _nd_key(indices: Tensor, batch_dims: int = 0) -> tuple[Any, ...]:
    """Return the index that tuples of indices along the last axis stand for."""
    array = indices.array.astype(np.int64)
    lead = array.ndim - 1
    grid = tuple(np.arange(array.shape[i]).reshape([-1 if j == i else 1 for j in range(lead)])
                 for i in range(batch_dims))
    return (*grid, *np.moveaxis(array, -1, 0))


def _combined(x: Tensor, key: tuple[Any, ...], updates: Tensor, reduction: str) -> Tensor:
    """Return a copy of `x` with updates written to, or joined with, what is at an index."""
    if reduction in ("none", ""):
        return index.index_put(x, key, updates)
    if reduction == "add":
        return index.index_put(x, key, updates, accumulate=True)
    if x.requires_grad or updates.requires_grad:
        raise NotImplementedError(f"reduction={reduction!r} has no gradient; run it under no_grad()")
    out = x.array.copy()
    joins: dict[str, Any] = {"mul": np.multiply, "max": np.maximum, "min": np.minimum}
    joins[reduction].at(out, key, updates.array)
    return constant(out)


@operator("ScatterND")
def _scatter_nd(node: Node, x: Tensor, indices: Tensor, updates: Tensor) -> Tensor:
    return _combined(x, _nd_key(indices), updates, node.get("reduction", "none"))


@operator("ScatterElements", "Scatter")
def _scatter_elements(node: Node, x: Tensor, indices: Tensor, updates: Tensor) -> Tensor:
    axis = axes_of([node.get("axis", 0)], x.ndim)[0]
    array = indices.array.astype(np.int64)
    key = tuple(array if i == axis else np.arange(n).reshape([-1 if j == i else 1 for j in range(x.ndim)])
                for i, n in enumerate(array.shape))
    return _combined(x, tuple(np.broadcast_arrays(*key)), updates, node.get("reduction", "none"))


@operator("TensorScatter")
def _tensor_scatter(node: Node, past: Tensor, update: Tensor, start: Tensor | None = None) -> Tensor:
    """Write steps into a cache, each example at its own place; 'circular' goes on at the front."""
    axis = axes_of([node.get("axis", -2)], past.ndim)[0]
    batch, length = past.shape[0], update.shape[axis]
    first = np.zeros(batch, np.int64) if start is None else start.array
    places = first[:, None] + np.arange(length)
    if node.get("mode", "linear") == "circular":
        places = places % past.shape[axis]
    moved = shape.movedim(past, axis, 1), shape.movedim(update, axis, 1)
    out = index.index_put(moved[0], (np.arange(batch)[:, None], places), moved[1])
    return shape.movedim(out, 1, axis)


@operator("Compress")
def _compress(node: Node, x: Tensor, condition: Tensor) -> Tensor:
    axis = node.get("axis")
    x, axis = (shape.reshape(x, (-1,)), 0) if axis is None else (x, axes_of([axis], x.ndim)[0])
    return index.index_select(x, axis, constant(np.flatnonzero(condition.array)))


@operator("OneHot")
def _one_hot(node: Node, indices: Tensor, depth: Tensor, values: Tensor) -> Tensor:
    size, axis = int(number(depth)), node.get("axis", -1)
    array = indices.array.astype(np.int64)
    axis = axis % (array.ndim + 1)
    hot = np.expand_dims(np.where(array < 0, array + size, array), axis) == np.arange(size).reshape(
        [-1 if i == axis else 1 for i in range(array.ndim + 1)])
    return ops.where(constant(hot), values[1], values[0])


@operator("Trilu")
def _trilu(node: Node, x: Tensor, k: Tensor | None = None) -> Tensor:
    diagonal = int(number(k, 0))
    return shape.triu(x, diagonal) if node.get("upper", 1) else shape.tril(x, diagonal)


@operator("Pad")
def _pad(node: Node, x: Tensor, pads: Tensor | None = None, value: Tensor | None = None,
         axes: Tensor | None = None) -> Tensor:  # fmt: skip
    widths = parameter(node, "pads", pads) or node.get("paddings")
    fill, mode = number(value, node.get("value", 0.0)), node.get("mode", "constant")
    chosen = axes_of(None if axes is None else ints(axes), x.ndim)
    before, after = [0] * x.ndim, [0] * x.ndim
    for axis, left, right in zip(chosen, widths[: len(chosen)], widths[len(chosen) :]):
        before[axis], after[axis] = left, right
    if mode == "constant":
        flat = [n for pair in zip(before[::-1], after[::-1]) for n in pair]
        return pad.pad(x, flat, value=fill)
    for axis, (left, right) in enumerate(zip(before, after)):
        if left or right:
            places = _padded_places(x.shape[axis], left, right, mode)
            x = index.index_select(x, axis, constant(places))
    return x


def _padded_places(size: int, before: int, after: int, mode: str) -> Any:
    places = np.arange(-before, size + after)
    if mode == "edge":
        return places.clip(0, size - 1)
    if mode == "wrap":
        return places % size
    period = max(2 * (size - 1), 1)
    return (size - 1) - abs(places % period - (size - 1)) if size > 1 else np.zeros_like(places)


# ------------------------------------------------------------------------------------ order, running results


@operator("TopK")
def _top_k(node: Node, x: Tensor, k: Tensor | None = None) -> tuple[Tensor, Tensor]:
    count = int(number(k, node.get("k")))
    values, indices = scan.topk(x, count, node.get("axis", -1), bool(node.get("largest", 1)))
    return values, indices


@operator("ArgMax", "ArgMin")
def _arg_max(node: Node, x: Tensor) -> Tensor:
    function = reduce.argmax if node.operator == "ArgMax" else reduce.argmin
    axis, keep = axes_of([node.get("axis", 0)], x.ndim)[0], bool(node.get("keepdims", 1))
    if not node.get("select_last_index", 0):
        return function(x, axis, keep)
    return ops.sub(x.shape[axis] - 1, function(shape.flip(x, (axis,)), axis, keep))


@operator("CumSum", "CumProd")
def _cum_sum(node: Node, x: Tensor, axis: Tensor) -> Tensor:
    dim = axes_of([int(number(axis))], x.ndim)[0]
    function: Any = scan.cumsum if node.operator == "CumSum" else scan.cumprod
    x = shape.flip(x, (dim,)) if node.get("reverse", 0) else x
    out = function(x, dim)
    if node.get("exclusive", 0):
        first = shape.narrow(ops.zeros_like(x) if node.operator == "CumSum" else ops.ones_like(x), dim, 0, 1)
        out = shape.cat([first, shape.narrow(out, dim, 0, x.shape[dim] - 1)], dim)
    return shape.flip(out, (dim,)) if node.get("reverse", 0) else out


@operator("ReverseSequence")
def _reverse_sequence(node: Node, x: Tensor, lengths: Tensor) -> Tensor:
    time, batch = node.get("time_axis", 0), node.get("batch_axis", 1)
    steps = np.arange(x.shape[time])[:, None]
    places = np.where(steps < lengths.array, lengths.array - 1 - steps, steps)
    moved = shape.movedim(x, (time, batch), (0, 1))
    return shape.movedim(index.getitem(moved, (places, np.arange(x.shape[batch]))), (0, 1), (time, batch))


@operator("Unique")
def _unique(node: Node, x: Tensor) -> tuple[Tensor, ...]:
    array, axis = x.array, node.get("axis")
    if axis is None:
        array, axis = array.reshape(-1), 0
    axis = axes_of([axis], array.ndim)[0]
    found = np.unique(array, return_index=True, return_inverse=True, return_counts=True, axis=axis)
    values, first, inverse, counts = found
    inverse = inverse.reshape(-1)
    if not node.get("sorted", 1):
        order = np.argsort(first, kind="stable")
        values, first, counts = np.take(values, order, axis), first[order], counts[order]
        inverse = np.argsort(order, kind="stable")[inverse]
    return tuple(constant(a) for a in (values, first, inverse, counts))


@operator("DepthToSpace")
def _depth_to_space(node: Node, x: Tensor) -> Tensor:
    b, (n, c, h, w) = node.get("blocksize"), x.shape
    if node.get("mode", "DCR") == "DCR":
        cells = shape.permute(shape.reshape(x, (n, b, b, c // b**2, h, w)), (0, 3, 4, 1, 5, 2))
    else:
        cells = shape.permute(shape.reshape(x, (n, c // b**2, b, b, h, w)), (0, 1, 4, 2, 5, 3))
    return shape.reshape(cells, (n, c // b**2, h * b, w * b))


@operator("SpaceToDepth")
def _space_to_depth(node: Node, x: Tensor) -> Tensor:
    b, (n, c, h, w) = node.get("blocksize"), x.shape
    order = (0, 3, 5, 1, 2, 4) if node.get("mode", "DCR") == "DCR" else (0, 1, 3, 5, 2, 4)
    cells = shape.permute(shape.reshape(x, (n, c, h // b, b, w // b, b)), order)
    return shape.reshape(cells, (n, c * b * b, h // b, w // b))


# ------------------------------------------------------------------------------------ reductions


def _reduction(function: Any) -> Any:
    def run(node: Node, x: Tensor, axes: Tensor | None = None) -> Tensor:
        chosen = parameter(node, "axes", axes)
        if not chosen and node.get("noop_with_empty_axes", 0):
            return function(x, (), True) if node.operator in _POINTWISE else x
        dims = tuple(axes_of(chosen or None, x.ndim))
        keep = bool(node.get("keepdims", 1))
        out: Tensor = function(x, dims, keep)
        return out if out.dtype == x.dtype else shape.to_dtype(out, x.dtype)

    return run


_POINTWISE = {"ReduceL1", "ReduceL2", "ReduceSumSquare", "ReduceLogSum", "ReduceLogSumExp"}


def _sum(x: Tensor, dims: tuple[int, ...], keep: bool) -> Tensor:
    return reduce.sum(x, dims, keep) if dims else x


def _prod(x: Tensor, dims: tuple[int, ...], keep: bool) -> Tensor:
    return scan.prod(x, dims, keep)


def _extreme(function: Any, lowest: Any) -> Any:
    def run(x: Tensor, dims: tuple[int, ...], keep: bool) -> Tensor:
        if x.dtype == np.bool_:
            return (reduce.any if function is reduce.amax else reduce.all)(x, dims, keep)
        if not math.prod(x.shape[i] for i in dims):
            size = [1 if i in dims else n for i, n in enumerate(x.shape)]
            limit = lowest(x.dtype)
            out = np.full(size if keep else [n for i, n in enumerate(size) if i not in dims], limit, x.dtype)
            return constant(out)
        found: Tensor = function(x, dims, keep)
        return found

    return run


def _limit(sign: int) -> Any:
    def limit(dtype: np.dtype[Any]) -> Any:
        if dtype.kind == "f":
            return sign * math.inf
        return np.iinfo(dtype).max if sign > 0 else np.iinfo(dtype).min

    return limit


for _name, _function in {
    "ReduceSum": _sum,
    "ReduceMean": lambda x, dims, keep: reduce.mean(x if x.dtype.kind == "f" else x.to(np.float64), dims, keep),
    "ReduceMax": _extreme(reduce.amax, _limit(-1)),
    "ReduceMin": _extreme(reduce.amin, _limit(1)),
    "ReduceProd": _prod,
    "ReduceL1": lambda x, dims, keep: _sum(ops.abs(x), dims, keep),
    "ReduceL2": lambda x, dims, keep: ops.sqrt(_sum(ops.square(x), dims, keep)),
    "ReduceSumSquare": lambda x, dims, keep: _sum(ops.square(x), dims, keep),
    "ReduceLogSum": lambda x, dims, keep: ops.log(_sum(x, dims, keep)),
    "ReduceLogSumExp": lambda x, dims, keep: reduce.logsumexp(x, dims, keep) if dims else x,
}.items():
    OPERATORS[_name] = _reduction(_function)


def _softmax(function: Any) -> Any:
    """Softmax over an axis; before opset 13 over all axes from one on, taken as one."""

    def run(node: Node, x: Tensor) -> Tensor:
        if node.opset >= 13:
            out: Tensor = function(x, node.get("axis", -1))
            return out
        axis = node.get("axis", 1)
        rows = shape.reshape(x, (math.prod(x.shape[: axis + x.ndim if axis < 0 else axis]), -1))
        return shape.reshape(function(rows, 1), x.shape)

    return run


OPERATORS["Softmax"] = _softmax(reduce.softmax)
OPERATORS["LogSoftmax"] = _softmax(reduce.log_softmax)


def _hard(x: Tensor, axis: int) -> Tensor:
    first = np.expand_dims(np.argmax(x.array, axis), axis)
    places = np.arange(x.shape[axis]).reshape([-1 if i == axis % x.ndim else 1 for i in range(x.ndim)])
    return constant(first == places, x.dtype)


OPERATORS["Hardmax"] = _softmax(_hard)
