"""`load`: a Module that runs the graph of an ONNX file, and can be trained."""

from __future__ import annotations

import functools
import os
from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO

import numpy as np

from ....data.extras import need
from ....engine import Variable, wrap
from ....nn import Module, Parameter
from ....tensor import Tensor, as_tensor
from ....typing import Array
from . import control, elementwise, layers, shapes  # noqa: F401  # they fill the table
from .reading import Graph, Node, is_function, read, written_out
from .table import IN_SCOPE, OPERATORS

__all__ = ["OnnxModule", "load"]

MOST_FUNCTIONS = 256  # operators that are kept as the nodes that they stand for, with inputs of one shape

# inputs of operators that are no weights, though they may be constants of a file
_STATISTICS = {("BatchNormalization", 3), ("BatchNormalization", 4)}
_SETTINGS = {"Resize", "Upsample", "Clip", "Pad", "Dropout", "Range", "OneHot", "Slice", "Tile", "TopK", "Loop", "If"}


def load(file: str | os.PathLike[str] | BinaryIO) -> OnnxModule:
    """Read an ONNX file as a Module that runs here and can be fine-tuned.

    Weights (floating-point constants with at least one dim) become parameters under their names in the file, running
    statistics become buffers; all else stays as it is. The module is in evaluation mode; after ``train()`` batch norm
    and dropout behave as in training.

    Parameters
    ----------
    file : path or binary file
        Not trusted: it is read as protobuf with plain numbers; the sizes of tensors are checked against the bytes that
        are there before memory is taken; data outside of the file is read from its own folder alone. To run a file is
        another matter: its operations take the memory and time that they ask for.

    Returns
    -------
    OnnxModule

    Raises
    ------
    ValueError
        The file is not as the format wants it, or reads from outside of its folder.
    NotImplementedError
        Operators that are not there; the error names them all.
    ImportError
        The package onnx is not installed; the extra ``onnx`` brings it.

    Examples
    --------
    >>> import io
    >>> import autograd_nn as ag
    >>> file = io.BytesIO()
    >>> proto = ag.onnx.export(ag.nn.Linear(3, 2), ag.zeros(1, 3), file)
    >>> _ = file.seek(0)
    >>> model = ag.onnx.load(file)
    >>> model(ag.zeros(5, 3)).shape
    (5, 2)
    >>> [name for name, _ in model.named_parameters()]
    ['weight', 'bias']
    """
    onnx = need("onnx", "onnx", "onnx.load()")
    need("onnx.inliner", "onnx", "onnx.load()")
    graph = read(onnx, file, set(OPERATORS))
    missing = sorted({node.operator for node in _all_nodes(graph) if node.operator not in OPERATORS
                      and not is_function(onnx, node.operator, node.opset)})
    if missing:
        raise NotImplementedError(f"onnx.load(): operators that are not there: {', '.join(missing)}")
    return OnnxModule(graph)


def _all_nodes(graph: Graph) -> Iterator[Node]:
    for node in graph.nodes:
        yield node
        for value in node.attributes.values():
            if isinstance(value, Graph):
                yield from _all_nodes(value)


