"""Products, convolutions, pooling, normalization and recurrent layers as ONNX nodes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .graph import Graph
from .table import TABLE, arguments, operands, translates
from .trace import Call, Number, Value

__all__: list[str] = []

# ------------------------------------------------------------------------------------ products


@translates("linear")
def _linear(g: Graph, call: Call) -> str:
    x, w, b = arguments(g, call)
    if call.inputs[0].ndim == 2:
        return g.node("Gemm", x, w, b, transB=1)
    product = g.node("MatMul", x, g.node("Transpose", w, perm=[1, 0]))
    return product if b is None else g.node("Add", product, b)


@translates("matmul")
def _matmul(g: Graph, call: Call) -> str:
    return g.node("MatMul", *operands(g, call))


@translates("matmul_transposed")
def _matmul_transposed(g: Graph, call: Call) -> str:
    x, y = arguments(g, call)
    return g.node("MatMul", g.node("Transpose", x, perm=[1, 0]), y)


def _then_relu(primitive: str) -> Any:
    def translate(g: Graph, call: Call, **settings: Any) -> Any:
        found = TABLE[primitive](g, call, **settings)
        first, *rest = found if isinstance(found, tuple) else (found,)
        first = g.node("Relu", first)
        return (first, *rest) if rest else first

    return translate


for _primitive in ("linear", "conv2d", "max_pool2d"):
    TABLE[f"{_primitive}_relu"] = _then_relu(_primitive)

# ------------------------------------------------------------------------------------ convolution


def _edges(padding: Any) -> list[int]:
    """Return ONNX's order of margins, all beginnings before all ends."""
    return [pair[0] for pair in padding] + [pair[1] for pair in padding]


@translates("conv2d")
def _conv2d(g: Graph, call: Call, stride: Any, padding: Any, dilation: Any, groups: int) -> str:
    x, w, b = arguments(g, call)
    return g.node("Conv", x, w, b, strides=list(stride), pads=_edges(padding), dilations=list(dilation), group=groups,
                  kernel_shape=g.static(*call.inputs[1].shape[2:]))


@translates("conv2d_input")
def _conv2d_input(g: Graph, call: Call, size: Any, stride: Any, padding: Any, dilation: Any, groups: int) -> str:
    x, w = arguments(g, call)
    value, weight = call.inputs
    kernel, lengths = g.static(*weight.shape[2:]), g.static(*value.shape[2:])
    missing = [n - (s * (length - 1) + d * (k - 1) + 1 - before - after) for n, s, length, d, k, (before, after) in
               zip(g.static(*size), stride, lengths, dilation, kernel, padding)]
    shared: dict[str, Any] = {"strides": list(stride), "dilations": list(dilation), "group": groups,
                              "kernel_shape": kernel}
    if min(_edges(padding)) >= 0 and all(0 <= n < max(s, d) for n, s, d in zip(missing, stride, dilation)):
        return g.node("ConvTranspose", x, w, pads=_edges(padding), output_padding=missing, **shared)
    whole = g.node("ConvTranspose", x, w, **shared)  # margins are cut off, or added, afterwards
    pads = [-before for before, _ in padding] + [n - after for n, (_, after) in zip(missing, padding)]
    return g.node("Pad", whole, g.ints([0, 0, *pads[:2], 0, 0, *pads[2:]]), g.like(0, value))


@translates("channel_sum")
def _channel_sum(g: Graph, call: Call) -> str:
    value = call.inputs[0]
    return g.reduce("ReduceSum", g.name_of(value), [i for i in range(value.ndim) if i != 1], False)


@translates("channel_spread")
def _channel_spread(g: Graph, call: Call, shape: tuple[Number, ...]) -> str:
    column = g.unsqueeze(g.name_of(call.inputs[0]), *[i for i in range(len(shape)) if i != 1])
    return g.node("Expand", column, g.ints(shape))


