"""`vmap`: where samples lie, nesting, writes in place, random numbers, and what is refused."""

import warnings

import numpy as np
import pytest

import autograd_nn as ag
from autograd_nn import nn, primitive
from autograd_nn.autograd import checkpoint
from autograd_nn.engine import elementwise, listen
from autograd_nn.func import grad, jacrev, jvp, vjp, vmap
from autograd_nn.func.rules import _warned


def array(*shape):
    return np.random.default_rng(len(shape)).standard_normal(shape)


def tensor(*shape):
    return ag.tensor(array(*shape))


# ------------------------------------------------------------------------------------ where samples lie


def test_dims_in_and_out():
    x, y = tensor(3, 4, 5), tensor(5, 4)
    expected = np.stack([x.numpy()[:, i] @ y.numpy()[:, i] for i in range(4)])
    np.testing.assert_allclose(vmap(ag.mv, in_dims=1)(x, y).numpy(), expected)
    np.testing.assert_allclose(vmap(ag.mv, in_dims=(-2, -1), out_dims=1)(x, y).numpy(), expected.T)
    np.testing.assert_allclose(vmap(ag.mv, in_dims=[1, 1], out_dims=-1)(x, y).numpy(), expected.T)
    assert vmap(lambda x: x.shape == (3, 5) and x.size(0) == 3 and len(x) == 3 and x.ndim == 2 and x.sum(), 1)(x).shape


def test_structures_and_keywords():
    def f(pair, *, shift):
        return {"sum": pair["a"] + pair["b"] + shift, "both": [pair["a"], pair["b"].sum()]}

    a, b = tensor(4, 3), tensor(3)
    found = vmap(f, in_dims=({"a": 0, "b": None},), out_dims={"sum": 1, "both": 0})({"a": a, "b": b}, shift=tensor(4))
    np.testing.assert_allclose(found["sum"].numpy(), (a.numpy() + b.numpy() + array(4)[:, None]).T)
    assert found["both"][1].shape == (4,) and (found["both"][1].numpy() == b.numpy().sum()).all()


def test_a_result_that_is_the_same_for_all():
    x, y = tensor(4), tensor(3)
    assert vmap(lambda x: y * 2)(x).shape == (4, 3)
    assert vmap(lambda x: (x, y), out_dims=(0, None))(x)[1] is y
    with pytest.raises(ValueError, match="out_dims=None"):
        vmap(lambda x: x, out_dims=None)(x)


