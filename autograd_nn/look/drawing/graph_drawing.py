"""Drawing the recorded graph: boxes for operations, parameters and modules, as SVG or as DOT text.

The graph is read as it stands behind a tensor (`engine.Call`, `engine.Leaf`), so that anything recorded can be drawn, a
gradient too. Nothing but this package is needed: `layered_layout` says where the boxes go.
"""

from __future__ import annotations

import html
import inspect
import itertools
import os
import pathlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ...engine import DEFAULT_DTYPE, Call, Node, enable_grad
from ...nn import Module
from ...tensor import Tensor, as_tensor
from ..module_trace import preserved, watch_modules
from .layered_layout import layered_layout

__all__ = ["Box", "GraphDrawing", "draw_graph"]

READABLE = 30  # operations and modules in one picture
MOST = 200  # boxes; of a larger graph the part nearest to the result is drawn

_FONT = "'DejaVu Sans Mono', Menlo, Consolas, 'Liberation Mono', monospace"
_SIZES = (13.0, 11.0)  # of the first line of a box and of the others
_ADVANCE = 0.605  # width of a character, relative to the size
_LONGEST = 44  # characters of a line
_PADDING = 9.0
_MARGIN = 16.0
_STRAIGHT = 12.0  # how much more the flow from operation to operation is to be straight than that from leaves

# fill, border, width of the border, radius of the corners: told apart by shape too, for print and for the colour-blind
_LOOKS: dict[str, tuple[str, str, float, float]] = {
    "operation": ("#dcedf8", "#0072b2", 1.3, 4.0),
    "module": ("#d5efe6", "#007a5a", 2.6, 4.0),
    "parameter": ("#fdebc8", "#b36b00", 1.3, 15.0),
    "data": ("#eeeeee", "#6b6b6b", 1.3, 15.0),
    "omitted": ("#ffffff", "#6b6b6b", 1.3, 4.0),
}
# what each colour is on a dark page
_DARK = {
    "#ffffff": "#161616", "#c8c8c8": "#444444", "#555555": "#aaaaaa", "#333333": "#d0d0d0", "#111111": "#f2f2f2",
    "#222222": "#eeeeee", "#dcedf8": "#12324a", "#0072b2": "#58b4ea", "#d5efe6": "#0f3a2e", "#007a5a": "#3fc79c",
    "#fdebc8": "#463208", "#b36b00": "#e9a23b", "#eeeeee": "#2e2e2e", "#6b6b6b": "#9a9a9a",
}  # fmt: skip
THEMES = ("auto", "light", "dark")
_KINDS = {
    "operation": "operation",
    "module": "module, folded",
    "parameter": "requires a gradient",
    "data": "data",
    "omitted": "not drawn",
}


@dataclass
class Box:
    """One box of a drawing.

    Attributes
    ----------
    kind : {'operation', 'module', 'parameter', 'data', 'omitted'}
    lines : list of str
        The first is the title.
    parents : dict of int to int
        The boxes that it is computed from, with the number of edges from each.
    calls : int
        How many operations it stands for.
    details : str
        Shown when the mouse rests on the box.

    Examples
    --------
    >>> from autograd_nn.graph_drawing import Box
    >>> Box("operation", ["mul", "(2, 3)"], parents={0: 1}).lines
    ['mul', '(2, 3)']
    """

    kind: str
    lines: list[str]
    parents: dict[int, int] = field(default_factory=dict)
    calls: int = 0
    details: str = ""


