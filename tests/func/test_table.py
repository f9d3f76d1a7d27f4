"""`vmap` over every row of the table of operations: what it returns, and its gradients, are those of a loop."""

import importlib
import pkgutil
import zlib

import numpy as np
import pytest

import autograd_nn as ag
from autograd_nn import func, grad, manual_seed, ops, stack
from autograd_nn.engine import Primitive, Update, wrap
from autograd_nn.func import vmap
from autograd_nn.func.rules import RULES
from autograd_nn.ops import random

from ..ops.cases import table

pytestmark = [pytest.mark.filterwarnings("ignore:.*encountered.*:RuntimeWarning"),
              pytest.mark.filterwarnings("ignore:vmap. .* has no batching rule:UserWarning")]
# What runs sample by sample: where each sample has weights or bags of its own, or sums are joined over machines.
LOOPS = {"bags._bag_products", "bags._bags", "bags._sizes", "bags._places_of_largest", "ctc._rows",
         "joined_norm._joined_norm", "joined_norm._joined_norm_input"}  # fmt: skip
SIZE = 2


def samples_of(row, which):
    """Return the inputs of a row, those in `which` as samples: the row's own values in different orders and sizes."""
    inputs = []
    for i, array in enumerate(row.inputs):
        if i not in which or array.dtype.kind != "f":
            inputs.append(wrap(array))
            continue
        stacked = np.stack([array, np.flip(array)])
        x = wrap(stacked)
        x.requires_grad = True
        inputs.append(x)
    return inputs


def listed(out):
    return list(out) if isinstance(out, tuple | list) else [out]


def looped(function, inputs, dims):
    results = [listed(function(*(x if dim is None else x[i] for x, dim in zip(inputs, dims)))) for i in range(SIZE)]
    return [stack(column) for column in zip(*results)]


def weights(outputs):
    return [np.asarray(np.cos(np.arange(out.numel())).reshape(out.shape), out.dtype) for out in outputs]


def close(found, expected):
    assert (found is None) == (expected is None)
    if found is not None:
        assert found.shape == expected.shape and found.dtype == expected.dtype
        np.testing.assert_allclose(found.detach().numpy(), expected.detach().numpy(), rtol=1e-9, atol=1e-9)


def derivatives(function, inputs, weight, order):
    """Return the outputs of a function of tensors, and the gradients up to an order of a weighting of them."""
    outputs = listed(function(*inputs))
    found = [outputs]
    leaves = [x for x in inputs if x.requires_grad]
    recorded = [out for out in outputs if out.requires_grad]
    for _ in range(order):
        gradients = [ag.zeros_like(x) for x in leaves]
        if recorded:
            parts = grad(recorded, leaves, weight(recorded), create_graph=True, allow_unused=True)
            gradients = [zero if g is None else g for zero, g in zip(gradients, parts)]
        found.append(gradients)
        recorded = [g for g in gradients if g.requires_grad]
    return found


def inner(function, order, places):
    """Return the function whose results are all derivatives of `function` in some of its inputs, of one sample."""

    def one(*inputs):
        def of_places(*leaves):
            given = list(inputs)
            for i, x in zip(places, leaves):
                given[i] = x
            outputs = listed(function(*given))
            return [x for x in outputs if x.dtype.kind == "f"]

        def products(function):
            def of_leaves(*leaves):
                out, vjp_fn = func.vjp(function, *leaves)
                return list(vjp_fn([wrap(w) for w in weights(out)]))

            return of_leaves

        results = []
        for _ in range(order + 1):
            results += of_places(*(inputs[i] for i in places))
            of_places = products(of_places)
        return tuple(results)

    return one


def compared(found, expected):
    assert len(found) == len(expected)
    for x, y in zip(found, expected):
        close(x, y)


rows = pytest.mark.parametrize("row", table, ids=[row.name for row in table])


def floats_of(row):
    places = [i for i, x in enumerate(row.inputs) if x.dtype.kind == "f"]
    if not places:
        pytest.skip("no floating-point input to map over")
    return places


def orders(row, highest):
    return min(highest, 2 if row.second_order else 1)


def check_through(row, order):
    floats = floats_of(row)
    inputs = samples_of(row, floats)
    dims = tuple(0 if i in floats else None for i in range(len(inputs)))
    manual_seed(7)
    found = derivatives(vmap(row.function, in_dims=dims, randomness="same"), inputs, weights, order)
    manual_seed(7)
    expected = derivatives(lambda *inputs: looped(row.function, inputs, dims), inputs, weights, order)
    for each, other in zip(found, expected):
        compared(each, other)


def check_inside(row, order, which):
    floats = floats_of(row)
    inputs = [x.detach() for x in samples_of(row, floats)]
    function = inner(row.function, order, floats)
    dims = tuple(0 if i in which else None for i in range(len(inputs)))
    given = [x if i in which or i not in floats else x[0] for i, x in enumerate(inputs)]
    mapped = vmap(function, in_dims=dims, randomness="same")
    manual_seed(7)
    try:
        found = listed(mapped(*given))
    except RuntimeError as error:
        assert "samples cannot be written into a tensor that is one for all" in str(error) and which != floats
        return
    manual_seed(7)
    compared(found, looped(function, given, dims))


@rows
def test_gradients_through_vmap_are_those_of_a_loop(row):
    check_through(row, 1)


@rows
def test_gradients_inside_vmap_are_those_of_a_loop(row):
    floats = floats_of(row)
    check_inside(row, orders(row, 2) if len(floats) == 1 else 1, floats)


SEVERAL = [row for row in table if sum(x.dtype.kind == "f" for x in row.inputs) > 1]


@pytest.mark.parametrize("row", SEVERAL, ids=[row.name for row in SEVERAL])
def test_gradients_of_one_input_that_is_mapped_over(row):
    floats = floats_of(row)
    check_inside(row, 1, floats[zlib.crc32(row.name.encode()) % len(floats):][:1])


@pytest.mark.slow
@rows
def test_second_derivatives_of_every_choice_of_inputs(row):
    floats = floats_of(row)
    check_through(row, orders(row, 2))
    for which in [floats, *([i] for i in floats if len(floats) > 1)]:
        check_inside(row, orders(row, 2), which)


def test_every_primitive_has_a_batching_rule():
    without = set()
    for info in pkgutil.iter_modules(ops.__path__):
        module = importlib.import_module(f"{ops.__name__}.{info.name}")
        for name, value in vars(module).items():
            is_own = isinstance(value, Primitive) and value.__module__ == module.__name__
            if not is_own or isinstance(value, Update) or value.elementwise or value is random._dropout:
                continue
            if value not in RULES:
                without.add(f"{info.name}.{name}")
    assert without <= LOOPS, (f"{', '.join(sorted(without - LOOPS))}: give each a rule in autograd_nn/func/rules.py, "
                              "mostly one name in the list of its kind; or list it in LOOPS if it has to loop")