@pytest.mark.parametrize(("call", "kind", "text"), [
    (lambda: vmap(ag.sin)(), ValueError, "without inputs"),
    (lambda: vmap(ag.add)(tensor(3), tensor(4)), ValueError, "4 along dim 0, an earlier one 3"),
    (lambda: vmap(ag.add, in_dims=(0,))(tensor(3), tensor(3)), ValueError, "does not fit the structure"),
    (lambda: vmap(ag.add, in_dims=None)(tensor(3), tensor(3)), ValueError, "at least one"),
    (lambda: vmap(ag.add)(tensor(3), 2.0), ValueError, "input 1 is a float"),
    (lambda: vmap(ag.sin, in_dims=2)(tensor(3)), ValueError, "names dim 2"),
    (lambda: vmap(ag.sin, in_dims="0")(tensor(3)), ValueError, "integers"),
    (lambda: vmap(lambda x: 3)(tensor(3)), ValueError, "tensors only"),
    (lambda: vmap(lambda x: (x, x), out_dims=(0, 0, 0))(tensor(3)), ValueError, "out_dims does not fit"),
    (lambda: vmap(ag.sin, out_dims=1)(tensor(3)), ValueError, "out_dims names dim 1"),
    (lambda: vmap(ag.sin, chunk_size=0), ValueError, "chunk_size=0"),
    (lambda: vmap(ag.sin, randomness="any"), RuntimeError, "randomness='any'"),
    (lambda: vmap(lambda x: x.item())(tensor(3)), RuntimeError, r"item\(\) is not possible"),
    (lambda: vmap(lambda x: x if x > 0 else -x)(tensor(3)), RuntimeError, "decision"),
    (lambda: vmap(lambda x: x.tolist())(tensor(3)), RuntimeError, "tolist"),
    (lambda: vmap(lambda x: np.asarray(x))(tensor(3)), RuntimeError, "array"),
    (lambda: vmap(lambda x: x.numpy())(tensor(3)), RuntimeError, "numpy"),
    (lambda: vmap(float)(tensor(3)), RuntimeError, "item"),
    (lambda: vmap(lambda x: x[x > 0])(tensor(3, 2)), RuntimeError, "mask would select"),
    (lambda: vmap(lambda x: x.nonzero())(tensor(3, 2)), RuntimeError, "depends on values"),
    (lambda: vmap(lambda x: x.unique())(tensor(3, 2)), RuntimeError, "reads values"),
    (lambda: vmap(lambda x: ag.rand(2) + x)(tensor(3)), RuntimeError, r"rand\(\).*randomness='error'"),
    (lambda: vmap(lambda x: nn.functional.dropout(x))(tensor(3)), RuntimeError, "randomness='error'"),
    (lambda: vmap(lambda x: x.requires_grad_())(tensor(3)), RuntimeError, "func.grad"),
    (lambda: vmap(lambda x: ag.zeros(2).add_(x))(tensor(3)), RuntimeError, "one for all of them"),
    (lambda: vmap(lambda x, y: x.mul_(y), in_dims=(None, 0))(tensor(2), tensor(3)), RuntimeError, "one for all"),
    (lambda: vmap(lambda x: x.reshape(5))(tensor(3, 2)), RuntimeError, r"reshape\(\): shape \(5,\)"),
    (lambda: vmap(lambda x: nn.functional.embedding(ag.tensor([0]), x))(tensor(2, 3)), RuntimeError, "matrix"),
])
def test_what_is_refused(call, kind, text):
    with pytest.raises(kind, match=text):
        call()


def test_a_tensor_from_inside_is_refused_outside():
    kept = []
    vmap(lambda x: kept.append(x) or x)(tensor(3))
    with pytest.raises(RuntimeError, match="after vmap had returned"):
        np.asarray(kept[0])
    with pytest.raises(RuntimeError, match="after vmap had returned"):
        kept[0] + 1


def test_an_index_out_of_range_in_any_sample_is_found():
    table, places = tensor(4, 2), ag.tensor([[0, 1], [3, 4]])
    with pytest.raises(IndexError, match="index 4 is out of range"):
        vmap(lambda i: nn.functional.embedding(i, table))(places)


# ------------------------------------------------------------------------------------ nesting


def test_vmap_of_vmap():
    x, y = tensor(3, 5), tensor(4, 5)
    pairs = vmap(vmap(ag.dot, in_dims=(None, 0)), in_dims=(0, None))(x, y)
    np.testing.assert_allclose(pairs.numpy(), x.numpy() @ y.numpy().T)
    swapped = vmap(vmap(ag.dot, in_dims=(0, None)), in_dims=(None, 0), out_dims=1)(x, y)
    np.testing.assert_allclose(swapped.numpy(), x.numpy() @ y.numpy().T)
    z = tensor(2, 3, 4)
    np.testing.assert_allclose(vmap(vmap(lambda x: ag.softmax(x, 0) * x.sum()), in_dims=1, out_dims=1)(z).numpy(),
                               (ag.softmax(z, -1) * z.sum(-1, keepdim=True)).numpy())


