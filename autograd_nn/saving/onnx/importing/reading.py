"""Reading an ONNX file that nobody vouches for: sizes are checked before memory is taken, nothing outside is read."""

from __future__ import annotations

import io
import math
import os
import pathlib
from dataclasses import dataclass, field
from typing import Any, BinaryIO

import numpy as np

from ....typing import Array

__all__ = ["DTYPES", "Graph", "Node", "is_function", "read", "written_out"]

LARGEST = 2**31  # bytes in one protobuf message
DEEPEST = 16  # subgraphs inside each other
MOST_AXES = 64  # NumPy's limit
FIELDS = {1: "float_data", 10: "int32_data", 7: "int64_data", 11: "double_data", 6: "int32_data", 9: "int32_data",
          3: "int32_data", 2: "int32_data", 5: "int32_data", 4: "int32_data", 12: "uint64_data", 13: "uint64_data",
          16: "int32_data"}  # fmt: skip
DTYPES = {1: np.float32, 2: np.uint8, 3: np.int8, 4: np.uint16, 5: np.int16, 6: np.int32, 7: np.int64, 9: np.bool_,
          10: np.float16, 11: np.float64, 12: np.uint32, 13: np.uint64}  # fmt: skip
BFLOAT16 = 16


@dataclass
class Node:
    """One node.

    Attributes
    ----------
    operator, name : str
    inputs, outputs : list of str
        '' for those that are left out.
    attributes : dict
        Numbers, lists, strings, arrays, and `Graph` for subgraphs.
    opset : int
        The version of the operator set.
    """

    operator: str
    name: str
    inputs: list[str]
    outputs: list[str]
    attributes: dict[str, Any]
    opset: int
    expires: list[str] = field(default_factory=list)  # values that no later node needs
    message: bytes = b""  # as in the file, for an operator that is written out when its inputs are known

    def get(self, name: str, default: Any = None) -> Any:
        """Return an attribute."""
        return self.attributes.get(name, default)

    def __str__(self) -> str:
        return f"{self.operator} (node {self.name!r})" if self.name else self.operator


@dataclass
class Graph:
    """Nodes in the order in which they run, constants by name, and the names of inputs and outputs."""

    nodes: list[Node]
    constants: dict[str, Array]
    inputs: list[str]
    outputs: list[str]


def read(onnx: Any, file: str | os.PathLike[str] | BinaryIO, known: set[str]) -> Graph:
    """Return the graph of a file, with functions written out as the nodes that they stand for.

    Parameters
    ----------
    onnx : module
    file : path or binary file
    known : set of str
        Operators that are not to be written out.

    Raises
    ------
    ValueError
        The file is not as the format wants it, or reads from outside of its folder.
    """
    data, folder = _content(file)
    try:
        model = onnx.ModelProto.FromString(data)
    except Exception as error:  # protobuf's errors have no public class in common
        raise ValueError(f"onnx.load(): not an ONNX file ({error!s:.100})") from None
    versions = {"" if entry.domain == "ai.onnx" else entry.domain: entry.version for entry in model.opset_import}
    opset = versions.get("", 0)
    if not model.HasField("graph") or not 1 <= opset <= 1000:
        raise ValueError(f"onnx.load(): not an ONNX file (it has {'a' if model.HasField('graph') else 'no'} graph, of "
                         f"operators of version {opset})")
    reader = _Reader(onnx, folder, opset, known)
    reader.check(model.graph, 0)
    if model.functions:
        try:
            model = onnx.inliner.inline_local_functions(model)
        except Exception as error:
            raise ValueError(f"onnx.load(): its functions cannot be written out ({error!s:.200})") from None
        reader.check(model.graph, 0)
    return reader.graph(model.graph)


def _content(file: Any) -> tuple[bytes, pathlib.Path | None]:
    """Return the bytes of a file, and its folder."""
    if hasattr(file, "read"):
        data, folder = file.read(LARGEST + 1), None
    else:
        path = pathlib.Path(file)
        if path.stat().st_size > LARGEST:
            raise ValueError(f"onnx.load(): a file has at most {LARGEST:,} bytes ({path.name} has "
                             f"{path.stat().st_size:,})")
        data, folder = path.read_bytes(), path.resolve().parent
    if len(data) > LARGEST:
        raise ValueError(f"onnx.load(): a file has at most {LARGEST:,} bytes")
    return data, folder


def _schema(onnx: Any, operator: str, opset: int) -> Any:
    try:
        return onnx.defs.get_schema(operator, min(opset, onnx.defs.onnx_opset_version()), "")
    except onnx.defs.SchemaError:
        return None


def is_function(onnx: Any, operator: str, opset: int) -> bool:
    """Return whether the standard says what other nodes an operator stands for."""
    schema = _schema(onnx, operator, opset)
    return schema is not None and bool(schema.has_function or schema.has_context_dependent_function)


