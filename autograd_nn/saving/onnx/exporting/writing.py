"""`export`: trace a model, translate its operations, check the graph and write it."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, BinaryIO

import numpy as np

from ....data.extras import need
from ....engine import Update, Variable, wrap
from ....nn import Module
from ....typing import Array
from . import elementwise, layers, shapes  # noqa: F401  # they fill the table
from .graph import Graph
from .table import TABLE
from .trace import Call, Recording, Size, Value, described, merged, record

__all__ = ["export"]

OPSET = 18
LARGEST = 2**31 - 2**20  # bytes in one protobuf message
BATCHES = (3, 4, 5)  # of the forward passes that find out what depends on the batch size


def export(
    model: Module | Callable[..., Any],
    args: Any,
    file: str | os.PathLike[str] | BinaryIO | None = None,
    *,
    input_names: Sequence[str] | None = None,
    output_names: Sequence[str] | None = None,
    batch_dims: int | Sequence[int | None] | None = 0,
) -> Any:
    """Write a model as an ONNX file, for onnxruntime and other programs that run networks.

    The model is run (in evaluation mode) and what it computes is written down; Python's `if` and `for` are followed as
    they go for these inputs. Parameters keep their names in the module tree.

    Parameters
    ----------
    model : Module or callable
        Its training flags are afterwards what they were.
    args : Tensor, array, or tuple of these
        Inputs to run the model with; nested tuples and lists, numbers and None are passed on as they are. A dict is
        passed as keyword arguments.
    file : path or binary file, optional
        Where to write. Above 2 GiB the weights go into a second file beside it, ``<file>.data``.
    input_names, output_names : sequence of str, optional
        By default the names of the parameters of ``model.forward``, and ``output`` (or ``output_0``, ``output_1`` ...,
        or the keys of a dict).
    batch_dims : int, None, or sequence of these, per input
        Which dim of each input counts the examples: this size is left open in the file. None: none is.

    Returns
    -------
    onnx.ModelProto
        Opset 18, checked by ``onnx.checker``.

    Raises
    ------
    NotImplementedError
        An operation without ONNX form, or one that depends on the batch size in a way that cannot be written down;
        the error names it and the layer.
    ImportError
        The package onnx is not installed; the extra ``onnx`` brings it.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn import nn
    >>> model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))
    >>> proto = ag.onnx.export(model, ag.zeros(1, 4))
    >>> [node.op_type for node in proto.graph.node]
    ['Gemm', 'Relu', 'Gemm']
    >>> [tensor.name for tensor in proto.graph.initializer]
    ['0.weight', '0.bias', '2.weight', '2.bias']
    """
    onnx = need("onnx", "onnx", "onnx.export()")
    inputs = _Inputs(model, args, input_names, batch_dims)
    recording, batches = _recorded(model, inputs, output_names)
    graph = _translated(onnx, model, inputs, recording, batches)
    onnx.checker.check_model(graph, full_check=True) if graph.ByteSize() < LARGEST else None
    if file is not None:
        _write(onnx, graph, file)
    return graph


# ------------------------------------------------------------------------------------ inputs and outputs


class _Inputs:
    """The arrays among the arguments of a call, and how the call is made with other arrays in their places."""

    def __init__(self, model: Any, args: Any, names: Sequence[str] | None, batch_dims: Any):
        self.args: tuple[Any, ...] = () if isinstance(args, Mapping) else args if isinstance(args, tuple) else (args,)
        self.kwargs: dict[str, Any] = dict(args) if isinstance(args, Mapping) else {}
        self.arrays: list[Array] = []
        self._kinds: list[bool] = []
        wishes = [*zip(_parameter_names(model, len(self.args)), self.args), *self.kwargs.items()]
        found = [name for wish, value in wishes for name in self._found(wish, value)]
        if not self.arrays:
            raise TypeError(f"onnx.export(): args must hold at least one tensor, got {type(args).__name__}")
        self.names = list(names) if names is not None else found
        if len(self.names) != len(found) or len(set(self.names)) != len(self.names):
            raise ValueError(f"onnx.export(): input_names needs {len(found)} different names "
                             f"(input_names={self.names})")
        dims = list(batch_dims) if isinstance(batch_dims, list | tuple) else [batch_dims] * len(found)
        if len(dims) != len(found):
            raise ValueError(f"onnx.export(): batch_dims needs one entry for each of {len(found)} inputs "
                             f"(batch_dims={batch_dims})")
        self.batch_dims: list[int | None] = [
            None if dim is None or not a.ndim else _checked(dim, a, name)
            for dim, a, name in zip(dims, self.arrays, self.names)
        ]
        sizes = {name: a.shape[dim] for name, a, dim in zip(self.names, self.arrays, self.batch_dims)
                 if dim is not None}
        if len(set(sizes.values())) > 1:
            raise ValueError(f"onnx.export(): the inputs have different batch sizes ({sizes}); name the dims of each, "
                             "batch_dims=(0, None, ...)")

    def _found(self, name: str, value: Any) -> Iterator[str]:
        if isinstance(value, Variable | np.ndarray):
            self.arrays.append(value.array if isinstance(value, Variable) else value)
            yield name
        elif isinstance(value, Mapping):
            for key, part in value.items():
                yield from self._found(f"{name}_{key}", part)
        elif isinstance(value, tuple | list):
            for i, part in enumerate(value):
                yield from self._found(f"{name}_{i}", part)

    def run(self, model: Callable[..., Any], arrays: Sequence[Array]) -> Any:
        """Call the model with other arrays."""
        following = iter(arrays)
        args = tuple(_replaced(x, following) for x in self.args)
        return model(*args, **{key: _replaced(x, following) for key, x in self.kwargs.items()})

    def of(self, batch: int) -> list[Array]:
        """Return the arrays with so many examples, the given ones again and again."""
        return [a.copy() if dim is None else np.take(a, np.arange(batch) % max(a.shape[dim], 1), dim)
                for a, dim in zip(self.arrays, self.batch_dims)]


def _checked(dim: int, array: Array, name: str) -> int:
    if not -array.ndim <= dim < array.ndim or not array.shape[dim]:
        raise ValueError(f"onnx.export(): input {name!r} has no examples along dim {dim} (shape={array.shape})")
    return dim % array.ndim


def _replaced(value: Any, arrays: Iterator[Array]) -> Any:
    if isinstance(value, Variable):
        return wrap(next(arrays))
    if isinstance(value, np.ndarray):
        return next(arrays)
    if isinstance(value, Mapping):
        return {key: _replaced(part, arrays) for key, part in value.items()}
    if isinstance(value, tuple | list):
        parts = [_replaced(part, arrays) for part in value]
        return type(value)(*parts) if hasattr(value, "_fields") else type(value)(parts)
    return value


def _parameter_names(model: Any, count: int) -> list[str]:
    """Return the names of the positional parameters of `forward`."""
    try:
        parameters = inspect.signature(model.forward if isinstance(model, Module) else model).parameters.values()
    except (TypeError, ValueError):
        parameters = {}.values()
    names = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    rest = [f"input_{i}" for i in range(len(names), count)]
    return ([*names, *rest] if names or count > 1 else ["input"])[:count]


def _outputs(result: Any, names: Sequence[str] | None) -> list[tuple[str, Any]]:
    """Return names and tensors of what a model returned."""
    found = list(_flat("output", result))
    if isinstance(result, Mapping):
        found = [(name.removeprefix("output_"), x) for name, x in found]
    if not found:
        raise TypeError(f"onnx.export(): the model must return tensors, got {type(result).__name__}")
    if names is None:
        return found
    if len(names) != len(found) or len(set(names)) != len(found):
        raise ValueError(f"onnx.export(): output_names needs {len(found)} different names (output_names={names})")
    return [(name, x) for name, (_, x) in zip(names, found)]


def _flat(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Variable | np.ndarray):
        yield name, value
    elif isinstance(value, Mapping):
        for key, part in value.items():
            yield from _flat(f"{name}_{key}", part)
    elif isinstance(value, tuple | list):
        for i, part in enumerate(value):
            yield from _flat(f"{name}_{i}", part)


# ------------------------------------------------------------------------------------ from calls to nodes


def _recorded(model: Any, inputs: _Inputs, output_names: Sequence[str] | None) -> tuple[Recording, list[int]]:
    """Return what the model computes in evaluation mode, and the batch sizes that this was found out with."""
    modules = list(model.modules()) if isinstance(model, Module) else []
    flags = [module.training for module in modules]
    dynamic = any(dim is not None for dim in inputs.batch_dims)
    batches = list(BATCHES) if dynamic else [0]
    try:
        for module in modules:
            module.training = False
        recordings = [
            record(model, inputs.of(batch), lambda arrays: inputs.run(model, arrays),
                   lambda result: _outputs(result, output_names))
            for batch in batches
        ]  # fmt: skip
    finally:
        for module, flag in zip(modules, flags):
            module.training = flag
    return (merged(recordings, batches) if dynamic else recordings[0]), batches


def _translated(onnx: Any, model: Any, inputs: _Inputs, recording: Recording, batches: Sequence[int]) -> Any:
    """Return the recording as an ONNX model."""
    place = next(((name, dim) for name, dim in zip(inputs.names, inputs.batch_dims) if dim is not None), None)
    graph = Graph(onnx, place, batches)
    for name, value in zip(inputs.names, recording.values):
        value.name = graph.fresh(name)
    output_names = [graph.fresh(name) for name, _ in recording.outputs]
    known = recording.values[len(inputs.names) :]
    for name, tensor, value in _named_weights(model, known):
        assert value.array is not None or not tensor.array.size
        value.name = graph.constant(tensor.array, name=name)
    graph.outputs = [value for _, value in recording.outputs]
    for call in recording.calls:
        for x in call.inputs:
            if isinstance(x, Value):
                graph.consumers.setdefault(id(x), []).append(call)
        graph.producers.update((id(result), call) for result in call.results)
    for call in recording.calls:
        _translate(graph, call)
    graph.call = None
    nodes = graph.nodes
    for wish, (_, value) in zip(output_names, recording.outputs):
        nodes.append(onnx.helper.make_node("Identity", [graph.name_of(value)], [wish]))
    nodes = _without_detours(_needed(nodes, output_names), output_names)
    used = {name for node in nodes for name in _names_used(node)}
    initializers = [onnx.numpy_helper.from_array(array, name) for name, array in graph.initializers.items()
                    if name in used]  # fmt: skip
    described_inputs = [_info(onnx, name, value) for name, value in zip(inputs.names, recording.values)]
    described_outputs = [_info(onnx, name, value) for name, (_, value) in zip(output_names, recording.outputs)]
    proto = onnx.helper.make_graph(nodes, type(model).__name__, described_inputs, described_outputs, initializers)
    return onnx.helper.make_model(proto, opset_imports=[onnx.helper.make_opsetid("", OPSET)], ir_version=8,
                                  producer_name="autograd_nn")


def _named_weights(model: Any, values: Sequence[Value]) -> Iterator[tuple[str, Any, Value]]:
    """Yield the names of parameters and buffers, themselves, and their values, which were noted in this order."""
    if isinstance(model, Module):
        named = [*model.named_parameters(), *model.named_buffers()]
        yield from ((name, tensor, value) for (name, tensor), value in zip(named, values))


def _translate(graph: Graph, call: Call) -> None:
    if call.results and all(result.name for result in call.results):
        return  # done along with another call
    if isinstance(call.primitive, Update) and not any(graph.consumers.get(id(r)) for r in call.results) and not any(
        r is output for r in call.results for output in graph.outputs
    ):
        return  # nobody reads what was written
    graph.call = call
    if any(getattr(getattr(value, "dtype", None), "kind", "f") == "c" for value in (*call.inputs, *call.results)):
        raise NotImplementedError(f"onnx.export(): {described(call)} is of complex numbers, which ONNX's operators do "
                                  "not take; compute with real and imaginary parts")
    translation = TABLE.get(call.primitive.name)
    if translation is None:
        raise NotImplementedError(f"onnx.export(): {described(call)} has no ONNX form here"
                                  f"{_advice(call.primitive.name)}")
    names = translation(graph, call, **call.settings)
    for result, name in zip(call.results, names if isinstance(names, tuple) else (names,)):
        result.name = name or ""


def _advice(name: str) -> str:
    if name in ("dropout", "move_statistics", "move_instance_statistics"):
        return "; call model.eval() or give training=False"
    return "; a gradient is exported by no operation" if name.endswith("_input") else ""


def _names_used(node: Any) -> Iterator[str]:
    """Yield the names that a node reads, in its subgraphs too."""
    yield from node.input
    for attribute in node.attribute:
        for inner in attribute.g.node:
            yield from _names_used(inner)


def _needed(nodes: Sequence[Any], outputs: Sequence[str]) -> list[Any]:
    """Return the nodes that lead to the outputs."""
    wanted, kept = set(outputs), []
    for node in reversed(nodes):
        if wanted.intersection(node.output):
            kept.append(node)
            wanted.update(_names_used(node))
    return kept[::-1]


def _without_detours(nodes: list[Any], outputs: Sequence[str]) -> list[Any]:
    """Return the nodes without `Identity` that can be left out: the node before it gets its name."""
    makers = {name: node for node in nodes for name in node.output}
    readers: dict[str, int] = {}
    for node in nodes:
        for name in _names_used(node):
            readers[name] = readers.get(name, 0) + 1
    kept = []
    for node in nodes:
        source = node.input[0] if node.op_type == "Identity" else ""
        if source in makers and readers[source] == 1:
            maker = makers[source]
            maker.output[list(maker.output).index(source)] = node.output[0]
            makers[node.output[0]] = maker
            continue
        kept.append(node)
    return kept


def _info(onnx: Any, name: str, value: Value) -> Any:
    dtype = onnx.helper.np_dtype_to_tensor_dtype(value.dtype)
    return onnx.helper.make_tensor_value_info(name, dtype, [str(n) if isinstance(n, Size) else n for n in value.shape])


def _write(onnx: Any, model: Any, file: Any) -> None:
    if hasattr(file, "write"):
        file.write(model.SerializeToString())
        return
    path = os.fspath(file)
    if model.ByteSize() < LARGEST:
        onnx.save_model(model, path)
        return
    onnx.save_model(model, path, save_as_external_data=True, location=os.path.basename(path) + ".data")
    onnx.checker.check_model(path)