def test_derivatives_inside_outside_and_on_both_sides():
    w, x = tensor(3, 3), tensor(4, 3)

    def f(w, x):
        return ag.tanh(w @ x).square().sum()

    per_sample = vmap(grad(f), in_dims=(None, 0))(w, x)
    for i in range(4):
        np.testing.assert_allclose(per_sample[i].numpy(), grad(f)(w, x[i]).numpy(), atol=1e-12)
    total = grad(lambda w: vmap(f, in_dims=(None, 0))(w, x).sum())(w)
    np.testing.assert_allclose(total.numpy(), per_sample.numpy().sum(0), atol=1e-12)

    def penalty(w):  # of the size of the gradient of each sample: a derivative of derivatives inside vmap
        return vmap(grad(f), in_dims=(None, 0))(w, x).square().sum()

    expected = sum(grad(lambda w, i=i: grad(f)(w, x[i]).square().sum())(w).numpy() for i in range(4))
    np.testing.assert_allclose(grad(penalty)(w).numpy(), expected, atol=1e-11)
    inside = vmap(grad(lambda x: grad(f)(w, x).square().sum()))(x)
    for i in range(4):
        np.testing.assert_allclose(inside[i].numpy(), grad(lambda x: grad(f)(w, x).square().sum())(x[i]).numpy(),
                                   atol=1e-11)


def test_grad_of_vmap_of_grad_of_vmap():
    x, y = tensor(3), tensor(4)

    def inner(a):
        return vmap(lambda b: ag.sin(a * b))(y).sum()

    def outer(x):
        return vmap(grad(inner))(x).square().sum()

    expected = grad(lambda x: sum(grad(lambda a: sum(ag.sin(a * b) for b in y))(a) ** 2 for a in x))(x)
    np.testing.assert_allclose(grad(outer)(x).numpy(), expected.numpy(), atol=1e-12)


def test_vjp_and_jvp_of_samples():
    x, v = tensor(4, 3), tensor(3)
    f = lambda x: ag.sin(x).cumsum(0)  # noqa: E731
    tangents = vmap(lambda x: jvp(f, (x,), (v,))[1])(x)
    products = vmap(lambda x: vjp(f, x)[1](v)[0])(x)
    for i in range(4):
        np.testing.assert_allclose(tangents[i].numpy(), jvp(f, (x[i],), (v,))[1].numpy(), atol=1e-12)
        np.testing.assert_allclose(products[i].numpy(), vjp(f, x[i])[1](v)[0].numpy(), atol=1e-12)
    _, vjp_fn = vjp(f, x[0])  # a graph from outside, vectors from inside
    rows = vmap(lambda u: vjp_fn(u)[0])(ag.eye(3, dtype=np.float64))
    np.testing.assert_allclose(rows.numpy(), jacrev(f)(x[0]).numpy(), atol=1e-12)


def test_detach_inside_holds_inside_and_outside():
    x = tensor(3).requires_grad_()
    (g,) = ag.grad(vmap(lambda x: x * x.detach())(x).sum(), x)
    np.testing.assert_allclose(g.numpy(), x.detach().numpy())
    (g,) = ag.grad(vmap(lambda x: x * ag.engine.wrap(x.array))(x).sum(), x)
    np.testing.assert_allclose(g.numpy(), x.detach().numpy())
    np.testing.assert_allclose(vmap(grad(lambda x: x * x.detach()))(x).detach().numpy(), x.detach().numpy())


def test_backward_reaches_leaves_outside():
    w, x = tensor(3).requires_grad_(), tensor(4, 3)
    vmap(lambda x: ag.dot(w, x))(x).sum().backward()
    np.testing.assert_allclose(w.grad.numpy(), x.numpy().sum(0))


def test_chunks_are_the_same():
    x = tensor(7, 3).requires_grad_()
    f = lambda x: (x.softmax(0), x.sum())  # noqa: E731
    expected = vmap(f, out_dims=(1, 0))(x)
    for size in (1, 3, 7, 9):
        found = vmap(f, out_dims=(1, 0), chunk_size=size)(x)
        for each, other in zip(found, expected):
            np.testing.assert_allclose(each.detach().numpy(), other.detach().numpy())


def test_no_samples():
    assert vmap(lambda x: ag.sin(x).sum())(tensor(0, 3)).shape == (0,)
    assert vmap(grad(lambda x: ag.sin(x).sum()))(tensor(0, 3)).shape == (0, 3)