def written_out(
    onnx: Any, node: Node, types: list[tuple[np.dtype[Any], tuple[int, ...]] | None], known: set[str]
) -> Graph:
    """Return the nodes that a node stands for, given dtype and shape of each input."""
    schema = _schema(onnx, node.operator, node.opset)
    if schema.has_context_dependent_function:
        versions = schema.context_dependent_function_opset_versions
        messages = [onnx.TypeProto() if kind is None else
                    onnx.helper.make_tensor_type_proto(onnx.helper.np_dtype_to_tensor_dtype(kind[0]), kind[1])
                    for kind in types]
        body = schema.get_context_dependent_function_with_opset_version(
            max((v for v in versions if v <= node.opset), default=min(versions)), node.message,
            [message.SerializeToString() for message in messages])
    else:
        versions = schema.function_opset_versions
        body = schema.get_function_with_opset_version(max((v for v in versions if v <= node.opset),
                                                          default=min(versions)))
    function = onnx.FunctionProto.FromString(body) if isinstance(body, bytes) else body
    opset = next((entry.version for entry in function.opset_import if not entry.domain), node.opset)
    reader = _Reader(onnx, None, opset, known)
    defaults = {name: reader.attribute(attribute.default_value) for name, attribute in schema.attributes.items()
                if attribute.default_value.type}
    reader.outer = defaults | node.attributes
    nodes, outputs = [reader.node(inner) for inner in function.node], list(function.output)
    reader.note_ends(nodes, outputs)
    return Graph(nodes, {}, list(function.input), outputs)


