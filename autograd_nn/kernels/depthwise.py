"""Weight gradient where a group has one input channel: depthwise convolution, and first layers on grey images.

    gw[o, i, j] = sum over images n and pixels (y, q) of g[n, o, y, q] x[n, c, y sH + i, q sW + j]

One input channel leaves `direct_weight` few taps to share a vector of g among, and its transposition of g would cost
more than the sums. Here vectors run along the pixels of a row instead, and nothing is transposed: a vector of g
is multiplied by `TAPS` vectors of x, each a tap; these meet up to `CHANNELS` channels of g at once. Each pair of
a channel and a tap has one vector of partial sums, whose lanes are added up at the very end.

(The forward convolution and the input gradient of `direct` need no such case: there the broadcast weights make a
tile of one row.)
"""

from typing import Any

import numpy as np
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from .compile import JIT_DISABLED, chunked, jit
from .direct import Plan, ceil_div, fill_planes, plan_of
from .tile import VECTOR_BYTES, VectorBuilder, array_pointer, check_arrays, int64_of, whole

__all__ = ["weight_gradient", "weight_plan"]

TAPS = 9 if VECTOR_BYTES != 32 else 5  # of the 32 vector registers, 16 of AVX2
CHANNELS = 3
UNITS = 8  # wanted, so that several threads find work


def add_products_reference(
    channels, g, g_start, g_channel, g_row, rows, columns, x, x_start, x_row, places, first,
    totals, totals_start, totals_channel,
):  # fmt: skip
    """Add the products of two blocks of rows to vectors of sums, for some channels of g and TAPS taps.

    Lane l of vector k of a channel's totals gets the pixels of all rows whose column is l, modulo the vector's length.

    Parameters
    ----------
    channels : literal int
    g, x, totals : 1-D array of float32 or float64
    g_start, x_start, totals_start : int
        Element at which the first row of the first channel begins, and its first vector of totals.
    g_channel, totals_channel : int
        Elements from one channel to the next.
    g_row, x_row : int
        Elements from one row to the next.
    rows, columns : int
        Size of the blocks.
    places : 1-D array of int64
        Tap k reads x ``places[first + k]`` elements further.
    first : int
        First tap.
    """
    width = VECTOR_BYTES // g.itemsize
    for c in range(channels):
        for k in range(TAPS):
            at = totals_start + c * totals_channel + k * width
            for y in range(rows):
                for q in range(columns):
                    left = g[g_start + c * g_channel + y * g_row + q]
                    totals[at + q % width] += left * x[x_start + y * x_row + places[first + k] + q]


@intrinsic(prefer_literal=True)
def add_products_intrinsic(
    typing_context, channels, g, g_start, g_channel, g_row, rows, columns, x, x_start, x_row, places, first,
    totals, totals_start, totals_channel,
):  # fmt: skip
    check_arrays("add_products", g, x, totals)
    signature = types.void(
        channels, g, g_start, g_channel, g_row, rows, columns, x, x_start, x_row, places, first,
        totals, totals_start, totals_channel,
    )  # fmt: skip
    return signature, generate_add_products


def generate_add_products(context, builder, signature, arguments):
    """Emit a loop over rows around a loop over whole vectors and a masked rest."""
    channels = signature.args[0].literal_value
    v = VectorBuilder(context, builder, signature.args[1])
    g, x, places, totals = (array_pointer(context, builder, signature.args[k], arguments[k]) for k in (1, 7, 10, 12))
    g_start, g_channel, g_row, rows, columns, x_start, x_row, first, totals_start, totals_channel = (
        int64_of(context, builder, signature.args[k], arguments[k]) for k in (2, 3, 4, 5, 6, 8, 9, 11, 13, 14)
    )
    g, x, totals = v.address(g, g_start), v.address(x, x_start), v.address(totals, totals_start)
    int64 = first.type
    x_offsets = [
        builder.load(builder.gep(places, [builder.add(first, whole(k))], source_etype=int64), typ=int64)
        for k in range(TAPS)
    ]
    g_offsets = [builder.mul(whole(c), g_channel) for c in range(channels)]
    sums = [(c, k, cgutils.alloca_once(builder, v.vector)) for c in range(channels) for k in range(TAPS)]

    def address_of_total(c, k):
        return v.address(totals, builder.mul(whole(c), totals_channel), whole(k * v.lanes))

    for c, k, total in sums:
        builder.store(v.load(address_of_total(c, k)), total)
    vectors = builder.sdiv(columns, whole(v.lanes))
    rest = builder.srem(columns, whole(v.lanes))
    mask = v.lanes_below(rest)

    def add(g_now, x_now, load):
        left = [load(v.address(g_now, offset)) for offset in g_offsets]
        right = [load(v.address(x_now, offset)) for offset in x_offsets]
        for c, k, total in sums:
            builder.store(v.multiply_add(left[c], right[k], builder.load(total)), total)

    with cgutils.for_range(builder, rows) as row:
        g_now = v.address(g, builder.mul(row.index, g_row))
        x_now = v.address(x, builder.mul(row.index, x_row))
        with cgutils.for_range(builder, vectors) as vector:
            column = builder.mul(vector.index, whole(v.lanes))
            add(v.address(g_now, column), v.address(x_now, column), v.load)
        with builder.if_then(builder.icmp_signed(">", rest, whole(0))):
            column = builder.mul(vectors, whole(v.lanes))
            add(v.address(g_now, column), v.address(x_now, column), lambda address: v.load_masked(address, mask))

    for c, k, total in sums:
        v.store(builder.load(total), address_of_total(c, k))
    return context.get_dummy_value()


add_products: Any = add_products_reference if JIT_DISABLED else add_products_intrinsic


