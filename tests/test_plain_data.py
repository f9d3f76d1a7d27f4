"""The graph is plain data: every array that enters a call has a source, and every write passes the door."""

import numpy as np
import pytest

import autograd_nn as ag
from autograd_nn import Tensor, enable_grad, grad
from autograd_nn.engine import Variable, listen, results_of

from .ops.cases import table
from .ops.test_gradients import arguments


class Sources:
    """A listener that knows where arrays come from: what it was given, and what calls returned.

    Attributes
    ----------
    nowhere : list of str
        Calls with an input that has no source.
    """

    def __init__(self, *known):
        self.known = {}
        self.nowhere = []
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
        while isinstance(array.base, np.ndarray):
            array = array.base
        return id(array) in self.known

    def __call__(self, proceed, primitive, inputs, params):
        for i, x in enumerate(inputs):
            if not self.has(x):
                self.nowhere.append(f"{primitive.name} (input {i})")
        for name, value in params.items():
            if isinstance(value, np.ndarray | Variable):
                self.nowhere.append(f"{primitive.name} (setting {name})")
        out = proceed(*inputs, **params)
        for result in results_of(out):
            self.add(result)
        return out


@pytest.mark.parametrize("row", table, ids=lambda row: row.name)
def test_arrays_of_operations_have_a_source(row):
    inputs = arguments(row)
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
    assert not sources.nowhere
