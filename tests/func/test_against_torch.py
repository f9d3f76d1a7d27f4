"""The functions of `func` against those of torch.func, on the same arrays."""

import numpy as np
import pytest

import autograd_nn as ag
import autograd_nn.func as ours

torch = pytest.importorskip("torch")
theirs = torch.func
RANDOM = np.random.default_rng(0)
X, Y, W = RANDOM.standard_normal((4, 3)), RANDOM.standard_normal((4, 3)), RANDOM.standard_normal((3, 3))


def leaves(tree):
    if isinstance(tree, tuple | list):
        return [leaf for item in tree for leaf in leaves(item)]
    if isinstance(tree, dict):
        return [leaf for key in sorted(tree) for leaf in leaves(tree[key])]
    return [tree]


def compared(function, *arrays):
    """Call ``function(library, func, *tensors)`` with both libraries."""
    found = leaves(function(ag, ours, *map(ag.tensor, arrays)))
    expected = leaves(function(torch, theirs, *map(torch.tensor, arrays)))
    assert len(found) == len(expected)
    for x, y in zip(found, expected):
        assert x.shape == tuple(y.shape)
        np.testing.assert_allclose(x.detach().numpy(), y.detach().numpy(), rtol=1e-10, atol=1e-12)


def energy(t, w, x):
    return (t.tanh(x @ w) * x).sum() + t.logsumexp(x, -1).sum()


def tree(t, p):
    return {"y": t.sin(p["a"]) * p["b"][0].sum(), "z": (p["a"] ** 2).sum()}


CASES = {
    "grad": lambda t, f, x, y, w: f.grad(lambda w, x: energy(t, w, x), argnums=(0, 1))(w, x),
    "grad with aux": lambda t, f, x, y, w: f.grad(lambda w: (energy(t, w, x), {"x": w * 2}), has_aux=True)(w),
    "grad and value": lambda t, f, x, y, w: f.grad_and_value(lambda w: energy(t, w, x))(w),
    "grad of grad": lambda t, f, x, y, w: f.grad(lambda a: f.grad(lambda a: (a.sin() * a).sum())(a).sum())(x),
    "vjp": lambda t, f, x, y, w: f.vjp(lambda p: tree(t, p), {"a": x, "b": [y]})[1]({"y": y, "z": x[0, 0]}),
    "jvp": lambda t, f, x, y, w: f.jvp(lambda x, w: x @ w, (x, w), (y, w * 2)),
    "jvp with aux": lambda t, f, x, y, w: f.jvp(lambda x: (x.exp(), x * 2), (x,), (y,), has_aux=True),
    "linearize": lambda t, f, x, y, w: f.linearize(lambda x: t.softmax(x, 1), x)[1](y),
    "jacrev": lambda t, f, x, y, w: f.jacrev(lambda x, w: t.tanh(x @ w), argnums=(0, 1))(x, w),
    "jacrev of a tree": lambda t, f, x, y, w: f.jacrev(lambda p: tree(t, p))({"a": x, "b": [y]}),
    "jacrev in chunks": lambda t, f, x, y, w: f.jacrev(lambda x: x @ w, chunk_size=5)(x),
    "jacfwd": lambda t, f, x, y, w: f.jacfwd(lambda x, w: t.tanh(x @ w), argnums=(1, 0))(x, w),
    "jacfwd of a tree": lambda t, f, x, y, w: f.jacfwd(lambda p: tree(t, p))({"a": x, "b": [y]}),
    "hessian": lambda t, f, x, y, w: f.hessian(lambda w, x: energy(t, w, x), argnums=(0, 1))(w, x),
    "vmap": lambda t, f, x, y, w: f.vmap(lambda a, b: t.dot(a, b) * t.softmax(a, 0))(x, y),
    "vmap along other dims": lambda t, f, x, y, w: f.vmap(lambda a, b: (a * b, a.sum()), (1, None), (1, 0))(x, x[:, 0]),
    "vmap of vmap": lambda t, f, x, y, w: f.vmap(f.vmap(t.dot, (0, None)), (None, 0))(x, y),
    "vmap of grad": lambda t, f, x, y, w: f.vmap(f.grad(lambda w, x: energy(t, w, x)), (None, 0))(w, x),
    "grad of vmap": lambda t, f, x, y, w: f.grad(lambda w: f.vmap(lambda x: energy(t, w, x))(x).sum())(w),
    "vmap of hessian": lambda t, f, x, y, w: f.vmap(f.hessian(lambda x: energy(t, w, x)))(x),
    "vmap of jvp": lambda t, f, x, y, w: f.vmap(lambda x, y: f.jvp(lambda x: t.sin(x) * x, (x,), (y,)))(x, y),
    "grad of vmap of grad": lambda t, f, x, y, w: f.grad(
        lambda w: (f.vmap(f.grad(lambda w, x: energy(t, w, x)), (None, 0))(w, x) ** 2).sum())(w),
    "in chunks": lambda t, f, x, y, w: f.vmap(lambda x: x.cumsum(0), out_dims=1, chunk_size=3)(x),
    "writes": lambda t, f, x, y, w: f.vmap(lambda x, y: x.clone().mul_(y).add_(1))(x, y),
}