@translates("slices")
def _slices(g: Graph, call: Call, count: int, kernel: int, stride: int, before: int, dilation: int) -> str:
    value = call.inputs[0]
    (depth,) = g.static(value.shape[2])
    places = np.arange(count)[:, None] * stride + np.arange(kernel) * dilation
    pads = [0] * 10
    pads[2], pads[7] = before, max(0, int(places.max()) + 1 - before - depth)
    padded = g.node("Pad", g.name_of(value), g.ints(pads), g.like(0, value))
    return g.transpose(g.gather(padded, places, 2), [0, 2, 1, 3, 4, 5])


@translates("slices_put")
def _slices_put(g: Graph, call: Call, depth: int, stride: int, before: int, dilation: int) -> str:
    """A product with the matrix that says which tap of which window adds to which slice."""
    value = call.inputs[0]
    batch, *sizes = value.shape
    count, channels, kernel, H, W = g.static(*sizes)
    places = np.arange(count)[:, None] * stride + np.arange(kernel) * dilation - before
    matrix = (np.arange(depth)[:, None] == places.reshape(-1)).astype(value.dtype)
    taps = g.transpose(g.name_of(value), [0, 2, 1, 3, 4, 5])
    columns = g.reshape(taps, [batch, channels, count * kernel, H * W])
    return g.reshape(g.node("MatMul", g.constant(matrix), columns), [batch, channels, depth, H, W])


# ------------------------------------------------------------------------------------ pooling


@translates("max_pool2d")
def _max_pool2d(g: Graph, call: Call, kernel: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool) -> Any:
    """The second result is where the maximum is in the flattened plane."""
    H, W = g.static(*call.inputs[0].shape[2:])
    settings: dict[str, Any] = {"kernel_shape": list(kernel), "strides": list(stride), "pads": [*padding, *padding],
                                "dilations": list(dilation)}
    if ceil_mode:  # the sizes are known: what ceil_mode adds is a margin at the end
        sizes = g.static(*call.results[0].shape[2:])
        ends = [max(p, (n - 1) * s + d * (k - 1) + 1 - length - p)
                for n, s, d, k, length, p in zip(sizes, stride, dilation, kernel, (H, W), padding)]
        settings["pads"] = [*padding, *ends]
    if not g.consumers.get(id(call.results[1])):
        return g.node("MaxPool", g.name_of(call.inputs[0]), **settings), None
    out, flat = g.nodes_of("MaxPool", 2, g.name_of(call.inputs[0]), **settings)
    return out, g.node("Mod", flat, g.scalar(H * W))


@translates("places")
def _places(g: Graph, call: Call, width: int, kernel: Any, stride: Any, padding: Any, dilation: Any) -> str:
    return g.node("Identity", g.name_of(call.inputs[0]))  # `max_pool2d` gives places already


@translates("depths")
def _depths(g: Graph, call: Call, row_size: int, plane: int) -> str:
    return g.node("Mul", g.node("Div", g.name_of(call.inputs[0]), g.scalar(row_size)), g.scalar(plane))


@translates("window_take", "plane_take")
def _plane_take(g: Graph, call: Call, **settings: Any) -> str:
    value, index = call.inputs
    if index.dtype != np.int64 and not _behind_reshape(g, index, "max_pool2d"):
        raise g.refused("positions in windows that max_pool2d() did not just compute")
    batch, channels, *size = value.shape
    flat = g.reshape(g.name_of(value), [batch, *g.static(channels, math.prod(g.static(*size)))])
    places = g.reshape(g.name_of(index), [batch, channels, math.prod(g.static(*index.shape[2:]))])
    return g.reshape(g.node("GatherElements", flat, places, axis=2), index.shape)