def weight_plan(x, w, out, stride, padding, dilation, itemsize):
    """Plan the weight gradient for shapes x (N, C, H, W), w (of the result) and out (of g).

    Returns
    -------
    copy : int64, a direct.Plan that says how an image is copied, split by stride and with borders
    places : int64, where the taps lie in it
    chunks : int, parts of the batch that are summed one by one; depends on the shapes alone
    """
    width = VECTOR_BYTES // itemsize
    copied = stride != (1, 1) or any(padding[0]) or any(padding[1])
    i, j = (index * dilation[a] for a, index in enumerate(np.indices(w[2:]).reshape(2, -1)))
    planes_y, planes_x = (int((index % stride[a]).max()) + 1 for a, index in enumerate((i, j)))
    height = out[2] + int((i // stride[0]).max())
    plane_width = out[3] + int((j // stride[1]).max()) if copied else x[3]
    plane_size = height * plane_width + width
    places = (i % stride[0] * planes_x + j % stride[1]) * plane_size + i // stride[0] * plane_width + j // stride[1]
    places = np.append(places, np.full(-len(places) % TAPS, places[-1]))
    copy = dict.fromkeys(Plan._fields, 0) | {
        "groups": x[1], "rows": w[0] // x[1], "channels": 1, "height": x[2], "width": x[3],
        "target_height": height, "planes_y": planes_y, "planes_x": planes_x, "split_y": stride[0],
        "split_x": stride[1], "top": padding[0][0], "left": padding[1][0], "plane_width": plane_width,
        "plane_size": plane_size, "channel_step": planes_y * planes_x * plane_size, "copied": copied,
    }  # fmt: skip
    chunks = max(1, min(ceil_div(UNITS, x[1]), x[0]))
    return np.array(list(copy.values()), np.int64), places.astype(np.int64), chunks


@jit(borrows=True)
def add_channels(count, g, g_start, rows, columns, x, x_start, x_row, places, totals, totals_start):
    """Add one image's share to the sums of `count` output channels."""
    width = VECTOR_BYTES // g.itemsize
    size, step = rows * columns, places.size * width
    whole_count = count - count % CHANNELS
    for first in range(0, places.size, TAPS):
        at = totals_start + first * width
        for c in range(0, whole_count, CHANNELS):
            add_products(CHANNELS, g, g_start + c * size, size, columns, rows, columns,
                         x, x_start, x_row, places, first, totals, at + c * step, step)  # fmt: skip
        for c in range(whole_count, count):
            add_products(1, g, g_start + c * size, size, columns, rows, columns,
                         x, x_start, x_row, places, first, totals, at + c * step, step)  # fmt: skip


@jit(borrows=True)
def sum_lanes(totals, first, last, chunks, size, width, taps, padded_taps, out):
    """Add up the lanes, and the chunks in their order, of the output channels `first` to `last`."""
    for o in range(first, last):
        for k in range(taps):
            total = totals[0] * 0
            for chunk in range(chunks):
                for lane in range(width):
                    total += totals[chunk * size + (o * padded_taps + k) * width + lane]
            out[o * taps + k] = total


@chunked
def sum_images(t, threads, g, x, totals, out, copy, places, chunks):
    """Compute the t-th share of the units, each one group over one chunk of the images."""
    p = plan_of(copy)
    N, O, rows, columns = g.shape
    taps = out.shape[2] * out.shape[3]
    width = VECTOR_BYTES // g.itemsize
    size = O * places.size * width
    planes = np.empty(p.channel_step if p.copied else 0, x.dtype)
    g, x, out = g.reshape(-1), x.reshape(-1), out.reshape(-1)
    for unit in range(chunks * p.groups * t // threads, chunks * p.groups * (t + 1) // threads):
        chunk, group = unit // p.groups, unit % p.groups
        start = chunk * size + group * p.rows * places.size * width
        totals[start : start + p.rows * places.size * width] = 0
        for n in range(N * chunk // chunks, N * (chunk + 1) // chunks):
            x_start = (n * p.groups + group) * p.height * p.width
            if p.copied:
                fill_planes(x, x_start, planes, copy, 0, p.target_height)
                x_start = 0
            add_channels(p.rows, g, (n * O + group * p.rows) * rows * columns, rows, columns,
                         planes if p.copied else x, x_start, p.plane_width, places, totals, start)  # fmt: skip
        if chunks == 1:
            sum_lanes(totals, group * p.rows, (group + 1) * p.rows, 1, size, width, taps, places.size, out)


@chunked
def sum_chunks(t, threads, totals, out, chunks, padded_taps):
    """Compute the t-th share of the output channels from the sums of all chunks."""
    O, _, kH, kW = out.shape
    width = VECTOR_BYTES // out.itemsize
    size = O * padded_taps * width
    first, last = O * t // threads, O * (t + 1) // threads
    sum_lanes(totals, first, last, chunks, size, width, kH * kW, padded_taps, out.reshape(-1))


def weight_gradient(threads, g, x, out, tables) -> None:
    """Run a plan of `weight_plan`.

    Parameters
    ----------
    g : ndarray (N, Cout, OH, OW), C-contiguous; Cout is a multiple of C
    x : ndarray (N, C, H, W), C-contiguous
    out : ndarray (Cout, 1, kH, kW), C-contiguous, written
    tables : result of `weight_plan`
    """
    copy, places, chunks = tables
    totals = np.empty(chunks * len(out) * len(places) * VECTOR_BYTES // g.itemsize, g.dtype)
    sum_images(threads, g, x, totals, out, copy, places, chunks)
    if chunks > 1:
        sum_chunks(1, totals, out, chunks, len(places))
