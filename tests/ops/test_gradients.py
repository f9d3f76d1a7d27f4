"""Every differentiable operation: first and second order, dtype, strides; one table, `cases.py`."""

import importlib
import pkgutil

import numpy as np
import pytest

from autograd_nn import Tensor, grad, ops
from autograd_nn.engine import Primitive, enable_grad, listen, results_of, wrap
from autograd_nn.testing import gradcheck, gradgradcheck

from .cases import table

pytestmark = pytest.mark.filterwarnings("ignore:.*encountered.*:RuntimeWarning")
names = pytest.mark.parametrize("row", table, ids=[row.name for row in table])


def arguments(row, change=lambda array: array):
    """Return the inputs of a row as tensors; floating-point ones require a gradient."""
    tensors = []
    for array in row.inputs:
        x = wrap(change(array))
        if x.dtype.kind == "f":
            x.requires_grad = True
        tensors.append(x)
    return tensors


def results(row, tensors):
    """Return the floating-point outputs of a row and the gradients of a fixed weighting of them."""
    outputs = row.function(*tensors)
    outputs = [out for out in (outputs if isinstance(outputs, tuple | list) else [outputs]) if out.dtype.kind == "f"]
    recorded = [out for out in outputs if out.requires_grad]
    leaves = [x for x in tensors if x.requires_grad]
    weights = [np.asarray(np.cos(np.arange(out.numel())).reshape(out.shape), out.dtype) for out in recorded]
    return outputs, grad(recorded, leaves, weights, create_graph=True, allow_unused=True)


@names
def test_gradient(row):
    assert gradcheck(row.function, arguments(row), atol=1e-6, rtol=1e-5)


@names
def test_gradient_of_the_gradient(row):
    if row.second_order:
        assert gradgradcheck(row.function, arguments(row), atol=1e-6, rtol=1e-5)


@names
def test_float32_stays_float32(row):
    wide = []

    def listener(proceed, primitive, inputs, params):
        out = proceed(*inputs, **params)
        if any(result.dtype == np.float64 for result in results_of(out)):
            wide.append(primitive.name)
        return out

    with listen(listener):
        outputs, gradients = results(row, arguments(row, lambda a: a.astype(np.float32) if a.dtype.kind == "f" else a))
    assert not wide
    assert {out.dtype for out in outputs} <= {np.dtype(np.float32)}
    assert {g.dtype for g in gradients if g is not None} <= {np.dtype(np.float32)}


def strided(array):
    """Return the same elements in memory that is neither dense nor in order, and that cannot be written to."""
    if not array.ndim:
        return array
    buffer = np.full([2 * n + 1 for n in array.shape[::-1]], 7).astype(array.dtype)
    view = (
        buffer.T[tuple(slice(-1, -2 * n - 1, -2) for n in array.shape)]
        if array.size
        else buffer.T[tuple(slice(n) for n in array.shape)]
    )
    view[...] = array
    view.flags.writeable = False
    return view


@names
def test_strides_do_not_matter_and_inputs_are_left_alone(row):
    expected, expected_gradients = results(row, arguments(row))
    tensors = arguments(row, strided)
    outputs, gradients = results(row, tensors)
    for out, other in zip([*outputs, *gradients], [*expected, *expected_gradients]):
        assert (out is None) == (other is None)
        assert out is None or np.allclose(out.array, other.array, rtol=1e-12, atol=1e-12, equal_nan=True)
    for x, array in zip(tensors, row.inputs):
        assert np.array_equal(x.array, array)


def every_primitive():
    """Return the primitives of all modules in `ops` that have a vjp, by module and name."""
    found = {}
    for info in pkgutil.iter_modules(ops.__path__):
        module = importlib.import_module(f"{ops.__name__}.{info.name}")
        for name, value in vars(module).items():
            if isinstance(value, Primitive) and value.differentiable and value.__module__ == module.__name__:
                found[value] = f"{info.name}.{name}"
    return found


def test_every_primitive_with_a_gradient_is_in_the_table():
    recorded = set()

    def listener(proceed, primitive, inputs, params):
        out = proceed(*inputs, **params)
        if any(result.requires_grad for result in results_of(out)):
            recorded.add(primitive)
        return out

    with listen(listener), enable_grad():
        for row in table:
            row.function(*arguments(row))
    alone = {"joined_norm._joined_norm", "joined_norm._joined_norm_input"}  # within a group: tests/parallel
    missing = [name for primitive, name in every_primitive().items() if primitive not in recorded and name not in alone]
    assert not missing, f"no row of tests/ops/cases.py calls {', '.join(missing)}"


def test_a_gradient_of_ones_does_not_reach_integers():
    x = Tensor(np.arange(3))
    assert not (x + 1).requires_grad
