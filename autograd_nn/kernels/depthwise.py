"""Weight gradient of depthwise convolution: each channel has a kernel of its own, and no sum runs over channels.

    gw[o, i, j] = sum over images n and pixels (y, q) of g[n, o, y, q] x[n, c, y sH + i, q sW + j]

There is nothing to broadcast, so that the register tile does not apply: vectors run along the pixels of a row, each
tap has one vector of partial sums, and its lanes are added up at the end of the image. A vector of g is loaded once
for `TAPS` taps. (The forward convolution and the input gradient of `direct` need no special case: there the
broadcast weights make a tile of one row.)
"""

from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

import numpy as np

from .compile import JIT_DISABLED, chunked, jit
from .direct import Plan, ceil_div, fill_planes, plan_of
from .tile import VECTOR_BYTES, VectorBuilder, array_pointer, check_arrays, int64_of, whole

__all__ = ["weight_gradient", "weight_plan"]

TAPS = 9 if VECTOR_BYTES != 32 else 6


def add_products_reference(g, g_start, g_row, rows, columns, x, x_start, x_row, places, first, totals):
    """Add to ``totals[first + k]`` the sum of products of two blocks of rows, for TAPS taps k.

    Parameters
    ----------
    g, x, totals : 1-D array of float32 or float64
    g_start, x_start : int
        Element at which the first row begins.
    g_row, x_row : int
        Elements from one row to the next.
    rows, columns : int
        Size of the blocks.
    places : 1-D array of int64
        Tap k reads x ``places[first + k]`` elements further.
    first : int
        First tap.
    """
    for k in range(first, first + TAPS):
        for y in range(rows):
            for q in range(columns):
                totals[k] += g[g_start + y * g_row + q] * x[x_start + y * x_row + places[k] + q]


@intrinsic
def add_products_intrinsic(
    typing_context, g, g_start, g_row, rows, columns, x, x_start, x_row, places, first, totals
):
    check_arrays("add_products", g, x, totals)
    signature = types.void(g, g_start, g_row, rows, columns, x, x_start, x_row, places, first, totals)
    return signature, generate_add_products


def generate_add_products(context, builder, signature, arguments):
    """Emit a loop over rows around a loop over whole vectors and a masked rest."""
    g_type, x_type, places_type, totals_type = (signature.args[k] for k in (0, 5, 8, 10))
    v = VectorBuilder(context, builder, g_type)
    g_start, g_row, rows, columns, x_start, x_row, first = (
        int64_of(context, builder, signature.args[k], arguments[k]) for k in (1, 2, 3, 4, 6, 7, 9)
    )
    g = v.address(array_pointer(context, builder, g_type, arguments[0]), g_start)
    x = v.address(array_pointer(context, builder, x_type, arguments[5]), x_start)
    totals = v.address(array_pointer(context, builder, totals_type, arguments[10]), first)
    places = array_pointer(context, builder, places_type, arguments[8])
    offsets = [
        builder.load(builder.gep(places, [builder.add(first, whole(k))], source_etype=first.type), typ=first.type)
        for k in range(TAPS)
    ]
    accumulators = [cgutils.alloca_once(builder, v.vector) for _ in range(TAPS)]
    for each in accumulators:
        builder.store(v.zero, each)
    vectors = builder.sdiv(columns, whole(v.lanes))
    rest = builder.srem(columns, whole(v.lanes))
    mask = v.lanes_below(rest)

    def add(g_now, x_now, load):
        left = load(g_now)
        for offset, each in zip(offsets, accumulators, strict=True):
            right = load(v.address(x_now, offset))
            builder.store(v.multiply_add(left, right, builder.load(each)), each)

    with cgutils.for_range(builder, rows) as row:
        g_now = v.address(g, builder.mul(row.index, g_row))
        x_now = v.address(x, builder.mul(row.index, x_row))
        with cgutils.for_range(builder, vectors) as vector:
            column = builder.mul(vector.index, whole(v.lanes))
            add(v.address(g_now, column), v.address(x_now, column), v.load)
        with builder.if_then(builder.icmp_signed(">", rest, whole(0))):
            column = builder.mul(vectors, whole(v.lanes))
            add(v.address(g_now, column), v.address(x_now, column), lambda address: v.load_masked(address, mask))

    for k, each in enumerate(accumulators):
        value = builder.load(each)
        half = v.lanes // 2
        while half:
            value = builder.fadd(value, v.shuffle(value, value, [(lane + half) % v.lanes for lane in range(v.lanes)]))
            half //= 2
        address = v.address(totals, whole(k))
        before = builder.load(address, typ=v.scalar, align=v.itemsize)
        builder.store(builder.fadd(before, builder.extract_element(value, whole(0))), address, align=v.itemsize)
    return context.get_dummy_value()


