"""ONNX operators that run graphs inside them: If, Loop, Scan."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ....ops import shape
from ....tensor import Tensor
from .reading import Graph, Node
from .table import axes_of, constant, number, operator

__all__: list[str] = []

Inner = Callable[[Graph, list[Any]], list[Any]]  # runs a subgraph with these inputs in the scope around the node


@operator("If", in_scope=True)
def _if(run: Inner, node: Node, condition: Tensor) -> tuple[Any, ...]:
    branch = node.get("then_branch" if bool(number(condition)) else "else_branch")
    return tuple(run(branch, []))


@operator("Loop", in_scope=True)
def _loop(run: Inner, node: Node, most: Tensor | None, condition: Tensor | None, *state: Any) -> tuple[Any, ...]:
    body: Graph = node.get("body")
    limit = None if most is None else int(number(most))
    going, step, values = bool(number(condition, True)), 0, list(state)
    rows: list[list[Any]] = [[] for _ in range(len(body.outputs) - 1 - len(values))]
    while going and (limit is None or step < limit):
        flag, *results = run(body, [constant(step, np.int64), constant(going), *values])
        values = results[: len(values)]
        for row, result in zip(rows, results[len(values) :]):
            row.append(result)
        going, step = bool(number(flag)), step + 1
    return (*values, *(shape.stack(row) if row else constant(np.zeros(0, np.float32)) for row in rows))


@operator("Scan", in_scope=True)
def _scan(run: Inner, node: Node, *given: Any) -> tuple[Any, ...]:
    body: Graph = node.get("body")
    count = node.get("num_scan_inputs")
    if node.opset < 9:  # with a batch in front, and lengths that may be left out
        _, *rest = given
        out = [_scanned(run, node, body, count, [x[i] for x in rest]) for i in range(rest[0].shape[0])]
        return tuple(shape.stack(list(parts)) for parts in zip(*out))
    return _scanned(run, node, body, count, list(given))


def _scanned(run: Inner, node: Node, body: Graph, count: int, given: list[Any]) -> tuple[Any, ...]:
    values, sequences = given[: len(given) - count], given[len(given) - count :]
    axes = node.get("scan_input_axes") or [0] * count
    backward = node.get("scan_input_directions") or [0] * count
    sequences = [shape.movedim(x, axes_of([axis], x.ndim)[0], 0) for x, axis in zip(sequences, axes)]
    sequences = [shape.flip(x, (0,)) if turn else x for x, turn in zip(sequences, backward)]
    rows: list[list[Any]] = [[] for _ in range(len(body.outputs) - len(values))]
    for step in range(sequences[0].shape[0]):
        results = run(body, [*values, *(x[step] for x in sequences)])
        values = results[: len(values)]
        for row, result in zip(rows, results[len(values) :]):
            row.append(result)
    out_axes = node.get("scan_output_axes") or [0] * len(rows)
    turned = node.get("scan_output_directions") or [0] * len(rows)
    stacked = [shape.stack(row[::-1] if turn else row) for row, turn in zip(rows, turned)]
    return (*values, *(shape.movedim(x, 0, axes_of([axis], x.ndim)[0]) for x, axis in zip(stacked, out_axes)))