class GraphDrawing:
    """A drawn graph, shown by notebooks as it is.

    Attributes
    ----------
    boxes : list of Box
        Those that a box is computed from come before it.
    results : list of int
        The boxes of the drawn tensors.
    svg, dot : str
        The picture, and its text in the DOT language of other programs.
    theme : {'auto', 'light', 'dark'}
        The colours of the picture; 'auto': those of the page around it.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn.graph_drawing import draw_graph
    >>> drawing = draw_graph((ag.ones(2, requires_grad=True) * 3).sum())
    >>> drawing
    GraphDrawing(2 operations in 3 boxes)
    >>> drawing.svg[:4]
    '<svg'
    """

    def __init__(self, boxes: list[Box], results: Sequence[int], theme: str = "auto"):
        self.boxes, self.results, self.theme = boxes, list(results), theme

    def __repr__(self) -> str:
        calls = sum(box.calls for box in self.boxes)
        return f"GraphDrawing({calls:,} operations in {len(self.boxes)} boxes)"

    @property
    def svg(self) -> str:
        """The picture as SVG, with a background of its own."""
        return _svg(self.boxes, self.results).replace("</title>\n", "</title>\n" + _colours(self.theme), 1)

    def _repr_svg_(self) -> str:
        return self.svg

    def _repr_html_(self) -> str:
        return f"<div>{self.svg}</div>"  # in the page itself, where its theme is known

    @property
    def dot(self) -> str:
        """The graph in the DOT language."""
        lines = ["digraph {", '    node [shape=box, fontname="monospace", style=filled];']
        for i, box in enumerate(self.boxes):
            fill, border, _, radius = _LOOKS[box.kind]
            label = "\n".join(box.lines).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
            shape = ', style="rounded,filled"' if radius > 8 else ""
            lines.append(f'    n{i} [label="{label}", fillcolor="{fill}", color="{border}"{shape}];')
        for i, box in enumerate(self.boxes):
            for parent, count in box.parents.items():
                lines.append(f"    n{parent} -> n{i}" + (f' [label="{count}×"];' if count > 1 else ";"))
        return "\n".join([*lines, "}", ""])

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the drawing to a file; its suffix says how: ``.svg``, or ``.dot`` or ``.gv`` for DOT text."""
        suffix = pathlib.Path(path).suffix.lower()
        if suffix not in (".svg", ".dot", ".gv"):
            raise ValueError(f"save(): the name must end in .svg, .dot or .gv (path={os.fspath(path)!r})")
        text = self.svg if suffix == ".svg" else self.dot
        pathlib.Path(path).write_text(text, encoding="utf-8")


def _colours(theme: str) -> str:
    """Return the style sheet of a theme: what the colours in the picture are on a dark page."""
    if theme == "light":
        return ""

    def rules(where: str) -> str:
        return "".join(f'{where}[{kind}="{light}"]{{{kind}:{dark}}}' for light, dark in _DARK.items()
                       for kind in ("fill", "stroke"))

    if theme == "dark":
        return f"<style>{rules('.graph-drawing ')}</style>\n"
    in_jupyter = rules('[data-jp-theme-light="false"] .graph-drawing ')
    elsewhere = rules('.graph-drawing:not([data-jp-theme-light="true"] .graph-drawing) ')
    return f"<style>{in_jupyter}@media (prefers-color-scheme:dark){{{elsewhere}}}</style>\n"


def draw_graph(
    result: Tensor | Sequence[Tensor] | Module,
    model: Any = None,
    *,
    names: Mapping[str, Tensor] | None = None,
    depth: int | str | None = "auto",
    theme: str = "auto",
) -> GraphDrawing:
    """Draw the recorded graph behind a tensor, or that of a model for some input: ``draw_graph(model, x)``.

    Parameters
    ----------
    result : Tensor or sequence of Tensor, or Module
        Such as a loss; before or after ``backward``. A Module is run in evaluation mode with the input that comes
        second; the picture has its inputs too, so that it shows skip connections, and each call is in its module.
    model : Module or watch_modules, optional; or the input of the Module: Tensor, array, or tuple of these
        Gives parameters their names and operations their modules. A graph does not say which module made a call. A
        `watch_modules` that was on in the forward pass knows it exactly::

            with watch_modules(model) as watch:
                loss = cross_entropy(model(x), target)
            draw_graph(loss, watch)

        From a Module itself, which needs no preparation, it is told by the names of the parameters: a call that
        reads ``features.0.weight`` belongs to ``features.0``; one without parameters belongs where all that it is
        computed from belongs (a ReLU to the convolution before it), or to the common part of those names; what comes
        after the last call with parameters (the loss) belongs to no module.
    names : mapping of str to Tensor, optional
        Names for further tensors, leaves or results. Those of one element are shown with their value and gradient.
    depth : int, 'auto' or None
        Modules whose names have this many parts are folded into one box each, those inside them with them. None folds
        nothing. 'auto' does so up to 30 operations, and beyond takes the largest depth with at most 30 boxes of
        operations and modules (at least 1).
    theme : {'auto', 'light', 'dark'}
        'auto' follows JupyterLab's theme, or the browser's.

    Returns
    -------
    GraphDrawing
        With ``svg``, ``dot``, ``save(path)``. Of more than 200 boxes the nearest to the result are drawn, the others
        counted. Inputs that need no gradient are shown where the graph keeps them for the backward pass; numbers are
        part of the operation.

    Raises
    ------
    RuntimeError
        Nothing was recorded for the tensor.

    Examples
    --------
    >>> from autograd_nn import tensor
    >>> a, b = tensor(2.0, requires_grad=True), tensor(3.0, requires_grad=True)
    >>> drawing = draw_graph(a * b + a, names={"a": a, "b": b})
    >>> [box.lines[0] for box in drawing.boxes]
    ['a', 'b', 'mul', 'add']
    """
    if theme not in THEMES:
        raise ValueError(f"draw_graph(): theme must be 'auto', 'light' or 'dark' (theme={theme!r})")
    given: dict[str, Tensor] = {}
    if isinstance(result, Module):
        result, model, given = _run(result, model)
    results = [result] if isinstance(result, Tensor) else list(result)
    for out in results:
        if out.node is None:
            raise RuntimeError("draw_graph(): the tensor has no graph; it was computed under no_grad(), or from "
                               f"tensors without requires_grad=True (shape={out.shape})")
    if not (depth in ("auto", None) or (isinstance(depth, int) and depth >= 1)):
        raise ValueError(f"draw_graph(): depth must be 'auto', None or a positive int (depth={depth!r})")
    roots = list(dict.fromkeys(out.node for out in results if out.node is not None))
    nodes = _parents_first(roots)
    labels = _Labels(model, {**given, **(names or {})})
    labels.inputs = {x.node for x in given.values() if x.node is not None}
    modules = _modules(nodes, model, labels)
    chosen = depth if depth is None or isinstance(depth, int) else _chosen_depth(nodes, modules, labels.layers)
    groups = _grouped(nodes, modules, chosen, labels.layers)
    boxes, box_of = _boxes(nodes, roots, modules, groups, labels, chosen is not None)
    return GraphDrawing(*_nearest(boxes, [box_of[root] for root in roots]), theme)


def _run(model: Module, inputs: Any) -> tuple[list[Tensor], watch_modules, dict[str, Tensor]]:
    """Run a model in evaluation mode; return its outputs, who made each call, and its inputs by name."""
    args = inputs if isinstance(inputs, tuple) else (inputs,)
    arrays = [as_tensor(x).array for x in args if isinstance(x, Tensor | np.ndarray)]
    if len(arrays) < len(args):
        raise TypeError("draw_graph(): a model needs the input to run it with, a Tensor or array, or a tuple of these "
                        f"(got {', '.join(type(x).__name__ for x in args)})")
    tensors = [Tensor(array, requires_grad=array.dtype.kind == "f") for array in arrays]
    parameters = [p.name for p in inspect.signature(model.forward).parameters.values() if p.kind != p.VAR_KEYWORD]
    names = [parameters[i] if i < len(parameters) else f"input {i}" for i in range(len(tensors))]
    with preserved(model), enable_grad(), watch_modules(model) as watch:
        out = model(*tensors)
    return list(_tensors(out)), watch, dict(zip(names, tensors))


def _tensors(value: Any) -> Iterator[Tensor]:
    """Yield the tensors in what a model returned that have a graph."""
    if isinstance(value, Tensor):
        yield from [value] if value.node is not None else []
    elif isinstance(value, dict | tuple | list):
        for part in value.values() if isinstance(value, dict) else value:
            yield from _tensors(part)


def _parents_first(roots: Sequence[Node]) -> list[Node]:
    """Return all nodes behind `roots`, each after its parents."""
    order: list[Node] = []
    seen: set[Node] = set()
    stack: list[tuple[Node, bool]] = [(root, False) for root in reversed(roots)]
    while stack:
        node, finished = stack.pop()
        if finished:
            order.append(node)
        elif node not in seen:
            seen.add(node)
            stack.append((node, True))
            stack += [(parent, False) for parent in reversed(node.parents) if parent is not None and parent not in seen]
    return order


# ------------------------------------------------------------------------------------ names and modules


class _Labels:
    """What is known of nodes by name: parameters of the model, and the tensors that the user named."""

    def __init__(self, model: Module | watch_modules | None, names: Mapping[str, Tensor]):
        self.exact = isinstance(model, watch_modules)
        self.model = model.model if isinstance(model, watch_modules) else model
        self.tensors: dict[Node, Tensor] = {}
        self.inputs: set[Node] = set()
        self.names: dict[Node, str] = {}
        self.parameters: dict[Node, str] = {}
        named = [] if self.model is None else self.model.named_modules()
        self.layers = {name for name, module in named if name and next(module.children(), None) is None}
        parameters = dict(self.model.named_parameters()) if self.model is not None else {}
        for name, value in [*parameters.items(), *names.items()]:
            if value.node is not None:
                self.names[value.node] = name
                self.tensors[value.node] = value
                if name in parameters:
                    self.parameters[value.node] = name

    def kind_of(self, module: str) -> str:
        """Return the class of a module by its name."""
        return self.model.get_submodule(module)._get_name() if self.model is not None else ""

    def facts(self, node: Node) -> list[str]:
        """Return lines for the shape and, of a named tensor of one element, its value and gradient."""
        kind = _type(node.shape, node.dtype)
        named = self.tensors.get(node)
        if named is None or node in self.parameters or named.array.size != 1:
            return [kind]
        lines = [f"value {named.item():.5g}"] if kind == "()" else [kind, f"value {named.item():.5g}"]
        return lines if node.grad is None else [*lines, f"gradient {node.grad.item():.5g}"]


Trail = tuple[tuple[str, int], ...]


def _modules(nodes: list[Node], model: Module | watch_modules | None, labels: _Labels) -> dict[Node, Trail]:
    """Return the modules around each call, outermost first, without the model itself."""
    calls = [node for node in nodes if isinstance(node, Call)]
    if isinstance(model, watch_modules):
        return {call: tuple(m for m in model.trails.get(call, ()) if m.name) for call in calls}
    if model is None:
        return {}
    owner: dict[Node, str | None] = {}
    useful = _before_parameters(calls, labels.parameters)
    for call in calls:
        own = [labels.parameters[p] for p in call.parents if p in labels.parameters]
        before = [owner[p] for p in call.parents if isinstance(p, Call)]
        if own:
            owner[call] = own[0].rpartition(".")[0]
        elif call in useful and before and None not in before:
            owner[call] = _common([name for name in before if name is not None])
        else:
            owner[call] = None
    return {call: tuple((name, 0) for name in _prefixes(owner[call] or "")) for call in calls}


def _before_parameters(calls: list[Call], parameters: Mapping[Node, str]) -> set[Node]:
    """Return the calls from whose results some call with a parameter of its own is computed."""
    useful: set[Node] = set()
    for call in reversed(calls):
        if call in useful or any(parent in parameters for parent in call.parents):
            useful.update(parent for parent in call.parents if parent is not None)
    return useful


def _common(names: list[str]) -> str:
    """Return the parts that module names begin with in common."""
    return ".".join(_shared_start([name.split(".") if name else [] for name in names]))


def _shared_start(sequences: Sequence[Sequence[Any]]) -> list[Any]:
    """Return the items that all sequences begin with."""
    return [items[0] for items in itertools.takewhile(lambda items: len(set(items)) == 1, zip(*sequences))]


def _prefixes(name: str) -> list[str]:
    """Return ``['a', 'a.b']`` for ``'a.b'``."""
    parts = name.split(".") if name else []
    return [".".join(parts[: i + 1]) for i in range(len(parts))]


# ------------------------------------------------------------------------------------ folding


def _key(trail: Trail, depth: int, layers: set[str]) -> tuple[str, int] | None:
    """Return the module that a call is folded into: the outermost whose name has `depth` parts, or a layer above."""
    for module in trail:
        if module[0].count(".") + 1 >= depth or module[0] in layers:
            return module
    return None


def _chosen_depth(nodes: list[Node], modules: dict[Node, Trail], layers: set[str]) -> int | None:
    """Return the largest depth that leaves a readable number of boxes; None where nothing need be folded."""
    calls = [node for node in nodes if isinstance(node, Call)]
    if len(calls) <= READABLE or not any(modules.values()):
        return None
    deepest = max(name.count(".") + 1 for trail in modules.values() for name, _ in trail)
    for depth in range(deepest, 1, -1):
        keys = [_key(modules.get(call, ()), depth, layers) for call in calls]
        if len({key for key in keys if key}) + keys.count(None) <= READABLE:
            return depth
    return 1


def _grouped(nodes: list[Node], modules: dict[Node, Trail], depth: int | None, layers: set[str]) -> dict[Node, int]:
    """Return the group of each call such that the groups again form a graph without cycles.

    Calls of one module are a group, except where a path leads from the group out and back to the call; the call starts
    another one then.
    """
    group_of: dict[Node, int] = {}
    above: list[set[int]] = []
    latest: dict[tuple[str, int], int] = {}
    for node in nodes:
        if not isinstance(node, Call):
            continue
        parents = {group_of[parent] for parent in node.parents if parent in group_of}
        key = _key(modules.get(node, ()), depth, layers) if depth is not None else None
        group = latest.get(key) if key is not None else None
        if group is None or _leads_to(group, parents - {group}, above):
            group = len(above)
            above.append(set())
            if key is not None:
                latest[key] = group
        above[group] |= parents - {group}
        group_of[node] = group
    return group_of


def _leads_to(group: int, groups: set[int], above: list[set[int]]) -> bool:
    """Return whether one of `groups` is computed from `group`."""
    stack, seen = list(groups), set(groups)
    while stack:
        for parent in above[stack.pop()]:
            if parent == group:
                return True
            if parent not in seen:
                seen.add(parent)
                stack.append(parent)
    return False


# ------------------------------------------------------------------------------------ boxes


def _boxes(
    nodes: list[Node],
    roots: list[Node],
    modules: dict[Node, Trail],
    groups: dict[Node, int],
    labels: _Labels,
    folded: bool,
) -> tuple[list[Box], dict[Node, int]]:
    """Return the boxes, those that a box is computed from before it, and the box of each node."""
    members: dict[int, list[Call]] = {}
    for node in nodes:
        if isinstance(node, Call):
            members.setdefault(groups[node], []).append(node)
    hidden = _hidden_leaves(nodes, groups) if folded else {}
    boxes: list[Box] = []
    box_of: dict[Node, int] = {}
    arrays: dict[int, int] = {}

    def add(box: Box) -> int:
        boxes.append(box)
        return len(boxes) - 1

    for group in _groups_parents_first(members, groups):
        calls = members[group]
        inner = {leaf for leaf, reader in hidden.items() if reader == group and leaf in labels.parameters}
        module = modules.get(calls[0], ())
        is_module = folded and bool(module) and (len(calls) > 1 or bool(inner))
        box = _module_box(calls, modules, inner, labels) if is_module else _call_box(calls[0], module, labels)
        for call in calls:
            for i, parent in enumerate(call.parents):
                if parent is not None:
                    if groups.get(parent) == group or (is_module and parent in inner):
                        continue
                    if parent not in box_of:
                        box_of[parent] = add(_leaf_box(parent, labels))
                    source = box_of[parent]
                else:
                    array = None if call.inputs is None else call.inputs[i]
                    if not isinstance(array, np.ndarray) or array.ndim == 0 or is_module:
                        continue
                    if id(array) not in arrays:
                        arrays[id(array)] = add(Box("data", ["data", _type(array.shape, array.dtype)]))
                    source = arrays[id(array)]
                box.parents[source] = 1 if is_module else box.parents.get(source, 0) + 1
        index = add(box)
        box_of.update(dict.fromkeys(calls, index))
    for root in roots:
        if root not in box_of:
            box_of[root] = add(_leaf_box(root, labels))
    return boxes, box_of


def _hidden_leaves(nodes: list[Node], groups: dict[Node, int]) -> dict[Node, int]:
    """Return the leaves that one group alone reads, with that group."""
    readers: dict[Node, set[int]] = {}
    for node in nodes:
        for parent in node.parents:
            if parent is not None and not isinstance(parent, Call):
                readers.setdefault(parent, set()).add(groups[node])
    return {leaf: next(iter(by)) for leaf, by in readers.items() if len(by) == 1}


def _groups_parents_first(members: dict[int, list[Call]], groups: dict[Node, int]) -> list[int]:
    above = {
        group: {groups[parent] for call in calls for parent in call.parents if parent in groups} - {group}
        for group, calls in members.items()
    }
    below: dict[int, list[int]] = {group: [] for group in members}
    for group, parents in above.items():
        for parent in parents:
            below[parent].append(group)
    waiting = {group: len(parents) for group, parents in above.items()}
    ready = [group for group in members if not waiting[group]][::-1]
    order = []
    while ready:
        group = ready.pop()
        order.append(group)
        for child in below[group]:
            waiting[child] -= 1
            if not waiting[child]:
                ready.append(child)
    return order


def _type(shape: tuple[int, ...], dtype: np.dtype[Any]) -> str:
    return str(tuple(shape)) if dtype == DEFAULT_DTYPE else f"{tuple(shape)} {dtype}"


def _call_box(call: Call, trail: Trail, labels: _Labels) -> Box:
    constants = [x for x, parent in zip(call.inputs or (), call.parents) if parent is None and x is not None]
    title = " ".join([call.primitive.name, *(f"{float(x):.5g}" for x in constants if np.ndim(x) == 0)])
    name = labels.names.get(call)
    lines = [f"{name} = {title}" if name else title]
    if trail and (labels.exact or any(parent in labels.parameters for parent in call.parents)):
        lines.append(f"in {trail[-1][0]}")
    lines += labels.facts(call)
    settings = {key: value for key, value in call.params.items() if isinstance(value, int | float | str | tuple)}
    details = [title, *(f"{key} = {value!r}" for key, value in settings.items())]
    return Box("operation", lines, calls=1, details="\n".join(details))


def _leaf_box(node: Node, labels: _Labels) -> Box:
    lines = [labels.names.get(node, "leaf"), *labels.facts(node)]
    return Box("data" if node in labels.inputs else "parameter", lines, details=lines[0])


def _module_box(calls: list[Call], modules: dict[Node, Trail], inner: set[Node], labels: _Labels) -> Box:
    trails = [modules[call] for call in calls]
    name = _shared_start(trails)[-1][0]
    operations = list(dict.fromkeys(call.primitive.name for call in calls))
    kind = labels.kind_of(name)
    lines = [f"{name}: {kind}" if kind else name]
    lines.append(", ".join(operations) if len(operations) <= 3 and len(calls) <= 3 else f"{len(calls):,} operations")
    if inner:
        lines.append(f"{sum(int(np.prod(leaf.shape)) for leaf in inner):,} parameters")
    lines.append(_type(calls[-1].shape, calls[-1].dtype))
    details = [name, *(f"{call.primitive.name} {_type(call.shape, call.dtype)}" for call in calls)]
    return Box("module", lines, calls=len(calls), details="\n".join(details))


def _nearest(boxes: list[Box], results: list[int]) -> tuple[list[Box], list[int]]:
    """Return the boxes nearest to the results, at most MOST, and one for all the others where there are more."""
    kept = list(dict.fromkeys(results))
    seen = set(kept)
    for i in kept:
        for parent in boxes[i].parents:
            if parent not in seen and len(seen) < MOST:
                seen.add(parent)
                kept.append(parent)
    kept = sorted(seen)
    if len(kept) == len(boxes):
        return boxes, results
    omitted = [box for i, box in enumerate(boxes) if i not in seen]
    calls = sum(box.calls for box in omitted)
    place = {i: position + 1 for position, i in enumerate(kept)}
    drawn = [Box("omitted", [f"{calls:,} operations before"], calls=calls)]
    for i in kept:
        parents: dict[int, int] = {}
        for parent, count in boxes[i].parents.items():
            target = place.get(parent, 0)
            parents[target] = count if target else 1
        drawn.append(Box(boxes[i].kind, boxes[i].lines, parents, boxes[i].calls, boxes[i].details))
    return drawn, [place[i] for i in results]


# ------------------------------------------------------------------------------------ SVG


def _shortened(line: str) -> str:
    """Return a line with its middle left out where it is too long."""
    if len(line) <= _LONGEST:
        return line
    head = (_LONGEST - 1) // 2
    return f"{line[:head]}…{line[len(line) - (_LONGEST - 1 - head):]}"


def _size_of_line(position: int) -> float:
    return _SIZES[0] if position == 0 else _SIZES[1]


def _text_width(text: str, size: float) -> float:
    return len(text) * size * _ADVANCE


def _box_size(box: Box) -> tuple[float, float]:
    lines = [_shortened(line) for line in box.lines]
    width = max(_text_width(line, _size_of_line(i)) for i, line in enumerate(lines))
    height = sum(_size_of_line(i) * 1.3 for i in range(len(lines)))
    rounded = _LOOKS[box.kind][3] > 8
    return width + (3.2 if rounded else 2) * _PADDING, height + 1.4 * _PADDING


def _svg(boxes: list[Box], results: list[int]) -> str:
    sizes = [_box_size(box) for box in boxes]
    edges = [(parent, i) for i, box in enumerate(boxes) for parent in box.parents]
    counts = [count for box in boxes for count in box.parents.values()]
    straight = [_STRAIGHT if boxes[parent].calls else 1.0 for parent, _ in edges]
    layout = layered_layout(sizes, edges, straight)
    kinds = [kind for kind in _KINDS if any(box.kind == kind for box in boxes)]
    legend_widths = [24 + _text_width(_KINDS[kind], _SIZES[1]) + 18 for kind in kinds]
    width = max(layout.width, sum(legend_widths)) + 2 * _MARGIN
    height = layout.height + 2 * _MARGIN + 34
    shift = (width - layout.width) / 2, _MARGIN
    calls = sum(box.calls for box in boxes)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" '
        f'viewBox="0 0 {width:.1f} {height:.1f}" font-family="{_FONT}" role="img" class="graph-drawing">',
        f"<title>graph of {calls:,} operations</title>",
        f'<rect x="0.5" y="0.5" width="{width - 1:.1f}" height="{height - 1:.1f}" rx="6" fill="#ffffff" '
        'stroke="#c8c8c8"/>',
    ]
    for route, count in zip(layout.routes, counts):
        parts.append(_edge_svg([(x + shift[0], y + shift[1]) for x, y in route], count))
    for i, (box, size, (x, y)) in enumerate(zip(boxes, sizes, layout.centres)):
        parts.append(_box_svg(box, size, x + shift[0], y + shift[1], i in results))
    x = _MARGIN
    y = height - 20
    for kind, step in zip(kinds, legend_widths):
        fill, border, line, radius = _LOOKS[kind]
        dashes = ' stroke-dasharray="4 3"' if kind == "omitted" else ""
        parts.append(f'<rect x="{x:.1f}" y="{y - 9:.1f}" width="18" height="12" rx="{min(radius, 6)}" fill="{fill}" '
                     f'stroke="{border}" stroke-width="{line}"{dashes}/>')
        parts.append(f'<text x="{x + 24:.1f}" y="{y + 1:.1f}" font-size="{_SIZES[1]}" fill="#333333">'
                     f"{_KINDS[kind]}</text>")
        x += step
    return "\n".join([*parts, "</svg>", ""])


def _box_svg(box: Box, size: tuple[float, float], x: float, y: float, is_result: bool) -> str:
    fill, border, line, radius = _LOOKS[box.kind]
    width, height = size
    left, top = x - width / 2, y - height / 2
    dashes = ' stroke-dasharray="4 3"' if box.kind == "omitted" else ""
    parts = ["<g>"]
    if box.details:
        parts.append(f"<title>{html.escape(box.details)}</title>")
    if is_result:
        parts.append(f'<rect x="{left - 3.5:.1f}" y="{top - 3.5:.1f}" width="{width + 7:.1f}" '
                     f'height="{height + 7:.1f}" rx="{radius + 3}" fill="none" stroke="#222222" stroke-width="1.6"/>')
    parts.append(f'<rect x="{left:.1f}" y="{top:.1f}" width="{width:.1f}" height="{height:.1f}" rx="{radius}" '
                 f'fill="{fill}" stroke="{border}" stroke-width="{line}"{dashes}/>')
    baseline = top + 0.7 * _PADDING
    for i, text in enumerate(box.lines):
        font = _size_of_line(i)
        baseline += font * 1.3
        style = ' font-weight="bold" fill="#111111"' if i == 0 else ' fill="#333333"'
        parts.append(f'<text x="{x:.1f}" y="{baseline - 0.35 * font:.1f}" text-anchor="middle" font-size="{font}"'
                     f"{style}>{html.escape(_shortened(text))}</text>")
    return "".join([*parts, "</g>"])


def _edge_svg(route: list[tuple[float, float]], count: int) -> str:
    """Return a smooth line with an arrowhead at its end, and the number of edges that it stands for beside it."""
    (x, y), end = route[0], route[-1]
    points = [*route[:-1], (end[0], end[1] - 6)]
    path = f"M{x:.1f} {y:.1f}"
    for (x0, y0), (x1, y1) in itertools.pairwise(points):
        middle = (y0 + y1) / 2
        bend = f" C{x0:.1f} {middle:.1f} {x1:.1f} {middle:.1f}" if x0 != x1 else " L"
        path += f"{bend} {x1:.1f} {y1:.1f}"
    x, y = end
    parts = [f'<path d="{path}" fill="none" stroke="#555555" stroke-width="1.3"/>',
             f'<path d="M{x:.1f} {y:.1f} l-3.6 -7.5 h7.2 z" fill="#555555"/>']
    if count > 1:
        parts.append(f'<text x="{x + 6:.1f}" y="{y - 8:.1f}" font-size="{_SIZES[1]}" fill="#333333">{count}×</text>')
    return "".join(parts)