add_products = add_products_reference if JIT_DISABLED else add_products_intrinsic


def weight_plan(x, w, out, stride, padding, itemsize):
    """Plan the weight gradient for shapes x (N, C, H, W), w (of the result) and out (of g).

    Returns
    -------
    copy : int64, a direct.Plan that says how an image is copied, split by stride and with borders
    places : int64, where the taps lie in it
    """
    planes = [min(stride[a], w[2 + a]) for a in (0, 1)]
    height, plane_width = (out[2 + a] + ceil_div(w[2 + a], stride[a]) - 1 for a in (0, 1))
    plane_size = height * plane_width + VECTOR_BYTES // itemsize
    i, j = np.indices(w[2:]).reshape(2, -1)
    places = (i % stride[0] * planes[1] + j % stride[1]) * plane_size + i // stride[0] * plane_width + j // stride[1]
    places = np.append(places, np.full(-len(places) % TAPS, places[-1]))
    copy = dict.fromkeys(Plan._fields, 0) | {
        "channels": 1, "height": x[2], "width": x[3], "planes_y": planes[0], "planes_x": planes[1],
        "split_y": stride[0], "split_x": stride[1], "top": padding[0][0], "left": padding[1][0],
        "plane_width": plane_width, "plane_size": plane_size, "channel_step": planes[0] * planes[1] * plane_size,
        "target_height": height,
    }  # fmt: skip
    return np.array(list(copy.values()), np.int64), places.astype(np.int64)


@jit(borrows=True)
def add_image(g, g_start, rows, columns, x, x_start, planes, copy, places, totals):
    """Add one image's share to the sums of one channel."""
    p = plan_of(copy)
    fill_planes(x, x_start, planes, copy, 0, p.target_height)
    for first in range(0, totals.size, TAPS):
        add_products(g, g_start, columns, rows, columns, planes, 0, p.plane_width, places, first, totals)


@chunked
def sum_channels(t, threads, g, x, out, copy, places):
    """Compute the t-th share of the output channels."""
    N, O, rows, columns = g.shape
    C = x.shape[1]
    taps = out.shape[2] * out.shape[3]
    p = plan_of(copy)
    planes = np.empty(p.channel_step, x.dtype)
    totals = np.empty(places.size, x.dtype)
    size, g_size = p.height * p.width, rows * columns
    g, x, out = g.reshape(-1), x.reshape(-1), out.reshape(-1)
    for o in range(O * t // threads, O * (t + 1) // threads):
        totals[:] = 0
        for n in range(N):
            x_start = (n * C + o // (O // C)) * size
            add_image(g, (n * O + o) * g_size, rows, columns, x, x_start, planes, copy, places, totals)
        out[o * taps : (o + 1) * taps] = totals[:taps]


def weight_gradient(threads, g, x, out, tables) -> None:
    """Run a plan of `weight_plan`.

    Parameters
    ----------
    g : ndarray (N, Cout, OH, OW), C-contiguous; Cout is a multiple of C
    x : ndarray (N, C, H, W), C-contiguous
    out : ndarray (Cout, 1, kH, kW), C-contiguous, written
    tables : result of `weight_plan`
    """
    sum_channels(threads, g, x, out, *tables)