class OnnxModule(Module):
    """The graph of an ONNX file.

    Attributes
    ----------
    input_names, output_names : list of str
        It is called with inputs in this order, or by name; it returns a tensor, or a tuple of several.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> import numpy as np
    >>> from autograd_nn import nn
    >>> import pathlib, tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> path = pathlib.Path(folder.name, "net.onnx")
    >>> model = nn.Sequential(nn.Linear(3, 4), nn.ReLU()).eval()
    >>> exported = ag.onnx.export(model, ag.ones(1, 3), path)
    >>> loaded = ag.onnx.load(path)
    >>> np.allclose(loaded(ag.ones(5, 3)).detach(), model(ag.ones(5, 3)).detach())
    True
    >>> [name for name, _ in loaded.named_parameters()]
    ['0.weight', '0.bias']
    >>> folder.cleanup()
    """

    def __init__(self, graph: Graph):
        super().__init__()
        self.graph = graph
        self.input_names, self.output_names = graph.inputs, graph.outputs
        self._paths: dict[str, tuple[str, ...]] = {}
        self._constants: dict[str, Tensor] = {}
        self._functions: dict[Any, Graph] = {}
        statistics, settings = _uses(graph)
        for name, array in graph.constants.items():
            weight = array.dtype.kind == "f" and array.ndim > 0 and name not in settings
            if weight:
                self._put(name, array, name in statistics)
            else:
                self._constants[name] = wrap(array)
        graph.constants = dict.fromkeys(graph.constants, np.empty(0))  # the names alone; the arrays are held once
        self.eval()

    def _put(self, name: str, array: Array, buffer: bool) -> None:
        """Set a weight or statistic: ``a.b.c`` is the attribute c of the module b in the module a."""
        *path, last = [part for part in name.split(".") if part] or [name]
        module: Module = self
        for part in path:
            inner = vars(module).get(part)
            if inner is None and not hasattr(Module, part):
                inner = _Group()
                setattr(module, part, inner)
            if not isinstance(inner, Module):
                module, path, last = self, [], name.replace(".", "_")
                break
            module = inner
        while hasattr(type(module), last) or last in vars(module) or not last:
            last += "_"
        if buffer:
            module.register_buffer(last, wrap(array))
        else:
            module.register_parameter(last, Parameter(array))
        self._paths[name] = (*path, last)

    def _values(self) -> dict[str, Any]:
        values: dict[str, Any] = dict(self._constants)
        for name, path in self._paths.items():
            value: Any = self
            for part in path:
                value = vars(value)[part]
            values[name] = value
        return values

    def forward(self, *inputs: Any, **named: Any) -> Any:
        """Run the graph.

        Parameters
        ----------
        *inputs, **named : Tensor or array
            In the order of `input_names`, or by name.

        Returns
        -------
        Tensor, or tuple of Tensors
        """
        if len(inputs) > len(self.input_names) or set(named) - set(self.input_names[len(inputs) :]):
            raise TypeError(f"OnnxModule: takes the inputs {', '.join(self.input_names)} (got {len(inputs)} in order, "
                            f"and {', '.join(named) or 'none'} by name)")
        values = self._values()
        values |= {name: x if isinstance(x, Variable) else as_tensor(x)
                   for name, x in (*zip(self.input_names, inputs), *named.items())}
        if absent := [name for name in self.input_names if name not in values]:
            raise TypeError(f"OnnxModule: inputs are missing: {', '.join(absent)}")
        outputs = self._run(self.graph, values)
        return outputs[0] if len(outputs) == 1 else tuple(outputs)

    def _run(self, graph: Graph, values: dict[str, Any]) -> list[Any]:
        """Run the nodes of a graph; `values` is its own, and loses what is needed no longer."""
        for node in graph.nodes:
            try:
                given = [values[name] if name else None for name in node.inputs]
            except KeyError as error:
                raise ValueError(f"{node}: nothing gives the input {error.args[0]!r:.80}") from None
            if node.operator in ("BatchNormalization", "Dropout"):
                node.attributes["in_training"] = self.training
            try:
                if node.operator in IN_SCOPE:
                    inner = functools.partial(self._inside, values)
                    results = OPERATORS[node.operator](inner, node, *given)
                elif node.operator in OPERATORS:
                    results = OPERATORS[node.operator](node, *given)
                else:
                    results = self._written_out(node, given)
            except Exception as error:
                error.add_note(f"in {node}")
                raise
            results = results if isinstance(results, tuple) else (results,)
            if len(node.outputs) > len(results):
                raise NotImplementedError(f"{node}: only {len(results)} of {len(node.outputs)} outputs are there")
            values.update((name, result) for name, result in zip(node.outputs, results) if name)
            for name in node.expires:
                values.pop(name, None)
        return [values.get(name) for name in graph.outputs]

    def _written_out(self, node: Node, given: list[Any]) -> tuple[Any, ...]:
        """Run an operator as the nodes that it stands for with inputs of these types."""
        types = [None if x is None else (x.dtype, x.shape) for x in given]
        key = id(node), tuple(types)
        if key not in self._functions:
            onnx = need("onnx", "onnx", "onnx.load()")
            if len(self._functions) >= MOST_FUNCTIONS:
                self._functions.clear()
            self._functions[key] = written_out(onnx, node, types, set(OPERATORS))
        graph = self._functions[key]
        given = given + [None] * (len(graph.inputs) - len(given))
        return tuple(self._run(graph, dict(zip(graph.inputs, given))))

    def _inside(self, scope: dict[str, Any], graph: Graph, inputs: Sequence[Any]) -> list[Any]:
        """Run a subgraph, which sees the values around it."""
        constants = {name: wrap(array) for name, array in graph.constants.items()}
        return self._run(graph, {**scope, **constants, **dict(zip(graph.inputs, inputs))})

    def extra_repr(self) -> str:
        """Return the number of nodes and the names of inputs and outputs."""
        return f"{len(self.graph.nodes)} nodes, {', '.join(self.input_names)} -> {', '.join(self.output_names)}"


class _Group(Module):
    """Holds the weights whose names begin alike."""


def _uses(graph: Graph) -> tuple[set[str], set[str]]:
    """Return the constants that are running statistics, and those that are settings of operators."""
    statistics, settings, weights = set(), set(), set()
    for node in _all_nodes(graph):
        for i, name in enumerate(node.inputs):
            if (node.operator, i) in _STATISTICS:
                statistics.add(name)
            elif node.operator in _SETTINGS and i:
                settings.add(name)
            else:
                weights.add(name)
    return statistics, settings - weights
