"""The graph is plain data: every array that enters a call has a source, and every write passes the door."""

import numpy as np
import pytest

import autograd_nn as ag
from autograd_nn import Tensor, enable_grad, grad
from autograd_nn.engine import Update, Variable, listen, results_of

from .nn.cases import LAYERS
from .ops.cases import table
from .ops.test_gradients import arguments


class Sources:
    """A listener that knows where arrays come from: what it was given, and what calls returned.

    Attributes
    ----------
    nowhere : list of (str, ndarray)
        Inputs of calls that have no source, with their values.
    settings : list of str
        Calls with an array among their settings.
    """

    def __init__(self, *known):
        self.known = {}
        self.nowhere = []
        self.settings = []
        for x in known:
            self.add(x)

    def add(self, x):
        array = x.array if isinstance(x, Variable) else x
        if isinstance(array, np.ndarray):
            owner = array
            while isinstance(owner.base, np.ndarray):
                owner = owner.base
            self.known[id(owner)] = owner

    def has(self, x):
        array = x.array if isinstance(x, Variable) else x
        if not isinstance(array, np.ndarray):
            return True  # a number, None, a generator
        owner = array
        while isinstance(owner.base, np.ndarray):
            owner = owner.base
        return id(owner) in self.known or any(
            a.dtype != array.dtype and a.shape == array.shape and np.array_equal(a, array) for a in self.known.values()
        )  # the door promotes types

    def effect(self, method, arguments, keywords):
        drawn = method(*arguments, **keywords)  # a draw of random numbers is a source
        self.add(drawn)
        return drawn

    def __call__(self, proceed, primitive, inputs, params):
        for i, x in enumerate(inputs):
            if not self.has(x):
                array = x.array if isinstance(x, Variable) else x
                self.nowhere.append((f"{primitive.name} (input {i})", array.copy()))
        for name, value in params.items():
            if isinstance(value, np.ndarray | Variable):
                self.settings.append(f"{primitive.name} (setting {name})")
        out = proceed(*inputs, **params)
        for result in results_of(out):
            self.add(result)
        return out


def sources_of(row, seed, change):
    """Run a row and its gradients; return the listener."""
    ag.manual_seed(seed)
    inputs = arguments(row, change)
    sources = Sources(*inputs)
    with listen(sources), enable_grad():
        out = row.function(*inputs)
        outputs = [x for x in (out if isinstance(out, tuple) else (out,)) if x.requires_grad]
        weights = [ag.ones_like(x) for x in outputs]
        for x in weights:
            sources.add(x)
        leaves = [x for x in inputs if isinstance(x, Tensor) and x.requires_grad]
        if outputs:
            grad(outputs, leaves, weights, create_graph=True, allow_unused=True)
    return sources


@pytest.mark.parametrize("row", table, ids=lambda row: row.name)
def test_arrays_of_operations_have_a_source(row):
    sources = sources_of(row, 0, lambda array: array)
    assert not sources.settings
    if sources.nowhere:  # a constant is its own source: it is the same, whatever the inputs and the seed
        other = sources_of(row, 1, lambda array: np.roll(array.ravel(), 1).reshape(array.shape))
        assert len(sources.nowhere) == len(other.nowhere)
        for (name, array), (again, same) in zip(sources.nowhere, other.nowhere):
            assert name == again and np.array_equal(array, same), name


# ------------------------------------------------------------------------------------ a training step as a program


class Program:
    """A listener that writes down a step as straight-line calls, prints them, and runs them again on bare arrays.

    Attributes
    ----------
    calls : list of (primitive, names of inputs, settings, names of results)
    arrays : dict
        The values of the names that come from outside, as they were before the step.
    """

    def __init__(self):
        self.calls, self.arrays, self.names, self.kept = [], {}, {}, []

    def name(self, x):
        if not isinstance(x, Variable | np.ndarray):
            return x  # a number, None or a generator stands for itself
        array = x.array if isinstance(x, Variable) else x
        place = array.__array_interface__["data"][0], array.shape, array.strides, array.dtype
        if place not in self.names:
            self.names[place] = f"v{len(self.names)}"
            self.arrays[self.names[place]] = array.copy()
        self.kept.append(array)  # so that no address comes twice
        return self.names[place]

    def __call__(self, proceed, primitive, inputs, params):
        names = [self.name(x) for x in inputs]
        out = proceed(*inputs, **params)
        results = []
        for result in results_of(out):
            known = set(self.names.values())
            results.append(self.name(result))
            if results[-1] not in known:
                del self.arrays[results[-1]]
        self.calls.append((primitive, names, params, results))
        return out

    def text(self):
        lines = []
        for primitive, names, params, results in self.calls:
            given = [*map(str, names), *(f"{key}={value}" for key, value in params.items())]
            lines.append(f"{', '.join(results)} = {primitive.name}({', '.join(given)})")
        return "\n".join(lines)

    def run(self):
        """Run the calls on copies of what came from outside; return all values by name."""
        values = {name: array.copy() for name, array in self.arrays.items()}
        for primitive, names, params, results in self.calls:
            arrays = [values[x] if isinstance(x, str) else x for x in names]
            out = primitive.forward(*arrays, **params)
            if isinstance(primitive, Update):
                continue  # it wrote into its inputs
            for name, array in zip(results, out if isinstance(out, tuple) else (out,)):
                values[name] = np.asarray(array)
        return values