@pytest.mark.parametrize("name", CASES)
def test_same_values(name):
    compared(CASES[name], X, Y, W)


@pytest.mark.parametrize("call", [
    lambda t, f, x: f.vmap(lambda x: x.item())(x),
    lambda t, f, x: f.vmap(lambda x: x if x.sum() > 0 else -x)(x),
    lambda t, f, x: f.vmap(lambda x: x[x > 0])(x),
    lambda t, f, x: f.vmap(lambda x: t.nonzero(x))(x),
    lambda t, f, x: f.vmap(lambda x: t.zeros(3).add_(x))(x),
    lambda t, f, x: f.vmap(lambda x: t.rand(3) + x)(x),
    lambda t, f, x: f.vmap(lambda x: t.nn.functional.dropout(x))(x),
    lambda t, f, x: f.vmap(lambda x: x, out_dims=None)(x),
    lambda t, f, x: f.vmap(lambda x, y: x, in_dims=(0,))(x, x),
    lambda t, f, x: f.vmap(lambda x, y: x)(x, x[:2]),
    lambda t, f, x: f.vmap(lambda x: 1)(x),
    lambda t, f, x: f.vmap(t.sin, in_dims=3)(x),
    lambda t, f, x: f.vmap(t.sin, in_dims=None)(x),
    lambda t, f, x: f.vmap(t.sin, randomness="some")(x),
    lambda t, f, x: f.grad(lambda x: x)(x),
    lambda t, f, x: f.grad(lambda x: (x.sum(), 1))(x),
    lambda t, f, x: f.grad(lambda x: x.sum(), argnums=2)(x),
    lambda t, f, x: f.vjp(lambda x: x, x)[1]((x, x)),
    lambda t, f, x: f.jvp(lambda x: x, x, x),
    lambda t, f, x: f.jvp(lambda x: x, (x,), (x[:2],)),
    lambda t, f, x: f.stack_module_state([]),
    lambda t, f, x: f.functional_call(t.nn.Linear(3, 3), {"other": x}, x, strict=True),
])
def test_what_one_refuses_the_other_refuses_with_the_same_type(call):
    with pytest.raises(Exception) as theirs_says:
        call(torch, theirs, torch.tensor(X))
    with pytest.raises(type(theirs_says.value)):
        call(ag, ours, ag.tensor(X))


def test_random_numbers_are_the_same_or_different():
    for t, f in ((ag, ours), (torch, theirs)):
        x = t.zeros(5)
        same = f.vmap(lambda x, t=t: t.rand(3) + x, randomness="same")(x).numpy()
        other = f.vmap(lambda x, t=t: t.rand(3) + x, randomness="different")(x).numpy()
        assert (same == same[0]).all() and len({tuple(row) for row in other}) == 5


def test_an_ensemble_in_pytorchs_own_words():
    """The tutorial of torch.func on ensembles, and the same lines here."""
    results = []
    states = None
    for t, f in ((torch, theirs), (ag, ours)):
        models = [t.nn.Sequential(t.nn.Linear(3, 4), t.nn.ReLU(), t.nn.Linear(4, 2)) for _ in range(3)]
        if states is None:
            states = [{name: p.detach().numpy() for name, p in model.state_dict().items()} for model in models]
        for model, state in zip(models, states):
            model.load_state_dict({name: t.tensor(array) for name, array in state.items()})
        params, buffers = f.stack_module_state(models)

        def fmodel(params, buffers, x, f=f, base=models[0]):
            return f.functional_call(base, (params, buffers), (x,))

        x = t.tensor(X.astype(np.float32))
        results.append(f.vmap(fmodel, in_dims=(0, 0, None))(params, buffers, x))
        results.append(f.vmap(fmodel)(params, buffers, x[:3]))
    for expected, found in zip(results[:2], results[2:]):
        np.testing.assert_allclose(found.detach().numpy(), expected.detach().numpy(), rtol=1e-5, atol=1e-6)