class _Reader:
    """Turns protobuf messages into `Graph`, with all checks."""

    def __init__(self, onnx: Any, folder: pathlib.Path | None, opset: int, known: set[str]):
        self.onnx = onnx
        self.folder = folder
        self.opset = opset
        self.known = known
        self.outer: dict[str, Any] = {}  # the attributes of the node that a function is written out for

    def check(self, graph: Any, depth: int) -> None:
        """Raise for subgraphs that are nested too deeply, before anything recurses into them."""
        if depth > DEEPEST:
            raise ValueError(f"onnx.load(): subgraphs are nested more than {DEEPEST} deep")
        for node in graph.node:
            for attribute in node.attribute:
                for inner in (*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs):
                    self.check(inner, depth + 1)

    def graph(self, proto: Any) -> Graph:
        """Return a graph, checked: each value is given once, and before it is used."""
        if proto.sparse_initializer:
            raise ValueError("onnx.load(): sparse initializers are not read")
        constants: dict[str, Array] = {}
        for tensor in proto.initializer:
            if tensor.name in constants or not tensor.name:
                raise ValueError(f"onnx.load(): the name {tensor.name!r:.80} is given twice, or is empty")
            constants[tensor.name] = self.array(tensor)
        inputs = [value.name for value in proto.input if value.name not in constants]
        outputs = [value.name for value in proto.output]
        nodes = [self.node(node) for node in proto.node]
        self.note_ends(nodes, outputs)
        return Graph(nodes, constants, inputs, outputs)

    def note_ends(self, nodes: list[Node], outputs: list[str]) -> None:
        """Note after which node each value is needed no longer."""
        seen = set(outputs)
        for node in reversed(nodes):
            used = {*node.inputs, *_outer_names(node)}
            node.expires = [name for name in used if name and name not in seen]
            seen |= used

    def node(self, proto: Any) -> Node:
        """Return a node; operators of other domains have the domain before their name."""
        domain = proto.domain
        operator = proto.op_type if domain in ("", "ai.onnx") else f"{domain}.{proto.op_type}"
        attributes = {}
        for attribute in proto.attribute:
            if not attribute.ref_attr_name:
                attributes[attribute.name] = self.attribute(attribute)
            elif attribute.ref_attr_name in self.outer:
                attributes[attribute.name] = self.outer[attribute.ref_attr_name]
        message = b"" if operator in self.known else self._resolved(proto, attributes)
        return Node(operator, proto.name, list(proto.input), list(proto.output), attributes, self.opset, [], message)

    def _resolved(self, proto: Any, attributes: dict[str, Any]) -> bytes:
        """Return a node of a function as it is in this call, with the attributes that the call gives it."""
        copy = self.onnx.NodeProto()
        copy.CopyFrom(proto)
        given = [attribute for attribute in proto.attribute if not attribute.ref_attr_name]
        taken = [self.onnx.helper.make_attribute(attribute.name, attributes[attribute.name])
                 for attribute in proto.attribute if attribute.ref_attr_name and attribute.name in attributes]
        del copy.attribute[:]
        copy.attribute.extend([*given, *taken])
        return bytes(copy.SerializeToString())

    def attribute(self, proto: Any) -> Any:
        """Return the value of an attribute."""
        kinds = self.onnx.AttributeProto
        if proto.type == kinds.TENSOR:
            return self.array(proto.t)
        if proto.type == kinds.GRAPH:
            return self.graph(proto.g)
        if proto.type == kinds.STRING:
            return proto.s.decode("utf-8", "replace")
        if proto.type == kinds.STRINGS:
            return [s.decode("utf-8", "replace") for s in proto.strings]
        for kind, name in ((kinds.FLOAT, "f"), (kinds.INT, "i")):
            if proto.type == kind:
                return getattr(proto, name)
        for kind, name in ((kinds.FLOATS, "floats"), (kinds.INTS, "ints")):
            if proto.type == kind:
                return list(getattr(proto, name))
        raise ValueError(f"onnx.load(): attribute {proto.name!r:.80} is of a kind that is not read")

    def array(self, proto: Any) -> Array:
        """Return the array of a tensor, having checked its shape against the bytes that are there."""
        name = f"{proto.name!r:.80}"
        shape = tuple(proto.dims)
        if len(shape) > MOST_AXES or any(n < 0 for n in shape):
            raise ValueError(f"onnx.load(): tensor {name} has an impossible shape ({shape!s:.80})")
        if proto.data_type not in DTYPES and proto.data_type != BFLOAT16:
            raise ValueError(f"onnx.load(): tensor {name} has a dtype that is not read "
                             f"({self._type_name(proto.data_type)})")
        dtype = np.dtype(np.uint16 if proto.data_type == BFLOAT16 else DTYPES[proto.data_type])
        count = math.prod(shape)
        if proto.data_location == self.onnx.TensorProto.EXTERNAL:
            array = self.external(proto, name, dtype, count)
        elif proto.HasField("raw_data"):
            if len(proto.raw_data) != count * dtype.itemsize:
                raise ValueError(f"onnx.load(): tensor {name} of shape {shape!s:.80} needs {count * dtype.itemsize:,} "
                                 f"bytes, but has {len(proto.raw_data):,}")
            array = np.frombuffer(proto.raw_data, dtype.newbyteorder("<")).astype(dtype)
        else:
            numbers = getattr(proto, FIELDS[proto.data_type])
            if len(numbers) != count:
                raise ValueError(f"onnx.load(): tensor {name} of shape {shape!s:.80} needs {count:,} numbers, but has "
                                 f"{len(numbers):,}")
            as_written = np.array(numbers, {"int32_data": np.int64}.get(FIELDS[proto.data_type]))
            halves = proto.data_type == 10  # written as the integers of their bits
            array = as_written.astype(np.uint16).view(np.float16) if halves else as_written.astype(dtype)
        if proto.data_type == BFLOAT16:
            array = (array.astype(np.uint32) << 16).view(np.float32)
        return array.reshape(shape)

    def _type_name(self, number: int) -> str:
        try:
            return str(self.onnx.TensorProto.DataType.Name(number))
        except ValueError:
            return str(number)

    def external(self, proto: Any, name: str, dtype: np.dtype[Any], count: int) -> Array:
        """Return the numbers of a tensor that are in a file beside the model."""
        settings = {entry.key: entry.value for entry in proto.external_data}
        location = settings.get("location", "")
        if self.folder is None:
            raise ValueError(f"onnx.load(): tensor {name} is in another file; load from a path, not from an open file")
        pure = pathlib.PurePosixPath(location)
        windows = pathlib.PureWindowsPath(location)
        if not location or pure.is_absolute() or windows.drive or windows.root or ".." in windows.parts:
            raise ValueError(f"onnx.load(): tensor {name} is to be read from outside of the model's folder "
                             f"({location!r:.80})")
        path = (self.folder / pure).resolve()
        if not path.is_relative_to(self.folder):
            raise ValueError(f"onnx.load(): tensor {name} is to be read from outside of the model's folder: a link "
                             f"leads there ({location!r:.80})")
        if not path.is_file():
            raise ValueError(f"onnx.load(): tensor {name} is in a file that is not there ({location!r:.80})")
        try:
            offset = int(settings.get("offset", "0"))
            length = int(settings.get("length", str(count * dtype.itemsize)))
        except ValueError:
            raise ValueError(f"onnx.load(): tensor {name} has an offset or length that is no number") from None
        size = path.stat().st_size
        if offset < 0 or length != count * dtype.itemsize or offset + length > size:
            raise ValueError(f"onnx.load(): tensor {name} needs {count * dtype.itemsize:,} bytes from byte {offset:,} "
                             f"on, but {location!r:.80} has {size:,} (length={length:,})")
        with path.open("rb") as stream:
            stream.seek(offset, io.SEEK_SET)
            data = stream.read(length)
        return np.frombuffer(data, dtype.newbyteorder("<")).astype(dtype)


def _outer_names(node: Node) -> set[str]:
    """Return the names that the subgraphs of a node take from outside."""
    names: set[str] = set()
    for value in node.attributes.values():
        if isinstance(value, Graph):
            own = {*value.constants, *value.inputs, *(name for inner in value.nodes for name in inner.outputs)}
            used = {name for inner in value.nodes for name in (*inner.inputs, *_outer_names(inner))}
            names |= (used | set(value.outputs)) - own
    return names
