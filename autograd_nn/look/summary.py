"""What a model consists of and costs: layers, output shapes, parameters, bytes, multiply-adds."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..engine import DEFAULT_DTYPE, Primitive
from ..nn import Embedding, Module, Parameter
from ..tensor import Tensor, as_tensor
from ..tensor.printing import format_bytes, html_table
from .module_trace import ModuleCall, preserved, watch_modules

__all__ = ["LayerSummary", "Summary", "multiply_adds", "summary"]

Shape = tuple[int, ...]
Trail = tuple[ModuleCall, ...]

# by the name of the primitive: from the shapes of inputs and result to the number of products that are summed
_MULTIPLY_ADDS: dict[str, Callable[[Sequence[Shape], Shape], int]] = {
    "matmul": lambda inputs, out: math.prod(out) * inputs[0][-1],
    "linear": lambda inputs, out: math.prod(out) * inputs[0][-1],
    "linear_relu": lambda inputs, out: math.prod(out) * inputs[0][-1],
    "conv2d": lambda inputs, out: math.prod(out) * math.prod(inputs[1][1:]),
    "conv2d_relu": lambda inputs, out: math.prod(out) * math.prod(inputs[1][1:]),
    "conv2d_input": lambda inputs, out: math.prod(inputs[0]) * math.prod(inputs[1][1:]),
    "conv2d_weight": lambda inputs, out: math.prod(inputs[0]) * math.prod(out[1:]),
    "matmul_transposed": lambda inputs, out: math.prod(out) * inputs[0][0],
    "rnn": lambda inputs, out: math.prod(inputs[0][:2]) * math.prod(inputs[1]),
    "lstm": lambda inputs, out: math.prod(inputs[0][:2]) * math.prod(inputs[1]),
    "gru": lambda inputs, out: math.prod(inputs[0][:2]) * math.prod(inputs[1]),
    "rnn_input": lambda inputs, out: math.prod(inputs[0][:2]) * math.prod(inputs[2]),
    "lstm_input": lambda inputs, out: math.prod(inputs[0][:2]) * math.prod(inputs[2]),
    "gru_input": lambda inputs, out: math.prod(inputs[0][:2]) * math.prod(inputs[3]),
}


def multiply_adds(primitive: Primitive[Any], inputs: Sequence[Any], out: Tensor) -> int:
    """Return how many products one operation multiplies and adds up.

    Counted are matrix products, convolutions (transposed ones too) and the recurrent part of recurrent layers, all by
    their definition: what a faster algorithm saves is not taken off, taps on padding are not either. All else counts 0.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn.summary import multiply_adds
    >>> a, b = ag.ones(2, 3, requires_grad=True), ag.ones(3, 4)
    >>> y = a @ b
    >>> multiply_adds(y.grad_fn.primitive, (a, b), y)
    24
    """
    rule = _MULTIPLY_ADDS.get(primitive.name)
    return rule([tuple(getattr(x, "shape", ())) for x in inputs], out.shape) if rule else 0


@dataclass
class LayerSummary:
    """One module of a model.

    Attributes
    ----------
    name, kind : str
        Its name in the model ('' is the model itself) and its class.
    depth : int
        How many modules are around it.
    outputs : list of tuple of int
        The shapes of what its last call returned; empty where it was not called.
    calls : int
        How often it was called.
    used : bool
        Whether it or a module in it was called.
    parameters, trainable, nbytes : int
        Of its own parameters, not of those of the modules in it; one that an earlier module has too is not counted
        again.
    shared : bool
        Whether there is such a parameter.
    multiply_adds : int
        Of the operations in it that are in no module inside it, over all its calls.

    Examples
    --------
    >>> from autograd_nn import nn
    >>> from autograd_nn.summary import summary
    >>> table = summary(nn.Linear(3, 2), (1, 3))
    >>> layer = table.layers[-1]
    >>> layer.kind, layer.parameters, layer.multiply_adds
    ('Linear', 8, 6)
    """

    name: str
    kind: str
    depth: int
    outputs: list[Shape] = field(default_factory=list)
    calls: int = 0
    used: bool = False
    parameters: int = 0
    trainable: int = 0
    nbytes: int = 0
    shared: bool = False
    multiply_adds: int = 0

    def cells(self) -> list[str]:
        """Return what the table shows of it."""
        own = self.name.rpartition(".")[2]
        label = "  " * self.depth + (f"{own}: {self.kind}" if own else self.kind)
        shapes = " ".join(str(shape) for shape in self.outputs) if self.used else "not called"
        shapes += f" ({self.calls} calls)" if self.calls > 1 else ""
        parameters = f"{self.parameters:,}" if self.parameters else "shared" if self.shared else ""
        size = format_bytes(self.nbytes) if self.nbytes else ""
        products = f"{self.multiply_adds:,}" if self.multiply_adds else ""
        return [label, shapes, parameters, size, products]


@dataclass
class Summary:
    """The table that `summary` returns, as text and in notebooks.

    Attributes
    ----------
    layers : list of LayerSummary
        The model and all modules in it, parents first.
    inputs : list of tuple of int
        The shapes of the inputs.
    parameters, trainable, nbytes, multiply_adds : int
        Sums over the layers.
    buffer_nbytes : int
        Of the buffers (running means and the like).
    activation_nbytes : int
        Of the results of all operations of the forward pass, as a training step keeps them at most; results that are
        views are not counted.

    Examples
    --------
    >>> from autograd_nn import nn
    >>> from autograd_nn.summary import summary
    >>> table = summary(nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2)), (1, 3))
    >>> table.parameters, table.multiply_adds
    (26, 20)
    """

    layers: list[LayerSummary]
    inputs: list[Shape]
    buffer_nbytes: int
    activation_nbytes: int

    @property
    def parameters(self) -> int:
        return sum(layer.parameters for layer in self.layers)

    @property
    def trainable(self) -> int:
        return sum(layer.trainable for layer in self.layers)

    @property
    def nbytes(self) -> int:
        return sum(layer.nbytes for layer in self.layers)

    @property
    def multiply_adds(self) -> int:
        return sum(layer.multiply_adds for layer in self.layers)

    _HEAD = ("layer", "output", "parameters", "size", "multiply-adds")

    def _total(self) -> list[str]:
        return ["total", "", f"{self.parameters:,}", format_bytes(self.nbytes), f"{self.multiply_adds:,}"]

    def _notes(self) -> str:
        shapes = " ".join(str(shape) for shape in self.inputs)
        fixed = self.parameters - self.trainable
        parts = [f"input {shapes}", f"activations {format_bytes(self.activation_nbytes)}"]
        if self.buffer_nbytes:
            parts.append(f"buffers {format_bytes(self.buffer_nbytes)}")
        if fixed:
            parts.append(f"{fixed:,} parameters are not trained")
        return "; ".join(parts)

    def __str__(self) -> str:
        rows = [layer.cells() for layer in self.layers]
        table = [list(self._HEAD), *rows, self._total()]
        widths = [max(len(row[i]) for row in table) for i in range(len(self._HEAD))]

        def line(row: list[str]) -> str:
            left = [cell.ljust(width) for cell, width in zip(row[:2], widths)]
            return "  ".join([*left, *(cell.rjust(width) for cell, width in zip(row[2:], widths[2:]))]).rstrip()

        rule = "-" * (sum(widths) + 2 * (len(widths) - 1))
        return "\n".join([line(table[0]), rule, *map(line, rows), rule, line(table[-1]), self._notes()])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        rows = [[cells[0].replace("  ", "\u2003"), *cells[1:]] for cells in (layer.cells() for layer in self.layers)]
        table = html_table([*rows, self._total()], list(self._HEAD), left=2, foot=1)
        return f"<div>{table}<small>{self._notes()}</small></div>"


def summary(model: Module, inputs: Any, dtype: Any = None) -> Summary:
    """Run a model once and tell what it consists of and costs.

    Parameters
    ----------
    model : Module
        Run in evaluation mode without recording. Its training flags, hooks and buffers and the state of the random
        generator are afterwards what they were.
    inputs : shape, Tensor, array, sequence of these, or dict
        The shape of the input with the batch dim, such as ``(1, 1, 28, 28)``, or the input itself; several for a
        model that is called with several; a dict for one that is called by keyword. Shapes stand for zeros.
    dtype : NumPy dtype, optional
        Of the zeros. By default float32, and int64 if the model does not take that and has an `Embedding`.

    Returns
    -------
    Summary
        Shown as a table by ``print`` and in notebooks.

    Raises
    ------
    TypeError
        `inputs` is none of these.

    Examples
    --------
    >>> from autograd_nn import nn
    >>> print(summary(nn.Sequential(nn.Linear(784, 10), nn.ReLU()), (32, 784)))
    layer        output    parameters      size  multiply-adds
    ----------------------------------------------------------
    Sequential   (32, 10)
      0: Linear  (32, 10)       7,850  30.7 KiB        250,880
      1: ReLU    (32, 10)
    ----------------------------------------------------------
    total                       7,850  30.7 KiB        250,880
    input (32, 784); activations 2.5 KiB
    """
    if dtype is None:
        try:
            return summary(model, inputs, DEFAULT_DTYPE)
        except (RuntimeError, IndexError, TypeError):
            if not any(isinstance(module, Embedding) for module in model.modules()):
                raise
            return summary(model, inputs, np.int64)
    keywords = inputs if isinstance(inputs, Mapping) else {}
    named = {key: _arguments(value, dtype) for key, value in keywords.items()}
    if wrong := [key for key, values in named.items() if len(values) != 1]:
        raise TypeError(f"summary(): each value of a dict must be one shape, Tensor or array (key {wrong[0]!r})")
    arguments = [] if keywords else _arguments(inputs, dtype)
    layers = _layers(model)
    by_name = {layer.name: layer for layer in layers}
    activations = 0

    def on_operation(trail: Trail, primitive: Primitive[Any], operands: tuple[Any, ...], out: Tensor) -> None:
        nonlocal activations
        activations += out.array.nbytes if out.array.base is None else 0
        by_name[trail[-1].name if trail else ""].multiply_adds += multiply_adds(primitive, operands, out)

    def on_module(trail: Trail, module: Module, args: tuple[Any, ...], output: Any) -> None:
        layer = by_name[trail[-1].name]
        layer.calls += 1
        parts = layer.name.split(".")
        for name in ("", *(".".join(parts[: i + 1]) for i in range(len(parts)))):
            by_name[name].used = True
        layer.outputs = [out.shape for out in _tensors(output)]

    with preserved(model), watch_modules(model, on_operation, on_module), np.errstate(all="ignore"):
        model(*arguments, **{key: values[0] for key, values in named.items()})
    buffers = sum(buffer.nbytes for buffer in model.buffers())
    given = [*arguments, *(values[0] for values in named.values())]
    return Summary(layers, [x.shape for x in given], buffers, activations)


def _arguments(inputs: Any, dtype: Any) -> list[Tensor]:
    """Return the tensors to call a model with."""
    if isinstance(inputs, Tensor | np.ndarray):
        return [as_tensor(inputs)]
    if isinstance(inputs, tuple | list) and inputs:
        if all(isinstance(n, int | np.integer) for n in inputs):
            return [Tensor(np.zeros(tuple(inputs), dtype))]
        if not any(isinstance(x, int | np.integer) for x in inputs):
            return [argument for x in inputs for argument in _arguments(x, dtype)]
    raise TypeError("summary(): inputs must be a shape such as (1, 1, 28, 28), a Tensor or array, or a sequence of "
                    f"these (inputs={inputs!r})")


def _layers(model: Module) -> list[LayerSummary]:
    layers = []
    depths: dict[str, int] = {}
    seen: set[int] = set()
    for name, module in model.named_modules():
        depths[name] = depths[name.rpartition(".")[0]] + 1 if name else 0
        layer = LayerSummary(name, module._get_name(), depths[name])
        for parameter in (value for value in vars(module).values() if isinstance(value, Parameter)):
            if id(parameter) in seen:
                layer.shared = True
                continue
            seen.add(id(parameter))
            layer.parameters += parameter.numel()
            layer.trainable += parameter.numel() if parameter.requires_grad else 0
            layer.nbytes += parameter.nbytes
        layers.append(layer)
    return layers


def _tensors(output: Any) -> list[Tensor]:
    """Return the tensors in what a module returned."""
    if isinstance(output, Tensor):
        return [output]
    values = output.values() if isinstance(output, dict) else output if isinstance(output, tuple | list) else ()
    return [tensor for value in values for tensor in _tensors(value)]