def test_a_listener_inside_hears_of_samples():
    heard = []

    def note(proceed, primitive, inputs, settings):
        heard.append((primitive.name, inputs[0].shape))
        return proceed(*inputs, **settings)

    def f(x):
        with listen(note):
            return x.exp().sum()

    assert vmap(f)(tensor(3, 2)).shape == (3,)
    assert heard == [("exp", (2,)), ("sum", (2,))]


# ------------------------------------------------------------------------------------ dtypes


@pytest.mark.parametrize("first", [np.float32, np.float64, np.int64, np.bool_])
@pytest.mark.parametrize("second", [np.float32, np.float64, np.int32])
def test_samples_without_dims_have_as_little_say_in_the_dtype(first, second):
    x, y = ag.tensor(np.ones(3, first)), ag.tensor(np.ones(2, second))
    for function in (ag.add, ag.mul, ag.div, lambda x, y: ag.where(y > 0, x, y), ag.maximum):
        expected = function(x[0], y)
        assert vmap(function, in_dims=(0, None))(x, y).dtype == expected.dtype
        assert vmap(lambda x, function=function: function(x, 2.5))(x).dtype == function(x[0], 2.5).dtype


# ------------------------------------------------------------------------------------ in place


def test_writes_reach_the_memory_of_the_argument():
    x = tensor(3, 4)
    before = x.numpy().copy()
    vmap(lambda x: x.mul_(2))(x)
    np.testing.assert_allclose(x.numpy(), 2 * before)

    def through_views(x):
        x[1:].add_(1)
        x[0] = 7
        x.reshape(2, 2)[1, 1] -= 5
        return x

    vmap(through_views)(x)
    expected = 2 * before
    expected[:, 1:] += 1
    expected[:, 0] = 7
    expected[:, 3] -= 5
    np.testing.assert_allclose(x.numpy(), expected)


def test_writes_are_differentiated_inside_and_outside():
    def f(x, y):
        out = x * 1
        part = out[1:]
        part.mul_(y)
        out[0] = y * y
        out[ag.tensor([1, 1])] = x[:2]
        return (out * part.sum()).sum() + (out * 1).exp_().sum()

    x, y = tensor(3, 4), tensor(3)
    inside = vmap(grad(f, argnums=(0, 1)))(x, y)
    leaves = [each.detach().requires_grad_() for each in (x, y)]
    outside = ag.grad(vmap(f)(*leaves).sum(), leaves)
    for i in range(3):
        expected = grad(f, argnums=(0, 1))(x[i], y[i])
        for a, b, c in zip(expected, inside, outside):
            np.testing.assert_allclose(b[i].numpy(), a.numpy(), atol=1e-12)
            np.testing.assert_allclose(c[i].numpy(), a.numpy(), atol=1e-12)


def test_a_value_changed_in_place_after_use_is_found():
    def f(x):
        y = x * 1
        z = y.exp() * y
        with ag.no_grad():
            y.add_(1)
        return z.sum()

    with pytest.raises(RuntimeError, match="changed in place"):
        vmap(grad(f))(tensor(3, 2))


@pytest.mark.parametrize("key", [
    0, -1, (slice(None), 1), (..., 0), (None, 1), [2, 0], (slice(None), [0, 0, 2]), ([0, 1], slice(None), [1, 0]),
    (slice(None), [[0, 1], [2, 0]], 1), (0, slice(None), [1, 0]), (..., [1, 0]), (None, [1, 0], ..., None),
    np.array([True, False, True]), (slice(None), np.array([True, False, True, False])),
], ids=str)  # fmt: skip
def test_every_index_of_samples(key):
    x = tensor(5, 3, 4, 2)
    found = vmap(lambda x: x[key])(x)
    expected = np.stack([each[key] for each in x.numpy()])
    np.testing.assert_allclose(found.numpy(), expected)
    np.testing.assert_allclose(vmap(grad(lambda x: (x[key] ** 2).sum()))(x)[2].numpy(),
                               grad(lambda x: (x[key] ** 2).sum())(x[2]).numpy())

    def write(x, value):
        x = x.clone()
        x[key] = value
        return x

    for value in (tensor(5), ag.tensor(expected * 2)):
        written = vmap(write)(x, value)
        for i in range(5):
            np.testing.assert_allclose(written[i].numpy(), write(x[i], value[i]).numpy())


