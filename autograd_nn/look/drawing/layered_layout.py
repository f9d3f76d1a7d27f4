"""Where to put the boxes of a directed acyclic graph, so that edges run downward, are short and rarely cross.

The method of K. Sugiyama, S. Tagawa and M. Toda, "Methods for visual understanding of hierarchical system structures",
IEEE Trans. Systems, Man and Cybernetics 11 (1981) 109-125: boxes are put in layers, edges over several layers get a
stand-in in each, the order in the layers is that of the barycentres of the neighbours, and last come the coordinates.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import NamedTuple

__all__ = ["Layout", "layered_layout"]

Point = tuple[float, float]

_SWEEPS = 12
_STAND_IN = 10.0  # width that an edge takes up where it passes between boxes
_STRAIGHT = 8.0  # how much more it matters that a long edge is straight


class Layout(NamedTuple):
    """The centre of each box, the points that each edge passes, and the size of the whole."""

    centres: list[Point]
    routes: list[list[Point]]
    width: float
    height: float


def layered_layout(
    sizes: Sequence[tuple[float, float]],
    edges: Sequence[tuple[int, int]],
    weights: Sequence[float] | None = None,
    gap_x: float = 24.0,
    gap_y: float = 34.0,
) -> Layout:
    """Lay out a graph from top to bottom.

    Parameters
    ----------
    sizes : sequence of (width, height)
        Of each box.
    edges : sequence of (int, int)
        From box to box, without cycles and repetitions.
    weights : sequence of float, optional
        Of each edge: how much it matters that it is straight, 1 by default.
    gap_x, gap_y : float
        The least space between boxes in a layer, and between layers.
    """
    layer_of = _layers(len(sizes), edges)
    widths = [width for width, _ in sizes]
    chains: list[list[int]] = []  # of each edge, the boxes and stand-ins that it passes
    for start, end in edges:
        inner = range(layer_of[start] + 1, layer_of[end])
        chain = [start, *range(len(widths), len(widths) + len(inner)), end]
        widths += [_STAND_IN] * len(inner)
        layer_of += inner
        chains.append(chain)
    count = max(layer_of, default=-1) + 1
    above: list[list[int]] = [[] for _ in widths]
    below: list[list[int]] = [[] for _ in widths]
    pull: dict[tuple[int, int], float] = {}
    for chain, weight in zip(chains, weights or [1.0] * len(chains)):
        for a, b in itertools.pairwise(chain):
            below[a].append(b)
            above[b].append(a)
            pull[a, b] = pull[b, a] = weight * (_STRAIGHT if min(a, b) >= len(sizes) else 1.0)
    layers = _ordered(_depth_first(layer_of, count, above, below), above, below)
    x = _abscissas(layers, widths, above, below, pull, gap_x)

    heights = [max((sizes[i][1] for i in layer if i < len(sizes)), default=0.0) for layer in layers]
    tops, bottom = [], 0.0
    for height in heights:
        tops.append(bottom)
        bottom += height + gap_y
    left = min((x[i] - widths[i] / 2 for i in range(len(widths))), default=0.0)
    right = max((x[i] + widths[i] / 2 for i in range(len(widths))), default=0.0)
    x = [value - left for value in x]
    centres = [(x[i], tops[layer_of[i]] + heights[layer_of[i]] / 2) for i in range(len(sizes))]
    ends = _ports(chains, x, widths)
    routes = []
    for chain, (start_x, end_x) in zip(chains, ends):
        start, end = chain[0], chain[-1]
        route = [(start_x, centres[start][1] + sizes[start][1] / 2)]
        if sizes[start][1] < heights[layer_of[start]]:
            route.append((start_x, tops[layer_of[start]] + heights[layer_of[start]]))
        for i in chain[1:-1]:
            top = tops[layer_of[i]]
            route += [(x[i], top), (x[i], top + heights[layer_of[i]])]
        if sizes[end][1] < heights[layer_of[end]]:
            route.append((end_x, tops[layer_of[end]]))
        routes.append([*route, (end_x, centres[end][1] - sizes[end][1] / 2)])
    return Layout(centres, routes, right - left, max(bottom - gap_y, 0.0))


def _layers(count: int, edges: Sequence[tuple[int, int]]) -> list[int]:
    """Return the layer of each box: as far down as the boxes below it allow, so that leaves lie beside their use."""
    below: list[list[int]] = [[] for _ in range(count)]
    waiting = [0] * count
    for start, end in edges:
        below[end].append(start)
        waiting[start] += 1
    ready = [i for i in range(count) if not waiting[i]]
    height = [0] * count
    done = 0
    while ready:
        end = ready.pop()
        done += 1
        for start in below[end]:
            height[start] = max(height[start], height[end] + 1)
            waiting[start] -= 1
            if not waiting[start]:
                ready.append(start)
    if done < count:
        raise ValueError(f"layered_layout(): the edges form a cycle ({count - done} boxes are in it or before)")
    most = max(height, default=0)
    return [most - h for h in height]


# ------------------------------------------------------------------------------------ order within the layers


def _depth_first(layer_of: list[int], count: int, above: list[list[int]], below: list[list[int]]) -> list[list[int]]:
    """Return the layers with their boxes in the order in which a depth-first search from below finds them."""
    layers: list[list[int]] = [[] for _ in range(count)]
    seen = [False] * len(layer_of)
    stack = [i for i in range(len(layer_of)) if not below[i]][::-1]
    while stack:
        i = stack.pop()
        if not seen[i]:
            seen[i] = True
            layers[layer_of[i]].append(i)
            stack += reversed(above[i])
    return layers


def _ordered(layers: list[list[int]], above: list[list[int]], below: list[list[int]]) -> list[list[int]]:
    """Return the layers in the order with the fewest crossings that sweeps of barycentres find."""
    best, fewest = layers, crossings(layers, below)
    for sweep in range(_SWEEPS):
        if not fewest:
            break
        layers = [list(layer) for layer in layers]
        neighbours = below if sweep % 2 else above
        place = {i: position for layer in layers for position, i in enumerate(layer)}
        for layer in reversed(layers) if sweep % 2 else layers:
            centre = {
                i: sum(place[j] for j in neighbours[i]) / len(neighbours[i]) if neighbours[i] else float(place[i])
                for i in layer
            }
            layer.sort(key=centre.__getitem__)
            place.update((i, position) for position, i in enumerate(layer))
        _exchange_neighbours(layers, above, below)
        found = crossings(layers, below)
        if found < fewest:
            best, fewest = layers, found
    return best


def crossings(layers: list[list[int]], below: list[list[int]]) -> int:
    """Return how many pairs of edges between neighbouring layers cross."""
    total = 0
    for upper, lower in itertools.pairwise(layers):
        place = {i: position for position, i in enumerate(lower)}
        ends = [sorted(place[j] for j in below[i]) for i in upper]
        flat = [end for group in ends for end in group]
        total += sum(flat[a] > flat[b] for a in range(len(flat)) for b in range(a + 1, len(flat)))
    return total


def _exchange_neighbours(layers: list[list[int]], above: list[list[int]], below: list[list[int]]) -> None:
    """Exchange boxes beside each other wherever that takes crossings away."""
    for depth, layer in enumerate(layers):
        sides = [
            (neighbours, {i: position for position, i in enumerate(layers[other])})
            for neighbours, other in ((above, depth - 1), (below, depth + 1))
            if 0 <= other < len(layers)
        ]
        for left in range(len(layer) - 1):
            a, b = layer[left], layer[left + 1]
            gain = 0
            for neighbours, place in sides:
                for i in neighbours[a]:
                    for j in neighbours[b]:
                        gain += (place[i] > place[j]) - (place[i] < place[j])
            if gain > 0:
                layer[left], layer[left + 1] = b, a


# ------------------------------------------------------------------------------------ coordinates


def _abscissas(
    layers: list[list[int]],
    widths: list[float],
    above: list[list[int]],
    below: list[list[int]],
    pull: dict[tuple[int, int], float],
    gap: float,
) -> list[float]:
    """Return the horizontal centre of each box and stand-in: near to those that pull at it, above and below in turn."""
    x = [0.0] * len(widths)
    for layer in layers:
        position = 0.0
        for i in layer:
            x[i] = position + widths[i] / 2
            position += widths[i] + gap
        for i in layer:
            x[i] -= (position - gap) / 2
    for sweep in range(2 * _SWEEPS):
        neighbours = (above, below)[sweep % 2]
        for layer in layers if sweep % 2 == 0 else reversed(layers):
            wanted, weights = [], []
            for i in layer:
                near = neighbours[i] if sweep < 2 * _SWEEPS - 2 else above[i] + below[i]
                total = sum(pull[i, j] for j in near)
                wanted.append(sum(pull[i, j] * x[j] for j in near) / total if near else x[i])
                weights.append(total if near else 0.1)
            _place(layer, wanted, weights, widths, gap, x)
    return x


def _place(
    layer: list[int], wanted: list[float], weights: list[float], widths: list[float], gap: float, x: list[float]
) -> None:
    """Set `x` of a layer as near to `wanted` as the widths allow: isotonic regression, by pooling violators."""
    offsets, position = [], 0.0
    for i in layer:
        offsets.append(position + widths[i] / 2)
        position += widths[i] + gap
    pools: list[tuple[float, float, int]] = []  # mean, weight, how many
    for target, weight, offset in zip(wanted, weights, offsets):
        pool = (target - offset, weight, 1)
        while pools and pools[-1][0] > pool[0]:
            mean, mass, members = pools.pop()
            total = mass + pool[1]
            pool = ((mean * mass + pool[0] * pool[1]) / total, total, members + pool[2])
        pools.append(pool)
    start = 0
    for mean, _, members in pools:
        for k in range(start, start + members):
            x[layer[k]] = mean + offsets[k]
        start += members


def _ports(chains: list[list[int]], x: list[float], widths: list[float]) -> list[tuple[float, float]]:
    """Return where each edge leaves and enters its boxes: side by side, in the order of their other ends."""
    starts: dict[int, list[int]] = {}
    ends: dict[int, list[int]] = {}
    for e, chain in enumerate(chains):
        starts.setdefault(chain[0], []).append(e)
        ends.setdefault(chain[-1], []).append(e)
    leaving = _spread(starts, [chain[1] for chain in chains], x, widths)
    entering = _spread(ends, [chain[-2] for chain in chains], x, widths)
    return list(zip(leaving, entering))


def _spread(groups: dict[int, list[int]], neighbour: list[int], x: list[float], widths: list[float]) -> list[float]:
    port = [0.0] * len(neighbour)
    for i, group in groups.items():
        group = sorted(group, key=lambda e: x[neighbour[e]])
        step = min(18.0, (widths[i] - 16.0) / len(group))
        for k, e in enumerate(group):
            port[e] = x[i] + (k - (len(group) - 1) / 2) * step
    return port