def convnet():
    return ag.nn.Sequential(
        ag.nn.Conv2d(1, 4, 3), ag.nn.ReLU(), ag.nn.MaxPool2d(2), ag.nn.Flatten(), ag.nn.Linear(4 * 25, 10)
    )


def test_a_training_step_is_a_straight_line_program():
    ag.manual_seed(0)
    model = convnet()
    optimizer = ag.optim.Adam(model.parameters(), lr=0.01)
    images, labels = ag.randn(8, 1, 12, 12), ag.tensor(np.arange(8) % 10)

    def step():
        optimizer.zero_grad()
        loss = ag.nn.functional.cross_entropy(model(images), labels)
        loss.backward()
        optimizer.step()
        return loss

    step()  # the moments are there now
    program = Program()
    with listen(program):
        loss = step()
    lines = program.text()
    assert len(lines.splitlines()) == len(program.calls) < 60
    for name in ("conv2d", "max_pool2d", "cross_entropy_rows", "adam"):
        assert name in lines
    values = program.run()
    assert values[program.name(loss)].tobytes() == loss.array.tobytes()
    for p in model.parameters():
        assert values[program.name(p)].tobytes() == p.array.tobytes()
        for moment in optimizer.state[p].values():
            if isinstance(moment, Tensor):
                assert values[program.name(moment)].tobytes() == moment.array.tobytes()


# ------------------------------------------------------------------------------------ layers and losses


def pass_through(row, seed, change):
    """Run a layer of the table in training mode, forward and backward; return the listener.

    Every buffer that the pass changed must have been written by an update.
    """
    name, args, settings, inputs = row
    ag.manual_seed(3)
    layer = getattr(ag.nn, name)(*args, **settings)
    ag.manual_seed(seed)
    arrays = [change(x) if x.dtype.kind == "f" else x for x in map(np.asarray, inputs)]
    given = [ag.tensor(x, dtype="float32", requires_grad=True) if x.dtype.kind == "f" else ag.tensor(x) for x in arrays]
    buffers = dict(layer.named_buffers())
    before = {key: x.array.copy() for key, x in buffers.items()}
    sources, written = Sources(*given, *layer.parameters(), *buffers.values()), []

    def listener(proceed, primitive, inputs, params):
        if isinstance(primitive, Update):
            written.extend(x.array for x in primitive.written(inputs) if isinstance(x, Variable))
        return sources(proceed, primitive, inputs, params)

    with listen(listener):
        out = layer(*[x * 1.0 if x.requires_grad else x for x in given])  # a leaf cannot be changed in place
        outputs = [x for x in (out if isinstance(out, tuple) else (out,)) if isinstance(x, Tensor) and x.requires_grad]
        weights = [ag.ones_like(x) for x in outputs]
        for x in weights:
            sources.add(x)
        if outputs:
            ag.autograd.backward(outputs, weights)
    for key, x in buffers.items():
        changed = not np.array_equal(x.array, before[key], equal_nan=True)
        assert not changed or any(x.array is array for array in written), f"{name}: {key} was written past the door"
    return sources


@pytest.mark.parametrize("row", LAYERS, ids=[f"{i}-{row[0]}" for i, row in enumerate(LAYERS)])
def test_arrays_of_layers_and_losses_have_a_source(row):
    sources = pass_through(row, 0, lambda array: array)
    assert not sources.settings
    if sources.nowhere:
        other = pass_through(row, 1, lambda array: np.roll(array.ravel(), 1).reshape(array.shape))
        assert len(sources.nowhere) == len(other.nowhere)
        for (name, array), (again, same) in zip(sources.nowhere, other.nowhere):
            assert name == again and np.array_equal(array, same), name