def test_indices_of_each_sample():
    x, i, j = tensor(5, 3, 4), ag.tensor([0, 2, 1, 0, 2]), ag.tensor(np.arange(10).reshape(5, 2) % 4)
    np.testing.assert_allclose(vmap(lambda x, i: x[i])(x, i).numpy(), x.numpy()[np.arange(5), i.numpy()])
    found = vmap(lambda x, j: x[:, j])(x, j)
    np.testing.assert_allclose(found.numpy(), np.stack([a[:, b] for a, b in zip(x.numpy(), j.numpy())]))
    one = x[0]
    found = vmap(lambda j: one[:, j])(j)
    np.testing.assert_allclose(found.numpy(), np.stack([one.numpy()[:, b] for b in j.numpy()]))
    g = vmap(grad(lambda x, j: (x[:, j] ** 2).sum()))(x, j)
    for k in range(5):
        np.testing.assert_allclose(g[k].numpy(), grad(lambda x: (x[:, j[k]] ** 2).sum())(x[k]).numpy())  # noqa: B023
    picked = vmap(lambda x, j: ag.index_select(x, 1, j))(x, j)
    np.testing.assert_allclose(picked.numpy(), np.stack([a[:, b] for a, b in zip(x.numpy(), j.numpy())]))
    added = vmap(lambda x, j, s: ag.index_add(x, 1, j, s))(x, j, tensor(5, 3, 2))
    assert added.shape == x.shape


def test_what_is_made_like_a_sample_is_made_for_each():
    x = tensor(4, 3)
    for make in (ag.zeros_like, ag.ones_like, ag.empty_like, lambda x: ag.full_like(x, 2.0), lambda x: x.new_zeros(3),
                 lambda x: x.new_full((3,), 1.0)):
        found = vmap(lambda x, make=make: make(x).copy_(x))(x)
        np.testing.assert_array_equal(found.numpy(), x.numpy())


# ------------------------------------------------------------------------------------ random numbers


def test_randomness():
    x = ag.zeros(4, 6)
    draws = [lambda x: ag.rand(6) + x, lambda x: ag.randn_like(x) + x, lambda x: x.clone().normal_(),
             lambda x: nn.functional.dropout(x + 1), lambda x: ag.randperm(6) + x,
             lambda x: ag.bernoulli(x + 0.5), lambda x: ag.randint(0, 1000, (6,)) + x]  # fmt: skip
    for draw in draws:
        same = vmap(draw, randomness="same")(x).numpy()
        assert (same == same[:1]).all()
        other = vmap(draw, randomness="different")(x).numpy()
        assert not all((row == other[0]).all() for row in other[1:])
        ag.manual_seed(3)
        first = vmap(draw, randomness="different")(x).numpy()
        ag.manual_seed(3)
        assert (vmap(draw, randomness="different")(x).numpy() == first).all()
        with pytest.raises(RuntimeError, match="randomness='error'"):
            vmap(draw)(x)


def test_the_mask_of_dropout_is_that_of_the_gradient():
    x = ag.ones(4, 50)
    for randomness in ("same", "different"):
        ag.manual_seed(0)
        out = vmap(lambda x: nn.functional.dropout(x, 0.5), randomness=randomness)(x)
        ag.manual_seed(0)
        g = vmap(grad(lambda x: nn.functional.dropout(x, 0.5).sum()), randomness=randomness)(x)
        np.testing.assert_array_equal(out.numpy(), g.numpy())


# ------------------------------------------------------------------------------------ operations of one's own


