"""What a model computes, as straight-line calls of primitives, with the batch size left open.

A listener at the engine's door writes down a forward pass. The pass is made for three batch sizes; what differs between
the recordings depends on the batch size. An integer that does is a `Size`, ``factor * N + offset``, found from two of
the recordings and checked with the third.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from ....engine import Primitive, Update, Variable, listen, no_grad, results_of
from ....nn import Module
from ....typing import Array

__all__ = ["Call", "Constant", "Number", "Recording", "Size", "Value", "Varying", "described", "linear", "merged",
           "record"]  # fmt: skip


@dataclass(frozen=True)
class Size:
    """An integer that depends on the batch size N: ``factor * N + offset``."""

    factor: int
    offset: int = 0

    def __mul__(self, n: int) -> Size:
        return Size(self.factor * n, self.offset * n)

    __rmul__ = __mul__

    def __add__(self, n: int) -> Size:
        return Size(self.factor, self.offset + n)

    __radd__ = __add__

    def __str__(self) -> str:
        scaled = "batch" if self.factor == 1 else f"{self.factor}*batch"
        return scaled if not self.offset else f"{scaled}{self.offset:+d}"


Number: TypeAlias = int | Size


class Varying(NamedTuple):
    """A setting that differs between batch sizes and is no `Size`."""

    values: tuple[Any, ...]


@dataclass(eq=False)
class Value:
    """An array of the recording: an input, a result, or what came from outside.

    Attributes
    ----------
    shape : tuple of int or Size
    dtype : NumPy dtype
    array : ndarray or None
        Its content, if it came from outside.
    name : str
        In the file; empty until it has one.
    """

    shape: tuple[Number, ...]
    dtype: np.dtype[Any]
    array: Array | None = None
    name: str = ""
    spread: int | None = None  # the axis along which `array` (one slice of it) is repeated for each example
    counts: bool = False  # 0, 1, 2 ... up to the batch size
    aliases: dict[str, Any] = field(default_factory=dict)  # what a translation knows of it, for those that use it

    @property
    def ndim(self) -> int:
        return len(self.shape)


@dataclass(eq=False)
class Constant:
    """A number among the inputs of a call."""

    number: Any


@dataclass(eq=False)
class Call:
    """One application of a primitive.

    Attributes
    ----------
    primitive : Primitive
    layer : str
        The name of the module in which it was, and its class.
    inputs : list of Value, Constant or None
    settings : dict
        With `Size` for integers that depend on the batch size.
    results : list of Value
        For an update: the values that what it wrote into has afterwards.
    """

    primitive: Primitive[Any]
    layer: tuple[str, str]
    inputs: list[Any]
    settings: dict[str, Any]
    results: list[Value]


@dataclass(eq=False)
class Recording:
    """One forward pass, or several as one.

    Attributes
    ----------
    calls : list of Call
    values : list of Value
        All of them, in the order in which they appeared; the inputs come first.
    outputs : list of (name, Value)
    """

    calls: list[Call]
    values: list[Value]
    outputs: list[tuple[str, Value]]


class _Writer:
    """The listener that writes the calls down."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.values: list[Value] = []
        self.trail: list[tuple[str, str]] = [("", "")]
        self._places: dict[Any, Value | None] = {}
        self._owners: dict[int, list[Any]] = {}
        self._kept: list[Array] = []  # so that no address comes twice

    def new(self, array: Array, known: bool) -> Value:
        """Note an array under its place in memory; `known`: it needs no content of its own."""
        place, owner = _place(array)
        value = Value(tuple(array.shape), array.dtype, None if known else array.copy())
        self._places[place] = value
        self._owners.setdefault(owner, []).append(place)
        self._kept.append(array)
        self.values.append(value)
        return value

    def find(self, x: Any, primitive: Primitive[Any] | None) -> Any:
        """Return the Value of an array, a `Constant` for a number, None for None."""
        if x is None:
            return None
        array = x.array if isinstance(x, Variable) else x
        if isinstance(array, list | tuple | np.generic):
            array = np.asarray(array)
        if not isinstance(array, np.ndarray):
            return Constant(array)
        place, _ = _place(array)
        if place not in self._places:
            return self.new(array, known=False)
        value = self._places[place]
        if value is None:
            where = f" {primitive.name}() reads" if primitive else " the result is"
            raise NotImplementedError(f"onnx.export():{where} a view of a tensor that was changed in place, which has "
                                      "no ONNX form; compute a new tensor instead")
        return value

    def changed(self, array: Array) -> Value:
        """Note that an array has a new content; other views of its memory cannot be named any longer."""
        _, owner = _place(array)
        for place in self._owners.pop(owner, []):
            self._places[place] = None
        return self.new(array, known=True)

    def __call__(self, proceed: Callable[..., Any], primitive: Primitive[Any], inputs: Any, params: Any) -> Any:
        found = [self.find(x, primitive) for x in inputs]
        out = proceed(*inputs, **params)
        if isinstance(primitive, Update):
            written = [x.array if isinstance(x, Variable) else x for x in primitive.written(inputs)]
            results = [self.changed(array) for array in written if isinstance(array, np.ndarray)]
        else:
            results = [self.new(result.array, known=True) for result in results_of(out)]
        self.calls.append(Call(primitive, self.trail[-1], found, dict(params), results))
        return out


