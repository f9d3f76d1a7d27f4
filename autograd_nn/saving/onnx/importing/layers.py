"""ONNX operators that are layers: products, convolutions, pooling, normalization, resizing, recurrent layers."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ....nn import functional as F
from ....ops import elementwise as ops
from ....ops import index, pad, recurrent, reduce, shape
from ....ops.linalg import linear, matmul
from ....tensor import Tensor
from ....typing import Array
from .reading import Node
from .table import axes_of, constant, ints, number, operator

__all__: list[str] = []


@operator("Gemm")
def _gemm(node: Node, x: Tensor, y: Tensor, bias: Tensor | None = None) -> Tensor:
    alpha, beta = node.get("alpha", 1.0), node.get("beta", 1.0)
    x = shape.transpose(x, 0, 1) if node.get("transA", 0) else x
    if node.get("transB", 0) and alpha == beta == 1 and (bias is None or bias.shape == y.shape[:1]):
        return linear(x, y, bias)
    out = matmul(x, shape.transpose(y, 0, 1) if node.get("transB", 0) else y)
    out = out if alpha == 1 else ops.mul(out, alpha)
    return out if bias is None else ops.add(out, bias if beta == 1 else ops.mul(bias, beta))


# ------------------------------------------------------------------------------------ windows


class _Windows:
    """Kernel, strides, dilations and margins of a convolution or pooling, with `auto_pad` worked out."""

    def __init__(self, node: Node, sizes: Sequence[int], kernel: Sequence[int]):
        count = len(sizes)
        self.kernel = list(kernel)
        self.strides = list(node.get("strides") or [1] * count)
        self.dilations = list(node.get("dilations") or [1] * count)
        pads = list(node.get("pads") or [0] * 2 * count)
        self.spans = [d * (k - 1) + 1 for k, d in zip(self.kernel, self.dilations)]
        auto = node.get("auto_pad", "NOTSET")
        if auto in ("SAME_UPPER", "SAME_LOWER"):
            missing = [max(0, (-(-n // s) - 1) * s + span - n) for n, s, span in
                       zip(sizes, self.strides, self.spans)]
            small = [n // 2 for n in missing]
            large = [n - half for n, half in zip(missing, small)]
            pads = small + large if auto == "SAME_UPPER" else large + small
        elif auto == "VALID":
            pads = [0] * 2 * count
        if not len(self.strides) == len(self.dilations) == len(self.kernel) == count or len(pads) != 2 * count:
            raise ValueError(f"kernel_shape, strides, dilations and pads must fit {count} dims")
        if min([*self.strides, *self.dilations, *self.kernel]) < 1:
            raise ValueError("kernel_shape, strides and dilations must be positive")
        self.begin, self.end = pads[:count], pads[count:]

    @property
    def flat_pads(self) -> list[int]:
        """The margins as `pad` takes them."""
        return [n for pair in zip(self.begin[::-1], self.end[::-1]) for n in pair]


@operator("Conv")
def _conv(node: Node, x: Tensor, w: Tensor, b: Tensor | None = None) -> Tensor:
    count = x.ndim - 2
    if not 1 <= count <= 3:
        raise NotImplementedError(f"convolutions of {count} dims are not there")
    windows = _Windows(node, x.shape[2:], w.shape[2:])
    convolve: Any = (F.conv1d, F.conv2d, F.conv3d)[count - 1]
    if windows.begin != windows.end:
        x, margins = pad.pad(x, windows.flat_pads), [0] * count
    else:
        margins = windows.begin
    out: Tensor = convolve(x, w, b, windows.strides, margins, windows.dilations, node.get("group", 1))
    return out


@operator("ConvTranspose")
def _conv_transpose(node: Node, x: Tensor, w: Tensor, b: Tensor | None = None) -> Tensor:
    count = x.ndim - 2
    if not 1 <= count <= 3:
        raise NotImplementedError(f"convolutions of {count} dims are not there")
    windows = _Windows(Node("", "", [], [], {**node.attributes, "auto_pad": "NOTSET"}, 0), x.shape[2:], w.shape[2:])
    extra = list(node.get("output_padding") or [0] * count)
    whole = [s * (n - 1) + more + span for s, n, more, span in zip(windows.strides, x.shape[2:], extra, windows.spans)]
    begin, end = windows.begin, windows.end
    auto, wanted = node.get("auto_pad", "NOTSET"), node.get("output_shape")
    if auto in ("SAME_UPPER", "SAME_LOWER") and not wanted:
        wanted = [n * s for n, s in zip(x.shape[2:], windows.strides)]
    if wanted:
        total = [n - goal for n, goal in zip(whole, list(wanted)[-count:])]
        small = [n // 2 for n in total]
        large = [n - half for n, half in zip(total, small)]
        begin, end = (small, large) if auto == "SAME_UPPER" else (large, small)
    convolve: Any = (F.conv_transpose1d, F.conv_transpose2d, F.conv_transpose3d)[count - 1]
    out = convolve(x, w, b, windows.strides, 0, 0, node.get("group", 1), windows.dilations)
    cut = [n for left, right, more in zip(begin[::-1], end[::-1], extra[::-1]) for n in (-left, more - right)]
    if not any(cut):
        return out  # type: ignore[no-any-return]
    if b is not None and max(cut) > 0:  # places that no window reaches hold the bias
        out = pad.pad(convolve(x, w, None, windows.strides, 0, 0, node.get("group", 1), windows.dilations), cut)
        return ops.add(out, shape.reshape(b, (-1, *[1] * count)))
    return pad.pad(out, cut)


def _pooled(node: Node, x: Tensor, fill: float) -> tuple[_Windows, list[Array], Tensor]:
    """Return the settings, for each dim the places (windows, taps), and the windows along two new dims for each."""
    windows = _Windows(node, x.shape[2:], node.get("kernel_shape"))
    ceil = node.get("ceil_mode", 0)
    places, margins = [], []
    for n, k, s, d, span, begin, end in zip(x.shape[2:], windows.kernel, windows.strides, windows.dilations,
                                            windows.spans, windows.begin, windows.end):
        room = n + begin + end - span
        count = (-(-room // s) if ceil else room // s) + 1
        if ceil and (count - 1) * s >= n + begin:
            count -= 1
        if count < 1:
            raise ValueError(f"a window of {span} is larger than the input (size {n})")
        taps = np.arange(count)[:, None] * s + np.arange(k) * d - begin
        places.append(taps)
        margins.append((max(0, -int(taps.min())), max(0, int(taps.max()) + 1 - n)))
    flat = [n for pair in margins[::-1] for n in pair]
    x = pad.pad(x, flat, value=fill) if any(flat) else x
    for i, taps in enumerate(places):
        x = index.getitem(x, (*[slice(None)] * (2 + 2 * i), taps + margins[i][0]))
    count = len(places)
    order = [0, 1, *range(2, 2 + 2 * count, 2), *range(3, 3 + 2 * count, 2)]
    return windows, places, shape.permute(x, tuple(order))


@operator("MaxPool")
def _max_pool(node: Node, x: Tensor) -> Any:
    count = x.ndim - 2
    windows = _Windows(node, x.shape[2:], node.get("kernel_shape"))
    plain = len(node.outputs) == 1 and not node.get("ceil_mode", 0) and x.dtype.kind == "f"
    if plain and count == 2 and windows.begin == windows.end and all(
        2 * p <= k for p, k in zip(windows.begin, windows.kernel)
    ):  # fmt: skip
        return F.max_pool2d(x, tuple(windows.kernel), tuple(windows.strides), tuple(windows.begin),
                            tuple(windows.dilations))
    lowest = -math.inf if x.dtype.kind == "f" else int(np.iinfo(x.dtype).min)
    sizes = x.shape[2:]
    _, places, cells = _pooled(node, x, lowest)
    flat = shape.reshape(cells, (*cells.shape[: 2 + count], -1))
    out = reduce.amax(flat, -1)
    if len(node.outputs) == 1:
        return out
    best = np.unravel_index(reduce.argmax(flat, -1).array, [p.shape[1] for p in places])
    strides = [math.prod(sizes[i + 1 :]) for i in range(count)]
    if node.get("storage_order", 0):
        strides = [math.prod(sizes[:i]) for i in range(count)]
    total: Any = 0
    for i, (taps, chosen, stride) in enumerate(zip(places, best, strides)):
        rows = np.arange(taps.shape[0]).reshape([-1 if j == i + 2 else 1 for j in range(count + 2)])
        total = total + taps[rows, chosen] * stride
    planes = np.arange(math.prod(x.shape[:2])).reshape(*x.shape[:2], *[1] * count) * math.prod(sizes)
    return out, constant(total + planes, np.int64)


@operator("AveragePool")
def _average_pool(node: Node, x: Tensor) -> Tensor:
    sizes, count = x.shape[2:], x.ndim - 2
    windows, places, cells = _pooled(node, x, 0.0)
    out = reduce.sum(cells, tuple(range(2 + count, 2 + 2 * count)))
    for i, (taps, n, begin, end) in enumerate(zip(places, sizes, windows.begin, windows.end)):
        low, high = (-begin, n + end) if node.get("count_include_pad", 0) else (0, n)
        inside = ((taps >= low) & (taps < high)).sum(1).astype(x.dtype)
        out = ops.div(out, constant(inside.reshape([-1 if j == i + 2 else 1 for j in range(x.ndim)])))
    return out


@operator("LpPool")
def _lp_pool(node: Node, x: Tensor) -> Tensor:
    count, p = x.ndim - 2, node.get("p", 2)
    _, _, cells = _pooled(node, x, 0.0)
    powers = ops.pow(ops.abs(cells), p)
    return ops.pow(reduce.sum(powers, tuple(range(2 + count, 2 + 2 * count))), 1 / p)


@operator("GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool")
def _global_pool(node: Node, x: Tensor) -> Tensor:
    dims = tuple(range(2, x.ndim))
    if node.operator == "GlobalLpPool":
        p = node.get("p", 2)
        return ops.pow(reduce.sum(ops.pow(ops.abs(x), p), dims, True), 1 / p)
    return (reduce.mean if node.operator == "GlobalAveragePool" else reduce.amax)(x, dims, True)


@operator("MaxUnpool")
def _max_unpool(node: Node, x: Tensor, places: Tensor, sizes: Tensor | None = None) -> Tensor:
    windows = _Windows(node, x.shape[2:], node.get("kernel_shape"))
    own = [(n - 1) * s - b - e + k for n, s, b, e, k in
           zip(x.shape[2:], windows.strides, windows.begin, windows.end, windows.kernel)]
    goal = (*x.shape[:2], *own) if sizes is None else tuple(ints(sizes))
    place = np.stack(np.unravel_index(places.array.reshape(-1), (*x.shape[:2], *own)))
    flat = np.ravel_multi_index(tuple(place), goal)
    empty = constant(np.zeros(math.prod(goal), x.dtype))
    return shape.reshape(index.index_put(empty, (flat,), shape.reshape(x, (-1,))), goal)


@operator("Col2Im")
def _col2im(node: Node, x: Tensor, size: Tensor, block: Tensor) -> Tensor:
    """Columns put back as windows, summed where they overlap; each column element belongs to one place."""
    sizes, kernel = ints(size), ints(block)
    windows = _Windows(node, sizes, kernel)
    counts = [(n + b + e - span) // s + 1 for n, b, e, span, s in
              zip(sizes, windows.begin, windows.end, windows.spans, windows.strides)]
    padded = [n + b + e for n, b, e in zip(sizes, windows.begin, windows.end)]
    places: Any = np.zeros((1, 1), np.int64)
    for n, k, d, c, s in zip(padded, kernel, windows.dilations, counts, windows.strides):
        along = np.arange(k)[:, None] * d + np.arange(c) * s
        places = places[:, None, :, None] * n + along[None, :, None, :]
        places = places.reshape(places.shape[0] * k, places.shape[2] * c)
    batch, channels = x.shape[0], x.shape[1] // math.prod(kernel)
    rows = shape.reshape(x, (batch * channels, places.size))
    out = index._index_put(rows, constant(places.reshape(-1)), dim=1, size=math.prod(padded))
    out = shape.reshape(out, (batch, channels, *padded))
    return index.getitem(out, (..., *[slice(b, b + n) for b, n in zip(windows.begin, sizes)]))


# ------------------------------------------------------------------------------------ normalization


@operator("BatchNormalization")
def _batch_norm(node: Node, x: Tensor, scale: Tensor, bias: Tensor, mean: Tensor, var: Tensor) -> Any:
    """In training, of the module or of the node, the statistics are those of the batch, and are kept."""
    eps, momentum = node.get("epsilon", 1e-5), node.get("momentum", 0.9)
    if node.get("training_mode", 0):
        dims = (0, *range(2, x.ndim))
        now = reduce.mean(x, dims).detach(), reduce.var(x, dims, correction=0).detach()
        out = F.batch_norm(x, None, None, scale, bias, True, eps=eps)
        kept = (ops.add(ops.mul(old, momentum), ops.mul(new, 1 - momentum)) for old, new in zip((mean, var), now))
        return (out, *kept)
    active = node.get("in_training", False)
    return F.batch_norm(x, mean, var, scale, bias, active, 1 - momentum, eps)


@operator("InstanceNormalization")
def _instance_norm(node: Node, x: Tensor, scale: Tensor, bias: Tensor) -> Tensor:
    return F.instance_norm(x, weight=scale, bias=bias, eps=node.get("epsilon", 1e-5))


@operator("LayerNormalization")
def _layer_norm(node: Node, x: Tensor, scale: Tensor, bias: Tensor | None = None) -> Any:
    axis = axes_of([node.get("axis", -1)], x.ndim)[0]
    dims, eps = x.shape[axis:], node.get("epsilon", 1e-5)
    if len(node.outputs) == 1 and scale.shape == dims:
        return F.layer_norm(x, dims, scale, bias, eps)
    over = tuple(range(axis, x.ndim))
    mean = reduce.mean(x, over, True)
    rstd = ops.rsqrt(ops.add(reduce.var(x, over, correction=0, keepdim=True), eps))
    out = ops.mul(ops.mul(ops.sub(x, mean), rstd), scale)
    return (out if bias is None else ops.add(out, bias)), mean, rstd


@operator("LRN")
def _lrn(node: Node, x: Tensor) -> Tensor:
    size, count = node.get("size"), x.shape[1]
    before = (size - 1) // 2
    squares = ops.square(x)
    offset = np.arange(count) - np.arange(count)[:, None]
    matrix = ((offset >= -before) & (offset <= size - 1 - before)).astype(x.dtype)
    sums = shape.movedim(matmul(shape.movedim(squares, 1, -1), constant(matrix.T)), -1, 1)
    scaled = ops.add(ops.mul(sums, node.get("alpha", 1e-4) / size), node.get("bias", 1.0))
    return ops.div(x, ops.pow(scaled, node.get("beta", 0.75)))


@operator("LpNormalization")
def _lp_normalization(node: Node, x: Tensor) -> Tensor:
    axis, p = node.get("axis", -1), node.get("p", 2)
    size = reduce.sum(ops.abs(x), axis, True) if p == 1 else ops.sqrt(reduce.sum(ops.square(x), axis, True))
    zero = ops.eq(size, 0)
    return ops.where(zero, 0.0, ops.div(x, ops.where(zero, 1.0, size)))


# ------------------------------------------------------------------------------------ resizing


def _positions(mode: str, new: int, size: int, scale: float, start: float, end: float) -> Array:
    """Return where each place of a resized axis is in the old one."""
    place = np.arange(new, dtype=np.float64)
    if mode == "align_corners":
        return place * (size - 1) / (size * scale - 1) if size * scale != 1 else np.zeros(new)
    if mode == "asymmetric":
        return place / scale
    if mode == "tf_crop_and_resize":
        if new == 1:
            return np.full(1, 0.5 * (start + end) * (size - 1))
        return start * (size - 1) + place * (end - start) * (size - 1) / (new - 1)
    if mode == "pytorch_half_pixel":
        return (place + 0.5) / scale - 0.5 if new > 1 else np.zeros(1)
    if mode == "half_pixel_symmetric":
        adjusted = new / (scale * size)
        return size / 2 * (1 - adjusted) + (place + 0.5) / scale - 0.5
    if mode == "tf_half_pixel_for_nn":
        return (place + 0.5) / scale
    if mode == "half_pixel":
        return (place + 0.5) / scale - 0.5
    raise NotImplementedError(f"coordinate_transformation_mode {mode!r} is not there")


def _nearest_place(position: Array, rounding: str) -> Array:
    if rounding == "floor":
        return np.floor(position)
    if rounding == "ceil":
        return np.ceil(position)
    if rounding == "round_prefer_ceil":
        return np.floor(position + 0.5)
    return np.ceil(position - 0.5)


def _cubic(distance: Array, a: float) -> Array:
    d = abs(distance)
    near, far = (a + 2) * d**3 - (a + 3) * d**2 + 1, a * d**3 - 5 * a * d**2 + 8 * a * d - 4 * a
    weights: Array = np.where(d <= 1, near, np.where(d < 2, far, 0.0))
    return weights


def _resize_matrix(position: Array, size: int, kind: str, scale: float, antialias: bool, a: float,
                   exclude_outside: bool) -> Array:  # fmt: skip
    """Return the matrix (new, size) that interpolates along one axis."""
    stretch = max(1.0, 1 / scale) if antialias else 1.0
    reach = math.ceil((2 if kind == "cubic" else 1) * stretch)
    taps = np.floor(position)[:, None] + np.arange(-reach + 1, reach + 1)
    distance = (taps - position[:, None]) / stretch
    weights = _cubic(distance, a) if kind == "cubic" else np.maximum(1 - abs(distance), 0)
    outside = (taps < 0) | (taps >= size)
    weights = np.where(outside, 0.0, weights) if exclude_outside else weights
    if exclude_outside or antialias:
        weights = weights / weights.sum(1, keepdims=True)
    matrix = np.zeros((len(position), size))
    np.add.at(matrix, (np.arange(len(position))[:, None], taps.clip(0, size - 1).astype(int)), weights)
    return matrix


@operator("Resize", "Upsample")
def _resize(node: Node, x: Tensor, *given: Tensor | None) -> Tensor:
    if node.operator == "Upsample" or node.opset < 11:
        roi, scales, sizes = None, given[0] if given else None, None
        scales = constant(node.get("scales"), np.float32) if scales is None else scales
        default = "asymmetric"
    else:
        roi, scales, sizes = (*given, None, None, None)[:3]
        default = "half_pixel"
    axes = axes_of(node.get("axes"), x.ndim)
    old = [x.shape[i] for i in axes]
    if sizes is not None and sizes.array.size:
        goal = ints(sizes)
        policy = node.get("keep_aspect_ratio_policy", "stretch")
        if policy != "stretch":
            common = (min if policy == "not_larger" else max)(g / n for g, n in zip(goal, old))
            factors, goal = [common] * len(axes), [math.floor(common * n + 0.5) for n in old]
        else:
            factors = [g / n for g, n in zip(goal, old)]
    elif scales is not None and scales.array.size:
        factors = [float(s) for s in scales.array.reshape(-1)]
        goal = [math.floor(n * s) for n, s in zip(old, factors)]
    else:
        raise ValueError("neither sizes nor scales are given")
    mode, transform = node.get("mode", "nearest"), node.get("coordinate_transformation_mode", default)
    corners = None if roi is None or not roi.array.size else roi.array.reshape(2, -1)
    for i, (axis, new, factor) in enumerate(zip(axes, goal, factors)):
        size = x.shape[axis]
        start, end = (0.0, 1.0) if corners is None else (float(corners[0][i]), float(corners[1][i]))
        if new == size and factor == 1 and transform != "tf_crop_and_resize":
            continue
        position = _positions(transform, new, size, factor, start, end)
        if mode == "nearest":
            rounding = node.get("nearest_mode", "round_prefer_floor" if default == "half_pixel" else "floor")
            place = _nearest_place(position, rounding).clip(0, size - 1).astype(np.int64)
            x = index.index_select(x, axis, constant(place))
            continue
        matrix = _resize_matrix(position, size, mode, factor, bool(node.get("antialias", 0)),
                                node.get("cubic_coeff_a", -0.75), bool(node.get("exclude_outside", 0)))
        x = _along(x, axis, matrix)
        if transform == "tf_crop_and_resize":
            beyond = (position < 0) | (position > size - 1)
            if beyond.any():
                where = constant(beyond.reshape([-1 if j == axis else 1 for j in range(x.ndim)]))
                x = ops.where(where, node.get("extrapolation_value", 0.0), x)
    return x


def _along(x: Tensor, axis: int, matrix: Array) -> Tensor:
    """Apply a matrix (new, size) along an axis."""
    columns = constant(matrix.T, x.dtype)
    return shape.movedim(matmul(shape.movedim(x, axis, -1), columns), -1, axis)


@operator("GridSample")
def _grid_sample(node: Node, x: Tensor, grid: Tensor) -> Tensor:
    """Values at places between the cells: a sum over the neighbours, each with a weight for every axis."""
    sizes, count = x.shape[2:], x.ndim - 2
    align, padding = bool(node.get("align_corners", 0)), node.get("padding_mode", "zeros")
    mode = {"bilinear": "linear", "bicubic": "cubic"}.get(node.get("mode", "linear"), node.get("mode", "linear"))
    positions = []
    for i, n in enumerate(sizes):
        at = grid[..., count - 1 - i]
        at = ops.mul(ops.add(at, 1), (n - 1) / 2) if align else ops.div(ops.sub(ops.mul(ops.add(at, 1), n), 1), 2)
        positions.append(at)
    if mode != "cubic":  # for cubic each neighbour is brought inside by itself
        positions = [_brought_inside(at, n, padding, align) for at, n in zip(positions, sizes)]
    along = [_neighbours(at, mode) for at in positions]
    batch = np.arange(x.shape[0]).reshape(-1, *[1] * count)
    total: Any = None
    for choice in itertools.product(*along):
        key: list[Any] = [batch]
        weight: Any = 1.0
        outside: Any = False
        for (place, share), n in zip(choice, sizes):
            if mode == "cubic" and padding != "zeros":
                place = np.rint(_brought_inside(constant(place.astype(x.dtype)), n, padding, align).array)
            outside = outside | (place < 0) | (place >= n)
            key.append(place.clip(0, n - 1).astype(np.int64))
            weight = ops.mul(share, weight) if isinstance(share, Tensor) else weight
        cells = index.getitem(shape.movedim(x, 1, -1), tuple(key))
        weight = ops.where(constant(outside), 0.0, weight)
        part = ops.mul(cells, shape.unsqueeze(shape.to_dtype(weight, x.dtype), -1))
        total = part if total is None else ops.add(total, part)
    return shape.movedim(total, -1, 1)


def _brought_inside(at: Tensor, n: int, padding: str, align: bool) -> Tensor:
    if padding == "border":
        return ops.clamp(at, 0, n - 1)
    if padding == "reflection":
        low, high = (0.0, n - 1.0) if align else (-0.5, n - 0.5)
        span = high - low
        if span <= 0:
            return ops.mul(at, 0)
        distance = ops.remainder(ops.sub(at, low), 2 * span)
        at = ops.add(ops.where(ops.gt(distance, span), ops.sub(2 * span, distance), distance), low)
        return ops.clamp(at, 0, n - 1)
    return at


def _neighbours(at: Tensor, mode: str) -> list[tuple[Array, Any]]:
    """Return the neighbours of positions along one axis, and their weights."""
    if mode == "nearest":
        return [(np.rint(at.array), None)]
    base = np.floor(at.array)
    share = ops.sub(at, constant(base))
    if mode == "linear":
        return [(base, ops.sub(1, share)), (base + 1, share)]
    a = -0.75

    def near(d: Tensor) -> Tensor:
        return ops.add(ops.mul(ops.mul(d, d), ops.sub(ops.mul(d, a + 2), a + 3)), 1)

    def far(d: Tensor) -> Tensor:
        return ops.sub(ops.mul(d, ops.add(ops.mul(d, ops.sub(ops.mul(d, a), 5 * a)), 8 * a)), 4 * a)

    return [(base - 1, far(ops.add(share, 1))), (base, near(share)), (base + 1, near(ops.sub(1, share))),
            (base + 2, far(ops.sub(2, share)))]  # fmt: skip


# ------------------------------------------------------------------------------------ recurrent layers


_ACTIVATIONS: dict[str, Any] = {"sigmoid": ops.sigmoid, "tanh": ops.tanh, "relu": ops.relu}
_GATES = {"RNN": 1, "LSTM": 4, "GRU": 3}


@operator("RNN", "LSTM", "GRU")
def _recurrent(node: Node, x: Tensor, w: Tensor, r: Tensor, b: Tensor | None = None, lengths: Tensor | None = None,
               h0: Tensor | None = None, c0: Tensor | None = None, peepholes: Tensor | None = None) -> Any:  # fmt: skip
    gates, directions = _GATES[node.operator], w.shape[0]
    size = node.get("hidden_size", r.shape[2])
    if node.get("clip") is not None or node.get("input_forget", 0):
        raise NotImplementedError("clip and input_forget are not there")
    if node.get("layout", 0):
        x = shape.transpose(x, 0, 1)
        h0, c0 = (state and shape.transpose(state, 0, 1) for state in (h0, c0))
    default = {"RNN": ["Tanh"], "LSTM": ["Sigmoid", "Tanh", "Tanh"], "GRU": ["Sigmoid", "Tanh"]}[node.operator]
    names = [name.lower() for name in node.get("activations") or default * directions]
    if any(name not in _ACTIVATIONS for name in names):
        raise NotImplementedError(f"activations {names} are not there")
    zeros = constant(np.zeros((directions, x.shape[1], size), x.dtype))
    h0, c0 = zeros if h0 is None else h0, zeros if c0 is None else c0
    outputs, last_h, last_c = [], [], []
    for i in range(directions):
        backward = node.get("direction", "forward") == "reverse" or i == 1
        turn = _turned(x.shape[0], x.shape[1], lengths) if backward else None
        sequence = x if turn is None else index.getitem(x, turn)
        biases = (None, None) if b is None else (b[i, : gates * size], b[i, gates * size :])
        own = names[i * len(default) : (i + 1) * len(default)]
        h, c = _CELLS[node.operator](node, sequence, w[i], r[i], biases, h0[i], c0[i], own,
                                     None if peepholes is None else peepholes[i])
        end: Any = -1
        if lengths is not None:
            end = (lengths.array.astype(np.int64) - 1, np.arange(x.shape[1]))
            inside = np.arange(x.shape[0])[:, None, None] < lengths.array[:, None]
            last = [index.getitem(state, end) for state in (h, c)]
            h = ops.where(constant(inside), h, 0.0)
        else:
            last = [h[-1], c[-1]]
        outputs.append(h if turn is None else index.getitem(h, turn))
        last_h.append(last[0])
        last_c.append(last[1])
    out, final_h, final_c = shape.stack(outputs, 1), shape.stack(last_h), shape.stack(last_c)
    if node.get("layout", 0):
        out, final_h, final_c = shape.permute(out, (2, 0, 1, 3)), *(shape.transpose(s, 0, 1) for s in (final_h,
                                                                                                    final_c))
    return (out, final_h, final_c)[: 3 if node.operator == "LSTM" else 2]


def _turned(steps: int, batch: int, lengths: Tensor | None) -> Any:
    """Return the index that turns each sequence around."""
    place = np.arange(steps)[:, None]
    ends = np.full(batch, steps) if lengths is None else lengths.array.astype(np.int64)
    return np.where(place < ends, ends - 1 - place, place), np.arange(batch)


def _reordered(x: Tensor | None, size: int, order: Sequence[int]) -> Any:
    return None if x is None else shape.cat([shape.narrow(x, 0, i * size, size) for i in order], 0)


def _run_rnn(node: Node, x: Tensor, w: Tensor, r: Tensor, biases: Any, h0: Tensor, c0: Tensor, names: list[str],
             peepholes: Tensor | None) -> tuple[Tensor, Tensor]:  # fmt: skip
    if names[0] in ("tanh", "relu"):
        h = recurrent.rnn(x, h0, w, r, biases[0], biases[1], names[0])
        return h, h
    raise NotImplementedError(f"activations {names} are not there")


def _run_lstm(node: Node, x: Tensor, w: Tensor, r: Tensor, biases: Any, h0: Tensor, c0: Tensor, names: list[str],
              peepholes: Tensor | None) -> tuple[Tensor, Tensor]:  # fmt: skip
    size = h0.shape[1]
    if names == ["sigmoid", "tanh", "tanh"] and peepholes is None:
        order = (0, 2, 3, 1)  # of i, o, f, c
        return recurrent.lstm(x, h0, c0, *(_reordered(a, size, order) for a in (w, r, *biases)))
    gate, inner, outer = (_ACTIVATIONS[name] for name in names)
    gx = linear(x, w, None if biases[0] is None else ops.add(*biases))
    p = [0.0] * 3 if peepholes is None else [peepholes[i * size : (i + 1) * size] for i in range(3)]
    states, cells = [], []
    h, c = h0, c0
    for t in range(x.shape[0]):
        i, o, f, n = shape.chunk(ops.add(gx[t], linear(h, r)), 4, 1)
        i, f = gate(ops.add(i, ops.mul(c, p[0]))), gate(ops.add(f, ops.mul(c, p[2])))
        c = ops.add(ops.mul(f, c), ops.mul(i, inner(n)))
        h = ops.mul(gate(ops.add(o, ops.mul(c, p[1]))), outer(c))
        states.append(h)
        cells.append(c)
    return shape.stack(states), shape.stack(cells)


def _run_gru(node: Node, x: Tensor, w: Tensor, r: Tensor, biases: Any, h0: Tensor, c0: Tensor, names: list[str],
             peepholes: Tensor | None) -> tuple[Tensor, Tensor]:  # fmt: skip
    size = h0.shape[1]
    after = bool(node.get("linear_before_reset", 0))
    if after and names == ["sigmoid", "tanh"]:
        order = (1, 0, 2)  # of z, r, h
        h = recurrent.gru(x, h0, *(_reordered(a, size, order) for a in (w, r, *biases)))
        return h, h
    gate, inner = (_ACTIVATIONS[name] for name in names)
    nothing = constant(np.zeros(3 * size, x.dtype))
    first, second = (nothing if bias is None else bias for bias in biases)
    gx = linear(x, w, first)
    of_gates, of_state = shape.narrow(r, 0, 0, 2 * size), shape.narrow(r, 0, 2 * size, size)
    bias_gates, bias_state = second[: 2 * size], second[2 * size :]
    states, h = [], h0
    for t in range(x.shape[0]):
        a = gate(ops.add(gx[t, :, : 2 * size], linear(h, of_gates, bias_gates)))
        z, reset = a[:, :size], a[:, size:]
        if after:
            hidden = ops.mul(reset, linear(h, of_state, bias_state))
        else:
            hidden = linear(ops.mul(reset, h), of_state, bias_state)
        n = inner(ops.add(gx[t, :, 2 * size :], hidden))
        h = ops.add(n, ops.mul(z, ops.sub(h, n)))
        states.append(h)
    out = shape.stack(states)
    return out, out


_CELLS: dict[str, Any] = {"RNN": _run_rnn, "LSTM": _run_lstm, "GRU": _run_gru}


# ------------------------------------------------------------------------------------ signals, boxes, matrices


@operator("DFT")
def _dft(node: Node, x: Tensor, length: Tensor | None = None, axis: Tensor | None = None) -> Tensor:
    """Fourier transform as two real matrices; the last dim holds the real and the imaginary part."""
    along = axes_of([int(number(axis, node.get("axis", 1 if node.opset < 20 else -2)))], x.ndim)[0]
    inverse, onesided = bool(node.get("inverse", 0)), bool(node.get("onesided", 0))
    size = x.shape[along] if length is None else int(number(length))
    if inverse and onesided:  # the other half is that of a real signal: conjugated and turned around
        full = 2 * (x.shape[along] - 1) if length is None else int(number(length))
        half = full // 2 + 1
        x = index.getitem(x, (*[slice(None)] * along, slice(0, half)))
        rest = shape.flip(index.getitem(x, (*[slice(None)] * along, slice(1, (full + 1) // 2))), (along,))
        signs = constant([1.0, -1.0][: x.shape[-1]], x.dtype)
        x, size = shape.cat([x, ops.mul(rest, signs)], along), full
    if x.shape[along] > size:
        x = shape.narrow(x, along, 0, size)
    count = x.shape[along]
    angle = 2 * np.pi * np.outer(np.arange(size), np.arange(count)) / size * (1 if inverse else -1)
    cosine, sine = (part / (size if inverse else 1) for part in (np.cos(angle), np.sin(angle)))
    if onesided and not inverse:
        cosine, sine = cosine[: size // 2 + 1], sine[: size // 2 + 1]
    dtype, x = x.dtype, x.to(np.float64)
    real = x[..., 0]
    out_real, out_imaginary = _along(real, along, cosine), _along(real, along, sine)
    if x.shape[-1] == 2:
        imaginary = x[..., 1]
        out_real = ops.sub(out_real, _along(imaginary, along, sine))
        out_imaginary = ops.add(out_imaginary, _along(imaginary, along, cosine))
    parts = [out_real] if inverse and onesided else [out_real, out_imaginary]
    return shape.stack(parts, -1).to(dtype)


@operator("STFT")
def _stft(
    node: Node, signal: Tensor, step: Tensor, window: Tensor | None = None, length: Tensor | None = None
) -> Tensor:
    size = int(number(length)) if length is not None else window.shape[0]  # type: ignore[union-attr]
    hop = int(number(step))
    count = (signal.shape[1] - size) // hop + 1
    places = np.arange(count)[:, None] * hop + np.arange(size)
    frames = index.getitem(signal, (slice(None), places))
    frames = shape.unsqueeze(frames, -1) if frames.ndim == 3 else frames
    if window is not None:
        frames = ops.mul(frames, shape.unsqueeze(window, -1))
    return _dft(Node("DFT", "", [], [], {"onesided": node.get("onesided", 1)}, 20), frames, None, constant(2))


@operator("Det")
def _det(node: Node, x: Tensor) -> Tensor:
    if x.requires_grad:
        raise NotImplementedError("it has no gradient; run it under no_grad()")
    return constant(np.linalg.det(x.array), x.dtype)


@operator("NonMaxSuppression")
def _non_max_suppression(node: Node, boxes: Tensor, scores: Tensor, most: Tensor | None = None,
                         overlap: Tensor | None = None, lowest: Tensor | None = None) -> Tensor:  # fmt: skip
    """Indices (batch, class, box) of the best boxes that do not overlap a better one too much."""
    limit, threshold, least = int(number(most, 0)), number(overlap, 0.0), number(lowest)
    corners = boxes.array.astype(np.float64)
    if node.get("center_point_box", 0):
        half = corners[..., 2:] / 2
        corners = np.concatenate([corners[..., :2] - half, corners[..., :2] + half], -1)
    low, high = np.minimum(corners[..., :2], corners[..., 2:]), np.maximum(corners[..., :2], corners[..., 2:])
    area = (high - low).prod(-1)
    chosen = []
    for n, c in itertools.product(range(scores.shape[0]), range(scores.shape[1])):
        row = scores.array[n, c]
        kept: list[int] = []
        for i in np.argsort(-row, kind="stable"):
            if len(kept) >= limit or (least is not None and row[i] <= least):
                break
            common = np.maximum(np.minimum(high[n, i], high[n, kept]) - np.maximum(low[n, i], low[n, kept]), 0).prod(-1)
            union = area[n, i] + area[n, kept] - common
            if not (common > threshold * union).any():
                kept.append(int(i))
        chosen += [(n, c, i) for i in kept]
    return constant(np.array(chosen, np.int64).reshape(-1, 3))