def test_an_operation_without_a_rule_runs_in_a_loop_and_one_warning_names_it():
    @primitive
    def backwards(x):
        return np.ascontiguousarray(x[::-1])

    backwards.defvjp(x=lambda g: backwards(g))
    _warned.discard("backwards")
    x = tensor(4, 3)
    with pytest.warns(UserWarning, match=r"backwards\(\) has no batching rule") as caught:
        found = vmap(lambda x: backwards(x) + backwards(x * 2))(x)
    assert len(caught) == 1
    np.testing.assert_allclose(found.numpy(), 3 * x.numpy()[:, ::-1])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        g = vmap(grad(lambda x: (backwards(x) * x).sum()))(x)
    np.testing.assert_allclose(g.numpy(), 2 * x.numpy()[:, ::-1])


def test_an_elementwise_operation_of_ones_own_needs_no_rule():
    @elementwise
    def hypotenuse(x, y):
        return np.hypot(x, y)

    x, y = tensor(4, 3), tensor(4)
    np.testing.assert_allclose(vmap(hypotenuse)(x, y).numpy(), np.hypot(x.numpy(), y.numpy()[:, None]))


class Cube(ag.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x**3

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return g * 3 * x * x


def test_functions_with_a_backward_of_their_own():
    x = tensor(4, 3)
    np.testing.assert_allclose(vmap(Cube.apply)(x).numpy(), x.numpy() ** 3)
    np.testing.assert_allclose(grad(lambda x: grad(lambda x: Cube.apply(x).sum())(x).sum())(x).numpy(), 6 * x.numpy())
    for call in (lambda: vmap(grad(lambda x: Cube.apply(x).sum()))(x), lambda: vmap(Cube.apply)(x.requires_grad_())):
        with pytest.raises(RuntimeError, match=r"Cube.apply\(\): a Function cannot be differentiated inside vmap"):
            call()


def test_checkpoints_and_hooks_inside():
    x = tensor(4, 3)

    def f(x):
        return checkpoint(lambda x: ag.sin(x * x).sum(), x)

    np.testing.assert_allclose(vmap(grad(f))(x).numpy(), (2 * x * ag.cos(x * x)).numpy())
    with pytest.raises(RuntimeError, match="inside vmap it can be differentiated inside only"):
        vmap(f)(x.requires_grad_())
    net, seen = nn.Linear(3, 2).double(), []
    net.register_full_backward_hook(lambda module, grad_input, grad_output: seen.append(grad_output[0].shape))
    vmap(grad(lambda x: net(x).sum()))(x.detach())
    vmap(lambda x: net(x).sum())(x).sum().backward()
    assert seen == [(2,), (4, 2)]


def test_layers_of_a_transformer_and_recurrent_ones_take_samples():
    ag.manual_seed(0)
    x = tensor(3, 2, 4, 8).float()
    encoder = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True, dropout=0.0)
    found = vmap(encoder)(x)
    for i in range(3):
        np.testing.assert_allclose(found[i].detach().numpy(), encoder(x[i]).detach().numpy(), atol=1e-5)
    for layer in (nn.LSTM(8, 5), nn.GRU(8, 5), nn.RNN(8, 5)):
        found, _ = vmap(layer)(x)
        for i in range(3):
            np.testing.assert_allclose(found[i].detach().numpy(), layer(x[i])[0].detach().numpy(), atol=1e-5)


@pytest.mark.parametrize("in_dims", [(0, None), (None, 0), (0, 0)])
@pytest.mark.parametrize(("ways", "shapes"), [
    ("isin", ((4,), (3,))), ("isin", ((2, 3), (4,))),
    ("searchsorted", ((5,), (3,))), ("searchsorted", ((5,), (2, 3))), ("searchsorted", ((2, 5), (2, 3))),
])  # fmt: skip
def test_searches_are_those_of_each_sample(ways, shapes, in_dims):
    function = getattr(ag, ways)
    rng = np.random.default_rng(1)
    inputs = [rng.integers(0, 4, shape if dim is None else (3, *shape)) for shape, dim in zip(shapes, in_dims)]
    if ways == "searchsorted":
        inputs[0].sort(-1)
    tensors = [ag.tensor(x) for x in inputs]
    each = [function(*(x if dim is None else x[i] for x, dim in zip(tensors, in_dims))).tolist() for i in range(3)]
    assert vmap(function, in_dims)(*tensors).tolist() == each