def _place(array: Array) -> tuple[Any, int]:
    """Return where an array is in memory, and which array owns that memory."""
    owner = array
    while isinstance(owner.base, np.ndarray):
        owner = owner.base
    return (array.__array_interface__["data"][0], array.shape, array.strides, array.dtype), id(owner)


def record(
    model: Callable[..., Any], inputs: Sequence[Array], call: Callable[[Sequence[Array]], Any],
    flatten: Callable[[Any], list[tuple[str, Any]]],
) -> Recording:  # fmt: skip
    """Write down one forward pass.

    Parameters
    ----------
    model : Module or callable
    inputs : list of ndarray
    call : callable
        Runs the model on these arrays and returns what it returns.
    flatten : callable
        From what the model returned to names and tensors.
    """
    writer = _Writer()
    for array in inputs:
        writer.new(array, known=True)
    if isinstance(model, Module):
        for tensor in (*model.parameters(), *model.buffers()):
            writer.new(tensor.array, known=False)
    handles = []
    if isinstance(model, Module):
        for name, module in model.named_modules():
            place = name, type(module).__name__
            handles.append(module.register_forward_pre_hook(lambda *_, place=place: writer.trail.append(place)))
            handles.append(module.register_forward_hook(lambda *_: writer.trail.pop() and None, always_call=True))
    try:
        with listen(writer), no_grad():
            outputs = [(name, writer.find(x, None)) for name, x in flatten(call(inputs))]
    finally:
        for handle in handles:
            handle.remove()
    return Recording(writer.calls, writer.values, outputs)


# ------------------------------------------------------------------------------------ several batch sizes as one


def merged(recordings: Sequence[Recording], batches: Sequence[int]) -> Recording:
    """Return the recordings of several batch sizes as one, with what depends on the batch size as `Size`.

    Raises
    ------
    NotImplementedError
        The recordings differ in another way than a formula of the batch size can say.
    """
    first = recordings[0]
    names = [[call.primitive for call in recording.calls] for recording in recordings]
    same = {(tuple(len(call.inputs) for call in r.calls), len(r.values), len(r.outputs)) for r in recordings}
    if any(other != names[0] for other in names) or len(same) > 1:
        step = next((i for i, calls in enumerate(zip(*names)) if len(set(calls)) > 1), min(map(len, names)) - 1)
        place = first.calls[min(step, len(first.calls) - 1)] if first.calls else None
        raise NotImplementedError(f"onnx.export(): the model computes other operations for other batch sizes"
                                  f"{'' if place is None else f', from {described(place)} on'}; give batch_dims=None "
                                  "for a fixed batch size")
    places = [{id(value): i for i, value in enumerate(recording.values)} for recording in recordings]
    values = [_merged_value(versions, batches) for versions in zip(*(r.values for r in recordings))]

    def of(versions: Sequence[Any], call: Call | None) -> Any:
        if not isinstance(versions[0], Value):
            numbers = tuple(x.number if isinstance(x, Constant) else x for x in versions)
            return versions[0] if versions[0] is None else Constant(_merged_setting(numbers, batches))
        indices = {place.get(id(value), -1) for place, value in zip(places, versions)}
        if len(indices) > 1:
            where = "the result" if call is None else described(call)
            raise NotImplementedError(f"onnx.export(): {where} takes other inputs for other batch sizes; give "
                                      "batch_dims=None for a fixed batch size")
        return values[indices.pop()]

    calls = []
    for versions in zip(*(r.calls for r in recordings)):
        one = versions[0]
        inputs = [of(xs, one) for xs in zip(*(call.inputs for call in versions))]
        settings = {key: _merged_setting(tuple(call.settings[key] for call in versions), batches)
                    for key in one.settings}
        results = [of(xs, one) for xs in zip(*(call.results for call in versions))]
        calls.append(Call(one.primitive, one.layer, inputs, settings, results))
    outputs = [(xs[0][0], of([x for _, x in xs], None)) for xs in zip(*(r.outputs for r in recordings))]
    return Recording(calls, values, outputs)


