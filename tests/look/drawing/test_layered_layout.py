"""The layout of graphs: boxes apart, edges downward, few crossings."""

import itertools

import numpy as np
import pytest

from autograd_nn.look.drawing.layered_layout import _layers, crossings, layered_layout


def overlapping(centres, sizes):
    return [
        (i, j)
        for (i, (a, size_a)), (j, (b, size_b)) in itertools.combinations(enumerate(zip(centres, sizes)), 2)
        if abs(a[0] - b[0]) < (size_a[0] + size_b[0]) / 2 and abs(a[1] - b[1]) < (size_a[1] + size_b[1]) / 2
    ]


def random_graph(seed, count=40):
    rng = np.random.default_rng(seed)
    edges = {(int(rng.integers(0, i)), i) for i in range(1, count) for _ in range(int(rng.integers(1, 3)))}
    return [(float(rng.integers(40, 160)), float(rng.integers(20, 80))) for _ in range(count)], sorted(edges)


@pytest.mark.parametrize("seed", range(5))
def test_boxes_are_apart_inside_and_edges_run_downward(seed):
    sizes, edges = random_graph(seed)
    layout = layered_layout(sizes, edges)
    assert not overlapping(layout.centres, sizes)
    for (x, y), (width, height) in zip(layout.centres, sizes):
        assert x - width / 2 >= -1e-6 and x + width / 2 <= layout.width + 1e-6
        assert y - height / 2 >= -1e-6 and y + height / 2 <= layout.height + 1e-6
    for (start, end), route in zip(edges, layout.routes):
        ys = [y for _, y in route]
        assert ys == sorted(ys)
        for (x, y), box, side in ((route[0], start, 1), (route[-1], end, -1)):
            assert y == pytest.approx(layout.centres[box][1] + side * sizes[box][1] / 2)
            assert abs(x - layout.centres[box][0]) <= sizes[box][0] / 2


@pytest.mark.parametrize("seed", range(5))
def test_long_edges_pass_between_boxes(seed):
    sizes, edges = random_graph(seed)
    layout = layered_layout(sizes, edges)
    for (start, end), route in zip(edges, layout.routes):
        for (x0, y0), (x1, y1) in itertools.pairwise(route):
            if x0 != x1:
                continue
            for i, ((x, y), (width, height)) in enumerate(zip(layout.centres, sizes)):
                if i not in (start, end):
                    assert not (abs(x - x0) < width / 2 and y0 < y + height / 2 - 1e-6 and y1 > y - height / 2 + 1e-6)


def test_a_chain_is_straight():
    layout = layered_layout([(50, 20), (90, 20), (30, 20)], [(0, 1), (1, 2)])
    assert len({round(x, 6) for x, _ in layout.centres}) == 1
    assert layout.height == 3 * 20 + 2 * 34 and layout.width == 90


def test_a_planar_graph_is_drawn_without_crossings():
    edges = [(0, 2), (1, 3), (2, 4), (3, 4), (4, 5), (4, 6), (5, 7), (6, 7)]
    order = [1, 0, 3, 2, 4, 6, 5, 7]
    renamed = [(order.index(a), order.index(b)) for a, b in edges]
    layout = layered_layout([(40, 20)] * 8, renamed)
    layers = {}
    for i, (_, y) in enumerate(layout.centres):
        layers.setdefault(round(y), []).append(i)
    rows = [sorted(row, key=lambda i: layout.centres[i][0]) for _, row in sorted(layers.items())]
    assert crossings(rows, [[b for a, b in renamed if a == i] for i in range(8)]) == 0


def test_leaves_lie_in_the_layer_above_their_use():
    assert _layers(4, [(0, 1), (1, 2), (3, 2)]) == [0, 1, 2, 1]


def test_weighted_edges_are_straighter():
    sizes, edges = [(40, 20), (200, 20), (40, 20)], [(0, 2), (1, 2)]
    bends = []
    for weights in (None, [20.0, 1.0]):
        layout = layered_layout(sizes, edges, weights)
        bends.append(abs(layout.centres[0][0] - layout.centres[2][0]))
    assert bends[1] < bends[0] / 3


def test_no_boxes_and_one_box():
    assert layered_layout([], []) == ([], [], 0.0, 0.0)
    assert layered_layout([(10, 20)], []).centres == [(5.0, 10.0)]


def test_a_cycle_is_refused():
    with pytest.raises(ValueError, match="the edges form a cycle"):
        layered_layout([(1, 1)] * 3, [(0, 1), (1, 2), (2, 1)])