@translates("avg_pool2d")
def _avg_pool2d(g: Graph, call: Call, kernel: Any, stride: Any, padding: Any, ceil_mode: bool,
                count_include_pad: bool, divisor_override: int | None) -> str:  # fmt: skip
    """Means of windows as means over each axis, by a matrix per axis if ONNX has no word for them."""
    value = call.inputs[0]
    name, sizes = g.name_of(value), g.static(*call.results[0].shape[2:])
    lengths = g.static(*value.shape[2:])
    windows = zip(sizes, stride, kernel, lengths, padding)
    plain = all((n - 1) * s + k <= length + 2 * p for n, s, k, length, p in windows)
    if plain and divisor_override is None:
        return g.node("AveragePool", name, kernel_shape=list(kernel), strides=list(stride), pads=[*padding, *padding],
                      count_include_pad=int(count_include_pad))
    share = None if divisor_override is None else math.sqrt(1 / abs(divisor_override))
    matrices = []
    for n, s, k, length, p in zip(sizes, stride, kernel, lengths, padding):
        start = np.arange(n)[:, None] * s - p
        end = np.minimum(start + k, length + p)
        place = np.arange(length)
        inside = (place >= start) & (place < end)
        counts = (end - start) if count_include_pad else inside.sum(1, keepdims=True)
        matrices.append(inside * share if share else inside / counts)
    if divisor_override is not None and divisor_override < 0:
        matrices[0] = -matrices[0]
    return _by_axes(g, name, matrices, value.dtype)


def _by_axes(g: Graph, name: str, matrices: list[Any], dtype: np.dtype[Any]) -> str:
    """Return ``rows @ x @ columns.T`` of each plane."""
    rows, columns = matrices
    return g.node("MatMul", g.node("MatMul", g.constant(rows, dtype), name), g.constant(columns.T, dtype))