def _merged_setting(versions: tuple[Any, ...], batches: Sequence[int]) -> Any:
    one = versions[0]
    if isinstance(one, tuple) and all(isinstance(other, tuple) and len(other) == len(one) for other in versions):
        parts = [_merged_setting(part, batches) for part in zip(*versions)]
        return type(one)(*parts) if hasattr(one, "_fields") else tuple(parts)
    if all(type(other) is type(one) and (other is one or other == one) for other in versions):
        return one
    if all(type(other) is int for other in versions):
        if (size := linear(versions, batches)) is not None:
            return size
    elif all(isinstance(other, float) and other != other for other in versions):
        return one
    return Varying(versions)


def linear(versions: Sequence[float], batches: Sequence[int]) -> Size | None:
    """Return numbers as a formula of the batch size with whole coefficients, None if there is none."""
    whole = [round(value) if math.isfinite(value) else None for value in versions]
    if any(n is None or not math.isclose(n, value, rel_tol=1e-9) for n, value in zip(whole, versions)):
        return None
    factor, rest = divmod(whole[-1] - whole[0], batches[-1] - batches[0])  # type: ignore[operator]
    offset = whole[0] - factor * batches[0]  # type: ignore[operator]
    fits = not rest and all(factor * n + offset == value for n, value in zip(batches, whole))
    return Size(factor, offset) if fits else None


def _merged_value(versions: Sequence[Value], batches: Sequence[int]) -> Value:
    one = versions[0]
    shape = _merged_setting(tuple(value.shape for value in versions), batches)
    if isinstance(shape, Varying) or any(isinstance(n, Varying) for n in shape):
        raise NotImplementedError("onnx.export(): a tensor's shape is no simple function of the batch size (shapes "
                                  f"{', '.join(str(v.shape) for v in versions)} for {', '.join(map(str, batches))} "
                                  "examples); give batch_dims=None for a fixed batch size")
    value = Value(shape, one.dtype, one.array)
    arrays = [v.array for v in versions if v.array is not None]
    if one.array is None or len(arrays) < len(versions):
        return value
    if all(a.shape == one.array.shape and a.tobytes() == one.array.tobytes() for a in arrays):
        return value
    value.array = None
    axes = [i for i, n in enumerate(shape) if isinstance(n, Size)]
    if len(axes) == 1:
        slices = [np.take(a, [0], axes[0]) for a in arrays]
        if all(s.tobytes() == slices[0].tobytes() and np.array_equal(a, np.broadcast_to(s, a.shape))
               for a, s in zip(arrays, slices)):
            value.array, value.spread = slices[0], axes[0]
            return value
        if len(shape) == 1 and all(np.array_equal(a, np.arange(len(a))) for a in arrays):
            value.counts = True
            return value
    value.aliases["strange"] = True  # an error only if something needs it
    return value


def described(call: Call) -> str:
    """Return the operation of a call and its layer, for messages."""
    name, kind = call.layer
    where = f" in layer {name!r} ({kind})" if name else f" in {kind}" if kind else ""
    return f"{call.primitive.name}(){where}"
