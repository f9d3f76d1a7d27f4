"""Public functions beside PyTorch's of the same name: the same call must give the same values and gradients."""

import numpy as np
import pytest

import autograd_nn as ag

from .expressions import EXPRESSIONS

torch = pytest.importorskip("torch")


def values_and_gradients(library, call, arrays, names):
    """Evaluate a call in the names of a library; return the results and the gradients of a weighting of them."""
    leaves = {}
    for name, array in zip(names, arrays):
        x = library.from_numpy(array.copy())
        leaves[name] = x.requires_grad_() if array.dtype.kind == "f" and name not in "gt" else x
    scope = {**{name: getattr(library, name) for name in dir(library)}, "F": library.nn.functional,
             "linalg": library.linalg, "special": library.special, **leaves}  # fmt: skip
    out = eval(call, scope)
    outputs = list(out) if isinstance(out, tuple | list) else [out]
    recorded = [x for x in outputs if x.requires_grad]
    if recorded:
        sum(
            (x * library.from_numpy(np.cos(np.arange(x.numel())).reshape(tuple(x.shape)))).sum() for x in recorded
        ).backward()
    grads = [leaf.grad for leaf in leaves.values() if leaf.requires_grad]
    return [np.asarray(x.detach()) for x in outputs], [None if g is None else np.asarray(g) for g in grads]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("call", "arrays", "names"),
    EXPRESSIONS,
    ids=lambda v: v if isinstance(v, str) else "",
)
def test_call(call, arrays, names):
    found, gradients = values_and_gradients(ag, call, arrays, names.split())
    expected, expected_gradients = values_and_gradients(torch, call, arrays, names.split())
    assert [a.shape for a in found] == [a.shape for a in expected]
    assert [a.dtype for a in found] == [a.dtype for a in expected]
    for a, b in zip(found, expected):
        assert np.allclose(a, b, rtol=1e-9, atol=1e-9, equal_nan=True)
    for g, h in zip(gradients, expected_gradients):
        assert np.allclose(0.0 if g is None else g, 0.0 if h is None else h, rtol=1e-7, atol=1e-8, equal_nan=True)