def _tiles(length: int, size: int) -> list[tuple[int, int]]:
    """Return where each of `size` windows that tile an axis begins and ends."""
    return [(i * length // size, -(-(i + 1) * length // size)) for i in range(size)]


@translates("adaptive_avg_pool2d")
def _adaptive_avg_pool2d(g: Graph, call: Call, size: Any) -> str:
    value = call.inputs[0]
    lengths = g.static(*value.shape[2:])
    if tuple(size) == (1, 1):
        return g.node("GlobalAveragePool", g.name_of(value))
    if not any(length % n for length, n in zip(lengths, size)):
        window = [length // n for length, n in zip(lengths, size)]
        return g.node("AveragePool", g.name_of(value), kernel_shape=window, strides=window)
    matrices = []
    for length, n in zip(lengths, size):
        matrix = np.zeros((n, length))
        for row, (start, end) in zip(matrix, _tiles(length, n)):
            row[start:end] = 1 / (end - start)
        matrices.append(matrix)
    return _by_axes(g, g.name_of(value), matrices, value.dtype)


@translates("adaptive_max_pool2d")
def _adaptive_max_pool2d(g: Graph, call: Call, size: Any) -> tuple[str, str]:
    """The windows are laid out beside each other, those that are shorter with their last element again."""
    value = call.inputs[0]
    batch, channels = value.shape[:2]
    H, W = g.static(*value.shape[2:])
    picks = []
    for length, n in zip((H, W), size):
        tiles = _tiles(length, n)
        longest = max(end - start for start, end in tiles)
        picks.append(np.array([np.minimum(np.arange(start, start + longest), end - 1) for start, end in tiles]))
    rows, columns = picks
    windows = g.gather(g.gather(g.name_of(value), rows, 2), columns, 4)  # (N, C, OH, kH, OW, kW)
    cells = rows.shape[1] * columns.shape[1]
    flat = g.reshape(g.transpose(windows, [0, 1, 2, 4, 3, 5]), [batch, *g.static(channels), *size, cells])
    table = rows[:, None, :, None] * W + columns[None, :, None, :]
    best = g.node("ArgMax", flat, axis=4, keepdims=0)
    first = np.arange(size[0] * size[1]).reshape(size) * cells
    places = g.node("Gather", g.constant(table.reshape(-1)), g.node("Add", best, g.constant(first)), axis=0)
    return g.reduce("ReduceMax", flat, [4], False), places


@translates("unfold")
def _unfold(g: Graph, call: Call, kernel: Any, stride: Any, padding: Any, dilation: Any) -> str:
    value = call.inputs[0]
    batch, channels = value.shape[:2]
    lengths = g.static(*value.shape[2:])
    counts = [(n + 2 * p - d * (k - 1) - 1) // s + 1
              for n, p, d, k, s in zip(lengths, padding, dilation, kernel, stride)]
    rows, columns = (np.arange(k)[:, None] * d + np.arange(n) * s
                     for k, d, n, s in zip(kernel, dilation, counts, stride))
    name = g.name_of(value)
    if any(padding):
        name = g.node("Pad", name, g.ints([0, 0, *padding, 0, 0, *padding]), g.like(0, value))
    windows = g.transpose(g.gather(g.gather(name, rows, 2), columns, 4), [0, 1, 2, 4, 3, 5])
    return g.reshape(windows, [batch, g.static(channels)[0] * math.prod(kernel), math.prod(counts)])


@translates("fold")
def _fold(g: Graph, call: Call, size: Any, kernel: Any, stride: Any, padding: Any, dilation: Any) -> str:
    return g.node("Col2Im", g.name_of(call.inputs[0]), g.ints(size), g.ints(kernel), strides=list(stride),
                  pads=[*padding, *padding], dilations=list(dilation))


# ------------------------------------------------------------------------------------ normalization


def _per_channel(g: Graph, value: Any, weight: str | None, bias: str | None) -> tuple[str, str]:
    (channels,) = g.static(value.shape[1])
    return (weight or g.constant(np.ones(channels, value.dtype)), bias or g.constant(np.zeros(channels, value.dtype)))


@translates("normalize")
def _normalize(g: Graph, call: Call, eps: float) -> str:
    x, weight, bias, mean, var = arguments(g, call)
    statistics = [g.cast(name, v.dtype, call.inputs[0].dtype) for name, v in zip((mean, var), call.inputs[3:])]
    return g.node("BatchNormalization", x, *_per_channel(g, call.inputs[0], weight, bias), *statistics,
                  epsilon=float(eps))


@translates("batch_norm")
def _batch_norm(g: Graph, call: Call, eps: float) -> tuple[str, str, str]:
    """By the statistics of the batch."""
    value = call.inputs[0]
    return _by_statistics(g, call, [i for i in range(value.ndim) if i != 1], [-1, *[1] * (value.ndim - 2)], eps)


@translates("group_norm")
def _group_norm(g: Graph, call: Call, eps: float) -> tuple[str, str, str]:
    return _by_statistics(g, call, [2, 3], [*g.static(*call.inputs[0].shape[1:3]), 1], eps)


def _by_statistics(g: Graph, call: Call, dims: list[int], spread: list[int], eps: float) -> tuple[str, str, str]:
    """Normalize over `dims`; weight and bias are brought to the shape `spread`."""
    value = call.inputs[0]
    x, weight, bias = arguments(g, call)
    mean = g.reduce("ReduceMean", x, dims, True)
    centred = g.node("Sub", x, mean)
    variance = g.reduce("ReduceMean", g.node("Mul", centred, centred), dims, True)
    rstd = g.node("Reciprocal", g.node("Sqrt", g.node("Add", variance, g.like(eps, value))))
    out = g.node("Mul", centred, rstd)
    if weight is not None:
        out = g.node("Mul", out, g.reshape(weight, spread))
    if bias is not None:
        out = g.node("Add", out, g.reshape(bias, spread))
    return out, g.squeeze(mean, *dims), g.squeeze(rstd, *dims)


@translates("layer_norm")
def _layer_norm(g: Graph, call: Call, eps: float) -> Any:
    value = call.inputs[0]
    x, weight, bias = arguments(g, call)
    scale = weight or g.constant(np.ones(g.static(value.shape[1]), value.dtype))
    if not any(g.consumers.get(id(result)) for result in call.results[1:]):
        return g.node("LayerNormalization", x, scale, bias, axis=-1, epsilon=float(eps)), None, None
    out, mean, rstd = g.nodes_of("LayerNormalization", 3, x, scale, bias, axis=-1, epsilon=float(eps))
    return out, g.squeeze(mean, 1), g.squeeze(rstd, 1)


# ------------------------------------------------------------------------------------ recurrent layers


def _blocks(g: Graph, name: str, size: int, order: list[int]) -> str:
    """Return the blocks of `size` rows in another order, as a weight of one direction."""
    parts = [g.slice(name, [0], [i * size], [(i + 1) * size]) for i in order] if order != [0] else [name]
    return g.unsqueeze(g.concat(parts, 0), 0)


def _behind_reshape(g: Graph, value: Any, primitive: str) -> Call | None:
    """Return the call of a primitive that gave `value`, in another shape perhaps."""
    call = g.producers.get(id(value))
    if call is not None and call.primitive.name == "reshape":
        call = g.producers.get(id(call.inputs[0]))
    return call if call is not None and call.primitive.name == primitive else None


def _rows_of(g: Graph, value: Any) -> Any:
    """Return the sequence (T, N, features) that `value` is, or holds the rows of."""
    if value.ndim == 3:
        return value
    call = g.producers.get(id(value))
    source = call.inputs[0] if call is not None and call.primitive.name == "reshape" else None
    return source if source is not None and source.ndim == 3 and source.shape[-1] == value.shape[-1] else None


def _sequence(g: Graph, call: Call, order: list[int]) -> tuple[str, str, str, str | None]:
    """Return the sequence, the weights of both products, and the bias of the first: what `linear` was called with.

    If the sums were computed in another way they are the sequence, and the identity is the weight.
    """
    gx, w = call.inputs[:2]
    (size,) = g.static(w.shape[1])
    recurrence = _blocks(g, g.name_of(w), size, order)
    projection = _behind_reshape(g, gx, "linear")
    x: Value | None = None if projection is None else _rows_of(g, projection.inputs[0])
    if projection is not None and x is not None:
        weight, bias = projection.inputs[1:]
        names = _blocks(g, g.name_of(weight), size, order), bias and _blocks(g, g.name_of(bias), size, order)
        return g.name_of(x), names[0], recurrence, names[1]
    identity = _blocks(g, g.constant(np.eye(len(order) * size, dtype=gx.dtype)), size, order)
    return g.name_of(gx), identity, recurrence, None


def _both_biases(g: Graph, first: str | None, second: str | None, size: int, dtype: np.dtype[Any]) -> str | None:
    if first is None and second is None:
        return None
    nothing = g.constant(np.zeros((1, size), dtype))
    return g.node("Concat", first or nothing, second or nothing, axis=1)


@translates("rnn")
def _rnn(g: Graph, call: Call, nonlinearity: str) -> str:
    x, w, r, bias = _sequence(g, call, [0])
    size = call.inputs[1].shape[1]
    both = _both_biases(g, bias, None, size, call.inputs[0].dtype)
    out, _ = g.nodes_of("RNN", 2, x, w, r, both, None, g.unsqueeze(g.name_of(call.inputs[2]), 0), hidden_size=size,
                        activations=[nonlinearity.capitalize()])
    return g.squeeze(out, 1)


@translates("gru")
def _gru(g: Graph, call: Call) -> str:
    order = [1, 0, 2]
    x, w, r, bias = _sequence(g, call, order)
    size = call.inputs[1].shape[1]
    second = call.inputs[2] and _blocks(g, g.name_of(call.inputs[2]), size, order)
    both = _both_biases(g, bias, second, 3 * size, call.inputs[0].dtype)
    out, _ = g.nodes_of("GRU", 2, x, w, r, both, None, g.unsqueeze(g.name_of(call.inputs[3]), 0), hidden_size=size,
                        linear_before_reset=1)
    return g.squeeze(out, 1)


@translates("lstm")
def _lstm(g: Graph, call: Call, keep: bool) -> Any:
    """ONNX gives all h, but c after the last step alone; if all c are asked for, a loop of `Scan` computes both."""
    gx, w, h0, c0 = call.inputs
    (size,) = g.static(w.shape[1])
    if g.consumers.get(id(call.results[1])):
        raise g.refused("its gates as a result")
    if not _last_c_alone(g, call, size):
        return _scanned_lstm(g, call, size), None
    order = [0, 3, 1, 2]
    x, weight, r, bias = _sequence(g, call, order)
    both = _both_biases(g, bias, None, 4 * size, gx.dtype)
    start = [g.unsqueeze(g.name_of(state), 0) for state in (h0, c0)]
    out, _, last = g.nodes_of("LSTM", 3, x, weight, r, both, None, *start, hidden_size=size)
    states = g.squeeze(out, 1)
    for part in g.consumers.get(id(call.results[0]), ()):  # both halves of the states are named before they are cut
        if part.settings["start"] == 0:
            part.results[0].name = states
        else:
            for pick in g.consumers[id(part.results[0])]:
                pick.results[0].name = g.squeeze(last, 0)
            part.results[0].name = last
    return states, None


def _last_c_alone(g: Graph, call: Call, size: int) -> bool:
    """Return whether of the states (h, c) of each step nothing is used but all h and the last c."""
    for part in g.consumers.get(id(call.results[0]), ()):
        if part.primitive.name != "narrow" or part.settings["stop"] - part.settings["start"] != size:
            return False
        if part.settings["start"] == size and (
            any(pick.primitive.name != "slice" or pick.settings["key"] != (-1,)
                for pick in g.consumers.get(id(part.results[0]), ()))
            or part.results[0] in g.outputs
        ):  # fmt: skip
            return False
        if part.settings["start"] not in (0, size):
            return False
    return call.results[0] not in g.outputs


def _scanned_lstm(g: Graph, call: Call, size: int) -> str:
    """Return the states (h, c) after each step, computed step by step."""
    gx, w, h0, c0 = (g.name_of(x) for x in call.inputs)
    dtype = call.inputs[0].dtype
    transposed = g.node("Transpose", w, perm=[1, 0])
    outer, g.nodes = g.nodes, []
    h, c, step = g.fresh("h"), g.fresh("c"), g.fresh("step")
    gates = g.node("Add", step, g.node("MatMul", h, transposed))
    i, f, n, o = (g.slice(gates, [1], [k * size], [(k + 1) * size]) for k in range(4))
    kept = g.node("Mul", g.node("Sigmoid", f), c)
    after = g.node("Add", kept, g.node("Mul", g.node("Sigmoid", i), g.node("Tanh", n)))
    out = g.node("Mul", g.node("Sigmoid", o), g.node("Tanh", after))
    both = g.node("Concat", out, after, axis=1)
    helper = g.onnx.helper
    kind = helper.np_dtype_to_tensor_dtype(dtype)
    body = helper.make_graph(
        g.nodes, g.fresh("lstm_step"), [helper.make_tensor_value_info(name, kind, None) for name in (h, c, step)],
        [helper.make_tensor_value_info(name, kind, None) for name in (out, after, both)],
    )
    g.nodes = outer
    return g.nodes_of("Scan", 3, h0, c0, gx, body=body, num_scan_inputs=1)[2]


# ------------------------------------------------------------------------------------ attention


@translates("attention")
def _attention(g: Graph, call: Call, scale: float, causal: bool, p: float) -> tuple[str, None, None]:
    if p:
        raise g.refused("dropout; call model.eval() or give dropout_p=0")
    q, k, v, mask = call.inputs[:4]
    turned = g.node("Transpose", g.name_of(k), perm=[*range(k.ndim - 2), k.ndim - 1, k.ndim - 2])
    scores = g.node("MatMul", g.node("Mul", g.name_of(q), g.like(scale, q.dtype)), turned)
    shown = None
    if causal:
        shown = g.constant(np.tri(*g.static(q.shape[-2], k.shape[-2]), dtype=np.bool_))
    elif mask is not None and mask.dtype == np.bool_:
        shown = g.name_of(mask)
    elif mask is not None:
        scores = g.node("Add", scores, g.name_of(mask))
        shown = g.node("Not", g.node("Equal", g.name_of(mask), g.like(-np.inf, mask.dtype)))
    if shown:
        scores = g.node("Where", shown, scores, g.like(-np.inf, q.dtype))
    weights = g.node("Softmax", scores, axis=-1)
    if shown and not causal:  # a query from which all keys are hidden
        weights = g.node("Where", shown, weights, g.like(0, q.dtype))
    return g.node("MatMul", weights, g.name_of(v)), None, None
